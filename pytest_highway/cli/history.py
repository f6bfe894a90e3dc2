"""`highway history`: what the memory of runs holds, out of it and into it.

    list · show RUN · diff RUN RUN · stats · export [RUN...] · backup FILE · restore FILE · prune

RUN is the id of a run, a beginning of it, or `last`. Only `restore` makes a history that is not
there; to all others that is an error. Only `prune` and `restore` change what a history holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from pytest_highway.cli.arguments import history_option
from pytest_highway.cli.display import seconds_of
from pytest_highway.cli.executed import attempt_lines, step_lines
from pytest_highway.cli.main import FAILED
from pytest_highway.cli.statistics import Counted, counted
from pytest_highway.cli.tables import document, table
from pytest_highway.cli.writing import write_new
from pytest_highway.clock import parse_duration
from pytest_highway.errors import HighwayError, did_you_mean, listed, one_line
from pytest_highway.serialization import from_json
from pytest_highway.storage import archive
from pytest_highway.storage.opening import DEFAULT_ADDRESS, open_storage
from pytest_highway.storage.records import TRANSITIONS, RunRecord, StorageError
from pytest_highway.storage.rows import (
    Difference,
    attempts,
    differences,
    steps,
)
from pytest_highway.storage.storage import Storage

__all__ = ["history"]

FORCE = click.option("--force", is_flag=True, help="Overwrite FILE.")
CASE = click.option("--case", metavar="NAME", help="Runs of this case or node id only.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def history() -> None:
    """Look up, compare, export and prune runs."""


def _open(address: str | None) -> Storage:
    return open_storage(address or DEFAULT_ADDRESS, create=False)


# --- list ----------------------------------------------------------------------------------------


@history.command("list")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The N newest only.")
@click.option("--state", type=click.Choice(list(TRANSITIONS)), help="Runs in this state only.")
@CASE
@JSON
@history_option
def list_runs(
    limit: int | None, state: str | None, case: str | None, as_json: bool, history: str | None
) -> None:
    """List runs, the newest first."""
    with _open(history) as storage:
        runs = _of_case(storage.records(), case)
    found = [each for each in runs if state in (None, each.state)][:limit]
    if as_json:
        click.echo(document([_fields(each) for each in found]))
        return
    _echo(table(COLUMNS, map(_row, found)) if found else ["no runs"])


COLUMNS = (
    "RUN",
    "STATE",
    "VERDICT",
    "CREATED",
    "DURATION",
    "WORKFLOW",
    "CASE",
    "FILE",
    "REASON",
)


def _row(run: RunRecord) -> Sequence[str]:
    place = (run.workflow, run.case, run.file)
    took = _on_clock(run.clock, _seconds(_duration(run)))
    return run.id, _state(run), run.verdict, run.created[:19], took, *place, run.reason


def _of_case(runs: Sequence[RunRecord], case: str | None) -> Sequence[RunRecord]:
    """These runs, or those of them that `--case` takes; HighwayError where it takes none."""
    found = [each for each in runs if case is None or each.is_of(case)]
    if case is not None and not found:
        known = list(dict.fromkeys(each.case for each in runs if each.case))
        raise _unknown("--case", case, known)
    return found


def _state(run: RunRecord) -> str:
    return f"{run.state} (process gone)" if run.is_gone else run.state


def _fields(run: RunRecord) -> dict[str, object]:
    return {**asdict(run), "duration": _duration(run), "process_gone": run.is_gone}


def _duration(run: RunRecord) -> float | None:
    """Seconds on the clock of the run; None before its end, and where a time is damaged."""
    if run.clock == "virtual":
        return run.duration
    try:
        ended, created = map(datetime.fromisoformat, (run.ended, run.created))
        return (ended - created).total_seconds()
    except (TypeError, ValueError):
        return None


def _seconds(duration: float | None) -> str:
    return "" if duration is None else seconds_of(duration)


def _on_clock(clock: str, told: str) -> str:
    """A duration that is not to be taken for time that somebody has waited."""
    return f"{told} ({clock})" if told and clock == "virtual" else told


def _echo(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line)


# --- show ----------------------------------------------------------------------------------------


@history.command()
@click.argument("run")
@click.option(
    "--attempts",
    "with_attempts",
    is_flag=True,
    help="Calls of tools as well, and what failed ones printed.",
)
@click.option("--events", "with_events", is_flag=True, help="The log as well, as JSON lines.")
@JSON
@history_option
def show(
    run: str, with_attempts: bool, with_events: bool, as_json: bool, history: str | None
) -> None:
    """Show a run and its steps.

    RUN is an id, a beginning of one, or `last`.
    """
    with _open(history) as storage:
        record = storage.get(run)
        if not as_json:
            _echo(_headed(record))
        log = storage.log(record)
        lines = storage.lines(record.id) if with_events else []
    tried = attempts(log) if with_attempts else []
    if as_json:
        parts: dict[str, object] = {"steps": [each._asdict() for each in steps(log)]}
        if with_attempts:
            parts["attempts"] = [each._asdict() for each in tried]
        if with_events:
            parts["events"] = [from_json(line) for line in lines]
        click.echo(document({"run": _fields(record), **parts}))
        return
    _echo(["", *step_lines(log)])
    if with_attempts:
        _echo(["", *attempt_lines(tried)])
    if with_events:
        _echo(["", *lines])


def _headed(run: RunRecord) -> Iterable[str]:
    shown = {"state": _state(run), "duration": _on_clock(run.clock, _seconds(_duration(run)))}
    fields = {**asdict(run), "owner": str(run.owner), **shown}
    values = _values(run)
    rows = [(name, str(each)) for name, each in fields.items() if each and name not in GIVEN]
    rows += [(name, repr(value)) for name, value in values.items()]
    width = max(len(name) for name, _ in rows)
    return [f"{name:{width}}  {one_line(value)}" for name, value in rows]


# What a run was given; each value is shown by itself.
GIVEN = ("variables", "params")


def _values(run: RunRecord) -> dict[str, object]:
    """What a run was given, as templates name it."""
    roots = {"variables": run.variables, "params": run.params}
    return {f"{root}.{name}": each for root in GIVEN for name, each in roots[root].items()}


# --- diff ----------------------------------------------------------------------------------------


@history.command()
@click.argument("before")
@click.argument("after")
@JSON
@history_option
def diff(before: str, after: str, as_json: bool, history: str | None) -> int:
    """Show in what two runs differ, but for their times.

    Compared are workflow, case, verdict, state, variables and params, and of each step status,
    reason, attempts and value.
    Exit codes: 0 equal, 1 different, 2 bad input.
    """
    with _open(history) as storage:
        old, new = storage.get(before), storage.get(after)
        found = [*_changed(old, new), *differences(storage.log(old), storage.log(new))]
    if as_json:
        click.echo(document([each._asdict() for each in found]))
    elif found:
        rows = [(each.path or "run", *each[1:]) for each in found]
        _echo(table(("STEP", "WHAT", old.id, new.id), rows))
    else:
        click.echo("equal")
    return FAILED if found else 0


def _changed(old: RunRecord, new: RunRecord) -> list[Difference]:
    before, after = _compared(old), _compared(new)
    return [
        Difference("", what, before.get(what, ""), after.get(what, ""))
        for what in dict.fromkeys([*before, *after])
        if before.get(what, "") != after.get(what, "")
    ]


def _compared(run: RunRecord) -> dict[str, str]:
    about = {"workflow": run.workflow, "case": run.case, "verdict": run.verdict, "state": run.state}
    return about | {name: repr(value) for name, value in _values(run).items()}


# --- stats ---------------------------------------------------------------------------------------


@history.command()
@click.option("--workflow", metavar="NAME", help="Runs of this workflow only.")
@CASE
@JSON
@history_option
def stats(workflow: str | None, case: str | None, as_json: bool, history: str | None) -> None:
    """Show how often each step ran and failed, and how long it took.

    Runs of tests are counted for each test, apart from runs for real.
    """
    with _open(history) as storage:
        records = [each for each in storage.records() if each.workflow]
        known = list(dict.fromkeys(each.workflow for each in records))
        if workflow is not None and workflow not in known:
            raise _unknown("--workflow", workflow, known)
        chosen = [each for each in records if workflow in (None, each.workflow)]
        found = counted(storage, _of_case(chosen, case), _warn)
    if as_json:
        click.echo(document([each.fields() for each in found]))
        return
    head = ("WORKFLOW", "CASE", "STEP", "RUNS", "FAILED", "FAILURE RATE", "MEDIAN", "LONGEST")
    _echo(table(head, map(_shown, found)) if found else ["no runs"])


def _warn(text: str) -> None:
    click.echo(f"warning: {text}", err=True)


def _unknown(option: str, name: str, known: Sequence[str]) -> HighwayError:
    near = did_you_mean(name, known)
    return HighwayError(
        f"{option} {name!r}: the history has no run of it; it has {listed(known)}{near}"
    )


def _shown(row: Counted) -> Sequence[str]:
    step = row.step
    times = [_on_clock(row.clock, _seconds(each)) for each in (step.median, step.longest)]
    rate = f"{step.failure_rate:.0%}"
    place = (row.workflow, row.case, step.path or "(test)")
    return *place, str(step.runs), str(step.failed), rate, *times


# --- export, backup, restore ---------------------------------------------------------------------


@history.command()
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@click.option("-o", "--output", "file", type=FILE, metavar="FILE", help="Write to FILE.")
@FORCE
@history_option
def export(runs: tuple[str, ...], file: Path | None, force: bool, history: str | None) -> None:
    """Print runs, or all, as JSON lines that `restore` reads."""
    with _open(history) as storage:
        known = list(dict.fromkeys(storage.get(each).id for each in runs))
        lines = _archived(storage, known or [each.id for each in storage.records()])
    if file is None:
        _echo(lines)
    else:
        write_new(file, lines, force)


@history.command()
@click.argument("file", type=FILE)
@FORCE
@history_option
def backup(file: Path, force: bool, history: str | None) -> None:
    """Write all runs to FILE, which `restore` reads into any history."""
    with _open(history) as storage:
        ids = [each.id for each in storage.records()]
        write_new(file, _archived(storage, ids), force)
    click.echo(f"{file}: {_runs(len(ids))}")


def _archived(storage: Storage, ids: Sequence[str]) -> list[str]:
    """The archive of these runs; a damaged one is told, and goes into it as quarantined."""
    for name in ids:
        try:
            storage.log(storage.get(name))
        except StorageError as error:
            _warn(str(error))
    return list(archive.export(storage, [storage.get(name) for name in ids]))


@history.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@history_option
def restore(file: Path, history: str | None) -> None:
    """Add the runs of FILE that the history does not have."""
    try:
        text = file.read_bytes().decode()
    except (OSError, UnicodeDecodeError) as error:
        raise HighwayError(f"{file}: cannot be read: {error}; nothing was restored") from None
    with open_storage(history or DEFAULT_ADDRESS) as storage:
        try:
            added = archive.restore(storage, text)
        except StorageError as error:
            raise HighwayError(f"{file}: {error}") from None
    click.echo(f"restored {_runs(len(added))}")


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


# --- prune ---------------------------------------------------------------------------------------


def _age(_context: click.Context, _option: click.Parameter, text: str | None) -> float | None:
    """The seconds of `--older-than`."""
    if text is None:
        return None
    try:
        seconds = parse_duration(text)
        datetime.now(UTC) - timedelta(seconds=seconds)
    except OverflowError:
        raise HighwayError(f"--older-than {text!r}: longer ago than there are dates") from None
    except ValueError as error:
        raise HighwayError(f"--older-than: {error}") from None
    return seconds


@history.command()
@click.option("--keep", type=click.IntRange(min=0), metavar="N", help="Keep the N newest.")
@click.option("--older-than", callback=_age, metavar="AGE", help="Those that ended before: 30d.")
@click.option("--dry-run", is_flag=True, help="Show what would be removed, and remove nothing.")
@history_option
def prune(keep: int | None, older_than: float | None, dry_run: bool, history: str | None) -> None:
    """Remove ended runs: beyond the N newest, and older than AGE.

    A run that goes on or may be resumed stays, as does one that another, which stays, needs for it.
    """
    if keep is None and older_than is None:
        raise HighwayError("prune needs --keep N or --older-than AGE, or both")
    with _open(history) as storage:
        now = datetime.now(UTC)
        old = archive.outdated(storage.records(), now, keep=keep, older_than=older_than)
        for record in old:
            if not dry_run:
                storage.remove(record.id)
            click.echo(f"{'would remove' if dry_run else 'removed'} {record.id}")
    click.echo(f"{'would remove' if dry_run else 'removed'} {_runs(len(old))}")
