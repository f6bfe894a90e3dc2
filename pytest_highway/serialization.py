"""Values as text and back: what may travel between tools, results, logs and goldens.

A workflow's values are *plain data*, the types of JSON: mappings with text keys, lists, text,
numbers, true, false, null. Whatever a real tool returns is brought to plain data once, at the
boundary, so that a template, a transcript, a stored log and another process see the same thing:

    tuple, set-like (sorted)   list            date, time, datetime   ISO 8601 text
    mapping                    mapping         Path, UUID             text
    dataclass, pydantic model  mapping         Enum                   its value, made plain
    Decimal                    number          a registered type      what its encoder returns

Anything else is an error that names the type. JSON here is `", "` and `": "`, not escaped to
ASCII, keys in their own order.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import json
import pathlib
import uuid
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring
from typing import cast

from pytest_highway.errors import HighwayError

__all__ = ["NotPlain", "encodable", "from_json", "register_codec", "to_json", "to_plain"]

SCALARS = frozenset({str, int, float, bool, type(None)})
MAX_DEPTH = 100

_encoder = json.JSONEncoder(ensure_ascii=False)
_encode = _encoder.encode
_codecs: dict[type, Callable[[object], object]] = {}


class NotPlain(HighwayError):
    """A value that has no plain form."""


def to_json(value: object) -> str:
    """Plain data as one line of JSON."""
    if type(value) is str:
        return encode_basestring(value)
    return _encode(value)


def encodable(text: str) -> str:
    """The same JSON, in which half a surrogate pair, that UTF-8 does not take, is an escape.

    Such halves stand for what is no UTF-8 in the environment and in paths, and JSON can hold them.
    """
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def from_json(text: str) -> object:
    """The plain data that `to_json` wrote."""
    value: object = json.loads(text)
    return value


def register_codec(kind: type, encode: Callable[[object], object]) -> None:
    """Let values of `kind` (and its subclasses) become what `encode` returns, made plain."""
    _codecs[kind] = encode


def to_plain(value: object, depth: int = 0) -> object:
    """A deep copy of `value` as plain data.

    Raises `NotPlain` for a type without a plain form and for nesting deeper than 100.
    """
    kind = type(value)
    if kind in SCALARS:
        return value
    if depth > MAX_DEPTH:
        raise NotPlain(f"the value is nested deeper than {MAX_DEPTH} levels")
    if kind is list or kind is tuple:
        items = cast("list[object] | tuple[object, ...]", value)
        return [to_plain(each, depth + 1) for each in items]
    if isinstance(value, Mapping):
        return {_key(key): to_plain(each, depth + 1) for key, each in value.items()}
    return to_plain(_converted(value), depth + 1)


def _key(key: object) -> str:
    if isinstance(key, str):
        return str(key)
    if key is None or isinstance(key, bool | int | float):
        return to_json(key)
    raise NotPlain(f"a mapping has a key of type {type(key).__name__}; keys are text")


def _converted(value: object) -> object:
    """One step towards plain data, by the table of this module's docstring."""
    for kind, encode in _codecs.items():
        if isinstance(value, kind):
            return encode(value)
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return convert(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)
    if dump is not None and not isinstance(value, type):
        return dump()
    raise NotPlain(
        f"a value of type {type(value).__module__}.{type(value).__qualname__} is not plain data "
        "(text, numbers, true, false, null, lists, mappings)"
    )


def _number(value: decimal.Decimal) -> object:
    whole = value == value.to_integral_value() if value.is_finite() else False
    return int(value) if whole else float(value)


def _iso(value: datetime.date) -> str:
    return value.isoformat()


# Order matters: an enum that is also text or a number is its value. Sets have no order of their
# own, and a hash order must not reach a transcript.
_CONVERSIONS: tuple[tuple[tuple[type, ...], Callable[..., object]], ...] = (
    ((enum.Enum,), lambda value: value.value),
    ((str,), str.__str__),
    ((int,), int.__int__),
    ((float,), float.__float__),
    ((list, tuple), list),
    ((set, frozenset), lambda value: sorted(map(to_plain, value), key=to_json)),
    ((datetime.date, datetime.time), _iso),
    ((pathlib.PurePath, uuid.UUID), str),
    ((decimal.Decimal,), _number),
)
