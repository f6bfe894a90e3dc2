"""The operator `wait`: times, events, conditions; what comes in and who takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import faults, tabled, verdict

HOLDS = tabled("waits.txt")


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
