"""Runners: where a call goes. The engine hands each attempt to one and takes the answer back.

`InlineRunner` calls the tool at once, in the engine's own thread. A simulated run wraps it with a
stub book (see `stubs`), so that only what may run for real reaches it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Protocol, cast

from pytest_highway.template import copy_data
from pytest_highway.frame import Answer, Call
from pytest_highway.serialization import to_plain
from pytest_highway.tool_context import ToolContext

__all__ = ["CURRENT_CALL", "InlineRunner", "Runner", "invoke"]

# The call that is being made, for what answers a tool from below (HTTP stubs).
CURRENT_CALL: ContextVar[Call] = ContextVar("highway_call")


class Runner(Protocol):
    """Whatever takes calls."""

    def start(self, call: Call) -> Answer:
        """Make the call and return how it ended."""


class InlineRunner:
    """Calls tools for real, one after another."""

    def start(self, call: Call) -> Answer:
        """Call the tool and return its value, made plain, or the exception it raised."""
        token = CURRENT_CALL.set(call)
        try:
            return Answer(invoke(call))
        except Exception as error:  # a tool may raise anything; the run goes on without it
            return Answer(error=error)
        finally:
            CURRENT_CALL.reset(token)


def invoke(call: Call) -> object:
    """Call the tool with copies of its arguments; returns plain data or raises what it raised."""
    tool = call.tool
    context = None
    if tool.context_parameter is not None:
        context = ToolContext(call, call.path, call.attempt, call.feedback, call.deadline)
    # Copies, because the call's own arguments stand in the log.
    args = cast("list[object]", copy_data(call.args))
    kwargs = cast("dict[str, object]", copy_data(call.kwargs))
    value = tool.invoke(context, args, kwargs)
    if tool.is_coroutine:
        value = asyncio.run(cast("Coroutine[object, object, object]", value))
    return to_plain(value)
