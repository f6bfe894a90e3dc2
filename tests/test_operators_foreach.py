"""The operator `foreach`: items, bodies, order, width, failures, scoping."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, run, tabled, transcripts, verdict

HOLDS = tabled("foreach.txt")


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


X = "{task_id: x, function: app.echo}"
FAULTS = {
    "items that are no list": (
        f"each: {{operator_type: foreach, items: abc, loop_body: [{X}]}}",
        ["3:41: expected a list, got 'abc'"],
    ),
    "a name that every loop has": (
        f"each: {{operator_type: foreach, items: [], as: index, loop_body: [{X}]}}",
        ["3:49: 'index' is a field of every loop; give the item another name"],
    ),
    "a name that is none": (
        f"each: {{operator_type: foreach, items: [], as: a b, loop_body: [{X}]}}",
        ["3:49: 'a b' is no name; names match [A-Za-z_][A-Za-z0-9_-]*"],
    ),
    "an empty body": (
        "each: {operator_type: foreach, items: [], loop_body: []}",
        ["3:56: the body is empty; it needs a task"],
    ),
    "a width of 0": (
        f"each: {{operator_type: foreach, items: [], max_concurrency: 0, loop_body: [{X}]}}",
        ["3:62: input should be greater than or equal to 1, got the number 0"],
    ),
    "collecting what nobody writes": (
        (
            "each: {operator_type: foreach, items: [], collect: valeu,\n"
            "         loop_body: [{task_id: x, function: app.echo, result_key: value}]}"
        ),
        [
            (
                "3:54: no task of the body writes the result 'valeu'; there are 'value'; "
                "did you mean 'value'?"
            )
        ],
    ),
    "a loop in itself": (
        "each: {operator_type: foreach, items: [], loop_body: [each]}",
        ["3:57: 'each' stands inside itself: each -> each"],
    ),
    "loops in each other": (
        (
            "a: {operator_type: foreach, items: [], loop_body: [b]}\n"
            "  b: {operator_type: foreach, items: [], loop_body: [a]}"
        ),
        [
            "3:54: 'b' stands inside itself: b -> a -> b",
            "4:54: 'a' stands inside itself: a -> b -> a",
        ],
    ),
    "one task in two bodies": (
        (
            "a: {operator_type: foreach, items: [], loop_body: [x]}\n"
            "  b: {operator_type: foreach, items: [], loop_body: [x]}\n"
            "  x: {function: app.echo}"
        ),
        ["4:54: 'x' belongs to the body of 'a' already"],
    ),
    "one id in a body and at top level": (
        (
            f"each: {{operator_type: foreach, items: [], loop_body: [{X}]}}\n"
            "  x: {function: app.echo}"
        ),
        [
            (
                "3:67: 'x' is a task of the top level as well; they are one task only when that "
                "one depends on 'each' or is marked is_internal_loop_task"
            )
        ],
    ),
    "an internal task that no body lists": (
        "x: {function: app.echo, is_internal_loop_task: true}",
        ["3:27: 'x' is marked is_internal_loop_task, but no body lists it"],
    ),
    "a dependency from outside into a body": (
        (
            f"each: {{operator_type: foreach, items: [], loop_body: [{X}]}}\n"
            "  y: {function: app.echo, dependencies: [x]}"
        ),
        ["4:42: unknown dependency 'x'"],
    ),
    "a dependency from a body to the outside": (
        (
            "out: {function: app.echo}\n"
            "  each: {operator_type: foreach, items: [],\n"
            "         loop_body: [{task_id: x, function: app.echo, dependencies: [out]}]}"
        ),
        ["5:70: unknown dependency 'out' in the body of 'each'"],
    ),
    "two tasks of one id in a body": (
        f"each: {{operator_type: foreach, items: [], loop_body: [{X}, {X}]}}",
        ["3:91: there are two tasks 'x' in one list"],
    ),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(tmp_path: Path, title: str) -> None:
    """What cannot run is found at collection, at its place."""
    tasks, expected = FAULTS[title]
    assert faults(tmp_path, f"name: w\ntasks:\n  {tasks}\n") == expected


def test_a_hundred_thousand_items(tmp_path: Path) -> None:
    """All of them, in order."""
    text = """\
        name: w
        variables: {items: []}
        tasks:
          each:
            operator_type: foreach
            items: "{{variables.items}}"
            max_concurrency: 8
            collect: v
            result_key: r
            loop_body: [{task_id: x, function: app.echo, args: ["{{item}}"], result_key: v}]
        tests:
          t: {params: {big: {items: ITEMS}}, variables: {items: "{{params.items}}"},
              expect: {status: success}}
        """.replace("ITEMS", str(list(range(100_000))))
    result = run(tmp_path, text, "t[big]")
    assert result.results == {"r": list(range(100_000))}


def test_one_transcript_under_all_latencies(tmp_path: Path) -> None:
    """Iterations stand in the order of their items, whoever ends first."""
    text = """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [1, 2, 3, 4]
            max_concurrency: 3
            loop_body:
              - {task_id: x, function: app.ask, args: ["{{item}}"]}
              - task_id: inner
                operator_type: foreach
                items: [1, 2]
                max_concurrency: 2
                loop_body: [{task_id: y, function: app.ask, args: ["{{item}}"]}]
        tests:
          t:
            stubs:
              app.ask: LATENCIES
            expect: {status: success}
        """
    assert len(transcripts(tmp_path, text, 12)) == 1
