"""Runs that were cut off, at any event of their log, and taken up."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nested_flows import Latencies, flows, plan_of

from pytest_highway.clock import VirtualClock
from pytest_highway.engine.call import Call
from pytest_highway.engine.frame import Answer
from pytest_highway.engine.resuming import Resumption, recorded_tasks
from pytest_highway.engine.run import RunSettings, execute
from pytest_highway.events import Event, TaskEnded, TaskRepeated, decode_log, encode_log
from pytest_highway.planning.plan import Plan
from pytest_highway.runners.executors import InlineRunner
from pytest_highway.storage.rows import statistics
from pytest_highway.transcript import Level
from pytest_highway.views import RunResult

LEVELS: list[Level] = ["log", "tasks", "engine"]


class Tools(Latencies):
    """Calls the real tools; of the others, `bad` ones fail and `flaky` ones fail once."""

    def start(self, call: Call) -> Answer:
        if not call.tool.name.startswith("app."):
            self.made.append(call)
            return InlineRunner().start(call)
        answer = super().start(call)
        if call.frame.node.name.startswith("flaky") and call.attempt == 1:
            return answer._replace(error=ValueError("not yet"))
        return answer


def run(plan: Plan, before: Sequence[Event] | None = None) -> tuple[RunResult, list[Call]]:
    """One run, or one that takes up what is left of another."""
    runner = Tools([0.5])
    resumption = None
    if before is not None:
        kept = decode_log(encode_log(before))
        resumption = Resumption(recorded_tasks(kept, lambda end: end.status != "cancelled"))
    log = execute(plan, runner, VirtualClock(), RunSettings(resumption=resumption))
    return RunResult(log), runner.made


def seen(result: RunResult) -> object:
    """All that a run says of itself, but for the time it took."""
    return (
        [result.transcript(level) for level in LEVELS],
        result.results,
        result.memory,
        result.branches,
        result.replaced,
        result.output,
        {path: end._replace(at=0.0) for path, end in result.ends.items()},
        sorted((call.path, call.attempt, str([*call.args, call.kwargs])) for call in result.calls),
    )


def check_cut(plan: Plan, whole: RunResult, cut: int) -> None:
    before = whole.log[:cut]
    resumed, made = run(plan, before)
    assert seen(resumed) == seen(whole)
    ended = {event.path for event in before if type(event) is TaskEnded}
    assert [call.path for call in made if call.path in ended] == []


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_run_taken_up_at_any_event_ends_as_if_never_cut_off(data: st.DataObject) -> None:
    """And calls nothing again that had ended."""
    plan = plan_of(data.draw(flows(calm=True)), max_concurrency=3)
    whole, _ = run(plan)
    check_cut(plan, whole, data.draw(st.integers(0, len(whole.log))))


ASK = {"function": "app.ask"}
RICH = {
    "first": {**ASK, "result_key": "first"},
    "count": {
        "operator_type": "foreach",
        "items": [1, 2, 3],
        "max_concurrency": 3,
        "loop_body": [
            {"task_id": "add", "function": "tools.memory.add", "args": ["total", "{{item}}"]},
            {**ASK, "task_id": "note"},
        ],
    },
    "until": {
        "operator_type": "while",
        "condition": "memory.total < 10",
        "dependencies": ["count"],
        "loop_body": [
            {"task_id": "more", "function": "tools.memory.add", "args": ["total", 2]},
            {**ASK, "task_id": "think"},
        ],
    },
    "set": {
        "function": "tools.memory.set",
        "args": ["total", "{{memory.total * 100}}"],
        "dependencies": ["until"],
    },
    "flaky": {**ASK, "retry": {"max_retries": 2, "delay": 5}, "dependencies": ["first"]},
    "bad": {**ASK, "on_failure": {"fallback": "instead"}, "result_key": "good"},
    "instead": ASK,
    "reader": {**ASK, "args": ["{{results.good}}"], "dependencies": ["bad"]},
    "go": {
        "function": "tools.events.emit",
        "args": ["go", {"by": "first"}],
        "dependencies": ["first"],
    },
    "gate": {
        "operator_type": "wait",
        "wait_for": {"event": "go"},
        "result_key": "gone",
    },
    "later": {
        "function": "tools.events.emit",
        "args": ["go", {"by": "later"}],
        "dependencies": ["gate"],
    },
    "second": {
        "operator_type": "wait",
        "wait_for": {"event": "go"},
        "dependencies": ["later"],
        "result_key": "again",
    },
    "keep": {**ASK, "cache": {"key": "k"}, "result_key": "kept", "dependencies": ["first"]},
    "hit": {**ASK, "cache": {"key": "k"}, "result_key": "hit", "dependencies": ["keep"]},
    "choose": {
        "operator_type": "condition",
        "condition": "results.first == 'first'",
        "dependencies": ["first"],
        "if_true": "yes",
        "if_false": "no",
    },
    "yes": ASK,
    "no": ASK,
    "clean": {"function": "tools.log.info", "args": ["clean"], "finally": True},
}


def test_every_cut_of_a_run_with_memory_events_cache_retries_and_a_fallback() -> None:
    plan = plan_of(RICH)
    whole, _ = run(plan)
    assert whole.memory == {"total": 1000}
    assert whole.results["again"] == {"by": "later"}
    for cut in range(len(whole.log) + 1):
        check_cut(plan, whole, cut)


# `inner` never starts, and has ended when `flaky` begins, which lies in it and cleans up.
OUTLIVED = {
    "broken": {"operator_type": "condition", "condition": "1 / 0", "if_true": "outer"},
    "outer": {
        "operator_type": "parallel",
        "branches": {
            "b": [
                {
                    "task_id": "inner",
                    "operator_type": "parallel",
                    "branches": {
                        "c": [
                            {**ASK, "task_id": "work"},
                            {**ASK, "task_id": "flaky", "retry": 1, "finally": True},
                        ]
                    },
                },
                {**ASK, "task_id": "last", "finally": True},
            ]
        },
    },
}


def test_what_cleans_up_is_not_called_again_for_one_that_cleans_up_inside_what_it_follows() -> None:
    plan = plan_of(OUTLIVED)
    whole, calls = run(plan)
    assert [call.path for call in calls].count("outer.b/last") == 1
    for cut in range(len(whole.log) + 1):
        check_cut(plan, whole, cut)


# `outer` is a success while `clean` still runs, which lies in what was skipped.
SKIPPED_INSIDE = {
    "outer": {
        "operator_type": "parallel",
        "branches": {
            "b": [
                {**ASK, "task_id": "work", "result_key": "work"},
                {
                    "task_id": "inner",
                    "operator_type": "parallel",
                    "skip_if": "true",
                    "branches": {
                        "c": [
                            {**ASK, "task_id": "idle"},
                            {**ASK, "task_id": "clean", "finally": True, "result_key": "clean"},
                        ]
                    },
                },
            ]
        },
    },
    "after": {**ASK, "dependencies": ["outer"]},
    "more": {**ASK, "dependencies": ["outer", "after"]},
}


def test_what_outlives_a_parallel_is_no_part_of_its_value_whenever_it_ends() -> None:
    plan = plan_of(SKIPPED_INSIDE)
    whole, _ = run(plan)
    assert whole.ends["outer"].value == {"b": {"work": "outer.b/work"}}
    for cut in range(len(whole.log) + 1):
        check_cut(plan, whole, cut)


def test_a_run_and_the_one_that_takes_it_up_count_each_step_once() -> None:
    """At every cut: no step is counted by both, and no duration is that of a repeated one."""
    plan = plan_of(RICH)
    whole, _ = run(plan)
    once = {each.path: each for each in statistics([whole.log])}
    del once["choose"]  # conditions are evaluated anew
    for cut in range(len(whole.log) + 1):
        before = whole.log[:cut]
        resumed, _ = run(plan, before)
        found = {each.path: each for each in statistics([before, resumed.log])}
        assert {path: found[path].runs for path in once} == dict.fromkeys(once, 1)
        twice, _ = run(plan, resumed.log)
        assert {each.path for each in statistics([twice.log])} - {"choose"} == set()


# A parallel of an inline and a listed member, inside nothing; and a loop in a loop.
COMPOSITES = {
    "pair": {
        "operator_type": "parallel",
        "branches": {"one": [{**ASK, "task_id": "a"}], "two": ["b"]},
    },
    "b": ASK,
    "all": {
        "operator_type": "foreach",
        "items": [1],
        "loop_body": [
            {
                "task_id": "fan",
                "operator_type": "parallel",
                "branches": {"left": [{**ASK, "task_id": "c"}], "right": [{**ASK, "task_id": "d"}]},
            }
        ],
    },
}


@pytest.mark.parametrize(
    ("ended", "extent"),
    [
        ([], {}),
        (["pair.one/a"], {"pair.one/a": True, "pair": False}),
        (["pair.one/a", "b", "pair"], {"pair.one/a": True, "b": True, "pair": True}),
        (
            ["all[0]/fan.left/c"],
            {"all[0]/fan.left/c": True, "all[0]/fan": False, "all": False},
        ),
        (
            ["all[0]/fan.left/c", "all[0]/fan.right/d", "all[0]/fan"],
            {
                **dict.fromkeys(["all[0]/fan.left/c", "all[0]/fan.right/d", "all[0]/fan"], True),
                "all": False,
            },
        ),
    ],
)
def test_the_log_tells_of_what_a_composite_was_repeated(
    ended: list[str], extent: dict[str, bool]
) -> None:
    plan = plan_of(COMPOSITES)
    whole, _ = run(plan)
    recorded = recorded_tasks(whole.log, lambda end: end.path in ended)
    settings = RunSettings(resumption=Resumption(recorded))
    log = execute(plan, Tools([0.5]), VirtualClock(), settings)
    told = {event.path: event.wholly for event in log if type(event) is TaskRepeated}
    assert told == extent


def test_limits_count_what_was_used_before() -> None:
    plan = plan_of({"a": ASK, "b": {**ASK, "dependencies": ["a"]}}, limits={"max_tool_calls": 1})
    whole, _ = run(plan)
    assert whole.error is not None
    assert whole.error.type == "UsageLimitExceeded"
    for cut in range(len(whole.log)):
        assert seen(run(plan, whole.log[:cut])[0]) == seen(whole)


MENDED = {
    "a": ASK,
    "bad": {**ASK, "on_failure": "continue", "dependencies": ["a"]},
    "skipped": {**ASK, "skip_if": "true", "dependencies": ["bad"]},
    "after": {**ASK, "dependencies": ["skipped"]},
    "fan": {
        "operator_type": "parallel",
        "on_failure": "continue",
        "branches": {
            "left": [{**ASK, "task_id": "bad_inside", "on_failure": "continue"}],
            "right": [{**ASK, "task_id": "fine"}],
        },
    },
    "behind": {**ASK, "dependencies": ["fan"], "on_failure": "continue"},
    "beside": ASK,
    "each": {
        "operator_type": "foreach",
        "items": [1],
        "dependencies": ["bad"],
        "loop_body": [{**ASK, "task_id": "inner"}],
    },
}


@pytest.mark.parametrize(
    ("failed", "again"),
    [
        ("bad", ["bad", "after", "each[0]/inner"]),
        ("fan.left/bad_inside", ["fan.left/bad_inside", "behind"]),
    ],
)
def test_what_follows_a_task_that_runs_again_runs_again_too(failed: str, again: list[str]) -> None:
    """It may find something else this time; what is beside it is left alone."""
    plan = plan_of({key: {**task, "critical": False} for key, task in MENDED.items()})
    whole, _ = run(plan)
    recorded = recorded_tasks(whole.log, lambda end: end.path != failed)
    runner = Tools([0.0])
    settings = RunSettings(resumption=Resumption(recorded))
    execute(plan, runner, VirtualClock(), settings)
    assert [call.path for call in runner.made] == again


def test_the_log_is_shown_before_every_wait_and_at_the_end() -> None:
    seen: list[int] = []
    plan = plan_of({"a": ASK, "b": {**ASK, "dependencies": ["a"]}})
    settings = RunSettings(observe=lambda log: seen.append(len(log)))
    log = execute(plan, Tools([1.0]), VirtualClock(), settings)
    assert seen == sorted(seen)
    assert seen[-1] == len(log)
    assert {3, 6} <= set(seen)
