"""Calls of the `highway` command as processes of their own, each with a bound on its time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["COMMAND", "Ended", "environment", "highway", "is_running"]

COMMAND = (sys.executable, "-c", "from pytest_highway.cli.main import main; main()")
TIMEOUT = 30

Ended = subprocess.CompletedProcess[str]


def environment(
    more: Mapping[str, str] | None = None, without: Sequence[str] = ()
) -> dict[str, str]:
    """This process's environment as a user's at a terminal, with more, and without some of it."""
    hidden = ("HIGHWAY_HISTORY", *without)
    base = {name: value for name, value in os.environ.items() if name not in hidden}
    return {**base, "PYTHONSAFEPATH": "1", **(more or {})}


def highway(
    *arguments: str | bytes,
    env: Mapping[str, str] | None = None,
    without: Sequence[str] = (),
    **more: Any,
) -> Ended:
    """Run the command to its end in the working directory, or in `cwd`."""
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(env, without),
        encoding="utf-8",
        errors="surrogateescape",
        timeout=TIMEOUT,
        check=False,
        **{**given, **more},
    )


def is_running(pid_file: Path) -> bool:
    """Whether the process whose id a file holds is there, and no zombie."""
    pid = pid_file.read_text().strip()
    found = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, check=False)
    return found.stdout.strip()[:1] not in (b"", b"Z")
