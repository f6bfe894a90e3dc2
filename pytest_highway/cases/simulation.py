"""Running one case: its stubs, its clock and its world around the engine.

    Case, Plan, Registry --run_case--> CaseRun

There are four worlds. What a case does not answer itself, and what is not pure, is

    simulated   a fault of the case
    real        called, on the machine's clock, where `real` of the case says so
    replayed    answered from the case's tape
    recorded    called, for its tape or to be held against it
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from heapq import heappop
from typing import TYPE_CHECKING, NamedTuple

from pytest_highway.cases.checks import check_case, runs_on_real_clock
from pytest_highway.cases.declarations import Case
from pytest_highway.cases.declared import Declared
from pytest_highway.cases.http_stub import answering
from pytest_highway.cases.stubs import StubBook, StubFault, needs_no_stub
from pytest_highway.clock import DEFAULT_START, Clock, SystemClock, VirtualClock, shown_duration
from pytest_highway.engine.call import Call
from pytest_highway.engine.run import Interrupted, OutsideEvent, RunSettings, execute
from pytest_highway.engine.sections import FileLocks
from pytest_highway.errors import HighwayError, SourceError
from pytest_highway.events import Event
from pytest_highway.planning.plan import Plan
from pytest_highway.reading.collector import collector_paused
from pytest_highway.redaction import ShownResult, redacted_log
from pytest_highway.runners.executors import InlineRunner, Runner
from pytest_highway.runners.raised import PassedThrough
from pytest_highway.runners.real_runner import RealRunner
from pytest_highway.scrubbing import Scrub
from pytest_highway.secrets import Redactor, SecretValues
from pytest_highway.serialization import NotPlain, to_plain
from pytest_highway.tapes.entries import Deck, Entry, TapeUse
from pytest_highway.tapes.player import Player
from pytest_highway.tapes.recorder import Recorder
from pytest_highway.tools import Registry, Tool
from pytest_highway.transcript import task_paths
from pytest_highway.views import RunResult

if TYPE_CHECKING:
    from concurrent.futures import Executor

__all__ = ["CaseRun", "Observe", "Seen", "declared_secrets", "run_case", "values_of"]


@dataclass(frozen=True, slots=True)
class CaseRun:
    """A case's run, what its stub book and its tape found wrong, and what was recorded, by key.

    `ran` are the tools that were called for real.


    `result` and `faults` hold no secrets, and neither does a text that went through `redactor`;
    `real` has what came, for the case's expectations alone.
    """

    result: ShownResult
    faults: tuple[StubFault, ...]
    real: RunResult
    redactor: Redactor
    recorded: Mapping[str, Entry] | None = None
    ran: tuple[Tool, ...] = ()


class Seen(NamedTuple):
    """A run as far as it has come; `redactor` hides the secrets in its log.

    `is_virtual` tells that its moments are those of a clock that nobody waited for.
    """

    log: Sequence[Event]
    redactor: Redactor
    is_virtual: bool


Observe = Callable[[Seen], None]


def run_case(
    case: Case,
    plan: Plan,
    registry: Registry,
    *,
    executor: Executor | None = None,
    passing: tuple[type[BaseException], ...] = (),
    use: TapeUse | None = None,
    scrub: Scrub | None = None,
    last_first: bool = False,
    observe: Observe | None = None,
) -> CaseRun:
    """Run the workflow in the world that the case describes, or that a tape is.

    `last_first` is another schedule: of tasks that are ready at once the last one begins.
    `executor` takes the tools of real runs in place of threads and processes (see `RealRunner`);
    not where a case answers HTTP, since its answers reach no other process. What a tool raises
    from among `passing` ends the run and comes out as a `PassedThrough`. `scrub` is done to the
    lines of transcripts. `observe` sees the run begin and end, however it ends, and one with real
    calls in between as well. `SourceError` when a case whose fixtures have come in turns out to
    have faults.
    """
    case = _checked(case, plan, registry)
    assert case.scripts is not None
    secrets = SecretValues()
    if use is not None:
        use = replace(use, redact=lambda value: secrets.redactor.value(value))
    with ExitStack() as stack:
        world = _world(case, registry, executor, use, stack)
        roots = {"params": case.params, "fixtures": case.fixtures}
        book = StubBook(case.scripts, world.real, world.runner, roots, forks=world.forks)
        if case.model.http:
            stack.enter_context(_answering(case, book))
        # A loop over 100,000 items is large, too, and not known before it runs.
        stack.enter_context(collector_paused(not world.forks))
        # The last entry of a heap may be taken out as it is.
        pick = list.pop if last_first else heappop
        settings = replace(_settings(case, world.locks, passing, secrets), pick=pick)
        if world.forks:
            secrets.note_env(os.environ)  # which real tools see
        try:
            log = _executed(plan, book, world, settings, observe)
        except (Interrupted, PassedThrough) as error:
            error.log = list(redacted_log(error.log, secrets.redactor))
            raise
    faults = list(book.faults)
    recorded = None
    if world.deck is not None:
        found, recorded = world.deck.finish(task_paths(log))
        # Nothing is written under this word: the place is the case itself.
        faults += [StubFault(("tape",), each.message, "\n".join(each.lines)) for each in found]
    faults += sorted(book.unused(), key=lambda each: case.origin.position(each.loc))
    ran = () if use is not None and not use.records else tuple(book.ran.values())
    redactor, real = secrets.redactor, RunResult(log)
    shown = tuple(
        replace(
            each, message=redactor.rendered(each.message), detail=redactor.rendered(each.detail)
        )
        for each in (*faults, *_world_faults(case, real))
    )
    return CaseRun(ShownResult(log, redactor, scrub), shown, real, redactor, recorded, ran)


def _executed(
    plan: Plan, book: StubBook, world: _World, settings: RunSettings, observe: Observe | None
) -> list[Event]:
    """The log of a run, which is shown to whoever observes."""
    if observe is None:
        return execute(plan, book, world.clock, settings)
    is_virtual = isinstance(world.clock, VirtualClock)

    def show(log: Sequence[Event]) -> None:
        assert settings.secrets is not None
        observe(Seen(log, settings.secrets.redactor, is_virtual))

    show([])
    try:
        log = execute(
            plan, book, world.clock, replace(settings, observe=show if world.forks else None)
        )
    except (Interrupted, PassedThrough) as error:
        show(error.log)
        raise
    show(log)
    return log


class _World(NamedTuple):
    """What is around a run; `deck` is its runner where there is a tape.

    `forks` tells that calls may leave this process.
    """

    clock: Clock
    runner: Runner
    real: bool | Sequence[str]
    locks: FileLocks | None = None
    deck: Deck | None = None
    forks: bool = False


def _world(
    case: Case,
    registry: Registry,
    executor: Executor | None,
    use: TapeUse | None,
    stack: ExitStack,
) -> _World:
    """The world of a case, by the table above; what has to be left behind it is on the stack."""
    model = case.model
    if use is None and runs_on_real_clock(case, registry):
        runner = _real(case, executor, stack)
        return _World(SystemClock(), runner, model.real, FileLocks(), forks=True)
    clock = VirtualClock(model.now or DEFAULT_START)
    if use is None:
        return _World(clock, InlineRunner(), model.real)

    def is_taped(call: Call) -> bool:
        return not needs_no_stub(call.tool, has_http=bool(model.http))

    if not use.records:
        player = Player(use, clock, is_taped)
        return _World(clock, player, real=True, deck=player)
    recorder = Recorder(_real(case, executor, stack), clock, is_taped, use)
    locks = _TimedLocks(recorder)
    return _World(clock, recorder, real=True, locks=locks, deck=recorder, forks=True)


class _TimedLocks(FileLocks):
    """Locks of a recorded run: to wait for another process takes time."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self._recorder = recorder

    def take(self, name: str) -> bool:
        is_ours = super().take(name)
        if not is_ours:
            self._recorder.take_time()
        return is_ours


def _settings(
    case: Case,
    locks: FileLocks | None,
    passing: tuple[type[BaseException], ...],
    secrets: SecretValues,
) -> RunSettings:
    model = case.model
    return RunSettings(
        variables=model.variables,
        env=model.env,
        events=[OutsideEvent(each.at, each.name, each.data) for each in model.events],
        locks={name: each.held_for for name, each in model.locks.items()},
        cancel_at=None if model.cancel is None else model.cancel.at,
        world=locks,
        passing=passing,
        secrets=secrets,
    )


def declared_secrets(plan: Plan, case: Case) -> Redactor:
    """What hides the secrets of a case that has not run: those that it and its file declare."""
    workflow, model = plan.workflow, case.model
    secrets = SecretValues()
    variables = {**workflow.variables, **model.variables}
    secrets.note(workflow.secrets, {"variables": variables, "env": {**workflow.env, **model.env}})
    return secrets.redactor


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


def _real(case: Case, executor: Executor | None, stack: ExitStack) -> RealRunner:
    """The runner of real calls; around them Ctrl-C waits for the engine."""
    runner = RealRunner(None if case.model.http else executor)
    stack.enter_context(runner.interrupts)
    return runner


@contextmanager
def _answering(case: Case, book: StubBook) -> Iterator[None]:
    """Answer HTTP from the case; `SourceError` at its place where the libraries are missing."""
    with ExitStack() as stack:
        try:
            stack.enter_context(answering(book.respond))
        except HighwayError as error:
            raise SourceError([case.origin.fault(("http",), str(error), key=True)]) from error
        yield


def _checked(case: Case, plan: Plan, registry: Registry) -> Case:
    """The case with its scripts; one that got them at collection has been checked there."""
    if case.scripts is not None:
        return case
    declared = Declared.by(plan.document)
    assert declared is not None
    declared.plan = plan
    case, found = check_case(case, declared, registry)
    if found:
        raise SourceError(found)
    return case


def values_of(fixtures: Mapping[str, object]) -> dict[str, object]:
    """Fixture values as a case's templates may read them: plain data, else their text."""
    values: dict[str, object] = {}
    for name, value in fixtures.items():
        try:
            values[name] = to_plain(value)
        except NotPlain:
            values[name] = str(value)
    return values
