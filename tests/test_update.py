"""Goldens and expectations are rewritten on request, and only then."""

from __future__ import annotations

import stat
from collections.abc import Callable
from fnmatch import fnmatch

import pytest
from goldens import GOLDEN, SAID, told, tree
from projects import BARE, FLOW, Write

# A comment behind the node and one below it; quoting and spacing of the neighbours are odd.
INLINE = """\
# kept
name:   w
tasks:
  say: {function: 'tools.log.info', args: [hello]}   # kept too
tests:
  happy:
    expect:
      tasks: {say: skipped}  # behind
      transcript: |
        old
      # below
      status:   "success"
"""
UPDATED = INLINE.replace("skipped", "success").replace(
    "        old\n", "".join(f"        {line}\n" for line in SAID.splitlines())
)
PARAMS = """\
name: w
variables: {n: 0}
tasks:
  say: {function: tools.log.info, args: ["{{variables.n}}"]}
tests:
  shared:
    params: {a: {n: 1}, b: {n: VALUE}}
    variables: {n: "{{params.n}}"}
    expect: {transcript: {level: log, lines: ["info: 0"]}}
  other: {expect: {tasks: {say: skipped}}}
"""


# --- golden files --------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--highway-update", "--highway-update-new"])
def test_a_missing_golden_is_created(pytester: pytest.Pytester, write: Write, flag: str) -> None:
    root = write({"workflows/a.yaml": GOLDEN})
    result = pytester.runpytest_inprocess(flag)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["*= workflow goldens =*", "created: workflows/golden/a.yaml/happy.log:1"]
    )
    assert tree(root) == {"a.yaml": GOLDEN, "golden/a.yaml/happy.log": SAID}
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("old\n", SAID),
        ("old\r\n", SAID.replace("\n", "\r\n")),
        ("\ufeffold\r\n", "\ufeff" + SAID.replace("\n", "\r\n")),
        ("say: * (glob)\n  info: bye\n", "say: * (glob)\n  info: hello\nrun: success\n"),
    ],
)
def test_a_failing_golden_is_updated(
    pytester: pytest.Pytester, write: Write, before: str, after: str
) -> None:
    root = write({"workflows/a.yaml": GOLDEN})
    golden = root / "workflows/golden/a.yaml/happy.log"
    golden.parent.mkdir(parents=True)
    golden.write_bytes(before.encode())
    result = pytester.runpytest_inprocess("--highway-update")
    result.stdout.fnmatch_lines(["updated: workflows/golden/a.yaml/happy.log:1"])
    assert golden.read_bytes().decode() == after
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_golden_that_holds_is_left_alone(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"workflows/a.yaml": GOLDEN, "workflows/golden/a.yaml/happy.log": SAID})
    golden = root / "workflows/golden/a.yaml/happy.log"
    before = golden.stat()
    result = pytester.runpytest_inprocess("--highway-update")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*workflow goldens*")
    assert (golden.stat().st_ino, golden.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_without_a_flag_nothing_is_written(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"workflows/a.yaml": GOLDEN, "workflows/b.yaml": INLINE})
    pytester.runpytest_inprocess().assert_outcomes(failed=2)
    assert tree(root) == {"a.yaml": GOLDEN, "b.yaml": INLINE}


def test_update_new_leaves_what_exists(pytester: pytest.Pytester, write: Write) -> None:
    files = {"workflows/a.yaml": GOLDEN, "workflows/golden/a.yaml/happy.log": "old\n"}
    root = write({**files, "workflows/b.yaml": INLINE})
    result = pytester.runpytest_inprocess("--highway-update-new")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["not updated: --highway-update-new only writes golden files *"])
    assert tree(root)["golden/a.yaml/happy.log"] == "old\n"
    assert tree(root)["b.yaml"] == INLINE


def test_only_selected_cases_are_updated(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"workflows/a.yaml": GOLDEN, "workflows/b.yaml": GOLDEN})
    pytester.runpytest_inprocess("--highway-update", "-k", "b.yaml").assert_outcomes(passed=1)
    assert sorted(tree(root)) == ["a.yaml", "b.yaml", "golden/b.yaml/happy.log"]


# --- expectations in YAML ------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_the_failing_nodes_of_a_file_change(
    pytester: pytest.Pytester, write: Write, end: str
) -> None:
    root = write({})
    file = root / "workflows/a.yaml"
    file.parent.mkdir()
    file.write_bytes(INLINE.replace("\n", end).encode())
    file.chmod(0o640)
    result = pytester.runpytest_inprocess("--highway-update")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["updated: workflows/a.yaml:8", "updated: workflows/a.yaml:9"])
    assert file.read_bytes().decode() == UPDATED.replace("\n", end)
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_two_cases_of_one_file_are_written_once_also_from_workers(
    pytester: pytest.Pytester, write: Write
) -> None:
    second = "  second: {expect: {tasks: {say: failed}}}\n"
    third = "  third: {expect: {transcript: golden}}\n"
    root = write({"workflows/a.yaml": INLINE + second + third})
    result = pytester.runpytest_inprocess("--highway-update", "-n", "2")
    result.assert_outcomes(passed=3)
    told = [line for line in result.outlines if ": workflows/" in line]
    assert told == [
        "updated: workflows/a.yaml:8",
        "updated: workflows/a.yaml:9",
        "updated: workflows/a.yaml:13",
        "created: workflows/golden/a.yaml/third.log:1",
    ]
    text = UPDATED + second.replace("failed", "success") + third
    assert tree(root) == {"a.yaml": text, "golden/a.yaml/third.log": SAID}


@pytest.mark.parametrize("value", ["-5000000000", ".nan"])
def test_a_value_of_any_kind_comes_from_a_worker(
    pytester: pytest.Pytester, write: Write, value: str
) -> None:
    text = BARE + f"output: {value}\ntests:\n  happy: {{expect: {{output: x}}}}\n"
    root = write({"workflows/a.yaml": text})
    result = pytester.runpytest_inprocess("--highway-update", "-n", "1")
    assert told(result) == ["updated: workflows/a.yaml:6"]
    assert tree(root) == {"a.yaml": text.replace("output: x", f"output: {value}")}


def test_params_that_agree_change_their_shared_expectation(
    pytester: pytest.Pytester, write: Write
) -> None:
    before = PARAMS.replace("VALUE", "1")
    root = write({"workflows/a.yaml": before})
    pytester.runpytest_inprocess("--highway-update").assert_outcomes(passed=3)
    after = before.replace("info: 0", "info: 1").replace("skipped", "success")
    assert tree(root) == {"a.yaml": after}


@pytest.mark.parametrize(
    ("value", "args", "why", "wanted"),
    [
        ("2", [], "the params shared[a], shared[b] want different values there", {"a": 1, "b": 2}),
        ("0", [], "of 2 params only shared[a] would change it", {"a": 1}),
        ("1", ["-k", "not b"], "of 2 params only shared[a] would change it", {"a": 1}),
    ],
)
def test_params_that_do_not_agree_keep_their_shared_expectation(
    pytester: pytest.Pytester,
    write: Write,
    value: str,
    args: list[str],
    why: str,
    wanted: dict[str, int],
) -> None:
    before = PARAMS.replace("VALUE", value)
    root = write({"workflows/a.yaml": before})
    result = pytester.runpytest_inprocess("--highway-update", *args)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    blocks = [
        line
        for param, number in wanted.items()
        for line in (f"    # shared[{param}]", "    lines:", f'      - "info: {number}"')
    ]
    refusal = f"refused: workflows/a.yaml:9: {why}; to paste, into a case of its own:"
    assert told(result) == ["updated: workflows/a.yaml:10", refusal, *blocks]
    assert tree(root) == {"a.yaml": before.replace("skipped", "success")}


# --- what is refused while the case runs ---------------------------------------------------------

UNSTUBBED = """\
name: w
tasks:
  run: {function: tools.shell.run, args: [make]}
tests:
  happy: {expect: {transcript: golden}}
"""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (UNSTUBBED, "not updated: the stubs do not fit the run; mend them first"),
        (
            FLOW.replace("tests:", "test_defaults: {expect: {tasks: {say: failed}}}\ntests:"),
            "not updated: the expectation stands in 'test_defaults', which other cases share",
        ),
        (
            BARE + "tests:\n  happy: {expect: {error: {type: KeyError}}}\n",
            "not updated: no new text would do for this: *",
        ),
        (
            BARE + "tests:\n  happy: {params: {x: {v: no}}, expect: {output: '{{params.v}}'}}\n",
            "not updated: the expectation holds a template, which a plain value would replace",
        ),
    ],
)
def test_a_case_that_no_edit_can_mend_fails_with_the_reason(
    pytester: pytest.Pytester, write: Write, text: str, why: str
) -> None:
    root = write({"workflows/a.yaml": text})
    result = pytester.runpytest_inprocess("--highway-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{why}"])
    (refusal,) = told(result)
    assert fnmatch(refusal, f"refused: workflows/a.yaml:?: {why.removeprefix('not updated: ')}")
    assert tree(root) == {"a.yaml": text}


ALIASED = """\
name: w
tasks:
  say: {function: tools.log.info, args: [hello]}
tests:
  one: {expect: {tasks: &tasks {say: skipped}}}
  other: {expect: {tasks: *tasks}}
  third: {expect: {tasks: {say: skipped}}}
"""
SHARED = """\
refused: workflows/a.yaml:5: 'tests.one.expect.tasks.say' cannot be updated: aliases of '&tasks' take it over; to paste:
                               say: success
refused: workflows/a.yaml:5: 'tests.other.expect.tasks.say' cannot be updated: it comes by the alias '*tasks'; to paste:
                          say: success
"""


@pytest.mark.parametrize("what", [["--highway-update"], ["--highway-update", "-n2", "--tb=no"]])
def test_what_cannot_be_written_is_listed_and_keeps_nothing_else_of_the_file_back(
    pytester: pytest.Pytester, write: Write, what: list[str]
) -> None:
    root = write({"workflows/a.yaml": ALIASED})
    result = pytester.runpytest_inprocess(*what)
    result.assert_outcomes(failed=2, passed=1)
    assert told(result) == ["updated: workflows/a.yaml:7", *SHARED.splitlines()]
    mended = ALIASED.replace("tasks: {say: skipped}", "tasks: {say: success}")
    assert tree(root) == {"a.yaml": mended}


def test_a_patch_leaves_out_what_cannot_be_written(pytester: pytest.Pytester, write: Write) -> None:
    root = write({"workflows/a.yaml": ALIASED})
    result = pytester.runpytest_inprocess("--highway-patch=x.patch", "--tb=no")
    told_of = ["in the patch: workflows/a.yaml:7", f"patch: {root / 'x.patch'}"]
    assert told(result) == [*told_of, *SHARED.splitlines()]
    result.stdout.fnmatch_lines(['FAILED *::one - *: tasks.say: expected *, got "success"'])


def test_a_case_that_is_meant_to_fail_is_not_mended(
    pytester: pytest.Pytester, write: Write
) -> None:
    text = BARE + "tests:\n  happy: {marks: [xfail], expect: {status: failed}}\n"
    root = write({"workflows/a.yaml": text})
    pytester.runpytest_inprocess("--highway-update").assert_outcomes(xfailed=1)
    assert tree(root) == {"a.yaml": text}


MEDDLING = """\
from pathlib import Path
import pytest

FILE = Path(__file__).parent / "workflows/a.yaml"

def pytest_highway_after_case():
    FILE.write_text({text!r})
"""


@pytest.mark.parametrize("text", [INLINE + "# more\n", INLINE.replace("tests:", "tests: ["), ""])
def test_a_file_that_changed_since_it_was_read_is_not_written(
    pytester: pytest.Pytester, write: Write, text: str
) -> None:
    root = write({"workflows/a.yaml": INLINE, "conftest.py": MEDDLING.format(text=text)})
    result = pytester.runpytest_inprocess("--highway-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["not updated: workflows/a.yaml*"])
    assert tree(root) == {"a.yaml": text}


# --- what is refused when all is written ---------------------------------------------------------

LATE = """from pathlib import Path

HERE = Path(__file__).parent

def pytest_runtest_teardown():
    {action}
"""


MINE = """\
golden = HERE / "workflows/golden/a.yaml/happy.log"
    golden.parent.mkdir(parents=True)
    golden.write_text("mine")
"""


@pytest.mark.parametrize(
    ("text", "action", "left"),
    [
        (INLINE, '(HERE / "workflows/a.yaml").write_text("x: 1")', {"a.yaml": "x: 1"}),
        (INLINE, '(HERE / "workflows/a.yaml").unlink()', {}),
        (
            GOLDEN,
            MINE,
            {"a.yaml": GOLDEN, "golden/a.yaml/happy.log": "mine"},
        ),
    ],
)
def test_a_file_that_changed_after_its_case_is_refused_at_the_end(
    pytester: pytest.Pytester, write: Write, text: str, action: str, left: dict[str, str]
) -> None:
    root = write({"workflows/a.yaml": text, "conftest.py": LATE.format(action=action)})
    result = pytester.runpytest_inprocess("--highway-update")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["refused: workflows/*: the file has changed since it was read"])
    assert tree(root) == left


def test_a_folder_that_cannot_be_made_is_refused_in_a_sentence(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"workflows/a.yaml": GOLDEN, "workflows/golden": "a file\n"})
    result = pytester.runpytest_inprocess("--highway-update")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*olden*a.yaml/happy.log*: *ot a directory*"])
    assert sorted(tree(root)) == ["a.yaml", "golden"]


def refusing(name: str) -> Callable[..., None]:
    """A function of `os` that the system refuses."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied", name)

    return refuse


@pytest.mark.parametrize(("text", "function"), [(INLINE, "replace"), (GOLDEN, "link")])
def test_a_folder_that_is_read_only_is_refused_and_nothing_is_left_behind(
    pytester: pytest.Pytester,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    function: str,
) -> None:
    root = write({"workflows/a.yaml": text})
    with monkeypatch.context() as patch:
        patch.setattr(f"os.{function}", refusing(function))
        result = pytester.runpytest_inprocess("--highway-update", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["refused: workflows/*:*: *ermi*"])
    assert tree(root) == {"a.yaml": text}


# --- sessions ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "action", ["raise KeyboardInterrupt", "import pytest; pytest.exit('enough', returncode=1)"]
)
@pytest.mark.parametrize(
    "option", ["--highway-update", "--highway-update-new", "--highway-patch=x.patch"]
)
def test_an_interrupted_session_writes_nothing_and_says_so(
    pytester: pytest.Pytester, write: Write, action: str, option: str
) -> None:
    flows = {"workflows/a.yaml": GOLDEN, "workflows/b.yaml": GOLDEN}
    conftest = f"def pytest_runtest_setup(item):\n    if 'b.' in item.nodeid:\n        {action}\n"
    root = write({**flows, "conftest.py": conftest})
    result = pytester.runpytest_inprocess(option, no_reraise_ctrlc=True)
    assert result.ret != pytest.ExitCode.OK
    why = "nothing was written: the session did not come to its end"
    assert told(result)[0] == f"refused: {option.partition('=')[0]}: {why}"
    assert tree(root) == {"a.yaml": GOLDEN, "b.yaml": GOLDEN}
    assert not (root / "x.patch").exists()


def test_a_session_that_stops_at_a_failure_writes_what_it_ran(
    pytester: pytest.Pytester, write: Write
) -> None:
    root = write({"workflows/a.yaml": GOLDEN, "workflows/b.yaml": UNSTUBBED})
    pytester.runpytest_inprocess("--highway-update", "-x").assert_outcomes(passed=1, failed=1)
    assert sorted(tree(root)) == ["a.yaml", "b.yaml", "golden/a.yaml/happy.log"]


@pytest.mark.parametrize("flag", ["--highway-update", "--highway-update-new"])
def test_in_ci_the_flags_are_refused_before_anything_runs(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch, flag: str
) -> None:
    root = write({"workflows/a.yaml": GOLDEN})
    monkeypatch.setenv("CI", "true")
    result = pytester.runpytest_inprocess(flag)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{flag} does not write while CI is set; *--highway-allow-ci*"])
    assert tree(root) == {"a.yaml": GOLDEN}


def test_in_ci_the_flags_write_beside_allow_ci(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write({"workflows/a.yaml": GOLDEN})
    monkeypatch.setenv("CI", "true")
    pytester.runpytest_inprocess("--highway-update", "--highway-allow-ci").assert_outcomes(passed=1)
    assert tree(root)["golden/a.yaml/happy.log"] == SAID
