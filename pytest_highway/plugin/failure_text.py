"""A failure as pytest shows it: a text whose first line is `file:line:column: what`.

Apart from `failures`, which writes such texts: the controller of pytest-xdist receives them ready
made, and may do without all that a case needs to run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple, Protocol

__all__ = ["PLACED", "CaseFailed", "FailureText"]

# The first line of a finding; what stands below one is indented.
PLACED = re.compile(r"\S.*?:[0-9]+:[0-9]+: ")

# How a line of a box is coloured, by how it begins.
COLOURS = {"    -": "red", "    +": "green", "    ?": "yellow", "    @": "cyan"}


class CaseFailed(AssertionError):
    """A case's expectations do not hold; the text is the whole report."""


class Terminal(Protocol):
    """What pytest hands in to write on."""

    def line(self, s: str = "", **markup: bool) -> None:
        """Write one line."""


class Place(NamedTuple):
    """Where a failure is and what it says, as pytest's summary, `--tb=line` and JUnit ask it."""

    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class FailureText:
    """A failure's text as pytest takes it: it writes itself and knows its place.

    A plain text would do, and is what arrives from a worker of pytest-xdist; but of a plain text
    `--tb=line` shows 50 characters, and the summary of a CI run the whole. `style` is that option:
    under `line` pytest writes the place itself, and in some versions whatever writes itself, too.
    """

    text: str
    style: str = "auto"

    @property
    def reprcrash(self) -> Place:
        """The first line; of several findings also how many there are."""
        headline = self.text.partition("\n")[0]
        path, _, rest = headline.partition(":")
        line = rest.partition(":")[0]
        more = sum(PLACED.match(each) is not None for each in self.text.splitlines()) - 1
        message = f"{headline} (and {more} more)" if more > 0 else headline
        return Place(path, int(line) if line.isdecimal() else 1, message)

    def __str__(self) -> str:
        return self.text

    def toterminal(self, tw: Terminal) -> None:
        """Write the text, with places and the lines of diffs in colour."""
        for line in self.text.split("\n") if self.style != "line" else ():
            tw.line(line, **_markup(line))


def _markup(line: str) -> dict[str, bool]:
    if PLACED.match(line):
        return {"bold": True, "red": True}
    colour = COLOURS.get(line[:5])
    return {colour: True} if colour else {}
