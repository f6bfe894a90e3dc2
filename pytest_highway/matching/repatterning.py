"""Patterns brought up to date: what an update writes for an expectation that does not hold.

All that still holds is kept as it is. A single value is replaced by the actual one in its place.
Where a mapping or a list has other members than expected, or a matcher other insides, more than
one place has to change: the expectation is then written as a whole, with those of its patterns
and matchers that match.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

from pytest_highway.matching.matchers import MISSING, Mismatch, escaped, matches
from pytest_highway.matching.patterns import wanted, word_of

__all__ = ["is_structural", "updated_pattern"]


def is_structural(mismatch: Mismatch) -> bool:
    """Whether more than one value of the pattern has to change."""
    if mismatch.expected is MISSING or mismatch.actual is MISSING:
        return True
    # Below a matcher stands no value, but what the matcher makes of one; `$partial` is a map.
    words = [step for step in mismatch.pattern_loc if isinstance(step, str) and step[:1] == "$"]
    return any(step[:2] != "$$" and step != "$partial" for step in words)


def updated_pattern(pattern: object, actual: object) -> object:
    """The nearest pattern that matches: what still holds of the old one is kept as it is."""
    if matches(pattern, actual):
        return pattern
    if isinstance(pattern, Mapping) and isinstance(actual, Mapping):
        word = word_of(pattern)
        if word is None:
            return _members(pattern, actual, actual)
        if word == "$partial" and isinstance(pattern[word], Mapping):
            kept = [name for name in wanted(pattern[word]) if name in actual]
            if kept:
                return {word: _members(pattern[word], actual, kept)}
    elif isinstance(pattern, list) and isinstance(actual, list):
        shared = [updated_pattern(old, new) for old, new in zip(pattern, actual, strict=False)]
        return [*shared, *map(escaped, actual[len(shared) :])]
    return escaped(actual)


def _members(
    pattern: Mapping[str, object], actual: Mapping[str, object], names: Iterable[str]
) -> dict[str, object]:
    old = wanted(cast("Mapping[object, object]", pattern))
    made: dict[str, object] = {}
    # In the order of the pattern, so that the smallest part of the file changes.
    for name in [*(each for each in old if each in names), *(n for n in names if n not in old)]:
        value = actual[name]
        key = f"${name}" if name[:1] == "$" else name
        made[key] = updated_pattern(old[name], value) if name in old else escaped(value)
    return made
