"""From names to edges: the graph of one scope, with every fault that only the graph shows.

    Draft (nodes and names) --link--> Scope

Edges come from `dependencies`, from a condition to its targets, from the start of a `parallel` to
its members and from each member to its end, from a task to its fallback. A member that also lists
a parallel or a condition around it waits only for its start or decision, which it does anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import cast

from pytest_highway.errors import did_you_mean
from pytest_highway.events import Outline
from pytest_highway.planning.drafts import Draft
from pytest_highway.planning.graph import Graph
from pytest_highway.planning.plan import Loc, Node, ReportFault
from pytest_highway.reading.models import AnyTask, Condition
from pytest_highway.reading.plain_tasks import PlainTask

__all__ = ["link"]

# What a name in a field is called in messages.
WORDS = {"dependencies": "dependency", "after": "task"}


def link(draft: Draft, fault: ReportFault) -> None:
    """Turn names into edges, and the graph into an order."""
    linker = _Linker(draft, fault)
    linker.link()


class _Linker:
    def __init__(self, draft: Draft, fault: ReportFault) -> None:
        self.draft = draft
        self.scope = draft.scope
        self.fault = fault
        self.implied: dict[int, list[int]] = {}
        self.providers: dict[str, Node] = {}

    def link(self) -> None:
        scope = self.scope
        for node, branch, members in self.draft.branches:
            self._members(node, branch, members)
        self.providers = self._providers()
        for node in scope.nodes:
            if node.kind == "condition":
                self._targets(node, cast("Condition", node.model))
            if not isinstance(node.model, PlainTask):
                self._fallback(node)
        self._mark_cleaning()
        for node in scope.nodes:
            self._edges(node)
        self._finally_edges()
        self._connect()
        order = scope.graph.sort()
        scope.order = [each for each in order if each < len(scope.nodes)] if scope.ends else order
        if len(scope.order) < len(scope.nodes):
            self._report_cycle()
        elif self.draft.start is not None:
            self._report_unreachable(self.draft.start)
        scope.outline = tuple(_outline(scope.nodes[each]) for each in scope.order)

    def _resolve(self, node: Node | None, name: str, loc: Loc, what: str) -> Node | None:
        names = self.draft.names[0 if node is None else node.index]
        found = names.find(name)
        if found is None or self.scope.by_id.get(found.id) is not found:
            near = did_you_mean(name, names.known())
            where = f" in the body of {self.draft.loops[0]!r}" if self.draft.loops else ""
            self.fault(loc, f"unknown {what} {name!r}{where}{near}")
            return None
        return found

    # --- parallel ------------------------------------------------------------------------------

    def _members(self, node: Node, branch: str, members: list[str]) -> None:
        inside: list[int] = []
        node.branches = {**node.branches, branch: inside}
        for number, name in enumerate(members):
            member = self.scope.by_id.get(name)
            if member is None:
                continue  # Reported where it was listed.
            loc = (*node.loc, "branches", branch, number)
            if member.member_of is not None:
                other = self.scope.nodes[member.member_of[0]].id
                self.fault(loc, f"{name!r} is a member of {other!r} already")
            elif member is not node:  # Which is reported where it was claimed.
                member.member_of = (node.index, branch)
                inside.append(member.index)

    def _around(self, node: Node) -> frozenset[int]:
        """The parallels that a member stands in, from the inside out."""
        found: list[int] = []
        each: Node | None = node
        while each is not None and each.member_of is not None and each.member_of[0] not in found:
            found.append(each.member_of[0])
            each = self.scope.nodes[each.member_of[0]]
        return frozenset(found)

    # --- conditions and fallbacks --------------------------------------------------------------

    def _targets(self, node: Node, model: Condition) -> None:
        found: list[int | None] = []
        for side in ("if_true", "if_false"):
            name = getattr(model, side)
            loc = (*node.loc, side)
            target = None if name is None else self._resolve(node, name, loc, "condition target")
            if target is node:
                self.fault(loc, f"{node.id!r} names itself as its target")
                target = None
            if target is not None:
                self.implied.setdefault(target.index, []).append(node.index)
            found.append(None if target is None else target.index)
        node.targets = (found[0], found[1])

    def _fallback(self, node: Node) -> None:
        policy = node.model.on_failure
        name = node.model.fallback_step if policy is None else policy.fallback
        loc: Loc = (*node.loc, "fallback_step")
        if policy is not None and node.model.fallback_step is not None:
            self.fault(loc, "'fallback_step' and 'on_failure' exclude each other", key=True)
        if name is None:
            return
        if policy is not None:
            loc = (*node.loc, "on_failure", "fallback")
        target = self._resolve(node, name, loc, "fallback task")
        if target is None:
            return
        if target is node:
            self.fault(loc, f"{node.id!r} names itself as its fallback")
        elif target.is_finally or target.kind == "condition":
            what = "a condition" if target.kind == "condition" else "a finally task"
            self.fault(loc, f"{name!r} is {what} and can stand in for nothing")
        elif target.fallback_for is not None:
            other = self.scope.nodes[target.fallback_for].id
            self.fault(loc, f"{name!r} is the fallback of {other!r} already; one task each")
        else:
            node.fallback, target.fallback_for = target.index, node.index

    def _mark_cleaning(self) -> None:
        """What a `finally` task starts, and what stands in for it, may be needed whenever it is."""
        nodes = self.scope.nodes
        todo = [node for node in nodes if node.is_finally]
        while todo:
            node = todo.pop()
            if node.is_cleaning:
                continue
            node.is_cleaning = True
            todo += [nodes[each] for each in node.members]
            if node.fallback is not None:
                stand_in = nodes[node.fallback]
                stand_in.is_finally = stand_in.is_finally or node.is_finally
                todo.append(stand_in)

    # --- edges ---------------------------------------------------------------------------------

    def _edges(self, node: Node) -> None:
        named, after = self._listed(node)
        starts: tuple[int, ...] = ()
        if node.member_of is not None:
            around, starts = self._around(node), (node.member_of[0],)
            named = [each for each in named if each not in around]
            after = [each for each in after if each not in around]
        upstream = dict.fromkeys(named)
        if node.fallback_for is not None:
            self._reject_choice(node)
            # A fallback starts when its task has failed: what it lists besides comes earlier.
            after = [each for each in [*upstream, *after] if each != node.fallback_for]
            upstream, starts = {}, ()
        elif node.is_finally:
            after, upstream, starts = [*upstream, *after], {}, ()
        node.upstream, node.starts = tuple(upstream), starts
        if after:
            node.after = tuple(each for each in dict.fromkeys(after) if each not in upstream)

    def _listed(self, node: Node) -> tuple[list[int], list[int]]:
        """What a node is behind by its dependencies and the like, and what it only comes after."""
        model = node.model
        follows = self.draft.implicit.get(node.index)
        listed = model.dependencies or () if follows is None else (follows,)
        named = self._named(node, "dependencies", listed) if listed else []
        after = self._named(node, "after", model.after) if model.after else []
        if node.kind == "task" and (consumed := cast("AnyTask", model).consumes):
            named += self._consumed(node, consumed)
        return named + self.implied.get(node.index, []), after

    def _reject_choice(self, node: Node) -> None:
        for each in self.implied.get(node.index, ()):
            condition = self.scope.nodes[each]
            message = f"{node.id!r} is a fallback; no condition may choose it"
            self.fault((*condition.loc, _side(condition, node)), message)

    def _named(self, node: Node, field: str, names: Sequence[str]) -> list[int]:
        found = []
        known = self.draft.names[node.index]
        for number, name in enumerate(names):
            target = known.find(name)
            if target is None and name in self.draft.loops:
                continue  # On a loop around it: accepted, and means nothing.
            if target is None or not self._is_usual(target, node):
                target = self._judged(node, name, (*node.loc, field, number), WORDS[field])
            if target is not None:
                found.append(target.index)
        return found

    def _is_usual(self, target: Node, node: Node) -> bool:
        """Whether nothing can be wrong with a dependency on `target`."""
        is_free = target is not node and target.fallback_for is None
        return is_free and self.scope.by_id.get(target.id) is target

    def _judged(self, node: Node, name: str, loc: Loc, what: str) -> Node | None:
        """What a node comes after by a name; None where it must not, which is reported."""
        target = self._resolve(node, name, loc, what)
        if target is node:
            self.fault(loc, f"{node.id!r} depends on itself")
            return None
        if target is not None and target.fallback_for not in (None, node.index):
            self.fault(loc, f"{name!r} is a fallback; nothing else may depend on it")
            return None
        return target

    def _providers(self) -> dict[str, Node]:
        """Who provides what; a name that two tasks provide is an error."""
        found: dict[str, Node] = {}
        for node in self.scope.nodes:
            if node.kind != "task":
                continue
            for number, name in enumerate(cast("AnyTask", node.model).provides):
                other = found.setdefault(name, node)
                if other is not node:
                    loc = (*node.loc, "provides", number)
                    self.fault(loc, f"{name!r} is provided by {other.id!r} as well")
        return found

    def _consumed(self, node: Node, names: Sequence[str]) -> Iterator[int]:
        for number, name in enumerate(names):
            provider = self.providers.get(name)
            loc = (*node.loc, "consumes", number)
            if provider is None:
                near = did_you_mean(name, self.providers)
                self.fault(loc, f"no task provides {name!r}{near}")
            elif provider.fallback_for is not None:
                what = f"{provider.id!r}, which provides {name!r},"
                self.fault(loc, f"{what} is a fallback; nothing else may depend on it")
            elif provider is node:
                self.fault(loc, f"{node.id!r} consumes what it provides itself")
            else:
                yield provider.index

    def _finally_edges(self) -> None:
        """A `finally` task that depends on nothing comes after all others of its list."""
        nodes = self.scope.nodes
        others: tuple[int, ...] | None = None
        for node in [each for each in nodes if each.is_finally]:
            if node.fallback_for is not None or node.model.dependencies:
                continue
            if node.member_of is not None:
                parallel, branch = node.member_of
                beside = [nodes[each] for each in nodes[parallel].branches[branch]]
                rest = tuple(each.index for each in beside if not each.is_finally)
            elif others is None:
                rest = others = tuple(each.index for each in nodes if not each.is_cleaning)
            else:
                rest = others
            node.after = tuple(dict.fromkeys([*node.after, *rest]))

    def _connect(self) -> None:
        scope = self.scope
        nodes = scope.nodes
        parallels = [node for node in nodes if node.kind == "parallel"]
        scope.ends = {node.index: len(nodes) + place for place, node in enumerate(parallels)}
        scope.graph = Graph(len(nodes) + len(parallels), len(nodes))
        scope.waits = []
        vertices = self._vertices(bool(parallels))
        for node in nodes:
            index, upstream, after = node.index, node.upstream, node.after
            for each in upstream:
                nodes[each].downstream = _and_one(nodes[each].downstream, index)
            for each in after:
                nodes[each].followers = _and_one(nodes[each].followers, index)
            counted = len(upstream) + len(node.starts) + len(after)
            scope.waits.append(counted + (node.fallback_for is not None))
            scope.graph.place_after(index, vertices(node))
        for node in parallels:
            behind = [each for member in node.members for each in self._whole(member, node.index)]
            scope.graph.place_after(scope.ends[node.index], [node.index, *dict.fromkeys(behind)])

    def _vertices(self, has_ends: bool) -> Callable[[Node], tuple[int, ...]]:
        """What gives the vertices that a node comes after, each once.

        Where a vertex stands for each task and nothing else, the edges are the vertices.
        """
        if has_ends or any(node.fallback is not None for node in self.scope.nodes):
            return lambda node: tuple(dict.fromkeys(self._before(node)))
        return lambda node: node.upstream + node.after

    def _before(self, node: Node) -> Iterator[int]:
        """The vertices that a node comes after."""
        yield from node.starts
        if node.fallback_for is not None:
            yield self.scope.vertex_after(node.fallback_for)
        for each in node.upstream + node.after:
            yield from self._whole(each, node.index)

    def _whole(self, task: int, waiting: int) -> Iterator[int]:
        """The vertices after which a task has ended, with whatever may stand in for it."""
        yield self.scope.vertex_after(task)
        stand_in = self.scope.nodes[task].fallback
        while stand_in is not None and stand_in not in (waiting, task):
            yield self.scope.vertex_after(stand_in)
            stand_in = self.scope.nodes[stand_in].fallback

    # --- faults of the whole graph -------------------------------------------------------------

    def _report_cycle(self) -> None:
        scope = self.scope
        placed = [each for each in range(len(scope.graph.rank)) if scope.graph.is_placed(each)]
        inside = [each for each in scope.graph.cycle(placed) if each < len(scope.nodes)]
        nodes = [scope.nodes[each] for each in inside]
        if nodes[0] is not nodes[-1]:
            nodes.append(nodes[0])
        path = " -> ".join(node.id for node in nodes)
        for before, after in pairwise(nodes):
            side = _side(before, after)
            if side and before.name not in (after.model.dependencies or []):
                message = (
                    f"the target {after.id!r} is an ancestor of the condition {before.id!r} "
                    f"(cycle: {path})"
                )
                self.fault((*before.loc, side), message)
                return
        first, last = nodes[0], nodes[-2]
        loc: Loc = first.loc
        for word in ("dependencies", "after"):
            names = getattr(first.model, word) or []
            if last.name in names:
                loc = (*first.loc, word, names.index(last.name))
        self.fault(loc, f"the tasks depend on each other in a cycle: {path}", key=loc == first.loc)

    def _report_unreachable(self, name: str) -> None:
        start = self._resolve(None, name, ("start_task",), "start task")
        if start is None:
            return
        reached = self.scope.graph.descendants([start.index])
        for node in self.scope.nodes:
            exempt = node.is_finally or node.fallback_for is not None
            if node.index not in reached and not exempt:
                message = f"{node.id!r} cannot be reached: no path leads to it from start_task"
                self.fault(node.loc, f"{message} {name!r}", key=True)


def _and_one(numbers: Sequence[int], number: int) -> Sequence[int]:
    """One more number: of the usual one a tuple is made, which is half of a list."""
    if not numbers:
        return (number,)
    more = numbers if isinstance(numbers, list) else [*numbers]
    more.append(number)
    return more


def _side(before: Node, after: Node) -> str:
    """Which side of the condition `before` names `after`, or an empty text."""
    sides = zip(("if_true", "if_false"), before.targets, strict=True)
    return next((side for side, target in sides if target == after.index), "")


def _outline(node: Node) -> Outline:
    if node.body is None and node.nested is None:
        return Outline(node.id, node.kind, node.result_key)
    inside = node.body if node.nested is None else node.nested.scope
    body = () if inside is None else inside.outline
    return Outline(node.id, node.kind, node.result_key, body)
