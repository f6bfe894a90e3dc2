"""Locked sections of a run: tasks, composites and whole runs that hold a named lock.

A lock has one holder at a time; who waits is served in order, and gives up after its own `wait`.
In a simulated run locks are in memory, and a case may say that the world holds one for a while.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from pytest_highway.clock import shown_duration
from pytest_highway.frame import Answer, ExecutionFrame, TakeLock
from pytest_highway.limits import LockTimeout

__all__ = ["Sections"]

Later = Callable[[float, Callable[[], None]], None]


class Sections:
    """All locks of one run. `busy` names those that the world holds at first, and how long."""

    def __init__(
        self,
        deliver: Callable[[ExecutionFrame, object, Answer], None],
        later: Later,
        busy: Mapping[str, float],
    ) -> None:
        self._deliver = deliver
        self._later = later
        self._held = set(busy)
        self._waiting: dict[str, deque[tuple[ExecutionFrame, TakeLock]]] = {}
        for name, seconds in busy.items():
            later(seconds, lambda name=name: self.release(name))  # type: ignore[misc]  # mypy infers no type for the default

    def take(self, frame: ExecutionFrame, effect: TakeLock) -> None:
        """Take a lock for a frame; the answer is empty, or carries a `LockTimeout`."""
        frame.pending = effect
        name = effect.name
        if name not in self._held:
            self._held.add(name)
            frame.locks.append(name)
            self._deliver(frame, effect, Answer())
            return
        self._waiting.setdefault(name, deque()).append((frame, effect))
        until = frame.services.now() + effect.wait
        self._later(round(until, 6), lambda: self._give_up(frame, effect))

    def _give_up(self, frame: ExecutionFrame, effect: TakeLock) -> None:
        waiting = self._waiting.get(effect.name, deque())
        if (frame, effect) in waiting:
            waiting.remove((frame, effect))
            text = f"lock {effect.name!r} was not free within {shown_duration(effect.wait)}"
            self._deliver(frame, effect, Answer(error=LockTimeout(text)))

    def release(self, name: str) -> None:
        """Give a lock back; the first that still waits has it now."""
        waiting = self._waiting.get(name, deque())
        while waiting:
            frame, effect = waiting.popleft()
            if frame.pending is effect:
                frame.locks.append(name)
                self._deliver(frame, effect, Answer())
                return
        self._held.discard(name)

    def leave(self, frame: ExecutionFrame) -> None:
        """Give back whatever a frame holds."""
        while frame.locks:
            self.release(frame.locks.pop())
