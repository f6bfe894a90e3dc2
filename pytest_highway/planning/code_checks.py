"""Values in code: a template in what a shell or an interpreter reads as its program.

Pasted into code, a value is parsed as code, whatever it holds. It belongs into the environment, or
into an argument behind the code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Final

from pytest_highway.expressions.template import compile_data
from pytest_highway.planning.plan import Loc

__all__ = ["code_faults"]

# The argument that is code, of the tools whose first one is; how a value is read there.
CODE: Final[Mapping[str, tuple[str, str, str]]] = {
    "tools.shell.run": ("command", "a shell command", '"$NAME"'),
    "tools.powershell.run": ("command", "a PowerShell command", "$env:NAME"),
    "tools.python.run": ("code", "Python code", "os.environ['NAME']"),
}
COMMAND: Final = "tools.command.run"
# The options of programs whose next argument is code.
OPTIONS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("sh", "bash", "dash", "ksh", "zsh", "python", "python3"), frozenset(["-c"])),
    **dict.fromkeys(("perl", "ruby", "node"), frozenset(["-e"])),
    **dict.fromkeys(("pwsh", "powershell"), frozenset(["-c", "-Command"])),
}


def code_faults(
    tool: str, args: Sequence[object], kwargs: Mapping[str, object]
) -> Iterator[tuple[Loc, str]]:
    """Each place below a task where a value would be a part of code, and what to say of it."""
    if tool in CODE:
        word, what, reading = CODE[tool]
        place: Loc = ("args", 0) if args else ("kwargs", word)
        if _reads(args[0] if args else kwargs.get(word)):
            yield place, f"a template in {what}; pass the value by 'env' and write {reading}"
    elif tool == COMMAND and args:
        options = OPTIONS.get(PurePosixPath(str(args[0])).name, frozenset())
        for number, option in enumerate(args[1:-1], start=1):
            if option in options and _reads(args[number + 1]):
                message = f"a value in the code behind {option!r}; pass it by 'env'"
                yield ("args", number + 1), message


def _reads(code: object) -> bool:
    return isinstance(code, str) and bool(compile_data(code, []).references)
