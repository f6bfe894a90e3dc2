"""What follows a failure: retry, timeout, on_failure, critical, finally, skip_if and run_if."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, tabled, verdict

HOLDS = tabled("failure.txt")


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


A = "a: {function: app.echo"
FAULTS = {
    "retry and retry_policy": (
        f"{A}, retry: 1, retry_policy: {{max_retries: 2}}}}",
        ["3:37: 'retry' and 'retry_policy' mean the same; give one of them"],
    ),
    "timeout and timeout_policy": (
        f"{A}, timeout: 1, timeout_policy: {{timeout: 2}}}}",
        ["3:39: 'timeout' and 'timeout_policy' mean the same; give one of them"],
    ),
    "kill_on_timeout: false": (
        f"{A}, timeout_policy: {{timeout: 2, kill_on_timeout: false}}}}",
        ["3:73: False is not allowed here; allowed: True"],
    ),
    "fallback_step beside on_failure": (
        f"{A}, on_failure: abort, fallback_step: b}}\n  b: {{function: app.echo}}",
        ["3:46: 'fallback_step' and 'on_failure' exclude each other"],
    ),
    "a finally task as fallback": (
        f"{A}, fallback_step: b}}\n  b: {{function: app.echo, finally: true}}",
        ["3:42: 'b' is a finally task and can stand in for nothing"],
    ),
    "a condition as fallback": (
        (
            f"{A}, fallback_step: b}}\n"
            "  b: {operator_type: condition, condition: 'true', if_true: c}\n"
            "  c: {function: app.echo}"
        ),
        ["3:42: 'b' is a condition and can stand in for nothing"],
    ),
    "a condition that chooses a fallback": (
        (
            f"{A}, fallback_step: b}}\n  b: {{function: app.echo}}\n"
            "  c: {operator_type: condition, condition: 'true', if_true: b}"
        ),
        ["5:61: 'b' is a fallback; no condition may choose it"],
    ),
    "an unknown policy": (
        f"{A}, on_failure: abbort}}",
        [
            (
                "3:39: 'abbort' is not allowed here; allowed: 'skip_dependents', 'abort', "
                "'continue'; did you mean 'abort'?"
            )
        ],
    ),
    "a policy of two words": (
        f"{A}, on_failure: {{fallback: b, policy: abort}}}}\n  b: {{function: app.echo}}",
        ["3:39: expected {fallback: task id}, got a mapping with 'fallback', 'policy'"],
    ),
    "consuming what nobody provides": (
        f"{A}, consumes: [bilt]}}\n  b: {{function: app.echo, provides: [built]}}",
        ["3:38: no task provides 'bilt'; did you mean 'built'?"],
    ),
    "consuming what a fallback provides": (
        (
            f"{A}, fallback_step: b}}\n  b: {{function: app.echo, provides: [x]}}\n"
            "  c: {function: app.echo, consumes: [x]}"
        ),
        ["5:38: 'b', which provides 'x', is a fallback; nothing else may depend on it"],
    ),
    "two providers": (
        f"{A}, provides: [x]}}\n  b: {{function: app.echo, provides: [x]}}",
        ["4:38: 'x' is provided by 'a' as well"],
    ),
    "consuming what one provides oneself": (
        f"{A}, provides: [x], consumes: [x]}}",
        ["3:53: 'a' consumes what it provides itself"],
    ),
    "a negative retry": (
        f"{A}, retry: -1}}",
        ["3:34: input should be greater than or equal to 0, got the number -1"],
    ),
    "names in retry_on that no attempt can fail with": (
        (
            f"{A}, retry: {{max_retries: 1, retry_on: [ValueErorr, Stuck, KeyError, CircuitOpen]}}}}\n"
            "  b: {function: app.echo, retry_policy: {max_retries: 1, retry_on: ['builtins:Eror']}}"
        ),
        [
            (
                "3:62: unknown exception 'ValueErorr'; others are written 'module:Class'; "
                "did you mean 'ValueError'?"
            ),
            "3:74: 'Stuck' ends a task or the run, and is never retried",
            "4:69: 'builtins:Eror' is no exception",
        ],
    ),
    "a bad template in env": (
        f"{A}, env: {{X: '{{{{ 1 + }}}}'}}}}",
        ["3:36: an operand is missing"],
    ),
}


@pytest.mark.parametrize("title", FAULTS)
def test_faults(tmp_path: Path, title: str) -> None:
    """What cannot be meant is found at collection, at its place."""
    tasks, expected = FAULTS[title]
    assert faults(tmp_path, f"name: w\ntasks:\n  {tasks}\n") == expected


def test_a_fallback_is_no_default(tmp_path: Path) -> None:
    """One task cannot stand in for all."""
    text = "name: w\ndefaults: {on_failure: {fallback: a}}\ntasks: {a: {function: app.echo}}\n"
    assert faults(tmp_path, text) == ["2:35: a fallback serves one task, so it is no default"]


def test_a_default_names_exceptions_that_exist(tmp_path: Path) -> None:
    """A typo there would turn retries off for the whole file."""
    text = (
        "name: w\ndefaults: {retry: {max_retries: 1, retry_on: [KeyEror]}}\n"
        "tasks: {a: {function: app.echo}}\n"
    )
    unknown = "unknown exception 'KeyEror'; others are written 'module:Class'; "
    assert faults(tmp_path, text) == [f"2:47: {unknown}did you mean 'KeyError'?"]


def test_a_chain_of_three_thousand_fallbacks(tmp_path: Path) -> None:
    """Nothing recurses over it."""
    tasks = "\n".join(
        f"  t{number}: {{function: app.fail, fallback_step: t{number + 1}}}"
        for number in range(3_000)
    )
    text = f"""\
name: w
tasks:
{tasks}
  t3000: {{function: app.echo}}
tests:
  t: {{expect: {{status: success, tasks: {{t0: {{replaced_by: t3000}}}}}}}}
"""
    assert verdict(tmp_path, text) == []
