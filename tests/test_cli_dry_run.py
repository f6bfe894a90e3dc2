"""`highway run --dry-run`: what would be called."""

from __future__ import annotations

from command_line import Call, call_fixture
from projects import BARE, Write

__all__ = ["call_fixture"]


def test_dry_run_shows_what_a_plain_task_would_call(write: Write, call: Call) -> None:
    write({"flow.yaml": BARE})
    assert call("run", "flow.yaml", "--dry-run").out.splitlines()[1:] == [
        '1. say: tools.log.info("hello")'
    ]
