"""The outcome of a run as one JSON document, for `highway run --json`."""

from __future__ import annotations

import json

from pytest_highway.storage.rows import FAILURES, attempts, steps
from pytest_highway.views import RunResult

__all__ = ["outcome_json"]


def outcome_json(result: RunResult, run_id: str = "") -> str:
    """What became of a run and of each of its tasks; times in seconds.

    `printed` is what the process of a failed task printed at its last attempt.
    """
    error = result.error
    printed = {each.path: each.printed for each in attempts(result.log)}
    document = {
        "run": run_id or None,
        "workflow": result.started.workflow,
        "file": result.started.file,
        "status": result.status,
        "duration": result.duration,
        "error": None if error is None else error._asdict(),
        "output": result.output,
        "results": result.results,
        "branches": result.branches,
        "tasks": {
            step.path: {
                "status": step.status,
                "reason": step.reason,
                "attempts": step.attempts,
                "duration": step.duration,
                "printed": (step.status in FAILURES and printed.get(step.path)) or None,
            }
            for step in steps(result.log)
        },
    }
    return json.dumps(document, indent=2, ensure_ascii=False)
