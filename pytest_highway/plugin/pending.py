"""Pending changes: what the last run of pytest saw, kept to be accepted without running again.

    .pytest_cache/v/highway/pending     plain JSON: {version, rootdir, cases: [Entry, …]}

What a case wants may be written as it stands, or not:

    it wanted another thing in another order            never
    tools wrote for real                                yes, though seen once: it must not be rerun
    it wanted the same under two hash seeds             yes
    it wanted the same in another order, and no code
      of the user's took part                           yes
    else                                                not yet: after one more run of pytest

Fingerprints of the files stand in the edits, so that whoever accepts sees when one has changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, cast

from pytest_highway.errors import HighwayError, did_you_mean
from pytest_highway.placing import put_file
from pytest_highway.plugin.noting import Wanted
from pytest_highway.plugin.writing import runs_differ

__all__ = [
    "Entry",
    "Pending",
    "entries_of",
    "find_store",
    "objection",
    "pending_of",
    "read_store",
    "selected",
    "write_store",
]

VERSION = 1
CACHE = ".pytest_cache"
# Below the folder of pytest's cache.
STORE = Path("v/highway/pending")


class Entry(TypedDict):
    """A case that wants changes: its node id, and what is known of them."""

    id: str
    wanted: Wanted


class Pending(TypedDict):
    """All that the last run saw; node ids begin at `rootdir`."""

    version: int
    rootdir: str
    cases: list[Entry]


def objection(wanted: Wanted) -> str:
    """Why what a case wants may not be written as it stands, or nothing."""
    again = wanted["again"]
    if again is not None and (both := runs_differ(wanted["edits"], again)):
        order = "in the second, of tasks that were ready at once the last one began first"
        return f"two runs of the case differ; {order}:\n{both}"
    is_same = again is not None and not wanted["own"]
    if is_same or wanted["writes"] or len(wanted["seeds"]) > 1:
        return ""
    seen = "it was seen in one run only"
    if again is not None:
        seen = f"it was seen under one hash seed only, and {', '.join(wanted['own'])} took part"
    return f"{seen}; run pytest once more"


def pending_of(rootdir: Path, wanted: Mapping[str, Wanted], before: Pending | None) -> Pending:
    """What a run saw, with the hash seeds of the run before where that wanted the same."""
    known = {entry["id"]: entry["wanted"] for entry in (before["cases"] if before else ())}
    cases = []
    for nodeid, each in sorted(wanted.items()):
        old = known.get(nodeid)
        if old is not None and old["edits"] == each["edits"]:
            seeds = list(dict.fromkeys([*old["seeds"], *each["seeds"]]))
            each = cast("Wanted", {**each, "seeds": seeds})
        cases.append(Entry(id=nodeid, wanted=each))
    return Pending(version=VERSION, rootdir=str(rootdir), cases=cases)


def entries_of(stored: object) -> Pending | None:
    """What is stored, None when it is of another version or was never stored."""
    if isinstance(stored, dict) and stored.get("version") == VERSION:
        return cast("Pending", stored)
    return None


# --- the file ------------------------------------------------------------------------------------


def find_store(here: Path, cache: Path | None) -> Path:
    """The store of a cache folder, else of the nearest one in or above `here`.

    Raises `HighwayError` when there is none.
    """
    folders = [cache] if cache else [each / CACHE for each in (here, *here.parents)]
    for folder in folders:
        if (folder / STORE).is_file():
            return folder / STORE
    where = f"in {cache}" if cache else f"in {CACHE}, here or above"
    raise HighwayError(
        f"no run of pytest with workflows is on record {where}; run pytest, or name the folder of "
        "its cache by --cache-dir"
    )


def read_store(file: Path) -> Pending:
    """What the last run saw; raises `HighwayError` when the file cannot be made out."""
    try:
        found = entries_of(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise HighwayError(f"{file} cannot be read: {error}; run pytest again") from error
    if found is None:
        raise HighwayError(f"{file} is of another version; run pytest again")
    return found


def write_store(file: Path, pending: Pending) -> None:
    """Put the store's new content in its place, at once."""
    put_file(file, json.dumps(pending, indent=2).encode())


# --- which cases ---------------------------------------------------------------------------------


def selected(pending: Pending, ids: Sequence[str], here: Path) -> list[Entry]:
    """The entries that node ids name, all when there are none; `HighwayError` for a stray one.

    An id is that of a case, of all params of a case, of a file or of a folder; its path begins at
    `here` or at rootdir.
    """
    entries = pending["cases"]
    if not ids:
        return list(entries)
    chosen: set[str] = set()
    for each in ids:
        forms = (each, _from_rootdir(each, here, Path(pending["rootdir"])))
        found = {entry["id"] for entry in entries if _is_named(entry["id"], forms)}
        if not found:
            near = did_you_mean(each, [entry["id"] for entry in entries])
            raise HighwayError(f"nothing is pending for {each!r}{near}")
        chosen |= found
    return [entry for entry in entries if entry["id"] in chosen]


def _from_rootdir(nodeid: str, here: Path, rootdir: Path) -> str:
    """A node id as typed at `here`, with its path from rootdir."""
    path, colons, name = nodeid.partition("::")
    return f"{Path(os.path.relpath(here / path, rootdir)).as_posix()}{colons}{name}"


def _is_named(nodeid: str, forms: Iterable[str]) -> bool:
    """Whether one of these is the node id of an item, or a beginning of it that has a meaning."""
    for form in (each.removesuffix("/") for each in forms):
        begun = tuple(form + end for end in ("::", "[", "/"))
        if form in (".", nodeid) or nodeid.startswith(begun):
            return True
    return False
