r"""Changes of files as a patch that `git apply` takes.

    diff --git a/x.yaml b/x.yaml       both names, from the folder that holds `.git`
    new file mode 100644               of a file that is created
    --- a/x.yaml                       `/dev/null` of a file that is created
    +++ b/x.yaml
    @@ -1,4 +1,4 @@                    lines end at LF alone: a CR belongs to its line

A name with a blank has a tab behind it in the lines `---` and `+++`, or git would cut it there; one
with a quote, a backslash or a control character stands in quotes, as in C. A file that a symbolic
link leads to is named itself, since git holds the link and not what is behind it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path

from pytest_highway.editing.edit import EditRefused
from pytest_highway.plugin.writing import FileChange

__all__ = ["diff_lines", "patch_base", "patch_of"]

NO_END = "\n\\ No newline at end of file\n"
ESCAPES = {'"': r"\"", "\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
QUOTED = re.compile('["\\\\\x00-\x1f\x7f]')


def patch_base(folder: Path) -> Path:
    """The folder that names in a patch begin at: that of the git repository, else this one."""
    folder = folder.resolve()
    return next((each for each in (folder, *folder.parents) if (each / ".git").exists()), folder)


def patch_of(change: FileChange, base: Path) -> bytes:
    """The patch of one file; `EditRefused` for one that does not lie below `base`."""
    path = change.path.resolve()
    if base not in path.parents:
        raise EditRefused(f"the file does not lie below {base}, where the patch is to be applied")
    name = path.relative_to(base).as_posix()
    old, new = (_quoted(f"{side}/{name}") for side in "ab")
    tail = "\t" if " " in name and not QUOTED.search(name) else ""
    head = [f"diff --git {old} {new}"]
    if change.before is None:
        head.append("new file mode 100644")
    body = b"".join(diff_lines(change))
    if body:
        before = "/dev/null" if change.before is None else f"{old}{tail}"
        head += [f"--- {before}", f"+++ {new}{tail}"]
    return "".join(f"{line}\n" for line in head).encode() + body


def diff_lines(change: FileChange) -> Iterator[bytes]:
    """The hunks of a change, line by line."""
    old, new = (_lines(each) for each in (change.before or b"", change.after))
    for number, line in enumerate(difflib.unified_diff(old, new)):
        if number > 1:  # behind the names
            yield line.encode("utf-8", "surrogateescape")


def _lines(content: bytes) -> list[str]:
    """The lines of a file, each with its end; one without has a note in place of it."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    last = lines.pop()
    return [*(f"{line}\n" for line in lines), *([f"{last}{NO_END}"] if last else [])]


def _quoted(name: str) -> str:
    if not QUOTED.search(name):
        return name
    return f'"{QUOTED.sub(lambda found: _escape(found[0]), name)}"'


def _escape(char: str) -> str:
    return ESCAPES.get(char) or f"\\{ord(char):03o}"
