"""Locks that a section would take twice: a wait for oneself, which could only time out.

A section is a whole run, a composite or a task that holds a lock. Inside it stand its members, its
body and the file that it runs; a lock that it holds must not be taken there again.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_highway.planning.plan import Loc, Node, Plan, Scope

__all__ = ["lock_faults", "taken_in"]


def lock_faults(plan: Plan) -> Iterator[tuple[Loc, str]]:
    """Each place where a lock is taken inside its own section, and what to say about it."""
    whole = plan.workflow.lock
    yield from _faults_in(plan.scope, frozenset() if whole is None else frozenset({whole.name}))


def _faults_in(scope: Scope, held: frozenset[str]) -> Iterator[tuple[Loc, str]]:
    for node in [each for each in scope.nodes if each.lock or each.body or each.nested]:
        around = held | {each.lock.name for each in _parallels(scope, node) if each.lock}
        if node.lock is not None:
            name = node.lock.name
            if name in around:
                message = f"{node.id!r} takes the lock {name!r} inside a section that holds it"
                yield (*node.loc, "lock"), message
            around |= {name}
        if node.body is not None:
            yield from _faults_in(node.body, around)
        if node.nested is not None:
            for name in taken_in(node.nested):
                if name in around:
                    message = f"the file takes the lock {name!r} inside a section that holds it"
                    yield (*node.loc, "file"), message


def _parallels(scope: Scope, node: Node) -> Iterator[Node]:
    """The parallels that a member stands in, from the inside out."""
    seen = {node.index}
    while node.member_of is not None and node.member_of[0] not in seen:
        node = scope.nodes[node.member_of[0]]
        seen.add(node.index)
        yield node


def taken_in(plan: Plan) -> list[str]:
    """The locks that a file takes, and the files that it runs, in the order of the text."""
    locks = [plan.workflow.lock]
    for node in plan.walk():
        locks += [node.lock, None if node.nested is None else node.nested.workflow.lock]
    return list(dict.fromkeys(lock.name for lock in locks if lock is not None))
