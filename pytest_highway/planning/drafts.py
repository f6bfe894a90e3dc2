"""Drafts: one scope while it is compiled, whose nodes are known and whose edges are still names.

    compiler --add--> Draft --linking--> Scope

A name means an operator of its own list first, then one of the lists around that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_highway.planning.plan import Node, Scope

__all__ = ["Draft", "Names"]


class Names:
    """What the names in one list mean: its own operators first, then those around it."""

    __slots__ = ("local", "outer")

    def __init__(self, outer: Names | None) -> None:
        self.local: dict[str, Node] = {}
        self.outer = outer

    def find(self, name: str) -> Node | None:
        """The operator of that name, or None."""
        names: Names | None = self
        while names is not None:
            if name in names.local:
                return names.local[name]
            names = names.outer
        return None

    def known(self) -> Iterator[str]:
        """All names that mean something here."""
        names: Names | None = self
        while names is not None:
            yield from names.local
            names = names.outer


@dataclass(slots=True)
class Draft:
    """A scope whose nodes are known and whose edges are still names.

    `loops` names the loops around it, from the inside out; `implicit[n]` is what an inline operator
    without `dependencies` follows; `branches` lists the members of each parallel's branches, by
    name.
    """

    scope: Scope
    start: str | None = None
    loops: tuple[str, ...] = ()
    names: list[Names] = field(default_factory=list)
    implicit: dict[int, str] = field(default_factory=dict)
    branches: list[tuple[Node, str, list[str]]] = field(default_factory=list)

    def add(self, node: Node, names: Names) -> None:
        """Add a node whose names mean what `names` says."""
        self.scope.nodes.append(node)
        self.scope.by_id[node.id] = node
        self.names.append(names)
