"""Calls on their way to tools: admission, limits, and what happens when one has ended.

    attempt -> bulkhead of its tool -> slot of the run -> breaker, budget -> runner
       refused: AttemptEnded(called=false)              called: ToolCalled … AttemptEnded

Who waits in a bulkhead holds no slot. A place and a slot are given on once the ended call's own
task has gone on, so that in the log a call is over before the next one begins.

A call that is being stopped keeps both until it has ended: a timed-out attempt is over before the
next one begins, and what a cancelled task was doing before a `finally` task cleans up after it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping

from pytest_highway.clock import shown_duration
from pytest_highway.engine.agenda import Agenda
from pytest_highway.engine.call import Call
from pytest_highway.engine.effects import Answer, Attempt, TimedOut, fault_of
from pytest_highway.engine.frame import ExecutionFrame, RunServices
from pytest_highway.engine.limits import (
    Breaker,
    Bulkhead,
    BulkheadFull,
    CircuitOpen,
    UsageLimitExceeded,
)
from pytest_highway.events import (
    AttemptEnded,
    Event,
    EventEmitted,
    Fault,
    LimitBreached,
    ToolCalled,
    UsageAdded,
    new_tuple,
)
from pytest_highway.planning.plan import Plan
from pytest_highway.reading.policies import ToolPolicy
from pytest_highway.runners.executors import PATIENCE, Runner, Stopped
from pytest_highway.tool_context import parse_usage, printed_of

__all__ = ["Calls"]

REFUSALS = (BulkheadFull, CircuitOpen, UsageLimitExceeded)


class Calls:
    """All calls of one run. `breach` is set once a limit of the run was passed."""

    def __init__(self, plan: Plan, runner: Runner, services: RunServices, agenda: Agenda) -> None:
        workflow = plan.workflow
        self._runner = runner
        self._services = services
        self._answers = agenda.answers
        self._deliver = agenda.deliver
        self._later = agenda.at
        self._slots = workflow.max_concurrency
        self._in_flight = 0
        # By frame, so that one that is cancelled leaves at once, however long the queue is.
        self._queue: OrderedDict[ExecutionFrame, Attempt] = OrderedDict()
        policies = plan.tool_policies()
        self._bulkheads = dict(_bulkheads(policies))
        self._breakers = {
            name: Breaker(name, policy.breaker)
            for name, policy in policies.items()
            if policy.breaker is not None
        }
        self._open: set[Call] = set()
        self._stopping: set[Call] = set()  # those still wanted are open as well
        self._is_handing_on = False
        self._is_closed = False
        self.breach: Fault | None = None

    def attempt(self, frame: ExecutionFrame, attempt: Attempt) -> None:
        """Make an attempt now, or once there is a place; the answer is delivered to the frame."""
        frame.pending = attempt
        bulkhead = self._bulkheads.get(_tool(frame)) if self._bulkheads else None
        try:
            if bulkhead is not None and not bulkhead.enter(frame, attempt):
                return
        except BulkheadFull as error:
            self._refuse(frame, attempt, error)
            return
        if not self._queue and self._has_slot():
            self._dispatch(frame, attempt)
        else:
            self._queue[frame] = attempt
            self._hand_on()

    def _hand_on(self) -> None:
        """Make the calls that there are slots for; not from within itself, by a refused one."""
        if self._is_handing_on:
            return
        self._is_handing_on = True
        try:
            while self._queue and self._has_slot():
                self._dispatch(*self._queue.popitem(last=False))
        finally:
            self._is_handing_on = False

    def _has_slot(self) -> bool:
        if self._is_closed or self._in_flight >= self._slots:
            return False
        return not self._stopping or self._stopping <= self._open

    def _dispatch(self, frame: ExecutionFrame, attempt: Attempt) -> None:
        tool = frame.node.tool
        assert tool is not None
        self._in_flight += 1
        now = self._services.now()
        try:
            if self._breakers and (breaker := self._breakers.get(tool.name)) is not None:
                breaker.check(now, frame)
            if frame.run.budgets and tool.effects != "pure":
                for budget in frame.run.budgets:
                    budget.call(frame.path)
        except REFUSALS as error:
            self._refuse(frame, attempt, error)
            self._leave(tool.name)
            return
        call = frame.pending = Call(frame, tool, attempt, self._services)
        number, args, kwargs, *_ = attempt
        self._services.log.append(
            new_tuple(ToolCalled, (now, frame.path, number, tool.name, args, kwargs, tool.bulkhead))
        )
        answer = self._runner.start(call)
        if answer is not None:
            self._hand_in(call, answer)
            return
        self._open.add(call)
        if call.deadline is not None:
            self._later(call.deadline, lambda: self._expire(call))

    def _hand_in(self, call: Call, answer: Answer) -> None:
        """Deliver an answer after its latency; one that comes after the deadline is no answer."""
        if not answer.after and call.deadline is None:
            self._answers.append((call.frame, call, answer))
            return
        now = self._services.now()
        if call.deadline is not None and now + answer.after > call.deadline:
            answer = Answer(error=_late(call), after=max(0.0, call.deadline - now))
        self._deliver(answer.after, call.frame, call, answer)

    def _expire(self, call: Call) -> None:
        """The timeout of a call that is still open."""
        if call not in self._open or call.frame.pending is not call:
            return
        became = self._runner.abandon(call)
        if became is None:
            self._await_end(call)
        else:
            self._time_out(call, became)

    def _time_out(self, call: Call, became: str, printed: str = "") -> None:
        self._open.discard(call)
        self._deliver(0.0, call.frame, call, Answer(error=_late(call, became, printed)))

    def _await_end(self, call: Call) -> None:
        """Let a call that is being stopped end, but wait no longer than PATIENCE."""
        self._stopping.add(call)
        until = round(self._services.now() + PATIENCE, 6)
        self._later(until, lambda: self._give_up(call))

    def _give_up(self, call: Call) -> None:
        if call in self._stopping:
            self._stopped(call, self._runner.abandon(call) or "")

    def _stopped(self, call: Call, became: str, printed: str = "") -> None:
        self._stopping.discard(call)
        if call in self._open:
            self._time_out(call, became, printed)
        else:
            self._leave(call.tool.name)

    @property
    def waits(self) -> bool:
        """Whether an answer may come in from outside."""
        return bool(self._open or self._stopping)

    def collect(self, seconds: float | None) -> bool:
        """Wait for answers, at most so many seconds; true when one has come in."""
        found = self._runner.wait(seconds)
        for call, answer in found:
            if call in self._stopping:
                self._stopped(call, str(answer.error), printed_of(answer.error))
            elif call in self._open and type(answer.error) is Stopped:
                self._time_out(call, str(answer.error), answer.error.printed)
            elif call in self._open:
                self._open.discard(call)
                if answer.after:
                    self._hand_in(call, answer)
                else:  # It came in time, however long it has waited for us.
                    self._deliver(0.0, call.frame, call, answer)
        return bool(found)

    def reopen(self) -> None:
        """Go on making calls: after a breach the run has been stopped, and only cleans up."""
        self._is_closed = False
        self._hand_on()

    def close(self) -> None:
        """Let the runner go of what it holds."""
        self._runner.close()

    def _refuse(self, frame: ExecutionFrame, attempt: Attempt, error: Exception) -> None:
        fault = fault_of(error, frame.path)
        now = self._services.now()
        ended = AttemptEnded(now, frame.path, attempt.number, fault, timed_out=False, called=False)
        self._services.log.append(ended)
        if isinstance(error, UsageLimitExceeded):
            self._breached("max_tool_calls", str(error.total), fault)
        self._deliver(0.0, frame, attempt, Answer(error=error))

    def ended(self, call: Call, answer: Answer) -> Iterable[EventEmitted]:
        """Log what the call left behind; gives the events that it sent, each at its place."""
        if call.records or self._breakers or answer.error is not None:
            return self._left_behind(call, answer)
        return ()

    def _left_behind(self, call: Call, answer: Answer) -> Iterator[EventEmitted]:
        for record in call.records:
            if type(record) is EventEmitted:
                yield record
                continue
            self._services.log.append(record)
            if type(record) is UsageAdded:
                self._use(call.frame, record)
        now = self._services.now()
        breaker = self._breakers.get(call.tool.name)
        if breaker is not None:
            breaker.tell(now, call.frame, failed=answer.error is not None)
        if answer.error is not None:
            fault = fault_of(answer.error, call.path)
            timed_out = isinstance(answer.error, TimedOut)
            printed = printed_of(answer.error)
            self._services.log.append(
                AttemptEnded(now, call.path, call.attempt, fault, timed_out, True, printed)
            )

    def _use(self, frame: ExecutionFrame, used: UsageAdded) -> None:
        cost, tokens = parse_usage(used.cost, used.tokens)
        for budget in frame.run.budgets:
            breach = budget.add(frame.path, cost, tokens)
            if breach is not None:
                limit, total, message = breach
                self._breached(limit, total, Fault("UsageLimitExceeded", message, frame.path))

    def account(self, frame: ExecutionFrame, event: Event) -> None:
        """Count what a recorded event of a task has used; its call was let through once."""
        tool = frame.node.tool
        if type(event) is UsageAdded:
            self._use(frame, event)
        elif type(event) is ToolCalled and tool is not None and tool.effects != "pure":
            for budget in frame.run.budgets:
                budget.call(frame.path)

    def _breached(self, limit: str, total: str, fault: Fault) -> None:
        if self.breach is None:
            self.breach = fault
            self._is_closed = True
            self._services.breached = True
            now = self._services.now()
            self._services.log.append(LimitBreached(now, fault.task, limit, total))

    def release(self, call: Call) -> None:
        """Give the place and the slot of an ended or cancelled call to who waits for them."""
        if call in self._open:
            self._open.discard(call)
            if call not in self._stopping and self._runner.abandon(call) is None:
                self._await_end(call)
        if not self._stopping or call not in self._stopping:
            self._leave(call.tool.name)

    def cancel(self, call: Call) -> None:
        """Give up a call whose task was stopped."""
        breaker = self._breakers.get(call.tool.name)
        if breaker is not None:
            breaker.forget(call.frame)
        self.release(call)

    def _leave(self, tool: str) -> None:
        self._in_flight -= 1
        if self._bulkheads and (bulkhead := self._bulkheads.get(tool)) is not None:
            bulkhead.leave()
            if bulkhead.queue:
                bulkhead.running += 1
                frame, attempt = bulkhead.queue.popitem(last=False)
                self._queue[frame] = attempt
        if self._queue:
            self._hand_on()

    def withdraw(self, frame: ExecutionFrame) -> None:
        """A cancelled task's attempt no longer waits."""
        bulkhead = self._bulkheads.get(_tool(frame))
        if self._queue.pop(frame, None) is not None:
            if bulkhead is not None:
                bulkhead.leave()
        elif bulkhead is not None:
            bulkhead.queue.pop(frame, None)


def _late(call: Call, became: str = "", printed: str = "") -> TimedOut:
    text = f"no answer within {shown_duration(call.frame.node.timeout or 0)}"
    return TimedOut(f"{text}; {became}" if became else text, printed)


def _tool(frame: ExecutionFrame) -> str:
    return "" if frame.node.tool is None else frame.node.tool.name


Places = Bulkhead[ExecutionFrame, Attempt]


def _bulkheads(policies: Mapping[str, ToolPolicy]) -> Iterator[tuple[str, Places]]:
    for name, policy in policies.items():
        if policy.max_concurrent is not None:
            yield name, Places(name, policy.max_concurrent, policy.max_queue)
