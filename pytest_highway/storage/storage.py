"""The one interface of all backends: a few primitives, and what follows from them.

A record is one line of JSON that is replaced as a whole, by compare-and-swap on its state. A log
is a list of lines that only grows; `append` says at which position its lines begin, so that
repeating an append whose fate is unknown changes nothing. A reader in another process sees whole
records and whole appends, at any time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Self

from pytest_highway.errors import listed
from pytest_highway.events import Event, LogFormatError, decode_log
from pytest_highway.storage.records import (
    RUN_ID,
    TRANSITIONS,
    IllegalTransition,
    RunRecord,
    StorageError,
    new_run_id,
    timestamp,
)

__all__ = ["Storage", "undone_on_fault"]


@contextmanager
def undone_on_fault(undo: Callable[[], object]) -> Iterator[None]:
    """Call `undo` unless the block comes to its end; what stopped it goes on its way.

    Ctrl-C counts: half a change is no better for having been interrupted.
    """
    with ExitStack() as stack:
        stack.callback(undo)
        yield
        stack.pop_all()


class Storage(ABC):
    """Where runs are remembered; `name` tells it in messages. All methods raise StorageError."""

    name: str

    # --- what a backend does -------------------------------------------------------------------

    @abstractmethod
    def add(self, record: RunRecord) -> None:
        """Keep a new run; StorageError when its id is taken."""

    @abstractmethod
    def swap(self, record: RunRecord, expected: str) -> bool:
        """Replace a run's record if its state is the `expected` one; whether it was."""

    @abstractmethod
    def append(self, run_id: str, first: int, lines: Sequence[str]) -> None:
        """Add lines to a run's log, all or none; `first` is the position of the first.

        Lines at positions that the log has are left as they are.
        """

    @abstractmethod
    def find(self, run_id: str) -> RunRecord | None:
        """A run by its id; one whose record is damaged comes as quarantined."""

    @abstractmethod
    def records(self) -> list[RunRecord]:
        """All runs, the newest first."""

    @abstractmethod
    def lines(self, run_id: str) -> list[str]:
        """A run's log as it stands now."""

    @abstractmethod
    def remove(self, run_id: str) -> None:
        """Forget a run; one that is not there is no error."""

    @abstractmethod
    def close(self) -> None:
        """Let go of files and connections."""

    # --- what follows --------------------------------------------------------------------------

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def check(self) -> None:
        """Write nothing, as anything else is written: to know now that it can be."""
        self.remove(new_run_id())

    def get(self, name: str) -> RunRecord:
        """A run by its id, by a beginning of it that no other has, or `last` for the newest."""
        if RUN_ID.fullmatch(name) and (found := self.find(name)) is not None:
            return found
        records = self.records()
        # The empty name, of a variable that was never set, is a beginning of none.
        begun = [each for each in records if name and each.id.startswith(name)]
        near = records[:1] if name == "last" else begun
        if len(near) == 1:
            return near[0]
        if near:
            raise StorageError(f"{name!r} begins several runs: {listed([r.id for r in near])}")
        known = listed([each.id for each in records])
        raise StorageError(f"{self.name} has no run {name!r}; it has {known}")

    def move(self, record: RunRecord, state: str, reason: str = "") -> RunRecord:
        """Change a run's state; returns the new record.

        IllegalTransition when the table has no such change, or somebody else was faster.
        """
        if state not in TRANSITIONS[record.state]:
            allowed = listed(sorted(TRANSITIONS[record.state]))
            message = f"run {record.id!r} is {record.state} and cannot become {state}"
            raise IllegalTransition(f"{message}; from there it can become {allowed}")
        ended = "" if state == "running" else timestamp()
        changed = replace(record, state=state, reason=reason, ended=record.ended or ended)
        if not self.swap(changed, record.state):
            raise IllegalTransition(
                f"run {record.id!r} is no longer {record.state}; something else changed it"
            )
        return changed

    def log(self, record: RunRecord) -> list[Event]:
        """A run's events; a damaged log quarantines its run and is a StorageError."""
        try:
            return decode_log("".join(f"{line}\n" for line in self.lines(record.id)))
        except LogFormatError as error:
            message = f"the log of run {record.id!r} is damaged: {error}"
            if record.state != "quarantined":
                self.move(record, "quarantined", message)
            raise StorageError(f"{message}; the run is quarantined") from None
