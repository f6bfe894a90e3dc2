"""Writing goldens: the only place that writes into a user's files, and only behind a flag.

Cases say what they would write; their reports carry it, also from the workers of pytest-xdist.
The controller collects it and writes once, at the end of a session that was not interrupted: each
file as a whole, atomically, and only if it still is what the cases have seen. An expectation that
several cases share (the params of one text) is written only when all of them have run and want
the same there.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import pytest

from pytest_highway.editing.edit import Edit, EditRefused, create_file, edited, replace_file
from pytest_highway.errors import HighwayError
from pytest_highway.plugin.rewriting import GoldenEdit, digest

__all__ = ["EDITS", "Updater", "note_edits"]

EDITS = pytest.StashKey[list[GoldenEdit]]()
# The name under which a report carries edits; reports travel between processes as plain data.
ATTRIBUTE = "highway_edits"


def note_edits(item: pytest.Item, make: Callable[[], list[GoldenEdit]]) -> str:
    """Let the item's report carry what `make` gives; returns why it cannot be, or nothing."""
    try:
        item.stash[EDITS] = make()
    except HighwayError as error:
        return f"not updated: {error}"
    return ""


class Updater:
    """The plugin that is registered when an option asks for goldens to be written."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.edits: list[GoldenEdit] = []
        self.written: list[tuple[str, str]] = []
        self.refused: list[tuple[str, str]] = []
        self.interrupted = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Let the report of a call carry what its case would write."""
        report = yield
        edits = item.stash.get(EDITS, None)
        if report.when == "call" and edits:
            setattr(report, ATTRIBUTE, edits)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect, in the controller."""
        self.edits += getattr(report, ATTRIBUTE, ())

    def pytest_keyboard_interrupt(self) -> None:
        """Remember that the session did not come to its end, whatever its exit status says."""
        self.interrupted = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write, unless this is a worker or the session was interrupted."""
        ended = exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        if hasattr(self.config, "workerinput") or self.interrupted or not ended:
            return
        by_file: dict[str, list[GoldenEdit]] = {}
        for edit in sorted(self.edits, key=_place):
            by_file.setdefault(edit["path"], []).append(edit)
        for path, edits in by_file.items():
            self._write(Path(path), self._agreed(edits))
        if self.refused and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what became of each golden."""
        if not (self.written or self.refused):
            return
        terminalreporter.section("workflow goldens")
        for what, shown in self.written:
            terminalreporter.line(f"{what}: {shown}")
        for shown, why in self.refused:
            terminalreporter.line(f"refused: {shown}: {why}")

    def _agreed(self, edits: Sequence[GoldenEdit]) -> list[GoldenEdit]:
        """One edit for each place of a file; what its sharers do not agree on is refused."""
        by_place: dict[tuple[str | int, ...], dict[str, GoldenEdit]] = {}
        for edit in edits:
            by_place.setdefault(tuple(edit["loc"]), {})[edit["case"]] = edit
        agreed = []
        for wanted in by_place.values():
            first, *others = wanted.values()
            why = ""
            if any(each["value"] != first["value"] for each in others):
                why = f"the params {', '.join(wanted)} want different values there"
            elif len(wanted) < first["sharers"]:
                why = f"of {first['sharers']} params only {', '.join(wanted)} would change it"
            if why:
                self.refused.append((first["shown"], why))
            else:
                agreed.append(first)
        return agreed

    def _write(self, file: Path, edits: Sequence[GoldenEdit]) -> None:
        if not edits:
            return
        shown = list(dict.fromkeys(each["shown"] for each in edits))
        try:
            _rewrite(file, edits)
        except HighwayError as error:
            self.refused += [(each, str(error)) for each in shown]
        except OSError as error:
            self.refused += [(each, error.strerror or str(error)) for each in shown]
        else:
            what = "updated" if edits[0]["digest"] else "created"
            self.written += [(what, each) for each in shown]


def _place(edit: GoldenEdit) -> tuple[str, int, str]:
    """The order in which edits are told, whatever worker was first."""
    path, _, line = edit["shown"].rpartition(":")
    return path, int(line), edit["case"]


def _rewrite(file: Path, edits: Sequence[GoldenEdit]) -> None:
    """Write the edits of one file; raises `HighwayError` or `OSError` and writes none."""
    before = file.read_bytes() if file.exists() else None
    found = "" if before is None else digest(before)
    if any(each["digest"] != found for each in edits):
        raise EditRefused("the file has changed since it was read")
    text = str(edits[0]["value"]).encode("utf-8")
    if before is None:
        create_file(file, text)
    elif edits[0]["loc"]:
        wanted = [Edit(tuple(each["loc"]), each["value"]) for each in edits]
        replace_file(file, before, edited(before, wanted, path=file.name))
    else:
        replace_file(file, before, text)
