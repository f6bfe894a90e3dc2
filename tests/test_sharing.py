"""Stubs that files share by `include`: what wins, what may stay unused, what is wrong and where."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from case_host import headlines, load, messages, outcome, text_of
from projects import Write

from pytest_highway.cases import sharing
from pytest_highway.cases.sharing import with_shared_stubs
from pytest_highway.errors import SourceError
from pytest_highway.reading.document import parse

TASKS = """
ask: {function: app.ask, args: [1], result_key: answer}
save: {function: app.save, args: ["{{results.answer}}"], dependencies: [ask]}
make: {function: tools.shell.run, args: [make], result_key: made}
"""
GITHUB = """\
app.ask: {return: asked}
app.save: {return: saved}
tools.shell.run: {exit: 0, stdout: built}
tools.command.run: {exit: 0}
nowhere: {exit: 1}
nowhere/at/all: {return: 1, times: any}
"""


def put(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def flow(stubs: str, rest: str = "expect: {status: success}", top: str = "") -> str:
    return text_of(TASKS, f"case:\n  stubs: {stubs}\n  {rest}\n", f"{top}\n" if top else "")


ANSWERED = "expect: {results: {answer: %s, made: {$partial: {stdout: %s}}}}"


@pytest.mark.parametrize(
    ("files", "stubs", "top", "answer", "made"),
    [
        pytest.param({"g.yaml": GITHUB}, "{include: g.yaml}", "", "asked", "built", id="one file"),
        pytest.param({"g.yaml": GITHUB}, "{include: ././g.yaml}", "", "asked", "built", id="path"),
        pytest.param(
            {"g.yaml": GITHUB, "o.yaml": "app.ask: {return: other}\n"},
            "{include: [g.yaml, o.yaml]}", "", "other", "built", id="the later file wins",
        ),
        pytest.param(
            {"g.yaml": GITHUB}, "{app.ask: {return: own}, include: g.yaml}", "", "own", "built",
            id="the case's own stub wins, wherever it is written",
        ),
        pytest.param(
            {"g.yaml": GITHUB + "ask: {return: narrow}\n"},
            "{include: g.yaml, app.save: {return: own}}", "", "narrow", "built",
            id="the narrower wins over the wider, from whatever file",
        ),
        pytest.param(
            {"s/g.yaml": "include: deep/h.yaml\napp.ask: {return: mine}\n", "s/deep/h.yaml": GITHUB},
            "{include: s/g.yaml}", "", "mine", "built", id="a file includes one beside itself",
        ),
        pytest.param(
            {"g.yaml": GITHUB, "a.yaml": "include: g.yaml\n", "b.yaml": "include: g.yaml\n"},
            "{include: [a.yaml, b.yaml]}", "", "asked", "built", id="twice is no circle",
        ),
        pytest.param(
            {"g.yaml": GITHUB},
            "{ask: {return: own}}", "test_defaults: {stubs: {include: g.yaml}}", "own", "built",
            id="in the defaults",
        ),
        pytest.param(
            {"g.yaml": GITHUB},
            "{include: g.yaml}", "test_defaults: {stubs: {app.ask: {return: wide}}}",
            "asked", "built", id="what a case includes wins over the defaults' own",
        ),
        pytest.param(
            {"g.yaml": GITHUB, "h.yaml": "app.ask: {return: near}\n"},
            "{include: h.yaml}", "test_defaults: {stubs: {include: g.yaml}}",
            "near", "built", id="what a case includes wins over what the defaults include",
        ),
        pytest.param(
            {"g.yaml": GITHUB.replace("asked", "'{{params.x}} {{call.args[0]}}'")},
            "{include: g.yaml, make: {exit: 0, stdout: '{{params.x}}'}}",
            "test_defaults: {params: {p: {x: given}}}", "given 1", "given", id="templates",
        ),
    ],
)  # fmt: skip
def test_shared_stubs_answer(
    tmp_path: Path, files: Mapping[str, str], stubs: str, top: str, answer: str, made: str
) -> None:
    """Those that nothing called are no fault, and neither are those of tasks that others have."""
    put(tmp_path, files)
    loaded = load(tmp_path, flow(stubs, ANSWERED % (answer, made), top))
    assert [outcome(loaded, case.name) for case in loaded.cases] == [[]]


def test_a_stub_of_the_case_itself_has_to_be_used(tmp_path: Path) -> None:
    """Also when it stands in place of a shared one, which need not be."""
    put(tmp_path, {"g.yaml": GITHUB})
    stubs = "{include: g.yaml, tools.command.run: {exit: 1}}"
    assert messages(tmp_path, flow(stubs)) == [
        "8:49: the stub for 'tools.command.run' was never used"
    ]


def test_a_shared_stub_may_read_fixtures(tmp_path: Path) -> None:
    """Its names are then known when the case runs, and still those of its own file."""
    put(tmp_path, {"g.yaml": "ask: {return: '{{fixtures.name}}', after: '{{fixtures.wait}}'}\n"})
    tests = """
case:
  fixtures: [name, wait]
  stubs: {include: g.yaml}
  expect: {output: "{{fixtures.name}}", duration: 3}
"""
    loaded = load(tmp_path, text_of("ask: {function: app.ask}", tests))
    assert outcome(loaded, "case", name="ann", wait=3) == []
    with pytest.raises(SourceError) as caught:
        outcome(loaded, "case", name="ann", wait="soon")
    assert caught.value.diagnostics[0].headline().startswith("g.yaml:1:43: ")


def test_a_shared_stub_for_an_operator_of_another_kind_is_passed_over(tmp_path: Path) -> None:
    """In some workflows `gate` is a task, in this one it is none."""
    put(tmp_path, {"g.yaml": "gate: {exit: 1}\nask: {return: 1}\n"})
    tasks = TASKS.replace("make: ", "gate: {operator_type: wait, wait_for: 1s}\nmake: ")
    stubs = "{include: g.yaml, save: {return: 1}, make: {exit: 0}}"
    text = text_of(tasks, f"case: {{stubs: {stubs}, expect: {{status: success}}}}")
    assert messages(tmp_path, text) == []


@pytest.mark.parametrize(
    "stubs",
    ["{include: {return: 1}}", "{include: [{return: 1}]}"],
)
def test_a_task_may_be_called_include(tmp_path: Path, stubs: str) -> None:
    text = text_of(
        "include: {function: app.ask}", f"case: {{stubs: {stubs}, expect: {{output: 1}}}}"
    )
    assert messages(tmp_path, text) == []


FAULTS = [
    ("none.yaml", {}, ["8:22: the file 'none.yaml' with stubs does not exist; it is named relative to this file"]),
    ("''", {}, ["8:22: expected the path of a file with stubs, or a list of them"]),
    ("[]", {}, ["8:22: expected the path of a file with stubs, or a list of them"]),
    ("", {}, ["8:22: expected the path of a file with stubs, or a list of them"]),
    ("[a.yaml, 3]", {"a.yaml": GITHUB}, ["8:31: expected the path of a file with stubs, or a list of them"]),
    ("a.yaml", {"a.yaml": "- 1\n"}, ["a.yaml:1:1: the file is no mapping; it maps the names of tools and tasks to stubs"]),
    ("a.yaml", {"a.yaml": "# none\n"}, ["a.yaml:1:1: the file holds only comments"]),
    ("a.yaml", {"a.yaml": "stubs:\n  ask: {return: 1}\n"}, ["a.yaml:1:1: the stubs stand at the top level of this file"]),
    ("a.yaml", {"a.yaml": "ask: {return: 1\n"}, ["a.yaml:1:16: ',' or '}' is expected here, for the '{' of line "]),
    ("a.yaml", {"a.yaml": "ask: {return: 1}\nask: {return: 2}\n"}, ["a.yaml:2:1: duplicate key 'ask'; first at line 1"]),
    ("a.yaml", {"a.yaml": "app.aks: {return: 1}\n"}, ["a.yaml:1:1: unknown tool 'app.aks'; did you mean 'app.ask'?"]),
    ("a.yaml", {"a.yaml": "ask: {retrun: 1}\n"}, ["a.yaml:1:7: unknown key 'retrun'; allowed: 'when', 'times', 'return', 'raise', 'call', 'exit', 'stdout', 'stderr', 'outputs', 'after', 'usage', 'log'; did you mean 'return'?"]),
    ("a.yaml", {"a.yaml": "other: {after: soon}\n"}, ["a.yaml:1:16: "]),
    ("a.yaml", {"a.yaml": "ask:\n  - {return: 1}\n  - {raise: Nope}\n"}, ["a.yaml:3:13: "]),
    ("a.yaml", {"a.yaml": "ask: {return: '{{params.x}}'}\n"}, ["a.yaml:1:15: unknown root 'params'; the case has no `params`"]),
    ("a.yaml", {"a.yaml": "ask: {return: '{{call.argz}}'}\n"}, ["a.yaml:1:15: call has no 'argz'"]),
    ("a.yaml", {"a.yaml": "ask: {exit: 1}\n"}, ["a.yaml:1:7: 'exit' is for processes: 'tools.shell.run', 'tools.command.run', 'tools.python.run', 'tools.powershell.run'"]),
    ("a.yaml", {"a.yaml": "include: a.yaml\n"}, ["a.yaml:1:10: the files include each other in a circle: a.yaml > a.yaml"]),
    (
        "a.yaml",
        {"a.yaml": "include: s/b.yaml\n", "s/b.yaml": "x: 1\ninclude: [c.yaml]\n", "s/c.yaml": "include: ../a.yaml\n"},
        ["s/b.yaml:1:4: expected a mapping, got the number 1", "s/c.yaml:1:10: the files include each other in a circle: a.yaml > s/b.yaml > s/c.yaml > a.yaml"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("named", "files", "found"), FAULTS)
def test_faults_of_shared_stubs_stand_in_the_file_at_fault(
    tmp_path: Path, named: str, files: Mapping[str, str], found: list[str]
) -> None:
    put(tmp_path, files)
    told = headlines(tmp_path, flow(f"{{include: {named}}}"))
    assert [each[: len(start)] for each, start in zip(told, found, strict=True)] == found


def test_a_fault_of_a_shared_file_is_told_once(tmp_path: Path) -> None:
    """However many cases of a file include it, the defaults too."""
    put(tmp_path, {"a.yaml": "app.aks: {return: 1}\n"})
    cases = "".join(
        f"c{number}: {{stubs: {{include: a.yaml}}, expect: {{status: success}}}}\n"
        for number in range(3)
    )
    text = text_of(TASKS, cases, "test_defaults: {stubs: {include: a.yaml}}\n")
    assert len(headlines(tmp_path, text)) == 1


def test_a_circle_over_a_link_is_found(tmp_path: Path) -> None:
    """Two names of one file are one file."""
    put(tmp_path, {"a.yaml": "include: link/a.yaml\n"})
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    (found,) = headlines(tmp_path, flow("{include: a.yaml}"))
    assert found.endswith("in a circle: a.yaml > link/a.yaml")


def test_a_shared_file_is_parsed_once_and_never_stale(tmp_path: Path) -> None:
    """Of the same size and with the same time stamp, a file with other bytes is another file."""
    put(tmp_path, {"a.yaml": "ask: {return: 1}\n"})
    document = parse("tests: {}", "x.yaml")
    data = {"stubs": {"include": "a.yaml"}}

    def read() -> object:
        return with_shared_stubs(document, ("tests", "x"), data, tmp_path, []).data["stubs"]

    first = read()
    parsed = sharing._parsed.cache_info().misses
    assert read() == first == {"ask": {"return": 1}}
    assert sharing._parsed.cache_info().misses == parsed
    (tmp_path / "a.yaml").write_text("ask: {return: 2}\n", encoding="utf-8")
    assert read() == {"ask": {"return": 2}}


# --- through the front door ----------------------------------------------------------------------

FLOW = (
    "name: w\ntasks:\n  ask: {function: tools.fetch.get, args: ['http://a.test'], result_key: r}\n"
)
CASE = "tests:\n  it:\n    stubs: {include: ../stubs/web.yaml}\n    expect: {results: {r: 1}}\n"


def test_files_in_many_folders_share_one_file_with_stubs(
    pytester: pytest.Pytester, write: Write
) -> None:
    """The path is relative to the file that names it, the workflow's or the test file's."""
    write(
        {
            "workflows/stubs/web.yaml": "tools.fetch.get: {return: 1}\n",
            "workflows/a/x.yaml": FLOW + CASE,
            "workflows/b/y.yaml": FLOW,
            "workflows/c/y.workflow-test.yaml": f"workflow: ../b/y.yaml\n{CASE}",
        }
    )
    pytester.runpytest_inprocess("-n2", "-p", "xdist").assert_outcomes(passed=3)


def test_a_fault_in_a_shared_file_fails_each_file_that_includes_it(
    pytester: pytest.Pytester, write: Write
) -> None:
    write(
        {
            "workflows/stubs/web.yaml": "tools.fetch.get: {retrn: 1}\n",
            "workflows/a/x.yaml": FLOW + CASE,
            "workflows/a/y.yaml": FLOW + CASE,
        }
    )
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["workflows/stubs/web.yaml:1:19: unknown key 'retrn'*", "  | tools.fetch.get: {retrn: 1}"],
        consecutive=True,
    )


def test_a_stub_to_paste_is_indented_as_the_stubs_of_the_case(
    pytester: pytest.Pytester, write: Write
) -> None:
    """An include is one of the lines below `stubs`."""
    flow = "name: w\ntasks:\n  ask: {function: tools.shell.run, args: [x]}\n"
    case = (
        "tests:\n  it:\n    stubs:\n       include: stubs/a.yaml\n    expect: {status: success}\n"
    )
    write({"workflows/a.yaml": flow + case, "workflows/stubs/a.yaml": "nobody: {return: 1}\n"})
    assert "       ask: {exit: 0, stdout: ''}" in pytester.runpytest_inprocess().outlines
