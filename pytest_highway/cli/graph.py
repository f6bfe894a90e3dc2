"""`highway graph`: a workflow as a picture, with the way that a run took."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_highway.cases.simulation import run_case
from pytest_highway.cli.arguments import (
    case_of,
    history_option,
    load,
    tools_option,
    workflow_argument,
)
from pytest_highway.cli.course import Course, course_of
from pytest_highway.cli.diagrams import FORMATS
from pytest_highway.cli.drawing import draw
from pytest_highway.loading import Loaded
from pytest_highway.running import digest_of
from pytest_highway.storage.lineage import earlier_logs
from pytest_highway.storage.opening import DEFAULT_ADDRESS, open_storage
from pytest_highway.tools import Registry

__all__ = ["graph"]


@click.command()
@workflow_argument
@click.option(
    "--format",
    "style",
    type=click.Choice(list(FORMATS)),
    default="mermaid",
    show_default=True,
    help="The language of the picture; svg needs Graphviz.",
)
@click.option("--case", metavar="NAME", help="Colour the way that a test case takes.")
@click.option("--run", "run_name", metavar="RUN", help="Colour the way of a run, or of `last`.")
@history_option
@tools_option
def graph(
    file: Path,
    style: str,
    case: str | None,
    run_name: str | None,
    history: str | None,
    tools: tuple[str, ...],
) -> int:
    """Draw a workflow."""
    if case is not None and run_name is not None:
        raise click.UsageError("--case and --run exclude each other; give one of them")
    loaded, registry = load(file, tools)
    course = None
    if case is not None:
        course = _course_of_case(loaded, registry, case)
    elif run_name is not None:
        course = _course_of_run(loaded, run_name, history or DEFAULT_ADDRESS)
    for line in FORMATS[style](draw(loaded.plan), course):
        click.echo(line)
    return 0


def _course_of_case(loaded: Loaded, registry: Registry, name: str) -> Course:
    done = run_case(case_of(loaded, name), loaded.plan, registry)
    for fault in done.faults:
        click.echo(f"warning: {fault.message}", err=True)
    return course_of([done.result.log])


def _course_of_run(loaded: Loaded, name: str, address: str) -> Course:
    with open_storage(address, create=False) as storage:
        record = storage.get(name)
        if record.digest != digest_of(loaded.plan):
            what = f"run {record.id!r} is one of another file, or of another state of this file"
            click.echo(f"warning: {what}", err=True)
        return course_of(earlier_logs(storage, record))
