"""What the tests of real runs share: calls without an engine, and a look at other processes."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tool_host import RecordingHost

from pytest_highway.tools import Registry


class LooseCall(RecordingHost):
    """A call as a runner sees it, with no engine behind it; what the tool does is recorded."""

    def __init__(
        self, function: Callable[..., object], *args: object, seconds: float | None = None
    ):
        super().__init__(left=seconds)
        self.tool = Registry().add(function)
        self.path, self.attempt, self.feedback = "task", 1, None
        self.args, self.kwargs = list(args), {}
        self.deadline = seconds
        self.provides = None
        self.latency = 0.0
        self.services = SimpleNamespace(now=lambda: 0.0, passing=())

    @property
    def abandoned(self) -> bool:
        """Set by a runner, and told to the tool."""
        return self.cancelled

    @abandoned.setter
    def abandoned(self, value: bool) -> None:
        self.cancelled = value

    # Identity, as calls have it: a dataclass compares its fields and cannot be a key.
    __hash__ = object.__hash__
    __eq__ = object.__eq__


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    found = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, timeout=PATIENCE
    )
    return bool(found.stdout.strip()) and not found.stdout.strip().startswith("Z")


# Seconds for what takes a moment, on a machine that has much else to do.
PATIENCE = 60.0


@contextmanager
def started(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A started process whose output is text in a pipe; it is killed when the test leaves it.

    Popen's own `with` waits for it instead, forever in a test that has failed half way.
    """
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)
    try:
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE)
        for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
            pipe.close()


def looks() -> Iterator[None]:
    """A minute's worth of looks at something that is to happen; fails when it does not."""
    for _ in range(round(PATIENCE / 0.02)):
        yield
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def content_of(file: Path) -> str:
    """The text of a file, once it is there and holds one."""
    return next(text for _ in looks() if file.exists() and (text := file.read_text()))


def gone(pid: int) -> bool:
    """True once a process has ended."""
    return next(True for _ in looks() if not is_alive(pid))
