"""Documents: the data a YAML file gives, where each node stands, and what is refused where."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_highway.errors import Position, SourceError
from pytest_highway.reading import building
from pytest_highway.reading.document import Document, parse, read

TAGS = "allowed: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map"
BARRED = "is not allowed in YAML; write it as an escape in double quotes"
NO_KEY = "a list or a mapping is no key; a key is text"
TOO_LARGE = "number too large for a float; write .inf for an infinity"


def faults(content: bytes | str) -> list[str]:
    """The headlines of all findings on a content, without the path."""
    with pytest.raises(SourceError) as caught:
        parse(content, "f")
    return [each.headline().removeprefix("f:") for each in caught.value.diagnostics]


def places(content: str, *locs: tuple[str | int, ...], key: bool = False) -> list[str]:
    """`line:column` of each path."""
    document = parse(content, "f")
    found = [document.position(loc, key=key) for loc in locs]
    return [f"{each.line}:{each.column}" for each in found]


def pointed(document: Document, loc: tuple[str | int, ...], *, key: bool = False) -> str:
    """The rest of the source line from the position on."""
    line, column = document.position(loc, key=key)
    return document.line(line)[column - 1 :]


# --- data -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: 1\nb: [x, 2.5]\nc: {d: null}\n", {"a": 1, "b": ["x", 2.5], "c": {"d": None}}),
        ("- 1\n- - 2\n  - 3\n", [1, [2, 3]]),
        ("just text", "just text"),
        ("7", 7),
        ("~", None),
        ("!!null 'null'", None),
        ("a:\nb:\n", {"a": None, "b": None}),
        ("a: |\n  one\n  two\nb: >-\n  three\n  four\n", {"a": "one\ntwo\n", "b": "three four"}),
        ("a: '1'\nb: \"true\"\n", {"a": "1", "b": "true"}),
        ("on: no\noff: 12:30\n", {"on": "no", "off": "12:30"}),
        ("200: a\ntrue: b\n~: c\n1.0: d\n", {"200": "a", "true": "b", "~": "c", "1.0": "d"}),
        ('"a b": 1\n\'c\': 2\n', {"a b": 1, "c": 2}),
        ("? a\n? b\n", {"a": None, "b": None}),
        ("{a, b: 1}", {"a": None, "b": 1}),
        ("[a: 1, b]", [{"a": 1}, "b"]),
        ("---\na: 1\n...\n# the end\n", {"a": 1}),
        ("%YAML 1.2\n---\na: 1\n", {"a": 1}),
        ("a:\tb\n", {"a": "b"}),
        ("{}", {}),
        ("[]", []),
        ('{"a": [-2.5e3, true, null, "\\/"]}', {"a": [-2500.0, True, None, "/"]}),
        ('{\n\t"a": 1,\n\t"b": [\n\t\t2\n\t]\n}\n', {"a": 1, "b": [2]}),
        ("a: \U0001f600\n", {"a": "\U0001f600"}),
    ],
)  # fmt: skip
def test_data_is_plain_and_typed_as_yaml_1_2(text: str, data: object) -> None:
    """A document gives plain data; keys are text as written."""
    found = parse(text, "f").data
    assert found == data
    assert repr(found) == repr(data)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: !!str 12\nb: !!str\n", {"a": "12", "b": ""}),
        ("a: !!int '12'\nb: !!float 1\nc: !!float '2.5'\n", {"a": 12, "b": 1.0, "c": 2.5}),
        ("a: !!bool 'true'\nb: !!null ''\n", {"a": True, "b": None}),
        ("a: !!seq [1]\nb: !!map {c: 1}\n", {"a": [1], "b": {"c": 1}}),
        ("a: ! 12\nb: ! [1]\n", {"a": "12", "b": [1]}),
        ("a: !<tag:yaml.org,2002:str> 1\n", {"a": "1"}),
        ("!!str 12: &x !!str 13\n", {"12": "13"}),
    ],
)
def test_tags_say_the_type(text: str, data: object) -> None:
    """An explicit tag of the core schema decides, not the look of the text."""
    found = parse(text, "f").data
    assert repr(found) == repr(data)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: !!int x", "1:4: !!int cannot read 'x'"),
        ("a: !!bool 1", "1:4: !!bool cannot read '1'"),
        ("a: !!float on", "1:4: !!float cannot read 'on'"),
        ("a: !!null x", "1:4: !!null cannot read 'x'"),
        ("a: !!str [1]", "1:4: tag !!str does not fit a list"),
        ("a: !!seq {}", "1:4: tag !!seq does not fit a mapping"),
        ("a: !!map x", "1:4: tag !!map does not fit text"),
        (
            "a: !secret x",
            f"1:4: unknown tag '!secret'; {TAGS}",
        ),
        (
            "a: &b !!set {x}",
            f"1:4: unknown tag '!!set'; {TAGS}",
        ),
        ("a: !!float 1" + "0" * 400, f"1:4: {TOO_LARGE}"),
    ],
)  # fmt: skip
def test_a_wrong_tag_is_found_at_the_tag(text: str, found: str) -> None:
    """A tag that is unknown, or does not fit its node, is an error where the node begins."""
    assert faults(text) == [found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1e999", f"1:4: {TOO_LARGE}"),
        ("- -1e999", f"1:3: {TOO_LARGE}"),
        ("a: " + "9" * 5000, "1:4: number of 5,000 characters; at most 3,500 are read"),
        ("a: 0x" + "f" * 5000, "1:4: number of 5,002 characters; at most 3,500 are read"),
        ("a: &b 1e999", f"1:4: {TOO_LARGE}"),
    ],
)
def test_an_outsized_number_is_found_at_its_place(text: str, found: str) -> None:
    """Numbers that Python would refuse, or make infinite, are located errors."""
    assert faults(text) == [found]


@pytest.mark.parametrize("text", ["9" * 3500, "0x" + "f" * 3498, "0o" + "7" * 3498])
def test_the_longest_numbers_can_be_shown(text: str) -> None:
    """An accepted number can be printed, so that no message about it fails."""
    assert str(parse(text, "f").data)


# --- merges and aliases -----------------------------------------------------------------------

BASE = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\n"


@pytest.mark.parametrize(
    ("entry", "merged"),
    [
        ("{<<: *base}", {"a": 1, "b": 2}),
        ("{<<: *base, b: 9, d: 5}", {"a": 1, "b": 9, "d": 5}),
        ("{b: 9, <<: *base}", {"a": 1, "b": 9}),
        ("{<<: [*base, *more]}", {"a": 1, "b": 2, "c": 4}),
        ("{<<: [*more, *base], d: 5}", {"b": 3, "c": 4, "a": 1, "d": 5}),
        ("{<<: {x: 1, y: 2}, y: 3}", {"x": 1, "y": 3}),
        ("{<<: [{x: 1}, *base]}", {"x": 1, "a": 1, "b": 2}),
        ("{<<: []}", {}),
        ("{'<<': 1}", {"<<": 1}),
        ("{<<: {<<: *base, e: 6}, f: 7}", {"a": 1, "b": 2, "e": 6, "f": 7}),
    ],
)
def test_merges(entry: str, merged: dict[str, object]) -> None:
    """`<<` brings in keys; explicit keys win wherever they stand, earlier sources over later."""
    data = parse(f"{BASE}it: {entry}\n", "f").data
    assert isinstance(data, dict)
    assert list(data["it"].items()) == list(merged.items())


@pytest.mark.parametrize(
    "entry", ["{<<: *base, b: 9, d: 5}", "{b: 9, <<: *base}", "{d: 5, <<: {x: 1}}"]
)
def test_a_merge_orders_keys_as_pyyaml_does(entry: str) -> None:
    """A single source gives the order that users of PyYAML know."""
    text = f"{BASE}it: {entry}\n"
    assert json.dumps(parse(text, "f").data) == json.dumps(yaml.safe_load(text))


def test_a_merge_leaves_its_source_alone() -> None:
    """The merged mapping is one of its own."""
    data = parse(f"{BASE}it: {{<<: *base, z: 1}}\n", "f").data
    assert data == {
        "base": {"a": 1, "b": 2},
        "more": {"b": 3, "c": 4},
        "it": {"a": 1, "b": 2, "z": 1},
    }


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<<: 1", ["1:5: '<<' merges a mapping or a list of mappings, this is neither"]),
        ("a: 1\n<<:\n", ["2:4: '<<' merges a mapping or a list of mappings, this is neither"]),
        (
            "<<: [{a: 1}, 2, x]",
            [
                "1:14: '<<' merges a mapping or a list of mappings, this is neither",
                "1:17: '<<' merges a mapping or a list of mappings, this is neither",
            ],
        ),
        ("<<: *no", ["1:5: unknown alias '*no'; an anchor stands before its aliases"]),
        (
            "<<: {a: 1}\n<<: {b: 1}\n",
            ["2:1: duplicate key '<<'; first at line 1; to merge several write '<<: [*a, *b]'"],
        ),
        ("<<: {a: 1}\nb: 1\nb: 2\n", ["3:1: duplicate key 'b'; first at line 2"]),
    ],
)
def test_a_wrong_merge_is_found_at_its_value(text: str, found: list[str]) -> None:
    """What `<<` cannot merge is named where it stands."""
    assert faults(text) == found


def test_aliases_share_the_object() -> None:
    """An alias is its anchor's object; a scalar's is its value, also as a key."""
    assert parse("[&q '1', *q]", "f").data == ["1", "1"]
    data = parse("a: &x [1]\nb: *x\n&k key: &n 010\nc: *n\nd: {*k : 1, *n : 2}\n", "f").data
    assert data == {"a": [1], "b": [1], "key": 10, "c": 10, "d": {"key": 1, "010": 2}}
    assert data["a"] is data["b"]


def test_a_name_given_again_means_the_later_anchor() -> None:
    """Anchors may be redefined; an alias means the last one before it."""
    assert parse("[&a 1, *a, &a 2, *a, &a [&a 3], *a]", "f").data == [1, 1, 2, 2, [3], 3]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: *x", "1:4: unknown alias '*x'; an anchor stands before its aliases"),
        (
            "a: &base 1\nb: *bse\n",
            "2:4: unknown alias '*bse'; an anchor stands before its aliases; did you mean '*base'?",
        ),
        ("a: &a [1, *a]", "1:11: alias '*a' stands inside its own anchor"),
        ("&a\nb: {c: *a}", "2:8: alias '*a' stands inside its own anchor"),
        ("&a\n<<: *a", "2:5: alias '*a' stands inside its own anchor"),
        ("a: &x [1]\n*x : 2", f"2:1: {NO_KEY}"),
    ],
)
def test_a_wrong_alias_is_found_where_it_stands(text: str, found: str) -> None:
    """Unknown and recursive aliases are errors at the alias."""
    assert faults(text) == [found]


def bomb(levels: int) -> str:
    """A document whose aliases multiply by nine on each level."""
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lines.append(f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]")
    return "\n".join(lines)


def test_an_alias_bomb_is_found_at_the_alias_that_goes_too_far() -> None:
    """Aliased nodes are counted with all that their own aliases add."""
    assert faults(bomb(9)) == ["6:10: alias bomb; all aliases may add 100,000 nodes to a file"]


def test_aliases_within_the_bound_are_read() -> None:
    """Four levels of nine are no bomb."""
    assert parse(bomb(4), "f").data


def test_aliases_of_one_large_list_count_each_time() -> None:
    """Two aliases of 49,990 nodes fit, a third does not."""
    large = f"a: &a [{'1,' * 49_988}]\nb: [*a, *a"
    assert parse(f"{large}]", "f").data
    assert faults(f"{large}, *a]") == [
        "2:13: alias bomb; all aliases may add 100,000 nodes to a file"
    ]


def test_aliases_cannot_nest_deeper_than_brackets() -> None:
    """A chain of aliases would otherwise build what the bound on depth refuses."""
    deep = f"a: &a {'[' * 60}{']' * 60}\n"
    assert parse(f"{deep}b: {'[' * 39}*a{']' * 39}\n", "f").data
    assert faults(f"{deep}b: {'[' * 40}*a{']' * 40}\n") == ["2:44: nested too deeply by alias '*a'"]
    mapped = deep.replace("[", "{k: ").replace("]", "}")
    assert parse(f"{mapped}b: *a\n", "f").data


# --- keys -------------------------------------------------------------------------------------


def test_all_duplicate_keys_are_reported_with_the_line_of_the_first() -> None:
    """Reading goes on after a duplicate key, in every mapping."""
    text = "a: 1\nb:\n  c: 1\n  'c': {x: 1, x: 2}\na: 2\nd: 1\n? a\n: {y: 1}\nd: 3\n"
    assert faults(text) == [
        "4:3: duplicate key 'c'; first at line 3",
        "4:15: duplicate key 'x'; first at line 4",
        "5:1: duplicate key 'a'; first at line 1",
        "7:3: duplicate key 'a'; first at line 1",
        "9:1: duplicate key 'd'; first at line 6",
    ]


def test_duplicate_keys_before_a_syntax_error_are_reported_too() -> None:
    """What was found before reading had to end is not lost."""
    assert faults("a: {x: [1, {y: 2}], x: 1}\nb: [{z: 1, z: 2}\nc: }\n") == [
        "1:21: duplicate key 'x'; first at line 1",
        "2:12: duplicate key 'z'; first at line 2",
        "3:1: ',' or ']' is expected here, for the '[' of line 2",
    ]


def test_a_long_key_is_cut_in_the_message() -> None:
    """A message stays readable whatever the key."""
    key = "k" * 200
    assert faults(f"{key}: 1\n{key}: 2\n") == [
        f"2:1: duplicate key '{'k' * 37}...'; first at line 1"
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("? [a]\n: 1\n", [f"1:3: {NO_KEY}"]),
        ("[a]: 1\n", [f"1:1: {NO_KEY}"]),
        ("{{a: 1}: 2, b: 1, b: 2}", ['1:1: unquoted template; write it in quotes',
                                     "1:19: duplicate key 'b'; first at line 1"]),
        ("{ {a: [1]}: 2}", [f"1:3: {NO_KEY}"]),
        ("a: {b: {[c]: d}}\n? {e: f}\n: 1\n", [f"1:9: {NO_KEY}",
                                               f"2:3: {NO_KEY}"]),
    ],
)  # fmt: skip
def test_a_container_is_no_key(text: str, found: list[str]) -> None:
    """A key that is a list or a mapping is an error there, and reading goes on."""
    assert faults(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: {{x}}", ['1:4: unquoted template; write "{{x}}"']),
        ("a: {{ results.todo }}\n", ['1:4: unquoted template; write "{{ results.todo }}"']),
        ("a: {{x}} == 200  # why\n", ['1:4: unquoted template; write "{{x}} == 200"']),
        ("a: {{x}}/{{y}}.txt\n", ['1:4: unquoted template; write "{{x}}/{{y}}.txt"']),
        ("a: {{x}}:80\n", ['1:4: unquoted template; write "{{x}}:80"']),
        ("a: {{x[0]}}\n", ['1:4: unquoted template; write "{{x[0]}}"']),
        ("a: {{ 'it }}\n", ['1:4: unquoted template; write "{{ \'it }}"']),
        ("a: {{ f('b', 1) }}\n", ["1:4: unquoted template; write \"{{ f('b', 1) }}\""]),
        ("a: {{x | default(\"q\")}}\n", ["1:4: unquoted template; write '{{x | default(\"q\")}}'"]),
        ("a: {{x | default(\"it's\")}}\n",
         ["1:4: unquoted template; write '{{x | default(\"it''s\")}}'"]),
        ("- {{x}}\n- b: {{y}}\n", ['1:3: unquoted template; write "{{x}}"',
                                   '2:6: unquoted template; write "{{y}}"']),
        ("[{{x}}, {a: {{y}}, b: 1}]", ['1:2: unquoted template; write "{{x}}"',
                                       '1:13: unquoted template; write "{{y}}"']),
        ("{{x}}: 1\n", ['1:1: unquoted template; write "{{x}}"']),
        ("a: {{x}}: 1\n", ['1:4: unquoted template; write "{{x}}"']),
        ("a: {{x}} == 1\nb: {c: 1, c: 2}\n", ['1:4: unquoted template; write "{{x}} == 1"']),
        ("a: {{x}}\nb: }\n", ['1:4: unquoted template; write "{{x}}"',
                              "2:4: a value is expected here"]),
        ("a: {{x\n  }}\n", ["1:4: unquoted template; write it in quotes"]),
    ],
)  # fmt: skip
def test_an_unquoted_template_is_named_with_the_text_to_write(text: str, found: list[str]) -> None:
    """YAML reads `{{x}}` as mappings; the message shows the quoted text instead."""
    assert faults(text) == found


def test_a_quoted_template_is_text() -> None:
    """In quotes, in a block and behind other letters braces are text."""
    text = "a: \"{{x}}\"\nb: '{{y}}'\nc: |\n  {{z}}\nd: echo {{x}}\n"
    data = {"a": "{{x}}", "b": "{{y}}", "c": "{{z}}\n", "d": "echo {{x}}"}
    assert parse(text, "f").data == data


# --- bounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[" * 30_000, "1:101"),
        ("[" * 30_000 + "]" * 30_000, "1:101"),
        ("- " * 30_000, "1:201"),
        ("- " * 30_000 + "a", "1:201"),
        ('{"a": ' * 30_000, "1:601"),
        ("".join(" " * level + "a:\n" for level in range(300)), "101:101"),
    ],
)
def test_nesting_ends_at_its_bound(text: str, found: str) -> None:
    """The 101st level is an error at its bracket, however many follow."""
    assert faults(text) == [f"{found}: nested deeper than 100 levels"]


@pytest.mark.parametrize("text", ["{" * 30_000, "? " * 30_000, "{{{" + "[" * 30_000])
def test_nesting_within_a_key_ends_at_its_bound(text: str) -> None:
    """What is skipped as a wrong key is bounded as well."""
    assert faults(text)[-1].endswith("nested deeper than 100 levels")


def test_a_hundred_levels_are_read() -> None:
    """The bound itself is no error."""
    assert parse("[" * 100 + "]" * 100, "f").data


def test_findings_are_bounded() -> None:
    """A file of nothing but errors is reported up to a bound, which is said."""
    found = faults("a: 1\n" * 5_000)
    assert len(found) == 1_001
    assert found[-1] == "1002:1: more than 1,000 errors; reading ended here"
    assert len(faults("- *x\n" * 5_000)) == 1_001
    assert len(faults("\0" * 5_000)) == 1_000


def test_a_large_content_is_refused_unread() -> None:
    """The size is told with the bound, and nothing is parsed."""
    assert faults(b"[" + b" " * 10_000_000) == [
        "1:1: file of 10,000,001 bytes; at most 10,000,000 are read"
    ]
    with pytest.raises(SourceError, match="f:1:1: file of 4 bytes; at most 3 are read"):
        parse("éé", "f", max_bytes=3)
    assert parse("éé", "f", max_bytes=4).data == "éé"


# --- characters -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a: 1\nb: \xff\n", ["2:4: byte 0xff is not UTF-8; save the file as UTF-8"]),
        ("é: ü".encode() + b"\xe9", ["1:5: byte 0xe9 is not UTF-8; save the file as UTF-8"]),
        (b"\xef\xbb\xbfa\xff", ["1:2: byte 0xff is not UTF-8; save the file as UTF-8"]),
        ("a: 1".encode("utf-16"), ["1:1: the file is UTF-16; save it as UTF-8"]),
        (b"\xfe\xff\0a", ["1:1: the file is UTF-16; save it as UTF-8"]),
        ("a: 1".encode("utf-32"), ["1:1: the file is UTF-32; save it as UTF-8"]),
        (b"\0\0\xfe\xff\0\0\0a", ["1:1: the file is UTF-32; save it as UTF-8"]),
        (
            b"a: 1\nb\0: \x1b[31m\n",
            [
                f"2:2: character U+0000 {BARRED}",
                f"2:5: character U+001B {BARRED}",
            ],
        ),
        (
            "a: \ud800",
            [f"1:4: character U+D800 {BARRED}"],
        ),
    ],
)
def test_bad_bytes_and_characters_are_located(content: bytes | str, found: list[str]) -> None:
    """What is no UTF-8 text of printable characters is an error at the byte or character."""
    assert faults(content) == found


def test_a_source_line_shows_no_control_characters() -> None:
    """The terminal is not given what the file may not hold."""
    with pytest.raises(SourceError) as caught:
        parse(b"a: \x1b[31m", "f")
    assert caught.value.diagnostics[0].source == "a: \ufffd[31m"


def test_a_byte_order_mark_moves_nothing() -> None:
    """A UTF-8 mark is taken off, in bytes and in text; columns count without it."""
    for content in (b"\xef\xbb\xbfa: x\n", "\ufeffa: x\n"):
        document = parse(content, "f")
        assert document.text == "a: x\n"
        assert document.position(["a"]) == Position(1, 4)


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_lines_break_where_libyaml_breaks_them(break_: str) -> None:
    """Positions and source lines agree for every kind of line end."""
    document = parse(break_.join(["a: 1", "b:", "  - x\fy", "  - z", ""]).replace("\f", "~"), "f")
    assert document.position(["b", 1]) == Position(4, 5)
    assert [document.line(number) for number in range(-1, 7)] == [
        "", "", "a: 1", "b:", "  - x~y", "  - z", "", ""
    ]  # fmt: skip


def test_a_line_keeps_what_is_no_break_to_yaml() -> None:
    """Columns count characters, wide and astral ones too."""
    document = parse("a: [漢字, \U0001f600, e\u0301, x]\nb: y\n", "f")
    columns = [document.position(["a", each]).column for each in range(4)]
    assert columns == [5, 9, 12, 16]
    assert document.position(["b"]) == Position(2, 4)


# --- JSON -------------------------------------------------------------------------------------


def test_json_escapes_of_astral_characters_are_read() -> None:
    """What `json.dumps` writes is read, and every position is that of the file."""
    data = {"\U0001f600": ["a\U0001f680b\U0001f680", "\\ud83d\\ude00"], "x": {"\n": "\xe9"}}
    text = json.dumps(data)
    document = parse(text, "f")
    assert document.data == data
    assert document.text == text
    assert pointed(document, ("\U0001f600",), key=True).startswith('"\\ud83d\\ude00": ')
    assert pointed(document, ("\U0001f600", 1)).startswith('"\\\\ud83d')
    assert pointed(document, ("x", "\n"), key=True) == '"\\n": "\\u00e9"}}'


def test_findings_in_json_with_astral_escapes_keep_their_place() -> None:
    """Putting the pairs together moves no column."""
    assert faults('{"a": "\\ud83d\\ude00",\n"b\\ud83d\\ude00": 1, "a": 2}') == [
        "2:21: duplicate key 'a'; first at line 1"
    ]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: \\ud83d\\ude00", {"a": "\\ud83d\\ude00"}),
        ("'\\ud83d\\ude00'", "\\ud83d\\ude00"),
    ],
)
def test_escapes_outside_json_are_text(text: str, data: object) -> None:
    """In a plain or single-quoted scalar a backslash is a backslash."""
    assert parse(text, "f").data == data


# --- syntax -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "1:1: the file is empty"),
        (" \n\n", "1:1: the file is empty"),
        ("# only\n# comments\n", "1:1: the file holds only comments"),
        ("---\n", "2:1: the document is empty"),
        ("--- &a\n", "1:5: the document is empty"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document begins here; a file holds one"),
        ("---\na: 1\n---\n", "3:1: a second document begins here; a file holds one"),
        ("--- a\n--- b\n--- c\n", "2:1: a second document begins here; a file holds one"),
        ("a:\n\tb: 1\n", "2:1: a tab cannot stand here; YAML indents with blanks"),
        ("a:\n  b: 1\n \tc: 1\n", "3:2: a tab cannot stand here; YAML indents with blanks"),
        ("a:\n  - b\n\t- c\n", "3:1: a tab cannot stand here; YAML indents with blanks"),
        ("a: |\n\ttext\n", "2:1: a tab cannot stand here; YAML indents with blanks"),
        ("\tname: x\n", "1:1: a tab cannot stand here; YAML indents with blanks"),
        ("a: @x", "1:4: no value can begin with '@'; quote the text that does"),
        ("a: `x`", "1:4: no value can begin with '`'; quote the text that does"),
        ("a: %x", "1:4: no value can begin with '%'; quote the text that does"),
        (
            "a: b: c",
            "1:5: ':' cannot stand here; quote a text that holds ': ', or check the indentation",
        ),
        ("a: 1\nfoo\nb: 2\n", "2:1: a key without its ':'; check it, and the indentation"),
        (
            "a: - b",
            "1:4: a list item cannot begin here; put '- ' on a line of its own below the key",
        ),
        ("a: 'x\nb: 1\n", "1:4: this quote is never closed"),
        ('a: "x\n--- y', "1:4: this quote is never closed"),
        (
            'a: "\\q"',
            "1:5: unknown escape; write two backslashes for one, or use single quotes",
        ),
        (
            'a: "\\xzz"',
            "1:7: unfinished escape; \\x, \\u and \\U take 2, 4 and 8 hexadecimal digits",
        ),
        (
            'a: "\\ud83d\\ude00"',
            (
                "1:7: this escape is no character; "
                "write the character itself, or \\U and 8 hexadecimal digits"
            ),
        ),
        (
            "a:\n  b: 1\n c: 2\n",
            "3:2: a key is expected here; check the indentation, and the quotes before this place",
        ),
        (
            "- a\nb: 1\n",
            "2:1: a list item ('- ') is expected here, as for the list that begins in line 1",
        ),
        ("a: [1,\n 2\nb: 3", "3:2: ',' or ']' is expected here, for the '[' of line 1"),
        ("a:\n  {b: 1\nc: 2", "3:2: ',' or '}' is expected here, for the '{' of line 2"),
        ("a: [\n\n\n", "1:5: a value is expected here"),
        ("a: ]", "1:4: a value is expected here"),
        (
            "[a] b",
            "1:5: nothing may follow the end of the document; check the indentation and the quotes",
        ),
        (
            "a: *\n",
            (
                "1:4: '*' begins an anchor or an alias and needs a name; "
                "quote a text that begins with it"
            ),
        ),
        ("a: |x\n b", "1:5: only a comment may follow '|' or '>' on its line"),
        (
            "a: !e!x 1",
            "1:4: '!' begins a tag, and this one is unknown; quote a text that begins with it",
        ),
        ("%YAML 2.0\n--- a", "1:1: wrong YAML syntax: found incompatible YAML document"),
        (
            "%x: 1",
            (
                "1:3: wrong YAML syntax: "
                "while scanning a directive, found unexpected non-alphabetical character"
            ),
        ),
        (
            "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n",
            "2:1: conflict marker of a merge; resolve the conflict first",
        ),
        ("a: 1\n=======\r\nb: 2\n", "2:1: conflict marker of a merge; resolve the conflict first"),
        (
            "a: 1\nb\n>>>>>>> x\nb: 2\n",
            "3:1: conflict marker of a merge; resolve the conflict first",
        ),
    ],
)
def test_wrong_syntax_is_one_finding_in_plain_words(text: str, found: str) -> None:
    """A syntax error is located, and says what to do."""
    assert faults(text) == [found]


def test_a_finding_shows_its_line_and_a_caret() -> None:
    """The text of the error is ready to be printed."""
    with pytest.raises(SourceError) as caught:
        parse("tasks:\r\n  a: 1\r\n  a: 2\r\n", "flows/x.yaml")
    assert str(caught.value) == (
        "flows/x.yaml:3:3: duplicate key 'a'; first at line 2\n  |   a: 2\n  |   ^"
    )


# --- positions --------------------------------------------------------------------------------

PLACED = """\
# a comment
name: gate
tasks:
  lint: {run: "ruff", args: [a, 'b',
                             c]}
  "unit test":
    text: |
      one
      two
    folded: one
      two
    list:
    - x
    -   - y
        - z
    empty:
last: &here !!str 3.10
again: *here
"""


@pytest.mark.parametrize(
    ("loc", "value", "key"),
    [
        ((), "2:1", "2:1"),
        (("name",), "2:7", "2:1"),
        (("tasks",), "4:3", "3:1"),
        (("tasks", "lint"), "4:9", "4:3"),
        (("tasks", "lint", "run"), "4:15", "4:10"),
        (("tasks", "lint", "args"), "4:29", "4:23"),
        (("tasks", "lint", "args", 0), "4:30", "4:30"),
        (("tasks", "lint", "args", 1), "4:33", "4:33"),
        (("tasks", "lint", "args", 2), "5:30", "5:30"),
        (("tasks", "unit test"), "7:5", "6:3"),
        (("tasks", "unit test", "text"), "7:11", "7:5"),
        (("tasks", "unit test", "folded"), "10:13", "10:5"),
        (("tasks", "unit test", "list"), "13:5", "12:5"),
        (("tasks", "unit test", "list", 0), "13:7", "13:7"),
        (("tasks", "unit test", "list", 1), "14:9", "14:9"),
        (("tasks", "unit test", "list", 1, 1), "15:11", "15:11"),
        (("tasks", "unit test", "empty"), "16:11", "16:5"),
        (("last",), "17:19", "17:1"),
        (("again",), "18:8", "18:1"),
        # What does not exist: the key of the nearest node that does.
        (("nope",), "2:1", "2:1"),
        (("nope", "deeper", 3), "2:1", "2:1"),
        (("tasks", "lint", "nope"), "4:3", "4:3"),
        (("tasks", "lint", "args", 3), "4:23", "4:23"),
        (("tasks", "lint", "args", -1), "4:23", "4:23"),
        (("tasks", "lint", "args", "0"), "4:23", "4:23"),
        (("tasks", "lint", "args", 1, "x"), "4:33", "4:33"),
        (("name", "x", "y"), "2:1", "2:1"),
        (("tasks", 0), "3:1", "3:1"),
        (("again", 0), "18:1", "18:1"),
    ],
)
def test_positions(loc: tuple[str | int, ...], value: str, key: str) -> None:
    """Each key and value stands at its first character; a lost path at the nearest key."""
    assert places(PLACED, loc) == [value]
    assert places(PLACED, loc, key=True) == [key]
    assert places(PLACED.replace("\n", "\r\n"), loc) == [value]


def test_positions_of_a_root_without_keys() -> None:
    """The root stands at its first token, whatever it is."""
    assert places("# c\n\n- a\n- b\n", (), (1,), (2,), ("x",)) == ["3:1", "4:3", "3:1", "3:1"]
    assert places("--- &a [1]\n", (), (0,)) == ["1:8", "1:9"]
    assert places("  text", (), ("x",)) == ["1:3", "1:3"]


def test_positions_behind_anchors_and_tags() -> None:
    """A node begins behind its anchor and its tag, also on a later line."""
    text = "&k a: &x !!map # why\n  b: 1\nc: &y\nd: ! [1]\n!!str e: !<tag:yaml.org,2002:str> 1\n"
    assert places(text, ("a",), ("c",), ("d",), ("e",)) == ["2:3", "3:4", "4:6", "5:35"]
    assert places(text, ("a",), ("e",), key=True) == ["1:4", "5:7"]


MERGED = """\
base: &base
  a: 1
  deep: {x: 1}
more: &more {m: [1, 2]}
one:
  <<: *base
  own: 1
two:
  a: 9
  <<: [*base, *more, {i: 5}]
three: {<<: {<<: *base, z: 1}}
alias: *base
"""


@pytest.mark.parametrize(
    ("loc", "value", "key"),
    [
        (("one", "a"), "2:6", "2:3"),
        (("one", "deep"), "3:9", "3:3"),
        (("one", "deep", "x"), "3:13", "3:10"),
        (("one", "own"), "7:8", "7:3"),
        (("one", "<<"), "5:1", "5:1"),
        (("one",), "6:3", "5:1"),
        (("two", "a"), "9:6", "9:3"),
        (("two", "m", 1), "4:21", "4:21"),
        (("two", "i"), "10:26", "10:23"),
        (("three", "a"), "2:6", "2:3"),
        (("three", "z"), "11:28", "11:25"),
        (("alias",), "12:8", "12:1"),
        (("alias", "deep", "x"), "3:13", "3:10"),
        (("alias", "nope"), "12:1", "12:1"),
    ],
)
def test_merged_and_aliased_nodes_stand_where_they_were_written(
    loc: tuple[str | int, ...], value: str, key: str
) -> None:
    """An alias stands for itself; what is below it, or merged in, stands in the anchor."""
    assert places(MERGED, loc) == [value]
    assert places(MERGED, loc, key=True) == [key]


def test_positions_survive_a_changed_document() -> None:
    """Data should not be changed, but a position never raises."""
    document = parse("a: {b: 1}\nc: 2\n", "f")
    assert isinstance(document.data, dict)
    document.data["z"] = [0]
    assert document.position(["z", 0]) == Position(1, 1)
    document.data.clear()
    assert document.position(["a", "b"]) == Position(1, 1)


def test_a_diagnostic_carries_its_source_line() -> None:
    """Findings of later stages are made from a path into the data."""
    document = parse("tasks:\n  a:\n    retry: x\n", "w.yaml")
    found = document.diagnostic(["tasks", "a", "retry"], "no number", severity="warning")
    assert found.render() == "w.yaml:3:12: warning: no number\n  |     retry: x\n  |            ^"
    at_key = document.diagnostic(["tasks", "a"], "no function", key=True)
    assert at_key.render() == "w.yaml:2:3: no function\n  |   a:\n  |   ^"


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("3.10", "3.10"),
        ("1.0", "1.0"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("+.5e3", "+.5e3"),
        ("-.INF", "-.INF"),
        ("True", "True"),
        ("~", "~"),
        ("NULL", "NULL"),
        ("", ""),
        ("plain text  # c", "plain text"),
        ("two\n    lines", "two lines"),
        ("&b 3.10", "3.10"),
        ("!!str 3.10", "3.10"),
        ("!!float 1", "1"),
        ("'3.10'", None),
        ('"x"', None),
        ("!!int '5'", None),
        ("|\n    text", None),
        (">\n    text", None),
        ("[1]", None),
        ("{a: 1}", None),
    ],
)
def test_written_is_the_text_of_a_plain_scalar(value: str, written: str | None) -> None:
    """The text before typing is kept for plain scalars, and for nothing else."""
    assert parse(f"a:\n  - {value}\n", "f").written(["a", 0]) == written


def test_written_follows_flow_and_aliases() -> None:
    """A scalar ends where its text ends, not at the line; an alias is written at its anchor."""
    document = parse("a: [&v 3.10, true,~ , 1]\nb: *v\n", "f")
    assert [document.written(["a", each]) for each in range(4)] == ["3.10", "true", "~", "1"]
    assert document.written(["b"]) == "3.10"
    assert document.written(["c"]) is None


def test_a_document_shows_its_path_alone() -> None:
    """The repr stays short in a failure."""
    assert repr(parse("a: 1\n", "w.yaml")) == "Document(path='w.yaml')"


# --- files ------------------------------------------------------------------------------------


def test_read_takes_the_path_to_show(tmp_path: Path) -> None:
    """A file is shown by the path given, else by its own."""
    file = tmp_path / "w.yaml"
    file.write_bytes(b"\xef\xbb\xbfa: 1\r\n")
    assert read(file, "w.yaml").path == "w.yaml"
    assert read(file).path == str(file)
    assert read(file).data == {"a": 1}


def test_read_reports_what_is_wrong_in_the_file(tmp_path: Path) -> None:
    """Faults of the text come with the path."""
    file = tmp_path / "w.yaml"
    file.write_text("a: {{x}}")
    with pytest.raises(SourceError, match=r'^w.yaml:1:4: unquoted template; write "\{\{x\}\}"'):
        read(file, "w.yaml")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("", "Is a directory"), ("none.yaml", "No such file or directory"), ("a\0b", "")],
)
def test_a_path_that_cannot_be_read_is_one_sentence(tmp_path: Path, name: str, reason: str) -> None:
    """A directory, a missing file and an impossible name are findings."""
    with pytest.raises(SourceError) as caught:
        read(tmp_path / name, "w.yaml")
    assert str(caught.value).startswith(f"w.yaml:1:1: cannot be read: {reason}")


def test_a_file_without_permission_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read everything, so the refusal is played."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "w.yaml")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SourceError, match=r"^w.yaml:1:1: cannot be read: Permission denied$"):
        read(tmp_path / "w.yaml", "w.yaml")


def test_a_file_over_the_bound_is_not_read(tmp_path: Path) -> None:
    """Both sizes are named; a sparse file shows that nothing is loaded."""
    file = tmp_path / "w.yaml"
    with file.open("wb") as stream:
        stream.truncate(50_000_000_000)
    with pytest.raises(SourceError) as caught:
        read(file, "w.yaml")
    assert str(caught.value) == (
        "w.yaml:1:1: file of 50,000,000,000 bytes; at most 10,000,000 are read"
    )
    file.write_bytes(b"a: 12")
    assert read(file, max_bytes=5).data == {"a": 12}
    with pytest.raises(SourceError, match="file of 5 bytes; at most 4 are read"):
        read(file, max_bytes=4)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_stream_without_a_size_is_read_up_to_the_bound() -> None:
    """A pipe tells no size; it is read as far as the bound goes."""
    source, sink = os.pipe()
    with os.fdopen(sink, "wb") as stream:
        stream.write(b"a: [1, 2]")
    assert read(Path(f"/dev/fd/{source}"), "pipe").data == {"a": [1, 2]}
    os.close(source)


# --- the parser in Python ---------------------------------------------------------------------


@pytest.fixture
def python_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyYAML as built without libyaml."""
    monkeypatch.setattr(building, "PARSER", yaml.BaseLoader)


@pytest.mark.usefixtures("python_parser")
@pytest.mark.parametrize("text", [PLACED, MERGED, PLACED.replace("\n", "\r\n"), bomb(4)])
def test_without_libyaml_documents_are_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Data and positions do not depend on how PyYAML was built."""
    other = parse(text, "f")
    monkeypatch.undo()
    native = parse(text, "f")
    assert other.data == native.data
    locs = list(leaves(native.data))
    assert [other.position(loc) for loc in locs] == [native.position(loc) for loc in locs]


@pytest.mark.usefixtures("python_parser")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: 1\na: 2\n", ["2:1: duplicate key 'a'; first at line 1"]),
        ("a: {{x}}", ['1:4: unquoted template; write "{{x}}"']),
        ("a:\n\tb: 1\n", ["2:1: a tab cannot stand here; YAML indents with blanks"]),
        ("[" * 3_000, ["1:101: nested deeper than 100 levels"]),
        ("a: [1", ["1:6: ',' or ']' is expected here, for the '[' of line 1"]),
        (
            "a\0",
            [f"1:2: character U+0000 {BARRED}"],
        ),
    ],
)
def test_without_libyaml_findings_are_the_same(text: str, found: list[str]) -> None:
    """Findings do not depend on how PyYAML was built."""
    assert faults(text) == found


def test_an_unknown_complaint_of_the_parser_is_still_a_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever PyYAML raises, a user sees no traceback."""

    def refuse(_: str) -> object:
        raise yaml.YAMLError("out of sorts")

    monkeypatch.setattr(building, "PARSER", refuse)
    assert faults("a: 1") == ["1:1: no YAML: out of sorts"]
    bare = yaml.MarkedYAMLError(problem="odd")
    monkeypatch.setattr(building, "PARSER", lambda _: (_ for _ in ()).throw(bare))
    assert faults("a: 1") == ["1:1: wrong YAML syntax: odd"]


# --- properties -------------------------------------------------------------------------------


def leaves(node: object, loc: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The path of every scalar in plain data."""
    if isinstance(node, dict):
        entries: list[tuple[str | int, object]] = list(node.items())
    elif isinstance(node, list):
        entries = list(enumerate(node))
    else:
        entries = []
        yield loc
    for part, child in entries:
        yield from leaves(child, (*loc, part))


def scalar_text(rest: str) -> str:
    """The text of the scalar with which `rest` begins, as PyYAML reads it."""
    return next(each.value for each in yaml.parse(rest) if isinstance(each, yaml.ScalarEvent))


def dumped_text(value: object) -> str:
    """The text that PyYAML writes for a scalar, without its quotes."""
    return value if isinstance(value, str) else yaml.safe_dump(value).split("\n")[0]


texts = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="\ufeff\x85\u2028\u2029"
    ),
    max_size=12,
)
scalars = st.one_of(
    texts, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)
)
plain = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(data=plain, flow=st.booleans(), unicode=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_dumped_data_comes_back_with_every_scalar_in_its_place(
    data: object, flow: bool, unicode: bool, end: str
) -> None:
    """Any plain data survives, and the text at each position reads as that scalar."""
    text = yaml.safe_dump(
        data,
        default_style='"',
        default_flow_style=flow,
        allow_unicode=unicode,
        sort_keys=False,
        line_break=end,
        width=1_000_000,
    )
    document = parse(text, "f")
    assert document.data == data
    assert repr(document.data) == repr(data)
    assert [scalar_text(pointed(document, loc)) for loc in leaves(data)] == [
        dumped_text(reduce(getitem, loc, data)) for loc in leaves(data)
    ]


@given(data=plain, indent=st.sampled_from([None, 2, "\t"]), ascii_only=st.booleans())
def test_json_is_yaml(data: object, indent: int | str | None, ascii_only: bool) -> None:
    """What `json.dumps` writes is read as it was meant."""
    document = parse(json.dumps(data, indent=indent, ensure_ascii=ascii_only), "f.json")
    assert document.data == data
    assert repr(document.data) == repr(data)


FRAGMENTS = [*"ab{}[]:,-?&*!|>'\"#%@\\\t \n0.", "- ", ": ", "<<: ", "&a ", "*a", "{{", "}}", "\r\n"]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=25))
def test_any_text_is_a_document_or_a_report(fragments: list[str]) -> None:
    """No text ends in another error, and each position is a place in the text."""
    text = "".join(fragments)
    assert outcome(text), text


def outcome(text: str) -> bool:
    """True when parsing gives places, or findings, that lie within the text."""
    try:
        document = parse(text, "f")
    except SourceError as error:
        found = [each.position for each in error.diagnostics]
    else:
        locs = list(leaves(document.data))
        found = [document.position(loc) for loc in locs]
        found += [document.position(loc, key=True) for loc in locs]
    return all(1 <= line <= text.count("\n") + 1 and column >= 1 for line, column in found)
