"""Look-alikes: texts that differ and yet look the same, and how to tell a reader what differs.

    folded     compatibility forms as one (an accented letter in both spellings, a no-break blank
               and a blank), and letters, quotes and dashes that look like ASCII as that ASCII
    skeleton   the folded text without format characters, and runs of blanks as one

Two texts with one skeleton look alike. They are shown quoted: with `repr`, which escapes what has
no glyph, or with `ascii` where only the code points differ.
"""

from __future__ import annotations

import unicodedata
from typing import Final

from pytest_highway.matching.equality import shared_start

__all__ = ["divergence", "look_alike", "quoted", "skeleton", "visible"]

# Letters of other scripts and signs that a font draws as the ASCII character beside them. Not all
# of Unicode's confusables: those that keyboards and word processors put into a text unasked.
TWINS: Final = (
    # Cyrillic letters
    ("\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455", "aeopcyxijs"),
    ("\u0501\u04bb\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420", "dhABEKMHOP"),
    ("\u0421\u0422\u0423\u0425\u0406\u0408\u0405", "CTYXIJS"),
    # Greek letters
    ("\u03b1\u03bf\u03bd\u03c1\u0391\u0392\u0395\u0396\u0397\u0399", "aovpABEZHI"),
    ("\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7", "KMNOPTYX"),
    # quotes
    ("\u2018\u2019\u201a\u201c\u201d\u201e\u2032\u2033\u00b4\u2039", "'',\"\"\"'\"'<"),
    ("\u203a", ">"),
    # dashes and signs
    ("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u2215\u2044", "--------//"),
    ("\u2236\u02d0\u2217\u00b7\u2022\u00d7", "::*.*x"),
)
FOLD: Final = {ord(c): twin for row in TWINS for c, twin in zip(*row, strict=True)}

# What Unicode gives no name.
CONTROLS: Final = {"\t": "TAB", "\n": "LINE FEED", "\r": "CARRIAGE RETURN", "\x1b": "ESCAPE"}


def _folded(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFKC", text).translate(FOLD)


def skeleton(text: str) -> str:
    """What of a text meets the eye."""
    folded = _folded(text)
    if not folded.isascii():
        folded = "".join(c for c in folded if unicodedata.category(c) != "Cf")
    return " ".join(folded.split())


def look_alike(one: str, other: str) -> bool:
    """Whether two texts that differ look the same."""
    return one != other and skeleton(one) == skeleton(other)


def quoted(one: str, other: str, first: str, second: str) -> tuple[str, str]:
    """`first` and `second`, parts of the two texts, in quotes that tell the texts apart."""
    # `repr` shows what has no glyph, but writes an accented letter the same in both its spellings.
    quote = ascii if _folded(one) == _folded(other) else repr
    return quote(first), quote(second)


def divergence(expected: str, actual: str) -> str:
    """Where two texts begin to differ, and in which code points."""
    at = shared_start(expected, actual)
    wanted, got = (_named(text[at : at + 1]) for text in (expected, actual))
    return f"column {at + 1}: expected {wanted}, got {got}"


def _named(character: str) -> str:
    if not character:
        return "the end"
    name = CONTROLS.get(character) or unicodedata.name(character, "")
    return f"U+{ord(character):04X} {name}".rstrip()


def visible(text: str, keep: str = "\t") -> str:
    """The text with an escape for each character without a glyph, but for blanks and `keep`."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)
