"""Texts and projects that are measured: workflow files, test modules, graphs, hostile input.

Every workflow differs from its neighbours in names, URLs and texts, as real ones do, so that no
cache answers more often than it would for a user.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

__all__ = [
    "HOSTILE",
    "LOOPS",
    "SHAPES",
    "failing",
    "large_workflow",
    "many_cases",
    "sized_workflow",
    "small_workflow",
    "write_cases",
    "write_modules",
    "write_parametrized",
    "write_workflows",
]

SMALL = """\
name: health_NNNN
variables: {target: api-NNNN}
tasks:
  fetch:
    function: tools.fetch.get
    args: ["https://api.test/{{variables.target}}/health"]
    result_key: health
  check:
    operator_type: condition
    condition: "{{results.health.status}} == 200"
    if_true: report
    dependencies: [fetch]
  report:
    function: tools.log.info
    args: ["{{variables.target}} answers {{results.health.status}}"]
tests:
  healthy:
    stubs: {tools.fetch.get: {return: {status: 200, data: {version: NNNN}}}}
    expect:
      transcript: TRANSCRIPT
"""
SMALL_TRANSCRIPT = """\
fetch: tools.fetch.get("https://api.test/api-NNNN/health") -> health
check: 200 == 200 -> if_true: report
report: tools.log.info("api-NNNN answers 200")
  info: api-NNNN answers 200
run: success
"""

LARGE = """\
name: release_NNNN
version: 1.2.0
description: builds, looks at the open issues, and publishes or says why not
variables: {target: service-NNNN, threshold: 3}
defaults: {timeout: 5m, retry: 1}
output: "{{results.published.status | default(0)}}"
tasks:
  lint:
    function: tools.command.run
    args: [ruff, check, "{{variables.target}}"]
  build:
    function: tools.command.run
    args: [make, wheel]
    kwargs: {env: {TARGET: "{{variables.target}}"}}
    dependencies: [lint]
    result_key: build
    retry: {max_retries: 2, delay: 5s}
  issues:
    function: tools.fetch.get
    args: ["https://tracker.test/{{variables.target}}/open"]
    dependencies: [lint]
    result_key: issues
  is_releasable:
    operator_type: condition
    condition: "{{results.issues.data.count}} < {{variables.threshold}}"
    if_true: publish
    if_false: hold
    dependencies: [build, issues]
  publish:
    function: tools.fetch.post
    args: ["https://index.test/{{variables.target}}"]
    kwargs: {json: {wheel: "{{results.build.stdout}}"}}
    result_key: published
  hold:
    function: tools.log.warning
    args: ["{{results.issues.data.count}} issues are open"]
  announce:
    function: tools.log.info
    args: ["{{variables.target}} is done"]
    dependencies: [publish, hold]
  clean_up:
    function: tools.command.run
    args: [make, clean]
    finally: true
tests:
  released:
    description: few issues are open
    stubs:
      lint: {exit: 0}
      build: {exit: 0, stdout: service-NNNN.whl}
      clean_up: {exit: 0}
      tools.fetch.get: {return: {status: 200, data: {count: 1}}}
      tools.fetch.post: {return: {status: 201, data: {id: NNNN}}}
    expect:
      branches: {is_releasable: if_true}
      tasks: {publish: success, hold: skipped}
      calls: {tools.command.run: 3, tools.fetch.post: 1}
      transcript: TRANSCRIPT
"""
LARGE_TRANSCRIPT = """\
lint: tools.command.run("ruff", "check", "service-NNNN")
build: tools.command.run("make", "wheel", env={"TARGET": "service-NNNN"}) -> build
issues: tools.fetch.get("https://tracker.test/service-NNNN/open") -> issues
is_releasable: 1 < 3 -> if_true: publish
publish: tools.fetch.post("https://index.test/service-NNNN", json={"wheel": "service-NNNN.whl"}) \
-> published
hold: skipped (is_releasable chose publish)
announce: tools.log.info("service-NNNN is done")
  info: service-NNNN is done
clean_up: tools.command.run("make", "clean")
run: success
"""

CASE = """\
  healthy_NNNN:
    variables: {target: api-NNNN}
    stubs: {tools.fetch.get: {return: {status: 200, data: {version: NNNN}}}}
    expect: {transcript: golden}
"""

Text = Callable[[int], str]


def small_workflow(number: int, transcript: str | None = None) -> str:
    """A workflow of three tasks and one case, about 20 lines; `transcript` as in `_filled`."""
    return _filled(SMALL, number, SMALL_TRANSCRIPT if transcript is None else transcript)


def large_workflow(number: int) -> str:
    """A workflow of eight tasks and one case, about 60 lines, with an inline transcript."""
    return _filled(LARGE, number, LARGE_TRANSCRIPT)


def _filled(text: str, number: int, transcript: str) -> str:
    """A text for one number; `transcript` is the word `golden` or the lines of a block."""
    if transcript != "golden":
        lines = transcript.splitlines()
        transcript = "|\n" + "\n".join(f"        {line}" for line in lines)
    return _numbered(text.replace("TRANSCRIPT", transcript), number)


def _numbered(text: str, number: int) -> str:
    # Not 0001: a plain number whose text would change is no text.
    return text.replace("NNNN", str(1000 + number))


def many_cases(first: int, count: int) -> str:
    """A workflow with `count` golden cases, numbered from `first`."""
    head, _, _ = SMALL.partition("  healthy:")
    cases = "".join(_numbered(CASE, first + each) for each in range(count))
    return _numbered(head, first) + cases


# --- projects: each function fills a new folder -------------------------------------------------


def write_parametrized(folder: Path, count: int) -> Path:
    """`count` empty tests in one module."""
    folder.mkdir(parents=True)
    text = (
        "import pytest\n\n\n"
        f"@pytest.mark.parametrize('number', range({count}))\n"
        "def test_nothing(number):\n    pass\n"
    )
    folder.joinpath("test_empty.py").write_text(text, "utf-8")
    return folder


def write_modules(folder: Path, count: int) -> Path:
    """`count` modules with one empty test each."""
    folder.mkdir(parents=True)
    for number in range(count):
        text = f"def test_nothing_{number}():\n    pass\n"
        folder.joinpath(f"test_empty_{number}.py").write_text(text, "utf-8")
    return folder


def write_workflows(folder: Path, count: int, text: Text, *, golden: bool = False) -> Path:
    """`count` workflow files, with the golden file of each when its transcript is `golden`."""
    folder.mkdir(parents=True)
    for number in range(count):
        name = f"flow_{number}.workflow.yaml"
        folder.joinpath(name).write_text(text(number), "utf-8")
        if golden:
            _write_golden(folder, name, "healthy", number)
    return folder


def write_cases(folder: Path, count: int, files: int, *, wrong: bool = False) -> Path:
    """`count` golden cases in at most `files` files; `wrong` goldens differ in one line."""
    folder.mkdir(parents=True)
    share = -(-count // files)
    for first in range(0, count, share):
        name = f"flow_{first}.workflow.yaml"
        held = min(share, count - first)
        folder.joinpath(name).write_text(many_cases(first, held), "utf-8")
        for number in range(first, first + held):
            case = _numbered("healthy_NNNN", number)
            _write_golden(folder, name, case, number, wrong=wrong)
    return folder


def _write_golden(folder: Path, name: str, case: str, number: int, *, wrong: bool = False) -> None:
    text = _numbered(SMALL_TRANSCRIPT, number)
    golden = folder / "golden" / name / f"{case}.log"
    golden.parent.mkdir(parents=True, exist_ok=True)
    golden.write_text(failing(text) if wrong else text, "utf-8")


def failing(transcript: str) -> str:
    """A transcript that no run of its workflow gives: one line differs."""
    return transcript.replace("  info: ", "  info: not ")


# --- graphs of any size -------------------------------------------------------------------------


def _chain(count: int) -> Iterator[tuple[int, ...]]:
    for number in range(count):
        yield (number - 1,) if number else ()


def _fan(count: int) -> Iterator[tuple[int, ...]]:
    """A root, all others beside one another behind it, but for one that waits for all of them."""
    for number in range(count):
        yield tuple(range(1, number)) if number == count - 1 > 0 else (0,) if number else ()


WIDTH = 100


def _layered(count: int) -> Iterator[tuple[int, ...]]:
    """Layers of 100; each task waits for two of the layer before."""
    width = min(WIDTH, max(1, count // 3))
    for number in range(count):
        start = (number // width - 1) * width
        one, other = number % width, (number + 1) % width
        yield () if start < 0 else tuple(dict.fromkeys((start + one, start + other)))


# The tasks that each task waits for, by number; all of them come before it.
SHAPES: dict[str, Callable[[int], Iterator[tuple[int, ...]]]] = {
    "chain": _chain,
    "fan": _fan,
    "layered": _layered,
}


def sized_workflow(shape: str, count: int) -> str:
    """A workflow that makes `count` stubbed calls: a graph of so many tasks, or a loop."""
    return LOOPS[shape](count) if shape in LOOPS else _graph_workflow(shape, count)


def _graph_workflow(shape: str, count: int) -> str:
    """Each task reads a result of one that it waits for."""
    graph = list(SHAPES[shape](count))
    read = {upstream[0] for upstream in graph if upstream}
    tasks = "".join(
        _graph_task(number, upstream, is_read=number in read)
        for number, upstream in enumerate(graph)
    )
    return f"name: {shape}\ntasks:\n{tasks}{_tests()}"


def _tests(latency: str = "") -> str:
    return (
        "tests:\n  runs:\n    stubs: {tools.fetch.get: "
        f"{{return: {{status: 200, data: {{title: milk}}}}{latency}}}}}\n"
        "    expect: {status: success}\n"
    )


def _graph_task(number: int, upstream: tuple[int, ...], *, is_read: bool) -> str:
    key = f", result_key: r{number}" if is_read else ""
    task = f"  t{number}: {{function: tools.fetch.get{key}"
    if not upstream:
        return f"{task}, args: [/todos]}}\n"
    names = ", ".join(f"t{each}" for each in upstream)
    path = f"/todos/{{{{results.r{upstream[0]}.data.title}}}}"
    return f"{task}, args: ['{path}'], dependencies: [{names}]}}\n"


# --- loops and branches of any size -------------------------------------------------------------


def _foreach(count: int) -> str:
    items = ", ".join(map(str, range(count)))
    call = "{task_id: get, function: tools.fetch.get, args: ['/todos/{{item}}'], result_key: got}"
    return (
        f"name: foreach\nvariables: {{items: [{items}]}}\ntasks:\n  each:\n"
        f"    operator_type: foreach\n    items: '{{{{variables.items}}}}'\n"
        f"    loop_body: [{call}]\n{_tests()}"
    )


def _while(count: int) -> str:
    args = "['/todos/{{loop.index}}']"
    call = f"{{task_id: get, function: tools.fetch.get, args: {args}, result_key: got}}"
    return (
        "name: while\ntasks:\n  again:\n    operator_type: while\n"
        f"    condition: '{{{{loop.index}}}} <= {count}'\n    max_iterations: {count}\n"
        f"    loop_body: [{call}]\n{_tests()}"
    )


def _parallel(count: int) -> str:
    """All branches at once, at a bulkhead of 8; each call takes a second of virtual time."""
    branches = "".join(
        f"      b{number}: [{{task_id: get, function: tools.fetch.get, args: [/todos/{number}]}}]\n"
        for number in range(count)
    )
    return (
        "name: parallel\nmax_concurrency: 100\ntools: {tools.fetch.get: {max_concurrent: 8}}\n"
        f"tasks:\n  fan:\n    operator_type: parallel\n    branches:\n{branches}"
        f"{_tests(', after: 1s')}"
    )


# Operators that hold many tasks, each with one task a round or a branch.
LOOPS: dict[str, Text] = {"foreach": _foreach, "while": _while, "parallel": _parallel}


# --- hostile input ------------------------------------------------------------------------------


def _workflow(extra: str, argument: str = "hello") -> str:
    return (
        f"name: hostile\n{extra}tasks:\n"
        f"  say: {{function: tools.log.info, args: [{argument}]}}\n"
        "tests:\n  runs: {expect: {status: success}}\n"
    )


def _alias_bomb() -> str:
    lines = ["x-0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for level in range(1, 10):
        inner = ", ".join([f"*a{level - 1}"] * 10)
        lines.append(f"x-{level}: &a{level} [{inner}]")
    return _workflow("\n".join(lines) + "\n")


def _brackets() -> str:
    return _workflow(f"variables: {{deep: {'[' * 30_000}{']' * 30_000}}}\n")


def _parentheses() -> str:
    return _workflow("", f"'{{{{{'(' * 3_000}1{')' * 3_000}}}}}'")


def _product() -> str:
    return _workflow("", "\"{{'x' * 100000000}}\"")


HOSTILE: dict[str, Callable[[], str]] = {
    "alias bomb": _alias_bomb,
    "30,000 nested brackets": _brackets,
    "3,000 parentheses": _parentheses,
    "100 MB string product": _product,
}
