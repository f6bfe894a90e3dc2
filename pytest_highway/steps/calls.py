"""The call that a step makes: a built-in process tool, or the tool that it names.

    run          tools.shell.run(text)                 the shell expands `${name}`
    command      tools.command.run(program, word, …)   `${name}` is filled in, in each word
    powershell   tools.powershell.run(text)
    python       tools.python.run(code)  (module=, args=)  (file=, args=)
    tool         the tool(*args, **kwargs)             `${name}` is filled in, as above

A process finds the context in its environment, with the outputs that its text reads; the step's
own `env`, an argument of the call, lies over both. So no value is ever a part of what a shell or
Python reads as code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pytest_highway.errors import HighwayError
from pytest_highway.planning.plan import Loc, ReportFault
from pytest_highway.reading.translated import Moves
from pytest_highway.steps.arguments import as_literal, cut, filled
from pytest_highway.steps.doing import Doing, Said
from pytest_highway.steps.names import Names
from pytest_highway.steps.shell_reads import (
    ShellRead,
    is_set_in,
    is_set_in_powershell,
    powershell_reads,
    shell_reads,
)
from pytest_highway.steps.shells import OUTPUT_FILE
from pytest_highway.toolbox.process import PROCESS_TOOLS

__all__ = ["StepCall", "call_of"]

# What a shell sets, or a login; none of them need be declared to be read.
OF_THE_SHELL = frozenset(
    [
        *("HOME", "PATH", "PWD", "OLDPWD", "USER", "LOGNAME", "SHELL", "TMPDIR", "TERM", "LANG"),
        *("LC_ALL", "IFS", "PPID", "OPTARG", "OPTIND", "PS1", "PS4", "RANDOM", "SECONDS", "LINENO"),
        *("HOSTNAME", "UID", "EUID", "REPLY", "COLUMNS", "LINES", "BASH_SOURCE", "BASH_VERSION"),
        *("BASH_REMATCH", "FUNCNAME", "PIPESTATUS", OUTPUT_FILE),
    ]
)


@dataclass(slots=True)
class StepCall:
    """What becomes of a step's words: `function`, `args`, `kwargs` and `env` of a task.

    `places` lead from each of them to where it was written, below the task and in the file.
    """

    function: str
    args: list[object] = field(default_factory=list)
    kwargs: dict[str, object] = field(default_factory=dict)
    env: dict[str, object] = field(default_factory=dict)
    places: Moves = field(default_factory=Moves)


def call_of(step: str, doing: Doing, names: Names, fault: ReportFault) -> StepCall:
    """The call of the step with this id; what cannot be read is reported, and left as it is."""
    return _Writer(step, doing, names, fault).write()


class _Writer:
    """Writes one call; `own` is the step's `env` with its names filled in."""

    def __init__(self, step: str, doing: Doing, names: Names, fault: ReportFault) -> None:
        self.step = step
        self.doing = doing
        self.names = names
        self.fault = fault
        self.own: dict[str, str] = {}
        self.call = StepCall("")

    def write(self) -> StepCall:
        doing, call = self.doing, self.call
        self._own_env()
        KINDS[doing.kind](self)
        if "cwd" in doing.more:
            call.kwargs["cwd"] = self._filled(doing.more["cwd"])
            self._at(("kwargs", "cwd"), doing.more["cwd"].loc)
        if call.function in PROCESS_TOOLS:
            # The whole context, as a shell expects it; what the text reads besides comes on top.
            exported = {name: self._template(name) for name in self.names.exported()}
            call.env = {**exported, **call.env}
            if self.own:
                call.kwargs["env"] = dict(self.own)  # As an argument, which a test can look at.
        else:
            call.env.update(self.own)
        self._further_kwargs()
        return call

    def _further_kwargs(self) -> None:
        kwargs = self.doing.more.get("kwargs")
        if kwargs is None:
            return
        self._at(("kwargs",), kwargs.loc)
        for word, value in _mapping(self._filled(kwargs)).items():
            if word in self.call.kwargs:
                message = f"{word!r} is said by the step itself as well; give one of them"
                self.fault((*kwargs.loc, word), message, key=True)
            else:
                self._at(("kwargs", word), (*kwargs.loc, word))
                self.call.kwargs[word] = value

    def _at(self, loc: Loc, written: Loc) -> None:
        self.call.places.places[loc] = written

    def _own_env(self) -> None:
        env = self.doing.more.get("env")
        for name, text in _mapping(env.value).items() if env is not None else ():
            assert env is not None
            place = (*env.loc, name)
            self._at(("env", name), place)
            self._at(("kwargs", "env", name), place)
            # A step that set it would hand on nothing.
            if name == OUTPUT_FILE:
                self.fault(place, f"{OUTPUT_FILE!r} is set for each step", key=True)
            self.own[name] = str(self._filled(Said(text, place), self._outer))

    # --- names -----------------------------------------------------------------------------------

    def _template(self, name: str) -> str:
        """A name of the context as a template, whatever else has that name."""
        return "{{" + f"variables.{name}" + "}}"

    def _outer(self, name: str) -> str:
        """What a name stands for around the step's own `env`."""
        return "{{" + self.names.expression(name, self.step) + "}}"

    def _inner(self, name: str) -> str:
        return self.own[name] if name in self.own else self._outer(name)

    def _filled(self, said: Said, meaning: Callable[[str], str] | None = None) -> object:
        try:
            return filled(said.value, meaning or self._inner)
        except HighwayError as error:
            self.fault(said.loc, str(error))
            return _emptied(said.value)

    # --- kinds -----------------------------------------------------------------------------------

    def _shell(self) -> None:
        text = self._code("tools.shell.run")
        for read in shell_reads(text):
            self._read(read, is_set=lambda name: is_set_in(text, name))
        if self.doing.shell is not None and self.doing.shell != "sh":
            self.call.kwargs["shell"] = self.doing.shell

    def _powershell(self) -> None:
        text = self._code("tools.powershell.run")
        for read, of_environment in powershell_reads(text):
            name = read.name
            known = name in self.own or self.names.is_known(name)
            if of_environment:
                self._read(read, is_set=lambda _: False)
            elif not is_set_in_powershell(text, name):
                hint = f"; in PowerShell write ${{env:{name}}}" if known else ""
                message = f"'${{{name}}}' is a variable that nothing here sets{hint}"
                self.fault(self.doing.what.loc, message)

    def _code(self, function: str) -> str:
        """Take what is run as code, which nothing is filled into."""
        what = self.doing.what
        text = str(what.value)
        self.call.function = function
        self.call.args = [as_literal(text)]
        self._at(("args",), what.loc)
        self._at(("args", 0), what.loc)
        return text

    def _read(self, read: ShellRead, is_set: Callable[[str], bool]) -> None:
        """Hold what a text reads against what is known; an output enters its environment."""
        name, loc = read.name, self.doing.what.loc
        if read.hyphened in self.names.context and not self.names.is_known(name):
            self.fault(
                loc,
                f"a shell reads '${{{read.hyphened}}}' as {name!r} with a default; rename "
                f"{read.hyphened!r} in the context, or hand it over by 'env' under another name",
            )
        if name in self.own or name in OF_THE_SHELL:
            return
        must_be_known = read.braced and not is_set(name)
        if self.names.is_known(name):
            self._read_known(read, is_set(name), must_be_known)
        elif must_be_known and not read.guarded:
            self.fault(loc, self.names.unknown(name, list(self.own)))

    def _read_known(self, read: ShellRead, is_set: bool, must_be_known: bool) -> None:
        """An output enters the environment; the context is there already."""
        name, loc = read.name, self.doing.what.loc
        try:
            expression = self.names.expression(name, self.step)
        except HighwayError as error:
            if must_be_known:
                self.fault(loc, str(error))
            return
        if expression.startswith("results") and not is_set:
            default = " | default(null)" if read.guarded else ""
            self.call.env[name] = "{{" + expression + default + "}}"
            self._at(("env", name), loc)

    def _command(self) -> None:
        doing, call = self.doing, self.call
        what = doing.what
        call.function = "tools.command.run"
        if isinstance(what.value, str):
            try:
                words = cut(what.value)
            except HighwayError as error:
                self.fault(what.loc, str(error))
                words = ["true"]
            for word in words:
                self._add(Said(word, what.loc))
        else:
            self._add_all(what)
        if "args" in doing.more:
            self._add_all(doing.more["args"])
        self._at(("args",), what.loc)

    def _add_all(self, words: Said) -> None:
        for number, word in enumerate(_list(words.value)):
            self._add(Said(word, (*words.loc, number)))

    def _add(self, word: Said) -> None:
        self._at(("args", len(self.call.args)), word.loc)
        self.call.args.append(self._filled(word))

    def _python(self) -> None:
        doing, call = self.doing, self.call
        if doing.word == "code":
            self._code("tools.python.run")
        else:
            call.function = "tools.python.run"
            call.kwargs[doing.word] = self._filled(doing.what)
            self._at(("kwargs", doing.word), doing.what.loc)
        if "args" in doing.more:
            call.kwargs["args"] = self._filled(doing.more["args"])
            self._at(("kwargs", "args"), doing.more["args"].loc)

    def _tool(self) -> None:
        self.call.function = str(self.doing.what.value)
        if "args" in self.doing.more:
            self._add_all(self.doing.more["args"])
            self._at(("args",), self.doing.more["args"].loc)
        self._at(("function",), self.doing.what.loc)


KINDS: Mapping[str, Callable[[_Writer], None]] = {
    "shell": _Writer._shell,
    "command": _Writer._command,
    "powershell": _Writer._powershell,
    "python": _Writer._python,
    "tool": _Writer._tool,
}


def _mapping(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


def _list(value: object) -> list[object]:
    assert isinstance(value, list)
    return value


def _emptied(value: object) -> object:
    """What stands in for a value whose names cannot be filled in."""
    return {} if isinstance(value, dict) else [] if isinstance(value, list) else ""
