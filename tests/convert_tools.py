"""Tools that converted samples call and nobody has declared."""

from __future__ import annotations

from flows import REGISTRY

from pytest_highway.tools import Registry, tool

NAMES = (
    *("app.build", "app._3", "tools.http.request", "tools.agent.reflexive_loop"),
    *("tools.llm.call", "tools.workflow.wait_for_parallel_branches"),
)


def register(registry: Registry) -> None:
    """Add them, and those of `flows`."""
    for each in REGISTRY:
        registry.add(each.function)
    for name in NAMES:
        registry.add(tool(name)(lambda *_, **__: None))
