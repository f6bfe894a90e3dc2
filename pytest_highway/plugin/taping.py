"""Tapes on pytest's side: which case plays, records or checks its tape, and what is told of it.

    --highway-tape=   a case with a tape          a case without one
    replay            is answered from it         runs as if there were no tapes
    record            is answered from it         calls real tools, and has a tape if it passes
    rerecord          calls real tools, and has a new tape if it passes
    verify            calls real tools, which     runs as if there were no tapes
                      must do what it says
    off               runs as if there were no tapes

A tape belongs to one case, so its case writes it, at once and in whatever process it runs: no two
workers of pytest-xdist write one file. Nothing is written unless the case has passed.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Generator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import pytest

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.simulation import CaseRun
from pytest_highway.credentials import looks_like_credential
from pytest_highway.errors import Diagnostic, HighwayError, SourceError
from pytest_highway.loading import Loaded
from pytest_highway.plugin.failure_text import CaseFailed
from pytest_highway.tapes.entries import Entry, TapeUse
from pytest_highway.tapes.files import TapeFile, stray_tapes, tape_names
from pytest_highway.tools import Registry

__all__ = ["CaseTape", "TapeReporter", "begin", "replayed", "stray_findings", "tape_clashes"]

WRITING = ("record", "rerecord")
ALLOW_EFFECTS = "--highway-tape-allow-effects"
# What became of tapes, for the report of an item; reports travel between processes as plain data.
NEWS = pytest.StashKey[str]()
ATTRIBUTE = "highway_tape"
# Whether a folder has tapes in it, by its path: most have none, and every case would look.
FOLDERS = pytest.StashKey[dict[Path, bool]]()


def mode_of(config: pytest.Config) -> str:
    """The mode that the command line names."""
    return str(config.getoption("--highway-tape"))


def has_tapes(config: pytest.Config, file: Path) -> bool:
    """Whether there are tapes beside a file, as far as was known when it was collected."""
    known = config.stash.setdefault(FOLDERS, {})
    folder = file.parent
    if folder not in known:
        known[folder] = (folder / "tapes").is_dir()
    return known[folder]


# --- what is found at collection -----------------------------------------------------------------


def tape_clashes(config: pytest.Config, file: Path, cases: Sequence[Case]) -> list[Diagnostic]:
    """Cases whose tapes would be one file where letter case is not told apart."""
    writes = mode_of(config) in WRITING
    if not writes and not has_tapes(config, file):
        return []
    kept = None if writes else {name.lower() for name in tape_names(file)}
    seen: dict[str, str] = {}
    found = []
    for case in cases:
        name = case.name.lower()
        other = seen.setdefault(name, case.name)
        if other != case.name and (kept is None or name in kept):
            message = (
                f"{case.name!r} and {other!r} would have one tape where case is not told apart; "
                "rename one"
            )
            loc = ("params", case.param) if case.param else ()
            found.append(case.origin.fault(loc, message, key=True))
    return found


def stray_findings(config: pytest.Config, file: Path, loaded: Loaded) -> list[Diagnostic]:
    """Warnings about tapes of `file` that none of its cases has."""
    if not has_tapes(config, file):
        return []
    names = [case.name for case in loaded.cases]
    return [
        Diagnostic(
            tape.shown, f"{file.name} has no case {tape.case!r}, so its tape is never played"
        )
        for tape in stray_tapes(file, loaded.document.path, names)
    ]


# --- one case ------------------------------------------------------------------------------------


class CaseTape:
    """What an item's case does with its tape."""

    def __init__(self, item: pytest.Item, case: Case, registry: Registry) -> None:
        config = item.config
        self._item = item
        self._case = case
        self._registry = registry
        self._mode = mode_of(config)
        self._looks = self._mode in WRITING or (
            self._mode != "off" and has_tapes(config, item.path)
        )
        self.use: TapeUse | None = None

    # Most cases have no tape, and never ask.
    @cached_property
    def _file(self) -> TapeFile:
        return TapeFile(self._item.path, self._case.origin.document.path, self._case.name)

    def load(self) -> TapeUse | None:
        """What the run is to do with the tape; `CaseFailed` when that cannot be played."""
        if self._looks:
            self.use = self._chosen()
        return self.use

    def _chosen(self) -> TapeUse | None:
        allows_effects = bool(self._item.config.getoption(ALLOW_EFFECTS))
        recording = TapeUse(None, records=True, allows_effects=allows_effects)
        if self._mode == "rerecord":
            return recording
        try:
            tape = self._file.read()
        except SourceError as error:
            raise self._failure("cannot be played", str(error)) from error
        if tape is None:
            return recording if self._mode == "record" else None
        return TapeUse(tape, self._mode == "verify", allows_effects)

    def _failure(self, what: str, why: str) -> CaseFailed:
        first, *more = why.split("\n")
        finding = self._case.origin.fault((), f"the tape {what}: {first}", key=True)
        below = [f"    {line}" for line in more]
        return CaseFailed("\n".join([finding.render(), *below, "", self._again()]))

    def _again(self) -> str:
        path = os.path.relpath(self._item.path, self._item.config.invocation_params.dir)
        calls = {} if self.use is None or self.use.tape is None else self.use.tape.calls
        return f"to record it again: {self._command(f'{path}::{self._case.name}', calls)}"

    def _command(self, nodeid: str, calls: Mapping[str, Entry]) -> str:
        """What records these calls again."""
        tools = [self._registry.get(each.tool) for each in calls.values()]
        writes = any(tool is not None and tool.effects == "write" for tool in tools)
        allow = f" {ALLOW_EFFECTS}" if writes else ""
        return f"pytest {shlex.quote(nodeid)} --highway-tape=rerecord{allow}"

    def advice(self) -> str:
        """What to do about a failure of a case that has a tape, or nothing without one."""
        if self.use is None:
            return ""
        if self.use.tape is None:
            return "nothing was recorded"
        word = "held against" if self.use.records else "answered from"
        return f"{word} {self._file.shown}; {self._again()}"

    def save(self, run: CaseRun) -> None:
        """Keep what was recorded, now that the case has passed; `CaseFailed` when that fails."""
        if run.recorded is None:
            return
        nodeid = f"{self._case.origin.document.path}::{self._case.name}"
        if self._item.get_closest_marker("xfail") is not None:
            self._item.stash[NEWS] = f"not recorded: {nodeid}: the case is marked xfail"
            return
        try:
            check_credentials(run.recorded)
            news = self._file.save(run.recorded, self._command(nodeid, run.recorded))
        except (HighwayError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise self._failure(f"{self._file.shown!r} is not saved", why) from error
        self._item.stash[NEWS] = news


def check_credentials(recorded: Mapping[str, Entry]) -> None:
    """HighwayError, naming each place, when something about to be saved looks like a credential."""
    found = [
        f"calls.{key}.{place} {why}"
        for key, entry in recorded.items()
        for place, why in looks_like_credential(
            {
                "args": list(entry.args),
                "kwargs": entry.kwargs,
                "during": list(entry.during),
                entry.word: entry.outcome,
            }
        )
    ]
    if found:
        raise HighwayError(
            f"{'; '.join(found)}; name what it comes from in 'secrets', or stub the call"
        )


def replayed(config: pytest.Config, file: Path, case: Case) -> TapeUse | None:
    """The tape of a case that a Python test runs: played in every mode but `off`, if there is one.

    Never recorded: whether what such a run did was right, only the test knows.
    """
    if mode_of(config) == "off":
        return None
    tape = TapeFile(file, case.origin.document.path, case.name).read()
    return None if tape is None else TapeUse(tape)


def begin(config: pytest.Config) -> None:
    """Have this session, which records tapes, say what became of each."""
    config.pluginmanager.register(TapeReporter(), "highway-tape-reporter")


class TapeReporter:
    """The plugin that is registered when tapes are recorded: it says what became of each."""

    def __init__(self) -> None:
        self._news: list[str] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let the report of a call carry what became of its tape."""
        report = yield
        news = item.stash.get(NEWS, "")
        if report.when == "call" and news:
            setattr(report, ATTRIBUTE, news)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect, in the controller."""
        news = getattr(report, ATTRIBUTE, "")
        if news:
            self._news.append(news)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say it."""
        if self._news:
            terminalreporter.section("workflow tapes")
            for line in sorted(self._news):
                terminalreporter.line(line)
