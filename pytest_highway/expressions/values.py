"""Values of the expression language: their faults, kinds, truth, bounds, text and copies.

Values are plain data: null, booleans, numbers, strings, lists and mappings; a tuple is a list,
and anything that is a `Mapping` is a mapping. A few foreign leaves have a text (paths, decimals,
dates); all others are refused by name, since a `repr` may hold an address and so differ from run
to run.

What an operation builds is bounded *before* it is built: `MAX_SIZE` characters or elements,
counted through nested lists as well, and `MAX_BITS` bits of an integer. A fault is always an
`ExpressionError`; whoever knows the place in the source adds it with `locate`.
"""

from __future__ import annotations

import copy
import datetime
import decimal
import json
import os
from collections.abc import Iterable, Mapping, Sequence

from pytest_highway.errors import HighwayError, did_you_mean, listed, window

__all__ = [
    "ATOMS",
    "MAX_BITS",
    "MAX_SIZE",
    "ExpressionError",
    "MissingValue",
    "as_json",
    "as_text",
    "check_size",
    "copy_data",
    "join_texts",
    "kind_of",
    "shown_json",
    "truth",
    "weight",
]

MAX_SIZE = 1_000_000  # characters of a string, elements of a list, that an operation may build
MAX_BITS = 4096  # of an integer that an operation may give
SHOWN_JSON = 200  # characters of a value in a resolved condition

# Types that are passed on as they are: immutable, and no container.
ATOMS = frozenset({str, int, float, bool, type(None)})

# Of these, a million need not be looked at one by one to be counted.
WEIGHTLESS = ATOMS - {str}

# Texts that Python counts as true and that hardly anybody means so.
FALSE_WORDS = frozenset({"false", "0", "no", "off", "none", "null"})

UNPLACED = -1


class ExpressionError(HighwayError):
    """A fault in an expression or a template, or in what it met while it ran.

    `message` is a full fragment, `text` the whole source, `offset` the character at fault in it
    (from 0). `str()` is the message, the line at fault and a caret.
    """

    def __init__(self, message: str, offset: int = UNPLACED, text: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset
        self.text = text

    def locate(self, offset: int, text: str = "") -> None:
        """Fill in the place where none is known yet: the innermost place is the useful one."""
        if self.offset == UNPLACED:
            self.offset = offset
        self.text = self.text or text

    def __str__(self) -> str:
        if not self.text.strip():
            return self.message
        start = self.text.rfind("\n", 0, max(self.offset, 0)) + 1
        line, column = window(self.text[start:].split("\n")[0], max(self.offset, 0) - start + 1)
        return f"{self.message}\n  | {line}\n  | {' ' * (column - 1)}^"


class MissingValue(ExpressionError):
    """Something was read that does not exist; the only fault that `default` accepts.

    `reference` is the path up to what is missing, its root first; `available` are the names that
    stand there instead.
    """

    def __init__(
        self,
        message: str,
        reference: Sequence[str | int] = (),
        available: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.reference = tuple(reference)
        self.available = tuple(available)

    @classmethod
    def in_mapping(
        cls, place: str, reference: Sequence[str | int], names: Sequence[str]
    ) -> MissingValue:
        """The fault of reading the last step of `reference` from a mapping that holds `names`."""
        name = reference[-1]
        near = did_you_mean(str(name), names)
        return cls(f"{place} has no {name!r}; it has {listed(names)}{near}", reference, names)


# Kinds -------------------------------------------------------------------------------------------

KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (type(None), "null"),
    (bool, "a boolean"),  # before the numbers: bool is a subclass of int
    ((int, float), "a number"),
    (str, "a string"),
    ((list, tuple), "a list"),
    (Mapping, "a mapping"),
)


def kind_of(value: object) -> str:
    """The kind of a value for a message, with its article: `a number`, `null`."""
    for types, name in KINDS:
        if isinstance(value, types):
            return name
    return f"a value of type {type(value).__name__!r}"


def truth(value: object) -> bool:
    """Whether a value counts as true, as in Python; the text 'false' and its like are refused."""
    if isinstance(value, str) and value.strip().lower() in FALSE_WORDS:
        raise ExpressionError(
            f"the condition is the text {value!r}, which would count as true; "
            "compare it, as in == 'true'"
        )
    return bool(value)


# Bounds ------------------------------------------------------------------------------------------


def check_size(size: int) -> None:
    """Refuse what is larger than `MAX_SIZE`, before it is built."""
    if size > MAX_SIZE:
        raise ExpressionError(
            f"the result would be too large: more than {MAX_SIZE:,} characters or elements"
        )


def weight(value: object) -> int:
    """Characters or elements of a value through all its levels; counting stops past `MAX_SIZE`.

    Every level counts, because a list of references to one list is small and its copy is not.
    """
    if isinstance(value, str):
        return len(value)
    total, stack = 0, [value]
    while stack and total <= MAX_SIZE:
        item = stack.pop()
        if isinstance(item, str):
            total += max(len(item) - 1, 0)  # its place in the container is counted already
        elif isinstance(item, (list, tuple)):
            total += len(item)
            if not WEIGHTLESS.issuperset(map(type, item)):
                stack.extend(item)
        elif isinstance(item, Mapping):
            total += len(item)
            stack.extend(item.keys())
            stack.extend(item.values())
    return total


# Text --------------------------------------------------------------------------------------------


def _foreign(value: object) -> object:
    """The JSON form of a leaf that JSON does not know; a closed list, see the module's theory."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    raise TypeError(f"{kind_of(value)} has no text")


_encode = json.JSONEncoder(ensure_ascii=False, default=_foreign).encode
_stream = json.JSONEncoder(ensure_ascii=False, default=_foreign).iterencode


def _written(value: object) -> str:
    # The encoder sets itself up anew for each number, which costs ten times the writing.
    return int.__repr__(value) if type(value) is int else _encode(value)


def as_json(value: object) -> str:
    """A value as JSON on one line: `", "`, `": "`, not escaped to ASCII."""
    if type(value) not in ATOMS:
        check_size(weight(value))
    try:
        text = _written(value)
    except (TypeError, ValueError) as error:
        raise ExpressionError(f"{kind_of(value)} cannot be written as JSON: {error}") from None
    check_size(len(text))
    return text


def as_text(value: object) -> str:
    """A value inside text: a string as it stands, everything else as JSON."""
    if isinstance(value, str):
        return value if type(value) is str else str.__str__(value)
    if type(value) not in ATOMS and not isinstance(value, (list, tuple, Mapping)):
        try:
            value = _foreign(value)
        except TypeError as error:
            raise ExpressionError(str(error)) from None
        return str(value)
    return as_json(value)


def join_texts(values: Iterable[object], between: str = "") -> str:
    """The texts of values, joined; what grows past `MAX_SIZE` is refused on the way."""
    texts: list[str] = []
    size = 0
    for value in values:
        texts.append(as_text(value))
        size += len(texts[-1]) + len(between)
        check_size(size - len(between))
    return between.join(texts)


def shown_json(value: object) -> str:
    """A value as JSON for a human, cut after `SHOWN_JSON` characters; never fails."""
    text = ""
    try:
        for part in _parts(value):
            text += part
            if len(text) > SHOWN_JSON:
                return f"{text[:SHOWN_JSON]}..."
    except (TypeError, ValueError, ExpressionError, RecursionError):
        return f"<{type(value).__name__}>"
    return text


def _parts(value: object) -> Iterable[str]:
    """The JSON of a value: small values at once, large ones only as far as they are read."""
    if type(value) is str:
        return (_encode(value[: SHOWN_JSON + 1]),)
    return (_written(value),) if type(value) in ATOMS else _stream(value)


# Copies ------------------------------------------------------------------------------------------


def copy_data(value: object) -> object:
    """A deep copy of plain data that shares no list and no mapping with the original.

    Every mapping comes out as a plain `dict`; leaves of other types go through `copy.deepcopy`.
    """
    kind = type(value)
    if kind in ATOMS:
        return value
    if isinstance(value, list) and kind is list:  # a subclass keeps its type
        return [each if type(each) in ATOMS else copy_data(each) for each in value]
    if isinstance(value, (dict, Mapping)):  # `dict` first: the test of an ABC is slow
        return {
            key: each if type(each) in ATOMS else copy_data(each) for key, each in value.items()
        }
    try:
        return copy.deepcopy(value)
    except (TypeError, ValueError, AttributeError, copy.Error) as error:
        raise ExpressionError(f"{kind_of(value)} cannot be copied: {error}") from error
