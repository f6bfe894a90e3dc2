"""Running one case: its stubs, its clock and its world around the engine.

Case, Plan, Registry --run_case--> CaseRun
"""

from __future__ import annotations

import getpass
import tempfile
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from pytest_highway.case_checks import check_case, runs_on_real_clock
from pytest_highway.cases import Case
from pytest_highway.collector import collector_paused
from pytest_highway.clock import DEFAULT_START, Clock, SystemClock, VirtualClock
from pytest_highway.declared import Declared
from pytest_highway.engine import OutsideEvent, RunSettings, execute
from pytest_highway.errors import SourceError
from pytest_highway.executors import InlineRunner, RealRunner
from pytest_highway.http_stub import answering
from pytest_highway.plan import Plan
from pytest_highway.sections import FileLocks
from pytest_highway.serialization import NotPlain, to_plain
from pytest_highway.stubs import StubBook, StubFault
from pytest_highway.tools import Registry
from pytest_highway.views import RunResult

__all__ = ["CaseRun", "run_case", "values_of"]

# Tasks above which looking for garbage during a run is felt.
LARGE = 1_000

# Locks of real runs, shared by the processes of one user.
LOCK_FOLDER = Path(tempfile.gettempdir()) / f"highway-locks-{getpass.getuser()}"


@dataclass(frozen=True, slots=True)
class CaseRun:
    """A case's run, and what its stub book found wrong."""

    result: RunResult
    faults: tuple[StubFault, ...]


def run_case(case: Case, plan: Plan, registry: Registry) -> CaseRun:
    """Run the workflow in the world that the case describes.

    `SourceError` when a case whose fixtures have come in turns out to have faults.
    """
    case = _checked(case, plan, registry)
    assert case.scripts is not None
    model = case.model
    is_real = runs_on_real_clock(model.real, registry)
    book = StubBook(
        case.scripts,
        model.real,
        RealRunner() if is_real else InlineRunner(),
        {"params": case.params, "fixtures": case.fixtures},
    )
    settings = RunSettings(
        variables=model.variables,
        env=model.env,
        events=[OutsideEvent(each.at, each.name, each.data) for each in model.events],
        locks={name: each.held_for for name, each in model.locks.items()},
        cancel_at=None if model.cancel is None else model.cancel.at,
        world=FileLocks(LOCK_FOLDER) if is_real else None,
    )
    world: AbstractContextManager[None] = answering(book.respond) if model.http else nullcontext()
    with world, collector_paused(len(plan.scope.nodes) > LARGE):
        log = execute(plan, book, _clock(case, registry), settings)
    unused = sorted(
        book.unused(), key=lambda each: case.origin.document.position(case.origin.place(each.loc))
    )
    return CaseRun(RunResult(log), (*book.faults, *unused))


def _checked(case: Case, plan: Plan, registry: Registry) -> Case:
    """The case with its scripts; one that got them at collection has been checked there."""
    if case.scripts is not None:
        return case
    declared = Declared.by(plan.document.data)
    assert declared is not None
    case, found = check_case(case, declared, registry)
    if found:
        raise SourceError(found)
    return case


def _clock(case: Case, registry: Registry) -> Clock:
    """The real clock when tools with effects run for real, else a virtual one."""
    if runs_on_real_clock(case.model.real, registry):
        return SystemClock()
    return VirtualClock(case.model.now or DEFAULT_START)


def values_of(fixtures: Mapping[str, object]) -> dict[str, object]:
    """Fixture values as a case's templates may read them: plain data, else their text."""
    values: dict[str, object] = {}
    for name, value in fixtures.items():
        try:
            values[name] = to_plain(value)
        except NotPlain:
            values[name] = str(value)
    return values
