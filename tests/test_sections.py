"""Locks that the world holds as well: looked at now and then, and faults told to the task."""

from __future__ import annotations

from collections.abc import Sequence

from nested_flows import Latencies, plan_of

from pytest_highway.clock import VirtualClock
from pytest_highway.engine.run import RunSettings, execute
from pytest_highway.errors import HighwayError
from pytest_highway.views import RunResult


class Shared:
    """A lock of another process: not to be had so many times, or never."""

    def __init__(self, refusals: int, fault: str = "") -> None:
        self.refusals = refusals
        self.fault = fault
        self.done: list[str] = []

    def take(self, name: str) -> bool:
        if self.fault:
            raise HighwayError(self.fault)
        self.refusals -= 1
        self.done.append("refuse" if self.refusals >= 0 else "take")
        return self.refusals < 0

    def release(self, name: str) -> None:
        self.done.append("release")


def run(world: Shared, tasks: Sequence[str]) -> RunResult:
    """One run of tasks that take one lock each."""
    lock = {"name": "repo", "wait": 10}
    plan = plan_of({name: {"function": "app.ask", "lock": lock} for name in tasks})
    settings = RunSettings(world=world)
    return RunResult(execute(plan, Latencies([1.0]), VirtualClock(), settings))


def test_a_lock_of_another_process_is_looked_at_until_it_is_free() -> None:
    """All who wait share one look, and have it one after another."""
    world = Shared(4)
    result = run(world, ["a", "b"])
    assert result.status == "success"
    assert world.done == ["refuse"] * 4 + ["take", "release", "take", "release"]
    assert [call.at for call in result.calls] == [0.3, 1.3]


def test_a_lock_that_cannot_be_taken_fails_who_wants_it() -> None:
    """The fault of the world is the task's."""
    result = run(Shared(0, "no folder"), ["a", "b"])
    assert {path: str(end.fault) for path, end in result.ends.items()} == {
        "a": "HighwayError: no folder",
        "b": "HighwayError: no folder",
    }


def test_the_lock_of_a_run_that_cannot_be_taken() -> None:
    """Nothing of it runs."""
    plan = plan_of({"a": {"function": "app.ask"}}, lock="repo")
    world = Shared(0, "no folder")
    log = execute(plan, Latencies([1.0]), VirtualClock(), RunSettings(world=world))
    result = RunResult(log)
    assert (result.status, str(result.error), result.calls) == (
        "failed",
        "HighwayError: no folder",
        [],
    )


def test_the_lock_of_a_run_is_given_back_at_its_end() -> None:
    """The world has it again, and once."""
    world = Shared(0)
    plan = plan_of({"a": {"function": "app.ask"}}, lock="repo")
    execute(plan, Latencies([1.0]), VirtualClock(), RunSettings(world=world))
    assert world.done == ["take", "release"]
