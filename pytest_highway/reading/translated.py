"""A document whose data was made from another's: its places are those of what was written.

place in the data made     ("tasks", "unit", "dependencies", 0)
longest known beginning    ("tasks", "unit", "dependencies")  was written as  ("steps", 1, …)
place as written           ("steps", 1, "depends_on", 0)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_highway.errors import Position
from pytest_highway.reading.document import Document

__all__ = ["Moves", "Translated", "translated"]

Loc = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Moves:
    """From places in the data made to those as written.

    `places` are beginnings of places; `keys` lead from a node to what stands for its key, where
    that is a value: the `id` of a step.
    """

    places: dict[Loc, Loc] = field(default_factory=dict)
    keys: dict[Loc, Loc] = field(default_factory=dict)

    def written(self, loc: Loc) -> Loc:
        """The place as written; that of a beginning stands for all below it."""
        for length in range(len(loc), 0, -1):
            found = self.places.get(loc[:length])
            if found is not None:
                return (*found, *loc[length:])
        return loc


def translated(document: Document, data: object, moves: Moves) -> Translated:
    """The document with other data, whose places lead back to its own."""
    return Translated(
        document.path,
        document.text,
        data,
        document._places,
        document._lines,
        document,
        moves,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Translated(Document):
    """A document of the tasks dialect that was written in another."""

    written_as: Document = field(repr=False)
    moves: Moves = field(repr=False)

    def position(self, loc: Sequence[str | int], *, key: bool = False) -> Position:
        """The place in the file of what became the value at `loc`, or its key."""
        moves, place = self.moves, tuple(loc)
        if key and place in moves.keys:
            return self.written_as.position(moves.keys[place])
        return self.written_as.position(moves.written(place), key=key)

    def written(self, loc: Sequence[str | int]) -> str | None:
        """The text of what became the plain scalar at `loc`, as `Document.written`."""
        return self.written_as.written(self.moves.written(tuple(loc)))
