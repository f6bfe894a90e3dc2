"""`tools.log.debug|info|warning|error(message)`: put a message into the run's transcript."""

from __future__ import annotations

from pytest_highway.tools import ToolContext, tool

__all__ = ["debug", "error", "info", "warning"]


@tool("tools.log.debug", effects="pure", isolation="inline", bulkhead=False)
def debug(context: ToolContext, message: object) -> None:
    """Log at level `debug`; a message that is no text is shown as JSON."""
    context.log.debug(message)


@tool("tools.log.info", effects="pure", isolation="inline", bulkhead=False)
def info(context: ToolContext, message: object) -> None:
    """Log at level `info`."""
    context.log.info(message)


@tool("tools.log.warning", effects="pure", isolation="inline", bulkhead=False)
def warning(context: ToolContext, message: object) -> None:
    """Log at level `warning`."""
    context.log.warning(message)


@tool("tools.log.error", effects="pure", isolation="inline", bulkhead=False)
def error(context: ToolContext, message: object) -> None:
    """Log at level `error`; the task itself succeeds."""
    context.log.error(message)
