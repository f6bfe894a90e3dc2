"""Warnings about a plan: what runs, but hardly as its author means.

    a plain dependency on a condition      runs whatever the condition chooses
    a join that a branch can skip          an upstream hangs on a choice and another does not, and
                                           the path taken instead does not arrive
    critical: false without `continue`     its critical dependents fail the run all the same
    two conditions name one target         it runs when either chooses it
    an unused variable or result           a result that a case of the file expects is used

Reads of results that a branch may leave unwritten are warned about in `checks`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from pytest_highway.errors import Diagnostic
from pytest_highway.planning.guards import Choice, Edge, Guards, bits
from pytest_highway.planning.plan import Loc, Node, Plan, Scope
from pytest_highway.planning.reads import Read, Writers, result_key, scopes, space_of
from pytest_highway.planning.relations import Hinge, Relations
from pytest_highway.reading.models import Foreach

__all__ = ["lint", "told_choice"]

# Rules under which a failed upstream makes a task `upstream_failed`.
STOPPED_BY_FAILURE = frozenset(
    {"all_live", "all_success", "none_failed", "none_failed_min_one_success"}
)


def lint(
    plan: Plan, reads: Sequence[Read], writers: Writers, relations: Relations
) -> list[Diagnostic]:
    """All warnings about a plan but those about single reads."""
    linter = _Linter(plan, relations)
    for scope in scopes(plan.scope):
        for node in scope.nodes:
            if not node.critical:
                linter.check_forgiveness(scope, node)
        if any(node.kind == "condition" or node.select is not None for node in scope.nodes):
            linter.check_branches(scope)
    linter.check_variables(reads)
    linter.check_results(reads, writers)
    return linter.found


def told_choice(hinge: Hinge) -> str:
    """A choice in words: `'check' chooses if_true`."""
    return told(hinge.scope, hinge.choice)


def told(scope: Scope, choice: Choice) -> str:
    """A choice of a scope's node in words."""
    name = repr(scope.nodes[choice.node].id)
    if isinstance(choice.side, bool):
        return f"{name} chooses {side_name(choice.side)}"
    return f"{name} selects {choice.side!r}"


def side_name(side: bool) -> str:
    """The field of a condition that names a side's target."""
    return "if_true" if side else "if_false"


class _Linter:
    """Collects warnings in `found`."""

    def __init__(self, plan: Plan, relations: Relations) -> None:
        self.plan = plan
        self.relations = relations
        self.found: list[Diagnostic] = []

    def _warn(self, loc: Loc, message: str, *, key: bool = False) -> None:
        warning = self.plan.document.diagnostic(loc, message, key=key, severity="warning")
        self.found.append(warning)

    def _warn_at_dependency(self, node: Node, upstream: Node, message: str) -> None:
        loc = dependency_place(node, upstream)
        self._warn(loc, message, key=loc == node.loc)

    # --- failure -------------------------------------------------------------------------------

    def check_forgiveness(self, scope: Scope, node: Node) -> None:
        """`critical: false` alone forgives the task, and not what fails with it."""
        # A fallback forgives in its own way, and after an abort nothing goes on anyway.
        if node.policy != "skip_dependents" or node.fallback is not None:
            return
        for index in node.downstream:
            after = scope.nodes[index]
            if after.critical and after.rule in STOPPED_BY_FAILURE:
                message = (
                    f"when {node.id!r} fails, {after.id!r}, which depends on it and is critical, "
                    "fails the run; with 'on_failure: continue' it runs"
                )
                self._warn((*node.loc, "critical"), message, key=True)
                return

    # --- branches ------------------------------------------------------------------------------

    def check_branches(self, scope: Scope) -> None:
        """Plain dependencies on conditions, shared targets, joins that a branch can skip."""
        guards = self.relations.guards(scope)
        chosen_by: dict[int, Node] = {}
        for node in scope.nodes:
            if node.kind == "condition":
                self._check_targets(scope, node, chosen_by)
            if node.fallback_for is None:
                warned = self._check_join(guards, node)
                self._check_plain(scope, node, warned)

    def _check_targets(self, scope: Scope, node: Node, chosen_by: dict[int, Node]) -> None:
        for side, target in zip((True, False), node.targets, strict=True):
            if target is None:
                continue
            # Both sides may name one target: that is no second condition.
            other = chosen_by.setdefault(target, node)
            if other is not node:
                message = (
                    f"{scope.nodes[target].id!r} is a target of {other.id!r} too; "
                    "it runs when either chooses it"
                )
                self._warn((*node.loc, side_name(side)), message)

    def _check_plain(self, scope: Scope, node: Node, warned: Iterable[int]) -> None:
        around = targets_around(scope, node)
        for index in node.upstream:
            condition = scope.nodes[index]
            if condition.kind != "condition" or node.index in condition.targets:
                continue
            if index not in warned and around.isdisjoint(condition.targets):
                message = (
                    f"{node.id!r} depends on the condition {condition.id!r} without being its "
                    f"target, so it runs whatever that chooses"
                )
                self._warn_at_dependency(node, condition, message)

    def _check_join(self, guards: Guards, node: Node) -> list[int]:
        """Warn about a join that a branch can skip; returns the conditions that were named."""
        held = guards.held[node.index]
        if not held or node.rule != "all_live" or len(node.upstream) < 2:
            return []
        nodes = guards.scope.nodes
        around = targets_around(guards.scope, node)
        # A target and a member hang on a choice because their author says so.
        edges = [
            each
            for each in guards.edges(node)
            if each.source not in node.starts
            and node.index not in nodes[each.source].targets
            and around.isdisjoint(nodes[each.source].targets)
        ]
        named = []
        for bit in bits(held):
            pair = self._parting(guards.scope, edges, guards.choices[bit], 1 << bit)
            if pair is not None:
                self._warn_join(guards.scope, node, guards.choices[bit], pair)
                named.append(guards.choices[bit].node)
        return named

    def _parting(
        self, scope: Scope, edges: Sequence[Edge], choice: Choice, bit: int
    ) -> tuple[int, int] | None:
        """An upstream that hangs on a choice and one that does not, neither behind the other.

        What the choice itself depends on is no other path; the condition, listed as a dependency
        beside its own target, is one.
        """
        hanging = [each.source for each in edges if each.held & bit]
        if not hanging:
            return None
        reaches = self.relations.order(scope).reaches
        for each in edges:
            free = each.source
            if not each.held & bit and (free == choice.node or not reaches(free, hanging[0])):
                return hanging[0], free
        return None

    def _warn_join(self, scope: Scope, node: Node, choice: Choice, pair: tuple[int, int]) -> None:
        guarded, free = (scope.nodes[each] for each in pair)
        decider = scope.nodes[choice.node]
        message = (
            f"{node.id!r} joins {guarded.id!r} and {free.id!r}, but it is skipped unless "
            f"{told(scope, choice)}"
        )
        if isinstance(choice.side, bool):
            side = side_name(not choice.side)
            other = decider.targets[1 if choice.side else 0]
            if other is None:
                message += f"; '{side}: {node.id}' at {decider.id!r} lets it go on"
            else:
                message += f"; depend on what follows {scope.nodes[other].id!r} ({side}), too"
        self._warn_at_dependency(node, guarded, message)

    # --- what nobody uses ----------------------------------------------------------------------

    def check_variables(self, reads: Sequence[Read]) -> None:
        """A variable that no template reads."""
        declared = self.plan.variables
        if not declared:
            return
        used = {result_key(each.reference) for each in reads if each.reference.root == "variables"}
        if None in used:
            return  # Some template reads all of them, or one that only a run knows.
        for name in declared:
            if name not in used:
                self._warn(("variables", name), f"the variable {name!r} is never read", key=True)

    def check_results(self, reads: Sequence[Read], writers: Writers) -> None:
        """A result that no template reads, no loop collects and no case expects."""
        sites = chain.from_iterable(
            chain.from_iterable(space.values()) for space in writers.spaces()
        )
        unread = [site for site in sites if not site.node.result_is_read]
        if not unread:
            return
        expected = expected_results(self.plan.document.data)
        for scope, node in unread:
            if node.is_step:  # Every step keeps its result.
                continue
            if node.result_key not in expected and not is_collected(scope, node):
                message = f"the result {node.result_key!r} is never read"
                self._warn((*node.loc, "result_key"), message)


def targets_around(scope: Scope, node: Node) -> frozenset[int | None]:
    """The parallels around a member: it may list the condition whose target one of them is."""
    found: list[int | None] = []
    while node.member_of is not None:
        found.append(node.member_of[0])
        node = scope.nodes[node.member_of[0]]
    return frozenset(found)


def dependency_place(node: Node, upstream: Node) -> Loc:
    """Where a task lists an upstream; the task itself where that is only implied."""
    listed = node.model.dependencies or []
    for name in (upstream.name, upstream.id):
        if name in listed:
            return (*node.loc, "dependencies", listed.index(name))
    return node.loc


def is_collected(scope: Scope, node: Node) -> bool:
    """Whether the value of a parallel or a foreach around a task holds its result."""
    key = node.result_key
    while node.member_of is not None:
        node = scope.nodes[node.member_of[0]]
        if node.result_key:
            return True
    loop = space_of(scope).owner
    if loop is None or not isinstance(loop.model, Foreach):
        return False
    collect = loop.model.collect
    return collect == key or (collect is None and bool(loop.result_key))


def expected_results(data: object) -> frozenset[str]:
    """The results that the cases of a file name in their expectations."""
    found: dict[str, None] = {}
    if isinstance(data, Mapping):
        tests = data.get("tests")
        cases = list(tests.values()) if isinstance(tests, Mapping) else []
        for case in (*cases, data.get("test_defaults")):
            expect = case.get("expect") if isinstance(case, Mapping) else None
            results = expect.get("results") if isinstance(expect, Mapping) else None
            found |= dict.fromkeys(results if isinstance(results, Mapping) else ())
    return frozenset(found)
