"""Tapes as text: YAML that a person can read, review and mend by hand.

    # What tools answered in this case when it was recorded; none of them is called in a replay.
    # Record again: pytest 'workflows/todo.yaml::happy' --highway-tape=rerecord
    tape: 1                        the version of this form
    workflow: todo.yaml            whose tape it is
    case: happy
    calls:
      fetch:                       the key, see `entries`
        tool: tools.fetch.get
        args: ["https://api.test/1"]
        return: {status: 200}      or raise, or stopped
        seconds: 0.104

What is written is read back and compared first. A tape that was changed by hand is as good as any
while it reads as one; everything wrong with it is told at its place, all at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Annotated, Final, cast

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from pytest_highway.editing.edit import rendered
from pytest_highway.editing.text import double_quoted
from pytest_highway.errors import HighwayError, SourceError
from pytest_highway.reading.document import parse
from pytest_highway.reading.validation import Strict, validate_model
from pytest_highway.serialization import to_json
from pytest_highway.tapes.entries import Entry, Tape, Word, deed_fault, raised_class

__all__ = ["parse_tape", "tape_text"]

VERSION: Final = 1
HEADER: Final = (
    "# What tools answered in this case when it was recorded; none of them is called in a replay."
)


# --- writing -------------------------------------------------------------------------------------


def tape_text(tape: Tape, command: str) -> str:
    """A tape as the text of its file; `command` is what records it again.

    HighwayError naming the call that no file can hold.
    """
    shown = command if command.isprintable() else double_quoted(command)
    head = f"{HEADER}\n# Record again: {shown}\n"
    body, why = _checked(tape, tape.calls.values())
    if why:
        raise HighwayError(_named_fault(tape, why))
    return head + body


def _named_fault(tape: Tape, why: str) -> str:
    """Why a tape cannot be kept, with the call that it is because of."""
    for entry in tape.calls.values():
        own = _checked(tape, [entry])[1]
        if own:
            return f"the call {entry.key!r} ({entry.tool}) cannot be kept: {own}"
    return f"the calls cannot be kept: {why}"  # all of them together are too large


def _checked(tape: Tape, entries: Iterable[Entry]) -> tuple[str, str]:
    """The text of these calls, and why it cannot be read as it is written."""
    calls = {entry.key: _written(entry) for entry in entries}
    head = {"tape": VERSION, "workflow": tape.workflow, "case": tape.case}
    try:
        text = rendered({**head, "calls": calls}, 0) + "\n"
        read = parse_tape(text, "tape").calls
    except SourceError as error:
        return "", error.diagnostics[0].message
    except ValueError as error:
        return "", str(error)
    same = [to_json(_written(each)) for each in read.values()] == [*map(to_json, calls.values())]
    return (text, "") if same else ("", "it would not be read as it is")


def _written(entry: Entry) -> dict[str, object]:
    """An entry as a mapping, without what is empty."""
    parts: dict[str, object] = {
        "args": list(entry.args),
        "kwargs": dict(entry.kwargs),
        "during": [dict(each) for each in entry.during],
    }
    given = {name: each for name, each in parts.items() if each}
    took = {} if entry.word == "stopped" else {"seconds": entry.seconds}
    return {"tool": entry.tool, **given, entry.word: entry.outcome, **took}


# --- reading -------------------------------------------------------------------------------------

Plain = Annotated[object, PlainValidator(lambda value: value)]


def _deed(value: object) -> object:
    fault = deed_fault(value)
    if fault:
        raise ValueError(fault)
    return value


def _class(value: str) -> str:
    try:
        raised_class(value)
    except HighwayError as error:
        raise ValueError(str(error)) from None
    return value


def _seconds(value: float) -> float:
    if not 0 <= value < math.inf:
        raise ValueError(f"{value!r} is no number of seconds")
    return value


class RaisedModel(Strict):
    """An exception on a tape."""

    type: Annotated[str, AfterValidator(_class)]
    message: str = ""
    name: str | None = None


class CallModel(Strict):
    """One call on a tape."""

    tool: str
    args: list[Plain] = Field(default_factory=list)
    kwargs: dict[str, Plain] = Field(default_factory=dict)
    during: list[Annotated[Plain, AfterValidator(_deed)]] = Field(default_factory=list)
    value: Plain = Field(None, alias="return")
    error: RaisedModel | None = Field(None, alias="raise")
    stopped: str = ""
    seconds: Annotated[float, AfterValidator(_seconds)] = 0.0

    @model_validator(mode="after")
    def _ends_once(self) -> CallModel:
        given = self.model_fields_set & {"value", "error", "stopped"}
        if len(given) != 1 or (self.error is None and "error" in given):
            raise ValueError("a call ends in exactly one of 'return', 'raise', 'stopped'")
        return self

    def entry(self, key: str) -> Entry:
        """The entry of that key."""
        word: Word = "return"
        outcome = self.value
        if self.error is not None:
            word, outcome = "raise", self.error.model_dump(exclude_none=True)
        elif "stopped" in self.model_fields_set:
            word, outcome = "stopped", self.stopped
        during = cast("list[dict[str, object]]", self.during)
        return Entry(
            key, self.tool, self.args, self.kwargs, during, word, outcome, round(self.seconds, 6)
        )


class TapeModel(Strict):
    """A tape's file; its version has been looked at before."""

    tape: int
    workflow: str
    case: str
    calls: dict[str, CallModel]


def parse_tape(content: bytes | str, path: str) -> Tape:
    """The tape in `content`; SourceError with all that is wrong with it. `path` is shown."""
    document = parse(content, path)
    data = document.data
    if not isinstance(data, dict):
        raise SourceError([document.diagnostic((), "the file is no mapping, and so no tape")])
    version = data.get("tape")
    if "tape" in data and version != VERSION:
        message = f"this is a tape of version {version!r}; version {VERSION} can be played"
        raise SourceError([document.diagnostic(("tape",), message)])
    model, found = validate_model(TapeModel, data, document)
    if model is None:
        raise SourceError(found)
    calls = {key: each.entry(key) for key, each in model.calls.items()}
    return Tape(model.workflow, model.case, calls)
