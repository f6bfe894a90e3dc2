"""Files that commands write: whole or not at all, and over another only when told to."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pytest_highway.errors import HighwayError

__all__ = ["write_new"]


def write_new(file: Path, lines: Iterable[str], force: bool) -> None:
    """Write lines to a new file, or with `force` over an old one, which stays until all is written.

    HighwayError when the file is there already, or cannot be written.
    """
    try:
        if file.exists() and not force:
            raise FileExistsError
        _write(file, "".join(f"{line}\n" for line in lines).encode(), force)
    except FileExistsError:
        raise HighwayError(f"{file} exists already; --force overwrites it") from None
    except OSError as error:
        raise HighwayError(f"{file}: cannot be written: {error.strerror}") from None


def _write(file: Path, data: bytes, force: bool) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", suffix=".tmp", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if force:
            Path(name).replace(file)
        else:
            os.link(name, file)  # which, unlike a rename, never takes another file's place
    finally:
        Path(name).unlink(missing_ok=True)
