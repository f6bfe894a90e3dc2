"""Effects: what an operator asks of the engine, and what it is answered.

An operator is a generator function over an `ExecutionFrame`. It yields *effects*, is sent their
answers, and returns an `Outcome`:

    yields          is sent                 meaning
    Attempt         Answer                  call the frame's tool once more
    Pause           None                    wait before the next attempt
    Choose          None                    a condition takes an edge
    Select          None, when all ended    a parallel starts the members of these branches
    Enter           None                    a loop begins an iteration
    EnterFile       None                    a nested workflow begins
    Join            an IterationEnd         the next iteration that has ended
    CancelOpen      None                    stop the iterations in flight
    Sleep           None                    let time pass
    Expire          None                    end it as timed out after so many seconds
    AwaitEvent      Answer                  wait for an event; a TimedOut as error
    TakeLock        Answer                  take a named lock; a LockTimeout as error
    Record          None                    write an event into the log
    Repeat          None                    do again what a recorded task did, without its calls

The engine owns everything else: time, order, limits, the log. A generator never logs, sleeps or
calls a tool itself, so that every driver of the engine sees the same run.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from pytest_highway.errors import HighwayError
from pytest_highway.events import Event, Fault
from pytest_highway.expressions.expression import Expression
from pytest_highway.runners.raised import PassedThrough

if TYPE_CHECKING:
    from pytest_highway.engine.frame import ScopeRun

__all__ = [
    "Answer",
    "Attempt",
    "AwaitEvent",
    "CancelOpen",
    "Choose",
    "Effect",
    "Enter",
    "EnterFile",
    "Expire",
    "IterationEnd",
    "Join",
    "Outcome",
    "Pause",
    "Record",
    "Repeat",
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
    """An attempt took longer than its timeout; a `TimeoutError` to everyone who looks.

    `printed` is what its process had printed until then.
    """

    def __init__(self, message: str, printed: str = "") -> None:
        super().__init__(message)
        self.printed = printed


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
    """Effect: call the tool of the frame's node with these rendered arguments.

    `env` is the task's own environment, `feedback` why the last attempt failed.
    """

    number: int
    args: list[object]
    kwargs: dict[str, object]
    env: Mapping[str, str]
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


class EnterFile(NamedTuple):
    """Effect: enter the nested workflow with these roots, which are all that it sees."""

    roots: dict[str, object]


class Join(NamedTuple):
    """Effect: wait for an iteration to end."""


class CancelOpen(NamedTuple):
    """Effect: cancel the iterations in flight; they are still to be joined."""

    reason: str


class Sleep(NamedTuple):
    """Effect: let `seconds` pass; `poll` tells why, when it is only to look once more."""

    seconds: float
    poll: str = ""


class Expire(NamedTuple):
    """Effect: end the operator as timed out, and all that it started, unless it is done by then."""

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


class Repeat(NamedTuple):
    """Effect: bring these recorded events about again; of those sent, deliver only the `kept`."""

    events: tuple[Event, ...]
    kept: frozenset[int]


class IterationEnd(NamedTuple):
    """How an iteration, or a nested workflow, ended: its fault if it failed, and its scope."""

    number: int
    status: str
    fault: Fault | None
    run: ScopeRun


Effect = (
    Attempt
    | Pause
    | Choose
    | Select
    | Enter
    | EnterFile
    | Join
    | CancelOpen
    | Sleep
    | Expire
    | AwaitEvent
    | TakeLock
    | Record
    | Repeat
)
Sent = Answer | IterationEnd | None
Steps = Generator[Effect, Sent, Outcome]


def fault_of(error: BaseException, path: str) -> Fault:
    """An exception as data."""
    if isinstance(error, PassedThrough):
        error = error.outcome
    kind = TimeoutError if isinstance(error, TimedOut) else type(error)
    return Fault(kind.__name__, str(error), path)
