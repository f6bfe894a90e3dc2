"""`--highway-patch` writes what an update would write, as a patch that `git apply` takes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from goldens import GOLDEN, SAID, told, tree
from projects import BARE, FLOW, Write

from pytest_highway.plugin.patching import patch_base, patch_of
from pytest_highway.plugin.writing import FileChange

OUT = "goldens.patch"


def git(root: Path, *args: str) -> str:
    """What a git command prints; it must succeed."""
    words = ["git", "-c", "core.autocrlf=false", *args]
    done = subprocess.run(words, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def _no_outer_repository(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(pytester.path.parent))


pytestmark = pytest.mark.usefixtures("_no_outer_repository")

INLINE = "tests:\n  happy:  # kept\n    expect: {tasks: {say: skipped}}  # kept too\n"
# Files before: what an update writes must be what `git apply` writes.
PROJECTS: dict[str, dict[str, bytes]] = {
    "yaml": {"workflows/a.yaml": (BARE + INLINE).encode()},
    "no final line end": {"workflows/a.yaml": (BARE + INLINE).encode().rstrip(b"\n")},
    "windows": {"workflows/a.yaml": (BARE + INLINE).replace("\n", "\r\n").encode()},
    "byte order mark": {"workflows/a.yaml": b"\xef\xbb\xbf" + (BARE + INLINE).encode()},
    "other line ends": {"workflows/a.yaml": (BARE + INLINE + "# \u2028 \x85 \n").encode()},
    "new golden": {"workflows/a.yaml": GOLDEN.encode()},
    "new and empty": {
        "workflows/a.yaml": (
            b"name: w\ntasks:\n  m: {function: tools.memory.set, args: [k, 1]}\ntests:\n"
            b"  happy: {expect: {transcript: {level: log, lines: golden}}}\n"
        )
    },
    "golden": {
        "workflows/a.yaml": GOLDEN.encode(),
        "workflows/golden/a.yaml/happy.log": b"old\nrun: success\n",
    },
    "golden, windows": {
        "workflows/a.yaml": GOLDEN.encode(),
        "workflows/golden/a.yaml/happy.log": b"old\r\nrun: success\r\n",
    },
    "golden without final line end": {
        "workflows/a.yaml": GOLDEN.encode(),
        "workflows/golden/a.yaml/happy.log": b"old\nrun: success",
    },
    "empty golden": {
        "workflows/a.yaml": GOLDEN.encode(),
        "workflows/golden/a.yaml/happy.log": b"",
    },
    "names": {
        "workflows/a b.yaml": (BARE + INLINE).encode(),
        'workflows/a "quoted".yaml': GOLDEN.encode(),
        "workflows/a'b.yaml": GOLDEN.encode(),
        "workflows/back\\slash.yaml": (BARE + INLINE).encode(),
        "workflows/tab\there.yaml": (BARE + INLINE).encode(),
        "workflows/grün 日.yaml": GOLDEN.encode(),
        "workflows/folder with blank/x.yaml": GOLDEN.encode(),
    },
}


def write_bytes(root: Path, files: dict[str, bytes]) -> None:
    """Write files, and have git know them."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize("files", PROJECTS.values(), ids=PROJECTS)
def test_git_makes_of_it_what_an_update_would_write(
    pytester: pytest.Pytester, write: Write, files: dict[str, bytes]
) -> None:
    root = write({})
    git(root, "init", "-q")
    write_bytes(root, files)
    before = tree(root)
    result = pytester.runpytest_inprocess(f"--highway-patch={OUT}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert told(result)[-1] == f"patch: {root / OUT}"
    assert tree(root) == before
    git(root, "apply", OUT)
    patched = tree(root)
    write_bytes(root, files)
    for new in [name for name in tree(root) if name not in before]:
        (root / "workflows" / new).unlink()
    pytester.runpytest_inprocess("--highway-update")
    assert patched == tree(root)
    assert patched != before


def test_all_is_listed_and_the_cases_still_fail(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"workflows/a.yaml": BARE + INLINE, "workflows/b.yaml": GOLDEN})
    result = pytester.runpytest_inprocess("--highway-patch", OUT, "-n", "2")
    result.assert_outcomes(failed=2)
    assert told(result) == [
        "in the patch: workflows/a.yaml:6",
        "in the patch: workflows/golden/b.yaml/happy.log:1",
        f"patch: {root / OUT}",
    ]


def test_names_begin_at_the_repository_around_rootdir(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"part/pytest.ini": "[pytest]\n", "part/workflows/a.yaml": GOLDEN})
    git(root, "init", "-q")
    pytester.runpytest_inprocess("-c", "part/pytest.ini", "--highway-patch=new/x.patch", "part")
    git(root, "apply", "new/x.patch")
    golden = root / "part/workflows/golden/a.yaml/happy.log"
    assert golden.read_text() == SAID


def test_without_a_repository_names_begin_at_rootdir(tmp_path: Path) -> None:
    assert patch_base(tmp_path / "a") == (tmp_path / "a").resolve()


def test_of_a_symbolic_link_the_file_behind_it_is_patched(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"real/a.yaml": BARE + INLINE})
    git(root, "init", "-q")
    (root / "workflows").mkdir()
    (root / "workflows/a.yaml").symlink_to("../real/a.yaml")
    pytester.runpytest_inprocess(f"--highway-patch={OUT}", "workflows")
    git(root, "apply", OUT)
    assert "say: success" in (root / "real/a.yaml").read_text()
    assert (root / "workflows/a.yaml").is_symlink()


def test_a_file_outside_of_the_repository_is_refused(tmp_path: Path) -> None:
    change = FileChange(tmp_path / "x.yaml", b"a", b"b", ("x.yaml:1",))
    with pytest.raises(Exception, match="does not lie below"):
        patch_of(change, tmp_path / "repository")


def test_where_one_file_lies_outside_the_others_are_in_the_patch(
    pytester: pytest.Pytester, write: Write, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside") / "b.yaml"
    outside.write_text(BARE + INLINE)
    root = write({"workflows/a.yaml": BARE + INLINE})
    (root / "workflows/b.yaml").symlink_to(outside)
    result = pytester.runpytest_inprocess(f"--highway-patch={OUT}")
    lines = told(result)
    assert lines[:2] == ["in the patch: workflows/a.yaml:6", f"patch: {root / OUT}"]
    assert lines[2].startswith("refused: workflows/b.yaml:6: the file does not lie below ")


def test_with_nothing_to_change_there_is_no_file(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"workflows/a.yaml": FLOW})
    result = pytester.runpytest_inprocess(f"--highway-patch={OUT}")
    assert (result.ret, told(result)) == (0, [f"no patch: {root / OUT} would be empty"])
    assert not (root / OUT).exists()


def test_an_empty_file_is_filled(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"workflows/a.yaml": GOLDEN, OUT: ""})
    pytester.runpytest_inprocess(f"--highway-patch={OUT}")
    assert (root / OUT).read_text().startswith("diff --git ")


@pytest.mark.parametrize(
    ("args", "why"),
    [
        ([f"--highway-patch={OUT}"], f"'{OUT}' exists and is not overwritten; name another file"),
        (["--highway-patch=workflows"], "'workflows' is a folder; name another file"),
        (["--highway-patch=x", "--highway-update"], "*its file; leave out --highway-update"),
        (["--highway-patch=x", "--highway-prune"], "*its file; leave out --highway-prune"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(
    pytester: pytest.Pytester, write: Write, args: list[str], why: str
) -> None:
    root = write({"workflows/a.yaml": GOLDEN, OUT: "mine\n"})
    result = pytester.runpytest_inprocess(*args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*--highway-patch*{why}"])
    assert ((root / OUT).read_text(), tree(root)) == ("mine\n", {"a.yaml": GOLDEN})


@pytest.mark.parametrize(("text", "why"), [("late\n", "the file has a content by now"), (None, "")])
def test_a_file_that_was_filled_meanwhile_is_not_overwritten(
    pytester: pytest.Pytester, write: Write, text: str | None, why: str
) -> None:
    action = f"write_text({text!r})" if text else "mkdir()"
    conftest = (
        f"import pathlib\ndef pytest_runtest_teardown():\n    pathlib.Path('{OUT}').{action}\n"
    )
    root = write({"workflows/a.yaml": GOLDEN, "conftest.py": conftest})
    result = pytester.runpytest_inprocess(f"--highway-patch={OUT}")
    assert told(result)[-1].startswith(f"refused: {root / OUT}: {why}")


def test_ci_may_make_a_patch(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"workflows/a.yaml": GOLDEN})
    monkeypatch.setenv("CI", "true")
    result = pytester.runpytest_inprocess(f"--highway-patch={OUT}")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert (root / OUT).exists()
