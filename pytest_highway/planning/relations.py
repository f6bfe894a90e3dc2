"""How two tasks of a plan stand to each other: in order, exclusive, or neither.

Two tasks meet in the innermost scope that holds both. There each is stood for by itself or by the
loop that it is in, and the graph of that scope decides. Where a loop and a task of its body meet,
both are stood for by the loop.

`Order` answers the same question as `Graph.reaches` and costs little when the tasks are far from
each other: what one task writes may be read by 100,000 others, one behind the other. It looks,
in this order, at the direct upstreams, at a spanning forest (each vertex below its last upstream)
in which descent is a comparison of numbers, at what is known to lie behind a task that was asked
about often, and only then at the graph.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pytest_highway.planning.graph import Graph
from pytest_highway.planning.guards import Choice, Guards
from pytest_highway.planning.plan import Node, Scope
from pytest_highway.reading.models import Foreach

__all__ = [
    "Hinge",
    "Meeting",
    "Order",
    "Relations",
    "Site",
    "always_one",
    "meet",
    "outwards",
    "wide_loop",
]

FEW = 16  # a list of so many is searched faster than a set of it is built
SMALL = 64  # a graph of fewer vertices is searched faster than it is numbered
OFTEN = 8  # so many searches from one vertex pay for finding all that is behind it
MANY = 24  # choices; weighing them all costs two to the power of their deciders
KEPT = 16  # so many vertices have what is behind them kept


class Site(NamedTuple):
    """A task and the scope it stands in."""

    scope: Scope
    node: Node


class Meeting(NamedTuple):
    """The innermost scope that holds two tasks, and what stands for each of them there."""

    scope: Scope
    first: int
    second: int


class Hinge(NamedTuple):
    """A choice, with the scope it is made in."""

    scope: Scope
    choice: Choice


class Order:
    """Reachability in one graph that is asked about often."""

    __slots__ = ("_asked", "_behind", "_direct", "_sizes", "_starts", "graph")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._starts: list[int] = []
        self._sizes: list[int] = []
        self._asked: dict[int, int] = {}
        self._behind: dict[int, set[int]] = {}
        self._direct: tuple[int, frozenset[int]] = (-1, frozenset())

    def reaches(self, before: int, after: int) -> bool:
        """Whether a path leads from vertex `before` to `after`, or both are one."""
        rank = self.graph.rank
        if rank[before] >= rank[after]:
            return before == after
        if self._is_direct(before, after):
            return True
        if len(rank) < SMALL:
            return self.graph.reaches(before, after)
        return self._is_below(before, after) or self._is_behind(before, after)

    def _is_direct(self, before: int, after: int) -> bool:
        upstreams = self.graph.up[after]
        if len(upstreams) <= FEW:
            return before in upstreams
        # A join of 100,000 is asked about each of them in turn, so one set is enough.
        if self._direct[0] != after:
            self._direct = (after, frozenset(upstreams))
        return before in self._direct[1]

    def _is_below(self, before: int, after: int) -> bool:
        if not self._starts:
            self._grow_forest()
        start = self._starts[before]
        return start <= self._starts[after] < start + self._sizes[before]

    def _grow_forest(self) -> None:
        """Number the vertices so that all below one have the numbers that follow its own."""
        up, rank = self.graph.up, self.graph.rank
        order = sorted(range(len(up)), key=rank.__getitem__)
        # Below the last one: a chain then stays one, whatever else its tasks depend on as well.
        parents = [max(each, key=rank.__getitem__) if each else -1 for each in up]
        sizes = [1] * len(up)
        # From the end, so that all below a vertex have been counted when its own turn comes.
        for vertex in reversed(order):
            if parents[vertex] >= 0:
                sizes[parents[vertex]] += sizes[vertex]
        starts, free, next_root = [0] * len(up), [0] * len(up), 0
        for vertex in order:
            parent = parents[vertex]
            if parent < 0:
                starts[vertex], next_root = next_root, next_root + sizes[vertex]
            else:
                starts[vertex] = free[parent]
                free[parent] += sizes[vertex]
            free[vertex] = starts[vertex] + 1
        self._starts, self._sizes = starts, sizes

    def _is_behind(self, before: int, after: int) -> bool:
        if before in self._behind:
            return after in self._behind[before]
        asked = self._asked[before] = self._asked.get(before, 0) + 1
        if asked <= OFTEN:
            return self.graph.reaches(before, after)
        # Bounded, since each set may be as large as the graph.
        if len(self._behind) == KEPT:
            del self._behind[next(iter(self._behind))]
        behind = self._behind[before] = self.graph.descendants([before])
        return after in behind


class Relations:
    """Order and exclusion between the tasks of one plan."""

    __slots__ = ("_guards", "_orders")

    def __init__(self) -> None:
        self._guards: dict[Scope, Guards] = {}
        self._orders: dict[Scope, Order] = {}

    def guards(self, scope: Scope) -> Guards:
        """The guards of a scope, found when they are first asked for."""
        found = self._guards.get(scope)
        if found is None:
            found = self._guards[scope] = Guards(scope)
        return found

    def order(self, scope: Scope) -> Order:
        """The order of a scope's graph."""
        found = self._orders.get(scope)
        if found is None:
            found = self._orders[scope] = Order(scope.graph)
        return found

    def precedes(self, scope: Scope, before: int, after: int) -> bool:
        """Whether node `before` has ended whenever node `after` starts; see `Scope.precedes`."""
        return before != after and self.order(scope).reaches(scope.vertex_after(before), after)

    def exclusive(self, scope: Scope, one: int, other: int) -> bool:
        """Whether never both nodes run."""
        return one != other and self.guards(scope).exclusive(one, other)

    def hinges(self, site: Site, meeting: Meeting | None) -> list[Hinge]:
        """The choices that a task needs, less those that the other of a meeting needs as well.

        The task is the one for which `meeting.first` stands; without a meeting all are given.
        """
        scope, index = site.scope, site.node.index
        found: list[Hinge] = []
        while meeting is None or scope is not meeting.scope:
            found += [Hinge(scope, each) for each in self.guards(scope).needed(index)]
            if scope.owner is None:
                return found
            scope, index = outwards(scope)
        missing = self.guards(scope).missing(meeting.first, meeting.second)
        return found + [Hinge(scope, each) for each in missing]


def outwards(scope: Scope) -> tuple[Scope, int]:
    """The scope around a body, and the loop in it."""
    assert scope.outer is not None
    assert scope.owner is not None
    return scope.outer, scope.owner.index


def meet(one: Site, other: Site) -> Meeting:
    """Where two tasks meet."""
    scope, index = one.scope, one.node.index
    if scope is other.scope:
        return Meeting(scope, index, other.node.index)
    # Every scope around the other task. Going outwards from the one, the first of them that is met
    # is the innermost that holds both.
    around = {other.scope: other.node.index}
    each = other.scope
    while each.owner is not None:
        each, loop = outwards(each)
        around[each] = loop
    while scope not in around:
        scope, index = outwards(scope)
    return Meeting(scope, index, around[scope])


def wide_loop(scope: Scope) -> Node | None:
    """The innermost `foreach` around a scope whose iterations have no order among each other."""
    while scope.owner is not None:
        model = scope.owner.model
        if isinstance(model, Foreach) and model.max_concurrency > 1:
            return scope.owner
        scope, _ = outwards(scope)
    return None


def always_one(alternatives: Iterable[Sequence[Hinge]]) -> bool:
    """Whether, whatever is chosen, at least one alternative has all of its choices made.

    With more than `MANY` choices the answer is yes, which is not looked into.
    """
    sets = [list(each) for each in alternatives]
    if not sets:
        return False
    if not all(sets) or len({hinge for each in sets for hinge in each}) > MANY:
        return True
    # It was made or its opposite was, and an alternative must be left in either world.
    pivot = sets[0][0]
    other = _opposite(pivot)
    return always_one(_assuming(sets, pivot, other)) and always_one(_assuming(sets, other, pivot))


def _opposite(hinge: Hinge) -> Hinge:
    """What holds when a choice was not made; a branch that was not selected has no name."""
    scope, (node, side) = hinge
    return Hinge(scope, Choice(node, not side if isinstance(side, bool) else None))


def _assuming(sets: Sequence[Sequence[Hinge]], made: Hinge, ruled_out: Hinge) -> list[list[Hinge]]:
    """What is left of the alternatives once a choice is made."""
    return [[each for each in found if each != made] for found in sets if ruled_out not in found]
