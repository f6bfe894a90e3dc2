"""The ledger of a session: what its cases want written, and which cases there were.

    a case fails      its report carries what it wants, also from a worker of pytest-xdist
    a file is read    the process notes its items; a worker sends them when it ends
    the session ends  the controller, or the only process, draws the conclusions (see `updating`)

One is registered with the first workflow file, and in the controller of pytest-xdist, which reads
none. It imports nothing heavy: a controller may well see no workflow at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import pytest

from pytest_highway.plugin.failure_text import PLACED, FailureText
from pytest_highway.plugin.options import PENDING
from pytest_highway.plugin.unused import unused_goldens

if TYPE_CHECKING:
    from pytest_highway.plugin.noting import Wanted

__all__ = ["REFUSED", "WANTED", "Ledger", "ledger_of", "note_file"]

WANTED = pytest.StashKey["Wanted"]()
# Where a case stands that no edit would mend, as `file:line`, and why.
REFUSED = pytest.StashKey[tuple[str, str]]()
# By file, the node id of each of its items with its golden file, or nothing.
READ = pytest.StashKey[dict[str, dict[str, str]]]()
NAME = "highway-ledger"
# The names under which reports and workers carry what is noted, as JSON: on its way from a worker a
# number below -2**31 would end the session, and so would half of a surrogate pair.
ATTRIBUTE = "highway_wanted"
REFUSAL = "highway_refused"
OUTPUT = "highway_read"
ENDINGS = (".yaml", ".yml", ".json")

# Options, by their names in `config.option`, after which not all cases can be expected to run.
FILTERS = (
    *("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf", "stepwise"),
    *("collectonly", "pyargs"),
)


T = TypeVar("T")


class Node(Protocol):
    """A worker, as pytest-xdist hands it in."""

    workeroutput: Mapping[str, str]


def ledger_of(config: pytest.Config, roots: tuple[Path, ...]) -> Ledger:
    """The session's ledger, registered now if need be; `roots` are its folders `workflows`."""
    known = config.pluginmanager.get_plugin(NAME)
    if isinstance(known, Ledger):
        return known
    ledger = Ledger(config, roots)
    config.pluginmanager.register(ledger, NAME)
    return ledger


def note_file(file: pytest.File, goldens: Mapping[str, str]) -> None:
    """Note a file that was read: the golden file of each of its items by node id, or nothing."""
    file.config.stash.setdefault(READ, {})[str(file.path)] = dict(goldens)


def is_ours(report: pytest.TestReport) -> bool:
    """Whether a report is of an item in a file that may hold workflows."""
    return report.nodeid.partition("::")[0].lower().endswith(ENDINGS)


def _move(item: pytest.Item, key: pytest.StashKey[T], report: pytest.TestReport, name: str) -> None:
    if key in item.stash:
        setattr(report, name, json.dumps(item.stash[key]))
        del item.stash[key]  # A further run of the item may want nothing.


class Ledger:
    """What one session has seen of workflows.

    `wanted` is what cases want written, `refused` where and why others cannot be mended although
    that is asked for, and `read` the files, as in `note_file`; `passed` are the
    node ids of items that did, or failed as they should, `failed` says why one that wants nothing
    did; `ran` tells that there was any. Known at
    the end: whether the session `is_complete`, and the goldens that are `unused`, or, in `unseen`,
    why it cannot tell.
    """

    def __init__(self, config: pytest.Config, roots: tuple[Path, ...]) -> None:
        self.config = config
        self.roots = roots
        self.wanted: dict[str, Wanted] = {}
        self.refused: dict[str, tuple[str, str]] = {}
        self.read: dict[str, dict[str, str]] = {}
        self.passed: set[str] = set()
        self.failed: dict[str, str] = {}
        self.ran = False
        self.was_skipped = False
        self.was_interrupted = False
        self.is_complete = False
        self.unseen = ""
        self.unused: list[Path] = []
        self.lines: list[str] = []

    # --- while cases run -------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let the report of a call carry what its case wants written."""
        report = yield
        if report.when == "call":
            _move(item, WANTED, report, ATTRIBUTE)
            _move(item, REFUSED, report, REFUSAL)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect, in the controller."""
        if not is_ours(report):
            return
        self.ran = True
        was_expected = hasattr(report, "wasxfail")
        if report.skipped and not was_expected:
            self.was_skipped = True
        elif report.when == "call":
            self.wanted.pop(report.nodeid, None)
            self.refused.pop(report.nodeid, None)
            if refused := getattr(report, REFUSAL, None):
                self.refused[report.nodeid] = json.loads(refused)
            if wanted := getattr(report, ATTRIBUTE, None):
                self.wanted[report.nodeid] = json.loads(wanted)
            elif report.failed:
                self.failed[report.nodeid] = str(report.longrepr).partition("\n")[0]
            if report.passed or was_expected:
                self.passed.add(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_report_from_serializable(
        self, data: dict[str, object]
    ) -> Generator[None, pytest.TestReport | None, pytest.TestReport | None]:
        """Give a report from a worker the failure text that it was sent without."""
        report = yield
        text = getattr(report, "longrepr", None)
        if report is not None and isinstance(text, str) and is_ours(report) and PLACED.match(text):
            style = self.config.getoption("tbstyle", "auto")
            vars(report)["longrepr"] = FailureText(text, style)
        return report

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Node) -> None:
        """Take what a worker has read; one that crashed sends nothing, and fails the session."""
        output: Mapping[str, str] = getattr(node, "workeroutput", {})
        self.read |= json.loads(output.get(OUTPUT, "{}"))

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that the session did not come to its end, whatever its exit status says."""
        self.was_interrupted = True

    # --- at the end ------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Hand on what a worker has seen; elsewhere let the conclusions be drawn."""
        here: dict[str, dict[str, str]] = self.config.stash.setdefault(READ, {})
        self.read |= here
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output[OUTPUT] = json.dumps(self.read)
            return
        self.is_complete = not self.was_interrupted and exitstatus in (
            pytest.ExitCode.OK,
            pytest.ExitCode.TESTS_FAILED,
        )
        self.unseen = (
            self._unseen() if exitstatus == pytest.ExitCode.OK else "the run was not green"
        )
        self.unused = [] if self.unseen else unused_goldens(self.read, self._roots())
        if self.ran and self._has_conclusions():
            # Imported here: with a green run there is nothing to conclude.
            from pytest_highway.plugin.updating import conclude

            self.lines, is_well = conclude(self)
            if not is_well and session.exitstatus == pytest.ExitCode.OK:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _has_conclusions(self) -> bool:
        option = self.config.getoption
        asked = ("--highway-second-run", "--highway-prune", "--highway-patch")
        cache = getattr(self.config, "cache", None)  # not with -p no:cacheprovider
        was_pending = cache is not None and cache.get(PENDING, None) is not None
        seen = self.wanted or self.refused or self.unused or was_pending
        return bool(seen or any(map(option, asked)))

    def _roots(self) -> list[Path]:
        """The folders `workflows` that lie in what the command line names."""
        named = self._named()
        return [root for root in self.roots if any(each in (root, *root.parents) for each in named)]

    def _named(self) -> list[Path]:
        here = self.config.invocation_params.dir
        return [Path(os.path.normpath(here / each)) for each in self.config.args]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what became of each golden."""
        if self.lines:
            terminalreporter.section("workflow goldens")
            for line in self.lines:
                terminalreporter.line(line)

    def _unseen(self) -> str:
        """Why this session cannot tell which goldens are unused, or nothing."""
        if not all(each.is_dir() for each in self._named()):
            return "the command line names files or cases"
        given = [name for name in FILTERS if self.config.getoption(name, None)]
        if given:
            return f"the run was filtered (--{given[0].replace('_', '-')})"
        if self.was_skipped:
            return "a case was skipped"
        for items in self.read.values():
            for nodeid in items:
                if nodeid not in self.passed:
                    return f"{nodeid} did not run"
        return ""
