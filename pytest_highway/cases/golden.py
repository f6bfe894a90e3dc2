"""Golden files: where they stand and what is in them.

The text of a case's golden is kept in `golden/<file name>/<case>[param].log` beside the file that
holds the case. Nothing is written here; see `updating`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pytest_highway.cases.declarations import Case
from pytest_highway.errors import Diagnostic, HighwayError
from pytest_highway.selection import GOLDEN

__all__ = ["clashes", "golden_path", "read_golden"]


# How git marks both sides of what it could not merge.
CONFLICT = re.compile(r"^<{7}(?: .*)?$.*?^>{7}(?: |$)", re.MULTILINE | re.DOTALL)


def golden_path(file: Path, case: str) -> Path:
    """Where the golden text of a case of `file` stands."""
    return file.parent / GOLDEN / file.name / f"{case}.log"


def read_golden(file: Path, case: str) -> str | None:
    """The golden text, None when there is no file.

    Raises `HighwayError` when it cannot be read, or holds a merge that was not finished: which side
    is right is for its author to say.
    """
    path = golden_path(file, case)
    shown = path.relative_to(file.parent).as_posix()
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise HighwayError(f"the golden file {shown!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        message = f"the golden file {shown!r} is not UTF-8 at byte {error.start}"
        raise HighwayError(message) from error
    if conflict := CONFLICT.search(text.replace("\r\n", "\n")):
        line = conflict.string.count("\n", 0, conflict.start()) + 1
        message = f"the golden file {shown!r} holds merge-conflict markers from line {line} on"
        raise HighwayError(f"{message}; finish the merge, or delete the file")
    return text.removeprefix("\ufeff")


def clashes(cases: Iterable[Case]) -> list[Diagnostic]:
    """Golden cases whose files would have one name where case is not told apart."""
    seen: dict[str, str] = {}
    found = []
    for case in cases:
        transcript = case.model.expect.transcript
        if transcript is None or transcript.lines != "golden":
            continue
        other = seen.setdefault(case.name.lower(), case.name)
        if other != case.name:
            message = (
                f"{case.name!r} and {other!r} would have one golden file where case is not told "
                "apart; rename one"
            )
            loc = ("params", case.param) if case.param else ()
            found.append(case.origin.fault(loc, message, key=True))
    return found
