"""How `highway run` remembers a run, and takes one up that was cut off."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pytest_highway.credentials import holds_placeholder
from pytest_highway.errors import HighwayError
from pytest_highway.events import Event
from pytest_highway.serialization import to_json
from pytest_highway.storage.lineage import earlier_logs, resumable
from pytest_highway.storage.recorder import Recorder
from pytest_highway.storage.records import RunRecord
from pytest_highway.storage.storage import Storage

__all__ = ["Beginning", "Memory"]


class Beginning(NamedTuple):
    """A run about to start: its record, and the logs of what it takes up, the oldest first."""

    record: RunRecord
    before: Sequence[Sequence[Event]] = ()


@dataclass(frozen=True, slots=True)
class Memory:
    """Where runs are remembered; without a storage, nowhere."""

    storage: Storage | None
    tell: Callable[[str], None]
    redact: Callable[[str], str] = str

    def take_up(
        self, new: RunRecord, values: Mapping[str, object], name: str, *, accept_changes: bool
    ) -> Beginning:
        """A run that goes on where the run called `name`, or the last one to take it up, was.

        Its variables are those of that run. StorageError when it cannot be resumed, HighwayError
        when the file is another now, or a value given anew, and this was not accepted.
        """
        if self.storage is None:
            raise HighwayError("--resume needs the history; leave --no-history out")
        old = resumable(self.storage, name, new.workflow)
        if not accept_changes:
            _check_same(old, new, values)
        before = earlier_logs(self.storage, old)
        if not old.is_over:
            # Somebody else may be taking it up at this moment: one of us is told so here.
            self.storage.move(old, "cancelled", f"its process is gone; taken up by {new.id}")
        known = {
            name: each
            for name, each in old.variables.items()
            # A secret was not kept: it has to be given again.
            if name in new.variables and not holds_placeholder(to_json(each))
        }
        variables = {**new.variables, **known}
        return Beginning(replace(new, resumes=old.id, variables=variables), before)

    def recorder(self, record: RunRecord) -> Recorder | None:
        """What keeps the run while it goes on; nothing where nothing is remembered."""
        return (
            None if self.storage is None else Recorder(self.storage, record, self.tell, self.redact)
        )


def _check_same(old: RunRecord, new: RunRecord, values: Mapping[str, object]) -> None:
    changed = [
        f"variable {name!r} was {old.variables.get(name)!r} and would be {value!r}"
        for name, value in values.items()
        if old.variables.get(name) != value and not holds_placeholder(to_json(old.variables[name]))
    ]
    if old.digest != new.digest:
        changed.insert(0, f"{new.file} was changed since, or a file that it runs")
    if changed:
        what = f"run {old.id!r} cannot be resumed: {'; '.join(changed)}"
        raise HighwayError(f"{what}. --accept-changes resumes all the same")
