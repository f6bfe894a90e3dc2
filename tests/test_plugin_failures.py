"""What a person reads when a case fails."""

from __future__ import annotations

import re
from unittest.mock import Mock

import pytest
from projects import BARE, FETCHING, Write

from pytest_highway.cases import http_stub
from pytest_highway.errors import HighwayError


def report(pytester: pytest.Pytester, *args: str) -> list[str]:
    """The lines of the one failure, from its first line to the end of its text."""
    lines = pytester.runpytest_inprocess("--show-capture=no", *args).outlines
    first = next(n for n, line in enumerate(lines) if re.match(r"workflows/a.yaml:[0-9]", line))
    last = next(number for number, line in enumerate(lines) if "short test summary" in line)
    return lines[first:last]


def test_each_failing_expectation_has_a_box_in_file_order(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = """\
tests:
  happy:
    description: says hello
    expect:
      calls: {tools.log.info: 3}
      tasks: {say: skipped}
"""
    write({"workflows/a.yaml": BARE + text})
    assert report(pytester) == [
        "workflows/a.yaml:8:31: calls.tools.log.info: expected 3, got 1",
        "  |       calls: {tools.log.info: 3}",
        "  |                               ^",
        '    say: tools.log.info("hello")',
        "",
        'workflows/a.yaml:9:20: tasks.say: expected "skipped", got "success"',
        "  |       tasks: {say: skipped}",
        "  |                    ^",
        "",
        "case 'happy': says hello",
        "",
        "if this change is meant: pytest workflows/a.yaml::happy --highway-update",
    ]


def test_a_transcript_has_a_diff_and_the_command_that_accepts_it(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = """\
tests:
  b-1:
    expect:
      transcript: |
        say: tools.log.info("hello")
          info: bye
        run: success
"""
    write({"workflows/a.yaml": BARE + text})
    assert report(pytester) == [
        "workflows/a.yaml:9:11: transcript: line 2: expected '  info: bye', got '  info: hello'",
        "  |           info: bye",
        "  |           ^",
        "    --- expected",
        "    +++ actual",
        "    @@ -1,3 +1,3 @@ say",
        '     say: tools.log.info("hello")',
        "    -  info: bye",
        "    +  info: hello",
        "    ?        ^^^^^",
        "     run: success",
        "",
        "if this change is meant: pytest workflows/a.yaml::b-1 --highway-update",
    ]


def test_verbose_reports_list_the_tasks_with_their_ends(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = """\
name: w
tasks:
  ask: {operator_type: condition, condition: "true", if_true: left, if_false: right}
  left: {function: tools.log.info, args: [x]}
  right: {function: tools.log.info, args: [x]}
tests:
  happy: {expect: {status: failed}}
"""
    write({"workflows/a.yaml": text})
    lines = report(pytester, "-v")
    table = lines[lines.index("tasks:") + 1 :]
    assert table[:4] == [
        "    ask    success",
        "    left   success",
        "    right  skipped (ask chose left)",
        "",
    ]


BUILD = "name: w\ntasks:\n  build: {function: tools.shell.run, args: [make]}\n"
OTHER = "  other: {function: tools.shell.run, args: [x], dependencies: [build]}\n"
WIDE = """\
tests:
    happy:
        stubs:
            other: {return: 1}
        expect: {status: success}
"""


@pytest.mark.parametrize(
    ("case", "pasted"),
    [
        (
            "tests:\n  happy:\n    expect: {status: success}\n",
            ["    stubs:", "      build: {exit: 0, stdout: ''}"],
        ),
        (
            WIDE,
            ["            build: {exit: 0, stdout: ''}"],
        ),
        (
            "tests:\n  happy: {expect: {status: success}}\n",
            ["    stubs:", "      build: {exit: 0, stdout: ''}"],
        ),
    ],
)
def test_a_call_without_a_stub_comes_with_one_to_paste_as_the_case_is_indented(
    pytester: pytest.Pytester, write: Write, case: str, pasted: list[str]
) -> None:
    write({"workflows/a.yaml": BUILD + OTHER + case})
    lines = report(pytester)
    assert "no stub" in lines[0]
    first = lines.index(pasted[0])
    assert lines[first : first + len(pasted)] == pasted


def test_a_stub_that_was_pasted_makes_the_case_run(pytester: pytest.Pytester, write: Write) -> None:
    case = "tests:\n  happy:\n    expect: {status: success}\n"
    write({"workflows/a.yaml": BUILD + case})
    lines = report(pytester)
    first = lines.index("    stubs:")
    pasted = "".join(f"{line}\n" for line in lines[first : first + 2])
    write({"workflows/a.yaml": BUILD + case + pasted})
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_request_without_an_answer_comes_with_one_to_paste(
    pytester: pytest.Pytester, write: Write
) -> None:
    pytest.importorskip("respx")
    case = """\
tests:
  happy:
    http:
      GET http://api.test/2: {return: {status: 200}}
    expect: {status: success}
"""
    write({"workflows/a.yaml": FETCHING + case})
    assert "      GET http://api.test/1: {return: {status: 200, json: {}}}" in report(pytester)


def test_without_the_libraries_for_http_the_place_of_its_answers_is_named(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = """\
tests:
  happy:
    http: {GET http://api.test/1: {return: {status: 200}}}
    expect: {status: success}
"""
    write({"workflows/a.yaml": FETCHING + case})
    monkeypatch.setattr(http_stub, "router_class", Mock(side_effect=HighwayError("is missing")))
    assert report(pytester)[:2] == [
        "workflows/a.yaml:8:5: is missing",
        "  |     http: {GET http://api.test/1: {return: {status: 200}}}",
    ]


def test_a_missing_golden_fails_and_says_how_to_make_it(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = "tests:\n  happy:\n    params: {x: {}}\n    expect: {transcript: golden}\n"
    root = write({"workflows/a.yaml": BARE + text})
    command = "pytest 'workflows/a.yaml::happy[x]' --highway-update-new"
    assert report(pytester)[-1] == f"to create workflows/golden/a.yaml/happy[x].log: {command}"
    assert not (root / "workflows/golden").exists()


def test_commands_are_given_for_the_folder_in_which_pytest_was_called(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write({"workflows/a.yaml": BARE + "tests:\n  happy: {expect: {transcript: golden}}\n"})
    monkeypatch.chdir(pytester.path / "workflows")
    lines = report(pytester, "-c", "../pytest.ini", "--rootdir=..", "a.yaml")
    assert lines[-1].endswith(": pytest a.yaml::happy --highway-update-new")


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"\xff\n", "is not UTF-8 at byte 0"), (None, "cannot be read: Is a directory")],
)
def test_a_golden_that_cannot_be_read_is_told_without_a_traceback(
    pytester: pytest.Pytester, write: Write, content: bytes | None, why: str
) -> None:
    golden = write({"workflows/a.yaml": BARE + "tests:\n  happy: {expect: {transcript: golden}}\n"})
    path = golden / "workflows/golden/a.yaml/happy.log"
    path.parent.mkdir(parents=True)
    path.mkdir() if content is None else path.write_bytes(content)
    result = pytester.runpytest_inprocess()
    place = "workflows/a.yaml:5:32: transcript"
    result.stdout.fnmatch_lines([f"{place}: the golden file 'golden/a.yaml/happy.log' {why}"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_the_transcript_of_a_failing_case_is_a_section_of_its_report(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/a.yaml": BARE + "tests:\n  happy: {expect: {status: failed}}\n"})
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines(
        [
            "*Captured transcript call*",
            'say: tools.log.info("hello")',
            "  info: hello",
            "run: success",
        ],
        consecutive=True,
    )


@pytest.mark.parametrize(("args", "shown"), [([], 101), (["-v"], 302 + 1), (["-vv"], 303)])
def test_the_middle_of_a_long_transcript_is_left_out(
    pytester: pytest.Pytester, write: Write, args: list[str], shown: int
) -> None:
    tasks = "".join(
        f"  t{number}: {{function: tools.log.info, args: [x]}}\n" for number in range(151)
    )
    text = f"name: w\ntasks:\n{tasks}tests:\n  happy: {{expect: {{status: failed}}}}\n"
    write({"workflows/a.yaml": text})
    lines = pytester.runpytest_inprocess(*args).outlines
    first = next(number for number, line in enumerate(lines) if "Captured transcript" in line)
    last = next(number for number, line in enumerate(lines) if "short test summary" in line)
    assert last - first - 1 == shown


def test_a_diff_and_places_are_coloured(pytester: pytest.Pytester, write: Write) -> None:
    text = "tests:\n  happy: {expect: {transcript: [x]}}\n"
    write({"workflows/a.yaml": BARE + text})
    output = pytester.runpytest_inprocess("--color=yes").stdout.str()
    assert "\x1b[31m    -x\x1b[0m" in output
    assert '\x1b[32m    +say: tools.log.info("hello")\x1b[0m' in output
    assert (
        "\x1b[1m\x1b[31mworkflows/a.yaml:5:" in output
        or "\x1b[31m\x1b[1mworkflows/a.yaml:5:" in output
    )
