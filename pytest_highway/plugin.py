"""The pytest plugin: options, and which files are ours.

This module is imported by every pytest run of every project that has the plugin installed, so it
imports nothing but pytest and what pytest has loaded already; everything else comes in with the
first workflow file. The pattern of a file's name decides, never a look at its content:

    *.workflow.yaml|yml|json, *.workflow-test.yaml|yml         everywhere
    *.yaml|yml, *.plan.json                                    below a folder `workflows`
    any *.yaml|yml|json                                        named on the command line

Folders `golden`, `tapes` and `stubs` below a folder `workflows` are never entered.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_highway.items import WorkflowFile
    from pytest_highway.views import RunResult

__all__: list[str] = []

PATTERNS = (
    "*.workflow.yaml",
    "*.workflow.yml",
    "*.workflow.json",
    "*.workflow-test.yaml",
    "*.workflow-test.yml",
    "workflows/**/*.yaml",
    "workflows/**/*.yml",
    "workflows/**/*.plan.json",
)
SUFFIXES = (".yaml", ".yml", ".json")
ROOT = "workflows"
NEVER_ENTERED = frozenset({"golden", "tapes", "stubs"})

ROOTS = pytest.StashKey[tuple[Path, ...]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options `--highway-*` and ini names `highway_*`."""
    group = parser.getgroup("highway", "workflows and their goldens")
    for name, text in (
        ("update", "rewrite the failing expectations and golden files of the selected cases"),
        ("update-new", "write only the golden files that do not exist yet"),
        ("allow-ci", "let the options that write do so although CI is set"),
    ):
        group.addoption(f"--highway-{name}", action="store_true", default=False, help=text)
    parser.addini(
        "highway_files",
        "patterns of workflow files; one with a slash is held against the path from rootdir",
        type="args",
        default=list(PATTERNS),
    )
    parser.addini("highway_tools", "modules with tools: app.tools or app.tools:name", type="args")
    parser.addini("highway_strict", "make warnings about workflows errors", type="bool")


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Make the hooks of `hookspecs` known."""
    from pytest_highway import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to write goldens in CI, before anything runs."""
    writes = [name for name in ("update", "update-new") if config.getoption(f"--highway-{name}")]
    if writes and os.environ.get("CI") and not config.getoption("--highway-allow-ci"):
        raise pytest.UsageError(
            f"--highway-{writes[0]} does not write while CI is set; "
            "run it on your machine, or add --highway-allow-ci"
        )
    if writes:
        from pytest_highway.updating import Updater

        config.pluginmanager.register(Updater(config), "highway-updater")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keep collection out of the folders that hold goldens, tapes and stubs."""
    if collection_path.name in NEVER_ENTERED and collection_path.is_dir():
        roots = workflow_roots(config)
        if any(root in collection_path.parents for root in roots):
            return True
    return None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> WorkflowFile | None:
    """A collector for each file that is ours by its name."""
    if file_path.suffix not in SUFFIXES or not is_workflow(file_path, parent):
        return None
    from pytest_highway.items import WorkflowFile

    return WorkflowFile.from_parent(parent, path=file_path)  # type: ignore[no-any-return]  # pytest types from_parent loosely


def is_workflow(path: Path, parent: pytest.Collector) -> bool:
    """Whether a file is ours, by its name and place alone."""
    config = parent.config
    if parent.session.isinitpath(path):
        return True
    patterns = config.getini("highway_files")
    if any("/" not in each and fnmatch(path.name, each) for each in patterns):
        return True
    for root in workflow_roots(config):
        if root in path.parents:
            inside = path.relative_to(root).as_posix()
            if not NEVER_ENTERED.isdisjoint(Path(inside).parts[:-1]):
                return False
            if any(_fits(f"{ROOT}/{inside}", each) for each in patterns if "/" in each):
                return True
    if config.rootpath in path.parents:
        inside = path.relative_to(config.rootpath).as_posix()
        return any(_fits(inside, each) for each in patterns if "/" in each)
    return False


def _fits(path: str, pattern: str) -> bool:
    """`fnmatch` with `**/` standing for any number of folders, none included."""
    return fnmatch(path, pattern) or fnmatch(path, pattern.replace("**/", ""))


def workflow_roots(config: pytest.Config) -> tuple[Path, ...]:
    """`<rootdir>/workflows`, and folders of that name which the command line names."""
    roots = config.stash.get(ROOTS, None)
    if roots is None:
        found = [config.rootpath / ROOT]
        for argument in config.args:
            path = Path(config.invocation_params.dir, argument.partition("::")[0])
            found += [each for each in (path, *path.parents) if each.name == ROOT]
        roots = config.stash[ROOTS] = tuple(dict.fromkeys(found))
    return roots


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_collection_modifyitems(
    items: list[pytest.Item],
) -> Generator[None, None, None]:
    """Keep `-k` and `-m` from deselecting the `check` of a file.

    The innermost wrapper: pytest's own deselection never sees these items, while `--lf` and its
    like, which are wrappers further out, do.
    """
    checks = [item for item in items if is_check(item)]
    if not checks:
        return (yield)
    place = {id(item): number for number, item in enumerate(items)}
    items[:] = [item for item in items if not is_check(item)]
    yield
    places = [place.get(id(item), -1) for item in items]
    if places == sorted(places):
        items[:] = sorted([*items, *checks], key=lambda item: place.get(id(item), -1))
    else:  # Somebody reordered: the checks come first.
        items[:0] = checks
    return None


def is_check(item: pytest.Item) -> bool:
    """Whether an item is the `check` of a workflow file."""
    return getattr(item, "is_highway_check", False) is True


@pytest.fixture
def highway(request: pytest.FixtureRequest) -> object:
    """Run a workflow from a Python test: `highway("x.workflow.yaml", case="happy")`."""
    from pytest_highway.items import WorkflowRunner

    return WorkflowRunner(request.config)


@pytest.fixture
def highway_registry(request: pytest.FixtureRequest) -> object:
    """The session's tools."""
    from pytest_highway.items import session_registry

    return session_registry(request.config)
