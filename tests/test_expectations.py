"""Expectations: every word of `expect`, what it says when it does not hold, and what would."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_host import REGISTRY, headlines, load, messages, run, tabled, text_of

from pytest_highway.cases.expectations import NOTHING, Checked, Failure, check_expectations
from pytest_highway.cases.simulation import run_case
from pytest_highway.matching.matchers import matches
from pytest_highway.matching.repatterning import updated_pattern

TASKS = """
ask: {function: app.ask, args: [1, x], kwargs: {deep: {a: 1}}, result_key: answer}
check:
  operator_type: condition
  condition: results.answer.ok
  if_true: good
  if_false: bad
  dependencies: [ask]
good: {function: app.save, args: [1]}
bad: {function: tools.log.info, args: ["was {{results.answer.ok}}"]}
count: {function: tools.memory.increment, args: [n], after: [good, bad], dependencies: [ask]}
"""
ANSWER = "{ok: true, tags: [a, b], who: {name: milk, id: 7}}"


def file_of(
    expect: str, stubs: str = f"ask: {{return: {ANSWER}}}, good: {{return: 1, after: 90s}}"
) -> str:
    return text_of(TASKS, f"case:\n  stubs: {{{stubs}}}\n  expect: {expect}")


# Where `expect` stands.
LINE = 16


def failures(folder: Path, expect: str, **how: str) -> list[Failure]:
    return run(load(folder, file_of(expect, **how)), "case")[1]


@pytest.mark.parametrize(
    "expect",
    [
        "{status: success}",
        "{branches: {check: if_true}}",
        "{tasks: {ask: success, bad: skipped, count: {status: success, attempts: 1}}}",
        "{tasks: {bad: {reason: check chose good}, ask: {attempts: {$le: 1}, replaced_by: null}}}",
        "{calls: {app.ask: 1, ask: 1, app.save: {$gt: 0}, tools.log.info: 0}}",
        "{calls: {ask: [{args: [1, {$any: str}], kwargs: {deep: {$partial: {}}}}]}}",
        "{calls: {ask: [{$any: map}], good: [{args: [1]}], bad: []}}",
        f"{{results: {{answer: {ANSWER}}}}}",
        "{results: {answer: {$partial: {who: {$partial: {id: {$ge: 7}}}}}}}",
        "{results: {answer: {ok: {$any: bool}, tags: {$unordered: [b, a]}, who: {$len: 2}}}}",
        "{results: {answer: {ok: {$not: false}, tags: {$contains: a}, who: {$any: map}}}}",
        "{memory: {n: 1}}",
        "{memory: {n: {$lt: 2}}}",
        "{output: {key: n, new_value: {$approx: 1.01, tol: 0.1}}}",
        "{usage: {cost: 0, tokens: 0, tool_calls: 2}}",
        "{usage: {cost: {$le: 1}}}",
        "{duration: 90s}",
        "{duration: 90}",
        "{duration: 1.5m}",
        "{duration: PT1M30S}",
        "{duration: {$lt: 2m}}",
        "{duration: {$approx: 89s, tol: 2s}}",
        "{duration: {$any: float}}",
        "{duration: {$not: {$gt: 2m}}}",
        "{order: [ask < check < good, ask<good, good < count]}",
        "{transcript: {level: log, lines: []}}",
        "{transcript: {level: log, lines: ''}}",
        "{transcript: {match: subset, lines: ['run: success']}}",
        "{transcript: {match: contains, lines: ['bad: .* (re)', 'count: .* (re)']}}",
        "{transcript: ['...', 'count: * (glob)', 'run: success']}",
    ],
)
def test_what_holds_gives_no_failure(tmp_path: Path, expect: str) -> None:
    assert messages(tmp_path, file_of(expect)) == []


@pytest.mark.parametrize(("words", "found"), tabled("expectation_failures.txt"))
def test_what_does_not_hold_says_so_at_its_place_in_file_order(
    tmp_path: Path, words: str, found: list[str]
) -> None:
    expect = words.removeprefix("expect: ")
    assert messages(tmp_path, file_of(expect)) == [f"{LINE}:{each}" for each in found]


FAILS = "ask: {raise: {ConnectionError: reset by peer}}"


@pytest.mark.parametrize(
    "expect",
    [
        "{error: ConnectionError}",
        "{status: failed, error: {type: 'builtins:ConnectionError'}}",
        "{error: {message: {$contains: reset}, task: ask}}",
        "{error: {type: {$re: Connection}, message: reset by peer, task: {$any: str}}}",
        "{status: failed, tasks: {ask: {reason: {$re: reset}}, good: upstream_failed}}",
        "{status: failed, branches: {check: null}}",
    ],
)
def test_an_expected_error_holds_and_implies_that_the_run_failed(
    tmp_path: Path, expect: str
) -> None:
    assert messages(tmp_path, file_of(expect, FAILS)) == []


@pytest.mark.parametrize(("words", "found"), tabled("error_failures.txt"))
def test_another_error_than_the_expected_one_is_named(
    tmp_path: Path, words: str, found: list[str]
) -> None:
    expect = words.removeprefix("expect: ")
    assert messages(tmp_path, file_of(expect, FAILS)) == [f"{LINE}:{each}" for each in found]


def test_an_expected_fallback_is_named(tmp_path: Path) -> None:
    text = text_of(
        "ask: {function: app.ask, on_failure: {fallback: plan_b}}\nplan_b: {function: app.save}",
        """
        case:
          stubs: {ask: {raise: KeyError}, plan_b: {return: 2}}
          expect: {status: success, tasks: {ask: {status: failed, replaced_by: plan_b}}}
        wrong:
          stubs: {ask: {raise: KeyError}, plan_b: {return: 2}}
          expect: {tasks: {ask: {replaced_by: }}}
        """,
    )
    assert messages(tmp_path, text) == []
    assert messages(tmp_path, text, "wrong") == [
        '11:41: tasks.ask.replaced_by: expected null, got "plan_b"'
    ]


def test_costs_add_exactly(tmp_path: Path) -> None:
    text = text_of(
        "\n".join(f"t{n}: {{function: app.ask}}" for n in range(10)),
        """
        case:
          stubs: {app.ask: {return: 1, usage: {cost: 0.1, tokens: 1}}}
          expect: {usage: {cost: 1, tokens: 10}}
        """,
    )
    assert messages(tmp_path, text) == []


def test_braces_in_a_transcript_are_text_but_for_params_and_fixtures(tmp_path: Path) -> None:
    text = text_of(
        "say: {function: tools.log.info, args: ['{{ \"{{\" }}results.x}} {{variables.n}}']}",
        """
        case:
          params: {a: {n: 5}}
          variables: {n: "{{params.n}}"}
          expect:
            transcript: |
              say: tools.log.info("{{results.x}} {{params.n}}")
                info: {{results.x}} {{ params.n }}
              run: success
        """,
        "variables: {n: 0}\n",
    )
    assert messages(tmp_path, text, "case[a]") == []


# --- the golden file -----------------------------------------------------------------------------


def golden(folder: Path, text: str | None, level: str = "log") -> list[Failure]:
    expect = f"{{transcript: {{level: {level}, lines: golden}}}}"
    loaded = load(folder, file_of(expect, f"ask: {{return: {ANSWER.replace('true', 'false')}}}"))
    (case,) = loaded.cases
    result = run_case(case, loaded.plan, REGISTRY).result
    return check_expectations(Checked(case, result, REGISTRY, lambda: text))


@pytest.mark.parametrize(
    "text", ["info: was false\n", "info: was false", "...\n", "info: w.* (re)"]
)
def test_a_golden_file_that_matches_gives_no_failure(tmp_path: Path, text: str) -> None:
    assert golden(tmp_path, text) == []


def test_a_golden_file_that_differs_shows_the_difference_and_what_to_write(tmp_path: Path) -> None:
    (failure,) = golden(tmp_path, "info: was true\n")
    assert failure.message == "transcript: line 1: expected 'info: was true', got 'info: was false'"
    assert failure.golden
    assert failure.update == ["info: was false"]
    assert failure.difference is not None
    assert failure.difference.diff[3:5] == ["-info: was true", "+info: was false"]


def test_a_missing_golden_file_fails(tmp_path: Path) -> None:
    (failure,) = golden(tmp_path, None)
    assert failure.golden
    assert failure.update == ["info: was false"]


# --- what is shown below, and what an update would write -----------------------------------------


def test_failures_about_calls_list_the_calls(tmp_path: Path) -> None:
    (failure,) = failures(tmp_path, "{calls: {ask: 2}}")
    assert failure.detail == 'ask: app.ask(1, "x", deep={"a": 1})'


def test_many_calls_are_listed_in_part(tmp_path: Path) -> None:
    text = text_of(
        "\n".join(f"t{n}: {{function: app.ask}}" for n in range(12)),
        "case: {stubs: {app.ask: {return: 1}}, expect: {calls: {app.ask: [], t1: 1}}}",
    )
    (failure,) = run(load(tmp_path, text), "case")[1]
    assert failure.detail.split("\n")[-2:] == ["t9: app.ask()", "and 2 more"]


def test_failures_about_requests_list_them(tmp_path: Path) -> None:
    text = text_of(
        "get: {function: tools.fetch.get, args: ['http://a.test/']}",
        """
        case:
          http: {'GET http://a.test/': {return: {}}}
          expect: {calls: {'GET http://a.test/': 2}}
        listed:
          http: {'GET http://a.test/': {return: {}}}
          expect: {calls: {'GET http://a.test/': [{}]}}
        """,
    )
    assert headlines(tmp_path, text) == [
        (
            "10:44: requests are counted, so a number is expected; "
            "what they hold can be told apart by `when` in `http`"
        )
    ]
    counted = text[: text.index("  listed:")]
    (failure,) = run(load(tmp_path, counted), "case")[1]
    assert failure.detail == "get: GET http://a.test/"


@pytest.mark.parametrize(
    ("stubs", "below"),
    [
        (f"ask: {{return: {ANSWER}}}, good: {{return: 1}}", "check: true -> if_true: good"),
        (FAILS, "check ended upstream_failed (dependency failed: ask)"),
        (
            "ask: {return: {no: 1}}",
            "check ended failed (MissingValue: results.answer has no 'ok'; it has 'no')",
        ),
    ],
)
def test_a_failure_about_a_branch_shows_why(tmp_path: Path, stubs: str, below: str) -> None:
    found = failures(tmp_path, "{branches: {check: if_false}}", stubs=stubs)
    assert [each.detail for each in found if each.loc[1] == "branches"] == [below]


def test_a_failure_about_the_error_shows_the_whole(tmp_path: Path) -> None:
    (failure,) = failures(tmp_path, "{error: {message: no}}", stubs=FAILS)
    assert failure.detail == "the run's error: ask: ConnectionError: reset by peer"


ANSWERED = ("results", "answer")
WHO = {"name": "milk", "id": 7}


@pytest.mark.parametrize(
    ("expect", "edits"),
    [
        ("{status: failed}", [(("status",), "success")]),
        ("{error: KeyError}", [(("status",), NOTHING), (("error",), NOTHING)]),
        ("{branches: {check: null}}", [(("branches", "check"), "if_true")]),
        ("{tasks: {ask: failed}}", [(("tasks", "ask"), "success")]),
        ("{tasks: {ask: {attempts: 2}}}", [(("tasks", "ask", "attempts"), 1)]),
        ("{calls: {ask: 2}}", [(("calls", "ask"), 1)]),
        (
            "{calls: {ask: [{args: [1, x]}]}}",
            [(("calls", "ask", 0), {"args": [1, "x"], "kwargs": {"deep": {"a": 1}}})],
        ),
        (
            "{calls: {ask: []}}",
            [(("calls", "ask"), [{"args": [1, "x"], "kwargs": {"deep": {"a": 1}}}])],
        ),
        ("{calls: {good: [{args: [2]}]}}", [(("calls", "good", 0, "args", 0), 1)]),
        ("{calls: {good: [{args: [1, 2]}]}}", [(("calls", "good", 0), {"args": [1]})] * 2),
        ("{calls: {good: []}}", [(("calls", "good"), [{"args": [1]}])]),
        (
            "{calls: {count: [{kwargs: {a: 1}}]}}",
            [(("calls", "count", 0), {"args": ["n"], "kwargs": {}})] * 3,
        ),
        ("{memory: {n: {$gt: 1}}}", [(("memory", "n"), 1)]),
        (
            "{results: {answer: {$partial: {who: {$partial: {name: x}}}}}}",
            [(("results", "answer", "$partial", "who", "$partial", "name"), "milk")],
        ),
        (
            "{results: {answer: {ok: {$any: bool}, tags: {$len: 2}, who: {name: milk}}}}",
            [(ANSWERED, {"ok": {"$any": "bool"}, "tags": {"$len": 2}, "who": WHO})],
        ),
        (
            "{results: {answer: {$partial: {tags: {$len: 3}, no: 1}}}}",
            [(("results", "answer"), {"$partial": {"tags": ["a", "b"]}})] * 2,
        ),
        (
            "{results: {answer: {$partial: {no: 1}}}}",
            [(ANSWERED, {"ok": True, "tags": ["a", "b"], "who": WHO})],
        ),
        ("{duration: 5}", [(("duration",), "90s")]),
        ("{order: [good < ask]}", [(("order", 0), NOTHING)]),
        ("{memory: {m: 1}}", [(("memory", "m"), NOTHING)]),
        ("{transcript: {level: log, lines: [x]}}", [(("transcript", "lines"), [])]),
        (
            "{transcript: {level: log, match: subset, lines: [x]}}",
            [(("transcript", "lines"), NOTHING)],
        ),
    ],
)
def test_an_update_writes_what_would_hold_and_keeps_what_does(
    tmp_path: Path, expect: str, edits: list[tuple[tuple[str, ...], object]]
) -> None:
    found = failures(tmp_path, expect)
    assert [(each.edited[1:], each.update) for each in found] == edits


@pytest.mark.parametrize(
    ("pattern", "value", "updated"),
    [
        (1, 2, 2),
        ({"$gt": 1}, 2, {"$gt": 1}),
        ({"$gt": 2}, 2, 2),
        ([{"$any": "int"}, 2], [1, 3], [{"$any": "int"}, 3]),
        ([1], [1, {"$x": 2}], [1, {"$$x": 2}]),
        ([1, 2, 3], [1], [1]),
        ({"a": {"$any": True}, "b": 1}, {"c": 2, "a": 1}, {"a": {"$any": True}, "c": 2}),
        ({"$$x": {"$any": True}}, {"$x": 1, "$y": 2}, {"$$x": {"$any": True}, "$$y": 2}),
        ({"$partial": {"a": 1, "b": 2}}, {"a": 3, "c": 4}, {"$partial": {"a": 3}}),
        ({"$partial": {"b": 2}}, {"a": 3}, {"a": 3}),
        ({"$unordered": [1]}, {"a": 3}, {"a": 3}),
        ({"a": 1}, [1], [1]),
        ([1], None, None),
    ],
)
def test_an_updated_pattern_matches_and_keeps_what_matched(
    pattern: object, value: object, updated: object
) -> None:
    assert updated_pattern(pattern, value) == updated
    assert matches(updated, value)
