r"""Lines: a transcript against the lines that are expected, and what to write when it has changed.

What an expected line stands for is told by its ending (`forms`). How lines are compared:

    mode         the actual lines are                           `...`
    exact        these and no others, in this order             any lines
    contains     somewhere these in one unbroken block          any lines inside the block
    subset       these in this order, others between them       says nothing new
    unordered    these and no others, in any order              a fault; fits nothing

The first three are one rule, `covers`, after the forms were loosened: `contains`
is `exact` between two `...`, `subset` is `exact` with a `...` before, between and after all lines.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pytest_highway.matching.alignment import Op, align, assign
from pytest_highway.matching.equality import shared_start
from pytest_highway.matching.forms import (
    DOTS,
    Form,
    covers,
    escape_line,
    fits,
    form_fault,
    form_of,
    forms_of,
)

__all__ = [
    "LineDifference",
    "Mode",
    "compare_lines",
    "escape_lines",
    "line_faults",
    "split_lines",
    "update_lines",
]

Mode = Literal["exact", "subset", "contains", "unordered"]

LABELS = ("--- expected", "+++ actual")
CONTEXT = 3
# A quoted line in a summary is cut to a window of this width around what differs.
SHOWN_WIDTH = 120


def split_lines(text: str) -> list[str]:
    r"""The lines of a text block: `\r\n` counts as `\n`, one final line end begins no line."""
    lines = text.replace("\r\n", "\n").split("\n")
    if not lines[-1]:
        lines.pop()
    return lines


def escape_lines(actual: Sequence[str]) -> list[str]:
    """Expected lines that stand for just these lines, with ` (eq)` where one looks special."""
    return [escape_line(line) for line in actual]


def line_faults(expected: Sequence[str], mode: Mode = "exact") -> list[tuple[int, str]]:
    """What is wrong with expected lines before any run: their numbers (from 0) and why.

    Lines that no transcript could fail are a fault too, of the line 0.
    """
    faults = [(at, why) for at, line in enumerate(expected) if (why := form_fault(line))]
    if mode == "unordered":
        why = f"{DOTS!r} says nothing where the order is free; name the lines, or match 'subset'"
        return sorted(faults + [(at, why) for at, line in enumerate(expected) if line == DOTS])
    if not expected and mode != "exact":
        faults.append((0, f"no lines to look for, so that the match {mode!r} cannot fail"))
    if expected and all(line == DOTS for line in expected):
        faults.append((0, f"only {DOTS!r}, which stands for any lines and cannot fail"))
    return faults


@dataclass(frozen=True, slots=True)
class LineDifference:
    """How the actual lines differ from the expected ones.

    `first_expected` and `first_actual` number, from 0, the first lines that differ; None where
    that side has none there. `summary` is one line on them; line numbers in it count the actual
    lines from 1. `diff` is a unified diff of the whole, with three lines of context; a line that a
    pattern stands for is context, characters that cannot be seen are shown as escapes, and lines
    that look alike are quoted.
    """

    first_expected: int | None
    first_actual: int | None
    summary: str
    diff: list[str]

    def render(self, limit: int | None = 40) -> str:
        """The diff as text, cut after `limit` lines (None: never) with a count of the rest."""
        shown = self.diff if limit is None else self.diff[:limit]
        rest = len(self.diff) - len(shown)
        more = [f"... {rest} more line{'s' if rest > 1 else ''}"] if rest else []
        return "\n".join([*shown, *more])


class Texts(NamedTuple):
    """Both sides as written."""

    expected: Sequence[str]
    actual: Sequence[str]


def compare_lines(
    expected: Sequence[str], actual: Sequence[str], mode: Mode = "exact"
) -> LineDifference | None:
    """None when the actual lines are as expected, else how they differ."""
    lines = list(actual)
    forms = forms_of(expected)
    if mode == "unordered":
        return _compare_unordered(expected, forms, lines)
    forms, origin = _loosened(forms, mode)
    if covers(forms, lines):
        return None
    texts = Texts(expected, lines)
    ops = _merged(align(forms, lines), origin)
    first = next(op for op in ops if op.kind == "change")
    return LineDifference(
        first.e1 if first.e1 < first.e2 else None,
        first.a1 if first.a1 < first.a2 else None,
        _summary(texts, ops, mode),
        [*LABELS, *_hunks(texts, ops)],
    )


def _loosened(forms: list[Form], mode: Mode) -> tuple[list[Form], Sequence[int]]:
    """The forms that `covers` shall see, and the expected line at which each (and the end) is."""
    size = len(forms)
    if mode == "contains":
        return [..., *forms, ...], [0, *range(size + 1), size]
    if mode == "subset":
        # A `...` that was written stands between two more then, which changes nothing.
        loose = [each for form in forms for each in (..., form)]
        return [*loose, ...], [number // 2 for number in range(2 * size + 1)] + [size]
    return forms, range(size + 1)


def _merged(ops: Sequence[Op], origin: Sequence[int]) -> list[Op]:
    """The stretches in numbers of expected lines, neighbours of one kind joined.

    A `...` that nobody wrote has no expected line, and is gone where it stands for nothing.
    """
    merged: list[Op] = []
    for op in ops:
        kind, e1, e2, a1, a2 = op._replace(e1=origin[op.e1], e2=origin[op.e2])
        if merged and merged[-1].kind == kind:
            merged[-1] = merged[-1]._replace(e2=e2, a2=a2)
        elif e1 < e2 or a1 < a2:
            merged.append(Op(kind, e1, e2, a1, a2))
    return merged


def _summary(texts: Texts, ops: Sequence[Op], mode: Mode) -> str:
    """One line on the first difference."""
    # There is one: an alignment without a change is a proof that the lines are as expected.
    at = next(number for number, op in enumerate(ops) if op.kind == "change")
    first = ops[at]
    passed = ops[at + 1] if ops[at + 1 :] else first
    base = _first_summary(texts, first, passed)
    if mode == "contains":
        if any(op.kind == "equal" for op in ops) or first.a1 < first.a2:
            return f"no such block of lines; where it comes nearest, {base}"
        text = _cut(texts.expected[first.e1], 0)
        return f"no such block of lines; none is there, the first being {text!r}"
    # The line may well be there, before one that it has to follow; `missing` would be a riddle.
    if mode == "subset" and first.a1 == first.a2:
        form = form_of(texts.expected[first.e1])
        free = [op for op in ops if op.kind == "skip" and form in texts.actual[op.a1 : op.a2]]
        if free:
            place = texts.actual.index(str(form), free[0].a1) + 1
            return f"{base}; it stands out of order, in line {place}"
    return base


def _first_summary(texts: Texts, first: Op, following: Op) -> str:
    """One line on a change, given the stretch after it."""
    _, e1, e2, a1, a2 = first
    if e1 == e2:
        return f"line {a1 + 1}: unexpected {_cut(texts.actual[a1], 0)!r}"
    if a1 < a2:
        wanted, got = _quoted(texts.expected[e1], texts.actual[a1])
        return f"line {a1 + 1}: expected {wanted}, got {got}"
    missing = repr(_cut(texts.expected[e1], 0))
    if a1 == len(texts.actual):
        return f"line {a1 + 1}: expected {missing}, got nothing"
    if following.kind == "skip" and a1 < following.a2:
        last = f" to {following.a2}" if a1 + 1 < following.a2 else ""
        return f"line {a1 + 1}{last}: missing {missing}"
    return f"line {a1 + 1}: missing {missing}, got {_cut(texts.actual[a1], 0)!r}"


def _compare_unordered(
    expected: Sequence[str], forms: Sequence[Form], lines: list[str]
) -> LineDifference | None:
    """The lines as multisets."""
    missing, extra = _unpaired(forms, lines)
    if not missing and not extra:
        return None
    parts = []
    if missing:
        parts.append(_counted("missing", [expected[number] for number in missing]))
    if extra:
        unexpected = _counted("unexpected", [lines[number] for number in extra])
        parts.append(f"{unexpected} in line {extra[0] + 1}")
    return LineDifference(
        missing[0] if missing else None,
        extra[0] if extra else None,
        ", ".join(parts),
        [*LABELS, *_change([expected[each] for each in missing], [lines[each] for each in extra])],
    )


def _counted(what: str, lines: Sequence[str]) -> str:
    count = f"{len(lines)} lines {what}, first" if len(lines) > 1 else what
    return f"{count} {_cut(lines[0], 0)!r}"


def _unpaired(forms: Sequence[Form], lines: Sequence[str]) -> tuple[list[int], list[int]]:
    """The forms and the lines, by number, that a largest pairing leaves over."""
    places: defaultdict[Form, deque[int]] = defaultdict(deque)
    for number, line in enumerate(lines):
        places[line].append(number)
    # A text can be paired with its like alone, and equal lines are equal to every pattern as
    # well; so texts may choose first.
    missing, open_forms, taken = [], [], set()
    for number, form in enumerate(forms):
        if not isinstance(form, str):
            open_forms.append(number)
        elif places[form]:
            taken.add(places[form].popleft())
        else:
            missing.append(number)
    left = [number for number in range(len(lines)) if number not in taken]
    choices = {
        form: [number for number in left if fits(form, lines[number])]
        for form in dict.fromkeys(forms[number] for number in open_forms)
    }
    partners = assign([choices[forms[number]] for number in open_forms])
    missing += [number for number, got in zip(open_forms, partners, strict=True) if got is None]
    taken.update(got for got in partners if got is not None)
    return sorted(missing), [number for number in left if number not in taken]


class Row(NamedTuple):
    """One line of a diff: its text with the sign, and what it takes of either side."""

    text: str
    e: int
    a: int
    e_size: int
    a_size: int


def _hunks(texts: Texts, ops: Sequence[Op]) -> Iterator[str]:
    """The changes, each with the lines around it."""
    # Rows exist for changes and what is near them alone: a long text costs what differs in it.
    rows = [row for op in ops for row in _rows(texts, op)]
    changed = [row is not None and row.text[0] != " " for row in rows]
    hunk: list[Row] = []
    for number, row in enumerate([*rows, None]):
        if row is not None and any(changed[max(0, number - CONTEXT) : number + CONTEXT + 1]):
            hunk.append(row)
        elif hunk:
            yield f"@@ -{_range(hunk, 'e')} +{_range(hunk, 'a')} @@"
            yield from (each.text for each in hunk)
            hunk = []


def _range(hunk: Sequence[Row], side: Literal["e", "a"]) -> str:
    """`first line,number of lines` of one side, as a unified diff has it."""
    if side == "e":
        start, size = hunk[0].e, sum(row.e_size for row in hunk)
    else:
        start, size = hunk[0].a, sum(row.a_size for row in hunk)
    return f"{start + 1 if size else start},{size}"


def _rows(texts: Texts, op: Op) -> list[Row | None]:
    """The lines of one stretch; None where context is left out."""
    kind, e1, e2, a1, a2 = op
    if kind == "skip":
        return [Row(f" {DOTS}", e1, a1, e2 - e1, a2 - a1)]
    if kind == "change":
        change = _change(texts.expected[e1:e2], texts.actual[a1:a2])
        minus, plus = change[: e2 - e1], change[e2 - e1 :]
        rows: list[Row | None] = [Row(text, e, a1, 1, 0) for e, text in enumerate(minus, e1)]
        rows.extend(Row(text, e2, a, 0, 1) for a, text in enumerate(plus, a1))
        return rows
    size = a2 - a1
    kept: list[int | None] = list(range(size))
    if size > 2 * CONTEXT:
        kept[CONTEXT:-CONTEXT] = [None]
    return [
        None if k is None else Row(f" {_visible(texts.actual[a1 + k])}", e1 + k, a1 + k, 1, 1)
        for k in kept
    ]


def _change(expected: Sequence[str], actual: Sequence[str]) -> list[str]:
    """The lines of a change, signed; two that face each other and look alike are quoted."""
    minus = [f"-{_visible(line)}" for line in expected]
    plus = [f"+{_visible(line)}" for line in actual]
    for number, (wanted, got) in enumerate(zip(expected, actual, strict=False)):
        if _skeleton(wanted) == _skeleton(got):
            quote = _quote_for(wanted, got)
            minus[number], plus[number] = f"-{quote(wanted)}", f"+{quote(got)}"
    return minus + plus


def _visible(text: str) -> str:
    """The text with an escape for each character that has no glyph, but for blanks and tabs."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\t" else repr(c)[1:-1] for c in text)


def _skeleton(text: str) -> str:
    """What of a line meets the eye: no control or format characters, and blanks as one."""
    folded = unicodedata.normalize("NFKC", text)
    if not folded.isascii():
        folded = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join(folded.split())


def _quote_for(expected: str, actual: str) -> Callable[[str], str]:
    """`repr`, or `ascii` where only the code points tell the two apart."""
    # `repr` shows what has no glyph, but writes an accented letter the same in both its spellings.
    same = unicodedata.normalize("NFKC", expected) == unicodedata.normalize("NFKC", actual)
    return ascii if same else repr


def _quoted(expected: str, actual: str) -> tuple[str, str]:
    """Both texts for a message, cut around the place at which they begin to differ."""
    start = max(0, shared_start(expected, actual) - SHOWN_WIDTH // 3)
    quote = _quote_for(expected, actual)
    return quote(_cut(expected, start)), quote(_cut(actual, start))


def _cut(text: str, start: int) -> str:
    """At most `SHOWN_WIDTH` characters of a text; a text that fits is never cut."""
    if len(text) <= SHOWN_WIDTH:
        return text
    end = start + SHOWN_WIDTH
    return f"{DOTS if start else ''}{text[start:end]}{DOTS if end < len(text) else ''}"


def update_lines(expected: Sequence[str], actual: Sequence[str]) -> list[str]:
    """Expected lines for this transcript that keep what still holds of the old ones.

    Lines that match stay as written, patterns and `...` too; a changed line is replaced by the
    actual one, escaped; two `...` that meet become one. When nothing but `...` would be left, it
    is the actual lines: an update never leaves an expectation that cannot fail. The outcome
    matches `actual` in the mode `exact`, and without a `...` in the others as well.
    """
    lines = list(actual)
    forms = forms_of(expected)
    if covers(forms, lines):
        return list(expected)
    written: list[str] = []
    for op in align(forms, lines):
        if op.kind == "change":
            written.extend(escape_lines(lines[op.a1 : op.a2]))
        elif op.kind == "equal" or written[-1:] != [DOTS]:
            written.extend(expected[op.e1 : op.e2])
    # As when all named lines are gone: `...` alone would match whatever comes next.
    return escape_lines(lines) if written == [DOTS] else written
