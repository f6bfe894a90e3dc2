"""Installations to measure in, and processes that run there.

    plain       pytest and what it requires
    highway     the same, and pytest-highway with what its base install requires

An installation is a folder that `PYTHONPATH` names, in an interpreter started with `-S`: no
virtual environment, no other plugin and no `.pth` file takes part. What is not ours is linked from
the environment that runs the benchmark; the package is copied, so that edits made meanwhile do
not reach a measurement, and gets the metadata of a wheel, entry point and file list included.
"""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from packaging.requirements import Requirement

__all__ = ["REPOSITORY", "Process", "build_site", "spawn"]

REPOSITORY = Path(__file__).resolve().parent.parent
PACKAGE = "pytest_highway"

# What would make one machine's run differ from another's. Of Python's own variables, one matters
# more than it looks: without byte code every run compiles the package anew.
DROPPED = ("PYTHON", "PYTEST_", "CI")
FIXED = {"PYTHONHASHSEED": "0", "COLUMNS": "80", "PY_COLORS": "0", "PYTHONIOENCODING": "utf-8"}
SHOWN_OUTPUT = 2_000


@dataclass(frozen=True, slots=True)
class Process:
    """A process that has ended: CPU seconds (user and system), exit status and output.

    `wall` are the seconds that it took, `peak` its largest resident size in MB.

    `tail` is the end of what it printed to standard output and error; `output` is all of it.
    """

    cpu: float
    status: int
    output: str
    wall: float
    peak: float

    @property
    def tail(self) -> str:
        """The last lines of the output, enough to see what went wrong."""
        return self.output[-SHOWN_OUTPUT:].strip()


def build_site(folder: Path, *, with_highway: bool) -> Path:
    """Fill a new folder with pytest, and with pytest-highway if asked for; the folder."""
    folder.mkdir(parents=True)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    wanted = project["dependencies"] if with_highway else ["pytest"]
    for name in _distributions(wanted):
        for path in _top_level(name):
            target = folder / path.name
            if not target.exists():
                target.symlink_to(path)
    if with_highway:
        _install(folder, project)
    return folder


def _distributions(requirements: Iterable[str]) -> list[str]:
    """Names of distributions: those required, and what they require."""
    found: list[str] = []
    left = list(requirements)
    while left:
        requirement = Requirement(left.pop())
        marker = requirement.marker
        applies = marker is None or marker.evaluate({"extra": ""})
        if applies and requirement.name not in found:
            found.append(requirement.name)
            left += importlib.metadata.requires(requirement.name) or []
    return found


def _top_level(name: str) -> Iterator[Path]:
    """The files and folders of a distribution that lie in the folder of packages itself."""
    distribution = importlib.metadata.distribution(name)
    roots = [each.parts[0] for each in distribution.files or () if each.parts[0] != ".."]
    for root in dict.fromkeys(roots):
        if root != "__pycache__":
            yield Path(str(distribution.locate_file(root)))


def _install(folder: Path, project: dict[str, object]) -> None:
    """What `pip install` of the wheel would leave behind, without building one."""
    shutil.copytree(
        REPOSITORY / PACKAGE, folder / PACKAGE, ignore=shutil.ignore_patterns("__pycache__")
    )
    metadata = folder / f"{PACKAGE}-{project['version']}.dist-info"
    metadata.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    metadata.joinpath("METADATA").write_text(head, "utf-8")
    entry = f"[pytest11]\nhighway = {PACKAGE}.plugin\n"
    metadata.joinpath("entry_points.txt").write_text(entry, "utf-8")
    files = sorted(each for each in folder.joinpath(PACKAGE).rglob("*") if each.is_file())
    files += [metadata / each for each in ("METADATA", "entry_points.txt", "RECORD")]
    record = "".join(f"{each.relative_to(folder).as_posix()},,\n" for each in files)
    metadata.joinpath("RECORD").write_text(record, "utf-8")


def spawn(site: Path, arguments: Sequence[str], folder: Path) -> Process:
    """Run Python with `arguments` in an installation, from `folder`, to its end."""
    environment = {key: each for key, each in os.environ.items() if not key.startswith(DROPPED)}
    environment |= {**FIXED, "PYTHONPATH": str(site)}
    # A file and not a pipe: nobody has to read while the process is measured.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        before = monotonic()
        process = subprocess.Popen(
            [sys.executable, "-S", *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = monotonic() - before
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss
        peak /= 1e6 if sys.platform == "darwin" else 1e3
        return Process(cpu, process.returncode, output.read(), wall, peak)
