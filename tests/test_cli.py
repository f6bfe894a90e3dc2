"""The `highway` command as a whole: what it is, and how it ends."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest

from pytest_highway.cli import main as module
from pytest_highway.cli.main import commands, main
from pytest_highway.errors import HighwayError


def highway(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from pytest_highway.cli.main import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_help_names_every_command_with_one_line() -> None:
    result = highway("--help")
    assert result.returncode == 0
    listed = result.stdout.partition("Commands:")[2].splitlines()[1:]
    assert [line.split()[0] for line in listed if len(line.split()) > 1] == list(module.COMMANDS)


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
