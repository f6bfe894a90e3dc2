"""What a history shows of runs: steps and attempts as rows, statistics, differences.

All of it is a function of the logs. A step is a task at its path; its duration runs from its start
to its end, its attempts from their calls. What a resumed run repeats from the record was not run by
it: the run that did counts it, and only that one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import NamedTuple

from pytest_highway.events import (
    AttemptEnded,
    Event,
    TaskEnded,
    TaskRepeated,
    TaskStarted,
    ToolCalled,
)
from pytest_highway.serialization import to_json

__all__ = [
    "FAILURES",
    "Attempt",
    "Difference",
    "Statistic",
    "Step",
    "attempts",
    "differences",
    "statistics",
    "steps",
]


class Step(NamedTuple):
    """One task of one run; `duration` in seconds, None when it never started or has not ended.

    `status` is `running` while it has not ended; `repeated` is `wholly` or `partly` (a composite)
    where a resumed run took it from the record, and else empty.
    """

    path: str
    status: str
    reason: str
    attempts: int
    started: float | None
    duration: float | None
    value: object
    repeated: str = ""


class Attempt(NamedTuple):
    """One call of a tool; `ended` is None for the one that succeeded at its task's end, or runs.

    `printed` is what the process of one that failed has printed.
    """

    path: str
    number: int
    tool: str
    started: float
    ended: float | None
    error: str
    printed: str


class Statistic(NamedTuple):
    """A step over many runs: how often it ran and failed, its durations in seconds.

    These are of runs that ran the whole of it, and None when there is no such run.
    """

    path: str
    runs: int
    failed: int
    median: float | None
    longest: float | None

    @property
    def failure_rate(self) -> float:
        """The share of runs that it failed in, from 0 to 1."""
        return self.failed / self.runs


class Difference(NamedTuple):
    """What one step has in one run and in another, as text; empty where it has no such step."""

    path: str
    what: str
    before: str
    after: str


def steps(log: Sequence[Event]) -> list[Step]:
    """The tasks of a run in the order of their first event."""
    started = {event.path: event.at for event in log if type(event) is TaskStarted}
    ends = {event.path: event for event in log if type(event) is TaskEnded}
    repeated = {event.path: event.wholly for event in log if type(event) is TaskRepeated}
    paths = dict.fromkeys(
        event.path for event in log if type(event) is TaskStarted or type(event) is TaskEnded
    )
    return [
        _step(path, started.get(path), ends.get(path), EXTENTS[repeated.get(path)])
        for path in paths
    ]


EXTENTS = {None: "", False: "partly", True: "wholly"}


def _step(path: str, started: float | None, end: TaskEnded | None, repeated: str) -> Step:
    if end is None:
        return Step(path, "running", "", 0, started, None, None)
    duration = None if started is None else round(end.at - started, 6)
    reason = end.reason or str(end.fault or "")
    return Step(path, end.status, reason, end.attempts, started, duration, end.value, repeated)


def attempts(log: Sequence[Event]) -> list[Attempt]:
    """Every call of a tool, in order of time."""
    ends = {
        (event.path, event.attempt): event
        for event in log
        if type(event) is AttemptEnded and event.called
    }
    return [
        _attempt(event, ends.get((event.path, event.attempt)))
        for event in log
        if type(event) is ToolCalled
    ]


def _attempt(call: ToolCalled, end: AttemptEnded | None) -> Attempt:
    ended, error, printed = (None, "", "") if end is None else (end.at, str(end.fault), end.printed)
    return Attempt(call.path, call.attempt, call.tool, call.at, ended, error, printed)


FAILURES = frozenset({"failed", "timed_out"})


def statistics(logs: Iterable[Sequence[Event]]) -> list[Statistic]:
    """Each step that ran, over these runs, in the order in which they first met it."""
    found: dict[str, list[Step]] = {}
    for log in logs:
        for step in steps(log):
            if step.duration is not None and step.repeated != "wholly":
                found.setdefault(step.path, []).append(step)
    return [_statistic(path, each) for path, each in found.items()]


def _statistic(path: str, ran: Sequence[Step]) -> Statistic:
    durations = [step.duration or 0.0 for step in ran if not step.repeated]
    failed = sum(step.status in FAILURES for step in ran)
    middle = round(median(durations), 6) if durations else None
    return Statistic(path, len(ran), failed, middle, max(durations, default=None))


def differences(before: Sequence[Event], after: Sequence[Event]) -> Iterator[Difference]:
    """Where two runs differ: status, reason, attempts and value of each step; never its times."""
    old, new = ({step.path: step for step in steps(log)} for log in (before, after))
    for path in dict.fromkeys([*old, *new]):
        left, right = _shown(old, path), _shown(new, path)
        for what in dict.fromkeys([*left, *right]):
            if left.get(what) != right.get(what):
                yield Difference(path, what, left.get(what, ""), right.get(what, ""))


def _shown(known: Mapping[str, Step], path: str) -> dict[str, str]:
    step = known.get(path)
    if step is None:
        return {}
    shown = {"status": step.status, "reason": step.reason, "attempts": str(step.attempts)}
    return shown | ({} if step.value is None else {"value": to_json(step.value)})
