"""The one contract between operators and engine: frames, effects, answers and outcomes.

An operator is a generator function over an `ExecutionFrame`. It yields *effects*, is sent their
answers, and returns an `Outcome`:

    yields          is sent                 meaning
    Attempt         Answer                  call the frame's tool once more
    Pause           None                    wait before the next attempt
    Choose          None                    a condition takes an edge
    Select          None, when all ended    a parallel starts the members of these branches
    Enter           None                    a loop begins an iteration
    Join            an IterationEnd         the next iteration that has ended
    CancelOpen      None                    stop the iterations in flight
    Sleep           None                    let time pass
    AwaitEvent      Answer                  wait for an event; a TimedOut as error
    TakeLock        Answer                  take a named lock; a LockTimeout as error
    Record          None                    write an event into the log

The engine owns everything else: time, order, limits, the log. A generator never logs, sleeps or
calls a tool itself, so that every driver of the engine sees the same run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, MutableMapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pytest_highway.clock import Clock, instant
from pytest_highway.errors import HighwayError
from pytest_highway.events import (
    Event,
    EventEmitted,
    Fault,
    Logged,
    MemoryWritten,
    TaskEnded,
    UsageAdded,
)
from pytest_highway.expression import Expression
from pytest_highway.plan import Node, Scope
from pytest_highway.serialization import to_plain
from pytest_highway.state import Actor, Layered, RunMemory, TaskMemory, TaskStates
from pytest_highway.tool_context import LogLevel, Memory
from pytest_highway.tools import Tool

__all__ = [
    "Answer",
    "Attempt",
    "AwaitEvent",
    "Call",
    "CancelOpen",
    "Choose",
    "Effect",
    "Enter",
    "ExecutionFrame",
    "IterationEnd",
    "Join",
    "Outcome",
    "Pause",
    "Problem",
    "Record",
    "RunServices",
    "ScopeRun",
    "Select",
    "Sent",
    "Sleep",
    "Steps",
    "TakeLock",
    "TimedOut",
    "Unretryable",
    "fault_of",
]


class Unretryable(HighwayError):
    """A failure that a further attempt cannot mend."""


class TimedOut(TimeoutError):
    """An attempt took longer than its timeout; a `TimeoutError` to everyone who looks."""


class Answer(NamedTuple):
    """How an attempt ended: a plain value, or the exception. `after` is its latency in seconds."""

    value: object = None
    error: Exception | None = None
    after: float = 0.0


class Outcome(NamedTuple):
    """How a task ended; see `TaskEnded` for the fields."""

    status: str
    value: object = None
    fault: Fault | None = None
    reason: str = ""
    attempts: int = 0
    note: str = ""


class Attempt(NamedTuple):
    """Effect: call the tool of the frame's node with these rendered arguments."""

    number: int
    args: list[object]
    kwargs: dict[str, object]
    feedback: str | None


class Pause(NamedTuple):
    """Effect: let `seconds` pass before attempt `number`."""

    number: int
    seconds: float


class Choose(NamedTuple):
    """Effect: a condition was evaluated; `resolved` is its text with the values it read."""

    resolved: str
    value: bool


class Select(NamedTuple):
    """Effect: start the members of these branches; the answer comes when all have ended."""

    branches: list[str]


class Enter(NamedTuple):
    """Effect: enter the body once; `part` is what the iteration adds to the path."""

    number: int
    part: str
    roots: dict[str, object]
    shares_results: bool


class Join(NamedTuple):
    """Effect: wait for an iteration to end."""


class CancelOpen(NamedTuple):
    """Effect: cancel the iterations in flight; they are still to be joined."""

    reason: str


class Sleep(NamedTuple):
    """Effect: let `seconds` pass."""

    seconds: float


class AwaitEvent(NamedTuple):
    """Effect: wait for the event `name` whose data lets `match` hold."""

    name: str
    match: Expression | None
    timeout: float | None


class TakeLock(NamedTuple):
    """Effect: take a named lock, waiting for it at most so many seconds."""

    name: str
    wait: float


class Record(NamedTuple):
    """Effect: log an event of this kind with these fields behind its time and path."""

    kind: Callable[..., Event]
    fields: tuple[object, ...] = ()


class IterationEnd(NamedTuple):
    """How an iteration ended: its number, its fault if it failed, and its own results."""

    number: int
    status: str
    fault: Fault | None
    results: Mapping[str, object]


Effect = (
    Attempt
    | Pause
    | Choose
    | Select
    | Enter
    | Join
    | CancelOpen
    | Sleep
    | AwaitEvent
    | TakeLock
    | Record
)
Sent = Answer | IterationEnd | None
Steps = Generator[Effect, Sent, Outcome]


class Problem(NamedTuple):
    """An edge that is not live: `kind` is dead, failed or cancelled, `source` where it starts.

    `killers` are the nodes that decided against a dead edge; see `rules`.
    """

    source: int
    kind: str
    killers: tuple[int, ...] = ()


class RunServices:
    """What lives as long as a run and is shared by all of its calls.

    `cache` holds results by key, each with the moment until which it holds; `breached` tells that
    a limit was passed, so that nothing is retried any more.
    """

    __slots__ = (
        "breached",
        "cache",
        "clock",
        "env",
        "log",
        "memory",
        "now",
        "resources",
        "variables",
    )

    def __init__(
        self,
        log: list[Event],
        memory: RunMemory,
        variables: Mapping[str, object],
        env: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self.log = log
        self.env = env
        self.breached = False
        self.cache: dict[str, tuple[float, object]] = {}
        self.memory = memory
        self.variables = variables
        self.resources: MutableMapping[str, object] = {}
        self.clock = clock
        self.now = clock.now


class ScopeRun:
    """One entry into a scope: how far each of its nodes is.

    `waiting[n]` counts the upstreams of node n that have not ended; `problems[n]` lists its edges
    that are not live; `ends[n]` is its end, or None; `chosen[c]` is the node that condition c took;
    `selected[p]` are the members that parallel p started and `open[p]` how many of all its members
    have not ended; `replaced` holds the failed nodes that a fallback stands in for. `key` orders
    runs by their place; `parent` is the loop's frame and `number` that of the iteration.
    """

    __slots__ = (
        "chosen",
        "ends",
        "frames",
        "key",
        "left",
        "number",
        "open",
        "own_results",
        "parent",
        "prefix",
        "problems",
        "replaced",
        "roots",
        "scope",
        "selected",
        "waiting",
    )

    def __init__(self, scope: Scope, roots: dict[str, object]) -> None:
        self.scope = scope
        self.prefix = ""
        self.key: tuple[int, ...] = ()
        self.parent: ExecutionFrame | None = None
        self.number = 0
        self.waiting = list(scope.waits)
        self.problems: dict[int, list[Problem]] = {}
        self.ends: list[TaskEnded | None] = [None] * len(scope.nodes)
        self.chosen: dict[int, int | None] = {}
        self.selected: dict[int, tuple[int, ...]] = {}
        self.open: dict[int, int] = {}
        self.frames: dict[int, ExecutionFrame] = {}
        self.replaced: set[int] = set()
        self.left = len(scope.nodes)
        self.own_results: MutableMapping[str, object] = {}
        states = TaskStates(scope.index, self.ends)
        self.roots = {"results": self.own_results, **roots, "tasks": states, "prev": states}

    @classmethod
    def of_iteration(cls, frame: ExecutionFrame, enter: Enter) -> ScopeRun:
        """One iteration of a loop's body.

        The results of a `while` are those of its surroundings; a `foreach` sees them behind its
        own.
        """
        outer, node = frame.run, frame.node
        assert node.body is not None
        run = cls(node.body, {**outer.roots, **enter.roots})
        run.prefix = f"{frame.path}{enter.part}/"
        run.key = (*outer.key, node.index, enter.number)
        run.parent = frame
        run.number = enter.number
        if enter.shares_results:
            run.own_results = outer.own_results
        else:
            run.roots["results"] = Layered(run.own_results, outer.results)
        seen = outer.roots["tasks"]
        assert isinstance(seen, TaskStates)
        run.roots["tasks"] = run.roots["prev"] = TaskStates(node.body.index, run.ends, seen)
        return run

    @property
    def results(self) -> Mapping[str, object]:
        """Results by key, as templates see them."""
        found = self.roots["results"]
        assert isinstance(found, Mapping)
        return found

    def path(self, node: Node) -> str:
        """The path of a node in this run."""
        return self.prefix + node.id

    def actor(self, node: Node) -> Actor:
        """The node as a user of memory."""
        return Actor(self.prefix + node.id, self, node.index, node.result_is_read)


class ExecutionFrame:
    """One running operator.

    `pending` is what it waits for, if anything: a late answer to something else is dropped.
    `children` are its open iterations by number, `done` the ends it has not joined yet; `stopped`
    is the reason for which it was cancelled while iterations were still open; `locks` names the
    locks that it holds.
    """

    __slots__ = (
        "attempts",
        "children",
        "done",
        "locks",
        "node",
        "path",
        "pending",
        "run",
        "services",
        "steps",
        "stopped",
    )

    def __init__(
        self,
        run: ScopeRun,
        node: Node,
        steps: Callable[[ExecutionFrame], Steps],
        services: RunServices,
    ) -> None:
        self.run = run
        self.services = services
        self.node = node
        self.path = run.prefix + node.id
        self.attempts = 0
        self.pending: object = None
        self.locks: list[str] = []
        self.children: dict[int, ScopeRun] = {}
        self.done: deque[IterationEnd] = deque()
        self.stopped = ""
        self.steps = steps(self)

    @property
    def roots(self) -> dict[str, object]:
        """What expressions of this node may read."""
        return self.run.roots

    def unordered_roots(self) -> dict[str, object]:
        """The same for a wait, which may read memory that a task beside it writes."""
        self.services.memory.actor = None
        return self.run.roots

    def instant(self) -> datetime:
        """The run's date and time."""
        return instant(self.services.clock, self.services.now())


class Call:
    """One attempt on its way to a tool: what is called, and the host of the tool's context.

    What the tool logs and uses is kept here and enters the run's log when the call has ended, by
    the engine's own hand: no thread of a tool reaches the log.
    """

    __slots__ = (
        "args",
        "attempt",
        "deadline",
        "feedback",
        "frame",
        "kwargs",
        "latency",
        "records",
        "services",
        "tool",
    )

    def __init__(
        self, frame: ExecutionFrame, tool: Tool, attempt: Attempt, services: RunServices
    ) -> None:
        self.frame = frame
        self.tool = tool
        self.attempt = attempt.number
        self.args = attempt.args
        self.kwargs = attempt.kwargs
        self.feedback = attempt.feedback
        self.services = services
        self.records: list[Event] = []
        self.latency = 0.0  # virtual seconds that stubbed HTTP answers took
        timeout = frame.node.timeout
        self.deadline = None if timeout is None else services.now() + timeout

    @property
    def path(self) -> str:
        """The path of the calling task."""
        return self.frame.path

    @property
    def memory(self) -> Memory:
        """The run's memory, used in the name of this task."""
        actor = self.frame.run.actor(self.frame.node)
        return TaskMemory(self.services.memory, actor, self._memory_written)

    def _memory_written(self, key: str, value: object) -> None:
        self.records.append(MemoryWritten(self.services.now(), self.path, key, value))

    @property
    def variables(self) -> Mapping[str, object]:
        """The run's variables."""
        return self.services.variables

    @property
    def env(self) -> Mapping[str, str]:
        """The run's environment with the task's own over it."""
        own = getattr(self.frame.node.model, "env", None)
        return {**self.services.env, **own} if own else self.services.env

    @property
    def metadata(self) -> Mapping[str, object]:
        """The task's own metadata."""
        return self.frame.node.model.metadata

    @property
    def resources(self) -> MutableMapping[str, object]:
        """What lives as long as the run."""
        return self.services.resources

    @property
    def cancelled(self) -> bool:
        """Whether the frame no longer waits for this call."""
        return self.frame.pending is not self

    def remaining(self) -> float | None:
        """Seconds until the deadline, or None."""
        return None if self.deadline is None else self.deadline - self.services.now()

    def log(self, level: LogLevel, message: str) -> None:
        """Keep one log line."""
        self.records.append(
            Logged(self.services.now(), self.frame.path, self.tool.name, level, message)
        )

    def add_usage(self, cost: Decimal, tokens: int) -> None:
        """Keep what the attempt used."""
        self.records.append(UsageAdded(self.services.now(), self.frame.path, str(cost), tokens))

    def emit(self, name: str, data: object) -> None:
        """Keep an event for those who wait."""
        self.records.append(EventEmitted(self.services.now(), self.frame.path, name, to_plain(data)))


def fault_of(error: BaseException, path: str) -> Fault:
    """An exception as data."""
    kind = TimeoutError if isinstance(error, TimedOut) else type(error)
    return Fault(kind.__name__, str(error), path)
