"""The built-in tools, one module for each group of names.

    tools.log.*       debug info warning error                pure, inline
    tools.memory.*    set get increment add                   pure, inline
    tools.events.*    emit                                    pure, inline
    tools.fetch.*     get head (read), post put patch delete  thread, over httpx
    tools.shell.run   a command line                          subprocess
    tools.command.run a program with arguments, no shell      subprocess
    tools.python.run  code, a module or a file                subprocess
    tools.powershell.run  a command line for PowerShell       subprocess

The pure ones take no bulkhead: they only talk to the engine, so there is nothing to wait for.
"""

from __future__ import annotations

from pytest_highway.toolbox import (
    command,
    events,
    fetch,
    log,
    memory,
    powershell,
    python,
    shell,
)
from pytest_highway.tools import Registry

__all__ = ["register"]

MODULES = (log, memory, events, fetch, shell, command, python, powershell)


def register(registry: Registry) -> None:
    """Add all built-in tools, in the order of the table above."""
    for module in MODULES:
        registry.add_module(module)
