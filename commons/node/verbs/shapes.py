"""The values that verbs take and give: from JSON, to JSON, in a JSON schema, and in words.

A result is a frozen attrs class, made with `result`; each field says what it holds (`Annotated[type, "words"]`). Times
are seconds since 1970, sizes are bytes. As JSON it is an object of its fields, in their order; one that has nothing to
say may be left out (`unsaid`). An underscore at the end of a name is for Python's sake, and is not in the JSON.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, dataclass_transform, get_args, get_origin

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

T = TypeVar("T")
Spot = str | os.PathLike[str]  # a file or a folder; through the owner's door by its whole path
Source = Annotated[str | os.PathLike[str], "a folder, a .zip, a peer's address or a URL"]
_NAMES: Mapping[Any, tuple[str, str]] = {  # of a type: in words, and in a schema
    str: ("text", "string"),
    Spot: ("a path", "string"),
    Source: ("a path or an address", "string"),
    int: ("a whole number", "integer"),
    bool: ("true or false", "boolean"),
    float: ("a number", "number"),
    NoneType: ("nothing", "null"),
}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(attrs.field,))
def result(kind: type[T]) -> type[T]:
    """The class of a result: frozen, its fields named by whoever makes one."""
    return attrs.frozen(kind, kw_only=True)


def unsaid(beside: str) -> Any:
    """A field that is None, and left out of the JSON where the field `beside` (it may be itself) is None."""
    return attrs.field(default=None, metadata={"beside": beside})


# -- from JSON and to it ----------------------------------------------------------------------------------------------


def structure(kind: type[T], value: Any) -> T:
    """The value as one of that type, lists as tuples. ValueError or another for what is none: nothing is converted."""
    return _strict.structure(value, kind)


def told(kind: type[T], **fields: Any) -> T:
    """A result of what the rooms below say in plain values. A TypeError, which is a bug of ours, names the field that
    the class lacks or has of another type: who tells more adds a field."""
    try:
        return structure(kind, fields)
    except Exception as error:
        resolved: Any = attrs.resolve_types(kind)  # type: ignore[type-var]
        known = {each.name.rstrip("_"): each for each in attrs.fields(resolved)}
        wrong = [name for name in fields if name not in known or not _fits(known[name].type, fields[name])]
        lacks = [name for name, each in known.items() if name not in fields and "beside" not in each.metadata]
        raise TypeError(f"{kind.__name__}: {', '.join(wrong + lacks)}") from error


def _fits(kind: Any, value: Any) -> bool:
    try:
        structure(kind, value)
    except Exception:
        return False
    return True


def plain(value: Any) -> Any:
    """A result as JSON has it."""
    if attrs.has(type(value)):
        return {
            each.name.rstrip("_"): plain(getattr(value, each.name))
            for each in attrs.fields(type(value))
            if "beside" not in each.metadata or getattr(value, each.metadata["beside"]) is not None
        }
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def _origin(kind: Any) -> Any:
    return get_origin(kind)


def _exactly(value: Any, kind: Any) -> Any:
    if type(value) is not kind and (kind, type(value)) != (float, int):
        raise TypeError(f"not {_NAMES[kind][0]}")
    return value


def _several(value: Any, kind: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):  # a text is a sequence, too
        raise TypeError("not a list")
    return tuple(_strict.structure(each, get_args(kind)[0]) for each in value)


def _perhaps(value: Any, kind: Any) -> Any:
    (inner,) = (each for each in get_args(kind) if each is not NoneType)
    return None if value is None else _strict.structure(value, inner)


def _fields(kind: Any) -> Any:
    renamed: Any = {each.name: override(rename=each.name.rstrip("_")) for each in attrs.fields(kind)}
    return make_dict_structure_fn(kind, _strict, _cattrs_forbid_extra_keys=True, **renamed)


_strict = cattrs.Converter(detailed_validation=False)
for _each in (str, int, float, bool):
    _strict.register_structure_hook(_each, _exactly)
_strict.register_structure_hook_func(lambda kind: kind in (Spot, Source), lambda value, _: _exactly(value, str))
_strict.register_structure_hook_func(lambda kind: _origin(kind) in (Sequence, tuple), _several)
_strict.register_structure_hook_func(
    lambda kind: _origin(kind) in (Union, UnionType) and NoneType in get_args(kind), _perhaps
)
_strict.register_structure_hook_factory(attrs.has, _fields)


# -- in words, and in a schema ----------------------------------------------------------------------------------------


def spelt(kind: Any) -> str:
    """A type in words, as in: text, a whole number, a list of text, or nothing."""
    if kind in _NAMES:
        return _NAMES[kind][0]
    if attrs.has(kind):
        return str(kind.__name__)
    origin, inner = get_origin(kind), [each for each in get_args(kind) if each is not Ellipsis]
    if origin is Annotated:
        return spelt(inner[0])
    if origin is Literal:
        return " or ".join(map(repr, inner))
    if origin in (Union, UnionType):
        return ", or ".join(spelt(each) for each in inner)
    return f"a list of {spelt(inner[0])}" if len(inner) == 1 else f"an object of {spelt(inner[-1])} by name"


def schema(kind: Any, named: dict[str, Any]) -> dict[str, Any]:
    """The JSON schema (draft 7) of a type; those of its classes are put into `named`, and referred to."""
    if kind in _NAMES:
        return {"type": _NAMES[kind][1]}
    if attrs.has(kind):
        if kind.__name__ not in named:
            named[kind.__name__] = {}  # it may hold others of its own
            named[kind.__name__] = _object(kind, named)
        return {"$ref": f"#/definitions/{kind.__name__}"}
    origin, inner = get_origin(kind), [each for each in get_args(kind) if each is not Ellipsis]
    if origin is Annotated:
        return {**schema(inner[0], named), "description": inner[1]}
    if origin is Literal:
        return {"enum": inner}
    if origin in (Union, UnionType):
        return {"anyOf": [schema(each, named) for each in inner]}
    if len(inner) == 1:
        return {"type": "array", "items": schema(inner[0], named)}
    return {"type": "object", "additionalProperties": schema(inner[-1], named)}


def _object(kind: Any, named: dict[str, Any]) -> dict[str, Any]:
    fields = attrs.fields(attrs.resolve_types(kind))
    return {
        "type": "object",
        "description": said(kind),
        "additionalProperties": False,
        "properties": {each.name.rstrip("_"): schema(each.type, named) for each in fields},
        "required": [each.name.rstrip("_") for each in fields if "beside" not in each.metadata],
    }


def said(what: Any) -> str:
    """The docstring, as one paragraph."""
    return " ".join((what.__doc__ or "").split())
