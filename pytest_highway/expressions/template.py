"""Templates: strings with `{{…}}` in them, and nested data whose strings may be templates.

* A string that is exactly one template keeps the value's type.
* Inside text a string stands as it is, everything else as JSON; `{{ "{{" }}` writes two braces.
* A `}}` that closes nothing is text. A value that holds braces is never rendered again.
* Keys of mappings are not rendered, and so a key with a template in it is an error.

The usual string has one template in it that only reads a path: `PATH_IN_TEXT` knows it, and
`_PathInText` renders it, without a scanner, a parser and three closures, and in a third of their
memory. Whatever it cannot render is rendered again by what the parser makes of the same string, so
that every fault is told in one way.

Data is compiled once and rendered often: what holds no template is found at compile time, and a
list or mapping is copied whole with only its changing slots filled in. Every render gives fresh
containers all the way down, also for what was read out of the roots: the caller may change them.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from pytest_highway.expressions.closures import (
    Code,
    Hole,
    Reference,
    Roots,
    Trace,
    joined,
    placed,
    read_step,
)
from pytest_highway.expressions.parser import parse_templates
from pytest_highway.expressions.tokens import MAX_SOURCE, NAME, STEP, read_index
from pytest_highway.expressions.values import (
    ATOMS,
    MAX_SIZE,
    ExpressionError,
    as_text,
    check_size,
    copy_data,
)

__all__ = [
    "Faults",
    "Loc",
    "Template",
    "Value",
    "compile_data",
    "compile_template",
    "copy_data",
]

Loc = tuple[str | int, ...]
Faults = list[tuple[Loc, ExpressionError]]

NO_TRACE: Trace = {}  # templates record nothing, so nothing writes to it

# One template that reads a path of two names at least (one name may be a keyword), in text
# without any brace.
PATH_IN_TEXT = re.compile(
    rf"([^{{}}]*+)\{{\{{\s*+({NAME.pattern}(?:{STEP})++)\s*+\}}\}}([^{{}}]*+)"
)


class Renderer(Protocol):
    """What gives a value: a constant, a template, or data with templates in it."""

    def render(self, roots: Roots) -> object:
        """A fresh value over `roots`; every fault is a located `ExpressionError`."""


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled string.

    `source` is its text, `references` are the paths that it reads, in source order; `constant`
    says that it holds no template at all, so that it renders as its source.
    """

    source: str
    references: tuple[Reference, ...]
    constant: bool
    _renderer: Renderer = field(repr=False, compare=False)

    def render(self, roots: Roots) -> object:
        """A fresh value over `roots`; every fault is a located `ExpressionError`."""
        return self._renderer.render(roots)


def compile_template(text: str) -> Template:
    """The compiled form of a string with any number of templates; raises `ExpressionError`."""
    if "{{" not in text:
        return Template(text, (), True, _Constant(text))
    references, renderer = _compiled(text)
    return Template(text, references, False, renderer)


@functools.lru_cache(maxsize=4096)
def _compiled(text: str) -> tuple[tuple[Reference, ...], Renderer]:
    """What a text that holds a template reads, and what renders it."""
    simple = PATH_IN_TEXT.fullmatch(text) if len(text) <= MAX_SOURCE else None
    if simple is None:
        return parse_template(text)
    before, path, after = simple.groups()
    # Names come again and again: one string for all.
    root, *names = map(sys.intern, path.split("."))
    steps = tuple([read_index(each) if each[0] in "0123456789" else each for each in names])
    reference = Reference(root, steps, simple.start(2))
    return (reference,), _PathInText(text, before, after, root, steps)


def parse_template(text: str) -> tuple[tuple[Reference, ...], Renderer]:
    """What a text reads and what renders it, by the parser, whatever its shape."""
    references: list[Reference] = []
    try:
        parts = parse_templates(text, 0, len(text), references)
    except ExpressionError as error:
        error.locate(0, text)
        raise
    references.sort(key=lambda each: each.offset)
    return tuple(references), _Parsed(text, _code(parts))


# Renderers are not frozen: that takes three times as long to make.


@dataclass(slots=True, eq=False)
class _Constant:
    """Renders what holds no template."""

    data: object

    def render(self, roots: Roots) -> object:
        """Fresh data."""
        return copy_data(self.data)


@dataclass(slots=True, eq=False)
class _Parsed:
    """Renders a string by what the parser made of it."""

    text: str
    code: Code

    def render(self, roots: Roots) -> object:
        """A fresh value over `roots`."""
        try:
            value = self.code(roots, NO_TRACE)
            return value if type(value) in ATOMS else copy_data(value)
        except ExpressionError as error:
            error.locate(0, self.text)
            raise
        except RecursionError:
            raise ExpressionError("the value is nested too deeply", 0, self.text) from None


@dataclass(slots=True, eq=False)
class _PathInText:
    """Renders what `PATH_IN_TEXT` knows."""

    text: str
    before: str
    after: str
    root: str
    steps: tuple[str | int, ...]

    def render(self, roots: Roots) -> object:
        """A fresh value over `roots`, as the parser's closures give it."""
        try:
            value = roots[self.root]
            for step in self.steps:
                value = value[step] if type(value) is dict else read_step(value, step, ())
            if not self.before and not self.after:
                return value if type(value) in ATOMS else copy_data(value)
            text = value if type(value) is str else as_text(value)
            if len(text) <= MAX_SIZE - len(self.before) - len(self.after):
                return f"{self.before}{text}{self.after}"
        except (KeyError, ExpressionError, RecursionError):
            pass  # outside of the handler, so that the located error has no noisy context
        return parse_template(self.text)[1].render(roots)


def _code(parts: Sequence[str | Hole]) -> Code:
    holes = [part for part in parts if isinstance(part, Hole)]
    if len(parts) == 1:
        return holes[0].code
    if len(holes) > 1:
        return joined(parts)
    before = parts[0] if isinstance(parts[0], str) else ""
    after = parts[-1] if isinstance(parts[-1], str) else ""
    return _around(holes[0], before, after)


def _around(hole: Hole, before: str, after: str) -> Code:
    """One template in text, which is the usual shape, and this twice as fast as joining parts."""
    offset, code = hole
    room = MAX_SIZE - len(before) - len(after)

    def surround(roots: Roots, trace: Trace) -> object:
        value = code(roots, trace)
        text = value if type(value) is str else placed(offset, as_text, value)
        if len(text) > room:
            placed(offset, check_size, MAX_SIZE + 1)
        return f"{before}{text}{after}"

    return surround


# Data --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Value:
    """Compiled data.

    `constant` says that nothing in it is a template; `references` are the paths that it reads,
    each with the place of its string within the data.
    """

    constant: bool
    references: tuple[tuple[Loc, Reference], ...]
    _renderer: Renderer = field(repr=False, compare=False)

    def render(self, roots: Roots) -> object:
        """Fresh data over `roots`; a fault is an `ExpressionError`, located in its own string."""
        return self._renderer.render(roots)


def compile_data(data: object, faults: Faults | None = None) -> Value:
    """The compiled form of nested plain data, which is kept, whose strings may be templates.

    Every bad string or key is added to `faults` with its place in the data, and stands for itself
    then; without `faults`, the first one is raised.
    """
    if not data and type(data) in EMPTY:
        return EMPTY[type(data)]
    compiler = _Compiler([], [] if faults is None else faults)
    renderer = compiler.compile(data, ())
    if faults is None and compiler.faults:
        raise compiler.faults[0][1]
    return Value(renderer is None, tuple(compiler.references), renderer or _Constant(data))


# Most tasks have no keyword arguments, and many no arguments at all.
EMPTY: Mapping[type, Value] = {
    list: Value(True, (), _Constant([])),
    dict: Value(True, (), _Constant({})),
}


@dataclass(slots=True, eq=False)
class _Compiler:
    """One walk through data; a part without templates compiles to None."""

    references: list[tuple[Loc, Reference]]
    faults: Faults

    def compile(self, data: object, loc: Loc) -> Renderer | None:
        """What renders the data that stands at `loc`."""
        if isinstance(data, str):
            return self.string(data, loc) if "{{" in data else None
        if isinstance(data, (list, tuple)):
            # A list is copied and filled by the same calls as a mapping.
            listed = cast("dict[str | int, object]", data if type(data) is list else [*data])
            return self.slots(listed, tuple(enumerate(data)), loc)
        if isinstance(data, (dict, Mapping)):  # `dict` first: the test of an ABC is slow
            for key in data:
                self.check_key(key, loc)
            base = data if type(data) is dict else {**data}
            return self.slots(base, tuple(data.items()), loc)
        return None

    def string(self, text: str, loc: Loc) -> Renderer | None:
        """What renders a string; a bad one is a fault, and stands for itself."""
        try:
            references, renderer = _compiled(text)
        except ExpressionError as error:
            self.faults.append((loc, error))
            return None
        self.references.extend([(loc, each) for each in references])
        return renderer

    def check_key(self, key: object, loc: Loc) -> None:
        """Refuses a template in a key, which would otherwise stay there as braces."""
        if isinstance(key, str) and "{{" in key:
            error = ExpressionError(
                "a key is not rendered, so it holds no template", key.index("{{"), key
            )
            self.faults.append(((*loc, key), error))

    def slots(
        self,
        base: dict[str | int, object],
        entries: Sequence[tuple[str | int, object]],
        loc: Loc,
    ) -> Renderer | None:
        """What renders the container `base`, which has these entries."""
        changing: dict[str | int, Renderer] = {}
        for key, each in entries:
            kind = type(each)
            if kind not in ATOMS or (kind is str and "{{" in cast("str", each)):
                renderer = self.compile(each, (*loc, key))
                if renderer is not None:
                    changing[key] = renderer
        if not changing:
            return None
        for key, each in entries:
            if key not in changing and type(each) not in ATOMS:
                changing[key] = _Constant(each)
        return _Filled(base, tuple(changing.items()))


@dataclass(slots=True, eq=False)
class _Filled:
    """Renders a container: a shallow copy of `base`, and in its `slots` what they render."""

    base: dict[str | int, object]
    slots: tuple[tuple[str | int, Renderer], ...]

    def render(self, roots: Roots) -> object:
        """Fresh data over `roots`."""
        made = self.base.copy()
        for key, renderer in self.slots:
            made[key] = renderer.render(roots)
        return made
