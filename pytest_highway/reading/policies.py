"""What operators have in common: values of several forms, and policies around a call.

Fields that take several forms (`retry: 2` or a mapping) are brought to one form by a function
beside them, so that a wrong value gets one sentence and not one for each form.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import AliasChoices, BeforeValidator, Field, PlainValidator

from pytest_highway.clock import parse_duration
from pytest_highway.errors import did_you_mean, listed
from pytest_highway.reading.validation import Strict, named

__all__ = [
    "FAILURE_POLICIES",
    "NO_DEFAULTS",
    "TRIGGER_RULES",
    "Amount",
    "Breaker",
    "Cache",
    "Cost",
    "Count",
    "Data",
    "Defaults",
    "Duration",
    "Environment",
    "Expression",
    "Expressions",
    "Fallback",
    "Limits",
    "Lock",
    "LockField",
    "OnFailure",
    "Retry",
    "RetryField",
    "Rule",
    "TimeoutPolicy",
    "ToolPolicy",
    "Written",
]

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
