"""Secrets through the front door: what is declared, what decides, what is written."""

from __future__ import annotations

import pytest
from projects import Write

HEAD = """\
name: w
variables: {token: none, other: x}
env: {API_KEY: none}
secrets: [variables.token, env.API_KEY]
tasks:
  get:
    function: tools.fetch.get
    args: ["http://api.test/"]
    kwargs: {headers: {Authorization: "Bearer {{variables.token}}"}}
    result_key: got
  keep: {function: tools.memory.set, args: [kept, "{{results.got}}"], dependencies: [get]}
  say: {function: tools.log.info, args: ["{{env.API_KEY}} {{variables.other}}"]}
output: "{{results.got}}"
tests:
"""
CASE = """\
  it:
    variables: {token: t0p-s3cr3t}
    env: {API_KEY: k3y-of-env}
    stubs: {get: {return: {token: abc, text: "is t0p-s3cr3t", id: 7}}}
    expect: EXPECT
"""


@pytest.fixture(autouse=True)
def _no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)


def flow(expect: str) -> str:
    return HEAD + CASE.replace("EXPECT", expect)


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        (
            "[variables.tokn]",
            "2:11: 'variables.tokn' is no variable and no env key; there are 'variables.token', 'env.API_KEY'; did you mean 'variables.token'?",
        ),
        (
            "[API_KEY]",
            "2:11: 'API_KEY' is no variable and no env key; there are 'variables.token', 'env.API_KEY'; did you mean 'env.API_KEY'?",
        ),
        (
            "[q]",
            "2:11: 'q' is no variable and no env key; there are 'variables.token', 'env.API_KEY'",
        ),
        ("[env.API_KEY, env.API_KEY]", "2:24: 'env.API_KEY' stands here twice"),
    ],
)
def test_a_name_that_is_none_is_a_fault_at_its_place(
    pytester: pytest.Pytester, write: Write, secrets: str, message: str
) -> None:
    text = f'name: w\nsecrets: {secrets}\nvariables: {{token: x}}\nenv: {{API_KEY: y}}\ntasks: {{say: {{function: tools.log.info, args: ["{{{{variables.token}}}} {{{{env.API_KEY}}}}"]}}}}\n'
    write({"a.workflow.yaml": text})
    result = pytester.runpytest_inprocess("-q")
    assert f"a.workflow.yaml:{message}" in result.outlines


@pytest.mark.parametrize(
    "expect",
    [
        # What came decides …
        "{results: {got: {token: abc, text: is t0p-s3cr3t, id: 7}}}",
        "{output: {token: {$len: 3}, text: {$re: '^is t0p-.{6}$'}, id: 7}}",
        "{memory: {kept: {token: {$not: {$contains: redacted}}, text: {$contains: t0p}, id: 7}}}",
        "{calls: {get: [{args: ['http://api.test/'], kwargs: {headers: {Authorization: Bearer t0p-s3cr3t}}}]}}",
        # … but for what names a placeholder,
        "{results: {got: {token: <redacted>, text: 'is <secret:variables.token>', id: 7}}}",
        "{results: {got: {token: abc, text: 'is <secret:variables.token>', id: 7}}}",
        "{output: {$partial: {token: <redacted>}}}",
        "{calls: {get: [{args: ['http://api.test/'], kwargs: {headers: {Authorization: 'Bearer <secret:variables.token>'}}}]}}",
        # and for transcripts, where a value as it is stands for its placeholder.
        "{transcript: {level: log, lines: ['info: <secret:env.API_KEY> x']}}",
        "{transcript: {level: log, lines: ['info: k3y-of-env x']}}",
    ],
)
def test_an_expectation_means_what_came_or_what_is_shown(
    pytester: pytest.Pytester, write: Write, expect: str
) -> None:
    write({"a.workflow.yaml": flow(expect)})
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        (
            "{results: {got: {token: xyz, text: is t0p-s3cr3t, id: 7}}}",
            'results.got.token: expected "xyz", got "<redacted>"',
        ),
        (
            "{results: {got: {token: abc, text: is other, id: 7}}}",
            'results.got.text: expected "is other", got "is <secret:variables.token>"',
        ),
        (
            "{output: {$not: {$partial: {text: {$contains: t0p-s3cr3t}}}}}",
            "output: what came is not what is expected, in what is redacted here",
        ),
        (
            "{output: {$not: {$partial: {text: {$contains: '<secret:variables.token>'}}}}}",
            'output: expected anything but a map with {"text": {"$contains": "<secret:variables.token>"}}, *',
        ),
        (
            "{results: {got: {token: <redacted>, text: 'is <secret:variables.other>', id: 7}}}",
            'results.got.text: expected "is <secret:variables.other>", got "is <secret:variables.token>"',
        ),
        (
            "{transcript: {level: log, lines: ['info: k3y-of-env y']}}",
            "transcript: *",
        ),
    ],
)
def test_what_differs_fails_in_words_without_secrets(
    pytester: pytest.Pytester, write: Write, expect: str, message: str
) -> None:
    write({"a.workflow.yaml": flow(expect)})
    result = pytester.runpytest_inprocess("-q")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"a.workflow.yaml:*: {message.replace('[', '[[]')}"])
    assert [line for line in result.outlines if "t0p-s3cr3t" in line or "k3y-of-env" in line] == []


def test_failures_of_both_kinds_come_in_the_order_of_the_file(
    pytester: pytest.Pytester, write: Write
) -> None:
    expect = "{output: 1, results: {got: {token: <redacted>, text: '<redacted>', id: 8}}}"
    write({"a.workflow.yaml": flow(expect)})
    result = pytester.runpytest_inprocess("-q")
    heads = [
        line.split(": ", 2)[1] for line in result.outlines if line.startswith("a.workflow.yaml:")
    ]
    assert heads == ["output", "results.got.text", "results.got.id"]


@pytest.mark.parametrize("expect", ["{results: {got: 1}, transcript: golden}", "{transcript: [x]}"])
def test_what_an_update_writes_holds_placeholders_and_is_green(
    pytester: pytest.Pytester, write: Write, expect: str
) -> None:
    write({"a.workflow.yaml": flow(expect)})
    pytester.runpytest_inprocess("-q", "--highway-update")
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=1)
    golden = pytester.path / "golden/a.workflow.yaml/it.log"
    text = golden.read_text() if golden.exists() else ""
    text += (pytester.path / "a.workflow.yaml").read_text().partition("expect:")[2]
    assert "Bearer <secret:variables.token>" in text
    assert "t0p-s3cr3t" not in text


PARENT = """\
name: parent
tasks:
  call: {operator_type: workflow, file: child.yaml, variables: {token: n3sted-s3cr3t}}
  own: {function: tools.log.info, args: ["$KEY"], env: {KEY: t4sk-s3cr3t, API_KEY: t4sk-s3cr3t}, dependencies: [call]}
  after: {function: tools.log.info, args: ["n3sted-s3cr3t t4sk-s3cr3t"], dependencies: [own]}
env: {API_KEY: none}
secrets: [env.API_KEY]
tests:
  it:
    env: {API_KEY: other}
    expect:
      transcript: {level: log, lines: ["info: <secret:variables.token>", "info: $KEY", "info: <secret:variables.token> <secret:env.API_KEY>"]}
"""
CHILD = """\
name: child
variables: {token: none}
secrets: [variables.token]
tasks: {say: {function: tools.log.info, args: ["{{variables.token}}"]}}
"""


def test_secrets_of_a_nested_file_and_of_a_tasks_environment_are_hidden_everywhere(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"a.workflow.yaml": PARENT, "child.yaml": CHILD})
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=1)


FROM_PYTHON = """\
def test_it(highway):
    result = highway("a.workflow.yaml", case="it")
    assert result.results["got"] == {"token": "<redacted>", "text": "is <secret:variables.token>", "id": 7}
    assert result.transcript("log") == ["info: <secret:env.API_KEY> x"]
    assert "t0p-s3cr3t" not in repr(result.log)
"""


def test_python_tests_and_hooks_get_results_without_secrets(
    pytester: pytest.Pytester, write: Write
) -> None:
    hook = "def pytest_highway_after_case(result): assert 't0p' not in repr(result.log)\n"
    write(
        {
            "conftest.py": hook,
            "test_it.py": FROM_PYTHON,
            "a.workflow.yaml": flow("{status: success}"),
        }
    )
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=2)


REAL = """\
name: w
tasks:
  say: {function: tools.shell.run, args: ['printf %s "$DEPLOY_TOKEN"']}
tests:
  it: {real: true, expect: {output: {$partial: {stdout: "<secret:env.DEPLOY_TOKEN>"}}}}
"""


def test_a_key_like_variable_of_the_process_is_hidden_in_real_runs(
    pytester: pytest.Pytester, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "pr0cess-s3cr3t")
    write({"a.workflow.yaml": REAL})
    pytester.runpytest_inprocess("-q").assert_outcomes(passed=1)


@pytest.mark.parametrize("hook", ["before_case(item, case)", "after_case(item, case, result)"])
def test_a_traceback_of_a_hook_shows_no_secret_of_the_case(
    pytester: pytest.Pytester, write: Write, hook: str
) -> None:
    conftest = f"def pytest_highway_{hook}:\n    print('t0p-s3cr3t')\n    assert not case\n"
    write({"conftest.py": conftest, "a.workflow.yaml": flow("{status: success}")})
    result = pytester.runpytest_inprocess("-rA", "--tb=long", "--showlocals", "-vv")
    result.assert_outcomes(failed=1)
    shown = result.stdout.str().replace("print('t0p-s3cr3t')", "")
    assert "<secret:variables.token>" in shown
    assert [line for line in shown.splitlines() if "t0p-s3cr3t" in line] == []


LOOP = """\
name: w
variables: {token: none}
secrets: [variables.token]
tasks:
  each:
    operator_type: foreach
    items: ["{{variables.token}}"]
    key: item
    loop_body: [{task_id: x, function: app.warn, args: ["{{item}}"]}]
tests:
  it:
    variables: {token: l00p-s3cr3t}
    expect: {tasks: {"each[<secret:variables.token>]/x": success, "each[l00p-s3cr3t]/x": {attempts: 1}}}
"""
WARNING = """\
import warnings
from pytest_highway.tools import tool

@tool("app.warn", effects="pure")
def warn(value):
    warnings.warn("cautious")
    warnings.warn(f"warned of {value}")
"""


def test_a_path_is_found_by_its_key_and_by_the_placeholder(
    pytester: pytest.Pytester, write: Write
) -> None:
    ini = "[pytest]\npythonpath = .\nhighway_tools = app_warn\n"
    write({"pytest.ini": ini, "app_warn.py": WARNING, "a.workflow.yaml": LOOP})
    result = pytester.runpytest_subprocess("-q")
    result.assert_outcomes(passed=1, warnings=2)
    result.stdout.fnmatch_lines(["*: cautious", "*: warned of <secret:variables.token>"])
    result.stdout.no_fnmatch_line("*l00p*")
