"""From a test that runs a workflow to the history, when there is one.

Kept apart from `history`, which brings the storage: a session without `--highway-history` pays
for one look-up a case.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_highway.cases.declarations import Case
from pytest_highway.planning.plan import Plan

if TYPE_CHECKING:
    from pytest_highway.cases.simulation import Observe
    from pytest_highway.plugin.history import History

__all__ = ["PLUGIN", "recording_of"]

PLUGIN = "highway-history"


def recording_of(item: pytest.Item, case: Case, plan: Plan) -> Observe | None:
    """What records a run that an item is about to begin; nothing where nothing is remembered.

    `case` is the one that was collected: what comes from a fixture is recorded as it is written,
    since it may be a secret of any name, or another path in every run.
    """
    history: History | None = item.config.pluginmanager.get_plugin(PLUGIN)
    return None if history is None else history.recording(item, case, plan)
