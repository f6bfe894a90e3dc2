"""Recording a run while it goes on.

Each batch of events is kept as soon as the engine has nothing to do but wait, so what is lost with
a killed process is at most what it was doing at that moment. A storage that fails does not end the
run: somebody's deployment may be half way. It is told once, what could not be kept is tried again
with every later batch, and `finish` says whether all of it has been kept at last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_highway.events import Event, RunEnded, encode_log
from pytest_highway.storage.records import RunRecord, StorageError
from pytest_highway.storage.storage import Storage

__all__ = ["Recorder"]


class Recorder:
    """Keeps one run; `tell` gets one line when the storage fails and when it works again.

    `redact` takes secrets out of an event's line before it leaves the process. `record` is what
    the next change of the run's state writes; `fault` says what the storage does not have and why.
    """

    def __init__(
        self,
        storage: Storage,
        record: RunRecord,
        tell: Callable[[str], None],
        redact: Callable[[str], str] = str,
    ) -> None:
        self.record = record
        self._storage = storage
        self._tell = tell
        self._redact = redact
        self._kept = 0  # events that the storage has
        self.fault = ""
        storage.add(record)

    def observe(self, log: Sequence[Event]) -> None:
        """Keep what the log has got since the last time."""
        if self._kept < len(log):
            self._attempt(lambda: self._keep(log))

    def finish(self, log: Sequence[Event]) -> bool:
        """Keep the rest and how the run ended; false when the storage does not have all of it."""
        self._attempt(lambda: self._end(log))
        return not self.fault

    def _end(self, log: Sequence[Event]) -> None:
        if self._kept < len(log):
            self._keep(log)
        end = log[-1] if log else None
        state, reason = "cancelled", "the run was interrupted"
        if isinstance(end, RunEnded):
            state, reason = end.status, end.reason or str(end.fault or "")
        self._move(state, self._redact(reason))

    def _keep(self, log: Sequence[Event]) -> None:
        if self.record.state == "pending":
            self._move("running")
        # Not `splitlines`: JSON leaves U+2028 and its like as they are inside a text.
        lines = self._redact(encode_log(log[self._kept :])).split("\n")[:-1]
        self._storage.append(self.record.id, self._kept, lines)
        self._kept = len(log)

    def _move(self, state: str, reason: str = "") -> None:
        self.record = self._storage.move(self.record, state, reason)

    def _attempt(self, change: Callable[[], None]) -> None:
        try:
            change()
        except StorageError as error:
            if not self.fault:
                self._tell(f"the run goes on, but is not recorded: {error}")
            self.fault = str(error)
        else:
            if self.fault:
                self._tell(
                    f"the run is recorded again, with all that was missing: {self.record.id}"
                )
            self.fault = ""
