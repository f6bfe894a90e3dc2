"""Python's garbage collector, out of the way where it can only cost.

Reading and running 100,000 tasks makes millions of objects that all stay; each pass of the
collector walks all of them and finds nothing. Reference counting goes on meanwhile. What was made
is old afterwards, so that the first pass that follows does not walk it either.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collector_paused"]


@contextmanager
def collector_paused(when: bool) -> Iterator[None]:
    """Pause the collector, if `when` holds and it runs at all; it goes on afterwards as before."""
    pauses = when and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        yield
    finally:
        if pauses:
            _grow_old()
            gc.enable()


def _grow_old() -> None:
    """Let all objects be of the collector's oldest generation, as had they outlived its passes.

    Freezing sets all of them aside, and thawing puts them there; neither walks them. Where
    somebody has frozen objects of their own, those must stay so.
    """
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()
