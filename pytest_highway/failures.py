"""Failure boxes: what a person reads when a case fails.

The first line is `file:line:column: what`, which pytest puts into its summary, JUnit and
annotations. Below it stand the source line with a caret and what else helps: the calls that were
made, or a unified diff whose sides are named. Every failing expectation has its own box, in file
order; what the stubs found wrong comes first, since the rest usually follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pytest_highway.cases import Case
from pytest_highway.expectations import Failure
from pytest_highway.stubs import StubFault

__all__ = ["CaseFailed", "diff_limit", "render_failures"]

# Lines of a diff that are shown, by verbosity; above, all.
LIMITS = {0: 40, 1: 200}


class CaseFailed(AssertionError):
    """A case's expectations do not hold; the text is the whole report."""


def diff_limit(verbosity: int) -> int | None:
    """How many lines of a diff to show, None for all."""
    return LIMITS.get(max(verbosity, 0))


def render_failures(
    case: Case,
    faults: Iterable[StubFault],
    failures: Sequence[Failure],
    *,
    limit: int | None,
    hint: str = "",
) -> str:
    """The report of a failed case, with all of its boxes."""
    boxes = [_box(case, fault.loc, fault.message) for fault in faults]
    boxes += [_box(case, each.loc, each.message, each.shown(limit)) for each in failures]
    parts = list(_with_context(case, boxes))
    if hint:
        parts.append(hint)
    return "\n\n".join(parts)


def _with_context(case: Case, boxes: Sequence[str]) -> Iterator[str]:
    first, *rest = boxes
    yield first
    yield from rest
    if case.model.description:
        yield f"case {case.name!r}: {case.model.description}"


def _box(case: Case, loc: tuple[str | int, ...], message: str, detail: str = "") -> str:
    headline, _, below = message.partition("\n")
    text = case.origin.fault(loc, headline).render()
    for more in (below, detail):
        if more:
            text += "\n" + "\n".join(f"    {line}".rstrip() for line in more.split("\n"))
    return text
