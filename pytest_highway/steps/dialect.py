"""Which dialect a file is written in, told by its `steps`; one of tasks pays for nothing here."""

from __future__ import annotations

from pytest_highway.errors import Diagnostic
from pytest_highway.reading.document import Document
from pytest_highway.reading.translated import Translated

__all__ = ["as_tasks", "cases_beside"]


def as_tasks(document: Document) -> tuple[Document, list[Diagnostic]]:
    """The document itself unless it has `steps`; else one with tasks, and the faults of steps."""
    data = document.data
    if not isinstance(data, dict) or "steps" not in data:
        return document, []
    # Imported here: the models of steps take as long to make as those of tasks.
    from pytest_highway.steps.translation import translate

    return translate(document, data)


def cases_beside(document: Document, workflow: Document) -> tuple[Document, list[Diagnostic]]:
    """A document of cases as the dialect of its workflow has them, and what is wrong with that."""
    data = document.data
    if not isinstance(workflow, Translated) or not isinstance(data, dict):
        return document, []
    from pytest_highway.steps.translation import translate_cases

    return translate_cases(document, data)
