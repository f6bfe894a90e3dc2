"""How much of a failure is shown, where the rest is kept, and what other options make of it."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from pathlib import Path

import pytest
from projects import BARE, Write

PLACED = re.compile(r"workflows/a\.yaml:[0-9]+:[0-9]+: ")


def report(pytester: pytest.Pytester, *args: str) -> list[str]:
    """The lines of the one failure, from its first line to the end of its text."""
    lines = pytester.runpytest_inprocess("--show-capture=no", *args).outlines
    first = next(number for number, line in enumerate(lines) if PLACED.match(line))
    last = next(number for number, line in enumerate(lines) if "short test summary" in line)
    return lines[first:last]


def chain(size: int, actual: str, expected: str) -> str:
    """So many tasks in a row, each with a message of two words, of which the second differs."""
    tasks = [
        f"  t{number}: {{function: tools.log.info, args: [say {actual}]}}\n"
        for number in range(size)
    ]
    lines = [
        f'        t{number}: tools.log.info("say {expected}")\n          info: say {expected}\n'
        for number in range(size)
    ]
    end = "        run: success\n"
    head = "tests:\n  it:\n    expect:\n      transcript: |\n"
    return "".join(["name: w\ntasks:\n", *tasks, head, *lines, end])


# --- verbosity -----------------------------------------------------------------------------------


MORE = "    ... 15 more hunks, of 't5', 't6', 't7', 't8', 't9', 't10', 't11', 't12' and 7 more"


@pytest.mark.parametrize(
    ("args", "hunks", "tail"),
    [
        (["-q"], 5, [MORE]),
        ([], 5, [MORE]),
        (["-v"], 20, []),
        (["-vv"], 20, []),
    ],
)
def test_a_diff_shows_its_first_hunks_and_all_under_v(
    pytester: pytest.Pytester, write: Write, args: list[str], hunks: int, tail: list[str]
) -> None:
    """The first difference first; what is left out is named by its tasks."""
    write({"workflows/a.yaml": chain(20, "b", "a")})
    lines = report(pytester, *args)
    assert sum(line.startswith("    @@") for line in lines) == hunks
    assert [line for line in lines if "more hunks" in line] == tail
    assert lines[5].endswith(" @@ t0")


@pytest.mark.parametrize(
    ("args", "shown", "more"),
    [
        ([], 39, ["    ... 263 more lines"]),
        (["-v"], 199, ["    ... 103 more lines"]),
        (["-vv"], 300, []),
    ],
)
def test_a_long_hunk_is_cut(
    pytester: pytest.Pytester, write: Write, args: list[str], shown: int, more: list[str]
) -> None:
    body = "".join(f"        line {number}\n" for number in range(300))
    text = f"tests:\n  it:\n    expect:\n      transcript: |\n{body}"
    write({"workflows/a.yaml": BARE + text})
    lines = report(pytester, *args)
    assert [line for line in lines if "more lines" in line] == more
    assert sum(line.startswith("    -line") for line in lines) == shown


@pytest.mark.parametrize(
    ("args", "boxes", "headlines"), [([], 20, 130), (["-v"], 100, 50), (["-vv"], 150, 0)]
)
def test_every_failing_expectation_is_told_and_the_first_ones_with_a_box(
    pytester: pytest.Pytester, write: Write, args: list[str], boxes: int, headlines: int
) -> None:
    wrong = ", ".join(f"k{number}: {number}" for number in range(150))
    text = f"tests:\n  it:\n    expect:\n      memory: {{{wrong}}}\n"
    write({"workflows/a.yaml": BARE + text})
    result = pytester.runpytest_inprocess("--show-capture=no", *args)
    lines = result.outlines
    placed = [number for number, line in enumerate(lines) if PLACED.match(line)]
    with_source = [number for number in placed if lines[number + 1].startswith("  | ")]
    assert (len(with_source), len(placed) - len(with_source)) == (boxes, headlines)
    result.stdout.fnmatch_lines(["FAILED workflows/a.yaml::it - workflows/a.yaml:7:20: memory.k0*"])


@pytest.mark.parametrize(
    ("args", "rows", "more"),
    [
        ([], 0, []),
        (["-v"], 200, ["    ... 50 more lines"]),
        (["-vv"], 250, []),
    ],
)
def test_the_table_of_tasks_has_its_bounds(
    pytester: pytest.Pytester, write: Write, args: list[str], rows: int, more: list[str]
) -> None:
    tasks = "".join(f"  t{n}: {{function: tools.log.info, args: [x]}}\n" for n in range(250))
    text = f"name: w\ntasks:\n{tasks}tests:\n  it: {{expect: {{status: failed}}}}\n"
    write({"workflows/a.yaml": text})
    lines = report(pytester, *args)
    assert sum(re.fullmatch(r"    t[0-9]+ +success", line) is not None for line in lines) == rows
    assert [line for line in lines if "more lines" in line] == more


@pytest.mark.parametrize(("args", "width"), [([], 400), (["-v"], 2_000), (["-vv"], 3_009)])
def test_a_very_long_line_is_cut(
    pytester: pytest.Pytester, write: Write, args: list[str], width: int
) -> None:
    text = "tests:\n  it: {expect: {transcript: {level: log, lines: [x]}}}\n"
    write({"workflows/a.yaml": BARE.replace("hello", "h" * 3_000) + text})
    (line,) = [each for each in report(pytester, *args) if each.startswith("    +info")]
    assert len(line.partition("... ")[0]) == min(width, 3_007) + 4


# --- the whole text ------------------------------------------------------------------------------

KEPT = ".pytest_cache/d/highway-failures/workflows/a.yaml/it.txt"


def wide(pytester: pytest.Pytester, write: Write) -> None:
    """A case whose failure is too long to be shown as a whole."""
    write({"workflows/a.yaml": chain(20, "b", "a")})


def test_what_is_left_out_is_kept_in_the_cache(pytester: pytest.Pytester, write: Write) -> None:
    """The file holds every box, every hunk, the tasks and the whole transcript."""
    wide(pytester, write)
    lines = report(pytester, "-p", "cacheprovider")
    assert f"all of it: {KEPT}, or add -vv" in lines
    whole = (pytester.path / KEPT).read_text(encoding="utf-8").splitlines()
    assert PLACED.match(whole[0])
    assert sum(line.startswith("    @@") for line in whole) == 20
    assert "    t19  success" in whole
    assert whole[-2:] == ["  info: say b", "run: success"]
    assert [path.name for path in (pytester.path / KEPT).parent.iterdir()] == ["it.txt"]


def test_what_is_kept_is_that_of_the_last_run(pytester: pytest.Pytester, write: Write) -> None:
    wide(pytester, write)
    report(pytester, "-p", "cacheprovider")
    write({"workflows/a.yaml": chain(20, "c", "a")})
    report(pytester, "-p", "cacheprovider")
    assert "say c" in (pytester.path / KEPT).read_text(encoding="utf-8")


def test_a_long_transcript_is_kept_too(pytester: pytest.Pytester, write: Write) -> None:
    """Of a failure that is shown as a whole the transcript may still be cut."""
    tasks = "".join(f"  t{n}: {{function: tools.log.info, args: [x]}}\n" for n in range(151))
    text = f"name: w\ntasks:\n{tasks}tests:\n  it: {{expect: {{status: failed}}}}\n"
    write({"workflows/a.yaml": text})
    assert f"all of it: {KEPT}, or add -vv" in report(pytester, "-p", "cacheprovider")
    whole = (pytester.path / KEPT).read_text(encoding="utf-8").splitlines()
    assert whole.count("  info: x") == 151


def test_what_is_shown_as_a_whole_is_not_kept(pytester: pytest.Pytester, write: Write) -> None:
    wide(pytester, write)
    lines = report(pytester, "-p", "cacheprovider", "-vv")
    assert not [line for line in lines if line.startswith("all of it")]
    assert not (pytester.path / KEPT).exists()


def test_without_a_cache_nothing_is_kept_and_it_is_said(
    pytester: pytest.Pytester, write: Write
) -> None:
    wide(pytester, write)
    lines = report(pytester, "-p", "no:cacheprovider")
    assert "all of it: add -vv (pytest runs without its cache, where it would be kept)" in lines


def test_a_cache_that_cannot_be_written_costs_nothing_else(
    pytester: pytest.Pytester, write: Write
) -> None:
    """A folder that is read-only is one of the ways; a file in its place is one that root has."""
    wide(pytester, write)
    (pytester.path / "taken").write_text("", encoding="utf-8")
    lines = report(pytester, "-p", "cacheprovider", "-o", "cache_dir=taken", "-W", "ignore")
    (line,) = [each for each in lines if each.startswith("all of it")]
    assert line.startswith("all of it: add -vv (it could not be kept in pytest's cache: ")
    assert lines[-1] == "if this change is meant: pytest workflows/a.yaml::it --highway-update"


# --- invisible differences -----------------------------------------------------------------------


def test_a_value_that_looks_like_the_expected_one_is_told_by_its_characters(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = 'name: w\ntasks:\n  a: {function: tools.memory.set, args: [k, "p\\u0430y"]}\n'
    text += "tests:\n  it: {expect: {memory: {k: pay}}}\n"
    write({"workflows/a.yaml": text})
    assert report(pytester)[0].endswith(
        'memory.k: expected "pay", got "p\u0430y"; column 2: expected U+0061 LATIN SMALL LETTER A, '
        "got U+0430 CYRILLIC SMALL LETTER A"
    )


def test_line_ends_of_the_file_are_no_difference(pytester: pytest.Pytester, write: Write) -> None:
    """A file with CR LF says the same as one with LF, in its text blocks too."""
    text = chain(2, "a", "a")
    write({"workflows/a.yaml": ""})
    (pytester.path / "workflows/a.yaml").write_bytes(text.replace("\n", "\r\n").encode())
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_carriage_return_in_an_expected_line_is_shown(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = 'tests:\n  it: {expect: {transcript: {level: log, lines: ["info: hello\\r"]}}}\n'
    write({"workflows/a.yaml": BARE + text})
    assert report(pytester)[6:9] == [
        "    -'info: hello\\r'",
        "    +'info: hello'",
        "    ?column 12: expected U+000D CARRIAGE RETURN, got the end",
    ]


@pytest.mark.parametrize(
    ("lines", "place", "marker"),
    [
        ("        <<<<<<< ours\n        a\n        =======\n", "7:19", "<<<<<<< ours"),
        ("        a\n        >>>>>>> theirs\n", "7:19", ">>>>>>> theirs"),
        ("<<<<<<< ours\n        a\n=======\n", "8:1", None),
    ],
)
def test_a_merge_that_was_not_finished_is_named(
    pytester: pytest.Pytester, write: Write, lines: str, place: str, marker: str | None
) -> None:
    """Markers that were indented are found in the transcript, others by the reader of YAML."""
    write({"workflows/a.yaml": f"{BARE}tests:\n  it:\n    expect:\n      transcript: |\n{lines}"})
    text = pytester.runpytest_inprocess().stdout.str()
    assert f"workflows/a.yaml:{place}: " in text
    assert "conflict marker of a merge; resolve the conflict first" in text
    assert marker is None or repr(marker) in text


# --- where a transcript differs ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transcript", "place"),
    [
        ("\n        - a\n        - b", "8:11"),
        (" [a, b]", "7:20"),
        (" |\n        a\n        b", "8:9"),
        (" |2-\n        a\n        b", "8:9"),
        (" &x |\n        a\n        b", "8:9"),
        (' "a\\nb"', "7:19"),
        (" >\n        a\n\n        b", "7:19"),
        (" {level: log, lines: [b]}", "7:40"),
        ("\n        level: log\n        lines: |\n          b", "10:11"),
        (" {match: contains, lines: [b]}", "7:45"),
    ],
)
def test_a_transcript_fails_at_the_line_that_differs(
    pytester: pytest.Pytester, write: Write, transcript: str, place: str
) -> None:
    """In the file, where each line of the transcript has a line of its own; else at the whole."""
    write(
        {"workflows/a.yaml": f"{BARE}tests:\n  it:\n    expect:\n      transcript:{transcript}\n"}
    )
    assert report(pytester)[0].startswith(f"workflows/a.yaml:{place}: transcript: ")


@pytest.mark.parametrize(
    ("transcript", "head"),
    [
        ("{match: contains, lines: ['  info: bye']}", "    @@ -1,1 +1,3 @@ say"),
        ("['say: tools.log.info(\"hello\")', 'run: success']", "    @@ -1,2 +1,3 @@ say"),
        ("{level: log, lines: ['info: bye']}", "    @@ -1,1 +1,1 @@"),
        (
            "{level: engine, lines: ['...', 'Orchestrator: Executing task say', x, '...']}",
            "    @@ -1,4 +1,11 @@ say",
        ),
    ],
)
def test_a_hunk_names_its_task_where_the_lines_tell_it(
    pytester: pytest.Pytester, write: Write, transcript: str, head: str
) -> None:
    """At the levels that show tasks, below the line with which a task begins."""
    write(
        {"workflows/a.yaml": f"{BARE}tests:\n  it:\n    expect:\n      transcript: {transcript}\n"}
    )
    assert [line for line in report(pytester) if line.startswith("    @@")] == [head]


# --- commands ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "case", "shown"),
    [
        ("a.yaml", "it", "workflows/a.yaml::it"),
        ("it's a.yaml", "it", "'workflows/it'\"'\"'s a.yaml::it'"),
        ("$x.yaml", "it", "'workflows/$x.yaml::it'"),
    ],
)
def test_the_command_is_quoted_for_a_shell(
    pytester: pytest.Pytester, write: Write, file: str, case: str, shown: str
) -> None:
    write({f"workflows/{file}": f"{BARE}tests:\n  {case}: {{expect: {{status: failed}}}}\n"})
    lines = pytester.runpytest_inprocess().outlines
    assert f"if this change is meant: pytest {shown} --highway-update" in lines


def test_the_command_runs_all_params_of_an_expectation_that_they_share(
    pytester: pytest.Pytester, write: Write
) -> None:
    """One of them alone would be refused; typed as it stands, the command does what it says."""
    text = f"{BARE}tests:\n  it: {{params: {{a: {{}}, b: {{}}}}, expect: {{tasks: {{say: skipped}}}}}}\n"
    write({"workflows/a.yaml": text})
    advice = "if this change is meant for all params: "
    lines = pytester.runpytest_inprocess().outlines
    (command,) = {line.removeprefix(advice) for line in lines if line.startswith(advice)}
    assert command == "pytest workflows/a.yaml::it --highway-update"
    pytester.runpytest_inprocess(*command.split()[1:]).assert_outcomes(passed=2)
    pytester.runpytest_inprocess().assert_outcomes(passed=2)


def test_there_is_no_command_where_nothing_could_be_written(
    pytester: pytest.Pytester, write: Write
) -> None:
    """A status that is only implied stands nowhere."""
    text = BARE.replace("args: [hello]", "args: [{a: 1}], require: [1 == 2]")
    write({"workflows/a.yaml": text + "tests:\n  it: {expect: {tasks: {say: failed}}}\n"})
    assert not [line for line in report(pytester) if "--highway" in line]


# --- other options -------------------------------------------------------------------------------

HEADLINE = "workflows/a.yaml:9:11: transcript: line 2: expected '  info: bye', got '  info: hello'"
TEXT = """\
tests:
  it:
    expect:
      transcript: |
        say: tools.log.info("hello")
          info: bye
        run: success
      memory: {k: 1}
"""


@pytest.mark.parametrize(
    ("args", "has", "lacks"),
    [
        (["--tb=short"], [HEADLINE, "    +  info: hello"], []),
        (["--tb=long"], [HEADLINE, "    +  info: hello"], []),
        (["--tb=native"], [HEADLINE, "    +  info: hello"], []),
        (["--tb=line"], [f"{HEADLINE} (and 1 more)"], ["    +  info: hello"]),
        (["--tb=no"], [], [HEADLINE, "    +  info: hello"]),
        (["-q"], [HEADLINE, "    +  info: hello"], []),
        (["-rA"], [HEADLINE, f"FAILED workflows/a.yaml::it - {HEADLINE} (and 1 more)"], []),
        (["--color=no"], [HEADLINE], []),
        (["-n1", "-p", "xdist"], [HEADLINE, "    +  info: hello"], []),
        (["-n1", "-p", "xdist", "--tb=line"], [f"{HEADLINE} (and 1 more)"], ["    +  info: hello"]),
    ],
)
def test_each_way_to_show_a_failure_makes_sense(
    pytester: pytest.Pytester,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    has: Sequence[str],
    lacks: Sequence[str],
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    write({"workflows/a.yaml": BARE + TEXT})
    result = pytester.runpytest_subprocess("--show-capture=no", *args)
    lines = [line.removeprefix(f"{pytester.path}/") for line in result.outlines]
    assert [line for line in has if line not in lines] == []
    assert [line for line in lacks if line in lines] == []
    assert "Traceback" not in result.stdout.str() + result.stderr.str()
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_workers_tell_what_one_process_tells(pytester: pytest.Pytester, write: Write) -> None:
    """The text of a failure, its place in the cache included, is the same under -n 2."""
    write({"workflows/a.yaml": chain(20, "b", "a"), "workflows/b.yaml": BARE + TEXT})
    alone, shared = (
        [
            line
            for line in pytester.runpytest_subprocess("-p", "cacheprovider", *args).outlines
            if re.match(r"workflows/.*:\d+:|    [-+@?.]|all of it|if this", line)
        ]
        for args in ([], ["-n2"])
    )
    assert sorted(shared) == sorted(alone)
    assert f"all of it: {KEPT}, or add -vv" in shared


def test_without_a_terminal_a_case_fails_all_the_same(
    pytester: pytest.Pytester, write: Write
) -> None:
    """Nothing is printed, and JUnit has the failure."""
    write({"workflows/a.yaml": BARE + TEXT})
    result = pytester.runpytest_subprocess("-p", "no:terminal", "--junit-xml=out.xml")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.outlines == []
    assert failure_of(pytester.path / "out.xml")[0] == f"{HEADLINE} (and 1 more)"


def failure_of(file: Path) -> tuple[str, str]:
    """Message and text of the one failure in a JUnit file."""
    (found,) = ElementTree.parse(file).getroot().iter("failure")
    return found.get("message", ""), found.text or ""


@pytest.mark.parametrize("args", [[], ["-n2"]])
def test_junit_holds_the_text_whatever_its_characters(
    pytester: pytest.Pytester, write: Write, args: list[str]
) -> None:
    """The message is the first line; what XML cannot hold arrives as an escape."""
    text = (
        'tests:\n  it: {expect: {transcript: {level: log, lines: ["info: \\e[0m <&> \\u200b"]}}}\n'
    )
    write({"workflows/a.yaml": BARE + text})
    pytester.runpytest_subprocess("--junit-xml=out.xml", *args)
    message, whole = failure_of(pytester.path / "out.xml")
    assert message.startswith("workflows/a.yaml:5:")
    assert "    -info: \\x1b[0m <&> \\u200b" in whole.splitlines()
    assert "    +info: hello" in whole.splitlines()


def test_the_parts_of_a_diff_have_colours(pytester: pytest.Pytester, write: Write) -> None:
    write({"workflows/a.yaml": BARE + TEXT})
    output = pytester.runpytest_inprocess("--color=yes").stdout.str()
    assert "\x1b[31m    -  info: bye\x1b[0m" in output
    assert "\x1b[32m    +  info: hello\x1b[0m" in output
    assert "\x1b[33m    ?        ^^^^^\x1b[0m" in output
    assert "\x1b[36m    @@ -1,3 +1,3 @@ say\x1b[0m" in output
