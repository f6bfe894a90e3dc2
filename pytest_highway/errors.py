"""Diagnostics: what is wrong, where it stands, and what would be right.

Every fault that a user can make ends here. Two shapes exist:

* A *finding* is a `Diagnostic`: one fault (or warning) at one place of one file. Findings are
  values; a stage collects all of its own and raises one `SourceError` that carries them.
* An *exception* below `HighwayError` is raised where only one fault can be known, as while an
  expression is evaluated; the caller that knows the place turns it into a finding.

A finding is shown as

    path:line:col: what; what is allowed; did you mean 'x'?
      |   the source line
      |   ^
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

__all__ = [
    "Diagnostic",
    "HighwayError",
    "Position",
    "SourceError",
    "did_you_mean",
    "listed",
    "one_line",
]

Severity = Literal["error", "warning"]

# A caret under column 4,000 helps nobody; longer lines are shown in a window around the column.
SHOWN_WIDTH = 100


class Position(NamedTuple):
    """A place in a text; `line` and `column` count from 1, columns in characters."""

    line: int
    column: int


START = Position(1, 1)


class HighwayError(Exception):
    """Base of every error that this package raises for a user's mistake."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding at one place.

    `path` is shown as given; `message` is a full fragment without a final stop; `source` is the
    text of the line `position` names, or empty when there is none to show.
    """

    path: str
    message: str
    position: Position = START
    source: str = field(default="", compare=False)
    severity: Severity = "error"

    def headline(self) -> str:
        """`path:line:col: message`, on one line."""
        prefix = "warning: " if self.severity == "warning" else ""
        line, column = self.position
        return one_line(f"{self.path}:{line}:{column}: {prefix}{self.message}")

    def render(self) -> str:
        """The headline, the source line and a caret."""
        if not self.source.strip():
            return self.headline()
        line, column = window(self.source.rstrip(), self.position.column)
        return f"{self.headline()}\n  | {line}\n  | {' ' * (column - 1)}^"


def window(line: str, column: int) -> tuple[str, int]:
    """Cut a long line around `column` (from 1); tabs become blanks so that the caret fits."""
    line = line.replace("\t", " ")
    start = 0 if column <= SHOWN_WIDTH - 20 else column - SHOWN_WIDTH // 2
    cut = line[start : start + SHOWN_WIDTH]
    left = "..." if start else ""
    right = "..." if start + SHOWN_WIDTH < len(line) else ""
    return f"{left}{cut}{right}", column - start + len(left)


class SourceError(HighwayError):
    """One or more findings, mostly of one file; `str()` is all, rendered, file by file in order.

    `document` is what could be read all the same, where reading went on to the end of the file.
    """

    def __init__(self, diagnostics: Iterable[Diagnostic], document: object = None) -> None:
        self.document = document
        found = dict.fromkeys(diagnostics)
        self.diagnostics = tuple(sorted(found, key=lambda each: (each.path, each.position)))
        super().__init__(self.diagnostics)

    def __str__(self) -> str:
        return "\n".join(each.render() for each in self.diagnostics)


def one_line(text: str) -> str:
    """A text of anybody's without line ends or other controls of a terminal, which are escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest candidate, or an empty text."""
    # Imported here: difflib is needed only when something is wrong.
    import difflib

    pool = [each for each in candidates if each != name]
    near = difflib.get_close_matches(name, pool, n=1, cutoff=0.6)
    if not near:
        lowered = {each.lower(): each for each in pool}
        near = [lowered[each] for each in difflib.get_close_matches(name.lower(), lowered, n=1)]
    return f"; did you mean {near[0]!r}?" if near else ""


def listed(names: Sequence[str], limit: int = 8) -> str:
    """Names for a message: `'a', 'b' and 3 more`, or `none`."""
    shown = [repr(each) for each in names[:limit]]
    if len(names) > limit:
        return f"{', '.join(shown)} and {len(names) - limit} more"
    return ", ".join(shown) or "none"
