"""What LANGUAGE 3 says of a small graph: the state of every task and of the run.

Written from the text of the language, not from the engine: it looks at the whole graph at once,
knows nothing of time, and takes every rule as a sentence about finished upstreams. Slow, and
meant to be read beside the text.

Readings where the text leaves room:

* A condition that was skipped as dead hands on the killers of its unexcused edges to its targets
  too, so that a join after nested conditions runs; without any, and skipped otherwise, it is the
  killer itself.
* An edge from a condition to its target that is dead in either way is excused when another
  condition has taken an edge to that target (a shared target runs when either chooses it).
* A task under an Airflow rule that was turned away hands on the killers of the edges that did so.
* A fallback's failure counts where its task's would: the run's error is the first task's.
* `skip_if` is read before `run_if`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

FAILED = ("failed", "timed_out")
BAD_GATE = "bad"


@dataclass(frozen=True, repr=False)
class Spec:
    """One task and what becomes of it when it runs.

    `outcome` is success, failed or timed_out for a task; true, false or failed for a condition. A
    parallel's `selected` are the members that it started, None when it failed before; `parallel`
    names the one whose member a task is.
    `skip_if` and `run_if` are their values, None when absent, `BAD_GATE` when they cannot be
    evaluated.
    """

    id: str
    kind: str = "task"
    outcome: str = "success"
    deps: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    rule: str = "all_live"
    if_true: str | None = None
    if_false: str | None = None
    skip_if: bool | str | None = None
    run_if: bool | str | None = None
    policy: str = "skip_dependents"
    fallback: str | None = None
    critical: bool = True
    is_finally: bool = False
    selected: tuple[str, ...] | None = None
    parallel: str | None = None

    def __repr__(self) -> str:
        told = [each for each in fields(self) if getattr(self, each.name) != each.default]
        return f"Spec({', '.join(f'{each.name}={getattr(self, each.name)!r}' for each in told)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What hypothesis shows of a counterexample: what differs from the defaults."""
        printer.text(repr(self))

    def targets(self) -> tuple[str, ...]:
        return tuple(each for each in (self.if_true, self.if_false) if each is not None)


class Edge(NamedTuple):
    """taken, live, dead or failed; a dead edge remembers who killed it."""

    source: str
    kind: str
    killers: frozenset[str] = frozenset()


class Skip(NamedTuple):
    """Why a task was skipped: dead, rule, skip_if, run_if or unneeded."""

    why: str
    killers: frozenset[str] = frozenset()


@dataclass
class Oracle:
    """The end of every task of a graph; `states` and `status` are the answer."""

    specs: Sequence[Spec]
    states: dict[str, str] = field(default_factory=dict)
    status: str = ""

    def __post_init__(self) -> None:
        self.by_id = {spec.id: spec for spec in self.specs}
        self.served = {spec.fallback: spec for spec in self.specs if spec.fallback}
        self.members = {spec.id: self._members(spec.id) for spec in self.specs}
        self.skips: dict[str, Skip] = {}
        self.chosen: dict[str, str | None] = {}
        self.started: set[str] = set()
        self.before = {spec.id: set(self._waits_for(spec)) for spec in self.specs}
        for spec in self._ordered():
            self.states[spec.id] = self._end(spec)
        self.status = self._status()

    # --- the graph -------------------------------------------------------------------------------

    def upstreams(self, spec: Spec) -> list[str]:
        """Those that a task is judged by."""
        if spec.is_finally or spec.id in self.served:
            return []
        conditions = [each.id for each in self.specs if spec.id in each.targets()]
        return list(dict.fromkeys([*spec.deps, *conditions]))

    def _members(self, parallel: str) -> list[str]:
        """The members of a parallel, and of those among them."""
        own = [each.id for each in self.specs if each.parallel == parallel]
        return [*own, *(inner for each in own for inner in self._members(each))]

    def _waits_for(self, spec: Spec) -> Iterator[str]:
        named = [*self.upstreams(spec), *spec.deps, *spec.after]
        named += [inner for each in named for inner in self.members[each]]
        if spec.parallel is not None and not spec.is_finally and spec.id not in self.served:
            yield spec.parallel
        if spec.is_finally and not spec.deps:
            named += [each.id for each in self.specs if not each.is_finally]
        yield from named
        yield from (self.by_id[each].fallback for each in named if self.by_id[each].fallback)
        if spec.id in self.served:
            yield self.served[spec.id].id

    def _ordered(self) -> list[Spec]:
        done: list[Spec] = []
        while len(done) < len(self.specs):
            ended = {spec.id for spec in done}
            ready = [
                spec
                for spec in self.specs
                if spec.id not in ended and self.before[spec.id] - {spec.id} <= ended
            ]
            assert ready, "the graph has a cycle"
            done += ready
        return done

    def ancestors(self, name: str, *, at_start: bool = False) -> set[str]:
        """All that has ended when a task has, or when it starts: directly or not."""
        found = set() if at_start else {*self.members[name]}
        todo = [name, *found]
        while todo:
            new = self.before[todo.pop()] - found
            found |= new
            todo += new
        return found

    # --- edges -----------------------------------------------------------------------------------

    def edge(self, source: Spec, target: Spec) -> Edge:
        """What the edge between two tasks became once its source ended."""
        state = self.states[source.id]
        if source.kind == "condition" and target.id in source.targets():
            return self._decided(source, target)
        if state in FAILED:
            forgiven = source.policy == "continue" or self._stood_in(source)
            return Edge(source.id, "live" if forgiven else "failed")
        if state == "upstream_failed":
            return Edge(source.id, "failed")
        if state == "skipped" and self.skips[source.id].why != "skip_if":
            return Edge(source.id, "dead", self.skips[source.id].killers)
        return Edge(source.id, "live")

    def _decided(self, source: Spec, target: Spec) -> Edge:
        """The edge from a condition to one of its targets."""
        state = self.states[source.id]
        if state == "success":
            if self.chosen[source.id] == target.id:
                return Edge(source.id, "taken")
            return Edge(source.id, "dead", frozenset({source.id}))
        if state == "skipped":
            skip = self.skips[source.id]
            handed = skip.killers if skip.why == "dead" else frozenset()
            return Edge(source.id, "dead", handed or frozenset({source.id}))
        return Edge(source.id, "failed")

    def _start_edge(self, spec: Spec) -> Edge | None:
        """The edge from the start of a parallel to a member."""
        if spec.parallel is None or spec.is_finally or spec.id in self.served:
            return None
        parallel = self.by_id[spec.parallel]
        name, state = parallel.id, self.states[parallel.id]
        if state == "skipped":
            skip = self.skips[name]
            handed = skip.killers if skip.why == "dead" else frozenset()
            return Edge(name, "dead", handed or frozenset({name}))
        if name not in self.started or parallel.selected is None:
            return Edge(name, "failed")
        if spec.id in parallel.selected:
            return Edge(name, "live")
        return Edge(name, "dead", frozenset({name}))

    def _stood_in(self, spec: Spec) -> bool:
        return spec.fallback is not None and self.states[spec.fallback] == "success"

    # --- a task ----------------------------------------------------------------------------------

    def _end(self, spec: Spec) -> str:
        if spec.id in self.served and self.states[self.served[spec.id].id] not in FAILED:
            return self._skipped(spec, Skip("unneeded"))
        edges = [self.edge(self.by_id[each], spec) for each in self.upstreams(spec)]
        judged = self._judged(spec, edges, self._start_edge(spec))
        if judged:
            return judged
        if spec.skip_if is True:
            return self._skipped(spec, Skip("skip_if"))
        if spec.skip_if == BAD_GATE:
            return "failed"
        if spec.run_if is False:
            return self._skipped(spec, Skip("run_if", frozenset({spec.id})))
        if spec.run_if == BAD_GATE:
            return "failed"
        if spec.kind == "condition" and spec.outcome != "failed":
            self.chosen[spec.id] = spec.if_true if spec.outcome == "true" else spec.if_false
            return "success"
        self.started.add(spec.id)
        return spec.outcome

    def _judged(self, spec: Spec, edges: Sequence[Edge], start: Edge | None) -> str:
        at_start = [] if start is None else [start]
        if spec.rule == "all_live":
            return self._all_live(spec, [*at_start, *edges])
        # The edge from the start of a parallel is not counted; one that is not live turns away.
        return self._all_live(spec, at_start) or self._airflow(spec, edges)

    def _chosen_by(self, killer: str) -> tuple[str, ...]:
        """The target of a condition, the members that a parallel started."""
        chosen = self.chosen.get(killer)
        if chosen is not None:
            return (chosen,)
        return self.by_id[killer].selected or () if killer in self.started else ()

    def _skipped(self, spec: Spec, skip: Skip) -> str:
        self.skips[spec.id] = skip
        return "skipped"

    def _all_live(self, spec: Spec, edges: Sequence[Edge]) -> str:
        if any(edge.kind == "failed" for edge in edges):
            return "upstream_failed"
        live = [edge for edge in edges if edge.kind in ("live", "taken")]
        unexcused = [
            edge for edge in edges if edge.kind == "dead" and not self._excused(spec, edge, live)
        ]
        if unexcused:
            killers = frozenset().union(*(edge.killers for edge in unexcused))
            return self._skipped(spec, Skip("dead", killers))
        return ""

    def _excused(self, spec: Spec, edge: Edge, live: Sequence[Edge]) -> bool:
        if not edge.killers:
            return bool(live)
        taken = any(each.kind == "taken" for each in live)
        if taken and spec.id in self.by_id[edge.source].targets():
            return True
        arrived = {spec.id}
        for each in live:
            at_start = each.source == spec.parallel
            arrived |= {each.source} | self.ancestors(each.source, at_start=at_start)
        return any(not arrived.isdisjoint(self._chosen_by(each)) for each in edge.killers)

    def _airflow(self, spec: Spec, edges: Sequence[Edge]) -> str:
        away = [
            edge
            for edge in edges
            if edge.kind == "dead" and spec.id in self.by_id[edge.source].targets()
        ]
        if away and not any(edge.kind == "taken" for edge in edges):
            killers = frozenset().union(*(edge.killers for edge in away))
            return self._skipped(spec, Skip("dead", killers))
        state = airflow(spec.rule, [self._counted(edge) for edge in edges])
        return self._skipped(spec, Skip("rule")) if state == "skipped" else state

    def _counted(self, edge: Edge) -> str:
        """An upstream's state as Airflow would know it."""
        state = self.states[edge.source]
        if edge.kind == "dead":
            return "skipped"
        if edge.kind == "failed":
            return "upstream_failed" if state == "upstream_failed" else "failed"
        return "skipped" if state == "skipped" else "success"

    # --- the run ---------------------------------------------------------------------------------

    def _status(self) -> str:
        own = [spec for spec in self.specs if spec.parallel is None]
        return "failed" if any(map(self._fails_the_run, own)) else "success"

    def _fails_the_run(self, spec: Spec) -> bool:
        counts = spec.critical or spec.is_finally
        if spec.id in self.served:
            counts = counts and self.served[spec.id].critical
        state = self.states[spec.id]
        failed = state in FAILED and not self._stood_in(spec)
        return counts and (failed or state == "upstream_failed")


def airflow(rule: str, upstreams: Sequence[str]) -> str:
    """How Airflow ends a task with these finished upstreams: skipped, upstream_failed or "" (runs).

    Each line says what a rule asks for, and what becomes of the task when that is not so.
    """
    success, skipped = upstreams.count("success"), upstreams.count("skipped")
    failed = upstreams.count("failed") + upstreams.count("upstream_failed")
    ran = success + upstreams.count("failed")
    if not upstreams:
        return ""
    wanted: dict[str, list[tuple[bool, str]]] = {
        "all_success": [(not failed, "upstream_failed"), (not skipped, "skipped")],
        "none_failed": [(not failed, "upstream_failed")],
        "none_failed_min_one_success": [
            (not failed, "upstream_failed"),
            (success > 0, "skipped"),
        ],
        "one_success": [
            (success + failed > 0, "skipped"),
            (success > 0, "upstream_failed"),
        ],
        "all_done": [],
        "all_failed": [(not success and not skipped, "skipped")],
        "one_failed": [(failed > 0, "skipped")],
        "one_done": [(ran > 0, "skipped")],
        "none_skipped": [(not skipped, "skipped")],
        "all_skipped": [(not success and not failed, "skipped")],
        "all_done_min_one_success": [(not skipped, "skipped"), (success > 0, "upstream_failed")],
    }
    return next((state for holds, state in wanted[rule] if not holds), "")
