"""Findings in the formats that people and machines read.

text      as pytest shows them: the place, the message, the source line and a caret
json      one object: the files, how many errors and warnings, and every finding
github    a workflow command for each finding, which GitHub shows beside the line
sarif     a log of SARIF 2.1.0, for code scanning
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote

from pytest_highway.errors import Diagnostic

__all__ = ["FORMATS", "Findings", "annotation", "escaped"]

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
# All that GitHub's code scanning asks for of a rule.
RULE = {
    "id": "workflow",
    "shortDescription": {"text": "A workflow file is valid and says one thing"},
    "fullDescription": {
        "text": "What a workflow and its test cases say is known, fits, and is used"
    },
    "help": {"text": "Each message says what is wrong at its place and what would be right"},
}
# What a workflow command takes for a sign of its own; the percent sign is first.
DATA = {"%": "%25", "\r": "%0D", "\n": "%0A"}
PROPERTY = {**DATA, ":": "%3A", ",": "%2C"}


@dataclass(frozen=True, slots=True)
class Findings:
    """The files that were looked at, by the names that are shown, and what was found in them."""

    files: Sequence[str]
    found: Sequence[Diagnostic]

    def count(self, severity: str) -> int:
        """How many are of a severity."""
        return sum(each.severity == severity for each in self.found)

    def summary(self) -> str:
        """`3 files: 1 error, 2 warnings`."""
        counted = [_counted(self.count(word), word) for word in ("error", "warning")]
        return f"{_counted(len(self.files), 'file')}: {', '.join(counted)}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _text(findings: Findings) -> Iterator[str]:
    for each in findings.found:
        yield each.render()
    yield findings.summary()


def _json(findings: Findings) -> Iterator[str]:
    data = {
        "files": list(findings.files),
        "errors": findings.count("error"),
        "warnings": findings.count("warning"),
        "findings": [
            {
                "path": each.path,
                "line": each.position.line,
                "column": each.position.column,
                "severity": each.severity,
                "message": each.message,
            }
            for each in findings.found
        ],
    }
    yield json.dumps(data, indent=2, ensure_ascii=False)


def _github(findings: Findings) -> Iterator[str]:
    yield from map(annotation, findings.found)


def annotation(found: Diagnostic) -> str:
    """The workflow command that shows a finding beside its line."""
    line, column = found.position
    file = escaped(found.path, PROPERTY)
    return f"::{found.severity} file={file},line={line},col={column}::{escaped(found.message)}"


def escaped(text: str, signs: dict[str, str] = DATA) -> str:
    """A text as a workflow command holds it."""
    return "".join(signs.get(sign, sign) for sign in text)


def _sarif(findings: Findings) -> Iterator[str]:
    driver = {"name": "highway", "version": version("pytest-highway"), "rules": [RULE]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(each) for each in findings.found],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    yield json.dumps(log, indent=2, ensure_ascii=False)


def _result(each: Diagnostic) -> dict[str, object]:
    line, column = each.position
    # What is wrong begins at the place; how far it goes is not known, but for the line.
    end = max(column, len(each.source.rstrip())) + 1
    region = {"startLine": line, "startColumn": column, "endLine": line, "endColumn": end}
    place = {"artifactLocation": {"uri": _uri(each.path)}, "region": region}
    return {
        "ruleId": RULE["id"],
        "level": each.severity,
        "message": {"text": each.message},
        "locations": [{"physicalLocation": place}],
    }


def _uri(path: str) -> str:
    """A path as a relative reference, or as a `file` URI when it is absolute."""
    for kind in (PurePosixPath, PureWindowsPath):
        if kind(path).is_absolute():
            return kind(path).as_uri()
    # A colon in the first part would make it a scheme.
    return quote(path)


FORMATS: dict[str, Callable[[Findings], Iterator[str]]] = {
    "text": _text,
    "json": _json,
    "github": _github,
    "sarif": _sarif,
}
