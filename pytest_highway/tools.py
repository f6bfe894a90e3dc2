"""Tools: what a task calls, how a tool is found, and what it may ask of the engine.

`@tool` only marks a function; it registers nothing. A `Registry` is an instance, filled by
`discover` in this order, so that the order of names is the same on every machine:

    the built-in toolbox, the entry points `pytest_highway.tools` by name, the named modules

Each of these sources leads to one of three things, all handled alike: a module (every marked
function in it), a marked function, or a callable that takes the registry and adds to it.

Two tools of one name are an error wherever they come from. An entry point that cannot be loaded
is only noted in `Registry.problems`: a broken package must not stop a project that never uses it.

A parameter annotated `ToolContext` is filled by the engine and is hidden from callers; what it
offers stands in `tool_context`, whose public names are to be had here as well.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module, metadata
from types import ModuleType
from typing import Literal, TypeVar, get_args

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.tool_context import (
    CommandFailed,
    LogLevel,
    Memory,
    ToolContext,
    ToolError,
    ToolHost,
    finished_value,
    parse_usage,
    sum_of,
    text_of,
)

__all__ = [
    "CommandFailed",
    "Effects",
    "Isolation",
    "LogLevel",
    "Memory",
    "Registry",
    "Tool",
    "ToolClash",
    "ToolContext",
    "ToolError",
    "ToolHost",
    "discover",
    "finished_value",
    "parse_usage",
    "shown_signature",
    "sum_of",
    "text_of",
    "tool",
]

Effects = Literal["pure", "read", "write"]
Isolation = Literal["inline", "thread", "process", "subprocess"]

BUILT_IN = "pytest_highway.toolbox:register"
ENTRY_POINT_GROUP = "pytest_highway.tools"
MARK = "__highway_tool__"
NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+", re.ASCII)

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)

Marked = TypeVar("Marked", bound=Callable[..., object])


class ToolClash(ToolError):
    """Two different functions claim one tool name."""


# -- declaring ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mark:
    """What `@tool` notes on a function. `function` tells a mark from one that `wraps` copied."""

    name: str
    effects: Effects
    isolation: Isolation
    bulkhead: bool
    function: object


def tool(
    name: str,
    *,
    effects: Effects = "write",
    isolation: Isolation = "thread",
    bulkhead: bool = True,
) -> Callable[[Marked], Marked]:
    """Mark a function or coroutine function as the tool `name`, a dotted name; returns it as it is.

    `effects`: `pure` runs for real in every test, `read` and `write` want a stub. `isolation`: a
    timeout kills `process` and `subprocess`, and abandons `inline` and `thread`. Without
    `bulkhead` a call never waits for another call of the same tool. ToolError at decoration.
    """

    def decorate(function: Marked) -> Marked:
        where = f"{getattr(function, '__qualname__', repr(function))} ({place_of(function)})"
        faults = "; ".join(mark_faults(name, effects, isolation, function))
        if faults:
            raise ToolError(f"{where}: {faults}")
        try:
            setattr(function, MARK, Mark(name, effects, isolation, bulkhead, function))
        except AttributeError as error:
            raise ToolError(f"{where}: it takes no attributes; wrap it in a function") from error
        return function

    return decorate


def mark_faults(
    name: object, effects: object, isolation: object, function: object
) -> Iterator[str]:
    """What is wrong with the arguments of `@tool`, most telling first."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield f"tool name {name!r} is no dotted name, as in 'app.fetch'"
    choices = (("effects", effects, Effects), ("isolation", isolation, Isolation))
    for word, value, allowed in choices:
        if value not in get_args(allowed):
            near = did_you_mean(str(value), get_args(allowed))
            yield f"{word} {value!r} is unknown; allowed are {listed(get_args(allowed))}{near}"
    if not callable(function):
        yield "a tool is a function or another callable"
    mark = getattr(function, MARK, None)
    if isinstance(mark, Mark) and mark.function is function:
        yield f"it is the tool {mark.name!r} already"


def place_of(function: object) -> str:
    """`module:line` of a function, or `module` where it has no line; the same on every machine."""
    module = getattr(function, "__module__", None) or type(function).__module__
    code = getattr(inspect.unwrap(function) if callable(function) else function, "__code__", None)
    return f"{module}:{code.co_firstlineno}" if code else str(module)


# -- the registry ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool, ready to be checked against a task and to be called."""

    name: str
    function: Callable[..., object]
    effects: Effects
    isolation: Isolation
    bulkhead: bool
    place: str  # `module:line`
    is_coroutine: bool  # `invoke` then returns an awaitable
    signature: inspect.Signature  # as callers see it: without the context
    context_parameter: str | None
    context_index: int | None  # its place among the positional parameters, None when keyword-only
    # What `misfit` said of each shape of call: thousands of tasks call one tool alike.
    judged: dict[tuple[object, ...], str | None] = field(
        default_factory=dict, repr=False, compare=False
    )

    def describe(self) -> str:
        """The name with the caller's parameters, as `tools.log.info(message)`."""
        return f"{self.name}{shown_signature(self.signature)}"

    def misfit(self, positional: int, keywords: Sequence[str]) -> str | None:
        """Why a call with so many positional and these keyword arguments cannot work, or None."""
        shape = (positional, *keywords)
        if shape not in self.judged:
            found = "; ".join(self._misfits(positional, keywords))
            takes = f"{self.name} takes {shown_signature(self.signature)}"
            self.judged[shape] = f"{takes}; {found}" if found else None
        return self.judged[shape]

    def _misfits(self, positional: int, keywords: Sequence[str]) -> Iterator[str]:
        parameters = tuple(self.signature.parameters.values())
        kinds = {each.kind for each in parameters}
        ordered = [each.name for each in parameters if each.kind in POSITIONAL]
        named = [each.name for each in parameters if each.kind in NAMED]
        taken = ordered[:positional]
        if positional > len(ordered) and inspect.Parameter.VAR_POSITIONAL not in kinds:
            yield f"got {positional} positional arguments, at most {len(ordered)} fit"
        for key in keywords:
            if key == self.context_parameter:
                yield f"{key!r} is supplied by the engine"
            elif key in named and key in taken:
                yield f"{key!r} is given by position and by name"
            elif key not in named and inspect.Parameter.VAR_KEYWORD not in kinds:
                yield f"unknown {key!r}{did_you_mean(key, named)}"
        given = {*taken, *(key for key in keywords if key in named)}
        missing = [each.name for each in parameters if is_required(each) and each.name not in given]
        if missing:
            yield f"missing {listed(missing)}"

    def invoke(
        self,
        context: ToolContext | None,
        positional: Sequence[object],
        keywords: Mapping[str, object],
    ) -> object:
        """Call the function with the caller's arguments and, where it asks for one, the context."""
        if self.context_parameter is None:
            return self.function(*positional, **keywords)
        if self.context_index is None or len(positional) < self.context_index:
            return self.function(*positional, **keywords, **{self.context_parameter: context})
        index = self.context_index
        return self.function(*positional[:index], context, *positional[index:], **keywords)


def is_required(parameter: inspect.Parameter) -> bool:
    """Whether a call must fill it."""
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return parameter.default is inspect.Parameter.empty and parameter.kind not in variable


def shown_signature(signature: inspect.Signature) -> str:
    """Names and defaults; annotations are left out, a message has no room for them."""
    bare = [
        each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()
    ]
    return str(inspect.Signature(bare))


def compile_tool(function: Callable[..., object], mark: Mark) -> Tool:
    """Read the signature of a marked function once."""
    place = place_of(function)
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError, NameError) as error:
        raise ToolError(
            f"tool {mark.name!r} ({place}) has no readable signature: {error}"
        ) from error
    parameters = tuple(signature.parameters.values())
    context = context_of(parameters, inspect.unwrap(function), f"tool {mark.name!r} ({place})")
    return Tool(
        name=mark.name,
        function=function,
        effects=mark.effects,
        isolation=mark.isolation,
        bulkhead=mark.bulkhead,
        place=place,
        is_coroutine=any(map(inspect.iscoroutinefunction, (function, type(function).__call__))),
        signature=signature.replace(
            parameters=[each for each in parameters if each is not context]
        ),
        context_parameter=context.name if context else None,
        context_index=parameters.index(context) if context and context.kind in POSITIONAL else None,
    )


def context_of(
    parameters: Sequence[inspect.Parameter], function: object, what: str
) -> inspect.Parameter | None:
    """The parameter annotated `ToolContext`, which must be one that a keyword can fill."""
    names = getattr(function, "__globals__", {})
    found = [each for each in parameters if is_context(each.annotation, names)]
    if len(found) > 1:
        raise ToolError(f"{what} has {len(found)} parameters annotated ToolContext; one is enough")
    if found and found[0].kind not in NAMED:
        raise ToolError(f"{what}: the ToolContext {found[0].name!r} must be an ordinary parameter")
    return found[0] if found else None


def is_context(annotation: object, names: Mapping[str, object]) -> bool:
    """Whether an annotation, evaluated or still a text, means `ToolContext`.

    A text is looked up in the function's globals and never evaluated. What is not there was
    imported for type checkers only, and then its last word decides.
    """
    if not isinstance(annotation, str):
        return annotation is ToolContext
    first, *rest = annotation.strip("'\" ").split(".")
    value = names.get(first)
    for step in rest:
        value = getattr(value, step, None)
    return value is ToolContext or (value is None and [first, *rest][-1] == "ToolContext")


class Registry:
    """The tools of one session, by name, in the order they were added."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}
        self._problems: list[str] = []

    def add(self, function: Callable[..., object]) -> Tool:
        """Add one marked function; adding the very same one again changes nothing.

        ToolError when it is not marked, ToolClash when another one has its name.
        """
        mark = getattr(function, MARK, None)
        if not isinstance(mark, Mark):
            raise ToolError(f"{function!r} is no tool; decorate it with @tool('some.name')")
        known = self._tools.get(mark.name)
        if known is None:
            known = self._tools[mark.name] = compile_tool(function, mark)
        elif known.function != function:
            places = f"{known.place} and {place_of(function)}"
            raise ToolClash(f"two tools are named {mark.name!r}: {places}")
        return known

    def add_module(self, module: ModuleType) -> int:
        """Add every marked function that a module defines or imports; returns their number."""
        # The static look-up leaves lazy proxies alone: asking one for an attribute may run code.
        values = tuple(vars(module).values())
        marked = [
            each for each in values if isinstance(inspect.getattr_static(each, MARK, None), Mark)
        ]
        return len({self.add(each).name for each in marked})

    def get(self, name: str) -> Tool | None:
        """The tool of that name, or None."""
        return self._tools.get(name)

    def names(self) -> tuple[str, ...]:
        """All names, in the order they were added."""
        return tuple(self._tools)

    def note(self, problem: str) -> None:
        """Keep a problem that must be told but stops nothing."""
        self._problems.append(problem)

    @property
    def problems(self) -> tuple[str, ...]:
        """Sentences about entry points that could not be used, for warnings."""
        return tuple(self._problems)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def __len__(self) -> int:
        return len(self._tools)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())


# -- discovery ---------------------------------------------------------------------------------


def discover(modules: Sequence[str] = (), *, entry_points: bool = True) -> Registry:
    """A registry with the built-in tools, those of installed packages and those of `modules`.

    A module is written `app.tools`, or `app.tools:name` for one function in it. ToolError when a
    named module cannot be loaded or holds no tool, ToolClash when two tools share a name.
    """
    registry = Registry()
    load_named(registry, BUILT_IN)
    found = metadata.entry_points(group=ENTRY_POINT_GROUP) if entry_points else ()
    # The order of installed packages is that of a directory listing: it must not reach anything.
    for entry in sorted(found, key=lambda each: (each.name, each.value)):
        load_entry_point(registry, entry)
    for name in modules:
        load_named(registry, name)
    return registry


def load_named(registry: Registry, name: str) -> None:
    """Add what `module` or `module:attribute` names."""
    what = f"tools module {name!r}"
    add_target(registry, attempt(what, partial(import_target, name)), what)


def load_entry_point(registry: Registry, entry: metadata.EntryPoint) -> None:
    """Add what an entry point names; what is wrong with it is noted, save a clash of names."""
    what = f"entry point {entry.name!r} ({entry.value})"
    try:
        add_target(registry, attempt(what, entry.load), what)
    except ToolClash:
        raise
    except ToolError as error:
        registry.note(str(error))


def import_target(name: str) -> object:
    """The module, or the attribute behind the colon."""
    module, _, path = name.partition(":")
    target: object = import_module(module)
    for step in filter(None, path.split(".")):
        if not hasattr(target, step):
            raise ToolError(f"it has no {step!r}{did_you_mean(step, dir(target))}")
        target = getattr(target, step)
    return target


def attempt(what: str, load: Callable[[], object]) -> object:
    """The loaded thing; whatever foreign code raises becomes a ToolError that says what failed."""
    try:
        return load()
    except ToolClash:
        raise
    except (Exception, SystemExit) as error:  # foreign code is imported: it may raise anything
        reason = str(error) if isinstance(error, ToolError) else f"{type(error).__name__}: {error}"
        raise ToolError(f"{what} cannot be loaded: {reason}") from error


def add_target(registry: Registry, target: object, what: str) -> None:
    """Add a module, a marked function, or whatever a callable adds."""
    if isinstance(target, ModuleType):
        if not registry.add_module(target):
            raise ToolError(f"{what} holds no tool; decorate its functions with @tool('some.name')")
    elif not callable(target):
        raise ToolError(f"{what} is {target!r}; allowed are a module, a tool and a callable")
    elif isinstance(getattr(target, MARK, None), Mark):
        registry.add(target)
    else:
        attempt(what, partial(target, registry))
