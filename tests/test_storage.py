"""The memory of runs: one set of tests for all backends, then what is particular to each."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from storages import BACKENDS, LOG, RECORD, RedisServer, record, redis_server

from pytest_highway.events import TaskRepeated, encode_log
from pytest_highway.storage import archive, sqlite
from pytest_highway.storage.opening import open_storage
from pytest_highway.storage.recorder import Recorder
from pytest_highway.storage.records import (
    TRANSITIONS,
    IllegalTransition,
    Owner,
    StorageError,
    new_run_id,
    record_of,
)
from pytest_highway.storage.rows import attempts, differences, statistics, steps
from pytest_highway.storage.storage import Storage

LINES = encode_log(LOG).split("\n")[:-1]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=BACKENDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a backend keeps an empty history."""
    if request.param != "redis":
        return f"{request.param}:{tmp_path / 'kept' / 'runs'}"
    found: RedisServer = request.getfixturevalue("server")
    numbers = request.getfixturevalue("databases")
    return f"{found.url[:-1]}{next(numbers)}"


@pytest.fixture(scope="session")
def databases(server: RedisServer) -> Iterator[int]:
    """Numbers of databases, each emptied before it is used again."""
    import redis

    def numbers() -> Iterator[int]:
        while True:
            for number in range(16):
                with redis.Redis(port=server.port, db=number) as client:
                    client.flushdb()
                yield number

    return numbers()


@pytest.fixture
def storage(address: str) -> Iterator[Storage]:
    with open_storage(address) as storage:
        yield storage


# --- every backend ------------------------------------------------------------------------------


def test_a_record_and_its_log_come_back_as_they_were(storage: Storage, address: str) -> None:
    storage.add(RECORD)
    storage.append(RECORD.id, 0, LINES)
    with open_storage(address) as other:
        assert other.find(RECORD.id) == RECORD
        assert other.log(RECORD) == LOG


def test_an_unknown_run_is_none_and_has_no_events(storage: Storage) -> None:
    assert (storage.find("nothing"), storage.lines("nothing"), storage.records()) == (None, [], [])


def test_an_id_is_taken_once(storage: Storage) -> None:
    storage.add(RECORD)
    with pytest.raises(StorageError, match=RECORD.id):
        storage.add(replace(RECORD, workflow="another"))
    assert storage.find(RECORD.id) == RECORD


def test_runs_are_listed_from_the_newest(storage: Storage) -> None:
    for number in (2, 3, 1):
        storage.add(record(number))
    assert [each.id for each in storage.records()] == ["run-3", "run-2", "run-1"]


@pytest.mark.parametrize(
    ("first", "lines", "expected"),
    [
        (0, ["a", "b"], ["a", "b"]),
        (2, ["c"], ["a", "b", "c"]),
        (1, ["b", "c"], ["a", "b", "c"]),
        (0, [], ["a", "b"]),
    ],
    ids=["again", "further", "overlapping", "nothing"],
)
def test_an_append_can_be_repeated(
    storage: Storage, first: int, lines: list[str], expected: list[str]
) -> None:
    storage.add(RECORD)
    storage.append(RECORD.id, 0, ["a", "b"])
    storage.append(RECORD.id, first, lines)
    assert storage.lines(RECORD.id) == expected


def test_a_removed_run_leaves_nothing(storage: Storage) -> None:
    for number in (1, 2):
        storage.add(record(number))
        storage.append(f"run-{number}", 0, LINES)
    storage.remove("run-1")
    storage.remove("run-1")
    assert (storage.find("run-1"), storage.lines("run-1")) == (None, [])
    assert storage.log(record(2)) == LOG


@pytest.mark.parametrize(("before", "after"), list(product(TRANSITIONS, TRANSITIONS)))
def test_a_state_changes_along_the_table_only(storage: Storage, before: str, after: str) -> None:
    known = replace(RECORD, state=before)
    storage.add(known)
    allowed = after in TRANSITIONS[before]
    try:
        changed = storage.move(known, after, "why").state
    except IllegalTransition:
        changed = "refused"
    expected = (after, after) if allowed else ("refused", before)
    assert (changed, storage.get(RECORD.id).state) == expected


def test_the_end_of_a_run_has_its_time_and_reason(storage: Storage) -> None:
    storage.add(RECORD)
    running = storage.move(RECORD, "running")
    ended = storage.move(running, "failed", "lint failed")
    assert (running.ended, running.reason) == ("", "")
    assert (ended.reason, bool(datetime.fromisoformat(ended.ended).tzinfo)) == ("lint failed", True)
    assert storage.find(RECORD.id) == ended


def test_of_two_changes_from_one_state_one_is_made(storage: Storage) -> None:
    storage.add(RECORD)
    storage.move(RECORD, "running")
    with pytest.raises(IllegalTransition, match="something else changed it"):
        storage.move(RECORD, "cancelled")
    with pytest.raises(IllegalTransition, match="something else changed it"):
        storage.move(record(9), "running")
    assert storage.get(RECORD.id).state == "running"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("last", "run-3"),
        ("run-1", "run-1"),
        ("run-2", "run-2"),
        ("other", "other-1"),
        ("run", "'run' begins several runs: 'run-3', 'run-2', 'run-1'"),
        ("rnu", "has no run 'rnu'; it has 'run-3', 'run-2', 'run-1', 'other-1'"),
        ("../x", "has no run '../x'"),
        ("", "has no run ''"),
    ],
)
def test_a_run_is_found_by_the_beginning_of_its_id(
    storage: Storage, name: str, expected: str
) -> None:
    for number in (1, 2, 3):
        storage.add(record(number))
    storage.add(replace(RECORD, id="other-1", created="2025-01-01T00:00:00.000+00:00"))
    try:
        found = storage.get(name).id
    except StorageError as error:
        found = str(error)
    assert expected in found


def test_a_damaged_log_quarantines_its_run(storage: Storage) -> None:
    storage.add(RECORD)
    storage.append(RECORD.id, 0, [LINES[0], '["TaskStarted", 0.'])
    with pytest.raises(StorageError, match=r"damaged: line 2 .* the run is quarantined"):
        storage.log(RECORD)
    kept = storage.get(RECORD.id)
    assert (kept.state, "line 2" in kept.reason) == ("quarantined", True)
    with pytest.raises(StorageError, match="damaged"):
        storage.log(kept)


READER = """\
import sys
from pytest_highway.storage.opening import open_storage
with open_storage(sys.argv[1]) as storage:
    for _ in sys.stdin:
        print(*map(len, [storage.records(), storage.lines(sys.argv[2])]), flush=True)
"""


def test_another_process_reads_while_this_one_writes(storage: Storage, address: str) -> None:
    """It sees every whole append as soon as it was made, and never a part of one."""
    command = [sys.executable, "-c", READER, address, RECORD.id]
    storage.add(RECORD)
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None
        seen = []
        for number in range(3):
            reader.stdin.write("\n")
            reader.stdin.flush()
            seen.append(reader.stdout.readline().split())
            storage.append(RECORD.id, number * 2, ["a", "b"])
        reader.stdin.close()
    assert seen == [["1", "0"], ["1", "2"], ["1", "4"]]


def test_many_writers_lose_nothing(address: str) -> None:
    """Eight threads with connections of their own, each with a run of its own."""

    def write(number: int) -> None:
        with open_storage(address) as storage:
            known = record(number)
            storage.add(known)
            for place in range(20):
                storage.append(known.id, place, [f"{number}-{place}"])
            storage.move(known, "running")

    open_storage(address).close()
    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with open_storage(address) as storage:
        assert [each.state for each in storage.records()] == ["running"] * 8
        for number in range(1, 9):
            assert storage.lines(f"run-{number}") == [f"{number}-{each}" for each in range(20)]


# --- archives -----------------------------------------------------------------------------------


def archived(storage: Storage) -> str:
    return "".join(f"{line}\n" for line in archive.export(storage, storage.records()))


def test_a_backup_restores_what_it_holds_and_adds_only_what_is_missing(storage: Storage) -> None:
    for number in (1, 2):
        storage.add(record(number, state="success"))
        storage.append(f"run-{number}", 0, LINES)
    text = archived(storage)
    storage.remove("run-1")
    assert [each.id for each in archive.restore(storage, text)] == ["run-1"]
    assert archive.restore(storage, text) == []
    assert archived(storage) == text


def test_a_backup_goes_into_any_other_backend(storage: Storage, tmp_path: Path) -> None:
    storage.add(RECORD)
    storage.append(RECORD.id, 0, LINES)
    text = archived(storage)
    for kind in ("files", "sqlite"):
        with open_storage(f"{kind}:{tmp_path / 'elsewhere' / kind}") as other:
            archive.restore(other, text)
            assert archived(other) == text


HEAD = '{"highway": "runs", "version": 1}'
ODD = f'{{"run": {replace(RECORD, id="../x").to_line()}, "events": 0}}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1 of the archive is not"),
        ('{"highway": "runs", "version": 2}\n', "line 1 of the archive is not"),
        (f"{HEAD}\nnonsense\n", "line 2 of the archive: it begins no run"),
        (f'{HEAD}\n{{"run": 1, "events": 0}}\n', "line 2 of the archive: it is no mapping"),
        (f"{HEAD}\n{{run}}\n{LINES[0]}\n", "line 2 of the archive: 5 events should follow, 1 do"),
        (
            "\n".join([HEAD, *["{run}", *LINES] * 2, ""]),
            f"line 8 of the archive: run '{RECORD.id}' is there twice; first at line 2",
        ),
        (f"{HEAD}\n{{run}}\n".replace("{run}", "{odd}"), "line 2 of the archive: '../x' is no id"),
    ],
)
def test_a_damaged_archive_restores_nothing(storage: Storage, text: str, message: str) -> None:
    run = f'{{"run": {RECORD.to_line()}, "events": 5}}'
    with pytest.raises(StorageError, match=message):
        archive.restore(storage, text.replace("{run}", run).replace("{odd}", ODD))
    assert storage.records() == []


def test_a_storage_that_fails_at_one_run_of_an_archive_keeps_none_of_it(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.add(record(1))
    storage.add(record(2))
    text = archived(storage)
    storage.remove("run-1")
    storage.remove("run-2")
    append = storage.append

    def fail(run_id: str, first: int, lines: list[str]) -> None:
        append(run_id, first, lines)
        if run_id == "run-1":  # the older one, which comes behind the other
            raise StorageError("the disk is full")

    monkeypatch.setattr(storage, "append", fail)
    with pytest.raises(StorageError, match="the disk is full"):
        archive.restore(storage, text)
    assert storage.records() == []


def test_an_archive_never_replaces_a_run_that_differs(storage: Storage) -> None:
    storage.add(record(1))
    storage.add(record(2))
    text = archived(storage)
    storage.remove("run-2")
    storage.append("run-1", 0, ["more"])
    with pytest.raises(StorageError, match="'run-1' that differs"):
        archive.restore(storage, text)
    assert [each.id for each in storage.records()] == ["run-1"]


NOW = datetime(2026, 1, 31, tzinfo=UTC)
KEPT = [
    record(30, state="running"),
    record(20, state="failed", ended="2026-01-20T01:00:00.000+00:00"),
    record(10, state="success", ended="2026-01-10T01:00:00.000+00:00"),
    record(5, state="quarantined", created="?"),
]
DAY = 86_400.0


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, []),
        ({"keep": 1}, ["run-10", "run-5"]),
        ({"keep": 0}, ["run-20", "run-10", "run-5"]),
        ({"older_than": 15 * DAY}, ["run-10"]),
        ({"older_than": 1 * DAY, "keep": 3}, ["run-20", "run-10"]),
    ],
)
def test_old_runs_are_forgotten_and_running_ones_never(
    limits: dict[str, float], expected: list[str]
) -> None:
    found = archive.outdated(KEPT, NOW, **limits)  # type: ignore[arg-type]  # keyword arguments
    assert [each.id for each in found] == expected


# --- a run while it goes on ---------------------------------------------------------------------


def test_a_recorder_keeps_each_batch_and_the_end(storage: Storage) -> None:
    told: list[str] = []
    recorder = Recorder(storage, RECORD, told.append)
    seen = [storage.get("last").state]
    recorder.observe(LOG[:2])
    recorder.observe(LOG[:2])
    seen += [storage.get("last").state, *map(str, storage.log(RECORD) == LOG[:2] and ["kept"])]
    assert recorder.finish(LOG)
    end = storage.get("last")
    assert seen == ["pending", "running", "kept"]
    assert (end.state, end.reason, storage.log(end), told) == (
        "failed",
        "ValueError: no \u2028 good",
        LOG,
        [],
    )


def test_an_interrupted_run_is_recorded_as_cancelled(storage: Storage) -> None:
    recorder = Recorder(storage, RECORD, print)
    assert recorder.finish(LOG[:2])
    end = storage.get("last")
    assert (end.state, end.reason, storage.log(end)) == (
        "cancelled",
        "the run was interrupted",
        LOG[:2],
    )


def test_secrets_do_not_reach_the_storage(storage: Storage) -> None:
    recorder = Recorder(storage, RECORD, print, lambda text: text.replace("good", "<secret>"))
    recorder.finish(LOG)
    assert "good" not in archived(storage)


def test_a_storage_that_fails_for_a_time_has_everything_at_last(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once that nothing is recorded, and once that all of it is."""
    told: list[str] = []
    recorder = Recorder(storage, RECORD, told.append)
    recorder.observe(LOG[:1])

    def fail(*_: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "append", fail)
        recorder.observe(LOG[:2])
        recorder.observe(LOG[:3])
    assert recorder.finish(LOG)
    assert told == [
        "the run goes on, but is not recorded: the disk is full",
        f"the run is recorded again, with all that was missing: {RECORD.id}",
    ]
    assert storage.log(storage.get("last")) == LOG


def test_a_storage_that_stays_broken_fails_the_recording_and_keeps_what_it_has(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(storage, RECORD, lambda _: None)
    recorder.observe(LOG[:1])

    def fail(*_: object) -> None:
        raise StorageError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(storage, "append", fail)
        assert not recorder.finish(LOG)
    assert storage.log(storage.get("last")) == LOG[:1]
    assert storage.get("last").state == "running"


# --- rows ---------------------------------------------------------------------------------------


def test_steps_are_the_tasks_with_their_times() -> None:
    assert steps(LOG) == [
        ("lint", "failed", "it\nfailed", 1, 0.0, 0.5, None, ""),
        ("build", "upstream_failed", "dependency failed: lint", 0, None, None, None, ""),
    ]
    assert steps(LOG[:2]) == [("lint", "running", "", 0, 0.0, None, None, "")]


def test_statistics_count_what_ran() -> None:
    [lint] = statistics([LOG, LOG[:2], LOG])
    assert (lint, lint.failure_rate) == (("lint", 2, 2, 0.5, 0.5), 1.0)


def test_what_a_resumed_run_repeats_is_not_counted_by_it() -> None:
    """A part that was repeated leaves the whole without a duration."""
    repeated, partly = (
        [*LOG[:2], TaskRepeated(0.0, "lint", wholly), *LOG[2:]] for wholly in (True, False)
    )
    assert [each.repeated for each in steps(repeated)] == ["wholly", ""]
    assert statistics([repeated]) == []
    assert statistics([repeated, LOG]) == [("lint", 1, 1, 0.5, 0.5)]
    assert statistics([partly]) == [("lint", 1, 1, None, None)]


def test_runs_differ_by_what_became_of_their_steps() -> None:
    done = LOG[2]._replace(status="success", reason="", fault=None, value=[1])
    assert list(differences(LOG, [*LOG[:2], done])) == [
        ("lint", "status", "failed", "success"),
        ("lint", "reason", "it\nfailed", ""),
        ("lint", "value", "", "[1]"),
        ("build", "status", "upstream_failed", ""),
        ("build", "reason", "dependency failed: lint", ""),
        ("build", "attempts", "0", ""),
    ]
    assert list(differences(LOG, LOG)) == []


def test_attempts_are_the_calls() -> None:
    from pytest_highway.events import AttemptEnded, Fault, ToolCalled

    first = ToolCalled(0.0, "lint", 1, "app.ask", [], {}, False)
    refused = AttemptEnded(1.0, "lint", 2, Fault("BulkheadFull", "full"), False, called=False)
    failed = AttemptEnded(0.5, "lint", 1, Fault("ValueError", "no"), False, True, "what it said")
    second = first._replace(at=2.0, attempt=3)
    assert attempts([first, failed, refused, second]) == [
        ("lint", 1, "app.ask", 0.0, 0.5, "ValueError: no", "what it said"),
        ("lint", 3, "app.ask", 2.0, None, "", ""),
    ]


# --- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("mysql:x", "'mysql:x' is no address of a storage; it is sqlite:PATH"),
        ("sqlite:.", "cannot open"),
        ("files:plain.txt", "cannot open"),
        ("sqlite:plain.txt/x/y", "cannot make the folder"),
        ("sqlite:plain.txt", "cannot open .*plain.txt: file is not a database"),
        ("redis://localhost:nonsense/0", "is no address of a Redis server"),
        ("redis://127.0.0.1:1/0", "cannot open redis://127.0.0.1:1/0"),
        ("redis://:hunter2@127.0.0.1:1/0", "cannot open redis://127.0.0.1:1/0"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_named(
    address: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "plain.txt").write_text("not a database, but long enough to look like one\n" * 20)
    with pytest.raises(StorageError, match=message) as error:
        open_storage(address, tmp_path)
    assert "hunter2" not in str(error.value)
    assert (tmp_path / "plain.txt").read_text().startswith("not a database")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "pytest_highway.storage.redis_server", raising=False)
    with pytest.raises(StorageError, match=r"needs 'redis'; install pytest-highway\[redis\]"):
        open_storage("redis://127.0.0.1:1/0")


def test_a_folder_of_ours_is_kept_out_of_the_repository(tmp_path: Path) -> None:
    open_storage(folder=tmp_path).close()
    assert (tmp_path / ".highway" / ".gitignore").read_text() == "*\n"
    assert (tmp_path / ".highway" / "history.sqlite").is_file()


def test_ids_sort_by_time_and_owners_tell_whether_they_are_gone() -> None:
    assert new_run_id()[:8] == f"{datetime.now(UTC):%Y%m%d}"
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    owners = [Owner(), Owner(pid=child.pid), Owner("elsewhere", child.pid), Owner(pid=1)]
    assert [owner.is_gone() for owner in owners] == [False, True, False, False]
    assert str(Owner("ci-7", 12)) == "process 12 on ci-7"


@pytest.mark.parametrize("line", ["[]", "{}", '{"state": "success"}', "nonsense", '"x"'])
def test_a_line_that_is_no_record_says_why(line: str) -> None:
    with pytest.raises(ValueError, match=r"mapping|state|fields|Expecting"):
        record_of(line)


# --- SQLite -------------------------------------------------------------------------------------


def test_an_older_schema_is_brought_up_to_date_with_all_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    with sqlite3.connect(path) as old:
        for step in sqlite.MIGRATIONS[0]:
            old.execute(step)
        old.execute("INSERT INTO runs VALUES (?, ?, ?)", (RECORD.id, "pending", RECORD.to_line()))
        old.executemany(
            "INSERT INTO events VALUES (?, ?, ?)",
            [(RECORD.id, number, line) for number, line in enumerate(LINES)],
        )
        old.execute("PRAGMA user_version = 1")
    old.close()
    with open_storage(f"sqlite:{path}") as storage:
        assert storage.records() == [RECORD]
        assert storage.log(RECORD) == LOG
        storage.add(record(1))
        assert [each.id for each in storage.records()] == [RECORD.id, "run-1"]


def test_a_newer_schema_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "new.sqlite"
    with sqlite3.connect(path) as new:
        new.execute("PRAGMA user_version = 99")
    new.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match=r"has schema 99, and this pytest-highway knows up to"):
        open_storage(f"sqlite:{path}")
    assert path.read_bytes() == before


def test_a_database_that_another_process_holds_is_an_error_after_a_time(tmp_path: Path) -> None:
    path = tmp_path / "held.sqlite"
    with sqlite.SqliteStorage(path, patience=0.01) as storage:
        storage.add(RECORD)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match="database is locked; what it holds was left"):
            storage.append(RECORD.id, 0, LINES)
        assert storage.records() == [RECORD]
        other.execute("ROLLBACK")
        other.close()
        storage.append(RECORD.id, 0, LINES)
        assert storage.log(RECORD) == LOG


def test_a_full_database_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "full.sqlite"
    with sqlite.SqliteStorage(path) as storage:
        storage.add(RECORD)
        storage.append(RECORD.id, 0, LINES)
        storage._db.execute("PRAGMA max_page_count = 10")
        with pytest.raises(StorageError, match="database or disk is full"):
            storage.append(RECORD.id, len(LINES), ["x" * 1_000_000])
        assert storage.log(RECORD) == LOG
        storage._db.execute("PRAGMA max_page_count = 100000")
        storage.append(RECORD.id, len(LINES), LINES[-1:])
        assert storage.log(RECORD) == [*LOG, LOG[-1]]


def test_a_corrupt_database_is_an_error_and_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "corrupt.sqlite"
    with open_storage(f"sqlite:{path}") as storage:
        storage.add(RECORD)
        storage.append(RECORD.id, 0, ["x" * 50_000])
    text = bytearray(path.read_bytes())
    text[4096:] = os.urandom(1) * (len(text) - 4096)
    path.write_bytes(text)
    with (
        open_storage(f"sqlite:{path}") as storage,
        pytest.raises(StorageError, match="cannot read"),
    ):
        storage.records()
    assert path.read_bytes() == bytes(text)


def test_a_damaged_row_is_shown_as_quarantined(tmp_path: Path) -> None:
    path = tmp_path / "row.sqlite"
    with sqlite.SqliteStorage(path) as storage:
        storage.add(RECORD)
        storage._db.execute("UPDATE runs SET record = '{'")
        [found] = storage.records()
    assert (found.id, found.state) == (RECORD.id, "quarantined")
    assert "its record cannot be read" in found.reason


# --- files --------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with open_storage(f"files:{tmp_path / 'runs'}") as storage:
        storage.add(RECORD)
        storage.append(RECORD.id, 0, LINES)
        storage.move(RECORD, "running")
    return tmp_path / "runs"


def test_a_record_is_backed_up_before_it_is_replaced(folder: Path) -> None:
    backup = (folder / f"{RECORD.id}.json.bak").read_text(encoding="utf-8")
    assert record_of(backup) == RECORD
    assert [path.name for path in sorted(folder.iterdir())] == [
        ".lock",
        f"{RECORD.id}.json",
        f"{RECORD.id}.json.bak",
        f"{RECORD.id}.jsonl",
    ]


@pytest.mark.parametrize("rest", ["", '{"id": "2026', "\x00" * 20, "[]"])
def test_a_damaged_record_is_read_from_its_backup(folder: Path, rest: str) -> None:
    (folder / f"{RECORD.id}.json").write_text(rest)
    with open_storage(f"files:{folder}") as storage:
        assert storage.find(RECORD.id) == RECORD
        (folder / f"{RECORD.id}.json.bak").write_text(rest)
        assert storage.get("last").state == "quarantined"
        (folder / f"{RECORD.id}.json.bak").unlink()
        assert storage.get("last").state == "quarantined"


def test_a_line_that_was_cut_off_counts_as_not_written(folder: Path) -> None:
    path = folder / f"{RECORD.id}.jsonl"
    path.write_bytes(path.read_bytes()[:-3])
    with open_storage(f"files:{folder}") as storage:
        assert storage.lines(RECORD.id) == LINES[:-1]
        storage.append(RECORD.id, len(LINES) - 1, LINES[-1:])
        assert storage.log(storage.get("last")) == LOG


def test_a_full_disk_takes_back_what_it_took_of_an_append(folder: Path) -> None:
    """The limit on the size of a file stands in for the end of the disk."""
    path = folder / f"{RECORD.id}.jsonl"
    before = path.read_bytes()

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, -1))

    code = f"""
from pytest_highway.storage.opening import open_storage
with open_storage({f"files:{folder}"!r}) as storage:
    storage.append({RECORD.id!r}, {len(LINES)}, ["x" * 100])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limit, check=False
    )
    assert f"cannot write to {folder}: [Errno 27] File too large" in result.stderr
    assert path.read_bytes() == before


def test_a_read_only_folder_is_an_error_and_stays_as_it_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with open_storage(f"files:{folder}") as storage:
        monkeypatch.setattr(os, "fsync", refuse)
        with pytest.raises(StorageError, match="Permission denied; what it holds was left"):
            storage.move(storage.get("last"), "failed")
        assert storage.get("last").state == "running"
    assert not list(folder.glob("*.new"))


def test_a_held_lock_is_an_error_after_a_time(folder: Path) -> None:
    from filelock import FileLock

    from pytest_highway.storage.files import FileStorage

    storage = FileStorage(folder, patience=0.01)
    with (
        FileLock(folder / ".lock"),
        pytest.raises(StorageError, match="another process holds its lock"),
    ):
        storage.append(RECORD.id, 0, LINES)


def test_an_id_cannot_leave_the_folder(folder: Path) -> None:
    with (
        open_storage(f"files:{folder}") as storage,
        pytest.raises(StorageError, match="is no id of a run"),
    ):
        storage.append("../x", 0, LINES)


# --- Redis --------------------------------------------------------------------------------------


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    with redis_server(tmp_path) as server:
        yield server


def test_a_server_that_goes_away_is_an_error_and_loses_nothing(own_server: RedisServer) -> None:
    told: list[str] = []
    with open_storage(own_server.url) as storage:
        recorder = Recorder(storage, RECORD, told.append)
        recorder.observe(LOG[:2])
        own_server.stop()
        recorder.observe(LOG[:3])
        own_server.start()
        assert recorder.finish(LOG)
        assert storage.log(storage.get("last")) == LOG
    assert [each.partition(":")[0] for each in told] == [
        "the run goes on, but is not recorded",
        "the run is recorded again, with all that was missing",
    ]


def test_a_storage_without_a_server_names_it(own_server: RedisServer) -> None:
    with open_storage(own_server.url) as storage:
        own_server.stop()
        calls: list[Callable[[], object]] = [
            storage.records,
            lambda: storage.find("x"),
            lambda: storage.lines("x"),
            lambda: storage.remove("x"),
        ]
        for call in calls:
            with pytest.raises(StorageError, match=own_server.url[:-2]):
                call()
        own_server.start()
