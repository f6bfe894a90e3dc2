"""Files that commands write: whole or not at all, and over another only when told to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from pytest_highway.errors import HighwayError

__all__ = ["place", "write_new"]


def write_new(file: Path, lines: Iterable[str], force: bool) -> None:
    """Write lines to a new file, or with `force` over an old one, which stays until all is written.

    HighwayError when the file is there already, or cannot be written.
    """
    try:
        if file.exists() and not force:
            raise FileExistsError
        place(file, "".join(f"{line}\n" for line in lines), force=force)
    except FileExistsError:
        raise HighwayError(f"{file} exists already; --force overwrites it") from None
    except OSError as error:
        raise HighwayError(f"{file}: cannot be written: {error.strerror}") from None


def place(file: Path, text: str, *, force: bool = False) -> None:
    """Have a file with this text, whole or not at all.

    FileExistsError when it is there already, unless `force` says that it may be replaced; another
    OSError when it cannot be written.
    """
    made = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with made.open("x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if force:
            made.replace(file)
        else:
            os.link(made, file)  # which, unlike a rename, never takes another file's place
    finally:
        made.unlink(missing_ok=True)
