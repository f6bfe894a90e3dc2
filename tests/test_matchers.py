"""Matchers: what fits what, which faults are found before any run, and what a mismatch says."""

from __future__ import annotations

import itertools
import json
from collections import UserDict
from decimal import Decimal
from enum import IntEnum
from pathlib import PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_highway.matching.matchers import (
    MATCHERS,
    MISSING,
    Matcher,
    Mismatch,
    Use,
    escaped,
    faults,
    matches,
    mismatches,
    shown,
)

# A busy machine is no failure.
UNTIMED = settings(deadline=None)

NAN = float("nan")
INF = float("inf")
HUGE = 10**5_000

KINDS = "'str', 'int', 'float', 'bool', 'list', 'map', 'null'"
WORDS = ", ".join(map(repr, MATCHERS))

# Keys with dollars, for these mean something in a pattern.
KEYS = st.sampled_from(["a", "b", "$re", "$x", "$$x", "$", ""])
SCALARS = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "1", "$re"])
DATA = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=3) | st.dictionaries(KEYS, each, max_size=3)
)


class Level(IntEnum):
    """A number with a name."""

    HIGH = 2


class Opaque:
    """A foreign object whose `repr` cannot be had."""

    def __repr__(self) -> str:
        raise RuntimeError


FITTING: list[tuple[object, object]] = [
    (None, None),
    (1, 1.0),
    (0.1, Decimal("0.1")),
    (1e23, 10**23),
    (NAN, NAN),
    (Decimal("NaN"), NAN),
    ("a", "a"),
    ([1, [2]], (1, (2,))),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ({"a": 1}, UserDict({"a": 1})),
    ({"200": "ok", "true": 1, "null": 2}, {200: "ok", True: 1, None: 2}),
    ({"$$re": 1, "$$$x": 2, "a$": 3}, {"$re": 1, "$$x": 2, "a$": 3}),
    (PurePosixPath("a"), PurePosixPath("a")),
    ({"$re": "^a.c$"}, "abc"),
    ({"$re": "b"}, "abc"),
    ({"$re": "[[a]"}, "["),
    ({"$any": True}, None),
    ({"$any": True}, [1]),
    ({"$any": None}, None),
    ({"$any": "null"}, None),
    ({"$any": "str"}, ""),
    ({"$any": "int"}, 3),
    ({"$any": "float"}, 3.0),
    ({"$any": "float"}, Decimal(3)),
    ({"$any": "bool"}, False),
    ({"$any": "list"}, ()),
    ({"$any": "map"}, {}),
    ({"$any": "int"}, Level.HIGH),
    (2, Level.HIGH),
    ({"$any": "map"}, UserDict()),
    ({"$approx": 1}, 1.0000009),
    ({"$approx": 0}, 1e-13),
    ({"$approx": 1.0, "tol": 0.1}, 1.1),
    ({"$approx": 1, "tol": 0}, 1),
    ({"$approx": INF}, INF),
    ({"$approx": NAN}, NAN),
    ([{"$approx": HUGE}], [HUGE + 1]),
    ({"$partial": {"a": 1}}, {"a": 1, "b": 2}),
    ({"$partial": {"a": {"$partial": {"b": 1}}}}, {"a": {"b": 1, "c": 2}, "d": 3}),
    ({"$partial": {"$$re": 1}}, {"$re": 1, "b": 2}),
    ({"$unordered": [1, 2, 2]}, [2, 1, 2]),
    ({"$unordered": [{"$any": "int"}, 1]}, [1, 2]),
    ({"$unordered": [1, {"$any": "int"}]}, [1, 1.0]),
    ({"$unordered": [{"a": [NAN]}, {"$$re": True}]}, ({"$re": True}, {"a": [NAN]})),
    ({"$unordered": [[{"a": {"$gt": 1}}], PurePosixPath("a")]}, [PurePosixPath("a"), [{"a": 2}]]),
    ({"$unordered": []}, []),
    ({"$contains": "bc"}, "abcd"),
    ({"$contains": 2}, [1, 2.0]),
    ({"$contains": {"$gt": 2}}, [1, 3]),
    ({"$contains": "a"}, {"a": 1}),
    ({"$contains": "1"}, {1: 1}),
    ({"$contains": {"$re": "^a"}}, {"ab": 1}),
    ({"$len": 2}, "ab"),
    ({"$len": 0}, []),
    ({"$len": {"$ge": 1}}, {"a": 1}),
    ({"$not": 1}, True),
    ({"$not": {"$re": "a"}}, 1),
    ({"$not": {"a": 1}}, {"a": 1, "b": 1}),
    ({"$gt": 1}, 1.5),
    ({"$ge": 0.1}, Decimal("0.1")),
    ({"$lt": "b"}, "a"),
    ([{"$le": INF}], [HUGE]),
    ([{"$gt": 0}, {"$any": True}], [1, 2]),
]

NOT_FITTING: list[tuple[object, object]] = [
    (1, True),
    (0, False),
    (False, 0),
    ("1", 1),
    (None, "null"),
    (None, 0),
    (NAN, 1),
    (0.1, Decimal("0.1000000000000000055511151231257827")),
    ("a", PurePosixPath("a")),
    (PurePosixPath("a"), PurePosixPath("b")),
    ([1], [1, 1]),
    ([1, 2], [2, 1]),
    ([], {}),
    ({}, []),
    ({"a": 1}, {}),
    ({"a": 1}, {"a": 1, "b": 1}),
    ({"1": "a"}, {"1": "a", 1: "a"}),
    ({"$re": "^b"}, "abc"),
    ({"$re": "1"}, 1),
    ({"$any": True}, MISSING),
    ({"$any": "int"}, True),
    ({"$any": "int"}, 1.0),
    ({"$any": "float"}, 1),
    ({"$any": "str"}, None),
    ({"$any": "map"}, [1]),
    ({"$approx": 1}, 1.0001),
    ({"$approx": 1}, True),
    ({"$approx": 1}, "1"),
    ({"$approx": 1}, INF),
    ({"$approx": NAN}, 1),
    ({"$approx": 1, "tol": 0.1}, 1.11),
    ({"$partial": {"a": {"b": 1}}}, {"a": {"b": 1, "c": 2}}),
    ({"$partial": {"a": {"$any": True}}}, {"b": 1}),
    ({"$partial": {}}, []),
    ({"$unordered": [1, 2]}, [1, 2, 2]),
    ({"$unordered": [1, 1]}, [1, True]),
    ({"$unordered": [1]}, {"1": 1}),
    ({"$contains": "x"}, "abc"),
    ({"$contains": 1}, "1"),
    ({"$contains": 1}, 1),
    ({"$contains": 1}, [True]),
    ({"$len": 2}, "abc"),
    ({"$len": 1}, 1),
    ({"$len": {"$gt": 3}}, None),
    ({"$not": 1}, 1.0),
    ({"$not": 1}, MISSING),
    ({"$not": {"$not": 1}}, 2),
    ({"$not": {"$len": "x"}}, "abc"),
    ({"a": {"$not": 1}}, {}),
    ({"$gt": 1}, "2"),
    ({"$gt": "a"}, 1),
    ({"$gt": 1}, True),
    ({"$ge": 1}, NAN),
    ({"$le": 1}, NAN),
    ({"$ge": 2}, 1),
    ({"$lt": 1}, 1),
    ({"$le": "a"}, "b"),
    ({"$gt": "a"}, "a"),
    ({"$foo": 1}, {"$foo": 1}),
]


@pytest.mark.parametrize(("pattern", "value"), FITTING)
def test_a_value_fits(pattern: object, value: object) -> None:
    """The value is as the pattern has it, and a `$not` around the pattern refuses it."""
    assert matches(pattern, value)
    assert mismatches(pattern, value) == []
    assert not matches({"$not": pattern}, value)


@pytest.mark.parametrize(("pattern", "value"), NOT_FITTING)
def test_a_value_does_not_fit(pattern: object, value: object) -> None:
    """The value is not as the pattern has it, and nothing crashes while this is said."""
    assert not matches(pattern, value)
    assert all(each.message and "\n" not in each.message for each in mismatches(pattern, value))
    assert mismatches(pattern, value)


@UNTIMED
@given(DATA, DATA)
def test_plain_data_equals_as_json_does(expected: object, actual: object) -> None:
    """Two plain values fit each other when their canonical JSON is the same text."""
    same = json.dumps(expected, sort_keys=True) == json.dumps(actual, sort_keys=True)
    assert matches(escaped(expected), actual) == same


@UNTIMED
@given(DATA)
def test_an_escaped_value_expects_itself(value: object) -> None:
    """Whatever its keys look like, an escaped value has no fault and fits."""
    assert faults(escaped(value)) == []
    assert matches(escaped(value), value)


def test_an_escaped_value_has_text_keys_and_lists() -> None:
    """It can be written to a file as it is."""
    assert escaped({1: ({"$a": "$a"},)}) == {"1": [{"$$a": "$a"}]}


ELEMENTS = [1, 1.0, 2, "a", {"k": 1}, {"k": 2}]
PATTERNS = [1, "a", {"$any": "int"}, {"$gt": 1}, {"k": {"$any": "int"}}, {"k": 1}, {"$any": True}]


@UNTIMED
@given(
    st.lists(st.sampled_from(PATTERNS), max_size=4), st.lists(st.sampled_from(ELEMENTS), max_size=4)
)
def test_unordered_is_what_its_definition_says(
    patterns: list[object], values: list[object]
) -> None:
    """Some order of the elements fits the list of the patterns."""
    orders = itertools.permutations(values)
    assert matches({"$unordered": patterns}, values) == any(
        matches(patterns, order) for order in orders
    )


@UNTIMED
@given(
    st.lists(st.sampled_from(PATTERNS), max_size=5), st.lists(st.sampled_from(ELEMENTS), max_size=5)
)
def test_mismatches_are_there_when_nothing_fits(
    patterns: list[object], values: list[object]
) -> None:
    """`mismatches` is empty just when `matches` is true, for lists of any two sizes."""
    assert matches(patterns, values) == (mismatches(patterns, values) == [])


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        (200, 404, [((), "expected 200, got 404")]),
        ("a", MISSING, [((), 'expected "a", got nothing')]),
        (1, True, [((), "expected 1, got true")]),
        (
            {"titel": "x", "n": 1},
            {"title": "x", "n": 2},
            [
                (("titel",), "expected \"x\", got nothing; did you mean 'title'?"),
                (("n",), "expected 1, got 2"),
                (("title",), 'expected nothing, got "x"'),
            ],
        ),
        ([{"a": 1}], [{"a": 2}], [((0, "a"), "expected 1, got 2")]),
        (
            [1, 2, 3],
            [1, 9, 2, 3],
            [((), "expected 3 elements, got 4"), ((1,), "expected nothing, got 9")],
        ),
        (
            [1, 2],
            [2],
            [((), "expected 2 elements, got 1"), ((0,), "expected 1, got nothing")],
        ),
        (
            [1, 2],
            [3],
            [
                ((), "expected 2 elements, got 1"),
                ((0,), "expected 1, got 3"),
                ((1,), "expected 2, got nothing"),
            ],
        ),
        ([1], [], [((), "expected 1 element, got 0"), ((0,), "expected 1, got nothing")]),
        ([1], {"a": 1}, [((), 'expected [1], got {"a": 1}')]),
        ({"$re": "^a"}, 5, [((), 'expected text matching "^a", got 5')]),
        ({"$any": "int"}, "5", [((), 'expected any int, got "5"')]),
        ({"$any": None}, 5, [((), "expected any null, got 5")]),
        ({"$any": True}, MISSING, [((), "expected anything, got nothing")]),
        ({"$approx": 1, "tol": 0.5}, 2, [((), "expected about 1 (tol 0.5), got 2")]),
        ({"$not": {"$gt": 1}}, 2, [((), "expected anything but > 1, got 2")]),
        ({"$contains": "x"}, [1], [((), 'expected something that contains "x", got [1]')]),
        ({"$len": {"$gt": 3}}, [1], [((), "expected length > 3, got 1 ([1])")]),
        ({"$len": 1}, 5, [((), "expected length 1, got 5")]),
        ({"$partial": {"a": 1}}, 5, [((), 'expected a map with {"a": 1}, got 5')]),
        ({"$partial": {"a": 1}}, {"a": 2, "b": 1}, [(("a",), "expected 1, got 2")]),
        ({"$unordered": [1]}, 5, [((), "expected in any order [1], got 5")]),
        ({"$unordered": [1, {"a": 1}]}, [{"a": 2}, 1], [((0, "a"), "expected 1, got 2")]),
        (
            {"$unordered": [{"$gt": 8}, 7]},
            [1, 2, 3],
            [
                ((), "expected an element > 8, got none"),
                ((), "expected an element 7, got none"),
                ((0,), "expected nothing, got 1"),
                ((1,), "expected nothing, got 2"),
                ((2,), "expected nothing, got 3"),
            ],
        ),
        (
            "a\xa0b",
            "a b",
            [
                (
                    (),
                    (
                        'expected "a\\u00a0b", got "a b"; '
                        "column 2: expected U+00A0 NO-BREAK SPACE, got U+0020 SPACE"
                    ),
                )
            ],
        ),
        (
            "caf\xe9",
            "cafe\u0301",
            [
                (
                    (),
                    (
                        'expected "caf\xe9", got "cafe\u0301"; column 4: expected U+00E9 LATIN '
                        "SMALL LETTER E WITH ACUTE, got U+0065 LATIN SMALL LETTER E"
                    ),
                )
            ],
        ),
        ("1", PurePosixPath("1"), [((), "expected \"1\", got PurePosixPath('1')")]),
        (Decimal("1.5"), {"a": 1}, [((), 'expected 1.5, got {"a": 1}')]),
        (
            ["x" * 300] * 2,
            "x",
            [((), f'expected ["{"x" * 198}..., got "x"')],
        ),
        (
            "x" * 400 + "a",
            "x" * 400 + "b",
            [
                (
                    (),
                    f'expected "{"x" * 100}a", got "{"x" * 100}b", both from character 301',
                )
            ],
        ),
    ],
)
def test_a_mismatch_says_where_and_what(
    pattern: object, value: object, expected: list[tuple[tuple[str | int, ...], str]]
) -> None:
    """All mismatches are given, in the order of the pattern, each by its place in the value."""
    assert [(each.loc, each.message) for each in mismatches(pattern, value)] == expected


def test_values_that_are_shown_alike_are_told_apart_by_kind() -> None:
    """When both sides would read the same, the message names their kinds."""
    left, right = Decimal("1"), [Opaque(), Opaque()]
    found = [*mismatches(left, True), *mismatches(Opaque(), right[1]), *mismatches(1, Opaque())]
    assert [each.message for each in found] == [
        "expected 1, got true",
        "expected <Opaque instance> (Opaque object), got <Opaque instance> (Opaque object)",
        "expected 1, got <Opaque instance>",
    ]


def test_a_mismatch_names_the_node_of_the_pattern() -> None:
    """`pattern_loc` leads through matchers and escapes to what decided."""
    pattern = {"data": {"$partial": {"$$x": [{"$unordered": [1, {"b": {"$len": 2}}]}]}}}
    value = {"data": {"$x": [[{"b": "abc"}, 1]], "y": 0}}
    assert mismatches(pattern, value) == [
        Mismatch(
            ("data", "$x", 0, 0, "b"),
            2,
            "abc",
            'expected length 2, got 3 ("abc")',
            ("data", "$partial", "$$x", 0, "$unordered", 1, "b", "$len"),
        )
    ]


def test_what_is_absent_is_missing() -> None:
    """The sides of a mismatch are the data themselves, or MISSING."""
    assert [each[1:3] for each in mismatches({"a": 1, "b": 2}, {"b": 3, "c": 4})] == [
        (1, MISSING),
        (2, 3),
        (MISSING, 4),
    ]


def test_no_near_name_is_looked_for_among_very_many() -> None:
    """The search for a near name is not linear, so that a large map gets none."""
    value = {f"a{number}": 1 for number in range(100)}
    assert mismatches({"a": 1}, value, partial=True)[0].message == "expected 1, got nothing"


@pytest.mark.parametrize(
    ("pattern", "value", "places"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "d": 3}, [("a", "c")]),
        ({"b": 1}, {"a": 1}, [("b",)]),
        ({"a": 1}, [1], [()]),
        ([1], [1, 2], [(), (1,)]),
        ({"$len": 1}, {"a": 1, "b": 2}, [()]),
    ],
)
def test_partial_is_about_the_first_level(
    pattern: object, value: object, places: list[tuple[str | int, ...]]
) -> None:
    """At the first level only what is named is checked, below it all."""
    assert [each.loc for each in mismatches(pattern, value, partial=True)] == places


# Faults ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "loc", "message"),
    [
        (
            {"a": [{"$rex": 1}]},
            ("a", 0, "$rex"),
            (
                f"unknown matcher '$rex'; known are {WORDS}; a plain key is written '$$rex';"
                " did you mean '$re'?"
            ),
        ),
        (
            {"$": 1},
            ("$",),
            f"unknown matcher '$'; known are {WORDS}; a plain key is written '$$'",
        ),
        (
            {"$re": "("},
            ("$re",),
            (
                "'$re' cannot take \"(\"; it takes a regular expression"
                " (missing ), unterminated subpattern at position 0)"
            ),
        ),
        ({"$re": 1}, ("$re",), "'$re' cannot take 1; it takes a regular expression"),
        ({"$re": "a", "x": 1}, ("x",), "'x' beside '$re', which takes nothing beside it"),
        ({"x": 1, "$gt": 1}, ("x",), "'x' beside '$gt', which takes nothing beside it"),
        ({"$gt": 1, "$lt": 3}, ("$lt",), "'$lt' beside '$gt', which takes nothing beside it"),
        (
            {"$approx": 1, "toll": 1},
            ("toll",),
            "'toll' beside '$approx', which takes only 'tol' beside it; did you mean 'tol'?",
        ),
        ({"$approx": "1"}, ("$approx",), "'$approx' cannot take \"1\"; it takes a number"),
        ({"$approx": True}, ("$approx",), "'$approx' cannot take true; it takes a number"),
        (
            {"$approx": 1, "tol": -1},
            ("tol",),
            "'tol' cannot take -1; it takes a number from 0 up",
        ),
        (
            {"$approx": 1, "tol": NAN},
            ("tol",),
            "'tol' cannot take NaN; it takes a number from 0 up",
        ),
        (
            {"$any": "string"},
            ("$any",),
            f"'$any' cannot take \"string\"; it takes true or one of {KINDS}; did you mean 'str'?",
        ),
        (
            {"$any": "mapp"},
            ("$any",),
            f"'$any' cannot take \"mapp\"; it takes true or one of {KINDS}; did you mean 'map'?",
        ),
        (
            {"$any": False},
            ("$any",),
            f"'$any' cannot take false; it takes true or one of {KINDS}",
        ),
        (
            {"$any": ["int", "str"]},
            ("$any",),
            f'\'$any\' cannot take ["int", "str"]; it takes true or one of {KINDS}',
        ),
        (
            {"$len": True},
            ("$len",),
            "'$len' cannot take true; it takes a whole number from 0 up or a matcher",
        ),
        (
            {"$len": -1},
            ("$len",),
            "'$len' cannot take -1; it takes a whole number from 0 up or a matcher",
        ),
        (
            {"$len": {"a": 1}},
            ("$len",),
            "'$len' cannot take {\"a\": 1}; it takes a whole number from 0 up or a matcher",
        ),
        (
            {"$partial": {"$any": "map"}},
            ("$partial",),
            '\'$partial\' cannot take {"$any": "map"}; it takes a map of plain keys',
        ),
        ({"$partial": 1}, ("$partial",), "'$partial' cannot take 1; it takes a map of plain keys"),
        ({"$unordered": {}}, ("$unordered",), "'$unordered' cannot take {}; it takes a list"),
        ({"$lt": None}, ("$lt",), "'$lt' cannot take null; it takes a number or a text"),
        ({"$lt": NAN}, ("$lt",), "'$lt' cannot take NaN; it takes a number or a text"),
        (
            {"$not": {"$unordered": [{"$contains": {"$lt": []}}]}},
            ("$not", "$unordered", 0, "$contains", "$lt"),
            "'$lt' cannot take []; it takes a number or a text",
        ),
        ({1: 2}, (), "the key 1 is no text"),
    ],
)
def test_a_fault_is_found_before_any_run(
    pattern: object, loc: tuple[str | int, ...], message: str
) -> None:
    """A fault names its place in the pattern; until it is mended nothing fits."""
    assert faults(pattern) == [(loc, message)]
    assert not matches(pattern, None)
    assert [(each.pattern_loc, each.message) for each in mismatches(pattern, None)] == [
        (loc, f"the expectation is no pattern: {message}")
    ]


def test_all_faults_are_found() -> None:
    """One fault hides no other, not even in the same map."""
    pattern = [{"$re": "(", "$lent": 1, "x": 2}, {"$len": -1}]
    assert [loc for loc, _ in faults(pattern)] == [
        (0, "$lent"),
        (0, "x"),
        (0, "$re"),
        (1, "$len"),
    ]


@pytest.mark.parametrize("pattern", [pattern for pattern, _ in FITTING[:10] + FITTING[11:]])
def test_good_patterns_have_no_fault(pattern: object) -> None:
    """What fits something is no fault."""
    assert faults(pattern) == []


@pytest.mark.parametrize(
    "pattern",
    [
        {"$len": "{{params.n}}"},
        {"$approx": "{{params.x}}", "tol": "{{params.tol}}"},
        {"$any": "{{params.kind}}"},
        {"$re": "({{params.text}}"},
        {"$unordered": "{{params.items}}"},
    ],
)
def test_an_operand_with_a_template_is_judged_when_rendered(pattern: object) -> None:
    """What a template becomes is not known before; left as it is, it is a fault."""
    assert faults(pattern) == []
    assert faults(pattern, rendered=True) != []
    assert not matches({"$not": pattern}, "abc")


def test_words_can_be_added() -> None:
    """A new matcher works wherever a pattern may stand, and is known by its name."""
    even = Matcher(
        test=lambda use, value: isinstance(value, int) and value % 2 == use.operand,
        phrase=lambda use: f"a number with remainder {use.operand}",
    )
    words = {**MATCHERS, "$mod": even}
    pattern = {"a": {"$not": {"$mod": 0}}, "b": [{"$mod": 1}]}
    assert faults(pattern, words=words) == []
    assert matches(pattern, {"a": 1, "b": [3]}, words=words)
    assert [each.message for each in mismatches(pattern, {"a": 2, "b": [4]}, words=words)] == [
        "expected anything but a number with remainder 0, got 2",
        "expected a number with remainder 1, got 4",
    ]
    assert even.test(Use(0, {}, words), 2)


# Showing -----------------------------------------------------------------------------------------


def nested(depth: int) -> object:
    value: object = []
    for _ in range(depth):
        value = [value]
    return value


def cyclic() -> object:
    value: list[object] = []
    value.append({"a": value})
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ({"a": [1, 1.5, "é"], "b": {}}, '{"a": [1, 1.5, "é"], "b": {}}'),
        ([NAN, INF, -INF], "[NaN, Infinity, -Infinity]"),
        (Decimal("0.10"), "0.10"),
        ("a\n\t\x1b\u200b\xa0\U0001f600", r'"a\n\t\u001b\u200b\u00a0😀"'),
        ("\ud800", r'"\ud800"'),
        ({1: 2}, "{1: 2}"),
        (MISSING, "nothing"),
        (object(), "<object object>"),
        ({"b", "a"}, "{'a', 'b'}"),
        (Opaque(), "<Opaque instance>"),
    ],
)
def test_shown_is_one_line_of_json(value: object, text: str) -> None:
    """What JSON cannot write is shown in a form that no run changes."""
    assert shown(value) == text


@pytest.mark.parametrize(
    "value",
    [["x" * 10**6], list(range(10**6)), [HUGE**10], nested(5_000), cyclic(), {"k" * 999: 1}],
    ids=["text", "list", "number", "deep", "cyclic", "key"],
)
def test_shown_is_bounded(value: object) -> None:
    """Large, deep and cyclic values are cut."""
    assert len(shown(value, 50)) <= 53
    assert "..." in shown(value, 50)


def test_shown_is_cut_after_the_limit() -> None:
    """A text that just fits is whole."""
    assert shown("a" * 8, 10) == '"aaaaaaaa"'
    assert shown("a" * 9, 10) == '"aaaaaaaaa...'
    assert shown([1, 2], 3) == "[1,..."
    assert shown(nested(60), 500).count("[") == 41
