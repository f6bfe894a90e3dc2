"""A highway-dsl file as one of ours.

    document --read_tree--> Scope of Op --> Made --repaired--> text

What our language has already stays: a file of ours comes out as it was, so converting twice
changes nothing. What the package writes although it says nothing (`catchup: false`, an empty
`dependencies`, the default `trigger_rule: all_success`) is left out in silence.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pytest_highway.conversion.attributes import Attributes
from pytest_highway.conversion.head import SCHEDULING, Head, variables_of
from pytest_highway.conversion.made import Findings, Made, mapping, ordered, sequence
from pytest_highway.conversion.names import Names
from pytest_highway.conversion.operators import convert_operator
from pytest_highway.conversion.ordering import Ordering
from pytest_highway.conversion.parts import Parts
from pytest_highway.conversion.policies import retry_of
from pytest_highway.conversion.reads import order_reads
from pytest_highway.conversion.repair import AnyTool, repaired
from pytest_highway.conversion.tree import Op, Scope, read_tree
from pytest_highway.conversion.writing import read_comments
from pytest_highway.errors import Diagnostic, SourceError
from pytest_highway.reading.document import Document
from pytest_highway.tools import Registry

__all__ = ["Converted", "convert"]


class Converted(NamedTuple):
    """The text in our language, what is to be said of it, and the tools that it needs."""

    text: str
    findings: tuple[Diagnostic, ...]
    is_whole: bool
    tools: tuple[str, ...]


def convert(document: Document, file: Path, registry: Registry) -> Converted:
    """What a document says, as a file of ours that is to stand at `file`.

    SourceError when it is no workflow at all, HighwayError when nothing can be made of it.
    """
    data, faults = mapping(document.data), []
    if not isinstance(data.get("name"), str) or not data["name"]:
        faults.append(document.diagnostic(("name",), "a workflow has a 'name'", key=True))
    if "steps" in data:
        faults.append(document.diagnostic(("steps",), "a file of steps is ours already", key=True))
    elif not mapping(data.get("tasks")):
        message = "a workflow has 'tasks', a mapping of operators"
        faults.append(document.diagnostic(("tasks",), message, key=True))
    if faults:
        raise SourceError(faults)
    tree = read_tree(mapping(data["tasks"]))
    if not tree.ops:
        message = "none of the 'tasks' is an operator with an id"
        raise SourceError([document.diagnostic(("tasks",), message, key=True)])
    return _converted(document, tree, file, registry)


def _converted(document: Document, tree: Scope, file: Path, registry: Registry) -> Converted:
    data, root, findings = mapping(document.data), Made(()), Findings(document)
    variables = variables_of(data, tree, root, findings)
    body = _Body(Names(tree, variables, findings), file.parent)
    # Before the head, which names what the operators turn out to need; it is written first.
    tasks = dict(body.operators(tree, root))
    body.finish()
    head = Head(root, body.parts.names, findings, body.made, body.attributes.breakers)
    head.write(data, variables, tree)
    root["tasks"] = tasks
    head.write_rest(data)
    known = AnyTool(registry)
    written = repaired(root, read_comments(document.text), findings, known, file)
    return Converted(written.text, tuple(findings.sorted()), findings.is_whole, tuple(known.asked))


@dataclass(slots=True)
class _Body:
    """The operators of a file, and what is made of each."""

    names: Names
    folder: Path
    parts: Parts = field(init=False)
    attributes: Attributes = field(init=False)
    made: dict[Op, Made] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names, findings = self.names, self.names.findings
        ordering = Ordering(names.root, names, findings)
        taken = {op.id for op in names.root.walk()}
        self.parts = Parts(names, ordering, findings, self.folder, self._members, taken)
        self.attributes = Attributes(self.parts)

    def operators(self, scope: Scope, around: Made) -> list[tuple[str, Made]]:
        """The operators of a scope by id, those that they need before or behind them."""
        for loc in scope.strange:
            message = "no operator, or none that has an id of its own; it is left out"
            self.parts.findings.lost(around, loc, message)
        found = []
        for op in scope.ops.values():
            if op not in self.parts.ordering.absorbed:
                found += self._operator(op)
        return found

    def _members(self, scope: Scope) -> list[object]:
        """The operators of a body or a branch, each with its `task_id`."""
        assert scope.owner is not None
        around = self.made[scope.owner]
        members: list[object] = list(scope.listed)
        for name, each in self.operators(scope, around):
            # Without the key it would follow the operator written before it.
            each.setdefault("dependencies", [])
            each["task_id"] = name
            members.append(ordered(each))
        self._check_branch(scope, around)
        return members

    def _operator(self, op: Op) -> list[tuple[str, Made]]:
        made = self.made[op] = Made(op.loc)
        self._check_id(op, made)
        dependencies = self.parts.ordering.dependencies(op, made)
        if dependencies:
            made.put("dependencies", dependencies, op.at("dependencies"))
        extra = convert_operator(self.parts, op, made)
        self.attributes.give(op, made)
        return [(op.id, made), *extra]

    def _check_id(self, op: Op, made: Made) -> None:
        said = op.raw.get("task_id")
        written = op.loc[-1] if isinstance(op.loc[-1], str) else said
        if said is not None and said != written:
            self.parts.findings.lost(
                made, op.at("task_id"), f"{said!r} is not its key; it is left out"
            )
        if written != op.id:
            message = f"{written!r} is no id, which has letters, digits, '_' and '-': now {op.id!r}"
            self.parts.findings.changed(op.loc, message)

    def finish(self) -> None:
        """What only the whole tells: keys of results, dependencies on those who write them."""
        for op, key in self.names.given.items():
            if op in self.made:
                self.made[op].setdefault("result_key", key)
        for op, names in self.parts.ordering.handed.items():
            made = self.made[op]
            known = sequence(made.get("dependencies"))
            made["dependencies"] = list(dict.fromkeys([*known, *names]))
        order_reads(self.made, self.names, self.parts.ordering, self.parts.findings)
        for made in self.made.values():
            ordered(made)

    def _check_branch(self, scope: Scope, around: Made) -> None:
        """What a branch says as a workflow of its own, which it is not here."""
        known = {"name", "version", "description", "tasks", "variables", "start_task", "tags"}
        policy = scope.raw.get("default_retry_policy")
        for op in scope.ops.values():
            made = self.made.get(op)
            if policy is not None and made is not None and "function" in made:
                at = (*scope.loc, "default_retry_policy")
                made.setdefault("retry", retry_of(policy, made, at, self.parts.findings))
        for key, value in scope.raw.items():
            if key in known or key == "default_retry_policy" or value in (None, "fail"):
                continue
            if value != SCHEDULING.get(key):
                message = f"{key!r} of a branch has no place here; it is left out"
                self.parts.findings.lost(around, (*scope.loc, key), message)
