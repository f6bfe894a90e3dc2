"""Warnings about the cases of a workflow: what is written there and does nothing.

    a stub of a tool that no task calls     but for those of shared files, which serve several
                                            workflows

A stub that answers no call in a run fails its case then; one of `test_defaults` may, since another
case needs it, and only what no case can need is told here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.scripts import is_path
from pytest_highway.errors import Diagnostic
from pytest_highway.planning.plan import Plan

__all__ = ["lint_cases"]


def lint_cases(cases: Sequence[Case], plan: Plan) -> list[Diagnostic]:
    """All warnings about cases, each once, however many cases share what it is about."""
    stubs = [
        (case, name)
        for case in cases
        for name in case.model.stubs
        if not is_path(name) and not case.origin.is_included(("stubs", name))
    ]
    if not stubs:
        return []
    called = {node.tool.name for node in plan.walk() if node.tool is not None}
    warnings = [
        replace(
            case.origin.fault(
                ("stubs", name),
                f"the stub for {name!r} is never used: no task calls that tool",
                key=True,
            ),
            severity="warning",
        )
        for case, name in stubs
        if name not in called
    ]
    return list(dict.fromkeys(warnings))
