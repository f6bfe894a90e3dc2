"""One file to all that can be run of it: document, plan and cases, with every fault at once.

    path --load_file--> Loaded

A `*.workflow-test.yaml` holds cases only and names its workflow's file; every other file is a
workflow, of tasks or of steps. Which files are read at all is the caller's decision, by their
names. Cases are checked also when the workflow has faults, as far as its text tells what it
declares.
"""

from __future__ import annotations

from dataclasses import dataclass
from os.path import normpath
from pathlib import Path

from pytest_highway.cases.checks import check_case
from pytest_highway.cases.declarations import Case, read_cases, read_defaults
from pytest_highway.cases.declared import Declared
from pytest_highway.cases.lints import lint_cases
from pytest_highway.cases.models import TestFile
from pytest_highway.errors import Diagnostic, SourceError
from pytest_highway.planning.nesting import load_plan
from pytest_highway.planning.plan import Plan
from pytest_highway.reading.collector import collector_paused
from pytest_highway.reading.document import MAX_BYTES, Document, read
from pytest_highway.reading.validation import validate_model
from pytest_highway.reading.yaml_syntax import without_consequences
from pytest_highway.steps.dialect import as_tasks, cases_beside
from pytest_highway.tools import Registry

__all__ = ["Loaded", "is_test_file", "load_file"]

# Bytes, of about 1,000 tasks.
LARGE = 100_000

TEST_FILE_ENDINGS = (".workflow-test.yaml", ".workflow-test.yml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid file: its plan, its cases in file order, and warnings about it."""

    document: Document
    plan: Plan
    cases: tuple[Case, ...]
    warnings: tuple[Diagnostic, ...]


def is_test_file(file: Path) -> bool:
    """Whether a file holds only cases, by its name."""
    return file.name.endswith(TEST_FILE_ENDINGS)


def load_file(file: Path, shown: str, registry: Registry, *, max_bytes: int = MAX_BYTES) -> Loaded:
    """Read, validate, compile and check a file; raises `SourceError` with every fault of it.

    `shown` is the path that messages name. Faults of a workflow that a test file names are among
    them, each under its own file.
    """
    with collector_paused(_is_large(file)):
        return _load(file, shown, registry, max_bytes)


def _is_large(file: Path) -> bool:
    """Whether reading makes so many objects that looking for garbage among them is felt."""
    try:
        return file.stat().st_size > LARGE
    except OSError:
        return False


def _load(file: Path, shown: str, registry: Registry, max_bytes: int) -> Loaded:
    document, unread = _read(file, shown, max_bytes)
    source: Document | None = document
    faults: list[Diagnostic] = []
    target = file
    if is_test_file(file):
        source, faults = _workflow_beside(file, document, max_bytes)
        target = file.parent / (Path() if source is None else _named(document))
    if source is not None:
        source, found = as_tasks(source)
        unread += found
        if not is_test_file(file):
            document = source
        else:
            document, found = cases_beside(document, source)
            unread += found
    plan: Plan | None = None
    warnings: list[Diagnostic] = []
    declared = None if source is None else Declared.by(source)
    if source is not None:
        try:
            plan, warnings = load_plan(source, registry, target, max_bytes=max_bytes)
        except SourceError as error:
            faults += error.diagnostics
    if declared is not None:
        declared.plan = plan
    cases, found = _checked_cases(document, file.parent, declared, registry)
    faults += found
    if faults or unread or plan is None:
        # What could not be read is told once, and not again by what its absence leads to.
        told = {(each.path, each.position) for each in unread}
        news = [each for each in faults if (each.path, each.position) not in told]
        raise SourceError(without_consequences([*unread, *news]))
    return Loaded(document, plan, tuple(cases), (*warnings, *lint_cases(cases, plan)))


def _read(file: Path, shown: str, max_bytes: int) -> tuple[Document, list[Diagnostic]]:
    """The document, and the faults of its text that did not keep the rest from being read."""
    faults: list[Diagnostic] = []
    try:
        document = read(file, shown, max_bytes=max_bytes)
    except SourceError as error:
        if not isinstance(error.document, Document):
            raise
        document, faults = error.document, list(error.diagnostics)
    if not isinstance(document.data, dict):
        what = "`workflow` and `tests`" if is_test_file(file) else "`name` and `tasks`"
        message = f"the file is no mapping; it has {what} at its top level"
        raise SourceError([*faults, document.diagnostic((), message)])
    return document, faults


def _checked_cases(
    document: Document, folder: Path, declared: Declared | None, registry: Registry
) -> tuple[list[Case], list[Diagnostic]]:
    """The cases with their compiled stubs, and all that is wrong with them."""
    cases, found = read_cases(document, folder)
    defaults, faults = read_defaults(document, folder)
    found += faults
    checked: list[Case] = []
    if declared is not None:
        for case in cases:
            case, faults = check_case(case, declared, registry)
            checked.append(case)
            found += faults
        if defaults is not None:
            found += check_case(defaults, declared, registry)[1]
    return checked, found


def _named(document: Document) -> str:
    """The workflow file that a test file names, or an empty text."""
    name = document.data.get("workflow") if isinstance(document.data, dict) else None
    return name if isinstance(name, str) else ""


def _workflow_beside(
    file: Path, document: Document, max_bytes: int
) -> tuple[Document | None, list[Diagnostic]]:
    """The workflow that a test file names, relative to itself, and what is wrong with either."""
    _, faults = validate_model(TestFile, document.data, document)
    name = _named(document)
    if not name:
        return None, faults
    target = file.parent / name
    if is_test_file(target) or not target.is_file():
        what = "holds cases and no workflow" if target.is_file() else "does not exist"
        message = f"the workflow file {name!r} {what}; it is named relative to this file"
        return None, [*faults, document.diagnostic(("workflow",), message)]
    # As a path from rootdir, like any other; `..` in it would tell one file by two names.
    shown = normpath(Path(document.path).parent / name)
    try:
        source, unread = _read(target, Path(shown).as_posix(), max_bytes)
        return source, [*faults, *unread]
    except SourceError as error:
        return None, [*faults, *error.diagnostics]
