"""Reads of results whose writer need not have ended: highway-dsl let them race, our language errs.

Reader and writer may stand at different depths. In the innermost scope that holds both, what holds
the reader gets a dependency on what holds the writer, unless it comes after it already, or that
would close a circle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_highway.conversion.made import Findings, Made, sequence
from pytest_highway.conversion.names import Names
from pytest_highway.conversion.ordering import Ordering
from pytest_highway.conversion.tree import Op, Scope

__all__ = ["order_reads"]


def order_reads(
    made: Mapping[Op, Made], names: Names, ordering: Ordering, findings: Findings
) -> None:
    """Add the dependencies that reads of results need, and say which."""
    order = _Order(made)
    for op, keys in names.reads.items():
        for key in dict.fromkeys(keys):
            writers = [each for each in names.keys.get(key, ()) if each in made]
            pairs = [pair for each in writers if (pair := _beside(op, each)) is not None]
            if not pairs or any(order.holds(first, then) for then, first in pairs):
                continue
            then = pairs[0][0]
            for _, first in pairs:
                if not order.holds(then, first):
                    order.add(first, then)
                    message = (
                        f"{then.id!r} waits for {first.id!r} now, whose result {key!r} it reads"
                    )
                    findings.changed(then.loc, message)
            known = [str(each) for each in sequence(made[then].get("dependencies"))]
            if known:
                made[then]["dependencies"] = ordering.without_implied(then, known)


def _beside(reader: Op, writer: Op) -> tuple[Op, Op] | None:
    """What holds the reader and what holds the writer, side by side; None inside one another."""
    holders = {each.scope: each for each in (writer, *writer.owners())}
    # The top level holds both.
    each = next(each for each in (reader, *reader.owners()) if each.scope in holders)
    other = holders[each.scope]
    return None if other is each else (each, other)


@dataclass(slots=True)
class _Order:
    """Who waits for whom, scope by scope, as it has been made."""

    made: Mapping[Op, Made]
    before: dict[Scope, dict[str, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for op, each in self.made.items():
            before = self.before.setdefault(op.scope, {})
            waits = [*sequence(each.get("dependencies")), *sequence(each.get("after"))]
            before.setdefault(op.id, []).extend(str(name) for name in waits)
            for side in ("if_true", "if_false"):
                if side in each:
                    before.setdefault(str(each[side]), []).append(op.id)

    def holds(self, first: Op, then: Op) -> bool:
        """Whether one operator has ended, or been passed over, when another begins."""
        before = self.before[then.scope]
        seen: set[str] = set()
        ahead = [then.id]
        while ahead:
            for name in before.get(ahead.pop(), ()):
                if name == first.id:
                    return True
                if name not in seen:
                    seen.add(name)
                    ahead.append(name)
        return False

    def add(self, first: Op, then: Op) -> None:
        """Let one operator wait for another."""
        self.before[then.scope].setdefault(then.id, []).append(first.id)
        made = self.made[then]
        made["dependencies"] = [*sequence(made.get("dependencies")), first.id]
