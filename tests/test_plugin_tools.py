"""Where a workflow's tools come from, hooks around a case, warnings, and fixtures for Python."""

from __future__ import annotations

import pytest
from projects import BARE, BROKEN, FLOW, WITH_TOOLS, Write, outcomes

from pytest_highway.errors import Diagnostic
from pytest_highway.planning.plan import Plan

SHIP = """\
from pytest_highway.tools import tool

@tool("app.ship", effects="pure")
def ship(what: str = "") -> str:
    return f"shipped {what}"

def not_a_tool():
    pass
"""
OTHER_SHIP = SHIP.replace("shipped", "sent")
SHIPPING = """\
name: w
tasks:
  go: {function: app.ship, args: [it]}
tests:
  happy: {expect: {output: shipped it}}
"""
HOOK = "import {module}\n\ndef pytest_highway_tools(registry):\n    registry.add({module}.ship)\n"


@pytest.mark.parametrize("name", ["app_tools", "app_tools:ship"])
def test_ini_highway_tools_names_modules_and_functions(
    pytester: pytest.Pytester, write: Write, name: str
) -> None:
    ini = f"[pytest]\npythonpath = .\nhighway_tools = {name}\n"
    write({"workflows/a.yaml": SHIPPING, "app_tools.py": SHIP, "pytest.ini": ini})
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ("no_such_module", "'no_such_module' cannot be loaded: ModuleNotFoundError: *"),
        ("app_tools:shop", "'app_tools:shop' cannot be loaded: *did you mean 'ship'?"),
        ("empty", "'empty' holds no tool; *"),
        ("exits", "'exits' cannot be loaded: SystemExit: 3"),
        ("app_tools other_tools", "*'app.ship'*app_tools*other_tools*"),
    ],
)
def test_tools_that_cannot_be_loaded_are_one_error_without_a_traceback(
    pytester: pytest.Pytester, write: Write, tools: str, message: str
) -> None:
    ini = f"[pytest]\npythonpath = .\nhighway_tools = {tools}\n"
    files = {f"workflows/{name}.yaml": FLOW for name in "abc"}
    code = {"app_tools.py": SHIP, "other_tools.py": OTHER_SHIP, "empty.py": ""}
    write({**files, **code, "exits.py": "raise SystemExit(3)\n", "pytest.ini": ini})
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ERROR collecting workflows/a.yaml*", f"*{message}"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_highway/*.py*")


def test_a_clash_with_a_conftest_is_one_error_too(pytester: pytest.Pytester, write: Write) -> None:
    files = {"workflows/a.yaml": FLOW, "workflows/in/b.yaml": FLOW, "app_tools.py": SHIP}
    more = {"other_tools.py": OTHER_SHIP, "conftest.py": HOOK.format(module="other_tools")}
    nothing = "def pytest_highway_tools(): pass\n"
    write({**files, **more, "workflows/in/conftest.py": nothing, "pytest.ini": WITH_TOOLS})
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)


def test_a_fault_in_a_hook_shows_its_traceback_once(
    pytester: pytest.Pytester, write: Write
) -> None:
    conftest = "def pytest_highway_tools(): raise KeyError('oops')\n"
    write({"workflows/a.yaml": FLOW, "workflows/b.yaml": FLOW, "conftest.py": conftest})
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*conftest.py:1: in pytest_highway_tools*", "*KeyError: 'oops'"])


def test_the_tools_of_a_conftest_hold_below_its_folder_only(
    pytester: pytest.Pytester, write: Write
) -> None:
    conftests = {
        "workflows/x/conftest.py": HOOK.format(module="ship_x"),
        "workflows/y/conftest.py": HOOK.format(module="ship_y"),
    }
    flows = {f"workflows/{name}/a.yaml": SHIPPING for name in "wxyz"}
    write({**flows, **conftests, "ship_x.py": SHIP, "ship_y.py": OTHER_SHIP})
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess("-v")
    assert outcomes(result) == {
        "workflows/w/a.yaml::check": "FAILED",
        "workflows/x/a.yaml::happy": "PASSED",
        "workflows/y/a.yaml::happy": "FAILED",
        "workflows/z/a.yaml::check": "FAILED",
    }


def installed(module: str) -> dict[str, str]:
    """What a package with an entry point leaves on the import path."""
    info = "app-1.0.dist-info"
    return {
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: app\nVersion: 1.0\n",
        f"{info}/entry_points.txt": f"[pytest_highway.tools]\nship = {module}\n",
    }


def test_installed_packages_bring_tools(pytester: pytest.Pytester, write: Write) -> None:
    write({"workflows/a.yaml": SHIPPING, "app_tools.py": SHIP, **installed("app_tools")})
    pytester.syspathinsert()
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("args", "expected"),
    [(["-W", "always"], {"passed": 2, "warnings": 1}), (["-W", "error"], {"errors": 1})],
)
def test_a_package_whose_tools_cannot_be_loaded_is_a_warning(
    pytester: pytest.Pytester, write: Write, args: list[str], expected: dict[str, int]
) -> None:
    write({"workflows/a.yaml": FLOW, "workflows/b.yaml": FLOW, **installed("gone_tools")})
    pytester.syspathinsert()
    result = pytester.runpytest_inprocess(*args)
    result.assert_outcomes(**expected)
    result.stdout.fnmatch_lines(["*entry point 'ship' (gone_tools) cannot be loaded: *"])
    result.stdout.no_fnmatch_line("*Traceback*")


# --- hooks ---------------------------------------------------------------------------------------


def test_hooks_before_and_after_a_case_see_the_case_and_its_result(
    pytester: pytest.Pytester, write: Write
) -> None:
    conftest = """\
def pytest_highway_before_case(item, case):
    print("before", item.name, case.name)

def pytest_highway_after_case(item, case, result):
    print("after", item.name, case.name, result.status)
"""
    flows = {"workflows/x/a.yaml": FLOW, "workflows/y/b.yaml": FLOW}
    write({**flows, "workflows/x/conftest.py": conftest})
    result = pytester.runpytest_inprocess("-s")
    result.stdout.fnmatch_lines(
        ["*before happy happy", "after happy happy success", "workflows/y/b.yaml ."]
    )


# --- warnings ------------------------------------------------------------------------------------


@pytest.fixture
def _doubtful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every workflow with a task named `doubtful` has one warning about it."""

    def found(plan: Plan) -> list[Diagnostic]:
        names = [each.id for each in plan.scope.nodes if each.id == "doubtful"]
        loc = ("tasks", "doubtful")
        diagnostic = plan.document.diagnostic
        return [diagnostic(loc, "is it meant so", key=True, severity="warning") for _ in names]

    monkeypatch.setattr("pytest_highway.planning.nesting.check_plan", found)


DOUBTFUL = FLOW.replace("say:", "doubtful:")
PLACE = "workflows/a.yaml:3:3: is it meant so"


@pytest.mark.usefixtures("_doubtful")
def test_a_doubtful_workflow_passes_with_a_warning_at_its_place(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/a.yaml": DOUBTFUL})
    result = pytester.runpytest_inprocess("-W", "always")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines([f"*workflows/a.yaml:3: HighwayWarning: {PLACE}"])


@pytest.mark.usefixtures("_doubtful")
@pytest.mark.parametrize(
    ("ini", "args"),
    [
        ("[pytest]\nhighway_strict = true\n", []),
        ("[pytest]\n", ["-W", "error"]),
        ("[pytest]\nfilterwarnings = error::pytest.PytestWarning\n", []),
    ],
)
def test_a_warning_that_is_an_error_breaks_the_file(
    pytester: pytest.Pytester, write: Write, ini: str, args: list[str]
) -> None:
    write({"workflows/a.yaml": DOUBTFUL, "workflows/b.yaml": FLOW, "pytest.ini": ini})
    result = pytester.runpytest_inprocess("-v", *args)
    assert outcomes(result) == {
        "workflows/a.yaml::check": "FAILED",
        "workflows/b.yaml::happy": "PASSED",
    }
    result.stdout.fnmatch_lines([PLACE, "  |   doubtful: *", "  |   ^"], consecutive=True)


# --- fixtures for tests in Python ----------------------------------------------------------------

IN_PYTHON = """\
import pytest

def test_runs(highway, highway_registry):
    result = highway("workflows/a.yaml", case="happy")
    assert result.status == "success"
    assert "tools.log.info" in highway_registry

def test_unknown_case(highway):
    with pytest.raises(Exception, match="no case 'hapy'; it has 'happy'; did you mean 'happy'"):
        highway("workflows/a.yaml", case="hapy")

def test_broken(highway):
    with pytest.raises(Exception, match="workflows/b.yaml:3:19: unknown tool"):
        highway("workflows/b.yaml", case="happy")

def test_unstubbed(highway):
    with pytest.raises(Exception, match="no stub"):
        highway("workflows/c.yaml", case="happy")
"""


def test_the_fixture_highway_runs_cases_from_python(
    pytester: pytest.Pytester, write: Write
) -> None:
    effectful = FLOW.replace("tools.log.info, args: [hello]", "tools.fetch.get, args: ['http://x']")
    flows = {"workflows/a.yaml": FLOW, "workflows/b.yaml": BROKEN, "workflows/c.yaml": effectful}
    write({**flows, "test_it.py": IN_PYTHON})
    pytester.runpytest_inprocess("test_it.py").assert_outcomes(passed=4)


def test_the_fixture_says_in_a_sentence_why_there_are_no_tools(
    pytester: pytest.Pytester, write: Write
) -> None:
    code = "def test_runs(highway): pass\n\ndef test_too(highway): pass\n"
    write({"test_it.py": code, "pytest.ini": WITH_TOOLS})
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["tools module 'app_tools' cannot be loaded: *", "the tools cannot be loaded; *"]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_file_without_cases_needs_no_more_than_a_workflow(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/a.yaml": BARE})
    pytester.runpytest_inprocess("-W", "error").assert_outcomes(passed=1)


# --- an executor of the user's -------------------------------------------------------------------

EXECUTOR_TOOLS = """
import os, threading
from concurrent.futures import ThreadPoolExecutor
from pytest_highway import tool

@tool("app.where", effects="read")
def where():
    return threading.current_thread().name

def pool():
    return ThreadPoolExecutor(1, thread_name_prefix="mine")

def nothing():
    return 5
"""
ON_EXECUTOR = """
name: where
tasks:
  a: {function: app.where, result_key: name}
output: "{{results.name}}"
tests:
  t: {real: true, expect: {output: {$re: "^mine"}}}
"""


def test_an_executor_of_the_users_takes_the_real_calls(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"app_where.py": EXECUTOR_TOOLS, "a.workflow.yaml": ON_EXECUTOR})
    options = ("-o", "highway_tools=app_where", "-o", "highway_executor=app_where:pool")
    pytester.syspathinsert()
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("app_where:nothing", "'app_where:nothing' gives no concurrent.futures.Executor"),
        ("app_where:absent", "'app_where:absent' cannot be loaded"),
    ],
)
def test_an_executor_that_is_none_is_one_clear_error(
    pytester: pytest.Pytester, write: Write, name: str, message: str
) -> None:
    write({"app_where.py": EXECUTOR_TOOLS, "a.workflow.yaml": ON_EXECUTOR})
    pytester.syspathinsert()
    options = ("-o", "highway_tools=app_where", "-o", f"highway_executor={name}")
    result = pytester.runpytest_subprocess(*options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*highway_executor: {message}*"])
    result.stdout.no_fnmatch_line("*Traceback*")
