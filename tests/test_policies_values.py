"""What is asked of values: cache, schemas, `validate`, `require`, feedback."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, tabled, verdict
from pydantic import BaseModel


class Todo(BaseModel):
    """What a tool is to give."""

    title: str
    done: bool = False


def is_short(value: object) -> bool:
    """Whether a text is short."""
    return isinstance(value, str) and len(value) < 5


def refuses(value: object) -> None:
    """Says why in words."""
    raise ValueError(f"{value} will not do")


def breaks(value: object) -> object:
    """Has a fault of its own."""
    return {}[value]


def has_token(roots: dict[str, object]) -> bool:
    """A precondition over the roots."""
    return "token" in roots["variables"]


def spoils(value: list[object]) -> bool:
    """Changes what it is to look at."""
    value.append("spoiled")
    return True


NO_FUNCTION = 3

HOLDS = tabled("values.txt")


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


FAULTS = {
    "a module that is not there": (
        "validate: 'ghost_module:x'",
        "'ghost_module:x' cannot be imported: No module named 'ghost_module'",
    ),
    "a name that is not there": (
        "require: 'test_policies_values:ghost'",
        "'test_policies_values:ghost' cannot be imported",
    ),
    "no function": ("validate: 'test_policies_values:NO_FUNCTION'", "is no function"),
    "no model": (
        "output_schema: 'test_policies_values:is_short'",
        "'test_policies_values:is_short' is no pydantic model; write 'module:Model' or a schema",
    ),
    "a bad schema": ("output_schema: {type: objekt}", "the schema is invalid: 'objekt' is not"),
    "a bad expression": ("validate: [result > 1, 'result >']", "an operand is missing"),
    "no expression": ("validate: [3]", "expected an expression as text"),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(tmp_path: Path, title: str) -> None:
    """What cannot be meant is found at collection."""
    words, expected = FAULTS[title]
    found = faults(tmp_path, f"name: w\ntasks:\n  a: {{function: app.echo, {words}}}\n")
    assert len(found) == 1
    assert expected in found[0]
