"""Keeping the whole of a failure text that the terminal shows a part of.

    <pytest's cache>/d/highway-failures/<path of the file>/<case>[param].txt

A file is replaced when its case fails again, and goes with the cache (`--cache-clear`). A run
without a cache, or whose cache cannot be written, says so and loses nothing else.
"""

from __future__ import annotations

import os

import pytest

from pytest_highway.placing import put_file

__all__ = ["keep_text"]

FOLDER = "highway-failures"


def keep_text(config: pytest.Config, file: str, case: str, text: str) -> str:
    """Keep all of a case's failure text; returns what to tell of it.

    `file` is the path of the case's file as it is shown.
    """
    cache: pytest.Cache | None = getattr(config, "cache", None)
    if cache is None:
        return "all of it: add -vv (pytest runs without its cache, where it would be kept)"
    try:
        path = cache.mkdir(FOLDER) / file / f"{case}.txt"
        # At once: a reader may have the one of the last run open.
        put_file(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        why = error.strerror or str(error)
        return f"all of it: add -vv (it could not be kept in pytest's cache: {why})"
    return f"all of it: {os.path.relpath(path, config.invocation_params.dir)}, or add -vv"
