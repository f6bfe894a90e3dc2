"""What the tasks of a plan read and write: every reference, result key and constant memory key.

Which field of which operator holds templates is one table. A field is read while its task runs;
what a wait's `until` reads may change meanwhile.

Results live in *spaces*: the top level has one, each `foreach` body has one for an iteration, and
the body of a `while` shares the one around it. A task sees its own space and those further out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal, NamedTuple

from pytest_highway.errors import Diagnostic, did_you_mean, listed
from pytest_highway.expressions.expression import Expression, Reference
from pytest_highway.expressions.template import Value
from pytest_highway.planning.plan import Loc, Node, Plan, Scope
from pytest_highway.planning.relations import Site, outwards
from pytest_highway.reading.models import Foreach

__all__ = [
    "Access",
    "Read",
    "Writers",
    "accesses",
    "collect_reads",
    "mark_read_results",
    "result_key",
    "scopes",
    "space_of",
]

# Attributes of a node that may hold references, by its kind, each with what has them: a value or
# expression, several checks, or what a wait waits for.
FIELDS: dict[str, tuple[str, ...]] = {
    "task": ("args", "kwargs", "env", "cache_key"),
    "condition": ("condition",),
    "parallel": ("select",),
    "foreach": ("items", "key"),
    "while": ("condition",),
    "workflow": ("variables",),
}
GATES = ("skip_if", "run_if")
CHECK_FIELDS = ("require", "validate")
WAIT_FIELDS = ("value", "event", "match", "until")
# Where a field stands below its operator, if not under its own name.
PLACES: dict[str, Loc] = {
    "cache_key": ("cache", "key"),
    "value": ("wait_for",),
    "event": ("wait_for", "event"),
    "match": ("wait_for", "match"),
    "until": ("wait_for", "until"),
}

AccessKind = Literal["read", "write", "add"]
MEMORY_TOOLS: dict[str, AccessKind] = {
    "tools.memory.set": "write",
    "tools.memory.get": "read",
    "tools.memory.increment": "add",
    "tools.memory.add": "add",
}


class Read(NamedTuple):
    """One reference in one field of a task; of the workflow's `output` where `node` is None.

    `inside` is the place of its string below the field.
    """

    scope: Scope
    node: Node | None
    field: str
    inside: Loc
    reference: Reference

    @property
    def loc(self) -> Loc:
        """The place of the string in the document."""
        base = () if self.node is None else self.node.loc
        return (*base, *PLACES.get(self.field, (self.field,)), *self.inside)


class Findings:
    """Collects what is wrong with reads, in `found`."""

    def __init__(self, plan: Plan) -> None:
        self.document = plan.document
        self.found: list[Diagnostic] = []

    def fault(self, read: Read, message: str) -> None:
        """An error at a read."""
        self.found.append(self.document.diagnostic(read.loc, message))

    def warn(self, read: Read, message: str) -> None:
        """A warning at a read."""
        self.found.append(self.document.diagnostic(read.loc, message, severity="warning"))

    def unknown(self, read: Read, what: str, name: object, known: Iterable[str]) -> None:
        """An error at a read of a name that does not exist, with those that do."""
        names = list(known)
        near = did_you_mean(str(name), names)
        there = f"there are {listed(names, 12)}" if names else "there is none"
        self.fault(read, f"unknown {what} {name!r}; {there}{near}")


class Access(NamedTuple):
    """One use of a memory key that is known before the run."""

    site: Site
    kind: AccessKind
    loc: Loc


def collect_reads(plan: Plan) -> list[Read]:
    """Every reference of a plan, in declaration order; the workflow's output comes last."""
    found: list[Read] = []
    for scope in scopes(plan.scope):
        for node in scope.nodes:
            # Most nodes have nothing but arguments, so the rest is not even asked for in a loop.
            for field in FIELDS.get(node.kind, ()):
                held = getattr(node, field)
                if held is not None and held.references:
                    found += _reads(scope, node, field, held)
            if node.skip_if or node.run_if or node.require or node.validate or node.wait:
                found += _further_reads(scope, node)
    if plan.output is not None:
        found += _reads(plan.scope, None, "output", plan.output)
    return found


def _further_reads(scope: Scope, node: Node) -> Iterator[Read]:
    """The reads of gates, checks and waits."""
    for field in GATES:
        gate = getattr(node, field)
        yield from _reads(scope, node, field, gate) if gate is not None else ()
    for field in CHECK_FIELDS:
        yield from _reads_of_checks(scope, node, field)
    if node.wait is not None:
        for field in WAIT_FIELDS:
            held = getattr(node.wait, field)
            yield from _reads(scope, node, field, held) if held is not None else ()


def scopes(scope: Scope) -> Iterator[Scope]:
    """A scope and all bodies in it."""
    yield scope
    for node in scope.nodes:
        if node.body is not None:
            yield from scopes(node.body)


def _reads(scope: Scope, node: Node | None, field: str, held: Value | Expression) -> list[Read]:
    if isinstance(held, Value):
        return [Read(scope, node, field, inside, each) for inside, each in held.references]
    return [Read(scope, node, field, (), each) for each in held.references]


def _reads_of_checks(scope: Scope, node: Node, field: str) -> Iterator[Read]:
    checks = getattr(node, field)
    for number, check in enumerate(checks):
        # A single check may stand there without a list around it.
        inside: Loc = (number,) if len(checks) > 1 else ()
        # A function has no references; what it reads of the roots only a run knows.
        for each in () if check.expression is None else check.expression.references:
            yield Read(scope, node, field, inside, each)


# --- results ---------------------------------------------------------------------------------


def space_of(scope: Scope) -> Scope:
    """The scope whose results a scope's tasks write into."""
    while scope.owner is not None and scope.owner.kind == "while":
        scope, _ = outwards(scope)
    return scope


class Writers:
    """Who writes which result: `of(space)[key]` are its writers in declaration order.

    A fallback writes its task's key as well as its own.
    """

    __slots__ = ("_spaces", "_visible")

    def __init__(self, plan: Plan) -> None:
        self._spaces: dict[Scope, dict[str, list[Site]]] = {}
        self._visible: dict[Scope, list[dict[str, list[Site]]]] = {}
        for scope in scopes(plan.scope):
            found = self._spaces.setdefault(space_of(scope), {})
            for node in scope.nodes:
                if node.result_key:
                    found.setdefault(node.result_key, []).append(Site(scope, node))

    def spaces(self) -> Iterator[dict[str, list[Site]]]:
        """The writers by key, space by space."""
        return iter(self._spaces.values())

    def visible(self, scope: Scope) -> list[dict[str, list[Site]]]:
        """The writers by key in each space that a scope's tasks see, from the inside out."""
        found = self._visible.get(scope)
        if found is None:
            found = self._visible[scope] = []
            each: Scope | None = scope
            while each is not None:
                space = space_of(each)
                found.append(self._spaces[space])
                each = space.outer
        return found

    def seen_from(self, scope: Scope, key: str | None) -> list[Site]:
        """All writers of a key, or of any key, in the spaces that a scope's tasks see."""
        spaces = self.visible(scope)
        if key is not None:
            return [site for found in spaces for site in found.get(key, ())]
        return [site for found in spaces for site in chain.from_iterable(found.values())]

    def elsewhere(self, key: str) -> Site | None:
        """A writer of a key in any space."""
        return next((found[key][0] for found in self.spaces() if key in found), None)


def mark_read_results(plan: Plan, reads: list[Read], writers: Writers) -> None:
    """Set `result_is_read` on each task whose result something may look at.

    A composite whose result is read is made of the results inside it.
    """
    keys = {
        (read.scope, result_key(read.reference)): None
        for read in reads
        if read.reference.root == "results"
    }
    for scope, key in keys:
        for site in writers.seen_from(scope, key):
            site.node.result_is_read = True
            stand_in = site.node.fallback
            while stand_in is not None:
                # Its value is read under the key of the task that has failed.
                site.scope.nodes[stand_in].result_is_read = True
                stand_in = site.scope.nodes[stand_in].fallback
    if keys:
        for each in scopes(plan.scope):
            _mark_inside(each)


def _mark_inside(scope: Scope) -> None:
    """Hand on the mark from composites to what their value holds.

    Members come behind their parallel in the order, and bodies behind their scope.
    """
    for index in scope.order:
        node = scope.nodes[index]
        if not node.result_is_read:
            continue
        for member in node.members if node.branches else ():
            _mark(scope.nodes[member])
        if node.body is not None and isinstance(node.model, Foreach):
            _mark_collected(node.body, node.model.collect)


def _mark_collected(body: Scope, collect: str | None) -> None:
    for node in body.walk():
        if collect in (None, node.result_key):
            _mark(node)


def _mark(node: Node) -> None:
    if node.result_key or node.branches:
        node.result_is_read = True


def result_key(reference: Reference) -> str | None:
    """The first step of a reference, as the key of a result; None when only a run knows it."""
    return str(reference.steps[0]) if reference.steps else None


# --- memory ----------------------------------------------------------------------------------


def accesses(plan: Plan, reads: list[Read]) -> dict[str, list[Access]]:
    """The uses of each constant memory key.

    What a wait's `until` reads is left out, since a task beside it may write that. An addition
    whose result is read counts as a write: the value depends on the order.
    """
    found: dict[str, list[Access]] = {}
    for scope in scopes(plan.scope):
        for node in scope.nodes:
            kind = None if node.tool is None else MEMORY_TOOLS.get(node.tool.name)
            if kind is not None:
                _add_call(found, Site(scope, node), kind)
    for read in reads:
        if read.reference.root != "memory" or read.node is None or read.field == "until":
            continue
        key = result_key(read.reference)
        if key is not None:
            access = Access(Site(read.scope, read.node), "read", read.loc)
            found.setdefault(key, []).append(access)
    return found


def _add_call(found: dict[str, list[Access]], site: Site, kind: AccessKind) -> None:
    model, loc = site.node.model, site.node.loc
    args, kwargs = getattr(model, "args", []), getattr(model, "kwargs", {})
    key = args[0] if args else kwargs.get("key")
    if not isinstance(key, str) or "{{" in key:
        return
    if kind == "add" and site.node.result_is_read:
        kind = "write"
    place: Loc = ("args", 0) if args else ("kwargs", "key")
    found.setdefault(key, []).append(Access(site, kind, (*loc, *place)))
