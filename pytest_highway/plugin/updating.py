"""Goldens at the end of a session: the only place where pytest writes into a user's files.

    --highway-update, -update-new   what a second run confirms is written
    --highway-patch=FILE            what a second run confirms is written to FILE, as a patch
    neither                         what cases want is kept as pending, for `highway accept`
    --highway-prune                 after a green run of everything: unused goldens are removed

Only the controller comes here, once. When the session was interrupted it writes no golden, and says
so. What was done is told line by line, each with its place; a refusal makes the session fail.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_highway.errors import HighwayError
from pytest_highway.plugin.noting import Wanted
from pytest_highway.plugin.options import PENDING, asks_to_write, is_strict, mode_of
from pytest_highway.plugin.patching import patch_base, patch_of
from pytest_highway.plugin.pending import entries_of, pending_of
from pytest_highway.plugin.registries import HighwayWarning
from pytest_highway.plugin.rewriting import GoldenEdit
from pytest_highway.plugin.second_run import answer, objections
from pytest_highway.plugin.unused import remove_golden
from pytest_highway.plugin.writing import (
    FileChange,
    Refusal,
    agreed,
    planned,
    read_unchanged,
    reason_of,
    write,
)

if TYPE_CHECKING:
    import pytest

    from pytest_highway.plugin.ledger import Ledger

__all__ = ["conclude"]

WRITING = {"all": "--highway-update", "new": "--highway-update-new", "": "--highway-patch"}


def conclude(ledger: Ledger) -> tuple[list[str], bool]:
    """Do what is asked for; returns what to tell of it, and whether all is well."""
    option = ledger.config.getoption
    if folder := option("--highway-second-run"):
        answer(Path(folder), ledger.wanted, ledger.passed, ledger.failed)
        return [], True
    session = _Conclusions(ledger)
    patch = option("--highway-patch")
    mode = mode_of(ledger.config)
    is_written = ledger.is_complete and bool(mode)
    if is_written:
        session.update()
    elif patch and ledger.is_complete:
        session.make_patch(ledger.config.invocation_params.dir / patch)
    elif ledger.wanted and asks_to_write(ledger.config):
        why = "nothing was written: the session did not come to its end"
        session.refused.append(Refusal(WRITING[mode], why))
    _keep_pending(ledger, is_written)
    if ledger.unused and not session.refused:
        session.tell_unused(prune=option("--highway-prune"))
    elif option("--highway-prune") and (ledger.unseen or session.refused):
        why = ledger.unseen or "goldens were refused"
        session.refused.append(Refusal("--highway-prune", f"nothing was removed: {why}"))
    return session.lines()


class _Conclusions:
    """What is done with the goldens of one session, and what is told of it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.config = ledger.config
        self.done: list[tuple[str, str]] = []
        self.refused: list[Refusal] = []
        self.is_strict = False  # about something that was found

    def lines(self) -> tuple[list[str], bool]:
        """What to tell, and whether all is well."""
        told = [f"{what}: {place}" for what, place in self.done]
        told += [f"refused: {place}: {why}" for place, why in self.refused]
        return told, not (self.refused or self.is_strict)

    def _tell(self, what: str, change: FileChange) -> None:
        self.done += [(what, place) for place in change.places]

    # --- what cases want -------------------------------------------------------------------------

    def update(self) -> None:
        """Write what cases want, as far as a second run confirms it."""
        for change in self._changes():
            try:
                write(change)
            except (HighwayError, OSError) as error:
                self.refused += [Refusal(place, reason_of(error)) for place in change.places]
            else:
                self._tell("created" if change.before is None else "updated", change)

    def make_patch(self, file: Path) -> None:
        """Write the same into a file, as a patch; a file with a content is not overwritten."""
        base = patch_base(self.config.rootpath)
        parts = []
        for change in self._changes():
            try:
                parts.append(patch_of(change, base))
            except HighwayError as error:
                self.refused += [Refusal(place, str(error)) for place in change.places]
            else:
                self._tell("in the patch", change)
        if not parts:
            self.done.append(("no patch", f"{file} would be empty"))
            return
        try:
            _write_patch(file, b"".join(parts))
        except (HighwayError, OSError) as error:
            self.done.clear()
            self.refused.append(Refusal(str(file), reason_of(error)))
        else:
            self.done.append(("patch", str(file)))

    def _changes(self) -> list[FileChange]:
        """What files would become, as far as it is agreed on and confirmed."""
        wanted = self.ledger.wanted
        fresh = {nodeid: each for nodeid, each in sorted(wanted.items()) if self._is_fresh(each)}
        # One second run for all of them, so whatever is out of the question is sorted out before.
        against = objections(self.config, fresh)
        edits: list[GoldenEdit] = []
        for nodeid, each in fresh.items():
            if why := against.get(nodeid):
                self._refuse(each, why)
                continue
            edits += each["edits"]
            if each["writes"]:
                tools = ", ".join(map(repr, each["writes"]))
                self.done.append(("seen in one run", f"{nodeid}, since {tools} wrote for real"))
        edits, refused = agreed(edits)
        changes, impossible = planned(edits)
        self.refused += [*refused, *impossible]
        self.refused += [Refusal(*each) for _, each in sorted(self.ledger.refused.items())]
        return changes

    def _is_fresh(self, wanted: Wanted) -> bool:
        """Whether the files are as the case saw them; else it is refused before it runs again."""
        for edit in wanted["edits"]:
            try:
                read_unchanged(Path(edit["path"]), [edit])
            except (HighwayError, OSError) as error:
                self._refuse(wanted, reason_of(error))
                return False
        return True

    def _refuse(self, wanted: Wanted, why: str) -> None:
        places = dict.fromkeys(edit["shown"] for edit in wanted["edits"])
        self.refused += [Refusal(place, why) for place in places]

    # --- what no case wants ----------------------------------------------------------------------

    def tell_unused(self, *, prune: bool) -> None:
        """Remove unused goldens, or warn of each."""
        for golden in self.ledger.unused:
            place = f"{self._shown(golden)}:1"
            if not prune:
                self.done.append(("unused", place))
                self.is_strict |= _warn(self.config, place)
                continue
            try:
                remove_golden(golden)
            except OSError as error:
                self.refused.append(Refusal(place, reason_of(error)))
            else:
                self.done.append(("removed", place))

    def _shown(self, path: Path) -> str:
        root = self.config.rootpath
        return path.relative_to(root).as_posix() if root in path.parents else str(path)


def _warn(config: pytest.Config, place: str) -> bool:
    """Warn of an unused golden; true when that is an error, by an option, ini or a filter."""
    path, _, line = place.rpartition(":")
    warning = HighwayWarning(f"{place}: no case uses this golden; --highway-prune removes it")
    try:
        warnings.warn_explicit(warning, None, path, int(line))
    except HighwayWarning:
        return True
    return is_strict(config)


def _write_patch(file: Path, patch: bytes) -> None:
    if file.exists():
        if file.is_file() and file.stat().st_size:
            raise HighwayError("the file has a content by now, which is not overwritten")
        file.write_bytes(patch)
    else:
        write(FileChange(file, None, patch, ()))


def _keep_pending(ledger: Ledger, is_written: bool) -> None:
    """Store what the session saw, in place of what the one before did."""
    cache = getattr(ledger.config, "cache", None)  # not with -p no:cacheprovider
    if cache is None:
        return
    before = entries_of(cache.get(PENDING, None))
    wanted = {} if is_written else ledger.wanted
    # A run without failures empties the store once, and from then on leaves it alone.
    if wanted or before is None or before["cases"]:
        cache.set(PENDING, pending_of(ledger.config.rootpath, wanted, before))
