"""A host that records what tools ask of it: the engine's place in the tests of tools."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from pytest_highway.tools import ToolContext, sum_of


class DictMemory:
    """The run's memory over one dict."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def read(self, key: str) -> object:
        return self.values[key]

    def write(self, key: str, value: object) -> None:
        self.values[key] = value

    def add(self, key: str, amount: float) -> tuple[object, object]:
        old = self.values.get(key, 0)
        self.values[key] = sum_of(key, old, amount)
        return old, self.values[key]

    def keys(self) -> list[str]:
        return list(self.values)


@dataclass
class RecordingHost:
    """Keeps logs, usage and events in lists; `left` seconds remain."""

    left: float | None = None
    cancelled: bool = False
    memory: DictMemory = field(default_factory=DictMemory)
    variables: dict[str, object] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, object] = field(default_factory=dict)
    resources: dict[str, object] = field(default_factory=dict)
    logs: list[tuple[str, str]] = field(default_factory=list)
    usage: list[tuple[Decimal, int]] = field(default_factory=list)
    events: list[tuple[str, object]] = field(default_factory=list)

    def remaining(self) -> float | None:
        return self.left

    def log(self, level: str, message: str) -> None:
        self.logs.append((level, message))

    def add_usage(self, cost: Decimal, tokens: int) -> None:
        self.usage.append((cost, tokens))

    def emit(self, name: str, data: object) -> None:
        self.events.append((name, data))

    def context(self, path: str = "task") -> ToolContext:
        return ToolContext(self, path)
