"""Patterns: plain data that expects a value, with matchers where it is not plain.

A pattern is one of four things:

    scalar     expects an equal value (`equality` says what equals)
    list       expects a list, element by element
    map        expects a map with exactly these keys; a key `$$x` is the plain key `$x`
    use        a map with a key `$word`: the matcher of that word, its operand, and its options
               beside it; it expects what the matcher says

This module walks patterns; which words there are is handed in, see `matchers`. A walk yields what
is wrong from the innermost place outward: whoever passes it on puts its own step before the place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.matching.equality import (
    MISSING,
    SHOWN,
    equal,
    kind_of,
    members,
    shared_start,
    shown,
)
from pytest_highway.matching.lookalikes import divergence, look_alike

__all__ = [
    "Difference",
    "Fault",
    "Loc",
    "Matcher",
    "Use",
    "Words",
    "described",
    "differences",
    "escaped",
    "fits",
    "member_differences",
    "message_of",
    "pattern_faults",
    "wanted",
    "word_of",
]

Loc = tuple[str | int, ...]
Fault = tuple[Loc, str]

# Among more names than these a near one is not looked for: the search is not linear.
NEAR_NAMES = 50


class Difference(NamedTuple):
    """A mismatch before anybody asked for its message.

    `message` stands in for the usual one; `near` are names that may have been meant.
    """

    expected: object
    actual: object
    message: str = ""
    near: Sequence[str] = ()
    loc: Loc = ()
    pattern_loc: Loc = ()

    def under(self, loc: str | int, pattern_loc: str | int) -> Difference:
        """The same, seen from one level further out."""
        return self._replace(loc=(loc, *self.loc), pattern_loc=(pattern_loc, *self.pattern_loc))


class Use(NamedTuple):
    """One use of a matcher: its operand, the words beside it and all the matchers there are."""

    operand: object
    options: Mapping[str, object]
    words: Mapping[str, Matcher]


def _anything(operand: object) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Matcher:
    """What one word does.

    `test` decides. `phrase` names what is expected, as in `expected > 3`. `takes` gives an empty
    text for a good operand, else what would be one. `inside`, asked after a test that passed,
    yields differences within the value. `nested`: the operand is a pattern. `options`: the words
    that may stand beside it, each with its own `takes`.
    """

    test: Callable[[Use, object], bool]
    phrase: Callable[[Use], str]
    takes: Callable[[object], str] = _anything
    inside: Callable[[Use, object], Iterator[Difference]] | None = None
    nested: bool = False
    options: Mapping[str, Callable[[object], str]] = field(default_factory=dict)


Words = Mapping[str, Matcher]


def word_of(pattern: Mapping[object, object]) -> str | None:
    """The matcher of a map, or None when all of its keys are plain."""
    for key in pattern:
        if _is_word(key):
            return str(key)
    return None


def _is_word(key: object) -> bool:
    return isinstance(key, str) and key[:1] == "$" and key[:2] != "$$"


def wanted(pattern: Mapping[object, object]) -> dict[str, object]:
    """The members that a plain map of a pattern expects, by their names in the value."""
    return {_name(key): each for key, each in pattern.items()}


def _name(key: object) -> str:
    name = str(key)
    return name[1:] if name[:2] == "$$" else name


def escaped(value: object) -> object:
    """A pattern that expects just this plain value: keys with a leading dollar get another."""
    if isinstance(value, Mapping):
        items = members(value).items()
        return {f"${name}" if name[:1] == "$" else name: escaped(each) for name, each in items}
    if isinstance(value, (list, tuple)):
        return [escaped(each) for each in value]
    return value


# Faults ------------------------------------------------------------------------------------------


def pattern_faults(pattern: object, words: Words, *, rendered: bool) -> Iterator[Fault]:
    """What no value could make sense of, and where; unless `rendered`, templates are let pass."""
    if isinstance(pattern, (list, tuple)):
        for number, each in enumerate(pattern):
            yield from _below(number, pattern_faults(each, words, rendered=rendered))
    elif isinstance(pattern, Mapping):
        word = word_of(pattern)
        if word is not None:
            yield from _use_faults(pattern, word, words, rendered=rendered)
            return
        for key, each in pattern.items():
            if isinstance(key, str):
                yield from _below(key, pattern_faults(each, words, rendered=rendered))
            else:
                yield (), f"the key {shown(key)} is no text"


def _below(step: str | int, found: Iterator[Fault]) -> Iterator[Fault]:
    for loc, message in found:
        yield (step, *loc), message


def _use_faults(
    pattern: Mapping[object, object], word: str, words: Words, *, rendered: bool
) -> Iterator[Fault]:
    unknown = [str(key) for key in pattern if _is_word(key) and key not in words]
    for key in unknown:
        near = did_you_mean(key, words)
        known = f"known are {listed(list(words), limit=20)}"
        yield (key,), f"unknown matcher {key!r}; {known}; a plain key is written '${key}'{near}"
    # The operand of an unknown word may be meant for anything.
    if word in unknown:
        return
    matcher = words[word]
    takes = {word: matcher.takes, **matcher.options}
    for key in map(str, pattern):
        if key not in takes and key not in unknown:
            near = did_you_mean(key, matcher.options)
            only = f"only {listed(list(matcher.options))}" if matcher.options else "nothing"
            yield (key,), f"{key!r} beside {word!r}, which takes {only} beside it{near}"
    for key, checked in takes.items():
        if key not in pattern or (not rendered and _is_template(pattern[key])):
            continue
        if what := checked(pattern[key]):
            yield (key,), f"{key!r} cannot take {shown(pattern[key])}; it takes {what}"
    if matcher.nested:
        yield from _below(word, pattern_faults(pattern[word], words, rendered=rendered))


def _is_template(operand: object) -> bool:
    # Not a look at the whole template: a text that has only a part of one is no operand yet.
    return isinstance(operand, str) and "{{" in operand


# Comparing ---------------------------------------------------------------------------------------


def differences(pattern: object, value: object, words: Words) -> Iterator[Difference]:
    """Where a value is not as a pattern without faults has it, in the order of the pattern.

    Nothing is computed that nobody asks for: the first difference settles whether there is one.
    """
    if isinstance(pattern, (list, tuple)):
        if isinstance(value, (list, tuple)):
            yield from _element_differences(pattern, value, words)
        else:
            yield Difference(pattern, value)
    elif isinstance(pattern, Mapping):
        word = word_of(pattern)
        if word is not None:
            yield from _use_differences(pattern, word, value, words)
        elif isinstance(value, Mapping):
            yield from member_differences(pattern, value, words, partial=False)
        else:
            yield Difference(pattern, value)
    elif not equal(pattern, value):
        yield Difference(pattern, value)


def fits(pattern: object, value: object, words: Words) -> bool:
    """Whether a value is as a pattern without faults has it."""
    return next(differences(pattern, value, words), None) is None


def _use(pattern: Mapping[object, object], word: str, words: Words) -> Use:
    options = {str(key): each for key, each in pattern.items() if key != word}
    return Use(pattern[word], options, words)


def _use_differences(
    pattern: Mapping[object, object], word: str, value: object, words: Words
) -> Iterator[Difference]:
    matcher, use = words[word], _use(pattern, word, words)
    if not matcher.test(use, value):
        yield Difference(pattern, value)
    elif matcher.inside is not None:
        for each in matcher.inside(use, value):
            yield each._replace(pattern_loc=(word, *each.pattern_loc))


def member_differences(
    pattern: Mapping[object, object],
    value: Mapping[object, object],
    words: Words,
    *,
    partial: bool,
) -> Iterator[Difference]:
    """Where members are not as named; unless `partial`, there may be no others."""
    # A near name is one of those that nobody asked for, or any pair of keys would look like a typo.
    actual, names = members(value), wanted(pattern)
    others = [name for name in actual if name not in names]
    near = others if len(others) <= NEAR_NAMES else ()
    for key, each in pattern.items():
        name = _name(key)
        if name not in actual:
            yield Difference(each, MISSING, near=near).under(name, str(key))
            continue
        for difference in differences(each, actual[name], words):
            yield difference.under(name, str(key))
    if not partial:
        for name in others:
            yield Difference(MISSING, actual[name], loc=(name,))


def _element_differences(
    pattern: Sequence[object], value: Sequence[object], words: Words
) -> Iterator[Difference]:
    # Of lists of one size each pair is told; else what agrees from both ends is set aside, so that
    # one element more or less is one mismatch and not all that follow.
    expected, actual = len(pattern), len(value)
    head = tail = 0
    if expected != actual:
        size = min(expected, actual)
        while head < size and fits(pattern[head], value[head], words):
            head += 1
        while tail < size - head and fits(pattern[-1 - tail], value[-1 - tail], words):
            tail += 1
        yield Difference(pattern, value, f"expected {_counted(expected)}, got {actual}")
    for number in range(head, max(expected, actual) - tail):
        if number >= expected - tail:
            yield Difference(MISSING, value[number], loc=(number,))
        elif number >= actual - tail:
            yield Difference(pattern[number], MISSING).under(number, number)
        else:
            for each in differences(pattern[number], value[number], words):
                yield each.under(number, number)


def _counted(size: int) -> str:
    return f"{size} element" if size == 1 else f"{size} elements"


def described(pattern: object, words: Words) -> str:
    """What a pattern expects, in words."""
    word = word_of(pattern) if isinstance(pattern, Mapping) else None
    if word is None or not isinstance(pattern, Mapping):
        return shown(pattern)
    return words[word].phrase(_use(pattern, word, words))


def message_of(difference: Difference, words: Words) -> str:
    """A difference in one line; of long texts only what is around the first difference."""
    expected, actual = difference.expected, difference.actual
    if difference.message:
        return difference.message
    if isinstance(expected, str) and isinstance(actual, str):
        odd = not (expected + actual).isascii() and look_alike(expected, actual)
        which = f"; {divergence(expected, actual)}" if odd else ""
        start = shared_start(expected, actual) - SHOWN // 2
        if start > 0 and max(len(expected), len(actual)) > SHOWN:
            # Both would be cut before they differ.
            left, right = shown(expected[start:]), shown(actual[start:])
            return f"expected {left}, got {right}, both from character {start + 1}{which}"
        if odd:
            return f"expected {shown(expected)}, got {shown(actual)}{which}"
    left, right = described(expected, words), shown(actual)
    if left == right:
        left, right = f"{left} ({kind_of(expected)})", f"{right} ({kind_of(actual)})"
    near = did_you_mean(str(difference.loc[-1]), difference.near) if difference.near else ""
    return f"expected {left}, got {right}{near}"
