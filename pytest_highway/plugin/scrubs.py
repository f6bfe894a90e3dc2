"""Which scrubbers a case has: those of ini `highway_scrub`, paths, and the hook.

    lines of a transcript -> rules of the ini -> $WORK -> pytest_highway_scrub

The rules are read when the session begins; one that makes no sense ends it with a usage error, as
any wrong setting does.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from pytest_highway.scrubbing import Rule, ScrubError, parse_rule, scrub_lines, work_paths

__all__ = ["Scrubs", "begin", "rules_of"]

RULES = pytest.StashKey[tuple[Rule, ...]]()
PATHS = pytest.StashKey[Callable[[str], str]]()
# Fixtures whose value is a folder that a case throws away.
FOLDERS = ("tmp_path", "tmpdir")


def begin(config: pytest.Config) -> None:
    """Refuse rules that make no sense at the start, and not with the first case."""
    rules_of(config)


def rules_of(config: pytest.Config) -> tuple[Rule, ...]:
    """The rules of the ini; `UsageError` for one that makes no sense."""
    if RULES not in config.stash:
        try:
            config.stash[RULES] = tuple(map(parse_rule, config.getini("highway_scrub")))
        except ScrubError as error:
            raise pytest.UsageError(f"highway_scrub: {error}") from error
    return config.stash[RULES]


class Scrubs:
    """The scrubbers of one case."""

    def __init__(self, item: pytest.Item, fixtures: Mapping[str, object]) -> None:
        self._item = item
        self._rules = rules_of(item.config)
        own = [str(fixtures[name]) for name in FOLDERS if name in fixtures]
        self._path = _paths(item.config, own) if own else _session_paths(item.config)

    def lines(self, lines: Sequence[str]) -> list[str]:
        """The lines of a transcript as they are shown and compared."""
        found = scrub_lines(lines, self._rules) if self._rules else list(lines)
        found = self.paths(found)
        hook = self._item.ihook.pytest_highway_scrub
        if hook.get_hookimpls():
            hook(item=self._item, lines=found)
        return found

    def paths(self, lines: Sequence[str]) -> list[str]:
        """The lines with `$WORK` for the case's folders and the workspace."""
        text = "\n".join(lines)
        replaced = self._path(text)
        return list(lines) if replaced == text else [self._path(each) for each in lines]


def _session_paths(config: pytest.Config) -> Callable[[str], str]:
    if PATHS not in config.stash:
        config.stash[PATHS] = _paths(config, [])
    return config.stash[PATHS]


def _paths(config: pytest.Config, own: Sequence[str]) -> Callable[[str], str]:
    base = config.getoption("basetemp", None)
    bases = [str(Path(base).absolute())] if base else []
    kinds = ([*own, str(config.rootpath)], [tempfile.gettempdir()], bases)
    return work_paths(*([*each, *map(os.path.realpath, each)] for each in kinds))
