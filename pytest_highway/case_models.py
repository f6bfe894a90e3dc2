"""The shape of a test case (LANGUAGE 6): pydantic models for what stands under `tests:`.

A case is validated after its `params` templates have been rendered, so that a template may stand
where a number is wanted. `fixtures` templates are rendered when the case runs; see `cases`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainValidator

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.lines import split_lines
from pytest_highway.models import Cost, Data, Duration, Environment, Strict

__all__ = [
    "ANSWER_WORDS",
    "Cancel",
    "CaseModel",
    "Expect",
    "ExpectedError",
    "ExpectedTask",
    "HttpReply",
    "StubEntry",
    "TestFile",
    "TranscriptModel",
    "UsageModel",
]

STATUSES = ("success", "failed", "cancelled")
TASK_STATES = ("success", "failed", "timed_out", "skipped", "upstream_failed", "cancelled")
LOG_LEVELS = ("debug", "info", "warning", "error")

# Each stub says exactly one of these; stdout and stderr go with `exit`.
ANSWER_WORDS = ("return", "raise", "call", "exit")


def _word(words: tuple[str, ...], value: object) -> str:
    if isinstance(value, str) and value in words:
        return value
    near = did_you_mean(value, words) if isinstance(value, str) else ""
    raise ValueError(f"{value!r} is not allowed here; allowed: {listed(words)}{near}")


def _status(value: object) -> str:
    return _word(STATUSES, value)


def _task_state(value: object) -> str:
    return _word(TASK_STATES, value)


def _instant(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise ValueError(f"{value!r} is no date and time; write it as '2026-01-01T00:00:00Z'")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _times(value: object) -> object:
    if value == "any" or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
        return value
    raise ValueError(f"{value!r} is no number of answers; allowed: a number from 1, or 'any'")


def _raise(value: object) -> dict[str, str]:
    if isinstance(value, str):
        return {value: ""}
    if isinstance(value, dict) and len(value) == 1:
        (name, message), *_ = value.items()
        return {name: "" if message is None else str(message)}
    raise ValueError("expected an exception's name, or a mapping {Name: message}")


def _log(value: object) -> list[dict[str, str]]:
    entries = value if isinstance(value, list) else [value]
    for each in entries:
        if not isinstance(each, dict) or not all(isinstance(text, str) for text in each.values()):
            raise ValueError("expected {level: text} or a list of such mappings")
        for level in each:
            _word(LOG_LEVELS, level)
    return entries


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


Pattern = Annotated[object, PlainValidator(lambda value: value)]
Instant = Annotated[datetime, PlainValidator(_instant)]
ABSENT = object()


class Usage(Strict):
    """What a stubbed attempt reports to have used."""

    cost: Cost | None = None
    tokens: Annotated[int, Field(ge=0)] = 0


class When(Strict):
    """Which calls an entry answers."""

    args: Pattern = None
    kwargs: Pattern = None


class StubEntry(Strict):
    """One entry of a script: when it answers, how often, and what."""

    when: When | None = None
    times: Annotated[object, PlainValidator(_times)] = None
    answer: Pattern = Field(None, alias="return")
    error: Annotated[dict[str, str] | None, BeforeValidator(_raise)] = Field(None, alias="raise")
    call: Literal["real"] | None = None
    exit: int | None = None
    stdout: str = ""
    stderr: str = ""
    after: Duration = 0.0
    usage: Usage | None = None
    log: Annotated[list[dict[str, str]], PlainValidator(_log)] = []


class HttpReply(Strict):
    """What an HTTP request is answered with."""

    status: Annotated[int, Field(ge=100, le=599)] = 200
    json_body: Pattern = Field(ABSENT, alias="json")
    text: str | None = None
    headers: dict[str, str] = {}


class HttpEntry(Strict):
    """One entry of an HTTP script."""

    when: Pattern = None
    times: Annotated[object, PlainValidator(_times)] = None
    answer: HttpReply | None = Field(None, alias="return")
    error: Annotated[dict[str, str] | None, BeforeValidator(_raise)] = Field(None, alias="raise")
    after: Duration = 0.0


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


class ExpectedError(Strict):
    """What is expected of the run's error."""

    type: str | None = None
    message: Pattern = None
    task: str | None = None


class ExpectedTask(Strict):
    """What is expected of one task's end."""

    status: Annotated[str, PlainValidator(_task_state)] | None = None
    attempts: Pattern = None
    reason: Pattern = None
    replaced_by: str | None = None


class UsageModel(Strict):
    """What is expected of the run's usage; each a number or a matcher."""

    cost: Pattern = None
    tokens: Pattern = None
    tool_calls: Pattern = None


class TranscriptModel(Strict):
    """The expected transcript: which level, how lines are matched, and the lines."""

    level: Literal["log", "tasks", "engine"] = "tasks"
    match: Literal["exact", "subset", "contains", "unordered"] = "exact"
    lines: Annotated[object, PlainValidator(_lines)]


class Expect(Strict):
    """What a case holds the run against; every key is optional, one at least is needed."""

    status: Annotated[str, PlainValidator(_status)] | None = None
    error: Annotated[ExpectedError, BeforeValidator(_error)] | None = None
    branches: Data = {}
    tasks: dict[str, Annotated[ExpectedTask, BeforeValidator(_task)]] = {}
    calls: Data = {}
    results: Data = {}
    memory: Data = {}
    output: Pattern = None
    usage: UsageModel | None = None
    duration: Pattern = None
    order: list[str] = []
    transcript: Annotated[TranscriptModel, BeforeValidator(_transcript)] | None = None


class CaseModel(Strict):
    """One case, with the params of its id rendered."""

    description: str = ""
    variables: Data = {}
    env: Environment = {}
    marks: list[str | Data] = []
    fixtures: list[str] = []
    params: dict[str, Data] = {}
    stubs: Data = {}
    http: Data = {}
    real: Literal[True] | list[str] = []
    events: list[OutsideEvent] = []
    locks: dict[str, BusyLock] = {}
    cancel: Cancel | None = None
    now: Instant | None = None
    expect: Expect


class TestFile(Strict):
    """A `*.workflow-test.yaml`: cases of a workflow that stands in another file."""

    __test__ = False  # no test class, whatever its name says to pytest

    workflow: str
    tests: dict[str, object] = Field(min_length=1)
    test_defaults: object = None
    metadata: Data = {}
