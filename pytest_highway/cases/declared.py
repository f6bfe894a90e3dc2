"""What a workflow's text declares: its tasks by path, its results, variables, environment.

Read off the text and not off a plan, so that a case is checked in full although the tasks have
faults of their own. A task inside a loop has a path for each iteration; here they are one, with
`*` for the iteration:

    task    fan.left/task    each[*]/task    poll#*/task    each[*]/fan.left/task
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from pytest_highway.planning.plan import Node, Plan
from pytest_highway.reading.document import Document
from pytest_highway.reading.translated import Translated

__all__ = ["Declared", "Operator"]

ITERATION = re.compile(r"\[.*?\]/|#\d+/")
LOOPS = {"foreach": "[*]/", "while": "#*/"}
Entries = Mapping[str, object]


class Operator(NamedTuple):
    """One declared operator: its kind, the tool it calls, and the branches of a parallel."""

    kind: str
    tool: str = ""
    branches: tuple[str, ...] = ()
    is_step: bool = False


class Operators(NamedTuple):
    """The operators of a workflow by path, and by bare id, and the results that they write."""

    by_path: dict[str, Operator]
    by_name: dict[str, list[Operator]]
    results: list[str]


class Declared:
    """The names that a workflow declares; see the module on paths.

    Its tasks are only walked through when a case names one. `plan`, where there is one, knows the
    tasks of the files that the workflow runs as well.
    """

    def __init__(self, data: Mapping[str, object], tasks: Entries, *, has_steps: bool) -> None:
        self.plan: Plan | None = None
        self.has_steps = has_steps
        self._data = data
        self._tasks = tasks

    @classmethod
    def by(cls, document: Document) -> Declared | None:
        """What a workflow's text declares; None when it has no tasks at all."""
        data = document.data
        tasks = data.get("tasks") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(tasks, dict):
            return None
        return cls(data, tasks, has_steps=isinstance(document, Translated))

    @property
    def variables(self) -> list[str]:
        """The names of variables."""
        return [*_mapping(self._data.get("variables"))]

    @property
    def env(self) -> list[str]:
        """The names of environment variables."""
        return [*_mapping(self._data.get("env"))]

    @property
    def results(self) -> list[str]:
        """The keys of results that are there when the run has ended."""
        return self._operators.results

    @cached_property
    def _operators(self) -> Operators:
        walker = _Walker(self._tasks, has_steps=self.has_steps)
        for name, each in self._tasks.items():
            if name not in walker.in_bodies:
                walker.add(name, each, "", inside_foreach=False)
        return walker.found

    def find(self, path: str) -> Operator | None:
        """The operator of a path; iterations may have any number or key."""
        known = self._operators.by_path
        found = known.get(path) or known.get(ITERATION.sub(_starred, path))
        if found is None and self.plan is not None:
            node = self.plan.find(path)
            found = None if node is None else _operator(node)
        return found

    def named(self, name: str) -> list[Operator]:
        """The operators that a bare id or a path means."""
        found = self.find(name)
        if found is not None or self.plan is None:
            return [found] if found is not None else self._operators.by_name.get(name, [])
        return [_operator(node) for node in self.plan.named(name)]

    def calling(self, name: str) -> list[Operator]:
        """The operators whose calls a stub of this name answers: of a tool, an id or a path."""
        inside = [] if self.plan is None else [_operator(node) for node in self.plan.walk()]
        of_tool = [
            each for each in (*self._operators.by_path.values(), *inside) if each.tool == name
        ]
        return of_tool or self.named(name)

    def known(self) -> list[str]:
        """Paths and bare ids, for messages."""
        inside = [] if self.plan is None else [node.id for node in self.plan.walk()]
        by_path, by_name, _ = self._operators
        return [*dict.fromkeys([*by_path, *by_name, *inside])]


def _operator(node: Node) -> Operator:
    tool = "" if node.tool is None else node.tool.name
    return Operator(node.kind, tool, tuple(node.branches), node.is_step)


def _starred(match: re.Match[str]) -> str:
    return LOOPS["foreach"] if match[0].startswith("[") else LOOPS["while"]


class _Walker:
    """One walk through tasks and bodies; whatever has a wrong shape is passed over."""

    def __init__(self, tasks: Entries, *, has_steps: bool) -> None:
        self.found = Operators({}, {}, [])
        self.has_steps = has_steps
        self.tasks = tasks
        self.open: list[str] = []  # listed by id, from the outside in: a loop may list itself
        self.in_bodies = {
            name
            for each in tasks.values()
            if isinstance(each, dict) and ("loop_body" in each or "branches" in each)
            for name in _listed(each, tasks, set(), in_body=False)
        }

    def add(self, name: str, each: object, prefix: str, *, inside_foreach: bool) -> None:
        """Take down an operator and what is inside it."""
        operator = _mapping(each)
        kind = str(operator.get("operator_type", "task"))
        branches = _mapping(operator.get("branches"))
        function = str(operator.get("function", ""))
        found = Operator(kind, function, tuple(branches), self.has_steps)
        path = prefix + name
        by_path, by_name, results = self.found
        if path in by_path:
            return
        by_path[path] = found
        by_name.setdefault(name, []).append(found)
        key = operator.get("result_key")
        if isinstance(key, str) and not inside_foreach:
            results.append(key)
        for branch, entries in branches.items():
            self._list(entries, f"{path}.{branch}/", prefix, inside_foreach=inside_foreach)
        if kind in LOOPS:
            body = path + LOOPS[kind]
            inside = inside_foreach or kind == "foreach"
            self._list(operator.get("loop_body"), body, body, inside_foreach=inside)

    def _list(self, entries: object, inline: str, by_id: str, *, inside_foreach: bool) -> None:
        """The operators of a body or a branch: inline ones, and those listed by id."""
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, dict) and isinstance(entry.get("task_id"), str):
                self.add(str(entry["task_id"]), entry, inline, inside_foreach=inside_foreach)
            elif isinstance(entry, str) and entry in self.tasks and entry not in self.open:
                self.open.append(entry)
                self.add(entry, self.tasks[entry], by_id, inside_foreach=inside_foreach)
                self.open.pop()


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _listed(each: object, tasks: Entries, seen: set[str], *, in_body: bool) -> Iterator[str]:
    """The tasks of the top level that the loops inside an operator have in their bodies."""
    operator = _mapping(each)
    lists = list(_mapping(operator.get("branches")).values())
    is_loop = operator.get("operator_type") in LOOPS
    if is_loop:
        lists.append(operator.get("loop_body"))
    in_body = in_body or is_loop
    for entries in lists:
        for entry in entries if isinstance(entries, list) else ():
            name = entry if isinstance(entry, str) else _mapping(entry).get("task_id")
            is_new = in_body and isinstance(name, str) and name in tasks and name not in seen
            if is_new:
                seen.add(str(name))
                yield str(name)
            if isinstance(entry, dict):
                yield from _listed(entry, tasks, seen, in_body=in_body)
            elif is_new:
                yield from _listed(tasks[str(name)], tasks, seen, in_body=in_body)
