"""What `highway run --dry-run` shows: the order of the tasks, and what each would call.

    1. lint: tools.shell.run("ruff check src")
    2. unit, after lint: tools.shell.run("pytest {{results.lint.target}}")

Variables stand in their values; what only the run can know stays as it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_highway.engine.judging import EVALUATION_FAULTS
from pytest_highway.expressions.template import compile_data
from pytest_highway.planning.plan import Node, Plan, Scope
from pytest_highway.reading.models import AnyTask
from pytest_highway.serialization import to_json

__all__ = ["rehearse"]


def rehearse(plan: Plan, variables: Mapping[str, object]) -> Iterator[str]:
    """The lines for a plan, in an order in which its tasks can run."""
    roots = {"variables": {**plan.variables, **variables}}
    yield f"{plan.name} ({plan.file})"
    yield from _lines(plan.scope, roots, "")


def _lines(scope: Scope, roots: Mapping[str, object], indent: str) -> Iterator[str]:
    for number, index in enumerate(scope.order, start=1):
        node = scope.nodes[index]
        before = [scope.nodes[each].id for each in (*node.upstream, *node.starts, *node.after)]
        after = f", after {', '.join(before)}" if before else ""
        yield f"{indent}{number}. {node.id}{after}: {_what(node, roots)}"
        if node.body is not None:
            yield from _lines(node.body, roots, f"{indent}   ")
        if node.nested is not None:
            inner = {"variables": node.nested.variables}
            yield from _lines(node.nested.scope, inner, f"{indent}   ")


def _what(node: Node, roots: Mapping[str, object]) -> str:
    model = node.model
    if isinstance(model, AnyTask):
        shown = [_value(each, roots) for each in model.args]
        shown += [f"{name}={_value(each, roots)}" for name, each in model.kwargs.items()]
        return f"{model.function}({', '.join(shown)})"
    if node.condition is not None:
        return f"{node.kind} {node.condition.source}{_targets(node)}"
    return f"{node.kind}{_targets(node)}"


def _targets(node: Node) -> str:
    names = getattr(node.model, "if_true", None), getattr(node.model, "if_false", None)
    return "".join(
        f", {side}: {name}" for side, name in zip(("true", "false"), names, strict=True) if name
    )


def _value(written: object, roots: Mapping[str, object]) -> str:
    """An argument with the values that are known now, else as it is written."""
    try:
        return to_json(compile_data(written).render(roots))
    except EVALUATION_FAULTS:
        return to_json(written)
