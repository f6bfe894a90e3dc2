"""`highway convert`: a file of the package highway-dsl in our language."""

from __future__ import annotations

from pathlib import Path

import click

from pytest_highway.cli.arguments import registry_of, tools_option
from pytest_highway.cli.files import shown_path
from pytest_highway.cli.main import FAILED
from pytest_highway.conversion.conversion import convert as converted
from pytest_highway.editing.edit import replace_file
from pytest_highway.errors import HighwayError, listed
from pytest_highway.placing import create_file
from pytest_highway.reading.document import read

__all__ = ["convert"]


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    "output",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="OUT",
    help="Write to OUT and not to the terminal.",
)
@click.option("--force", is_flag=True, help="Overwrite OUT.")
@tools_option
def convert(file: Path, output: Path | None, force: bool, tools: tuple[str, ...]) -> int:
    """Write a file of highway-dsl in our language.

    What cannot be carried over is told, line by line, and a comment stands at its place.

    Exit codes: 0 all was carried over, 1 something was not, 2 bad input.
    """
    registry = registry_of(tools)
    document = read(file, shown_path(Path.cwd() / file))
    made = converted(document, (output or file).resolve(), registry)
    if output is None:
        click.echo(made.text, nl=False)
    else:
        _write(output, made.text.encode(), force)
    for each in made.findings:
        click.echo(each.headline(), err=True)
    if made.tools:
        click.echo(f"tools that are to be declared: {listed(made.tools, 1000)}", err=True)
    return 0 if made.is_whole else FAILED


def _write(file: Path, content: bytes, force: bool) -> None:
    """Write a file whole or not at all, over another only with `force`."""
    try:
        if force and file.exists():
            replace_file(file, file.read_bytes(), content)
        else:
            create_file(file, content)
    except OSError as error:
        # A file in the way of a folder exists as well.
        is_there = isinstance(error, FileExistsError) and file.exists()
        what = " exists already; --force overwrites it"
        raise HighwayError(
            f"{file}{what if is_there else f': cannot be written: {error.strerror}'}"
        ) from None
