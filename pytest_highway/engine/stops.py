"""Stops: ending tasks before their time, all of a scope or one with all that it started.

A stop ends whatever has not ended but for `finally` tasks, which then run. What has iterations
open ends when these have, since their `finally` tasks still belong to it. Only a forced stop, for
a run that could not end otherwise, ends these as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_highway.clock import shown_duration
from pytest_highway.engine.call import Call
from pytest_highway.engine.calls import Calls
from pytest_highway.engine.effects import Attempt, Outcome
from pytest_highway.engine.endings import Endings
from pytest_highway.engine.frame import ExecutionFrame, ScopeRun
from pytest_highway.events import Fault, TaskEnded
from pytest_highway.planning.plan import Node

__all__ = ["Stops"]


class Stops:
    """What ends tasks of one run before their time."""

    def __init__(self, endings: Endings, calls: Calls) -> None:
        self._endings = endings
        self._calls = calls

    def stop_scope(self, run: ScopeRun, reason: str, *, force: bool = False) -> None:
        """Cancel all of a scope."""
        self._withdraw(_running(run, force))
        for node in run.scope.nodes:
            if force or not node.is_cleaning:
                self._stop_node(run, node, Outcome("cancelled", reason=reason), force=force)

    def stop_iterations(self, frame: ExecutionFrame, reason: str) -> None:
        """Cancel all that a loop has entered; no call of it begins where another one ends."""
        runs = list(frame.entered.open.values())
        self._withdraw(each for run in runs for each in _running(run, force=False))
        for run in runs:
            self.stop_scope(run, reason)

    def expire(self, frame: ExecutionFrame, seconds: float) -> None:
        """End an operator as timed out, with all that it started, unless it has ended."""
        node, run = frame.node, frame.run
        if run.frames.get(node.index) is not frame or frame.stopped is not None:
            return
        inside = list(_stopped_with(run, node))
        frames = [run.frames[each.index] for each in inside if each.index in run.frames]
        self._withdraw(each for start in (frame, *frames) for each in _with_children(start, False))
        cancelled = Outcome("cancelled", reason=f"{frame.path} timed out")
        for each in inside:
            self._stop_node(run, each, cancelled)
        text = f"not done within {shown_duration(seconds)}"
        outcome = Outcome("timed_out", fault=Fault("TimeoutError", text, frame.path))
        self._stop_node(run, node, outcome, cancelled.reason)

    def _withdraw(self, frames: Iterable[ExecutionFrame]) -> None:
        """First of all nothing of it waits any more: a slot that is given back goes elsewhere."""
        for frame in frames:
            if type(frame.pending) is Attempt:
                self._calls.withdraw(frame)
                frame.pending = None

    def _stop_node(
        self, run: ScopeRun, node: Node, outcome: Outcome, inside: str = "", *, force: bool = False
    ) -> None:
        """End one task; `inside` is the reason for what it started, when it is another."""
        if run.ends[node.index] is not None:
            return
        frame = run.frames.get(node.index)
        if frame is None:
            now = self._endings.now()
            end = TaskEnded(now, run.path(node), outcome.status, outcome.reason)
            self._endings.end(run, node, end, "cancelled")
            return
        # Whatever it waits for no longer concerns it.
        pending, frame.pending = frame.pending, None
        frame.steps.close()
        if frame.stopped is None:
            frame.stopped = outcome._replace(attempts=frame.attempts)
        if frame.entered.open:
            for child in list(frame.entered.open.values()):
                self.stop_scope(child, inside or outcome.reason, force=force)
        else:
            self._endings.finish(frame, frame.stopped)
        if type(pending) is Call:
            # Only now, so that in the log a call is over before the next one begins.
            self._calls.cancel(pending)


def _running(run: ScopeRun, force: bool) -> Iterator[ExecutionFrame]:
    """The open tasks of a scope that a stop concerns, those of its iterations included."""
    for index, frame in run.frames.items():
        if force or not run.scope.nodes[index].is_cleaning:
            yield from _with_children(frame, force)


def _with_children(frame: ExecutionFrame, force: bool) -> Iterator[ExecutionFrame]:
    yield frame
    for child in frame.entered.open.values():
        yield from _running(child, force)


def _stopped_with(run: ScopeRun, node: Node) -> Iterator[Node]:
    """The members of a parallel, and of parallels among them, but for `finally` tasks."""
    for each in node.members:
        member = run.scope.nodes[each]
        if not member.is_finally:
            yield member
            yield from _stopped_with(run, member)
