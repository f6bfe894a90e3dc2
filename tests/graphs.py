"""Random graphs for the tests of the engine: drawn, declared, run, and their logs checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from engine_host import failing, plan_of
from hypothesis import strategies as st
from oracle import BAD_GATE, Oracle, Spec

from pytest_highway.engine.frame import Answer
from pytest_highway.events import (
    AttemptEnded,
    ConditionEvaluated,
    RetryScheduled,
    RunEnded,
    RunStarted,
    StoodIn,
    TaskEnded,
    ToolCalled,
)
from pytest_highway.planning.plan import Plan
from pytest_highway.reading.policies import TRIGGER_RULES
from pytest_highway.views import RunResult

AIRFLOW_RULES = tuple(rule for rule in TRIGGER_RULES if rule != "all_live")

ROLES = ("task", "task", "task", "condition", "condition", "fallback", "finally")
GATES = {None: {}, True: "true", False: "false", BAD_GATE: "variables.word < 1"}


@st.composite
def graphs(draw: st.DrawFn) -> list[Spec]:
    """Up to eight tasks, listed in an order in which they could run.

    A fallback stands right behind its task, conditions choose among later tasks, and nothing that
    is not `finally` depends on what comes after all other tasks.
    """
    roles = [draw(st.sampled_from(ROLES)) for _ in range(draw(st.integers(1, 8)))]
    for number, role in enumerate(roles):
        if role == "fallback" and (not number or roles[number - 1] in ("fallback", "finally")):
            roles[number] = "task"
    names = [f"t{number}" for number in range(len(roles))]
    late: set[str] = set()
    specs: list[Spec] = []
    for number, (name, role) in enumerate(zip(names, roles, strict=True)):
        targets = [
            names[each]
            for each in range(number + 1, len(roles))
            if roles[each] in ("task", "condition")
        ]
        reach = number - 1 if role == "fallback" else number
        earlier = [
            names[each]
            for each in range(reach)
            if roles[each] != "fallback" and (role == "finally" or names[each] not in late)
        ]
        served = number + 1 < len(roles) and roles[number + 1] == "fallback"
        spec = _spec(draw, name, role, earlier, targets, names[number + 1] if served else None)
        if spec.is_finally and (not spec.deps or late & {*spec.deps, *spec.after}):
            late.add(name)
        specs.append(spec)
    return specs


def _spec(
    draw: st.DrawFn,
    name: str,
    role: str,
    earlier: Sequence[str],
    targets: Sequence[str],
    fallback: str | None,
) -> Spec:
    some = st.lists(st.sampled_from(earlier), max_size=3, unique=True) if earlier else st.just([])
    deps = tuple(draw(some))
    after = tuple(draw(st.one_of(st.just([]), st.just([]), some)))
    if role == "finally" and not deps:
        after = ()
    sides: tuple[str | None, str | None] = (None, None)
    kind, outcomes = "task", ("success", "success", "success", "failed", "timed_out")
    if role == "condition" and targets:
        kind, outcomes = "condition", ("true", "true", "false", "false", "failed")
        first = draw(st.sampled_from(targets))
        sides = draw(st.sampled_from([(first, None), (None, first)]))
        other = draw(st.one_of(st.none(), st.sampled_from(targets)))
        sides = (sides[0] or other, sides[1] or other)
    rule, policy = "all_live", "skip_dependents"
    if draw(st.integers(0, 3)) == 3:
        rule = draw(st.sampled_from(AIRFLOW_RULES))
    if fallback is None and draw(st.integers(0, 2)) == 2:
        policy = "continue"
    gate = st.sampled_from([None] * 10 + [True, False, True, False, BAD_GATE])
    return Spec(
        id=name,
        kind=kind,
        outcome=draw(st.sampled_from(outcomes)),
        deps=deps,
        after=tuple(each for each in after if each not in deps),
        rule=rule,
        if_true=sides[0],
        if_false=sides[1],
        skip_if=draw(gate),
        run_if=draw(gate),
        policy=policy,
        fallback=fallback,
        critical=draw(st.sampled_from([True, True, False])),
        is_finally=role == "finally",
    )


def task_of(spec: Spec) -> dict[str, object]:
    """A task as a workflow would declare it."""
    task: dict[str, object] = {"trigger_rule": spec.rule, "critical": spec.critical}
    for word in ("if_true", "if_false"):
        if getattr(spec, word):
            task[word] = getattr(spec, word)
    for word in ("skip_if", "run_if"):
        if getattr(spec, word) is not None:
            task[word] = GATES[getattr(spec, word)]
    task["on_failure"] = {"fallback": spec.fallback} if spec.fallback else spec.policy
    if spec.deps:
        task["dependencies"] = list(spec.deps)
    if spec.after:
        task["after"] = list(spec.after)
    if spec.is_finally:
        task["finally"] = True
    if spec.kind == "condition":
        gate = {"true": True, "false": False, "failed": BAD_GATE}[spec.outcome]
        return {**task, "operator_type": "condition", "condition": GATES[gate]}
    return {**task, "timeout": 50, "retry": {"max_retries": 1, "delay": 1}}


def plan_for(specs: Sequence[Spec], **top: object) -> Plan:
    """The plan of a graph, its tasks declared in the order of `specs`."""
    return plan_of({spec.id: task_of(spec) for spec in specs}, variables={"word": "a"}, **top)


def answers_for(specs: Sequence[Spec], latencies: Sequence[float]) -> dict[str, Answer]:
    """What each task's call answers: its id, a failure, or nothing before its timeout."""
    return {
        spec.id: {
            "success": Answer(spec.id, after=latency),
            "failed": failing(after=latency),
            "timed_out": Answer(after=51.0),
        }[spec.outcome]
        for spec, latency in zip(specs, latencies, strict=True)
        if spec.kind == "task"
    }


def check_log(specs: Sequence[Spec], result: RunResult, width: int) -> None:
    """Whatever the graph, the log of a run keeps these promises."""
    log = result.log
    assert type(log[0]) is RunStarted
    assert type(log[-1]) is RunEnded
    moments = [event.at for event in log]
    assert moments == sorted(moments)
    ends = Counter(event.path for event in log if type(event) is TaskEnded)
    assert ends == Counter(spec.id for spec in specs)
    place = {event.path: number for number, event in enumerate(log) if type(event) is TaskEnded}
    for number, event in enumerate(log[:-1]):
        if event.path and type(event) not in (TaskEnded, StoodIn):
            assert number < place[event.path]
        if type(event) is StoodIn:
            assert number > max(place[event.path], place[event.task])
    assert set(result.starts) >= {event.path for event in log if type(event) is ToolCalled}
    oracle = Oracle(specs)
    for spec in specs:
        if spec.id in result.starts:
            waited = [*oracle.upstreams(spec), *spec.deps, *spec.after]
            assert all(place[each] < result.starts[spec.id] for each in waited)
            assert all(
                place[oracle.by_id[each].fallback] < result.starts[spec.id]
                for each in waited
                if oracle.by_id[each].fallback
            )
    chosen = Counter(event.path for event in log if type(event) is ConditionEvaluated)
    evaluated = [
        spec.id
        for spec in specs
        if spec.kind == "condition" and result.ends[spec.id].status == "success"
    ]
    assert chosen == Counter(evaluated)
    check_attempts(specs, result)
    check_width(result, width)


def check_attempts(specs: Sequence[Spec], result: RunResult) -> None:
    """One retry, a second after the failure, and no attempt after the last."""
    for spec in specs:
        own = [event for event in result.log if event.path == spec.id]
        calls = [event for event in own if type(event) is ToolCalled]
        failures = [event for event in own if type(event) is AttemptEnded]
        retries = [event for event in own if type(event) is RetryScheduled]
        assert [call.attempt for call in calls] == list(range(1, len(calls) + 1))
        assert len(calls) == result.ends[spec.id].attempts <= 2
        assert len(retries) == max(0, len(calls) - 1)
        for failure, call in zip(failures, calls[1:], strict=False):
            assert call.at >= failure.at + 1


def check_width(result: RunResult, width: int) -> None:
    """Never more calls in flight than `max_concurrency` allows."""
    in_flight: set[str] = set()
    for event in result.log:
        if type(event) is ToolCalled:
            in_flight.add(event.path)
        elif type(event) in (AttemptEnded, TaskEnded):
            in_flight.discard(event.path)
        assert len(in_flight) <= width
