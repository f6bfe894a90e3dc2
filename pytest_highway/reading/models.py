"""The shape of a workflow file: pydantic models, one for each operator (LANGUAGE 1 and 2).

    document --validate--> Workflow

Models say which keys exist and of which type their values are; everything that needs more than
one value at a time (names that must exist, order, arguments) is checked when the plan is compiled.
Types are strict: a number is no text, and nothing is converted in silence.

A task that says nothing unusual is read as a `PlainTask`, which has the same fields; `plain_tasks`
says why.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Annotated, Literal, TypeAlias

from pydantic import (
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

from pytest_highway.reading.plain_tasks import PlainTask, read_plain_task
from pytest_highway.reading.policies import (
    NO_DEFAULTS,
    Cache,
    Count,
    Data,
    Defaults,
    Duration,
    Environment,
    Expression,
    Expressions,
    Limits,
    LockField,
    OnFailure,
    RetryField,
    Rule,
    TimeoutPolicy,
    ToolPolicy,
    Written,
)
from pytest_highway.reading.validation import Strict

__all__ = [
    "IDENTIFIER",
    "AnyOperator",
    "AnyTask",
    "Condition",
    "Foreach",
    "NestedWorkflow",
    "Operator",
    "OperatorBase",
    "Parallel",
    "Task",
    "Wait",
    "While",
    "Workflow",
    "is_operator",
]

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

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
