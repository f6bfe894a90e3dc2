"""Measure the goals of speed and print one table: `python benchmarks/run.py [G1 G4 …]`.

Needs the development environment (pytest, pydantic, PyYAML). Figures are ratios of CPU time,
taken in interleaved rounds; a noisy machine widens their spread and hardly moves their median.
The exit status says whether everything could be measured, never whether a goal was met.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from goals import GOALS, Laboratory, measure
from readings import Reading, render_table

__all__ = ["main"]

DESCRIPTION = "Measure the goals of speed and print one table."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 0, or 1 when something could not be measured."""
    options = _parser().parse_args(arguments)
    names = options.goals or list(GOALS)
    readings: list[Reading] = []
    with tempfile.TemporaryDirectory(prefix="highway-bench-") as folder:
        laboratory = Laboratory(Path(folder), options.rounds, options.scale, options.long)
        for name in names:
            print(f"measuring {name}", file=sys.stderr, flush=True)
            readings += measure(name, laboratory)
    if options.json:
        print(json.dumps([each.as_data() for each in readings], indent=1))
    else:
        print(render_table(readings))
    return int(any(not each.values for each in readings))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=DESCRIPTION)
    names = ", ".join(GOALS)
    parser.add_argument(
        "goals", nargs="*", metavar="GOAL", type=_goal, help=f"of {names}; all by default"
    )
    parser.add_argument("--rounds", type=_count, default=7, help="interleaved rounds (default 7)")
    parser.add_argument(
        "--scale", type=_scale, default=1.0, help="factor on all sizes, for a quick look"
    )
    parser.add_argument("--long", action="store_true", help="G6 with 10,000 files, too")
    parser.add_argument("--json", action="store_true", help="print data in place of the table")
    return parser


def _goal(text: str) -> str:
    # Not argparse's `choices`: with `nargs="*"` that refuses the empty default.
    if text not in GOALS:
        raise argparse.ArgumentTypeError(f"unknown goal {text!r}; there are {', '.join(GOALS)}")
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds; at least 1")
    return int(text)


def _scale(text: str) -> float:
    with contextlib.suppress(ValueError):
        if 0 < float(text) <= 1:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no scale; above 0, at most 1")


if __name__ == "__main__":
    sys.exit(main())
