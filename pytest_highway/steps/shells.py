"""The shells that a step's text goes through, and how each is started.

A command that fails ends the text there and then, as in the scripts of CI services: of a text of
many lines, a shell by itself would tell only how the last one ended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["DEFAULT_SHELL", "OUTPUT_FILE", "POWERSHELL", "SHELLS", "is_shell_name"]

DEFAULT_SHELL: Final = "sh"

# What is put in front of the text.
SHELLS: Final[Mapping[str, tuple[str, ...]]] = {
    "sh": ("sh", "-e", "-c"),
    "bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"),
    "dash": ("dash", "-e", "-c"),
    "ksh": ("ksh", "-e", "-o", "pipefail", "-c"),
    "zsh": ("zsh", "-f", "-e", "-o", "pipefail", "-c"),
}
# Other names for the tool `tools.powershell.run`.
POWERSHELL: Final = ("pwsh", "powershell")

# The variable that names the file to which a step writes what it hands on.
OUTPUT_FILE: Final = "HIGHWAY_OUTPUT"

_is_name = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch


def is_shell_name(name: str) -> bool:
    """Whether a shell can read a variable of this name as `${name}`."""
    return _is_name(name) is not None
