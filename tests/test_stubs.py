"""Stubs: which entry answers which call, what it answers, and what is left unanswered."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from textwrap import dedent

import httpx
import pytest
import tool_host
from case_host import REGISTRY, Picky, QuotaExceeded, headlines, load, messages, run, text_of

from pytest_highway.cases.answers import Scripts
from pytest_highway.cases.declarations import Case
from pytest_highway.cases.http_stub import HttpRequest
from pytest_highway.cases.simulation import _world
from pytest_highway.cases.stubs import StubBook, Unstubbed
from pytest_highway.clock import Clock, SystemClock
from pytest_highway.errors import HighwayError
from pytest_highway.exceptions import find_exception, make_exception
from pytest_highway.reading.document import parse
from pytest_highway.tool_context import CommandFailed
from pytest_highway.tools import Registry, tool

ASK = "ask: {function: app.ask, args: [1], kwargs: {deep: {a: 1}}, result_key: answer}"
# Three calls, one after the other.
LINE = """
one: {function: app.ask, args: [1], result_key: first}
two: {function: app.ask, args: [2], result_key: second, dependencies: [one]}
end: {function: app.save, args: ["{{results.first}}", "{{results.second}}"], dependencies: [two]}
"""


def ran(folder: Path, tasks: str, case: str, name: str = "case") -> list[str]:
    """All that is wrong with one case over these tasks, whose words are given."""
    return messages(folder, file_of(tasks, case), name)


def file_of(tasks: str, case: str) -> str:
    words = "".join(f"  {line}\n" for line in dedent(case).strip("\n").split("\n"))
    return text_of(tasks, f"case:\n{words}")


def passes(folder: Path, tasks: str, case: str) -> None:
    assert ran(folder, tasks, case) == []


# --- which entry answers -------------------------------------------------------------------------


def test_a_mapping_answers_every_call_and_a_list_each_call_once(tmp_path: Path) -> None:
    case = """
    stubs:
      app.ask: [{return: a}, {return: b}]
      app.save: {return: ok}
    expect: {results: {first: a, second: b}, calls: {app.ask: 2, one: 1, app.save: 1}}
    """
    passes(tmp_path, LINE, case)


@pytest.mark.parametrize(
    ("stubs", "first", "second"),
    [
        ("{app.ask: {return: tool}}", "tool", "tool"),
        ("{app.ask: {return: tool}, one: {return: task}}", "task", "tool"),
        ("{one: {return: task}, app.ask: {return: tool}}", "task", "tool"),
        ("{app.ask: [{return: a, times: 2}]}", "a", "a"),
        ("{app.ask: [{return: a}, {return: b, times: any}]}", "a", "b"),
        ("{app.ask: [{when: {args: [2]}, return: b}, {return: a, times: any}]}", "a", "b"),
        ("{app.ask: [{when: {args: [{$gt: 1}]}, return: b}, {return: a}]}", "a", "b"),
        ("{app.ask: {return: '{{call.args[0]}}'}}", 1, 2),
        ("{app.ask: {return: 'no. {{call.args[0]}}'}}", "no. 1", "no. 2"),
        ("{app.ask: {return: {n: ['{{call.args}}', x]}}}", {"n": [[1], "x"]}, {"n": [[2], "x"]}),
        ("{app.ask: {call: real}}", {"args": [1], "kwargs": {}}, {"args": [2], "kwargs": {}}),
        ("{app.ask: {return: }}", None, None),
    ],
)
def test_the_narrower_script_wins_and_in_it_the_first_entry_that_fits(
    tmp_path: Path, stubs: str, first: object, second: object
) -> None:
    case = f"stubs:\n  <<: {stubs}\n  end: {{return: ok}}\nexpect: {{status: success}}"
    loaded = load(tmp_path, file_of(LINE, case))
    done, _ = run(loaded, "case")
    assert done.faults == ()
    assert done.result.results == {"first": first, "second": second}


def test_a_when_over_keyword_arguments_is_held_against_all_of_them(tmp_path: Path) -> None:
    case = """
    stubs:
      ask:
        - {when: {kwargs: {}}, return: none}
        - {when: {kwargs: {deep: {$partial: {}}}, args: [1]}, return: deep}
    expect: {results: {answer: deep}}
    """
    assert ran(tmp_path, ASK, case) == [
        "8:11: entry 1 of the stub for 'ask' was never used",
    ]


@pytest.mark.parametrize(
    ("tasks", "stubs", "found"),
    [
        (
            LINE,
            "{app.ask: [{return: a}], end: {return: 1}}",
            "no entry of the stub for 'app.ask' answers call 2, app.ask(2) of 'two' (attempt 1)",
        ),
        (
            "ask: {function: app.ask, args: [x], kwargs: {k: [1]}}",
            "{ask: {when: {args: [y]}, return: a}, app.ask: {return: 1}}",
            (
                "no entry of the stub for 'ask' answers call 1, "
                "app.ask(\"x\", k=[1]) of 'ask' (attempt 1)"
            ),
        ),
        (
            "ask: {function: app.ask, retry: 2}",
            "{ask: [{raise: KeyError}]}",
            "no entry of the stub for 'ask' answers call 2, app.ask() of 'ask' (attempt 2)",
        ),
    ],
)
def test_a_call_past_the_end_fails_the_case_and_never_falls_through(
    tmp_path: Path, tasks: str, stubs: str, found: str
) -> None:
    loaded = load(tmp_path, file_of(tasks, f"stubs: {stubs}\nexpect: {{status: failed}}"))
    done, failures = run(loaded, "case")
    assert done.faults[0].message == found
    assert done.result.status == "failed"
    assert failures == []


@pytest.mark.parametrize(
    ("stubs", "found"),
    [
        (
            "{ask: {return: 1}, app.save: {return: 2}}",
            ["6:41: the stub for 'app.save' was never used"],
        ),
        (
            "{ask: [{return: 1}, {return: 2}]}",
            ["6:32: entry 2 of the stub for 'ask' was never used"],
        ),
        (
            "{ask: [{return: 1}, {return: 2, times: any}]}",
            ["6:32: entry 2 of the stub for 'ask' was never used"],
        ),
        ("{ask: [{return: 1, times: 2}]}", []),
        (
            "{app.save: {return: 1, times: any}, ask: {return: 1}}",
            ["6:23: the stub for 'app.save' was never used"],
        ),
        (
            "{app.ask: {return: 1}, ask: {return: 1}}",
            ["6:22: the stub for 'app.ask' was never used"],
        ),
    ],
)
def test_an_entry_that_is_never_used_fails_the_case(
    tmp_path: Path, stubs: str, found: list[str]
) -> None:
    assert ran(tmp_path, ASK, f"stubs: {stubs}\nexpect: {{status: success}}") == found


# --- calls without a stub ------------------------------------------------------------------------

SHELL = "build: {function: tools.shell.run, args: [make all]}"
COMMAND = "build: {function: tools.command.run, args: [make, -j, 4]}"
FETCH = "get: {function: tools.fetch.post, args: ['http://a.test/t?b=1'], kwargs: {json: [1]}}"


@pytest.mark.parametrize(
    ("tasks", "message", "pasted"),
    [
        (
            ASK,
            "'ask' called app.ask(1, deep={\"a\": 1}), which has effects (read) and no stub",
            "stubs:\n  ask: {return: null}",
        ),
        (
            SHELL,
            "'build' called tools.shell.run(\"make all\"), which has effects (write) and no stub",
            "stubs:\n  build: {exit: 0, stdout: ''}",
        ),
        (
            FETCH,
            (
                "'get' called tools.fetch.post(\"http://a.test/t?b=1\", json=[1]), "
                "which has effects (write) and no stub"
            ),
            "http:\n  POST http://a.test/t?b=1: {return: {status: 200, json: {}}}",
        ),
        (
            "get: {function: tools.fetch.get, args: [nowhere]}",
            "'get' called tools.fetch.get(\"nowhere\"), which has effects (read) and no stub",
            "stubs:\n  get: {return: null}",
        ),
        (
            "get: {function: tools.fetch.get, args: ['http://a.test'], kwargs: {params: {a: 1}}}",
            (
                '\'get\' called tools.fetch.get("http://a.test", params={"a": 1}), '
                "which has effects (read) and no stub"
            ),
            "stubs:\n  get: {return: null}",
        ),
        (
            "get: {function: tools.fetch.get, args: ['http://a.test/a: b']}",
            (
                "'get' called tools.fetch.get(\"http://a.test/a: b\"), "
                "which has effects (read) and no stub"
            ),
            'http:\n  "GET http://a.test/a: b": {return: {status: 200, json: {}}}',
        ),
    ],
)
def test_an_unstubbed_call_with_effects_fails_with_a_stub_to_paste(
    tmp_path: Path, tasks: str, message: str, pasted: str
) -> None:
    done, failures = run(load(tmp_path, file_of(tasks, "expect: {status: failed}")), "case")
    assert [each.message for each in done.faults] == [f"{message}; add one:\n{pasted}"]
    assert str(done.result.error).endswith(f"Unstubbed: {message}")
    assert failures == []


@pytest.mark.parametrize("tasks", [ASK, SHELL, COMMAND, FETCH])
def test_what_is_pasted_is_yaml_that_makes_the_case_pass(tmp_path: Path, tasks: str) -> None:
    done, _ = run(load(tmp_path, file_of(tasks, "expect: {status: success}")), "case")
    pasted = done.faults[0].message.partition("\n")[2]
    assert isinstance(parse(pasted, "x").data, dict)
    passes(tmp_path, tasks, f"{pasted}\nexpect: {{status: success}}")


def test_an_unstubbed_call_is_not_made_again(tmp_path: Path) -> None:
    tasks = "ask: {function: app.ask, retry: 3}"
    done, _ = run(load(tmp_path, file_of(tasks, "expect: {status: failed}")), "case")
    assert len(done.result.calls) == len(done.faults) == 1


def test_pure_tools_run_for_real_unless_stubbed(tmp_path: Path) -> None:
    tasks = """
    twice: {function: app.twice, args: [4], result_key: eight}
    fake: {function: app.twice, args: [4], result_key: nine}
    """
    passes(tmp_path, tasks, "stubs: {fake: {return: 9}}\nexpect: {results: {eight: 8, nine: 9}}")


def test_tools_named_under_real_run_for_real_and_stubs_still_win(tmp_path: Path) -> None:
    case = """
    real: [app.ask]
    stubs: {two: {return: 2}, end: {return: 3}}
    expect: {results: {first: {args: [1], kwargs: {}}, second: 2}, output: 3}
    """
    passes(tmp_path, LINE, case)


HTTP = "stubs: {get: {call: real}}\nhttp: {GET http://a.test/: {return: {status: 200}}}"


def test_real_true_runs_everything(tmp_path: Path) -> None:
    passes(tmp_path, LINE, "real: true\nexpect: {output: saved, usage: {tool_calls: 3}}")


def test_real_false_replaces_a_default(tmp_path: Path) -> None:
    text = text_of(
        ASK,
        "case: {real: false, stubs: {ask: {return: 1}}, expect: {output: 1}}",
        "test_defaults: {real: true}\n",
    )
    assert messages(tmp_path, text) == []


def clock_of(case: Case) -> Clock:
    """The clock of a case's run."""
    with ExitStack() as stack:
        return _world(case, REGISTRY, None, None, stack).clock


@pytest.mark.parametrize(
    ("real", "is_virtual"),
    [("[]", True), ("false", True), ("[app.twice]", True), ("true", False), ("[app.ask]", False)],
)
def test_the_clock_is_real_when_a_tool_with_effects_is(
    tmp_path: Path, real: str, is_virtual: bool
) -> None:
    (case,) = load(tmp_path, file_of(ASK, f"real: {real}\nexpect: {{status: success}}")).cases
    assert isinstance(clock_of(case), SystemClock) is not is_virtual


@pytest.mark.parametrize(
    ("tasks", "words", "is_virtual"),
    [
        (ASK, "stubs: {ask: {call: real}}", False),
        (ASK, "stubs: {app.ask: [{return: 1}, {call: real}]}", False),
        (ASK, "stubs: {app.twice: {call: real}}", True),
        ("get: {function: tools.fetch.get, args: ['http://a.test/']}", HTTP, True),
        ("get: {function: app.ask}", HTTP, False),
    ],
    ids=["by its task", "by its name", "pure", "answered HTTP", "beside answered HTTP"],
)
def test_an_entry_that_calls_a_tool_with_effects_needs_the_real_clock(
    tmp_path: Path, tasks: str, words: str, is_virtual: bool
) -> None:
    """As `real` does; HTTP that the case answers takes no time."""
    (case,) = load(tmp_path, file_of(tasks, f"{words}\nexpect: {{status: success}}")).cases
    assert isinstance(clock_of(case), SystemClock) is not is_virtual


def test_now_beside_an_entry_that_calls_for_real_is_an_error(tmp_path: Path) -> None:
    """The clock is the real one, so the word would say nothing."""
    case = "now: 2026-01-01\nstubs: {ask: {call: real}}\nexpect: {status: success}"
    (finding,) = headlines(tmp_path, file_of(ASK, case))
    assert "so does the clock; `now` says nothing" in finding


@pytest.mark.parametrize(
    ("now", "instant"),
    [
        ("now: 2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("now: 2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05+02:00"),
        ("now: 2026-01-02", "2026-01-02T00:00:00+00:00"),
        ("env: {}", "2000-01-01T00:00:00+00:00"),
    ],
)
def test_now_is_the_instant_at_which_the_run_starts(tmp_path: Path, now: str, instant: str) -> None:
    (case,) = load(tmp_path, file_of(ASK, f"{now}\nexpect: {{status: success}}")).cases
    assert clock_of(case).started.isoformat() == instant


# --- what an entry does --------------------------------------------------------------------------


def test_after_is_virtual_latency(tmp_path: Path) -> None:
    case = """
    stubs: {one: {return: 1, after: 30s}, two: {return: 2, after: 1h}, end: {return: 3}}
    expect: {duration: 3630s, order: [one < two < end]}
    """
    passes(tmp_path, LINE, case)


def test_a_stub_slower_than_the_timeout_is_cut_off(tmp_path: Path) -> None:
    tasks = "ask: {function: app.ask, timeout: 10s, retry: {max_retries: 1, delay: 5s}}"
    case = """
    stubs: {ask: [{return: 1, after: 11s}, {return: 2, after: 10s}]}
    expect: {output: 2, duration: 25s, tasks: {ask: {attempts: 2}}, calls: {ask: 2}}
    """
    passes(tmp_path, tasks, case)


def test_usage_and_logs_of_a_stub_count_as_those_of_the_tool(tmp_path: Path) -> None:
    case = """
    stubs:
      one: {return: 1, usage: {cost: 0.1, tokens: 10}, log: {info: "got {{call.args[0]}}"}}
      two:
        - {return: 2, usage: {cost: 0.2}, log: [{debug: a}, {warning: "b {{call.attempt}}"}]}
      end: {raise: OSError, usage: {tokens: 5}, log: {error: late}}
    expect:
      error: OSError
      usage: {cost: 0.3, tokens: 15, tool_calls: 3}
      transcript: {level: log, lines: ["info: got 1", "debug: a", "warning: b 1", "error: late"]}
    """
    passes(tmp_path, LINE, case)


def test_a_real_call_keeps_its_own_usage_and_adds_that_of_the_stub(tmp_path: Path) -> None:
    case = """
    stubs: {spend: {call: real, after: 30ms, usage: {tokens: 1}, log: {info: before}}}
    expect:
      duration: {$ge: 0.03}
      usage: {cost: 0.1, tokens: 8}
      transcript: {level: log, lines: ["info: before", "info: spent"]}
    """
    passes(tmp_path, "spend: {function: app.spend}", case)


def test_an_answer_is_a_fresh_copy_for_each_call(tmp_path: Path) -> None:
    case = "stubs: {app.ask: {return: {a: [1]}}, end: {return: 1}}\nexpect: {status: success}"
    results = run(load(tmp_path, file_of(LINE, case)), "case")[0].result.results
    assert results["first"] == results["second"]
    assert results["first"] is not results["second"]


def test_two_runs_of_one_case_give_equal_logs(tmp_path: Path) -> None:
    case = "stubs: {app.ask: [{return: 1}, {return: 2}], end: {return: 1}}\nexpect: {output: 1}"
    loaded = load(tmp_path, file_of(LINE, case))
    assert run(loaded, "case")[0].result.log == run(loaded, "case")[0].result.log


@pytest.mark.parametrize(
    "answer",
    [
        "return: '{{call.kwargs.deep.b}}'",
        "raise: {KeyError: '{{call.kwargs.no}}'}",
        "return: 1, log: {info: '{{call.args[9]}}'}",
    ],
)
def test_an_answer_that_cannot_be_rendered_fails_the_case(tmp_path: Path, answer: str) -> None:
    loaded = load(
        tmp_path, file_of(ASK, f"stubs: {{ask: {{{answer}}}}}\nexpect: {{status: failed}}")
    )
    done, _ = run(loaded, "case")
    assert [each.message[:20] for each in done.faults] == ["the stub's answer: c"]
    assert done.result.status == "failed"


# --- exceptions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raised", "type_name", "message"),
    [
        ("KeyError", "KeyError", ""),
        ("{ConnectionError: reset by peer}", "ConnectionError", "reset by peer"),
        ("{ConnectionError: }", "ConnectionError", ""),
        ("{OSError: 5}", "OSError", "5"),
        ("{OSError: true}", "OSError", "true"),
        ("{OSError: 'no {{call.args[0]}}'}", "OSError", "no 1"),
        ("{ConnectError: refused}", "ConnectError", "refused"),
        ("{HTTPStatusError: bad}", "HTTPStatusError", "bad"),
        ("{QuotaExceeded: too much}", "QuotaExceeded", "too much"),
        ("{'case_host:QuotaExceeded': too much}", "QuotaExceeded", "too much"),
        ("{'json:JSONDecodeError': no json}", "JSONDecodeError", "no json"),
        ("{UnicodeDecodeError: bad byte}", "UnicodeDecodeError", "bad byte"),
        ("{Picky: no such code}", "Picky", "no such code"),
        ("{CommandFailed: it broke}", "CommandFailed", "it broke"),
        ("{ToolError: misused}", "ToolError", "misused"),
    ],
)
def test_raise_takes_builtins_httpx_those_of_tools_and_any_module(
    tmp_path: Path, raised: str, type_name: str, message: str
) -> None:
    case = f"stubs: {{ask: {{raise: {raised}}}}}\nexpect: {{error: {{task: ask}}}}"
    done, failures = run(load(tmp_path, file_of(ASK, case)), "case")
    error = done.result.error
    assert error is not None
    assert (error.type, error.message) == (type_name, message)
    assert failures == []


@pytest.mark.parametrize("kind", [OSError, httpx.HTTPStatusError, QuotaExceeded, Picky])
def test_a_raised_exception_keeps_its_type(kind: type[Exception]) -> None:
    error = make_exception(kind, "why")
    assert isinstance(error, kind)
    assert type(error).__name__ == kind.__name__
    assert str(error) == "why"


def test_a_command_failed_that_is_raised_has_exit_code_one() -> None:
    error = make_exception(CommandFailed, "why")
    assert isinstance(error, CommandFailed)
    assert error.exit_code == 1


@pytest.mark.parametrize("name", ["ConnectionError", "ConnectError"])
def test_retry_on_sees_the_type_and_its_bases(tmp_path: Path, name: str) -> None:
    tasks = "ask: {function: app.ask, retry: {max_retries: 2, retry_on: [OSError, TransportError]}}"
    passes(
        tmp_path,
        tasks,
        f"stubs: {{ask: [{{raise: {name}, times: 2}}, {{return: 1}}]}}\nexpect: {{output: 1}}",
    )


def test_one_name_for_two_exceptions_of_tools_must_be_written_in_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        tool_host, "QuotaExceeded", type("QuotaExceeded", (ValueError,), {}), raising=False
    )
    registry = Registry()
    registry.add(next(each.function for each in REGISTRY if each.name == "app.ask"))

    def other() -> None: ...

    other.__module__ = "tool_host"
    registry.add(tool("app.other")(other))
    with pytest.raises(HighwayError, match="may be 'case_host:QuotaExceeded' and '"):
        find_exception("QuotaExceeded", registry)


def test_an_exception_of_httpx_is_unknown_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(HighwayError, match="unknown exception 'ConnectError'"):
        find_exception("ConnectError", Registry())


# --- processes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("tasks", [SHELL, COMMAND])
@pytest.mark.parametrize("name", ["build", "tools.shell.run", "tools.command.run"])
def test_a_stub_of_a_process_stands_at_its_boundary(tmp_path: Path, tasks: str, name: str) -> None:
    other = {"tools.shell.run": COMMAND, "tools.command.run": SHELL}.get(name)
    used = {True: "build", False: name}[other == tasks]
    case = f"""
    stubs: {{{used}: {{exit: 2, stderr: "make: no rule\\nstop\\n", stdout: ignored}}}}
    expect:
      error:
        type: CommandFailed
        message: {{$re: "^command 'make .*' ended with exit code 2: stop$"}}
      tasks: {{build: failed}}
    """
    passes(tmp_path, tasks, case)


@pytest.mark.parametrize(
    ("stub", "value"),
    [
        ("{exit: 0}", {"exit_code": 0, "stdout": "", "stderr": ""}),
        ("{exit: 0, stdout: hi}", {"exit_code": 0, "stdout": "hi", "stderr": ""}),
        (
            "{exit: 0, stdout: '{{call.args}}'}",
            {"exit_code": 0, "stdout": '["make all"]', "stderr": ""},
        ),
        ("{return: {exit_code: 0, stdout: x}}", {"exit_code": 0, "stdout": "x", "stderr": ""}),
        ("{return: {stdout: x}}", {"stdout": "x"}),
        ("{return: done}", "done"),
        ("{return: }", None),
        (
            "{exit: 0, after: 5s, log: {info: x}, usage: {tokens: 1}}",
            {"exit_code": 0, "stdout": "", "stderr": ""},
        ),
    ],
)
def test_the_value_of_a_process_is_that_of_the_real_tool(
    tmp_path: Path, stub: str, value: object
) -> None:
    loaded = load(
        tmp_path, file_of(SHELL, f"stubs: {{build: {stub}}}\nexpect: {{status: success}}")
    )
    done, failures = run(loaded, "case")
    assert done.result.output == value
    assert failures == []


@pytest.mark.parametrize(
    ("stub", "why"),
    [
        ("{return: {exit_code: 3}}", "CommandFailed: command 'make all' ended with exit code 3"),
        (
            "{return: {exit_code: -9, stderr: out}}",
            "CommandFailed: command 'make all' ended with exit code -9 (SIGKILL): out",
        ),
        (
            "{return: {exit_code: '{{call.attempt}}'}}",
            "CommandFailed: command 'make all' ended with exit code 1",
        ),
    ],
)
def test_a_return_with_an_exit_code_fails_as_the_real_tool_would(
    tmp_path: Path, stub: str, why: str
) -> None:
    loaded = load(tmp_path, file_of(SHELL, f"stubs: {{build: {stub}}}\nexpect: {{status: failed}}"))
    assert str(run(loaded, "case")[0].result.error) == why


def test_a_stub_fails_with_the_words_of_the_real_tool(tmp_path: Path) -> None:
    tasks = "build: {function: tools.shell.run, kwargs: {command: 'echo no >&2; exit 3'}}"
    text = text_of(
        tasks,
        """
        real: {real: true, expect: {error: CommandFailed}}
        stubbed: {stubs: {build: {exit: 3, stderr: "no\\n"}}, expect: {error: CommandFailed}}
        """,
    )
    loaded = load(tmp_path, text)
    errors = [run(loaded, name)[0].result.error for name in ("real", "stubbed")]
    assert errors[0] == errors[1]


def test_a_command_that_is_no_shell_line_is_shown_as_the_real_tool_shows_it(
    tmp_path: Path,
) -> None:
    tasks = "build: {function: tools.command.run, args: [sh, -c, 'exit 4', 8080]}"
    text = text_of(
        tasks,
        """
        real: {real: true, expect: {error: CommandFailed}}
        stubbed: {stubs: {build: {exit: 4}}, expect: {error: CommandFailed}}
        """,
    )
    loaded = load(tmp_path, text)
    errors = [run(loaded, name)[0].result.error for name in ("real", "stubbed")]
    assert errors[0] == errors[1]


def test_an_exit_code_that_is_no_number_is_a_fault_of_the_case(tmp_path: Path) -> None:
    case = "stubs: {build: {return: {exit_code: '{{call.args[0]}}'}}}\nexpect: {status: failed}"
    assert ran(tmp_path, SHELL, case) == [
        '6:20: the stub\'s answer: exit_code is a whole number, got "make all"'
    ]


# --- HTTP ----------------------------------------------------------------------------------------

GET = "get: {function: tools.fetch.get, args: ['http://a.test/t'], result_key: got}"


def test_http_answers_the_real_fetch_tools(tmp_path: Path) -> None:
    case = """
    http:
      GET http://a.test/t: {return: {status: 201, json: {a: 1}, headers: {x-kind: k}}}
    expect:
      results: {got: {status: 201, data: {a: 1}, headers: {$partial: {x-kind: k}}}}
      calls: {tools.fetch.get: 1, GET http://a.test/t: 1}
    """
    passes(tmp_path, GET, case)


@pytest.mark.parametrize(
    ("reply", "data"),
    [
        ("{}", None),
        ("{text: hi}", "hi"),
        ("{text: '{{call.method}} {{call.url}}'}", "GET http://a.test/t"),
        ("{json: }", None),
        ("{json: '{{call.url}}'}", "http://a.test/t"),
        ("{json: [1, {b: null}]}", [1, {"b": None}]),
        ("{status: 204}", None),
    ],
)
def test_a_reply_has_a_json_a_text_or_neither(tmp_path: Path, reply: str, data: object) -> None:
    case = f"http: {{'GET http://a.test/t': {{return: {reply}}}}}\nexpect: {{status: success}}"
    done, _ = run(load(tmp_path, file_of(GET, case)), "case")
    assert done.result.error is None
    got = done.result.results["got"]
    assert isinstance(got, dict)
    assert got["data"] == data


POSTS = """
one: {function: tools.fetch.post, args: ['http://a.test/t'], kwargs: {json: {n: 1}, headers: {X-Who: me}}}
two: {function: tools.fetch.post, args: ['http://a.test/t'], kwargs: {data: raw}, dependencies: [one]}
"""


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("when: {json: {n: 1}}", "when: {text: raw}"),
        ("when: {json: {n: {$gt: 0}}}", "when: {json: null}"),
        ("when: {headers: {X-Who: me}}", "times: any"),
        ("when: {headers: {$contains: x-who}}", "times: 1"),
        ("when: {headers: {x-who: {$re: m}}, json: {$any: map}}", "when: {text: {$len: 3}}"),
    ],
)
def test_requests_are_told_apart_by_json_text_and_headers(
    tmp_path: Path, first: str, second: str
) -> None:
    case = f"""
    http:
      POST http://a.test/t:
        - {{{first}, return: {{json: one}}}}
        - {{{second}, return: {{json: two}}}}
    expect: {{output: {{$partial: {{data: two}}}}, calls: {{POST http://a.test/t: 2}}}}
    """
    passes(tmp_path, POSTS, case)


def test_a_template_reads_the_request(tmp_path: Path) -> None:
    case = """
    http:
      POST http://a.test/t:
        - {return: {json: "{{call.json.n}}"}}
        - {return: {text: "got {{call.text}}", headers: {x-was: "{{call.text}}"}}}
    expect:
      output: {status: 200, data: got raw, headers: {$partial: {x-was: raw}}}
    """
    passes(tmp_path, POSTS, case)


def test_head_and_errors_of_the_server_are_answers(tmp_path: Path) -> None:
    tasks = "head: {function: tools.fetch.head, args: ['http://a.test/t']}"
    case = """
    http: {'HEAD http://a.test/t': {return: {status: 503, text: ignored, headers: {x-a: b}}}}
    expect: {output: {status: 503, data: null, headers: {$partial: {x-a: b}}}}
    """
    passes(tmp_path, tasks, case)


def test_several_answers_come_one_after_the_other(tmp_path: Path) -> None:
    tasks = GET.replace("result_key: got", "retry: {max_retries: 3, delay: 1s}")
    case = """
    http:
      GET http://a.test/t:
        - {raise: {ConnectError: refused}, times: 2, after: 5s}
        - {raise: ReadTimeout}
        - {return: {json: ok}}
    expect:
      output: {$partial: {data: ok}}
      tasks: {get: {attempts: 4}}
      calls: {tools.fetch.get: 4, GET http://a.test/t: 4}
      duration: 17s
    """
    passes(tmp_path, tasks, case)


def test_a_slow_answer_meets_the_timeout_of_the_task_in_virtual_time(tmp_path: Path) -> None:
    tasks = GET.replace("result_key", "timeout: 10s, result_key")
    case = """
    http: {'GET http://a.test/t': {return: {}, after: 30s}}
    expect: {error: TimeoutError, tasks: {get: timed_out}, duration: 10s}
    """
    passes(tmp_path, tasks, case)


def test_a_request_without_an_answer_fails_the_case(tmp_path: Path) -> None:
    case = """
    http: {'GET http://a.test/other': {return: {}}}
    expect: {status: failed}
    """
    done, _ = run(load(tmp_path, file_of(GET, case)), "case")
    assert [each.message for each in done.faults] == [
        (
            "no answer for GET http://a.test/t; add one:\n"
            "http:\n  GET http://a.test/t: {return: {status: 200, json: {}}}"
        ),
        "the stub for 'GET http://a.test/other' was never used",
    ]
    assert str(done.result.error) == "Unstubbed: no answer for GET http://a.test/t"


def test_a_request_past_the_end_fails_the_case(tmp_path: Path) -> None:
    case = """
    http: {'POST http://a.test/t': [{return: {}}]}
    expect: {status: failed}
    """
    assert ran(tmp_path, POSTS, case) == [
        "7:36: no entry for 'POST http://a.test/t' answers request 2, of 'two'"
    ]


def test_a_reply_that_cannot_be_rendered_fails_the_case(tmp_path: Path) -> None:
    case = """
    http: {'GET http://a.test/t': {return: {json: "{{call.json.n}}"}}}
    expect: {status: failed}
    """
    (found,) = ran(tmp_path, GET, case)
    assert found.startswith("6:35: the answer: ")


def test_a_request_outside_of_a_call_is_refused() -> None:
    book = StubBook(Scripts({}, {}, {}), False, None, {})  # type: ignore[arg-type]  # never asked
    with pytest.raises(Unstubbed, match="requested outside of any task"):
        book.respond(HttpRequest("GET", "http://a.test/", {}, "", None))
    assert [each.loc for each in book.faults] == [("http",)]


def test_a_task_stub_is_narrower_than_http(tmp_path: Path) -> None:
    case = """
    http: {'GET http://a.test/t': {return: {}}}
    stubs: {get: {return: 1}}
    expect: {output: 1}
    """
    assert ran(tmp_path, GET, case) == ["6:35: the stub for 'GET http://a.test/t' was never used"]


# --- cancel --------------------------------------------------------------------------------------


def test_cancel_stops_the_run_from_outside(tmp_path: Path) -> None:
    case = """
    stubs: {one: {return: 1, after: 1m}, two: {return: 2, after: 10m}}
    cancel: {at: 5m}
    expect:
      status: cancelled
      duration: 5m
      tasks: {one: success, two: cancelled, end: {status: cancelled, attempts: 0}}
    """
    passes(tmp_path, LINE, case)


def test_a_cancel_after_the_end_changes_nothing(tmp_path: Path) -> None:
    passes(tmp_path, ASK, "stubs: {ask: {return: 1}}\ncancel: {at: 5m}\nexpect: {duration: 0}")
