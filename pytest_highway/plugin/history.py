"""The memory of runs on pytest's side: what `--highway-history` records, and how it is told.

    process                opens the history      records               tells
    the session            before the first test  the runs of its own   what is missing, at the end
    a worker of xdist      with its first case    the runs of its own   its controller

Every process records what it runs, while it runs: what a crashed worker has recorded stays. A
history that cannot be opened or written is an error before the first test. When it fails later,
tests go on with the outcomes that they have, and nothing more is written, so that a server which
is gone is not waited for with every case; at the end of the session all that is missing is tried
once more. What is missing then is told, and the session does not pass.

A run is judged when pytest reports its test: the record has the verdict as well as the run's own
state, which may well be `failed` in a case that passes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Protocol, cast

import pytest

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.simulation import Seen
from pytest_highway.errors import listed
from pytest_highway.planning.plan import Plan
from pytest_highway.plugin.recorded import PLUGIN
from pytest_highway.redaction import redacted_lines
from pytest_highway.running import digest_of
from pytest_highway.secrets import SecretValues
from pytest_highway.storage.opening import (
    DEFAULT_ADDRESS,
    SUFFIXES,
    absolute,
    is_address,
    open_storage,
)
from pytest_highway.storage.recorder import Recorder
from pytest_highway.storage.records import RunRecord, StorageError, new_run_id, timestamp
from pytest_highway.storage.storage import Storage

__all__ = ["History", "Recording", "begin"]

OPTION = "--highway-history"
VARIABLE = "HIGHWAY_HISTORY"
DESTINATION = "highway_history"

RECORDINGS = pytest.StashKey[list["Recording"]]()


class Node(Protocol):
    """A worker of pytest-xdist, as its controller sees it."""

    workeroutput: dict[str, object]


def begin(config: pytest.Config) -> None:
    """Have the session record its runs; `pytest.UsageError` when the option is no address."""
    config.pluginmanager.register(History(config), PLUGIN)


class History:
    """The plugin that is registered when `--highway-history` is given and tests are to run."""

    def __init__(self, config: pytest.Config) -> None:
        """`pytest.UsageError` when the option's value is no address."""
        self._config = config
        self._is_worker = hasattr(config, "workerinput")
        self._address = _address(config)
        # In place of what was typed, for workers may stand in another folder.
        setattr(config.option, DESTINATION, self._address)
        self._storage: Storage | None = None
        self._fault = ""
        self._left: list[Recording] = []  # what the storage does not have all of
        self._missing: list[str] = []  # the same at the end, in words

    # --- what is recorded ------------------------------------------------------------------------

    def recording(self, item: pytest.Item, case: Case, plan: Plan) -> Recording:
        """What records the run of a case, once it begins; the report of `item` ends it."""
        made = Recording(self, _record(item.nodeid, case, plan))
        item.stash.setdefault(RECORDINGS, []).append(made)
        return made

    def keep(self, recording: Recording) -> None:
        """Keep what a recording knows, unless the storage has failed before."""
        if not self._fault:
            self._fault = recording.write_to(self._opened)
        if self._fault and recording not in self._left:
            self._left.append(recording)

    def _opened(self) -> Storage:
        if self._storage is None:
            self._storage = open_storage(self._address)
        return self._storage

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """End what the item has run with the verdict, if this is the test itself."""
        report = yield
        for recording in item.stash.get(RECORDINGS, ()):
            if report.when == "call":
                recording.finish(_verdict(report), _why(report, call))
            else:
                recording.finish()
        item.stash[RECORDINGS] = []
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """End what has no report, because it ended the session."""
        try:
            return (yield)
        finally:
            for recording in item.stash.get(RECORDINGS, ()):
                recording.finish()

    # --- the session -----------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Make sure, before any test, that the history can be written."""
        if self._is_worker:
            return
        try:
            self._opened().check()
        except StorageError as error:
            self._close()
            raise pytest.UsageError(f"{OPTION}: {error}") from None

    def pytest_report_header(self) -> str:
        """Say where runs are recorded; an address may hold a password, a name does not."""
        return f"highway history: {self._opened().name}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Node) -> None:
        """Take over what a worker could not record; one that crashed has no output."""
        output = getattr(node, "workeroutput", {})
        self._missing += cast("list[str]", output.get(DESTINATION, []))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Try once more what could not be kept; without all of it, the session has not passed."""
        self._fault = ""
        left, self._left = self._left, []
        for recording in left:
            self.keep(recording)
        if self._left:
            names = listed([each.record.source for each in self._left])
            self._missing.append(f"{self._fault}: {names}")
        self._close()
        if self._is_worker:
            output = cast("dict[str, object]", getattr(self._config, "workeroutput", {}))
            output[DESTINATION] = self._missing
        elif self._missing and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what the history does not have."""
        if self._missing:
            terminalreporter.section("workflow history")
            for each in self._missing:
                terminalreporter.line(f"not recorded: {each}")

    def _close(self) -> None:
        if self._storage is not None:
            self._storage.close()
            self._storage = None


class Recording:
    """One run of one case; called with the run as far as it has come."""

    def __init__(self, history: History, record: RunRecord) -> None:
        self.record = record
        self._history = history
        self._recorder: Recorder | None = None
        self._seen: Seen | None = None
        self._is_over = False

    def __call__(self, seen: Seen) -> None:
        """Keep what is new of the run; the first time is its beginning."""
        if self._seen is None:
            clock = "virtual" if seen.is_virtual else "machine"
            self.record = replace(self.record, created=timestamp(), clock=clock)
        self._seen = seen
        self._history.keep(self)

    def finish(self, verdict: str = "", why: str = "") -> None:
        """Keep the run as ended, if it has begun; with what became of the test, and why."""
        if self._seen is None or self._is_over:
            return
        self._is_over = True
        failure = self._seen.redactor.rendered(why)
        took = self._seen.log[-1].at if self._seen.is_virtual and self._seen.log else None
        self.record = replace(self.record, verdict=verdict, failure=failure, duration=took)
        self._history.keep(self)

    def write_to(self, opened: Callable[[], Storage]) -> str:
        """Write what the storage does not have yet; returns why not, or an empty text."""
        assert self._seen is not None
        log = self._seen.log
        try:
            recorder = self._recorder
            if recorder is None:
                recorder = Recorder(opened(), self.record, _nobody, self._redacted)
                self._recorder = recorder
        except StorageError as error:
            return str(error)
        known = self.record
        recorder.record = replace(
            recorder.record, verdict=known.verdict, failure=known.failure, duration=known.duration
        )
        if self._is_over:
            recorder.finish(log)
        else:
            recorder.observe(log)
        return recorder.fault

    def _redacted(self, text: str) -> str:
        assert self._seen is not None
        return redacted_lines(text, self._seen.redactor)


def _nobody(_: str) -> None:
    """What a recorder tells is told at the end of the session, for all runs together."""


def _address(config: pytest.Config) -> str:
    """Where the history is, as the option or the environment says; `pytest.UsageError`.

    The option may stand without a value, and would then take the path that follows it for one. So
    its value has to look like an address, and no path of tests does.
    """
    typed = str(config.getoption(DESTINATION))
    if typed and not is_address(typed):
        raise pytest.UsageError(
            f"{OPTION}: {typed!r} is no address of a history, which is sqlite:PATH, files:FOLDER, "
            f"redis://HOST:PORT/DB or a path that ends in {' or '.join(SUFFIXES)}; the option "
            f"takes the word behind it: write {OPTION}=ADDRESS, or {OPTION} last"
        )
    address = typed or os.environ.get(VARIABLE) or DEFAULT_ADDRESS
    return absolute(address, config.invocation_params.dir)


def _record(source: str, case: Case, plan: Plan) -> RunRecord:
    """The record of a run of a case, without secrets."""
    model, workflow = case.model, plan.workflow
    variables = {**plan.variables, **model.variables}
    secrets = SecretValues()
    secrets.note(workflow.secrets, {"variables": variables, "env": {**workflow.env, **model.env}})
    secrets.note_env(os.environ)
    hidden = secrets.redactor.value
    return RunRecord(
        id=new_run_id(),
        workflow=plan.name,
        file=plan.document.path,
        digest=digest_of(plan),
        source=source,
        created=timestamp(),
        variables=cast("dict[str, object]", hidden(variables)),
        case=case.name,
        params=cast("dict[str, object]", hidden(case.params)),
    )


def _verdict(report: pytest.TestReport) -> str:
    """What became of a test, in pytest's words."""
    if hasattr(report, "wasxfail"):
        return "xpassed" if report.passed else "xfailed"
    return report.outcome


def _why(report: pytest.TestReport, call: pytest.CallInfo[None]) -> str:
    """The first line of why a test has failed."""
    if not report.failed:
        return ""
    text = report.longreprtext if call.excinfo is None else str(call.excinfo.value)
    return text.strip().partition("\n")[0]
