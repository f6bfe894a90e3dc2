"""Static checks over a compiled plan: what a run would find wrong, found without one.

    Plan --check_plan--> findings, errors and warnings, in file order

Here every reference is held against what exists at its place, and a read of a task's state
against the order of the graph. `result_reads` does the latter for results, `conflicts` finds tasks
that get in each other's way, and `lints` what runs, but hardly as meant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from pytest_highway.errors import Diagnostic
from pytest_highway.planning.conflicts import find_conflicts
from pytest_highway.planning.lints import lint
from pytest_highway.planning.open_reads import guard_open_reads
from pytest_highway.planning.plan import Node, Plan, Scope
from pytest_highway.planning.reads import (
    Findings,
    Read,
    Writers,
    accesses,
    collect_reads,
    mark_read_results,
)
from pytest_highway.planning.relations import Relations, Site, meet, outwards
from pytest_highway.planning.result_reads import ResultReads
from pytest_highway.reading.models import Foreach

__all__ = ["check_plan"]

ROOTS = ("variables", "results", "memory", "env", "tasks", "prev")
# Where a root is to be found that does not exist everywhere.
ELSEWHERE = {
    "item": "inside the body of a foreach",
    "loop": "inside a loop body",
    "event": "in the match of a wait",
    "result": "in a task's validate",
    "params": "in a test case",
    "fixtures": "in a test case",
    "call": "in a stub",
}
# What a field of an operator may read besides.
OF_FIELDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("foreach", "key"): ("item", "loop"),
    ("while", "condition"): ("loop",),
    ("wait", "match"): ("event",),
    ("task", "validate"): ("result",),
}
STATE_FIELDS = ("status", "attempts", "error", "reason")
LOOP_FIELDS = {"foreach": ("index", "first", "last", "length"), "while": ("index", "first")}


def check_plan(plan: Plan) -> list[Diagnostic]:
    """All errors and warnings about a plan; sets `result_is_read` on its nodes."""
    reads = collect_reads(plan)
    writers = Writers(plan)
    mark_read_results(plan, reads, writers)
    relations = Relations()
    findings = Findings(plan)
    names = _NameChecker(plan, relations, findings)
    results = ResultReads(plan, writers, relations, findings)
    for read in reads:
        if names.check(read) and read.reference.root == "results":
            results.check(read)
    guard_open_reads(plan.scope, reads, results, relations)
    found = findings.found
    found += find_conflicts(plan, writers, accesses(plan, reads), relations)
    found += lint(plan, reads, writers, relations)
    return sorted(dict.fromkeys(found), key=lambda each: each.position) if found else []


class _NameChecker:
    """Holds references against what exists at their places."""

    def __init__(self, plan: Plan, relations: Relations, findings: Findings) -> None:
        self.plan = plan
        self.relations = relations
        self.findings = findings
        self._roots: dict[tuple[Scope, str, str], tuple[str, ...]] = {}

    def check(self, read: Read) -> bool:
        """Report what a reference names and does not exist; false when its root does not."""
        root = read.reference.root
        if root in ROOTS or root in self._allowed(read):
            check = OF_ROOT.get(root)
            if check is not None and read.reference.steps:
                check(self, read)
            return True
        if root in ELSEWHERE:
            self.findings.fault(read, f"{root!r} exists only {ELSEWHERE[root]}")
        else:
            self.findings.unknown(read, "root", root, self._allowed(read))
        return False

    def _allowed(self, read: Read) -> tuple[str, ...]:
        kind = "" if read.node is None else read.node.kind
        place = (read.scope, kind, read.field)
        found = self._roots.get(place)
        if found is None:
            loops = [loop.kind for loop in loops_around(read.scope)]
            extra = [*OF_FIELDS.get((kind, read.field), ())]
            extra += ["item"] * ("foreach" in loops) + ["loop"] * bool(loops)
            found = self._roots[place] = (*ROOTS, *dict.fromkeys(extra))
        return found

    # --- names ---------------------------------------------------------------------------------

    def _variable(self, read: Read) -> None:
        self._declared(read, "variable", self.plan.variables)

    def _environment(self, read: Read) -> None:
        self._declared(read, "environment variable", self.plan.workflow.env)

    def _declared(self, read: Read, what: str, known: Mapping[str, object]) -> None:
        name = read.reference.steps[0]
        if name not in known and str(name) not in known:
            self.findings.unknown(read, what, name, known)

    def _loop(self, read: Read) -> None:
        name = read.reference.steps[0]
        loops = list(loops_around(read.scope))
        if read.node is not None and "loop" in OF_FIELDS.get((read.node.kind, read.field), ()):
            loops.insert(0, read.node)
        aliases = [each.model.alias for each in loops if isinstance(each.model, Foreach)]
        known = [*LOOP_FIELDS[loops[0].kind], *(each for each in aliases if each)]
        if name not in known:
            self.findings.unknown(read, "field of the loop", name, known)

    # --- the state of a task -------------------------------------------------------------------

    def _state(self, read: Read) -> None:
        name, *rest = read.reference.steps
        site = find_task(read.scope, str(name))
        if site is None:
            self._no_such_task(read, str(name))
            return
        fields = STATE_FIELDS if site.node.kind != "parallel" else (*STATE_FIELDS, "branches")
        if rest and rest[0] not in fields:
            self.findings.unknown(read, "field of a task", rest[0], fields)
        if read.node is None:
            return
        scope, writer, reader = meet(site, Site(read.scope, read.node))
        if site.node is read.node:
            self.findings.fault(
                read, f"{site.node.id!r} reads its own state, which is known when it ended"
            )
        elif writer == reader:
            message = f"{read.node.id!r} reads the state of {site.node.id!r}, which is around it"
            self.findings.fault(read, message)
        elif not self.relations.precedes(scope, writer, reader):
            shown = f"{read.reference.root}.{name}"
            self.findings.fault(
                read,
                f"{shown!r} is read, but {site.node.id!r} need not have ended by then; add a "
                f"dependency on {scope.nodes[writer].id!r} to {scope.nodes[reader].id!r}",
            )

    def _no_such_task(self, read: Read, name: str) -> None:
        others = [each for each in self.plan.scope.walk() if name in (each.name, each.id)]
        if not others:
            known = [each for scope in scopes_around(read.scope) for each in scope.by_id]
            self.findings.unknown(read, "task", name, known)
            return
        hidden = others[0]
        if hidden.id != name:
            hint = f"an inline member stands under its path, {read.reference.root}[{hidden.id!r}]"
        else:
            hint = "it is a task of a loop's body, and the states in a body stay inside"
        self.findings.fault(read, f"no task {name!r} is seen here; {hint}")


OF_ROOT: dict[str, Callable[[_NameChecker, Read], None]] = {
    "variables": _NameChecker._variable,
    "env": _NameChecker._environment,
    "loop": _NameChecker._loop,
    "tasks": _NameChecker._state,
    "prev": _NameChecker._state,
}


def scopes_around(scope: Scope) -> Iterator[Scope]:
    """A scope and those around it, from the inside out."""
    yield scope
    while scope.owner is not None:
        scope, _ = outwards(scope)
        yield scope


def loops_around(scope: Scope) -> Iterator[Node]:
    """The loops in whose bodies a scope's tasks are, from the inside out."""
    return (each.owner for each in scopes_around(scope) if each.owner is not None)


def find_task(scope: Scope, name: str) -> Site | None:
    """The task whose state a name means in a scope."""
    for each in scopes_around(scope):
        if name in each.by_id:
            return Site(each, each.by_id[name])
    return None
