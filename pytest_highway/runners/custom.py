"""Executors of the user's own, by name."""

from __future__ import annotations

from concurrent.futures import Executor
from functools import partial

from pytest_highway.tools import ToolError, attempt, import_target

__all__ = ["custom_executor"]


def custom_executor(name: str, setting: str) -> Executor:
    """What the factory `module:factory` makes; ToolError, naming the setting, when it cannot."""
    what = f"{setting}: {name!r}"
    factory = attempt(what, partial(import_target, name))
    executor = attempt(what, factory) if callable(factory) else None
    if not isinstance(executor, Executor):
        raise ToolError(f"{what} gives no concurrent.futures.Executor")
    return executor
