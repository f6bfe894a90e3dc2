"""The agenda of a run: which tasks are ready, what has come in, and what comes later.

    ready      a heap of tasks that can begin, by their place in the plan
    answers    a queue of what has come in at this moment
    timers     a heap of what comes in later: latencies, delays, events, a stop from outside

A look is a timer of a wait that only looks once more at what others change. When all that is left
are looks, and nothing has happened since each of them, nothing ever will.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush

from pytest_highway.clock import Clock
from pytest_highway.engine.effects import Sent
from pytest_highway.engine.frame import ExecutionFrame, ScopeRun
from pytest_highway.events import Event

__all__ = ["Agenda"]


class Agenda:
    """What one run has still to do; times are in seconds on the run's clock."""

    def __init__(self, clock: Clock, log: list[Event]) -> None:
        self.clock = clock
        self.ready: list[tuple[tuple[int, ...], ScopeRun]] = []
        self.answers: deque[tuple[ExecutionFrame, object, Sent]] = deque()
        self._log = log
        self._timers: list[tuple[float, bool, int, Callable[[], None]]] = []
        self._looks: dict[ExecutionFrame, tuple[int, str]] = {}
        self._ticks = 0

    def at(self, moment: float, fire: Callable[[], None], *, last: bool = False) -> None:
        """Do something at a moment; what is due at one moment is done in the order of asking.

        What is to come `last` stands behind all else that is due then.
        """
        self._ticks += 1
        heappush(self._timers, (round(moment, 6), last, self._ticks, fire))

    def after(self, seconds: float, fire: Callable[[], None]) -> None:
        """Do something so many seconds from now."""
        self.at(self.clock.now() + seconds, fire)

    def answer(self, frame: ExecutionFrame, token: object, answer: Sent) -> None:
        """Hand an answer to a frame that waits for `token`."""
        self.answers.append((frame, token, answer))

    def deliver(self, seconds: float, frame: ExecutionFrame, token: object, answer: Sent) -> None:
        """Hand an answer to a frame so many seconds from now."""
        if seconds > 0:
            self.after(seconds, lambda: self.answer(frame, token, answer))
        else:
            self.answer(frame, token, answer)

    def look_again(self, seconds: float, frame: ExecutionFrame, token: object, what: str) -> None:
        """Let a wait look again, so many seconds from now, at what it waits for."""
        self._looks[frame] = (len(self._log), what)

        def look() -> None:
            del self._looks[frame]
            self.answer(frame, token, None)

        self.after(seconds, look)

    @property
    def has_timers(self) -> bool:
        """Whether anything is due later."""
        return bool(self._timers)

    def until_timer(self) -> float | None:
        """Seconds until something is due, None when nothing is."""
        return max(0.0, self._timers[0][0] - self.clock.now()) if self._timers else None

    def fire_next(self) -> None:
        """Let the time pass until something is due, and do it."""
        moment, *_, fire = heappop(self._timers)
        self.clock.advance(moment)
        fire()

    def is_stuck(self) -> bool:
        """Whether no timer is left but looks that would see what they saw before."""
        if len(self._looks) < len(self._timers):
            return False
        return all(seen == len(self._log) for seen, _ in self._looks.values())

    def looking(self) -> Iterator[str]:
        """Who looks for what."""
        for frame, (_, what) in self._looks.items():
            if frame.pending is not None:
                yield f"{frame.path} waits {what}"
