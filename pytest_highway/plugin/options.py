"""What the command line and ini ask of a session, besides the tools.

--highway-update, --highway-update-new     `mode_of`
--highway-strict, ini highway_strict       `is_strict`
--highway-second-run=FOLDER                `asked_for`; not for people (see `second_run`)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import pytest

    from pytest_highway.plugin.noting import Mode

__all__ = ["PENDING", "REQUEST", "asked_for", "asks_to_write", "is_strict", "mode_of", "shown_path"]

# Where pytest's cache holds what the last run saw.
PENDING = "highway/pending"
# What a second run is to do, in its folder.
REQUEST = "request.json"


def mode_of(config: pytest.Config) -> Mode:
    """What the command line asks to be written."""
    if config.getoption("--highway-update"):
        return "all"
    return "new" if config.getoption("--highway-update-new") else ""


def asks_to_write(config: pytest.Config) -> bool:
    """Whether what cases want is to be written, to their files or as a patch."""
    return bool(mode_of(config) or config.getoption("--highway-patch"))


def is_strict(config: pytest.Config) -> bool:
    """Whether warnings about workflows are errors."""
    return bool(config.getoption("--highway-strict") or config.getini("highway_strict"))


def shown_path(config: pytest.Config, path: Path) -> str:
    """A path for messages and transcripts: from rootdir where it lies below it, never absolute."""
    if config.rootpath in path.parents:
        return path.relative_to(config.rootpath).as_posix()
    return path.name


def asked_for(config: pytest.Config) -> list[str]:
    """The node ids that a second run is about."""
    folder = Path(config.getoption("--highway-second-run"))
    request = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
    return cast("list[str]", request["ids"])
