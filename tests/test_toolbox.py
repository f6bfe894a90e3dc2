"""The built-in tools, called as the engine calls them: through their registry."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest
from tool_host import RecordingHost

from pytest_highway.toolbox import fetch, process
from pytest_highway.toolbox.json_body import ABSENT, parse_body
from pytest_highway.tools import CommandFailed, ToolError, discover


@pytest.fixture(scope="module")
def registry():
    """The built-in tools."""
    return discover(entry_points=False)


@pytest.fixture
def host():
    """The engine's place."""
    return RecordingHost()


@pytest.fixture
def call(registry, host):
    """Call a tool by name; its logs and events are kept by `host`."""

    def call_tool(name, *args, **kwargs):
        tool = registry.get(name)
        assert tool.misfit(len(args), list(kwargs)) is None
        return tool.invoke(host.context(), args, kwargs)

    return call_tool


# -- what tools are ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group", "effects", "isolation", "bulkhead"),
    [
        ("tools.log.", ["pure"], ["inline"], [False]),
        ("tools.memory.", ["pure"], ["inline"], [False]),
        ("tools.events.", ["pure"], ["inline"], [False]),
        ("tools.fetch.", ["read", "write"], ["thread"], [True]),
        ("tools.shell.", ["write"], ["subprocess"], [True]),
        ("tools.command.", ["write"], ["subprocess"], [True]),
        ("tools.python.", ["write"], ["subprocess"], [True]),
        ("tools.powershell.", ["write"], ["subprocess"], [True]),
    ],
)
def test_each_group_has_its_effects_and_isolation(registry, group, effects, isolation, bulkhead):
    """Pure tools only talk to the engine; the others reach outside."""
    tools = [each for each in registry if each.name.startswith(group)]
    assert sorted({each.effects for each in tools}) == effects
    assert sorted({each.isolation for each in tools}) == isolation
    assert sorted({each.bulkhead for each in tools}) == bulkhead


def test_only_get_and_head_merely_read(registry):
    """The other methods may change something at the other end."""
    reading = [each.name for each in registry if each.effects == "read"]
    assert reading == ["tools.fetch.get", "tools.fetch.head"]


FETCH = "url, headers=None, json=None, data=None, params=None, timeout=None"


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("tools.log.info", "message"),
        ("tools.memory.set", "key, value"),
        ("tools.memory.get", "key"),
        ("tools.memory.increment", "key"),
        ("tools.memory.add", "key, value"),
        ("tools.events.emit", "name, data=None"),
        ("tools.fetch.get", FETCH),
        ("tools.fetch.delete", FETCH),
        ("tools.shell.run", "command, cwd=None, env=None, input=None, shell=None"),
        ("tools.command.run", "program, /, *arguments, cwd=None, env=None, input=None"),
    ],
)
def test_each_tool_takes_what_the_language_says(registry, name, parameters):
    """The context is no caller's business."""
    assert registry.get(name).describe() == f"{name}({parameters})"


# -- log, memory, events -----------------------------------------------------------------------


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_log_tools_log_at_their_level_and_return_nothing(call, host, level):
    """A message that is no text is shown as JSON."""
    assert call(f"tools.log.{level}", "done") is None
    assert call(f"tools.log.{level}", message=[1, None]) is None
    assert host.logs == [(level, "done"), (level, "[1, null]")]


def test_memory_tools_set_get_and_count(call):
    """A missing key counts as 0."""
    assert call("tools.memory.set", "k", [1]) == {"key": "k", "status": "ok"}
    assert call("tools.memory.get", "k") == [1]
    assert call("tools.memory.increment", "n") == {"key": "n", "new_value": 1}
    assert call("tools.memory.add", "n", 2.5) == {"key": "n", "old_value": 1, "new_value": 3.5}
    assert call("tools.memory.add", "m", 2) == {"key": "m", "old_value": 0, "new_value": 2}


def test_memory_get_of_a_missing_key_fails_with_near_names(call):
    """An empty value would hide a typo."""
    call("tools.memory.set", "counter", 1)
    with pytest.raises(ToolError, match="has no 'countr'; known are 'counter'; did you mean 'c"):
        call("tools.memory.get", "countr")


def test_memory_add_to_a_text_fails(call):
    """Texts are not concatenated by accident."""
    call("tools.memory.set", "k", "1")
    with pytest.raises(ToolError, match="memory key 'k' holds '1', which is no number"):
        call("tools.memory.increment", "k")


def test_events_emit_sends_the_event_and_returns_it(call, host):
    """Its data may be anything, or nothing."""
    assert call("tools.events.emit", "approved", {"by": "ops"}) == {
        "name": "approved",
        "data": {"by": "ops"},
    }
    assert call("tools.events.emit", "done") == {"name": "done", "data": None}
    assert host.events == [("approved", {"by": "ops"}), ("done", None)]


# -- fetch -------------------------------------------------------------------------------------


ANSWERS = {
    "/html": (200, "text/html", b"<p>\xc3\xa4</p>"),
    "/missing": (404, "application/problem+json", b'{"title": "none"}'),
    "/broken": (200, "application/json", b"{broken"),
    "/nan": (200, "application/json", b"[NaN]"),
    "/null": (200, "application/json", b"null"),
    "/empty": (204, "application/json", b""),
    "/moved": (302, "text/plain", b"elsewhere"),
}


class EchoHandler(BaseHTTPRequestHandler):
    """Answers as the path says, and echoes what came in."""

    def answer(self):
        length = int(self.headers.get("content-length", 0))
        echoed = {
            "method": self.command,
            "path": self.path,
            "body": self.rfile.read(length).decode(),
            "type": self.headers.get("content-type"),
            "cookie": self.headers.get("cookie"),
            "x": self.headers.get("x-test"),
        }
        default = (200, "application/json; charset=utf-8", json.dumps(echoed).encode())
        status, kind, body = ANSWERS.get(self.path, default)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Location", "/html")
        self.send_header("Set-Cookie", "session=1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: len(body) * (self.command != "HEAD")])

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = answer

    def log_message(self, *args):
        """Nothing."""


@pytest.fixture(scope="module")
def server():
    """The address of a real server on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), EchoHandler) as listening:
        thread = Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_fetch_sends_its_method_and_parses_json(call, server, method):
    """The answer is plain data, header names in lower case."""
    found = call(f"tools.fetch.{method}", f"{server}/a")
    assert found["status"] == 200
    assert found["data"]["method"] == method.upper()
    assert found["headers"]["content-type"] == "application/json; charset=utf-8"
    assert sorted(found) == ["data", "headers", "status"]
    assert json.loads(json.dumps(found)) == found


def test_fetch_head_has_no_data(call, server):
    """Whatever the content type promises."""
    found = call("tools.fetch.head", f"{server}/a")
    assert (found["status"], found["data"]) == (200, None)
    assert found["headers"]["content-length"] != "0"


@pytest.mark.parametrize(
    ("path", "status", "data"),
    [
        ("/html", 200, "<p>ä</p>"),
        ("/missing", 404, {"title": "none"}),
        ("/broken", 200, "{broken"),
        ("/nan", 200, "[NaN]"),
        ("/null", 200, None),
        ("/empty", 204, None),
        ("/moved", 200, "<p>ä</p>"),
    ],
)
def test_fetch_returns_every_answer(call, server, path, status, data):
    """Error statuses are values, redirects are followed, a broken promise of JSON is a text."""
    found = call("tools.fetch.get", server + path)
    assert (found["status"], found["data"]) == (status, data)


@pytest.mark.parametrize(
    ("arguments", "body", "kind"),
    [
        ({"json": {"a": [1]}}, '{"a":[1]}', "application/json"),
        ({"json": False}, "false", "application/json"),
        ({"data": {"a": "b c"}}, "a=b+c", "application/x-www-form-urlencoded"),
        ({"data": "raw ä"}, "raw ä", None),
        ({}, "", None),
    ],
)
def test_fetch_sends_a_body_as_json_or_as_data(call, server, arguments, body, kind):
    """A mapping under `data` is a form, a text goes out as it stands."""
    echoed = call("tools.fetch.post", f"{server}/a", **arguments)["data"]
    assert (echoed["body"], echoed["type"]) == (body, kind)


def test_fetch_sends_headers_and_adds_params_to_the_query(call, server):
    """A number is no error in either."""
    echoed = call("tools.fetch.get", f"{server}/a?b=1", headers={"X-Test": 5}, params={"c": 2})
    assert (echoed["data"]["path"], echoed["data"]["x"]) == ("/a?b=1&c=2", "5")


def test_fetch_carries_no_cookie_from_one_call_to_the_next(call, server):
    """A case must not depend on the one before."""
    call("tools.fetch.get", f"{server}/a")
    assert call("tools.fetch.get", f"{server}/a")["data"]["cookie"] is None


def test_fetch_traces_the_url_for_the_account_of_the_engine(call, host, server):
    """Before anything is sent."""
    call("tools.fetch.get", f"{server}/html")
    assert host.logs == [("trace", f"Fetching {server}/html...")]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1:1/", httpx.ConnectError),
        ("nowhere", httpx.UnsupportedProtocol),
    ],
)
def test_fetch_raises_a_transport_error_of_its_own_class(call, url, error):
    """`retry_on` and `expect: error` name httpx's classes."""
    with pytest.raises(error):
        call("tools.fetch.get", url)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"json": 1, "data": "x"}, "as json or as data, not as both"),
        ({"data": [1]}, r"data \[1\] is neither a mapping nor a text; is json meant"),
        ({"timeout": "5s"}, "timeout '5s' is no number of seconds above 0"),
        ({"timeout": 0}, "timeout 0 is no number"),
        ({"timeout": True}, "timeout True is no number"),
    ],
)
def test_fetch_refuses_wrong_arguments_before_it_sends(call, host, arguments, message):
    """Nothing has been traced then."""
    with pytest.raises(ToolError, match=message):
        call("tools.fetch.post", "http://127.0.0.1:1/", **arguments)
    assert host.logs == []


@pytest.mark.parametrize(
    ("timeout", "left", "seconds"),
    [(None, None, 30.0), (None, 4.0, 4.0), (None, -1.0, 0.001), (2, 4.0, 2.0), (2, None, 2.0)],
)
def test_fetch_waits_as_long_as_told_or_as_the_attempt_may(timeout, left, seconds):
    """A thread cannot be killed, so it must end by itself."""
    assert fetch.timeout_seconds(timeout, left) == seconds


def test_fetch_without_httpx_says_how_to_install_it(call, monkeypatch):
    """httpx comes with an extra."""
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ToolError, match=r'pip install "pytest-highway\[http\]"'):
        call("tools.fetch.get", "http://127.0.0.1:1/")


@pytest.mark.parametrize(
    ("content", "kind", "value"),
    [
        (b"[1]", "application/json", [1]),
        (b"[1]", " Application/JSON ; charset=utf-8", [1]),
        (b"[1]", "text/json", [1]),
        (b"[1]", "application/vnd.api+json", [1]),
        ("[1]".encode("utf-16"), "application/json", [1]),
        (b"null", "application/json", None),
        (b"[1]", "text/plain", ABSENT),
        (b"[1]", "", ABSENT),
        (b"", "application/json", ABSENT),
        (b"\xff[1]", "application/json", ABSENT),
        (b"-Infinity", "application/json", ABSENT),
        (b"[" * 100_000, "application/json", ABSENT),
        (b"9" * 5_000, "application/json", ABSENT),
    ],
)
def test_a_body_is_json_when_its_type_says_so_and_it_parses(content, kind, value):
    """Hostile bodies too end as absent and not as an exception."""
    assert parse_body(content, kind) == value


# -- processes ---------------------------------------------------------------------------------


def test_shell_runs_a_command_line(call):
    """Both streams are kept apart."""
    found = call("tools.shell.run", "echo out; echo err >&2")
    assert found == {"exit_code": 0, "stdout": "out\n", "stderr": "err\n"}


def test_command_passes_each_argument_as_it_stands(call):
    """No shell reads them; what is no text goes in as JSON."""
    code = "import sys; print(sys.argv[1:])"
    found = call("tools.command.run", sys.executable, "-c", code, "$HOME; a b", 8080, True, [1])
    assert found["stdout"] == "['$HOME; a b', '8080', 'true', '[1]']\n"


@pytest.mark.parametrize(
    ("name", "arguments", "shown"),
    [
        ("tools.shell.run", ["echo a; echo why >&2; exit 3"], "'echo a; echo why >&2; exit 3'"),
        (
            "tools.command.run",
            ["sh", "-c", "echo a; echo why >&2; exit 3"],
            "\"sh -c 'echo a; echo why >&2; exit 3'\"",
        ),
    ],
)
def test_an_exit_code_other_than_0_raises(call, name, arguments, shown):
    """The error holds all that is known, its message the end of stderr."""
    with pytest.raises(CommandFailed) as caught:
        call(name, *arguments)
    assert str(caught.value) == f"command {shown} ended with exit code 3: why"
    assert (caught.value.exit_code, caught.value.stdout) == (3, "a\n")
    assert caught.value.stderr == "why\n"


def test_a_process_ended_by_a_signal_raises(call):
    """The exit code is then negative."""
    with pytest.raises(CommandFailed, match=r"ended with exit code -15 \(SIGTERM\)"):
        call("tools.command.run", "sh", "-c", "kill -TERM $$")


def test_env_overlays_the_environment(call, monkeypatch):
    """What is not named stays as it is."""
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("CHANGED", "old")
    found = call(
        "tools.shell.run", 'echo "$KEPT $CHANGED $PORT"', env={"CHANGED": "new", "PORT": 80}
    )
    assert found["stdout"] == "kept new 80\n"


def test_cwd_and_input_reach_the_process(call, tmp_path):
    """An input that is no text is JSON."""
    assert call("tools.shell.run", "pwd", cwd=str(tmp_path))["stdout"] == f"{tmp_path}\n"
    assert call("tools.command.run", "cat", input="ä\n")["stdout"] == "ä\n"
    assert call("tools.command.run", "cat", input={"a": [1]})["stdout"] == '{"a": [1]}'


def test_without_input_a_process_reads_nothing(call):
    """A question at a prompt ends instead of hanging."""
    assert call("tools.command.run", "cat")["stdout"] == ""


def test_input_that_nobody_reads_is_no_error(call):
    """Even when it is larger than a pipe."""
    assert call("tools.command.run", "true", input="x" * 1_000_000)["exit_code"] == 0


@pytest.mark.parametrize(
    ("name", "arguments", "options", "error", "message"),
    [
        ("shell", [""], {}, ToolError, "command '' is no command line"),
        ("shell", [" \n"], {}, ToolError, "is no command line"),
        ("shell", [["ls"]], {}, ToolError, r"command \['ls'\] is no command line"),
        ("shell", ["true"], {"env": {"A": None}}, ToolError, "env 'A' is null"),
        ("shell", ["true"], {"env": {"A=B": "x"}}, ToolError, "program 'sh' cannot be started: "),
        ("shell", ["a\0b"], {}, ToolError, "cannot be started: embedded null byte"),
        ("command", ["ls", None], {}, ToolError, "an argument is null"),
        ("command", ["no-such-one"], {}, FileNotFoundError, "program 'no-such-one' was not found"),
        ("command", ["/"], {}, PermissionError, "program '/' cannot be started: Permission denied"),
        ("shell", ["true"], {"cwd": "none"}, FileNotFoundError, "'none' does not exist"),
        ("shell", ["true"], {"cwd": "/dev/null"}, NotADirectoryError, "'/dev/null' is no folder"),
    ],
)
def test_what_cannot_be_started_says_why(call, name, arguments, options, error, message):
    """In a sentence, as an error of its own class."""
    with pytest.raises(error, match=message):
        call(f"tools.{name}.run", *arguments, **options)


def test_a_chatty_process_never_blocks_and_its_output_is_bounded(call, monkeypatch):
    """The beginning and the end of each stream are kept, and a line says what is missing."""
    monkeypatch.setattr(process, "KEPT", 100_000)
    code = (
        "import sys\n"
        "for stream in (sys.stdout, sys.stderr):\n"
        "    stream.write('a' * 100_000 + 'b' * 800_000 + 'c' * 100_000)\n"
    )
    found = call("tools.command.run", sys.executable, "-c", code)
    expected = "a" * 100_000 + "\n... (800000 bytes dropped)\n" + "c" * 100_000
    assert (found["stdout"] == expected, found["stderr"] == expected) == (True, True)


def test_output_is_decoded_across_the_bounds_of_what_is_kept(call, monkeypatch):
    """A character that lies on the bound survives; what is no UTF-8 is replaced."""
    monkeypatch.setattr(process, "KEPT", 2)
    assert call("tools.shell.run", r"printf 'aä\377'")["stdout"] == "aä\ufffd"


@pytest.fixture
def witness(tmp_path):
    """A pipe with a name, open for reading: it ends when every process that writes to it has."""
    path = tmp_path / "witness"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    yield path, reader
    os.close(reader)


def is_readable(reader):
    """Whether something has been written, or all writers have gone."""
    return bool(select.select([reader], [], [], 0)[0])


# A grandchild that says that it is there, and stays; its parent waits for it.
GRANDCHILD = "({trap} echo up; exec sleep 300) > {path} & wait"


@pytest.mark.parametrize("trap", ["", 'trap "" TERM;'])
@pytest.mark.parametrize(
    ("word", "message"),
    [("cancelled", "was cancelled"), ("remaining", "ran out of time and was ended")],
)
def test_the_end_of_an_attempt_ends_grandchildren_too(witness, monkeypatch, trap, word, message):
    """Those who ignore TERM get KILL."""
    path, reader = witness
    monkeypatch.setattr(process, "GRACE", 0.4)
    asked = {
        "cancelled": lambda: is_readable(reader),
        "remaining": lambda: 1.0 - is_readable(reader),
    }
    command = GRANDCHILD.format(trap=trap, path=path)
    with pytest.raises(TimeoutError, match=rf"^command '.*sleep 300.* {message}$"):
        process.run_process(command, shell=True, **{word: asked[word]})
    assert os.read(reader, 100) == b"up\n"
    assert os.read(reader, 100) == b""


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_exception_while_waiting_ends_the_process(witness, error):
    """A Ctrl-C must not leave a process that nobody knows."""
    path, reader = witness

    def interrupt():
        raise_when(is_readable(reader), error)
        return False

    with pytest.raises(error):
        process.run_process(GRANDCHILD.format(trap="", path=path), shell=True, cancelled=interrupt)
    assert os.read(reader, 100) == b"up\n"
    assert os.read(reader, 100) == b""


def raise_when(due, error):
    """Raise once it is due."""
    if due:
        raise error


@pytest.mark.parametrize("over", [{"cancelled": True}, {"left": 0.0}, {"left": -1.0}])
@pytest.mark.parametrize(
    ("name", "arguments"), [("shell", ["touch made"]), ("command", ["touch", "made"])]
)
def test_nothing_is_started_when_the_attempt_is_over(call, host, tmp_path, name, arguments, over):
    """The tools ask their context."""
    vars(host).update(over)
    with pytest.raises(
        TimeoutError, match=r"^command 'touch made' (was cancelled|ran out of time)"
    ):
        call(f"tools.{name}.run", *arguments, cwd=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_zombie_does_not_count_as_running(monkeypatch):
    """Nobody may take note of it for ever, and waiting for it would cost seconds."""
    own = os.getpgrp()
    assert process.is_running(own)
    monkeypatch.setattr(process, "process_states", lambda: iter([("Z", own), ("S", own + 1)]))
    assert not process.is_running(own)


def test_without_a_proc_every_member_counts_as_running(monkeypatch):
    """Then the system's own word is all there is."""
    monkeypatch.setattr(process, "process_states", lambda: iter([]))
    assert process.is_running(os.getpgrp())


def test_ending_what_has_ended_is_no_error(monkeypatch):
    """Nor is a group that does not go away: the tool answers nevertheless."""
    with subprocess.Popen(["true"], start_new_session=True) as ended:
        ended.wait()
        process.end_group(ended)
        assert not process.is_running(ended.pid)
        monkeypatch.setattr(process, "GRACE", 0.04)
        monkeypatch.setattr(process, "is_running", lambda group: True)
        process.end_group(ended)
    assert ended.returncode == 0


def test_what_a_command_leaves_in_the_background_lives_on(call, witness, monkeypatch):
    """It may hold the pipes open: the tool does not wait for it."""
    path, reader = witness
    monkeypatch.setattr(process, "DRAIN", 0.1)
    command = f"(echo up; read line) > {path} <&3 & echo started"
    found = call("tools.shell.run", f"mkfifo {path}.end; exec 3<>{path}.end; {command}")
    assert found["stdout"] == "started\n"
    assert select.select([reader], [], [], 10)[0] == [reader]
    assert os.read(reader, 100) == b"up\n"
    with pytest.raises(BlockingIOError):
        os.read(reader, 100)
    Path(f"{path}.end").write_text("go\n")
