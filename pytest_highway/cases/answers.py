"""What a case's stubs answer, ready for every run of the case.

    Scripts -> Script, one for a name -> Rule, one for an entry: StubRule or HttpRule

Nothing here counts: what a run has used up of a rule is known to its stub book (`stubs`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from pytest_highway.expressions.template import Value
from pytest_highway.planning.plan import Loc
from pytest_highway.tool_context import LogLevel
from pytest_highway.toolbox.json_body import ABSENT

__all__ = ["HttpRule", "Raising", "Rule", "Script", "Scripts", "StubRule"]


@dataclass(frozen=True, slots=True)
class Raising:
    """An exception to raise, and its text."""

    kind: type[Exception]
    text: Value


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of a script.

    `times` says how often it answers, None without end; `after` is its latency in seconds.
    """

    loc: Loc
    times: int | None
    after: float
    error: Raising | None


@dataclass(frozen=True, slots=True)
class StubRule(Rule):
    """An entry that answers calls; `args` and `kwargs` are patterns, or `ABSENT`."""

    value: Value
    is_real: bool = False
    args: object = ABSENT
    kwargs: object = ABSENT
    log: tuple[tuple[LogLevel, Value], ...] = ()
    usage: tuple[Decimal, int] | None = None

    @property
    def is_fixed(self) -> bool:
        """Whether it answers everything, always alike, and does nothing else."""
        answers_all = self.times is None and self.args is ABSENT and self.kwargs is ABSENT
        does_more = self.is_real or self.log or self.usage is not None or self.error is not None
        return answers_all and self.value.constant and not does_more


@dataclass(frozen=True, slots=True)
class HttpRule(Rule):
    """An entry that answers requests; `when` is a pattern for each part that it looks at."""

    status: int = 200
    json: Value | None = None
    text: Value | None = None
    headers: tuple[tuple[str, Value], ...] = ()
    when: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """The rules for one name; `may_stay_unused` holds for what other cases have as well."""

    name: str
    loc: Loc
    rules: Sequence[Rule]
    may_stay_unused: bool = False


@dataclass(frozen=True, slots=True)
class Scripts:
    """All scripts of a case: of tasks by id or path, of tools by name, of HTTP by normal key.

    `real_tools` are those that an entry lets run for real.
    """

    tasks: Mapping[str, Script]
    tools: Mapping[str, Script]
    http: Mapping[tuple[str, str], Script]
    real_tools: tuple[str, ...] = ()
