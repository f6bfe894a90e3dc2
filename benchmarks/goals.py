"""The goals of speed, each a function from a laboratory to its readings.

    G1  start-up      a one-test project, with the plugin installed and without
    G2  many files    1,000 workflow files against 1,000 empty tests, and 1,000 modules
    G3  many cases    1,000 golden cases in 20 files against 1,000 empty tests
    G4  engine        a run against a bare graphlib loop; loops against a loop in Python
    G5  loading       load, validate, compile against CSafeLoader alone
    G6  growth        per task from 10 to 100,000 tasks, items and iterations, and to 10,000
                      branches; per case from 1,000 to 10,000 files
    G7  memory        what a collected case holds; the peak of a run of 100,000 tasks, items,
                      iterations, and of 10,000 branches
    G9  failures      failing cases against passing ones; the diff of 500 lines
    G10 hostile input time and memory until the error
    G11 the command   start-up, steps, parallel steps and memory of `highway run` (see `command`)

Costs are CPU seconds, where it is not said otherwise. Whole runs of pytest count from the start of
the process to its end; where it says "start-up taken off", a run of one case (or of one test) has
been subtracted on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import cast

from command import highway_run
from projects import (
    HOSTILE,
    LOOPS,
    SHAPES,
    large_workflow,
    small_workflow,
    write_cases,
    write_modules,
    write_parametrized,
    write_workflows,
)
from readings import Broken, Reading, interleave, ratios
from sites import Process, build_site, spawn

__all__ = ["GOALS", "Laboratory", "measure"]

WORKER = Path(__file__).with_name("worker.py")
FLAGS = ("-q", "-p", "no:cacheprovider")
# How often one round of G1 starts pytest: 3 % can only be told apart over several starts.
STARTS = 6
# What "flat" is held to: the bound that the goals name for growth elsewhere. "Linear" has room for
# pytest's own growth with the number of its reports; what is quadratic comes out near 3.
FLAT, LINEAR = 1.1, 1.3
FILES = 20  # that hold the many cases of G3
LOADED = 50  # files of one round of G5
# Tasks that one figure of a small graph is taken over, in G4 and in G6.
RUN, GROWN = 20_000, 5_000
# The largest workflow of G6 and G7, and of the shapes that stop before it.
LARGEST = 100_000
FEWER = {"parallel": 10_000}
NOTHING_FOREIGN = 0
NET = ", start-up taken off"

Figures = dict[str, list[float]]


@dataclass(frozen=True)
class Laboratory:
    """Where a goal is measured: a folder of its own, so many rounds, sizes times `scale`."""

    folder: Path
    rounds: int = 7
    scale: float = 1.0
    long: bool = False

    @cached_property
    def plain(self) -> Path:
        """An installation of pytest alone."""
        return build_site(self.folder / "site-plain", with_highway=False)

    @cached_property
    def highway(self) -> Path:
        """An installation of pytest and the plugin."""
        return build_site(self.folder / "site-highway", with_highway=True)

    def size(self, full: int) -> int:
        """A number of things, scaled; never less than two."""
        return max(2, round(full * self.scale))

    def project(self, name: str, write: Callable[[Path], Path]) -> Path:
        """The folder of a project, written when first asked for."""
        folder = self.folder / "projects" / name
        return folder if folder.exists() else write(folder)

    def pytest(self, project: Path, wanted: str, *, site: Path | None = None) -> float:
        """CPU seconds of one run; raises `Broken` unless its last line begins with `wanted`."""
        process = spawn(site or self.highway, ("-m", "pytest", *FLAGS, str(project)), project)
        last = process.output.rstrip().rpartition("\n")[2]
        if not last.startswith(wanted):
            raise Broken(f"wanted {wanted!r}, got {last!r}")
        return process.cpu

    def probe(self, *arguments: object, site: Path | None = None) -> dict[str, object]:
        """The answer of one probe of `worker`; raises `Broken` when there is none."""
        given = [str(each) for each in arguments]
        process = spawn(site or self.highway, (str(WORKER), *given), self.folder)
        if process.status:
            raise Broken(_reason(process))
        return cast("dict[str, object]", json.loads(process.output))


def _reason(process: Process) -> str:
    last = process.tail.rpartition("\n")[2]
    return last or f"exit status {process.status}"


Goal = Callable[[Laboratory], Iterator[Reading]]


def measure(name: str, laboratory: Laboratory) -> list[Reading]:
    """All readings of one goal; what is broken is a reading too, and ends the goal."""
    found: list[Reading] = []
    try:
        found.extend(GOALS[name](laboratory))
    except Broken as error:
        found.append(Reading(name, "could not be measured", (), note=str(error)))
    return found


# --- whole runs of pytest -----------------------------------------------------------------------


def start_up(lab: Laboratory) -> Iterator[Reading]:
    """G1."""
    project = lab.project("one", lambda folder: write_parametrized(folder, 1))
    starts = range(lab.size(STARTS))

    def runs(site: Path) -> float:
        return lab.pytest(project, "1 passed in", site=site)

    # One start of each in turn, also within a round.
    arms = [partial(runs, site) for _ in starts for site in (lab.plain, lab.highway)]
    costs = interleave(lab.rounds, arms)
    plain, highway = ([sum(each) for each in zip(*costs[side::2], strict=True)] for side in (0, 1))
    yield Reading("G1", "one test, plugin installed / not", ratios(highway, plain), 1.03)
    extra = _foreign(lab, lab.highway, project) - _foreign(lab, lab.plain, project)
    named = ", ".join(sorted(extra))
    what = "third-party modules imported besides"
    yield Reading("G1", what, (float(len(extra)),), NOTHING_FOREIGN, "modules", named)


def _foreign(lab: Laboratory, site: Path, project: Path) -> set[str]:
    names = cast("list[str]", lab.probe("modules", project, site=site)["modules"])
    return {name.partition(".")[0] for name in names} - {"pytest_highway"}


def many_files(lab: Laboratory) -> Iterator[Reading]:
    """G2."""
    count = lab.size(1000)
    golden = partial(small_workflow, transcript="golden")
    projects = {
        "empty": lambda folder: write_parametrized(folder, count),
        "modules": lambda folder: write_modules(folder, count),
        "golden": lambda folder: write_workflows(folder, count, golden, golden=True),
        "inline": lambda folder: write_workflows(folder, count, small_workflow),
        "large": lambda folder: write_workflows(folder, count, large_workflow),
    }
    arms = [_passing(lab, f"{name}-{count}", count, each) for name, each in projects.items()]
    starts, (empty, modules, *flows) = _beside_starts(lab, arms)
    names = ("20 lines, golden file", "20 lines, inline", "60 lines, inline")
    for name, costs in zip(names, flows, strict=True):
        what = f"{count} files of {name} /"
        yield Reading("G2", f"{what} empty tests", ratios(costs, empty), 1.6)
        yield Reading("G2", f"{what} empty tests{NET}", _net(costs, empty, starts), 1.6)
        yield Reading("G2", f"{what} .py files", ratios(costs, modules), 0.9)


def _passing(
    lab: Laboratory, name: str, count: int, write: Callable[[Path], Path]
) -> Callable[[], float]:
    project = lab.project(name, write)
    return lambda: lab.pytest(project, f"{count} passed in")


def _beside_starts(
    lab: Laboratory, arms: Sequence[Callable[[], float]]
) -> tuple[tuple[list[float], list[float]], list[list[float]]]:
    """Costs of a start (with a workflow file, and with an empty test), and those of `arms`."""
    alone = [
        _passing(lab, "cases-1", 1, lambda folder: write_cases(folder, 1, 1)),
        _passing(lab, "empty-1", 1, lambda folder: write_parametrized(folder, 1)),
    ]
    flow, empty, *costs = interleave(lab.rounds, [*alone, *arms])
    return (flow, empty), costs


def _net(
    over: Sequence[float], under: Sequence[float], starts: tuple[list[float], list[float]]
) -> tuple[float, ...]:
    """Ratios of what is left when a run of one case, and of one test, is taken off."""
    return ratios(_differences(over, starts[0]), _differences(under, starts[1]))


def many_cases(lab: Laboratory) -> Iterator[Reading]:
    """G3."""
    count = lab.size(1000)
    arms = [
        _passing(lab, f"empty-{count}", count, lambda folder: write_parametrized(folder, count)),
        _passing(lab, f"cases-{count}", count, lambda folder: write_cases(folder, count, FILES)),
    ]
    starts, (empty, cases) = _beside_starts(lab, arms)
    what = f"{count} golden cases in {min(FILES, count)} files / empty tests"
    yield Reading("G3", what, ratios(cases, empty), 1.15)
    yield Reading("G3", f"{what}{NET}", _net(cases, empty, starts), 1.15)


def failures(lab: Laboratory) -> Iterator[Reading]:
    """G9. Per case, without start-up: a run of one case is taken off."""
    count = lab.size(1000)
    half = count // 2

    def arm(word: str, number: int) -> Callable[[], float]:
        project = lab.project(
            f"{word}-{number}",
            lambda folder: write_cases(folder, number, FILES, wrong=word == "failed"),
        )
        return lambda: lab.pytest(project, f"{number} {word} in")

    plan = [("passed", 1), ("passed", count), ("failed", 1), ("failed", half), ("failed", count)]
    costs = interleave(lab.rounds, [arm(*each) for each in plan])
    passed = _differences(costs[1], costs[0])
    failed = _differences(costs[4], costs[2])
    yield Reading("G9", f"{count} failing cases / passing, per case", ratios(failed, passed), 2)
    # `half` is 1 at the smallest scale.
    first = [each / max(1, half - 1) for each in _differences(costs[3], costs[2])]
    second = [each / (count - half) for each in _differences(costs[4], costs[3])]
    what = f"failing cases {half} to {count} / up to {half}, per case"
    yield Reading("G9", what, ratios(second, first), LINEAR)
    lines = lab.size(500)
    times = cast("list[float]", lab.probe("diff", lines, lab.rounds)["seconds"])
    what = f"{lines} slightly different lines, until the diff"
    yield Reading("G9", what, tuple(each * 1e3 for each in times), 20, "ms")


def _differences(costs: Sequence[float], bases: Sequence[float]) -> list[float]:
    """Round by round; not above zero where the sizes are too small to tell."""
    return [cost - base for cost, base in zip(costs, bases, strict=True)]


# --- inside one process -------------------------------------------------------------------------


def engine(lab: Laboratory) -> Iterator[Reading]:
    """G4."""
    count = lab.size(1000)
    for shape in ("chain", "layered"):
        found = cast("Figures", lab.probe("engine", shape, count, lab.size(RUN), lab.rounds))
        note = f"loop {min(found['base']) * 1e6:.2f} us a task"
        what = f"{shape} of {count},"
        yield Reading("G4", f"{what} run / graphlib loop", tuple(found["run"]), 1, note=note)
        both = tuple(found["both"])
        yield Reading("G4", f"{what} compile and run / graphlib loop", both, 3)
    for shape in LOOPS:
        found = cast("Figures", lab.probe("engine", shape, count, lab.size(RUN), lab.rounds))
        least, ran = min(found["base"]) * 1e6, tuple(found["run"])
        note = f"loop {least:.3f} us a round"
        yield Reading("G4", f"{shape} of {count}, run / loop in Python", ran, note=note)


def loading(lab: Laboratory) -> Iterator[Reading]:
    """G5."""
    found = cast("Figures", lab.probe("loading", lab.size(LOADED), lab.rounds))
    note = f"CSafeLoader {min(found['base']) * 1e3:.2f} ms a file"
    what = "60-line file, load and compile / CSafeLoader"
    yield Reading("G5", what, tuple(found["load"]), 0.8, note=note)


def growth(lab: Laboratory) -> Iterator[Reading]:
    """G6."""
    for shape in (*SHAPES, *LOOPS):
        full = (10, 100, 1_000, 10_000, FEWER.get(shape, LARGEST))
        sizes = sorted({lab.size(each) for each in full})
        found = [lab.probe("growth", shape, lab.size(GROWN), *sizes) for _ in range(lab.rounds)]
        rounds = [cast("dict[str, dict[str, float]]", each["seconds"]) for each in found]
        whole = [{size: sum(each[str(size)].values()) for size in sizes} for each in rounds]
        stages = rounds[0][str(sizes[-1])].items()
        note = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in stages)
        largest = tuple(each[sizes[-1]] for each in whole)
        yield Reading("G6", f"{shape} of {sizes[-1]}, file to transcript", largest, 3, "s", note)
        flat = tuple(_worst(each) for each in whole)
        costs = (f"{whole[0][size] / size * 1e6:.0f}" for size in sizes)
        note = f"us a task: {', '.join(costs)}"
        what = f"{shape} of {sizes[-1]} / the cheapest smaller one, per task"
        yield Reading("G6", what, flat, FLAT, note=note)
    if lab.long:
        yield from growth_of_files(lab)


def _worst(seconds: dict[int, float]) -> float:
    """The largest graph's cost of a task, over the least that any smaller graph shows."""
    costs = [cost / size for size, cost in seconds.items()]
    return costs[-1] / min(costs[:-1], default=costs[-1])


def growth_of_files(lab: Laboratory) -> Iterator[Reading]:
    """The slow part of G6. Per case, without start-up: a run of one file is taken off."""
    few, many = lab.size(1000), lab.size(10_000)

    def arm(count: int) -> Callable[[], float]:
        return _passing(
            lab,
            f"inline-{count}",
            count,
            lambda folder: write_workflows(folder, count, small_workflow),
        )

    one, less, more = interleave(lab.rounds, [arm(1), arm(few), arm(many)])
    less = [each / (few - 1) for each in _differences(less, one)]
    more = [each / (many - 1) for each in _differences(more, one)]
    yield Reading("G6", f"{many} files / {few} files, per case", ratios(more, less), 1.1)


def memory(lab: Laboratory) -> Iterator[Reading]:
    """G7."""
    count = lab.size(1000)
    empty = _held(lab, "empty", count, write_parametrized)
    modules = _held(lab, "modules", count, write_modules)
    cases = _held(lab, "cases", count, lambda folder, number: write_cases(folder, number, FILES))
    files = _held(
        lab, "inline", count, lambda folder, number: write_workflows(folder, number, small_workflow)
    )
    note = f"{cases:.0f} over {empty:.0f} bytes"
    what = f"a case of {count} in {min(FILES, count)} files / an empty test item"
    yield Reading("G7", what, (cases / empty,), 1.25, note=note)
    note = f"{files:.0f} over {modules:.0f} bytes"
    what = f"a case of {count} in as many files / a test in a module"
    yield Reading("G7", what, (files / modules,), None, note=note)
    for shape in (*SHAPES, *LOOPS):
        size = lab.size(FEWER.get(shape, LARGEST))
        found = lab.probe("growth", shape, 1, size)
        peak = cast("float", found["peak"])
        yield Reading("G7", f"{shape} of {size}, peak of the process", (peak,), 300, "MB")


def _held(lab: Laboratory, name: str, count: int, write: Callable[[Path, int], Path]) -> float:
    """Bytes of one more item: what many hold, without what a run of one holds."""
    found = []
    for number in (1, count):
        project = lab.project(f"{name}-{number}", partial(_swapped, write, number))
        answer = lab.probe("items", project)
        if answer["items"] != number:
            raise Broken(f"wanted {number} items, got {answer['items']}")
        found.append(cast("float", answer["bytes"]))
    return (found[1] - found[0]) / (count - 1)


def _swapped(write: Callable[[Path, int], Path], count: int, folder: Path) -> Path:
    """`write` with its arguments as `project` gives them."""
    return write(folder, count)


def hostile(lab: Laboratory) -> Iterator[Reading]:
    """G10."""
    for name in HOSTILE:
        found = [lab.probe("hostile", name) for _ in range(lab.rounds)]
        said = cast("str", found[0]["said"])
        if not said:
            yield Reading("G10", name, (), 100, "ms", "no error was given")
            continue
        times = tuple(cast("float", each["seconds"]) * 1e3 for each in found)
        yield Reading("G10", f"{name}, until the error", times, 100, "ms", said[:80])
        peaks = tuple(cast("float", each["peak"]) for each in found)
        yield Reading("G10", f"{name}, peak of the process", peaks, 100, "MB")


GOALS: dict[str, Goal] = {
    "G1": start_up,
    "G2": many_files,
    "G3": many_cases,
    "G4": engine,
    "G5": loading,
    "G6": growth,
    "G7": memory,
    "G9": failures,
    "G10": hostile,
    "G11": highway_run,
}
