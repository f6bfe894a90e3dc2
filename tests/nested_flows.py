"""Random workflows of nested operators, for laws that hold of every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flows import REGISTRY
from hypothesis import strategies as st

from pytest_highway.clock import VirtualClock
from pytest_highway.engine.call import Call
from pytest_highway.engine.frame import Answer
from pytest_highway.engine.run import RunSettings, execute
from pytest_highway.planning.compiler import compile_plan
from pytest_highway.planning.plan import Plan
from pytest_highway.reading.document import parse
from pytest_highway.reading.models import Workflow
from pytest_highway.reading.policies import TRIGGER_RULES
from pytest_highway.reading.validation import validate_model
from pytest_highway.views import RunResult

Operator = dict[str, object]


@dataclass
class Latencies:
    """A runner that answers after so many seconds, one after another.

    Tasks named bad fail, those named odd in their first attempt.
    """

    seconds: Sequence[float]
    made: list[Call] = field(default_factory=list)

    def start(self, call: Call) -> Answer:
        after = self.seconds[len(self.made) % len(self.seconds)]
        self.made.append(call)
        name = call.frame.node.name
        if name.startswith("bad") or (name.startswith("odd") and call.attempt == 1):
            return Answer(error=ValueError("no"), after=after)
        return Answer(call.path, after=after)

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        return []

    def abandon(self, call: Call) -> str:
        return ""

    def close(self) -> None:
        self.seconds = ()


@dataclass
class _Names:
    count: int = 0

    def next(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"


@st.composite
def flows(draw: st.DrawFn, *, calm: bool = False) -> dict[str, Operator]:
    """The tasks of a workflow; a calm one has nothing in it that is decided by time."""
    names = _Names()
    operators = _sequence(draw, names, 3, calm, draw(st.integers(1, 4)))
    tasks: dict[str, Operator] = {}
    fallbacks = [each for operator in operators for each in _fallbacks_of(operator)]
    for operator in operators:
        earlier = [each for each in tasks if each not in fallbacks]
        if earlier and operator["task_id"] not in fallbacks:
            operator["dependencies"] = draw(
                st.lists(st.sampled_from(earlier), max_size=2, unique=True)
            )
        tasks[str(operator["task_id"])] = operator
    if draw(st.booleans()):
        clean = _cleaning(draw, names, calm)
        tasks[str(clean["task_id"])] = clean
    return tasks


def _cleaning(draw: st.DrawFn, names: _Names, calm: bool) -> Operator:
    """A `finally` task, or a composite that is one."""
    kind = draw(st.sampled_from(["task", "task", "parallel", "foreach"]))
    return {**OPERATORS[kind](draw, names, 1, calm), "finally": True}


def _sequence(draw: st.DrawFn, names: _Names, depth: int, calm: bool, count: int) -> list[Operator]:
    """So many operators, some of them targets of a condition before them, some with a fallback."""
    found: list[Operator] = []
    for _ in range(count):
        operator = _operator(draw, names, depth, calm)
        if draw(st.integers(0, 4)) == 4:
            found.append(_condition(draw, names, str(operator["task_id"])))
            if draw(st.booleans()):
                other = _operator(draw, names, 0, calm)
                found[-1]["if_false"] = other["task_id"]
                found.append(other)
        found.append(operator)
        if operator.get("on_failure") is None and draw(st.integers(0, 3)) == 3:
            stand_in = _task(draw, names, 0, calm)
            operator["on_failure"] = {"fallback": stand_in["task_id"]}
            found.append(stand_in)
    return found


def _condition(draw: st.DrawFn, names: _Names, target: str) -> Operator:
    """Chooses one operator, or turns it away."""
    value = draw(st.sampled_from(["true", "true", "false", "1 / 0"]))
    name = names.next("ask")
    return {"task_id": name, "operator_type": "condition", "condition": value, "if_true": target}


def _fallbacks_of(operator: Operator) -> list[object]:
    policy = operator.get("on_failure")
    return [policy["fallback"]] if isinstance(policy, dict) else []


def _operator(draw: st.DrawFn, names: _Names, depth: int, calm: bool) -> Operator:
    kinds = ["task", "task", "task", "wait"]
    if depth:
        kinds += ["foreach", "while", "parallel"]
    kind = draw(st.sampled_from(kinds))
    operator = OPERATORS[kind](draw, names, depth - 1, calm)
    for word, values in (CALM if calm else POLICIES).items():
        value = draw(st.sampled_from(values))
        if value is not None:
            operator[word] = value
    return operator


POLICIES: Mapping[str, Sequence[object]] = {
    "on_failure": [None, None, None, "continue", "abort"],
    "critical": [None, None, False],
    "timeout": [None, None, None, 3],
    "skip_if": [None, None, None, "true"],
    "run_if": [None, None, None, "false"],
    "trigger_rule": [*[None] * len(TRIGGER_RULES), *TRIGGER_RULES],
}
CALM = {word: POLICIES[word] for word in ("critical", "skip_if", "run_if", "trigger_rule")} | {
    "on_failure": [None, None, "continue"]
}


def _task(draw: st.DrawFn, names: _Names, depth: int, calm: bool) -> Operator:
    name = names.next(draw(st.sampled_from(["t", "t", "bad", "odd"])))
    task: Operator = {"task_id": name, "function": "app.ask", "result_key": f"r_{name}"}
    if draw(st.booleans()):
        task["retry"] = {"max_retries": draw(st.integers(0, 2)), "delay": draw(st.integers(0, 2))}
    if not calm and draw(st.integers(0, 4)) == 4:
        task["lock"] = "one"
    return task


def _wait(draw: st.DrawFn, names: _Names, depth: int, calm: bool) -> Operator:
    seconds = draw(st.integers(0, 4))
    return {"task_id": names.next("w"), "operator_type": "wait", "wait_for": seconds}


def _body(draw: st.DrawFn, names: _Names, depth: int, calm: bool) -> list[Operator]:
    body = _sequence(draw, names, depth, calm, draw(st.integers(1, 3)))
    if draw(st.booleans()):
        body[-1]["dependencies"] = []
    if draw(st.integers(0, 3)) == 3:
        body.append(_cleaning(draw, names, calm) if depth else _task(draw, names, 0, calm))
        body[-1]["finally"] = True
    return body


def _foreach(draw: st.DrawFn, names: _Names, depth: int, calm: bool) -> Operator:
    width = draw(st.integers(1, 3))
    collect = (calm and width > 1) or draw(st.booleans())
    return {
        "task_id": names.next("each"),
        "operator_type": "foreach",
        "items": list(range(draw(st.integers(0, 3)))),
        "max_concurrency": width,
        "on_item_failure": "collect" if collect else "fail_fast",
        "loop_body": _body(draw, names, depth, calm),
    }


def _while(draw: st.DrawFn, names: _Names, depth: int, calm: bool) -> Operator:
    return {
        "task_id": names.next("loop"),
        "operator_type": "while",
        "condition": f"loop.index <= {draw(st.integers(0, 2))}",
        "loop_body": _body(draw, names, depth, calm),
    }


def _parallel(draw: st.DrawFn, names: _Names, depth: int, calm: bool) -> Operator:
    branches = {
        names.next("b"): _body(draw, names, depth, calm) for _ in range(draw(st.integers(1, 3)))
    }
    operator: Operator = {
        "task_id": names.next("fan"),
        "operator_type": "parallel",
        "branches": branches,
    }
    if draw(st.booleans()):
        operator["select"] = draw(st.lists(st.sampled_from(list(branches)), unique=True))
    return operator


OPERATORS = {
    "task": _task,
    "wait": _wait,
    "foreach": _foreach,
    "while": _while,
    "parallel": _parallel,
}


def plan_of(tasks: Mapping[str, object], **top: object) -> Plan:
    """The plan of these tasks, without a text and so without positions."""
    document = parse("{}", "flow.workflow.yaml")
    data = {"name": "flow", "tasks": tasks, **top}
    workflow, faults = validate_model(Workflow, data, document)
    assert workflow is not None, faults
    return compile_plan(document, workflow, REGISTRY)[0]


def run_flow(
    plan: Plan, seconds: Sequence[float], cancel_at: float | None = None
) -> tuple[RunResult, Latencies]:
    """One run under these latencies, and the runner that answered it."""
    runner = Latencies(seconds)
    settings = RunSettings(cancel_at=cancel_at)
    return RunResult(execute(plan, runner, VirtualClock(), settings)), runner


def around(path: str) -> Iterator[str]:
    """The paths of what a task stands in, from the inside out."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
