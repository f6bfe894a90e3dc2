"""`tools.python.run(code)`, `(module=, args=)`, `(file=, args=)`: Python in a process of its own.

It is the Python that runs the workflow, so what is installed beside it is there. Messages call it
`python`, whatever its path is on this machine. Code reads values from `os.environ`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from pytest_highway.toolbox.process import argument_text, run_checked
from pytest_highway.tools import ToolContext, ToolError, tool

__all__ = ["python_command", "run"]


@tool("tools.python.run", effects="write", isolation="subprocess")
def run(
    context: ToolContext,
    code: str | None = None,
    *,
    module: str | None = None,
    file: str | None = None,
    args: Sequence[object] = (),
    cwd: str | None = None,
    env: Mapping[str, object] | None = None,
    input: object = None,  # noqa: A002  (the name is the language's)
) -> dict[str, object]:
    """Run code, a module or a file; returns, raises and reads what `tools.shell.run` does."""
    told = python_command(code, module=module, file=file, args=args)
    return run_checked(context, told, cwd, env, input, argv=[sys.executable, *told[1:]])


def python_command(
    code: object = None,
    *,
    module: object = None,
    file: object = None,
    args: object = (),
    **_: object,
) -> list[str]:
    """The command as it is told: `python` and its arguments; ToolError for what makes none."""
    given = [each for each in (code, module, file) if each is not None]
    if len(given) != 1 or not isinstance(given[0], str) or not given[0].strip():
        raise ToolError("Python runs exactly one of code, module and file, each a text")
    if not isinstance(args, list | tuple):
        raise ToolError(f"args {args!r} are no list")
    option = ["-c"] if code is not None else ["-m"] if module is not None else []
    return ["python", *option, given[0], *map(argument_text, args)]
