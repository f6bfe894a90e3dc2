"""What every operator that is converted needs: names, order, findings, and a few small things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pytest_highway.conversion.made import Findings, Made
from pytest_highway.conversion.names import Names
from pytest_highway.conversion.ordering import Ordering
from pytest_highway.conversion.tree import Op, Scope

__all__ = ["Body", "Extra", "Parts", "fail", "quoted"]

# Makes the operators of a scope.
Body = Callable[[Scope], list[object]]
# Operators that one needs beside it, by id.
Extra = list[tuple[str, Made]]


def fail(made: Made, message: str) -> None:
    """Make a mapping a task that fails and says why."""
    shown = message.replace("{{", "{ {")  # No value is to be pasted into it.
    made.update(function="tools.log.error", args=[shown], require="false")


@dataclass(slots=True)
class Parts:
    """What the conversion of one file shares.

    `folder` is where nested workflows are, `body` makes what is inside a composite, `taken` are the
    ids that there are.
    """

    names: Names
    ordering: Ordering
    findings: Findings
    folder: Path
    body: Body
    taken: set[str]

    def lose(self, op: Op, made: Made, key: str, message: str) -> None:
        """Stand in for an operator that cannot be carried over."""
        self.findings.lost(made, op.at(key), f"{message}; a task that fails stands in for it")
        made.pop("operator_type", None)
        fail(made, f"{op.kind} {op.id!r} was not carried over")

    def rest(self, op: Op, made: Made, *keys: str) -> dict[str, object]:
        """What is written under keys, templates rewritten."""
        return {
            key: self.names.data(op.raw[key], op, made, op.at(key)) for key in keys if key in op.raw
        }

    def free_id(self, name: str) -> str:
        """An id that no operator has."""
        number = 2
        while f"{name}_{number}" in self.taken:
            number += 1
        self.taken.add(f"{name}_{number}")
        return f"{name}_{number}"

    def condition(self, text: object, op: Op, made: Made, *keys: str | int) -> object:
        """A condition with its names written out; what is no text stays."""
        if not isinstance(text, str):
            return text
        return self.names.condition(text, op, made, op.at(*keys))


def quoted(text: str) -> str:
    """A text in single quotes, for an expression."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
