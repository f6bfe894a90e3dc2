"""Scrubbers: rules, numbers, paths; and what a project says with ini and hook."""

from __future__ import annotations

import re

import pytest
from projects import Write

from pytest_highway.scrubbing import ScrubError, parse_rule, scrub_lines, work_paths

ONE = "123e4567-e89b-12d3-a456-426614174000"
TWO = "AB3E4567-E89B-12D3-A456-426614174000"


@pytest.mark.parametrize(
    ("rules", "lines", "shown"),
    [
        (["now"], ["at 2026-01-02T03:04:05Z."], ["at <now>."]),
        (["now"], ["2026-01-02 03:04:05.123456+02:00 x"], ["<now> x"]),
        (["now"], ["2026-01-02T03:04"], ["<now>"]),
        (["now"], ["2026-01-02 is a date"], ["2026-01-02 is a date"]),
        (["uuid"], [f"{TWO} {ONE}", f"<{TWO}>"], ["<uuid:1> <uuid:2>", "<<uuid:1>>"]),
        (
            [r"order-id: ORD-\d+"],
            ["ORD-7 ORD-8", "ORD-7"],
            ["<order-id:1> <order-id:2>", "<order-id:1>"],
        ),
        ([r"port: localhost:(\d+)"], ["localhost:99/x"], ["localhost:<port:1>/x"]),
        ([r"a: x(\d)?y"], ["xy x1y"], ["<a:1> x<a:2>y"]),
        (["uuid", r"number: \d+"], [f"{ONE} 5 <redacted>"], ["<uuid:1> <number:1> <redacted>"]),
        ([r"word: \w+"], ["<secret:variables.token> a"], ["<secret:variables.token> <word:1>"]),
        (["now", "uuid"], ["nothing"], ["nothing"]),
    ],
)
def test_rules_replace_what_differs(rules: list[str], lines: list[str], shown: list[str]) -> None:
    parsed = [parse_rule(each) for each in rules]
    assert scrub_lines(lines, parsed) == shown
    assert scrub_lines(shown, parsed) == shown


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            "nwo",
            "'nwo' is no built-in scrubber; there are 'now', 'uuid', and your own are written 'name: regular expression'; did you mean 'now'?",
        ),
        (
            "a: (",
            "'a': '(' is no regular expression: missing ), unterminated subpattern at position 0",
        ),
        ("a: x*", "'a': 'x*' finds the empty text"),
        ("a:", "'a': '' finds the empty text"),
        ("= x", "'= x' is no rule; write 'name: regular expression', or now and uuid"),
    ],
)
def test_a_rule_that_makes_no_sense_is_told(rule: str, message: str) -> None:
    with pytest.raises(ScrubError, match=f"^{re.escape(message)}$"):
        parse_rule(rule)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/me/app/x.txt", "$WORK/x.txt"),
        ('"/home/me/app"', '"$WORK"'),
        ("/home/me/application", "/home/me/application"),
        ("https://h.test/home/me/app", "https://h.test/home/me/app"),
        ("/tmp/pytest-of-me/pytest-12/test_a0/x", "$WORK/x"),
        ("/tmp/pytest-of-me/pytest-12/popen-gw1/a_b_0/x", "$WORK/x"),
        ("/tmp/tmpab12cd_4/x /tmp/other/x", "$WORK/x /tmp/other/x"),
        ("/base/test_a0/x /base", "$WORK/x /base"),
        ("/base/popen-gw3/test_a0", "$WORK"),
        ("cd /home/me/app/sub", "cd $WORK"),
        ("/home/me/app.txt ends /home/me/app.", "/home/me/app.txt ends $WORK."),
    ],
)
def test_folders_of_the_workspace_and_temporary_ones_are_work(text: str, shown: str) -> None:
    replaced = work_paths(["/home/me/app/", "/home/me/app/sub", "/"], ["/tmp"], ["/base"])
    assert replaced(text) == shown
    assert replaced(shown) == shown


def test_without_folders_nothing_is_replaced() -> None:
    assert work_paths(["/", ""], [])("/x") == "/x"


# --- through pytest ------------------------------------------------------------------------------

FLOW = """\
name: w
variables: {text: none}
tasks:
  say: {function: tools.log.info, args: ["{{variables.text}}"]}
  bad:
    function: tools.fetch.get
    args: [x]
    dependencies: [say]
tests:
"""
TEXT = f"2026-01-02T03:04:05Z {TWO} {ONE} ORD-5"
CASE = f"""\
  it:
    variables: {{text: "{TEXT}"}}
    stubs: {{bad: {{raise: {{ValueError: "no {ONE}"}}}}}}
    expect:
      error: {{message: "no <uuid:2>"}}
      transcript:
        level: log
        lines: ["info: <now> <uuid:1> <uuid:2> <order-id:1>"]
"""
INI = "[pytest]\nhighway_scrub =\n    now\n    uuid\n    order-id: ORD-\\d+\n"


def test_the_rules_of_the_ini_hold_for_transcripts_and_the_error(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"pytest.ini": INI, "a.workflow.yaml": FLOW + CASE})
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=1)


def test_without_rules_the_same_case_fails(pytester: pytest.Pytester, write: Write) -> None:
    write({"pytest.ini": "[pytest]\n", "a.workflow.yaml": FLOW + CASE})
    pytester.runpytest_inprocess("-q").assert_outcomes(failed=1)


def test_a_bad_rule_is_one_usage_error_at_the_start(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"pytest.ini": "[pytest]\nhighway_scrub = nwo\n", "a.workflow.yaml": FLOW + CASE})
    result = pytester.runpytest_subprocess("-q")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: highway_scrub: 'nwo' is no built-in scrubber*"])


HOOK = """\
import pytest

def pytest_highway_scrub(item, lines):
    lines[:] = [line.replace("7", item.name) for line in lines]
"""


def test_a_hook_changes_lines_after_the_rules(pytester: pytest.Pytester, write: Write) -> None:
    case = (
        '  it: {variables: {text: "7 ORD-7"}, stubs: {bad: {return: 1}}, '
        'expect: {transcript: {level: log, lines: ["info: it <order-id:1>"]}}}\n'
    )
    write({"pytest.ini": INI, "conftest.py": HOOK, "a.workflow.yaml": FLOW + case})
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=1)


WORK = """\
name: w
variables: {folder: none}
tasks:
  say: {function: tools.log.info, args: ["{{variables.folder}}/x"]}
tests:
  golden:
    fixtures: [tmp_path]
    variables: {folder: "{{fixtures.tmp_path}}"}
    expect: {transcript: golden}
  inline:
    fixtures: [tmp_path]
    variables: {folder: "{{fixtures.tmp_path}}"}
    expect: {transcript: {level: log, lines: ["info: {{fixtures.tmp_path}}/x"]}}
"""


@pytest.mark.parametrize("args", [(), ("--basetemp=made",), ("-n1",)], ids=" ".join)
def test_a_golden_with_tmp_path_holds_wherever_that_is(
    pytester: pytest.Pytester,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    args: tuple[str, ...],
) -> None:
    monkeypatch.delenv("CI", raising=False)
    golden = 'say: tools.log.info("$WORK/x")\n  info: $WORK/x\nrun: success\n'
    write({"a.workflow.yaml": WORK, "golden/a.workflow.yaml/golden.log": golden})
    pytester.runpytest_subprocess("-q", *args).assert_outcomes(passed=2)
