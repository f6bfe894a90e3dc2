"""Workflow files and their cases as pytest's collectors and items.

    WorkflowFile (plugin) --items_of--> CaseItem, one for each case and param id
                                        CheckItem, for a file that is broken or has no case

A case is a `pytest.Function` whose function carries the case's marks and requests its fixtures, so
that marks, fixtures, `--lf`, `-k`, xdist and reports treat it as any test. Whatever is wrong with
a file or a case is told at its place in the file; a traceback means a fault in Python code.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_highway.cases.declarations import Case
from pytest_highway.cases.expectations import Checked, Failure
from pytest_highway.cases.golden import clashes, golden_path, read_golden
from pytest_highway.cases.judging import judge_case
from pytest_highway.cases.simulation import CaseRun, declared_secrets, run_case, values_of
from pytest_highway.errors import Diagnostic, HighwayError, SourceError
from pytest_highway.loading import Loaded, load_file
from pytest_highway.plugin.failure_text import CaseFailed, FailureText
from pytest_highway.plugin.failures import capped
from pytest_highway.plugin.ledger import note_file
from pytest_highway.plugin.marks import MarkReader
from pytest_highway.plugin.options import is_strict, shown_path
from pytest_highway.plugin.recorded import recording_of
from pytest_highway.plugin.registries import HighwayWarning, NoTools, executor_of, registry_for
from pytest_highway.plugin.scrubs import Scrubs
from pytest_highway.plugin.stopping import OUTCOMES, Stopping
from pytest_highway.plugin.taping import CaseTape, stray_findings, tape_clashes
from pytest_highway.plugin.warned import redact_warnings_of
from pytest_highway.secrets import Redactor
from pytest_highway.serialization import to_json
from pytest_highway.tools import Registry
from pytest_highway.views import RunResult

if TYPE_CHECKING:
    from pytest_highway.plugin.noting import Check

__all__ = ["CaseItem", "CheckItem", "items_of"]

Excinfo = pytest.ExceptionInfo[BaseException]

CHECK = "check"
TRANSCRIPT = "transcript"


# --- collection ----------------------------------------------------------------------------------


def items_of(file: pytest.File) -> Iterator[pytest.Item]:
    """The items of a workflow file; raises `CollectError` when the tools cannot be loaded.

    That error is raised for the first file only: it says the same of all others, which have no
    items then.
    """
    try:
        registry = registry_for(file.config, file.ihook)
    except NoTools:
        return
    except (HighwayError, HighwayWarning) as error:  # a sentence that needs no traceback
        raise file.CollectError(str(error)) from error
    named = _named_items(file)
    try:
        cases = _cases(file, registry)
    except SourceError as error:
        # A case of a broken file that the command line names must say what is broken; pytest
        # would say that there is no such item.
        for name in dict.fromkeys([CHECK, *named]):
            yield CheckItem.create(file, name, error)
        return
    note_file(file, {item.nodeid: item.golden for item in cases})
    if not cases or CHECK in named:
        yield CheckItem.create(file, CHECK)
    yield from cases


def _cases(file: pytest.File, registry: Registry) -> list[CaseItem]:
    """The items of a file's cases; raises `SourceError` with all that is wrong with the file."""
    config = file.config
    loaded = load_file(file.path, shown_path(config, file.path), registry)
    reader = MarkReader(file.config)
    items = [
        CaseItem.create(file, loaded, case, registry, reader.marks(case)) for case in loaded.cases
    ]
    strays = stray_findings(config, file.path, loaded)
    found = [
        *reader.found,
        *clashes(loaded.cases),
        *tape_clashes(config, file.path, loaded.cases),
        *_warn([*loaded.warnings, *strays], strict=is_strict(file.config)),
    ]
    if found:
        raise SourceError(found)
    return items


def _warn(found: Iterable[Diagnostic], *, strict: bool) -> list[Diagnostic]:
    """Issue warnings at their places; returns those that are errors, by ini or by a filter."""
    errors = []
    for each in found:
        error = replace(each, severity="error")
        if strict:
            errors.append(error)
            continue
        try:
            warning = HighwayWarning(error.headline())
            warnings.warn_explicit(warning, None, each.path, each.position.line)
        except HighwayWarning:
            errors.append(error)
    return errors


def _named_items(file: pytest.File) -> list[str]:
    """The items of this file that the command line names, existing or not."""
    config = file.config
    names = []
    for argument in config.args:
        path, _, name = argument.partition("::")
        if name and os.path.normpath(config.invocation_params.dir / path) == str(file.path):
            names.append(name)
    return names


# --- items ---------------------------------------------------------------------------------------


class WorkflowItem(pytest.Function):
    """What both kinds of items share: a position in YAML and failures without tracebacks."""

    is_highway_check = False
    line = 1

    @cached_property
    def id(self) -> object:  # type: ignore[override]  # theirs is private
        """The structured form of `nodeid`, in versions of pytest that have one.

        They split an id that they read (what failed last, what a worker reports) into name and
        param, but take the name of an item of ours as a whole: the two were never equal, and
        `--lf` would not know a case with params again.
        """
        whole = super().id
        return type(whole).parse(str(whole))

    def reportinfo(self) -> tuple[Path, int, str]:
        """The place of the case in its file, and how its failure is headed.

        The heading must not end like the node id: pytest would take the end for dotted names and
        print `todo::yaml::happy`.
        """
        return self.path, self.line - 1, f"{shown_path(self.config, self.path)}: {self.name}"

    def repr_failure(self, excinfo: Excinfo) -> object:  # type: ignore[override]  # private
        """Our own text for what is wrong with a workflow or a case; the usual one for the rest."""
        error = excinfo.value
        if not isinstance(error, CaseFailed | HighwayError):
            return self.redacted(super().repr_failure(excinfo))
        told = FailureText(str(error), self.config.getoption("tbstyle", "auto"))
        # What a case fails with was redacted before it was raised.
        return told if isinstance(error, CaseFailed) else self.redacted(told)

    def redacted(self, told: object) -> object:
        """What tells a failure, without secrets; whoever may know some overrides this."""
        return told


class CheckItem(WorkflowItem):
    """`file.yaml::check`: whether a file is valid."""

    is_highway_check = True

    @classmethod
    def create(cls, parent: pytest.File, name: str, error: SourceError | None = None) -> CheckItem:
        """The check of a file, failing with `error` if there is one."""

        def check() -> None:
            """Is the file valid?"""
            if error is not None:
                raise error

        item = cls.from_parent(parent, name=name, callobj=check)
        if error is not None and error.diagnostics:
            item.line = error.diagnostics[0].position.line
        return item


class CaseItem(WorkflowItem):
    """One case of a workflow."""

    loaded: Loaded
    case: Case
    registry: Registry
    # Known once the case is about to run, and has run.
    running: Case | None = None
    redactor: Redactor | None = None

    @classmethod
    def create(
        cls,
        parent: pytest.File,
        loaded: Loaded,
        case: Case,
        registry: Registry,
        marks: Iterable[pytest.MarkDecorator],
    ) -> CaseItem:
        """The item of a case."""

        def run() -> None:
            __tracebackhide__ = True
            item.execute()

        run.__doc__ = case.model.description or None
        if case.model.fixtures:
            # Not by a signature of these names: `-k` matches the attributes of a function.
            pytest.mark.usefixtures(*case.model.fixtures)(run)
        for mark in marks:
            mark(run)
        item = cls.from_parent(parent, name=case.name, callobj=run)
        # Not as an argument: some versions of pytest would build the id from it, without the param.
        item.originalname = case.base
        item.loaded, item.case, item.registry = loaded, case, registry
        item.line = case.origin.document.position(case.origin.case, key=True).line
        return item

    @property
    def golden(self) -> str:
        """The path of the case's golden file, or nothing."""
        transcript = self.case.model.expect.transcript
        if transcript is None or transcript.lines != "golden":
            return ""
        return str(golden_path(self.path, self.case.name))

    def setup(self) -> None:
        """Set the fixtures up; one that does not exist is told at its place in the case."""
        try:
            super().setup()
        except pytest.FixtureLookupError as error:
            names = self.case.model.fixtures
            if error.argname not in names:  # a fixture of the case requests it: a fault in Python
                raise
            finding = self.case.origin.fault(
                ("fixtures", names.index(error.argname)), f"fixture {error.argname!r} not found"
            )
            # pytest's message; the lines before it show the function that requests, which is ours.
            _, label, rest = str(error.formatrepr()).partition("available fixtures:")
            known = "".join([label, rest.partition("\n")[0]])
            text = f"{finding.render()}\n{known}".rstrip()
            raise pytest.fail.Exception(text, pytrace=False) from None

    def execute(self) -> None:
        """Run the case and hold it against what it expects; raises `CaseFailed`."""
        fixtures = {name: self.funcargs[name] for name in self.case.model.fixtures}
        self.running = case = self.case.with_fixtures(values_of(fixtures))
        tape = CaseTape(self, case, self.registry)
        use = tape.load()
        hook = self.ihook
        hook.pytest_highway_before_case(item=self, case=case)
        __tracebackhide__ = True
        scrubs = Scrubs(self, fixtures)
        simulate = partial(
            run_case,
            case,
            self.loaded.plan,
            self.registry,
            passing=OUTCOMES,
            use=use,
            scrub=scrubs.lines,
        )
        executor = executor_of(self.config)
        last_first = bool(self.config.getoption("--highway-second-run"))
        with Stopping(self, self._tell):
            run = simulate(
                executor=executor,
                last_first=last_first,
                observe=recording_of(self, self.case, self.loaded.plan),
            )
        self.redactor = run.redactor
        redact_warnings_of(self, run.redactor)
        hook.pytest_highway_after_case(item=self, case=case, result=run.result)
        self._tell(run.result)
        check = partial(self._check, case, scrubs)
        failures = check(run)
        if run.faults or failures:

            def repeat() -> tuple[CaseRun, Check]:
                return simulate(last_first=True), check

            # Imported here: only a run with a failing case pays for it.
            from pytest_highway.plugin.failing import FailedCase, settle

            settle(self, FailedCase(self.case, case, run, failures, repeat), tape.advice())
        tape.save(run)

    def _check(self, case: Case, scrubs: Scrubs, run: CaseRun) -> list[Failure]:
        def golden() -> str | None:
            return read_golden(self.path, case.name)

        def as_shown(lines: Sequence[str]) -> list[str]:
            return scrubs.paths([run.redactor.without_named(line) for line in lines])

        return judge_case(Checked(case, run.result, self.registry, golden, as_shown), run)

    def add_report_section(self, when: str, key: str, content: str) -> None:
        """Add a section; what a tool has printed or logged is redacted before."""
        if key != TRANSCRIPT:
            content = self._secrets().text(content)
        super().add_report_section(when, key, content)

    def redacted(self, told: object) -> object:
        """A traceback shows arguments, which may hold secrets; itself where it shows none."""
        text = str(told)
        shown = self._secrets().rendered(text)
        return told if shown == text else shown

    def _secrets(self) -> Redactor:
        """The secrets of the run, or of the case when it has not run."""
        return self.redactor or declared_secrets(self.loaded.plan, self.running or self.case)

    def _tell(self, result: RunResult) -> None:
        """What the report of any outcome carries."""
        lines = capped(result.transcript(), self.config.getoption("verbose", 0))
        self.add_report_section("call", TRANSCRIPT, "\n".join(lines))
        calls: dict[str, int] = {}
        for call in result.calls:
            calls[call.tool] = calls.get(call.tool, 0) + 1
        self.user_properties += [
            ("highway_branches", to_json(result.branches)),
            ("highway_calls", to_json(calls)),
            ("highway_duration", result.duration),
        ]
