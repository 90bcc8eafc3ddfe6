"""The one function of the encodings that needs no curve."""


def int_bytelen(number: int) -> int:
    """How many bytes the number takes, written without leading zeros."""
    return (number.bit_length() + 7) // 8
