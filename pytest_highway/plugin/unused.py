"""Unused goldens: files that no case of the workflows beside them asks for.

    FOLDER/golden/NAME/*.log     NAME was read       unused, but for those of its cases
                                 NAME is not there   unused, all of them
                                 NAME was not read   used: it may be another run's

Whether a session has seen enough to say so is not decided here. The module is imported by every
run of a workflow, and imports next to nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pytest_highway.selection import GOLDEN

__all__ = ["remove_golden", "unused_goldens"]

FORMATS = (".yaml", ".yml", ".json")

# The files that were read: their path, and of each item's node id its golden file, or nothing.
Read = Mapping[str, Mapping[str, str]]


def unused_goldens(read: Read, roots: Iterable[Path]) -> list[Path]:
    """The golden files that no case uses, beside the files that were read and below `roots`."""
    used = {golden for cases in read.values() for golden in cases.values()}
    folders = {Path(file).parent / GOLDEN for file in read}
    folders.update(found for root in roots for found in root.rglob(GOLDEN))
    logs = (log for folder in sorted(folders) for log in _unclaimed(folder, read))
    return [log for log in logs if str(log) not in used]


def _unclaimed(folder: Path, read: Read) -> Iterator[Path]:
    """The golden files of a folder whose workflow was read, or is gone."""
    for inside in sorted(folder.glob("*")):
        file = folder.parent / inside.name
        is_gone = file.suffix.lower() in FORMATS and not file.exists()
        if is_gone or str(file) in read:
            yield from sorted(each for each in inside.glob("*.log") if not each.is_dir())


def remove_golden(golden: Path) -> None:
    """Remove a golden file, and its folders when they are empty then; raises `OSError`."""
    golden.unlink()
    with contextlib.suppress(OSError):  # not empty
        golden.parent.rmdir()
        golden.parent.parent.rmdir()
