"""`highway history`, over histories in SQLite and in files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from storages import LOG, record

from pytest_highway.cli.main import main
from pytest_highway.events import (
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskRepeated,
    TaskStarted,
    ToolCalled,
    encode_log,
)
from pytest_highway.storage.opening import open_storage
from pytest_highway.storage.records import Owner

GOOD = [
    RunStarted(0.0, "gate", "gate.yaml", 3, ()),
    TaskStarted(0.0, "lint"),
    ToolCalled(0.0, "lint", 1, "tools.shell.run", (), {}, False),
    TaskEnded(0.25, "lint", "success", "", 1, None, 7),
    RunEnded(0.25, "success", None, {}),
]
GONE = Owner(pid=2**22 + 1)
AT = "2026-01-{:02}T00:00:01.500+00:00"
RUNS = [
    (record(1, state="failed", ended=AT.format(1)), LOG),
    (record(2, state="success", ended=AT.format(2)), GOOD),
    (record(3, state="cancelled", ended=AT.format(3)), GOOD[:3]),
    (record(4, state="running", resumes="run-3", owner=GONE), GOOD[:3]),
    (record(5, state="success", ended=AT.format(5), workflow="other"), GOOD),
]

Highway = Callable[..., tuple[object, str, str]]


@pytest.fixture
def highway(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Highway:
    """Runs `highway history ...`; exit code, output, errors."""

    def call(*arguments: str) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["history", *arguments])
        return ended.value.code, *capsys.readouterr()

    return call


@pytest.fixture(params=["sqlite", "files"])
def address(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A history of five runs, that the environment names."""
    address = f"{request.param}:runs"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HIGHWAY_HISTORY", address)
    with open_storage(address) as storage:
        for each, log in RUNS:
            storage.add(each)
            storage.append(each.id, 0, encode_log(log).split("\n")[:-1])
    return address


@pytest.mark.usefixtures("address")
class TestReading:
    """What is printed of the five runs."""

    @pytest.mark.parametrize(
        ("arguments", "ids"),
        [
            ([], ["run-5", "run-4", "run-3", "run-2", "run-1"]),
            (["--limit", "2"], ["run-5", "run-4"]),
            (["--state", "success"], ["run-5", "run-2"]),
            (["--state", "success", "--limit", "1"], ["run-5"]),
            (["--state", "quarantined"], []),
        ],
    )
    def test_runs_are_listed_newest_first(
        self, highway: Highway, arguments: list[str], ids: list[str]
    ) -> None:
        code, out, _ = highway("list", "--json", *arguments)
        assert (code, [each["id"] for each in json.loads(out)]) == (0, ids)

    def test_a_list_says_when_a_process_is_gone(self, highway: Highway) -> None:
        _, out, _ = highway("list", "--limit", "2")
        head, done, gone = out.splitlines()
        assert head.split() == ["RUN", "STATE", "CREATED", "DURATION", "WORKFLOW", "FILE"]
        assert done.split() == [
            "run-5",
            "success",
            "2026-01-05T00:00:00",
            "1.5s",
            "other",
            "gate.yaml",
        ]
        assert gone.split()[:4] == ["run-4", "running", "(process", "gone)"]

    def test_an_empty_list_says_so(self, highway: Highway) -> None:
        assert highway("list", "--state", "pending") == (0, "no runs\n", "")

    def test_a_run_is_shown_with_its_steps(self, highway: Highway) -> None:
        """A text of several lines stays on one."""
        code, out, _ = highway("show", "run-1")
        rows = [line.split() for line in out.splitlines()]
        assert code == 0
        assert ["state", "failed"] in rows
        assert rows[-2:] == [
            ["lint", "failed", "500ms", "1", "it\\nfailed"],
            ["build", "upstream_failed", "dependency", "failed:", "lint"],
        ]

    def test_attempts_and_events_are_shown_when_asked_for(self, highway: Highway) -> None:
        _, out, _ = highway("show", "last", "--attempts", "--events")
        assert "lint  1        tools.shell.run  0s" in out
        assert out.endswith(encode_log(GOOD))

    @pytest.mark.parametrize(
        ("options", "keys"),
        [
            ([], ["run", "steps"]),
            (["--attempts", "--events"], ["run", "steps", "attempts", "events"]),
        ],
    )
    def test_a_run_as_json(self, highway: Highway, options: list[str], keys: list[str]) -> None:
        code, out, _ = highway("show", "run-2", "--json", *options)
        shown = json.loads(out)
        assert (code, list(shown), shown["steps"][0]["value"]) == (0, keys, 7)

    @pytest.mark.parametrize(
        ("runs", "code", "changes"),
        [
            (["run-2", "run-2"], 0, []),
            (["run-2", "last"], 1, [("", "workflow")]),
            (["run-3", "run-4"], 1, [("", "state")]),
            (
                ["run-1", "run-2"],
                1,
                [
                    ("", "state"),
                    *(("lint", what) for what in ("status", "reason", "value")),
                    *(("build", what) for what in ("status", "reason", "attempts")),
                ],
            ),
        ],
    )
    def test_two_runs_differ_in_all_but_their_times(
        self, highway: Highway, runs: list[str], code: int, changes: list[tuple[str, str]]
    ) -> None:
        ended, out, _ = highway("diff", "--json", *runs)
        assert (ended, [(each["path"], each["what"]) for each in json.loads(out)]) == (
            code,
            changes,
        )

    def test_a_difference_is_shown_beside_each_other(self, highway: Highway) -> None:
        assert highway("diff", "run-2", "run-2") == (0, "equal\n", "")
        code, out, _ = highway("diff", "run-2", "run-5")
        assert (code, out.splitlines()[1].split()) == (1, ["run", "workflow", "gate", "other"])

    def test_statistics_are_those_of_each_workflow(self, highway: Highway) -> None:
        _, out, _ = highway("stats")
        assert [line.split() for line in out.splitlines()[1:]] == [
            ["other", "lint", "1", "0", "0%", "250ms", "250ms"],
            ["gate", "lint", "2", "1", "50%", "375ms", "500ms"],
        ]
        _, out, _ = highway("stats", "--workflow", "other", "--json")
        assert [each["failure_rate"] for each in json.loads(out)] == [0.0]

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["show", "run-9"], "has no run 'run-9'"),
            (["show", "run"], "'run' begins several runs"),
            (["stats", "--workflow", "gat"], "did you mean 'gate'?"),
            (["prune"], "needs --keep N or --older-than AGE"),
            (["prune", "--older-than", "soon"], "--older-than: 'soon' is no duration"),
            (["prune", "--older-than", "9999999d"], "longer ago than there are dates"),
            (["prune", "--keep", "-1"], "-1 is not in the range"),
            (["list", "--state", "lost"], "'lost' is not one of"),
            (["export", "-o", "no/such/file"], "no/such/file: cannot be written"),
        ],
    )
    def test_bad_input_is_told(self, highway: Highway, arguments: list[str], told: str) -> None:
        code, _, err = highway(*arguments)
        assert (code, told in err) == (2, True)


def test_what_a_resumed_run_repeated_is_told_and_not_counted(
    highway: Highway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = [
        GOOD[0],
        *(TaskStarted(0.0, path) for path in ("all", "lint")),
        TaskRepeated(0.0, "lint", wholly=True),
        TaskEnded(0.0, "lint", "success"),
        TaskRepeated(1.0, "all", wholly=False),
        TaskEnded(1.0, "all", "failed", "it failed"),
    ]
    with open_storage("files:runs") as storage:
        storage.add(record(1))
        storage.append("run-1", 0, encode_log(log).split("\n")[:-1])
    _, out, _ = highway("show", "last", "--history", "files:runs")
    assert [line.split(maxsplit=3)[3:] for line in out.splitlines()[-2:]] == [
        ["it failed; partly from the record"],
        ["wholly from the record"],
    ]
    _, out, _ = highway("stats", "--history", "files:runs")
    assert [line.split() for line in out.splitlines()[1:]] == [["gate", "all", "1", "1", "100%"]]


COMMANDS = [
    ["list"],
    ["show", "last"],
    ["diff", "last", "last"],
    ["stats"],
    ["export"],
    ["backup", "all"],
    ["prune", "--keep", "1"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each[0])
def test_a_history_that_is_not_there_is_told_and_not_made(
    highway: Highway, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIGHWAY_HISTORY", raising=False)
    told = "there is no history at 'sqlite:.highway/history.sqlite'\n"
    assert (highway(*command), list(tmp_path.iterdir())) == ((2, "", told), [])


@pytest.mark.parametrize("target", ["sqlite:new", "files:new"])
def test_a_backup_is_restored_into_any_history(highway: Highway, address: str, target: str) -> None:
    """And what it holds already is left as it is."""
    assert highway("backup", "all.jsonl") == (0, "all.jsonl: 5 runs\n", "")
    assert highway("restore", "all.jsonl", "--history", target)[1] == "restored 5 runs\n"
    assert highway("restore", "all.jsonl", "--history", target)[1] == "restored 0 runs\n"
    assert highway("export", "--history", target)[1] == Path("all.jsonl").read_text("utf-8")


@pytest.mark.usefixtures("address")
def test_a_file_is_overwritten_only_with_force(highway: Highway) -> None:
    Path("all").write_text("mine")
    told = "all exists already; --force overwrites it\n"
    assert highway("export", "run-1", "run-1", "-o", "all") == (2, "", told)
    assert Path("all").read_text() == "mine"
    assert highway("export", "run-1", "run-1", "-o", "all", "--force")[0] == 0
    assert Path("all").read_text("utf-8") == highway("export", "run-1")[1]
    assert [each for each in Path().iterdir() if each.suffix == ".tmp"] == []


@pytest.mark.parametrize("content", [b"\xff", b"", b"{}\n"])
@pytest.mark.usefixtures("address")
def test_a_file_that_is_no_archive_restores_nothing(highway: Highway, content: bytes) -> None:
    Path("all").write_bytes(content)
    code, _, err = highway("restore", "all")
    assert (code, err.startswith("all: "), "nothing was restored" in err) == (2, True, True)


@pytest.mark.parametrize(
    ("options", "removed"),
    [
        (["--keep", "1"], ["run-2", "run-1"]),
        (["--older-than", "1d"], ["run-5", "run-2", "run-1"]),
        (["--keep", "9"], []),
    ],
)
def test_ended_runs_are_removed_unless_another_needs_them(
    highway: Highway, address: str, options: list[str], removed: list[str]
) -> None:
    """Run 4 may yet be resumed, and what run 3 has done is told by run 3 only."""
    shown = [f"would remove {each}" for each in removed]
    assert highway("prune", "--dry-run", *options)[1].splitlines()[:-1] == shown
    highway("prune", *options)
    with open_storage(address) as storage:
        left = [each.id for each in storage.records()]
    assert left == [f"run-{n}" for n in (5, 4, 3, 2, 1) if f"run-{n}" not in removed]


def test_a_damaged_run_is_told_and_goes_into_a_backup_as_it_is(
    highway: Highway, address: str
) -> None:
    with open_storage(address) as storage:
        storage.add(replace(record(6), state="success"))
        storage.append("run-6", 0, ["no event"])
    assert "run-6' is damaged" in highway("stats")[2]
    assert highway("show", "run-6")[0] == 2
    assert highway("backup", "all")[0] == 0
    assert highway("restore", "all", "--history", "files:new")[1] == "restored 6 runs\n"
    _, out, _ = highway("list", "--state", "quarantined", "--json", "--history", "files:new")
    assert [each["id"] for each in json.loads(out)] == ["run-6"]


# --- runs of tests -------------------------------------------------------------------------------

CASE = {"case": "happy[a]", "source": "w.yaml::happy[a]", "params": {"n": 1}, "clock": "virtual"}
SLOW = [*GOOD[:-2], GOOD[-2]._replace(at=60.0), GOOD[-1]._replace(at=60.0)]
TESTED = [
    (record(1, state="success", ended=AT.format(1)), GOOD),
    (record(2, state="success", verdict="passed", duration=60.0, **CASE), SLOW),
    (record(3, state="success", verdict="failed", failure="w.yaml:1:1: no", **CASE), SLOW),
    (record(4, state="running", owner=GONE, **{**CASE, "params": {"n": 2}}), SLOW[:2]),
]


@pytest.fixture
def _tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A history in which a run for real stands beside three of a case."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HIGHWAY_HISTORY", raising=False)
    with open_storage() as storage:
        for each, log in TESTED:
            storage.add(each)
            storage.append(each.id, 0, encode_log(log).split("\n")[:-1])


@pytest.mark.usefixtures("_tested")
class TestRunsOfTests:
    """What is printed of runs that pytest has recorded."""

    @pytest.mark.parametrize("name", ["happy", "happy[a]", "w.yaml::happy[a]"])
    def test_a_case_is_named_with_or_without_its_param_or_by_node_id(
        self, highway: Highway, name: str
    ) -> None:
        _, out, _ = highway("list", "--json", "--case", name, "--state", "success")
        assert [each["id"] for each in json.loads(out)] == ["run-3", "run-2"]

    @pytest.mark.parametrize("command", ["list", "stats"])
    def test_an_unknown_case_is_told(self, highway: Highway, command: str) -> None:
        code, _, err = highway(command, "--case", "hapy[a]")
        assert (code, "did you mean 'happy[a]'?" in err) == (2, True)

    def test_a_list_tells_verdicts_and_which_durations_nobody_waited_for(
        self, highway: Highway
    ) -> None:
        _, out, _ = highway("list")
        rows = [line.split() for line in out.splitlines()]
        assert [row[1:3] + row[-3:] for row in rows[3:]] == [
            ["success", "passed", "gate", "happy[a]", "gate.yaml"],
            ["success", "2026-01-01T00:00:00", "1.5s", "gate", "gate.yaml"],
        ]
        assert rows[3][4:6] == ["1m", "(virtual)"]
        assert rows[1][1:4] == ["running", "(process", "gone)"]

    def test_a_run_is_shown_with_its_params_and_why_its_test_failed(self, highway: Highway) -> None:
        _, out, _ = highway("show", "run-3")
        rows = [line.split(maxsplit=1) for line in out.splitlines() if line]
        for row in (
            ["verdict", "failed"],
            ["failure", "w.yaml:1:1: no"],
            ["clock", "virtual"],
            ["params.n", "1"],
        ):
            assert row in rows

    def test_verdicts_and_params_are_compared(self, highway: Highway) -> None:
        _, out, _ = highway("diff", "run-2", "run-3", "--json")
        assert [tuple(each.values()) for each in json.loads(out)] == [
            ("", "verdict", "passed", "failed")
        ]
        _, out, _ = highway("diff", "run-3", "run-4", "--json")
        assert ("", "params.n", "1", "2") in [tuple(each.values()) for each in json.loads(out)]

    def test_runs_of_a_test_are_counted_apart_from_runs_for_real(self, highway: Highway) -> None:
        """The test itself by its verdicts; a run that has none, by its steps only."""
        _, out, _ = highway("stats")
        case = ["gate", "w.yaml::happy[a]"]
        assert [line.split() for line in out.splitlines()[1:]] == [
            [*case, "(test)", "2", "1", "50%", "1m", "(virtual)", "1m", "(virtual)"],
            [*case, "lint", "2", "0", "0%", "1m", "(virtual)", "1m", "(virtual)"],
            ["gate", "lint", "1", "0", "0%", "250ms", "250ms"],
        ]
        _, out, _ = highway("stats", "--json", "--case", "happy", "--workflow", "gate")
        assert [(each["path"], each["clock"]) for each in json.loads(out)] == [
            ("", "virtual"),
            ("lint", "virtual"),
        ]

    def test_all_of_them_are_pruned_the_killed_one_too(self, highway: Highway) -> None:
        _, out, _ = highway("prune", "--keep", "0")
        assert out.splitlines()[-1] == "removed 4 runs"
