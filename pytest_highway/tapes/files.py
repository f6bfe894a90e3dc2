"""Where tapes stand: `tapes/<stem>/<case>[param].tape.yaml` beside the file that holds the case.

A tape says whose it is, so that two files of one stem, or two names that differ only in letter
case, never play or overwrite each other's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from pytest_highway.editing.edit import replace_file
from pytest_highway.errors import Diagnostic, SourceError
from pytest_highway.placing import create_file
from pytest_highway.reading.document import MAX_BYTES
from pytest_highway.reading.sourcetext import load
from pytest_highway.tapes.codec import parse_tape, tape_text
from pytest_highway.tapes.entries import Entry, Tape

__all__ = ["ForeignTape", "TapeFile", "stray_tapes", "tape_names"]

FOLDER = "tapes"
ENDING = ".tape.yaml"


class ForeignTape(SourceError):
    """A tape that belongs to another case, or to a case of another file."""


def tape_names(file: Path) -> list[str]:
    """The names of the cases of `file` for which there are tapes, in order, existing or not."""
    folder = file.parent / FOLDER / file.stem
    try:
        names = [each.name for each in folder.iterdir()]
    except OSError:
        return []
    return sorted(name.removesuffix(ENDING) for name in names if name.endswith(ENDING))


class TapeFile:
    """The file of one case's tape. `shown` is the workflow file's path as messages show it."""

    def __init__(self, file: Path, shown: str, case: str) -> None:
        self._file = file
        self.case = case
        self.path = file.parent / FOLDER / file.stem / f"{case}{ENDING}"
        self.shown = (Path(shown).parent / self.path.relative_to(file.parent)).as_posix()

    def read(self) -> Tape | None:
        """The tape, None when there is none; SourceError with what is wrong with the file."""
        content = self._content()
        if content is None:
            return None
        tape = parse_tape(content, self.shown)
        self._check_owner(tape)
        return tape

    def save(self, calls: Mapping[str, Entry], command: str) -> str:
        """Write a tape, or delete one of which no call is left; says what was done.

        `command` is what records it again. HighwayError, and nothing is written, where that
        cannot be.
        """
        before = self._content()
        if before is not None:
            self._check_replaceable(before)
        if not calls:
            if before is None:
                return ""
            self.path.unlink()
            return f"deleted: {self.shown} (no real tool is called any more)"
        text = tape_text(Tape(self._file.name, self.case, calls), command).encode("utf-8")
        if before is None:
            create_file(self.path, text)
        else:
            replace_file(self.path, before, text)
        count = f"{len(calls)} {'call' if len(calls) == 1 else 'calls'}"
        return f"recorded: {self.shown} ({count})"

    def _content(self) -> bytes | None:
        try:
            return load(self.path, self.shown, MAX_BYTES)
        except SourceError:
            if self.path.exists() or self.path.is_symlink():
                raise
            return None

    def _check_replaceable(self, content: bytes) -> None:
        """A tape that cannot be read is nobody's any more, and may be recorded again."""
        try:
            tape = parse_tape(content, self.shown)
        except SourceError:
            return
        self._check_owner(tape)

    def _check_owner(self, tape: Tape) -> None:
        if (tape.workflow, tape.case) != (self._file.name, self.case):
            theirs, ours = f"{tape.workflow}::{tape.case}", f"{self._file.name}::{self.case}"
            message = f"it is the tape of {theirs!r}, and not of {ours!r}; rename one of the two"
            raise ForeignTape([Diagnostic(self.shown, message)])


def stray_tapes(file: Path, shown: str, cases: Collection[str]) -> list[TapeFile]:
    """The tapes of `file`, which messages show as `shown`, that belong to none of these cases.

    Not among them are those of another file with the same stem.
    """
    strays = [TapeFile(file, shown, name) for name in tape_names(file) if name not in cases]
    return [each for each in strays if not _is_foreign(each)]


def _is_foreign(tape: TapeFile) -> bool:
    try:
        tape.read()
    except ForeignTape:
        return True
    except SourceError:
        return False  # Whose it was cannot be told, but it can be told of.
    return False
