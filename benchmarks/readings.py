"""Readings: what was measured, held against a target, and the table that shows them.

A ratio is taken inside one round, and the rounds are interleaved (A B A B …), so that a machine
that is slow for a while is slow for both sides. The figure that counts is the median of the rounds.
Nothing here fails a run: a benchmark tells, it does not judge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median

__all__ = ["Broken", "Reading", "interleave", "ratios", "render_table"]

HEADINGS = ("goal", "what", "measured (min .. median .. max)", "target", "")


class Broken(Exception):
    """A subject did not do what it was built for, so that its time would mean nothing."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One line of the table.

    `values` has one figure a round and is empty when nothing could be measured; `target` is the
    highest median that meets the goal, None where the goal names no figure; `unit` is `x` for a
    ratio; `note` says what the figure alone does not.
    """

    goal: str
    what: str
    values: tuple[float, ...]
    target: float | None = None
    unit: str = "x"
    note: str = ""

    @property
    def verdict(self) -> str:
        """`met`, `missed`, `unmeasured`, or `-` without a target."""
        if not self.values:
            return "unmeasured"
        if self.target is None:
            return "-"
        return "met" if median(self.values) <= self.target else "missed"

    def measured(self) -> str:
        """Smallest, median and largest figure; one figure stands alone."""
        if not self.values:
            return "-"
        shown = (min(self.values), median(self.values), max(self.values))
        if shown[0] == shown[2]:
            return f"{_figure(shown[0])} {self.unit}"
        return f"{' .. '.join(map(_figure, shown))} {self.unit}"

    def cells(self) -> tuple[str, ...]:
        """The line as it stands in the table."""
        target = "-" if self.target is None else f"<= {_figure(self.target)} {self.unit}"
        verdict = f"{self.verdict} ({self.note})" if self.note else self.verdict
        return self.goal, self.what, self.measured(), target, verdict

    def as_data(self) -> dict[str, object]:
        """The line as plain data, the verdict among it."""
        return {**asdict(self), "verdict": self.verdict}


def _figure(value: float) -> str:
    if value == int(value) and abs(value) < 1e9:
        return str(int(value))
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def interleave(rounds: int, arms: Sequence[Callable[[], float]]) -> list[list[float]]:
    """Run all arms in turn, `rounds` times; one list of costs for each arm.

    A round that is not counted goes first, to write byte code and fill caches; a single round
    is only a quick look, and goes without.
    """
    if rounds > 1:
        for arm in arms:
            arm()
    costs: list[list[float]] = [[] for _ in arms]
    for _ in range(rounds):
        for arm, found in zip(arms, costs, strict=True):
            found.append(arm())
    return costs


def ratios(over: Iterable[float], under: Iterable[float]) -> tuple[float, ...]:
    """Round by round, one cost over another; a round whose costs are lost in noise has none."""
    pairs = zip(over, under, strict=True)
    return tuple(each / base for each, base in pairs if each > 0 and base > 0)


def render_table(readings: Sequence[Reading]) -> str:
    """All readings under one heading, columns aligned."""
    lines = [HEADINGS, *(each.cells() for each in readings)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]
    return "\n".join([shown[0], "-" * len(shown[0]), *shown[1:]])
