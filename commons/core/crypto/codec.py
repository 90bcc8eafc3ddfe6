"""Values to bytes and back: msgpack, one spelling only. Knows nothing of what the values mean.

Strict by construction: decode, structure, encode again, compare. So unknown and duplicate keys, floats, non-minimal
integers, another field order and wrong types are all refused by one comparison. Sign and store the exact bytes.
"""

from __future__ import annotations

from typing import Any, TypeVar

import cattrs
import msgpack

from commons.errors import Malformed, TooLarge

T = TypeVar("T")

LIMIT = 1 << 20  # bytes of one message, unless the caller states another bound

_converter = cattrs.Converter(forbid_extra_keys=True, detailed_validation=False)


def _bytes(value: Any, _: Any) -> bytes:
    if type(value) is not bytes:
        raise TypeError("not bytes")
    return value


_converter.register_structure_hook(bytes, _bytes)
_converter.register_unstructure_hook(bytes, lambda value: value)


def encode(value: object) -> bytes:
    """A frozen dataclass, as a msgpack map in the order of its fields. Malformed if it holds what cannot be written."""
    try:
        return msgpack.packb(_converter.unstructure(value), use_bin_type=True)  # type: ignore[no-any-return]
    except (UnicodeEncodeError, OverflowError) as error:  # a word of the command line that is no UTF-8, or 65 bits
        raise Malformed(
            "it cannot be written down: text is Unicode, a number has 64 bits", hint="type it in UTF-8"
        ) from error


def plain(value: object) -> bytes:
    """Plain msgpack of what is plain already: lists, numbers, text and bytes. For `raw`."""
    return msgpack.packb(value, use_bin_type=True)  # type: ignore[no-any-return]


def raw(data: bytes, limit: int = LIMIT) -> Any:
    """Plain msgpack, bounded; Malformed or TooLarge. Only to look at before decoding."""
    if len(data) > limit:
        raise TooLarge(f"message of {len(data)} bytes is over the limit of {limit}")
    try:
        whole = msgpack.Unpacker(max_buffer_size=len(data) + 1)
        whole.feed(data)
        whole.skip()  # makes nothing: headers that announce what does not follow end here, before they reserve memory
        return msgpack.unpackb(data, raw=False, strict_map_key=True, use_list=True)
    except Exception as error:  # msgpack raises its own kinds, ValueError, StackError and UnicodeDecodeError
        raise Malformed("not valid msgpack") from error


def scalars(data: bytes) -> msgpack.Unpacker:
    """A reader for large tables: arrays are entered one by one with `read_array_header`, and `unpack` gives scalars
    only, so that no header can make it reserve memory for what does not follow. Raises msgpack's own kinds."""
    rows = msgpack.Unpacker(max_buffer_size=len(data) + 1, max_array_len=0, max_map_len=0, max_ext_len=0)
    rows.feed(data)
    return rows


def restored(kind: Any, data: bytes) -> Any:
    """What `encode` made these bytes of, of whichever `kind` it writes, where it is certain that it did: nobody looks
    whether there is another spelling. Malformed where it has another form by now."""
    try:
        return _converter.structure(raw(data, len(data)), kind)
    except Exception as error:
        raise Malformed("not what is written here by now") from error


def decode(kind: type[T], data: bytes, limit: int = LIMIT) -> T:
    """The one `kind` whose encoding is exactly `data`; Malformed or TooLarge otherwise."""
    value = raw(data, limit)
    try:
        result = _converter.structure(value, kind)
        again = encode(result)
    except (Malformed, TooLarge):
        raise
    except Exception as error:  # cattrs: TypeError, KeyError, ForbiddenExtraKeysError, AttributeError ...
        raise Malformed(f"not a {kind.__name__}") from error
    if again != data:
        raise Malformed(f"not a {kind.__name__} in its only spelling")
    return result
