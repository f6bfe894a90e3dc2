"""Golden files in any state: one clear error at the case, and nothing that is not ours is lost."""

from __future__ import annotations

from pathlib import Path

import pytest
from goldens import GOLDEN, SAID, told, tree
from projects import Write

HAPPY = "workflows/golden/a.yaml/happy.log"
PLACE = "workflows/a.yaml:5:32: transcript: "
CONFLICT = (
    "say: x\n<<<<<<< HEAD\n  info: one\n=======\n  info: hello\n>>>>>>> theirs\nrun: success\n"
)
FILE = "the golden file 'golden/a.yaml/happy.log'"

# What is in the file, what is told of it, and what an update leaves there (None: it refuses).
STATES: dict[str, tuple[bytes | None, str, str | None]] = {
    "deleted": (None, "the golden file does not exist", SAID),
    "empty": (b"", "the golden file is empty", SAID),
    "conflict": (
        CONFLICT.encode(),
        f"{FILE} holds merge-conflict markers from line 2 on; finish the merge, or delete the file",
        None,
    ),
    "conflict, windows": (
        CONFLICT.replace("\n", "\r\n").encode(),
        f"{FILE} holds merge-conflict markers from line 2 on; *",
        None,
    ),
    "other encoding": ("grün\n".encode("latin-1"), f"{FILE} is not UTF-8 at byte 2", None),
    "windows": (
        b"say: x\r\nrun: success\r\n",
        "line 1: expected 'say: x', got *",
        SAID.replace("\n", "\r\n"),
    ),
}


@pytest.fixture(params=STATES.values(), ids=STATES)
def state(
    request: pytest.FixtureRequest, write: Write
) -> tuple[Path, bytes | None, str, str | None]:
    """A project whose golden is in some state."""
    content, why, after = request.param
    golden = write({"workflows/a.yaml": GOLDEN}) / HAPPY
    if content is not None:
        golden.parent.mkdir(parents=True)
        golden.write_bytes(content)
    return golden, content, why, after


def test_it_is_told_at_the_case(
    pytester: pytest.Pytester, state: tuple[Path, bytes | None, str, str | None]
) -> None:
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([PLACE + state[2].replace("[", "[[]")])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_an_update_mends_what_it_may(
    pytester: pytest.Pytester, state: tuple[Path, bytes | None, str, str | None]
) -> None:
    golden, content, _, after = state
    result = pytester.runpytest_inprocess("--highway-update")
    kept = content.decode("latin-1") if content else ""
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if after is None else pytest.ExitCode.OK)
    assert golden.read_bytes().decode("latin-1") == (kept if after is None else after)


def test_windows_line_ends_do_not_matter(pytester: pytest.Pytester, write: Write) -> None:
    golden = write({"workflows/a.yaml": GOLDEN}) / HAPPY
    golden.parent.mkdir(parents=True)
    golden.write_bytes(SAID.replace("\n", "\r\n").encode())
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize("flag", [(), ("--highway-update",), ("--highway-update-new",)])
def test_a_folder_in_its_place_is_told_and_left(
    pytester: pytest.Pytester, write: Write, flag: tuple[str, ...]
) -> None:
    root = write({"workflows/a.yaml": GOLDEN})
    (root / HAPPY).mkdir(parents=True)
    result = pytester.runpytest_inprocess(*flag)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"{PLACE}{FILE} cannot be read: Is a directory"])
    assert (root / HAPPY).is_dir()


def test_a_read_only_golden_is_compared_and_not_written(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"workflows/a.yaml": GOLDEN, HAPPY: "old\n"})
    (root / HAPPY).chmod(0o444)
    pytester.runpytest_inprocess().assert_outcomes(failed=1)
    result = pytester.runpytest_inprocess("--highway-update")
    assert told(result) == [f"refused: {HAPPY}:1: cannot be replaced: the file is read-only"]
    assert tree(root)["golden/a.yaml/happy.log"] == "old\n"


def test_a_link_that_leads_nowhere_is_not_followed_by_an_update(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"workflows/a.yaml": GOLDEN})
    (root / HAPPY).parent.mkdir(parents=True)
    (root / HAPPY).symlink_to("nowhere.log")
    result = pytester.runpytest_inprocess("--highway-update")
    assert told(result) == [f"refused: {HAPPY}:1: No such file or directory"]
    assert not (root / HAPPY).exists()


def test_the_other_expectations_of_the_case_are_told_too(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = GOLDEN.replace("golden}", "golden, output: 5}")
    write({"workflows/a.yaml": text, HAPPY: CONFLICT})
    result = pytester.runpytest_inprocess()
    result.stdout.fnmatch_lines([f"{PLACE}*markers*", "workflows/a.yaml:5:48: output: *"])


def test_a_golden_that_changed_after_its_case_ran_is_not_overwritten(
    pytester: pytest.Pytester, write: Write
) -> None:
    conftest = f"import pathlib\ndef pytest_runtest_teardown():\n    pathlib.Path('{HAPPY}').write_text('mine')\n"
    root = write({"workflows/a.yaml": GOLDEN, HAPPY: "old\n", "conftest.py": conftest})
    result = pytester.runpytest_inprocess("--highway-update")
    assert told(result) == [f"refused: {HAPPY}:1: the file has changed since it was read"]
    assert (root / HAPPY).read_text() == "mine"
