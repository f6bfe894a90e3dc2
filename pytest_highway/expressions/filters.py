"""The filters of the expression language: `value | name` and `value | name(argument)`.

`FILTERS` is the whole list. A filter is a pure function of its value and its arguments; what does
not fit is an `ExpressionError` that names the kind it met, never a silent default. `default` is
the one filter that accepts a missing value, so it acts before there is a value at all: the
expression compiler carries it out, and here it has a name and an argument count only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pytest_highway.expressions.operations import contains
from pytest_highway.expressions.values import (
    ExpressionError,
    MissingValue,
    as_json,
    as_text,
    check_size,
    join_texts,
    kind_of,
)

__all__ = ["FILTERS", "Filter"]

# Narrower than Python's own: no `1_000`, no digits of other scripts, no `nan` and no `inf`.
WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,1200}")
NUMBER = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?")


class Filter(NamedTuple):
    """One filter: what it does, and how many arguments it takes at least and at most."""

    apply: Callable[..., object] | None  # None: `default`, see above
    least: int = 0
    most: int = 0


def _refuse(name: str, needs: str, value: object) -> ExpressionError:
    return ExpressionError(f"{name!r} needs {needs}, not {kind_of(value)}")


def _string(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    raise _refuse(name, "a string", value)


def _length(value: object) -> int:
    """Characters of a string, elements of a list, keys of a mapping."""
    if isinstance(value, (str, list, tuple, Mapping)):
        return len(value)
    raise _refuse("length", "a string, a list or a mapping", value)


def _join(value: object, separator: object = "") -> str:
    """The elements of a list as one text: strings as they are, everything else as JSON."""
    if not isinstance(value, (list, tuple)):
        raise _refuse("join", "a list", value)
    return join_texts(value, _string("join", separator))


def _upper(value: object) -> str:
    return _sized(_string("upper", value).upper())


def _lower(value: object) -> str:
    return _sized(_string("lower", value).lower())


def _sized(text: str) -> str:
    check_size(len(text))  # in another case, some characters are two or three
    return text


def _int(value: object) -> int:
    """A whole number: of a number without its fraction, or of a text that is one."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return int(value)
    if isinstance(value, str) and WHOLE_NUMBER.fullmatch(value.strip()):
        return int(value)
    raise _unreadable("int", "a whole number", value)


def _float(value: object) -> float:
    """A number with a fraction: of a number, or of a text that is one."""
    try:
        if isinstance(value, (int, float)):
            return float(value)
        if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
            number = float(value)
            if math.isfinite(number):
                return number
    except OverflowError:
        raise ExpressionError("'float' got a number that is too large") from None
    raise _unreadable("float", "a number", value)


def _unreadable(name: str, wanted: str, value: object) -> ExpressionError:
    if isinstance(value, (str, float)):
        return ExpressionError(f"{name!r} finds no {wanted[2:]} in {_short(value)}")
    return _refuse(name, f"{wanted} or its text", value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."


def _first(value: object) -> object:
    return _end("first", 0, value)


def _last(value: object) -> object:
    return _end("last", -1, value)


def _end(name: str, index: int, value: object) -> object:
    """One end of a list or a string; an empty one has none, which `default` accepts."""
    if not isinstance(value, (str, list, tuple)):
        raise _refuse(name, "a list or a string", value)
    if not value:
        raise MissingValue(f"{kind_of(value)} that is empty has no {name} element")
    return value[index]


def _keys(value: object) -> list[object]:
    if isinstance(value, Mapping):
        return list(value)
    raise _refuse("keys", "a mapping", value)


def _startswith(value: object, start: object) -> bool:
    return _string("startswith", value).startswith(_string("startswith", start))


def _endswith(value: object, end: object) -> bool:
    return _string("endswith", value).endswith(_string("endswith", end))


FILTERS: dict[str, Filter] = {
    "contains": Filter(contains, 1, 1),
    "default": Filter(None, 1, 1),
    "endswith": Filter(_endswith, 1, 1),
    "first": Filter(_first),
    "float": Filter(_float),
    "int": Filter(_int),
    "join": Filter(_join, 0, 1),
    "keys": Filter(_keys),
    "last": Filter(_last),
    "length": Filter(_length),
    "lower": Filter(_lower),
    "startswith": Filter(_startswith, 1, 1),
    "string": Filter(as_text),
    "tojson": Filter(as_json),
    "upper": Filter(_upper),
}
