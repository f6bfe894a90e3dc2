"""pytest's own outcomes raised in tools, and runs during which the session is ended."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from projects import WITH_TOOLS, Write
from real_calls import PATIENCE, content_of, gone, started

TOOLS = """\
import time
from pathlib import Path

import pytest

from pytest_highway.tools import tool


def leave(word):
    getattr(pytest, word)("because")


@tool("app.thread", effects="read")
def thread(word: str) -> None:
    leave(word)


@tool("app.process", effects="read", isolation="process")
def process(word: str) -> None:
    leave(word)


@tool("app.coroutine", effects="read")
async def coroutine(word: str) -> None:
    leave(word)


@tool("app.inline", effects="pure", isolation="inline")
def inline(word: str) -> None:
    leave(word)


@tool("app.forgiving", effects="pure")
def forgiving(word: str) -> str:
    try:
        leave(word)
    except pytest.fail.Exception:
        return "forgiven"


@tool("app.nap", effects="pure")
def nap(proof: str) -> None:
    Path(proof).write_text("x")
    time.sleep(60)
"""
# What forgives any failure and expects one does not forgive these.
LEAVING = """\
name: w
tasks:
  before: {{function: tools.log.info, args: [begin]}}
  leave: {{function: app.{tool}, args: [{word}], retry: 2, on_failure: continue, critical: false,
          dependencies: [before]}}
  after: {{function: tools.log.info, args: [no], dependencies: [leave]}}
  clean: {{function: tools.log.info, args: [cleaned], finally: true}}
tests:
  case: {{real: true, expect: {{status: failed}}}}
  other: {{real: true, expect: {{status: failed}}}}
"""
TRANSCRIPT = """\
before: tools.log.info("begin")
  info: begin
leave: app.{tool}("{word}")
  failed: {name}: because
after: cancelled (leave ended the run)
clean: tools.log.info("cleaned")
  info: cleaned
run: cancelled"""
PLACES = ["thread", "process", "coroutine", "inline"]


@pytest.mark.parametrize("tool", PLACES)
@pytest.mark.parametrize(
    ("word", "name", "outcome"),
    [
        ("skip", "Skipped", {"skipped": 2}),
        ("fail", "Failed", {"failed": 2}),
        ("xfail", "XFailed", {"xfailed": 2}),
    ],
)
def test_outcomes_that_tools_raise_are_those_of_the_case(
    pytester: pytest.Pytester,
    write: Write,
    tool: str,
    word: str,
    name: str,
    outcome: dict[str, int],
) -> None:
    """The run cleans up and ends there; neither a retry nor an expectation changes that."""
    text = LEAVING.format(tool=tool, word=word)
    show = "def pytest_runtest_logreport(report): print(dict(report.sections).get('Captured transcript call', ''))\n"
    write(
        {
            "w.workflow.yaml": text,
            "app_tools.py": TOOLS,
            "pytest.ini": WITH_TOOLS,
            "conftest.py": show,
        }
    )
    result = pytester.runpytest_subprocess("-s")
    result.assert_outcomes(**outcome)
    shown = TRANSCRIPT.format(tool=tool, word=word, name=name)
    assert shown in result.stdout.str()
    result.stdout.no_fnmatch_line("*pytest_highway/*.py*")


@pytest.mark.parametrize("tool", PLACES)
def test_exit_in_a_tool_ends_the_session(
    pytester: pytest.Pytester, write: Write, tool: str
) -> None:
    """After the run has cleaned up; what it did is told, and no other case runs."""
    text = LEAVING.format(tool=tool, word="exit")
    write({"w.workflow.yaml": text, "app_tools.py": TOOLS, "pytest.ini": WITH_TOOLS})
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    heading = "*transcript of w.workflow.yaml::case, which was interrupted*"
    shown = TRANSCRIPT.format(tool=tool, word="exit", name="Exit")
    result.stdout.fnmatch_lines(
        [heading, *shown.splitlines(), "*Exit: because*"], consecutive=False
    )
    result.stdout.no_fnmatch_line("*::other*")


def test_an_outcome_that_the_tool_catches_is_its_own_affair(
    pytester: pytest.Pytester, write: Write
) -> None:
    """Only what leaves the tool counts."""
    text = LEAVING.format(tool="forgiving", word="fail").replace("failed", "success")
    write({"w.workflow.yaml": text, "app_tools.py": TOOLS, "pytest.ini": WITH_TOOLS})
    pytester.runpytest_subprocess().assert_outcomes(passed=2)


def test_outcomes_come_out_of_the_fixture(pytester: pytest.Pytester, write: Write) -> None:
    """A Python test that runs a workflow is skipped by a tool of it."""
    test = "def test_it(highway): highway('w.workflow.yaml', case='case')\n"
    text = LEAVING.format(tool="thread", word="skip")
    files = {"w.workflow.yaml": text, "app_tools.py": TOOLS, "pytest.ini": WITH_TOOLS}
    write({**files, "test_it.py": test})
    pytester.runpytest_subprocess("test_it.py").assert_outcomes(skipped=1)


NAPPING = """\
name: w
tasks:
  before: {function: tools.log.info, args: [begin]}
  nap: {function: app.nap, args: [proof], dependencies: [before]}
  after: {function: tools.log.info, args: [no], dependencies: [nap]}
  clean: {function: tools.log.info, args: [cleaned], finally: true}
tests:
  case: {real: REAL, expect: {status: success}}
  other: {expect: {status: success}}
"""


@pytest.mark.parametrize("real", ["true", "false"])
def test_ctrl_c_shows_what_the_run_did_until_then(write: Write, real: str) -> None:
    """Before pytest's own words; the run has cleaned up, and no other case begins."""
    text = NAPPING.replace("REAL", real)
    folder = write({"w.workflow.yaml": text, "app_tools.py": TOOLS, "pytest.ini": WITH_TOOLS})
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with started(command, cwd=folder, env=environment) as stopped:
        content_of(folder / "proof")
        stopped.send_signal(signal.SIGINT)
        out, _ = stopped.communicate(timeout=PATIENCE)
    assert stopped.returncode == pytest.ExitCode.INTERRUPTED
    assert gone(stopped.pid)
    lines = out.splitlines()
    start = next(number for number, line in enumerate(lines) if "transcript of" in line)
    assert lines[start + 1 : start + 9] == [
        'before: tools.log.info("begin")',
        "  info: begin",
        'nap: app.nap("proof")',
        "  cancelled (the run was interrupted)",
        "after: cancelled (the run was interrupted)",
        'clean: tools.log.info("cleaned")',
        "  info: cleaned",
        "run: cancelled",
    ]
    assert any("KeyboardInterrupt" in line or "Interrupted" in line for line in lines[start + 9 :])
