"""Lines: modes, patterns, differences and updates, held against their plain definitions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_highway.matching.alignment import assign
from pytest_highway.matching.lines import (
    LineDifference,
    Mode,
    compare_lines,
    escape_lines,
    line_faults,
    split_lines,
    update_lines,
)

# A busy machine is no failure.
UNTIMED = settings(deadline=None)

MODES: tuple[Mode, ...] = ("exact", "subset", "contains", "unordered")

# Few and alike, so that random lists of them meet in every way that matters.
EXPECTED = ["a", "b", "ab", "", "...", "a* (glob)", "? (glob)", "[ab]+ (re)", "a (eq)", "... (eq)"]
ACTUAL = ["a", "b", "ab", "", "..."]
SINGLE = [line for line in EXPECTED if line != "..."]


def expected_lists(size: int = 6) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(EXPECTED), max_size=size)


def actual_lists(size: int = 6) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(ACTUAL), max_size=size)


def single_lists(size: int = 5) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(SINGLE), max_size=size)


def difference(
    expected: Sequence[str], actual: Sequence[str], mode: Mode = "exact"
) -> LineDifference:
    found = compare_lines(expected, actual, mode)
    assert found is not None
    return found


# Plain definitions -------------------------------------------------------------------------------

ENDINGS: dict[str, Callable[[str, str], bool]] = {
    "(eq)": lambda text, line: text == line,
    "(re)": lambda text, line: re.fullmatch(text, line) is not None,
    "(glob)": lambda text, line: naive_glob(text, line),
}


def naive_glob(glob: str, line: str) -> bool:
    """A glob without escapes, by its definition."""
    if not glob:
        return not line
    if glob[0] == "*":
        return any(naive_glob(glob[1:], line[start:]) for start in range(len(line) + 1))
    return bool(line) and glob[0] in ("?", line[0]) and naive_glob(glob[1:], line[1:])


def naive_fits(expected: str, line: str) -> bool:
    text, _, ending = expected.rpartition(" ")
    named = ENDINGS.get(ending)
    return named(text, line) if named else expected == line


def naive_exact(expected: Sequence[str], actual: Sequence[str]) -> bool:
    if not expected:
        return not actual
    if expected[0] == "...":
        return any(naive_exact(expected[1:], actual[at:]) for at in range(len(actual) + 1))
    return (
        bool(actual)
        and naive_fits(expected[0], actual[0])
        and naive_exact(expected[1:], actual[1:])
    )


def naive_contains(expected: Sequence[str], actual: Sequence[str]) -> bool:
    places = itertools.combinations(range(len(actual) + 1), 2)
    return any(naive_exact(expected, actual[start:end]) for start, end in [*places, (0, 0)])


def naive_subset(expected: Sequence[str], actual: Sequence[str]) -> bool:
    chosen = itertools.combinations(actual, len(expected))
    return any(all(map(naive_fits, expected, each)) for each in chosen)


def naive_unordered(expected: Sequence[str], actual: Sequence[str]) -> bool:
    orders = itertools.permutations(actual)
    return len(expected) == len(actual) and any(
        all(map(naive_fits, expected, order)) for order in orders
    )


@UNTIMED
@given(expected_lists(), actual_lists())
def test_exact_is_what_its_definition_says(expected: list[str], actual: list[str]) -> None:
    """Leftmost placing of the runs between `...` decides as trying every place does."""
    assert (compare_lines(expected, actual) is None) == naive_exact(expected, actual)


@UNTIMED
@given(expected_lists(), actual_lists())
def test_contains_is_what_its_definition_says(expected: list[str], actual: list[str]) -> None:
    """Some unbroken block of the actual lines is as `exact` has it."""
    assert (compare_lines(expected, actual, "contains") is None) == naive_contains(expected, actual)


@UNTIMED
@given(single_lists(), actual_lists())
def test_subset_is_what_its_definition_says(expected: list[str], actual: list[str]) -> None:
    """Some choice of actual lines, in their order, fits line by line."""
    assert (compare_lines(expected, actual, "subset") is None) == naive_subset(expected, actual)


@UNTIMED
@given(expected_lists(), actual_lists())
def test_subset_does_not_care_about_dots(expected: list[str], actual: list[str]) -> None:
    """In `subset` a `...` says what holds anyway."""
    plain = [line for line in expected if line != "..."]
    with_dots = compare_lines(expected, actual, "subset")
    assert (with_dots is None) == (compare_lines(plain, actual, "subset") is None)


@UNTIMED
@given(single_lists(), actual_lists(5))
def test_unordered_is_what_its_definition_says(expected: list[str], actual: list[str]) -> None:
    """Some order of the actual lines fits line by line."""
    assert (compare_lines(expected, actual, "unordered") is None) == naive_unordered(
        expected, actual
    )


@UNTIMED
@given(st.text("ab*?", max_size=6), st.text("ab", max_size=6))
def test_glob_is_what_its_definition_says(glob: str, line: str) -> None:
    """Taking each part at its leftmost place decides as trying every place does."""
    assert (compare_lines([f"{glob} (glob)"], [line]) is None) == naive_glob(glob, line)


@UNTIMED
@given(st.lists(st.lists(st.integers(0, 4), max_size=4), max_size=5))
def test_assign_pairs_as_many_as_can_be(choices: list[list[int]]) -> None:
    """The pairing is valid, and no other pairing is larger."""
    chosen = assign(choices)
    given_away = [number for number in chosen if number is not None]
    largest = max(
        len(set(each) - {None}) for each in itertools.product(*([*c, None] for c in choices))
    )
    assert all(number is None or number in c for number, c in zip(chosen, choices, strict=True))
    assert len(set(given_away)) == len(given_away) == largest


# Lines -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n", [""]),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\n\n", ["a", ""]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\rb\x0bc\u2028d", ["a\rb\x0bc\u2028d"]),
    ],
)
def test_split_lines_ends_lines_at_line_feeds_only(text: str, lines: list[str]) -> None:
    """One final line end begins no line, and CRLF is LF."""
    assert split_lines(text) == lines


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ("a+ (re)", "aaa"),
        (" (re)", ""),
        ("[[a] (re)", "["),
        ("x* (glob)", "x"),
        ("x*z (glob)", "x y z"),
        ("*aab (glob)", "aaaab"),
        (r"\*\?\\ (glob)", "*?\\"),
        (r"a\b (glob)", r"a\b"),
        ("args=['?'] (glob)", "args=['x']"),
        ("a (re) (eq)", "a (re)"),
        ("... (eq)", "..."),
        (" (eq)", ""),
        ("(re)", "(re)"),
        ("....", "...."),
        (" ...", " ..."),
    ],
)
def test_an_expected_line_fits(expected: str, line: str) -> None:
    """The ending says what a line stands for."""
    assert compare_lines([expected], [line]) is None


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        ("a+ (re)", "aab"),
        ("a (re)", "a (re)"),
        ("x?z (glob)", "xz"),
        (r"\* (glob)", "x"),
        ("[ab] (glob)", "a"),
        ("a (eq)", "a (eq)"),
        ("( (re)", "("),
        ("a{99999999999999999999} (re)", "a"),
        ("A", "a"),
        ("a", "a "),
    ],
)
def test_an_expected_line_does_not_fit(expected: str, line: str) -> None:
    """A pattern has to match the whole line, and one that is not valid fits nothing."""
    assert compare_lines([expected], [line]) is not None


@pytest.mark.parametrize("mode", MODES)
def test_an_expression_that_is_not_valid_fits_nothing(mode: Mode) -> None:
    """In no mode does a broken pattern let a line pass."""
    assert compare_lines(["( (re)"], ["("], mode) is not None


@pytest.mark.parametrize(
    ("expected", "mode", "faults"),
    [
        (["a", "...", "* (glob)", "a+ (re)", "( (re) (eq)"], "exact", []),
        ([], "exact", []),
        ([], "unordered", []),
        (
            ["a", "( (re)"],
            "exact",
            [
                (
                    1,
                    (
                        "'( (re)' is no regular expression (missing ), unterminated subpattern at"
                        " position 0); a line as it stands ends in ' (eq)'"
                    ),
                )
            ],
        ),
        (["...", "..."], "exact", [(0, "only '...', which stands for any lines and cannot fail")]),
        (["..."], "contains", [(0, "only '...', which stands for any lines and cannot fail")]),
        ([], "subset", [(0, "no lines to look for, so that the match 'subset' cannot fail")]),
        ([], "contains", [(0, "no lines to look for, so that the match 'contains' cannot fail")]),
        (
            ["a", "..."],
            "unordered",
            [
                (
                    1,
                    "'...' says nothing where the order is free; name the lines, or match 'subset'",
                )
            ],
        ),
    ],
)
def test_line_faults_are_found_before_any_run(
    expected: list[str], mode: Mode, faults: list[tuple[int, str]]
) -> None:
    """Patterns that are not valid, and lines that nothing could fail, are named by number."""
    assert line_faults(expected, mode) == faults


@UNTIMED
@given(st.lists(st.text(alphabet="ab.()reglobq \r", max_size=9)))
def test_escaped_lines_expect_just_themselves(lines: list[str]) -> None:
    """Whatever a line looks like, its escaped form fits it and has no fault."""
    assert compare_lines(escape_lines(lines), lines) is None
    assert [why for _, why in line_faults(escape_lines(lines))] == []


def test_only_lines_that_look_special_are_escaped() -> None:
    """An ordinary line is written as it is."""
    assert escape_lines(["a", "...", "a (re)", "a (glob)", "a (eq)", "a(re)"]) == [
        "a",
        "... (eq)",
        "a (re) (eq)",
        "a (glob) (eq)",
        "a (eq) (eq)",
        "a(re)",
    ]


def test_lines_may_come_in_any_sequence() -> None:
    """Tuples are as good as lists."""
    assert compare_lines(("a", "..."), ("a", "b")) is None


# Differences -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expected", "actual", "mode", "first", "summary"),
    [
        ("a|b|c", "a|x|c", "exact", (1, 1), "line 2: expected 'b', got 'x'"),
        ("a|b|c", "a|c", "exact", (1, None), "line 2: missing 'b', got 'c'"),
        ("a|c", "a|b|c", "exact", (None, 1), "line 2: unexpected 'b'"),
        ("a|b", "a", "exact", (1, None), "line 2: expected 'b', got nothing"),
        ("a", "a|b", "exact", (None, 1), "line 2: unexpected 'b'"),
        ("a|*x (glob)", "a|y", "exact", (1, 1), "line 2: expected '*x (glob)', got 'y'"),
        ("a|...|d 1", "a|b|c|d 2", "exact", (2, 3), "line 4: expected 'd 1', got 'd 2'"),
        ("x|...", "a|b", "exact", (0, 0), "line 1: expected 'x', got 'a'"),
        (
            "a|...|saved 3 rows|...|z",
            "a|b|saved 4 rows|c|z",
            "exact",
            (2, 2),
            "line 3: expected 'saved 3 rows', got 'saved 4 rows'",
        ),
        (
            "a|...|x = [0-9]+ (re)|...|z",
            "a|b|x = [0-z]|c|z",
            "exact",
            (2, 2),
            "line 3: expected 'x = [0-9]+ (re)', got 'x = [0-z]'",
        ),
        ("a|...|q|...|z", "a|b|c|z", "exact", (2, None), "line 2 to 3: missing 'q'"),
        ("a|...|...|b", "a", "exact", (3, None), "line 2: expected 'b', got nothing"),
        (
            "b|c",
            "a|b|x|c",
            "contains",
            (None, 2),
            "no such block of lines; where it comes nearest, line 3: unexpected 'x'",
        ),
        (
            "saved 3",
            "a|saved 4",
            "contains",
            (0, 1),
            (
                "no such block of lines; where it comes nearest,"
                " line 2: expected 'saved 3', got 'saved 4'"
            ),
        ),
        (
            "q|r",
            "a|b",
            "contains",
            (0, None),
            "no such block of lines; none is there, the first being 'q'",
        ),
        ("a|q|c", "a|b|c", "subset", (1, None), "line 2: missing 'q'"),
        (
            "a|c|b",
            "a|b|x|c",
            "subset",
            (1, None),
            "line 2: missing 'c', got 'b'; it stands out of order, in line 4",
        ),
        ("a|...|q", "a|b", "subset", (2, None), "line 2: missing 'q'"),
        ("a|q", "a", "subset", (1, None), "line 2: expected 'q', got nothing"),
        ("a|b", "b|c", "unordered", (0, 1), "missing 'a', unexpected 'c' in line 2"),
        ("a|a|b", "b", "unordered", (0, None), "2 lines missing, first 'a'"),
        ("a", "b|a|c", "unordered", (None, 0), "2 lines unexpected, first 'b' in line 1"),
        ("a|...", "a|b", "unordered", (1, 1), "missing '...', unexpected 'b' in line 2"),
    ],
)
def test_a_difference_is_told_in_one_line(
    expected: str, actual: str, mode: Mode, first: tuple[int | None, int | None], summary: str
) -> None:
    """The summary and the numbers name the first lines that differ."""
    found = difference(expected.split("|"), actual.split("|"), mode)
    assert (found.first_expected, found.first_actual, found.summary) == (*first, summary)


@pytest.mark.parametrize(
    ("expected", "actual", "mode", "diff"),
    [
        pytest.param(
            "1|2|3|4|5|6|7|8|9",
            "1|2|3|4|x|6|7|8|9",
            "exact",
            "@@ -2,7 +2,7 @@| 2| 3| 4|-5|+x| 6| 7| 8",
            id="three lines of context",
        ),
        pytest.param(
            "q|1|2|3|4|5|6|7|8|r",
            "1|2|3|4|5|6|7|8",
            "exact",
            "@@ -1,4 +1,3 @@|-q| 1| 2| 3|@@ -7,4 +6,3 @@| 6| 7| 8|-r",
            id="two hunks",
        ),
        pytest.param("a", "", "exact", "@@ -1,1 +0,0 @@|-a", id="nothing left"),
        pytest.param(
            "n: ? (glob)|a|n: ? (glob)",
            "n: 1|b|n: 2",
            "exact",
            "@@ -1,3 +1,3 @@| n: 1|-a|+b| n: 2",
            id="a pattern that fits is context",
        ),
        pytest.param(
            "a* (glob)|foo",
            "new|abc|bar",
            "exact",
            "@@ -1,2 +1,3 @@|+new| abc|-foo|+bar",
            id="a pattern that moved is context",
        ),
        pytest.param(
            "a|...|b|c",
            "a|b|x|b|d",
            "exact",
            "@@ -1,4 +1,5 @@| a| ...| b|-c|+d",
            id="dots absorb what makes the change small",
        ),
        pytest.param(
            "b|c",
            "1|2|b|x|c|3",
            "contains",
            "@@ -1,2 +1,6 @@| ...| b|+x| c| ...",
            id="what is around a block is dots",
        ),
        pytest.param(
            "a|q|c|d|e",
            "a|b|c|d|x|e",
            "subset",
            "@@ -1,4 +1,4 @@| a|-q| ...| c| d",
            id="what a subset leaves out is dots",
        ),
        pytest.param("a|b", "c|a", "unordered", "-b|+c", id="no order, no hunks"),
    ],
)
def test_a_diff_shows_the_changes_in_context(
    expected: str, actual: str, mode: Mode, diff: str
) -> None:
    """Patterns and dots that hold are context, all else is signed."""
    found = difference(expected.split("|"), [each for each in actual.split("|") if each], mode)
    assert found.diff == ["--- expected", "+++ actual", *diff.split("|")]


@pytest.mark.parametrize(
    ("expected", "actual", "rows"),
    [
        ("a ", "a", "-'a '|+'a'|?column 2: expected U+0020 SPACE, got the end"),
        ("a\tb", "a b", "-'a\\tb'|+'a b'|?column 2: expected U+0009 TAB, got U+0020 SPACE"),
        (
            "a\xa0b",
            "a b",
            "-'a\\xa0b'|+'a b'|?column 2: expected U+00A0 NO-BREAK SPACE, got U+0020 SPACE",
        ),
        (
            "a\u200bb",
            "ab",
            (
                "-'a\\u200bb'|+'ab'|"
                "?column 2: expected U+200B ZERO WIDTH SPACE, got U+0062 LATIN SMALL LETTER B"
            ),
        ),
        (
            "\ufeffa",
            "a",
            (
                "-'\\ufeffa'|+'a'|"
                "?column 1: expected U+FEFF ZERO WIDTH NO-BREAK SPACE, got U+0061 LATIN SMALL LETTER A"
            ),
        ),
        ("a\r", "a", "-'a\\r'|+'a'|?column 2: expected U+000D CARRIAGE RETURN, got the end"),
        (
            "caf\xe9",
            "cafe\u0301",
            (
                "-'caf\\xe9'|+'cafe\\u0301'|?column 4: expected U+00E9 LATIN SMALL LETTER E WITH "
                "ACUTE, got U+0065 LATIN SMALL LETTER E"
            ),
        ),
        (
            "p\u0430y",
            "pay",
            (
                "-'p\\u0430y'|+'pay'|"
                "?column 2: expected U+0430 CYRILLIC SMALL LETTER A, got U+0061 LATIN SMALL LETTER A"
            ),
        ),
        (
            "it\u2019s",
            "it's",
            (
                "-'it\\u2019s'|+\"it's\"|"
                "?column 3: expected U+2019 RIGHT SINGLE QUOTATION MARK, got U+0027 APOSTROPHE"
            ),
        ),
        ("a\x85", "a", "-'a\\x85'|+'a'|?column 2: expected U+0085, got the end"),
        ("\xe9 ", "\xe9", "-'\xe9 '|+'\xe9'|?column 2: expected U+0020 SPACE, got the end"),
        ("a\tb", "c\x1b[0m", "-a\\tb|+c\\x1b[0m"),
        ("one ", "two\t", "-'one '|+'two\\t'"),
    ],
)
def test_what_cannot_be_seen_is_made_visible(expected: str, actual: str, rows: str) -> None:
    """Lines that look alike are quoted and the first character that differs is named; blanks at
    the end are quoted always, and a control character never reaches the terminal."""
    assert difference([expected], [actual]).diff[3:] == rows.split("|")


@pytest.mark.parametrize(
    ("expected", "actual", "rows"),
    [
        ("save 3 rows", "save 4 rows", "-save 3 rows|+save 4 rows|?     ^"),
        ("save 300 rows", "save 304 rows", "-save 300 rows|+save 304 rows|?     ^^^"),
        ("saved the rows", "saved rows", "-saved the rows|?      ^^^^|+saved rows"),
        ("saved rows", "saved the rows", "-saved rows|+saved the rows|?      ^^^^"),
        ("saved (re)", "saves (re)", "-saved (re)|+saves (re)"),
        ("one two", "two one", "-one two|+two one"),
        ("caf\xe9 1 rows", "caf\xe9 2 rows", "-caf\xe9 1 rows|+caf\xe9 2 rows"),
        ("x" * 118 + " 1", "x" * 118 + " 22", f"-{'x' * 118} 1|+{'x' * 118} 22"),
        ("save 3|far", "save 4|off", "-save 3|+save 4|?     ^|-far|+off"),
        ("far|save 3", "off|save 4", "-far|+off|-save 3|+save 4|?     ^"),
        ("save 3|far", "save 4", "-save 3|-far|+save 4"),
    ],
)
def test_words_that_differ_are_marked_in_lines_that_are_nearly_one(
    expected: str, actual: str, rows: str
) -> None:
    """Only in lines of ASCII that a terminal does not wrap, that are no patterns, and that face
    each other in a change with as many lines on both sides."""
    assert difference(expected.split("|"), actual.split("|")).diff[3:] == rows.split("|")


HEADS = re.compile(r"(\w+): ")


def test_hunks_are_cut_by_task_and_named() -> None:
    """The lines of a task stand together, also where the whole text has changed."""
    expected = ["a: f()", "  info: 1", "b: f()", "  info: 2", "  info: 3", "c: f()", "d: f()"]
    actual = ["a: g()", "  info: 9", "x: f()", "b: f()", "  info: 2", "  info: 8", "c: f()"]
    found = compare_lines(expected, actual, "exact", HEADS)
    assert found is not None
    assert [(each.task, each.lines) for each in found.hunks] == [
        (
            "a",
            [
                "@@ -1,2 +1,2 @@ a",
                "-a: f()",
                "+a: g()",
                "?   ^",
                "-  info: 1",
                "+  info: 9",
                "?        ^",
            ],
        ),
        ("x", ["@@ -2,0 +3,1 @@ x", "+x: f()"]),
        (
            "b",
            [
                "@@ -3,4 +4,4 @@ b",
                " b: f()",
                "   info: 2",
                "-  info: 3",
                "+  info: 8",
                "?        ^",
                " c: f()",
            ],
        ),
        ("d", ["@@ -7,1 +7,0 @@ d", "-d: f()"]),
    ]


@pytest.mark.parametrize(
    ("expected", "actual", "rows"),
    [
        ("a: 1|b: 1", "b: 2|c: 2", "-a: 1|-b: 1|+b: 2|+c: 2"),
        ("a: 1|b: 1|c: 1", "c: 2|a: 2", "+c: 2|-a: 1|+a: 2|-b: 1|-c: 1"),
        ("a: 1|a: 2|b: 1", "a: 3|b: 2|b: 3", "-a: 1|-a: 2|+a: 3|-b: 1|+b: 2|+b: 3"),
        ("  x|a: 1", "  y|a: 2", "-  x|+  y|-a: 1|+a: 2"),
        ("  x|  y", "a: 2|  z|b: 2", "-  x|-  y|+a: 2|+  z|+b: 2"),
        ("a: 1|  x", "  y", "-a: 1|-  x|+  y"),
    ],
)
def test_the_lines_of_a_task_face_each_other(expected: str, actual: str, rows: str) -> None:
    """As far as the tasks of both sides have one order; no line is lost."""
    found = compare_lines(expected.split("|"), actual.split("|"), "exact", HEADS)
    assert found is not None
    assert [line for line in found.diff[2:] if line[0] in "+-"] == rows.split("|")


@given(single_lists(), actual_lists(), st.sampled_from([None, re.compile("(.)")]))
def test_a_diff_holds_both_sides(
    expected: list[str], actual: list[str], heads: re.Pattern[str] | None
) -> None:
    """What is neither removed nor added stands on both sides, and numbers in heads add up."""
    found = compare_lines(expected, actual, "exact", heads)
    hunks = [hunk.lines for hunk in found.hunks] if found else []
    removed, added = (sum(line[0] == sign for hunk in hunks for line in hunk) for sign in "-+")
    assert len(expected) - removed == len(actual) - added
    for head, *rows in hunks:
        sizes = [sum(row[0] in signs for row in rows) for signs in (" -", " +")]
        assert re.findall(r",(\d+)", head) == [str(each) for each in sizes]


def test_five_hundred_slightly_different_lines_are_all_told_apart() -> None:
    """Each line faces the one that it has become, whether the caller knows tasks or not."""
    expected = [f"task_{number}: tool.call({number}, 'a') -> key" for number in range(500)]
    actual = [f"task_{number}: tool.call({number}, 'b') -> key" for number in range(500)]
    found = compare_lines(expected, actual, "exact", HEADS)
    plain = compare_lines(expected, actual)
    assert found is not None
    assert plain is not None
    assert [hunk.lines[1:] for hunk in found.hunks] == [
        [f"-{one}", f"+{two}", "?" + " " * one.index("a'") + "^"]
        for one, two in zip(expected, actual, strict=True)
    ]
    assert plain.diff[3:] == [line for hunk in found.hunks for line in hunk.lines[1:]]


def test_lines_that_look_alike_are_told_apart_in_the_summary() -> None:
    """Two spellings of one letter are shown by their code points."""
    summary = difference(["caf\xe9"], ["cafe\u0301"]).summary
    assert summary == r"line 1: expected 'caf\xe9', got 'cafe\u0301'"


def test_a_long_line_is_cut_around_the_difference() -> None:
    """The summary of a long line holds what differs and stays short."""
    summary = difference(["x" * 5000 + "left" + "y" * 5000], ["x" * 5000 + "right"]).summary
    assert "left" in summary
    assert "right" in summary
    assert len(summary) < 400


def numbered(size: int, form: str = "line {}") -> list[str]:
    return [form.format(number) for number in range(size)]


@pytest.mark.parametrize(
    ("expected", "actual", "changes"),
    [
        pytest.param(numbered(100_000), ["x", *numbered(100_000)[1:-1], "y"], 4, id="both ends"),
        pytest.param(numbered(9_000)[1:], numbered(9_000)[:-1], 2, id="shifted by one"),
        pytest.param(
            ["q", *numbered(3_000), *numbered(3_000), "r"],
            ["s", *numbered(3_000), *numbered(3_000), "t"],
            4,
            id="no line is unique",
        ),
        pytest.param(
            ["q", *["? (glob)"] * 2_500, "r"], ["s", *"x" * 2_500, "t"], 4, id="patterns only"
        ),
        pytest.param(["a"] * 3_000, ["b"] * 3_000, 6_000, id="nothing in common"),
        pytest.param(["a", "...", "no", "...", "z"], ["a", *["b"] * 90_000, "z"], 1, id="dots"),
        pytest.param(
            [each for number in range(30) for each in (f"q{number}", "...")],
            numbered(300),
            31,
            id="many dots",
        ),
        pytest.param(
            ["q", *numbered(400), "r", "? (glob)"],
            ["s", *numbered(400), "extra", "xx", "t"],
            5,
            id="difflib between patterns",
        ),
    ],
)
def test_large_texts_are_aligned_in_bounded_steps(
    expected: list[str], actual: list[str], changes: int
) -> None:
    """Each way in which a text can be too large for the exact edit still finds small changes."""
    diff = difference(expected, actual).diff[2:]
    assert sum(line[0] in "+-" for line in diff) == changes


@UNTIMED
@given(expected_lists(9), actual_lists(9), st.sampled_from(MODES))
def test_a_difference_names_lines_that_exist(
    expected: list[str], actual: list[str], mode: Mode
) -> None:
    """Every difference has a first line on one side, a summary of one line and a signed line."""
    for found in filter(None, [compare_lines(expected, actual, mode)]):
        assert "\n" not in found.summary
        assert any(line[0] in "+-" for line in found.diff[2:])
        assert (found.first_expected, found.first_actual) != (None, None)
        assert found.first_expected in (None, *range(len(expected)))
        assert found.first_actual in (None, *range(len(actual)))


# Updates -----------------------------------------------------------------------------------------


@UNTIMED
@given(expected_lists(9), actual_lists(9))
def test_updated_lines_match(expected: list[str], actual: list[str]) -> None:
    """An update is right, changes nothing when run again, and can always fail."""
    updated = update_lines(expected, actual)
    assert compare_lines(updated, actual) is None
    assert update_lines(updated, actual) == updated
    assert set(updated) != {"..."} or compare_lines(expected, actual) is None


@UNTIMED
@given(st.lists(st.text(max_size=3)), st.lists(st.text(max_size=3)))
def test_updated_lines_match_whatever_their_characters(
    expected: list[str], actual: list[str]
) -> None:
    """No character of a line breaks an update."""
    assert compare_lines(update_lines(expected, actual), actual) is None


@UNTIMED
@given(st.lists(st.sampled_from([("a", "a"), ("? (glob)", "b"), ("a (eq)", "a"), ("...", "c")])))
def test_lines_that_match_are_left_alone(pairs: list[tuple[str, str]]) -> None:
    """When nothing failed an update is what was there."""
    expected, actual = [each for each, _ in pairs], [each for _, each in pairs]
    assert update_lines(expected, actual) == expected


@pytest.mark.parametrize(
    ("expected", "actual", "updated"),
    [
        ("a|n: ? (glob)|c", "a|n: 1|d", "a|n: ? (glob)|d"),
        ("a* (glob)|foo", "new|abc|bar", "new|a* (glob)|bar"),
        ("a|...|z", "a|b|c|y", "a|...|y"),
        ("a|...|saved 3 rows|...|z", "a|b|saved 4 rows|z", "a|...|saved 4 rows|...|z"),
        ("a|...|q|...|z", "a|b|c|z", "a|...|z"),
        ("a (re)|b", "b (re)|...", "b (re) (eq)|... (eq)"),
        ("b (re)|a (eq)|x", "b|a|y", "b (re)|a (eq)|y"),
        ("...|q", "", ""),
        ("q|...", "", ""),
    ],
)
def test_an_update_keeps_what_still_holds(expected: str, actual: str, updated: str) -> None:
    """Patterns and dots stay in their place, new lines are escaped, nothing vacuous is left."""
    lines = [line for line in actual.split("|") if line]
    assert update_lines(expected.split("|"), lines) == [each for each in updated.split("|") if each]
