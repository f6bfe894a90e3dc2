"""`highway run`: a workflow for real, or in the world of one of its cases.

Every real run is recorded, and can be taken up with `--resume` when it was cut off: finished tasks
are not called again. See `engine.resuming` for what is done again, `storage` for where it is kept.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager, ExitStack, nullcontext, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import click

from pytest_highway.cases.simulation import run_case
from pytest_highway.cli.arguments import (
    case_of,
    find_modules_here,
    history_option,
    load,
    tools_option,
    values_of,
    workflow_argument,
)
from pytest_highway.cli.displays import display_of
from pytest_highway.cli.main import FAILED
from pytest_highway.cli.outcome import outcome_json
from pytest_highway.cli.recording import Beginning, Memory
from pytest_highway.cli.rehearsal import rehearse
from pytest_highway.cli.streams import tell, unbroken
from pytest_highway.engine.run import Interrupted
from pytest_highway.errors import one_line
from pytest_highway.events import Event, RunEnded
from pytest_highway.loading import Loaded
from pytest_highway.planning.plan import Plan
from pytest_highway.redaction import ShownResult, redacted_lines
from pytest_highway.runners.custom import custom_executor
from pytest_highway.running import Settings, digest_of, run_plan
from pytest_highway.secrets import SecretValues
from pytest_highway.storage.lineage import NothingToResume
from pytest_highway.storage.opening import DEFAULT_ADDRESS, open_storage
from pytest_highway.storage.recorder import Recorder
from pytest_highway.storage.records import RunRecord, StorageError, new_run_id, timestamp
from pytest_highway.storage.storage import Storage
from pytest_highway.tools import Registry

__all__ = ["RESUMABLE", "run"]

Observer = Callable[[Sequence[Event]], None]  # of a log that grows
RESUMABLE = "to go on from here: the same command with --resume last"


@dataclass(frozen=True, slots=True)
class Options:
    """How `highway run` was called."""

    context: tuple[str, ...]
    variables: tuple[str, ...]
    parallel: int | None
    executor: str | None
    history: str | None
    no_history: bool
    resume: str | None
    accept_changes: bool
    as_json: bool
    verbose: bool


@click.command()
@workflow_argument
@click.option("--context", multiple=True, metavar="KEY=VALUE", help="Set a variable to a text.")
@click.option("--var", "variables", multiple=True, metavar="KEY=YAML", help="Set a variable.")
@click.option("--parallel", type=click.IntRange(min=1), metavar="N", help="Calls at a time.")
@click.option("--executor", metavar="MODULE:FACTORY", help="Where calls run.")
@click.option(
    "--resume",
    metavar="RUN",
    help="Take up a run that failed or was cut off: its id, or `last` of the workflow.",
)
@click.option("--accept-changes", is_flag=True, help="Resume though the file was changed.")
@click.option("--no-history", is_flag=True, help="Do not record the run.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON only.")
@click.option("-v", "--verbose", is_flag=True, help="Show what every process prints.")
@click.option("--dry-run", is_flag=True, help="Show what would be called, and call nothing.")
@click.option("--case", "--stub", "case", metavar="NAME", help="Run in the world of a test case.")
@history_option
@tools_option
def run(
    file: Path, tools: tuple[str, ...], case: str | None, dry_run: bool, **options: object
) -> int:
    """Run a workflow, or a plan of steps, for real.

    Exit codes: 0 success, 1 failed, 2 bad input, 130 interrupted.
    """
    chosen = Options(**options)  # type: ignore[arg-type]  # click gives each option its type
    loaded, registry = load(file, tools)
    if case is not None:
        return _run_case(loaded, registry, case, chosen)
    values = values_of(loaded, chosen.context, chosen.variables)
    if dry_run:
        for line in rehearse(loaded.plan, values):
            click.echo(one_line(line))
        return 0
    return _run_for_real(loaded.plan, _record(file, loaded.plan), values, chosen)


def _run_case(loaded: Loaded, registry: Registry, name: str, options: Options) -> int:
    """Run a case's world; what it expects is not looked at."""
    done = run_case(case_of(loaded, name), loaded.plan, registry)
    for fault in done.faults:
        click.echo(fault.message, err=True)
    if options.as_json:
        click.echo(outcome_json(done.result))
    else:
        display = display_of(loaded.plan, SecretValues(), is_live=False, is_verbose=options.verbose)
        unbroken(display.observe)(done.result.log)
    return FAILED if done.faults or done.result.status != "success" else 0


def _run_for_real(plan: Plan, new: RunRecord, values: dict[str, object], options: Options) -> int:
    # Advice is given when the progress has left the screen.
    with ExitStack() as advice, ExitStack() as world:
        storage = None if options.no_history else world.enter_context(_storage(options))
        secrets = SecretValues()
        memory = Memory(
            storage,
            lambda text: tell(f"warning: {text}"),
            lambda text: redacted_lines(text, secrets.redactor),
        )
        beginning = Beginning(new)
        if options.resume is not None:
            try:
                beginning = memory.take_up(
                    new, values, options.resume, accept_changes=options.accept_changes
                )
            except NothingToResume as done:
                tell(str(done))
                return 0
        record = beginning.record
        variables = {**record.variables, **values}
        env = {**plan.workflow.env, **os.environ}
        secrets.note(plan.workflow.secrets, {"variables": variables, "env": env})
        shown = cast("dict[str, object]", secrets.redactor.value(variables))
        record = replace(record, variables=shown)
        executor = world.enter_context(_executor(options))
        recorder = memory.recorder(record)
        observers = [] if recorder is None else [recorder.observe]
        if not options.as_json:
            display = display_of(plan, secrets, is_verbose=options.verbose)
            world.callback(display.close)
            observers.append(unbroken(display.observe))

        settings = Settings(
            variables, options.parallel, executor, _all_of(observers), beginning.before, secrets
        )
        # What a tool of the user's prints is no part of the JSON.
        aside = redirect_stdout(sys.stderr) if options.as_json else nullcontext()
        try:
            with aside:
                result = run_plan(plan, settings)
        except Interrupted as interrupted:
            _keep(recorder, interrupted.log, advice)
            raise
        is_kept = _keep(recorder, result.log, advice)
        if options.as_json:
            hidden = ShownResult(result.log, secrets.redactor)
            click.echo(outcome_json(hidden, "" if storage is None else record.id))
        return 0 if result.status == "success" and is_kept else FAILED


def _all_of(observers: Sequence[Observer]) -> Observer:
    """One observer for all."""

    def observe(log: Sequence[Event]) -> None:
        for each in observers:
            each(log)

    return observe


def _keep(recorder: Recorder | None, log: Sequence[Event], advice: ExitStack) -> bool:
    """Have the record of a run completed; whether all is kept. Tells how to go on, if one can."""
    if recorder is None:
        return True
    is_kept = recorder.finish(log)
    end = log[-1]
    if is_kept and not (type(end) is RunEnded and end.status == "success"):
        advice.callback(tell, RESUMABLE)
    return is_kept


def _executor(options: Options) -> AbstractContextManager[Executor | None]:
    if options.executor is None:
        return nullcontext()
    find_modules_here()
    return custom_executor(options.executor, "--executor")


def _storage(options: Options) -> Storage:
    # A run that goes on from one of the history has none where there is no history.
    address, is_new = options.history or DEFAULT_ADDRESS, options.resume is None
    try:
        return open_storage(address, create=is_new)
    except StorageError as error:
        if not is_new:
            raise
        what = f"{error}; --history ADDRESS records elsewhere, --no-history nowhere"
        raise StorageError(what) from None


def _record(file: Path, plan: Plan) -> RunRecord:
    return RunRecord(
        id=new_run_id(),
        workflow=plan.name,
        file=str(file),
        digest=digest_of(plan),
        source="highway run",
        created=timestamp(),
        variables=plan.variables,
    )
