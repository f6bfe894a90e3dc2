"""The memory of runs as another process meets it, and when it fails on the way: real commands only."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import Call, call_fixture
from filelock import FileLock
from storages import BACKENDS, LOG, RedisServer, impatient_fixture, record, redis_server

from pytest_highway.events import encode_log
from pytest_highway.storage.opening import open_storage

__all__ = ["Call", "call_fixture", "impatient_fixture"]

HIGHWAY = [sys.executable, "-c", "from pytest_highway.cli.main import main; main()"]
ENV = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "200"}
# More than a page of a disk, so that no room that was taken before holds it.
PAGES = "printf '%020000d' 0"
HEAD = "name: gate\ntasks:\n"
STEP = "  {id}: {{function: tools.shell.run, args: [{command}], dependencies: [{after}]}}\n"


def workflow(*commands: str) -> str:
    """Shell commands one after the other: `one`, `two`, ..."""
    names = ["one", "two", "three", "four"]
    return HEAD + "".join(
        STEP.format(id=name, command=json.dumps(command), after=", ".join(names[:number][-1:]))
        for number, (name, command) in enumerate(zip(names, commands, strict=False))
    )


def highway(*arguments: str, file_size: int = -1) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, whose files cannot grow beyond a size in bytes."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, -1))

    done = subprocess.run(
        [*HIGHWAY, *arguments],
        env=ENV,
        capture_output=True,
        text=True,
        preexec_fn=limit,
        check=False,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


def recorded(address: str) -> tuple[str, dict[str, str]]:
    """The state of the newest run and of its steps, as `highway history` shows them."""
    shown = json.loads(highway("history", "show", "last", "--json", "--history", address).stdout)
    return shown["run"]["state"], {each["path"]: each["status"] for each in shown["steps"]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIGHWAY_HISTORY", raising=False)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[RedisServer]:
    with redis_server(folder) as server:
        yield server


@pytest.fixture(params=BACKENDS)
def address(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "redis":
        return str(request.getfixturevalue("server").url)
    return f"{request.param}:{folder / 'runs'}"


# --- two processes -------------------------------------------------------------------------------


def test_a_second_process_reads_while_a_run_writes(folder: Path, address: str) -> None:
    """It is the run's own step that looks the run up: what has ended is there, whole."""
    (folder / "look.sh").write_text(
        "\n".join(
            f"{sys.executable} -c '{HIGHWAY[-1]}' history {command} --history {address} > {file}"
            for command, file in (
                ("show last --json", "seen"),
                ("list", "listed"),
                ("export", "exported"),
            )
        )
    )
    (folder / "gate.yaml").write_text(workflow("true", "sh -e look.sh", "true"))
    assert highway("run", "gate.yaml", "--history", address).returncode == 0
    seen = json.loads((folder / "seen").read_text())
    assert seen["run"]["state"] == "running"
    assert {each["path"]: each["status"] for each in seen["steps"]}["one"] == "success"
    assert "running" in (folder / "listed").read_text()
    assert len((folder / "exported").read_text().splitlines()) > 2
    assert recorded(address) == (
        "success",
        {"one": "success", "two": "success", "three": "success"},
    )


@pytest.mark.usefixtures("_impatient")
def test_a_database_that_somebody_writes_to_can_be_read(folder: Path, call: Call) -> None:
    """And a run that finds it locked all the time begins nothing."""
    (folder / "gate.yaml").write_text(workflow("touch called"))
    with open_storage("sqlite:runs") as storage:
        storage.add(record(1, state="success"))
        storage.append("run-1", 0, encode_log(LOG).split("\n")[:-1])
    other = sqlite3.connect("runs", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert recorded("sqlite:runs")[0] == "success"
    refused = call("run", "gate.yaml", "--history", "sqlite:runs")
    other.execute("ROLLBACK")
    other.close()
    assert (refused.code, "database is locked" in refused.err) == (2, True)
    assert not (folder / "called").exists()
    assert recorded("sqlite:runs")[0] == "success"


@pytest.mark.usefixtures("_impatient")
def test_a_folder_that_somebody_writes_to_can_be_read(folder: Path, call: Call) -> None:
    """And a run that finds it locked all the time begins nothing."""
    (folder / "gate.yaml").write_text(workflow("touch called"))
    with open_storage("files:runs") as storage:
        storage.add(record(1, state="success"))
        storage.append("run-1", 0, encode_log(LOG).split("\n")[:-1])
    with FileLock(folder / "runs" / ".lock"):
        assert recorded("files:runs")[0] == "success"
        refused = call("run", "gate.yaml", "--history", "files:runs")
    assert (refused.code, "another process holds its lock" in refused.err) == (2, True)
    assert not (folder / "called").exists()


# --- a full disk ---------------------------------------------------------------------------------


@pytest.fixture
def disk(folder: Path) -> Iterator[Path]:
    """A disk of its own, of one megabyte."""
    disk = folder / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "highway", str(disk)]
    if shutil.which("mount") is None or subprocess.run(command, check=False).returncode:
        pytest.skip("nobody but root can mount a small disk")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


FILL = "dd if=/dev/zero of=disk/ballast bs=4096 2>/dev/null; true"


@pytest.mark.parametrize("backend", ["sqlite", "files"])
def test_a_disk_that_fills_up_loses_nothing_that_was_recorded(disk: Path, backend: str) -> None:
    """The run goes on to its end; with room again, it is taken up from what was recorded."""
    address = f"{backend}:disk/runs"
    calls = [f"echo {name} >> calls; {PAGES}" for name in ("one", "three")]
    Path("gate.yaml").write_text(workflow(calls[0], FILL, calls[1]))
    done = highway("run", "gate.yaml", "--history", address)
    assert done.returncode == 1
    assert "the run goes on, but is not recorded: cannot write to disk/runs" in done.stderr
    state, steps = recorded(address)
    assert (state, steps["one"]) == ("running", "success")
    assert Path("calls").read_text().split() == ["one", "three"]
    (disk / "ballast").unlink()
    Path("gate.yaml").write_text(workflow(calls[0], "true", calls[1]))
    again = ("--resume", "last", "--accept-changes")
    assert highway("run", "gate.yaml", "--history", address, *again).returncode == 0
    assert recorded(address)[0] == "success"
    assert Path("calls").read_text().split()[:3] == ["one", "three", "three"]


@pytest.mark.parametrize("backend", ["sqlite", "files"])
def test_a_disk_that_has_room_again_gets_what_is_missing(disk: Path, backend: str) -> None:
    address = f"{backend}:disk/runs"
    Path("gate.yaml").write_text(workflow(PAGES, FILL, PAGES, "rm disk/ballast"))
    done = highway("run", "gate.yaml", "--history", address)
    assert (done.returncode, "recorded again, with all that was missing" in done.stderr) == (
        0,
        True,
    )
    assert recorded(address) == (
        "success",
        dict.fromkeys(["one", "two", "three", "four"], "success"),
    )
    assert (disk / "runs").exists()


@pytest.mark.parametrize(("backend", "room"), [("sqlite", 100_000), ("files", 6_000)])
def test_files_that_cannot_grow_lose_nothing_that_was_recorded(
    folder: Path, backend: str, room: int
) -> None:
    """The limit on the size of a file stands in for the end of the disk, where nobody is root."""
    address = f"{backend}:{folder / 'runs'}"
    (folder / "gate.yaml").write_text(workflow("true", *[PAGES] * 3))
    done = highway("run", "gate.yaml", "--history", address, file_size=room)
    assert (done.returncode, "the run goes on, but is not recorded" in done.stderr) == (1, True)
    state, steps = recorded(address)
    assert (state, steps["one"]) == ("running", "success")
    assert highway("run", "gate.yaml", "--history", address, "--resume", "last").returncode == 0


# --- what is damaged -----------------------------------------------------------------------------

COMMANDS = [
    ("run", "gate.yaml"),
    ("run", "gate.yaml", "--resume", "last"),
    ("history", "list"),
    ("history", "show", "last"),
    ("history", "stats"),
    ("history", "backup", "kept"),
    ("history", "prune", "--keep", "0"),
]


@pytest.mark.parametrize("whole", [0, 4096], ids=["all", "behind its head"])
def test_a_corrupt_database_is_a_clear_error_of_every_command_and_stays_as_it_is(
    folder: Path, whole: int
) -> None:
    (folder / "gate.yaml").write_text(workflow("touch called"))
    with open_storage("sqlite:runs") as storage:
        storage.add(record(1, state="success"))
    text = (folder / "runs").read_bytes()
    corrupt = text[:whole] + b"\x17" * (len(text) - whole)
    (folder / "runs").write_bytes(corrupt)
    told = "file is not a database" if whole == 0 else "database disk image is malformed"
    for command in COMMANDS:
        done = highway(*command, "--history", "sqlite:runs")
        assert (done.returncode, "runs: " in done.stderr, told in done.stderr) == (2, True, True)
    assert (folder / "runs").read_bytes() == corrupt
    assert not (folder / "called").exists()
    assert not (folder / "kept").exists()


def damage(address: str, folder: Path) -> None:
    """Spoil the record of run 2 and the log of run 3, behind the back of the storage."""
    if address.startswith("redis"):
        command = ["redis-cli", "-u", address]
        subprocess.run([*command, "set", "highway:run:run-2", "{"], check=True)
        subprocess.run([*command, "lset", "highway:events:run-3", "0", "{"], check=True)
    elif address.startswith("files"):
        (folder / "runs" / "run-2.json").write_text("{")
        (folder / "runs" / "run-3.jsonl").write_text("{\n")
    else:
        with sqlite3.connect(folder / "runs") as db:
            db.execute("UPDATE runs SET record = '{' WHERE id = 'run-2'")
            db.execute("UPDATE events SET line = '{' WHERE run = 'run-3' AND number = 0")
        db.close()


def test_a_damaged_run_is_quarantined_and_all_others_are_as_they_were(
    folder: Path, address: str
) -> None:
    (folder / "gate.yaml").write_text(workflow("true"))
    with open_storage(address) as storage:
        for number in (1, 2, 3):
            storage.add(record(number, state="failed"))
            storage.append(f"run-{number}", 0, encode_log(LOG).split("\n")[:-1])
    damage(address, folder)
    assert highway("history", "show", "run-3", "--history", address).returncode == 2
    for name in ("run-2", "run-3"):
        done = highway("run", "gate.yaml", "--resume", name, "--history", address)
        assert (done.returncode, f"{name!r} cannot be resumed" in done.stderr) == (2, True)
    shown = json.loads(highway("history", "list", "--json", "--history", address).stdout)
    states = {each["id"]: each["state"] for each in shown}
    assert states == {"run-1": "failed", "run-2": "quarantined", "run-3": "quarantined"}
    assert highway("history", "show", "run-1", "--history", address).returncode == 0
    assert highway("run", "gate.yaml", "--history", address).returncode == 0


# --- a server that goes away ---------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_server_that_goes_away_in_the_middle_loses_nothing_that_was_recorded(
    folder: Path, server: RedisServer, how: signal.Signals
) -> None:
    """The run goes on to its end, told once; the server back, it is taken up from the record."""
    gone = f"while redis-cli -p {server.port} ping; do sleep 0.05; done"
    flag = f"test -e again || {{ kill -{how.value} {server.pid}; {gone}; }}"
    (folder / "gate.yaml").write_text(
        workflow("echo one >> calls", flag, "echo three >> calls", "true")
    )
    done = highway("run", "gate.yaml", "--history", server.url)
    assert done.returncode == 1
    assert done.stderr.count("the run goes on, but is not recorded: cannot write to redis:") == 1
    refused = highway("history", "list", "--history", server.url)
    assert (refused.returncode, "cannot open redis://" in refused.stderr) == (2, True)
    server.stop()
    server.start()
    state, steps = recorded(server.url)
    assert (state, steps["one"]) == ("running", "success")
    (folder / "again").touch()
    again = highway("run", "gate.yaml", "--history", server.url, "--resume", "last")
    assert (again.returncode, recorded(server.url)[0]) == (0, "success")
    assert (folder / "calls").read_text().split() == ["one", "three", "three"]


def test_a_server_that_comes_back_gets_what_is_missing(folder: Path, server: RedisServer) -> None:
    gone = f"while redis-cli -p {server.port} ping; do sleep 0.05; done"
    start = (
        f"redis-server --port {server.port} --bind 127.0.0.1 --appendonly yes --daemonize yes "
        f"--dir {folder} --pidfile {folder}/pid >/dev/null; "
        f"until redis-cli -p {server.port} ping; do sleep 0.05; done"
    )
    (folder / "gate.yaml").write_text(
        workflow("true", f"kill {server.pid}; {gone}", f"sleep 0.1; {start}", "true")
    )
    done = highway("run", "gate.yaml", "--history", server.url)
    found = recorded(server.url)
    subprocess.run(["redis-cli", "-p", str(server.port), "shutdown"], check=True)
    assert (done.returncode, "recorded again, with all that was missing" in done.stderr) == (
        0,
        True,
    )
    assert found == ("success", dict.fromkeys(["one", "two", "three", "four"], "success"))
