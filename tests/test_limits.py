"""What holds calls back: bulkheads, breakers, limits, locks."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, load, result_of, tabled, verdict

from pytest_highway.events import LimitBreached, TaskEnded, UsageAdded

HOLDS = tabled("limits.txt")


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


def test_the_log_holds_the_breaching_step(tmp_path: Path) -> None:
    """Usage, breach and the step's success stand in this order, and nothing of it is lost."""
    text = """
        name: w
        limits: {max_cost: 0.1}
        tasks: {a: {function: app.ask}}
        tests: {t: {stubs: {a: {return: 1, usage: {cost: 0.2}}}, expect: {status: failed}}}
        """
    log = result_of(load(tmp_path, text)).log
    kinds = (UsageAdded, LimitBreached, TaskEnded)
    assert [event[:3] for event in log if isinstance(event, kinds)] == [
        (0.0, "a", "0.2"),
        (0.0, "a", "max_cost"),
        (0.0, "a", "success"),
    ]


FAULTS = {
    "a lock inside its own section": (
        (
            "each: {operator_type: foreach, items: [], lock: repo,\n"
            "         loop_body: [{task_id: x, function: app.echo, lock: repo}]}"
        ),
        ["4:61: 'x' takes the lock 'repo' inside a section that holds it"],
    ),
    "deep inside": (
        (
            "fan: {operator_type: parallel, lock: repo, branches: {a: [in]}}\n"
            "  in: {operator_type: parallel, branches: {b: [each]}}\n"
            "  each: {operator_type: while, condition: 'true', loop_body: [x]}\n"
            "  x: {function: app.echo, lock: {name: repo, wait: 1s}}"
        ),
        ["6:33: 'x' takes the lock 'repo' inside a section that holds it"],
    ),
    "max_queue alone": (
        "a: {function: app.echo}\ntools: {app.ask: {max_queue: 3}}",
        ["4:19: 'max_queue' needs 'max_concurrent'"],
    ),
    "a policy of an unknown tool": (
        "a: {function: app.echo}\ntools: {app.aks: {max_concurrent: 3}}",
        ["4:9: unknown tool 'app.aks'; did you mean 'app.ask'?"],
    ),
    "a negative cost": (
        "a: {function: app.echo}\nlimits: {max_cost: -1}",
        ["4:20: expected an amount of 0 or more, got the number -1"],
    ),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(tmp_path: Path, title: str) -> None:
    """What cannot be meant is found at collection, at its place."""
    tasks, expected = FAULTS[title]
    assert faults(tmp_path, f"name: w\ntasks:\n  {tasks}\n") == expected


def test_a_lock_inside_that_of_the_run(tmp_path: Path) -> None:
    """The run is the widest section."""
    text = "name: w\nlock: repo\ntasks:\n  a: {function: app.echo, lock: repo}\n"
    assert faults(tmp_path, text) == [
        "4:33: 'a' takes the lock 'repo' inside a section that holds it"
    ]
