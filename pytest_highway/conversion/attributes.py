"""What every operator may say: policies, guards, handlers, words of its own.

What is a key of ours already is passed on; what nobody knows is left out, and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from pytest_highway.conversion.made import Findings, Made, clean, mapping, sequence
from pytest_highway.conversion.parts import Parts
from pytest_highway.conversion.policies import (
    breaker_of,
    duration,
    guards_of,
    retry_of,
    timeout_of,
)
from pytest_highway.conversion.tree import Op
from pytest_highway.reading.models import OPERATORS
from pytest_highway.reading.validation import named

__all__ = ["COMMON", "OWN", "Attributes"]

COMMON: Final = frozenset(
    (
        *("task_id", "operator_type", "dependencies", "trigger_rule", "retry_policy"),
        *("timeout_policy", "timeout", "circuit_breaker_policy", "idempotency_key", "metadata"),
        *("description", "result_key", "on_success_task_id", "on_failure_task_id"),
        *("is_internal_loop_task", "is_internal_parallel_task"),
        *("preconditions", "postconditions"),
    )
)
CALL: Final = ("function", "args", "kwargs")
OWN: Final[Mapping[str, tuple[str, ...]]] = {
    "task": CALL,
    "activity": CALL,
    "condition": ("condition", "if_true", "if_false"),
    "wait": ("wait_for",),
    "parallel": ("branches", "branch_workflows", "select"),
    "multi_choice": ("branches", "branch_workflows", "minimum_branches"),
    "foreach": ("items", "loop_body", "parallel", "dynamic"),
    "while": ("condition", "loop_body"),
    "switch": ("switch_on", "cases", "default"),
    "emit_event": ("event_name", "payload"),
    "wait_for_event": ("event_name", "timeout_seconds"),
    "join": ("join_tasks", "join_mode"),
    "reflexive": (
        *("generator", "generator_kwargs", "verifier", "verifier_kwargs", "max_turns"),
        "correction_prompt_template",
    ),
    "terminate": ("status", "result", "reason"),
    "child_workflow": ("children", "timeout_seconds"),
    "workflow": ("file", "variables"),
}


# What has to be a list or a mapping, and is passed over where it is not.
SHAPES: Final[Mapping[str, type]] = {
    **dict.fromkeys(("dependencies", "join_tasks", "loop_body"), list),
    **dict.fromkeys(("preconditions", "postconditions"), list),
    **dict.fromkeys(("branches", "branch_workflows", "cases", "children"), dict),
    **dict.fromkeys(("circuit_breaker_policy",), dict),
}


@dataclass(slots=True)
class Attributes:
    """Gives operators what they say beside what they do; `breakers` are those of tools."""

    parts: Parts
    breakers: dict[str, object] = field(default_factory=dict)

    @property
    def findings(self) -> Findings:
        """Where to say what is lost."""
        return self.parts.findings

    def give(self, op: Op, made: Made) -> None:
        """All that an operator says beside what it does."""
        self._common(op, made)
        self._policies(op, made)
        self._hand_over(op, made)
        self._pass_on(op, made)

    def _common(self, op: Op, made: Made) -> None:
        """What every operator may say."""
        if op.raw.get("description"):
            made["description"] = op.raw["description"]
        rule = op.raw.get("trigger_rule")
        # `all_success` is what highway-dsl writes where nobody has chosen a rule.
        if rule not in (None, "all_success") and "trigger_rule" not in made:
            made["trigger_rule"] = rule
        if made.get("trigger_rule") in ("one_done", "one_success") and op.kind == "join":
            self._order_only(op, made)
        for key in ("result_key", "metadata"):
            if op.raw.get(key):
                made[key] = op.raw[key]

    def _order_only(self, op: Op, made: Made) -> None:
        """What a join lists as a dependency only is no part of what it decides by."""
        joined = [clean(str(each)) for each in sequence(op.raw.get("join_tasks"))]
        found = [str(each) for each in sequence(made.pop("dependencies", None))]
        made["dependencies"] = [each for each in found if each in joined] or found
        after = [each for each in found if each not in sequence(made["dependencies"])]
        if after:
            made["after"] = after

    def _policies(self, op: Op, made: Made) -> None:
        self._timeout(op, made)
        self._retry(op, made)
        if mapping(op.raw.get("circuit_breaker_policy")):
            self._breaker(op, made)
        if op.raw.get("idempotency_key") is not None:
            message = (
                "a key of a call holds within a run only, as 'cache: {key: …}'; it is left out"
            )
            self.findings.lost(made, op.at("idempotency_key"), message)
        for key, ours in (("preconditions", "require"), ("postconditions", "validate")):
            if sequence(op.raw.get(key)):
                self._guards(op, made, key, ours)

    def _timeout(self, op: Op, made: Made) -> None:
        """Its own, or that of the task that waited for it."""
        raw, at = op.raw, op.at("timeout_policy")
        if raw.get("timeout_policy") is not None:
            timeout = timeout_of(raw["timeout_policy"], made, at, self.findings)
            if timeout is not None:
                made.put("timeout", timeout, at)
        if raw.get("timeout") is not None:
            made["timeout"] = raw["timeout"]
        for waiter in self.parts.ordering.waiters(op):
            said = {**waiter.raw, **mapping(waiter.raw.get("kwargs"))}.get("timeout_seconds")
            if said is not None:
                made.setdefault("timeout", duration(said) or said)

    def _retry(self, op: Op, made: Made) -> None:
        raw, at = op.raw.get("retry_policy"), op.at("retry_policy")
        if raw is not None and "function" in made:
            made.put("retry", retry_of(raw, made, at, self.findings), at)
        elif raw is not None:
            self.findings.lost(made, at, f"a {op.kind} is not tried again; it is left out")

    def _guards(self, op: Op, made: Made, key: str, ours: str) -> None:
        if "function" not in made:
            self.findings.lost(made, op.at(key), f"a {op.kind} has no {key}; they are left out")
            return
        found = guards_of(key, op, made, self.parts.names)
        if found and ours not in made:
            made.put(ours, found, op.at(key))

    def _breaker(self, op: Op, made: Made) -> None:
        at = op.at("circuit_breaker_policy")
        function = made.get("function")
        if not isinstance(function, str):
            self.findings.lost(made, at, f"a {op.kind} calls no tool; its breaker is left out")
            return
        found = breaker_of(mapping(op.raw["circuit_breaker_policy"]), made, at, self.findings)
        # Ours belong to tools, theirs to tasks: the first task of a tool decides.
        if self.breakers.setdefault(function, found) != found:
            message = f"{function!r} has another breaker already; this one is left out"
            self.findings.lost(made, at, message)
            return
        self.findings.changed(at, f"a breaker is that of a tool: all tasks of {function!r} have it")

    def _hand_over(self, op: Op, made: Made) -> None:
        """A handler runs when one that it handles has ended so."""
        self.parts.ordering.check_handlers(op, made)
        handled = self.parts.ordering.handled.get(op, [])
        if not handled:
            return
        made["after"] = list(dict.fromkeys(each.id for each, _ in handled))
        made["run_if"] = " or ".join(
            f"tasks.{each.id}.status == '{state}'" for each, states in handled for state in states
        )

    def _pass_on(self, op: Op, made: Made) -> None:
        """What is ours already, and what nobody knows."""
        handled = COMMON | {*OWN.get(op.kind, ())}
        for key, shape in SHAPES.items():
            if key in handled and not isinstance(op.raw.get(key) or shape(), shape):
                what = "list" if shape is list else "mapping"
                message = f"{key!r} is a {what}, got {named(op.raw[key])}; it is left out"
                self.findings.lost(made, op.at(key), message)
        model = OPERATORS.get("task" if op.kind not in OPERATORS else op.kind)
        ours = model.known_keys if model is not None and op.kind in OPERATORS else frozenset[str]()
        for key, value in op.raw.items():
            if key in handled or (key in made and key != "dependencies"):
                continue
            if key in ours or key.startswith("x-"):
                made[key] = value
            elif value is not None:
                message = f"{key!r} is no key of a {op.kind}; it is left out"
                self.findings.lost(made, op.at(key), message)
