"""Laws on the package as a whole: what it imports, from where, and what it costs others."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from projects import FLOW, Write

import pytest_highway

PACKAGE = Path(pytest_highway.__file__).parent
NAME = PACKAGE.name


def name_of(path: Path) -> str:
    """`toolbox.log` for a file; the package itself has an empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


class RunTime(ast.NodeTransformer):
    """Takes out what only type checkers read."""

    def visit_If(self, node: ast.If) -> ast.If | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else node


def imports(module: str) -> Iterator[str]:
    """The full name of everything that a module imports when it runs, at any depth of its code."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in ast.walk(RunTime().visit(tree)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used_by(module: str) -> list[str]:
    """The modules of the package that a module imports."""
    found = []
    for name in imports(module):
        inside = name.removeprefix(f"{NAME}.")
        near = [inside, inside.rpartition(".")[0]] if inside != name else []
        found += [each for each in near if each in MODULES and each not in ("", module)][:1]
    return list(dict.fromkeys(found))


def importers(library: str) -> list[str]:
    """Who in the package imports a library, or anything inside it."""
    return [
        module
        for module in MODULES
        if any(f"{name}.".startswith(f"{library}.") for name in imports(module))
    ]


@pytest.mark.parametrize("module", MODULES)
def test_no_module_imports_the_insides_of_pytest(module: str) -> None:
    assert [name for name in imports(module) if name.split(".")[0] == "_pytest"] == []


@pytest.mark.parametrize(
    ("library", "allowed"),
    [
        (
            "pytest",
            [
                "plugin.history",
                "plugin.hookspecs",
                "plugin.failing",
                "plugin.fixtures",
                "plugin.items",
                "plugin.keeping",
                "plugin.marks",
                "plugin",
                "plugin.ledger",
                "plugin.recorded",
                "plugin.registries",
                "plugin.rerun",
                "plugin.scrubs",
                "plugin.stopping",
                "plugin.taping",
                "plugin.warned",
            ],
        ),
        ("pluggy", ["plugin.registries"]),
        ("click", [module for module in MODULES if module.startswith("cli.")]),
        ("time", ["clock", "toolbox.process"]),
        ("httpx", ["exceptions", "cases.http_stub", "cases.stubs", "toolbox.fetch"]),
        ("respx", ["cases.http_stub"]),
        ("yaml", ["reading.building", "reading.yaml_events", "editing.nodes"]),
        ("sqlite3", ["storage.sqlite"]),
        ("redis", ["storage.redis_server"]),
        ("random", []),
        ("logging", []),
    ],
)
def test_few_modules_import_what_binds_or_costs(library: str, allowed: list[str]) -> None:
    assert [module for module in importers(library) if module not in allowed] == []


# --- floors --------------------------------------------------------------------------------------

# From the ground up; each row is a floor with its rooms: `package: modules`, or modules beside it.
FLOORS = [
    [
        "errors serialization events credentials selection placing",
        "clock",
        "planning: graph",
        "steps: shells shell_reads",
        "toolbox: json_body",
        "reading: collector",
        "runners: background",
    ],
    [
        """reading: sourcetext scalars places anchors yaml_syntax yaml_events building document translated
        plain_tasks""",
        "expressions: values operations filters tokens closures parser expression template",
        "matching: forms alignment equality lookalikes hunks lines patterns matchers repatterning",
        "secrets scrubbing",
        """storage: records storage sqlite files redis_server opening recorder archive rows
        lineage""",
    ],
    [
        "reading: validation policies models",
        "plugin: unused",
        "tool_context tools exceptions",
    ],
    ["engine: state", "runners: raised"],
    [
        "engine: limits outputs",
        "toolbox: command events fetch log memory outputs powershell process python shell",
        "cases: http_stub",
    ],
    [
        "toolbox",
        """planning: plan claims code_checks drafts fields linking lock_checks
        secret_checks compiler""",
        "runners: remote",
    ],
    [
        "steps: dialect models doing names arguments calls translation",
        "planning: relations guards reads result_reads open_reads conflicts lints checks",
        "engine: frame call effects rules judging precedence resuming",
        """cases: models origins products sharing rendering declared answers scripts declarations
        checks lints golden""",
        "conversion: made",
    ],
    [
        "planning: nesting",
        "engine: operators loops",
        "runners: executors event_loop real_runner custom",
        "transcript views",
        "conversion: tree",
        "cli: steps_schema",
    ],
    [
        "loading",
        "engine: run agenda calls endings mailbox performing sections settings stops",
        "cases: stubs",
        "tapes: entries player recorder",
        "conversion: commands",
    ],
    ["redaction", "conversion: names"],
    [
        "running",
        "cases: simulation",
        "cases: expectations",
        "editing: text nodes source changes edit",
        "conversion: ordering policies",
    ],
    [
        "cases: judging",
        "plugin: failure_text failures",
        "plugin: rewriting noting writing patching pending accepting",
        "tapes: codec files",
        "conversion: parts head reads writing",
    ],
    [
        "plugin: hookspecs",
        "plugin: recorded history",
        "plugin: advice",
        "plugin: keeping",
        "plugin: marks",
        "plugin: options",
        "plugin: registries",
        "plugin: scrubs",
        "plugin: warned",
        "plugin: taping",
        "plugin: stopping",
        "conversion: attributes leaves choices composites repair",
    ],
    ["plugin: rerun", "plugin: second_run", "conversion: operators"],
    ["plugin: updating", "conversion: conversion"],
    ["plugin: ledger"],
    ["plugin: failing fixtures items"],
    ["plugin"],
    [
        """cli: main arguments display displays live github progress outcome executed rehearsal recording
        run files findings validate tools drawing course diagrams graph schema new tables writing
        statistics history streams""",
    ],
    ["cli: pending accept review", "cli: convert"],
]


def rooms() -> Iterator[tuple[str, tuple[int, str]]]:
    """Every placed module with its floor and room."""
    for floor, row in enumerate(FLOORS):
        for room in row:
            package, colon, modules = room.rpartition(": ")
            yield from (
                (f"{package}{colon and '.'}{module}", (floor, room)) for module in modules.split()
            )


PLACES = dict(rooms())
# The heads of packages that hold nothing but a sentence on what is inside.
HEADS = [
    module for module, path in MODULES.items() if path.stem == "__init__" and not used_by(module)
]


def test_every_module_has_a_room() -> None:
    """A new module is placed in the table above, on the lowest floor that holds what it uses."""
    assert sorted(PLACES) == sorted(module for module in MODULES if module not in HEADS)


@pytest.mark.parametrize("module", [module for module in MODULES if module in PLACES])
def test_a_module_imports_from_its_room_and_from_floors_below(module: str) -> None:
    """What each floor is, from the ground up.

    0: diagnostics, codecs, events, the clock: plain values. 1: texts: YAML with positions, the
    expression language, comparing; records of runs. 2: shapes of workflows; tools and what they
    are handed. 3: what a run remembers. 4: what holds calls back; built-in tools; HTTP stubs.
    5: the plan and how it is made; calls in other processes. 6: static checks; the contract
    between operators and engine; cases; steps as tasks. 7: workflows that run others; the
    operators; runners of calls; what is derived from a log. 8: a file as a whole; the engine; the
    stub book; runners of tapes. 9: a case's run; its expectations; editing YAML. 10: failure
    texts; what an update would write; files of tapes. 11: pytest's side, one subject a room.
    12 to 14: the end of a session, and its ledger. 15: items. 16: the entry point, which
    everything heavy is kept out of. 17, 18: the command.
    """
    floor, room = PLACES[module]
    used = [each for each in used_by(module) if each in PLACES]
    assert [each for each in used if PLACES[each][0] >= floor and PLACES[each][1] != room] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    order = TopologicalSorter({module: used_by(module) for module in MODULES}).static_order()
    assert sorted(order) == sorted(MODULES)


# --- runs without workflows ----------------------------------------------------------------------

LISTING = """\
import sys

def test_it():
    print()
    for name in sorted(sys.modules):
        print("loaded", name)
"""


def loaded(pytester: pytest.Pytester, *args: str) -> list[str]:
    result = pytester.runpytest_subprocess("-s", *args)
    result.assert_outcomes(passed=1)
    return [line.split()[1] for line in result.outlines if line.startswith("loaded ")]


def test_a_run_without_workflows_loads_three_small_modules_and_no_library(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"test_it.py": LISTING, "data/some.yaml": "a: 1\n"})
    without = loaded(pytester, "-p", "no:highway")
    more = [name for name in loaded(pytester) if name not in without]
    foreign = [name for name in more if name.split(".")[0] not in sys.stdlib_module_names]
    assert foreign == [
        NAME,
        *(f"{NAME}.{each}" for each in ("plugin", "plugin.hookspecs", "selection")),
    ]


@pytest.fixture
def _broken_pydantic(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    pytester.makepyfile(pydantic="raise ImportError('pydantic is broken')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(pytester.path), str(PACKAGE.parent)]))


@pytest.mark.usefixtures("_broken_pydantic")
def test_a_project_without_workflows_runs_with_a_broken_pydantic(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"test_it.py": "def test_it(): pass\n"})
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.usefixtures("_broken_pydantic")
def test_tests_beside_a_workflow_run_with_a_broken_pydantic(
    pytester: pytest.Pytester, write: Write
) -> None:
    write({"test_it.py": "def test_it(): pass\n", "a.workflow.yaml": FLOW})
    result = pytester.runpytest_subprocess("--continue-on-collection-errors")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["ERROR a.workflow.yaml - ImportError: pydantic is broken"])
