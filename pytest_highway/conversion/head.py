"""What a file says beside its operators: variables, defaults, limits, and when to run.

There is no schedule here: what highway-dsl says of one is kept in `metadata`, and said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pytest_highway.conversion.made import Findings, Made, clean, mapping
from pytest_highway.conversion.names import Names
from pytest_highway.conversion.policies import duration, retry_of
from pytest_highway.conversion.tree import Op, Scope
from pytest_highway.errors import listed
from pytest_highway.reading.models import Workflow

__all__ = ["SCHEDULING", "TOP", "Head", "variables_of"]

# What highway-dsl says of a workflow, and we say nowhere; with what it says when it means nothing.
SCHEDULING: Final[Mapping[str, object]] = {
    "schedule": None,
    "start_date": None,
    "catchup": False,
    "is_paused": False,
    "max_active_runs": 1,
}
TOP: Final = frozenset(
    (
        *("name", "version", "description", "tasks", "variables", "start_task", "metadata", "tags"),
        *("default_retry_policy", "deadline_seconds", "deadline_action", "defaults", "limits"),
        *("env", "tools"),
    )
)


def variables_of(
    data: Mapping[str, object], tree: Scope, root: Made, findings: Findings
) -> dict[str, object]:
    """The variables of the file and of its branches, which have none of their own here."""
    said = data.get("variables")
    if said is not None and not isinstance(said, dict):
        message = "'variables' is no mapping; it is left out"
        findings.lost(root, ("variables",), message)
    variables = dict(mapping(said))
    for op in tree.walk():
        for scope in op.inside:
            for name, value in mapping(scope.raw.get("variables")).items():
                if variables.setdefault(name, value) != value:
                    message = f"the variable {name!r} has another value; this one is left out"
                    at = (*scope.loc, "variables", name)
                    findings.lost(root, at, message)
    return variables


@dataclass(slots=True)
class Head:
    """The head of the file `root`, whose operators are `made`."""

    root: Made
    names: Names
    findings: Findings
    made: Mapping[Op, Made]
    breakers: Mapping[str, object]

    def write(self, data: Mapping[str, object], variables: dict[str, object], tree: Scope) -> None:
        """Everything that stands before the tasks."""
        root = self.root
        for key in ("name", "version", "description"):
            if data.get(key) not in (None, ""):
                root[key] = data[key]
        self._start(data, tree)
        variables |= dict.fromkeys(self.names.missing)
        tools = {**mapping(data.get("tools"))}
        for name, breaker in self.breakers.items():
            tools[name] = {**mapping(tools.get(name)), "breaker": breaker}
        env = {**self.names.env, **mapping(data.get("env"))}
        if variables:
            root["variables"] = variables
        if env:
            root["env"] = env
        self._defaults(data)
        if tools:
            root["tools"] = tools

    def _start(self, data: Mapping[str, object], tree: Scope) -> None:
        start = data.get("start_task")
        if start is None:
            return
        begun = clean(start) if isinstance(start, str) and start else ""
        if begun not in tree.ops:
            message = f"the task {start!r} does not exist; 'start_task' is left out"
            self.findings.lost(self.root, ("start_task",), message)
            return
        others = [each for each in self._roots(tree) if each != begun]
        if not others and not self.made[tree.ops[begun]].get("dependencies"):
            self.root["start_task"] = begun
        elif others:
            message = (
                f"what waits for nothing starts, also {listed(others)}; 'start_task' is left out"
            )
            self.findings.changed(("start_task",), message)

    def _roots(self, tree: Scope) -> list[str]:
        """The tasks of the top level that wait for nothing."""
        chosen = {
            each.get(side)
            for op, each in self.made.items()
            for side in ("if_true", "if_false")
            if op.scope is tree
        }
        listed_ids = {each for op in tree.walk() for scope in op.inside for each in scope.listed}
        return [
            op.id
            for op, each in self.made.items()
            if op.scope is tree
            and not each.get("dependencies")
            and not each.get("after")
            and op.id not in chosen | listed_ids
        ]

    def _defaults(self, data: Mapping[str, object]) -> None:
        root = self.root
        if isinstance(data.get("defaults"), dict):
            root["defaults"] = data["defaults"]
        if data.get("default_retry_policy") is not None:
            at = ("default_retry_policy",)
            retry = retry_of(data["default_retry_policy"], root, at, self.findings)
            root.put("defaults", {**mapping(root.get("defaults")), "retry": retry}, at)
        if isinstance(data.get("limits"), dict):
            root["limits"] = data["limits"]
        if data.get("deadline_seconds") is not None:
            seconds = data["deadline_seconds"]
            limit = duration(seconds) or seconds
            limits = {**mapping(root.get("limits")), "max_duration": limit}
            root.put("limits", limits, ("deadline_seconds",))
            if data.get("deadline_action") == "cancel":
                message = "a run that is out of time is failed here, and not cancelled"
                self.findings.lost(root, ("deadline_action",), message)

    def write_rest(self, data: Mapping[str, object]) -> None:
        """What is ours already, and what there is no place for but `metadata`."""
        root, known = self.root, TOP | SCHEDULING.keys()
        for key in [each for each in data if each not in known]:
            if key in Workflow.known_keys or key.startswith("x-"):
                root[key] = data[key]
            else:
                message = f"{key!r} is no key of a workflow; it is left out"
                self.findings.lost(root, (key,), message)
        metadata = {**mapping(data.get("metadata")), **self._scheduling(data)}
        if metadata:
            root["metadata"] = metadata

    def _scheduling(self, data: Mapping[str, object]) -> dict[str, object]:
        """When to run, and labels, for whoever reads the file."""
        found: dict[str, object] = {"tags": data["tags"]} if data.get("tags") else {}
        for key, usual in SCHEDULING.items():
            if data.get(key, usual) not in (usual, None):
                found[key] = data[key]
                message = (
                    f"nothing here knows {key!r}; it is kept in 'metadata', which nobody reads"
                )
                self.findings.lost(self.root, (key,), message)
        return found
