"""The recorder: a runner that calls real tools in the time that their replay will have.

Tools run where their isolation says, beside each other and on the machine's clock, while the run's
clock is a virtual one. A call that began at the moment t and took s seconds ends at t + s, and that
moment comes once every call that is still out has taken so long that it cannot end before it. What
the engine does in between takes no time, as in a replay: both runs have one log.

    start    a call goes out
    wait     what has come in is held, and handed out when its moment has come
    abandon  a call is stopped; returns when it has ended, as no time may pass before

Once something was called, a pause in which nothing is out takes its real time as well: whoever asks
a server again after a minute means that minute. Before that it takes none.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Final, NamedTuple

from pytest_highway.clock import SystemClock, VirtualClock
from pytest_highway.engine.call import Call
from pytest_highway.engine.effects import Answer, Unretryable
from pytest_highway.events import Event, HttpRequested, MemoryWritten
from pytest_highway.runners.executors import PATIENCE, InlineRunner, Stopped
from pytest_highway.runners.real_runner import RealRunner
from pytest_highway.serialization import NotPlain
from pytest_highway.tapes.entries import (
    Entry,
    Tape,
    TapeFault,
    TapeUse,
    answer_differences,
    answer_of,
    call_differences,
    entry_of,
    key_of,
    redacted,
    shown_key,
)
from pytest_highway.tapes.player import unused_fault

__all__ = ["Recorder", "RecordingRefused"]

# Durations are kept in milliseconds, rounded down: no call is late on a tape that was in time.
STEP: Final = 0.001
ALLOW: Final = "--highway-tape-allow-effects"


class RecordingRefused(Unretryable):
    """A call that may not be made only to be recorded."""


class Flight(NamedTuple):
    """A call that is out: its number, and when it began on the run's clock and on the machine's."""

    number: int
    start: float
    began: float


class Recorder:
    """Makes the calls of `is_taped` by `inner` and keeps how they end; others are made at once."""

    def __init__(
        self,
        inner: RealRunner,
        clock: VirtualClock,
        is_taped: Callable[[Call], bool],
        use: TapeUse,
    ) -> None:
        self._inner = inner
        self._clock = clock
        self._is_taped = is_taped
        self._use = use
        self._inline = InlineRunner()
        self._watch = SystemClock()
        self._out: dict[Call, Flight] = {}
        # When calls ended, told by the threads in which they did: an answer may wait for us.
        self._ends: dict[Call, float] = {}
        inner.on_end = self._note_end
        # Moment, number, and the call with its answer.
        self._held: list[tuple[float, int, Call, Answer]] = []
        self._entries: dict[str, tuple[Call, Entry]] = {}
        self._count = 0
        self._takes_time = False
        self._faults: list[TapeFault] = []

    # --- calls -----------------------------------------------------------------------------------

    def start(self, call: Call) -> Answer | None:
        """Let a call go out; None, as its answer comes later."""
        if not self._is_taped(call):
            return self._inline.start(call)
        entry = entry_of(call)
        if call.tool.effects == "write" and not self._use.allows_effects:
            return self._refuse(entry)
        self.take_time()
        self._count += 1
        self._entries[entry.key] = call, entry
        self._out[call] = Flight(self._count, self._clock.now(), self._watch.now())
        answer = self._inner.start(call)
        if answer is not None:
            self._hold(call, answer)
        return None

    def take_time(self) -> None:
        """From now on pauses take their real time."""
        self._takes_time = True

    def _refuse(self, entry: Entry) -> Answer:
        message = f"{shown_key(entry)} has effects (write), and is not called for a tape"
        self._faults.append(TapeFault(message, (f"to call it all the same: {ALLOW}",)))
        return Answer(error=RecordingRefused(message))

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        """The answer whose moment comes first, if that is within so many seconds."""
        now = self._clock.now()
        until = math.inf if seconds is None else round(now + seconds, 6)
        while (missing := self._missing(min(until, self._next_moment()))) > 0:
            self._receive(None if math.isinf(missing) else missing)
        if self._next_moment() <= until and self._held:
            return [self._hand_out()]
        if self._takes_time and not self._out and not math.isinf(until):
            self._pause(until - now)
        return []

    def _next_moment(self) -> float:
        return self._held[0][0] if self._held else math.inf

    def _missing(self, moment: float) -> float:
        """Seconds until no call that is out can end at this moment or before; 0 when none can."""
        # Rounded as moments are: else one that ends at this very moment may seem to be late.
        left = [
            round(moment - each.start - self._taken(call, each), 6)
            for call, each in self._out.items()
        ]
        latest = max(left, default=-1.0)
        return latest + STEP if latest >= 0 else 0.0

    def _taken(self, call: Call, flight: Flight) -> float:
        """Seconds that a call has taken, so far or in all, as a tape has them."""
        until = self._ends.get(call) or self._watch.now()
        return math.floor((until - flight.began) / STEP) * STEP

    def _note_end(self, call: Call) -> None:
        self._ends[call] = self._watch.now()

    def _receive(self, seconds: float | None) -> None:
        for call, answer in self._inner.wait(seconds):
            self._hold(call, answer)

    def _hold(self, call: Call, answer: Answer) -> None:
        flight = self._out.pop(call, None)
        if flight is None:
            return  # It was stopped meanwhile, and given up.
        seconds = round(self._taken(call, flight), 6)
        self._check(self._keep(call, answer, seconds), call, answer)
        due = round(flight.start + seconds, 6)
        heappush(self._held, (due, flight.number, call, answer))

    def _keep(self, call: Call, answer: Answer, seconds: float) -> Entry:
        key = key_of(call)
        entry = answer_of(self._entries[key][1], call, answer, seconds)
        self._entries[key] = call, entry
        return entry

    def _check(self, entry: Entry, call: Call, answer: Answer) -> None:
        """Note what keeps a call that has ended from being recorded."""
        if isinstance(answer.error, NotPlain):
            message = f"{shown_key(entry)} returned what no tape can hold: {answer.error}"
            hint = "a type of your own gets a plain form by pytest_highway.register_codec"
            self._faults.append(TapeFault(message, (hint,)))
        if any(isinstance(each, HttpRequested) for each in call.records):
            message = f"{shown_key(entry)} sent a request that `http` of the case answers"
            hint = "a call is recorded or answered by the case: stub the task, or take `http` out"
            self._faults.append(TapeFault(message, (hint,)))

    def _hand_out(self) -> tuple[Call, Answer]:
        moment, _, call, answer = heappop(self._held)
        self._clock.advance(moment)
        self._move(call)
        return call, answer._replace(after=call.latency)

    def _move(self, call: Call) -> None:
        """Put what a tool did at the moment of its end, when a replay does it again."""
        now, memory = self._clock.now(), call.services.memory.values_by_key
        moved: list[Event] = []
        for record in call.records:
            if isinstance(record, MemoryWritten):
                # Additions beside each other met in an order that is not that of their ends.
                record = record._replace(value=memory[record.key])
            moved.append(record._replace(at=now))
        call.records = moved

    def _pause(self, seconds: float) -> None:
        end = self._watch.now() + seconds
        while (left := end - self._watch.now()) > 0:
            self._receive(left)

    # --- stopping --------------------------------------------------------------------------------

    def abandon(self, call: Call) -> str:
        """Stop a call and wait until it has ended; says what became of it."""
        if call in self._out:
            became = self._stop(call)
            self._out.pop(call, None)
        else:
            # It has ended, but too late for whoever waited for it.
            found = [each for each in self._held if each[2] is call]
            self._held = [each for each in self._held if each[2] is not call]
            heapify(self._held)
            errors = [each[3].error for each in found]
            became = "".join(str(error) for error in errors if type(error) is Stopped)
        self._move(call)
        self._keep(call, Answer(error=Stopped(became)), 0.0)
        return became

    def _stop(self, call: Call) -> str:
        became = self._inner.abandon(call)
        end = self._watch.now() + PATIENCE
        was_interrupted = False
        while became is None and (left := end - self._watch.now()) > 0:
            try:
                found = dict(self._inner.wait(left))
            except KeyboardInterrupt:
                was_interrupted = True
                continue
            if call in found:
                became = str(found.pop(call).error)
            for each, answer in found.items():
                self._hold(each, answer)
        if was_interrupted:
            # Not raised from here: the engine is in the middle of a step. And not before the end of
            # the call, whose processes would be left behind.
            self._inner.interrupts.note()
        return (self._inner.abandon(call) or "") if became is None else became

    def close(self) -> None:
        """Stop whatever is still out."""
        self._inner.close()

    # --- what was recorded -----------------------------------------------------------------------

    def finish(self, paths: Sequence[str]) -> tuple[list[TapeFault], Mapping[str, Entry] | None]:
        """What cannot be kept, or differs from the tape that there is; and what is to be kept."""
        place = {path: number for number, path in enumerate(paths)}
        made = sorted(
            self._entries.values(), key=lambda each: (place[each[0].path], each[0].attempt)
        )
        entries = [redacted(each, self._use.redact) for _, each in made]
        kept = {each.key: each for each in entries}
        if len(kept) < len(made):
            message = "two calls have one key once secrets are taken out of the tasks' paths"
            self._faults.append(TapeFault(message))
        if self._use.tape is None:
            return self._faults, kept
        return [*self._faults, *self._differences(self._use.tape, kept)], None

    def _differences(self, tape: Tape, made: Mapping[str, Entry]) -> Iterator[TapeFault]:
        """What differs between the calls that were made and those on a tape."""
        for key, entry in made.items():
            kept = tape.calls.get(key)
            if kept is None:
                yield TapeFault(f"{shown_key(entry)} is called, which is not on the tape")
                continue
            kept = redacted(kept, self._use.redact)
            if lines := call_differences(kept, entry):
                yield TapeFault(f"{shown_key(entry)} is not the call that is on the tape", lines)
            elif lines := answer_differences(kept, entry):
                yield TapeFault(f"{shown_key(entry)} does not end as it does on the tape", lines)
        yield from unused_fault([shown_key(v) for key, v in tape.calls.items() if key not in made])
