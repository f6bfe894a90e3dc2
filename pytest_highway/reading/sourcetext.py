"""The text of a source file: from bytes to characters, and its lines.

A file is UTF-8, with or without a byte order mark, which is taken off. Lines break where libyaml
breaks them: at LF, CR LF, CR, U+0085, U+2028, U+2029. Texts are indexed from 0, in characters;
lines and columns count from 1.
"""

from __future__ import annotations

import codecs
import json
import os
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from pytest_highway.errors import Diagnostic, Position, SourceError

__all__ = ["Lines", "decode", "join_surrogates", "load", "unprintable"]

# `str.splitlines` will not do: it also breaks at a form feed and others.
_breaks = re.compile("\r\n|[\n\r\x85\u2028\u2029]").finditer


# All but the printable characters of YAML 1.2, and but the byte order mark.
_unprintable = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Lines:
    """The lines of a text, told apart only when first asked for: a good file may never ask."""

    __slots__ = ("_shown", "_starts", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts: array[int] | None = None
        # The line shown last: many findings may stand in one line, and that line be the file.
        self._shown = (0, "")

    @property
    def starts(self) -> array[int]:
        """The index of the first character of each line."""
        if self._starts is None:
            self._starts = array("I", [0])
            self._starts.extend(each.end() for each in _breaks(self._text))
        return self._starts

    def position(self, at: int) -> Position:
        """The place of the character at index `at`."""
        line = bisect_right(self.starts, at)
        return Position(line, at - self.starts[line - 1] + 1)

    def line(self, number: int) -> str:
        """Line `number`, from 1, without its break; empty where there is none.

        U+FFFD stands for what YAML does not allow, so that no terminal obeys a source line.
        """
        if self._shown[0] != number:
            self._shown = (number, _unprintable.sub("\ufffd", self._cut(number)))
        return self._shown[1]

    def _cut(self, number: int) -> str:
        starts = self.starts
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self._text)
        return self._text[starts[number - 1] : end].rstrip("\r\n\x85\u2028\u2029")

    def diagnostic(self, path: str, at: int, message: str) -> Diagnostic:
        """An error at index `at`, with its source line."""
        position = self.position(at)
        return Diagnostic(path, message, position, self.line(position.line))


# UTF-32 first: its little-endian mark begins with that of UTF-16.
_OTHER_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def load(file: Path, path: str, max_bytes: int) -> bytes:
    """The bytes of a file; SourceError where it cannot be read or has more than `max_bytes`."""
    try:
        with file.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            # One byte more tells a file that grew, or a pipe, whose size is not known.
            content = stream.read(size + 1) if size <= max_bytes else b""
            if len(content) > size:
                content += stream.read(max_bytes)
    except (OSError, ValueError) as error:
        # ValueError: a path with a NUL in it.
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError([Diagnostic(path, f"cannot be read: {reason}")]) from None
    if size > max_bytes:
        raise SourceError([_outsized(path, size, max_bytes)])
    return content


def decode(content: bytes | str, path: str, max_bytes: int) -> str:
    """The text of `content` without a byte order mark.

    SourceError for more than `max_bytes` bytes and for what is not UTF-8, at the first such byte.
    """
    # A str may hold lone surrogates; they are refused later, with their place.
    raw = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    if len(raw) > max_bytes:
        raise SourceError([_outsized(path, len(raw), max_bytes)])
    if isinstance(content, str):
        return content.removeprefix("\ufeff")
    # Off before libyaml sees it, whose columns are one too high behind it.
    raw = content.removeprefix(codecs.BOM_UTF8)
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise SourceError([_not_utf8(raw, error.start, path)]) from None


def _outsized(path: str, size: int, max_bytes: int) -> Diagnostic:
    return Diagnostic(path, f"file of {size:,} bytes; at most {max_bytes:,} are read")


def _not_utf8(raw: bytes, start: int, path: str) -> Diagnostic:
    for mark, name in _OTHER_MARKS:
        if raw.startswith(mark):
            return Diagnostic(path, f"the file is {name}; save it as UTF-8")
    message = f"byte 0x{raw[start]:02x} is not UTF-8; save the file as UTF-8"
    lines = Lines(raw.decode(errors="replace"))
    return lines.diagnostic(path, len(raw[:start].decode()), message)


def unprintable(text: str, limit: int) -> list[tuple[int, str]]:
    """Index and message for each character that YAML does not allow in a file, up to `limit`."""
    advice = "is not allowed in YAML; write it as an escape in double quotes"
    return [
        (each.start(), f"character U+{ord(each.group()):04X} {advice}")
        for each in islice(_unprintable.finditer(text), limit)
    ]


# JSON writes a character beyond U+FFFF as two escapes, which YAML does not know. The second
# alternative steps over all other escapes, so that `\\ud83d` is not taken for one.
_high_surrogate = re.compile(r"\\u[dD][89abAB]").search
_surrogates = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\.", re.DOTALL
)
_PAIR = len(r"\ud83d\ude00")


def join_surrogates(text: str) -> tuple[str, Callable[[int], int] | None]:
    """The text of a JSON file with escaped surrogate pairs put as the characters they mean.

    The second value leads an index of that text back to the one given; None when nothing had to
    change. Only whole JSON files are changed: elsewhere such letters may stand in a plain text.
    """
    if _high_surrogate(text) is None or not _is_json(text):
        return text, None
    cuts: list[int] = []

    def join(match: re.Match[str]) -> str:
        pair = match.group()
        if len(pair) < _PAIR:
            return pair
        cuts.append(match.start() - (_PAIR - 1) * len(cuts))
        return chr(0x10000 + ((int(pair[2:6], 16) & 0x3FF) << 10) + (int(pair[8:], 16) & 0x3FF))

    joined = _surrogates.sub(join, text)
    return joined, lambda at: at + (_PAIR - 1) * bisect_left(cuts, at)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
