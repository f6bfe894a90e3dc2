"""The plans that are shipped in workflows/, run for real by `highway run` as a process.

The safe merge runs on a clone and its remote, made anew for each test; what is compared is what
git has in the end, every byte of the files, the transcript and the history.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_highway.matching.lines import compare_lines
from pytest_highway.scrubbing import parse_rule, scrub_lines
from pytest_highway.storage.opening import open_storage
from pytest_highway.storage.rows import steps
from pytest_highway.views import RunResult

ROOT = Path(__file__).parent.parent
WORKFLOWS = ROOT / "workflows"
GOLDEN = WORKFLOWS / "golden"
HIGHWAY = (sys.executable, "-c", "from pytest_highway.cli.main import main; main()")
TOOK = re.compile(r" \([0-9.]+(?:ms|s)\)")
SHA = parse_rule(r"sha: \b[0-9a-f]{40}\b")
SOMEBODY = {"NAME": "Ann", "EMAIL": "ann@example.test", "DATE": "2000-01-01T00:00:00Z"}

GIT = shutil.which("git")
needs_git = pytest.mark.skipif(GIT is None, reason="git is not installed")


class Done(NamedTuple):
    """A process that has ended; `lines` is what it printed, without durations."""

    code: int
    lines: list[str]
    err: str


class Place:
    """A folder in which plans run, with an environment, locks and a history of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = {each: os.environ[each] for each in os.environ if not each.startswith("GIT_")}
        self.environment = names | {
            "PYTHONPATH": str(ROOT),
            "HIGHWAY_LOCKS": str(folder / "locks"),
            "HIGHWAY_HISTORY": f"sqlite:{folder / 'history.sqlite'}",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            **{f"GIT_AUTHOR_{name}": value for name, value in SOMEBODY.items()},
            **{f"GIT_COMMITTER_{name}": value for name, value in SOMEBODY.items()},
            "LC_ALL": "C",
        }

    def start(self, *command: str | Path) -> subprocess.Popen[str]:
        """A process in the folder."""
        return subprocess.Popen(
            [str(each) for each in command],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def highway(self, *words: str) -> Done:
        """How a call of `highway` ends."""
        return ended(self.start(*HIGHWAY, *words))

    def run(self, plan: str, *words: str) -> Done:
        """How `highway run` of a shipped plan ends."""
        return self.highway("run", str(WORKFLOWS / plan), *words)

    def last(self) -> RunResult:
        """The newest run in the history."""
        with open_storage(self.environment["HIGHWAY_HISTORY"], create=False) as storage:
            return RunResult(storage.log(storage.records()[0]))

    def history(self) -> dict[str, tuple[str, int]]:
        """The steps of the newest run, as its log has them: status and attempts."""
        return {each.path: (each.status, each.attempts) for each in steps(self.last().log)}


def ended(process: subprocess.Popen[str]) -> Done:
    """How a process ends."""
    out, err = process.communicate(timeout=60)
    return Done(process.returncode, TOOK.sub("", out).splitlines(), err)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


# --- the dev cycle -------------------------------------------------------------------------------


CYCLE = ["lint", "unit", "integration", "build", "benchmark", "security_scan", "deploy", "smoke"]


def test_the_dev_cycle_runs_as_it_is(place: Place) -> None:
    """Each step starts when what it depends on has ended, and all succeed."""
    done = place.run("dev_cycle.yaml")
    assert (done.code, done.err, done.lines[-1]) == (0, "", "run: success")
    assert place.history() == dict.fromkeys(CYCLE, ("success", 1))
    at = {line: number for number, line in enumerate(done.lines)}
    for before, after in (
        *(("lint", "unit"), ("lint", "integration"), ("unit", "build"), ("integration", "build")),
        *(("build", "benchmark"), ("build", "security_scan"), ("benchmark", "deploy")),
        *(("security_scan", "deploy"), ("deploy", "smoke")),
    ):
        assert at[f"{before}: success"] < at[f"{after}: started"]


# In front of each command: keeps it in a file, and runs nothing.
NOTE = """#!/bin/sh
echo "$*" >>commands
"""
# Does not end before another one has begun.
MEET = """#!/bin/sh
case "$*" in pytest*)
  touch "$3"
  while ! test -e tests/unit -a -e tests/integration; do sleep 0.02; done
esac
"""


def via(place: Place, script: str) -> str:
    """The option that puts a script in front of each command."""
    file = place.folder / "via.sh"
    file.write_text(script)
    file.chmod(0o755)
    return "--context=via=./via.sh"


def test_its_tests_run_beside_each_other(place: Place) -> None:
    """Each waits for the other, which would never come if they ran one after the other."""
    (place.folder / "tests").mkdir()
    done = place.run("dev_cycle.yaml", via(place, MEET))
    assert (done.code, done.lines[-1]) == (0, "run: success")


def test_one_at_a_time_it_keeps_the_order_of_the_file(place: Place) -> None:
    """A command begins when the one before has ended."""
    done = place.run(
        "dev_cycle.yaml", "--parallel=1", via(place, NOTE + "sleep 0.1; echo end >>commands")
    )
    commands = (place.folder / "commands").read_text().splitlines()
    assert (done.code, commands[1::2]) == (0, ["end"] * len(CYCLE))
    assert [each.split(" ")[0] for each in commands[::2]] == [
        *("ruff", "pytest", "pytest", "python", "python", "pip-audit", "./deploy.sh", "curl")
    ]
    assert commands[2:5:2] == ["pytest -q tests/unit", "pytest -q tests/integration"]


def test_a_dry_run_of_it_shows_every_step_and_runs_none(place: Place) -> None:
    done = place.run("dev_cycle.yaml", "--dry-run", "--context", "environment=production")
    assert [line.split(":")[0] for line in done.lines[1:]] == [
        "1. lint",
        "2. unit, after lint",
        "3. integration, after lint",
        "4. build, after unit, integration",
        "5. benchmark, after build",
        "6. security_scan, after build",
        "7. deploy, after benchmark, security_scan",
        "8. smoke, after deploy",
    ]
    assert (done.code, list(place.folder.iterdir())) == (0, [])


def test_an_unknown_name_of_the_context_runs_nothing(place: Place) -> None:
    done = place.run("dev_cycle.yaml", "--context", "environnement=production")
    assert (done.code, done.lines) == (2, [])
    assert "did you mean 'environment'?" in done.err


FAILING = {
    "lint": ("success", 1),
    "unit": ("success", 1),
    "integration": ("failed", 1),
    "build": ("upstream_failed", 0),
    "deploy": ("upstream_failed", 0),
    "manual": ("success", 1),
    "publish_manual": ("success", 1),
    "report": ("success", 1),
}


def test_what_depends_on_a_failure_is_skipped_and_the_rest_goes_on(place: Place) -> None:
    """The exit code is 1; when the service is there, the run goes on where it was stopped."""
    done = place.run("dev_cycle_failing.yaml", via(place, NOTE))
    commands = place.folder / "commands"
    assert (done.code, place.history()) == (1, FAILING)
    assert "build: upstream_failed (dependency failed: integration)" in done.lines
    assert done.lines[-1].endswith("the service is down: no file service.up")
    report = place.last().results["report"]
    assert report["stdout"] == "integration tests failed, deployment upstream_failed\n"

    (place.folder / "service.up").touch()
    commands.unlink()
    done = place.run("dev_cycle_failing.yaml", "--resume", "last")
    assert (done.code, done.lines[-1]) == (0, "run: success")
    assert place.history() == dict.fromkeys(FAILING, ("success", 1))
    assert commands.read_text().splitlines() == [
        "pytest -q tests/integration",
        "python -m build",
        "./deploy.sh",
    ]
    report = place.last().results["report"]
    assert report["stdout"] == "integration tests success, deployment success\n"


# --- the safe merge ------------------------------------------------------------------------------


class Repository(Place):
    """A clone, its remote, and somebody else's clone of that."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.clone, self.remote = folder / "clone", folder / "remote.git"
        self.sh(f"sh {WORKFLOWS / 'make_repository.sh'} .")
        self.before = self.state()
        self.theirs, self.topic = self.tip(), self.git("rev-parse", "topic")

    def sh(self, text: str) -> None:
        """Run a text by a shell in the folder."""
        done = ended(self.start("sh", "-ec", text))
        assert done.code == 0, done.err

    def git(self, *words: str, at: str = "clone") -> str:
        """What a git command prints."""
        done = ended(self.start("git", "-C", at, *words))
        assert done.code == 0, done.err
        return "\n".join(done.lines)

    def tip(self) -> str:
        """Where the remote's branch is."""
        return self.git("rev-parse", "main", at="remote.git")

    def merge(self, *words: str, **context: str) -> Done:
        """Run the plan with this context."""
        return ended(self.start_merge(*words, **context))

    def start_merge(self, *words: str, **context: str) -> subprocess.Popen[str]:
        """The same, started."""
        given = {"repo": "clone", "suite": "test -f feature", **context}
        options = [f"--context={name}={value}" for name, value in given.items()]
        return self.start(*HIGHWAY, "run", WORKFLOWS / "safe_merge.yaml", *options, *words)

    def resume(self) -> Done:
        """Take up the last run."""
        return self.run("safe_merge.yaml", "--resume", "last")

    def note_calls_of_git(self) -> None:
        """From now on the plan's git commands are kept in a file."""
        program = self.folder / "bin" / "git"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\necho "$1" >>{self.folder}/calls\nexec {GIT} "$@"\n')
        program.chmod(0o755)
        self.environment["PATH"] = f"{program.parent}:{self.environment['PATH']}"

    def state(self) -> Mapping[str, object]:
        """All that a merge may change: branches here and there, what is staged, every file."""
        return {
            "head": self.git("symbolic-ref", "HEAD"),
            "here": self.git("for-each-ref", "refs/heads", "refs/safe_merge"),
            "there": self.git("for-each-ref", at="remote.git"),
            "staged": self.git("status", "--porcelain", "--ignored"),
            "merging": (self.clone / ".git" / "MERGE_HEAD").exists(),
            "files": self.files(),
        }

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Mode and content of every file outside of .git."""
        paths = [each.relative_to(self.clone) for each in sorted(self.clone.rglob("*"))]
        return {
            str(path): ((self.clone / path).stat().st_mode, (self.clone / path).read_bytes())
            for path in paths
            if path.parts[0] != ".git" and (self.clone / path).is_file()
        }

    def transcript(self) -> list[str]:
        """The newest run's, with `$WORK` and without commits; a path here is a relative one."""
        lines = [
            line.replace('cwd="clone"', 'cwd="$WORK/clone"').replace(str(self.folder), "$WORK")
            for line in self.last().transcript()
        ]
        return scrub_lines(lines, [SHA])

    def assert_merged(self) -> None:
        """Remote and clone have the merge of what the remote had and the topic, and no more."""
        parents = self.git("rev-parse", "main^1", "main^2").split()
        assert parents == [self.theirs, self.topic]
        assert self.git("rev-parse", "main") == self.tip()
        assert self.git("log", "-1", "--format=%s") == "Merge topic into main"
        assert {name: content for name, (_, content) in self.files().items()} == {
            "feature": b"a feature\n",
            "notes": b"a line of theirs\n",
            "picture": b"\0\xff\r\n",
        }
        assert self.git("status", "--porcelain", "--ignored") == ""
        assert self.git("for-each-ref", "refs/safe_merge") == ""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def golden(case: str) -> list[str]:
    """The transcript that is kept for a case of `pytest workflows/`."""
    file = GOLDEN / "safe_merge_real.workflow-test.yaml" / f"{case}.log"
    return file.read_text().splitlines()


def assert_same(lines: Sequence[str], expected: Sequence[str]) -> None:
    difference = compare_lines(list(expected), list(lines))
    assert difference is None, "\n".join(difference.diff)


MERGED = ("snapshot", "fetch", "check", "merge", "gate", "push", "clean_up")


@needs_git
def test_a_merge_that_passes_is_pushed(repository: Repository) -> None:
    """The process says each step, and history and transcript are those of the case."""
    done = repository.merge()
    said = [f"{step}: {what}" for step in MERGED for what in ("started", "success")]
    assert done == (0, [*said, "run: success"], "")
    repository.assert_merged()
    assert repository.history() == dict.fromkeys(MERGED, ("success", 1))
    assert_same(repository.transcript(), golden("all_green"))
    shown = repository.highway("history", "show", "last").lines
    assert [line.split()[:2] for line in shown[-7:]] == [[step, "success"] for step in MERGED]


@needs_git
def test_a_conflict_is_undone(repository: Repository) -> None:
    done = repository.merge(branch="conflict")
    assert (done.code, repository.state()) == (1, repository.before)
    assert done.lines[-1].endswith("not merged; conflicts in: notes")
    assert_same(repository.transcript(), golden("merge_conflicts"))


@needs_git
def test_a_push_that_is_rejected_twice_is_tried_a_third_time(repository: Repository) -> None:
    """By a hook of the remote, as a server does that is busy."""
    hook = repository.remote / "hooks" / "pre-receive"
    hook.write_text('#!/bin/sh\necho x >>refusals\ntest "$(wc -l <refusals)" -gt 2\n')
    hook.chmod(0o755)
    assert repository.merge().code == 0
    repository.assert_merged()
    assert repository.history()["push"] == ("success", 3)
    assert len((repository.remote / "refusals").read_text().split()) == 3
    assert_same(repository.transcript(), golden("push_is_rejected_twice"))


@needs_git
def test_a_suite_that_fails_leaves_the_branch_as_it_was(repository: Repository) -> None:
    """Byte for byte, whatever the suite has done to the files."""
    suite = "echo broken >notes; chmod +x picture; rm feature; mkdir d; echo >d/junk; exit 3"
    done = repository.merge(suite=suite)
    assert (done.code, repository.state()) == (1, repository.before)
    assert done.lines[-1].endswith("ended with exit code 3")
    assert_same(repository.transcript(), golden("gate_fails"))


# Tells that the suite has begun, and waits until it may end.
SUITE = "touch ../begun; while ! test -e ../go; do sleep 0.05; done"


@pytest.fixture
def merging(repository: Repository) -> Iterator[subprocess.Popen[str]]:
    """A merge in the middle of its suite."""
    process = repository.start_merge(suite=SUITE)
    deadline = time.monotonic() + 60
    while not (repository.folder / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    yield process
    (repository.folder / "go").touch()
    process.communicate(timeout=60)


@needs_git
def test_a_merge_waits_for_no_other_that_takes_long(
    repository: Repository, merging: subprocess.Popen[str]
) -> None:
    """The lock is held by another process, and nothing is touched that is its."""
    before = repository.state()
    done = repository.merge()
    assert (done.code, repository.state()) == (1, before)
    assert done.lines[-1] == "run: failed: LockTimeout: lock 'safe_merge' was not free within 1s"
    assert_same(repository.transcript(), golden("lock_is_held"))
    (repository.folder / "go").touch()
    assert ended(merging).code == 0
    repository.assert_merged()


@needs_git
def test_a_merge_that_is_interrupted_is_undone(
    repository: Repository, merging: subprocess.Popen[str]
) -> None:
    merging.send_signal(signal.SIGINT)
    assert (ended(merging).code, repository.state()) == (130, repository.before)
    assert repository.history()["clean_up"] == ("success", 1)
    assert repository.merge().code == 0
    repository.assert_merged()


@needs_git
def test_a_merge_that_is_killed_is_finished_when_it_is_resumed(
    repository: Repository, merging: subprocess.Popen[str]
) -> None:
    """The lock went with the process, and what was merged is tested anew."""
    merging.kill()
    merging.wait()
    (repository.folder / "go").touch()
    repository.note_calls_of_git()
    assert repository.resume().code == 0
    calls = (repository.folder / "calls").read_text().split()
    assert calls == ["rev-parse", "push", "rev-parse", "update-ref"]
    repository.assert_merged()


@needs_git
def test_a_merge_that_was_killed_is_not_begun_anew(
    repository: Repository, merging: subprocess.Popen[str]
) -> None:
    """What is in the folder belongs to the run that can be resumed."""
    merging.kill()
    merging.wait()
    before = repository.state()
    done = repository.merge()
    assert (done.code, repository.state()) == (1, before)
    assert done.lines[-1].endswith(
        "a merge was cut off; resume that run, or delete refs/safe_merge/main"
    )


@needs_git
@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"suite": "exit 3"}, "the merge is gone; start a new run"),
        ({"branch": "conflict"}, "the snapshot is gone; start a new run"),
    ],
)
def test_a_merge_that_was_undone_is_not_resumed(
    repository: Repository, context: dict[str, str], told: str
) -> None:
    """Nothing untested is pushed, and what somebody has written since then stays."""
    assert repository.merge(**context).code == 1
    repository.sh("echo mine >clone/notes; echo mine >clone/new")
    before = repository.state()
    done = repository.resume()
    assert (done.code, repository.state()) == (1, before)
    assert done.lines[-1].endswith(told)


@needs_git
def test_what_somebody_pushes_meanwhile_is_not_overwritten(repository: Repository) -> None:
    """The merge was not tested with it; a new run takes it in."""
    repository.sh("git clone --quiet remote.git other")
    push = "cd ../other; git commit --quiet --allow-empty -m theirs; git push --quiet"
    done = repository.merge(suite=push)
    after = repository.state()
    assert (done.code, repository.history()["push"]) == (1, ("failed", 3))
    assert {**after, "there": ""} == {**repository.before, "there": ""}
    assert repository.tip() == repository.git("rev-parse", "HEAD", at="other")
    repository.theirs = repository.tip()
    assert repository.merge().code == 0
    repository.assert_merged()


@needs_git
@pytest.mark.parametrize(
    ("prepare", "told"),
    [
        ("echo mine >notes", "there are changes that are not committed"),
        ("echo mine >new", "there are changes that are not committed"),
        ("git switch --quiet topic", "main is not checked out"),
        ("git commit --quiet --allow-empty -m mine", "main has commits that origin has not"),
        ("git branch --quiet -D topic", "there is no topic"),
    ],
)
def test_what_is_somebodys_work_is_left_alone(
    repository: Repository, prepare: str, told: str
) -> None:
    repository.sh(f"cd clone; {prepare}")
    before = repository.state()
    done = repository.merge()
    assert (done.code, repository.state()) == (1, before)
    assert done.lines[-1].endswith(told)


@needs_git
@pytest.mark.parametrize(
    ("suite", "left"),
    [
        ("git commit --quiet --allow-empty -m mine; exit 3", "mine"),
        ("git switch --quiet --create mine; exit 3", "Merge topic into main"),
        ("git switch --quiet --detach HEAD^; exit 3", "a line of theirs"),
    ],
)
def test_what_somebody_has_moved_is_left_there(
    repository: Repository, suite: str, left: str
) -> None:
    """Nothing of it is thrown away or pushed; the first error is the one told."""
    done = repository.merge(suite=suite)
    assert (done.code, repository.tip()) == (1, repository.theirs)
    assert repository.git("log", "-1", "--format=%s") == left
    assert repository.history()["clean_up"] == ("failed", 1)
    assert done.lines[-1].endswith("ended with exit code 3")
