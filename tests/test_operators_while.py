"""The operator `while`: condition, cap, state that persists, failures, nesting."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, run, tabled, verdict
from nested_flows import plan_of

from pytest_highway.clock import VirtualClock
from pytest_highway.engine.run import RunSettings, execute
from pytest_highway.runners.executors import InlineRunner
from pytest_highway.views import RunResult

HOLDS = tabled("while.txt")


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


FAULTS = {
    "no condition": ("loop_body: [x]", ["3:3: 'condition' is missing"]),
    "a bad condition": ("condition: '1 <', loop_body: [x]", ["3:43: an operand is missing"]),
    "no body": ("condition: 'true'", ["3:3: 'loop_body' is missing"]),
    "a cap of 0": (
        "condition: 'true', max_iterations: 0, loop_body: [x]",
        ["3:67: input should be greater than or equal to 1, got the number 0"],
    ),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(tmp_path: Path, title: str) -> None:
    """What cannot run is found at collection, at its place."""
    fields, expected = FAULTS[title]
    loop = f"loop: {{operator_type: while, {fields}}}"
    text = f"name: w\ntasks:\n  {loop}\n  x: {{function: app.echo}}\n"
    assert faults(tmp_path, text) == expected


def test_states_of_a_body_are_seen_by_its_loop_and_behind_it() -> None:
    """As its results are: those of the last iteration that had them."""
    plan = plan_of(
        {
            "loop": {
                "operator_type": "while",
                "condition": "(tasks.a.status | default('none')) != 'skipped'",
                "loop_body": [
                    {"task_id": "seen", **echo("{{tasks.a.attempts | default(0)}}", "seen")},
                    {"task_id": "a", **echo("x"), "skip_if": "not loop.first"},
                    {
                        "task_id": "inner",
                        "operator_type": "while",
                        "condition": "loop.index < 2",
                        "loop_body": [{"task_id": "b", **echo("y")}],
                    },
                ],
            },
            "end": {
                **echo("{{tasks.a.status}} {{tasks.b.status}} {{tasks.loop.status}}", "last"),
                "dependencies": ["loop"],
            },
        }
    )
    log = execute(plan, InlineRunner(), VirtualClock(), RunSettings())
    results = RunResult(log).results
    assert results == {"seen": 1, "last": "skipped success success"}


def echo(text: str, key: str | None = None) -> dict[str, object]:
    """A task that gives its argument back."""
    return {"function": "app.echo", "args": [text], "result_key": key}


def test_a_hundred_thousand_iterations(tmp_path: Path) -> None:
    """They leave nothing behind but the log."""
    text = """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: memory.n | default(0) < 100000
            max_iterations: 100000
            loop_body: [{task_id: x, function: tools.memory.increment, args: [n]}]
        tests:
          t: {expect: {status: success}}
        """
    assert run(tmp_path, text).memory == {"n": 100_000}
