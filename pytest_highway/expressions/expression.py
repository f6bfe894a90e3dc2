"""The expression language: conditions over plain data, compiled once and evaluated often.

The public face of what `tokens` scans, `parser` compiles and `closures` runs; the grammar and the
rules of evaluation stand in `parser`. Here braces are optional and are operands where they stand:
`{{ results.a.status }} == 200`, `{{ results.a.status == 200 }}` and `results.a.status == 200` are
one condition. Strings with templates are in `template`.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_highway.expressions.closures import Code, Reference, Roots, Trace
from pytest_highway.expressions.parser import MAX_DEPTH, Operand, Parser
from pytest_highway.expressions.tokens import MAX_SOURCE, Token, fold, scan
from pytest_highway.expressions.values import (
    MAX_BITS,
    MAX_SIZE,
    ExpressionError,
    MissingValue,
    shown_json,
    truth,
)

__all__ = [
    "MAX_BITS",
    "MAX_DEPTH",
    "MAX_SIZE",
    "MAX_SOURCE",
    "Expression",
    "ExpressionError",
    "MissingValue",
    "Reference",
    "Roots",
    "compile_expression",
    "truth",
]


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    `source` is its text, `references` are the paths that it reads, in source order.
    """

    source: str
    references: tuple[Reference, ...]
    _code: Code = field(repr=False, compare=False)
    _pieces: tuple[str | tuple[int, str, str], ...] = field(repr=False, compare=False)

    def evaluate(self, roots: Roots) -> object:
        """The value over `roots`; every fault is a located `ExpressionError`."""
        try:
            return self._code(roots, {})
        except (ExpressionError, RecursionError) as error:
            raise self._located(error) from None

    def resolve(self, roots: Roots) -> tuple[str, object]:
        """The source on one line with the values written in, and the value.

        Every operand that reads a root, with its filters, is replaced by its value as JSON, cut
        after 200 characters; a string with templates keeps its quotes. What was not evaluated
        stays as written. Braces around the whole are left out.
        """
        trace: Trace = {}
        try:
            value = self._code(roots, trace)
        except (ExpressionError, RecursionError) as error:
            raise self._located(error) from None
        shown = [
            piece if isinstance(piece, str) else _resolved(piece, trace) for piece in self._pieces
        ]
        return "".join(shown), value

    def _located(self, error: ExpressionError | RecursionError) -> ExpressionError:
        if isinstance(error, RecursionError):
            error = ExpressionError("the values are nested too deeply")
        error.locate(0, self.source)
        return error


def _resolved(piece: tuple[int, str, str], trace: Trace) -> str:
    number, written, quote = piece
    if number not in trace:
        return written
    shown = shown_json(trace[number])
    if quote != "'":
        return shown
    inside = shown.removeprefix('"').removesuffix('"').replace('\\"', '"')
    return "'" + inside.replace("'", "\\'") + "'"


@functools.lru_cache(maxsize=4096)
def compile_expression(text: str) -> Expression:
    """The compiled form of a condition, where braces are optional; raises `ExpressionError`."""
    try:
        tokens = scan(text, 0, len(text))
        operands: list[Operand] = []
        parser = Parser(text, _unwrapped(tokens), operands=operands)
        start = parser.token.start
        code = parser.whole("end")
    except ExpressionError as error:
        error.locate(0, text)
        raise
    references = tuple(sorted(parser.references, key=lambda each: each.offset))
    return Expression(text, references, code, _pieces(text, start, parser.token.start, operands))


def _unwrapped(tokens: list[Token]) -> Sequence[Token]:
    """The tokens without the braces around the whole, when there is such a pair."""
    kinds = [each.kind for each in tokens]
    if kinds[0] == "{{" and kinds.count("{{") == 1 and kinds[-2] == "}}":
        return [*tokens[1:-2], tokens[-2]._replace(kind="end")]
    return tokens


def _pieces(
    text: str, start: int, stop: int, operands: Sequence[Operand]
) -> tuple[str | tuple[int, str, str], ...]:
    """What `resolve` joins: text as written, and operands with their number, text and quote."""
    pieces: list[str | tuple[int, str, str]] = []
    for number, operand in enumerate(operands):
        pieces.append(fold(text[start : operand.start]))
        written = fold(text[operand.start : operand.end])
        pieces.append((number, written, operand.quote))
        start = operand.end
    pieces.append(fold(text[start:stop]).rstrip())
    return tuple(pieces)
