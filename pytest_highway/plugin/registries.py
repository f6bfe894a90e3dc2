"""Which tools a workflow file has: one registry for each set of conftests that holds for it.

Built-in tools, those of installed packages and those of ini `highway_tools` are the same for all;
the hook `pytest_highway_tools` is called as pytest calls any hook for a folder, so that a
conftest's tools hold below it and nowhere else, whatever was collected before.

What is wrong with the tools is wrong for every file. The first that asks is told; to the others
`NoTools` is raised, so that one mistake gives one error.
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import TYPE_CHECKING

import pytest

from pytest_highway.errors import HighwayError
from pytest_highway.runners.custom import custom_executor
from pytest_highway.tools import Registry, discover

if TYPE_CHECKING:
    import pluggy

__all__ = ["HighwayWarning", "NoTools", "executor_of", "registry_for"]

# A registry that could not be filled is None.
EXECUTOR = pytest.StashKey["Executor | None"]()
REGISTRIES = pytest.StashKey[dict[tuple[int, ...], Registry | None]]()
TOLD = pytest.StashKey[list[str]]()


class HighwayWarning(pytest.PytestWarning):
    """Something about a workflow that is allowed and probably not meant."""


class NoTools(HighwayError):
    """The tools cannot be loaded, which has been said before."""


def registry_for(config: pytest.Config, hook: pluggy.HookRelay) -> Registry:
    """The tools that hold where these hooks hold.

    The first time raises what is wrong with them: `ToolError` and `ToolClash`, a warning that is
    an error by a filter, or whatever a conftest's hook raises. After that raises `NoTools`.
    """
    registries = config.stash.setdefault(REGISTRIES, {})
    key = tuple(id(each.plugin) for each in hook.pytest_highway_tools.get_hookimpls())
    if key not in registries:
        registries[key] = None  # and stays so when what follows raises
        registries[key] = _filled(config, hook)
    found = registries[key]
    if found is None:
        raise NoTools("the tools cannot be loaded; the first workflow file says why")
    return found


def executor_of(config: pytest.Config) -> Executor | None:
    """The session's executor, which ini `highway_executor` names; made once, with the first case.

    `ToolError` when the name leads to nothing; whatever its factory raises.
    """
    if EXECUTOR not in config.stash:
        name = config.getini("highway_executor")
        executor = custom_executor(name, "highway_executor") if name else None
        config.stash[EXECUTOR] = executor
        if executor is not None:
            config.add_cleanup(lambda: executor.shutdown(wait=False, cancel_futures=True))
    return config.stash[EXECUTOR]


def _filled(config: pytest.Config, hook: pluggy.HookRelay) -> Registry:
    told = config.stash.setdefault(TOLD, [])
    try:
        registry = discover(config.getini("highway_tools"))
        hook.pytest_highway_tools(config=config, registry=registry)
    except HighwayError as error:
        if str(error) in told:
            raise NoTools(str(error)) from error
        told.append(str(error))
        raise
    for problem in registry.problems:
        if problem not in told:
            told.append(problem)
            config.issue_config_time_warning(HighwayWarning(problem), stacklevel=2)
    return registry
