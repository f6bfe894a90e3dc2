"""The player: a runner that answers from a tape, in the tape's time, and calls nothing.

    start    the entry with the call's key is looked up, and its arguments compared
    wait     the answer that is due first, once the clock has come to its moment
    abandon  what became of the call when it was recorded

What does not fit is a fault of the case, which then fails whatever it expects. A call that was
stopped when it was recorded has no answer here either, and waits until it is stopped again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush

from pytest_highway.clock import VirtualClock
from pytest_highway.engine.call import Call
from pytest_highway.engine.effects import Answer, Unretryable
from pytest_highway.runners.executors import InlineRunner
from pytest_highway.tapes.entries import (
    Entry,
    TapeFault,
    TapeUse,
    call_differences,
    entry_of,
    perform,
    redacted,
    shown_key,
)

__all__ = ["NotOnTape", "Player", "unused_fault"]

# Moment, number in the order of starting, and the call with its entry.
Due = tuple[float, int, Call, Entry]


class NotOnTape(Unretryable):
    """A call that its case's tape has no answer for."""


class Player:
    """Answers calls from a tape; those that `is_taped` refuses are made here and now."""

    def __init__(self, use: TapeUse, clock: VirtualClock, is_taped: Callable[[Call], bool]) -> None:
        self._calls: Mapping[str, Entry] = {} if use.tape is None else use.tape.calls
        self._redact = use.redact
        self._clock = clock
        self._is_taped = is_taped
        self._inline = InlineRunner()
        self._played: set[str] = set()  # of keys, never iterated
        self._due: list[Due] = []
        self._open: dict[Call, Entry] = {}  # stopped when recorded, in the order of starting
        self._count = 0
        self._faults: list[TapeFault] = []

    def start(self, call: Call) -> Answer | None:
        """Look the call up; None when its answer comes later, as it usually does."""
        if not self._is_taped(call):
            return self._inline.start(call)
        made = redacted(entry_of(call), self._redact)
        kept = self._calls.get(made.key)
        if kept is None:
            return self._refuse(f"{shown_key(made)} is called, which is not on the tape")
        self._played.add(made.key)
        found = call_differences(redacted(kept, self._redact), made)
        if found:
            return self._refuse(f"{shown_key(made)} is not the call that is on the tape", *found)
        if kept.word == "stopped":
            self._open[call] = kept
            return None
        self._count += 1
        heappush(self._due, (round(self._clock.now() + kept.seconds, 6), self._count, call, kept))
        return None

    def _refuse(self, message: str, *lines: str) -> Answer:
        self._faults.append(TapeFault(message, lines))
        return Answer(error=NotOnTape(message))

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        """The answer that is due first, if it is due within so many seconds."""
        until = None if seconds is None else round(self._clock.now() + seconds, 6)
        if self._due and (until is None or self._due[0][0] <= until):
            due, _, call, entry = heappop(self._due)
            self._clock.advance(due)
            return [(call, perform(entry, call)._replace(after=call.latency))]
        return [] if until is not None else list(self._never_answered())

    def _never_answered(self) -> Iterator[tuple[Call, Answer]]:
        """Calls that were stopped when they were recorded, and that nothing will stop any more."""
        for call, entry in list(self._open.items()):
            del self._open[call]
            why = f"{shown_key(entry)} was stopped when it was recorded, and nothing stops it now"
            yield call, self._refuse(why)

    def abandon(self, call: Call) -> str:
        """Stop a call; says what became of it when it was recorded."""
        entry = self._open.pop(call, None)
        if entry is None:
            self._due = [each for each in self._due if each[2] is not call]
            heapify(self._due)
            return ""
        if not call.cancelled:
            perform(entry, call)
        return str(entry.outcome)

    def close(self) -> None:
        """Nothing to let go of."""

    def finish(self, paths: Sequence[str]) -> tuple[list[TapeFault], None]:
        """What does not fit: calls that were made, and then those that were not."""
        left = [shown_key(each) for key, each in self._calls.items() if key not in self._played]
        return [*self._faults, *unused_fault(left)], None


def unused_fault(left: list[str]) -> Iterator[TapeFault]:
    """The fault of calls that are on a tape and were not made."""
    if left:
        what = "a call" if len(left) == 1 else f"{len(left)} calls"
        yield TapeFault(f"{what} on the tape {'was' if len(left) == 1 else 'were'} not made", left)
