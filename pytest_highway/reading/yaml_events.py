"""libyaml's events, as the readers of YAML see them.

PyYAML has no types for what its parsers in C give; these are the parts that are read here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, cast

import yaml

__all__ = ["PARSER", "Event", "Mark", "Parser"]


class Mark(Protocol):
    """A place in a text."""

    @property
    def index(self) -> int: ...


class Event(Protocol):
    """The attributes that are read of events; each kind of event has those it needs."""

    start_mark: Mark
    end_mark: Mark
    anchor: str | None
    tag: str | None
    style: str | None
    flow_style: bool
    value: str


class Parser(Protocol):
    """Gives the events of one text, one at a time; raises `yaml.YAMLError`."""

    def get_event(self) -> Event: ...


# libyaml's parser; where PyYAML was built without it the one in Python, which gives like events.
PARSER = cast("Callable[[str], Parser]", getattr(yaml, "CBaseLoader", yaml.BaseLoader))
