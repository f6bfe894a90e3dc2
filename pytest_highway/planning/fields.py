"""Fields of operators: templates and expressions become closures, waits a `WaitSpec`.

Each reader takes what is written and where it stands; what is wrong with it is reported there, and
something harmless stands in for it, so that all faults of a file are found at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from pytest_highway.clock import DEFAULT_START, parse_duration, seconds_until
from pytest_highway.engine.outputs import Check, compile_check
from pytest_highway.errors import HighwayError, did_you_mean, listed
from pytest_highway.exceptions import check_retried
from pytest_highway.expressions.expression import Expression, ExpressionError, compile_expression
from pytest_highway.expressions.template import Value, compile_data
from pytest_highway.planning.plan import Loc, ReportFault, WaitSpec
from pytest_highway.tools import Registry

__all__ = ["Fields"]

Made = TypeVar("Made")

WAIT_KEYS = {"event": ("event", "match", "timeout"), "until": ("until", "every", "timeout")}


class Fields:
    """Reads fields of operators; faults go to `fault`."""

    def __init__(self, fault: ReportFault) -> None:
        self._fault = fault

    def value(self, data: object, loc: Loc) -> Value:
        """Data whose strings may be templates."""
        errors: list[tuple[Loc, ExpressionError]] = []
        value = compile_data(data, errors)
        for inside, error in errors:
            self._fault((*loc, *inside), error.message)
        return value

    def expression(self, text: str | None, loc: Loc) -> Expression | None:
        """A condition, in which braces are optional."""
        return None if text is None else self.made(lambda: compile_expression(text), loc)

    def checks(self, texts: Sequence[str], loc: Loc) -> tuple[Check, ...]:
        """What `require` or `validate` says: one check or a list of them."""
        places = [(*loc, number) for number in range(len(texts))] if len(texts) > 1 else [loc]
        made = [
            self.made(partial(compile_check, text), place)
            for text, place in zip(texts, places, strict=False)
        ]
        return tuple(each for each in made if each is not None)

    def exceptions(self, names: Sequence[str], loc: Loc, registry: Registry) -> None:
        """The names of `retry_on`: each is an exception with which an attempt may fail."""
        for number, name in enumerate(names):
            self.made(partial(check_retried, name, registry), (*loc, number))

    def made(self, make: Callable[[], Made], loc: Loc) -> Made | None:
        """What `make` gives, or None when it finds a fault."""
        try:
            return make()
        except HighwayError as error:
            self._fault(loc, error.message if isinstance(error, ExpressionError) else str(error))
            return None

    # --- waits ---------------------------------------------------------------------------------

    def wait(self, wanted: object, loc: Loc) -> WaitSpec | None:
        """What `wait_for` says, in any of its forms."""
        if isinstance(wanted, dict):
            return self._wait_mapping(wanted, loc)
        if not (isinstance(wanted, str) and "{{" in wanted):
            self._checked(lambda: seconds_until(wanted, DEFAULT_START), loc)
        return WaitSpec(value=self.value(wanted, loc))

    def _wait_mapping(self, wanted: dict[str, object], loc: Loc) -> WaitSpec | None:
        kind = next((word for word in WAIT_KEYS if word in wanted), None)
        if kind is None:
            self._fault(loc, "a wait names an 'event', an 'until', a duration or a time")
            return None
        for name in wanted:
            if name not in WAIT_KEYS[kind]:
                near = did_you_mean(name, WAIT_KEYS[kind])
                allowed = listed(WAIT_KEYS[kind])
                message = f"unknown key {name!r}; allowed: {allowed}{near}"
                self._fault((*loc, name), message, key=True)
        timeout = self._duration(wanted, "timeout", loc)
        if kind == "event":
            event = self.value(wanted["event"], (*loc, "event"))
            if not isinstance(wanted["event"], str) or not wanted["event"]:
                message = f"expected the name of an event, got {wanted['event']!r}"
                self._fault((*loc, "event"), message)
            match = self._optional(wanted.get("match"), (*loc, "match"))
            return WaitSpec(event=event, match=match, timeout=timeout)
        every = self._duration(wanted, "every", loc)
        if not every:
            self._fault((*loc, "every"), "an 'until' needs 'every', a duration above 0", key=True)
        until = self._optional(wanted["until"], (*loc, "until"))
        return WaitSpec(until=until, every=every or 1.0, timeout=timeout)

    def _optional(self, text: object, loc: Loc) -> Expression | None:
        if text is None or isinstance(text, str):
            return self.expression(text, loc)
        self._fault(loc, f"expected an expression as text, got {text!r}")
        return None

    def _duration(self, wanted: dict[str, object], name: str, loc: Loc) -> float | None:
        if name not in wanted:
            return None
        return self._checked(lambda: parse_duration(wanted[name]), (*loc, name))

    def _checked(self, parse: Callable[[], float], loc: Loc) -> float | None:
        try:
            return parse()
        except ValueError as error:
            self._fault(loc, str(error))
            return None
