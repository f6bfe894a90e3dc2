"""Editing YAML: which characters change, which never do, and what is refused."""

import copy
import json
import re
import stat
from collections import Counter
from functools import lru_cache
from itertools import cycle
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pytest_highway.editing import nodes as yaml_nodes
from pytest_highway.editing.edit import Edit, EditRefused, edited, rendered, replace_file
from pytest_highway.editing.source import Change
from pytest_highway.errors import SourceError
from pytest_highway.reading.document import parse
from pytest_highway.reading.scalars import resolve

TEXT = "a\n  b\n"  # as a literal: two lines, the second further in


def change(before, edits):
    """The new text of a file after edits, given as `{loc: value}`."""
    wanted = [Edit(loc, value) for loc, value in edits.items()]
    return edited(before.encode(), wanted, path="f.yaml").decode()


def refusal(before, edits):
    """What `edited` refuses these edits with."""
    with pytest.raises(EditRefused) as caught:
        change(before, edits)
    return caught.value


@pytest.fixture(params=["libyaml", "python"])
def parser(request, monkeypatch):
    """Both of PyYAML's parsers: the other is there for systems without libyaml."""
    loader = {"libyaml": yaml_nodes.PARSER, "python": yaml.BaseLoader}[request.param]
    monkeypatch.setattr(yaml_nodes, "PARSER", loader)


def cases(table):
    """Parameters from `{id: (before, edits, after)}`."""
    return [pytest.param(*row, id=name) for name, row in table.items()]


# -- one line ----------------------------------------------------------------------------------

LINES = {
    "number": ("k: 1 # c\nl: 2\n", {("k",): 3}, "k: 3 # c\nl: 2\n"),
    "bool": ("k: 1\n", {("k",): True}, "k: true\n"),
    "false": ("k: true\n", {("k",): False}, "k: false\n"),
    "null": ("k: 'x'\n", {("k",): None}, "k: null\n"),
    "float": ("k: 1\n", {("k",): 2.5}, "k: 2.5\n"),
    "float is float": ("k: 1\n", {("k",): 1.0}, "k: 1.0\n"),
    "float with a point": ("k: 1\n", {("k",): 1e30}, "k: 1.0e+30\n"),
    "nan": ("k: 1\n", {("k",): float("nan")}, "k: .nan\n"),
    "infinities": (
        "- 1\n- 2\n",
        {(0,): float("inf"), (1,): float("-inf")},
        "- .inf\n- -.inf\n",
    ),
    "plain stays plain": ("k: x\n", {("k",): "y z"}, "k: y z\n"),
    "1.1 words are text": ("k: x\n", {("k",): "on"}, "k: on\n"),
    "text like a number": ("k: x\n", {("k",): "3.10"}, 'k: "3.10"\n'),
    "text like a null": ("k: x\n", {("k",): "~"}, 'k: "~"\n'),
    "empty text": ("k: x\n", {("k",): ""}, 'k: ""\n'),
    "colon": ("k: x\n", {("k",): "a: b"}, 'k: "a: b"\n'),
    "colon inside a word": ("k: x\n", {("k",): "a:b"}, "k: a:b\n"),
    "hash": ("k: x\n", {("k",): "a #b"}, 'k: "a #b"\n'),
    "hash inside a word": ("k: x\n", {("k",): "a#b"}, "k: a#b\n"),
    "template": ("k: x\n", {("k",): "{{a}}"}, 'k: "{{a}}"\n'),
    "brackets in a block": ("k: x\n", {("k",): "a, [b]"}, "k: a, [b]\n"),
    "brackets in brackets": ("k: [x]\n", {("k", 0): "a, [b]"}, 'k: ["a, [b]"]\n'),
    "alias in brackets": ("k: [x]\n", {("k", 0): "a, *b"}, 'k: ["a, *b"]\n'),
    "closing bracket": ("k: [x]\n", {("k", 0): "a]"}, 'k: ["a]"]\n'),
    "closing bracket in a block": ("k: x\n", {("k",): "a]"}, "k: a]\n"),
    "comma in brackets": ("k: {l: x}\n", {("k", "l"): "a,b"}, 'k: {l: "a,b"}\n'),
    "quotes in plain text": ("k: x\n", {("k",): 'say "a"'}, 'k: say "a"\n'),
    "double quotes in text": ("k: x\n", {("k",): '"a": b'}, "k: '\"a\": b'\n"),
    "outer blanks": ("k: x\n", {("k",): " a "}, 'k: " a "\n'),
    "single quotes stay": ("k: 'x' # c\n", {("k",): "it's"}, "k: 'it''s' # c\n"),
    "double quotes stay": ('k: "x"\n', {("k",): 'a\t"\\'}, 'k: "a\\t\\"\\\\"\n'),
    "single quotes give way": ("k: 'x'\n", {("k",): "a\x07b"}, 'k: "a\\u0007b"\n'),
    "quotes around a number": ("k: 'x'\n", {("k",): 5}, "k: 5\n"),
    "next line": ("k: x\n", {("k",): "a\x85b"}, 'k: "a\\u0085b"\n'),
    "line separator": ("k: x\n", {("k",): "a\u2028b"}, 'k: "a\\u2028b"\n'),
    "byte order mark": ("k: x\n", {("k",): "\ufeffa"}, 'k: "\\ufeffa"\n'),
    "carriage return": ("k: x\n", {("k",): "a\rb"}, 'k: "a\\rb"\n'),
    "wide characters": ("é: 日 # 本\nl: 1\n", {("é",): "😀"}, "é: 😀 # 本\nl: 1\n"),
    "nothing": ("k:\nl: 1\n", {("k",): 5}, "k: 5\nl: 1\n"),
    "nothing and a comment": ("k:  # c\nl: 1\n", {("k",): 5}, "k: 5  # c\nl: 1\n"),
    "nothing at the end": ("k:", {("k",): 5}, "k: 5"),
    "empty item": ("-\n- 1\n-\n", {(0,): 5, (2,): "x"}, "- 5\n- 1\n- x\n"),
    "nothing in brackets": ("{k: , l: 1}\n", {("k",): 5}, "{k: 5 , l: 1}\n"),
    "several lines of plain": ("k: a\n  b\n  c # c\n", {("k",): "x"}, "k: x # c\n"),
    "several lines in quotes": ('k: "a\n\n  b" # c\n', {("k",): "x"}, 'k: "x" # c\n'),
    "next line's value": ("k:\n  x # c\n", {("k",): "y"}, "k:\n  y # c\n"),
    "item": ("- x\n- y # c\n", {(1,): "z"}, "- x\n- z # c\n"),
    "items of items": ("- - a\n  - b\n", {(0, 1): "c"}, "- - a\n  - c\n"),
    "mapping in a list": ("- a: 1\n  b: 2\n", {(0, "b"): 3}, "- a: 1\n  b: 3\n"),
    "list in the key's column": ("k:\n- a\n- b\n", {("k", 1): "c"}, "k:\n- a\n- c\n"),
    "complex key": ("? k\n: x\n", {("k",): "y"}, "? k\n: y\n"),
    "number as a key": ("200: x\n", {("200",): "y"}, "200: y\n"),
    "quoted key": ('"k": x\n', {("k",): "y"}, '"k": y\n'),
    "pair in a list": ("[a: 1, b]\n", {(0, "a"): 2}, "[a: 2, b]\n"),
    "brackets over lines": ("k: [\n  1, # c\n  2\n]\n", {("k", 0): 3}, "k: [\n  3, # c\n  2\n]\n"),
    "no line break at the end": ("k: 1\nl: 2", {("l",): 3}, "k: 1\nl: 3"),
    "document markers": ("---\nk: 1\n...\n", {("k",): 2}, "---\nk: 2\n...\n"),
    "byte order mark before": ("\ufeffk: 1\n", {("k",): 2}, "\ufeffk: 2\n"),
    "anchor that nobody uses": ("k: &a x\n", {("k",): "y"}, "k: &a y\n"),
    "text tag": ("k: !!str 5\n", {("k",): "6"}, 'k: !!str "6"\n'),
    "beside a merge": (
        "b: &b {x: 1}\nk:\n  <<: *b\n  y: 2\n",
        {("k", "y"): 3},
        "b: &b {x: 1}\nk:\n  <<: *b\n  y: 3\n",
    ),
    "several at once": ("a: 1\nb: {c: 2}\n", {("b", "c"): 3, ("a",): 4}, "a: 4\nb: {c: 3}\n"),
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("before", "edits", "after"), cases(LINES))
def test_values_on_one_line(before, edits, after):
    """Only the characters of the value change, and quotes stay as far as they can."""
    assert change(before, edits) == after


# -- block text --------------------------------------------------------------------------------

BLOCKS = {
    "literal": ("k: |\n  x\nl: 1\n", {("k",): TEXT}, "k: |\n  a\n    b\nl: 1\n"),
    "its indentation": ("k: |\n     x\n", {("k",): TEXT}, "k: |\n     a\n       b\n"),
    "its comment": ("k: |  # c\n  x\n", {("k",): TEXT}, "k: |  # c\n  a\n    b\n"),
    "blank lines behind": ("k: |\n  x\n\n\nl: 1\n", {("k",): "a\n"}, "k: |\n  a\n\n\nl: 1\n"),
    "comment behind": ("k: |\n  x\n# c\nl: 1\n", {("k",): "a\n"}, "k: |\n  a\n# c\nl: 1\n"),
    "empty lines": ("k: |\n  x\n", {("k",): "\na\n\nb\n"}, "k: |\n\n  a\n\n  b\n"),
    "lines of blanks": ("k: |\n  x\n   \nl: 1\n", {("k",): "a\n \n"}, "k: |\n  a\n   \nl: 1\n"),
    "trailing blanks": ("k: |\n  x\n", {("k",): "a  \n"}, "k: |\n  a  \n"),
    "tabs": ("k: |\n  x\n", {("k",): "a\tb\n\tc\n"}, "k: |\n  a\tb\n  \tc\n"),
    "leading blank": ("k: |\n  x\n", {("k",): " a\nb\n"}, "k: |2\n   a\n  b\n"),
    "leading tab": ("k: |-\n  x\n", {("k",): "\ta"}, "k: |2-\n  \ta\n"),
    "indicator stays": ("k: |2-\n   x\n", {("k",): "a\nb"}, "k: |2-\n  a\n  b\n"),
    "indicator behind": ("k: |-2\n   x\n", {("k",): "a"}, "k: |-2\n  a\n"),
    "indicator, other end": ("k: |-2\n   x\n", {("k",): "a\n"}, "k: |2\n  a\n"),
    "deep": ("k: |\n            x\n", {("k",): " a"}, 'k: " a"\n'),
    "no last break": ("k: |\n  x\nl: 1\n", {("k",): "a\nb"}, "k: |-\n  a\n  b\nl: 1\n"),
    "a last break": ("k: |-\n  x\nl: 1\n", {("k",): "a\n"}, "k: |\n  a\nl: 1\n"),
    "strip stays": ("k: |-\n  x\n", {("k",): "a"}, "k: |-\n  a\n"),
    "keep stays": ("k: |+\n  x\n\n\nl: 1\n", {("k",): "a\n"}, "k: |+\n  a\nl: 1\n"),
    "keep, more lines": ("k: |+\n  x\nl: 1\n", {("k",): "a\n\n"}, "k: |+\n  a\n\nl: 1\n"),
    "keep, no break": ("k: |+\n  x\n\nl: 1\n", {("k",): "a"}, "k: |-\n  a\nl: 1\n"),
    "becomes keep": ("k: |\n  x\nl: 1\n", {("k",): "a\n\n"}, "k: |+\n  a\n\nl: 1\n"),
    "cannot keep": ("k: |\n  x\n\nl: 1\n", {("k",): "a\n\n"}, 'k: "a\\n\\n"\n\nl: 1\n'),
    "one line": ("k: |\n  x\n", {("k",): "a"}, "k: |-\n  a\n"),
    "nothing": ("k: |\n  x\nl: 1\n", {("k",): ""}, 'k: ""\nl: 1\n'),
    "only breaks": ("k: |\n  x\n", {("k",): "\n\n"}, 'k: "\\n\\n"\n'),
    "control character": ("k: |\n  x\n", {("k",): "a\x00\n"}, 'k: "a\\u0000\\n"\n'),
    "line separator": ("k: |\n  x\n", {("k",): "a\u2028\n"}, 'k: "a\\u2028\\n"\n'),
    "old line separator": ("k: |\n  x\u2028  y\nl: 1\n", {("k",): "a\n"}, "k: |\n  a\nl: 1\n"),
    "becomes a number": ("k: |  # c\n  x\n  y\nl: 1\n", {("k",): 5}, "k: 5  # c\nl: 1\n"),
    "becomes a list": ("k: |  # c\n  x\nl: 1\n", {("k",): [1]}, "k:  # c\n  - 1\nl: 1\n"),
    "without lines": ("k: |\nl: 1\n", {("k",): "a\n"}, "k: |\n  a\nl: 1\n"),
    "keep without lines": ("k: |+\nl: 1\n", {("k",): "a\n"}, "k: |+\n  a\nl: 1\n"),
    "file ends in it": ("k: |\n  x", {("k",): "a\nb\n"}, "k: |\n  a\n  b\n"),
    "file ends in it, no break": ("k: |\n  x", {("k",): "a\nb"}, "k: |-\n  a\n  b"),
    "file ends in keep": ("k: |+\n  x", {("k",): "a\nb\n"}, "k: |+\n  a\n  b\n"),
    "header ends the file": ("k: |", {("k",): "a\n"}, "k: |\n  a\n"),
    "folded, one line": ("k: >\n  x\n  y\n\n", {("k",): "a\n"}, "k: >\n  a\n\n"),
    "folded, no break": ("k: >\n  x\n", {("k",): "a"}, "k: >-\n  a\n"),
    "folded, several lines": (
        "k: >-\n  x\n  y\nl: 1\n",
        {("k",): TEXT},
        "k: |\n  a\n    b\nl: 1\n",
    ),
    "folded, lines of blanks": ("k: >\n  x\n  \nl: 1\n", {("k",): "a\n"}, "k: >\n  a\n  \nl: 1\n"),
    "from plain": ("k: x # c\nl: 1\n", {("k",): TEXT}, "k: | # c\n  a\n    b\nl: 1\n"),
    "from quotes": ("k: 'x'\n", {("k",): TEXT}, "k: |\n  a\n    b\n"),
    "from empty quotes": ('k: ""\n', {("k",): TEXT}, "k: |\n  a\n    b\n"),
    "from escaped breaks": ('k: "x\\n"\n', {("k",): TEXT}, 'k: "a\\n  b\\n"\n'),
    "from nothing": ("k:  # c\nl: 1\n", {("k",): TEXT}, "k: |  # c\n  a\n    b\nl: 1\n"),
    "from several lines": ("k: x\n  y # c\n", {("k",): "a\nb"}, "k: |- # c\n  a\n  b\n"),
    "from the next line": ("k:\n  x\n", {("k",): "a\n"}, "k:\n  |\n  a\n"),
    "from a list": ("k:\n- 1\n- 2\nl: 1\n", {("k",): TEXT}, "k: |\n  a\n    b\nl: 1\n"),
    "from brackets": ("k: [1, 2] # c\n", {("k",): "a\n"}, "k: | # c\n  a\n"),
    "in an item": ("- x\n- y\n", {(0,): TEXT}, "- |\n  a\n    b\n- y\n"),
    "in items of items": ("- - x\n", {(0, 0): " a\n"}, "- - |2\n     a\n"),
    "in a complex key": ("? k\n: x\n", {("k",): "a\n"}, "? k\n: |\n  a\n"),
    "in brackets": ("k: {l: x}\n", {("k", "l"): TEXT}, 'k: {l: "a\\n  b\\n"}\n'),
    "single quotes in brackets": ("[ 'x' ]\n", {(0,): TEXT}, '[ "a\\n  b\\n" ]\n'),
    "step of the file": ("k:\n    l: x\n", {("k", "l"): "a\n"}, "k:\n    l: |\n        a\n"),
    "with a tag": ("k: !!str x\n", {("k",): "a\n"}, "k: !!str |\n  a\n"),
    "with an anchor": ("k: &a |\n  x\n", {("k",): "b\n"}, "k: &a |\n  b\n"),
    "two at the end": ("k: 1\nl: 2", {("k",): "a\n", ("l",): "b\n"}, "k: |\n  a\nl: |\n  b\n"),
    "windows": (
        "k: |\r\n  x\r\n  y\r\nl: z\r\n",
        {("k",): "a\nb\n", ("l",): "c\nd"},
        "k: |\r\n  a\r\n  b\r\nl: |-\r\n  c\r\n  d\r\n",
    ),
    "windows, at the end": ("j: 1\r\nk: |\r\n  x", {("k",): "a\n"}, "j: 1\r\nk: |\r\n  a\r\n"),
    "old macintosh": ("k: |\r  x\rl: 1\r", {("k",): "a\nb\n"}, "k: |\r  a\r  b\rl: 1\r"),
    "mixed line ends": (
        "k: |\r\n  x\r\nl: |\n  y\n",
        {("k",): "a\nb\n", ("l",): "c\nd\n"},
        "k: |\r\n  a\r\n  b\r\nl: |\n  c\n  d\n",
    ),
    "unusual line ends": ("k: x\x85l: 1\n", {("k",): "a\n"}, "k: |\n  a\x85l: 1\n"),
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("before", "edits", "after"), cases(BLOCKS))
def test_texts_of_several_lines(before, edits, after):
    """A literal keeps its header, column and comment as far as they can hold the text."""
    assert change(before, edits) == after


# -- lists and mappings ------------------------------------------------------------------------

CONTAINERS = {
    "block list": (
        "k:\n  - 1 \n  - 2\nl: 1\n",
        {("k",): ["x", 5]},
        "k:\n  - x\n  - 5\nl: 1\n",
    ),
    "list in the key's column": ("k:\n- 1\nl: 1\n", {("k",): [2, 3]}, "k:\n- 2\n- 3\nl: 1\n"),
    "block mapping": ("k:\n    a: 1\n", {("k",): {"b": [1]}}, "k:\n    b:\n        - 1\n"),
    "list to mapping": ("k:\n- 1\nl: 1\n", {("k",): {"a": 2}}, "k:\n  a: 2\nl: 1\n"),
    "mapping to list": ("k:\n  a: 1\n", {("k",): [1, [2, 3]]}, "k:\n  - 1\n  - - 2\n    - 3\n"),
    "list to number": ("k:\n- 1\n- 2\nl: 1\n", {("k",): 5}, "k: 5\nl: 1\n"),
    "list to empty list": ("k:\n  - 1\nl: 1\n", {("k",): []}, "k: []\nl: 1\n"),
    "number to list": ("k: 5 # c\nl: 1\n", {("k",): [1]}, "k: # c\n  - 1\nl: 1\n"),
    "number to mapping": ("k: 5\nl: 1\n", {("k",): {"a": {}}}, "k:\n  a: {}\nl: 1\n"),
    "empty to list": ("k: []\n", {("k",): ["x"]}, "k:\n  - x\n"),
    "nothing to list": ("k:\nl: 1\n", {("k",): ["x"]}, "k:\n  - x\nl: 1\n"),
    "item to mapping": ("- 1\n- x\n", {(1,): {"a": 1, "b": 2}}, "- 1\n- a: 1\n  b: 2\n"),
    "item with a comment": ("- x # c\n", {(0,): {"a": 1}}, "- # c\n  a: 1\n"),
    "item further off": ("-   x\n", {(0,): {"a": 1, "b": 2}}, "-\n  a: 1\n  b: 2\n"),
    "text in an item": ("- |\n  x\n- 1\n", {(0,): {"a": 1, "b": 2}}, "- a: 1\n  b: 2\n- 1\n"),
    "empty item": ("-\n- 1\n", {(0,): {"a": 1, "b": 2}}, "- a: 1\n  b: 2\n- 1\n"),
    "item to list": ("- x\n", {(0,): [1, 2]}, "- - 1\n  - 2\n"),
    "item mapping": ("- a: 1\n  b: 2\n- 1\n", {(0,): {"c": 3}}, "- c: 3\n- 1\n"),
    "texts in it": (
        "k:\n- 1 \n- 2  \n",
        {("k",): ["a\nb\n", {"l": " c\nd"}]},
        "k:\n- |\n  a\n  b\n- l: |2-\n     c\n    d\n",
    ),
    "texts of many breaks in it": ("k:\n- 1\n", {("k",): ["a\n\n"]}, 'k:\n- "a\\n\\n"\n'),
    "literal at the end": ("k:\n- 1", {("k",): ["a\nb\n"]}, "k:\n- |\n  a\n  b\n"),
    "keys in it": (
        "k: 1\n",
        {("k",): {"5": 1, "a: b": 2, "<<": 3, "c d": 4, "": 5}},
        'k:\n  "5": 1\n  "a: b": 2\n  "<<": 3\n  c d: 4\n  "": 5\n',
    ),
    "brackets stay": ("k: [1, 2] # c\n", {("k",): [3, {"a": "x, y"}]}, 'k: [3, {a: "x, y"}] # c\n'),
    "brackets and texts": ("k: [1]\n", {("k",): [TEXT]}, 'k: ["a\\n  b\\n"]\n'),
    "brackets to nothing": ("k: [1, 2]\n", {("k",): []}, "k: []\n"),
    "braces to brackets": ("k: {a: 1}\n", {("k",): [None, True]}, "k: [null, true]\n"),
    "in brackets": ("k: [x, {a: 1}]\n", {("k", 1): {"a": {"b": []}}}, "k: [x, {a: {b: []}}]\n"),
    "lines in brackets": (
        "k: [\n  1,\n  2,\n  ]\nl: 1\n",
        {("k",): [3, 4, 5]},
        "k: [\n  3,\n  4,\n  5,\n  ]\nl: 1\n",
    ),
    "lines in braces": (
        "k: {\r\n  a: 1 }\r\n",
        {("k",): {"b": 1, "c": 2}},
        "k: {\r\n  b: 1,\r\n  c: 2 }\r\n",
    ),
    "aligned brackets": ("k: [1,\n    2]\n", {("k",): [3, 4]}, "k: [3, 4]\n"),
    "anchor": ("k: &a x\n", {("k",): ["y"]}, "k: &a\n  - y\n"),
    "anchor at a list": ("k: &a\n  - x\n", {("k",): ["y"]}, "k: &a\n  - y\n"),
    "anchor at a list, text": ("k: &a\n  - x\n", {("k",): "y"}, "k: &a y\n"),
    "comment before it": ("k: # c\n  # d\n  - x\n", {("k",): ["y"]}, "k: # c\n  # d\n  - y\n"),
    "comment behind it": ("k:\n  - x\n  # c\nl: 1\n", {("k",): ["y"]}, "k:\n  - y\n  # c\nl: 1\n"),
    "hash in its texts": ("k:\n  - '#a'\n  - b#c\n", {("k",): ["y"]}, "k:\n  - y\n"),
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("before", "edits", "after"), cases(CONTAINERS))
def test_lists_and_mappings(before, edits, after):
    """A list or a mapping is replaced as a whole, as a block or in brackets as it was."""
    assert change(before, edits) == after


# -- new keys ----------------------------------------------------------------------------------

INSERTS = {
    "in a block": ("k:\n  a: 1\nl: 1\n", {("k", "b"): 2}, "k:\n  a: 1\n  b: 2\nl: 1\n"),
    "at the top": ("k: 1\n", {("l",): "x: y"}, 'k: 1\nl: "x: y"\n'),
    "no line break at the end": ("k: 1", {("l",): 2}, "k: 1\nl: 2"),
    "text, no line break": ("k: 1", {("l",): TEXT}, "k: 1\nl: |\n  a\n    b\n"),
    "windows": ("k: 1\r\n", {("l",): [1]}, "k: 1\r\nl:\r\n  - 1\r\n"),
    "behind a comment": ("k: 1 # c\n", {("l",): 2}, "k: 1 # c\nl: 2\n"),
    "behind nothing": ("k:\n", {("l",): 2}, "k:\nl: 2\n"),
    "behind a bare key": ("? k\n", {("l",): 2}, "? k\nl: 2\n"),
    "behind a literal": (
        "k:\n  a: |\n    x\n\nl: 1\n",
        {("k", "b"): 2},
        "k:\n  a: |\n    x\n  b: 2\n\nl: 1\n",
    ),
    "behind blank lines of keep": ("a: |+\n  x\n\n", {("b",): 2}, "a: |+\n  x\n\nb: 2\n"),
    "in an item": ("- a: 1\n- b\n", {(0, "c"): 2}, "- a: 1\n  c: 2\n- b\n"),
    "before comments further out": (
        "k:\n  a: 1\n  # of k\n# of l\nl: 1\n",
        {("k", "b"): 2},
        "k:\n  a: 1\n  # of k\n  b: 2\n# of l\nl: 1\n",
    ),
    "before blank lines": (
        "k:\n  a: 1\n\n# c\nl: 1\n",
        {("k", "b"): 2},
        "k:\n  a: 1\n  b: 2\n\n# c\nl: 1\n",
    ),
    "list in the key's column": ("k:\n- 1\n", {("l",): [2]}, "k:\n- 1\nl:\n  - 2\n"),
    "two levels": (
        "k:\n  a:\n    b: 1\n",
        {("l",): 2, ("k", "a", "c"): 3, ("k", "d"): 4},
        "k:\n  a:\n    b: 1\n    c: 3\n  d: 4\nl: 2\n",
    ),
    "two keys": ("k: 1\n", {("l",): 2, ("m",): {"n": "x"}}, "k: 1\nl: 2\nm:\n  n: x\n"),
    "and a new value": ("k:\n", {("l",): 2, ("k",): TEXT}, "k: |\n  a\n    b\nl: 2\n"),
    "and a new last value": ("k: 1", {("l",): 2, ("k",): TEXT}, "k: |\n  a\n    b\nl: 2"),
    "braces": ("k: {a: 1}\n", {("k", "b"): "x"}, "k: {a: 1, b: x}\n"),
    "two in braces": ("{a: 1} # c\n", {("b",): 2, ("c",): [3]}, "{a: 1, b: 2, c: [3]} # c\n"),
    "empty braces": ("k: { } # c\n", {("k", "b"): TEXT}, 'k: {b: "a\\n  b\\n" } # c\n'),
    "braces, bare key": ("{a}\n", {("b",): 2}, "{a, b: 2}\n"),
    "braces, last comma": ("{a: 1, }\n", {("b",): 2}, "{a: 1, b: 2, }\n"),
    "braces, strange key": ("{a: 1}\n", {("b, c",): 2}, '{a: 1, "b, c": 2}\n'),
    "braces over lines": (
        "{\n  a: 1\n}\n",
        {("b",): 2, ("c",): 3},
        "{\n  a: 1,\n  b: 2,\n  c: 3\n}\n",
    ),
    "braces over lines, comment": (
        "{\n  a: 1, # c\n  b: 2 # d\n}\n",
        {("c",): 3},
        "{\n  a: 1, # c\n  b: 2, # d\n  c: 3\n}\n",
    ),
    "braces over lines, last comma": (
        "{\n  a: 1, # c\n}\n",
        {("b",): 2},
        "{\n  a: 1, # c\n  b: 2,\n}\n",
    ),
    "braces over lines, closed there": ("{\n  a: 1}\n", {("b",): 2}, "{\n  a: 1,\n  b: 2}\n"),
    "beside a merge": (
        "b: &b {x: 1}\nk:\n  <<: *b\n",
        {("k", "y"): 3},
        "b: &b {x: 1}\nk:\n  <<: *b\n  y: 3\n",
    ),
    "end of the document": ("k: 1\n...\n", {("l",): 2}, "k: 1\nl: 2\n...\n"),
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("before", "edits", "after"), cases(INSERTS))
def test_new_keys(before, edits, after):
    """A new key stands behind the last entry of its mapping, in the style of the mapping."""
    assert change(before, edits) == after


# -- all at once -------------------------------------------------------------------------------

NASTY = """\
# one # two
%YAML 1.1
---  # three
base: &base {status: success, "a b": [1, 2]}   # four
'it''s':  |2-  # five
    led
   text # no comment

# six
? tests
:
    "a: b" : >-   # seven
      folded
      text

    # eight
    deep:
      - - &x 5
        - *x # nine
      -   key :   plain
            text
          <<: *base
          list:
          - "#1"
          - {a: {b: }, # ten
             c}
    # eleven
last: |+
 x
 y

# twelve
...
# thirteen
"""
NASTY_EDITS = {
    ("it's",): "a\n b\n",
    ("tests", "a: b"): "one line",
    ("tests", "deep", 1, "key"): "# hash",
    ("tests", "deep", 1, "list", 0): None,
    ("tests", "deep", 1, "list", 1, "a", "b"): "c: d",
    ("tests", "deep", 1, "new"): ["x", "y\nz"],
    ("tests", "more"): {"a": 1},
    ("last",): "z\n\n\n",
    ("end",): "x\ny",
}
NASTY_AFTER = """\
# one # two
%YAML 1.1
---  # three
base: &base {status: success, "a b": [1, 2]}   # four
'it''s':  |2  # five
  a
   b

# six
? tests
:
    "a: b" : >-   # seven
      one line

    # eight
    deep:
      - - &x 5
        - *x # nine
      -   key :   "# hash"
          <<: *base
          list:
          - null
          - {a: {b: "c: d" }, # ten
             c}
          new:
              - x
              - |-
                y
                z
    # eleven
    more:
        a: 1
last: |+
 z


end: |-
    x
    y
# twelve
...
# thirteen
"""


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_nasty_yaml(end, mark):
    """Many edits of one file do as each of them does, with any line ends."""
    before = mark + NASTY.replace("\n", end)
    assert change(before, NASTY_EDITS) == mark + NASTY_AFTER.replace("\n", end)


# -- JSON --------------------------------------------------------------------------------------

JSON_TEXT = (
    '{\n  "a": ["\\ud83d\\ude00", 1],\n  "b": {\n    "c": null\n  },\n  "d": [\n    1\n  ]\n}\n'
)
JSON = {
    "value": ({("a", 1): "x"}, '"\\ud83d\\ude00", 1', '"\\ud83d\\ude00", "x"'),
    "before it": ({("a", 0): "\x7f\ud7ff\t"}, '"\\ud83d\\ude00", 1', '"\\u007f\ud7ff\\t", 1'),
    "new key": ({("b", "e"): [True]}, '"c": null', '"c": null,\n    "e": [true]'),
    "lines": ({("d",): ["x", {"y": "z"}]}, "1\n  ]", '"x",\n    {"y": "z"}\n  ]'),
    "text": ({("a",): "l\nm\n"}, '["\\ud83d\\ude00", 1]', '"l\\nm\\n"'),
    "mapping": ({("b", "c"): {}}, "null", "{}"),
}


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize(("edits", "old", "new"), cases(JSON))
def test_json_stays_json(edits, old, new):
    """In a JSON file every text is in double quotes; escaped pairs before it shift nothing."""
    after = change(JSON_TEXT, edits)
    assert after == JSON_TEXT.replace(old, new)
    json.loads(after)


def test_json_has_no_nan():
    """A number that JSON cannot write is refused in a JSON file."""
    refused = refusal(JSON_TEXT, {("b", "c"): float("nan")})
    assert refused.reason == "'b.c' cannot be updated: JSON has no nan"


def test_yaml_may_become_json():
    """Brackets that are no JSON before an edit may be JSON behind it."""
    assert change("[x]\n", {(0,): 1}) == "[1]\n"


# -- refusals ----------------------------------------------------------------------------------

REFUSALS = {
    "document": ("k: 1\n", {(): 5}, "not replaced as a whole"),
    "alias": ("a: &a 1\nk: *a\n", {("k",): 2}, "by the alias '*a'"),
    "below an alias": ("a: &a {b: 1}\nk: *a\n", {("k", "b"): 2}, "by the alias '*a'"),
    "new key in an alias": ("a: &a {b: 1}\nk: *a\n", {("k", "c"): 2}, "by the alias '*a'"),
    "aliased": ("k: &a 1\nl: *a\n", {("k",): 2}, "aliases of '&a' take it over"),
    "below an aliased": ("k: &a {b: 1}\nl: *a\n", {("k", "b"): 2}, "aliases of '&a'"),
    "new key of an aliased": ("k: &a {b: 1}\nl: *a\n", {("k", "c"): 2}, "aliases of '&a'"),
    "merged": ("a: &a {b: 1}\nk:\n  <<: *a\n", {("k", "b"): 2}, "it comes by '<<'"),
    "key by an alias": ("a: &a b\nk:\n  *a : 1\n", {("k", "b"): 2}, "or its key by an alias"),
    "number tag": ("k: !!int 5\n", {("k",): 6}, "it has a tag"),
    "text tag": ("k: !!str 5\n", {("k",): 6}, "it has a tag"),
    "list tag": ("k: !!seq [5]\n", {("k",): [6]}, "it has a tag"),
    "comment in a list": ("k:\n  - 1 # c\n  - 2\n", {("k",): [3]}, "a comment in it"),
    "comment at its end": ("k:\n  - 1\n  - 2 # c\n", {("k",): [3]}, "a comment in it"),
    "comment between": ("k:\n  - 1\n  # c\n  - 2\n", {("k",): [3]}, "a comment in it"),
    "comment in brackets": ("k: [ # c\n  1]\n", {("k",): [3]}, "a comment in it"),
    "comment in empty brackets": ("k: [ # c\n  ]\n", {("k",): [3]}, "a comment in it"),
    "comment before brackets": ("k: [1\n  # c\n  ]\n", {("k",): [3]}, "a comment in it"),
    "comment of a literal": ("k:\n  - | # c\n    1\n", {("k",): [3]}, "a comment in it"),
    "anchor in a list": ("k:\n  - &a 1\n", {("k",): [3]}, "an anchor or an alias in it"),
    "alias in a list": ("a: &a 1\nk:\n  - *a\n", {("k",): [3]}, "an anchor or an alias in it"),
    "tag in a list": ("k:\n  - !!str 1\n", {("k",): [3]}, "a tag in it"),
    "comment before a list": ("k: # c\n  - 1\n", {("k",): 5}, "more than blanks"),
    "comment behind an anchor": ("k: &a # c\n  - 1\n", {("k",): 5}, "more than blanks"),
    "anchor at nothing": ("k: &a\nl: 1\n", {("k",): 5}, "more than blanks"),
    "key without a colon": ("? k\n", {("k",): 5}, "no ':' before it"),
    "bare key in braces": ("{k, l: 1}\n", {("k",): 5}, "no ':' before it"),
    "comment below": ("k: x\n   # c\nl: 1\n", {("k",): TEXT}, "the comment below it would become"),
    "comment further below": (
        "k: x\n\n  # c\n",
        {("k",): TEXT},
        "the comment below it would become",
    ),
    "comment without a blank": ("k: 'x'#c\n", {("k",): TEXT}, "'#c' follows in its line"),
    "comment would be text": ("k: 5#c\nl: 'x'#c\n", {("l",): 5}, "not read back as wanted"),
    "file ends in a literal": ("k: |\n  x", {("l",): 1}, "would gain one"),
    "second key of a pair": ("[a: 1]\n", {(0, "b"): 2}, "a pair without braces"),
    "no such place": ("k: 1\n", {("l", "m"): 2}, "'l' is not there"),
    "no mapping": ("k: 1\n", {("k", "m"): 2}, "'m' is not there"),
    "no mapping but null": ("k:\n", {("k", "m"): 2}, "'m' is not there"),
    "no such item": ("k: [1]\n", {("k", 1): 2}, "1 is not there"),
    "item from behind": ("k: [1]\n", {("k", -1): 2}, "-1 is not there"),
    "number as a key": ("k: {a: 1}\n", {("k", 0): 2}, "0 is not there"),
    "same place": ("k: [1]\n", {("k",): 2, ("k", 0): 3}, "another edit is of the same place"),
    "same place, outer last": ("k: [1]\n", {("k", 0): 3, ("k",): 2}, "another edit is of"),
    "no plain data": ("k: 1\n", {("k",): (1, 2)}, "'tuple' is no type of plain data"),
    "no plain data below": ("k: 1\n", {("k",): [{"a": {1}}]}, "'set' is no type of plain data"),
    "key that is no text": ("k: 1\n", {("k",): {5: 1}}, "the key 5 is no text"),
    "surrogate": ("k: 1\n", {("k",): "\ud800"}, "it holds U+D800, a lone surrogate"),
    "surrogate as a key": ("k: 1\n", {("\ud800",): 1}, "it holds U+D800, a lone surrogate"),
    "number without end": ("k: 1\n", {("k",): 10**3600}, "could not be read afterwards: number of"),
    "indentation beyond nine": (
        "k:\n            l: 1\n",
        {("k", "m"): " a\nb\n"},
        "could not be read afterwards",
    ),
    "literal above a comment": ("k: 1\n\n   # c\n", {("l",): TEXT}, "not read back as wanted"),
    "literal above a comment, two": (
        "k: 1\n\n   # c\n",
        {("k",): 2, ("l",): TEXT},
        "'l' cannot be updated: the file would not read back as wanted",
    ),
}


@pytest.mark.parametrize(("before", "edits", "why"), cases(REFUSALS))
def test_refusals(before, edits, why):
    """What would lose something of the author's is refused, with the reason."""
    assert why in refusal(before, edits).reason


def test_refusal_of_deep_data():
    """Data that are nested without end are refused, not followed."""
    endless = []
    endless.append(endless)
    assert "nested deeper than 100 levels" in refusal("k: 1\n", {("k",): endless}).reason


def test_refusal_of_twice_the_same_place():
    """Two edits of one place are refused even where they agree."""
    with pytest.raises(EditRefused, match="another edit is of the same place"):
        edited(b"k: 1\n", [Edit(("k",), 2), Edit(("k",), 2)], path="f")


def test_refusal_says_where_why_and_what_to_paste():
    """The reason has the place; the block stands in the column of its neighbours."""
    before = "t:\n    c:\n        log:\n            - a # c\n"
    refused = refusal(before, {("t", "c", "log"): ["b", "c\nd\n"]})
    assert refused.place == "f.yaml:4:13"
    assert refused.reason == "'t.c.log' cannot be updated: there is a comment in it"
    assert (
        refused.block == "        log:\n          - b\n          - |\n            c\n            d"
    )
    assert refused.told == f"{refused.reason}; to paste:\n{refused.block}"
    assert str(refused) == f"{refused.place}: {refused.told}"


def test_refusal_of_an_item_has_its_dash():
    """The block for an item of a list begins with its dash."""
    refused = refusal("k:\n  - a\n  - !!int 5\n", {("k", 1): 6})
    assert refused.block == "  - 6"


def test_refusal_without_a_value_has_no_block():
    """Where there is nothing to paste, the reason is all."""
    refused = refusal("k: 1\n", {("k",): object()})
    assert (refused.block, refused.told) == ("", refused.reason)


def test_refusal_of_all_where_one_is_refused():
    """It is all edits or none, and the one at fault is named."""
    refused = refusal("k: 1\nl: !!int 2\n", {("k",): 3, ("l",): 4})
    assert "'l' cannot be updated" in refused.reason


def test_refusal_of_edits_that_only_fail_together(monkeypatch):
    """Where each edit alone would do, the refusal names all and has all blocks."""
    monkeypatch.setattr(
        "pytest_highway.editing.edit._Plan.is_kept", lambda plan, *_: len(plan._changes) < 2
    )
    refused = refusal("k: 1\nl: 2\n", {("k",): 3, ("l",): 4})
    assert str(refused).startswith(
        "f.yaml:1:1: 'k', 'l' cannot be updated together: another value of the file would change"
    )
    assert refused.block == "k: 3\nl: 4"


def test_a_wrong_change_is_never_returned(monkeypatch):
    """Whatever a change does, the text is read again: a node that was not meant gives a refusal."""
    kept = "k: 1\nl: 'x'\n"
    wrong = {
        kept.replace("1", "2").replace("'x'", "x"): "another value of the file would change",
        kept.replace("1", "2").replace("'x'", "'y'"): "the file would not read back as wanted",
        kept.replace("1", "'2'"): "the file would not read back as wanted",
        kept.replace("1", "&a 2"): "another value of the file would change",
        "l: 'x'\nk: 2\n": "the file would not read back as wanted",
        "k: [\n": "the file could not be read afterwards",
    }
    for text, why in wrong.items():
        monkeypatch.setattr("pytest_highway.editing.edit._Plan.text", lambda _, text=text: text)
        assert why in refusal(kept, {("k",): 2}).reason


def test_changes_of_the_same_characters_are_refused(monkeypatch):
    """Changes that meet are refused, even where each alone would do."""
    meeting = {1: Change(0, 5, "k: 3\n", 1), 3: Change(4, 9, "\nl: 4", 1)}
    monkeypatch.setattr(
        "pytest_highway.editing.edit.replaced", lambda source, site, value: meeting[site.order]
    )
    assert "of the same characters" in refusal("k: 1\nl: 2", {("k",): 3, ("l",): 4}).reason


def test_broken_file_is_no_refusal():
    """A file that cannot be read gives the findings of its reading."""
    with pytest.raises(SourceError, match="first at line 1"):
        edited(b"k: 1\nk: 2\n", [Edit(("k",), 3)], path="f")


# -- nothing to do -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "edits"),
    [
        ("k: 1\n", {}),
        ("k: 0x10 # c\n", {("k",): 16}),
        ("k: >\n  a\n  b\n", {("k",): "a b\n"}),
        ("k: [1, # c\n 2]\n", {("k",): [1, 2]}),
        ("a: &a 1\nk: *a\n", {("k",): 1}),
        ("k: .NaN\n", {("k",): float("nan")}),
    ],
)
def test_a_value_that_is_there_is_left_alone(before, edits):
    """What reads as wanted keeps every character, whatever its form."""
    assert change(before, edits) == before


@pytest.mark.parametrize(
    ("old", "new", "shown"), [("1", 1.0, "1.0"), ("1", True, "true"), ("-0.0", 0.0, "0.0")]
)
def test_equal_values_of_other_types_differ(old, new, shown):
    """1, 1.0 and true are three values, and a zero has a sign."""
    assert change(f"k: {old}\n", {("k",): new}) == f"k: {shown}\n"


# -- rendered ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "indent", "text"),
    [
        (5, 2, "  5"),
        ("a\n\nb\n", 2, "  |\n    a\n\n    b"),
        ({"k": "a\nb"}, 4, "    k: |-\n      a\n      b"),
        ([1, {"a": [], "b": [True]}], 0, "- 1\n- a: []\n  b:\n    - true"),
        ({}, 1, " {}"),
    ],
)
def test_rendered(value, indent, text):
    """Each line stands behind so many blanks; the last has no line break."""
    assert rendered(value, indent) == text


def test_rendered_refuses_what_is_no_data():
    """What YAML cannot say is a ValueError."""
    with pytest.raises(ValueError, match="'object' is no type of plain data"):
        rendered(object(), 0)


# -- replace_file ------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    """A file in a folder of its own, neither readable for all nor for its owner alone."""
    made = tmp_path / "a.yaml"
    made.write_bytes(b"old")
    made.chmod(0o640)
    return made


def names(folder):
    """The names of what is in a folder."""
    return sorted(each.name for each in folder.iterdir())


def failing(*_, **__):
    """Fails as a full disk does."""
    raise OSError(28, "No space left on device")


def interrupted(*_, **__):
    """Fails as if by Ctrl-C."""
    raise KeyboardInterrupt


def test_replace_file(file):
    """The content is new, the mode is the old one, nothing else is in the folder."""
    replace_file(file, b"old", b"new")
    assert file.read_bytes() == b"new"
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert names(file.parent) == ["a.yaml"]


def test_replace_file_through_links(file):
    """A symbolic link stays one; what it leads to is replaced, in its own folder."""
    links = file.parent / "links"
    links.mkdir()
    (links / "b.yaml").symlink_to("c.yaml")
    (links / "c.yaml").symlink_to(file)
    replace_file(links / "b.yaml", b"old", b"new")
    assert (links / "b.yaml").readlink() == Path("c.yaml")
    assert file.read_bytes() == b"new"
    assert names(links) == ["b.yaml", "c.yaml"]


def test_replace_file_refuses_a_changed_file(file):
    """What somebody wrote meanwhile is not lost."""
    with pytest.raises(EditRefused, match=r"a\.yaml: changed since it was read") as caught:
        replace_file(file, b"older", b"new")
    assert caught.value.block == ""
    assert file.read_bytes() == b"old"
    assert names(file.parent) == ["a.yaml"]


def test_replace_file_refuses_a_change_while_it_writes(file, monkeypatch):
    """The comparison comes last, behind all that takes time."""
    monkeypatch.setattr("os.fsync", lambda _: file.write_bytes(b"newer"))
    with pytest.raises(EditRefused, match="changed since it was read"):
        replace_file(file, b"old", b"new")
    assert file.read_bytes() == b"newer"


def test_replace_file_refuses_a_read_only_file(file):
    """A file without the right to write is left alone, though its folder would allow it."""
    file.chmod(0o440)
    with pytest.raises(EditRefused, match=r"a\.yaml: cannot be replaced: the file is read-only"):
        replace_file(file, b"old", b"new")
    assert file.read_bytes() == b"old"


@pytest.mark.parametrize(("denied", "what"), [("a.yaml", "the file"), (None, "its folder")])
def test_replace_file_refuses_without_rights(file, monkeypatch, denied, what):
    """Who may not write to the file or its folder gets one sentence."""
    forbidden = file if denied else file.parent
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != forbidden)
    with pytest.raises(EditRefused, match=f"cannot be replaced: {what} is read-only"):
        replace_file(file, b"old", b"new")
    assert file.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["gone.yaml", "a.yaml/b.yaml", "broken.yaml", "circle.yaml"])
def test_replace_file_refuses_what_is_not_there(file, name):
    """A missing file, a broken link and links in a circle are refused, not created."""
    (file.parent / "broken.yaml").symlink_to("gone.yaml")
    (file.parent / "circle.yaml").symlink_to("circle.yaml")
    with pytest.raises(EditRefused, match="cannot be replaced: "):
        replace_file(file.parent / name, b"old", b"new")
    assert names(file.parent) == ["a.yaml", "broken.yaml", "circle.yaml"]


def test_replace_file_refuses_a_folder(tmp_path):
    """A folder is no file."""
    with pytest.raises(EditRefused, match="cannot be replaced: "):
        replace_file(tmp_path, b"", b"new")


@pytest.mark.parametrize("step", ["os.fsync", "shutil.copymode", "pathlib.Path.replace"])
def test_replace_file_leaves_nothing_behind(file, monkeypatch, step):
    """Whatever fails, the old file is there, and nothing beside it."""
    monkeypatch.setattr(step, failing)
    with pytest.raises(EditRefused, match="cannot be replaced: No space left on device"):
        replace_file(file, b"old", b"new")
    assert file.read_bytes() == b"old"
    assert names(file.parent) == ["a.yaml"]


@pytest.mark.parametrize("step", ["os.fsync", "shutil.copymode", "pathlib.Path.replace"])
def test_replace_file_leaves_nothing_behind_when_interrupted(file, monkeypatch, step):
    """Ctrl-C is no refusal; it leaves the old file and nothing beside it."""
    monkeypatch.setattr(step, interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_file(file, b"old", b"new")
    assert file.read_bytes() == b"old"
    assert names(file.parent) == ["a.yaml"]


# -- any YAML ----------------------------------------------------------------------------------
#
# Random data, written in random styles with comments and blank lines everywhere. Each place of such
# a file is replaced and each mapping extended, one by one, and several at once at random. What comes
# out is read by the reader of workflows, not by the editor's own; comments are found by PyYAML.

PIECES = ["x", "golden", "5", "null", "~", "3.10", ".nan", "on", "日本😀", "", " lead", "trail "]
PIECES += [
    "a: b",
    "key:",
    "a #b",
    "#",
    "- x",
    "-",
    "? x",
    "---",
    "<<",
    "*a",
    "&a",
    "!t",
    "%x",
    "@x",
]
PIECES += ["it's", 'say "a"', "a\\b", "[a, b]", "{{params.code}}", "a,b", ">", "tab\there", "\ttab"]
PIECES += ["a\x85b", "a\u2028b", "a\rb", "a\x07b", "\ufeffa"]
TEXT_LINES = [
    "",
    "",
    "a",
    "  info: b",
    "c -> d",
    "# no comment",
    "   ",
    "\tq",
    "x: y",
    "- z",
    "d  ",
]
TEXT_LINES += ["'q'", "...", "---", "日本", "{a}"]
NAMES = ["a", "b", "status", "task-1", "each[0]/check", "GET https://x/y", "5", "true", "a b"]
NAMES += ["k: k", "#k", "<<", "é", "q'q", "", "-", "{x}", "*s", "new"]

texts = st.sampled_from(PIECES) | st.builds(
    lambda lines, end: "\n".join(lines) + end,
    st.lists(st.sampled_from(TEXT_LINES), min_size=1, max_size=4),
    st.sampled_from(["", "\n", "\n", "\n\n", "\n\n\n"]),
)
scalars = texts | st.sampled_from([None, True, False, 5, -7, 1e30, -0.0, 0.5, float("nan")])


def below(inner, least=0):
    """Lists and mappings of these."""
    names = st.sampled_from(NAMES)
    return st.lists(inner, min_size=least, max_size=3) | st.dictionaries(
        names, inner, min_size=least, max_size=3
    )


values = scalars | below(scalars | below(scalars))
documents = below(values | below(values, least=2), least=2)


COMMENT = re.compile("#[^\n\r\x85\u2028\u2029]*")


class Writer:
    """Writes data as YAML, in a style that `random` chooses anew at each place."""

    def __init__(self, random):
        self.random = random
        self.comments = 0
        self.anchored = []
        self.has_anchors = self.one_in(4)

    def one_in(self, number):
        """True once in so many times."""
        return self.random.randrange(number) == 0

    def comment(self):
        """A comment unlike any other."""
        self.comments += 1
        return f"# ¤{self.comments}¤ k: v"

    def tail(self):
        """What may follow a value in its line."""
        return self.random.choice(["", "", "", "", "  ", f"  {self.comment()}"])

    def noise(self, column):
        """What may stand between two entries."""
        comments = [f"{' ' * column}{self.comment()}\n", f"{self.comment()}\n"]
        return self.random.choice([*[""] * 9, "\n", *comments])

    def document(self, data):
        """The text of a file."""
        if self.one_in(6):
            return self.flow(data, 1) + self.tail() + "\n"
        start = self.random.choice(["", "", "---\n"])
        return start + self.noise(0) + self.block(data, 0)

    def scalar(self, value, is_flow):
        """A scalar on one line."""
        forms = [rendered(value, 0)]
        if isinstance(value, str):
            forms = [json.dumps(value).replace("\x7f", "\\x7f")]
            is_line = value.isprintable() or value == "tab\there"
            forms += ["'" + value.replace("'", "''") + "'"] * is_line
            forms += [value] * (3 * is_plain(value, is_flow))
        return self.random.choice(forms)

    def flow(self, value, column=0):
        """A value in brackets; from `column` on, where there is one, each entry has its line."""
        if isinstance(value, dict):
            items = [f"{self.scalar(key, True)}: {self.flow(each)}" for key, each in value.items()]
            start, end = "{}"
        elif isinstance(value, list):
            items = [self.flow(each) for each in value]
            start, end = "[]"
        else:
            return self.scalar(value, True)
        if not items or not column:
            return start + ", ".join(items) + ", " * (bool(items) and self.one_in(5)) + end
        lead = " " * column
        ends = [*[","] * (len(items) - 1), self.random.choice(["", ","])]
        lines = [
            f"{lead}{each}{comma}{self.tail()}\n" for each, comma in zip(items, ends, strict=True)
        ]
        return f"{start}\n{''.join(lines)}{lead[1:]}{end}"

    def block(self, value, column):
        """The lines of a list or a mapping that is not empty."""
        step = self.random.choice([1, 2, 2, 4])
        lead = " " * column
        parts = []
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(value, list):
                head, inner = "-", 2
            else:
                head = f"{self.scalar(key, False)}:"
                head = f"? {head[:-1]}\n{lead}:" if self.one_in(15) else head
                inner = step
            parts.append(lead + head + self.value(each, column, inner, isinstance(value, list)))
            parts.append(self.noise(column))
        return "".join(parts)

    def value(self, value, column, inner, in_list):
        """What follows a `-` or `key:`, with its line break."""
        known = [f" *n{at}" for at, each in enumerate(self.anchored) if repr(each) == repr(value)]
        if known and self.one_in(2):
            return known[0] + self.tail() + "\n"
        dress = self.dress(value)
        if isinstance(value, dict | list) and value and not self.one_in(3):
            if in_list and not dress and self.one_in(2):
                return " " + self.block(value, column + inner).lstrip(" ")
            is_left = isinstance(value, list) and not in_list and self.one_in(2)
            lines = self.block(value, column if is_left else column + inner)
            return f" {dress}".rstrip() + self.tail() + "\n" + self.noise(column) + lines
        if isinstance(value, dict | list):
            text = self.flow(value, self.one_in(3) and column + inner + 1)
            return f" {dress}{text}{self.tail()}\n"
        if value is None and not dress and self.one_in(2):
            return self.tail() + "\n"
        if isinstance(value, str) and is_literal(value) and self.one_in(2):
            return f" {dress}{self.literal(value, column, inner)}"
        gap = "\n" + " " * (column + inner) if self.one_in(8) else " "
        return gap + dress + self.scalar(value, False) + self.tail() + "\n"

    def dress(self, value):
        """An anchor, a tag or, mostly, nothing."""
        if self.has_anchors and self.one_in(6):
            self.anchored.append(value)
            return f"&n{len(self.anchored) - 1} "
        return "!!str " if isinstance(value, str) and self.one_in(12) else ""

    def literal(self, text, column, inner):
        """A text as a literal, or as a folded text where that is the same."""
        trailing = len(text) - len(text.rstrip("\n"))
        chomping = ["-", self.random.choice(["", "+"]), "+"][min(trailing, 2)]
        is_led = text.lstrip("\n").startswith((" ", "\t"))
        is_line = "\n" not in text.rstrip("\n") and not is_led
        inner += self.random.randrange(2)
        style = self.random.choice("|>") if is_line else "|"
        indicator = str(inner) if is_led or self.one_in(5) else ""
        lead = " " * (column + inner)
        lines = [lead + line if line else "" for line in text.removesuffix("\n").split("\n")]
        behind = "" if chomping == "+" else self.random.choice(["", "", "", "\n"])
        return f"{style}{indicator}{chomping}{self.tail()}\n" + "\n".join(lines) + "\n" + behind


def is_literal(text):
    """Can a literal hold this text?"""
    return bool(text.strip(" \n")) and re.search("[\x00-\x08\r\x85\u2028\ufeff]", text) is None


def is_plain(text, is_flow):
    """Is this text, without quotes, itself as a key and as a value?"""
    if not text.isprintable() or not isinstance(resolve(text), str) or text[:1] in "&*!<":
        return False
    form = "{{{0}: {0}}}" if is_flow else "{0}: {0}"
    try:
        return yaml.load(form.format(text), Loader=yaml.BaseLoader) == {text: text}
    except (yaml.YAMLError, TypeError):
        return False


def entries(value):
    """Keys or indices with what stands there."""
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def locs_of(value, loc=()):
    """All paths into data, that of the whole first."""
    yield loc
    for key, each in entries(value):
        yield from locs_of(each, (*loc, key))


def at(data, loc):
    """What stands at a path."""
    for part in loc:
        data = data[part]
    return data


def is_readable(content):
    """Is it a document? What `Writer` writes is one nearly always."""
    try:
        parse(content, "f")
    except SourceError:
        return False
    return True


def written(random, data):
    """The bytes of a file that holds data like these."""
    text = Writer(random).document(data)
    if random.randrange(8) == 0 and "NaN" not in json.dumps(data):
        text = json.dumps(data, indent=random.choice([None, 2]))
    text = text.removesuffix(random.choice(["", "", "", "\n"]))
    text = text.replace("\n", random.choice(["\n"] * 7 + ["\r\n"] * 2 + ["\r"]))
    return (random.choice(["", "", "", "\ufeff"]) + text).encode()


@st.composite
def samples(draw):
    """A file, and edits to be tried on it."""
    random = draw(st.randoms(use_true_random=False))
    content = draw(documents.map(lambda data: written(random, data)).filter(is_readable))
    return content, draw(trials_of(parse(content, "f").data))


@st.composite
def trials_of(draw, data):
    """Edits of these data: some at once, then each place and each new key by itself."""
    some = cycle(draw(st.lists(values, min_size=2, max_size=5)))
    new = cycle(draw(st.permutations(NAMES)))
    trials = [draw(edits_of(data))]
    for loc in locs_of(data):
        trials += [{loc: next(some)} for _ in range(2 if loc else 0)]
        if isinstance(at(data, loc), dict):
            trials.append({(*loc, next(new)): next(some)})
    return trials


@st.composite
def edits_of(draw, data):
    """Edits of different places of these data, known ones and new keys."""
    locs = list(locs_of(data))
    mappings = [each for each in locs if isinstance(at(data, each), dict)]
    places = st.sampled_from(locs[1:])
    if mappings:
        new = st.tuples(st.sampled_from(mappings), st.sampled_from(NAMES))
        places |= new.map(lambda place: (*place[0], place[1]))
    number = draw(st.sampled_from([1, 1, 1, 2, 4]))
    return draw(st.dictionaries(places, values, min_size=1, max_size=number))


# What the tables above edit, whatever it is: each file with data at all is one of the corpus.
CORPUS = sorted(
    {NASTY, *(row[0] for table in (LINES, BLOCKS, CONTAINERS, INSERTS) for row in table.values())}
)
CORPUS += [
    "a: &x {k: 1, l: [2]}\nb:\n  <<: *x\n  m: 3  # own\nc: *x\nd: [*x, &y z, *y]\n",
    "k: |+\n  x\n\n\nl: |2\n   y\n  z\nm: >+\n  f\n  g\n\n  h\n\nn: >2-\n    i\n  j\n",
    "k: [a,  # one\n  {b: c,  # two\n   d: 'e\n   f'},\n\n  g]  # three\n",
    "? k\n: - a\n  - ? l\n    : b\n",
    "a:\t1\t# tab\nb: 'x\ty'\nc: \"p\\tq\"\n",
    "a: x\u2028b: 1\u2029# c\x85d: [2]\n",
    "      # far in\na:\n# left\n    b: 1\n          # further in\n    c: 2\n  # out\nd: 3\n # end",
    "%YAML 1.2\n---\na: !!str 5\nb: !!str six\n...\n",
]
BROKEN_ENDS = ["\n", "\r\n", "\r"]


@st.composite
def corpus_samples(draw):
    """A file of the corpus, with other line ends, a mark or no last line end; and edits for it."""
    text = draw(st.sampled_from(CORPUS)).replace("\n", draw(st.sampled_from(BROKEN_ENDS)))
    text = draw(st.sampled_from(["", "\ufeff"])) + draw(
        st.sampled_from([text, text.rstrip("\r\n")])
    )
    content = text.encode()
    assume(is_readable(content))
    data = parse(content, "f").data
    assume(len(list(locs_of(data))) > 1)
    return content, draw(trials_of(data))


def attempt(content, edits):
    """The bytes after edits; the old ones where they are refused."""
    try:
        return edited(content, [Edit(*each) for each in edits.items()], path="f")
    except EditRefused:
        return content


def faults(before, edits, after):
    """What is wrong with the bytes after edits, if these are not the old ones."""
    if after == before:
        return []
    old, new = before.decode(), after.decode()
    document = parse(before, "f")
    wanted = copy.deepcopy(document.data)
    for loc, value in edits.items():
        at(wanted, loc[:-1])[loc[-1]] = value
    start, end = reach(document, edits)
    # An item is its own key; the blanks before it go where it leaves its line.
    around = document.text[:start].rstrip(), document.text[end:]
    checks = {
        "data": repr(parse(after, "f").data) == repr(wanted),
        "comments": are_in_order(comments_of(old), new),
        "mark": old.startswith("\ufeff") == new.startswith("\ufeff"),
        "before": new.removeprefix("\ufeff").startswith(around[0]),
        "behind": new.endswith(around[1]),
    }
    return [name for name, is_kept in checks.items() if not is_kept]


@lru_cache(maxsize=1)  # of a file that is edited again and again
def comments_of(text):
    """The comments of a text: what begins with `#` between tokens, or behind `|` and `>`."""
    text = text.removeprefix("\ufeff")
    if is_json(text):
        return []  # and PyYAML does not know all of it
    found, end = [], 0
    for token in [*yaml.scan(text, Loader=yaml.CSafeLoader)]:
        found += COMMENT.findall(text[end : token.start_mark.index])
        end = max(end, token.end_mark.index)
        if isinstance(token, yaml.ScalarToken) and token.style in ("|", ">"):
            found += COMMENT.findall(text[token.start_mark.index : end].splitlines()[0])
    return found + COMMENT.findall(text[end:])


def is_json(text):
    """Is it JSON?"""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def are_in_order(parts, text):
    """Are these in a text, one after another?"""
    end = 0
    for part in parts:
        start = text.find(part, end)
        if start < 0:
            return False
        end = start + len(part)
    return True


def reach(document, edits):
    """From where to where edits may change a text: from the first one's key to the next key."""
    breaks = re.finditer("\r\n|[\n\r\x85\u2028\u2029]", document.text)
    starts = [0, *(each.end() for each in breaks)]
    index = {}
    for loc in locs_of(document.data):
        line, column = document.position(loc, key=True)
        index[loc] = starts[line - 1] + column - 1
    known = [loc if loc in index else loc[:-1] for loc in edits]
    last = max(index[loc] for loc in index for each in known if loc[: len(each)] == each)
    ends = [each for each in index.values() if each > last]
    return min(index[loc] for loc in known), min(ends, default=len(document.text))


@pytest.mark.parametrize(
    ("strategy", "files"),
    [pytest.param(samples(), 800, id="any"), pytest.param(corpus_samples(), 1_800, id="nasty")],
)
def test_ten_thousand_edits_without_a_silent_change(strategy, files):
    """An edit is refused or does what it says, and then to nothing but its place."""
    tried = Counter()

    @given(strategy)
    @settings(max_examples=files, deadline=None, derandomize=True, database=None)
    def try_all(sample):
        before, trials = sample
        for edits in trials:
            after = attempt(before, edits)
            tried[after != before] += 1
            assert faults(before, edits, after) == []

    try_all()
    assert tried.total() >= 10_000
    assert tried[True] > 7_000, "most of them are not refused"
