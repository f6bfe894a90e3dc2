"""The operators: one generator for each, over the contract of `frame`.

A generator is plain sequential code; between two effects any amount of (virtual) time may pass
and other tasks may run. What it evaluates it evaluates at that moment.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_highway.clock import seconds_until, shown_duration
from pytest_highway.equality import shown
from pytest_highway.errors import HighwayError, did_you_mean, listed
from pytest_highway.events import (
    AttemptEnded,
    BranchesSelected,
    Fault,
    ItemsListed,
    WaitEnded,
    WaitOpened,
)
from pytest_highway.expression import Expression, ExpressionError, MissingValue, truth
from pytest_highway.frame import (
    Answer,
    Attempt,
    AwaitEvent,
    CancelOpen,
    Choose,
    Effect,
    Enter,
    ExecutionFrame,
    IterationEnd,
    Join,
    Outcome,
    Pause,
    Record,
    RunServices,
    ScopeRun,
    Select,
    Sent,
    Sleep,
    Steps,
    TakeLock,
    TimedOut,
    Unretryable,
    fault_of,
)
from pytest_highway.limits import OutputInvalid, PreconditionFailed, UsageLimitExceeded
from pytest_highway.models import Foreach, Retry, Task, While
from pytest_highway.plan import Node, WaitSpec
from pytest_highway.state import MemoryConflict
from pytest_highway.values import as_text, copy_data

__all__ = ["EVALUATION_FAULTS", "first_fault", "steps_of", "told"]

# What `loop` holds in every loop; other names in it are those that `as` gave.
LOOP_FIELDS = frozenset({"index", "first", "last", "length"})

# What rendering an argument or evaluating a condition may raise.
EVALUATION_FAULTS = (ExpressionError, MemoryConflict)


def run_task(frame: ExecutionFrame) -> Steps:
    """Call the tool, again after failures as `retry` says; a cached result stands for a call."""
    node, services = frame.node, frame.services
    try:
        cached = _cached(frame)
    except EVALUATION_FAULTS as error:
        return _unevaluated(frame, error)
    if cached is not None and cached.hit:
        return Outcome("success", cached.value, note=f"cached as {cached.key!r}")
    feedback: str | None = None
    while True:
        frame.attempts += 1
        try:
            answer = yield from _try_once(frame, feedback)
        except EVALUATION_FAULTS as error:
            frame.attempts -= 1
            return _unevaluated(frame, error)
        failure = answer.error
        if failure is None:
            if cached is not None:
                cached.put(services, answer.value)
            return Outcome("success", answer.value, attempts=frame.attempts)
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
    assert node.args is not None
    assert node.kwargs is not None
    args, kwargs = node.args.render(roots), node.kwargs.render(roots)
    answer = yield Attempt(frame.attempts, args, kwargs, feedback)  # type: ignore[arg-type]  # lists and mappings render to themselves
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


def _refused(
    frame: ExecutionFrame, error: Exception, *, called: bool
) -> Generator[Effect, Sent, Answer]:
    """An attempt that failed before its call, or after the tool had answered."""
    fault = fault_of(error, frame.path)
    yield Record(AttemptEnded, (frame.attempts, fault, False, called))
    return Answer(error=error)


def is_retried(retry: Retry, attempts: int, error: Exception) -> bool:
    """Whether a further attempt follows this failure."""
    if attempts > retry.max_retries or isinstance(error, (Unretryable, UsageLimitExceeded)):
        return False
    names = {kind.__name__ for kind in type(error).__mro__}
    return retry.retry_on is None or not names.isdisjoint(retry.retry_on)


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
    model, template = frame.node.model, frame.node.cache_key
    if template is None or not isinstance(model, Task) or model.cache is None:
        return None
    key = as_text(template.render(frame.roots))
    ttl = math.inf if model.cache.ttl is None else model.cache.ttl
    until, value = frame.services.cache.get(key, (-1.0, None))
    return Cached(key, ttl, until > frame.services.now(), copy_data(value))


def steps_of(node: Node) -> Callable[[ExecutionFrame], Steps]:
    """The generator function of a node; a composite with a lock takes it first."""
    steps = OPERATORS[node.kind]
    return steps if node.lock is None or node.kind == "task" else _locked(steps)


def _locked(steps: Callable[[ExecutionFrame], Steps]) -> Callable[[ExecutionFrame], Steps]:
    def run(frame: ExecutionFrame) -> Steps:
        lock = frame.node.lock
        assert lock is not None
        answer = yield TakeLock(lock.name, lock.wait)
        assert isinstance(answer, Answer)
        if answer.error is not None:
            return Outcome("failed", fault=fault_of(answer.error, frame.path))
        return (yield from steps(frame))

    return run


def _unevaluated(frame: ExecutionFrame, error: HighwayError) -> Outcome:
    fault = Fault(type(error).__name__, told(frame.run, error), frame.path)
    return Outcome("failed", fault=fault, attempts=frame.attempts)


def told(run: ScopeRun, error: HighwayError) -> str:
    """The message of an evaluation fault; a missing result also says what became of its writer.

    It names nothing that stands beside what is missing: which results exist at a moment is decided
    by the schedule, and the same outcome has the same message under every schedule.
    """
    if not isinstance(error, MissingValue) or not is_growing(error.reference):
        return error.message if isinstance(error, ExpressionError) else str(error)
    root, name = error.reference
    message = f"{root} has no {name!r}"
    for node in run.scope.nodes:
        end = run.ends[node.index]
        if root == "results" and node.result_key == name and end is not None:
            why = f" ({end.reason})" if end.reason else ""
            message += f"; {node.id!r}, which writes it, ended {end.status}{why}"
    return message


def is_growing(reference: Sequence[str | int]) -> bool:
    """Whether a path leads straight into a root that fills while the run goes on."""
    return len(reference) == 2 and reference[0] in ("results", "memory", "tasks", "prev")


def run_condition(frame: ExecutionFrame) -> Steps:
    """Evaluate once and choose a side; one that cannot be evaluated fails and chooses nothing."""
    expression = frame.node.condition
    assert expression is not None
    try:
        resolved, value = expression.resolve(frame.run.roots)
        holds = truth(value)
    except EVALUATION_FAULTS as error:
        return _unevaluated(frame, error)
    yield Choose(resolved, holds)
    return Outcome("success", holds)


def run_parallel(frame: ExecutionFrame) -> Steps:
    """Start the members of the selected branches; its value is `{branch: {result_key: value}}`."""
    node, run = frame.node, frame.run
    try:
        selected = _selected(frame)
    except EVALUATION_FAULTS as error:
        return _unevaluated(frame, error)
    yield Record(BranchesSelected, (selected, list(node.branches)))
    yield Select(selected)
    fault = first_fault(run, node.members)
    if fault is not None:
        return Outcome("failed", fault=fault)
    value = {
        branch: {
            key: run.own_results[key]
            for each in _within(run, node.branches[branch])
            if (key := run.scope.nodes[each].result_key) in run.own_results
        }
        for branch in selected
    }
    return Outcome("success", value)


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
        if name not in node.branches:
            near = did_you_mean(str(name), node.branches)
            known = listed(list(node.branches))
            raise ExpressionError(f"unknown branch {name!r}; there are {known}{near}")
    return [each for each in node.branches if each in names]


def _within(run: ScopeRun, members: Iterable[int]) -> Iterator[int]:
    """Members and, for parallels among them, theirs."""
    for each in members:
        yield each
        yield from _within(run, run.scope.nodes[each].members)


def run_foreach(frame: ExecutionFrame) -> Steps:
    """Run the body once for each item, at most `max_concurrency` at a time."""
    model = frame.node.model
    assert isinstance(model, Foreach)
    try:
        items, parts = _items(frame, model)
    except EVALUATION_FAULTS as error:
        return _unevaluated(frame, error)
    yield Record(ItemsListed, (len(items),))
    results: list[object] = [None] * len(items)
    failures: dict[int, Fault | None] = {}
    begun = ended = 0
    while True:
        while not failures and begun < len(items) and begun - ended < model.max_concurrency:
            roots = _loop_roots(frame, begun, items, model.alias)
            yield Enter(begun, parts[begun], roots, shares_results=False)
            begun += 1
        if begun == ended:
            break
        end = yield Join()
        assert isinstance(end, IterationEnd)
        ended += 1
        results[end.number] = _collected(end, model)
        if end.status != "success" and model.on_item_failure == "fail_fast":
            if not failures:
                yield CancelOpen(f"{frame.path}{parts[end.number]} failed")
            failures[end.number] = end.fault
    if failures:
        fault = next((each for _, each in sorted(failures.items()) if each is not None), None)
        return Outcome("failed", fault=fault)
    return Outcome("success", results)


def _items(frame: ExecutionFrame, model: Foreach) -> tuple[list[object], list[str]]:
    """The items, and what each adds to the path: `[0]`, or `[key]`."""
    node = frame.node
    assert node.items is not None
    items = node.items.render(frame.run.roots)
    if not isinstance(items, list):
        raise ExpressionError(f"items is {shown(items)}; it must be a list")
    if node.key is None:
        return items, [f"[{number}]" for number in range(len(items))]
    parts: dict[str, int] = {}
    for number in range(len(items)):
        roots = {**frame.run.roots, **_loop_roots(frame, number, items, model.alias)}
        key = f"[{as_text(node.key.evaluate(roots))}]"
        if key in parts:
            raise ExpressionError(f"items {parts[key]} and {number} have one key, {key[1:-1]!r}")
        parts[key] = number
    return items, list(parts)


def _loop_roots(
    frame: ExecutionFrame, number: int, items: list[object], alias: str | None
) -> dict[str, object]:
    """`item` and `loop` of one iteration; the names that outer loops gave theirs are kept."""
    loop = _outer_names(frame)
    if alias is not None:
        loop[alias] = items[number]
    loop.update(index=number, first=number == 0, last=number == len(items) - 1, length=len(items))
    return {"item": items[number], "loop": loop}


def _outer_names(frame: ExecutionFrame) -> dict[str, object]:
    outer = frame.run.roots.get("loop")
    if not isinstance(outer, dict):
        return {}
    return {name: value for name, value in outer.items() if name not in LOOP_FIELDS}


def _collected(end: IterationEnd, model: Foreach) -> object:
    if end.status != "success":
        fault = end.fault or Fault("Cancelled", "the iteration was cancelled", "")
        return {"error": fault._asdict()}
    if model.collect is not None:
        return end.results.get(model.collect)
    return dict(end.results)


def run_while(frame: ExecutionFrame) -> Steps:
    """Run the body as long as the condition holds before an iteration."""
    node, model = frame.node, frame.node.model
    assert isinstance(model, While)
    assert node.condition is not None
    number = 0
    while True:
        loop = {**_outer_names(frame), "index": number + 1, "first": number == 0}
        try:
            holds = truth(node.condition.evaluate({**frame.run.roots, "loop": loop}))
        except EVALUATION_FAULTS as error:
            return _unevaluated(frame, error)
        if not holds:
            return Outcome("success", {"iterations": number})
        if number == model.max_iterations:
            text = f"the condition still holds after {number} iterations (max_iterations)"
            return Outcome("failed", fault=Fault("MaxIterations", text, frame.path))
        number += 1
        yield Enter(number, f"#{number}", {"loop": loop}, shares_results=True)
        end = yield Join()
        assert isinstance(end, IterationEnd)
        if end.status != "success":
            return Outcome("failed", fault=end.fault)


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
        return _unevaluated(frame, error)
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
    yield Record(WaitOpened, (f"until {' '.join(until.source.split())}",))
    waited = 0.0
    # What it reads may be written by a task beside it: that is what it waits for.
    while not truth(until.evaluate(frame.unordered_roots())):
        if spec.timeout is not None and waited >= spec.timeout:
            text = f"the condition does not hold after {shown_duration(waited)}"
            return Outcome("timed_out", fault=Fault("TimeoutError", text, frame.path))
        pause = spec.every
        if spec.timeout is not None:
            pause = min(pause, spec.timeout - waited)
        yield Sleep(pause)
        waited = round(waited + pause, 6)
    yield Record(WaitEnded, (-1,))
    return Outcome("success")


# --- judging what ran ----------------------------------------------------------------------------


def first_fault(run: ScopeRun, nodes: Iterable[int]) -> Fault | None:
    """The first critical failure among these nodes, in plan order, by the innermost task."""
    among = set(nodes)
    every = run.scope.nodes
    # `finally` tasks last: a failure while cleaning up never hides an earlier one.
    for index in sorted(run.scope.order, key=lambda each: every[each].is_finally):
        if index not in among or index in run.replaced:
            continue
        node, end = every[index], run.ends[index]
        if end is None or not node.critical or _is_forgiven(run, node):
            continue
        if end.status in ("failed", "timed_out"):
            return end.fault or Fault("Failed", end.reason, end.path)
        if end.status == "upstream_failed":
            return Fault("UpstreamFailed", end.reason, end.path)
    return None


def _is_forgiven(run: ScopeRun, node: Node) -> bool:
    """A fallback's own failure counts only where its task's would."""
    return node.fallback_for is not None and not run.scope.nodes[node.fallback_for].critical


OPERATORS: dict[str, Callable[[ExecutionFrame], Steps]] = {
    "task": run_task,
    "condition": run_condition,
    "parallel": run_parallel,
    "foreach": run_foreach,
    "while": run_while,
    "wait": run_wait,
}
