"""Tasks that get in each other's way: two writers of one result, two users of one memory key.

Two accesses conflict when no order holds between them, both tasks can run, and their kinds do not
go together (the table of `state`). Inside a `foreach` whose iterations run side by side no two
accesses are ordered, one and the same task's in two iterations included.

Accesses are taken in an order that fits the graph, and each is held only against the *front*: the
earlier ones that no later one hides. One access hides another when whatever conflicts with the
other conflicts with it too: it comes behind it, is of a kind at least as strict, and needs no
choice that the other does not need. So 100,000 writers in a row are 100,000 comparisons.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from pytest_highway.engine.state import CONFLICTING
from pytest_highway.errors import Diagnostic
from pytest_highway.planning.plan import Plan, Scope
from pytest_highway.planning.reads import Access, Writers
from pytest_highway.planning.relations import Relations, meet, outwards, wide_loop

__all__ = ["find_conflicts"]

Settled = Callable[[Access, Access], bool]

# Behind so many findings about one key there is nothing new to be learned.
MOST = 20


def find_conflicts(
    plan: Plan, writers: Writers, memory: Mapping[str, Sequence[Access]], relations: Relations
) -> list[Diagnostic]:
    """An error for each pair of tasks whose accesses to one key have no order."""
    finder = _Finder(plan, relations)
    for space in writers.spaces():
        for key, sites in space.items():
            if len(sites) > 1:
                written = [Access(each, "write", (*each.node.loc, "result_key")) for each in sites]
                finder.check_results(key, written)
    for key, found in memory.items():
        finder.check_memory(key, found)
    return finder.found


class _Finder:
    def __init__(self, plan: Plan, relations: Relations) -> None:
        self.plan = plan
        self.relations = relations
        self.found: list[Diagnostic] = []

    def check_results(self, key: str, written: Sequence[Access]) -> None:
        for first, second in self._pairs(written, self._is_settled_result):
            self._report(
                second,
                f"{first.site.node.id!r} and {second.site.node.id!r} both write 'results.{key}' "
                "and no order holds between them; let one depend on the other",
            )

    def check_memory(self, key: str, found: Sequence[Access]) -> None:
        wide = [each for each in found if each.kind == "write" and wide_loop(each.site.scope)]
        for each in wide:
            loop = wide_loop(each.site.scope)
            assert loop is not None
            self._report(
                each,
                f"{each.site.node.id!r} writes the memory key {key!r} in the body of {loop.id!r}, "
                "whose iterations have no order; let max_concurrency be 1",
            )
        for first, second in self._pairs(found, self._is_settled_memory):
            self._report(
                second,
                f"{first.site.node.id!r} and {second.site.node.id!r} both use the memory key "
                f"{key!r} and no order holds between them; let one depend on the other",
            )

    def _report(self, access: Access, message: str) -> None:
        self.found.append(self.plan.document.diagnostic(access.loc, message))

    # --- pairs ---------------------------------------------------------------------------------

    def _pairs(
        self, found: Sequence[Access], is_settled: Settled
    ) -> Iterator[tuple[Access, Access]]:
        """The conflicting pairs, each in the order of the file."""
        front: dict[str, list[Access]] = {"read": [], "write": [], "add": []}
        count = 0
        for access in sorted(found, key=place):
            for kind in CONFLICTING[access.kind]:
                for other in front[kind]:
                    if not is_settled(other, access):
                        yield self._in_file_order(other, access)
                        count += 1
                        if count == MOST:
                            return
            self._advance(front, access)

    def _in_file_order(self, one: Access, other: Access) -> tuple[Access, Access]:
        position = self.plan.document.position
        return (other, one) if position(other.loc) < position(one.loc) else (one, other)

    def _advance(self, front: dict[str, list[Access]], access: Access) -> None:
        """Put an access at the front, and take away what it hides."""
        same = front[access.kind]
        if access.kind == "write":
            for kind, others in front.items():
                front[kind] = [each for each in others if not self._hides(access, each)]
        elif same and self._hides(access, same[-1]):
            same.pop()  # Only the last is looked at: a row of readers stays one, a fan stays a fan.
        front[access.kind].append(access)

    def _hides(self, access: Access, other: Access) -> bool:
        meeting = meet(access.site, other.site)
        scope, index, before = meeting
        # Side by side nothing hides anything: the order within one iteration says little.
        if wide_loop(scope) is not None or not self.relations.precedes(scope, before, index):
            return False
        return not self.relations.hinges(access.site, meeting)

    def _is_settled_result(self, one: Access, other: Access) -> bool:
        """A result is written when its task ends; a parallel ends behind its members."""
        scope, first, second = meet(one.site, other.site)
        ends = (scope.vertex_after(first), scope.vertex_after(second))
        return first == second or self._is_settled(scope, (first, second), ends)

    def _is_settled_memory(self, one: Access, other: Access) -> bool:
        """Memory is used while a task runs; by a composite before anything inside it begins."""
        scope, first, second = meet(one.site, other.site)
        if wide_loop(scope) is not None:
            # A write there has been reported by itself.
            return "write" in (one.kind, other.kind)
        return first == second or self._is_settled(scope, (first, second), (first, second))

    def _is_settled(self, scope: Scope, nodes: tuple[int, int], vertices: tuple[int, int]) -> bool:
        reaches = self.relations.order(scope).reaches
        first, second = vertices
        ordered = reaches(first, second) or reaches(second, first)
        return ordered or self.relations.exclusive(scope, *nodes)


def place(access: Access) -> tuple[int, ...]:
    """Where a task comes in the order of the graph, scope by scope from the outside in."""
    scope, node = access.site
    ranks = [scope.graph.rank[node.index]]
    while scope.owner is not None:
        scope, loop = outwards(scope)
        ranks.append(scope.graph.rank[loop])
    return tuple(reversed(ranks))
