"""Large loops and many branches: the same outcome at every size, and nothing kept that has ended.

How long they take is measured by the benchmarks, never here.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
import real_tools
from flows import run

from pytest_highway.cases.simulation import run_case
from pytest_highway.engine.frame import ScopeRun
from pytest_highway.loading import load_file
from pytest_highway.tools import discover, tool
from pytest_highway.views import RunResult

EACH = """\
  each:
    operator_type: foreach
    items: [{items}]
    max_concurrency: {width}
    collect: got
    loop_body: [{{task_id: get, function: app.ask, args: ["{{{{item}}}}"], result_key: got}}]
"""
AGAIN = """\
  again:
    operator_type: while
    condition: "{{{{loop.index}}}} <= {count}"
    max_iterations: {count}
    loop_body: [{{task_id: get, function: app.ask, args: ["{{{{loop.index}}}}"]}}]
"""
CASE = "tests: {t: {stubs: {app.ask: STUB}, expect: {status: success}}}"
LATE = "{return: '{{call.args[0]}}', after: 1s}"


def foreach(count: int, width: int = 1) -> str:
    return EACH.format(items=", ".join(map(str, range(count))), width=width)


def again(count: int) -> str:
    return AGAIN.format(count=count)


def branches(count: int, function: str = "app.ask", select: str = "") -> str:
    """As many branches of one task each."""
    lines = "".join(
        f"      b{number}: [{{task_id: get, function: {function}, args: [0.001]}}]\n"
        for number in range(count)
    )
    return f"  fan:\n    operator_type: parallel\n{select}    branches:\n{lines}"


def text_of(tasks: str, stub: str = "{return: 1}", top: str = "") -> str:
    return f"name: w\n{top}tasks:\n{tasks}{CASE.replace('STUB', stub)}"


def results_with(folder: Path, text: str, function: Callable[..., object]) -> list[RunResult]:
    """The results of all cases of a file that uses one tool more."""
    registry = discover(entry_points=False)
    registry.add(function)
    file = folder / "w.workflow.yaml"
    file.write_text(text, "utf-8")
    loaded = load_file(file, file.name, registry)
    return [run_case(case, loaded.plan, registry).result for case in loaded.cases]


GUARDED = "max_concurrency: 20\ntools: {TOOL: {max_concurrent: 8}}\n"
# Events of one more round: its scope, its start, its call, its end; a branch has no scope.
ROUNDS = {"foreach": (foreach, 4), "while": (again, 4), "parallel": (branches, 3)}


@pytest.mark.parametrize("shape", ROUNDS)
def test_a_round_costs_as_many_events_at_any_size(tmp_path: Path, shape: str) -> None:
    """From 10 rounds to 3,000, the log and the transcript grow by the same for each."""
    write, events = ROUNDS[shape]
    small, large = (run(tmp_path, text_of(write(count))) for count in (10, 3_000))
    assert small.status == large.status == "success"
    assert len(large.log) - len(small.log) == events * 2_990
    assert len(large.transcript()) - len(small.transcript()) == 2_990


def test_results_stand_in_item_order_at_any_width(tmp_path: Path) -> None:
    """Fifty at a time, 2,000 items take 40 seconds, and give what one at a time gives."""
    top = "max_concurrency: 50\n"
    wide, narrow = (run(tmp_path, text_of(foreach(2_000, width), LATE, top)) for width in (50, 1))
    assert wide.duration == 40
    assert narrow.duration == 2_000
    assert wide.ends["each"].value == narrow.ends["each"].value == list(range(2_000))
    assert wide.transcript() == narrow.transcript()


def test_every_other_branch_of_thousands_runs(tmp_path: Path) -> None:
    """The transcript tells both lists, and each branch that was left out."""
    chosen = [f"b{number}" for number in range(0, 3_000, 2)]
    select = f"    select: [{', '.join(chosen)}]\n"
    result = run(tmp_path, text_of(branches(3_000, select=select)))
    left = ", ".join(f"b{number}" for number in range(1, 3_000, 2))
    head, *lines = result.transcript()
    assert head == f"fan: parallel {', '.join(chosen)} (not {left})"
    assert lines[0] == "fan.b0/get: app.ask(0.001)"
    assert lines[1].startswith("fan.b1/get: skipped (fan selected b0, b2, b4")
    assert len(result.calls) == 1_500


@tool("app.live", effects="pure")
def count_iterations(_number: int) -> int:
    """How many scopes are held right now."""
    return sum(type(each) is ScopeRun for each in gc.get_objects())


KEPT = {
    "foreach": EACH.format(items=", ".join(map(str, range(60))), width=1),
    "while": again(60),
}


@pytest.mark.parametrize("shape", KEPT)
def test_an_iteration_that_has_ended_is_not_kept(tmp_path: Path, shape: str) -> None:
    """The sixtieth sees as many scopes as the second: the run's, its own, and the one before."""
    tasks = KEPT[shape].replace("app.ask", "app.live")
    text = f"name: w\ntasks:\n{tasks}tests: {{t: {{expect: {{status: success}}}}}}\n"
    (result,) = results_with(tmp_path, text, count_iterations)
    counts = [end.value for path, end in result.ends.items() if path.endswith("/get")]
    assert len(counts) == 60
    assert len(set(counts[1:])) == 1


def test_branches_of_a_real_run_wait_at_the_bulkhead(tmp_path: Path) -> None:
    """Eight of 200 real calls at a time, and the transcript of the simulated run."""
    real_tools.MOST_ACTIVE.clear()
    top = GUARDED.replace("TOOL", "real.counted")
    tasks = branches(200, "real.counted")
    cases = (
        "tests:\n"
        "  real: {real: true, expect: {status: success}}\n"
        "  stubbed: {stubs: {real.counted: {return: null}}, expect: {status: success}}\n"
    )
    text = f"name: w\n{top}tasks:\n{tasks}{cases}"
    real, stubbed = results_with(tmp_path, text, real_tools.counted)
    assert max(real_tools.MOST_ACTIVE) == 8
    assert len(real_tools.MOST_ACTIVE) == 200
    assert real.transcript() == stubbed.transcript()


def test_answers_share_nothing(tmp_path: Path) -> None:
    """Each of two calls has lists and mappings of its own, all the way down."""
    stub = "{return: {a: [{b: 1}, 2], c: {}}}"
    result = run(tmp_path, text_of(foreach(2), stub))
    first, second = result.ends["each"].value
    assert first == second == {"a": [{"b": 1}, 2], "c": {}}
    assert first["a"] is not second["a"]
    assert first["a"][0] is not second["a"][0]
    assert first["c"] is not second["c"]
