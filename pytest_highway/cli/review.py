"""`highway review`: one pending change after another, each to be accepted, rejected or skipped.

    accept    it is written, when all is decided
    reject    it is pending no longer
    skip      it stays pending
    all       this one and all that follow are accepted
    quit      this one and all that follow stay pending; so does the end of the input

Nothing is written before the last answer, so that Ctrl-C leaves everything as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from pytest_highway.cli.accept import allow_ci, check_ci, end
from pytest_highway.cli.pending import cache_dir, ids, shown_diff
from pytest_highway.plugin.accepting import accept, drop, sure_edits
from pytest_highway.plugin.pending import find_store, read_store, selected, write_store
from pytest_highway.plugin.rewriting import GoldenEdit

__all__ = ["review"]

# What may be typed for each answer.
ANSWERS = {
    "accept": ("a", "y", "yes", "accept"),
    "reject": ("r", "n", "no", "reject"),
    "skip": ("s", "skip"),
    "all": ("all",),
    "quit": ("q", "quit"),
}
QUESTION = "accept [a], reject [r], skip [s], all, quit [q]? "
COLOURS = {"@": "cyan", "-": "red", "+": "green"}


@click.command()
@ids
@cache_dir
@allow_ci
def review(ids: tuple[str, ...], cache_dir: Path | None, allow_ci: bool) -> None:
    """Walk through what the last run of pytest would have written.

    IDS are node ids, of cases, files or folders; without any, all.
    """
    check_ci("review", allow_ci)
    here = Path.cwd()
    file = find_store(here, cache_dir)
    store = read_store(file)
    edits, refused = sure_edits(selected(store, ids, here))
    accepted, rejected = _decided(edits)
    drop(store, rejected)
    done = accept(store, accepted)
    done.refused[:0] = refused
    if done.written or rejected:
        write_store(file, store)
    end(done)


def _decided(edits: Sequence[GoldenEdit]) -> tuple[list[GoldenEdit], list[GoldenEdit]]:
    """The edits that are accepted, and those that are rejected."""
    accepted: list[GoldenEdit] = []
    rejected: list[GoldenEdit] = []
    for number, edit in enumerate(edits, 1):
        if not _show(edit, f"{number}/{len(edits)}"):
            continue
        answer = _asked()
        if answer == "quit":
            break
        if answer == "all":
            return [*accepted, *edits[number - 1 :]], rejected
        chosen = {"accept": accepted, "reject": rejected}.get(answer)
        if chosen is not None:
            chosen.append(edit)
    return accepted, rejected


def _show(edit: GoldenEdit, number: str) -> bool:
    """Print what an edit changes; false when it cannot be done, which is said instead."""
    diff, why = shown_diff(edit)
    click.secho(f"{number} {edit['case']}: {edit['shown']}", bold=True)
    for line in diff.split("\n")[:-1]:
        click.secho(line, fg=COLOURS.get(line[:1]))
    if why:
        click.echo(f"cannot be written: {why}")
    return not why


def _asked() -> str:
    """The answer to the question, which is asked until there is one."""
    while True:
        click.echo(QUESTION, nl=False)
        line = sys.stdin.readline()
        if not line:
            click.echo()
            return "quit"
        for answer, words in ANSWERS.items():
            if line.strip().lower() in words:
                return answer
