"""`highway validate`: everything that is wrong with workflow files, without running any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from pytest_highway.cases.golden import clashes
from pytest_highway.cli.arguments import registry_of, tools_option
from pytest_highway.cli.files import shown_path, workflow_files
from pytest_highway.cli.findings import FORMATS, Findings
from pytest_highway.cli.main import FAILED
from pytest_highway.errors import Diagnostic, SourceError
from pytest_highway.loading import load_file
from pytest_highway.tools import Registry

__all__ = ["validate"]


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "style",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="How findings are printed.",
)
@click.option("--strict", is_flag=True, help="Make warnings errors.")
@tools_option
def validate(paths: tuple[Path, ...], style: str, strict: bool, tools: tuple[str, ...]) -> int:
    """Tell every error and warning of workflow files.

    PATHS are files and folders; without any, the folder `workflows`.

    Exit codes: 0 valid, 1 errors were found, 2 no such path.
    """
    files = workflow_files(paths or [Path("workflows")])
    registry = registry_of(tools)
    found = [each for file in files for each in _found_in(file, registry)]
    if strict:
        found = [replace(each, severity="error") for each in found]
    # A nested workflow's faults are those of every file that runs it, and are told once.
    findings = Findings([shown_path(file) for file in files], list(dict.fromkeys(found)))
    for line in FORMATS[style](findings):
        click.echo(line)
    return FAILED if findings.count("error") else 0


def _found_in(file: Path, registry: Registry) -> Sequence[Diagnostic]:
    try:
        loaded = load_file(file, shown_path(file), registry)
    except SourceError as error:
        return error.diagnostics
    return [*loaded.warnings, *clashes(loaded.cases)]
