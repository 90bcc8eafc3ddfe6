"""The pure nouns: no clock, no disk, no socket and no chance in here."""
