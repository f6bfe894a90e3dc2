"""What tools raise, as exceptions that end a task: of a text, and no `BaseException`.

A tool may raise whatever there is: SystemExit, an exception that cannot be made again, one whose
own text fails. What the engine sees is a plain exception that `str` can show, whose class has the
name and, where that can be had, the bases of what was raised, because `retry_on` goes by them.
"""

from __future__ import annotations

from contextlib import suppress
from typing import cast

from pytest_highway.tool_context import ToolError

__all__ = ["presentable", "stand_in"]


def presentable(error: BaseException) -> Exception:
    """What a tool raised as an exception that ends its task: one that has a text."""
    name = type(error).__name__
    text = "its text cannot be shown"
    is_shown = False
    with suppress(Exception):  # its own code makes the text
        text, is_shown = str(error), True
    if isinstance(error, Exception):
        return error if is_shown else stand_in(name, type(error), text)
    return ToolError(f"the tool raised {name}: {text}" if text else f"the tool raised {name}")


def stand_in(name: str, kind: type[Exception], text: str) -> Exception:
    """An exception of that name below `kind`, made without `kind`'s own constructor."""
    for base in kind.__mro__[: kind.__mro__.index(Exception)]:
        with suppress(Exception):  # foreign classes may refuse subclasses, or to be made
            return _made(name, base, text)
    return _made(name, Exception, text)


def _made(name: str, base: type, text: str) -> Exception:
    made = cast("type[Exception]", type(name, (base,), {"__str__": lambda self: text}))
    return made.__new__(made)
