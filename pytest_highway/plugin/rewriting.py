"""What an update would write: failing expectations as edits, plain data that may travel.

    Failure --edits_of--> GoldenEdit --writing--> the user's file

Nothing is written here. With a trial, what can be seen to be impossible is refused at once, so that
the case fails with the reason.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypedDict

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.expectations import NOTHING, Failure
from pytest_highway.cases.golden import golden_path
from pytest_highway.editing.edit import Edit, EditRefused, edited

__all__ = ["GoldenEdit", "digest", "edits_of", "new_golden_fault", "try_edits"]


class GoldenEdit(TypedDict):
    """One thing to write, as plain data.

    `path` is the file; `loc` is empty for a golden file, whose new text is `value`; `digest` is
    that of the file before, or empty when it must not exist; `shown` is `file:line`. `case` is who
    wants it, of `sharers` cases (params of one text) that have this expectation.
    """

    path: str
    loc: list[str | int]
    value: object
    digest: str
    shown: str
    case: str
    sharers: int


def digest(content: bytes) -> str:
    """What tells one content of a file from another; a byte order mark does not count."""
    return hashlib.sha256(content.removeprefix(codecs.BOM_UTF8)).hexdigest()


@lru_cache(maxsize=8)
def _text_digest(text: str) -> str:
    """The digest of a file as it was read: a file of many failing cases is not read for each."""
    return digest(text.encode())


def edits_of(file: Path, shown: str, case: Case, failures: Sequence[Failure]) -> list[GoldenEdit]:
    """What would make these failures pass; raises `EditRefused` when nothing would."""
    edits = []
    for failure in failures:
        if failure.update is NOTHING:
            raise EditRefused(f"no new text would do for this: {failure.message}")
        make = _file_edit if failure.golden else _yaml_edit
        edit = make(file, shown, case, failure)
        if edit not in edits:  # several failures may be mended by one
            edits.append(edit)
    return edits


def new_golden_fault(failures: Sequence[Failure]) -> str:
    """Why these failures are more than missing golden files, or nothing."""
    if all(failure.golden and failure.difference is None for failure in failures):
        return ""
    return "--highway-update-new only writes golden files that do not exist"


def try_edits(file: Path, shown: str, edits: Sequence[GoldenEdit]) -> None:
    """Raise `EditRefused` for what YAML cannot hold, or when the file has changed meanwhile."""
    inline = [Edit(tuple(each["loc"]), each["value"]) for each in edits if each["loc"]]
    if not inline:
        return
    content = file.read_bytes() if file.exists() else b""
    if any(each["loc"] and each["digest"] != digest(content) for each in edits):
        raise EditRefused(f"{shown} has changed since it was read")
    edited(content, inline, path=shown)


def _file_edit(file: Path, shown: str, case: Case, failure: Failure) -> GoldenEdit:
    path = golden_path(file, case.name)
    try:
        before = path.read_bytes()
        known = digest(before)
    except FileNotFoundError:
        before, known = b"", ""
    place = Path(shown).parent / path.relative_to(file.parent)
    start = "\ufeff" if before.startswith(codecs.BOM_UTF8) else ""
    end = "\r\n" if b"\r\n" in before else "\n"
    return GoldenEdit(
        path=str(path),
        loc=[],
        value=start + _text(failure.update, end),
        digest=known,
        shown=f"{place.as_posix()}:1",
        case=case.name,
        sharers=1,
    )


def _text(lines: object, end: str) -> str:
    assert isinstance(lines, list)  # a transcript is updated with lines
    return "".join(f"{line}{end}" for line in lines)


def _yaml_edit(file: Path, shown: str, case: Case, failure: Failure) -> GoldenEdit:
    origin = case.origin
    if origin.from_defaults(failure.edited):
        raise EditRefused("the expectation stands in 'test_defaults', which other cases share")
    loc = origin.place(failure.edited)
    written = _at(origin.document.data, loc)
    if written != _at(case.data, failure.edited):
        raise EditRefused("the expectation holds a template, which a plain value would replace")
    is_block = isinstance(written, str) and isinstance(failure.update, list)
    return GoldenEdit(
        path=str(file),
        loc=list(loc),
        value=_text(failure.update, "\n") if is_block else failure.update,
        digest=_text_digest(origin.document.text),
        shown=f"{shown}:{origin.document.position(loc).line}",
        case=case.name,
        sharers=len(case.model.params) if case.param else 1,
    )


def _at(data: object, loc: Sequence[str | int]) -> object:
    """What stands at a path, `NOTHING` when that leads nowhere: it may be there to be added."""
    found: object = data
    for step in loc:
        members = dict(enumerate(found)) if isinstance(found, list) else found
        if not isinstance(members, Mapping) or step not in members:
            return NOTHING
        found = members[step]
    return found
