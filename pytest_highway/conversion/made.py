"""What a conversion makes: mappings that know where they come from, and findings.

A finding is of one of two kinds. What is *lost* could not be carried over: it is an error, and a
comment stands in the output where it was. What is *changed* was carried over, but means something
that its author should know of: it is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pytest_highway.errors import Diagnostic
from pytest_highway.planning.plan import Loc
from pytest_highway.reading.document import Document
from pytest_highway.reading.models import IDENTIFIER

__all__ = ["Findings", "Made", "clean", "ids", "mapping", "ordered", "sequence", "texts", "unique"]

NOTE = "not carried over"
# The keys of an operator in the order in which they are written; all others stand between.
FIRST: Final = ("task_id", "operator_type", "description")
LAST: Final = (
    "dependencies",
    "after",
    "trigger_rule",
    "timeout",
    "retry",
    "result_key",
    "metadata",
)

_STRANGE = re.compile(r"[^A-Za-z0-9_-]+")


class Made(dict[str, object]):
    """A mapping of the output that stands for the one at `loc` of the source.

    `sources` says, for a key that has another name or place there, where its value was written;
    `notes` are comments to stand before it; `held` are tasks that are to wait for it, once it has
    become one that fails.
    """

    def __init__(self, loc: Loc, values: Mapping[str, object] | None = None) -> None:
        super().__init__(values or {})
        self.loc = loc
        self.sources: dict[str, Loc] = {}
        self.notes: list[str] = []
        self.held: list[str] = []

    def put(self, key: str, value: object, source: Loc | None = None) -> None:
        """Set a key whose value was written at `source`."""
        self[key] = value
        if source is not None:
            self.sources[key] = source

    def source(self, key: str) -> Loc:
        """Where the value of a key was written."""
        return self.sources.get(key, (*self.loc, key))


@dataclass(slots=True)
class Findings:
    """All that is to be said of a conversion, at its places in the source."""

    document: Document
    found: list[Diagnostic] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing was lost."""
        return all(each.severity == "warning" for each in self.found)

    def lost(self, made: Made, loc: Loc, message: str) -> None:
        """Say what was not carried over, and leave a comment where it was."""
        finding = self.document.diagnostic(loc, message, key=True)
        self.found.append(finding)
        made.notes.append(f"{NOTE} (line {finding.position.line}): {message}")

    def changed(self, loc: Loc, message: str) -> None:
        """Say what means something else now."""
        self.found.append(self.document.diagnostic(loc, message, key=True, severity="warning"))

    def sorted(self) -> list[Diagnostic]:
        """All of them, once, in the order of the file."""
        return sorted(dict.fromkeys(self.found), key=lambda each: each.position)


def mapping(value: object) -> Mapping[str, object]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def texts(value: object) -> list[str]:
    """The texts of a list."""
    return [each for each in sequence(value) if isinstance(each, str)]


def unique(names: Iterable[str]) -> list[str]:
    """The names, each once."""
    return list(dict.fromkeys(names))


def clean(name: str) -> str:
    """The id that stands for one of highway-dsl, where any text is an id."""
    if IDENTIFIER.fullmatch(name):
        return name
    cleaned = _STRANGE.sub("_", name)
    return cleaned if IDENTIFIER.fullmatch(cleaned) else f"_{cleaned}"


def ids(value: object) -> list[str]:
    """The ids in a list."""
    return [clean(each) for each in texts(value)]


def ordered(made: Made) -> Made:
    """The same mapping, its keys in their usual order."""
    between = [key for key in made if key not in FIRST and key not in LAST]
    items = [(key, made[key]) for key in (*FIRST, *between, *LAST) if key in made]
    made.clear()
    made.update(items)
    return made
