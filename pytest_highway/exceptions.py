"""Exceptions by their names, as cases write them: in `raise` of a stub, in an expected `error`.

A name is looked up in this order, and the first class found is meant:

    ConnectionError       a builtin
    CommandFailed         one of this package that tools raise
    QuotaExceeded         one that a registered tool's module defines or imports
    ConnectError          one of httpx
    app.errors:Quota      the one of that module, whatever else there is

Two tool modules with different classes of one name are an error: which is meant must not be
decided by the order in which tools were found. An expected error may also have a name of
`ENGINE_FAULTS`, which only the engine gives.
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from types import MappingProxyType
from typing import Final, TypeGuard

from pytest_highway.errors import HighwayError, did_you_mean
from pytest_highway.tool_context import CommandFailed, OutputError, ToolError
from pytest_highway.tools import Registry

__all__ = ["ENGINE_FAULTS", "check_fault", "check_retried", "find_exception", "make_exception"]

# Faults of a run that no tool raised, by the names under which a log has them.
ENGINE_FAULTS: Final = (
    "BulkheadFull",
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
# Those of them with which an attempt may fail that another one may mend.
RETRIED_FAULTS: Final = (
    "BulkheadFull",
    "CircuitOpen",
    "LockTimeout",
    "NotPlain",
    "OutputInvalid",
    "PreconditionFailed",
)

BUILTINS: Final = MappingProxyType(
    {
        name: value
        for name, value in vars(builtins).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
)
OWN: Final = MappingProxyType(
    {each.__name__: each for each in (CommandFailed, OutputError, ToolError)}
)


def find_exception(name: str, registry: Registry, *, also: Sequence[str] = ()) -> type[Exception]:
    """The class that a case means by `name`; `HighwayError` with a sentence when there is none.

    `also` are further names that may have been meant.
    """
    if ":" in name:
        return _imported(name)
    found = BUILTINS.get(name) or OWN.get(name)
    if found is not None:
        return found
    of_tools = _of_tools(registry, len(registry))
    classes = of_tools.get(name, ())
    if len(classes) > 1:
        places = " and ".join(repr(f"{each.__module__}:{each.__qualname__}") for each in classes)
        raise HighwayError(f"the exception {name!r} may be {places}; write which one")
    found = classes[0] if classes else _of_httpx(name)
    if found is None:
        near = did_you_mean(name, [*also, *BUILTINS, *OWN, *of_tools])
        raise HighwayError(f"unknown exception {name!r}; others are written 'module:Class'{near}")
    return found


def check_fault(name: str, registry: Registry) -> None:
    """Raise `HighwayError` unless a run's error may have this name."""
    if name not in ENGINE_FAULTS:
        find_exception(name, registry, also=ENGINE_FAULTS)


def check_retried(name: str, registry: Registry) -> None:
    """Raise `HighwayError` unless an attempt may fail with an exception of this name.

    A name that several classes have means all of them.
    """
    if name in RETRIED_FAULTS or name in _of_tools(registry, len(registry)):
        return
    if name in ENGINE_FAULTS:
        raise HighwayError(f"{name!r} ends a task or the run, and is never retried")
    find_exception(name, registry, also=RETRIED_FAULTS)


def make_exception(kind: type[Exception], text: str) -> Exception:
    """An exception of this class with this text, whatever its constructor wants.

    `HighwayError` for a class that cannot be made from a text at all, such as `ExceptionGroup`.
    """
    if kind is CommandFailed:
        return CommandFailed(text, 1)
    with suppress(Exception):  # a foreign constructor may raise anything
        return kind(text) if text else kind()
    return _forced(kind, text)


def _forced(kind: type[Exception], text: str) -> Exception:
    """An instance of a subclass with the same name, made without the constructor.

    What matters to a run is the class, its bases and the text; the text would be lost where
    `__str__` reads what only the constructor sets.
    """
    body = {"__module__": kind.__module__, "__str__": lambda self: text}
    try:
        likeness: type[Exception] = type(kind.__name__, (kind,), body)
        made = likeness.__new__(likeness)
    except TypeError as error:
        raise HighwayError(f"{kind.__name__!r} cannot be made from a text: {error}") from error
    made.args = (text,)
    return made


def _imported(name: str) -> type[Exception]:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute, None)
    except (Exception, SystemExit) as error:  # foreign code is imported: it may raise anything
        reason = f"{type(error).__name__}: {error}"
        raise HighwayError(f"the exception {name!r} cannot be imported: {reason}") from error
    if not _is_exception(found):
        raise HighwayError(f"{name!r} is no exception")
    return found


def _is_exception(value: object) -> TypeGuard[type[Exception]]:
    return isinstance(value, type) and issubclass(value, Exception)


@lru_cache(maxsize=8)
def _of_tools(registry: Registry, size: int) -> dict[str, tuple[type[Exception], ...]]:
    """The exceptions in the modules of tools; `size` tells a registry from what it was before."""
    found: dict[str, tuple[type[Exception], ...]] = {}
    for name, kind in _named_in_modules(registry):
        known = found.get(name, ())
        if kind not in known:
            found[name] = (*known, kind)
    return found


def _named_in_modules(registry: Registry) -> Iterator[tuple[str, type[Exception]]]:
    modules = dict.fromkeys(inspect.unwrap(each.function).__module__ for each in registry)
    for name in modules:
        # A copy: another thread may import into the module meanwhile.
        for key, value in dict(vars(sys.modules.get(name, builtins))).items():
            if _is_exception(value):
                yield key, value


def _of_httpx(name: str) -> type[Exception] | None:
    try:
        import httpx  # only now: it is a tenth of a second that most files never need
    except ImportError:
        return None
    found = getattr(httpx, name, None)
    return found if _is_exception(found) else None
