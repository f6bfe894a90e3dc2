"""Holding a run against what its case expects: one function for each word of `expect`.

Each takes what is written under its word and the run's result, and yields a `Failure` for each
difference: where in the case it stands, what was expected and what came, and what an update would
write there instead. All words are checked; failures come in the order of the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.models import (
    Expect,
    ExpectedError,
    ExpectedTask,
    TranscriptModel,
    UsageModel,
)
from pytest_highway.clock import shown_duration
from pytest_highway.errors import HighwayError, listed
from pytest_highway.events import HttpRequested, ToolCalled
from pytest_highway.expressions.values import ATOMS
from pytest_highway.matching.lines import LineDifference, compare_lines, split_lines, update_lines
from pytest_highway.matching.matchers import MISSING, escaped, matches, mismatches, shown
from pytest_highway.matching.patterns import word_of
from pytest_highway.matching.repatterning import is_structural, updated_pattern
from pytest_highway.planning.plan import Loc
from pytest_highway.tools import Registry
from pytest_highway.views import RunResult

__all__ = ["NOTHING", "Checked", "Failure", "check_expectations"]

# Stands for "no replacement is known" where null is a value.
NOTHING = MISSING
# Calls that are listed below a failure about their number.
SHOWN_CALLS = 10
# The lines of a transcript with which those of a task begin.
HEADS = {
    "tasks": re.compile(r"((?:[^\s:\[]|\[[^\]]*\])+): "),
    "engine": re.compile(r"Orchestrator: Executing task (.+)"),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that does not hold.

    `loc` is its place in the case; `detail` or `difference` is what is shown below the first line;
    `update` what an update would write at `target`, which is `loc` when it is empty (`golden`: into
    the golden file instead). A transcript that stands in the case differs first in its `line`.
    """

    loc: Loc
    message: str
    detail: str = ""
    update: object = NOTHING
    golden: bool = False
    difference: LineDifference | None = None
    target: Loc = ()
    line: int | None = None

    @property
    def edited(self) -> Loc:
        """The place in the case that an update would rewrite."""
        return self.target or self.loc


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks look at: the case, its run, the tools, and the golden file's text if any.

    `as_shown` makes of expected lines what a transcript would show of them.
    """

    case: Case
    result: RunResult
    registry: Registry
    golden: Callable[[], str | None]
    as_shown: Callable[[Sequence[str]], list[str]] = list


def check_expectations(checked: Checked) -> list[Failure]:
    """Every failing expectation of a case, in file order."""
    expect = checked.case.model.expect
    failures = list(_implied_status(checked, expect))
    for word in _written(checked):
        if word in CHECKS:
            failures += CHECKS[word](checked, expect)
    if len(failures) > 1:
        failures.sort(key=lambda each: checked.case.origin.position(each.loc))
    return failures


def _written(checked: Checked) -> Mapping[str, object]:
    """What stands under `expect`."""
    return cast("Mapping[str, object]", checked.case.data["expect"])


# --- the run -------------------------------------------------------------------------------------


def _implied_status(checked: Checked, expect: Expect) -> Iterator[Failure]:
    if expect.status is None:
        wanted = "success" if expect.error is None else "failed"
        yield from _compare_status(checked, wanted, " (implied)")


def _check_status(checked: Checked, expect: Expect) -> Iterator[Failure]:
    yield from _compare_status(checked, cast("str", expect.status), "")


def _compare_status(checked: Checked, wanted: str, how: str) -> Iterator[Failure]:
    result = checked.result
    if result.status != wanted:
        why = ""
        if result.error is not None:
            where = f"{result.error.task}: " if result.error.task else ""
            why = f" ({where}{result.error})"
        message = f"expected status {wanted!r}{how}, got {result.status!r}{why}"
        # An implied status stands nowhere, so nothing can be written there.
        update = NOTHING if how else result.status
        yield Failure(("expect", "status"), message, update=update)


def _check_error(checked: Checked, expect: Expect) -> Iterator[Failure]:
    wanted = cast("ExpectedError", expect.error)
    fault = checked.result.error
    whole: Loc = ("expect", "error")
    if fault is None:
        status = checked.result.status
        yield Failure(whole, f"error: expected one, but the run ended {status!r} without")
        return
    # `error: KeyError` is short for its type; the place is then the whole.
    is_short = not isinstance(_written(checked)["error"], Mapping)
    for field in ("type", "message", "task"):
        if field not in wanted.model_fields_set:
            continue
        pattern = getattr(wanted, field)
        if field == "type" and isinstance(pattern, str):
            # `module:Class` says where the class is found; the log has its name alone.
            pattern = pattern.rpartition(":")[2]
        loc = whole if is_short else (*whole, field)
        for failure in _compare(pattern, getattr(fault, field), loc, f"error.{field}"):
            detail = f"the run's error: {f'{fault.task}: ' if fault.task else ''}{fault}"
            yield _explained(failure, detail=detail)


def _explained(failure: Failure, *, why: str = "", detail: str = "") -> Failure:
    """The failure with more to read."""
    return Failure(
        failure.loc,
        f"{failure.message}{why}",
        detail or failure.detail,
        failure.update,
        target=failure.target,
    )


def _check_output(checked: Checked, expect: Expect) -> Iterator[Failure]:
    yield from _compare(expect.output, checked.result.output, ("expect", "output"), "output")


def _check_usage(checked: Checked, expect: Expect) -> Iterator[Failure]:
    wanted = cast("UsageModel", expect.usage)
    usage = checked.result.usage(checked.registry)
    # As a person would write it: 3, and not 3.0.
    whole = usage.cost == usage.cost.to_integral_value()
    cost = int(usage.cost) if whole else float(usage.cost)
    actual = {"cost": cost, "tokens": usage.tokens, "tool_calls": usage.tool_calls}
    for field, value in actual.items():
        if field in wanted.model_fields_set:
            loc: Loc = ("expect", "usage", field)
            yield from _compare(getattr(wanted, field), value, loc, f"usage.{field}")


def _check_duration(checked: Checked, expect: Expect) -> Iterator[Failure]:
    actual = checked.result.duration
    if not matches(expect.duration, actual):
        wanted = _written(checked)["duration"]
        message = f"duration: expected {shown(wanted)}, got {shown_duration(actual)}"
        yield Failure(("expect", "duration"), message, update=shown_duration(actual))


def _check_order(checked: Checked, expect: Expect) -> Iterator[Failure]:
    result = checked.result
    for number, text in enumerate(expect.order):
        names = [each.strip() for each in text.split("<")]
        loc: Loc = ("expect", "order", number)
        for absent in dict.fromkeys(each for each in names if each not in result.starts):
            end = result.ends.get(absent)
            why = "" if end is None else f": {end.status} ({end.reason})"
            yield Failure(loc, f"order: {absent!r} did not run{why}")
        for before, after in pairwise(names):
            both = before in result.starts and after in result.starts
            if both and result.end_places[before] > result.starts[after]:
                yield Failure(loc, f"order: {before!r} had not ended when {after!r} started")


# --- tasks and calls -----------------------------------------------------------------------------


def _check_branches(checked: Checked, expect: Expect) -> Iterator[Failure]:
    for path, wanted in expect.branches.items():
        actual = checked.result.branches.get(path)
        if wanted != actual:
            loc: Loc = ("expect", "branches", path)
            message = f"branches.{path}: expected {shown(wanted)}, got {shown(actual)}"
            yield Failure(loc, message, _why_branch(checked, path), actual)


def _why_branch(checked: Checked, path: str) -> str:
    end = checked.result.ends.get(path)
    if end is None or end.status == "success":
        lines = checked.result.transcript()
        return next((line for line in lines if line.startswith(f"{path}: ")), "")
    why = end.reason or str(end.fault or "")
    return f"{path} ended {end.status}" + (f" ({why})" if why else "")


def _check_tasks(checked: Checked, expect: Expect) -> Iterator[Failure]:
    written = cast("Mapping[str, object]", _written(checked)["tasks"])
    for path, wanted in expect.tasks.items():
        loc: Loc = ("expect", "tasks", path)
        end = checked.result.ends.get(path)
        if end is None:
            yield Failure(loc, f"tasks.{path}: no such task ran or ended")
            continue
        why = end.reason or str(end.fault or "")
        actual: dict[str, object] = {
            "status": end.status,
            "attempts": end.attempts,
            "reason": why,
            "replaced_by": checked.result.replaced.get(path),
        }
        is_short = not isinstance(written[path], Mapping)
        for field in ExpectedTask.model_fields:
            if field in wanted.model_fields_set:
                place, name = ((), "") if is_short else ((field,), f".{field}")
                reason = f" ({why})" if field == "status" and why else ""
                pattern = getattr(wanted, field)
                for each in _compare(pattern, actual[field], (*loc, *place), f"tasks.{path}{name}"):
                    yield _explained(each, why=reason)


def _check_calls(checked: Checked, expect: Expect) -> Iterator[Failure]:
    for name, wanted in expect.calls.items():
        loc: Loc = ("expect", "calls", name)
        found = _calls_of(checked.result, name)
        if isinstance(wanted, list):
            yield from _compare_calls(wanted, found, loc)
            continue
        for each in _compare(wanted, len(found), loc, f"calls.{name}"):
            yield _explained(each, detail=_shown_calls(found))


def _compare_calls(
    patterns: Sequence[object], calls: Sequence[ToolCalled | HttpRequested], loc: Loc
) -> Iterator[Failure]:
    """Call by call when there are as many as expected."""
    name = f"calls.{loc[-1]}"
    made = [call for call in calls if isinstance(call, ToolCalled)]
    actual = [{"args": call.args, "kwargs": call.kwargs} for call in made]
    if len(patterns) != len(actual):
        one = "call" if len(patterns) == 1 else "calls"
        message = f"{name}: expected {len(patterns)} {one}, got {len(actual)}"
        rows = [_written_call({}, each) for each in actual]
        yield Failure(loc, message, _shown_calls(calls), rows)
        return
    for number, (pattern, call) in enumerate(zip(patterns, actual, strict=True)):
        place: Loc = (*loc, number)
        for each in _compare(_call_pattern(pattern), call, place, f"{name}[{number}]"):
            if each.edited == place and isinstance(each.update, Mapping):
                update = _written_call(pattern, each.update)
                yield Failure(each.loc, each.message, update=update, target=place)
            else:
                yield each


def _call_pattern(element: object) -> object:
    """A call without `args` or `kwargs` expects none of them; a matcher stays as it is."""
    if isinstance(element, Mapping) and word_of(element) is None:
        return {"args": [], "kwargs": {}, **element}
    return element


def _written_call(element: object, update: Mapping[str, object]) -> dict[str, object]:
    """A call as it is written: without what is empty and was not written before."""
    named = element if isinstance(element, Mapping) else {}
    rows = {key: each for key, each in update.items() if each or key in named}
    return rows or {"args": []}


def _calls_of(result: RunResult, name: str) -> Sequence[ToolCalled | HttpRequested]:
    """The calls counted under a tool, a path, a bare task id, or an HTTP request's key."""
    # No tool and no task has a blank in its name; a method and its URL have.
    if " " in name:
        return [event for event in result.requests if event.key == name]
    return [
        call
        for call in result.calls
        if name in (call.tool, call.path) or call.path.rpartition("/")[2] == name
    ]


def _shown_calls(calls: Sequence[ToolCalled | HttpRequested]) -> str:
    lines = [_shown_call(call) for call in calls[:SHOWN_CALLS]]
    rest = len(calls) - len(lines)
    return "\n".join([*lines, *([f"and {rest} more"] if rest else [])])


def _shown_call(call: ToolCalled | HttpRequested) -> str:
    if isinstance(call, HttpRequested):
        return f"{call.path}: {call.key}"
    arguments = [shown(each) for each in call.args]
    arguments += [f"{name}={shown(each)}" for name, each in call.kwargs.items()]
    return f"{call.path}: {call.tool}({', '.join(arguments)})"


# --- values --------------------------------------------------------------------------------------


def _check_results(checked: Checked, expect: Expect) -> Iterator[Failure]:
    yield from _named_values(expect.results, checked.result.results, "results")


def _check_memory(checked: Checked, expect: Expect) -> Iterator[Failure]:
    yield from _named_values(expect.memory, checked.result.memory, "memory")


def _named_values(
    patterns: Mapping[str, object], values: Mapping[str, object], word: str
) -> Iterator[Failure]:
    """At the first level only what is named is checked; below it, exactly."""
    for name, pattern in patterns.items():
        loc: Loc = ("expect", word, name)
        if name not in values:
            known = listed(list(values))
            yield Failure(loc, f"{word}.{name}: nothing was stored under it; stored: {known}")
        else:
            yield from _compare(pattern, values[name], loc, f"{word}.{name}")


def _compare(pattern: object, actual: object, loc: Loc, name: str) -> Iterator[Failure]:
    """A failure for each mismatch, at the part of the pattern that decided."""
    if type(pattern) in ATOMS and type(pattern) is type(actual) and pattern == actual:
        return  # The usual case, and a tenth of the time.
    found = mismatches(pattern, actual)
    # Where entries have come or gone, edits of single places would not add up to the new value.
    is_whole = any(map(is_structural, found))
    for each in found:
        place = (*loc, *each.pattern_loc)
        message = f"{name}{_shown_path(each.loc)}: {each.message}"
        if is_whole:
            yield Failure(place, message, update=updated_pattern(pattern, actual), target=loc)
        else:
            yield Failure(place, message, update=escaped(each.actual))


def _shown_path(loc: Loc) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)


# --- the transcript ------------------------------------------------------------------------------


def _check_transcript(checked: Checked, expect: Expect) -> Iterator[Failure]:
    model = cast("TranscriptModel", expect.transcript)
    actual = checked.result.transcript(model.level)
    in_file = model.lines == "golden"
    loc = _transcript_loc(checked)
    try:
        text = checked.golden() if in_file else None
    except HighwayError as error:
        yield Failure(loc, f"transcript: {error}")
        return
    if in_file and text is None:
        yield Failure(loc, "transcript: the golden file does not exist", update=actual, golden=True)
        return
    wanted = split_lines(text) if text is not None else cast("list[str]", model.lines)
    heads = HEADS.get(model.level)
    difference = compare_lines(wanted, actual, model.match, heads)
    # Only now: it is a walk over all lines, and most transcripts are as expected.
    if difference is not None and (shown_lines := checked.as_shown(wanted)) != wanted:
        wanted = shown_lines
        difference = compare_lines(wanted, actual, model.match, heads)
    if difference is not None:
        update = update_lines(wanted, actual) if model.match == "exact" else NOTHING
        summary = "the golden file is empty" if text == "" else difference.summary
        message = f"transcript: {summary}"
        line = None if in_file else difference.first_expected
        yield Failure(loc, message, "", update, in_file, difference, line=line)


def _transcript_loc(checked: Checked) -> Loc:
    whole: Loc = ("expect", "transcript")
    return (*whole, "lines") if isinstance(_written(checked)["transcript"], Mapping) else whole


CHECKS: dict[str, Callable[[Checked, Expect], Iterator[Failure]]] = {
    "status": _check_status,
    "error": _check_error,
    "branches": _check_branches,
    "tasks": _check_tasks,
    "calls": _check_calls,
    "results": _check_results,
    "memory": _check_memory,
    "output": _check_output,
    "usage": _check_usage,
    "duration": _check_duration,
    "order": _check_order,
    "transcript": _check_transcript,
}
