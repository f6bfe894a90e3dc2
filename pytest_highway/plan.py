"""The compiled workflow: what the engine runs and what every static check looks at.

A `Plan` holds one `Scope` (a graph of nodes); a loop's body is a scope of its own. A node's edges
are numbers of nodes in the same scope:

    upstream         what it waits for and is judged by (`dependencies`, a condition's targets)
    after            what it waits for only (`after`; all of a `finally` task's edges)
    fallback         the task that stands in for it; it starts when this one has failed

Nodes are numbered in declaration order; `Scope.order` is the order of printing: always the
earliest declared node whose upstreams have been printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_highway.document import Document
from pytest_highway.events import Outline
from pytest_highway.expression import Expression
from pytest_highway.graph import Graph
from pytest_highway.models import OperatorBase, Retry, Workflow
from pytest_highway.template import Value
from pytest_highway.tools import Tool

__all__ = ["Node", "Plan", "Scope"]

Loc = tuple[str | int, ...]


@dataclass(slots=True, eq=False)
class Node:
    """One operator of a scope, ready to run.

    `loc` is where its mapping stands in the document. `targets` are a condition's nodes for true
    and false. `timeout` is in seconds and already bounded by `max_step_duration`.
    """

    index: int
    id: str
    kind: str
    loc: Loc
    model: OperatorBase
    result_key: str = ""
    rule: str = "all_live"
    upstream: tuple[int, ...] = ()
    after: tuple[int, ...] = ()
    downstream: list[int] = field(default_factory=list)
    followers: list[int] = field(default_factory=list)
    targets: tuple[int | None, int | None] = (None, None)
    is_finally: bool = False
    critical: bool = True
    policy: str = "skip_dependents"
    fallback: int | None = None
    fallback_for: int | None = None
    retry: Retry | None = None
    timeout: float | None = None
    skip_if: Expression | None = None
    run_if: Expression | None = None
    condition: Expression | None = None
    tool: Tool | None = None
    args: Value | None = None
    kwargs: Value | None = None
    result_is_read: bool = False


@dataclass(slots=True, eq=False)
class Scope:
    """A graph of nodes that is entered as a whole: the workflow itself or a loop's body.

    `waits[n]` counts what node n waits for; a fallback also waits for its task to fail.
    """

    nodes: list[Node]
    graph: Graph
    order: list[int]
    by_id: dict[str, Node]
    index: dict[str, int]
    waits: list[int] = field(default_factory=list)
    outline: tuple[Outline, ...] = ()

    def roots(self) -> list[Node]:
        """The nodes that wait for nothing."""
        return [node for node, count in zip(self.nodes, self.waits, strict=True) if not count]


@dataclass(slots=True, eq=False)
class Plan:
    """A whole workflow, compiled. One plan serves all cases of a file; a run never changes it."""

    document: Document
    workflow: Workflow
    file: str
    scope: Scope
    functions: int
    output: Value | None = None

    @property
    def name(self) -> str:
        """The workflow's own name."""
        return self.workflow.name

    @property
    def variables(self) -> Mapping[str, object]:
        """Declared variables with their defaults."""
        return self.workflow.variables
