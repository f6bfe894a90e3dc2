"""Runners: where a call goes, and how its answer comes back.

    InlineRunner    calls the tool at once, in the engine's own thread: for simulated runs
    RealRunner      hands each call to a `concurrent.futures.Executor`, by the tool's isolation

A simulated run wraps its runner with a stub book, so that only what may run for real reaches it.
A runner answers at once, or with None, and then gives the answer out by `wait`.

Threads are daemons, one for each call: a tool that never returns can be abandoned, and does not
keep the process alive (the threads of the standard pool are joined at exit). Coroutine tools share
one event loop in a thread of its own. `process` tools run in a child process of their own, which a
timeout can kill; an executor of the user's takes the place of threads and processes.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextvars import ContextVar
from queue import Empty, SimpleQueue
from typing import ParamSpec, Protocol, TypeVar, cast

from pytest_highway.frame import Answer, Call
from pytest_highway.remote import ChildProcesses, Reply, call_remotely, reference_of
from pytest_highway.serialization import to_plain
from pytest_highway.template import copy_data
from pytest_highway.tool_context import ToolContext

__all__ = ["CURRENT_CALL", "InlineRunner", "RealRunner", "Runner", "invoke"]

P = ParamSpec("P")
Value = TypeVar("Value")

# The call that is being made, for what answers a tool from below (HTTP stubs).
CURRENT_CALL: ContextVar[Call] = ContextVar("highway_call")


class Runner(Protocol):
    """Whatever takes calls."""

    def start(self, call: Call) -> Answer | None:
        """Make the call: how it ended, or None when the answer comes by `wait`."""

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        """Answers that have come in; waits for the first one, at most so many seconds."""

    def abandon(self, call: Call) -> str:
        """Stop a call whose answer is no longer wanted; says what became of it, or nothing."""

    def close(self) -> None:
        """Let go of threads and processes."""


class InlineRunner:
    """Calls tools for real, one after another."""

    def start(self, call: Call) -> Answer:
        """Call the tool and return its value, made plain, or the exception it raised."""
        return attempt(call)

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        """Nothing: every call was answered at once."""
        return []

    def abandon(self, call: Call) -> str:
        """Nothing: a call that is answered at once cannot be late."""
        return ""

    def close(self) -> None:
        """Nothing to let go of."""


class RealRunner:
    """Calls tools on executors; `custom` replaces threads and processes where it can."""

    def __init__(self, custom: Executor | None = None) -> None:
        self._custom = custom
        self._threads = DaemonThreads()
        self._loop = EventLoop()
        self._processes = ChildProcesses(self._threads)
        self._done: SimpleQueue[tuple[Call, Answer]] = SimpleQueue()
        self._futures: dict[Call, Future[object]] = {}

    def start(self, call: Call) -> Answer | None:
        """Submit the call; tools of isolation `inline` are called at once."""
        tool = call.tool
        if tool.isolation == "inline" and not tool.is_coroutine:
            return attempt(call)
        try:
            future = self._submit(call)
        except Exception as error:  # whatever an executor raises, the task fails and not the run
            return Answer(error=error)
        self._futures[call] = future
        future.add_done_callback(lambda future: self._done.put((call, _answer(call, future))))
        return None

    def _submit(self, call: Call) -> Future[object]:
        tool = call.tool
        if tool.is_coroutine:
            return self._loop.submit(invoke, call)
        if tool.isolation == "subprocess" or (
            tool.isolation == "thread" and (self._custom is None or tool.context_parameter)
        ):
            return self._threads.submit(invoke, call)
        executor = self._custom or self._processes
        reference = reference_of(tool.function, call.path)
        facts = (call.path, call.attempt, call.feedback)
        future = executor.submit(call_remotely, reference, call.args, call.kwargs, facts)
        return cast("Future[object]", future)

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        """The answers that are there, after the first one has come or the time is over."""
        try:
            found = [self._done.get(timeout=seconds)]
        except Empty:
            return []
        found += _drained(self._done)
        for call, _ in found:
            self._futures.pop(call, None)
        return found

    def abandon(self, call: Call) -> str:
        """Cancel what can be cancelled; a thread goes on, and is told by its context."""
        future = self._futures.pop(call, None)
        if future is None or future.cancel():
            return ""
        if call.tool.isolation == "process" and self._custom is None:
            self._processes.kill(future)
            return "its process was killed"
        if call.tool.isolation == "subprocess":
            return "its process group is being killed"
        return "its thread was abandoned and may still be running"

    def close(self) -> None:
        """Stop the event loop and whatever child processes are left."""
        self._processes.shutdown(wait=False)
        self._loop.shutdown(wait=False)


def _drained(queue: SimpleQueue[tuple[Call, Answer]]) -> Iterator[tuple[Call, Answer]]:
    while not queue.empty():
        yield queue.get_nowait()


def _answer(call: Call, future: Future[object]) -> Answer:
    """A finished future as an answer; what a remote tool logged goes to the call."""
    try:
        value = future.result()
    except CancelledError:
        return Answer(error=RuntimeError("the call was cancelled"))
    except Exception as error:  # a tool may raise anything; the run goes on without it
        return Answer(error=error)
    if isinstance(value, Reply):
        for level, text in value.log:
            call.log(level, text)
        for cost, tokens in value.usage:
            call.add_usage(cost, tokens)
        for name, data in value.emitted:
            call.emit(name, data)
        return Answer(value.value, value.error)
    return Answer(value)


def attempt(call: Call) -> Answer:
    """Call a tool here and now."""
    try:
        return Answer(invoke(call))
    except Exception as error:  # a tool may raise anything; the run goes on without it
        return Answer(error=error)


def invoke(call: Call) -> object:
    """Call the tool with copies of its arguments; returns plain data or raises what it raised."""
    token = CURRENT_CALL.set(call)
    try:
        value = _call(call)
        if asyncio.iscoroutine(value):
            value = asyncio.run(value)
        return to_plain(value)
    finally:
        CURRENT_CALL.reset(token)


def _call(call: Call) -> object:
    tool = call.tool
    context = None
    if tool.context_parameter is not None:
        context = ToolContext(call, call.path, call.attempt, call.feedback, call.deadline)
    # Copies, because the call's own arguments stand in the log.
    args = cast("list[object]", copy_data(call.args))
    kwargs = cast("dict[str, object]", copy_data(call.kwargs))
    return tool.invoke(context, args, kwargs)


class DaemonThreads(Executor):
    """One daemon thread for each call."""

    def submit(self, fn: Callable[P, Value], /, *args: P.args, **kwargs: P.kwargs) -> Future[Value]:
        """Run the function in a thread of its own."""
        future: Future[Value] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, name="highway-tool", daemon=True).start()
        return future


class EventLoop(Executor):
    """One event loop in a daemon thread, started with the first coroutine tool."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, fn: Callable[P, Value], /, *args: P.args, **kwargs: P.kwargs) -> Future[Value]:
        """Run `invoke` for a coroutine tool on the loop; cancelling the future cancels the task."""
        (call,) = args
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            threading.Thread(
                target=self._loop.run_forever, name="highway-loop", daemon=True
            ).start()
        coroutine = _awaited(cast(Call, call))
        return cast("Future[Value]", asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Stop the loop."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None


async def _awaited(call: Call) -> object:
    token = CURRENT_CALL.set(call)
    try:
        return to_plain(await cast("Coroutine[object, object, object]", _call(call)))
    finally:
        CURRENT_CALL.reset(token)
