"""The steps dialect: a list of commands is a workflow like any other, and is read as strictly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from flows import faults, tabled, verdict
from projects import Write, ids, outcomes

PLAN = {
    "plan_id": "release",
    "version": 2,
    "context": {"target": "src/"},
    "globals": {"default_retries": 1},
    "steps": [
        {"id": "lint", "run": "ruff check ${target}"},
        {"id": "pack", "command": "pack", "args": ["${target}"], "depends_on": ["lint"]},
    ],
    "tests": {
        "green": {
            "context": {"target": "lib/"},
            "stubs": {"lint": [{"exit": 1}, {"exit": 0}], "pack": {"exit": 0}},
            "expect": {"calls": {"pack": [{"args": ["pack", "lib/"]}], "lint": 2}},
        },
        "red": {"stubs": {"lint": {"exit": 1}}, "expect": {"tasks": {"pack": "success"}}},
    },
}
STEPS = """\
name: dev cycle
context: {target: tests/}
steps:
  - id: lint
    run: ruff check ${target}
  - id: unit
    run: pytest ${target}
    depends_on: [lint]
    timeout: 300
"""


@pytest.mark.parametrize("title", tabled("steps.txt"))
def test_the_cases_of_a_steps_file_hold(tmp_path: Path, title: str) -> None:
    """Each file of the table says in its own cases what it does."""
    assert verdict(tmp_path, tabled("steps.txt")[title]) == []


@pytest.mark.parametrize("title", tabled("steps_faults.txt"))
def test_all_faults_of_a_steps_file_stand_where_it_was_written(tmp_path: Path, title: str) -> None:
    """The lines behind `>` are the faults of the file before them, and no others."""
    lines = tabled("steps_faults.txt")[title].splitlines()
    text = "".join(f"{line}\n" for line in lines if not line.startswith("> "))
    assert faults(tmp_path, text) == [line[2:] for line in lines if line.startswith("> ")]


# --- the front door ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["workflows/release.plan.json", "release.workflow.json"])
def test_a_plan_in_json_has_cases_as_items(
    pytester: pytest.Pytester, write: Write, name: str
) -> None:
    """A plan's cases pass and fail as tests."""
    write({name: json.dumps(PLAN, indent=2)})
    result = pytester.runpytest("-v")
    assert outcomes(result) == {f"{name}::green": "PASSED", f"{name}::red": "FAILED"}
    result.stdout.fnmatch_lines(
        ['*.json:66:19: tasks.pack: expected "success", got "upstream_failed" *']
    )


def test_a_steps_file_without_cases_is_checked(pytester: pytest.Pytester, write: Write) -> None:
    """It has one item, which passes when the file is valid."""
    write({"dev.workflow.yaml": STEPS})
    assert ids(pytester) == ["dev.workflow.yaml::check"]
    pytester.runpytest("-W", "error").assert_outcomes(passed=1)


def test_an_error_is_shown_in_the_users_own_line(pytester: pytest.Pytester, write: Write) -> None:
    """The translation is nowhere to be seen."""
    write({"dev.workflow.yaml": STEPS.replace("[lint]", "[lit]")})
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "dev.workflow.yaml:8:18: unknown dependency 'lit'; did you mean 'lint'?",
            "  |     depends_on: [[]lit[]]",
            "  |                  ^",
        ]
    )


def test_cases_stand_in_a_file_of_their_own(pytester: pytest.Pytester, write: Write) -> None:
    """`context` is `variables` there as well, and a fault in it is told in that file."""
    cases = """\
    workflow: dev.workflow.yaml
    test_defaults: {stubs: {tools.shell.run: {exit: 0}}}
    tests:
      t: {context: {target: src/}, expect: {calls: {unit: 1}}}
    """
    write({"dev.workflow.yaml": STEPS, "dev.workflow-test.yaml": cases})
    pytester.runpytest().assert_outcomes(passed=2)
    write({"dev.workflow-test.yaml": cases.replace("target:", "targt:")})
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(
        ["dev.workflow-test.yaml:4:21: unknown variable 'targt'; did you mean 'target'?"]
    )


def test_a_tasks_file_knows_no_context(tmp_path: Path) -> None:
    """The words of one dialect are errors in the other."""
    text = "name: w\ntasks: {a: {function: tools.log.info, args: [x]}}\n"
    found = faults(tmp_path, text + "tests: {t: {context: {}, expect: {status: success}}}\n")
    assert [each.partition(";")[0] for each in found] == ["3:13: unknown key 'context'"]


OUTER = """\
name: outer
tasks:
  call: {operator_type: workflow, file: dev.workflow.yaml, variables: {target: lib/}}
tests:
  t:
    stubs: {call/lint: {exit: 0, outputs: {x: y}}, unit: {exit: 0}}
    expect: {calls: {call/lint: 1, unit: 1}}
"""


def test_a_workflow_runs_a_steps_file(pytester: pytest.Pytester, write: Write) -> None:
    """A nested file may be of either dialect; its faults are told under its own path."""
    write({"dev.workflow.yaml": STEPS, "outer.workflow.yaml": OUTER})
    pytester.runpytest("outer.workflow.yaml").assert_outcomes(passed=1)
    write({"dev.workflow.yaml": STEPS.replace("run: pytest", "rum: pytest")})
    result = pytester.runpytest("outer.workflow.yaml")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["dev.workflow.yaml:7:5: unknown key 'rum'*did you mean 'run'[?]"])


GOLDEN = (
    STEPS
    + """\
tests:
  t:
    context: {target: src/} # as written
    stubs: {tools.shell.run: {exit: 0}}
    expect:
      transcript: |
        wrong
"""
)


def test_an_expectation_is_updated_in_place(pytester: pytest.Pytester, write: Write) -> None:
    """Only the text of the expectation changes."""
    folder = write({"dev.workflow.yaml": GOLDEN})
    pytester.runpytest("--highway-update", "--highway-allow-ci")
    right = """\
        lint: tools.shell.run("ruff check ${target}") -> lint
        unit: tools.shell.run("pytest ${target}") -> unit
        run: success
"""
    text = (folder / "dev.workflow.yaml").read_text()
    assert text == GOLDEN.replace("        wrong\n", right)
    pytester.runpytest().assert_outcomes(passed=1)


def test_a_step_without_a_stub_says_how_to_write_one(
    pytester: pytest.Pytester, write: Write
) -> None:
    """Nothing runs for real in a test that does not say so."""
    write({"dev.workflow.yaml": STEPS + "tests: {t: {expect: {status: success}}}\n"})
    result = pytester.runpytest()
    result.stdout.fnmatch_lines(
        ["*'lint' called tools.shell.run(*no stub*", "*lint: {exit: 0, std*"]
    )
