"""Operators of highway-dsl that choose.

condition       condition
switch          conditions, one behind the other
multi_choice    parallel whose branches begin with a gate that is open or not, behind a task
                that fails when none is
"""

from __future__ import annotations

from pytest_highway.conversion.made import Made, clean, mapping, ordered
from pytest_highway.conversion.parts import Extra, Parts, quoted
from pytest_highway.conversion.tree import Op, Scope
from pytest_highway.errors import did_you_mean

__all__ = ["condition", "multi_choice", "switch"]


def condition(parts: Parts, op: Op, made: Made) -> None:
    """Two ways; one to nowhere is left out."""
    made["operator_type"] = "condition"
    made["condition"] = parts.condition(op.raw.get("condition"), op, made, "condition")
    for side in ("if_true", "if_false"):
        target = op.raw.get(side)
        if isinstance(target, str) and _is_target(parts, op, made, target, side):
            made[side] = clean(target)
    if not {"if_true", "if_false"} & made.keys():
        made.pop("condition")
        parts.lose(op, made, "operator_type", "a condition without a target chooses nothing")


def _is_target(parts: Parts, op: Op, made: Made, target: str, *keys: str) -> bool:
    known = clean(target) if target else ""
    if known in op.scope.ops and known != op.id:
        return True
    near = did_you_mean(target, op.scope.ops)
    message = f"the target {target!r} does not stand beside it{near}; it is left out"
    parts.findings.lost(made, op.at(*keys), message)
    return False


def switch(parts: Parts, op: Op, made: Made) -> Extra:
    """Conditions, one for each target; each goes on to the next where it does not hold."""
    tests: dict[str, list[str]] = {}
    for value, target in mapping(op.raw.get("cases")).items():
        if isinstance(target, str) and _is_target(parts, op, made, target, "cases", value):
            tests.setdefault(clean(target), []).append(value)
    default = op.raw.get("default")
    if not isinstance(default, str) or not _is_target(parts, op, made, default, "default"):
        default = None
    if op.text("result_key"):
        message = "the result of a switch is that of its first condition: true or false"
        parts.findings.changed(op.at("result_key"), message)
    if not tests and default is None:
        parts.lose(op, made, "cases", "a switch without cases chooses nothing")
        return []
    operand = _switched(parts, op, made)
    ways = [
        (target, " or ".join(f"{operand} == {quoted(each)}" for each in values))
        for target, values in tests.items()
    ]
    if not ways:
        ways, default = [(clean(str(default)), "true")], None
    return _chain(parts, op, made, ways, default)


def _chain(
    parts: Parts, op: Op, made: Made, ways: list[tuple[str, str]], default: str | None
) -> Extra:
    """Conditions that are tried one behind the other; the first is `made`."""
    names = [op.id, *(parts.free_id(op.id) for _ in ways[1:])]
    chain: Extra = []
    for number, (target, test) in enumerate(ways):
        each = Made(op.loc, {"dependencies": [names[number - 1]]}) if number else made
        each |= {"operator_type": "condition", "condition": test, "if_true": target}
        if number + 1 < len(ways):
            each["if_false"] = names[number + 1]
        elif default is not None:
            each["if_false"] = clean(default)
        chain.append((names[number], ordered(each)))
    return chain[1:]


def _switched(parts: Parts, op: Op, made: Made) -> str:
    """The text that is switched on; a bare name stands for what it means."""
    text = op.text("switch_on")
    if "{{" not in text:
        text = f"{{{{{text}}}}}"
    # Two templates side by side make one text, as a template within quotes does.
    return quoted(parts.names.text(text, op, made, op.at("switch_on")))


def multi_choice(parts: Parts, op: Op, made: Made) -> Extra:
    """A parallel; each branch behind a gate that a condition opens."""
    made.held = [each for scope in op.inside for each in scope.listed]
    if made.held or not op.inside:
        what = "a choice among tasks outside of it" if made.held else "a choice without branches"
        parts.lose(op, made, "branches", f"{what} chooses nothing")
        return []
    branches: dict[str, object] = {}
    conditions: list[str] = []
    said = mapping(op.raw.get("branches"))
    for scope in op.inside:
        text = mapping(said.get(scope.name)).get("condition", "true")
        found = parts.condition(text, op, made, "branches", scope.name, "condition")
        conditions.append(f"({found})")
        branches[scope.name] = _gated(parts, op, scope, found)
    made |= {"operator_type": "parallel", "branches": branches}
    least = op.raw.get("minimum_branches", 1)
    if least == 0:
        return []
    if least != 1:
        message = f"a choice checks that one branch is chosen, and not {least}"
        parts.findings.lost(made, op.at("minimum_branches"), message)
    check = Made(op.loc, {"function": "tools.log.debug", "args": ["a branch is chosen"]})
    check["require"] = " or ".join(conditions)
    if "dependencies" in made:
        check["dependencies"] = made["dependencies"]
    name = parts.free_id(f"{op.id}_check")
    made["dependencies"] = [name]
    return [(name, ordered(check))]


def _gated(parts: Parts, op: Op, scope: Scope, condition: object) -> list[object]:
    """The members of a branch, those that wait for nothing behind a gate."""
    gate = Made(scope.loc, {"task_id": parts.free_id(f"{op.id}_gate")})
    gate |= {"operator_type": "wait", "wait_for": "0s", "run_if": condition, "dependencies": []}
    members = parts.body(scope)
    for each in members:
        if isinstance(each, Made) and not each.get("dependencies"):
            each["dependencies"] = [gate["task_id"]]
    return [gate, *members]
