"""Calls of the `highway` command inside the process of the tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NamedTuple

import pytest

from pytest_highway.cli.main import main

__all__ = ["Call", "Called", "call_fixture"]


class Called(NamedTuple):
    """How a call ended."""

    code: int | str | None
    out: str
    err: str


Call = Callable[..., Called]


@pytest.fixture(name="call")
def call_fixture(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call("validate", "a.yaml")`; what it adds to the path of imports is taken away again."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def call(*arguments: str) -> Called:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        shown = capsys.readouterr()
        return Called(ended.value.code, shown.out, shown.err)

    return call
