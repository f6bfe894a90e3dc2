"""`highway accept`: write what the last run of pytest saw, without running anything again."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from pytest_highway.cli.main import FAILED
from pytest_highway.cli.pending import cache_dir, ids
from pytest_highway.plugin.accepting import Accepted, accept, sure_edits
from pytest_highway.plugin.pending import find_store, read_store, selected, write_store

__all__ = ["accept_pending", "allow_ci", "check_ci", "end"]

allow_ci = click.option("--allow-ci", is_flag=True, help="write although CI is set")


@click.command("accept")
@ids
@cache_dir
@allow_ci
def accept_pending(ids: tuple[str, ...], cache_dir: Path | None, allow_ci: bool) -> None:
    """Write what the last run of pytest saw, without running again.

    IDS are node ids, of cases, files or folders; without any, all. Refused are changes that two
    runs did not agree on, and files that have changed since.
    """
    check_ci("accept", allow_ci)
    here = Path.cwd()
    file = find_store(here, cache_dir)
    store = read_store(file)
    edits, refused = sure_edits(selected(store, ids, here))
    done = accept(store, edits)
    done.refused[:0] = refused
    if done.written:
        write_store(file, store)
    end(done)


def check_ci(name: str, allowed: bool) -> None:
    """Refuse to write goldens in CI."""
    if os.environ.get("CI") and not allowed:
        raise click.UsageError(
            f"highway {name} does not write while CI is set; "
            "run it on your machine, or add --allow-ci"
        )


def end(done: Accepted) -> None:
    """Tell what was done, and end with exit code 1 when anything was refused."""
    for what, place in done.written:
        click.echo(f"{what}: {place}")
    for place, why in done.refused:
        click.echo(f"refused: {place}: {why}")
    if not (done.written or done.refused):
        click.echo("nothing to write")
    if done.refused:
        sys.exit(FAILED)
