"""What a step does, however it says so: `run`, `command`, `function` or a `step_def`.

    a step's words --doing_of--> Doing: its kind, what it is to run, and what goes with that

`shell` turns a command into a text for a shell, and names the shell of a text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from pytest_highway.errors import listed
from pytest_highway.planning.plan import Loc, ReportFault
from pytest_highway.steps.models import DOES, TYPES
from pytest_highway.steps.shells import POWERSHELL

__all__ = ["Doing", "Said", "doing_of"]

# What may go with each kind, beside what is run.
MORE: Final[Mapping[str, tuple[str, ...]]] = {
    "shell": ("kwargs", "cwd", "env", "shell"),
    "command": ("args", "kwargs", "cwd", "env", "shell"),
    "powershell": ("kwargs", "cwd", "env", "shell"),
    "python": ("args", "kwargs", "cwd", "env"),
    "tool": ("args", "kwargs", "env"),
}
KINDS: Final = {"run": "shell", "command": "command", "function": "tool"}
WORDS: Final = ("args", "kwargs", "cwd", "env", "shell")


class Said(NamedTuple):
    """A value, and where it was written."""

    value: object
    loc: Loc


@dataclass(frozen=True, slots=True)
class Doing:
    """What a step does: `word` is the key that says `what`, `more` what was written beside it."""

    kind: str
    word: str
    what: Said
    more: Mapping[str, Said]

    def value(self, word: str) -> object:
        """What was written beside it under a word, or None."""
        return self.more[word].value if word in self.more else None

    @property
    def shell(self) -> str | None:
        """The shell that it names, if any."""
        shell = self.value("shell")
        return shell if isinstance(shell, str) else None


def doing_of(step: Mapping[str, object], loc: Loc, fault: ReportFault) -> Doing | None:
    """What a valid step at `loc` does; None, and a fault, when that cannot be told."""
    given = [word for word in DOES if word in step]
    if len(given) != 1:
        says = f"this one says {listed(given)}" if given else "this one says none of them"
        place = (*loc, given[1]) if given else loc
        fault(place, f"a step says exactly one of {', '.join(DOES)}; {says}", key=True)
        return None
    word = given[0]
    more = {each: Said(step[each], (*loc, each)) for each in WORDS if each in step}
    if word != "step_def":
        return _shelled(Doing(KINDS[word], word, Said(step[word], (*loc, word)), more), fault)
    definition = step["step_def"]
    assert isinstance(definition, Mapping)
    return _defined(definition, (*loc, word), more, fault)


def _defined(
    definition: Mapping[str, object], loc: Loc, more: dict[str, Said], fault: ReportFault
) -> Doing | None:
    kind = str(definition["type"])
    words = TYPES[kind]
    for word in _strange(definition, (*words.does, *words.more)):
        allowed = listed((*words.does, *words.more))
        message = f"{word!r} does not go with type {kind!r}; allowed: {allowed}"
        fault((*loc, word), message, key=True)
    given = [word for word in words.does if word in definition]
    if len(given) != 1:
        says = f"this one says {listed(given)}" if given else "this one says none of them"
        one = "one" if len(words.does) == 1 else "exactly one"
        message = f"a step of type {kind!r} says {one} of {', '.join(words.does)}; {says}"
        fault((*loc, given[1]) if given else loc, message, key=True)
        return None
    for word in words.more:
        if word in definition and word in more:
            message = f"{word!r} stands in 'step_def' as well; give one of them"
            fault(more[word].loc, message, key=True)
        if word in definition:
            more[word] = Said(definition[word], (*loc, word))
    what = Said(definition[given[0]], (*loc, given[0]))
    if kind in ("shell", "powershell") and not isinstance(what.value, str):
        fault(what.loc, "a shell takes one text; a list of texts is for type 'command'")
        return None
    return _shelled(Doing(kind, given[0], what, more), fault)


def _strange(definition: Mapping[str, object], known: tuple[str, ...]) -> Iterator[str]:
    for word in definition:
        if word not in known and word != "type" and not word.startswith("x-"):
            yield word


def _shelled(doing: Doing, fault: ReportFault) -> Doing | None:
    """The same, with `shell` taken into account."""
    shell = doing.value("shell")
    kind, text = doing.kind, doing.what.value
    if kind == "shell" and shell is False:
        fault(doing.more["shell"].loc, "this goes through a shell; without one, write 'command'")
    if kind == "command" and shell not in (None, False):
        if not isinstance(text, str):
            fault(doing.what.loc, "a shell takes one text; a list of texts goes without 'shell'")
            return None
        kind = "shell"
    if kind == "shell" and shell in POWERSHELL:
        kind = "powershell"
    more = {word: said for word, said in doing.more.items() if word in MORE[kind]}
    for word, said in doing.more.items():
        if word not in more:
            what = "a text for a shell" if kind in ("shell", "powershell") else f"a {kind}"
            fault(said.loc, f"{word!r} does not go with {what}", key=True)
    return Doing(kind, doing.word, doing.what, more)
