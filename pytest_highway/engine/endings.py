"""How tasks end: what follows for their edges and for what stands around them.

    end of a task -> its edges -> dependents whose upstreams have all ended are ready
                  -> the parallel it is a member of, the loop whose iteration it was the last of

Nothing recurses over the graph: what becomes ready is put on the engine's heap.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappush
from typing import TypeVar

from pytest_highway.engine.agenda import Agenda
from pytest_highway.engine.effects import IterationEnd, Join, Outcome
from pytest_highway.engine.frame import ExecutionFrame, Problem, RunServices, ScopeRun
from pytest_highway.engine.judging import fault_in, scope_fault
from pytest_highway.engine.rules import BAD, DEAD_ENDS, SOUND, outgoing, turned_away_members
from pytest_highway.engine.sections import Sections
from pytest_highway.events import Fault, StoodIn, TaskEnded, TaskRepeated, new_tuple
from pytest_highway.planning.plan import Node
from pytest_highway.reading.models import Foreach

__all__ = ["Endings", "is_open"]

Edge = TypeVar("Edge", bound="tuple[int, Problem | None]")


class Endings:
    """All ends of one run.

    `abort` is told of a task that wants the whole run to stop.
    """

    def __init__(
        self,
        services: RunServices,
        sections: Sections,
        agenda: Agenda,
        abort: Callable[[TaskEnded], None],
    ) -> None:
        self._services = services
        self._sections = sections
        self._agenda = agenda
        self._abort = abort

    def now(self) -> float:
        """The moment, in seconds since the start of the run."""
        return self._services.now()

    def enter(self, run: ScopeRun) -> None:
        """Make the roots of a scope ready."""
        for index, count in enumerate(run.scope.waits):
            if not count:
                heappush(self._agenda.ready, ((*run.key, index), run))

    def arrive(self, run: ScopeRun, index: int) -> None:
        """One thing that a node waits for has come."""
        left = run.waiting[index] - 1
        run.waiting[index] = left
        if not left:
            heappush(self._agenda.ready, ((*run.key, index), run))

    def finish(self, frame: ExecutionFrame, outcome: Outcome) -> None:
        """A running operator has ended."""
        node, run = frame.node, frame.run
        if frame.locks:
            self._sections.leave(frame)
        del run.frames[node.index]
        if outcome.status == "cancelled":
            outcome = _told_by_failures(frame, outcome)
        status, value, fault, reason, attempts, note = outcome
        success = status == "success"
        key = node.result_key if success else ""
        if key:
            run.own_results[key] = value
        now = self._services.now()
        fields = (
            now,
            frame.path,
            status,
            reason,
            attempts,
            fault,
            value,
            key,
            note,
        )
        resumption = self._services.resumption
        wholly = None if resumption is None else resumption.repeats(run, node)
        if wholly is not None:
            self._services.log.append(TaskRepeated(now, frame.path, wholly))
        end = new_tuple(TaskEnded, fields)
        self.end(run, node, end, "live" if success else DEAD_ENDS[status])

    def end(
        self,
        run: ScopeRun,
        node: Node,
        end: TaskEnded,
        kind: str,
        killers: tuple[int, ...] = (),
    ) -> None:
        """A task has ended, with edges of this kind (see `rules`)."""
        self._services.log.append(end)
        run.ends[node.index] = end
        if end.status not in SOUND:
            run.is_sound = False
        failed = end.status in BAD
        if failed and node.policy == "continue":
            kind = "live"
        if node.fallback is None and node.fallback_for is None:
            self._settle(run, node, kind, killers)
        elif node.fallback is not None and failed and run.ends[node.fallback] is None:
            # Whoever waits for this task waits for what stands in for it; see `_stand_in`.
            self.arrive(run, node.fallback)
        else:
            self._drop_fallback(run, node, end)
            self._settle(run, node, kind, killers)
            self._stand_in(run, node, end)
        # Only now: a fallback that was not needed has ended within this, and is not the last one.
        run.left -= 1
        if not run.left and run.parent is not None:
            self._scope_ended(run, run.parent)
        if failed and node.policy == "abort":
            # Last, because it ends tasks of this scope and perhaps the scope.
            self._abort(end)

    # --- fallbacks -----------------------------------------------------------------------------

    def _drop_fallback(self, run: ScopeRun, node: Node, end: TaskEnded) -> None:
        """A fallback that is not needed ends; one of a cancelled task is cancelled by itself."""
        if end.status == "cancelled":
            return
        chain = []
        while node.fallback is not None and run.ends[node.fallback] is None:
            node = run.scope.nodes[node.fallback]
            chain.append(node)
        for stand_in in reversed(chain):
            unneeded = TaskEnded(end.at, run.path(stand_in), "skipped", "not needed")
            self.end(run, stand_in, unneeded, "live")

    def _stand_in(self, run: ScopeRun, node: Node, end: TaskEnded) -> None:
        """If this was a fallback that ran, the edges of the task it serves are known now.

        A fallback may have a fallback of its own, so there may be a chain of them.
        """
        value, success = end.value, end.status == "success"
        served = node.fallback_for
        while served is not None:
            task = run.scope.nodes[served]
            replaced = run.ends[served]
            # The chain ends at a task that has succeeded, or has not come to its end.
            if replaced is None or replaced.status not in BAD:
                return
            if success:
                key = task.result_key
                if key:
                    run.own_results[key] = value
                run.replaced.add(served)
                event = StoodIn(end.at, end.path, replaced.path, key, value)
                self._services.log.append(event)
            self._settle(run, task, "live" if success else "failed", ())
            served = task.fallback_for

    # --- edges ---------------------------------------------------------------------------------

    def _settle(self, run: ScopeRun, node: Node, kind: str, killers: tuple[int, ...]) -> None:
        """Tell the dependents what became of the edges to them."""
        if node.kind == "parallel" and node.index not in run.selected:
            self.spread(run, turned_away_members(run, node, kind, killers))
        # Nearly all ends: no list of edges is made for them.
        if kind == "live" and node.kind != "condition":
            for each in node.downstream:
                self.arrive(run, each)
        else:
            self.spread(run, outgoing(run, node, kind, killers))
        for each in node.followers:
            self.arrive(run, each)
        if node.member_of is not None and node.member_of[0] in run.open:
            self._tell_parallel(run, node.member_of[0])

    def _tell_parallel(self, run: ScopeRun, parallel: int) -> None:
        run.open[parallel] -= 1
        frame = run.frames.get(parallel)
        if not run.open[parallel] and frame is not None:
            self._agenda.answer(frame, frame.pending, None)

    def spread(self, run: ScopeRun, edges: Sequence[Edge]) -> None:
        """Tell nodes what became of one edge to each of them."""
        for each, problem in edges:
            if problem is not None:
                run.problems.setdefault(each, []).append(problem)
            self.arrive(run, each)

    def _scope_ended(self, run: ScopeRun, frame: ExecutionFrame) -> None:
        fault = scope_fault(run)
        cancelled = not run.is_sound and any(
            end is not None and end.status == "cancelled" for end in run.ends
        )
        status = "failed" if fault else ("cancelled" if cancelled else "success")
        entered = frame.entered
        del entered.open[run.number]
        if fault is not None:
            entered.failed[run.number] = fault
        entered.done.append(IterationEnd(run.number, status, fault, run))
        if frame.stopped is not None:
            if not entered.open:
                self.finish(frame, frame.stopped)
        elif type(frame.pending) is Join and len(entered.done) == 1:
            # Two may end at one instant: the first answers, both are there to be joined.
            self._agenda.answer(frame, frame.pending, None)


def is_open(run: ScopeRun, index: int) -> bool:
    """Whether a task has not ended, or what may stand in for it has not."""
    node: Node | None = run.scope.nodes[index]
    while node is not None:
        end = run.ends[node.index]
        if end is None or end.status not in BAD:
            return end is None
        node = None if node.fallback is None else run.scope.nodes[node.fallback]
    return False


def _told_by_failures(frame: ExecutionFrame, outcome: Outcome) -> Outcome:
    """A composite that was stopped has failed all the same when something in it had failed."""
    fault = _fault_inside(frame)
    return outcome if fault is None else Outcome("failed", fault=fault, note=outcome.note)


def _fault_inside(frame: ExecutionFrame) -> Fault | None:
    node, model = frame.node, frame.node.model
    if node.kind == "parallel":
        return fault_in(frame.run, node.members)
    # There a failed item is a value, and no failure of the loop.
    if isinstance(model, Foreach) and model.on_item_failure == "collect":
        return None
    return frame.entered.first_failure()
