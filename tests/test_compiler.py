"""From models to a plan: what only the graph and the registry show to be wrong, and the plan."""

from __future__ import annotations

import pytest
from engine_host import compiled, faults_in, headlines, plan_of

from pytest_highway.events import Outline
from pytest_highway.planning.plan import Plan

CALL = "function: app.call"

# What stands below `tasks:`, `§` before each place at fault, CALL for a call; and the faults there.
GRAPH_FAULTS: dict[str, tuple[str, list[str]]] = {
    "an unknown dependency": (
        """
        alpha: {CALL}
        b: {CALL, dependencies: [§alpa]}
        """,
        ["unknown dependency 'alpa'; did you mean 'alpha'?"],
    ),
    "a dependency that resembles nothing": (
        """
        a: {CALL, dependencies: [§zzz]}
        """,
        ["unknown dependency 'zzz'"],
    ),
    "an unknown task under after": (
        """
        a: {CALL, after: [b, §zzz]}
        b: {CALL}
        """,
        ["unknown task 'zzz'"],
    ),
    "a template in a shell command": (
        """
        a: {function: tools.shell.run, args: [§"rm {{variables.path}}"]}
        b: {function: tools.shell.run, kwargs: {command: §"rm {{variables.path}}"}}
        c: {function: tools.shell.run, args: ['rm "$P"'], kwargs: {env: {P: "{{variables.path}}"}}}
        """,
        ["a template in a shell command; pass the value by 'env' and write \"$NAME\""] * 2,
    ),
    "a task that depends on itself": (
        """
        a: {CALL, dependencies: [§a]}
        """,
        ["'a' depends on itself"],
    ),
    "a task that comes after itself": (
        """
        a: {CALL, after: [§a]}
        """,
        ["'a' depends on itself"],
    ),
    "a cycle of two": (
        """
        a: {CALL, dependencies: [§b]}
        b: {CALL, dependencies: [a]}
        """,
        ["the tasks depend on each other in a cycle: a -> b -> a"],
    ),
    "a cycle of three, in the order of its edges": (
        """
        a: {CALL, dependencies: [§c]}
        b: {CALL, after: [a]}
        c: {CALL, dependencies: [b]}
        d: {CALL, dependencies: [c]}
        """,
        ["the tasks depend on each other in a cycle: a -> b -> c -> a"],
    ),
    "a cycle that closes under after": (
        """
        a: {CALL, after: [§b]}
        b: {CALL, dependencies: [a]}
        """,
        ["the tasks depend on each other in a cycle: a -> b -> a"],
    ),
    "a task that depends on what comes after all": (
        """
        §a: {CALL, finally: true}
        b: {CALL, dependencies: [a]}
        """,
        ["the tasks depend on each other in a cycle: a -> b -> a"],
    ),
    "a target that is missing": (
        """
        c: {operator_type: condition, condition: x, if_true: §god, if_false: good}
        good: {CALL}
        """,
        ["unknown condition target 'god'; did you mean 'good'?"],
    ),
    "a target that is the condition": (
        """
        c: {operator_type: condition, condition: x, if_false: §c}
        """,
        ["'c' names itself as its target"],
    ),
    "a target that is an ancestor": (
        """
        a: {CALL}
        b: {CALL, dependencies: [a]}
        c: {operator_type: condition, condition: x, if_true: §a, dependencies: [b]}
        """,
        ["the target 'a' is an ancestor of the condition 'c' (cycle: a -> b -> c -> a)"],
    ),
    "a target that the condition depends on": (
        """
        a: {CALL}
        c: {operator_type: condition, condition: x, if_false: §a, dependencies: [a]}
        """,
        ["the target 'a' is an ancestor of the condition 'c' (cycle: a -> c -> a)"],
    ),
    "a condition without sides": (
        """
        §c: {operator_type: condition, condition: x}
        """,
        ["a condition needs if_true, if_false or both"],
    ),
    "a condition with a bad expression": (
        """
        c: {operator_type: condition, condition: §'a ==', if_true: a}
        a: {CALL}
        """,
        ["an operand is missing"],
    ),
    "bad gates": (
        """
        a: {CALL, skip_if: §'(', run_if: §')'}
        """,
        [
            "an operand is missing",
            "unexpected ')'; no '(' is open",
        ],
    ),
    "a task_id that differs": (
        """
        a: {CALL, task_id: §b}
        """,
        ["task_id 'b' differs from its key 'a'"],
    ),
    "an id that is none": (
        """
        §1a: {CALL}
        §a.b: {CALL}
        §ä: {CALL}
        """,
        [
            "'1a' is no task id; ids match [A-Za-z_][A-Za-z0-9_-]*",
            "'a.b' is no task id; ids match [A-Za-z_][A-Za-z0-9_-]*",
            "'ä' is no task id; ids match [A-Za-z_][A-Za-z0-9_-]*",
        ],
    ),
    "an unknown tool": (
        """
        a: {function: §tools.log.inf, args: [x]}
        """,
        ["unknown tool 'tools.log.inf'; did you mean 'tools.log.info'?"],
    ),
    "too many arguments": (
        """
        a: {function: tools.log.info, §args: [a, b]}
        """,
        ["tools.log.info takes (message); got 2 positional arguments, at most 1 fit"],
    ),
    "an argument that is missing": (
        """
        a: {§function: tools.log.info}
        """,
        ["tools.log.info takes (message); missing 'message'"],
    ),
    "an argument of an unknown name": (
        """
        a: {function: tools.log.info, §kwargs: {mesage: x}}
        """,
        [
            (
                "tools.log.info takes (message); unknown 'mesage'; did you mean 'message'?; "
                "missing 'message'"
            )
        ],
    ),
    "bad templates, each at its place": (
        """
        a: {CALL, args: [§'{{', [x, §'{{ 1 + }}']], kwargs: {k: §'{{results.}}'}}
        """,
        [
            "the '{{' that stands here is not closed by '}}'",
            "an operand is missing",
            "unexpected '.'; a name or digits follow a dot; anything else is written [\"…\"]",
        ],
    ),
    "a template in a key": (
        """
        a: {CALL, kwargs: {k: {'{{x}}': §1}}}
        """,
        ["a key is not rendered, so it holds no template"],
    ),
    "an unknown fallback": (
        """
        a: {CALL, on_failure: {fallback: §othr}}
        other: {CALL}
        """,
        ["unknown fallback task 'othr'; did you mean 'other'?"],
    ),
    "a task that is its own fallback": (
        """
        a: {CALL, fallback_step: §a}
        """,
        ["'a' names itself as its fallback"],
    ),
    "a fallback of two": (
        """
        a: {CALL, fallback_step: c}
        b: {CALL, fallback_step: §c}
        c: {CALL}
        """,
        ["'c' is the fallback of 'a' already; one task each"],
    ),
    "a dependency on a fallback": (
        """
        a: {CALL, fallback_step: b}
        b: {CALL}
        c: {CALL, dependencies: [§b]}
        d: {CALL, after: [§b]}
        """,
        [
            "'b' is a fallback; nothing else may depend on it",
            "'b' is a fallback; nothing else may depend on it",
        ],
    ),
    "a choice of a fallback": (
        """
        a: {CALL, fallback_step: b}
        b: {CALL}
        c: {operator_type: condition, condition: x, if_true: §b}
        """,
        ["'b' is a fallback; no condition may choose it"],
    ),
    "a fallback that is a condition": (
        """
        a: {CALL, fallback_step: §c}
        b: {CALL}
        c: {operator_type: condition, condition: x, if_true: b}
        """,
        ["'c' is a condition and can stand in for nothing"],
    ),
    "a fallback that is finally": (
        """
        a: {CALL, fallback_step: §b}
        b: {CALL, finally: true}
        """,
        ["'b' is a finally task and can stand in for nothing"],
    ),
    "a task that depends on its own fallback": (
        """
        a: {CALL, fallback_step: b, dependencies: [§b]}
        b: {CALL}
        """,
        ["the tasks depend on each other in a cycle: a -> b -> a"],
    ),
    "a fallback behind what waits for its task": (
        """
        a: {CALL, fallback_step: b}
        b: {CALL, dependencies: [§c]}
        c: {CALL, dependencies: [a]}
        """,
        ["the tasks depend on each other in a cycle: b -> c -> b"],
    ),
    "two policies": (
        """
        a: {CALL, on_failure: continue, §fallback_step: b}
        b: {CALL}
        """,
        ["'fallback_step' and 'on_failure' exclude each other"],
    ),
    "two names of one policy": (
        """
        a: {CALL, retry: 1, §retry_policy: 2, timeout: 1, §timeout_policy: {timeout: 2}}
        """,
        [
            "'retry' and 'retry_policy' mean the same; give one of them",
            "'timeout' and 'timeout_policy' mean the same; give one of them",
        ],
    ),
}


@pytest.mark.parametrize("title", GRAPH_FAULTS)
def test_a_fault_of_the_graph(title: str) -> None:
    """It is told once, and at its place."""
    body, messages = GRAPH_FAULTS[title]
    marked = "name: x\ntasks:" + body.replace("CALL", CALL)
    found = faults_in(marked.replace("§", ""))
    assert [fault.message for fault in found] == messages
    assert [fault.position for fault in found] == places_of(marked)


def places_of(marked: str) -> list[tuple[int, int]]:
    """Line and column of each mark, as if no mark stood there."""
    return [
        (number, len(before.replace("§", "")) + 1)
        for number, line in enumerate(marked.split("\n"), start=1)
        for before in ["§".join(line.split("§")[:count]) for count in range(1, line.count("§") + 1)]
    ]


TASKS = f"name: x\ntasks:\n  a: {{{CALL}}}\n  b: {{{CALL}, dependencies: [a]}}\n"


@pytest.mark.parametrize(
    ("top", "found"),
    [
        ("start_task: zzz", ["5:13: unknown start task 'zzz'"]),
        (
            "start_task: b",
            ["3:3: 'a' cannot be reached: no path leads to it from start_task 'b'"],
        ),
        ("start_task: a", []),
        ("output: '{{results.}}'", ["5:9: "]),
        ("output: {k: ['{{']}", ["5:14: the '{{' that stands here is not closed by '}}'"]),
        (
            "defaults: {on_failure: {fallback: a}}",
            ["5:35: a fallback serves one task, so it is no default"],
        ),
        ("defaults: {on_failure: abort}", []),
    ],
)
def test_a_fault_of_the_top_level(top: str, found: list[str]) -> None:
    """The same for what is said of the whole."""
    heads = headlines(f"{TASKS}{top}\n")
    assert len(heads) == len(found)
    assert [head[: len(start)] for head, start in zip(heads, found, strict=True)] == found


def test_what_start_task_need_not_reach() -> None:
    """Fallbacks and `finally` tasks are never unreachable."""
    text = (
        f"name: x\nstart_task: a\ntasks:\n  a: {{{CALL}, fallback_step: b}}\n  b: {{{CALL}}}\n"
        f"  c: {{{CALL}, finally: true}}\n  d: {{operator_type: condition, condition: x, "
        f"if_true: e, dependencies: [a]}}\n  e: {{{CALL}}}\n"
    )
    assert headlines(text) == []


def test_all_faults_are_told_together() -> None:
    """Of all kinds, in file order."""
    text = (
        "name: x\ntasks:\n"
        "  a: {function: tools.nothing, dependencies: [zz], skip_if: '('}\n"
        "  b: {operator_type: condition, condition: ')', if_true: b}\n"
        "output: '{{'\n"
    )
    assert [fault.position for fault in faults_in(text)] == [
        (3, 17),
        (3, 47),
        (3, 61),
        (4, 44),
        (4, 58),
        (5, 9),
    ]


# --- the plan ------------------------------------------------------------------------------------


def edges(plan: Plan) -> dict[str, tuple[list[str], list[str]]]:
    """What each task is judged by, and what it only waits for."""
    nodes = plan.scope.nodes
    return {
        node.id: (
            [nodes[each].id for each in node.upstream],
            [nodes[each].id for each in node.after],
        )
        for node in nodes
    }


def test_targets_imply_their_edge() -> None:
    """Listed in `dependencies` or not; twice is once, and `after` beside it says nothing."""
    pick = {"operator_type": "condition", "condition": "x", "if_true": "a", "if_false": "b"}
    plan = plan_of(
        {"a": {"dependencies": ["c"]}, "b": {"after": ["c", "d", "d"]}, "c": pick, "d": {}}
    )
    assert edges(plan) == {
        "a": (["c"], []),
        "b": (["c"], ["d"]),
        "c": ([], []),
        "d": ([], []),
    }
    assert plan.scope.by_id["c"].targets == (0, 1)


def test_a_fallback_waits_for_its_task_and_is_judged_by_nothing() -> None:
    """What it depends on is order."""
    plan = plan_of(
        {
            "a": {"on_failure": {"fallback": "b"}},
            "b": {"dependencies": ["a", "c"], "after": ["d"]},
            "c": {},
            "d": {},
            "e": {"dependencies": ["a"]},
        }
    )
    assert edges(plan)["b"] == ([], ["c", "d"])
    assert (plan.scope.nodes[0].fallback, plan.scope.nodes[1].fallback_for) == (1, 0)
    assert plan.scope.waits == [0, 3, 0, 0, 1]
    assert [plan.scope.nodes[each].id for each in plan.scope.order] == ["a", "c", "d", "b", "e"]
    assert [node.id for node in plan.scope.roots()] == ["a", "c", "d"]


def test_finally_is_judged_by_nothing() -> None:
    """It waits for what it depends on, else for all others and what it lists under `after`."""
    last = {"finally": True}
    plan = plan_of(
        {
            "first": {**last, "dependencies": ["a"]},
            "second": {**last, "after": ["first"]},
            "third": {**last, "on_failure": {"fallback": "spare"}},
            "spare": {},
            "a": {},
            "b": {"dependencies": ["a"]},
        }
    )
    assert edges(plan) == {
        "first": ([], ["a"]),
        "second": ([], ["first", "a", "b"]),
        "third": ([], ["a", "b"]),
        "spare": ([], []),
        "a": ([], []),
        "b": (["a"], []),
    }


def test_the_outline_is_in_plan_order() -> None:
    """Always the earliest declared task whose upstreams have been listed."""
    pick = {"operator_type": "condition", "condition": "x", "if_true": "d"}
    plan = plan_of({"d": {"result_key": "r"}, "a": {"dependencies": ["c"]}, "b": {}, "c": pick})
    assert plan.scope.outline == (
        Outline("b", "task"),
        Outline("c", "condition"),
        Outline("d", "task", "r"),
        Outline("a", "task"),
    )


def test_policies_come_from_the_task_else_from_the_defaults() -> None:
    """Also where the task's own is a zero."""
    plan = plan_of(
        {
            "a": {},
            "b": {"retry": 0, "timeout": 9, "on_failure": "continue", "trigger_rule": "all_live"},
            "c": {"finally": True, "critical": False, "timeout": 60},
        },
        defaults={"retry": 2, "timeout": 5, "on_failure": "abort", "trigger_rule": "all_done"},
        max_step_duration=30,
    )
    told = [
        (node.retry.max_retries, node.timeout, node.policy, node.rule, node.critical)
        for node in plan.scope.nodes
        if node.retry
    ]
    assert told == [
        (2, 5.0, "abort", "all_done", True),
        (0, 9.0, "continue", "all_live", True),
        (2, 30.0, "abort", "all_done", True),
    ]


def test_a_plan_without_policies_has_the_languages_own() -> None:
    """No retry, no timeout, dependents skipped, dead paths followed."""
    (node,) = plan_of({"a": {}}).scope.nodes
    assert (node.retry, node.timeout, node.policy, node.rule, node.critical, node.is_finally) == (
        None,
        None,
        "skip_dependents",
        "all_live",
        True,
        False,
    )


def test_a_plan_names_its_file() -> None:
    """As messages show it."""
    plan, _ = compiled(TASKS)
    assert (plan.file, plan.name, plan.output) == ("flow.workflow.yaml", "x", None)
    assert plan.functions > 10
