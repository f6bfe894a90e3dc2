"""The shape of a workflow file: pydantic models, one for each operator (LANGUAGE 1 and 2).

    document --validate--> Workflow

Models say which keys exist and of which type their values are; everything that needs more than
one value at a time (names that must exist, order, arguments) is checked when the plan is compiled.
Types are strict: a number is no text, and nothing is converted in silence. Fields that take
several forms (`retry: 2` or a mapping) are brought to one form by a function beside them, so that
a wrong value gets one sentence and not one for each form.

A task that says nothing unusual is read as a `PlainTask`, which has the same fields; `plain_tasks`
says why.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from typing import Annotated, Literal, TypeAlias

from pydantic import (
    AliasChoices,
    BeforeValidator,
    Discriminator,
    Field,
    GetPydanticSchema,
    PlainValidator,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from pytest_highway.clock import parse_duration
from pytest_highway.errors import did_you_mean, listed
from pytest_highway.reading.plain_tasks import PlainTask, read_plain_task
from pytest_highway.reading.validation import Strict, named

__all__ = [
    "IDENTIFIER",
    "AnyOperator",
    "AnyTask",
    "Breaker",
    "Cache",
    "Condition",
    "Defaults",
    "Fallback",
    "Foreach",
    "Limits",
    "Lock",
    "NestedWorkflow",
    "Operator",
    "OperatorBase",
    "Parallel",
    "Retry",
    "Task",
    "ToolPolicy",
    "Wait",
    "While",
    "Workflow",
    "is_operator",
]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

TRIGGER_RULES = (
    "all_live",
    "all_success",
    "none_failed",
    "none_failed_min_one_success",
    "one_success",
    "all_done",
    "all_failed",
    "one_failed",
    "one_done",
    "none_skipped",
    "all_skipped",
    "all_done_min_one_success",
)
FAILURE_POLICIES = ("skip_dependents", "abort", "continue")


# --- values of several forms -----------------------------------------------------------------


def _one_of(words: Sequence[str], value: object) -> str:
    if isinstance(value, str) and value in words:
        return value
    near = did_you_mean(value, words) if isinstance(value, str) else ""
    raise ValueError(f"{value!r} is not allowed here; allowed: {listed(words, 20)}{near}")


def _text_as_written(value: object) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"expected text or a number, got {named(value)}")


def _expression(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError(f"expected an expression as text, got {named(value)}")


def _expressions(value: object) -> list[str]:
    return [_expression(each) for each in (value if isinstance(value, list) else [value])]


def _retry(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"max_retries": value}
    if isinstance(value, dict):
        return value
    raise ValueError(f"expected a number of retries or a mapping, got {named(value)}")


def _lock(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _on_failure(value: object) -> object:
    if isinstance(value, dict):
        words = [word for word in value if not word.startswith("x-")]
        if words != ["fallback"]:
            raise ValueError(f"expected {{fallback: task id}}, got a mapping with {listed(words)}")
        return value
    return {"policy": _one_of(FAILURE_POLICIES, value)}


def _rule(value: object) -> str:
    return _one_of(TRIGGER_RULES, value)


def _cost(value: object) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"expected an amount of 0 or more, got {named(value)}")
    if 0 <= value < math.inf:
        # Through text: 0.1 is the decimal that the author wrote, so that costs add exactly.
        return Decimal(str(value))
    raise ValueError(f"expected an amount of 0 or more, got {named(value)}")


Duration = Annotated[float, BeforeValidator(parse_duration)]
Expression = Annotated[str, PlainValidator(_expression)]
Expressions = Annotated[list[str], PlainValidator(_expressions)]
Written = Annotated[str, PlainValidator(_text_as_written)]
Rule = Annotated[str, PlainValidator(_rule)]
Count = Annotated[int, Field(ge=1)]
Amount = Annotated[int, Field(ge=0)]
Cost = Annotated[Decimal, PlainValidator(_cost)]
Data = dict[str, object]
Environment = dict[str, str]


# --- policies --------------------------------------------------------------------------------


class Retry(Strict):
    """How often, and after which delays, a failed attempt is made again."""

    max_retries: Amount
    delay: Duration = 0.0
    backoff: float = Field(
        2.0, ge=1, allow_inf_nan=False, validation_alias=AliasChoices("backoff", "backoff_factor")
    )
    max_delay: Duration | None = None
    retry_on: list[str] | None = None

    def pause(self, attempt: int) -> float:
        """Seconds between the failure of `attempt` (from 1) and the next one."""
        ceiling = math.inf if self.max_delay is None else self.max_delay
        try:
            return round(min(self.delay * self.backoff ** (attempt - 1), ceiling), 6)
        except OverflowError:
            return ceiling


class Fallback(Strict):
    """What follows a failure: a policy by name, or a task whose result stands in."""

    policy: str = "skip_dependents"
    fallback: str | None = None


class TimeoutPolicy(Strict):
    """The highway-dsl's form of `timeout`."""

    timeout: Duration
    kill_on_timeout: Literal[True] = True


class Lock(Strict):
    """A named lock and how long to wait for it, in seconds."""

    name: str
    wait: Duration = 600.0


class Cache(Strict):
    """Where a result is kept for later calls, and for how many seconds."""

    key: str
    ttl: Duration | None = None


class Breaker(Strict):
    """A circuit breaker: open after `failures` in a row, for `reset_after` seconds."""

    failures: Count
    reset_after: Duration = 60.0


class ToolPolicy(Strict):
    """Bulkhead and breaker of one tool."""

    max_concurrent: Count | None = None
    max_queue: Amount | None = None
    breaker: Breaker | None = None


class Limits(Strict):
    """What a run may use; a limit that is not given does not exist."""

    max_cost: Cost | None = None
    max_tokens: Amount | None = None
    max_tool_calls: Amount | None = None
    max_duration: Duration | None = None


RetryField = Annotated[Retry, BeforeValidator(_retry)]
LockField = Annotated[Lock, BeforeValidator(_lock)]
OnFailure = Annotated[Fallback, BeforeValidator(_on_failure)]


class Defaults(Strict):
    """Policies for every operator that does not say otherwise."""

    timeout: Duration | None = None
    retry: RetryField | None = None
    on_failure: OnFailure | None = None
    trigger_rule: Rule | None = None


NO_DEFAULTS = Defaults()


# --- operators -------------------------------------------------------------------------------


class OperatorBase(Strict):
    """What every operator takes."""

    task_id: str | None = None
    operator_type: str = "task"
    description: str = ""
    dependencies: list[str] | None = None
    after: list[str] = Field(default_factory=list)
    trigger_rule: Rule | None = None
    skip_if: Expression | None = None
    run_if: Expression | None = None
    timeout: Duration | None = None
    timeout_policy: TimeoutPolicy | None = None
    on_failure: OnFailure | None = None
    fallback_step: str | None = None
    critical: bool = True
    result_key: str | None = None
    is_finally: bool = Field(False, alias="finally")
    lock: LockField | None = None
    metadata: Data = Field(default_factory=dict)
    is_internal_loop_task: bool = False


class Task(OperatorBase):
    """Calls a tool."""

    function: str
    args: list[object] = Field(default_factory=list)
    kwargs: Data = Field(default_factory=dict)
    retry: RetryField | None = None
    retry_policy: RetryField | None = None
    env: Environment = Field(default_factory=dict)
    output_schema: str | Data | None = None
    validations: Expressions = Field(default_factory=list, alias="validate")
    require: Expressions = Field(default_factory=list)
    cache: Cache | None = None
    provides: list[str] = Field(default_factory=list)
    consumes: list[str] = Field(default_factory=list)


class Condition(OperatorBase):
    """Evaluates once and takes at most one edge."""

    condition: Expression
    if_true: str | None = None
    if_false: str | None = None


class Parallel(OperatorBase):
    """Starts the members of its branches together; complete when all are."""

    branches: dict[str, list[BodyItem]]
    select: Annotated[object, PlainValidator(lambda value: value)] = None


class Foreach(OperatorBase):
    """Runs its body once for each item."""

    items: Annotated[object, PlainValidator(lambda value: value)]
    loop_body: list[BodyItem]
    alias: str | None = Field(None, alias="as")
    key: Expression | None = None
    max_concurrency: Count = 1
    on_item_failure: Literal["fail_fast", "collect"] = "fail_fast"
    collect: str | None = None


class While(OperatorBase):
    """Tests before each iteration of its body."""

    condition: Expression
    loop_body: list[BodyItem]
    max_iterations: Count = 1000


class Wait(OperatorBase):
    """Waits for a time, an event or a condition."""

    wait_for: Annotated[object, PlainValidator(lambda value: value)]


class NestedWorkflow(OperatorBase):
    """Runs another file as a nested scope."""

    file: str
    variables: Data = Field(default_factory=dict)


OPERATORS: dict[str, type[OperatorBase]] = {
    "task": Task,
    "condition": Condition,
    "parallel": Parallel,
    "foreach": Foreach,
    "while": While,
    "wait": Wait,
    "workflow": NestedWorkflow,
}


def _tag(value: object) -> str:
    """Which member of the union reads an item; text stands for the id of a task."""
    return "id" if isinstance(value, str) else _kind(value)


def _kind(value: object) -> str:
    """Which operator reads a value."""
    if isinstance(value, dict):
        kind = value.get("operator_type", "task")
        return kind if isinstance(kind, str) else "task"
    kind = getattr(value, "operator_type", "task")
    return str(kind)


def _plain_first(value: object, read: ValidatorFunctionWrapHandler) -> object:
    return read_plain_task(value) or read(value)


_Operators = (
    Annotated[Task, Tag("task")]
    | Annotated[Condition, Tag("condition")]
    | Annotated[Parallel, Tag("parallel")]
    | Annotated[Foreach, Tag("foreach")]
    | Annotated[While, Tag("while")]
    | Annotated[Wait, Tag("wait")]
    | Annotated[NestedWorkflow, Tag("workflow")]
)
_Operator = Annotated[_Operators, Discriminator(_kind), WrapValidator(_plain_first)]
_BodyItem = Annotated[
    Annotated[str, Tag("id")] | _Operators, Discriminator(_tag), WrapValidator(_plain_first)
]

AnyTask: TypeAlias = PlainTask | Task
AnyOperator: TypeAlias = PlainTask | OperatorBase
# What comes out of the unions above, for the type checker; for pydantic they are those unions.
Operator = Annotated[AnyOperator, GetPydanticSchema(lambda _, read: read(_Operator))]
BodyItem = Annotated[str | AnyOperator, GetPydanticSchema(lambda _, read: read(_BodyItem))]


@cache
def _operators() -> TypeAdapter[AnyOperator]:
    # Made when a file has faults, and not with this module: it costs as much as all the rest.
    return TypeAdapter(Operator)


def is_operator(data: object) -> bool:
    """Whether data has the shape of an operator."""
    try:
        _operators().validate_python(data)
    except ValidationError:
        return False
    return True


class Workflow(Strict):
    """A workflow file. `tests` and `test_defaults` are read by `cases`, after their templates."""

    name: str
    version: Written = ""
    description: str = ""
    start_task: str | None = None
    variables: Data = Field(default_factory=dict)
    env: Environment = Field(default_factory=dict)
    defaults: Defaults = Field(default_factory=lambda: NO_DEFAULTS)
    max_concurrency: Count = 4
    max_step_duration: Duration | None = None
    limits: Limits | None = None
    tools: dict[str, ToolPolicy] = Field(default_factory=dict)
    lock: LockField | None = None
    output: object = None
    tasks: dict[str, Operator] = Field(min_length=1)
    tests: dict[str, object] = Field(default_factory=dict)
    test_defaults: object = None
    secrets: list[str] = Field(default_factory=list)
    metadata: Data = Field(default_factory=dict)
