"""Editing a user's YAML: other data at some places, and not one other character touched.

    bytes -> text -> changes, one for each place -> new text -> read again and compared -> bytes

`edited` plans each change by the positions of the nodes, applies all of them to the text at once,
reads the result with the reader of workflows and compares it with what was there:

* the data are the old data with exactly these edits;
* every node that was not edited has its text, style, tag and anchor as before, in the same order;
* what was JSON is JSON.

If anything else changed, or if a place cannot be edited without a loss (it came by an alias or by
`<<`, others take it over by an alias, a comment stands in it, it has a tag), `EditRefused` says
why and holds the block to paste. It is all edits or none.
"""

from __future__ import annotations

import codecs
import copy
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias, cast

from pytest_highway.editing.changes import extended, replaced
from pytest_highway.editing.nodes import Node, walk
from pytest_highway.editing.source import DEFAULT_STEP, Change, Site, Source, Unfit
from pytest_highway.editing.text import Dialect, Unwritable, block_lines, indented
from pytest_highway.errors import HighwayError, SourceError, listed
from pytest_highway.reading.document import Document, parse

__all__ = ["Edit", "EditRefused", "Loc", "edited", "rendered", "replace_file"]

Loc: TypeAlias = tuple[str | int, ...]

MAX_DEPTH = 100  # of a value, as of a document
WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_STR_TAG = "tag:yaml.org,2002:str"


class EditRefused(HighwayError):
    """A file that is left as it is: `reason` in one sentence, `block` the YAML to paste instead.

    `block` has its key or `-` with it and is indented as at its place; it is empty where it is not
    the value that cannot be put there. `place` is `file:line:column` or a path, if known; `told` is
    all but that, for whoever names the place anyway.
    """

    def __init__(self, reason: str, block: str = "", place: str = "") -> None:
        self.reason = reason
        self.block = block
        self.place = place
        self.told = f"{reason}; to paste:\n{block}" if block else reason
        super().__init__(reason, block, place)

    def __str__(self) -> str:
        return f"{self.place}: {self.told}" if self.place else self.told


@dataclass(frozen=True, slots=True)
class Edit:
    """Plain data that is to stand at a place.

    `loc` is a path of keys and indices. The place exists, or its last part is a new key of a
    mapping that does. `value` is made of dict, list, str, int, float, bool and None.
    """

    loc: Loc
    value: object = field(hash=False)  # lists and mappings have none


def rendered(value: object, indent: int) -> str:
    """A value as lines of YAML, each behind `indent` blanks, without a last line break.

    Unwritable, a ValueError, for what is no plain data.
    """
    _check_plain(value)
    first, *rest = block_lines(value, DEFAULT_STEP)
    inner = DEFAULT_STEP if isinstance(value, str) else 0
    return "\n".join(indented([first, *indented(rest, inner)], indent))


def _check_plain(value: object, depth: int = 0) -> None:
    """Raise Unwritable for what YAML has no form for."""
    if depth > MAX_DEPTH:
        raise Unwritable(f"it is nested deeper than {MAX_DEPTH} levels")
    if type(value) not in (dict, list, str, int, float, bool, type(None)):
        raise Unwritable(f"{type(value).__name__!r} is no type of plain data")
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise Unwritable(f"the key {key!r} is no text")
        value = [*value.values()]
    for each in value if isinstance(value, list) else ():
        _check_plain(each, depth + 1)


# --- edits --------------------------------------------------------------------------------------


def edited(content: bytes, edits: Sequence[Edit], *, path: str) -> bytes:
    """The bytes of a file with all edits done; `path` is shown in messages.

    EditRefused where any of them cannot be done, SourceError where `content` is no document. A
    place that has its value already is left as it is, however it came by it.
    """
    editor = _Editor(content, parse(content, path))
    editor.check(edits)
    wanted = [each for each in edits if not editor.is_done(each)]
    return editor.edited(wanted) if wanted else content


class _Editor:
    """One text and what can be made of it."""

    def __init__(self, content: bytes, document: Document) -> None:
        self._document = document
        self._source = Source(document.text)
        self._mark = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        nodes = walk(self._source.root)
        self._aliased = {each.text for each in nodes if each.kind == "alias"}

    def check(self, edits: Sequence[Edit]) -> None:
        """Raise EditRefused for a value that is no plain data, and for edits of one place."""
        seen: set[Loc] = set()
        locs = {each.loc for each in edits}
        for edit in edits:
            try:
                _check_plain(edit.value)
            except Unwritable as error:
                raise self._refused(edit, str(error)) from None
            # A place within that of another edit is that place, too.
            if edit.loc in seen or any(edit.loc[:end] in locs for end in range(len(edit.loc))):
                raise self._refused(edit, "another edit is of the same place")
            seen.add(edit.loc)

    def is_done(self, edit: Edit) -> bool:
        """Has the place its value already?"""
        value = self._document.data
        for part in edit.loc:
            if not _has(value, part):
                return False
            value = cast("dict[object, object]", value)[part]
        return _same(value, edit.value)

    def edited(self, edits: Sequence[Edit]) -> bytes:
        """The new bytes; EditRefused, naming the first edit that cannot be done by itself."""
        plan = _Plan(self._source)
        for edit in edits:
            try:
                self._enter(edit, plan)
            except (Unfit, Unwritable) as error:
                raise self._refused(edit, str(error)) from None
        try:
            content = self._mark + plan.text().encode()
            self._compare(content, plan, edits)
        except Unfit as error:
            if len(edits) == 1:
                raise self._refused(edits[0], str(error)) from None
            for edit in edits:
                self.edited([edit])
            raise self._refused_together(edits, str(error)) from None
        return content

    def _enter(self, edit: Edit, plan: _Plan) -> None:
        """Put an edit into the plan; Unfit where its place cannot be edited."""
        if not edit.loc:
            raise Unfit("a document is not replaced as a whole")
        node, data = self._source.root, self._document.data
        dialect = Dialect.BLOCK
        for depth, part in enumerate(edit.loc, 1):
            self._check_own(node)
            dialect = self._source.dialect_below(node, dialect)
            if not _has(data, part):
                if depth < len(edit.loc) or not isinstance(data, dict) or not isinstance(part, str):
                    raise Unfit(f"{part!r} is not there, and no mapping that could take it")
                plan.extend(node, _Extension(depth, dialect, {part: edit.value}))
                return
            order = _order(node, part)
            site = Site(node.children[order], node, order, depth, dialect)
            node, data = site.node, cast("dict[object, object]", data)[part]
        self._check_own(node)
        if node.tag is not None and (node.tag != _STR_TAG or not isinstance(edit.value, str)):
            raise Unfit("it has a tag")
        plan.replace(site, edit.value)

    def _check_own(self, node: Node) -> None:
        """Raise Unfit for what other places hold too."""
        if node.kind == "alias":
            raise Unfit(f"it comes by the alias '*{node.text}'")
        if node.anchor in self._aliased:
            raise Unfit(f"aliases of '&{node.anchor}' take it over")

    def _compare(self, content: bytes, plan: _Plan, edits: Sequence[Edit]) -> None:
        """Raise Unfit where the new text is not the old one with these edits."""
        try:
            document = parse(content, self._document.path)
        except SourceError as error:
            found = error.diagnostics[0].message
            raise Unfit(f"the file could not be read afterwards: {found}") from None
        data = copy.deepcopy(self._document.data)
        for edit in edits:
            _put(data, edit)
        source = Source(document.text)
        is_json = source.is_json or not self._source.is_json
        if not (is_json and _same(document.data, data)):
            raise Unfit("the file would not read back as wanted")
        if not plan.is_kept(self._source.root, source.root):
            raise Unfit("another value of the file would change")

    def _refused(self, edit: Edit, why: str) -> EditRefused:
        place = ".".join(map(str, edit.loc))
        return EditRefused(
            f"{place!r} cannot be updated: {why}", self._block(edit), self._shown(edit.loc)
        )

    def _refused_together(self, edits: Sequence[Edit], why: str) -> EditRefused:
        places = listed([".".join(map(str, each.loc)) for each in edits])
        return EditRefused(
            f"{places} cannot be updated together: {why}",
            "\n".join(map(self._block, edits)),
            self._shown(()),
        )

    def _shown(self, loc: Loc) -> str:
        line, column = self._document.position(loc)
        return f"{self._document.path}:{line}:{column}"

    def _block(self, edit: Edit) -> str:
        """What to paste: the entry of a mapping or a list, in the column of its first one."""
        last = edit.loc[-1] if edit.loc else None
        shown = {last: edit.value} if isinstance(last, str) else [edit.value]
        try:
            return rendered(shown, self._document.position(edit.loc[:-1]).column - 1)
        except Unwritable:
            return ""


def _has(data: object, part: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(part, int) and 0 <= part < len(data)
    return isinstance(data, dict) and part in data


def _put(data: object, edit: Edit) -> None:
    for part in edit.loc[:-1]:
        data = cast("dict[object, object]", data)[part]
    cast("dict[object, object]", data)[edit.loc[-1]] = edit.value


def _same(one: object, other: object) -> bool:
    # Of plain data, `repr` tells types, order, signs and `nan`, which `==` does not.
    return repr(one) == repr(other)


def _order(node: Node, part: str | int) -> int:
    """Which child of a node the value at `part` is; Unfit where it is written elsewhere."""
    if isinstance(part, int):
        return part
    for order in range(0, len(node.children), 2):
        key = node.children[order]
        is_merge = key.text == "<<" and not key.style
        if key.kind == "scalar" and key.text == part and not is_merge:
            return order + 1
    raise Unfit("it comes by '<<', or its key by an alias")


class _Extension(NamedTuple):
    """A mapping that gets new entries."""

    depth: int
    dialect: Dialect
    entries: dict[object, object]


class _Plan:
    """What is to be changed in one text: the nodes that give way, the mappings that grow."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._changes: dict[Node, Change] = {}
        self._extensions: dict[Node, _Extension] = {}

    def replace(self, site: Site, value: object) -> None:
        """Plan that `value` takes the place of a node; Unfit."""
        self._changes[site.node] = replaced(self._source, site, value)

    def extend(self, mapping: Node, extension: _Extension) -> None:
        """Plan new entries of a mapping; Unfit."""
        known = self._extensions.setdefault(mapping, extension)
        known.entries.update(extension.entries)
        # Planned at once, though the text is made later: a refusal then names this edit.
        extended(self._source, mapping, *extension)

    def text(self) -> str:
        """The text with all changes; Unfit where two are of the same characters."""
        grown = [
            extended(self._source, mapping, *each) for mapping, each in self._extensions.items()
        ]
        changes = sorted(
            [*self._changes.values(), *grown], key=lambda each: (each.start, -each.depth)
        )
        old = self._source.text
        parts: list[str] = []
        at, is_open = 0, False
        for change in changes:
            if change.start < at:
                raise Unfit("two edits are of the same characters")
            parts += [old[at : change.start], change.text]
            at, is_open = change.end, change.is_open
        last = self._source.line_break(at) if is_open and at == len(old) else old[at:]
        return "".join(parts) + last

    def is_kept(self, old: Node, new: Node) -> bool:
        """Is every node as it was, but for those that are to change?"""
        if (old.anchor, old.tag) != (new.anchor, new.tag):
            return False
        if old in self._changes:
            return True
        extension = self._extensions.get(old)
        keys = list(extension.entries) if extension else []
        size = len(old.children)
        return (
            (old.kind, old.style, old.text) == (new.kind, new.style, new.text)
            and len(new.children) == size + 2 * len(keys)
            and keys == [each.text for each in new.children[size::2]]
            and all(map(self.is_kept, old.children, new.children))
        )


# --- files --------------------------------------------------------------------------------------


def replace_file(file: Path, before: bytes, after: bytes) -> None:
    """Put `after` in the place of a file's content, in one step and only if that is `before`.

    A reader sees the one or the other, never a part. The mode is kept, and of a symbolic link the
    file that it leads to is replaced. EditRefused, and nothing written, where the file holds other
    bytes by now, is gone, may not be written or cannot be.
    """
    try:
        _replace(file.resolve(strict=True), before, after)
    except (OSError, RuntimeError) as error:
        # RuntimeError: links in a circle, up to Python 3.12.
        reason = getattr(error, "strerror", None) or str(error)
        raise EditRefused(f"cannot be replaced: {reason}", place=str(file)) from None


def _replace(target: Path, before: bytes, after: bytes) -> None:
    # To replace a file one needs no right to write to it. It is asked for all the same: whoever
    # took it away meant that; a superuser has it always, so the mode is looked at, too.
    if not target.stat().st_mode & WRITABLE or not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, "the file is read-only")
    if not os.access(target.parent, os.W_OK):
        raise PermissionError(errno.EACCES, "its folder is read-only")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(after)
            stream.flush()
            os.fsync(stream.fileno())
        shutil.copymode(target, temporary)
        # As late as can be, so that a change meanwhile has no time to go unseen.
        if target.read_bytes() != before:
            raise EditRefused("changed since it was read; run again", place=str(target))
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
