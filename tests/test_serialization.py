"""Values made plain, and as JSON."""

from __future__ import annotations

import datetime
import decimal
import enum
import pathlib
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from pytest_highway.serialization import (
    NotPlain,
    from_json,
    register_codec,
    to_json,
    to_plain,
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Name(str):
    """Text with a class of its own."""


class Number(int):
    """A number with a class of its own."""


class Ratio(float):
    """Another one."""


@dataclass
class Point:
    x: int
    y: tuple[int, ...]


class Model(BaseModel):
    at: datetime.date
    inner: dict[str, int]


class Money:
    def __init__(self, amount: int) -> None:
        self.amount = amount


class Euro(Money):
    """A subclass of what has a codec."""


Pair = namedtuple("Pair", "first second")


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        *((each, each) for each in ("text", 1, 1.5, True, None, [], {})),
        ((1, (2, 3)), [1, [2, 3]]),
        (Pair(1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (frozenset({"b", "a", 1}), ["a", "b", 1]),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (MappingProxyType({"a": (1,)}), {"a": [1]}),
        ({1: "a", None: "c", 2.5: "d"}, {"1": "a", "null": "c", "2.5": "d"}),
        ({True: "b"}, {"true": "b"}),
        ({Name("k"): Name("v")}, {"k": "v"}),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),
        (datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC), "2026-01-02T00:00:00+00:00"),
        (datetime.time(3, 4), "03:04:00"),
        (pathlib.PurePosixPath("a/b"), "a/b"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (decimal.Decimal("1.50"), 1.5),
        (decimal.Decimal("2.00"), 2),
        (decimal.Decimal("Infinity"), float("inf")),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Name("n"), "n"),
        (Number(4), 4),
        (Ratio(0.5), 0.5),
        (Point(1, (2,)), {"x": 1, "y": [2]}),
        (
            Model(at=datetime.date(2026, 1, 2), inner={"a": 1}),
            {"at": "2026-01-02", "inner": {"a": 1}},
        ),
    ],
)
def test_plain_forms(value: object, plain: object) -> None:
    """Each type of the table becomes the types of JSON, all the way down."""
    found = to_plain(value)
    assert found == plain
    assert {type(each) for each in walk(found)} <= {dict, list, str, int, float, bool, type(None)}


def walk(value: object) -> list[object]:
    """A value and all inside it, keys too."""
    if isinstance(value, dict):
        return [value, *value, *(each for inner in value.values() for each in walk(inner))]
    if isinstance(value, list):
        return [value, *(each for inner in value for each in walk(inner))]
    return [value]


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "type builtins.object is not plain data"),
        (b"bytes", "type builtins.bytes is not plain data"),
        ([{"a": {1j}}], "type builtins.complex is not plain data"),
        (Point, "type builtins.type is not plain data"),
        (Model, "ModelMetaclass is not plain data"),
        (Money(1), "test_serialization.Money is not plain data"),
        (datetime.timedelta(1), "type datetime.timedelta is not plain data"),
        ((each for each in ()), "type builtins.generator is not plain data"),
        ({("a",): 1}, "a mapping has a key of type tuple; keys are text"),
    ],
)
def test_what_has_no_plain_form_is_named(value: object, why: str) -> None:
    """The message names the type."""
    with pytest.raises(NotPlain, match=why):
        to_plain(value)


def test_nesting_is_bounded() -> None:
    """A hundred levels are fine, a circle is not."""
    deep: list[object] = []
    for _ in range(100):
        deep = [deep]
    assert to_plain(deep) == deep
    with pytest.raises(NotPlain, match="nested deeper than 100 levels"):
        to_plain([deep])
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(NotPlain, match="nested deeper"):
        to_plain(circle)


def test_a_codec_serves_its_type_and_those_below_it() -> None:
    """What it returns is made plain too."""
    register_codec(Money, lambda value: {"amount": (value.amount,)})
    assert to_plain([Money(1), Euro(2)]) == [{"amount": [1]}, {"amount": [2]}]


def test_a_plain_value_is_copied() -> None:
    """Changing the copy leaves the value as it was."""
    value: dict[str, list[int]] = {"a": [1]}
    copied = to_plain(value)
    assert isinstance(copied, dict)
    copied["a"].append(2)
    assert value == {"a": [1]}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('é\u2028 "x"\n', '"é\u2028 \\"x\\"\\n"'),
        ({"b": [1, 2.0, None], "a": True}, '{"b": [1, 2.0, null], "a": true}'),
        ([], "[]"),
    ],
)
def test_json_is_one_readable_line(value: object, text: str) -> None:
    """Blanks behind commas and colons, no escapes to ASCII, keys in their own order."""
    assert to_json(value) == text
    assert from_json(text) == value


@settings(derandomize=True, deadline=None)
@given(PLAIN)
def test_plain_data_survives_json(value: object) -> None:
    """It is its own plain form, and comes back as it went."""
    assert to_plain(value) == value
    assert from_json(to_json(value)) == value
