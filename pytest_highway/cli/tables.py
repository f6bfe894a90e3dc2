"""What commands print for people: columns that stand below each other, and JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from pytest_highway.serialization import to_plain

__all__ = ["document", "one_line", "table"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a table; columns that are empty in every row are left out."""
    shown = [[one_line(cell) for cell in row] for row in rows]
    columns = [[name, *cells] for name, *cells in zip(head, *shown, strict=True) if any(cells)]
    widths = [max(map(len, column)) for column in columns]
    for row in zip(*columns, strict=True):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def one_line(text: str) -> str:
    """A text of anybody's without line ends or other controls of a terminal, which are escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def document(value: object) -> str:
    """Any value as indented JSON."""
    return json.dumps(to_plain(value), indent=2, ensure_ascii=False)
