"""`highway run`, as somebody at a terminal meets it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from highway_process import highway as command
from real_calls import PATIENCE, content_of, gone, started
from terminals import COMMAND, plain_environment

from pytest_highway.cli.main import main
from pytest_highway.cli.run import RESUMABLE
from pytest_highway.storage.opening import DEFAULT_ADDRESS, open_storage
from pytest_highway.storage.records import RunRecord

FLOW = """\
name: gate
variables: {code: 0, who: you}
tasks:
  lint:
    function: tools.shell.run
    args: ['echo "$WHO" >> calls; exit $CODE']
    kwargs: {env: {WHO: "{{variables.who}}", CODE: "{{variables.code}}"}}
tests:
  good: {stubs: {lint: {return: "fine"}}, expect: {status: success}}
  bad: {stubs: {lint: {raise: ValueError}}, expect: {status: failed}}
"""
Highway = Callable[..., tuple[object, str, str]]


@pytest.fixture
def highway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Highway:
    """Runs `highway run gate.yaml ...` in a folder of its own; exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIGHWAY_HISTORY", raising=False)
    Path("gate.yaml").write_text(FLOW)

    def call(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["run", "gate.yaml", *arguments])
        return ended.value.code, *capsys.readouterr()

    return call


def recorded() -> list[RunRecord]:
    with open_storage(DEFAULT_ADDRESS, create=False) as storage:
        return storage.records()


@pytest.mark.parametrize(
    ("arguments", "code", "calls"),
    [
        ([], 0, "you\n"),
        (["--context", "who=me"], 0, "me\n"),
        (["--context", "who=07"], 0, "07\n"),
        (["--var", "who=07"], 0, "7\n"),
        (["--var", "code=3"], 1, "you\n"),
        (["--parallel", "1", "--no-history"], 0, "you\n"),
    ],
)
def test_a_run_calls_its_tools_and_ends_with_its_exit_code(
    highway: Highway, arguments: list[str], code: int, calls: str
) -> None:
    assert (highway(*arguments)[0], Path("calls").read_text()) == (code, calls)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--parallel", "0"], "0 is not in the range x>=1"),
        (["--context", "hwo=me"], "the file declares no variable 'hwo'"),
        (["--context", "hwo=me"], "did you mean 'who'?"),
        (["--var", "who"], "--var 'who': expected name=value"),
        (["--case", "god"], "did you mean 'good'?"),
        (["--resume", "last"], "there is no history at 'sqlite:.highway/history.sqlite'"),
        (["--resume", "last", "--no-history"], "--resume needs the history"),
        (["--history", "sqlite:gate.yaml"], "gate.yaml: file is not a database"),
        (["--history", "http:x"], "is no address of a storage"),
    ],
)
def test_bad_input_is_told_and_nothing_is_called(
    highway: Highway, arguments: list[str], told: str
) -> None:
    code, _, err = highway(*arguments)
    assert (code, told in err, Path("calls").exists()) == (2, True, False)


def test_a_broken_file_is_told_with_its_place(highway: Highway) -> None:
    Path("gate.yaml").write_text(FLOW.replace("tools.shell.run", "tools.shell.rnu"))
    code, _, err = highway()
    assert (code, err.startswith("gate.yaml:5:")) == (2, True)


@pytest.mark.parametrize(("case", "code", "status"), [("good", 0, "success"), ("bad", 1, "failed")])
def test_a_case_runs_in_its_own_world(highway: Highway, case: str, code: int, status: str) -> None:
    """No tool is called, and nothing is recorded."""
    ended, out, _ = highway("--case", case, "--json")
    assert (ended, json.loads(out)["status"], sorted(map(str, Path().iterdir()))) == (
        code,
        status,
        ["gate.yaml"],
    )
    assert highway("--case", case)[1].splitlines()[0] == "lint: started"


@pytest.mark.parametrize(("code", "status"), [(0, "success"), (1, "failed")])
def test_the_outcome_as_json_is_all_that_is_printed(
    highway: Highway, code: int, status: str
) -> None:
    ended, out, _ = highway("--json", "--var", f"code={code}")
    shown = json.loads(out)
    [run] = recorded()
    assert (ended, shown["status"], run.state) == (code, status, status)
    assert (shown["run"], shown["tasks"]["lint"]["status"]) == (run.id, status)


def test_what_has_succeeded_is_not_run_again(highway: Highway) -> None:
    highway()
    code, _, err = highway("--resume", "last")
    assert (code, "has succeeded; there is nothing to resume" in err) == (0, True)
    assert Path("calls").read_text() == "you\n"


@pytest.mark.parametrize("address", [DEFAULT_ADDRESS, "files:runs"])
def test_resuming_makes_no_history(highway: Highway, address: str) -> None:
    """There is none whose run could be meant; an empty one would say that there had been."""
    code, _, err = highway("--resume", "last", "--history", address)
    assert (code, err) == (2, f"there is no history at {address!r}\n")
    assert [each.name for each in Path().iterdir()] == ["gate.yaml"]


@pytest.mark.parametrize("name", ["x", "", "../../etc/passwd"])
def test_an_unknown_run_is_not_resumed(highway: Highway, name: str) -> None:
    highway()
    code, _, err = highway("--resume", name)
    assert (code, f"has no run {name!r}; it has '" in err) == (2, True)


PRINTS = """\
name: prints
tasks:
  good: {function: tools.shell.run, args: [echo fine], dependencies: []}
  late:
    function: tools.shell.run
    args: ["test -e again && exit 5; touch again; echo $token; echo again >&2; exit 4"]
    env: {token: "{{variables.token}}"}
    retry: 1
    dependencies: []
  bad: {function: tools.shell.run, args: ["echo $token; exit 4"], env: {token: "{{variables.token}}"}, dependencies: []}
variables: {token: s3cret-token}
secrets: [variables.token]
"""


def test_what_a_failed_task_printed_is_in_the_json_and_in_the_history(highway: Highway) -> None:
    """Of its last attempt, or of each; without the secrets that it printed."""
    Path("gate.yaml").write_text(PRINTS)
    tasks = json.loads(highway("--json")[1])["tasks"]
    assert {name: task["printed"] for name, task in tasks.items()} == {
        "good": None,
        "late": None,
        "bad": "<secret:variables.token>",
    }
    shown = command("history", "show", "last", "--attempts").stdout
    blocks = [block.splitlines() for block in shown.split("\n\n") if "printed:" in block]
    assert sorted(blocks) == [
        ["bad, attempt 1, printed:", "  | <secret:variables.token>"],
        ["late, attempt 1, printed:", "  | <secret:variables.token>", "  | again"],
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "gate.yaml"], 0),
        (["run", "gate.yaml", "--var", "code=3"], 1),
        (["run", "gate.yaml", "--case", "bad"], 1),
        (["run", "gate.yaml", "--context", "hwo=me"], 2),
        (["run", "none.yaml"], 2),
    ],
)
def test_a_process_ends_with_the_exit_code(tmp_path: Path, arguments: list[str], code: int) -> None:
    (tmp_path / "gate.yaml").write_text(FLOW)
    assert command(*arguments, cwd=tmp_path).returncode == code


def test_a_changed_file_is_resumed_only_when_told_to(highway: Highway) -> None:
    highway("--var", "code=3")
    Path("gate.yaml").write_text(FLOW.replace("; exit $CODE", ""))
    code, _, err = highway("--resume", "last")
    assert (code, "gate.yaml was changed since" in err) == (2, True)
    assert highway("--resume", "last", "--accept-changes")[0] == 0
    assert [each.state for each in recorded()] == ["success", "failed"]


def test_another_value_is_resumed_only_when_told_to(highway: Highway) -> None:
    highway("--var", "code=3")
    code, _, err = highway("--resume", "last", "--var", "code=0")
    assert (code, "variable 'code' was 3 and would be 0" in err) == (2, True)
    assert highway("--resume", "last", "--var", "code=0", "--accept-changes")[0] == 0


TWO = """\
name: two
steps:
  - {id: build, run: echo build >> calls}
  - {id: check, depends_on: [build], run: test -f mended}
"""


def test_what_is_taken_from_the_record_is_shown_so(highway: Highway) -> None:
    """It neither starts nor takes time; what runs now does."""
    Path("gate.yaml").write_text(TWO)
    highway()
    Path("mended").touch()
    code, out, _ = highway("--resume", "last")
    assert (code, Path("calls").read_text()) == (0, "build\n")
    assert out.splitlines()[:2] == ["build: success (from the record)", "check: started"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--var", "code=3"], f"{RESUMABLE}\n"),
        ([], ""),
        (["--var", "code=3", "--no-history"], ""),
        (["--var", "code=3", "--json"], f"{RESUMABLE}\n"),
        (["--case", "bad"], ""),
    ],
)
def test_how_to_go_on_is_told_where_that_can_be(
    highway: Highway, arguments: list[str], told: str
) -> None:
    assert highway(*arguments)[2] == told


def test_the_last_run_is_that_of_the_same_workflow(highway: Highway) -> None:
    """Another one that came to a good end in between does not make this one a success."""
    highway("--var", "code=3")
    [failed] = recorded()
    Path("gate.yaml").write_text(TWO.replace("test -f", "true"))
    assert highway()[0] == 0
    code, _, err = highway("--resume", failed.id)
    assert (code, "it is one of workflow 'gate', and this is 'two'" in err) == (2, True)
    Path("gate.yaml").write_text(FLOW)
    code, _, _ = highway("--resume", "last", "--var", "code=0", "--accept-changes")
    assert (code, recorded()[0].resumes) == (0, failed.id)


SLEEPY = """\
name: sleepy
tasks:
  wait: {function: tools.shell.run, args: ["echo $$ > pid; sleep 300 & echo $! > pid2; wait"]}
  after: {function: tools.shell.run, args: ["touch after"], dependencies: [wait]}
  clean: {function: tools.shell.run, args: ["touch cleaned"], finally: true}
"""


def test_ctrl_c_runs_finally_tasks_leaves_no_process_and_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else begins, and the exit code is that of an interrupted command."""
    monkeypatch.chdir(tmp_path)
    Path("sleepy.yaml").write_text(SLEEPY)
    with started([*COMMAND, "run", "sleepy.yaml"], env=plain_environment()) as process:
        pids = [int(content_of(Path(name))) for name in ("pid", "pid2")]
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=PATIENCE)
    [run] = recorded()
    assert (process.returncode, run.state) == (130, "cancelled")
    assert "after: cancelled (the run was interrupted)" in out.splitlines()
    assert (Path("cleaned").exists(), Path("after").exists()) == (True, False)
    assert [gone(pid) for pid in pids] == [True, True]


def test_a_second_ctrl_c_ends_finally_tasks_too_and_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sleepy.yaml").write_text(SLEEPY.replace("touch cleaned", "echo $$ > pid3; sleep 300"))
    with started([*COMMAND, "run", "sleepy.yaml"], env=plain_environment()) as process:
        pids = [int(content_of(Path("pid")))]
        process.send_signal(signal.SIGINT)
        pids.append(int(content_of(Path("pid3"))))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert (process.returncode, [each.state for each in recorded()]) == (130, ["cancelled"])
    assert [gone(pid) for pid in pids] == [True, True]
