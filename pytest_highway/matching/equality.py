"""Equality: of what kind a plain value is, what equals it, and how a message shows it.

Values are data as JSON has it, and so is their equality: `true` is no number, `"1"` is not `1`,
and `1` equals `1.0`. A number is what it is written as: the decimal 0.1 equals the float 0.1. NaN
equals NaN, a tuple is a list, any `Mapping` is a map, and a key that is no text stands for its JSON
text. A foreign object is of a kind of its own and equals what its own `==` says, within its kind.

What is shown is bounded in time and size, whatever the value: it may be large, deep or cyclic.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Final

__all__ = [
    "MISSING",
    "NUMBERS",
    "SHOWN",
    "bucket",
    "equal",
    "kind_of",
    "members",
    "number_of",
    "shared_start",
    "shown",
]

# The kinds of values, by which `$any` and messages name them; `bool` stands before `int`, whose
# subclass it is.
KINDS: Final[Mapping[type, str]] = {
    type(None): "null",
    bool: "bool",
    int: "int",
    float: "float",
    Decimal: "float",
    str: "str",
    list: "list",
    tuple: "list",
    dict: "map",
}
NUMBERS = frozenset({"int", "float"})


SHOWN = 200
SHOWN_DEPTH = 40
# Records in a list are told apart by their members; what lies deeper is left to `equal`.
BUCKET_DEPTH = 3

ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")
FOREIGN = reprlib.Repr()
FOREIGN.maxother = SHOWN


class Missing(Enum):
    """The type of `MISSING`, which stands for what is not there."""

    MISSING = "nothing"


MISSING: Final = Missing.MISSING


def kind_of(value: object) -> str:
    """`null bool int float str list map`, or the class of a foreign object, as in `date object`."""
    exact = KINDS.get(type(value))
    if exact is not None:
        return exact
    # Not first, since it is slow: enumerations and the like, which are what their base is.
    for base, kind in KINDS.items():
        if isinstance(value, base):
            return kind
    return "map" if isinstance(value, Mapping) else f"{type(value).__name__} object"


def number_of(value: object) -> int | Decimal:
    """A number as it is written; a float is the shortest decimal that reads as that float."""
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    assert isinstance(value, (int, Decimal))
    return value


def equal(pattern: object, value: object) -> bool:
    """Whether two scalars (or foreign objects) equal each other; lists and maps are not for it."""
    kind, other = kind_of(pattern), kind_of(value)
    if kind in NUMBERS and other in NUMBERS:
        # NaN, which no two decimals would be compared with either.
        if pattern != pattern or value != value:
            return pattern != pattern and value != value
        return number_of(pattern) == number_of(value)
    return kind == other and bool(pattern == value)


def members(value: Mapping[object, object]) -> Mapping[str, object]:
    """The members of a map by the text of their keys."""
    named = {key: each for key, each in value.items() if isinstance(key, str)}
    if len(named) < len(value):
        for key, each in value.items():
            if not isinstance(key, str):
                text = shown(key)
                # Never lose a member: beside the key "1" the key 1 has to stay an unexpected one.
                named[f"{text} ({kind_of(key)})" if text in named else text] = each
    return named


def shown(value: object, limit: int = SHOWN) -> str:
    """A value on one line, much as JSON writes it, cut after `limit` characters.

    Characters without a glyph are escaped; foreign objects are shown by their `repr` without
    addresses; `MISSING` is `nothing`. Bounded in time for large, deep and cyclic values.
    """
    parts: list[str] = []
    size = 0
    for part in _parts(value, limit, 0):
        parts.append(part)
        size += len(part)
        if size > limit:
            return f"{''.join(parts)[:limit]}..."
    return "".join(parts)


# Not `json.dumps`: it would write all of a value of which a line is shown, and fails on cycles.
def _parts(value: object, limit: int, depth: int) -> Iterator[str]:
    if depth > SHOWN_DEPTH:
        yield "..."
    elif isinstance(value, (list, tuple)):
        yield "["
        for number, each in enumerate(value):
            yield ", " if number else ""
            yield from _parts(each, limit, depth + 1)
        yield "]"
    elif isinstance(value, Mapping):
        yield "{"
        for number, (key, each) in enumerate(value.items()):
            yield ", " if number else ""
            yield _scalar(key, limit)
            yield ": "
            yield from _parts(each, limit, depth + 1)
        yield "}"
    else:
        yield _scalar(value, limit)


def _scalar(value: object, limit: int) -> str:
    if isinstance(value, str):
        # One character more than may be shown, so that the caller sees that it has to cut.
        text = json.dumps(value[: limit + 1], ensure_ascii=False)
        if text.isprintable():
            return text
        return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
    if isinstance(value, int) and value.bit_length() > 10_000:
        return hex(value)  # Python refuses to write integers of this size in decimal
    if value is None or isinstance(value, (int, float)):
        return json.dumps(value)
    if value is MISSING:
        return MISSING.value
    if isinstance(value, Decimal):
        return str(value)
    # An address differs from run to run, and so would the message.
    return " ".join(ADDRESS.sub("", FOREIGN.repr(value)).split())


def bucket(
    value: object,
    named: Callable[[Mapping[object, object]], Mapping[str, object]] = members,
    depth: int = BUCKET_DEPTH,
) -> Hashable:
    """A key that equal values have in common, and few others: it looks only so deep.

    `named` gives the members of a map by name.
    """
    kind = kind_of(value)
    if kind in NUMBERS:
        return number_of(value) if value == value else "NaN"
    if isinstance(value, (str, bool)):
        return kind, value
    if depth and isinstance(value, (list, tuple)):
        return kind, *(bucket(each, named, depth - 1) for each in value)
    if depth and isinstance(value, Mapping):
        items = named(value).items()
        return kind, frozenset((name, bucket(each, named, depth - 1)) for name, each in items)
    return kind


def shared_start(left: Sequence[str], right: Sequence[str]) -> int:
    """The number of characters, or words, with which both texts begin."""
    pairs = enumerate(zip(left, right, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(left), len(right)))
