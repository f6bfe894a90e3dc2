"""Calls in another process: what travels, and child processes that can be killed.

Only data travels there: the tool's place (`module:name`), its arguments, and who calls. Back comes
a `Reply` with the value, or the exception, and what the tool logged, used and emitted. Memory,
variables and resources stay with the run; a tool that asks for them elsewhere is told so.

An exception that cannot be pickled travels as its text and the places of its classes; what is
raised here then is a stand-in of its name, below the first of those classes that can be imported.
"""

from __future__ import annotations

import inspect
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from selectors import EVENT_READ, DefaultSelector
from threading import Event, Thread
from typing import TYPE_CHECKING, NamedTuple, NoReturn, cast

from pytest_highway.clock import SystemClock
from pytest_highway.errors import HighwayError
from pytest_highway.runners.raised import presentable, stand_in, told_of
from pytest_highway.serialization import to_plain
from pytest_highway.tool_context import LogLevel, Memory, ToolContext, ToolError, shown_exit
from pytest_highway.toolbox.process import CHUNK, GRACE, TICK, end_group, feed, pipe_of
from pytest_highway.tools import Registry, import_target

if TYPE_CHECKING:  # A child starts faster without these.
    from concurrent.futures import Executor, Future

    from pytest_highway.engine.call import Call

__all__ = [
    "ChildProcesses",
    "Parcel",
    "Reply",
    "call_remotely",
    "parcel_of",
    "received_error",
]

# What pickling raises for what it does not know.
UNPICKLABLE = (pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError)

# What is no more than the end of a tool, whoever called it.
PLAIN = (Exception, SystemExit, KeyboardInterrupt)

# The child's first steps. Its path comes by the pipe: PYTHONPATH would go on to its children.
BOOT = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from pytest_highway.runners.remote import main; main()"
)


class Parcel(NamedTuple):
    """One call as it travels.

    `tool` is `module:name`, `seconds` what its timeout leaves it, `env` what the workflow and the
    task say of the environment: a child process has it over ours.
    """

    tool: str
    args: list[object]
    kwargs: dict[str, object]
    path: str
    attempt: int
    feedback: str | None
    seconds: float | None
    env: dict[str, str]


@dataclass(slots=True)
class Reply:
    """What comes back: a value, or an exception.

    One that cannot travel comes as the names of its classes, each `module:name`, and its text.
    """

    value: object = None
    error: BaseException | None = None
    error_classes: tuple[str, ...] = ()
    error_text: str = ""
    log: list[tuple[LogLevel, str]] = field(default_factory=list)
    usage: list[tuple[Decimal, int]] = field(default_factory=list)
    emitted: list[tuple[str, object]] = field(default_factory=list)


# --- on this side --------------------------------------------------------------------------------


def parcel_of(call: Call) -> Parcel:
    """A call, ready to travel; HighwayError naming the task when tool or arguments cannot."""
    where = f"task {call.path!r}: the tool {call.tool.name!r}"
    place = _place(call.tool.function)
    if place is None:
        fault = "cannot be called in another process; define it at the top level of a module"
        raise HighwayError(f"{where} {fault}")
    parcel = Parcel(
        place,
        call.args,
        call.kwargs,
        call.path,
        call.attempt,
        call.feedback,
        call.remaining(),
        dict(call.env),
    )
    try:
        pickle.dumps(parcel)
    except UNPICKLABLE as error:
        fault = f"has an argument that cannot go to another process: {error}"
        raise HighwayError(f"{where} {fault}") from error
    return parcel


def _place(function: Callable[..., object]) -> str | None:
    """`module:name` of a function, None when that does not lead back to it."""
    module = getattr(function, "__module__", None)
    place = f"{module}:{getattr(function, '__qualname__', '')}"
    if module == "__main__":
        return None  # It is another module there.
    try:
        return place if import_target(place) is function else None
    except (HighwayError, ImportError, ValueError):
        return None


def received_error(
    reply: Reply, passing: tuple[type[BaseException], ...] = ()
) -> BaseException | None:
    """The exception of a reply, or None; one of the classes `passing` is made anew."""
    if not reply.error_classes:
        return reply.error
    for each in passing:
        if _class_place(each) in reply.error_classes:
            return each(reply.error_text)
    name = reply.error_classes[0].rpartition(":")[2].rpartition(".")[2]
    for place in reply.error_classes:
        with suppress(Exception):  # importing runs foreign code, which may raise anything
            kind = import_target(place)
            if isinstance(kind, type) and issubclass(kind, Exception):
                return stand_in(name, kind, reply.error_text)
    if reply.error_classes[-1] == _class_place(BaseException):
        return ToolError(told_of(name, reply.error_text))
    return stand_in(name, Exception, reply.error_text)


def _class_place(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


# --- on the other side ---------------------------------------------------------------------------


def call_remotely(parcel: Parcel) -> Reply:
    """Call a tool where this runs; never raises what the tool raised, it travels in the reply."""
    reply = Reply()
    try:
        tool = Registry().add(cast("Callable[..., object]", import_target(parcel.tool)))
        context = None
        if tool.context_parameter is not None:
            host = _RemoteHost(reply, parcel)
            context = ToolContext(host, parcel.path, parcel.attempt, parcel.feedback)
        value = tool.invoke(context, parcel.args, parcel.kwargs)
        if inspect.iscoroutine(value):
            import asyncio  # Half of a child's start, and few tools need it.

            value = asyncio.run(value)
        reply.value = to_plain(value)
    except BaseException as error:  # a tool may raise anything; what it means is said over there
        _put_error(reply, presentable(error) if isinstance(error, PLAIN) else error)
    return reply


def _put_error(reply: Reply, error: BaseException) -> None:
    with suppress(Exception):  # pickling runs foreign code, which may raise anything
        copy = pickle.loads(pickle.dumps(error))
        if type(copy) is type(error) and str(copy) == str(error):
            reply.error = error
            return
    base = Exception if isinstance(error, Exception) else BaseException
    kinds = [each for each in type(error).__mro__ if issubclass(each, base)]
    reply.error_classes = tuple(map(_class_place, kinds))
    reply.error_text = str(error)


class _RemoteHost:
    """The host of a tool's context in another process: it collects, and refuses the rest."""

    cancelled = False

    def __init__(self, reply: Reply, parcel: Parcel) -> None:
        self._reply = reply
        self._seconds = parcel.seconds
        self._env = parcel.env
        self._clock = SystemClock()

    @property
    def memory(self) -> Memory:
        self._refuse("memory")

    @property
    def variables(self) -> Mapping[str, object]:
        self._refuse("variables")

    @property
    def env(self) -> Mapping[str, str]:
        return self._env

    @property
    def metadata(self) -> Mapping[str, object]:
        self._refuse("metadata")

    @property
    def resources(self) -> MutableMapping[str, object]:
        self._refuse("resources")

    def _refuse(self, what: str) -> NoReturn:
        raise ToolError(f"the run's {what} cannot be reached from another process")

    def remaining(self) -> float | None:
        return None if self._seconds is None else self._seconds - self._clock.now()

    def log(self, level: LogLevel, message: str) -> None:
        self._reply.log.append((level, message))

    def add_usage(self, cost: Decimal, tokens: int) -> None:
        self._reply.usage.append((cost, tokens))

    def emit(self, name: str, data: object) -> None:
        self._reply.emitted.append((name, to_plain(data)))


def main() -> None:
    """Answer one call from standard input; what the tool prints goes to standard error."""
    answer = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    with answer:
        answer.write(pickle.dumps(call_remotely(pickle.load(sys.stdin.buffer))))


# --- child processes -----------------------------------------------------------------------------


class ChildProcesses:
    """A child process for each call, in a session of its own so that all below it can be killed."""

    def __init__(self, threads: Executor) -> None:
        self._threads = threads
        self._stops: dict[Future[object], Event] = {}

    def submit(self, parcel: Parcel) -> Future[object]:
        """Make the call in a child; the future gives its `Reply`, or ToolError without one."""
        stop = Event()
        child = subprocess.Popen(
            [sys.executable, "-c", BOOT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **parcel.env},
            start_new_session=True,
        )
        content = pickle.dumps(sys.path) + pickle.dumps(parcel)
        future = self._threads.submit(converse, child, content, stop)
        self._stops[future] = stop
        future.add_done_callback(lambda done: self._stops.pop(done, None))
        return future

    def stop(self, future: Future[object]) -> bool:
        """Have the child ended with all that it started; its future ends after that."""
        stop = self._stops.get(future)
        if stop is not None:
            stop.set()
        return True


def converse(child: subprocess.Popen[bytes], content: bytes, stop: Event) -> object:
    """Send a call to a child and wait for its reply; ToolError when it ends without one."""
    # A thread writes, because a child that is stopped before it reads would leave us waiting.
    Thread(target=partial(feed, pipe_of(child.stdin), content), daemon=True).start()
    ended = False
    try:
        with pipe_of(child.stdout) as pipe:
            answer = _read(pipe.fileno(), child, stop)
        if not stop.is_set():
            with suppress(subprocess.TimeoutExpired):
                child.wait(GRACE)  # Threads that the tool left may keep it for ever.
        ended = child.poll() is not None
    finally:
        if not ended:
            end_group(child)
    if not answer:
        code = shown_exit(child.returncode)
        raise ToolError(f"the tool's process ended with exit code {code} and did not answer")
    return pickle.loads(answer)


def _read(pipe: int, child: subprocess.Popen[bytes], stop: Event) -> bytes:
    """All that comes until the child has ended, or is to.

    The end of the pipe would not do: what the tool has forked holds it, too, and may live on.
    """
    found = bytearray()
    with DefaultSelector() as selector:
        selector.register(pipe, EVENT_READ)
        while not stop.is_set():
            has_ended = child.poll() is not None
            if selector.select(0 if has_ended else TICK):
                chunk = os.read(pipe, CHUNK)
                found += chunk
                if not chunk:
                    break
            elif has_ended:
                break
    return bytes(found)
