"""Keys in many hands: shared, kept by custodians, handed over; and what convicts one who gave a share unasked."""
