r"""Forms: what a line that is expected stands for.

It says so by its ending:

    text            the line itself
    text (re)       a regular expression (Python's) that has to match the whole line
    text (glob)     `*` stands for any run of characters, `?` for one; `\*`, `\?` and `\\` for the
                    character itself; brackets, of which transcripts are full, are plain
    text (eq)       the text itself, whatever it looks like: `a (re) (eq)` expects `a (re)`
    ...             any number of lines, none too

The blank before the bracket belongs to the ending, so ` (eq)` expects an empty line. A pattern that
is not valid fits nothing; `form_fault` finds it before any run.

`covers` decides whether forms stand for a text. Between two `...` a run of forms may stand
anywhere, so its leftmost place is as good as any other, and no backtracking is needed.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from functools import lru_cache
from types import EllipsisType

__all__ = [
    "DOTS",
    "Form",
    "compiled",
    "covers",
    "escape_line",
    "fits",
    "form_fault",
    "form_of",
    "forms_of",
]

Form = str | re.Pattern[str] | EllipsisType

# The blank belongs to an ending: a call such as `f(re)` is plain text.
DOTS = "..."
# What a merge that was not brought to its end leaves in a text, also in one that was indented. Not
# its `=======` alone, which may well be a line that underlines another.
CONFLICT = re.compile(r"[ \t]*([<>|])\1{6} .+")
ENDINGS = (" (re)", " (glob)", " (eq)")

# What the parts of a glob become; an escaped character and all others stand for themselves.
GLOB_PART = re.compile(r"\\[*?\\]|[*?]|.", re.DOTALL)
NEVER = re.compile(r"(?!)")


def escape_line(line: str) -> str:
    """The expected line that stands for just this line, whatever it looks like."""
    is_special = line == DOTS or line.endswith(ENDINGS) or CONFLICT.fullmatch(line)
    return f"{line} (eq)" if is_special else line


def form_fault(line: str) -> str:
    """Why this expected line can stand for nothing; empty when it can."""
    if CONFLICT.fullmatch(line):
        return f"{line.strip()!r} is a conflict marker of a merge; resolve the conflict first"
    if not line.endswith(" (re)"):
        return ""
    pattern = compiled(line.removesuffix(" (re)"))
    if isinstance(pattern, re.Pattern):
        return ""
    return f"{line!r} is no regular expression ({pattern}); a line as it stands ends in ' (eq)'"


def forms_of(expected: Sequence[str]) -> list[Form]:
    """What each expected line stands for."""
    # Nearly all lines are plain text, and the first look at them has to cost next to nothing.
    return [form_of(line) if line[-1:] in (")", ".") else line for line in expected]


@lru_cache(maxsize=1024)
def form_of(line: str) -> Form:
    """What this expected line stands for; a pattern that fits nothing when it is not valid."""
    if line == DOTS:
        return ...
    if line.endswith(" (eq)"):
        return line.removesuffix(" (eq)")
    if line.endswith(" (glob)"):
        return _glob(line.removesuffix(" (glob)"))
    if line.endswith(" (re)"):
        pattern = compiled(line.removesuffix(" (re)"))
        return NEVER if isinstance(pattern, str) else pattern
    return line


def _glob(text: str) -> re.Pattern[str]:
    """A pattern whose time grows with the line times the glob, however many `*` it has.

    Each part between two `*` is taken at its leftmost place for good (an atomic group): for parts
    of fixed width there is no better one. Only the last part is tied to the end.
    """
    runs = [""]
    for part in GLOB_PART.findall(text):
        if part == "*":
            runs.append("")
        else:
            runs[-1] += "." if part == "?" else re.escape(part[-1])
    # Not `a.*b.*c`: where it fails, that tries every way to share the line out among the `*`.
    head, *inner = runs
    tail = f".*{inner.pop()}" if inner else ""
    middle = "".join(f"(?>.*?{run})" for run in inner if run)
    return re.compile(head + middle + tail, re.DOTALL)


@lru_cache(maxsize=512)
def compiled(text: str) -> re.Pattern[str] | str:
    """The regular expression, or why the text is none."""
    try:
        with warnings.catch_warnings():
            # A pattern that a later Python may read in another way is no fault of this run.
            warnings.simplefilter("ignore")
            return re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        return str(error)


def fits(form: Form, line: str) -> bool:
    """Whether this form stands for this one line; `...` fits no single line."""
    if isinstance(form, str):
        return form == line
    return form is not ... and form.fullmatch(line) is not None


def covers(forms: Sequence[Form], lines: Sequence[str]) -> bool:
    """Whether the forms, in order and without a gap, stand for exactly these lines."""
    # Equal lists hold text alone, since no pattern equals a line; this is nearly every green run.
    if forms == lines:
        return True
    runs = list(_runs(forms))
    first, last = runs[0], runs[-1]
    if len(runs) == 1:
        return len(first) == len(lines) and _fit_at(first, lines, 0)
    # The ends are fixed; what is between them is placed from the left.
    at, end = len(first), len(lines) - len(last)
    if at > end or not _fit_at(first, lines, 0) or not _fit_at(last, lines, end):
        return False
    for run in runs[1:-1]:
        place = _find(run, lines, at, end)
        if place is None:
            return False
        at = place + len(run)
    return True


def _runs(forms: Sequence[Form]) -> Iterator[Sequence[Form]]:
    """The forms, split at each `...`."""
    start = 0
    for number, form in enumerate(forms):
        if form is ...:
            yield forms[start:number]
            start = number + 1
    yield forms[start:]


def _fit_at(run: Sequence[Form], lines: Sequence[str], at: int) -> bool:
    return all(fits(form, lines[number]) for number, form in enumerate(run, at))


def _find(run: Sequence[Form], lines: Sequence[str], at: int, end: int) -> int | None:
    """The leftmost place of the run within `lines[at:end]`."""
    if not run:
        return at
    head = run[0]
    last = end - len(run)
    while at <= last:
        if isinstance(head, str):
            try:
                at = lines.index(head, at, last + 1)  # as fast as C, where most places fail
            except ValueError:
                return None
        if _fit_at(run, lines, at):
            return at
        at += 1
    return None
