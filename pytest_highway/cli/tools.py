"""`highway tools`: what tasks can call."""

from __future__ import annotations

import inspect
import json

import click

from pytest_highway.cli.arguments import registry_of, tools_option
from pytest_highway.tools import Tool, shown_signature

__all__ = ["tools"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@tools_option
def tools(tools: tuple[str, ...], as_json: bool) -> int:
    """List the tools that tasks can call.

    Those of the toolbox, of installed packages and of --tools: where each stands, its arguments,
    its effects and where it runs.
    """
    registry = registry_of(tools)
    if as_json:
        click.echo(json.dumps([_described(each) for each in registry], indent=2))
        return 0
    for each in registry:
        click.echo(each.describe())
        click.echo(f"    {each.effects}, {each.isolation}, {each.place}{_first_line(each)}")
    return 0


def _described(each: Tool) -> dict[str, object]:
    return {
        "name": each.name,
        "place": each.place,
        "signature": shown_signature(each.signature),
        "effects": each.effects,
        "isolation": each.isolation,
        "bulkhead": each.bulkhead,
        "description": inspect.getdoc(each.function) or "",
    }


def _first_line(each: Tool) -> str:
    lines = (inspect.getdoc(each.function) or "").splitlines()
    return f": {lines[0]}" if lines else ""
