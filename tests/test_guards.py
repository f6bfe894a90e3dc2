"""Guards and order: what is called exclusive never runs together, and order is the graph's."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given, note, reject, settings
from hypothesis import strategies as st

from pytest_highway.clock import DEFAULT_START, VirtualClock
from pytest_highway.engine.run import RunSettings, execute
from pytest_highway.errors import SourceError
from pytest_highway.events import BranchesSelected, ConditionEvaluated, TaskStarted
from pytest_highway.planning.compiler import compile_plan
from pytest_highway.planning.graph import Graph
from pytest_highway.planning.guards import Choice, Guards
from pytest_highway.planning.plan import Plan, Scope
from pytest_highway.planning.relations import Hinge, Order, always_one
from pytest_highway.reading.document import parse
from pytest_highway.reading.models import Workflow
from pytest_highway.reading.validation import validate_model
from pytest_highway.runners.executors import InlineRunner
from pytest_highway.tools import discover

REGISTRY = discover()
RULES = (
    "all_success",
    "none_failed",
    "none_failed_min_one_success",
    "one_success",
    "all_done",
    "all_failed",
    "one_failed",
    "one_done",
    "none_skipped",
    "all_skipped",
    "all_done_min_one_success",
)
BAD_ARGUMENT = "{{'x' < 1}}"  # cannot be evaluated, so the task fails


def plan_of(tasks: dict[str, Any], **top: Any) -> Plan:
    """The plan of these tasks; JSON is YAML."""
    document = parse(json.dumps({"name": "w", **top, "tasks": tasks}), "w.yaml")
    workflow, faults = validate_model(Workflow, document.data, document)
    assert workflow is not None, faults
    return compile_plan(document, workflow, REGISTRY)[0]


def log(*upstreams: str, **more: Any) -> dict[str, Any]:
    """A task that logs and depends on `upstreams`."""
    return {"function": "tools.log.info", "args": ["x"], "dependencies": [*upstreams], **more}


def choose(
    yes: str | None, no: str | None, *upstreams: str, test: str = "true", **more: Any
) -> dict[str, Any]:
    """A condition with its two targets."""
    sides = {"if_true": yes, "if_false": no}
    return {
        "operator_type": "condition",
        "condition": test,
        "dependencies": [*upstreams],
        **{side: target for side, target in sides.items() if target},
        **more,
    }


# --- every run of a random graph ------------------------------------------------------------------


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Up to seven tasks with conditions, a selecting parallel, rules, gates and failures."""
    names = [f"t{number}" for number in range(draw(st.integers(3, 7)))]
    tasks: dict[str, Any] = {}
    variables: dict[str, Any] = {"sel": ["a", "b"]}
    free = {*names}
    for number, name in enumerate(names):
        later = names[number + 1 :]
        earlier = st.sampled_from(names[:number] or names)
        upstreams = draw(st.lists(earlier, unique=True, max_size=min(number, 3)))
        kind = draw(st.sampled_from(["task", "task", "condition", "condition", "parallel"]))
        if kind == "condition" and later and len(variables) < 4:
            variables[f"v{number}"] = True
            either = st.sampled_from([None, *later])
            yes = draw(either)
            no = draw(either if yes else st.sampled_from(later))
            task = choose(yes, no, *upstreams, test=f"variables.v{number}")
        elif kind == "parallel" and len(free & {*later}) >= 2:
            members = st.sampled_from(sorted(free & {*later}))
            pair = draw(st.lists(members, unique=True, min_size=2, max_size=3))
            free -= {*pair}
            task = {
                "operator_type": "parallel",
                "branches": {"a": pair[:1], "b": pair[1:]},
                "dependencies": upstreams,
                "select": "{{variables.sel}}",
            }
        else:
            task = log(*upstreams)
            gate = draw(st.sampled_from([None] * 6 + ["skip_if", "run_if", "fails", "goes_on"]))
            if gate in ("skip_if", "run_if"):
                task[gate] = draw(st.sampled_from(["true", "false"]))
            elif gate is not None:
                task["args"] = [BAD_ARGUMENT]
                task["on_failure"] = "continue" if gate == "goes_on" else "skip_dependents"
        if kind == "condition":
            task |= draw(
                st.sampled_from([{}, {}, {}, {"skip_if": "true"}, {"on_failure": "continue"}])
            )
        rules = ["all_live"] * 12 + [*RULES] if name in free else ["all_live"]
        rule = draw(st.sampled_from(rules))
        tasks[name] = {**task, "trigger_rule": rule}
    try:
        return plan_of(tasks, variables=variables)
    except SourceError:  # a cycle by way of a member that waits for its own parallel's end
        reject()


def outcomes(variables: Mapping[str, object]) -> Iterator[dict[str, Any]]:
    """All values of the conditions (text is none, and fails) with all selections."""
    names = [each for each in variables if each != "sel"]
    for values in itertools.product((True, False, "false"), repeat=len(names)):
        for selected in ([], ["a"], ["b"], ["a", "b"]):
            yield {**dict(zip(names, values, strict=True)), "sel": selected}


def run(plan: Plan, variables: dict[str, Any]) -> tuple[set[int], set[Choice]]:
    """The nodes that started and the choices that were made."""
    events = execute(plan, InlineRunner(), VirtualClock(DEFAULT_START), RunSettings(variables))
    index = {name: node.index for name, node in plan.scope.by_id.items()}
    started = {index[each.path] for each in events if isinstance(each, TaskStarted)}
    made = {
        Choice(index[each.path], each.value)
        for each in events
        if isinstance(each, ConditionEvaluated)
    }
    made |= {
        Choice(index[each.path], branch)
        for each in events
        if isinstance(each, BranchesSelected)
        for branch in each.selected
    }
    return started, made


@settings(max_examples=150, deadline=None)
@given(plans())
def test_exclusive_tasks_never_run_together(plan: Plan) -> None:
    """Whatever is chosen, a task that ran had all of its choices made."""
    note(plan.document.text)
    guards = Guards(plan.scope)
    size = range(len(plan.scope.nodes))
    pairs = [pair for pair in itertools.combinations(size, 2) if guards.exclusive(*pair)]
    for variables in outcomes(plan.variables):
        started, made = run(plan, variables)
        lacking = {node: {*guards.needed(node)} - made for node in started}
        assert not any(lacking.values()), (variables, lacking)
        assert not [pair for pair in pairs if started.issuperset(pair)], variables


# --- what is found --------------------------------------------------------------------------------

DIAMOND = {
    "c": choose("a", "b"),
    "a": log(),
    "b": log(),
    "j": log("a", "b"),
    "k": log("a"),
}
NESTED = {
    "c": choose("d", "w"),
    "d": choose("u", "v"),
    "u": log(),
    "v": log(),
    "i": log("u", "v"),
    "w": log(),
    "j": log("i", "w"),
}
SELECTED = {
    "p": {
        "operator_type": "parallel",
        "select": ["x"],
        "branches": {"x": ["a", "a2"], "y": ["b"]},
    },
    "a": log(),
    "a2": log("a"),
    "b": log(),
    "both": log("a", "b"),
    "one": log("a", "a2"),
    "end": log("p"),
}
CALLED_BY_TWO = {"c": choose("t", None), "d": choose("t", "e"), "t": log(), "e": log()}
# `y` is skipped without a killer, which the live `z` excuses.
KILLERLESS = {
    "c": choose("x", None),
    "x": log(),
    "y": log("x", trigger_rule="all_success"),
    "z": log(),
    "n": log("y", "z"),
}
FALLBACK = {
    "c": choose("t", None),
    "t": log(on_failure={"fallback": "f"}),
    "f": log(),
    "e": log(**{"finally": True}),
}
BY_RULES = {
    "c": choose("a", "b"),
    "a": log(trigger_rule="none_failed"),
    "b": log(trigger_rule="all_done"),
    "s": log("a", "b", trigger_rule="all_success"),
    "n": log("a", trigger_rule="none_failed"),
}
SAME = {"c": choose("a", "a"), "a": log()}


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        (DIAMOND, {"a": "c+", "b": "c-", "k": "c+"}),
        (NESTED, {"d": "c+", "w": "c-", "u": "c+d+", "v": "c+d-", "i": "c+"}),
        (SELECTED, {"a": "p:x", "a2": "p:x", "b": "p:y", "one": "p:x"}),
        (CALLED_BY_TWO, {"e": "d-"}),
        (KILLERLESS, {"x": "c+", "y": "c+"}),
        (FALLBACK, {"t": "c+", "f": "c+"}),
        (BY_RULES, {"a": "c+", "s": "c+"}),
        (SAME, {}),
    ],
    ids=[
        "diamond",
        "nested",
        "selected",
        "called by two",
        "killerless",
        "fallback",
        "rules",
        "same",
    ],
)
def test_guards_are_the_choices_that_a_task_needs(
    tasks: dict[str, Any], expected: dict[str, str]
) -> None:
    """Each task holds these choices, `c+` for true and `c-` for false; all others hold none."""
    scope = plan_of(tasks).scope
    guards = Guards(scope)
    found = {
        node.id: "".join(told(scope, each) for each in guards.needed(node.index))
        for node in scope.nodes
    }
    assert {name: each for name, each in found.items() if each} == expected


def told(scope: Scope, choice: Choice) -> str:
    """A choice, as short as the table above has it."""
    signs = {True: "+", False: "-"}
    return scope.nodes[choice.node].id + signs.get(choice.side, f":{choice.side}")


def test_exclusion_is_found_where_one_condition_parts_two_tasks() -> None:
    """Only tasks on the two sides of one condition are exclusive, and no task is with itself."""
    scope = plan_of(NESTED).scope
    guards = Guards(scope)
    pairs = itertools.combinations_with_replacement(scope.nodes, 2)
    found = [a.id + b.id for a, b in pairs if guards.exclusive(a.index, b.index)]
    assert found == ["dw", "uv", "uw", "vw", "iw"]


def test_a_long_row_of_branches_under_one_condition_keeps_its_guard() -> None:
    """Each join inside a branch holds the branch's guard and none of the row's own."""
    tasks: dict[str, Any] = {"q": choose("j0", None), "j0": log()}
    for number in range(1, 30):
        tasks[f"c{number}"] = choose(f"a{number}", f"b{number}", f"j{number - 1}")
        tasks |= {f"a{number}": log(), f"b{number}": log()}
        tasks[f"j{number}"] = log(f"a{number}", f"b{number}")
    scope = plan_of(tasks).scope
    guards = Guards(scope)
    assert guards.needed(scope.by_id["j29"].index) == [Choice(0, True)]


# --- order ----------------------------------------------------------------------------------------


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """A random graph without cycles, of a size on either side of every shortcut."""
    size = draw(st.sampled_from([5, 70, 90]))
    graph = Graph(size)
    for vertex in range(1, size):
        upstreams = st.integers(max(0, vertex - 30), vertex - 1)
        graph.place_after(vertex, draw(st.lists(upstreams, unique=True, max_size=3)))
    graph.place_after(
        size - 1, [each for each in range(size - 1) if each not in graph.up[size - 1]]
    )
    graph.sort()
    return graph


@settings(max_examples=25, deadline=None)
@given(graphs())
def test_order_answers_as_the_graph_does(graph: Graph) -> None:
    """Every pair of vertices gets the answer that a plain search gives."""
    size = len(graph.up)
    order = Order(graph)
    pairs = [(before, after) for before in range(size) for after in range(size)]
    found = [order.reaches(*pair) for pair in pairs]
    assert found == [graph.reaches(*pair) for pair in pairs]


def hinges(scope: Scope, *texts: str) -> list[list[Hinge]]:
    """Alternatives from texts such as `0+1-`: the nodes 0 true and 1 false; `2x` is a branch."""
    sides = {"+": True, "-": False}
    return [
        [
            Hinge(scope, Choice(int(text[at]), sides.get(text[at + 1], text[at + 1])))
            for at in range(0, len(text), 2)
        ]
        for text in texts
    ]


@pytest.mark.parametrize(
    ("alternatives", "expected"),
    [
        ([], False),
        ([""], True),
        (["0+"], False),
        (["0+", "0-"], True),
        (["0+1+", "0+1-", "0-"], True),
        (["0+1+", "0+1-"], False),
        (["2x", "2y"], False),
        (["2x", ""], True),
        (["".join(f"{number}+" for number in range(10))] * 2, False),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_alternatives_that_leave_no_outcome_open(alternatives: list[str], expected: bool) -> None:
    """Conditions have two outcomes; of a parallel's branches none need be selected."""
    assert always_one(hinges(Scope(), *alternatives)) is expected


def test_too_many_choices_are_not_weighed() -> None:
    """Beyond a bound the answer is the one that raises no alarm."""
    scope = Scope()
    many = [[Hinge(scope, Choice(number, True))] for number in range(30)]
    assert always_one(many)
