"""Python's garbage collector, out of the way where it can only cost.

Reading and running 100,000 tasks makes millions of objects that all stay; each pass of the
collector walks all of them and finds nothing. Reference counting goes on meanwhile.
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
            gc.enable()
