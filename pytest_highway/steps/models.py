"""The shape of a steps file: pydantic models for what it has beside the words of a task.

A step takes every key of a task, and words of its own for most of them. Which words mean the same
stands in tables: two of one row are an error. What a step does is said by exactly one of `DOES`;
`step_def` says it with the words that its type has in `TYPES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import BeforeValidator, Field, PlainValidator

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.reading.models import Task
from pytest_highway.reading.policies import (
    Amount,
    Count,
    Data,
    Environment,
    Expression,
    Limits,
    LockField,
    OnFailure,
    ToolPolicy,
    Written,
)
from pytest_highway.reading.validation import Strict, named
from pytest_highway.steps.shells import POWERSHELL, SHELLS

__all__ = [
    "DEFAULT_TIMEOUT",
    "DOES",
    "STEP_SYNONYMS",
    "TOP_SYNONYMS",
    "TYPES",
    "Globals",
    "Step",
    "StepDef",
    "StepType",
    "StepsFile",
]

DEFAULT_TIMEOUT: Final = 300  # seconds

TOP_SYNONYMS: Final = (("name", "plan_id"), ("variables", "context"))
STEP_SYNONYMS: Final = (
    ("task_id", "id"),
    ("dependencies", "depends_on"),
    ("timeout", "timeout_sec", "timeout_policy"),
    ("retry", "retry_policy", "retries"),
    ("retry", "retry_policy", "retry_delay_sec"),
    ("run_if", "condition"),
)
DOES: Final = ("run", "command", "function", "step_def")


class StepType(NamedTuple):
    """The words of one type of `step_def`: it says exactly one of `does`, and may say `more`."""

    does: tuple[str, ...]
    more: tuple[str, ...] = ()


TYPES: Final[Mapping[str, StepType]] = {
    "command": StepType(("command",), ("args", "cwd", "env", "shell")),
    "shell": StepType(("run", "command", "script"), ("cwd", "env", "shell")),
    "powershell": StepType(("run", "command", "script"), ("cwd", "env")),
    "python": StepType(("code", "module", "file"), ("args", "cwd", "env")),
    "tool": StepType(("tool", "function"), ("args", "kwargs", "env")),
}


def _type(value: object) -> str:
    if isinstance(value, str) and value in TYPES:
        return value
    near = did_you_mean(value, TYPES) if isinstance(value, str) else ""
    raise ValueError(f"{value!r} is no type of a step; allowed: {listed(list(TYPES))}{near}")


def _seconds_alone(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
        return float(value)
    raise ValueError(f"expected a number of seconds, 0 or more, got {named(value)}")


def _command(value: object) -> str | list[str]:
    if isinstance(value, str) and value.strip():
        return value
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return value
    raise ValueError(f"expected a command as text, or a list of texts, got {named(value)}")


def _text(value: object) -> str:
    if isinstance(value, str) and value.strip():
        return value
    what = "a text that is blank" if isinstance(value, str) else named(value)
    raise ValueError(f"expected text, got {what}")


def _shell(value: object) -> bool | str:
    known = (*SHELLS, *POWERSHELL)
    if isinstance(value, bool) or (isinstance(value, str) and value in known):
        return value
    near = did_you_mean(value, known) if isinstance(value, str) else ""
    raise ValueError(f"{value!r} is no shell; allowed: true, false, {listed(known)}{near}")


def _step_failure(value: object) -> object:
    words = ("abort", "skip_dependents", "continue", "fallback_step")
    if not isinstance(value, str) or value in words[:3]:
        return value
    if value == words[3]:
        return "skip_dependents"  # The task itself is named by `fallback_step`.
    near = did_you_mean(value, words)
    raise ValueError(f"{value!r} is not allowed here; allowed: {listed(words)}{near}")


Seconds = Annotated[float, PlainValidator(_seconds_alone)]
Command = Annotated[str | list[str], PlainValidator(_command)]
Text = Annotated[str, PlainValidator(_text)]
Shell = Annotated[bool | str, PlainValidator(_shell)]


class Globals(Strict):
    """What holds for all steps of a plan."""

    max_concurrency: Count | None = None
    default_timeout_sec: Seconds | None = None
    default_retries: Amount | None = None
    max_step_duration_sec: Seconds | None = None
    env: Environment = Field(default_factory=dict)


class StepDef(Strict):
    """What a step does, by its type."""

    type: Annotated[str, PlainValidator(_type)]
    run: Text | None = None
    command: Command | None = None
    script: Text | None = None
    code: Text | None = None
    module: Text | None = None
    file: Text | None = None
    tool: str | None = None
    function: str | None = None
    args: list[object] = Field(default_factory=list)
    kwargs: Data = Field(default_factory=dict)
    cwd: str | None = None
    env: Environment = Field(default_factory=dict)
    shell: Shell | None = None


class Step(Task):
    """One step, with the words of the dialect beside those of a task."""

    id: str | None = None
    name: str = ""
    operator_type: Literal["task"] = "task"
    function: str = ""
    run: Text | None = None
    command: Command | None = None
    step_def: StepDef | None = None
    cwd: str | None = None
    shell: Shell | None = None
    depends_on: list[str] | None = None
    timeout_sec: Seconds | None = None
    retries: Amount | None = None
    retry_delay_sec: Seconds | None = None
    condition: Expression | None = None
    on_failure: Annotated[OnFailure | None, BeforeValidator(_step_failure)] = None


class StepsFile(Strict):
    """A steps file; each step is read by itself, so that one fault hides no other."""

    name: str | None = None
    plan_id: str | None = None
    version: Written = ""
    description: str = ""
    context: Data = Field(default_factory=dict)
    variables: Data = Field(default_factory=dict)
    globals: Globals = Globals()
    env: Environment = Field(default_factory=dict)
    limits: Limits | None = None
    tools: dict[str, ToolPolicy] = Field(default_factory=dict)
    lock: LockField | None = None
    output: object = None
    steps: list[object] = Field(min_length=1)
    tests: dict[str, object] = Field(default_factory=dict)
    test_defaults: object = None
    secrets: list[str] = Field(default_factory=list)
    metadata: Data = Field(default_factory=dict)
