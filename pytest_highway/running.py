"""Running a workflow for real, outside of a test: its tools, the system's clock and its locks.

Plan, Settings --run_plan--> RunResult
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from hashlib import sha256

from pytest_highway.clock import SystemClock
from pytest_highway.credentials import holds_placeholder
from pytest_highway.engine.resuming import Recorded, Resumption, recorded_tasks
from pytest_highway.engine.run import RunSettings, execute
from pytest_highway.engine.sections import FileLocks
from pytest_highway.events import Event, RunEnded, TaskEnded
from pytest_highway.planning.plan import Plan
from pytest_highway.runners.real_runner import RealRunner
from pytest_highway.secrets import SecretValues
from pytest_highway.serialization import to_json
from pytest_highway.views import RunResult

__all__ = ["Settings", "digest_of", "kept_tasks", "run_plan"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to run a plan.

    `variables` replace declared defaults, `max_concurrency` the file's own; `executor` takes the
    place of threads and processes. `observe` is shown the log as it grows. `before` are the logs of
    the run that is taken up, the oldest first; `secrets` is told what those of each file are worth.
    """

    variables: Mapping[str, object] = field(default_factory=dict)
    max_concurrency: int | None = None
    executor: Executor | None = None
    observe: Callable[[Sequence[Event]], None] | None = None
    before: Sequence[Sequence[Event]] = ()
    secrets: SecretValues | None = None


def run_plan(plan: Plan, settings: Settings) -> RunResult:
    """Run a workflow with the real tools, the process's environment over the declared one.

    `Interrupted`, which carries the log, after a Ctrl-C.
    """
    if settings.max_concurrency is not None:
        changed = {"max_concurrency": settings.max_concurrency}
        plan = replace(plan, workflow=plan.workflow.model_copy(update=changed))
    resumption, elapsed = None, 0.0
    if settings.before:
        resumption = Resumption(kept_tasks(plan, settings.before))
        elapsed = max((log[-1].at for log in settings.before if log), default=0.0)
    runner = RealRunner(settings.executor)
    with runner.interrupts:
        log = execute(
            plan,
            runner,
            SystemClock(elapsed),
            RunSettings(
                variables=settings.variables,
                env=os.environ,
                world=FileLocks(),
                observe=settings.observe,
                resumption=resumption,
                secrets=settings.secrets,
            ),
        )
    return RunResult(log)


def kept_tasks(plan: Plan, before: Sequence[Sequence[Event]]) -> dict[str, Recorded]:
    """What earlier runs have done that is not to be done again.

    Of a run that was killed, every task that ended. Of one that came to its end, only what
    succeeded: whoever takes it up wants the rest tried again, and cleaned up after. A value that
    was not kept as it was, since a secret is in it, is got again.
    """
    found: dict[str, Recorded] = {}
    for log in before:
        is_complete = bool(log) and type(log[-1]) is RunEnded

        def is_kept(end: TaskEnded, is_complete: bool = is_complete) -> bool:
            if holds_placeholder(to_json(end.value)):
                return False
            if not is_complete:
                return end.status != "cancelled"
            node = plan.find(end.path)
            return end.status == "success" and node is not None and not node.is_finally

        found.update(recorded_tasks(log, is_kept))
    return found


def digest_of(plan: Plan) -> str:
    """What tells whether a workflow, or a file that it runs, was changed."""
    text = sha256()
    for each in (plan, *(node.nested for node in plan.walk() if node.nested is not None)):
        text.update(each.document.text.encode())
        text.update(b"\0")
    return text.hexdigest()
