"""Every example in README.md and docs/ does what the page says.

A page is a script. `<!-- file: NAME -->` before a fenced block writes the block to a file;
`<!-- append: NAME -->` adds to one; `<!-- replace: NAME -->` before a block of lines `- old`
and `+ new` changes one; a block marked `console` runs each of its `$ …` lines and compares what is
printed with the lines below it, where `...` stands for any lines and patterns are those of
transcripts. `<!-- setup: … -->` marks a block that is shown and not run. Pages are read from top to
bottom, each in a folder of its own that holds an empty pytest.ini.
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

from pytest_highway.matching.lines import compare_lines, split_lines

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EACH_PAGE = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)

BLOCK = re.compile(
    r"(?:^<!-- (?P<what>file|append|replace|setup): (?P<name>[^>\n]+?) -->\n+)?"
    r"^```(?P<language>\w*)\n(?P<body>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COMMENT = re.compile(r"^<!--.*", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NO_ANCHOR = re.compile(r"[^\w\- ]")

# What differs from machine to machine, or between versions of pytest, in pytest's own lines.
VOLATILE = (
    (re.compile(r"^={3,} (.+?) ={3,}$"), r"== \1 =="),
    (re.compile(r"^_{3,} (.+?) _{3,}$"), r"__ \1 __"),
    (re.compile(r"^-{3,} ?(.+?) ?-{3,}$"), r"-- \1 --"),
    (re.compile(r"^(==.+| *\d+ \w+.*) in [0-9.]+s\b"), r"\1"),
    (re.compile(r" +\[ *\d+%\]"), ""),
)

# Set in CI or by an outer pytest, and unknown to a reader at a terminal.
UNWANTED = (
    *("CI", "GITHUB_ACTIONS", "BUILD_NUMBER", "COVERAGE_PROCESS_START"),
    *("PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER"),
    # Every command would read and rewrite all modules of the plugin anew.
    "PYTHONDONTWRITEBYTECODE",
)
SETTINGS = {"COLUMNS": "100", "NO_COLOR": "1"}
# What other plugins do at the end of a run costs more than the run; none of it matters here.
WITHOUT = ("cacheprovider", "hypothesispytest", "cov", "anyio")
# Commands of a page that are Python, as those that run this test.
PYTHONS = {
    "pytest": (sys.executable, "-m", "pytest", *(f"-pno:{name}" for name in WITHOUT)),
    "python": (sys.executable,),
    "highway": (sys.executable, "-c", "from pytest_highway.cli.main import main; main()"),
}
ASSIGNMENT = re.compile(r"[A-Z_]+=")


@EACH_PAGE
def test_every_example_of_a_page_does_what_the_page_says(page: Path, tmp_path: Path) -> None:
    """All that differs is told, with the command that printed it."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    differences: list[str] = []
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        differences += perform(block, tmp_path)
    assert not differences, "\n\n".join(differences)


@EACH_PAGE
def test_every_comment_of_a_page_belongs_to_a_block(page: Path) -> None:
    """A marker with a typo would leave its block out."""
    text = page.read_text(encoding="utf-8")
    read = [block.start() for block in BLOCK.finditer(text) if block["what"]]
    assert [each.start() for each in COMMENT.finditer(text)] == read


@EACH_PAGE
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    """To a file of the project, and to a heading that the file has."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    broken = [
        link[0] for link in LINK.finditer(text) if not leads_somewhere(page, link[1], link[2])
    ]
    assert broken == []


def leads_somewhere(page: Path, name: str, anchor: str | None) -> bool:
    """Whether a file exists, and has the heading that GitHub gives this anchor."""
    file = page.parent / name if name else page
    if not file.exists():
        return False
    return not anchor or anchor in anchors(file.read_text(encoding="utf-8"))


def anchors(text: str) -> list[str]:
    """The anchors of a page's headings."""
    headings = HEADING.findall(BLOCK.sub("", text))
    return [NO_ANCHOR.sub("", each.lower()).replace(" ", "-") for each in headings]


def perform(block: re.Match[str], folder: Path) -> Iterator[str]:
    """Write what a block holds, or run it; yields what is printed otherwise than it says."""
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
            difference = compare_lines(steady(expected), steady(run(command, folder)))
            if difference is not None:
                yield f"$ {command}\n{chr(10).join(difference.diff)}"


def replace(file: Path, body: str) -> None:
    """Change some lines of a file that stand together, and only there."""
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
    """What a command prints; it may begin with variables of the environment, as in a shell."""
    words = shlex.split(command)
    given: dict[str, str] = {}
    while ASSIGNMENT.match(words[0]):
        name, _, value = words.pop(0).partition("=")
        given[name] = value
    words[:1] = PYTHONS.get(words[0], words[:1])
    environment = {name: value for name, value in os.environ.items() if name not in UNWANTED}
    done = subprocess.run(
        words,
        cwd=folder,
        env=environment | SETTINGS | given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return split_lines(done.stdout)


def steady(lines: list[str]) -> list[str]:
    """Lines without what differs from machine to machine, and without blank lines at the ends."""
    kept = []
    for line in lines:
        for pattern, text in VOLATILE:
            line = pattern.sub(text, line)
        kept.append(line.rstrip())
    while kept and not kept[-1]:
        kept.pop()
    return kept[next((number for number, line in enumerate(kept) if line), 0) :]
