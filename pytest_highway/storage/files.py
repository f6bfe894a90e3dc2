"""JSON-lines files: a folder that every editor, `grep` and `git` can read.

    RUN.json        the record, one line of JSON
    RUN.json.bak    the record before its last change; read when the record itself is damaged
    RUN.jsonl       the events, one line of JSON each
    .lock           held while a record changes or lines are added

A record is replaced by renaming a whole new file over it. Lines are added by one write; a last
line without its end, which a crash or a full disk may leave, counts as not written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from pytest_highway.storage.records import (
    RUN_ID,
    RunRecord,
    StorageError,
    readable_record,
    record_of,
)
from pytest_highway.storage.storage import Storage, undone_on_fault

__all__ = ["FileStorage"]

# Seconds to wait for another process's change.
PATIENCE = 10.0


class FileStorage(Storage):
    """Runs as files of one folder, which is made when it is missing."""

    def __init__(self, folder: Path, patience: float = PATIENCE) -> None:
        self.name = str(folder)
        self._folder = folder
        with self._told("open"):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / ".lock", timeout=patience)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Every fault of the file system becomes one that names the folder."""
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"cannot {what} {self.name}: {error}; what it holds was left as it is"
            ) from error

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with self._told("write to"):
            try:
                with self._lock:
                    yield
            except Timeout:
                raise StorageError(
                    f"cannot write to {self.name}: another process holds its lock"
                ) from None

    def _path(self, run_id: str, ending: str) -> Path:
        if not RUN_ID.fullmatch(run_id):
            raise StorageError(f"{run_id!r} is no id of a run")
        return self._folder / f"{run_id}{ending}"

    def add(self, record: RunRecord) -> None:
        """Keep a new run; StorageError when its id is taken."""
        with self._changing():
            path = self._path(record.id, ".json")
            if path.exists():
                raise StorageError(f"{self.name} has a run {record.id!r} already")
            self._replace(path, record.to_line())

    def swap(self, record: RunRecord, expected: str) -> bool:
        """Replace a run's record if its state is the `expected` one; whether it was."""
        with self._changing():
            path = self._path(record.id, ".json")
            before = self.find(record.id)
            if before is None or before.state != expected:
                return False
            # The old text, not the old record: a backup keeps what was there.
            self._replace(self._path(record.id, ".json.bak"), path.read_text(encoding="utf-8"))
            self._replace(path, record.to_line())
        return True

    def _replace(self, path: Path, text: str) -> None:
        """Put a whole new file in the place of an old one; on any fault the old one stays."""
        new = path.with_name(f"{path.name}.new")
        with undone_on_fault(partial(_discard, new)):
            with new.open("w", encoding="utf-8") as file:
                file.write(text.removesuffix("\n") + "\n")
                file.flush()
                os.fsync(file.fileno())
            new.replace(path)

    def append(self, run_id: str, first: int, lines: Sequence[str]) -> None:
        """Add lines to a run's log, by one write; taken back when it fails."""
        with self._changing():
            path = self._path(run_id, ".jsonl")
            whole = _whole_lines(path.read_bytes()) if path.exists() else b""
            news = lines[max(0, whole.count(b"\n") - first) :]
            added = "".join(f"{line}\n" for line in news).encode()
            with path.open("ab", buffering=0) as file:
                file.truncate(len(whole))
                with undone_on_fault(partial(file.truncate, len(whole))):
                    _write(file.fileno(), added)

    def find(self, run_id: str) -> RunRecord | None:
        """A run by its id; its backup when the record is damaged."""
        with self._told("read"):
            path = self._path(run_id, ".json")
            if not path.exists():
                return None
            text = path.read_text(encoding="utf-8", errors="replace")
            backup = self._path(run_id, ".json.bak")
            with suppress(ValueError):
                return record_of(text)
            if backup.exists():
                return readable_record(run_id, backup.read_text(encoding="utf-8", errors="replace"))
            return readable_record(run_id, text)

    def records(self) -> list[RunRecord]:
        """All runs, the newest first; other people's files in the folder are none."""
        with self._told("read"):
            names = [path.stem for path in self._folder.iterdir() if path.suffix == ".json"]
        found = [record for name in names if (record := self._found(name)) is not None]
        return sorted(found, key=lambda each: (each.created, each.id), reverse=True)

    def _found(self, name: str) -> RunRecord | None:
        """The run in a file of this name: a `package.json` is no damaged record, to be pruned."""
        record = self.find(name) if RUN_ID.fullmatch(name) else None
        is_ours = record is not None and (record.created or self._path(name, ".jsonl").exists())
        return record if is_ours else None

    def lines(self, run_id: str) -> list[str]:
        """A run's log as it stands now."""
        with self._told("read"):
            path = self._path(run_id, ".jsonl")
            if not path.exists():
                return []
            text = _whole_lines(path.read_bytes()).decode("utf-8", errors="replace")
        # Not `splitlines`: JSON leaves U+2028 and its like as they are inside a text.
        return text.split("\n")[:-1]

    def remove(self, run_id: str) -> None:
        """Forget a run; the record goes first, since a log without one is no run."""
        with self._changing():
            for ending in (".json", ".json.bak", ".jsonl"):
                self._path(run_id, ending).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held between two changes."""


def _discard(file: Path) -> None:
    with suppress(OSError):
        file.unlink(missing_ok=True)


def _whole_lines(text: bytes) -> bytes:
    return text[: text.rfind(b"\n") + 1]


def _write(descriptor: int, text: bytes) -> None:
    """Write all of it: a full disk may take a part and say so only at the next attempt."""
    while text:
        text = text[os.write(descriptor, text) :]
