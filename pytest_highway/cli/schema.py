"""`highway schema`: JSON Schema of workflow and test files, for editors.

    models --json_schema--> schema

The models know keys and types; what they take in several forms stands in the table `FORMS`, by the
name of the function that brings the forms to one. In a case every value may be a template, which
is a text whatever is wanted there. The schema of workflows is that of both dialects: one with
`steps` is held to the rules of `steps_schema`. It takes every valid file; it does not find all that
`highway validate` finds.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import cast

import click
from pydantic import AliasChoices, BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema as core

from pytest_highway.cases.models import CaseModel, TestFile
from pytest_highway.cli.steps_schema import with_rules
from pytest_highway.reading.models import Workflow
from pytest_highway.reading.policies import FAILURE_POLICIES, TRIGGER_RULES
from pytest_highway.steps.models import TYPES, Step, StepsFile
from pytest_highway.steps.shells import POWERSHELL, SHELLS

__all__ = ["MODELS", "json_schema", "schema"]

Json = dict[str, object]

MODELS: dict[str, type[BaseModel]] = {"workflow": Workflow, "test": TestFile}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEMPLATE: Json = {"type": "string", "pattern": r"\{\{"}
SCALAR: Json = {"type": ["string", "number"]}
EXPRESSION: Json = {"type": ["string", "boolean"]}
INCLUDE: Json = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
FILLED: Json = {"type": "string", "pattern": r"\S"}
SECONDS: Json = {"type": "number", "minimum": 0, "exclusiveMaximum": 1e12}
PROGRAM: Json = {"anyOf": [FILLED, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
FALLBACK: Json = {
    "type": "object",
    "properties": {"fallback": {"type": "string"}},
    "patternProperties": {"^x-": {}},
    "required": ["fallback"],
    "additionalProperties": False,
}


def _or(other: Json) -> Callable[[Json], Json]:
    return lambda inner: {"anyOf": [other, inner]}


def _only(schema: Json) -> Callable[[Json], Json]:
    return lambda _: deepcopy(schema)


def _or_one(inner: Json) -> Json:
    """A list, or its only item."""
    return {"anyOf": [inner["items"], inner]}


# What a function takes, by its name, from the schema of what it gives.
FORMS: dict[str, Callable[[Json], Json]] = {
    "parse_duration": _only(SCALAR),
    "_text_as_written": _only(SCALAR),
    "_expression": _only(EXPRESSION),
    "_expressions": _only({"anyOf": [EXPRESSION, {"type": "array", "items": EXPRESSION}]}),
    "_cost": _only({"type": "number", "minimum": 0}),
    "_rule": _only({"enum": list(TRIGGER_RULES)}),
    "_on_failure": _only({"anyOf": [{"enum": list(FAILURE_POLICIES)}, FALLBACK]}),
    "_seconds_alone": _only(SECONDS),
    "_command": _only(PROGRAM),
    "_text": _only(FILLED),
    "_shell": _only({"enum": [True, False, *SHELLS, *POWERSHELL]}),
    "_type": _only({"enum": list(TYPES)}),
    "_step_failure": _or({"const": "fallback_step"}),
    "_retry": _or({"type": "integer", "minimum": 0}),
    "_lock": _or({"type": "string"}),
    "_as_list": _or_one,
    "_raise": _only({"type": ["string", "object"]}),
    "_error": _or({"type": "string"}),
    "_task": _or({"type": "string"}),
    "_transcript": _or({"type": ["string", "array"]}),
}


class Generator(GenerateJsonSchema):
    """Pydantic's generator, with our forms, our unions and our keys."""

    def function_plain_schema(self, schema: core.PlainValidatorFunctionSchema) -> Json:
        """What the function takes, or anything."""
        return FORMS.get(_name_of(schema["function"]), _only({}))({})

    def function_before_schema(self, schema: core.BeforeValidatorFunctionSchema) -> Json:
        """What the function takes, or what it gives."""
        inner = cast("Json", self.generate_inner(schema["schema"]))
        form = FORMS.get(_name_of(schema["function"]))
        return inner if form is None else form(inner)

    def default_schema(self, schema: core.WithDefaultSchema) -> Json:
        """Defaults that an author could write."""
        inner = cast("Json", self.generate_inner(schema["schema"]))
        default = schema.get("default")
        if isinstance(default, bool | int | float | str) and "$ref" not in inner:
            return {**inner, "default": default}
        return inner

    def tagged_union_schema(self, schema: core.TaggedUnionSchema) -> Json:
        """The operators, told apart by `operator_type`; without one it is a task."""
        choices = []
        for tag, choice in schema["choices"].items():
            inner = cast("Json", self.generate_inner(choice))
            kind: Json = {"properties": {"operator_type": {"const": tag}}}
            if tag != "task":
                kind["required"] = ["operator_type"]
            choices.append(inner if tag == "id" else {"allOf": [inner, kind]})
        return {"anyOf": choices}

    def model_schema(self, schema: core.ModelSchema) -> Json:
        """A mapping whose keys may have other names, and which takes the author's own."""
        made = cast("Json", super().model_schema(schema))
        properties = cast("dict[str, Json]", made.setdefault("properties", {}))
        for field in schema["cls"].model_fields.values():
            alias = field.validation_alias
            if isinstance(alias, AliasChoices):
                first, *others = [str(each) for each in alias.choices]
                properties.update(dict.fromkeys(others, properties[first]))
        made["patternProperties"] = {"^x-": {}}
        return made


def json_schema(kind: str) -> Json:
    """The schema of a kind of file, one of `MODELS`."""
    model = MODELS[kind]
    cases = _definitions(CaseModel)
    # Stubs of other files; `include` may also be a task, which a mapping is the stub of.
    words = cast("dict[str, Json]", cast("Json", cases["CaseModel"])["properties"])
    if model is TestFile:
        words["context"] = words["variables"]  # The word for it where the workflow has steps.
    stubs = words["stubs"]
    stubs["properties"] = {"include": {"anyOf": [INCLUDE, stubs["additionalProperties"]]}}
    cases = _templated(cases)
    # A case may leave to `test_defaults` what it needs.
    cast("Json", cases["CaseModel"]).pop("required")
    definitions = {**_definitions(model), **cases, "Template": TEMPLATE}
    case: Json = {"$ref": "#/$defs/CaseModel"}
    steps_case: Json = {"$ref": "#/$defs/StepsCase"}
    definitions["StepsCase"] = _with_context(cast("Json", cases["CaseModel"]))
    head: Json = {"$schema": DIALECT, "$defs": definitions}
    if model is not Workflow:
        # What workflow it is for, and so in which dialect, the file itself does not tell.
        _set_cases(cast("Json", definitions[model.__name__]), steps_case)
        return {**head, "$ref": f"#/$defs/{model.__name__}"}
    _set_cases(cast("Json", definitions["Workflow"]), case)
    steps = with_rules({**_definitions(StepsFile), **_definitions(Step)})
    _set_cases(cast("Json", steps["StepsFile"]), steps_case)
    head["$defs"] = {**steps, **definitions}
    dialects = [{"$ref": f"#/$defs/{name}"} for name in ("StepsFile", "Workflow")]
    return {**head, "if": {"required": ["steps"]}, "then": dialects[0], "else": dialects[1]}


def _set_cases(shape: Json, case: Json) -> None:
    """Say what the cases of a file are, which its model leaves open."""
    properties = cast("Json", shape["properties"])
    properties["tests"] = {**cast("Json", properties["tests"]), "additionalProperties": case}
    properties["test_defaults"] = {"anyOf": [case, {"type": "null"}]}


def _with_context(case: Json) -> Json:
    """A case of steps, which may say `context` for `variables`."""
    properties = cast("Json", case["properties"])
    both: Json = {"required": ["variables", "context"]}
    return {
        **case,
        "properties": {**properties, "context": properties["variables"]},
        "not": both,
    }


def _definitions(model: type[BaseModel]) -> Json:
    _, made = models_json_schema([(model, "validation")], schema_generator=Generator)
    return cast("Json", made["$defs"])


def _templated(schema: object) -> Json:
    """The schema with a template allowed wherever a value may stand."""
    return cast("Json", _with_templates(schema))


def _with_templates(schema: object) -> object:
    if isinstance(schema, list):
        return [_with_templates(each) for each in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: _with_templates(each) for key, each in schema.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), dict):
            made[key] = {"anyOf": [made[key], {"$ref": "#/$defs/Template"}]}
    properties = made.get("properties")
    if isinstance(properties, dict):
        for name, each in properties.items():
            properties[name] = {"anyOf": [each, {"$ref": "#/$defs/Template"}]}
    return made


def _name_of(function: Mapping[str, object]) -> str:
    return str(getattr(function["function"], "__name__", ""))


@click.command()
@click.argument("kind", type=click.Choice(list(MODELS)), default="workflow")
def schema(kind: str) -> int:
    """Print the JSON Schema of workflow or test files."""
    click.echo(json.dumps(json_schema(kind), indent=2, sort_keys=True))
    return 0
