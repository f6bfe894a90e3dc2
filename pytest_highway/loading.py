"""One file to all that can be run of it: document, models, plan and cases, with every fault at once.

    path --load_file--> Loaded

A `*.workflow-test.yaml` holds cases only and names its workflow's file; every other file is a
workflow. Which files are read at all is the caller's decision, by their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_highway.case_checks import check_case
from pytest_highway.case_models import TestFile
from pytest_highway.cases import Case, read_cases
from pytest_highway.document import MAX_BYTES, Document, read
from pytest_highway.errors import Diagnostic, SourceError
from pytest_highway.models import validate_model
from pytest_highway.nesting import load_plan
from pytest_highway.plan import Plan
from pytest_highway.tools import Registry

__all__ = ["Loaded", "is_test_file", "load_file"]

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

    `shown` is the path that messages name.
    """
    document = read(file, shown, max_bytes=max_bytes)
    if not isinstance(document.data, dict):
        message = "a workflow file is a mapping with `name` and `tasks`"
        raise SourceError([document.diagnostic((), message)])
    faults: list[Diagnostic] = []
    plan, warnings = None, list[Diagnostic]()
    try:
        if is_test_file(file):
            plan, warnings = _plan_beside(file, document, registry, max_bytes)
        else:
            plan, warnings = load_plan(document, registry, file, max_bytes=max_bytes)
    except SourceError as error:
        faults += error.diagnostics
    cases, case_faults = read_cases(document)
    faults += case_faults
    if plan is not None:
        for case in cases:
            faults += check_case(case, plan, registry)
    if faults or plan is None:
        raise SourceError(faults)
    return Loaded(document, plan, tuple(cases), tuple(warnings))


def _plan_beside(
    file: Path, document: Document, registry: Registry, max_bytes: int
) -> tuple[Plan, list[Diagnostic]]:
    """The plan of the workflow that a test file names, relative to itself."""
    model, faults = validate_model(TestFile, document.data, document)
    if model is None:
        raise SourceError(faults)
    target = file.parent / model.workflow
    shown = Path(document.path).parent / model.workflow
    if not target.is_file():
        message = f"there is no workflow file {model.workflow!r} beside this file"
        raise SourceError([document.diagnostic(("workflow",), message)])
    beside = read(target, shown.as_posix(), max_bytes=max_bytes)
    return load_plan(beside, registry, target, max_bytes=max_bytes)
