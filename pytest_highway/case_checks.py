"""What can be known of a case without running it: every name in it must exist.

A test tool that accepts a typo tests nothing, so an unknown task, tool, result, state, exception,
matcher or request is an error at collection, at its place.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import cast

from pydantic import BaseModel

from pytest_highway.case_models import ANSWER_WORDS, CaseModel, HttpEntry, StubEntry
from pytest_highway.cases import Case
from pytest_highway.errors import Diagnostic, HighwayError, did_you_mean, listed
from pytest_highway.http_stub import request_key
from pytest_highway.lines import line_faults
from pytest_highway.matchers import faults
from pytest_highway.models import validate_model
from pytest_highway.plan import Loc, Node, Plan
from pytest_highway.stubs import KNOWN_EXCEPTIONS, PROCESS_TOOLS, exception_class
from pytest_highway.template import compile_data
from pytest_highway.tools import Registry

__all__ = ["check_case", "is_path", "stub_entries"]

Entry = StubEntry | HttpEntry

# Faults of a run that no tool raised, by the names under which a log has them.
ENGINE_FAULTS = (
    "BulkheadFull",
    "Cancelled",
    "CircuitOpen",
    "ExpressionError",
    "LockTimeout",
    "MaxIterations",
    "MemoryConflict",
    "MissingValue",
    "NotPlain",
    "OutputInvalid",
    "PreconditionFailed",
    "Stuck",
    "UpstreamFailed",
    "UsageLimitExceeded",
)


def check_case(case: Case, plan: Plan, registry: Registry) -> list[Diagnostic]:
    """All findings about one case."""
    checker = _Checker(case, plan, registry)
    checker.check()
    return checker.found


def is_path(name: str) -> bool:
    """Whether a stub's name is a task's (an id or a path) and not a tool's."""
    return "." not in name or any(sign in name for sign in "/[#")


def stub_entries(
    case: Case, loc: Loc, raw: object, model: type[StubEntry] | type[HttpEntry]
) -> tuple[list[Entry], list[Diagnostic]]:
    """A stub's entries: a mapping is one that answers every call, a list is a script."""
    rows = raw if isinstance(raw, list) else [raw]
    entries: list[Entry] = []
    found: list[Diagnostic] = []
    for number, row in enumerate(rows):
        place = (*loc, number) if isinstance(raw, list) else loc

        def base(inside: Loc, place: Loc = place) -> Loc:
            return case.origin.place((*place, *inside))

        entry, wrong = validate_model(cast("type[BaseModel]", model), row, case.origin.document, base)
        found += wrong
        if entry is not None:
            entries.append(cast(Entry, entry))
    if isinstance(raw, list) and not raw:
        found.append(case.origin.fault(loc, "the script is empty; give it an entry"))
    return entries, found


class _Checker:
    def __init__(self, case: Case, plan: Plan, registry: Registry) -> None:
        self.case = case
        self.plan = plan
        self.registry = registry
        self.found: list[Diagnostic] = []

    def check(self) -> None:
        model = self.case.model
        declared = self.plan.workflow
        self._names("variables", model.variables, declared.variables, "variable")
        self._names("env", model.env, declared.env, "environment variable")
        self._stubs(model)
        self._http(model)
        if model.real is not True:
            for number, name in enumerate(model.real):
                self._known(name, self.registry.names(), "tool", ("real", number))
        self._marks(model)
        self._expectations()

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> None:
        self.found.append(self.case.origin.fault(loc, message, key=key))

    def _names(
        self, word: str, given: Mapping[str, object], declared: Mapping[str, object], what: str
    ) -> None:
        for name in given:
            self._known(name, list(declared), what, (word, name), key=True)

    def _known(
        self, name: str, names: Sequence[str], what: str, loc: Loc, *, key: bool = False
    ) -> bool:
        if name in names:
            return True
        near = did_you_mean(name, names)
        known = near or f"; there are {listed(names)}"
        self.fault(loc, f"unknown {what} {name!r}{known}", key=key)
        return False

    def _task(self, path: str, loc: Loc, *, bare: bool = False) -> Node | None:
        """The task of a path; a bare id may stand for one in any scope when `bare`."""
        found = self.plan.find(path)
        if found is None and bare:
            found = next(iter(self.plan.named(path)), None)
        if found is None:
            names = [node.id for node in self.plan.walk()]
            self._known(path, names, "task", loc, key=True)
            if path in names:
                hint = f"{path!r} stands inside another task; write its whole path"
                self.fault(loc, hint, key=True)
        return found

    # --- stubs ---------------------------------------------------------------------------------

    def _stubs(self, model: CaseModel) -> None:
        for name, raw in model.stubs.items():
            loc: Loc = ("stubs", name)
            if is_path(name):
                node = self._task(name, loc, bare=True)
                if node is None:
                    continue
                tool = node.tool
                process = tool is not None and tool.name in PROCESS_TOOLS
                if tool is None:
                    self.fault(loc, f"{name!r} calls no tool, so no stub can answer it", key=True)
            else:
                self._known(name, self.registry.names(), "tool", loc, key=True)
                process = name in PROCESS_TOOLS
            entries, found = stub_entries(self.case, loc, raw, StubEntry)
            self.found += found
            for place, entry in self._placed(loc, raw, entries):
                self._entry(place, cast(StubEntry, entry), process=process)

    def _placed(self, loc: Loc, raw: object, entries: list[Entry]) -> Iterator[tuple[Loc, Entry]]:
        for number, entry in enumerate(entries):
            yield ((*loc, number) if isinstance(raw, list) else loc), entry

    def _entry(self, loc: Loc, entry: StubEntry, *, process: bool) -> None:
        names = {"answer": "return", "error": "raise"}
        given = [names.get(each, each) for each in entry.model_fields_set]
        answers = [word for word in ANSWER_WORDS if word in given]
        if len(answers) != 1:
            said = f"says {listed(answers)}" if answers else "says none of them"
            allowed = ", ".join(ANSWER_WORDS)
            self.fault(loc, f"a stub says exactly one of {allowed}; this one {said}", key=True)
        for word in ("stdout", "stderr"):
            if word in given and "exit" not in given:
                self.fault((*loc, word), f"{word!r} goes with 'exit'", key=True)
        if "exit" in given and not process:
            tools = " and ".join(PROCESS_TOOLS)
            self.fault((*loc, "exit"), f"'exit' is for processes: {tools}", key=True)
        self._raised(loc, entry.error)
        self._templates(entry.answer, (*loc, "return"))
        if entry.when is not None:
            for word in entry.when.model_fields_set:
                self._pattern(getattr(entry.when, word), (*loc, "when", word))

    def _raised(self, loc: Loc, spec: Mapping[str, str] | None) -> None:
        for name in spec or ():
            if "{{" not in name:
                self._exception(name, (*loc, "raise"))

    def _exception(self, name: str, loc: Loc) -> None:
        try:
            exception_class(name, {**KNOWN_EXCEPTIONS, **self._exceptions_of_tools()})
        except HighwayError as error:
            near = did_you_mean(name, _builtin_names())
            self.fault(loc, f"{error}{near}; others are written as 'module:Class'")

    def _exceptions_of_tools(self) -> dict[str, type[Exception]]:
        """Exceptions that the modules of registered tools define or import."""
        found: dict[str, type[Exception]] = {}
        for tool in self.registry:
            for name, value in getattr(tool.function, "__globals__", {}).items():
                if isinstance(value, type) and issubclass(value, Exception):
                    found.setdefault(name, value)
        return found

    def _templates(self, data: object, loc: Loc) -> None:
        wrong: list[tuple[Loc, HighwayError]] = []
        compile_data(data, cast("list", wrong))
        for inside, error in wrong:
            self.fault((*loc, *inside), str(error).split("\n")[0])

    def _http(self, model: CaseModel) -> None:
        for key, raw in model.http.items():
            loc: Loc = ("http", key)
            try:
                request_key(key)
            except ValueError as error:
                self.fault(loc, str(error), key=True)
            entries, found = stub_entries(self.case, loc, raw, HttpEntry)
            self.found += found
            for place, entry in self._placed(loc, raw, entries):
                if (entry.answer is None) == (entry.error is None):
                    message = "an answer says exactly one of return, raise"
                    self.fault(place, message, key=True)
                self._raised(place, entry.error)

    def _marks(self, model: CaseModel) -> None:
        for number, mark in enumerate(model.marks):
            loc: Loc = ("marks", number)
            if isinstance(mark, dict) and len(mark) != 1:
                self.fault(loc, "a mark is a name or a mapping {name: arguments}")
            name = mark if isinstance(mark, str) else next(iter(mark), "")
            if not name.isidentifier() or name == "parametrize":
                hint = "; use `params`" if name == "parametrize" else ""
                self.fault(loc, f"{name!r} is no mark that a case can carry{hint}")

    # --- expectations --------------------------------------------------------------------------

    def _expectations(self) -> None:
        expect = self.case.model.expect
        written = cast("Mapping[str, object]", self.case.data["expect"])
        for word in written:
            check = EXPECT_CHECKS.get(word)
            if check is not None:
                check(self, written[word])
        if expect.transcript is not None and isinstance(expect.transcript.lines, list):
            for number, message in line_faults(expect.transcript.lines, expect.transcript.match):
                self.fault(("expect", "transcript"), f"line {number + 1}: {message}")

    def _pattern(self, pattern: object, loc: Loc) -> None:
        for inside, message in faults(pattern):
            self.fault((*loc, *inside), message)

    def _expect_branches(self, value: object) -> None:
        for path, side in cast("Mapping[str, object]", value).items():
            loc: Loc = ("expect", "branches", path)
            node = self._task(path, loc)
            if node is None:
                continue
            if node.kind == "parallel":
                self._ran(node, side, loc)
            elif node.kind != "condition":
                self.fault(loc, f"{path!r} is a {node.kind} and chooses no branch", key=True)
            elif side not in ("if_true", "if_false", None):
                message = f"{side!r} is not allowed here; allowed: 'if_true', 'if_false', null"
                near = did_you_mean(str(side), ("if_true", "if_false"))
                self.fault(loc, f"{message}{near}")

    def _ran(self, node: Node, names: object, loc: Loc) -> None:
        """What is expected of a parallel: the branches that ran, in declared order."""
        if names is None or (isinstance(names, Mapping) and any("$" in key for key in names)):
            return
        if not isinstance(names, list):
            self.fault(loc, f"expected a list of branch names, got {names!r}")
            return
        for number, name in enumerate(names):
            self._known(name, list(node.branches), "branch", (*loc, number))

    def _expect_tasks(self, value: object) -> None:
        for path, wanted in cast("Mapping[str, object]", value).items():
            self._task(path, ("expect", "tasks", path))
            if isinstance(wanted, Mapping):
                for field in ("attempts", "reason"):
                    self._pattern(wanted.get(field), ("expect", "tasks", path, field))
                stand_in = wanted.get("replaced_by")
                if isinstance(stand_in, str):
                    self._task(stand_in, ("expect", "tasks", path, "replaced_by"))

    def _expect_calls(self, value: object) -> None:
        for name, wanted in cast("Mapping[str, object]", value).items():
            loc: Loc = ("expect", "calls", name)
            if " " in name:
                known = list(self.case.model.http)
                self._known(name, known, "request (none of `http`)", loc, key=True)
            elif is_path(name):
                self._task(name, loc, bare=True)
            else:
                self._known(name, self.registry.names(), "tool", loc, key=True)
            if not isinstance(wanted, int | list | Mapping) or isinstance(wanted, bool):
                self.fault(loc, "expected a number of calls, or a list of {args, kwargs}")
            self._pattern(wanted, loc)
            for number, element in enumerate(wanted if isinstance(wanted, list) else ()):
                self._call_pattern(element, (*loc, number))

    def _call_pattern(self, element: object, loc: Loc) -> None:
        if not isinstance(element, Mapping):
            self.fault(loc, "expected a mapping with args, kwargs or both")
            return
        for key in element:
            if not key.startswith("$"):
                self._known(key, ("args", "kwargs"), "key", (*loc, key), key=True)

    def _expect_results(self, value: object) -> None:
        known = [node.result_key for node in self.plan.scope.written()]
        for key, pattern in cast("Mapping[str, object]", value).items():
            loc: Loc = ("expect", "results", key)
            self._known(key, known, "result", loc, key=True)
            self._pattern(pattern, loc)

    def _pattern_of(self, word: str, value: object) -> None:
        self._pattern(value, ("expect", word))

    def _expect_error(self, value: object) -> None:
        spec = value if isinstance(value, Mapping) else {"type": value}
        place: Loc = ("expect", "error")
        name = spec.get("type")
        if isinstance(name, str) and name not in ENGINE_FAULTS:
            self._exception(name, (*place, "type") if isinstance(value, Mapping) else place)
        self._pattern(spec.get("message"), (*place, "message"))
        if isinstance(spec.get("task"), str):
            self._task(str(spec["task"]), (*place, "task"))

    def _expect_order(self, value: object) -> None:
        for number, text in enumerate(cast("list[str]", value)):
            loc: Loc = ("expect", "order", number)
            names = [each.strip() for each in text.split("<")]
            if len(names) < 2 or not all(names):
                self.fault(loc, f"{text!r} is no order; write 'a < b'")
                continue
            for name in names:
                self._task(name, loc)


EXPECT_CHECKS: dict[str, Callable[[_Checker, object], None]] = {
    "error": _Checker._expect_error,
    "branches": _Checker._expect_branches,
    "tasks": _Checker._expect_tasks,
    "calls": _Checker._expect_calls,
    "results": _Checker._expect_results,
    "memory": lambda checker, value: checker._pattern_of("memory", value),
    "output": lambda checker, value: checker._pattern_of("output", value),
    "usage": lambda checker, value: checker._pattern_of("usage", value),
    "order": _Checker._expect_order,
}


def _builtin_names() -> list[str]:
    return [
        name
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, Exception)
    ]
