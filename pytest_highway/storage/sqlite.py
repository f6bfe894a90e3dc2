"""SQLite: one file, in WAL mode, so that others read while one writes.

The schema's version stands in `user_version`; a file of an older one is brought up to date when
it is opened, step by step in one transaction, and one of a newer version is refused untouched.

A file that this process may not write to, or that lies in a folder of which this is so, is opened
for reading only.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pytest_highway.storage.records import RunRecord, StorageError, readable_record
from pytest_highway.storage.storage import Storage, undone_on_fault

__all__ = ["MIGRATIONS", "SqliteStorage"]

# Each row leads from the schema of its place (from 0) to the next one.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE runs (id TEXT PRIMARY KEY, state TEXT NOT NULL, record TEXT NOT NULL)",
        """CREATE TABLE events (
            run TEXT NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            line TEXT NOT NULL,
            PRIMARY KEY (run, number)
        ) WITHOUT ROWID""",
    ),
    (
        "ALTER TABLE runs ADD COLUMN created TEXT NOT NULL DEFAULT ''",
        "UPDATE runs SET created = json_extract(record, '$.created')",
        "CREATE INDEX runs_by_age ON runs (created, id)",
    ),
)

# Seconds to wait for another process's write.
PATIENCE = 10.0


class SqliteStorage(Storage):
    """Runs in one SQLite file, which is made when it is missing, as are its folders."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.name = str(path)
        self._is_read_only = path.exists() and not _is_writable(path)
        with self._told("open"):
            self._db = sqlite3.connect(
                _readable(path) if self._is_read_only else path,
                timeout=patience,
                isolation_level=None,
                check_same_thread=False,
                uri=self._is_read_only,
            )
        with undone_on_fault(self._db.close), self._told("open"):
            self._refuse_unknown()
            if not self._is_read_only:
                self._set_up()

    def _set_up(self) -> None:
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        if self._version() < len(MIGRATIONS):
            with self._transaction():
                for steps in MIGRATIONS[self._version() :]:
                    for step in steps:
                        self._db.execute(step)
                self._db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _refuse_unknown(self) -> None:
        version = self._version()
        if self._is_read_only and version < len(MIGRATIONS):
            raise StorageError(
                f"{self.name} has schema {version}, and cannot be brought up to "
                f"{len(MIGRATIONS)}: it may only be read"
            )
        if version > len(MIGRATIONS):
            raise StorageError(
                f"{self.name} has schema {version}, and this pytest-highway knows up to "
                f"{len(MIGRATIONS)}; it was left as it is"
            )

    def _version(self) -> int:
        [version] = self._db.execute("PRAGMA user_version").fetchone()
        return int(version)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Every fault of the database becomes one that names it."""
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(
                f"cannot {what} {self.name}: {error}; what it holds was left as it is"
            ) from error

    @contextmanager
    def _transaction(self, what: str = "write to") -> Iterator[None]:
        with self._told(what):
            self._db.execute("BEGIN IMMEDIATE")
            with undone_on_fault(self._roll_back):
                yield
                self._commit()

    def _roll_back(self) -> None:
        if self._db.in_transaction:  # a full disk has rolled it back already
            self._db.execute("ROLLBACK")

    def _commit(self) -> None:
        self._db.execute("COMMIT")

    def add(self, record: RunRecord) -> None:
        """Keep a new run; StorageError when its id is taken."""
        with self._transaction():
            added = self._db.execute(
                "INSERT OR IGNORE INTO runs (id, state, record, created) VALUES (?, ?, ?, ?)",
                (record.id, record.state, record.to_line(), record.created),
            )
        if not added.rowcount:
            raise StorageError(f"{self.name} has a run {record.id!r} already")

    def swap(self, record: RunRecord, expected: str) -> bool:
        """Replace a run's record if its state is the `expected` one; whether it was."""
        with self._transaction():
            done = self._db.execute(
                "UPDATE runs SET state = ?, record = ? WHERE id = ? AND state = ?",
                (record.state, record.to_line(), record.id, expected),
            )
        return done.rowcount == 1

    def append(self, run_id: str, first: int, lines: Sequence[str]) -> None:
        """Add lines to a run's log, in one transaction."""
        rows = [(run_id, first + number, line) for number, line in enumerate(lines)]
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?)", rows)

    def find(self, run_id: str) -> RunRecord | None:
        """A run by its id."""
        found = self._rows("SELECT id, record FROM runs WHERE id = ?", run_id)
        return readable_record(*found[0]) if found else None

    def records(self) -> list[RunRecord]:
        """All runs, the newest first."""
        rows = self._rows("SELECT id, record FROM runs ORDER BY created DESC, id DESC")
        return [readable_record(*row) for row in rows]

    def lines(self, run_id: str) -> list[str]:
        """A run's log as it stands now."""
        rows = self._rows("SELECT line, '' FROM events WHERE run = ? ORDER BY number", run_id)
        return [line for line, _ in rows]

    def _rows(self, query: str, *values: str) -> list[tuple[str, str]]:
        with self._told("read"):
            return self._db.execute(query, values).fetchall()

    def remove(self, run_id: str) -> None:
        """Forget a run."""
        with self._transaction():
            self._db.execute("DELETE FROM runs WHERE id = ?", (run_id,))

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _is_writable(path: Path) -> bool:
    """Whether the file can be changed; a write makes files beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _readable(path: Path) -> str:
    """The URI that opens a file for reading only.

    Without `immutable` SQLite would make files beside it. Where they are there, somebody else
    writes at this moment.
    """
    beside = path.with_name(f"{path.name}-wal")
    return f"{path.absolute().as_uri()}?mode=ro{'' if beside.exists() else '&immutable=1'}"
