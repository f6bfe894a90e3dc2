"""Locked sections of a run: tasks, composites and whole runs that hold a named lock.

A lock has one holder at a time; who waits is served in order, and gives up after its own `wait`.
In a simulated run locks are in memory, and a case may say that the world holds one for a while; in
a real run each is a file that other processes respect.
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

from pytest_highway.clock import shown_duration
from pytest_highway.engine.effects import Answer, TakeLock
from pytest_highway.engine.frame import ExecutionFrame
from pytest_highway.engine.limits import LockTimeout
from pytest_highway.errors import HighwayError

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["FileLocks", "Sections", "World"]

# Seconds between two looks at a lock that another process holds.
POLL = 0.1

Later = Callable[[float, Callable[[], None]], None]


class World(Protocol):
    """Locks that other processes may hold as well; only real runs have them."""

    def take(self, name: str) -> bool:
        """Take a lock if it is free."""

    def release(self, name: str) -> None:
        """Give a lock back."""


class Sections:
    """All locks of one run. `busy` names those that the world holds at first, and how long."""

    def __init__(
        self,
        deliver: Callable[[ExecutionFrame, object, Answer], None],
        later: Later,
        busy: Mapping[str, float],
        world: World | None = None,
    ) -> None:
        self._world = world
        self._deliver = deliver
        self._later = later
        self._held = set(busy)  # never iterated where order could tell
        self._looking: set[str] = set()  # names for which a look is due
        self._waiting: dict[str, deque[tuple[ExecutionFrame, TakeLock]]] = {}
        for name, seconds in busy.items():
            later(seconds, partial(self.release, name))

    def take(self, frame: ExecutionFrame, effect: TakeLock) -> None:
        """Take a lock for a frame; the answer is empty, or carries a `LockTimeout`."""
        frame.pending = effect
        name = effect.name
        self._waiting.setdefault(name, deque()).append((frame, effect))
        if name not in self._held:
            self._offer(name)
        if frame.pending is not effect or name in frame.locks:
            return
        until = frame.services.now() + effect.wait
        self._later(round(until, 6), lambda: self._give_up(frame, effect))

    def _give_up(self, frame: ExecutionFrame, effect: TakeLock) -> None:
        waiting = self._waiting.get(effect.name, deque())
        if (frame, effect) in waiting:
            waiting.remove((frame, effect))
            text = f"lock {effect.name!r} was not free within {shown_duration(effect.wait)}"
            self._deliver(frame, effect, Answer(error=LockTimeout(text)))

    def release(self, name: str) -> None:
        """Give a lock back; the first that still waits has it now."""
        self._held.discard(name)
        if self._world is not None:
            self._world.release(name)
        self._offer(name)

    def _offer(self, name: str) -> None:
        """Let the first that still waits for a free lock have it."""
        waiting = self._waiting.get(name, deque())
        while waiting and name not in self._held:
            frame, effect = waiting[0]
            if frame.pending is effect and not self._take(name, frame, effect):
                return
            waiting.popleft()

    def _take(self, name: str, frame: ExecutionFrame, effect: TakeLock) -> bool:
        """Answer a frame whose turn it is; false while another process has the lock."""
        try:
            is_ours = self._world is None or self._world.take(name)
        except HighwayError as error:
            self._deliver(frame, effect, Answer(error=error))
            return True
        if not is_ours:
            # It will not tell when it lets go.
            self._look_later(name, frame.services.now() + POLL)
            return False
        self._held.add(name)
        frame.locks += (name,)
        self._deliver(frame, effect, Answer())
        return True

    def _look_later(self, name: str, moment: float) -> None:
        if name not in self._looking:
            self._looking.add(name)
            self._later(moment, partial(self._look, name))

    def _look(self, name: str) -> None:
        self._looking.discard(name)
        self._offer(name)

    def close(self) -> None:
        """Give back what the run still holds in the world."""
        if self._world is not None:
            for name in sorted(self._held):
                self._world.release(name)

    def leave(self, frame: ExecutionFrame) -> None:
        """Give back whatever a frame holds."""
        while frame.locks:
            *rest, name = frame.locks
            frame.locks = tuple(rest)
            self.release(name)


class FileLocks:
    """Locks over processes: an empty file for each name in a folder, held by `filelock`.

    The folder is given, or named by `HIGHWAY_LOCKS` in the environment, or one of the user's own
    below the system's for temporary files. The files stay: whoever deletes one while another
    process waits for it makes two holders.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._files: dict[str, BaseFileLock] = {}

    def take(self, name: str) -> bool:
        """Take a lock if no process has it; HighwayError when there can be no such file."""
        filelock = _filelock()
        lock = filelock.FileLock(self._place() / f"{quote(name, safe='')}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return False
        except OSError as error:
            raise HighwayError(f"lock {name!r} cannot be taken: {error}") from error
        self._files[name] = lock
        return True

    def release(self, name: str) -> None:
        """Give a lock back."""
        lock = self._files.pop(name, None)
        if lock is not None:
            lock.release()

    def _place(self) -> Path:
        if self._folder is None:
            user = os.getuid() if hasattr(os, "getuid") else "user"
            own = Path(tempfile.gettempdir()) / f"highway-locks-{user}"
            self._folder = Path(os.environ.get("HIGHWAY_LOCKS") or own)
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise HighwayError(f"no folder for locks: {error}") from error
        return self._folder


def _filelock() -> ModuleType:
    """The library, which only real runs with locks need."""
    try:
        return import_module("filelock")
    except ImportError as error:
        raise HighwayError("locks of real runs need filelock; pip install filelock") from error
