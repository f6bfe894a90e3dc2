"""`pytest --highway-history`: what becomes of the runs of cases, in every backend's sight."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from projects import FLOW, SMOKE, TODO, WITH_TOOLS, Write
from storages import BACKENDS, RedisServer, impatient_fixture, record, redis_server

from pytest_highway.storage.opening import DEFAULT_ADDRESS, open_storage
from pytest_highway.storage.records import RunRecord
from pytest_highway.storage.rows import attempts, steps

__all__ = ["impatient_fixture"]

OPTION = "--highway-history"
TOOLS = """\
import os
import signal
import time
from pathlib import Path

import pytest
from pytest_highway.tools import tool


@tool("app.leave", effects="pure")
def leave(word: str) -> None:
    getattr(pytest, word)("because")


@tool("app.die", effects="pure")
def die() -> None:
    os._exit(3)


@tool("app.interrupt", effects="read")
def interrupt(name: str) -> None:
    os.kill(os.getpid(), getattr(signal, name))
    time.sleep(60)


@tool("app.take", effects="pure")
def take() -> None:
    Path("runs").rename("taken")
    Path("runs").write_text("in the way")


@tool("app.give", effects="pure")
def give() -> None:
    Path("runs").unlink()
    Path("taken").rename("runs")
"""
# One tool behind a task that always succeeds.
ONE = """\
name: w
tasks:
  first: {{function: tools.log.info, args: [begin]}}
  then: {{function: {tool}, args: {args}, dependencies: [first]}}
tests:
  it: {expect}
"""
PASS = "{expect: {status: success}}"
REAL = "{real: [app.interrupt], expect: {status: success}}"


def one(tool: str, *args: str, case: str = PASS) -> str:
    """A workflow with one case, that calls a tool."""
    return ONE.format(tool=tool, args=list(args), expect=case)


def runs(address: str = DEFAULT_ADDRESS) -> dict[str, RunRecord]:
    """The newest run of each test, by node id."""
    with open_storage(address, create=False) as storage:
        return {each.source: each for each in reversed(storage.records())}


@pytest.fixture(params=BACKENDS)
def address(request: pytest.FixtureRequest) -> str:
    """An empty history of each kind, relative to where pytest is started."""
    if request.param == "redis":
        return str(request.getfixturevalue("server").url)
    return f"{request.param}:runs"


@pytest.fixture
def server(tmp_path: Path) -> object:
    with redis_server(tmp_path) as server:
        yield server


# --- what is recorded ----------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_every_case_is_a_recorded_run(
    pytester: pytest.Pytester, write: Write, address: str, workers: tuple[str, ...]
) -> None:
    """Verdict, state, values and steps are those of the case, in whatever process it ran."""
    write({"workflows/todo.yaml": TODO, "pytest.ini": SMOKE})
    result = pytester.runpytest_inprocess(f"{OPTION}={address}", *workers)
    result.assert_outcomes(passed=3, failed=1)
    found = runs(address)
    shown = {
        name: (each.case, each.verdict, each.state, each.variables, each.params)
        for name, each in sorted(found.items())
    }
    file = "workflows/todo.yaml"
    why = 'workflows/todo.yaml:12:31: tasks.say: expected "skipped", got "success"'
    assert shown == {
        f"{file}::branch[gone]": (
            "branch[gone]",
            "passed",
            "success",
            {"code": 410},
            {"code": 410},
        ),
        f"{file}::branch[teapot]": (
            *("branch[teapot]", "passed", "success"),
            *({"code": 418}, {"code": 418}),
        ),
        f"{file}::happy": ("happy", "passed", "success", {"code": 0}, {}),
        f"{file}::sad": ("sad", "failed", "success", {"code": 0}, {}),
    }
    assert {each.failure for each in found.values()} == {"", why}
    assert {(each.workflow, each.file, each.clock) for each in found.values()} == {
        ("todo", file, "virtual")
    }
    with open_storage(address) as storage:
        log = storage.log(found[f"{file}::happy"])
    assert [(each.path, each.status) for each in steps(log)] == [("say", "success")]
    assert [(each.path, each.tool) for each in attempts(log)] == [("say", "tools.log.info")]


@pytest.mark.parametrize(
    ("case", "tool", "expected"),
    [
        (PASS, ("tools.log.info", "x"), ("passed", "success", "")),
        ("{expect: {status: failed}}", ("tools.log.info", "x"), ("failed", "success", "status")),
        (
            "{marks: [xfail], expect: {status: failed}}",
            ("tools.log.info", "x"),
            ("xfailed", "success", ""),
        ),
        (
            "{marks: [xfail], expect: {status: success}}",
            ("tools.log.info", "x"),
            ("xpassed", "success", ""),
        ),
        (
            "{marks: [{xfail: {strict: true}}], expect: {status: success}}",
            ("tools.log.info", "x"),
            ("failed", "success", "[XPASS(strict)]"),
        ),
        (PASS, ("app.leave", "skip"), ("skipped", "cancelled", "")),
        (PASS, ("app.leave", "fail"), ("failed", "cancelled", "because")),
        (
            "{stubs: {then: {raise: ValueError}}, expect: {status: failed}}",
            ("app.leave", "x"),
            None,
        ),
    ],
)
def test_the_verdict_of_a_case_is_kept_beside_the_state_of_its_run(
    pytester: pytest.Pytester,
    write: Write,
    case: str,
    tool: tuple[str, ...],
    expected: tuple[str, str, str] | None,
) -> None:
    write(
        {"w.workflow.yaml": one(*tool, case=case), "app_tools.py": TOOLS, "pytest.ini": WITH_TOOLS}
    )
    pytester.runpytest_inprocess(OPTION)
    [found] = runs().values()
    verdict, state, why = expected or ("passed", "failed", "")
    assert (found.verdict, found.state, why in found.failure) == (verdict, state, True)
    assert bool(found.failure) == (verdict == "failed")


def test_the_clock_of_a_run_is_told_and_its_duration_is_on_it(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = (
        "name: w\ntasks:\n  say: {function: tools.shell.run, args: ['echo x']}\n"
        "  pause: {operator_type: wait, wait_for: '{{variables.pause}}', dependencies: [say]}\n"
        "variables: {pause: 0s}\ntests:\n"
        "  simulated: {variables: {pause: 2h}, stubs: {say: {exit: 0}}, expect: {status: success}}\n"
        "  real: {real: true, expect: {status: success}}\n"
    )
    write({"w.workflow.yaml": text})
    pytester.runpytest_inprocess(OPTION).assert_outcomes(passed=2)
    found = {each.case: (each.clock, each.duration) for each in runs().values()}
    assert found == {"simulated": ("virtual", 7200.0), "real": ("machine", None)}


def test_a_workflow_that_a_python_test_runs_is_recorded_under_that_test(
    pytester: pytest.Pytester, write: Write
) -> None:
    """Also one that runs in a fixture, whose test is not what has been judged."""
    text = (
        "import pytest\n@pytest.fixture\ndef run(highway):\n"
        "    return highway('w.workflow.yaml', case='happy')\n"
        "def test_it(highway):\n    highway('w.workflow.yaml', case='happy')\n    assert not 'ok'\n"
        "def test_other(run):\n    assert run.status == 'success'\n"
    )
    write({"w.workflow.yaml": FLOW, "test_it.py": text})
    pytester.runpytest_inprocess("test_it.py", OPTION).assert_outcomes(passed=1, failed=1)
    found = {name: (each.case, each.verdict, each.state) for name, each in runs().items()}
    assert found == {
        "test_it.py::test_it": ("happy", "failed", "success"),
        "test_it.py::test_other": ("happy", "", "success"),
    }


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("--collect-only", OPTION), None),
        (("--help", OPTION), None),
        ((), None),
        (("-k", "happy", OPTION), ["happy"]),
        (("workflows/todo.yaml::sad", OPTION), ["sad"]),
        (("-k", "nothing", OPTION), []),
    ],
)
def test_what_does_not_run_is_not_recorded(
    pytester: pytest.Pytester, write: Write, args: tuple[str, ...], expected: list[str] | None
) -> None:
    """Without a run there is no history either, nor its folder."""
    write({"workflows/todo.yaml": TODO, "pytest.ini": SMOKE})
    pytester.runpytest_inprocess(*args)
    found = [each.case for each in runs().values()] if Path(".highway").exists() else None
    assert found == expected


def test_a_case_that_never_began_is_no_run(pytester: pytest.Pytester, write: Write) -> None:
    text = FLOW.replace("{expect", "{fixtures: [bad], expect")
    fixture = "import pytest\n@pytest.fixture\ndef bad():\n    raise ValueError\n"
    write({"w.workflow.yaml": text, "conftest.py": fixture})
    pytester.runpytest_inprocess(OPTION).assert_outcomes(errors=1)
    assert runs() == {}


@pytest.mark.parametrize("option", ["--highway-update", "--highway-update-new"])
def test_a_second_run_that_only_confirms_a_golden_is_not_recorded(
    pytester: pytest.Pytester, write: Write, option: str
) -> None:
    write({"w.workflow.yaml": FLOW.replace("status: success", "transcript: golden")})
    result = pytester.runpytest_subprocess(option, OPTION)
    result.stdout.fnmatch_lines(["created: *"])
    with open_storage() as storage:
        assert [each.case for each in storage.records()] == ["happy"]


RERUNS = """\
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        item._initrequest()
        for report in runtestprotocol(item, nextitem=nextitem, log=False):
            item.ihook.pytest_runtest_logreport(report=report)
    return True
"""


def test_each_rerun_is_recorded(pytester: pytest.Pytester, write: Write) -> None:
    """As plugins do it that run a failing test again."""
    write({"w.workflow.yaml": FLOW, "conftest.py": RERUNS})
    pytester.runpytest_inprocess(OPTION).assert_outcomes(passed=2)
    with open_storage() as storage:
        assert [each.verdict for each in storage.records()] == ["passed", "passed"]


def test_what_comes_from_a_fixture_is_recorded_as_it_is_written(
    pytester: pytest.Pytester, write: Write
) -> None:
    """It may be a secret that no file declares; another value is recorded itself."""
    text = (
        "name: w\nvariables: {where: none, who: none}\ntasks:\n"
        "  say: {function: tools.log.info, args: ['{{variables.who}} {{variables.where}}']}\n"
        "tests:\n  it:\n    fixtures: [tmp_path]\n    params: {a: {who: me}}\n"
        "    variables: {where: '{{fixtures.tmp_path}}', who: '{{params.who}}'}\n"
        "    expect: {status: success}\n"
    )
    write({"w.workflow.yaml": text})
    pytester.runpytest_inprocess(OPTION).assert_outcomes(passed=1)
    [found] = runs().values()
    assert (found.variables, found.params) == (
        {"where": "{{fixtures.tmp_path}}", "who": "me"},
        {"who": "me"},
    )


# --- what is cut off -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "word", "case", "status"),
    [
        ("app.interrupt", "SIGINT", REAL, "cancelled"),
        ("app.leave", "exit", PASS, "failed"),
    ],
    ids=["ctrl-c", "exit"],
)
def test_a_run_that_ends_the_session_is_recorded_as_cancelled(
    pytester: pytest.Pytester, write: Write, tool: str, word: str, case: str, status: str
) -> None:
    """With all that it did, as the runs before it are with theirs."""
    write(
        {
            "a.workflow.yaml": FLOW,
            "b.workflow.yaml": one(tool, word, case=case),
            "c.workflow.yaml": FLOW,
            "app_tools.py": TOOLS,
            "pytest.ini": WITH_TOOLS,
        }
    )
    assert pytester.runpytest_subprocess(OPTION).ret == pytest.ExitCode.INTERRUPTED
    found = runs()
    assert {name: (each.state, each.verdict) for name, each in found.items()} == {
        "a.workflow.yaml::happy": ("success", "passed"),
        "b.workflow.yaml::it": ("cancelled", ""),
    }
    with open_storage() as storage:
        log = storage.log(found["b.workflow.yaml::it"])
    assert [(each.path, each.status) for each in steps(log)] == [
        ("first", "success"),
        ("then", status),
    ]


def test_a_killed_session_leaves_what_a_real_run_had_done(
    pytester: pytest.Pytester, write: Write, address: str
) -> None:
    """The run is told to have lost its process, cannot be resumed, and can be pruned."""
    write(
        {
            "w.workflow.yaml": one("app.interrupt", "SIGKILL", case=REAL),
            "app_tools.py": TOOLS,
            "pytest.ini": WITH_TOOLS,
        }
    )
    result = pytester.runpytest_subprocess(f"{OPTION}={address}")
    [found] = runs(address).values()
    assert (result.ret, found.state, found.is_gone) == (-signal.SIGKILL, "running", True)
    with open_storage(address) as storage:
        [first, *_] = steps(storage.log(found))
    assert (first.path, first.status) == ("first", "success")
    for command, code, told in (
        ([*RESUME, found.id], 2, "it is one of w.workflow.yaml::it"),
        ([*RESUME, "last"], 2, "the history has no run of workflow"),
        (["history", "prune", "--keep", "0"], 0, f"removed {found.id}"),
    ):
        done = highway(*command, "--history", address)
        assert (done.returncode, told in done.stdout + done.stderr) == (code, True)


RESUME = ("run", "w.workflow.yaml", "--tools", "app_tools", "--resume")


def highway(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command."""
    code = "from pytest_highway.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_worker_that_crashes_leaves_all_other_runs_whole(
    pytester: pytest.Pytester, write: Write, address: str
) -> None:
    many = "".join(f"  case{number}: {PASS}\n" for number in range(20))
    write(
        {
            "a.workflow.yaml": one("app.die"),
            "b.workflow.yaml": FLOW.replace("  happy: {expect: {status: success}}\n", many),
            "app_tools.py": TOOLS,
            "pytest.ini": WITH_TOOLS,
        }
    )
    result = pytester.runpytest_subprocess(f"{OPTION}={address}", "-n2")
    result.assert_outcomes(passed=20, failed=1)
    found = runs(address)
    crashed = found.pop("a.workflow.yaml::it")
    assert (crashed.is_gone, crashed.verdict) == (True, "")
    assert [(each.state, each.verdict) for each in found.values()] == [("success", "passed")] * 20


# --- a history that cannot be written ------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ((OPTION, "workflows"), "--highway-history: 'workflows' is no address of a history"),
        ((OPTION, "w.yaml::happy"), "the option takes the word behind it"),
        ((f"{OPTION}=mysql:x",), "'mysql:x' is no address"),
        ((f"{OPTION}=files:",), "'files:' is no address"),
        ((f"{OPTION}=sqlite:pytest.ini",), "pytest.ini: file is not a database"),
        ((f"{OPTION}=sqlite:pytest.ini", "-n2"), "pytest.ini: file is not a database"),
        ((f"{OPTION}=files:pytest.ini",), "cannot open"),
        ((f"{OPTION}=sqlite:pytest.ini/x/y",), "cannot make the folder"),
        ((f"{OPTION}=redis://:hunter2@127.0.0.1:1/0",), "cannot open redis://127.0.0.1:1/0"),
    ],
)
def test_a_history_that_cannot_be_opened_is_told_before_any_test(
    pytester: pytest.Pytester, write: Write, args: tuple[str, ...], told: str
) -> None:
    """Nothing runs, nothing is overwritten, and no password is shown."""
    root = write({"workflows/w.yaml": FLOW})
    before = (root / "pytest.ini").read_text()
    result = pytester.runpytest_inprocess(*args)
    shown = result.stdout.str() + result.stderr.str()
    assert (result.ret, told in result.stderr.str()) == (pytest.ExitCode.USAGE_ERROR, True)
    assert "Traceback" not in shown
    assert "hunter2" not in shown
    assert "passed" not in shown
    assert (root / "pytest.ini").read_text() == before


@pytest.mark.usefixtures("_impatient")
def test_a_locked_database_is_told_before_any_test(pytester: pytest.Pytester, write: Write) -> None:
    write({"w.workflow.yaml": FLOW})
    open_storage("sqlite:runs").close()
    other = sqlite3.connect("runs", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    result = pytester.runpytest_inprocess(f"{OPTION}=sqlite:runs")
    other.close()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --highway-history: cannot write to *: database is locked*"]
    )


@pytest.mark.usefixtures("_impatient")
def test_a_locked_folder_is_told_before_any_test(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"w.workflow.yaml": FLOW})
    open_storage("files:runs").close()
    with FileLock(root / "runs" / ".lock"):
        result = pytester.runpytest_inprocess(f"{OPTION}=files:runs")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *another process holds its lock*"])


def test_a_corrupt_database_is_told_before_any_test_and_stays_as_it_is(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"w.workflow.yaml": FLOW})
    with open_storage("sqlite:runs") as storage:
        storage.add(record(1))
    text = (root / "runs").read_bytes()
    corrupt = text[:4096] + b"\x17" * (len(text) - 4096)
    (root / "runs").write_bytes(corrupt)
    result = pytester.runpytest_inprocess(f"{OPTION}=sqlite:runs")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *: database disk image is malformed*"])
    assert (root / "runs").read_bytes() == corrupt


FAILING = {
    "a.workflow.yaml": FLOW,
    "b.workflow.yaml": one("app.take"),
    "c.workflow.yaml": FLOW,
    "app_tools.py": TOOLS,
    "pytest.ini": WITH_TOOLS,
}


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_a_history_that_fails_on_the_way_changes_no_outcome_and_does_not_pass(
    pytester: pytest.Pytester, write: Write, workers: tuple[str, ...]
) -> None:
    """What it had is still there; what it has not is told by name."""
    write(FAILING)
    result = pytester.runpytest_inprocess(f"{OPTION}=files:runs", *workers)
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*= workflow history =*",
            "not recorded: cannot *runs*: 'b.workflow.yaml::it', 'c.workflow.yaml::happy'",
        ]
    )
    assert {name: each.verdict for name, each in runs("files:taken").items()} == {
        "a.workflow.yaml::happy": "passed",
        "b.workflow.yaml::it": "",
    }


def test_a_history_that_fails_for_a_time_has_everything_at_last(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({**FAILING, "d.workflow.yaml": one("app.give")})
    result = pytester.runpytest_inprocess(f"{OPTION}=files:runs")
    result.assert_outcomes(passed=4)
    result.stdout.no_fnmatch_line("*workflow history*")
    assert (result.ret, [each.verdict for each in runs("files:runs").values()]) == (
        pytest.ExitCode.OK,
        ["passed"] * 4,
    )


def test_a_server_that_goes_away_between_two_cases_loses_no_outcome(
    pytester: pytest.Pytester, write: Write, server: RedisServer
) -> None:
    stop = (
        "import signal, os\nfrom pytest_highway.tools import tool\n"
        "@tool('app.stop', effects='pure')\n"
        f"def stop() -> None:\n    os.kill({server.pid}, signal.SIGKILL)\n"
    )
    write({**FAILING, "b.workflow.yaml": one("app.stop"), "app_tools.py": stop})
    result = pytester.runpytest_subprocess(f"{OPTION}={server.url}")
    result.assert_outcomes(passed=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines([f"not recorded: cannot write to {server.url}*: 'b.workflow*"])
    server.stop()
    server.start()
    found = {name: each.verdict for name, each in runs(server.url).items()}
    assert found == {"a.workflow.yaml::happy": "passed", "b.workflow.yaml::it": ""}


# --- where and at what cost ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "env", "expected"),
    [
        ((OPTION,), {}, "sub/.highway/history.sqlite"),
        ((f"{OPTION}=",), {"HIGHWAY_HISTORY": "named"}, "sub/named"),
        ((OPTION,), {"HIGHWAY_HISTORY": "sqlite:named"}, "sub/named"),
        ((f"{OPTION}=../x.sqlite",), {"HIGHWAY_HISTORY": "named"}, "x.sqlite"),
        ((f"{OPTION}=x.db", "-n1"), {}, "sub/x.db"),
    ],
)
def test_paths_are_relative_to_where_pytest_is_started(
    pytester: pytest.Pytester,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
    env: dict[str, str],
    expected: str,
) -> None:
    """As those of `highway history` are."""
    root = write({"sub/w.workflow.yaml": FLOW})
    monkeypatch.chdir(root / "sub")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    result = pytester.runpytest_inprocess(*args)
    result.stdout.fnmatch_lines([f"highway history: *{Path(expected).name}"])
    assert list(runs(str(root / expected))) == ["sub/w.workflow.yaml::happy"]


def test_without_the_option_nothing_of_the_history_is_loaded(
    pytester: pytest.Pytester, write: Write
) -> None:
    listing = (
        "import sys\ndef test_it():\n    print()\n    print(*sorted(sys.modules), sep='\\n')\n"
    )
    write({"a.workflow.yaml": FLOW, "test_it.py": listing})
    result = pytester.runpytest_subprocess("-s", "-p", "no:xdist")
    result.assert_outcomes(passed=2)
    assert "pytest_highway.plugin.items" in result.outlines
    own = ("pytest_highway.storage", "pytest_highway.plugin.history")
    assert [each for each in result.outlines if each.startswith(own)] == []
