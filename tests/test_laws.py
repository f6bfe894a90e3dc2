"""Laws of a run: the log is all there is, and nothing but outcomes reaches a transcript."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import case_logs
import pytest
from case_logs import FILES, load, run
from engine_host import run_plan
from graphs import answers_for, graphs, plan_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_highway.events import BranchesSelected, decode_log, encode_log
from pytest_highway.transcript import LEVELS
from pytest_highway.views import RunResult

SLOW = [HealthCheck.too_slow]


def views(result: RunResult) -> dict[str, object]:
    """Everything that a log says, under the name of the view."""
    names = [
        "started ended status error output duration ends starts end_places",
        "branches replaced calls requests results memory emitted",
    ]
    values = {name: getattr(result, name) for name in " ".join(names).split()}
    transcripts = {level: "\n".join(result.transcript(level)) for level in LEVELS}
    return {**values, **transcripts, "usage": result.usage(case_logs.REGISTRY)}


@pytest.mark.parametrize("name", FILES)
def test_a_stored_log_has_the_views_of_the_live_one(name: str, tmp_path: Path) -> None:
    """The replay law, for every case of every file: log, text and log again are one."""
    loaded = load(name)
    for case in loaded.cases:
        live = run(loaded, case, str(tmp_path))
        text = encode_log(live.log)
        stored = RunResult(decode_log(text))
        assert stored.log == live.log
        assert encode_log(stored.log) == text
        assert views(stored) == views(live)


@pytest.mark.parametrize("seed", ["0", "1", "12345"])
def test_no_hash_order_reaches_a_log(seed: str) -> None:
    """The log of every case is the same bytes under every hash seed."""
    program = [sys.executable, str(Path(case_logs.__file__))]
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(program, env=environment, capture_output=True, check=True)
    assert done.stderr == b""
    assert done.stdout.decode() == "".join(case_logs.simulated_logs())


def test_two_runs_of_a_plan_have_one_log() -> None:
    """A run leaves nothing behind in the plan."""
    assert list(case_logs.simulated_logs()) == list(case_logs.simulated_logs())


def test_the_branches_of_a_parallel_are_those_it_ran() -> None:
    """By its path, beside the choices of conditions."""
    log = [BranchesSelected(0.0, "p", ["x"], ["x", "y"])]
    assert RunResult(log).branches == {"p": ["x"]}


SAMPLE = """
name: sample
variables: {go: true}
tasks:
  fetch_it: {function: tools.fetch.get, args: ["https://x.test/"], result_key: page,
             retry: {max_retries: 1, delay: 2s}, timeout: 5s}
  look_at: {operator_type: condition, condition: "results.page.status == 200", if_true: good_one,
            if_false: bad_one, dependencies: [fetch_it]}
  good_one: {function: tools.log.info, args: ["got {{results.page.data}}"]}
  bad_one: {function: tools.log.error, args: ["got {{results.page.status}}"]}
  join_up: {function: tools.log.info, args: [joined], dependencies: [good_one, bad_one]}
  gated_off: {function: tools.log.info, args: [never], run_if: "not variables.go"}
  behind_it: {function: tools.log.info, args: [never], dependencies: [gated_off]}
  run_shell: {function: tools.shell.run, args: [make], on_failure: {fallback: stand_in},
              dependencies: [join_up]}
  stand_in: {function: tools.log.warning, args: ["{{tasks.run_shell.error}}"]}
  fails_so: {function: tools.shell.run, args: [lint], critical: false, dependencies: [run_shell]}
  after_that: {function: tools.log.info, args: [never], critical: false, dependencies: [fails_so]}
  stops_all: {function: tools.shell.run, args: [deploy], on_failure: abort, after: [fails_so]}
  too_late: {function: tools.log.info, args: [never], dependencies: [stops_all]}
  cleans_up: {function: tools.log.info, args: ["{{tasks.too_late.reason}}"], finally: true}
tests:
  found:
    stubs:
      fetch_it: [{raise: {ConnectError: down}}, {return: {status: 200, data: text}}]
      run_shell: {exit: 2, stderr: no rule}
      fails_so: {exit: 1}
      stops_all: {exit: 3}
    expect: {status: failed}
  hangs:
    stubs:
      fetch_it: {return: null, after: 9s}
      stops_all: {exit: 0}
    expect: {status: failed}
"""


@pytest.mark.parametrize(
    "text", [SAMPLE, (case_logs.ROOT / "workflows" / "tier_1_5_refactor_test.yaml").read_text()]
)
def test_new_ids_change_nothing_but_names(text: str, tmp_path: Path) -> None:
    """With every task renamed, and the names sorting the other way, only the names differ."""
    (tmp_path / "old.yaml").write_text(text)
    before = load("old.yaml", tmp_path)
    ids = list(before.plan.scope.by_id)
    names = {"old": "new", **{old: f"zz{99 - number}" for number, old in enumerate(ids)}}
    (tmp_path / "new.yaml").write_text(renamed(text, names))
    after = load("new.yaml", tmp_path)
    assert list(after.plan.scope.by_id) == [names[old] for old in ids]
    for old, new in zip(before.cases, after.cases, strict=True):
        first, second = run(before, old, "."), run(after, new, ".")
        assert len(first.transcript()) > len(ids)
        for level in LEVELS:
            assert second.transcript(level) == [
                renamed(line, names) for line in first.transcript(level)
            ]


def renamed(text: str, names: dict[str, str]) -> str:
    """The text with every word that is a name replaced."""
    return re.sub(r"\w+", lambda found: names.get(found[0], found[0]), text)


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_every_schedule_of_one_outcome_has_one_transcript(data: st.DataObject) -> None:
    """Latencies and the width change the order of time, which no transcript shows."""
    specs = data.draw(graphs())
    latencies = st.lists(
        st.sampled_from([0.0, 0.5, 1.0, 2.5, 7.0]), min_size=len(specs), max_size=len(specs)
    )
    first, second = (
        run_plan(
            plan_for(specs, max_concurrency=data.draw(st.integers(1, 8))),
            answers_for(specs, data.draw(latencies)),
        )
        for _ in range(2)
    )
    for level in LEVELS:
        assert first.transcript(level) == second.transcript(level)
    assert (first.status, first.error, first.output) == (
        second.status,
        second.error,
        second.output,
    )


@settings(max_examples=100, derandomize=True, deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_the_log_of_any_graph_can_be_stored(data: st.DataObject) -> None:
    """The replay law for what no file of ours holds."""
    specs = data.draw(graphs())
    live = run_plan(plan_for(specs), answers_for(specs, [1.0] * len(specs)))
    stored = RunResult(decode_log(encode_log(live.log)))
    assert stored.log == live.log
    assert views(stored) == views(live)


@settings(max_examples=150, derandomize=True, deadline=None, suppress_health_check=SLOW)
@given(st.data())
def test_declaration_order_changes_only_the_order_of_lines(data: st.DataObject) -> None:
    """The lines of the transcript are the same ones, whatever is declared first."""
    specs = data.draw(graphs())
    answers = answers_for(specs, [0.0] * len(specs))
    first = run_plan(plan_for(specs), answers)
    second = run_plan(plan_for(data.draw(st.permutations(specs))), answers)
    assert sorted(first.transcript()[:-1]) == sorted(second.transcript()[:-1])
    assert first.status == second.status
