r"""Matchers: a value against the value, or the pattern, that is expected of it.

A pattern is plain data. It expects an equal value, but for each mapping with a *matcher* in it:

    $re: text                   text in which the regular expression is found
    $any: true | kind           anything, or one of `str int float bool list map null`
    $approx: number [tol: n]    a number at most `tol` away, else 1e-6 of it (or 1e-12) away
    $partial: mapping           a map with these keys; others may be there too, on this level only
    $unordered: list            a list of these elements in any order
    $contains: pattern          text that holds this text, a list with such an element, a map with
                                such a key
    $len: number | matcher      text, list or map of this length
    $not: pattern               anything that does not match
    $gt $ge $lt $le: bound      a number beside a number, text beside text (by code points)

A matcher stands alone in its mapping (`tol` apart). A key `$$x` is the plain key `$x`: of several
leading dollars one is dropped.

Equality is that of JSON: `true` is no number, `"1"` is not `1`, and `1` equals `1.0`. A number is
what it is written as: the decimal 0.1 equals the float 0.1. NaN equals NaN, a tuple equals a list,
and a key that is no text stands for its JSON text. Lists are compared element by element between
what agrees from both ends; maps need exactly the keys named. Something absent matches nothing, not
even `$any: true` or a `$not`.

`faults` finds patterns that make no sense, before any run; a scalar that holds a template may
become anything and is not judged then. Comparing judges again, so that a matcher with a wrong
operand is a mismatch wherever it stands, below a `$not` as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from types import MappingProxyType
from typing import Final, NamedTuple

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.matching.alignment import assign
from pytest_highway.matching.equality import (
    MISSING,
    NUMBERS,
    bucket,
    equal,
    kind_of,
    members,
    number_of,
    shown,
)
from pytest_highway.matching.forms import compiled
from pytest_highway.matching.patterns import (
    Difference,
    Fault,
    Loc,
    Matcher,
    Use,
    Words,
    described,
    differences,
    escaped,
    fits,
    member_differences,
    message_of,
    pattern_faults,
    wanted,
    word_of,
)

__all__ = [
    "MATCHERS",
    "MISSING",
    "Difference",
    "Fault",
    "Loc",
    "Matcher",
    "Mismatch",
    "Use",
    "Words",
    "escaped",
    "faults",
    "matches",
    "mismatches",
    "shown",
]

ANY_KINDS = ("str", "int", "float", "bool", "list", "map", "null")

# What people write for a kind, so that a message can name the right word.
OTHER_NAMES: Final[Mapping[str, str]] = {
    "string": "str",
    "text": "str",
    "integer": "int",
    "number": "float",
    "decimal": "float",
    "boolean": "bool",
    "array": "list",
    "sequence": "list",
    "dict": "map",
    "mapping": "map",
    "object": "map",
    "none": "null",
}

# Differences of decimals: no trap, since a comparison has to end in an answer.
EXACT = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
RELATIVE = Decimal("1e-6")
ABSOLUTE = Decimal("1e-12")


class Mismatch(NamedTuple):
    """One place at which a value is not what was expected.

    `loc` is the place in the value, `pattern_loc` the node of the pattern that decided (of an
    unexpected member the mapping or list around it). `expected` or `actual` is `MISSING` where
    there is none. `message` is one line, such as `expected 200, got 404`.
    """

    loc: Loc
    expected: object
    actual: object
    message: str
    pattern_loc: Loc = ()


def _takes_regex(operand: object) -> str:
    if not isinstance(operand, str):
        return "a regular expression"
    pattern = compiled(operand)
    return f"a regular expression ({pattern})" if isinstance(pattern, str) else ""


def _takes_kind(operand: object) -> str:
    if operand is True or operand is None or operand in ANY_KINDS:
        return ""
    word = operand if isinstance(operand, str) else ""
    # `boolean` is nearer to nothing in spelling, and yet everybody knows what is meant.
    other = OTHER_NAMES.get(word.lower())
    near = f"; did you mean {other!r}?" if other else did_you_mean(word, ANY_KINDS)
    return f"true or one of {listed(ANY_KINDS)}{near}"


def _takes_number(operand: object) -> str:
    return "" if kind_of(operand) in NUMBERS else "a number"


def _takes_distance(operand: object) -> str:
    good = kind_of(operand) in NUMBERS and operand == operand and number_of(operand) >= 0
    return "" if good else "a number from 0 up"


def _takes_map(operand: object) -> str:
    return (
        "" if isinstance(operand, Mapping) and word_of(operand) is None else "a map of plain keys"
    )


def _takes_list(operand: object) -> str:
    return "" if isinstance(operand, (list, tuple)) else "a list"


def _takes_length(operand: object) -> str:
    if isinstance(operand, Mapping):
        good = word_of(operand) is not None
    else:
        good = isinstance(operand, int) and not isinstance(operand, bool) and operand >= 0
    return "" if good else "a whole number from 0 up or a matcher"


def _takes_bound(operand: object) -> str:
    good = isinstance(operand, str) or (kind_of(operand) in NUMBERS and operand == operand)
    return "" if good else "a number or a text"


def _has_regex(use: Use, value: object) -> bool:
    pattern = compiled(str(use.operand))
    assert isinstance(pattern, re.Pattern)
    return isinstance(value, str) and pattern.search(value) is not None


def _is_kind(use: Use, value: object) -> bool:
    # No promotion: whoever pins `float` wants to know when an integer comes instead.
    return use.operand is True or kind_of(value) == (use.operand or "null")


def _is_near(use: Use, value: object) -> bool:
    if kind_of(value) not in NUMBERS:
        return False
    if equal(use.operand, value):
        return True
    expected, actual = Decimal(number_of(use.operand)), Decimal(number_of(value))
    if not expected.is_finite() or not actual.is_finite():
        return False
    # In decimals, so that 1.1 is 0.1 away from 1.0, as it is written, and not a little more.
    limit: int | Decimal = max(EXACT.multiply(expected.copy_abs(), RELATIVE), ABSOLUTE)
    if "tol" in use.options:
        limit = number_of(use.options["tol"])
    return EXACT.subtract(expected, actual).copy_abs() <= limit


def _is_map(use: Use, value: object) -> bool:
    return isinstance(value, Mapping)


def _is_list(use: Use, value: object) -> bool:
    return isinstance(value, (list, tuple))


def _has_length(use: Use, value: object) -> bool:
    return isinstance(value, (str, list, tuple, Mapping))


def _does_contain(use: Use, value: object) -> bool:
    if isinstance(value, str):
        return isinstance(use.operand, str) and use.operand in value
    # A map contains its keys, as in Python and in every template.
    if isinstance(value, Mapping):
        value = list(members(value))
    return isinstance(value, (list, tuple)) and any(
        fits(use.operand, each, use.words) for each in value
    )


def _is_other(use: Use, value: object) -> bool:
    return not fits(use.operand, value, use.words)


def _part_differences(use: Use, value: object) -> Iterator[Difference]:
    assert isinstance(use.operand, Mapping)
    assert isinstance(value, Mapping)
    return member_differences(use.operand, value, use.words, partial=True)


def _length_differences(use: Use, value: object) -> Iterator[Difference]:
    assert isinstance(value, (str, list, tuple, Mapping))
    size = len(value)
    if not fits(use.operand, size, use.words):
        wanted = described(use.operand, use.words)
        yield Difference(
            use.operand, value, f"expected length {wanted}, got {size} ({shown(value, 100)})"
        )


def _set_differences(use: Use, value: object) -> Iterator[Difference]:
    """The elements that a largest pairing leaves over; one on either side is compared."""
    assert isinstance(use.operand, (list, tuple))
    assert isinstance(value, (list, tuple))
    partners = assign(_choices(use.operand, value, use.words))
    missing = [number for number, partner in enumerate(partners) if partner is None]
    taken = set(partners)
    extra = [number for number in range(len(value)) if number not in taken]
    # The usual case, one element that changed: what has changed in it is worth more than both.
    if len(missing) == len(extra) == 1:
        for each in differences(use.operand[missing[0]], value[extra[0]], use.words):
            yield each.under(extra[0], missing[0])
        return
    for number in missing:
        wanted = use.operand[number]
        message = f"expected an element {described(wanted, use.words)}, got none"
        yield Difference(wanted, MISSING, message, pattern_loc=(number,))
    for number in extra:
        yield Difference(MISSING, value[number], loc=(number,))


def _choices(patterns: Sequence[object], values: Sequence[object], words: Words) -> list[list[int]]:
    """For each pattern the numbers of the values that it matches."""
    buckets: dict[Hashable, list[int]] = {}
    for number, value in enumerate(values):
        buckets.setdefault(bucket(value), []).append(number)
    everything = range(len(values))
    choices = []
    for pattern in patterns:
        # A plain element looks only at what may equal it, so that long plain lists stay linear.
        pool = everything if _is_wide(pattern) else buckets.get(bucket(pattern, wanted), ())
        choices.append([number for number in pool if fits(pattern, values[number], words)])
    return choices


def _is_wide(pattern: object) -> bool:
    """Whether a pattern holds a matcher, so that values of many kinds may fit."""
    if isinstance(pattern, Mapping):
        return word_of(pattern) is not None or any(map(_is_wide, pattern.values()))
    return isinstance(pattern, (list, tuple)) and any(map(_is_wide, pattern))


def _says(before: str) -> Callable[[Use], str]:
    """A phrase: these words, the operand, and what stands beside it."""

    def phrase(use: Use) -> str:
        beside = "".join(f" ({name} {shown(each)})" for name, each in use.options.items())
        return f"{before}{described(use.operand, use.words)}{beside}"

    return phrase


def _kind_phrase(use: Use) -> str:
    return "anything" if use.operand is True else f"any {use.operand or 'null'}"


def _ordered(holds: Callable[[bool, bool], bool]) -> Callable[[Use, object], bool]:
    """A test of what is below or above a bound: numbers with numbers, text with text alone."""

    def test(use: Use, value: object) -> bool:
        bound = use.operand
        if isinstance(value, str) and isinstance(bound, str):
            return holds(value < bound, value > bound)
        if kind_of(value) not in NUMBERS or kind_of(bound) not in NUMBERS or value != value:
            return False
        left, right = number_of(value), number_of(bound)
        return holds(left < right, left > right)

    return test


MATCHERS: Final[Words] = MappingProxyType(
    {
        "$re": Matcher(_has_regex, _says("text matching "), _takes_regex),
        "$any": Matcher(_is_kind, _kind_phrase, _takes_kind),
        "$approx": Matcher(
            _is_near, _says("about "), _takes_number, options={"tol": _takes_distance}
        ),
        "$partial": Matcher(
            _is_map, _says("a map with "), _takes_map, inside=_part_differences, nested=True
        ),
        "$unordered": Matcher(
            _is_list, _says("in any order "), _takes_list, inside=_set_differences, nested=True
        ),
        "$contains": Matcher(_does_contain, _says("something that contains "), nested=True),
        "$len": Matcher(
            _has_length, _says("length "), _takes_length, inside=_length_differences, nested=True
        ),
        "$not": Matcher(_is_other, _says("anything but "), nested=True),
        "$gt": Matcher(_ordered(lambda below, above: above), _says("> "), _takes_bound),
        "$ge": Matcher(_ordered(lambda below, above: not below), _says(">= "), _takes_bound),
        "$lt": Matcher(_ordered(lambda below, above: below), _says("< "), _takes_bound),
        "$le": Matcher(_ordered(lambda below, above: not above), _says("<= "), _takes_bound),
    }
)


def faults(pattern: object, *, rendered: bool = False, words: Words = MATCHERS) -> list[Fault]:
    """What is wrong with a pattern before any run: places inside the pattern, and why.

    A scalar operand that holds a template (`{{`) may become anything and is not judged, unless
    the templates were `rendered`. `words` are the matchers there are.
    """
    return list(pattern_faults(pattern, words, rendered=rendered))


def mismatches(
    pattern: object, value: object, *, partial: bool = False, words: Words = MATCHERS
) -> list[Mismatch]:
    """All places at which the value is not as expected, in the order of the pattern.

    `partial`: a plain map needs to hold what is named on its first level, and may hold more.
    `value` may be `MISSING`, which matches nothing. A pattern with faults matches nothing either:
    they are what is given then, each with the place in the pattern.
    """
    wrong = faults(pattern, rendered=True, words=words)
    if wrong:
        return [
            Mismatch((), pattern, value, f"the expectation is no pattern: {why}", loc)
            for loc, why in wrong
        ]
    return [
        Mismatch(each.loc, each.expected, each.actual, message_of(each, words), each.pattern_loc)
        for each in _found(pattern, value, partial=partial, words=words)
    ]


def _found(pattern: object, value: object, *, partial: bool, words: Words) -> Iterator[Difference]:
    if value is MISSING:
        return iter([Difference(pattern, MISSING)])
    plain = isinstance(pattern, Mapping) and word_of(pattern) is None
    if partial and plain and isinstance(pattern, Mapping) and isinstance(value, Mapping):
        return member_differences(pattern, value, words, partial=True)
    return differences(pattern, value, words)


def matches(pattern: object, value: object, *, words: Words = MATCHERS) -> bool:
    """Whether the value is as expected; never so for `MISSING` or a pattern with faults."""
    # Judged as a whole and first: below a `$not` a matcher that fails would pass the value.
    if value is MISSING or faults(pattern, rendered=True, words=words):
        return False
    return fits(pattern, value, words)
