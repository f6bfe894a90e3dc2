"""The shape of a test case (LANGUAGE 6): pydantic models for what stands under `tests:`.

A case is validated after its `params` templates have been rendered, so that a template may stand
where a number is wanted. `fixtures` templates are rendered when the case runs; see `cases`.

Three kinds of values stand in a case: *words* of a closed list (a state, a level), *patterns*
(plain data with matchers, see `matchers`) and *answers* (data that a stub gives, with templates of
its own). The models know the first and let the other two pass. An expectation that expects nothing
is an error everywhere: what cannot fail is a hole in a gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, model_validator

from pytest_highway.clock import parse_duration
from pytest_highway.errors import did_you_mean, listed
from pytest_highway.expressions.values import as_text
from pytest_highway.matching.lines import split_lines
from pytest_highway.matching.matchers import shown
from pytest_highway.reading.policies import Cost, Data, Duration, Environment, Written
from pytest_highway.reading.validation import Strict
from pytest_highway.toolbox.json_body import ABSENT

__all__ = [
    "SIDES",
    "STATUSES",
    "TASK_STATES",
    "Cancel",
    "CaseModel",
    "Expect",
    "ExpectedError",
    "ExpectedTask",
    "HttpEntry",
    "HttpReply",
    "HttpWhen",
    "StubEntry",
    "TestFile",
    "TranscriptModel",
    "Usage",
    "UsageModel",
    "When",
    "check_word",
]

STATUSES = ("success", "failed", "cancelled")
TASK_STATES = ("success", "failed", "timed_out", "skipped", "upstream_failed", "cancelled")
SIDES = ("if_true", "if_false")
LEVELS = ("log", "tasks", "engine")
MODES = ("exact", "subset", "contains", "unordered")


# --- values of several forms ---------------------------------------------------------------------


def check_word(words: tuple[str, ...], value: object) -> str:
    """The value, if it is one of the words; else `ValueError` that lists them."""
    if isinstance(value, str) and value in words:
        return value
    near = did_you_mean(value, words) if isinstance(value, str) else ""
    given = repr(value) if isinstance(value, str) else shown(value)
    raise ValueError(f"{given} is not allowed here; allowed: {listed(words)}{near}")


def _one_of(words: tuple[str, ...]) -> PlainValidator:
    return PlainValidator(lambda value: check_word(words, value))


def _given(value: object) -> object:
    if value is None or value == {} or value == []:
        raise ValueError("expects nothing, so it tests nothing; say what is expected, or remove it")
    return value


def _instant(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise ValueError(f"{value!r} is no date and time; write it as '2026-01-01T00:00:00Z'")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _times(value: object) -> int | None:
    """How often an entry answers; None for any number of times."""
    if value == "any":
        return None
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    raise ValueError(f"{value!r} is no number of answers; allowed: a number from 1, or 'any'")


def _raise(value: object) -> dict[str, str]:
    if isinstance(value, str):
        return {value: ""}
    if isinstance(value, dict) and len(value) == 1:
        ((name, message),) = value.items()
        if not isinstance(message, dict | list):
            return {name: "" if message is None else as_text(message)}
    raise ValueError("expected an exception's name, or a mapping {Name: message}")


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


def _reply(value: object) -> object:
    if not isinstance(value, dict):
        raise ValueError("expected a mapping with status, json, text or headers")
    return value


def _transcript(value: object) -> object:
    return value if isinstance(value, dict) else {"lines": value}


def _lines(value: object) -> list[str] | str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    if isinstance(value, str):
        return value if value == "golden" else split_lines(value)
    raise ValueError("expected a text block, a list of lines, or the word 'golden'")


def _error(value: object) -> object:
    return {"type": value} if isinstance(value, str) else value


def _task(value: object) -> object:
    return value if isinstance(value, dict) else {"status": value}


def _seconds(pattern: object) -> object:
    """A pattern over durations as one over seconds."""
    if isinstance(pattern, dict):
        return {key: each if key == "$any" else _seconds(each) for key, each in pattern.items()}
    return parse_duration(pattern)


def _real(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise ValueError("expected true, or a list of tools")


def _mark(value: object) -> object:
    if isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) == 1:
        return value
    raise ValueError("expected a mark's name, or a mapping {name: arguments}")


def _once(names: list[str]) -> list[str]:
    """Defaults and a case may both request a fixture, which makes one."""
    return list(dict.fromkeys(names))


Pattern = Annotated[object, PlainValidator(lambda value: value)]
Instant = Annotated[datetime, PlainValidator(_instant)]
Times = Annotated[int | None, PlainValidator(_times)]
Raise = Annotated[dict[str, str] | None, BeforeValidator(_raise)]
Given = BeforeValidator(_given)


# --- stubs ---------------------------------------------------------------------------------------


class Usage(Strict):
    """What a stubbed attempt reports to have used."""

    cost: Cost | None = None
    tokens: Annotated[int, Field(ge=0)] = 0


class When(Strict):
    """Which calls an entry answers; each a pattern."""

    args: Pattern = None
    kwargs: Pattern = None


class StubEntry(Strict):
    """One entry of a script: when it answers, how often, and what."""

    when: Annotated[When | None, Given] = None
    times: Times = 1
    answer: Pattern = Field(None, alias="return")
    error: Raise = Field(None, alias="raise")
    call: Literal["real"] | None = None
    exit: int | None = None
    stdout: str = ""
    stderr: str = ""
    outputs: dict[str, Written] = Field(default_factory=dict)
    after: Duration = 0.0
    usage: Usage | None = None
    log: Annotated[list[dict[str, str]], BeforeValidator(_as_list)] = Field(default_factory=list)


class HttpWhen(Strict):
    """Which requests an entry answers; each a pattern, of the headers only what is named."""

    json_body: Pattern = Field(ABSENT, alias="json")
    text: Pattern = None
    headers: Data = Field(default_factory=dict)


class HttpReply(Strict):
    """What an HTTP request is answered with."""

    status: Annotated[int, Field(ge=100, le=599)] = 200
    json_body: Pattern = Field(ABSENT, alias="json")
    text: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_body(self) -> HttpReply:
        if self.json_body is not ABSENT and self.text is not None:
            raise ValueError("an answer has a json or a text, not both")
        return self


class HttpEntry(Strict):
    """One entry of an HTTP script."""

    when: Annotated[HttpWhen | None, Given] = None
    times: Times = 1
    answer: Annotated[HttpReply | None, BeforeValidator(_reply)] = Field(None, alias="return")
    error: Raise = Field(None, alias="raise")
    after: Duration = 0.0


Stubs = dict[str, Annotated[list[StubEntry], Field(min_length=1), BeforeValidator(_as_list)]]
HttpStubs = dict[str, Annotated[list[HttpEntry], Field(min_length=1), BeforeValidator(_as_list)]]


# --- expectations --------------------------------------------------------------------------------


class ExpectedError(Strict):
    """What is expected of the run's error; each a pattern."""

    type: Pattern = None
    message: Pattern = None
    task: Pattern = None


class ExpectedTask(Strict):
    """What is expected of one task's end."""

    status: Annotated[str | None, _one_of(TASK_STATES)] = None
    attempts: Pattern = None
    reason: Pattern = None
    replaced_by: Pattern = None


class UsageModel(Strict):
    """What is expected of the run's usage; each a number or a matcher."""

    cost: Pattern = None
    tokens: Pattern = None
    tool_calls: Pattern = None


class TranscriptModel(Strict):
    """The expected transcript: which level, how lines are matched, and the lines."""

    level: Annotated[Literal["log", "tasks", "engine"], _one_of(LEVELS)] = "tasks"
    match: Annotated[Literal["exact", "subset", "contains", "unordered"], _one_of(MODES)] = "exact"
    lines: Annotated[object, PlainValidator(_lines)]


class Expect(Strict):
    """What a case holds the run against; every key is optional, one at least is needed."""

    status: Annotated[str | None, _one_of(STATUSES)] = None
    error: Annotated[ExpectedError | None, BeforeValidator(_error), Given] = None
    branches: Annotated[Data, Given] = Field(default_factory=dict)
    tasks: Annotated[
        dict[str, Annotated[ExpectedTask, BeforeValidator(_task), Given]],
        Given,
    ] = Field(default_factory=dict)
    calls: Annotated[Data, Given] = Field(default_factory=dict)
    results: Annotated[Data, Given] = Field(default_factory=dict)
    memory: Annotated[Data, Given] = Field(default_factory=dict)
    output: Pattern = None
    usage: Annotated[UsageModel | None, Given] = None
    duration: Annotated[object, PlainValidator(_seconds)] = None
    order: Annotated[list[str], Given] = Field(default_factory=list)
    transcript: Annotated[TranscriptModel | None, BeforeValidator(_transcript), Given] = None


class OutsideEvent(Strict):
    """An event that comes in from outside."""

    at: Duration = 0.0
    name: str
    data: Pattern = None


class BusyLock(Strict):
    """A lock that the world holds at first."""

    held_for: Duration


class Cancel(Strict):
    """When the run is stopped from outside."""

    at: Duration


class CaseModel(Strict):
    """One case, with the params of its id rendered."""

    description: str = ""
    variables: Data = Field(default_factory=dict)
    env: Environment = Field(default_factory=dict)
    marks: list[Annotated[str | Mapping[str, object], PlainValidator(_mark)]] = Field(
        default_factory=list
    )
    fixtures: Annotated[list[str], AfterValidator(_once)] = Field(default_factory=list)
    params: dict[str, Data] = Field(default_factory=dict)
    stubs: Stubs = Field(default_factory=dict)
    http: HttpStubs = Field(default_factory=dict)
    real: Annotated[bool | list[str], PlainValidator(_real)] = False
    events: list[OutsideEvent] = Field(default_factory=list)
    locks: dict[str, BusyLock] = Field(default_factory=dict)
    cancel: Cancel | None = None
    now: Instant | None = None
    expect: Expect


class TestFile(Strict):
    """A `*.workflow-test.yaml`: cases of a workflow that stands in another file."""

    __test__ = False  # no test class, whatever its name says to pytest

    workflow: str
    tests: dict[str, object] = Field(min_length=1)
    test_defaults: object = None
    metadata: Data = Field(default_factory=dict)
