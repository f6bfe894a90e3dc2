"""Operators of highway-dsl with others inside, or that run other files.

parallel         parallel, its branches inline
foreach, while   themselves, their bodies inline
child_workflow   workflow, or a parallel of them
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pytest_highway.conversion.made import Made, mapping
from pytest_highway.conversion.parts import Parts
from pytest_highway.conversion.policies import duration
from pytest_highway.conversion.tree import Op
from pytest_highway.errors import listed

__all__ = ["child_workflow", "foreach", "parallel", "while_"]

AT_ONCE = 1000  # iterations of a foreach that is parallel; the run's own width bounds its calls
ENDINGS = (".workflow.yaml", ".workflow.yml", ".yaml", ".yml")


def parallel(parts: Parts, op: Op, made: Made) -> None:
    """Branches, with their operators inside."""
    made["operator_type"] = "parallel"
    made["branches"] = {scope.name: parts.body(scope) for scope in op.inside}
    made |= parts.rest(op, made, "select")
    if not made["branches"]:
        made.pop("branches")
        parts.lose(op, made, "operator_type", "a parallel without branches does nothing")
        return
    waiting = parts.ordering.followers.get((op.scope, op.id))
    if waiting and "branch_workflows" in op.raw and not parts.ordering.waiters(op):
        names = listed(waiting)
        message = f"a parallel ends when its branches have ended: {names} did not wait for them"
        parts.findings.changed(op.loc, message)


def foreach(parts: Parts, op: Op, made: Made) -> None:
    """A body for each item."""
    made["operator_type"] = "foreach"
    items = parts.names.data(op.raw.get("items"), op, made, op.at("items"))
    if str(items).rstrip("} ").endswith((".stdout", ".stderr")):
        message = "the output of a command is a text and no list of items"
        parts.lose(op, made, "items", message)
        return
    made["items"] = _items(parts, items, op, made)
    if op.raw.get("dynamic") is True:
        message = "the items of a foreach are known when it begins; 'dynamic' is left out"
        parts.findings.lost(made, op.at("dynamic"), message)
    _loop(parts, op, made)
    if op.raw.get("parallel") is True and "loop_body" in made:
        made["max_concurrency"] = AT_ONCE


def _items(parts: Parts, items: object, op: Op, made: Made) -> object:
    """A list, or a template that gives one."""
    if not isinstance(items, str):
        return items
    if items.startswith("{{"):
        return items
    try:
        found = json.loads(items)
    except ValueError:
        found = None
    return (
        found
        if isinstance(found, list)
        else parts.names.text(f"{{{{{items}}}}}", op, made, op.at("items"))
    )


def while_(parts: Parts, op: Op, made: Made) -> None:
    """A body as long as a condition holds."""
    made["operator_type"] = "while"
    made["condition"] = parts.condition(op.raw.get("condition"), op, made, "condition")
    _loop(parts, op, made)


def _loop(parts: Parts, op: Op, made: Made) -> None:
    made["loop_body"] = [each for scope in op.inside for each in parts.body(scope)]
    if not made["loop_body"]:
        for key in ("items", "condition", "loop_body"):
            made.pop(key, None)
        parts.lose(op, made, "operator_type", "a loop without a body does nothing")


def child_workflow(parts: Parts, op: Op, made: Made) -> None:
    """Files that are run; those that are not there cannot be."""
    children = mapping(op.raw.get("children"))
    files = {name: _file(parts, mapping(child)) for name, child in children.items()}
    absent = [
        str(mapping(children[name]).get("workflow_name")) for name in files if not files[name]
    ]
    if absent or not files:
        where = f"no file of the workflow {listed(absent)} stands beside this one"
        parts.lose(op, made, "children", where if absent else "there is no child to run")
        return
    if op.text("result_key"):
        message = "the result of a child is its output, without a status"
        parts.findings.changed(op.at("result_key"), message)
    if op.raw.get("timeout_seconds") is not None:
        made["timeout"] = duration(op.raw["timeout_seconds"]) or op.raw["timeout_seconds"]
    runs = {name: _run(parts, op, made, name, files[name]) for name in children}
    if len(runs) == 1:
        made |= runs[next(iter(runs))]
        return
    branches: dict[str, object] = {}
    for name, run in runs.items():
        named = Made(run.loc, {"task_id": parts.free_id(f"{op.id}_{name}"), **run})
        named |= {"result_key": named["task_id"], "dependencies": []}
        branches[name] = [named]
    made |= {"operator_type": "parallel", "branches": branches}


def _run(parts: Parts, op: Op, made: Made, name: str, file: str) -> Made:
    """The operator that runs a child's file with its inputs."""
    run = Made(op.at("children", name), {"operator_type": "workflow", "file": file})
    inputs, at = mapping(op.raw["children"])[name], op.at("children", name, "inputs")
    said = mapping(inputs).get("inputs")
    if said:
        run.put("variables", parts.names.data(said, op, made, at), at)
    return run


def _file(parts: Parts, child: Mapping[str, object]) -> str:
    """The name of a child's file, or an empty text."""
    name = child.get("workflow_name")
    if not isinstance(name, str) or not name:
        return ""
    names = [f"{name}{ending}" for ending in ENDINGS]
    return next((each for each in names if (parts.folder / each).is_file()), "")
