"""The pytest plugin: options, and which files are ours.

This module is imported by every pytest run of every project that has the plugin installed, so it
imports nothing but pytest, what pytest has loaded already, and which files are ours (`selection`);
everything else comes in with the first workflow file. The pattern of a file's name decides, never
a look at its content:

    *.workflow.yaml|yml|json, *.workflow-test.yaml|yml         everywhere
    *.yaml|yml, *.plan.json                                    below a folder `workflows`
    any *.yaml|yml|json                                        named on the command line

Folders `golden`, `tapes` and `stubs` below a folder `workflows` are never entered. Such a folder
is `<rootdir>/workflows`, and one of that name which the command line names or goes through.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from pytest_highway.plugin import hookspecs
from pytest_highway.selection import NEVER_ENTERED, PATTERNS, fits_patterns, roots_of

if TYPE_CHECKING:
    from pytest_highway.plugin.fixtures import WorkflowRunner
    from pytest_highway.tools import Registry

__all__: list[str] = []

SUFFIXES = (".yaml", ".yml", ".json")
WRITES = ("update", "update-new", "prune")

ROOTS = pytest.StashKey[tuple[Path, ...]]()
# All items, and those of them that are hidden, while pytest deselects.
HIDDEN = pytest.StashKey[tuple[list[pytest.Item], list[pytest.Item]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options `--highway-*` and ini names `highway_*`."""
    group = parser.getgroup("highway", "workflows and their goldens")
    for name, text in (
        ("update", "rewrite the failing expectations and golden files of the selected cases"),
        ("update-new", "write only the golden files that do not exist yet"),
        ("prune", "remove golden files that no case uses, after a full green run"),
        ("allow-ci", "let the options that write do so although CI is set"),
        ("strict", "make warnings about workflows and unused goldens errors"),
    ):
        group.addoption(f"--highway-{name}", action="store_true", default=False, help=text)
    text = "write what --highway-update would write to FILE, as a patch for `git apply`"
    group.addoption("--highway-patch", metavar="FILE", default="", help=text)
    group.addoption("--highway-second-run", default="", help=argparse.SUPPRESS)
    group.addoption(
        "--highway-tape",
        choices=("record", "rerecord", "replay", "verify", "off"),
        default="replay",
        help="what to do with tapes of real tool calls: replay those there are (the default), "
        "record those that are missing, rerecord all, verify them against the real tools, or none",
    )
    group.addoption(
        "--highway-tape-allow-effects",
        action="store_true",
        default=False,
        help="let --highway-tape call tools whose effect is 'write'",
    )
    group.addoption(
        "--highway-history",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="record every run of a workflow, as `highway run` does: in .highway/history.sqlite, "
        "or at =sqlite:PATH, =files:FOLDER or =redis://HOST:PORT/DB; see `highway history`",
    )
    parser.addini(
        "highway_files",
        "patterns of workflow files; one with a slash is held against the path from rootdir",
        type="args",
        default=list(PATTERNS),
    )
    parser.addini("highway_tools", "modules with tools: app.tools or app.tools:name", type="args")
    parser.addini("highway_executor", "module:factory of an Executor that takes the real calls")
    parser.addini(
        "highway_scrub",
        "what transcripts do not show: now, uuid, or 'name: regular expression', one a line",
        type="linelist",
    )
    parser.addini("highway_strict", "as --highway-strict", type="bool")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make the hooks of `hookspecs` known."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse scrubbers that make no sense, and to write what may not be written, at the start."""
    if config.getini("highway_scrub"):
        begin("scrubs", config)
    updates = [name for name in WRITES if config.getoption(f"--highway-{name}")]
    mode = config.getoption("--highway-tape")
    tapes = [f"tape={mode}"] if mode in ("record", "rerecord") else []
    writes = [*updates, *tapes]
    if writes and os.environ.get("CI") and not config.getoption("--highway-allow-ci"):
        raise pytest.UsageError(
            f"--highway-{writes[0]} does not write while CI is set; "
            "run it on your machine, or add --highway-allow-ci"
        )
    if config.getoption("--highway-second-run"):
        begin("rerun", config)
    elif patch := config.getoption("--highway-patch"):
        check_patch(config.invocation_params.dir, patch, writes)
    if tapes:
        begin("taping", config)
    if config.getoption("--highway-history") is not None and runs_tests(config):
        begin("history", config)


def begin(part: str, config: pytest.Config) -> None:
    """Let a part of the plugin take part in this session: a module here, with a `begin`.

    It is imported now, for no session is to pay for a part that it does without.
    """
    import_module(f"{__name__}.{part}").begin(config)


def runs_tests(config: pytest.Config) -> bool:
    """Whether the session runs tests for its own sake."""
    return not (config.getoption("collectonly") or config.getoption("--highway-second-run"))


def check_patch(here: Path, patch: str, writes: list[str]) -> None:
    """Refuse a patch that would be written over something, or beside an option that writes."""
    if writes:
        raise pytest.UsageError(
            f"--highway-patch writes nothing but its file; leave out --highway-{writes[0]}"
        )
    file = here / patch
    if file.is_dir() or (file.is_file() and file.stat().st_size):
        what = "is a folder" if file.is_dir() else "exists and is not overwritten"
        raise pytest.UsageError(f"--highway-patch: {patch!r} {what}; name another file")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config) -> None:
    """Let the controller of pytest-xdist, which reads no file itself, hear what workers saw."""
    keep_ledger(config)


def keep_ledger(config: pytest.Config) -> None:
    """Let the session keep a ledger of what it sees of workflows."""
    from pytest_highway.plugin.ledger import ledger_of

    ledger_of(config, workflow_roots(config))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keep collection out of the folders that hold goldens, tapes and stubs."""
    if collection_path.name in NEVER_ENTERED and collection_path.is_dir():
        roots = workflow_roots(config)
        if any(root in collection_path.parents for root in roots):
            return True
    return None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> WorkflowFile | None:
    """A collector for each file that is ours by its name."""
    if file_path.suffix.lower() not in SUFFIXES or not is_workflow(file_path, parent):
        return None
    keep_ledger(parent.config)
    file = WorkflowFile.from_parent(parent, path=file_path)
    file.obj = ModuleType(file_path.stem)
    return file


class WorkflowFile(pytest.Module):
    """One workflow or test file.

    A module, because fixtures of that scope belong to one; its Python object is an empty module,
    and nothing is imported. It stands here and not with its items, so that a fault while they are
    imported (of pydantic, say) is an error of this file and not of the folder with all its tests.
    """

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each case, else one for the file; `CollectError` when there are no tools."""
        from pytest_highway.plugin.items import items_of

        return items_of(self)


def is_workflow(path: Path, parent: pytest.Collector) -> bool:
    """Whether a file is ours, by its name and place alone."""
    config = parent.config
    if parent.session.isinitpath(path):
        return True
    return fits_patterns(
        path, config.getini("highway_files"), workflow_roots(config), config.rootpath
    )


def workflow_roots(config: pytest.Config) -> tuple[Path, ...]:
    """`roots_of` what the command line names."""
    roots = config.stash.get(ROOTS, None)
    if roots is None:
        folder = config.invocation_params.dir
        typed = [folder / argument.partition("::")[0] for argument in config.args]
        roots = config.stash[ROOTS] = roots_of(config.rootpath, typed)
    return roots


# --- what `-k` and `-m` never deselect -----------------------------------------------------------
#
# pytest's own deselection runs after that of nearly all other plugins. Just before it the checks
# are taken out of the list, and just after it they are put back: everybody else sees them, so
# `--lf`, `--sw`, `--deselect` and a conftest may drop or reorder them as any item.


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hide the `check` of a file from `-k` and `-m`."""
    if not (config.getoption("keyword") or config.getoption("markexpr")):
        return
    dropped = tuple(config.getoption("deselect") or ())
    hidden = [
        item
        for item in items
        if is_check(item) and not (dropped and item.nodeid.startswith(dropped))
    ]
    if hidden:
        config.stash[HIDDEN] = (list(items), hidden)
        items[:] = _without(items, hidden)


@pytest.hookimpl(specname="pytest_collection_modifyitems", trylast=True)
def pytest_highway_show_checks(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put the hidden items back where they were; to the front if somebody reordered."""
    before, hidden = config.stash.get(HIDDEN, ([], []))
    if hidden:
        deselected = _without(_without(before, hidden), items)
        merged = _without(before, deselected)
        in_order = _without(merged, hidden) == items
        items[:] = merged if in_order else [*hidden, *items]


def _without(items: list[pytest.Item], others: list[pytest.Item]) -> list[pytest.Item]:
    left_out = {id(item) for item in others}
    return [item for item in items if id(item) not in left_out]


def is_check(item: pytest.Item) -> bool:
    """Whether an item is the `check` of a workflow file."""
    return getattr(item, "is_highway_check", False) is True


@pytest.fixture
def highway(request: pytest.FixtureRequest, highway_registry: Registry) -> WorkflowRunner:
    """Run a workflow from a Python test: `highway("x.workflow.yaml", case="happy")`."""
    from pytest_highway.plugin.fixtures import WorkflowRunner

    return WorkflowRunner(request.node, highway_registry)


@pytest.fixture
def highway_registry(request: pytest.FixtureRequest) -> Registry:
    """The tools that workflows in the folder of the requesting test have."""
    from pytest_highway.plugin.fixtures import registry_of

    return registry_of(request)
