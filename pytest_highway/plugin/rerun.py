"""The inside of a second run: it collects the files of the named cases and runs these alone.

Registered in the process that `second_run` starts. The command line is that of the first run and
may name a whole project; nothing of it is read that the named cases do not need.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_highway.plugin.options import asked_for

__all__ = ["Rerun", "begin"]


def begin(config: pytest.Config) -> None:
    """Keep this session to the cases that were asked for."""
    config.pluginmanager.register(Rerun(config), "highway-rerun")


class Rerun:
    """Keeps collection to the cases that were asked for."""

    def __init__(self, config: pytest.Config) -> None:
        self.ids = frozenset(asked_for(config))
        root = config.rootpath
        self.files = {_plain(root / each.partition("::")[0]) for each in self.ids}

    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        """Leave out every other file; a folder may lead to one."""
        is_wanted = _plain(collection_path) in self.files or collection_path.is_dir()
        return None if is_wanted else True

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Leave out every other case."""
        items[:] = [item for item in items if item.nodeid in self.ids]


def _plain(path: Path) -> str:
    """A path as a node id has it, which turns every backslash."""
    return os.path.normpath(path).replace("\\", "/")
