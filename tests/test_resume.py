"""`highway run --resume`: runs that were killed at any instant go on, with every backend."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from flows import DATA
from storages import BACKENDS, redis_server

from pytest_highway.storage.opening import open_storage
from pytest_highway.views import RunResult

HOST = Path(__file__).parent / "kill_host.py"
FILE = DATA / "killed.yaml"
POINTS = 50
KILLED = -9


@pytest.fixture(params=BACKENDS)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param != "redis":
        return f"{request.param}:{tmp_path / 'runs'}"
    server = request.getfixturevalue("server")
    return str(server.url)


@pytest.fixture
def server(tmp_path: Path) -> object:
    with redis_server(tmp_path) as server:
        yield server


def play(address: str, points: int, folder: Path) -> list[dict[str, object]]:
    done = subprocess.run(
        [sys.executable, str(HOST), str(FILE), address, str(points)],
        env={**os.environ, "CALLS": str(folder / "calls")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def outcomes(address: str) -> list[object]:
    """What every run that succeeded says of itself."""
    with open_storage(address) as storage:
        done = [each for each in storage.records() if each.state == "success"]
        return [seen(RunResult(storage.log(each))) for each in done]


def seen(result: RunResult) -> object:
    states = {path: end.status for path, end in result.ends.items()}
    return result.results, result.memory, result.output, result.transcript(), states


def test_a_run_killed_at_fifty_instants_ends_as_if_it_had_not_been(
    address: str, tmp_path: Path
) -> None:
    """Nothing is called again that the history knows to have ended."""
    rounds = play(address, POINTS, tmp_path)
    codes = [each["code"] for each in rounds]
    assert (codes.count(KILLED), {*codes}, codes[-1]) == (POINTS, {KILLED, 0}, 0)
    assert [set(each["ended"]) & set(each["called"]) for each in rounds] == [set()] * len(rounds)
    whole = f"files:{tmp_path / 'whole'}"
    play(whole, 0, tmp_path)
    [undisturbed] = outcomes(whole)
    assert [each for each in outcomes(address) if each != undisturbed] == []
    assert outcomes(address) != []
