"""Changes: which characters of a YAML text give way to which, for a new value or for new keys.

A new value is a *head*, which stands behind its `key:` or `-`, and a *body*, the lines below:

    new value            head            body
    one line             the text        none
    text in a block      `|`, `>`        its lines, as far in as those of the block before
    list, mapping        nothing         its lines; the first behind a `-`, if nothing hinders

It takes the room of the old one, which ends in the same line or in a later one:

    old value            room
    text, `[]`, `{}`     its characters; with a body also the tail of the line, a comment, which
                         then follows the head
    block text           header and lines; a comment behind the header stays there
    list, mapping        its lines, when a list or a mapping follows; else from the `:` on
    nothing at all       begins behind the `:` or the `-`

Text keeps the style of the text before it where that can hold it. New keys stand behind the last
entry of their mapping, on lines of their own in a block. In brackets everything is on one line,
unless the old list or the last entry was not.

Each change is meant for one node and looks at nothing else: whether the whole is what was wanted
is for those to check who apply it. `Unfit` is raised where something would be lost.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from pytest_highway.editing.nodes import BLOCK_STYLES, BREAK, NOWHERE, Node, walk
from pytest_highway.editing.source import Change, Site, Source, Unfit
from pytest_highway.editing.text import (
    LIST_INDENT,
    Dialect,
    block_lines,
    double_quoted,
    entry_text,
    flow_text,
    indented,
    is_literal,
    is_literal_content,
    literal_lines,
    scalar_text,
    single_quoted,
    wants_indicator,
)

__all__ = ["extended", "replaced"]

MAX_INDICATOR = 9  # columns that the header of a block text can name

_NOT_BREAK = "[^\n\r\x85\u2028\u2029]"
_header = re.compile(f"([|>])([-+]?)([1-9]?)([-+]?)({_NOT_BREAK}*)").match
_first_indent = re.compile(f"{BREAK}( *)[^ \n\r\x85\u2028\u2029]").search
_blank_line = re.compile(f"{BREAK}[ \t]*{BREAK}").match
_comment_below = re.compile(f"(?:{BREAK}[ \t]*)*?{BREAK}( *)#").match
_comment_line = re.compile(f"{BREAK}( *)#{_NOT_BREAK}*").match
_flow_tail = re.compile("([ \t]*,)?([ \t]*|[ \t]+#.*)", re.DOTALL).fullmatch


# --- new values ---------------------------------------------------------------------------------


class _Value(NamedTuple):
    """A new value as text. `is_open`: a line break has to follow, as a part of the value."""

    head: str
    body: tuple[str, ...] = ()
    is_open: bool = False


def replaced(source: Source, site: Site, value: object) -> Change:
    """The change that puts `value` where the node of `site` is; Unfit for what would be lost."""
    node = site.node
    if node.kind in ("list", "mapping"):
        _keep_author(source, node)
    is_nested = isinstance(value, list | dict) and bool(value)
    if is_nested and site.dialect is Dialect.BLOCK and not (node.is_flow and node.children):
        return _nested(source, site, value)
    if isinstance(value, str):
        return _placed(source, site, _text(source, site, value))
    dialect = Dialect.JSON if site.dialect is Dialect.JSON else Dialect.FLOW
    if isinstance(value, list | dict):
        return _placed(source, site, _Value(_bracketed(source, node, value, dialect)))
    return _placed(source, site, _Value(scalar_text(value, site.dialect)))


def _keep_author(source: Source, node: Node) -> None:
    """Raise Unfit where a list or mapping holds what no data can give back."""
    below = walk(node)
    for each in below[1:]:
        if each.anchor is not None or each.kind == "alias":
            raise Unfit("there is an anchor or an alias in it")
        if each.tag is not None:
            raise Unfit("there is a tag in it")
    # Between its scalars '#' can only begin a comment. A comment behind the last line of a block
    # is as much about that line as those before.
    at = node.at
    end = node.end if node.is_flow else source.line_end(node.end)
    for leaf in [each for each in below if each.kind == "scalar"]:
        header = _header(source.text, leaf.at) if leaf.style in BLOCK_STYLES else None
        if "#" in source.text[at : leaf.start] or (header and "#" in header[5]):
            raise Unfit("there is a comment in it")
        at = leaf.end
    if "#" in source.text[at:end]:
        raise Unfit("there is a comment in it")


def _placed(source: Source, site: Site, value: _Value) -> Change:
    """The change that gives `value` the room of the old one."""
    node = site.node
    start, end, lead, tail = node.at, node.end, "", ""
    header = _header(source.text, node.at) if node.style in BLOCK_STYLES else None
    if header is not None:
        tail = header[5] if "#" in header[5] else ""
    elif value.body:
        tail = source.tail(end)
        end += len(tail)
    if node.is_empty or node.style == "block" or not value.head:
        start = _room_start(source, site)
        lead = " " if value.head else ""
    text = lead + value.head + tail
    if value.body:
        text = source.joined([text, *value.body], end)
    return Change(start, end, text, site.depth, value.is_open)


def _room_start(source: Source, site: Site) -> int:
    """The index behind the `:` or `-` of a node, or behind its anchor; Unfit if more is between."""
    node = site.node
    behind = source.behind(site)
    if behind == NOWHERE:
        raise Unfit("there is no ':' before it")
    gap = source.text[behind : node.at]
    if node.start < node.at and not node.is_empty:
        gap = source.text[node.start : node.at].rstrip()
        behind, gap = node.start + len(gap), gap.partition("#")[1]
    if gap.strip():
        raise Unfit("more than blanks stands between it and its ':' or '-'")
    return behind


def _inner(source: Source, container: Node) -> int:
    """The column for what belongs to an entry of a block list or mapping."""
    step = LIST_INDENT if container.kind == "list" else source.step
    return source.column(container.at) + step


# --- lists and mappings


def _nested(source: Source, site: Site, value: object) -> Change:
    """The change for a list or a mapping that stands as a block."""
    node, parent = site.node, site.parent
    lines = block_lines(value, source.step)
    column = source.column(node.at)
    last = _last_literal(value)
    is_open = last.endswith("\n")
    # A list may stand in the column of the key that it belongs to, a mapping may not.
    least = source.column(parent.at) + (parent.kind == "list" or isinstance(value, dict))
    if node.style == "block" and column >= least:
        text = source.joined(indented(lines, column), node.end)[column:]
        # Blanks at the end of the last line would become part of a literal.
        end = node.end + (len(source.tail(node.end)) if last else 0)
        return Change(node.at, end, text, site.depth, is_open)
    body = indented(lines, _inner(source, parent))
    if parent.kind == "list" and _is_alone(source, site):
        return _placed(source, site, _Value(body[0].lstrip(), tuple(body[1:]), is_open))
    return _placed(source, site, _Value("", tuple(body), is_open))


def _is_alone(source: Source, site: Site) -> bool:
    """Does an item stand behind its `-`, by one blank and without a comment?"""
    node = site.node
    behind = source.behind(site)
    header = _header(source.text, node.at) if node.style in BLOCK_STYLES else None
    tail = header[5] if header else source.tail(node.end)
    return not tail.strip() and (node.is_empty or source.text[behind : node.at] == " ")


def _last_literal(value: object) -> str:
    """The text of the literal with which the block of this value ends; else nothing."""
    while isinstance(value, list | dict) and value:
        value = [*(value.values() if isinstance(value, dict) else value)][-1]
    return value if isinstance(value, str) and is_literal(value) else ""


def _bracketed(
    source: Source, node: Node, value: list[object] | dict[object, object], dialect: Dialect
) -> str:
    """A list or a mapping in brackets, with an entry a line where the old one had that."""
    text = flow_text(value, dialect)
    if not (value and node.is_flow and node.children):
        return text
    first, last = node.children[0].start, node.children[-1].end
    lead = source.text[first - source.column(first) : first]
    if lead.strip() or first - len(lead) <= node.at:
        return text
    if isinstance(value, dict):
        entries = [entry_text(*each, dialect) for each in value.items()]
    else:
        entries = [flow_text(each, dialect) for each in value]
    eol = source.line_break(node.at)
    close = source.text[last : node.end - 1]
    # What followed the last entry still does: a comma, and the line break before the bracket.
    inner = f",{eol}{lead}".join(entries)
    return f"{text[0]}{eol}{lead}{inner}{close}{text[-1]}"


# --- text


def _text(source: Source, site: Site, text: str) -> _Value:
    """Text in the style of the old one, where that can hold it."""
    node = site.node
    is_line = "\n" not in text
    # Whoever wrote escapes for line breaks keeps them; others get lines.
    if node.style == '"' and (is_line or "\n" in node.text):
        return _Value(double_quoted(text))
    single = single_quoted(text)
    if node.style == "'" and single is not None and site.dialect is not Dialect.JSON:
        return _Value(single)
    may_block = site.dialect is Dialect.BLOCK and is_literal_content(text)
    if may_block and (not is_line or node.style in BLOCK_STYLES):
        block = _block_text(source, site, text)
        if block is not None:
            return block
    return _Value(scalar_text(text, site.dialect))


class _Header(NamedTuple):
    """What stands before the lines of a block text: `|2-`; of other text as if it were `-`."""

    style: str = ""
    indicator: str = ""
    chomping: str = "-"
    written: str = ""


def _header_of(source: Source, node: Node) -> _Header:
    match = _header(source.text, node.at) if node.style in BLOCK_STYLES else None
    if match is None:
        return _Header()
    style, before, indicator, behind, _ = match.groups()
    return _Header(style, indicator, before + behind, match.group()[: match.start(5) - node.at])


def _block_text(source: Source, site: Site, text: str) -> _Value | None:
    """The text as a block; None where that cannot be: a header says no more than `9`, and blank
    lines that follow would become a part of it under `+`.
    """
    old = _header_of(source, site.node)
    chomping = _chomping(text, old)
    column = _text_column(source, site, old)
    wanted = wants_indicator(text)
    width = column - source.column(site.parent.at)
    below = source.line_end(site.node.end)
    is_followed = chomping == "+" != old.chomping and _blank_line(source.text, below)
    if is_followed or (wanted and width > MAX_INDICATOR):
        return None
    comment = _comment_below(source.text, below)
    if comment is not None and len(comment[1]) >= column:
        raise Unfit("the comment below it would become a part of it")
    is_folded = old.style == ">" and not wanted and "\n" not in text.rstrip("\n")
    style = ">" if is_folded else "|"
    head = old.written
    if (style, chomping) != (old.style, old.chomping) or (wanted and not old.indicator):
        head = f"{style}{width if wanted or old.indicator else ''}{chomping}"
    return _Value(head, tuple(indented(literal_lines(text), column)), text.endswith("\n"))


def _chomping(text: str, old: _Header) -> str:
    """What keeps just the line ends of a text; a `+` that stands there keeps one as well."""
    needed = ("-", "", "+")[min(len(text) - len(text.rstrip("\n")), 2)]
    return "+" if old.chomping == "+" and needed == "" else needed


def _text_column(source: Source, site: Site, header: _Header) -> int:
    """The column of the lines of a block text; of a new one, or one without lines, the usual."""
    node = site.node
    if header.indicator:
        return source.column(site.parent.at) + int(header.indicator)
    shown = _first_indent(source.text[node.at : node.end]) if header.style else None
    return len(shown[1]) if shown else _inner(source, site.parent)


# --- new keys -----------------------------------------------------------------------------------


def extended(
    source: Source, mapping: Node, depth: int, dialect: Dialect, entries: dict[object, object]
) -> Change:
    """The change that puts `entries` behind the last entry of a mapping; Unfit.

    `depth` and `dialect` are those of its entries, as of a `Site`.
    """
    if dialect is Dialect.BLOCK:
        return _new_lines(source, mapping, entries, depth)
    shown = [entry_text(*each, dialect) for each in entries.items()]
    if not source.text.startswith("{", mapping.at):
        raise Unfit("a pair without braces holds no second key")
    if not mapping.children:
        return Change(mapping.at + 1, mapping.at + 1, ", ".join(shown), depth)
    key, last = mapping.children[-2:]
    lead = source.text[key.start - source.column(key.start) : key.start]
    if lead.strip() or key.start - len(lead) <= mapping.at:
        return Change(last.end, last.end, "".join(f", {each}" for each in shown), depth)
    return _new_flow_lines(source, last.end, [lead + each for each in shown], depth)


def _new_flow_lines(source: Source, at: int, lines: list[str], depth: int) -> Change:
    """New entries on lines of their own; a comment behind the last one stays in its line."""
    eol = source.line_break(at)
    inner = f",{eol}".join(lines)
    end = source.line_end(at)
    tail = _flow_tail(source.text[at:end])
    if tail is None or end == len(source.text):
        return Change(at, at, f",{eol}{inner}", depth)
    comma = tail[1] or ""
    return Change(at, end, f"{comma or ','}{tail[2]}{eol}{inner}{comma.strip()}", depth)


def _new_lines(source: Source, mapping: Node, entries: dict[object, object], depth: int) -> Change:
    """New entries below the last one and the comments that follow it at their column or deeper."""
    column = source.column(mapping.at)
    last, leaf = mapping.children[-1].end, walk(mapping)[-1]
    if leaf.end == len(source.text) and _header_of(source, leaf).chomping in ("", "+"):
        raise Unfit("text that ends the file without a line break would gain one")
    at = last + len(source.tail(last))
    comment = _comment_line(source.text, at)
    # A comment below an empty line, the last one of a block text, is about what follows.
    while comment is not None and len(comment[1]) >= column and source.column(at):
        at = comment.end()
        comment = _comment_line(source.text, at)
    lines = indented(block_lines(entries, source.step), column)
    text = source.joined(["", *lines], at)
    return Change(at, at, text, depth, _last_literal(entries).endswith("\n"))
