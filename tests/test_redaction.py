"""A log without secrets: every event, paths that stay apart, and the views of it."""

from __future__ import annotations

import pytest

from pytest_highway.events import (
    Event,
    EventEmitted,
    Fault,
    Logged,
    MemoryWritten,
    Outline,
    RunEnded,
    RunStarted,
    ScopeEntered,
    StoodIn,
    TaskEnded,
    TaskStarted,
    ToolCalled,
    WaitOpened,
    decode_log,
    encode_log,
)
from pytest_highway.redaction import ShownResult, redacted_lines, redacted_log
from pytest_highway.secrets import Redactor
from pytest_highway.views import RunResult

SECRET = Redactor({"variables.token": "s3cr3t"})
MARK = "<secret:variables.token>"


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Logged(0, "a", "t", "info", "x s3cr3t"), Logged(0, "a", "t", "info", f"x {MARK}")),
        (
            ToolCalled(0, "a", 1, "t", ["s3cr3t"], {"password": "x"}, False),
            ToolCalled(0, "a", 1, "t", [MARK], {"password": "<redacted>"}, False),
        ),
        (MemoryWritten(0, "a", "token", "x"), MemoryWritten(0, "a", "token", "<redacted>")),
        (EventEmitted(0, "", "s3cr3t", 1), EventEmitted(0, "", MARK, 1)),
        (WaitOpened(0, "a", "event 's3cr3t'"), WaitOpened(0, "a", f"event '{MARK}'")),
        (
            TaskEnded(0, "a", "failed", "s3cr3t", 1, Fault("E", "s3cr3t", "a"), note="s3cr3t"),
            TaskEnded(0, "a", "failed", MARK, 1, Fault("E", MARK, "a"), note=MARK),
        ),
        (
            TaskEnded(0, "a", "success", value="x", result_key="token"),
            TaskEnded(0, "a", "success", value="<redacted>", result_key="token"),
        ),
        (StoodIn(0, "a", "b", "x", "s3cr3t"), StoodIn(0, "a", "b", "x", MARK)),
        (RunEnded(0, "success", None, ["s3cr3t"]), RunEnded(0, "success", None, [MARK])),
        (TaskStarted(0, "e[s3cr3t]/x"), TaskStarted(0, f"e[{MARK}]/x")),
        (
            TaskEnded(0, "a", "skipped", "get_token: it was password: x"),
            TaskEnded(0, "a", "skipped", "get_token: it was password: x"),
        ),
    ],
)
def test_what_an_event_holds_is_redacted_by_its_meaning(event: Event, shown: Event) -> None:
    assert redacted_log([event], SECRET) == [shown]


def test_a_log_without_secrets_is_the_same_object() -> None:
    log = [TaskStarted(0, "s"), Logged(0, "s", "t", "info", "secretary passed")]
    assert redacted_log(log, SECRET) is log


LOOP = (Outline("e", "foreach", body=(Outline("x", "task"),)),)
LOG: list[Event] = [
    RunStarted(0.0, "w", "w.yaml", 1, LOOP),
    TaskStarted(0.0, "e"),
    ScopeEntered(0.0, "e[http://u:one@h/]", "e", 0),
    ScopeEntered(0.0, "e[http://u:two@h/]", "e", 1),
    ToolCalled(0.0, "e[http://u:one@h/]/x", 1, "t", [1], {}, False),
    ToolCalled(0.0, "e[http://u:two@h/]/x", 1, "t", [2], {}, False),
    TaskEnded(0.0, "e[http://u:one@h/]/x", "success"),
    TaskEnded(0.0, "e[http://u:two@h/]/x", "failed", fault=Fault("E", "m", "e[http://u:two@h/]/x")),
    RunEnded(0.0, "failed", Fault("E", "m", "e[http://u:two@h/]/x"), None),
]
LINES = [
    "e[http://<redacted>@h/]/x: t(1)",
    "e[http://<redacted>@h/]~2/x: t(2)",
    "  failed: E: m",
    "run: failed (e[http://<redacted>@h/]~2/x: E: m)",
]


def test_two_iterations_whose_keys_become_one_stay_two() -> None:
    assert ShownResult(LOG, Redactor()).transcript() == LINES


def test_a_redacted_log_that_was_stored_has_the_same_views() -> None:
    shown = ShownResult(LOG, Redactor())
    stored = RunResult(decode_log(encode_log(shown.log)))
    assert stored.transcript() == LINES
    assert (stored.ends, stored.calls, stored.error) == (shown.ends, shown.calls, shown.error)
    assert ShownResult(shown.log, Redactor()).transcript() == LINES


def test_lines_of_a_stored_log_are_redacted_as_the_log_is() -> None:
    assert redacted_lines(encode_log(LOG), Redactor()) == encode_log(redacted_log(LOG, Redactor()))
    clean = encode_log([TaskStarted(0.0, "a")])
    assert redacted_lines(clean, SECRET) is clean
    assert redacted_lines("reason: s3cr3t", SECRET) == f"reason: {MARK}"


def test_a_message_has_the_numbers_of_the_transcript() -> None:
    log: list[Event] = [
        RunStarted(0.0, "w", "w.yaml", 1, (Outline("a", "task"),)),
        Logged(0.0, "a", "t", "info", "first B then A"),
        RunEnded(0.0, "success", None, None),
    ]

    def scrub(lines: object) -> list[str]:
        return [each.replace("A", "<2>").replace("B", "<1>") for each in list(lines)]  # type: ignore[call-overload]

    shown = ShownResult(log, Redactor(), scrub)
    assert shown.transcript("log") == ["info: first <1> then <2>"]
    assert shown.scrubbed("only A\nB") == "only <2>\n<1>"
    assert ShownResult(log, Redactor()).scrubbed("A") == "A"
