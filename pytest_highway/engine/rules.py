"""Which tasks run: the decision of a task from its edges, and its edges from its end (LANGUAGE 3).

A decision belongs to the edge. Once a task has ended each outgoing edge is live (or taken, from a
condition to what it chose), dead, failed or cancelled; only the last three are kept, as a
`Problem` at the node they lead to. `judge` reads them once all upstreams have ended:

    a failed edge                     upstream_failed
    else a cancelled edge             cancelled
    else a dead edge not excused      skipped, and hands on the killers of such edges
    else                              run

A dead edge is excused when the path that was taken instead arrives here as well: a chosen target
of one of its killers is this node, or is (or precedes) an upstream with a live edge.

The Airflow rules are tables over the counts of upstream states, read top to bottom, with the
meaning of Airflow's own `trigger_rule_dep.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import NamedTuple

from pytest_highway.engine.frame import Problem, ScopeRun
from pytest_highway.planning.plan import Node

__all__ = ["BAD", "DEAD_ENDS", "SOUND", "Verdict", "judge", "outgoing", "turned_away_members"]

BAD = frozenset({"failed", "timed_out"})
SOUND = frozenset({"success", "skipped"})

# Killers and branches that a reason names; more are counted.
NAMED = 8


class Verdict(NamedTuple):
    """Why a task does not run, and what its outgoing edges become (`kind`, `killers`)."""

    status: str
    reason: str
    kind: str
    killers: tuple[int, ...] = ()


DEAD_ENDS: dict[str, str] = {
    "failed": "failed",
    "timed_out": "failed",
    "upstream_failed": "failed",
    "cancelled": "cancelled",
}


# --- the decision of a task --------------------------------------------------------------------


def judge(run: ScopeRun, node: Node) -> Verdict | None:
    """None when the task is to run, else how it ends without running."""
    # Taken out: a task is judged once, and a run may have 100,000 of them.
    problems = run.problems.pop(node.index, ())
    if node.rule == "all_live":
        return _judge_live(run, node, problems) if problems else None
    # Airflow has no branches inside a parallel: what its start decided comes before any rule.
    at_start = [each for each in problems if each.source in node.starts]
    verdict = _judge_live(run, node, at_start) if at_start else None
    if verdict is not None:
        return verdict
    return _judge_counts(run, node, problems) if node.upstream else None


def _judge_live(run: ScopeRun, node: Node, problems: Sequence[Problem]) -> Verdict | None:
    for kind, status, what in (
        ("failed", "upstream_failed", "dependency failed"),
        ("cancelled", "cancelled", "dependency cancelled"),
    ):
        sources = {each.source for each in problems if each.kind == kind}
        if sources:
            # The first in the order in which the dependencies are written.
            first = next(each for each in (*node.starts, *node.upstream) if each in sources)
            return Verdict(status, f"{what}: {run.scope.nodes[first].id}", kind)
    return _skip(run, unexcused(run, node, problems))


def _skip(run: ScopeRun, edges: Sequence[Problem]) -> Verdict | None:
    if not edges:
        return None
    killers = tuple(dict.fromkeys(killer for each in edges for killer in each.killers))
    sources = [run.scope.nodes[each.source].id for each in edges]
    told = [_told(run, killer) for killer in killers[:NAMED]]
    more = f" and {len(killers) - NAMED} more" if len(killers) > NAMED else ""
    reason = ", ".join(told) + more
    return Verdict("skipped", reason or f"dependency skipped: {sources[0]}", "dead", killers)


def unexcused(run: ScopeRun, node: Node, problems: Sequence[Problem]) -> list[Problem]:
    """The dead edges into `node` that no other path makes up for."""
    bad = {each.source for each in problems}
    live = [each for each in (*node.starts, *node.upstream) if each not in bad]
    taken = any(node.index in run.scope.nodes[each].targets for each in live)
    near = {node.index, *live}
    open_edges: list[tuple[Problem, list[AbstractSet[int]]]] = []
    for edge in problems:
        if not edge.killers:
            if live:
                continue
        elif taken and node.index in run.scope.nodes[edge.source].targets:
            continue  # A target that several conditions share runs when any of them chooses it.
        targets = [chosen_by(run, killer) for killer in edge.killers]
        if _are_apart(near, targets):
            open_edges.append((edge, targets))
    if open_edges and live:
        wanted = {*chain.from_iterable(chain.from_iterable(sets for _, sets in open_edges))}
        before = _ancestors(run, node, live, wanted)
        return [edge for edge, targets in open_edges if _are_apart(before, targets)]
    return [edge for edge, _ in open_edges]


def _are_apart(nodes: AbstractSet[int], targets: Sequence[AbstractSet[int]]) -> bool:
    """Whether none of the nodes is among those that were chosen instead."""
    return all(nodes.isdisjoint(each) for each in targets)


def _ancestors(
    run: ScopeRun, node: Node, live: Sequence[int], targets: AbstractSet[int]
) -> AbstractSet[int]:
    """Those that precede an upstream with a live edge, as far back as the targets stand.

    One search for all edges: a chain of conditions that share their last target is as long as it
    likes.
    """
    if not targets:
        return frozenset()
    graph = run.scope.graph
    ends = [each if each in node.starts else run.scope.vertex_after(each) for each in live]
    return graph.ancestors(ends, floor=min(graph.rank[each] for each in targets))


def chosen_by(run: ScopeRun, killer: int) -> AbstractSet[int]:
    """The nodes that a killer chose: a condition's target, the members that a parallel started.

    A task with `run_if` chose nothing.
    """
    if killer in run.selected:
        return run.selected[killer]
    chosen = run.chosen.get(killer)
    return frozenset() if chosen is None else {chosen}


def _told(run: ScopeRun, killer: int) -> str:
    """A killer's decision in words: `check chose good`."""
    nodes = run.scope.nodes
    name = nodes[killer].id
    if killer in run.selected:
        picked = run.ran[killer]
        more = f" and {len(picked) - NAMED} more" if len(picked) > NAMED else ""
        return f"{name} selected {', '.join(picked[:NAMED]) or 'nothing'}{more}"
    chosen = run.chosen.get(killer)
    if chosen is not None:
        return f"{name} chose {nodes[chosen].id}"
    if killer in run.chosen:
        return f"{name} chose nothing"
    return f"{name} was skipped"


# --- Airflow's rules ---------------------------------------------------------------------------

Counts = Counter[str]
Test = Callable[[Counts], bool]


def _any_failed(count: Counts) -> bool:
    return bool(count["failed"] or count["upstream_failed"])


def _only_skipped(count: Counts) -> bool:
    return count["skipped"] == count.total()


AIRFLOW_RULES: dict[str, tuple[tuple[Test, str], ...]] = {
    "all_success": (
        (_any_failed, "upstream_failed"),
        (lambda count: bool(count["skipped"]), "skipped"),
    ),
    "none_failed": ((_any_failed, "upstream_failed"),),
    "none_failed_min_one_success": (
        (_any_failed, "upstream_failed"),
        (_only_skipped, "skipped"),
    ),
    "one_success": (
        (_only_skipped, "skipped"),
        (lambda count: not count["success"], "upstream_failed"),
    ),
    "all_done": (),
    "all_failed": ((lambda count: bool(count["success"] or count["skipped"]), "skipped"),),
    "one_failed": ((lambda count: not _any_failed(count), "skipped"),),
    "one_done": ((lambda count: not (count["failed"] or count["success"]), "skipped"),),
    "none_skipped": ((lambda count: bool(count["skipped"]), "skipped"),),
    "all_skipped": ((lambda count: not _only_skipped(count), "skipped"),),
    "all_done_min_one_success": (
        (lambda count: bool(count["skipped"]), "skipped"),
        (lambda count: not count["success"], "upstream_failed"),
    ),
}


def _judge_counts(run: ScopeRun, node: Node, problems: Sequence[Problem]) -> Verdict | None:
    turned_away = [
        each for each in problems if each.kind == "dead" and _is_target(run, each.source, node)
    ]
    chosen = any(run.chosen.get(each) == node.index for each in node.upstream)
    # Whatever the rule: a target runs when a condition chose it, and not because one did not.
    if turned_away and not chosen:
        return _skip(run, turned_away)
    by_source = {each.source: each.kind for each in problems}
    count = Counter(_counted(run, each, by_source.get(each)) for each in node.upstream)
    for test, status in AIRFLOW_RULES[node.rule]:
        if test(count):
            states = ", ".join(f"{number} {state}" for state, number in sorted(count.items()))
            kind = "dead" if status == "skipped" else "failed"
            return Verdict(status, f"{node.rule}: {states}", kind)
    return None


def _is_target(run: ScopeRun, source: int, node: Node) -> bool:
    return node.index in run.scope.nodes[source].targets


def _counted(run: ScopeRun, source: int, kind: str | None) -> str:
    """An upstream's state as Airflow would have it: by its edge where the edge tells more."""
    end = run.ends[source]
    if kind is None:
        # A live edge: success, a forgiven failure, or a task skipped by its own `skip_if`.
        return "skipped" if end is not None and end.status == "skipped" else "success"
    if kind == "dead":
        return "skipped"
    status = end.status if end is not None else "failed"
    return "upstream_failed" if status == "upstream_failed" else "failed"


# --- the edges of a task -----------------------------------------------------------------------


def outgoing(
    run: ScopeRun, node: Node, kind: str, killers: tuple[int, ...]
) -> list[tuple[int, Problem | None]]:
    """Each downstream node with the problem its edge now has, None for a live or taken edge.

    `kind` and `killers` hold for plain dependents; a condition's targets follow its choice.
    """
    plain = None if kind == "live" else Problem(node.index, kind, killers)
    if node.kind != "condition":
        return [(each, plain) for each in node.downstream]
    away = _turned_away(run, node, kind, plain)
    chosen = run.chosen.get(node.index)
    edges: list[tuple[int, Problem | None]] = []
    for each in node.downstream:
        if each not in node.targets:
            edges.append((each, plain))
        else:
            edges.append((each, None if each == chosen else away))
    return edges


def _turned_away(run: ScopeRun, node: Node, kind: str, plain: Problem | None) -> Problem:
    """The edge from a condition to a target that it did not choose."""
    end = run.ends[node.index]
    if node.index not in run.chosen and end is not None and end.status in BAD:
        # It could not be evaluated: its targets fail even under `continue`.
        return Problem(node.index, "failed")
    if plain is not None and (kind != "dead" or plain.killers):
        return plain
    return Problem(node.index, "dead", (node.index,))


def turned_away_members(
    run: ScopeRun, node: Node, kind: str, killers: tuple[int, ...]
) -> list[tuple[int, Problem]]:
    """The edges from a parallel that never started to its members.

    A `finally` task and a fallback among them do not wait for the start.
    """
    plain = None if kind == "live" else Problem(node.index, kind, killers)
    away = _turned_away(run, node, kind, plain)
    return [(each, away) for each in node.members if run.scope.nodes[each].starts]
