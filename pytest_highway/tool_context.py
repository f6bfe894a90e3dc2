"""What a tool may ask of the engine while it runs, and how a tool fails.

A `ToolContext` is made for each attempt, so it holds nothing but a few slots; what a tool asks it
for goes through one `ToolHost`, which the engine implements:

    context.log.info("…")                  host.log("info", "…")
    context.memory.increment("n")          host.memory.add("n", 1)
    context.usage.add(cost=0.1, tokens=5)  host.add_usage(Decimal("0.1"), 5)
    context.emit("approved", {…})          host.emit("approved", {…})

This module checks what the tool hands over (texts, numbers, keys), so that no host has to. Costs
are decimals from here on: 0.1 is the decimal 0.1, and a thousand of them add up to 100 exactly.
"""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from decimal import Decimal, InvalidOperation
from types import MappingProxyType
from typing import Literal, Protocol, TypeGuard

from pytest_highway.errors import HighwayError, did_you_mean, listed

__all__ = [
    "CommandFailed",
    "LogLevel",
    "Memory",
    "OutputError",
    "ToolContext",
    "ToolError",
    "ToolHost",
    "ToolLog",
    "ToolMemory",
    "ToolUsage",
    "finished_value",
    "joined_streams",
    "parse_usage",
    "printed_of",
    "shown_command",
    "sum_of",
    "text_of",
]

LogLevel = Literal["trace", "debug", "info", "warning", "error"]

# How much of a command and of its last line a message shows, in characters.
SHOWN_COMMAND = 200
SHOWN_OUTPUT = 200


class ToolError(HighwayError):
    """A tool is declared, found or used wrongly."""


class CommandFailed(ToolError):
    """A process ended with an exit code other than 0; holds the code and what it printed."""

    def __init__(self, message: str, exit_code: int, stdout: str = "", stderr: str = "") -> None:
        # All four go to the base: `args` is what pickling hands to another process.
        super().__init__(message, exit_code, stdout, stderr)
        self.message = message
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr

    def __str__(self) -> str:
        return self.message

    @property
    def printed(self) -> str:
        """What it printed, the output first."""
        return joined_streams(self.stdout, self.stderr)

    @classmethod
    def from_finished(
        cls, command: str | Sequence[str], exit_code: int, stdout: str = "", stderr: str = ""
    ) -> CommandFailed:
        """The error for a finished process; `command` is a command line or an argument list.

        The message ends with the last line of stderr, or of stdout when stderr is blank.
        """
        lines = (stderr.strip() or stdout.strip()).splitlines()
        why = f": {shortened(lines[-1].strip(), SHOWN_OUTPUT)}" if lines else ""
        message = (
            f"command {shown_command(command)!r} ended with exit code {shown_exit(exit_code)}{why}"
        )
        return cls(message, exit_code, stdout, stderr)


class OutputError(ToolError):
    """A step does not hand on what it provides, or writes what cannot be read."""


def finished_value(exit_code: int, stdout: str = "", stderr: str = "") -> dict[str, object]:
    """The value of a tool or a step that ran a process."""
    return {"exit_code": exit_code, "stdout": stdout, "stderr": stderr}


def joined_streams(stdout: str, stderr: str) -> str:
    """What a process printed as one text, the output first."""
    texts = [each.rstrip("\n") for each in (stdout, stderr)]
    return "\n".join(filter(None, texts))


def printed_of(error: BaseException | None) -> str:
    """What the process printed whose failure an exception tells; nothing for any other."""
    printed = getattr(error, "printed", "")
    return printed if isinstance(printed, str) else ""


def shown_command(command: str | Sequence[str]) -> str:
    """A command line or an argument list on one line of bounded length, for messages."""
    text = command if isinstance(command, str) else shlex.join(command)
    return shortened(" ".join(text.split()), SHOWN_COMMAND)


def shown_exit(exit_code: int) -> str:
    """The code, with the signal's name where a signal ended the process: `-9 (SIGKILL)`."""
    names = {each.value: each.name for each in signal.Signals}
    name = names.get(-exit_code)
    return f"{exit_code} ({name})" if name else str(exit_code)


def shortened(text: str, limit: int) -> str:
    """The text, cut to `limit` characters with an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


class Memory(Protocol):
    """The run's memory as the engine offers it. `keys` serves messages and counts as no read."""

    def read(self, key: str) -> object:
        """The value; KeyError when there is none."""

    def write(self, key: str, value: object) -> None:
        """Set the value."""

    def add(self, key: str, amount: float) -> tuple[object, object]:
        """Add in one indivisible step; returns the old value and the new. See `sum_of`."""

    def keys(self) -> Iterable[str]:
        """All keys, in the order of writing."""


class ToolHost(Protocol):
    """What the engine offers to one attempt of one task; plain attributes will do."""

    @property
    def memory(self) -> Memory:
        """One for the whole run."""

    @property
    def variables(self) -> Mapping[str, object]:
        """The workflow's variables as this run has them."""

    @property
    def env(self) -> Mapping[str, str]:
        """The environment that the workflow declares, with the task's own over it."""

    @property
    def metadata(self) -> Mapping[str, object]:
        """The task's own `metadata`."""

    @property
    def resources(self) -> MutableMapping[str, object]:
        """Whatever lives as long as the run: connections, clients, fixtures."""

    @property
    def cancelled(self) -> bool:
        """Whether the answer is no longer wanted."""

    def remaining(self) -> float | None:
        """Seconds until the deadline on the run's clock, None without one."""

    def log(self, level: LogLevel, message: str) -> None:
        """Take one log message."""

    def add_usage(self, cost: Decimal, tokens: int) -> None:
        """Take what this attempt has used, neither of them negative."""

    def emit(self, name: str, data: object) -> None:
        """Send an event to those who wait for it."""


class ToolLog:
    """Logs messages; a message that is no text is shown as JSON."""

    __slots__ = ("_host",)

    def __init__(self, host: ToolHost) -> None:
        self._host = host

    def trace(self, message: object) -> None:
        """For the engine's own account only; no other transcript shows it."""
        self._host.log("trace", text_of(message))

    def debug(self, message: object) -> None:
        """Log at level `debug`."""
        self._host.log("debug", text_of(message))

    def info(self, message: object) -> None:
        """Log at level `info`."""
        self._host.log("info", text_of(message))

    def warning(self, message: object) -> None:
        """Log at level `warning`."""
        self._host.log("warning", text_of(message))

    def error(self, message: object) -> None:
        """Log at level `error`; the task does not fail by it."""
        self._host.log("error", text_of(message))


class ToolUsage:
    """Counts what an attempt costs."""

    __slots__ = ("_host",)

    def __init__(self, host: ToolHost) -> None:
        self._host = host

    def add(self, cost: object = 0, tokens: object = 0) -> None:
        """Add to the run's usage; ToolError for what `parse_usage` refuses."""
        self._host.add_usage(*parse_usage(cost, tokens))


class ToolMemory:
    """The run's memory as a tool sees it. Keys are texts; ToolError for any other."""

    __slots__ = ("_memory",)

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def read(self, key: str) -> object:
        """The value of a key; ToolError, with near names, when there is none."""
        try:
            return self._memory.read(checked_key(key))
        except KeyError:
            names = tuple(self._memory.keys())
            known = f"known are {listed(names)}" if names else "it is empty"
            message = f"memory has no {key!r}; {known}{did_you_mean(key, names)}"
            raise ToolError(message) from None

    def get(self, key: str, default: object = None) -> object:
        """The value of a key, or `default` when there is none."""
        try:
            return self._memory.read(checked_key(key))
        except KeyError:
            return default

    def set(self, key: str, value: object) -> None:
        """Set the value of a key."""
        self._memory.write(checked_key(key), value)

    def add(self, key: str, amount: float) -> tuple[object, object]:
        """Add a number, a missing key counting as 0; returns the old value and the new.

        ToolError when `amount` or what the key holds is no number.
        """
        sum_of(key, 0, amount)
        return self._memory.add(checked_key(key), amount)

    def increment(self, key: str, by: float = 1) -> object:
        """Add a number, a missing key counting as 0; returns the new value."""
        return self.add(key, by)[1]


class ToolContext:
    """What the engine supplies to a tool's parameter annotated `ToolContext`."""

    __slots__ = ("_host", "attempt", "deadline", "feedback", "path", "provides")

    def __init__(
        self,
        host: ToolHost,
        path: str = "",
        attempt: int = 1,
        feedback: str | None = None,
        deadline: float | None = None,
        provides: Sequence[str] | None = None,
    ) -> None:
        self._host = host
        self.path = path  # of the task in the run, as `loop[2]/task`
        self.attempt = attempt  # from 1
        self.feedback = feedback  # why the last attempt failed
        self.provides = provides  # what a step must hand on; None for a task
        self.deadline = deadline  # on the run's clock, in seconds; `remaining` is what a tool needs

    @property
    def log(self) -> ToolLog:
        """`log.info("…")` and so on."""
        return ToolLog(self._host)

    @property
    def memory(self) -> ToolMemory:
        """The run's memory."""
        return ToolMemory(self._host.memory)

    @property
    def usage(self) -> ToolUsage:
        """`usage.add(cost=…, tokens=…)`."""
        return ToolUsage(self._host)

    @property
    def variables(self) -> Mapping[str, object]:
        """The workflow's variables, not to be written."""
        return MappingProxyType(self._host.variables)

    @property
    def env(self) -> Mapping[str, str]:
        """What the workflow and the task say of the environment, not to be written."""
        return MappingProxyType(self._host.env)

    @property
    def metadata(self) -> Mapping[str, object]:
        """The task's `metadata`, not to be written."""
        return MappingProxyType(self._host.metadata)

    @property
    def resources(self) -> MutableMapping[str, object]:
        """Whatever lives as long as the run; tools may put things there."""
        return self._host.resources

    @property
    def cancelled(self) -> bool:
        """Whether the answer is no longer wanted: a long-running tool looks now and then."""
        return self._host.cancelled

    def remaining(self) -> float | None:
        """Seconds left for this attempt, None without a deadline; 0 or less when it is over."""
        return self._host.remaining()

    def emit(self, name: str, data: object = None) -> None:
        """Send an event; ToolError when the name is no text or an empty one."""
        if not isinstance(name, str) or not name:
            raise ToolError(f"event name {name!r} is no text with at least one character")
        self._host.emit(name, data)


def checked_key(key: object) -> str:
    """The key of a memory, which is a text."""
    if not isinstance(key, str):
        raise ToolError(f"memory key {key!r} is no text")
    return key


def text_of(value: object) -> str:
    """A text as it stands, everything else as JSON; what JSON does not know by its `str`."""
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=plain)
    except (TypeError, ValueError):  # a key that JSON does not allow, or a circle
        return str(value)


def plain(value: object) -> object:
    """JSON for what has none; a set is sorted, or the hash seed would show."""
    return sorted(value, key=repr) if isinstance(value, (set, frozenset)) else str(value)


def sum_of(key: str, old: object, amount: object) -> float:
    """The sum that `Memory.add` stores; ToolError when one of the two is no number."""
    if not is_number(amount):
        raise ToolError(f"memory key {key!r}: cannot add {amount!r}, which is no number")
    if not is_number(old):
        raise ToolError(f"memory key {key!r} holds {old!r}, which is no number to add to")
    return old + amount


def is_number(value: object) -> TypeGuard[float]:
    """Whether it is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def parse_usage(cost: object = 0, tokens: object = 0) -> tuple[Decimal, int]:
    """Cost and tokens as the run counts them; ToolError for what is negative or no such number."""
    try:
        parsed = Decimal("NaN" if isinstance(cost, bool) else str(cost))
    except InvalidOperation:
        parsed = Decimal("NaN")
    if not parsed.is_finite() or parsed < 0:
        raise ToolError(f"usage: cost {cost!r} is no number of at least 0")
    if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 0:
        raise ToolError(f"usage: tokens {tokens!r} is no whole number of at least 0")
    return parsed, tokens
