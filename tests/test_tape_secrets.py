"""Tapes and secrets: what is kept of a real call holds none, and replays all the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import Write

TOOLS = """\
from pytest_highway import tool

@tool("app.login", effects="read")
def login(token, extra=""):
    return {"said": f"hello {token}{extra}", "status": 200}
"""
FLOW = """\
name: flow
variables: {token: none, extra: ""}
secrets: [variables.token]
tasks:
  login:
    function: app.login
    args: ["{{variables.token}}"]
    kwargs: {extra: "{{variables.extra}}"}
    result_key: login
  say: {function: tools.log.info, args: ["{{results.login.said}}"], dependencies: [login]}
tests:
  c:
    variables: {token: s3cr3t-value-1, extra: EXTRA}
    expect:
      results: {login: {said: {$contains: hello}, status: 200}}
      transcript: {level: log, lines: ["info: hello <secret:variables.token>"]}
"""
INI = "[pytest]\npythonpath = .\nhighway_tools = app_tools\n"
TAPE = "tapes/flow.workflow/c.tape.yaml"


def project(write: Write, extra: str = '""') -> Path:
    flow = FLOW.replace("EXTRA", extra)
    return write({"pytest.ini": INI, "app_tools.py": TOOLS, "flow.workflow.yaml": flow})


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *args)


def test_a_recorded_secret_is_a_placeholder_and_replays(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = project(write)
    run(pytester, "--highway-tape=record").assert_outcomes(passed=1)
    text = (root / TAPE).read_text()
    assert text.count("<secret:variables.token>") == 2
    assert "s3cr3t" not in text
    run(pytester).assert_outcomes(passed=1)
    run(pytester, "--highway-tape=verify").assert_outcomes(passed=1)


def test_a_tape_with_what_looks_like_a_credential_is_not_saved(
    pytester: pytest.Pytester, write: Write
) -> None:
    """The message names each place; the words it does not repeat."""
    root = project(write, extra='" ghp_0123456789abcdefghijABCDEFGHIJ012345"')
    file = root / "flow.workflow.yaml"
    file.write_text(file.read_text().split("      transcript:")[0])
    result = run(pytester, "--highway-tape=record")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*is not saved*calls.login.kwargs.extra*GitHub token*calls.login.return.said*"]
    )
    assert not (root / TAPE).exists()
