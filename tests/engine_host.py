"""Plans out of plain data and answers by script: the outside world in the tests of the engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_highway.clock import VirtualClock
from pytest_highway.engine.call import Call
from pytest_highway.engine.frame import Answer
from pytest_highway.engine.run import RunSettings, execute
from pytest_highway.errors import Diagnostic, SourceError
from pytest_highway.planning.compiler import compile_plan
from pytest_highway.planning.plan import Plan
from pytest_highway.reading.document import parse
from pytest_highway.reading.models import Workflow
from pytest_highway.reading.validation import validate_model
from pytest_highway.runners.executors import InlineRunner
from pytest_highway.tools import Registry, discover, tool
from pytest_highway.views import RunResult

FILE = "flow.workflow.yaml"


@tool("app.call", effects="read")
def call_anything(*args: object, **kwargs: object) -> object:
    """Takes whatever it is given; scripts answer in its place."""
    return [list(args), kwargs]


def make_registry() -> Registry:
    """The built-in tools and `app.call`."""
    registry = discover(entry_points=False)
    registry.add(call_anything)
    return registry


REGISTRY = make_registry()


@dataclass
class Script(InlineRunner):
    """A runner that answers each call by its task's id, and with the id where none is written.

    A list is used up answer by answer, its last one stays.
    """

    answers: Mapping[str, Answer | Sequence[Answer]] = field(default_factory=dict)
    made: Counter[str] = field(default_factory=Counter)

    def start(self, call: Call) -> Answer:
        name = call.frame.node.id
        planned = self.answers.get(name, Answer(name))
        if isinstance(planned, Answer):
            planned = [planned]
        self.made[name] += 1
        return planned[min(self.made[name], len(planned)) - 1]


def failing(message: str = "no", kind: type[Exception] = ValueError, after: float = 0.0) -> Answer:
    """An attempt that fails."""
    return Answer(error=kind(message), after=after)


def tasks_of(tasks: Mapping[str, object]) -> dict[str, object]:
    """Tasks of a workflow; one that names no tool and is no condition calls `app.call`."""
    return {
        name: each if "operator_type" in each else {"function": "app.call", **each}
        for name, each in tasks.items()
    }


def plan_of(tasks: Mapping[str, object], **top: object) -> Plan:
    """The plan of a workflow as plain data, without a text and so without positions."""
    document = parse("{}", FILE)
    workflow, faults = validate_model(
        Workflow, {"name": "flow", "tasks": tasks_of(tasks), **top}, document
    )
    assert workflow is not None, faults
    plan, _ = compile_plan(document, workflow, REGISTRY)
    return plan


def run_plan(plan: Plan, answers: Mapping[str, object] = {}, **settings: object) -> RunResult:
    """The result of one run of a plan over a virtual clock."""
    return RunResult(execute(plan, Script(answers), VirtualClock(), RunSettings(**settings)))


def run_tasks(
    tasks: Mapping[str, object],
    answers: Mapping[str, object] = {},
    **top: object,
) -> RunResult:
    """The result of one run of these tasks."""
    return run_plan(plan_of(tasks, **top), answers)


def states(result: RunResult) -> dict[str, str]:
    """Each task's terminal state."""
    return {path: end.status for path, end in result.ends.items()}


def compiled(text: str) -> tuple[Plan, list[Diagnostic]]:
    """The plan of a workflow's text, and the warnings; raises `SourceError`."""
    document = parse(text, FILE)
    workflow, faults = validate_model(Workflow, document.data, document)
    if workflow is None:
        raise SourceError(faults)
    return compile_plan(document, workflow, REGISTRY)


def faults_in(text: str) -> list[Diagnostic]:
    """What is wrong with a workflow's text, in file order."""
    try:
        compiled(text)
    except SourceError as error:
        return list(error.diagnostics)
    return []


def headlines(text: str) -> list[str]:
    """`line:col: message` of each fault."""
    return [each.headline().removeprefix(f"{FILE}:") for each in faults_in(text)]
