"""`tools.command.run(*argv, cwd=, env=, input=)`: a program with its arguments, without a shell.

Nothing is expanded: each argument reaches the program as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping

from pytest_highway.toolbox.process import run_checked
from pytest_highway.tools import ToolContext, tool

__all__ = ["run"]


@tool("tools.command.run", effects="write", isolation="subprocess")
def run(
    program: str,
    /,
    *arguments: object,
    context: ToolContext,
    cwd: str | None = None,
    env: Mapping[str, object] | None = None,
    input: object = None,  # noqa: A002  (the name is the language's)
) -> dict[str, object]:
    """Run a program; returns, raises and reads what `tools.shell.run` does.

    An argument that is no text is passed as JSON: 8080, true.
    """
    return run_checked(context, (program, *arguments), cwd, env, input)
