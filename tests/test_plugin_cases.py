"""A case is a test to pytest: marks, fixtures, reports, and what tools may do to a run."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from projects import BARE, BROKEN, FLOW, RED, SMOKE, TODO, WITH_TOOLS, Write, ids, outcomes

TOOLS = """\
import sys
import pytest
from pytest_highway.tools import tool

@tool("app.act", effects="pure")
def act(what: str = "") -> str:
    if what == "interrupt":
        raise KeyboardInterrupt
    if what == "skip":
        pytest.skip("not here")
    if what == "fail":
        pytest.fail("the tool says no")
    if what == "exit":
        sys.exit(3)
    if what == "raise":
        raise ValueError("two\\nlines")
    return what
"""


def acting(what: str, expect: str = "{status: success}") -> str:
    """A workflow whose one task calls the tool above."""
    return (
        f"name: w\ntasks:\n  go: {{function: app.act, args: [{what}]}}\n"
        f"tests:\n  happy: {{expect: {expect}}}\n"
    )


def case(*lines: str) -> str:
    """A workflow with one case of these lines."""
    return f"{BARE}tests:\n  happy:\n" + "".join(f"    {line}\n" for line in lines)


# --- marks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "expected"),
    [
        ("skip", {"skipped": 1}),
        ("{skip: later}", {"skipped": 1}),
        ("{skipif: {condition: true, reason: never}}", {"skipped": 1}),
        ("{skipif: {condition: false, reason: always}}", {"passed": 1}),
        ("{skipif: {condition: \"sys.platform != 'none'\"}}", {"skipped": 1}),
        ("xfail", {"xpassed": 1}),
        ("{xfail: {reason: flaky, strict: true}}", {"failed": 1}),
        ("{xfail: {reason: flaky, run: false}}", {"xfailed": 1}),
        ("{usefixtures: [tmp_path, capsys]}", {"passed": 1}),
        ("{filterwarnings: error}", {"passed": 1}),
    ],
)
def test_marks_do_to_a_case_what_they_do_to_a_test(
    pytester: pytest.Pytester, write: Write, mark: str, expected: dict[str, int]
) -> None:
    write({"workflows/a.yaml": case(f"marks: [{mark}]", "expect: {status: success}")})
    pytester.runpytest_inprocess().assert_outcomes(**expected)


@pytest.mark.parametrize(
    ("mark", "line"),
    [
        ("{xfail: {reason: flaky upstream}}", "XFAIL workflows/a.yaml::happy - flaky upstream"),
        ("{skip: no net}", "SKIPPED [[]1] workflows/a.yaml:5: no net"),
    ],
)
def test_the_reason_of_a_mark_is_shown(
    pytester: pytest.Pytester, write: Write, mark: str, line: str
) -> None:
    write({"workflows/a.yaml": case(f"marks: [{mark}]", "expect: {status: failed}")})
    pytester.runpytest_inprocess("-rxs").stdout.fnmatch_lines([line])


@pytest.mark.parametrize(
    ("mark", "message"),
    [
        ("{xfail: {raises: KeyError}}", "* 'raises'*"),
        ("{xfail: flaky upstream}", "'xfail' takes its arguments by name*"),
        ("{skipif: {condition: true}}", "'skipif' with a condition of true or false needs a *"),
        ("{skipif: {reason: why}}", "'skipif' needs a 'condition'"),
        ("{xfail: {strict: maybe}}", "'strict' of 'xfail' is 'maybe'; expected true or false"),
        ("{skip: [one, two]}", "'skip' takes one reason, not 2"),
        ("{skip: true}", "'reason' of 'skip' is True; expected text"),
        ("{skipif: {condition: 3}}", "'condition' of 'skipif' is 3; expected true or false or *"),
        ("_hidden", "'_hidden' is no mark; the name of a mark begins with a letter"),
        ("parameterize", "Unknown 'parameterize' mark, did you mean 'parametrize'?*"),
    ],
)
def test_a_mark_that_pytest_would_stumble_over_is_a_finding_of_the_file(
    pytester: pytest.Pytester, write: Write, mark: str, message: str
) -> None:
    write({"workflows/a.yaml": case(f"marks: [{mark}]", "expect: {status: success}")})
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(
        [f"FAILED workflows/a.yaml::check - workflows/a.yaml:6:*: {message}"]
    )


@pytest.mark.parametrize("arguments", [["--strict-markers"], ["-W", "error"]])
def test_an_unknown_mark_is_a_finding_where_it_must_be_registered(
    pytester: pytest.Pytester, write: Write, arguments: list[str]
) -> None:
    text = case("params: {a: {}, b: {}}", "marks: [smok]", "expect: {status: success}")
    write({"workflows/a.yaml": text, "pytest.ini": SMOKE})
    result = pytester.runpytest_inprocess(*arguments)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["workflows/a.yaml:7:13: *'smok'*did you mean 'smoke'?"])
    result.stdout.no_fnmatch_line("*(and * more)")


def test_an_unknown_mark_is_a_warning_at_its_line(pytester: pytest.Pytester, write: Write) -> None:
    text = case("params: {a: {}, b: {}}", "marks: [{smok: 3}]", "expect: {status: success}")
    write({"workflows/a.yaml": text, "pytest.ini": SMOKE})
    result = pytester.runpytest_inprocess("-m", "smok", "-W", "always")
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["*workflows/a.yaml:7: PytestUnknownMarkWarning: unknown mark*"])


def test_arguments_of_a_mark_reach_plugins(pytester: pytest.Pytester, write: Write) -> None:
    conftest = """\
def pytest_runtest_setup(item):
    print([(mark.name, mark.args, mark.kwargs) for mark in item.iter_markers()])
"""
    marks = "marks: [plain, {one: 5}, {two: [1, b]}, {named: {x: 1}}]"
    ini = "[pytest]\nmarkers =\n  plain\n  one(n)\n  two\n  named\n"
    text = case(marks, "expect: {status: success}")
    write({"workflows/a.yaml": text, "conftest.py": conftest, "pytest.ini": ini})
    result = pytester.runpytest_inprocess("-s", "-W", "error")
    result.stdout.fnmatch_lines(
        ["*[[]('plain', (), {}), ('one', (5,), {}), ('two', (1, 'b'), {}), ('named', (), {'x': *"]
    )


# --- fixtures ------------------------------------------------------------------------------------

FIXTURES = """\
import pytest

made = []

@pytest.fixture(autouse=True)
def always():
    made.append("always")

@pytest.fixture(scope="session")
def once():
    made.append("once")
    return {"name": "ship", "size": [1, 2]}

@pytest.fixture(scope="module")
def per_file():
    made.append("per_file")
    return object

@pytest.fixture
def each():
    made.append("each")
    yield 7
    made.append("gone")

def pytest_sessionfinish():
    print("made:", *made)
"""


def test_fixtures_of_every_scope_are_requested_for_real(
    pytester: pytest.Pytester, write: Write
) -> None:
    cases = "".join(
        f"  c{number}: {{fixtures: [once, per_file, each], expect: {{status: success}}}}\n"
        for number in (1, 2)
    )
    write({"workflows/a.yaml": f"{BARE}tests:\n{cases}", "conftest.py": FIXTURES})
    result = pytester.runpytest_inprocess("-s")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["*made: once per_file always each gone always each gone", "*2 passed*"]
    )


def test_values_of_fixtures_are_read_by_templates(pytester: pytest.Pytester, write: Write) -> None:
    text = """\
name: w
variables: {name: "", size: [], dir: ""}
tasks:
  say: {function: tools.log.info, args: ["{{variables.name}} {{variables.size}} {{variables.dir}}"]}
tests:
  happy:
    fixtures: [once, each, tmp_path, per_file]
    variables:
      name: "{{fixtures.once.name}}"
      size: "{{fixtures.once.size}}"
      dir: "{{fixtures.tmp_path}}"
    expect:
      calls: {say: [{args: ["ship [1, 2] {{fixtures.tmp_path}}"]}]}
      transcript: {level: log, match: contains, lines: ["info: ship ?1, 2? $WORK (glob)"]}
"""
    write({"workflows/a.yaml": text, "conftest.py": FIXTURES})
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_an_unknown_fixture_is_an_error_at_its_place_with_the_known_ones(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = case("fixtures: [tmp_path, tmp_pth]", "expect: {status: success}")
    write({"workflows/a.yaml": text})
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "workflows/a.yaml:6:26: fixture 'tmp_pth' not found",
            "  |     fixtures: [[]tmp_path, tmp_pth]",
            "  |                          ^",
            "available fixtures: *tmp_path*",
        ],
        consecutive=True,
    )
    result.stdout.no_fnmatch_line("*pytest_highway*.py*")


def test_a_fixture_that_requests_an_unknown_one_is_told_by_pytest(
    pytester: pytest.Pytester, write: Write
) -> None:
    conftest = "import pytest\n\n@pytest.fixture\ndef outer(inner_missing): pass\n"
    text = case("fixtures: [outer]", "expect: {status: success}")
    write({"workflows/a.yaml": text, "conftest.py": conftest})
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*conftest.py, line *", "*fixture 'inner_missing' not found*"])


# --- sessions: cache, stop, order, workers -------------------------------------------------------


def test_last_failed_failed_first_and_stepwise_know_cases_again(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = TODO.replace("code {{params.code}}", "code 410")
    write({"workflows/todo.yaml": text, "pytest.ini": SMOKE})
    failed = ["workflows/todo.yaml::branch[teapot]", "workflows/todo.yaml::sad"]
    rest = ["workflows/todo.yaml::happy", "workflows/todo.yaml::branch[gone]"]
    pytester.runpytest_inprocess().assert_outcomes(passed=2, failed=2)
    assert ids(pytester, "--lf") == failed
    assert ids(pytester, "--ff") == failed + rest
    pytester.runpytest_inprocess("--sw").assert_outcomes(passed=1, failed=1)
    again = pytester.runpytest_inprocess("--sw")
    again.assert_outcomes(failed=1, deselected=1)


def test_stopping_at_the_first_failure(pytester: pytest.Pytester, write: Write) -> None:
    write({"workflows/a.yaml": RED, "workflows/b.yaml": FLOW})
    pytester.runpytest_inprocess("-x").assert_outcomes(failed=1)


def test_workers_have_the_same_items_in_the_same_order_with_the_same_outcomes(
    pytester: pytest.Pytester, write: Write
) -> None:
    flows = {"workflows/todo.yaml": TODO, "workflows/x.yaml": BROKEN, "pytest.ini": SMOKE}
    write({**flows, "other/workflows/b.yaml": FLOW})
    args = ["-v", "-p", "no:randomly", "workflows", "other/workflows"]
    alone = outcomes(pytester.runpytest_inprocess(*args))
    result = pytester.runpytest_inprocess(*args, "-n", "2")
    lines = [line.split() for line in result.outlines if line[:3] == "[gw" and "::" in line]
    shared = {words[-1]: words[-2] for words in lines}
    assert shared == alone
    assert len(alone) == 6
    result.stdout.fnmatch_lines(["FAILED workflows/x.yaml::check - workflows/x.yaml:3:19: *"])


def test_a_failure_from_a_worker_has_one_line_in_the_summary_of_a_ci_run(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"workflows/a.yaml": RED})
    monkeypatch.setenv("CI", "1")
    result = pytester.runpytest_inprocess("-n", "1")
    *_, failed, end = result.outlines
    assert failed.startswith("FAILED workflows/a.yaml::happy - workflows/a.yaml:5:28: ")
    assert "1 failed" in end


# --- reports -------------------------------------------------------------------------------------


def junit(pytester: pytest.Pytester, path: Path) -> ET.Element:
    pytester.runpytest_inprocess(f"--junitxml={path}")
    return next(ET.parse(path).getroot().iter("testcase"))


def test_junit_has_the_place_and_the_properties(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"workflows/a.yaml": RED})
    found = junit(pytester, root / "out.xml")
    assert (found.get("classname"), found.get("name")) == ("workflows.a.yaml", "happy")
    failure = found.find("failure")
    headline = "workflows/a.yaml:5:28: expected status 'failed', got 'success'"
    assert failure is not None
    assert (failure.text or "").split("\n")[0] == headline
    assert failure.get("message") == headline
    properties = {each.get("name"): each.get("value") for each in found.iter("property")}
    assert properties == {
        "highway_branches": "{}",
        "highway_calls": '{"tools.log.info": 1}',
        "highway_duration": "0.0",
    }


@pytest.mark.parametrize(
    ("args", "lines"),
    [
        (["--tb=line"], ["workflows/a.yaml:5:28: expected status 'failed', got 'success'"]),
        (["--tb=no"], ["FAILED workflows/a.yaml::happy - workflows/a.yaml:5:28: expected *"]),
        (["--tb=short"], ["workflows/a.yaml:5:28: *", "  |   happy: {expect: {status: failed}}"]),
        (["-q"], ["workflows/a.yaml:5:28: *", "1 failed in *"]),
        (["-v"], ["workflows/a.yaml::happy FAILED*", "tasks:", "    say  success"]),
        (["-vv"], ["workflows/a.yaml::happy FAILED*", "workflows/a.yaml:5:28: *"]),
        (["--color=no"], ["workflows/a.yaml:5:28: *", "*Captured transcript call*"]),
        (["--color=yes"], ["*\x1b[[]31m*workflows/a.yaml:5:28: *"]),
    ],
)
def test_every_style_of_report_names_the_place(
    pytester: pytest.Pytester, write: Write, args: list[str], lines: list[str]
) -> None:
    write({"workflows/a.yaml": RED})
    result = pytester.runpytest_inprocess(*args)
    result.stdout.fnmatch_lines(lines)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_run_without_a_terminal_has_the_same_outcome(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/a.yaml": RED})
    result = pytester.runpytest_subprocess("-p", "no:terminal")
    assert (result.ret, result.outlines, result.errlines) == (1, [], [])


def test_a_colourless_report_has_no_escapes(pytester: pytest.Pytester, write: Write) -> None:
    write({"workflows/a.yaml": RED})
    assert "\x1b" not in pytester.runpytest_inprocess("--color=no").stdout.str()


# --- what a tool may do --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("skip", {"skipped": 1}),
        ("fail", {"failed": 1}),
        ("exit", {"failed": 1}),
        ("", {"passed": 1}),
    ],
)
def test_what_a_tool_raises_at_pytest_reaches_pytest(
    pytester: pytest.Pytester, write: Write, what: str, expected: dict[str, int]
) -> None:
    text = acting(f'"{what}"')
    write({"workflows/a.yaml": text, "app_tools.py": TOOLS, "pytest.ini": WITH_TOOLS})
    pytester.runpytest_inprocess().assert_outcomes(**expected)


def test_an_interrupt_in_a_tool_ends_the_session(pytester: pytest.Pytester, write: Write) -> None:
    flows = {"workflows/a.yaml": acting("interrupt"), "workflows/b.yaml": FLOW}
    write({**flows, "app_tools.py": TOOLS, "pytest.ini": WITH_TOOLS})
    result = pytester.runpytest_inprocess(no_reraise_ctrlc=True)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.no_fnmatch_line("*passed*")


def test_an_exception_of_a_tool_is_the_error_of_its_task(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = acting("raise", "{error: {type: ValueError, message: {$contains: lines}, task: go}}")
    write({"workflows/a.yaml": text, "app_tools.py": TOOLS, "pytest.ini": WITH_TOOLS})
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_fault_in_code_shows_its_traceback(pytester: pytest.Pytester, write: Write) -> None:
    conftest = "def pytest_highway_after_case(result): return 1 / 0\n"
    write({"workflows/a.yaml": FLOW, "conftest.py": conftest})
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(["*ZeroDivisionError*", "*conftest.py:1: ZeroDivisionError*"])
