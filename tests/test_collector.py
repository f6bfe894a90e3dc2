"""The garbage collector out of the way, and back as it was."""

from __future__ import annotations

import gc

import pytest

from pytest_highway.reading.collector import collector_paused


@pytest.fixture(autouse=True)
def _collector_as_found() -> object:
    yield
    gc.unfreeze()
    gc.enable()


def test_it_rests_meanwhile_and_what_was_made_is_old_afterwards() -> None:
    """So the first pass behind it has little to walk."""
    with collector_paused(True):
        rested = not gc.isenabled()
        made = [[number] for number in range(10_000)]
    young = {id(each) for number in (0, 1) for each in gc.get_objects(number)}
    assert (rested, gc.isenabled(), len(young & {id(each) for each in made})) == (True, True, 0)


@pytest.mark.parametrize(("runs", "when"), [(True, False), (False, True)])
def test_it_is_left_as_it_is(runs: bool, when: bool) -> None:
    """Where nothing large is made, and where somebody else has switched it off."""
    (gc.enable if runs else gc.disable)()
    with collector_paused(when):
        inside = gc.isenabled()
    assert (inside, gc.isenabled()) == (runs, runs)


def test_what_somebody_froze_stays_frozen() -> None:
    """As a server does before it forks."""
    gc.freeze()
    before = gc.get_freeze_count()
    with collector_paused(True):
        pass
    assert gc.get_freeze_count() >= before > 0
