"""Marks of cases: from what a file says to pytest's own marks, checked before anything runs.

    smoke                   the mark `smoke`
    {timeout: 5}            one positional argument; a list gives several
    {xfail: {reason: …}}    keyword arguments

Which forms and which arguments exist is checked with the case. Here is found what needs pytest to
know: a name that is not registered (an error under `--strict-markers`, else a warning), and values
that pytest would stumble over, in words about Python, when the case runs.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import cast

import pytest

from pytest_highway.cases.declarations import Case
from pytest_highway.errors import Diagnostic, HighwayError, did_you_mean

__all__ = ["MarkReader"]

Written = str | Mapping[str, object]

# What the arguments of pytest's own marks may be.
VALUES: dict[str, dict[str, tuple[type, ...]]] = {
    "skip": {"reason": (str,)},
    "skipif": {"condition": (bool, str), "reason": (str,)},
    "xfail": {"condition": (bool, str), "reason": (str,), "run": (bool,), "strict": (bool,)},
}
KINDS = {str: "text", bool: "true or false"}


class MarkFault(HighwayError):
    """What is wrong with one mark."""


class MarkReader:
    """Reads the marks of one file's cases; `found` is what was wrong, in the order of cases."""

    def __init__(self, config: pytest.Config) -> None:
        self.found: list[Diagnostic] = []
        self._registered = tuple(_registered(config))
        self._told: list[tuple[int, str]] = []

    def marks(self, case: Case) -> list[pytest.MarkDecorator]:
        """The marks of a case that are right; the others are noted."""
        marks = []
        for number, written in enumerate(case.model.marks):
            place = case.origin.fault(("marks", number), "")
            try:
                marks.append(self._mark(place, written))
            except MarkFault as fault:
                self.found.append(replace(place, message=str(fault)))
        return marks

    def _mark(self, place: Diagnostic, written: Written) -> pytest.MarkDecorator:
        if isinstance(written, str):
            return self._named(place, written)
        ((name, arguments),) = written.items()
        positional, named = _arguments(arguments)
        if name in VALUES:
            positional, named = _checked(name, positional, named)
        return self._named(place, name).with_args(*positional, **named)

    def _named(self, place: Diagnostic, name: str) -> pytest.MarkDecorator:
        if name.startswith("_"):
            raise MarkFault(f"{name!r} is no mark; the name of a mark begins with a letter")
        if name in self._registered:
            return cast("pytest.MarkDecorator", getattr(pytest.mark, name))
        # pytest warns or refuses here, but at a line of this module: it is told again below.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", pytest.PytestUnknownMarkWarning)
            try:
                mark = cast("pytest.MarkDecorator", getattr(pytest.mark, name))
            except pytest.fail.Exception as error:
                raise MarkFault(f"{error.msg}{did_you_mean(name, self._registered)}") from error
        self._warn(place, name)
        return mark

    def _warn(self, place: Diagnostic, name: str) -> None:
        """Tell of an unknown mark where it stands, in the category that people filter on."""
        told = (place.position.line, name)
        if told in self._told:  # by another param id of the same case
            return
        self._told.append(told)
        near = did_you_mean(name, self._registered)
        message = f"unknown mark {name!r}; register it in ini 'markers'{near}"
        warning = pytest.PytestUnknownMarkWarning(message)
        try:
            warnings.warn_explicit(warning, None, place.path, place.position.line)
        except pytest.PytestUnknownMarkWarning as error:  # a filter makes it one
            raise MarkFault(message) from error


def _registered(config: pytest.Config) -> Iterator[str]:
    """The names of registered marks, from lines such as `timeout(seconds): …`."""
    for line in config.getini("markers"):
        yield line.partition(":")[0].partition("(")[0].strip()


def _arguments(arguments: object) -> tuple[list[object], dict[str, object]]:
    """Positional and named arguments."""
    if isinstance(arguments, Mapping):
        return [], dict(arguments)
    return (list(arguments) if isinstance(arguments, list) else [arguments]), {}


def _checked(
    name: str, positional: list[object], named: dict[str, object]
) -> tuple[list[object], dict[str, object]]:
    """The arguments of one of pytest's own marks as it takes them; raises `MarkFault`."""
    if len(positional) > 1:
        raise MarkFault(f"{name!r} takes one reason, not {len(positional)}")
    given = {"reason": positional[0]} if positional else named
    for word, value in given.items():
        allowed = VALUES[name][word]
        if not isinstance(value, allowed):
            kinds = " or ".join(KINDS[kind] for kind in allowed)
            raise MarkFault(f"{word!r} of {name!r} is {value!r}; expected {kinds}")
    if name == "skipif" and "condition" not in given:
        raise MarkFault("'skipif' needs a 'condition'")
    if "reason" not in given and isinstance(given.get("condition"), bool):
        raise MarkFault(f"{name!r} with a condition of true or false needs a 'reason'")
    condition = [value for word, value in given.items() if word == "condition"]
    return condition, {word: value for word, value in given.items() if word != "condition"}
