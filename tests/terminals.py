"""The real `highway` command in a terminal of a size of its own, and what stands on its screen."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Timer
from typing import NamedTuple

__all__ = ["COMMAND", "Shown", "frames", "in_terminal", "plain_environment"]

COMMAND = (sys.executable, "-c", "from pytest_highway.cli.main import main; main()")
PATIENCE = 60.0  # seconds, after which a command that hangs is killed
SEQUENCE = re.compile(r"\x1b\[(\?25[lh]|[0-9;]*[A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Shown(NamedTuple):
    """How a command ended, and all that it sent to its terminal."""

    code: int
    sent: str

    @property
    def screen(self) -> list[str]:
        """The lines that stand on the screen at the end."""
        *_, last = frames(self.sent)
        return last

    @property
    def has_cursor(self) -> bool:
        """Whether the cursor is to be seen at the end."""
        return self.sent.rfind("\x1b[?25h") >= self.sent.rfind("\x1b[?25l")


def plain_environment(**more: str) -> dict[str, str]:
    """This process's environment without what decides how a run is shown."""
    dropped = ("GITHUB_ACTIONS", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TTY_COMPATIBLE")
    kept = {name: each for name, each in os.environ.items() if name not in dropped}
    return {**kept, "TERM": "xterm-256color", "HIGHWAY_HISTORY": "", **more}


def in_terminal(
    *arguments: str,
    folder: Path,
    size: tuple[int, int] = (24, 80),
    more: Mapping[str, str] | None = None,
    watch: Callable[[subprocess.Popen[bytes], str], object] = lambda process, sent: None,
) -> Shown:
    """Run `highway` in a terminal of so many lines and columns.

    `watch` gets the process and all that was sent, each time that something is.
    """
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        env=plain_environment(**(more or {})),
        stdin=its,
        stdout=its,
        stderr=its,
        start_new_session=True,
    )
    os.close(its)
    killer = Timer(PATIENCE, process.kill)
    killer.daemon = True
    killer.start()
    sent = ""
    for chunk in _chunks(ours):
        sent += chunk
        watch(process, sent)
    code = process.wait(PATIENCE)
    killer.cancel()
    killer.join()
    os.close(ours)
    return Shown(code, sent)


def _chunks(descriptor: int) -> Iterator[str]:
    """What comes, until nobody has the terminal open."""
    try:
        while chunk := os.read(descriptor, 1 << 16):
            yield chunk.decode()
    except OSError:  # so Linux tells the end
        return


def frames(sent: str) -> Iterator[list[str]]:
    """The screen whenever a line was begun or taken back; long lines are not wrapped."""
    lines, row, column = [""], 0, 0
    for control, end, text in SEQUENCE.findall(sent):
        if text:
            lines[row] = lines[row][:column].ljust(column) + text
            column += len(text)
        elif end == "\r":
            column = 0
        elif end == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif control.endswith("A"):
            yield list(lines)
            row -= int(control[:-1] or 1)
        elif control == "2K":
            lines[row] = ""
    yield list(lines)
