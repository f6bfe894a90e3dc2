"""The text of a YAML file as an editor sees it: nodes, lines, columns, line breaks.

A `Site` is a node where it stands, a `Change` the characters that give way to others. `Unfit` is
raised wherever something of the author's would be lost; nothing here changes anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

from pytest_highway.editing.nodes import BREAK, Node, behind_indicator, read_nodes, walk
from pytest_highway.editing.text import Dialect
from pytest_highway.reading.sourcetext import Lines

__all__ = ["DEFAULT_STEP", "Change", "Site", "Source", "Unfit"]

DEFAULT_STEP = 2  # of indentation, in a file that shows none

_break = re.compile(BREAK)
_LINE_BREAKS = ("\n", "\r\n", "\r")
_is_tail = re.compile("[ \t]*|[ \t]+#.*", re.DOTALL).fullmatch


class Unfit(ValueError):
    """No change can do what is wanted without a loss; the message says why."""


class Change(NamedTuple):
    """`text` stands for the characters from `start` to `end`.

    Of changes at one index the one of greater `depth` comes first: what is put behind the last
    line of a mapping belongs before what is put behind the mapping. An `is_open` text says what it
    should only with a line break behind it, which a file may lack at its end.
    """

    start: int
    end: int
    text: str
    depth: int
    is_open: bool = False


class Site(NamedTuple):
    """A node where it stands: as child number `order` of `parent`, `depth` levels down."""

    node: Node
    parent: Node
    order: int
    depth: int
    dialect: Dialect


class Source:
    """A text with its nodes and its lines."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root = read_nodes(text)
        self._lines = Lines(text)

    @cached_property
    def is_json(self) -> bool:
        """Is the whole text JSON, and to stay so?"""
        if not self.root.is_flow:
            return False
        try:
            json.loads(self.text)
        except ValueError:
            return False
        return True

    @cached_property
    def step(self) -> int:
        """By how much a mapping within a mapping is indented in this file."""
        for outer in walk(self.root):
            for each in outer.children if outer.kind == "mapping" else ():
                if each.kind == "mapping" and not each.is_flow and not outer.is_flow:
                    return self.column(each.at) - self.column(outer.at)
        return DEFAULT_STEP

    def dialect_below(self, node: Node, around: Dialect) -> Dialect:
        """What surrounds the children of a node that `around` surrounds."""
        if around is Dialect.BLOCK and node.is_flow:
            return Dialect.JSON if self.is_json else Dialect.FLOW
        return around

    def column(self, at: int) -> int:
        """The number of characters before index `at` in its line."""
        return self._lines.position(at).column - 1

    def line_end(self, at: int) -> int:
        """The index of the end of the line that index `at` is in, before its break."""
        match = _break.search(self.text, at)
        return match.start() if match else len(self.text)

    def line_break(self, at: int) -> str:
        """The line break for a new line at this index: of its line, else of the line before."""
        match = _break.search(self.text, at)
        if match is None:
            *_, match = [None, *_break.finditer(self.text)]
        shown = match.group() if match else "\n"
        return shown if shown in _LINE_BREAKS else "\n"

    def behind(self, site: Site) -> int:
        """The index behind the `:` or `-` that introduces a node; NOWHERE where none does."""
        before = site.parent.children[site.order - 1].end if site.order else site.parent.at
        return behind_indicator(self.text, before, ":" if site.parent.kind == "mapping" else "-")

    def tail(self, at: int) -> str:
        """The rest of the line from `at`: blanks, a comment, nothing; else Unfit."""
        rest = self.text[at : self.line_end(at)]
        if _is_tail(rest) is None:
            raise Unfit(f"{rest.strip()!r} follows in its line")
        return rest

    def joined(self, lines: Iterable[str], at: int) -> str:
        """Lines as they are broken at this index."""
        return self.line_break(at).join(lines)
