"""The body of an HTTP message as plain data: one rule for the fetch tools and for their stubs.

A body is JSON when its content type says so (`application/json`, `text/json`, `…+json`) *and* it
parses, strictly: NaN and Infinity are no JSON, whatever Python's parser thinks.
"""

from __future__ import annotations

import json
from enum import Enum
from typing import Final, NoReturn

__all__ = ["ABSENT", "Absent", "parse_body"]

JSON_TYPES = ("application/json", "text/json")


class Absent(Enum):
    """The type of `ABSENT`; an enum, because null is a JSON value like any other."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


def parse_body(content: bytes, content_type: str) -> object:
    """The parsed body, or ABSENT when the type does not promise JSON or the body is none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in JSON_TYPES and not kind.endswith("+json"):
        return ABSENT
    try:
        return json.loads(content, parse_constant=refuse_constant)
    except (ValueError, RecursionError):
        return ABSENT


def refuse_constant(name: str) -> NoReturn:
    """Called for NaN and the infinities."""
    raise ValueError(name)
