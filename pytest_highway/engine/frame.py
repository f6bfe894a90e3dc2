"""Frames: one entry into a scope, and one running operator.

    ScopeRun         how far each node of a scope is; a loop makes one for each iteration
    ExecutionFrame   one running operator: its generator and what it waits for

What operators and engine say to each other stands in `effects`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from pytest_highway.clock import Clock, instant
from pytest_highway.engine.effects import (
    Answer,
    Enter,
    EnterFile,
    IterationEnd,
    Outcome,
    Steps,
    Unretryable,
)
from pytest_highway.engine.limits import Budget
from pytest_highway.engine.state import Actor, Layered, RunMemory, TaskStates
from pytest_highway.events import (
    Event,
    Fault,
    TaskEnded,
)
from pytest_highway.planning.plan import Node, Scope
from pytest_highway.reading.models import Workflow
from pytest_highway.secrets import SecretValues

if TYPE_CHECKING:
    from pytest_highway.engine.resuming import Resumption

# Runners and stub books take calls and give answers; they need nothing else of `effects`.
__all__ = [
    "Answer",
    "ExecutionFrame",
    "Problem",
    "RunServices",
    "ScopeRun",
    "Unretryable",
]


class Problem(NamedTuple):
    """An edge that is not live: `kind` is dead, failed or cancelled, `source` where it starts.

    `killers` are the nodes that decided against a dead edge; see `rules`.
    """

    source: int
    kind: str
    killers: tuple[int, ...] = ()


class RunServices:
    """What lives as long as a run and is shared by all of its calls.

    `env` is what the world puts over the environments that files declare; `cache` holds results by
    key, each with the moment until which it holds; `breached` tells that a limit was passed, so
    that nothing is retried any more; `passing` are exceptions of tools that end the run; `secrets`
    is told of each environment and each file's roots; `resumption` is what an earlier run has done.
    """

    __slots__ = (
        "breached",
        "cache",
        "clock",
        "env",
        "log",
        "memory",
        "now",
        "passing",
        "resources",
        "resumption",
        "secrets",
    )

    def __init__(
        self, log: list[Event], memory: RunMemory, env: Mapping[str, str], clock: Clock
    ) -> None:
        self.log = log
        self.env = env
        self.passing: tuple[type[BaseException], ...] = ()
        self.breached = False
        self.cache: dict[str, tuple[float, object]] = {}
        self.memory = memory
        self.resources: MutableMapping[str, object] = {}
        self.clock = clock
        self.now = clock.now
        self.secrets: SecretValues | None = None
        self.resumption: Resumption | None = None

    def environment(self, workflow: Workflow) -> dict[str, str]:
        """The environment that a file's templates and tools see: only what it declares."""
        return {name: self.env.get(name, value) for name, value in workflow.env.items()}


class ScopeRun:
    """One entry into a scope: how far each of its nodes is.

    `waiting[n]` counts the upstreams of node n that have not ended; `problems[n]` lists its edges
    that are not live; `ends[n]` is its end, or None; `chosen[c]` is the node that condition c took;
    `selected[p]` are the members that parallel p started, `ran[p]` their branches and `open[p]` how
    many of all its members have not ended; `replaced` holds the failed nodes that a fallback stands
    in for. `key` orders runs by their place; `parent` is the frame of the loop or the nested
    workflow and `number` that of the iteration; `budgets` are those of the files around it that
    have limits, from the inside out; `is_sound` tells that every task so far succeeded or was
    skipped, so that nobody need look for faults.
    """

    __slots__ = (
        "budgets",
        "chosen",
        "ends",
        "frames",
        "is_sound",
        "key",
        "left",
        "number",
        "open",
        "own_results",
        "parent",
        "prefix",
        "problems",
        "ran",
        "replaced",
        "roots",
        "scope",
        "selected",
        "states",
        "waiting",
    )

    def __init__(
        self, scope: Scope, roots: Mapping[str, object], around: TaskStates | None = None
    ) -> None:
        self.scope = scope
        self.prefix = ""
        self.key: tuple[int, ...] = ()
        self.parent: ExecutionFrame | None = None
        self.number = 0
        self.budgets: tuple[Budget, ...] = ()
        self.waiting = list(scope.waits)
        self.problems: dict[int, list[Problem]] = {}
        self.ends: list[TaskEnded | None] = [None] * len(scope.nodes)
        self.chosen: dict[int, int | None] = {}
        self.selected: dict[int, frozenset[int]] = {}
        self.ran: dict[int, list[str]] = {each: [] for each in scope.ends}
        self.open: dict[int, int] = {}
        self.frames: dict[int, ExecutionFrame] = {}
        self.replaced: set[int] = set()
        self.left = len(scope.nodes)
        self.is_sound = True
        self.own_results: MutableMapping[str, object] = {}
        self.states = states = TaskStates(scope.by_id, self.ends, self.ran, around)
        self.roots = {"results": self.own_results, **roots, "tasks": states, "prev": states}

    @classmethod
    def of_iteration(cls, frame: ExecutionFrame, enter: Enter) -> ScopeRun:
        """One iteration of a loop's body.

        The results of a `while` are those of its surroundings; a `foreach` sees them behind its
        own.
        """
        outer, node = frame.run, frame.node
        assert node.body is not None
        run = cls(node.body, {**outer.roots, **enter.roots}, outer.states)
        run._place(frame, enter.part, enter.number)
        if enter.shares_results:
            run.own_results = outer.own_results
            run.states.before = outer.states.kept
        else:
            run.roots["results"] = Layered(run.own_results, outer.results)
        return run

    @classmethod
    def of_file(cls, frame: ExecutionFrame, enter: EnterFile) -> ScopeRun:
        """The scope of a nested workflow, which sees nothing of its surroundings."""
        nested = frame.node.nested
        assert nested is not None
        run = cls(nested.scope, enter.roots)
        run._place(frame, "", 0)
        return run

    def _place(self, frame: ExecutionFrame, part: str, number: int) -> None:
        self.prefix = f"{frame.path}{part}/"
        self.key = (*frame.run.key, frame.node.index, number)
        self.parent = frame
        self.number = number
        self.budgets = frame.run.budgets

    @property
    def results(self) -> Mapping[str, object]:
        """Results by key, as templates see them."""
        found = self.roots["results"]
        assert isinstance(found, Mapping)
        return found

    def path(self, node: Node) -> str:
        """The path of a node in this run."""
        return self.prefix + node.id

    def actor(self, node: Node) -> Actor:
        """The node as a user of memory."""
        return Actor(self.prefix + node.id, self, node.index, node.result_is_read)

    def value_of(self, node: Node) -> TaskEnded | None:
        """The success that gave a node its result: its own, or that of what stands in for it."""
        end = self.ends[node.index]
        while node.index in self.replaced:
            assert node.fallback is not None
            node = self.scope.nodes[node.fallback]
            end = self.ends[node.index]
        return end if end is not None and end.status == "success" else None


class Entered:
    """The scopes that a frame has entered: iterations, or a nested workflow.

    `open` are those that run, by number, `done` the ends that the frame has not joined yet,
    `failed` their faults by number.
    """

    __slots__ = ("done", "failed", "open")

    def __init__(self) -> None:
        self.open: dict[int, ScopeRun] = {}
        self.done: deque[IterationEnd] = deque()
        self.failed: dict[int, Fault] = {}

    def first_failure(self) -> Fault | None:
        """The fault of the first scope that failed, by its number."""
        return self.failed[min(self.failed)] if self.failed else None


# Of frames that have entered nothing, as most never do; nobody writes into it.
NOTHING_ENTERED = Entered()


class ExecutionFrame:
    """One running operator.

    `pending` is what it waits for, if anything: a late answer to something else is dropped.
    `stopped` is how it ends, once its iterations have, when it was stopped; `locks` names the locks
    that it holds.
    """

    __slots__ = (
        "attempts",
        "entered",
        "locks",
        "node",
        "path",
        "pending",
        "run",
        "services",
        "steps",
        "stopped",
    )

    def __init__(
        self,
        run: ScopeRun,
        node: Node,
        steps: Callable[[ExecutionFrame], Steps],
        services: RunServices,
    ) -> None:
        self.run = run
        self.services = services
        self.node = node
        self.path = run.prefix + node.id
        self.attempts = 0
        self.pending: object = None
        self.locks: tuple[str, ...] = ()
        self.entered = NOTHING_ENTERED
        self.stopped: Outcome | None = None
        self.steps = steps(self)

    @property
    def roots(self) -> dict[str, object]:
        """What expressions of this node may read."""
        return self.run.roots

    def actor(self) -> Actor:
        """The node as a user of memory."""
        return self.run.actor(self.node)

    def enter(self, run: ScopeRun) -> None:
        """Keep a scope that it has entered."""
        if self.entered is NOTHING_ENTERED:
            self.entered = Entered()
        self.entered.open[run.number] = run

    def unordered_roots(self) -> dict[str, object]:
        """The same for a wait, which may read memory that a task beside it writes."""
        self.services.memory.user = None
        return self.run.roots

    def instant(self) -> datetime:
        """The run's date and time."""
        return instant(self.services.clock, self.services.now())
