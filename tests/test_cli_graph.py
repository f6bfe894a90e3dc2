"""`highway graph`: what is drawn, in which language, and the way of a run through it."""

from __future__ import annotations

import re
import shutil
import stat
import subprocess

import pytest
from command_line import Call, call_fixture
from projects import BARE, BROKEN, Write

from pytest_highway.cli.course import course_of
from pytest_highway.events import TaskEnded, TaskStarted

__all__ = ["call_fixture"]

FLOW = """\
name: flow
variables: {wanted: 1}
tasks:
  start: {function: tools.log.info, args: [a]}
  choose:
    operator_type: condition
    condition: variables.wanted == 1
    if_true: each
    if_false: other
    dependencies: [start]
  each:
    operator_type: foreach
    items: [1, 2]
    key: "'a/' + (item | string)"
    loop_body:
      - {task_id: one, function: tools.command.run, args: ["x"]}
      - {task_id: fan, operator_type: parallel, dependencies: [one], branches: {left: [{task_id: deep, function: tools.log.info, args: [c]}]}}
  other: {function: tools.log.info, args: [d], on_failure: {fallback: rescue}}
  rescue: {function: tools.log.info, args: [r]}
  pause: {operator_type: wait, wait_for: 5s, after: [start]}
  call: {operator_type: workflow, file: inner.yaml, dependencies: [each]}
  again: {operator_type: workflow, file: inner.yaml, variables: {side: false}, dependencies: [call]}
tests:
  happy:
    stubs: {one: {exit: 0}}
    expect: {status: success}
  sad:
    stubs:
      "each[a/1]/one": {exit: 1}
    expect: {status: failed}
  with_fixtures: {fixtures: [tmp_path], expect: {status: success}}
"""
INNER = """\
name: inner
variables: {side: true}
tasks:
  ask: {operator_type: condition, condition: variables.side, if_true: yes_, if_false: no_}
  yes_: {function: tools.log.info, args: [y]}
  no_: {function: tools.log.info, args: [n]}
"""
FILES = {"flow.yaml": FLOW, "inner.yaml": INNER}
MERMAID = """\
flowchart TD
  n1["start<br/>tools.log.info"]
  n2{"choose<br/>variables.wanted == 1"}
  subgraph n3["each<br/>foreach"]
    n4["one<br/>tools.command.run"]
    subgraph n5["fan<br/>parallel"]
      subgraph n6["left"]
        n7["deep<br/>tools.log.info"]
      end
    end
  end
  n8["other<br/>tools.log.info"]
  n9["rescue<br/>tools.log.info"]
  n10(["pause<br/>wait"])
  subgraph n11["call<br/>workflow inner.yaml"]
    n12{"ask<br/>variables.side"}
    n13["yes_<br/>tools.log.info"]
    n14["no_<br/>tools.log.info"]
  end
  subgraph n15["again<br/>workflow inner.yaml"]
    n16{"ask<br/>variables.side"}
    n17["yes_<br/>tools.log.info"]
    n18["no_<br/>tools.log.info"]
  end
  n4 --> n5
  n12 -->|"true"| n13
  n12 -->|"false"| n14
  n16 -->|"true"| n17
  n16 -->|"false"| n18
  n1 --> n2
  n2 -->|"true"| n3
  n2 -->|"false"| n8
  n8 -.->|"fallback"| n9
  n1 -.->|"after"| n10
  n3 --> n11
  n11 --> n15
"""


def classes(text: str) -> dict[str, list[str]]:
    """The keys of each state, of a Mermaid text."""
    return {
        state: keys.split(",") for keys, state in re.findall(r"^  class (\S+) (\w+)$", text, re.M)
    }


def test_nested_scopes_are_subgraphs(write: Write, call: Call) -> None:
    write(FILES)
    assert call("graph", "flow.yaml") == (0, MERMAID, "")


def test_a_case_colours_the_way_that_it_takes(write: Write, call: Call) -> None:
    """Two calls of one file are told apart, and what was not chosen is no way."""
    write(FILES)
    done = call("graph", "flow.yaml", "--case", "happy")
    assert (done.code, done.out.startswith(MERMAID)) == (0, True)
    assert classes(done.out) == {
        "success": [
            *("n1", "n2", "n3", "n4", "n5", "n7", "n10", "n11", "n12", "n13"),
            *("n15", "n16", "n18"),
        ],
        "skipped": ["n8", "n9", "n14", "n17"],
    }
    assert (
        done.out.splitlines()[-1] == "  linkStyle 0,1,4,5,6,9,10,11 stroke:#1a7f37,stroke-width:3px"
    )


def test_iterations_show_the_state_that_says_most(write: Write, call: Call) -> None:
    write(FILES)
    states = classes(call("graph", "flow.yaml", "--case", "sad").out)
    assert states["failed"] == ["n3", "n4"]
    assert "n12" not in [key for keys in states.values() for key in keys]


def test_a_case_whose_stubs_do_not_fit_is_drawn_with_a_warning(write: Write, call: Call) -> None:
    unused = "tests:\n  a:\n    events: [{name: never, at: 1h}]\n    expect: {status: success}\n"
    write({"flow.yaml": BARE + unused})
    done = call("graph", "flow.yaml", "--case", "a")
    assert (done.code, "warning: the event 'never'" in done.err) == (0, True)


def test_a_run_of_the_history_colours_its_way(write: Write, call: Call) -> None:
    write({"flow.yaml": INNER})
    assert call("run", "flow.yaml").code == 0
    done = call("graph", "flow.yaml", "--run", "last")
    assert (done.err, classes(done.out)) == ("", {"success": ["n1", "n2"], "skipped": ["n3"]})


def test_a_run_of_another_state_of_the_file_is_said_to_be_one(write: Write, call: Call) -> None:
    write({"flow.yaml": INNER})
    call("run", "flow.yaml", "--history", "files:h")
    write({"flow.yaml": INNER.replace("args: [n]", "args: [m]")})
    done = call("graph", "flow.yaml", "--run", "last", "--history", "files:h")
    assert (done.code, "another state of this file" in done.err) == (0, True)


DOT = """\
digraph "inner" {
  compound=true
  node [shape=box, style="rounded,filled", fillcolor=white, fontname="sans-serif"]
  edge [fontname="sans-serif"]
  fontname="sans-serif"
  n1 [label="ask\\nvariables.side", shape=diamond, style=filled]
  n2 [label="yes_\\ntools.log.info"]
  n3 [label="no_\\ntools.log.info"]
  n1 -> n2 [label="true"]
  n1 -> n3 [label="false"]
}
"""


def test_dot_is_another_language(write: Write, call: Call) -> None:
    write(FILES)
    assert call("graph", "inner.yaml", "--format", "dot") == (0, DOT, "")


def test_dot_has_edges_from_frame_to_frame(write: Write, call: Call) -> None:
    """They lead to a leaf, and are cut off."""
    write(FILES)
    out = call("graph", "flow.yaml", "--format", "dot", "--case", "happy").out
    assert '  n7 -> n12 [ltail=cluster_n3, lhead=cluster_n11, color="#1a7f37", penwidth=3]\n' in out
    assert '  n1 -> n10 [label="after", style=dashed, color="#1a7f37", penwidth=3]\n' in out
    assert '      subgraph cluster_n6 {\n        label="left"\n' in out


SIGNS = r"""
name: w
tasks:
  a:
    operator_type: condition
    if_true: b
    condition: |
      "<b>" == '#%&`\\'
      or true
  b: {function: tools.log.info, args: [x]}
"""


@pytest.mark.parametrize(
    ("style", "shown"),
    [
        ("mermaid", "{\"a<br/>#quot;#lt;b#gt;#quot; == '#35;#37;#amp;#96;#92;#92;' or true\"}"),
        ("dot", r"""[label="a\n\"<b>\" == '#%&`\\\\' or true", shape=diamond"""),
    ],
)
def test_signs_of_the_language_are_escaped_in_labels(
    style: str, shown: str, write: Write, call: Call
) -> None:
    write({"a.yaml": SIGNS})
    assert shown in call("graph", "a.yaml", "--format", style).out


def test_long_texts_are_cut(write: Write, call: Call) -> None:
    long = " and ".join(["true"] * 30)
    write({"a.yaml": INNER.replace("condition: variables.side", f"condition: {long}")})
    (label,) = re.findall(r"ask<br/>(.*)\"}", call("graph", "a.yaml").out)
    assert (len(label), label[-1]) == (60, "…")


def test_svg_without_graphviz_says_what_is_missing(
    write: Write, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(FILES)
    monkeypatch.setenv("PATH", "")
    done = call("graph", "flow.yaml", "--format", "svg")
    assert (done.code, done.out, "there is no program 'dot' on PATH" in done.err) == (2, "", True)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (
            'read first; echo "<svg>$1 $first</svg>"',
            (0, '<svg>-Tsvg digraph "inner" {</svg>\n', ""),
        ),
        ("echo no memory >&2; exit 3", (2, "", "ended with 3: no memory\n\n")),
    ],
)
def test_svg_is_what_graphviz_makes_of_dot(
    script: str,
    expected: tuple[int, str, str],
    write: Write,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = write(FILES) / "bin" / "dot"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\ncat >/dev/null\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    done = call("graph", "inner.yaml", "--format", "svg")
    assert (done.code, done.out, done.err.partition("dot ")[2]) == expected


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
@pytest.mark.parametrize("case", [[], ["--case", "happy"], ["--case", "sad"]])
def test_graphviz_takes_every_drawing_without_a_warning(
    case: list[str], write: Write, call: Call
) -> None:
    write(FILES)
    text = call("graph", "flow.yaml", "--format", "dot", *case).out
    done = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, "</svg>" in done.stdout) == (0, "", True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flow.yaml", "--case", "hapy"], "did you mean 'happy'?"),
        (["flow.yaml", "--case", "with_fixtures"], "it needs pytest's fixtures"),
        (["flow.yaml", "--case", "happy", "--run", "last"], "exclude each other"),
        (["flow.yaml", "--run", "last"], "there is no history at 'sqlite:.highway/history.sqlite'"),
        (["broken.yaml"], "tools.log.inf"),
        (["nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_cannot_be_drawn_is_bad_input(
    arguments: list[str], message: str, write: Write, call: Call
) -> None:
    folder = write({**FILES, "broken.yaml": BROKEN})
    done = call("graph", *arguments)
    assert (done.code, done.out, message in done.err) == (2, "", True)
    assert not (folder / ".highway").exists()


def test_a_run_that_was_cut_off_shows_what_was_running() -> None:
    """A later log of the same run holds where both tell of a task."""
    first = [TaskStarted(0.0, "a"), TaskEnded(1.0, "a", "success"), TaskStarted(1.0, "b")]
    states = {("a",): "success", ("b",): "running"}
    assert course_of([first]).states == states
    assert course_of([first, [TaskEnded(2.0, "b", "success")]]).states == {
        **states,
        ("b",): "success",
    }
