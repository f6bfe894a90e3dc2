"""A YAML file as plain data in which every key and every value knows its place.

    bytes -> text -> libyaml's events -> data + places -> Document

One file is one UTF-8 document (JSON is YAML). How its events become data, and what of YAML is
read how, stands in `building`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pytest_highway.errors import Diagnostic, Position, Severity, SourceError
from pytest_highway.reading.building import Builder
from pytest_highway.reading.places import Places
from pytest_highway.reading.scalars import Scalar, plain_text
from pytest_highway.reading.sourcetext import Lines, decode, join_surrogates, load

__all__ = ["MAX_BYTES", "Document", "parse", "read"]

MAX_BYTES = 10_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One parsed file.

    `path` is the file as messages show it, `text` its text without a byte order mark, line ends
    as they stand, `data` its plain data: dict, list, str, int, float, bool, None. It is to be
    read, never changed: what several aliases stand for is one object.
    """

    path: str
    text: str = field(repr=False)
    data: object = field(repr=False)
    _places: Places = field(repr=False)
    _lines: Lines = field(repr=False)

    def position(self, loc: Sequence[str | int], *, key: bool = False) -> Position:
        """The place of the value at `loc`, or of its key; never raises.

        Where `loc` leads nowhere, the key of the last node on the way that exists; a node
        without a key (the root, an item) stands for its own key. What came in by `<<` or by an
        alias stands where it was written.
        """
        found = self._places.find(self.data, loc)
        slot = found.slot if found.exact and not key else found.key
        return self._lines.position(self._places.index(slot))

    def diagnostic(
        self,
        loc: Sequence[str | int],
        message: str,
        *,
        key: bool = False,
        severity: Severity = "error",
    ) -> Diagnostic:
        """A finding at `position(loc, key=key)`, with its source line."""
        position = self.position(loc, key=key)
        return Diagnostic(self.path, message, position, self.line(position.line), severity)

    def written(self, loc: Sequence[str | int]) -> str | None:
        """The text of the plain scalar at `loc` as written (`3.10`, `010`), folded lines joined.

        None for quoted text, a block, a container, and where `loc` leads nowhere.
        """
        found = self._places.find(self.data, loc)
        slot = self._places.aliases.get(found.slot, found.slot)
        at = self._places.index(slot)
        value = found.value
        if not found.exact or isinstance(value, dict | list):
            return None
        return plain_text(self.text, at, cast("Scalar", value))

    def line(self, number: int) -> str:
        """Source line `number`, from 1, without its break; empty where there is none."""
        return self._lines.line(number)


def parse(content: bytes | str, path: str, *, max_bytes: int = MAX_BYTES) -> Document:
    """The document in `content`; `path` is shown in messages.

    SourceError carries all faults of the text, and the document where they did not end reading.
    Content of more than `max_bytes` is not looked at.
    """
    text = decode(content, path, max_bytes)
    source, restore = join_surrogates(text)
    builder = Builder(source)
    builder.build()
    lines, findings = builder.lines, builder.findings
    if restore is not None:
        lines = Lines(text)
        findings = {restore(at): message for at, message in findings.items()}
        builder.places.shift(restore)
    data = builder.root[0] if builder.root else None
    document = Document(path, text, data, builder.places, lines)
    if findings:
        found = [lines.diagnostic(path, *each) for each in findings.items()]
        raise SourceError(found, document if builder.complete else None)
    return document


def read(file: Path, path: str | None = None, *, max_bytes: int = MAX_BYTES) -> Document:
    """The document in a file; `path` is shown in messages, else the file's own.

    SourceError as of `parse`, and for a file that is too large or cannot be read.
    """
    shown = str(file) if path is None else path
    return parse(load(file, shown, max_bytes), shown, max_bytes=max_bytes)
