"""Projects with goldens, for tests on how these are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from projects import BARE

GOLDEN = BARE + "tests:\n  happy: {expect: {transcript: golden}}\n"
SAID = 'say: tools.log.info("hello")\n  info: hello\nrun: success\n'
HAPPY = "workflows/golden/a.yaml/happy.log"
# Tools of a project's own; each notes its calls in a file.
TOOLS = """\
from pathlib import Path
from pytest_highway import tool

def note(name):
    with Path("calls").open("a") as file:
        print(name, file=file)

@tool("app.fine", effects="pure")
def fine() -> str:
    note("fine")
    return "fine"

@tool("app.words", effects="pure")
def words() -> str:
    return " ".join({"alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta"})

@tool("app.hashed", effects="pure")
def hashed() -> int:
    return hash("a text")

@tool("app.deploy", effects="write")
def deploy() -> str:
    note("deploy")
    return "deployed"

@tool("app.read", effects="read")
def read() -> str:
    note("read")
    return "read"
"""
INI = "[pytest]\npythonpath = .\nhighway_tools = app_tools\n"


def with_tools(**workflows: str) -> dict[str, str]:
    """The files of a project with the tools above and these workflows."""
    flows = {f"workflows/{name}.yaml": text for name, text in workflows.items()}
    return {"pytest.ini": INI, "app_tools.py": TOOLS, **flows}


def calling(tool: str, words: str = "") -> str:
    """A workflow that calls a tool, with one case, which expects another result."""
    return f"""\
name: w
tasks:
  a: {{function: {tool}, result_key: a}}
tests:
  case: {{{words}expect: {{results: {{a: x}}}}}}
"""


def tree(root: Path) -> dict[str, str]:
    """All workflow files and goldens, by path from `workflows`."""
    folder = root / "workflows"
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in paths}


def told(result: pytest.RunResult) -> list[str]:
    """The lines of a run's section on goldens."""
    lines = result.outlines
    start = next((at for at, line in enumerate(lines) if "= workflow goldens =" in line), None)
    if start is None:
        return []
    rest = lines[start + 1 :]
    end = next((at for at, line in enumerate(rest) if line.startswith("=")), len(rest))
    return [line for line in rest[:end] if line]
