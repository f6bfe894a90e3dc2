"""Params as a product: which cases it makes, what they read, and what is wrong where."""

from __future__ import annotations

from pathlib import Path

import pytest
from case_host import headlines, load, outcome, text_of
from projects import BARE, Write, ids

TASKS = 'ask: {function: app.ask, args: ["{{variables.host}}"], result_key: answer}'
TOP = "variables: {host: none}\n"


def flow(params: str, rest: str = "expect: {status: success}") -> str:
    return text_of(
        TASKS, f"case:\n  params: {params}\n  stubs: {{ask: {{return: 1}}}}\n  {rest}\n", TOP
    )


REGIONS = "region: {us: {host: us.test}, eu: {host: eu.test, tls: true}}"


@pytest.mark.parametrize(
    ("params", "made"),
    [
        (
            f"{{$product: {{{REGIONS}, code: [404, 200]}}}}",
            {
                "us-404": {"host": "us.test", "code": 404},
                "us-200": {"host": "us.test", "code": 200},
                "eu-404": {"host": "eu.test", "tls": True, "code": 404},
                "eu-200": {"host": "eu.test", "tls": True, "code": 200},
            },
        ),
        (
            "{$product: {code: [200, 404], verb: [get, put]}}",
            {
                "200-get": {"code": 200, "verb": "get"},
                "200-put": {"code": 200, "verb": "put"},
                "404-get": {"code": 404, "verb": "get"},
                "404-put": {"code": 404, "verb": "put"},
            },
        ),
        (
            "{$product: {on: [true, 1.5, '3.10']}}",
            {"true": {"on": True}, "1.5": {"on": 1.5}, "3.10": {"on": "3.10"}},
        ),
        (
            "{first: {on: 0}, $product: {on: [1]}, last: {on: 2}}",
            {"first": {"on": 0}, "1": {"on": 1}, "last": {"on": 2}},
        ),
        ("{$product: {a: {x: {}}, b: {y: {}}}}", {"x-y": {}}),
    ],
)
def test_there_is_a_case_for_each_combination(
    tmp_path: Path, params: str, made: dict[str, object]
) -> None:
    """In written order, the last axis turning fastest; ids may stand beside it."""
    cases = load(tmp_path, flow(params)).cases
    assert [(case.name, case.params) for case in cases] == [
        (f"case[{name}]", values) for name, values in made.items()
    ]


def test_the_values_of_all_axes_are_read_by_templates(tmp_path: Path) -> None:
    params = f"{{$product: {{{REGIONS}, code: [1, 2]}}}}"
    rest = "variables: {host: '{{params.host}}/{{params.code}}'}\n  expect: {calls: {ask: [{args: ['{{params.host}}/{{params.code}}']}]}}"
    loaded = load(tmp_path, flow(params, rest))
    assert [outcome(loaded, case.name) for case in loaded.cases] == [[]] * 4


def test_a_product_stands_in_the_defaults_as_well(tmp_path: Path) -> None:
    """A case's own params take its place."""
    top = f"{TOP}test_defaults:\n  params: {{$product: {{a: [1, 2]}}}}\n  stubs: {{ask: {{return: 1}}}}\n"
    tests = (
        "one: {expect: {status: success}}\ntwo: {params: {x: {a: 1}}, expect: {status: success}}"
    )
    cases = load(tmp_path, text_of(TASKS, tests, top)).cases
    assert [case.name for case in cases] == ["one[1]", "one[2]", "two[x]"]


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ("{$product: 1}", ["7:24: expected a mapping {axis: choices} with one axis at least"]),
        ("{$product: {}}", ["7:24: expected a mapping {axis: choices} with one axis at least"]),
        (
            "{$product: {a: [], b: {}, c: x, d: null}}",
            [
                f"7:{column}: expected a mapping {{id: values}} or a list of scalars, not empty"
                for column in (28, 35, 42, 48)
            ],
        ),
        ("{$product: {a: {x: 1}}}", ["7:32: expected a mapping of values, each read as {{params.name}}"]),
        (
            "{$product: {a: [null, [1], {b: 1}]}}",
            [
                f"7:{column}: no id can be made of this; write a as {{id: {{name: value}}}}"
                for column in (29, 35, 40)
            ],
        ),
        ("{$product: {a: [3.10]}}", ["7:29: 3.10 is read as 3.1; quote it, or give it an id of its own"]),
        ("{$product: {a: [1, '1']}}", ["7:32: the id '1' stands in this axis already"]),
        (
            "{$product: {a: {x: {n: 1}}, b: {y: {n: 2}}}}",
            ["7:49: 'n' is a value of the axis 'a' already"],
        ),
        ("{$product: {n: [1], b: {y: {n: 2}}}}", ["7:41: 'n' is a value of the axis 'n' already"]),
        (
            "{$product: {a: {x: {}, x-y: {}}, b: {y-z: {}, z: {}}}}",
            ["7:14: the id 'x-y-z' is there already, written or made by $product"],
        ),
        (
            "{'1': {}, $product: {a: [1]}}",
            ["7:23: the id '1' is there already, written or made by $product"],
        ),
        (
            "{$product: {a: [1], b: [a/b]}}",
            ["7:37: the id 'a/b' does not match [A-Za-z0-9_.-]+"],
        ),
        ("{$product: {a: ['{{nope.x}}']}}", ["7:29: the id '{{nope.x}}' does not match"]),
        ("{$product: {a: {x: {n: '{{fixtures.t}}'}}}}", ["7:36: unknown fixture 't'"]),
        ("{$prodct: {a: [1]}}", ["7:14: the param id '$prodct' does not match"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_product_stands_at_its_place(
    tmp_path: Path, params: str, found: list[str]
) -> None:
    told = headlines(tmp_path, flow(params))
    assert [each[: len(start)] for each, start in zip(told, found, strict=True)] == found


def test_a_product_has_a_bound(tmp_path: Path) -> None:
    """It is told without making what lies beyond it."""
    axis = "[" + ", ".join(str(number) for number in range(100)) + "]"
    axes = ", ".join(f"a{number}: {axis}" for number in range(6))
    assert headlines(tmp_path, flow(f"{{$product: {{{axes}}}}}")) == [
        (
            "7:14: 100 x 100 x 100 x 100 x 100 x 100 choices make 1,000,000,000,000 ids; "
            "at most 1,000 are made"
        )
    ]


def test_a_fault_in_a_product_of_the_defaults_is_found_without_a_case_that_has_it(
    tmp_path: Path,
) -> None:
    top = f"{TOP}test_defaults: {{params: {{$product: {{a: []}}}}}}\n"
    tests = "one: {params: {x: {}}, stubs: {ask: {return: 1}}, expect: {status: success}}"
    (found,) = headlines(tmp_path, text_of(TASKS, tests, top))
    assert found.startswith("3:40: ")


def test_an_id_of_a_product_is_named_on_the_command_line(
    pytester: pytest.Pytester, write: Write
) -> None:
    case = "tests:\n  it:\n    params: {$product: {a: [1, 2], b: [x, y]}}\n    expect: {status: success}\n"
    write({"workflows/a.yaml": BARE + case})
    names = ["1-x", "1-y", "2-x", "2-y"]
    assert ids(pytester) == [f"workflows/a.yaml::it[{name}]" for name in names]
    assert ids(pytester, "workflows/a.yaml::it[2-x]") == ["workflows/a.yaml::it[2-x]"]


def test_an_update_knows_how_many_share_an_expectation(
    pytester: pytest.Pytester, write: Write
) -> None:
    """One that all combinations want is written, from a run of all of them alone."""
    case = "tests:\n  it:\n    params: {$product: {a: [1, 2], b: [3, 4]}}\n    expect: {calls: {say: 7}}\n"
    path = write({"workflows/a.yaml": BARE + case}) / "workflows/a.yaml"
    few = pytester.runpytest_inprocess("--highway-update", "-k", "1-")
    few.stdout.fnmatch_lines(["refused: *of 4 params only*"])
    pytester.runpytest_inprocess("--highway-update").assert_outcomes(passed=4)
    assert "calls: {say: 1}" in path.read_text(encoding="utf-8")
