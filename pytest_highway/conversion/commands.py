"""Calls of the tools that highway-dsl's own engine had, as calls of ours.

    tools.http.request             tools.fetch.get, post, …
    tools.python.run               a tool of the function's name
    tools.simple_counter.*         tools.memory.*
    tools.shell.run                itself, with values in its environment

A template in a shell's text would paste a value into code, so each becomes a variable of the
task's `env`. Where it stood in single quotes these are closed around it; where it stood in none,
its value stays one word now.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from pytest_highway.conversion.made import Findings, Made
from pytest_highway.conversion.tree import Op
from pytest_highway.tools import NAME

__all__ = ["adapt_call", "enclosed", "fields_of"]

METHODS = frozenset({"get", "post", "put", "patch", "delete", "head"})
HTTP_WORDS = {"url": "url", "headers": "headers", "json_data": "json", "json": "json"} | {
    word: word for word in ("data", "params", "timeout")
}
COUNTERS: Final[Mapping[str, tuple[str, list[object]]]] = {
    "tools.simple_counter.init_counter": ("tools.memory.set", ["counter", 0]),
    "tools.simple_counter.increment_counter": ("tools.memory.increment", ["counter"]),
}
TEMPLATE = re.compile(r"\{\{\s*(.+?)\s*\}\}", re.DOTALL)
NO_NAME = re.compile(r"[^A-Za-z0-9_]+")
QUOTES = "'\""


def adapt_call(made: Made, op: Op, findings: Findings) -> None:
    """Bring the call of a task to the tools that there are here."""
    function = made.get("function")
    if not isinstance(function, str):
        return
    if function in COUNTERS and not made.get("args") and not made.get("kwargs"):
        made["function"], made["args"] = COUNTERS[function]
        made.pop("kwargs", None)
    elif function in ADAPTED:
        ADAPTED[function](made, op, findings)
    elif not NAME.fullmatch(function):
        name = NO_NAME.sub("_", function.replace(".", "_")).strip("_") or "tool"
        made["function"] = f"app.{name if not name[0].isdigit() else '_' + name}"
        message = f"{function!r} is no name of a tool, which has a dot: now {made['function']!r}"
        findings.changed(op.at("function"), message)


def fields_of(op: Op) -> Mapping[str, str]:
    """What fields of an operator's result are called here, where they have another name."""
    function = op.raw.get("function")
    if function == "tools.shell.run":
        return {"returncode": "exit_code"}
    if function == "tools.http.request" and _method(op.raw):
        return {"status_code": "status", "response": "data"}
    return {}


def _method(raw: Mapping[str, object]) -> str:
    """The method of a call of `tools.http.request` that can be adapted, or an empty text."""
    kwargs = raw.get("kwargs")
    if raw.get("args") or not isinstance(kwargs, dict):
        return ""
    method = str(kwargs.get("method", "GET")).lower()
    is_known = method in METHODS and kwargs.keys() - {"method"} <= HTTP_WORDS.keys()
    return method if is_known else ""


def _http(made: Made, op: Op, findings: Findings) -> None:
    method, kwargs = _method(made), made.get("kwargs")
    if not method or not isinstance(kwargs, dict):
        return
    made["function"] = f"tools.fetch.{method}"
    made["kwargs"] = {HTTP_WORDS[key]: each for key, each in kwargs.items() if key != "method"}
    findings.changed(
        op.at("function"),
        f"it calls 'tools.fetch.{method}', which gives {{status, data, headers}}",
    )


def _python(made: Made, op: Op, findings: Findings) -> None:
    args = made.get("args")
    first = args[0] if isinstance(args, list) and args else None
    if not isinstance(args, list) or not isinstance(first, str) or not NAME.fullmatch(first):
        made["require"] = "false"
        message = (
            "'tools.python.run' is to call a function that its first argument does not name; "
            "the task fails"
        )
        findings.lost(made, op.at("function"), message)
        made |= {"function": "tools.log.error", "args": [message]}
        made.pop("kwargs", None)
        return
    made["function"] = first
    made["args"] = args[1:]
    findings.changed(
        op.at("function"), f"a Python function is a tool here: declare it with @tool({first!r})"
    )


# --- shells --------------------------------------------------------------------------------------


def _shell(made: Made, op: Op, findings: Findings) -> None:
    args, kwargs = made.get("args"), made.get("kwargs")
    if isinstance(args, list) and args and isinstance(args[0], str):
        made["args"] = [_enclosed_in(args[0], made, op, findings), *args[1:]]
    elif isinstance(kwargs, dict) and isinstance(kwargs.get("command"), str):
        made["kwargs"] = {**kwargs, "command": _enclosed_in(kwargs["command"], made, op, findings)}


def _enclosed_in(command: str, made: Made, op: Op, findings: Findings) -> str:
    if "{{" not in command or "<<" in command:
        return command  # In a here-document quotes mean nothing; whoever loads it tells.
    text, values, loose = enclosed(command)
    said = made.get("env")
    made["env"] = {**(said if isinstance(said, dict) else {}), **values}
    if loose:
        message = f"a value without quotes stays one word, which a shell reads: {', '.join(loose)}"
        findings.changed(op.at("args" if "args" in op.raw else "kwargs"), message)
    return text


class Piece(NamedTuple):
    """A part of a command: text, or the inside of a template; and the quote it stands in."""

    text: str
    is_template: bool
    quote: str


def enclosed(command: str) -> tuple[str, dict[str, str], list[str]]:
    """A command that reads its values from variables, these, and the templates without quotes."""
    pieces = list(_pieces(command))
    taken = "".join(each.text for each in pieces if not each.is_template)
    values: dict[str, str] = {}
    names: dict[str, str] = {}
    written = []
    for piece in pieces:
        if not piece.is_template:
            written.append(piece.text)
            continue
        name = names.get(piece.text) or _variable(piece.text, taken, values)
        names[piece.text] = name
        values[name] = f"{{{{{piece.text}}}}}"
        written.append(READING[piece.quote].format(name))
    loose = [f"{{{{{each.text}}}}}" for each in pieces if each.is_template and not each.quote]
    return "".join(written), values, list(dict.fromkeys(loose))


# How a variable is read, by the quotes around.
READING = {"": '"${{{}}}"', '"': "${{{}}}", "'": "'\"${{{}}}\"'"}


def _variable(template: str, taken: str, values: Mapping[str, str]) -> str:
    """A name for a value that the command, and no other value, uses."""
    path = re.split(r"[|(\[]", template)[0].strip()
    parts = path.split(".")
    name = NO_NAME.sub("_", "_".join(parts[1:] if len(parts) > 1 else parts)).strip("_") or "value"
    name = name if not name[0].isdigit() else f"value_{name}"
    while name in values or re.search(rf"\b{name}\b", taken) or name.isupper():
        name = f"{name.lower()}_value" if name.isupper() else f"{name}_"
    return name


def _pieces(command: str) -> Iterator[Piece]:
    start, quote = 0, ""
    for match in TEMPLATE.finditer(command):
        text = command[start : match.start()]
        quote = _quote_behind(text, quote)
        yield Piece(text, False, quote)
        yield Piece(match[1], True, quote)
        start = match.end()
    yield Piece(command[start:], False, quote)


def _quote_behind(text: str, quote: str) -> str:
    """The quote that is open behind a text that begins in `quote`."""
    escaped = False
    for char in text:
        if escaped:
            escaped = False
        elif char == "\\" and quote != "'":
            escaped = True
        elif char in QUOTES and quote in ("", char):
            quote = "" if quote else char
    return quote


ADAPTED: Final[Mapping[str, Callable[[Made, Op, Findings], None]]] = {
    "tools.http.request": _http,
    "tools.python.run": _python,
    "tools.shell.run": _shell,
}
