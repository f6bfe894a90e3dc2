"""What to do about a failed case: the command that accepts what came, for this case alone."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.expectations import NOTHING, Failure
from pytest_highway.cases.golden import golden_path

__all__ = ["accepting"]


def accepting(file: Path, case: Case, folder: Path, failures: Sequence[Failure]) -> str:
    """The command that writes what came, as it is typed in `folder`; nothing when none does."""
    if not failures or any(each.update is NOTHING for each in failures):
        return ""
    where = os.path.relpath(file, folder)
    item = shlex.quote(f"{where}::{case.name}")
    if all(each.golden and each.difference is None for each in failures):
        golden = os.path.relpath(golden_path(file, case.name), folder)
        return f"to create {golden}: pytest {item} --highway-update-new"
    if len(case.model.params) > 1 and not all(each.golden for each in failures):
        # What one of them has there, all have.
        item = shlex.quote(f"{where}::{case.base}")
        return f"if this change is meant for all params: pytest {item} --highway-update"
    return f"if this change is meant: pytest {item} --highway-update"
