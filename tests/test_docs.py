"""Every example in README.md and docs/ does what the page says.

A page is a script. `<!-- file: NAME -->` before a fenced block writes the block to a file;
`<!-- append: NAME -->` adds to one; `<!-- replace: NAME -->` before a block of two lines `- old`
and `+ new` changes one; a block marked `console` runs each of its `$ …` lines and compares what is
printed with the lines below it, where `...` stands for any lines and patterns are those of
transcripts. Pages are read from top to bottom, each in an empty folder of its own.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_highway.lines import compare_lines, split_lines

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- (?P<what>file|append|replace|setup): (?P<name>[^>]+?) -->\n+)?"
    r"^```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
# What differs from machine to machine in pytest's own lines.
VOLATILE = (
    (re.compile(r"=+ (.+?) in [0-9.]+s =+"), r"== \1 =="),
    (re.compile(r"={3,} (.+?) ={3,}"), r"== \1 =="),
    (re.compile(r"_{3,} (.+?) _{3,}"), r"__ \1 __"),
    (re.compile(r"-{3,} (.+?) -{3,}"), r"-- \1 --"),
    (re.compile(r" +\[ *\d+%\]"), ""),
    (re.compile(r" in [0-9.]+s$"), ""),
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_example_of_a_page_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        perform(block, tmp_path)


def perform(block: re.Match[str], folder: Path) -> None:
    """Write what a block holds, or run it and compare."""
    body = block["body"]
    if block["what"] == "replace":
        replace(folder / block["name"], body)
    elif block["what"] in ("file", "append"):
        file = folder / block["name"]
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text(encoding="utf-8") if block["what"] == "append" else ""
        file.write_text(before + body, encoding="utf-8")
    elif block["language"] == "console" and block["what"] != "setup":
        for command, expected in commands(body):
            actual = run(command, folder)
            difference = compare_lines(steady(expected), steady(actual))
            assert difference is None, f"$ {command}\n{difference.render(None)}"


def replace(file: Path, body: str) -> None:
    """Change one line of a file, or some."""
    text = file.read_text(encoding="utf-8")
    old = "".join(line[2:] + "\n" for line in body.splitlines() if line.startswith("- "))
    new = "".join(line[2:] + "\n" for line in body.splitlines() if line.startswith("+ "))
    assert text.count(old) == 1, f"{file.name} holds {old!r} {text.count(old)} times"
    file.write_text(text.replace(old, new), encoding="utf-8")


def commands(body: str) -> Iterator[tuple[str, list[str]]]:
    """Each command of a console block with the lines that it is said to print."""
    command, printed = "", list[str]()
    for line in split_lines(body):
        if line.startswith("$ "):
            if command:
                yield command, printed
            command, printed = line[2:], []
        else:
            printed.append(line)
    if command:
        yield command, printed


def run(command: str, folder: Path) -> list[str]:
    """What a command prints; `pytest` and `python` are those that run this test."""
    words = shlex.split(command)
    while words and "=" in words[0]:
        words.pop(0)
    if words[0] == "pytest":
        words[:1] = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no"]
    elif words[0] == "python":
        words[0] = sys.executable
    environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    environment |= {"COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= dict(re.findall(r"(?:^|\s)([A-Z_]+)=(\S+)", command.partition("pytest")[0]))
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    return split_lines(done.stdout + done.stderr)


# Set in CI or by an outer pytest, and unknown to a reader at a terminal.
UNWANTED = ("CI", "PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "COVERAGE_PROCESS_START")


def steady(lines: list[str]) -> list[str]:
    """Lines without what differs from machine to machine."""
    kept = []
    for line in lines:
        for pattern, text in VOLATILE:
            line = pattern.sub(text, line)
        kept.append(line.rstrip())
    while kept and not kept[-1]:
        kept.pop()
    return kept
