"""The compiled workflow: what the engine runs and what every static check looks at.

A `Plan` holds one `Scope`, a graph of nodes; a loop's body and a nested workflow are scopes of
their own, while the members of a `parallel` stand in the scope that the parallel stands in. A
node's edges are numbers of nodes of its scope:

    upstream         what it waits for and is judged by (`dependencies`, a condition's targets)
    starts           the parallels whose start it waits for, as their member
    after            what it waits for only (`after`; all of a `finally` task's edges)
    fallback         the task that stands in for it; it starts when this one has failed

Nodes are numbered in declaration order; `Scope.order` is the order of printing: always the
earliest declared node whose upstreams have been printed. In `Scope.graph` a parallel has a second
vertex, its end, behind all of its members; `vertex_after` tells what a dependent comes after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pytest_highway.document import Document
from pytest_highway.events import Outline
from pytest_highway.expression import Expression
from pytest_highway.graph import Graph
from pytest_highway.models import Lock, OperatorBase, Retry, Workflow
from pytest_highway.outputs import Check, Schema
from pytest_highway.template import Value
from pytest_highway.tools import Tool

__all__ = ["Loc", "Node", "Plan", "Scope", "WaitSpec"]

Loc = tuple[str | int, ...]


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
    of. `timeout` is in seconds and already bounded by `max_step_duration`.
    """

    index: int
    id: str
    name: str
    kind: str
    loc: Loc
    model: OperatorBase
    result_key: str = ""
    rule: str = "all_live"
    upstream: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    downstream: list[int] = field(default_factory=list)
    followers: list[int] = field(default_factory=list)
    targets: tuple[int | None, int | None] = (None, None)
    branches: dict[str, list[int]] = field(default_factory=dict)
    member_of: tuple[int, str] | None = None
    is_finally: bool = False
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
    wait: WaitSpec | None = None
    lock: Lock | None = None
    cache_key: Value | None = None
    require: tuple[Check, ...] = ()
    validate: tuple[Check, ...] = ()
    schema: Schema | None = None
    body: Scope | None = None
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
    order: list[int] = field(default_factory=list)
    by_id: dict[str, Node] = field(default_factory=dict)
    index: dict[str, int] = field(default_factory=dict)
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
        """The node of a path, as `task`, `loop[2]/task`, `loop#3/task`, `par.branch/task`."""
        return _find(self.scope, path)

    def named(self, name: str) -> list[Node]:
        """All nodes of a bare id, in every scope."""
        return [node for node in self.scope.walk() if name in (node.name, node.id)]


def _find(scope: Scope, path: str) -> Node | None:
    node = scope.by_id.get(path)
    if node is not None:
        return node
    for loop in scope.nodes:
        if loop.body is None or not path.startswith(loop.id) or len(path) == len(loop.id):
            continue
        opening = path[len(loop.id)]
        # A key may hold any sign, so every possible end of it is tried.
        ending = {"[": "]/", "#": "/"}.get(opening)
        at = len(loop.id)
        while ending and (at := path.find(ending, at + 1)) > 0:
            found = _find(loop.body, path[at + len(ending) :])
            if found is not None:
                return found
    return None
