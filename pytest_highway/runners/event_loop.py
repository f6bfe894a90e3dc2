"""One event loop for the coroutines of a run, in a thread that nobody has to wait for.

What coroutines hand to `asyncio.to_thread` runs in such threads as well. asyncio is imported with
the first loop: it is slow to import, and few runs have tools that need it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING

from pytest_highway.runners.background import DaemonThreads

if TYPE_CHECKING:
    import asyncio

__all__ = ["EventLoop", "new_loop", "run_coroutine"]

# Seconds that a loop gets for tidying up; one that a coroutine blocks is left alone.
TIDYING = 1.0


class EventLoop:
    """An event loop in a daemon thread of its own, started with the first coroutine."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._tasks: dict[Future[object], asyncio.Task[object]] = {}

    def submit(self, make: Callable[[], Coroutine[object, object, object]]) -> Future[object]:
        """Run the coroutine that `make` gives as a task of the loop."""
        future: Future[object] = Future()
        future.set_running_or_notify_cancel()
        loop = self._running_loop()
        loop.call_soon_threadsafe(self._begin, loop, make, future)
        return future

    def stop(self, future: Future[object]) -> bool:
        """Cancel a task; its future ends with CancelledError once the task has ended."""
        self._running_loop().call_soon_threadsafe(self._cancel, future)
        return True

    def close(self) -> None:
        """Cancel what is left, end the loop and its thread."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(TIDYING)
            self._loop = self._thread = None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            begun: Future[asyncio.AbstractEventLoop] = Future()
            self._thread = threading.Thread(
                target=self._serve, args=(begun,), name="highway-loop", daemon=True
            )
            self._thread.start()
            self._loop = begun.result()
        return self._loop

    def _serve(self, begun: Future[asyncio.AbstractEventLoop]) -> None:
        import asyncio

        try:
            # On leaving, the runner cancels the tasks that are left.
            with asyncio.Runner(loop_factory=new_loop) as runner:
                loop = runner.get_loop()
                begun.set_result(loop)
                loop.run_forever()
        except OSError as error:  # no descriptors left for a loop; told to who waits for it
            begun.set_exception(error)

    # --- in the loop's own thread --------------------------------------------------------------

    def _begin(
        self,
        loop: asyncio.AbstractEventLoop,
        make: Callable[[], Coroutine[object, object, object]],
        future: Future[object],
    ) -> None:
        task = self._tasks[future] = loop.create_task(make())
        task.add_done_callback(partial(self._end, future))

    def _cancel(self, future: Future[object]) -> None:
        task = self._tasks.get(future)
        if task is not None:
            task.cancel()

    def _end(self, future: Future[object], task: asyncio.Task[object]) -> None:
        del self._tasks[future]
        error = CancelledError() if task.cancelled() else task.exception()
        if error is None:
            future.set_result(task.result())
        else:
            future.set_exception(error)


def run_coroutine(coroutine: Coroutine[object, object, object]) -> object:
    """What a coroutine returns or raises, run to its end here and now."""
    import asyncio

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(coroutine)


def new_loop() -> asyncio.AbstractEventLoop:
    """An event loop whose `to_thread` uses daemon threads."""
    import asyncio

    loop = asyncio.new_event_loop()
    loop.set_default_executor(DaemonThreads())
    return loop
