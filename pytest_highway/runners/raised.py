"""What tools raise, as exceptions that end a task: of a text, and no `BaseException`.

A tool may raise whatever there is: SystemExit, an exception that cannot be made again, one whose
own text fails. What the engine sees is a plain exception that `str` can show, whose class has the
name and, where that can be had, the bases of what was raised, because `retry_on` goes by them.

Some exceptions are not about the task at all but about whoever runs the workflow: that the test is
to be skipped, that all is to stop. Who starts a run says which; they end the run, and come out.
"""

from __future__ import annotations

from contextlib import suppress
from types import TracebackType
from typing import cast

from pytest_highway.events import Event
from pytest_highway.tool_context import ToolError

__all__ = ["PassedThrough", "failure_of", "presentable", "stand_in", "told_of"]


class PassedThrough(Exception):
    """The end of a call by an exception that is meant for who started the run: `outcome`.

    `log` tells what the run did, once it has ended.
    """

    def __init__(self, outcome: BaseException) -> None:
        super().__init__(str(outcome))
        self.outcome = outcome.with_traceback(_outside(outcome.__traceback__))
        self.log: list[Event] = []


def failure_of(error: BaseException, passing: tuple[type[BaseException], ...]) -> Exception:
    """What a tool raised as the end of its call; what is among `passing` passes through."""
    return PassedThrough(error) if isinstance(error, passing) else presentable(error)


def _outside(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from where it leaves this package."""
    package = __name__.partition(".")[0]
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(package):
        trace = trace.tb_next
    return trace


def presentable(error: BaseException) -> Exception:
    """What a tool raised as an exception that ends its task: one that has a text."""
    name = type(error).__name__
    text = "its text cannot be shown"
    is_shown = False
    with suppress(Exception):  # its own code makes the text
        text, is_shown = str(error), True
    if isinstance(error, Exception):
        return error if is_shown else stand_in(name, type(error), text)
    return ToolError(told_of(name, text))


def told_of(name: str, text: str) -> str:
    """What a tool raised that is no `Exception`, in words."""
    return f"the tool raised {name}: {text}" if text else f"the tool raised {name}"


def stand_in(name: str, kind: type[Exception], text: str) -> Exception:
    """An exception of that name below `kind`, made without `kind`'s own constructor."""
    for base in kind.__mro__[: kind.__mro__.index(Exception)]:
        with suppress(Exception):  # foreign classes may refuse subclasses, or to be made
            return _made(name, base, text)
    return _made(name, Exception, text)


def _made(name: str, base: type, text: str) -> Exception:
    made = cast("type[Exception]", type(name, (base,), {"__str__": lambda self: text}))
    return made.__new__(made)
