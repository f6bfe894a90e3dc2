"""`highway schema`: it takes every valid file, and refuses what has not the shape of one."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from command_line import Call, call_fixture
from flows import faults, tabled

from pytest_highway.cli.schema import json_schema
from pytest_highway.loading import is_test_file
from pytest_highway.reading.document import parse

__all__ = ["call_fixture"]

SAMPLES = sorted((Path(__file__).parent.parent / "workflows").glob("*.y*ml"))
SCHEMAS = {
    kind: jsonschema.Draft202012Validator(json_schema(kind)) for kind in ("workflow", "test")
}
TASKS = "name: w\ntasks:\n"


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_command_prints_a_schema(kind: str, call: Call) -> None:
    done = call("schema", kind)
    assert (done.code, json.loads(done.out)) == (0, json_schema(kind))
    jsonschema.Draft202012Validator.check_schema(json.loads(done.out))


def test_it_is_that_of_workflows_unless_told_otherwise(call: Call) -> None:
    assert json.loads(call("schema").out) == json_schema("workflow")


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_sample_fits(sample: Path) -> None:
    data = parse(sample.read_text(encoding="utf-8"), sample.name).data
    kind = "test" if is_test_file(sample) else "workflow"
    assert [error.message for error in SCHEMAS[kind].iter_errors(data)] == []


@pytest.mark.parametrize(
    "text",
    [
        "  a: {function: f.g, x-note: 1, retry: 2, timeout: 5s, lock: deploy, on_failure: abort}\n",
        "  a: {function: f.g, retry: {max_retries: 2, backoff_factor: 3, delay: 1}, timeout: 5}\n",
        "  a: {function: f.g, on_failure: {fallback: b}, finally: true, validate: 'result == 1'}\n",
        "  a: {operator_type: while, condition: true, loop_body: [b, {task_id: c, function: f.g}]}\n",
        "  a: {operator_type: parallel, branches: {left: [{task_id: c, function: f.g}]}}\n",
        "  a: {operator_type: wait, wait_for: {event: go}}\n",
        "  a: {function: f.g}\nversion: 1.5\nlimits: {max_cost: 0.5}\n",
        "  a: {function: f.g}\ntests: {c: {stubs: {a: {times: any, exit: '{{params.n}}'}}}}\n",
        "  a: {function: f.g}\ntests: {c: {expect: {error: E, tasks: {a: failed}, transcript: x}}}\n",
        "  a: {function: f.g}\ntests: {c: {stubs: {include: [a.yaml, b.yaml], a: {exit: 1}}}}\n",
        "  a: {function: f.g}\ntest_defaults: {expect: {status: success}}\n",
    ],
)
def test_every_form_of_a_value_fits(text: str) -> None:
    data = parse(TASKS + text, "a.yaml").data
    assert [error.message for error in SCHEMAS["workflow"].iter_errors(data)] == []


@pytest.mark.parametrize("title", tabled("steps.txt"))
def test_every_file_of_steps_fits(title: str) -> None:
    data = parse(tabled("steps.txt")[title], "a.yaml").data
    assert [error.message for error in SCHEMAS["workflow"].iter_errors(data)] == []


@pytest.mark.parametrize("title", tabled("steps_typos.txt"))
def test_a_typo_in_a_file_of_steps_does_not_fit_and_does_not_load(
    tmp_path: Path, title: str
) -> None:
    text = tabled("steps_typos.txt")[title]
    assert not SCHEMAS["workflow"].is_valid(parse(text, "a.yaml").data)
    assert faults(tmp_path, text) != []


@pytest.mark.parametrize(
    "text",
    [
        "plan_id: w\nsteps: [{task_id: a, run: x, shell: true}]\n",
        "name: w\nsteps: [{id: a, command: x, shell: bash}, {id: b, command: x, shell: false}]\n",
        "name: w\nsteps: [{id: a, command: [x], args: [1], cwd: b, env: {A: b}, x-mine: 1}]\n",
        "name: w\nsteps: [{id: a, run: x, on_failure: {fallback: b}}, {id: b, run: x}]\n",
        "name: w\nsteps: [{id: a, run: x, on_failure: fallback_step, fallback_step: b}]\n",
        "name: w\nglobals: {default_retries: 1}\nsteps: [{id: a, run: x, retry_delay_sec: 2}]\n",
        "name: w\nsteps: [{id: a, step_def: {type: shell, run: x, x-mine: 1}, kwargs: {}}]\n",
        "name: w\nsteps: [{id: a, step_def: {type: command, command: [x], shell: false}}]\n",
        "name: w\nsteps: [{id: a, step_def: {type: python, code: x}, args: [1], cwd: b}]\n",
        "name: w\nsteps: [{id: a, run: x}]\ntest_defaults: {context: {a: '{{params.a}}'}}\n",
    ],
)
def test_every_form_of_a_step_fits(text: str) -> None:
    data = parse(text, "a.yaml").data
    assert [error.message for error in SCHEMAS["workflow"].iter_errors(data)] == []


def test_a_test_file_of_a_workflow_of_steps_may_say_context() -> None:
    data = parse("workflow: a.yaml\ntests: {t: {context: {a: 1}, expect: {output: 1}}}\n", "t").data
    assert [error.message for error in SCHEMAS["test"].iter_errors(data)] == []


@pytest.mark.parametrize(
    "text",
    [
        "  a: {functions: f.g}\n",
        "  a: {function: f.g, dependecies: [b]}\n",
        "  a: {function: f.g, retry: two}\n",
        "  a: {function: f.g, trigger_rule: all_sucess}\n",
        "  a: {function: f.g, on_failure: ignore}\n",
        "  a: {operator_type: task, condition: x}\n",
        "  a: {operator_type: loop, function: f.g}\n",
        "  a: {operator_type: foreach, items: [], loop_body: [{task_id: c}]}\n",
        "  a: {function: f.g}\nmax_concurrency: 0\n",
        "  a: {function: f.g}\ntests: {c: {expects: {}}}\n",
        "  a: {function: f.g}\ntests: {c: {stubs: {a: {exit: one}}}}\n",
        "  {}\n",
    ],
)
def test_what_has_another_shape_does_not_fit(text: str) -> None:
    data = parse(TASKS + text, "a.yaml").data
    assert not SCHEMAS["workflow"].is_valid(data)


@pytest.mark.parametrize("text", ["tests: {}", "workflow: a.yaml", "workflow: 1\ntests: {c: {}}"])
def test_what_is_no_test_file_does_not_fit(text: str) -> None:
    assert not SCHEMAS["test"].is_valid(parse(text, "a.yaml").data)
