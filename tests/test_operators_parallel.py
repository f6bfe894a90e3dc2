"""The operator `parallel`: members, branches, completion, failures, values."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, run, tabled, transcripts, verdict

HOLDS = tabled("parallel.txt")


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


FAULTS = {
    "an unknown member": (
        "fan: {operator_type: parallel, branches: {a: [ghost]}}",
        ["3:49: unknown task 'ghost'"],
    ),
    "a member twice": (
        "fan: {operator_type: parallel, branches: {a: [x], b: [x]}}\n  x: {function: app.echo}",
        ["3:57: 'x' is a member of 'fan' already"],
    ),
    "a task of a loop's body as a member": (
        (
            "fan: {operator_type: parallel, branches: {a: [x]}}\n"
            "  each: {operator_type: foreach, items: [], loop_body: [x]}\n"
            "  x: {function: app.echo}"
        ),
        ["3:49: 'x' belongs to the body of 'each' already"],
    ),
    "a task that counts as one of a loop's body": (
        (
            "fan: {operator_type: parallel, branches: {a: [x]}}\n"
            "  each: {operator_type: foreach, items: [], "
            "loop_body: [{task_id: x, function: app.echo}]}\n"
            "  x: {function: app.echo, is_internal_loop_task: true}"
        ),
        ["3:49: 'x' belongs to a loop's body already"],
    ),
    "itself as a member": (
        "fan: {operator_type: parallel, branches: {a: [fan]}}",
        ["3:49: 'fan' stands inside itself: fan -> fan"],
    ),
    "an unknown branch in a plain select": (
        (
            "fan: {operator_type: parallel, select: [lft], branches: {left: [x]}}\n"
            "  x: {function: app.echo}"
        ),
        ["3:43: unknown branch 'lft'; did you mean 'left'?"],
    ),
    "a select that is no list": (
        "fan: {operator_type: parallel, select: 3, branches: {a: [x]}}\n  x: {function: app.echo}",
        ["3:42: expected a list of branch names, got 3"],
    ),
    "an inline member without an id": (
        "fan: {operator_type: parallel, branches: {a: [{function: app.echo}]}}",
        ["3:49: an operator in a list needs a task_id"],
    ),
    "a member that depends on what depends on the parallel": (
        (
            "fan: {operator_type: parallel, branches: {a: [x]}}\n"
            "  x: {function: app.echo, dependencies: [y]}\n"
            "  y: {function: app.echo, dependencies: [fan]}"
        ),
        ["4:42: the tasks depend on each other in a cycle: x -> y -> x"],
    ),
    "two parallels inside each other": (
        (
            "a: {operator_type: parallel, branches: {l: [b]}}\n"
            "  b: {operator_type: parallel, branches: {l: [a]}}"
        ),
        ["3:3: the tasks depend on each other in a cycle: a -> b -> a"],
    ),
    "one id inline and at top level": (
        (
            "fan: {operator_type: parallel, branches: {a: [{task_id: x, function: app.echo}]}}\n"
            "  x: {function: app.echo}"
        ),
        [
            (
                "3:59: 'x' is a task of the top level as well; they are one task only when that "
                "one depends on 'fan' or is marked is_internal_loop_task"
            )
        ],
    ),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(tmp_path: Path, title: str) -> None:
    """What cannot run is found at collection, at its place."""
    tasks, expected = FAULTS[title]
    assert faults(tmp_path, f"name: w\ntasks:\n  {tasks}\n") == expected


def test_ten_thousand_branches_under_a_bulkhead(tmp_path: Path) -> None:
    """Eight calls at a time, in the order of the plan, and all of them."""
    branches = "\n".join(
        f"      b{number}: [{{task_id: x, function: app.ask, args: [{number}]}}]"
        for number in range(10_000)
    )
    text = f"""\
name: w
max_concurrency: 100
tools: {{app.ask: {{max_concurrent: 8}}}}
tasks:
  fan:
    operator_type: parallel
    branches:
{branches}
tests:
  t:
    stubs: {{app.ask: {{return: 1, after: 1s}}}}
    expect: {{duration: 1250s, calls: {{app.ask: 10000}}}}
"""
    result = run(tmp_path, text)
    assert result.duration == 1250
    assert [call.args[0] for call in result.calls] == list(range(10_000))
    assert {call.at for call in result.calls[:8]} == {0.0}
    assert result.calls[8].at == 1.0


def test_ten_thousand_queued_calls_are_cancelled(tmp_path: Path) -> None:
    """A stop forgets them all at once."""
    tasks = "\n".join(f"  t{number}: {{function: app.ask}}" for number in range(10_000))
    text = f"""\
name: w
tools: {{app.ask: {{max_concurrent: 8}}}}
tasks:
{tasks}
tests:
  t:
    stubs: {{app.ask: {{return: 1, after: 10s}}}}
    cancel: {{at: 1s}}
    expect: {{status: cancelled}}
"""
    result = run(tmp_path, text)
    assert len(result.calls) == 4
    assert {end.status for end in result.ends.values()} == {"cancelled"}


def test_one_transcript_under_all_latencies(tmp_path: Path) -> None:
    """Whoever ends first, lines stand in plan order."""
    text = """
        name: w
        tasks:
          fan:
            operator_type: parallel
            branches:
              a: [{task_id: x, function: app.ask}, {task_id: y, function: app.ask}]
              b: [{task_id: x, function: app.ask}, {task_id: y, function: app.ask}]
              c: [z]
          z: {function: app.ask}
          end: {function: app.echo, dependencies: [fan]}
        tests:
          t:
            stubs:
              app.ask: LATENCIES
            expect: {status: success}
        """
    assert len(transcripts(tmp_path, text, 12)) == 1


EXPECTATIONS = {
    "an unknown branch": ("branches: {fan: [lft]}", "unknown branch 'lft'; did you mean 'left'?"),
    "no list": ("branches: {fan: left}", "expected a list of branch names, got 'left'"),
    "a side of a parallel": ("branches: {fan: if_true}", "expected a list of branch names"),
    "an unknown path": ("tasks: {fan.left/y: success}", "unknown task 'fan.left/y'"),
    "an id without its path": ("tasks: {x: success}", "'x' stands inside another task"),
    "an unknown task in an order": ("order: [fan < fan.left/y]", "unknown task 'fan.left/y'"),
}


@pytest.mark.parametrize("title", EXPECTATIONS)
def test_expectations_name_what_exists(tmp_path: Path, title: str) -> None:
    """A case that expects something of what is not there is an error at collection."""
    words, expected = EXPECTATIONS[title]
    text = f"""\
name: w
tasks:
  fan:
    operator_type: parallel
    branches: {{left: [{{task_id: x, function: app.echo}}]}}
tests:
  t: {{expect: {{{words}}}}}
"""
    found = faults(tmp_path, text)
    assert len(found) == 1
    assert expected in found[0]
