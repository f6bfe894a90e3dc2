"""Runners: where a call goes, and how its answer comes back.

    InlineRunner    calls the tool at once, in the engine's own thread: for simulated runs
    RealRunner      hands each call to the place that its tool's isolation names (`real_runner`)

A simulated run wraps its runner with a stub book, so that only what may run for real reaches it.
A runner answers at once, or with None, and then gives the answer out by `wait`.
"""

from __future__ import annotations

import inspect
from contextvars import ContextVar
from typing import Protocol, cast

from pytest_highway.engine.call import Call
from pytest_highway.engine.effects import Answer
from pytest_highway.errors import HighwayError
from pytest_highway.expressions.template import copy_data
from pytest_highway.runners.event_loop import run_coroutine
from pytest_highway.runners.raised import failure_of
from pytest_highway.serialization import to_plain
from pytest_highway.tool_context import ToolContext

__all__ = [
    "CURRENT_CALL",
    "PATIENCE",
    "InlineRunner",
    "Runner",
    "Stopped",
    "attempt",
    "call_tool",
    "invoke",
]

# Seconds that a call which is being stopped may still take: two graces of a process group, and
# the rest for a slow machine. Whatever has not ended then is given up, and said to be.
PATIENCE = 6.0

# The call that is being made, for what answers a tool from below (HTTP stubs).
CURRENT_CALL: ContextVar[Call] = ContextVar("highway_call")


class Stopped(HighwayError):
    """The end of a call that was stopped; its text says what became of it, or nothing.

    `printed` is what its process had printed until then.
    """

    def __init__(self, became: str, printed: str = "") -> None:
        super().__init__(became)
        self.printed = printed


class Runner(Protocol):
    """Whatever takes calls."""

    def start(self, call: Call) -> Answer | None:
        """Make the call: how it ended, or None when the answer comes by `wait`."""

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        """Answers that have come in; waits for the first one, at most so many seconds.

        The answer of a call that was stopped, or that came in after its deadline, is a `Stopped`.
        """

    def abandon(self, call: Call) -> str | None:
        """Stop a call whose answer is no longer wanted; says what became of it, or nothing.

        None when it is being stopped: its end comes by `wait`, or it is given up by a second
        `abandon`.
        """

    def close(self) -> None:
        """Stop what still runs and let go of threads and processes."""


class InlineRunner:
    """Calls tools for real, one after another."""

    def start(self, call: Call) -> Answer:
        """Call the tool and return its value, made plain, or the exception it raised."""
        return attempt(call)

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        """Nothing: every call was answered at once."""
        return []

    def abandon(self, call: Call) -> str:
        """Nothing: a call that is answered at once cannot be late."""
        return ""

    def close(self) -> None:
        """Nothing to let go of."""


def attempt(call: Call) -> Answer:
    """Call a tool here and now."""
    passing = call.services.passing
    # A tool may raise anything, and the run goes on. Ctrl-C is not the tool's.
    ends: tuple[type[BaseException], ...] = (Exception, SystemExit, *passing)
    try:
        return Answer(invoke(call))
    except ends as error:
        return Answer(error=failure_of(error, passing))


def invoke(call: Call) -> object:
    """Call the tool with copies of its arguments; returns plain data or raises what it raised."""
    token = CURRENT_CALL.set(call)
    try:
        value = call_tool(call)
        if inspect.iscoroutine(value):
            value = run_coroutine(value)
        return to_plain(value)
    finally:
        CURRENT_CALL.reset(token)


def call_tool(call: Call) -> object:
    """What the tool's function gives for copies of the arguments: a value, or an awaitable."""
    tool = call.tool
    context = None
    if tool.context_parameter is not None:
        context = ToolContext(
            call, call.path, call.attempt, call.feedback, call.deadline, call.provides
        )
    # Copies, because the call's own arguments stand in the log.
    args = cast("list[object]", copy_data(call.args))
    kwargs = cast("dict[str, object]", copy_data(call.kwargs))
    return tool.invoke(context, args, kwargs)
