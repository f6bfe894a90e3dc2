"""Which runs belong together: one that was cut off, and those that took it up."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_highway.events import Event, RunEnded
from pytest_highway.storage.records import RunRecord, StorageError
from pytest_highway.storage.storage import Storage

__all__ = ["NothingToResume", "earlier_logs", "resumable"]

UNKNOWN = ""  # the workflow of a run whose record is damaged


class NothingToResume(StorageError):
    """The run has succeeded."""


def resumable(storage: Storage, name: str, workflow: str) -> RunRecord:
    """The run of a workflow to take up when a user names `name`: the newest that took that up.

    A run that was killed when only its record was left to be written ends here. NothingToResume
    when it has succeeded, StorageError when it is another workflow's, when it is damaged, or when
    its process is still there.
    """
    record = _named(storage, name, workflow)
    if record.case:
        raise StorageError(f"run {record.id!r} cannot be resumed: it is one of {record.source}")
    if record.workflow not in (workflow, UNKNOWN):
        what = f"it is one of workflow {record.workflow!r}, and this is {workflow!r}"
        raise StorageError(f"run {record.id!r} cannot be resumed: {what}")
    heirs = {each.resumes: each for each in reversed(storage.records())}
    while record.id in heirs:
        record = heirs[record.id]
    if not record.is_over and not record.owner.is_gone():
        place = f"it is {record.state} in {record.owner}"
        raise StorageError(f"run {record.id!r} cannot be resumed, {place}")
    if record.state == "quarantined":
        raise StorageError(f"run {record.id!r} cannot be resumed: {record.reason}")
    log = [] if record.is_over else storage.log(record)
    if log and type(log[-1]) is RunEnded:
        record = storage.move(record, log[-1].status, log[-1].reason)
    if record.state == "success":
        raise NothingToResume(f"run {record.id!r} has succeeded; there is nothing to resume")
    return record


def _named(storage: Storage, name: str, workflow: str) -> RunRecord:
    """The run of that name; `last` is the newest of this workflow, and none of a test."""
    if name != "last":
        return storage.get(name)
    for each in storage.records():
        if each.workflow in (workflow, UNKNOWN) and not each.case:
            return each
    raise StorageError(f"the history has no run of workflow {workflow!r} to resume")


def earlier_logs(storage: Storage, record: RunRecord) -> list[Sequence[Event]]:
    """The logs that together tell all that a run and those before it have done, oldest first.

    A run that came to its end tells all by itself: what it took up it has repeated.
    """
    found: list[Sequence[Event]] = []
    each: RunRecord | None = record
    while each is not None:
        log = storage.log(each)
        found.insert(0, log)
        is_complete = bool(log) and type(log[-1]) is RunEnded
        each = storage.find(each.resumes) if each.resumes and not is_complete else None
    return found
