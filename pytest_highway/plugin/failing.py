"""What follows when a case fails: what it wants written is noted, and the failure is told.

asked to write    what it wants is noted; then the case passes, and the ledger writes it
otherwise         it is noted all the same, for `highway accept`, and the case fails
no edit mends it  it fails, and says why
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.expectations import Failure
from pytest_highway.cases.simulation import CaseRun
from pytest_highway.errors import HighwayError
from pytest_highway.plugin.advice import accepting
from pytest_highway.plugin.failure_text import CaseFailed
from pytest_highway.plugin.failures import Shown, render_failures
from pytest_highway.plugin.keeping import keep_text
from pytest_highway.plugin.ledger import REFUSED, WANTED
from pytest_highway.plugin.noting import Repeat, Subject, wanted_of
from pytest_highway.plugin.options import asks_to_write, mode_of, shown_path
from pytest_highway.plugin.writing import reason_of

__all__ = ["FailedCase", "settle"]


class FailedCase(NamedTuple):
    """A case as it was collected and as it ran, and what is wrong; `repeat` runs it again."""

    collected: Case
    case: Case
    run: CaseRun
    failures: Sequence[Failure]
    repeat: Repeat


def settle(item: pytest.Item, failed: FailedCase, hint: str) -> None:
    """Note what the case wants written; raises `CaseFailed` unless that is to be done."""
    config, run = item.config, failed.run
    mode = mode_of(config)
    why_not = _note(item, failed)
    if mode and not why_not:
        return
    advice = f"not updated: {why_not}" if mode else ""
    if not why_not:
        here = config.invocation_params.dir
        advice = accepting(item.path, failed.collected, here, failed.failures)

    def keep(text: str) -> str:
        shown = shown_path(config, item.path)
        return keep_text(config, shown, item.name, run.redactor.rendered(text))

    how = Shown(config.getoption("verbose", 0), "\n".join(filter(None, [advice, hint])), keep)
    text = render_failures(failed.case, run, failed.failures, how)
    raise CaseFailed(run.redactor.rendered(text))


def _note(item: pytest.Item, failed: FailedCase) -> str:
    """Let the report carry what would be written; an empty text, or why nothing will be."""
    if item.get_closest_marker("xfail") is not None:
        return "the case is marked xfail, so it is meant to fail"
    run, failures, config = failed.run, failed.failures, item.config
    subject = Subject(item.path, shown_path(config, item.path), failed.case, mode_of(config))
    try:
        item.stash[WANTED] = wanted_of(subject, run, failures, failed.repeat)
    except (HighwayError, OSError) as error:
        why = run.redactor.rendered(reason_of(error))
        if asks_to_write(config):
            first = run.faults[0].loc if run.faults else failures[0].loc
            finding = failed.case.origin.fault(first, "")
            item.stash[REFUSED] = f"{finding.path}:{finding.position.line}", why
        return why
    return ""
