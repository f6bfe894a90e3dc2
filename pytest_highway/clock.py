"""Clocks: where a run's time comes from. The only module that imports `time`.

A clock counts seconds from the start of its run (`now`), rounded to microseconds so that a sum of
delays reads the same on every machine, and knows which instant that start was (`started`).

* `VirtualClock` moves only when told to; waiting costs nothing.
* `SystemClock` moves by itself.
"""

from __future__ import annotations

import math
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = [
    "DEFAULT_START",
    "Clock",
    "SystemClock",
    "VirtualClock",
    "instant",
    "parse_duration",
    "seconds_until",
    "shown_duration",
]

# The instant at which a simulated run begins when its case names none.
DEFAULT_START = datetime(2000, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What the engine asks of time."""

    started: datetime

    def now(self) -> float:
        """Seconds since the run started."""

    def advance(self, until: float) -> None:
        """Let time pass up to `until`; a moment that has passed already changes nothing."""


class VirtualClock:
    """A clock that stands still until it is advanced."""

    def __init__(self, started: datetime = DEFAULT_START) -> None:
        self.started = started
        self._now = 0.0

    def now(self) -> float:
        """Seconds since the run started."""
        return self._now

    def advance(self, until: float) -> None:
        """Jump to `until`."""
        self._now = max(self._now, round(until, 6))


class SystemClock:
    """The clock of the machine; monotonic, whatever happens to the wall clock meanwhile.

    `elapsed` seconds of its run have passed already, in the run that this one takes up.
    """

    def __init__(self, elapsed: float = 0.0) -> None:
        self.started = datetime.now(UTC) - timedelta(seconds=elapsed)
        self._origin = time.monotonic() - elapsed

    def now(self) -> float:
        """Seconds since the run started."""
        return round(time.monotonic() - self._origin, 6)

    def advance(self, until: float) -> None:
        """Sleep until `until`."""
        time.sleep(max(0.0, until - self.now()))


def instant(clock: Clock, at: float) -> datetime:
    """The date and time of the moment `at` of a clock's run."""
    return clock.started + timedelta(seconds=at)


UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_SIMPLE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
_ISO = re.compile(r"P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII)
DURATION_FORMS = "a number of seconds, or a text such as '1.5s', '500ms', '5m', '2h', '1d', 'PT1S'"


def parse_duration(value: object) -> float:
    """Seconds, from any form of LANGUAGE 1; raises `ValueError` with the forms that exist."""
    seconds = _seconds(value)
    if 0 <= seconds < math.inf:
        return seconds
    raise ValueError(f"{value!r} is no duration; allowed: {DURATION_FORMS}")


def _seconds(value: object) -> float:
    """The seconds of a duration; NaN or infinity for what is none."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    if isinstance(value, str):
        if simple := _SIMPLE.fullmatch(value):
            return round(float(simple[1]) * UNITS[simple[2]], 6)
        iso = _ISO.fullmatch(value)
        if iso and any(iso.groups()):
            days, hours, minutes, seconds = (float(each or 0) for each in iso.groups())
            return days * 86400 + hours * 3600 + minutes * 60 + seconds
    return math.nan


def shown_duration(seconds: float) -> str:
    """The shortest usual form: `500ms`, `30s`, `5m`, `1h`, `1d`, `90.5s`."""
    if 0 < seconds < 1 and round(seconds * 1000, 3).is_integer():
        return f"{round(seconds * 1000)}ms"
    for unit in ("d", "h", "m"):
        if seconds and seconds % UNITS[unit] == 0:
            return f"{int(seconds // UNITS[unit])}{unit}"
    return f"{seconds:g}s" if seconds < 1e5 else f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


_NUMBER = re.compile(r"\d+(\.\d+)?")
_TIME = re.compile(r"time:([01]\d|2[0-3]):([0-5]\d):([0-5]\d)")
MOMENT_FORMS = f"{DURATION_FORMS}, 'duration:5m', 'time:HH:MM:SS' (UTC), or a date and time"


def seconds_until(value: object, now: datetime) -> float:
    """How long to wait, from any form that `wait_for` takes; raises `ValueError` with the forms.

    `time:` is the next such time strictly after `now`; a date and time in the past is 0 s away.
    """
    if isinstance(value, str):
        if value.startswith("duration:"):
            rest = value.removeprefix("duration:")
            return parse_duration(float(rest) if _NUMBER.fullmatch(rest) else rest)
        if at := _TIME.fullmatch(value):
            now = now.astimezone(UTC)
            hour, minute, second = map(int, at.groups())
            moment = now.replace(hour=hour, minute=minute, second=second, microsecond=0)
            wait = (moment - now).total_seconds()
            return wait if wait > 0 else wait + UNITS["d"]
        if re.match(r"\d{4}-", value):
            return max(0.0, (_instant(value) - now).total_seconds())
    try:
        return parse_duration(value)
    except ValueError:
        raise ValueError(f"{value!r} is nothing to wait for; allowed: {MOMENT_FORMS}") from None


def _instant(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        message = f"{text!r} is no date and time; write it as '2026-01-01T00:00:00Z'"
        raise ValueError(message) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
