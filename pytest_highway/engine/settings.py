"""Settings: what differs between two runs of one plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop
from typing import TypeAlias

from pytest_highway.engine.frame import ScopeRun
from pytest_highway.engine.resuming import Resumption
from pytest_highway.engine.sections import World
from pytest_highway.events import Event
from pytest_highway.secrets import SecretValues

__all__ = ["OutsideEvent", "Pick", "RunSettings"]

Ready: TypeAlias = tuple[tuple[int, ...], ScopeRun]
# Takes one of the tasks that are ready out of their heap, which has to remain one.
Pick: TypeAlias = Callable[[list[Ready]], Ready]


@dataclass(frozen=True, slots=True)
class OutsideEvent:
    """An event that comes in from outside, `at` seconds after the start."""

    at: float
    name: str
    data: object = None


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What differs between two runs of one plan.

    `variables` and `env` replace declared defaults; `cancel_at` is the moment, in seconds, at which
    the run is stopped from outside; `events` come in from outside; `locks` are held by the world at
    first, for so many seconds; `world` holds locks that other processes respect.
    `observe` is shown the log whenever something may be new in it, and last when it is complete;
    `resumption` is what an earlier run has done already. `passing` are exceptions that mean no
    task when a tool raises them but whoever started the run: they end it and come out. `secrets`
    is told what those of each file are worth that the run enters. `pick` is the schedule: which of
    the tasks that are ready begins, by default the earliest declared one.
    """

    variables: Mapping[str, object] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    cancel_at: float | None = None
    events: Sequence[OutsideEvent] = ()
    locks: Mapping[str, float] = field(default_factory=dict)
    world: World | None = None
    observe: Callable[[Sequence[Event]], None] | None = None
    resumption: Resumption | None = None
    passing: tuple[type[BaseException], ...] = ()
    secrets: SecretValues | None = None
    pick: Pick = heappop
