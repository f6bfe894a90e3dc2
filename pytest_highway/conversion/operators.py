"""Which operator of highway-dsl becomes what, by its type.

What none of ours can do is stood in for by a task that fails, so that nothing is green which did
not happen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from pytest_highway.conversion import choices, composites, leaves
from pytest_highway.conversion.made import Made, clean, sequence
from pytest_highway.conversion.parts import Extra, Parts
from pytest_highway.conversion.tree import Op
from pytest_highway.errors import did_you_mean

__all__ = ["convert_operator"]


def _workflow(parts: Parts, op: Op, made: Made) -> None:
    """One of ours already."""
    made |= {"operator_type": "workflow", **parts.rest(op, made, "file", "variables")}


KINDS: Final[Mapping[str, Callable[[Parts, Op, Made], Extra | None]]] = {
    "task": leaves.task,
    "activity": leaves.task,
    "condition": choices.condition,
    "wait": leaves.wait,
    "parallel": composites.parallel,
    "foreach": composites.foreach,
    "while": composites.while_,
    "switch": choices.switch,
    "emit_event": leaves.emit_event,
    "wait_for_event": leaves.wait_for_event,
    "join": leaves.join,
    "reflexive": leaves.reflexive,
    "multi_choice": choices.multi_choice,
    "terminate": leaves.terminate,
    "child_workflow": composites.child_workflow,
    "workflow": _workflow,
}


def convert_operator(parts: Parts, op: Op, made: Made) -> Extra:
    """Fill in an operator; returns those that it needs beside it, by id."""
    make = KINDS.get(op.kind)
    if make is not None:
        return make(parts, op, made) or []
    # What it may have chosen among must not run on its own.
    beside = [each for each in op.scope.ops if each != op.id]
    named = set(_texts(op.raw))
    made.held = [each for each in beside if each in named]
    near = did_you_mean(op.kind, KINDS)
    parts.lose(op, made, "operator_type", f"there is no operator {op.kind!r}{near}")
    return []


def _texts(raw: Mapping[str, object]) -> Iterator[str]:
    """Every id that an operator may name, save in its dependencies."""
    ahead: list[object] = [each for key, each in raw.items() if key != "dependencies"]
    while ahead:
        value = ahead.pop()
        if isinstance(value, str) and value:
            yield clean(value)
        ahead += value.values() if isinstance(value, dict) else sequence(value)
