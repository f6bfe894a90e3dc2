"""A second run of the cases whose goldens are to be written, in a process of its own.

    this process --request.json--> pytest with the same arguments --answer.json--> this process

In that process strings hash otherwise, so that a set has another order, and of tasks that are ready
at once the last one begins first. It collects as this one did, runs the named cases and writes down
what they want; it writes nothing else, and options that would make it are overridden. Whatever goes
wrong there is an objection to writing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from pytest_highway.placing import put_file
from pytest_highway.plugin.noting import Wanted
from pytest_highway.plugin.options import REQUEST
from pytest_highway.plugin.rewriting import GoldenEdit
from pytest_highway.plugin.writing import runs_differ

if TYPE_CHECKING:
    import pytest

__all__ = ["answer", "objections"]

ANSWER = "answer.json"

# The same modules are to be found, wherever this process has them from.
START = """\
import json, sys
with open(sys.argv[1], encoding="utf-8") as file:
    request = json.load(file)
sys.path[:] = request["path"]
import pytest
sys.exit(pytest.main(request["args"]))
"""

# What an option that was given, by its name in `config.option`, becomes in the second run: one
# process, all cases to the end, no report over that of this run. `{}` is a folder of the run's own.
OVERRIDES: dict[str, tuple[str, ...]] = {
    "numprocesses": ("-n0",),
    "tx": ("-n0",),
    "maxfail": ("--maxfail=0",),
    "lf": ("--lfnf=all",),
    "xmlpath": ("--junit-xml=",),
    "log_file": ("--log-file=",),
    "report_log": ("--report-log=",),
    "htmlpath": ("--html=",),
    "cov_source": ("--no-cov",),
    "basetemp": ("--basetemp={}/basetemp",),
}


class Found(TypedDict):
    """What became of cases, by node id: what they want, or the first line of how they failed."""

    edits: dict[str, list[GoldenEdit]]
    failed: dict[str, str]


def objections(config: pytest.Config, wanted: Mapping[str, Wanted]) -> dict[str, str]:
    """By node id, why what a case wants cannot be written: a second run wanted another thing.

    Cases whose tools wrote for real are not run again, and nothing is said against them.
    """
    ids = [nodeid for nodeid, each in wanted.items() if not each["writes"]]
    if not ids:
        return {}
    with tempfile.TemporaryDirectory(prefix="highway-") as folder:
        found, fault = _second_run(config, ids, Path(folder))
    told = ((nodeid, fault or _objection(nodeid, wanted[nodeid], found)) for nodeid in ids)
    return {nodeid: why for nodeid, why in told if why}


def _objection(nodeid: str, wanted: Wanted, found: Found) -> str:
    how = "the second had another hash seed, and another order of tasks that were ready at once"
    if nodeid in found["failed"]:
        return f"two runs of the case differ; {how}, and it failed: {found['failed'][nodeid]}"
    if nodeid not in found["edits"]:
        return "the case did not come to its end in a second run"
    both = runs_differ(wanted["edits"], found["edits"][nodeid])
    return f"two runs of the case differ; {how}:\n{both}" if both else ""


def _second_run(config: pytest.Config, ids: list[str], folder: Path) -> tuple[Found, str]:
    """What became of the cases there, and why there is no answer."""
    args = [*map(os.fspath, config.invocation_params.args), *_overrides(config, folder)]
    request = {"ids": ids, "args": args, "path": sys.path}
    (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", START, str(folder / REQUEST)],
        cwd=config.invocation_params.dir,
        env={**os.environ, "PYTHONHASHSEED": _other_seed()},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    try:
        return json.loads((folder / ANSWER).read_text(encoding="utf-8")), ""
    except FileNotFoundError:
        lines = done.stdout.decode(errors="replace").split("\n")
        said = next((line for line in reversed(lines) if line.strip(" =")), "nothing").strip(" =")
        why = f"a second run ended with exit code {done.returncode} and no result; it said: {said}"
        return Found(edits={}, failed={}), why


def _overrides(config: pytest.Config, folder: Path) -> Iterator[str]:
    yield f"--highway-second-run={folder}"
    if config.getoption("--highway-tape") != "off":  # no tape is made or verified twice
        yield "--highway-tape=replay"
    if config.pluginmanager.hasplugin("cacheprovider"):
        yield from ("-o", f"cache_dir={folder}/cache")
    for name, words in OVERRIDES.items():
        if config.getoption(name, None):
            yield from (word.format(folder) for word in words)


def _other_seed() -> str:
    return "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"


# --- in the second run ---------------------------------------------------------------------------


def answer(
    folder: Path, wanted: Mapping[str, Wanted], passed: Iterable[str], failed: Mapping[str, str]
) -> None:
    """Tell the first run what became of the cases."""
    edits: dict[str, list[GoldenEdit]] = {nodeid: [] for nodeid in passed}
    edits |= {nodeid: each["edits"] for nodeid, each in wanted.items()}
    put_file(folder / ANSWER, json.dumps(Found(edits=edits, failed=dict(failed))).encode())
