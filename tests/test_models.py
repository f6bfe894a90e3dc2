"""The shape of a workflow file: what is allowed, and how what is not allowed is told."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from engine_host import FILE, compiled, faults_in, headlines

from pytest_highway.loading import load_file
from pytest_highway.reading.document import parse
from pytest_highway.reading.models import OPERATORS, Foreach, Parallel, Task, Wait, Workflow
from pytest_highway.reading.plain_tasks import PlainTask
from pytest_highway.reading.policies import TRIGGER_RULES, Retry
from pytest_highway.reading.validation import validate_model
from pytest_highway.tools import discover

TASK_KEYS = (
    "'task_id', 'operator_type', 'description', 'dependencies', 'after', 'trigger_rule', "
    "'skip_if', 'run_if', 'timeout', 'timeout_policy', 'on_failure', 'fallback_step', 'critical', "
    "'result_key', 'finally', 'lock', 'metadata', 'is_internal_loop_task', 'function', 'args', "
    "'kwargs', 'retry', 'retry_policy', 'env', 'output_schema', 'validate', 'require', 'cache', "
    "'provides', 'consumes'"
)
RULES = ", ".join(map(repr, TRIGGER_RULES))
FORMS = "a number of seconds, or a text such as '1.5s', '500ms', '5m', '2h', '1d', 'PT1S'"


def task_with(words: str) -> str:
    """A workflow of one task; the words begin at line 4, column 5."""
    return f"name: x\ntasks:\n  a:\n    {words}\n    function: tools.log.info\n    args: [hi]\n"


def top_with(words: str) -> str:
    """A workflow with these words in its first line."""
    return f"{words}\nname: x\ntasks: {{a: {{function: tools.log.info, args: [hi]}}}}\n"


# --- one task ------------------------------------------------------------------------------------

TASK_FAULTS = {
    "result_kye: r": (
        f"4:5: unknown key 'result_kye'; allowed: {TASK_KEYS}; did you mean 'result_key'?"
    ),
    "if_true: b": f"4:5: unknown key 'if_true'; allowed: {TASK_KEYS}",
    "task: b": f"4:5: unknown key 'task'; allowed: {TASK_KEYS}; did you mean 'task_id'?",
    "result_key: 5": "4:17: expected text, got the number 5; quote it to keep the text: '5'",
    "result_key: 1.10": (
        "4:17: expected text, got the number 1.1; quote it to keep the text: '1.10'"
    ),
    "result_key: true": (
        "4:17: expected text, got a truth value True; quote it to keep the text: 'true'"
    ),
    "description: [x]": "4:18: expected text, got a list",
    "description: {}": "4:18: expected text, got a mapping",
    "description: null": "4:18: expected text, got nothing; quote it to keep the text: 'null'",
    "critical: 'true'": "4:15: expected true or false, got text 'true'",
    "critical: 1": "4:15: expected true or false, got the number 1",
    "metadata: 3": "4:15: expected a mapping, got the number 3",
    "kwargs: [1]": "4:13: expected a mapping, got a list",
    "dependencies: b": "4:19: expected a list, got text 'b'",
    "dependencies: [1]": "4:20: expected text, got the number 1; quote it to keep the text: '1'",
    "env: {A: 1}": "4:14: expected text, got the number 1; quote it to keep the text: '1'",
    "env: {A: {b: 1}}": "4:14: expected text, got a mapping",
    "skip_if: ''": "4:14: expected an expression as text, got text ''",
    "run_if: 5": "4:13: expected an expression as text, got the number 5",
    "require: [[]]": "4:14: expected an expression as text, got a list",
    "validate: {}": "4:15: expected an expression as text, got a mapping",
    "trigger_rule: all_liv": (
        f"4:19: 'all_liv' is not allowed here; allowed: {RULES}; did you mean 'all_live'?"
    ),
    "trigger_rule: [x]": f"4:19: ['x'] is not allowed here; allowed: {RULES}",
    "on_failure: abrt": (
        "4:17: 'abrt' is not allowed here; allowed: 'skip_dependents', 'abort', 'continue'; "
        "did you mean 'abort'?"
    ),
    "on_failure: {}": "4:17: expected {fallback: task id}, got a mapping with none",
    "on_failure: {policy: abort}": (
        "4:17: expected {fallback: task id}, got a mapping with 'policy'"
    ),
    "on_failure: {fallback: 5}": (
        "4:28: expected text, got the number 5; quote it to keep the text: '5'"
    ),
    "timeout: soon": f"4:14: 'soon' is no duration; allowed: {FORMS}",
    "timeout: -1": f"4:14: -1 is no duration; allowed: {FORMS}",
    "timeout_policy: {}": "4:5: 'timeout' is missing",
    "timeout_policy: {timeout: 1, kill_on_timeout: false}": (
        "4:51: False is not allowed here; allowed: True"
    ),
    "timeout_policy: 5": "4:21: expected a mapping, got the number 5",
    "retry: true": "4:12: expected a number of retries or a mapping, got a truth value True",
    "retry: 1.5": "4:12: expected a number of retries or a mapping, got the number 1.5",
    "retry: twice": "4:12: expected a number of retries or a mapping, got text 'twice'",
    "retry: -1": "4:12: input should be greater than or equal to 0, got the number -1",
    "retry: {delay: 1s}": "4:5: 'max_retries' is missing",
    "retry: {max_retries: 1, bakoff: 2}": (
        "4:29: unknown key 'bakoff'; allowed: 'max_retries', 'delay', 'backoff', "
        "'backoff_factor', 'max_delay', 'retry_on'; did you mean 'backoff'?"
    ),
    "retry: {max_retries: 1.0}": "4:26: expected a whole number, got the number 1.0",
    "retry: {max_retries: 1, backoff: 0.5}": (
        "4:38: input should be greater than or equal to 1, got the number 0.5"
    ),
    "retry: {max_retries: 1, backoff: x}": "4:38: expected a number, got text 'x'",
    "retry: {max_retries: 1, backoff: .inf}": (
        "4:38: input should be a finite number, got the number inf"
    ),
    "retry: {max_retries: 1, backoff: 1, backoff_factor: 2}": (
        "4:57: this key stands here under another name as well; give one of them"
    ),
    "lock: 5": "4:11: expected a mapping, got the number 5",
    "lock: {wait: 1}": "4:5: 'name' is missing",
    "cache: {key: 5}": "4:18: expected text, got the number 5; quote it to keep the text: '5'",
    "operator_type: tsk": (
        f"4:20: unknown operator_type 'tsk'; allowed: {', '.join(map(repr, OPERATORS))}; "
        "did you mean 'task'?"
    ),
    "operator_type: 5": "4:20: expected text, got the number 5; quote it to keep the text: '5'",
    f"description: {[1] * 40}": "4:18: expected text, got a list",
    f"retry: {'x' * 80}": (
        f"4:12: expected a number of retries or a mapping, got text '{'x' * 56}..."
    ),
}


@pytest.mark.parametrize("words", TASK_FAULTS)
def test_a_fault_of_a_task(words: str) -> None:
    """It is told once, at its place, with what is allowed."""
    (found,) = headlines(task_with(words))
    assert found == TASK_FAULTS[words]


@pytest.mark.parametrize(
    "words",
    [
        "x-note: [anything]",
        "metadata: {anything: [1, {b: null}]}",
        "retry: 0",
        "retry: {max_retries: 1, x-why: flaky}",
        "retry_policy: {max_retries: 1, backoff_factor: 1.5, max_delay: 1h, retry_on: [OSError]}",
        "timeout: 1.5",
        "timeout_policy: {timeout: PT1S, kill_on_timeout: true}",
        "skip_if: false",
        "run_if: true",
        "task_id: a",
        "operator_type: task",
        "dependencies: []",
        "result_key: '5'",
        "description: 'null'",
        "on_failure: skip_dependents",
    ],
)
def test_what_a_task_may_say(words: str) -> None:
    """Nothing is found in it."""
    assert headlines(task_with(words)) == []


# --- the top level -------------------------------------------------------------------------------

TOP_FAULTS = {
    "taks: {}": (
        "1:1: unknown key 'taks'; allowed: 'name', 'version', 'description', 'start_task', "
        "'variables', 'env', 'defaults', 'max_concurrency', 'max_step_duration', 'limits', "
        "'tools', 'lock', 'output', 'tasks', 'tests', 'test_defaults', 'secrets', 'metadata'; "
        "did you mean 'tasks'?"
    ),
    "version: true": "1:10: expected text or a number, got a truth value True",
    "version: []": "1:10: expected text or a number, got a list",
    "variables: [a]": "1:12: expected a mapping, got a list",
    "env: {A: no, B: 1}": "1:17: expected text, got the number 1; quote it to keep the text: '1'",
    "max_concurrency: 0": ("1:18: input should be greater than or equal to 1, got the number 0"),
    "max_step_duration: 1w": f"1:20: '1w' is no duration; allowed: {FORMS}",
    "defaults: {retries: 1}": (
        "1:12: unknown key 'retries'; allowed: 'timeout', 'retry', 'on_failure', 'trigger_rule'; "
        "did you mean 'retry'?"
    ),
    "defaults: {trigger_rule: one}": f"1:26: 'one' is not allowed here; allowed: {RULES}",
    "limits: {max_cost: -1}": "1:20: expected an amount of 0 or more, got the number -1",
    "limits: {max_cost: x}": "1:20: expected an amount of 0 or more, got text 'x'",
    "limits: {max_cost: .nan}": "1:20: expected an amount of 0 or more, got the number nan",
    "limits: {max_tokens: -1}": (
        "1:22: input should be greater than or equal to 0, got the number -1"
    ),
    "tools: {a.b: {breaker: {}}}": "1:15: 'failures' is missing",
    "secrets: token": "1:10: expected a list, got text 'token'",
    "tests: []": "1:8: expected a mapping, got a list",
}


@pytest.mark.parametrize("words", TOP_FAULTS)
def test_a_fault_of_the_top_level(words: str) -> None:
    """The same for the keys of the workflow itself."""
    assert headlines(top_with(words)) == [TOP_FAULTS[words]]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("name: x\n", ["1:1: 'tasks' is missing"]),
        ("tasks: {a: {function: tools.log.info, args: [1]}}\n", ["1:1: 'name' is missing"]),
        ("name: x\ntasks: {}\n", ["2:8: is empty; at least one is needed"]),
        ("name: x\ntasks: [a]\n", ["2:8: expected a mapping, got a list"]),
        ("name: x\ntasks:\n  a:\n", ["3:5: expected a mapping, got nothing"]),
        ("name: x\ntasks:\n  a: [1]\n", ["3:6: expected a mapping, got a list"]),
        ("name: x\ntasks:\n  a: {}\n", ["3:3: 'function' is missing"]),
        (
            "name: x\ntasks:\n  a:\n    operator_type: condition\n    if_true: b\n",
            ["3:3: 'condition' is missing"],
        ),
        (
            "name: x\ntasks:\n  a: {operator_type: condition, condition: [x], if_true: 1}\n",
            [
                "3:44: expected an expression as text, got a list",
                "3:58: expected text, got the number 1; quote it to keep the text: '1'",
            ],
        ),
    ],
)
def test_what_is_missing_stands_at_its_operators_key(text: str, found: list[str]) -> None:
    """And what is there, at its value."""
    assert headlines(text) == found


def test_all_faults_are_told_together_in_file_order() -> None:
    """One wrong value hides no other."""
    text = "nam: x\nversion: []\ntasks:\n  a: {retry: x, timeot: 1}\n  b: {}\n"
    assert [fault.position for fault in faults_in(text)] == [
        (1, 1),
        (1, 1),
        (2, 10),
        (4, 3),
        (4, 14),
        (4, 17),
        (5, 3),
    ]


def test_a_fault_shows_its_line_and_a_caret() -> None:
    """Under the first sign of what is wrong."""
    (fault,) = faults_in(task_with("retry: x"))
    assert fault.render() == (
        f"{FILE}:4:12: expected a number of retries or a mapping, got text 'x'\n"
        "  |     retry: x\n"
        "  |            ^"
    )


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("loop_body: [{task_id: b, functon: f}]", [(4, 30), (4, 17)]),
        ("loop_body: [{operator_type: whlie}]", [(4, 33)]),
        ("loop_body: [[b]]", [(4, 17)]),
        ("loop_body: [5]", [(4, 17)]),
        ("loop_body: [{operator_type: wait, wait_for: 1, retry: 1}]", [(4, 52)]),
        ("loop_body: [b, {operator_type: foreach, items: [], loop_body: [{retry: 1}]}]", [(4, 68)]),
    ],
)
def test_faults_inside_a_body_have_their_place(body: str, found: list[tuple[int, int]]) -> None:
    """No tag of a union stands between a body and what is wrong in it."""
    text = f"name: x\ntasks:\n  a: {{operator_type: foreach, items: [],\n    {body}}}\n"
    assert sorted(fault.position for fault in faults_in(text)) == sorted(found)


# --- values --------------------------------------------------------------------------------------


def workflow_of(text: str) -> Workflow:
    """The model of a valid text."""
    document = parse(text, FILE)
    workflow, faults = validate_model(Workflow, document.data, document)
    assert workflow is not None, faults
    return workflow


@pytest.mark.parametrize(("written", "version"), [("1.0.0", "1.0.0"), ("1.0", "1.0"), ("3", "3")])
def test_a_version_is_text_or_a_number(written: str, version: str) -> None:
    """A number is its text."""
    assert workflow_of(top_with(f"version: {written}")).version == version


@pytest.mark.parametrize("version", ["1.10", "1.0.0", "010", "0x1F", "1e3", "2026-01-01", ".5"])
def test_a_version_is_kept_as_it_is_written(tmp_path: Path, version: str) -> None:
    """Of 1.10 as a number the last digit would be lost."""
    file = tmp_path / "w.yaml"
    tasks = "tasks: {a: {function: tools.log.info, args: [x]}}"
    file.write_text(f"name: w\nversion: {version}\n{tasks}\n")
    loaded = load_file(file, file.name, discover(entry_points=False))
    assert loaded.plan.workflow.version == version


def test_policies_have_one_form() -> None:
    """Whichever of their forms was written."""
    workflow = workflow_of(
        top_with(
            "{defaults: {retry: 2, on_failure: abort, timeout: 5m}, "
            "limits: {max_cost: 0.1, max_duration: 1h}, lock: repo}"
        )
        .replace("{defaults", "defaults")
        .replace(", limits", "\nlimits")
        .replace(", lock: repo}", "\nlock: repo")
    )
    assert workflow.defaults.retry == Retry(max_retries=2)
    assert workflow.defaults.on_failure is not None
    assert workflow.defaults.on_failure.policy == "abort"
    assert workflow.defaults.timeout == 300.0
    assert workflow.limits is not None
    assert (workflow.limits.max_cost, workflow.limits.max_duration) == (Decimal("0.1"), 3600.0)
    assert workflow.lock is not None
    assert (workflow.lock.name, workflow.lock.wait) == ("repo", 600.0)


def test_every_operator_has_its_model() -> None:
    """By its `operator_type`; a body holds ids and operators."""
    workflow = workflow_of(
        """
        name: x
        tasks:
          a: {function: f, require: "a > 1", validate: [b, true]}
          p: {operator_type: parallel, branches: {x: [a, {function: f}]}, select: "{{v}}"}
          f: {operator_type: foreach, items: "{{v}}", loop_body: [a], as: page}
          w: {operator_type: while, condition: true, loop_body: [a]}
          t: {operator_type: wait, wait_for: {event: e}}
          n: {operator_type: workflow, file: other.yaml}
          c: {operator_type: condition, condition: "{{v}}", if_true: a}
        """
    )
    assert [task.operator_type for task in workflow.tasks.values()] == [
        *("task", "parallel", "foreach", "while", "wait", "workflow", "condition")
    ]
    tasks = workflow.tasks
    assert isinstance(tasks["a"], Task)
    assert (tasks["a"].require, tasks["a"].validations) == (["a > 1"], ["b", "true"])
    assert isinstance(tasks["p"], Parallel)
    assert [type(each) for each in tasks["p"].branches["x"]] == [str, PlainTask]
    assert isinstance(tasks["f"], Foreach)
    assert (tasks["f"].alias, tasks["f"].max_concurrency) == ("page", 1)
    assert isinstance(tasks["t"], Wait)


@pytest.mark.parametrize(
    ("retry", "pauses"),
    [
        (Retry(max_retries=3, delay=1), [1.0, 2.0, 4.0]),
        (Retry(max_retries=3), [0.0, 0.0, 0.0]),
        (Retry(max_retries=3, delay=0.1, backoff=1.0), [0.1, 0.1, 0.1]),
        (Retry(max_retries=3, delay=2, max_delay=3), [2.0, 3.0, 3.0]),
        (Retry(max_retries=3, delay=1, backoff=1e200, max_delay=60), [1.0, 60.0, 60.0]),
    ],
)
def test_the_pause_behind_each_attempt(retry: Retry, pauses: list[float]) -> None:
    """`delay * backoff**(n-1)`, whatever size that takes, up to `max_delay`."""
    assert [retry.pause(attempt) for attempt in (1, 2, 3)] == pauses


def test_a_model_may_be_validated_again() -> None:
    """What is a model already is taken as it is."""
    task = Task(function="f")
    workflow, faults = validate_model(
        Workflow, {"name": "x", "tasks": {"a": task}}, parse("{}", FILE)
    )
    assert faults == []
    assert workflow is not None
    assert workflow.tasks["a"] is task


def test_a_plan_keeps_what_the_top_level_says() -> None:
    """Its name and its variables."""
    plan, warnings = compiled(top_with("variables: {v: 1}"))
    assert (plan.name, plan.variables, warnings) == ("x", {"v": 1}, [])
