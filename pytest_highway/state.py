"""What a run knows: its memory, and how its tasks ended.

Memory is one for the whole run. Reading and writing it is only right in the order of the graph;
two accesses to one key with no order between them would be decided by luck, so each access is
held against the earlier ones:

                 read       write      add
    read         fine       conflict   conflict
    write        conflict   conflict   conflict
    add          conflict   conflict   fine, additions commute

An `add` whose returned value somebody reads is a write, since that value depends on the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from pytest_highway.errors import HighwayError
from pytest_highway.events import TaskEnded
from pytest_highway.tool_context import sum_of

__all__ = ["Access", "Actor", "Layered", "MemoryConflict", "RunMemory", "TaskMemory", "TaskStates"]

Access = Literal["read", "write", "add"]
CONFLICTING: dict[Access, tuple[Access, ...]] = {
    "read": ("write", "add"),
    "write": ("read", "write", "add"),
    "add": ("read", "write"),
}


class MemoryConflict(HighwayError):
    """Two tasks use one memory key and no order holds between them."""


class Actor(NamedTuple):
    """Who uses memory: a task's path, and where the engine finds its order against another.

    `add_is_read` tells that the result of the task is read, so that its additions do not commute.
    """

    path: str
    scope: object
    node: int
    add_is_read: bool = False


Precedes = Callable[[Actor, Actor], bool]


class RunMemory(Mapping[str, object]):
    """The values, seen by expressions as a mapping; `actor` is the task that is being evaluated.

    `on_write` is told of each new value, for the event log.
    """

    def __init__(self, precedes: Precedes, on_write: Callable[[Actor, str, object], None]) -> None:
        self.values_by_key: dict[str, object] = {}
        self.actor: Actor | None = None
        self._precedes = precedes
        self._on_write = on_write
        self._recent: dict[str, dict[Access, list[Actor]]] = {}

    def __getitem__(self, key: str) -> object:
        if self.actor is not None:
            self.note("read", key, self.actor)
        return self.values_by_key[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_key)

    def __len__(self) -> int:
        return len(self.values_by_key)

    def store(self, actor: Actor, key: str, value: object) -> None:
        """Set a value and tell the log."""
        self.values_by_key[key] = value
        self._on_write(actor, key, value)

    def note(self, access: Access, key: str, actor: Actor) -> None:
        """Hold one access against the earlier ones; raises `MemoryConflict` naming both tasks."""
        if access == "add" and actor.add_is_read:
            access = "write"
        recent = self._recent.setdefault(key, {"read": [], "write": [], "add": []})
        for kind in CONFLICTING[access]:
            for other in recent[kind]:
                if not self._precedes(other, actor):
                    raise MemoryConflict(
                        f"memory key {key!r}: {other.path!r} and {actor.path!r} both use it and "
                        "no order holds between them; let one depend on the other"
                    )
        same = recent[access]
        if access == "write":
            # All that came before precedes this write, so later ones need only look at it.
            for each in recent.values():
                each.clear()
        elif same and self._precedes(same[-1], actor):
            same.pop()  # Likewise: a loop of 100,000 additions is remembered by its last one.
        same.append(actor)


class TaskMemory:
    """Memory as one task's tool reaches it; the `Memory` of the tools' side."""

    __slots__ = ("_actor", "_memory")

    def __init__(self, memory: RunMemory, actor: Actor) -> None:
        self._memory = memory
        self._actor = actor

    def read(self, key: str) -> object:
        """The value of a key; KeyError when there is none."""
        self._memory.note("read", key, self._actor)
        return self._memory.values_by_key[key]

    def write(self, key: str, value: object) -> None:
        """Set the value of a key."""
        self._memory.note("write", key, self._actor)
        self._memory.store(self._actor, key, value)

    def add(self, key: str, amount: float) -> tuple[object, object]:
        """Add a number, a missing key counting as 0; the old value and the new."""
        self._memory.note("add", key, self._actor)
        old = self._memory.values_by_key.get(key, 0)
        new = sum_of(key, old, amount)
        self._memory.store(self._actor, key, new)
        return old, new

    def keys(self) -> Iterator[str]:
        """All keys, in the order of writing."""
        return iter(self._memory.values_by_key)


class Layered(Mapping[str, object]):
    """Results as a loop's body sees them: its own before those around it."""

    __slots__ = ("_inner", "_outer")

    def __init__(self, inner: Mapping[str, object], outer: Mapping[str, object]) -> None:
        self._inner = inner
        self._outer = outer

    def __getitem__(self, key: str) -> object:
        return self._inner[key] if key in self._inner else self._outer[key]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._outer, **self._inner})

    def __len__(self) -> int:
        return sum(1 for _ in self)


class TaskStates(Mapping[str, object]):
    """The root `tasks` of expressions: how each task of a scope ended, by its id."""

    __slots__ = ("_ends", "_index", "_outer")

    def __init__(
        self,
        index: Mapping[str, int],
        ends: list[TaskEnded | None],
        outer: Mapping[str, object] | None = None,
    ) -> None:
        self._index = index
        self._ends = ends
        self._outer = outer

    def __getitem__(self, name: str) -> object:
        if name not in self._index and self._outer is not None:
            return self._outer[name]
        end = self._ends[self._index[name]]
        if end is None:
            raise KeyError(name)
        return {
            "status": end.status,
            "attempts": end.attempts,
            "error": None if end.fault is None else str(end.fault),
            "reason": end.reason,
        }

    def __iter__(self) -> Iterator[str]:
        return (name for name, number in self._index.items() if self._ends[number] is not None)

    def __len__(self) -> int:
        return sum(end is not None for end in self._ends)
