"""docs/reference.md and what `--help` says name the same options.

An option of a command stands in the section of that command, or in what is said of all commands;
one of a subcommand of `highway history` in its row there.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from pytest_highway.cli.main import COMMANDS, commands

PAGE = (Path(__file__).parent.parent / "docs" / "reference.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^#{2,3} (.+)\n((?:(?!#{2,3} ).*\n)*)", re.MULTILINE)
SECTIONS = dict(SECTION.findall(PAGE))
OPTION = re.compile(r"(?<![\w<./-])--?[a-z][a-z-]*")
OURS = re.compile(r"--highway-[a-z-]*[a-z]")
INI = re.compile(r"^  (highway_\w+) \(", re.MULTILINE)
ROW_OF_INI = re.compile(r"^\| `(highway_\w+)` \|", re.MULTILINE)
CODE = re.compile(r"`[^`\n]+`")

# Three commands share a section; all others have one of their own.
SHARED = dict.fromkeys(("pending", "accept", "review"), "Pending changes")


def leaves() -> dict[str, click.Command]:
    """Every command that does something, by its words: `history list`."""
    context = click.Context(commands)
    found: dict[str, click.Command] = {}
    for name in COMMANDS:
        command = commands.get_command(context, name)
        below = getattr(command, "commands", {"": command})
        found.update({f"{name} {word}".strip(): each for word, each in below.items()})
    return found


LEAVES = leaves()


def options_of(command: click.Command) -> set[str]:
    """All names of its options."""
    return {
        name
        for each in command.params
        if isinstance(each, click.Option)
        for name in (*each.opts, *each.secondary_opts)
    }


def said_of(words: str) -> str:
    """What the page says of a command, and of all commands."""
    name, _, below = words.partition(" ")
    section = SECTIONS[SHARED.get(name, f"highway {name}")]
    rows = [row for row in section.splitlines() if f"`{below}" in row.partition(" | ")[0]]
    return SECTIONS["Commands"] + ("\n".join(rows) if below else section)


@pytest.fixture(scope="module")
def help_of_pytest(tmp_path_factory: pytest.TempPathFactory) -> str:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "--help"],
        cwd=tmp_path_factory.mktemp("empty"),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


@pytest.mark.parametrize("words", LEAVES)
def test_every_option_of_a_command_stands_in_its_part_of_the_page(words: str) -> None:
    named = set(OPTION.findall(said_of(words)))
    assert options_of(LEAVES[words]) - named == set()


def test_every_option_that_the_page_gives_to_commands_is_one(help_of_pytest: str) -> None:
    """One of a command or of pytest; whatever was taken away or renamed is told here."""
    titles = ["Commands", *SHARED.values(), *(f"highway {name}" for name in COMMANDS)]
    text = " ".join(CODE.findall("\n".join(SECTIONS.get(title, "") for title in titles)))
    known = set[str]().union({"--version", "-h", "--help"}, *map(options_of, LEAVES.values()))
    assert set(OPTION.findall(text)) - known - set(OURS.findall(help_of_pytest)) == set()


def test_every_option_of_the_plugin_stands_in_its_table(help_of_pytest: str) -> None:
    assert set(OURS.findall(help_of_pytest)) - set(OURS.findall(SECTIONS["Options"])) == set()


def test_every_option_of_the_plugin_that_the_page_names_is_one(help_of_pytest: str) -> None:
    assert set(OURS.findall(PAGE)) - set(OURS.findall(help_of_pytest)) == set()


def test_the_settings_of_the_configuration_are_those_of_the_table(help_of_pytest: str) -> None:
    assert sorted(ROW_OF_INI.findall(SECTIONS["Options"])) == sorted(INI.findall(help_of_pytest))
