"""Warnings that Python code gives while a case runs, without the secrets of that case.

pytest hands a warning on once the case is over, and prints it at the end of the session.
"""

from __future__ import annotations

import warnings

import pytest

from pytest_highway.secrets import Redactor

__all__ = ["redact_warnings_of"]

NAME = "highway-warned"


class Warned:
    """The plugin that takes the secrets of one case out of its warnings."""

    def __init__(self) -> None:
        self.nodeid = ""
        self.redactor = Redactor()

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(
        self, warning_message: warnings.WarningMessage, nodeid: str
    ) -> None:
        """Replace the text where it holds a secret; pytest takes a text for a warning."""
        text = str(warning_message.message)
        if nodeid == self.nodeid and (shown := self.redactor.text(text)) != text:
            warning_message.message = shown


def redact_warnings_of(item: pytest.Item, redactor: Redactor) -> None:
    """Let the warnings of a case that has run hold no secrets of it."""
    plugins = item.config.pluginmanager
    warned = plugins.get_plugin(NAME)
    if warned is None:
        warned = Warned()
        plugins.register(warned, NAME)
    warned.nodeid, warned.redactor = item.nodeid, redactor
