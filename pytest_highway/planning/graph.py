"""Order in a directed graph: a stable topological order, a cycle to show, and who precedes whom.

Vertices are numbers from 0. All algorithms are iterative, since a chain of 100,000 tasks is legal
input, and none depends on a hash order. `graphlib` is not used: it neither keeps declaration
order when several vertices are ready nor answers reachability.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush

__all__ = ["Graph"]


class Graph:
    """Edges between `size` vertices; call `sort` once all edges are in.

    `rank[v]` is the place of vertex v in the order after `sort`. Vertices from `real` on are marks
    (the end of a group): in the order they come as soon as they can, before any other.
    """

    __slots__ = ("_down", "rank", "real", "up")

    def __init__(self, size: int, real: int | None = None) -> None:
        self.real = size if real is None else real
        self.up: list[Sequence[int]] = [()] * size
        self.rank: Sequence[int] = ()
        self._down: list[list[int]] | None = None

    @property
    def down(self) -> list[list[int]]:
        """The vertices behind each vertex; the usual file is never asked for them."""
        if self._down is None:
            self._down = [[] for _ in self.up]
            for vertex, upstreams in enumerate(self.up):
                for each in upstreams:
                    self._down[each].append(vertex)
        return self._down

    def place_after(self, vertex: int, upstreams: Sequence[int]) -> None:
        """Put edges from all `upstreams`, which are distinct and are kept, to `vertex`."""
        self.up[vertex] = upstreams
        self._down = None

    def sort(self) -> Sequence[int]:
        """The order in which always the smallest vertex comes whose upstreams have come.

        Vertices on a cycle, and behind one, are left out: a shorter list means a cycle.
        """
        size = len(self.up)
        if all(not up or max(up) < vertex for vertex, up in enumerate(self.up)):
            # The usual file declares tasks after what they depend on.
            self.rank = range(size)
            return self.rank
        order = self._by_counting()
        self.rank = rank = [size] * size
        for place, vertex in enumerate(order):
            rank[vertex] = place
        return order

    def _by_counting(self) -> list[int]:
        left = [len(up) for up in self.up]
        ready = [vertex for vertex, count in enumerate(left) if not count]
        heapify(ready)
        order = []
        marks: list[int] = []
        while marks or ready:
            vertex = marks.pop() if marks else heappop(ready)
            order.append(vertex)
            for after in self.down[vertex]:
                left[after] -= 1
                if left[after]:
                    continue
                if after < self.real:
                    heappush(ready, after)
                else:
                    marks.append(after)
        return order

    def is_placed(self, vertex: int) -> bool:
        """Whether `sort` could order a vertex, which one on a cycle or behind it is not."""
        return self.rank[vertex] < len(self.rank)

    def cycle(self, order: Sequence[int]) -> list[int]:
        """One cycle among the vertices that `order` leaves out, its first vertex repeated last.

        Every such vertex has an upstream that is left out too, so walking upstream must come
        back to a vertex that was seen.
        """
        placed = set(order)
        vertex = next(each for each in range(len(self.up)) if each not in placed)
        walked: dict[int, int] = {}
        while vertex not in walked:
            walked[vertex] = len(walked)
            vertex = next(each for each in self.up[vertex] if each not in placed)
        loop = [each for each, place in walked.items() if place >= walked[vertex]]
        loop.reverse()
        least = loop.index(min(loop))
        return [*loop[least:], *loop[:least], loop[least]]

    def reaches(self, before: int, after: int) -> bool:
        """Whether a path leads from `before` to `after`, or both are one vertex.

        Searches upstream from `after` and never beyond the rank of `before`, so the usual
        question (a task about a near ancestor) costs a few steps.
        """
        rank = self.rank
        floor = rank[before]
        seen = {after}
        stack = [after]
        while stack:
            vertex = stack.pop()
            if vertex == before:
                return True
            for each in self.up[vertex]:
                if each not in seen and rank[each] >= floor:
                    seen.add(each)
                    stack.append(each)
        return False

    def descendants(self, vertices: Sequence[int]) -> set[int]:
        """These vertices and all that a path leads to from one of them."""
        return _closure(vertices, self.down.__getitem__)

    def ancestors(self, vertices: Sequence[int], floor: int = 0) -> set[int]:
        """These vertices and all from which a path leads to one of them.

        Those whose rank is below `floor` are left out.
        """
        if not floor:
            return _closure(vertices, self.up.__getitem__)
        rank = self.rank
        return _closure(
            vertices, lambda vertex: [each for each in self.up[vertex] if rank[each] >= floor]
        )


def _closure(start: Sequence[int], neighbours: Callable[[int], Sequence[int]]) -> set[int]:
    seen = set(start)
    stack = list(start)
    while stack:
        for each in neighbours(stack.pop()):
            if each not in seen:
                seen.add(each)
                stack.append(each)
    return seen
