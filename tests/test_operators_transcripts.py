"""Transcripts of every operator at the three levels, in plan order."""

from __future__ import annotations

from pathlib import Path

import pytest
from flows import tabled, verdict

HOLDS = tabled("levels.txt")
INNER = "name: inner\ntasks:\n  say: {function: tools.log.info, args: [inner]}\n"


@pytest.mark.parametrize("title", HOLDS)
def test_holds(tmp_path: Path, title: str) -> None:
    """Each title says what its workflow shows."""
    (tmp_path / "inner.yaml").write_text(INNER, encoding="utf-8")
    assert verdict(tmp_path, HOLDS[title]) == []
