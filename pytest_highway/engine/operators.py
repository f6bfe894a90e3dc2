"""The operators: one generator for each, over the contract of `effects`.

A generator is plain sequential code; between two effects any amount of (virtual) time may pass
and other tasks may run. What it evaluates it evaluates at that moment. Those that enter a scope
stand in `loops`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pytest_highway.clock import seconds_until, shown_duration
from pytest_highway.engine.effects import (
    Answer,
    Attempt,
    AwaitEvent,
    Choose,
    Effect,
    Expire,
    Outcome,
    Pause,
    Record,
    Repeat,
    Select,
    Sent,
    Sleep,
    Steps,
    TakeLock,
    TimedOut,
    Unretryable,
    fault_of,
)
from pytest_highway.engine.frame import ExecutionFrame, RunServices, ScopeRun
from pytest_highway.engine.judging import EVALUATION_FAULTS, fault_in
from pytest_highway.engine.limits import OutputInvalid, PreconditionFailed, UsageLimitExceeded
from pytest_highway.engine.loops import run_foreach, run_while, run_workflow, unevaluated
from pytest_highway.engine.resuming import Recorded
from pytest_highway.errors import did_you_mean, listed
from pytest_highway.events import (
    AttemptEnded,
    BranchesSelected,
    Fault,
    WaitEnded,
    WaitOpened,
    new_tuple,
)
from pytest_highway.expressions.expression import Expression, ExpressionError, truth
from pytest_highway.expressions.template import Value
from pytest_highway.expressions.values import as_text, copy_data
from pytest_highway.matching.equality import shown
from pytest_highway.planning.plan import Node, WaitSpec
from pytest_highway.reading.models import Task
from pytest_highway.reading.policies import Lock, Retry
from pytest_highway.runners.raised import PassedThrough

__all__ = ["repeating", "steps_of"]

# The environment of a task that declares none.
NO_ENV: Mapping[str, str] = {}


def run_task(frame: ExecutionFrame) -> Steps:
    """Call the tool, again after failures as `retry` says; a cached result stands for a call."""
    node, services = frame.node, frame.services
    try:
        cached = _cached(frame)
    except EVALUATION_FAULTS as error:
        return unevaluated(frame, error)
    if cached is not None and cached.hit:
        return Outcome("success", cached.value, note=f"cached as {cached.key!r}")
    checked = node.lock is not None or node.require or node.schema is not None or node.validate
    feedback: str | None = None
    while True:
        frame.attempts += 1
        try:
            # Most tasks do no more than call, and so enter no generator of their own for it.
            if checked:
                answer = yield from _try_once(frame, feedback)
            else:
                answer = cast("Answer", (yield _attempt(frame, feedback)))
        except EVALUATION_FAULTS as error:
            frame.attempts -= 1
            return unevaluated(frame, error)
        failure = answer.error
        if failure is None:
            if cached is not None:
                cached.put(services, answer.value)
            return new_tuple(Outcome, ("success", answer.value, None, "", frame.attempts, ""))
        retried = node.retry is not None and is_retried(node.retry, frame.attempts, failure)
        if node.retry is None or not retried or services.breached:
            return _failure(frame, failure)
        feedback = str(failure)
        yield Pause(frame.attempts + 1, node.retry.pause(frame.attempts))


def _try_once(frame: ExecutionFrame, feedback: str | None) -> Generator[Effect, Sent, Answer]:
    """One attempt: lock, `require`, the call, the schema, `validate`."""
    node, roots = frame.node, frame.roots
    if node.lock is not None and not frame.locks:
        answer = yield TakeLock(node.lock.name, node.lock.wait)
        assert isinstance(answer, Answer)
        if answer.error is not None:
            return (yield from _refused(frame, answer.error, called=False))
    try:
        for check in node.require:
            check.require(roots)
    except PreconditionFailed as error:
        return (yield from _refused(frame, error, called=False))
    answer = yield _attempt(frame, feedback)
    assert isinstance(answer, Answer)
    if answer.error is not None:
        return answer
    try:
        value = answer.value if node.schema is None else node.schema(answer.value)
        for check in node.validate:
            check.validate(value, roots)
    except OutputInvalid as error:
        return (yield from _refused(frame, error, called=True))
    return Answer(value)


def _attempt(frame: ExecutionFrame, feedback: str | None) -> Attempt:
    """The call, with its arguments as they are now."""
    node, roots = frame.node, frame.run.roots
    assert node.args is not None
    assert node.kwargs is not None
    args = node.args.render(roots)
    kwargs = node.kwargs.render(roots) if cast("Task", node.model).kwargs else {}
    env = NO_ENV if node.env is None else _own_env(frame, node.env)
    return new_tuple(Attempt, (frame.attempts, args, kwargs, env, feedback))


def _own_env(frame: ExecutionFrame, template: Value) -> dict[str, str]:
    values = cast("dict[str, object]", template.render(frame.run.roots))
    # A value that is null is no value: the variable is not set.
    env = {name: as_text(value) for name, value in values.items() if value is not None}
    if frame.services.secrets is not None:
        frame.services.secrets.note_env(env)
    return env


def _refused(
    frame: ExecutionFrame, error: Exception, *, called: bool
) -> Generator[Effect, Sent, Answer]:
    """An attempt that failed before its call, or after the tool had answered."""
    fault = fault_of(error, frame.path)
    yield Record(AttemptEnded, (frame.attempts, fault, False, called, ""))
    return Answer(error=error)


UNRETRIED = (Unretryable, UsageLimitExceeded, PassedThrough)


def is_retried(retry: Retry, attempts: int, error: Exception) -> bool:
    """Whether a further attempt follows this failure."""
    if attempts > retry.max_retries or isinstance(error, UNRETRIED):
        return False
    if retry.retry_on is None:
        return True
    kinds = type(error).__mro__
    names = {each.__name__ for each in kinds}
    names |= {f"{each.__module__}:{each.__qualname__}" for each in kinds}
    return not names.isdisjoint(retry.retry_on)


def _failure(frame: ExecutionFrame, error: Exception) -> Outcome:
    status = "timed_out" if isinstance(error, TimedOut) else "failed"
    fault = fault_of(error, frame.path)
    if isinstance(error, OutputInvalid):
        said = f"Validation failed after max retries ({frame.attempts} attempts): {error}"
        fault = fault._replace(message=said)
    elif isinstance(error, PreconditionFailed):
        said = f"Plugin execution failed after max retries: {error}"
        fault = fault._replace(message=said)
    return Outcome(status, fault=fault, attempts=frame.attempts)


@dataclass(frozen=True, slots=True)
class Cached:
    """What the cache has for a task, and where its own result will go."""

    key: str
    ttl: float
    hit: bool
    value: object

    def put(self, services: RunServices, value: object) -> None:
        """Keep a result, unless another task has kept one meanwhile."""
        now = services.now()
        if self.key not in services.cache or services.cache[self.key][0] <= now:
            services.cache[self.key] = (now + self.ttl, copy_data(value))


def _cached(frame: ExecutionFrame) -> Cached | None:
    template = frame.node.cache_key
    if template is None:
        return None
    cache = cast("Task", frame.node.model).cache
    key = as_text(template.render(frame.roots))
    ttl = math.inf if cache is None or cache.ttl is None else cache.ttl
    until, value = frame.services.cache.get(key, (-1.0, None))
    return Cached(key, ttl, until > frame.services.now(), copy_data(value))


def steps_of(node: Node) -> Callable[[ExecutionFrame], Steps]:
    """The generator function of a node; one that is no task takes its lock and its time first."""
    steps = OPERATORS[node.kind]
    if node.kind == "task" or (node.timeout is None and not locks_of(node)):
        return steps
    return _guarded(steps)


def repeating(recorded: Recorded) -> Callable[[ExecutionFrame], Steps]:
    """The generator function of a task whose end an earlier run has recorded."""

    def run(frame: ExecutionFrame) -> Steps:
        cached = _cached(frame)
        yield Repeat(recorded.events, recorded.kept)
        end = recorded.end
        frame.attempts = end.attempts
        if cached is not None and end.status == "success":
            cached.put(frame.services, end.value)
        return Outcome(end.status, end.value, end.fault, end.reason, end.attempts, end.note)

    return run


def locks_of(node: Node) -> list[Lock]:
    """The locks that a node holds while it runs: its own, and that of the file it runs."""
    found = (node.lock, None if node.nested is None else node.nested.workflow.lock)
    return [lock for lock in found if lock is not None]


def _guarded(steps: Callable[[ExecutionFrame], Steps]) -> Callable[[ExecutionFrame], Steps]:
    def run(frame: ExecutionFrame) -> Steps:
        for lock in locks_of(frame.node):
            answer = cast("Answer", (yield TakeLock(lock.name, lock.wait)))
            if answer.error is not None:
                return Outcome("failed", fault=fault_of(answer.error, frame.path))
        if frame.node.timeout is not None:
            # Only now: the time at a lock does not count.
            yield Expire(frame.node.timeout)
        return (yield from steps(frame))

    return run


def run_condition(frame: ExecutionFrame) -> Steps:
    """Evaluate once and choose a side; one that cannot be evaluated fails and chooses nothing."""
    expression = frame.node.condition
    assert expression is not None
    try:
        resolved, value = expression.resolve(frame.run.roots)
        holds = truth(value)
    except EVALUATION_FAULTS as error:
        return unevaluated(frame, error)
    yield Choose(resolved, holds)
    return Outcome("success", holds)


def run_parallel(frame: ExecutionFrame) -> Steps:
    """Start the members of the selected branches; its value is `{branch: {result_key: value}}`."""
    node, run = frame.node, frame.run
    try:
        selected = _selected(frame)
    except EVALUATION_FAULTS as error:
        return unevaluated(frame, error)
    yield Record(BranchesSelected, (selected, list(node.branches)))
    yield Select(selected)
    fault = fault_in(run, node.members)
    if fault is not None:
        return Outcome("failed", fault=fault)
    value = {branch: dict(_results(run, node.branches[branch])) for branch in selected}
    return Outcome("success", value)


NEVER_STARTED = frozenset({"skipped", "upstream_failed", "cancelled"})


def _results(run: ScopeRun, members: Iterable[int]) -> Iterator[tuple[str, object]]:
    """What the members of a branch have written, with those of parallels among them."""
    for each in members:
        node = run.scope.nodes[each]
        end = run.value_of(node)
        if node.result_key and end is not None:
            yield node.result_key, end.value
        ended = run.ends[each]
        # One that never started has no results but of what cleans up in it, and that outlives it.
        if ended is not None and ended.status not in NEVER_STARTED:
            yield from _results(run, node.members)


def _selected(frame: ExecutionFrame) -> list[str]:
    """The branches to run, in declared order; an unknown one is an error."""
    node = frame.node
    if node.select is None:
        return list(node.branches)
    wanted = node.select.render(frame.run.roots)
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, list):
        raise ExpressionError(f"select is {shown(wanted)}; it must be a list of branch names")
    for name in names:
        if not isinstance(name, str) or name not in node.branches:
            near = did_you_mean(str(name), node.branches)
            known = listed(list(node.branches))
            raise ExpressionError(f"unknown branch {name!r}; there are {known}{near}")
    wanted = frozenset(names)  # hashable, since all are text
    return [each for each in node.branches if each in wanted]


def run_wait(frame: ExecutionFrame) -> Steps:
    """Wait for a time, an event or a condition; the value is the event's data, or null."""
    spec = frame.node.wait
    assert spec is not None
    try:
        if spec.event is not None:
            return (yield from _wait_for_event(frame, spec))
        if spec.until is not None:
            return (yield from _wait_until(frame, spec, spec.until))
        assert spec.value is not None
        wanted = spec.value.render(frame.run.roots)
        seconds = seconds_until(wanted, frame.instant())
    except EVALUATION_FAULTS as error:
        return unevaluated(frame, error)
    except ValueError as error:
        return Outcome("failed", fault=Fault("ValueError", str(error), frame.path))
    yield Record(WaitOpened, (f"{wanted}" if isinstance(wanted, str) else shown_duration(seconds),))
    yield Sleep(seconds)
    yield Record(WaitEnded, (-1,))
    return Outcome("success")


def _wait_for_event(frame: ExecutionFrame, spec: WaitSpec) -> Steps:
    assert spec.event is not None
    name = as_text(spec.event.render(frame.run.roots))
    yield Record(WaitOpened, (f"event {name!r}",))
    answer = yield AwaitEvent(name, spec.match, spec.timeout)
    assert isinstance(answer, Answer)
    if answer.error is not None:
        status = "timed_out" if isinstance(answer.error, TimedOut) else "failed"
        return Outcome(status, fault=fault_of(answer.error, frame.path))
    return Outcome("success", answer.value)


def _wait_until(frame: ExecutionFrame, spec: WaitSpec, until: Expression) -> Steps:
    text = " ".join(until.source.split())
    yield Record(WaitOpened, (f"until {text}",))
    # Without a timeout it may wait for what never comes, which the engine finds out.
    poll = f"until {text!r}, which nothing changes" if spec.timeout is None else ""
    waited = 0.0
    # What it reads may be written by a task beside it: that is what it waits for.
    while not truth(until.evaluate(frame.unordered_roots())):
        if spec.timeout is not None and waited >= spec.timeout:
            text = f"the condition does not hold after {shown_duration(waited)}"
            return Outcome("timed_out", fault=Fault("TimeoutError", text, frame.path))
        pause = spec.every
        if spec.timeout is not None:
            pause = min(pause, spec.timeout - waited)
        yield Sleep(pause, poll)
        waited = round(waited + pause, 6)
    yield Record(WaitEnded, (-1,))
    return Outcome("success")


OPERATORS: dict[str, Callable[[ExecutionFrame], Steps]] = {
    "task": run_task,
    "condition": run_condition,
    "parallel": run_parallel,
    "foreach": run_foreach,
    "while": run_while,
    "wait": run_wait,
    "workflow": run_workflow,
}
