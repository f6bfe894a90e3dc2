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

from pytest_highway.case_checks import is_path, stub_entries
from pytest_highway.case_models import HttpEntry, StubEntry
from pytest_highway.cases import Case
from pytest_highway.clock import DEFAULT_START, SystemClock, VirtualClock
from pytest_highway.engine import OutsideEvent, RunSettings, execute
from pytest_highway.executors import InlineRunner, RealRunner
from pytest_highway.http_stub import answering
from pytest_highway.plan import Plan
from pytest_highway.sections import FileLocks
from pytest_highway.stubs import Script, StubBook, StubFault
from pytest_highway.tools import Registry
from pytest_highway.views import RunResult

__all__ = ["CaseRun", "run_case"]

# Locks of real runs, shared by the processes of one user.
LOCK_FOLDER = Path(tempfile.gettempdir()) / f"highway-locks-{getpass.getuser()}"


@dataclass(frozen=True, slots=True)
class CaseRun:
    """A case's run, and what its stub book found wrong."""

    result: RunResult
    faults: tuple[StubFault, ...]


def run_case(case: Case, plan: Plan, registry: Registry) -> CaseRun:
    """Run the workflow in the world that the case describes."""
    model = case.model
    is_real = _is_real(case, registry)
    named = [_script(case, "stubs", name, raw) for name, raw in model.stubs.items()]
    book = StubBook(
        tasks={str(each.loc[-1]): each for each in named if is_path(str(each.loc[-1]))},
        tools={str(each.loc[-1]): each for each in named if not is_path(str(each.loc[-1]))},
        http={name: _script(case, "http", name, raw) for name, raw in model.http.items()},
        real=model.real,
        inner=RealRunner() if is_real else InlineRunner(),
        roots={"params": case.params, "fixtures": case.fixtures},
    )
    settings = RunSettings(
        variables=model.variables,
        env=model.env,
        events=[OutsideEvent(each.at, each.name, each.data) for each in model.events],
        locks={name: each.held_for for name, each in model.locks.items()},
        cancel_at=None if model.cancel is None else model.cancel.at,
        world=FileLocks(LOCK_FOLDER) if is_real else None,
    )
    clock = SystemClock() if is_real else VirtualClock(model.now or DEFAULT_START)
    world: AbstractContextManager[None] = answering(book.respond) if model.http else nullcontext()
    with world:
        log = execute(plan, book, clock, settings)
    return CaseRun(RunResult(log), (*book.faults, *book.unused()))


def _script(case: Case, word: str, name: str, raw: object) -> Script:
    model: type[StubEntry] | type[HttpEntry] = StubEntry if word == "stubs" else HttpEntry
    loc = (word, name)
    entries, _ = stub_entries(case, loc, raw, model)
    return Script(loc, entries, isinstance(raw, list), case.origin.from_defaults(loc))


def _is_real(case: Case, registry: Registry) -> bool:
    """Whether tools with effects run for real: then on threads and by the real clock."""
    real = case.model.real
    names = [tool.name for tool in registry] if real is True else real
    return any((tool := registry.get(name)) and tool.effects != "pure" for name in names)


def values_of(fixtures: Mapping[str, object]) -> dict[str, object]:
    """Fixture values as a case's templates may read them: plain data, else their text."""
    from pytest_highway.serialization import NotPlain, to_plain

    values: dict[str, object] = {}
    for name, value in fixtures.items():
        try:
            values[name] = to_plain(value)
        except NotPlain:
            values[name] = str(value)
    return values
