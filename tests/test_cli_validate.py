"""`highway validate`: which files it looks at, what it tells of them, and in which format."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from command_line import Call, call_fixture
from projects import BARE, BROKEN, FLOW, Write

__all__ = ["call_fixture"]

# A variable that nothing reads is a lint.
LINTED = FLOW.replace("tasks:", "variables: {unread: 1}\ntasks:", 1)
FAULT = "unknown tool 'tools.log.inf'"


def test_valid_files_are_counted(write: Write, call: Call) -> None:
    """Without paths it is the folder `workflows`."""
    write({"workflows/a.yaml": FLOW, "workflows/deep/b.yml": FLOW, "c.workflow.yaml": BROKEN})
    assert call("validate") == (0, "2 files: 0 errors, 0 warnings\n", "")


def test_all_errors_and_warnings_of_all_files_are_told(write: Write, call: Call) -> None:
    write({"workflows/a.yaml": BROKEN, "workflows/b.yaml": LINTED, "workflows/c.yaml": BROKEN})
    done = call("validate")
    places = [line.split(" ")[0] for line in done.out.splitlines() if line.startswith("workflows")]
    assert (done.code, places) == (
        1,
        ["workflows/a.yaml:3:19:", "workflows/b.yaml:2:13:", "workflows/c.yaml:3:19:"],
    )
    assert done.out.endswith("\n3 files: 2 errors, 1 warning\n")


@pytest.mark.parametrize(("options", "code"), [((), 0), (("--strict",), 1)])
def test_warnings_are_errors_only_when_strict(
    options: tuple[str, ...], code: int, write: Write, call: Call
) -> None:
    write({"workflows/a.yaml": LINTED})
    assert call("validate", *options).code == code


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["."], ["a.workflow.yaml", "b.workflow-test.yaml", "workflows/c.yaml"]),
        (["workflows"], ["workflows/c.yaml"]),
        (["sub/workflows"], ["sub/workflows/e.yaml"]),
        (["plain.yaml"], ["plain.yaml"]),
        (["plain.yaml", "workflows", "./plain.yaml"], ["plain.yaml", "workflows/c.yaml"]),
        (["workflows/golden/g.yaml"], ["workflows/golden/g.yaml"]),
    ],
)
def test_the_files_are_those_that_pytest_collects(
    arguments: list[str], expected: list[str], write: Write, call: Call
) -> None:
    hidden = [".tox/x.workflow.yaml", "node_modules/x.workflow.yaml", "env/x.workflow.yaml"]
    cases = "workflow: a.workflow.yaml\n" + FLOW[FLOW.index("tests:") :]
    flows = [*hidden, "a.workflow.yaml", "workflows/c.yaml", "sub/workflows/e.yaml", "plain.yaml"]
    files = dict.fromkeys([*flows, "workflows/golden/g.yaml", "golden/notes.yaml"], FLOW)
    write({**files, "b.workflow-test.yaml": cases, "env/pyvenv.cfg": ""})
    done = call("validate", "--format", "json", *arguments)
    assert json.loads(done.out)["files"] == expected


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", "there is no file or folder 'nowhere'\n"),
        ("workflows/golden", "there is no workflow file in 'workflows/golden'\n"),
    ],
)
def test_a_path_without_files_is_bad_input(
    path: str, message: str, write: Write, call: Call
) -> None:
    """A gate that looks at nothing must not pass."""
    write({"workflows/golden/a.yaml": FLOW})
    assert call("validate", path) == (2, "", message)


def test_a_file_elsewhere_is_named_by_its_whole_path(
    write: Write, call: Call, tmp_path: Path
) -> None:
    write({})
    file = tmp_path / "far.yaml"
    file.write_text(BROKEN)
    sarif = json.loads(call("validate", "--format", "sarif", str(file)).out)
    (result,) = sarif["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == file.as_uri()


def test_golden_files_that_would_share_a_name_are_errors(write: Write, call: Call) -> None:
    cases = "tests:\n  a: &a {expect: {transcript: golden}}\n  A: *a\n"
    write({"workflows/a.yaml": BARE + cases})
    done = call("validate")
    assert (done.code, "would have one golden file" in done.out) == (1, True)


def test_a_fault_of_a_nested_workflow_is_told_once(write: Write, call: Call) -> None:
    outer = "name: o\ntasks:\n  run: {operator_type: workflow, file: inner.yaml}\n"
    write({"workflows/inner.yaml": BROKEN, "workflows/outer.yaml": outer})
    assert call("validate").out.endswith("\n2 files: 1 error, 0 warnings\n")


def test_json_holds_every_finding(write: Write, call: Call) -> None:
    write({"workflows/a.yaml": LINTED})
    assert json.loads(call("validate", "--format", "json").out) == {
        "files": ["workflows/a.yaml"],
        "errors": 0,
        "warnings": 1,
        "findings": [
            {
                "path": "workflows/a.yaml",
                "line": 2,
                "column": 13,
                "severity": "warning",
                "message": "the variable 'unread' is never read",
            }
        ],
    }


def test_github_commands_escape_what_would_end_them(write: Write, call: Call) -> None:
    """Percent, colon and comma in a path; percent in a message, whose colon and comma stay."""
    broken = BROKEN.replace("tools.log.inf", '"a%b:c,d"')
    write({"workflows/50%, a.yaml": broken})
    (line,) = call("validate", "--format", "github").out.splitlines()
    assert line.startswith("::error file=workflows/50%25%2C a.yaml,line=3,col=19::")
    assert "'a%25b:c,d'" in line


def test_github_commands_stay_on_one_line(write: Write, call: Call) -> None:
    write({"workflows/a.yaml": BARE.replace("name: w", "name: w\nstart_task: [1]")})
    lines = call("validate", "--format", "github").out.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error"]


def test_sarif_holds_what_its_schema_requires(write: Write, call: Call) -> None:
    write({"workflows/a b.yaml": BROKEN})
    log = json.loads(call("validate", "--format", "sarif").out)
    (run,) = log["runs"]
    assert (log["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "highway")
    (result,) = run["results"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [result["ruleId"]]
    assert (result["level"], FAULT in result["message"]["text"]) == ("error", True)
    assert result["locations"] == [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "workflows/a%20b.yaml"},
                "region": {"startLine": 3, "startColumn": 19, "endLine": 3, "endColumn": 48},
            }
        }
    ]
    (rule,) = run["tool"]["driver"]["rules"]
    assert all(rule[each]["text"] for each in ("shortDescription", "fullDescription", "help"))


def test_tools_of_a_module_beside_the_user_are_known(write: Write, call: Call) -> None:
    code = "from pytest_highway import tool\n@tool('near.by')\ndef by(): pass\n"
    flow = "name: w\ntasks: {a: {function: near.by}}\n"
    write({"near_tools.py": code, "workflows/a.yaml": flow})
    assert call("validate", "--tools", "near_tools").code == 0
    assert call("validate").code == 1


def test_unknown_tools_modules_are_bad_input(write: Write, call: Call) -> None:
    write({"workflows/a.yaml": FLOW})
    done = call("validate", "--tools", "no_such_module")
    assert (done.code, "tools module 'no_such_module'" in done.err) == (2, True)


def test_files_come_in_order_of_names(write: Write, call: Call) -> None:
    names = ["b.yaml", "a/z.yaml", "a.yaml", "c/b.yaml"]
    write({f"workflows/{name}": FLOW for name in names})
    files = json.loads(call("validate", "--format", "json").out)["files"]
    assert [os.path.relpath(each, "workflows") for each in files] == [
        *("a.yaml", "b.yaml"),
        *("a/z.yaml", "c/b.yaml"),
    ]
