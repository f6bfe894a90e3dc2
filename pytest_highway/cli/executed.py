"""What a run has executed, as `highway history show` prints it: its steps, its attempts.

STEP  ATTEMPT  TOOL             STARTED  ERROR
lint  1        tools.shell.run  0s       CommandFailed: command ...

lint, attempt 1, printed:
  | what its process printed
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_highway.cli.display import seconds_of
from pytest_highway.cli.tables import barred, table
from pytest_highway.errors import one_line
from pytest_highway.events import Event
from pytest_highway.storage.rows import Attempt, Step, steps

__all__ = ["attempt_lines", "step_lines"]


def step_lines(log: Sequence[Event]) -> Iterable[str]:
    """The steps of a run as a table."""
    rows = [
        (each.path, each.status, _took(each), str(each.attempts or ""), _reason(each))
        for each in steps(log)
    ]
    head = ("STEP", "STATUS", "DURATION", "ATTEMPTS", "REASON")
    return table(head, rows) if rows else ["no steps"]


def _took(step: Step) -> str:
    return "" if step.duration is None else seconds_of(step.duration)


def _reason(step: Step) -> str:
    repeated = f"{step.repeated} from the record" if step.repeated else ""
    return "; ".join(each for each in (step.reason, repeated) if each)


def attempt_lines(tried: Sequence[Attempt]) -> Iterable[str]:
    """The calls of a run as a table, and what the processes of those that failed printed."""
    rows = [
        (each.path, str(each.number), each.tool, seconds_of(each.started), each.error)
        for each in tried
    ]
    yield from table(("STEP", "ATTEMPT", "TOOL", "STARTED", "ERROR"), rows) if rows else NO_ATTEMPTS
    for each in tried:
        if each.printed:
            yield from ["", one_line(f"{each.path}, attempt {each.number}, printed:")]
            yield from barred(each.printed)


NO_ATTEMPTS = ("no attempts",)
