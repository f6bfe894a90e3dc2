"""Loading: which file a fault is in, and that none is held back by another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from case_host import REGISTRY, headlines, load, outcome, text_of

from pytest_highway.errors import Diagnostic, SourceError
from pytest_highway.loading import is_test_file, load_file
from pytest_highway.planning import nesting
from pytest_highway.planning.plan import Plan

FLOW = "name: flow\nvariables: {v: 1}\ntasks:\n  ask: {function: app.ask}\n"
TESTS = "flow.workflow-test.yaml"
CASES = "tests:\n  case: {stubs: {ask: {return: 1}}, expect: {output: 1}}\n"


def both(folder: Path, flow: str, tests: str) -> list[str]:
    """The faults of a test file beside a workflow."""
    (folder / "flow.workflow.yaml").write_text(flow, encoding="utf-8")
    return headlines(folder, tests, TESTS)


@pytest.mark.parametrize(
    ("name", "is_test"),
    [
        ("a.workflow-test.yaml", True),
        ("a.workflow-test.yml", True),
        ("a.workflow.yaml", False),
        ("workflow-test.yaml", False),
    ],
)
def test_a_test_file_is_known_by_its_name(name: str, is_test: bool) -> None:
    assert is_test_file(Path(name)) is is_test


def test_a_test_file_runs_the_workflow_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "flow.workflow.yaml").write_text(FLOW, encoding="utf-8")
    loaded = load(tmp_path, f"workflow: flow.workflow.yaml\n{CASES}", TESTS)
    assert loaded.plan.file == "flow.workflow.yaml"
    assert outcome(loaded, "case") == []


def test_the_workflow_is_named_relative_to_the_test_file(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "flows" / "f.yaml").write_text(FLOW, encoding="utf-8")
    file = tmp_path / "tests" / TESTS
    file.write_text(f"workflow: ../flows/f.yaml\n{CASES}", encoding="utf-8")
    loaded = load_file(file, f"tests/{TESTS}", REGISTRY)
    assert loaded.plan.file == "flows/f.yaml"
    assert loaded.document.path == f"tests/{TESTS}"


@pytest.mark.parametrize(
    ("tests", "found"),
    [
        (
            f"workflow: flow.workflow.yml\n{CASES}",
            [
                (
                    "1:11: the workflow file 'flow.workflow.yml' does not exist; "
                    "it is named relative to this file"
                )
            ],
        ),
        (
            f"workflow: {TESTS}\n{CASES}",
            [
                (
                    f"1:11: the workflow file {TESTS!r} holds cases and no workflow; "
                    "it is named relative to this file"
                )
            ],
        ),
        (CASES, ["1:1: 'workflow' is missing"]),
        (
            f"workflow: 5\n{CASES}",
            ["1:11: expected text, got the number 5; quote it to keep the text: '5'"],
        ),
        ("workflow: flow.workflow.yaml\n", ["1:1: 'tests' is missing"]),
        ("workflow: flow.workflow.yaml\ntests: {}\n", ["2:8: is empty; at least one is needed"]),
        ("workflow: flow.workflow.yaml\ntests: []\n", ["2:8: expected a mapping, got a list"]),
        ("[1]", ["1:1: the file is no mapping; it has `workflow` and `tests` at its top level"]),
        (
            (
                "workflow: flow.workflow.yaml\ntask: {}\n"
                "tests:\n  a: {expect: {tasks: {aks: success}}}\n"
            ),
            [
                (
                    "2:1: unknown key 'task'; allowed: 'workflow', 'tests', 'test_defaults', "
                    "'metadata'"
                ),
                "4:24: unknown task 'aks'; did you mean 'ask'?",
            ],
        ),
    ],
)
def test_what_is_wrong_with_a_test_file_is_found_in_it(
    tmp_path: Path, tests: str, found: list[str]
) -> None:
    assert both(tmp_path, FLOW, tests) == found


@pytest.mark.parametrize(
    ("flow", "found"),
    [
        (
            FLOW.replace("app.ask", "app.aks"),
            "flow.workflow.yaml:4:19: unknown tool 'app.aks'; did you mean 'app.ask'?",
        ),
        (
            "[1]",
            (
                "flow.workflow.yaml:1:1: the file is no mapping; it has `name` and `tasks` "
                "at its top level"
            ),
        ),
        ("a: b: c", "flow.workflow.yaml:1:5: "),
        ("name: x\n", "flow.workflow.yaml:1:1: 'tasks' is missing"),
    ],
)
def test_what_is_wrong_with_the_workflow_is_found_in_the_workflow(
    tmp_path: Path, flow: str, found: str
) -> None:
    (first, *rest) = both(tmp_path, flow, f"workflow: flow.workflow.yaml\n{CASES}")
    assert first.startswith(found[:40])
    assert rest == []


def test_faults_of_both_files_come_together(tmp_path: Path) -> None:
    found = both(
        tmp_path,
        FLOW.replace("app.ask", "app.aks"),
        "workflow: flow.workflow.yaml\ntests:\n  a: {expect: {tasks: {aks: success}}}\n  b: {}\n",
    )
    assert sorted(found) == [
        "3:24: unknown task 'aks'; did you mean 'ask'?",
        "4:3: the case expects nothing, so it tests nothing; add `expect`",
        "flow.workflow.yaml:4:19: unknown tool 'app.aks'; did you mean 'app.ask'?",
    ]


def test_cases_of_a_test_file_have_defaults_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "flow.workflow.yaml").write_text(
        FLOW + "test_defaults: {stubs: {ask: {return: 2}}}\n", encoding="utf-8"
    )
    tests = "test_defaults: {stubs: {ask: {return: 1}}}\ntests: {case: {expect: {output: 1}}}\n"
    loaded = load(tmp_path, f"workflow: flow.workflow.yaml\n{tests}", TESTS)
    assert outcome(loaded, "case") == []


def test_a_file_without_cases_has_a_plan_and_no_cases(tmp_path: Path) -> None:
    loaded = load(tmp_path, FLOW)
    assert (loaded.plan.name, loaded.cases) == ("flow", ())


@pytest.mark.parametrize("tests", ["[]", "word"])
def test_tests_of_another_shape_are_an_error(tmp_path: Path, tests: str) -> None:
    (found,) = headlines(tmp_path, f"{FLOW}tests: {tests}\n")
    assert found.startswith("5:8: expected a mapping, got ")


def test_an_error_of_the_plan_comes_with_the_faults_of_the_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(plan: Plan) -> list[Diagnostic]:
        found = plan.document.diagnostic(("tasks", "ask"), "no good", key=True)
        return [found, replace(found, message="not nice", severity="warning")]

    monkeypatch.setattr(nesting, "check_plan", check)
    assert headlines(tmp_path, FLOW + "tests: {a: {}}\n") == [
        "4:3: no good",
        "5:9: the case expects nothing, so it tests nothing; add `expect`",
    ]


def test_a_file_over_the_bound_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    file.write_text(FLOW, encoding="utf-8")
    with pytest.raises(SourceError, match=r"big\.yaml:1:1: "):
        load_file(file, "big.yaml", REGISTRY, max_bytes=10)


def test_stubs_are_compiled_once_for_all_runs_of_a_case(tmp_path: Path) -> None:
    loaded = load(tmp_path, text_of("ask: {function: app.ask}", CASES.partition("\n")[2]))
    (case,) = loaded.cases
    assert case.scripts is not None
    assert case.with_fixtures({}) is case


def test_tasks_that_have_their_shape_are_checked_beside_one_that_has_not(tmp_path: Path) -> None:
    """And what depends on the one that has not is not told that it does not exist."""
    file = tmp_path / "a.workflow.yaml"
    file.write_text(
        "name: x\n"
        "tasks:\n"
        "  a: {function: tools.log.inof, args: [{{x}}]}\n"
        "  b: {functon: tools.log.info, dependencies: [a]}\n"
        "  c: {function: tools.log.info, args: [1, 2], dependencies: [b, d]}\n"
        "tests: {t: {expect: {statu: success}}}\n"
    )
    with pytest.raises(SourceError) as caught:
        load_file(file, file.name, REGISTRY)
    assert [each.headline().split(": ")[1].split(";")[0] for each in caught.value.diagnostics] == [
        "unknown tool 'tools.log.inof'",
        "unquoted template",
        "'function' is missing",
        "unknown key 'functon'",
        "tools.log.info takes (message)",
        "unknown dependency 'd'",
        "unknown key 'statu'",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "name: x\ntasks:\n  a: {{x}}\n",
        "name: x\ntasks: {a: {function: tools.log.info, args: [x], retry: {{x}}}}\n",
        "name: x\ntasks: {a: {function: tools.log.info, args: [x], env: {{x}}}}\n",
        "name: x\nsteps:\n  - {{x}}\n  - {id: a, run: date}\n",
        "name: x\nsteps: [{id: a, step_def: {{x}}}]\n",
        "name: x\ntasks: {a: {function: tools.log.info, args: [x]}}\ntests: {t: {{x}}}\n",
        "name: x\nsteps: [{id: a, run: date}]\ntests: {t: {expect: {calls: {{x}}}}}\n",
    ],
)
def test_an_unquoted_template_is_told_once(tmp_path: Path, text: str) -> None:
    """And nothing of the mapping that YAML takes it for."""
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(SourceError) as caught:
        load_file(file, file.name, REGISTRY)
    assert [each.message for each in caught.value.diagnostics] == [
        'unquoted template; write "{{x}}"'
    ]


def test_what_stands_beside_an_unquoted_template_is_told_too(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("name: x\ntasks: {a: {env: {{x}}, args: 3}, b: hello}\n")
    with pytest.raises(SourceError) as caught:
        load_file(file, file.name, REGISTRY)
    assert [each.headline().partition(": ")[2] for each in caught.value.diagnostics] == [
        "'function' is missing",
        'unquoted template; write "{{x}}"',
        "expected a list, got the number 3",
        "expected a mapping, got text 'hello'",
    ]
