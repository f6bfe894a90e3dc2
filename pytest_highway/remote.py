"""Calls in another process: what travels, and child processes that can be killed.

Only data travels: the tool's place (`module:name`), its arguments, and who calls; back comes a
`Reply` with the value, or the exception, and what the tool logged and used. Memory, variables and
resources stay with the run; a tool that asks for them in another process is told so.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, MutableMapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NoReturn, ParamSpec, TypeVar, cast

from pytest_highway.errors import HighwayError
from pytest_highway.serialization import to_plain
from pytest_highway.tool_context import LogLevel, Memory, ToolContext, ToolError
from pytest_highway.tools import Registry

__all__ = ["ChildProcesses", "Reply", "call_remotely", "reference_of"]

P = ParamSpec("P")
Value = TypeVar("Value")
Facts = tuple[str, int, "str | None"]


@dataclass(slots=True)
class Reply:
    """What comes back from another process."""

    value: object = None
    error: Exception | None = None
    log: list[tuple[LogLevel, str]] = field(default_factory=list)
    usage: list[tuple[Decimal, int]] = field(default_factory=list)
    emitted: list[tuple[str, object]] = field(default_factory=list)


def reference_of(function: Callable[..., object], path: str) -> str:
    """`module:name` of a tool's function; `HighwayError` naming the task when it has none."""
    module, name = function.__module__, getattr(function, "__qualname__", "<lambda>")
    if "<" in name or module == "__main__":
        raise HighwayError(
            f"task {path!r}: the tool {module}.{name} cannot be called in another process; "
            "define it at the top level of a module"
        )
    return f"{module}:{name}"


def call_remotely(
    reference: str, args: list[object], kwargs: dict[str, object], facts: Facts
) -> Reply:
    """Call a tool where this runs; never raises what the tool raised, it travels in the reply."""
    reply = Reply()
    try:
        module, _, name = reference.partition(":")
        function: object = importlib.import_module(module)
        for step in name.split("."):
            function = getattr(function, step)
        tool = Registry().add(cast("Callable[..., object]", function))
        context = None
        if tool.context_parameter is not None:
            path, attempt, feedback = facts
            context = ToolContext(_RemoteHost(reply), path, attempt, feedback)
        value = tool.invoke(context, args, kwargs)
        if asyncio.iscoroutine(value):
            value = asyncio.run(value)
        reply.value = to_plain(value)
    except Exception as error:  # a tool may raise anything
        reply.error = _portable(error)
    return reply


def _portable(error: Exception) -> Exception:
    """The exception if it survives the way back, else one that tells its class and text."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # pickling runs foreign code, which may raise anything
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


class _RemoteHost:
    """The host of a tool's context in another process: it collects, and refuses the rest."""

    cancelled = False

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @property
    def memory(self) -> Memory:
        self._refuse("memory")

    @property
    def variables(self) -> Mapping[str, object]:
        self._refuse("variables")

    @property
    def metadata(self) -> Mapping[str, object]:
        self._refuse("metadata")

    @property
    def resources(self) -> MutableMapping[str, object]:
        self._refuse("resources")

    @property
    def env(self) -> Mapping[str, str]:
        return {}

    def _refuse(self, what: str) -> NoReturn:
        raise ToolError(f"the run's {what} cannot be reached from another process")

    def remaining(self) -> float | None:
        return None

    def log(self, level: LogLevel, message: str) -> None:
        self._reply.log.append((level, message))

    def add_usage(self, cost: Decimal, tokens: int) -> None:
        self._reply.usage.append((cost, tokens))

    def emit(self, name: str, data: object) -> None:
        self._reply.emitted.append((name, to_plain(data)))


class ChildProcesses(Executor):
    """A child process for each call, in a session of its own so that all below it can be killed."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._running: dict[Future[object], subprocess.Popen[bytes]] = {}

    def submit(self, fn: Callable[P, Value], /, *args: P.args, **kwargs: P.kwargs) -> Future[Value]:
        """Run the function in a child; function, arguments and value are pickled."""
        content = pickle.dumps((sys.path, fn, args, kwargs))
        child = subprocess.Popen(
            [sys.executable, "-m", "pytest_highway.remote"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        future = self._threads.submit(_converse, child, content)
        self._running[cast("Future[object]", future)] = child
        future.add_done_callback(lambda done: self._running.pop(done, None))
        return cast("Future[Value]", future)

    def kill(self, future: Future[object]) -> None:
        """Kill the child of a call, and all that it started."""
        child = self._running.pop(future, None)
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Kill whatever is left."""
        for future in list(self._running):
            self.kill(future)


def _converse(child: subprocess.Popen[bytes], content: bytes) -> object:
    answer, _ = child.communicate(content)
    if child.returncode != 0:
        raise RuntimeError(f"the tool's process ended with exit code {child.returncode}")
    return pickle.loads(answer)


def main() -> None:
    """Answer one call from standard input; what the tool prints goes to standard error."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    sys.path[:], function, args, kwargs = pickle.load(sys.stdin.buffer)
    answer.write(pickle.dumps(function(*args, **kwargs)))
    answer.close()


if __name__ == "__main__":
    # Under its real name, so that what is pickled here is known on the other side.
    from pytest_highway.remote import main as run

    run()
