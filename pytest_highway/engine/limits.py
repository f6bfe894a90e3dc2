"""What holds calls back: bulkheads, circuit breakers and usage limits.

Each is a small state machine over the run's own clock and knows nothing of the engine, which asks
before a call and tells after it. (Libraries for these read wall time inside, which rules virtual
time out.)

    Bulkhead   at most `max_concurrent` calls of one tool, at most `max_queue` waiting
    Breaker    closed -> open after `failures` in a row -> half open after `reset_after`:
               one trial call, whose outcome closes or opens it again
    Budget     totals of cost, tokens and calls against limits; reaching one is no breach
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Generic, TypeVar

from pytest_highway.errors import HighwayError
from pytest_highway.reading.policies import Breaker as BreakerModel
from pytest_highway.reading.policies import Limits

__all__ = [
    "Breaker",
    "Budget",
    "Bulkhead",
    "BulkheadFull",
    "CircuitOpen",
    "LockTimeout",
    "OutputInvalid",
    "PreconditionFailed",
    "UsageLimitExceeded",
]


Waiter = TypeVar("Waiter")
Request = TypeVar("Request")


class BulkheadFull(HighwayError):
    """A tool's bulkhead has no place left, not even for waiting."""


class CircuitOpen(HighwayError):
    """A tool's circuit breaker refuses calls for now."""


class LockTimeout(HighwayError):
    """A lock was not to be had in time."""


class UsageLimitExceeded(HighwayError):
    """A limit of the run was passed, or would be; `total` is what was or would be used."""

    def __init__(self, message: str, total: object = "") -> None:
        super().__init__(message)
        self.total = total


class OutputInvalid(HighwayError):
    """A tool's value does not fit the task's schema or its `validate`."""


class PreconditionFailed(HighwayError):
    """A task's `require` does not hold."""


@dataclass(slots=True)
class Bulkhead(Generic[Waiter, Request]):
    """The places of one tool; `queue` holds who waits, in order, each with what it wants."""

    tool: str
    max_concurrent: int
    max_queue: int | None
    running: int = 0
    queue: OrderedDict[Waiter, Request] = field(default_factory=OrderedDict)

    def enter(self, waiter: Waiter, request: Request) -> bool:
        """Take a place (true) or wait in the queue (false); raises `BulkheadFull`."""
        if self.running < self.max_concurrent:
            self.running += 1
            return True
        if self.max_queue is not None and len(self.queue) >= self.max_queue:
            raise BulkheadFull(
                f"{self.tool}: {self.running} calls running and {len(self.queue)} waiting"
            )
        self.queue[waiter] = request
        return False

    def leave(self) -> None:
        """Give a place back."""
        self.running -= 1


@dataclass(slots=True)
class Breaker:
    """The circuit breaker of one tool; times are in seconds on the run's clock.

    Callers are told apart by identity. Once it is open only the trial call counts: one that began
    before says nothing about the tool as it is now.
    """

    tool: str
    model: BreakerModel
    failures: int = 0
    open_until: float | None = None
    trial: object = None

    def check(self, now: float, caller: object) -> None:
        """Let a call through or raise `CircuitOpen`."""
        if self.open_until is None:
            return
        if now < self.open_until or self.trial is not None:
            raise CircuitOpen(f"{self.tool}: {self.failures} failures in a row")
        self.trial = caller

    def tell(self, now: float, caller: object, *, failed: bool) -> None:
        """A call that was let through has ended."""
        if self.open_until is not None and caller is not self.trial:
            return
        self.failures = self.failures + 1 if failed else 0
        is_broken = failed and (self.trial is not None or self.failures >= self.model.failures)
        self.open_until = round(now + self.model.reset_after, 6) if is_broken else None
        self.trial = None

    def forget(self, caller: object) -> None:
        """A call that was let through will tell nothing; the next one may try."""
        if caller is self.trial:
            self.trial = None


@dataclass(slots=True)
class Budget:
    """What the run has used, against what it may; costs add exactly."""

    limits: Limits
    cost: Decimal = Decimal(0)
    tokens: int = 0
    tool_calls: int = 0

    def call(self, path: str) -> None:
        """Count one call that is not to a pure tool; raises before the one that is too many."""
        limit = self.limits.max_tool_calls
        if limit is not None and self.tool_calls >= limit:
            raise UsageLimitExceeded(
                f"{path}: max_tool_calls {limit} would be passed (total {self.tool_calls + 1})",
                self.tool_calls + 1,
            )
        self.tool_calls += 1

    def add(self, path: str, cost: Decimal, tokens: int) -> tuple[str, str, str] | None:
        """Add usage; a breach is `(limit, total, message)`."""
        self.cost += cost
        self.tokens += tokens
        for name, limit, total in (
            ("max_cost", self.limits.max_cost, self.cost),
            ("max_tokens", self.limits.max_tokens, self.tokens),
        ):
            if limit is not None and total > limit:
                return name, str(total), f"{path}: {name} {limit} passed (total {total})"
        return None
