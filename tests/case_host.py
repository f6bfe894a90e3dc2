"""Workflow files with cases, as text: loaded, run and held against what they expect."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

from pytest_highway.cases.expectations import Checked, Failure, check_expectations
from pytest_highway.cases.simulation import CaseRun, run_case, values_of
from pytest_highway.errors import SourceError
from pytest_highway.loading import Loaded, load_file
from pytest_highway.tools import Registry, ToolContext, discover, tool

FILE = "flow.workflow.yaml"


class QuotaExceeded(Exception):
    """Its constructor wants more than a text, and its text needs what the constructor sets."""

    def __init__(self, user: str, limit: int) -> None:
        super().__init__()
        self.user = user
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.user} passed {self.limit}"


class Picky(Exception):
    """Its constructor refuses what it does not know."""

    def __init__(self, code: str) -> None:
        raise LookupError(code)


@tool("app.ask", effects="read")
def ask(*args: object, **kwargs: object) -> object:
    """Gives its arguments back."""
    return {"args": list(args), "kwargs": kwargs}


@tool("app.save", effects="write")
def save(*args: object, **kwargs: object) -> object:
    """Takes anything."""
    return "saved"


@tool("app.twice", effects="pure")
def twice(number: int) -> int:
    """Doubles a number."""
    return number * 2


@tool("app.spend", effects="read")
def spend(context: ToolContext) -> str:
    """Uses money and tokens for real."""
    context.usage.add(cost=0.1, tokens=7)
    context.log.info("spent")
    return "done"


def make_registry() -> Registry:
    """The built-in tools and those above."""
    registry = discover(entry_points=False)
    for each in (ask, save, twice, spend):
        registry.add(each)
    return registry


REGISTRY = make_registry()


def text_of(tasks: str, tests: str, top: str = "") -> str:
    """A workflow file: its tasks, its cases, and whatever else stands at the top."""
    parts = ["name: flow\n", dedent(top)]
    parts += ["tasks:\n", indent(dedent(tasks).strip("\n"), "  "), "\n"]
    parts += ["tests:\n", indent(dedent(tests).strip("\n"), "  "), "\n"]
    return "".join(parts)


def load(folder: Path, text: str, name: str = FILE) -> Loaded:
    """The file with this text; raises `SourceError`."""
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return load_file(file, name, REGISTRY)


def headlines(folder: Path, text: str, name: str = FILE) -> list[str]:
    """`line:column: message` of each fault of a file, with the path where it is another's."""
    try:
        load(folder, text, name)
    except SourceError as error:
        return [each.headline().removeprefix(f"{name}:") for each in error.diagnostics]
    return []


def run(loaded: Loaded, wanted: str, **fixtures: object) -> tuple[CaseRun, list[Failure]]:
    """One case's run and its failing expectations; there is no golden file."""
    case = next(each for each in loaded.cases if each.name == wanted)
    case = case.with_fixtures(values_of(fixtures))
    done = run_case(case, loaded.plan, REGISTRY)
    failures = check_expectations(Checked(case, done.result, REGISTRY, lambda: None))
    return done, failures


def outcome(loaded: Loaded, wanted: str, **fixtures: object) -> list[str]:
    """`line:column: message` for all that is wrong with one case's run."""
    case = next(each for each in loaded.cases if each.name == wanted)
    done, failures = run(loaded, wanted, **fixtures)
    origin = case.origin
    places = [(each.loc, each.message) for each in (*done.faults, *failures)]
    found = [origin.fault(loc, message.split("\n")[0]).headline() for loc, message in places]
    return [each.removeprefix(f"{origin.document.path}:") for each in found]


def messages(folder: Path, text: str, name: str = "case") -> list[str]:
    """All that is wrong with one case of a file's text."""
    return outcome(load(folder, text), name)


DATA = Path(__file__).parent / "data"
OK = "expect: {status: success}"


def tabled(name: str) -> list[tuple[str, list[str]]]:
    """The words of a case and the findings about it, for each block of a table in `data`."""
    found = []
    for block in (DATA / name).read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.strip("\n").split("\n") if line[:1] != "#"]
        words = [line for line in lines if line[:3] != "=> "]
        if not any(line.startswith("expect:") for line in words):
            words.append(OK)
        found.append(("\n".join(words), [line[3:] for line in lines if line[:3] == "=> "]))
    return [(words, findings) for words, findings in found if findings]
