"""What ends a case from within, and what is told of a run that did not come to its own end.

    raised in a tool            the run                      the case
    `pytest.skip(…)`            stops, cleans up             is skipped
    `pytest.xfail(…)`           stops, cleans up             is expected to fail
    `pytest.fail(…)`            stops, cleans up             fails, whatever it expects
    `pytest.exit(…)`            stops, cleans up             ends the session
    Ctrl-C                      stops, cleans up             ends the session

To stop is to cancel whatever has not ended, but for `finally` tasks, which run. pytest makes no
report of an item that ended the session, so the transcript of the run stands in a section of the
session's end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import pytest

from pytest_highway.engine.run import Interrupted
from pytest_highway.plugin.failures import capped
from pytest_highway.runners.raised import PassedThrough
from pytest_highway.views import RunResult

__all__ = ["OUTCOMES", "Stopping"]

OUTCOMES: tuple[type[BaseException], ...] = (
    pytest.skip.Exception,
    pytest.fail.Exception,  # that of `xfail` is below it
    pytest.exit.Exception,
)


class Terminal(Protocol):
    """What pytest hands in to write on."""

    def section(self, title: str, sep: str = "=") -> None:
        """Write a heading."""

    def line(self, msg: str) -> None:
        """Write one line."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """The run that was under way when the session was ended: a plugin for what is left of it."""

    item: pytest.Item
    result: RunResult

    def register(self) -> None:
        """Have it told at the end of the session."""
        self.item.config.pluginmanager.register(self)

    def pytest_terminal_summary(self, terminalreporter: Terminal) -> None:
        """Write its transcript."""
        terminalreporter.section(f"transcript of {self.item.nodeid}, which was interrupted", "_")
        for line in capped(self.result.transcript(), self.item.config.get_verbosity()):
            terminalreporter.line(line)


@dataclass(frozen=True, slots=True)
class Stopping:
    """Around a run of an item: one that is stopped is told before what stopped it comes out.

    A class, because the frames of a generator would stand in pytest's traceback.
    """

    item: pytest.Item
    tell: Callable[[RunResult], None]

    def __enter__(self) -> None:
        """Nothing yet."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Tell the run; raises the outcome that passed through it."""
        __tracebackhide__ = True
        if isinstance(error, Interrupted):
            LastRun(self.item, RunResult(error.log)).register()
        if not isinstance(error, PassedThrough):
            return
        result = RunResult(error.log)
        self.tell(result)
        if isinstance(error.outcome, pytest.exit.Exception):
            LastRun(self.item, result).register()
        raise error.outcome from None
