"""The engine: a single-threaded event machine over a plan.

    ready tasks (a heap, by their place in the plan)
      -> each is judged, gated, and its operator advanced to its first effect
    answers (a queue)      what has come in at this moment
    timers (a heap)        what comes in later: latencies, delays, events, a stop from outside

All ready tasks start before any answer of the same moment is taken, so that whether one task ended
before another began is decided by the graph, not by which function was called first. Nothing
recurses over the graph: an ended task puts its dependents on the heap.

Clock, runner and stubs are handed in; the only product is the list of events.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import cast

from pytest_highway.calls import Calls
from pytest_highway.clock import Clock, shown_duration
from pytest_highway.events import (
    ConditionEvaluated,
    Event,
    EventEmitted,
    Fault,
    LimitBreached,
    RetryScheduled,
    RunEnded,
    RunStarted,
    ScopeEntered,
    StoodIn,
    TaskEnded,
    TaskStarted,
)
from pytest_highway.executors import Runner
from pytest_highway.expression import truth
from pytest_highway.frame import (
    Answer,
    Attempt,
    AwaitEvent,
    Call,
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
    fault_of,
)
from pytest_highway.mailbox import Mailbox
from pytest_highway.models import Limits, Lock, OperatorBase
from pytest_highway.operators import EVALUATION_FAULTS, first_fault, steps_of, told
from pytest_highway.plan import Node, Plan
from pytest_highway.rules import BAD, DEAD_ENDS, Verdict, judge, outgoing, turned_away_members
from pytest_highway.sections import Sections, World
from pytest_highway.state import Actor, RunMemory

__all__ = ["Engine", "OutsideEvent", "RunSettings", "execute"]


@dataclass(frozen=True, slots=True)
class OutsideEvent:
    """An event that comes in from outside, `at` seconds after the start."""

    at: float
    name: str
    data: object = None


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What differs between two runs of one plan.

    `variables` and `env` replace declared defaults; `events` come in from outside; `locks` are
    held by the world at first, for so many seconds; `cancel_at` is the moment, in seconds, at
    which the run is stopped from outside; `world` holds locks that other processes respect.
    """

    variables: Mapping[str, object] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    events: Sequence[OutsideEvent] = ()
    locks: Mapping[str, float] = field(default_factory=dict)
    cancel_at: float | None = None
    world: World | None = None


def execute(plan: Plan, runner: Runner, clock: Clock, settings: RunSettings) -> list[Event]:
    """Run a plan to its end and return its log.

    An interrupted run is completed, its `finally` tasks included; then KeyboardInterrupt is raised
    with the log as its argument.
    """
    engine = Engine(plan, runner, clock, settings)
    log = engine.run()
    if engine.interrupted:
        raise KeyboardInterrupt(log)
    return log


class Engine:
    """One run."""

    def __init__(self, plan: Plan, runner: Runner, clock: Clock, settings: RunSettings) -> None:
        self.plan = plan
        self.clock = clock
        self.log: list[Event] = []
        self.memory = RunMemory(precedes)
        variables = {**plan.variables, **settings.variables}
        env = {**plan.workflow.env, **settings.env}
        self.services = RunServices(self.log, self.memory, variables, env, clock)
        self.root = ScopeRun(plan.scope, {"variables": variables, "env": env, "memory": self.memory})
        self.stopped = ""
        self.interrupted = False
        self.stop_fault: Fault | None = None
        self._settings = settings
        self._ready: list[tuple[tuple[int, ...], ScopeRun]] = []
        self._answers: deque[tuple[ExecutionFrame, object, Sent]] = deque()
        self._timers: list[tuple[float, float, Callable[[], None]]] = []
        self._ticks = 0
        self._calls = Calls(plan, runner, self.services, self._deliver, self._later)
        self._mailbox = Mailbox(self.services, self._answer)
        self._sections = Sections(self._answer, self._later, settings.locks, settings.world)

    # --- the loop ------------------------------------------------------------------------------

    def run(self) -> list[Event]:
        """Run to the end; returns the log, which ends with `RunEnded` whatever happened."""
        plan, settings = self.plan, self._settings
        self.log.append(RunStarted(0.0, plan.name, plan.file, plan.functions, plan.scope.outline))
        if settings.cancel_at is not None:
            self._later(settings.cancel_at, self._cancel)
        for event in settings.events:
            self._later(event.at, lambda event=event: self._come_in(event))  # type: ignore[misc]  # mypy infers no type for the default
        limits = plan.workflow.limits
        if limits is not None and limits.max_duration is not None:
            # Behind all else of its moment: reaching a limit is no breach.
            heappush(self._timers, (limits.max_duration, math.inf, self._out_of_time))
        try:
            self._take_run_lock()
            self._turn_to_the_end()
        finally:
            self._calls.close()
            self._sections.close()
        self.log.append(self._ended())
        return self.log

    def _turn_to_the_end(self) -> None:
        while self.root.left:
            try:
                self._turn()
            except KeyboardInterrupt:
                # Once stops the run and lets `finally` tasks work; twice stops those, too.
                if self.interrupted:
                    raise
                self.interrupted = True
                self._stop("cancelled", "the run was interrupted")


    def _take_run_lock(self) -> None:
        """Enter the workflow's tasks, once the run has its lock if it wants one."""
        lock = self.plan.workflow.lock
        if lock is None:
            self._enter_scope(self.root)
            return
        whole = Node(-1, "", "", "run", (), OperatorBase.model_construct())
        frame = ExecutionFrame(self.root, whole, lambda frame: self._whole_run(lock), self.services)
        self._advance(frame, None)

    def _whole_run(self, lock: Lock) -> Steps:
        answer = yield TakeLock(lock.name, lock.wait)
        assert isinstance(answer, Answer)
        if answer.error is None:
            self._enter_scope(self.root)
            yield Join()  # Holds the lock: nothing ever answers, and the run's end ends it.
        else:
            self.stop_fault = fault_of(answer.error, "")
            self.stopped = "failed"
            self.root.left = 0
        return Outcome("success")

    def _enter_scope(self, run: ScopeRun) -> None:
        for node in run.scope.roots():
            heappush(self._ready, ((*run.key, node.index), run))

    def _turn(self) -> None:
        ready = self._ready
        while ready:
            key, run = heappop(ready)
            self._begin(run, run.scope.nodes[key[-1]])
        if self._answers:
            self._resume(*self._answers.popleft())
        elif not self.root.left:
            return  # The last task ended without a call.
        elif self._calls.waits and self._calls.collect(self._until_timer()):
            return
        elif self._timers:
            at, _, fire = heappop(self._timers)
            self.clock.advance(at)
            fire()
        else:
            self._report_stuck()

    def _until_timer(self) -> float | None:
        """Seconds until the next timer is due, None without one."""
        return max(0.0, self._timers[0][0] - self.clock.now()) if self._timers else None

    def _later(self, at: float, fire: Callable[[], None]) -> None:
        self._ticks += 1
        heappush(self._timers, (at, self._ticks, fire))

    def _in(self, seconds: float, fire: Callable[[], None]) -> None:
        self._later(round(self.clock.now() + seconds, 6), fire)

    def _answer(self, frame: ExecutionFrame, token: object, answer: Sent) -> None:
        self._answers.append((frame, token, answer))

    def _deliver(
        self, seconds: float, frame: ExecutionFrame, token: object, answer: Sent
    ) -> None:
        if seconds > 0:
            self._in(seconds, lambda: self._resume(frame, token, answer))
        else:
            self._answers.append((frame, token, answer))

    # --- a task begins -------------------------------------------------------------------------

    def _begin(self, run: ScopeRun, node: Node) -> None:
        if run.ends[node.index] is not None:
            return
        verdict = judge(run, node)
        if verdict is None and (node.skip_if is not None or node.run_if is not None):
            verdict = self._gate(run, node)
        if verdict is not None:
            self._end_unstarted(run, node, verdict)
            return
        frame = ExecutionFrame(run, node, steps_of(node), self.services)
        run.frames[node.index] = frame
        self.log.append(TaskStarted(self.clock.now(), frame.path))
        self._advance(frame, None)

    def _gate(self, run: ScopeRun, node: Node) -> Verdict | None:
        """`skip_if` and `run_if`, read once the rule has let the task run."""
        self.memory.actor = run.actor(node)
        for name, expression, skips in (
            ("skip_if", node.skip_if, True),
            ("run_if", node.run_if, False),
        ):
            if expression is None:
                continue
            try:
                resolved, value = expression.resolve(run.roots)
                holds = truth(value)
            except EVALUATION_FAULTS as error:
                return Verdict("failed", f"{name}: {told(run, error)}", "failed")
            if holds is skips:
                kind, killers = ("live", ()) if skips else ("dead", (node.index,))
                return Verdict("skipped", f"{name}: {resolved}", kind, killers)
        return None

    def _end_unstarted(self, run: ScopeRun, node: Node, verdict: Verdict) -> None:
        path = run.path(node)
        fault = None
        reason = verdict.reason
        if verdict.status == "failed":
            fault, reason = Fault("ExpressionError", verdict.reason, path), ""
        end = TaskEnded(self.clock.now(), path, verdict.status, reason, fault=fault)
        self._end(run, node, end, verdict.kind, verdict.killers)

    # --- a task goes on ------------------------------------------------------------------------

    def _advance(self, frame: ExecutionFrame, sent: Sent) -> None:
        """Send an answer, and perform effects until the operator waits for one."""
        while True:
            self.memory.actor = frame.run.actor(frame.node)
            try:
                effect = frame.steps.send(sent)
            except StopIteration as stop:
                self._finish(frame, cast(Outcome, stop.value))
                return
            if EFFECTS[type(effect)](self, frame, effect):
                return
            sent = None

    def _resume(self, frame: ExecutionFrame, token: object, answer: Sent) -> None:
        if frame.pending is not token:
            return  # The task was cancelled meanwhile: a late answer is dropped.
        frame.pending = None
        if type(token) is Call:
            self._calls.ended(token, cast(Answer, answer), self._mailbox.put)
        self._advance(frame, answer)
        if type(token) is Call:
            self._calls.release(token)
        if self._calls.breach is not None and not self.stopped:
            self.stop_fault = self._calls.breach
            self._stop("failed", "a limit was passed")

    # Each performs one effect; true tells that the operator now waits.

    def _attempt(self, frame: ExecutionFrame, effect: Attempt) -> bool:
        self._calls.attempt(frame, effect)
        return True

    def _pause(self, frame: ExecutionFrame, effect: Pause) -> bool:
        now = self.clock.now()
        self.log.append(RetryScheduled(now, frame.path, effect.number, effect.seconds))
        frame.pending = effect
        self._deliver(effect.seconds, frame, effect, None)
        return True

    def _sleep(self, frame: ExecutionFrame, effect: Sleep) -> bool:
        frame.pending = effect
        self._deliver(effect.seconds, frame, effect, None)
        return True

    def _take_lock(self, frame: ExecutionFrame, effect: TakeLock) -> bool:
        self._sections.take(frame, effect)
        return True

    def _choose(self, frame: ExecutionFrame, effect: Choose) -> bool:
        node, run = frame.node, frame.run
        target = node.targets[0 if effect.value else 1]
        run.chosen[node.index] = target
        assert node.condition is not None
        self.log.append(
            ConditionEvaluated(
                self.clock.now(),
                frame.path,
                node.condition.source,
                effect.resolved,
                effect.value,
                "if_true" if effect.value else "if_false",
                "" if target is None else run.scope.nodes[target].id,
            )
        )
        return False

    def _select(self, frame: ExecutionFrame, effect: Select) -> bool:
        node, run = frame.node, frame.run
        selected = tuple(each for name in effect.branches for each in node.branches[name])
        run.selected[node.index] = selected
        chosen = set(selected)
        members = list(node.members)
        run.open[node.index] = len(members)
        frame.pending = effect
        away = turned_away_members(run, node, "live", ())
        for each, problem in away:
            if each not in chosen:
                run.problems.setdefault(each, []).append(problem)
            self._arrive(run, each)
        if not members:
            self._answers.append((frame, effect, None))
        return True

    def _enter(self, frame: ExecutionFrame, effect: Enter) -> bool:
        run = ScopeRun.of_iteration(frame, effect)
        frame.children[effect.number] = run
        path = run.prefix.removesuffix("/")
        self.log.append(ScopeEntered(self.clock.now(), path, frame.path, run.number))
        self._enter_scope(run)
        return False

    def _join(self, frame: ExecutionFrame, effect: Join) -> bool:
        frame.pending = effect
        if frame.done:
            self._answers.append((frame, effect, frame.done.popleft()))
        return True

    def _cancel_open(self, frame: ExecutionFrame, effect: CancelOpen) -> bool:
        for run in list(frame.children.values()):
            self._cancel_scope(run, effect.reason)
        return False

    def _record(self, frame: ExecutionFrame, effect: Record) -> bool:
        self.log.append(effect.kind(self.clock.now(), frame.path, *effect.fields))
        return False

    def _await_event(self, frame: ExecutionFrame, effect: AwaitEvent) -> bool:
        if not self._mailbox.open(frame, effect) and effect.timeout is not None:
            text = f"no event {effect.name!r} within {shown_duration(effect.timeout)}"
            self._deliver(effect.timeout, frame, effect, Answer(error=TimedOut(text)))
        return True

    def _come_in(self, event: OutsideEvent) -> None:
        self._mailbox.put(EventEmitted(self.clock.now(), "", event.name, event.data))

    # --- a task ends ---------------------------------------------------------------------------

    def _finish(self, frame: ExecutionFrame, outcome: Outcome) -> None:
        node, run = frame.node, frame.run
        self._sections.leave(frame)
        if run.frames.get(node.index) is not frame:
            return  # The whole run's own section.
        del run.frames[node.index]
        success = outcome.status == "success"
        if success and node.result_key:
            run.own_results[node.result_key] = outcome.value
        end = TaskEnded(
            self.clock.now(),
            frame.path,
            outcome.status,
            outcome.reason,
            outcome.attempts,
            outcome.fault,
            outcome.value,
            node.result_key if success else "",
            outcome.note,
        )
        self._end(run, node, end, "live" if success else DEAD_ENDS[outcome.status], ())

    def _end(
        self, run: ScopeRun, node: Node, end: TaskEnded, kind: str, killers: tuple[int, ...]
    ) -> None:
        self.log.append(end)
        run.ends[node.index] = end
        run.left -= 1
        failed = end.status in BAD
        if failed and node.policy == "continue":
            kind = "live"
        if node.fallback_for is not None:
            self._settle_replaced(run, node, end)
        if node.fallback is not None and failed and run.ends[node.fallback] is None:
            # Whoever waits for this task waits for the fallback; see `_settle_replaced`.
            self._arrive(run, node.fallback)
        else:
            if node.fallback is not None and end.status != "cancelled":
                self._drop_fallback(run, node, end)
            self._settle(run, node, kind, killers)
            self._follow(run, node)
        if failed and node.policy == "abort":
            self._stop("failed", f"{end.path} aborted the run")
        self._tell_outer(run, node)

    def _drop_fallback(self, run: ScopeRun, node: Node, end: TaskEnded) -> None:
        stand_in = run.scope.nodes[cast(int, node.fallback)]
        if run.ends[stand_in.index] is None:
            unneeded = TaskEnded(end.at, run.path(stand_in), "skipped", "not needed")
            self._end(run, stand_in, unneeded, "live", ())

    def _settle_replaced(self, run: ScopeRun, stand_in: Node, end: TaskEnded) -> None:
        """A fallback has ended: now the edges of the task it stands in for are known."""
        node = run.scope.nodes[cast(int, stand_in.fallback_for)]
        replaced = run.ends[node.index]
        if replaced is None or replaced.status not in BAD:
            return
        if end.status == "success":
            key = node.result_key
            if key:
                run.own_results[key] = end.value
            run.replaced.add(node.index)
            self.log.append(StoodIn(end.at, end.path, replaced.path, key, end.value))
        self._settle(run, node, "live" if end.status == "success" else "failed", ())
        self._follow(run, node)

    def _settle(self, run: ScopeRun, node: Node, kind: str, killers: tuple[int, ...]) -> None:
        """Tell the dependents what became of the edges to them."""
        if node.kind == "parallel" and node.index not in run.selected:
            self._spread(run, turned_away_members(run, node, kind, killers))
        if kind == "live" and node.kind != "condition":
            for each in node.downstream:
                self._arrive(run, each)
        else:
            self._spread(run, outgoing(run, node, kind, killers))

    def _follow(self, run: ScopeRun, node: Node) -> None:
        for each in node.followers:
            self._arrive(run, each)

    def _spread(self, run: ScopeRun, edges: Sequence[tuple[int, object]]) -> None:
        for each, problem in edges:
            if problem is not None:
                run.problems.setdefault(each, []).append(problem)  # type: ignore[arg-type]  # a Problem
            self._arrive(run, each)

    def _arrive(self, run: ScopeRun, index: int) -> None:
        run.waiting[index] -= 1
        if not run.waiting[index]:
            heappush(self._ready, ((*run.key, index), run))

    def _tell_outer(self, run: ScopeRun, node: Node) -> None:
        """What stands around an ended task may have waited for it: a parallel, or a loop."""
        if node.member_of is not None:
            parallel = node.member_of[0]
            if parallel in run.open:
                run.open[parallel] -= 1
                frame = run.frames.get(parallel)
                if not run.open[parallel] and frame is not None:
                    self._answers.append((frame, frame.pending, None))
        if not run.left and run.parent is not None:
            self._iteration_ended(run, run.parent)

    def _iteration_ended(self, run: ScopeRun, frame: ExecutionFrame) -> None:
        fault = first_fault(run, judged(run))
        cancelled = any(end is not None and end.status == "cancelled" for end in run.ends)
        status = "failed" if fault else ("cancelled" if cancelled else "success")
        del frame.children[run.number]
        frame.done.append(IterationEnd(run.number, status, fault, run.own_results))
        if frame.stopped:
            if not frame.children:
                self._end_cancelled(frame.run, frame.node, frame.stopped, 0)
        elif type(frame.pending) is Join and len(frame.done) == 1:
            self._answers.append((frame, frame.pending, frame.done.popleft()))

    # --- the run stops or ends -----------------------------------------------------------------

    def _cancel(self) -> None:
        self._stop("cancelled", "the run was cancelled")

    def _out_of_time(self) -> None:
        limit = cast(Limits, self.plan.workflow.limits).max_duration or 0.0
        running = [frame.path for frame in self.root.frames.values()]
        where = f"{running[0]}: " if running else ""
        message = f"{where}max_duration {shown_duration(limit)} passed"
        self.stop_fault = Fault("UsageLimitExceeded", message, running[0] if running else "")
        self.log.append(LimitBreached(limit, "", "max_duration", shown_duration(limit)))
        self._stop("failed", "a limit was passed")

    def _stop(self, status: str, reason: str) -> None:
        """Cancel whatever has not ended, but for `finally` tasks; nothing else starts."""
        if not self.stopped:
            self.stopped = status
            self._cancel_scope(self.root, reason)
            self._calls.fill()  # A `finally` task may have waited behind the cancelled calls.

    def _cancel_scope(self, run: ScopeRun, reason: str) -> None:
        # First of all nothing of it waits any more: a slot that is given back goes elsewhere.
        for frame in running(run):
            if type(frame.pending) is Attempt:
                self._calls.withdraw(frame, frame.pending)
                frame.pending = None
        for node in run.scope.nodes:
            if cleans_up(run, node) or run.ends[node.index] is not None:
                continue
            frame = run.frames.get(node.index)
            if frame is None:
                self._end_cancelled(run, node, reason, 0)
                continue
            del run.frames[node.index]
            self._drop(frame)
            if frame.children:
                # Its iterations may have `finally` tasks; it ends when they have.
                frame.stopped = reason
                for child in list(frame.children.values()):
                    self._cancel_scope(child, reason)
            else:
                self._end_cancelled(run, node, reason, frame.attempts)

    def _drop(self, frame: ExecutionFrame) -> None:
        """Whatever a cancelled task waits for no longer concerns it."""
        pending, frame.pending = frame.pending, None
        if type(pending) is Call:
            self._calls.release(pending)
        frame.steps.close()
        self._sections.leave(frame)

    def _end_cancelled(self, run: ScopeRun, node: Node, reason: str, attempts: int) -> None:
        end = TaskEnded(self.clock.now(), run.path(node), "cancelled", reason, attempts)
        self._end(run, node, end, "cancelled", ())

    def _report_stuck(self) -> None:
        """Nothing can run and no timer is due: say who waits for what, and stop."""
        reason = "stuck: " + ("; ".join(self._mailbox.waiting()) or "no task can go on")
        self.stop_fault = Fault("Stuck", reason, "")
        self._stop("failed", reason)

    def _ended(self) -> RunEnded:
        run = self.root
        fault = self.stop_fault or first_fault(run, judged(run))
        status = self.stopped or ("failed" if fault else "success")
        output = None
        if status == "success":
            try:
                output = self._output()
            except EVALUATION_FAULTS as error:
                fault = Fault(type(error).__name__, f"output: {told(self.root, error)}")
                status = "failed"
        elif status == "cancelled" and self._failed_finally():
            status = "failed"
        if status == "failed" and fault is None:
            fault = Fault("Aborted", "the run was aborted")
        return RunEnded(self.clock.now(), status, fault, output)

    def _failed_finally(self) -> bool:
        run = self.root
        return any(
            node.is_finally and cast(TaskEnded, run.ends[node.index]).status in BAD
            for node in run.scope.nodes
        )

    def _output(self) -> object:
        if self.plan.output is not None:
            self.memory.actor = None
            return self.plan.output.render(self.root.roots)
        for index in reversed(self.root.scope.order):
            node, end = self.root.scope.nodes[index], self.root.ends[index]
            if node.kind != "condition" and not node.is_finally and end and end.status == "success":
                return end.value
        return None


# Each takes the effect that it is listed under.
EFFECTS: dict[type[Effect], Callable[..., bool]] = {
    Attempt: Engine._attempt,
    Pause: Engine._pause,
    Choose: Engine._choose,
    Select: Engine._select,
    Enter: Engine._enter,
    Join: Engine._join,
    CancelOpen: Engine._cancel_open,
    Sleep: Engine._sleep,
    TakeLock: Engine._take_lock,
    AwaitEvent: Engine._await_event,
    Record: Engine._record,
}


def cleans_up(run: ScopeRun, node: Node) -> bool:
    """Whether a stop leaves it alone: a `finally` task, or what stands in for one."""
    served = node if node.fallback_for is None else run.scope.nodes[node.fallback_for]
    return served.is_finally


def running(run: ScopeRun) -> Iterator[ExecutionFrame]:
    """The open tasks of a scope that a stop concerns, those of its iterations included."""
    for index, frame in run.frames.items():
        if not cleans_up(run, run.scope.nodes[index]):
            yield frame
            for child in frame.children.values():
                yield from running(child)


def judged(run: ScopeRun) -> list[int]:
    """The nodes by which a scope is judged: members of a parallel count through it."""
    return [node.index for node in run.scope.nodes if node.member_of is None]


def precedes(earlier: Actor, later: Actor) -> bool:
    """Whether `earlier` ends before `later` begins by the plan (or both are one task).

    Both are followed out to the scope they share; there their places decide, or, inside one
    loop, whether its iterations come one after another.
    """
    if earlier.path == later.path:
        return True
    first, second = _chain(earlier), _chain(later)
    for (run, before), (other, after) in zip(first, second, strict=False):
        if run is not other:
            loop = run.parent
            assert loop is not None
            model = loop.node.model
            return getattr(model, "max_concurrency", 1) == 1 and run.number < other.number
        if before != after:
            return run.scope.precedes(before, after)
    return True  # One is the loop around the other.


def _chain(actor: Actor) -> list[tuple[ScopeRun, int]]:
    """The scopes around a task, from the outside in, each with the node that leads on."""
    run: ScopeRun | None = cast(ScopeRun, actor.scope)
    node = actor.node
    found = []
    while run is not None:
        found.append((run, node))
        frame = run.parent
        if frame is None:
            break
        run, node = frame.run, frame.node.index
    found.reverse()
    return found
