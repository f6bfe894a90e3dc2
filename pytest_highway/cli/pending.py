"""`highway pending`: what the last run of pytest would have written, and whether it may be."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click

from pytest_highway.plugin.patching import diff_lines
from pytest_highway.plugin.pending import Entry, find_store, objection, read_store, selected
from pytest_highway.plugin.rewriting import GoldenEdit
from pytest_highway.plugin.writing import agreed, planned

__all__ = ["cache_dir", "ids", "pending", "shown_diff"]

Command = TypeVar("Command", bound=Callable[..., object])


def cache_dir(command: Command) -> Command:
    """The option `--cache-dir`, as all commands on pending changes have it."""
    text = "the folder of pytest's cache; by default the nearest .pytest_cache, here or above"
    return click.option("--cache-dir", type=click.Path(path_type=Path), help=text)(command)


def ids(command: Command) -> Command:
    """The argument IDS, as all commands on pending changes have it."""
    return click.argument("ids", nargs=-1)(command)


@click.command()
@ids
@cache_dir
@click.option("--json", "as_json", is_flag=True, help="as JSON, with the differences")
def pending(ids: tuple[str, ...], cache_dir: Path | None, as_json: bool) -> None:
    """List what the last run of pytest would have written.

    IDS are node ids, of cases, files or folders; without any, all.
    """
    here = Path.cwd()
    store = read_store(find_store(here, cache_dir))
    entries = selected(store, ids, here)
    faults = _Faults([edit for each in store["cases"] for edit in each["wanted"]["edits"]])
    if as_json:
        rows = [_row(entry, faults) for entry in entries]
        click.echo(json.dumps({"rootdir": store["rootdir"], "cases": rows}, indent=2))
        return
    for entry in entries:
        _tell(entry, faults)
    if entries:
        click.echo("to write all of it: highway accept; one by one: highway review")
    else:
        click.echo("nothing is pending")


class _Faults:
    """Why what is pending cannot be written: params that disagree, or no edit that does it."""

    def __init__(self, pending: Sequence[GoldenEdit]) -> None:
        found, refused = agreed(pending)
        self._agreed = {(each["path"], *each["loc"]) for each in found}
        self._refused = dict(refused)

    def __getitem__(self, edit: GoldenEdit) -> str:
        if (edit["path"], *edit["loc"]) in self._agreed:
            return shown_diff(edit)[1]
        return self._refused[edit["shown"]]


def _tell(entry: Entry, faults: _Faults) -> None:
    click.echo(entry["id"])
    for edit in entry["wanted"]["edits"]:
        why = faults[edit]
        what = f"not to be written: {why}" if why else _kind(edit)
        click.echo(f"  {edit['shown']}: {what}")
    if why := objection(entry["wanted"]):
        click.echo(f"  not to be accepted: {why}")


def _row(entry: Entry, faults: _Faults) -> dict[str, object]:
    why = objection(entry["wanted"])
    changes = []
    for edit in entry["wanted"]["edits"]:
        diff, _ = shown_diff(edit)
        row = {"place": edit["shown"], "file": edit["path"], "kind": _kind(edit)}
        changes.append({**row, "diff": diff, "fault": faults[edit]})
    return {"id": entry["id"], "fault": why, "changes": changes}


def _kind(edit: GoldenEdit) -> str:
    return "update" if edit["digest"] else "create"


def shown_diff(edit: GoldenEdit) -> tuple[str, str]:
    """What an edit would change in its file as it is now, and why it cannot."""
    changes, refused = planned([edit])
    if refused:
        return "", refused[0].why
    lines = b"".join(diff_lines(changes[0]))
    return lines.decode("utf-8", "replace"), ""
