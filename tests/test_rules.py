"""Which tasks run: the engine against an oracle written from the text, and Airflow's rules."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from engine_host import failing, run_plan, run_tasks, states
from graphs import AIRFLOW_RULES, answers_for, check_log, graphs, plan_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import Oracle, airflow

from pytest_highway.engine.frame import Answer
from pytest_highway.reading.policies import TRIGGER_RULES
from pytest_highway.views import RunResult


@settings(
    max_examples=400, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
@given(st.data())
def test_every_graph_ends_as_the_text_says(data: st.DataObject) -> None:
    """States, choices and the run's status are the oracle's, whatever is declared first."""
    specs = data.draw(graphs())
    declared = data.draw(st.permutations(specs))
    latencies = data.draw(
        st.lists(st.sampled_from([0.0, 1.0, 2.5, 7.0]), min_size=len(specs), max_size=len(specs))
    )
    width = data.draw(st.integers(1, 4))
    oracle = Oracle(specs)
    result = run_plan(plan_for(declared, max_concurrency=width), answers_for(declared, latencies))
    assert states(result) == oracle.states
    assert result.status == oracle.status
    assert {path: side == "if_true" for path, side in result.branches.items()} == {
        spec.id: spec.outcome == "true" for spec in specs if spec.id in oracle.chosen
    }
    check_log(specs, result, width)


# --- Airflow's rules -----------------------------------------------------------------------------

# What becomes of a task when its upstreams ended in exactly these ways, whatever their number:
# S success, F failed, U upstream_failed, K skipped; r runs, k skipped, u upstream_failed. By the
# branches of Airflow's trigger_rule_dep.py; under `all_live` the skipped ones skipped themselves.
MIXES = ("S", "F", "U", "K", "SF", "SU", "SK", "FU", "FK", "UK", "SFU", "SFK", "SUK", "FUK", "SFUK")
TRUTH = {
    "all_live": "r u u r  u u r  u u u  u u u u  u",
    "all_success": "r u u k  u u k  u u u  u u u u  u",
    "none_failed": "r u u r  u u r  u u u  u u u u  u",
    "none_failed_min_one_success": "r u u k  u u r  u u u  u u u u  u",
    "one_success": "r u u k  r r r  u u u  r r r u  r",
    "all_done": "r r r r  r r r  r r r  r r r r  r",
    "all_failed": "k r r k  k k k  r k k  k k k k  k",
    "one_failed": "k r r k  r r k  r r r  r r r r  r",
    "one_done": "r r k k  r r r  r r k  r r r r  r",
    "none_skipped": "r r r k  r r k  r k k  r k k k  k",
    "all_skipped": "k k k r  k k k  k k k  k k k k  k",
    "all_done_min_one_success": "r u u k  r r k  u k k  r k k k  k",
}
ENDS = {"r": "success", "k": "skipped", "u": "upstream_failed"}
AIRFLOW_STATES = {"S": "success", "F": "failed", "U": "upstream_failed", "K": "skipped"}
UPSTREAMS: dict[str, dict[str, object]] = {
    "S": {},
    "F": {},
    "U": {"dependencies": ["broken"]},
    "K": {"skip_if": "true"},
}


def expected_joins(mix: Sequence[str]) -> dict[str, str]:
    """The state of one join for each rule, by the truth table."""
    column = MIXES.index("".join(each for each in "SFUK" if each in mix))
    return {rule: ENDS[row.split()[column]] for rule, row in TRUTH.items()}


def joins_over(names: Sequence[str], rules: Sequence[str] = TRIGGER_RULES) -> dict[str, object]:
    """One join for each rule over the same upstreams."""
    return {rule: {"trigger_rule": rule, "dependencies": list(names)} for rule in rules}


def joins_after(mix: Sequence[str], order: Sequence[int]) -> tuple[list[str], dict[str, str]]:
    """Run all joins over upstreams that end in this mix: in which order these ended, the states.

    The n-th upstream ends at second `order[n]`, each behind a task that takes that long.
    """
    tasks: dict[str, object] = {"broken": {}}
    answers = {"broken": failing()}
    names = [f"up{number}" for number in range(len(mix))]
    for name, kind, moment in zip(names, mix, order, strict=True):
        tasks[f"{name}-delay"] = {}
        answers[f"{name}-delay"] = Answer(after=1.0 + moment)
        tasks[name] = {**UPSTREAMS[kind], "after": [f"{name}-delay"]}
        answers[name] = failing() if kind == "F" else Answer()
    result = run_tasks({**joins_over(names), **tasks}, answers, max_concurrency=9)
    ended = [path for path in result.ends if path in names]
    return ended, {rule: result.ends[rule].status for rule in TRIGGER_RULES}


@pytest.mark.parametrize("rule", AIRFLOW_RULES)
def test_the_oracle_knows_the_truth_table(rule: str) -> None:
    """The oracle's sentences about each rule say what the table says."""
    outcomes = [airflow(rule, [AIRFLOW_STATES[each] for each in mix]) or "success" for mix in MIXES]
    assert outcomes == [ENDS[each] for each in TRUTH[rule].split()]


@pytest.mark.parametrize("fan_in", [1, 2, 3, 4])
def test_every_rule_over_every_mix_in_every_order(fan_in: int) -> None:
    """A rule's outcome is that of the table, in whichever order the upstreams end."""
    for mix in itertools.combinations_with_replacement("SFUK", fan_in):
        for order in itertools.permutations(range(fan_in)):
            ended, joins = joins_after(mix, order)
            assert ended == [f"up{each}" for each in sorted(range(fan_in), key=order.__getitem__)]
            assert joins == expected_joins(mix)


@pytest.mark.parametrize("mix", list(itertools.product("SFUK", repeat=3)))
def test_every_rule_over_every_declaration_order(mix: tuple[str, ...]) -> None:
    """It does not matter either in which order the dependencies are written."""
    _, joins = joins_after(mix, (0, 0, 0))
    assert joins == expected_joins(mix)


FORGIVEN: dict[str, tuple[dict[str, object], str]] = {
    "timed out": ({"up": {"timeout": 1}}, "F"),
    "failed, and continues": ({"up": {"on_failure": "continue", "args": ["fail"]}}, "S"),
    "timed out, and continues": ({"up": {"on_failure": "continue", "timeout": 1}}, "S"),
    "failed, replaced": (
        {"up": {"on_failure": {"fallback": "other"}, "args": ["fail"]}, "other": {}},
        "S",
    ),
    "failed, as did its fallback": (
        {
            "up": {"on_failure": {"fallback": "other"}, "args": ["fail"]},
            "other": {"args": ["fail"]},
        },
        "F",
    ),
    "upstream_failed, and would continue": (
        {"up": {"on_failure": "continue", "dependencies": ["bad"]}, "bad": {"args": ["fail"]}},
        "U",
    ),
    "turned down by run_if": ({"up": {"run_if": "false"}}, "K"),
    "skipped behind a dead edge": (
        {"up": {"dependencies": ["off"]}, "off": {"run_if": "false"}},
        "K",
    ),
    "skipped by an Airflow rule": (
        {"up": {"dependencies": ["fine"], "trigger_rule": "all_failed"}, "fine": {}},
        "K",
    ),
    "a condition that could not be evaluated": (
        {"up": {"operator_type": "condition", "condition": "1 / 0", "if_true": "x"}, "x": {}},
        "F",
    ),
    "a condition": (
        {"up": {"operator_type": "condition", "condition": "false", "if_true": "x"}, "x": {}},
        "S",
    ),
}


@pytest.mark.parametrize("title", FORGIVEN)
def test_what_an_upstream_counts_as(title: str) -> None:
    """Each way to end counts as one of Airflow's states, alone and beside a success."""
    tasks, kind = FORGIVEN[title]
    answers = {
        name: failing() if task.get("args") else Answer(after=2.0) for name, task in tasks.items()
    }
    alone = states(run_tasks({**tasks, **joins_over(["up"])}, answers))
    beside = states(run_tasks({**tasks, "fine": {}, **joins_over(["up", "fine"])}, answers))
    rules = set(AIRFLOW_RULES)
    assert {rule: alone[rule] for rule in rules} == {
        rule: state for rule, state in expected_joins(kind).items() if rule in rules
    }
    assert {rule: beside[rule] for rule in rules} == {
        rule: state for rule, state in expected_joins(kind + "S").items() if rule in rules
    }


def choice(value: str, **sides: str) -> dict[str, object]:
    """A condition with a constant outcome."""
    return {"operator_type": "condition", "condition": value, **sides}


@pytest.mark.parametrize("rule", AIRFLOW_RULES)
def test_a_target_turned_away_is_skipped_under_every_rule(rule: str) -> None:
    """Unless another condition chose it; a chosen one counts a success."""
    tasks = {
        "pick": choice("true", if_true="yes", if_false="no"),
        "again": choice("true", if_true="both"),
        "never": choice("false", if_true="both"),
        **{name: {"trigger_rule": rule} for name in ("yes", "no", "both")},
    }
    result = run_tasks(tasks)
    chosen = expected_joins("S")[rule]
    assert states(result) == {
        **dict.fromkeys(("pick", "again", "never"), "success"),
        "yes": chosen,
        "no": "skipped",
        "both": expected_joins("SK")[rule],
    }
    assert result.ends["no"].reason == "pick chose yes"


@pytest.mark.parametrize("rule", AIRFLOW_RULES)
def test_a_rule_over_nothing_lets_a_root_run(rule: str) -> None:
    """A task without upstreams runs under every rule."""
    assert states(run_tasks({"root": {"trigger_rule": rule}})) == {"root": "success"}


# --- the sentences of the text, one by one -------------------------------------------------------


def ends_of(result: RunResult) -> dict[str, str]:
    """Each task's state, with its reason if there is one."""
    return {
        path: f"{end.status} ({end.reason})" if end.reason else end.status
        for path, end in result.ends.items()
    }


def needs(*names: str, **more: object) -> dict[str, object]:
    """A task with these dependencies."""
    return {"dependencies": list(names), **more}


def with_fallback(name: str) -> dict[str, object]:
    """The policy that lets a task stand in."""
    return {"on_failure": {"fallback": name}}


CONTINUE = {"on_failure": "continue"}
FORGIVE = {"critical": False}
UNSURE = choice("1 / 0", if_true="yes", if_false="no")
FORK = choice("true", if_true="yes", if_false="no")

# Title: tasks (those named `bad…` fail), the end of each task, the status of the run.
SENTENCES: dict[str, tuple[dict[str, dict[str, object]], dict[str, str], str]] = {
    "the join after both branches runs": (
        {"pick": FORK, "yes": {}, "no": {}, "join": needs("yes", "no")},
        {
            "pick": "success",
            "yes": "success",
            "no": "skipped (pick chose yes)",
            "join": "success",
        },
        "success",
    ),
    "a task that needs the branch not taken is skipped": (
        {"pick": FORK, "yes": {}, "no": {}, "other": {}, "both": needs("no", "other")},
        {
            "pick": "success",
            "yes": "success",
            "no": "skipped (pick chose yes)",
            "other": "success",
            "both": "skipped (pick chose yes)",
        },
        "success",
    ),
    "a dead path is skipped as far as it reaches": (
        {
            "pick": FORK,
            "yes": {},
            "no": {},
            "a": needs("no"),
            "b": needs("a"),
            "c": needs("b", "yes"),
        },
        {
            "pick": "success",
            "yes": "success",
            "no": "skipped (pick chose yes)",
            "a": "skipped (pick chose yes)",
            "b": "skipped (pick chose yes)",
            "c": "success",
        },
        "success",
    ),
    "an absent side chooses nothing": (
        {"pick": choice("false", if_true="yes"), "yes": {}, "join": needs("pick", "yes")},
        {
            "pick": "success",
            "yes": "skipped (pick chose nothing)",
            "join": "skipped (pick chose nothing)",
        },
        "success",
    ),
    "if_false: end goes on without the branch": (
        {"pick": choice("false", if_true="do", if_false="end"), "do": {}, "end": needs("do")},
        {"pick": "success", "do": "skipped (pick chose end)", "end": "success"},
        "success",
    ),
    "if_false: end goes on after the branch": (
        {"pick": choice("true", if_true="do", if_false="end"), "do": {}, "end": needs("do")},
        {"pick": "success", "do": "success", "end": "success"},
        "success",
    ),
    "a join after nested conditions runs": (
        {
            "pick": choice("false", if_true="inner", if_false="no"),
            "inner": choice("true", if_true="x", if_false="y"),
            "no": {},
            "x": {},
            "y": {},
            "join": needs("x", "y", "no"),
        },
        {
            "pick": "success",
            "inner": "skipped (pick chose no)",
            "no": "success",
            "x": "skipped (pick chose no)",
            "y": "skipped (pick chose no)",
            "join": "success",
        },
        "success",
    ),
    "both sides may name one target": (
        {"pick": choice("false", if_true="on", if_false="on"), "on": {}},
        {"pick": "success", "on": "success"},
        "success",
    ),
    "a shared target runs when either chooses it": (
        {
            "no": choice("false", if_true="shared"),
            "yes": choice("true", if_true="shared"),
            "shared": {},
        },
        {"no": "success", "yes": "success", "shared": "success"},
        "success",
    ),
    "a shared target runs though its other condition was skipped": (
        {
            "outer": choice("false", if_true="inner"),
            "inner": choice("true", if_true="shared"),
            "yes": choice("true", if_true="shared"),
            "shared": {},
        },
        {
            "outer": "success",
            "inner": "skipped (outer chose nothing)",
            "yes": "success",
            "shared": "success",
        },
        "success",
    ),
    "a shared target that nobody chose names all killers": (
        {
            "a": choice("false", if_true="shared"),
            "b": choice("true", if_false="shared", if_true="yes"),
            "yes": {},
            "shared": {},
        },
        {
            "a": "success",
            "b": "success",
            "yes": "success",
            "shared": "skipped (a chose nothing, b chose yes)",
        },
        "success",
    ),
    "a target that lists its condition waits for the decision only": (
        {"pick": FORK, "yes": needs("pick"), "no": needs("pick")},
        {"pick": "success", "yes": "success", "no": "skipped (pick chose yes)"},
        "success",
    ),
    "an excuse reaches through order alone": (
        {"pick": FORK, "yes": {}, "no": {}, "x": {"after": ["yes"]}, "join": needs("no", "x")},
        {
            "pick": "success",
            "yes": "success",
            "no": "skipped (pick chose yes)",
            "x": "success",
            "join": "success",
        },
        "success",
    ),
    "skip_if skips the task and not the path": (
        {"a": {"skip_if": "true"}, "b": needs("a")},
        {"a": "skipped (skip_if: true)", "b": "success"},
        "success",
    ),
    "run_if kills the path, which nothing excuses": (
        {"a": {"run_if": "false"}, "b": needs("a"), "c": {}, "d": needs("b", "c")},
        {
            "a": "skipped (run_if: false)",
            "b": "skipped (a was skipped)",
            "c": "success",
            "d": "skipped (a was skipped)",
        },
        "success",
    ),
    "gates are read after the rule": (
        {"pick": FORK, "yes": {"skip_if": "true"}, "no": {"skip_if": "1 / 0"}},
        {
            "pick": "success",
            "yes": "skipped (skip_if: true)",
            "no": "skipped (pick chose yes)",
        },
        "success",
    ),
    "skip_if is read before run_if": (
        {"a": {"skip_if": "true", "run_if": "1 / 0"}},
        {"a": "skipped (skip_if: true)"},
        "success",
    ),
    "a gate that cannot be evaluated fails its task": (
        {"a": {"run_if": "1 / 0"}, "b": needs("a")},
        {"a": "failed", "b": "upstream_failed (dependency failed: a)"},
        "failed",
    ),
    "a condition skipped by skip_if chooses nothing": (
        {"pick": {**FORK, "skip_if": "true"}, "yes": {}, "no": {}, "plain": needs("pick")},
        {
            "pick": "skipped (skip_if: true)",
            "yes": "skipped (pick was skipped)",
            "no": "skipped (pick was skipped)",
            "plain": "success",
        },
        "success",
    ),
    "a condition turned down by run_if chooses nothing": (
        {"pick": {**FORK, "run_if": "false"}, "yes": {}, "no": {}, "plain": needs("pick")},
        {
            "pick": "skipped (run_if: false)",
            "yes": "skipped (pick was skipped)",
            "no": "skipped (pick was skipped)",
            "plain": "skipped (pick was skipped)",
        },
        "success",
    ),
    "a condition skipped by a rule chooses nothing": (
        {
            "fine": {},
            "pick": {**FORK, **needs("fine"), "trigger_rule": "all_failed"},
            "yes": needs("fine"),
            "no": {},
            "plain": needs("pick", "fine"),
        },
        {
            "fine": "success",
            "pick": "skipped (all_failed: 1 success)",
            "yes": "skipped (pick was skipped)",
            "no": "skipped (pick was skipped)",
            "plain": "success",
        },
        "success",
    ),
    "a condition that cannot be evaluated is failed, never false": (
        {"pick": UNSURE, "yes": {}, "no": {}},
        {
            "pick": "failed",
            "yes": "upstream_failed (dependency failed: pick)",
            "no": "upstream_failed (dependency failed: pick)",
        },
        "failed",
    ),
    "even under continue a failed condition fails its targets": (
        {
            "pick": {**UNSURE, **CONTINUE, **FORGIVE},
            "yes": FORGIVE,
            "no": FORGIVE,
            "plain": needs("pick"),
        },
        {
            "pick": "failed",
            "yes": "upstream_failed (dependency failed: pick)",
            "no": "upstream_failed (dependency failed: pick)",
            "plain": "success",
        },
        "success",
    ),
    "a condition's fallback serves plain dependents only": (
        {
            "pick": {**UNSURE, **with_fallback("other")},
            "yes": FORGIVE,
            "no": FORGIVE,
            "other": {},
            "plain": needs("pick"),
        },
        {
            "pick": "failed",
            "yes": "upstream_failed (dependency failed: pick)",
            "no": "upstream_failed (dependency failed: pick)",
            "other": "success",
            "plain": "success",
        },
        "success",
    ),
    "a failure skips the dependents and nothing else": (
        {"bad": {}, "a": needs("bad"), "b": needs("a"), "beside": {}},
        {
            "bad": "failed",
            "a": "upstream_failed (dependency failed: bad)",
            "b": "upstream_failed (dependency failed: a)",
            "beside": "success",
        },
        "failed",
    ),
    "the reason names the first failed dependency as written": (
        {"bad1": {}, "bad2": {}, "a": needs("bad2", "bad1")},
        {
            "bad1": "failed",
            "bad2": "failed",
            "a": "upstream_failed (dependency failed: bad2)",
        },
        "failed",
    ),
    "a failed edge counts more than a dead one": (
        {"pick": FORK, "yes": {}, "no": {}, "bad": {}, "a": needs("no", "bad")},
        {
            "pick": "success",
            "yes": "success",
            "no": "skipped (pick chose yes)",
            "bad": "failed",
            "a": "upstream_failed (dependency failed: bad)",
        },
        "failed",
    ),
    "continue alone lets the dependents run and fails the run": (
        {"bad": CONTINUE, "a": needs("bad")},
        {"bad": "failed", "a": "success"},
        "failed",
    ),
    "continue and uncritical together forgive": (
        {"bad": {**CONTINUE, **FORGIVE}, "a": needs("bad")},
        {"bad": "failed", "a": "success"},
        "success",
    ),
    "uncritical alone fails the run by its critical dependents": (
        {"bad": FORGIVE, "a": needs("bad")},
        {"bad": "failed", "a": "upstream_failed (dependency failed: bad)"},
        "failed",
    ),
    "uncritical dependents of an uncritical task forgive too": (
        {"bad": FORGIVE, "a": needs("bad", **FORGIVE)},
        {"bad": "failed", "a": "upstream_failed (dependency failed: bad)"},
        "success",
    ),
    "an upstream failure is passed on whatever the task's own policy": (
        {"bad": {}, "a": needs("bad", **CONTINUE), "b": needs("a")},
        {
            "bad": "failed",
            "a": "upstream_failed (dependency failed: bad)",
            "b": "upstream_failed (dependency failed: a)",
        },
        "failed",
    ),
    "a fallback stands in": (
        {"bad": with_fallback("other"), "other": {}, "a": needs("bad")},
        {"bad": "failed", "other": "success", "a": "success"},
        "success",
    ),
    "a fallback that is not needed is skipped": (
        {"fine": with_fallback("other"), "other": {}, "a": needs("fine")},
        {"fine": "success", "other": "skipped (not needed)", "a": "success"},
        "success",
    ),
    "a fallback of a skipped task is not needed": (
        {"off": {**with_fallback("other"), "skip_if": "true"}, "other": {}},
        {"off": "skipped (skip_if: true)", "other": "skipped (not needed)"},
        "success",
    ),
    "a fallback of an upstream_failed task is not needed": (
        {"bad": {}, "a": {**needs("bad"), **with_fallback("other")}, "other": {}},
        {
            "bad": "failed",
            "a": "upstream_failed (dependency failed: bad)",
            "other": "skipped (not needed)",
        },
        "failed",
    ),
    "a fallback that fails too fails the dependents": (
        {"bad": with_fallback("bad2"), "bad2": {}, "a": needs("bad")},
        {"bad": "failed", "bad2": "failed", "a": "upstream_failed (dependency failed: bad)"},
        "failed",
    ),
    "a fallback that skips itself stands in for nothing": (
        {"bad": with_fallback("other"), "other": {"skip_if": "true"}, "a": needs("bad")},
        {
            "bad": "failed",
            "other": "skipped (skip_if: true)",
            "a": "upstream_failed (dependency failed: bad)",
        },
        "failed",
    ),
    "a fallback's failure is forgiven with its task's": (
        {"bad": {**with_fallback("bad2"), **FORGIVE}, "bad2": {}},
        {"bad": "failed", "bad2": "failed"},
        "success",
    ),
    "an uncritical fallback that fails leaves the task's failure": (
        {"bad": with_fallback("bad2"), "bad2": FORGIVE},
        {"bad": "failed", "bad2": "failed"},
        "failed",
    ),
    "edges of a rule's skip are excused by any live edge": (
        {
            "fine": {},
            "off": needs("fine", trigger_rule="all_failed"),
            "alone": needs("off"),
            "beside": needs("off", "fine"),
        },
        {
            "fine": "success",
            "off": "skipped (all_failed: 1 success)",
            "alone": "skipped (dependency skipped: off)",
            "beside": "success",
        },
        "success",
    ),
    "after waits whatever becomes of its tasks": (
        {"bad": {}, "off": {"run_if": "false"}, "a": {"after": ["bad", "off"]}},
        {"bad": "failed", "off": "skipped (run_if: false)", "a": "success"},
        "failed",
    ),
    "finally runs whatever became of its dependencies": (
        {"bad": {}, "off": {"run_if": "false"}, "last": needs("bad", "off", **{"finally": True})},
        {"bad": "failed", "off": "skipped (run_if: false)", "last": "success"},
        "failed",
    ),
    "finally runs under every rule": (
        {"bad": {}, "last": needs("bad", trigger_rule="all_success", **{"finally": True})},
        {"bad": "failed", "last": "success"},
        "failed",
    ),
    "finally without dependencies comes after all others": (
        {"last": {"finally": True}, "a": {}, "b": needs("a")},
        {"a": "success", "b": "success", "last": "success"},
        "success",
    ),
    "a failed finally fails the run even when uncritical": (
        {"a": {}, "bad": {"finally": True, **FORGIVE}},
        {"a": "success", "bad": "failed"},
        "failed",
    ),
    "finally keeps its gates": (
        {"a": {}, "last": {"finally": True, "run_if": "tasks.a.status == 'failed'"}},
        {"a": "success", "last": "skipped (run_if: \"success\" == 'failed')"},
        "success",
    ),
}


@pytest.mark.parametrize("title", SENTENCES)
def test_sentence(title: str) -> None:
    """Every task ends as the sentence says, and so does the run."""
    tasks, expected, status = SENTENCES[title]
    answers = {name: failing() for name in tasks if name.startswith("bad")}
    result = run_tasks(tasks, answers)
    assert ends_of(result) == expected
    assert result.status == status
