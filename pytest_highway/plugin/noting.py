"""What a failing case wants written, and what is known of how sure that is.

    failing run --wanted_of--> Wanted, plain data on the report --> update, patch, or pending

Nothing is to be written that has been seen once only. Two things decide what a run gives besides
its text: the order in which tasks that are ready at once begin, and the hash seed of the process.
A case that fails in an ordinary run is run again at once in another order, which costs next to
nothing, unless tools with effects ran. Another hash seed needs another process (see `second_run`);
our own code does not depend on it, so that matters only where code of the user's has run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypedDict

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.expectations import Failure
from pytest_highway.cases.simulation import CaseRun
from pytest_highway.editing.edit import EditRefused
from pytest_highway.plugin.rewriting import GoldenEdit, edits_of, new_golden_fault, try_edits
from pytest_highway.tools import Tool

__all__ = ["Check", "Mode", "Repeat", "Subject", "Wanted", "wanted_of"]

# What the session is asked to write: nothing, only golden files that do not exist, or all.
Mode = Literal["", "new", "all"]

BUILT_IN = "pytest_highway.toolbox."
FETCH = "tools.fetch."


class Wanted(TypedDict):
    """What a case wants written, as plain data.

    `again` is what it wanted in another order, None when it was not run again. `own` names what
    of the user's own code took part; `writes` the tools that wrote for real, for which it must not
    be run again. `seeds` tell apart the hash seeds under which it wanted this.
    """

    edits: list[GoldenEdit]
    again: list[GoldenEdit] | None
    own: list[str]
    writes: list[str]
    seeds: list[int]


class Subject(NamedTuple):
    """A case that was run, its file, the file's name in messages, and what is to be written."""

    file: Path
    shown: str
    case: Case
    mode: Mode


Check = Callable[[CaseRun], list[Failure]]
Repeat = Callable[[], tuple[CaseRun, Check]]


def wanted_of(
    subject: Subject, run: CaseRun, failures: Sequence[Failure], repeat: Repeat
) -> Wanted:
    """What a failing case wants; `repeat` runs it in another order, and gives what checks that.

    Raises `EditRefused` when no edit would mend it, and `SourceError` when a file that is to be
    written has been broken since it was read.
    """
    if run.faults:
        raise EditRefused("the stubs do not fit the run; mend them first")
    file, shown, case, mode = subject
    if mode == "new" and (why := new_golden_fault(failures)):
        raise EditRefused(why)
    edits = edits_of(file, shown, case, failures)
    if mode:
        try_edits(file, shown, edits)
    effects = [tool for tool in run.ran if _has_effects(tool, case)]
    again = None
    if not mode and not effects:
        again = _wanted_again(subject, repeat(), run, edits)
    return Wanted(
        edits=edits,
        again=again,
        own=list(_own_code(run, case)),
        writes=[tool.name for tool in effects if tool.effects == "write"],
        seeds=[hash("highway")],
    )


def _wanted_again(
    subject: Subject, again: tuple[CaseRun, Check], first: CaseRun, edits: list[GoldenEdit]
) -> list[GoldenEdit]:
    """What the case wants in another order; nothing where no edit would mend it."""
    run, check = again
    if run.faults:
        return []
    if run.result.log == first.result.log:  # nothing was ready at once: the usual case
        return edits
    try:
        return edits_of(subject.file, subject.shown, subject.case, check(run))
    except EditRefused:
        return []


def _has_effects(tool: Tool, case: Case) -> bool:
    """Whether a tool that ran for real reached the world; a request that was answered did not."""
    return tool.effects != "pure" and not (case.model.http and tool.name.startswith(FETCH))


def _own_code(run: CaseRun, case: Case) -> Iterator[str]:
    """What took part that is not ours, and may depend on the hash seed."""
    yield from (repr(tool.name) for tool in run.ran if not tool.place.startswith(BUILT_IN))
    yield from (f"fixture {name!r}" for name in case.model.fixtures)
