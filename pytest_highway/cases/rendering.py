"""Templates of a case: rendered as early as their roots are known, and only once.

    where                                 roots               when
    anywhere in a case                    params fixtures     when both are known
    what a stub answers, logs or raises   … and call          when it answers; see `scripts`
    a transcript                          params fixtures     as the first; other braces are text

Nothing that a template gave is looked at again, so no value is ever read as a template. Keys of
mappings are rendered as well; below keys that begin with `x-` stands what the author likes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from pytest_highway.cases.origins import Origin
from pytest_highway.errors import Diagnostic, did_you_mean, listed
from pytest_highway.expressions.expression import ExpressionError
from pytest_highway.expressions.template import Template, compile_template
from pytest_highway.expressions.values import as_text
from pytest_highway.planning.plan import Loc

__all__ = ["Renderer"]

# Below these words of a stub stands what it answers; of HTTP, only what fills the reply.
ANSWERS: Final = frozenset({"return", "stdout", "stderr", "outputs", "raise", "log"})
REPLIES: Final = frozenset({"json", "text", "headers"})
# What an answer may read below `call`, by the word of the case that it stands under.
SEEN: Final[Mapping[str, tuple[str, ...]]] = {
    "stubs": ("args", "kwargs", "attempt"),
    "http": ("method", "url", "json", "text"),
}

# Why a root is not to be read here although others may read it.
_WHY_UNKNOWN: Final = {
    "call": "only what a stub answers may read it",
    "params": "the case has no `params`",
}

_IN_TRANSCRIPT = re.compile(r"\{\{\s*(?:params|fixtures)\b.*?\}\}")


class Renderer:
    """Renders the templates of a case over the roots that are known.

    `later` are the roots to come: what reads one stays as it is, and its place is in `waiting`.
    `fixtures` are the names of the fixtures that the case requests, None when that is not known.
    """

    def __init__(
        self,
        origin: Origin,
        roots: Mapping[str, Mapping[str, object]],
        later: Sequence[str],
        fixtures: Sequence[str] | None,
    ) -> None:
        self.origin = origin
        self.roots = roots
        self.later = later
        self.fixtures = fixtures
        self.faults: list[Diagnostic] = []
        self.waiting: list[Loc] = []
        self.renamed: dict[Loc, str] = {}

    def render_case(self, data: dict[str, object]) -> dict[str, object]:
        """A rendered copy of a case, but for its params."""
        return {
            key: each if key == "params" else self.render({key: each}, ()).get(key, each)
            for key, each in data.items()
        }

    def render(self, data: dict[str, object], loc: Loc) -> dict[str, object]:
        """The rendered mapping; itself where nothing in it changes."""
        made: dict[str, object] = {}
        changed = False
        for key, each in data.items():
            if key[:2] == "x-" and _holds_notes(loc):
                made[key] = each
                continue
            name = key if "{{" not in key else self._key(key, loc, made)
            made[name] = value = self._value(each, (*loc, name))
            changed = changed or name != key or value is not each
        return made if changed else data

    def _key(self, key: str, loc: Loc, taken: Mapping[str, object]) -> str:
        name = as_text(self._template(key, (*loc, key), key=True))
        if name == key:
            return key
        if name in taken:
            message = f"the key {key!r} renders to {name!r}, which stands here already"
            self.faults.append(self.origin.fault((*loc, key), message, key=True))
        self.renamed[(*loc, name)] = key
        return name

    def _value(self, data: object, loc: Loc) -> object:
        if isinstance(data, str):
            return data if "{{" not in data else self._text(data, loc)
        if isinstance(data, dict):
            return self.render(data, loc)
        if isinstance(data, list):
            made = [self._value(each, (*loc, number)) for number, each in enumerate(data)]
            return made if any(map(_differ, made, data)) else data
        return data

    def _text(self, text: str, loc: Loc) -> object:
        if loc[:2] == ("expect", "transcript"):
            return _IN_TRANSCRIPT.sub(lambda match: as_text(self._template(match[0], loc)), text)
        return self._template(text, loc, answers=_is_answer(loc))

    def _template(self, text: str, loc: Loc, *, answers: bool = False, key: bool = False) -> object:
        """What a text renders to; the text itself when that is not known yet."""
        try:
            template = compile_template(text)
            for message in self._unknown(template, SEEN[str(loc[0])] if answers else ()):
                raise ExpressionError(message)
            read = [reference.root for reference in template.references]
            if any(root in self.later for root in read):
                if not answers:
                    self.waiting.append(loc)
                return text
            if "call" in read:
                return text
            value = template.render(self.roots)
        except ExpressionError as error:
            self.faults.append(self.origin.fault(loc, error.message, key=key))
            return text
        # An answer is rendered when it is given: rendered now, it would be read as a template then.
        return text if answers else value

    def _unknown(self, template: Template, call: Sequence[str]) -> Iterator[str]:
        """What a template reads that does not exist; `call` are the names below that root."""
        known = [*self.roots, *(each for each in self.later if each not in self.roots)]
        known += ["call"] if call else []
        for reference in template.references:
            root, first = reference.root, reference.steps[:1]
            if root not in known:
                usual = f"here may be read: {listed(known)}{did_you_mean(root, known)}"
                yield f"unknown root {root!r}; {_WHY_UNKNOWN.get(root, usual)}"
            elif root == "fixtures" and self.fixtures is not None and first:
                if first[0] not in self.fixtures:
                    near = did_you_mean(str(first[0]), self.fixtures)
                    asked = f"the case requests {listed(self.fixtures)} under `fixtures`"
                    yield f"unknown fixture {first[0]!r}; {asked}{near}"
            elif root == "call" and first:
                yield from _missing(root, first[0], call)
            elif not reference.defaulted and root in self.roots and first:
                yield from _missing(root, first[0], list(self.roots[root]))


def _missing(root: str, name: object, names: Sequence[str]) -> Iterator[str]:
    if name not in names:
        near = did_you_mean(str(name), names)
        yield f"{root} has no {name!r}; it has {listed(names)}{near}"


def _differ(one: object, other: object) -> bool:
    return one is not other


def _holds_notes(loc: Loc) -> bool:
    """Whether keys with `x-` are the author's in a mapping at `loc`, and not data."""
    if loc in ((), ("expect",)):
        return True
    return loc[:1] != () and loc[0] in SEEN and len(loc) in (2, 3) and _is_entry(loc)


def _is_entry(loc: Loc) -> bool:
    return len(loc) == 2 or isinstance(loc[2], int)


def _is_answer(loc: Loc) -> bool:
    """Whether at `loc` stands something that a stub gives, which is rendered when it does."""
    if not loc or loc[0] not in SEEN:
        return False
    inside = loc[3:] if len(loc) > 2 and isinstance(loc[2], int) else loc[2:]
    word, *rest = inside or ("",)
    if word == "raise":
        return bool(rest)  # Written as a text, it is the exception's name.
    if loc[0] == "http" and word == "return":
        return rest[:1] != [] and rest[0] in REPLIES
    return word in ANSWERS
