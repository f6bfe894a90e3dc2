"""What `highway run` shows in a terminal: lines of what ended, and below them what goes on.

    lint: success (0.4s)
    unit: attempt 1 failed: CommandFailed: exit code 1; retry in 3s
      build: 12s
      unit: retries in 3s, attempt 2
      deploy: waits for build, unit
      and 40 more
    1 of 44 done, 1 running, 14s

The part below is drawn anew a few times a second, has a few lines whatever the size of the run, and
is taken off at the end. The run's own thread updates `Progress`; another one draws it.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from threading import Lock

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pytest_highway.cli.display import PlainDisplay
from pytest_highway.cli.progress import Progress
from pytest_highway.clock import SystemClock
from pytest_highway.errors import one_line
from pytest_highway.events import Event, RunEnded, TaskEnded, TaskStarted, WaitOpened
from pytest_highway.planning.plan import Plan
from pytest_highway.secrets import SecretValues

__all__ = ["LiveDisplay"]

# Of the part below: lines, those of a terminal that it leaves free, times a second it is drawn.
ROWS, FREE, RATE = 10, 4, 8

COLOURS = {
    "success": "green",
    "failed": "red",
    "timed_out": "red",
    "upstream_failed": "yellow",
    "cancelled": "yellow",
    "skipped": "dim",
}


class LiveDisplay(PlainDisplay):
    """Lines and progress for a terminal."""

    def __init__(self, plan: Plan, secrets: SecretValues, *, is_verbose: bool = False) -> None:
        super().__init__(secrets, is_verbose=is_verbose)
        self._redactor = secrets.redactor  # for the drawing thread: it never changes
        self._progress = Progress(plan)
        self._lock = Lock()  # held while the progress is read or changed, never while printing
        self._clock = SystemClock()
        self._ahead = 0.0  # of the run's clock, which has begun earlier if it is taken up
        self._style = ""
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._lines: list[Text] = []  # to be printed
        self._live = Live(
            self,
            console=self._console,
            refresh_per_second=RATE,
            transient=True,
            redirect_stderr=sys.stderr.isatty(),
        )
        self._live.start()

    def show_all(self, events: Sequence[Event]) -> None:
        """Show events that are new, and how far the run is now."""
        with self._lock:
            self._redactor = self._secrets.redactor
            self._ahead = events[-1].at - self._clock.now()
            for event in events:
                self._progress.update(event)
        super().show_all(events)
        if self._lines:
            # At once, since the progress is drawn anew below whatever is printed.
            self._console.print(*self._lines, sep="\n", soft_wrap=True)
            self._lines.clear()

    def show(self, event: Event) -> None:
        """Show one event that stays; what only begins is part of the progress."""
        if type(event) is WaitOpened:
            return
        if type(event) is TaskStarted:
            self._started[event.path] = event.at
            return
        self._style = ""
        if type(event) is TaskEnded or type(event) is RunEnded:
            self._style = COLOURS.get(event.status, "")
        super().show(event)

    def say(self, line: str) -> None:
        """Have lines printed above the progress."""
        self._lines += [Text(each, self._style) for each in self._lines_of(line)]

    def close(self) -> None:
        """Take the progress off, and give the cursor back."""
        self._live.stop()

    def __rich__(self) -> Text:
        """The progress as it is now."""
        room = max(0, min(ROWS, self._console.height - FREE))
        with self._lock:
            now = self._clock.now() + self._ahead
            rows, more = self._progress.shown_rows(now, room)
            summary = self._progress.summary(now)
            redactor = self._redactor
        drawn = Text(no_wrap=True, overflow="ellipsis")
        for row in rows:
            line = one_line(redactor.rendered(f"{row.path}: {row.words}"))
            drawn.append(f"  {line}\n", "bold" if row.runs else "dim")
        if more:
            drawn.append(f"  and {more} more\n", "dim")
        return drawn.append(summary)
