"""A running node: its doors, its verbs, and what it does by itself, joined."""
