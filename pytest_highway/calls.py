"""Calls on their way to tools: admission, limits, and what happens when one has ended.

    attempt -> bulkhead of its tool -> slot of the run -> breaker, budget -> runner
       refused: AttemptEnded(called=false)              called: ToolCalled … AttemptEnded

Who waits in a bulkhead holds no slot. A place and a slot are given on once the ended call's own
task has gone on, so that in the log a call is over before the next one begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from pytest_highway.clock import shown_duration
from pytest_highway.events import (
    AttemptEnded,
    EventEmitted,
    Fault,
    LimitBreached,
    ToolCalled,
    UsageAdded,
)
from pytest_highway.executors import Runner
from pytest_highway.frame import (
    Answer,
    Attempt,
    Call,
    ExecutionFrame,
    RunServices,
    TimedOut,
    fault_of,
)
from pytest_highway.limits import (
    Breaker,
    Budget,
    Bulkhead,
    BulkheadFull,
    CircuitOpen,
    UsageLimitExceeded,
)
from pytest_highway.models import Limits, ToolPolicy
from pytest_highway.plan import Plan
from pytest_highway.tool_context import parse_usage

__all__ = ["Calls", "Deliver"]

# Hands an answer to a frame after so many seconds.
Deliver = Callable[[float, ExecutionFrame, object, Answer], None]
Waiter = tuple[ExecutionFrame, Attempt]
REFUSALS = (BulkheadFull, CircuitOpen, UsageLimitExceeded)


class Calls:
    """All calls of one run. `breach` is set once a limit of the run was passed."""

    def __init__(
        self,
        plan: Plan,
        runner: Runner,
        services: RunServices,
        deliver: Deliver,
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        workflow = plan.workflow
        self._runner = runner
        self._services = services
        self._deliver = deliver
        self._later = later
        self._slots = workflow.max_concurrency
        self._in_flight = 0
        self._queue: deque[Waiter] = deque()
        self._budget = Budget(workflow.limits or Limits())
        self._bulkheads = dict(_bulkheads(workflow.tools))
        self._breakers = {
            name: Breaker(name, policy.breaker)
            for name, policy in workflow.tools.items()
            if policy.breaker is not None
        }
        self._open: set[Call] = set()
        self.breach: Fault | None = None

    def attempt(self, frame: ExecutionFrame, attempt: Attempt) -> None:
        """Make an attempt now, or once there is a place; the answer is delivered to the frame."""
        frame.pending = attempt
        bulkhead = self._bulkheads.get(_tool(frame))
        try:
            if bulkhead is not None and not bulkhead.enter((frame, attempt)):
                return
        except BulkheadFull as error:
            self._refuse(frame, attempt, error)
            return
        self._take_slot(frame, attempt)

    def _take_slot(self, frame: ExecutionFrame, attempt: Attempt) -> None:
        if self._in_flight < self._slots:
            self._dispatch(frame, attempt)
        else:
            self._queue.append((frame, attempt))

    def _dispatch(self, frame: ExecutionFrame, attempt: Attempt) -> None:
        tool = frame.node.tool
        assert tool is not None
        self._in_flight += 1
        now = self._services.now()
        breaker = self._breakers.get(tool.name)
        try:
            if breaker is not None:
                breaker.check(now)
            if tool.effects != "pure":
                self._budget.call(frame.path)
        except REFUSALS as error:
            self._refuse(frame, attempt, error)
            self._leave(tool.name)
            return
        call = frame.pending = Call(frame, tool, attempt, self._services)
        args, kwargs = call.args, call.kwargs
        self._services.log.append(
            ToolCalled(now, frame.path, call.attempt, tool.name, args, kwargs, tool.bulkhead)
        )
        answer = self._runner.start(call)
        if answer is None:
            self._open.add(call)
            if call.deadline is not None:
                self._later(call.deadline, lambda: self._expire(call))
            return
        now = self._services.now()
        if call.deadline is not None and now + answer.after > call.deadline:
            late = TimedOut(f"no answer within {shown_duration(frame.node.timeout or 0)}")
            answer = Answer(error=late, after=max(0.0, call.deadline - now))
        self._deliver(answer.after, frame, call, answer)

    def _expire(self, call: Call) -> None:
        """The timeout of a call that is still open."""
        if call not in self._open or call.frame.pending is not call:
            return
        self._open.discard(call)
        became = self._runner.abandon(call)
        text = f"no answer within {shown_duration(call.frame.node.timeout or 0)}"
        late = TimedOut(f"{text}; {became}" if became else text)
        self._deliver(0.0, call.frame, call, Answer(error=late))

    @property
    def waits(self) -> bool:
        """Whether an answer may come in from outside."""
        return bool(self._open)

    def collect(self, seconds: float | None) -> bool:
        """Wait for answers, at most so many seconds; true when one has come in."""
        found = self._runner.wait(seconds)
        for call, answer in found:
            if call in self._open:
                self._open.discard(call)
                self._deliver(answer.after, call.frame, call, answer)
        return bool(found)

    def close(self) -> None:
        """Let the runner go of what it holds."""
        self._runner.close()

    def _refuse(self, frame: ExecutionFrame, attempt: Attempt, error: Exception) -> None:
        fault = fault_of(error, frame.path)
        now = self._services.now()
        ended = AttemptEnded(now, frame.path, attempt.number, fault, timed_out=False, called=False)
        self._services.log.append(ended)
        if isinstance(error, UsageLimitExceeded):
            self._breached("max_tool_calls", str(self._budget.tool_calls + 1), fault)
        self._deliver(0.0, frame, attempt, Answer(error=error))

    def ended(self, call: Call, answer: Answer, put: Callable[[EventEmitted], None]) -> None:
        """Log what the call left behind, in its order; `put` takes the events that it sent."""
        for record in call.records:
            if type(record) is EventEmitted:
                put(record)
                continue
            self._services.log.append(record)
            if type(record) is UsageAdded:
                self._use(call, record)
        now = self._services.now()
        breaker = self._breakers.get(call.tool.name)
        if breaker is not None:
            breaker.tell(now, failed=answer.error is not None)
        if answer.error is not None:
            fault = fault_of(answer.error, call.path)
            timed_out = isinstance(answer.error, TimedOut)
            self._services.log.append(
                AttemptEnded(now, call.path, call.attempt, fault, timed_out, called=True)
            )

    def _use(self, call: Call, used: UsageAdded) -> None:
        cost, tokens = parse_usage(used.cost, used.tokens)
        breach = self._budget.add(call.path, cost, tokens)
        if breach is not None:
            limit, total, message = breach
            self._breached(limit, total, Fault("UsageLimitExceeded", message, call.path))

    def _breached(self, limit: str, total: str, fault: Fault) -> None:
        if self.breach is None:
            self.breach = fault
            self._services.breached = True
            now = self._services.now()
            self._services.log.append(LimitBreached(now, fault.task, limit, total))

    def release(self, call: Call) -> None:
        """Give the place and the slot of an ended or cancelled call to who waits for them."""
        if call in self._open:
            self._open.discard(call)
            self._runner.abandon(call)
        self._leave(call.tool.name)

    def _leave(self, tool: str) -> None:
        self._in_flight -= 1
        bulkhead = self._bulkheads.get(tool)
        if bulkhead is not None:
            bulkhead.leave()
            if bulkhead.queue:
                bulkhead.running += 1
                self._queue.append(bulkhead.queue.popleft())
        self.fill()

    def fill(self) -> None:
        """Give free slots to who waits for them."""
        while self._queue and self._in_flight < self._slots:
            self._dispatch(*self._queue.popleft())

    def withdraw(self, frame: ExecutionFrame, attempt: Attempt) -> None:
        """A cancelled task's attempt no longer waits."""
        bulkhead = self._bulkheads.get(_tool(frame))
        waiter = (frame, attempt)
        if waiter in self._queue:
            self._queue.remove(waiter)
            if bulkhead is not None:
                bulkhead.leave()
        elif bulkhead is not None and waiter in bulkhead.queue:
            bulkhead.queue.remove(waiter)


def _tool(frame: ExecutionFrame) -> str:
    return "" if frame.node.tool is None else frame.node.tool.name


def _bulkheads(policies: Mapping[str, ToolPolicy]) -> Iterator[tuple[str, Bulkhead[Waiter]]]:
    for name, policy in policies.items():
        if policy.max_concurrent is not None:
            yield name, Bulkhead[Waiter](name, policy.max_concurrent, policy.max_queue)
