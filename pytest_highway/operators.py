"""The operators: one generator for each, over the contract of `frame`.

A generator is plain sequential code; between two effects any amount of (virtual) time may pass
and other tasks may run. What it evaluates it evaluates at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_highway.errors import HighwayError
from pytest_highway.events import Fault
from pytest_highway.expression import ExpressionError, MissingValue, truth
from pytest_highway.frame import (
    Answer,
    Attempt,
    Choose,
    ExecutionFrame,
    Outcome,
    Pause,
    ScopeRun,
    Steps,
    TimedOut,
    Unretryable,
    fault_of,
)
from pytest_highway.models import Retry
from pytest_highway.state import MemoryConflict

__all__ = ["EVALUATION_FAULTS", "OPERATORS", "run_condition", "run_task", "told"]

# What rendering an argument or evaluating a condition may raise.
EVALUATION_FAULTS = (ExpressionError, MemoryConflict)


def run_task(frame: ExecutionFrame) -> Steps:
    """Call the tool, again after failures as `retry` says."""
    node = frame.node
    roots = frame.run.roots
    feedback: str | None = None
    assert node.args is not None
    assert node.kwargs is not None
    while True:
        try:
            args, kwargs = node.args.render(roots), node.kwargs.render(roots)
        except EVALUATION_FAULTS as error:
            return _unevaluated(frame, error)
        frame.attempts += 1
        answer = yield Attempt(frame.attempts, args, kwargs, feedback)  # type: ignore[arg-type]  # lists and mappings render to themselves
        assert answer is not None
        error = answer.error
        if error is None:
            return Outcome("success", answer.value, attempts=frame.attempts)
        if node.retry is None or not is_retried(node.retry, frame.attempts, error):
            return _failure(frame, answer)
        feedback = str(error)
        yield Pause(frame.attempts + 1, node.retry.pause(frame.attempts))


def is_retried(retry: Retry, attempts: int, error: Exception) -> bool:
    """Whether a further attempt follows this failure."""
    if attempts > retry.max_retries or isinstance(error, Unretryable):
        return False
    names = {kind.__name__ for kind in type(error).__mro__}
    return retry.retry_on is None or not names.isdisjoint(retry.retry_on)


def _failure(frame: ExecutionFrame, answer: Answer) -> Outcome:
    error = answer.error
    assert error is not None
    status = "timed_out" if isinstance(error, TimedOut) else "failed"
    return Outcome(status, fault=fault_of(error, frame.path), attempts=frame.attempts)


def _unevaluated(frame: ExecutionFrame, error: HighwayError) -> Outcome:
    fault = Fault(type(error).__name__, told(frame.run, error), frame.path)
    return Outcome("failed", fault=fault, attempts=frame.attempts)


def told(run: ScopeRun, error: HighwayError) -> str:
    """The message of an evaluation fault; a missing result also says what became of its writer.

    It names nothing that stands beside what is missing: which results exist at a moment is decided
    by the schedule, and the same outcome has the same message under every schedule.
    """
    if not isinstance(error, MissingValue) or not is_growing(error.reference):
        return error.message if isinstance(error, ExpressionError) else str(error)
    root, name = error.reference
    message = f"{root} has no {name!r}"
    for node in run.scope.nodes:
        end = run.ends[node.index]
        if root == "results" and node.result_key == name and end is not None:
            why = f" ({end.reason})" if end.reason else ""
            message += f"; {node.id!r}, which writes it, ended {end.status}{why}"
    return message


def is_growing(reference: Sequence[str | int]) -> bool:
    """Whether a path leads straight into a root that fills while the run goes on."""
    return len(reference) == 2 and reference[0] in ("results", "memory", "tasks", "prev")


def run_condition(frame: ExecutionFrame) -> Steps:
    """Evaluate once and choose a side; one that cannot be evaluated fails and chooses nothing."""
    expression = frame.node.condition
    assert expression is not None
    try:
        resolved, value = expression.resolve(frame.run.roots)
        holds = truth(value)
    except EVALUATION_FAULTS as error:
        return _unevaluated(frame, error)
    yield Choose(resolved, holds)
    return Outcome("success", holds)


OPERATORS: dict[str, Callable[[ExecutionFrame], Steps]] = {
    "task": run_task,
    "condition": run_condition,
}
