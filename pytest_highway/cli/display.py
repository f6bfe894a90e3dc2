"""What `highway run` shows while it runs: one line for each thing that happened.

    lint: started
    unit: queued
    lint: success (0.4s)
    unit: started
    unit: attempt 1 failed: CommandFailed: exit code 1; retry in 2s
      | what the process printed
    unit: failed (2.1s): CommandFailed: exit code 1
      | what the process printed
    deploy: upstream_failed (dependency failed: unit)
    run: failed (2.5s): unit: CommandFailed: exit code 1

A task is queued when it has to wait for a place at its tool, a slot or a lock; its time counts from
there. A failed attempt is told with what follows it: a further one, or the end of its task.
Everything is a function of the log, so that a run which is taken up shows what it repeats as well:

    lint: success (from the record)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from pytest_highway.cli.tables import barred
from pytest_highway.clock import shown_duration
from pytest_highway.errors import one_line
from pytest_highway.events import (
    AttemptEnded,
    Event,
    Fault,
    Logged,
    RetryScheduled,
    RunEnded,
    ScopeEntered,
    TaskEnded,
    TaskRepeated,
    TaskStarted,
    WaitOpened,
)
from pytest_highway.secrets import SecretValues
from pytest_highway.tool_context import joined_streams

__all__ = ["PlainDisplay", "printed_by", "seconds_of"]

SHOWN_LINES = 200  # of what a process printed
RECORDED = " (from the record)"
SHOWN_LEVELS = frozenset({"info", "warning", "error"})


def seconds_of(duration: float) -> str:
    """A duration as people read it: to the millisecond below ten seconds, else to a tenth."""
    return shown_duration(round(duration, 3 if duration < 10 else 1))


class PlainDisplay:
    """Lines for a pipe or a file, without what is known of `secrets`.

    What a process printed is shown when it failed, and with `is_verbose` in any case.
    """

    def __init__(self, secrets: SecretValues, *, is_verbose: bool = False) -> None:
        self._secrets = secrets
        self._is_verbose = is_verbose
        self._shown = 0
        self._started: dict[str, float] = {}
        self._failures: dict[str, AttemptEnded] = {}  # the last one of a task that goes on
        self._moved: frozenset[str] = frozenset()  # tasks that the events shown now tell more of
        self._queued: set[str] = set()
        self._repeated: set[str] = set()  # tasks that were wholly taken from a record

    def observe(self, log: Sequence[Event]) -> None:
        """Show what is new in the log."""
        new = log[self._shown :]
        self._shown = len(log)
        if new:
            self.show_all(new)

    def show_all(self, events: Sequence[Event]) -> None:
        """Show events that are new: all that happened since the run last had to wait.

        What is repeated has not started now, so all are looked at first.
        """
        self._moved = frozenset(_mover(event) for event in events if type(event) is not TaskStarted)
        self._repeated.update(e.path for e in events if type(e) is TaskRepeated and e.wholly)
        for event in events:
            if (path := _mover(event)) in self._queued:
                self._queued.remove(path)
                if type(event) is not TaskEnded:
                    self.say(f"{path}: started")
            self.show(event)

    def show(self, event: Event) -> None:
        """Show one event, if it is one that is shown."""
        if type(event) is TaskStarted:
            self._started[event.path] = event.at
        text = self.text_of(event)
        if text:
            self.say(f"{event.path or 'run'}: {text}")

    def text_of(self, event: Event) -> str:
        """What is said of an event behind its task, in one line or more; nothing of many."""
        if type(event) is AttemptEnded:
            self._failures[event.path] = event
            return ""
        if type(event) is TaskStarted and event.path not in self._moved:
            self._queued.add(event.path)
            return "queued"
        failure = self._failures.pop(event.path, None)
        printed = "" if failure is None else failure.printed
        if type(event) is TaskEnded and self._is_verbose:
            printed = printed or printed_by(event.value)
        if type(event) is RetryScheduled and failure is not None:
            after = f"retry in {seconds_of(event.delay)}" if event.delay else "retry"
            words = f"attempt {failure.attempt} failed: {failure.fault}; {after}"
        else:
            words = _words_of(event, self._took(event))
        return "\n".join(filter(None, [words, printed]))

    def _took(self, event: Event) -> str:
        """How long a task took, or that it took nothing, as far as either is known."""
        if event.path in self._repeated:
            return RECORDED
        started = self._started.get(event.path)
        return "" if started is None else f" ({seconds_of(event.at - started)})"

    def say(self, line: str) -> None:
        """Print a line, or a text of many."""
        for each in self._lines_of(line):
            click.echo(each)

    def close(self) -> None:
        """Nothing is left on the screen that would have to be taken off."""

    def _lines_of(self, text: str) -> list[str]:
        """A text of ours without secrets; of many lines the others stand behind a bar.

        So no text of a tool can draw on a terminal, nor begin a line as a command of a CI service.
        """
        first, *others = self._secrets.redactor.rendered(text).split("\n")
        if len(others) > SHOWN_LINES:
            others[:-SHOWN_LINES] = [f"... {len(others) - SHOWN_LINES} lines before"]
        return [one_line(first), *(barred("\n".join(others)) if others else ())]


def _mover(event: Event) -> str:
    """The task that an event tells to have done something."""
    return event.owner if type(event) is ScopeEntered else event.path


def _words_of(event: Event, took: str) -> str:
    """What a line says of an event behind its task; empty for one that is not shown."""
    if type(event) is TaskStarted:
        return "" if took == RECORDED else "started"
    if type(event) is TaskEnded:
        return f"{event.status}{took}{_why(event.reason, event.fault, event.path)}"
    if type(event) is RunEnded:
        return f"{event.status} ({seconds_of(event.at)}){_why(event.reason, event.fault)}"
    if type(event) is WaitOpened:
        return f"waits {event.what}"
    if type(event) is Logged and event.level in SHOWN_LEVELS:
        return f"{event.level}: {event.message}"
    return ""


def printed_by(value: object) -> str:
    """What a process printed, by the value of its task; nothing for any other."""
    if not isinstance(value, Mapping) or "exit_code" not in value:
        return ""
    return joined_streams(str(value.get("stdout") or ""), str(value.get("stderr") or ""))


def _why(reason: str, fault: Fault | None, path: str = "") -> str:
    if fault is None:
        return f" ({reason})" if reason else ""
    return f": {fault}" if fault.task in ("", path) else f": {fault.task}: {fault}"
