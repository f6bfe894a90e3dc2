"""YAML nodes with the characters that each takes up: what an editor of YAML has to know.

A document is data with places where values begin; this is the other view of the same text, in
which nothing is resolved, merged or typed, and every node has three indices:

    key: &anchor !!str "text"   # comment
         ^start        ^at   ^end

`start` is the first character of the anchor or the tag, `at` that of the node itself, `end` the
one behind its last. They follow the text, not the parser's marks, where the two differ:

    block list, block mapping   ends with its last entry; the parser's mark runs on to what follows
    block text (`|`, `>`)       ends before the line break of its last line; blank lines belong to
                                it only under `+`, since without it they say nothing
    nothing at all              stands behind the `:` or `-` that introduces it; behind its key,
                                where there is no `:`

Only text that `document.parse` took may be read here: nesting is then bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from pytest_highway.reading.sourcetext import join_surrogates
from pytest_highway.reading.yaml_events import PARSER, Event
from pytest_highway.reading.yaml_syntax import behind_properties

__all__ = [
    "BLOCK_STYLES",
    "BREAK",
    "NOWHERE",
    "Kind",
    "Node",
    "behind_indicator",
    "read_leaves",
    "read_nodes",
    "walk",
]

Kind: TypeAlias = Literal["scalar", "list", "mapping", "alias"]

# Where libyaml ends a line, as a pattern.
BREAK = "(?:\r\n|[\n\r\x85\u2028\u2029])"
_BREAKS = ("\n", "\r", "\x85", "\u2028", "\u2029")

BLOCK_STYLES = ("|", ">")
NOWHERE = -1  # in place of an index

_breaks = re.compile(BREAK).finditer
_gap = re.compile(f"(?:[ \t]|{BREAK}|#[^\n\r\x85\u2028\u2029]*)*").match


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One node of a text; equal only to itself.

    `style` is of a scalar `'`, `"`, `|`, `>` or, where it is plain, empty; of a container `flow`
    or `block`. `text` is a scalar's text and an alias's name. `children` are the items of a list,
    and of a mapping its keys and values in turn.
    """

    kind: Kind
    start: int
    at: int
    end: int
    style: str = ""
    text: str = ""
    anchor: str | None = None
    tag: str | None = None
    children: tuple[Node, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Is there no character of the node itself, its anchor and tag apart?"""
        return self.at == self.end

    @property
    def is_flow(self) -> bool:
        """Is it a list or a mapping in brackets, or a single pair within such a list?"""
        return self.style == "flow"


_NODES: dict[type, Kind] = {
    ScalarEvent: "scalar",
    SequenceStartEvent: "list",
    MappingStartEvent: "mapping",
    AliasEvent: "alias",
}
_ENDS = (SequenceEndEvent, MappingEndEvent)


def read_nodes(text: str) -> Node:
    """The root of a text that `document.parse` took."""
    return _Reader(text).root()


def read_leaves(text: str, limit: int) -> list[tuple[str, str]] | None:
    """Style and text of each scalar of any text; None where it is no YAML.

    None, too, where there is an alias, an anchor or a tag, and for more than `limit` scalars and
    containers: of what is not in hand, as little as possible is read.
    """
    parser = PARSER(text)
    leaves: list[tuple[str, str]] = []
    count = 0
    try:
        while count <= limit:
            event = parser.get_event()
            kind: type = type(event)
            if kind is StreamEndEvent:
                return leaves
            count += kind in _NODES
            if kind is AliasEvent or (kind in _NODES and (event.anchor or event.tag)):
                return None
            if kind is ScalarEvent:
                leaves.append((event.style or "", event.value))
    except yaml.YAMLError:
        pass
    return None


def walk(node: Node) -> list[Node]:
    """The node and all below it, in the order of the text."""
    return [node, *(below for child in node.children for below in walk(child))]


def behind_indicator(text: str, before: int, indicator: str) -> int:
    """The index behind the `:` or `-` that comes next from `before`; NOWHERE if none does."""
    match = _gap(text, before)
    at = match.end() if match else before
    return at + 1 if text.startswith(indicator, at) else NOWHERE


class _Reader:
    """Turns the events of one text into nodes."""

    def __init__(self, text: str) -> None:
        # In a JSON file the parser sees escaped surrogate pairs joined, so its marks are those of
        # another text, and `place` leads back. Such a file has no empty and no block scalars, for
        # which alone text and marks are looked at together.
        self._text, restore = join_surrogates(text)
        self._place: Callable[[int], int] = restore or int
        self._get_event = PARSER(self._text).get_event

    def root(self) -> Node:
        """The root node."""
        event = self._get_event()
        while type(event) not in _NODES:
            event = self._get_event()
        return self._node(event, NOWHERE)

    def _node(self, event: Event, key_end: int) -> Node:
        """The node that begins with `event`, as the value of the key that ends at `key_end`."""
        kind = _NODES[type(event)]
        if kind == "scalar":
            return self._scalar(event, key_end)
        start, end = self._marks(event)
        if kind == "alias":
            return Node(kind, start, start, end, text=event.anchor or "")
        at = event.start_mark.index
        if event.anchor is not None or event.tag is not None:
            at = behind_properties(self._text, at)
        children, end = self._children(kind)
        style = "flow" if event.flow_style else "block"
        # A single pair within a flow list has no brackets either, and ends as a block does.
        if style == "block" or self._text[at] not in "[{":
            end = children[-1].end
        dress = event.anchor, event.tag
        return Node(kind, start, self._place(at), end, style, "", *dress, tuple(children))

    def _children(self, kind: Kind) -> tuple[list[Node], int]:
        """The nodes up to the end of a container, and the index of that end."""
        children: list[Node] = []
        event = self._get_event()
        while not isinstance(event, _ENDS):
            is_value = kind == "mapping" and len(children) % 2 == 1
            children.append(self._node(event, children[-1].end if is_value else NOWHERE))
            event = self._get_event()
        return children, self._marks(event)[1]

    def _scalar(self, event: Event, key_end: int) -> Node:
        start, end = self._marks(event)
        at, style = start, event.style or ""
        if event.anchor is not None or event.tag is not None:
            is_written = style or event.value
            at = self._place(behind_properties(self._text, start)) if is_written else end
        elif start == end and key_end != NOWHERE:
            behind = behind_indicator(self._text, key_end, ":")
            start = at = end = key_end if behind == NOWHERE else behind
        if style in BLOCK_STYLES:
            end = at + _block_length(self._text[at:end], event.value)
        return Node("scalar", start, at, end, style, event.value, event.anchor, event.tag)

    def _marks(self, event: Event) -> tuple[int, int]:
        return self._place(event.start_mark.index), self._place(event.end_mark.index)


def _block_length(block: str, value: str) -> int:
    """The length of a block text without its last line break.

    `block` is the text up to where the next thing begins: header, lines, and blank lines.
    """
    ends = [each.start() for each in _breaks(block)]
    if block[1:3].strip("123456789").startswith("+"):
        is_broken = block.endswith(_BREAKS)
        last = len(ends) - is_broken
    elif block.startswith("|"):
        # Line for line as in the value; a line of blanks may belong to it.
        last = sum(1 for _ in _breaks(value)) + (value != "" and not value.endswith(_BREAKS))
    else:
        shown = len(block.rstrip(" \n\r\x85\u2028\u2029"))
        last = sum(1 for each in ends if each < shown)
    return ends[last] if last < len(ends) else len(block)
