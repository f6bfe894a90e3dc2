"""Goldens that no case uses: told after a full green run, removed on request, and never else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from goldens import GOLDEN, SAID, told, tree
from projects import BARE, FLOW, RED, Write

HAPPY = "workflows/golden/a.yaml/happy.log"
OLD = "workflows/golden/a.yaml/old.log"
GONE = "workflows/golden/gone.yaml/happy.log"
# One golden in use, one of a case that is gone, one of a workflow that is gone.
FILES = {"workflows/a.yaml": GOLDEN, HAPPY: SAID, OLD: "old\n", GONE: "gone\n"}
UNUSED = [f"unused: {OLD}:1", f"unused: {GONE}:1"]


@pytest.mark.parametrize("args", [(), ("-n", "2"), ("workflows",), (".",)], ids=" ".join)
def test_a_full_green_run_warns_of_each(
    pytester: pytest.Pytester, write: Write, args: tuple[str, ...]
) -> None:
    write(FILES)
    result = pytester.runpytest_inprocess("-W", "default", *args)
    assert (result.ret, told(result)) == (pytest.ExitCode.OK, UNUSED)
    result.stdout.fnmatch_lines(
        [f"*HighwayWarning: {OLD}:1: no case uses this golden; --highway-prune removes it"]
    )
    result.assert_outcomes(passed=1, warnings=2)


@pytest.mark.parametrize(
    ("ini", "args"),
    [
        ("[pytest]\n", ["-W", "default", "--highway-strict"]),
        ("[pytest]\nhighway_strict = true\n", ["-W", "default"]),
        ("[pytest]\nfilterwarnings = error\n", []),
    ],
)
def test_strict_makes_them_failures(
    pytester: pytest.Pytester, write: Write, ini: str, args: list[str]
) -> None:
    write({**FILES, "pytest.ini": ini})
    result = pytester.runpytest_inprocess(*args)
    assert (result.ret, told(result)) == (pytest.ExitCode.TESTS_FAILED, UNUSED)


def test_strict_makes_warnings_about_a_workflow_errors(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"workflows/a.yaml": FLOW.replace("tasks:", "variables: {unused: 1}\ntasks:")})
    pytester.runpytest_inprocess("--highway-strict").assert_outcomes(failed=1)


@pytest.mark.parametrize("args", [(), ("-n", "2")], ids=" ".join)
def test_prune_removes_them_and_their_empty_folders(
    pytester: pytest.Pytester, write: Write, args: tuple[str, ...]
) -> None:
    root = write(FILES)
    result = pytester.runpytest_inprocess("--highway-prune", *args)
    result.assert_outcomes(passed=1)
    assert told(result) == [f"removed: {OLD}:1", f"removed: {GONE}:1"]
    assert tree(root) == {"a.yaml": GOLDEN, "golden/a.yaml/happy.log": SAID}
    assert not (root / GONE).parent.exists()


def test_prune_removes_the_folder_of_the_last_golden(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"workflows/a.yaml": FLOW, OLD: "old\n"})
    assert told(pytester.runpytest_inprocess("--highway-prune")) == [f"removed: {OLD}:1"]
    assert not (root / "workflows/golden").exists()


def test_prune_leaves_whatever_is_no_golden(pytester: pytest.Pytester, write: Write) -> None:
    kept = {
        "workflows/golden/a.yaml/notes.txt": "x",
        "workflows/golden/README.md": "x",
        "workflows/golden/other/x.log": "x",
        "workflows/golden/a.yaml/folder.log/x": "x",
        "workflows/golden/data.txt/x.log": "x",
        "elsewhere/golden/gone.yaml/x.log": "x",
    }
    root = write({"workflows/a.yaml": FLOW, **kept})
    assert told(pytester.runpytest_inprocess("--highway-prune")) == []
    assert [name for name in kept if not (root / name).exists()] == []


# What was not seen in full: arguments, more files, and why nothing is pruned.
SECOND = GOLDEN + "  other: {expect: {transcript: golden}}\n"
SKIPPED = FLOW.replace("{expect", "{marks: [skip], expect")
CONFTEST = "def pytest_collection_modifyitems(items):\n    items[:] = items[:1]\n"
PARTIAL = {
    "-k": (["-k", "happy"], {}, "the run was filtered (--keyword)"),
    "-m": (["-m", "not slow"], {}, "the run was filtered (--markexpr)"),
    "deselect": (["--deselect", "x"], {}, "the run was filtered (--deselect)"),
    "ignore": (["--ignore", "x"], {}, "the run was filtered (--ignore)"),
    "lf": (["--lf"], {}, "the run was filtered (--lf)"),
    "file": (["workflows/a.yaml"], {}, "the command line names files or cases"),
    "case": (["workflows/a.yaml::happy"], {}, "the command line names files or cases"),
    "skipped": ([], {"workflows/b.yaml": SKIPPED}, "a case was skipped"),
    "red": ([], {"workflows/b.yaml": RED}, "the run was not green"),
    "red elsewhere": ([], {"test_x.py": "def test_x(): assert 0\n"}, "the run was not green"),
    "stopped": (["-x"], {"workflows/0.yaml": RED}, "the run was not green"),
    "a shard": (
        [],
        {"workflows/b.yaml": FLOW, "conftest.py": CONFTEST},
        "workflows/b.yaml::happy did not run",
    ),
    "a shard of workers": (
        ["-n", "1"],
        {"workflows/b.yaml": FLOW, "conftest.py": CONFTEST},
        "workflows/b.yaml::happy did not run",
    ),
}


@pytest.mark.parametrize(("args", "files", "why"), PARTIAL.values(), ids=PARTIAL)
@pytest.mark.parametrize("prune", [False, True], ids=["", "prune"])
def test_a_run_of_less_than_all_calls_none_unused(
    pytester: pytest.Pytester,
    write: Write,
    args: list[str],
    files: dict[str, str],
    why: str,
    prune: bool,
) -> None:
    root = write({**FILES, **files})
    before = tree(root)
    result = pytester.runpytest_inprocess(*args, *["--highway-prune"] * prune)
    refused = f"refused: --highway-prune: nothing was removed: {why}"
    assert told(result) == [refused] * prune
    assert tree(root) == before


def test_a_golden_that_an_update_refuses_keeps_prune_from_removing_any(
    pytester: pytest.Pytester, write: Write
) -> None:
    conftest = (
        "import pathlib, pytest\n@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_runtest_teardown():\n    pathlib.Path('workflows/a.yaml').write_text('x')\n"
    )
    text = GOLDEN.replace("golden", "[x]")
    root = write({"workflows/a.yaml": text, OLD: "", "conftest.py": conftest})
    result = pytester.runpytest_inprocess("--highway-update", "--highway-prune")
    assert told(result)[-1] == (
        "refused: --highway-prune: nothing was removed: goldens were refused"
    )
    assert (root / OLD).exists()


def test_prune_goes_with_an_update(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"workflows/a.yaml": GOLDEN, OLD: "old\n"})
    result = pytester.runpytest_inprocess("--highway-update-new", "--highway-prune")
    assert told(result) == [f"created: {HAPPY}:1", f"removed: {OLD}:1"]
    assert tree(root) == {"a.yaml": GOLDEN, "golden/a.yaml/happy.log": SAID}


def test_a_case_that_is_meant_to_fail_uses_its_golden(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = GOLDEN.replace("{expect", "{marks: [xfail], expect")
    write({"workflows/a.yaml": text, HAPPY: "something else\n"})
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(xfailed=1)
    assert told(result) == []


def test_the_golden_of_a_file_that_was_not_read_is_another_run_s(
    pytester: pytest.Pytester, write: Write
) -> None:
    conftest = "collect_ignore = ['workflows/b.yaml']\n"
    more = {"workflows/b.yaml": GOLDEN, "workflows/golden/b.yaml/happy.log": SAID}
    write({"workflows/a.yaml": FLOW, "conftest.py": conftest, **more})
    assert told(pytester.runpytest_inprocess()) == []


def test_in_ci_prune_is_refused_unless_it_is_allowed(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write(FILES)
    monkeypatch.setenv("CI", "true")
    result = pytester.runpytest_inprocess("--highway-prune")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--highway-prune does not write while CI is set; *"])
    assert (root / OLD).exists()
    pytester.runpytest_inprocess("--highway-prune", "--highway-allow-ci")
    assert not (root / OLD).exists()


def refusing(name: str) -> Callable[..., None]:
    """A function that the system refuses."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", name)

    return refuse


def test_a_folder_that_is_read_only_is_refused_in_a_sentence(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"workflows/a.yaml": FLOW, OLD: "old\n"})
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refusing("unlink"))
        result = pytester.runpytest_inprocess("--highway-prune", "-p", "no:cacheprovider")
    assert told(result) == [f"refused: {OLD}:1: Permission denied"]
    assert (result.ret, (root / OLD).exists()) == (pytest.ExitCode.TESTS_FAILED, True)


def test_a_file_without_cases_uses_none(pytester: pytest.Pytester, write: Write) -> None:
    write({"workflows/a.yaml": BARE, OLD: "old\n"})
    assert told(pytester.runpytest_inprocess()) == [f"unused: {OLD}:1"]
