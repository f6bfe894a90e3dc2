"""Real runs through their cases: threads, processes, coroutines, timeouts, locks, Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent, indent

import filelock
import pytest
import real_tools
from real_calls import PATIENCE, content_of, gone, is_alive, started

from pytest_highway.cases.simulation import run_case
from pytest_highway.engine import calls
from pytest_highway.engine.sections import FileLocks
from pytest_highway.errors import HighwayError
from pytest_highway.loading import load_file
from pytest_highway.toolbox import process
from pytest_highway.tools import discover

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    """After each test no child runs, no thread but daemons, and no temporary file is left."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    yield
    listed = subprocess.run(["ps", "-o", "stat=,args=", "--ppid", str(os.getpid())], stdout=-1)
    left = [line for line in listed.stdout.decode().splitlines() if line[:1] not in "Z "]
    assert [line for line in left if "ps -o stat=" not in line] == []
    assert [each for each in threading.enumerate() if not each.daemon] == [threading.main_thread()]
    assert [each.name for each in folder.iterdir() if not each.name.startswith("highway-lo")] == []


@pytest.fixture
def short_grace(monkeypatch):
    """What does not listen to TERM is killed soon."""
    monkeypatch.setattr(process, "GRACE", 0.4)
    monkeypatch.setattr(process, "DRAIN", 0.1)


@pytest.fixture(scope="session")
def registry():
    """The built-in tools and those of `real_tools`."""
    return discover(["real_tools"], entry_points=False)


@pytest.fixture
def run(tmp_path, registry):
    """Run the case `c` of a workflow; `tasks` and `case` are YAML, indented as one likes."""

    def run_workflow(tasks, case="", top="", executor=None):
        file = tmp_path / "some.workflow.yaml"
        file.write_text(workflow(tasks, case, top))
        loaded = load_file(file, file.name, registry)
        done = run_case(loaded.cases[0], loaded.plan, registry, executor=executor)
        assert done.faults == ()
        return done.result

    return run_workflow


def workflow(tasks, case="", top=""):
    """A workflow with one case, which runs every tool for real."""
    case = dedent(case) or "real: true\n"
    parts = ("tasks:", indent(dedent(tasks), "  "), "tests:\n  c:", indent(case, "    "))
    expect = "    expect: {status: success}\n"
    return "\n".join(("name: some", dedent(top), *parts, expect))


# -- one run, many places ----------------------------------------------------------------------


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


def test_one_loop_drives_every_kind_of_tool(run):
    """Values come back from threads, the event loop, processes and subprocesses."""
    result = run(EVERYWHERE)
    assert result.status == "success"
    assert result.output == "a bb out\n 7"


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
    odd:
      function: real.fail_once
      args: ["{{variables.name}}"]
      retry: 1
    poor: {function: real.raise_thread, args: [plain], on_failure: continue, critical: false}
    slow: {function: real.pause, args: [0.3], timeout: 0.02, on_failure: continue, critical: false}
    stopped: {function: real.nap, args: [9], timeout: 0.02, on_failure: continue, critical: false}
    ask: {operator_type: condition, condition: "1 < 2", if_true: yes, if_false: no}
    "yes": {function: real.napping, args: [0.01], dependencies: [ask, each, fan]}
    "no": {function: real.napping, args: [0.01], dependencies: [ask]}
    wait: {operator_type: wait, wait_for: 10ms}
    last: {function: real.say, args: [end], dependencies: ["yes", wait, odd], after: [poor, slow]}
"""


def test_transcript_of_real_runs_is_the_canonical_one(run):
    """Twenty runs whose calls take random times have one transcript."""
    texts = set()
    for number in range(20):
        result = run(RACING, top=f"variables: {{name: '{number}'}}\nmax_concurrency: 6")
        texts.add("\n".join(result.transcript()).replace(f'"{number}"', '"name"'))
    (text,) = texts
    assert text.splitlines()[-1] == "run: success"


def test_max_concurrency_holds(run):
    """Never more calls in flight than the run allows, and never fewer than there could be."""
    real_tools.MOST_ACTIVE.clear()
    tasks = "".join(
        f"t{number}: {{function: real.counted, args: [0.1], dependencies: []}}\n"
        for number in range(6)
    )
    run(tasks, top="max_concurrency: 2")
    assert max(real_tools.MOST_ACTIVE) == 2


def test_bulkheads_hold(run):
    """One call of the guarded tool at a time, while others run."""
    real_tools.MOST_ACTIVE.clear()
    tasks = "".join(
        f"t{number}: {{function: real.counted, args: [0.02], dependencies: []}}\n"
        for number in range(4)
    )
    run(tasks, top="tools: {real.counted: {max_concurrent: 1}}")
    assert real_tools.MOST_ACTIVE == [1, 1, 1, 1]


def test_refused_calls_do_not_pile_up(run):
    """A thousand calls that an open breaker refuses one after another are no recursion."""
    tasks = "".join(
        f"t{number}: {{function: real.raise_thread, args: [plain], dependencies: []}}\n"
        for number in range(1000)
    )
    top = "max_concurrency: 1\ntools: {real.raise_thread: {breaker: {failures: 1}}}"
    result = run(tasks, top=top)
    assert result.ends["t999"].fault.type == "CircuitOpen"
    assert len(result.calls) == 1


def test_waits_really_wait(run):
    """Waits and delays of a real run take their time."""
    tasks = """
        wait: {operator_type: wait, wait_for: 150ms}
        again:
          function: real.fail_once
          args: [waits]
          retry: {max_retries: 1, delay: 0.15}
          dependencies: [wait]
    """
    result = run(tasks)
    assert result.status == "success"
    assert result.duration >= 0.3


def test_coroutines_run_together_on_one_loop(run):
    """Each of the three ends only when all of them are there."""
    real_tools.LOOPS.clear()
    tasks = "".join(
        f"t{number}: {{function: real.together, args: [{number}], dependencies: [], timeout: 20}}\n"
        for number in range(3)
    )
    assert run(tasks).status == "success"
    assert len(set(real_tools.LOOPS)) == 1


@pytest.mark.parametrize("tool", ["talk", "talk_loop"])
def test_context_works_from_elsewhere(run, registry, tool):
    """Log, usage, events, memory and variables reach the run from threads and coroutines."""
    tasks = f"""
        one: {{function: real.{tool}, args: [hello], dependencies: []}}
        heard: {{operator_type: wait, wait_for: {{event: talked, timeout: 20}}, dependencies: []}}
    """
    result = run(tasks, top="variables: {name: v}")
    assert result.transcript()[:2] == [f'one: real.{tool}("hello")', "  info: hello"]
    assert result.ends["one"].value == "v one 1"
    assert result.ends["heard"].value == {"text": "hello"}
    assert result.memory == {"talks": 1}
    usage = result.usage(registry)
    assert (str(usage.cost), usage.tokens, usage.tool_calls) == ("0.1", 2, 1)


def test_process_tool_logs_and_counts(run, registry):
    """What a context in another process takes comes back with the value."""
    result = run("one: {function: real.talk_process, args: [hello], timeout: 30}")
    assert result.transcript()[1] == "  info: hello"
    assert result.usage(registry).tokens == 2
    assert result.emitted[0].data == {"text": "hello"}
    assert result.output == {"timely": True, "cancelled": False}


def test_memory_is_locked(run):
    """No addition of eight threads is lost, and the view has the last value."""
    tasks = "".join(
        f"t{number}: {{function: real.add, args: [300], dependencies: []}}\n" for number in range(8)
    )
    assert run(tasks, top="max_concurrency: 8").memory == {"sum": 2400}


def test_context_variables_reach_tools(run):
    """What is set around a run is seen in its threads."""
    token = real_tools.MARK.set("outside")
    result = run("t: {function: real.mark}")
    real_tools.MARK.reset(token)
    assert result.output == "outside"


# -- failures ----------------------------------------------------------------------------------


FAULTS = {
    "plain": "ValueError: wrong",
    "picky": "Picky: bad (7)",
    "speechless": "Speechless: its text cannot be shown",
    "local": "Local: nowhere",
    "exit": "ToolError: the tool raised SystemExit: 3",
    "keyboard": "ToolError: the tool raised KeyboardInterrupt",
    "timeout": "TimeoutError: too slow",
    "silent": "KeyError",
}


@pytest.mark.parametrize("where", ["thread", "loop", "process"])
def test_exceptions_of_every_kind_come_back(run, where):
    """A tool may raise whatever it likes; its task fails, and the run goes on."""
    tasks = "".join(
        f"{kind}: {{function: real.raise_{where}, args: [{kind}], dependencies: []}}\n"
        for kind in FAULTS
    )
    result = run(tasks)
    assert {kind: str(result.ends[kind].fault) for kind in FAULTS} == FAULTS
    assert {end.status for end in result.ends.values()} == {"failed"}


@pytest.mark.parametrize(
    ("kind", "named"),
    [("local", "LookupError"), ("picky", "Picky"), ("picky", '"real_tools:Picky"')],
)
def test_retry_on_knows_exceptions_from_other_processes(run, kind, named):
    """By their names and their bases, although the class itself could not travel."""
    retry = f"{{max_retries: 1, retry_on: [{named}]}}"
    result = run(f"t: {{function: real.raise_process, args: [{kind}], retry: {retry}}}")
    assert result.ends["t"].attempts == 2


def test_value_that_is_not_plain_fails_its_task(run):
    """It is found where the value comes in."""
    assert run("t: {function: real.unplain}").error.type == "NotPlain"


@pytest.mark.parametrize(
    ("code", "told"), [(3, "3"), (0, "0")], ids=["with a code", "as if all were well"]
)
def test_process_that_exits_fails_its_task(run, code, told):
    """`os._exit` in a tool is no success, whatever the code."""
    message = f"the tool's process ended with exit code {told} and did not answer"
    assert run(f"t: {{function: real.die, args: [{code}]}}").error.message == message


def test_chatty_commands_are_drained_and_bounded(run):
    """Far more than a pipe or the bound holds, on both streams at once."""
    script = (
        "head -c 5000000 /dev/zero | tr '\\\\0' x; head -c 5000000 /dev/zero | tr '\\\\0' y >&2"
    )
    result = run(f't: {{function: tools.shell.run, args: ["{script}"], timeout: 30}}')
    streams = [result.output["stdout"], result.output["stderr"]]
    assert [len(each) < 2_200_000 for each in streams] == [True, True]
    assert ["2902848 bytes dropped" in each for each in streams] == [True, True]


# -- timeouts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "became"),
    [
        ("real.pause, args: [0.4]", "its thread was abandoned and may still be running"),
        ("real.nap, args: [60]", "its coroutine was cancelled"),
        ("real.loop_to_thread", "its coroutine was cancelled"),
        ("real.sleep_process, args: [60]", "its process was killed"),
        ("tools.shell.run, args: [sleep 60]", "its processes were ended"),
        ('tools.command.run, args: [sleep, "60"]', "its processes were ended"),
    ],
    ids=["thread", "coroutine", "coroutine with a thread", "process", "shell", "command"],
)
def test_timeout_says_what_became_of_the_call(run, call, became):
    """What can be stopped is, and what cannot is named."""
    result = run(f"t: {{function: {call}, timeout: 100ms}}")
    assert result.ends["t"].status == "timed_out"
    assert str(result.error) == f"TimeoutError: no answer within 100ms; {became}"


def test_timeout_ends_the_whole_tree_of_a_command(run, short_grace, tmp_path):
    """Grandchildren too, also those that do not listen to TERM."""
    script = "(trap '' TERM; echo $BASHPID > inner; sleep 321; sleep 322) & echo $! > outer; wait"
    call = f'tools.command.run, args: [bash, -c, "{script}"], kwargs: {{cwd: "{tmp_path}"}}'
    result = run(f"t: {{function: {call}, timeout: 1s}}")
    assert result.ends["t"].status == "timed_out"
    assert [is_alive(int((tmp_path / name).read_text())) for name in ("inner", "outer")] == [
        False,
        False,
    ]


def test_timeout_ends_the_whole_tree_of_a_process_tool(run, tmp_path):
    """What the tool has started ends with it."""
    proof = tmp_path / "pid"
    result = run(f"t: {{function: real.grandchild, args: ['{proof}'], timeout: 1500ms}}")
    assert result.ends["t"].status == "timed_out"
    assert not is_alive(int(content_of(proof)))


def test_timed_out_attempt_is_over_before_the_next_one(run, tmp_path):
    """The second attempt finds no trace of the first one's process."""
    script = "test -f pid && kill -0 $(cat pid) && touch both; echo $$ > pid; exec sleep 60"
    call = f'tools.shell.run, args: ["{script}"], kwargs: {{cwd: "{tmp_path}"}}'
    result = run(f"t: {{function: {call}, timeout: 300ms, retry: 1}}")
    assert result.ends["t"].attempts == 2
    assert not (tmp_path / "both").exists()


def test_timeouts_of_others_are_kept_while_a_call_is_being_stopped(run, short_grace):
    """A command that takes its time to die holds up nothing else."""
    tasks = """
        stubborn:
          function: tools.command.run
          args: [bash, -c, "trap '' TERM; sleep 60; sleep 60"]
          timeout: 100ms
          dependencies: []
        beside: {function: real.pause, args: [0.6], timeout: 200ms, dependencies: []}
        then: {function: real.echo, args: [1], dependencies: [], after: [beside]}
    """
    result = run(tasks)
    assert [result.ends[name].status for name in ("stubborn", "beside")] == ["timed_out"] * 2
    order = list(result.ends)
    assert order.index("then") < order.index("stubborn")


def test_abandoned_thread_cannot_touch_the_run(run, tmp_path):
    """Its late write is refused: the run has gone on without it."""
    proof = tmp_path / "proof"
    result = run(f"t: {{function: real.late_writer, args: ['{proof}'], timeout: 50ms}}")
    assert content_of(proof) == "this attempt of 't' is over"
    assert result.memory == {}


def test_cancelled_coroutine_tidies_up(run, tmp_path):
    """Its own `finally` has run when the attempt is over."""
    proof = tmp_path / "proof"
    run(f"t: {{function: real.dawdle, args: ['{proof}'], timeout: 50ms}}")
    assert proof.read_text() == "cancelled"


@pytest.mark.parametrize(
    ("call", "left"),
    [
        ("real.obstinate, args: [1]", "its coroutine did not stop and may still be running"),
        ("real.sit, args: [1]", "its processes may still be running"),
    ],
    ids=["coroutine", "subprocess"],
)
def test_call_that_does_not_stop_is_given_up(run, monkeypatch, call, left):
    """The run does not wait for it for ever, and says that it may still be there."""
    monkeypatch.setattr(calls, "PATIENCE", 0.1)
    result = run(f"t: {{function: {call}, timeout: 50ms}}")
    assert result.error.message == f"no answer within 50ms; {left}"


def test_answer_that_a_command_gives_at_its_deadline_is_a_timeout(run):
    """The tool notices its deadline, too; which of the two is first is not told apart."""
    result = run("t: {function: real.until_deadline, timeout: 100ms}")
    assert result.ends["t"].status == "timed_out"


def test_failed_iteration_stops_the_others(run, tmp_path):
    """Under fail_fast the process of another iteration is gone before the run goes on."""
    script = (
        "if [ $n = 1 ]; then echo $$ > pid; exec sleep 60; fi; "
        "while ! test -s pid; do sleep 0.02; done; exit 1"
    )
    tasks = f"""
        each:
          operator_type: foreach
          items: [0, 1]
          max_concurrency: 2
          loop_body:
            - task_id: t
              function: tools.shell.run
              args: ["{script}"]
              kwargs: {{cwd: "{tmp_path}", env: {{n: "{{{{item}}}}"}}}}
        look:
          function: tools.shell.run
          args: ["kill -0 $(cat pid) 2>/dev/null && echo there || echo gone"]
          kwargs: {{cwd: "{tmp_path}"}}
          dependencies: [each]
          finally: true
    """
    result = run(tasks)
    assert result.ends["each[1]/t"].status == "cancelled"
    assert result.ends["look"].value["stdout"] == "gone\n"


def test_stop_from_outside_waits_for_the_processes(run, short_grace, tmp_path):
    """A `finally` task begins when the cancelled command has ended, stubborn as it may be."""
    script = "trap '' TERM; echo $$ > pid; sleep 60; sleep 60"
    tasks = f"""
        long:
          function: tools.command.run
          args: [bash, -c, "{script}"]
          kwargs: {{cwd: "{tmp_path}"}}
        look:
          function: tools.shell.run
          args: ["kill -0 $(cat pid) 2>/dev/null && echo there || echo gone"]
          kwargs: {{cwd: "{tmp_path}"}}
          finally: true
    """
    result = run(tasks, "real: true\ncancel: {at: 500ms}\n")
    assert result.status == "cancelled"
    assert result.ends["look"].value["stdout"] == "gone\n"


# -- HTTP --------------------------------------------------------------------------------------


URL = "https://api.test"


def test_http_of_a_case_answers_in_threads_and_coroutines(run):
    """Each call finds its own task, however many run at once."""
    tasks = "".join(
        f"t{number}: {{function: real.{tool}, args: ['{URL}/{number}'], dependencies: []}}\n"
        for number, tool in enumerate(["fetch", "fetch_loop"] * 3)
    )
    case = "real: true\nhttp:\n" + "".join(
        f"  GET https://api.test/{number}: {{return: {{json: {number}}}}}\n" for number in range(6)
    )
    result = run(tasks, case, top="max_concurrency: 6")
    assert [result.ends[f"t{number}"].value for number in range(6)] == list(range(6))
    assert sorted(each.path for each in result.requests) == [f"t{number}" for number in range(6)]


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        (
            "fetch_process",
            (
                "'t' calls real.fetch_process in another process, where the answers of `http` do "
                "not reach it; stub it, or let its isolation be 'thread'"
            ),
        ),
        ("fetch_aside", "GET https://api.test/1 was requested outside of any task's call"),
    ],
    ids=["another process", "a thread that the tool starts"],
)
def test_http_that_the_answers_do_not_reach_fails_the_case(tmp_path, registry, tool, message):
    """Nothing goes out to the network, whatever the case expects and the tool makes of it."""
    file = tmp_path / "some.workflow.yaml"
    case = "real: true\nhttp: {GET https://api.test/1: {return: {json: 1}}}\n"
    file.write_text(workflow(f"t: {{function: real.{tool}, args: ['{URL}/1']}}", case))
    loaded = load_file(file, file.name, registry)
    done = run_case(loaded.cases[0], loaded.plan, registry)
    assert done.faults[0].message == message


def test_http_answers_stay_here_with_an_executor(run):
    """Where the case's answers do not reach, no call that may need them is made."""
    case = "real: true\nhttp: {GET https://api.test/1: {return: {json: 1}}}\n"
    tasks = "t: {function: real.fetch, args: ['https://api.test/1']}"
    assert run(tasks, case, executor=NoExecutor()).output == 1


class NoExecutor(ThreadPoolExecutor):
    """Must not be asked."""

    def submit(self, fn, /, *args, **kwargs):
        raise AssertionError


def test_latency_of_answers_is_real_in_a_real_run(run):
    """Also where the stub lets the real tool answer."""
    case = """
        real: true
        http: {GET https://api.test/1: {return: {json: 1}, after: 150ms}}
        stubs: {b: [{call: real, after: 150ms}]}
    """
    tasks = """
        a: {function: real.fetch, args: ['https://api.test/1']}
        b: {function: real.echo, args: [2], dependencies: [a]}
        c: {function: real.fetch, args: ['https://api.test/1'], timeout: 50ms, dependencies: [b]}
    """
    result = run(tasks, case)
    assert [result.ends[name].status for name in "abc"] == ["success", "success", "timed_out"]
    assert result.ends["b"].at >= 0.3


def test_simulated_parts_stay_virtual(run):
    """Stubbed HTTP and pure tools are no real run: hours pass at once, locks are in memory."""
    tasks = """
        wait: {operator_type: wait, wait_for: 2h}
        get:
          function: tools.fetch.get
          args: ["https://api.test/1"]
          dependencies: [wait]
          lock: {name: busy, wait: 2h}
          result_key: got
        parse: {function: real.parse, args: ["{{results.got.data}}"], dependencies: [get]}
    """
    case = """
        real: [real.parse]
        http: {GET https://api.test/1: {return: {json: 1}, after: 30s}}
        locks: {busy: {held_for: 3h}}
    """
    result = run(tasks, case)
    assert result.output == 1
    assert result.duration == 3 * 3600 + 30
    assert list(Path(tempfile.gettempdir()).iterdir()) == []


# -- locks -------------------------------------------------------------------------------------


HOLDER = """
    import sys, filelock, pathlib
    file = pathlib.Path(sys.argv[1])
    file.parent.mkdir(exist_ok=True)
    lock = filelock.FileLock(file)
    lock.acquire()
    print("held", flush=True)
    sys.stdin.readline()
    lock.release()
"""


def lock_file(name):
    """Where a lock's file is."""
    return Path(tempfile.gettempdir()) / f"highway-locks-{os.getuid()}" / f"{name}.lock"


@pytest.fixture
def holder():
    """Another process that holds the lock `repo`, until a line is written to it."""
    command = [sys.executable, "-c", dedent(HOLDER), str(lock_file("repo"))]
    with started(command, stdin=-1) as other:
        assert other.stdout.readline() == "held\n"
        yield other
        other.stdin.close()


def test_lock_that_another_process_holds_times_out(run, holder):
    """The task fails, and its tool is never called."""
    result = run("t: {function: real.echo, args: [1], lock: {name: repo, wait: 250ms}}")
    assert str(result.error) == "LockTimeout: lock 'repo' was not free within 250ms"
    assert result.calls == []


def test_lock_is_had_once_the_other_process_lets_go(run, holder):
    """Waiting for it ends with its release."""
    timer = threading.Timer(0.3, holder.stdin.close)
    timer.start()
    result = run("t: {function: real.echo, args: [1], lock: {name: repo, wait: 20s}}")
    timer.join()
    assert result.status == "success"


@pytest.mark.parametrize(
    ("top", "task"),
    [
        ("lock: {name: repo, wait: 0}", "t: {function: real.echo, args: [1]}"),
        ("", "t: {function: real.echo, args: [1], lock: {name: repo, wait: 0}}"),
        ("lock: repo", "t: {function: real.raise_thread, args: [plain], on_failure: abort}"),
    ],
    ids=["of the run", "of a task", "of an aborted run"],
)
def test_lock_is_free_after_the_run(run, top, task):
    """Whatever becomes of the run, the next one finds the lock free."""
    run(task, top=top)
    with filelock.FileLock(lock_file("repo"), timeout=0):
        pass
    assert run(task, top=top).error == run(task, top=top).error


def test_lock_names_cannot_leave_their_folder(tmp_path):
    """A name is quoted before it becomes a file's."""
    locks = FileLocks(tmp_path / "locks")
    assert locks.take("../a b/é")
    assert [each.name for each in (tmp_path / "locks").iterdir()] == ["..%2Fa%20b%2F%C3%A9.lock"]
    locks.release("../a b/é")
    locks.release("never taken")


def test_lock_is_kept_where_the_environment_says(tmp_path, monkeypatch):
    """Whoever names the same folder shares the locks in it."""
    monkeypatch.setenv("HIGHWAY_LOCKS", str(tmp_path / "ours"))
    mine, theirs = FileLocks(), FileLocks(tmp_path / "ours")
    assert (mine.take("x"), theirs.take("x")) == (True, False)
    mine.release("x")
    assert theirs.take("x")
    theirs.release("x")


def test_lock_without_a_folder_is_an_error(tmp_path):
    """One sentence, not a traceback."""
    (tmp_path / "file").touch()
    with pytest.raises(HighwayError, match="no folder for locks"):
        FileLocks(tmp_path / "file").take("x")


def test_lock_that_cannot_be_a_file_is_an_error(tmp_path):
    """The file's name may be too long, or be a folder's."""
    (tmp_path / "x.lock").mkdir()
    with pytest.raises(HighwayError, match="lock 'x' cannot be taken"):
        FileLocks(tmp_path).take("x")


def test_locks_need_their_library(tmp_path, monkeypatch):
    """It is named when it is missing."""
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(HighwayError, match="pip install filelock"):
        FileLocks(tmp_path).take("x")


# -- executors ---------------------------------------------------------------------------------


SPREAD = """
    here: {function: real.where, result_key: a, dependencies: []}
    twice: {function: real.large, args: [2, x], result_key: b, dependencies: []}
    said: {function: real.talk, args: [hello], dependencies: []}
    wrong: {function: real.raise_thread, args: [picky], on_failure: continue, critical: false}
    end: {function: real.echo, args: ["{{results.b}}"], dependencies: [here, twice, said, wrong]}
"""
SPREAD_TRANSCRIPT = [
    "here: real.where() -> a",
    'twice: real.large(2, "x") -> b',
    'said: real.talk("hello")',
    "  info: hello",
    'wrong: real.raise_thread("picky")',
    "  failed: Picky: bad (7)",
    'end: real.echo("xx")',
    "run: success",
]


def test_thread_pool_takes_the_calls(run):
    """Any executor does; the transcript is the same as without one."""
    with ThreadPoolExecutor(2) as pool:
        result = run(SPREAD, top="variables: {name: v}", executor=pool)
    assert result.transcript() == SPREAD_TRANSCRIPT
    assert result.transcript() == run(SPREAD, top="variables: {name: v}").transcript()


SCRIPT = """
    import sys
    from pathlib import Path
    from pytest_highway.loading import load_file
    from pytest_highway.cases.simulation import run_case
    from pytest_highway.tools import discover


    def run(file, executor=None):
        registry = discover(["real_tools"], entry_points=False)
        loaded = load_file(Path(file), "some.workflow.yaml", registry)
        return run_case(loaded.cases[0], loaded.plan, registry, executor=executor).result


"""


@pytest.fixture
def script(tmp_path):
    """Write a script, which may `run(file)`, and a workflow; gives the command that starts it."""

    def write(text, tasks, top=""):
        (tmp_path / "some.workflow.yaml").write_text(workflow(tasks, top=top))
        (tmp_path / "script.py").write_text(dedent(SCRIPT) + dedent(text))
        return [sys.executable, "script.py"]

    return write


@pytest.fixture
def environment(monkeypatch):
    """What other processes need in order to find the package and the tools."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "tests")]))


PROCESS_POOL = """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    if __name__ == "__main__":
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
            print(*run("some.workflow.yaml", executor).transcript(), sep="\\n")
"""
DASK = """
    from distributed import Client, LocalCluster

    if __name__ == "__main__":
        options = dict(n_workers=1, threads_per_worker=2, dashboard_address=None)
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            executor = client.get_executor()
            print(*run("some.workflow.yaml", executor).transcript(), sep="\\n")
"""
needs_dask = pytest.mark.skipif(not find_spec("distributed"), reason="needs dask[distributed]")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PROCESS_POOL, id="process pool"),
        pytest.param(DASK, id="dask", marks=needs_dask),
    ],
)
def test_executors_of_other_processes_take_the_calls(
    script, environment, tmp_path, monkeypatch, text
):
    """Only the tool's place, its arguments and the result travel; the transcript is the same."""
    monkeypatch.setenv("DASK_TEMPORARY_DIRECTORY", str(tmp_path))
    command = script(text, SPREAD, "variables: {name: v}")
    done = subprocess.run(command, cwd=tmp_path, stdout=-1, stderr=-1, text=True, timeout=PATIENCE)
    assert done.stdout.splitlines() == SPREAD_TRANSCRIPT, done.stderr


BROKEN = """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    if __name__ == "__main__":
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
            print(run("some.workflow.yaml", executor).error.type)
"""


def test_executor_that_breaks_fails_the_task(script, environment, tmp_path):
    """A pool whose worker has died raises its own exception, for that task."""
    command = script(BROKEN, "t: {function: real.die, args: [3]}")
    done = subprocess.run(command, cwd=tmp_path, stdout=-1, text=True, timeout=PATIENCE)
    assert done.stdout == "BrokenProcessPool\n"


# -- the end of the process --------------------------------------------------------------------


def test_abandoned_threads_do_not_keep_the_interpreter(script, environment, tmp_path):
    """Neither a thread of ours nor one that a coroutine has asked for is waited for at exit."""
    tasks = """
        a: {function: real.pause, args: [300], timeout: 50ms, dependencies: []}
        b: {function: real.loop_to_thread, timeout: 50ms, dependencies: []}
    """
    command = script("print(run('some.workflow.yaml').status)", tasks)
    done = subprocess.run(command, cwd=tmp_path, stdout=-1, timeout=PATIENCE, text=True)
    assert (done.returncode, done.stdout) == (0, "failed\n")


STOPPED = """
    try:
        print(run("some.workflow.yaml").status)
    except KeyboardInterrupt as interrupted:
        from pytest_highway.views import RunResult

        print(*RunResult(interrupted.log).transcript(), interrupted, sep="\\n")
"""
CLEAN = 'clean: {function: tools.shell.run, args: ["echo $(ls)"], finally: true}\n'


@pytest.mark.parametrize(
    ("task", "shown"),
    [
        (
            'function: tools.shell.run, args: ["echo $$ > pid; sleep 321 & wait"]',
            'tools.shell.run("echo $$ > pid; sleep 321 & wait")',
        ),
        ("function: real.grandchild, args: [pid]", 'real.grandchild("pid")'),
        ("function: real.pid_nap, args: [pid]", 'real.pid_nap("pid")'),
        ("function: real.pid_pause, args: [pid]", 'real.pid_pause("pid")'),
        ("function: real.pid_inline, args: [pid]", 'real.pid_inline("pid")'),
    ],
    ids=["shell", "process", "coroutine", "thread", "inline"],
)
def test_ctrl_c_stops_everything(script, environment, tmp_path, task, shown):
    """The rest is cancelled, `finally` tasks run, the log is complete, no process is left."""
    tasks = (
        "before: {function: real.say, args: [hi]}\n"
        f"long: {{{task}, dependencies: [before], lock: repo}}\n"
        "after: {function: real.say, args: [no], dependencies: [long]}\n" + CLEAN
    )
    with started(script(STOPPED, tasks), cwd=tmp_path) as stopped:
        pid = int(content_of(tmp_path / "pid"))
        stopped.send_signal(signal.SIGINT)
        out, _ = stopped.communicate(timeout=PATIENCE)
    assert out.splitlines() == [
        'before: real.say("hi")',
        "  info: hi",
        f"long: {shown}",
        "  cancelled (the run was interrupted)",
        "after: cancelled (the run was interrupted)",
        'clean: tools.shell.run("echo $(ls)")',
        "run: cancelled",
        "the run of 'some' was interrupted",
    ]
    assert gone(pid)
    with filelock.FileLock(lock_file("repo"), timeout=0):
        pass


def test_ctrl_c_ends_a_wait(script, environment, tmp_path):
    """With no call in flight the engine wakes up as well."""
    tasks = "mark: {function: real.tell_later, args: [pid]}\n"
    tasks += "wait: {operator_type: wait, wait_for: 1h, dependencies: [mark]}\n"
    with started(script(STOPPED, tasks), cwd=tmp_path) as stopped:
        content_of(tmp_path / "pid")
        stopped.send_signal(signal.SIGINT)
        out, _ = stopped.communicate(timeout=PATIENCE)
    assert out.splitlines()[1:] == [
        "wait: wait 1h",
        "  cancelled (the run was interrupted)",
        "run: cancelled",
        "the run of 'some' was interrupted",
    ]


def test_second_ctrl_c_stops_finally_tasks(script, environment, tmp_path):
    """They are killed as well, and the log ends there."""
    tasks = """
        long: {function: tools.shell.run, args: ['echo $$ > pid; sleep 321']}
        clean: {function: tools.shell.run, args: ['echo $$ > pid2; sleep 322'], finally: true}
    """
    with started(script(STOPPED, tasks), cwd=tmp_path) as stopped:
        first = int(content_of(tmp_path / "pid"))
        stopped.send_signal(signal.SIGINT)
        second = int(content_of(tmp_path / "pid2"))
        stopped.send_signal(signal.SIGINT)
        out, _ = stopped.communicate(timeout=PATIENCE)
    assert out.splitlines()[-2:] == [
        'clean: tools.shell.run("echo $$ > pid2; sleep 322")',
        "the run of 'some' was interrupted",
    ]
    assert [gone(first), gone(second)] == [True, True]


def test_ctrl_c_in_pytest(environment, tmp_path):
    """pytest ends with its own exit code, after the `finally` task, and nothing is left."""
    script = "echo $$ > pid; sleep 321 & echo $! > pid2; wait"
    tasks = f"long: {{function: tools.shell.run, args: ['{script}']}}\n"
    tasks += "clean: {function: tools.shell.run, args: [touch cleaned], finally: true}\n"
    (tmp_path / "some.workflow.yaml").write_text(workflow(tasks))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "some.workflow.yaml"]
    with started(command, cwd=tmp_path) as stopped:
        pids = [int(content_of(tmp_path / name)) for name in ("pid", "pid2")]
        stopped.send_signal(signal.SIGINT)
        out, _ = stopped.communicate(timeout=PATIENCE)
    assert stopped.returncode == 2
    assert "Interrupted: the run of 'some' was interrupted" in out
    assert (tmp_path / "cleaned").exists()
    assert [gone(pid) for pid in pids] == [True, True]
