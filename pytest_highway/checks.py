"""Static checks over a compiled plan."""

from __future__ import annotations

from pytest_highway.errors import Diagnostic
from pytest_highway.plan import Plan

__all__ = ["check_plan"]


def check_plan(plan: Plan) -> list[Diagnostic]:
    """What can be known to be wrong without running."""
    return []
