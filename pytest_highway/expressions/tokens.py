r"""The scanner: the text of an expression, or of one `{{…}}`, to tokens.

    path    name { "." name | "." digits }      name = [A-Za-z_][A-Za-z0-9_-]*, ending in no hyphen
    step    "." name | "." digits               after a `]`, a `)` or the like
    number  digits [ "." digits ] [ e digits ]
    text    '…' or "…", with the escapes \n \t \r \\ \' \" \uXXXX
    sign    == != < <= > >= + - * / // % | || && ! ( ) [ ] { } , : {{ }}

A hyphen between name characters belongs to the name. Words and signs that mean the same have one
kind: `&&` is `and`, `||` is `or`, `!` is `not`.

Braces need a stack: in a condition `{{` opens an operand, within it a `{` opens a mapping, and a
`}` closes the innermost of the two. So `{{ {"a": {"b": 1}} }}` ends where it should, and so does
`{{ "}}" }}`, whose string is one token. In a condition, a string outside of braces may hold
templates (`'{{v}}' == 'ok'`) and is of the kind `templates` then; inside braces it is literal.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from pytest_highway.expressions.values import MAX_BITS, ExpressionError

__all__ = [
    "BEHIND_FILTER",
    "CONSTANTS",
    "MAX_SOURCE",
    "NAME",
    "Token",
    "fold",
    "hint_for",
    "read_index",
    "read_number",
    "scan",
    "unescape",
]

MAX_SOURCE = 10_000  # characters of one expression

# All repeats are possessive: nothing backtracks over a long text that fails at its end.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*+(?:-++[A-Za-z0-9_]++)*+")
STRING = r"""'[^'\\]*+(?:\\.[^'\\]*+)*+'|"[^"\\]*+(?:\\.[^"\\]*+)*+\""""
STEP = rf"\.(?:{NAME.pattern}|[0-9]++)"

# Blanks before a token belong to no token; blanks before the end stand before an empty `end`.
TOKEN = re.compile(
    rf"""\s*+(?:(?P<path>{NAME.pattern}(?:{STEP})*+)
    |(?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
    |(?P<text>{STRING})
    |(?P<step>{STEP})
    |(?P<sign>==|!=|<=|>=|&&|\|\||//|[-+*/%<>!|()\[\]{{}},:])
    |(?P<end>\Z))""",
    re.VERBOSE | re.DOTALL,
)

CONSTANTS = {
    **dict.fromkeys(("true", "True"), True),
    **dict.fromkeys(("false", "False"), False),
    **dict.fromkeys(("null", "None"), None),
}

# Words and signs with a kind of their own; every other sign is its own kind.
KINDS = {
    **dict.fromkeys(("and", "&&"), "and"),
    **dict.fromkeys(("or", "||"), "or"),
    **dict.fromkeys(("not", "!"), "not"),
    "in": "in",
    **dict.fromkeys(CONSTANTS, "constant"),
}

# What other languages write, and what this one writes instead.
FOREIGN = {
    "=": "compare with ==",
    "&": "write 'and' or &&",
    "?": "there is no conditional operator",
    "$": "a name stands without a dollar sign",
    "~": "join strings with +",
    ".": 'a name or digits follow a dot; anything else is written ["…"]',
    "\\": "a quote inside a string in another string needs the other kind of quote",
}

BEHIND_FILTER = "a step behind a filter needs parentheses, as in (x | first).name"

# What stands where an operator or an end should, in other languages.
MISPLACED = {
    "(": "only a filter takes arguments, as in x | contains('a')",
    "[": BEHIND_FILTER,
    "step": BEHIND_FILTER,
    "is": "compare with ==",
    "if": "there is no conditional expression",
    "}": "no '{' is open",
    "]": "no '[' is open",
    ")": "no '(' is open",
    "not": "'not' before an operand of an operator needs parentheses",
    "!": "'!' before an operand of an operator needs parentheses",
    "*": "there is no power operator",
    "{": "braces do not stand inside braces, and a key of a mapping is a string",
}


class Token(NamedTuple):
    """One token: its kind, its text, and where it begins and ends in the source."""

    kind: str
    text: str
    start: int
    end: int


def hint_for(token: Token) -> str:
    """What to write instead of a token that stands where it cannot, or an empty text."""
    return MISPLACED.get(token.text) or MISPLACED.get(token.kind, "")


def scan(text: str, start: int, stop: int, *, template: bool = False) -> list[Token]:
    """The tokens of `text[start:stop]`, the last of kind `end`.

    With `template`, `start` is just behind a `{{`, and the tokens end with its `}}`.
    """
    if not template and stop - start > MAX_SOURCE:
        raise _too_long(start)
    tokens: list[Token] = []
    braces = ["{{"] if template else []
    position, kind = start, ""
    while kind != "end":
        token = _token(text, position, stop)
        if token.kind in ("{", "}"):
            token = _brace(text, token, braces, template)
        elif token.kind == "text":
            token = _string(token, braces, template)
        tokens.append(token)
        position, kind = token.end, token.kind
        if template and position - start > MAX_SOURCE:
            raise _too_long(start)
        if template and not braces:
            return tokens
    if "{{" in braces:
        opened = start - 2 if template else _last_opened(tokens)
        raise ExpressionError("the '{{' that stands here is not closed by '}}'", opened)
    return tokens


def _too_long(offset: int) -> ExpressionError:
    return ExpressionError(f"the expression is longer than {MAX_SOURCE:,} characters", offset)


def _last_opened(tokens: list[Token]) -> int:
    return max(each.start for each in tokens if each.kind == "{{")


def _token(text: str, position: int, stop: int) -> Token:
    match = TOKEN.match(text, position, stop)
    if match is None:
        raise _unreadable(text, position)
    kind = match.lastgroup or "end"
    start, end = match.span(kind)
    word = text[start:end]
    if kind == "path":
        kind = KINDS.get(word, "path")
    elif kind == "sign":
        kind = KINDS.get(word, word)
    return Token(kind, word, start, end)


def _unreadable(text: str, position: int) -> ExpressionError:
    position += len(text[position:]) - len(text[position:].lstrip())
    sign = text[position]
    if sign in "'\"":
        return ExpressionError("the string that begins here is not closed", position)
    hint = f"; {FOREIGN[sign]}" if sign in FOREIGN else ""
    return ExpressionError(f"unexpected {sign!r}{hint}", position)


def _brace(text: str, token: Token, braces: list[str], template: bool) -> Token:
    """The token of a brace, `{` or `{{`, `}` or `}}`, by what is open."""
    kind, start = token.kind, token.start
    if kind == "{":
        operand = not template and "{{" not in braces and text.startswith("{{", start)
        kind = "{{" if operand else "{"
        braces.append(kind)
    elif braces and braces.pop() == "{{":
        kind = "}}"
        if not text.startswith("}}", start):
            raise ExpressionError("'{{' is closed by two braces, not by one", start)
    return Token(kind, kind, start, start + len(kind))


def _string(token: Token, braces: list[str], template: bool) -> Token:
    """A string that holds templates, told from a literal one."""
    if template or "{{" not in token.text:
        return token
    if "{{" not in braces:
        return token._replace(kind="templates")
    if "}}" in token.text:
        # Legal as literal text, but a condition that compares with it is decided before it runs.
        raise ExpressionError(
            "a string inside braces is literal, its own braces too; take the value without quotes",
            token.start,
        )
    return token


# Literals ----------------------------------------------------------------------------------------

ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}


def unescape(raw: str, offset: int) -> str:
    """The text of a string literal's inside, which begins at `offset`."""
    if "\\" not in raw:
        return raw

    def replace(match: re.Match[str]) -> str:
        code = match[1]
        if len(code) > 1:
            return chr(int(code[1:], 16))
        if code in ESCAPES:
            return ESCAPES[code]
        raise ExpressionError(
            f"unknown escape {match[0]!r}; a backslash is written twice", offset + match.start()
        )

    text = ESCAPE.sub(replace, raw)
    try:
        # Two halves of a surrogate pair, as JSON writes them, become one character.
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ExpressionError("half of a surrogate pair is no character", offset) from None


def read_index(name: str) -> str | int:
    """A step: digits are an index; with a leading zero, or too many, only a key."""
    is_index = name.isdigit() and len(name) < 19 and str(int(name)) == name
    return int(name) if is_index else name


def read_number(text: str, offset: int) -> int | float:
    """The value of a number, with its sign; `offset` is its place."""
    if text.lstrip("-").isdigit():
        # The digits are counted first: Python refuses to convert thousands of them.
        value = int(text) if len(text) <= MAX_BITS // 3 else 1 << MAX_BITS
        if value.bit_length() > MAX_BITS:
            raise ExpressionError(f"the number is too large: more than {MAX_BITS} bits", offset)
        return value
    number = float(text)
    if math.isinf(number):
        raise ExpressionError("the number is too large", offset)
    return number


FOLDED = re.compile(rf"(?P<text>{STRING})|\s+", re.DOTALL)

UNFOLDED = re.compile(r"\s\s|[^\S ]")


def fold(source: str) -> str:
    """The source on one line: a run of blanks is one blank, but inside a string it stays."""

    if not UNFOLDED.search(source):
        return source

    def replace(match: re.Match[str]) -> str:
        if match.lastgroup is None:
            return " "
        return match[0].replace("\r", "\\r").replace("\n", "\\n")

    return FOLDED.sub(replace, source)
