"""Threads that nobody has to wait for.

A thread cannot be killed, and Python joins the threads of the standard pool before it exits, so
one tool that hangs would hang the process with it. These are daemons: whoever is tired of waiting
goes on, and the process can end.

What is submitted runs in a copy of the submitter's context, as `asyncio.to_thread` does it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

__all__ = ["DaemonThreads"]

P = ParamSpec("P")
Value = TypeVar("Value")


class DaemonThreads(ThreadPoolExecutor):
    """One daemon thread for each submission; a thread pool by type alone, as asyncio demands."""

    def submit(self, fn: Callable[P, Value], /, *args: P.args, **kwargs: P.kwargs) -> Future[Value]:
        """Run the function in a thread of its own; RuntimeError when the system has none left."""
        future: Future[Value] = Future()
        future.set_running_or_notify_cancel()
        work = partial(copy_context().run, fn, *args, **kwargs)
        name = "highway-tool"
        threading.Thread(target=_run, args=(future, work), name=name, daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing: no thread outlives its call, and none is waited for."""


def _run(future: Future[Value], work: Callable[[], Value]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # it belongs to whoever asks for the result
        future.set_exception(error)
