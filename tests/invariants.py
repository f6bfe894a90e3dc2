"""What holds of every run, whatever the workflow: checked on its log against its plan.

    one end        every task of a scope that was entered ends once, and nothing of it follows
    join rule      nothing starts, and so nothing is called, before what it waits for has ended
    one edge       an evaluated condition takes the edge that its value names, and no other
    states         those of an independent oracle of the language (`oracle`), scope by scope
    in flight      calls within `max_concurrency`, and those of a tool within its bulkhead
    attempts       numbered from 1, within `retry`, and as far apart as the back-off says
    progress       the run ends; one that is stuck says who waits for what
    item order     the value of a `foreach` lists its iterations in the order of the items

`check` is called on every run of the suite (see `conftest`): it takes time linear in the log.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from oracle import FAILED, Oracle, Spec

from pytest_highway.events import (
    AttemptEnded,
    BranchesSelected,
    ConditionEvaluated,
    Event,
    EventEmitted,
    HttpRequested,
    ItemsListed,
    Logged,
    MemoryWritten,
    RetryScheduled,
    RunEnded,
    RunStarted,
    ScopeEntered,
    StoodIn,
    TaskEnded,
    TaskStarted,
    ToolCalled,
    UsageAdded,
)
from pytest_highway.planning.plan import Node, Plan, Scope
from pytest_highway.reading.models import Foreach, Workflow

__all__ = ["check"]

# Tasks of a scope above which the oracle, which looks at everything at once, takes too long.
ORACLE = 40

RECORDS = (Logged, UsageAdded, MemoryWritten, EventEmitted, HttpRequested)


@dataclass(slots=True)
class Entered:
    """One entry into a scope; `prefix` begins the paths of its tasks."""

    prefix: str
    scope: Scope
    workflow: Workflow
    owner: str = ""
    number: int = 0


@dataclass(slots=True)
class Account:
    """What a log says, sorted by task; `place` is an event's number in the log."""

    nodes: dict[str, tuple[Entered, Node]] = field(default_factory=dict)
    scopes: list[Entered] = field(default_factory=list)
    started: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)
    ends: dict[str, TaskEnded] = field(default_factory=dict)
    replaced: dict[str, TaskEnded] = field(default_factory=dict)
    chosen: dict[str, ConditionEvaluated] = field(default_factory=dict)
    selected: dict[str, BranchesSelected] = field(default_factory=dict)
    inside: dict[str, list[Entered]] = field(default_factory=lambda: defaultdict(list))
    items: dict[str, int] = field(default_factory=dict)
    attempts: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))

    def enter(self, entered: Entered) -> None:
        """Note the tasks of a scope."""
        self.scopes.append(entered)
        self.inside[entered.owner].append(entered)
        for node in entered.scope.nodes:
            self.nodes[entered.prefix + node.id] = (entered, node)


def check(plan: Plan, log: Sequence[Event], *, resumed: bool = False) -> None:
    """Hold the log of a whole run of a plan against all of it.

    Of one that was `resumed` the calls that it repeats from the log before took no slot and no time.
    """
    account = read_off(plan, log)
    check_frame(log)
    assert sorted(account.ends) == sorted(account.nodes)
    for path in account.started:
        check_start(account, path)
    for path in account.chosen:
        check_choice(account, path)
    for path, events in account.attempts.items():
        check_attempts(account, path, events)
        if not resumed:
            check_gaps(account, path, events)
    for path in account.items:
        check_items(account, path)
    for entered in account.scopes:
        check_states(account, entered)
    if not resumed:
        check_in_flight(plan, log)


def read_off(plan: Plan, log: Sequence[Event]) -> Account:
    """The account of a log; every event of a task stands before its end."""
    account = Account()
    account.enter(Entered("", plan.scope, plan.workflow))
    for place, event in enumerate(log):
        path = event.path
        if isinstance(event, ScopeEntered):
            around, owner = account.nodes[event.owner]
            assert event.owner in account.started
            assert event.owner not in account.ended
            inner = owner.nested
            scope = owner.body if inner is None else inner.scope
            workflow = around.workflow if inner is None else inner.workflow
            assert scope is not None
            account.enter(Entered(f"{path}/", scope, workflow, event.owner, event.number))
        elif isinstance(event, StoodIn):
            account.replaced[event.task] = account.ends[path]
            assert account.ends[event.task].status in FAILED
        elif path in account.nodes:
            assert path not in account.ended, event
            note(account, place, event)
    return account


def note(account: Account, place: int, event: Event) -> None:
    """One event of a task."""
    path = event.path
    if isinstance(event, TaskStarted):
        assert path not in account.started
        account.started[path] = place
    elif isinstance(event, TaskEnded):
        account.ended[path], account.ends[path] = place, event
    elif isinstance(event, ConditionEvaluated):
        assert path not in account.chosen
        account.chosen[path] = event
    elif isinstance(event, BranchesSelected):
        account.selected[path] = event
    elif isinstance(event, ItemsListed):
        account.items[path] = event.items
    elif isinstance(event, ToolCalled | AttemptEnded | RetryScheduled):
        account.attempts[path].append(event)


def check_frame(log: Sequence[Event]) -> None:
    """A run begins and ends, once, and time never goes back; a stuck one says why."""
    kinds = Counter(map(type, log))
    assert type(log[0]) is RunStarted
    assert isinstance(log[-1], RunEnded)
    assert kinds[RunStarted] == kinds[RunEnded] == 1
    # What a tool says it says when it will, and it enters the log with the end of the call.
    moments = [event.at for event in log if not isinstance(event, RECORDS)]
    assert moments == sorted(moments)
    fault = log[-1].fault
    assert (fault is None) == (log[-1].status != "failed") or log[-1].status == "cancelled"
    if fault is not None and fault.type == "Stuck":
        assert " waits " in fault.message


def check_start(account: Account, path: str) -> None:
    """What a task waits for has ended, or stood in, when it starts."""
    entered, node = account.nodes[path]
    nodes, start = entered.scope.nodes, account.started[path]

    def end_of(index: int) -> TaskEnded:
        each = entered.prefix + nodes[index].id
        assert account.ended.get(each, start) < start, (each, path)
        return account.ends[each]

    for index in (*node.upstream, *node.after):
        end, stand_in = end_of(index), nodes[index].fallback
        while end.status in FAILED and stand_in not in (None, node.index):
            assert stand_in is not None
            end, stand_in = end_of(stand_in), nodes[stand_in].fallback
    for index in node.starts:
        around = entered.prefix + nodes[index].id
        # One that was turned away has only an end, and may have a member that is chosen instead.
        assert account.started.get(around, account.ended[around]) < start
    if node.fallback_for is not None:
        assert end_of(node.fallback_for).status in FAILED


def check_choice(account: Account, path: str) -> None:
    """The target is that of the side which the value names; the other one is not taken."""
    entered, node = account.nodes[path]
    event, nodes = account.chosen[path], entered.scope.nodes
    target = node.targets[0 if event.value else 1]
    assert event.side == ("if_true" if event.value else "if_false")
    assert event.target == ("" if target is None else nodes[target].id)
    assert account.ends[path].status in ("success", "cancelled", "timed_out")


def check_attempts(account: Account, path: str, events: Sequence[Event]) -> None:
    """Their numbers, and how many there may be."""
    _, node = account.nodes[path]
    retry = node.retry
    most = 1 if retry is None else 1 + retry.max_retries
    calls = [each for each in events if isinstance(each, ToolCalled)]
    assert path in account.started
    assert [each.attempt for each in calls] == sorted({each.attempt for each in calls})
    assert all(1 <= each.attempt <= most for each in calls)
    assert account.ends[path].attempts <= most


def check_gaps(account: Account, path: str, events: Sequence[Event]) -> None:
    """The delay before each further attempt is that of the back-off, and passes."""
    retry = account.nodes[path][1].retry
    failed_at, due_at = 0.0, 0.0
    for each in events:
        if isinstance(each, AttemptEnded):
            failed_at = each.at
        elif isinstance(each, RetryScheduled):
            assert retry is not None
            assert each.delay == retry.pause(each.attempt - 1)
            due_at = failed_at + each.delay
        elif isinstance(each, ToolCalled):
            assert round(each.at - due_at, 5) >= 0


def check_items(account: Account, path: str) -> None:
    """A list of one value for each item, made of what its iteration wrote."""
    _, node = account.nodes[path]
    iterations, end = account.inside.get(path, []), account.ends[path]
    numbers = [each.number for each in iterations]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) <= account.items[path]
    assert isinstance(node.model, Foreach)
    if end.status != "success":
        return
    assert isinstance(end.value, list)
    assert len(end.value) == len(numbers) == account.items[path]
    for each, value in zip(iterations, end.value, strict=True):
        if isinstance(value, dict) and "error" in value:
            continue
        written = dict(results_of(account, each))
        collect = node.model.collect
        assert value == (written if collect is None else written.get(collect))


def results_of(account: Account, entered: Entered) -> Iterator[tuple[str, object]]:
    """What one iteration wrote, with what each `while` in it did, in the order of writing."""
    found: list[tuple[int, str, object]] = []
    todo = [entered]
    while todo:
        each = todo.pop()
        for node in each.scope.nodes:
            path = each.prefix + node.id
            end = account.ends[path]
            stand_in = account.replaced.get(path)
            if node.result_key and end.status == "success":
                found.append((account.ended[path], node.result_key, end.value))
            elif node.result_key and stand_in is not None:
                found.append((account.ended[stand_in.path], node.result_key, stand_in.value))
            if node.kind == "while":
                todo += account.inside.get(path, [])
    for _, key, value in sorted(found, key=lambda one: one[0]):
        yield key, value


# --- states --------------------------------------------------------------------------------------


def check_states(account: Account, entered: Entered) -> None:
    """The states of a scope that nothing stopped are those that the language says."""
    nodes = entered.scope.nodes
    ends = {node.id: account.ends[entered.prefix + node.id] for node in nodes}
    # A fallback of a fallback is no part of what the oracle knows.
    chained = any(node.fallback_for is not None and node.fallback is not None for node in nodes)
    stopped = any(end.status == "cancelled" for end in ends.values())
    if len(nodes) > ORACLE or chained or stopped:
        return
    oracle = Oracle([spec_of(account, entered, node) for node in nodes])
    assert {name: end.status for name, end in ends.items()} == oracle.states
    for node in nodes:
        if node.branches and entered.prefix + node.id in account.selected:
            check_parallel(account, entered, node, oracle)


def check_parallel(account: Account, entered: Entered, node: Node, oracle: Oracle) -> None:
    """A parallel that ended by itself has failed when a critical member has."""
    status = account.ends[entered.prefix + node.id].status
    if status == "timed_out":
        return
    members = [entered.scope.nodes[each].id for each in node.members]
    failed = any(oracle._fails_the_run(oracle.by_id[each]) for each in members)
    assert (status == "failed") == failed


def spec_of(account: Account, entered: Entered, node: Node) -> Spec:
    """A task as the oracle takes it: how it is declared, and how it ended where it ran."""
    nodes, path = entered.scope.nodes, entered.prefix + node.id
    end = account.ends[path]

    def names(indices: Sequence[int | None]) -> list[str | None]:
        return [None if each is None else nodes[each].id for each in indices]

    outcome, started = end.status, path in account.started
    if node.kind == "condition":
        event = account.chosen.get(path)
        outcome = "failed" if event is None else str(event.value).lower()
    before = [*names(node.upstream), *(names(node.after) if node.is_finally else [])]
    selected = account.selected.get(path)
    members = selected.selected if selected is not None else []
    return Spec(
        id=node.id,
        kind=node.kind if node.kind in ("condition", "parallel") else "task",
        outcome=outcome if started else "success",
        deps=tuple(each for each in before if each is not None),
        after=() if node.is_finally else tuple(str(each) for each in names(node.after)),
        rule=node.rule,
        if_true=names(node.targets)[0],
        if_false=names(node.targets)[1],
        skip_if=gate(end, "skip_if", started=started, skips=True),
        run_if=gate(end, "run_if", started=started, skips=False),
        policy=node.policy,
        fallback=names([node.fallback])[0],
        critical=node.critical,
        is_finally=node.is_finally,
        selected=None
        if selected is None
        else tuple(nodes[each].id for name in members for each in node.branches[name]),
        parallel=None if node.member_of is None else nodes[node.member_of[0]].id,
    )


def gate(end: TaskEnded, word: str, *, started: bool, skips: bool) -> bool | str | None:
    """What a gate said, as far as the end of its task tells."""
    if not started and end.status == "skipped" and end.reason.startswith(f"{word}:"):
        return skips
    fault = "" if end.fault is None else end.fault.message
    return "bad" if not started and end.status == "failed" and fault.startswith(word) else None


# --- calls in flight -----------------------------------------------------------------------------


def check_in_flight(plan: Plan, log: Sequence[Event]) -> None:
    """A call is in flight from its beginning to the end of its attempt or its task."""
    policies = plan.tool_policies()
    most = {name: each.max_concurrent for name, each in policies.items()}
    open_calls: dict[str, str] = {}
    by_tool: Counter[str] = Counter()
    for event in log:
        if isinstance(event, ToolCalled):
            assert event.path not in open_calls
            open_calls[event.path] = event.tool
            by_tool[event.tool] += 1
            assert len(open_calls) <= plan.workflow.max_concurrency
            bound = most.get(event.tool)
            assert bound is None or by_tool[event.tool] <= bound
        elif isinstance(event, AttemptEnded | TaskEnded) and event.path in open_calls:
            by_tool[open_calls.pop(event.path)] -= 1
