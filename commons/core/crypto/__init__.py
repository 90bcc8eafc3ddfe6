"""Keys, names of things, one spelling of values, signed envelopes, sealed messages."""
