"""The operators of a highway-dsl file as a tree, before anything of them is converted.

    Scope    the top level, the body of a loop, a branch: operators by id
    Op       one operator, with the scopes inside it

The builder of highway-dsl writes the tasks of a loop's body twice: in `loop_body` and, as *twins*,
beside the loop (beside every loop around it, too). Only those inside count. A *listed* member of a
branch is one of the top level, given by its id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pytest_highway.conversion.made import clean, ids, mapping, sequence
from pytest_highway.planning.plan import Loc

__all__ = ["BRANCHING", "LOOPS", "Op", "Scope", "read_tree"]

LOOPS = frozenset({"foreach", "while"})
BRANCHING = frozenset({"parallel", "multi_choice"})


@dataclass(slots=True, eq=False)
class Op:
    """One operator: its id, what is written of it and where, and the scopes inside it."""

    id: str
    loc: Loc
    raw: Mapping[str, object]
    scope: Scope
    inside: list[Scope] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """Its `operator_type`."""
        kind = self.raw.get("operator_type", "task")
        return str(kind)

    def at(self, *keys: str | int) -> Loc:
        """A place inside it."""
        return (*self.loc, *keys)

    def text(self, key: str) -> str:
        """The text under a key, or an empty one."""
        value = self.raw.get(key)
        return value if isinstance(value, str) else ""

    def owners(self) -> Iterator[Op]:
        """The operators around it, from the inside out."""
        owner = self.scope.owner
        while owner is not None:
            yield owner
            owner = owner.scope.owner


@dataclass(slots=True, eq=False)
class Scope:
    """Operators side by side; `name` is that of a branch, `listed` are members given by their id.

    `loc` is where they are written, `raw` what is said of a whole branch.
    """

    owner: Op | None
    loc: Loc
    name: str = ""
    raw: Mapping[str, object] = field(default_factory=dict)
    ops: dict[str, Op] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    strange: list[Loc] = field(default_factory=list)

    def walk(self) -> Iterator[Op]:
        """Every operator in it, at whatever depth."""
        for op in self.ops.values():
            yield op
            for scope in op.inside:
                yield from scope.walk()

    def holder(self, name: str) -> Op | None:
        """The operator of this scope that is `name`, or that has it inside."""
        if name in self.ops:
            return self.ops[name]
        for op in self.ops.values():
            if any(scope.holder(name) is not None for scope in op.inside):
                return op
        return None


def read_tree(tasks: Mapping[str, object]) -> Scope:
    """The scope of the top level."""
    root = Scope(None, ("tasks",))
    _fill(root, ((name, task, ("tasks", name)) for name, task in tasks.items()))
    return root


def _fill(scope: Scope, entries: Iterable[tuple[str, object, Loc]]) -> None:
    for name, raw, loc in entries:
        key = clean(name)
        if not isinstance(raw, dict) or not name or key in scope.ops:
            scope.strange.append(loc)
            continue
        op = scope.ops[key] = Op(key, loc, raw, scope)
        if op.kind in LOOPS:
            op.inside = [_body(op)]
        elif op.kind in BRANCHING:
            op.inside = list(_branches(op))
    # Only now: a loop may come before or behind the twins of its body.
    for name in _twins(scope):
        del scope.ops[name]


def _body(op: Op) -> Scope:
    body = Scope(op, op.at("loop_body"))
    _fill_list(body, op.raw.get("loop_body"))
    return body


def _fill_list(scope: Scope, entries: object) -> None:
    """Operators of a list, each with its `task_id`; a text is the id of one of the top level."""
    scope.listed += ids(entries)
    _fill(
        scope,
        (
            (str(mapping(raw).get("task_id") or ""), raw, (*scope.loc, number))
            for number, raw in enumerate(sequence(entries))
            if not isinstance(raw, str)
        ),
    )


def _branches(op: Op) -> Iterator[Scope]:
    """The branches: a whole workflow each, or a list of operators and of ids."""
    branches, workflows = mapping(op.raw.get("branches")), mapping(op.raw.get("branch_workflows"))
    for name in dict.fromkeys([*branches, *workflows]):
        workflow = mapping(workflows.get(name))
        tasks = mapping(workflow.get("tasks"))
        if tasks:
            loc = op.at("branch_workflows", name)
            scope = Scope(op, loc, name, workflow)
            _fill(scope, ((key, raw, (*loc, "tasks", key)) for key, raw in tasks.items()))
        else:
            scope = Scope(op, op.at("branches", name), name)
            said = branches.get(name)
            _fill_list(scope, said if isinstance(said, list) else mapping(said).get("tasks"))
        yield scope


def _twins(scope: Scope) -> list[str]:
    """Operators that a loop of the scope has in its body as well."""
    inside: dict[str, Op] = {}
    for op in scope.ops.values():
        for body in op.inside if op.kind in LOOPS else ():
            inside |= {each.id: op for each in body.walk()}
    return [
        name
        for name, loop in inside.items()
        if name in scope.ops and _is_twin(scope.ops[name], loop)
    ]


def _is_twin(op: Op, loop: Op) -> bool:
    return op.raw.get("is_internal_loop_task") is True or loop.id in ids(op.raw.get("dependencies"))
