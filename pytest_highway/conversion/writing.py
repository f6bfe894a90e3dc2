"""What was made as YAML, with the comments of the source at their places.

A comment on a line of its own stands before the entry that follows it, one behind an entry stands
in its line. Where the entry was not carried over its comment goes before what is around. Every
mapping that was made knows its lines, so that a fault of the text leads back to it.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_highway.conversion.made import Made
from pytest_highway.editing.nodes import Node, read_nodes
from pytest_highway.editing.text import Dialect, block_lines, flow_text, indented, scalar_text
from pytest_highway.planning.plan import Loc

__all__ = ["Comments", "Span", "Written", "read_comments", "write"]

WIDTH = 90
STEP = 2
_COMMENT = re.compile(r"(?:^|(?<=\s))#[^\n\r]*", re.MULTILINE)


@dataclass(slots=True)
class Comments:
    """The comments of a text: `before` an entry, `behind` it in its line, and `last` of all."""

    before: dict[Loc, list[str]] = field(default_factory=dict)
    behind: dict[Loc, str] = field(default_factory=dict)
    last: list[str] = field(default_factory=list)

    def moved(self, known: set[Loc]) -> Comments:
        """The same, those of places that are not `known` moved to what is around."""
        moved = Comments(last=list(self.last))
        entries = [*((loc, each) for loc, each in self.before.items())]
        for loc, comments in entries:
            moved.before.setdefault(_nearest(loc, known), []).extend(comments)
        for loc, comment in self.behind.items():
            if loc in known:
                moved.behind[loc] = comment
            else:
                moved.before.setdefault(_nearest(loc, known), []).append(comment)
        return moved


def _nearest(loc: Loc, known: set[Loc]) -> Loc:
    while loc and loc not in known:
        loc = loc[:-1]
    return loc


def read_comments(text: str) -> Comments:
    """The comments of a text that was read as a document."""
    comments = Comments()
    if "#" not in text:
        return comments
    entries, scalars = _marks(text)
    starts = [at for at, _ in entries]
    for match in _COMMENT.finditer(text):
        at = match.start()
        inside = bisect_right(scalars, (at, len(text))) - 1
        # A `#` inside a text is no comment.
        if inside >= 0 and scalars[inside][0] <= at < scalars[inside][1]:
            continue
        follower = bisect_right(starts, at)
        line = max(text.rfind(sign, 0, at) for sign in "\n\r") + 1
        if text[line:at].strip(" \t\ufeff"):
            comments.behind[_first_of_line(entries, follower - 1, line)] = match[0]
        elif follower < len(entries):
            comments.before.setdefault(entries[follower][1], []).append(match[0])
        else:
            comments.last.append(match[0])
    return comments


def _marks(text: str) -> tuple[list[tuple[int, Loc]], list[tuple[int, int]]]:
    """Where each entry begins, and from where to where each scalar stands, in their order."""
    entries: list[tuple[int, Loc]] = []
    scalars: list[tuple[int, int]] = []
    for node, key, loc in _walk(read_nodes(text), ()):
        scalars += [(each.at, each.end) for each in (node, key) if each and each.kind == "scalar"]
        if loc:
            entries.append(((key or node).start, loc))
    return sorted(entries), sorted(scalars)


def _first_of_line(entries: list[tuple[int, Loc]], place: int, line: int) -> Loc:
    """The entry that a line begins with: what follows in it is written with it."""
    while place > 0 and entries[place - 1][0] >= line:
        place -= 1
    return entries[place][1]


def _walk(node: Node, loc: Loc) -> Iterator[tuple[Node, Node | None, Loc]]:
    """Every node with its key and its place."""
    # A stack in place of recursion: a text may nest deeply.
    ahead: list[tuple[Node, Node | None, Loc]] = [(node, None, loc)]
    while ahead:
        node, key, loc = ahead.pop()
        yield node, key, loc
        if node.kind == "mapping":
            pairs = zip(node.children[::2], node.children[1::2], strict=True)
            ahead += [(value, name, (*loc, name.text)) for name, value in pairs]
        elif node.kind == "list":
            ahead += [(each, None, (*loc, number)) for number, each in enumerate(node.children)]


# --- writing -------------------------------------------------------------------------------------


class Span(NamedTuple):
    """What stands in these lines, from 1: a mapping that was made, or a key of the whole file."""

    first: int
    last: int
    what: Made | str


class Written(NamedTuple):
    """The text, and what stands where in it, from the outside in."""

    text: str
    spans: list[Span]


def write(root: Made, comments: Comments) -> Written:
    """The text of a file."""
    # Written twice: only then is it known which places there are, and a comment on what has no
    # place of its own any more goes to what is around it.
    trial = _Writer(Comments())
    trial.mapping(root, 0, (), "")
    writer = _Writer(comments.moved(trial.known))
    writer.comment((), 0)
    writer.lines += [f"# {note}" for note in root.notes]
    writer.mapping(root, 0, (), "")
    lines = [*writer.lines, *comments.last]
    return Written("".join(f"{line}\n" for line in lines), sorted(writer.spans, key=_outside_first))


def _outside_first(span: Span) -> tuple[int, int]:
    return span.first, -span.last


class _Writer:
    def __init__(self, comments: Comments) -> None:
        self.lines: list[str] = []
        self.spans: list[Span] = []
        self.known: set[Loc] = {()}
        self._comments = comments

    def comment(self, loc: Loc, indent: int) -> None:
        """The comments before an entry."""
        self.known.add(loc)
        self.lines += indented(self._comments.before.pop(loc, ()), indent)

    def mapping(self, value: Mapping[str, object], indent: int, loc: Loc, lead: str) -> None:
        """The entries of a mapping; the first one stands behind `lead`, which indents it."""
        margin = len(lead) - len(lead.lstrip())
        for key, each in value.items():
            source = value.source(key) if isinstance(value, Made) else (*loc, key)
            notes = each.notes if isinstance(each, Made) else []
            self.comment(source, margin)
            self.lines += indented([f"# {note}" for note in notes], margin)
            first = len(self.lines) + 1
            head = f"{lead}{scalar_text(key, Dialect.BLOCK, is_key=True)}:"
            self._entry(head, each, indent, source)
            if isinstance(each, Made):
                self.spans.append(Span(first, len(self.lines), each))
            elif not indent:
                self.spans.append(Span(first, len(self.lines), key))
            lead, margin = " " * indent, indent

    def _entry(self, head: str, value: object, indent: int, loc: Loc) -> None:
        comment = self._comments.behind.pop(loc, "")
        behind = f"  {comment}" if comment else ""
        loc = value.loc if isinstance(value, Made) else loc
        self.known.add(loc)
        short = _short(value, WIDTH - len(head))
        if short is not None:
            self.lines.append(f"{head} {short}{behind}")
        elif isinstance(value, dict):
            self.lines.append(f"{head}{behind}")
            self.mapping(value, indent + STEP, loc, " " * (indent + STEP))
        elif isinstance(value, list):
            self.lines.append(f"{head}{behind}")
            self._list(value, indent + STEP, loc)
        else:
            first, *rest = block_lines(value, STEP)
            self.lines += [f"{head} {first}{behind}", *indented(rest, indent + STEP)]

    def _list(self, value: list[object], indent: int, loc: Loc) -> None:
        margin = " " * indent
        for number, each in enumerate(value):
            at = each.loc if isinstance(each, Made) else (*loc, number)
            self.comment(at, indent)
            if not isinstance(each, dict) or _short(each, WIDTH - indent) is not None:
                self._entry(f"{margin}-", each, indent, at)
                continue
            notes = each.notes if isinstance(each, Made) else []
            self.lines += indented([f"# {note}" for note in notes], indent)
            first = len(self.lines) + 1
            comment = self._comments.behind.pop(at, "")
            self.mapping(each, indent + STEP, at, f"{margin}- ")
            if comment:
                self.lines[first - 1] += f"  {comment}"
            if isinstance(each, Made):
                self.spans.append(Span(first, len(self.lines), each))


def _short(value: object, width: int) -> str | None:
    """A value on one line, when it is small and plain; a text of several lines never is."""
    if isinstance(value, Made) and value:
        return None
    if not isinstance(value, list | dict):
        if isinstance(value, str) and len(block_lines(value, STEP)) > 1:
            return None
        return scalar_text(value, Dialect.BLOCK)
    if not value:
        return flow_text(value, Dialect.FLOW)
    # Before it is written out: each entry takes a character at least.
    if len(value) > width or _is_deep(value):
        return None
    text = flow_text(value, Dialect.FLOW)
    return text if len(text) <= width else None


def _is_deep(value: object) -> bool:
    """Whether something in a value wants lines of its own."""
    if isinstance(value, Made) or (isinstance(value, str) and "\n" in value):
        return True
    if isinstance(value, dict):
        return any(map(_is_deep, value.values()))
    return isinstance(value, list) and any(map(_is_deep, value))
