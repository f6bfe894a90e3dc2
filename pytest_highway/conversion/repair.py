"""What was made is loaded, and what cannot be is stood in for, until the rest can.

    text --load--> faults --> the innermost operator around each --> a task that fails

So whatever a file holds, what is made of it loads. A tool that nobody has declared is the user's:
it is taken to be there and to take any arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_highway.conversion.made import Findings, Made, mapping, ordered, sequence
from pytest_highway.conversion.parts import fail
from pytest_highway.conversion.writing import Comments, Span, Written, write
from pytest_highway.errors import Diagnostic, HighwayError, SourceError
from pytest_highway.planning.nesting import load_plan
from pytest_highway.reading.document import parse
from pytest_highway.tools import NAME, Registry, Tool, tool

__all__ = ["AnyTool", "repaired"]

KEPT = ("task_id", "description", "dependencies", "after", "result_key", "metadata")
FAILING = ("function", "args", "require")
ROUNDS = 20


class AnyTool(Registry):
    """The tools of a registry, and any other that a file may name; `asked` are those."""

    def __init__(self, known: Registry) -> None:
        super().__init__()
        self._known = known
        self.asked: dict[str, None] = {}
        for each in known:
            self.add(each.function)

    def get(self, name: str) -> Tool | None:
        """The tool of that name; for an unknown one, one that takes anything."""
        if name not in self._known and NAME.fullmatch(name) and super().get(name) is None:
            self.asked[name] = None
            self.add(tool(name)(lambda *_, **__: None))
        return super().get(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None


def repaired(
    root: Made, comments: Comments, findings: Findings, registry: Registry, file: Path
) -> Written:
    """The text of what was made, as far as it loads as `file`; HighwayError when nothing does."""
    _hold_back(root)
    for _ in range(ROUNDS):
        written = write(root, comments)
        faults = _faults(written.text, registry, file)
        if not faults:
            return written
        for fault in faults:
            if fault.path == str(file):
                _mend(root, fault, written.spans, findings)
            else:
                _mend_nested(fault, written.spans, file, findings)
        # Whatever one of these chose or listed must not run on its own.
        _hold_back(root)
    raise HighwayError(f"{faults[0].message}; nothing can be made of this file")


def _faults(text: str, registry: Registry, file: Path) -> Sequence[Diagnostic]:
    try:
        load_plan(parse(text, str(file)), registry, file)
    except SourceError as error:
        return error.diagnostics
    return ()


def _mend(root: Made, fault: Diagnostic, spans: Sequence[Span], findings: Findings) -> None:
    line = fault.position.line
    around = [each.what for each in spans if each.first <= line <= each.last]
    made = next((each for each in reversed(around) if isinstance(each, Made)), None)
    if made is not None:
        _stand_in(made, fault.message, findings)
        return
    key = next((each for each in around if isinstance(each, str)), "")
    if key in ("", "name", "tasks"):
        raise HighwayError(f"{fault.message}; nothing can be made of this file")
    if root.pop(key, None) is not None:
        message = f"{key!r} is left out: {fault.message}"
        findings.lost(root, root.source(key), message)


def _mend_nested(fault: Diagnostic, spans: Sequence[Span], file: Path, findings: Findings) -> None:
    """Stand in for whatever runs the file that has a fault."""
    for each in spans:
        name = each.what.get("file") if isinstance(each.what, Made) else None
        if isinstance(each.what, Made) and fault.path == (file.parent / str(name)).as_posix():
            _stand_in(each.what, f"{name}: {fault.message}", findings)


def _stand_in(made: Made, message: str, findings: Findings) -> None:
    """Make an operator a task that fails; of one that is that already, keep only this."""
    if made.get("require") == "false":
        for key in [each for each in made if each not in ("task_id", *FAILING)]:
            del made[key]
        return
    findings.lost(made, made.loc, f"{message}; a task that fails stands in for it")
    made.held = _named(made)
    kept = {key: made[key] for key in KEPT if key in made}
    made.clear()
    made.update(kept)
    fail(made, f"not carried over: {message}")
    ordered(made)


def _named(made: Made) -> list[str]:
    """The tasks that an operator chooses or lists by their ids."""
    found = [made.get("if_true"), made.get("if_false")]
    found += [each for members in _lists(made) for each in members]
    return [each for each in found if isinstance(each, str)]


def _hold_back(root: Made) -> None:
    """Let the tasks that a stand-in would have chosen wait for it, which fails."""
    ahead = [dict(mapping(root.get("tasks")))]
    while ahead:
        beside = ahead.pop()
        for name, made in beside.items():
            if not isinstance(made, Made):
                continue
            for each in made.held:
                held = beside.get(each)
                if isinstance(held, Made):
                    known = sequence(held.get("dependencies"))
                    held["dependencies"] = list(dict.fromkeys([*known, name]))
                    ordered(held)
            made.held = []
            ahead += [_by_id(members) for members in _lists(made)]


def _lists(made: Made) -> list[list[object]]:
    branches = made.get("branches")
    found = [made.get("loop_body"), *(branches.values() if isinstance(branches, dict) else ())]
    return [sequence(each) for each in found]


def _by_id(members: list[object]) -> dict[str, object]:
    return {str(each["task_id"]): each for each in members if isinstance(each, Made)}
