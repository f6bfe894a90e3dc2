"""The operator `foreach`: items, bodies, order, width, failures, scoping."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, run, transcripts, verdict

HOLDS = {
    "the body runs once an item, in order, and the results are a list": """
        name: w
        variables: {names: [a, b]}
        tasks:
          each:
            operator_type: foreach
            items: "{{variables.names}}"
            loop_body:
              - {task_id: x, function: app.echo, args: ["{{item}}{{loop.index}}"], result_key: one}
              - {task_id: y, function: app.echo, args: ["{{results.one}}!"], result_key: two}
            result_key: all
        tests:
          t:
            expect:
              results: {all: [{one: a0, two: "a0!"}, {one: b1, two: "b1!"}]}
              order: ["each[0]/y < each[1]/x"]
              transcript: |
                each: foreach, 2 items -> all
                each[0]/x: app.echo("a0") -> one
                each[0]/y: app.echo("a0!") -> two
                each[1]/x: app.echo("b1") -> one
                each[1]/y: app.echo("b1!") -> two
                run: success
        """,
    "no items are fine": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [], result_key: r,
                 loop_body: [{task_id: x, function: app.echo}]}
        tests:
          t: {expect: {results: {r: []}, transcript: ["each: foreach, 0 items -> r", "run: success"]}}
        """,
    "loop tells index, first, last, length and the item by its name": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [a, b]
            as: letter
            loop_body:
              - task_id: x
                function: app.echo
                args: ["{{loop.index}} {{loop.first}} {{loop.last}} {{loop.length}} {{loop.letter}}"]
                result_key: one
            collect: one
            result_key: r
        tests:
          t: {expect: {results: {r: ["0 true false 2 a", "1 false true 2 b"]}}}
        """,
    "inner loops see the items of outer ones by name, and their own as item": """
        name: w
        tasks:
          outer:
            operator_type: foreach
            items: [a, b]
            as: letter
            collect: rows
            result_key: r
            loop_body:
              - task_id: inner
                operator_type: foreach
                items: [1, 2]
                collect: cell
                result_key: rows
                loop_body:
                  - {task_id: x, function: app.echo, result_key: cell,
                     args: ["{{loop.letter}}{{item}}{{loop.index}}"]}
        tests:
          t:
            expect:
              results: {r: [[a10, a21], [b10, b21]]}
              tasks: {"outer[1]/inner[0]/x": success, "outer[0]/inner": success}
              transcript: |
                outer: foreach, 2 items -> r
                outer[0]/inner: foreach, 2 items -> rows
                outer[0]/inner[0]/x: app.echo("a10") -> cell
                outer[0]/inner[1]/x: app.echo("a21") -> cell
                outer[1]/inner: foreach, 2 items -> rows
                outer[1]/inner[0]/x: app.echo("b10") -> cell
                outer[1]/inner[1]/x: app.echo("b21") -> cell
                run: success
        """,
    "every operator may stand in a body": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [1, 2]
            loop_body:
              - {task_id: which, operator_type: condition, condition: "item == 1",
                 if_true: fan, if_false: pause}
              - task_id: fan
                operator_type: parallel
                branches: {a: [{task_id: x, function: app.echo, args: ["{{item}}"]}]}
              - {task_id: pause, operator_type: wait, wait_for: 5m}
              - task_id: again
                operator_type: while
                dependencies: [fan, pause]
                condition: "loop.index <= item"
                loop_body: [{task_id: y, function: app.echo, args: ["{{loop.index}} {{item}}"]}]
              - {task_id: seldom, function: app.echo, run_if: "loop.last"}
        tests:
          t:
            expect:
              duration: 5m
              branches: {"each[0]/which": if_true, "each[1]/which": if_false, "each[0]/fan": [a],
                         "each[1]/fan": null}
              tasks: {"each[0]/fan.a/x": success, "each[1]/fan.a/x": skipped,
                      "each[0]/pause": skipped, "each[1]/again#2/y": success,
                      "each[0]/seldom": skipped, "each[1]/seldom": success}
              calls: {y: 3}
        """,
    "key names the iterations in paths": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [{id: u/1}, {id: "v]2"}]
            key: item.id
            loop_body: [{task_id: x, function: app.echo, args: ["{{item.id}}"]}]
        tests:
          t:
            expect:
              tasks: {"each[u/1]/x": success, "each[v]2]/x": success}
              order: ["each[u/1]/x < each[v]2]/x"]
        """,
    "two items of one key fail the loop before anything runs": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [{id: 1}, {id: 2}, {id: 1}]
            key: "{{item.id}}"
            loop_body: [{task_id: x, function: app.echo}]
        tests:
          t: {expect: {error: {message: "items 0 and 2 have one key, '1'", task: each},
                       calls: {app.echo: 0}}}
        """,
    "items that are no list fail the loop": """
        name: w
        variables: {names: {a: 1}}
        tasks:
          each: {operator_type: foreach, items: "{{variables.names}}",
                 loop_body: [{task_id: x, function: app.echo}]}
        tests:
          t: {expect: {error: {type: ExpressionError, task: each,
                               message: {$contains: must be a list}}}}
          text: {variables: {names: abc}, expect: {error: {task: each}}}
        """,
    "max_concurrency bounds the iterations in flight, and results stay in item order": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [3, 1, 2, 1]
            max_concurrency: 2
            loop_body: [{task_id: x, function: app.ask, args: ["{{item}}"], result_key: r}]
            collect: r
            result_key: all
        tests:
          t:
            stubs:
              "each[0]/x": {return: a, after: 3s}
              "each[1]/x": {return: b, after: 1s}
              "each[2]/x": {return: c, after: 2s}
              "each[3]/x": {return: d, after: 1s}
            expect:
              duration: 4s
              results: {all: [a, b, c, d]}
              order: ["each[1]/x < each[2]/x", "each[0]/x < each[3]/x"]
        """,
    "two iterations that end at one instant are both joined": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [1, 2, 3, 4, 5]
            max_concurrency: 3
            loop_body: [{task_id: x, function: app.ask, args: ["{{item}}"], result_key: r}]
            collect: r
            result_key: all
        tests:
          t:
            stubs: {x: {return: "{{call.args[0]}}", after: 1s}}
            expect: {duration: 2s, results: {all: [1, 2, 3, 4, 5]}}
        """,
    "under fail_fast iterations in flight are cancelled and the rest is never entered": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [0, 1, 2, 3]
            max_concurrency: 3
            loop_body:
              - {task_id: x, function: app.ask, args: ["{{item}}"]}
              - {task_id: clean, function: app.echo, finally: true}
          end: {function: app.echo, dependencies: [each]}
        tests:
          t:
            stubs:
              "each[0]/x": {return: 0, after: 9s}
              "each[1]/x": {raise: {ValueError: one}, after: 2s}
              "each[2]/x": {return: 2, after: 9s}
            expect:
              duration: 2s
              error: {type: ValueError, message: one, task: "each[1]/x"}
              tasks:
                each: failed
                "each[0]/x": {status: cancelled, reason: "each[1] failed"}
                "each[1]/x": failed
                "each[2]/x": cancelled
                "each[0]/clean": success
                "each[1]/clean": success
                end: upstream_failed
              calls: {x: 3}
        """,
    "the error is that of the first failed item, not of the first in time": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [0, 1]
            max_concurrency: 2
            loop_body: [{task_id: x, function: app.ask}]
        tests:
          t:
            stubs:
              "each[0]/x": {raise: {ValueError: zero}, after: 2s}
              "each[1]/x": {raise: {ValueError: one}, after: 2s}
            expect: {error: {message: zero, task: "each[0]/x"}}
        """,
    "collect lets all iterations run and puts failures in their places": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [0, 1, 2]
            on_item_failure: collect
            collect: value
            result_key: r
            loop_body:
              - {task_id: x, function: app.even, args: ["{{item}}"], result_key: value}
              - {task_id: y, function: app.echo, critical: false}
        tests:
          t:
            expect:
              results:
                r: [0, {error: {type: ValueError, message: 1 is odd, task: "each[1]/x"}}, 2]
              tasks: {each: success, "each[1]/y": upstream_failed}
        """,
    "an iteration is judged as a run: what is not critical does not fail it": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [1]
            result_key: r
            loop_body:
              - {task_id: x, function: app.fail, critical: false, result_key: value}
              - {task_id: y, function: app.fail, dependencies: [], on_failure: {fallback: z},
                 result_key: other}
              - {task_id: z, function: app.echo, args: [5]}
        tests:
          t: {expect: {status: success, results: {r: [{other: 5}]}}}
        """,
    "an iteration with an upstream failure alone has failed": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [1]
            loop_body:
              - {task_id: x, function: app.fail, critical: false}
              - {task_id: y, function: app.echo}
        tests:
          t: {expect: {error: {type: UpstreamFailed, task: "each[0]/y"}}}
        """,
    "a loop that is not critical, and one that continues": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [1], critical: false, on_failure: continue,
                 loop_body: [{task_id: x, function: app.fail}]}
          end: {function: app.echo, dependencies: [each]}
        tests:
          t: {expect: {status: success, tasks: {each: failed, end: success}}}
        """,
    "a fallback stands in for a whole loop": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [1], on_failure: {fallback: other},
                 result_key: r, loop_body: [{task_id: x, function: app.fail}]}
          other: {operator_type: foreach, items: [1, 2], collect: v,
                  loop_body: [{task_id: y, function: app.echo, args: ["{{item}}"], result_key: v}]}
        tests:
          t: {expect: {status: success, results: {r: [1, 2]}, tasks: {each: {replaced_by: other}}}}
        """,
    "abort in a body stops the run once, and the error is the inner task's": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [0, 1, 2]
            max_concurrency: 2
            loop_body:
              - {task_id: x, function: app.even, args: ["{{item}}"], on_failure: abort}
              - {task_id: y, function: app.ask}
              - {task_id: clean, function: app.echo, finally: true}
          beside: {function: app.ask}
          last: {function: app.echo, finally: true}
        tests:
          t:
            stubs: {app.ask: {return: 1, after: 5s}}
            expect:
              duration: 0
              error: {type: ValueError, message: 1 is odd, task: "each[1]/x"}
              tasks: {each: failed, "each[0]/y": cancelled, "each[1]/y": cancelled,
                      "each[0]/clean": success, "each[1]/clean": success,
                      beside: {status: cancelled, reason: "each[1]/x aborted the run"},
                      last: success}
        """,
    "abort under collect still names the task": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [1]
            on_item_failure: collect
            loop_body: [{task_id: x, function: app.fail, args: [why], on_failure: abort}]
        tests:
          t: {expect: {error: {type: ValueError, message: why, task: "each[0]/x"},
                       tasks: {each: cancelled}}}
        """,
    "a cancel ends open iterations, and their finally tasks run": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [0, 1, 2]
            max_concurrency: 2
            loop_body:
              - task_id: inner
                operator_type: foreach
                items: [1]
                loop_body:
                  - {task_id: x, function: app.ask}
                  - {task_id: clean, function: app.ask, finally: true}
        tests:
          t:
            cancel: {at: 2s}
            stubs: {x: {return: 1, after: 5s}, clean: {return: 1, after: 3s}}
            expect:
              status: cancelled
              duration: 5s
              calls: {x: 2, clean: 2}
              tasks: {each: {status: cancelled, reason: the run was cancelled},
                      "each[0]/inner": cancelled, "each[1]/inner[0]/x": cancelled,
                      "each[1]/inner[0]/clean": success}
        """,
    "results of a body stay inside, and it sees those outside": """
        name: w
        tasks:
          one: {function: app.echo, args: [1], result_key: k}
          each:
            operator_type: foreach
            items: [5]
            dependencies: [one]
            loop_body:
              - {task_id: a, function: app.echo, args: ["{{results.k}}"], result_key: seen}
              - {task_id: b, function: app.echo, args: ["{{results.seen}}"], result_key: again}
            result_key: all
          end: {function: app.echo, args: ["{{results.k}}"], dependencies: [each], result_key: last}
        tests:
          t: {expect: {results: {all: [{seen: 1, again: 1}], k: 1, last: 1}}}
        """,
    "tasks of a body are seen by their id, and those outside too": """
        name: w
        tasks:
          one: {function: app.echo}
          each:
            operator_type: foreach
            items: [1]
            dependencies: [one]
            loop_body:
              - {task_id: a, function: app.echo, skip_if: "true"}
              - {task_id: b, function: app.echo, result_key: r,
                 args: ["{{tasks.a.status}} {{prev.one.status}}"]}
            collect: r
            result_key: r2
        tests:
          t: {expect: {results: {r2: [skipped success]}}}
        """,
    "a body of ids takes these tasks from the top level": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [1, 2], loop_body: [a, b]}
          a: {function: app.echo, args: ["{{item}}"], dependencies: [each]}
          b: {function: app.echo, dependencies: [a]}
        tests:
          t: {expect: {calls: {a: 2, b: 2}, order: ["each[0]/a < each[0]/b"],
                       tasks: {"each[1]/b": success}}}
        """,
    "a body written inline and at top level counts once, as highway-dsl has it": """
        name: w
        tasks:
          each:
            task_id: each
            operator_type: foreach
            items: [1, 2]
            loop_body:
              - {task_id: a, operator_type: task, function: app.echo, dependencies: [each],
                 is_internal_loop_task: true}
              - {task_id: b, operator_type: task, function: app.echo, dependencies: [a]}
          a: {task_id: a, function: app.echo, dependencies: [each]}
          b: {task_id: b, function: app.echo, dependencies: [a], is_internal_loop_task: true}
        tests:
          t: {expect: {calls: {app.echo: 4}, tasks: {"each[0]/a": success}}}
        """,
    "a body task may list any of the loops around it": """
        name: w
        tasks:
          outer:
            operator_type: foreach
            items: [1]
            loop_body:
              - task_id: inner
                operator_type: foreach
                items: [1]
                dependencies: [outer]
                loop_body: [{task_id: x, function: app.echo, dependencies: [inner, outer]}]
        tests:
          t: {expect: {tasks: {"outer[0]/inner[0]/x": success}}}
        """,
    "finally and fallbacks stand beside the sequence of a body": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [1]
            loop_body:
              - {task_id: clean, function: app.echo, finally: true}
              - {task_id: a, function: app.fail, on_failure: {fallback: b}}
              - {task_id: b, function: app.echo}
              - {task_id: c, function: app.ask}
        tests:
          t: {stubs: {c: {return: 1, after: 2s}},
              expect: {order: ["each[0]/b < each[0]/c", "each[0]/c < each[0]/clean"]}}
        """,
    "a bare id stubs a task in every iteration, a path only there": """
        name: w
        tasks:
          each:
            operator_type: foreach
            items: [1, 2]
            loop_body: [{task_id: x, function: app.ask, result_key: v}]
            collect: v
            result_key: r
        tests:
          t: {stubs: {x: {return: every}, "each[1]/x": {return: this}},
              expect: {results: {r: [every, this]}, calls: {x: 2, "each[1]/x": 1}}}
        """,
    "a timeout ends the iterations in flight": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [1, 2], timeout: 3s, max_concurrency: 2,
                 loop_body: [{task_id: x, function: app.ask},
                             {task_id: clean, function: app.ask, finally: true}]}
        tests:
          t: {stubs: {x: {return: 1, after: 9s}, clean: {return: 1, after: 1s}},
              expect: {duration: 4s, error: {type: TimeoutError, task: each},
                       tasks: {each: timed_out, "each[0]/x": {reason: each timed out}}}}
        """,
}


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
                "3:67: 'x' is a task of the top level as well; they are one task only when that one "
                "depends on 'each' or is marked is_internal_loop_task"
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
