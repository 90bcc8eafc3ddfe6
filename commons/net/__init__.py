"""The network: one window for those above, and libp2p, HTTP and their limits behind it."""
