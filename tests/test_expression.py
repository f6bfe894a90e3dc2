"""The expression language: what an expression gives, what it refuses and where, and its bounds."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import pickle
from collections import Counter, OrderedDict, UserDict, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_highway.expressions.expression import (
    MAX_DEPTH,
    MAX_SIZE,
    MAX_SOURCE,
    ExpressionError,
    MissingValue,
    Reference,
    compile_expression,
    truth,
)


class Refusing(Mapping[str, object]):
    """A namespace that holds one name and says itself why another is missing."""

    def __getitem__(self, key: str) -> object:
        if key == "there":
            return 1
        raise MissingValue(f"the task {key!r} did not succeed", available=["there"])

    def __iter__(self) -> Iterator[str]:
        return iter(["there"])

    def __len__(self) -> int:
        return 1


class Odd:
    """A foreign object whose comparison fails, and whose items nobody may read."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("not comparable")

    def __hash__(self) -> int:
        return 0

    def __getitem__(self, key: object) -> object:
        raise AssertionError("read from the outside")


SELF_CONTAINING: list[object] = []
SELF_CONTAINING.append(SELF_CONTAINING)
DEEP: list[object] = []
for _ in range(5_000):
    DEEP = [DEEP]

ROOTS: dict[str, object] = {
    "results": {
        "todo": {"status": 200, "title": "milk", "tags": ["a", "b"], "done": False, "note": None},
        "rows": [{"n": 1}, {"n": 2}, {"n": 3}],
        "items": "the key",
        "get": "another",
        "a-b": 7,
        "x y": {"z": 5},
        "0": "zero",
        "007": "bond",
        "empty": [],
        "text": "",
        "pair": (1, 2),
        "numbered": {1: "one", "2": "two"},
        "counted": Counter({"a": 1}),
        "ordered": OrderedDict(a=1),
    },
    "variables": UserDict({"name": "ok", "key": "todo", "index": 1, "a": 2, "b": 3, "f": 1.5}),
    "env": {"FLAG": "false", "NUMBER": "12", "EVIL": "x' or 'a' == 'a", "BRACES": "{{results.a}}"},
    "item": 4,
    "memory": Refusing(),
    "odd": {"object": Odd(), "bytes": b"x", "big": 10**5000, "inf": math.inf, "long": "x" * 999},
    "cycle": {"list": SELF_CONTAINING, "deep": DEEP},
}


def value_of(text: str) -> object:
    return compile_expression(text).evaluate(ROOTS)


def fault_of(text: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        value_of(text)
    return caught.value


# Values ------------------------------------------------------------------------------------------

VALUES: list[tuple[str, object]] = [
    # literals
    ("1", 1),
    ("-1", -1),
    ("1.5", 1.5),
    ("1e3", 1000.0),
    ("2.5E-1", 0.25),
    ("true", True),
    ("True", True),
    ("false", False),
    ("False", False),
    ("null", None),
    ("None", None),
    ("'a'", "a"),
    ('"a"', "a"),
    ("''", ""),
    (r"'\n\t\r\\\'\"'", "\n\t\r\\'\""),
    (r"'é\u00e9\ud83d\ude00'", "éé😀"),
    ("[]", []),
    ("[1, 'a', [null]]", [1, "a", [None]]),
    ("[1, 2,]", [1, 2]),
    ("{}", {}),
    ("{'a': 1, \"b\": {'c': 2}, }", {"a": 1, "b": {"c": 2}}),
    # paths
    ("results.todo.status", 200),
    ("results['todo'].status", 200),
    ('results.todo["status"]', 200),
    ("results[variables.key].status", 200),
    ("results[variables.key]['status']", 200),
    ("results.rows.0.n", 1),
    ("results.rows[0].n", 1),
    ("results.rows[-1].n", 3),
    ("results.rows[-1]['n']", 3),
    ("results.rows[variables.index].n", 2),
    ("results.rows[variables.index - 1].n", 1),
    ("results.rows[1 + 1].n", 3),
    ("results.a-b", 7),
    ("results['x y'].z", 5),
    ("results.0", "zero"),
    ("results[0]", "zero"),
    ("results.007", "bond"),
    ("results.pair.1", 2),
    ("results.numbered.1", "one"),
    ("results.numbered.2", "two"),
    ("results.counted.a", 1),
    ("results.ordered.a", 1),
    ("results.todo.note", None),
    ("item", 4),
    ("variables.name", "ok"),
    ("memory.there", 1),
    ("[1, 2][1]", 2),
    ("{'a': {'b': 3}}.a['b']", 3),
    ("(results.rows | first).n", 1),
    ("({'a': 1} | keys)[0]", "a"),
    ("{{results.rows}}[0].n", 1),
    # keys, never members
    ("results.items", "the key"),
    ("results.get", "another"),
    # arithmetic
    ("1 + 2 * 3", 7),
    ("(1 + 2) * 3", 9),
    ("7 // 2", 3),
    ("7 % 4", 3),
    ("-7 // 2", -4),
    ("7 / 2", 3.5),
    ("10 - 2 - 3", 5),
    ("1 - -1", 2),
    ("- (1 + 2)", -3),
    ("-(1)", -1),
    ("--1", 1),
    ("- variables.a", -2),
    ("-variables.f", -1.5),
    ("2 * -3", -6),
    ("'a' + 'b'", "ab"),
    ("[1] + [2]", [1, 2]),
    ("'ab' * 2", "abab"),
    ("2 * 'ab'", "abab"),
    ("[1] * 2", [1, 1]),
    ("2 * results.pair", [1, 2, 1, 2]),
    ("'a' * -1", ""),
    ("1.5 * 2", 3.0),
    # comparison, typed as JSON
    ("1 == 1.0", True),
    ("true == 1", False),
    ("1 == true", False),
    ("0 == false", False),
    ("true == true", True),
    ("'1' == 1", False),
    ("'1' != 1", True),
    ("null == false", False),
    ("null == null", True),
    ("[1, true] == [1, 1]", False),
    ("[1, 2] == [1.0, 2]", True),
    ("[1] == [1, 2]", False),
    ("results.pair == [1, 2]", True),
    ("[1] == 'a'", False),
    ("{'a': [1]} == {'a': [1]}", True),
    ("{'a': 1} == {'a': true}", False),
    ("{'a': 1} == {'b': 1}", False),
    ("{'a': 1} == {}", False),
    ("{'a': 1} == []", False),
    ("results.ordered == {'a': 1}", True),
    ("1 < 2 < 3", True),
    ("1 < 2 > 3", False),
    ("1 < 2 == 2", True),
    ("3 > 2 > 1 >= 1 <= 1 != 2", True),
    ("'a' < 'b'", True),
    ("1 <= 1.5", True),
    # membership
    ("1 in [1, 2]", True),
    ("true in [1, 2]", False),
    ("'a' in 'cat'", True),
    ("'title' in results.todo", True),
    ("'nope' in results.todo", False),
    ("0 in results", True),
    ("1 in results.numbered", True),
    ("'there' in memory", True),
    ("'other' in memory", False),
    ("1 not in [2]", True),
    ("not 1 in [1]", False),
    # logic
    ("true and 1", 1),
    ("0 and 1", 0),
    ("'' or 'x'", "x"),
    ("'a' or missing.thing", "a"),
    ("false && missing.thing", False),
    ("true || missing.thing", True),
    ("not 1 == 2", True),
    ("!results.todo.done", True),
    ("! false && true", True),
    ("not not 1", True),
    ("false or false or 3", 3),
    ("1 and 2 and 3", 3),
    ("true or false and false", True),
    ("'no' or 1", "no"),
    # filters
    ("'aß' | upper", "ASS"),
    ("'A' | lower", "a"),
    ("'abc' | length", 3),
    ("[1, 2] | length()", 2),
    ("results.todo | length", 5),
    ("variables | keys | first", "name"),
    ("['a', 1, null] | join", "a1null"),
    ("['a', 1, true] | join(', ')", "a, 1, true"),
    ("[] | join(', ')", ""),
    ("{'a': [1, 'é']} | tojson", '{"a": [1, "é"]}'),
    ("'é' | tojson", '"é"'),
    ("' 12 ' | int", 12),
    ("'-3' | int", -3),
    ("3.9 | int", 3),
    ("true | int", 1),
    ("'1.5' | float", 1.5),
    ("'1e2' | float", 100.0),
    ("2 | float", 2.0),
    ("12 | string", "12"),
    ("'a' | string", "a"),
    ("null | string", "null"),
    ("[1, {'a': true}] | string", '[1, {"a": true}]'),
    ("[1, 2] | first", 1),
    ("'abc' | last", "c"),
    ("'abc' | contains('b')", True),
    ("[1, 2] | contains(3)", False),
    ("'abc' | startswith('ab')", True),
    ("'abc' | endswith('ab')", False),
    ("1 + 'abc' | length", 4),
    ("-1 | string", "-1"),
    ("env.NUMBER | int > 5", True),
    # default: what is missing, not what is null
    ("results.nope | default('d')", "d"),
    ("nope.x.y | default('d')", "d"),
    ("results.todo.note | default('d')", None),
    ("results.todo.note.deeper | default('d')", "d"),
    ("results.rows[9].n | default('d')", "d"),
    ("results[variables.nope] | default('d')", "d"),
    ("results.nope | upper | default('d') | upper", "D"),
    ("results.empty | first | default('d')", "d"),
    ("results.text | last | default('d')", "d"),
    ("results.todo.title | default(results.nope)", "milk"),
    ("(results.nope + 1) | default('d')", "d"),
    ("{{ results.nope }} | default('d')", "d"),
    ("memory.other | default('d')", "d"),
    ("results.counted.b | default('d')", "d"),
    # braces
    ("{{results.todo.status}} == 200", True),
    ("{{ results.todo.status == 200 }}", True),
    ("  {{ results.todo.status }}  ", 200),
    ("{{ results.todo.status }} + {{ variables.a }} == 202", True),
    ('{{ {"a": {"b": 1}} }} == {"a": {"b": 1}}', True),
    ('{{{"a": {"b": 1}}}}', {"a": {"b": 1}}),
    ('{"a": {{ variables.a }}} == {"a": 2}', True),
    ("{{ '}}' }} == '}}'", True),
    ("{{ '{{' }} == '{' + '{'", True),
    ("'{{variables.name}}' == 'ok'", True),
    ("'a {{ variables.a }}{{results.todo.tags}} b'", 'a 2["a", "b"] b'),
    ("'}} {{ variables[\"a\"] }}\\n' == '}} 2\\n'", True),
    ("'{{variables.name}}' | upper", "OK"),
    ("results['{{variables.key}}'].status", 200),
]


@pytest.mark.parametrize(("text", "expected"), VALUES)
def test_value(text: str, expected: object) -> None:
    """An expression gives exactly this value, with this type."""
    value = value_of(text)
    assert value == expected
    assert type(value) is type(expected)


def test_reading_keeps_no_key_of_a_defaultdict() -> None:
    """Reading what a `defaultdict` lacks is an error and leaves it as it was."""
    counts: defaultdict[str, int] = defaultdict(int)
    with pytest.raises(MissingValue):
        compile_expression("results.x").evaluate({"results": counts})
    assert not counts


def test_compiled_once() -> None:
    """The same text gives the same compiled expression."""
    assert compile_expression("1 + 1") is compile_expression("1 + 1")


# Faults ------------------------------------------------------------------------------------------

FAULTS: list[tuple[str, str, int]] = [
    # what cannot be read as an expression
    ("", "the expression is empty", 0),
    ("{{ }}", "the expression is empty", 3),
    ("1 +", "an operand is missing", 3),
    ("1 + * 2", "unexpected '*'; there is no power operator", 4),
    ("1 2", "unexpected '2'; an operator is missing", 2),
    ("(1", "')' is missing, to close '('", 2),
    ("(1]", "unexpected ']'; no '[' is open", 2),
    ("[1", "']' is missing, to close '['", 2),
    ("results[0", "']' is missing", 9),
    ("1)", "no '(' is open", 1),
    ("1 }", "no '{' is open", 2),
    ("()", "no '(' is open", 1),
    ("'abc", "the string that begins here is not closed", 0),
    ("1 + 'abc", "the string that begins here is not closed", 4),
    (r"'\q'", r"unknown escape '\\q'", 1),
    (r"'a\ud800b'", "half of a surrogate pair", 1),
    ("a = 1", "unexpected '='; compare with ==", 2),
    ("a & b", "write 'and' or &&", 2),
    ("a ? 1 : 2", "no conditional operator", 2),
    ("1 if a", "no conditional expression", 2),
    ("1 is 1", "unexpected 'is'; compare with ==", 2),
    ("$a", "without a dollar sign", 0),
    ("a ~ b", "join strings with +", 2),
    ("a. b", 'written ["…"]', 1),
    ("1 ;", "unexpected ';'", 2),
    ("é", "unexpected 'é'", 0),
    ("2 ** 3", "no power operator", 3),
    ("x.get('a')", "only a filter takes arguments", 5),
    ("1 == not 2", "needs parentheses", 5),
    ("1 == !2", "needs parentheses", 5),
    ("1 not 2", "unexpected 'not'", 2),
    ("1 ! in 2", "unexpected '!'", 2),
    ("a -b", "minus needs a blank on both sides", 2),
    ("a- b", "minus needs a blank on both sides", 1),
    ("1-1", "minus needs a blank on both sides", 1),
    ("(1)-(1)", "minus needs a blank on both sides", 3),
    ("1 -", "minus needs a blank on both sides", 2),
    ("{a: 1}", "a key of a mapping is a string", 1),
    ("{'a' 1}", "':' is missing behind the key 'a'", 5),
    ("{'a': 1, 'a': 2}", "duplicate key 'a'", 9),
    ("{'a': 1", "'}' is missing, to close '{'", 7),
    ("{{ x", "is not closed by '}}'", 0),
    ("1 == {{ x", "is not closed by '}}'", 5),
    ("{{ x }", "closed by two braces, not by one", 5),
    ("{{ {{ x }} }}", "braces do not stand inside braces", 4),
    ("{{ a '", "the string that begins here is not closed", 5),
    ("{{ '{{x}}' }} == 1", "a string inside braces is literal", 3),
    ("'{{x'", "is not closed by '}}'", 1),
    ("'{{}}'", "the expression is empty", 3),
    ("1 | ", "a filter's name is missing", 4),
    ("1 | 2", "a filter's name is missing", 4),
    ("'a' | uper", "unknown filter 'uper'", 6),
    ("'a' | uper", "did you mean 'upper'?", 6),
    ("[1] | first.n", "a step behind a filter needs parentheses", 11),
    ("[1] | first()[0]", "a step behind a filter needs parentheses", 13),
    ("[1] | first() .n", "a step behind a filter needs parentheses", 14),
    ("'a' | upper(1)", "takes no argument, not 1", 6),
    ("'a' | default", "takes one argument, not 0", 6),
    ("['a'] | join(1, 2)", "takes at most one argument, not 2", 8),
    ("['a'] | join(1", "')' is missing", 14),
    # what does not exist
    ("reslts.todo", "no 'reslts' exists here; there are 'results',", 0),
    ("reslts.todo", "did you mean 'results'?", 0),
    ("1 + results.todo.titel", "results.todo has no 'titel'; it has 'status', 'title',", 17),
    ("1 + results.todo.titel", "did you mean 'title'?", 17),
    ("results['x y'].q", "results['x y'] has no 'q'; it has 'z'", 15),
    ("results.rows[0].m", "results.rows[0] has no 'm'; it has 'n'", 16),
    ("results.rows.7", "results.rows has 3 elements, none at 7", 13),
    ("results.rows[-4]", "results.rows has 3 elements, none at -4", 13),
    ("results.rows[variables.a].x", "results.rows[2] has no 'x'", 26),
    ("results.todo.note.x", "results.todo.note is null and has no 'x'", 18),
    ("memory.other", "the task 'other' did not succeed", 7),
    ("memory['other'].x", "the task 'other' did not succeed", 7),
    ("results.empty | first", "a list that is empty has no first element", 16),
    ("(results)['nope']", "the value has no 'nope'", 10),
    ("results.__class__", "results has no '__class__'", 8),
    ("results.todo.title.__class__", "is a string and has no '__class__'", 19),
    ("[].__class__.mro", "is a list and is read by number, not by '__class__'", 3),
    ("'a'[0]", "the value is a string and has no 0", 4),
    ("item.real", "item is a number and has no 'real'", 5),
    ("odd.object.x", "a value of type 'Odd' and has no 'x'", 11),
    ("results.rows.name", "is a list and is read by number, not by 'name'", 13),
    ("results.rows[true]", "a step is a string or a whole number, not a boolean", 13),
    ("results.rows[1.0]", "a step is a string or a whole number, not a number", 13),
    ("results[results.rows]", "a step is a string or a whole number, not a list", 8),
    # what does not fit
    ("1 < '2'", "'<' cannot compare a number with a string; convert the string", 2),
    ("'2' >= 1", "'>=' cannot compare a string with a number; convert", 4),
    ("1 < 2 < 'a'", "'<' cannot compare", 6),
    ("true < 1", "'<' cannot compare a boolean with a number", 5),
    ("[1] < [2]", "'<' cannot compare a list with a list", 4),
    ("1 + true", "'+' cannot combine a number with a boolean", 2),
    ("1 + 'a'", "with a string; convert one of them, with | int or | string", 2),
    ("{} + {}", "'+' cannot combine a mapping with a mapping", 3),
    ("'a' % 1", "'%' cannot combine a string with a number", 4),
    ("'a' * 1.5", "'*' cannot combine a string with a number", 4),
    ("'a' * true", "'*' cannot combine a string with a boolean", 4),
    ("-'a'", "'-' needs a number, not a string", 0),
    ("-true", "'-' needs a number, not a boolean", 0),
    ("1 + 1 / 0", "'/' divides by zero", 6),
    ("1 // 0", "'//' divides by zero", 2),
    ("1.0 % 0", "'%' divides by zero", 4),
    ("1 in 'a1'", "a number cannot be looked for in a string; use | string", 2),
    ("1 in 2", "nothing is in a number", 2),
    ("null not in null", "nothing is in null", 5),
    ("[1] in {'a': 1}", "a key is a string or a whole number, not a list", 4),
    ("true in {'a': 1}", "a key is a string or a whole number, not a boolean", 5),
    ("1 | upper", "'upper' needs a string, not a number", 4),
    ("1 | length", "'length' needs a string, a list or a mapping, not a number", 4),
    ("'ab' | join", "'join' needs a list, not a string", 7),
    ("['ab'] | join(1)", "'join' needs a string, not a number", 9),
    ("{} | first", "'first' needs a list or a string, not a mapping", 5),
    ("[] | keys", "'keys' needs a mapping, not a list", 5),
    ("'a' | startswith(1)", "'startswith' needs a string, not a number", 6),
    ("'1_000' | int", "'int' finds no whole number in '1_000'", 10),
    ("'1.5' | int", "'int' finds no whole number in '1.5'", 8),
    ("null | int", "'int' needs a whole number or its text, not null", 7),
    ("odd.inf | int", "'int' finds no whole number in inf", 10),
    ("odd.long | int", "'int' finds no whole number in 'xxx", 11),
    ("'nan' | float", "'float' finds no number in 'nan'", 8),
    ("'1e999' | float", "'float' finds no number in '1e999'", 10),
    ("[] | float", "'float' needs a number or its text, not a list", 5),
    ("odd.big | float", "a number that is too large", 10),
    ("odd.object | tojson", "cannot be written as JSON", 13),
    ("odd.object | string", "a value of type 'Odd' has no text", 13),
    ("odd.bytes | string", "a value of type 'bytes' has no text", 12),
    ("odd.big | string", "a number cannot be written as JSON", 10),
    ("1 == 1 and odd.object == 1", "cannot be compared: not comparable", 22),
    ("odd.inf - odd.inf", "no finite number", 8),
    # the text 'false' where a truth is wanted
    ("env.FLAG and true", "the condition is the text 'false', which would count as true", 9),
    ("1 and not env.FLAG", "compare it, as in == 'true'", 6),
    ("1 and !' No '", "the text ' No '", 6),
    # sizes
    ("1e999", "the number is too large", 0),
    ("9" * 2000, "the number is too large: more than 4096 bits", 0),
    ("9" * 1300, "the number is too large: more than 4096 bits", 0),
    ("'a' * 100000000", "more than 1,000,000 characters or elements", 4),
    ("[0] * 100000000", "more than 1,000,000 characters or elements", 4),
    ("(['a' * 1000] * 1000) * 2", "more than 1,000,000", 22),
    ("'a' * 600000 + 'a' * 600000", "more than 1,000,000", 13),
    ("[0] * 600000 + [0] * 600000", "more than 1,000,000", 13),
    ("['a' * 600000, 'a' * 600000]", "more than 1,000,000", 0),
    ("{'a': 'a' * 600000, 'b': 'a' * 600000}", "more than 1,000,000", 0),
    ("([0] * 400000) | join('abc')", "more than 1,000,000", 17),
    ("([0] * 400000) | tojson", "more than 1,000,000", 17),
    ("('ß' * 600000) | upper", "more than 1,000,000", 17),
    ("'{{ [0] * 400000 }}'", "more than 1,000,000", 1),
    ("cycle.list | tojson", "more than 1,000,000", 13),
    ("cycle.list + []", "more than 1,000,000", 11),
    ("1e308 * 10", "no finite number", 6),
    ("odd.big / 3.0", "no finite number", 8),
    ("odd.big + 1", "more than 4096 bits", 8),
    ("odd.big * odd.big", "more than 4096 bits", 8),
    ("cycle.deep == cycle.deep + []", "nested too deeply", 0),
]


@pytest.mark.parametrize(("text", "message", "offset"), FAULTS)
def test_fault(text: str, message: str, offset: int) -> None:
    """A fault says this and points here."""
    error = fault_of(text)
    assert message in error.message
    assert (error.offset, error.text) == (offset, text)


def test_filter_binds_tighter_than_a_product() -> None:
    """`a * b | f` filters `b` alone."""
    assert "'join' needs a list, not a number" in fault_of("[0] * 4 | join('abc')").message


def test_missing_value_names_its_reference() -> None:
    """What is missing comes with its path and with the names that stand there."""
    error = fault_of("results.rows[0].m")
    assert isinstance(error, MissingValue)
    assert error.reference == ("results", "rows", 0, "m")
    assert error.available == ("n",)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("memory.other", ("memory", "other")),
        ("nope.x", ("nope",)),
        ("results.rows[variables.a].x", ("results", "rows", 2, "x")),
    ],
)
def test_reference_of_missing_value(text: str, reference: tuple[str | int, ...]) -> None:
    """The reference goes up to what is missing, whoever found it."""
    error = fault_of(text)
    assert isinstance(error, MissingValue)
    assert error.reference == reference


def test_roots_may_refuse() -> None:
    """A mapping of roots that refuses a root itself is taken at its word, at the root's place."""
    with pytest.raises(MissingValue, match="'other' did not succeed") as caught:
        compile_expression("1 + other.x").evaluate(Refusing())
    assert (caught.value.offset, caught.value.reference) == (4, ("other",))


def test_error_shows_the_line_and_a_caret() -> None:
    """The text of an error holds the line at fault, and a caret below the place."""
    error = fault_of("1 ==\n  results.nope\n== 2")
    assert str(error).splitlines()[1:] == ["  |   results.nope", "  |           ^"]


def test_error_without_source_is_its_message() -> None:
    """An error that knows no source shows its message alone."""
    assert str(ExpressionError("a fault")) == "a fault"


def test_errors_survive_pickling() -> None:
    """A fault crosses a process with all that it knows."""
    error = fault_of("results.rows[0].m")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_fault_has_no_noisy_context() -> None:
    """A fault of reading shows no chain of Python's own errors."""
    error = fault_of("results.nope")
    assert error.__suppress_context__ or error.__context__ is None


# Bounds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["(" * 3000 + "1" + ")" * 3000, "not " * 2000 + "1", "-" * 3000 + "1", "[" * 3000]
)
def test_nesting_is_bounded(text: str) -> None:
    """Thousands of brackets or prefixes are one located error, not a `RecursionError`."""
    error = fault_of(text)
    assert error.message == "nested more than 50 levels deep"
    assert 0 < error.offset <= 50 * 4


@pytest.mark.parametrize(
    "unit", ["{0}", "[{0}]", "not ({0})", "(0 or 1 and 1 == 1 + 1 * {0} | int)"]
)
def test_nesting_within_the_bound(unit: str) -> None:
    """What nests less deep than the bound compiles and runs, at the worst mix of levels too."""
    text = "1"
    for _ in range(MAX_DEPTH // 2 - 1):
        text = unit.format(text)
    compile_expression(text).evaluate({})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1" + " + 1" * 2400, 2401),
        ("1" + "*1" * 4900, 1),
        ("true" + " and true" * 1100, True),
        ("0" + "||0" * 3300, 0),
        ("1" + "==1" * 3300, True),
        ("'a'" + "|lower" * 1600, "a"),
        ("x" + "[0]" * 3000, []),
        ("x" + ".0" * 3000, []),
        ("[" + "1," * 4900 + "]", [1] * 4900),
    ],
)
def test_chains_are_loops(text: str, expected: object) -> None:
    """Chains of thousands of operators, filters, steps or elements work without recursion."""
    nested: list[object] = []
    for _ in range(3000):
        nested = [nested]
    value = compile_expression(text).evaluate({"x": nested})
    assert value == expected


@pytest.mark.parametrize("text", ["1" + " " * MAX_SOURCE, "'" + "a" * MAX_SOURCE + "'"])
def test_source_is_bounded(text: str) -> None:
    """A source that is too long is refused before it is read."""
    assert fault_of(text).message == "the expression is longer than 10,000 characters"


def test_bounds_are_reached() -> None:
    """The largest string, list and number that are allowed can be built."""
    assert len(str(value_of(f"'a' * {MAX_SIZE}"))) == MAX_SIZE
    assert value_of(f"[0] * {MAX_SIZE} == [0] * {MAX_SIZE}") is True
    assert value_of("(" + "*".join(["2"] * 4095) + ") > 1") is True


# References --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", []),
        ("results.a.0['x y'][1]", [("results", ("a", 0, "x y", 1), 0, False, False)]),
        ("results", [("results", (), 0, False, False)]),
        (
            "results[variables.k].z == item",
            [
                ("results", (), 0, False, True),
                ("variables", ("k",), 8, False, False),
                ("item", (), 26, False, False),
            ],
        ),
        ("results.rows[-1].n", [("results", ("rows", -1, "n"), 0, False, False)]),
        ("a.x | default(b.y)", [("a", ("x",), 0, True, False), ("b", ("y",), 14, False, False)]),
        ("a.x | upper | default(1) | lower", [("a", ("x",), 0, True, False)]),
        ("(a + b) | default(1)", [("a", (), 1, True, False), ("b", (), 5, True, False)]),
        ("{{ a }} | default(b)", [("a", (), 3, True, False), ("b", (), 18, False, False)]),
        (
            "a and '{{b.c}} {{d}}' == {'x': [e]}",
            [
                ("a", (), 0, False, False),
                ("b", ("c",), 9, False, False),
                ("d", (), 17, False, False),
                ("e", (), 32, False, False),
            ],
        ),
        ("x['{{k}}']", [("x", (), 0, False, True), ("k", (), 5, False, False)]),
    ],
)
def test_references(text: str, expected: list[tuple[object, ...]]) -> None:
    """An expression knows every path that it reads, in source order."""
    assert compile_expression(text).references == tuple(Reference(*each) for each in expected)


# Resolving ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "resolved", "value"),
    [
        ("{{results.todo.status}} == 200", "200 == 200", True),
        ("{{ results.todo.status == 200 }}", "200 == 200", True),
        ("results.todo.title == 'milk'", "\"milk\" == 'milk'", True),
        ("{{ results.todo.tags | length }} > 0", "2 > 0", True),
        ("results.todo.tags | length > 0", "2 > 0", True),
        ("'{{variables.name}}' == 'ok'", "'ok' == 'ok'", True),
        ('"{{variables.name}}" == "ok"', '"ok" == "ok"', True),
        ("'{{variables.name}}' | upper == 'OK'", "\"OK\" == 'OK'", True),
        ("'{{env.EVIL}}' == \"\"", "'x\\' or \\'a\\' == \\'a' == \"\"", False),
        ("  results.todo.status\n  ==\t 200 ", "200 == 200", True),
        ("results.todo.status == 200 or results.nope", "200 == 200 or results.nope", True),
        ("results.nope | default(3) == 3", "3 == 3", True),
        ("false and  (results.nope  or 1)", "false and (results.nope or 1)", False),
        ("'a  b\n' == results.items", "'a  b\\n' == \"the key\"", False),
        ("results.rows[variables.index].n + 1", "2 + 1", 3),
        ("(variables.a + variables.b) * 2", "(2 + 3) * 2", 10),
        ("[variables.a, 'x'] | join(variables.name)", "[2, 'x'] | join(\"ok\")", "2okx"),
        ("{{ variables.a + 1 }} == 3", "3 == 3", True),
        ("{{ variables.a }} == {{ variables.b }}", "2 == 3", False),
        ("not results.todo.note", "not null", True),
        ("results.todo.tags == ['a', 'b']", "[\"a\", \"b\"] == ['a', 'b']", True),
        ("1 == 1", "1 == 1", True),
        ("odd.object in []", "<Odd> in []", False),
        ("odd.bytes in []", "<bytes> in []", False),
        ("odd.long == 1", '"' + "x" * 199 + "... == 1", False),
        ("odd.big == 1", "<int> == 1", False),
        ("cycle.list == 1", "<list> == 1", False),
        ("env.BRACES == '{{env.BRACES}}'", "\"{{results.a}}\" == '{{results.a}}'", True),
    ],
)
def test_resolve(text: str, resolved: str, value: object) -> None:
    """What was read stands in the source as JSON; what was not evaluated stays as written."""
    assert compile_expression(text).resolve(ROOTS) == (resolved, value)


def test_resolve_cuts_long_values() -> None:
    """A long value is cut after 200 characters, without writing all of it."""
    resolved, _ = compile_expression("x | length").resolve({"x": [0] * 10})
    assert resolved == "10"
    resolved, _ = compile_expression("x == 1").resolve({"x": [0] * 1_000_000})
    assert resolved == "[" + "0, " * 66 + "0... == 1"


def test_resolve_faults_are_located() -> None:
    """A fault while resolving is the same as while evaluating."""
    with pytest.raises(ExpressionError) as caught:
        compile_expression("1 == results.nope").resolve(ROOTS)
    assert (caught.value.offset, caught.value.text) == (13, "1 == results.nope")


# Truth -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, False), (1, True), ("", False), ("x", True), ([], False), ({"a": 1}, True), (None, False)],
)
def test_truth(value: object, expected: bool) -> None:
    """Truth is Python's."""
    assert truth(value) is expected


@pytest.mark.parametrize("word", ["false", "False", "0", "no", "OFF", "none", "null", " false\n"])
def test_truth_refuses_false_words(word: str) -> None:
    """A text that says no is refused, because it would count as yes."""
    with pytest.raises(ExpressionError, match="which would count as true; compare it"):
        truth(word)


# Foreign leaves ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (PurePosixPath("/tmp/x"), "/tmp/x"),
        (decimal.Decimal("1.50"), "1.50"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.UTC), "2026-01-02T03:04:00+00:00"),
        (datetime.time(3, 4), "03:04:00"),
    ],
)
def test_text_of_foreign_leaves(value: object, text: str) -> None:
    """A few leaves that JSON does not know have a text, alone and inside of data."""
    assert compile_expression("x | string").evaluate({"x": value}) == text
    assert compile_expression("[x] | tojson").evaluate({"x": value}) == f'["{text}"]'


def test_json_of_a_namespace() -> None:
    """A namespace that is no `dict` is written as the mapping that it is."""
    assert compile_expression("x | tojson").evaluate({"x": UserDict(a=1)}) == '{"a": 1}'


# Injection ---------------------------------------------------------------------------------------

HOSTILE = st.text(alphabet="{}'\"\\ |()[]=&!ax1.\n", max_size=30)


@given(HOSTILE)
def test_values_never_become_source(value: str) -> None:
    """No value, whatever it holds, changes what a condition means."""
    roots = {"results": {"v": value}, "variables": {"v": value}}
    for text in ("{{results.v}} == variables.v", "'{{results.v}}' == variables.v"):
        assert compile_expression(text).evaluate(roots) is True
    assert compile_expression("'{{results.v}}' != variables.v").evaluate(roots) is False
    resolved, _ = compile_expression("results.v == 1").resolve(roots)
    assert json.loads(resolved.removesuffix(" == 1")) == value


NEARLY = st.text(alphabet="ab1.+-*/%<>=!&|()[]{},:'\" notir", max_size=40)


@given(st.text(max_size=60) | HOSTILE | NEARLY)
def test_compile_raises_nothing_else(text: str) -> None:
    """Any text either compiles or is an `ExpressionError` with a place inside of the text."""
    for source in (text, f"{{{{{text}}}}}", f"'{{{{{text}}}}}'"):
        assert 0 <= _place(source) <= len(source)


def _place(text: str) -> int:
    try:
        compile_expression(text)
    except ExpressionError as error:
        return error.offset
    return 0


# Against Python ----------------------------------------------------------------------------------

NUMBERS = st.recursive(
    st.integers(-9, 9).map(str),
    lambda inner: (
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner)
        | inner.map("-({})".format)
    ),
    max_leaves=12,
)
STRINGS = st.recursive(
    st.sampled_from(["'a'", "'b'", "''", "'ab'"]),
    lambda inner: st.builds("({} + {})".format, inner, inner),
    max_leaves=5,
)
SIGNS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
ATOMS = st.sampled_from(["True", "False"]) | st.one_of(
    st.builds("{} {} {}".format, NUMBERS, SIGNS, NUMBERS),
    st.builds("{} {} {} {} {}".format, NUMBERS, SIGNS, NUMBERS, SIGNS, NUMBERS),
    st.builds("{} {} {}".format, STRINGS, SIGNS, STRINGS),
    st.builds("{} in {}".format, STRINGS, STRINGS),
    st.builds("{} not in [{}, {}]".format, NUMBERS, NUMBERS, NUMBERS),
)
LOGIC = st.recursive(
    ATOMS,
    lambda inner: (
        st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner)
        | inner.map("not {}".format)
        | inner.map("({})".format)
    ),
    max_leaves=8,
)
BARE_SUMS = st.lists(st.integers(0, 9).map(str), min_size=1, max_size=8).flatmap(
    lambda operands: st.lists(
        st.sampled_from([" + ", " - ", " * "]), min_size=len(operands), max_size=len(operands)
    ).map(lambda signs: "".join(a + b for a, b in zip(operands, signs, strict=True)) + "1")
)


@given(NUMBERS | STRINGS | LOGIC | BARE_SUMS)
def test_same_as_python(text: str) -> None:
    """On the subset that both share, an expression gives what Python gives."""
    assert compile_expression(text).evaluate({}) == eval(text, {"__builtins__": {}})
