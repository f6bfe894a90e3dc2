"""From validated models to a plan: templates become closures, operators become nodes.

    Workflow --compile_plan--> Plan

All faults that models, templates and the registry show are collected here with their places;
`linking` adds those of the graph, `checks` those that need the finished graph (who reads what).

Bodies: a task that a loop lists by its id belongs to the body and leaves the top level (`claims`);
one that a `parallel` lists stays in the parallel's own scope. Inline members of a branch are nodes
of that scope too, with the id `par.branch/task`. The engine never reads a file: whoever compiles
hands in what loads the files of nested workflows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pytest_highway.engine.outputs import compile_schema
from pytest_highway.errors import (
    Diagnostic,
    HighwayError,
    SourceError,
    did_you_mean,
    listed,
)
from pytest_highway.planning.claims import aside_of, claim_bodies
from pytest_highway.planning.code_checks import code_faults
from pytest_highway.planning.drafts import Draft, Names
from pytest_highway.planning.fields import Fields
from pytest_highway.planning.linking import link
from pytest_highway.planning.lock_checks import lock_faults
from pytest_highway.planning.plan import Loc, Node, Plan, Scope
from pytest_highway.planning.secret_checks import secret_faults
from pytest_highway.reading.collector import collector_paused
from pytest_highway.reading.document import Document
from pytest_highway.reading.models import (
    IDENTIFIER,
    AnyOperator,
    AnyTask,
    Condition,
    Foreach,
    NestedWorkflow,
    Parallel,
    Task,
    Wait,
    While,
    Workflow,
)
from pytest_highway.reading.plain_tasks import PlainTask
from pytest_highway.reading.policies import Fallback
from pytest_highway.reading.translated import Translated
from pytest_highway.tools import Registry

__all__ = ["LoadFile", "compile_plan"]

# Tasks of a file above which the garbage collector would look at them again and again in vain.
MANY = 1_000
# What `loop` holds by itself, beside the items under the names that `as` gives them.
LOOP_FIELDS = ("index", "first", "last", "length")

# Gives the plan of a file by its name beside this one, held to a bound on attempts in seconds.
LoadFile = Callable[[str, float | None], Plan]

SKIP = Fallback()  # what follows a failure where nobody says anything else


def compile_plan(
    document: Document,
    workflow: Workflow,
    registry: Registry,
    load: LoadFile | None = None,
    longest_step: float | None = None,
) -> tuple[Plan, list[Diagnostic]]:
    """The plan and the warnings about it; raises `SourceError` with all faults.

    `load` gives the plans of nested workflows; `longest_step` is the bound that the file which
    runs this one sets to attempts, in seconds.
    """
    compiler = _Compiler(document, workflow, registry, load, longest_step)
    with collector_paused(len(workflow.tasks) > MANY):
        plan = compiler.compile()
    if compiler.faults:
        raise SourceError(compiler.faults)
    return plan, compiler.warnings


class _Compiler:
    """The one pass over a workflow; `faults` grows as it goes."""

    def __init__(
        self,
        document: Document,
        workflow: Workflow,
        registry: Registry,
        load: LoadFile | None,
        longest_step: float | None,
    ) -> None:
        self.document = document
        self.workflow = workflow
        self.registry = registry
        self.load = load
        self.fields = Fields(self.fault)
        bounds = (longest_step, workflow.max_step_duration)
        self.longest_step = min((each for each in bounds if each is not None), default=None)
        self.faults: list[Diagnostic] = []
        self.warnings: list[Diagnostic] = []
        # A plain task says nothing of policies, so all of them have the same.
        plain = PlainTask()
        self.usual = Node(0, "", "", "task", (), plain)
        self._policies(self.usual, plain)

    def compile(self) -> Plan:
        workflow = self.workflow
        self._tool_policies()
        for loc, message in secret_faults(workflow):
            self.fault(loc, message)
        if workflow.defaults.on_failure is not None and workflow.defaults.on_failure.fallback:
            place = ("defaults", "on_failure", "fallback")
            self.fault(place, "a fallback serves one task, so it is no default")
        if workflow.defaults.retry is not None and workflow.defaults.retry.retry_on:
            default = workflow.defaults.retry.retry_on
            self.fields.exceptions(default, ("defaults", "retry", "retry_on"), self.registry)
        claims = claim_bodies(workflow, self.fault)
        if claims.is_circular:
            raise SourceError(self.faults)  # There is no graph to say more about.
        draft = Draft(Scope(), workflow.start_task)
        names = Names(None)
        claimed = {*claims.owner, *claims.twins}
        for name, model in workflow.tasks.items():
            if name not in claimed:
                self._add(draft, names, name, model, ("tasks", name), prefix="")
        link(draft, self.fault)
        output = None
        if workflow.output is not None:
            output = self.fields.value(workflow.output, ("output",))
        functions = len(self.registry)
        plan = Plan(self.document, workflow, self.document.path, draft.scope, functions, output)
        for loc, message in lock_faults(plan):
            self.fault(loc, message)
        return plan

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> None:
        self.faults.append(self.document.diagnostic(loc, message, key=key))

    # --- nodes -------------------------------------------------------------------------------

    def _add(
        self, draft: Draft, names: Names, name: str, model: AnyOperator, loc: Loc, prefix: str
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
        node.is_step = isinstance(self.document, Translated)
        if name in names.local:
            self.fault(loc, f"there are two tasks {name!r} in one list", key=True)
        names.local[name] = node
        draft.add(node, names)
        self._common(node, model)
        OPERATOR_FIELDS[kind](self, draft, names, node)
        return node

    def _common(self, node: Node, model: AnyOperator) -> None:
        """The fields that every operator has."""
        if isinstance(model, PlainTask):
            usual = self.usual
            node.rule, node.policy = usual.rule, usual.policy
            node.retry, node.timeout = usual.retry, usual.timeout
            return
        self._policies(node, model)
        node.skip_if = self.fields.expression(model.skip_if, (*node.loc, "skip_if"))
        node.run_if = self.fields.expression(model.run_if, (*node.loc, "run_if"))

    def _policies(self, node: Node, model: AnyOperator) -> None:
        node.lock = model.lock
        defaults = self.workflow.defaults
        node.rule = model.trigger_rule or defaults.trigger_rule or "all_live"
        node.is_finally = model.is_finally
        node.critical = model.critical or model.is_finally
        policy = model.on_failure or defaults.on_failure or SKIP
        node.policy = "skip_dependents" if model.fallback_step else policy.policy
        self._reject_both(node, "timeout")
        node.timeout = model.timeout
        if node.timeout is None and model.timeout_policy is not None:
            node.timeout = model.timeout_policy.timeout
        if isinstance(model, AnyTask):
            self._attempts(node, model)

    def _attempts(self, node: Node, model: AnyTask) -> None:
        """How often a task is tried, and for how long: what only calls of tools have."""
        defaults = self.workflow.defaults
        self._reject_both(node, "retry")
        own = model.retry_policy if model.retry is None else model.retry
        if own is not None and own.retry_on:
            word = "retry_policy" if model.retry is None else "retry"
            self.fields.exceptions(own.retry_on, (*node.loc, word, "retry_on"), self.registry)
        node.retry = defaults.retry if own is None else own
        timeout = defaults.timeout if node.timeout is None else node.timeout
        bounds = (timeout, self.longest_step)
        node.timeout = min((each for each in bounds if each is not None), default=None)

    def _reject_both(self, node: Node, word: str) -> None:
        model = node.model
        if not isinstance(model, PlainTask) and {word, f"{word}_policy"} <= model.model_fields_set:
            message = f"{word!r} and '{word}_policy' mean the same; give one of them"
            self.fault((*node.loc, f"{word}_policy"), message, key=True)

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
        assert isinstance(model, AnyTask)
        node.args = self.fields.value(model.args, (*loc, "args"))
        node.kwargs = self.fields.value(model.kwargs, (*loc, "kwargs"))
        node.tool = self.registry.get(model.function)
        if node.tool is None:
            near = did_you_mean(model.function, self.registry.names())
            self.fault((*loc, "function"), f"unknown tool {model.function!r}{near}")
            return
        if not isinstance(model, PlainTask):
            self._around_call(node, model)
        for inside, message in code_faults(node.tool.name, model.args, model.kwargs):
            self.fault((*loc, *inside), message)
        misfit = node.tool.misfit(len(model.args), list(model.kwargs))
        if misfit:
            place = next((name for name in ("args", "kwargs") if getattr(model, name)), "function")
            self.fault((*loc, place), misfit, key=True)

    def _around_call(self, node: Node, model: Task) -> None:
        """What is looked at before and after a call."""
        if model.env:
            node.env = self.fields.value(model.env, (*node.loc, "env"))
        if model.cache is not None:
            node.cache_key = self.fields.value(model.cache.key, (*node.loc, "cache", "key"))
        if model.require:
            node.require = self.fields.checks(model.require, (*node.loc, "require"))
        if model.validations:
            node.validate = self.fields.checks(model.validations, (*node.loc, "validate"))
        schema = model.output_schema
        if schema is not None:
            place: Loc = (*node.loc, "output_schema")
            node.schema = self.fields.made(lambda: compile_schema(schema), place)

    def _condition(self, _draft: Draft, _names: Names, node: Node) -> None:
        model = node.model
        assert isinstance(model, Condition)
        node.condition = self.fields.expression(model.condition, (*node.loc, "condition"))
        if model.if_true is None and model.if_false is None:
            self.fault(node.loc, "a condition needs if_true, if_false or both", key=True)

    def _parallel(self, draft: Draft, names: Names, node: Node) -> None:
        model = node.model
        assert isinstance(model, Parallel)
        if model.select is not None:
            node.select = self.fields.value(model.select, (*node.loc, "select"))
            if node.select.constant:
                self._check_branches(model, (*node.loc, "select"))
        node.branches = {}
        for branch, entries in model.branches.items():
            loc = (*node.loc, "branches", branch)
            prefix = f"{node.id}.{branch}/"
            inner = Names(names)
            added = self._list(draft, inner, entries, loc, prefix, by_id=names)
            draft.branches.append((node, branch, added))

    def _check_branches(self, model: Parallel, loc: Loc) -> None:
        """A `select` without a template names branches that exist."""
        if not isinstance(model.select, list | str):
            self.fault(loc, f"expected a list of branch names, got {model.select!r}")
            return
        names = [model.select] if isinstance(model.select, str) else model.select
        for number, name in enumerate(names):
            if name not in list(model.branches):
                near = did_you_mean(str(name), model.branches)
                place = (*loc, number) if isinstance(model.select, list) else loc
                self.fault(place, f"unknown branch {name!r}{near}")

    def _loop(self, draft: Draft, names: Names, node: Node) -> None:
        model = node.model
        assert isinstance(model, Foreach | While)
        if isinstance(model, Foreach):
            node.items = self.fields.value(model.items, (*node.loc, "items"))
            if node.items.constant and not isinstance(model.items, list):
                self.fault((*node.loc, "items"), f"expected a list, got {model.items!r}")
            node.key = self.fields.expression(model.key, (*node.loc, "key"))
        else:
            node.condition = self.fields.expression(model.condition, (*node.loc, "condition"))
        if isinstance(model, Foreach) and model.alias is not None:
            self._check_alias(model.alias, (*node.loc, "as"))
        inner = Draft(Scope(owner=node, outer=draft.scope), loops=(node.name, *draft.loops))
        body = Names(None)
        self._list(inner, body, model.loop_body, (*node.loc, "loop_body"), "", by_id=body)
        if not model.loop_body:
            self.fault((*node.loc, "loop_body"), "the body is empty; it needs a task")
        link(inner, self.fault)
        node.body = inner.scope
        if isinstance(model, Foreach) and model.collect is not None:
            self._check_collected(node, model.collect)

    def _check_alias(self, alias: str, loc: Loc) -> None:
        if alias in LOOP_FIELDS:
            self.fault(loc, f"{alias!r} is a field of every loop; give the item another name")
        elif not IDENTIFIER.fullmatch(alias):
            self.fault(loc, f"{alias!r} is no name; names match [A-Za-z_][A-Za-z0-9_-]*")

    def _check_collected(self, node: Node, key: str) -> None:
        assert node.body is not None
        written = [each.result_key for each in node.body.written()]
        if key not in written:
            near = did_you_mean(key, written)
            known = listed(sorted({*written} - {""}))
            message = f"no task of the body writes the result {key!r}; there are {known}{near}"
            self.fault((*node.loc, "collect"), message)

    def _workflow(self, _draft: Draft, _names: Names, node: Node) -> None:
        model = node.model
        assert isinstance(model, NestedWorkflow)
        loc = (*node.loc, "file")
        node.variables = self.fields.value(model.variables, (*node.loc, "variables"))
        try:
            if self.load is None:
                raise HighwayError("nested workflows need a file that they are relative to")
            node.nested = self.load(model.file, self.longest_step)
        except SourceError as error:
            self.faults += error.diagnostics
            return
        except HighwayError as error:
            self.fault(loc, str(error))
            return
        for name in model.variables:
            if name not in node.nested.variables:
                near = did_you_mean(name, node.nested.variables)
                message = f"{model.file!r} declares no variable {name!r}{near}"
                self.fault((*node.loc, "variables", name), message, key=True)

    def _list(
        self,
        draft: Draft,
        names: Names,
        entries: Sequence[str | AnyOperator],
        loc: Loc,
        prefix: str,
        by_id: Names,
    ) -> list[str]:
        """Add the operators of a body or branch; returns the ids of its members, in order."""
        aside = aside_of(entries, self.workflow.tasks)
        previous: str | None = None
        members = []
        for number, entry in enumerate(entries):
            place = (*loc, number)
            if isinstance(entry, str):
                name = member = entry
                self._add_listed(draft, by_id, entry, place)
            elif entry.task_id is None:
                self.fault(place, "an operator in a list needs a task_id", key=True)
                continue
            else:
                name = entry.task_id
                node = self._add(draft, names, name, entry, place, prefix)
                member = node.id
                follows = None if name in (previous, *aside.unchained) else previous
                if entry.dependencies is None and follows is not None:
                    draft.implicit[node.index] = follows
            members.append(member)
            if name not in aside.skipped:
                previous = name
        return members

    def _add_listed(self, draft: Draft, names: Names, name: str, loc: Loc) -> None:
        """A task of the top level that is listed by its id."""
        model = self.workflow.tasks.get(name)
        if model is None:
            near = did_you_mean(name, self.workflow.tasks)
            self.fault(loc, f"unknown task {name!r}{near}")
        elif draft.loops and name not in names.local:
            self._add(draft, names, name, model, ("tasks", name), prefix="")

    def _wait(self, _draft: Draft, _names: Names, node: Node) -> None:
        model = node.model
        assert isinstance(model, Wait)
        node.wait = self.fields.wait(model.wait_for, (*node.loc, "wait_for"))


OPERATOR_FIELDS: dict[str, Callable[[_Compiler, Draft, Names, Node], None]] = {
    "task": _Compiler._task,
    "condition": _Compiler._condition,
    "parallel": _Compiler._parallel,
    "foreach": _Compiler._loop,
    "while": _Compiler._loop,
    "wait": _Compiler._wait,
    "workflow": _Compiler._workflow,
}
