"""A call: one attempt on its way to a tool, and the host of the tool's context."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from decimal import Decimal
from typing import cast

from pytest_highway.engine.effects import Attempt
from pytest_highway.engine.frame import ExecutionFrame, RunServices
from pytest_highway.engine.state import TaskMemory
from pytest_highway.events import Event, EventEmitted, Logged, MemoryWritten, UsageAdded
from pytest_highway.reading.models import Task
from pytest_highway.serialization import to_plain
from pytest_highway.tool_context import LogLevel, Memory
from pytest_highway.tools import Tool

__all__ = ["Call"]


class Call:
    """One attempt on its way to a tool: what is called, and the host of the tool's context.

    What the tool logs and uses is kept here and enters the run's log when the call has ended, by
    the engine's own hand: no thread of a tool reaches the log. `abandoned` is set by a runner that
    was told to stop the call.
    """

    __slots__ = (
        "abandoned",
        "args",
        "attempt",
        "deadline",
        "feedback",
        "frame",
        "kwargs",
        "latency",
        "own_env",
        "records",
        "services",
        "tool",
    )

    def __init__(
        self, frame: ExecutionFrame, tool: Tool, attempt: Attempt, services: RunServices
    ) -> None:
        self.frame = frame
        self.tool = tool
        self.attempt, self.args, self.kwargs, self.own_env, self.feedback = attempt
        self.services = services
        self.records: list[Event] = []
        self.abandoned = False
        self.latency = 0.0  # virtual seconds that stubbed HTTP answers took
        timeout = frame.node.timeout
        self.deadline = None if timeout is None else services.now() + timeout

    @property
    def path(self) -> str:
        """The path of the calling task."""
        return self.frame.path

    @property
    def memory(self) -> Memory:
        """The run's memory, used in the name of this task."""
        actor = self.frame.actor()
        return TaskMemory(self.services.memory, actor, self._memory_written, lambda: self.cancelled)

    def _memory_written(self, key: str, value: object, amount: float | None) -> None:
        self.records.append(MemoryWritten(self.services.now(), self.path, key, value, amount))

    @property
    def variables(self) -> Mapping[str, object]:
        """The variables of the task's file."""
        return cast("Mapping[str, object]", self.frame.roots["variables"])

    @property
    def env(self) -> Mapping[str, str]:
        """The environment of the task's file with the task's own over it."""
        around = cast("Mapping[str, str]", self.frame.roots["env"])
        return {**around, **self.own_env} if self.own_env else around

    @property
    def provides(self) -> Sequence[str] | None:
        """What a step must hand on; None for a task, which hands on nothing but its value."""
        node = self.frame.node
        return node.model.provides if node.is_step and isinstance(node.model, Task) else None

    @property
    def metadata(self) -> Mapping[str, object]:
        """The task's own metadata."""
        return self.frame.node.model.metadata

    @property
    def resources(self) -> MutableMapping[str, object]:
        """What lives as long as the run."""
        return self.services.resources

    @property
    def cancelled(self) -> bool:
        """Whether the frame no longer waits for this call."""
        return self.abandoned or self.frame.pending is not self

    def remaining(self) -> float | None:
        """Seconds until the deadline, or None."""
        return None if self.deadline is None else self.deadline - self.services.now()

    def log(self, level: LogLevel, message: str) -> None:
        """Keep one log line."""
        self.records.append(
            Logged(self.services.now(), self.frame.path, self.tool.name, level, message)
        )

    def add_usage(self, cost: Decimal, tokens: int) -> None:
        """Keep what the attempt used."""
        self.records.append(UsageAdded(self.services.now(), self.frame.path, str(cost), tokens))

    def emit(self, name: str, data: object) -> None:
        """Keep an event for those who wait."""
        self.records.append(
            EventEmitted(self.services.now(), self.frame.path, name, to_plain(data))
        )
