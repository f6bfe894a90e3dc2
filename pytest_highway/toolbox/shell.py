"""`tools.shell.run(command, cwd, env, input, shell)`: a command line, run by the shell.

A value belongs into `env`, where the shell reads it as `"$name"`; pasted into the command it
would be parsed as code.

A task's command goes to `/bin/sh` as it stands. A step's, and any with a `shell`, ends at the
first command that fails (see `SHELLS`).
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.steps.shell_reads import shell_reads
from pytest_highway.steps.shells import DEFAULT_SHELL, SHELLS
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
    shell: str | None = None,
) -> dict[str, object]:
    """Run a command line; returns `{exit_code, stdout, stderr}`.

    CommandFailed for an exit code other than 0, TimeoutError when the attempt is over before the
    command is. `env` overlays the environment; `input` is its standard input, empty without one.
    """
    if not isinstance(command, str) or not command.strip():
        raise ToolError(f"command {command!r} is no command line")
    is_step = context.provides is not None
    if is_step:
        _check_values(context, command)
    name = DEFAULT_SHELL if shell is None and is_step else shell
    argv = None if name is None else [*_starting(name), command]
    return run_checked(context, command, cwd, env, input, argv=argv)


def _starting(shell: str) -> tuple[str, ...]:
    if shell not in SHELLS:
        near = did_you_mean(str(shell), SHELLS)
        raise ToolError(f"unknown shell {shell!r}; allowed: {listed(list(SHELLS))}{near}")
    return SHELLS[shell]


def _check_values(context: ToolContext, command: str) -> None:
    """A variable without a value would be the empty text, and `rm -r ${folder}/*` a disaster."""
    for read in shell_reads(command):
        is_null = context.variables.get(read.name, "") is None and read.name not in context.env
        if is_null and read.braced and not read.guarded:
            raise ToolError(f"the context has no value for {read.name!r}, which the command reads")
