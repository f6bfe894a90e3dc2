"""What Python tests have of workflows: the fixtures `highway` and `highway_registry`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_highway.cases.simulation import run_case
from pytest_highway.errors import HighwayError, did_you_mean, listed
from pytest_highway.loading import load_file
from pytest_highway.plugin.options import shown_path
from pytest_highway.plugin.recorded import recording_of
from pytest_highway.plugin.registries import executor_of, registry_for
from pytest_highway.plugin.stopping import OUTCOMES
from pytest_highway.plugin.taping import replayed
from pytest_highway.runners.raised import PassedThrough
from pytest_highway.tools import Registry
from pytest_highway.views import RunResult

__all__ = ["WorkflowRunner", "registry_of"]


def registry_of(request: pytest.FixtureRequest) -> Registry:
    """The tools that hold for the requesting test, which fails when they cannot be loaded."""
    try:
        return registry_for(request.config, request.node.ihook)
    except HighwayError as error:
        pytest.fail(str(error), pytrace=False)


class WorkflowRunner:
    """The fixture `highway`: runs a case of a workflow file from a Python test."""

    def __init__(self, item: pytest.Item, registry: Registry) -> None:
        self._item = item
        self._config = item.config
        self._registry = registry

    def __call__(self, path: str | Path, case: str) -> RunResult:
        """Run one case of a file, by its name; returns the result, whatever it expects.

        `path` is relative to rootdir. Raises `SourceError` when the file is broken and
        `HighwayError` when it has no such case or a stub does not fit.
        """
        file = self._config.rootpath / path
        loaded = load_file(file, shown_path(self._config, file), self._registry)
        found = next((each for each in loaded.cases if each.name == case), None)
        if found is None:
            known = [each.name for each in loaded.cases]
            near = did_you_mean(case, known)
            raise HighwayError(f"{path} has no case {case!r}; it has {listed(known)}{near}")
        use = replayed(self._config, file, found)
        executor = executor_of(self._config)
        try:
            run = run_case(
                found,
                loaded.plan,
                self._registry,
                executor=executor,
                passing=OUTCOMES,
                use=use,
                observe=recording_of(self._item, found, loaded.plan),
            )
        except PassedThrough as error:
            raise error.outcome from None
        if run.faults:
            texts = [text for fault in run.faults for text in (fault.message, fault.detail) if text]
            raise HighwayError("\n".join(texts))
        return run.result
