"""What travels to another process and back, and children that can be killed."""

from __future__ import annotations

import os
import pickle
import signal

import pytest
import real_tools
from real_calls import LooseCall, content_of, gone, is_alive

from pytest_highway.errors import HighwayError
from pytest_highway.runners import remote
from pytest_highway.runners.background import DaemonThreads
from pytest_highway.runners.raised import presentable
from pytest_highway.runners.remote import (
    ChildProcesses,
    Parcel,
    Reply,
    call_remotely,
    parcel_of,
    received_error,
)
from pytest_highway.tools import ToolError


def parcel(name: str, *args: object, seconds: float | None = None) -> Parcel:
    """A parcel for one of `real_tools`."""
    return Parcel(f"real_tools:{name}", list(args), {}, "task", 1, None, seconds, {"COLOUR": "red"})


@pytest.fixture
def children():
    """Child processes, by threads."""
    return ChildProcesses(DaemonThreads())


# -- parcels -----------------------------------------------------------------------------------


def test_parcel_holds_data_only():
    """The tool travels as its place, and the deadline as the seconds that are left."""
    call = LooseCall(real_tools.echo, {"a": [1]}, seconds=5.0)
    assert parcel_of(call) == ("real_tools:echo", [{"a": [1]}], {}, "task", 1, None, 5.0, {})


def hidden() -> None:
    """Stands for a function that its module has replaced."""


SHADOWED = hidden


def hidden() -> None:
    """Has the other's name."""


def instance_tool():
    """A callable object: its class has a place, it has none."""

    class Callable:
        def __call__(self) -> None:
            pass

    return Callable()


def main_function():
    """A function of the script that was started, which is another module elsewhere."""

    def function() -> None:
        pass

    function.__module__, function.__qualname__ = "__main__", "function"
    return function


def lost_function():
    """A function of a module that cannot be imported."""

    def function() -> None:
        pass

    function.__module__, function.__qualname__ = "real_tools_of_yesterday", "function"
    return function


@pytest.mark.parametrize(
    "make",
    [
        lambda: lambda: None,
        lambda: SHADOWED,
        instance_tool,
        main_function,
        lost_function,
    ],
    ids=["lambda", "shadowed", "instance", "main", "lost"],
)
def test_tool_that_cannot_be_found_elsewhere_names_the_task(make):
    """Its place must lead back to it."""
    function = make()
    real_tools.tool("real.nowhere")(function)
    with pytest.raises(HighwayError, match=r"'real\.nowhere' cannot be called"):
        parcel_of(LooseCall(function))


def test_argument_that_cannot_travel_names_the_task():
    """Found before anything is started."""
    call = LooseCall(real_tools.echo, lambda: 0)
    fault = "task 'task': the tool 'real.echo' has an argument that cannot go to another process"
    with pytest.raises(HighwayError, match=fault):
        parcel_of(call)


# -- replies -----------------------------------------------------------------------------------


def test_reply_holds_the_value_and_what_was_said():
    """Log, usage and events travel back with the value."""
    reply = pickle.loads(pickle.dumps(call_remotely(parcel("talk_process", "hello", seconds=30.0))))
    assert reply.value == {"timely": True, "cancelled": False}
    assert reply.log == [("info", "hello")]
    assert [(str(cost), tokens) for cost, tokens in reply.usage] == [("0.1", 2)]
    assert reply.emitted == [("talked", {"text": "hello"})]


@pytest.mark.parametrize("what", ["memory", "variables", "metadata", "resources"])
def test_what_stays_with_the_run_is_refused(what):
    """A tool elsewhere is told, instead of seeing something empty."""
    error = call_remotely(parcel("reach", what)).error
    assert str(error) == f"the run's {what} cannot be reached from another process"


def test_environment_travels(children):
    """The context gives what the workflow and the task say; a child has it in its own, too."""
    assert call_remotely(parcel("colours")).value == ["red", None]
    assert children.submit(parcel("colours")).result(30).value == ["red", "red"]


def test_deadline_is_none_without_a_timeout():
    """And the call is never cancelled: it is killed."""
    assert call_remotely(parcel("talk_process", "x")).value == {"timely": False, "cancelled": False}


@pytest.mark.parametrize("name", ["quiet", "hidden_coroutine"])
def test_coroutines_are_run(name):
    """Whether the tool says so or not."""
    assert call_remotely(parcel(name, "value")).value == "value"


ERRORS = {
    "plain": ("ValueError", "wrong", ValueError),
    "picky": ("Picky", "bad (7)", real_tools.Picky),
    "renamed": ("Renamed", "no luck", real_tools.Renamed),
    "local": ("Local", "nowhere", LookupError),
    "unmakeable": ("Unmakeable", "odd", ValueError),
    "speechless": ("Speechless", "its text cannot be shown", real_tools.Speechless),
    "exit": ("ToolError", "the tool raised SystemExit: 3", ToolError),
    "keyboard": ("ToolError", "the tool raised KeyboardInterrupt", ToolError),
    "stop": ("StopIteration", "over", StopIteration),
    "silent": ("KeyError", "", KeyError),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_exceptions_keep_name_text_and_bases(kind):
    """Also those that pickling refuses, changes or breaks."""
    reply = pickle.loads(pickle.dumps(call_remotely(parcel("raise_process", kind))))
    error = received_error(reply)
    name, text, base = ERRORS[kind]
    assert (type(error).__name__, str(error)) == (name, text)
    assert isinstance(error, base)


def test_exception_of_an_unknown_module_is_an_exception():
    """Nothing of its classes can be imported here; its name and text are kept."""
    classes = ("gone.module:Base.Odd", "gone.module:Base", "real_tools:echo")
    error = received_error(Reply(error_classes=classes, error_text="why"))
    assert (type(error).__name__, str(error), type(error).__bases__) == ("Odd", "why", (Exception,))


def test_presentable_exceptions_stay_as_they_are():
    """Nothing is made of an exception that has a text."""
    error = ValueError("wrong")
    assert presentable(error) is error


# -- child processes ---------------------------------------------------------------------------


def test_child_answers(children):
    """The value comes from a process of its own."""
    reply = children.submit(parcel("where_process")).result(30)
    assert reply.value["pid"] != os.getpid()
    assert reply.value["main"]


@pytest.mark.parametrize(
    ("name", "args", "code"),
    [
        ("die", [3], "3"),
        ("die", [0], "0"),
        ("kill_self", [signal.SIGKILL.value], "-9 (SIGKILL)"),
    ],
)
def test_child_that_ends_without_an_answer_fails(children, name, args, code):
    """An exit code of 0 is no answer either."""
    with pytest.raises(ToolError) as caught:
        children.submit(parcel(name, *args)).result(30)
    assert str(caught.value) == f"the tool's process ended with exit code {code} and did not answer"


def test_prints_do_not_disturb_the_answer(children, capfd):
    """However much a tool prints, and by whichever way, it goes to standard error."""
    assert children.submit(parcel("chatter", 200_000)).result(30).value == "done"
    out, err = capfd.readouterr()
    assert out == ""
    assert (err.count("p" * 200_000), err.count("w" * 200_000)) == (1, 1)
    assert "from below" in err


def test_large_values_travel(children):
    """More than a pipe holds, both ways."""
    text = "x" * 300_000
    assert children.submit(parcel("large", 10, text)).result(30).value == text * 10


def test_input_of_a_tool_is_empty(children):
    """A question at a prompt ends instead of hanging."""
    assert children.submit(parcel("read_input")).result(30).value == ""


def test_path_travels_and_is_not_left_to_others(children, monkeypatch):
    """The child imports as we do, and what it starts has the environment untouched."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    assert children.submit(parcel("env_path")).result(30).value is None


def test_stopped_child_ends_with_what_it_started(children, tmp_path):
    """Grandchildren too, before the future ends."""
    proof = tmp_path / "pid"
    future = children.submit(parcel("grandchild", str(proof)))
    pid = int(content_of(proof))
    assert is_alive(pid)
    assert children.stop(future)
    with pytest.raises(ToolError, match="SIGTERM"):
        future.result(30)
    assert not is_alive(pid)


def test_stopping_a_child_that_has_ended_is_nothing(children):
    """Its answer stands."""
    future = children.submit(parcel("echo", 1))
    assert future.result(30).value == 1
    assert children.stop(future)


def test_what_a_tool_has_forked_holds_up_nothing(children, tmp_path):
    """It holds the pipe of the answer, too, which therefore has no end."""
    proof = tmp_path / "pid"
    assert children.submit(parcel("forked", str(proof))).result(30).value == "parent"
    pid = int(content_of(proof))
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)


def test_child_that_does_not_end_after_its_answer_is_ended(children, monkeypatch):
    """A thread that the tool left keeps its process no longer than a grace."""
    monkeypatch.setattr(remote, "GRACE", 0.05)
    assert children.submit(parcel("lingering")).result(30).value == "said"
