"""Clocks, and durations as they are written and shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pytest_highway.clock import (
    DEFAULT_START,
    SystemClock,
    VirtualClock,
    instant,
    parse_duration,
    shown_duration,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (90, 90.0),
        (1.5, 1.5),
        ("0s", 0.0),
        ("1.5s", 1.5),
        ("500ms", 0.5),
        ("0.1ms", 0.0001),
        ("5m", 300.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("PT1S", 1.0),
        ("PT0.5S", 0.5),
        ("PT2M", 120.0),
        ("P1D", 86400.0),
        ("P1DT2H3M4.5S", 93784.5),
    ],
)
def test_every_form_of_a_duration_is_seconds(written: object, seconds: float) -> None:
    """Numbers, a number with a unit, and ISO 8601."""
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        *(-1, -0.5, float("inf"), float("nan"), 10**400, True, None, [], {}),
        *("", "5", "five", "-5s", "5 m", " 5m", "1e3s", ".5s", "5M", "1h30m", "1.s", "5\n", "५m"),
        *("P", "PT", "P1DT", "PT1", "P1M", "pt1s", "PT.5S", "9" * 400 + "s", "P" + "9" * 400 + "D"),
    ],
)
def test_anything_else_is_no_duration(written: object) -> None:
    """The message shows it and the forms that exist."""
    with pytest.raises(ValueError, match="is no duration; allowed: a number of seconds, or a text"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0, "0s"),
        (0.5, "500ms"),
        (0.0005, "0.0005s"),
        (1.0, "1s"),
        (1.5, "1.5s"),
        (59.0, "59s"),
        (60.0, "1m"),
        (90.0, "90s"),
        (90.5, "90.5s"),
        (3600.0, "1h"),
        (5400.0, "90m"),
        (86400.0, "1d"),
        (90000.0, "25h"),
        (100000.5, "100000.5s"),
        (123456789.0, "123456789s"),
    ],
)
def test_a_duration_is_shown_in_its_shortest_usual_form(seconds: float, shown: str) -> None:
    """One unit, the largest that divides it."""
    assert shown_duration(seconds) == shown


@pytest.mark.parametrize("seconds", [0.0, 0.25, 1.0, 59.5, 61.0, 300.0, 5400.0, 172800.0])
def test_a_shown_duration_reads_as_itself(seconds: float) -> None:
    """What is shown may be written."""
    assert parse_duration(shown_duration(seconds)) == seconds


def test_a_virtual_clock_stands_until_it_is_advanced() -> None:
    """It jumps, never backwards, and rounds to microseconds."""
    clock = VirtualClock()
    assert (clock.now(), clock.started) == (0.0, DEFAULT_START)
    clock.advance(0.1 + 0.2)
    assert clock.now() == 0.3
    clock.advance(0.2)
    assert clock.now() == 0.3


def test_an_instant_counts_from_the_start() -> None:
    """The moment of a run as a date and time."""
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    assert instant(clock, 90.5) == datetime(2026, 1, 1, 0, 1, 30, 500000, tzinfo=UTC)


def test_a_system_clock_moves_by_itself() -> None:
    """It sleeps until a moment, and not at all for one that has passed."""
    clock = SystemClock()
    assert clock.started.tzinfo is UTC
    clock.advance(0.01)
    now = clock.now()
    assert now >= 0.01
    clock.advance(0.0)
    assert clock.now() >= now
