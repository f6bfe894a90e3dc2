"""What commands print for people: columns that stand below each other, and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from pytest_highway.errors import one_line
from pytest_highway.serialization import to_plain

__all__ = ["barred", "document", "table"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; columns that are empty in every row are left out."""
    shown = [[one_line(cell) for cell in row] for row in rows]
    columns = [[name, *cells] for name, *cells in zip(head, *shown, strict=True) if any(cells)]
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def barred(text: str) -> list[str]:
    """Each line of what a process printed, behind a bar."""
    return [f"  | {one_line(each)}" for each in text.split("\n")]


def document(value: object) -> str:
    """Any value as indented JSON."""
    return json.dumps(to_plain(value), indent=2, ensure_ascii=False)
