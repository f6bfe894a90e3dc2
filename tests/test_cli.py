"""The `highway` command as a whole: what it is, and how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest

from pytest_highway.cli import main as module
from pytest_highway.cli.main import commands, main
from pytest_highway.errors import HighwayError


def highway(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    code = f"{before}from pytest_highway.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_help_names_every_command_with_its_own_first_line() -> None:
    """The lines stand in the table, so that help imports no command; they may not differ."""
    result = highway("--help")
    assert result.returncode == 0
    listed = result.stdout.partition("Commands:")[2].split("\n")[1:]
    shown = [each.split(maxsplit=1) for each in listed if each]
    context = click.Context(commands)
    own = {name: commands.get_command(context, name) for name in module.COMMANDS}
    assert shown == [
        [name, each.get_short_help_str(limit=100)] for name, each in own.items() if each
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("histroy", "No such command 'histroy'; did you mean 'history'?"),
        ("xyz", "No such command 'xyz'."),
    ],
)
def test_a_command_that_is_none_is_told_with_a_near_one(name: str, told: str) -> None:
    result = highway(name)
    assert (result.returncode, told in result.stderr) == (2, True)


FLOW = "name: small\ntasks:\n  say: {function: tools.log.info, args: [hi]}\n"
# What some commands need and others must not wait for.
MODELS = {"pydantic", "yaml", "sqlite3"}
SELDOM = {"pytest", "rich", "asyncio", "httpx", "respx", "redis", "filelock", "jsonschema"}


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--version"], MODELS | SELDOM),
        (["--help"], MODELS | SELDOM),
        (["validate", "small.yaml"], SELDOM),
        (["graph", "small.yaml"], SELDOM),
        (["run", "small.yaml", "--no-history"], SELDOM | {"sqlite3"}),
        (["run", "small.yaml"], SELDOM),
    ],
    ids=["version", "help", "validate", "graph", "run without history", "run"],
)
def test_a_command_imports_only_what_it_needs(
    arguments: list[str],
    unwanted: set[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Start-up is felt with every call, and imports are nearly all of it."""
    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text(FLOW)
    shows = (
        "import atexit, sys; there = {*sys.modules};"
        "atexit.register(lambda: print('loaded', *({*sys.modules} - there)));"
    )
    result = highway(*arguments, before=shows)
    *_, loaded = result.stdout.splitlines()
    assert (result.returncode, loaded.split()[0]) == (0, "loaded"), result.stderr
    assert unwanted & set(loaded.split()) == set()


def test_an_unknown_command_is_bad_input() -> None:
    result = highway("rnu")
    assert (result.returncode, "No such command 'rnu'" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("raised", "code", "shown"),
    [
        (HighwayError("a.yaml:1:1: what is wrong"), 2, "a.yaml:1:1: what is wrong\n"),
        (
            click.UsageError("--parallel: 0 is less than 1"),
            2,
            "Error: --parallel: 0 is less than 1\n",
        ),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_an_exception_ends_the_command_without_a_traceback(
    raised: BaseException,
    code: int,
    shown: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise raised

    monkeypatch.setattr(commands, "main", broken)
    with pytest.raises(SystemExit) as ended:
        main([])
    assert (ended.value.code, capsys.readouterr().err) == (code, shown)
