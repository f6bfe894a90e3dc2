r"""Scrubbers: what differs from run to run, replaced by what does not.

    2026-01-02T03:04:05.678Z          <now>              built in, `now`
    6f1c…-…-… (a UUID)                <uuid:1>           built in, `uuid`
    ORD-1234                          <order-id:1>       a rule `order-id: ORD-\d+`
    /tmp/pytest-of-me/pytest-7/t0/x   $WORK/x            always: see `work_paths`

Numbers count the different values of one rule in the order of the text, so the same value has the
same number in all of a transcript. Where a rule's expression has groups, only the first one is
replaced. Rules are applied one after another; what one has written, and what stands for a secret,
no other looks at, so that scrubbing twice changes nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from pytest_highway.credentials import PLACEHOLDER
from pytest_highway.errors import HighwayError, did_you_mean, listed

__all__ = ["WORK", "Rule", "Scrub", "ScrubError", "parse_rule", "scrub_lines", "work_paths"]

WORK = "$WORK"
Scrub = Callable[[Sequence[str]], list[str]]

# What pytest makes for a test, also on a worker of pytest-xdist, and what `tempfile` does.
OF_A_TEST = r"(?:popen-gw\d+/)?\w+"
IN_TEMPORARY = rf"pytest-of-[^/\s]+/pytest-\d+/{OF_A_TEST}|tmp[a-z0-9_]{{8}}"
RULE = re.compile(r"(?P<name>[A-Za-z][\w-]*)\s*(?::\s*(?P<expression>.*))?", re.DOTALL)


class ScrubError(HighwayError):
    """A rule that makes no sense."""


class Rule(NamedTuple):
    """What is replaced, and by the name of what; `numbered` tells different values apart."""

    name: str
    expression: re.Pattern[str]
    numbered: bool = True


BUILT_IN = {
    "now": Rule(
        "now",
        re.compile(
            r"(?<!\d)\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?"
            r"(?:Z|[+-]\d\d:?\d\d)?(?!\d)"
        ),
        numbered=False,
    ),
    "uuid": Rule(
        "uuid",
        re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\b"),
    ),
}


def parse_rule(text: str) -> Rule:
    """The rule of one line: `now`, `uuid`, or `name: regular expression`; raises `ScrubError`."""
    match = RULE.fullmatch(text.strip())
    if match is None:
        names = " and ".join(BUILT_IN)
        raise ScrubError(f"{text!r} is no rule; write 'name: regular expression', or {names}")
    name, expression = match["name"], match["expression"]
    if expression is None:
        if name not in BUILT_IN:
            near = did_you_mean(name, BUILT_IN)
            raise ScrubError(
                f"{name!r} is no built-in scrubber; there are {listed(list(BUILT_IN))}, "
                f"and your own are written 'name: regular expression'{near}"
            )
        return BUILT_IN[name]
    try:
        compiled = re.compile(expression)
    except re.error as error:
        raise ScrubError(f"{name!r}: {expression!r} is no regular expression: {error}") from error
    if compiled.search(""):
        raise ScrubError(f"{name!r}: {expression!r} finds the empty text")
    return Rule(name, compiled)


def scrub_lines(lines: Sequence[str], rules: Sequence[Rule]) -> list[str]:
    """The lines after all rules; numbers count from 1 in these lines."""
    found = list(lines)
    names = "|".join(each.name for each in rules)
    kept = re.compile(rf"({PLACEHOLDER.pattern}|<(?:{names})(?::[0-9]+)?>)")
    for rule in rules:
        numbers: dict[str, int] = {}
        for at, line in enumerate(found):
            if rule.expression.search(line) is not None:
                parts = kept.split(line)  # every other one was written by us
                parts[::2] = [_scrubbed(each, rule, numbers) for each in parts[::2]]
                found[at] = "".join(parts)
    return found


def _scrubbed(text: str, rule: Rule, numbers: dict[str, int]) -> str:
    def written(match: re.Match[str]) -> str:
        group = 1 if match.re.groups and match[1] is not None else 0
        number = f":{numbers.setdefault(match[group], len(numbers) + 1)}" if rule.numbered else ""
        start, end = (each - match.start() for each in match.span(group))
        return f"{match[0][:start]}<{rule.name}{number}>{match[0][end:]}"

    return rule.expression.sub(written, text)


def work_paths(
    folders: Iterable[str], temporary: Iterable[str], bases: Iterable[str] = ()
) -> Callable[[str], str]:
    """What writes `$WORK` for these folders, and for what pytest and `tempfile` make in others.

    `folders` are the workspace and a case's own. In `temporary`, where the system keeps what is
    thrown away, a folder `pytest-of-me/pytest-7/test0` or `tmpab12cd34` is one, in `bases`, which
    pytest was given, any. Longer paths go first, and a path ends where its last name does.
    """
    kinds = ((folders, ""), (temporary, f"/(?:{IN_TEMPORARY})"), (bases, f"/{OF_A_TEST}"))
    paths = {(_bare(each), inside) for each_kind, inside in kinds for each in each_kind}
    found = sorted((each for each in paths if each[0]), key=lambda each: (-len(each[0]), each))
    if not found:
        return str
    choices = "|".join(re.escape(path) + inside for path, inside in found)
    pattern = re.compile(rf"(?<![\w.~/-])(?:{choices})(?![\w-]|\.\w)")
    starts = [path for path, _ in found]

    def replaced(text: str) -> str:
        return pattern.sub(WORK, text) if any(each in text for each in starts) else text

    return replaced


def _bare(folder: str) -> str:
    """A path without a final separator; the root of all is no workspace."""
    return os.path.normpath(folder).rstrip(os.sep) if folder else ""
