"""Workflow files as text: loaded, run case by case, and held against what they expect.

Tests of operators state what they expect in the workflow's own test language, so `verdict` is
mostly compared with "nothing is wrong".
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

from pytest_highway.cases.expectations import Checked, check_expectations
from pytest_highway.cases.simulation import run_case
from pytest_highway.errors import SourceError
from pytest_highway.loading import Loaded, load_file
from pytest_highway.tools import Registry, ToolContext, discover, tool
from pytest_highway.views import RunResult

FILE = "flow.workflow.yaml"
DATA = Path(__file__).parent / "data"


@tool("app.ask", effects="read")
def ask(*args: object, **kwargs: object) -> object:
    """Gives its arguments back."""
    return [list(args), kwargs]


@tool("app.save", effects="write")
def save(*args: object, **kwargs: object) -> object:
    """Takes anything."""
    return "saved"


@tool("app.echo", effects="pure")
def echo(value: object = None) -> object:
    """Gives its argument back."""
    return value


@tool("app.spoil", effects="pure")
def spoil(value: list[object]) -> int:
    """Changes its argument."""
    value.append("spoiled")
    return len(value)


@tool("app.fail", effects="pure")
def fail(message: str = "no") -> None:
    """Always fails."""
    raise ValueError(message)


@tool("app.context", effects="pure")
def show_context(context: ToolContext, word: str) -> object:
    """One attribute of the context."""
    value = getattr(context, word)
    return dict(value) if isinstance(value, Mapping) else value


@tool("app.even", effects="pure")
def even(number: int) -> int:
    """Fails for odd numbers."""
    if number % 2:
        raise ValueError(f"{number} is odd")
    return number


def make_registry() -> Registry:
    """The built-in tools and those above."""
    registry = discover(entry_points=False)
    for each in (ask, save, echo, spoil, fail, show_context, even):
        registry.add(each)
    return registry


REGISTRY = make_registry()


def tabled(name: str) -> dict[str, str]:
    """The workflows of a table in `data` by title; each begins with a line `=== title`."""
    text = (DATA / name).read_text(encoding="utf-8")
    blocks = [block.partition("\n") for block in text.removeprefix("=== ").split("\n=== ")]
    return {title: body for title, _, body in blocks}


def load(folder: Path, text: str, name: str = FILE) -> Loaded:
    """The file with this text; raises `SourceError`."""
    file = folder / name
    file.write_text(dedent(text), encoding="utf-8")
    return load_file(file, name, REGISTRY)


def faults(folder: Path, text: str) -> list[str]:
    """`line:column: message` of each fault of a file, with the path where it is another's."""
    try:
        load(folder, text)
    except SourceError as error:
        return [each.headline().removeprefix(f"{FILE}:") for each in error.diagnostics]
    return []


def result_of(loaded: Loaded, name: str = "t") -> RunResult:
    """The result of one case, whatever it expects."""
    case = next(each for each in loaded.cases if each.name == name)
    return run_case(case, loaded.plan, REGISTRY).result


def run(folder: Path, text: str, name: str = "t") -> RunResult:
    """The result of one case of a file's text."""
    return result_of(load(folder, text), name)


def verdict(folder: Path, text: str) -> list[str]:
    """All that is wrong with the runs of a file's cases; each case is run twice, to one log."""
    loaded = load(folder, text)
    assert loaded.cases
    wrong = []
    for case in loaded.cases:
        done = run_case(case, loaded.plan, REGISTRY)
        failures = check_expectations(Checked(case, done.result, REGISTRY, lambda: None))
        wrong += [each.message for each in (*done.faults, *failures)]
        assert run_case(case, loaded.plan, REGISTRY).result.log == done.result.log
        if wrong:
            wrong += done.result.transcript()
    return wrong


def transcripts(folder: Path, text: str, runs: int, name: str = "t") -> set[tuple[str, ...]]:
    """The transcripts of a case under random latencies of `app.ask`, at level tasks."""
    found = set()
    for seed in range(runs):
        chance = random.Random(seed)
        script = "".join(
            f"\n        - {{return: ok, after: {chance.randint(0, 5)}s}}" for _ in range(40)
        )
        loaded = load(folder, dedent(text).replace("LATENCIES", script))
        found.add(tuple(result_of(loaded, name).transcript()))
    return found
