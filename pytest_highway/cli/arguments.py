"""What several commands take: a workflow file, tools, values of variables, a history."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import click

from pytest_highway.cases.declarations import Case
from pytest_highway.errors import HighwayError, did_you_mean, listed
from pytest_highway.loading import Loaded, load_file
from pytest_highway.reading.document import parse
from pytest_highway.tools import Registry, discover

__all__ = [
    "case_of",
    "find_modules_here",
    "history_option",
    "load",
    "registry_of",
    "tools_option",
    "values_of",
    "workflow_argument",
]

workflow_argument = click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
tools_option = click.option(
    "--tools",
    "tools",
    multiple=True,
    metavar="MODULE",
    help="Add the tools of a module, or of module:function. May be repeated.",
)
history_option = click.option(
    "--history",
    "history",
    envvar="HIGHWAY_HISTORY",
    metavar="ADDRESS",
    help="Where runs are remembered: sqlite:PATH, files:FOLDER or redis://HOST:PORT/DB.",
)


def registry_of(tools: Sequence[str]) -> Registry:
    """The tools of the toolbox, of packages and of the named modules; warnings are printed."""
    if tools:
        find_modules_here()
    registry = discover(tools)
    for problem in registry.problems:
        click.echo(f"warning: {problem}", err=True)
    return registry


def find_modules_here() -> None:
    """Have a module beside the user found as `python -m` finds it."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)


def load(file: Path, tools: Sequence[str]) -> tuple[Loaded, Registry]:
    """The valid file and its tools; warnings are printed, SourceError tells what is wrong."""
    registry = registry_of(tools)
    loaded = load_file(file, str(file), registry)
    for warning in loaded.warnings:
        click.echo(warning.headline(), err=True)
    return loaded, registry


def case_of(loaded: Loaded, name: str) -> Case:
    """The case of that name; HighwayError when there is none, or only pytest can run it."""
    case = next((each for each in loaded.cases if each.name == name), None)
    if case is None:
        known = [each.name for each in loaded.cases]
        near = did_you_mean(name, known)
        raise HighwayError(f"--case {name!r}: the file has {listed(known)}{near}")
    if case.model.fixtures:
        raise HighwayError(f"--case {name!r}: it needs pytest's fixtures; run it with pytest")
    return case


def values_of(
    loaded: Loaded, context: Iterable[str], variables: Iterable[str]
) -> dict[str, object]:
    """Values by variable, from `name=value`: those of `context` as text, of `variables` as YAML.

    HighwayError for a variable that the file does not declare.
    """
    found: dict[str, object] = {}
    known = list(loaded.plan.variables)
    for option, pairs in (("--context", context), ("--var", variables)):
        for pair in pairs:
            name, equals, text = pair.partition("=")
            if not equals:
                raise HighwayError(f"{option} {pair!r}: expected name=value")
            if name not in known:
                near = did_you_mean(name, known)
                what = f"{option} {pair!r}: the file declares no variable {name!r}"
                raise HighwayError(f"{what}; it declares {listed(known)}{near}")
            found[name] = text if option == "--context" else _value_of(name, text)
    return found


def _value_of(name: str, text: str) -> object:
    if not text.strip():
        raise HighwayError(f"--var {name}: no value; write null, or '' for the empty text")
    return parse(text, f"--var {name}").data
