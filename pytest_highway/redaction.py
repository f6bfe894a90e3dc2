"""A run's log and its result without secrets: what may be stored and printed.

    log --redacted_log--> log          the same events, their texts and values redacted
    log, Redactor, Scrub --> ShownResult

Redacting the log, and not each of its views, is what makes every view safe: transcripts, results,
reports and stored runs are functions of the log that leaves here. The engine, its tools and a
case's expectations go on with real values.

What is structure stays: ids, kinds, states, levels, names of tools. In paths, which hold the keys
of a `foreach`, only what is secret is replaced; keys that become the same are numbered, so that
two iterations stay two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from functools import cached_property
from typing import cast

from pytest_highway.credentials import may_hold_members, may_hold_names
from pytest_highway.events import (
    AttemptEnded,
    BranchesSelected,
    ConditionEvaluated,
    Event,
    EventEmitted,
    Fault,
    HttpRequested,
    LogFormatError,
    Logged,
    MemoryWritten,
    RunEnded,
    ScopeEntered,
    StoodIn,
    TaskEnded,
    ToolCalled,
    WaitOpened,
    decode_log,
    encode_log,
)
from pytest_highway.scrubbing import Scrub
from pytest_highway.secrets import Redactor
from pytest_highway.serialization import to_json
from pytest_highway.transcript import Level, transcript
from pytest_highway.views import RunResult

__all__ = ["ShownResult", "redacted_lines", "redacted_log"]

# What the fields of an event hold: a path, a text, words of the engine's, a fault, a value, or a
# value under the name that another field has.
PATH, TEXT, WORDS, FAULT, VALUE = "path", "text", "words", "fault", "value"
FIELDS: Mapping[type[Event], Mapping[str, str]] = {
    ToolCalled: {"args": VALUE, "kwargs": VALUE},
    HttpRequested: {"key": TEXT},
    Logged: {"message": TEXT},
    MemoryWritten: {"key": TEXT, "value": "key"},
    EventEmitted: {"name": TEXT, "data": "name"},
    AttemptEnded: {"fault": FAULT, "printed": TEXT},
    ConditionEvaluated: {"source": TEXT, "resolved": TEXT},
    BranchesSelected: {"selected": VALUE, "declared": VALUE},
    ScopeEntered: {"owner": PATH},
    WaitOpened: {"what": WORDS},
    TaskEnded: {"reason": WORDS, "fault": FAULT, "value": "result_key", "note": WORDS},
    StoodIn: {"task": PATH, "value": "result_key"},
    RunEnded: {"reason": WORDS, "fault": FAULT, "output": VALUE},
}
ONLY_A_PATH: Mapping[str, str] = {}


def redacted_log(log: Sequence[Event], redactor: Redactor) -> Sequence[Event]:
    """The events without secrets; the log itself when there is none in it."""
    if not redactor.named and not may_hold_members(to_json(log)):
        return log  # Most logs: one search in place of one for each text.
    hiding = _Hiding(redactor, _redacted_paths(log, redactor))
    made = [hiding.event(event) for event in log]
    is_same = all(one is other for one, other in zip(made, log, strict=True))
    return log if is_same else made


def redacted_lines(text: str, redactor: Redactor) -> str:
    """The lines of an encoded log without secrets; any other text is redacted as a text."""
    if not redactor.named and not may_hold_members(text):
        return text
    try:
        log = decode_log(text)
    except LogFormatError:
        return redactor.text(text)
    shown = redacted_log(log, redactor)
    return text if shown is log else encode_log(shown)


def _redacted_paths(log: Sequence[Event], redactor: Redactor) -> dict[str, str]:
    """The paths that change, each with what is shown of it.

    A path begins like that of its scope, whose own may have been numbered.
    """
    paths = dict.fromkeys(event.path for event in log)
    texts = {path: redactor.rendered(path) for path in paths}
    if all(path == text for path, text in texts.items()):
        return {}
    scopes = {event.path for event in log if type(event) is ScopeEntered}
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for path in sorted(paths, key=len):
        around = _scope_of(path, scopes)
        inside = path[len(around) :]
        text = wanted = shown.get(around, "") + redactor.rendered(inside)
        number = 1
        while text in taken:
            number += 1
            text = f"{wanted}~{number}"
        taken.add(text)
        shown[path] = text
    return shown


def _scope_of(path: str, scopes: Set[str]) -> str:
    """The innermost of these scopes that a path lies in, or an empty text."""
    end = path.rfind("/")
    while end > 0 and path[:end] not in scopes:
        end = path.rfind("/", 0, end)
    return path[: max(end, 0)]


class _Hiding:
    """Redacts the fields of events."""

    def __init__(self, redactor: Redactor, paths: Mapping[str, str]) -> None:
        self._redactor = redactor
        self._paths = paths

    def event(self, event: Event) -> Event:
        """The event, or a copy in which what is secret is replaced."""
        changes: dict[str, object] = {}
        for field, kind in FIELDS.get(type(event), ONLY_A_PATH).items():
            value = getattr(event, field)
            shown = self._shown(event, kind, value)
            if shown is not value and shown != value:
                changes[field] = shown
        path = self._paths.get(event.path, event.path)
        if path != event.path:
            changes["path"] = path
        # Each field gets what it holds, by FIELDS.
        return event._replace(**changes) if changes else event  # type: ignore[arg-type]

    def _shown(self, event: Event, kind: str, value: object) -> object:
        if kind == VALUE:
            return self._redactor.value(value)
        if kind == TEXT:
            return self._redactor.text(cast("str", value))
        if kind == WORDS:
            return self._redactor.rendered(cast("str", value))
        if kind == PATH:
            return self._paths.get(cast("str", value), value)
        if kind == FAULT:
            return self._fault(cast("Fault | None", value))
        return self._redactor.value(value, cast("str", getattr(event, kind)))

    def _fault(self, fault: Fault | None) -> Fault | None:
        if fault is None:
            return None
        task = self._paths.get(fault.task, fault.task)
        return fault._replace(message=self._redactor.text(fault.message), task=task)


class ShownResult(RunResult):
    """A result as it may be stored and printed: without secrets, its transcript scrubbed.

    The log is redacted when something asks for it, a transcript only where it may hold a secret:
    most cases have none and pay for a few searches.
    """

    def __init__(
        self, log: Sequence[Event], redactor: Redactor, scrub: Scrub | None = None
    ) -> None:
        super().__init__(log)
        self._redactor = redactor
        self._scrub = scrub

    @cached_property
    def _shown_log(self) -> Sequence[Event]:
        return redacted_log(self._log, self._redactor)

    @property
    def log(self) -> Sequence[Event]:
        """The redacted log."""
        return self._shown_log

    @property
    def hides(self) -> bool:
        """Whether anything was redacted."""
        return self._shown_log is not self._log

    def scrubbed(self, text: str) -> str:
        """A text scrubbed as the transcript is, with the numbers that it has there."""
        if self._scrub is None:
            return text
        lines = text.split("\n")
        return "\n".join(self._scrub([*self._lines("tasks"), *lines])[-len(lines) :])

    def _render(self, level: Level) -> list[str]:
        lines = self._lines(level)
        return lines if self._scrub is None else self._scrub(lines)

    def _lines(self, level: Level) -> list[str]:
        lines = transcript(self._log, level)
        is_clean = not self._redactor.named and not may_hold_names("\n".join(lines))
        return lines if is_clean or not self.hides else transcript(self.log, level)
