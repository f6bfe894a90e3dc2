"""The shape of a workflow file: pydantic models, one for each operator (LANGUAGE 1 and 2).

    document --validate--> Workflow

Models say which keys exist and of which type their values are; everything that needs more than
one value at a time (names that must exist, order, arguments) is checked when the plan is compiled.
Types are strict: a number is no text, and nothing is converted in silence. Fields that take
several forms (`retry: 2` or a mapping) are brought to one form by a function beside them, so that
a wrong value gets one sentence and not one for each form.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, TypeVar, cast

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    ValidationError,
    model_validator,
)

from pytest_highway.clock import parse_duration
from pytest_highway.document import Document
from pytest_highway.errors import Diagnostic, did_you_mean, listed

__all__ = [
    "IDENTIFIER",
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
    "Strict",
    "Task",
    "ToolPolicy",
    "Wait",
    "While",
    "Workflow",
    "faults_of",
    "validate_model",
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


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """Stands in for the value of a key that a model does not have, with the keys it has."""

    known: tuple[str, ...]


class Strict(BaseModel):
    """Base of all models: unknown keys are errors, keys that begin with `x-` are the author's."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_by_name=False)
    known_keys: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        cls.known_keys = frozenset(_keys(cls))

    @model_validator(mode="before")
    @classmethod
    def _mark_unknown_keys(cls, value: object) -> object:
        # One C-level comparison in the usual case. The marker carries the known keys to the
        # place where the error is worded, since pydantic's own report does not name the model.
        if type(value) is not dict or value.keys() <= cls.known_keys:
            return value
        unknown = UnknownKey(tuple(_keys(cls)))
        return {
            key: each if key in cls.known_keys else unknown
            for key, each in value.items()
            if not key.startswith("x-")
        }


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            yield from (str(each) for each in alias.choices)
        else:
            yield str(alias or field.alias or name)


# --- values of several forms -----------------------------------------------------------------


def _one_of(words: Sequence[str], value: object) -> str:
    if isinstance(value, str) and value in words:
        return value
    near = did_you_mean(value, words) if isinstance(value, str) else ""
    raise ValueError(f"{value!r} is not allowed here; allowed: {listed(words, 20)}{near}")


def _text_as_written(value: object) -> str:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"expected text or a number, got {_named(value)}")


def _expression(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.strip():
        return value
    raise ValueError(f"expected an expression as text, got {_named(value)}")


def _expressions(value: object) -> list[str]:
    return [_expression(each) for each in (value if isinstance(value, list) else [value])]


def _retry(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return {"max_retries": value}
    if isinstance(value, dict):
        return value
    raise ValueError(f"expected a number of retries or a mapping, got {_named(value)}")


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
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value < math.inf:
            # Through text: 0.1 is the decimal that the author wrote, so that costs add exactly.
            return Decimal(str(value))
    raise ValueError(f"expected an amount of 0 or more, got {_named(value)}")


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
    """Which member of the union reads a value; text stands for the id of a task."""
    if isinstance(value, str):
        return "id"
    if isinstance(value, dict):
        kind = value.get("operator_type", "task")
        return kind if isinstance(kind, str) else "task"
    kind = getattr(value, "operator_type", "task")
    return str(kind)


Operator = Annotated[
    Annotated[Task, Tag("task")]
    | Annotated[Condition, Tag("condition")]
    | Annotated[Parallel, Tag("parallel")]
    | Annotated[Foreach, Tag("foreach")]
    | Annotated[While, Tag("while")]
    | Annotated[Wait, Tag("wait")]
    | Annotated[NestedWorkflow, Tag("workflow")],
    Discriminator(_tag),
]
BodyItem = Annotated[
    Annotated[str, Tag("id")]
    | Annotated[Task, Tag("task")]
    | Annotated[Condition, Tag("condition")]
    | Annotated[Parallel, Tag("parallel")]
    | Annotated[Foreach, Tag("foreach")]
    | Annotated[While, Tag("while")]
    | Annotated[Wait, Tag("wait")]
    | Annotated[NestedWorkflow, Tag("workflow")],
    Discriminator(_tag),
]


class Workflow(Strict):
    """A workflow file. `tests` and `test_defaults` are read by `cases`, after their templates."""

    name: str
    version: Written = ""
    description: str = ""
    start_task: str | None = None
    variables: Data = Field(default_factory=dict)
    env: Environment = Field(default_factory=dict)
    defaults: Defaults = Defaults()
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


for _model in (Parallel, Foreach, While, Workflow):
    _model.model_rebuild()


# --- faults ----------------------------------------------------------------------------------

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _in_place(loc: Loc) -> Loc:
    return loc


def validate_model(
    model: type[Model],
    data: object,
    document: Document,
    base: Callable[[Loc], Loc] = _in_place,
) -> tuple[Model | None, list[Diagnostic]]:
    """Read `data` as `model`, or say what is wrong.

    `base` turns a path inside `data` into one of the document.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, faults_of(error, data, document, base)


def faults_of(
    error: ValidationError, data: object, document: Document, base: Callable[[Loc], Loc]
) -> list[Diagnostic]:
    """Pydantic's findings as ours: each at its place in the file, in our words."""
    found = []
    for each in error.errors(include_url=False):
        kind = each["type"]
        path = _path_in_data(data, each["loc"], kind)
        if kind == "union_tag_invalid":
            path.append("operator_type")
        loc = base(tuple(path))
        value = each["input"]
        if kind == "missing":
            message = f"{str(each['loc'][-1])!r} is missing"
            found.append(document.diagnostic(loc[:-1], message, key=True))
        elif isinstance(value, UnknownKey):
            near = did_you_mean(str(loc[-1]), value.known)
            message = f"unknown key {str(loc[-1])!r}; allowed: {listed(value.known, 40)}{near}"
            found.append(document.diagnostic(loc, message, key=True))
        else:
            text = _worded(kind, str(each["msg"]), value, each.get("ctx", {}))
            found.append(document.diagnostic(loc, text + _lost_text(kind, document, loc)))
    return found


def _path_in_data(data: object, loc: Sequence[str | int], kind: str) -> list[str | int]:
    """`loc` without the tags that pydantic puts in for the members of a union.

    A tag may look like a key (`condition` is one of a condition), so that of an operator is known
    by where it stands.
    """
    path: list[str | int] = []
    tagged = False
    for number, step in enumerate(loc, start=1):
        if not tagged and _is_operator(path):
            tagged = True
            continue
        if _has(data, step):
            data, tagged = cast("dict[str | int, object]", data)[step], False
        elif not (kind in {"missing", "extra_forbidden"} and number == len(loc)):
            continue
        path.append(step)
    return path


def _has(data: object, step: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, dict) and step in data


def _is_operator(path: Sequence[str | int]) -> bool:
    """Whether an operator stands here: a task of the workflow, or an item of a body or branch."""
    if path[:1] != ["tasks"]:
        return False
    return len(path) == 2 or "loop_body" in path[-2:-1] or "branches" in path[-3:-2]


def _worded(kind: str, message: str, value: object, context: Mapping[str, object]) -> str:
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, got {_named(value)}"
    if kind == "union_tag_invalid":
        words = list(OPERATORS)
        name = str(context.get("tag"))
        return (
            f"unknown operator_type {name!r}; allowed: {listed(words)}{did_you_mean(name, words)}"
        )
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"{value!r} is not allowed here; allowed: {context['expected']}"
    if kind == "too_short":
        return "is empty; at least one is needed"
    if kind == "extra_forbidden":
        return "this key stands here under another name as well; give one of them"
    return message[:1].lower() + message[1:] + f", got {_named(value)}"


def _lost_text(kind: str, document: Document, loc: tuple[str | int, ...]) -> str:
    """A hint for a plain scalar that YAML reads as another type than the text it looks like."""
    written = document.written(loc) if kind == "string_type" else None
    return f"; quote it to keep the text: '{written}'" if written else ""


def _named(value: object) -> str:
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "a truth value"}
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return kinds[type(value)]
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{kinds.get(type(value), 'the number')} {shown}"
