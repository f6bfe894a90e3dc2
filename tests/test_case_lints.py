"""Warnings about cases: at their places, once each, and no false alarms."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import load

HEAD = "name: w\ntasks: {a: {function: app.ask}, l: {operator_type: while, condition: 1 > 2, "
HEAD += "loop_body: [{task_id: b, function: app.save}]}}\n"
UNUSED = "warning: the stub for 'tools.fetch.get' is never used: no task calls that tool"

FOUND = {
    "a stub of a case": (
        "tests: {t: {stubs: {tools.fetch.get: {return: 1}, a: {return: 1}}, expect: {output: 1}}}",
        [f"3:21: {UNUSED}"],
    ),
    "a shared one is told once": (
        (
            "test_defaults: {stubs: {tools.fetch.get: {return: 1}, app.ask: {return: 1}}}\n"
            "tests: {t: {params: {x: {}, y: {}}, expect: {output: 1}}, u: {expect: {output: 1}}}"
        ),
        [f"3:25: {UNUSED}"],
    ),
    "stubs of tools that tasks call, also inside": (
        "tests: {t: {stubs: {app.ask: {return: 1}, app.save: {return: 1}}, expect: {output: 1}}}",
        [],
    ),
    "stubs of tasks, and none": (
        "tests: {t: {stubs: {a: {return: 1}}, expect: {output: 1}}, u: {expect: {output: 1}}}",
        [],
    ),
}


@pytest.mark.parametrize("title", FOUND)
def test_stubs_that_no_call_can_need(tmp_path: Path, title: str) -> None:
    text, found = FOUND[title]
    warnings = load(tmp_path, HEAD + text).warnings
    assert [each.headline().removeprefix("flow.workflow.yaml:") for each in warnings] == found


def test_stubs_of_a_shared_file_serve_other_workflows_too(tmp_path: Path) -> None:
    text = "{tools.fetch.get: {return: 1}, a: {return: 1}}"
    (tmp_path / "shared.yaml").write_text(text, encoding="utf-8")
    cases = "tests: {t: {stubs: {include: shared.yaml}, expect: {output: 1}}}"
    assert load(tmp_path, HEAD + cases).warnings == ()


def test_strict_makes_an_error_of_it(pytester: pytest.Pytester) -> None:
    """As of all other warnings: the file is broken, and its cases are not run."""
    text = """\
name: w
tasks: {a: {function: tools.log.info, args: [hi]}}
tests: {t: {stubs: {tools.fetch.get: {return: 1}}, expect: {status: success}}}
"""
    pytester.path.joinpath("f.workflow.yaml").write_text(text, encoding="utf-8")
    result = pytester.runpytest_inprocess("-o", "highway_strict=true")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["f.workflow.yaml:3:21: the stub for 'tools.fetch.get' is never*"])
