"""Entries: one call of a real tool and how it ended, as plain data.

    Call, Answer --entry_of--> Entry --redacted--> Entry, as it is kept
    Entry, Call --perform--> Answer

An entry is found by its key alone, the path of the task and the attempt: `fetch`, `loop[2]/fetch`,
and `fetch#2` for a second attempt. Its arguments are compared and never searched by. A call ends
in one of three ways:

    return    a value
    raise     {type, message}, where `type` is what `raise` of a stub takes; `name` is that of a
              class which cannot be imported, `type` then the nearest of its bases that can
    stopped   the call was stopped before it ended; a text says what became of it

`during` is what the tool did to the run meanwhile, in its order, each a mapping of one word:

    info debug …    a text that it logged            emit    {name: data} of an event
    usage           {cost, tokens}                   set     {key: value} in the run's memory
                                                     add     {key: number} to the run's memory
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol, TypeGuard, cast, get_args

from pytest_highway.engine.effects import Answer
from pytest_highway.errors import HighwayError, did_you_mean, listed
from pytest_highway.events import Event, EventEmitted, Logged, MemoryWritten, UsageAdded
from pytest_highway.exceptions import find_exception
from pytest_highway.expressions.template import copy_data
from pytest_highway.matching.matchers import escaped, mismatches
from pytest_highway.planning.plan import Loc
from pytest_highway.runners.executors import Stopped
from pytest_highway.runners.raised import stand_in
from pytest_highway.serialization import to_plain
from pytest_highway.tool_context import LogLevel, parse_usage
from pytest_highway.tools import Registry

if TYPE_CHECKING:
    from pytest_highway.engine.call import Call

__all__ = [
    "Deck",
    "Entry",
    "Redact",
    "Tape",
    "TapeFault",
    "TapeUse",
    "Word",
    "answer_differences",
    "answer_of",
    "call_differences",
    "deed_fault",
    "entry_of",
    "key_of",
    "perform",
    "raised_class",
    "redacted",
    "shown_key",
]

# Takes any plain data that is to be kept and gives what may be kept of it, in the same shape. What
# it gave before it gives again as it is.
Redact = Callable[[object], object]
Word = Literal["return", "raise", "stopped"]
Deed = Mapping[str, object]

NO_TOOLS: Final = Registry()


@dataclass(frozen=True, slots=True)
class Entry:
    """One call and how it ended; `seconds` is how long it took."""

    key: str
    tool: str
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    during: Sequence[Deed] = ()
    word: Word = "stopped"
    outcome: object = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Tape:
    """All entries of one case, by key, and whose they are: a workflow file's name and the case."""

    workflow: str
    case: str
    calls: Mapping[str, Entry]


class TapeFault(NamedTuple):
    """Why a run and its tape do not fit: a sentence, and lines to read below it."""

    message: str
    lines: Sequence[str] = ()


def _unchanged(value: object) -> object:
    return value


@dataclass(frozen=True, slots=True)
class TapeUse:
    """What a run does with a tape: it answers from `tape`, or `records` what real tools answer.

    With both, the real tools are called and held against the tape. Tools with effect `write` are
    called only where that `allows_effects`. What is kept and compared has passed `redact`.
    """

    tape: Tape | None
    records: bool = False
    allows_effects: bool = False
    redact: Redact = _unchanged


class Deck(Protocol):
    """A runner of a tape, as whoever made it sees it once the run has ended."""

    def finish(self, paths: Sequence[str]) -> tuple[list[TapeFault], Mapping[str, Entry] | None]:
        """What does not fit, and what is to be kept, if anything, in the order of these tasks."""


def key_of(call: Call) -> str:
    """The key of a call's entry."""
    # The id of a task that calls a tool has no `#`, so that no two calls have one key.
    return call.path if call.attempt == 1 else f"{call.path}#{call.attempt}"


def entry_of(call: Call) -> Entry:
    """The entry of a call that has not ended yet, as if it had been stopped."""
    args = cast("list[object]", to_plain(call.args))
    return Entry(key_of(call), call.tool.name, args, cast("Deed", to_plain(call.kwargs)))


def answer_of(entry: Entry, call: Call, answer: Answer, seconds: float) -> Entry:
    """The entry of a call that has ended like this."""
    word: Word = "return"
    outcome = answer.value
    if type(answer.error) is Stopped:
        word, outcome = "stopped", str(answer.error)
    elif answer.error is not None:
        word, outcome = "raise", _raised(answer.error)
    deeds = tuple(_deeds(call.records))
    return replace(entry, during=deeds, word=word, outcome=outcome, seconds=seconds)


def redacted(entry: Entry, redact: Redact) -> Entry:
    """The entry as it may be kept: every part of it that is a user's has passed `redact`.

    The one place where that happens, for what is saved and for what is compared with it.
    """
    outcome = entry.outcome
    if entry.word == "raise":
        fault = cast("Deed", outcome)
        outcome = {**fault, "message": redact(fault["message"])}
    else:
        outcome = redact(outcome)
    return replace(
        entry,
        key=cast("str", redact(entry.key)),
        args=cast("list[object]", redact(entry.args)),
        kwargs=cast("Deed", redact(entry.kwargs)),
        during=tuple(_redacted_deed(each, redact) for each in entry.during),
        outcome=outcome,
    )


def _redacted_deed(deed: Deed, redact: Redact) -> Deed:
    # Amounts of usage are no secrets, and `tokens` might be taken for the name of one.
    return {word: what if word in ("usage", "add") else redact(what) for word, what in deed.items()}


# --- what a tool did meanwhile -------------------------------------------------------------------


def _deeds(records: Iterable[Event]) -> Iterator[Deed]:
    for record in records:
        if isinstance(record, Logged):
            yield {record.level: record.message}
        elif isinstance(record, UsageAdded):
            yield {"usage": {"cost": record.cost, "tokens": record.tokens}}
        elif isinstance(record, EventEmitted):
            yield {"emit": {record.name: record.data}}
        elif isinstance(record, MemoryWritten):
            amount = record.amount
            yield (
                {"set": {record.key: record.value}}
                if amount is None
                else {"add": {record.key: amount}}
            )


def _log(level: LogLevel, call: Call, what: object) -> None:
    call.log(level, cast("str", what))


def _use(call: Call, what: object) -> None:
    call.add_usage(*parse_usage(**cast("Mapping[str, object]", what)))


def _emit(call: Call, what: object) -> None:
    call.emit(*_only(what))


def _set(call: Call, what: object) -> None:
    call.memory.write(*_only(what))


def _add(call: Call, what: object) -> None:
    key, amount = _only(what)
    call.memory.add(key, cast("float", amount))


def _only(what: object) -> tuple[str, object]:
    ((key, value),) = cast("Mapping[str, object]", what).items()
    return key, copy_data(value)


def _is_text(what: object) -> bool:
    return isinstance(what, str)


def _is_pair(what: object) -> TypeGuard[Mapping[str, object]]:
    return isinstance(what, Mapping) and len(what) == 1


def _is_addition(what: object) -> bool:
    return _is_pair(what) and all(type(each) in (int, float) for each in what.values())


def _is_usage(what: object) -> bool:
    try:
        parse_usage(**cast("Mapping[str, object]", what))
    except (TypeError, HighwayError):
        return False
    return True


class DeedKind(NamedTuple):
    """One word of `during`: how it is done again, what it takes, and whether something is that."""

    do: Callable[[Call, object], None]
    takes: str
    fits: Callable[[object], bool]


DEEDS: Final[Mapping[str, DeedKind]] = {
    **{level: DeedKind(partial(_log, level), "a text", _is_text) for level in get_args(LogLevel)},
    "usage": DeedKind(_use, "{cost, tokens}", _is_usage),
    "emit": DeedKind(_emit, "{name: data}", _is_pair),
    "set": DeedKind(_set, "{key: value}", _is_pair),
    "add": DeedKind(_add, "{key: number}", _is_addition),
}


def deed_fault(deed: object) -> str:
    """What is wrong with one element of `during`, or nothing."""
    if not _is_pair(deed):
        return f"expected a mapping of one word; there are {listed([*DEEDS], 9)}"
    ((word, what),) = deed.items()
    kind = DEEDS.get(word)
    if kind is None:
        return f"unknown word {word!r}; there are {listed([*DEEDS], 9)}{did_you_mean(word, DEEDS)}"
    return "" if kind.fits(what) else f"{word!r} takes {kind.takes}"


def perform(entry: Entry, call: Call) -> Answer:
    """Do to the run what the tool did to it, and answer as it did."""
    try:
        for deed in entry.during:
            for word, what in deed.items():
                DEEDS[word].do(call, what)
    except HighwayError as error:  # two tasks use one key of memory by now
        return Answer(error=error)
    if entry.word == "raise":
        return Answer(error=_made(cast("Mapping[str, str]", entry.outcome)))
    return Answer(copy_data(entry.outcome))


# --- exceptions ----------------------------------------------------------------------------------


def _raised(error: Exception) -> dict[str, object]:
    """An exception as data."""
    name = type(error).__name__
    # At the latest `Exception` is found.
    base, place = next(
        (base, place)
        for base in type(error).__mro__
        for place in (base.__name__, f"{base.__module__}:{base.__qualname__}")
        if _is_named(base, place)
    )
    own_name = {} if base.__name__ == name else {"name": name}
    return {"type": place, "message": str(error), **own_name}


def _is_named(kind: type, place: str) -> bool:
    try:
        # Without the tools: what a bare name means must not depend on which ones there are.
        return find_exception(place, NO_TOOLS) is kind
    except HighwayError:
        return False


def raised_class(place: str) -> type[Exception]:
    """The class that the `type` of an exception names; HighwayError when there is none."""
    return find_exception(place, NO_TOOLS)


def _made(fault: Mapping[str, str]) -> Exception:
    kind = raised_class(fault["type"])
    # Never by its own constructor, which may want more than a text, or add to it.
    return stand_in(fault.get("name", kind.__name__), kind, fault["message"])


# --- differences ---------------------------------------------------------------------------------


def call_differences(kept: Entry, made: Entry) -> list[str]:
    """Where a call that is made is not the one on the tape."""
    if kept.tool != made.tool:
        return [f"tool: expected {kept.tool!r}, got {made.tool!r}"]
    return [
        *_differences("args", kept.args, made.args),
        *_differences("kwargs", kept.kwargs, made.kwargs),
    ]


def answer_differences(kept: Entry, made: Entry) -> list[str]:
    """Where a call does not end as it does on the tape; how long it took is not looked at."""
    found = _differences("during", kept.during, made.during)
    if kept.word != made.word:
        return [*found, f"expected {_shown_end(kept)}, got {_shown_end(made)}"]
    return [*found, *_differences(kept.word, kept.outcome, made.outcome)]


def _shown_end(entry: Entry) -> str:
    if entry.word == "raise":
        fault = cast("Mapping[str, str]", entry.outcome)
        return f"{fault.get('name', fault['type'])}: {fault['message']}"
    return {"return": "a value", "stopped": "to be stopped"}[entry.word]


def _differences(name: str, kept: object, made: object) -> list[str]:
    found = mismatches(escaped(to_plain(kept)), to_plain(made))
    return [f"{name}{_shown_loc(each.loc)}: {each.message}" for each in found]


def _shown_loc(loc: Loc) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)


def shown_key(entry: Entry) -> str:
    """A call for messages: its key and its tool."""
    return f"{entry.key!r} ({entry.tool})"
