"""The engine: a single-threaded event machine over a plan.

    ready tasks  -> each is judged, gated, and its operator advanced to its first effect
    answers      -> the operator that waits for one is advanced to its next effect
    timers       -> the clock is advanced, and what was due is done

All ready tasks start before any answer of the same moment is taken, so that whether one task ended
before another began is decided by the graph, not by which function was called first. How effects
are performed stands in `performing`, what follows from an end in `endings`, what ends tasks before
their time in `stops`.

Clock, runner and stubs are handed in; the only product is the list of events.
"""

from __future__ import annotations

from functools import partial
from typing import cast

from pytest_highway.clock import Clock, shown_duration
from pytest_highway.engine.agenda import Agenda
from pytest_highway.engine.call import Call
from pytest_highway.engine.calls import Calls
from pytest_highway.engine.effects import Answer, Join, Outcome, Sent, Steps, TakeLock, fault_of
from pytest_highway.engine.endings import Endings
from pytest_highway.engine.frame import ExecutionFrame, RunServices, ScopeRun
from pytest_highway.engine.judging import (
    EVALUATION_FAULTS,
    finally_fault,
    output_of,
    scope_fault,
    told,
)
from pytest_highway.engine.limits import Budget
from pytest_highway.engine.mailbox import Mailbox
from pytest_highway.engine.operators import repeating, steps_of
from pytest_highway.engine.performing import PERFORM, Performer
from pytest_highway.engine.precedence import precedes
from pytest_highway.engine.rules import Verdict, judge
from pytest_highway.engine.sections import Sections
from pytest_highway.engine.settings import OutsideEvent, RunSettings
from pytest_highway.engine.state import RunMemory
from pytest_highway.engine.stops import Stops
from pytest_highway.events import (
    Event,
    EventEmitted,
    Fault,
    LimitBreached,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskStarted,
    new_tuple,
)
from pytest_highway.expressions.expression import truth
from pytest_highway.planning.plan import Node, Plan
from pytest_highway.reading.models import OperatorBase
from pytest_highway.reading.policies import Limits, Lock
from pytest_highway.runners.executors import Runner
from pytest_highway.runners.raised import PassedThrough

__all__ = ["Engine", "Interrupted", "OutsideEvent", "RunSettings", "execute"]


class Interrupted(KeyboardInterrupt):
    """A run was stopped by Ctrl-C; `log` tells what it did until then."""

    def __init__(self, workflow: str, log: list[Event]) -> None:
        super().__init__(f"the run of {workflow!r} was interrupted")
        self.log = log


def execute(plan: Plan, runner: Runner, clock: Clock, settings: RunSettings) -> list[Event]:
    """Run a plan to its end and return its log.

    An interrupted run is completed, its `finally` tasks included; then `Interrupted` is raised with
    the log. A second Ctrl-C stops those as well, and the log ends where it came. In the same way
    `PassedThrough` is raised for what a tool raised and `settings.passing` names.
    """
    engine = Engine(plan, runner, clock, settings)
    try:
        engine.run()
    except KeyboardInterrupt:
        raise Interrupted(plan.name, engine.log) from None
    if engine.interrupted:
        raise Interrupted(plan.name, engine.log)
    if engine.passed is not None:
        engine.passed.log = engine.log
        raise engine.passed
    return engine.log


class Engine:
    """One run."""

    def __init__(self, plan: Plan, runner: Runner, clock: Clock, settings: RunSettings) -> None:
        self.plan = plan
        self.clock = clock
        self.log: list[Event] = []
        self.memory = RunMemory(precedes)
        self.services = services = RunServices(self.log, self.memory, settings.env, clock)
        services.passing = settings.passing
        variables = {**plan.variables, **settings.variables}
        env = services.environment(plan.workflow)
        self.root = ScopeRun(
            plan.scope, {"variables": variables, "env": env, "memory": self.memory}
        )
        services.secrets = settings.secrets
        services.resumption = settings.resumption
        if settings.secrets is not None:
            settings.secrets.note(plan.workflow.secrets, self.root.roots)
        self.stopped = ""
        self.interrupted = False
        self.passed: PassedThrough | None = None
        self.stop_fault: Fault | None = None
        self._settings = settings
        self._entered = False
        self._abort_fault: Fault | None = None
        self._agenda = agenda = Agenda(clock, self.log)
        self._calls = Calls(plan, runner, services, agenda)
        self._mailbox = Mailbox(services, agenda.answer)
        self._sections = Sections(agenda.answer, agenda.at, settings.locks, settings.world)
        self._endings = Endings(services, self._sections, agenda, self._abort)
        self._stops = Stops(self._endings, self._calls)
        self._performer = Performer(
            services,
            agenda,
            self._endings,
            self._stops,
            self._calls,
            self._mailbox,
            self._sections,
            self._limit,
        )

    # --- the loop ------------------------------------------------------------------------------

    def run(self) -> list[Event]:
        """Run to the end; returns the log, which ends with `RunEnded` whatever happened."""
        plan, settings = self.plan, self._settings
        self.log.append(RunStarted(0.0, plan.name, plan.file, plan.functions, plan.scope.outline))
        if settings.cancel_at is not None:
            stop = partial(self._stop, "cancelled", "the run was cancelled")
            self._agenda.at(settings.cancel_at, stop)
        for event in settings.events:
            self._agenda.at(event.at, partial(self._come_in, event))
        self._limit(plan, self.root)
        try:
            self._take_run_lock()
            if settings.cancel_at == 0:
                # Before anything else of its moment, as at any other.
                self._agenda.fire_next()
            self._turn_to_the_end()
        finally:
            self._calls.close()
            self._sections.close()
        self.log.append(self._ended())
        self._show()
        return self.log

    def _show(self) -> None:
        if self._settings.observe is not None:
            self._settings.observe(self.log)

    def _limit(self, plan: Plan, run: ScopeRun) -> None:
        """Hold a file's tasks to the limits that it sets."""
        limits = plan.workflow.limits
        if limits is None:
            return
        run.budgets = (Budget(limits), *run.budgets)
        if limits.max_duration is not None:
            moment = self.clock.now() + limits.max_duration
            # Behind all else of its moment: reaching a limit is no breach.
            self._agenda.at(moment, lambda: self._out_of_time(run, limits), last=True)

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

    def _turn(self) -> None:
        self._show()
        agenda = self._agenda
        ready, answers, pick = agenda.ready, agenda.answers, self._settings.pick
        while ready or answers:
            while ready:
                key, run = pick(ready)
                self._begin(run, run.scope.nodes[key[-1]])
            if answers:
                self._resume(*answers.popleft())
            self._show()
        if not self.root.left:
            return
        if (self._calls.waits or agenda.has_timers) and self._calls.collect(agenda.until_timer()):
            return  # Also when only timers are left: a real runner wakes up for a Ctrl-C.
        if agenda.is_stuck():
            self._report_stuck()
        else:
            agenda.fire_next()

    # --- a task begins -------------------------------------------------------------------------

    def _take_run_lock(self) -> None:
        """Enter the workflow's tasks, once the run has its lock if it wants one."""
        lock = self.plan.workflow.lock
        if lock is None:
            self._enter_root()
            return
        # No task of the plan: the run as a whole, to hold its lock as a task holds one.
        whole = Node(-1, "", "", "run", (), OperatorBase.model_construct())
        self._advance(
            ExecutionFrame(self.root, whole, lambda _: self._whole_run(lock), self.services), None
        )

    def _whole_run(self, lock: Lock) -> Steps:
        answer = cast("Answer", (yield TakeLock(lock.name, lock.wait)))
        if answer.error is None:
            self._enter_root()
            yield Join()  # Holds the lock: nothing ever answers, and the run's end ends it.
        self.stop_fault = fault_of(cast("Exception", answer.error), "")
        self._stop("failed", str(self.stop_fault))
        yield Join()
        return Outcome("failed")

    def _enter_root(self) -> None:
        if not self.stopped:
            self._entered = True
            self._endings.enter(self.root)

    def _begin(self, run: ScopeRun, node: Node) -> None:
        if run.ends[node.index] is not None:
            return
        # Without problems the default rule lets everything run.
        plain = not run.problems and node.rule == "all_live"
        verdict = None if plain else judge(run, node)
        if verdict is None and (node.skip_if is not None or node.run_if is not None):
            verdict = self._gate(run, node)
        resumption = self._settings.resumption
        recorded = None if resumption is None else resumption.find(run, node, starts=not verdict)
        if verdict is not None:
            self._end_unstarted(run, node, verdict)
            return
        steps = steps_of(node) if recorded is None else repeating(recorded)
        frame = ExecutionFrame(run, node, steps, self.services)
        run.frames[node.index] = frame
        self.log.append(new_tuple(TaskStarted, (self.clock.now(), frame.path)))
        self._advance(frame, None)

    def _gate(self, run: ScopeRun, node: Node) -> Verdict | None:
        """`skip_if` and `run_if`, read once the rule has let the task run."""
        # What they read is held against the order of the graph in the name of this task.
        self.memory.user = run.actor(node)
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
        self._endings.end(run, node, end, verdict.kind, verdict.killers)

    # --- a task goes on ------------------------------------------------------------------------

    def _advance(self, frame: ExecutionFrame, sent: Sent) -> None:
        """Send an answer, and perform effects until the operator waits for one."""
        send = frame.steps.send
        while True:
            self.memory.user = frame
            try:
                effect = send(sent)
            except StopIteration as stop:
                outcome: Outcome = stop.value
                self._endings.finish(frame, outcome)
                return
            if PERFORM[type(effect)](self._performer, frame, effect):
                return
            sent = None

    def _resume(self, frame: ExecutionFrame, token: object, answer: Sent) -> None:
        if frame.pending is not token:
            return  # The task was stopped meanwhile: a late answer is dropped.
        frame.pending = None
        if type(token) is not Call:
            self._advance(frame, frame.entered.done.popleft() if type(token) is Join else answer)
            self._heed_breach()
            return
        calls = self._calls
        answer = cast("Answer", answer)
        if isinstance(answer.error, PassedThrough):
            self.passed = self.passed or answer.error
        for event in calls.ended(token, answer):
            self._mailbox.put(event)
        self._advance(frame, answer)
        if self.passed is not None and not self.stopped:
            self._stop("cancelled", f"{frame.path} ended the run")
        if calls.breach is not None:
            self._heed_breach()
        # Only now, so that in the log a call is over before the next one begins.
        calls.release(token)

    def _heed_breach(self) -> None:
        """Stop a run one of whose limits was passed."""
        if self._calls.breach is not None and not self.stopped:
            self.stop_fault = self._calls.breach
            self._stop("failed", "a limit was passed")

    def _come_in(self, event: OutsideEvent) -> None:
        self._mailbox.put(EventEmitted(self.clock.now(), "", event.name, event.data))

    # --- the run stops or ends -----------------------------------------------------------------

    def _abort(self, end: TaskEnded) -> None:
        if not self.stopped:
            self._abort_fault = end.fault
            self._stop("failed", f"{end.path} aborted the run")

    def _out_of_time(self, run: ScopeRun, limits: Limits) -> None:
        if not run.left or self.stopped:
            return
        limit = shown_duration(limits.max_duration or 0.0)
        running = [frame.path for frame in run.frames.values()]
        where = f"{running[0]}: " if running else ""
        self.stop_fault = Fault(
            "UsageLimitExceeded",
            f"{where}max_duration {limit} passed",
            running[0] if running else "",
        )
        self.log.append(LimitBreached(self.clock.now(), "", "max_duration", limit))
        self._stop("failed", "a limit was passed")

    def _stop(self, status: str, reason: str) -> None:
        """Cancel whatever has not ended, but for `finally` tasks; nothing else starts."""
        if not self.stopped:
            self.stopped = status
            # A run that waits for its own lock has nothing to clean up.
            self._stops.stop_scope(self.root, reason, force=not self._entered)
            self._calls.reopen()

    def _report_stuck(self) -> None:
        """Nothing can run and no timer is due: say who waits for what, and stop."""
        waiting = [*self._mailbox.waiting(), *self._agenda.looking()]
        why = "; ".join(waiting) or "no task can go on"
        if self.stop_fault is None:
            self.stop_fault = Fault("Stuck", why, "")
        if self.stopped:
            # A `finally` task waits for what never comes.
            self.stopped = "failed"
            self._stops.stop_scope(self.root, f"stuck: {why}", force=True)
        else:
            self._stop("failed", f"stuck: {why}")

    def _ended(self) -> RunEnded:
        run = self.root
        fault = self.stop_fault or scope_fault(run) or self._abort_fault
        status = self.stopped or ("failed" if fault else "success")
        output = None
        if status == "success":
            # The output comes after everything, so what it reads is in order with all writes.
            self.memory.user = None
            try:
                output = output_of(self.plan, run)
            except EVALUATION_FAULTS as error:
                fault = Fault(type(error).__name__, f"output: {told(run, error)}")
                status = "failed"
        elif status == "cancelled" and (failed := finally_fault(run)) is not None:
            status, fault = "failed", fault or failed
        return RunEnded(self.clock.now(), status, fault, output)
