"""The engine: a single-threaded event machine over a plan.

    ready tasks (a heap in declaration order)
      -> each is judged, gated, and its operator advanced to its first effect
    answers (a queue)      what has come in at this moment
    timers (a heap)        what comes in later: latencies, delays, a stop from outside

All ready tasks start before any answer of the same moment is taken, so that whether one task ended
before another began is decided by the graph, not by which function was called first. Nothing
recurses over the graph: an ended task puts its dependents on the heap.

Clock, runner and stubs are handed in; the only product is the list of events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import cast

from pytest_highway.clock import Clock
from pytest_highway.events import (
    AttemptEnded,
    ConditionEvaluated,
    Event,
    Fault,
    RetryScheduled,
    RunEnded,
    RunStarted,
    StoodIn,
    TaskEnded,
    TaskStarted,
    ToolCalled,
    MemoryWritten,
)
from pytest_highway.executors import Runner
from pytest_highway.expression import Expression, truth
from pytest_highway.frame import (
    Answer,
    Attempt,
    Call,
    Choose,
    Effect,
    ExecutionFrame,
    Outcome,
    Pause,
    RunServices,
    ScopeRun,
    TimedOut,
    fault_of,
)
from pytest_highway.operators import EVALUATION_FAULTS, OPERATORS, told
from pytest_highway.plan import Node, Plan
from pytest_highway.rules import BAD, DEAD_ENDS, Verdict, judge, outgoing
from pytest_highway.state import Actor, RunMemory

__all__ = ["Engine", "RunSettings", "execute"]


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What differs between two runs of one plan.

    `variables` and `env` replace declared defaults; `cancel_at` is the moment, in seconds, at
    which the run is stopped from outside.
    """

    variables: Mapping[str, object] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    cancel_at: float | None = None


def execute(plan: Plan, runner: Runner, clock: Clock, settings: RunSettings) -> list[Event]:
    """Run a plan to its end and return its log."""
    return Engine(plan, runner, clock, settings).run()


class Engine:
    """One run."""

    def __init__(self, plan: Plan, runner: Runner, clock: Clock, settings: RunSettings) -> None:
        self.plan = plan
        self.runner = runner
        self.clock = clock
        self.log: list[Event] = []
        self.memory = RunMemory(precedes, self._memory_written)
        variables = {**plan.variables, **settings.variables}
        self.services = RunServices(self.log, self.memory, variables, clock.now)
        env = {**plan.workflow.env, **settings.env}
        self.root = ScopeRun(
            plan.scope, "", {"variables": variables, "env": env, "memory": self.memory}
        )
        self.stopped = ""
        self._ready: list[tuple[int, ScopeRun]] = []
        self._answers: deque[tuple[ExecutionFrame, object, Answer]] = deque()
        self._timers: list[tuple[float, int, ExecutionFrame | None, object, Answer]] = []
        self._ticks = 0
        self._in_flight = 0
        self._queue: deque[tuple[ExecutionFrame, Attempt]] = deque()
        self._cancel_at = settings.cancel_at

    # --- the loop ------------------------------------------------------------------------------

    def run(self) -> list[Event]:
        """Run to the end; returns the log, which ends with `RunEnded` whatever happened."""
        plan = self.plan
        self.log.append(
            RunStarted(0.0, plan.name, plan.file, plan.functions, plan.scope.outline)
        )
        if self._cancel_at is not None:
            self._later(self._cancel_at, None, None, Answer())
        for node in self.root.scope.roots():
            heappush(self._ready, (node.index, self.root))
        while self.root.left:
            self._turn()
        self.log.append(self._ended())
        return self.log

    def _turn(self) -> None:
        ready = self._ready
        while ready:
            index, run = heappop(ready)
            self._begin(run, run.scope.nodes[index])
        if self._answers:
            self._resume(*self._answers.popleft())
            return
        if not self.root.left:
            return  # The last task ended without a call.
        at, _, frame, token, answer = heappop(self._timers)
        self.clock.advance(at)
        if frame is None:
            self._stop("cancelled", "the run was cancelled")
        else:
            self._resume(frame, token, answer)

    def _later(
        self, at: float, frame: ExecutionFrame | None, token: object, answer: Answer
    ) -> None:
        self._ticks += 1
        heappush(self._timers, (at, self._ticks, frame, token, answer))

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
        frame = ExecutionFrame(run, node, OPERATORS[node.kind])
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
                resolved, value = cast(Expression, expression).resolve(run.roots)
                holds = truth(value)
            except EVALUATION_FAULTS as error:
                return Verdict("failed", f"{name}: {told(run, error)}", "failed")
            if holds is skips:
                killers = () if skips else (node.index,)
                return Verdict("skipped", f"{name}: {resolved}", "live" if skips else "dead", killers)
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

    def _advance(self, frame: ExecutionFrame, answer: Answer | None) -> None:
        self.memory.actor = frame.run.actor(frame.node)
        try:
            effect = frame.steps.send(answer)  # type: ignore[arg-type]  # None starts a generator
        except StopIteration as stop:
            self._finish(frame, cast(Outcome, stop.value))
            return
        self._perform(frame, effect)

    def _perform(self, frame: ExecutionFrame, effect: Effect) -> None:
        if type(effect) is Attempt:
            if self._in_flight < self.plan.workflow.max_concurrency:
                self._dispatch(frame, effect)
            else:
                frame.pending = effect
                self._queue.append((frame, effect))
        elif type(effect) is Pause:
            now = self.clock.now()
            self.log.append(RetryScheduled(now, frame.path, effect.number, effect.seconds))
            frame.pending = effect
            self._later(now + effect.seconds, frame, effect, Answer())
        elif type(effect) is Choose:
            self._choose(frame, effect)

    def _choose(self, frame: ExecutionFrame, effect: Choose) -> None:
        node, run = frame.node, frame.run
        target = node.targets[0 if effect.value else 1]
        run.chosen[node.index] = target
        side = "if_true" if effect.value else "if_false"
        assert node.condition is not None
        self.log.append(
            ConditionEvaluated(
                self.clock.now(),
                frame.path,
                node.condition.source,
                effect.resolved,
                effect.value,
                side,
                "" if target is None else run.scope.nodes[target].id,
            )
        )
        self._advance(frame, None)

    # --- calls ---------------------------------------------------------------------------------

    def _dispatch(self, frame: ExecutionFrame, attempt: Attempt) -> None:
        tool = frame.node.tool
        assert tool is not None
        call = Call(frame, tool, attempt, self.services)
        frame.pending = call
        self._in_flight += 1
        now = self.clock.now()
        self.log.append(
            ToolCalled(
                now, frame.path, call.attempt, tool.name, call.args, call.kwargs, tool.bulkhead
            )
        )
        answer = self.runner.start(call)
        if call.deadline is not None and self.clock.now() + answer.after > call.deadline:
            error = TimedOut(f"no answer within {frame.node.timeout:g} s")
            answer = Answer(error=error, after=max(0.0, call.deadline - self.clock.now()))
        if answer.after:
            self._later(self.clock.now() + answer.after, frame, call, answer)
        else:
            self._answers.append((frame, call, answer))

    def _resume(self, frame: ExecutionFrame, token: object, answer: Answer) -> None:
        if frame.pending is not token:
            return  # The task was cancelled meanwhile: a late answer is dropped.
        frame.pending = None
        if type(token) is Call:
            self.log.extend(token.records)
            if answer.error is not None:
                self._log_failure(token, answer.error)
        self._advance(frame, answer)
        if type(token) is Call:
            # Only now, so that in the log this call is over before the next one begins.
            self._release()

    def _log_failure(self, call: Call, error: Exception) -> None:
        timed_out = isinstance(error, TimedOut)
        fault = fault_of(error, call.path)
        now = self.clock.now()
        self.log.append(AttemptEnded(now, call.path, call.attempt, fault, timed_out, called=True))

    def _release(self) -> None:
        """Give a slot back; the longest-waiting call takes it."""
        self._in_flight -= 1
        self._fill()

    def _fill(self) -> None:
        while self._queue and self._in_flight < self.plan.workflow.max_concurrency:
            frame, attempt = self._queue.popleft()
            if frame.pending is attempt:
                self._dispatch(frame, attempt)

    def _memory_written(self, actor: Actor, key: str, value: object) -> None:
        self.log.append(MemoryWritten(self.clock.now(), actor.path, key, value))

    # --- a task ends ---------------------------------------------------------------------------

    def _finish(self, frame: ExecutionFrame, outcome: Outcome) -> None:
        node, run = frame.node, frame.run
        del run.frames[node.index]
        success = outcome.status == "success"
        if success and node.result_key:
            run.results[node.result_key] = outcome.value
        end = TaskEnded(
            self.clock.now(),
            frame.path,
            outcome.status,
            outcome.reason,
            outcome.attempts,
            outcome.fault,
            outcome.value,
            node.result_key if success else "",
        )
        kind = "live" if success else DEAD_ENDS[outcome.status]
        self._end(run, node, end, kind, ())

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
        if node.fallback is not None:
            stand_in = run.scope.nodes[node.fallback]
            if failed and run.ends[stand_in.index] is None:
                # Whoever waits for this task waits for the fallback; see `_settle_replaced`.
                self._arrive(run, stand_in.index)
                return
            if end.status != "cancelled" and run.ends[stand_in.index] is None:
                reason = TaskEnded(end.at, run.path(stand_in), "skipped", "not needed")
                self._end(run, stand_in, reason, "live", ())
        self._settle(run, node, kind, killers)
        self._follow(run, node)
        if failed and node.policy == "abort":
            self._stop("failed", f"{end.path} aborted the run")

    def _settle_replaced(self, run: ScopeRun, stand_in: Node, end: TaskEnded) -> None:
        """A fallback has ended: now the edges of the task it stands in for are known."""
        assert stand_in.fallback_for is not None
        node = run.scope.nodes[stand_in.fallback_for]
        replaced = run.ends[node.index]
        if replaced is None or replaced.status not in BAD:
            return
        if end.status == "success":
            key = node.result_key
            if key:
                run.results[key] = end.value
            run.replaced.add(node.index)
            self.log.append(StoodIn(end.at, end.path, replaced.path, key, end.value))
        self._settle(run, node, "live" if end.status == "success" else "failed", ())
        self._follow(run, node)

    def _settle(
        self, run: ScopeRun, node: Node, kind: str, killers: tuple[int, ...]
    ) -> None:
        """Tell the dependents what became of the edges to them."""
        if kind == "live" and node.kind != "condition":
            for each in node.downstream:
                self._arrive(run, each)
            return
        for each, problem in outgoing(run, node, kind, killers):
            if problem is not None:
                run.problems.setdefault(each, []).append(problem)
            self._arrive(run, each)

    def _follow(self, run: ScopeRun, node: Node) -> None:
        for each in node.followers:
            self._arrive(run, each)

    def _arrive(self, run: ScopeRun, index: int) -> None:
        run.waiting[index] -= 1
        if not run.waiting[index]:
            heappush(self._ready, (index, run))

    # --- the run stops or ends -----------------------------------------------------------------

    def _stop(self, status: str, reason: str) -> None:
        """Cancel whatever has not ended, but for `finally` tasks; nothing else starts."""
        if self.stopped:
            return
        self.stopped = status
        run = self.root
        nodes = run.scope.nodes
        for node in nodes:
            # What stands in for a `finally` task may be needed as that task is.
            served = node if node.fallback_for is None else nodes[node.fallback_for]
            if served.is_finally or run.ends[node.index] is not None:
                continue
            frame = run.frames.pop(node.index, None)
            if frame is not None:
                if type(frame.pending) is Call:
                    self._in_flight -= 1
                frame.pending = None
                frame.steps.close()
            attempts = 0 if frame is None else frame.attempts
            end = TaskEnded(self.clock.now(), run.path(node), "cancelled", reason, attempts)
            self._end(run, node, end, "cancelled", ())
        self._fill()  # A `finally` task may have waited behind the cancelled calls.

    def _ended(self) -> RunEnded:
        fault = self._first_fault()
        status = self.stopped or ("failed" if fault else "success")
        if fault is None and status == "failed":
            fault = Fault("Aborted", "the run was aborted")
        output = None
        if status == "success":
            try:
                output = self._output()
            except EVALUATION_FAULTS as error:
                fault = Fault(type(error).__name__, f"output: {told(self.root, error)}")
                status = "failed"
        elif status == "cancelled" and self._failed_finally():
            status = "failed"
        return RunEnded(self.clock.now(), status, fault, output)

    def _first_fault(self) -> Fault | None:
        run = self.root
        order = map(run.scope.nodes.__getitem__, run.scope.order)
        # `finally` tasks last: a failure while cleaning up never hides an earlier one.
        for node in sorted(order, key=lambda each: each.is_finally):
            end = run.ends[node.index]
            assert end is not None
            if not node.critical or node.index in run.replaced:
                continue
            if end.status in BAD and not self._forgiven(node):
                return end.fault
            if end.status == "upstream_failed":
                return Fault("UpstreamFailed", end.reason, end.path)
        return None

    def _forgiven(self, node: Node) -> bool:
        """A fallback's own failure counts only where its task's would."""
        return node.fallback_for is not None and not self.plan.scope.nodes[node.fallback_for].critical

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


def precedes(earlier: Actor, later: Actor) -> bool:
    """Whether the graph puts `earlier` before `later` (or both are one task)."""
    run = cast(ScopeRun, later.scope)
    return earlier.path == later.path or run.scope.graph.reaches(earlier.node, later.node)
