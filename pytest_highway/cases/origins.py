"""Cases over their defaults: what is put together, and where each part of it was written.

What a case and `test_defaults` both say under one name is the case's, but these are joined:

    variables env stubs http expect            by name
    in expect: branches tasks calls …          by name, too
    marks fixtures                             one list after the other

A merged case is plain data without positions; `Origin` leads from a path inside it to the path
in the document, so that a finding stands where its author can mend it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast

from pytest_highway.errors import Diagnostic, Position
from pytest_highway.planning.plan import Loc
from pytest_highway.reading.document import Document

__all__ = ["CASE_NAME", "DEFAULTS", "MERGED", "Origin", "merge_defaults"]

# What the name of a case is like, and the id of its params.
CASE_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
DEFAULTS: Final = "test_defaults"

MAPPINGS: Final = ("variables", "env", "stubs", "http", "expect")
NAMED: Final = ("branches", "tasks", "calls", "results", "memory", "usage")
LISTS: Final = ("marks", "fixtures")
MERGED: Final[frozenset[Loc]] = frozenset(
    [*((word,) for word in (*MAPPINGS, *LISTS)), *(("expect", word) for word in NAMED)]
)


def merge_defaults(
    defaults: Mapping[str, object], raw: Mapping[str, object], loc: Loc = ()
) -> dict[str, object]:
    """A case over the defaults; a new mapping, whose values are those of either."""
    merged = {**defaults, **raw}
    for key in raw if defaults else ():
        if key not in defaults or (*loc, key) not in MERGED:
            continue
        default, own = defaults[key], raw[key]
        if isinstance(default, Mapping) and isinstance(own, Mapping):
            merged[key] = merge_defaults(default, own, (*loc, key))
        elif isinstance(default, list) and isinstance(own, list):
            merged[key] = [*default, *own]
    return merged


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the parts of a merged case stand in its document: in the case or in the defaults.

    `raw` and `defaults` are what is written in either; `renamed` leads from the place of a
    rendered key to the key as written, `moved` from a place that was made to the one it was made
    of, and `shared` from a stub to the document of the file that it was included from.
    """

    document: Document
    case: Loc
    raw: Mapping[str, object]
    defaults: Mapping[str, object] = field(default_factory=dict)
    renamed: Mapping[Loc, str] = field(default_factory=dict)
    moved: Mapping[Loc, Loc] = field(default_factory=dict)
    shared: Mapping[str, Document] = field(default_factory=dict)

    def place(self, loc: Loc) -> Loc:
        """The document's path for a path inside the case, shared stubs apart."""
        written = self._written(loc)
        if self._is_default(written):
            return (DEFAULTS, *written)
        if written[:1] and written[0] in LISTS and len(written) > 1 and isinstance(written[1], int):
            before = len(_sequence(self.defaults.get(written[0]))) if written[0] in self.raw else 0
            written = (written[0], written[1] - before, *written[2:])
        return (*self.case, *written)

    def from_defaults(self, loc: Loc) -> bool:
        """Whether what stands at `loc` was written in `test_defaults`."""
        return self._is_default(self._written(loc))

    def is_included(self, loc: Loc) -> bool:
        """Whether what stands at `loc` is a stub from a shared file."""
        return self._source(loc)[0] is not self.document

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> Diagnostic:
        """A finding at a path inside the case."""
        document, place = self._source(loc)
        return document.diagnostic(place, message, key=key)

    # What takes a document for its places may as well be given the origin of a case.
    diagnostic = fault

    def position(self, loc: Loc) -> Position:
        """The place of the value at a path inside the case."""
        document, place = self._source(loc)
        return document.position(place)

    def written(self, loc: Loc) -> str | None:
        """The text of a plain scalar as written; see `Document.written`."""
        document, place = self._source(loc)
        return document.written(place)

    def line_fault(self, loc: Loc, line: int, message: str) -> Diagnostic:
        """A finding at one line, from 0, of the lines at `loc`: of a list, or of a text in `|`.

        At the whole where the line stands in no line of its own.
        """
        whole = self.fault(loc, message)
        value = self._value(loc)
        if isinstance(value, list):
            return self.fault((*loc, line), message)
        start, column = whole.position
        if whole.source[column - 1 : column] != "|":
            return whole
        number = start + 1 + line
        source = self.document.line(number)
        indent = len(source) - len(source.lstrip(" "))
        return replace(whole, position=Position(number, indent + 1), source=source)

    def _value(self, loc: Loc) -> object:
        found = self.document.data
        for step in self.place(loc):
            found = cast("Mapping[str | int, object]", found)[step]
        return found

    def _source(self, loc: Loc) -> tuple[Document, Loc]:
        """The document that holds what stands at `loc`, and where in it."""
        if self.shared and loc[:1] == ("stubs",) and len(loc) > 1:
            written = self._written(loc)
            document = self.shared.get(str(written[1]))
            if document is not None:
                return document, written[1:]
        return self.document, self.place(loc)

    def _written(self, loc: Loc) -> Loc:
        for number in range(len(loc), 0, -1) if self.moved else ():
            if loc[:number] in self.moved:
                return (*self.moved[loc[:number]], *loc[number:])
        if not self.renamed:
            return loc
        return tuple(self.renamed.get(loc[: number + 1], step) for number, step in enumerate(loc))

    def _is_default(self, loc: Loc) -> bool:
        own: object = self.raw
        default: object = self.defaults
        for number, step in enumerate(loc):
            if isinstance(own, list) and isinstance(default, list) and isinstance(step, int):
                return loc[0] in LISTS and step < len(default)
            if not isinstance(own, Mapping) or not isinstance(default, Mapping):
                return False
            if step not in own:
                return step in default
            if step not in default or loc[: number + 1] not in MERGED:
                return False
            own, default = own[step], default[step]
        return False


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()
