"""Holding a run against what its case expects: one function for each word of `expect`.

Each takes what is written under its word and the run's result, and yields a `Failure` for each
difference: where in the case it stands, what was expected and what came, and for goldens what to
write there instead. All words are checked, in the order of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from pytest_highway.case_models import Expect, ExpectedError, ExpectedTask, TranscriptModel, UsageModel
from pytest_highway.cases import Case
from pytest_highway.clock import parse_duration, shown_duration
from pytest_highway.errors import listed
from pytest_highway.events import ToolCalled
from pytest_highway.lines import LineDifference, compare_lines, split_lines, update_lines
from pytest_highway.matchers import MISSING, mismatches, shown
from pytest_highway.plan import Loc
from pytest_highway.tools import Registry
from pytest_highway.views import RunResult

__all__ = ["Checked", "Failure", "check_expectations"]

# Stands for "no replacement is known" where null is a value.
NOTHING = MISSING


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that does not hold.

    `loc` is its place in the case; `detail` or `difference` is what is shown below the first line;
    `update` what an update would write at `loc` (`golden`: into the golden file instead).
    """

    loc: Loc
    message: str
    detail: str = ""
    update: object = NOTHING
    golden: bool = False
    difference: LineDifference | None = None

    def shown(self, limit: int | None) -> str:
        """What stands below the first line; a diff has at most `limit` lines."""
        return self.detail if self.difference is None else self.difference.render(limit)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the checks look at: the case, its run, the tools, and the golden file's text if any."""

    case: Case
    result: RunResult
    registry: Registry
    golden: Callable[[], str | None]


def check_expectations(checked: Checked) -> list[Failure]:
    """Every failing expectation of a case, in file order."""
    expect = checked.case.model.expect
    written = cast("Mapping[str, object]", checked.case.data["expect"])
    failures = list(_implied_status(checked, expect))
    for word in written:
        if word in CHECKS and not word.startswith("x-"):
            failures += CHECKS[word](checked, expect)
    return failures


def _implied_status(checked: Checked, expect: Expect) -> Iterator[Failure]:
    if expect.status is None:
        wanted = "success" if expect.error is None else "failed"
        yield from _compare_status(checked, wanted, ("expect",), " (implied)")


def _check_status(checked: Checked, expect: Expect) -> Iterator[Failure]:
    if expect.status is not None:
        yield from _compare_status(checked, expect.status, ("expect", "status"), "")


def _compare_status(checked: Checked, wanted: str, loc: Loc, how: str) -> Iterator[Failure]:
    result = checked.result
    if result.status != wanted:
        why = ""
        if result.error is not None:
            where = f"{result.error.task}: " if result.error.task else ""
            why = f" ({where}{result.error})"
        message = f"expected status {wanted!r}{how}, got {result.status!r}{why}"
        # An implied status stands nowhere, so nothing can be written there.
        yield Failure(loc, message, update=NOTHING if how else result.status)


def _check_error(checked: Checked, expect: Expect) -> Iterator[Failure]:
    wanted = cast(ExpectedError, expect.error)
    fault = checked.result.error
    if fault is None:
        yield Failure(("expect", "error"), f"expected an error, but the run ended {checked.result.status!r}")
        return
    actual: dict[str, object] = fault._asdict()
    for field in ("type", "message", "task"):
        if field not in wanted.model_fields_set:
            continue
        pattern = getattr(wanted, field)
        if field == "type":
            pattern = str(pattern).rpartition(":")[2]
        yield from _compare(pattern, actual[field], _error_loc(checked, field), "error")


def _error_loc(checked: Checked, field: str) -> Loc:
    """`error: KeyError` is short for its type; the place is then the whole."""
    expect = cast("Mapping[str, object]", checked.case.data["expect"])
    whole: Loc = ("expect", "error")
    return (*whole, field) if isinstance(expect["error"], Mapping) else whole


def _compare(pattern: object, actual: object, loc: Loc, what: str) -> Iterator[Failure]:
    for each in mismatches(pattern, actual):
        place = (*loc, *each.loc)
        name = _shown_path(place[1:]) if len(place) > 2 else what
        yield Failure(place, f"{name}: {each.message}", update=each.actual)


def _shown_path(loc: Loc) -> str:
    text = ""
    for step in loc:
        text += f"[{step}]" if isinstance(step, int) else (f".{step}" if text else str(step))
    return text


def _check_branches(checked: Checked, expect: Expect) -> Iterator[Failure]:
    for path, wanted in expect.branches.items():
        actual = checked.result.branches.get(path)
        if wanted == actual and type(wanted) is type(actual):
            continue
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
    written = cast("Mapping[str, Mapping[str, object]]", checked.case.data["expect"])["tasks"]
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
        short = not isinstance(written[path], Mapping)
        for field in sorted(wanted.model_fields_set, key=list(ExpectedTask.model_fields).index):
            place = loc if short else (*loc, field)
            for failure in _compare(getattr(wanted, field), actual[field], place, "tasks"):
                reason = f" ({why})" if field == "status" and why else ""
                yield Failure(
                    failure.loc, failure.message + reason, update=failure.update
                )


def _check_calls(checked: Checked, expect: Expect) -> Iterator[Failure]:
    for name, wanted in expect.calls.items():
        loc: Loc = ("expect", "calls", name)
        found = _calls_of(checked.result, name)
        if isinstance(wanted, list):
            patterns = [_call_pattern(each) for each in wanted]
            actual = [{"args": call.args, "kwargs": call.kwargs} for call in found]
            yield from _compare_calls(patterns, actual, loc)
        else:
            for each in mismatches(wanted, len(found)):
                shown_calls = "\n".join(_shown_call(call) for call in found[:10])
                message = f"calls.{name}: {each.message}"
                yield Failure(loc, message, shown_calls, each.actual)


def _compare_calls(
    patterns: Sequence[object], actual: Sequence[object], loc: Loc
) -> Iterator[Failure]:
    if len(patterns) != len(actual):
        message = f"calls.{loc[-1]}: expected {len(patterns)} calls, got {len(actual)}"
        yield Failure(loc, message, "\n".join(shown(each) for each in actual[:10]))
    for number, (pattern, call) in enumerate(zip(patterns, actual, strict=False)):
        yield from _compare(pattern, call, (*loc, number), "calls")


def _call_pattern(element: object) -> object:
    """A call without `args` or `kwargs` expects none of them; a matcher stays as it is."""
    if isinstance(element, Mapping) and not any(key.startswith("$") for key in element):
        return {"args": [], "kwargs": {}, **element}
    return element


def _calls_of(result: RunResult, name: str) -> list[ToolCalled]:
    """The calls counted under a tool, a path, a bare task id, or an HTTP request's key."""
    if " " in name:
        return cast(
            "list[ToolCalled]", [event for event in result.requests if event.key == name]
        )
    return [
        call
        for call in result.calls
        if name in (call.tool, call.path) or call.path.rpartition("/")[2] == name
    ]


def _shown_call(call: ToolCalled) -> str:
    if not isinstance(call, ToolCalled):
        return str(call)
    return f"{call.path}: {call.tool} {shown(call.args)}"


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


def _check_output(checked: Checked, expect: Expect) -> Iterator[Failure]:
    yield from _compare(expect.output, checked.result.output, ("expect", "output"), "output")


def _check_usage(checked: Checked, expect: Expect) -> Iterator[Failure]:
    wanted = cast(UsageModel, expect.usage)
    usage = checked.result.usage(checked.registry)
    whole = usage.cost == usage.cost.to_integral_value()
    cost = int(usage.cost) if whole else float(usage.cost)
    actual = {"cost": cost, "tokens": usage.tokens, "tool_calls": usage.tool_calls}
    for field, value in actual.items():
        if field in wanted.model_fields_set:
            loc: Loc = ("expect", "usage", field)
            yield from _compare(getattr(wanted, field), value, loc, f"usage.{field}")


def _check_duration(checked: Checked, expect: Expect) -> Iterator[Failure]:
    pattern = _seconds(expect.duration)
    actual = checked.result.duration
    if mismatches(pattern, actual):
        message = f"duration: expected {shown(expect.duration)}, got {shown_duration(actual)}"
        yield Failure(("expect", "duration"), message, update=shown_duration(actual))


def _seconds(pattern: object) -> object:
    """A pattern over durations as one over seconds."""
    if isinstance(pattern, Mapping):
        return {key: _seconds(each) for key, each in pattern.items()}
    return pattern if pattern is True else parse_duration(pattern)


def _check_order(checked: Checked, expect: Expect) -> Iterator[Failure]:
    result = checked.result
    for number, text in enumerate(expect.order):
        names = [each.strip() for each in text.split("<")]
        loc: Loc = ("expect", "order", number)
        for before, after in zip(names, names[1:], strict=False):
            absent = [each for each in (before, after) if each not in result.starts]
            if absent:
                yield Failure(loc, f"order: {absent[0]!r} did not run")
            elif result.end_places[before] > result.starts[after]:
                yield Failure(loc, f"order: {before!r} had not ended when {after!r} started")


def _check_transcript(checked: Checked, expect: Expect) -> Iterator[Failure]:
    model = cast(TranscriptModel, expect.transcript)
    actual = checked.result.transcript(model.level)
    in_file = model.lines == "golden"
    loc = _transcript_loc(checked)
    text = checked.golden() if in_file else None
    if in_file and text is None:
        yield Failure(loc, "transcript: the golden file does not exist", update=actual, golden=True)
        return
    wanted = split_lines(text) if text is not None else cast("list[str]", model.lines)
    difference = compare_lines(wanted, actual, model.match)
    if difference is not None:
        update = update_lines(wanted, actual) if model.match == "exact" else NOTHING
        message = f"transcript: {difference.summary}"
        yield Failure(loc, message, "", update, in_file, difference)


def _transcript_loc(checked: Checked) -> Loc:
    expect = cast("Mapping[str, object]", checked.case.data["expect"])
    whole: Loc = ("expect", "transcript")
    return (*whole, "lines") if isinstance(expect["transcript"], Mapping) else whole


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
