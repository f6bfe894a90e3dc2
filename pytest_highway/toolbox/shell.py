"""`tools.shell.run(command, cwd, env, input)`: a command line, run by the shell.

A value belongs into `env`, where the shell reads it as `"$name"`; pasted into the command it
would be parsed as code.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_highway.toolbox.process import run_checked
from pytest_highway.tools import ToolContext, ToolError, tool

__all__ = ["run"]


@tool("tools.shell.run", effects="write", isolation="subprocess")
def run(
    context: ToolContext,
    command: str,
    cwd: str | None = None,
    env: Mapping[str, object] | None = None,
    input: object = None,  # noqa: A002  (the name is the language's)
) -> dict[str, object]:
    """Run a command line; returns `{exit_code, stdout, stderr}`.

    CommandFailed for an exit code other than 0, TimeoutError when the attempt is over before the
    command is. `env` overlays the environment; `input` is its standard input, empty without one.
    """
    if not isinstance(command, str) or not command.strip():
        raise ToolError(f"command {command!r} is no command line")
    return run_checked(context, command, cwd, env, input)
