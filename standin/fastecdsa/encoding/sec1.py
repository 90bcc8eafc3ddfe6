"""Points as bytes: none can be read or written."""

from fastecdsa import absent


class SEC1Encoder:
    @staticmethod
    def encode_public_key(*args: object, **named: object) -> bytes:
        raise absent("SEC1Encoder.encode_public_key")

    @staticmethod
    def decode_public_key(*args: object, **named: object) -> object:
        raise absent("SEC1Encoder.decode_public_key")
