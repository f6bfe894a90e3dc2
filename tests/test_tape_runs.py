"""Recorded runs and their replays: one log, whatever the tools do and wherever they run."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from textwrap import dedent, indent
from types import SimpleNamespace

import pytest
from real_calls import LooseCall
from tape_tools import seven

from pytest_highway.cases.simulation import CaseRun, run_case
from pytest_highway.clock import VirtualClock
from pytest_highway.engine.effects import Answer
from pytest_highway.engine.run import Interrupted
from pytest_highway.engine.sections import FileLocks
from pytest_highway.errors import HighwayError
from pytest_highway.events import TaskEnded, encode_log
from pytest_highway.loading import Loaded, load_file
from pytest_highway.serialization import to_json
from pytest_highway.tapes.codec import parse_tape, tape_text
from pytest_highway.tapes.entries import Entry, Tape, TapeUse
from pytest_highway.tapes.recorder import Recorder
from pytest_highway.tools import discover

REGISTRY = discover(["real_tools", "tape_tools"], entry_points=False)


def loaded(folder: Path, tasks: str, case: str = "", top: str = "") -> Loaded:
    """A workflow with one case, which answers nothing itself."""
    (folder / "inner.workflow.yaml").write_text(INNER, encoding="utf-8")
    file = folder / "some.workflow.yaml"
    body = indent(dedent(case), "    ")
    tests = f"tests:\n  c:\n{body}\n    expect: {{duration: {{$any: true}}}}\n"
    text = f"name: some\n{dedent(top)}\ntasks:\n{indent(dedent(tasks), '  ')}\n{tests}"
    file.write_text(text, encoding="utf-8")
    return load_file(file, file.name, REGISTRY)


def run(flow: Loaded, use: TapeUse) -> CaseRun:
    return run_case(flow.cases[0], flow.plan, REGISTRY, use=use)


def recorded(flow: Loaded) -> tuple[CaseRun, Tape]:
    """A recorded run, and its tape after a way through a file."""
    done = run(flow, TapeUse(None, records=True, allows_effects=True))
    assert done.faults == ()
    text = tape_text(Tape("some.workflow.yaml", "c", done.recorded or {}), "pytest")
    return done, parse_tape(text.encode(), "tape")


EVERYWHERE = """
    thread: {function: real.napping, args: [0.02], dependencies: []}
    coroutine: {function: real.quiet, args: [a], result_key: a, dependencies: []}
    process: {function: real.large, args: [2, b], result_key: b, dependencies: []}
    shell: {function: tools.shell.run, args: [echo out], result_key: c, dependencies: []}
    inline: {function: real.parse, args: ["7"], result_key: d, dependencies: []}
    all:
      function: real.echo
      args: ["{{results.a}} {{results.b}} {{results.c.stdout}} {{results.d}}"]
      dependencies: [thread, coroutine, process, shell, inline]
"""

RACING = """
    each:
      operator_type: foreach
      items: [1, 2, 3, 4, 5]
      max_concurrency: 3
      loop_body:
        - {task_id: nap, function: real.napping, args: [0.01]}
        - {task_id: say, function: real.say, args: ["{{item}}"], result_key: said}
    fan:
      operator_type: parallel
      branches:
        left: [{task_id: l, function: real.napping, args: [0.01]}]
        right: [{task_id: r, function: real.napping, args: [0.01]}]
    again: {function: real.raise_loop, args: [timeout], retry: {max_retries: 2, delay: 0.02}, critical: false}
    poor: {function: real.raise_thread, args: [plain], on_failure: continue, critical: false}
    slow: {function: real.pause, args: [0.3], timeout: 0.02, on_failure: continue, critical: false}
    stopped: {function: real.nap, args: [9], timeout: 0.02, on_failure: continue, critical: false}
    killed: {function: tools.shell.run, args: [sleep 9], timeout: 0.02, critical: false}
    late: {function: taped.pause_inline, args: [0.03], timeout: 0.01, critical: false}
    ask: {operator_type: condition, condition: "1 < 2", if_true: yes, if_false: no}
    "yes": {function: real.napping, args: [0.01], dependencies: [ask, each, fan]}
    "no": {function: real.napping, args: [0.01], dependencies: [ask]}
    wait: {operator_type: wait, wait_for: 10ms}
    turns:
      operator_type: while
      condition: "loop.index < 3"
      loop_body: [{task_id: turn, function: real.napping, args: [0.01]}]
    pause: {function: real.pause, args: [0.35]}
    last: {function: real.say, args: [end], dependencies: ["yes", wait, again, turns], after: [poor, slow]}
"""

# The first failure stops what runs beside it, and what has not begun.
STOPPING = """
    each:
      operator_type: foreach
      items: [0.01, 0.5, 0.5, 0.5]
      max_concurrency: 3
      loop_body: [{task_id: t, function: taped.fail_after, args: ["{{item}}"]}]
    clean: {function: real.say, args: [clean], finally: true}
"""

TALKING = """
    one: {function: real.talk, args: [hello], dependencies: []}
    two: {function: real.talk_process, args: [hi], dependencies: [one]}
    heard: {operator_type: wait, wait_for: {event: talked, timeout: 20}, dependencies: []}
    set: {function: taped.remember, args: [k, [1, 2]], dependencies: [two]}
    read: {function: tools.memory.get, args: [k], dependencies: [set]}
"""

FAULTS = """
    plain: {function: real.raise_thread, args: [plain], critical: false}
    picky: {function: real.raise_thread, args: [picky], critical: false}
    renamed: {function: real.raise_thread, args: [renamed], critical: false}
    speechless: {function: real.raise_thread, args: [speechless], critical: false}
    unmakeable: {function: real.raise_thread, args: [unmakeable], critical: false}
    local: {function: real.raise_thread, args: [local], critical: false, retry: {max_retries: 1, retry_on: [LookupError]}}
    exit: {function: real.raise_process, args: [exit], critical: false}
    stop: {function: real.raise_loop, args: [stop], critical: false}
    silent: {function: real.raise_inline, args: [silent], critical: false}
"""

NESTED = """
    inner: {operator_type: workflow, file: inner.workflow.yaml, dependencies: []}
    fan:
      operator_type: parallel
      branches: {left: [inside], right: [{task_id: r, function: real.echo, args: [r]}]}
    inside: {function: real.echo, args: [i]}
"""
INNER = """\
name: inner
tasks:
  deep:
    operator_type: foreach
    items: [1, 2]
    loop_body:
      - {task_id: turn, operator_type: while, condition: loop.index < 2, loop_body: [{task_id: t, function: real.echo, args: [t]}]}
"""

FLOWS = {
    "nested": (NESTED, ""),
    "everywhere": (EVERYWHERE, ""),
    "racing": (RACING, "max_concurrency: 8"),
    "stopping": (STOPPING, ""),
    "talking": (TALKING, "variables: {name: v}"),
    "faults": (FAULTS, ""),
}


@pytest.mark.parametrize("name", FLOWS)
def test_a_replay_has_the_log_of_the_recorded_run(tmp_path: Path, name: str) -> None:
    """Byte by byte, moments included."""
    tasks, top = FLOWS[name]
    flow = loaded(tmp_path, tasks, top=top)
    done, tape = recorded(flow)
    again = run(flow, TapeUse(tape))
    assert again.faults == ()
    assert encode_log(again.result.log) == encode_log(done.result.log)


def test_recording_twice_gives_the_entries_in_one_order(tmp_path: Path) -> None:
    """That of the transcript, whichever call was first."""
    flow = loaded(tmp_path, RACING, top="max_concurrency: 8")
    first, second = (list(recorded(flow)[1].calls) for _ in range(2))
    assert first == second
    assert first[:4] == ["each[0]/nap", "each[0]/say", "each[1]/nap", "each[1]/say"]


def test_calls_of_a_recording_run_beside_each_other(tmp_path: Path) -> None:
    """Each of the three ends only when all of them are there."""
    tasks = "".join(
        f"t{number}: {{function: real.together, args: [{number}], dependencies: [], timeout: 20}}\n"
        for number in range(3)
    )
    assert recorded(loaded(tmp_path, tasks))[0].result.status == "success"


def test_additions_of_threads_are_all_there_in_the_recording_and_in_the_replay(
    tmp_path: Path,
) -> None:
    tasks = "".join(
        f"t{number}: {{function: real.add, args: [30], dependencies: []}}\n" for number in range(4)
    )
    flow = loaded(tmp_path, tasks, top="max_concurrency: 4")
    done, tape = recorded(flow)
    again = run(flow, TapeUse(tape)).result
    assert (done.result.memory, again.memory) == ({"sum": 120}, {"sum": 120})


def test_verifying_what_is_as_it_was_finds_nothing(tmp_path: Path) -> None:
    flow = loaded(tmp_path, EVERYWHERE)
    _, tape = recorded(flow)
    assert run(flow, TapeUse(tape, records=True, allows_effects=True)).faults == ()


def test_time_before_the_first_call_costs_nothing(tmp_path: Path) -> None:
    """An hour before it is virtual, what comes behind it is not (and is short here)."""
    tasks = """
        wait: {operator_type: wait, wait_for: 1h}
        nap: {function: real.napping, args: [0.01], dependencies: [wait]}
        more: {operator_type: wait, wait_for: 50ms, dependencies: [nap]}
    """
    done, _ = recorded(loaded(tmp_path, tasks))
    assert 3600.05 <= done.result.duration < 3700


def test_an_answer_that_had_to_wait_for_the_engine_is_in_time(tmp_path: Path) -> None:
    """The tool that keeps everybody waiting runs in the engine's own thread."""
    tasks = """
        quick: {function: real.pause, args: [0.01], timeout: 0.1, dependencies: []}
        block: {function: taped.pause_inline, args: [0.3], dependencies: []}
    """
    done, tape = recorded(loaded(tmp_path, tasks))
    assert done.result.status == "success"
    assert tape.calls["quick"].seconds < tape.calls["block"].seconds


class TapedCall(LooseCall):
    """A call that did nothing but answer."""

    def __init__(self, path: str) -> None:
        super().__init__(seven)
        self.path = path
        self.records: list[object] = []
        self.services.memory = SimpleNamespace(values_by_key={})


class Watched:
    """A runner whose first call is out until the recorder waits for it; moves the recorder's watch.

    The second call ends after `seconds`, the first half a millisecond later.
    """

    def __init__(self, seconds: float) -> None:
        self.moment = 0.0
        self.on_end: Callable[[object], None] = lambda call: None
        self._seconds = seconds
        self._out: list[LooseCall] = []

    def now(self) -> float:
        return self.moment

    def start(self, call: LooseCall) -> Answer | None:
        self._out.append(call)
        if len(self._out) == 1:
            return None
        self.moment = self._seconds
        return Answer("second")

    def wait(self, seconds: float | None) -> list[tuple[LooseCall, Answer]]:
        self.moment += 0.0005
        self.on_end(self._out[0])
        return [(self._out[0], Answer("first"))]


@pytest.mark.parametrize("milliseconds", range(1, 40))
def test_of_two_calls_that_end_at_one_moment_the_first_begun_answers_first(
    monkeypatch: pytest.MonkeyPatch, milliseconds: int
) -> None:
    """As in the replay, at whichever moments of the clock: no sum of floats makes one late."""
    inner = Watched(milliseconds / 1000)
    monkeypatch.setattr("pytest_highway.tapes.recorder.SystemClock", lambda: inner)
    for start in range(40):
        inner = Watched(milliseconds / 1000)
        clock = VirtualClock()
        clock.advance(start / 1000)
        use = TapeUse(None, records=True, allows_effects=True)
        recorder = Recorder(inner, clock, lambda call: True, use)
        calls = [TapedCall("a"), TapedCall("b")]
        for call in calls:
            recorder.start(call)
        assert [found for found, _ in recorder.wait(None)] == calls[:1]


def test_stubs_beside_the_tape_are_not_recorded(tmp_path: Path) -> None:
    """A stub wins, with its virtual latency, and `call: real` is a call like any other."""
    case = """
        stubs:
          b: {return: stubbed, after: 20ms}
          c: [{call: real, after: 10ms}]
    """
    tasks = "".join(
        f"{name}: {{function: real.echo, args: [{name}], dependencies: []}}\n" for name in "abc"
    )
    flow = loaded(tmp_path, tasks, case)
    done, tape = recorded(flow)
    again = run(flow, TapeUse(tape))
    assert list(tape.calls) == ["a", "c"]
    assert again.result.ends["b"].value == "stubbed"
    assert encode_log(again.result.log) == encode_log(done.result.log)


SECRET = "variables: {name: s3cret}\nsecrets: [variables.name]"


def test_what_is_kept_has_passed_the_redactor_and_so_has_what_is_compared(tmp_path: Path) -> None:
    tasks = """
        ask: {function: real.talk, args: ["Bearer s3cret"], result_key: a}
        use: {function: real.echo, args: ["{{results.a}}"], dependencies: [ask]}
        fail: {function: taped.fail_with, args: ["no s3cret"], critical: false}
    """
    flow = loaded(tmp_path, tasks, top=SECRET)
    _, tape = recorded(flow)
    assert "s3cret" not in tape_text(tape, "")
    again = run(flow, TapeUse(tape))
    assert again.faults == ()
    assert again.result.output == "<secret:variables.name> ask 1"


def test_keys_that_are_one_without_their_secrets_cannot_be_kept(tmp_path: Path) -> None:
    tasks = """
        each:
          operator_type: foreach
          items: [s3cret, "<secret:variables.name>"]
          key: "{{item}}"
          loop_body: [{task_id: t, function: real.echo, args: [1]}]
    """
    flow = loaded(tmp_path, tasks, top=SECRET)
    done = run(flow, TapeUse(None, records=True, allows_effects=True))
    assert [each.message for each in done.faults] == [
        "two calls have one key once secrets are taken out of the tasks' paths"
    ]


# --- faults --------------------------------------------------------------------------------------

TWO = """
    a: {function: real.echo, args: [{x: 1, y: [2]}], dependencies: []}
    b: {function: real.echo, args: [b], dependencies: []}
"""


def faults(done: CaseRun) -> list[tuple[str, str]]:
    return [(each.message, each.detail) for each in done.faults]


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        (
            TWO.replace("y: [2]", "y: [3]"),
            [
                (
                    "'a' (real.echo) is not the call that is on the tape",
                    "args[0].y[0]: expected 2, got 3",
                )
            ],
        ),
        (
            TWO.replace("real.echo, args: [b]", "real.say, args: [b]"),
            [
                (
                    "'b' (real.say) is not the call that is on the tape",
                    "tool: expected 'real.echo', got 'real.say'",
                )
            ],
        ),
        (
            TWO.replace("b:", "c:"),
            [
                ("'c' (real.echo) is called, which is not on the tape", ""),
                ("a call on the tape was not made", "'b' (real.echo)"),
            ],
        ),
        (
            "c: {function: tools.log.info, args: [hi]}",
            [("2 calls on the tape were not made", "'a' (real.echo)\n'b' (real.echo)")],
        ),
    ],
)
def test_a_call_that_is_not_the_one_on_the_tape_is_a_fault(
    tmp_path: Path, tasks: str, expected: list[tuple[str, str]]
) -> None:
    """Of a replay, and of real calls that are held against it."""
    _, tape = recorded(loaded(tmp_path, TWO))
    changed = loaded(tmp_path, tasks)
    assert faults(run(changed, TapeUse(tape))) == expected
    assert faults(run(changed, TapeUse(tape, records=True, allows_effects=True))) == expected


@pytest.mark.parametrize(
    ("kept", "detail"),
    [
        ("return: 0", "return: expected 0, got 7"),
        ("raise: {type: KeyError, message: k}", "expected KeyError: k, got a value"),
        ("stopped: ''", "expected to be stopped, got a value"),
        ("return: 7, during: [{info: six}]", 'during[0].info: expected "six", got "seven"'),
    ],
)
def test_verifying_tells_where_real_answers_are_others(
    tmp_path: Path, kept: str, detail: str
) -> None:
    flow = loaded(tmp_path, "a: {function: taped.seven}")
    during = "" if "during" in kept else ", during: [{info: seven}]"
    calls = f"{{a: {{tool: taped.seven, {kept}{during}}}}}"
    tape = parse_tape(f"tape: 1\nworkflow: w\ncase: c\ncalls: {calls}\n", "tape")
    done = run(flow, TapeUse(tape, records=True, allows_effects=True))
    assert faults(done) == [("'a' (taped.seven) does not end as it does on the tape", detail)]


def test_a_call_that_was_stopped_and_that_nothing_stops_any_more_is_a_fault(
    tmp_path: Path,
) -> None:
    tasks = "slow: {function: real.pause, args: [0.1], timeout: 0.01}"
    _, tape = recorded(loaded(tmp_path, tasks))
    done = run(loaded(tmp_path, tasks.replace(", timeout: 0.01", "")), TapeUse(tape))
    message = "'slow' (real.pause) was stopped when it was recorded, and nothing stops it now"
    assert faults(done) == [(message, "")]


def test_a_result_that_is_no_plain_data_is_a_fault(tmp_path: Path) -> None:
    """Also where the case does not mind that the task fails."""
    flow = loaded(tmp_path, "odd: {function: taped.odd, critical: false}")
    done = run(flow, TapeUse(None, records=True, allows_effects=True))
    hint = "a type of your own gets a plain form by pytest_highway.register_codec"
    message = (
        "'odd' (taped.odd) returned what no tape can hold: a value of type tape_tools.Odd is not "
        "plain data (text, numbers, true, false, null, lists, mappings)"
    )
    assert faults(done) == [(message, hint)]


def test_a_tool_whose_request_the_case_answers_cannot_be_recorded(tmp_path: Path) -> None:
    case = "http: {GET http://api.test/1: {return: {status: 200, json: 1}}}"
    flow = loaded(tmp_path, "a: {function: taped.fetches, args: ['http://api.test/1']}", case)
    done = run(flow, TapeUse(None, records=True, allows_effects=True))
    hint = "a call is recorded or answered by the case: stub the task, or take `http` out"
    message = "'a' (taped.fetches) sent a request that `http` of the case answers"
    assert faults(done) == [(message, hint)]


def test_two_tasks_that_write_one_key_of_memory_fail_in_a_replay_too(tmp_path: Path) -> None:
    """Where the order that held when they were recorded is gone."""
    tasks = """
        a: {function: taped.remember, args: [k, 1], dependencies: []}
        b: {function: taped.remember, args: [k, 2], dependencies: [a]}
    """
    _, tape = recorded(loaded(tmp_path, tasks))
    changed = loaded(tmp_path, tasks.replace("dependencies: [a]", "dependencies: []"))
    error = run(changed, TapeUse(tape)).result.error
    assert error is not None
    assert error.type == "MemoryConflict"


def test_a_tool_with_effects_is_not_called_unless_that_is_allowed(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    flow = loaded(tmp_path, f"a: {{function: tools.shell.run, args: ['touch {proof}']}}")
    done = run(flow, TapeUse(None, records=True))
    message = "'a' (tools.shell.run) has effects (write), and is not called for a tape"
    assert faults(done) == [(message, "to call it all the same: --highway-tape-allow-effects")]
    assert not proof.exists()


def test_who_waits_for_a_lock_of_another_process_waits_in_real_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first call, too; else the ten minutes would be over at once."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    other = FileLocks()
    assert other.take("busy")
    freed = threading.Timer(0.3, other.release, ["busy"])
    freed.start()
    top = "lock: {name: busy, wait: 10m}"
    done, _ = recorded(loaded(tmp_path, "a: {function: real.echo, args: [1]}", top=top))
    freed.join()
    assert done.result.status == "success"


def test_ctrl_c_while_a_call_is_being_stopped_ends_the_recording(tmp_path: Path) -> None:
    """Once that call has been given up, as between two steps of any real run."""
    tasks = """
        slow:
          function: tools.shell.run
          args: ["trap '' TERM; while :; do sleep 0.05; done"]
          timeout: 0.1
          dependencies: []
        stop:
          function: tools.shell.run
          args: ["sleep 0.3; kill -INT $PPID; sleep 9"]
          dependencies: []
    """
    flow = loaded(tmp_path, tasks)
    with pytest.raises(Interrupted) as caught:
        run(flow, TapeUse(None, records=True, allows_effects=True))
    ends = {each.path: each.status for each in caught.value.log if type(each) is TaskEnded}
    assert ends == {"slow": "timed_out", "stop": "cancelled"}


# --- what a file can hold ------------------------------------------------------------------------


def nested(depth: int) -> object:
    """Lists in lists."""
    return [nested(depth - 1)] if depth else []


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ([nested(97)], "the call '0' (real.echo) cannot be kept: nested deeper than 100 levels"),
        (
            [1, "\ud800"],
            "the call '1' (real.echo) cannot be kept: it holds U+D800, a lone surrogate",
        ),
        (["x" * 6_000_000] * 2, "the calls cannot be kept: file of 12,*"),
    ],
)
def test_what_no_file_can_hold_is_told_with_its_call(values: list[object], fault: str) -> None:
    entries = [
        Entry(str(n), "real.echo", word="return", outcome=value) for n, value in enumerate(values)
    ]
    with pytest.raises(HighwayError) as caught:
        tape_text(Tape("w", "c", {each.key: each for each in entries}), "pytest")
    assert fnmatch(str(caught.value), fault)


ODD = [
    *(None, True, 0, -1, 1.5, 1e300, 1e-7, 10**30, math.inf, -math.inf, math.nan, ""),
    *(
        "true",
        "1",
        "~",
        "a: b",
        "# c",
        "- d",
        "a\nb",
        "a\n\n",
        " lead",
        "trail ",
        "\t",
        "\x00\x85\u2028",
    ),
    *("<<<<<<< HEAD\nx", "😀", "{{x}}", {"": {}}, {"<<": 1, "a b": []}, [[], {}, [None]]),
]


@pytest.mark.parametrize("value", ODD, ids=ascii)
def test_every_plain_value_comes_back_as_it_was(value: object) -> None:
    entry = Entry("a", "t", [value], {"k": value}, [{"emit": {"n": value}}], "return", value, 0.5)
    text = tape_text(Tape("w", "c", {"a": entry}), "pytest\nx")
    assert to_json(asdict(parse_tape(text.encode(), "tape").calls["a"])) == to_json(asdict(entry))
