"""Cases at collection: what they are put together of, and what is wrong in their text."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_host import headlines, load, messages, outcome, run, tabled, text_of

from pytest_highway.errors import SourceError

TASKS = """
ask: {function: app.ask, args: [1, two], kwargs: {deep: {a: 1}}, result_key: answer}
check:
  operator_type: condition
  condition: results.answer == 5
  if_true: good
  if_false: bad
  dependencies: [ask]
good: {function: app.save, args: ["{{results.answer}}"]}
bad: {function: tools.log.info, args: ["{{variables.word}} {{env.MODE}}"]}
"""
TOP = "variables: {word: no}\nenv: {MODE: dry}\n"
# Tasks and top take fourteen lines; the first case begins in line 15.
FIRST = 15


def flow(tests: str, top: str = TOP) -> str:
    return text_of(TASKS, tests, top)


def one(rest: str) -> str:
    """A file with one case `case`, whose words are `rest`, from column 5 on."""
    return flow("case:\n" + "".join(f"  {line}\n" for line in rest.strip("\n").split("\n")))


def faults(folder: Path, rest: str) -> list[str]:
    """What is wrong with the words of a case, lines counted from that of its name."""
    found = []
    for each in headlines(folder, one(rest)):
        line, _, after = each.partition(":")
        found.append(f"{int(line) - FIRST}:{after}")
    return found


GOOD = """
stubs: {ask: {return: 5}, good: {return: null}}
expect: {status: success}
"""


def test_a_case_that_fits_has_no_faults(tmp_path: Path) -> None:
    assert faults(tmp_path, GOOD) == []
    assert messages(tmp_path, one(GOOD)) == []


# --- names and words -----------------------------------------------------------------------------

STATES = "'success', 'failed', 'timed_out', 'skipped', 'upstream_failed', 'cancelled'"


@pytest.mark.parametrize(("words", "found"), tabled("case_faults.txt"))
def test_what_cannot_be_meant_is_found_at_its_place(
    tmp_path: Path, words: str, found: list[str]
) -> None:
    assert faults(tmp_path, words) == found


def test_the_table_of_faults_is_read() -> None:
    assert len(tabled("case_faults.txt")) > 100


NO_EXPECT = "the case expects nothing, so it tests nothing; add `expect`"
NO_WORD = "the case expects nothing, so it tests nothing; say what in `expect`"
NO_MAP = "expected a mapping with `expect` and whatever else makes a case"


@pytest.mark.parametrize(
    ("case", "finding"),
    [
        ("case: {}", f"15:3: {NO_EXPECT}"),
        ("case: {stubs: {}}", f"15:3: {NO_EXPECT}"),
        ("case: {expect: }", f"15:10: {NO_EXPECT}"),
        ("case: {expect: {}}", f"15:10: {NO_EXPECT}"),
        ("case: {expect: {x-why: 1}}", f"15:10: {NO_WORD}"),
        ("case: []", f"15:9: {NO_MAP}"),
        ("case: ", f"15:8: {NO_MAP}"),
        ("check: {expect: {status: success}}", "15:3: the case name 'check' is taken"),
        ("a b: {expect: {output: 1}}", "15:3: the case name 'a b' does not match [A-Za-z0-9_.-]+"),
    ],
)  # fmt: skip
def test_what_is_no_case_is_an_error(tmp_path: Path, case: str, finding: str) -> None:
    assert headlines(tmp_path, flow(case)) == [finding]


def test_all_faults_of_all_cases_and_of_the_tasks_come_together(tmp_path: Path) -> None:
    text = text_of(
        "ask: {function: app.aks, args: []}\nnext: {function: app.save, dependencies: [asc]}",
        """
        one:
          stubs: {asc: {return: 1}}
          expect: {tasks: {ask: sucess, nxt: skipped}, status: done}
        two: {}
        three: {variables: {v: 1}, expect: {error: KeyEror}}
        """,
    )
    assert headlines(tmp_path, text) == [
        "3:19: unknown tool 'app.aks'; did you mean 'app.ask'?",
        "4:45: unknown dependency 'asc'; did you mean 'ask'?",
        "7:13: unknown task 'asc'; did you mean 'ask'?",
        f"8:27: 'sucess' is not allowed here; allowed: {STATES}; did you mean 'success'?",
        "8:35: unknown task 'nxt'; did you mean 'next'?",
        "8:58: 'done' is not allowed here; allowed: 'success', 'failed', 'cancelled'",
        "9:3: the case expects nothing, so it tests nothing; add `expect`",
        "10:23: unknown variable 'v'; there are none",
        (
            "10:46: unknown exception 'KeyEror'; others are written 'module:Class'; "
            "did you mean 'KeyError'?"
        ),
    ]


def test_a_case_is_checked_although_the_shape_of_a_task_is_wrong(tmp_path: Path) -> None:
    text = text_of("ask: {function: 5}\nnext: 7", "case: {expect: {tasks: {aks: success}}}")
    assert headlines(tmp_path, text) == [
        "3:19: expected text, got the number 5; quote it to keep the text: '5'",
        "4:9: expected a mapping, got the number 7",
        "6:27: unknown task 'aks'; did you mean 'ask'?",
    ]


def test_keys_with_x_are_the_authors_and_are_not_rendered(tmp_path: Path) -> None:
    words = """
x-note: "{{whatever}}"
stubs:
  ask: {return: 5, x-why: "{{no.root}}"}
  good: [{return: 1, x-a: 1}]
http: {}
expect: {status: success, x-b: "{{c}}"}
"""
    assert messages(tmp_path, one(words)) == []


def test_a_key_with_x_in_a_value_is_data(tmp_path: Path) -> None:
    words = """
params: {a: {v: 1}}
stubs: {ask: {return: {x-v: "{{params.v}}"}}}
expect: {results: {answer: {x-v: 1}}}
"""
    assert messages(tmp_path, one(words), "case[a]") == []


# --- variables and environment -------------------------------------------------------------------


def test_variables_and_env_of_a_case_replace_declared_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODE", "of the process")
    text = flow(
        """
        own:
          variables: {word: yes}
          env: {MODE: wet}
          stubs: {ask: {return: 1}}
          expect: {transcript: {level: log, lines: ["info: yes wet"]}}
        declared:
          stubs: {ask: {return: 1}}
          expect: {transcript: {level: log, lines: ["info: no dry"]}}
        """
    )
    loaded = load(tmp_path, text)
    assert outcome(loaded, "own") == []
    assert outcome(loaded, "declared") == []


# --- params --------------------------------------------------------------------------------------


def test_params_make_one_case_each_named_by_their_ids(tmp_path: Path) -> None:
    words = """
params: {teapot: {code: 418}, gone.for-good: {code: 410}}
expect: {status: success}
"""
    loaded = load(tmp_path, one(words))
    assert [each.name for each in loaded.cases] == ["case[teapot]", "case[gone.for-good]"]
    assert [each.base for each in loaded.cases] == ["case", "case"]


def test_templates_over_params_stand_anywhere_keys_numbers_matchers_and_stubs(
    tmp_path: Path,
) -> None:
    words = """
description: "code {{params.code}}"
params:
  five: {code: 5, name: ask, times: 2, wait: 30, side: if_true, error: KeyError}
  six: {code: 6, name: ask, times: 3, wait: 40, side: if_false, error: OSError}
variables: {word: "{{params.error}}"}
stubs:
  "{{params.name}}":
    - when: {args: [{$lt: "{{params.times}}"}, two]}
      return: "{{params.code}}"
      times: "{{params.times}}"
      after: "{{params.wait}}"
  app.save: [{return: "{{params.code}}:{{call.args[0]}}"}]
expect:
  branches: {check: "{{params.side}}"}
  tasks: {"{{params.name}}": {attempts: {$le: "{{params.times}}"}}}
  results: {answer: {$approx: "{{params.code}}", tol: "{{ params.times - 2 }}"}}
  duration: "{{params.wait}}s"
"""
    loaded = load(tmp_path, one(words))
    assert outcome(loaded, "case[five]") == []
    (unused,) = outcome(loaded, "case[six]")
    assert unused == "27:18: entry 1 of the stub for 'app.save' was never used"


def test_templates_over_params_stand_in_http(tmp_path: Path) -> None:
    text = text_of(
        "get: {function: tools.fetch.get, args: ['http://a.test/t/7']}",
        """
        case:
          params: {a: {id: 7, code: 201, title: milk, header: x-kind}}
          http:
            GET http://a.test/t/{{params.id}}:
              return:
                status: "{{params.code}}"
                json: {id: "{{params.id}}", title: "{{params.title}}"}
                headers: {"{{params.header}}": "{{params.id}}"}
          expect:
            calls: {"GET http://a.test/t/{{params.id}}": 1}
            output: {status: 201, data: {id: 7, title: milk}, headers: {$partial: {x-kind: "7"}}}
        """,
    )
    assert messages(tmp_path, text, "case[a]") == []


def test_a_value_that_holds_braces_is_never_read_as_a_template(tmp_path: Path) -> None:
    words = """
params: {a: {text: '{{ "{{" }}fixtures.x}}'}}
stubs: {ask: {return: "{{params.text}}"}, good: {return: '{{ "{{" }}'}}
expect: {results: {answer: "{{params.text}}"}}
"""
    done, failures = run(load(tmp_path, one(words)), "case[a]")
    assert done.result.results == {"answer": "{{fixtures.x}}"}
    assert failures == []


# --- fixtures ------------------------------------------------------------------------------------


def test_templates_over_fixtures_are_rendered_when_the_case_runs(tmp_path: Path) -> None:
    words = """
fixtures: [tmp_path, number]
variables: {word: "{{fixtures.tmp_path}}"}
stubs:
  ask: {return: {dir: "{{fixtures.tmp_path}}/x"}, after: "{{fixtures.number}}"}
expect:
  duration: "{{fixtures.number}}"
  results: {answer: {"dir": {$re: "^{{fixtures.tmp_path}}/x$"}}}
  transcript:
    level: log
    lines: ["info: {{fixtures.tmp_path}} dry"]
"""
    loaded = load(tmp_path, one(words))
    assert outcome(loaded, "case", tmp_path=Path("/q"), number=3) == []


def test_params_may_read_fixtures(tmp_path: Path) -> None:
    words = """
fixtures: [tmp_path]
params: {a: {dir: "{{fixtures.tmp_path}}/x"}}
stubs: {ask: {return: "{{params.dir}}"}}
expect: {results: {answer: "{{fixtures.tmp_path}}/x"}}
"""
    assert outcome(load(tmp_path, one(words)), "case[a]", tmp_path=Path("/q")) == []


def test_a_fixture_is_read_by_answers_alone(tmp_path: Path) -> None:
    words = """
fixtures: [tmp_path]
stubs: {ask: {return: "{{fixtures.tmp_path}}"}}
expect: {results: {answer: /q}}
"""
    assert outcome(load(tmp_path, one(words)), "case", tmp_path=Path("/q")) == []


def test_a_fixture_may_give_a_name_which_is_checked_then(tmp_path: Path) -> None:
    words = """
fixtures: [name]
stubs: {"{{fixtures.name}}": {return: 5}, good: {return: 1}}
expect: {tasks: {"{{fixtures.name}}": success}, calls: {"{{fixtures.name}}": 1}}
"""
    loaded = load(tmp_path, one(words))
    assert outcome(loaded, "case", name="ask") == []
    with pytest.raises(SourceError, match="unknown task 'aks'; did you mean 'ask'"):
        run(loaded, "case", name="aks")


def test_a_fixture_of_the_wrong_type_is_a_fault_when_the_case_runs(tmp_path: Path) -> None:
    words = """
fixtures: [number]
stubs: {ask: {return: 5, times: "{{fixtures.number}}"}, good: {return: 1}}
expect: {status: success}
"""
    loaded = load(tmp_path, one(words))
    assert outcome(loaded, "case", number=3) == []
    with pytest.raises(SourceError, match="'many' is no number of answers"):
        run(loaded, "case", number="many")
    with pytest.raises(SourceError, match="'x'"):
        run(load(tmp_path, one(words.replace(".number}}", ".number.x}}"))), "case", number=3)


def test_a_fixture_that_is_no_plain_data_is_read_as_its_text(tmp_path: Path) -> None:
    class Handle:
        def __str__(self) -> str:
            return "handle 7"

    words = """
fixtures: [handle]
stubs: {ask: {return: "{{fixtures.handle}}"}}
expect: {results: {answer: handle 7}}
"""
    assert outcome(load(tmp_path, one(words)), "case", handle=Handle()) == []


def test_a_fixture_may_name_the_host_of_a_request(tmp_path: Path) -> None:
    text = text_of(
        "get: {function: tools.fetch.get, args: ['http://{{variables.host}}/']}",
        """
        case:
          fixtures: [host]
          variables: {host: "{{fixtures.host}}"}
          http: {"GET http://{{fixtures.host}}/": {raise: {"{{fixtures.error}}": "no"}}}
          expect: {error: OSError}
        """.replace("[host]", "[host, error]"),
        "variables: {host: x}\n",
    )
    assert outcome(load(tmp_path, text), "case", host="a.test", error="OSError") == []


def test_what_waits_for_a_fixture_hides_no_other_fault(tmp_path: Path) -> None:
    words = """
fixtures: [number]
stubs: {ask: {return: 5, times: "{{fixtures.number}}"}, god: {return: 1}}
expect: {tasks: {ask: sucess}, duration: "{{fixtures.number}}"}
"""
    assert faults(tmp_path, words) == [
        "2:61: unknown task 'god'; did you mean 'good'?",
        f"3:27: 'sucess' is not allowed here; allowed: {STATES}; did you mean 'success'?",
    ]


# --- defaults ------------------------------------------------------------------------------------


def test_defaults_are_joined_by_name_and_the_case_wins(tmp_path: Path) -> None:
    text = flow(
        """
        plain: {expect: {order: [ask < good]}}
        own:
          variables: {word: own}
          stubs: {ask: {return: 6}, app.save: {return: 1}}
          expect:
            branches: {check: if_false}
            tasks: {bad: success, good: skipped}
            transcript: {level: log, lines: ["info: own wet"]}
        """,
        TOP
        + """
test_defaults:
  variables: {word: default}
  env: {MODE: wet}
  stubs: {ask: {return: 5}, app.save: {return: 1}, bad: {call: real}}
  expect:
    status: success
    branches: {check: if_true}
    tasks: {ask: success, bad: skipped}
""",
    )
    loaded = load(tmp_path, text)
    assert outcome(loaded, "plain") == []
    assert outcome(loaded, "own") == ["27:41: the stub for 'app.save' was never used"]


def test_stubs_of_defaults_may_stay_unused_and_those_of_the_case_may_not(tmp_path: Path) -> None:
    text = flow(
        """
        case:
          stubs: {bad: {call: real}, app.twice: {call: real}}
          expect: {status: success}
        """,
        TOP
        + """
test_defaults:
  stubs: {ask: {return: 5}, bad: {return: 2}, app.save: {return: 1}, app.spend: {return: 1}}
""",
    )
    assert messages(tmp_path, text) == [
        "19:18: the stub for 'bad' was never used",
        "19:43: the stub for 'app.twice' was never used",
    ]


def test_marks_and_fixtures_of_defaults_come_first(tmp_path: Path) -> None:
    text = flow(
        "case: {marks: [two, {three: 3}], fixtures: [tmp_path, b], expect: {status: success}}",
        TOP + "test_defaults: {marks: [one], fixtures: [a, tmp_path]}\n",
    )
    (case,) = load(tmp_path, text).cases
    assert case.model.marks == ["one", "two", {"three": 3}]
    assert case.model.fixtures == ["a", "tmp_path", "b"]


def test_what_is_wrong_in_a_joined_list_stands_where_it_was_written(tmp_path: Path) -> None:
    text = flow(
        "case: {marks: [fine, parametrize], expect: {status: success}}",
        TOP + "test_defaults: {marks: [a b, ok]}\n",
    )
    assert headlines(tmp_path, text) == [
        "4:25: 'a b' is no mark that a case can carry",
        "16:24: 'parametrize' is no mark that a case can carry; use `params`",
    ]


def test_defaults_are_checked_also_where_every_case_replaces_them(tmp_path: Path) -> None:
    text = flow(
        "case: {stubs: {ask: {return: 5}}, expect: {tasks: {ask: success}}}",
        TOP
        + """
test_defaults:
  stubs: {ask: {retrun: 5}}
  expect: {tasks: {ask: sucess, aks: failed}}
  foo: 1
""",
    )
    assert headlines(tmp_path, text) == [
        (
            "6:17: unknown key 'retrun'; allowed: 'when', 'times', 'return', 'raise', 'call', "
            "'exit', 'stdout', 'stderr', 'outputs', 'after', 'usage', 'log'; did you mean 'return'?"
        ),
        f"7:25: 'sucess' is not allowed here; allowed: {STATES}; did you mean 'success'?",
        "7:33: unknown task 'aks'; did you mean 'ask'?",
        (
            "8:3: unknown key 'foo'; allowed: 'description', 'variables', 'env', 'marks', "
            "'fixtures', 'params', 'stubs', 'http', 'real', 'events', 'locks', 'cancel', 'now', 'expect'"
        ),
    ]


def test_defaults_without_cases_are_checked(tmp_path: Path) -> None:
    text = "name: f\ntasks: {a: {function: app.ask}}\ntest_defaults: {stubs: {b: {return: 1}}}\n"
    assert headlines(tmp_path, text) == ["3:25: unknown task 'b'; there are 'a'"]


@pytest.mark.parametrize("value", ["[1]", "word"])
def test_defaults_of_another_shape_are_an_error(tmp_path: Path, value: str) -> None:
    text = flow("case: {expect: {status: success}}", f"{TOP}test_defaults: {value}\n")
    assert headlines(tmp_path, text) == ["4:16: expected a mapping"]


def test_params_of_defaults_hold_for_every_case(tmp_path: Path) -> None:
    text = flow(
        "one: {expect: {status: success}}\ntwo: {params: {c: {}}, expect: {status: success}}",
        TOP + "test_defaults: {params: {a: {}, b: {}}}\n",
    )
    names = [each.name for each in load(tmp_path, text).cases]
    assert names == ["one[a]", "one[b]", "two[c]"]


def test_a_template_in_defaults_is_rendered_for_each_case(tmp_path: Path) -> None:
    text = flow(
        """
        case: {params: {a: {n: 5}}, expect: {results: {answer: 5}}}
        none: {expect: {status: success}}
        """,
        TOP + "test_defaults: {stubs: {ask: {return: '{{params.n}}'}, good: {return: 1}}}\n",
    )
    assert headlines(tmp_path, text) == [
        "4:39: unknown root 'params'; the case has no `params`",
    ]
    assert (
        messages(tmp_path, text.replace("  none: {expect: {status: success}}\n", ""), "case[a]")
        == []
    )


@pytest.mark.parametrize(
    ("taken", "found"),
    [
        ("lock: rep", ["5:18: nothing takes the lock 'repo'; did you mean 'rep'?"]),
        ("description: alone", ["5:18: nothing takes the lock 'repo'"]),
        ("lock: repo", []),
    ],
)
def test_a_busy_lock_is_one_that_the_workflow_takes(
    tmp_path: Path, taken: str, found: list[str]
) -> None:
    """A misspelt name would leave the lock free, and the case would show nothing."""
    tests = "case: {locks: {repo: {held_for: 1s}}, expect: {status: success}}"
    text = text_of(f"a: {{function: app.twice, args: [1], {taken}}}", tests)
    assert headlines(tmp_path, text) == found
