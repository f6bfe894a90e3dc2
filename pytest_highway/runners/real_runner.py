"""Real runs: each call where its tool's isolation says, and how it is stopped there.

    isolation          where it runs                     a call that is stopped
    inline             the engine's own thread           cannot be
    thread             a daemon thread of its own        is abandoned: a thread cannot be killed
    coroutine tools    one event loop for the run        is cancelled
    process            a child process of its own        is killed, with all that it started
    subprocess         a daemon thread of its own        ends its process group, told by its context

An executor of the user's takes the place of threads and processes; what needs the run itself, by
a context, or the loop stays here. A queued call of it can be cancelled, a running one goes on.

Threads are daemons, one for each call: a tool that never returns can be abandoned, and does not
keep the process alive (the threads of the standard pool are joined at exit).

Ctrl-C is noted and raised by `wait`, between two steps of the engine (see `Interrupts`).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, wait
from contextlib import contextmanager
from math import inf
from queue import Empty, SimpleQueue
from types import FrameType
from typing import NamedTuple, cast

from pytest_highway.engine.call import Call
from pytest_highway.engine.effects import Answer
from pytest_highway.runners.background import DaemonThreads
from pytest_highway.runners.event_loop import EventLoop
from pytest_highway.runners.executors import CURRENT_CALL, PATIENCE, Stopped, attempt, call_tool
from pytest_highway.runners.raised import failure_of, presentable
from pytest_highway.runners.remote import (
    ChildProcesses,
    Reply,
    call_remotely,
    parcel_of,
    received_error,
)
from pytest_highway.serialization import to_plain
from pytest_highway.tool_context import ToolError, printed_of

__all__ = ["Interrupts", "RealRunner"]


# Seconds of one sleep. Python calls a signal's handler between two instructions: that of one which
# comes just as the thread falls asleep in `get` would be called only when an answer wakes it.
GLANCE = 0.2


class Place(NamedTuple):
    """Where calls run, and how one is stopped.

    `stop` tells whether the call will end by that; `stopped` is what became of one that did,
    `left` of one that did not.
    """

    submit: Callable[[Call], Future[object]]
    stop: Callable[[Future[object]], bool]
    stopped: str
    left: str


class RealRunner:
    """Calls tools where their isolation says; `custom` replaces threads and processes.

    `custom` may be any `concurrent.futures.Executor`; it is not shut down here. `interrupts` is
    to be entered around the run. `on_end` is told of each call that ends elsewhere, where and when
    it does.
    """

    def __init__(self, custom: Executor | None = None) -> None:
        self.on_end: Callable[[Call], None] = lambda call: None
        self._done: SimpleQueue[tuple[Call, Answer] | None] = SimpleQueue()
        self._running: dict[Call, tuple[Future[object], Place]] = {}
        self._threads = threads = DaemonThreads()
        self._loop: EventLoop | None = None
        self._custom = custom
        processes = ChildProcesses(threads)
        self.interrupts = Interrupts(lambda: self._done.put(None))
        self._places = {
            "thread": Place(
                self._in_thread,
                lambda future: False,
                stopped="",
                left="its thread was abandoned and may still be running",
            ),
            "subprocess": Place(
                self._in_thread,
                lambda future: True,  # its context tells it
                stopped="its processes were ended",
                left="its processes may still be running",
            ),
            "process": Place(
                lambda call: processes.submit(parcel_of(call)),
                processes.stop,
                stopped="its process was killed",
                left="its process may still be running",
            ),
            "coroutine": Place(
                lambda call: self._event_loop().submit(lambda: answered(call)),
                lambda future: self._event_loop().stop(future),
                stopped="its coroutine was cancelled",
                left="its coroutine did not stop and may still be running",
            ),
            "executor": Place(
                self._on_executor,
                Future.cancel,
                stopped="",
                left="its executor may still be running it",
            ),
        }

    def start(self, call: Call) -> Answer | None:
        """Submit the call; tools of isolation `inline` are called at once."""
        tool = call.tool
        if tool.isolation == "inline" and not tool.is_coroutine:
            return self._at_once(call)
        place = self._places[self._place_name(call)]
        try:
            future = place.submit(call)
        except Exception as error:  # whatever an executor raises, the task fails and not the run
            return Answer(error=presentable(error))
        self._running[call] = future, place
        future.add_done_callback(lambda future: self._settle(call, future, place))
        return None

    def _settle(self, call: Call, future: Future[object], place: Place) -> None:
        self.on_end(call)
        self._done.put((call, settled(call, future, place)))

    def _place_name(self, call: Call) -> str:
        tool, has_executor = call.tool, self._custom is not None
        if tool.isolation == "process":
            return "executor" if has_executor else "process"
        if tool.is_coroutine:
            return "coroutine"
        if tool.isolation == "thread" and has_executor and tool.context_parameter is None:
            return "executor"
        return tool.isolation

    def _at_once(self, call: Call) -> Answer | None:
        try:
            with self.interrupts.raising():
                return attempt(call)
        except KeyboardInterrupt:
            # Not from here: the engine is in the middle of a step. No answer will come.
            self.interrupts.note()
            return None

    def _in_thread(self, call: Call) -> Future[object]:
        return self._threads.submit(attempt, call)

    def _event_loop(self) -> EventLoop:
        if self._loop is None:
            self._loop = EventLoop()
        return self._loop

    def _on_executor(self, call: Call) -> Future[object]:
        assert self._custom is not None
        return cast("Future[object]", self._custom.submit(call_remotely, parcel_of(call)))

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        """The answers that are there, after the first one has come or the time is over.

        KeyboardInterrupt when a Ctrl-C was noted; no answer is lost by it.
        """
        left = inf if seconds is None else seconds
        while not (come := self._next(min(left, GLANCE))):
            left -= GLANCE
            if left <= 0:
                return []
        first = come[0]
        if first is None:
            self.interrupts.take()
            raise KeyboardInterrupt
        found = [first, *self._drained()]
        for call, _ in found:
            self._running.pop(call, None)
        return found

    def _next(self, seconds: float) -> list[tuple[Call, Answer] | None]:
        """What comes first, an answer or a ring, or nothing within the time."""
        try:
            return [self._done.get(timeout=max(seconds, 0.0))]
        except Empty:
            return []

    def _drained(self) -> Iterator[tuple[Call, Answer]]:
        while not self._done.empty():
            each = self._done.get_nowait()
            if each is None:
                self._done.put(None)  # It is for the next `wait`.
                return
            yield each

    def abandon(self, call: Call) -> str | None:
        """Stop what can be stopped; a thread goes on, and is told by its context."""
        again, call.abandoned = call.abandoned, True
        future, place = self._running.get(call, (None, None))
        if future is None or place is None or (future.done() and not again):
            return ""
        if not again and place.stop(future):
            return None
        del self._running[call]
        return place.left

    def close(self) -> None:
        """Stop whatever still runs; waits until it has ended, but no longer than PATIENCE."""
        for call in list(self._running):
            if not call.abandoned:
                self.abandon(call)
        wait([future for future, _ in self._running.values()], PATIENCE)
        if self._loop is not None:
            self._loop.close()


# What ends a run in good order, and what Python or the system does about it by itself: Ctrl-C, the
# end that a service or a CI job is told to make, the terminal that was closed. Only from its own
# place is a handler taken: `nohup` stays in force.
STOPPING = {
    name: signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    for name in ("SIGINT", "SIGTERM", "SIGHUP")
    if hasattr(signal, name)
}


class Interrupts:
    """Ctrl-C during a real run: noted, and raised when the engine waits.

    TERM and HUP count as a Ctrl-C: whatever the run has started leads sessions of its own, and
    would be left behind by a process that is simply gone.

    Python raises KeyboardInterrupt between any two instructions, so it could strike the engine
    half way through a step, and the log would no longer tell what happened. While this is entered
    the first Ctrl-C only rings; a second one that comes before the first was taken is raised at
    once, as is one inside an inline tool. Handlers are replaced in the main thread only, where
    alone they can be.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._noted = False
        self._is_raising = False
        self._replaced: list[str] = []

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        for name, usual in STOPPING.items():
            if signal.getsignal(getattr(signal, name)) == usual:
                signal.signal(getattr(signal, name), self._handle)
                self._replaced.append(name)

    def __exit__(self, *raised: object) -> None:
        for name in self._replaced:
            signal.signal(getattr(signal, name), STOPPING[name])
        self._replaced.clear()
        if self._noted and raised[0] is None:
            raise KeyboardInterrupt  # It came after the last wait.

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._is_raising or self._noted:
            raise KeyboardInterrupt
        self.note()

    def note(self) -> None:
        """Note a Ctrl-C."""
        self._noted = True
        self._ring()

    def take(self) -> None:
        """The noted one is being raised."""
        self._noted = False

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Inside, Ctrl-C is raised at once."""
        self._is_raising = True
        try:
            yield
        finally:
            self._is_raising = False


def settled(call: Call, future: Future[object], place: Place) -> Answer:
    """A finished future as an answer; what a remote tool logged goes to the call.

    Never raises: it runs in a callback, and an answer that does not come would be waited for.
    """
    # What a thread's tool raised may be a SystemExit: it ends the task, and not the run.
    error = CancelledError() if future.cancelled() else future.exception()
    if isinstance(error, CancelledError):
        answer = Answer(error=ToolError("the call was cancelled where it ran"))
    elif error is not None:
        answer = Answer(error=failure_of(error, call.services.passing))
    else:
        value = future.result()
        answer = _unpacked(call, value) if isinstance(value, Reply) else cast("Answer", value)
    is_late = call.deadline is not None and call.services.now() >= call.deadline
    if call.abandoned or is_late:
        return Answer(error=Stopped(place.stopped, printed_of(answer.error)))
    return answer._replace(after=call.latency)  # of stubbed HTTP


def _unpacked(call: Call, reply: Reply) -> Answer:
    for level, text in reply.log:
        call.log(level, text)
    for cost, tokens in reply.usage:
        call.add_usage(cost, tokens)
    for name, data in reply.emitted:
        call.emit(name, data)
    passing = call.services.passing
    error = received_error(reply, passing)
    return Answer(reply.value, None if error is None else failure_of(error, passing))


async def answered(call: Call) -> Answer:
    """Call a coroutine tool on the loop that runs this."""
    CURRENT_CALL.set(call)  # A task has a context of its own: nothing is to be reset.
    passing = call.services.passing
    # Those that are no Exception would end the loop, and every other coroutine with it.
    ends: tuple[type[BaseException], ...] = (Exception, SystemExit, KeyboardInterrupt, *passing)
    try:
        return Answer(to_plain(await cast("Awaitable[object]", call_tool(call))))
    except ends as error:
        return Answer(error=failure_of(error, passing))
