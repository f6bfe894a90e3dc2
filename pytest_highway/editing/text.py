r"""Plain data as YAML text, in the style that a person would choose.

    number, bool, null     as JSON writes them; `.inf` and `.nan` as YAML does
    text of one line       plain where it reads back as this text, else in quotes
    text of several lines  in a block: a literal (`|`, `|-`); in brackets: in double quotes
    list, mapping          in a block, or in brackets on one line; empty ones always in brackets

Text in quotes is in double quotes, or in single quotes where that saves escapes. What has no place
in a line of its own (controls, U+0085, U+2028, ...) is an escape, and of escapes only those are
used that JSON knows too, so one rule writes both. A `Dialect` says what surrounds the text:
a block, brackets, or a JSON file, in which every text is in double quotes.

Nothing here is trusted: who writes text into a file reads it back and compares.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from enum import Enum

from pytest_highway.editing.nodes import read_leaves
from pytest_highway.reading.scalars import resolve

__all__ = [
    "LIST_INDENT",
    "Dialect",
    "Unwritable",
    "block_lines",
    "double_quoted",
    "entry_text",
    "flow_text",
    "indented",
    "is_literal",
    "is_literal_content",
    "literal_lines",
    "scalar_text",
    "single_quoted",
    "wants_indicator",
]


class Dialect(Enum):
    """What surrounds a text."""

    BLOCK = "block"
    FLOW = "flow"
    JSON = "json"


class Unwritable(ValueError):
    """A value that YAML cannot hold; the message says why."""


LIST_INDENT = 2  # of what belongs to an item, from its `-`

# --- text on one line ---------------------------------------------------------------------------

# What may not stand in a line as it is: controls, line ends, the byte order mark, surrogates.
_unfit = re.compile(
    "[^\t\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_escaped = re.compile(rf'["\\\t]|{_unfit.pattern}')
_ESCAPES = {'"': r"\"", "\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}

# Texts that are plain nowhere, told without a parser: most of those that a parser would refuse,
# and all that it could read as anything deep.
_never_plain = re.compile(r"[-?:](?:\s|$)|[&*!|>'\"%@`#,\[\]{}\s]|.*(?::\s|\s#|[:\s]$)").match

# Where a plain text has to read back as itself, for a value and for a key: a text, and what a
# parser has to find there.
_VALUE, _KEY = ("{0}", "k", "{0}"), ("{0}", "k")
_TRIALS = {
    (Dialect.BLOCK, False): ("- {0}\n- k: {0}\n", _VALUE),
    (Dialect.FLOW, False): ("- [{0}]\n- {{k: {0}}}\n", _VALUE),
    (Dialect.BLOCK, True): ("{0}: k\n", _KEY),
    (Dialect.FLOW, True): ("{{{0}: k}}\n", _KEY),
}
_TRIAL_NODES = 8


def scalar_text(value: object, dialect: Dialect, *, is_key: bool = False) -> str:
    """Text, number, bool or null on one line; Unwritable for what no text can say."""
    if isinstance(value, str):
        return value if _is_plain(value, dialect, is_key) else _quoted(value, dialect)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return _float_text(value, dialect) if isinstance(value, float) else str(value)


def _is_plain(text: str, dialect: Dialect, is_key: bool) -> bool:
    if dialect is Dialect.JSON or not text or _unfit.search(text) or _never_plain(text):
        return False
    if text == "<<" or not isinstance(resolve(text), str):
        return False
    trial, found = _TRIALS[dialect, is_key]
    leaves = read_leaves(trial.format(text), _TRIAL_NODES)
    return leaves == [("", each.format(text)) for each in found]


def _quoted(text: str, dialect: Dialect) -> str:
    if dialect is not Dialect.JSON and ('"' in text or "\\" in text):
        return single_quoted(text) or double_quoted(text)
    return double_quoted(text)


def single_quoted(text: str) -> str | None:
    """The text in single quotes; None where these cannot hold it."""
    return None if _unfit.search(text) else "'" + text.replace("'", "''") + "'"


def double_quoted(text: str) -> str:
    """The text in double quotes, with the escapes of JSON; Unwritable for a lone surrogate."""
    return f'"{_escaped.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    char = match.group()
    if "\ud800" <= char <= "\udfff":
        raise Unwritable(f"it holds U+{ord(char):04X}, a lone surrogate")
    return _ESCAPES.get(char) or f"\\u{ord(char):04x}"


def _float_text(value: float, dialect: Dialect) -> str:
    if not math.isfinite(value):
        if dialect is Dialect.JSON:
            raise Unwritable(f"JSON has no {value!r}")
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    text = repr(value)
    # Readers of YAML 1.1 take a mantissa without a point for text.
    return text if "." in text else text.replace("e", ".0e")


# --- lists and mappings -------------------------------------------------------------------------


def flow_text(value: object, dialect: Dialect) -> str:
    """Any value on one line; `dialect` is of what is in brackets, FLOW or JSON."""
    if isinstance(value, list):
        return f"[{', '.join(flow_text(each, dialect) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(entry_text(*each, dialect) for each in value.items())}}}"
    return scalar_text(value, dialect)


def entry_text(key: object, value: object, dialect: Dialect) -> str:
    """Key and value on one line, in brackets."""
    return f"{scalar_text(key, dialect, is_key=True)}: {flow_text(value, dialect)}"


def block_lines(value: object, step: int) -> list[str]:
    """The lines of a value in a block, from column 0; mappings indent by `step`.

    A literal's first line is its header; the others are to be indented by `step` in a mapping, by
    2 in a list.
    """
    if isinstance(value, dict) and value:
        return [
            line
            for key, each in value.items()
            for line in _introduced(
                f"{scalar_text(key, Dialect.BLOCK, is_key=True)}:", each, step, step
            )
        ]
    if isinstance(value, list) and value:
        return [line for each in value for line in _introduced("-", each, step, LIST_INDENT)]
    if isinstance(value, list | dict):
        return [flow_text(value, Dialect.FLOW)]
    if isinstance(value, str) and is_literal(value):
        indicator = str(step) if wants_indicator(value) else ""
        chomping = "" if value.endswith("\n") else "-"
        return [f"|{indicator}{chomping}", *literal_lines(value)]
    return [scalar_text(value, Dialect.BLOCK)]


def _introduced(head: str, value: object, step: int, inner: int) -> list[str]:
    """The lines of a value behind `-` or `key:`, what belongs to it indented by `inner`."""
    # Of a literal, `step` is the number in its header; of a container, for what is in it.
    is_nested = isinstance(value, list | dict) and bool(value)
    first, *rest = block_lines(value, step if is_nested else inner)
    if is_nested and head != "-":
        return [head, *indented([first, *rest], inner)]
    return [f"{head} {first}", *indented(rest, inner)]


def indented(lines: Iterable[str], width: int) -> list[str]:
    """The lines behind `width` blanks; an empty one stays empty."""
    return [" " * width + line if line else "" for line in lines]


# --- literals -----------------------------------------------------------------------------------


def is_literal(text: str) -> bool:
    """Is it text of several lines for which a literal needs no `+`?"""
    return "\n" in text and not text.endswith("\n\n") and is_literal_content(text)


def is_literal_content(text: str) -> bool:
    """Can a literal hold this text?"""
    return bool(text.strip(" \n")) and _unfit.search(text.replace("\n", "")) is None


def wants_indicator(text: str) -> bool:
    """Would YAML take blanks that belong to the text for the indentation of its literal?"""
    return text.lstrip("\n").startswith((" ", "\t"))


def literal_lines(text: str) -> list[str]:
    """The lines of a literal; where the text ends with a line break a line break follows them."""
    return text.removesuffix("\n").split("\n")
