"""Workflow files and their cases as pytest's collectors and items.

A case is a `pytest.Function` whose function takes the fixtures that the case names, so that marks,
fixtures, `--lf`, `-k`, xdist and reports treat it as any test. A file that is broken, and one
without cases, has the one item `check`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest

from pytest_highway.cases import Case
from pytest_highway.errors import Diagnostic, HighwayError, SourceError
from pytest_highway.expectations import Checked, Failure, check_expectations
from pytest_highway.failures import CaseFailed, diff_limit, render_failures
from pytest_highway.golden import clashes, read_golden
from pytest_highway.loading import Loaded, load_file
from pytest_highway.serialization import to_json
from pytest_highway.simulation import CaseRun, run_case, values_of
from pytest_highway.tools import Registry, discover
from pytest_highway.views import RunResult

__all__ = [
    "CaseItem",
    "CheckItem",
    "HighwayWarning",
    "WorkflowFile",
    "WorkflowRunner",
    "session_registry",
]

REGISTRY = pytest.StashKey[Registry]()


class HighwayWarning(pytest.PytestWarning):
    """Something about a workflow that is allowed and probably not meant."""


def session_registry(config: pytest.Config) -> Registry:
    """The session's tools: built-in, of installed packages, of ini `highway_tools`, of the hook."""
    registry = config.stash.get(REGISTRY, None)
    if registry is None:
        registry = discover(config.getini("highway_tools"))
        config.hook.pytest_highway_tools(config=config, registry=registry)
        config.stash[REGISTRY] = registry
        for problem in registry.problems:
            config.issue_config_time_warning(HighwayWarning(problem), stacklevel=2)
    return registry


def shown_path(config: pytest.Config, path: Path) -> str:
    """A path for messages and transcripts: from rootdir where it lies below it, never absolute."""
    if config.rootpath in path.parents:
        return path.relative_to(config.rootpath).as_posix()
    return path.name


class WorkflowFile(pytest.File):
    """One workflow or test file."""

    def collect(self) -> Iterator[pytest.Item]:
        """A `CaseItem` for each case, else one `CheckItem`."""
        registry = session_registry(self.config)
        try:
            loaded = load_file(self.path, shown_path(self.config, self.path), registry)
            self._raise_strict(loaded)
        except SourceError as error:
            yield CheckItem.create(self, error)
            return
        for warning in loaded.warnings:
            self.warn(HighwayWarning(warning.headline()))
        if not loaded.cases:
            yield CheckItem.create(self, None)
        for case in loaded.cases:
            yield CaseItem.create(self, loaded, case)

    def _raise_strict(self, loaded: Loaded) -> None:
        found: list[Diagnostic] = clashes(loaded.cases)
        if self.config.getini("highway_strict"):
            found += loaded.warnings
        if found:
            raise SourceError(found)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> object:  # type: ignore[override]  # pytest's own return type is private
        """One sentence for a user's mistake, such as a tools module that cannot be imported."""
        if isinstance(excinfo.value, HighwayError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class WorkflowItem(pytest.Function):
    """What both kinds of items share: a position in YAML and failures without tracebacks."""

    is_highway_check = False
    line = 1

    def reportinfo(self) -> tuple[Path, int, str]:
        """The place of the case in its file."""
        return self.path, self.line - 1, self.nodeid

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> object:  # type: ignore[override]  # pytest's own types here are private
        """Our own text for what is wrong with a workflow or a case; the usual one for the rest."""
        if isinstance(excinfo.value, CaseFailed | HighwayError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class CheckItem(WorkflowItem):
    """`file.yaml::check`: whether a file is valid."""

    is_highway_check = True

    @classmethod
    def create(cls, parent: WorkflowFile, error: SourceError | None) -> CheckItem:
        """The check of a file, failing with `error` if there is one."""

        def check() -> None:
            if error is not None:
                raise error

        item = cast(CheckItem, cls.from_parent(parent, name="check", callobj=check))
        if error is not None and error.diagnostics:
            item.line = error.diagnostics[0].position.line
        return item


class CaseItem(WorkflowItem):
    """One case of a workflow."""

    loaded: Loaded
    case: Case

    @classmethod
    def create(cls, parent: WorkflowFile, loaded: Loaded, case: Case) -> CaseItem:
        """The item of a case, with its marks."""
        place: list[CaseItem] = []

        def run(**fixtures: object) -> None:
            place[0].execute(fixtures)

        run.__signature__ = _signature(case.model.fixtures)  # type: ignore[attr-defined]  # a function takes it
        item = cast(
            CaseItem,
            cls.from_parent(parent, name=case.name, callobj=run, originalname=case.base),
        )
        place.append(item)
        item.loaded, item.case = loaded, case
        item.line = case.origin.document.position(case.origin.case, key=True).line
        for mark in case.model.marks:
            item.add_marker(_marker(mark))
        return item

    def execute(self, fixtures: Mapping[str, object]) -> None:
        """Run the case and hold it against what it expects; raises `CaseFailed`."""
        case = self.case.with_fixtures(values_of(fixtures))
        hook = self.ihook
        hook.pytest_highway_before_case(item=self, case=case)
        registry = session_registry(self.config)
        run = run_case(case, self.loaded.plan, registry)
        hook.pytest_highway_after_case(item=self, case=case, result=run.result)
        self._tell(run.result)

        def golden() -> str | None:
            return read_golden(self.path, case.name)

        failures = check_expectations(Checked(case, run.result, registry, golden))
        if run.faults or failures:
            self._fail(case, run, failures)

    def _tell(self, result: RunResult) -> None:
        """What the report of any outcome carries."""
        self.add_report_section("call", "transcript", "\n".join(result.transcript()))
        calls: dict[str, int] = {}
        for call in result.calls:
            calls[call.tool] = calls.get(call.tool, 0) + 1
        self.user_properties += [
            ("highway_branches", to_json(result.branches)),
            ("highway_calls", to_json(calls)),
            ("highway_duration", result.duration),
        ]

    def _fail(self, case: Case, run: CaseRun, failures: list[Failure]) -> None:
        option = self.config.getoption
        refused = ""
        if option("--highway-update") or option("--highway-update-new"):
            refused = self._update(case, run, failures)
            if not refused:
                return
        hint = refused or self._hint(run, failures)
        limit = diff_limit(self.config.get_verbosity())
        raise CaseFailed(render_failures(case, run.faults, failures, limit=limit, hint=hint))

    def _update(self, case: Case, run: CaseRun, failures: list[Failure]) -> str:
        """Note what to write; an empty text, or why nothing will be written."""
        if run.faults:
            return "not updated: the stubs do not fit the run; mend them first"
        # Imported here: only a run that updates pays for it.
        from pytest_highway.rewriting import edits_of
        from pytest_highway.updating import note_edits

        new_only = not self.config.getoption("--highway-update")
        shown = shown_path(self.config, self.path)
        return note_edits(
            self, lambda: edits_of(self.path, shown, case, failures, new_only=new_only)
        )

    def _hint(self, run: CaseRun, failures: list[Failure]) -> str:
        if run.faults or not any(each.loc[1:2] == ("transcript",) for each in failures):
            return ""
        return f"if this change is meant: pytest {_quoted(self.nodeid)} --highway-update"


def _quoted(text: str) -> str:
    return f"'{text}'" if any(sign in text for sign in "[] ") else text


def _signature(names: list[str]) -> inspect.Signature:
    """A function of these keyword parameters, as pytest looks for fixtures."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature([inspect.Parameter(name, kind) for name in names])


def _marker(mark: str | Mapping[str, object]) -> pytest.MarkDecorator:
    if isinstance(mark, str):
        return cast(pytest.MarkDecorator, getattr(pytest.mark, mark))
    ((name, arguments),) = mark.items()
    maker: Callable[..., pytest.MarkDecorator] = getattr(pytest.mark, name)
    if isinstance(arguments, Mapping):
        return maker(**arguments)
    return maker(*(arguments if isinstance(arguments, list) else [arguments]))


class WorkflowRunner:
    """The fixture `highway`: runs a case of a workflow file from a Python test."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def __call__(self, path: str | Path, case: str) -> RunResult:
        """Run one case of a file, by its name; returns the result, whatever it expects.

        `path` is relative to rootdir. Raises `SourceError` when the file is broken and
        `HighwayError` when it has no such case or a stub does not fit.
        """
        file = self._config.rootpath / path
        registry = session_registry(self._config)
        loaded = load_file(file, shown_path(self._config, file), registry)
        found = next((each for each in loaded.cases if each.name == case), None)
        if found is None:
            raise HighwayError(f"{path} has no case {case!r}")
        run = run_case(found, loaded.plan, registry)
        if run.faults:
            raise HighwayError("\n".join(fault.message for fault in run.faults))
        return run.result
