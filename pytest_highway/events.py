"""The event log: the one product of a run, from which everything else is derived.

An event is a named tuple of plain data whose first field is the moment (`at`, seconds since the
start) and whose second, where it concerns a task, is the task's `path`. Named tuples rather than
frozen dataclasses: as immutable, and five times as cheap to make, which is felt at 100,000 tasks.

    RunStarted  (TaskStarted (ToolCalled | ConditionEvaluated | …)* TaskEnded)*  RunEnded

A task that never started has only its `TaskEnded`. Nothing of a path follows its `TaskEnded`,
except from the iterations and members below it. `encode_log` and `decode_log` are exact inverses:
a stored log has the same views as the live one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

from pytest_highway.errors import HighwayError
from pytest_highway.serialization import encodable, from_json, to_json

__all__ = [
    "EVENT_TYPES",
    "AttemptEnded",
    "BranchesSelected",
    "ConditionEvaluated",
    "Event",
    "EventEmitted",
    "Fault",
    "HttpRequested",
    "ItemsListed",
    "LimitBreached",
    "LogFormatError",
    "Logged",
    "MemoryWritten",
    "Outline",
    "RetryScheduled",
    "RunEnded",
    "RunStarted",
    "ScopeEntered",
    "StoodIn",
    "TaskEnded",
    "TaskRepeated",
    "TaskStarted",
    "ToolCalled",
    "UsageAdded",
    "WaitEnded",
    "WaitOpened",
    "decode_log",
    "encode_log",
    "new_tuple",
]


class LogFormatError(HighwayError):
    """A stored log that cannot be read; names the line."""


class Fault(NamedTuple):
    """An exception as data: its class name and text, and the path of the task it came from."""

    type: str
    message: str
    task: str = ""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class Outline(NamedTuple):
    """What a transcript must know of one task of a scope, in the order of printing.

    `id` is the name within the scope, `kind` its operator, `result_key` or an empty text, `body`
    the outline of a loop's body.
    """

    id: str
    kind: str
    result_key: str = ""
    body: tuple[Outline, ...] = ()


class RunStarted(NamedTuple):
    """A run began; `functions` counts the registered tools, `outline` lists the tasks."""

    at: float
    workflow: str
    file: str
    functions: int
    outline: tuple[Outline, ...]
    path: str = ""


class TaskStarted(NamedTuple):
    """The join rule of a task held and nothing skipped it."""

    at: float
    path: str


class TaskRepeated(NamedTuple):
    """A resumed run has taken this task from the record of an earlier one, and not run it.

    Of a composite what is inside: `wholly`, or some of it.
    """

    at: float
    path: str
    wholly: bool


class ToolCalled(NamedTuple):
    """One attempt began; `guarded` tells whether the tool has a bulkhead."""

    at: float
    path: str
    attempt: int
    tool: str
    args: list[object]
    kwargs: dict[str, object]
    guarded: bool


class HttpRequested(NamedTuple):
    """A real fetch tool sent a request that a case answered; `key` is the case's key for it."""

    at: float
    path: str
    key: str


class Logged(NamedTuple):
    """A tool logged; `level` is debug, info, warning, error, or trace (its own working)."""

    at: float
    path: str
    tool: str
    level: str
    message: str


class MemoryWritten(NamedTuple):
    """A key of the run's memory got a value; `amount` is what was added, if it was an addition."""

    at: float
    path: str
    key: str
    value: object
    amount: float | None = None


class UsageAdded(NamedTuple):
    """An attempt reported what it used; `cost` is a decimal written as text."""

    at: float
    path: str
    cost: str
    tokens: int


class EventEmitted(NamedTuple):
    """An event came in: from a task, or from outside, with an empty path."""

    at: float
    path: str
    name: str
    data: object


class AttemptEnded(NamedTuple):
    """One attempt failed; `called` is false when it was refused before the tool was reached.

    `printed` is what its process printed, where it had one.
    """

    at: float
    path: str
    attempt: int
    fault: Fault
    timed_out: bool
    called: bool
    printed: str = ""


class RetryScheduled(NamedTuple):
    """A further attempt follows after `delay` seconds."""

    at: float
    path: str
    attempt: int
    delay: float


class ConditionEvaluated(NamedTuple):
    """A condition chose; `side` is if_true or if_false, `target` empty when that side is absent."""

    at: float
    path: str
    source: str
    resolved: str
    value: bool
    side: str
    target: str


class BranchesSelected(NamedTuple):
    """A parallel started these branches, in declared order, out of `declared` ones."""

    at: float
    path: str
    selected: list[str]
    declared: list[str]


class ItemsListed(NamedTuple):
    """A foreach knows how many items it has."""

    at: float
    path: str
    items: int


class ScopeEntered(NamedTuple):
    """An iteration of the loop `owner` began; `path` is its own, as `loop[2]`."""

    at: float
    path: str
    owner: str
    number: int


class WaitOpened(NamedTuple):
    """A wait began; `what` says what for, in the words of the transcript."""

    at: float
    path: str
    what: str


class WaitEnded(NamedTuple):
    """A wait is over; `event` is the number of the event it took, from 0, or -1."""

    at: float
    path: str
    event: int


class LimitBreached(NamedTuple):
    """A limit of the run was passed by the task at `path`."""

    at: float
    path: str
    limit: str
    total: str


class TaskEnded(NamedTuple):
    """The one terminal state of a task.

    `reason` says why in words; `fault` is there for failed and timed-out tasks; `value` is the
    task's value when it succeeded; `note` is a remark for the transcript, as that a cached result
    was used.
    """

    at: float
    path: str
    status: str
    reason: str = ""
    attempts: int = 0
    fault: Fault | None = None
    value: object = None
    result_key: str = ""
    note: str = ""


class StoodIn(NamedTuple):
    """The fallback at `path` succeeded: its value is the result of the failed `task` as well."""

    at: float
    path: str
    task: str
    result_key: str
    value: object


class RunEnded(NamedTuple):
    """The run is over; `fault` is the first critical failure in plan order."""

    at: float
    status: str
    fault: Fault | None
    output: object
    reason: str = ""
    path: str = ""


Event = (
    RunStarted
    | TaskStarted
    | TaskRepeated
    | ToolCalled
    | HttpRequested
    | Logged
    | MemoryWritten
    | UsageAdded
    | EventEmitted
    | AttemptEnded
    | RetryScheduled
    | ConditionEvaluated
    | BranchesSelected
    | ItemsListed
    | ScopeEntered
    | WaitOpened
    | WaitEnded
    | LimitBreached
    | TaskEnded
    | StoodIn
    | RunEnded
)

EVENT_TYPES: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        RunStarted,
        TaskStarted,
        TaskRepeated,
        ToolCalled,
        HttpRequested,
        Logged,
        MemoryWritten,
        UsageAdded,
        EventEmitted,
        AttemptEnded,
        RetryScheduled,
        ConditionEvaluated,
        BranchesSelected,
        ItemsListed,
        ScopeEntered,
        WaitOpened,
        WaitEnded,
        LimitBreached,
        TaskEnded,
        StoodIn,
        RunEnded,
    )
}

# What the constructors do, without the function in Python that they are: `new_tuple(TaskStarted,
# (at, path))` makes one event of every field in order. For the events of every single task alone.
new_tuple = tuple.__new__


def encode_log(log: Iterable[Event]) -> str:
    """One line of JSON for each event: `["TaskStarted", 0.0, "fetch"]`."""
    lines = [f"{to_json([type(event).__name__, *event])}\n" for event in log]
    return encodable("".join(lines))


def decode_log(text: str) -> list[Event]:
    """The events that `encode_log` wrote; raises `LogFormatError` naming the line."""
    log: list[Event] = []
    # Not `splitlines`: JSON leaves U+2028 and its like as they are inside a text.
    lines = text.removesuffix("\n").split("\n") if text else []
    for number, line in enumerate(lines, start=1):
        try:
            name, *values = cast("list[object]", from_json(line))
            log.append(_event(cast("str", name), values))
        except (ValueError, TypeError, KeyError) as error:
            raise LogFormatError(f"line {number} of the log is no event: {error}") from error
    return log


def _event(name: str, values: Sequence[object]) -> Event:
    kind = EVENT_TYPES[name]
    fields = dict(zip(kind._fields, values, strict=True))
    if fields.get("fault") is not None:
        fields["fault"] = Fault(*cast("list[str]", fields["fault"]))
    if "outline" in fields:
        fields["outline"] = _outline(cast("list[list[object]]", fields["outline"]))
    return kind(**fields)  # type: ignore[arg-type]  # values of a stored log have their types


def _outline(rows: list[list[object]]) -> tuple[Outline, ...]:
    return tuple(
        Outline(str(name), str(kind), str(key), _outline(cast("list[list[object]]", body)))
        for name, kind, key, body in rows
    )
