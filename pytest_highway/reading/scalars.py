"""The scalar types of YAML 1.2's core schema: the text of a plain scalar to a Python value.

    null     ~  null  Null  NULL  and nothing at all
    bool     true  True  TRUE  false  False  FALSE
    int      [-+]? [0-9]+  |  0o [0-7]+  |  0x [0-9a-fA-F]+
    float    [-+]? ( . [0-9]+ | [0-9]+ ( . [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
             [-+]? ( .inf | .Inf | .INF )  |  .nan  .NaN  .NAN
    string   all others: `on`, `no`, `12:30`, `1_000`, `2026-01-01`, `-0x1F`

`010` is the int 10. Only plain (unquoted) text is typed; a quoted scalar is a string. The tags
`!!str !!int !!float !!bool !!null` say the type outright, whatever the quoting; `!!seq` and
`!!map` may stand at the collection of their kind.
"""

from __future__ import annotations

import math
import re
from typing import TypeAlias

__all__ = ["STARTS", "Scalar", "brief", "construct", "fault_of_tag", "plain_text", "resolve"]

Scalar: TypeAlias = str | int | float | bool | None

# A plain scalar that begins with none of these is a string; the empty text is a null. One look
# here spares most scalars the call of `resolve`.
STARTS = frozenset(["", *"~+-.0123456789nNtTfF"])

_CASES = (str.lower, str.title, str.upper)
_WORDS: dict[str, Scalar] = {
    "": None,
    "~": None,
    **{case("null"): None for case in _CASES},
    **{case(word): word == "true" for word in ("true", "false") for case in _CASES},
    **{
        sign + word: -math.inf if sign == "-" else math.inf
        for word in (".inf", ".Inf", ".INF")
        for sign in ("", "+", "-")
    },
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
}

_match_number = re.compile(
    r"(?P<decimal>[-+]?[0-9]+)"
    r"|(?P<octal>0o[0-7]+)"
    r"|(?P<hexadecimal>0x[0-9a-fA-F]+)"
    r"|(?P<real>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
).fullmatch
_BASES = {"decimal": 10, "octal": 8, "hexadecimal": 16}

# Python neither reads nor prints an int of more than 4,300 decimal digits; 3,500 characters stay
# below that in every base, so that no message about such a number can fail in its turn.
_MAX_NUMBER = 3_500

_match_typed = re.compile(r"[-+.~0-9A-Za-z]*").match
_QUOTES = frozenset("\"'|>")
_match_null = re.compile(r"~|null|Null|NULL|").match

_CORE = "tag:yaml.org,2002:"
_SCALAR_TAGS: dict[str, tuple[type, ...]] = {
    f"{_CORE}int": (int,),
    f"{_CORE}float": (float, int),
    f"{_CORE}bool": (bool,),
    f"{_CORE}null": (type(None),),
}
_TEXT_TAGS = frozenset([f"{_CORE}str", "!"])
_COLLECTION_TAGS: dict[str, type] = {f"{_CORE}seq": list, f"{_CORE}map": dict}
_ALLOWED = "allowed: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map"


def resolve(text: str) -> Scalar:
    """The value of a plain scalar; ValueError, with the whole message, for an outsized number."""
    if text in _WORDS:
        return _WORDS[text]
    match = _match_number(text)
    if match is None:
        return text
    if len(text) > _MAX_NUMBER:
        raise ValueError(f"number of {len(text):,} characters; at most {_MAX_NUMBER:,} are read")
    base = _BASES.get(match.lastgroup or "")
    return _finite(text) if base is None else int(text, base)


def _finite(number: str | int) -> float:
    """The float; an overflow is refused, for an infinity nobody wrote would pass comparisons."""
    try:
        value = float(number)
    except OverflowError:
        value = math.inf
    if math.isinf(value):
        raise ValueError("number too large for a float; write .inf for an infinity")
    return value


def construct(tag: str, text: str) -> Scalar:
    """The value of a scalar under an explicit tag; ValueError, with the message, if it has none."""
    if tag in _TEXT_TAGS:
        return text
    types = _SCALAR_TAGS.get(tag)
    if types is None:
        raise ValueError(_misplaced(tag, "text"))
    value = resolve(text)
    # By the exact type: a bool is an int to `isinstance`.
    if type(value) not in types:
        raise ValueError(f"{_shown(tag)} cannot read {brief(text)}")
    return _finite(value) if types[0] is float and isinstance(value, int) else value


def fault_of_tag(tag: str, kind: type) -> str | None:
    """Why `tag` may not stand at a container of `kind`, list or dict; None when it may."""
    if tag == "!" or _COLLECTION_TAGS.get(tag) is kind:
        return None
    return _misplaced(tag, "a list" if kind is list else "a mapping")


def _misplaced(tag: str, what: str) -> str:
    if tag in _COLLECTION_TAGS or tag in _SCALAR_TAGS or tag in _TEXT_TAGS:
        return f"tag {_shown(tag)} does not fit {what}"
    return f"unknown tag {brief(_shown(tag))}; {_ALLOWED}"


def _shown(tag: str) -> str:
    return tag.replace(_CORE, "!!")


def brief(text: str) -> str:
    """`repr` of a text for a message, cut where it is long."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def plain_text(source: str, at: int, value: Scalar) -> str | None:
    """The text, as written, of the plain scalar that begins at `source[at]` and gave `value`.

    None when what begins there is quoted or a block. Of a text over several lines, as folded.
    """
    if source[at : at + 1] in _QUOTES:
        return None
    if isinstance(value, str):
        return value
    match = (_match_null if value is None else _match_typed)(source, at)
    return match.group() if match else ""
