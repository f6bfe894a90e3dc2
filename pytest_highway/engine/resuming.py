"""Taking up a run that was cut off: what its log tells of ended tasks stands in for their calls.

The plan is run from its start. Conditions, loops and joins are decided anew, from the same values
as before; a task or a wait of which the log tells the end does again to memory, usage, events and
cache what the log says, and ends as it ended, without a call. So the new log is complete, and
all views of it are those of a run that was never cut off.

The log tells of each repeated task that it was, and of each composite whether all inside it was:
what took no time is to count nowhere as if it had.

What a task found may have changed when something before it runs anew, as after a failure that was
mended: it is *fresh* then, and runs as well. A composite is *touched* when something inside it is
fresh; who depends on it is fresh, its other members are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from pytest_highway.engine.frame import ScopeRun
from pytest_highway.events import (
    Event,
    EventEmitted,
    TaskEnded,
    TaskRepeated,
    TaskStarted,
    WaitEnded,
)
from pytest_highway.planning.plan import Node

__all__ = ["Recorded", "Resumption", "recorded_tasks"]

# Operators that call something or wait; what all others do follows from these.
LEAVES = frozenset({"task", "wait"})


class Recorded(NamedTuple):
    """What a log tells of one task: its events between its start and its end, and its end.

    `kept` are the places of the events that, if sent, some wait may still take.
    """

    events: tuple[Event, ...]
    kept: frozenset[int]
    end: TaskEnded


def recorded_tasks(
    log: Iterable[Event], is_kept: Callable[[TaskEnded], bool]
) -> dict[str, Recorded]:
    """The tasks of a log that started and ended, by path, as far as their end `is_kept`."""
    running: dict[str, list[Event]] = {}
    ended: list[tuple[TaskEnded, list[Event]]] = []
    sent: list[Event] = []
    for event in log:
        if type(event) is TaskStarted:
            running[event.path] = []
        elif type(event) is TaskEnded:
            events = running.pop(event.path, None)
            if events is not None and is_kept(event):
                ended.append((event, events))
        elif event.path in running and type(event) is not TaskRepeated:
            running[event.path].append(event)
        if type(event) is EventEmitted:
            sent.append(event)
    # A wait that has not ended, or is not kept, will want its event again.
    taken = {each.event for _, events in ended for each in events if type(each) is WaitEnded}
    wanted = {
        each.event for events in running.values() for each in events if type(each) is WaitEnded
    }
    gone = {id(event) for number, event in enumerate(sent) if number in taken - wanted}
    return {
        end.path: Recorded(
            tuple(events),
            frozenset(place for place, event in enumerate(events) if id(event) not in gone),
            end,
        )
        for end, events in ended
    }


class Resumption:
    """What one resumed run knows of the run that it takes up."""

    def __init__(self, recorded: dict[str, Recorded]) -> None:
        self._recorded = recorded
        self._fresh: set[tuple[ScopeRun, int]] = set()
        self._touched: set[tuple[ScopeRun, int]] = set()
        self._repeated: set[tuple[ScopeRun, int]] = set()

    def find(self, run: ScopeRun, node: Node, *, starts: bool) -> Recorded | None:
        """What stands in for a task that is about to begin, or to end without having started.

        None for one that is to run.
        """
        is_fresh = self._follows_fresh(run, node)
        if starts and node.kind in LEAVES:
            recorded = self._recorded.get(run.path(node))
            if recorded is not None and not is_fresh:
                self._repeated.update([(run, node.index), *_around(run, node)])
                return recorded
            is_fresh = True
        if is_fresh:
            self._fresh.add((run, node.index))
            # One that has ended never waited for it, and neither does what is around that: it is a
            # `finally` member, which outlives a parallel that never started.
            open_ = takewhile(lambda place: place[0].ends[place[1]] is None, _around(run, node))
            self._touched.update(open_)
        return None

    def repeats(self, run: ScopeRun, node: Node) -> bool | None:
        """Whether a task that ends was repeated: a composite wholly, or False for a part of it.

        None for one of which nothing was. One whose own end is not recorded was never whole.
        """
        place = run, node.index
        if place not in self._repeated:
            return None
        return place not in self._touched and run.path(node) in self._recorded

    def _follows_fresh(self, run: ScopeRun, node: Node) -> bool:
        around: Sequence[int] = () if node.fallback_for is None else (node.fallback_for,)
        before = [(run, each) for each in (*node.upstream, *node.after, *around)]
        if not self._fresh.isdisjoint(before) or not self._touched.isdisjoint(before):
            return True
        starts = [(run, each) for each in node.starts]
        parent = run.parent
        if parent is not None:
            starts.append((parent.run, parent.node.index))
        return not self._fresh.isdisjoint(starts)


def _around(run: ScopeRun, node: Node) -> Iterator[tuple[ScopeRun, int]]:
    """The composites that a node lies in: the parallels it is a member of, the loop, and so on."""
    while True:
        while node.member_of is not None:
            node = run.scope.nodes[node.member_of[0]]
            yield run, node.index
        if run.parent is None:
            return
        node, run = run.parent.node, run.parent.run
        yield run, node.index
