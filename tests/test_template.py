"""Templates: strings that render, and data whose strings do, always fresh."""

from __future__ import annotations

import enum
import threading
from collections import OrderedDict, UserDict
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_highway.expressions.closures import Roots
from pytest_highway.expressions.expression import (
    MAX_SIZE,
    MAX_SOURCE,
    ExpressionError,
    MissingValue,
    Reference,
)
from pytest_highway.expressions.template import (
    Renderer,
    Template,
    compile_data,
    compile_template,
    copy_data,
    parse_template,
)


class Colour(enum.StrEnum):
    """A string with a type of its own."""

    RED = "red"


class Name(str):
    """A string whose own text lies."""

    def __str__(self) -> str:
        return "a lie"


DEEP: list[object] = []
for _ in range(5_000):
    DEEP = [DEEP]

ROOTS: dict[str, object] = {
    "results": {"a": {"title": "milk", "n": 3, "list": [1, {"b": None}], "yes": True}},
    "variables": UserDict(name="ok", nested={"x": [1]}),
    "odd": {"lock": threading.Lock(), "deep": DEEP, "name": Name("x"), "colour": Colour.RED},
    "env": {"BRACES": "{{ results.a.n }}"},
    "tuple": ([1], 2),
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a }} b", "a }} b"),
        ("{ {x} }", "{ {x} }"),
        ("{{results.a.title}}", "milk"),
        ("{{ results.a.n }}", 3),
        ("{{results.a.list}}", [1, {"b": None}]),
        ("{{ results.a.n > 2 }}", True),
        ("{{ null }}", None),
        ("{{variables}}", {"name": "ok", "nested": {"x": [1]}}),
        (" {{results.a.n}}", " 3"),
        ("{{results.a.n}}\n", "3\n"),
        ("Hello {{results.a.title}}", "Hello milk"),
        ("{{results.a.title}} and {{results.a.n}}", "milk and 3"),
        ("{{results.a.n}}{{results.a.n}}", "33"),
        ("a {{results.a.list}} b", 'a [1, {"b": null}] b'),
        ("a {{results.a.yes}} b {{ null }} c", "a true b null c"),
        ("a {{ 'é' }} b", "a é b"),
        ("a {{ ['é'] }} b", 'a ["é"] b'),
        ("a {{ variables }}", 'a {"name": "ok", "nested": {"x": [1]}}'),
        ('{{ "{{" }}', "{{"),
        ('{{ "{{" }} x }}', "{{ x }}"),
        ("{{ '}}' }}", "}}"),
        ("{{ '{{ x }}' }}", "{{ x }}"),
        ('{{ {"a": {"b": 1}} }}', {"a": {"b": 1}}),
        ('{{{"a": {"b": 1}}}}', {"a": {"b": 1}}),
        ('x {{{"a":{"b":1}}}} y', 'x {"a": {"b": 1}} y'),
        ("${{ results.a.n }}", "$3"),
        ("{{ results.a.nope | default('d') }}", "d"),
        ("{{ env.BRACES }}", "{{ results.a.n }}"),
        ("a {{ env.BRACES }} b", "a {{ results.a.n }} b"),
        ("{{ odd.name }}!", "x!"),
        ("{{ odd.colour }}!{{ odd.colour }}", "red!red"),
        ("line\n{{ results.a.n }}\n{{\n results.a.n\n}}", "line\n3\n3"),
    ],
)
def test_render(text: str, expected: object) -> None:
    """A string renders to exactly this."""
    assert compile_template(text).render(ROOTS) == expected


FAULTS = [
    ("x {{", "the '{{' that stands here is not closed by '}}'", 2),
    ("x {{ a {{ b }}", "is not closed by '}}'", 2),
    ("x {{ a {{ b }} }}", "unexpected '{'; braces do not stand inside braces", 7),
    ("{{ a", "the '{{' that stands here is not closed", 0),
    ("{{ 'a }}", "the string that begins here is not closed", 3),
    ("{{ a }", "closed by two braces, not by one", 5),
    ("{{}}", "the expression is empty", 2),
    ("a {{ }} b", "the expression is empty", 5),
    ("{{ a b }}", "unexpected 'b'; an operator is missing", 5),
    ("{{ a + }}", "an operand is missing", 7),
    ("{{ a }} {{ b | nope }}", "unknown filter 'nope'", 15),
    ("{{ (a }}", "')' is missing, to close '('", 6),
    ("{{ " + "(" * 3000, "is not closed by '}}'", 0),
    ("{{ " + "(" * 3000 + "}}", "nested more than 50 levels deep", 53),
    ("x {{" + "1 + " * 3000 + "1}}", "longer than 10,000 characters", 4),
    ("x {{" + " " * MAX_SOURCE + "1}}", "longer than 10,000 characters", 4),
]


@pytest.mark.parametrize(("text", "message", "offset"), FAULTS)
def test_compile_fault(text: str, message: str, offset: int) -> None:
    """A bad template says this and points here."""
    with pytest.raises(ExpressionError) as caught:
        compile_template(text)
    assert message in caught.value.message
    assert (caught.value.offset, caught.value.text) == (offset, text)


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("{{ results.a.titel }}", "results.a has no 'titel'", 13),
        ("ab {{ results.b.c }}", "results has no 'b'; it has 'a'", 14),
        ("ab {{ odd.lock }}", "a value of type 'lock' has no text", 3),
        ("{{ results.a.n }}{{ odd.lock }}", "a value of type 'lock' has no text", 17),
        ("{{ odd.lock }}", "a value of type 'lock' cannot be copied", 0),
        ("{{ odd.deep }}", "nested too deeply", 0),
        (f"a {{{{ 'x' * {MAX_SIZE} }}}}", "the result would be too large", 2),
        ("{{ 'x' * 600000 }}{{ 'x' * 600000 }}", "the result would be too large", 18),
    ],
)
def test_render_fault(text: str, message: str, offset: int) -> None:
    """A template that cannot be rendered says this and points here."""
    with pytest.raises(ExpressionError) as caught:
        compile_template(text).render(ROOTS)
    assert message in caught.value.message
    assert (caught.value.offset, caught.value.text) == (offset, text)


def test_long_text_is_no_long_expression() -> None:
    """The bound on the source is one on the expression, not on the text around it."""
    text = "x" * (2 * MAX_SOURCE)
    assert compile_template(text + "{{ results.a.n }}").render(ROOTS) == text + "3"


def test_template_knows_what_it_is() -> None:
    """A template knows its source, its references in order, and whether it holds any braces."""
    template = compile_template("a {{ x.y[k] }} {{ z | default(1) }}")
    assert template.source == "a {{ x.y[k] }} {{ z | default(1) }}"
    assert not template.constant
    assert template.references == (
        Reference("x", ("y",), 5, dynamic=True),
        Reference("k", (), 9),
        Reference("z", (), 18, defaulted=True),
    )
    assert compile_template("a").constant
    assert not compile_template('{{ "{{" }}').constant


# Data --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected", "constant"),
    [
        (1, 1, True),
        ("text", "text", True),
        (None, None, True),
        ([1, [2], {"a": "b"}], [1, [2], {"a": "b"}], True),
        ((1, 2), (1, 2), True),
        ("{{ results.a.n }}", 3, False),
        (["Hello {{results.a.title}}", 12], ["Hello milk", 12], False),
        ({"a": {"b": ["{{results.a.n}}", [0]]}, "c": 1}, {"a": {"b": [3, [0]]}, "c": 1}, False),
        (("{{ results.a.n }}", 1), [3, 1], False),
        (UserDict(a="{{ results.a.n }}"), {"a": 3}, False),
        (["{{ env.BRACES }}"], ["{{ results.a.n }}"], False),
    ],
)
def test_data(data: object, expected: object, constant: bool) -> None:
    """Data renders to this, and knows whether anything in it is a template."""
    value = compile_data(data)
    assert value.render(ROOTS) == expected
    assert value.constant is constant


@pytest.mark.parametrize(
    "data",
    [
        [[1], {"a": [2]}],
        {"const": [1], "read": "{{ results.a.list }}", "text": "{{ results.a.n }}"},
        "{{ variables.nested }}",
        "{{ results.a }}",
        "{{ [results.a.list, variables] }}",
        "{{ tuple }}",
    ],
)
def test_data_is_fresh(data: object) -> None:
    """Two renders share no container with each other, with the source or with the roots."""
    value = compile_data(data)
    first, second = value.render(ROOTS), value.render(ROOTS)
    assert first == second
    owned = containers(data) | containers(ROOTS["results"]) | containers(ROOTS["tuple"])
    assert not containers(first) & (containers(second) | owned)


def containers(value: object) -> set[int]:
    """The identities of all lists and mappings in a value."""
    children: list[object] = []
    children += value.values() if isinstance(value, dict) else ()
    children += value if isinstance(value, (list, tuple)) else ()
    found = {id(value)} if isinstance(value, (list, dict)) else set()
    return found.union(*map(containers, children))


def test_data_references_have_places() -> None:
    """Every path that data reads comes with the place of its string."""
    value = compile_data({"a": ["x", "{{ p.q }} {{ r }}"], "b": {"c": "{{ s }}"}})
    assert value.references == (
        (("a", 1), Reference("p", ("q",), 3)),
        (("a", 1), Reference("r", (), 13)),
        (("b", "c"), Reference("s", (), 3)),
    )


def test_data_reports_all_faults() -> None:
    """All bad strings and keys are reported, each with its place, and nothing is raised."""
    faults: list[tuple[tuple[str | int, ...], ExpressionError]] = []
    data = {"a": ["{{", "{{ x }}"], "{{ k }}": 1, "b": {"c": "x {{ 1 + }}"}}
    value = compile_data(data, faults)
    assert [(loc, error.offset) for loc, error in faults] == [
        (("{{ k }}",), 0),
        (("a", 0), 0),
        (("b", "c"), 9),
    ]
    assert [reference.root for _, reference in value.references] == ["x"]


def test_data_raises_the_first_fault() -> None:
    """Without a list for its faults, data raises the first."""
    with pytest.raises(ExpressionError, match="not closed"):
        compile_data(["{{", "{{"])


def test_data_fault_is_located_in_its_string() -> None:
    """A fault while data renders names the string at fault and the place in it."""
    value = compile_data({"a": ["x", "{{ results.b }}"]})
    with pytest.raises(MissingValue) as caught:
        value.render(ROOTS)
    assert (caught.value.text, caught.value.offset) == ("{{ results.b }}", 11)


# Copies ------------------------------------------------------------------------------------------

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(PLAIN)
def test_copy_is_equal_and_fresh(data: object) -> None:
    """A copy of plain data equals it, and shares no container with it."""
    copied = copy_data(data)
    assert copied == data
    assert not containers(copied) & containers(data)


@pytest.mark.parametrize(
    ("data", "kind"),
    [(OrderedDict(a=[1]), dict), (UserDict(a=[1]), dict), (([1], 2), tuple), (b"x", bytes)],
)
def test_copy_of_other_types(data: object, kind: type) -> None:
    """A mapping of any type becomes a `dict`; all else keeps its type."""
    copied = copy_data(data)
    assert copied == data
    assert type(copied) is kind


@given(st.text(alphabet="{}'\" ab|+", max_size=40))
def test_compile_raises_nothing_else(text: str) -> None:
    """Any text either compiles or is one `ExpressionError` with a place inside of the text."""
    faults: list[tuple[tuple[str | int, ...], ExpressionError]] = []
    compile_data([text], faults)
    assert all(0 <= error.offset <= len(text) for _, error in faults)


@given(st.text(alphabet="{}'\" ab|", max_size=30))
def test_values_are_never_rendered(value: str) -> None:
    """A value goes into text, and into data, as it stands."""
    roots = {"v": value}
    assert compile_template("<{{ v }}>").render(roots) == f"<{value}>"
    assert compile_template("<{{ v }}|{{ v }}>").render(roots) == f"<{value}|{value}>"
    assert compile_data(["{{ v }}"]).render(roots) == [value]


# --- one path in text ------------------------------------------------------------------------------

PIECES = st.sampled_from(
    ["", "a", " b\n", "{", "}", "}}", "results", "true", "in", ".a", ".n", ".0", ".01", "list", "-"]
)
PATHS = st.sampled_from(
    [
        "results.a.title",
        "results.a.n",
        "results.a.list.0",
        "results.a.list",
        "results.a.yes",
        "results.a.list.1.b",
        "results.a.list.title",
        "results.a.title.x",
        "results.a-b.c",
        "results.a-.c",
        "results.x.y",
        "results",
        "variables.name",
        "variables.nested.x",
        "odd.lock",
        "odd.deep",
        "odd.name",
        "odd.colour",
        "odd.x",
        "tuple.0",
        "tuple.5",
        "in.x",
        "true",
        "true.y",
        "none.a",
    ]
)


def outcome(render: Callable[[Roots], object]) -> object:
    """What a template gives, with its type, or how its fault is told."""
    try:
        value = render(ROOTS)
    except ExpressionError as error:
        fields = (error.message, error.offset, error.text, getattr(error, "reference", None))
        return type(error), fields, type(error.__cause__), type(error.__context__)
    return type(value), value if "Lock" not in repr(value) else None


@settings(max_examples=600, derandomize=True, deadline=None)
@given(st.tuples(PIECES, PIECES, st.sampled_from(["", " ", "\n"]), PATHS, PIECES, PIECES))
def test_one_path_in_text_is_what_the_parser_makes_of_it(
    parts: tuple[str, str, str, str, str, str],
) -> None:
    """The same references, the same values of the same types, the same faults at the same places."""
    first, second, blank, path, third, fourth = parts
    text = f"{first}{second}{{{{{blank}{path}{blank}}}}}{third}{fourth}"
    assert both(text, compile_template) == both(text, lambda text: Parsed(*parse_template(text)))


class Parsed(NamedTuple):
    """What the parser alone makes of a text."""

    references: tuple[Reference, ...]
    renderer: Renderer

    def render(self, roots: Roots) -> object:
        """Its value."""
        return self.renderer.render(roots)


def both(text: str, make: Callable[[str], Template | Parsed]) -> object:
    """What a text reads and renders, or why it cannot be compiled."""
    try:
        made = make(text)
    except ExpressionError as error:
        return error.message, error.offset, error.text
    return made.references, outcome(made.render)


@pytest.mark.parametrize("length", [MAX_SIZE - 2, MAX_SIZE - 1])
def test_one_path_in_text_is_bounded(length: int) -> None:
    """The text around counts, as it does for the parser."""
    roots = {"results": {"a": "x" * length}}
    text = "<{{results.a}}>"
    assert sized(compile_template(text), roots) == sized(parse_template(text)[1], roots)


def sized(renderer: Renderer, roots: Roots) -> object:
    """The length of a text, or why there is none."""
    try:
        return len(str(renderer.render(roots)))
    except ExpressionError as error:
        return str(error)
