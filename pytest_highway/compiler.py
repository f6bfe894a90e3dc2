"""From validated models to a plan: names become numbers, templates become closures.

    Workflow --compile_plan--> Plan

All faults that the graph and the registry show are collected here with their places: unknown
dependencies and tools, arguments that do not fit, cycles, bad targets, unreachable tasks, bad
templates. What needs the finished graph (who may read what) is in `checks`.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_highway.document import Document
from pytest_highway.errors import Diagnostic, SourceError, did_you_mean
from pytest_highway.events import Outline
from pytest_highway.expression import Expression, ExpressionError, compile_expression
from pytest_highway.graph import Graph
from pytest_highway.models import IDENTIFIER, Condition, Fallback, OperatorBase, Task, Workflow
from pytest_highway.plan import Loc, Node, Plan, Scope
from pytest_highway.template import Value, compile_data
from pytest_highway.tools import Registry

__all__ = ["compile_plan"]

# What a run may contain once it can run all of it; the compiler says so, instead of running half.
NOT_YET_KINDS = ("parallel", "foreach", "while", "wait", "workflow")
NOT_YET_TASK = ("output_schema", "validations", "require", "cache", "provides", "consumes", "env")
NOT_YET_ANY = ("lock",)
NOT_YET_TOP = ("limits", "tools", "lock")

NO_RESULT = Fallback()


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

    def compile(self) -> Plan:
        workflow = self.workflow
        self._reject_not_yet(workflow, (), NOT_YET_TOP)
        if workflow.defaults.on_failure is not None and workflow.defaults.on_failure.fallback:
            loc = ("defaults", "on_failure", "fallback")
            self.fault(loc, "a fallback serves one task, so it is no default")
        nodes = [
            self._node(number, name, model)
            for number, (name, model) in enumerate(workflow.tasks.items())
        ]
        scope = self._scope(nodes)
        output = None
        if workflow.output is not None:
            output = self._value(workflow.output, ("output",))
        return Plan(
            self.document, workflow, self.document.path, scope, len(self.registry), output
        )

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> None:
        self.faults.append(self.document.diagnostic(loc, message, key=key))

    # --- nodes -------------------------------------------------------------------------------

    def _node(self, index: int, name: str, model: OperatorBase) -> Node:
        loc: Loc = ("tasks", name)
        if not IDENTIFIER.fullmatch(name):
            message = f"{name!r} is no task id; ids match [A-Za-z_][A-Za-z0-9_-]*"
            self.fault(loc, message, key=True)
        if model.task_id is not None and model.task_id != name:
            message = f"task_id {model.task_id!r} differs from its key {name!r}"
            self.fault((*loc, "task_id"), message)
        node = Node(index, name, model.operator_type, loc, model, model.result_key or "")
        self._policies(node, model)
        node.skip_if = self._expression(model.skip_if, (*loc, "skip_if"))
        node.run_if = self._expression(model.run_if, (*loc, "run_if"))
        if isinstance(model, Task):
            self._call(node, model)
        elif isinstance(model, Condition):
            node.condition = self._expression(model.condition, (*loc, "condition"))
            if model.if_true is None and model.if_false is None:
                self.fault(loc, "a condition needs if_true, if_false or both", key=True)
        else:
            message = f"operator_type {model.operator_type!r} is not yet supported"
            self.fault((*loc, "operator_type"), message)
        return node

    def _policies(self, node: Node, model: OperatorBase) -> None:
        self._reject_not_yet(model, node.loc, NOT_YET_ANY)
        defaults = self.workflow.defaults
        node.rule = model.trigger_rule or defaults.trigger_rule or "all_live"
        node.is_finally = model.is_finally
        node.critical = model.critical or model.is_finally
        policy = model.on_failure or defaults.on_failure or NO_RESULT
        node.policy = policy.policy
        if isinstance(model, Task):
            self._reject_not_yet(model, node.loc, NOT_YET_TASK)
            self._reject_twins(model, node.loc)
            own = model.retry_policy if model.retry is None else model.retry
            node.retry = defaults.retry if own is None else own
            timeout = model.timeout
            if timeout is None and model.timeout_policy is not None:
                timeout = model.timeout_policy.timeout
            timeout = defaults.timeout if timeout is None else timeout
            bounds = [each for each in (timeout, self.workflow.max_step_duration) if each is not None]
            node.timeout = min(bounds, default=None)
        elif model.timeout is not None or model.timeout_policy is not None:
            self.fault((*node.loc, "timeout"), "a timeout holds for calls of tools only")

    def _reject_twins(self, model: Task, loc: Loc) -> None:
        """Of two names that mean the same, one would be dropped in silence."""
        for word in ("retry", "timeout"):
            if {word, f"{word}_policy"} <= model.model_fields_set:
                message = f"{word!r} and '{word}_policy' mean the same; give one of them"
                self.fault((*loc, f"{word}_policy"), message, key=True)

    def _reject_not_yet(self, model: object, loc: Loc, names: Sequence[str]) -> None:
        fields = getattr(model, "model_fields_set", ())
        for name in names:
            if name in fields:
                shown = "validate" if name == "validations" else name
                self.fault((*loc, shown), f"{shown!r} is not yet supported", key=True)

    def _call(self, node: Node, model: Task) -> None:
        loc = node.loc
        node.args = self._value(model.args, (*loc, "args"))
        node.kwargs = self._value(model.kwargs, (*loc, "kwargs"))
        node.tool = self.registry.get(model.function)
        if node.tool is None:
            near = did_you_mean(model.function, self.registry.names())
            self.fault((*loc, "function"), f"unknown tool {model.function!r}{near}")
            return
        misfit = node.tool.misfit(len(model.args), list(model.kwargs))
        if misfit:
            place = next((name for name in ("args", "kwargs") if getattr(model, name)), "function")
            self.fault((*loc, place), misfit, key=True)

    def _value(self, data: object, loc: Loc) -> Value:
        errors: list[tuple[Loc, ExpressionError]] = []
        value = compile_data(data, errors)
        for inside, error in errors:
            self.fault((*loc, *inside), error.message)
        return value

    def _expression(self, text: str | None, loc: Loc) -> Expression | None:
        if text is None:
            return None
        try:
            return compile_expression(text)
        except ExpressionError as error:
            self.fault(loc, error.message)
            return None

    # --- edges -------------------------------------------------------------------------------

    def _scope(self, nodes: list[Node]) -> Scope:
        by_id = {node.id: node for node in nodes}
        index = {node.id: node.index for node in nodes}
        scope = Scope(nodes, Graph(len(nodes)), [], by_id, index)
        implied: dict[int, list[int]] = {}
        for node in nodes:
            if isinstance(node.model, Condition):
                self._targets(scope, node, node.model, implied)
            self._fallback(scope, node)
        for node in nodes:
            self._edges(scope, node, implied.get(node.index, []))
        self._finally_edges(nodes)
        self._connect(scope)
        scope.waits = [
            len(node.upstream) + len(node.after) + (node.fallback_for is not None)
            for node in nodes
        ]
        scope.order = scope.graph.sort()
        if len(scope.order) < len(nodes):
            self._report_cycle(scope)
        else:
            self._report_unreachable(scope)
            scope.outline = tuple(
                Outline(node.id, node.kind, node.result_key)
                for node in map(nodes.__getitem__, scope.order)
            )
        return scope

    def _resolve(self, scope: Scope, name: str, loc: Loc, what: str) -> Node | None:
        node = scope.by_id.get(name)
        if node is None:
            self.fault(loc, f"unknown {what} {name!r}{did_you_mean(name, scope.by_id)}")
        return node

    def _targets(
        self, scope: Scope, node: Node, model: Condition, implied: dict[int, list[int]]
    ) -> None:
        found: list[int | None] = []
        for side in ("if_true", "if_false"):
            name = getattr(model, side)
            loc = (*node.loc, side)
            target = None if name is None else self._resolve(scope, name, loc, "condition target")
            if target is node:
                self.fault(loc, f"{node.id!r} names itself as its target")
                target = None
            if target is not None:
                implied.setdefault(target.index, []).append(node.index)
            found.append(None if target is None else target.index)
        node.targets = (found[0], found[1])

    def _fallback(self, scope: Scope, node: Node) -> None:
        model = node.model
        policy = model.on_failure
        name = model.fallback_step if policy is None else policy.fallback
        loc = (*node.loc, "fallback_step")
        if policy is not None and model.fallback_step is not None:
            self.fault(loc, "'fallback_step' and 'on_failure' exclude each other", key=True)
        if name is None:
            return
        if policy is not None:
            loc = (*node.loc, "on_failure", "fallback")
        target = self._resolve(scope, name, loc, "fallback task")
        if target is None:
            return
        if target is node:
            self.fault(loc, f"{node.id!r} names itself as its fallback")
        elif target.is_finally or isinstance(target.model, Condition):
            what = "a condition" if isinstance(target.model, Condition) else "a finally task"
            self.fault(loc, f"{name!r} is {what} and can stand in for nothing")
        elif target.fallback_for is not None:
            other = scope.nodes[target.fallback_for].id
            self.fault(loc, f"{name!r} is the fallback of {other!r} already; one task each")
        else:
            node.fallback, target.fallback_for = target.index, node.index

    def _edges(self, scope: Scope, node: Node, implied: list[int]) -> None:
        named = self._named(scope, node, "dependencies", node.model.dependencies or [])
        after = self._named(scope, node, "after", node.model.after)
        upstream = dict.fromkeys([*named, *implied])
        if node.fallback_for is not None:
            for each in implied:
                condition = scope.nodes[each]
                loc = (*condition.loc, _side(condition, node))
                self.fault(loc, f"{node.id!r} is a fallback; no condition may choose it")
            # A fallback starts when its task has failed: what it lists besides comes earlier.
            after = [each for each in [*upstream, *after] if each != node.fallback_for]
            upstream = {}
        elif node.is_finally:
            after, upstream = [*upstream, *after], {}
        node.upstream = tuple(upstream)
        node.after = tuple(each for each in dict.fromkeys(after) if each not in upstream)

    def _named(self, scope: Scope, node: Node, field: str, names: list[str]) -> list[int]:
        found = []
        for number, name in enumerate(names):
            loc = (*node.loc, field, number)
            target = self._resolve(scope, name, loc, "dependency" if field == "dependencies" else "task")
            if target is node:
                self.fault(loc, f"{node.id!r} depends on itself")
            elif target is not None and target.fallback_for not in (None, node.index):
                self.fault(loc, f"{name!r} is a fallback; nothing else may depend on it")
            elif target is not None:
                found.append(target.index)
        return found

    def _finally_edges(self, nodes: list[Node]) -> None:
        """A `finally` task that names nothing comes after all other tasks."""
        others: list[int] | None = None
        for node in nodes:
            if node.is_finally and not node.model.dependencies:
                if others is None:
                    others = [each.index for each in nodes if not _cleans_up(each, nodes)]
                node.after = tuple(dict.fromkeys([*node.after, *others]))

    def _connect(self, scope: Scope) -> None:
        for node in scope.nodes:
            for each in node.upstream:
                scope.nodes[each].downstream.append(node.index)
            for each in node.after:
                scope.nodes[each].followers.append(node.index)
            before = [*node.upstream, *node.after]
            if node.fallback_for is not None:
                before.append(node.fallback_for)
            # What depends on a task waits for the fallback that may stand in for it, too.
            for each in node.upstream + node.after:
                stand_in = scope.nodes[each].fallback
                if stand_in is not None and stand_in != node.index:
                    before.append(stand_in)
            scope.graph.place_after(node.index, list(dict.fromkeys(before)))

    # --- faults of the whole graph -----------------------------------------------------------

    def _report_cycle(self, scope: Scope) -> None:
        cycle = scope.graph.cycle(scope.order)
        nodes = [scope.nodes[each] for each in cycle]
        path = " -> ".join(node.id for node in nodes)
        for before, after in zip(nodes, nodes[1:], strict=False):
            side = _side(before, after)
            named = after.model.dependencies or []
            if side and before.id not in named:
                message = (
                    f"the target {after.id!r} is an ancestor of the condition {before.id!r} "
                    f"(cycle: {path})"
                )
                self.fault((*before.loc, side), message)
                return
        first, last = nodes[0], nodes[-2]
        field = "dependencies" if last.id in (first.model.dependencies or []) else "after"
        names = getattr(first.model, field) or []
        loc: Loc = first.loc
        if last.id in names:
            loc = (*first.loc, field, names.index(last.id))
        self.fault(loc, f"the tasks depend on each other in a cycle: {path}", key=loc == first.loc)

    def _report_unreachable(self, scope: Scope) -> None:
        name = self.workflow.start_task
        if name is None:
            return
        start = self._resolve(scope, name, ("start_task",), "start task")
        if start is None:
            return
        reached = scope.graph.descendants([start.index])
        for node in scope.nodes:
            exempt = node.is_finally or node.fallback_for is not None
            if node.index not in reached and not exempt:
                message = f"{node.id!r} cannot be reached: no path leads to it from start_task {name!r}"
                self.fault(node.loc, message, key=True)


def _cleans_up(node: Node, nodes: Sequence[Node]) -> bool:
    """Whether it is a `finally` task or stands in for one."""
    return nodes[node.index if node.fallback_for is None else node.fallback_for].is_finally


def _side(before: Node, after: Node) -> str:
    """Which side of the condition `before` names `after`, or an empty text."""
    sides = zip(("if_true", "if_false"), before.targets, strict=True)
    return next((side for side, target in sides if target == after.index), "")
