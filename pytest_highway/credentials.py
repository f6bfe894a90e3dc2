r"""Credentials by their looks: names that hide a value, and texts that are one whatever the name.

A name is *key-like* by its words, where `api_key`, `api-key`, `apiKey` and `API_KEY` are one:

    … password passwd passphrase pwd secret token jwt bearer cookie credential authorization
    … api|access|private|… key       but not a cursor: `next_page_token`, nor `public_key`

In a text a key-like name hides what stands behind it, in the notations of programs:

    name=v  name: v  "name": "v"  \"name\": \"v\"  --name v  ?name=v&
    Authorization: Bearer v          the scheme stays, as far as it is one
    Bearer v   Basic v               wherever they stand
    scheme://user:v@host             the whole of `user:v`

`null`, booleans, empty texts, templates and `$NAME` are no values. A text that nothing of this can
be in is told by a few searches for short stems, so that it costs next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from math import log2

__all__ = [
    "PLACEHOLDER",
    "REDACTED",
    "hidden",
    "hide_named",
    "holds_placeholder",
    "is_key_like",
    "looks_like_credential",
    "may_hold_members",
    "may_hold_names",
]

REDACTED = "<redacted>"
# `<redacted>` and `<secret:variables.token>`.
PLACEHOLDER = re.compile(r"<(?:redacted|secret:[^<>\s]+)>")


def holds_placeholder(text: str) -> bool:
    """Whether something in a text was hidden before it was kept."""
    return PLACEHOLDER.search(text) is not None


# --- names ---------------------------------------------------------------------------------------

LAST_WORD = re.compile(
    "passwords?|passwd|passphrase|pwd|secrets?|token|jwt|bearer|cookies?|credentials?|authorization"
    "|(?:api|access|private|secret)key|(?:auth|access|refresh)token|clientsecret"
)
# What makes a `key` a secret when it stands before it.
KEYS = (
    *("api", "access", "private", "secret", "signing", "encryption", "ssh", "account", "auth"),
    *("master", "shared", "subscription", "license"),
)
# What makes a `token` a place in a list, or a word of a text.
CURSORS = (
    *("page", "next", "previous", "prev", "continuation", "sync", "cursor", "cancellation"),
    *("cancel", "stop", "start", "eos", "bos", "pad", "unk", "mask", "special", "unexpected"),
)
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z0-9]+|[A-Z0-9]+")


@lru_cache(maxsize=4096)
def is_key_like(name: str) -> bool:
    """Whether what stands under a name is hidden because of it."""
    words = [] if "<" in name else [each.lower() for each in WORD.findall(name)]
    if words[-1:] == ["id"]:
        return words[-3:-1] == ["access", "key"]
    if words[-1:] == ["key"]:
        return words[-2:-1] != [] and words[-2] in KEYS
    if not words or LAST_WORD.fullmatch(words[-1]) is None:
        return False
    return words[-1] != "token" or words[-2:-1] == [] or words[-2] not in CURSORS


# --- values --------------------------------------------------------------------------------------

SCHEME = re.compile(r"(?:(?:Bearer|Basic|Token|ApiKey|Negotiate|Digest)[ \t]+)?", re.IGNORECASE)
NO_VALUE = re.compile(r"null|none|true|false|\$\w+|\$\{.*|\{\{.*|", re.IGNORECASE | re.DOTALL)
# Named secrets stay to be told apart, alone or with signs between them, as in `user:password`.
ONLY_PLACEHOLDERS = re.compile(rf"[\W_]*(?:{PLACEHOLDER.pattern}[\W_]*)+")


def hidden(text: str) -> str:
    """What is shown of a text that stands under a key-like name."""
    scheme = SCHEME.match(text)
    start = 0 if scheme is None else scheme.end()
    rest = text[start:]
    if NO_VALUE.fullmatch(rest) or ONLY_PLACEHOLDERS.fullmatch(rest):
        return text
    return text[:start] + REDACTED


# --- texts ---------------------------------------------------------------------------------------

# One of these is in every text, in lower case, in which a name hides something.
STEMS = (
    *("pass", "pwd", "secret", "token", "jwt", "bearer", "basic", "cookie", "credential"),
    *("authorization", "signature", "sig="),
)
KEY_STEMS = ("_key", "-key", *(f"{each}key" for each in KEYS))
NAME = r"(?<![A-Za-z0-9_.<\-])(?P<name>(?P<flag>--?)?[A-Za-z_][\w.\-]*)"
# What stands between a name and its value: `name: v`, `name=v` and, of an option, `--name v`.
PAIR = re.compile(rf"{NAME}(?:(?:\\*[\"'])?\s*(?:=>|=(?!=)|:(?!//))[ \t]*|(?(flag)[ \t]+|(?!)))")
# The same in what we have rendered, where `id: words` is the notation of a transcript.
WRITTEN_PAIR = re.compile(rf"{NAME}(?:\\*[\"']\s*:[ \t]*|=(?!=)|(?(flag)[ \t]+|(?!)))")
# A text in quotes, to the end of the line when they were cut off, or a word.
VALUE = re.compile(
    r"(?P<quote>\\*[\"'])(?P<body>(?:(?!(?P=quote))(?:\\.|[^\n]))*)"
    r"|(?P<bare>[^\s\"'\\,;&#)\]}]+)"
)
HEADER = re.compile(
    r"(?P<name>(?:proxy-)?authorization|(?:set-)?cookie)(?P<between>[ \t]*:[ \t]*)"
    r"(?P<bare>[^\n\"'\\]+)",
    re.IGNORECASE,
)
CREDENTIALS = re.compile(
    r"\b(?P<between>(?:bearer|basic)[ \t]+)(?P<bare>[A-Za-z0-9+/._~=-]{8,})", re.IGNORECASE
)
QUERY = re.compile(r"(?P<between>[?&](?:[\w-]*-)?(?:sig|signature)=)(?P<bare>[^\s&#\"'\\]+)", re.I)
USERINFO = re.compile(
    r"(?P<scheme>(?<![A-Za-z0-9+.\-])[A-Za-z][A-Za-z0-9+.\-]{0,30}://)"
    rf"(?P<info>(?:{PLACEHOLDER.pattern}|[^\s/@\"'<>?#\\])+)@"
)
LONG_NAME = 16  # of a user; what is longer and has digits is a token


def may_hold_names(text: str) -> bool:
    """Whether `hide_named` could find anything; false at the price of a few searches."""
    lowered = text.lower()
    if any(stem in lowered for stem in STEMS):
        return True
    if "key" in lowered and any(stem in lowered for stem in KEY_STEMS):
        return True
    return "@" in lowered and "://" in lowered and USERINFO.search(text) is not None


def may_hold_members(text: str) -> bool:
    """The same for data as JSON: between the words of a member's name may stand any sign."""
    return "key" in text.lower() or may_hold_names(text)


def hide_named(text: str, *, rendered: bool = False) -> str:
    """The text without what key-like names, headers and URLs in it hide.

    `rendered` tells that the text is of our own making: there `id: words` is no pair.
    """
    text = USERINFO.sub(_hide_user, text)
    text = HEADER.sub(_hide_bare, text)
    text = _hide_pairs(text, WRITTEN_PAIR if rendered else PAIR)
    text = CREDENTIALS.sub(_hide_credentials, text)
    return QUERY.sub(_hide_bare, text)


def _hide_user(match: re.Match[str]) -> str:
    user, colon, password = PLACEHOLDER.sub("", match["info"]).partition(":")
    is_name = len(user) < LONG_NAME or not re.search("[0-9]", user)
    if not password and (colon or is_name):
        return match[0]
    return f"{match['scheme']}{REDACTED}@"


def _hide_bare(match: re.Match[str]) -> str:
    return match[0][: match.start("bare") - match.start()] + hidden(match["bare"])


def _hide_credentials(match: re.Match[str]) -> str:
    is_prose = match["bare"].isalpha() and len(match["bare"]) < LONG_NAME
    return match[0] if is_prose else _hide_bare(match)


def _hide_pairs(text: str, pairs: re.Pattern[str]) -> str:
    parts, done = [], 0
    # Only up to the value: one that stands under a harmless name may hold pairs itself.
    for match in pairs.finditer(text):
        if match.start() < done or not is_key_like(match["name"]):
            continue
        value = VALUE.match(text, match.end())
        if value is None:
            continue
        group = "body" if value["bare"] is None else "bare"
        start, end = value.span(group)
        shown = value[group]
        if group == "bare" and SCHEME.fullmatch(f"{shown} "):
            continue  # What follows the word was hidden with it, or is no credential.
        parts += [text[done:start], hidden(shown)]
        done = end
    return "".join([*parts, text[done:]])


# --- shapes --------------------------------------------------------------------------------------

SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("a private key", re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")),
    ("an AWS access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    ("a GitHub token", re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,})")),
    ("a GitLab token", re.compile(r"\bglpat-[\w-]{20,}")),
    ("a Slack token", re.compile(r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}")),
    ("a Google API key", re.compile(r"\bAIza[\w-]{35}")),
    ("a Stripe key", re.compile(r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}")),
    ("an API key", re.compile(r"\bsk-[A-Za-z0-9_-]{16,}")),
    ("a JSON web token", re.compile(r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*")),
)
MARKS = (
    "PRIVATE KEY",
    "AKIA",
    "ASIA",
    "gh",
    "github_pat_",
    "glpat-",
    "xox",
    "AIza",
    "k_",
    "sk-",
    "eyJ",
    "://",
)
RANDOM_LENGTH, RANDOM_BITS = 16, 3.0


def looks_like_credential(value: object) -> Iterator[tuple[str, str]]:
    """The places in plain data that hold what looks like a credential, each with why.

    A place reads `headers.X-Auth[0]`, or is empty for the value as a whole. Placeholders are none.
    """
    yield from _looks(value, "", "")


def _looks(value: object, place: str, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, each in value.items():
            inside = f"{place}.{key}" if place else str(key)
            yield from ((inside, why) for _, why in _looks(key, "", ""))
            yield from _looks(each, inside, str(key))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from _looks(each, f"{place}[{number}]", name)
    elif isinstance(value, str):
        why = _reason(value, name)
        if why:
            yield place, why


def _reason(text: str, name: str) -> str:
    if any(mark in text for mark in MARKS):
        for what, pattern in SHAPES:
            if pattern.search(text):
                return f"it looks like {what}"
        if USERINFO.sub(_hide_user, text) != text:
            return "a URL in it holds a password"
    if name and is_key_like(name) and _is_random(text):
        return f"it looks random and stands under {name!r}"
    return ""


def _is_random(text: str) -> bool:
    """Whether a text is long, of one word, and of more information than a word has."""
    if len(text) < RANDOM_LENGTH or PLACEHOLDER.search(text) or re.search(r"\s", text):
        return False
    shares = [text.count(sign) / len(text) for sign in sorted(set(text))]
    return -sum(each * log2(each) for each in shares) >= RANDOM_BITS
