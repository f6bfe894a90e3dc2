"""How far a run is at this moment: what runs, what waits, and what for.

    events --Progress.update--> Progress --rows, summary--> lines for people

    unit: 12s                                   a call is in flight
    fetch: retries in 3s, attempt 2             its delay is not over
    each: item 3 of 10, 40s                     a loop, and what is inside it beside it
    approve: waits event 'approved', 2m 5s      a wait
    push: waits for lock 'repo', which merge holds
    ping: waits for a place at 'tools.fetch.get' (2 in use)
    pong: waits for a slot (4 in use)
    deploy: waits for build, unit               a task whose dependencies have not ended

A function of the log and the plan, like all that is shown. The log does not say for what a call
that was not made yet waits; that follows from the calls in flight and the locks of the plan. Where
two things are taken, both are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from pytest_highway.events import (
    AttemptEnded,
    Event,
    ItemsListed,
    RetryScheduled,
    ScopeEntered,
    TaskEnded,
    TaskStarted,
    ToolCalled,
    WaitEnded,
    WaitOpened,
)
from pytest_highway.planning.plan import Node, Plan

__all__ = ["Progress", "Row", "elapsed"]

NAMED = 3  # dependencies of one task that are told by name
FAILURES = frozenset({"failed", "timed_out"})


class Row(NamedTuple):
    """One task that is not over; `runs` tells that it does something, or something inside it."""

    path: str
    words: str
    runs: bool


@dataclass(slots=True)
class Activity:
    """A task that has started and not ended.

    `tool` is the one that is being called, or empty; `retry_at` the moment of its next attempt;
    `waits` what a wait waits for; `items` those of a loop, of which `begun` were begun; `moved`
    tells that it has done anything, so that it has its lock.
    """

    started: float
    tool: str = ""
    attempt: int = 1
    retry_at: float | None = None
    waits: str = ""
    items: int | None = None
    begun: int = 0
    moved: bool = False


class Progress:
    """What a log tells of a run that goes on; moments are seconds since its start."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._policies = plan.tool_policies()
        self._active: dict[str, Activity] = {}
        self._over: set[str] = set()  # of the plan's own tasks
        self._failed = 0
        self._all_over_before = 0  # in the plan's order

    # --- the log ---------------------------------------------------------------------------------

    def update(self, event: Event) -> None:
        """Take one more event of the log."""
        if type(event) is TaskStarted:
            self._active[event.path] = Activity(event.at)
        elif type(event) is TaskEnded:
            self._active.pop(event.path, None)
            if event.path in self._plan.scope.by_id:
                self._over.add(event.path)
                self._failed += event.status in FAILURES
        elif type(event) is ScopeEntered:
            owner = self._active.get(event.owner)
            if owner is not None:
                owner.begun += 1
                owner.moved = True
        elif (activity := self._active.get(event.path)) is not None:
            _move(activity, event)

    # --- the lines -------------------------------------------------------------------------------

    def rows(self, now: float) -> Iterator[Row]:
        """What has started, first what runs; then what waits for its dependencies."""
        started = [self._row(path, activity, now) for path, activity in self._active.items()]
        yield from (row for row in started if row.runs)
        yield from (row for row in started if not row.runs)
        if not started and not self._over and self._plan.workflow.lock is not None:
            yield Row("run", f"waits for lock {self._plan.workflow.lock.name!r}", runs=False)
        yield from self._pending()

    def shown_rows(self, now: float, room: int) -> tuple[list[Row], int]:
        """As many rows as there is room for, and how many more tasks are not over."""
        rows = list(islice(self.rows(now), room))
        own = self._plan.scope.by_id
        left = len(own) - len(self._over) + sum(path not in own for path in self._active)
        return rows, max(0, left - len(rows))

    def summary(self, now: float) -> str:
        """`3 of 8 done, 1 failed, 2 running, 14s`."""
        parts = [f"{len(self._over)} of {len(self._plan.scope.nodes)} done"]
        if self._failed:
            parts.append(f"{self._failed} failed")
        running = sum(bool(each.tool) for each in self._active.values())
        if running:
            parts.append(f"{running} running")
        return ", ".join([*parts, elapsed(now)])

    def _row(self, path: str, activity: Activity, now: float) -> Row:
        took = elapsed(now - activity.started)
        if activity.tool:
            again = f", attempt {activity.attempt}" if activity.attempt > 1 else ""
            return Row(path, f"{took}{again}", runs=True)
        if activity.retry_at is not None:
            left = elapsed(max(0.0, activity.retry_at - now))
            return Row(path, f"retries in {left}, attempt {activity.attempt}", runs=False)
        if activity.waits:
            return Row(path, f"waits {activity.waits}, {took}", runs=False)
        if activity.items is not None:
            return Row(path, f"item {activity.begun} of {activity.items}, {took}", runs=True)
        if activity.begun > 1:
            return Row(path, f"iteration {activity.begun}, {took}", runs=True)
        reasons = [] if activity.moved else list(self._reasons(path))
        if reasons:
            return Row(path, f"waits for {' or '.join(reasons)}", runs=False)
        return Row(path, took, runs=activity.moved)

    def _reasons(self, path: str) -> Iterator[str]:
        """What a task that has done nothing yet may wait for."""
        node = self._plan.find(path)
        if node is None:
            return
        tools = [each.tool for each in self._active.values() if each.tool]
        taken = list(self._taken(node, tools))
        if node.lock is not None:
            holder = self._holder(node.lock.name)
            if holder or not taken:
                held = f"{holder} holds" if holder else "another process may hold"
                yield f"lock {node.lock.name!r}, which {held}"
                return
            yield f"lock {node.lock.name!r}"
        yield from taken

    def _taken(self, node: Node, tools: list[str]) -> Iterator[str]:
        """The places for calls that are all taken."""
        if node.tool is None:
            return
        name, slots = node.tool.name, self._plan.workflow.max_concurrency
        places = self._policies[name].max_concurrent if name in self._policies else None
        if places is not None and tools.count(name) >= places:
            yield f"a place at {name!r} ({places} in use)"
        if len(tools) >= slots:
            yield f"a slot ({slots} in use)"

    def _holder(self, lock: str) -> str:
        """The task that has a lock, or an empty text."""
        for path, activity in self._active.items():
            if activity.moved:
                node = self._plan.find(path)
                if node is not None and node.lock is not None and node.lock.name == lock:
                    return path
        return ""

    def _pending(self) -> Iterator[Row]:
        """The plan's own tasks that wait for others, in its order."""
        nodes, order = self._plan.scope.nodes, self._plan.scope.order
        while self._is_over_at(self._all_over_before):
            self._all_over_before += 1
        for index in islice(order, self._all_over_before, None):
            node = nodes[index]
            if node.id in self._over or node.id in self._active or node.fallback_for is not None:
                continue
            before = [nodes[each].id for each in (*node.upstream, *node.after)]
            open_ = [each for each in before if each not in self._over]
            open_ += [nodes[each].id for each in node.starts if nodes[each].id not in self._active]
            if open_:
                yield Row(node.id, f"waits for {_listed(open_)}", runs=False)

    def _is_over_at(self, place: int) -> bool:
        scope = self._plan.scope
        return place < len(scope.order) and scope.nodes[scope.order[place]].id in self._over


def _move(activity: Activity, event: Event) -> None:
    """What an event of a task that has started says of it."""
    activity.moved = True
    if type(event) is ToolCalled:
        activity.tool, activity.attempt, activity.retry_at = event.tool, event.attempt, None
    elif type(event) is AttemptEnded:
        activity.tool = ""
    elif type(event) is RetryScheduled:
        activity.attempt, activity.retry_at = event.attempt, event.at + event.delay
    elif type(event) is WaitOpened:
        activity.waits = event.what
    elif type(event) is WaitEnded:
        activity.waits = ""
    elif type(event) is ItemsListed:
        activity.items = event.items


def _listed(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:NAMED])} and {more} more"


def elapsed(seconds: float) -> str:
    """Whole units, the two largest: `7s`, `2m 5s`, `1h 3m`, `2d 4h`."""
    whole = max(0, int(seconds))
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, whole = divmod(whole, size)
        if number or parts:
            parts.append(f"{number}{unit}")
    return " ".join(parts[:2]) or "0s"
