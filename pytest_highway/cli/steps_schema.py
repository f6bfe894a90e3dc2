"""What JSON Schema says of a file of steps beside keys and types: which words go together.

    what pydantic writes of StepsFile, Step, StepDef --with_rules--> the same, with rules

The rules are those of `steps.doing` and `steps.translation`, made from the same tables. A schema
looks at one file and knows no names: that a step exists, or what a `${name}` means, it leaves to
`highway validate`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import Final, cast

from pytest_highway.reading.models import IDENTIFIER
from pytest_highway.steps.doing import KINDS, MORE, WORDS
from pytest_highway.steps.models import DOES, STEP_SYNONYMS, TOP_SYNONYMS, TYPES

__all__ = ["with_rules"]

Json = dict[str, object]

ID: Final[Json] = {"type": "string", "pattern": f"^{IDENTIFIER.pattern}$"}
TEXT: Final[Json] = {"type": "string"}
# A command that goes through a shell after all.
SHELLED: Final[Json] = {"required": ["shell"], "properties": {"shell": {"not": {"const": False}}}}


def with_rules(definitions: Mapping[str, object]) -> Json:
    """The definitions, those of a steps file held to the rules of the dialect."""
    made = {name: cast("Json", each) for name, each in definitions.items()}
    made["StepsFile"] |= {"allOf": list(_file_rules())}
    made["Step"] |= {"allOf": list(_step_rules())}
    made["StepDef"] |= {"allOf": [_type_rule(kind) for kind in TYPES]}
    steps = cast("Json", cast("Json", made["StepsFile"]["properties"])["steps"])
    steps["items"] = {"$ref": "#/$defs/Step"}
    properties = cast("Json", made["Step"]["properties"])
    properties |= {"id": ID, "task_id": ID}
    return {**made}


def _file_rules() -> Iterable[Json]:
    for row in TOP_SYNONYMS:
        yield _at_most_one(row)
    yield _exactly_one(TOP_SYNONYMS[0])
    has_env: Json = {"required": ["globals"], "properties": {"globals": {"required": ["env"]}}}
    yield {"not": {"allOf": [{"required": ["env"]}, has_env]}}
    retries: Json = {
        "required": ["globals"],
        "properties": {"globals": {"required": ["default_retries"]}},
    }
    alone: Json = {"dependentRequired": {"retry_delay_sec": ["retries"]}}
    yield {"if": retries, "else": {"properties": {"steps": {"items": alone}}}}


def _step_rules() -> Iterable[Json]:
    yield _exactly_one(("id", "task_id"))
    for row in STEP_SYNONYMS:
        yield _at_most_one(row)
    yield _exactly_one(DOES)
    by_word: Json = {"properties": {"on_failure": {"const": "fallback_step"}}}
    yield {"if": {"required": ["fallback_step"]}, "then": by_word}
    named: Json = {"required": ["on_failure"], **by_word}
    yield {"if": named, "then": {"required": ["fallback_step"]}}
    for word, kind in KINDS.items():
        yield {"if": {"required": [word]}, "then": {"allOf": list(_kind_rules(kind, word))}}
    for kind, words in TYPES.items():
        definition = {"required": ["type"], "properties": {"type": {"const": kind}}}
        given: Json = {"required": ["step_def"], "properties": {"step_def": definition}}
        yield {"if": given, "then": {"allOf": list(_beside_definition(kind, words.more))}}


def _kind_rules(kind: str, word: str) -> Iterable[Json]:
    """What goes with a step, or a definition, that says by `word` what it does."""
    yield _none_of([each for each in WORDS if each not in MORE[kind]])
    if kind == "shell":
        yield {"not": {"required": ["shell"], "properties": {"shell": {"const": False}}}}
    if kind == "command":
        only_text: Json = {"properties": {word: TEXT}}
        yield {"if": SHELLED, "then": {"allOf": [only_text, _none_of(["args"])]}}


def _beside_definition(kind: str, own: Sequence[str]) -> Iterable[Json]:
    """What goes with a step whose definition is of a type, which may say words of its `own`."""
    yield _none_of([each for each in WORDS if each not in MORE[kind]])
    for word in own:
        inside: Json = {"properties": {"step_def": {"required": [word]}}}
        yield {"not": {"allOf": [{"required": [word]}, inside]}}


def _type_rule(kind: str) -> Json:
    words = TYPES[kind]
    known: Json = {"anyOf": [{"enum": ["type", *words.does, *words.more]}, {"pattern": "^x-"}]}
    rules: list[Json] = [{"propertyNames": known}, _exactly_one(words.does)]
    if kind in ("shell", "powershell"):
        rules.append({"properties": dict.fromkeys(words.does, TEXT)})
    rules += _kind_rules(kind, words.does[0])
    return {"if": {"properties": {"type": {"const": kind}}}, "then": {"allOf": rules}}


def _exactly_one(words: Sequence[str]) -> Json:
    return {"oneOf": [{"required": [word]} for word in words]}


def _at_most_one(words: Sequence[str]) -> Json:
    return {"not": {"anyOf": [{"required": list(pair)} for pair in combinations(words, 2)]}}


def _none_of(words: Sequence[str]) -> Json:
    return {"not": {"anyOf": [{"required": [word]} for word in words]}} if words else {}
