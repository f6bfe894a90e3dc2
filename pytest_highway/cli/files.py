"""Which workflow files a path means: the ones that pytest would collect there.

    file      itself, whatever its name is
    folder    all files below it that fit the default patterns of `highway_files`

The working directory is what rootdir is to pytest. What pytest never enters is not entered here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

from pytest_highway.errors import HighwayError
from pytest_highway.selection import NEVER_ENTERED, PATTERNS, fits_patterns, roots_of

__all__ = ["shown_path", "workflow_files"]

# pytest's own default of `norecursedirs`.
SKIPPED = (".*", "*.egg", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}")


def workflow_files(paths: Iterable[Path]) -> list[Path]:
    """Every file that the paths mean, absolute and once, folder by folder in order of names.

    HighwayError for a path that does not exist, and when there is no file at all.
    """
    base = Path.cwd()
    typed = [Path(os.path.normpath(base / path)) for path in paths]
    for path in typed:
        if not path.exists():
            raise HighwayError(f"there is no file or folder {shown_path(path)!r}")
    roots = roots_of(base, typed)
    found = [file for path in typed for file in _files(path, roots, base)]
    if not found:
        places = ", ".join(repr(shown_path(path)) for path in typed)
        raise HighwayError(f"there is no workflow file in {places}")
    return list(dict.fromkeys(found))


def shown_path(path: Path) -> str:
    """An absolute path as messages name it: from the working directory where it lies below it."""
    base = Path.cwd()
    return path.relative_to(base).as_posix() if path.is_relative_to(base) else path.as_posix()


def _files(path: Path, roots: tuple[Path, ...], base: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for name, folders, files in os.walk(path, onerror=_unreadable):
        folder = Path(name)
        folders[:] = sorted(each for each in folders if _is_entered(folder / each, roots))
        for each in sorted(files):
            # Not a pipe, whose reading would wait for a writer.
            if (folder / each).is_file() and fits_patterns(folder / each, PATTERNS, roots, base):
                yield folder / each


def _unreadable(error: OSError) -> None:
    """A folder that is passed over would hide what is wrong in it."""
    raise HighwayError(f"the folder {str(error.filename)!r} cannot be read: {error.strerror}")


def _is_entered(folder: Path, roots: tuple[Path, ...]) -> bool:
    if any(fnmatch(folder.name, each) for each in SKIPPED) or (folder / "pyvenv.cfg").exists():
        return False
    return folder.name not in NEVER_ENTERED or not any(root in folder.parents for root in roots)
