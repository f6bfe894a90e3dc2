"""Writing goldens: the only place that writes into a user's files, and only behind a flag.

Cases say what they would write; their reports carry it, also from the workers of pytest-xdist.
The controller collects it and writes once, at the end of a session that was not interrupted: each
file as a whole, atomically, and only if it still is what the cases have seen.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import pytest

from pytest_highway.errors import SourceError
from pytest_highway.rewriting import GoldenEdit, digest
from pytest_highway.yaml_edit import Edit, EditRefused, edited, replace_file

__all__ = ["EDITS", "Updater", "note_edits"]

EDITS = pytest.StashKey[list[GoldenEdit]]()
# The name under which a report carries edits; reports travel between processes as plain data.
ATTRIBUTE = "highway_edits"


class Updater:
    """The plugin that is registered when an option asks for goldens to be written."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.edits: list[GoldenEdit] = []
        self.written: list[tuple[str, str]] = []
        self.refused: list[tuple[str, str]] = []

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

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write, unless this is a worker or the session was interrupted."""
        if hasattr(self.config, "workerinput") or exitstatus == pytest.ExitCode.INTERRUPTED:
            return
        by_file: dict[str, list[GoldenEdit]] = {}
        for edit in self.edits:
            by_file.setdefault(edit["path"], []).append(edit)
        for path, edits in by_file.items():
            self._write(Path(path), edits)
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

    def _write(self, file: Path, edits: list[GoldenEdit]) -> None:
        shown = list(dict.fromkeys(each["shown"] for each in edits))
        try:
            before = file.read_bytes() if file.exists() else b""
            if (digest(before) if file.exists() else "") != edits[0]["digest"]:
                raise EditRefused("the file has changed since it was read")
            values = _values(edits)
            if edits[0]["loc"]:
                after = edited(before, values, path=file.name)
                replace_file(file, before, after)
            else:
                _write_golden(file, before, str(values[0].value))
        except (EditRefused, SourceError, OSError) as error:
            self.refused += [(each, str(error)) for each in shown]
        else:
            what = "updated" if edits[0]["digest"] else "created"
            self.written += [(what, each) for each in shown]


def _values(edits: Iterable[GoldenEdit]) -> list[Edit]:
    """One edit for each place; one place wanted with two values is refused."""
    found: dict[tuple[str | int, ...], object] = {}
    for edit in edits:
        loc = tuple(edit["loc"])
        if loc in found and found[loc] != edit["value"]:
            raise EditRefused("two params want different values there")
        found[loc] = edit["value"]
    return [Edit(loc, value) for loc, value in found.items()]


def _write_golden(file: Path, before: bytes, text: str) -> None:
    content = text.encode("utf-8")
    if before:
        replace_file(file, before, content)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        new.write_bytes(content)
        os.link(new, file)  # Fails when the file exists by now: nothing is overwritten unseen.
    finally:
        with contextlib.suppress(FileNotFoundError):
            new.unlink()


def note_edits(item: pytest.Item, make: Callable[[], list[GoldenEdit]]) -> str:
    """Let the item's report carry what `make` gives; returns why it cannot be, or nothing."""
    try:
        item.stash[EDITS] = make()
    except EditRefused as error:
        return f"not updated: {error}"
    return ""
