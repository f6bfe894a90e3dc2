"""Operators that enter a scope: `foreach` and `while` their body, `workflow` another file.

A body sees everything outside plus `item` and `loop`; the results of a `foreach` body stay inside,
those of a `while` body persist outward. A nested workflow sees its own variables, environment,
results and tasks; memory, clock, slots and events are those of the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from pytest_highway.engine.effects import (
    CancelOpen,
    Enter,
    EnterFile,
    IterationEnd,
    Join,
    Outcome,
    Record,
    Steps,
)
from pytest_highway.engine.frame import ExecutionFrame
from pytest_highway.engine.judging import EVALUATION_FAULTS, output_of, told
from pytest_highway.events import Fault, ItemsListed
from pytest_highway.expressions.expression import ExpressionError, truth
from pytest_highway.expressions.values import as_text
from pytest_highway.matching.equality import shown
from pytest_highway.reading.models import Foreach, NestedWorkflow, While

__all__ = ["LOOP_FIELDS", "run_foreach", "run_while", "run_workflow", "unevaluated"]

# What `loop` holds in every loop; other names in it are those that `as` gave.
LOOP_FIELDS = frozenset({"index", "first", "last", "length"})


def unevaluated(frame: ExecutionFrame, error: Exception) -> Outcome:
    """The end of an operator one of whose expressions cannot be evaluated."""
    assert isinstance(error, EVALUATION_FAULTS)
    fault = Fault(type(error).__name__, told(frame.run, error), frame.path)
    return Outcome("failed", fault=fault, attempts=frame.attempts)


def run_foreach(frame: ExecutionFrame) -> Steps:
    """Run the body once for each item, at most `max_concurrency` at a time."""
    model = cast("Foreach", frame.node.model)
    try:
        items, parts = _items(frame, model)
    except EVALUATION_FAULTS as error:
        return unevaluated(frame, error)
    yield Record(ItemsListed, (len(items),))
    results: list[object] = [None] * len(items)
    outer, alias, collect = _outer_names(frame), model.alias, model.collect
    width, stops_at_failure = model.max_concurrency, model.on_item_failure == "fail_fast"
    broken = False
    begun = ended = 0
    while True:
        while not broken and begun < len(items) and begun - ended < width:
            roots = _loop_roots(outer, begun, items, alias)
            yield Enter(begun, parts[begun], roots, shares_results=False)
            begun += 1
        if begun == ended:
            break
        end = cast("IterationEnd", (yield Join()))
        ended += 1
        # By its number: iterations may end in any order, and the value is in that of the items.
        results[end.number] = _collected(end, collect)
        if end.status != "success" and stops_at_failure and not broken:
            broken = True
            yield CancelOpen(f"{frame.path}{parts[end.number]} failed")
    if broken:
        return Outcome("failed", fault=frame.entered.first_failure())
    return Outcome("success", results)


def _items(frame: ExecutionFrame, model: Foreach) -> tuple[list[object], list[str]]:
    """The items, and what each adds to the path: `[0]`, or `[key]`."""
    node = frame.node
    assert node.items is not None
    items = node.items.render(frame.run.roots)
    if not isinstance(items, list):
        raise ExpressionError(f"items is {shown(items)}; it must be a list")
    if node.key is None:
        return items, [f"[{number}]" for number in range(len(items))]
    # All keys before the first iteration: two alike are found before anything has been done.
    parts: dict[str, int] = {}
    outer = _outer_names(frame)
    for number in range(len(items)):
        roots = {**frame.run.roots, **_loop_roots(outer, number, items, model.alias)}
        key = f"[{as_text(node.key.evaluate(roots))}]"
        if key in parts:
            raise ExpressionError(f"items {parts[key]} and {number} have one key, {key[1:-1]!r}")
        parts[key] = number
    return items, list(parts)


def _loop_roots(
    outer: Mapping[str, object], number: int, items: list[object], alias: str | None
) -> dict[str, object]:
    """`item` and `loop` of one iteration; the names that outer loops gave theirs are kept."""
    item, length = items[number], len(items)
    names = outer if alias is None else {**outer, alias: item}
    loop = {**names, "index": number, "first": number == 0, "last": number == length - 1}
    loop["length"] = length
    return {"item": item, "loop": loop}


def _outer_names(frame: ExecutionFrame) -> dict[str, object]:
    """What `as` named in the loops around."""
    outer = frame.run.roots.get("loop")
    if not isinstance(outer, Mapping):
        return {}
    return {name: value for name, value in outer.items() if name not in LOOP_FIELDS}


def _collected(end: IterationEnd, collect: str | None) -> object:
    if end.status != "success":
        fault = end.fault or Fault("Cancelled", "the iteration was cancelled", "")
        return {"error": fault._asdict()}
    results = end.run.own_results
    return dict(results) if collect is None else results.get(collect)


def run_while(frame: ExecutionFrame) -> Steps:
    """Run the body as long as the condition holds before an iteration."""
    node, model = frame.node, cast("While", frame.node.model)
    assert node.condition is not None
    outer, most = _outer_names(frame), model.max_iterations
    number = 0
    while True:
        loop = {**outer, "index": number + 1, "first": number == 0}
        try:
            holds = truth(node.condition.evaluate({**frame.run.roots, "loop": loop}))
        except EVALUATION_FAULTS as error:
            return unevaluated(frame, error)
        if not holds:
            return Outcome("success", {"iterations": number})
        if number == most:
            text = f"the condition still holds after {number} iterations (max_iterations)"
            return Outcome("failed", fault=Fault("MaxIterations", text, frame.path))
        number += 1
        yield Enter(number, f"#{number}", {"loop": loop}, shares_results=True)
        end = cast("IterationEnd", (yield Join()))
        frame.run.states.keep(end.run.states)
        if end.status != "success":
            return Outcome("failed", fault=end.fault)


def run_workflow(frame: ExecutionFrame) -> Steps:
    """Run another file; its value is that file's output."""
    node, nested = frame.node, frame.node.nested
    assert nested is not None
    note = f"workflow {cast('NestedWorkflow', node.model).file}"
    assert node.variables is not None
    try:
        given = cast("dict[str, object]", node.variables.render(frame.roots))
    except EVALUATION_FAULTS as error:
        return unevaluated(frame, error)._replace(note=note)
    env = frame.services.environment(nested.workflow)
    variables = {**nested.variables, **given}
    yield EnterFile({"variables": variables, "env": env, "memory": frame.services.memory})
    end = cast("IterationEnd", (yield Join()))
    if end.status != "success":
        return Outcome("failed", fault=end.fault, note=note)
    try:
        return Outcome("success", output_of(nested, end.run), note=note)
    except EVALUATION_FAULTS as error:
        fault = Fault(type(error).__name__, f"output: {told(end.run, error)}", frame.path)
        return Outcome("failed", fault=fault, note=note)
