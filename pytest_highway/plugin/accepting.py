"""Accepting pending changes: the store's edits are written as they stand, and leave the store.

    Pending --accept--> files, and what is left of Pending

What was written or rejected is pending no longer. Other edits of a file that was written are still
good, since they are of other places and every other node of the file is as it was: they get the
fingerprint of the new content.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_highway.errors import HighwayError
from pytest_highway.plugin.pending import Entry, Pending, objection
from pytest_highway.plugin.rewriting import GoldenEdit, digest
from pytest_highway.plugin.writing import (
    FileChange,
    Refusal,
    agreed,
    planned,
    reason_of,
    write,
)

__all__ = ["Accepted", "accept", "drop", "sure_edits"]

Place: TypeAlias = tuple[str, tuple[str | int, ...]]


@dataclass(slots=True)
class Accepted:
    """What became of changes: those written, as `created` or `updated` and a place; the refused."""

    written: list[tuple[str, str]] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def sure_edits(entries: Iterable[Entry]) -> tuple[list[GoldenEdit], list[Refusal]]:
    """The edits of these cases that may be written as they stand, and why not the others."""
    edits: list[GoldenEdit] = []
    refused: list[Refusal] = []
    for entry in entries:
        wanted = entry["wanted"]
        if why := objection(wanted):
            places = dict.fromkeys(edit["shown"] for edit in wanted["edits"])
            refused += [Refusal(place, f"{entry['id']}: {why}") for place in places]
        else:
            edits += wanted["edits"]
    edits, others = agreed(edits)
    return edits, [*refused, *others]


def accept(pending: Pending, edits: Sequence[GoldenEdit]) -> Accepted:
    """Write edits that are agreed on, file by file, and take them out of what is pending."""
    found = Accepted()
    changes, found.refused = planned(edits)
    for change in changes:
        try:
            write(change)
        except (HighwayError, OSError) as error:
            found.refused += [Refusal(place, reason_of(error)) for place in change.places]
            continue
        what = "created" if change.before is None else "updated"
        found.written += [(what, place) for place in change.places]
        drop(pending, [edit for edit in edits if edit["path"] == str(change.path)])
        _refresh(pending, change)
    return found


def drop(pending: Pending, edits: Iterable[GoldenEdit]) -> None:
    """Take edits out of what is pending, whichever cases want them."""
    gone = {_place(edit) for edit in edits}
    for entry in pending["cases"]:
        wanted = entry["wanted"]
        wanted["edits"] = [edit for edit in wanted["edits"] if _place(edit) not in gone]
        if wanted["again"] is not None:
            wanted["again"] = [edit for edit in wanted["again"] if _place(edit) not in gone]
    pending["cases"] = [entry for entry in pending["cases"] if entry["wanted"]["edits"]]


def _refresh(pending: Pending, change: FileChange) -> None:
    """Let what is still pending for a file know its new content."""
    old = "" if change.before is None else digest(change.before)
    for entry in pending["cases"]:
        wanted = entry["wanted"]
        for edit in (*wanted["edits"], *(wanted["again"] or ())):
            if edit["path"] == str(change.path) and edit["digest"] == old:
                edit["digest"] = digest(change.after)


def _place(edit: GoldenEdit) -> Place:
    return edit["path"], tuple(edit["loc"])
