"""Nothing is written that two runs, of another order and another hash seed, do not agree on."""

from __future__ import annotations

import pytest
from goldens import GOLDEN, calling, told, tree, with_tools
from projects import BARE, Write

# The calls of two tasks that are ready at once take their answers from one script.
ORDER = """\
name: w
tasks:
  a: {function: tools.shell.run, args: [x], result_key: a}
  b: {function: tools.shell.run, args: [y], result_key: b}
tests:
  case:
    stubs: {tools.shell.run: [{return: one}, {return: two}]}
    expect:
      results:
        a: x
        b: y
"""
DIFFER = "refused: workflows/a.yaml:{line}: two runs of the case differ; the second had another *"


@pytest.mark.parametrize("tool", ["app.words", "app.hashed"])
def test_what_depends_on_the_hash_seed_is_refused_and_both_are_shown(
    pytester: pytest.Pytester, write: Write, tool: str
) -> None:
    root = write(with_tools(a=calling(tool)))
    result = pytester.runpytest_inprocess("--highway-update")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [DIFFER.format(line=5), "    --- first run", "    +++ second run", "    -*", "    +*"]
    )
    assert tree(root) == {"a.yaml": calling(tool)}


def test_what_depends_on_the_order_of_ready_tasks_is_refused(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"workflows/a.yaml": ORDER})
    result = pytester.runpytest_inprocess("--highway-update")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [DIFFER.format(line=10), '    -*:10: "one"', '    -*:11: "two"', '    +*:10: "two"']
    )
    assert tree(root) == {"a.yaml": ORDER}


def test_a_case_that_fails_otherwise_in_the_second_run_is_refused(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"workflows/a.yaml": GOLDEN, "conftest.py": FAILING})
    result = pytester.runpytest_inprocess("--highway-update")
    result.stdout.fnmatch_lines(["refused: *, and it failed: out of order"])
    assert tree(root) == {"a.yaml": GOLDEN}


FAILING = """\
import pytest

def pytest_highway_before_case(item):
    if item.config.getoption("--highway-second-run"):
        pytest.fail("out of order", pytrace=False)
"""


def test_what_both_runs_agree_on_is_written_and_each_was_made_once(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write(with_tools(a=calling("app.fine")))
    pytester.runpytest_inprocess("--highway-update").assert_outcomes(passed=1)
    assert tree(root) == {"a.yaml": calling("app.fine").replace("a: x", "a: fine")}
    assert (root / "calls").read_text() == "fine\nfine\n"


def test_real_tools_that_write_are_not_called_again_which_is_said(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = calling("app.deploy", "real: [app.deploy], ")
    root = write(with_tools(a=text))
    result = pytester.runpytest_inprocess("--highway-update")
    result.assert_outcomes(passed=1)
    assert told(result) == [
        "seen in one run: workflows/a.yaml::case, since 'app.deploy' wrote for real",
        "updated: workflows/a.yaml:5",
    ]
    assert tree(root) == {"a.yaml": text.replace("a: x", "a: deployed")}
    assert (root / "calls").read_text() == "deploy\n"


def test_real_tools_that_read_are_called_again(pytester: pytest.Pytester, write: Write) -> None:
    root = write(with_tools(a=calling("app.read", "real: true, ")))
    pytester.runpytest_inprocess("--highway-update").assert_outcomes(passed=1)
    assert (root / "calls").read_text() == "read\nread\n"


ARGUMENTS = [
    ("-x",),
    ("-n", "2"),
    ("--lf",),
    ("--sw",),
    ("-p", "no:cacheprovider"),
    ("-k", "a.yaml", "--maxfail=1", "--log-file=run.log"),
    ("--basetemp=temporary", "workflows"),
    ("workflows/a.yaml::happy", "workflows/a.yaml"),
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=" ".join)
def test_the_second_run_understands_the_arguments_of_the_first(
    pytester: pytest.Pytester, write: Write, arguments: tuple[str, ...]
) -> None:
    write({"workflows/a.yaml": GOLDEN, "test_other.py": "def test_it(): pass\n"})
    result = pytester.runpytest_inprocess("--highway-update", *arguments)
    assert told(result) == ["created: workflows/golden/a.yaml/happy.log:1"]


def test_options_of_ini_and_environment_hold_in_the_second_run(
    pytester: pytest.Pytester, write: Write
) -> None:
    ini = "[pytest]\naddopts = -p plugin_of_mine --mine=here\nxfail_strict = true\n"
    flow = BARE.replace("hello", '"{{env.MINE}}"').replace("tasks:", "env: {MINE: x}\ntasks:")
    tests = "tests:\n  happy: {env: {MINE: '{{fixtures.mine}}'}, fixtures: [mine], expect: {transcript: golden}}\n"
    plugin = """\
import pytest

def pytest_addoption(parser):
    parser.addoption("--mine")

@pytest.fixture
def mine(request):
    return request.config.getoption("--mine")
"""
    files = {"pytest.ini": ini, "workflows/a.yaml": flow + tests, "plugin_of_mine.py": plugin}
    root = write(files)
    pytester.syspathinsert()
    pytester.runpytest_inprocess("--highway-update").assert_outcomes(passed=1)
    assert "info: here" in tree(root)["golden/a.yaml/happy.log"]


def test_a_report_of_the_first_run_is_not_written_over(
    pytester: pytest.Pytester, write: Write
) -> None:
    files = {"workflows/a.yaml": GOLDEN, "test_other.py": "def test_it(): pass\n"}
    root = write(files)
    pytester.runpytest_inprocess("--highway-update", "--junit-xml=report.xml")
    assert (root / "report.xml").read_text().count("<testcase ") == 2


def test_the_second_run_reads_no_other_file(pytester: pytest.Pytester, write: Write) -> None:
    noting = "with open('read', 'a') as file: file.write('x')\ndef test_it(): pass\n"
    root = write({"workflows/a.yaml": GOLDEN, "test_other.py": noting})
    pytester.runpytest_inprocess("--highway-update").assert_outcomes(passed=2)
    assert (root / "read").read_text() == "x"


CRASHING = """\
import os, sys

def pytest_collection_finish(session):
    if session.config.getoption("--highway-second-run"):
        print("out of luck", flush=True)
        os._exit(3)
"""


def test_a_second_run_that_gives_no_result_is_a_refusal_with_its_reason(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"workflows/a.yaml": GOLDEN, "conftest.py": CRASHING})
    result = pytester.runpytest_inprocess("--highway-update", "-s")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    why = "a second run ended with exit code 3 and no result; it said: out of luck"
    assert told(result) == [f"refused: workflows/golden/a.yaml/happy.log:1: {why}"]
    assert tree(root) == {"a.yaml": GOLDEN}


DROPPING = """\
def pytest_collection_modifyitems(config, items):
    if config.getoption("--highway-second-run"):
        items[:] = [item for item in items if "b.yaml" not in item.nodeid]
"""


def test_a_case_that_has_no_second_run_is_refused_alone(
    pytester: pytest.Pytester, write: Write
) -> None:
    files = {"workflows/a.yaml": GOLDEN, "workflows/b.yaml": GOLDEN, "conftest.py": DROPPING}
    root = write(files)
    result = pytester.runpytest_inprocess("--highway-update")
    why = "the case did not come to its end in a second run"
    assert told(result) == [
        "created: workflows/golden/a.yaml/happy.log:1",
        f"refused: workflows/golden/b.yaml/happy.log:1: {why}",
    ]
    assert sorted(tree(root)) == ["a.yaml", "b.yaml", "golden/a.yaml/happy.log"]


def test_ctrl_c_in_the_second_run_writes_nothing(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    root = write({"workflows/a.yaml": GOLDEN})
    monkeypatch.setattr("subprocess.run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pytester.runpytest_inprocess("--highway-update", no_reraise_ctrlc=True)
    assert tree(root) == {"a.yaml": GOLDEN}


@pytest.mark.parametrize("seed", ["1", "0"])
def test_the_second_seed_is_another_one_than_that_of_the_environment(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch, seed: str
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", seed)
    write(with_tools(a=calling("app.hashed")))
    result = pytester.runpytest_subprocess("--highway-update")
    result.stdout.fnmatch_lines([DIFFER.format(line=5)])
