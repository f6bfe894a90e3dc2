"""A real repository, and what may happen to it, for `safe_merge_real.workflow-test.yaml`.

A fixture that ends in a check holds the world against what it says, once the case has run.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

WORKFLOWS = Path(__file__).parent
SOMEBODY = {"NAME": "Ann", "EMAIL": "ann@example.test", "DATE": "2000-01-01T00:00:00Z"}
# Nothing of the machine's settings, and the same commits each time.
GIT = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    **{f"GIT_AUTHOR_{name}": value for name, value in SOMEBODY.items()},
    **{f"GIT_COMMITTER_{name}": value for name, value in SOMEBODY.items()},
    "LC_ALL": "C",
}

# Refuses twice, and counts in a file beside it.
BUSY = """#!/bin/sh
echo refused >>refusals
test "$(wc -l <refusals)" -gt 2 && exit 0
echo "the server is busy" >&2
exit 1
"""

HOLDER = """
import filelock, sys
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The clone that `make_repository.sh` makes, with a remote and locks of its own."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    for name in [each for each in os.environ if each.startswith("GIT_")]:
        monkeypatch.delenv(name)
    for name, value in GIT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HIGHWAY_LOCKS", str(tmp_path / "locks"))
    subprocess.run(["sh", WORKFLOWS / "make_repository.sh", tmp_path], check=True)
    return tmp_path / "clone"


@pytest.fixture
def busy_remote(clone: Path) -> None:
    """The remote refuses the first two pushes."""
    hook = clone.with_name("remote.git") / "hooks" / "pre-receive"
    hook.write_text(BUSY)
    hook.chmod(0o755)


@pytest.fixture
def busy_lock(clone: Path) -> Iterator[None]:
    """Another process holds the lock of the merge, until the case has ended."""
    file = clone.with_name("locks") / "safe_merge.lock"
    file.parent.mkdir()
    command = [sys.executable, "-c", HOLDER, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        yield
        holder.communicate()


@pytest.fixture
def unchanged(clone: Path) -> Iterator[None]:
    """In the end the branches and the files are what they were, byte for byte."""
    before = state(clone)
    yield
    assert state(clone) == before


@pytest.fixture
def merged(clone: Path) -> Iterator[None]:
    """In the end the remote has the merge of its own branch and the topic, and so has the clone."""
    theirs, topic = tip(clone), git(clone, "rev-parse", "topic")
    yield
    assert git(clone, "rev-parse", "main^1", "main^2") == theirs + topic
    assert git(clone, "rev-parse", "main") == tip(clone)
    assert (
        git(clone, "status", "--porcelain") == git(clone, "for-each-ref", "refs/safe_merge") == ""
    )


def tip(clone: Path) -> str:
    """The commit of the remote's branch."""
    return git(clone.with_name("remote.git"), "rev-parse", "main")


def state(clone: Path) -> object:
    """What a merge may change: HEAD, the branches here and there, what is staged, all files."""
    ours = "refs/heads", "refs/safe_merge"
    refs = git(clone, "symbolic-ref", "HEAD"), git(clone, "for-each-ref", *ours)
    remote = git(clone, "ls-remote", "origin")
    files = {
        path.relative_to(clone): (path.stat().st_mode, path.read_bytes())
        for path in sorted(clone.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(clone).parts
    }
    return refs, remote, git(clone, "status", "--porcelain"), files


def git(folder: Path, *words: str) -> str:
    """What a git command prints."""
    return subprocess.run(["git", *words], cwd=folder, check=True, stdout=-1, text=True).stdout
