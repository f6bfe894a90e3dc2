"""Hooks that a conftest.py or another plugin may implement.

All are called through pytest's hook relay, so that a hook of a `conftest.py` holds for its folder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_highway.cases.declarations import Case
    from pytest_highway.tools import Registry
    from pytest_highway.views import RunResult

__all__ = [
    "pytest_highway_after_case",
    "pytest_highway_before_case",
    "pytest_highway_scrub",
    "pytest_highway_tools",
]


@pytest.hookspec
def pytest_highway_tools(config: pytest.Config, registry: Registry) -> None:
    """Register tools: `registry.add(function)` or `registry.add_module(module)`.

    Called before the first workflow file is read, and again for a file of a folder where other
    conftests hold: tools that a `conftest.py` registers exist below its folder only.
    """


@pytest.hookspec
def pytest_highway_before_case(item: pytest.Item, case: Case) -> None:
    """A case is about to run."""


@pytest.hookspec
def pytest_highway_after_case(item: pytest.Item, case: Case, result: RunResult) -> None:
    """A case has run; its expectations are not yet checked. The result holds no secrets."""


@pytest.hookspec
def pytest_highway_scrub(item: pytest.Item, lines: list[str]) -> None:
    """Change in `lines`, in place, what differs from run to run; their number stays.

    They are those of a transcript without secrets, after the scrubbers of ini `highway_scrub`.
    """
