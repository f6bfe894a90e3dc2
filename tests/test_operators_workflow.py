"""The operator `workflow`: another file as a nested scope."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from flows import faults, tabled, verdict

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

HOLDS = tabled("nested.txt")


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
