"""How `highway run` is shown: in a terminal, in a pipe and in GitHub Actions."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from real_calls import PATIENCE, started
from terminals import COMMAND, Shown, frames, in_terminal, plain_environment

from pytest_highway.events import AttemptEnded
from pytest_highway.storage.opening import DEFAULT_ADDRESS, open_storage

GATE = """\
name: gate
tasks:
  lint: {function: tools.shell.run, args: ["echo linted"]}
  unit:
    function: tools.shell.run
    args: ["exit 3"]
    retry: 1
    dependencies: []
  deploy: {function: tools.shell.run, args: ["true"], dependencies: [unit]}
"""
FAILED = "CommandFailed: command 'exit 3' ended with exit code 3"
COLOUR = re.compile(r"\x1b\[(3[0-9]|9[0-9]|38;)")


def piped(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=plain_environment(**more),
        capture_output=True,
        text=True,
        timeout=60,
    )


def without_times(lines: list[str]) -> list[str]:
    return [re.sub(r"\(([\d.]+(ms|s|m))+\)", "(T)", line) for line in lines]


def shown_while(name: str, text: str, folder: Path, until: str, **options: object) -> Shown:
    """Run a workflow in a terminal, and let its tasks end once a screen has shown `until`."""
    (folder / f"{name}.yaml").write_text(text)

    def watch(process: subprocess.Popen[bytes], sent: str) -> None:
        go_on = any(until in line for screen in frames(sent) for line in screen)
        (folder / ("go" if go_on else "stay")).touch()

    return in_terminal("run", f"{name}.yaml", folder=folder, watch=watch, **options)  # type: ignore[arg-type]


UNTIL_GO = "until [ -e go ]; do sleep 0.02; done"


# --- a terminal ----------------------------------------------------------------------------------


def test_a_terminal_keeps_the_lines_of_what_ended(tmp_path: Path) -> None:
    """What began and what goes on is taken off again, the cursor is back."""
    (tmp_path / "gate.yaml").write_text(GATE)
    shown = in_terminal("run", "gate.yaml", folder=tmp_path, size=(24, 200))
    assert shown.code == 1
    assert shown.has_cursor
    assert sorted(without_times([line for line in shown.screen if line])) == sorted(
        [
            "lint: success (T)",
            f"unit: attempt 1 failed: {FAILED}; retry",
            f"unit: failed (T): {FAILED}",
            "deploy: upstream_failed (dependency failed: unit)",
            f"run: failed (T): unit: {FAILED}",
            "to go on from here: the same command with --resume last",
        ]
    )


@pytest.mark.parametrize(
    ("tasks", "top", "wanted"),
    [
        (f"a: {{function: tools.shell.run, args: ['{UNTIL_GO}']}}", "", "  a: 0s"),
        (
            (
                f"a: {{function: tools.shell.run, args: ['{UNTIL_GO}']}}\n"
                "b: {function: tools.log.info, args: [hi], dependencies: [a]}"
            ),
            "",
            "  b: waits for a",
        ),
        (
            (
                f"a: {{function: tools.shell.run, args: ['{UNTIL_GO}'], lock: repo, dependencies: []}}\n"
                "b: {function: tools.log.info, args: [hi], lock: repo, dependencies: []}"
            ),
            "",
            "  b: waits for lock 'repo', which a holds",
        ),
        (
            (
                f"a: {{function: tools.shell.run, args: ['{UNTIL_GO}'], dependencies: []}}\n"
                "b: {function: tools.shell.run, args: ['true'], dependencies: []}"
            ),
            "max_concurrency: 1",
            "  b: waits for a slot (1 in use)",
        ),
        (
            (
                f"a: {{function: tools.shell.run, args: ['{UNTIL_GO}'], dependencies: []}}\n"
                "b: {function: tools.shell.run, args: ['true'], dependencies: []}"
            ),
            "tools: {tools.shell.run: {max_concurrent: 1, max_queue: 5}}",
            "  b: waits for a place at 'tools.shell.run' (1 in use)",
        ),
        (
            (
                "a: {function: tools.shell.run, args: ['test -e go'],\n"
                "    retry: {max_retries: 1, delay: 3}}"
            ),
            "",
            "  a: retries in 2s, attempt 2",
        ),
        ("a: {operator_type: wait, wait_for: 2s}", "", "  a: waits 2s, 0s"),
        (
            (
                "a:\n  operator_type: foreach\n  items: [1, 2]\n  loop_body:\n"
                f"    - {{task_id: b, function: tools.shell.run, args: ['{UNTIL_GO}']}}"
            ),
            "",
            "  a: item 1 of 2, 0s",
        ),
        (
            f"a: {{function: tools.shell.run, args: ['{UNTIL_GO}']}}\n"
            + "".join(
                f"b{n}: {{function: tools.log.info, args: [x], dependencies: [a]}}\n"
                for n in range(20)
            ),
            "",
            "  and 11 more",
        ),
    ],
    ids=["runs", "dependency", "lock", "slot", "bulkhead", "retry", "wait", "loop", "many"],
)
def test_a_terminal_shows_what_runs_and_what_waits_for_what(
    tasks: str, top: str, wanted: str, tmp_path: Path
) -> None:
    indented = "".join(f"  {line}\n" for line in tasks.splitlines())
    shown = shown_while("some", f"name: some\n{top}\ntasks:\n{indented}", tmp_path, wanted)
    assert shown.code == 0
    assert [line for screen in frames(shown.sent) for line in screen if line.startswith(wanted)]


MANY = "name: many\nmax_concurrency: 40\ntasks:\n" + "".join(
    f"  t{number}: {{function: tools.shell.run, args: ['sleep 0.3'], dependencies: []}}\n"
    for number in range(40)
)


@pytest.mark.parametrize(
    ("size", "most"),
    [((24, 80), 12), ((10, 80), 8), ((5, 80), 3), ((2, 80), 2), ((24, 12), 12)],
    ids=["usual", "low", "lower", "lowest", "narrow"],
)
def test_progress_has_few_lines_that_fit(size: tuple[int, int], most: int, tmp_path: Path) -> None:
    """However many steps run at once, and however small the terminal is."""
    (tmp_path / "many.yaml").write_text(MANY)
    shown = in_terminal("run", "many.yaml", "--no-history", folder=tmp_path, size=size)
    ups = [run.count("\x1b[1A") for run in re.findall(r"(?:\r?\x1b\[2K|\x1b\[1A)+", shown.sent)]
    drawn = re.findall(r"\x1b\[[12]m(  .*?)\x1b\[0m", shown.sent)
    assert shown.code == 0
    assert 0 < max(ups) < most
    assert max(map(len, drawn)) <= size[1]


@pytest.mark.parametrize(
    ("more", "has_colours", "has_controls"),
    [({}, True, True), ({"NO_COLOR": "1"}, False, True), ({"TERM": "dumb"}, False, False)],
    ids=["usual", "no colour", "dumb"],
)
def test_a_terminal_is_sent_no_more_than_it_wants(
    more: dict[str, str], has_colours: bool, has_controls: bool, tmp_path: Path
) -> None:
    (tmp_path / "gate.yaml").write_text(GATE)
    sent = in_terminal("run", "gate.yaml", folder=tmp_path, more=more).sent
    assert (bool(COLOUR.search(sent)), "\x1b" in sent) == (has_colours, has_controls)


def test_a_tool_cannot_write_to_the_screen_by_what_it_logs(tmp_path: Path) -> None:
    r"""Controls are shown escaped: a message would move the cursor, or hide a failure."""
    (tmp_path / "log.yaml").write_text(
        'name: log\ntasks:\n  say: {function: tools.log.info, args: ["a\\e[2Jb\\tc\\nd"]}\n'
    )
    shown = in_terminal("run", "log.yaml", folder=tmp_path)
    assert [line for line in shown.screen if "info" in line or "|" in line] == [
        r"say: info: a\x1b[2Jb\tc",
        "  | d",
    ]


SLOW = """\
name: slow
tasks:
  wait: {function: tools.shell.run, args: ["sleep 300"]}
  clean: {function: tools.shell.run, args: ["touch cleaned"], finally: true}
"""


def test_ctrl_c_gives_the_terminal_back(tmp_path: Path) -> None:
    """The cursor is to be seen again, after the `finally` task."""
    (tmp_path / "slow.yaml").write_text(SLOW)
    interrupted: list[int] = []

    def watch(process: subprocess.Popen[bytes], sent: str) -> None:
        begun = "wait: 0s" in sent or "wait: 1s" in sent
        for _ in range(begun and not interrupted):
            interrupted.append(process.pid)
            process.send_signal(signal.SIGINT)

    shown = in_terminal("run", "slow.yaml", folder=tmp_path, watch=watch)
    assert (shown.code, shown.has_cursor) == (130, True)
    assert (tmp_path / "cleaned").exists()
    assert [line for line in without_times(shown.screen) if line] == [
        "wait: cancelled (T) (the run was interrupted)",
        "clean: success (T)",
        "run: cancelled (T)",
        "to go on from here: the same command with --resume last",
        "interrupted",
    ]


# --- a pipe --------------------------------------------------------------------------------------


def test_a_run_goes_on_when_nobody_reads_its_output(tmp_path: Path) -> None:
    """Of a deployment that is half way nothing is gained by ending it."""
    (tmp_path / "gate.yaml").write_text(GATE.replace("exit 3", "sleep 0.2; touch tested"))
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "run", "gate.yaml"],
        cwd=tmp_path,
        env=plain_environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writing)
    with open_storage(DEFAULT_ADDRESS, tmp_path, create=False) as storage:
        states = [each.state for each in storage.records()]
    assert (done.returncode, done.stderr, states) == (0, "", ["success"])
    assert (tmp_path / "tested").exists()


PRINTS = """\
name: prints
variables: {token: s3cret-token}
secrets: [variables.token]
tasks:
  good: {function: tools.shell.run, args: [echo good]}
  bad:
    function: tools.shell.run
    args: ["echo \\"$token\\"; echo ::error::no >&2; test -e again || { touch again; exit 1; }; sleep 9"]
    env: {token: "{{variables.token}}"}
    retry: {max_retries: 1, delay: 10ms}
    timeout: 1s
    dependencies: [good]
"""
PRINTED = ["  | <secret:variables.token>", "  | ::error::no"]


def test_what_the_process_of_a_failed_attempt_printed_is_shown(tmp_path: Path) -> None:
    """One that failed by its exit code, and one that was ended for its timeout."""
    (tmp_path / "prints.yaml").write_text(PRINTS)
    lines = without_times(piped(tmp_path, "run", "prints.yaml").stdout.splitlines())
    assert lines[2:3] + lines[4:6] == ["bad: started", *PRINTED]
    assert lines[3].startswith("bad: attempt 1 failed: CommandFailed: ")
    assert lines[3].endswith("; retry in 10ms")
    assert lines[6].startswith("bad: timed_out (T): TimeoutError: no answer within 1s")
    assert lines[7:9] == PRINTED
    assert lines[9].startswith("run: failed (T): bad: TimeoutError: ")
    with open_storage(DEFAULT_ADDRESS, tmp_path, create=False) as storage:
        (record,) = storage.records()
        log = storage.log(record)
    printed = [each.printed for each in log if type(each) is AttemptEnded]
    assert printed == ["<secret:variables.token>\n::error::no"] * 2


def test_verbose_shows_what_every_process_printed(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(GATE)
    lines = without_times(piped(tmp_path, "run", "gate.yaml", "-v").stdout.splitlines())
    at = lines.index("lint: success (T)")
    assert lines[at + 1] == "  | linted"
    assert "  | linted" not in piped(tmp_path, "run", "gate.yaml").stdout


def test_of_many_lines_the_last_ones_are_shown(tmp_path: Path) -> None:
    (tmp_path / "many.yaml").write_text(
        "name: many\ntasks: {a: {function: tools.shell.run, args: ['seq 1000; exit 1']}}\n"
    )
    lines = piped(tmp_path, "run", "many.yaml").stdout.splitlines()
    assert lines[2:4] == ["  | ... 800 lines before", "  | 801"]
    assert lines[-2] == "  | 1000"


# --- GitHub Actions ------------------------------------------------------------------------------


def test_github_gets_a_group_for_each_task_and_the_place_of_a_failure(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(GATE.replace("dependencies: []", "dependencies: [lint]"))
    done = piped(tmp_path, "run", "gate.yaml", GITHUB_ACTIONS="true")
    assert done.returncode == 1
    assert without_times(done.stdout.splitlines()) == [
        "lint: started",
        "::group::lint: success (T)",
        "linted",
        "::endgroup::",
        "unit: started",
        f"::group::unit: failed (T): {FAILED}",
        f"attempt 1 failed: {FAILED}; retry",
        "::endgroup::",
        f"::error file=gate.yaml,line=5,col=5::unit: {FAILED}",
        "deploy: upstream_failed (dependency failed: unit)",
        f"run: failed (T): unit: {FAILED}",
    ]


@pytest.mark.parametrize(
    ("more", "kinds"),
    [
        ("", ["::error"]),
        (", critical: false", ["::warning"]),
        (", on_failure: continue", ["::error"]),
        (", on_failure: {fallback: good}", ["::warning"]),
        (", on_failure: {fallback: bad}", ["::warning", "::error"]),
    ],
    ids=["critical", "not critical", "continue", "replaced", "not replaced"],
)
def test_github_is_told_how_bad_a_failure_is(more: str, kinds: list[str], tmp_path: Path) -> None:
    """What is not known to fail the run is a warning, and an error when it did after all."""
    (tmp_path / "gate.yaml").write_text(
        "name: gate\ntasks:\n"
        f"  unit: {{function: tools.shell.run, args: [exit 3]{more}}}\n"
        "  good: {function: tools.shell.run, args: ['true'], dependencies: []}\n"
        "  bad: {function: tools.shell.run, args: ['false'], critical: false, dependencies: []}\n"
    )
    done = piped(tmp_path, "run", "gate.yaml", GITHUB_ACTIONS="true")
    told = [line for line in done.stdout.splitlines() if "file=gate.yaml,line=3" in line]
    assert [line.partition(" ")[0] for line in told] == kinds


def test_github_finds_a_failure_in_a_nested_file_and_in_a_loop(tmp_path: Path) -> None:
    """Each is told once, in the file that it stands in; what failed by it is not told again."""
    (tmp_path / "outer.yaml").write_text(
        "name: outer\ntasks:\n"
        "  each:\n    operator_type: foreach\n    items: [1]\n    loop_body:\n"
        "      - {task_id: call, operator_type: workflow, file: inner.yaml}\n"
    )
    (tmp_path / "inner.yaml").write_text(
        "name: inner\n\ntasks:\n  unit: {function: tools.shell.run, args: [exit 3]}\n"
    )
    done = piped(tmp_path, "run", "outer.yaml", GITHUB_ACTIONS="true")
    told = [line for line in done.stdout.splitlines() if line.startswith("::error")]
    assert told == [f"::error file=inner.yaml,line=4,col=9::each[0]/call/unit: {FAILED}"]


def test_github_is_told_of_a_failure_that_is_no_tasks(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(
        "name: gate\nvariables: {list: []}\noutput: '{{variables.list[3]}}'\n"
        "tasks: {say: {function: tools.log.info, args: [hi]}}\n"
    )
    done = piped(tmp_path, "run", "gate.yaml", GITHUB_ACTIONS="true")
    assert done.stdout.splitlines()[-1].startswith("::error file=gate.yaml,line=1,col=1::run: ")


def test_what_a_tool_prints_is_no_command_to_github(tmp_path: Path) -> None:
    """Not at the beginning of a line, behind blanks or a carriage return, nor in the old form."""
    (tmp_path / "gate.yaml").write_text(
        "name: gate\ntasks:\n"
        "  out: {function: tools.command.run, args: [printf, 'x\\r  ::error::y\\n##[group]z\\n'],\n"
        "        dependencies: []}\n"
        '  log: {function: tools.log.info, args: ["a\\n::set-output name=b::c"], dependencies: []}\n'
    )
    done = piped(tmp_path, "run", "gate.yaml", GITHUB_ACTIONS="true")
    commands = {line for line in done.stdout.splitlines() if line.lstrip().startswith("::")}
    assert {line.split("::")[1] for line in commands} == {"group", "endgroup"}
    assert "##[" not in done.stdout
    assert "  |   ::error::y" in done.stdout
    assert "  | ::set-output name=b::c" in done.stdout


def test_github_sees_what_was_cut_off_by_a_second_ctrl_c(tmp_path: Path) -> None:
    """The lines that were kept for the group of a task are printed."""
    (tmp_path / "slow.yaml").write_text(SLOW.replace("touch cleaned", "touch cleaning; sleep 300"))
    command, environment = [*COMMAND, "run", "slow.yaml"], plain_environment(GITHUB_ACTIONS="true")
    with started(command, cwd=tmp_path, env=environment) as process:
        assert process.stdout is not None
        for awaited in ("wait: started\n", "clean: started\n"):
            assert awaited in iter(process.stdout.readline, "")
            process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out.splitlines()[-1]) == (130, "clean: cut off")


TURNS = """\
name: turns
tasks:
  a: {function: tools.shell.run, args: [sleep 0.2], dependencies: [], lock: db}
  each:
    operator_type: foreach
    items: [1]
    dependencies: []
    lock: db
    loop_body: [{task_id: b, function: tools.log.info, args: [hi]}]
"""


@pytest.mark.parametrize("more", [{}, {"GITHUB_ACTIONS": "true"}], ids=["lines", "github"])
@pytest.mark.parametrize(
    ("flow", "begun"),
    [
        (re.sub(",? *lock: db\\n?", "", TURNS), ["each: started", "each[0]/b: queued"]),
        (TURNS, ["each: queued", "each: started"]),
    ],
    ids=["slot", "lock"],
)
def test_a_task_that_has_to_wait_for_its_turn_is_queued_until_then(
    more: dict[str, str], flow: str, begun: list[str], tmp_path: Path
) -> None:
    (tmp_path / "turns.yaml").write_text(flow)
    done = piped(tmp_path, "run", "turns.yaml", "--parallel", "1", **more)
    lines = [line for line in done.stdout.splitlines() if re.match("each.*(started|queued)", line)]
    assert lines == [*begun, "each[0]/b: started"]
