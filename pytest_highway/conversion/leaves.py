"""Operators of highway-dsl that have nothing inside: tasks, events, waits, and ends.

task, activity          task
emit_event              task that calls tools.events.emit
reflexive               task that calls tools.agent.reflexive_loop
terminate               task that fails and aborts the run
wait                    wait
wait_for_event          wait, for an event
join                    wait of no time, with a trigger rule
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pytest_highway.clock import DEFAULT_START, seconds_until
from pytest_highway.conversion.commands import adapt_call
from pytest_highway.conversion.made import Made
from pytest_highway.conversion.parts import Parts, fail
from pytest_highway.conversion.policies import duration
from pytest_highway.conversion.tree import Op

__all__ = ["emit_event", "join", "reflexive", "task", "terminate", "wait", "wait_for_event"]

JOINS: Final[Mapping[str, str | None]] = {
    "all_of": "all_done",
    "any_of": "one_done",
    "all_success": None,
    "one_success": "one_success",
}


def task(parts: Parts, op: Op, made: Made) -> None:
    """A call of a tool."""
    made |= parts.rest(op, made, "function", "args", "kwargs")
    for key in ("args", "kwargs"):
        if not made.get(key, True):
            del made[key]
    adapt_call(made, op, parts.findings)


def emit_event(parts: Parts, op: Op, made: Made) -> None:
    """An event, which only waits of the same run can hear."""
    payload = parts.names.data(op.raw.get("payload") or {}, op, made, op.at("payload"))
    name = parts.names.data(op.raw.get("event_name"), op, made, op.at("event_name"))
    made |= {"function": "tools.events.emit", "args": [name, payload]}
    waits = (each for each in parts.names.root.walk() if each.kind == "wait_for_event")
    if op.raw.get("event_name") not in [each.raw.get("event_name") for each in waits]:
        message = "an event is heard by waits of the same run only, and this file has none"
        parts.findings.lost(made, op.at("event_name"), message)


def reflexive(parts: Parts, op: Op, made: Made) -> None:
    """The tool that highway-dsl names for it."""
    words = ("generator", "generator_kwargs", "verifier", "verifier_kwargs", "max_turns")
    said = parts.rest(op, made, *words, "correction_prompt_template")
    kwargs = {key: each for key, each in said.items() if each not in (None, {})}
    made |= {"function": "tools.agent.reflexive_loop", **({"kwargs": kwargs} if kwargs else {})}
    message = "it calls 'tools.agent.reflexive_loop', a tool that you are to declare"
    parts.findings.changed(op.at("operator_type"), message)


def terminate(parts: Parts, op: Op, made: Made) -> None:
    """An abort, which is the only way to end a run before its end."""
    status, reason = op.raw.get("status", "completed"), op.text("reason")
    fail(made, parts.names.text(reason, op, made, op.at("reason")) or f"terminated: {status}")
    made["on_failure"] = "abort"
    if status != "failed":
        message = f"a run that is ended by a task is failed here, and not {status!r}"
        parts.findings.lost(made, op.at("status"), message)
    if op.raw.get("result"):
        message = "a run that is aborted has no output; 'result' is left out"
        parts.findings.lost(made, op.at("result"), message)


def wait(parts: Parts, op: Op, made: Made) -> None:
    """A time, or a moment."""
    said = op.raw.get("wait_for")
    made["operator_type"] = "wait"
    if isinstance(said, str):
        said = said.removeprefix("datetime:")
        rest = said.removeprefix("duration:")
        said = float(rest) if _is_number(rest) else said
    found = duration(said)
    if isinstance(said, str) and found is None:
        said = parts.names.text(said, op, made, op.at("wait_for"))
    made["wait_for"] = said if found is None else found
    if "{{" in str(said) or isinstance(said, dict):
        return
    try:
        seconds_until(made["wait_for"], DEFAULT_START)
    except ValueError as error:
        made.pop("wait_for")
        parts.lose(op, made, "wait_for", str(error))


def wait_for_event(parts: Parts, op: Op, made: Made) -> None:
    """An event, within a time."""
    name = parts.names.data(op.raw.get("event_name"), op, made, op.at("event_name"))
    wait: dict[str, object] = {"event": name}
    if op.raw.get("timeout_seconds") is not None:
        seconds = op.raw["timeout_seconds"]
        wait["timeout"] = duration(seconds) or seconds
    made |= {"operator_type": "wait", "wait_for": wait}


def join(parts: Parts, op: Op, made: Made) -> None:
    """A wait of no time for tasks that have ended in some way."""
    mode = op.raw.get("join_mode", "all_of")
    made |= {"operator_type": "wait", "wait_for": "0s"}
    if not isinstance(mode, str) or mode not in JOINS:
        parts.lose(op, made, "join_mode", f"{mode!r} is no mode of a join")
        made.pop("wait_for")
        return
    if mode in ("any_of", "one_success"):
        message = f"a join waits for all of its tasks: {mode!r} is not decided by the first"
        parts.findings.lost(made, op.at("join_mode"), message)
    if JOINS[mode] is not None:
        made["trigger_rule"] = JOINS[mode]


def _is_number(text: str) -> bool:
    whole, _, rest = text.partition(".")
    return whole.isdecimal() and (rest.isdecimal() or not rest)
