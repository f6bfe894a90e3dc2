"""Small projects with workflows, for tests that run pytest on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

Write = Callable[[Mapping[str, str]], Path]

BARE = "name: w\ntasks:\n  say: {function: tools.log.info, args: [hello]}\n"
FLOW = BARE + "tests:\n  happy: {expect: {status: success}}\n"
RED = BARE + "tests:\n  happy: {expect: {status: failed}}\n"
BROKEN = FLOW.replace("tools.log.info", "tools.log.inf")
FETCHING = """\
name: w
tasks:
  get:
    function: tools.fetch.get
    args: ["http://api.test/1"]
"""
# A case without params, one with two, and one that fails.
TODO = """\
name: todo
variables: {code: 0}
tasks:
  say: {function: tools.log.info, args: ["code {{variables.code}}"]}
tests:
  happy: {expect: {status: success}}
  branch:
    params: {teapot: {code: 418}, gone: {code: 410}}
    variables: {code: "{{params.code}}"}
    marks: [smoke]
    expect: {transcript: {level: log, lines: ["info: code {{params.code}}"]}}
  sad: {expect: {tasks: {say: skipped}}}
"""
SMOKE = "[pytest]\nmarkers = smoke: quick\n"
WITH_TOOLS = "[pytest]\npythonpath = .\nhighway_tools = app_tools\n"


def ids(pytester: pytest.Pytester, *args: str) -> list[str]:
    """The items that a run with these arguments would have, in order."""
    result = pytester.runpytest_inprocess("--co", "-q", *args)
    return [line for line in result.outlines if "::" in line]


def outcomes(result: pytest.RunResult) -> dict[str, str]:
    """The last word of a run with `-v` on each item, in the order of the run."""
    lines = [line.split() for line in result.outlines if "::" in line and "%]" in line]
    return {words[0]: words[1] for words in lines if words[1].isupper()}
