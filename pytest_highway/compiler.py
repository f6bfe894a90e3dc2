"""From validated models to a plan: templates become closures, operators become nodes.

    Workflow --compile_plan--> Plan

All faults that models, templates and the registry show are collected here with their places;
`linking` adds those of the graph, `checks` those that need the finished graph (who reads what).

Bodies: a task that a loop lists by its id belongs to the body and leaves the top level; one that a
`parallel` lists stays in the parallel's own scope. Inline members of a branch are nodes of that
scope too, with the id `par.branch/task`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from pytest_highway.clock import DEFAULT_START, parse_duration, seconds_until
from pytest_highway.document import Document
from pytest_highway.errors import (
    Diagnostic,
    HighwayError,
    SourceError,
    did_you_mean,
    listed,
)
from pytest_highway.expression import Expression, ExpressionError, compile_expression
from pytest_highway.linking import Draft, Names, link
from pytest_highway.models import (
    IDENTIFIER,
    Condition,
    Fallback,
    Foreach,
    OperatorBase,
    Parallel,
    Task,
    Wait,
    While,
    Workflow,
)
from pytest_highway.outputs import compile_check, compile_schema
from pytest_highway.plan import Loc, Node, Plan, Scope, WaitSpec
from pytest_highway.template import Value, compile_data
from pytest_highway.tools import Registry

__all__ = ["compile_plan"]

Made = TypeVar("Made")

WAIT_KEYS = {"event": ("event", "match", "timeout"), "until": ("until", "every", "timeout")}


def compile_plan(
    document: Document, workflow: Workflow, registry: Registry
) -> tuple[Plan, list[Diagnostic]]:
    """The plan and the warnings about it; raises `SourceError` with all faults."""
    compiler = _Compiler(document, workflow, registry)
    plan = compiler.compile()
    if compiler.faults:
        raise SourceError(compiler.faults)
    return plan, compiler.warnings


class _Compiler:
    """The one pass over a workflow; `faults` grows as it goes."""

    def __init__(self, document: Document, workflow: Workflow, registry: Registry) -> None:
        self.document = document
        self.workflow = workflow
        self.registry = registry
        self.faults: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        # Top-level tasks that a loop's body lists, by the loop that has them.
        self.claimed: dict[str, str] = {}
        self.dropped: set[str] = set()

    def compile(self) -> Plan:
        workflow = self.workflow
        self._tool_policies()
        if workflow.defaults.on_failure is not None and workflow.defaults.on_failure.fallback:
            loc = ("defaults", "on_failure", "fallback")
            self.fault(loc, "a fallback serves one task, so it is no default")
        for name, model in workflow.tasks.items():
            self._claim(name, model, ("tasks", name), inside=None)
        draft = Draft(Scope(), workflow.start_task)
        names = Names(None)
        for name, model in workflow.tasks.items():
            if name not in self.claimed and name not in self.dropped:
                self._add(draft, names, name, model, ("tasks", name), prefix="")
        link(draft, self.fault)
        output = None
        if workflow.output is not None:
            output = self._value(workflow.output, ("output",))
        return Plan(
            self.document, workflow, self.document.path, draft.scope, len(self.registry), output
        )

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> None:
        self.faults.append(self.document.diagnostic(loc, message, key=key))

    # --- which scope a task belongs to ---------------------------------------------------------

    def _claim(self, name: str, model: OperatorBase, loc: Loc, inside: str | None) -> None:
        """Note the top-level tasks that the bodies inside `model` list; `inside` is their loop."""
        for place, entry in _entries(model):
            at = (*loc, *place)
            body = name if isinstance(model, Foreach | While) else inside
            if isinstance(entry, str):
                if body is not None:
                    self._claim_id(entry, body, at)
            else:
                if entry.task_id is not None and body is not None:
                    self._drop_twin(entry.task_id, body, at)
                self._claim(entry.task_id or "", entry, at, body)

    def _claim_id(self, name: str, loop: str, loc: Loc) -> None:
        other = self.claimed.setdefault(name, loop)
        if other != loop:
            self.fault(loc, f"{name!r} belongs to the body of {other!r} already")
        elif name in self.workflow.tasks:
            self._claim(name, self.workflow.tasks[name], ("tasks", name), inside=loop)

    def _drop_twin(self, name: str, loop: str, loc: Loc) -> None:
        """A body task written both inline and at top level counts once."""
        twin = self.workflow.tasks.get(name)
        if twin is None:
            return
        if twin.is_internal_loop_task or loop in (twin.dependencies or []):
            self.dropped.add(name)
            return
        message = (
            f"{name!r} is a task of the top level as well; they are one task only when that one "
            f"depends on {loop!r} or is marked is_internal_loop_task"
        )
        self.fault((*loc, "task_id"), message)

    # --- nodes -------------------------------------------------------------------------------

    def _add(
        self, draft: Draft, names: Names, name: str, model: OperatorBase, loc: Loc, prefix: str
    ) -> Node:
        if not IDENTIFIER.fullmatch(name):
            message = f"{name!r} is no task id; ids match [A-Za-z_][A-Za-z0-9_-]*"
            self.fault(loc, message, key=True)
        if len(loc) == 2 and model.task_id is not None and model.task_id != name:
            message = f"task_id {model.task_id!r} differs from its key {name!r}"
            self.fault((*loc, "task_id"), message)
        index = len(draft.scope.nodes)
        kind = model.operator_type
        node = Node(index, prefix + name, name, kind, loc, model, model.result_key or "")
        if name in names.local:
            self.fault(loc, f"there are two tasks {name!r} in one list", key=True)
        names.local[name] = node
        draft.add(node, names)
        self._policies(node, model)
        node.skip_if = self._expression(model.skip_if, (*loc, "skip_if"))
        node.run_if = self._expression(model.run_if, (*loc, "run_if"))
        OPERATOR_FIELDS.get(kind, _Compiler._not_yet)(self, draft, names, node)
        return node

    def _not_yet(self, _draft: Draft, _names: Names, node: Node) -> None:
        message = f"operator_type {node.kind!r} is not yet supported"
        self.fault((*node.loc, "operator_type"), message)

    def _policies(self, node: Node, model: OperatorBase) -> None:
        node.lock = model.lock
        defaults = self.workflow.defaults
        node.rule = model.trigger_rule or defaults.trigger_rule or "all_live"
        node.is_finally = model.is_finally
        node.critical = model.critical or model.is_finally
        policy = model.on_failure or defaults.on_failure or Fallback()
        node.policy = policy.policy
        timeout = model.timeout
        if timeout is None and model.timeout_policy is not None:
            timeout = model.timeout_policy.timeout
        if isinstance(model, Task):
            self._reject_twins(model, node.loc)
            own = model.retry_policy if model.retry is None else model.retry
            node.retry = defaults.retry if own is None else own
            timeout = defaults.timeout if timeout is None else timeout
            bounds = (timeout, self.workflow.max_step_duration)
            node.timeout = min((each for each in bounds if each is not None), default=None)
        elif timeout is not None:
            message = f"'timeout' holds for calls of tools and does nothing on a {node.kind}"
            self.warnings.append(
                self.document.diagnostic(
                    (*node.loc, "timeout"), message, key=True, severity="warning"
                )
            )

    def _reject_twins(self, model: Task, loc: Loc) -> None:
        """Of two names that mean the same, one would be dropped in silence."""
        for word in ("retry", "timeout"):
            if {word, f"{word}_policy"} <= model.model_fields_set:
                message = f"{word!r} and '{word}_policy' mean the same; give one of them"
                self.fault((*loc, f"{word}_policy"), message, key=True)

    def _tool_policies(self) -> None:
        for name, policy in self.workflow.tools.items():
            if name not in self.registry:
                near = did_you_mean(name, self.registry.names())
                self.fault(("tools", name), f"unknown tool {name!r}{near}", key=True)
            if policy.max_queue is not None and policy.max_concurrent is None:
                message = "'max_queue' needs 'max_concurrent'"
                self.fault(("tools", name, "max_queue"), message, key=True)

    # --- the fields of each operator -----------------------------------------------------------

    def _task(self, _draft: Draft, _names: Names, node: Node) -> None:
        model, loc = node.model, node.loc
        assert isinstance(model, Task)
        node.args = self._value(model.args, (*loc, "args"))
        node.kwargs = self._value(model.kwargs, (*loc, "kwargs"))
        node.tool = self.registry.get(model.function)
        if node.tool is None:
            near = did_you_mean(model.function, self.registry.names())
            self.fault((*loc, "function"), f"unknown tool {model.function!r}{near}")
            return
        self._around_call(node, model)
        misfit = node.tool.misfit(len(model.args), list(model.kwargs))
        if misfit:
            place = next((name for name in ("args", "kwargs") if getattr(model, name)), "function")
            self.fault((*loc, place), misfit, key=True)

    def _around_call(self, node: Node, model: Task) -> None:
        """What is looked at before and after a call."""
        if model.cache is not None:
            node.cache_key = self._value(model.cache.key, (*node.loc, "cache", "key"))
        for field, checks in (("require", model.require), ("validate", model.validations)):
            compiled = []
            for number, text in enumerate(checks):
                written = node.model.model_fields_set
                loc: Loc = (*node.loc, field)
                place = (*loc, number) if len(checks) > 1 and written else loc
                check = self._made(partial(compile_check, text), place)
                compiled += [check] if check is not None else []
            setattr(node, field, tuple(compiled))
        schema = model.output_schema
        if schema is not None:
            loc = (*node.loc, "output_schema")
            node.schema = self._made(lambda: compile_schema(schema), loc)

    def _made(self, make: Callable[[], Made], loc: Loc) -> Made | None:
        try:
            return make()
        except HighwayError as error:
            self.fault(loc, error.message if isinstance(error, ExpressionError) else str(error))
            return None

    def _condition(self, _draft: Draft, _names: Names, node: Node) -> None:
        model = node.model
        assert isinstance(model, Condition)
        node.condition = self._expression(model.condition, (*node.loc, "condition"))
        if model.if_true is None and model.if_false is None:
            self.fault(node.loc, "a condition needs if_true, if_false or both", key=True)

    def _parallel(self, draft: Draft, names: Names, node: Node) -> None:
        model = node.model
        assert isinstance(model, Parallel)
        if model.select is not None:
            node.select = self._value(model.select, (*node.loc, "select"))
        for branch, entries in model.branches.items():
            loc = (*node.loc, "branches", branch)
            prefix = f"{node.id}.{branch}/"
            inner = Names(names)
            added = self._list(draft, inner, entries, loc, prefix, by_id=names)
            draft.branches.append((node, branch, added))

    def _loop(self, draft: Draft, names: Names, node: Node) -> None:
        model = node.model
        assert isinstance(model, Foreach | While)
        if isinstance(model, Foreach):
            node.items = self._value(model.items, (*node.loc, "items"))
            node.key = self._expression(model.key, (*node.loc, "key"))
        else:
            node.condition = self._expression(model.condition, (*node.loc, "condition"))
        inner = Draft(Scope(owner=node, outer=draft.scope), loop=node.name)
        body = Names(None)
        self._list(inner, body, model.loop_body, (*node.loc, "loop_body"), "", by_id=body)
        if not model.loop_body:
            self.fault((*node.loc, "loop_body"), "the body is empty; it needs a task")
        link(inner, self.fault)
        node.body = inner.scope

    def _list(
        self,
        draft: Draft,
        names: Names,
        entries: Sequence[str | OperatorBase],
        loc: Loc,
        prefix: str,
        by_id: Names,
    ) -> list[str]:
        """Add the operators of a body or branch; returns the ids of its members, in order."""
        targets = {
            target
            for entry in entries
            if isinstance(entry, Condition)
            for target in (entry.if_true, entry.if_false)
        }
        previous: str | None = None
        members = []
        for number, entry in enumerate(entries):
            place = (*loc, number)
            if isinstance(entry, str):
                member = self._add_listed(draft, by_id, entry, place)
            elif entry.task_id is None:
                self.fault(place, "an operator in a list needs a task_id", key=True)
                continue
            else:
                node = self._add(draft, names, entry.task_id, entry, place, prefix)
                if entry.dependencies is None and previous and entry.task_id not in targets:
                    draft.implicit[node.index] = previous
                member = node.id
            members.append(member)
            previous = entry if isinstance(entry, str) else entry.task_id
        return members

    def _add_listed(self, draft: Draft, names: Names, name: str, loc: Loc) -> str:
        """A task of the top level that is listed by its id."""
        model = self.workflow.tasks.get(name)
        if model is None:
            near = did_you_mean(name, self.workflow.tasks)
            self.fault(loc, f"unknown task {name!r}{near}")
        elif draft.loop is not None and name not in names.local:
            self._add(draft, names, name, model, ("tasks", name), prefix="")
        return name

    def _wait(self, _draft: Draft, _names: Names, node: Node) -> None:
        model, loc = node.model, (*node.loc, "wait_for")
        assert isinstance(model, Wait)
        wanted = model.wait_for
        if isinstance(wanted, dict):
            node.wait = self._wait_mapping(wanted, loc)
        else:
            node.wait = WaitSpec(value=self._value(wanted, loc))
            if not (isinstance(wanted, str) and "{{" in wanted):
                self._checked(lambda: seconds_until(wanted, DEFAULT_START), loc)

    def _wait_mapping(self, wanted: dict[str, object], loc: Loc) -> WaitSpec | None:
        kind = next((word for word in WAIT_KEYS if word in wanted), None)
        if kind is None:
            self.fault(loc, "a wait names an 'event', an 'until', a duration or a time")
            return None
        for name in wanted:
            if name not in WAIT_KEYS[kind]:
                near = did_you_mean(name, WAIT_KEYS[kind])
                allowed = listed(WAIT_KEYS[kind])
                self.fault((*loc, name), f"unknown key {name!r}; allowed: {allowed}{near}", key=True)
        timeout = self._duration(wanted, "timeout", loc)
        if kind == "event":
            event = self._value(wanted["event"], (*loc, "event"))
            match = self._optional(wanted.get("match"), (*loc, "match"))
            return WaitSpec(event=event, match=match, timeout=timeout)
        every = self._duration(wanted, "every", loc)
        if not every:
            self.fault((*loc, "every"), "an 'until' needs 'every', a duration above 0", key=True)
        until = self._optional(wanted["until"], (*loc, "until"))
        return WaitSpec(until=until, every=every or 1.0, timeout=timeout)

    def _optional(self, text: object, loc: Loc) -> Expression | None:
        if text is None or isinstance(text, str):
            return self._expression(text, loc)
        self.fault(loc, f"expected an expression as text, got {text!r}")
        return None

    def _duration(self, wanted: dict[str, object], name: str, loc: Loc) -> float | None:
        if name not in wanted:
            return None
        return self._checked(lambda: parse_duration(wanted[name]), (*loc, name))

    def _checked(self, parse: Callable[[], float], loc: Loc) -> float | None:
        try:
            return parse()
        except ValueError as error:
            self.fault(loc, str(error))
            return None

    # --- templates -----------------------------------------------------------------------------

    def _value(self, data: object, loc: Loc) -> Value:
        errors: list[tuple[Loc, ExpressionError]] = []
        value = compile_data(data, errors)
        for inside, error in errors:
            self.fault((*loc, *inside), error.message)
        return value

    def _expression(self, text: str | None, loc: Loc) -> Expression | None:
        if text is None:
            return None
        return self._made(lambda: compile_expression(text), loc)


OPERATOR_FIELDS: dict[str, Callable[[_Compiler, Draft, Names, Node], None]] = {
    "task": _Compiler._task,
    "condition": _Compiler._condition,
    "parallel": _Compiler._parallel,
    "foreach": _Compiler._loop,
    "while": _Compiler._loop,
    "wait": _Compiler._wait,
}


def _entries(model: OperatorBase) -> list[tuple[Loc, str | OperatorBase]]:
    """What an operator's body or branches list, each with its place below the operator."""
    if isinstance(model, Foreach | While):
        return [(("loop_body", number), each) for number, each in enumerate(model.loop_body)]
    if isinstance(model, Parallel):
        return [
            (("branches", branch, number), each)
            for branch, entries in model.branches.items()
            for number, each in enumerate(entries)
        ]
    return []

