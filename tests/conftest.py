"""Pytest runs inside tests, in a folder and an environment that are the same everywhere."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import invariants
import pytest
from hypothesis import settings
from projects import Write

from pytest_highway.engine.run import Engine
from pytest_highway.events import Event

pytest_plugins = ["pytester"]

# The same examples each time: a gate must not close by chance. `--hypothesis-profile=default` draws
# new ones.
settings.register_profile("gate", derandomize=True)
settings.load_profile("gate")

# So that the inner runs of one process share it and do not import it again each.
import_module("pytest_highway.plugin.items")


@pytest.fixture(autouse=True)
def _same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No CI and a wide terminal, whoever runs the tests."""
    for name in ("CI", "BUILD_NUMBER", "GITHUB_ACTIONS", "FORCE_COLOR", "NO_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "240")


@pytest.fixture(autouse=True, scope="session")
def _own_temporary_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Locks are files below the folder for temporary ones: other test runs have theirs elsewhere."""
    folder = str(tmp_path_factory.mktemp("temporary"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


# What other plugins do at the end of a run costs more than the run; none of it matters here.
ADDOPTS = "-p no:hypothesispytest -p no:cov -p no:anyio"


@pytest.fixture
def write(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write files below rootdir, given as {path: text}; makes the folder a rootdir."""
    monkeypatch.setenv("PYTEST_ADDOPTS", ADDOPTS)

    def write_all(files: Mapping[str, str]) -> Path:
        for name, text in {"pytest.ini": "[pytest]\n", **files}.items():
            path = pytester.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return pytester.path

    return write_all


# Events of a log above which a test is about size, and has no time for more.
LARGE = 50_000


@pytest.fixture(autouse=True)
def _every_run_keeps_the_invariants(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a test runs in this process is held against all that holds of every run."""
    run = Engine.run

    def run_and_check(engine: Engine) -> list[Event]:
        log = run(engine)
        if len(log) < LARGE:
            resumed = engine._settings.resumption is not None
            invariants.check(engine.plan, log, resumed=resumed)
        return log

    monkeypatch.setattr(Engine, "run", run_and_check)
