"""Running one case: its stubs, its clock and its world around the engine.

    Case, Plan, Registry --run_case--> CaseRun
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from pytest_highway.case_checks import is_path, stub_entries
from pytest_highway.case_models import HttpEntry, StubEntry
from pytest_highway.cases import Case
from pytest_highway.clock import DEFAULT_START, Clock, SystemClock, VirtualClock
from pytest_highway.engine import OutsideEvent, RunSettings, execute
from pytest_highway.executors import InlineRunner
from pytest_highway.http_stub import answering
from pytest_highway.plan import Plan
from pytest_highway.stubs import Script, StubBook, StubFault
from pytest_highway.tools import Registry
from pytest_highway.views import RunResult

__all__ = ["CaseRun", "run_case"]


@dataclass(frozen=True, slots=True)
class CaseRun:
    """A case's run, and what its stub book found wrong."""

    result: RunResult
    faults: tuple[StubFault, ...]


def run_case(case: Case, plan: Plan, registry: Registry) -> CaseRun:
    """Run the workflow in the world that the case describes."""
    model = case.model
    named = [_script(case, "stubs", name, raw) for name, raw in model.stubs.items()]
    book = StubBook(
        tasks={str(each.loc[-1]): each for each in named if is_path(str(each.loc[-1]))},
        tools={str(each.loc[-1]): each for each in named if not is_path(str(each.loc[-1]))},
        http={name: _script(case, "http", name, raw) for name, raw in model.http.items()},
        real=model.real,
        inner=InlineRunner(),
        roots={"params": case.params, "fixtures": case.fixtures},
    )
    settings = RunSettings(
        variables=model.variables,
        env=model.env,
        events=[OutsideEvent(each.at, each.name, each.data) for each in model.events],
        locks={name: each.held_for for name, each in model.locks.items()},
        cancel_at=None if model.cancel is None else model.cancel.at,
    )
    world: AbstractContextManager[None] = answering(book.respond) if model.http else nullcontext()
    with world:
        log = execute(plan, book, _clock(case, registry), settings)
    return CaseRun(RunResult(log), (*book.faults, *book.unused()))


def _script(case: Case, word: str, name: str, raw: object) -> Script:
    model: type[StubEntry] | type[HttpEntry] = StubEntry if word == "stubs" else HttpEntry
    loc = (word, name)
    entries, _ = stub_entries(case, loc, raw, model)
    return Script(loc, entries, isinstance(raw, list), case.origin.from_defaults(loc))


def _clock(case: Case, registry: Registry) -> Clock:
    """The real clock when tools with effects run for real, else a virtual one."""
    real = case.model.real
    names = [tool.name for tool in registry] if real is True else real
    effectful = any((tool := registry.get(name)) and tool.effects != "pure" for name in names)
    return SystemClock() if effectful else VirtualClock(case.model.now or DEFAULT_START)


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
