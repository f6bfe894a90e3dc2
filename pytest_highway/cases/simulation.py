"""Running one case: its stubs, its clock and its world around the engine.

Case, Plan, Registry --run_case--> CaseRun
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from heapq import heappop
from typing import TYPE_CHECKING

from pytest_highway.cases.checks import check_case, runs_on_real_clock
from pytest_highway.cases.declarations import Case
from pytest_highway.cases.declared import Declared
from pytest_highway.cases.http_stub import answering
from pytest_highway.cases.stubs import StubBook, StubFault
from pytest_highway.clock import DEFAULT_START, Clock, SystemClock, VirtualClock, shown_duration
from pytest_highway.engine.run import OutsideEvent, RunSettings, execute
from pytest_highway.engine.sections import FileLocks
from pytest_highway.errors import SourceError
from pytest_highway.planning.plan import Plan
from pytest_highway.reading.collector import collector_paused
from pytest_highway.runners.executors import InlineRunner, Runner
from pytest_highway.serialization import NotPlain, to_plain
from pytest_highway.tools import Registry, Tool
from pytest_highway.views import RunResult

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["CaseRun", "run_case", "values_of"]

# Tasks above which looking for garbage during a run is felt.
LARGE = 1_000


@dataclass(frozen=True, slots=True)
class CaseRun:
    """A case's run, what its stub book found wrong, and the tools that ran for real."""

    result: RunResult
    faults: tuple[StubFault, ...]
    ran: tuple[Tool, ...] = ()


def run_case(
    case: Case,
    plan: Plan,
    registry: Registry,
    *,
    executor: Executor | None = None,
    last_first: bool = False,
) -> CaseRun:
    """Run the workflow in the world that the case describes.

    `last_first` is another schedule: of tasks that are ready at once the last one begins.
    `executor` takes the tools of real runs in place of threads and processes (see `RealRunner`);
    not where a case answers HTTP, since its answers reach no other process. `SourceError` when a
    case whose fixtures have come in turns out to have faults.
    """
    case = _checked(case, plan, registry)
    assert case.scripts is not None
    model = case.model
    is_real = runs_on_real_clock(model.real, registry)
    settings = RunSettings(
        variables=model.variables,
        env=model.env,
        events=[OutsideEvent(each.at, each.name, each.data) for each in model.events],
        locks={name: each.held_for for name, each in model.locks.items()},
        cancel_at=None if model.cancel is None else model.cancel.at,
        world=FileLocks() if is_real else None,
        # The last entry of a heap may be taken out as it is.
        pick=list.pop if last_first else heappop,
    )
    with ExitStack() as world:
        inner = _runner(case, executor, world) if is_real else InlineRunner()
        roots = {"params": case.params, "fixtures": case.fixtures}
        book = StubBook(case.scripts, model.real, inner, roots)
        if model.http:
            world.enter_context(answering(book.respond))
        world.enter_context(collector_paused(len(plan.scope.nodes) > LARGE))
        log = execute(plan, book, _clock(case, registry), settings)
    unused = sorted(
        book.unused(), key=lambda each: case.origin.document.position(case.origin.place(each.loc))
    )
    result = RunResult(log)
    faults = (*book.faults, *unused, *_world_faults(case, result))
    return CaseRun(result, faults, tuple(book.ran.values()))


def _world_faults(case: Case, result: RunResult) -> Iterator[StubFault]:
    """What the run made of the case's events, and a run that got stuck.

    A stuck run fails its case whatever is expected: it shows that the case lacks something.
    """
    if result.error is not None and result.error.type == "Stuck":
        yield StubFault((), f"stuck: {result.error.message}")
    events = case.model.events
    # In the order of coming in, which is that of the log.
    due = deque(sorted(range(len(events)), key=lambda number: events[number].at))
    for place, event in enumerate(result.emitted):
        if event.path:
            continue  # A task sent it.
        number = due.popleft()
        if place not in result.taken_events:
            yield StubFault(("events", number), f"no wait took the event {event.name!r}")
    for number in due:
        at, end = (shown_duration(each) for each in (events[number].at, result.duration))
        message = f"the event {events[number].name!r} is due at {at}, the run ended at {end}"
        yield StubFault(("events", number), message)


def _runner(case: Case, executor: Executor | None, world: ExitStack) -> Runner:
    """The runner of a real run; in its world Ctrl-C waits for the engine."""
    # asyncio comes in with it, which simulated runs do without.
    from pytest_highway.runners.real_runner import RealRunner

    runner = RealRunner(None if case.model.http else executor)
    world.enter_context(runner.interrupts)
    return runner


def _checked(case: Case, plan: Plan, registry: Registry) -> Case:
    """The case with its scripts; one that got them at collection has been checked there."""
    if case.scripts is not None:
        return case
    declared = Declared.by(plan.document.data)
    assert declared is not None
    declared.plan = plan
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
