"""What is measured inside one process: `python worker.py PROBE [ARGUMENT …]` prints JSON.

    engine SHAPE TASKS LEAST ROUNDS  ratios of a run, and of compile and run, to a graphlib loop,
                                     or to a loop in Python for what loops itself
    loading FILES ROUNDS             ratios of loading 60-line files to `CSafeLoader` alone
    growth SHAPE LEAST SIZE …        seconds by stage and size, from a file to its transcript
    items FOLDER                     bytes that are held when collection has ended
    hostile NAME                     seconds, the error's first line, and peak memory
    modules FOLDER                   modules that a whole run of pytest has imported

Costs are CPU seconds of the process. The garbage collector stays as users have it: on. A figure of
a small graph is taken over as many runs as make LEAST tasks, so that it stands out of the noise.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import resource
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from time import process_time

import pytest
from projects import HOSTILE, LOOPS, SHAPES, large_workflow, sized_workflow
from readings import interleave, ratios

# Everything of the package, and yaml, is imported by the probe that needs it: `modules` and
# `items` measure what a run of pytest brings along by itself.

__all__: list[str] = []

ROOM = 100_000_000  # bytes of a file; 100,000 tasks take more than the usual bound


def cost(subject: Callable[[], object], times: int = 1) -> float:
    """CPU seconds of one call, over so many; rubbish of earlier ones is gone before."""
    gc.collect()
    before = process_time()
    for _ in range(times):
        subject()
    return (process_time() - before) / times


def probe_engine(shape: str, tasks: str, least: str, rounds: str) -> object:
    """How a run compares with the least that could run the same graph in the same order."""
    from pytest_highway.cases.checks import check_case
    from pytest_highway.cases.declarations import Case, read_cases
    from pytest_highway.cases.declared import Declared
    from pytest_highway.cases.simulation import run_case
    from pytest_highway.planning.checks import check_plan
    from pytest_highway.planning.compiler import compile_plan
    from pytest_highway.planning.plan import Plan
    from pytest_highway.reading.document import parse
    from pytest_highway.reading.models import Workflow
    from pytest_highway.reading.validation import validate_model
    from pytest_highway.tools import discover

    count = int(tasks)
    times = max(1, int(least) // count)
    registry = discover(())
    document = parse(sized_workflow(shape, count), "graph.yaml", max_bytes=ROOM)
    workflow, _ = validate_model(Workflow, document.data, document)
    assert workflow is not None
    (case,), _ = read_cases(document)
    yardstick = _yardstick(shape, count)

    def compiled() -> Plan:
        plan, _ = compile_plan(document, workflow, registry)
        check_plan(plan)
        return plan

    plan = compiled()
    declared = Declared.by(document)
    assert declared is not None
    declared.plan = plan
    # As after collection: its stubs have been compiled with the file.
    checked, _ = check_case(case, declared, registry)

    def run(plan: Plan, case: Case) -> None:
        result = run_case(case, plan, registry).result
        assert result.status == "success"
        assert len(result.calls) == count
        assert len(result.transcript()) > count

    arms = (
        lambda: cost(yardstick, times),
        lambda: cost(lambda: run(plan, checked), times),
        lambda: cost(lambda: run(compiled(), case), times),
    )
    base, ran, both = interleave(int(rounds), arms)
    return {
        "run": ratios(ran, base),
        "both": ratios(both, base),
        "base": [each / count for each in base],
    }


def _yardstick(shape: str, count: int) -> Callable[[], object]:
    """The least that could do the same."""
    if shape in LOOPS:
        return lambda: [answer(number) for number in range(count)]
    upstream = dict(enumerate(SHAPES[shape](count)))
    return lambda: loop(upstream)


def loop(upstream: dict[int, tuple[int, ...]]) -> dict[int, object]:
    """Graphlib's own loop, and a function that is called for each task."""
    results: dict[int, object] = {}
    sorter = TopologicalSorter(upstream)
    sorter.prepare()
    while sorter.is_active():
        for each in sorter.get_ready():
            results[each] = answer(each)
            sorter.done(each)
    return results


def answer(number: int) -> object:
    """What stands in for a tool."""
    return number


def probe_loading(files: str, rounds: str) -> object:
    """Files to plans and cases, against the same texts to bare data."""
    import yaml

    from pytest_highway.loading import load_file
    from pytest_highway.tools import discover

    registry = discover(())
    texts = [large_workflow(number) for number in range(int(files))]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.workflow.yaml") for number in range(len(texts))]
        for file, text in zip(paths, texts, strict=True):
            file.write_text(text, "utf-8")
        arms = (
            lambda: cost(lambda: [yaml.load(text, yaml.CSafeLoader) for text in texts]),
            lambda: cost(lambda: [load_file(file, file.name, registry) for file in paths]),
        )
        base, loaded = interleave(int(rounds), arms)
    return {"load": ratios(loaded, base), "base": [each / len(texts) for each in base]}


def probe_growth(shape: str, least: str, *sizes: str) -> object:
    """Seconds from text to transcript for each size, smallest first, and peak memory."""
    found = {size: _end_to_end(shape, int(size), int(least)) for size in sizes}
    return {"seconds": found, "peak": peak()}


def _end_to_end(shape: str, count: int, least: int) -> dict[str, float]:
    from pytest_highway.cases.simulation import run_case
    from pytest_highway.loading import load_file
    from pytest_highway.tools import discover

    times = max(1, least // count)
    spent = {"load": 0.0, "run": 0.0, "transcript": 0.0}
    registry = discover(())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "graph.workflow.yaml")
        file.write_text(sized_workflow(shape, count), "utf-8")
        gc.collect()
        for _ in range(times):
            moments = [process_time()]
            loaded = load_file(file, file.name, registry, max_bytes=ROOM)
            moments.append(process_time())
            result = run_case(loaded.cases[0], loaded.plan, registry).result
            moments.append(process_time())
            assert len(result.transcript()) > count
            moments.append(process_time())
            for number, stage in enumerate(spent):
                spent[stage] += (moments[number + 1] - moments[number]) / times
    return spent


def peak() -> float:
    """The largest resident size of this process so far, in MB."""
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used / 1e6 if sys.platform == "darwin" else used / 1e3


class Held:
    """A plugin that notes how much is held when collection has ended."""

    bytes = 0
    items = 0

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Measure, and let the run go on (it only lists)."""
        gc.collect()
        self.bytes = tracemalloc.get_traced_memory()[0]
        self.items = len(session.items)


def probe_items(folder: str) -> object:
    """Bytes of all that Python allocated and still holds, and the number of items."""
    held = Held()
    tracemalloc.start()
    with quiet():
        pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", folder], plugins=[held])
    return {"bytes": held.bytes, "items": held.items}


def probe_modules(folder: str) -> object:
    """Names of the imported modules that do not belong to Python."""
    with quiet():
        status = pytest.main(["-q", "-p", "no:cacheprovider", folder])
    names = sorted({name for name in sys.modules if _is_foreign(name)})
    return {"status": int(status), "modules": names}


def _is_foreign(name: str) -> bool:
    return name.partition(".")[0] not in sys.stdlib_module_names


def probe_hostile(name: str) -> object:
    """What comes of a hostile file: how long until its error, and the error."""
    from pytest_highway.cases.simulation import run_case
    from pytest_highway.errors import SourceError
    from pytest_highway.loading import load_file
    from pytest_highway.tools import discover

    registry = discover(())
    with tempfile.TemporaryDirectory() as folder:
        kind = Path(folder, "kind.workflow.yaml")
        kind.write_text(large_workflow(1), "utf-8")
        load_file(kind, kind.name, registry)
        file = Path(folder, "hostile.workflow.yaml")
        file.write_text(HOSTILE[name](), "utf-8")
        before = process_time()
        try:
            loaded = load_file(file, file.name, registry)
            error = run_case(loaded.cases[0], loaded.plan, registry).result.error
            said = "" if error is None else f"{error.task}: {error}"
        except SourceError as fault:
            said = str(fault)
        seconds = process_time() - before
    return {"seconds": seconds, "said": said.partition("\n")[0], "peak": peak()}


def probe_diff(lines: str, rounds: str) -> object:
    """Seconds until the difference of so many slightly different lines is a text."""
    from pytest_highway.cases.expectations import HEADS
    from pytest_highway.matching.lines import compare_lines

    one, other = (
        [f'task_{number}: tools.log.info("{word} {number}")' for number in range(int(lines))]
        for word in ("left", "right")
    )

    def compare() -> None:
        found = compare_lines(one, other, "exact", HEADS["tasks"])
        assert found is not None
        assert len(found.hunks) == len(one)

    compare()
    return {"seconds": [cost(compare) for _ in range(int(rounds))]}


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Standard output belongs to the answer alone."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


PROBES: dict[str, Callable[..., object]] = {
    "engine": probe_engine,
    "loading": probe_loading,
    "growth": probe_growth,
    "items": probe_items,
    "modules": probe_modules,
    "hostile": probe_hostile,
    "diff": probe_diff,
}

if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]](*sys.argv[2:])))
