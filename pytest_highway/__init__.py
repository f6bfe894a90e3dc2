"""Declarative test gates for pytest: YAML workflows held against goldens.

What is public is listed in `__all__` and imported from here. Each name is loaded when it is first
asked for: pytest imports this package in every run of every project that has it installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_highway.errors import Diagnostic, HighwayError, Position, SourceError
    from pytest_highway.plugin.registries import HighwayWarning
    from pytest_highway.serialization import register_codec
    from pytest_highway.tools import CommandFailed, Registry, ToolContext, ToolError, tool
    from pytest_highway.views import RunResult

__all__ = [
    "CommandFailed",
    "Diagnostic",
    "HighwayError",
    "HighwayWarning",
    "Position",
    "Registry",
    "RunResult",
    "SourceError",
    "ToolContext",
    "ToolError",
    "register_codec",
    "tool",
]

_HOMES = {
    "CommandFailed": "tools",
    "Diagnostic": "errors",
    "HighwayError": "errors",
    "HighwayWarning": "plugin.registries",
    "Position": "errors",
    "Registry": "tools",
    "RunResult": "views",
    "SourceError": "errors",
    "ToolContext": "tools",
    "ToolError": "tools",
    "register_codec": "serialization",
    "tool": "tools",
}


def __getattr__(name: str) -> object:
    """Load a public name from its module."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
