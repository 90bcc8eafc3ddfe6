"""Members and their charter: founded, joined, voted in, passed on to another registrar."""
