"""The stub book: what a case answers in place of tools, and how each call finds its answer.

    call --(task's path, else its id, else the tool's name)--> script --> rule --> answer

The narrower script wins, and a call that its script has no answer for is a fault of the case: it
never falls through to a wider one. Within a script the first rule with answers left whose `when`
matches answers. A book is made for one run of one case; what it finds wrong is in `faults`, and a
case with faults fails whatever it expects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from pytest_highway.cases.answers import HttpRule, Raising, Rule, Script, Scripts, StubRule
from pytest_highway.cases.http_stub import HttpAnswer, HttpRequest, normal_url
from pytest_highway.cases.scripts import FETCH_TOOLS
from pytest_highway.engine.call import Call
from pytest_highway.engine.frame import Answer, Unretryable
from pytest_highway.events import HttpRequested, new_tuple
from pytest_highway.exceptions import make_exception
from pytest_highway.expressions.expression import ExpressionError
from pytest_highway.expressions.template import Value
from pytest_highway.expressions.values import as_text
from pytest_highway.matching.matchers import matches
from pytest_highway.planning.plan import Loc
from pytest_highway.runners.executors import CURRENT_CALL, Runner
from pytest_highway.serialization import to_json
from pytest_highway.tool_context import CommandFailed, OutputError, finished_value, text_of
from pytest_highway.toolbox.json_body import ABSENT
from pytest_highway.toolbox.outputs import check_provided
from pytest_highway.toolbox.process import PROCESS_TOOLS
from pytest_highway.toolbox.python import python_command
from pytest_highway.tools import Tool

__all__ = ["StubBook", "StubFault", "Unstubbed", "needs_no_stub"]

AnyRule = TypeVar("AnyRule", bound=Rule)
Roots = Mapping[str, object]


class Unstubbed(Unretryable):
    """A call that the case has no answer for."""


@dataclass(frozen=True, slots=True)
class StubFault:
    """What the book found wrong with a case: where in the case, and what.

    The first line of `message` is the sentence. What stands below it is to be pasted into the
    case: one of its words (`stubs:`, `http:`) and an entry for it, indented by two. `detail` is to
    be read only.
    """

    loc: Loc
    message: str
    detail: str = ""


class Turns:
    """How often each rule of a script has answered, in one run.

    `fresh` makes the value for every call where nothing has to be looked at: a copy of one value.
    """

    __slots__ = ("after", "fresh", "script", "used")

    def __init__(self, script: Script) -> None:
        self.script = script
        self.used = [0] * len(script.rules)
        self.fresh = _fixed_value(script.rules[0]) if len(script.rules) == 1 else None
        self.after = script.rules[0].after if self.fresh is not None else 0.0

    def take(self, kind: type[AnyRule], fits: Callable[[AnyRule], bool]) -> AnyRule | None:
        """The rule that answers, counted as used; None when there is none."""
        for number, rule in enumerate(self.script.rules):
            left = rule.times is None or self.used[number] < rule.times
            if left and isinstance(rule, kind) and fits(rule):
                self.used[number] += 1
                return rule
        return None

    def next_number(self) -> int:
        """The number of the next call, from 1."""
        return sum(self.used) + 1

    def unused(self) -> Iterator[StubFault]:
        """A fault for each rule that never answered."""
        script = self.script
        for rule, count in zip(script.rules, self.used, strict=True):
            if not count and not script.may_stay_unused:
                number = rule.loc[2:]
                which = f"entry {int(number[0]) + 1} of " if number else ""
                yield StubFault(rule.loc, f"{which}the stub for {script.name!r} was never used")


class StubBook:
    """All scripts of a case, as the runner that answers calls.

    `real` names the tools that run for real, by `inner`, or is true for all; `roots` holds
    `params` and `fixtures` for templates in answers. `forks` tells that `inner` calls tools of
    isolation `process` in another process, where no answer to HTTP reaches them.
    """

    def __init__(
        self,
        scripts: Scripts,
        real: bool | Sequence[str],
        inner: Runner,
        roots: Roots,
        *,
        forks: bool = False,
    ) -> None:
        self.tasks = {name: Turns(each) for name, each in scripts.tasks.items()}
        self.tools = {name: Turns(each) for name, each in scripts.tools.items()}
        self.http = {key: Turns(each) for key, each in scripts.http.items()}
        self.real = real
        self.inner = inner
        self.roots = roots
        self.forks = forks
        self.faults: list[StubFault] = []
        self.ran: dict[str, Tool] = {}  # for real, by name

    def start(self, call: Call) -> Answer | None:
        """Answer one call; None when a real one answers later."""
        tool = call.tool
        turns = self._of_task(call) if self.tasks else None
        turns = turns or self.tools.get(tool.name)
        if turns is not None and turns.fresh is not None:
            turns.used[0] += 1
            return new_tuple(Answer, (turns.fresh(), None, turns.after))
        if turns is None:
            if self._runs_for_real(tool):
                return self._real(call)
            return self._unanswered(call, ("stubs",), *self._unstubbed(call))
        rule = turns.take(StubRule, lambda rule: _fits(rule, call))
        if rule is None:
            return self._unanswered(call, turns.script.loc, _past_the_end(call, turns))
        try:
            return self._answer(call, rule)
        except ExpressionError as error:
            return self._unanswered(call, rule.loc, f"the stub's answer: {error.message}")

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
        books = (self.tasks, self.tools, self.http)
        turns = [each for book in books for each in cast("Mapping[object, Turns]", book).values()]
        return [fault for each in turns for fault in each.unused()]

    # --- calls -----------------------------------------------------------------------------------

    def _of_task(self, call: Call) -> Turns | None:
        return self.tasks.get(call.path) or self.tasks.get(call.frame.node.name)

    def _runs_for_real(self, tool: Tool) -> bool:
        if self.real is True or needs_no_stub(tool, has_http=bool(self.http)):
            return True
        return isinstance(self.real, list) and tool.name in self.real

    def _real(self, call: Call) -> Answer | None:
        if self.http and self.forks and _is_out_of_reach(call.tool):
            return self._unanswered(call, ("http",), _out_of_reach(call))
        self.ran[call.tool.name] = call.tool
        answer = self.inner.start(call)
        if answer is None or not call.latency:
            return answer
        return answer._replace(after=answer.after + call.latency)

    def _unanswered(self, call: Call, loc: Loc, message: str, remedy: str = "") -> Answer:
        """Note a fault of the case, once; the task fails, too."""
        self._note(StubFault(loc, f"{message}; add one:\n{remedy}" if remedy else message))
        return Answer(error=Unstubbed(message))

    def _note(self, fault: StubFault) -> None:
        if fault not in self.faults:
            self.faults.append(fault)

    def _answer(self, call: Call, rule: StubRule) -> Answer | None:
        seen = {"args": call.args, "kwargs": call.kwargs, "attempt": call.attempt}
        roots = {**self.roots, "call": seen}
        for level, text in rule.log:
            call.log(level, as_text(text.render(roots)))
        if rule.usage is not None:
            call.add_usage(*rule.usage)
        if rule.is_real:
            call.latency += rule.after
            return self._real(call)
        if rule.error is not None:
            return Answer(error=_raised(rule.error, roots), after=rule.after)
        value = rule.value.render(roots)
        if call.tool.name in PROCESS_TOOLS and isinstance(value, dict) and "exit_code" in value:
            return _finished(call, value, rule.after)
        return Answer(value, after=rule.after)

    # --- HTTP ------------------------------------------------------------------------------------

    def respond(self, request: HttpRequest) -> HttpAnswer:
        """Answer one HTTP request of the tool that is being called."""
        call = CURRENT_CALL.get(None)
        what = f"{request.method} {request.url}"
        if call is None:
            # Of a thread that a tool started, or of a fixture: no task could be told.
            fault = StubFault(("http",), f"{what} was requested outside of any task's call")
            self._note(fault)
            raise Unstubbed(fault.message)
        turns = self.http.get((request.method.upper(), normal_url(request.url)))
        if turns is None:
            return self._refuse(call, ("http",), f"no answer for {what}", _http_entry(what))
        call.records.append(HttpRequested(call.services.now(), call.path, turns.script.name))
        rule = turns.take(HttpRule, lambda rule: _answers(rule, request))
        if rule is None:
            number = turns.next_number()
            why = f"no entry for {turns.script.name!r} answers request {number}, of {call.path!r}"
            return self._refuse(call, turns.script.loc, why)
        try:
            return self._reply(call, rule, request)
        except ExpressionError as error:
            return self._refuse(call, rule.loc, f"the answer: {error.message}")

    def _refuse(self, call: Call, loc: Loc, message: str, remedy: str = "") -> HttpAnswer:
        self._unanswered(call, loc, message, remedy)
        raise Unstubbed(message)

    def _reply(self, call: Call, rule: HttpRule, request: HttpRequest) -> HttpAnswer:
        call.latency += rule.after
        seen = {"method": request.method, "url": request.url, "json": request.json}
        roots = {**self.roots, "call": {**seen, "text": request.text}}
        if rule.error is not None:
            raise _raised(rule.error, roots)
        headers = {name: as_text(each.render(roots)) for name, each in rule.headers}
        if rule.json is not None:
            return HttpAnswer(rule.status, rule.json.render(roots), headers=headers)
        text = None if rule.text is None else as_text(rule.text.render(roots))
        return HttpAnswer(rule.status, text=text, headers=headers)

    # --- messages --------------------------------------------------------------------------------

    def _unstubbed(self, call: Call) -> tuple[str, str]:
        """What is wrong, and a stub to paste."""
        tool, node = call.tool.name, call.frame.node
        what = f"{call.path!r} called {_shown_call(call)}"
        message = f"{what}, which has effects ({call.tool.effects}) and no stub"
        if tool.startswith(FETCH_TOOLS) and (url := _url_of(call)):
            request = f"{tool.removeprefix(FETCH_TOOLS).upper()} {url}"
            return message, _http_entry(request)
        answer = "{exit: 0, stdout: ''}" if tool in PROCESS_TOOLS else "{return: null}"
        return message, f"stubs:\n  {node.name}: {answer}"


def _fixed_value(rule: Rule) -> Callable[[], object] | None:
    """Copies of the one value of a rule that looks at nothing; a process's end is looked at."""
    if not isinstance(rule, StubRule) or not rule.is_fixed:
        return None
    value = rule.value.render({})
    is_process = isinstance(value, dict) and "exit_code" in value
    return None if is_process else _copier(value)


def _copier(value: object) -> Callable[[], object]:
    """Deep copies of one value, which is looked through only once."""
    if not isinstance(value, (dict, list)):
        return lambda: value
    data = cast("dict[object, object]", value)  # a list is copied and filled by the same calls
    entries = data.items() if isinstance(value, dict) else enumerate(value)
    inner = [(key, _copier(each)) for key, each in entries if isinstance(each, (dict, list))]
    if not inner:
        return data.copy

    def copied() -> object:
        made = data.copy()
        for key, copy in inner:
            made[key] = copy()
        return made

    return copied


def needs_no_stub(tool: Tool, *, has_http: bool) -> bool:
    """Whether a simulated run calls a tool: nothing outside sees it, or `http` answers below it."""
    return tool.effects == "pure" or (has_http and tool.name.startswith(FETCH_TOOLS))


def _fits(rule: StubRule, call: Call) -> bool:
    return (rule.args is ABSENT or matches(rule.args, call.args)) and (
        rule.kwargs is ABSENT or matches(rule.kwargs, call.kwargs)
    )


def _answers(rule: HttpRule, request: HttpRequest) -> bool:
    if not rule.when:
        return True
    seen = {"json": request.json, "text": request.text, "headers": dict(request.headers)}
    return all(matches(pattern, seen[word]) for word, pattern in rule.when.items())


def _raised(error: Raising, roots: Roots) -> Exception:
    return make_exception(error.kind, _text(error.text, roots))


def _text(value: Value, roots: Roots) -> str:
    return as_text(value.render(roots))


def _finished(call: Call, value: Mapping[str, object], after: float) -> Answer:
    """What the real tool makes of a process that has ended like this."""
    code = value["exit_code"]
    if not isinstance(code, int) or isinstance(code, bool):
        raise ExpressionError(f"exit_code is a whole number, got {to_json(code)}")
    streams = [as_text(value.get(name, "")) for name in ("stdout", "stderr")]
    if code != 0:
        return Answer(
            error=CommandFailed.from_finished(_command(call), code, *streams), after=after
        )
    finished = {**value, **finished_value(code, *streams)}
    if call.provides is None:
        return Answer(finished, after=after)
    handed_on = value.get("outputs", {})
    outputs = handed_on if isinstance(handed_on, Mapping) else {}
    finished["outputs"] = {str(name): as_text(each) for name, each in outputs.items()}
    try:
        check_provided(call.provides, outputs, _is_file_like, OUTPUTS_REMEDY)
    except OutputError as error:
        return Answer(error=error, after=after)
    return Answer(finished, after=after)


# A stub leaves no files; one that the step promises is taken to be there, if its name is a file's.
OUTPUTS_REMEDY = "; the stub says so by 'outputs: {name: value}'"


def _is_file_like(name: str) -> bool:
    return "/" in name or "." in name


def _command(call: Call) -> str | list[str]:
    """The command as the real tool tells it."""
    if call.tool.name == "tools.command.run":
        return [text_of(each) for each in call.args]
    if call.tool.name == "tools.python.run":
        return python_command(*call.args, **call.kwargs)
    return text_of(call.args[0] if call.args else call.kwargs.get("command"))


# --- messages ------------------------------------------------------------------------------------


def _shown_call(call: Call) -> str:
    shown = [to_json(each) for each in call.args]
    shown += [f"{name}={to_json(each)}" for name, each in call.kwargs.items()]
    return f"{call.tool.name}({', '.join(shown)})"


def _url_of(call: Call) -> str:
    """The URL that a fetch tool was called with; empty when it is none that a stub can name."""
    url = call.args[0] if call.args else call.kwargs.get("url")
    try:
        return (
            url
            if isinstance(url, str) and not call.kwargs.get("params") and normal_url(url)
            else ""
        )
    except ValueError:
        return ""


def _http_entry(request: str) -> str:
    is_plain = not any(sign in request for sign in (": ", " #", "{{", '"')) and request[-1] != ":"
    key = request if is_plain else json.dumps(request, ensure_ascii=False)
    return f"http:\n  {key}: {{return: {{status: 200, json: {{}}}}}}"


def _is_out_of_reach(tool: Tool) -> bool:
    return tool.isolation == "process" and tool.effects != "pure"


def _out_of_reach(call: Call) -> str:
    return (
        f"{call.path!r} calls {call.tool.name} in another process, where the answers of `http` do "
        "not reach it; stub it, or let its isolation be 'thread'"
    )


def _past_the_end(call: Call, turns: Turns) -> str:
    return (
        f"no entry of the stub for {turns.script.name!r} answers call {turns.next_number()}, "
        f"{_shown_call(call)} of {call.path!r} (attempt {call.attempt})"
    )
