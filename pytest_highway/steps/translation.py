"""A steps file as a file of tasks: other data, whose places are those of what was written.

    document with `steps` --translate--> document with `tasks`, and what is wrong with the steps

Everything behind this knows tasks only: the plan and its checks, cases, the engine, transcripts.
A step that cannot be read is stood in for by a task of its name, so that what names it still leads
somewhere; all faults of a file are told at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from pytest_highway.errors import Diagnostic
from pytest_highway.planning.plan import Loc
from pytest_highway.reading.document import Document
from pytest_highway.reading.models import Task
from pytest_highway.reading.translated import Moves, translated
from pytest_highway.reading.validation import validate_model
from pytest_highway.steps.calls import call_of
from pytest_highway.steps.doing import Doing, doing_of
from pytest_highway.steps.models import (
    DEFAULT_TIMEOUT,
    STEP_SYNONYMS,
    TOP_SYNONYMS,
    Step,
    StepsFile,
)
from pytest_highway.steps.names import Names, Source, written_outputs
from pytest_highway.steps.shells import OUTPUT_FILE, is_shell_name

__all__ = ["translate", "translate_cases"]

Raw = Mapping[str, object]

# Words of a step that become another word of a task, with the value as it is.
RENAMED: Final = {"depends_on": "dependencies", "timeout_sec": "timeout", "condition": "run_if"}
# Words that are no task's, or that are written anew.
REWRITTEN: Final = frozenset(
    ["task_id", "operator_type", "on_failure", "function", "args", "kwargs", "env", "description"]
)
COPIED: Final = (
    *("version", "description", "limits", "tools", "lock", "output", "tests", "test_defaults"),
    "metadata",
)
# From `globals` to the key of a workflow.
GLOBALS: Final[Mapping[str, Loc]] = {
    "max_concurrency": ("max_concurrency",),
    "max_step_duration_sec": ("max_step_duration",),
    "default_timeout_sec": ("defaults", "timeout"),
    "default_retries": ("defaults", "retry"),
    "env": ("env",),
}
STAND_IN: Final = {"function": "tools.log.info", "args": [""]}


def translate(document: Document, data: Raw) -> tuple[Document, list[Diagnostic]]:
    """A document with tasks for one with steps, whose data is `data`, and the faults of those."""
    return _Translator(document, data).translate()


def translate_cases(document: Document, data: Raw) -> tuple[Document, list[Diagnostic]]:
    """A document whose cases say `variables` where `data` says `context`."""
    moves = Moves()
    made, clashes = _cases_translated(data, moves)
    faults = [_clash(document, loc, words) for loc, words in clashes]
    return translated(document, made, moves), faults


def _clash(document: Document, loc: Loc, words: tuple[str, str]) -> Diagnostic:
    first, second = words
    message = f"{first!r} and {second!r} mean the same; give one of them"
    return document.diagnostic((*loc, second), message, key=True)


def _cases_translated(
    data: Raw, moves: Moves
) -> tuple[dict[str, object], list[tuple[Loc, tuple[str, str]]]]:
    """A file's data with `variables` in its cases, and the cases that have both words."""
    made = dict(data)
    clashes: list[tuple[Loc, tuple[str, str]]] = []

    def renamed(case: object, loc: Loc) -> object:
        if not isinstance(case, dict) or "context" not in case:
            return case
        if "variables" in case:
            clashes.append((loc, ("variables", "context")))
        moves.places[(*loc, "variables")] = (*loc, "context")
        return {("variables" if key == "context" else key): each for key, each in case.items()}

    tests = data.get("tests")
    if isinstance(tests, dict):
        made["tests"] = {name: renamed(case, ("tests", name)) for name, case in tests.items()}
    if "test_defaults" in data:
        made["test_defaults"] = renamed(data["test_defaults"], ("test_defaults",))
    return made, clashes


@dataclass(slots=True)
class _Draft:
    """A step on its way: its place, its words, and what it does, None where that is not known."""

    id: str
    loc: Loc
    raw: Raw
    model: Step | None
    doing: Doing | None = None


@dataclass(slots=True)
class _Translator:
    document: Document
    raw: Raw
    faults: list[Diagnostic] = field(default_factory=list)
    moves: Moves = field(default_factory=Moves)

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> None:
        self.faults.append(self.document.diagnostic(loc, message, key=key))

    def translate(self) -> tuple[Document, list[Diagnostic]]:
        raw = self.raw
        # That both are there is one fault; what the tasks say would only add to it.
        known = {key: each for key, each in raw.items() if key != "tasks"}
        model, faults = validate_model(StepsFile, known, self.document)
        self.faults += faults
        if "tasks" in raw:
            message = "a file has 'tasks' or 'steps', and not both"
            self.fault(("steps",), message, key=True)
        self._reject_synonyms(raw, (), TOP_SYNONYMS)
        if model is not None and model.name is None and model.plan_id is None:
            self.fault((), "'name' is missing; 'plan_id' may stand for it", key=True)
        data, clashes = _cases_translated(self._head(), self.moves)
        self.faults += [_clash(self.document, loc, words) for loc, words in clashes]
        drafts = self._drafts()
        names = self._names(data, drafts)
        data["tasks"] = {draft.id: self._task(draft, names) for draft in drafts}
        self.moves.places[("tasks",)] = ("steps",)
        return translated(self.document, data, self.moves), self.faults

    def _reject_synonyms(self, raw: Raw, loc: Loc, rows: tuple[tuple[str, ...], ...]) -> None:
        told: list[str] = []
        for row in rows:
            given = [word for word in raw if word in row and word not in told]
            for other in given[1:]:
                told.append(other)
                self.faults.append(_clash(self.document, loc, (given[0], other)))

    # --- the file --------------------------------------------------------------------------------

    def _head(self) -> dict[str, object]:
        """Everything but the steps."""
        raw = self.raw
        data = {key: raw[key] for key in COPIED if key in raw}
        for word, others in (("name", "plan_id"), ("variables", "context")):
            given = next((each for each in (word, others) if each in raw), word)
            data[word] = raw.get(given, "steps" if word == "name" else {})
            self.moves.places[(word,)] = (given,)
        data["env"] = raw.get("env", {})
        data["defaults"] = {"timeout": DEFAULT_TIMEOUT}
        self._globals(data)
        if isinstance(raw.get("secrets"), list):
            data["secrets"] = [_renamed_root(each) for each in _list(raw["secrets"])]
        for word in ("variables", "env"):
            if OUTPUT_FILE in _mapping(data[word]):
                self.fault(self.moves.written((word, OUTPUT_FILE)), _RESERVED, key=True)
        return data

    def _globals(self, data: dict[str, object]) -> None:
        for word, value in _mapping(self.raw.get("globals")).items():
            target = GLOBALS.get(word)
            if target is None:
                continue
            if word == "env" and "env" in self.raw:
                self.fault(
                    ("globals", "env"), "'env' stands beside 'globals' as well; join them", key=True
                )
            inner = _mapping(data["defaults"]) if target[0] == "defaults" else data
            inner[str(target[-1])] = value
            self.moves.places[target] = ("globals", word)

    def _drafts(self) -> list[_Draft]:
        """The steps with their ids, each id once."""
        drafts: dict[str, _Draft] = {}
        for number, raw in enumerate(_list(self.raw.get("steps"))):
            loc: Loc = ("steps", number)
            model, faults = validate_model(Step, raw, self.document, partial(_below, loc))
            self.faults += faults
            words = _mapping(raw)
            word = "id" if "id" in words else "task_id"
            name = words.get(word)
            if isinstance(raw, dict):
                self._reject_synonyms(words, loc, STEP_SYNONYMS)
            if not isinstance(name, str):
                if isinstance(raw, dict) and word not in words:
                    self.fault(loc, "'id' is missing", key=True)
                continue
            if name in drafts:
                first = self.document.position((*drafts[name].loc, word)).line
                self.fault((*loc, word), f"step id {name!r} is taken; first at line {first}")
                continue
            # The id is a value here and a key there: a finding at that key points at the id.
            self.moves.keys["tasks", name] = (*loc, word)
            self.moves.places["tasks", name] = loc
            draft = drafts[name] = _Draft(name, loc, words, model)
            if model is not None:
                draft.doing = doing_of(words, loc, self.fault)
        return list(drafts.values())

    # --- names -----------------------------------------------------------------------------------

    def _names(self, data: Raw, drafts: list[_Draft]) -> Names:
        stubbed = dict[str, list[str]]()
        for step, name in _stubbed_outputs(data):
            stubbed.setdefault(step, []).append(name)
        providers = {
            name: draft.id for draft in drafts if draft.model for name in draft.model.provides
        }
        ordinary = [each.id for each in drafts if each.model and not each.model.is_finally]
        sources: dict[str, Source] = {}
        for draft in drafts:
            if draft.model is not None:
                waits = _upstream(draft.model, providers) or ordinary * draft.model.is_finally
                outputs = _texts_outputs(draft.doing) + stubbed.get(draft.id, [])
                sources[draft.id] = _source(draft.id, draft.model, outputs, waits)
        variables, env = _mapping(data["variables"]), _mapping(data["env"])
        return Names(variables, {name: str(each) for name, each in env.items()}, sources)

    # --- a step ----------------------------------------------------------------------------------

    def _task(self, draft: _Draft, names: Names) -> dict[str, object]:
        """The task that a step becomes."""
        here: Loc = ("tasks", draft.id)
        model, doing = draft.model, draft.doing
        # Its own faults are told. Left out, it would be an unknown task wherever it is named.
        if model is None or doing is None:
            return {**STAND_IN, "result_key": draft.id}
        task: dict[str, object] = {"result_key": draft.id}
        for word, value in draft.raw.items():
            if word in RENAMED:
                task[RENAMED[word]] = value
                self.moves.places[(*here, RENAMED[word])] = (*draft.loc, word)
            elif word in Task.known_keys and word not in REWRITTEN:
                task[word] = value
        if model.description or model.name:
            task["description"] = model.description or model.name
        self._failure(draft, task)
        self._retry(draft, task)
        call = call_of(draft.id, doing, names, self.fault)
        task |= {"function": call.function, "args": call.args, "kwargs": call.kwargs}
        task["env"] = call.env
        for loc, written in call.places.places.items():
            self.moves.places[(*here, *loc)] = written
        self._expressions(draft)
        return task

    def _failure(self, draft: _Draft, task: dict[str, object]) -> None:
        policy = draft.raw.get("on_failure")
        if policy == "fallback_step":
            if "fallback_step" not in draft.raw:
                message = "'on_failure: fallback_step' needs the key 'fallback_step' with its id"
                self.fault((*draft.loc, "on_failure"), message)
        elif policy is not None:
            task["on_failure"] = policy

    def _retry(self, draft: _Draft, task: dict[str, object]) -> None:
        """`retries` and `retry_delay_sec`, as a retry whose delay never grows."""
        model = draft.model
        assert model is not None
        retries, word = model.retries, "retries"
        if model.retry_delay_sec is not None and retries is None and model.retry is None:
            word = "retry_delay_sec"
            default = _mapping(self.raw.get("globals")).get("default_retries")
            retries = default if isinstance(default, int) else None
            if retries is None:
                message = "'retry_delay_sec' needs 'retries', here or as 'default_retries'"
                self.fault((*draft.loc, word), message, key=True)
        if retries is not None:
            delay = model.retry_delay_sec or 0.0
            task["retry"] = {"max_retries": retries, "delay": delay, "backoff": 1.0}
            self.moves.places["tasks", draft.id, "retry"] = (*draft.loc, word)

    def _expressions(self, draft: _Draft) -> None:
        """A `${name}` in a condition, where a name stands with its root."""
        for word in ("condition", "run_if", "skip_if"):
            text = draft.raw.get(word)
            if isinstance(text, str) and "${" in text:
                message = "'${…}' means nothing in a condition; write 'variables.name'"
                self.fault((*draft.loc, word), message)


_RESERVED: Final = f"{OUTPUT_FILE!r} is set for each step; choose another name"


def _below(loc: Loc, inside: Loc) -> Loc:
    return (*loc, *inside)


def _source(step: str, model: Step, seen: list[str], upstream: list[str]) -> Source:
    """A step as one that hands on what it provides, and what it is seen to."""
    outputs = [name for name in model.provides if is_shell_name(name)]
    fallback = model.fallback_step
    if model.on_failure is not None and fallback is None:
        fallback = model.on_failure.fallback
    unique = list(dict.fromkeys([*outputs, *seen]))
    return Source(step, model.result_key or step, unique, upstream, fallback)


def _upstream(model: Step, providers: Mapping[str, str]) -> list[str]:
    """The steps that a step waits for, as it names them."""
    listed = model.depends_on or model.dependencies or []
    consumed = [providers[each] for each in model.consumes if each in providers]
    return [*listed, *model.after, *consumed]


def _texts_outputs(doing: Doing | None) -> list[str]:
    """The outputs that a step's text seems to write."""
    if doing is None:
        return []
    texts = [doing.what.value, *_list(doing.value("args"))]
    return [name for each in texts if isinstance(each, str) for name in written_outputs(each)]


def _stubbed_outputs(data: Raw) -> Iterator[tuple[str, str]]:
    """Step and name of each output that a stub in the file's cases hands on."""
    cases = [*_mapping(data.get("tests")).values(), data.get("test_defaults")]
    for case in cases:
        for step, script in _mapping(_mapping(case).get("stubs")).items():
            for entry in script if isinstance(script, list) else [script]:
                for name in _mapping(_mapping(entry).get("outputs")):
                    yield step, str(name)


def _renamed_root(secret: object) -> object:
    """`context.token` of `secrets` under the root that templates know."""
    if isinstance(secret, str) and secret.startswith("context."):
        return f"variables.{secret.removeprefix('context.')}"
    return secret


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
