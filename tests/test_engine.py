"""The engine as a machine in time: order, slots, retries, timeouts, stops, values, size."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest
from engine_host import (
    REGISTRY,
    Script,
    failing,
    make_registry,
    plan_of,
    run_plan,
    run_tasks,
    states,
)
from graphs import answers_for, check_width, graphs, plan_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_highway.clock import SystemClock, VirtualClock
from pytest_highway.engine.call import Call
from pytest_highway.engine.frame import Answer, Unretryable
from pytest_highway.engine.run import Engine, RunSettings, execute
from pytest_highway.events import (
    AttemptEnded,
    Event,
    Fault,
    Logged,
    RetryScheduled,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskStarted,
    ToolCalled,
)
from pytest_highway.runners.executors import InlineRunner
from pytest_highway.tools import ToolContext, tool
from pytest_highway.views import RunResult

FINALLY = {"finally": True}


def info(text: str, **more: object) -> dict[str, object]:
    """A task that logs for real."""
    return {"function": "tools.log.info", "args": [text], **more}


def run_for_real(tasks: Mapping[str, object], **top: object) -> RunResult:
    """One run with the built-in tools themselves, in virtual time."""
    return RunResult(execute(plan_of(tasks, **top), InlineRunner(), VirtualClock(), RunSettings()))


def moments(result: RunResult, *kinds: type[Event]) -> list[tuple[float, str, str]]:
    """When which of these events happened to whom."""
    return [
        (event.at, type(event).__name__, event.path) for event in result.log if type(event) in kinds
    ]


# --- order and slots -----------------------------------------------------------------------------


def test_tasks_ready_at_one_instant_start_in_declaration_order() -> None:
    """Whoever came first, the one declared first starts first."""
    names = ["d", "a", "c", "b", "root"]
    tasks = {name: {"dependencies": ["root"]} for name in names[:-1]}
    result = run_tasks({**tasks, "root": {}}, {"root": Answer(after=1.0)})
    assert list(result.starts) == ["root", "d", "a", "c", "b"]


def test_all_ready_tasks_start_before_any_of_them_ends() -> None:
    """Two tasks without an order between them never end before the other starts."""
    result = run_tasks({"a": {}, "b": {}, "c": {"operator_type": "condition", **YES}, "d": {}})
    assert max(result.starts.values()) < min(result.end_places[name] for name in ("a", "b", "d"))


YES = {"condition": "true", "if_true": "d"}


def test_calls_beyond_the_width_wait_in_order() -> None:
    """With two slots the third call begins when the first ends, the fourth with the second."""
    result = run_tasks(
        {name: {} for name in "abcd"},
        {"a": Answer(after=1.0), "b": Answer(after=3.0), "c": Answer(after=5.0)},
        max_concurrency=2,
    )
    assert moments(result, ToolCalled) == [
        (0.0, "ToolCalled", "a"),
        (0.0, "ToolCalled", "b"),
        (1.0, "ToolCalled", "c"),
        (3.0, "ToolCalled", "d"),
    ]
    assert list(result.starts) == ["a", "b", "c", "d"]


def test_the_default_width_is_four() -> None:
    """Of five calls the last waits for the first answer."""
    result = run_tasks({name: {} for name in "abcde"}, {name: Answer(after=1.0) for name in "abcd"})
    assert [event.at for event in result.calls] == [0.0, 0.0, 0.0, 0.0, 1.0]


def test_a_pause_between_attempts_holds_no_slot() -> None:
    """While one task waits for its retry another one calls."""
    result = run_tasks(
        {"a": {"retry": {"max_retries": 1, "delay": 10}}, "b": {}},
        {"a": [failing(), Answer(1)], "b": Answer(after=2.0)},
        max_concurrency=1,
    )
    assert moments(result, ToolCalled) == [
        (0.0, "ToolCalled", "a"),
        (0.0, "ToolCalled", "b"),
        (10.0, "ToolCalled", "a"),
    ]


def test_after_waits_for_the_fallback_as_well() -> None:
    """Who comes after a task comes after what stands in for it."""
    result = run_tasks(
        {
            "bad": {"on_failure": {"fallback": "other"}},
            "other": {},
            "next": {"after": ["bad"]},
            "last": {"dependencies": ["bad"], **FINALLY},
        },
        {"bad": failing(), "other": Answer(after=5.0)},
    )
    assert {name: result.log[result.starts[name]].at for name in ("next", "last")} == {
        "next": 5.0,
        "last": 5.0,
    }


def test_a_fallback_waits_for_what_it_depends_on() -> None:
    """Its own dependencies are order: it starts when its task has failed and they have ended."""
    result = run_tasks(
        {
            "slow": {},
            "bad": {"on_failure": {"fallback": "other"}},
            "other": {"dependencies": ["slow"]},
        },
        {"slow": failing(after=4.0), "bad": failing(after=1.0)},
    )
    assert moments(result, TaskStarted)[-1] == (4.0, "TaskStarted", "other")
    assert result.replaced == {"bad": "other"}


@pytest.mark.parametrize("extra", [{}, {"after": ["a"]}, {"dependencies": []}])
def test_finally_without_dependencies_is_last(extra: dict[str, object]) -> None:
    """It starts when every other task has ended, whatever it lists under `after`."""
    result = run_tasks(
        {"last": {**FINALLY, **extra}, "a": {}, "b": {"dependencies": ["a"]}},
        {"a": Answer(after=1.0), "b": Answer(after=9.0)},
    )
    assert list(result.ends) == ["a", "b", "last"]
    assert result.log[result.starts["last"]].at == 10.0


def test_finally_with_dependencies_runs_when_they_have_ended() -> None:
    """It does not wait for the others then."""
    result = run_tasks(
        {"a": {}, "b": {}, "last": {"dependencies": ["a"], **FINALLY}}, {"b": Answer(after=9.0)}
    )
    assert list(result.ends) == ["a", "last", "b"]


# --- retries and timeouts ------------------------------------------------------------------------


def test_the_delays_grow_up_to_their_bound() -> None:
    """The n-th delay is `delay * backoff**(n-1)`, and never more than `max_delay`."""
    retry = {"max_retries": 4, "delay": "1s", "backoff": 3, "max_delay": 10}
    result = run_tasks({"a": {"retry": retry}}, {"a": failing()})
    assert [event.delay for event in result.log if type(event) is RetryScheduled] == [
        1.0,
        3.0,
        9.0,
        10.0,
    ]
    assert [event.at for event in result.calls] == [0.0, 1.0, 4.0, 13.0, 23.0]
    assert result.ends["a"].attempts == 5


@pytest.mark.parametrize(
    ("own", "attempts"),
    [({}, 3), ({"retry": 0}, 1), ({"retry": {"max_retries": 0}}, 1), ({"retry": 1}, 2)],
)
def test_a_task_overrides_the_default_retry(own: dict[str, object], attempts: int) -> None:
    """Also with 0, which is a number like any other."""
    result = run_tasks({"a": own}, {"a": failing()}, defaults={"retry": 2})
    assert result.ends["a"].attempts == attempts


def test_the_dsl_names_mean_the_same() -> None:
    """`retry_policy` with `backoff_factor`, and `timeout_policy`."""
    task = {
        "retry_policy": {"max_retries": 2, "delay": 1, "backoff_factor": 5},
        "timeout_policy": {"timeout": 2, "kill_on_timeout": True},
    }
    result = run_tasks({"a": task}, {"a": Answer(after=3.0)})
    assert [event.at for event in result.calls] == [0.0, 3.0, 10.0]
    assert result.ends["a"].status == "timed_out"


@pytest.mark.parametrize(
    ("retry_on", "error", "attempts"),
    [
        (["ConnectionError"], ConnectionResetError("reset"), 2),
        (["OSError"], ConnectionResetError("reset"), 2),
        (["ValueError"], ConnectionResetError("reset"), 1),
        ([], ValueError("no"), 1),
        (None, ValueError("no"), 2),
        (None, Unretryable("over"), 1),
    ],
)
def test_retry_on_names_classes_and_their_bases(
    retry_on: list[str] | None, error: Exception, attempts: int
) -> None:
    """Another attempt follows a failure of a named class or of one below it."""
    retry = {"max_retries": 1} if retry_on is None else {"max_retries": 1, "retry_on": retry_on}
    result = run_tasks({"a": {"retry": retry}}, {"a": Answer(error=error)})
    assert result.ends["a"].attempts == attempts


def test_a_timeout_is_a_timeout_error() -> None:
    """For `retry_on`, and in what the run reports."""
    retry = {"max_retries": 1, "retry_on": ["TimeoutError"]}
    result = run_tasks({"a": {"retry": retry, "timeout": "1.5s"}}, {"a": Answer(after=2.0)})
    assert [event.at for event in result.calls] == [0.0, 1.5]
    assert result.ends["a"][:6] == (
        3.0,
        "a",
        "timed_out",
        "",
        2,
        Fault("TimeoutError", "no answer within 1.5s", "a"),
    )


@pytest.mark.parametrize(
    ("task", "top", "duration"),
    [
        ({}, {"defaults": {"timeout": 3}}, 3.0),
        ({"timeout": 5}, {"defaults": {"timeout": 3}}, 5.0),
        ({"timeout": 5}, {"max_step_duration": 2}, 2.0),
        ({}, {"max_step_duration": "4s"}, 4.0),
        ({}, {}, 60.0),
        ({"timeout": 60}, {}, 60.0),
    ],
)
def test_which_timeout_holds(
    task: dict[str, object], top: dict[str, object], duration: float
) -> None:
    """The task's own, else the default's, and never more than `max_step_duration`."""
    assert run_tasks({"a": task}, {"a": Answer(after=60.0)}, **top).duration == duration


def test_the_time_in_the_queue_is_no_part_of_the_timeout() -> None:
    """It counts from the start of the call."""
    result = run_tasks(
        {"a": {}, "b": {"timeout": 2}},
        {"a": Answer(after=10.0), "b": Answer(after=2.0)},
        max_concurrency=1,
    )
    assert states(result) == {"a": "success", "b": "success"}
    assert result.duration == 12.0


def test_a_late_answer_is_dropped() -> None:
    """The second attempt's answer is the result, though the first one's comes while it runs."""
    result = run_tasks(
        {"a": {"timeout": 2, "retry": 1, "result_key": "a"}, "b": {}},
        {"a": [Answer("late", after=3.0), Answer("good", after=1.5)], "b": Answer(after=9.0)},
    )
    assert result.results == {"a": "good"}
    assert moments(result, AttemptEnded, ToolCalled, TaskEnded) == [
        (0.0, "ToolCalled", "a"),
        (0.0, "ToolCalled", "b"),
        (2.0, "AttemptEnded", "a"),
        (2.0, "ToolCalled", "a"),
        (3.5, "TaskEnded", "a"),
        (9.0, "TaskEnded", "b"),
    ]


def test_feedback_tells_why_the_last_attempt_failed() -> None:
    """A tool's context has the text of the last failure."""
    heard: list[str | None] = []

    class Listening(Script):
        def start(self, call: Call) -> Answer:
            heard.append(call.feedback)
            return super().start(call)

    runner = Listening({"a": [failing("first"), failing("second"), Answer()]})
    execute(plan_of({"a": {"retry": 2}}), runner, VirtualClock(), RunSettings())
    assert heard == [None, "first", "second"]


# --- stops ---------------------------------------------------------------------------------------

ABORT = {"on_failure": "abort"}


def test_an_abort_cancels_what_runs_and_what_waits() -> None:
    """Nothing new starts, and `finally` tasks run."""
    result = run_tasks(
        {
            "bad": ABORT,
            "running": {},
            "queued": {},
            "pausing": {"retry": {"max_retries": 1, "delay": 9}},
            "later": {"dependencies": ["running"]},
            "last": FINALLY,
        },
        {"bad": failing(after=2.0), "running": Answer(after=9.0), "pausing": failing(after=1.0)},
        max_concurrency=3,
    )
    assert states(result) == {
        "bad": "failed",
        "running": "cancelled",
        "queued": "success",
        "pausing": "cancelled",
        "later": "cancelled",
        "last": "success",
    }
    assert {result.ends[name].reason for name in ("running", "pausing", "later")} == {
        "bad aborted the run"
    }
    assert result.status == "failed"
    assert result.error == Fault("ValueError", "no", "bad")
    assert result.duration == 2.0


def test_an_abort_forgets_queued_calls() -> None:
    """A call that waited for a slot is never made."""
    result = run_tasks(
        {"bad": ABORT, "a": {}, "queued": {}},
        {"bad": failing(after=1.0), "a": Answer(after=5.0)},
        max_concurrency=2,
    )
    assert [call.path for call in result.calls] == ["bad", "a"]
    assert result.ends["queued"].status == "cancelled"


def test_an_abort_closes_live_generators() -> None:
    """Every operator that was under way has been left, at once."""
    plan = plan_of({"bad": ABORT, "a": {}, "b": {}})
    runner = Script({"bad": failing(after=1.0), "a": Answer(after=5.0), "b": Answer(after=5.0)})
    engine = Engine(plan, runner, VirtualClock(), RunSettings())
    frames: list[object] = []
    runner.start = lambda call: frames.append(call.frame) or Script.start(runner, call)
    engine.run()
    assert [frame.steps.gi_frame for frame in frames] == [None, None, None]
    assert engine.root.frames == {}
    gc.collect()


def test_the_answer_to_a_cancelled_call_is_dropped() -> None:
    """Also when a `finally` task is still running as it comes in."""
    result = run_tasks(
        {"bad": ABORT, "a": {"result_key": "a"}, "last": FINALLY},
        {"bad": failing(after=1.0), "a": Answer(after=2.0), "last": Answer(after=9.0)},
    )
    assert result.results == {}
    assert moments(result, TaskEnded) == [
        (1.0, "TaskEnded", "bad"),
        (1.0, "TaskEnded", "a"),
        (10.0, "TaskEnded", "last"),
    ]


def test_a_cancel_stops_at_its_moment() -> None:
    """What ran is cancelled, `finally` tasks run, and the run is cancelled."""
    plan = plan_of({"a": {}, "b": {}, "c": {"dependencies": ["b"]}, "last": FINALLY})
    answers = {"a": Answer(after=2.0), "b": Answer(after=9.0), "last": Answer(after=1.0)}
    result = run_plan(plan, answers, cancel_at=5.0)
    assert states(result) == {
        "a": "success",
        "b": "cancelled",
        "c": "cancelled",
        "last": "success",
    }
    assert result.ends["b"].reason == "the run was cancelled"
    assert (result.status, result.error, result.duration) == ("cancelled", None, 6.0)


def test_a_cancel_after_the_end_changes_nothing() -> None:
    """A run that is over cannot be stopped."""
    result = run_plan(plan_of({"a": {}}), {"a": Answer(after=1.0)}, cancel_at=5.0)
    assert (result.status, result.duration) == ("success", 1.0)


def test_a_second_stop_changes_nothing() -> None:
    """A run that a task aborted is failed, though it is cancelled while it cleans up."""
    plan = plan_of({"bad": ABORT, "last": FINALLY})
    result = run_plan(plan, {"bad": failing(), "last": Answer(after=9.0)}, cancel_at=5.0)
    assert (result.status, states(result)) == ("failed", {"bad": "failed", "last": "success"})


def test_a_finally_task_in_the_queue_survives_a_stop() -> None:
    """It takes the slot of the call that was cancelled."""
    plan = plan_of(
        {"a": {}, "b": {}, "last": {"dependencies": ["a"], **FINALLY}}, max_concurrency=1
    )
    result = run_plan(plan, {"a": Answer(after=1.0), "b": Answer(after=9.0)}, cancel_at=5.0)
    assert states(result) == {"a": "success", "b": "cancelled", "last": "success"}


def test_a_running_finally_task_survives_a_stop() -> None:
    """An early `finally` task goes on to its end."""
    plan = plan_of({"a": {}, "b": {}, "last": {"dependencies": ["a"], **FINALLY}})
    result = run_plan(plan, {"b": Answer(after=9.0), "last": Answer(after=7.0)}, cancel_at=5.0)
    assert states(result) == {"a": "success", "b": "cancelled", "last": "success"}


def test_a_failed_finally_makes_a_cancelled_run_failed() -> None:
    """Its failure fails the run."""
    plan = plan_of({"a": {}, "last": FINALLY})
    result = run_plan(plan, {"a": Answer(after=9.0), "last": failing()}, cancel_at=5.0)
    assert (result.status, result.error) == ("failed", Fault("ValueError", "no", "last"))


@pytest.mark.parametrize("policy", ["abort", "skip_dependents"])
def test_an_error_in_a_finally_task_never_hides_the_first(policy: str) -> None:
    """The run's error is the other one, though the `finally` task stands before it in the plan."""
    result = run_tasks(
        {"a": {}, "last": {"dependencies": ["a"], **FINALLY}, "bad": {"on_failure": policy}},
        {"bad": failing("first", after=1.0), "last": failing("second")},
    )
    assert result.error == Fault("ValueError", "first", "bad")


@pytest.mark.parametrize("names", [("a", "other"), ("other", "a")])
def test_a_stop_cancels_a_fallback_with_its_task(names: tuple[str, str]) -> None:
    """Neither has run, whichever is declared first."""
    tasks = {
        "a": {"dependencies": ["bad"], "on_failure": {"fallback": "other"}},
        "other": {},
    }
    result = run_tasks({"bad": ABORT, **{name: tasks[name] for name in names}}, {"bad": failing()})
    assert states(result) == {"bad": "failed", "a": "cancelled", "other": "cancelled"}


def test_a_stop_cancels_a_running_fallback() -> None:
    """The task that it would have served stays failed, and so does the run's error."""
    plan = plan_of({"bad": {"on_failure": {"fallback": "other"}}, "other": {}})
    result = run_plan(plan, {"bad": failing(), "other": Answer(after=9.0)}, cancel_at=5.0)
    assert states(result) == {"bad": "failed", "other": "cancelled"}
    assert (result.status, result.error) == ("cancelled", Fault("ValueError", "no", "bad"))


def test_a_fallback_of_a_finally_task_runs() -> None:
    """Cleaning up may have its second way too."""
    tasks = {"last": {**FINALLY, "on_failure": {"fallback": "other"}}, "other": {}, "a": {}}
    result = run_tasks(tasks, {"last": failing()})
    assert result.replaced == {"last": "other"}
    assert result.status == "success"


def test_a_fallback_of_a_finally_task_runs_after_a_stop() -> None:
    """Nothing else does."""
    tasks = {"bad": ABORT, "last": {**FINALLY, "on_failure": {"fallback": "other"}}, "other": {}}
    result = run_tasks(tasks, {"bad": failing("first"), "last": failing()})
    assert states(result) == {"bad": "failed", "last": "failed", "other": "success"}
    assert result.error == Fault("ValueError", "first", "bad")


def test_an_uncritical_abort_fails_the_run() -> None:
    """An abort is an abort."""
    result = run_tasks({"bad": {**ABORT, "critical": False}, "a": {}}, {"bad": failing()})
    assert result.status == "failed"
    assert result.error is not None


def test_a_condition_and_a_gate_may_abort() -> None:
    """The policy holds for whatever fails."""
    bad = {"condition": "1 / 0", "if_true": "x", **ABORT}
    for first in ({"operator_type": "condition", **bad}, {"run_if": "1 / 0", **ABORT}):
        result = run_tasks({"bad": first, "x": {}, "a": {}}, {"a": Answer(after=1.0)})
        assert states(result) == {"bad": "failed", "x": "cancelled", "a": "cancelled"}


@settings(
    max_examples=200, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.data())
def test_a_stop_keeps_every_promise_of_the_log(data: st.DataObject) -> None:
    """Whatever is stopped whenever: one end each, nothing new but `finally`, and an end."""
    specs = [
        replace(spec, policy=data.draw(st.sampled_from(["abort", spec.policy])))
        if not spec.fallback
        else spec
        for spec in data.draw(graphs())
    ]
    declared = data.draw(st.permutations(specs))
    moment = st.sampled_from([0.0, 1.0, 2.5, 7.0])
    latencies = data.draw(st.lists(moment, min_size=len(specs), max_size=len(specs)))
    width = data.draw(st.integers(1, 3))
    cancel_at = data.draw(st.one_of(st.none(), moment, st.just(100.0)))
    plan = plan_for(declared, max_concurrency=width)
    result = run_plan(plan, answers_for(declared, latencies), cancel_at=cancel_at)
    check_stopped(result, {spec.id for spec in specs if spec.is_finally})
    assert sorted(result.ends) == sorted(spec.id for spec in specs)
    check_width(result, width)
    again = run_plan(plan, answers_for(declared, latencies), cancel_at=cancel_at)
    assert again.log == result.log


def check_stopped(result: RunResult, last: set[str]) -> None:
    """After the first cancelled task nothing starts, calls or succeeds but `finally` tasks."""
    log = result.log
    assert type(log[0]) is RunStarted
    assert type(log[-1]) is RunEnded
    ended = [event.path for event in log if type(event) is TaskEnded]
    assert len(ended) == len(set(ended))
    stopped = [
        place
        for place, event in enumerate(log)
        if type(event) is TaskEnded and event.status == "cancelled"
    ]
    later = log[stopped[0] :] if stopped else []
    assert {
        event.path
        for event in later
        if type(event) in (TaskStarted, ToolCalled)
        or (type(event) is TaskEnded and event.status != "cancelled")
    } <= last
    assert result.status != "success" or not stopped
    assert not any(result.ends[name].status == "cancelled" for name in last)


# --- values --------------------------------------------------------------------------------------


def test_results_flow_by_key() -> None:
    """A result is stored under its key when the task succeeded, and templates read it."""
    result = run_tasks(
        {
            "a": {"result_key": "first"},
            "b": {"args": ["{{results.first.n}}", "n={{results.first.n}}"], "dependencies": ["a"]},
        },
        {"a": Answer({"n": 3})},
    )
    assert result.calls[1].args == [3, "n=3"]
    assert result.results == {"first": {"n": 3}}


def test_a_fallback_stands_in_under_the_failed_key() -> None:
    """Readers of the failed task's result get the fallback's; each is stored under its own too."""
    result = run_tasks(
        {
            "bad": {"result_key": "r", "on_failure": {"fallback": "other"}},
            "other": {"result_key": "o"},
            "next": {"args": ["{{results.r}} {{results.o}}"], "dependencies": ["bad"]},
        },
        {"bad": failing(), "other": Answer("spare")},
    )
    assert result.calls[-1].args == ["spare spare"]
    assert result.results == {"r": "spare", "o": "spare"}


@pytest.mark.parametrize(
    ("first", "message"),
    [
        ({"skip_if": "true"}, "'a', which writes it, ended skipped (skip_if: true)"),
        ({"on_failure": "continue", "args": ["fail"]}, "'a', which writes it, ended failed"),
    ],
)
def test_reading_what_was_not_written_says_what_became_of_its_writer(
    first: dict[str, object], message: str
) -> None:
    """The fault names the result, and its writer's end."""
    result = run_tasks(
        {
            "a": {"result_key": "r", **first},
            "b": {"args": ["{{results.r}}"], "dependencies": ["a"]},
        },
        {"a": failing()},
    )
    fault = result.ends["b"].fault
    assert fault is not None
    assert fault.type == "MissingValue"
    assert fault.message.startswith("results has no 'r'")
    assert fault.message.endswith(message)
    assert result.ends["b"].attempts == 0


def test_a_condition_that_reads_a_missing_result_tells_why() -> None:
    """The same for conditions and gates."""
    result = run_tasks(
        {
            "a": {"result_key": "r", "skip_if": "true"},
            "c": {
                "operator_type": "condition",
                "condition": "results.r == 1",
                "if_true": "b",
                "dependencies": ["a"],
            },
            "b": {},
            "gated": {"run_if": "results.r", "dependencies": ["a"]},
        }
    )
    told = "results has no 'r'; 'a', which writes it, ended skipped (skip_if: true)"
    assert result.ends["c"].fault == Fault("MissingValue", told, "c")
    assert result.ends["gated"].fault is not None
    assert result.ends["gated"].fault.message == f"run_if: {told}"


def test_a_missing_field_of_a_result_is_told_with_those_it_has() -> None:
    """The result itself was written, so its writer's end is no news."""
    result = run_tasks(
        {"a": {"result_key": "r"}, "b": {"args": ["{{results.r.z}}"], "dependencies": ["a"]}},
        {"a": Answer({"x": 1})},
    )
    assert result.error == Fault("MissingValue", "results.r has no 'z'; it has 'x'", "b")


@pytest.mark.parametrize("root", ["results.r", "memory.r", "tasks.r.status", "prev.r.status"])
def test_what_is_missing_is_told_the_same_under_every_schedule(root: str) -> None:
    """Whether a task beside has written something by then is not told."""
    tasks = {
        "beside": memory("set", "s", 1, result_key="s"),
        "wait": {},
        "reader": info(f"{{{{{root}}}}}", after=["wait"]),
    }
    plan = plan_of(tasks)
    faults = [
        run_plan(plan, {"beside": Answer(after=latency), "wait": Answer(after=1.0)}).error
        for latency in (0.0, 2.0)
    ]
    name = root.split(".")[0]
    assert faults == [Fault("MissingValue", f"{name} has no 'r'", "reader")] * 2


def test_a_condition_is_evaluated_once() -> None:
    """Its event has the text, the text with values, and the choice; its value is a truth value."""
    result = run_tasks(
        {
            "a": {"result_key": "n"},
            "c": {
                "operator_type": "condition",
                "condition": "{{results.n}} > 2",
                "if_true": "yes",
                "dependencies": ["a"],
                "result_key": "big",
            },
            "yes": {"run_if": "results.big and results.n"},
        },
        {"a": Answer(3)},
    )
    (event,) = [each for each in result.log if type(each).__name__ == "ConditionEvaluated"]
    assert event[1:] == ("c", "{{results.n}} > 2", "3 > 2", True, "if_true", "yes")
    assert states(result)["yes"] == "success"


def test_tasks_are_seen_by_their_end() -> None:
    """`tasks.x` and `prev.x` tell status, attempts, error and reason."""
    reads = ["{{tasks.bad}}", "{{prev.bad.status}} {{tasks.off.reason}}"]
    result = run_tasks(
        {
            "bad": {"on_failure": "continue", "critical": False, "retry": 1},
            "off": {"skip_if": "true"},
            "look": {"args": reads, "dependencies": ["bad", "off"]},
        },
        {"bad": failing("oh")},
    )
    assert result.calls[-1].args == [
        {"status": "failed", "attempts": 2, "error": "ValueError: oh", "reason": ""},
        "failed skip_if: true",
    ]


def test_variables_and_env_of_a_run_replace_declared_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulated run sees nothing of the process's environment."""
    monkeypatch.setenv("DRY_RUN", "process")
    monkeypatch.setenv("SECRET", "process")
    plan = plan_of(
        {
            "a": {"args": ["{{variables.x}} {{variables.y}} {{env.DRY_RUN}}"]},
            "b": {"args": ["{{env.SECRET}}"]},
        },
        variables={"x": 1, "y": 2},
        env={"DRY_RUN": "declared"},
    )
    assert run_plan(plan).calls[0].args == ["1 2 declared"]
    again = run_plan(plan, variables={"y": 5}, env={"DRY_RUN": "case"})
    assert again.calls[0].args == ["1 5 case"]
    assert states(again) == {"a": "success", "b": "failed"}


def test_a_run_changes_nothing_of_its_plan() -> None:
    """Variables, arguments and results that a tool changes are its own copies."""
    registry = make_registry()

    @tool("app.spoil", effects="pure")
    def spoil(value: list[object]) -> list[object]:
        value.append("spoiled")
        return value

    registry.add(spoil)
    tool_of = registry.get("app.spoil")
    plan = plan_of(
        {
            "a": {"args": [["fixed"]], "result_key": "r"},
            "b": {"args": ["{{variables.items}}"], "dependencies": ["a"]},
            "c": {"args": ["{{results.r}}"], "dependencies": ["b"]},
            "d": {"args": ["{{results.r}}"], "dependencies": ["c"]},
        },
        variables={"items": ["declared"]},
    )
    for node in plan.scope.nodes:
        node.tool = tool_of
    for _ in range(2):
        result = RunResult(execute(plan, InlineRunner(), VirtualClock(), RunSettings()))
        assert [call.args for call in result.calls] == [
            [["fixed"]],
            [["declared"]],
            [["fixed", "spoiled"]],
            [["fixed", "spoiled"]],
        ]
    assert plan.variables == {"items": ["declared"]}


@pytest.mark.parametrize(
    ("tasks", "top", "output"),
    [
        ({"a": {}, "b": {"dependencies": ["a"]}}, {}, "b"),
        ({"b": {"dependencies": ["a"]}, "a": {}}, {}, "b"),
        ({"a": {}, "b": {"dependencies": ["a"], "skip_if": "true"}}, {}, "a"),
        ({"a": {}, "last": {"finally": True}}, {}, "a"),
        ({"a": {}, "c": {"operator_type": "condition", "condition": "1", "if_true": "a"}}, {}, "a"),
        ({"a": {"skip_if": "true"}}, {}, None),
        ({"a": {"result_key": "r"}}, {"output": {"r": "{{results.r}}!"}}, {"r": "a!"}),
    ],
)
def test_the_output(tasks: dict[str, object], top: dict[str, object], output: object) -> None:
    """What `output` says, else the last successful task's value, in plan order."""
    assert run_tasks(tasks, **top).output == output


def test_an_output_that_cannot_be_rendered_fails_the_run() -> None:
    """Never an empty value."""
    result = run_tasks({"a": {}}, output="{{results.r}}")
    assert (result.status, result.output) == ("failed", None)
    assert result.error == Fault("MissingValue", "output: results has no 'r'")


def test_a_failed_run_has_no_output() -> None:
    """Not even the last successful task's."""
    assert run_tasks({"a": {}, "bad": {}}, {"bad": failing()}).output is None


@pytest.mark.parametrize(
    ("tasks", "answers", "error"),
    [
        (
            {"x": {"dependencies": ["late"]}, "late": {}, "early": {}},
            {"late": failing("late", after=9.0), "early": failing("early")},
            Fault("ValueError", "late", "late"),
        ),
        (
            {"bad": {"critical": False}, "x": {"dependencies": ["bad"]}},
            {"bad": failing()},
            Fault("UpstreamFailed", "dependency failed: bad", "x"),
        ),
        (
            {"bad": {"on_failure": {"fallback": "bad2"}}, "bad2": {}},
            {"bad": failing("one"), "bad2": failing("two")},
            Fault("ValueError", "one", "bad"),
        ),
    ],
)
def test_the_error_is_the_first_in_plan_order(
    tasks: dict[str, object], answers: dict[str, Answer], error: Fault
) -> None:
    """Not the first in time."""
    assert run_tasks(tasks, answers).error == error


# --- memory and records --------------------------------------------------------------------------


def memory(what: str, *args: object, **more: object) -> dict[str, object]:
    """A task that uses memory for real."""
    return {"function": f"tools.memory.{what}", "args": list(args), **more}


def test_memory_is_one_for_the_run() -> None:
    """Written by one task, read by a later one and by its templates."""
    result = run_for_real(
        {
            "a": memory("set", "k", 4),
            "b": memory("increment", "k", dependencies=["a"], result_key="sum"),
            "c": info("{{memory.k}} {{results.sum.new_value}}", dependencies=["b"]),
        }
    )
    assert result.memory == {"k": 5}
    assert [event.message for event in result.log if type(event) is Logged] == ["5 5"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (memory("set", "k", 1), memory("set", "k", 2)),
        (memory("set", "k", 1), memory("increment", "k")),
        (memory("set", "k", 1), memory("get", "k")),
        (memory("set", "k", 1), info("{{memory.k}}")),
    ],
)
def test_two_users_of_one_key_without_an_order_fail(
    first: dict[str, object], second: dict[str, object]
) -> None:
    """The later one names both; with an order between them both succeed."""
    result = run_for_real({"a": first, "b": second})
    fault = result.ends["b"].fault
    assert fault is not None
    assert fault.type == "MemoryConflict"
    assert "'a' and 'b' both use it" in fault.message
    ordered = run_for_real({"a": first, "b": {**second, "after": ["a"]}})
    assert ordered.status == "success"


def test_memory_and_tasks_may_be_read_whole() -> None:
    """As mappings of what there is; reading memory so is reading each of its keys."""
    look = "{{memory}} {{memory | length}} {{tasks | keys}} {{tasks | length}}"
    ordered = run_for_real({"a": memory("set", "k", 1), "b": info(look, after=["a"])})
    assert ordered.transcript("log") == ['info: {"k": 1} 1 ["a"] 1']
    unordered = run_for_real({"a": memory("set", "k", 1), "b": info("{{memory}}")})
    assert unordered.error is not None
    assert unordered.error.type == "MemoryConflict"


def test_memory_that_a_tool_reads_in_vain() -> None:
    """The tool's own error is the task's, and `keys` tells what there is."""
    result = run_for_real({"a": memory("set", "k", 1), "b": memory("get", "q", after=["a"])})
    fault = result.ends["b"].fault
    assert fault is not None
    assert fault.message.startswith("memory has no 'q'; known are 'k'")


def test_additions_commute() -> None:
    """Any number of tasks may add to one key at once."""
    result = run_for_real({f"t{n}": memory("add", "k", n) for n in range(5)})
    assert (result.status, result.memory) == ("success", {"k": 10})


def test_a_fallback_and_a_later_task_have_an_order() -> None:
    """What comes after a task may use what its fallback wrote."""
    result = run_for_real(
        {
            "bad": memory("get", "none", on_failure={"fallback": "other"}),
            "other": memory("set", "k", 1),
            "next": info("{{memory.k}}", after=["bad"]),
        }
    )
    assert states(result)["next"] == "success"


def test_what_a_call_records_stands_with_its_end() -> None:
    """Logs, usage and events of a call enter the log together, in the call's own order."""
    registry = make_registry()

    @tool("app.busy", effects="pure")
    def busy(context: ToolContext) -> str:
        context.log.info("one")
        context.usage.add(cost="0.25", tokens=3)
        context.emit("done", {"n": (1, 2)})
        context.log.debug(f"{context.path} {context.attempt} {context.deadline}")
        context.resources["seen"] = [*context.resources.get("seen", []), context.metadata["m"]]
        return f"{context.variables['v']} {context.resources['seen']} {context.cancelled}"

    registry.add(busy)
    plan = plan_of(
        {"a": {"timeout": 5, "metadata": {"m": 1}}, "b": {"metadata": {"m": 2}, "after": ["a"]}},
        variables={"v": "x"},
    )
    for node in plan.scope.nodes:
        node.tool = registry.get("app.busy")
    result = RunResult(execute(plan, InlineRunner(), VirtualClock(), RunSettings()))
    names = [type(event).__name__ for event in result.log if event.path == "a"]
    assert names == [
        "TaskStarted",
        "ToolCalled",
        "Logged",
        "UsageAdded",
        "EventEmitted",
        "Logged",
        "TaskEnded",
    ]
    assert result.ends["a"].value == "x [1] False"
    assert result.ends["b"].value == "x [1, 2] False"
    assert [event.data for event in result.emitted] == [{"n": [1, 2]}, {"n": [1, 2]}]
    assert str(result.usage(REGISTRY).cost) == "0.50"


def test_a_coroutine_tool_and_one_that_raises() -> None:
    """Both are calls like any other."""
    registry = make_registry()

    @tool("app.later", effects="pure")
    async def later(text: str) -> tuple[str, str]:
        return text, text

    @tool("app.broken", effects="pure")
    def broken(text: str) -> None:
        raise LookupError(text)

    plan = plan_of({"a": {"args": ["x"]}, "b": {"args": ["x"]}})
    for node, function in zip(plan.scope.nodes, (later, broken), strict=True):
        node.tool = registry.add(function)
    result = RunResult(execute(plan, InlineRunner(), VirtualClock(), RunSettings()))
    assert result.ends["a"].value == ["x", "x"]
    assert result.ends["b"].fault == Fault("LookupError", "x", "b")


def test_a_value_that_is_not_plain_fails_its_task() -> None:
    """The fault names the type."""
    plan = plan_of({"a": {}})
    registry = make_registry()

    @tool("app.odd", effects="pure")
    def odd() -> object:
        return object()

    plan.scope.nodes[0].tool = registry.add(odd)
    result = RunResult(execute(plan, InlineRunner(), VirtualClock(), RunSettings()))
    assert result.error is not None
    assert (result.error.type, "builtins.object" in result.error.message) == ("NotPlain", True)


def test_a_run_on_the_real_clock_passes_real_time() -> None:
    """The same engine, another clock: delays are slept."""
    plan = plan_of({"a": {"retry": {"max_retries": 1, "delay": "20ms"}}})
    clock = SystemClock()
    result = RunResult(execute(plan, Script({"a": [failing(), Answer(1)]}), clock, RunSettings()))
    assert result.calls[1].at - result.calls[0].at >= 0.02


# --- size ----------------------------------------------------------------------------------------

SIZE = 100_000
FIRST = {"run_if": "variables.go"}


def chain(size: int = SIZE) -> dict[str, object]:
    """Each task depends on the one before."""
    behind = {f"t{n}": {"dependencies": [f"t{n - 1}"]} for n in range(1, size)}
    return {"t0": FIRST, **behind}


def fan() -> dict[str, object]:
    """All but one depend on the first, the last on all of them."""
    names = [f"t{n}" for n in range(1, SIZE - 1)]
    middle = {name: {"dependencies": ["t0"]} for name in names}
    return {"t0": FIRST, **middle, "join": {"dependencies": names}}


def layers() -> dict[str, object]:
    """Layers of nine, each task behind three of the layer before."""
    tasks: dict[str, object] = {"t0": FIRST}
    tasks.update((f"t{n}", {"dependencies": ["t0"]}) for n in range(1, 10))
    for n in range(10, SIZE):
        start = n - (n - 1) % 9 - 9
        tasks[f"t{n}"] = {"dependencies": [f"t{start + (n + step) % 9}" for step in (0, 3, 7)]}
    return tasks


@pytest.fixture
def _uncollected() -> Iterator[None]:
    """The collector would walk everything again and again, which is not what is tested."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_uncollected")
@pytest.mark.parametrize("shape", [chain, fan, layers])
def test_a_hundred_thousand_tasks(shape: Callable[[], dict[str, object]]) -> None:
    """Neither a run nor a cascade of skips recurses or goes quadratic."""
    plan = plan_of(shape(), variables={"go": True})
    assert Counter(states(run_plan(plan)).values()) == {"success": SIZE}
    skipped = run_plan(plan, variables={"go": False})
    assert Counter(states(skipped).values()) == {"skipped": SIZE}


def test_a_failure_and_a_cancel_before_ten_thousand_tasks() -> None:
    """These cascades do not recurse either."""
    plan = plan_of(chain(10_000), variables={"go": True})
    failed = run_plan(plan, {"t0": failing()})
    assert Counter(states(failed).values()) == {"failed": 1, "upstream_failed": 9_999}
    cancelled = run_plan(plan, {"t0": Answer(after=2.0)}, cancel_at=1.0)
    assert Counter(states(cancelled).values()) == {"cancelled": 10_000}
