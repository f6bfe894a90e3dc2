"""Holding a run that hides secrets against a case: real values decide, redacted ones are shown.

An expectation is held against what came, as if nothing were ever redacted: a `$len`, a `$not`
and a plain text mean what they say. Only where an expectation itself names a placeholder
(`<secret:variables.token>`, `<redacted>`), as an updated one does, and for transcripts, what is
shown is what counts:

    expectation          real differs   shown differs    verdict
    without placeholder  no             any              holds
                         yes            yes              fails, as the shown one says
                         yes            no               fails, in what is redacted
    with placeholder     any            no               holds
                         any            yes              fails, as the shown one says

So no text of a failure, and nothing that an update writes, has ever held a secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_highway.cases.expectations import Checked, Failure, check_expectations
from pytest_highway.cases.simulation import CaseRun
from pytest_highway.credentials import PLACEHOLDER
from pytest_highway.events import Fault
from pytest_highway.planning.plan import Loc
from pytest_highway.redaction import ShownResult
from pytest_highway.transcript import Level
from pytest_highway.views import RunResult

__all__ = ["judge_case"]

MARKS = ("<secret:", "<redacted>")


class RealResult(RunResult):
    """What came, but for what is only ever compared as it is shown."""

    def __init__(self, real: RunResult, shown: ShownResult) -> None:
        super().__init__(real.log)
        self._shown = shown

    @property
    def error(self) -> Fault | None:
        """The first critical failure; its message is scrubbed."""
        error = super().error
        return error and error._replace(message=self._shown.scrubbed(error.message))

    def transcript(self, level: Level = "tasks") -> list[str]:
        """The transcript that is shown."""
        return self._shown.transcript(level)


def judge_case(checked: Checked, run: CaseRun) -> list[Failure]:
    """Every failing expectation of a case, in file order, without secrets."""
    real = replace(checked, result=RealResult(run.real, run.result))
    failures = check_expectations(real)
    text = checked.case.origin.document.text
    is_named = any(mark in text for mark in MARKS)
    if not (failures or is_named) or not run.result.hides:
        return failures
    shown = check_expectations(replace(checked, result=run.result))
    origin = checked.case.origin
    return sorted(
        _merged(checked.case.data, failures, shown),
        key=lambda each: origin.document.position(origin.place(each.loc)),
    )


def _merged(
    data: Mapping[str, object], real: Sequence[Failure], shown: Sequence[Failure]
) -> Iterator[Failure]:
    """The failures that count, in the words that may be shown."""
    by_place: dict[Loc, list[Failure]] = {}
    for failure in shown:
        by_place.setdefault(failure.loc, []).append(failure)
    places = dict.fromkeys(each.loc for each in (*real, *shown))
    differing = {each.loc for each in real}
    for place in places:
        if _names_a_placeholder(data, place):
            yield from by_place.get(place, ())
        elif place in differing:
            name = ".".join(str(step) for step in place[1:])
            message = f"{name}: what came is not what is expected, in what is redacted here"
            yield from by_place.get(place, [Failure(place, message)])


def _names_a_placeholder(data: object, place: Loc) -> bool:
    """Whether what stands at a place of the case, or the place itself, holds a placeholder."""
    for step in place:
        if isinstance(step, str) and PLACEHOLDER.search(step):
            return True
        members = dict(enumerate(data)) if isinstance(data, list) else data
        data = members.get(step) if isinstance(members, Mapping) else None
    return PLACEHOLDER.search(str(data)) is not None
