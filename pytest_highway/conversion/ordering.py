"""Who waits for whom: the dependencies of highway-dsl, brought to what our graph takes.

    on the loop or the branch around     dropped: it is waited for anyway
    on a task inside a composite         on the composite, which ends when all inside has
    on a task around a loop              handed to the loop
    on a task that was absorbed          on what absorbed it
    on a condition, behind its target    dropped: the builder puts it on every task of a side
    on what does not exist               left out, and said

Absorbed are tasks that only wait for what waits by itself here: `wait_for_parallel_branches`
behind a parallel, and the wait for the event of an activity that has ended.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from pytest_highway.conversion.made import Findings, Made, clean, ids, sequence, unique
from pytest_highway.conversion.names import Names
from pytest_highway.conversion.tree import BRANCHING, LOOPS, Op, Scope
from pytest_highway.errors import did_you_mean
from pytest_highway.planning.plan import Loc

__all__ = ["Handled", "Ordering", "targets_of"]

WAIT_FOR_BRANCHES = "tools.workflow.wait_for_parallel_branches"
_FORK = re.compile(r"\{\{\s*([\w-]+)\s*\}\}")
_COMPLETION = re.compile(r"\{\{\s*([\w-]+)\.completion_event\s*\}\}")

# An operator that hands over to a handler, and the states in which it does.
Handled = tuple[Op, tuple[str, ...]]
HANDLERS = {
    "on_success_task_id": ("success",),
    "on_failure_task_id": ("failed", "timed_out"),
}


@dataclass(slots=True)
class Ordering:
    """The order of all operators.

    `absorbed` says what stands for a task that is left out; `handled` lists, for a handler, whose
    end it handles; `handed` are dependencies of a body that its loop takes over; `followers` are
    the operators of a scope that wait for one of it.
    """

    root: Scope
    names: Names
    findings: Findings
    absorbed: dict[Op, Op] = field(default_factory=dict)
    handled: dict[Op, list[Handled]] = field(default_factory=dict)
    handed: dict[Op, list[str]] = field(default_factory=dict)
    followers: dict[tuple[Scope, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for op in self.root.walk():
            self._absorb(op)
        for op in self.root.walk():
            self._note_handlers(op)
            for name in ids(op.raw.get("dependencies")):
                self.followers.setdefault((op.scope, name), []).append(op.id)

    # --- what is left out ----------------------------------------------------------------------

    def _absorb(self, op: Op) -> None:
        source = self._waited_for(op)
        if source is None or any(op.id in targets_of(each) for each in op.scope.ops.values()):
            return
        self.absorbed[op] = source
        if op.text("result_key"):
            self.names.aliases[op.text("result_key")] = self.names.key_of(source)
        self.names.aliases[op.id] = self.names.key_of(source)

    def _waited_for(self, op: Op) -> Op | None:
        """What a task does nothing but wait for, when that waits by itself here."""
        if op.text("function") == WAIT_FOR_BRANCHES:
            first = [*sequence(op.raw.get("args")), ""][0]
            match, kinds = _FORK.fullmatch(str(first)), BRANCHING
        elif op.kind == "wait_for_event":
            match, kinds = _COMPLETION.fullmatch(op.text("event_name")), frozenset({"activity"})
        else:
            return None
        if match is None:
            return None
        written = self.names.keys.get(match[1], [])
        found = [each for each in written if each.scope is op.scope and each.kind in kinds]
        if len(found) != 1 or not {*ids(op.raw.get("dependencies"))} <= {found[0].id}:
            return None
        return None if any(op.raw.get(key) for key in HANDLERS) else found[0]

    def waiters(self, op: Op) -> list[Op]:
        """The tasks that an operator has absorbed."""
        return [each for each, source in self.absorbed.items() if source is op]

    # --- handlers ------------------------------------------------------------------------------

    def _note_handlers(self, op: Op) -> None:
        for key, states in HANDLERS.items():
            handler = op.scope.ops.get(clean(op.text(key) or "-"))
            if handler is not None and handler is not op:
                self.handled.setdefault(handler, []).append((op, states))

    def check_handlers(self, op: Op, made: Made) -> None:
        """Say which handlers of an operator are none."""
        for key in HANDLERS:
            name = op.raw.get(key)
            known = clean(name) if isinstance(name, str) and name else ""
            if name is None or (known != op.id and known in op.scope.ops):
                continue
            why = "is the task itself" if known == op.id else "does not stand beside the task"
            message = f"the handler {name!r} {why}; {key!r} is left out"
            self.findings.lost(made, op.at(key), message)

    # --- dependencies --------------------------------------------------------------------------

    def dependencies(self, op: Op, made: Made) -> list[str]:
        """What an operator waits for, by the ids that there are here."""
        handled = {each.id for each, _ in self.handled.get(op, ())}
        found: list[str] = list(self.handed.get(op, ()))
        for key in ("dependencies", "join_tasks"):
            for number, name in enumerate(sequence(op.raw.get(key))):
                at = op.at(key, number)
                if not isinstance(name, str) or not name:
                    message = f"{name!r} is no dependency, which is a text; it is left out"
                    self.findings.lost(made, at, message)
                elif clean(name) not in handled:
                    found += self._resolved(op, clean(name), made, at)
        return self.without_implied(op, unique(found))

    def without_implied(self, op: Op, names: list[str]) -> list[str]:
        """Dependencies without those on a condition that come with one behind it."""
        return [each for each in names if not self._is_implied(op, each, names)]

    def _resolved(self, op: Op, name: str, made: Made, loc: Loc) -> Iterator[str]:
        if any(name == each.id for each in op.owners()):
            return
        scope = op.scope
        source = scope.holder(name)
        if source is not None and source is not op:
            source = self.absorbed.get(source, source)
            if source is not op:
                yield source.id
            return
        outer = self._outside(op, name)
        if source is None and outer is not None:
            loop, found = outer
            if loop is None:
                yield found
            else:
                self.handed.setdefault(loop, []).append(found)
            return
        near = did_you_mean(name, scope.ops)
        what = "is the task itself" if name == op.id else f"does not exist{near}"
        self.findings.lost(made, loc, f"the dependency {name!r} {what}; it is left out")

    def _outside(self, op: Op, name: str) -> tuple[Op | None, str] | None:
        """A task around the scope, and the loop that is to wait for it; a branch sees it itself."""
        loop: Op | None = None
        for owner in op.owners():
            loop = owner if owner.kind in LOOPS else loop
            found = owner.scope.holder(name)
            if found is not None:
                return loop, self.absorbed.get(found, found).id
        return None

    def _is_implied(self, op: Op, name: str, others: list[str]) -> bool:
        """Whether a dependency on a condition comes with another, on something behind it."""
        condition = op.scope.ops.get(name)
        if condition is None or condition.kind not in ("condition", "switch"):
            return False
        targets = targets_of(condition)
        if op.id in targets:
            return False
        return any(self._leads(op.scope, other, targets, name) for other in others if other != name)

    def _leads(self, scope: Scope, start: str, targets: list[str], avoid: str) -> bool:
        """Whether a task is one of the targets, or depends on one at whatever distance."""
        seen: set[str] = {avoid}
        ahead = [start]
        while ahead:
            name = ahead.pop()
            if name in targets:
                return True
            if name not in seen and name in scope.ops:
                seen.add(name)
                ahead += ids(scope.ops[name].raw.get("dependencies"))
        return False


def targets_of(op: Op) -> list[str]:
    """The tasks that an operator chooses among."""
    if op.kind == "condition":
        found = [op.raw.get("if_true"), op.raw.get("if_false")]
    elif op.kind == "switch":
        cases = op.raw.get("cases")
        found = [*(cases.values() if isinstance(cases, dict) else ()), op.raw.get("default")]
    else:
        return []
    return unique(ids(found))
