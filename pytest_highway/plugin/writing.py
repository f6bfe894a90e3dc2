"""From edits to files: what is agreed on, what each file would become, and the writing itself.

    GoldenEdits --agreed--> one for each place --planned--> FileChange, one a file --write--> file
                   \\------- Refusals -------------/

An expectation that several cases share (the params of one text) is written only when all of them
want the same there. A file is changed once, atomically, and only if it still is what the cases have
seen; what cannot be done by itself is a refusal, and the rest of the file is changed without it.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pytest_highway.editing.edit import Edit, EditRefused, edited, rendered, replace_file
from pytest_highway.errors import HighwayError
from pytest_highway.placing import create_file
from pytest_highway.plugin.rewriting import GoldenEdit, digest
from pytest_highway.serialization import to_json

__all__ = [
    "FileChange",
    "Refusal",
    "agreed",
    "place_of",
    "planned",
    "read_unchanged",
    "reason_of",
    "runs_differ",
    "write",
]

# Lines that are shown of how two runs differ.
SHOWN_LINES = 40


class FileChange(NamedTuple):
    """What a file holds and what it is to hold; `places` are `file:line` of what changes.

    `before` is None where there is no such file yet.
    """

    path: Path
    before: bytes | None
    after: bytes
    places: tuple[str, ...]


class Refusal(NamedTuple):
    """A place, `file:line`, that is left as it is, and why."""

    place: str
    why: str


def place_of(edit: GoldenEdit) -> tuple[str, int, str]:
    """The order in which edits are told, whatever worker was first."""
    path, _, line = edit["shown"].rpartition(":")
    return path, int(line), edit["case"]


def agreed(edits: Iterable[GoldenEdit]) -> tuple[list[GoldenEdit], list[Refusal]]:
    """One edit for each place; what its sharers do not agree on is refused."""
    by_place: dict[tuple[str, tuple[str | int, ...]], dict[str, GoldenEdit]] = {}
    for edit in sorted(edits, key=place_of):
        by_place.setdefault((edit["path"], tuple(edit["loc"])), {})[edit["case"]] = edit
    found: list[GoldenEdit] = []
    refused: list[Refusal] = []
    for wanted in by_place.values():
        first, *others = wanted.values()
        why = ""
        if any(each["value"] != first["value"] for each in others):
            why = f"the params {', '.join(wanted)} want different values there"
        elif len(wanted) < first["sharers"]:
            why = f"of {first['sharers']} params only {', '.join(wanted)} would change it"
        if why:
            blocks = "\n".join(map(_block, wanted.values()))
            why = f"{why}; to paste, into a case of its own:\n{blocks}"
            refused.append(Refusal(first["shown"], why))
        else:
            found.append(first)
    return found, refused


def _block(edit: GoldenEdit) -> str:
    """What one case would have there, as YAML to paste."""
    last = edit["loc"][-1]
    entry = {last: edit["value"]} if isinstance(last, str) else [edit["value"]]
    return f"    # {edit['case']}\n{rendered(entry, 4)}"


def planned(edits: Sequence[GoldenEdit]) -> tuple[list[FileChange], list[Refusal]]:
    """What the files would become by edits that are agreed on; nothing is written."""
    by_file: dict[str, list[GoldenEdit]] = {}
    for edit in edits:
        by_file.setdefault(edit["path"], []).append(edit)
    changes: list[FileChange] = []
    refused: list[Refusal] = []
    for wanted in by_file.values():
        possible, impossible = _planned_file(wanted)
        changes += possible
        refused += impossible
    return changes, refused


def _planned_file(edits: Sequence[GoldenEdit]) -> tuple[list[FileChange], list[Refusal]]:
    """What one file would become by these; what cannot be done by itself is left out."""
    if not edits:
        return [], []
    places = tuple(dict.fromkeys(each["shown"] for each in edits))
    file = Path(edits[0]["path"])
    try:
        return [FileChange(file, *_rewritten(file, edits), places)], []
    except (HighwayError, OSError) as error:
        why = reason_of(error)
    faults = [_fault(each) for each in edits]
    if not any(faults):
        return [], [Refusal(place, why) for place in places]
    left = [Refusal(edit["shown"], why) for edit, why in zip(edits, faults, strict=True) if why]
    possible = [edit for edit, why in zip(edits, faults, strict=True) if not why]
    changes, refused = _planned_file(possible)
    return changes, [*refused, *dict.fromkeys(left)]


def _fault(edit: GoldenEdit) -> str:
    """Why an edit cannot be done by itself, or nothing."""
    try:
        _rewritten(Path(edit["path"]), [edit])
    except (HighwayError, OSError) as error:
        return reason_of(error)
    return ""


def reason_of(error: Exception) -> str:
    """Why something cannot be done, in words for a reader who is told the place beside it."""
    if isinstance(error, EditRefused):
        return error.told
    return getattr(error, "strerror", None) or str(error)


def read_unchanged(file: Path, edits: Sequence[GoldenEdit]) -> bytes | None:
    """A file's content, None when there is none; `EditRefused` when it is not what cases saw."""
    before = file.read_bytes() if os.path.lexists(file) else None
    found = "" if before is None else digest(before)
    if any(each["digest"] != found for each in edits):
        raise EditRefused("the file has changed since it was read")
    return before


def _rewritten(file: Path, edits: Sequence[GoldenEdit]) -> tuple[bytes | None, bytes]:
    """The content of a file and what it would become."""
    before = read_unchanged(file, edits)
    if before is None or not edits[0]["loc"]:
        return before, str(edits[0]["value"]).encode()
    wanted = [Edit(tuple(each["loc"]), each["value"]) for each in edits]
    return before, edited(before, wanted, path=file.name)


def write(change: FileChange) -> None:
    """Write one file, whole or not at all; raises `HighwayError` or `OSError`."""
    if change.before is None:
        create_file(change.path, change.after)
    else:
        replace_file(change.path, change.before, change.after)


# --- two runs of one case ------------------------------------------------------------------------


def runs_differ(first: Sequence[GoldenEdit], second: Sequence[GoldenEdit]) -> str:
    """Both of what two runs of one case wanted, where that is not the same; else nothing."""
    if first == second:
        return ""
    one, other = (_as_lines(sorted(each, key=place_of)) for each in (first, second))
    lines = list(difflib.unified_diff(one, other, "first run", "second run", lineterm="", n=1))
    rest = len(lines) - SHOWN_LINES
    more = [f"... {rest} more lines"] if rest > 0 else []
    return "\n".join(f"    {line}".rstrip() for line in [*lines[:SHOWN_LINES], *more])


def _as_lines(edits: Sequence[GoldenEdit]) -> list[str]:
    lines = []
    for edit in edits:
        value, place = edit["value"], f"{edit['shown']}:"
        if isinstance(value, str) and "\n" in value:
            lines += [place, *value.split("\n")]
        else:
            lines.append(f"{place} {to_json(value)}")
    return lines or ["nothing to change"]
