"""A plan as a drawing: vertices within vertices, and edges, for any language of graphs.

    Plan --draw--> Drawing

A loop, a nested workflow and a parallel are vertices that have parts; the parts of a parallel are
its branches. What belongs to a parallel waits for its start, which its place says: that is no edge.
Keys are made up, so that no name has to be one of the language; a vertex's *address* is the way of
task ids to it, without iterations.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_highway.planning.plan import Node, Plan, Scope
from pytest_highway.reading.models import NestedWorkflow

__all__ = ["Address", "Drawing", "Edge", "Vertex", "draw"]

Address = tuple[str, ...]

SIDES = ("if_true", "if_false")
# A longer text says no more in a picture.
WIDTH = 60


@dataclass(frozen=True, slots=True)
class Vertex:
    """A task, or a branch of a parallel; `detail` says what it does, `kind` is its operator."""

    key: str
    address: Address
    title: str
    detail: str
    kind: str
    parts: tuple[Vertex, ...] = ()

    def leaves(self) -> list[Vertex]:
        """The vertices without parts in it, or itself."""
        return [leaf for part in self.parts for leaf in part.leaves()] or [self]


class Edge(NamedTuple):
    """From what is waited for to what waits; `side` is that of a condition, or empty.

    Dashed where the target does not depend on how the source ended, or only stands in for it.
    """

    source: Vertex
    target: Vertex
    label: str = ""
    side: str = ""
    is_dashed: bool = False


@dataclass(slots=True)
class Drawing:
    """All vertices of the top level, and all edges of every level."""

    name: str
    vertices: tuple[Vertex, ...] = ()
    edges: list[Edge] = field(default_factory=list)
    count: int = 0

    def new_key(self) -> str:
        """`n1`, `n2` and so on."""
        self.count += 1
        return f"n{self.count}"


def draw(plan: Plan) -> Drawing:
    """The drawing of a plan and of everything in it."""
    drawing = Drawing(plan.name)
    drawing.vertices = _vertices(plan.scope, (), drawing)
    return drawing


def _vertices(scope: Scope, address: Address, drawing: Drawing) -> tuple[Vertex, ...]:
    made: dict[int, Vertex] = {}

    def vertex(node: Node) -> Vertex:
        key, here = drawing.new_key(), (*address, node.id)
        parts: tuple[Vertex, ...] = ()
        if node.body is not None:
            parts = _vertices(node.body, here, drawing)
        elif node.nested is not None:
            parts = _vertices(node.nested.scope, here, drawing)
        elif node.branches:
            parts = tuple(branch(here, *each) for each in node.branches.items())
        title, detail = _shortened(node.name), _shortened(_detail(node))
        made[node.index] = Vertex(key, here, title, detail, node.kind, parts)
        return made[node.index]

    def branch(here: Address, name: str, members: list[int]) -> Vertex:
        key = drawing.new_key()
        parts = tuple(vertex(scope.nodes[each]) for each in members)
        return Vertex(key, (*here, name), _shortened(name), "", "branch", parts)

    top = tuple(vertex(node) for node in scope.nodes if node.member_of is None)
    for node in scope.nodes:
        drawing.edges += _edges_to(node, scope, made)
    return top


def _edges_to(node: Node, scope: Scope, made: dict[int, Vertex]) -> list[Edge]:
    """What a node waits for, and the task that it stands in for."""
    target = made[node.index]
    edges: list[Edge] = []
    for index in node.upstream:
        sides = [
            side
            for side, chosen in zip(SIDES, scope.nodes[index].targets, strict=True)
            if chosen == node.index
        ]
        for side in sides or [""]:
            edges.append(Edge(made[index], target, side.removeprefix("if_"), side))
    edges += [Edge(made[index], target, "after", is_dashed=True) for index in node.after]
    if node.fallback_for is not None:
        edges.append(Edge(made[node.fallback_for], target, "fallback", is_dashed=True))
    return edges


def _detail(node: Node) -> str:
    """What a task does, in a few words."""
    model = node.model
    if node.tool is not None:
        return node.tool.name
    if isinstance(model, NestedWorkflow):
        return f"workflow {model.file}"
    if node.kind == "condition" and node.condition is not None:
        return node.condition.source
    return node.kind


def _shortened(text: str) -> str:
    """One line that fits in a vertex."""
    line = " ".join(text.split())
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
