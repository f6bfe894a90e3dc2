"""What can be known of a case without running it: every name in it must exist.

A test tool that accepts a typo tests nothing, so an unknown task, tool, result, state, exception,
matcher, mark form or request is an error at collection, at its place. What a workflow declares is
read off its text (see `declared`), not off its plan: a case is checked in full although the tasks
have faults of their own, and all of them are reported at once.

What still waits for a fixture is let pass; the case is checked again when its fixtures are known.
"""

from __future__ import annotations

import keyword
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.declared import Declared
from pytest_highway.cases.models import SIDES, ExpectedTask
from pytest_highway.cases.scripts import (
    FETCH_TOOLS,
    compile_scripts,
    is_path,
    pattern_findings,
    stands_for_nothing,
)
from pytest_highway.errors import Diagnostic, HighwayError, did_you_mean, listed
from pytest_highway.exceptions import check_fault
from pytest_highway.matching.lines import line_faults
from pytest_highway.matching.matchers import shown
from pytest_highway.matching.patterns import word_of
from pytest_highway.planning.lock_checks import taken_in
from pytest_highway.planning.plan import Loc
from pytest_highway.tools import Registry

__all__ = ["Declared", "check_case", "runs_on_real_clock"]

# The arguments of pytest's own marks; it overlooks those that it does not know.
MARKS: Final[Mapping[str, tuple[str, ...]]] = {
    "skip": ("reason",),
    "skipif": ("condition", "reason"),
    "xfail": ("condition", "reason", "run", "strict"),
}
# These read a single argument as a condition.
CONDITIONAL: Final = ("skipif", "xfail")


def check_case(case: Case, declared: Declared, registry: Registry) -> tuple[Case, list[Diagnostic]]:
    """The case with its compiled stubs, and all findings about it."""
    scripts, found = compile_scripts(case, registry, declared)
    case = replace(case, scripts=scripts)
    checker = _Checker(case, declared, registry)
    checker.check()
    return case, [*found, *checker.found]


def runs_on_real_clock(case: Case, registry: Registry) -> bool:
    """Whether a case lets a tool with effects run for real, so that time cannot be virtual.

    By `real`, or by a stub that says `call: real`; there a fetch tool is none where the case
    answers HTTP.
    """
    real = case.model.real
    if real is True:
        return True
    tools = [registry.get(name) for name in real or ()]
    for name in () if case.scripts is None else case.scripts.real_tools:
        if not (case.model.http and name.startswith(FETCH_TOOLS)):
            tools.append(registry.get(name))
    return any(tool is not None and tool.effects != "pure" for tool in tools)


class _Checker:
    """One walk through a case; `found` grows as it goes."""

    def __init__(self, case: Case, declared: Declared, registry: Registry) -> None:
        self.case = case
        self.declared = declared
        self.registry = registry
        self.found: list[Diagnostic] = []

    def check(self) -> None:
        model, declared = self.case.model, self.declared
        for name in model.variables:
            self._known(name, declared.variables, "variable", ("variables", name), key=True)
        for name in model.env:
            self._known(name, declared.env, "environment variable", ("env", name), key=True)
        for name in model.stubs:
            if not stands_for_nothing(name, self.case, declared):
                self._stub_name(name, ("stubs", name))
        self._world()
        self._fixtures()
        for number, mark in enumerate(model.marks):
            self._mark(mark, ("marks", number))
        for word, check in EXPECT_CHECKS.items():
            if word in model.expect.model_fields_set:
                check(self)

    # --- names -----------------------------------------------------------------------------------

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> None:
        self.found.append(self.case.origin.fault(loc, message, key=key))

    def _known(
        self, name: object, names: Sequence[str], what: str, loc: Loc, *, key: bool = False
    ) -> bool:
        """Whether a name is one of these; False without a finding while it waits for a fixture."""
        if name in names:
            return True
        if not (self.case.pending and "{{" in str(name)):
            near = did_you_mean(str(name), names) or f"; there are {listed(names)}"
            self.fault(loc, f"unknown {what} {name!r}{near}", key=key)
        return False

    def _task(self, path: object, loc: Loc, *, key: bool = False) -> bool:
        if self.declared.find(str(path)) is not None:
            return True
        if self.declared.named(str(path)):
            message = f"{path!r} stands inside another task; write its whole path"
            self.fault(loc, message, key=key)
            return False
        return self._known(path, self.declared.known(), "task", loc, key=key)

    def _any_task(self, name: str, loc: Loc) -> bool:
        """A path, or a bare id: that task in every iteration and branch."""
        if self.declared.named(name):
            return True
        return self._known(name, self.declared.known(), "task", loc, key=True)

    def _tool(self, name: str, loc: Loc, *, key: bool = False) -> bool:
        return self._known(name, self.registry.names(), "tool", loc, key=key)

    def _pattern(self, pattern: object, loc: Loc) -> None:
        self.found += pattern_findings(self.case, pattern, loc)

    # --- the world -------------------------------------------------------------------------------

    def _stub_name(self, name: str, loc: Loc) -> None:
        if not is_path(name):
            self._tool(name, loc, key=True)
        elif self._any_task(name, loc) and not any(
            each.kind == "task" for each in self.declared.named(name)
        ):
            kind = self.declared.named(name)[0].kind
            message = f"{name!r} is a {kind} and calls no tool that a stub could stand for"
            self.fault(loc, message, key=True)

    def _world(self) -> None:
        model, declared = self.case.model, self.declared
        names = [] if isinstance(model.real, bool) else model.real
        for number, name in enumerate(names):
            self._tool(name, ("real", number))
        if model.locks and declared.plan is not None:
            self._locks(taken_in(declared.plan))
        if model.now is not None and runs_on_real_clock(self.case, self.registry):
            message = "tools with effects run for real, and so does the clock; `now` says nothing"
            self.fault(("now",), message, key=True)

    def _locks(self, taken: Sequence[str]) -> None:
        for name in self.case.model.locks:
            if name not in taken and "{{" not in name:
                near = did_you_mean(name, taken)
                self.fault(("locks", name), f"nothing takes the lock {name!r}{near}", key=True)

    def _fixtures(self) -> None:
        for number, name in enumerate(self.case.model.fixtures):
            if "{{" not in name and (not name.isidentifier() or keyword.iskeyword(name)):
                self.fault(("fixtures", number), f"{name!r} is no name of a fixture")

    def _mark(self, mark: object, loc: Loc) -> None:
        """A mark's name or `{name: arguments}`, as one of the three forms that pytest takes."""
        name, arguments = (mark, None) if isinstance(mark, str) else _only_item(mark)
        if not name.isidentifier() or name == "parametrize":
            hint = "; use `params`" if name == "parametrize" else ""
            self.fault(loc, f"{name!r} is no mark that a case can carry{hint}", key=True)
            return
        if isinstance(mark, str):
            return
        place = (*loc, name)
        known = MARKS.get(name)
        if arguments is None:
            self.fault(place, f"{name!r} has no arguments here; write the name alone")
        elif isinstance(arguments, Mapping):
            for key in arguments if known is not None else ():
                self._known(key, known or (), f"argument of {name!r}", (*place, key), key=True)
        elif name in CONDITIONAL:
            form = f"{{{name}: {{reason: …}}}}"
            self.fault(place, f"{name!r} takes its arguments by name, as in {form}")

    # --- expectations ----------------------------------------------------------------------------

    def _status(self) -> None:
        expect = self.case.model.expect
        if expect.status == "success" and expect.error is not None:
            loc: Loc = ("expect", "error")
            self.fault(
                loc, "an error is expected of a run whose status is to be 'success'", key=True
            )

    def _branches(self) -> None:
        for path, side in self.case.model.expect.branches.items():
            loc: Loc = ("expect", "branches", path)
            operator = self.declared.find(path) if self._task(path, loc, key=True) else None
            if operator is None:
                continue
            kind = operator.kind
            if kind == "parallel":
                self._selected(side, operator.branches, loc)
            elif kind != "condition":
                self.fault(loc, f"{path!r} is a {kind} and chooses no branch", key=True)
            elif side is not None and side not in SIDES and "{{" not in str(side):
                near = did_you_mean(str(side), SIDES)
                allowed = "'if_true', 'if_false', null"
                given = repr(side) if isinstance(side, str) else shown(side)
                self.fault(loc, f"{given} is not allowed here; allowed: {allowed}{near}")

    def _selected(self, side: object, branches: Sequence[str], loc: Loc) -> None:
        """The branches of a parallel that are to run, or null."""
        if side is None or "{{" in str(side):
            return
        if not isinstance(side, list):
            given = repr(side) if isinstance(side, str) else shown(side)
            self.fault(loc, f"expected a list of branch names, got {given}")
            return
        for number, name in enumerate(side):
            self._known(name, branches, "branch", (*loc, number))

    def _tasks(self) -> None:
        for path, wanted in self.case.model.expect.tasks.items():
            loc: Loc = ("expect", "tasks", path)
            self._task(path, loc, key=True)
            self._task_end(wanted, loc)

    def _task_end(self, wanted: ExpectedTask, loc: Loc) -> None:
        for field in ("attempts", "reason", "replaced_by"):
            self._pattern(getattr(wanted, field), (*loc, field))
        stand_in = wanted.replaced_by
        if stand_in is not None and not isinstance(stand_in, Mapping):
            self._task(stand_in, (*loc, "replaced_by"))

    def _calls(self) -> None:
        for name, wanted in self.case.model.expect.calls.items():
            loc: Loc = ("expect", "calls", name)
            if " " in name:
                self._request(name, wanted, loc)
            elif is_path(name):
                self._any_task(name, loc)
            else:
                self._tool(name, loc, key=True)
            if isinstance(wanted, list):
                for number, element in enumerate(wanted):
                    self._call(element, (*loc, number))
            elif not _is_count(wanted) and "{{" not in str(wanted):
                self.fault(
                    loc, "expected a number of calls, a matcher, or a list of {args, kwargs}"
                )
            self._pattern(wanted, loc)

    def _request(self, name: str, wanted: object, loc: Loc) -> None:
        known = self._known(name, [*self.case.model.http], "request", loc, key=True)
        if known and isinstance(wanted, list):
            hint = "what they hold can be told apart by `when` in `http`"
            self.fault(loc, f"requests are counted, so a number is expected; {hint}")

    def _call(self, element: object, loc: Loc) -> None:
        if not isinstance(element, Mapping):
            self.fault(loc, "expected a mapping with args, kwargs or both, or a matcher")
            return
        for key in element if word_of(element) is None else ():
            if self._known(key, ("args", "kwargs"), "key", (*loc, key), key=True):
                kind = {"args": list, "kwargs": dict}[key]
                value = element[key]
                is_use = isinstance(value, Mapping) and word_of(value) is not None
                if not isinstance(value, kind) and not is_use and "{{" not in str(value):
                    what = "a list" if kind is list else "a mapping"
                    self.fault((*loc, key), f"expected {what} of arguments, or a matcher")

    def _results(self) -> None:
        for key, pattern in self.case.model.expect.results.items():
            loc: Loc = ("expect", "results", key)
            self._known(key, self.declared.results, "result", loc, key=True)
            self._pattern(pattern, loc)

    def _memory(self) -> None:
        for key, pattern in self.case.model.expect.memory.items():
            self._pattern(pattern, ("expect", "memory", key))

    def _error(self) -> None:
        expected = self.case.model.expect.error
        assert expected is not None
        data = self.case.data["expect"]
        is_short = isinstance(data, Mapping) and not isinstance(data["error"], Mapping)
        for field in ("type", "message", "task"):
            value = getattr(expected, field)
            loc: Loc = ("expect", "error") if is_short else ("expect", "error", field)
            self._pattern(value, loc)
            if value is None or isinstance(value, Mapping) or "{{" in str(value):
                continue
            if field == "type":
                self._fault_name(str(value), loc)
            elif field == "task":
                self._task(value, loc)

    def _fault_name(self, name: str, loc: Loc) -> None:
        try:
            check_fault(name, self.registry)
        except HighwayError as error:
            self.fault(loc, str(error))

    def _output(self) -> None:
        self._pattern(self.case.model.expect.output, ("expect", "output"))

    def _duration(self) -> None:
        self._pattern(self.case.model.expect.duration, ("expect", "duration"))

    def _usage(self) -> None:
        usage = self.case.model.expect.usage
        for field in ("cost", "tokens", "tool_calls"):
            self._pattern(getattr(usage, field), ("expect", "usage", field))

    def _order(self) -> None:
        for number, text in enumerate(self.case.model.expect.order):
            loc: Loc = ("expect", "order", number)
            names = [each.strip() for each in text.split("<")]
            if len(names) < 2 or not all(names):
                self.fault(loc, f"{text!r} is no order; write 'a < b'")
                continue
            for name in names:
                self._task(name, loc)
            if len(set(names)) < len(names):
                self.fault(loc, f"{text!r} puts a task before itself")

    def _transcript(self) -> None:
        expected = self.case.model.expect.transcript
        assert expected is not None
        if not isinstance(expected.lines, list):
            return
        loc: Loc = ("expect", "transcript")
        written = self.case.data["expect"]
        found = written.get("transcript") if isinstance(written, Mapping) else None
        if isinstance(found, Mapping):
            loc, found = (*loc, "lines"), found.get("lines")
        for number, message in line_faults(expected.lines, expected.match):
            place = (*loc, number) if isinstance(found, list) else loc
            self.fault(place, f"line {number + 1}: {message}")


def _only_item(mark: object) -> tuple[str, object]:
    assert isinstance(mark, Mapping)
    ((name, arguments),) = mark.items()
    return name, arguments


def _is_count(wanted: object) -> bool:
    """A number of calls, or a matcher of one."""
    if isinstance(wanted, Mapping):
        return word_of(wanted) is not None
    return isinstance(wanted, int) and not isinstance(wanted, bool) and wanted >= 0


EXPECT_CHECKS: Final[Mapping[str, Callable[[_Checker], None]]] = {
    "status": _Checker._status,
    "error": _Checker._error,
    "branches": _Checker._branches,
    "tasks": _Checker._tasks,
    "calls": _Checker._calls,
    "results": _Checker._results,
    "memory": _Checker._memory,
    "output": _Checker._output,
    "usage": _Checker._usage,
    "duration": _Checker._duration,
    "order": _Checker._order,
    "transcript": _Checker._transcript,
}
