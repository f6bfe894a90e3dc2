"""Scripts: what a case's stubs answer, compiled once and used by every run of the case.

    stubs, http --compile_scripts--> Scripts      a script for each name, a rule for each entry

All that can be wrong with an entry is found here: which words go together, which exception is
meant, whether its patterns and templates make sense. What remains for a run is to count and to
fill in templates (`params.`, `fixtures.`, `call.`); the state of a run is kept by `stubs`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeVar, cast

from pytest_highway.cases.answers import HttpRule, Raising, Rule, Script, Scripts, StubRule
from pytest_highway.cases.declarations import Case
from pytest_highway.cases.declared import Declared
from pytest_highway.cases.http_stub import request_key
from pytest_highway.cases.models import HttpEntry, HttpReply, StubEntry, check_word
from pytest_highway.errors import Diagnostic, HighwayError, listed
from pytest_highway.exceptions import find_exception, make_exception
from pytest_highway.expressions.template import Faults, Value, compile_data
from pytest_highway.expressions.values import ATOMS
from pytest_highway.matching.matchers import MATCHERS, faults
from pytest_highway.matching.patterns import word_of
from pytest_highway.planning.plan import Loc
from pytest_highway.steps.shells import is_shell_name
from pytest_highway.tool_context import LogLevel, parse_usage
from pytest_highway.toolbox.json_body import ABSENT
from pytest_highway.toolbox.process import PROCESS_TOOLS
from pytest_highway.tools import Registry

__all__ = [
    "FETCH_TOOLS",
    "compile_scripts",
    "is_path",
    "pattern_findings",
    "stands_for_nothing",
]

# The requests of these are answered by a case's `http`.
FETCH_TOOLS: Final = "tools.fetch."
# What the value of a process tool consists of, and of which type each part is; a step's has the
# last one.
FINISHED: Final = {"exit_code": int, "stdout": str, "stderr": str, "outputs": dict}
KINDS: Final = {int: "a whole number", str: "text", dict: "a mapping"}

# Each stub says exactly one of these; those of ENDED go with `exit`, which `outputs` implies.
ANSWER_WORDS: Final = ("return", "raise", "call", "exit")
ENDED: Final = ("stdout", "stderr", "outputs")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
# The fields of the models whose names in the file are others.
WRITTEN: Final = {"answer": "return", "error": "raise", "json_body": "json"}


def is_path(name: str) -> bool:
    """Whether a stub's name is a task's (an id or a path) and not a tool's."""
    return "." not in name or any(sign in name for sign in "/[#")


def compile_scripts(
    case: Case, registry: Registry, declared: Declared
) -> tuple[Scripts, list[Diagnostic]]:
    """The scripts of a case, and what is wrong with them."""
    compiler = _Compiler(case, registry)
    stubs = {
        name: compiler.script(name, entries, _parts_of(name, declared, registry))
        for name, entries in case.model.stubs.items()
        if not stands_for_nothing(name, case, declared)
    }
    http = compiler.http_scripts(case.model.http)
    tasks = {name: each for name, each in stubs.items() if is_path(name)}
    tools = {name: each for name, each in stubs.items() if name not in tasks}
    calling = [name for name, each in stubs.items() if any(map(_is_real, each.rules))]
    real = [tool for name in calling for tool in _tools_of(name, declared)]
    return Scripts(tasks, tools, http, tuple(dict.fromkeys(real))), compiler.found


def _is_real(rule: Rule) -> bool:
    return isinstance(rule, StubRule) and rule.is_real


def _tools_of(name: str, declared: Declared) -> list[str]:
    """The tools whose calls a stub answers: the one that it names, or those of its tasks."""
    return [each.tool for each in declared.named(name)] if is_path(name) else [name]


def stands_for_nothing(name: str, case: Case, declared: Declared) -> bool:
    """Whether a stub is of a shared file, and for a task that only other workflows have."""
    if not is_path(name) or not case.origin.is_included(("stubs", name)):
        return False
    return not any(each.kind == "task" for each in declared.named(name))


def _parts_of(name: str, declared: Declared, registry: Registry) -> tuple[str, ...]:
    """The parts of a finished process that a stub may tell; none where it answers no process.

    A name that means nothing is a fault of its own (see `checks`), and what stands below it none.
    """
    called = declared.calling(name)
    if not called and name not in registry:
        return tuple(FINISHED)
    found = [each for each in called if each.tool in PROCESS_TOOLS]
    if not found and name not in PROCESS_TOOLS:
        return ()
    return tuple(FINISHED) if any(each.is_step for each in found) else tuple(FINISHED)[:-1]


class _Compiler:
    """One walk through the stubs of a case; `found` grows as it goes."""

    def __init__(self, case: Case, registry: Registry) -> None:
        self.case = case
        self.registry = registry
        self.found: list[Diagnostic] = []

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> None:
        self.found.append(self.case.origin.fault(loc, message, key=key))

    def _is_shared(self, loc: Loc) -> bool:
        """Whether other cases have the script as well, so that this one need not use it."""
        origin = self.case.origin
        return origin.is_included(loc) or origin.from_defaults(loc)

    def _waits(self, name: str) -> bool:
        """Whether a name is not known before its fixture is."""
        return self.case.pending and "{{" in name

    def script(self, name: str, entries: Sequence[StubEntry], parts: Sequence[str]) -> Script:
        rules = [
            self._stub_rule(entry, loc, parts, endless=endless)
            for entry, loc, endless in self._placed(("stubs", name), entries)
        ]
        loc: Loc = ("stubs", name)
        return Script(name, loc, rules, self._is_shared(loc))

    def http_scripts(
        self, http: Mapping[str, Sequence[HttpEntry]]
    ) -> dict[tuple[str, str], Script]:
        scripts: dict[tuple[str, str], Script] = {}
        for name, entries in http.items():
            loc: Loc = ("http", name)
            rules = [
                self._http_rule(entry, place, endless=endless)
                for entry, place, endless in self._placed(loc, entries)
            ]
            if self._waits(name):
                continue
            try:
                key = request_key(name)
            except ValueError as error:
                self.fault(loc, str(error), key=True)
                continue
            if key in scripts:
                message = f"{name!r} means the same requests as {scripts[key].name!r}; join them"
                self.fault(loc, message, key=True)
            scripts[key] = Script(name, loc, rules, self._is_shared(loc))
        return scripts

    def _placed(self, loc: Loc, entries: Sequence[Entry]) -> Iterator[tuple[Entry, Loc, bool]]:
        """Each entry with its place, and whether it answers without end unless it says `times`."""
        word, name = loc
        is_list = isinstance(
            cast("Mapping[str, object]", self.case.data[str(word)])[str(name)], list
        )
        for number, entry in enumerate(entries):
            yield entry, (*loc, number) if is_list else loc, not is_list

    # --- entries ---------------------------------------------------------------------------------

    def _stub_rule(
        self, entry: StubEntry, loc: Loc, parts: Sequence[str], *, endless: bool
    ) -> StubRule:
        given = {WRITTEN.get(each, each) for each in entry.model_fields_set}
        if "outputs" in given and given.isdisjoint(ANSWER_WORDS):
            given.add("exit")  # What hands on values has ended well.
        self._check_words(given, loc, parts)
        answer, place = entry.answer, (*loc, "return")
        if "exit" in given:
            finished = (entry.exit or 0, entry.stdout, entry.stderr, entry.outputs)
            answer = dict(zip(FINISHED, finished, strict=True))
            place = loc
            self._check_outputs(entry.outputs, (*loc, "outputs"))
            if "outputs" not in given:
                del answer["outputs"]
        elif parts:
            self._check_finished(answer, place, parts)
        when = entry.when
        patterns: dict[str, object] = {}
        for word, kind in (("args", list), ("kwargs", dict)):
            if when is not None and word in when.model_fields_set:
                patterns[word] = getattr(when, word)
                self.found += _argument_faults(
                    self.case, patterns[word], (*loc, "when", word), kind
                )
        usage = entry.usage
        return StubRule(
            loc,
            None if endless and "times" not in given else entry.times,
            entry.after,
            self._raising(entry.error, loc),
            self._value(answer, place),
            entry.call == "real",
            patterns.get("args", ABSENT),
            patterns.get("kwargs", ABSENT),
            tuple(self._logs(entry.log, loc)),
            None if usage is None else parse_usage(usage.cost or 0, usage.tokens),
        )

    def _check_words(self, given: set[str], loc: Loc, parts: Sequence[str]) -> None:
        answers = [word for word in ANSWER_WORDS if word in given]
        streams = [word for word in ENDED if word in given]
        for word in streams:
            if "exit" not in given:
                self.fault((*loc, word), f"{word!r} goes with 'exit'", key=True)
        if len(answers) > 1 or not (answers or streams):
            said = f"says {listed(answers)}" if answers else "says none of them"
            allowed = ", ".join(ANSWER_WORDS)
            self.fault(loc, f"a stub says exactly one of {allowed}; this one {said}", key=True)
        if "exit" in given and not parts:
            self.fault(
                (*loc, "exit"), f"'exit' is for processes: {listed(PROCESS_TOOLS)}", key=True
            )
        elif "outputs" in given and parts and "outputs" not in parts:
            self.fault((*loc, "outputs"), "'outputs' is for steps, which hand them on", key=True)

    def _check_outputs(self, outputs: Mapping[str, object], loc: Loc) -> None:
        """Names that a step could write, and numbers that keep their text."""
        for name, value in outputs.items():
            if not is_shell_name(name):
                message = f"{name!r} is no name of an output; names match [A-Za-z_][A-Za-z0-9_]*"
                self.fault((*loc, name), message, key=True)
            written = self.case.origin.document.written(self.case.origin.place((*loc, name)))
            if written is not None and written != value and "{{" not in written:
                message = f"its text would be {value!r}; quote it to keep it: '{written}'"
                self.fault((*loc, name), message)

    def _check_finished(self, answer: object, loc: Loc, parts: Sequence[str]) -> None:
        """A mapping with `exit_code` is a finished process, and nothing else stands in it."""
        if not isinstance(answer, Mapping) or "exit_code" not in answer:
            return
        for key, value in answer.items():
            kind = FINISHED[key] if key in parts else None
            if kind is None:
                message = f"{key!r} is no part of a finished process; it has {listed(parts)}"
                self.fault((*loc, key), message, key=True)
            elif "{{" not in str(value) and type(value) is not kind:
                self.fault((*loc, key), f"{key!r} is {KINDS[kind]}, got {value!r}")

    def _http_rule(self, entry: HttpEntry, loc: Loc, *, endless: bool) -> HttpRule:
        if (entry.answer is None) == (entry.error is None):
            said = "says none of them" if entry.answer is None else "says both"
            self.fault(
                loc, f"an answer says exactly one of return, raise; this one {said}", key=True
            )
        reply = entry.answer or HttpReply.model_validate({})
        place = (*loc, "return")
        self._check_json(reply.json_body, (*place, "json"))
        return HttpRule(
            loc,
            None if endless and "times" not in entry.model_fields_set else entry.times,
            entry.after,
            self._raising(entry.error, loc),
            reply.status,
            None if reply.json_body is ABSENT else self._value(reply.json_body, (*place, "json")),
            None if reply.text is None else self._value(reply.text, (*place, "text")),
            tuple(
                (name, self._value(each, (*place, "headers", name)))
                for name, each in reply.headers.items()
            ),
            self._http_patterns(entry, loc),
        )

    def _http_patterns(self, entry: HttpEntry, loc: Loc) -> dict[str, object]:
        """What a request must be like; of its headers, whose names have no case, only some."""
        patterns: dict[str, object] = {}
        for field_name in ("json_body", "text", "headers") if entry.when is not None else ():
            assert entry.when is not None
            if field_name not in entry.when.model_fields_set:
                continue
            word, pattern = WRITTEN.get(field_name, field_name), getattr(entry.when, field_name)
            self._pattern(pattern, (*loc, "when", word))
            if word == "headers" and word_of(pattern) is None:
                pattern = {"$partial": {name.lower(): each for name, each in pattern.items()}}
            patterns[word] = pattern
        return patterns

    def _check_json(self, body: object, loc: Loc) -> None:
        if body is not ABSENT:
            try:
                json.dumps(body, allow_nan=False)
            except ValueError:
                # Not the error's own text: it differs from one Python to the next.
                self.fault(loc, "JSON has no infinity and no NaN, so no server could answer this")

    # --- parts of entries ------------------------------------------------------------------------

    def _raising(self, spec: Mapping[str, str] | None, loc: Loc) -> Raising | None:
        for name, text in (spec or {}).items():
            place: Loc = (*loc, "raise", name)
            kind: type[Exception] = HighwayError
            try:
                if not self._waits(name):
                    kind = find_exception(name, self.registry)
                    make_exception(kind, "text")
            except HighwayError as error:
                # Written as a text alone, its place is that of the value.
                is_text = isinstance(self._written((*loc, "raise")), str)
                self.fault(place[:-1] if is_text else place, str(error), key=not is_text)
            return Raising(kind, self._value(text, place))
        return None

    def _written(self, loc: Loc) -> object:
        found: object = self.case.data
        for step in loc:
            members = dict(enumerate(found)) if isinstance(found, list) else found
            assert isinstance(members, Mapping)  # `loc` is a path of the data itself
            found = members[step]
        return found

    def _logs(
        self, entries: Iterable[Mapping[str, str]], loc: Loc
    ) -> Iterator[tuple[LogLevel, Value]]:
        for number, entry in enumerate(entries):
            is_list = isinstance(self._written((*loc, "log")), list)
            place: Loc = (*loc, "log", number) if is_list else (*loc, "log")
            for level, text in entry.items():
                try:
                    check_word(LOG_LEVELS, level)
                except ValueError as error:
                    self.fault((*place, level), str(error), key=True)
                yield cast("LogLevel", level), self._value(text, (*place, level))

    def _value(self, data: object, loc: Loc) -> Value:
        wrong: Faults = []
        value = compile_data(data, wrong)
        for inside, error in wrong:
            # A template in a key has been rendered or found fault with, or waits for a fixture.
            if "{{" not in str(inside[-1:]):
                self.fault((*loc, *inside), error.message)
        return value

    def _pattern(self, pattern: object, loc: Loc) -> None:
        self.found += pattern_findings(self.case, pattern, loc)


Entry = TypeVar("Entry", StubEntry, HttpEntry)


def pattern_findings(case: Case, pattern: object, loc: Loc) -> list[Diagnostic]:
    """What is wrong with a pattern at `loc`: a word at its key, an operand at itself."""
    if type(pattern) in ATOMS:
        return []
    return [
        case.origin.fault((*loc, *inside), message, key="cannot take" not in message)
        for inside, message in faults(pattern, rendered=not case.pending)
    ]


def _argument_faults(case: Case, pattern: object, loc: Loc, kind: type) -> list[Diagnostic]:
    """What is wrong with a pattern over arguments: a list or a mapping of them, or a matcher."""
    found = pattern_findings(case, pattern, loc)
    is_use = isinstance(pattern, Mapping) and word_of(pattern) in MATCHERS
    if not isinstance(pattern, kind) and not is_use and "{{" not in str(pattern):
        wanted = "a list of arguments" if kind is list else "a mapping of arguments"
        found.append(case.origin.fault(loc, f"expected {wanted}, or a matcher"))
    return found
