"""The benchmarks run, and say something about every goal; what they measure is nobody's test."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

RUN = Path(__file__).parent.parent / "benchmarks" / "run.py"
GOALS = ("G1", "G2", "G3", "G4", "G5", "G6", "G7", "G9", "G10", "G11")
TINY = ("--rounds", "1", "--scale", "0.01")
VERDICTS = {"met", "missed", "unmeasured", "-"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(RUN), *arguments], capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def readings() -> list[dict[str, object]]:
    """All goals at the smallest scale, as data."""
    found: list[dict[str, object]] = json.loads(run("--json", *TINY).stdout)
    return found


@pytest.mark.parametrize("goal", GOALS)
def test_every_goal_has_a_measured_line(readings: list[dict[str, object]], goal: str) -> None:
    """Each goal was measured at least once, in numbers above or at zero.

    Of ten failing cases the cost beside start-up may drown in noise, and is then left unmeasured.
    """
    found = [cast("list[float]", each["values"]) for each in readings if each["goal"] == goal]
    values = [number for each in found for number in each]
    assert found
    assert values or goal == "G9"
    assert min(values, default=0) >= 0


def test_every_subject_does_what_it_was_built_for(readings: list[dict[str, object]]) -> None:
    """No project, graph or hostile file failed in a way of its own."""
    assert [each["note"] for each in readings if each["what"] == "could not be measured"] == []


def test_every_line_has_a_verdict(readings: list[dict[str, object]]) -> None:
    """A verdict is one of four words, and stands on each line."""
    assert {each["verdict"] for each in readings} <= VERDICTS


def test_the_table_names_what_was_asked_for() -> None:
    """One line under the headings for the one goal that the command line names."""
    ended = run("G5", *TINY)
    heading, rule, line = ended.stdout.splitlines()
    assert ended.returncode == 0
    assert heading.split()[:3] == ["goal", "what", "measured"]
    assert set(rule) == {"-"}
    assert line.startswith("G5    60-line file, load and compile / CSafeLoader")


def test_an_unknown_goal_is_refused() -> None:
    """The message names the offender and the goals that exist."""
    ended = run("G99")
    assert ended.returncode == 2
    assert "'G99'" in ended.stderr
    assert all(goal in ended.stderr for goal in GOALS)


@pytest.mark.parametrize("rounds", ["0", "-1", "many"])
def test_rounds_are_a_number_above_zero(rounds: str) -> None:
    """Nothing can be measured in no rounds."""
    ended = run("--rounds", rounds)
    assert ended.returncode == 2
    assert "rounds" in ended.stderr
