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

import re
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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
from pytest_highway.matching.hunks import Hunk, Texts, change_rows, hunks_of
from pytest_highway.matching.lookalikes import quoted

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
    lines from 1. `hunks` are those of a unified diff of the whole; see there.
    """

    first_expected: int | None
    first_actual: int | None
    summary: str
    hunks: list[Hunk]

    @property
    def diff(self) -> list[str]:
        """The whole diff, with a label for either side."""
        return [*LABELS, *(line for hunk in self.hunks for line in hunk.lines)]


def compare_lines(
    expected: Sequence[str],
    actual: Sequence[str],
    mode: Mode = "exact",
    heads: re.Pattern[str] | None = None,
) -> LineDifference | None:
    """None when the actual lines are as expected, else how they differ.

    `heads` finds the lines with which those of a task begin; its first group is the task.
    """
    lines = list(actual)
    forms = forms_of(expected)
    if mode == "unordered":
        return _compare_unordered(expected, forms, lines)
    forms, origin = _loosened(forms, mode)
    if covers(forms, lines):
        return None
    texts = Texts.of(expected, lines, heads)
    ops = _merged(align(forms, lines), origin)
    first = next(op for op in ops if op.kind == "change")
    return LineDifference(
        first.e1 if first.e1 < first.e2 else None,
        first.a1 if first.a1 < first.a2 else None,
        _summary(texts, ops, mode),
        [*hunks_of(texts, ops)],
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
    absent, more = [expected[each] for each in missing], [lines[each] for each in extra]
    whole = Op("change", 0, len(absent), 0, len(more))
    rows = change_rows(Texts.of(absent, more, None), whole)
    return LineDifference(
        missing[0] if missing else None,
        extra[0] if extra else None,
        ", ".join(parts),
        [Hunk("", [row.text for row in rows])],
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


def _quoted(expected: str, actual: str) -> tuple[str, str]:
    """Both texts for a message, cut around the place at which they begin to differ."""
    start = max(0, shared_start(expected, actual) - SHOWN_WIDTH // 3)
    return quoted(expected, actual, _cut(expected, start), _cut(actual, start))


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
