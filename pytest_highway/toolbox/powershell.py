"""`tools.powershell.run(command, cwd, env, input)`: a command line, run by PowerShell.

It needs the program `pwsh`. As in the scripts of CI services the first error ends it, and the exit
code of the last program that ran is its own. A value is read as `$env:name`.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from pytest_highway.toolbox.process import run_checked
from pytest_highway.tools import ToolContext, ToolError, tool

__all__ = ["run"]

PROGRAM = "pwsh"
OPTIONS = ("-NoLogo", "-NoProfile", "-NonInteractive", "-Command")
FIRST = "$ErrorActionPreference = 'Stop'"
LAST = "if (Test-Path -LiteralPath variable:\\LASTEXITCODE) { exit $LASTEXITCODE }"


@tool("tools.powershell.run", effects="write", isolation="subprocess")
def run(
    context: ToolContext,
    command: str,
    cwd: str | None = None,
    env: Mapping[str, object] | None = None,
    input: object = None,  # noqa: A002  (the name is the language's)
) -> dict[str, object]:
    """Run a command line; returns, raises and reads what `tools.shell.run` does.

    ToolError where there is no PowerShell.
    """
    if not isinstance(command, str) or not command.strip():
        raise ToolError(f"command {command!r} is no command line")
    if shutil.which(PROGRAM) is None:
        raise ToolError(
            f"this machine has no PowerShell: no program {PROGRAM!r} is on the path; "
            "install PowerShell 7, or run the step by another shell"
        )
    argv = [PROGRAM, *OPTIONS, f"{FIRST}\n{command}\n{LAST}"]
    return run_checked(context, command, cwd, env, input, argv=argv)
