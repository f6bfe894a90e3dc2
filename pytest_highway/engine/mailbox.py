"""Events and who waits for them.

An event goes to all waits that are open for it; one that nobody waits for is kept for the first
wait that opens and takes it. Each event has a number, so that the log tells which wait took which.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pytest_highway.engine.effects import Answer, AwaitEvent
from pytest_highway.engine.frame import ExecutionFrame, RunServices
from pytest_highway.engine.judging import EVALUATION_FAULTS
from pytest_highway.events import EventEmitted, WaitEnded
from pytest_highway.expressions.expression import truth
from pytest_highway.expressions.values import copy_data

__all__ = ["Mailbox"]


class Mailbox:
    """All events of one run; `deliver` hands an answer to a frame."""

    def __init__(
        self, services: RunServices, deliver: Callable[[ExecutionFrame, object, Answer], None]
    ) -> None:
        self._services = services
        self._deliver = deliver
        self._open: list[tuple[ExecutionFrame, AwaitEvent]] = []
        self._kept: list[tuple[int, EventEmitted]] = []
        self._count = 0

    def open(self, frame: ExecutionFrame, wait: AwaitEvent) -> bool:
        """Open a wait; true when a kept event has answered it already."""
        frame.pending = wait
        for place, (number, event) in enumerate(self._kept):
            try:
                if self._fits(frame, wait, event):
                    del self._kept[place]
                    self._give(frame, wait, number, event)
                    return True
            except EVALUATION_FAULTS as error:
                self._deliver(frame, wait, Answer(error=error))
                return True
        self._open.append((frame, wait))
        return False

    def put(self, event: EventEmitted, *, is_open: bool = True) -> None:
        """An event comes in: to all waits that it fits, else it is kept.

        One that is not open is a recorded one, which its waits have taken in an earlier run.
        """
        self._services.log.append(event)
        number = self._count
        self._count += 1
        if not is_open:
            return
        still, self._open = self._open, []
        taken = False
        for frame, wait in still:
            if frame.pending is not wait:
                continue  # The wait was over before.
            try:
                fits = self._fits(frame, wait, event)
            except EVALUATION_FAULTS as error:
                # A match that cannot be evaluated fails the wait; it never means "not this one".
                self._deliver(frame, wait, Answer(error=error))
                continue
            if fits:
                taken = True
                self._give(frame, wait, number, event)
            else:
                self._open.append((frame, wait))
        if not taken:
            self._kept.append((number, event))

    def waiting(self) -> list[str]:
        """Who waits for what, for a run in which nothing else can happen."""
        return [
            f"{frame.path} waits for event {wait.name!r}, which nothing sends"
            for frame, wait in self._open
            if frame.pending is wait
        ]

    def _fits(self, frame: ExecutionFrame, wait: AwaitEvent, event: EventEmitted) -> bool:
        if wait.name != event.name:
            return False
        if wait.match is None:
            return True
        fields = event.data if isinstance(event.data, Mapping) else {}
        seen = {"name": event.name, "data": event.data, **fields}
        self._services.memory.user = frame
        return truth(wait.match.evaluate({**frame.roots, "event": seen}))

    def _give(
        self, frame: ExecutionFrame, wait: AwaitEvent, number: int, event: EventEmitted
    ) -> None:
        self._services.log.append(WaitEnded(self._services.now(), frame.path, number))
        self._deliver(frame, wait, Answer(copy_data(event.data)))
