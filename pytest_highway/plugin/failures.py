"""Failure texts: what a person reads when a case fails.

    file:line:column: what            the place, as an editor opens it; also pytest's summary line
      | the source line
      |     ^
        what helps: calls that were made, a stub to paste, or a diff whose sides are named

Every failing expectation has its own box, in file order; what the stubs found wrong comes first,
since the rest usually follows from it. Then come what the case is about, under `-v` the tasks with
their ends, and what to do: nothing here is said twice and nothing is said in Python's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.expectations import Failure
from pytest_highway.cases.simulation import CaseRun
from pytest_highway.cases.stubs import StubFault
from pytest_highway.planning.plan import Loc
from pytest_highway.views import RunResult

__all__ = ["CaseFailed", "FailureText", "Shown", "capped", "render_failures"]

# Lines of a diff, and of a transcript, that are shown by verbosity; above, all.
DIFF_LINES = {0: 40, 1: 200}
TRANSCRIPT_LINES = {0: 100, 1: 500}

# The first line of a finding; what stands below one is indented.
PLACED = re.compile(r"\S.*?:[0-9]+:[0-9]+: ")

# What stands behind the id of a top-level task in the path of an inner one.
INNER = re.compile(r"[/\[#.]")


class CaseFailed(AssertionError):
    """A case's expectations do not hold; the text is the whole report."""


class Terminal(Protocol):
    """What pytest hands in to write on."""

    def line(self, s: str = "", **markup: bool) -> None:
        """Write one line."""


class Place(NamedTuple):
    """Where a failure is and what it says, as pytest's summary, `--tb=line` and JUnit ask it."""

    path: str
    lineno: int
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class FailureText:
    """A failure's text as pytest takes it: it writes itself and knows its place.

    A plain text would do, and is what arrives from a worker of pytest-xdist; but of a plain text
    `--tb=line` shows 50 characters, and the summary of a CI run the whole.
    """

    text: str

    @property
    def reprcrash(self) -> Place:
        """The first line; of several findings also how many there are."""
        headline = self.text.partition("\n")[0]
        path, _, rest = headline.partition(":")
        line = rest.partition(":")[0]
        more = sum(PLACED.match(each) is not None for each in self.text.splitlines()) - 1
        message = f"{headline} (and {more} more)" if more > 0 else headline
        return Place(path, int(line) if line.isdecimal() else 1, message)

    def __str__(self) -> str:
        return self.text

    def toterminal(self, tw: Terminal) -> None:
        """Write the text, with places and the lines of diffs in colour."""
        for line in self.text.split("\n"):
            tw.line(line, **_markup(line))


def _markup(line: str) -> dict[str, bool]:
    if PLACED.match(line):
        return {"bold": True, "red": True}
    colours = {"    -": "red", "    +": "green"}
    colour = colours.get(line[:5])
    return {colour: True} if colour else {}


class Shown(NamedTuple):
    """How much is shown (pytest's verbosity), and what to do about the failure."""

    verbosity: int
    advice: str = ""


def render_failures(case: Case, run: CaseRun, failures: Sequence[Failure], how: Shown) -> str:
    """The report of a failed case, with all of its boxes."""
    limit = DIFF_LINES.get(max(how.verbosity, 0))
    parts = [_stub_box(case, fault) for fault in run.faults]
    parts += [_box(case, each.loc, each.message, each.shown(limit)) for each in failures]
    if case.model.description:
        parts.append(f"case {case.name!r}: {case.model.description}")
    if how.verbosity > 0:
        parts.append("\n".join(["tasks:", *_task_table(run.result)]))
    if any(_is_cut(each, limit) for each in failures):
        parts.append(f"all of the difference: add {'-v' if how.verbosity > 0 else '-vv'}")
    if how.advice:
        parts.append(how.advice)
    return "\n\n".join(parts)


def capped(lines: Sequence[str], verbosity: int) -> list[str]:
    """The lines of a transcript, without the middle where there are too many to read."""
    limit = TRANSCRIPT_LINES.get(max(verbosity, 0))
    if limit is None or len(lines) <= limit:
        return list(lines)
    half = limit // 2
    left_out = f"... {len(lines) - 2 * half} lines left out; all with -vv"
    return [*lines[:half], left_out, *lines[-half:]]


def _is_cut(failure: Failure, limit: int | None) -> bool:
    difference = failure.difference
    return limit is not None and difference is not None and len(difference.diff) > limit


def _box(case: Case, loc: Loc, message: str, detail: str) -> str:
    text = case.origin.fault(loc, message).render()
    if detail:
        text += "\n" + "\n".join(f"    {line}".rstrip() for line in detail.split("\n"))
    return text


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
    box = _box(case, fault.loc, headline, fault.detail)
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
