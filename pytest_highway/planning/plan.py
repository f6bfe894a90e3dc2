"""The compiled workflow: what the engine runs and what every static check looks at.

A `Plan` holds one `Scope`, a graph of nodes. A loop's body is a scope of its own, a nested workflow
a plan of its own, whose places are those of another document; the members of a `parallel` stand in
the scope that the parallel stands in. A node's edges are numbers of nodes of its scope:

    upstream         what it waits for and is judged by (`dependencies`, a condition's targets)
    starts           the parallels whose start it waits for, as their member
    after            what it waits for only (`after`; all of a `finally` task's edges)
    downstream       the nodes that have it as an upstream
    followers        the nodes that come after it
    fallback         the task that stands in for it; it starts when this one has failed

Nodes are numbered in declaration order; `Scope.order` is the order of printing: always the
earliest declared node whose upstreams have been printed. In `Scope.graph` a parallel has a second
vertex, its end, behind all of its members; `vertex_after` tells what a dependent comes after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

from pytest_highway.engine.outputs import Check, Schema
from pytest_highway.events import Outline
from pytest_highway.expressions.expression import Expression
from pytest_highway.expressions.template import Value
from pytest_highway.planning.graph import Graph
from pytest_highway.reading.document import Document
from pytest_highway.reading.models import AnyOperator, Workflow
from pytest_highway.reading.policies import Lock, Retry, ToolPolicy
from pytest_highway.tools import Tool

__all__ = ["Loc", "Node", "Plan", "ReportFault", "Scope", "WaitSpec"]

Loc = tuple[str | int, ...]

# Shared by all that is no parallel; a node has 40 fields, and a file may have 100,000 nodes.
NO_BRANCHES: Final[Mapping[str, list[int]]] = MappingProxyType({})


class ReportFault(Protocol):
    """Takes a fault at a place of the document."""

    def __call__(self, loc: Loc, message: str, *, key: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class WaitSpec:
    """What a wait waits for: exactly one of `value` (a time), `event` and `until` is set."""

    value: Value | None = None
    event: Value | None = None
    match: Expression | None = None
    until: Expression | None = None
    every: float = 0.0
    timeout: float | None = None


@dataclass(slots=True, eq=False)
class Node:
    """One operator of a scope, ready to run.

    `id` is its path within the scope, `name` the last part of it; `loc` is where its mapping
    stands in the document. `targets` are a condition's nodes for true and false; `branches` are a
    parallel's members by branch, `member_of` the parallel and the branch it is a direct member
    of; `body` is a loop's, `nested` the file that a `workflow` runs. `timeout` is in seconds and
    already bounded by `max_step_duration`. `is_step` tells that it was written as a step,
    `is_cleaning` that a stop leaves it alone: a `finally` task, what stands in for one, and the
    members of a parallel that is one.
    """

    index: int
    id: str
    name: str
    kind: str
    loc: Loc
    model: AnyOperator
    result_key: str = ""
    is_step: bool = False
    rule: str = "all_live"
    upstream: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    downstream: Sequence[int] = ()
    followers: Sequence[int] = ()
    targets: tuple[int | None, int | None] = (None, None)
    branches: Mapping[str, list[int]] = field(default_factory=lambda: NO_BRANCHES)
    member_of: tuple[int, str] | None = None
    is_finally: bool = False
    is_cleaning: bool = False
    critical: bool = True
    policy: str = "skip_dependents"
    fallback: int | None = None
    fallback_for: int | None = None
    retry: Retry | None = None
    timeout: float | None = None
    skip_if: Expression | None = None
    run_if: Expression | None = None
    condition: Expression | None = None
    tool: Tool | None = None
    args: Value | None = None
    kwargs: Value | None = None
    items: Value | None = None
    key: Expression | None = None
    select: Value | None = None
    env: Value | None = None
    variables: Value | None = None
    wait: WaitSpec | None = None
    lock: Lock | None = None
    cache_key: Value | None = None
    require: tuple[Check, ...] = ()
    validate: tuple[Check, ...] = ()
    schema: Schema | None = None
    body: Scope | None = None
    nested: Plan | None = None
    result_is_read: bool = False

    @property
    def members(self) -> Iterator[int]:
        """All direct members of a parallel, in declared order."""
        return (each for branch in self.branches.values() for each in branch)


@dataclass(slots=True, eq=False)
class Scope:
    """A graph of nodes that is entered as a whole.

    `waits[n]` counts what node n waits for; a fallback also waits for its task to fail. `owner` is
    the loop whose body it is, `outer` the scope that the loop stands in.
    """

    nodes: list[Node] = field(default_factory=list)
    graph: Graph = field(default_factory=lambda: Graph(0))
    order: Sequence[int] = ()
    by_id: dict[str, Node] = field(default_factory=dict)
    waits: list[int] = field(default_factory=list)
    ends: dict[int, int] = field(default_factory=dict)
    outline: tuple[Outline, ...] = ()
    owner: Node | None = None
    outer: Scope | None = None

    def roots(self) -> list[Node]:
        """The nodes that wait for nothing."""
        return [node for node, count in zip(self.nodes, self.waits, strict=True) if not count]

    def vertex_after(self, node: int) -> int:
        """The vertex of the graph that what depends on a node comes after."""
        return self.ends.get(node, node)

    def precedes(self, before: int, after: int) -> bool:
        """Whether node `before` has ended whenever node `after` starts."""
        if before == after:
            return False
        return self.graph.reaches(self.vertex_after(before), after)

    def written(self) -> Iterator[Node]:
        """The nodes whose results are this scope's: its own, and those of bodies of a `while`."""
        for node in self.nodes:
            if node.result_key:
                yield node
            if node.kind == "while" and node.body is not None:
                yield from node.body.written()

    def walk(self) -> Iterator[Node]:
        """All nodes, those of bodies behind their loop."""
        for node in self.nodes:
            yield node
            if node.body is not None:
                yield from node.body.walk()


@dataclass(slots=True, eq=False)
class Plan:
    """A whole workflow, compiled. One plan serves all cases of a file; a run never changes it."""

    document: Document
    workflow: Workflow
    file: str
    scope: Scope
    functions: int
    output: Value | None = None

    @property
    def name(self) -> str:
        """The workflow's own name."""
        return self.workflow.name

    @property
    def variables(self) -> Mapping[str, object]:
        """Declared variables with their defaults."""
        return self.workflow.variables

    def find(self, path: str) -> Node | None:
        """The node of a path, as `task`, `loop[2]/task`, `loop#3/task`, `call/task`, or None."""
        return _find(self.scope, path)

    def named(self, name: str) -> list[Node]:
        """All nodes of a bare id, in every scope and every nested file."""
        return [node for node in self.walk() if name in (node.name, node.id)]

    def walk(self) -> Iterator[Node]:
        """All nodes of this file and of the files that it runs."""
        for node in self.scope.walk():
            yield node
            if node.nested is not None:
                yield from node.nested.walk()

    def tool_policies(self) -> dict[str, ToolPolicy]:
        """Bulkheads and breakers by tool; where files differ, the outer one's hold."""
        policies = dict(self.workflow.tools)
        for node in self.walk():
            if node.nested is not None:
                for name, policy in node.nested.workflow.tools.items():
                    policies.setdefault(name, policy)
        return policies


# What stands between a loop and what is inside it, by the sign that opens it.
_ENDINGS = {"[": "]/", "#": "/"}


def _find(scope: Scope, path: str) -> Node | None:
    node = scope.by_id.get(path)
    if node is not None:
        return node
    for each in scope.nodes:
        inside = path.removeprefix(each.id)
        if inside == path or not inside:
            continue
        for inner, rest in _insides(each, inside):
            found = _find(inner, rest)
            if found is not None:
                return found
    return None


def _insides(node: Node, inside: str) -> Iterator[tuple[Scope, str]]:
    """The scope in a node and the rest of a path, for every way in which `inside` may be read."""
    if node.nested is not None and inside.startswith("/"):
        yield node.nested.scope, inside[1:]
    opening = "#" if node.kind == "while" else "["
    if node.body is None or not inside.startswith(opening):
        return
    # A key may hold any sign, so every possible end of it is tried.
    ending = _ENDINGS[opening]
    at = 0
    while (at := inside.find(ending, at + 1)) > 0:
        yield node.body, inside[at + len(ending) :]
