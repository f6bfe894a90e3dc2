"""What a step hands on: the file `$HIGHWAY_OUTPUT`, to which its process appends values.

    name=value                a value on one line, all that follows the first `=`
    name<<WORD                a value of many lines, up to a line that is WORD alone
    first line
    second line
    WORD

Blank lines are passed over, a name that is written twice has its last value. Everything else is a
fault of the step and names its line: a value that is lost in silence would be missed much later.
Names are those of shell variables, since `${name}` is how a value is read.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.steps.shells import OUTPUT_FILE, is_shell_name
from pytest_highway.tool_context import OutputError

__all__ = ["check_provided", "output_file", "parse_outputs", "read_outputs"]

MAX_BYTES = 1 << 20


@contextmanager
def output_file() -> Iterator[Path]:
    """An empty file to be named by `$HIGHWAY_OUTPUT`; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="highway-", ignore_cleanup_errors=True) as folder:
        path = Path(folder, "output")
        path.touch()
        yield path


def read_outputs(path: Path) -> dict[str, str]:
    """What a process has written; `OutputError` names the line that cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return {}  # The process has removed it, and so hands on nothing.
    except OSError as error:
        raise OutputError(f"${OUTPUT_FILE} cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise OutputError(f"${OUTPUT_FILE} holds more than {MAX_BYTES:,} bytes")
    try:
        return parse_outputs(content.decode())
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise OutputError(f"${OUTPUT_FILE}, line {line}: this is no UTF-8") from error


def parse_outputs(text: str) -> dict[str, str]:
    """The values in the text of an output file, by name; `OutputError` as of `read_outputs`."""
    found: dict[str, str] = {}
    lines = iter(enumerate(text.split("\n"), start=1))
    for number, raw in lines:
        line = raw.removesuffix("\r")
        if not line.strip():
            continue
        name, sign, rest = _parted(line)
        fault = _fault(name, sign, rest, line)
        if fault:
            raise OutputError(f"${OUTPUT_FILE}, line {number}: {fault}")
        found[name] = rest if sign == "=" else _block(lines, number, rest.strip())
    return found


def _parted(line: str) -> tuple[str, str, str]:
    """Name, sign and rest; the sign that comes first counts, as either may stand in a value."""
    by_value, by_block = line.partition("="), line.partition("<<")
    return by_block if len(by_block[0]) < len(by_value[0]) else by_value


def _fault(name: str, sign: str, rest: str, line: str) -> str:
    if not sign:
        return f"{_short(line)} is no 'name=value'"
    if not is_shell_name(name):
        return f"{_short(name)} is no name of an output; names match [A-Za-z_][A-Za-z0-9_]*"
    if sign == "<<" and not rest.strip():
        return "a word is missing behind '<<', which ends the value"
    return "a value cannot hold a NUL" if "\0" in rest else ""


def _block(lines: Iterator[tuple[int, str]], start: int, word: str) -> str:
    """The lines up to one that is `word`."""
    value: list[str] = []
    for number, raw in lines:
        line = raw.removesuffix("\r")
        if line == word:
            return "\n".join(value)
        if "\0" in line:
            raise OutputError(f"${OUTPUT_FILE}, line {number}: a value cannot hold a NUL")
        value.append(line)
    raise OutputError(f"${OUTPUT_FILE}, line {start}: no line {_short(word)} ends this value")


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")


def check_provided(
    provides: Sequence[str],
    outputs: Mapping[str, str],
    is_there: Callable[[str], bool],
    remedy: str = "",
) -> None:
    """Raise `OutputError` unless each provided name is an output, or a file that is there."""
    for name in provides:
        if name not in outputs and not is_there(name):
            had = f"it hands on {listed(list(outputs))}" if outputs else "it hands on nothing"
            near = did_you_mean(name, outputs)
            raise OutputError(
                f"the step provides {name!r}, but neither an output nor a file of that name is "
                f"there; {had}{near}{remedy}"
            )
