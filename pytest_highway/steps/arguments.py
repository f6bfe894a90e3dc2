"""Arguments of a step: a command line cut into words, and `${name}` turned into templates.

    pytest "${target}/unit" -k ${filter}     cut first: four words
    {{variables.target}}/unit                then filled in, each inside its word

So a value is never cut, and nothing in it is a command. `$${` is the text `${`; templates may
stand beside `${name}`, and mean what they mean in a task.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable

from pytest_highway.errors import HighwayError, did_you_mean
from pytest_highway.expressions.template import Faults, compile_data

__all__ = ["as_literal", "cut", "filled"]

Expression = Callable[[str], str]

_HOLE = re.compile(r"\$\$\{|\$\{([^{}]*)\}")
_TEMPLATE = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_HELD = re.compile("\0([0-9]+)\0")
_name = re.compile(r"[A-Za-z_][\w-]*").fullmatch

DOLLAR = '{{ "${" }}'
ROOTS = ("variables", "context", "results", "memory", "env", "tasks", "prev", "params", "fixtures")
BRACES = '{{ "{{" }}'
# Words that would mean something to a shell, and here are arguments as any other.
OPERATORS = frozenset(["|", "||", "&", "&&", ";", "<", ">", ">>", "2>", "2>&1", "<<"])


def filled(data: object, expression: Expression) -> object:
    """Data whose strings have a template for each `${name}`; raises `HighwayError`.

    `expression` gives what a name stands for, or raises.
    """
    if isinstance(data, dict):
        return {key: filled(each, expression) for key, each in data.items()}
    if isinstance(data, list):
        return [filled(each, expression) for each in data]
    if not isinstance(data, str) or "${" not in data:
        return data

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return DOLLAR
        if not _name(name):
            raise HighwayError(
                f"'${{{name}}}' holds no name; only a shell, by 'run', knows more than "
                "'${name}', and '$${' stands for the text '${'"
            )
        return expression(name)

    return _HOLE.sub(fill, data)


def cut(command: str) -> list[str]:
    """The words of a command line, by the rules of quoting; raises `HighwayError`."""
    templates: list[str] = []

    def hold(match: re.Match[str]) -> str:
        templates.append(match[0])
        return f"\0{len(templates) - 1}\0"

    try:
        words = shlex.split(_TEMPLATE.sub(hold, command.replace("\0", " ")))
    except ValueError as error:
        reason = str(error)
        raise HighwayError(f"{reason[:1].lower()}{reason[1:]} in this command") from None
    strange = next((each for each in words if each in OPERATORS), None)
    if strange is not None:
        raise HighwayError(
            f"{strange!r} means something to a shell only; write 'run', or 'args' to pass it on"
        )
    return [_HELD.sub(lambda match: templates[int(match[1])], each) for each in words]


def as_literal(text: str) -> str:
    """A template that renders to a text that is code.

    Braces of other languages are left alone; what would read a value is not, since a value in code
    is a fault that the compiler of plans reports.
    """
    if "{{" not in text:
        return text
    faults: Faults = []
    references = compile_data(text, faults).references
    if not faults and any(_means_root(each.root) for _, each in references):
        return text
    return text.replace("{{", BRACES)


def _means_root(name: str) -> bool:
    """Whether a name is one that templates begin with, or meant to be."""
    return name in ROOTS or bool(did_you_mean(name, ROOTS))
