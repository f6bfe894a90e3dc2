"""What a log says: the result of a run as values, each a function of its events.

`RunResult` wraps a log; every property is computed from it when first asked for and never from
the engine, so a log that was stored and read back answers the same.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple, cast

from pytest_highway.events import (
    BranchesSelected,
    ConditionEvaluated,
    Event,
    EventEmitted,
    Fault,
    HttpRequested,
    ItemsListed,
    MemoryWritten,
    RunEnded,
    RunStarted,
    ScopeEntered,
    StoodIn,
    TaskEnded,
    TaskStarted,
    ToolCalled,
    UsageAdded,
    WaitEnded,
)
from pytest_highway.reading.collector import collector_paused
from pytest_highway.tools import Registry
from pytest_highway.transcript import Level, transcript

__all__ = ["RunResult", "Usage"]


class Usage(NamedTuple):
    """What a run used. Costs add as decimals, exactly."""

    cost: Decimal
    tokens: int
    tool_calls: int


class RunResult:
    """The outcome of one run, by its log."""

    def __init__(self, log: Sequence[Event]) -> None:
        self._log = log
        self._transcripts: dict[Level, list[str]] = {}

    @property
    def log(self) -> Sequence[Event]:
        """The events that everything else is computed from."""
        return self._log

    @property
    def started(self) -> RunStarted:
        """The first event."""
        return cast("RunStarted", self.log[0])

    @property
    def ended(self) -> RunEnded:
        """The last event."""
        return cast("RunEnded", self.log[-1])

    @property
    def status(self) -> str:
        """`success`, `failed` or `cancelled`."""
        return self.ended.status

    @property
    def error(self) -> Fault | None:
        """The first critical failure in plan order."""
        return self.ended.fault

    @property
    def output(self) -> object:
        """The workflow's value."""
        return self.ended.output

    @property
    def duration(self) -> float:
        """Seconds on the run's own clock."""
        return self.ended.at

    @cached_property
    def ends(self) -> dict[str, TaskEnded]:
        """Each task's end, by path."""
        return {event.path: event for event in self.log if type(event) is TaskEnded}

    @cached_property
    def starts(self) -> dict[str, int]:
        """Where in the log each task that ran began, by path."""
        return {
            event.path: place for place, event in enumerate(self.log) if type(event) is TaskStarted
        }

    @cached_property
    def end_places(self) -> dict[str, int]:
        """Where in the log each task ended, by path."""
        return {
            event.path: place for place, event in enumerate(self.log) if type(event) is TaskEnded
        }

    @cached_property
    def branches(self) -> dict[str, object]:
        """What each condition chose (`if_true`, `if_false`) and each parallel ran (names)."""
        found: dict[str, object] = {}
        for event in self.log:
            if type(event) is ConditionEvaluated:
                found[event.path] = event.side
            elif type(event) is BranchesSelected:
                found[event.path] = event.selected
        return found

    @cached_property
    def replaced(self) -> dict[str, str]:
        """Which task stands in for which failed one, by path."""
        return {event.task: event.path for event in self.log if type(event) is StoodIn}

    @cached_property
    def calls(self) -> list[ToolCalled]:
        """Every attempt that reached a tool, in order of time."""
        return [event for event in self.log if type(event) is ToolCalled]

    @cached_property
    def requests(self) -> list[HttpRequested]:
        """Every HTTP request that a case answered."""
        return [event for event in self.log if type(event) is HttpRequested]

    @cached_property
    def results(self) -> dict[str, object]:
        """Results by key, as they stood at the end.

        Those of a foreach's body and of a nested workflow stay inside it.
        """
        hidden: set[str] = set()  # scopes, by path, whose results stay inside
        loops: set[str] = set()
        found: dict[str, object] = {}
        for event in self.log:
            if type(event) is ItemsListed:
                loops.add(event.path)
            elif type(event) is ScopeEntered:
                # Of a foreach, of a nested workflow (its scope has its own path), or below those.
                if event.owner in loops or event.owner == event.path or _is_in(event.path, hidden):
                    hidden.add(event.path)
            elif type(event) in (TaskEnded, StoodIn):
                end = cast("TaskEnded | StoodIn", event)
                if end.result_key and not _is_in(end.path, hidden):
                    found[end.result_key] = end.value
        return found

    @cached_property
    def memory(self) -> dict[str, object]:
        """Memory as it stood at the end.

        Writes enter the log when their calls end, so the last one of a key is told by its time.
        """
        last: dict[str, MemoryWritten] = {}
        for event in self.log:
            if type(event) is MemoryWritten and event.at >= last.get(event.key, event).at:
                last[event.key] = event
        return {key: event.value for key, event in last.items()}

    @cached_property
    def emitted(self) -> list[EventEmitted]:
        """Events that came in."""
        return [event for event in self.log if type(event) is EventEmitted]

    @cached_property
    def taken_events(self) -> frozenset[int]:
        """Which of these events some wait took, by their number."""
        return frozenset(event.event for event in self.log if type(event) is WaitEnded)

    def usage(self, registry: Registry) -> Usage:
        """What the run used; calls to tools that the registry calls pure are not counted."""
        used = [event for event in self.log if type(event) is UsageAdded]
        cost = sum((Decimal(event.cost) for event in used), Decimal(0))
        effectful = [
            event
            for event in self.calls
            if (tool := registry.get(event.tool)) is None or tool.effects != "pure"
        ]
        return Usage(cost, sum(event.tokens for event in used), len(effectful))

    def transcript(self, level: Level = "tasks") -> list[str]:
        """The lines of the run at one level."""
        if level not in self._transcripts:
            self._transcripts[level] = self._render(level)
        return self._transcripts[level]

    def _render(self, level: Level) -> list[str]:
        with collector_paused(True):
            return transcript(self.log, level)


def _is_in(path: str, scopes: Set[str]) -> bool:
    """Whether a path lies in one of these scopes, at whatever depth."""
    while "/" in path:
        path = path.rpartition("/")[0]
        if path in scopes:
            return True
    return False
