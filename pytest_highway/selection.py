"""Which files are workflow files, by their names and places alone, never by a look inside.

    *.workflow.yaml|yml|json, *.workflow-test.yaml|yml         everywhere
    *.yaml|yml, *.plan.json                                    below a folder `workflows`

The plugin imports this module in every run of pytest, so it imports the standard library alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path

__all__ = ["GOLDEN", "NEVER_ENTERED", "PATTERNS", "fits_patterns", "roots_of"]

PATTERNS = (
    "*.workflow.yaml",
    "*.workflow.yml",
    "*.workflow.json",
    "*.workflow-test.yaml",
    "*.workflow-test.yml",
    "workflows/**/*.yaml",
    "workflows/**/*.yml",
    "workflows/**/*.plan.json",
)
ROOT = "workflows"
GOLDEN = "golden"  # the folder of golden files, beside the files whose cases have them
NEVER_ENTERED = frozenset({GOLDEN, "tapes", "stubs"})


def fits_patterns(
    path: Path, patterns: Sequence[str], roots: Sequence[Path], rootpath: Path
) -> bool:
    """Whether one of the patterns takes a file, as `highway_files` says; all paths are absolute."""
    if any("/" not in each and fnmatch(path.name, each) for each in patterns):
        return True
    for root in roots:
        if root in path.parents:
            inside = path.relative_to(root).as_posix()
            if not NEVER_ENTERED.isdisjoint(Path(inside).parts[:-1]):
                return False
            if any(_fits(f"{ROOT}/{inside}", each) for each in patterns if "/" in each):
                return True
    if rootpath in path.parents:
        inside = path.relative_to(rootpath).as_posix()
        return any(_fits(inside, each) for each in patterns if "/" in each)
    return False


def _fits(path: str, pattern: str) -> bool:
    """Whether a path fits a pattern, folder by folder; `**` stands for any number of them."""
    return _parts_fit(path.split("/"), pattern.split("/"))


def _parts_fit(path: list[str], pattern: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_parts_fit(path[skipped:], pattern[1:]) for skipped in range(len(path) + 1))
    return bool(path) and fnmatch(path[0], pattern[0]) and _parts_fit(path[1:], pattern[1:])


def roots_of(rootpath: Path, typed: Iterable[Path]) -> tuple[Path, ...]:
    """`<rootdir>/workflows`, and folders of that name which the typed paths name.

    A path below such a folder names it too, but not one that lies above rootdir: that a project
    was checked out below a folder `workflows` does not make its files workflows.
    """
    found = [rootpath / ROOT]
    for each in typed:
        path = Path(os.path.normpath(each))
        above = [folder for folder in path.parents if rootpath in folder.parents]
        found += [folder for folder in (path, *above) if folder.name == ROOT]
    return tuple(dict.fromkeys(found))
