"""Stubs that files share: `include` under `stubs`, and what the files that it names hold.

    stubs:
      include: stubs/github.yaml       one file or a list of them, relative to the file that says so
      tools.x: {return: 1}             wins over what is included

A shared file is a mapping of stubs, as it may stand under `stubs:`, with an `include` of its own if
it likes, but in no circle. Of two files in a list the later one wins. `include` with a mapping, or
a list of them, is no such word but the stub of a task that is called so.

Where shared stubs come from is kept by name, so that a finding stands in the file at fault. A file
is read for each case that includes it, and parsed once as long as it holds the same bytes: nothing
less would do for never being stale.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from pytest_highway.errors import Diagnostic, SourceError
from pytest_highway.planning.plan import Loc
from pytest_highway.reading.document import MAX_BYTES, Document, parse
from pytest_highway.reading.sourcetext import load

__all__ = ["Shared", "joined", "with_shared_stubs"]

INCLUDE: Final = "include"
FILES_KEPT = 256


class Shared(NamedTuple):
    """A case (or the defaults) with its included stubs put in, and the file of each of those."""

    data: Mapping[str, object]
    files: Mapping[str, Document]


class Site(NamedTuple):
    """A mapping of stubs: the document that holds it, where, and the files on the way to it."""

    document: Document
    loc: Loc
    folder: Path
    chain: tuple[tuple[str, str], ...] = ()

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> SourceError:
        """An error at a place in the mapping."""
        return SourceError([self.document.diagnostic((*self.loc, *loc), message, key=key)])


def with_shared_stubs(
    document: Document,
    loc: Loc,
    data: Mapping[str, object],
    folder: Path,
    found: list[Diagnostic],
) -> Shared:
    """What stands at `loc`, with the stubs that it includes; `found` gets what is wrong with them.

    `folder` is that of the document's file.
    """
    stubs = data.get("stubs")
    if not isinstance(stubs, Mapping) or not _includes(stubs):
        return Shared(data, {})
    whole, files = _expanded(stubs, Site(document, (*loc, "stubs"), folder), found)
    return Shared({**data, "stubs": whole}, files)


def joined(defaults: Shared, own: Shared) -> dict[str, Document]:
    """The file of each shared stub of a case over its defaults."""
    stubs = own.data.get("stubs")
    names = stubs if isinstance(stubs, Mapping) else {}
    left = {name: file for name, file in defaults.files.items() if name not in names}
    return {**left, **own.files}


def _includes(stubs: Mapping[str, object]) -> bool:
    """Whether `include` is there as the word that it is here."""
    if INCLUDE not in stubs:
        return False
    named = stubs[INCLUDE]
    entries = named if isinstance(named, list) and named else [named]
    return not all(isinstance(each, Mapping) for each in entries)


def _expanded(
    stubs: Mapping[str, object], site: Site, found: list[Diagnostic]
) -> tuple[dict[str, object], dict[str, Document]]:
    """All stubs of a mapping, its own last, and the file of each that is not its own."""
    if not _includes(stubs):
        return dict(stubs), {}
    whole: dict[str, object] = {}
    files: dict[str, Document] = {}
    for loc, name in _names(stubs[INCLUDE]):
        try:
            inner, data = _opened(site, loc, name)
        except SourceError as error:
            found += error.diagnostics
            continue
        more, theirs = _expanded(data, inner, found)
        whole |= more
        files |= {each: theirs.get(each, inner.document) for each in more}
    own = {name: each for name, each in stubs.items() if name != INCLUDE}
    return {**whole, **own}, {name: file for name, file in files.items() if name not in own}


def _names(named: object) -> Iterator[tuple[Loc, object]]:
    """Every file that an `include` names, with its place."""
    if not isinstance(named, list) or not named:
        yield (INCLUDE,), named
        return
    for number, each in enumerate(named):
        yield (INCLUDE, number), each


def _opened(site: Site, loc: Loc, name: object) -> tuple[Site, Mapping[str, object]]:
    """A shared file as a place of its own, and its stubs; raises `SourceError`."""
    if not isinstance(name, str) or not name:
        raise site.fault(loc, "expected the path of a file with stubs, or a list of them")
    path = site.folder / name
    # As a path from rootdir, like any other.
    shown = Path(os.path.normpath(Path(site.document.path).parent / name)).as_posix()
    step = (os.path.realpath(path), shown)
    if step[0] in (real for real, _ in site.chain):
        circle = " > ".join([*(each for _, each in site.chain), shown])
        raise site.fault(loc, f"the files include each other in a circle: {circle}")
    if not path.is_file():
        message = f"the file {name!r} with stubs does not exist; it is named relative to this file"
        raise site.fault(loc, message)
    document = _parsed(load(path, shown, MAX_BYTES), shown)
    inner = Site(document, (), path.parent, (*site.chain, step))
    data = document.data
    if not isinstance(data, Mapping):
        raise inner.fault(
            (), "the file is no mapping; it maps the names of tools and tasks to stubs"
        )
    if [*data] == ["stubs"]:
        raise inner.fault(("stubs",), "the stubs stand at the top level of this file", key=True)
    return inner, data


@lru_cache(maxsize=FILES_KEPT)
def _parsed(content: bytes, path: str) -> Document:
    """The document of a shared file; its data is read by many and changed by none."""
    return parse(content, path)
