"""Places: where in the text each node of a document stands.

Nodes come in document order, so one array holds the whole map, with a *slot* for each:

    scalar      1 slot     index of its first character, behind its anchor and tag
    alias       1 slot     index of its `*`; `aliases` leads to the slot of the anchored node
    container   2 slots    index | CONTAINER, then the number of the slot behind its last descendant

The slots of a container are followed by those of its entries, in a mapping key and value in turn.
A path is found by walking down slots and data side by side; what the walk of one container found
is kept, so that all paths of a file cost one walk. The slots are four bytes each; a mapping from
paths to places would cost some hundred for each node, of which a good file asks for a few.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, TypeAlias, cast

__all__ = ["CONTAINER", "Found", "Mapping", "Node", "Places"]

# The bit that tells the first slot of a container; no text of a bearable size needs it.
CONTAINER = 1 << 31

Mapping: TypeAlias = dict[object, object]
Node: TypeAlias = Mapping | list[object]


class Found(NamedTuple):
    """How far a path leads: the slots of the last value found and of its key, and that value."""

    slot: int
    key: int
    value: object
    exact: bool


@dataclass(slots=True)
class Places:
    """The slots of one document, in the order drawn above."""

    marks: array[int] = field(default_factory=lambda: array("I"))
    aliases: dict[int, int] = field(default_factory=dict)
    # Slot of a container -> key or index -> slot of the value.
    walked: dict[int, dict[object, int]] = field(default_factory=dict)

    def index(self, slot: int) -> int:
        """The index of the first character of the node at `slot`."""
        return self.marks[slot] & ~CONTAINER

    def children(self, slot: int, node: Node) -> dict[object, int]:
        """Key or index -> slot of the value; in a mapping the key's slot is the one before."""
        slot = self.aliases.get(slot, slot)
        found = self.walked.get(slot)
        if found is None:
            keyed = isinstance(node, dict)
            keys = node if keyed else count()
            found = self.walked[slot] = dict(zip(keys, self._values(slot, keyed), strict=False))
        return found

    def shift(self, restore: Callable[[int], int]) -> None:
        """Put every index in the place that `restore` gives for it."""
        marks, slot = self.marks, 0
        while slot < len(marks):
            is_open = marks[slot] & CONTAINER
            marks[slot] = restore(self.index(slot)) | is_open
            slot += 2 if is_open else 1

    def merge(self, slot: int, mapping: Mapping) -> list[int]:
        """Put into `mapping` what its `<<` names; the indices of what can not be merged.

        The keys of the sources come first, the first source's before all; an explicit key keeps
        its value and takes the place of a merged one. A merged key stands where it was written.
        """
        own = self.children(slot, mapping)
        named = [(mapping["<<"], own["<<"])]
        if isinstance(named[0][0], list):
            slots = self.children(own["<<"], named[0][0]).values()
            named = list(zip(named[0][0], slots, strict=False))
        explicit = {key: value for key, value in mapping.items() if key != "<<"}
        mapping.clear()
        merged: dict[object, int] = {}
        for source, place in named:
            if isinstance(source, dict):
                new = {key: value for key, value in source.items() if key not in mapping}
                mapping.update(new)
                inner = self.children(place, source)
                merged.update((key, inner[key]) for key in new)
        mapping.update(explicit)
        self.walked[slot] = {**merged, **own}
        return [self.index(place) for source, place in named if not isinstance(source, dict)]

    def _values(self, slot: int, keyed: bool) -> Iterator[int]:
        # A container that reading never finished has 0 in its second slot, and ends with all.
        marks = self.marks
        end = marks[slot + 1] or len(marks)
        at = slot + 2 + keyed
        while at < end:
            yield at
            is_open = marks[at] & CONTAINER
            at = keyed + ((marks[at + 1] or end) if is_open else at + 1)

    def find(self, root: object, loc: Sequence[str | int]) -> Found:
        """The node at `loc` below `root`, or the last one on the way to it; never raises."""
        slot = key = 0
        node = root
        for part in loc:
            if not isinstance(node, dict | list):
                return Found(slot, key, node, False)
            child = self.children(slot, node).get(part)
            # A merged mapping still knows the place of its `<<`, which is no part of the data.
            if child is None or (isinstance(node, dict) and part not in node):
                return Found(slot, key, node, False)
            slot = child
            key = child - 1 if isinstance(node, dict) else child
            node = cast("Mapping", node)[part]
        return Found(slot, key, node, True)
