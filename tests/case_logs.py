"""The log of every case of the workflows that this project ships; run as a program it prints them.

Cases that run on the real clock are left out where logs are compared, since time is in the log.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pytest_highway.cases.checks import runs_on_real_clock
from pytest_highway.cases.declarations import Case
from pytest_highway.cases.simulation import run_case
from pytest_highway.events import encode_log
from pytest_highway.loading import Loaded, load_file
from pytest_highway.tools import discover
from pytest_highway.views import RunResult

ROOT = Path(__file__).parent.parent
FILES = sorted(path.name for path in (ROOT / "workflows").glob("*.y*ml"))
REGISTRY = discover(entry_points=False)


def load(name: str, root: Path = ROOT / "workflows") -> Loaded:
    """A workflow of the project, under the path that a run from its root would show."""
    return load_file(root / name, f"workflows/{name}", REGISTRY)


def run(loaded: Loaded, case: Case, folder: str) -> RunResult:
    """The result of one case; each fixture that it asks for is `folder`."""
    ready = case.with_fixtures(dict.fromkeys(case.model.fixtures, folder))
    done = run_case(ready, loaded.plan, REGISTRY)
    assert done.faults == ()
    return done.result


def simulated_logs() -> Iterator[str]:
    """The name and the encoded log of every case in virtual time."""
    for name in FILES:
        loaded = load(name)
        for case in loaded.cases:
            if not runs_on_real_clock(case, REGISTRY):
                yield f"{name}::{case.name}\n{encode_log(run(loaded, case, '.').log)}"


if __name__ == "__main__":
    sys.stdout.writelines(simulated_logs())
