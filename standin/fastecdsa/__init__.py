"""Stands in for fastecdsa 2.3.2, which libp2p 0.8.1 demands and which has no wheel: it wants a compiler, Python's
headers and GMP of whoever installs it.

libp2p uses it for one thing, the NIST curves of the handshake "secio" and of ECC peer ids. A commons node speaks Noise
with Ed25519 ids and offers nothing else. So the names that libp2p imports are here, and whoever uses one is told.
"""


def absent(name: str) -> NotImplementedError:
    """What is raised where a curve would be needed."""
    return NotImplementedError(
        f"fastecdsa's {name} is not here: this is a stand-in without elliptic curves. "
        "`pip install fastecdsa==2.3.2` brings them; it needs a C compiler, Python's headers and GMP"
    )
