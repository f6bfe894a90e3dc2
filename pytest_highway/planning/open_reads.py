"""Reads of results and states whose name only a run knows, held to the order of the graph.

`results[variables.which]` names no result that could be checked, and `{{tasks}}` names them all.
What such a read may see is settled here all the same, from the plan and not from what happens to
have ended: a name that a task without order to the reader writes is *hidden* from the reader.

    reading a hidden name       MemoryConflict, naming both tasks
    the mapping as a whole      has what is not hidden

Fields with such reads are put behind a guard over their roots, when anything is hidden from them;
a `require` that is a function may read whatever it likes, so it counts as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar, cast

from pytest_highway.engine.outputs import Check
from pytest_highway.engine.state import MemoryConflict
from pytest_highway.expressions.closures import Reference
from pytest_highway.expressions.expression import Expression
from pytest_highway.expressions.template import Value
from pytest_highway.planning.plan import Node, Scope
from pytest_highway.planning.reads import CHECK_FIELDS, WAIT_FIELDS, Read, scopes
from pytest_highway.planning.relations import Relations, Site, meet, outwards
from pytest_highway.planning.result_reads import ResultReads

__all__ = ["guard_open_reads"]

Roots = Mapping[str, object]
Made = TypeVar("Made", Check, Value, Expression)

# The roots with the states of tasks, and all that are guarded.
STATES = ("tasks", "prev")
GUARDED = ("results", *STATES)


class Hiding(Mapping[str, object]):
    """A mapping without the names that are hidden from a reader; `hidden` says who writes them."""

    __slots__ = ("_hidden", "_reader", "_seen", "_what")

    def __init__(
        self, seen: Mapping[str, object], hidden: Mapping[str, str], reader: str, what: str
    ) -> None:
        self._seen = seen
        self._hidden = hidden
        self._reader = reader
        self._what = what

    def __getitem__(self, name: str) -> object:
        writer = self._hidden.get(name)
        if writer is not None:
            raise MemoryConflict(
                f"{self._what} {name!r}: {self._reader!r} reads what {writer!r} writes and no "
                "order holds between them; let one depend on the other"
            )
        return self._seen[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._seen if name not in self._hidden)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True)
class Guard:
    """What is hidden from one reader, by root: the names with their writers."""

    reader: str
    hidden: Mapping[str, Mapping[str, str]]

    def __call__(self, roots: Roots) -> dict[str, object]:
        """The roots as the reader may see them."""
        seen = dict(roots)
        for root, names in self.hidden.items():
            mapping = cast("Mapping[str, object]", seen[root])
            what = "the result" if root == "results" else "the state of"
            seen[root] = Hiding(mapping, names, self.reader, what)
        return seen


NOTHING = Guard("", {})


@dataclass(frozen=True, slots=True)
class GuardedValue(Value):
    """A value that is rendered behind a guard."""

    guard: Guard = NOTHING

    def render(self, roots: Roots) -> object:
        """Fresh data over what may be seen of the roots."""
        return Value.render(self, self.guard(roots))


@dataclass(frozen=True, slots=True)
class GuardedExpression(Expression):
    """An expression that is evaluated behind a guard."""

    guard: Guard = NOTHING

    def evaluate(self, roots: Roots) -> object:
        """The value over what may be seen of the roots."""
        return Expression.evaluate(self, self.guard(roots))

    def resolve(self, roots: Roots) -> tuple[str, object]:
        """The source with the values written in, and the value."""
        return Expression.resolve(self, self.guard(roots))


@dataclass(frozen=True, slots=True)
class GuardedCheck(Check):
    """A check behind a guard."""

    guard: Guard = NOTHING

    def require(self, roots: Roots) -> None:
        """Raise `PreconditionFailed` unless it holds of what may be seen."""
        Check.require(self, self.guard(roots))

    def validate(self, value: object, roots: Roots) -> None:
        """Raise `OutputInvalid` unless it holds of a value and of what may be seen."""
        Check.validate(self, value, self.guard(roots))


def _behind(kind: Callable[..., Made], held: Made, guard: Guard) -> Made:
    """The guarded form of something compiled."""
    return kind(*(getattr(held, each.name) for each in fields(held)), guard)


def guard_open_reads(
    scope: Scope, reads: Sequence[Read], results: ResultReads, relations: Relations
) -> None:
    """Put the fields of a plan with open reads behind guards, as far as anything is hidden."""
    guards = _Guards(results, relations)
    wanted: dict[tuple[Scope, Node, str], None] = {}
    for read in reads:
        if read.node is not None and read.reference.root in GUARDED and not read.reference.steps:
            wanted[read.scope, read.node, read.field] = None
    for each in scopes(scope):
        for node in each.nodes:
            if any(check.function is not None for check in node.require):
                wanted[each, node, "require"] = None
    for place, node, field in wanted:
        guard = guards.guard(place, node, field)
        if any(guard.hidden.values()):
            _put(node, field, guard)


def _put(node: Node, field: str, guard: Guard) -> None:
    if field in CHECK_FIELDS:
        checks = tuple(_behind(GuardedCheck, each, guard) for each in getattr(node, field))
        setattr(node, field, checks)
    elif node.wait is not None and field in WAIT_FIELDS:
        held = _guarded(getattr(node.wait, field), guard)
        node.wait = replace(node.wait, **{field: held})  # type: ignore[arg-type]  # of its own type
    else:
        setattr(node, field, _guarded(getattr(node, field), guard))


def _guarded(held: Value | Expression, guard: Guard) -> Value | Expression:
    if isinstance(held, Value):
        return _behind(GuardedValue, held, guard)
    return _behind(GuardedExpression, held, guard)


class _Guards:
    """What is hidden from whom."""

    def __init__(self, results: ResultReads, relations: Relations) -> None:
        self._results = results
        self._relations = relations

    def guard(self, scope: Scope, node: Node, field: str) -> Guard:
        """The guard of one reader."""
        read = Read(scope, node, field, (), Reference("results", (), 0))
        states = dict(self._hidden_states(Site(scope, node)))
        return Guard(
            node.id, {"results": dict(self._hidden_results(read)), "tasks": states, "prev": states}
        )

    def _hidden_results(self, read: Read) -> Iterator[tuple[str, str]]:
        keys = dict.fromkeys(
            key for found in self._results.writers.visible(read.scope) for key in found
        )
        for key in keys:
            unordered = self._results.outlook(read, key).unordered
            if unordered:
                yield key, unordered[0].node.id

    def _hidden_states(self, reader: Site) -> Iterator[tuple[str, str]]:
        seen: set[str] = set()
        for site in _tasks_seen(reader.scope):
            name = site.node.id
            if name in seen:
                continue
            seen.add(name)
            scope, other, own = meet(site, reader)
            precedes = self._relations.precedes
            if other != own and not precedes(scope, other, own) and not precedes(scope, own, other):
                yield name, name


def _tasks_seen(scope: Scope) -> Iterator[Site]:
    """The tasks whose states a scope sees, from the inside out, with what a `while` leaves."""
    place: Scope | None = scope
    while place is not None:
        yield from (Site(place, node) for node in place.nodes)
        for node in place.nodes:
            if node.kind == "while" and node.body is not None:
                yield from _left_behind(node.body)
        place = outwards(place)[0] if place.owner is not None else None


def _left_behind(body: Scope) -> Iterator[Site]:
    for node in body.nodes:
        yield Site(body, node)
        if node.kind == "while" and node.body is not None:
            yield from _left_behind(node.body)
