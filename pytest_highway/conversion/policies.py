"""Durations, retries, timeouts, breakers and guards of highway-dsl, as ours.

timedelta    a number of seconds, ISO 8601, `[D day[s],] [H:]MM:SS`; ours: `90s`, `5m`
a retry      with the defaults of highway-dsl written out, which are others than ours
a guard      an expression of `require` or `validate`
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Final

from pytest_highway.clock import parse_duration, shown_duration
from pytest_highway.conversion.made import Findings, Made, mapping, sequence
from pytest_highway.conversion.names import Names
from pytest_highway.conversion.tree import Op
from pytest_highway.planning.plan import Loc

__all__ = ["breaker_of", "duration", "guards_of", "retry_of", "timeout_of"]

_CLOCK = re.compile(r"(?:(\d+)(?: days?,?)? )?(?:(\d+):)?(\d+):(\d+(?:\.\d+)?)", re.ASCII)
_WEEKS = re.compile(r"P(\d+)W", re.ASCII)
SECONDS: Final = (86400, 3600, 60, 1)
RETRIES, DELAY, BACKOFF = 3, 5.0, 2.0


def duration(value: object) -> str | None:
    """A timedelta in our shortest form; None for what is none."""
    seconds = _seconds(value)
    return None if seconds is None else shown_duration(seconds)


def _seconds(value: object) -> float | None:
    if isinstance(value, str):
        if clock := _CLOCK.fullmatch(value):
            parts = [float(each or 0) for each in clock.groups()]
            return sum(part * unit for part, unit in zip(parts, SECONDS, strict=True))
        if weeks := _WEEKS.fullmatch(value):
            return int(weeks[1]) * 7.0 * SECONDS[0]
        value = re.sub(r"(?<=P)0D(?=T)|(?<=\d)(\.0+)(?=[SMHD])", "", value)
    try:
        return parse_duration(value)
    except ValueError:
        return None


# --- retry and timeout ---------------------------------------------------------------------------


def retry_of(raw: object, made: Made, loc: Loc, findings: Findings) -> object:
    """A retry policy; what is no mapping stays, for whoever loads it to tell."""
    if not isinstance(raw, dict):
        return raw
    retries = raw.get("max_retries", RETRIES)
    if retries == 0:
        return 0
    retry: dict[str, object] = {"max_retries": retries}
    delay = duration(raw.get("delay", DELAY))
    if delay is None:
        findings.lost(made, (*loc, "delay"), f"{raw['delay']!r} is no duration; there is no delay")
    elif delay != "0s":
        retry |= {"delay": delay, "backoff": _backoff(raw, made, loc, findings)}
    for key in [each for each in raw if each not in RETRY_WORDS]:
        if key in ("max_delay", "retry_on"):
            retry[key] = raw[key]
        else:
            findings.lost(made, (*loc, key), f"a retry has no {key!r}; it is left out")
    return retry


RETRY_WORDS = ("max_retries", "delay", "backoff_factor", "backoff")


def _backoff(raw: Mapping[str, object], made: Made, loc: Loc, findings: Findings) -> object:
    backoff = raw.get("backoff_factor", raw.get("backoff", BACKOFF))
    if isinstance(backoff, int | float) and backoff < 1:
        message = f"a delay never shrinks here: the back-off is 1 and not {backoff}"
        findings.lost(made, (*loc, "backoff_factor"), message)
        return 1
    return backoff


def timeout_of(raw: object, made: Made, loc: Loc, findings: Findings) -> object:
    """A timeout policy as a duration; None where it has none."""
    if not isinstance(raw, dict):
        return raw
    if raw.get("kill_on_timeout") is False:
        message = "an attempt that is out of time is always stopped: 'kill_on_timeout' is left out"
        findings.lost(made, (*loc, "kill_on_timeout"), message)
    found = duration(raw.get("timeout"))
    if found is None:
        message = f"{raw.get('timeout')!r} is no duration; there is no timeout"
        findings.lost(made, (*loc, "timeout"), message)
    return found


# --- circuit breakers ----------------------------------------------------------------------------

_NOT_IN_A_BREAKER = {
    "success_threshold": "a breaker closes after the first call that succeeds",
    "catch_exceptions": "every failure counts for a breaker",
    "ignore_exceptions": "every failure counts for a breaker",
}


def breaker_of(raw: Mapping[str, object], made: Made, loc: Loc, findings: Findings) -> object:
    """A breaker of a tool."""
    for key, why in _NOT_IN_A_BREAKER.items():
        if raw.get(key) not in (None, 1):
            findings.lost(made, (*loc, key), f"{why}: {key!r} is left out")
    reset = duration(raw.get("isolation_duration_seconds", raw.get("isolation_duration", 30)))
    return {"failures": raw.get("failure_threshold", 5), "reset_after": reset or "30s"}


# --- guards --------------------------------------------------------------------------------------

_GUARDS: Final[Mapping[str, Callable[[str, str], str]]] = {
    "exists": lambda operand, _: f"[{operand}] | length == 1",
    "not_null": lambda operand, _: f"{operand} != null",
    "equals": lambda operand, value: f"{operand} == {value}",
    "not_equals": lambda operand, value: f"{operand} != {value}",
    "in_set": lambda operand, value: f"{operand} in {value}",
}
_TEMPLATE = re.compile(r"\{\{\s*(.+?)\s*\}\}", re.DOTALL)


def guards_of(key: str, op: Op, made: Made, names: Names) -> list[str]:
    """The conditions of one list of guards; one that no expression can say never holds."""
    found = []
    names.checked = op if key == "postconditions" else None
    for number, raw in enumerate(sequence(op.raw.get(key))):
        loc, guard = op.at(key, number), mapping(raw)
        condition = _condition(guard)
        if condition is None:
            message = f"no expression can check {str(guard.get('check'))!r}; the task fails"
            names.findings.lost(made, loc, message)
            found.append("false")
            continue
        if guard.get("message"):
            message = f"a guard has no message of its own: {str(guard['message'])!r} is left out"
            names.findings.changed((*loc, "message"), message)
        found.append(names.condition(condition, op, made, (*loc, "variable")))
    names.checked = None
    return found


def _condition(guard: Mapping[str, object]) -> str | None:
    variable, check, value = (guard.get(each) for each in ("variable", "check", "value"))
    if not isinstance(variable, str) or not isinstance(check, str):
        return None
    match = _TEMPLATE.fullmatch(variable.strip())
    operand = match[1] if match else variable
    if check == "in_range" and isinstance(value, list) and len(value) == 2:
        low, high = map(_literal, value)
        return f"{low} <= {operand} <= {high}"
    make = _GUARDS.get(check)
    return None if make is None else make(operand, _literal(value))


def _literal(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
