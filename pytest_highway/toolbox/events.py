"""`tools.events.emit(name, data)`: send an event to the waits of this run."""

from __future__ import annotations

from pytest_highway.tools import ToolContext, tool

__all__ = ["emit"]


@tool("tools.events.emit", effects="pure", isolation="inline", bulkhead=False)
def emit(context: ToolContext, name: str, data: object = None) -> dict[str, object]:
    """Send an event; returns `{name, data}`."""
    context.emit(name, data)
    return {"name": name, "data": data}
