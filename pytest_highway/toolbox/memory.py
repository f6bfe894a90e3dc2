"""`tools.memory.set|get|increment|add`: the run's memory, shared by all of its tasks.

`increment` and `add` commute, so tasks without an order between them may use them on one key.
"""

from __future__ import annotations

from pytest_highway.tools import ToolContext, tool

__all__ = ["add", "get_value", "increment", "set_value"]


@tool("tools.memory.set", effects="pure", isolation="inline", bulkhead=False)
def set_value(context: ToolContext, key: str, value: object) -> dict[str, object]:
    """Set a key; returns `{key, status: "ok"}`."""
    context.memory.set(key, value)
    return {"key": key, "status": "ok"}


@tool("tools.memory.get", effects="pure", isolation="inline", bulkhead=False)
def get_value(context: ToolContext, key: str) -> object:
    """The value of a key; ToolError, with near names, when there is none."""
    return context.memory.read(key)


@tool("tools.memory.increment", effects="pure", isolation="inline", bulkhead=False)
def increment(context: ToolContext, key: str) -> dict[str, object]:
    """Add 1, a missing key counting as 0; returns `{key, new_value}`."""
    return {"key": key, "new_value": context.memory.increment(key)}


@tool("tools.memory.add", effects="pure", isolation="inline", bulkhead=False)
def add(context: ToolContext, key: str, value: float) -> dict[str, object]:
    """Add a number, a missing key counting as 0; returns `{key, old_value, new_value}`."""
    old_value, new_value = context.memory.add(key, value)
    return {"key": key, "old_value": old_value, "new_value": new_value}
