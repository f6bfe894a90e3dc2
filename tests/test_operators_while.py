"""The operator `while`: condition, cap, state that persists, failures, nesting."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, run, verdict

HOLDS = {
    "the condition is tested before each iteration, and reads memory of the body": """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: memory.n | default(0) < 3
            loop_body: [{task_id: x, function: tools.memory.increment, args: [n]}]
            result_key: r
        tests:
          t:
            expect:
              results: {r: {iterations: 3}}
              memory: {n: 3}
              order: ["loop#1/x < loop#2/x"]
              transcript: |
                loop: while, 3 iterations -> r
                loop#1/x: tools.memory.increment("n")
                loop#2/x: tools.memory.increment("n")
                loop#3/x: tools.memory.increment("n")
                run: success
        """,
    "a condition that does not hold at first runs nothing": """
        name: w
        tasks:
          loop: {operator_type: while, condition: "1 > 2", result_key: r,
                 loop_body: [{task_id: x, function: app.echo}]}
        tests:
          t: {expect: {results: {r: {iterations: 0}}, calls: {x: 0},
                       transcript: ["loop: while, 0 iterations -> r", "run: success"]}}
        """,
    "results of the body persist outward: condition, later iterations, later tasks": """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: results.total | default(0) < 10
            loop_body:
              - {task_id: x, function: app.echo, args: ["{{(results.total | default(0)) + 4}}"],
                 result_key: total}
          end: {function: app.echo, args: ["{{results.total}}"], dependencies: [loop],
                result_key: last}
        tests:
          t: {expect: {results: {total: 12, last: 12}, calls: {x: 3}}}
        """,
    "loop.index counts from 1, also in the condition": """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: loop.index <= 2
            loop_body: [{task_id: x, function: app.echo, args: ["{{loop.index}}{{loop.first}}"]}]
        tests:
          t: {expect: {calls: {x: [{args: [1true]}, {args: [2false]}]}}}
        """,
    "reaching max_iterations fails the loop with that reason": """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: "true"
            max_iterations: 2
            loop_body: [{task_id: x, function: app.echo}]
          end: {function: app.echo, dependencies: [loop]}
        tests:
          t:
            expect:
              error: {type: MaxIterations, task: loop,
                      message: the condition still holds after 2 iterations (max_iterations)}
              tasks: {loop: failed, "loop#2/x": success, end: upstream_failed}
              transcript:
                match: subset
                lines: |
                  loop: failed (MaxIterations: the condition still holds after 2 iterations (max_iterations))
                  loop#1/x: app.echo()
                  loop#2/x: app.echo()
        """,
    "as many iterations as the cap are fine": """
        name: w
        tasks:
          loop: {operator_type: while, condition: loop.index <= 2, max_iterations: 2,
                 loop_body: [{task_id: x, function: app.echo}]}
        tests:
          t: {expect: {calls: {x: 2}}}
        """,
    "a condition that cannot be evaluated fails the loop": """
        name: w
        tasks:
          loop: {operator_type: while, condition: memory.ghost < 1,
                 loop_body: [{task_id: x, function: app.echo}]}
        tests:
          t: {expect: {error: {type: MissingValue, task: loop}, calls: {x: 0}}}
        """,
    "a failed iteration fails the loop, and none follows": """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: "true"
            loop_body: [{task_id: x, function: app.ask}, {task_id: y, function: app.echo}]
        tests:
          t:
            stubs: {x: [{return: 1}, {raise: {ValueError: second}}]}
            expect:
              error: {message: second, task: "loop#2/x"}
              tasks: {loop: failed, "loop#2/y": upstream_failed}
        """,
    "loops nest, and every operator may stand in a body": """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: loop.index <= 2
            loop_body:
              - {task_id: inner, operator_type: while, condition: loop.index <= 2,
                 loop_body: [{task_id: x, function: tools.memory.increment, args: [n]}]}
              - {task_id: each, operator_type: foreach, items: [1],
                 loop_body: [{task_id: y, function: app.echo, args: ["{{item}} {{loop.length}}"]}]}
              - {task_id: which, operator_type: condition, condition: memory.n > 2, if_true: late}
              - {task_id: late, function: app.echo}
              - {task_id: pause, operator_type: wait, wait_for: 1m, dependencies: [each]}
        tests:
          t:
            expect:
              duration: 2m
              memory: {n: 4}
              branches: {"loop#1/which": if_false, "loop#2/which": if_true}
              tasks: {"loop#1/late": skipped, "loop#2/late": success,
                      "loop#2/inner#1/x": success, "loop#2/each[0]/y": success}
        """,
    "a while in a foreach keeps its results there": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [2, 3]
            result_key: r
            loop_body:
              - task_id: loop
                operator_type: while
                condition: loop.index <= item
                loop_body: [{task_id: x, function: app.echo, args: ["{{loop.index}}"],
                             result_key: seen}]
              - {task_id: y, function: app.echo, args: ["{{results.seen}}"], result_key: last}
        tests:
          t: {expect: {results: {r: [{seen: 2, last: 2}, {seen: 3, last: 3}]}}}
        """,
    "a condition reads a result that the last iteration changed": """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: results.page.next | default(1) != null
            loop_body:
              - {task_id: get, function: app.ask, args: ["{{results.page.next | default(1)}}"],
                 result_key: page}
        tests:
          t:
            stubs: {get: [{return: {next: 2}}, {return: {next: null}}]}
            expect: {calls: {get: [{args: [1]}, {args: [2]}]}}
        """,
    "the body of ids is taken from the top level": """
        name: w
        tasks:
          loop: {operator_type: while, condition: loop.index <= 2, loop_body: [a, b]}
          a: {function: app.echo}
          b: {function: app.echo, dependencies: [a]}
        tests:
          t: {expect: {calls: {a: 2, b: 2}}}
        """,
    "a cancel in an iteration ends the loop when its finally tasks have ended": """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: "true"
            loop_body: [{task_id: x, function: app.ask},
                        {task_id: clean, function: app.echo, finally: true}]
        tests:
          t:
            stubs: {x: {return: 1, after: 2s}}
            cancel: {at: 3s}
            expect:
              status: cancelled
              tasks: {loop: cancelled, "loop#1/x": success, "loop#2/x": cancelled,
                      "loop#2/clean": success}
        """,
}


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
    text = f"name: w\ntasks:\n  loop: {{operator_type: while, {fields}}}\n  x: {{function: app.echo}}\n"
    assert faults(tmp_path, text) == expected


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
