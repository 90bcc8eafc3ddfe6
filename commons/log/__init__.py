"""Logs read and judged: whoever shows them, everything is verified before it counts."""
