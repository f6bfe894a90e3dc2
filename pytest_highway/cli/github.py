"""What `highway run` shows in GitHub Actions: a group of lines for each task that has ended.

    unit: started
    ::group::unit: failed (2.1s): CommandFailed: exit code 1
      | what the process printed
    ::endgroup::
    ::error file=workflows/gate.yaml,line=7,col=3::unit: CommandFailed: exit code 1

Groups do not nest and tasks run side by side, so the lines of a task are kept until it ends. What a
process printed stands in its group, too. A task that failed is shown at its line of the file, as a
warning where something else is to stand in for it, or it is not critical.

GitHub takes any line that begins with `::`, or has `##[` in it, for a command. What comes from
tools is never one: such a line stands behind a bar.
"""

from __future__ import annotations

from collections.abc import Iterable

import click

from pytest_highway.cli.display import PlainDisplay, printed_by
from pytest_highway.cli.findings import annotation, escaped
from pytest_highway.errors import Severity, one_line
from pytest_highway.events import Event, RunEnded, TaskEnded, TaskStarted
from pytest_highway.planning.plan import Loc, Node, Plan
from pytest_highway.secrets import SecretValues

__all__ = ["GithubDisplay"]

FAILURES = frozenset({"failed", "timed_out"})


class GithubDisplay(PlainDisplay):
    """Log groups and annotations; secrets are taken out of both."""

    def __init__(self, plan: Plan, secrets: SecretValues) -> None:
        super().__init__(secrets)
        self._plan = plan
        self._kept: dict[str, list[str]] = {}  # lines of tasks that have not ended
        self._told: set[str] = set()  # tasks that were told as errors

    def show(self, event: Event) -> None:
        """Show one event, or keep its lines for the group of its task."""
        kept = self._kept.get(event.path)
        if type(event) is TaskEnded:
            self._end(event)
        elif type(event) is RunEnded:
            super().show(event)
            self._annotate_run(event)
        elif kept is not None:
            text = self.text_of(event)
            kept += self._lines_of(text) if text else []
        else:
            if type(event) is TaskStarted:
                self._kept[event.path] = []
            super().show(event)

    def close(self) -> None:
        """Print what has been kept of tasks that were cut off."""
        for path, lines in self._kept.items():
            self._group(f"{path}: cut off", lines)
        self._kept = {}

    def _end(self, event: TaskEnded) -> None:
        lines = self._kept.pop(event.path, [])
        printed = self._secrets.redactor.text(printed_by(event.value))
        lines += [_inert(line) for line in printed.splitlines()]
        text = self.text_of(event)
        words, _, failed = text.partition("\n")
        lines += self._lines_of("\n" + failed)[1:] if failed else []
        self._group(f"{event.path}: {words}", lines)
        is_own = event.fault is not None and event.fault.task in ("", event.path)
        if event.status in FAILURES and is_own:
            node = _located(self._plan, event.path)[1]
            is_error = node is None or _counts(node)
            if is_error:
                self._told.add(event.path)
            message = f"{event.path}: {event.fault}"
            self._annotate(event.path, message, "error" if is_error else "warning")

    def _group(self, title: str, lines: Iterable[str]) -> None:
        body = [*lines]
        if not body:
            self.say(title)
            return
        click.echo(f"::group::{escaped(one_line(self._secrets.redactor.rendered(title)))}")
        for line in body:
            click.echo(line)
        click.echo("::endgroup::")

    def _lines_of(self, text: str) -> list[str]:
        return [_inert(each) for each in super()._lines_of(text)]

    def _annotate_run(self, event: RunEnded) -> None:
        """A failure of the run that was not told as an error of its task."""
        fault = event.fault
        if event.status == "failed" and fault is not None and fault.task not in self._told:
            self._annotate(fault.task, f"{fault.task or 'run'}: {fault}")

    def _annotate(self, path: str, message: str, severity: Severity = "error") -> None:
        plan, node = _located(self._plan, path)
        loc: Loc = () if node is None else node.loc
        found = plan.document.diagnostic(
            loc, self._secrets.redactor.rendered(message), severity=severity
        )
        click.echo(annotation(found))


def _counts(node: Node) -> bool:
    """Whether a failure of a task fails the run, as far as is known when it fails."""
    return node.critical and node.fallback is None


def _located(plan: Plan, path: str) -> tuple[Plan, Node | None]:
    """The node of a path and the file that it stands in, which a nested workflow has of its own."""
    at = path.find("/")
    while at > 0:
        outer = plan.find(path[:at])
        if outer is not None and outer.nested is not None:
            return _located(outer.nested, path[at + 1 :])
        at = path.find("/", at + 1)
    return plan, plan.find(path)


def _inert(line: str) -> str:
    """A line that GitHub takes for no command."""
    line = line.replace("##[", "## [")
    return f"  | {line}" if line.lstrip().startswith("::") else line
