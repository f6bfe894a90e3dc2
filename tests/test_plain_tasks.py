"""Plain tasks: the fast path reads what the model reads, or leaves it to the model."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_highway.reading.models import Task
from pytest_highway.reading.plain_tasks import PlainTask, read_plain_task

VALUES = st.sampled_from(
    [None, "", "a", "task", "condition", 0, 1.5, True, [], ["a"], ["a", 1], {}, {"a": [1]}, {1: 2}]
)
# Values that fit come often enough for whole mappings to fit.
FITTING = {
    "function": st.just("tools.log.info"),
    "args": st.lists(VALUES, max_size=2),
    "kwargs": st.dictionaries(st.text(max_size=2), VALUES, max_size=2),
    "dependencies": st.lists(st.text(max_size=2), max_size=2),
    "result_key": st.text(max_size=2),
    "description": st.text(max_size=2),
    "task_id": st.text(max_size=2),
    "operator_type": st.just("task"),
}
OTHERS = ("retry", "timeout", "after", "finally", "critical", "unknown", "x-own")
FIELDS = {key: each | VALUES for key, each in FITTING.items()} | dict.fromkeys(OTHERS, VALUES)


def values(task: PlainTask | Task) -> dict[str, object]:
    """Every field of a task, with any kind of sequence as a list."""
    found = {name: getattr(task, name) for name in Task.model_fields}
    return {
        name: [*each] if isinstance(each, Sequence) and not isinstance(each, str) else each
        for name, each in found.items()
    }


@settings(max_examples=500, derandomize=True, deadline=None)
@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_what_the_fast_path_accepts_the_model_accepts_with_the_same_values(
    data: dict[str, object],
) -> None:
    """It accepts nothing that the model refuses, and no field differs."""
    plain = read_plain_task(data)
    expected = {} if plain is None else values(Task.model_validate(data))
    assert ({} if plain is None else values(plain)) == expected


@settings(max_examples=100, derandomize=True, deadline=None)
@given(st.fixed_dictionaries({}, optional=FITTING))
def test_a_task_with_the_usual_keys_is_plain(data: dict[str, object]) -> None:
    """The fast path is taken for all that it is made for."""
    assert isinstance(read_plain_task({"function": "f", **data}), PlainTask)


def test_a_plain_task_has_no_field_that_the_model_lacks() -> None:
    """The two cannot drift apart in silence."""
    names = {name for name in dir(PlainTask) if not name.startswith("_")}
    assert names == set(Task.model_fields)


@pytest.mark.parametrize(
    "data",
    [
        None,
        "task",
        [],
        {},
        {"function": "f", "retry": 2},
        {"function": "f", "x-own": 1},
        {"function": "f", "operator_type": "condition"},
        {"function": "f", "args": "text"},
        {"function": "f", "kwargs": {1: 2}},
        {"function": "f", "dependencies": ["a", 1]},
        {"function": "f", "description": None},
    ],
)
def test_all_else_is_left_to_the_model(data: object) -> None:
    """What is unusual or wrong."""
    assert read_plain_task(data) is None
