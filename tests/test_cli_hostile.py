"""`highway run` in the hands of an attacker: bad input, wild steps, broken streams.

No call may hang, leave a process behind, show a traceback, or end with a code but 0, 1, 2 and 130.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from command_line import Call, call_fixture
from highway_process import COMMAND, environment, highway, is_running

from pytest_highway.cli.run import RESUMABLE
from pytest_highway.events import TaskEnded
from pytest_highway.storage.opening import DEFAULT_ADDRESS, open_storage

__all__ = ["call_fixture"]

pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="the steps are written for a POSIX shell"
)

OK = 'name: d\nsteps:\n  - {id: a, run: "true"}\n'
SAYS = "name: d\ncontext: {name: x}\nsteps:\n"
WEIRD = "a b; touch pwned $(touch pwned) `touch pwned` '\"\n| touch pwned ${name} {{variables.name}} \\ * ~ ü"


def steps(*texts: str) -> str:
    """A file of steps that run these texts, one after the other; a context of one name."""
    lines = [
        f"  - {{id: s{number}, run: {json.dumps(text)}}}\n" for number, text in enumerate(texts)
    ]
    return SAYS + "".join(lines)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of its own; whatever a step said it started is ended."""
    monkeypatch.chdir(tmp_path)
    yield
    for file in tmp_path.glob("pid*"):
        try:
            os.kill(int(file.read_text()), signal.SIGKILL)
        except (ProcessLookupError, ValueError):
            continue


def write(text: str, name: str = "w.yaml") -> str:
    Path(name).write_text(text)
    return name


def state_of_last_run() -> str:
    with open_storage(DEFAULT_ADDRESS, create=False) as storage:
        return storage.get("last").state


# --- what is given -------------------------------------------------------------------------------

GIVEN = [
    (
        ["--context", "nmae=1"],
        steps("true"),
        "no variable 'nmae'; it declares 'name'; did you mean",
    ),
    (["--var", "name=[1"], steps("true"), "--var name:1:3: ',' or ']' is expected here"),
    (["--parallel", "0"], OK, "0 is not in the range x>=1"),
    ([], steps("echo ${nope}"), "w.yaml:4:19: 'nope' is no name of the context"),
    ([], OK + '  - {id: a, run: "true"}\n', "w.yaml:4:10: step id 'a' is taken; first at line 3"),
    (["--executor", "boom:make"], OK, "'boom:make' cannot be loaded: RuntimeError: boom"),
    (["--resume", "nope"], OK, "there is no history at"),
    (["--history", "sqlite:w.yaml"], OK, "w.yaml: file is not a database"),
]
# Inside this process, where an exception that would be a traceback fails the test by itself.
GIVEN_HERE = [
    (["--context", "name=1"], OK, "declares no variable 'name'; it declares none"),
    (["--context", "name"], steps("true"), "--context 'name': expected name=value"),
    (["--context", "=1"], steps("true"), "declares no variable ''"),
    (["--var", "name="], steps("true"), "--var name: no value; write null, or ''"),
    (["--var", "name=!!python/object:os.system x"], steps("true"), "unknown tag"),
    (["--var", f"name={'[' * 9000}"], steps("true"), "nested deeper than 100 levels"),
    (["--parallel", "-1"], OK, "-1 is not in the range x>=1"),
    ([], "name: d\ntasks: {a: {}, a: {}}\n", "w.yaml:2:16: duplicate key 'a'; first at line 2"),
    ([], OK[:-2] + ", env: {HIGHWAY_OUTPUT: x}}\n", "'HIGHWAY_OUTPUT' is set for each step"),
    (["--executor", "no_such:make"], OK, "--executor: 'no_such:make' cannot be loaded"),
    (["--executor", "made:broken"], OK, "'made:broken' cannot be loaded: ZeroDivisionError"),
    (["--executor", "made:nothing"], OK, "gives no concurrent.futures.Executor"),
    (["--tools", "boom"], OK, "'boom' cannot be loaded: RuntimeError: boom"),
    (["--resume", ""], OK, "there is no history at"),
    (["--resume", "../../etc/passwd"], OK, "there is no history at"),
    (["--history", "files:"], OK, "'files:' is no address of a storage"),
    (["--history", "files:w.yaml"], OK, "cannot open w.yaml"),
    (["--history", "http://x"], OK, "is no address of a storage"),
    (["--case", "x"], OK, "--case 'x': the file has none"),
]


def write_modules() -> None:
    write("raise RuntimeError('boom')", "boom.py")
    write("def broken(): 1 / 0\nnothing = 3\n", "made.py")


@pytest.mark.parametrize(("arguments", "text", "told"), GIVEN)
def test_bad_input_is_told_and_nothing_runs(arguments: Sequence[str], text: str, told: str) -> None:
    """The exit code is 2, standard output stays empty, and there is no traceback."""
    write(text)
    write_modules()
    ended = highway("run", "w.yaml", *arguments)
    assert (ended.returncode, ended.stdout, told in ended.stderr) == (2, "", True), ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(("arguments", "text", "told"), GIVEN_HERE)
def test_bad_input_of_every_kind_is_told(
    call: Call, arguments: Sequence[str], text: str, told: str
) -> None:
    write(text)
    write_modules()
    code, out, err = call("run", "w.yaml", *arguments)
    assert (code, out, told in err) == (2, "", True), err


# --- what steps do -------------------------------------------------------------------------------

DONE = [
    ("no_such_command", "ended with exit code 127: "),
    ("exit 255", "ended with exit code 255"),
    ("kill -SEGV $$", "ended with exit code -11 (SIGSEGV)"),
    ("read line", "ended with exit code 1"),
    ("printf '\\377\\376\\001no end'; exit 4", "ended with exit code 4"),
    ("printf '::error::x\\033[2J\\033]0;title\\007' >&2; exit 5", "ended with exit code 5"),
]


def test_every_way_to_fail_is_a_failed_step_and_a_failed_run() -> None:
    texts = [text for text, _ in DONE]
    more = (
        "  - {id: gone, command: [no_such_program, x]}\n"
        '  - {id: away, run: "true", cwd: no/such/folder}\n'
        '  - {id: name, run: "true", env: {"A=B": x}}\n'
        '  - {id: fine, run: "true", env: {"A B": x, "ü-1": "☃"}}\n'
    )
    write(steps(*texts) + more)
    ended = highway("run", "w.yaml", "--json")
    tasks = json.loads(ended.stdout)["tasks"]
    reasons = {name: task["reason"] for name, task in tasks.items()}
    wanted = {f"s{number}": told for number, (_, told) in enumerate(DONE)} | {
        "gone": "program 'no_such_program' was not found",
        "away": "working directory 'no/such/folder' does not exist",
        "name": "illegal environment variable name",
        "fine": "",
    }
    assert [name for name, told in wanted.items() if told not in reasons[name]] == []
    told = f"{RESUMABLE}\n"
    assert (ended.returncode, tasks["fine"]["status"], ended.stderr) == (1, "success", told)


# Prints the most memory that any child of it needed, in KiB, behind what the child prints.
MEASURED = """\
import resource, subprocess, sys
ended = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
sys.stdout.buffer.write(ended.stdout)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
"""


def peak(*arguments: str) -> tuple[int, str]:
    """The most memory, in MiB, that a call of the command needed, and what it printed."""
    command = [COMMAND[0], "-c", MEASURED, *COMMAND, *arguments]
    ended = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=30, check=True
    )
    return int(ended.stderr) // 1024, ended.stdout


def test_what_a_step_prints_is_bounded_in_memory_and_says_what_was_dropped() -> None:
    """300 MB and a million lines need little more than a step that prints nothing."""
    write(OK, "ok.yaml")
    write(steps("head -c 300000000 /dev/zero | tr '\\0' x", "seq 1000000"))
    usual, _ = peak("run", "ok.yaml")
    most, _ = peak("run", "w.yaml")
    with open_storage(DEFAULT_ADDRESS, create=False) as storage:
        log = storage.log(storage.get("last"))
    kept = {each.path: each.value["stdout"] for each in log if type(each) is TaskEnded}
    blob, lines = kept["s0"], kept["s1"]
    assert (len(blob) < 2_200_000, "\n... (297902848 bytes dropped)\n" in blob) == (True, True)
    assert (lines.startswith("1\n2\n"), lines.endswith("\n1000000\n")) == (True, True)
    assert most - usual < 64


def test_output_of_any_bytes_is_a_text_as_it_was_printed() -> None:
    """Without a line end, with controls, a NUL and what is no UTF-8."""
    write(steps("printf 'a\\0\\033[31m\\r\\377::error::x'"))
    ended = highway("run", "w.yaml", "--json")
    assert json.loads(ended.stdout)["output"]["stdout"] == "a\0\x1b[31m\r\ufffd::error::x"


def test_a_step_reads_an_empty_standard_input_whatever_the_command_has() -> None:
    write(steps("cat; read line || echo end"))
    ended = highway("run", "w.yaml", "--json", stdin=None, input="secret\n")
    assert json.loads(ended.stdout)["output"]["stdout"] == "end\n"


def test_a_value_is_never_code() -> None:
    """Quotes, line ends, substitutions and templates come out of each kind of step as they are."""
    write(
        SAYS
        + '  - {id: a, command: [printf, "%s", "${name}"]}\n'
        + "  - {id: b, command: 'printf %s \"${name}\"'}\n"
        + "  - {id: c, run: 'printf %s \"${name}\"'}\n"
        + "  - {id: d, run: 'printf %s \"$N\"', env: {N: '${name}'}}\n"
    )
    ended = highway("run", "w.yaml", "--json", "--context", f"name={WEIRD}")
    found = {task: value["stdout"] for task, value in json.loads(ended.stdout)["results"].items()}
    assert (found, Path("pwned").exists()) == (dict.fromkeys("abcd", WEIRD), False)


@pytest.mark.parametrize("text", ["\x1b[2J\r\n::set-output name=a::b\n::error::x\u202e\x07", "::x"])
def test_no_text_of_a_workflow_acts_on_the_terminal_or_the_ci_service(text: str) -> None:
    """It is shown behind its task, controls as escapes, and no line begins with two colons."""
    task = "{function: tools.log.info, args: ['{{variables.text}}']}"
    write(f"name: {json.dumps(text)}\nvariables: {{text: ''}}\ntasks: {{a: {task}}}\n")
    for more in ([], ["--dry-run"]):
        ended = highway("run", "w.yaml", "--context", f"text={text}", *more)
        lines = ended.stdout.split("\n")
        assert [line for line in lines if not line.isprintable()] == []
        assert [line for line in lines if line.lstrip().startswith("::") and not more] == []
        assert (ended.returncode, ended.stderr) == (0, "")


# --- what steps leave ----------------------------------------------------------------------------

LEFT = {
    "ignores TERM": ("trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done", False),
    "has a grandchild": ("sh -c 'sleep 60 & echo $! > pid; wait' & wait", False),
    "has a daemon": ("setsid sh -c 'echo $$ > pid; exec sleep 60' & sleep 60", True),
}


@pytest.mark.parametrize(("text", "stays"), LEFT.values(), ids=LEFT)
def test_a_step_that_is_out_of_time_is_ended_with_its_process_group(text: str, stays: bool) -> None:
    """The run goes on at once, though a daemon, in a session of its own, holds the pipes open."""
    write(steps(text).replace("}\n", ", timeout: 0.5}\n"))
    ended = highway("run", "w.yaml")
    assert (ended.returncode, "its processes were ended" in ended.stdout) == (1, True)
    assert is_running(Path("pid")) == stays


@pytest.mark.parametrize("how", ["", "setsid "])
def test_what_a_step_leaves_in_the_background_does_not_hold_up_the_run(how: str) -> None:
    write(steps(f"{how}sleep 60 & echo $! > pid; echo done"))
    ended = highway("run", "w.yaml", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["output"]["stdout"]) == (0, "done\n")


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_the_run_in_order_and_all_of_its_processes(name: str) -> None:
    """`finally` steps run, the record says cancelled, and nothing is left behind."""
    last = "  - {id: last, run: 'touch cleaned', finally: true}\n"
    write(steps("echo $$ > pid; exec sleep 60") + last)
    running = subprocess.Popen(
        [*COMMAND, "run", "w.yaml"],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )
    with running:
        wait_for(Path("pid"))
        running.send_signal(getattr(signal, name))
        _, err = running.communicate(timeout=20)
    assert (running.returncode, err.split("\n\n")) == (130, [RESUMABLE, "interrupted\n"])
    assert (is_running(Path("pid")), Path("cleaned").exists()) == (False, True)
    assert state_of_last_run() == "cancelled"


def wait_for(file: Path) -> None:
    for _ in range(500):
        if file.exists() and file.read_text().strip():
            return
        time.sleep(0.02)
    raise AssertionError(f"{file} did not come")


# --- streams and surroundings --------------------------------------------------------------------


def test_a_reader_that_goes_away_does_not_end_the_run() -> None:
    """As in `highway run … | head -1`: every step runs, and the exit code is that of the run."""
    write(SAYS + "".join(f"  - {{id: s{n}, run: 'echo x >> done'}}\n" for n in range(5)))
    reading, writing = os.pipe()
    os.close(reading)
    ended = highway("run", "w.yaml", "--parallel", "1", stdout=writing)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (Path("done").read_text(), state_of_last_run()) == ("x\n" * 5, "success")


FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="the system has no /dev/full")


@needs_full
@pytest.mark.parametrize(("more", "code"), [([], 0), (["--json"], 1)])
def test_output_that_cannot_be_written_is_told(more: Sequence[str], code: int) -> None:
    """The run goes on; where its outcome as JSON was wanted, the call has failed."""
    write(OK)
    with FULL.open("w") as full:
        ended = highway("run", "w.yaml", *more, stdout=full)
    told = "warning: cannot write the output: No space left on device\n"
    assert (ended.returncode, ended.stderr, state_of_last_run()) == (code, told, "success")


@needs_full
def test_errors_that_cannot_be_written_leave_the_exit_code() -> None:
    write("name: [")
    with FULL.open("w") as full:
        assert highway("run", "w.yaml", stderr=full).returncode == 2


CLOSED = [((0,), 0), ((1,), 0), ((2,), 0), ((0, 1, 2), 0)]


@pytest.mark.parametrize(("closed", "code"), CLOSED)
def test_streams_may_be_closed_from_the_start(closed: Sequence[int], code: int) -> None:
    write(OK)
    ended = highway(
        "run", "w.yaml", preexec_fn=lambda: [os.close(each) for each in closed] and None
    )
    assert (ended.returncode, ended.stderr, state_of_last_run()) == (code, "", "success")


SURROUNDINGS = [
    ({}, ["HOME"], "sqlite:h"),
    ({"TMPDIR": "/no/such/folder", "HOME": "/no/such/folder"}, [], "sqlite:h"),
    ({"PYTHONIOENCODING": "ascii", "WEIRD": "caf\udce9 ☃"}, [], "sqlite:h"),
    ({"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "WEIRD": "☃"}, [], "sqlite:h"),
    ({"WEIRD": "caf\udce9"}, [], "files:h"),
    ({"TERM": "xterm", "FORCE_COLOR": "1", "COLUMNS": "1", "LINES": "x"}, [], "files:h"),
]


@pytest.mark.parametrize(("env", "without", "backend"), SURROUNDINGS)
def test_a_run_needs_nothing_of_its_surroundings(
    env: dict[str, str], without: Sequence[str], backend: str
) -> None:
    """No HOME, no temporary folder, no UTF-8 in the environment or the output, odd terminals."""
    text = "{function: tools.log.info, args: ['{{env.WEIRD}}']}"
    shell = "{function: tools.shell.run, args: ['test -n \"$WEIRD\"']}"
    write(f"name: d\nenv: {{WEIRD: x}}\ntasks: {{a: {text}, b: {shell}}}\n")
    ended = highway("run", "w.yaml", "--history", backend, env=env, without=without)
    assert (ended.returncode, ended.stderr) == (0, "")
    with open_storage(backend, create=False) as storage:
        assert storage.log(storage.get("last"))[-1].status == "success"


@pytest.mark.parametrize("name", ["sp ace/ünï ☃.yaml", "new\nline\x1b[31m.yaml", "caf\udce9.yaml"])
def test_a_file_may_have_any_name(name: str) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(OK)
    ended = highway("run", name)
    with open_storage(DEFAULT_ADDRESS, create=False) as storage:
        kept = storage.get("last").file
    assert (ended.returncode, ended.stderr, kept) == (0, "", name)


def test_a_folder_that_is_gone_is_told() -> None:
    """The history cannot stand there; without it the run needs no folder."""
    file = str(Path(write(OK)).absolute())
    Path("gone").mkdir()
    shell = 'cd gone && rmdir ../gone && exec "$@"'
    for more, code in (([], 2), (["--no-history"], 0)):
        Path("gone").mkdir(exist_ok=True)
        command = ["sh", "-c", shell, "sh", *COMMAND, "run", file, *more]
        ended = subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=20, check=False
        )
        assert (ended.returncode, "Traceback" in ended.stderr) == (code, False)


def test_a_file_that_changes_while_it_runs_changes_nothing() -> None:
    write(steps("echo 'name: [' > w.yaml", "echo two"))
    ended = highway("run", "w.yaml", "--json", "--parallel", "1")
    assert (ended.returncode, json.loads(ended.stdout)["output"]["stdout"]) == (0, "two\n")


@pytest.mark.parametrize("backend", ["sqlite:h", "files:h"])
def test_runs_at_the_same_time_share_a_history(backend: str) -> None:
    write(steps("sleep 0.3", "true", "true"))
    command = [*COMMAND, "run", "w.yaml", "--history", backend]
    calls = [
        subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) for _ in range(2)
    ]
    assert [call.wait(20) for call in calls] == [0, 0]
    with open_storage(backend, create=False) as storage:
        ends = [(each.state, len(storage.log(each))) for each in storage.records()]
    assert ends == [("success", ends[0][1])] * 2


def test_what_a_tool_prints_is_no_part_of_the_json() -> None:
    write(
        "from pytest_highway.tools import tool\n@tool('my.say')\ndef say(): print('hello')\n",
        "my.py",
    )
    write("name: d\ntasks: {a: {function: my.say}}\n")
    ended = highway("run", "w.yaml", "--tools", "my", "--json")
    assert (json.loads(ended.stdout)["status"], ended.stderr) == ("success", "hello\n")


def test_no_temporary_file_stays() -> None:
    """After a step that succeeds, one that fails and one that is out of time."""
    Path("tmp").mkdir()
    write(steps("true", "false", "sleep 9").replace('"sleep 9"}', '"sleep 9", timeout: 0.3}'))
    highway("run", "w.yaml", env={"TMPDIR": str(Path("tmp").absolute())})
    assert list(Path("tmp").iterdir()) == []
