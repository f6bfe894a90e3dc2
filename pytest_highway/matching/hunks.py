"""Hunks: an alignment of expected and actual lines as a unified diff that a person reads.

    @@ -3,4 +3,4 @@ fetch             where, and the task that the changed lines belong to
     fetch: tools.fetch.get("a")      context; a line that a pattern stands for is context, too
    -  info: 200 in 3 s
    +  info: 200 in 4 s
    ?                ^                what differs within two lines that are nearly one

A hunk is about one task: where the changes of one end and those of the next begin, so does a new
hunk. Tasks are told by their head lines, for which the caller has the pattern. Within a task the
n-th line removed faces the n-th line added. Of two lines that look alike both are quoted, and the
mark below names the first characters that differ. All of this is linear in the lines that changed,
but for one look at each line for its task.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Literal, NamedTuple

from pytest_highway.matching.alignment import Op
from pytest_highway.matching.equality import shared_start
from pytest_highway.matching.forms import DOTS, form_of
from pytest_highway.matching.lookalikes import divergence, look_alike, quoted, visible

__all__ = ["Hunk", "Texts", "change_rows", "hunks_of"]

CONTEXT = 3
# Words are marked in lines up to this width, which a terminal does not wrap, that share so much.
MARKED_WIDTH = 120
MARKED_SHARE = 0.4
WORDS = re.compile(r"\w+|\W")


class Texts(NamedTuple):
    """Both sides as written, and the task of each line (or nothing, for all)."""

    expected: Sequence[str]
    actual: Sequence[str]
    expected_tasks: Sequence[str]
    actual_tasks: Sequence[str]

    @classmethod
    def of(
        cls, expected: Sequence[str], actual: Sequence[str], heads: re.Pattern[str] | None
    ) -> Texts:
        """Both sides; the first group of `heads` is the task whose lines begin there."""
        return cls(expected, actual, _tasks(expected, heads), _tasks(actual, heads))


class Hunk(NamedTuple):
    """One hunk: its task, if that is known, and its lines, the first with `@@`."""

    task: str
    lines: list[str]


class Row(NamedTuple):
    """One line of a diff: its text with the sign, and what it takes of either side."""

    text: str
    e: int
    a: int
    e_size: int
    a_size: int
    task: str = ""


def _tasks(lines: Sequence[str], heads: re.Pattern[str] | None) -> list[str]:
    """The task that each line belongs to: that of the last head line up to it."""
    if heads is None:
        return [""] * len(lines)
    task = ""
    tasks = []
    for line in lines:
        head = heads.match(line)
        task = head[1] if head else task
        tasks.append(task)
    return tasks


def hunks_of(texts: Texts, ops: Sequence[Op]) -> Iterator[Hunk]:
    """The changes, each with the lines around it, task by task."""
    # Rows exist for changes and what is near them alone: a long text costs what differs in it.
    rows = [row for op in ops for row in _rows(texts, op)]
    changed = [row is not None and row.text[0] != " " for row in rows]
    piece: list[Row] = []
    for number, row in enumerate([*rows, None]):
        if row is not None and _is_near(changed, number):
            piece.append(row)
        elif piece:
            yield from map(_hunk, _split(piece))
            piece = []


def _is_near(changed: Sequence[bool], number: int) -> bool:
    return any(changed[max(0, number - CONTEXT) : number + CONTEXT + 1])


def _split(piece: list[Row]) -> Iterator[list[Row]]:
    """The rows of one piece, cut before the lines of each further task in which some changed."""
    start = 0
    task: str | None = None
    for number, row in enumerate(piece):
        if row.text[0] not in "-+":
            continue
        if task is not None and row.task != task:
            begin = number
            while piece[begin - 1].task == row.task:
                begin -= 1
            yield piece[start:begin]
            start = begin
        task = row.task
    yield piece[start:]


def _hunk(rows: list[Row]) -> Hunk:
    task = next(row.task for row in rows if row.text[0] in "-+")
    head = f"@@ -{_range(rows, 'e')} +{_range(rows, 'a')} @@ {task}".rstrip()
    return Hunk(task, [head, *(row.text for row in rows)])


def _range(rows: Sequence[Row], side: Literal["e", "a"]) -> str:
    """`first line,number of lines` of one side, as a unified diff has it."""
    if side == "e":
        start, size = rows[0].e, sum(row.e_size for row in rows)
    else:
        start, size = rows[0].a, sum(row.a_size for row in rows)
    return f"{start + 1 if size else start},{size}"


def _rows(texts: Texts, op: Op) -> list[Row | None]:
    """The lines of one stretch; None where context is left out."""
    kind, e1, e2, a1, a2 = op
    if kind == "skip":
        return [Row(f" {DOTS}", e1, a1, e2 - e1, a2 - a1)]
    if kind == "change":
        return [row for block in _blocks(texts, op) for row in change_rows(texts, block)]
    size = a2 - a1
    kept: list[int | None] = list(range(size))
    if size > 2 * CONTEXT:
        kept[CONTEXT:-CONTEXT] = [None]
    rows: list[Row | None] = []
    for k in kept:
        if k is None:
            rows.append(None)
        else:
            text, task = texts.actual[a1 + k], texts.actual_tasks[a1 + k]
            rows.append(Row(f" {visible(text)}", e1 + k, a1 + k, 1, 1, task))
    return rows


def _blocks(texts: Texts, op: Op) -> Iterator[Op]:
    """A change, task by task: of tasks on both sides in one order, the lines face each other.

    Lines whose task is not known, as in a part of a transcript, face whatever comes next.
    """
    _, e1, e2, a1, a2 = op
    removed = [(task, len([*run])) for task, run in groupby(texts.expected_tasks[e1:e2])]
    added = [(task, len([*run])) for task, run in groupby(texts.actual_tasks[a1:a2])]
    # From the end, so that the first place of a task is the one that stays.
    places = {task: number for number, (task, _) in reversed([*enumerate(added)])}
    passed = 0
    for task, size in removed:
        place = places.get(task, -1) if task else min(passed, len(added) - 1)
        for _, more in added[passed:place] if place >= passed else ():
            yield Op("change", e1, e1, a1, a1 + more)
            a1 += more
        faced = 0
        if place >= passed:
            faced, passed = added[place][1], place + 1
        yield Op("change", e1, e1 + size, a1, a1 + faced)
        e1, a1 = e1 + size, a1 + faced
    for _, more in added[passed:]:
        yield Op("change", e1, e1, a1, a1 + more)
        a1 += more


def change_rows(texts: Texts, block: Op) -> list[Row]:
    """The lines of one change: those removed, those added; pairs that are nearly one together."""
    _, e, e2, a, a2 = block
    task = next(filter(None, (*texts.expected_tasks[e:e2], *texts.actual_tasks[a:a2])), "")
    pairs = zip(range(e, e2), range(a, a2), strict=False)
    is_level = e2 - e == a2 - a
    near = [(pair, _near_rows(texts, *pair, level=is_level)) for pair in pairs]
    rows: list[Row] = []
    for (e_end, a_end), pair_rows in [*filter(itemgetter(1), near), ((e2, a2), [])]:
        rows += [Row(f"-{_shown(texts.expected[n])}", n, a, 1, 0) for n in range(e, e_end)]
        rows += [Row(f"+{_shown(texts.actual[n])}", e_end, n, 0, 1) for n in range(a, a_end)]
        rows += pair_rows
        e, a = e_end + 1, a_end + 1
    return [row._replace(task=task) for row in rows]


def _near_rows(texts: Texts, e: int, a: int, *, level: bool) -> list[Row]:
    """Two lines that are nearly one, with what differs in them; nothing when they are not."""
    wanted, got = texts.expected[e], texts.actual[a]
    left, right = _shown(wanted), _shown(got)
    above = below = ""
    if look_alike(wanted, got):
        left, right = quoted(wanted, got, wanted, got)
        below = divergence(wanted, got)
    elif level and form_of(wanted) == wanted:
        above, below = _word_marks(left, right)
    if not (above or below):
        return []
    rows = [
        Row(f"-{left}", e, a, 1, 0),
        Row(f"?{above}", e + 1, a, 0, 0),
        Row(f"+{right}", e + 1, a, 0, 1),
        Row(f"?{below}", e + 1, a + 1, 0, 0),
    ]
    return [row for row in rows if row.text != "?"]


def _shown(line: str) -> str:
    """A changed line: with escapes for tabs and controls, quoted when blanks end it."""
    return repr(line) if line[-1:].isspace() else visible(line, keep="")


def _word_marks(left: str, right: str) -> tuple[str, str]:
    """Carets below the words of the second line that the first has not.

    When it has all of them, below those of the first line that are gone; none for lines that have
    little in common.
    """
    if max(len(left), len(right)) > MARKED_WIDTH or not (left.isascii() and right.isascii()):
        return "", ""  # carets stand in their columns in lines of ASCII alone
    words, others = WORDS.findall(left), WORDS.findall(right)
    start = shared_start(words, others)
    end = shared_start(words[start:][::-1], others[start:][::-1])
    first, last = len("".join(words[:start])), len("".join(words[len(words) - end :]))
    shared = left[:first] + left[len(left) - last :]
    if len(shared.strip()) < MARKED_SHARE * max(len(left.strip()), len(right.strip())):
        return "", ""
    gone, new = (" " * first + "^" * (len(line) - first - last) for line in (left, right))
    return ("", new) if new.endswith("^") else (gone, "")
