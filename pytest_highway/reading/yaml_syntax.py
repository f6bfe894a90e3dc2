"""YAML syntax: why a parser could not go on, in words that say what to do.

Texts are indexed from 0; a *fault* is an index and a message. `syntax_fault` asks, in this order:

1. are there the markers of a merge that was never finished?
2. is a tab at fault, where YAML wants blanks?
3. does the line begin with a template that wants quotes?
4. what does the table `_WORDINGS` say to this complaint? else the parser's own words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from pytest_highway.errors import Diagnostic
from pytest_highway.reading.sourcetext import Lines

__all__ = [
    "Complaint",
    "Fault",
    "behind_properties",
    "syntax_fault",
    "template_fault",
    "without_consequences",
]

Fault: TypeAlias = tuple[int, str]

# Anchor and tag before a node, with the blanks, line breaks and comments behind each.
_properties = re.compile(
    r"(?:(?:&[\w-]+|!<[^>\s]*>|![^\s,\[\]{}]*)(?:[ \t\r\n\x85\u2028\u2029]|#[^\r\n]*)*)*"
).match


def behind_properties(text: str, at: int) -> int:
    """The index where a node itself begins whose anchor or tag begins at `at`."""
    match = _properties(text, at)
    return match.end() if match else at


# A template and what follows it up to the end of its value. The bounds keep a file full of
# unclosed braces linear.
_template = re.compile(
    r"\{\{[^\r\n]{0,500}?\}\}"
    r"(?:\{\{[^\r\n]{0,500}?\}\}|:(?!\s)|[^:,\[\]{}#\r\n]){0,500}"
).match
_leading_template = re.compile(r"\s*(?:- +)*(?:[\w.-]+: +)?(?:\[ *)?(?=\{\{)").match


UNQUOTED = "unquoted template"


def template_fault(text: str, at: int) -> Fault:
    """The fault of the unquoted template that begins at `at`, with the quoted one to write."""
    match = _template(text, at)
    if match is None:
        return at, f"{UNQUOTED}; write it in quotes"
    return at, f"{UNQUOTED}; write {_quoted(match.group().rstrip())}"


_own_key = re.compile(r"[^\s:,{}\[\]]+:\s*").fullmatch


def without_consequences(found: Sequence[Diagnostic]) -> list[Diagnostic]:
    """These findings without those of the mapping that an unquoted template was read as."""
    templates = [each for each in found if each.message.startswith(UNQUOTED)]
    return [
        each
        for each in found
        if each in templates or not any(_is_of(template, each) for template in templates)
    ]


def _is_of(template: Diagnostic, other: Diagnostic) -> bool:
    """Whether a finding is at the place of an unquoted template, or at the key that it is for."""
    (line, column), (its_line, its_column) = template.position, other.position
    if (template.path, line) != (other.path, its_line):
        return False
    text = template.source
    if its_column >= column:
        return its_column <= text.find("}}", column) + len("}}")
    return _own_key(text, its_column - 1, column - 1) is not None


def _quoted(text: str) -> str:
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    return "'" + text.replace("'", "''") + "'"


class Complaint(NamedTuple):
    """What a YAML parser says: the problem and what it was about, each with its index."""

    problem: str
    at: int
    context: str
    context_at: int


_conflict = re.compile(r"^(?:<{7} |>{7} |={7}\r?$)", re.MULTILINE).search

# Fragment of the parser's problem; the place to point at; our words for it. `{char}` is the
# character at that place, `{line}` the line where the context began.
_WORDINGS: tuple[tuple[str, Literal["problem", "context"], str], ...] = (
    (
        "cannot start any token",
        "problem",
        "no value can begin with {char}; quote the text that does",
    ),
    (
        "mapping values are not allowed",
        "problem",
        "':' cannot stand here; quote a text that holds ': ', or check the indentation",
    ),
    (
        "could not find expected ':'",
        "context",
        "a key without its ':'; check it, and the indentation",
    ),
    (
        "block sequence entries are not allowed",
        "problem",
        "a list item cannot begin here; put '- ' on a line of its own below the key",
    ),
    ("unexpected end of stream", "context", "this quote is never closed"),
    ("unexpected document indicator", "context", "this quote is never closed"),
    (
        "unknown escape character",
        "problem",
        "unknown escape; write two backslashes for one, or use single quotes",
    ),
    (
        "expected hexdecimal number",
        "problem",
        "unfinished escape; \\x, \\u and \\U take 2, 4 and 8 hexadecimal digits",
    ),
    (
        "invalid Unicode character escape",
        "problem",
        "this escape is no character; write the character itself, or \\U and 8 hexadecimal digits",
    ),
    (
        "did not find expected key",
        "problem",
        "a key is expected here; check the indentation, and the quotes before this place",
    ),
    (
        "did not find expected '-' indicator",
        "problem",
        "a list item ('- ') is expected here, as for the list that begins in line {line}",
    ),
    (
        "expected ',' or ']'",
        "problem",
        "',' or ']' is expected here, for the '[' of line {line}",
    ),
    (
        "expected ',' or '}'",
        "problem",
        "',' or '}}' is expected here, for the '{{' of line {line}",
    ),
    ("did not find expected node content", "problem", "a value is expected here"),
    (
        "did not find expected <document start>",
        "problem",
        "nothing may follow the end of the document; check the indentation and the quotes",
    ),
    (
        "expected alphabetic or numeric character",
        "context",
        "{char} begins an anchor or an alias and needs a name; quote a text that begins with it",
    ),
    (
        "expected comment or line break",
        "problem",
        "only a comment may follow '|' or '>' on its line",
    ),
    (
        "undefined tag handle",
        "problem",
        "'!' begins a tag, and this one is unknown; quote a text that begins with it",
    ),
)


def syntax_fault(text: str, complaint: Complaint, lines: Lines) -> Fault:
    """Where and why, in our words, a YAML parser could not go on."""
    conflict = _conflict(text)
    if conflict is not None:
        return conflict.start(), "conflict marker of a merge; resolve the conflict first"
    # A parser that ran into the end points behind the last line; the last character shows more.
    last = max(len(text.rstrip()) - 1, 0)
    at, context_at = min(complaint.at, last + 1), min(complaint.context_at, last)
    if text[at : at + 1] == "\t":
        return at, "a tab cannot stand here; YAML indents with blanks"
    wording = _wording(complaint.problem)
    if wording is None:
        context = f"{complaint.context}, " if complaint.context else ""
        return at, f"wrong YAML syntax: {context}{complaint.problem}"
    where, message = wording
    place = context_at if where == "context" else at
    number, column = lines.position(place)
    template = _leading_template(lines.line(number))
    if template is not None and template.end() < column:
        return template_fault(text, place - column + 1 + template.end())
    line = lines.position(context_at).line
    return place, message.format(char=repr(text[place : place + 1]), line=line)


def _wording(problem: str) -> tuple[str, str] | None:
    for fragment, where, message in _WORDINGS:
        if fragment in problem:
            return where, message
    return None
