"""What holds of every run: over all shipped workflows, over random ones, and that it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import case_logs
import invariants
import pytest
from case_logs import FILES, load, run
from engine_host import failing, plan_of, run_plan
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nested_flows import flows, run_flow
from nested_flows import plan_of as plan_of_flow

from pytest_highway.cases.checks import runs_on_real_clock
from pytest_highway.engine.frame import Answer
from pytest_highway.events import (
    AttemptEnded,
    ConditionEvaluated,
    Event,
    Fault,
    ItemsListed,
    RetryScheduled,
    RunEnded,
    ScopeEntered,
    TaskEnded,
    TaskStarted,
    ToolCalled,
)
from pytest_highway.transcript import LEVELS

QUICK = settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
LATENCY = st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0, 2.5]), min_size=1, max_size=6)


@pytest.mark.parametrize("name", FILES)
def test_every_case_of_every_shipped_workflow(name: str, tmp_path: Path) -> None:
    """Those on the real clock as well."""
    loaded = load(name)
    for case in loaded.cases:
        invariants.check(loaded.plan, run(loaded, case, str(tmp_path)).log)


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_workflow_ends_alike_at_every_width(name: str, tmp_path: Path) -> None:
    """How many calls may be in flight changes the order of time, and no outcome."""
    loaded = load(name)
    cases = [each for each in loaded.cases if not runs_on_real_clock(each, case_logs.REGISTRY)]
    for case in cases:
        seen = set()
        for width in (1, 2, 16):
            workflow = loaded.plan.workflow.model_copy(update={"max_concurrency": width})
            changed = replace(loaded, plan=replace(loaded.plan, workflow=workflow))
            result = run(changed, case, str(tmp_path))
            transcripts = ["\n".join(result.transcript(level)) for level in LEVELS]
            seen.add((result.status, str(result.error), str(result.output), *transcripts))
        assert len(seen) == 1


@QUICK
@given(data=st.data())
def test_random_nested_workflows(data: st.DataObject) -> None:
    """With conditions, loops, failures and retries, under random latencies and stops."""
    plan = plan_of_flow(data.draw(flows()), max_concurrency=2)
    cancel_at = data.draw(st.sampled_from([None, None, 0.0, 1.0, 2.0, 3.5]))
    invariants.check(plan, run_flow(plan, data.draw(LATENCY), cancel_at)[0].log)


@QUICK
@given(data=st.data())
def test_a_run_that_waits_for_ever_ends_and_says_for_what(data: st.DataObject) -> None:
    """Whatever else is in it: no run hangs, and none that is stuck is silent about it."""
    tasks = data.draw(flows())
    forms = [{"event": "never"}, {"until": "memory.never | default(false)", "every": "1s"}]
    wait = {"operator_type": "wait", "wait_for": data.draw(st.sampled_from(forms))}
    plan = plan_of_flow({**tasks, "stuck": wait}, max_concurrency=2)
    result, _ = run_flow(plan, data.draw(LATENCY))
    invariants.check(plan, result.log)
    assert result.status == "failed"
    why = result.ends["stuck"].reason
    assert why.endswith("aborted the run") or why.startswith("stuck: stuck waits ")


# --- that it is looked at ------------------------------------------------------------------------

TASKS: dict[str, object] = {
    "a": {"retry": {"max_retries": 1, "delay": 2}, "result_key": "a"},
    "ask": {
        "operator_type": "condition",
        "condition": "true",
        "if_true": "yes",
        "if_false": "no",
        "dependencies": ["a"],
    },
    "yes": {},
    "no": {},
    "end": {"dependencies": ["yes", "no"]},
    "each": {
        "operator_type": "foreach",
        "items": [1, 2],
        "loop_body": [{"task_id": "t", "function": "app.call", "result_key": "r"}],
    },
}
PLAN = plan_of(TASKS, max_concurrency=1)
LOG = run_plan(PLAN, {"a": [failing(after=1.0), Answer("a", after=1.0)]}).log

Change = Callable[[list[Event]], list[Event]]


def place(log: Sequence[Event], kind: type[Event], path: str) -> int:
    """The number of the first event of this kind and path."""
    return next(
        number for number, each in enumerate(log) if type(each) is kind and each.path == path
    )


def without(kind: type[Event], path: str) -> Change:
    """Leaves an event out."""
    return lambda log: [each for each in log if type(each) is not kind or each.path != path]


def changed(kind: type[Event], path: str, **fields: object) -> Change:
    """Gives an event other fields."""

    def change(log: list[Event]) -> list[Event]:
        at = place(log, kind, path)
        return [*log[:at], log[at]._replace(**fields), *log[at + 1 :]]

    return change


def moved(kind: type[Event], path: str, to: tuple[type[Event], str]) -> Change:
    """Puts an event before another."""

    def change(log: list[Event]) -> list[Event]:
        event = log.pop(place(log, kind, path))
        at = place(log, *to)
        return [*log[:at], event, *log[at:]]

    return change


def repeated(kind: type[Event], path: str) -> Change:
    """Has an event twice."""

    def change(log: list[Event]) -> list[Event]:
        at = place(log, kind, path)
        return [*log[: at + 1], *log[at:]]

    return change


WRONG: dict[str, Change] = {
    "no end": without(TaskEnded, "no"),
    "no end inside": without(TaskEnded, "each[1]/t"),
    "two ends": repeated(TaskEnded, "no"),
    "two starts": repeated(TaskStarted, "a"),
    "something after the end": moved(TaskEnded, "a", (ToolCalled, "a")),
    "no end of the run": lambda log: log[:-1],
    "two ends of the run": repeated(RunEnded, ""),
    "time goes back": changed(TaskStarted, "end", at=0.0),
    "a start before what it waits for": moved(TaskStarted, "end", (TaskStarted, "yes")),
    "a target before its condition": moved(TaskStarted, "yes", (ConditionEvaluated, "ask")),
    "a call that never started": without(TaskStarted, "yes"),
    "an iteration of a loop that is over": moved(TaskEnded, "each", (ScopeEntered, "each[1]")),
    "the other side": changed(ConditionEvaluated, "ask", side="if_false"),
    "the other target": changed(ConditionEvaluated, "ask", target="no"),
    "evaluated twice": repeated(ConditionEvaluated, "ask"),
    "another value": changed(ConditionEvaluated, "ask", value=False),
    "a state that the rules do not give": changed(TaskEnded, "no", status="success"),
    "a failure that skips nobody": changed(TaskEnded, "yes", status="upstream_failed"),
    "two calls where one fits": moved(ToolCalled, "each[0]/t", (ToolCalled, "a")),
    "an attempt too many": changed(ToolCalled, "a", attempt=3),
    "more attempts than there may be": changed(TaskEnded, "a", attempts=3),
    "another delay": changed(RetryScheduled, "a", delay=1.0),
    "an attempt too early": changed(AttemptEnded, "a", at=2.5),
    "items out of order": changed(TaskEnded, "each", value=[{"r": 2}, {"r": 1}]),
    "an item too few": changed(TaskEnded, "each", value=[{"r": "each[0]/t"}]),
    "items that were not entered": changed(ItemsListed, "each", items=3),
    "an iteration by another number": changed(ScopeEntered, "each[1]", number=0),
    "stuck without a word": lambda log: [
        *log[:-1],
        log[-1]._replace(status="failed", fault=Fault("Stuck", "", "")),
    ],
    "failed without an error": changed(RunEnded, "", status="failed"),
}


def test_the_log_to_be_changed_is_right() -> None:
    """So that each change alone is what is found."""
    invariants.check(PLAN, LOG)


@pytest.mark.parametrize("title", WRONG)
def test_a_log_that_breaks_a_promise_is_found_out(title: str) -> None:
    """One change to a right log, of each kind."""
    with pytest.raises(AssertionError):
        invariants.check(PLAN, WRONG[title](list(LOG)))
