"""What libp2p imports of the encodings."""
