"""`highway convert`: files of the package highway-dsl in our language.

The table `convert.txt` holds, for each sample, what becomes of it, what is said of it, and often
cases of which the outcome shows that it means the same.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from command_line import Call, call_fixture
from flows import REGISTRY, tabled, verdict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_highway.conversion.attributes import COMMON, OWN
from pytest_highway.conversion.commands import enclosed
from pytest_highway.conversion.conversion import convert
from pytest_highway.conversion.head import TOP
from pytest_highway.conversion.policies import duration
from pytest_highway.conversion.repair import AnyTool
from pytest_highway.errors import HighwayError
from pytest_highway.planning.nesting import load_plan
from pytest_highway.reading.document import parse

__all__ = ["call_fixture"]

TOOLS = ("--tools", "convert_tools:register")


class Sample(NamedTuple):
    """One sample of the table."""

    source: str
    becomes: str
    says: str
    tests: str


def sample(title: str) -> Sample:
    rest, _, tests = tabled("convert.txt")[title].partition(">>> tests\n")
    rest, _, says = rest.partition(">>> says\n")
    source, _, becomes = rest.partition(">>> becomes\n")
    return Sample(source, f"{becomes.rstrip()}\n", says, tests)


SAMPLES = {title: sample(title) for title in tabled("convert.txt")}
RUNNING = [title for title, each in SAMPLES.items() if each.tests]
EACH = pytest.mark.parametrize("title", SAMPLES)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@EACH
def test_a_file_is_converted_and_what_cannot_be_is_said_line_by_line(
    title: str, call: Call, folder: Path
) -> None:
    each = SAMPLES[title]
    (folder / "a.yaml").write_text(each.source, encoding="utf-8")
    done = call("convert", "a.yaml", *TOOLS)
    told = [line.removeprefix("a.yaml:") for line in done.err.splitlines()]
    lost = [line for line in each.says.splitlines() if ": warning: " not in line]
    assert (done.out, told) == (each.becomes, each.says.splitlines())
    assert (done.code, each.becomes.count("# not carried over") > 0) == (
        1 if lost else 0,
        bool(lost),
    )


@EACH
def test_what_is_made_is_valid(title: str, call: Call, folder: Path) -> None:
    (folder / "a.yaml").write_text(SAMPLES[title].becomes, encoding="utf-8")
    assert call("validate", "a.yaml", *TOOLS).code == 0


@EACH
def test_converting_again_changes_nothing(title: str, call: Call, folder: Path) -> None:
    (folder / "a.yaml").write_text(SAMPLES[title].becomes, encoding="utf-8")
    assert call("convert", "a.yaml", *TOOLS).out == SAMPLES[title].becomes


@pytest.mark.parametrize("title", RUNNING)
def test_what_is_made_runs_as_its_cases_say(title: str, folder: Path) -> None:
    assert verdict(folder, SAMPLES[title].becomes + SAMPLES[title].tests) == []


@EACH
def test_json_becomes_what_yaml_becomes(title: str, call: Call, folder: Path) -> None:
    """But for comments, and the lines that findings name."""
    data = parse(SAMPLES[title].source, "a.yaml").data
    (folder / "a.json").write_text(json.dumps(data, indent=2), encoding="utf-8")
    made = call("convert", "a.json", *TOOLS).out
    assert parse(made, "made").data == parse(SAMPLES[title].becomes, "made").data


# --- the command ---------------------------------------------------------------------------------

SIMPLE = "name: w\ntasks: {a: {operator_type: task, function: app.ask}}\n"
MADE = "name: w\ntasks:\n  a:\n    function: app.ask\n"


def test_a_file_that_is_there_is_overwritten_only_when_told_to(call: Call, folder: Path) -> None:
    (folder / "a.yaml").write_text(SIMPLE)
    assert call("convert", "a.yaml", "-o", "b.yaml", *TOOLS) == (0, "", "")
    assert (folder / "b.yaml").read_text() == MADE
    (folder / "b.yaml").write_text("mine")
    done = call("convert", "a.yaml", "-o", "b.yaml", *TOOLS)
    assert (done.code, "--force overwrites it" in done.err) == (2, True)
    assert (folder / "b.yaml").read_text() == "mine"
    assert call("convert", "a.yaml", "-o", "b.yaml", "--force", *TOOLS).code == 0
    assert (folder / "b.yaml").read_text() == MADE
    assert {each.name for each in folder.iterdir()} == {"a.yaml", "b.yaml"}
    done = call("convert", "a.yaml", "-o", "a.yaml/b.yaml", *TOOLS)
    assert (done.code, "a.yaml/b.yaml: cannot be written: " in done.err) == (2, True)


def test_tools_that_nobody_declares_are_named(call: Call, folder: Path) -> None:
    (folder / "a.yaml").write_text(SIMPLE)
    done = call("convert", "a.yaml")
    assert done == (0, MADE, "tools that are to be declared: 'app.ask'\n")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "a.yaml:1:1: the file is empty"),
        (b"\n# nothing\n", "the file holds only comments"),
        (b"[1, 2]", "a.yaml:1:1: a workflow has a 'name'"),
        (b"name: w\n", "a workflow has 'tasks', a mapping of operators"),
        (b"name: w\ntasks: []\n", "a.yaml:2:1: a workflow has 'tasks'"),
        (b"name: 3\ntasks: {a: {}}\n", "a.yaml:1:1: a workflow has a 'name'"),
        (b"tasks: {a: {}}\n", "a workflow has a 'name'"),
        (b"name: w\ntasks: {a: 3}\n", "none of the 'tasks' is an operator with an id"),
        (b"name: w\nsteps: [{id: a, run: x}]\n", "a file of steps is ours already"),
        (b"name: w\ntasks: {a: {b: [}\n", "a.yaml:2:"),
        (b"name: w\nname: w\ntasks: {a: {}}\n", "duplicate key 'name'"),
        (b"name: w\ntasks: {a: {args: [{{x}}]}}\n", "a.yaml:2:"),
        (b"name: w\n\xff\n", "a.yaml:"),
        (b"name: w # " + b"x" * 11_000_000, "a.yaml:"),
        (b"a: &a [1]\nb: &b [*a, *a]\n" + b"name: w\ntasks: {" + b"[" * 200, "a.yaml:"),
        (
            b'{"name": "w", "tasks": {"a": {"function": "f.g", "args": ["\\ud800"]}}}',
            "this escape is no character",
        ),
    ],
)
def test_what_is_no_workflow_is_bad_input(
    content: bytes, told: str, call: Call, folder: Path
) -> None:
    (folder / "a.yaml").write_bytes(content)
    done = call("convert", "a.yaml", "-o", "b.yaml")
    assert (done.code, told in done.err, (folder / "b.yaml").exists()) == (2, True, False)


CHILDREN = """\
name: parent
tasks:
  one:
    operator_type: child_workflow
    children: {one: {workflow_name: child, inputs: {who: "{{caller}}"}}}
    result_key: greeting
    timeout_seconds: 60
  two:
    operator_type: child_workflow
    children: {a: {workflow_name: child, inputs: {}}, b: {workflow_name: child}}
    dependencies: [one]
    result_key: both
variables: {caller: me}
"""
CHILD = "name: child\nvariables: {who: you}\ntasks: {a: {function: app.echo, args: ['{{variables.who}}']}}\n"
PARENT = """\
name: parent
variables: {caller: me}
tasks:
  one:
    operator_type: workflow
    file: child.yaml
    variables: {who: "{{variables.caller}}"}
    timeout: 1m
    result_key: greeting
  two:
    operator_type: parallel
    branches:
      a:
        - task_id: two_a_2
          operator_type: workflow
          file: child.yaml
          result_key: two_a_2
          dependencies: []
      b:
        - task_id: two_b_2
          operator_type: workflow
          file: child.yaml
          result_key: two_b_2
          dependencies: []
    dependencies: [one]
    result_key: both
"""


def test_children_are_files_beside_the_one_that_is_written(call: Call, folder: Path) -> None:
    (folder / "a.yaml").write_text(CHILDREN)
    (folder / "child.yaml").write_text(CHILD)
    done = call("convert", "a.yaml", *TOOLS)
    assert (done.code, done.out, done.err.count("warning: the result of a child")) == (0, PARENT, 2)
    cases = "tests: {t: {expect: {output: {a: {two_a_2: you}, b: {two_b_2: you}}}}}\n"
    assert verdict(folder, done.out + cases) == []


def test_a_file_whose_child_is_faulty_fails_where_it_runs_it(call: Call, folder: Path) -> None:
    (folder / "a.yaml").write_text(CHILDREN)
    (folder / "child.yaml").write_text("name: child\ntasks: {a: {function: 3}}\n")
    done = call("convert", "a.yaml", *TOOLS)
    assert (done.code, done.out.count('require: "false"')) == (1, 3)
    assert "child.yaml: expected text, got the number 3" in done.err


# --- parts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("PT5S", "5s"),
        ("PT3600.0S", "1h"),
        ("P0DT0H5M0S", "5m"),
        ("P1DT2H", "26h"),
        ("P2W", "14d"),
        ("0:05:00", "5m"),
        ("01:30", "90s"),
        ("1 day, 2:00:00", "26h"),
        ("2 00:00:01.5", "172801.5s"),
        (90, "90s"),
        (0, "0s"),
        ("-PT5S", None),
        (-1, None),
        ("soon", None),
        (True, None),
        (None, None),
    ],
)
def test_timedeltas_are_read_in_every_form(value: object, text: str | None) -> None:
    assert duration(value) == text


@pytest.mark.parametrize(
    ("command", "text", "values"),
    [
        ("echo '{{x}}'", "echo ''\"${x}\"''", {"x": "{{x}}"}),
        ('echo "{{results.a.b}}"', 'echo "${a_b}"', {"a_b": "{{results.a.b}}"}),
        ("echo {{ x }}{{x}}", 'echo "${x}""${x}"', {"x": "{{x}}"}),
        ("x=1; echo '{{x}}'", "x=1; echo ''\"${x_}\"''", {"x_": "{{x}}"}),
        ('echo "it\'s {{x}}"', 'echo "it\'s ${x}"', {"x": "{{x}}"}),
        ("echo \\' {{x | upper}}", 'echo \\\' "${x}"', {"x": "{{x | upper}}"}),
        ("echo {{variables.a.0}}", 'echo "${a_0}"', {"a_0": "{{variables.a.0}}"}),
        ("{{results.0}} {{env.PATH}}", '"${value_0}" "${path_value}"', None),
        ("echo {{a.x}} {{b.x}}", 'echo "${x}" "${x_}"', None),
        ("echo {{'}}'}}", None, None),
    ],
)
def test_values_of_a_command_become_variables(
    command: str, text: str | None, values: dict[str, str] | None
) -> None:
    made, found, _ = enclosed(command)
    assert (text or made, values or found) == (made, found)


# --- whatever is written -------------------------------------------------------------------------

WORDS = st.sampled_from(
    ["a", "b", "c", "{{a}}", "{{item.x}}", "{{ if }}", "PT5S", "all_success", "app.ask", "", "a b"]
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-2, 9), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)
TYPES = [*OWN, "try_catch"]
KEYS = sorted({*COMMON, *(key for keys in OWN.values() for key in keys)} - {"operator_type"})


def operators(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Operators with some of the keys that there are, whatever these hold."""
    some = st.one_of(inner, st.lists(inner, max_size=2), st.dictionaries(WORDS, inner, max_size=2))
    pairs = st.lists(st.tuples(st.sampled_from(KEYS), some), max_size=5)
    head = st.fixed_dictionaries({"operator_type": st.sampled_from(TYPES), "task_id": WORDS})
    return st.builds(
        lambda head, pairs: {"function": "app.ask", **head, **dict(pairs)}, head, pairs
    )


OPERATORS = st.recursive(VALUES, operators, max_leaves=6)
TOP_PAIRS = st.tuples(st.sampled_from(sorted(TOP - {"name", "tasks"})), VALUES)
FILES = st.builds(
    lambda tasks, pairs: {**dict(pairs), "name": "w", "tasks": tasks},
    st.dictionaries(WORDS, operators(OPERATORS), min_size=1, max_size=4),
    st.lists(TOP_PAIRS, max_size=3),
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=FILES)
def test_whatever_a_file_holds_what_is_made_of_it_loads_and_is_made_once(data: object) -> None:
    file = Path("a.yaml")
    try:
        made = convert(parse(json.dumps(data), "a.yaml"), file, REGISTRY)
    except HighwayError:
        return
    load_plan(parse(made.text, "made"), AnyTool(REGISTRY), file)
    again = convert(parse(made.text, "made"), file, REGISTRY)
    assert again.text == made.text
