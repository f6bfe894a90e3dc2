"""Which way a run took through the drawing of its workflow.

    logs --course_of--> Course

Iterations of one task are one vertex, which shows the state that says most.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pytest_highway.cli.drawing import Address, Edge, Vertex
from pytest_highway.events import (
    ConditionEvaluated,
    Event,
    ScopeEntered,
    TaskEnded,
    TaskStarted,
)

__all__ = ["Course", "course_of"]

# The state that says most is first; up to `success` a task ran.
STATES = (
    *("failed", "timed_out", "cancelled", "running", "success"),
    *("upstream_failed", "skipped"),
)
RAN = ("failed", "timed_out", "running", "success")


@dataclass(slots=True)
class Course:
    """The states of tasks, and which sides conditions chose, by address."""

    states: dict[Address, str] = field(default_factory=dict)
    chosen: set[tuple[Address, str]] = field(default_factory=set)

    def state(self, vertex: Vertex) -> str:
        """The state of a vertex, or an empty text when the run never came to it."""
        return self.states.get(vertex.address, "")

    def took(self, edge: Edge) -> bool:
        """Whether the run went along an edge."""
        if edge.side and (edge.source.address, edge.side) not in self.chosen:
            return False
        return self.state(edge.source) in RAN and self.state(edge.target) in RAN


def course_of(logs: Iterable[Sequence[Event]]) -> Course:
    """The course of a run by its logs; what a later log tells holds."""
    course = Course()
    for log in logs:
        states, chosen = _told(log)
        course.states.update(states)
        course.chosen = {each for each in course.chosen if each[0] not in states} | chosen
    return course


def _told(log: Sequence[Event]) -> tuple[dict[Address, str], set[tuple[Address, str]]]:
    owners = {event.path: event.owner for event in log if type(event) is ScopeEntered}
    ended: dict[str, str] = {}
    chosen: set[tuple[Address, str]] = set()
    for event in log:
        if type(event) is TaskStarted:
            ended[event.path] = "running"
        elif type(event) is TaskEnded:
            ended[event.path] = event.status
        elif type(event) is ConditionEvaluated:
            chosen.add((_address(event.path, owners), event.side))
    states: dict[Address, str] = {}
    for path, state in ended.items():
        address = _address(path, owners)
        states[address] = min(state, states.get(address, state), key=STATES.index)
    return states, chosen


def _address(path: str, owners: dict[str, str]) -> Address:
    """The way of ids to a task; a slash may stand in an id and in a key as well."""
    at = path.rfind("/")
    while at > 0:
        owner = owners.get(path[:at])
        if owner is not None:
            return (*_address(owner, owners), path[at + 1 :])
        at = path.rfind("/", 0, at)
    return (path,)
