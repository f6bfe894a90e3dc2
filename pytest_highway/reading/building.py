"""From libyaml's events to plain data and the places of its keys and values.

Plain scalars are typed by `scalars`; a mapping key is text, as written. `<<` merges: the keys of
its sources come first, an earlier source wins over a later one and an explicit key over both. An
alias is the same object as its anchor, so what is built is to be read, never changed.

All faults are collected: after a bad key, alias, tag or number, reading goes on. It ends only at
a syntax error, at a second document and at a passed bound (depth, aliases, findings).

Events, not PyYAML's nodes: half the time, and no recursion that deep nesting could overflow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from pytest_highway.reading.anchors import AliasBomb, Anchor, Anchors
from pytest_highway.reading.places import CONTAINER, Mapping, Node, Places
from pytest_highway.reading.scalars import (
    STARTS,
    Scalar,
    brief,
    construct,
    fault_of_tag,
    plain_text,
    resolve,
)
from pytest_highway.reading.sourcetext import Lines, unprintable
from pytest_highway.reading.yaml_events import PARSER, Event
from pytest_highway.reading.yaml_syntax import (
    Complaint,
    behind_properties,
    syntax_fault,
    template_fault,
)

__all__ = ["Builder"]

MAX_DEPTH = 100  # containers in one another, those that aliases bring along included
MAX_FINDINGS = 1_000  # behind so many, a file is no workflow with slips in it

_OPENING = frozenset([MappingStartEvent, SequenceStartEvent])
_CLOSING = frozenset([MappingEndEvent, SequenceEndEvent])

# An open container: the mapping or, of a list, `append`; its slot; its anchor; the `key` with
# which each of its entries begins: None where a key comes first, else "".
_Frame: TypeAlias = tuple[Mapping, Callable[[object], None] | None, int, Anchor | None, object]

_NO_MAPPING: Mapping = {}
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"
_NO_KEY = "a list or a mapping is no key; a key is text"


class _Halt(Exception):
    """Reading cannot go on; the finding that says why has been taken down."""


class Builder:
    """Turns the events of one text into data, places and findings."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lines = Lines(text)
        self.places = Places()
        self.root: list[object] = []  # holds the root once it is known
        # One a place: what follows from the first fault there is no news.
        self.findings: dict[int, str] = {}
        self._stack: list[_Frame] = []
        self._anchors = Anchors()
        self._repeats: list[tuple[Mapping, int, str, int]] = []
        self._template = -1
        self.complete = False

    def build(self) -> None:
        """Read the whole text; afterwards `findings` says what is wrong with it."""
        try:
            self._get_event = PARSER(self.text).get_event
            self._read()
            self._check_root()
            # Where a key is repeated, what stands under it is anybody's guess.
            self.complete = not self._repeats
        except _Halt:
            pass
        except yaml.MarkedYAMLError as error:
            self._take_syntax_error(error)
        except (yaml.YAMLError, UnicodeEncodeError) as error:
            # Not a matter of syntax: the parser met a character that it does not read.
            found = unprintable(self.text, MAX_FINDINGS)
            self.findings.update(found or [(0, f"no YAML: {error}")])
        self._name_repeats()

    def _read(self) -> None:
        # This loop is the speed of loading: beside the parser's, a scalar costs one or two calls
        # of `append`. `key` is None where a mapping expects a key, and never None in a list.
        get_event = self._get_event
        add = self.places.marks.append
        # Each task has the same keys, and the parser a new string for each: one is kept.
        keys: dict[str, str] = {}
        share = keys.setdefault
        frame: _Frame = (_NO_MAPPING, self.root.append, 0, None, "")
        mapping, append, slot, _, key = frame
        text = ""
        value: object
        while True:
            event = get_event()
            kind: type = type(event)
            at = event.start_mark.index
            if kind is ScalarEvent:
                text = value = event.value
                if event.anchor is not None or event.tag is not None:
                    value, at = self._dressed(event)
                elif key is None:
                    text = share(text, text)
                elif not event.style and text[:1] in STARTS:
                    value = self._typed(text, at)
            elif kind in _OPENING:
                if key is None:
                    key = self._skip_key(at, slot)
                    continue
                frame = self._enter(event, frame, key)
                mapping, append, slot, _, key = frame
                continue
            elif kind in _CLOSING:
                frame = self._leave(frame)
                mapping, append, slot, _, key = frame
                continue
            elif kind is AliasEvent:
                text, value = self._follow(event, key is None)
            elif self._ends(kind, at):
                return
            else:
                continue
            add(at)
            if append is not None:
                append(value)
            elif key is None:
                key = text if text not in mapping else self._repeat(mapping, slot, text, at)
            else:
                mapping[key] = value
                key = None

    def _ends(self, kind: type, at: int) -> bool:
        if kind is DocumentStartEvent and self.root:
            self._halt(at, "a second document begins here; a file holds one")
        return kind is StreamEndEvent

    # --- containers

    def _enter(self, event: Event, outer: _Frame, key: object) -> _Frame:
        """Open a container in `outer`, in a mapping under `key`: the frame for what is in it."""
        at = event.start_mark.index
        if len(self._stack) >= MAX_DEPTH:
            self._halt(at, _TOO_DEEP)
        self._stack.append(outer)
        marks = self.places.marks
        slot = len(marks)
        kind: type = type(event)
        node: Node = {} if kind is MappingStartEvent else []
        anchor = None
        if event.anchor is not None or event.tag is not None:
            at = behind_properties(self.text, at)
            anchor = self._open_anchor(event, node, slot)
        marks.append(at | CONTAINER)
        marks.append(0)
        if outer[1] is None:
            outer[0][key] = node
        else:
            outer[1](node)
        if isinstance(node, dict):
            return node, None, slot, anchor, None
        return _NO_MAPPING, node.append, slot, anchor, ""

    def _open_anchor(self, event: Event, node: Node, slot: int) -> Anchor | None:
        if event.tag is not None:
            fault = fault_of_tag(event.tag, type(node))
            if fault is not None:
                self._report(event.start_mark.index, fault)
        return None if event.anchor is None else self._anchors.open(event.anchor, node, slot)

    def _leave(self, frame: _Frame) -> _Frame:
        """Close the container of `frame`: the frame of the one around it."""
        mapping, _, slot, anchor, _ = frame
        marks = self.places.marks
        marks[slot + 1] = len(marks)
        if "<<" in mapping and self._is_merge(mapping, slot):
            for at in self.places.merge(slot, mapping):
                self._report(at, "'<<' merges a mapping or a list of mappings, this is neither")
        if anchor is not None:
            self._anchors.close(anchor, len(marks))
        return self._stack.pop()

    def _is_merge(self, mapping: Mapping, slot: int) -> bool:
        # Quoted, it is a key as any other.
        places = self.places
        return self.text.startswith("<<", places.index(places.children(slot, mapping)["<<"] - 1))

    # --- scalars and aliases

    def _typed(self, text: str, at: int) -> Scalar:
        try:
            return resolve(text)
        except ValueError as error:
            self._report(at, str(error))
            return None

    def _dressed(self, event: Event) -> tuple[Scalar, int]:
        """The value of a scalar with an anchor or a tag, and the index where its text begins."""
        at = event.start_mark.index
        value: Scalar = event.value
        # An empty scalar has no text; the search for it would end at the next node's.
        behind = behind_properties(self.text, at) if event.style or value else at
        try:
            if event.tag is not None:
                value = construct(event.tag, event.value)
            elif not event.style:
                value = resolve(event.value)
        except ValueError as error:
            self._report(at, str(error))
        if event.anchor is not None:
            self._anchors.keep(event.anchor, value, len(self.places.marks), event.value)
        return value, behind

    def _follow(self, event: Event, is_key: bool) -> tuple[str, object]:
        """What an alias stands for: its text, as a key, and its value."""
        at, name = event.start_mark.index, event.anchor or ""
        try:
            anchor = self._anchors.follow(name, MAX_DEPTH - len(self._stack))
        except AliasBomb as bomb:
            self._halt(at, str(bomb))
        except ValueError as error:
            self._report(at, str(error))
            return f"*{name}", None
        if is_key and anchor.text is None:
            self._report(at, _NO_KEY)
        self.places.aliases[len(self.places.marks)] = anchor.slot
        return anchor.text or "", anchor.value

    # --- keys

    def _skip_key(self, at: int, slot: int) -> str:
        """Read past a container that stands as a key, and give a key to go on with.

        It is a text, as every key, and one of the author's own, in which nobody looks for more.
        """
        self.places.marks.append(at)
        outer = self.places.index(slot)
        template = outer if at == outer + 1 else at
        if self.text.startswith("{{", template):
            self._template = template
            self._report(*template_fault(self.text, template))
        else:
            self._report(at, _NO_KEY)
        depth = 1
        while depth:
            event = self._get_event()
            kind: type = type(event)
            depth += (kind in _OPENING) - (kind in _CLOSING)
            if len(self._stack) + depth > MAX_DEPTH:
                self._halt(event.start_mark.index, _TOO_DEEP)
        return f"x-{at}"

    def _repeat(self, mapping: Mapping, slot: int, text: object, at: int) -> object:
        """Take down a duplicate key, and give another in its place: slots go by order of keys."""
        self._bound(at)
        self._repeats.append((mapping, slot, str(text), at))
        return (text, at)

    def _name_repeats(self) -> None:
        # Only now, so that each mapping is walked once, however many of its keys are duplicates.
        for mapping, slot, text, at in self._repeats:
            first = self.places.children(slot, mapping)[text] - 1
            line = self.lines.position(self.places.index(first)).line
            hint = "; to merge several write '<<: [*a, *b]'" if text == "<<" else ""
            self.findings.setdefault(at, f"duplicate key {brief(text)}; first at line {line}{hint}")

    # --- findings

    def _report(self, at: int, message: str) -> None:
        self._bound(at)
        self.findings.setdefault(at, message)

    def _bound(self, at: int) -> None:
        if len(self.findings) + len(self._repeats) >= MAX_FINDINGS:
            self._halt(at, f"more than {MAX_FINDINGS:,} errors; reading ended here")

    def _halt(self, at: int, message: str) -> NoReturn:
        self.findings.setdefault(at, message)
        raise _Halt

    def _take_syntax_error(self, error: yaml.MarkedYAMLError) -> None:
        at = error.problem_mark.index if error.problem_mark else 0
        context_at = error.context_mark.index if error.context_mark else at
        complaint = Complaint(error.problem or "", at, error.context or "", context_at)
        position = self.lines.position
        place, message = syntax_fault(self.text, complaint, self.lines)
        # What stands behind an unquoted template is no YAML either; that is no news.
        if self._template < 0 or position(place).line != position(self._template).line:
            self.findings.setdefault(place, message)

    def _check_root(self) -> None:
        if not self.root:
            what = "holds only comments" if self.text.strip() else "is empty"
            self._halt(0, f"the file {what}")
        elif self.root[0] is None and plain_text(self.text, self.places.index(0), None) == "":
            self._halt(self.places.index(0), "the document is empty")
