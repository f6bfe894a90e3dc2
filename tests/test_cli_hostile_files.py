"""Every command on files and histories that are broken, odd, unreadable, or somebody else's.

Most calls are made in this process: an exception that would be a traceback fails the test.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from command_line import Call, call_fixture
from highway_process import COMMAND, Ended, environment, highway
from storages import LOG, record

from pytest_highway.events import encode_log
from pytest_highway.storage.opening import open_storage
from pytest_highway.storage.sqlite import MIGRATIONS

__all__ = ["call_fixture"]

OK = "name: d\ntasks: {a: {function: tools.log.info, args: [x]}}\n"
TESTED = OK + "tests: {t: {expect: {status: success}}}\n"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIGHWAY_HISTORY", raising=False)


# --- workflow files ------------------------------------------------------------------------------

BROKEN = [
    (b"", "1:1: the file is empty"),
    (b"\xef\xbb\xbf", "1:1: the file is empty"),
    (b"# nothing\n", "1:1: the file holds only comments"),
    (b"---\n", "2:1: the document is empty"),
    (b"null\n", "1:1: the file is no mapping"),
    (b"[1]\n", "1:1: the file is no mapping"),
    (b"name: [\n", "1:8: a value is expected here"),
    (b"name: caf\xe9\n", "1:10: byte 0xe9 is not UTF-8"),
    (b"\0\1", "1:1: character U+0000 is not allowed in YAML"),
    (b"a: 1\n---\nb: 2\n", "2:1: a second document begins here"),
    (b"? [a, b]\n: c\n", "1:3: a list or a mapping is no key"),
    (b"name: d\ntasks: {[a]: {}}\n", "2:9: a list or a mapping is no key"),
    (b"name: d\ntasks: {a: {{x}: 1}}\n", "2:12: unquoted template"),
    (b"name: d\ntasks: {a: {retry: {{x}}}}\n", '2:20: unquoted template; write "{{x}}"'),
    (b"name: d\nsteps: [1, null, {}]\n", "2:9: "),
    (b"name: d\ntasks: {a: *b}\n", "2:12: unknown alias '*b'"),
    (b"x: " + b"[" * 30_000, "nested deeper than 100 levels"),
    (b"#" * 10_000_001, "1:1: file of 10,000,001 bytes; at most 10,000,000 are read"),
]
COMMANDS = [["validate"], ["run"], ["graph"]]


@pytest.mark.parametrize(
    ("content", "told", "name"),
    [(*row, "w.yaml") for row in BROKEN] + [(*row, "w.workflow-test.yaml") for row in BROKEN[:10]],
)
def test_a_broken_file_is_told_with_its_place(
    call: Call, content: bytes, told: str, name: str
) -> None:
    """To every command that reads it; `validate` finds errors, to the others it is bad input."""
    Path(name).write_bytes(content)
    ended = [call(*command, name) for command in COMMANDS]
    assert [each.code for each in ended] == [1, 2, 2]
    assert [told in each.out + each.err for each in ended] == [True] * 3
    assert [f"{name}:" in each.out + each.err for each in ended] == [True] * 3


@pytest.mark.parametrize("command", [*COMMANDS, ["history", "restore"]])
@pytest.mark.parametrize("path", ["gone.yaml", "no/../w.yaml", "loop.yaml", "dangling.yaml", ""])
def test_a_path_that_leads_nowhere_is_bad_input(
    call: Call, command: Sequence[str], path: str
) -> None:
    Path("loop.yaml").symlink_to("loop.yaml")
    Path("dangling.yaml").symlink_to("gone")
    code, out, err = call(*command, path)
    assert (code, out, bool(err)) == (2, "", True)


def test_what_is_no_file_is_not_read_in_a_folder(call: Call) -> None:
    """A pipe without a writer would be waited for."""
    Path("workflows").mkdir()
    os.mkfifo("workflows/pipe.yaml")
    Path("workflows/dangling.yaml").symlink_to("gone")
    Path("workflows/dir.yaml").mkdir()
    Path("workflows/w.yaml").write_text(OK)
    assert call("validate")[:2] == (0, "1 file: 0 errors, 0 warnings\n")


USAGE = [
    ["validate", "w.yaml", "--format", "xml"],
    ["graph", "w.yaml", "--format", "png"],
    ["graph", "w.yaml", "--case", "x", "--run", "y"],
    ["graph", "w.yaml", "--case", "x"],
    ["graph", "w.yaml", "--run", "last"],
    ["graph"],
    ["schema", "xml"],
    ["tools", "--tools", ""],
    ["tools", "--tools", ":"],
    ["tools", "--tools", "os"],
    ["tools", "--nope"],
    ["new"],
    ["new", ""],
    ["new", "../x"],
    ["new", "a/b"],
    ["new", "a\n"],
    ["history", "nope"],
    ["history", "list", "--limit", "0"],
    ["history", "list", "--state", "x"],
    ["history", "list"],
    ["history", "show"],
    ["history", "prune"],
    ["history", "prune", "--keep", "-1"],
    ["history", "prune", "--older-than", "x"],
    ["history", "restore", "w.yaml"],
    ["history", "restore", "."],
    ["history", "backup", "."],
    ["run"],
    ["run", "w.yaml", "w.yaml"],
    ["run", "."],
    ["--nope"],
]


@pytest.mark.parametrize("arguments", USAGE, ids=" ".join)
def test_wrong_arguments_are_bad_input(call: Call, arguments: Sequence[str]) -> None:
    Path("w.yaml").write_text(TESTED)
    code, out, err = call(*arguments)
    assert (code, out, bool(err.strip()), Path("x.workflow.yaml").exists()) == (2, "", True, False)


# --- without permission --------------------------------------------------------------------------

# Root may read everything, unless it gives that up.
DROPPED = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
IS_ROOT = os.name == "posix" and os.geteuid() == 0
needs_user = pytest.mark.skipif(
    os.name != "posix" or (IS_ROOT and shutil.which("setpriv") is None),
    reason="root may read everything, and there is no setpriv to give that up",
)


def as_user(*arguments: str) -> Ended:
    return subprocess.run(
        [*(DROPPED if IS_ROOT else []), *COMMAND, *arguments],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


READ_ONLY = [
    (["list"], 0, "gate.yaml"),
    (["show", "last"], 0, "lint"),
    (["prune", "--keep", "0"], 2, "attempt to write a readonly database; what it holds was left"),
]


@needs_user
@pytest.mark.parametrize(("arguments", "code", "told"), READ_ONLY)
@pytest.mark.parametrize("is_written", [False, True], ids=["alone", "written"])
def test_a_history_that_may_only_be_read_is_read(
    tmp_path: Path, arguments: Sequence[str], code: int, told: str, is_written: bool
) -> None:
    """Also while somebody else writes to it; nothing is made beside it."""
    folder, address = tmp_path / "theirs", f"sqlite:{tmp_path}/theirs/history.sqlite"
    with ExitStack() as world:
        storage = world.enter_context(open_storage(address))
        storage.add(record(1, state="failed"))
        storage.append("run-1", 0, encode_log(LOG).split("\n")[:-1])
        if not is_written:
            world.close()
        before = sorted(folder.iterdir())
        for path in (*before, folder):
            path.chmod(0o555)
        world.callback(folder.chmod, 0o755)
        done = as_user("history", *arguments, "--history", address)
        assert (done.returncode, told in done.stdout + done.stderr) == (code, True)
        assert sorted(folder.iterdir()) == before


@needs_user
def test_a_history_of_an_old_schema_that_may_only_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "theirs" / "history.sqlite"
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as database:
        database.executescript(";".join(MIGRATIONS[0]))
        database.execute("PRAGMA user_version = 1")
    path.chmod(0o444)
    done = as_user("history", "list", "--history", str(path))
    told = f"{path} has schema 1, and cannot be brought up to 2: it may only be read\n"
    assert (done.returncode, done.stderr) == (2, told)


def test_a_path_of_odd_signs_is_told_on_one_line(tmp_path: Path) -> None:
    """It can neither draw on the terminal nor look like another finding."""
    Path("a\n\x1b[31mb.yaml").write_text("name: x\ntasks: 3\n")
    done = highway("validate", "a\n\x1b[31mb.yaml")
    assert (done.returncode, "\x1b" in done.stdout) == (1, False)
    assert done.stdout.startswith("a\\n\\x1b[31mb.yaml:2:8: expected a mapping")


DENIED = [
    (["run", "w.yaml"], 0o555, "cannot make the folder '.highway': Permission denied; --history"),
    (["run", "w.yaml"], 0o555, "--no-history nowhere"),
    (["run", "w.yaml", "--history", "files:h"], 0o555, "cannot write to h"),
    (["run", "secret.yaml"], 0o755, "'secret.yaml' is not readable"),
    (["validate"], 0o755, "the folder '"),
    (["new", "x"], 0o755, "cannot be written: Permission denied"),
    (["history", "list", "--history", "files:secret"], 0o755, "cannot read secret"),
]


@needs_user
@pytest.mark.parametrize(("arguments", "mode", "told"), DENIED)
def test_what_may_not_be_read_or_written_is_told(
    tmp_path: Path, arguments: Sequence[str], mode: int, told: str
) -> None:
    """A folder that cannot be looked into is no folder without faults."""
    Path("w.yaml").write_text(OK)
    Path("secret.yaml").write_text(OK)
    Path("secret.yaml").chmod(0)
    for name, its_mode in (("h", 0o555), ("secret", 0), ("workflows/sub", 0o111)):
        Path(name).mkdir(parents=True)
        Path(name).chmod(its_mode)
    Path("workflows").chmod(0o555)
    tmp_path.chmod(mode)
    ended = as_user(*arguments)
    tmp_path.chmod(0o755)
    assert (ended.returncode, ended.stdout, told in ended.stderr) == (2, "", True), ended.stderr
    assert "Traceback" not in ended.stderr


@needs_user
def test_a_run_without_history_needs_no_place_to_write(tmp_path: Path) -> None:
    Path("w.yaml").write_text(OK)
    tmp_path.chmod(0o555)
    ended = as_user("run", "w.yaml", "--no-history")
    tmp_path.chmod(0o755)
    assert (ended.returncode, ended.stderr) == (0, "")


# --- histories -----------------------------------------------------------------------------------


def test_files_of_others_in_the_folder_of_a_history_are_no_runs(call: Call) -> None:
    """They are neither shown as damaged runs nor pruned."""
    others = ("package.json", "a b.json", "-x.json", "empty.json", "list.json")
    for name, text in zip(others, ('{"name": "x"}', "{}", "{", "", "[1]"), strict=True):
        Path(name).write_text(text)
    Path("w.yaml").write_text(OK)
    assert call("run", "w.yaml", "--history", "files:.").code == 0
    shown = call("history", "list", "--history", "files:.")
    assert (shown.code, "quarantined" in shown.out, len(shown.out.splitlines())) == (0, False, 2)
    assert call("history", "prune", "--keep", "0", "--history", "files:.").code == 0
    assert [name for name in others if not Path(name).exists()] == []


def test_a_damaged_record_of_ours_is_still_shown(call: Call) -> None:
    Path("w.yaml").write_text(OK)
    call("run", "w.yaml", "--history", "files:h")
    for path in Path("h").glob("*.json*"):
        path.write_bytes(b"\xff{")
    shown = call("history", "list", "--history", "files:h")
    assert (shown.code, "quarantined" in shown.out) == (0, True)
    resumed = call("run", "w.yaml", "--history", "files:h", "--resume", "last")
    assert (resumed.code, "cannot be resumed" in resumed.err) == (2, True)


READERS = [
    ["list"],
    ["show", "last"],
    ["stats"],
    ["export"],
    ["diff", "last", "last"],
    ["prune", "--keep", "0"],
]


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_a_damaged_database_is_told(call: Call, arguments: Sequence[str]) -> None:
    """What it holds is left as it is, byte for byte."""
    Path("w.yaml").write_text(OK)
    call("run", "w.yaml", "--history", "sqlite:h")
    whole = Path("h").read_bytes()
    Path("h").write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))
    damaged = Path("h").read_bytes()
    code, _, err = call("history", *arguments, "--history", "sqlite:h")
    assert (code, "h: database disk image is malformed" in err) == (2, True)
    assert Path("h").read_bytes() == damaged


def test_a_run_that_cannot_be_removed_is_not_called_removed(call: Call) -> None:
    """Another process holds the lock of the history."""
    Path("w.yaml").write_text(OK)
    call("run", "w.yaml", "--history", "files:h")
    Path("h/.lock").unlink()
    Path("h/.lock").mkdir()
    code, out, err = call("history", "prune", "--keep", "0", "--history", "files:h")
    assert (code, out, "cannot write to h" in err) == (2, "", True)
