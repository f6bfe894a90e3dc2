"""The entry point of the `highway` command.

    exit codes    0 success · 1 failed · 2 bad input · 130 interrupted

A subcommand stands in a module of its own, which is imported when it is called: neither
`highway --version` nor `highway --help` must wait for what `highway run` needs. A row of
`COMMANDS` is all that makes a command known.
"""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from errno import ENOENT
from importlib import import_module
from typing import NamedTuple, cast

import click

from pytest_highway.cli.streams import give_up_output, open_streams, tell
from pytest_highway.errors import HighwayError, did_you_mean
from pytest_highway.reading.collector import collector_paused

__all__ = ["BAD_INPUT", "FAILED", "INTERRUPTED", "main"]

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130


class Home(NamedTuple):
    """Where a subcommand stands, `module:function` below this package, and its line of help."""

    place: str
    line: str


COMMANDS: dict[str, Home] = {
    "run": Home("run:run", "Run a workflow, or a plan of steps, for real."),
    "validate": Home("validate:validate", "Tell every error and warning of workflow files."),
    "graph": Home("graph:graph", "Draw a workflow."),
    "tools": Home("tools:tools", "List the tools that tasks can call."),
    "schema": Home("schema:schema", "Print the JSON Schema of workflow or test files."),
    "new": Home("new:new", "Write a commented workflow with a first test."),
    "convert": Home("convert:convert", "Write a file of highway-dsl in our language."),
    "history": Home("history:history", "Look up, compare, export and prune runs."),
    "pending": Home("pending:pending", "List what the last run of pytest would have written."),
    "accept": Home(
        "accept:accept_pending", "Write what the last run of pytest saw, without running again."
    ),
    "review": Home("review:review", "Walk through what the last run of pytest would have written."),
}


class Commands(click.Group):
    """The subcommands of the table, in its order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them, imported now; nothing for a name that is none."""
        home = COMMANDS.get(cmd_name)
        if home is None:
            return None
        module, _, name = home.place.partition(":")
        with collector_paused(True):
            imported = import_module(f"{__package__}.{module}")
        return cast("click.Command", getattr(imported, name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the words begin with; UsageError with a near name for none."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"No such command {name!r}{did_you_mean(name, COMMANDS) or '.'}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Their lines of help, by the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, home.line) for name, home in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pytest-highway", prog_name="highway")
def commands() -> None:
    """Run, check, draw and look up workflows."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with its exit code.

    What a command raises as HighwayError is the user's to mend: it is printed as it stands, without
    a traceback, and so is what the system refuses.
    """
    open_streams()
    is_own_process = arguments is None
    try:
        code = commands.main(arguments, prog_name="highway", standalone_mode=False)
    except click.ClickException as error:
        with suppress(OSError):
            error.show()
        code = BAD_INPUT
    except HighwayError as error:
        tell(str(error))
        code = BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        tell("interrupted")
        code = INTERRUPTED
    except OSError as error:
        code = _refused(error)
    if is_own_process:
        gc.freeze()  # Python's last look at all that was imported outlasts most commands.
    sys.exit(code if isinstance(code, int) else 0)


def _refused(error: OSError) -> int:
    """Tell what the system refused, and give the exit code for it."""
    if error.filename is None and error.errno != ENOENT:
        # Nothing else that commands do has no name: the output could not be written.
        give_up_output(error)
        return FAILED
    what = "the working directory" if error.filename is None else repr(error.filename)
    tell(f"{what}: {error.strerror}")
    return BAD_INPUT
