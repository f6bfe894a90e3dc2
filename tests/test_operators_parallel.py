"""The operator `parallel`: members, branches, completion, failures, values."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, run, transcripts, verdict

HOLDS = {
    "members by id and inline start together, and the parallel ends when all have": """
        name: w
        tasks:
          before: {function: app.echo, args: [0]}
          fan:
            operator_type: parallel
            dependencies: [before]
            branches:
              left: [a]
              right:
                - {task_id: one, function: app.ask, args: [1]}
                - {task_id: two, function: app.ask, args: [2]}
          a: {function: app.ask, args: [a]}
          end: {function: app.echo, args: [1], dependencies: [fan]}
        tests:
          t:
            stubs:
              a: {return: a, after: 10s}
              one: {return: 1, after: 2s}
              fan.right/two: {return: 2, after: 3s}
            expect:
              duration: 10s
              branches: {fan: [left, right]}
              order: ["before < a", "before < fan.right/one", "fan.right/one < fan.right/two",
                      "a < end", "fan < end"]
              calls: {app.ask: 3, fan.right/one: [{args: [1]}], two: 1}
              transcript: |
                before: app.echo(0)
                fan: parallel left, right
                fan.right/one: app.ask(1)
                fan.right/two: app.ask(2)
                a: app.ask("a")
                end: app.echo(1)
                run: success
        """,
    "an inline list is a sequence, and dependencies: [] starts at once": """
        name: w
        tasks:
          fan:
            operator_type: parallel
            branches:
              b:
                - {task_id: one, function: app.ask}
                - {task_id: two, function: app.ask}
                - {task_id: three, function: app.ask, dependencies: []}
        tests:
          t:
            stubs: {app.ask: {return: 1, after: 5s}, three: {return: 1, after: 10s}}
            expect: {duration: 10s, order: ["fan.b/one < fan.b/two"]}
        """,
    "a target of a condition of the same list follows that condition only": """
        name: w
        variables: {go: true}
        tasks:
          fan:
            operator_type: parallel
            branches:
              b:
                - {task_id: which, operator_type: condition, condition: variables.go,
                   if_true: yes, if_false: no}
                - {task_id: yes, function: app.echo}
                - {task_id: no, function: app.echo}
        tests:
          t: {expect: {branches: {fan.b/which: if_true},
                       tasks: {fan.b/yes: success, fan.b/no: skipped, fan: success}}}
          u: {variables: {go: false}, expect: {tasks: {fan.b/yes: skipped, fan.b/no: success}}}
        """,
    "the value lists the results of each branch in declared order": """
        name: w
        tasks:
          fan:
            operator_type: parallel
            branches:
              b: [{task_id: x, function: app.echo, args: [1], result_key: one}]
              a:
                - {task_id: y, function: app.echo, args: [2], result_key: two}
                - {task_id: z, function: app.echo, args: [3], result_key: three}
                - {task_id: quiet, function: app.echo, args: [4]}
            result_key: fans
        tests:
          t:
            expect:
              results: {fans: {b: {one: 1}, a: {two: 2, three: 3}}, one: 1}
              output: {b: {one: 1}, a: {two: 2, three: 3}}
        """,
    "branches that select leaves out are turned away and have no value": """
        name: w
        variables: {pick: [b]}
        tasks:
          fan:
            operator_type: parallel
            select: "{{variables.pick}}"
            branches:
              a: [{task_id: x, function: app.echo, args: [1], result_key: one}]
              b: [{task_id: y, function: app.echo, args: [2], result_key: two}]
            result_key: fans
          end: {function: app.echo, args: ["{{tasks.fan.branches}}"], dependencies: [fan],
                result_key: ran}
        tests:
          t:
            expect:
              branches: {fan: [b]}
              tasks: {fan.a/x: {status: skipped, reason: fan selected b}, end: success}
              results: {fans: {b: {two: 2}}, ran: [b]}
          none:
            variables: {pick: []}
            expect:
              branches: {fan: []}
              tasks: {fan.a/x: skipped, fan.b/y: {status: skipped, reason: fan selected nothing}}
              results: {fans: {}, ran: []}
              transcript: |
                fan: parallel nothing (not a, b) -> fans
                fan.a/x: skipped (fan selected nothing)
                fan.b/y: skipped (fan selected nothing)
                end: app.echo([]) -> ran
                run: success
          one:
            variables: {pick: a}
            expect: {branches: {fan: [a]}}
          order:
            variables: {pick: [b, a]}
            expect: {branches: {fan: [a, b]}}
        """,
    "an unknown branch fails the parallel and its edges to members": """
        name: w
        variables: {pick: [c]}
        tasks:
          fan:
            operator_type: parallel
            select: "{{variables.pick}}"
            branches: {left: [{task_id: x, function: app.echo}]}
          end: {function: app.echo, dependencies: [fan]}
        tests:
          t:
            expect:
              error: {type: ExpressionError, task: fan,
                      message: "unknown branch 'c'; there are 'left'"}
              tasks: {fan: failed, fan.left/x: upstream_failed, end: upstream_failed}
              branches: {fan: null}
          number: {variables: {pick: 3}, expect: {error: {message: {$contains: must be a list}}}}
          inside: {variables: {pick: [{a: 1}]}, expect: {error: {message: {$contains: unknown}}}}
        """,
    "a parallel that its own skip_if skips turns its members away": """
        name: w
        tasks:
          fan:
            operator_type: parallel
            skip_if: "true"
            branches: {a: [x], b: [{task_id: y, function: app.echo}]}
          x: {function: app.echo}
          after: {function: app.echo, dependencies: [fan]}
          join: {function: app.echo, dependencies: [x]}
        tests:
          t:
            expect:
              tasks: {fan: skipped, x: skipped, fan.b/y: skipped, after: success, join: skipped}
        """,
    "a parallel that its condition turned away takes its members with it": """
        name: w
        tasks:
          which: {operator_type: condition, condition: "false", if_true: fan, if_false: end}
          fan: {operator_type: parallel, branches: {a: [x]}}
          x: {function: app.echo}
          end: {function: app.echo, dependencies: [fan]}
        tests:
          t: {expect: {tasks: {fan: skipped, x: skipped, end: success}}}
        """,
    "run_if kills the parallel, its members and what depends on it": """
        name: w
        tasks:
          fan: {operator_type: parallel, run_if: "false", branches: {a: [x]}}
          x: {function: app.echo}
          end: {function: app.echo, dependencies: [fan]}
        tests:
          t: {expect: {tasks: {fan: skipped, x: skipped, end: skipped}}}
        """,
    "members depend on each other across branches and on tasks outside": """
        name: w
        tasks:
          slow: {function: app.ask}
          fan: {operator_type: parallel, branches: {a: [x], b: [y]}}
          x: {function: app.ask, dependencies: [slow]}
          y: {function: app.ask, dependencies: [x]}
        tests:
          t:
            stubs: {app.ask: {return: 1, after: 1s}}
            expect: {duration: 3s, order: [slow < x, x < y]}
        """,
    "members that list what encloses them wait only for its start or decision": """
        name: w
        tasks:
          which: {operator_type: condition, condition: "true", if_true: fan}
          fan: {operator_type: parallel, dependencies: [which], branches: {a: [x, inner]}}
          x: {function: app.echo, dependencies: [fan, which]}
          inner: {operator_type: parallel, dependencies: [fan], branches: {c: [y]}}
          y: {function: app.echo, dependencies: [inner, fan, which]}
        tests:
          t: {expect: {tasks: {x: success, y: success, inner: success, fan: success}}}
        """,
    "parallels nest, and the outer one waits for the inner one's members": """
        name: w
        tasks:
          fan:
            operator_type: parallel
            result_key: all
            branches:
              a:
                - task_id: inner
                  operator_type: parallel
                  branches: {b: [{task_id: x, function: app.ask, result_key: deep}]}
        tests:
          t:
            stubs: {fan.a/inner.b/x: {return: 7, after: 3s}}
            expect: {duration: 3s, results: {all: {a: {deep: 7}}}}
        """,
    "the start edge of a member counts under no Airflow rule": """
        name: w
        tasks:
          bad: {function: app.fail, critical: false}
          fan: {operator_type: parallel, branches: {a: [x, y]}}
          x: {function: app.echo, dependencies: [bad], trigger_rule: all_failed}
          y: {function: app.echo, trigger_rule: all_failed}
        tests:
          t: {expect: {tasks: {x: success, y: success}}}
        """,
    "a critical member's failure fails the parallel once all have ended": """
        name: w
        tasks:
          fan: {operator_type: parallel, branches: {a: [bad], b: [slow]}}
          bad: {function: app.fail, args: [broken]}
          slow: {function: app.ask}
          end: {function: app.echo, dependencies: [fan]}
        tests:
          t:
            stubs: {slow: {return: 1, after: 5s}}
            expect:
              duration: 5s
              error: {type: ValueError, message: broken, task: bad}
              tasks: {fan: failed, slow: success, end: upstream_failed}
              transcript: |
                fan: parallel a, b
                  failed: ValueError: broken
                bad: app.fail("broken")
                  failed: ValueError: broken
                slow: app.ask()
                end: skipped (dependency failed: fan)
                run: failed (bad: ValueError: broken)
        """,
    "a member that is not critical does not fail it, nor does a skipped one": """
        name: w
        tasks:
          fan: {operator_type: parallel, branches: {a: [bad], b: [none]}, result_key: r}
          bad: {function: app.fail, critical: false, result_key: x}
          none: {function: app.echo, skip_if: "true", result_key: y}
        tests:
          t: {expect: {tasks: {fan: success, bad: failed, none: skipped},
                       results: {r: {a: {}, b: {}}}}}
        """,
    "a fallback's result stands in the value under the failed member's key": """
        name: w
        tasks:
          fan: {operator_type: parallel, branches: {a: [bad]}, result_key: r}
          bad: {function: app.fail, on_failure: {fallback: other}, result_key: x}
          other: {function: app.echo, args: [2]}
        tests:
          t: {expect: {tasks: {fan: success, bad: {replaced_by: other}}, results: {r: {a: {x: 2}}}}}
        """,
    "a fallback may be a member and is none of the sequence": """
        name: w
        tasks:
          fan:
            operator_type: parallel
            result_key: r
            branches:
              a:
                - {task_id: bad, function: app.fail, on_failure: {fallback: other}, result_key: x}
                - {task_id: other, function: app.echo, args: [2]}
                - {task_id: next, function: app.echo, args: ["{{results.x}}"], result_key: y}
        tests:
          t: {expect: {tasks: {fan.a/next: success, fan.a/other: success},
                       results: {r: {a: {x: 2, y: 2}}}}}
        """,
    "on_failure of the parallel itself: continue and a fallback": """
        name: w
        tasks:
          fan: {operator_type: parallel, on_failure: continue, critical: false, branches: {a: [bad]}}
          bad: {function: app.fail}
          end: {function: app.echo, dependencies: [fan]}
          fan2: {operator_type: parallel, on_failure: {fallback: other}, branches: {a: [bad2]},
                 result_key: r}
          bad2: {function: app.fail}
          other: {function: app.echo, args: [3]}
        tests:
          t: {expect: {status: success, tasks: {end: success, fan2: failed}, results: {r: 3}}}
        """,
    "abort in a member cancels the others, and the error is the member's": """
        name: w
        tasks:
          fan: {operator_type: parallel, branches: {a: [bad], b: [slow]}}
          bad: {function: app.fail, on_failure: abort, args: [stop]}
          slow: {function: app.ask}
          beside: {function: app.ask}
          clean: {function: app.echo, finally: true}
        tests:
          t:
            stubs: {app.ask: {return: 1, after: 5s}}
            expect:
              duration: 0
              error: {type: ValueError, task: bad}
              tasks: {fan: failed, bad: failed, slow: cancelled, beside: cancelled, clean: success}
        """,
    "a finally member runs at the end of its branch, whatever became of it": """
        name: w
        tasks:
          fan:
            operator_type: parallel
            branches:
              a:
                - {task_id: clean, function: app.echo, finally: true}
                - {task_id: bad, function: app.fail}
                - {task_id: more, function: app.echo}
              b: [{task_id: slow, function: app.ask}]
          end: {function: app.echo, dependencies: [fan]}
        tests:
          t:
            stubs: {slow: {return: 1, after: 9s}}
            expect:
              status: failed
              order: [fan.a/bad < fan.a/clean]
              tasks: {fan.a/clean: success, fan.a/more: upstream_failed, fan: failed}
        """,
    "in a while the value holds what this iteration wrote, not an earlier one": """
        name: w
        tasks:
          loop:
            operator_type: while
            condition: "memory.n | default(0) < 2"
            loop_body:
              - {task_id: count, function: tools.memory.increment, args: [n]}
              - task_id: fan
                operator_type: parallel
                branches:
                  a: [{task_id: x, function: app.echo, args: [1], result_key: once,
                       run_if: "loop.first"}]
                result_key: fans
        tests:
          t: {expect: {results: {fans: {a: {}}, once: 1}}}
        """,
    "a parallel with timeout ends what it started": """
        name: w
        tasks:
          fan: {operator_type: parallel, timeout: 3s, branches: {a: [quick], b: [slow, next]}}
          quick: {function: app.ask}
          slow: {function: app.ask}
          next: {function: app.ask, dependencies: [slow]}
          end: {function: app.echo, dependencies: [fan]}
        tests:
          t:
            stubs: {quick: {return: 1, after: 1s}, slow: {return: 1, after: 9s}}
            expect:
              duration: 3s
              error: {type: TimeoutError, task: fan, message: not done within 3s}
              tasks: {fan: timed_out, quick: success, end: upstream_failed,
                      slow: {status: cancelled, reason: fan timed out}, next: cancelled}
        """,
}


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
                "3:59: 'x' is a task of the top level as well; they are one task only when that one "
                "depends on 'fan' or is marked is_internal_loop_task"
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
  t: {{stubs: {{app.ask: {{return: 1, after: 10s}}}}, cancel: {{at: 1s}}, expect: {{status: cancelled}}}}
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
