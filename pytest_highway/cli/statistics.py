"""Statistics of a history: steps over all runs of one workflow, or of one test.

A test's runs have a world of their own, and most of them a clock that nobody waits for: they are
never counted together with runs for real, with those of another test, or on the other clock. The
test itself comes before its steps, under an empty path; what failed there is its verdict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from statistics import median
from typing import NamedTuple

from pytest_highway.events import Event
from pytest_highway.storage.records import RunRecord, StorageError
from pytest_highway.storage.rows import Statistic, statistics
from pytest_highway.storage.storage import Storage

__all__ = ["Counted", "counted"]


class Counted(NamedTuple):
    """A step over the runs that are counted together; `case` is a node id, or empty."""

    workflow: str
    case: str
    clock: str
    step: Statistic

    def fields(self) -> dict[str, object]:
        """All of it under one level of names."""
        about = {"workflow": self.workflow, "case": self.case, "clock": self.clock}
        return {**about, **self.step._asdict(), "failure_rate": self.step.failure_rate}


class Run(NamedTuple):
    """A run and its log."""

    record: RunRecord
    log: Sequence[Event]


def counted(
    storage: Storage, records: Iterable[RunRecord], warn: Callable[[str], None]
) -> list[Counted]:
    """The statistics of these runs, the newest first; a damaged one is told and left out."""
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for record in records:
        try:
            run = Run(record, storage.log(record))
        except StorageError as error:
            warn(str(error))
            continue
        case = record.source if record.case else ""
        groups.setdefault((record.workflow, case, record.clock), []).append(run)
    return [Counted(*group, step) for group, runs in groups.items() for step in _steps(runs)]


def _steps(runs: Sequence[Run]) -> Iterator[Statistic]:
    judged = [run for run in runs if run.record.verdict]
    if judged:
        failed = sum(run.record.verdict == "failed" for run in judged)
        times = [run.log[-1].at if run.log else 0.0 for run in judged]
        yield Statistic("", len(judged), failed, round(median(times), 6), max(times))
    yield from statistics(run.log for run in runs)
