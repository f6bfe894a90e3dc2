"""Which files are collected, under which names, and what a broken one yields."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import BARE, BROKEN, FLOW, RED, SMOKE, TODO, Write, ids, outcomes

# --- which files ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "args"),
    [
        ("a.workflow.yaml", []),
        ("sub/a.workflow.yml", []),
        ("sub/a.workflow.json", []),
        ("workflows/a.yaml", []),
        ("workflows/deep/er/a.yml", []),
        ("workflows/a.plan.json", []),
        ("a.yaml", ["a.yaml"]),
        ("data/a.YAML", ["data/a.YAML"]),
        ("other/workflows/a.yaml", ["other/workflows"]),
        ("other/workflows/deep/a.yaml", ["other/workflows/deep"]),
        ("other/workflows/a.yaml", ["other/../other/workflows"]),
        ("workflows/stubs/a.yaml", ["workflows/stubs/a.yaml"]),
        ("golden/a.workflow.yaml", []),
    ],
)
def test_a_file_that_fits_a_pattern_or_is_named_is_collected(
    pytester: pytest.Pytester, write: Write, path: str, args: list[str]
) -> None:
    write({path: FLOW if "json" not in path else "{}"})
    name = "happy" if "json" not in path else "check"
    assert ids(pytester, *args) == [f"{path}::{name}"]


@pytest.mark.parametrize(
    ("path", "args"),
    [
        ("a.yaml", []),
        ("data/a.yaml", []),
        ("a.txt", ["."]),
        ("workflows/a.json", []),
        ("workflows/a.txt", []),
        ("other/workflows/a.yaml", []),
        ("other/workflows/a.yaml", ["other"]),
        ("workflows/golden/a.yaml", []),
        ("workflows/golden/a.yaml", ["workflows/golden"]),
        ("workflows/golden/a.workflow.yaml", []),
        ("workflows/deep/tapes/a.yaml", []),
        ("workflows/stubs/a.yaml", ["workflows"]),
    ],
)
def test_other_files_are_left_alone(
    pytester: pytest.Pytester, write: Write, path: str, args: list[str]
) -> None:
    write({path: FLOW})
    assert ids(pytester, *args) == []


def test_a_test_file_runs_the_cases_of_the_workflow_that_it_names(
    pytester: pytest.Pytester, write: Write
) -> None:
    cases = "workflow: w.yaml\ntests:\n  other: {expect: {status: success}}\n"
    write({"flows/w.yaml": BARE, "flows/w.workflow-test.yaml": cases})
    assert ids(pytester) == ["flows/w.workflow-test.yaml::other"]


def test_a_project_below_a_folder_workflows_is_not_taken_for_workflows(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"workflows/proj/pytest.ini": "[pytest]\n", "workflows/proj/tests/a.yaml": FLOW})
    monkeypatch.chdir(pytester.path / "workflows/proj")
    assert ids(pytester, "-c", "pytest.ini", "--rootdir=.", "tests") == []


def test_python_tests_in_a_folder_golden_outside_workflows_are_collected(
    pytester: pytest.Pytester, write: Write
) -> None:
    code = "def test_it(): pass\n"
    write({"tests/golden/test_a.py": code, "workflows/golden/test_b.py": code})
    assert ids(pytester) == ["tests/golden/test_a.py::test_it"]


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ("*.flow.yaml", ["flows/a.flow.yaml::happy"]),
        ("flows/*.yaml", ["flows/a.flow.yaml::happy", "flows/b.yaml::happy"]),
        ("flows/**", ["flows/a.flow.yaml::happy", "flows/b.yaml::happy", "flows/in/c.yaml::happy"]),
        (
            "flows/**/*.yaml",
            ["flows/a.flow.yaml::happy", "flows/b.yaml::happy", "flows/in/c.yaml::happy"],
        ),
        ("workflows/*.yml", []),
    ],
)
def test_ini_highway_files_replaces_the_patterns(
    pytester: pytest.Pytester, write: Write, patterns: str, expected: list[str]
) -> None:
    write(
        {
            "pytest.ini": f"[pytest]\nhighway_files = {patterns}\n",
            "flows/a.flow.yaml": FLOW,
            "flows/b.yaml": FLOW,
            "flows/in/c.yaml": FLOW,
            "workflows/d.yaml": FLOW,
        }
    )
    assert sorted(ids(pytester)) == expected


def test_a_folder_with_the_name_of_a_workflow_file_is_a_folder(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/x.yaml/a.yaml": FLOW})
    assert ids(pytester) == ["workflows/x.yaml/a.yaml::happy"]


def test_paths_are_shown_from_rootdir_wherever_pytest_is_called(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"workflows/a.yaml": RED})
    monkeypatch.chdir(pytester.path / "workflows")
    result = pytester.runpytest_inprocess("-c", "../pytest.ini", "--rootdir=..", "a.yaml")
    result.stdout.fnmatch_lines(["workflows/a.yaml:5:28: expected status 'failed'*"])


def test_a_file_outside_of_rootdir_is_shown_by_its_name(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"proj/pytest.ini": "[pytest]\n", "elsewhere/a.yaml": RED})
    result = pytester.runpytest_inprocess(f"--rootdir={root}/proj", "elsewhere/a.yaml")
    result.stdout.fnmatch_lines(["a.yaml:5:28: expected status 'failed'*"])
    assert ids(pytester, f"--rootdir={root}/proj", "elsewhere") == []


def test_the_engine_transcript_names_the_file_from_rootdir(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = '"Engine: Loading workflow from: workflows/a.yaml"'
    expect = f"{{transcript: {{level: engine, match: subset, lines: [{first}]}}}}"
    write({"workflows/a.yaml": f"{BARE}tests:\n  happy: {{expect: {expect}}}\n"})
    monkeypatch.chdir(pytester.path / "workflows")
    pytester.runpytest_inprocess("-c", "../pytest.ini", "--rootdir=..").assert_outcomes(passed=1)


# --- names and selection -------------------------------------------------------------------------


def test_a_case_is_one_item_for_each_param(pytester: pytest.Pytester, write: Write) -> None:
    write({"workflows/todo.yaml": TODO, "pytest.ini": SMOKE})
    names = ["happy", "branch[teapot]", "branch[gone]", "sad"]
    assert ids(pytester) == [f"workflows/todo.yaml::{name}" for name in names]


@pytest.mark.parametrize(
    ("args", "names"),
    [
        (["-k", "happy"], ["happy"]),
        (["-k", "teapot"], ["branch[teapot]"]),
        (["-k", "branch and not gone"], ["branch[teapot]"]),
        (["-k", "todo"], ["happy", "branch[teapot]", "branch[gone]", "sad"]),
        (["-k", "signature or execute or fixtures"], []),
        (["-m", "smoke"], ["branch[teapot]", "branch[gone]"]),
        (["-m", "not smoke"], ["happy", "sad"]),
        (["workflows/todo.yaml::happy"], ["happy"]),
        (["workflows/todo.yaml::branch[gone]"], ["branch[gone]"]),
        (["--deselect", "workflows/todo.yaml::branch"], ["happy", "sad"]),
    ],
)
def test_cases_are_selected_as_tests_are(
    pytester: pytest.Pytester, write: Write, args: list[str], names: list[str]
) -> None:
    write({"workflows/todo.yaml": TODO, "pytest.ini": SMOKE})
    assert ids(pytester, *args) == [f"workflows/todo.yaml::{name}" for name in names]


def test_the_name_of_a_case_selects_all_its_params(pytester: pytest.Pytester, write: Write) -> None:
    write({"workflows/todo.yaml": TODO, "pytest.ini": SMOKE})
    names = ["branch[gone]", "branch[teapot]"]  # pytest 8.0 reverses them
    found = ids(pytester, "workflows/todo.yaml::branch")
    assert sorted(found) == [f"workflows/todo.yaml::{name}" for name in names]


def test_collect_only_shows_the_tree_with_descriptions(
    pytester: pytest.Pytester, write: Write
) -> None:
    described = "tests:\n  happy: {description: all is well, expect: {status: success}}\n"
    write({"workflows/a.yaml": BARE + described})
    result = pytester.runpytest_inprocess("--co", "-v")
    result.stdout.fnmatch_lines(["*<WorkflowFile a.yaml>", "*<CaseItem happy>", "*all is well"])


def test_verbose_lines_name_the_items_by_their_ids(pytester: pytest.Pytester, write: Write) -> None:
    dotted = FLOW.replace("happy", "v1.2_ok")
    write({"workflows/todo.yaml": TODO, "workflows/v.1.yaml": dotted, "pytest.ini": SMOKE})
    assert outcomes(pytester.runpytest_inprocess("-v")) == {
        "workflows/todo.yaml::happy": "PASSED",
        "workflows/todo.yaml::branch[teapot]": "PASSED",
        "workflows/todo.yaml::branch[gone]": "PASSED",
        "workflows/todo.yaml::sad": "FAILED",
        "workflows/v.1.yaml::v1.2_ok": "PASSED",
    }


# --- broken files and the check ------------------------------------------------------------------


def test_a_broken_file_is_one_failing_item_and_stops_nothing(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/a.yaml": BROKEN, "workflows/b.yaml": FLOW})
    result = pytester.runpytest_inprocess("-v")
    assert outcomes(result) == {
        "workflows/a.yaml::check": "FAILED",
        "workflows/b.yaml::happy": "PASSED",
    }
    result.stdout.fnmatch_lines(
        [
            "workflows/a.yaml:3:19: *'tools.log.inf'*did you mean 'tools.log.info'?",
            "  |   say: {function: tools.log.inf, args: [[]hello]}",
            "  |                   ^",
        ],
        consecutive=True,
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_valid_file_without_cases_passes_its_check(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/a.yaml": BARE})
    assert outcomes(pytester.runpytest_inprocess("-v")) == {"workflows/a.yaml::check": "PASSED"}


@pytest.mark.parametrize("name", ["happy", "branch[x]", "check", "no_such_case"])
def test_an_item_of_a_broken_file_that_is_named_says_what_is_broken(
    pytester: pytest.Pytester, write: Write, name: str
) -> None:
    write({"workflows/a.yaml": BROKEN})
    result = pytester.runpytest_inprocess(f"workflows/a.yaml::{name}")
    result.assert_outcomes(failed=1)
    shown = name.replace("[", "[[]")
    result.stdout.fnmatch_lines([f"FAILED workflows/a.yaml::{shown} - workflows/a.yaml:3:19: *"])


def test_the_check_of_a_valid_file_with_cases_exists_when_it_is_named(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/a.yaml": FLOW})
    pytester.runpytest_inprocess("workflows/a.yaml::check").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "args", [["-k", "nothing_like_it"], ["-m", "smoke"], ["-k", "happy"], ["-k", "not check"]]
)
def test_the_check_is_not_deselected_by_expressions(
    pytester: pytest.Pytester, write: Write, args: list[str]
) -> None:
    write({"workflows/a.yaml": BROKEN, "workflows/b.yaml": BARE, "pytest.ini": SMOKE})
    found = ids(pytester, *args)
    assert found == ["workflows/a.yaml::check", "workflows/b.yaml::check"]


def test_the_check_keeps_its_place_among_selected_items(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/a.yaml": FLOW, "workflows/b.yaml": BROKEN, "workflows/c.yaml": FLOW})
    assert ids(pytester, "-k", "happy") == [
        "workflows/a.yaml::happy",
        "workflows/b.yaml::check",
        "workflows/c.yaml::happy",
    ]


def test_the_check_comes_first_when_a_plugin_reorders_meanwhile(
    pytester: pytest.Pytester, write: Write
) -> None:
    # Plugins of `-p` come after ours and before pytest's own deselection.
    reorder = "def pytest_collection_modifyitems(items): items.reverse()\n"
    flows = {"workflows/a.yaml": FLOW, "workflows/b.yaml": BROKEN, "workflows/c.yaml": FLOW}
    write({**flows, "reorder.py": reorder})
    pytester.syspathinsert()
    assert ids(pytester, "-k", "happy", "-p", "reorder") == [
        "workflows/b.yaml::check",
        "workflows/c.yaml::happy",
        "workflows/a.yaml::happy",
    ]


def test_the_check_is_deselected_by_name_and_by_a_conftest(
    pytester: pytest.Pytester, write: Write
) -> None:
    drop = "def pytest_collection_modifyitems(items): del items[1]\n"
    files = {f"workflows/{name}.yaml": BROKEN for name in "abc"}
    write({**files, "conftest.py": drop})
    args = ["-k", "x", "--deselect", "workflows/a.yaml::check"]
    assert ids(pytester, *args) == ["workflows/c.yaml::check"]


def test_the_check_is_left_out_by_last_failed(pytester: pytest.Pytester, write: Write) -> None:
    write({"workflows/a.yaml": RED, "workflows/b.yaml": BARE})
    pytester.runpytest_inprocess().assert_outcomes(passed=1, failed=1)
    assert ids(pytester, "--lf") == ["workflows/a.yaml::happy"]


def test_all_findings_of_a_file_are_reported_together(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = FLOW.replace("args:", "arg:").replace("status:", "state:")
    write({"workflows/a.yaml": text})
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(["workflows/a.yaml:3:35: *", "workflows/a.yaml:5:20: *"])
    line = pytester.runpytest_inprocess("--tb=line")
    line.stdout.fnmatch_lines(["workflows/a.yaml:3:35: * (and 1 more)"])


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that cannot be read")
def test_a_file_that_cannot_be_read_fails_its_check(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/b.yaml": FLOW})
    (pytester.path / "workflows/a.yaml").symlink_to("/proc/self/mem")
    result = pytester.runpytest_inprocess("-v")
    assert outcomes(result) == {
        "workflows/a.yaml::check": "FAILED",
        "workflows/b.yaml::happy": "PASSED",
    }
    result.stdout.fnmatch_lines(["workflows/a.yaml:1:1: *cannot be read*"])


@pytest.mark.parametrize(
    ("cases", "names"),
    [
        (["Upper", "upper"], "'upper' and 'Upper'"),
        (["a", "b", "A"], "'A' and 'a'"),
    ],
)
def test_two_golden_cases_whose_names_differ_in_case_only_are_refused(
    pytester: pytest.Pytester, write: Write, cases: list[str], names: str
) -> None:
    rows = "".join(f"  {name}: {{expect: {{transcript: golden}}}}\n" for name in cases)
    write({"workflows/a.yaml": f"{BARE}tests:\n{rows}"})
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines([f"workflows/a.yaml:{4 + len(cases)}:3: {names} would have one*"])
    result.assert_outcomes(failed=1)


def test_params_whose_golden_files_clash_are_refused_at_the_param(
    pytester: pytest.Pytester, write: Write
) -> None:
    case = "  c:\n    params: {x: {}, X: {}}\n    expect: {transcript: golden}\n"
    write({"workflows/a.yaml": f"{BARE}tests:\n{case}"})
    pytester.runpytest_inprocess().stdout.fnmatch_lines(
        ["workflows/a.yaml:6:21: 'c[[]X]' and 'c[[]x]' would have one golden file*"]
    )
