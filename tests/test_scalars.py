"""Scalars: which text is which type in YAML 1.2's core schema."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_highway.reading.scalars import STARTS, brief, construct, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(text, None) for text in ("", "~", "null", "Null", "NULL")],
        *[(text, True) for text in ("true", "True", "TRUE")],
        *[(text, False) for text in ("false", "False", "FALSE")],
        ("0", 0),
        ("-0", 0),
        ("+12", 12),
        ("-12", -12),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.0", 1.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("3.10", 3.1),
        ("1e3", 1000.0),
        ("1E+3", 1000.0),
        ("+2.5e-1", 0.25),
        ("1.e2", 100.0),
        (".inf", math.inf),
        ("+.Inf", math.inf),
        ("-.INF", -math.inf),
    ],
)
def test_a_typed_text_has_the_type_of_the_core_schema(text: str, value: object) -> None:
    """Value and type are those of YAML 1.2."""
    assert repr(resolve(text)) == repr(value)


@pytest.mark.parametrize("text", [".nan", ".NaN", ".NAN"])
def test_not_a_number(text: str) -> None:
    """The three spellings of the schema, and no others, are the float."""
    assert math.isnan(float(str(resolve(text))))


WORDS = "on off yes no y n Y N On NO nULL tRUE ~x null0 nan inf .iNF -.nan e5 1d . - + -- +-"
NUMBERS = "1_000 0b1 0o8 0x 0xG -0x1F +0o7 1.2.3 1e 1e+ .e1 1,000 ٣ ½"
DATES = "12:30 1:30:00 2026-01-01 2026-01-01T00:00:00Z"


@pytest.mark.parametrize("text", f"{WORDS} {NUMBERS} {DATES}".split())
def test_all_else_is_text(text: str) -> None:
    """What other schemas read as a bool, a number or a date stays a string."""
    assert resolve(text) == text


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_come_back(number: float) -> None:
    """What Python writes for a finite number is read as that number."""
    assert resolve(repr(number)) == number


@given(st.text(max_size=8))
def test_a_text_that_may_be_typed_starts_so(text: str) -> None:
    """The quick look at the first character never takes a typed scalar for a string."""
    assert isinstance(resolve(text), str) or text[:1] in STARTS


@pytest.mark.parametrize("text", ["1e309", "-1e309", "9" * 400 + ".0"])
def test_an_overflow_is_refused(text: str) -> None:
    """No number becomes an infinity unseen."""
    with pytest.raises(ValueError, match=r"^number too large for a float; write \.inf"):
        resolve(text)


@pytest.mark.parametrize("text", ["1" * 3501, "0x" + "1" * 3499, "1." + "1" * 3499])
def test_a_number_too_long_is_refused(text: str) -> None:
    """The bound holds before the digits are read."""
    with pytest.raises(ValueError, match=r"^number of 3,501 characters; at most 3,500 are read$"):
        resolve(text)


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [("str", "1", "1"), ("int", "1", 1), ("float", "1", 1.0), ("bool", "true", True)],
)
def test_a_tag_types_a_text(tag: str, text: str, value: object) -> None:
    """The tags of the core schema type a scalar."""
    assert repr(construct(f"tag:yaml.org,2002:{tag}", text)) == repr(value)


@pytest.mark.parametrize(("tag", "text"), [("int", "true"), ("float", "true"), ("null", "0")])
def test_a_tag_refuses_another_type(tag: str, text: str) -> None:
    """A bool is no number, and nothing is guessed."""
    with pytest.raises(ValueError, match=f"^!!{tag} cannot read '{text}'$"):
        construct(f"tag:yaml.org,2002:{tag}", text)


def test_brief_cuts_long_texts() -> None:
    """A message shows forty characters of a text at most."""
    assert brief("a" * 40) == repr("a" * 40)
    assert brief("a" * 41) == repr("a" * 37 + "...")
