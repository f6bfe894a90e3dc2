"""`highway new`: what it writes is a valid workflow with a test that passes."""

from __future__ import annotations

import pytest
from command_line import Call, call_fixture
from projects import Write

__all__ = ["call_fixture"]

FILE = "workflows/first.workflow.yaml"


def test_what_is_written_is_valid_and_its_test_passes(
    write: Write, call: Call, pytester: pytest.Pytester
) -> None:
    """Without a warning: it is an example to follow."""
    write({})
    told = f"{FILE} is written; run its test: pytest {FILE}\n"
    assert call("new", "first") == (0, told, "")
    assert call("validate", "--strict").out == "1 file: 0 errors, 0 warnings\n"
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(("who", "taken"), [("you", "tell"), ("everybody out there", "warn")])
def test_what_is_written_runs_for_real(who: str, taken: str, write: Write, call: Call) -> None:
    write({})
    call("new", "first")
    done = call("run", FILE, "--no-history", "--context", f"who={who}")
    assert (done.code, f"{taken}: success" in done.out) == (0, True)


@pytest.mark.parametrize("name", ["1", "2026-01-01", "true", "a.b-c_d"])
def test_every_name_makes_a_valid_file(name: str, write: Write, call: Call) -> None:
    """Also one that YAML would take for something else."""
    write({})
    assert (call("new", name).code, call("validate", "--strict").code) == (0, 0)


def test_nothing_is_overwritten(write: Write, call: Call) -> None:
    folder = write({FILE: "mine"})
    message = f"{FILE} is there already; it stays as it is\n"
    assert call("new", "first") == (2, "", message)
    assert (folder / FILE).read_text() == "mine"


def test_a_file_in_the_place_of_the_folder_stays(write: Write, call: Call) -> None:
    folder = write({"workflows": "mine"})
    assert call("new", "first") == (2, "", "workflows is there already; it stays as it is\n")
    assert (folder / "workflows").read_text() == "mine"


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", 'quo"te', "new\nline"])
def test_what_is_no_name_is_bad_input(name: str, write: Write, call: Call) -> None:
    folder = write({})
    done = call("new", name)
    assert (done.code, repr(name) in done.err, (folder / "workflows").exists()) == (2, True, False)


def test_a_name_that_the_disk_does_not_take_is_bad_input(write: Write, call: Call) -> None:
    write({})
    done = call("new", "x" * 300)
    assert (done.code, "cannot be written: File name too long" in done.err) == (2, True)


def test_a_full_disk_leaves_nothing_behind(
    write: Write, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a workflow would be collected as a broken one."""
    folder = write({})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    message = f"{FILE} cannot be written: No space left on device\n"
    assert call("new", "first") == (2, "", message)
    assert not (folder / "workflows").exists()


def test_a_link_that_leads_nowhere_stays(write: Write, call: Call) -> None:
    """What it names is not made either."""
    folder = write({"workflows/other.txt": ""})
    (folder / FILE).symlink_to("nowhere")
    assert call("new", "first") == (2, "", f"{FILE} is there already; it stays as it is\n")
    assert (folder / FILE).is_symlink()
    assert sorted(each.name for each in (folder / "workflows").iterdir()) == [
        "first.workflow.yaml",
        "other.txt",
    ]


def test_the_file_has_the_usual_mode(write: Write, call: Call) -> None:
    folder = write({})
    (folder / "beside").touch()
    call("new", "first")
    assert (folder / FILE).stat().st_mode == (folder / "beside").stat().st_mode
