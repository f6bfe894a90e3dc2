"""Judging what ran: the faults of a scope, what an evaluation fault says, a workflow's output.

A scope is judged by its own tasks; what failed inside a composite counts through it. The error of
a run or an iteration is its first critical failure in plan order, the innermost task's by its
path; `finally` tasks come last, since a failure while cleaning up never hides an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_highway.engine.frame import ScopeRun
from pytest_highway.engine.rules import BAD
from pytest_highway.engine.state import MemoryConflict
from pytest_highway.errors import HighwayError
from pytest_highway.events import Fault
from pytest_highway.expressions.expression import ExpressionError, MissingValue
from pytest_highway.planning.plan import Node, Plan

__all__ = [
    "EVALUATION_FAULTS",
    "fault_in",
    "finally_fault",
    "output_of",
    "scope_fault",
    "told",
]

# What rendering an argument or evaluating a condition may raise.
EVALUATION_FAULTS = (ExpressionError, MemoryConflict)


def scope_fault(run: ScopeRun) -> Fault | None:
    """The first critical failure of a scope; members of a parallel count through it."""
    if run.is_sound:
        return None
    nodes = run.scope.nodes
    return _first_fault(run, (each for each in run.scope.order if not _is_inside(nodes, each)))


def fault_in(run: ScopeRun, members: Iterable[int]) -> Fault | None:
    """The first critical failure among these nodes of a scope."""
    if run.is_sound:
        return None
    return _first_fault(run, sorted(members, key=run.scope.graph.rank.__getitem__))


def _is_inside(nodes: Sequence[Node], index: int) -> bool:
    """Whether a node counts through a parallel: a member, or what stands in for one."""
    node = nodes[index]
    while node.member_of is None and node.fallback_for is not None:
        node = nodes[node.fallback_for]
    return node.member_of is not None


def _first_fault(run: ScopeRun, ordered: Iterable[int]) -> Fault | None:
    late: Fault | None = None
    for index in ordered:
        node = run.scope.nodes[index]
        fault = _critical_fault(run, node)
        if fault is not None and not node.is_finally:
            return fault
        late = late or fault
    return late


def _critical_fault(run: ScopeRun, node: Node) -> Fault | None:
    if node.index in run.replaced or not _is_critical(run, node):
        return None
    return _fault_of(run, node)


def _fault_of(run: ScopeRun, node: Node) -> Fault | None:
    end = run.ends[node.index]
    if end is None:
        return None
    if end.status in BAD:
        return end.fault or Fault("Failed", end.reason, end.path)
    if end.status == "upstream_failed":
        return Fault("UpstreamFailed", end.reason, end.path)
    return None


def _is_critical(run: ScopeRun, node: Node) -> bool:
    """A fallback's own failure counts only where its task's would."""
    while node.critical and node.fallback_for is not None:
        node = run.scope.nodes[node.fallback_for]
    return node.critical


def finally_fault(run: ScopeRun) -> Fault | None:
    """The first failure of a `finally` task of a scope, which fails a cancelled run, too.

    That of a member as well: its parallel was cancelled, and had ended before.
    """
    for index in run.scope.order:
        node, end = run.scope.nodes[index], run.ends[index]
        is_bad = end is not None and end.status in BAD and index not in run.replaced
        if node.is_finally and is_bad:
            return _fault_of(run, node)
    return None


def output_of(plan: Plan, run: ScopeRun) -> object:
    """The value of a workflow that succeeded: its `output`, else its last successful task's."""
    if plan.output is not None:
        return plan.output.render(run.roots)
    nodes = run.scope.nodes
    for index in reversed(run.scope.order):
        node, end = nodes[index], run.ends[index]
        is_beside = node.kind == "condition" or node.is_finally or _is_inside(nodes, index)
        if not is_beside and end is not None and end.status == "success":
            return end.value
    return None


def told(run: ScopeRun, error: HighwayError) -> str:
    """The message of an evaluation fault; a missing result also says what became of its writer.

    It names nothing that stands beside what is missing: which results exist at a moment is decided
    by the schedule, and the same outcome has the same message under every schedule.
    """
    if not isinstance(error, MissingValue) or not is_growing(error.reference):
        return error.message if isinstance(error, ExpressionError) else str(error)
    root, name = error.reference
    message = f"{root} has no {name!r}"
    for node in run.scope.nodes:
        end = run.ends[node.index]
        if root == "results" and node.result_key == name and end is not None:
            why = f" ({end.reason})" if end.reason else ""
            message += f"; {node.id!r}, which writes it, ended {end.status}{why}"
    return message


def is_growing(reference: Sequence[str | int]) -> bool:
    """Whether a path leads straight into a root that fills while the run goes on."""
    return len(reference) == 2 and reference[0] in ("results", "memory", "tasks", "prev")
