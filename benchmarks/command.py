"""`highway run` as somebody waits for it: G11 of the goals.

    start-up      of the command, beside a Python that does nothing: it computes all the time, so
                  its CPU seconds are what it takes on a machine that has nothing else to do
    step          what a step costs beside the same command in a bare loop of subprocesses
    parallel      sleeps side by side, against the least that they can take
    memory        the peak of the process

Steps and sleeps are waited for, so there the clock on the wall counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from readings import Broken, Reading, interleave
from sites import Process, spawn

if TYPE_CHECKING:
    from goals import Laboratory

__all__ = ["highway_run"]

HIGHWAY = ("-c", "from pytest_highway.cli.main import main; main()")
LOOP = "import subprocess\nfor _ in range({}): subprocess.run(['true'], capture_output=True)"
STEPS = 100
# Sleeps of one round: seconds of each, side by side, and how many follow each other.
NAP, WIDTH, ROUNDS = 0.5, 8, 4


def highway_run(lab: Laboratory) -> Iterator[Reading]:
    """G11."""
    steps, naps = lab.size(STEPS), lab.size(WIDTH * ROUNDS)
    project = lab.project("command", partial(write_plans, steps=steps, naps=naps))
    arms = {
        "python": ("-c", "pass"),
        "version": (*HIGHWAY, "--version"),
        "help": (*HIGHWAY, "--help"),
        "loop": ("-c", LOOP.format(steps)),
        **{name: (*HIGHWAY, "run", f"{name}.yaml") for name in ("small", "chain", "naps")},
    }
    ended: dict[str, list[Process]] = {name: [] for name in arms}

    def run(name: str) -> float:
        process = finished(lab, project, *arms[name])
        ended[name].append(process)
        return process.wall

    walls = interleave(lab.rounds, [partial(run, name) for name in arms])
    costs = dict(zip(arms, walls, strict=True))
    note = f"python -c pass {median(each.cpu for each in ended['python']):.3f} s"
    for name, what in (("version", "--version"), ("help", "--help"), ("small", "run FILE")):
        cpu = tuple(each.cpu for each in ended[name][-lab.rounds :])
        yield Reading("G11", f"highway {what}, CPU", cpu, 0.3, "s", note)
        yield Reading("G11", f"highway {what}, beside all else", tuple(costs[name]), None, "s")
    rounds = zip(*(costs[name] for name in ("chain", "small", "loop", "python")), strict=True)
    over = tuple(_step_cost(*each, steps) for each in rounds)
    what = f"{steps} steps, what one costs over subprocess.run"
    yield Reading("G11", what, over, 10, "ms")
    width = min(WIDTH, naps)
    least = NAP * -(-naps // width)
    spent = zip(costs["naps"], costs["small"], strict=True)
    what = f"{naps} sleeps, {width} at a time / the least they take, start-up taken off"
    ratio = tuple(max(0.0, all_ - start) / least for all_, start in spent)
    yield Reading("G11", what, ratio, round(1 / 0.9, 3), note="1.111 x is 90 % efficiency")
    peak = max(each.peak for name in ("small", "chain", "naps") for each in ended[name])
    yield Reading("G11", "peak of the process", (peak,), 60, "MB")


def _step_cost(chain: float, small: float, loop: float, python: float, steps: int) -> float:
    """Milliseconds of a step without what the same commands cost in a loop; not below zero."""
    ours, bare = (chain - small) / max(1, steps - 1), (loop - python) / steps
    return max(0.0, (ours - bare) * 1e3)


def finished(lab: Laboratory, project: Path, *arguments: str) -> Process:
    """A finished process; raises `Broken` when it failed."""
    process = spawn(lab.highway, arguments, project)
    if process.status:
        raise Broken(process.tail or f"exit status {process.status}")
    return process


def write_plans(folder: Path, *, steps: int, naps: int) -> Path:
    """One step; a chain of them; sleeps that wait for nothing but each other's places."""
    folder.mkdir(parents=True)
    _write(folder / "small.yaml", "true", 1, chained=True)
    _write(folder / "chain.yaml", "true", steps, chained=True)
    _write(folder / "naps.yaml", f"sleep, '{NAP}'", naps, chained=False)
    return folder


def _write(file: Path, command: str, count: int, *, chained: bool) -> None:
    lines = [f"name: {file.stem}", f"max_concurrency: {WIDTH}", "tasks:"]
    for number in range(count):
        before = f"t{number - 1}" if chained and number else ""
        call = f"function: tools.command.run, args: [{command}], dependencies: [{before}]"
        lines.append(f"  t{number}: {{{call}}}")
    file.write_text("\n".join([*lines, ""]), "utf-8")
