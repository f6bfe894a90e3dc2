"""Reads of results, held against the order of the graph and its branches.

A reader stands to each writer of the result in one way:

    before      the writer has ended whenever the reader starts
    earlier     an earlier iteration may have written it: both are in the body of a `while`, where
                the writer is exclusive or later, or the reader is its condition
    exclusive   never both run
    later       the writer starts when the reader has ended
    unordered   neither: luck would decide, which is an error

and needs one that is before or earlier. Where a branch may leave all of these out, or the first
iteration has none, a read without `default` is warned about.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from pytest_highway.errors import listed
from pytest_highway.planning.lints import told_choice
from pytest_highway.planning.plan import Plan, Scope
from pytest_highway.planning.reads import Findings, Read, Writers, space_of
from pytest_highway.planning.relations import Hinge, Meeting, Relations, Site, always_one, meet

__all__ = ["ResultReads"]

FEW = 4  # so many upstreams are looked through at once
MANY = 16  # so many writers of one result are first looked at as a row


class Outlook(NamedTuple):
    """How a reader stands to the writers of one result, by their way of standing to it.

    `before` holds, for each such writer, the choices without which it does not run.
    """

    before: list[tuple[Site, list[Hinge]]]
    earlier: list[Site]
    exclusive: list[Site]
    later: list[Site]
    unordered: list[Site]


class ResultReads:
    """Holds reads of results against those who write them."""

    def __init__(
        self, plan: Plan, writers: Writers, relations: Relations, findings: Findings
    ) -> None:
        self.plan = plan
        self.writers = writers
        self.relations = relations
        self.findings = findings
        self._rows: dict[tuple[Scope, str], list[Site] | None] = {}

    def check(self, read: Read) -> None:
        """Report a read whose writer need not have ended, or may leave it out."""
        if not read.reference.steps:
            return
        key = str(read.reference.steps[0])
        if self._is_plain(read, key):
            return
        outlook = self.outlook(read, key)
        if not any(outlook):
            self._unwritten(read, key)
        elif outlook.unordered or not (outlook.before or outlook.earlier):
            self._disorder(read, key, outlook)
        elif not read.reference.defaulted:
            self._may_be_missing(read, key, outlook)

    def outlook(self, read: Read, key: str) -> Outlook:
        """How a reader stands to the writers of a result."""
        outlook = Outlook([], [], [], [], [])
        for found in self.writers.visible(read.scope):
            for site in self._nearest(read, key, found.get(key, ())):
                self._place(read, site, outlook)
            # Further out only counts where what is nearer may not have been written.
            if outlook.unordered or always_one(hinges for _, hinges in outlook.before):
                break
        return outlook

    def _is_plain(self, read: Read, key: str) -> bool:
        """Whether all is well at first sight: one writer, always run and ended before.

        It is the usual case, and the reason why a file with 100,000 reads loads at once.
        """
        scope, node = read.scope, read.node
        sites = self.writers.visible(scope)[0].get(key, ())
        if len(sites) != 1 or node is None:
            return False
        writer, upstream = sites[0].node, node.upstream
        return (
            sites[0].scope is scope
            and writer.fallback is None
            and (
                (len(upstream) <= FEW and writer.index in upstream)
                or self.relations.precedes(scope, writer.index, node.index)
            )
            and not self.relations.guards(scope).held[writer.index]
        )

    def _nearest(self, read: Read, key: str, sites: Sequence[Site]) -> Sequence[Site]:
        """The writers to look at: of a row of many, those next to the reader tell all.

        Behind the last one before the reader come those without order and the first one later.
        Of those before it, all are looked at from the last that always runs.
        """
        row = self._row(key, sites) if len(sites) > MANY and read.node is not None else None
        if row is None or read.node is None:
            return sites
        scope, _, reader = meet(row[0], Site(read.scope, read.node))
        if scope is not row[0].scope:
            return sites
        precedes = self.relations.precedes
        stop = bisect_left(row, True, key=lambda each: not precedes(scope, each.node.index, reader))
        end = bisect_left(row, True, key=lambda each: precedes(scope, reader, each.node.index))
        start = max(stop - 1, 0)
        held = self.relations.guards(scope).held
        while start > 0 and held[row[start].node.index]:
            start -= 1
        return row[start : end + 1]

    def _row(self, key: str, sites: Sequence[Site]) -> list[Site] | None:
        """The writers one behind the other; None when they do not stand like that."""
        scope = sites[0].scope
        place = (scope, key)
        if place not in self._rows:
            rank = scope.graph.rank
            row = sorted(sites, key=lambda each: rank[each.node.index])
            is_row = all(each.scope is scope and each.node.fallback is None for each in row)
            is_row = is_row and all(
                self.relations.precedes(scope, one.node.index, other.node.index)
                for one, other in pairwise(row)
            )
            self._rows[place] = row if is_row else None
        return self._rows[place]

    def _place(self, read: Read, site: Site, outlook: Outlook) -> None:
        """Note in `outlook` how a reader stands to one writer."""
        if read.node is None:
            # The workflow's output is read when all tasks have ended, whatever was chosen.
            outlook.before.append((site, self.relations.hinges(site, None)))
            return
        meeting = meet(site, Site(read.scope, read.node))
        scope, writer, reader = meeting
        if read.node.index == site.node.fallback and read.scope is site.scope:
            # A fallback runs because its task has failed, and so has written nothing.
            outlook.exclusive.append(site)
        elif self.relations.precedes(scope, writer, reader):
            outlook.before.append((site, self.relations.hinges(site, meeting)))
        elif tests_body(read, site, meeting):
            outlook.earlier.append(site)
        elif self.relations.exclusive(scope, writer, reader):
            (outlook.earlier if is_while_body(scope) else outlook.exclusive).append(site)
        elif writer == reader or self.relations.precedes(scope, reader, writer):
            (outlook.earlier if is_while_body(scope) else outlook.later).append(site)
        else:
            outlook.unordered.append(site)

    def _unwritten(self, read: Read, key: str) -> None:
        hidden = self.writers.elsewhere(key)
        if hidden is None:
            known = [each for found in self.writers.visible(read.scope) for each in found]
            self.findings.unknown(read, "result", key, known)
            return
        loop = space_of(hidden.scope).owner
        assert loop is not None
        own = f"'results.{loop.result_key}'" if loop.result_key else "its own result"
        self.findings.fault(
            read,
            f"'results.{key}' is written in the body of the foreach {loop.id!r} and stays inside; "
            f"behind the loop read {own}",
        )

    def _disorder(self, read: Read, key: str, outlook: Outlook) -> None:
        assert read.node is not None
        reader, result = read.node.id, f"'results.{key}'"
        if outlook.unordered:
            site = outlook.unordered[0]
            scope, writer, inside = meet(site, Site(read.scope, read.node))
            self.findings.fault(
                read,
                f"{result} is read, but {named(outlook.unordered)}, which may write it, need not "
                f"have ended by then; add a dependency on {scope.nodes[writer].id!r} to "
                f"{scope.nodes[inside].id!r}",
            )
        elif any(site.node is read.node for site in outlook.later):
            self.findings.fault(read, f"{reader!r} reads {result}, which is its own result")
        elif outlook.later:
            message = f"{reader!r} reads {result}, which only {named(outlook.later)} writes, later"
            self.findings.fault(read, message)
        else:
            self.findings.fault(
                read,
                f"{reader!r} reads {result}, which is never there: {named(outlook.exclusive)} "
                "writes it, and only one of the two can succeed in a run",
            )

    def _may_be_missing(self, read: Read, key: str, outlook: Outlook) -> None:
        if always_one(hinges for _, hinges in outlook.before):
            return
        if len(outlook.before) > 1:
            why = f"{named([site for site, _ in outlook.before])} write it, but not on every branch"
        elif outlook.before:
            site, hinges = outlook.before[0]
            choices = " and ".join(told_choice(each) for each in hinges)
            why = f"{site.node.id!r} writes it only when {choices}"
        else:
            why = f"{named(outlook.earlier)} may not have written it in the first iteration"
        self.findings.warn(read, f"'results.{key}' may be missing: {why}; add '| default(…)'")


def named(sites: Sequence[Site]) -> str:
    """Tasks for a message."""
    return listed([each.node.id for each in sites])


def is_while_body(scope: Scope) -> bool:
    """Whether the results of one iteration are there in the next."""
    return scope.owner is not None and scope.owner.kind == "while"


def tests_body(read: Read, site: Site, meeting: Meeting) -> bool:
    """Whether a read is the condition of a `while`, and the writer in its body."""
    inside = site.scope is not meeting.scope and meeting.first == meeting.second
    return inside and read.field == "condition" and read.scope is meeting.scope
