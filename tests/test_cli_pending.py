"""`highway pending`, `accept` and `review`: what the last run of pytest saw, without another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from goldens import GOLDEN, SAID, calling, tree, with_tools
from projects import BARE, FLOW, Write

from pytest_highway.cli.main import commands, main

HAPPY = "workflows/golden/a.yaml/happy.log"
STORE = ".pytest_cache/v/highway/pending"
INLINE = BARE + "tests:\n  happy: {expect: {tasks: {say: skipped}}}\n"
MENDED = INLINE.replace("skipped", "success")
# Two cases of one file with three changes, one of them a golden file.
TWO = INLINE + "  other: {expect: {tasks: {say: failed}, transcript: golden}}\n"
TWO_MENDED = TWO.replace("skipped", "success").replace("failed", "success")
OTHER = "workflows/golden/a.yaml/other.log"
PARAMS = """\
name: w
variables: {n: 0}
tasks:
  say: {function: tools.log.info, args: ["{{variables.n}}"]}
tests:
  shared:
    params: {a: {n: 1}, b: {n: 1}}
    variables: {n: "{{params.n}}"}
    expect: {transcript: {level: log, lines: ["info: 0"]}}
"""

Highway = Callable[..., Result]


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Runs pytest on the project."""
    return pytester.runpytest_inprocess


def highway(*arguments: str, answers: Sequence[str] = ()) -> Result:
    """A command in the current folder, with these lines typed."""
    return CliRunner().invoke(commands, arguments, input="".join(f"{each}\n" for each in answers))


def lines(result: Result) -> list[str]:
    """What a command printed."""
    return result.output.splitlines()


def pending_ids() -> list[str]:
    """The cases that have something pending."""
    return [each["id"] for each in json.loads(highway("pending", "--json").output)["cases"]]


Run = Callable[..., pytest.RunResult]

# --- accept --------------------------------------------------------------------------------------


@pytest.mark.parametrize("args", [(), ("-n", "2")], ids=" ".join)
def test_accept_writes_what_the_last_run_saw(run: Run, write: Write, args: tuple[str]) -> None:
    root = write({"workflows/a.yaml": TWO, "workflows/b.yaml": FLOW})
    run(*args).assert_outcomes(failed=2, passed=1)
    result = highway("accept")
    assert lines(result) == [
        "updated: workflows/a.yaml:5",
        "updated: workflows/a.yaml:6",
        f"created: {OTHER}:1",
    ]
    assert result.exit_code == 0
    assert tree(root) == {
        "a.yaml": TWO_MENDED,
        "b.yaml": FLOW,
        "golden/a.yaml/other.log": SAID,
    }
    assert lines(highway("accept")) == ["nothing to write"]
    run().assert_outcomes(passed=3)


def test_accept_runs_nothing(run: Run, write: Write) -> None:
    root = write(with_tools(a=calling("app.deploy", "real: true, ")))
    run().assert_outcomes(failed=1)
    assert highway("accept").exit_code == 0
    assert (root / "calls").read_text() == "deploy\n"
    assert "{a: deployed}" in (root / "workflows/a.yaml").read_text()


# Arguments, typed in the folder of the second column, that name the case `happy` alone.
IDS = [
    ("workflows/a.yaml::happy", "."),
    ("a.yaml::happy", "workflows"),
    ("workflows/a.yaml::happy", "workflows"),
    ("./workflows//a.yaml::happy", "."),
    ("../workflows/a.yaml::happy", "workflows"),
]


@pytest.mark.parametrize(("nodeid", "folder"), IDS)
def test_accept_takes_the_ids_of_cases(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch, nodeid: str, folder: str
) -> None:
    root = write({"workflows/a.yaml": TWO})
    run()
    monkeypatch.chdir(root / folder)
    assert lines(highway("accept", nodeid)) == ["updated: workflows/a.yaml:5"]
    assert tree(root) == {"a.yaml": TWO.replace("skipped", "success")}
    assert pending_ids() == ["workflows/a.yaml::other"]
    assert len(lines(highway("accept"))) == 2
    assert tree(root)["a.yaml"] == TWO_MENDED


@pytest.mark.parametrize("nodeid", ["workflows", "workflows/", "workflows/b.yaml", "."])
def test_accept_takes_files_and_folders(run: Run, write: Write, nodeid: str) -> None:
    root = write({"workflows/b.yaml": INLINE})
    run()
    highway("accept", nodeid)
    assert tree(root) == {"b.yaml": MENDED}


def test_accept_takes_all_params_of_a_case(run: Run, write: Write) -> None:
    root = write({"workflows/a.yaml": PARAMS})
    run()
    highway("accept", "workflows/a.yaml::shared")
    assert tree(root) == {"a.yaml": PARAMS.replace("info: 0", "info: 1")}


def test_accept_of_one_param_of_a_shared_expectation_is_refused(run: Run, write: Write) -> None:
    root = write({"workflows/a.yaml": PARAMS})
    run()
    result = highway("accept", "workflows/a.yaml::shared[a]")
    why = "of 2 params only shared[a] would change it; to paste, into a case of its own:"
    block = ["    # shared[a]", "    lines:", '      - "info: 1"']
    assert (result.exit_code, lines(result)) == (1, [f"refused: workflows/a.yaml:9: {why}", *block])
    assert tree(root) == {"a.yaml": PARAMS}


def test_accept_of_what_is_not_pending_is_bad_input(
    run: Run, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write({"workflows/a.yaml": INLINE})
    run()
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["accept", "workflows/a.yaml::hapy"])
    why = "did you mean 'workflows/a.yaml::happy'?"
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"nothing is pending for 'workflows/a.yaml::hapy'; {why}\n"


@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({"workflows/a.yaml": INLINE + "# more\n"}, "workflows/a.yaml:5"),
        ({"workflows/golden/b.yaml/happy.log": "mine\n"}, "workflows/golden/b.yaml/happy.log:1"),
    ],
)
def test_a_file_that_changed_since_is_refused_and_the_rest_written(
    run: Run, write: Write, files: dict[str, str], place: str
) -> None:
    root = write({"workflows/a.yaml": INLINE, "workflows/b.yaml": GOLDEN})
    run()
    write(files)
    before = tree(root)
    result = highway("accept")
    assert f"refused: {place}: the file has changed since it was read" in lines(result)
    assert (result.exit_code, len(lines(result))) == (1, 2)
    assert tree(root) != before
    assert all((root / name).read_text() == text for name, text in files.items())


def test_a_file_that_cannot_be_written_stays_pending(run: Run, write: Write) -> None:
    root = write({"workflows/a.yaml": INLINE})
    run()
    (root / "workflows/a.yaml").chmod(0o444)
    result = highway("accept")
    assert result.exit_code == 1
    why = "cannot be replaced: the file is read-only"
    assert lines(result) == [f"refused: workflows/a.yaml:5: {why}"]
    assert pending_ids() == ["workflows/a.yaml::happy"]


# --- what may not be accepted --------------------------------------------------------------------

ORDER = """\
name: w
tasks:
  a: {function: tools.shell.run, args: [x], result_key: a}
  b: {function: tools.shell.run, args: [y]}
tests:
  case:
    stubs: {tools.shell.run: [{return: one}, {return: two}]}
    expect: {results: {a: x}}
"""


def test_what_another_order_of_ready_tasks_changes_is_refused(run: Run, write: Write) -> None:
    root = write({"workflows/a.yaml": ORDER})
    run()
    run()
    result = highway("accept")
    assert result.exit_code == 1
    assert "workflows/a.yaml::case: two runs of the case differ; " in result.output
    assert '    -workflows/a.yaml:8: "one"\n    +workflows/a.yaml:8: "two"\n' in result.output
    assert tree(root) == {"a.yaml": ORDER}


@pytest.mark.parametrize(
    ("tool", "words", "why"),
    [
        (
            "app.fine",
            "",
            "under one hash seed only, and 'app.fine' took part; run pytest once more",
        ),
        ("app.read", "real: true, ", "in one run only; run pytest once more"),
    ],
)
def test_code_of_the_user_s_is_accepted_after_a_run_under_another_hash_seed(
    pytester: pytest.Pytester,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    tool: str,
    words: str,
    why: str,
) -> None:
    root = write(with_tools(a=calling(tool, words)))
    for seed in ("1", "1"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        pytester.runpytest_subprocess()
        result = highway("accept")
        assert lines(result) == [
            f"refused: workflows/a.yaml:5: workflows/a.yaml::case: it was seen {why}"
        ]
    monkeypatch.setenv("PYTHONHASHSEED", "2")
    pytester.runpytest_subprocess()
    assert lines(highway("accept")) == ["updated: workflows/a.yaml:5"]
    assert tree(root)["a.yaml"] != calling(tool, words)


def test_what_depends_on_the_hash_seed_is_never_accepted(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(with_tools(a=calling("app.hashed")))
    for seed in ("1", "2", "3"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        pytester.runpytest_subprocess()
        assert highway("accept").exit_code == 1
    assert tree(root) == {"a.yaml": calling("app.hashed")}


def test_a_fixture_counts_as_code_of_the_user_s(run: Run, write: Write) -> None:
    write({"workflows/a.yaml": INLINE.replace("{expect", "{fixtures: [tmp_path], expect")})
    run()
    assert "and fixture 'tmp_path' took part" in highway("accept").output


def test_accept_does_not_write_in_ci_unless_it_is_allowed(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"workflows/a.yaml": INLINE})
    run()
    monkeypatch.setenv("CI", "true")
    result = highway("accept")
    assert result.exit_code == 2
    assert "highway accept does not write while CI is set" in result.output
    assert tree(root) == {"a.yaml": INLINE}
    assert highway("accept", "--allow-ci").exit_code == 0
    assert tree(root) == {"a.yaml": MENDED}


# --- what is kept --------------------------------------------------------------------------------


def test_only_the_last_run_of_workflows_counts(run: Run, write: Write) -> None:
    files = {"workflows/a.yaml": INLINE, "workflows/b.yaml": GOLDEN}
    write({**files, "test_x.py": "def test_x(): pass\n"})
    run()
    run("workflows/b.yaml")
    run("test_x.py")
    assert pending_ids() == ["workflows/b.yaml::happy"]
    run("-k", "test_x")
    assert pending_ids() == ["workflows/b.yaml::happy"]


@pytest.mark.parametrize("args", [(), ("--highway-update",)], ids=" ".join)
def test_after_a_green_run_nothing_is_pending(run: Run, write: Write, args: tuple[str]) -> None:
    root = write({"workflows/a.yaml": INLINE})
    run()
    (root / "workflows/a.yaml").write_text(INLINE if args else MENDED)
    run(*args).assert_outcomes(passed=1)
    assert lines(highway("pending")) == ["nothing is pending"]


@pytest.mark.parametrize(
    "text",
    [
        INLINE.replace("{expect", "{marks: [xfail], expect"),
        BARE + "tests:\n  happy: {expect: {error: {type: KeyError}}}\n",
        BARE.replace("log.info", "shell.run") + "tests:\n  happy: {expect: {output: 1}}\n",
    ],
)
def test_what_no_change_would_mend_is_not_pending(run: Run, write: Write, text: str) -> None:
    write({"workflows/a.yaml": INLINE, "workflows/b.yaml": text})
    run()
    assert pending_ids() == ["workflows/a.yaml::happy"]


def test_an_interrupted_run_keeps_what_it_saw(
    pytester: pytest.Pytester, run: Run, write: Write
) -> None:
    conftest = "def pytest_runtest_setup(item):\n    if 'b.' in item.nodeid:\n        raise KeyboardInterrupt\n"
    write({"workflows/a.yaml": INLINE, "workflows/b.yaml": INLINE, "conftest.py": conftest})
    pytester.runpytest_inprocess(no_reraise_ctrlc=True)
    assert pending_ids() == ["workflows/a.yaml::happy"]


def test_without_a_cache_nothing_is_kept_and_the_command_says_so(
    run: Run, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write({"workflows/a.yaml": INLINE})
    run("-p", "no:cacheprovider").assert_outcomes(failed=1)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["accept"])
    assert ended.value.code == 2
    assert (
        "no run of pytest with workflows is on record in .pytest_cache" in capsys.readouterr().err
    )


def test_a_cache_folder_elsewhere_is_named(run: Run, write: Write) -> None:
    root = write({"pytest.ini": "[pytest]\ncache_dir = mine\n", "workflows/a.yaml": INLINE})
    run()
    result = highway("accept", "--cache-dir", "mine")
    assert (result.exit_code, tree(root)) == (0, {"a.yaml": MENDED})
    wrong = highway("pending", "--cache-dir", "other")
    assert "on record in other;" in str(wrong.exception)


@pytest.mark.parametrize(
    ("content", "why"), [("{", "cannot be read: "), ('{"version": 0}', "is of another version; ")]
)
def test_a_store_that_is_not_ours_is_told(run: Run, write: Write, content: str, why: str) -> None:
    root = write({"workflows/a.yaml": INLINE})
    run()
    (root / STORE).write_text(content)
    assert why in str(highway("accept").exception)
    run()
    assert highway("accept").exit_code == 0


def test_the_store_is_plain_json_without_times(run: Run, write: Write) -> None:
    root = write({"workflows/a.yaml": INLINE})
    run()
    store: Any = json.loads((root / STORE).read_text())
    assert (store["version"], store["rootdir"], list(store)) == (
        1,
        str(root),
        ["version", "rootdir", "cases"],
    )


# --- pending -------------------------------------------------------------------------------------


def test_pending_lists_cases_changes_and_objections(run: Run, write: Write) -> None:
    write({"workflows/a.yaml": TWO, "workflows/b.yaml": ORDER})
    run()
    write({OTHER: "mine\n"})
    shown = lines(highway("pending"))
    assert shown[:5] == [
        "workflows/a.yaml::happy",
        "  workflows/a.yaml:5: update",
        "workflows/a.yaml::other",
        "  workflows/a.yaml:6: update",
        f"  {OTHER}:1: not to be written: the file has changed since it was read",
    ]
    assert shown[5:7] == ["workflows/b.yaml::case", "  workflows/b.yaml:8: update"]
    assert shown[7].startswith("  not to be accepted: two runs of the case differ; ")
    assert shown[-1] == "to write all of it: highway accept; one by one: highway review"


def test_pending_tells_where_params_do_not_agree(run: Run, write: Write) -> None:
    """What is beside it in the same line may be written all the same."""
    text = PARAMS.replace("b: {n: 1}", "b: {n: 2}").replace(
        "expect: {", "expect: {status: failed, "
    )
    write({"workflows/a.yaml": text})
    run()
    shown = lines(highway("pending", "workflows/a.yaml::shared[b]"))
    why = "the params shared[a], shared[b] want different values there"
    assert shown[1] == "  workflows/a.yaml:9: update"
    assert shown[2].startswith(f"  workflows/a.yaml:9: not to be written: {why}; to paste, ")
    found = json.loads(highway("pending", "--json").output)
    assert [[bool(row["fault"]) for row in case["changes"]] for case in found["cases"]] == [
        [False, True],
        [False, True],
    ]
    assert highway("accept").exit_code == 1
    mended = text.replace("failed", "success")
    assert (run("--tb=no").ret, Path("workflows/a.yaml").read_text()) == (1, mended)


def test_what_cannot_be_written_is_refused_one_by_one_and_the_rest_accepted(
    run: Run, write: Write
) -> None:
    one = "  one: {expect: {tasks: &one {say: skipped}}}\n  other: {expect: {tasks: *one}}\n"
    root = write({"workflows/a.yaml": INLINE + one})
    run()
    shown = lines(highway("accept"))
    assert shown[0] == "updated: workflows/a.yaml:5"
    assert [line.partition(";")[0] for line in shown if line.startswith("refused")] == [
        f"refused: workflows/a.yaml:6: 'tests.{case}.expect.tasks.say' cannot be updated: {why}"
        for case, why in (
            ("one", "aliases of '&one' take it over"),
            ("other", "it comes by the alias '*one'"),
        )
    ]
    assert tree(root) == {"a.yaml": MENDED + one}


def test_pending_as_json_has_the_differences(run: Run, write: Write) -> None:
    root = write({"workflows/a.yaml": TWO})
    run()
    found: Any = json.loads(highway("pending", "--json", "workflows/a.yaml::other").output)
    (case,) = found["cases"]
    assert (found["rootdir"], case["id"], case["fault"]) == (
        str(root),
        "workflows/a.yaml::other",
        "",
    )
    first, second = case["changes"]
    assert {**first, "diff": ""} == {
        "place": "workflows/a.yaml:6",
        "file": str(root / "workflows/a.yaml"),
        "kind": "update",
        "diff": "",
        "fault": "",
    }
    assert re.search(r"^\+  other: .*say: success", first["diff"], re.MULTILINE)
    assert (second["kind"], second["diff"].splitlines()[1]) == ("create", "+" + SAID.split("\n")[0])


# --- review --------------------------------------------------------------------------------------

HAPPY_DONE = TWO.replace("skipped", "success")
# What is typed, what is in the file then, which golden there is, and what is still pending.
ANSWERS = {
    "accept all one by one": (["a", "y", "accept"], TWO_MENDED, SAID, []),
    "all": (["all"], TWO_MENDED, SAID, []),
    "the rest": (["skip", "all"], TWO_MENDED.replace("success", "skipped", 1), SAID, ["happy"]),
    "reject": (["r", "n", "reject"], TWO, None, []),
    "skip": (["s", "skip", "s"], TWO, None, ["happy", "other"]),
    "some": (["a", "s", "r"], HAPPY_DONE, None, ["other"]),
    "quit": (["a", "q"], HAPPY_DONE, None, ["other"]),
    "the end of the input": (["a"], HAPPY_DONE, None, ["other"]),
    "no answer": (["what", "", "a", "q"], HAPPY_DONE, None, ["other"]),
}


@pytest.mark.parametrize(("typed", "text", "golden", "left"), ANSWERS.values(), ids=ANSWERS)
def test_review_does_with_each_change_as_it_is_told(
    run: Run, write: Write, typed: list[str], text: str, golden: str | None, left: list[str]
) -> None:
    root = write({"workflows/a.yaml": TWO})
    run()
    result = highway("review", answers=typed)
    assert result.exit_code == 0
    files = {"a.yaml": text, **({} if golden is None else {"golden/a.yaml/other.log": golden})}
    assert tree(root) == files
    assert pending_ids() == [f"workflows/a.yaml::{name}" for name in left]


def test_what_a_review_left_is_good_after_it(run: Run, write: Write) -> None:
    root = write({"workflows/a.yaml": TWO})
    run()
    highway("review", answers=["a", "s", "s"])
    assert highway("accept").exit_code == 0
    assert tree(root) == {"a.yaml": TWO_MENDED, "golden/a.yaml/other.log": SAID}


def test_review_shows_each_change(run: Run, write: Write) -> None:
    write({"workflows/a.yaml": INLINE})
    run()
    shown = lines(highway("review", answers=["a"]))
    assert shown[0] == "1/1 happy: workflows/a.yaml:5"
    assert "-  happy: {expect: {tasks: {say: skipped}}}" in shown
    assert "+  happy: {expect: {tasks: {say: success}}}" in shown
    question = "accept [a], reject [r], skip [s], all, quit [q]? "
    assert shown[-1] == f"{question}updated: workflows/a.yaml:5"


def test_review_passes_over_what_cannot_be_written(run: Run, write: Write) -> None:
    root = write(
        {"workflows/a.yaml": INLINE, "workflows/b.yaml": GOLDEN, "workflows/c.yaml": ORDER}
    )
    run()
    write({"workflows/a.yaml": INLINE + "# more\n"})
    result = highway("review", answers=["a"])
    assert "cannot be written: the file has changed since it was read" in lines(result)
    assert result.exit_code == 1
    assert "refused: workflows/c.yaml:8: " in result.output
    assert "golden/b.yaml/happy.log" in tree(root)


def test_ctrl_c_in_a_review_writes_nothing(
    run: Run, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"workflows/a.yaml": TWO})
    run()
    typed = iter(["a\n"])

    def readline() -> str:
        for line in typed:
            return line
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stdin.readline", readline, raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["review"])
    assert (ended.value.code, tree(root)) == (130, {"a.yaml": TWO})


def test_a_review_in_ci_is_refused(run: Run, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    write({"workflows/a.yaml": INLINE})
    run()
    monkeypatch.setenv("CI", "true")
    assert highway("review", answers=["a"]).exit_code == 2


def test_paths_are_those_of_the_project(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["pending", "--cache-dir", str(tmp_path)])
    assert ended.value.code == 2
