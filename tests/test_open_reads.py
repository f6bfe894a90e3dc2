"""Reads whose name only a run knows: decided by the order of the graph, never by luck."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from flows import tabled, verdict

Roots = Mapping[str, Mapping[str, object]]


def sees_s_alone(roots: Roots) -> bool:
    """Of the results, the one whose writer has ended by then."""
    return dict(roots["results"]) == {"s": 2} and len(roots["tasks"]) == 1


def reads_r(roots: Roots) -> bool:
    """A result that may or may not be there."""
    return roots["results"]["r"] == 1


def has_one(roots: Roots) -> bool:
    """One key of memory."""
    return roots["memory"]["one"] == 1


HOLDS = tabled("open_reads.txt")


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    assert verdict(tmp_path, HOLDS[title]) == []
