"""Which decisions a task hangs on: the choices without which its rule does not let it run.

A *choice* is a condition that chose a side, or a `parallel` with `select` that selected a branch.
Two masks of choices are known of every node of a scope, found in one pass in topological order:

    held       choices that must have been made when the rule lets the node run
    killers    choices that may stand as the killers of a dead edge out of the node

An edge brings along both masks of the node it leaves, and an edge to a target (or to a member of a
branch) adds that choice to the first and the other choices to the second. A node holds

    all_live               each guard of each edge, unless a killer of that edge that is possible
                           without the guard could excuse the edge here (see `rules`)
    all_success            all guards of all edges: nothing is excused
    none_failed…           the guard of being the target of one condition
    the other rules        nothing: they run after failures, and a failed condition chose nothing
    a fallback             what its task holds

Both masks err on the safe side: a guard that may not be needed is dropped, so two nodes that are
called exclusive never run both, while some that never do are not called so. Masks are whole
numbers, since in a long row of branches sets would grow with the square of its length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pytest_highway.planning.plan import Node, Scope

__all__ = ["Choice", "Edge", "Guards", "bits"]

TURNED_AWAY_RULES = frozenset({"none_failed", "none_failed_min_one_success"})


class Choice(NamedTuple):
    """A decision: of a condition for true or false, of a parallel for a branch.

    A parallel's `side` is None where only its having selected something matters.
    """

    node: int
    side: bool | str | None


class Edge(NamedTuple):
    """An edge into a node, by the node it leaves, with its two masks."""

    source: int
    held: int
    killers: int


# Bit 0 of a mask of killers: an Airflow rule skipped the task, which any live edge excuses.
NOBODY = Choice(-1, None)
NOBODY_BIT = 1


class Guards:
    """The guards of all nodes of one scope."""

    __slots__ = ("_own", "_reached", "_settled", "_under", "choices", "held", "killers", "scope")

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.choices: list[Choice] = [NOBODY]
        self.held = [0] * len(scope.nodes)
        self.killers = [0] * len(scope.nodes)
        # The first choice of each decider and how many it has; a condition's are true, false.
        self._own: dict[int, tuple[int, int]] = {}
        self._settled: list[int] = []
        self._under: dict[int, tuple[int, int]] = {}
        self._reached: dict[int, list[int]] = {}
        for node in scope.nodes:
            self._number(node)
        if self._own or any(node.rule != "all_live" for node in scope.nodes):
            for index in scope.order:
                self._settle(scope.nodes[index])

    def _number(self, node: Node) -> None:
        sides: list[bool | str | None]
        if node.kind == "condition":
            sides = [True, False]
        elif node.select is not None:
            sides = [None, *node.branches]
        else:
            return
        self._own[node.index] = (len(self.choices), len(sides))
        self.choices += [Choice(node.index, side) for side in sides]

    # --- what is asked of it -------------------------------------------------------------------

    def exclusive(self, one: int, other: int) -> bool:
        """Whether never both nodes run: a condition must choose one side for each."""
        if not self.held[one] or not self.held[other]:
            return False
        return any(self._opposite(bit) & self.held[other] for bit in bits(self.held[one]))

    def needed(self, node: int) -> list[Choice]:
        """The choices that must have been made when the node runs."""
        return [self.choices[bit] for bit in bits(self.held[node])]

    def missing(self, one: int, other: int) -> list[Choice]:
        """The choices that node `one` needs, and that need not be made when `other` runs."""
        return [self.choices[bit] for bit in bits(self.held[one] & ~self.held[other])]

    def edges(self, node: Node) -> list[Edge]:
        """The edges by which a node is judged, those from the start of a parallel first."""
        found = [self._member_edge(node, each) for each in node.starts]
        found += [self._edge(node, each) for each in node.upstream]
        return found

    # --- edges ---------------------------------------------------------------------------------

    def _member_edge(self, node: Node, parallel: int) -> Edge:
        held, killers = self.held[parallel], self.killers[parallel]
        if parallel in self._own and node.member_of is not None:
            first = self._own[parallel][0]
            branches = list(self.scope.nodes[parallel].branches)
            held |= 1 << (first + 1 + branches.index(node.member_of[1]))
            killers |= 1 << first
        return Edge(parallel, held, killers)

    def _edge(self, node: Node, source: int) -> Edge:
        held, killers = self.held[source], self.killers[source]
        targets = self.scope.nodes[source].targets
        # A target of both sides is chosen by whatever the condition chooses.
        if node.index in targets and targets[0] != targets[1]:
            first = self._own[source][0]
            side = targets.index(node.index)
            held |= 1 << (first + side)
            killers |= 1 << (first + 1 - side)
        return Edge(source, held, killers)

    def _opposite(self, bit: int) -> int:
        """The mask of what rules a choice out: the other side of a condition, else nothing."""
        choice = self.choices[bit]
        if not isinstance(choice.side, bool):
            return 0
        return 1 << (bit + 1 if choice.side else bit - 1)

    # --- the pass ------------------------------------------------------------------------------

    def _settle(self, node: Node) -> None:
        index = node.index
        if node.fallback_for is not None:
            self.held[index] = self.held[node.fallback_for]
        elif self._is_touched(node):
            edges = self.edges(node)
            self._reached = {}
            for edge in edges:
                self.killers[index] |= edge.killers
                if edge.held:
                    self.held[index] |= self._inherited(node, edge, edges)
        if node.rule != "all_live":
            # Skipped by its rule it leaves dead edges that nobody killed.
            self.killers[index] |= NOBODY_BIT
        if index in self._own:
            self._settled.append(index)

    def _is_touched(self, node: Node) -> bool:
        """Whether anything is decided before a node; without killers nothing is held either."""
        for sources in (node.starts, node.upstream):
            for each in sources:
                if self.killers[each] or each in self._own:
                    return True
        return False

    def _inherited(self, node: Node, edge: Edge, edges: Sequence[Edge]) -> int:
        if node.rule == "all_success" and edge.source not in node.starts:
            return edge.held
        if node.rule != "all_live" and edge.source not in node.starts:
            return self._as_target(node, edge)
        if len(edges) == 1:
            return edge.held  # There is no other path that could arrive.
        kept = 0
        for bit in bits(edge.held):
            if not self._is_excusable(node, edge, bit, edges):
                kept |= 1 << bit
        return kept

    def _as_target(self, node: Node, edge: Edge) -> int:
        """What an Airflow rule holds: it is skipped when the only condition turned it away."""
        is_target = edge.held != self.held[edge.source]
        if node.rule in TURNED_AWAY_RULES and is_target and not self._is_shared(node):
            return edge.held
        return 0

    def _is_shared(self, node: Node) -> bool:
        nodes = self.scope.nodes
        return sum(node.index in nodes[each].targets for each in node.upstream) > 1

    def _is_excusable(self, node: Node, edge: Edge, guard: int, edges: Sequence[Edge]) -> bool:
        """Whether the edge may be dead for want of a guard, and the node run all the same."""
        if node.index in self.scope.nodes[edge.source].targets and self._is_shared(node):
            # Another condition may take its edge to the same target.
            return True
        if edge.killers & NOBODY_BIT:
            return True
        # The decider itself comes first: it is the one that usually does, and the cheapest to ask.
        first, count = self._own[self.choices[guard].node]
        own = ((1 << count) - 1) << first
        if self._is_excused_by(edge.killers & own & ~(1 << guard), node, edge, guard, edges):
            return True
        others = edge.killers & ~own
        if others:
            others &= ~self._held_under(guard)
        return self._is_excused_by(others, node, edge, guard, edges)

    def _is_excused_by(
        self, killers: int, node: Node, edge: Edge, guard: int, edges: Sequence[Edge]
    ) -> bool:
        choices = self.choices
        return any(
            self._excuses(node, edge, choices[bit], choices[guard], edges) for bit in bits(killers)
        )

    def _held_under(self, guard: int) -> int:
        """The choices of deciders that hold a guard themselves: without it they decide nothing."""
        mask, known = self._under.get(guard, (0, 0))
        for each in self._settled[known:]:
            if self.held[each] >> guard & 1:
                first, count = self._own[each]
                mask |= ((1 << count) - 1) << first
        self._under[guard] = (mask, len(self._settled))
        return mask

    def _excuses(
        self, node: Node, edge: Edge, killer: Choice, guard: Choice, edges: Sequence[Edge]
    ) -> bool:
        return any(
            target == node.index
            or any(each != edge.source for each in self._edges_behind(target, edges))
            for target in self._chosen(killer, guard)
        )

    def _chosen(self, killer: Choice, guard: Choice) -> Iterator[int]:
        """What a killer may have chosen, given that it did not make the choice `guard`."""
        decider = self.scope.nodes[killer.node]
        if decider.kind == "condition":
            target = decider.targets[0 if killer.side else 1]
            if target is not None:
                yield target
            return
        left_out = guard.side if guard.node == killer.node else None
        for branch, members in decider.branches.items():
            if branch != left_out:
                yield from members

    def _edges_behind(self, target: int, edges: Sequence[Edge]) -> list[int]:
        """The sources of edges to which a path leads from `target`; two tell all there is."""
        found = self._reached.get(target)
        if found is None:
            found = self._reached[target] = []
            reaches = self.scope.graph.reaches
            for edge in edges:
                if reaches(target, self.scope.vertex_after(edge.source)):
                    found.append(edge.source)
                    if len(found) == 2:
                        break
        return found


def bits(mask: int) -> Iterator[int]:
    """The numbers of the bits that are set, from the lowest."""
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
