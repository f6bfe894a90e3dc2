"""Files put into place whole or not at all: whoever reads one never sees a part of it.

A file is written beside its place and moved there in one step. The name of the process in the
temporary one keeps two that write the same file apart.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["create_file", "put_file"]


def create_file(file: Path, content: bytes) -> None:
    """Make a file that does not exist yet, with its folder; OSError."""
    with _written_beside(file, content) as new:
        os.link(new, file)  # fails when the file exists by now: nothing is overwritten unseen


def put_file(file: Path, content: bytes) -> None:
    """Make a file of our own, with its folder, or replace it; OSError."""
    with _written_beside(file, content) as new:
        new.replace(file)


@contextmanager
def _written_beside(file: Path, content: bytes) -> Iterator[Path]:
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        new.write_bytes(content)
        yield new
    finally:
        new.unlink(missing_ok=True)
