"""The operator `workflow`: another file as a nested scope."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from flows import faults, verdict

INNER = """
    name: inner
    variables: {n: 1, list: []}
    env: {MODE: inner}
    defaults: {retry: 1}
    output: "{{results.sum}}"
    tasks:
      add: {function: app.echo, args: ["{{variables.n + 1}}"], result_key: sum}
      mode: {function: app.echo, args: ["{{env.MODE}}"], result_key: mode}
      ask: {function: app.ask, args: ["{{results.mode}}"], dependencies: [add, mode]}
    """
FILES = {
    "inner.workflow.yaml": INNER,
    "sub/deep.workflow.yaml": """
        name: deep
        tasks:
          call: {operator_type: workflow, file: ../inner.workflow.yaml, variables: {n: 10}}
        """,
    "plain.workflow.yaml": """
        name: plain
        tasks:
          a: {function: app.echo, args: [1]}
          b: {function: app.echo, args: [2], dependencies: [a]}
        """,
    "failing.workflow.yaml": """
        name: failing
        tasks:
          bad: {function: app.fail, args: [inside]}
          clean: {function: app.echo, finally: true}
        """,
    "limited.workflow.yaml": """
        name: limited
        limits: {max_tokens: 5, max_duration: 10s}
        max_step_duration: 1h
        tasks: {ask: {function: app.ask}}
        """,
    "locked.workflow.yaml": """
        name: locked
        lock: {name: repo, wait: 5s}
        tasks: {ask: {function: app.ask}}
        """,
    "policies.workflow.yaml": """
        name: policies
        tools: {app.ask: {max_concurrent: 1}}
        tasks: {a: {function: app.ask}, b: {function: app.ask}}
        """,
    "memory.workflow.yaml": """
        name: memory
        tasks:
          up: {function: tools.memory.increment, args: [n]}
          go: {operator_type: wait, wait_for: {event: go}, dependencies: [up], result_key: got}
        """,
    "broken_output.workflow.yaml": """
        name: broken
        output: "{{results.r.ghost}}"
        tasks: {a: {function: app.echo, args: [{b: 1}], result_key: r}}
        """,
    "bodies.workflow.yaml": """
        name: bodies
        tasks:
          each: {operator_type: foreach, items: [1, 2],
                 loop_body: [{task_id: x, function: app.echo, args: ["{{item}}"]}]}
          fan: {operator_type: parallel, branches: {a: [{task_id: y, function: app.echo}]}}
        """,
}

HOLDS = {
    "its value is that file's output, its own results stay inside": """
        name: w
        variables: {m: 4}
        tasks:
          call: {operator_type: workflow, file: inner.workflow.yaml,
                 variables: {n: "{{variables.m}}"}, result_key: r}
          next: {function: app.echo, args: ["{{results.r}}"], dependencies: [call], result_key: s}
        tests:
          t:
            stubs: {call/ask: {return: 1}}
            expect:
              results: {r: 5, s: 5}
              output: 5
              calls: {ask: [{args: [inner]}], call/add: 1}
              tasks: {call: success, call/add: success}
              order: [call/add < call/ask, call/ask < next]
              transcript: |
                call: workflow inner.workflow.yaml -> r
                call/add: app.echo(5) -> sum
                call/mode: app.echo("inner") -> mode
                call/ask: app.ask("inner")
                next: app.echo(5) -> s
                run: success
        """,
    "its own environment is overlaid by the world as the outer one": """
        name: w
        env: {MODE: outer}
        tasks: {call: {operator_type: workflow, file: inner.workflow.yaml}}
        tests:
          t: {stubs: {ask: {return: 1}}, expect: {calls: {ask: [{args: [inner]}]}}}
          u: {env: {MODE: case}, stubs: {ask: {return: 1}}, expect: {calls: {ask: [{args: [case]}]}}}
        """,
    "its own defaults hold in it": """
        name: w
        tasks:
          call: {operator_type: workflow, file: inner.workflow.yaml, critical: false}
          bad: {function: app.fail, critical: false}
        tests:
          t: {stubs: {ask: {raise: ValueError}},
              expect: {tasks: {call/ask: {attempts: 2}, bad: {attempts: 1}, call: failed}}}
        """,
    "files nest, each relative to the one that names it": """
        name: w
        tasks: {call: {operator_type: workflow, file: sub/deep.workflow.yaml, result_key: r}}
        tests:
          t: {stubs: {call/call/ask: {return: 1}},
              expect: {results: {r: 11}, tasks: {call/call/add: success}}}
        """,
    "without an output its value is the last successful task's": """
        name: w
        tasks: {call: {operator_type: workflow, file: plain.workflow.yaml, result_key: r}}
        tests: {t: {expect: {results: {r: 2}}}}
        """,
    "a failure inside is the run's error, by its path": """
        name: w
        tasks:
          call: {operator_type: workflow, file: failing.workflow.yaml}
          next: {function: app.echo, dependencies: [call]}
        tests:
          t:
            expect:
              error: {message: inside, task: call/bad}
              tasks: {call: failed, call/clean: success, next: upstream_failed}
              transcript: |
                call: workflow failing.workflow.yaml
                  failed: ValueError: inside
                call/bad: app.fail("inside")
                  failed: ValueError: inside
                call/clean: app.echo()
                next: skipped (dependency failed: call)
                run: failed (call/bad: ValueError: inside)
        """,
    "a fallback and a retry by loop around it": """
        name: w
        tasks:
          call: {operator_type: workflow, file: failing.workflow.yaml, on_failure: {fallback: other},
                 result_key: r}
          other: {operator_type: workflow, file: plain.workflow.yaml}
        tests: {t: {expect: {status: success, results: {r: 2}}}}
        """,
    "variables that cannot be rendered, and an output, fail the operator": """
        name: w
        tasks:
          a: {operator_type: workflow, file: inner.workflow.yaml, critical: false,
              variables: {n: "{{1 < 'a'}}"}}
          b: {operator_type: workflow, file: broken_output.workflow.yaml}
        tests:
          t: {expect: {tasks: {a: failed, b/a: success}, calls: {app.ask: 0},
                       error: {type: MissingValue, task: b, message: {$contains: "output: "}}}}
        """,
    "memory, clock, slots and events are those of the run": """
        name: w
        max_concurrency: 1
        tasks:
          before: {function: tools.memory.set, args: [n, 5]}
          call: {operator_type: workflow, file: memory.workflow.yaml, dependencies: [before]}
          send: {function: tools.events.emit, args: [go, 7], dependencies: [later]}
          later: {operator_type: wait, wait_for: 1m, dependencies: [before]}
          after: {function: tools.memory.get, args: [n], dependencies: [call], result_key: n}
        tests: {t: {expect: {duration: 1m, results: {n: 6}}}}
        """,
    "in a loop, with loops inside": """
        name: w
        tasks:
          each: {operator_type: foreach, items: [1, 2],
                 loop_body: [{task_id: call, operator_type: workflow, file: bodies.workflow.yaml}]}
        tests:
          t: {expect: {calls: {x: 4, y: 2}, branches: {"each[1]/call/fan": [a]},
                       tasks: {"each[0]/call/each[1]/x": success, "each[1]/call/fan.a/y": success}}}
        """,
    "limits of the file bound what it uses, and end the run": """
        name: w
        tasks:
          a: {function: app.ask}
          call: {operator_type: workflow, file: limited.workflow.yaml, dependencies: [a]}
        tests:
          t:
            stubs: {a: {return: 1, usage: {tokens: 6}}, ask: {return: 1, usage: {tokens: 6}}}
            expect: {error: {type: UsageLimitExceeded, task: call/ask}, tasks: {call/ask: success}}
          fine: {stubs: {a: {return: 1, usage: {tokens: 9}}, ask: {return: 1, usage: {tokens: 5}}},
                 expect: {status: success}}
          late: {stubs: {a: {return: 1, after: 20s}, ask: {return: 1, after: 20s}},
                 expect: {duration: 30s, error: {type: UsageLimitExceeded, task: call/ask}}}
        """,
    "max_step_duration of the outer file bounds attempts inside": """
        name: w
        max_step_duration: 3s
        tasks: {call: {operator_type: workflow, file: limited.workflow.yaml}}
        tests:
          t: {stubs: {ask: {return: 1, after: 4s}}, expect: {duration: 3s, status: failed,
              tasks: {call/ask: timed_out}}}
        """,
    "the lock of the file is held while it runs": """
        name: w
        tasks:
          call: {operator_type: workflow, file: locked.workflow.yaml}
          a: {function: app.ask, lock: repo}
        tests:
          t: {stubs: {app.ask: {return: 1, after: 3s}}, expect: {duration: 6s}}
          busy: {locks: {repo: {held_for: 1m}}, stubs: {a: {return: 1}},
                 expect: {error: {type: LockTimeout, task: call}, calls: {ask: 0}}}
        """,
    "bulkheads of the file hold for the run where the outer file says nothing": """
        name: w
        tasks: {call: {operator_type: workflow, file: policies.workflow.yaml}, c: {function: app.ask}}
        tests: {t: {stubs: {app.ask: {return: 1, after: 2s}}, expect: {duration: 6s}}}
        """,
    "and those of the outer file where both say something": """
        name: w
        tools: {app.ask: {max_concurrent: 3}}
        tasks: {call: {operator_type: workflow, file: policies.workflow.yaml}, c: {function: app.ask}}
        tests: {t: {stubs: {app.ask: {return: 1, after: 2s}}, expect: {duration: 2s}}}
        """,
    "a cancel and a timeout end what it runs": """
        name: w
        tasks:
          a: {operator_type: workflow, file: limited.workflow.yaml, timeout: 3s, critical: false}
          b: {operator_type: workflow, file: locked.workflow.yaml}
        tests:
          t: {cancel: {at: 5s}, stubs: {ask: {return: 1, after: 9s}},
              expect: {status: cancelled, duration: 5s, tasks: {a: timed_out, a/ask: cancelled,
                       b: cancelled, b/ask: {reason: the run was cancelled}}}}
        """,
    "the gates hold": """
        name: w
        tasks: {a: {operator_type: workflow, file: plain.workflow.yaml, skip_if: "true"}}
        tests: {t: {expect: {tasks: {a: skipped}, calls: {app.echo: 0},
                             transcript: ["a: skipped (skip_if: true)", "run: success"]}}}
        """,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files that the tests run."""
    (tmp_path / "sub").mkdir()
    for name, text in FILES.items():
        (tmp_path / name).write_text(dedent(text), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("title", HOLDS)
def test_holds(folder: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(folder, HOLDS[title]) == []


def call(file: str, more: str = "") -> str:
    """A workflow that runs another file."""
    return f"name: w\ntasks:\n  call: {{operator_type: workflow, file: {file}{more}}}\n"


FAULTS = {
    "no such file": (
        call("ghost.yaml"),
        ["3:41: there is no file 'ghost.yaml'; it is named relative to this file"],
    ),
    "a variable that it does not declare": (
        call("inner.workflow.yaml", ", variables: {m: 1}"),
        ["3:74: 'inner.workflow.yaml' declares no variable 'm'"],
    ),
    "a lock that is held already": (
        call("locked.workflow.yaml", ", lock: repo"),
        ["3:41: the file takes the lock 'repo' inside a section that holds it"],
    ),
    "a path that is no task inside": (
        call("inner.workflow.yaml") + "tests:\n  t: {expect: {tasks: {call/ghost: success}}}\n",
        ["5:24: unknown task 'call/ghost'; there are 'call', 'add', 'mode', 'ask'"],
    ),
    "an id inside without its path": (
        call("inner.workflow.yaml") + "tests:\n  t: {expect: {tasks: {add: success}}}\n",
        ["5:24: 'add' stands inside another task; write its whole path"],
    ),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(folder: Path, title: str) -> None:
    """What cannot be meant is found at collection, at its place."""
    text, expected = FAULTS[title]
    assert faults(folder, text) == expected


def test_errors_inside_name_the_file_inside(folder: Path) -> None:
    """Of every kind, and each with its own place."""
    (folder / "broken.yaml").write_text(
        "name: b\ntasks:\n  a: {function: app.ekko}\n  b: {function: app.echo, dependencies: [c]}\n"
    )
    (folder / "unread.yaml").write_text("name: b\ntasks:\n  a: {funktion: app.echo}\n")
    (folder / "list.yaml").write_text("[1]\n")
    text = call("broken.yaml") + "  two: {operator_type: workflow, file: unread.yaml}\n"
    text += "  three: {operator_type: workflow, file: list.yaml}\n  four: {function: app.ghost}\n"
    found = faults(folder, text)
    assert sorted(line.split(":")[0] for line in found) == [
        "6",
        "broken.yaml",
        "broken.yaml",
        "list.yaml",
        "unread.yaml",
        "unread.yaml",
    ]
    assert "broken.yaml:4:42: unknown dependency 'c'" in found
    assert "list.yaml:1:1: a workflow file is a mapping with `name` and `tasks`" in found


def test_static_checks_hold_inside(folder: Path) -> None:
    """A file is checked as if it were run by itself: it sees no variable of the outer one."""
    (folder / "reads.yaml").write_text(
        'name: b\ntasks:\n  a: {function: app.echo, args: ["{{variables.m}}"]}\n'
    )
    text = "variables: {m: 1}\n" + call("reads.yaml")
    assert [line[:15] for line in faults(folder, text)] == ["reads.yaml:3:34"]


def test_a_circle_of_files_is_an_error_that_shows_the_way(folder: Path) -> None:
    """Also when it is found two files further."""
    (folder / "a.yaml").write_text(call("b.yaml"))
    (folder / "b.yaml").write_text(call("./a.yaml"))
    assert faults(folder, call("a.yaml")) == [
        (
            "b.yaml:3:41: the files run each other in a circle: "
            "flow.workflow.yaml -> a.yaml -> b.yaml -> a.yaml"
        )
    ]


def test_a_file_that_runs_itself(folder: Path) -> None:
    """The shortest circle."""
    assert faults(folder, call("flow.workflow.yaml")) == [
        "3:41: the files run each other in a circle: flow.workflow.yaml -> flow.workflow.yaml"
    ]
