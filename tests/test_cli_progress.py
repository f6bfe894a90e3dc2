"""What a log tells of a run that goes on, where no terminal is needed to see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_highway.cli.progress import Progress, Row, elapsed
from pytest_highway.events import (
    AttemptEnded,
    BranchesSelected,
    Event,
    Fault,
    ItemsListed,
    RetryScheduled,
    RunEnded,
    ScopeEntered,
    TaskEnded,
    TaskStarted,
    ToolCalled,
    WaitEnded,
    WaitOpened,
)
from pytest_highway.loading import load_file
from pytest_highway.tools import discover

TOOL = "tools.shell.run"
FAULT = Fault("ValueError", "no")


def progress(tmp_path: Path, tasks: str, *log: Event, top: str = "") -> Progress:
    """After these events of a workflow; a task without a kind calls the shell."""
    lines = "".join(f"  {line}\n" for line in tasks.splitlines())
    file = tmp_path / "some.yaml"
    file.write_text(
        f"name: some\n{top}\ntasks:\n{lines}".replace("CALL", f"function: {TOOL}, args: [x]")
    )
    made = Progress(load_file(file, file.name, discover(())).plan)
    for event in log:
        made.update(event)
    return made


def called(path: str, at: float = 0.0, attempt: int = 1) -> ToolCalled:
    return ToolCalled(at, path, attempt, TOOL, [], {}, guarded=True)


TWO = "a: {CALL, dependencies: []}\nb: {CALL, dependencies: []}"
LOCKED = "a: {CALL, dependencies: [], lock: repo}\nb: {CALL, dependencies: [], lock: repo}"
START = (TaskStarted(0.0, "a"), TaskStarted(0.0, "b"))
WHILE = "a:\n  operator_type: while\n  condition: 1 < 2\n  loop_body: [{task_id: x, CALL}]"
FAN = "a: {operator_type: parallel, branches: {one: [b]}}\nb: {CALL}"


@pytest.mark.parametrize(
    ("tasks", "top", "log", "rows"),
    [
        (TWO, "", (), []),
        (TWO, "lock: repo", (), [Row("run", "waits for lock 'repo'", False)]),
        (TWO, "", START, [Row("a", "9s", False), Row("b", "9s", False)]),
        (TWO, "", (*START, called("b")), [Row("b", "9s", True), Row("a", "9s", False)]),
        (TWO, "", (START[0], called("a", 5, 2)), [Row("a", "9s, attempt 2", True)]),
        (
            LOCKED,
            "",
            START,
            [
                Row("a", "waits for lock 'repo', which another process may hold", False),
                Row("b", "waits for lock 'repo', which another process may hold", False),
            ],
        ),
        (
            LOCKED,
            "max_concurrency: 1",
            (*START, TaskStarted(0.0, "c"), called("c")),
            [
                Row("c", "9s", True),
                Row("a", "waits for lock 'repo' or a slot (1 in use)", False),
                Row("b", "waits for lock 'repo' or a slot (1 in use)", False),
            ],
        ),
        (
            TWO,
            f"max_concurrency: 1\ntools: {{{TOOL}: {{max_concurrent: 1}}}}",
            (*START, called("a")),
            [
                Row("a", "9s", True),
                Row("b", f"waits for a place at '{TOOL}' (1 in use) or a slot (1 in use)", False),
            ],
        ),
        (
            TWO,
            "",
            (
                START[0],
                called("a"),
                AttemptEnded(3.0, "a", 1, FAULT, False, True),
                RetryScheduled(3.0, "a", 2, 10.0),
            ),
            [Row("a", "retries in 4s, attempt 2", False)],
        ),
        (
            "a: {operator_type: wait, wait_for: 1h}",
            "",
            (START[0], WaitOpened(0.0, "a", "1h")),
            [Row("a", "waits 1h, 9s", False)],
        ),
        (
            "a: {operator_type: wait, wait_for: 1h}",
            "",
            (START[0], WaitOpened(0.0, "a", "1h"), WaitEnded(8.0, "a", -1)),
            [Row("a", "9s", True)],
        ),
        (
            WHILE,
            "",
            (START[0], ScopeEntered(0.0, "a#1", "a", 1), ScopeEntered(0.0, "a#2", "a", 2)),
            [Row("a", "iteration 2, 9s", True)],
        ),
        (
            WHILE,
            "",
            (START[0], ScopeEntered(0.0, "a#1", "a", 1), TaskStarted(4.0, "a#1/x")),
            [Row("a", "9s", True), Row("a#1/x", "5s", False)],
        ),
        (
            "a: {operator_type: foreach, items: [1, 2], loop_body: [{task_id: x, CALL}]}",
            "",
            (START[0], ItemsListed(0.0, "a", 2), ScopeEntered(0.0, "a[0]", "a", 0)),
            [Row("a", "item 1 of 2, 9s", True)],
        ),
        (FAN, "", (), [Row("b", "waits for a", False)]),
        (
            FAN,
            "",
            (
                START[0],
                BranchesSelected(0.0, "a", ["one"], ["one"]),
                TaskEnded(0.0, "b", "skipped"),
            ),
            [Row("a", "9s", True)],
        ),
        (
            "a: {CALL, dependencies: [], on_failure: {fallback: b}}\nb: {CALL}",
            "",
            (START[0], called("a")),
            [Row("a", "9s", True)],
        ),
        (
            TWO + "\nc: {CALL, finally: true}",
            "",
            (START[0], called("a"), TaskEnded(1.0, "b", "failed", fault=FAULT)),
            [Row("a", "9s", True), Row("c", "waits for a", False)],
        ),
    ],
)
def test_rows_say_what_runs_and_what_waits_for_what(
    tasks: str, top: str, log: tuple[Event, ...], rows: list[Row], tmp_path: Path
) -> None:
    """Nine seconds after the start; what runs comes first."""
    assert list(progress(tmp_path, tasks, *log, top=top).rows(9.0)) == rows


def test_what_has_no_room_is_counted(tmp_path: Path) -> None:
    """The tasks of the plan that are not over, and those inside of loops that have started."""
    tasks = WHILE + "".join(f"\nb{number}: {{CALL, dependencies: [a]}}" for number in range(7))
    log = (START[0], ScopeEntered(0.0, "a#1", "a", 1), TaskStarted(0.0, "a#1/x"), called("a#1/x"))
    made = progress(tmp_path, tasks, *log)
    shown = [
        (len(rows), more) for rows, more in (made.shown_rows(1.0, room) for room in (0, 3, 20))
    ]
    assert shown == [(0, 9), (3, 6), (9, 0)]


def test_dependencies_are_told_by_a_few_names(tmp_path: Path) -> None:
    tasks = "".join(f"t{number}: {{CALL, dependencies: []}}\n" for number in range(5))
    made = progress(tmp_path, tasks + "end: {CALL, dependencies: [t0, t1, t2, t3, t4]}")
    assert list(made.rows(0.0)) == [Row("end", "waits for t0, t1, t2 and 2 more", False)]


def test_the_summary_counts(tmp_path: Path) -> None:
    made = progress(tmp_path, TWO, *START, called("a"))
    assert made.summary(5.0) == "0 of 2 done, 1 running, 5s"
    made.update(TaskEnded(6.0, "a", "timed_out", fault=FAULT))
    made.update(TaskEnded(6.0, "b", "success"))
    made.update(RunEnded(6.0, "failed", FAULT, None))
    assert made.summary(6.0) == "2 of 2 done, 1 failed, 6s"
    assert made.shown_rows(6.0, 5) == ([], 0)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-1.0, "0s"),
        (0.9, "0s"),
        (59.99, "59s"),
        (60.0, "1m 0s"),
        (3725.0, "1h 2m"),
        (90000.0, "1d 1h"),
    ],
)
def test_elapsed_time_has_two_units(seconds: float, shown: str) -> None:
    assert elapsed(seconds) == shown
