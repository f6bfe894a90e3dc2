"""Which way a run is shown.

GITHUB_ACTIONS is set        log groups and annotations
a terminal                   lines, and progress below them
a pipe, a file, TERM=dumb    lines
"""

from __future__ import annotations

import os
import sys

from pytest_highway.cli.display import PlainDisplay
from pytest_highway.cli.github import GithubDisplay
from pytest_highway.planning.plan import Plan
from pytest_highway.secrets import SecretValues

__all__ = ["display_of"]

# Values of TERM that promise nothing; without any a terminal may be one of them.
DUMB = ("", "dumb", "unknown")


def display_of(
    plan: Plan, secrets: SecretValues, *, is_live: bool = True, is_verbose: bool = False
) -> PlainDisplay:
    """The display for standard output; `is_live` tells that the run is yet to come."""
    if os.environ.get("GITHUB_ACTIONS"):
        return GithubDisplay(plan, secrets)
    if is_live and _is_terminal():
        from pytest_highway.cli.live import LiveDisplay  # rich comes in with it

        return LiveDisplay(plan, secrets, is_verbose=is_verbose)
    return PlainDisplay(secrets, is_verbose=is_verbose)


def _is_terminal() -> bool:
    is_known = os.name == "nt" or os.environ.get("TERM", "").lower() not in DUMB
    return is_known and sys.stdout.isatty()
