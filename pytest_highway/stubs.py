"""The stub book: what a case answers in place of tools, and how each call finds its answer.

    call --(task's path, else its id, else the tool's name)--> script --> entry --> answer

The narrower script wins, and a call that its script has no answer for is a fault of the case: it
never falls through to a wider one. Within a script the first entry with answers left whose `when`
matches answers. A book is made for one run of one case; what it finds wrong is in `faults`.
"""

from __future__ import annotations

import builtins
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from pytest_highway.case_models import ABSENT, HttpEntry, StubEntry
from pytest_highway.errors import HighwayError
from pytest_highway.events import HttpRequested
from pytest_highway.executors import CURRENT_CALL, Runner
from pytest_highway.expression import ExpressionError
from pytest_highway.frame import Answer, Call, Unretryable
from pytest_highway.http_stub import HttpAnswer, HttpRequest, key_matches, request_key
from pytest_highway.matchers import matches
from pytest_highway.plan import Loc
from pytest_highway.serialization import to_json
from pytest_highway.template import compile_data
from pytest_highway.tool_context import CommandFailed, LogLevel, finished_value, parse_usage
from pytest_highway.tools import Tool

__all__ = ["PROCESS_TOOLS", "Script", "StubBook", "StubFault", "Unstubbed", "exception_class"]

# Stubs of these stand at the process boundary.
PROCESS_TOOLS = ("tools.shell.run", "tools.command.run")


class Unstubbed(Unretryable):
    """A call that the case has no answer for."""


@dataclass(frozen=True, slots=True)
class StubFault:
    """What the book found wrong with a case: where in the case, and what."""

    loc: Loc
    message: str


@dataclass(slots=True)
class Script:
    """The entries for one name, and how often each has answered; `loc` is where they stand.

    `may_stay_unused` holds for stubs that come from `test_defaults`.
    """

    loc: Loc
    entries: Sequence[StubEntry | HttpEntry]
    is_list: bool = True
    may_stay_unused: bool = False
    used: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.used = [0] * len(self.entries)

    def take(self, fits: Callable[[StubEntry | HttpEntry], bool]) -> int | None:
        """The number of the entry that answers, counted as used; None when there is none."""
        for number, entry in enumerate(self.entries):
            limit = entry.times if entry.times is not None else (1 if self.is_list else "any")
            if (limit == "any" or self.used[number] < cast(int, limit)) and fits(entry):
                self.used[number] += 1
                return number
        return None

    def unused(self) -> Iterator[StubFault]:
        """A fault for each entry that never answered."""
        if self.may_stay_unused:
            return
        for number, count in enumerate(self.used):
            if not count:
                loc = (*self.loc, number) if self.is_list else self.loc
                yield StubFault(loc, f"the stub for {str(self.loc[-1])!r} was never used")


class StubBook:
    """All scripts of a case, as the runner that answers calls.

    `real` names the tools that run for real, or is true for all; `roots` holds `params` and
    `fixtures` for templates in answers.
    """

    def __init__(
        self,
        tasks: Mapping[str, Script],
        tools: Mapping[str, Script],
        http: Mapping[str, Script],
        real: bool | Sequence[str],
        inner: Runner,
        roots: Mapping[str, object],
    ) -> None:
        self.tasks = tasks
        self.tools = tools
        self.http = http
        self.real = real
        self.inner = inner
        self.roots = roots
        self.faults: list[StubFault] = []
        self._keys = [(request_key(key), key) for key in http]

    def start(self, call: Call) -> Answer | None:
        """Answer one call."""
        script = (
            self.tasks.get(call.path)
            or self.tasks.get(call.frame.node.name)
            or self.tools.get(call.tool.name)
        )
        if script is None:
            if self._runs_for_real(call.tool):
                return self._real(call)
            return self._unanswered(call, ("stubs",), _unstubbed(call))
        number = script.take(lambda entry: self._fits(cast(StubEntry, entry), call))
        if number is None:
            return self._unanswered(call, script.loc, _past_the_end(call, script))
        return self._answer(call, cast(StubEntry, script.entries[number]), (*script.loc, number))

    def wait(self, seconds: float | None) -> list[tuple[Call, Answer]]:
        """Answers of real calls that have come in."""
        return self.inner.wait(seconds)

    def abandon(self, call: Call) -> str | None:
        """Stop a real call whose answer is no longer wanted."""
        return self.inner.abandon(call)

    def close(self) -> None:
        """Let the real runner go of what it holds."""
        self.inner.close()

    def unused(self) -> list[StubFault]:
        """A fault for each entry that never answered, in the order of the case."""
        scripts = [*self.tasks.values(), *self.tools.values(), *self.http.values()]
        return [fault for script in scripts for fault in script.unused()]

    # --- calls ---------------------------------------------------------------------------------

    def _runs_for_real(self, tool: Tool) -> bool:
        if tool.effects == "pure" or self.real is True:
            return True
        return tool.name in cast("Sequence[str]", self.real or ()) or (
            bool(self.http) and tool.name.startswith("tools.fetch.")
        )

    def _real(self, call: Call) -> Answer | None:
        answer = self.inner.start(call)
        return answer._replace(after=call.latency) if answer and call.latency else answer

    def _unanswered(self, call: Call, loc: Loc, message: str) -> Answer:
        fault = StubFault(loc, message)
        if fault not in self.faults:
            self.faults.append(fault)
        return Answer(error=Unstubbed(message.split("\n")[0]))

    def _fits(self, entry: StubEntry, call: Call) -> bool:
        when = entry.when
        if when is None:
            return True
        named = when.model_fields_set
        return ("args" not in named or matches(when.args, call.args)) and (
            "kwargs" not in named or matches(when.kwargs, call.kwargs)
        )

    def _answer(self, call: Call, entry: StubEntry, loc: Loc) -> Answer | None:
        seen = {"args": call.args, "kwargs": call.kwargs, "attempt": call.attempt}
        roots = {**self.roots, "call": seen}
        for each in entry.log:
            for level, text in each.items():
                call.log(cast(LogLevel, level), str(_rendered(text, roots)))
        if entry.usage is not None:
            call.add_usage(*parse_usage(entry.usage.cost or 0, entry.usage.tokens))
        if entry.call == "real":
            call.latency += entry.after
            return self._real(call)
        if entry.error is not None:
            return Answer(error=_raised(entry.error, roots), after=entry.after)
        try:
            value = self._value(entry, roots)
        except ExpressionError as error:
            return self._unanswered(call, loc, f"the stub's answer: {error.message}")
        return Answer(value, _process_error(call, value), entry.after)

    def _value(self, entry: StubEntry, roots: Mapping[str, object]) -> object:
        if entry.exit is None:
            return _rendered(entry.answer, roots)
        return finished_value(
            entry.exit, str(_rendered(entry.stdout, roots)), str(_rendered(entry.stderr, roots))
        )

    # --- HTTP ----------------------------------------------------------------------------------

    def respond(self, request: HttpRequest) -> HttpAnswer:
        """Answer one HTTP request of the tool that is being called."""
        call = CURRENT_CALL.get()
        key = next((name for key, name in self._keys if key_matches(key, request)), None)
        if key is None:
            self._unanswered(call, ("http",), _unstubbed_request(request))
            raise Unstubbed(f"no answer for {request.method} {request.url}")
        script = self.http[key]
        call.records.append(HttpRequested(call.services.now(), call.path, key))
        number = script.take(lambda entry: _request_fits(entry, request))
        if number is None:
            message = f"no answer is left for {key}, request {_count(script)} of {call.path!r}"
            self._unanswered(call, script.loc, message)
            raise Unstubbed(message)
        return self._reply(call, cast(HttpEntry, script.entries[number]), request)

    def _reply(self, call: Call, entry: HttpEntry, request: HttpRequest) -> HttpAnswer:
        call.latency += entry.after
        seen = {"method": request.method, "url": request.url, "json": request.json}
        roots = {**self.roots, "call": {**seen, "text": request.text}}
        if entry.error is not None:
            raise _raised(entry.error, roots)
        reply = entry.answer
        if reply is None:
            return HttpAnswer()
        text = None if reply.text is None else str(_rendered(reply.text, roots))
        headers = {name: str(_rendered(each, roots)) for name, each in reply.headers.items()}
        if reply.json_body is ABSENT:
            return HttpAnswer(reply.status, text=text, headers=headers)
        return HttpAnswer(reply.status, _rendered(reply.json_body, roots), text, headers)


def _rendered(data: object, roots: Mapping[str, object]) -> object:
    return compile_data(data).render(roots)


def _request_fits(entry: StubEntry | HttpEntry, request: HttpRequest) -> bool:
    when = entry.when
    if not isinstance(when, Mapping):
        return True
    seen = {"json": request.json, "text": request.text, "headers": dict(request.headers)}
    return matches({"$partial": when}, seen)


def _process_error(call: Call, value: object) -> Exception | None:
    """The failure that a finished process with this value would be."""
    if call.tool.name not in PROCESS_TOOLS or not isinstance(value, Mapping):
        return None
    code = value.get("exit_code", 0)
    if not isinstance(code, int) or code == 0:
        return None
    command = call.args or list(call.kwargs.values())
    what = " ".join(str(each) for each in command)
    stdout, stderr = str(value.get("stdout", "")), str(value.get("stderr", ""))
    return CommandFailed.from_finished(what, code, stdout, stderr)


# --- exceptions ----------------------------------------------------------------------------------


def exception_class(name: str, known: Mapping[str, type[Exception]]) -> type[Exception]:
    """The class a case names: `module:Class`, a known one, a builtin or one of httpx.

    Raises `HighwayError` when there is no such exception.
    """
    found: object = known.get(name)
    if ":" in name:
        module, _, attribute = name.partition(":")
        try:
            found = getattr(importlib.import_module(module), attribute, None)
        except ImportError as error:
            raise HighwayError(f"exception {name!r} cannot be imported: {error}") from error
    elif found is None:
        found = getattr(builtins, name, None) or _of_httpx(name)
    if not (isinstance(found, type) and issubclass(found, Exception)):
        raise HighwayError(f"{name!r} is no exception that is known here")
    return found


def _of_httpx(name: str) -> object:
    try:
        import httpx
    except ImportError:
        return None
    return getattr(httpx, name, None)


def _raised(spec: Mapping[str, str], roots: Mapping[str, object]) -> Exception:
    ((name, message),) = spec.items()
    kind = exception_class(name, KNOWN_EXCEPTIONS)
    text = str(_rendered(message, roots))
    if kind is CommandFailed:
        return CommandFailed(text, 1)
    try:
        return kind(text) if text else kind()
    except TypeError:
        # Its constructor wants more; what matters to the run is its class and its text.
        error = kind.__new__(kind)
        error.args = (text,)
        return error


KNOWN_EXCEPTIONS: dict[str, type[Exception]] = {"CommandFailed": CommandFailed}


# --- messages ------------------------------------------------------------------------------------


def _shown_call(call: Call) -> str:
    shown = [to_json(each) for each in call.args]
    shown += [f"{name}={to_json(each)}" for name, each in call.kwargs.items()]
    return f"{call.tool.name}({', '.join(shown)})"


def _unstubbed(call: Call) -> str:
    return (
        f"{call.path!r} called {_shown_call(call)}, which has effects "
        f"({call.tool.effects}) and no stub; add one:\n"
        f"stubs:\n  {call.frame.node.name}: {{return: null}}"
    )


def _unstubbed_request(request: HttpRequest) -> str:
    return (
        f"no answer for {request.method} {request.url}; add one:\n"
        f"http:\n  {request.method} {request.url}: {{return: {{status: 200, json: {{}}}}}}"
    )


def _count(script: Script) -> int:
    return sum(script.used) + 1


def _past_the_end(call: Call, script: Script) -> str:
    return (
        f"no entry of the stub for {str(script.loc[-1])!r} answers call {_count(script)}, "
        f"{_shown_call(call)} of {call.path!r} (attempt {call.attempt})"
    )
