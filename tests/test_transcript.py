"""Transcripts: every form of a line, at each of the three levels."""

from __future__ import annotations

import pytest
from engine_host import failing, plan_of, run_plan, run_tasks

from pytest_highway.engine.frame import Answer
from pytest_highway.events import (
    AttemptEnded,
    ConditionEvaluated,
    Event,
    Fault,
    Logged,
    Outline,
    RetryScheduled,
    RunEnded,
    RunStarted,
    StoodIn,
    TaskEnded,
    TaskStarted,
    ToolCalled,
)
from pytest_highway.transcript import LEVELS, Level, transcript

FAULT = Fault("ValueError", "no\n way", "a")
SHORT = Fault("Oops", "")


def call(number: int = 1, key: str = "", *args: object, **kwargs: object) -> ToolCalled:
    """An attempt of `a` to call a tool without a bulkhead."""
    return ToolCalled(0.0, "a", number, "app.call", list(args), kwargs, guarded=False)


def lines_of(level: Level, *events: Event, kind: str = "task") -> list[str]:
    """The lines of one task `a`, whose run is left out."""
    start = RunStarted(0.0, "flow", "f.yaml", 3, (Outline("a", kind),))
    opening = len(transcript([start], level))
    return transcript([start, *events], level)[opening:]


STARTED = TaskStarted(0.0, "a")
DONE = TaskEnded(1.0, "a", "success")
STORED = TaskEnded(1.0, "a", "success", result_key="r")
FAILED = TaskEnded(1.0, "a", "failed", "", 1, FAULT)
TIMED_OUT = TaskEnded(1.0, "a", "timed_out", "", 1, SHORT)
CANCELLED = TaskEnded(1.0, "a", "cancelled", "the run was cancelled")
SKIPPED = TaskEnded(1.0, "a", "skipped", "c chose b")
NOT_REACHED = TaskEnded(1.0, "a", "upstream_failed", "dependency failed: b")
INFO = Logged(0.0, "a", "app.call", "info", "one\n  two\n\nfour")
TRACE = Logged(0.0, "a", "tools.fetch.get", "trace", "working\non")
OWN_TRACE = Logged(0.0, "a", "app.call", "trace", "working")
FIRST_FAILED = AttemptEnded(0.0, "a", 1, FAULT, timed_out=False, called=True)
FIRST_SLOW = AttemptEnded(0.0, "a", 1, SHORT, timed_out=True, called=True)
AGAIN = RetryScheduled(0.0, "a", 2, 90.0)
AT_ONCE = RetryScheduled(0.0, "a", 2, 0.0)
CHOSE = ConditionEvaluated(0.0, "a", "{{x}} > 1", "2 > 1", True, "if_true", "b")
CHOSE_NONE = ConditionEvaluated(0.0, "a", "x", "0", False, "if_false", "")
GUARDED = ToolCalled(0.0, "a", 1, "tools.fetch.get", ["u"], {}, guarded=True)

# Title: events of `a`, its kind, and its lines at levels `tasks` and `engine`.
FORMS: dict[str, tuple[list[Event], str, list[str], list[str]]] = {
    "a call": (
        [STARTED, call(1, "", "x", 1, [None, {"k": True}]), DONE],
        "task",
        ['a: app.call("x", 1, [null, {"k": true}])'],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "TaskHandler: Calling app.call with args=['x', 1, [None, {'k': True}]]",
            "Orchestrator: Task a completed.",
        ],
    ),
    "a call with keywords, whose result is stored": (
        [STARTED, call(1, "", "é", to="x y", n=None), STORED],
        "task",
        ['a: app.call("é", to="x y", n=null) -> r'],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "TaskHandler: Calling app.call with args=['é'] kwargs={'to': 'x y', 'n': None}",
            "State: Setting result for key: r",
            "Orchestrator: Task a completed.",
        ],
    ),
    "a call through a bulkhead": (
        [STARTED, GUARDED, TRACE, DONE],
        "task",
        ['a: tools.fetch.get("u")'],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "TaskHandler: Getting or creating bulkhead for 'tools.fetch.get'",
            "TaskHandler: Calling tools.fetch.get via bulkhead...",
            "  [Tool.Fetch.Get] working",
            "  on",
            "Orchestrator: Task a completed.",
        ],
    ),
    "logged lines": (
        [STARTED, call(), INFO, OWN_TRACE, DONE],
        "task",
        ["a: app.call()", "  info: one", "      two", "    ", "    four"],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "TaskHandler: Calling app.call with args=[]",
            "[HighwayEngine] - one",
            "    two",
            "  ",
            "  four",
            "  [App.Call] working",
            "Orchestrator: Task a completed.",
        ],
    ),
    "a condition that chose": (
        [STARTED, CHOSE, DONE],
        "condition",
        ["a: 2 > 1 -> if_true: b"],
        [
            "Orchestrator: Executing task a",
            "ConditionHandler: Evaluating '{{x}} > 1'",
            "ConditionHandler: Resolved to '2 > 1'. Result: True",
            "Orchestrator: Task a completed. Adding 'b' to queue.",
        ],
    ),
    "a condition that chose nothing": (
        [STARTED, CHOSE_NONE, DONE],
        "condition",
        ["a: 0 -> if_false"],
        [
            "Orchestrator: Executing task a",
            "ConditionHandler: Evaluating 'x'",
            "ConditionHandler: Resolved to '0'. Result: False",
            "Orchestrator: Task a completed.",
        ],
    ),
    "a failure": (
        [STARTED, call(), FIRST_FAILED, FAILED],
        "task",
        ["a: app.call()", "  failed: ValueError: no  way"],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "TaskHandler: Calling app.call with args=[]",
            "Orchestrator: Task a failed: ValueError: no  way",
        ],
    ),
    "retries, one after a failure and one after a timeout": (
        [STARTED, call(), FIRST_FAILED, AGAIN, call(2), FIRST_SLOW, AT_ONCE, call(3), TIMED_OUT],
        "task",
        [
            "a: app.call()",
            "  attempt 1 failed: ValueError: no  way; retry in 90s",
            "  attempt 1 timed out: Oops; retry",
            "  timed out: Oops",
        ],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "TaskHandler: Calling app.call with args=[]",
            "TaskHandler: Retrying task: a (attempt 2) in 90s",
            "TaskHandler: Calling app.call with args=[]",
            "TaskHandler: Retrying task: a (attempt 2) in 0s",
            "TaskHandler: Calling app.call with args=[]",
            "Orchestrator: Task a failed: Oops",
        ],
    ),
    "a failure before the call": (
        [STARTED, FAILED],
        "task",
        ["a: failed (ValueError: no  way)"],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "Orchestrator: Task a failed: ValueError: no  way",
        ],
    ),
    "a replaced failure": (
        [STARTED, call(), FAILED, StoodIn(1.0, "b", "a", "r", 1)],
        "task",
        ["a: app.call()", "  failed, replaced by b: ValueError: no  way"],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "TaskHandler: Calling app.call with args=[]",
            "Orchestrator: Task a failed: ValueError: no  way",
        ],
    ),
    "a replaced failure before the call": (
        [FAILED, StoodIn(1.0, "b", "a", "r", 1)],
        "task",
        ["a: failed, replaced by b (ValueError: no  way)"],
        ["Orchestrator: Task a failed: ValueError: no  way"],
    ),
    "a skipped task": ([SKIPPED], "task", ["a: skipped (c chose b)"], []),
    "a task behind a failure": (
        [NOT_REACHED],
        "task",
        ["a: skipped (dependency failed: b)"],
        [],
    ),
    "a task that never started, cancelled": (
        [CANCELLED],
        "task",
        ["a: cancelled (the run was cancelled)"],
        ["Orchestrator: Task a cancelled: the run was cancelled"],
    ),
    "a running task, cancelled": (
        [STARTED, call(), CANCELLED],
        "task",
        ["a: app.call()", "  cancelled (the run was cancelled)"],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "TaskHandler: Calling app.call with args=[]",
            "Orchestrator: Task a cancelled: the run was cancelled",
        ],
    ),
    "a task that has not ended": (
        [STARTED, call()],
        "task",
        ["a: app.call()"],
        [
            "Orchestrator: Executing task a",
            "TaskHandler: Executing task: a",
            "TaskHandler: Calling app.call with args=[]",
        ],
    ),
    "a task that has not begun": ([], "task", [], []),
}


@pytest.mark.parametrize("title", FORMS)
def test_the_lines_of_a_task(title: str) -> None:
    """What happened to it, in the words of each level."""
    events, kind, tasks, engine = FORMS[title]
    assert lines_of("tasks", *events, kind=kind) == tasks
    assert lines_of("engine", *events, kind=kind) == engine


def test_level_log_holds_what_tools_logged_and_nothing_else() -> None:
    """No trace of a tool's own working either."""
    events = [event for events, *_ in FORMS.values() for event in events]
    assert lines_of("log", *events) == ["info: one", "    two", "  ", "  four"]


RUN_ENDS: dict[str, tuple[RunEnded, list[str], list[str]]] = {
    "success": (
        RunEnded(1.0, "success", None, "out"),
        ["run: success"],
        ["Orchestrator: Workflow 'flow' finished."],
    ),
    "failed": (
        RunEnded(1.0, "failed", FAULT, None),
        ["run: failed (a: ValueError: no  way)"],
        ["Orchestrator: Workflow 'flow' failed."],
    ),
    "failed without a task": (
        RunEnded(1.0, "failed", SHORT, None),
        ["run: failed (Oops)"],
        ["Orchestrator: Workflow 'flow' failed."],
    ),
    "cancelled": (
        RunEnded(1.0, "cancelled", None, None),
        ["run: cancelled"],
        ["Orchestrator: Workflow 'flow' cancelled."],
    ),
    "cancelled after a failure": (
        RunEnded(1.0, "cancelled", FAULT, None),
        ["run: cancelled"],
        ["Orchestrator: Workflow 'flow' cancelled."],
    ),
}


@pytest.mark.parametrize("title", RUN_ENDS)
def test_the_last_line(title: str) -> None:
    """How the run ended; level `log` says nothing of it."""
    ended, tasks, engine = RUN_ENDS[title]
    found = {level: lines_of(level, ended) for level in LEVELS}
    assert found == {"log": [], "tasks": tasks, "engine": engine}


def test_the_first_lines_of_level_engine() -> None:
    """They name the file, the number of tools and the workflow."""
    started = RunStarted(0.0, "flow", "workflows/f.yaml", 3, ())
    assert transcript([started], "engine") == [
        "Engine: Loading workflow from: workflows/f.yaml",
        "ToolRegistry loaded with 3 functions.",
        "WorkflowState initialized.",
        "Orchestrator initialized.",
        "Orchestrator: Starting workflow 'flow'",
    ]
    assert transcript([started]) == transcript([started], "log") == []


@pytest.mark.parametrize("level", LEVELS)
def test_a_log_without_a_beginning_has_no_tasks(level: Level) -> None:
    """It is not known then in which order they stand."""
    assert transcript([], level) == []
    assert transcript([STARTED, call(), INFO, DONE], level) == []


def test_the_default_level_is_tasks() -> None:
    """It is what goldens usually keep."""
    start = RunStarted(0.0, "flow", "f.yaml", 3, (Outline("a", "task"),))
    assert transcript([start, SKIPPED]) == ["a: skipped (c chose b)"]


def test_tasks_stand_in_plan_order_and_lines_together() -> None:
    """Always the earliest declared task whose upstreams have been printed, not the first."""
    result = run_tasks(
        {
            "late": {"dependencies": ["slow"]},
            "slow": {"retry": 1},
            "quick": {},
        },
        {"slow": [failing(after=5.0), Answer()]},
    )
    assert list(result.ends) == ["quick", "slow", "late"]
    assert result.transcript() == [
        "slow: app.call()",
        "  attempt 1 failed: ValueError: no; retry",
        "late: app.call()",
        "quick: app.call()",
        "run: success",
    ]


def test_an_edge_more_moves_nothing() -> None:
    """An order that the plan had anyhow leaves every line where it was."""
    tasks: dict[str, dict[str, object]] = {"a": {}, "b": {}, "c": {"dependencies": ["a"]}}
    more = {**tasks, "c": {"dependencies": ["a", "b"]}}
    assert run_tasks(tasks).transcript("engine") == run_tasks(more).transcript("engine")


def test_a_whole_run() -> None:
    """The forms together, as they come from the engine."""
    plan = plan_of(
        {
            "fetch": {"args": ["x"], "result_key": "page", "timeout": 2, "retry": 1},
            "look": {
                "operator_type": "condition",
                "condition": "results.page > 1",
                "if_true": "good",
                "dependencies": ["fetch"],
            },
            "good": {"on_failure": {"fallback": "spare"}},
            "spare": {"kwargs": {"n": "{{results.page}}"}},
            "gated": {"run_if": "results.page == 9", "dependencies": ["fetch"]},
            "broken": {"args": ["{{results.none}}"], "critical": False},
            "long": {"after": ["good"]},
            "never": {"dependencies": ["long"]},
            "last": {"finally": True},
        }
    )
    answers = {
        "fetch": [Answer(after=3.0), Answer(5)],
        "good": failing("no"),
        "long": Answer(after=99.0),
    }
    result = run_plan(plan, answers, cancel_at=50.0)
    assert result.transcript() == [
        'fetch: app.call("x") -> page',
        "  attempt 1 timed out: TimeoutError: no answer within 2s; retry",
        "look: 5 > 1 -> if_true: good",
        "good: app.call()",
        "  failed, replaced by spare: ValueError: no",
        "spare: app.call(n=5)",
        "gated: skipped (run_if: 5 == 9)",
        "broken: failed (MissingValue: results has no 'none')",
        "long: app.call()",
        "  cancelled (the run was cancelled)",
        "never: cancelled (the run was cancelled)",
        "last: app.call()",
        "run: cancelled",
    ]
