"""Alignment: which of these belongs to which of those.

`assign` answers for things without an order: a largest pairing of a bipartite graph, so that a wide
pattern never takes what only a narrow one needs.

`align` answers for lines in order, once it is known that the forms do not cover them. It pairs
forms with lines in steps, each at work only in the gaps that the one before it left:

    ends      what agrees from both ends, up to the first `...`
    weighed   the cheapest edit that knows patterns and `...`; quadratic, so for small gaps only
    anchored  lines that are unique on both sides (patience diff); for large gaps only
    common    difflib over the text lines, where its cost is bounded
    levelled  line by line, when both sides of a gap have the same size

What is still open then is a *change*, but for the lines that a `...` in the gap absorbs. Every
step keeps the order and pairs only what fits, so the outcome without a change is a proof that the
forms cover the lines, and a pattern that is kept still matches.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from pytest_highway.matching.forms import Form, fits

__all__ = ["Op", "align", "assign"]

# Bounds of the steps that are not linear; each holds one gap below about a tenth of a second.
WEIGHED_CELLS = 100_000
COMMON_PAIRS = 200_000
COMMON_LINES = 2_000

# How far a line that lost its place between two `...` is looked for, and how alike it must be.
NEAREST_LINES = 200
NEAREST_FORMS = 20
NEAREST_WIDTH = 200
NEAREST_RATIO = 0.6


class Op(NamedTuple):
    """One stretch of an alignment: `forms[e1:e2]` against `lines[a1:a2]`.

    `equal`: both sides have the same size and fit pairwise. `skip`: one `...` and what it stands
    for. `change`: forms without a line, lines without a form, or both.
    """

    kind: Literal["equal", "skip", "change"]
    e1: int
    e2: int
    a1: int
    a2: int


class Region(NamedTuple):
    """A gap that is still to be aligned; the ends are exclusive."""

    e1: int
    e2: int
    a1: int
    a2: int


class Sides(NamedTuple):
    """What is aligned: the expected forms and the actual lines."""

    forms: Sequence[Form]
    lines: Sequence[str]


Pair = tuple[int, int]
Step = Callable[[Sides, Region], list[Pair]]


def assign(choices: Sequence[Sequence[int]]) -> list[int | None]:
    """A largest pairing: for each left side the number from its choices it got, or None.

    No number is given twice. Early choices are preferred, and the outcome depends on the order
    of the input alone.
    """
    chosen: list[int | None] = [None] * len(choices)
    owner: dict[int, int] = {}
    # What a failed search has reached can never be part of a later augmenting path, so it is
    # not looked at again; all failures together cost one walk over the graph.
    spent: set[int] = set()
    for left in range(len(choices)):
        reached: dict[int, int] = {}
        free = _free_choice(left, choices, owner, reached, spent)
        if free is None:
            spent.update(reached)
        # Whoever has the number's holder moves on to the free one, back to `left` itself.
        while free is not None:
            holder = reached[free]
            owner[free] = holder
            chosen[holder], free = free, chosen[holder]
    return chosen


def _free_choice(
    left: int,
    choices: Sequence[Sequence[int]],
    owner: dict[int, int],
    reached: dict[int, int],
    spent: set[int],
) -> int | None:
    """The first free number that `left` can get when others move; `reached` tells by whom."""
    queue = [left]
    for holder in queue:
        for number in choices[holder]:
            if number in reached or number in spent:
                continue
            reached[number] = holder
            if number not in owner:
                return number
            queue.append(owner[number])
    return None


def align(forms: Sequence[Form], lines: Sequence[str]) -> list[Op]:
    """Stretches that cover both sides in order, with few changes.

    It has a `change` whenever the forms do not cover the lines; when they do, ask `covers` first,
    for the steps are heuristic. Linear but for gaps of bounded size.
    """
    sides = Sides(forms, lines)
    whole = Region(0, len(forms), 0, len(lines))
    pairs = _paired(sides, whole, STEPS)
    ops: list[Op] = []
    e1 = a1 = 0  # where the stretch at hand begins, and where it ends so far
    e2 = a2 = 0
    for e, a in [*pairs, (len(forms), len(lines))]:
        if e > e2 or a > a2:
            ops.extend(_equal_op(e1, e2, a1, a2))
            ops.extend(_gap_ops(sides, Region(e2, e, a2, a)))
            e1, a1 = e, a
        e2, a2 = e + 1, a + 1
    ops.extend(_equal_op(e1, len(forms), a1, len(lines)))
    return ops


def _equal_op(e1: int, e2: int, a1: int, a2: int) -> list[Op]:
    return [Op("equal", e1, e2, a1, a2)] if e1 < e2 else []


def _paired(sides: Sides, region: Region, steps: Sequence[Step]) -> list[Pair]:
    """Pairs that fit, in order, found by these steps, each in the gaps of the one before."""
    e1, e2, a1, a2 = region
    # Half of all gaps of a subset are one `...`, at which no step could find anything.
    lone_dots = e2 - e1 == 1 and sides.forms[e1] is ...
    if not steps or lone_dots or e1 == e2 or a1 == a2:
        return []
    pairs: list[Pair] = []
    for e, a in [*steps[0](sides, region), (e2, a2)]:
        if e1 < e and a1 < a:
            pairs.extend(_paired(sides, Region(e1, e, a1, a), steps[1:]))
        pairs.append((e, a))
        e1, a1 = e + 1, a + 1
    pairs.pop()  # the end of the region, which is no pair
    return pairs


def _ends(sides: Sides, region: Region) -> list[Pair]:
    """What agrees from the start, and from the end, of the region."""
    e1, e2, a1, a2 = region
    size = min(e2 - e1, a2 - a1)
    head = 0
    while head < size and fits(sides.forms[e1 + head], sides.lines[a1 + head]):
        head += 1
    tail = 0
    # Not into the head: a form or a line that is paired there is not paired again.
    while tail < size - head and fits(sides.forms[e2 - 1 - tail], sides.lines[a2 - 1 - tail]):
        tail += 1
    pairs = [(e1 + number, a1 + number) for number in range(head)]
    pairs.extend((e2 - number, a2 - number) for number in range(tail, 0, -1))
    return pairs


def _weighed(sides: Sides, region: Region) -> list[Pair]:
    """The pairs of the cheapest edit, in a small region that holds a pattern or `...`.

    An edit (a form dropped, a line added, one put for the other) costs 4, a pair that fits gains
    1, what `...` absorbs is free.
    """
    e1, e2, a1, a2 = region
    forms, lines = sides.forms[e1:e2], sides.lines[a1:a2]
    # Texts alone are left to difflib, which is faster at them.
    plain = all(isinstance(form, str) for form in forms)
    if plain or len(forms) * len(lines) > WEIGHED_CELLS:
        return []
    rows = _weights(forms, lines)
    pairs: list[Pair] = []
    e = a = 0
    while e < len(forms) and a < len(lines):
        form, weight = forms[e], rows[e][a]
        if form is ...:
            # As few lines as possible, as a reader would have it.
            e, a = (e + 1, a) if weight == rows[e + 1][a] else (e, a + 1)
        elif fits(form, lines[a]) and weight == rows[e + 1][a + 1] - 1:
            pairs.append((e1 + e, a1 + a))
            e, a = e + 1, a + 1
        elif weight == rows[e + 1][a + 1] + 4:
            e, a = e + 1, a + 1
        else:
            e, a = (e + 1, a) if weight == rows[e + 1][a] + 4 else (e, a + 1)
    return pairs


def _weights(forms: Sequence[Form], lines: Sequence[str]) -> list[list[int]]:
    """`rows[e][a]`: the least cost of aligning `forms[e:]` with `lines[a:]`."""
    size = len(lines)
    # From the end, so that the cheapest way can be walked from the start.
    rows = [[4 * (size - a) for a in range(size + 1)]]
    for form in reversed(forms):
        below = rows[-1]
        if form is ...:
            row = [below[size]]
            for a in range(size - 1, -1, -1):
                row.append(min(below[a], row[-1]))
        else:
            row = [below[size] + 4]
            for a in range(size - 1, -1, -1):
                pair = below[a + 1] + (-1 if fits(form, lines[a]) else 4)
                row.append(min(pair, below[a] + 4, row[-1] + 4))
        row.reverse()
        rows.append(row)
    rows.reverse()
    return rows


def _anchored(sides: Sides, region: Region) -> list[Pair]:
    """Lines that are unique on both sides, as many as keep their order; for large regions."""
    e1, e2, a1, a2 = region
    if _is_cheap(sides, region):
        return []
    lines = Counter(sides.lines[a1:a2])
    places = {line: a1 + number for number, line in enumerate(sides.lines[a1:a2])}
    unique = Counter(form for form in sides.forms[e1:e2] if isinstance(form, str))
    shared = [
        (e, places[form])
        for e, form in enumerate(sides.forms[e1:e2], e1)
        if isinstance(form, str) and unique[form] == 1 and lines[form] == 1
    ]
    return _rising(shared)


def _rising(pairs: Sequence[Pair]) -> list[Pair]:
    """The longest part of the pairs in which the second number rises, by patience sorting."""
    tops: list[int] = []
    piles: list[int] = []
    before: list[int] = []
    for number, (_, place) in enumerate(pairs):
        pile = bisect_left(tops, place)
        before.append(piles[pile - 1] if pile else -1)
        tops[pile : pile + 1] = [place]
        piles[pile : pile + 1] = [number]
    chain: list[Pair] = []
    number = piles[-1] if piles else -1
    while number >= 0:
        chain.append(pairs[number])
        number = before[number]
    return chain[::-1]


def _is_cheap(sides: Sides, region: Region) -> bool:
    """Whether difflib, which can be cubic on lines that repeat, is bounded here."""
    e1, e2, a1, a2 = region
    if min(e2 - e1, a2 - a1) > COMMON_LINES:
        return False
    counts: Counter[object] = Counter(sides.lines[a1:a2])
    return sum(counts[form] for form in sides.forms[e1:e2]) <= COMMON_PAIRS


def _common(sides: Sides, region: Region) -> list[Pair]:
    """What difflib pairs among the text lines, as if no `...` stood between them."""
    if not _is_cheap(sides, region):
        return []
    numbers = [e for e in range(region.e1, region.e2) if sides.forms[e] is not ...]
    forms = [sides.forms[e] for e in numbers]
    lines: Sequence[Form] = sides.lines[region.a1 : region.a2]
    # Without autojunk: it would drop any line that is frequent in a long text.
    matcher = difflib.SequenceMatcher(None, forms, lines, autojunk=False)
    return [
        (numbers[block.a + offset], region.a1 + block.b + offset)
        for block in matcher.get_matching_blocks()
        for offset in range(block.size)
    ]


def _levelled(sides: Sides, region: Region) -> list[Pair]:
    """What fits line by line, when both sides have the same size."""
    e1, e2, a1, a2 = region
    if e2 - e1 != a2 - a1:
        return []
    pairs = zip(range(e1, e2), range(a1, a2), strict=True)
    return [(e, a) for e, a in pairs if fits(sides.forms[e], sides.lines[a])]


# The order matters: the exact edit first wherever it is affordable, for difflib knows no pattern;
# anchors cut what is large into gaps in which the others are affordable again.
STEPS: tuple[Step, ...] = (_ends, _weighed, _anchored, _ends, _common, _weighed, _levelled)


def _gap_ops(sides: Sides, region: Region) -> Iterator[Op]:
    """The stretches of a gap in which nothing fits any more.

    Forms before the first `...` of the gap face its first lines, forms after the last `...` its
    last lines, and forms in between the line most like them: a changed line is shown beside what
    it was, and an update keeps as much of the expectation as there was.
    """
    e1, e2, a1, a2 = region
    dots = [e for e in range(e1, e2) if sides.forms[e] is ...]
    if not dots:
        yield Op("change", e1, e2, a1, a2)
        return
    first = min(a1 + dots[0] - e1, a2)
    last = max(first, a2 - (e2 - 1 - dots[-1]))
    if e1 < dots[0]:
        yield Op("change", e1, dots[0], a1, first)
    yield from _inner_ops(sides, dots, first, last)
    if dots[-1] + 1 < e2:
        yield Op("change", dots[-1] + 1, e2, last, a2)


def _inner_ops(sides: Sides, dots: Sequence[int], a1: int, a2: int) -> Iterator[Op]:
    """The stretches from the first `...` of a gap to its last one."""
    few = dots[-1] - dots[0] < NEAREST_FORMS
    for dot, following in pairwise(dots):
        run = range(dot + 1, following)
        # Looking for a like line costs far more than all the rest; many of them are one change.
        near = _nearest(sides, run[0], a1, a2) if few and run else None
        at = a1 if near is None else near
        end = at if near is None else min(near + len(run), a2)
        yield Op("skip", dot, dot + 1, a1, at)
        if run:
            yield Op("change", run[0], following, at, end)
        a1 = end
    yield Op("skip", dots[-1], dots[-1] + 1, a1, a2)


def _nearest(sides: Sides, e: int, a1: int, a2: int) -> int | None:
    """The number of the line that is most like this form, if one is like it at all."""
    form = sides.forms[e]
    text = form.pattern if isinstance(form, re.Pattern) else str(form)
    # Cut short, for the cost of comparing two lines grows with the product of their widths.
    lines = [line[:NEAREST_WIDTH] for line in sides.lines[a1 : min(a2, a1 + NEAREST_LINES)]]
    near = difflib.get_close_matches(text[:NEAREST_WIDTH], lines, n=1, cutoff=NEAREST_RATIO)
    return a1 + lines.index(near[0]) if near else None
