"""Transcripts: the account of a run in lines of text, derived from its log alone (LANGUAGE 6, 8).

Three levels exist:

    log      what tools logged
    tasks    a head line for each task, what it logged, how it failed; the default
    engine   the engine's own account

Lines are in plan order, not in order of time: a task's own lines stand together, tasks stand as
the outline of `RunStarted` lists them. No times, counters or thread names appear, so the same
outcome has the same transcript under every schedule.

At level `tasks` a task reads, with `path` in front of its first line:

    tool(args) -> key                    a call; the key only when the result was stored
    200 == 200 -> if_true: target        a condition
    parallel a, b (not c) -> key         foreach, 3 items   while, 2 iterations
    wait 5m                              wait event 'ok'    workflow other.workflow.yaml
    cached as 'key' -> key               a cache hit
    skipped (why)   cancelled (why)      it did not run
    failed (fault)                       it failed before its call
      info: text                         what it logged
      attempt 1 failed: fault; retry in 2s
      failed: fault                      its end; `timed out: …`, `failed, replaced by x: …`
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from itertools import product, repeat
from typing import Literal

from pytest_highway.clock import shown_duration
from pytest_highway.events import (
    AttemptEnded,
    BranchesSelected,
    ConditionEvaluated,
    Event,
    Fault,
    ItemsListed,
    Logged,
    Outline,
    RetryScheduled,
    RunEnded,
    RunStarted,
    ScopeEntered,
    StoodIn,
    TaskEnded,
    TaskStarted,
    ToolCalled,
    WaitOpened,
)
from pytest_highway.serialization import to_json

__all__ = ["LEVELS", "Level", "task_paths", "transcript"]

Level = Literal["log", "tasks", "engine"]
LEVELS: tuple[Level, ...] = ("log", "tasks", "engine")


class Account:
    """A log as one level tells it, taken apart in one pass.

    `told` are the events that have lines, by path; `replaced` says which fallback stands in for
    which failed task, `entered` lists the iterations of each loop, by its path.
    """

    __slots__ = ("ended", "entered", "replaced", "started", "told")

    def __init__(self, log: Iterable[Event], kinds: Set[type[Event]]) -> None:
        self.told: dict[str, list[Event]] = {}
        self.replaced: dict[str, str] = {}
        self.entered: dict[str, list[tuple[int, str]]] = {}
        self.started: RunStarted | None = None
        self.ended: RunEnded | None = None
        told = self.told
        for event in log:
            kind = type(event)
            if kind in kinds:
                path = event.path
                # Not by `setdefault`, which would make a list for every event and throw most away.
                if path in told:
                    told[path].append(event)
                else:
                    told[path] = [event]
            elif kind in _FRAMING:
                self._note(event)

    def _note(self, event: Event) -> None:
        """Keep what belongs to the run, or tells where tasks stand."""
        if type(event) is ScopeEntered:
            self.entered.setdefault(event.owner, []).append((event.number, event.path))
        elif type(event) is StoodIn:
            self.replaced[event.task] = event.path
        elif type(event) is RunStarted:
            self.started = event
        elif type(event) is RunEnded:
            self.ended = event

    def iterations(self, loop: str) -> list[str]:
        """What stands before the tasks of each iteration, in order of their numbers."""
        return [f"{path}/" for _, path in sorted(self.entered.get(loop, ()))]


_FRAMING = frozenset({RunStarted, RunEnded, ScopeEntered, StoodIn})


def transcript(log: Iterable[Event], level: Level = "tasks") -> list[str]:
    """The lines of a whole run at one level."""
    account = Account(log, _KINDS[level])
    started, ended = account.started, account.ended
    lines = []
    if started is not None:
        lines += _OPENINGS[level](started)
        _add_tasks(lines, _WRITERS[level], started.outline, account)
    if ended is not None:
        lines += _CLOSINGS[level](ended, "" if started is None else started.workflow)
    return lines


def task_paths(log: Iterable[Event]) -> list[str]:
    """The tasks that a run came to, in the order of its transcript."""
    account = Account(log, _KINDS["tasks"])
    paths: list[str] = []
    if account.started is not None:
        _add_tasks(paths, lambda path, *_: [path], account.started.outline, account)
    return paths


def _add_tasks(
    lines: list[str], write: Writer, outline: Sequence[Outline], account: Account
) -> None:
    """Add the lines of all tasks in plan order; a stack of scopes, since bodies may nest deeply."""
    open_scopes: list[Iterator[tuple[str, Outline]]] = [zip(repeat(""), outline, strict=False)]
    while open_scopes:
        for prefix, entry in open_scopes[-1]:
            path = prefix + entry.id
            events = account.told.get(path)
            if events is not None:
                lines += write(path, entry, events, account.replaced)
            if entry.body:
                open_scopes.append(product(account.iterations(path), entry.body))
                break
        else:
            open_scopes.pop()


# --- level log ---------------------------------------------------------------------------------


def _log_lines(
    _path: str, _entry: Outline, events: Sequence[Event], _replaced: Mapping[str, str]
) -> Iterator[str]:
    for event in events:
        if type(event) is Logged and event.level != "trace":
            yield from _message(event, "")


def _message(event: Logged, indent: str) -> list[str]:
    first, *rest = event.message.split("\n")
    return [f"{indent}{event.level}: {first}", *(f"{indent}  {line}" for line in rest)]


# --- level tasks -------------------------------------------------------------------------------

_NOT_RUN = {"skipped": "skipped", "upstream_failed": "skipped", "cancelled": "cancelled"}


def _short_lines(
    name: str, entry: Outline, events: Sequence[Event], replaced: Mapping[str, str]
) -> Iterable[str]:
    if len(events) == 2:
        call, end = events
        if type(call) is ToolCalled and type(end) is TaskEnded and end.status == "success":
            # What nearly all tasks do, and all that is to be said of it.
            return (f"{name}: {_called(call)}{_stored(end)}",)
    return _many_lines(name, entry, events, replaced)


def _many_lines(
    name: str, entry: Outline, events: Sequence[Event], replaced: Mapping[str, str]
) -> Iterator[str]:
    end = _end_of(events)
    head = _head(entry, events, end)
    if head:
        yield f"{name}: {head}"
    failure: AttemptEnded | None = None
    for event in events:
        if type(event) is Logged and event.level != "trace":
            yield from _message(event, "  ")
        elif type(event) is AttemptEnded:
            failure = event
        elif type(event) is RetryScheduled and failure is not None:
            yield _retry_line(failure, event)
    if end is not None:
        yield from _end_line(name, end, bool(head), replaced.get(end.path, ""))


def _retry_line(failure: AttemptEnded, event: RetryScheduled) -> str:
    what = "timed out" if failure.timed_out else "failed"
    after = f"retry in {shown_duration(event.delay)}" if event.delay else "retry"
    return f"  attempt {failure.attempt} {what}: {_fault(failure.fault)}; {after}"


def _head(entry: Outline, events: Sequence[Event], end: TaskEnded | None) -> str:
    """What a task did, in the words of the first event that tells; empty when it did nothing."""
    stored = "" if end is None else _stored(end)
    for event in events:
        write = _HEADS.get(type(event))
        if write is not None:
            return write(event) + ("" if type(event) is ConditionEvaluated else stored)
    if end is not None and (end.note or end.status == "success"):
        return _head_at_end(entry, end) + stored
    return "not called" if any(type(event) is RetryScheduled for event in events) else ""


def _stored(end: TaskEnded) -> str:
    return f" -> {end.result_key}" if end.result_key else ""


def _head_at_end(entry: Outline, end: TaskEnded) -> str:
    """The head of what says only at its end how much it did: a while."""
    value = end.value
    if entry.kind == "while" and isinstance(value, Mapping):
        return f"while, {_counted(value.get('iterations'), 'iteration')}"
    return end.note or entry.kind


def _counted(number: object, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _parallel_head(event: BranchesSelected) -> str:
    selected = frozenset(event.selected)
    left = [name for name in event.declared if name not in selected]
    text = f"parallel {', '.join(event.selected) or 'nothing'}"
    return f"{text} (not {', '.join(left)})" if left else text


def _end_of(events: Sequence[Event]) -> TaskEnded | None:
    return next((event for event in events if type(event) is TaskEnded), None)


def _called(event: ToolCalled) -> str:
    args = event.args
    if len(args) == 1 and not event.kwargs:
        return f"{event.tool}({to_json(args[0])})"
    shown = [to_json(each) for each in args]
    shown += [f"{name}={to_json(each)}" for name, each in event.kwargs.items()]
    return f"{event.tool}({', '.join(shown)})"


def _chosen(event: ConditionEvaluated) -> str:
    target = f": {event.target}" if event.target else ""
    return f"{event.resolved} -> {event.side}{target}"


_HEADS: dict[type[Event], Callable[..., str]] = {
    ToolCalled: _called,
    ConditionEvaluated: _chosen,
    BranchesSelected: _parallel_head,
    ItemsListed: lambda event: f"foreach, {_counted(event.items, 'item')}",
    WaitOpened: lambda event: f"wait {event.what}",
}


def _end_line(name: str, end: TaskEnded, headed: bool, stand_in: str) -> Iterator[str]:
    if end.status in _NOT_RUN:
        what = f"{_NOT_RUN[end.status]} ({end.reason})"
        yield f"  {what}" if headed else f"{name}: {what}"
    elif end.fault is not None:
        what = "timed out" if end.status == "timed_out" else "failed"
        if stand_in:
            what += f", replaced by {stand_in}"
        if headed:
            yield f"  {what}: {_fault(end.fault)}"
        else:
            yield f"{name}: {what} ({_fault(end.fault)})"


def _fault(fault: Fault) -> str:
    """One line, whatever the exception's text holds."""
    return " ".join(str(fault).splitlines())


# --- level engine ------------------------------------------------------------------------------


def _engine_lines(
    name: str, entry: Outline, events: Sequence[Event], _replaced: Mapping[str, str]
) -> Iterator[str]:
    chosen = ""
    for event in events:
        if type(event) is TaskStarted:
            yield f"Orchestrator: Executing task {name}"
            if entry.kind == "task":
                yield f"TaskHandler: Executing task: {name}"
        elif type(event) is ToolCalled:
            yield from _engine_call(event)
        elif type(event) is Logged:
            yield from _engine_message(event)
        elif type(event) is ConditionEvaluated:
            chosen = event.target
            yield f"ConditionHandler: Evaluating '{event.source}'"
            yield f"ConditionHandler: Resolved to '{event.resolved}'. Result: {event.value}"
        elif type(event) is RetryScheduled:
            delay = shown_duration(event.delay)
            yield f"TaskHandler: Retrying task: {name} (attempt {event.attempt}) in {delay}"
        elif type(event) is TaskEnded:
            yield from _engine_end(name, event, chosen)


def _engine_call(event: ToolCalled) -> Iterator[str]:
    if event.guarded:
        yield f"TaskHandler: Getting or creating bulkhead for '{event.tool}'"
        yield f"TaskHandler: Calling {event.tool} via bulkhead..."
    else:
        kwargs = f" kwargs={event.kwargs!r}" if event.kwargs else ""
        yield f"TaskHandler: Calling {event.tool} with args={event.args!r}{kwargs}"


def _engine_message(event: Logged) -> Iterator[str]:
    source = "[HighwayEngine] -"
    if event.level == "trace":
        first, *rest = event.tool.split(".")
        parts = ["tool" if first == "tools" else first, *rest]
        source = f"  [{'.'.join(part.capitalize() for part in parts)}]"
    first, *rest = event.message.split("\n")
    yield f"{source} {first}"
    yield from (f"  {line}" for line in rest)


def _engine_end(name: str, end: TaskEnded, chosen: str) -> Iterator[str]:
    if end.result_key:
        yield f"State: Setting result for key: {end.result_key}"
    if end.status == "success":
        adding = f" Adding '{chosen}' to queue." if chosen else ""
        yield f"Orchestrator: Task {name} completed.{adding}"
    elif end.fault is not None:
        yield f"Orchestrator: Task {name} failed: {_fault(end.fault)}"
    elif end.status == "cancelled":
        yield f"Orchestrator: Task {name} cancelled: {end.reason}"


# --- first and last lines ----------------------------------------------------------------------


def _engine_opening(event: RunStarted) -> list[str]:
    return [
        f"Engine: Loading workflow from: {event.file}",
        f"ToolRegistry loaded with {event.functions} functions.",
        "WorkflowState initialized.",
        "Orchestrator initialized.",
        f"Orchestrator: Starting workflow '{event.workflow}'",
    ]


def _engine_closing(event: RunEnded, workflow: str) -> list[str]:
    word = "finished" if event.status == "success" else event.status
    return [f"Orchestrator: Workflow '{workflow}' {word}."]


def _short_closing(event: RunEnded, _workflow: str) -> list[str]:
    if event.fault is None or event.status != "failed":
        return [f"run: {event.status}"]
    where = f"{event.fault.task}: " if event.fault.task else ""
    return [f"run: failed ({where}{_fault(event.fault)})"]


Writer = Callable[[str, Outline, Sequence[Event], Mapping[str, str]], Iterable[str]]

_WRITERS: dict[Level, Writer] = {"log": _log_lines, "tasks": _short_lines, "engine": _engine_lines}
# The events that the writers look at.
_KINDS: dict[Level, frozenset[type[Event]]] = {
    "log": frozenset({Logged}),
    "tasks": frozenset({*_HEADS, Logged, AttemptEnded, RetryScheduled, TaskEnded}),
    "engine": frozenset(
        {TaskStarted, ToolCalled, Logged, ConditionEvaluated, RetryScheduled, TaskEnded}
    ),
}
_OPENINGS: dict[Level, Callable[[RunStarted], list[str]]] = {
    "log": lambda _event: [],
    "tasks": lambda _event: [],
    "engine": _engine_opening,
}
_CLOSINGS: dict[Level, Callable[[RunEnded, str], list[str]]] = {
    "log": lambda _event, _workflow: [],
    "tasks": _short_closing,
    "engine": _engine_closing,
}
