"""Laws that hold of every run, whatever operators stand in whatever others."""

from __future__ import annotations

import invariants
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nested_flows import flows, plan_of, run_flow

from pytest_highway.events import decode_log, encode_log
from pytest_highway.transcript import LEVELS, transcript
from pytest_highway.views import RunResult

LATENCY = st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0, 2.5]), min_size=1, max_size=6)
QUICK = settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def check_replay(result: RunResult) -> None:
    """A stored log has the same views."""
    log = decode_log(encode_log(result.log))
    assert log == result.log
    assert RunResult(log).results == result.results
    for level in LEVELS:
        assert transcript(log, level) == transcript(result.log, level)


@QUICK
@given(data=st.data())
def test_every_run_keeps_the_promises_of_its_log(data: st.DataObject) -> None:
    """Under aborts, timeouts, locks and a cancel at any moment, twice to one log."""
    plan = plan_of(data.draw(flows()), max_concurrency=2)
    latencies = data.draw(LATENCY)
    cancel_at = data.draw(st.sampled_from([None, None, 0.0, 1.0, 2.0, 3.5]))
    result, runner = run_flow(plan, latencies, cancel_at)
    invariants.check(plan, result.log)
    check_replay(result)
    assert not [call for call in runner.made if call.frame.steps.gi_frame is not None]
    assert run_flow(plan, latencies, cancel_at)[0].log == result.log


@QUICK
@given(data=st.data())
def test_the_transcript_is_no_matter_of_time(data: st.DataObject) -> None:
    """Where nothing is decided by time, all latencies give one transcript at each level."""
    plan = plan_of(data.draw(flows(calm=True)), max_concurrency=3)
    first = run_flow(plan, [0.0])[0]
    for _ in range(3):
        other = run_flow(plan, data.draw(LATENCY))[0]
        assert [other.transcript(level) for level in LEVELS] == [
            first.transcript(level) for level in LEVELS
        ]
        assert (other.status, other.error, other.output) == (
            first.status,
            first.error,
            first.output,
        )


@pytest.mark.parametrize(("false_at", "calls"), [(None, 2), (0, 1), (10_000, 1)])
def test_a_chain_of_twenty_thousand_conditions(false_at: int | None, calls: int) -> None:
    """All of them may name one last task, which runs whichever way leads there."""
    count = 20_000
    tasks: dict[str, dict[str, object]] = {
        f"c{number}": {
            "operator_type": "condition",
            "condition": "false" if number == false_at else "true",
            "if_true": f"c{number + 1}" if number < count - 1 else "x",
            "if_false": "end",
        }
        for number in range(count)
    }
    tasks["x"] = {"function": "app.ask"}
    tasks["end"] = {"function": "app.ask", "dependencies": ["x"]}
    result, runner = run_flow(plan_of(tasks), [0.0])
    assert result.status == "success"
    assert len(runner.made) == calls
    assert runner.made[-1].path == "end"


def test_ten_thousand_branches_of_which_one_is_selected() -> None:
    """Each of the others is told who turned it away."""
    branches = {f"b{number}": [f"m{number}"] for number in range(10_000)}
    tasks: dict[str, dict[str, object]] = {
        name: {"function": "app.ask"} for [name] in branches.values()
    }
    tasks["fan"] = {"operator_type": "parallel", "branches": branches, "select": ["b7"]}
    result, runner = run_flow(plan_of(tasks), [0.0])
    assert [call.path for call in runner.made] == ["m7"]
    assert {end.reason for end in result.ends.values() if end.status == "skipped"} == {
        "fan selected b7"
    }
