"""The operator `wait`: times, events, conditions; what comes in and who takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, verdict

HOLDS = {
    "a duration": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: 5m, result_key: r}}
        tests: {t: {expect: {duration: 5m, results: {r: null},
                             transcript: ["a: wait 5m -> r", "run: success"]}}}
        """,
    "a number of seconds": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: 1.5}}
        tests: {t: {expect: {duration: 1.5, transcript: ["a: wait 1.5s", "run: success"]}}}
        """,
    "nothing at all": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: 0}}
        tests: {t: {expect: {duration: 0}}}
        """,
    "duration:": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: "duration:PT1M"}}
        tests: {t: {expect: {duration: 60}}}
        """,
    "time: is the next one, strictly after now": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: "time:10:00:30"}}
        tests:
          later: {now: 2026-01-01T10:00:00Z, expect: {duration: 30s}}
          now: {now: 2026-01-01T10:00:30Z, expect: {duration: 1d}}
          tomorrow: {now: 2026-01-01T10:01:00Z, expect: {duration: {$approx: 86370}}}
          zoned: {now: "2026-01-01T12:00:00+02:00", expect: {duration: 30s}}
        """,
    "a date and time, and one in the past": """
        name: w
        variables: {when: "2026-01-01T00:01:00Z"}
        tasks: {a: {operator_type: wait, wait_for: "{{variables.when}}"}}
        tests:
          t: {now: 2026-01-01T00:00:00Z, expect: {duration: 60, transcript:
              ["a: wait 2026-01-01T00:01:00Z", "run: success"]}}
          past: {now: 2027-01-01T00:00:00Z, expect: {duration: 0}}
          date: {now: 2026-01-01T00:00:00Z, variables: {when: 2026-01-02},
                 expect: {duration: 1d}}
          zone: {now: 2026-01-01T00:00:00Z, variables: {when: "2026-01-01T01:00:00+01:00"},
                 expect: {duration: 0}}
        """,
    "a template that gives nothing to wait for fails the wait": """
        name: w
        variables: {for: soon}
        tasks: {a: {operator_type: wait, wait_for: "{{variables.for}}"}}
        tests:
          t: {expect: {error: {type: ValueError, task: a,
                               message: {$contains: "'soon' is nothing to wait for"}}}}
          nothing: {variables: {for: null}, expect: {error: {type: ValueError}}}
          negative: {variables: {for: -1}, expect: {error: {type: ValueError}}}
          number: {variables: {for: 90}, expect: {duration: 90}}
        """,
    "an event from outside, with its data as the result": """
        name: w
        tasks:
          a: {operator_type: wait, wait_for: {event: approved}, result_key: r}
          b: {function: app.echo, args: ["{{results.r.by}}"], dependencies: [a], result_key: by}
        tests:
          t:
            events: [{at: 10m, name: approved, data: {by: ops}}]
            expect:
              duration: 10m
              results: {r: {by: ops}, by: ops}
              transcript: |
                a: wait event 'approved' -> r
                b: app.echo("ops") -> by
                run: success
        """,
    "an event that a task sends": """
        name: w
        tasks:
          send: {function: tools.events.emit, args: [go, {n: 1}]}
          a: {operator_type: wait, wait_for: {event: go}, result_key: r}
        tests: {t: {expect: {results: {r: {n: 1}}}}}
        """,
    "match decides which event is meant, and reads its fields and the rest": """
        name: w
        variables: {who: me}
        tasks:
          a: {operator_type: wait, result_key: r,
              wait_for: {event: ok, match: "event.by == variables.who and event.name == 'ok'"}}
          b: {operator_type: wait, wait_for: {event: ok, match: "{{event.data.by}} == 'you'"}}
        tests:
          t:
            events: [{at: 1s, name: ok, data: {by: you}}, {at: 2s, name: ok, data: {by: me, n: 2}}]
            expect: {results: {r: {by: me, n: 2}}, duration: 2s}
        """,
    "a match that cannot be evaluated fails the wait": """
        name: w
        tasks:
          a: {operator_type: wait, wait_for: {event: ok, match: event.ghost == 1}}
          b: {operator_type: wait, wait_for: {event: ok}}
        tests:
          t: {events: [{name: ok, data: {by: you}}],
              expect: {error: {type: MissingValue, task: a}, tasks: {b: success}}}
          kept: {events: [{name: ok, data: {by: you}}], expect: {error: {task: a}}}
        """,
    "a kept event whose match cannot be evaluated fails the wait that opens": """
        name: w
        tasks:
          before: {operator_type: wait, wait_for: 1m}
          b: {operator_type: wait, wait_for: {event: ok}, dependencies: [a], trigger_rule: all_done}
          a: {operator_type: wait, wait_for: {event: ok, match: event.ghost == 1},
              dependencies: [before]}
        tests:
          t: {events: [{name: ok, data: {by: you}}],
              expect: {error: {type: MissingValue, task: a}, tasks: {b: success}}}
        """,
    "an event goes to all waits that are open for it": """
        name: w
        tasks:
          a: {operator_type: wait, wait_for: {event: go}}
          b: {operator_type: wait, wait_for: {event: go}}
        tests: {t: {events: [{at: 1s, name: go}], expect: {duration: 1s}}}
        """,
    "one that nobody waits for is kept for the first that opens": """
        name: w
        tasks:
          first: {operator_type: wait, wait_for: 1m}
          a: {operator_type: wait, wait_for: {event: go}, dependencies: [first], result_key: r}
          b: {operator_type: wait, wait_for: {event: go, timeout: 1h}, dependencies: [a]}
        tests:
          t:
            events: [{name: go, data: 1}]
            expect:
              results: {r: 1}
              error: {type: TimeoutError, task: b, message: "no event 'go' within 1h"}
              tasks: {b: timed_out}
              duration: {$approx: 3660}
        """,
    "kept events are taken in the order in which they came": """
        name: w
        tasks:
          first: {operator_type: wait, wait_for: 1m}
          a: {operator_type: wait, wait_for: {event: go}, dependencies: [first], result_key: one}
          b: {operator_type: wait, wait_for: {event: go}, dependencies: [a], result_key: two}
        tests:
          t: {events: [{at: 2s, name: go, data: second}, {at: 1s, name: go, data: first}],
              expect: {results: {one: first, two: second}}}
        """,
    "the timeout of an event is exact, and an event at that moment is in time": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: {event: go, timeout: 5s}}}
        tests:
          t: {events: [{at: 5s, name: go}], expect: {tasks: {a: success}}}
        """,
    "on_failure and critical hold for waits": """
        name: w
        tasks:
          a: {operator_type: wait, wait_for: {event: go, timeout: 5s}, on_failure: continue,
              critical: false}
          b: {function: app.echo, dependencies: [a]}
        tests: {t: {expect: {status: success, tasks: {a: timed_out, b: success}}}}
        """,
    "the timeout of the operator bounds any wait": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: 1h, timeout: 5s}}
        tests:
          t: {expect: {duration: 5s, tasks: {a: timed_out},
                       error: {type: TimeoutError, message: not done within 5s}}}
        """,
    "a default timeout is no bound on a wait": """
        name: w
        defaults: {timeout: 1s, retry: 3}
        tasks: {a: {operator_type: wait, wait_for: 1h}}
        tests: {t: {expect: {duration: 1h}}}
        """,
    "until looks at once, then every so often, and reads what a task beside it writes": """
        name: w
        tasks:
          a: {operator_type: wait, wait_for: {until: "memory.ready | default(false)", every: 10s}}
          slow: {operator_type: wait, wait_for: 25s}
          set: {function: tools.memory.set, args: [ready, true], dependencies: [slow]}
        tests:
          t: {expect: {duration: 30s, transcript: {match: subset, lines:
              ["a: wait until memory.ready | default(false)"]}}}
        """,
    "until holds at once": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: {until: "true", every: 1h}}}
        tests: {t: {expect: {duration: 0}}}
        """,
    "until times out, after a last look": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: {until: "false", every: 4s, timeout: 10s}}}
        tests:
          t: {expect: {duration: 10s, error: {type: TimeoutError, task: a,
                       message: the condition does not hold after 10s}, tasks: {a: timed_out}}}
        """,
    "until that cannot be evaluated fails": """
        name: w
        tasks: {a: {operator_type: wait, wait_for: {until: "1 < 'a'", every: 4s}}}
        tests: {t: {expect: {error: {type: ExpressionError, task: a}}}}
        """,
    "waits hold no slot": """
        name: w
        max_concurrency: 1
        tasks:
          a: {operator_type: wait, wait_for: 1h}
          b: {operator_type: wait, wait_for: 1h}
          c: {function: app.ask}
        tests:
          t: {stubs: {c: {return: 1, after: 1s}}, expect: {duration: 1h}}
        """,
    "a cancelled wait takes no event": """
        name: w
        tasks:
          a: {operator_type: wait, wait_for: {event: go}}
          clean: {operator_type: wait, wait_for: {event: go}, finally: true}
        tests:
          t: {cancel: {at: 1s}, events: [{at: 2s, name: go}],
              expect: {status: cancelled, tasks: {a: cancelled, clean: success}, duration: 2s}}
        """,
    "the name of an event may be a template": """
        name: w
        variables: {name: go}
        tasks: {a: {operator_type: wait, wait_for: {event: "{{variables.name}}"}}}
        tests: {t: {events: [{name: go}], expect: {status: success}}}
        """,
}


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []


STUCK = {
    "an event that nothing sends": (
        "approval: {operator_type: wait, wait_for: {event: approved}}",
        ["stuck: approval waits for event 'approved', which nothing sends"],
    ),
    "two of them": (
        (
            "a: {operator_type: wait, wait_for: {event: x}}\n"
            "  b: {operator_type: wait, wait_for: {event: y}}"
        ),
        [
            (
                "stuck: a waits for event 'x', which nothing sends; "
                "b waits for event 'y', which nothing sends"
            )
        ],
    ),
    "a condition that nothing changes": (
        (
            "a: {operator_type: wait, wait_for: {until: memory.n | default(0) > 1, every: 1s}}\n"
            "  b: {function: tools.memory.set, args: [n, 1]}"
        ),
        ["stuck: a waits until 'memory.n | default(0) > 1', which nothing changes"],
    ),
    "an event of another match": (
        (
            "a: {operator_type: wait, wait_for: {event: x, match: event.n == 2}}\n"
            "  b: {function: tools.events.emit, args: [x, {n: 1}]}"
        ),
        ["stuck: a waits for event 'x', which nothing sends"],
    ),
    "a finally task that waits": (
        "a: {function: app.echo}\n  b: {operator_type: wait, wait_for: {event: x}, finally: true}",
        ["stuck: b waits for event 'x', which nothing sends"],
    ),
    "in a body": (
        (
            "each: {operator_type: foreach, items: [1], max_concurrency: 2,\n"
            "         loop_body: [{task_id: a, operator_type: wait, wait_for: {event: x}}]}"
        ),
        ["stuck: each[0]/a waits for event 'x', which nothing sends"],
    ),
}


@pytest.mark.parametrize("title", STUCK)
def test_a_stuck_run_fails_its_case_whatever_it_expects(tmp_path: Path, title: str) -> None:
    """Who waits for what is said at once, and a case that expects a failure fails all the same."""
    tasks, expected = STUCK[title]
    text = f"name: w\ntasks:\n  {tasks}\ntests:\n  t: {{expect: {{status: failed}}}}\n"
    assert [line for line in verdict(tmp_path, text) if line.startswith("stuck")] == expected


def test_stuck_tasks_are_cancelled_with_the_reason(tmp_path: Path) -> None:
    """What could run has run, `finally` tasks included."""
    text = """
        name: w
        tasks:
          a: {operator_type: wait, wait_for: {event: x}}
          b: {function: app.echo, dependencies: [a]}
          clean: {function: app.echo, finally: true}
        tests:
          t:
            expect:
              error: {type: Stuck}
              tasks:
                a: {status: cancelled, reason: "stuck: a waits for event 'x', which nothing sends"}
                b: cancelled
                clean: success
        """
    wrong = verdict(tmp_path, text)
    assert wrong[:1] == ["stuck: a waits for event 'x', which nothing sends"]
    assert wrong[1:] == [
        "a: wait event 'x'",
        "  cancelled (stuck: a waits for event 'x', which nothing sends)",
        "b: cancelled (stuck: a waits for event 'x', which nothing sends)",
        "clean: app.echo()",
        "run: failed (Stuck: a waits for event 'x', which nothing sends)",
    ]


EVENTS = {
    "one that no wait took": (
        "[{name: go}, {at: 1s, name: other}]",
        ["no wait took the event 'other'"],
    ),
    "one of two of a name": (
        "[{name: go}, {at: 1s, name: go}]",
        ["no wait took the event 'go'"],
    ),
    "one due after the end": (
        "[{at: 1h, name: go}, {name: go}]",
        ["the event 'go' is due at 1h, the run ended at 2s"],
    ),
}


@pytest.mark.parametrize("title", EVENTS)
def test_every_event_of_a_case_is_taken(tmp_path: Path, title: str) -> None:
    """An event that changes nothing shows that the case is not what its author thinks."""
    events, expected = EVENTS[title]
    text = f"""\
name: w
tasks:
  a: {{operator_type: wait, wait_for: {{event: go}}}}
  b: {{operator_type: wait, wait_for: 2s}}
tests:
  t: {{events: {events}, expect: {{status: success}}}}
"""
    assert verdict(tmp_path, text)[:1] == expected


FAULTS = {
    "text": ("soon", "'soon' is nothing to wait for; allowed: a number of seconds"),
    "a bad time": ("'time:25:00:00'", "'time:25:00:00' is nothing to wait for"),
    "a bad duration": ("duration:x", "'x' is no duration"),
    "a bad date": ("2026-13-01", "'2026-13-01' is no date and time"),
    "nothing": ("", "None is nothing to wait for"),
    "a negative number": ("-1", "-1 is nothing to wait for"),
    "a truth value": ("true", "True is nothing to wait for"),
    "a mapping without a word": ("{for: 1}", "a wait names an 'event', an 'until', a duration"),
    "a wrong word": ("{event: x, mach: 1}", "unknown key 'mach'; allowed: 'event', 'match'"),
    "both": ("{event: x, until: y}", "unknown key 'until'; allowed: 'event'"),
    "a bad match": ("{event: x, match: '1 +'}", "an operand is missing"),
    "a match that is no text": ("{event: x, match: 3}", "expected an expression as text, got 3"),
    "a bad timeout": ("{event: x, timeout: soon}", "'soon' is no duration"),
    "no event's name": ("{event: 3}", "expected the name of an event, got 3"),
    "until without every": ("{until: memory.a}", "an 'until' needs 'every', a duration above 0"),
    "until every 0": ("{until: memory.a, every: 0}", "an 'until' needs 'every'"),
}


@pytest.mark.parametrize("title", FAULTS)
def test_anything_else_is_an_error(tmp_path: Path, title: str) -> None:
    """Never a silent zero."""
    wanted, expected = FAULTS[title]
    found = faults(
        tmp_path, f"name: w\ntasks:\n  a:\n    operator_type: wait\n    wait_for: {wanted}\n"
    )
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith("5:")
