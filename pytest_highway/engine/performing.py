"""Performing effects: what the engine does for an operator that yields one (see `effects`)."""

from __future__ import annotations

from collections.abc import Callable

from pytest_highway.clock import shown_duration
from pytest_highway.engine.agenda import Agenda
from pytest_highway.engine.calls import Calls
from pytest_highway.engine.effects import (
    Answer,
    Attempt,
    AwaitEvent,
    CancelOpen,
    Choose,
    Effect,
    Enter,
    EnterFile,
    Expire,
    Join,
    Pause,
    Record,
    Repeat,
    Select,
    Sleep,
    TakeLock,
    TimedOut,
)
from pytest_highway.engine.endings import Endings, is_open
from pytest_highway.engine.frame import ExecutionFrame, RunServices, ScopeRun
from pytest_highway.engine.mailbox import Mailbox
from pytest_highway.engine.rules import turned_away_members
from pytest_highway.engine.sections import Sections
from pytest_highway.engine.stops import Stops
from pytest_highway.events import (
    ConditionEvaluated,
    EventEmitted,
    MemoryWritten,
    RetryScheduled,
    ScopeEntered,
)
from pytest_highway.planning.plan import Plan

__all__ = ["PERFORM", "Performer"]


class Performer:
    """Performs the effects of all operators of one run, by the table `PERFORM`."""

    def __init__(
        self,
        services: RunServices,
        agenda: Agenda,
        endings: Endings,
        stops: Stops,
        calls: Calls,
        mailbox: Mailbox,
        sections: Sections,
        limit: Callable[[Plan, ScopeRun], None],
    ) -> None:
        self._services = services
        self._agenda = agenda
        self._endings = endings
        self._stops = stops
        self._calls = calls
        self._mailbox = mailbox
        self._sections = sections
        self._limit = limit

    def _attempt(self, frame: ExecutionFrame, effect: Attempt) -> bool:
        self._calls.attempt(frame, effect)
        return True

    def _pause(self, frame: ExecutionFrame, effect: Pause) -> bool:
        now = self._services.now()
        self._services.log.append(RetryScheduled(now, frame.path, effect.number, effect.seconds))
        frame.pending = effect
        self._agenda.deliver(effect.seconds, frame, effect, None)
        return True

    def _sleep(self, frame: ExecutionFrame, effect: Sleep) -> bool:
        frame.pending = effect
        if effect.poll:
            self._agenda.look_again(effect.seconds, frame, effect, effect.poll)
        else:
            self._agenda.deliver(effect.seconds, frame, effect, None)
        return True

    def _expire(self, frame: ExecutionFrame, effect: Expire) -> bool:
        self._agenda.after(effect.seconds, lambda: self._stops.expire(frame, effect.seconds))
        return False

    def _take_lock(self, frame: ExecutionFrame, effect: TakeLock) -> bool:
        self._sections.take(frame, effect)
        return True

    def _choose(self, frame: ExecutionFrame, effect: Choose) -> bool:
        node, run = frame.node, frame.run
        target = node.targets[0 if effect.value else 1]
        run.chosen[node.index] = target
        assert node.condition is not None
        self._services.log.append(
            ConditionEvaluated(
                self._services.now(),
                frame.path,
                node.condition.source,
                effect.resolved,
                effect.value,
                "if_true" if effect.value else "if_false",
                "" if target is None else run.scope.nodes[target].id,
            )
        )
        return False

    def _select(self, frame: ExecutionFrame, effect: Select) -> bool:
        node, run = frame.node, frame.run
        chosen = frozenset(each for name in effect.branches for each in node.branches[name])
        run.selected[node.index] = chosen
        run.ran[node.index] = effect.branches
        run.open[node.index] = sum(is_open(run, each) for each in node.members)
        frame.pending = effect
        away = turned_away_members(run, node, "live", ())
        self._endings.spread(run, [(each, None if each in chosen else no) for each, no in away])
        if not run.open[node.index]:
            self._agenda.answer(frame, effect, None)
        return True

    def _enter(self, frame: ExecutionFrame, effect: Enter) -> bool:
        self._enter_scope(frame, ScopeRun.of_iteration(frame, effect))
        return False

    def _enter_file(self, frame: ExecutionFrame, effect: EnterFile) -> bool:
        run = ScopeRun.of_file(frame, effect)
        nested = frame.node.nested
        assert nested is not None
        if self._services.secrets is not None:
            self._services.secrets.note(nested.workflow.secrets, run.roots)
        self._limit(nested, run)
        self._enter_scope(frame, run)
        return False

    def _enter_scope(self, frame: ExecutionFrame, run: ScopeRun) -> None:
        frame.enter(run)
        path = run.prefix.removesuffix("/")
        self._services.log.append(ScopeEntered(self._services.now(), path, frame.path, run.number))
        self._endings.enter(run)

    def _join(self, frame: ExecutionFrame, effect: Join) -> bool:
        frame.pending = effect
        if frame.entered.done:
            self._agenda.answer(frame, effect, None)
        return True

    def _cancel_open(self, frame: ExecutionFrame, effect: CancelOpen) -> bool:
        self._stops.stop_iterations(frame, effect.reason)
        return False

    def _record(self, frame: ExecutionFrame, effect: Record) -> bool:
        self._services.log.append(effect.kind(self._services.now(), frame.path, *effect.fields))
        return False

    def _repeat(self, frame: ExecutionFrame, effect: Repeat) -> bool:
        actor = frame.run.actor(frame.node)
        memory, log = self._services.memory, self._services.log
        for place, recorded in enumerate(effect.events):
            event = recorded._replace(at=self._services.now())
            if type(event) is EventEmitted:
                self._mailbox.put(event, is_open=place in effect.kept)
                continue
            log.append(event)
            if type(event) is MemoryWritten:
                if event.amount is None:
                    memory.write(event.key, event.value, actor)
                else:
                    memory.add(event.key, event.amount, actor)
            else:
                self._calls.account(frame, event)
        return False

    def _await_event(self, frame: ExecutionFrame, effect: AwaitEvent) -> bool:
        if not self._mailbox.open(frame, effect) and effect.timeout is not None:
            text = f"no event {effect.name!r} within {shown_duration(effect.timeout)}"
            self._agenda.deliver(effect.timeout, frame, effect, Answer(error=TimedOut(text)))
        return True


# How to perform each effect; true tells that the operator now waits. Each takes the effect that it
# is listed under.
PERFORM: dict[type[Effect], Callable[..., bool]] = {
    Attempt: Performer._attempt,
    Pause: Performer._pause,
    Choose: Performer._choose,
    Select: Performer._select,
    Enter: Performer._enter,
    EnterFile: Performer._enter_file,
    Join: Performer._join,
    CancelOpen: Performer._cancel_open,
    Sleep: Performer._sleep,
    Expire: Performer._expire,
    TakeLock: Performer._take_lock,
    AwaitEvent: Performer._await_event,
    Record: Performer._record,
    Repeat: Performer._repeat,
}
