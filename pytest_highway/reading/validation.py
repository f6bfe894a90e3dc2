"""Reading data as a pydantic model, and saying what is wrong with it in our own words.

    data, document --validate_model--> model, or findings at their places

Pydantic's `loc` holds the tags of unions, which stand nowhere in a file; they are taken out before
a place is looked up. An unknown key is told with the keys that exist there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, TypeVar, cast

from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError, model_validator

from pytest_highway.errors import Diagnostic, did_you_mean, listed
from pytest_highway.reading.document import Document

__all__ = ["Strict", "UnknownKey", "faults_of", "named", "validate_model"]


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """Stands in for the value of a key that a model does not have, with the keys it has."""

    known: tuple[str, ...]


class Strict(BaseModel):
    """Base of all models: unknown keys are errors, keys that begin with `x-` are the author's."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_by_name=False, defer_build=True)
    known_keys: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        cls.known_keys = frozenset(_keys(cls))

    @model_validator(mode="before")
    @classmethod
    def _mark_unknown_keys(cls, value: object) -> object:
        # One C-level comparison in the usual case. The marker carries the known keys to the
        # place where the error is worded, since pydantic's own report does not name the model.
        if type(value) is not dict or value.keys() <= cls.known_keys:
            return value
        unknown = UnknownKey(tuple(_keys(cls)))
        return {
            key: each if key in cls.known_keys else unknown
            for key, each in value.items()
            if not key.startswith("x-")
        }


def _keys(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices):
            yield from (str(each) for each in alias.choices)
        else:
            yield str(alias or field.alias or name)


Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def _in_place(loc: Loc) -> Loc:
    return loc


def validate_model(
    model: type[Model],
    data: object,
    document: Document,
    base: Callable[[Loc], Loc] = _in_place,
) -> tuple[Model | None, list[Diagnostic]]:
    """Read `data` as `model`, or say what is wrong.

    `base` turns a path inside `data` into one of the document.
    """
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, faults_of(error, data, document, base)


class Placed(Protocol):
    """What knows where data was written: a document, or what is put together of documents."""

    def diagnostic(self, loc: Loc, message: str, *, key: bool = False) -> Diagnostic:
        """A finding at the value at `loc`, or at its key."""

    def written(self, loc: Loc) -> str | None:
        """The text of the plain scalar at `loc`, None where there is no such."""


def faults_of(
    error: ValidationError,
    data: object,
    document: Placed,
    base: Callable[[Loc], Loc] = _in_place,
) -> list[Diagnostic]:
    """Pydantic's findings as ours: each at its place in the file, in our words."""
    found = []
    for each in error.errors(include_url=False):
        kind = each["type"]
        path = _path_in_data(data, each["loc"], kind)
        if kind == "union_tag_invalid":
            path.append("operator_type")
        loc = base(tuple(path))
        value = each["input"]
        if kind == "missing":
            message = f"{str(each['loc'][-1])!r} is missing"
            found.append(document.diagnostic(loc[:-1], message, key=True))
        elif isinstance(value, UnknownKey):
            near = did_you_mean(str(loc[-1]), value.known)
            message = f"unknown key {str(loc[-1])!r}; allowed: {listed(value.known, 40)}{near}"
            found.append(document.diagnostic(loc, message, key=True))
        else:
            text = _worded(kind, str(each["msg"]), value, each.get("ctx", {}))
            found.append(document.diagnostic(loc, text + _lost_text(kind, document, loc)))
    return found


def _path_in_data(data: object, loc: Sequence[str | int], kind: str) -> list[str | int]:
    """`loc` without the tags that pydantic puts in for the members of a union.

    A tag may look like a key (`condition` is one of a condition), so that of an operator is known
    by where it stands.
    """
    path: list[str | int] = []
    tagged = False
    for number, step in enumerate(loc, start=1):
        if not tagged and _is_operator(path):
            tagged = True
            continue
        if _has(data, step):
            data, tagged = cast("dict[str | int, object]", data)[step], False
        elif not (kind in {"missing", "extra_forbidden"} and number == len(loc)):
            continue
        path.append(step)
    return path


def _has(data: object, step: str | int) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, dict) and step in data


def _is_operator(path: Sequence[str | int]) -> bool:
    """Whether an operator stands here: a task of the workflow, or an item of a body or branch."""
    if path[:1] != ["tasks"]:
        return False
    return len(path) == 2 or "loop_body" in path[-2:-1] or "branches" in path[-3:-2]


def _worded(kind: str, message: str, value: object, context: Mapping[str, object]) -> str:
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, got {named(value)}"
    if kind == "union_tag_invalid":
        words = re.findall(r"'(\w+)'", str(context.get("expected_tags")))
        name = str(context.get("tag"))
        return (
            f"unknown operator_type {name!r}; allowed: {listed(words)}{did_you_mean(name, words)}"
        )
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"{value!r} is not allowed here; allowed: {context['expected']}"
    if kind == "too_short":
        return "is empty; at least one is needed"
    if kind == "extra_forbidden":
        return "this key stands here under another name as well; give one of them"
    return message[:1].lower() + message[1:] + f", got {named(value)}"


def _lost_text(kind: str, document: Placed, loc: tuple[str | int, ...]) -> str:
    """A hint for a plain scalar that YAML reads as another type than the text it looks like."""
    written = document.written(loc) if kind == "string_type" else None
    return f"; quote it to keep the text: '{written}'" if written else ""


def named(value: object) -> str:
    """A value for a message, by its kind: `a mapping`, `text 'x'`."""
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "a truth value"}
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return kinds[type(value)]
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return f"{kinds.get(type(value), 'the number')} {shown}"
