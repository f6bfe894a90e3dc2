"""One process, run to its end or ended with everything that it started.

The rules, for POSIX:

* The child leads a session of its own, so its process group holds it and its descendants, and a
  Ctrl-C at the terminal reaches only us. `subprocess.run(timeout=…)` is no choice: it ends the
  child alone and leaves grandchildren running.
* Threads drain both pipes all the time: a child that prints a lot never blocks. Of each stream
  the first and the last mebibyte are kept, and a line between them says how much was dropped.
* When the time is up, when the call is cancelled, and on any exception here (KeyboardInterrupt),
  the group gets TERM, two seconds, then KILL.
* When the command has ended by itself, what it left in the background lives on; if that holds
  the pipes open, they are read for one more second and no longer.
* Without input the child reads an empty one: a question at a prompt ends instead of hanging.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Lock, Thread
from typing import IO, Final

from pytest_highway.steps.shells import OUTPUT_FILE
from pytest_highway.tool_context import (
    CommandFailed,
    ToolContext,
    ToolError,
    finished_value,
    joined_streams,
    shown_command,
    text_of,
)
from pytest_highway.toolbox.outputs import check_provided, output_file, read_outputs

__all__ = [
    "PROCESS_TOOLS",
    "Finished",
    "ProcessStopped",
    "argument_text",
    "run_checked",
    "run_process",
]

# The tools that run a process; a stub of one stands at its boundary.
PROCESS_TOOLS: Final = (
    "tools.shell.run",
    "tools.command.run",
    "tools.python.run",
    "tools.powershell.run",
)

# Seconds. All pauses are counted in ticks, because only the clock module reads a clock.
TICK = 0.02
GRACE = 2.0
DRAIN = 1.0

ENDED = ("Z", "X")  # the states of /proc for what has ended
KEPT = 1 << 20  # bytes, of each end of each stream
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Finished:
    """A process that has ended. A negative exit code is the signal that ended it."""

    exit_code: int
    stdout: str
    stderr: str


class ProcessStopped(TimeoutError):
    """A process was ended before its time; `printed` is what it had printed."""

    def __init__(self, reason: str, printed: str = "") -> None:
        super().__init__(reason)
        self.printed = printed


def run_checked(
    context: ToolContext,
    command: str | Sequence[object],
    cwd: object,
    env: Mapping[str, object] | None,
    stdin: object,
    *,
    argv: Sequence[str] | None = None,
) -> dict[str, object]:
    """What the process tools return; CommandFailed for an exit code other than 0.

    The process sees the environment of the workflow and of the task, and `env` over it. `argv` is
    what is started, where `command` is only how that is told. A step's value also has the
    `outputs` that its process handed on; OutputError where those are not as promised.

    Arguments, values of `env` and `stdin` that are no texts go in as JSON: 8080, true. ToolError
    for null among the first two.
    """
    told = command if isinstance(command, str) else list(map(argument_text, command))
    own = {name: argument_text(value, f"env {name!r}") for name, value in (env or {}).items()}
    folder = None if cwd is None else argument_text(cwd)

    def run(more: Mapping[str, str]) -> dict[str, object]:
        finished = run_process(
            argv or told,
            shell=argv is None and isinstance(told, str),
            cwd=folder,
            env={**context.env, **own, **more},
            stdin=None if stdin is None else text_of(stdin),
            remaining=context.remaining,
            cancelled=lambda: context.cancelled,
        )
        streams = (finished.exit_code, finished.stdout, finished.stderr)
        if finished.exit_code:
            raise CommandFailed.from_finished(told, *streams)
        return finished_value(*streams)

    if context.provides is None:
        return run({})
    with output_file() as file:
        value = run({OUTPUT_FILE: str(file)})
        outputs = read_outputs(file)
    check_provided(context.provides, outputs, lambda name: Path(folder or "", name).exists())
    return {**value, "outputs": outputs}


def argument_text(value: object, what: str = "an argument") -> str:
    """The text that a process gets for a value; ToolError for null, a forgotten value."""
    if value is None:
        raise ToolError(f"{what} is null; write a text, the empty one is ''")
    return text_of(value)


def run_process(
    argv_or_text: str | Sequence[str],
    *,
    shell: bool = False,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    remaining: Callable[[], float | None] = lambda: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Finished:
    """Run a process; `env` overlays this process's environment.

    `remaining` gives the seconds left, `cancelled` whether to stop; both are asked every few
    hundredths of a second. ProcessStopped when either ends the process, FileNotFoundError or
    another OSError, with a sentence, when it cannot be started.
    """
    what = shown_command(argv_or_text)

    def stop_reason() -> str | None:
        if cancelled():
            return f"command {what!r} was cancelled"
        left = remaining()
        out_of_time = left is not None and left <= 0
        return f"command {what!r} ran out of time and was ended" if out_of_time else None

    reason = stop_reason()
    if reason is None:
        child = Child(start(argv_or_text, shell=shell, cwd=cwd, env=env), stdin)
        reason = child.run(stop_reason)
        if reason is None:
            return child.finished()
        raise ProcessStopped(reason, child.printed())
    raise ProcessStopped(reason)


def start(
    argv_or_text: str | Sequence[str],
    *,
    shell: bool,
    cwd: str | None,
    env: Mapping[str, str] | None,
) -> subprocess.Popen[bytes]:
    """The started process; an OSError whose text is a sentence."""
    # Looked at before, because Popen reports a missing folder as it does a missing program.
    if cwd is not None and not Path(cwd).is_dir():
        kind = NotADirectoryError if Path(cwd).exists() else FileNotFoundError
        fault = "is no folder" if Path(cwd).exists() else "does not exist"
        raise kind(f"working directory {str(cwd)!r} {fault}")
    program = "sh" if shell else argv_or_text[0]
    try:
        return subprocess.Popen(
            argv_or_text,
            shell=shell,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise FileNotFoundError(f"program {program!r} was not found") from error
    except OSError as error:
        raise type(error)(f"program {program!r} cannot be started: {error.strerror}") from error
    except ValueError as error:  # a NUL in an argument, a `=` in the name of a variable
        raise ToolError(f"program {program!r} cannot be started: {error}") from error


class Child:
    """A started process, the threads on its pipes, and its end."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: str | None) -> None:
        self._process = process
        self._stdout = Stream(pipe_of(process.stdout))
        self._stderr = Stream(pipe_of(process.stderr))
        feeder = partial(feed, pipe_of(process.stdin), (stdin or "").encode(errors="replace"))
        # Daemons: what a background process keeps open must not keep this one from exiting.
        targets = (feeder, self._stdout.read_all, self._stderr.read_all)
        self._threads = [Thread(target=each, daemon=True) for each in targets]

    def run(self, stop_reason: Callable[[], str | None]) -> str | None:
        """Wait for the end, or bring it about and return why; nothing runs when this raises."""
        ended = False
        try:
            for thread in self._threads:
                thread.start()
            reason = self._wait(stop_reason)
            ended = reason is None
        finally:
            if not ended:
                end_group(self._process)
        self._drain()
        return reason

    def finished(self) -> Finished:
        """What is known once it has ended."""
        return Finished(self._process.returncode, self._stdout.text(), self._stderr.text())

    def printed(self) -> str:
        """What it has printed."""
        return joined_streams(self._stdout.text(), self._stderr.text())

    def _wait(self, stop_reason: Callable[[], str | None]) -> str | None:
        with ending(self._process) as await_end:
            while self._process.poll() is None:
                reason = stop_reason()
                if reason:
                    return reason
                await_end(TICK)
        return None

    def _drain(self) -> None:
        seconds = DRAIN
        for thread in self._threads:
            thread.join(seconds)
            if thread.is_alive():
                seconds = 0.0  # the others have had the same time


@contextmanager
def ending(process: subprocess.Popen[bytes]) -> Iterator[Callable[[float], object]]:
    """What waits until a process ends, or for so many seconds.

    Where the system tells of the end it is known at once. Popen's own wait looks again and again,
    ever more seldom, which a short step pays for with more time than it takes.
    """
    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # only newer Linux has them, and their number is limited

        def look(seconds: float) -> None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(seconds)

        yield look
        return
    told = select.poll()
    told.register(descriptor, select.POLLIN)
    try:
        yield lambda seconds: told.poll(seconds * 1000)
    finally:
        os.close(descriptor)


class Stream:
    """The first and the last bytes of a pipe that a thread reads to its end."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._lock = Lock()
        self._first = bytearray()
        self._last = bytearray()
        self._dropped = 0

    def read_all(self) -> None:
        """Read until every holder of the other end has closed it."""
        with self._pipe:
            # `read` of the file object would wait until a whole chunk has come.
            while chunk := os.read(self._pipe.fileno(), CHUNK):
                self._keep(chunk)

    def _keep(self, chunk: bytes) -> None:
        with self._lock:
            room = KEPT - len(self._first)
            self._first += chunk[:room]
            self._last += chunk[room:]
            excess = max(len(self._last) - KEPT, 0)
            del self._last[:excess]
            self._dropped += excess

    def text(self) -> str:
        """What was kept, as UTF-8 with replacement characters."""
        with self._lock:
            if not self._dropped:
                # Decoded in one piece: the cut may lie inside a character.
                return (self._first + self._last).decode(errors="replace")
            first, last = (each.decode(errors="replace") for each in (self._first, self._last))
            return f"{first}\n... ({self._dropped} bytes dropped)\n{last}"


def pipe_of(stream: IO[bytes] | None) -> IO[bytes]:
    """The stream, which is there because `start` asks for all three."""
    assert stream is not None
    return stream


def feed(pipe: IO[bytes], data: bytes) -> None:
    """Write the input and close; a child that does not read it all is no error."""
    with suppress(OSError), pipe:
        pipe.write(data)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all of its group: TERM, some time to tidy up, KILL."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        signal_group(process.pid, number)
        if is_group_gone(process):
            break
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)


def is_group_gone(process: subprocess.Popen[bytes]) -> bool:
    """Wait up to GRACE until no process of the group runs."""
    pause = Event()
    for _ in range(round(GRACE / TICK)):
        process.poll()  # a child that nobody has waited for still counts as a member
        if not is_running(process.pid):
            return True
        pause.wait(TICK)
    return False


def is_running(group: int) -> bool:
    """Whether any process of the group still runs.

    Orphans that have ended stay members until process 1 takes note, which in many containers is
    never; so where there is a /proc, it is asked whether they are only zombies.
    """
    if not signal_group(group, 0):
        return False
    states = [state for state, its_group in process_states() if its_group == group]
    return not states or any(state not in ENDED for state in states)


def process_states() -> Iterator[tuple[str, int]]:
    """State and group of every process, nothing on systems without a /proc."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            # After the name, which stands in parentheses and may hold anything.
            state, _, group = file.read_text(errors="replace").rpartition(")")[2].split()[:3]
            yield state, int(group)


def signal_group(group: int, number: int) -> bool:
    """Send a signal, 0 for none; false when there is no such group, or none that is ours."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
