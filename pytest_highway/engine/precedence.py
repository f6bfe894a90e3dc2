"""Who has ended whenever somebody else begins, by the plan and never by luck (LANGUAGE 1).

Memory asks this of every two accesses to one key. Both users are followed out to the scope that
they share; there their places in the graph decide, or, inside one loop, whether its iterations
come one after another.
"""

from __future__ import annotations

from typing import cast

from pytest_highway.engine.frame import ScopeRun
from pytest_highway.engine.state import Actor
from pytest_highway.reading.models import Foreach

__all__ = ["precedes"]


def precedes(earlier: Actor, later: Actor) -> bool:
    """Whether `earlier` is done with memory before `later` begins, by the plan, or both are one."""
    if earlier.path == later.path:
        return True
    for (run, before), (other, after) in zip(_chain(earlier), _chain(later), strict=False):
        if run is not other:
            assert run.parent is not None
            return run.number < other.number and _is_sequential(run)
        if before != after:
            # From where it starts, since a parallel uses memory before anything of it begins.
            return run.scope.graph.reaches(before, after)
    return True  # One is the loop around the other.


def _is_sequential(run: ScopeRun) -> bool:
    """Whether the iterations of the loop around this one come one after another."""
    assert run.parent is not None
    model = run.parent.node.model
    return not isinstance(model, Foreach) or model.max_concurrency == 1


def _chain(actor: Actor) -> list[tuple[ScopeRun, int]]:
    """The scopes around a task, from the outside in, each with the node that leads on."""
    run, node = cast("ScopeRun", actor.scope), actor.node
    found = [(run, node)]
    while (frame := run.parent) is not None:
        run, node = frame.run, frame.node.index
        found.append((run, node))
    found.reverse()
    return found
