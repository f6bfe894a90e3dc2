"""Failure texts: what a person reads when a case fails.

    file:line:column: what            the place, as an editor opens it; also pytest's summary line
      | the source line
      |     ^
        what helps: calls that were made, a stub to paste, or a diff (see `matching.hunks`)

Every failing expectation has its own box, in file order; what the stubs found wrong comes first,
since the rest usually follows from it. Then come what the case is about, under `-v` the tasks with
their ends, and what to do: nothing here is said twice and nothing is said in Python's words.

How much is shown, by pytest's verbosity:

                      less than -v                     -v                      -vv
    boxes             the first, then their headlines  many of them            all
    diffs             the first hunks; rest is named   all hunks, each cut     all
    tasks             none                             many of them            all
    transcript        both ends                        more of both ends       all

When something is left out, all of it is kept in a file, and the last lines say where.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.expectations import Failure
from pytest_highway.cases.simulation import CaseRun
from pytest_highway.cases.stubs import StubFault
from pytest_highway.errors import Diagnostic, listed
from pytest_highway.matching.hunks import Hunk
from pytest_highway.matching.lines import LABELS
from pytest_highway.planning.plan import Loc
from pytest_highway.views import RunResult

__all__ = ["Shown", "capped", "render_failures"]


class Limits(NamedTuple):
    """The most that is shown: lines of a diff and of one hunk, characters of a line, and so on."""

    boxes: int
    diff: int
    hunk: int
    width: int
    tasks: int
    transcript: int


NO_LIMITS = Limits(*[sys.maxsize] * len(Limits._fields))
LIMITS = (
    Limits(boxes=20, diff=40, hunk=40, width=400, tasks=0, transcript=100),
    NO_LIMITS._replace(boxes=100, hunk=200, width=2_000, tasks=200, transcript=500),
)

# What stands behind the id of a top-level task in the path of an inner one.
INNER = re.compile(r"[/\[#.]")


class Shown(NamedTuple):
    """How much is shown (pytest's verbosity), and what to do about the failure.

    `keep` takes all of the text when some of it is not shown, and says where it is to be found.
    """

    verbosity: int
    advice: str
    keep: Callable[[str], str]


def render_failures(case: Case, run: CaseRun, failures: Sequence[Failure], how: Shown) -> str:
    """The report of a failed case, with all of its boxes."""
    report = _Report(case, run, failures, _limits(how.verbosity))
    parts = report.parts()
    if report.is_cut:
        whole = _Report(case, run, failures, NO_LIMITS).parts()
        whole.append("\n".join(["transcript:", *run.result.transcript()]))
        parts.append(how.keep("\n\n".join(whole) + "\n"))
    if how.advice:
        parts.append(how.advice)
    return "\n\n".join(parts)


def capped(lines: Sequence[str], verbosity: int) -> list[str]:
    """The lines of a transcript, without the middle where there are too many to read."""
    limit = _limits(verbosity).transcript
    if len(lines) <= limit:
        return list(lines)
    half = limit // 2
    left_out = f"... {len(lines) - 2 * half} lines left out; all with -vv"
    return [*lines[:half], left_out, *lines[-half:]]


def _limits(verbosity: int) -> Limits:
    return NO_LIMITS if verbosity > 1 else LIMITS[max(verbosity, 0)]


class _Report:
    """One rendering of a failed case; `is_cut` tells afterwards that not all of it is there."""

    def __init__(
        self, case: Case, run: CaseRun, failures: Sequence[Failure], limits: Limits
    ) -> None:
        self.case = case
        self.run = run
        self.failures = failures
        self.limits = limits
        self.is_cut = len(run.result.transcript()) > limits.transcript

    def parts(self) -> list[str]:
        """The boxes, and what the case is about."""
        boxes = [_stub_box(self.case, fault) for fault in self.run.faults]
        room = max(0, self.limits.boxes - len(boxes))
        boxes += [self._box(each) for each in self.failures[:room]]
        rest = [_finding(self.case, each).headline() for each in self.failures[room:]]
        if rest:
            self.is_cut = True
            boxes.append("\n".join(rest))
        if self.case.model.description:
            boxes.append(f"case {self.case.name!r}: {self.case.model.description}")
        if self.limits.tasks:
            table = [*_task_table(self.run.result)]
            boxes.append("\n".join(["tasks:", *self._cut(table, self.limits.tasks, "    ")]))
        return boxes

    def _box(self, failure: Failure) -> str:
        lines = failure.detail.split("\n") if failure.detail else []
        if failure.difference is not None:
            lines = [*LABELS, *self._diff(failure.difference.hunks)]
        below = [f"    {self._fitted(line)}".rstrip() for line in lines]
        return "\n".join([_finding(self.case, failure).render(), *below])

    def _diff(self, hunks: Sequence[Hunk]) -> Iterator[str]:
        """Hunks as long as there is room; of the first one at least a part; the rest by name."""
        room = self.limits.diff
        for number, hunk in enumerate(hunks):
            if number and len(hunk.lines) > room:
                self.is_cut = True
                tasks = dict.fromkeys(each.task for each in hunks[number:] if each.task)
                which = f", of {listed(list(tasks))}" if tasks else ""
                count = len(hunks) - number
                yield f"... {count} more hunk{'s' if count > 1 else ''}{which}"
                return
            yield from self._cut(hunk.lines, self.limits.hunk)
            room -= len(hunk.lines)

    def _cut(self, lines: Sequence[str], limit: int, indent: str = "") -> Iterator[str]:
        """The first lines, and how many more there are."""
        yield from lines[:limit]
        rest = len(lines) - limit
        if rest > 0:
            self.is_cut = True
            yield f"{indent}... {rest} more line{'s' if rest > 1 else ''}"

    def _fitted(self, line: str) -> str:
        rest = len(line) - self.limits.width
        if rest <= 0:
            return line
        self.is_cut = True
        return f"{line[: self.limits.width]}... {rest} more characters"


def _finding(case: Case, failure: Failure) -> Diagnostic:
    """A failure at its place; that of a transcript at the line that differs."""
    if failure.line is None:
        return case.origin.fault(failure.loc, failure.message)
    return case.origin.line_fault(failure.loc, failure.line, failure.message)


def _task_table(result: RunResult) -> Iterator[str]:
    """Every task with its end, in the order of the plan; inner tasks beside their composite."""
    place = {each.id: number for number, each in enumerate(result.started.outline)}
    paths = sorted(result.ends, key=lambda path: place.get(INNER.split(path)[0], len(place)))
    width = max(map(len, paths), default=0)
    for path in paths:
        end = result.ends[path]
        why = end.reason or str(end.fault or "").partition("\n")[0]
        yield f"    {path:{width}}  {end.status}{f' ({why})' if why else ''}"


# --- stubs to paste ------------------------------------------------------------------------------


def _stub_box(case: Case, fault: StubFault) -> str:
    """A fault of the stubs; what stands below its first line is to be pasted into the case.

    That is a whole mapping (`stubs:` and an entry below it), and it is shown indented as the file
    is. Where the case has that mapping already, only the entry is to be pasted.
    """
    headline, *pasted = fault.message.split("\n")
    box = case.origin.fault(fault.loc, headline).render()
    if fault.detail:
        box += "\n" + "\n".join(f"    {line}".rstrip() for line in fault.detail.split("\n"))
    if not pasted:
        return box
    word = pasted[0].removesuffix(":")
    indent = _indent(case, (), case.origin.raw)
    written = case.origin.raw.get(word)
    if isinstance(written, Mapping):
        indent = _indent(case, (word,), written)
        pasted = [line.strip() for line in pasted[1:]]
    return "\n".join([box, *(f"{indent}{line}" for line in pasted)])


def _indent(case: Case, loc: Loc, mapping: Mapping[str, object]) -> str:
    """The blanks before the keys of a block mapping, as its first key stands."""
    first = next(iter(mapping), None)
    if first is None:
        return " " * 4
    finding = case.origin.fault((*loc, first), "", key=True)
    before = finding.source[: finding.position.column - 1]
    return before if before.isspace() else " " * 4
