"""Static checks: each finding of `check_plan`, at its place, and no false alarms.

The cases stand in `checks/*.txt`: `### what it shows`, a workflow without its name, and a line
`> line:column: message` for each finding. Lines count from a first one that holds the name.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from pytest_highway.planning.checks import check_plan
from pytest_highway.planning.compiler import compile_plan
from pytest_highway.planning.plan import Plan
from pytest_highway.reading.document import parse
from pytest_highway.reading.models import Workflow
from pytest_highway.reading.validation import validate_model
from pytest_highway.tools import discover

REGISTRY = discover()
FOLDER = Path(__file__).parent / "checks"


class Example(NamedTuple):
    """A workflow and the findings about it."""

    name: str
    text: str
    findings: list[str]


def examples() -> list[Example]:
    """All cases of all files."""
    found = []
    for file in sorted(FOLDER.glob("*.txt")):
        for part in file.read_text(encoding="utf-8").split("### ")[1:]:
            name, _, body = part.partition("\n")
            lines = body.splitlines()
            text = "\n".join(each for each in lines if not each.startswith("> "))
            findings = [each[2:] for each in lines if each.startswith("> ")]
            found.append(Example(f"{file.stem}: {name}", text, findings))
    return found


def plan_of(text: str) -> Plan:
    """The plan of a workflow text without its name."""
    document = parse(f"name: w\n{text}", "w")
    workflow, faults = validate_model(Workflow, document.data, document)
    assert workflow is not None, faults
    return compile_plan(document, workflow, REGISTRY)[0]


def findings(text: str) -> list[str]:
    """The headlines about a workflow, without its path."""
    return [each.headline().removeprefix("w:") for each in check_plan(plan_of(text))]


def read_results(text: str) -> list[str]:
    """The tasks that are marked as having a result that is read."""
    plan = plan_of(text)
    check_plan(plan)
    return [node.id for node in plan.scope.walk() if node.result_is_read]


@pytest.mark.parametrize("example", examples(), ids=lambda each: each.name)
def test_findings_are_these_and_no_others(example: Example) -> None:
    """Each workflow has the findings that are written below it, in the order of the file."""
    assert findings(example.text) == example.findings


CONDITION = (
    "  {}: {{operator_type: condition, condition: 'true', if_true: {}, if_false: {}, "
    "dependencies: [{}]}}\n"
)


def task(name: str, *upstreams: str, args: str = "x", key: str = "") -> str:
    """One line of a workflow: a task that logs."""
    result = f", result_key: {key}" if key else ""
    listed = ", ".join(upstreams)
    call = f'function: tools.log.info, args: ["{args}"]'
    return f"  {name}: {{{call}, dependencies: [{listed}]{result}}}\n"


def test_many_writers_in_a_row_leave_no_finding() -> None:
    """In a row of 40 tasks that read and write one result each reads what the last one wrote."""
    row = [task(f"t{n}", f"t{n - 1}", args="{{results.r}}", key="r") for n in range(1, 40)]
    assert findings("tasks:\n" + task("t0", key="r") + "".join(row)) == []


def test_many_writers_in_a_row_and_a_reader_beside_its_end() -> None:
    """A reader that follows the middle of a row has no order against what comes behind that."""
    row = [task(f"t{n}", *([f"t{n - 1}"] if n else []), key="r") for n in range(20)]
    reader = task("z", "t10", args="{{results.r}}")
    message = (
        "'results.r' is read, but 't11', 't12', 't13', 't14', 't15', 't16', 't17', 't18' and 1 "
        "more, which may write it, need not have ended by then; add a dependency on 't11' to 'z'"
    )
    assert findings("tasks:\n" + "".join(row) + reader) == [f"23:40: {message}"]


def test_many_writers_in_a_row_behind_a_branch() -> None:
    """Where the last of a row may be left out, the one that always runs still has written."""
    head = task("t0", key="r") + CONDITION.format("c", "t1", "z0", "t0") + task("z0")
    row = [task(f"t{n}", *([f"t{n - 1}"] if n > 1 else []), key="r") for n in range(1, 20)]
    reader = task("z", "t19", "z0", args="{{results.r}}")
    assert findings("tasks:\n" + head + "".join(row) + reader) == []


def test_many_writers_beside_each_other_are_each_told_of() -> None:
    """Where no row is, a reader that waits for all is told nothing more than the conflicts."""
    fan = [task(f"t{n}", key="r") for n in range(18)]
    reader = task("z", *(f"t{n}" for n in range(18)), args="{{results.r}}")
    found = findings("tasks:\n" + "".join(fan) + reader)
    assert len(found) == 20
    assert all("both write 'results.r'" in each for each in found)


def test_many_writers_in_a_row_are_read_in_a_body() -> None:
    """A reader in a body stands where its loop does."""
    row = [task(f"t{n}", *([f"t{n - 1}"] if n else []), key="r") for n in range(20)]
    loop = """
  l:
    operator_type: foreach
    items: [1]
    dependencies: [t19]
    loop_body: [{task_id: i, function: tools.log.info, args: ["{{results.r}}"]}]
"""
    assert findings("tasks:\n" + "".join(row) + loop) == []


def test_many_writers_in_the_body_of_a_while_are_read_behind_it() -> None:
    """What a row in a body writes is there once the loop has ended."""
    row = [task(f"t{n}", *([f"t{n - 1}"] if n else []), key="r") for n in range(20)]
    names = ", ".join(f"t{n}" for n in range(20))
    loop = f"  w: {{operator_type: while, condition: 'loop.first', loop_body: [{names}]}}\n"
    reader = task("z", "w", args="{{results.r}}")
    assert findings("tasks:\n" + loop + "".join(row) + reader) == []


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (task("a", key="r") + task("b", "a", args="{{results.r}}", key="s"), ["a"]),
        (task("a", key="r") + task("b", "a", args="{{results}}", key="s"), ["a", "b"]),
        (
            "  a: {function: tools.log.info, args: [x], result_key: r, on_failure: {fallback: f}}\n"
            "  f: {function: tools.log.info, args: [x], on_failure: {fallback: g}}\n"
            + task("g")
            + task("b", "a", args="{{results.r}}"),
            ["a", "f", "g"],
        ),
        (
            "  p: {operator_type: parallel, result_key: all, branches: {x: [q], y: [t]}}\n"
            "  q: {operator_type: parallel, branches: {z: [u]}}\n"
            + task("t")
            + task("u", key="r")
            + task("z", "p", args="{{results.all}}"),
            ["p", "q", "u"],
        ),
        (
            "  l: {operator_type: foreach, items: [1], result_key: all, collect: r, "
            "loop_body: [t, u]}\n"
            + task("t", key="r")
            + task("u", key="s")
            + task("z", "l", args="{{results.all}}"),
            ["l", "t"],
        ),
    ],
    ids=["one key", "as a whole", "fallbacks", "members", "a collected result"],
)
def test_results_that_are_read_are_marked(text: str, read: list[str]) -> None:
    """The mark is on each task whose value something may look at, and on no other."""
    assert read_results("tasks:\n" + text) == read


def test_all_findings_are_in_file_order_and_told_once() -> None:
    """A name that is wrong twice in one string is one finding; findings go by position."""
    text = "variables: {unused: 1}\ntasks:\n" + task("a", args="{{foo}} {{foo}} {{env.X}}")
    assert [each.partition(": ")[0] for each in findings(text)] == ["2:13", "4:40", "4:40"]


def test_a_check_by_a_function_reads_nothing() -> None:
    """`require: module:function` has no references to hold against anything."""
    text = "tasks:\n  a: {function: tools.log.info, args: [x], require: 'os.path:exists'}\n"
    assert findings(text) == []
