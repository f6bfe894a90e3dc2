"""Secrets of a run: their values as the run has them, and texts and data without them.

    SecretValues   gathers values while files are entered  --redactor-->  Redactor

Two kinds are hidden. *Named* ones, which `secrets:` lists: `<secret:variables.token>` stands for
the value wherever it occurs, in each of the forms in which programs write a text:

    as it is    each line    on one line    in JSON, twice, ASCII or not    Python's repr
    in a shell's quotes    in YAML's single quotes    in a URL, by both rules, hex in either case
    base64, standard and URL-safe, at any place of a longer text

Declared variables and environment keys whose names are key-like count as named when they have
eight characters or more. All else that *key-like names* hide is `<redacted>` (see `credentials`).

Longer forms go first, so that a secret that holds another is replaced whole. A secret of up to
three characters is hidden only where it is a whole value, or a whole text in quotes; an empty one,
a boolean and null are none. Redacting what is redacted changes nothing.
"""

from __future__ import annotations

import json
import re
import shlex
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, cast

from pytest_highway.credentials import (
    REDACTED,
    hidden,
    hide_named,
    is_key_like,
    looks_like_credential,
    may_hold_names,
)

__all__ = ["REDACTED", "Redactor", "SecretValues", "looks_like_credential", "placeholder"]

# Characters: up to which a secret is only a whole value; from which a key-like name makes one.
SHORT, IMPLIED = 3, 8
# Of base64, the least that is told from a word; of a cut secret, the least that gives it away.
LEAST_CORE, LEAST_START = 4, 4
LEAST_LINE = 6
CUT = "..."

SIGN = "[A-Za-z0-9+/_-]"
URL_SAFE = str.maketrans("+/", "-_")


def placeholder(label: str) -> str:
    """What stands for a named secret."""
    return f"<secret:{label}>"


class Redactor:
    """Takes secrets out of texts and data; `named` leads from labels to values.

    Immutable and without a state: what comes of a text depends on the text alone.
    """

    def __init__(self, named: Mapping[str, str] | None = None) -> None:
        self.named = {label: text for label, text in (named or {}).items() if text}
        self._labels: dict[str, str] = {}  # by value
        for label, text in self.named.items():
            self._labels.setdefault(text, label)

    # --- texts -----------------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """A text of somebody else's without secrets: a message, a body, a URL, an output."""
        shown = self.without_named(text)
        return hide_named(shown) if may_hold_names(shown) else shown

    def rendered(self, text: str) -> str:
        """The same for a text of our own making, where `id: words` is a line of a transcript."""
        shown = self.without_named(text)
        return hide_named(shown, rendered=True) if may_hold_names(shown) else shown

    def without_named(self, text: str) -> str:
        """A text without named secrets, whatever names stand in it."""
        if not self._labels or not text:
            return text
        if text in self._labels:
            return placeholder(self._labels[text])
        if self._may_hold(text):
            text = self._pattern.sub(self._replacement, text)
        return self._without_starts(text) if CUT in text else text

    def _may_hold(self, text: str) -> bool:
        return any(each in text for each in self._parts) or (
            self._has_signs and ("%" in text or "+" in text)
        )

    def _replacement(self, match: re.Match[str]) -> str:
        group = match.lastgroup
        return match[0] if group is None else placeholder(self._alternatives[int(group[1:])].label)

    def _without_starts(self, text: str) -> str:
        """Without the beginning of a secret that was cut off where `...` stands."""
        *parts, last = text.split(CUT)
        return CUT.join([*map(self._without_start, parts), last])

    def _without_start(self, text: str) -> str:
        longest = min(len(text), max(map(len, self._starts), default=0))
        for size in range(longest, LEAST_START - 1, -1):
            label = self._starts.get(text[-size:])
            if label is not None:
                return text[:-size] + placeholder(label)
        return text

    # --- data ------------------------------------------------------------------------------------

    def value(self, value: object, name: str = "") -> object:
        """Plain data without secrets; `name` is what it stands under, if it has one.

        The same object when nothing in it is hidden.
        """
        return self._walk(value, hides=bool(name) and is_key_like(name))

    def _walk(self, value: object, *, hides: bool) -> object:
        if isinstance(value, str):
            return hidden(self.without_named(value)) if hides else self.text(value)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, int | float):
            label = self._labels.get(str(value))
            return placeholder(label) if label else REDACTED if hides else value
        if isinstance(value, Mapping):
            return self._mapping(value, hides=hides)
        if isinstance(value, list | tuple):
            return self._list(value, hides=hides)
        return value

    def _mapping(self, value: Mapping[str, object], *, hides: bool) -> object:
        made: dict[str, object] = {}
        changed = False
        named = _named_by_a_member(value)  # as `{name: Authorization, value: …}`
        for key, each in value.items():
            shown = _free(self.text(key), made)
            inside = self._walk(each, hides=hides or key == named or is_key_like(key))
            changed = changed or shown != key or inside is not each
            made[shown] = inside
        return made if changed else value

    def _list(self, value: Sequence[object], *, hides: bool) -> object:
        made = []
        follows = False  # behind the name of an option, or that of a pair
        for number, each in enumerate(value):
            made.append(self._walk(each, hides=hides or follows))
            follows = isinstance(each, str) and _names_the_next(each, number, len(value))
        is_same = all(one is other for one, other in zip(made, value, strict=True))
        return value if is_same else made

    # --- the forms of secrets --------------------------------------------------------------------

    @cached_property
    def _alternatives(self) -> list[_Form]:
        """Every form of every secret, longest first."""
        found = [each for text, label in self._labels.items() for each in _forms_of(text, label)]
        return sorted(dict.fromkeys(found), key=lambda each: -len(each.part))

    @cached_property
    def _parts(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.part for each in self._alternatives))

    @cached_property
    def _starts(self) -> dict[str, str]:
        """What is left of secrets that were cut off, with their labels."""
        found: dict[str, str] = {}
        for each in self._alternatives:
            for size in range(LEAST_START, len(each.part) if each.is_whole else 0):
                found.setdefault(each.part[:size], each.label)
        return found

    @cached_property
    def _has_signs(self) -> bool:
        return not all(map(_is_plain, self._labels))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        # A placeholder is looked for first: what is hidden is not searched for what it is called.
        kept = [re.escape(placeholder(label)) for label in self._labels.values()]
        groups = [f"(?P<f{n}>{each.pattern})" for n, each in enumerate(self._alternatives)]
        return re.compile("|".join([*dict.fromkeys(kept), *groups]))


def _free(key: str, taken: Mapping[str, object]) -> str:
    """The key, numbered when another became the same."""
    number, free = 1, key
    while free in taken:
        number += 1
        free = f"{key}~{number}"
    return free


def _named_by_a_member(value: Mapping[str, object]) -> str | None:
    """The member of `{name: …, value: …}` that its name hides, or None."""
    for key in ("name", "key"):
        name = value.get(key)
        if isinstance(name, str) and "value" in value and is_key_like(name):
            return "value"
    return None


def _names_the_next(text: str, number: int, size: int) -> bool:
    """Whether a member of a list hides the one behind it: `--token`, or the first of two."""
    is_option = text.startswith("-") and "=" not in text
    is_first = size == 2 and number == 0 and len(text) < 60
    return (is_option or is_first) and not re.search(r"[\s:=]", text) and is_key_like(text)


class _Form(NamedTuple):
    """One form of a secret: the part that is always there, and what finds the whole.

    `is_whole` tells that the part is all of it, and may be found cut off.
    """

    part: str
    pattern: str
    label: str
    is_whole: bool = False


def _forms_of(text: str, label: str) -> Iterator[_Form]:
    if len(text) <= SHORT:
        quoted = rf"(?<=[\"']){re.escape(text)}(?=\\*[\"'])"
        yield _Form(text, quoted, label)
        return
    for form in dict.fromkeys(_written_forms(text)):
        if len(form) > SHORT:
            yield _Form(form, re.escape(form), label, is_whole=True)
            if not _is_plain(form):
                yield _Form(form, "".join(map(_in_url, form)), label)
    yield from _encodings(text, label)


def _written_forms(text: str) -> Iterator[str]:
    """How programs write a text that is none of theirs, the text itself first."""
    lines = [each.strip() for each in text.splitlines()]
    for each in (text, text.strip(), " ".join(text.split()), *lines):
        if each is text or len(each) >= LEAST_LINE:
            yield each
            for ascii_only in (False, True):
                once = json.dumps(each, ensure_ascii=ascii_only)[1:-1]
                yield once
                yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]
            yield repr(each)[1:-1]
            yield repr(f"{each}'\"")[1:-4]  # where both quotes had to be told apart
            yield shlex.quote(each).strip("'")
            yield each.replace("'", "''")


def _is_plain(text: str) -> bool:
    """Whether a URL holds a text as it is."""
    return text.isascii() and text.isalnum()


def _in_url(sign: str) -> str:
    """A character as URLs may write it: which ones they encode differs from program to program."""
    codes = "".join(f"%{each:02X}" for each in sign.encode("utf-8", "surrogatepass"))
    choices = [re.escape(sign), re.sub("[A-F]", lambda m: f"[{m[0]}{m[0].lower()}]", codes)]
    return f"(?:{'|'.join([*choices, *([re.escape('+')] if sign == ' ' else [])])})"


def _encodings(text: str, label: str) -> Iterator[_Form]:
    """Base64 at each place in three bytes; the signs at its ends depend on the neighbours."""
    encoded = text.encode("utf-8", "surrogatepass")
    for before in range(3):
        whole = b64encode(bytes(before) + encoded).decode("ascii")
        first, end = -(-8 * before // 6), 8 * (before + len(encoded)) // 6
        core = whole[first:end]
        if len(core) < LEAST_CORE:
            continue
        left = f"{SIGN}?" if before else ""
        right = f"{SIGN}?={{0,2}}" if (before + len(encoded)) % 3 else ""
        for each in (core, core.translate(URL_SAFE)):
            yield _Form(each, f"{left}{re.escape(each)}{right}", label)


# --- gathering -----------------------------------------------------------------------------------


class SecretValues:
    """What the secrets of a run are worth, told as files are entered.

    A name that has several values in one run stands for each of them. `redactor` hides all that
    have been told so far.
    """

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._values: dict[str, str] = {}  # by value, the label
        self._redactor: Redactor | None = None

    def note(self, names: Iterable[str], roots: Mapping[str, object]) -> None:
        """A file that lists `names` was entered; `roots` has its `variables` and `env`."""
        self._names.update(dict.fromkeys(names))
        for root in ("variables", "env"):
            self._note_root(root, cast("Mapping[str, object]", roots[root]))

    def note_env(self, env: Mapping[str, str]) -> None:
        """Values that stand beside those of a file: of one task, of the process."""
        self._note_root("env", env)

    def _note_root(self, root: str, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            label = f"{root}.{name}"
            is_named = label in self._names
            if is_named or is_key_like(name):
                for path, text in _leaves(value, label):
                    if text not in self._values and (is_named or len(text) >= IMPLIED):
                        self._values[text] = path
                        self._redactor = None

    @property
    def redactor(self) -> Redactor:
        """For the values that are known now."""
        if self._redactor is None:
            self._redactor = _Many(self._values) if self._values else NOTHING_NAMED
        return self._redactor


# Most runs have no secrets that are known by name.
NOTHING_NAMED = Redactor()


class _Many(Redactor):
    """A redactor by values, since one label may have several."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        super().__init__({label: text for text, label in labels.items()})
        self._labels = dict(labels)


def _leaves(value: object, label: str) -> Iterator[tuple[str, str]]:
    """The texts and numbers of plain data, each with its path."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from _leaves(each, f"{label}.{re.sub('[^A-Za-z0-9_.-]', '_', key)}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _leaves(each, f"{label}[{number}]")
    elif value not in ("", None) and not isinstance(value, bool):
        yield label, str(value)
