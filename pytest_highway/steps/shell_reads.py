"""What a shell's text reads and sets: a scanner for `$name` and `${name}`, not a parser.

    'text'  $'text'  \\x  # comment  <<'EOF' … EOF    nothing is read in here
    "text"  $(text)  `text`  <<EOF … EOF              is looked into
    ${name:-x} ${name-x} ${name:=x} ${name:?x} …      a guarded read: the text says what is to be
                                                      when there is no such variable

`$name` is noted as a read as well, but only a read in braces that nothing guards is held against
what is known: `$1`, `$name` and the like stand in texts of many other languages. For the same
reason everything that may set a variable is taken for setting it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

__all__ = ["ShellRead", "is_set_in", "is_set_in_powershell", "powershell_reads", "shell_reads"]

_EXPANSIONS = r"""
  (?P<pid> \$\$ )
| \$\{ [\#!]? (?P<name> [A-Za-z_][A-Za-z0-9_]* ) (?= (?P<rest> [^}\s]{0,200} ) )
| \$ (?P<bare> [A-Za-z_][A-Za-z0-9_]* )
| (?P<open> \$\( )
"""
_ESCAPE = r"(?P<escape> \\. ) |"
# The pattern of what a text is made of, by what is open.
_MODES = {
    "plain": _ESCAPE
    + r"""
  (?P<quoted> '[^']*' | \$'(?:\\.|[^'\\])*' )
| (?P<comment> (?<![^\s;&|()]) \# [^\n]* )
| (?P<string> <<< )
| << -? [\ \t]* (?P<document> '[^'\n]+' | "[^"\n]+" | \\?[\w.-]+ )
| (?P<line> \n )
| (?P<double> " )
| (?P<paren> \( )
| (?P<close> \) )
|"""
    + _EXPANSIONS,
    "double": _ESCAPE + r'(?P<double> " ) |' + _EXPANSIONS,
    "document": _ESCAPE + _EXPANSIONS,
}

_GUARD = re.compile(r":?[-=+?]")
_HYPHENED = re.compile(r"-[A-Za-z0-9_-]+")


class ShellRead(NamedTuple):
    """One read of a variable.

    `braced` tells that it stands in braces, `guarded` that the text says what is to be without
    such a variable; `hyphened` is the name as it would be if a hyphen could stand in it.
    """

    name: str
    braced: bool = False
    guarded: bool = False
    hyphened: str = ""


def shell_reads(text: str) -> Iterator[ShellRead]:
    """The variables that a text for a POSIX shell reads, in order."""
    return _Scanner(text, "plain").reads()


@cache
def _pattern(mode: str) -> re.Pattern[str]:
    # Compiled with the first command that is looked at: it takes a while, and tasks do without.
    return re.compile(_MODES[mode], re.VERBOSE | re.DOTALL)


class _Scanner:
    """One walk over a text; `modes` tell what is open, from the outside in."""

    def __init__(self, text: str, mode: str) -> None:
        self.text = text
        self.modes = [mode]
        self.documents: list[str] = []  # whose text begins with the next line

    def reads(self) -> Iterator[ShellRead]:
        at = 0
        while match := _pattern(self.modes[-1]).search(self.text, at):
            at = match.end()
            kind = match.lastgroup or ""
            if kind in ("rest", "bare"):
                yield _read(match)
            elif kind == "document":
                self.documents.append(match["document"])
            elif kind == "line" and self.documents:
                while self.documents:
                    body, at = self._document(self.documents.pop(0), at)
                    yield from body
            else:
                self._turn(kind)

    def _turn(self, kind: str) -> None:
        """Enter or leave a quotation or a substitution."""
        if kind in ("open", "paren"):
            self.modes.append("plain")
        elif kind == "double":
            if self.modes[-1] == "double" and len(self.modes) > 1:
                self.modes.pop()
            else:
                self.modes.append("double")
        elif kind == "close" and len(self.modes) > 1:
            self.modes.pop()

    def _document(self, word: str, at: int) -> tuple[list[ShellRead], int]:
        """What is read in the here-document that begins at `at`, and where it ends."""
        end = re.compile(rf"^\t*{re.escape(word.strip(chr(39) + chr(34) + chr(92)))}$", re.M)
        match = end.search(self.text, at)
        until, behind = (match.start(), match.end()) if match else (len(self.text),) * 2
        if word[0] in "'\"\\":
            return [], behind
        return list(_Scanner(self.text[at:until], "document").reads()), behind


def _read(match: re.Match[str]) -> ShellRead:
    if match["bare"]:
        return ShellRead(match["bare"])
    name, rest = match["name"], match["rest"]
    hyphened = name + rest if _HYPHENED.fullmatch(rest) else ""
    return ShellRead(name, True, _GUARD.match(rest) is not None, hyphened)


_POWERSHELL = re.compile(r"`.|\$\{(?:(env):)?(\w+)\}|\$env:(\w+)", re.IGNORECASE | re.DOTALL)


def powershell_reads(text: str) -> Iterator[tuple[ShellRead, bool]]:
    """The variables that a text for PowerShell reads, each with whether of the environment."""
    for match in _POWERSHELL.finditer(text):
        if match[3]:
            yield ShellRead(match[3]), True
        elif match[2]:
            yield ShellRead(match[2], braced=True), match[1] is not None


# --- what sets a variable ------------------------------------------------------------------------

_VALUE = r"""(?>"[^"]*"|'[^']*'|\$\([^)]*\)|[^\s"';&|])*+"""
_BEGINS = r"(?:^|[\n;&|({`!]|\b(?:then|do|else|export|local|declare|typeset|readonly|env)\b)"
_WORDS = (
    "for|select|read|getopts|local|declare|typeset|export|readonly|mapfile|readarray|printf|unset"
)
_foreign = re.compile(r"\b(?:source|eval)\b|(?:^|[\n;&|({])\s*\.\s+\S").search


def is_set_in(text: str, name: str) -> bool:
    """Whether a text may set a variable; a text that runs others may set any."""
    assigned = rf"{_BEGINS}\s*(?:-\w+\s+)*(?:\w+={_VALUE}\s+)*{name}(?:\[[^\]]*\])?\+?="
    listed = rf"\b(?:{_WORDS})\b[^;|&\n]*(?<![\w$-]){name}\b"
    return bool(
        _foreign(text)
        or re.search(assigned, text)
        or re.search(listed, text)
        or re.search(rf"\$\{{{name}:?=", text)
    )


def is_set_in_powershell(text: str, name: str) -> bool:
    """The same of a text for PowerShell, whose names have no case."""
    return bool(
        re.search(rf"\${{?(?:\w+:)?{name}}}?\s*[-+*]?=|\(\s*\${name}\b", text, re.IGNORECASE)
    )
