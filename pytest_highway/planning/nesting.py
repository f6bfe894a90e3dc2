"""Nested workflows: the files that a file runs, loaded relative to it and compiled with it.

    document of a workflow --load_plan--> Plan, with a Plan for each file that it runs

A file that runs itself, by whatever way, is an error that names the way. Faults of a nested file
are told under its own path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from os.path import normpath
from pathlib import Path

from pytest_highway.errors import Diagnostic, HighwayError, SourceError
from pytest_highway.planning.checks import check_plan
from pytest_highway.planning.compiler import compile_plan
from pytest_highway.planning.plan import Plan
from pytest_highway.reading.document import MAX_BYTES, Document, read
from pytest_highway.reading.models import Workflow, is_operator
from pytest_highway.reading.validation import validate_model
from pytest_highway.steps.dialect import as_tasks
from pytest_highway.tools import Registry

__all__ = ["load_plan"]

STAND_IN = {"function": "tools.log.info", "args": [""]}


def load_plan(
    document: Document, registry: Registry, file: Path, *, max_bytes: int = MAX_BYTES
) -> tuple[Plan, list[Diagnostic]]:
    """The plan of a document that holds the workflow of `file`, and the warnings about it.

    Raises `SourceError` with every fault of it and of the files that it runs.
    """
    return _Loader(registry, max_bytes, ((file, document.path),)).compile(document, None)


@dataclass(slots=True)
class _Loader:
    """Loads what one file names; `chain` leads from the first file to it, each with its path in
    messages. A file that is named twice is read once.
    """

    registry: Registry
    max_bytes: int
    chain: tuple[tuple[Path, str], ...]
    loaded: dict[tuple[Path, float | None], Plan] = field(default_factory=dict)

    def compile(
        self, document: Document, longest_step: float | None
    ) -> tuple[Plan, list[Diagnostic]]:
        """The plan of a document, checked, and the warnings about it."""
        workflow, faults = validate_model(Workflow, document.data, document)
        if workflow is None:
            raise SourceError([*faults, *self._faults_of_the_rest(document, longest_step)])
        if workflow.version:
            # As written: of a plain 1.10 the number keeps no trace of the last digit.
            written = document.written(("version",)) or workflow.version
            workflow = workflow.model_copy(update={"version": written})
        plan, warnings = compile_plan(document, workflow, self.registry, self.load, longest_step)
        found = check_plan(plan)
        errors = [each for each in found if each.severity == "error"]
        if errors:
            raise SourceError(errors)
        return plan, warnings + found

    def _faults_of_the_rest(
        self, document: Document, longest_step: float | None
    ) -> tuple[Diagnostic, ...]:
        """What is wrong with the tasks that have their shape, beside some that have not.

        Those that have not are stood in for by a task that is right, so that names lead somewhere.
        """
        data = document.data
        tasks = data.get("tasks") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(tasks, dict):
            return ()
        kept = {name: each if is_operator(each) else STAND_IN for name, each in tasks.items()}
        rest = {name: data[name] for name in ("variables", "env") if name in data}
        shape = {"name": "rest", **rest, "tasks": kept}
        workflow, _ = validate_model(Workflow, shape, document)
        if workflow is not None:
            try:
                compile_plan(document, workflow, self.registry, self.load, longest_step)
            except SourceError as error:
                return error.diagnostics
        return ()

    def load(self, name: str, longest_step: float | None) -> Plan:
        """The plan of a file beside this one; its warnings are told where it is collected."""
        folder, around = self.chain[-1][0].parent, Path(self.chain[-1][1]).parent
        file = Path(normpath(folder / name))
        shown = Path(normpath(around / name)).as_posix()
        passed = [path for path, _ in self.chain]
        if file in [Path(normpath(each)) for each in passed]:
            way = " -> ".join([*(text for _, text in self.chain), shown])
            raise HighwayError(f"the files run each other in a circle: {way}")
        if not file.is_file():
            raise HighwayError(f"there is no file {name!r}; it is named relative to this file")
        key = (file, longest_step)
        if key not in self.loaded:
            chain = (*self.chain, (file, shown))
            inner = _Loader(self.registry, self.max_bytes, chain, self.loaded)
            document = read(file, shown, max_bytes=self.max_bytes)
            if not isinstance(document.data, dict):
                message = "a workflow file is a mapping with `name` and `tasks`"
                raise SourceError([document.diagnostic((), message)])
            document, faults = as_tasks(document)
            if faults:
                raise SourceError(faults)
            self.loaded[key] = inner.compile(document, longest_step)[0]
        return self.loaded[key]
