"""Which scope a top-level task belongs to: its own, or the body of a loop that lists it.

A task that a loop's body lists by its id, at whatever depth, belongs to that body and leaves the
top level; one that a `parallel` of the top level lists stays there. An operator that is written
inline and at the top level as well, as the highway-dsl writes bodies, counts once: the inline one.
Of the operators in one list most follow the one before them; `aside_of` says which do not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, cast

from pytest_highway.planning.plan import Loc, ReportFault
from pytest_highway.reading.models import AnyOperator, Condition, Foreach, Parallel, While, Workflow
from pytest_highway.reading.plain_tasks import PlainTask

__all__ = ["Aside", "Claims", "aside_of", "claim_bodies"]

LOOPS = ("foreach", "while")


@dataclass(slots=True)
class Claims:
    """`owner` leads from a claimed task to its loop; `twins` are the tasks that do not count;
    `is_circular` tells that something stands inside itself.
    """

    owner: dict[str, str] = field(default_factory=dict)
    twins: set[str] = field(default_factory=set)
    is_circular: bool = False

    def __contains__(self, name: str) -> bool:
        """Whether a top-level task is none of the top level's own."""
        return name in self.owner or name in self.twins


def claim_bodies(workflow: Workflow, fault: ReportFault) -> Claims:
    """What the bodies and branches of a workflow claim."""
    claimer = _Claimer(workflow, fault)
    for name, model in workflow.tasks.items():
        if not isinstance(model, PlainTask):
            claimer.claim(name, model, ("tasks", name), (), loop=None)
    claims = claimer.claims
    for name, loc in claimer.members:
        if name in claims:
            body = claims.owner.get(name)
            where = "a loop's body" if body is None else f"the body of {body!r}"
            fault(loc, f"{name!r} belongs to {where} already")
    for name, model in workflow.tasks.items():
        if model.is_internal_loop_task and name not in claims:
            message = f"{name!r} is marked is_internal_loop_task, but no body lists it"
            fault(("tasks", name, "is_internal_loop_task"), message, key=True)
    return claims


class _Claimer:
    def __init__(self, workflow: Workflow, fault: ReportFault) -> None:
        self.workflow = workflow
        self.fault = fault
        self.claims = Claims()
        # What parallels list that stand in no loop: tasks of the top level.
        self.members: list[tuple[str, Loc]] = []

    def claim(
        self, name: str, model: AnyOperator, loc: Loc, around: tuple[str, ...], loop: str | None
    ) -> None:
        """Note what `model` lists; `around` names what it stands in, `loop` the nearest loop."""
        inside = (*around, name)
        if model.operator_type in LOOPS:
            loop = name
        for place, entry in _entries(model):
            at = (*loc, *place)
            if isinstance(entry, str):
                self._claim_id(entry, at, inside, loop)
            elif entry.task_id is not None:
                self._drop_twin(entry.task_id, at, inside)
                self.claim(entry.task_id, entry, at, inside, loop)

    def _claim_id(self, name: str, loc: Loc, around: tuple[str, ...], loop: str | None) -> None:
        if name in around:
            self.claims.is_circular = True
            self.fault(loc, f"{name!r} stands inside itself: {' -> '.join([*around, name])}")
            return
        if loop is None:
            self.members.append((name, loc))
        if loop is None or name not in self.workflow.tasks:
            return
        other = self.claims.owner.setdefault(name, loop)
        if other != loop:
            self.fault(loc, f"{name!r} belongs to the body of {other!r} already")
            return
        self.claim(name, self.workflow.tasks[name], ("tasks", name), around, loop)

    def _drop_twin(self, name: str, loc: Loc, around: tuple[str, ...]) -> None:
        twin = self.workflow.tasks.get(name)
        if twin is None:
            return
        if twin.is_internal_loop_task or any(each in (twin.dependencies or []) for each in around):
            self.claims.twins.add(name)
            return
        message = (
            f"{name!r} is a task of the top level as well; they are one task only when that one "
            f"depends on {around[-1]!r} or is marked is_internal_loop_task"
        )
        self.fault((*loc, "task_id"), message)


def _entries(model: AnyOperator) -> Iterator[tuple[Loc, str | AnyOperator]]:
    """What an operator's body or branches list, each with its place below the operator."""
    # By the word, and not by the class: the classes of models are slow to ask.
    if model.operator_type in LOOPS:
        for number, each in enumerate(cast("Foreach | While", model).loop_body):
            yield ("loop_body", number), each
    elif model.operator_type == "parallel":
        for branch, entries in cast("Parallel", model).branches.items():
            for number, each in enumerate(entries):
                yield ("branches", branch, number), each


class Aside(NamedTuple):
    """Operators of a list that do not follow the one before them, and that none follows."""

    unchained: frozenset[str]
    skipped: frozenset[str]


def aside_of(entries: Sequence[str | AnyOperator], tasks: Mapping[str, AnyOperator]) -> Aside:
    """A condition's targets follow that only; fallbacks and `finally` tasks stand beside it all."""
    targets: list[str | None] = []
    beside: list[str | None] = []
    for entry in entries:
        model = tasks.get(entry) if isinstance(entry, str) else entry
        if isinstance(model, Condition) and model is entry:
            targets += [model.if_true, model.if_false]
        if model is not None and model.is_finally:
            beside.append(entry if isinstance(entry, str) else entry.task_id)
        if model is entry:
            beside += [model.fallback_step, model.on_failure.fallback if model.on_failure else None]
    skipped = frozenset(each for each in beside if each is not None)
    return Aside(skipped | {each for each in targets if each is not None}, skipped)
