"""Runs as one text, and out of it: export, backup, restore; and forgetting old ones.

    {"highway": "runs", "version": 1}
    {"run": {…record…}, "events": 2}
    ["RunStarted", …]
    ["TaskStarted", …]
    {"run": …

One line of JSON each. The same text is an export of some runs and a backup of all, whatever the
backend, and is restored into any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from datetime import datetime, timedelta
from typing import cast

from pytest_highway.events import LogFormatError, decode_log
from pytest_highway.serialization import from_json, to_json
from pytest_highway.storage.records import RUN_ID, RunRecord, StorageError, record_of
from pytest_highway.storage.storage import Storage

__all__ = ["export", "outdated", "restore"]

# Runs whose own log tells all that those before them have done.
COMPLETE = frozenset({"success", "failed"})

HEAD = {"highway": "runs", "version": 1}


def export(storage: Storage, records: Iterable[RunRecord]) -> Iterator[str]:
    """The lines of an archive of these runs."""
    yield to_json(HEAD)
    for record in records:
        lines = storage.lines(record.id)
        yield f'{{"run": {record.to_line()}, "events": {len(lines)}}}'
        yield from lines


def restore(storage: Storage, text: str) -> list[RunRecord]:
    """Add the runs of an archive that a storage does not have; returns those that it added.

    All or nothing: the whole text is read first, and StorageError is raised when a line of it is
    wrong, or when a run is there already with other events or another end. When the storage fails
    at one of them, those that were added are removed again.
    """
    found = list(_runs(text))
    news = [(record, lines) for record, lines in found if not _is_kept(storage, record, lines)]
    with ExitStack() as undo:
        for record, lines in news:
            storage.add(record)
            undo.callback(_forget, storage, record.id)
            storage.append(record.id, 0, lines)
        undo.pop_all()
    return [record for record, _ in news]


def _forget(storage: Storage, run_id: str) -> None:
    with suppress(StorageError):  # the fault that led here is the one to tell
        storage.remove(run_id)


def _is_kept(storage: Storage, record: RunRecord, lines: list[str]) -> bool:
    known = storage.find(record.id)
    if known is None:
        return False
    if known != record or storage.lines(record.id) != lines:
        raise StorageError(
            f"{storage.name} has a run {record.id!r} that differs from the archive's; "
            "nothing was restored"
        )
    return True


def _runs(text: str) -> Iterator[tuple[RunRecord, list[str]]]:
    lines = text.removesuffix("\n").split("\n")
    if not text or _parsed(lines[0]) != HEAD:
        raise StorageError(f"line 1 of the archive is not {to_json(HEAD)}; nothing was restored")
    place = 1
    begun: dict[str, int] = {}
    while place < len(lines):
        head = _parsed(lines[place])
        try:
            if not isinstance(head, dict):
                raise ValueError("it begins no run")
            record = record_of(to_json(head.get("run")))
            if not RUN_ID.fullmatch(record.id):
                raise ValueError(f"{record.id!r} is no id of a run")
            if record.id in begun:
                raise ValueError(
                    f"run {record.id!r} is there twice; first at line {begun[record.id]}"
                )
            begun[record.id] = place + 1
            count = cast("int", head["events"])
            events = lines[place + 1 : place + 1 + count]
            if len(events) < count:
                raise ValueError(f"{count} events should follow, {len(events)} do")
            if record.state != "quarantined":  # whose damage is kept as it is
                decode_log("".join(f"{each}\n" for each in events))
        except (ValueError, KeyError, TypeError, LogFormatError) as error:
            message = f"line {place + 1} of the archive: {error}; nothing was restored"
            raise StorageError(message) from None
        yield record, events
        place += 1 + count


def _parsed(line: str) -> object:
    try:
        return from_json(line)
    except ValueError:
        return None


def outdated(
    records: Iterable[RunRecord],
    now: datetime,
    *,
    keep: int | None = None,
    older_than: float | None = None,
) -> list[RunRecord]:
    """Which of these runs (the newest first) may be forgotten.

    Those beyond the `keep` newest and those that ended more than `older_than` seconds ago. Never a
    run that goes on or may be resumed, nor one that another, which stays, needs to be resumed.
    """
    known = {each.id: each for each in records}
    # What a test ran is not resumed, so that one whose process was killed is over as well.
    over = [each for each in known.values() if each.is_over or (each.case and each.is_gone)]
    limit = None if older_than is None else now - timedelta(seconds=older_than)
    old = {
        each.id: each
        for place, each in enumerate(over)
        if (keep is not None and place >= keep) or (limit is not None and _ended(each, now) < limit)
    }
    for each in known.values():  # the newest first: one that stays for another is met after it
        if each.id not in old and each.state not in COMPLETE:
            old.pop(each.resumes, None)
    return list(old.values())


def _ended(record: RunRecord, now: datetime) -> datetime:
    try:
        return datetime.fromisoformat(record.ended or record.created)
    except ValueError:
        return now  # of a damaged record nobody knows how old it is
