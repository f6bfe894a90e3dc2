"""What `${name}` means in a step: the context, the environment, or what a step hands on.

    own `env` of the step   before all others, as it is nearest
    context                 variables.name
    env                     env.name
    outputs                 results.<id>.outputs.name

A name of two of the last three is ambiguous, and an error where it is read. What a step hands on
is known before it runs as far as it `provides` it, as its text writes it to `$HIGHWAY_OUTPUT`, and
as stubs in the file's cases hand it on; whether it does is known when it has run, and a value that
is missing then fails the step that reads it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_highway.errors import HighwayError, did_you_mean, listed
from pytest_highway.steps.shells import OUTPUT_FILE, is_shell_name

__all__ = ["Names", "Source", "written_outputs"]

_is_identifier = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch

# `name=` or `name<<` in a quotation, behind a command that prints, or at the start of a line of a
# here-document; at the start of a command it would set a variable.
_WRITTEN = re.compile(
    r"(?:[\"']|\\n|\b(?:echo|printf|print|Write-Output)\s+(?:-\w+\s+)*)"
    r"([A-Za-z_]\w*)(?==|<<)"
)
_WRITTEN_LINE = re.compile(r"^\s*([A-Za-z_]\w*)(?==|<<)", re.MULTILINE)


def written_outputs(text: str) -> list[str]:
    """The names that a text seems to write to `$HIGHWAY_OUTPUT`."""
    if OUTPUT_FILE not in text:
        return []
    found = _WRITTEN.findall(text)
    if "<<" in text:
        found += _WRITTEN_LINE.findall(text)
    return list(dict.fromkeys(found))


@dataclass(slots=True)
class Source:
    """A step as one that hands on: the names, and what it waits for, directly."""

    id: str
    key: str
    outputs: Sequence[str]
    upstream: Sequence[str]
    fallback: str | None = None


@dataclass(slots=True)
class Names:
    """All names of a file. `sources` are its steps by id."""

    context: Mapping[str, object]
    env: Mapping[str, str]
    sources: Mapping[str, Source]
    _by_output: dict[str, list[Source]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for source in self.sources.values():
            for name in source.outputs:
                self._by_output.setdefault(name, []).append(source)

    def exported(self) -> Iterator[str]:
        """The names of the context that a process finds in its environment."""
        return (name for name in self.context if is_shell_name(name))

    def is_known(self, name: str) -> bool:
        """Whether a name means anything to any step."""
        return name in self.context or name in self.env or name in self._by_output

    def expression(self, name: str, step: str) -> str:
        """The expression that a name stands for in a step; `HighwayError` when there is none."""
        found = [(what, path) for what, path in self._declared(name)]
        outputs = self._candidates(name, step)
        if len(found) + len(outputs) > 1:
            places = [what for what, _ in found] + [f"an output of {each.id!r}" for each in outputs]
            raise HighwayError(
                f"{name!r} is {' and '.join(places)}, so it could mean either; rename one, or give "
                f"the step an 'env' of that name that says which"
            )
        if found:
            return found[0][1]
        if outputs:
            return f"results{_step(outputs[0].key)}.outputs.{name}"
        raise HighwayError(self.unknown(name))

    def unknown(self, name: str, own: Sequence[str] = ()) -> str:
        """What to say of a name that means nothing; `own` is known to the step alone."""
        known = list(dict.fromkeys([*own, *self.context, *self.env, *self._by_output]))
        there = f"there are {listed(known, 12)}" if known else "there is none"
        near = did_you_mean(name, known)
        hint = near or f"; a variable of the process is declared in 'env', as {name}: ''"
        return f"{name!r} is no name of the context, of 'env' or of an output; {there}{hint}"

    def _declared(self, name: str) -> Iterator[tuple[str, str]]:
        if name in self.context:
            yield "a name of the context", f"variables{_step(name)}"
        if name in self.env:
            yield "a name of 'env'", f"env{_step(name)}"

    def _candidates(self, name: str, step: str) -> list[Source]:
        """The steps that may be meant by the name of an output.

        A fallback's value stands under the name of the step that it stands in for. One that does
        not come before the reader is only meant when there is no other, so that the order of the
        two is found fault with.
        """
        found = [each for each in self._by_output.get(name, ()) if each.id != step]
        declared = name in self.context or name in self.env
        if len(found) < 2 and not declared:
            return found  # That it comes before the reader is held against the graph later.
        stand_ins = {each.fallback for each in found}
        found = [each for each in found if each.id not in stand_ins]
        before = self._before(step) if found else frozenset()
        earlier = [each for each in found if each.id in before]
        return earlier or ([] if declared else found[:1])

    def _before(self, step: str) -> frozenset[str]:
        """The steps that have ended when a step starts."""
        found: set[str] = set()
        ahead = [step]
        while ahead:
            source = self.sources.get(ahead.pop())
            new = [] if source is None else [each for each in source.upstream if each not in found]
            found.update(new)
            ahead += new
        return frozenset(found)


def _step(name: str) -> str:
    return f".{name}" if _is_identifier(name) else f"[{json.dumps(name, ensure_ascii=False)}]"
