"""What an update would write: failing expectations as edits, plain data that may travel.

    Failure --edits_of--> GoldenEdit --updating--> the user's file

Nothing is written here. Whatever cannot be written is refused while the case runs, so that the
case fails with the reason.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

from pytest_highway.cases import Case
from pytest_highway.document import parse
from pytest_highway.expectations import NOTHING, Failure
from pytest_highway.golden import golden_path
from pytest_highway.yaml_edit import Edit, EditRefused, edited

__all__ = ["EditRefused", "GoldenEdit", "digest", "edits_of"]


class GoldenEdit(TypedDict):
    """One thing to write, as plain data.

    `path` is the file; `loc` is empty for a golden file, whose new text is `value`; `digest` is
    that of the file's bytes before, or empty when it must not exist; `shown` is `file:line`.
    """

    path: str
    loc: list[str | int]
    value: object
    digest: str
    shown: str


def digest(content: bytes) -> str:
    """What tells one content of a file from another."""
    return hashlib.sha256(content).hexdigest()


def edits_of(
    file: Path, shown: str, case: Case, failures: Sequence[Failure], *, new_only: bool
) -> list[GoldenEdit]:
    """What would make these failures pass; raises `EditRefused` when one cannot be written."""
    edits = []
    for failure in failures:
        if new_only and not (failure.golden and failure.difference is None):
            raise EditRefused("--highway-update-new only writes golden files that do not exist")
        if failure.update is NOTHING:
            raise EditRefused(f"{failure.message!r} is no expectation that can be rewritten")
        make = _file_edit if failure.golden else _yaml_edit
        edits.append(make(file, shown, case, failure))
    _try(file, [each for each in edits if each["loc"]])
    return edits


def _file_edit(file: Path, shown: str, case: Case, failure: Failure) -> GoldenEdit:
    path = golden_path(file, case.name)
    before = digest(path.read_bytes()) if path.exists() else ""
    lines = failure.update
    assert isinstance(lines, list)
    text = "".join(f"{line}\n" for line in lines)
    relative = path.relative_to(file.parent).as_posix()
    place = f"{Path(shown).parent.joinpath(relative).as_posix()}:1"
    return GoldenEdit(path=str(path), loc=[], value=text, digest=before, shown=place)


def _yaml_edit(file: Path, shown: str, case: Case, failure: Failure) -> GoldenEdit:
    origin = case.origin
    if origin.from_defaults(failure.loc):
        raise EditRefused("the expectation stands in `test_defaults`, which other cases share")
    loc = origin.place(failure.loc)
    written = _at(origin.document.data, loc)
    if isinstance(written, str) and "{{" in written and failure.loc[1] != "transcript":
        raise EditRefused("the expectation holds a template; its text is not the value")
    content = file.read_bytes()
    if parse(content, shown).text != origin.document.text:
        raise EditRefused(f"{shown} has changed since it was read")
    value = failure.update
    if isinstance(written, str) and isinstance(value, list):
        value = "".join(f"{line}\n" for line in value)
    line = origin.document.position(loc).line
    return GoldenEdit(
        path=str(file), loc=list(loc), value=value, digest=digest(content), shown=f"{shown}:{line}"
    )


def _at(data: object, loc: Sequence[str | int]) -> object:
    for step in loc:
        if isinstance(data, dict) or (isinstance(data, list) and isinstance(step, int)):
            data = data[step]  # type: ignore[index]  # a path of the document's own data
    return data


def _try(file: Path, edits: Sequence[GoldenEdit]) -> None:
    if edits:
        wanted = [Edit(tuple(each["loc"]), each["value"]) for each in edits]
        edited(file.read_bytes(), wanted, path=file.name)
