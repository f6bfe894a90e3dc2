"""Anchors and aliases of one document, and what aliases may cost.

An alias is the same object as its anchor, so it costs nothing here, but whoever walks the data
walks it again each time. Two bounds follow, on the nodes that all aliases of a file add together,
those within aliased nodes included, and on the depth that an alias brings to its place.

An anchor is *open* until its node has ended; an alias in between would be a node inside itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from pytest_highway.errors import did_you_mean
from pytest_highway.reading.places import Node
from pytest_highway.reading.scalars import Scalar, brief

__all__ = ["MAX_ALIASED", "AliasBomb", "Anchor", "Anchors"]

MAX_ALIASED = 100_000

_NAMES_TRIED = 100  # of a hostile file's anchors, when one is looked for that is nearly the name


class AliasBomb(ValueError):
    """Aliases add more nodes than a document may have by them."""


@dataclass(slots=True)
class Anchor:
    """An anchored node.

    `slot` is the node's place, `text` a scalar's text, `size` the number of its nodes with
    aliases expanded, 0 while it is open, `before` what aliases had added when it began.
    """

    value: object
    slot: int
    text: str | None = None
    size: int = 0
    before: int = 0


class Anchors:
    """The anchors seen so far; a name may be given again and then means the later node."""

    def __init__(self) -> None:
        self._known: dict[str, Anchor] = {}
        self._added = 0

    def keep(self, name: str, value: Scalar, slot: int, text: str) -> None:
        """Take down an anchored scalar."""
        self._known[name] = Anchor(value, slot, text, size=1)

    def open(self, name: str, node: Node, slot: int) -> Anchor:
        """Take down an anchored container that begins; `close` says where it ends."""
        anchor = self._known[name] = Anchor(node, slot, before=self._added)
        return anchor

    def close(self, anchor: Anchor, end: int) -> None:
        """The container of `anchor` ended before slot `end`."""
        anchor.size = end - anchor.slot + self._added - anchor.before

    def follow(self, name: str, room: int) -> Anchor:
        """The anchor of an alias at a place with `room` levels left below it.

        ValueError, with the message, where the alias leads to nothing usable; AliasBomb where the
        document has too many nodes by aliases.
        """
        alias = brief(f"*{name}")
        anchor = self._known.get(name)
        if anchor is None:
            names = [f"*{each}" for each in islice(self._known, _NAMES_TRIED)]
            near = did_you_mean(f"*{name}", names)
            raise ValueError(f"unknown alias {alias}; an anchor stands before its aliases{near}")
        if anchor.size == 0:
            raise ValueError(f"alias {alias} stands inside its own anchor")
        self._added += anchor.size
        if self._added > MAX_ALIASED:
            raise AliasBomb(f"alias bomb; all aliases may add {MAX_ALIASED:,} nodes to a file")
        if height(anchor.value) > room:
            raise ValueError(f"nested too deeply by alias {alias}")
        return anchor


def height(value: object) -> int:
    """How many containers stand in one another; the bound on aliased nodes bounds the work."""
    levels = 0
    level = [value] if isinstance(value, dict | list) else []
    while level:
        levels += 1
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
    return levels
