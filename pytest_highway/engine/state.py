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

from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Literal, NamedTuple, Protocol

from pytest_highway.errors import HighwayError
from pytest_highway.events import TaskEnded
from pytest_highway.serialization import to_plain
from pytest_highway.tool_context import sum_of

__all__ = [
    "Access",
    "Actor",
    "Layered",
    "MemoryConflict",
    "RunMemory",
    "TaskMemory",
    "TaskStates",
    "User",
]

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

    def actor(self) -> Actor:
        """Itself, as a user that is known already."""
        return self


class User(Protocol):
    """Whoever may use memory, and is asked for its name only then: most tasks never do."""

    def actor(self) -> Actor:
        """Who it is."""


Precedes = Callable[[Actor, Actor], bool]


class RunMemory(Mapping[str, object]):
    """The values, seen by expressions as a mapping; `user` is the task that is being evaluated.

    Tools in threads reach it by the `lock`.
    """

    def __init__(self, precedes: Precedes) -> None:
        self.values_by_key: dict[str, object] = {}
        self.user: User | None = None
        self._precedes = precedes
        self.lock = RLock()
        self._recent: dict[str, dict[Access, list[Actor]]] = {}
        self._whole: list[Actor] = []

    def __getitem__(self, key: str) -> object:
        return self.values_by_key[key] if self.user is None else self.read(key, self.user.actor())

    def __iter__(self) -> Iterator[str]:
        self._note_whole()
        return iter(list(self.values_by_key))

    def __len__(self) -> int:
        self._note_whole()
        return len(self.values_by_key)

    def _note_whole(self) -> None:
        """Which keys there are is a read as well, of those that are still to come, too."""
        if self.user is None:
            return
        actor = self.user.actor()
        if self._whole and self._precedes(self._whole[-1], actor):
            self._whole.pop()  # As with additions: the last one in a row tells all.
        self._whole.append(actor)

    def read(self, key: str, actor: Actor) -> object:
        """The value of a key; KeyError when there is none."""
        with self.lock:
            self.note("read", key, actor)
            return self.values_by_key[key]

    def write(self, key: str, value: object, actor: Actor) -> None:
        """Set the value of a key."""
        with self.lock:
            self.note("write", key, actor)
            self.values_by_key[key] = value

    def add(self, key: str, amount: float, actor: Actor) -> tuple[object, object]:
        """Add a number in one step, a missing key counting as 0; the old value and the new."""
        with self.lock:
            self.note("add", key, actor)
            old = self.values_by_key.get(key, 0)
            new = self.values_by_key[key] = sum_of(key, old, amount)
            return old, new

    def note(self, access: Access, key: str, actor: Actor) -> None:
        """Hold one access against the earlier ones; raises `MemoryConflict` naming both tasks."""
        # What is read of a sum depends on which additions came before, so they are in order, too.
        if access == "add" and actor.add_is_read:
            access = "write"
        recent = self._recent.setdefault(key, {"read": [], "write": [], "add": []})
        for kind in CONFLICTING[access]:
            for other in recent[kind]:
                self._check_order(key, other, actor)
        if access != "read":
            for other in self._whole:
                self._check_order(key, other, actor)
        same = recent[access]
        if access == "write":
            # All that came before precedes this write, so later ones need only look at it.
            for each in recent.values():
                each.clear()
        elif same and self._precedes(same[-1], actor):
            same.pop()  # Likewise: a loop of 100,000 additions is remembered by its last one.
        same.append(actor)

    def _check_order(self, key: str, other: Actor, actor: Actor) -> None:
        if not self._precedes(other, actor):
            raise MemoryConflict(
                f"memory key {key!r}: {other.path!r} and {actor.path!r} both use it and "
                "no order holds between them; let one depend on the other"
            )


class TaskMemory:
    """Memory as one task's tool reaches it.

    `on_write` is told of each new value, and of what was added, under the lock: in the order of
    writing. Once `is_over`,
    HighwayError: an abandoned thread must not change a run that has gone on without it.
    """

    __slots__ = ("_actor", "_is_over", "_memory", "_on_write")

    def __init__(
        self,
        memory: RunMemory,
        actor: Actor,
        on_write: Callable[[str, object, float | None], None],
        is_over: Callable[[], bool] = lambda: False,
    ) -> None:
        self._memory = memory
        self._actor = actor
        self._on_write = on_write
        self._is_over = is_over

    def read(self, key: str) -> object:
        """The value of a key; KeyError when there is none."""
        self._check()
        return self._memory.read(key, self._actor)

    def write(self, key: str, value: object) -> None:
        """Set the value of a key."""
        self._check()
        value = to_plain(value)
        with self._memory.lock:
            self._memory.write(key, value, self._actor)
            self._on_write(key, value, None)

    def add(self, key: str, amount: float) -> tuple[object, object]:
        """Add a number, a missing key counting as 0; the old value and the new."""
        self._check()
        with self._memory.lock:
            old, new = self._memory.add(key, amount, self._actor)
            self._on_write(key, new, amount)
        return old, new

    def _check(self) -> None:
        if self._is_over():
            raise HighwayError(f"this attempt of {self._actor.path!r} is over")

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


class Numbered(Protocol):
    """A task of a scope, by its number there."""

    @property
    def index(self) -> int: ...


class TaskStates(Mapping[str, object]):
    """The root `tasks` of expressions: how each task of a scope ended, by its id.

    `kept` holds the states that the last iteration of a `while` in this scope left, for its
    condition and for who comes behind it; `before` those that the body itself finds of it.
    """

    __slots__ = ("_ends", "_nodes", "_outer", "_ran", "before", "kept")

    def __init__(
        self,
        nodes: Mapping[str, Numbered],
        ends: Sequence[TaskEnded | None],
        ran: Mapping[int, list[str]],
        outer: Mapping[str, object] | None = None,
    ) -> None:
        self._nodes = nodes
        self._ends = ends
        self._ran = ran
        self._outer = outer
        self.kept: dict[str, object] = {}
        self.before: Mapping[str, object] = {}

    def __getitem__(self, name: str) -> object:
        # A task of this scope hides one of the same id around it, also before it has ended.
        node = self._nodes.get(name)
        if node is not None:
            end = self._ends[node.index]
            return self.before[name] if end is None else self._state(node.index, end)
        if name in self.kept or self._outer is None:
            return self.kept[name]
        return self._outer[name]

    def _state(self, number: int, end: TaskEnded) -> dict[str, object]:
        state: dict[str, object] = {
            "status": end.status,
            "attempts": end.attempts,
            "error": None if end.fault is None else str(end.fault),
            "reason": end.reason,
        }
        if number in self._ran:
            state["branches"] = list(self._ran[number])
        return state

    def keep(self, inner: TaskStates) -> None:
        """Keep what an iteration of a `while` leaves behind."""
        self.kept.update(inner.kept)
        self.kept.update((name, inner[name]) for name in inner)

    def __iter__(self) -> Iterator[str]:
        return (name for name, node in self._nodes.items() if self._ends[node.index] is not None)

    def __len__(self) -> int:
        return sum(end is not None for end in self._ends)
