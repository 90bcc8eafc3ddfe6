"""commons: share datasets peer to peer under their licence, and account for who was given the key."""

__version__ = "0.1.0"
