"""Cases over their defaults: what is put together, and where each part of it was written.

What a case and `test_defaults` both say under one name is the case's, but these are joined:

    variables env stubs http expect            by name
    in expect: branches tasks calls …          by name, too
    marks fixtures                             one list after the other

A merged case is plain data without positions; `Origin` leads from a path inside it to the path
in the document, so that a finding stands where its author can mend it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pytest_highway.errors import Diagnostic
from pytest_highway.planning.plan import Loc
from pytest_highway.reading.document import Document

__all__ = ["DEFAULTS", "MERGED", "Origin", "merge_defaults"]

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
    rendered key to the key as written.
    """

    document: Document
    case: Loc
    raw: Mapping[str, object]
    defaults: Mapping[str, object] = field(default_factory=dict)
    renamed: Mapping[Loc, str] = field(default_factory=dict)

    def place(self, loc: Loc) -> Loc:
        """The document's path for a path inside the case."""
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

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> Diagnostic:
        """A finding at a path inside the case."""
        return self.document.diagnostic(self.place(loc), message, key=key)

    def _written(self, loc: Loc) -> Loc:
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
