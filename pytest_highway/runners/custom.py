"""Executors of the user's own, by name."""

from __future__ import annotations

from concurrent.futures import Executor

from pytest_highway.tools import ToolError, import_target

__all__ = ["custom_executor"]


def custom_executor(name: str, setting: str) -> Executor:
    """What the factory `module:factory` makes; ToolError, which names the setting, when it cannot.

    Whatever the factory raises comes through.
    """
    try:
        factory = import_target(name)
    except (ImportError, AttributeError, ToolError) as error:
        raise ToolError(f"{setting}: {name!r} cannot be loaded: {error}") from error
    executor = factory() if callable(factory) else None
    if not isinstance(executor, Executor):
        raise ToolError(f"{setting}: {name!r} gives no concurrent.futures.Executor")
    return executor
