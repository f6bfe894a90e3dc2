"""The standard streams of the command, which may be closed, full, or of a narrow encoding.

    closed from the start        a stream that leads nowhere takes its place
    what it cannot encode        goes out as an escape: a path need not be UTF-8
    breaks while in use          is given up, once; what is written later goes nowhere

A run is never ended by its output: `highway run … | head -1` may be half way through a deployment.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from errno import EPIPE
from io import TextIOWrapper
from typing import ParamSpec

import click

__all__ = ["give_up_output", "open_streams", "tell", "unbroken"]

MODES = {"stdin": "r", "stdout": "w", "stderr": "w"}

P = ParamSpec("P")


def open_streams() -> None:
    """Make all three streams ones that can be used."""
    for name, mode in MODES.items():
        stream = getattr(sys, name)
        if stream is None:
            # It takes the lowest free descriptor, the one of the closed stream: no file of ours
            # can come to stand there.
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(nowhere, mode, encoding="utf-8"))
        elif mode == "w" and isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def tell(text: str) -> None:
    """Print to standard error, as far as that can be."""
    with suppress(OSError):
        click.echo(text, err=True)


def give_up_output(error: OSError) -> None:
    """Lead standard output to nowhere; tell why, unless its reader has only gone away."""
    with suppress(OSError, ValueError):  # a stream in memory has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    if error.errno != EPIPE:
        tell(f"warning: cannot write the output: {error.strerror}")


def unbroken(show: Callable[P, None]) -> Callable[P, None]:
    """The same function, which gives up the output when that breaks, and shows no more."""
    is_broken = False

    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal is_broken
        if is_broken:
            return
        try:
            show(*args, **kwargs)
        except OSError as error:
            is_broken = True
            give_up_output(error)

    return guarded
