"""Tapes through pytest: what is recorded, when, and what a replay says."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from projects import Write
from real_calls import gone

TAPE = "tapes/flow.workflow/c.tape.yaml"
RECORD = "--highway-tape=record"
RERECORD = "--highway-tape=rerecord"
VERIFY = "--highway-tape=verify"
ALLOW = "--highway-tape-allow-effects"

TOOLS = """\
from pathlib import Path
from pytest_highway import tool

@tool("app.count", effects="read")
def count(name):
    file = Path(name)
    number = int(file.read_text()) + 1 if file.exists() else 1
    file.write_text(str(number))
    return number

@tool("app.give", effects="read")
def give(what):
    return {"surrogate": "\\ud800", "odd": object(), "text": "text"}[what]
"""
INI = "[pytest]\npythonpath = .\nhighway_tools = app_tools\n"
FLOW = """\
name: flow
tasks:
  ask: {function: app.count, args: [calls.txt], result_key: n}
  say: {function: tools.log.info, args: ["number {{results.n}}"], dependencies: [ask]}
tests:
  c: {expect: {results: {n: {$gt: 0}}}}
"""
PROJECT = {"pytest.ini": INI, "app_tools.py": TOOLS, "flow.workflow.yaml": FLOW}


@pytest.fixture
def project(write: Write) -> Path:
    """One case whose tool counts its calls in `calls.txt`."""
    return write(PROJECT)


def calls(root: Path) -> str:
    """How often the tool of the project has been called."""
    file = root / "calls.txt"
    return file.read_text() if file.exists() else "0"


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *args)


def transcript(result: pytest.RunResult) -> list[str]:
    """The transcript that `-rA` shows."""
    lines = result.outlines
    start = next(n for n, line in enumerate(lines) if "Captured transcript call" in line)
    return lines[start + 1 : lines.index("run: success") + 1]


# --- recording and replaying ---------------------------------------------------------------------


def test_without_a_tape_a_call_is_a_fault_of_the_case(
    pytester: pytest.Pytester, project: Path
) -> None:
    run(pytester).assert_outcomes(failed=1)
    assert calls(project) == "0"


def test_a_recorded_case_is_answered_from_its_tape(
    pytester: pytest.Pytester, project: Path
) -> None:
    """With the transcript of the recording, and without a call."""
    first = run(pytester, RECORD, "-rA")
    first.assert_outcomes(passed=1)
    first.stdout.fnmatch_lines(["*workflow tapes*", f"recorded: {TAPE} (1 call)"])
    second = run(pytester, "-rA")
    second.assert_outcomes(passed=1)
    assert calls(project) == "1"
    assert transcript(second) == transcript(first)


def test_a_tape_says_what_it_is_and_how_to_record_it_again(
    pytester: pytest.Pytester, write: Write
) -> None:
    """From rootdir, whatever the folder that pytest is started in."""
    root = write({**PROJECT, "workflows/it's.yaml": FLOW})
    run(pytester, RECORD, "workflows")
    text = (root / "workflows/tapes/it's/c.tape.yaml").read_text()
    assert text.splitlines()[:5] == [
        "# What tools answered in this case when it was recorded; none of them is called in a replay.",
        "# Record again: pytest 'workflows/it'\"'\"'s.yaml::c' --highway-tape=rerecord",
        "tape: 1",
        "workflow: it's.yaml",
        "case: c",
    ]


def test_record_records_what_has_no_tape_and_rerecord_all(
    pytester: pytest.Pytester, project: Path
) -> None:
    run(pytester, RECORD)
    again = run(pytester, RECORD)
    again.assert_outcomes(passed=1)
    assert (calls(project), "workflow tapes" in again.stdout.str()) == ("1", False)
    run(pytester, RERECORD).assert_outcomes(passed=1)
    assert "return: 2\n" in (project / TAPE).read_text()


def test_off_knows_no_tapes(pytester: pytest.Pytester, project: Path) -> None:
    run(pytester, RECORD)
    run(pytester, "--highway-tape=off").assert_outcomes(failed=1)


def test_a_tape_of_which_no_call_is_left_is_deleted_by_rerecord(
    pytester: pytest.Pytester, project: Path
) -> None:
    run(pytester, RECORD)
    flow = project / "flow.workflow.yaml"
    flow.write_text(FLOW.replace("{expect", "{stubs: {ask: {return: 5}}, expect"))
    run(pytester).stdout.fnmatch_lines(["*a call on the tape was not made", "*'ask' (app.count)"])
    result = run(pytester, RERECORD)
    result.stdout.fnmatch_lines([f"deleted: {TAPE} (no real tool is called any more)"])
    assert not (project / TAPE).exists()
    assert "workflow tapes" not in run(pytester, RERECORD).stdout.str()


def test_each_param_has_a_tape(pytester: pytest.Pytester, project: Path) -> None:
    params = "c: {params: {one: {f: x}, two: {f: y}}, variables: {f: '{{params.f}}'}, expect"
    text = FLOW.replace("c: {expect", params).replace("calls.txt", "'{{variables.f}}'")
    (project / "flow.workflow.yaml").write_text(
        text.replace("tasks:", "variables: {f: z}\ntasks:", 1)
    )
    run(pytester, RECORD).assert_outcomes(passed=2)
    names = sorted(path.name for path in (project / TAPE).parent.iterdir())
    assert names == ["c[one].tape.yaml", "c[two].tape.yaml"]
    run(pytester).assert_outcomes(passed=2)
    assert (project / "x").read_text() == "1"


def test_a_case_with_real_tools_is_answered_from_its_tape_too(
    pytester: pytest.Pytester, project: Path
) -> None:
    """What `real` says holds where there is no tape."""
    flow = project / "flow.workflow.yaml"
    flow.write_text(FLOW.replace("{expect", "{real: true, expect"))
    run(pytester).assert_outcomes(passed=1)
    run(pytester, RECORD).assert_outcomes(passed=1)
    run(pytester).assert_outcomes(passed=1)
    assert calls(project) == "2"
    run(pytester, "--highway-tape=off").assert_outcomes(passed=1)
    assert calls(project) == "3"


def test_a_python_test_is_answered_from_the_tape_and_records_none(
    pytester: pytest.Pytester, write: Write
) -> None:
    call = 'highway("flow.workflow.yaml", case="c").results["n"]'
    root = write({**PROJECT, "test_it.py": f"def test_it(highway):\n    assert {call} == 1\n"})
    run(pytester, RECORD, "test_it.py").assert_outcomes(failed=1)
    assert not (root / TAPE).exists()
    run(pytester, RECORD, "flow.workflow.yaml").assert_outcomes(passed=1)
    run(pytester, "test_it.py").assert_outcomes(passed=1)
    run(pytester, "test_it.py", "--highway-tape=off").assert_outcomes(failed=1)
    assert calls(root) == "1"


def test_workers_write_the_tapes_of_their_cases(pytester: pytest.Pytester, write: Write) -> None:
    """And the controller says so, in order."""
    pytest.importorskip("xdist")
    cases = "".join(f"  c{number}: {{expect: {{status: success}}}}\n" for number in range(6))
    flow = FLOW.partition("  c:")[0].replace(
        "app.count, args: [calls.txt]", "app.give, args: [text]"
    )
    root = write({**PROJECT, "flow.workflow.yaml": flow + cases})
    result = run(pytester, RECORD, "-n", "2")
    result.assert_outcomes(passed=6)
    folder = "tapes/flow.workflow"
    result.stdout.fnmatch_lines(
        [f"recorded: {folder}/c{number}.tape.yaml (1 call)" for number in range(6)]
    )
    assert len(list((root / folder).iterdir())) == 6
    run(pytester, "-n", "2").assert_outcomes(passed=6)


# --- HTTP and processes --------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """Answers with the number of the request."""

    def do_GET(self) -> None:
        self.server.count += 1  # type: ignore[attr-defined]
        body = b'{"number": %d}' % self.server.count  # type: ignore[attr-defined]
        self.send_response(200 if "good" in self.path else 503)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """A server on this machine."""
    found = HTTPServer(("127.0.0.1", 0), Handler)
    found.count = 0  # type: ignore[attr-defined]
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


FETCHING = """\
name: flow
variables: {base: ""}
tasks:
  good: {function: tools.fetch.get, args: ["{{variables.base}}/good"], result_key: g}
  bad:
    function: tools.fetch.get
    args: ["{{variables.base}}/bad"]
    validate: "{{result.status == 200}}"
    retry: 1
    critical: false
  each:
    operator_type: foreach
    items: [1, 2]
    max_concurrency: 2
    loop_body:
      - {task_id: page, function: tools.fetch.get, args: ["{{variables.base}}/good?p={{item}}"]}
  gone: {function: tools.fetch.get, args: ["http://127.0.0.1:9/"], critical: false}
tests:
  c:
    variables: {base: BASE}
    expect: {results: {g: {$partial: {status: 200}}}}
"""


def test_real_http_is_recorded(pytester: pytest.Pytester, write: Write, server: HTTPServer) -> None:
    """Answers, error statuses, retries, iterations and a refused connection."""
    pytest.importorskip("httpx")
    base = f"http://127.0.0.1:{server.server_port}"
    text = FETCHING.replace("BASE", base)
    root = write({"flow.workflow.yaml": text})
    first = run(pytester, RECORD, "-rA")
    first.assert_outcomes(passed=1)
    assert server.count == 5  # type: ignore[attr-defined]
    second = run(pytester, "-rA")
    second.assert_outcomes(passed=1)
    assert server.count == 5  # type: ignore[attr-defined]
    assert transcript(second) == transcript(first)
    kept = (root / TAPE).read_text().splitlines()
    keys = [line.strip(" :") for line in kept if line.startswith("  ") and line[2] != " "]
    assert keys == ["good", "bad", "bad#2", "each[0]/page", "each[1]/page", "gone"]
    assert "      type: ConnectError" in kept


def test_what_a_case_answers_itself_is_on_no_tape(pytester: pytest.Pytester, project: Path) -> None:
    """Neither by a stub nor by `http`."""
    pytest.importorskip("respx")
    tasks = (
        "  get: {function: tools.fetch.get, args: ['http://api.test/']}\n"
        "  give: {function: app.give, args: [text]}\ntests:\n"
    )
    answers = "{stubs: {give: {return: 1}}, http: {GET http://api.test/: {return: {status: 200}}}, "
    text = FLOW.replace("tests:\n", tasks).replace("{expect", f"{answers}expect")
    (project / "flow.workflow.yaml").write_text(text)
    run(pytester, RECORD).stdout.fnmatch_lines([f"recorded: {TAPE} (1 call)"])
    run(pytester).assert_outcomes(passed=1)


SHELL = """\
name: flow
tasks:
  make: {function: tools.shell.run, args: ["echo made | tee made.txt"], result_key: m}
  fail: {function: tools.command.run, args: [sh, -c, "echo no >&2; exit 3"], critical: false}
tests:
  c: {expect: {results: {m: {$partial: {stdout: "made\\n"}}}, tasks: {fail: failed}}}
"""


def test_commands_are_recorded_where_their_effects_are_allowed(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"flow.workflow.yaml": SHELL})
    refused = run(pytester, RECORD)
    refused.assert_outcomes(failed=1)
    refused.stdout.fnmatch_lines(
        [
            "flow.workflow.yaml:6:3: 'make' (tools.shell.run) has effects (write), and is not *",
            f"    to call it all the same: {ALLOW}",
            "nothing was recorded",
        ]
    )
    assert not (root / "made.txt").exists()
    first = run(pytester, RECORD, ALLOW, "-rA")
    first.assert_outcomes(passed=1)
    (root / "made.txt").unlink()
    second = run(pytester, "-rA")
    second.assert_outcomes(passed=1)
    assert not (root / "made.txt").exists()
    assert transcript(second) == transcript(first)
    again = f"# Record again: pytest flow.workflow.yaml::c {RERECORD} {ALLOW}"
    assert (root / TAPE).read_text().splitlines()[1] == again


# --- what does not fit ---------------------------------------------------------------------------


def test_another_call_fails_with_its_arguments_and_the_command(
    pytester: pytest.Pytester, project: Path
) -> None:
    run(pytester, RECORD)
    (project / "flow.workflow.yaml").write_text(FLOW.replace("calls.txt", "other.txt"))
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "flow.workflow.yaml:6:3: 'ask' (app.count) is not the call that is on the tape",
            '    args[0?: expected "calls.txt", got "other.txt"',
            f"answered from {TAPE}; to record it again: pytest flow.workflow.yaml::c {RERECORD}",
        ]
    )


def test_verify_calls_the_tools_and_writes_nothing(
    pytester: pytest.Pytester, project: Path
) -> None:
    run(pytester, RECORD)
    before = (project / TAPE).read_text()
    result = run(pytester, VERIFY)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "flow.workflow.yaml:6:3: 'ask' (app.count) does not end as it does on the tape",
            "    return: expected 1, got 2",
            f"held against {TAPE}; to record it again: *",
        ]
    )
    assert (project / TAPE).read_text() == before
    (project / "calls.txt").unlink()
    run(pytester, VERIFY).assert_outcomes(passed=1)


def test_verify_leaves_a_case_without_a_tape_as_it_is(
    pytester: pytest.Pytester, project: Path
) -> None:
    run(pytester, VERIFY).assert_outcomes(failed=1)
    assert calls(project) == "0"


GOOD = """\
tape: 1
workflow: flow.workflow.yaml
case: c
calls:
  ask:
    tool: app.count
    args: [calls.txt]
    during: [{info: counted}]
    return: 41
    seconds: 5
"""


def test_a_tape_may_be_changed_by_hand(pytester: pytest.Pytester, write: Write) -> None:
    """It is data: shorter, longer, slower than what was recorded."""
    root = write({**PROJECT, TAPE: GOOD})
    result = run(pytester, "-rA")
    result.assert_outcomes(passed=1)
    assert transcript(result)[1:3] == ["  info: counted", 'say: tools.log.info("number 41")']
    (root / TAPE).write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    run(pytester).assert_outcomes(passed=1)


BROKEN = {
    "version": (
        GOOD.replace("tape: 1", "tape: 2"),
        "1:7: this is a tape of version 2; version 1 can be played",
    ),
    "no version": (GOOD.replace("tape: 1\n", ""), "1:1: 'tape' is missing"),
    "cut": (GOOD[: GOOD.index("s.txt")], "7:16: ',' or ']' is expected here, *"),
    "empty": ("", "1:1: the file is empty"),
    "comment": ("# nothing\n", "1:1: the file holds only comments"),
    "list": ("- 1\n", "1:1: the file is no mapping, and so no tape"),
    "conflict": (
        GOOD.replace("    return", "<<<<<<< HEAD\n    return"),
        "9:1: conflict marker of a merge; resolve the conflict first",
    ),
    "conflict, CRLF": (f"<<<<<<< HEAD\r\n{GOOD}", "1:1: conflict marker of a merge; *"),
    "typo": (
        GOOD.replace("return:", "retrun:"),
        "9:5: unknown key 'retrun'; allowed: *; did you mean 'return'?",
    ),
    "no end": (
        GOOD.replace("    return: 41\n", ""),
        "6:5: a call ends in exactly one of 'return', 'raise', 'stopped'",
    ),
    "null": (GOOD.replace("return: 41", "raise: null"), "6:5: a call ends in exactly one of *"),
    "two ends": (
        GOOD.replace("return", "stopped: ''\n    return"),
        "6:5: a call ends in exactly one of *",
    ),
    "seconds": (GOOD.replace("seconds: 5", "seconds: -5"), "10:14: -5* is no number of seconds"),
    "endless": (GOOD.replace("seconds: 5", "seconds: .inf"), "10:14: inf is no number of seconds"),
    "word": (
        GOOD.replace("info", "inof"),
        "8:14: unknown word 'inof'; there are *; did you mean 'info'?",
    ),
    "text": (GOOD.replace("counted", "1"), "8:14: 'info' takes a text"),
    "usage": (
        GOOD.replace("info: counted", "usage: {cost: x}"),
        "8:14: 'usage' takes {cost, tokens}",
    ),
    "usage, list": (
        GOOD.replace("info: counted", "usage: [1]"),
        "8:14: 'usage' takes {cost, tokens}",
    ),
    "add": (GOOD.replace("info: counted", "add: {n: true}"), "8:14: 'add' takes {key: number}"),
    "two words": (
        GOOD.replace("info: counted", "info: a, debug: b"),
        "8:14: expected a mapping of one word; there are *",
    ),
    "tag": (
        GOOD.replace("return: 41", "return: !!python/object/apply:os.getcwd []"),
        "9:13: unknown tag '!!python/object/apply:os.getcwd'; *",
    ),
    "exception": (
        GOOD.replace("return: 41", "raise: {type: KeyEror}"),
        "9:19: unknown exception 'KeyEror'; *did you mean 'KeyError'?",
    ),
    "twice": (GOOD + "  ask: {tool: app.count, return: 1}\n", "11:3: *"),
    "theirs": (
        GOOD.replace("case: c", "case: d"),
        "1:1: it is the tape of 'flow.workflow.yaml::d', and not of 'flow.workflow.yaml::c'; *",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_tape_is_one_error_at_its_case(
    pytester: pytest.Pytester, write: Write, name: str
) -> None:
    """With the place in the tape below it, and the command that records it again."""
    text, fault = BROKEN[name]
    root = write(PROJECT)
    (root / TAPE).parent.mkdir(parents=True)
    (root / TAPE).write_bytes(text.encode())
    result = run(pytester)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"flow.workflow.yaml:6:3: the tape cannot be played: {TAPE}:{fault}",
            "  |   c: {expect: *",
            "  |   ^",
            f"to record it again: pytest flow.workflow.yaml::c {RERECORD}",
        ]
    )
    assert "Traceback" not in result.stdout.str()


def test_a_broken_tape_can_be_recorded_again(pytester: pytest.Pytester, write: Write) -> None:
    root = write({**PROJECT, TAPE: GOOD[:60]})
    run(pytester, RECORD).assert_outcomes(failed=1)
    run(pytester, RERECORD).assert_outcomes(passed=1)
    assert "return: 1\n" in (root / TAPE).read_text()


def test_a_folder_or_a_dead_link_in_the_place_of_a_tape_is_an_error(
    pytester: pytest.Pytester, project: Path
) -> None:
    """When it is played, and when it would be written."""
    (project / TAPE).mkdir(parents=True)
    why = f"{TAPE}:1:1: cannot be read: Is a directory"
    run(pytester).stdout.fnmatch_lines([f"*cannot be played: {why}"])
    run(pytester, RERECORD).stdout.fnmatch_lines([f"*is not saved: {why}"])
    (project / TAPE).rmdir()
    (project / TAPE).symlink_to("nowhere")
    run(pytester).stdout.fnmatch_lines([f"*{TAPE}:1:1: cannot be read: No such file*"])


def test_the_tape_of_another_case_is_never_overwritten(
    pytester: pytest.Pytester, write: Write
) -> None:
    """As where two files of one stem have cases of one name."""
    root = write({**PROJECT, "flow.workflow.yml": FLOW})
    run(pytester, RECORD, "flow.workflow.yaml").assert_outcomes(passed=1)
    before = (root / TAPE).read_text()
    run(pytester, "flow.workflow.yml").stdout.fnmatch_lines(
        ["*: it is the tape of 'flow.workflow.yaml::c', and not of 'flow.workflow.yml::c'; *"]
    )
    run(pytester, RERECORD, "flow.workflow.yml").assert_outcomes(failed=1)
    assert (root / TAPE).read_text() == before


# --- when nothing is written ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", [RECORD, RERECORD])
def test_tapes_are_not_recorded_in_ci(
    pytester: pytest.Pytester, project: Path, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setenv("CI", "true")
    result = run(pytester, mode)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {mode} does not write while CI is set; *"])
    assert calls(project) == "0"
    run(pytester, mode, "--highway-allow-ci").assert_outcomes(passed=1)
    run(pytester, VERIFY, "--maxfail=1").assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (("$gt: 0", "$gt: 99"), {"failed": 1}),
        (("{expect", "{marks: [xfail], expect"), {"xpassed": 1}),
    ],
)
def test_a_case_that_does_not_just_pass_saves_nothing(
    pytester: pytest.Pytester,
    project: Path,
    change: tuple[str, str],
    outcome: dict[str, int],
) -> None:
    """A failed one, and one that is meant to fail."""
    (project / "flow.workflow.yaml").write_text(FLOW.replace(*change))
    run(pytester, RECORD).assert_outcomes(**outcome)
    assert (calls(project), (project / "tapes").exists()) == ("1", False)


INTERRUPTS = """\
def pytest_highway_after_case(item, case, result):
    if case.name == "d":
        raise KeyboardInterrupt
"""


def test_an_interrupted_case_saves_nothing_and_one_before_it_keeps_its_tape(
    pytester: pytest.Pytester, write: Write
) -> None:
    more = FLOW + "  d: {expect: {status: success}}\n"
    root = write({**PROJECT, "conftest.py": INTERRUPTS, "flow.workflow.yaml": more})
    result = pytester.runpytest_subprocess(RECORD)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert [path.name for path in (root / TAPE).parent.iterdir()] == ["c.tape.yaml"]


def test_ctrl_c_while_a_tool_runs_saves_nothing(pytester: pytest.Pytester, write: Write) -> None:
    text = SHELL.replace("echo made | tee made.txt", "kill -INT $PPID; sleep 9")
    root = write({"flow.workflow.yaml": text})
    result = pytester.runpytest_subprocess(RECORD, ALLOW)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert not (root / "tapes").exists()


STUBBORN = """\
name: flow
tasks:
  slow:
    function: tools.shell.run
    args: ["echo $$ > pid; trap '' TERM; while :; do sleep 0.05; done"]
    timeout: 0.2
    dependencies: []
  stop: {function: tools.shell.run, args: ["sleep 0.5; kill -INT $PPID; sleep 9"], dependencies: []}
tests:
  c: {expect: {status: cancelled}}
"""


def test_ctrl_c_while_a_call_is_being_stopped_saves_nothing_and_leaves_nothing(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"flow.workflow.yaml": STUBBORN})
    result = pytester.runpytest_subprocess(RECORD, ALLOW)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert not (root / "tapes").exists()
    assert gone(int((root / "pid").read_text()))


def test_a_call_that_the_tape_makes_too_slow_times_out(
    pytester: pytest.Pytester, write: Write
) -> None:
    """A duration changed by hand is a latency like that of a stub."""
    flow = FLOW.replace("result_key: n", "result_key: n, timeout: 2")
    write({**PROJECT, "flow.workflow.yaml": flow, TAPE: GOOD})
    lines = ["  timed out: TimeoutError: no answer within 2s"]
    run(pytester).stdout.fnmatch_lines(lines)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("odd", "'ask' (app.give) returned what no tape can hold: *builtins.object*"),
        (
            "surrogate",
            f"the tape '{TAPE}' is not saved: the call 'ask' (app.give) cannot be kept: it holds U+D800, *",
        ),
    ],
)
def test_an_answer_that_no_file_can_hold_is_an_error_and_nothing_is_saved(
    pytester: pytest.Pytester, project: Path, what: str, line: str
) -> None:
    text = FLOW.replace("app.count, args: [calls.txt]", f"app.give, args: [{what}]")
    text = text.replace("number {{results.n}}", "{{results.n | length}}")
    text = text.replace("results: {n: {$gt: 0}}", "tasks: {ask: {attempts: 1}}")
    (project / "flow.workflow.yaml").write_text(text)
    result = run(pytester, RECORD)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"flow.workflow.yaml:6:3: {line}"])
    assert not (project / TAPE).exists()


def test_a_place_that_cannot_be_written_is_an_error(
    pytester: pytest.Pytester, project: Path
) -> None:
    (project / "tapes").write_text("")
    result = run(pytester, RECORD)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*: the tape '{TAPE}' is not saved: Not a directory"])


def test_goldens_and_tapes_are_written_in_one_run(pytester: pytest.Pytester, project: Path) -> None:
    flow = project / "flow.workflow.yaml"
    flow.write_text(FLOW.replace("expect: {", "expect: {transcript: golden, "))
    result = run(pytester, RECORD, "--highway-update-new")
    result.stdout.fnmatch_lines(["created: golden/*"])
    result.stdout.fnmatch_lines([f"recorded: {TAPE} (1 call)"])
    run(pytester).assert_outcomes(passed=1)


# --- what is found at collection -----------------------------------------------------------------


def test_a_tape_without_a_case_is_a_warning(pytester: pytest.Pytester, write: Write) -> None:
    """An error by `highway_strict`; none for the tape of another file of that stem."""
    old = "tapes/flow.workflow/old.tape.yaml"
    broken = "tapes/flow.workflow/broken.tape.yaml"
    theirs = "tapes/flow.workflow/theirs.tape.yaml"
    root = write(
        {
            **PROJECT,
            TAPE: GOOD,
            old: GOOD.replace("case: c", "case: old"),
            broken: "",
            theirs: GOOD.replace(".yaml\n", ".json\n").replace("case: c", "case: theirs"),
            "tapes/flow.workflow/notes.txt": "",
        }
    )
    result = run(pytester, "-W", "default")
    result.assert_outcomes(passed=1, warnings=2)
    text = "flow.workflow.yaml has no case 'old', so its tape is never played"
    result.stdout.fnmatch_lines([f"*HighwayWarning: {old}:1:1: {text}"])
    assert "theirs" not in result.stdout.str()
    (root / "pytest.ini").write_text(INI + "highway_strict = true\n")
    run(pytester).stdout.fnmatch_lines([f"{old}:1:1: {text}"])


@pytest.mark.parametrize(
    ("args", "files", "outcome"),
    [
        ((), {}, {"failed": 2}),
        ((), {"tapes/other/x.tape.yaml": ""}, {"failed": 2}),
        ((), {TAPE: GOOD}, {"failed": 1}),
        ((RECORD,), {}, {"failed": 1}),
    ],
)
def test_two_names_for_one_tape_are_an_error_where_there_is_or_will_be_one(
    pytester: pytest.Pytester,
    write: Write,
    args: tuple[str, ...],
    files: dict[str, str],
    outcome: dict[str, int],
) -> None:
    """As on a disk where letter case is not told apart; else they are two cases."""
    more = FLOW + "  C: {expect: {status: success}}\n"
    write({**PROJECT, "flow.workflow.yaml": more, **files})
    run(pytester, *args).assert_outcomes(**outcome)


def test_two_names_for_one_tape_are_told_at_the_second(
    pytester: pytest.Pytester, write: Write
) -> None:
    cases = "  c: {params: {a: {}, A: {}}, expect: {status: success}}\n"
    write({**PROJECT, "flow.workflow.yaml": FLOW.partition("  c:")[0] + cases})
    run(pytester, RECORD).stdout.fnmatch_lines(
        ["flow.workflow.yaml:6:23: 'c[[]A]' and 'c[[]a]' would have one tape where case is not *"]
    )
