"""What a task asks of its world before a call, and of the value after it.

    require        expressions, or `module:function` (called with the roots), before each attempt
    output_schema  a JSON Schema mapping, or `module:Model` of pydantic; the value it gives is kept
    validate       as `require`, over `{{result}}` as well; a function is called with the value

Schemas are looked at first. Each failure is a failed attempt.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from pydantic import BaseModel, JsonValue, ValidationError

from pytest_highway.engine.limits import OutputInvalid, PreconditionFailed
from pytest_highway.errors import HighwayError
from pytest_highway.expressions.expression import (
    Expression,
    ExpressionError,
    compile_expression,
    truth,
)
from pytest_highway.expressions.values import copy_data
from pytest_highway.serialization import to_plain

__all__ = ["Check", "Schema", "compile_check", "compile_schema", "imported"]

REFERENCE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
Schema = Callable[[object], object]


@dataclass(frozen=True, slots=True)
class Check:
    """One `require` or `validate`: an expression, or a function; `source` as it is written."""

    source: str
    expression: Expression | None = None
    function: Callable[[object], object] | None = None

    def require(self, roots: Mapping[str, object]) -> None:
        """Raise `PreconditionFailed` unless it holds."""
        why = self._why(roots, dict(roots))
        if why:
            raise PreconditionFailed(why)

    def validate(self, value: object, roots: Mapping[str, object]) -> None:
        """Raise `OutputInvalid` unless it holds of a value."""
        why = self._why({**roots, "result": value}, value)
        if why:
            raise OutputInvalid(why)

    def _why(self, roots: Mapping[str, object], argument: object) -> str:
        """Why it does not hold, or an empty text."""
        if self.function is not None:
            return self._said(self.function, argument)
        try:
            resolved, value = cast("Expression", self.expression).resolve(roots)
            return "" if truth(value) else f"{self.source} is false ({resolved})"
        except ExpressionError as error:
            return error.message

    def _said(self, function: Callable[[object], object], argument: object) -> str:
        try:
            answer = function(copied(argument))
        except Exception as error:  # a user's function may raise anything; it is then a "no"
            kind = "" if isinstance(error, ValueError | AssertionError) else type(error).__name__
            return ": ".join(each for each in (kind, str(error)) if each) or type(error).__name__
        return f"{self.source} said {answer!r}" if answer in (False, None) else ""


class Copies(Mapping[str, object]):
    """A mapping whose values are copied when they are read.

    A copy of the run's memory as a whole would count as a read of every key.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __getitem__(self, key: str) -> object:
        return copied(self._values[key])

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def copied(value: object) -> object:
    """What a function may have of the run: copies, of what is no plain data when it is read."""
    if type(value) is dict:
        return {key: copied(each) for key, each in value.items()}
    return Copies(value) if isinstance(value, Mapping) else copy_data(value)


def compile_check(text: str) -> Check:
    """A check from its text; raises `HighwayError` when it means nothing."""
    if REFERENCE.fullmatch(text):
        function = imported(text)
        if not callable(function):
            raise HighwayError(f"{text!r} is no function")
        return Check(text, function=function)
    return Check(text, compile_expression(text))


def compile_schema(schema: str | dict[str, object]) -> Schema:
    """What turns a tool's value into the one that is kept; raises `HighwayError`."""
    if isinstance(schema, str):
        model = imported(schema) if REFERENCE.fullmatch(schema) else None
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            raise HighwayError(f"{schema!r} is no pydantic model; write 'module:Model' or a schema")
        return _model_schema(model)
    return _json_schema(schema)


def _model_schema(model: type[BaseModel]) -> Schema:
    def validate(value: object) -> object:
        try:
            return to_plain(model.model_validate(value))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(step) for step in first["loc"])
            raise OutputInvalid(f"{place}: {first['msg']}" if place else first["msg"]) from error

    return validate


def _json_schema(schema: dict[str, object]) -> Schema:
    try:
        import jsonschema
    except ImportError as error:
        hint = 'pip install "pytest-highway[schema]"'
        raise HighwayError(f"a JSON Schema needs jsonschema; {hint}") from error
    kind = jsonschema.validators.validator_for(schema, jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise HighwayError(f"the schema is invalid: {error.message}") from error
    validator = kind(schema)

    def validate(value: object) -> object:
        # A tool's value has been made plain, and plain data is JSON.
        found = validator.iter_errors(cast("JsonValue", value))
        error = jsonschema.exceptions.best_match(found)
        if error is not None:
            place = error.json_path.removeprefix("$").removeprefix(".")
            raise OutputInvalid(f"{place}: {error.message}" if place else error.message)
        return value

    return validate


def imported(reference: str) -> object:
    """What `module:name` means; raises `HighwayError`."""
    module, _, name = reference.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise HighwayError(f"{reference!r} cannot be imported: {error}") from error
