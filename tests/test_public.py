"""The public names: all there, each from its home, none loaded before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

import pytest_highway


@pytest.mark.parametrize("name", pytest_highway.__all__)
def test_a_public_name_is_there(name: str) -> None:
    assert getattr(pytest_highway, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = pytest_highway.nothing  # type: ignore[attr-defined]  # that is the point


def test_importing_the_package_loads_nothing_of_it() -> None:
    code = "import sys, pytest_highway; print([n for n in sys.modules if 'pytest_highway.' in n])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
