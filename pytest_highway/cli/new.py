"""`highway new`: a workflow to begin with, and a first test that passes."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import click

from pytest_highway.cli.writing import place
from pytest_highway.errors import HighwayError

__all__ = ["new"]

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
FOLDER = Path("workflows")

TEMPLATE = """\
# A workflow: tasks, what each one waits for, and tests of it.
#
#   pytest {path}          run the tests
#   highway run {path}     run it for real
#   highway graph {path}   draw it
name: "{name}"

# What may be given anew: highway run {path} --var who=you
variables: {{who: world}}

tasks:
  # A task calls a tool; `highway tools` lists them all. What it gives is kept under `result_key`.
  greet:
    function: tools.command.run
    args: [echo, "hello, {{{{variables.who}}}}"]
    result_key: greeting

  # A condition takes one of two ways.
  is_long:
    operator_type: condition
    condition: (results.greeting.stdout | length) > 20
    if_true: warn
    if_false: tell
    dependencies: [greet]

  warn:
    function: tools.log.warning
    args: ["that is a long greeting"]

  tell:
    function: tools.log.info
    args: ["said: {{{{results.greeting.stdout}}}}"]

  # A join: it runs when the way that was taken has come to it.
  done:
    function: tools.log.info
    args: [done]
    dependencies: [warn, tell]

tests:
  # Each test runs in a world of its own: a stub answers for every tool with effects.
  short:
    description: a short greeting is only told
    stubs:
      greet: {{exit: 0, stdout: "hello, world"}}
    expect:
      status: success
      tasks: {{warn: skipped}}
      transcript:
        level: log
        lines: |
          info: said: hello, world
          info: done
"""


@click.command()
@click.argument("name")
def new(name: str) -> int:
    """Write a commented workflow with a first test.

    It is workflows/NAME.workflow.yaml; a file that is there already stays as it is.
    """
    if not NAME.fullmatch(name):
        raise HighwayError(f"{name!r} is no name; it has letters, digits and the signs _ . -")
    path = FOLDER / f"{name}.workflow.yaml"
    text = TEMPLATE.format(name=name, path=path.as_posix())
    is_first = not FOLDER.exists()
    try:
        FOLDER.mkdir(exist_ok=True)
        place(path, text)
    except OSError as error:
        if is_first:
            with suppress(OSError):
                FOLDER.rmdir()
        if not isinstance(error, FileExistsError):
            raise HighwayError(f"{path.as_posix()} cannot be written: {error.strerror}") from None
        there = path if FOLDER.is_dir() else FOLDER
        raise HighwayError(f"{there.as_posix()} is there already; it stays as it is") from None
    click.echo(f"{path.as_posix()} is written; run its test: pytest {path.as_posix()}")
    return 0
