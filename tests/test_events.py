"""The log as text: one line an event, and back."""

from __future__ import annotations

import pytest

from pytest_highway.events import (
    EVENT_TYPES,
    AttemptEnded,
    BranchesSelected,
    ConditionEvaluated,
    Event,
    EventEmitted,
    Fault,
    HttpRequested,
    ItemsListed,
    LimitBreached,
    LogFormatError,
    Logged,
    MemoryWritten,
    Outline,
    RetryScheduled,
    RunEnded,
    RunStarted,
    ScopeEntered,
    StoodIn,
    TaskEnded,
    TaskRepeated,
    TaskStarted,
    ToolCalled,
    UsageAdded,
    WaitEnded,
    WaitOpened,
    decode_log,
    encode_log,
)

FAULT = Fault("ValueError", "no\u2028way\n", "loop[2]/a")
OUTLINE = (
    Outline("a", "task", "r"),
    Outline("loop", "foreach", "", (Outline("b", "condition"), Outline("c", "while", "", ()))),
)
LOG: list[Event] = [
    RunStarted(0.0, "flow", "flow.yaml", 17, OUTLINE),
    TaskStarted(0.0, "a"),
    ToolCalled(0.0, "a", 1, "app.call", [1, {"x": None}], {"k": "é"}, guarded=True),
    HttpRequested(0.0, "a", "GET https://x.test/"),
    Logged(0.5, "a", "app.call", "info", "one\ntwo\u2029three\x85"),
    MemoryWritten(0.5, "a", "k", [1.5]),
    MemoryWritten(0.5, "a", "n", 3, 2),
    UsageAdded(0.5, "a", "0.10", 3),
    EventEmitted(0.5, "a", "done", {"n": 1}),
    AttemptEnded(1.0, "a", 1, FAULT, timed_out=False, called=True),
    RetryScheduled(1.0, "a", 2, 0.25),
    ConditionEvaluated(1.0, "c", "{{x}} > 1", "2 > 1", True, "if_true", "a"),
    BranchesSelected(1.0, "p", ["x"], ["x", "y"]),
    ItemsListed(1.0, "loop", 3),
    ScopeEntered(1.0, "loop[2]", "loop", 2),
    WaitOpened(1.0, "w", "event 'e'"),
    WaitEnded(2.0, "w", 0),
    LimitBreached(2.0, "a", "max_cost", "1.10"),
    TaskRepeated(2.0, "a", wholly=True),
    TaskEnded(2.0, "a", "failed", "", 2, FAULT),
    TaskEnded(2.0, "b", "success", value={"v": []}, result_key="r", note="cached"),
    StoodIn(2.0, "b", "a", "r", "value"),
    RunEnded(2.0, "failed", FAULT, None, "because"),
]


def test_the_log_holds_every_kind_of_event() -> None:
    """A new kind is to be added to this file."""
    assert {type(event) for event in LOG} == set(EVENT_TYPES.values())
    assert all(name == kind.__name__ for name, kind in EVENT_TYPES.items())


def test_encoding_and_decoding_are_inverses() -> None:
    """The same events come back, of the same types, and the same text from them."""
    text = encode_log(LOG)
    found = decode_log(text)
    assert found == LOG
    assert [type(event) for event in found] == [type(event) for event in LOG]
    assert encode_log(found) == text


@pytest.mark.parametrize("event", LOG, ids=[type(event).__name__ for event in LOG])
def test_an_event_is_one_line(event: Event) -> None:
    """Its name and its values, closed by the only line feed."""
    line = encode_log([event])
    assert line.startswith(f'["{type(event).__name__}", {event.at}, ')
    assert line.count("\n") == 1
    assert line.endswith("]\n")


def test_an_empty_log_is_an_empty_text() -> None:
    """Both ways."""
    assert encode_log([]) == ""
    assert decode_log("") == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "5",
        "{}",
        "[]",
        "[[], 1]",
        '["Unknown", 0.0]',
        '["TaskStarted", 0.0]',
        '["TaskStarted", 0.0, "a", 1]',
        '["RunEnded", 0.0, "failed", "fault", null, "", ""]',
        '["RunStarted", 0.0, "f", "f", 1, [["a"]], ""]',
    ],
)
def test_a_line_that_is_no_event_is_named(line: str) -> None:
    """By its number."""
    text = f'["TaskStarted", 0.0, "a"]\n{line}\n["TaskStarted", 0.0, "b"]\n'
    with pytest.raises(LogFormatError, match=r"^line 2 of the log is no event: "):
        decode_log(text)


@pytest.mark.parametrize(
    ("fault", "text"),
    [(Fault("E", "why", "a"), "E: why"), (Fault("E", ""), "E")],
)
def test_a_fault_reads_as_its_class_and_text(fault: Fault, text: str) -> None:
    """Without a colon when there is no text."""
    assert str(fault) == text
