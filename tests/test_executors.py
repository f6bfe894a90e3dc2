"""Runners and what they stand on: threads, the event loop, Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor

import pytest
import real_tools
from real_calls import LooseCall, looks

from pytest_highway.runners import real_runner
from pytest_highway.runners.background import DaemonThreads
from pytest_highway.runners.event_loop import EventLoop
from pytest_highway.runners.executors import InlineRunner, Stopped
from pytest_highway.runners.real_runner import RealRunner


@pytest.fixture
def runner():
    """A real runner, closed at the end."""
    runner = RealRunner()
    yield runner
    runner.close()


def answer_to(runner, call):
    """Start a call that is answered later, and wait for that."""
    assert runner.start(call) is None
    ((answered, answer),) = runner.wait(20)
    assert answered is call
    return answer


# -- the inline runner -------------------------------------------------------------------------


def test_inline_runner_answers_at_once():
    """Nothing is left to wait for, to abandon or to close."""
    runner = InlineRunner()
    call = LooseCall(real_tools.echo, [1])
    assert runner.start(call).value == [1]
    assert runner.wait(None) == []
    assert runner.abandon(call) == ""
    runner.close()


def test_tools_get_copies_of_their_arguments():
    """What a tool does to its argument is not done to the call's, which stands in the log."""
    call = LooseCall(real_tools.append, [1])
    assert InlineRunner().start(call).value == [1, "more"]
    assert call.args == [[1]]


def test_coroutines_run_inline_too():
    """A simulated run has no loop of its own; one is made for the call."""
    assert InlineRunner().start(LooseCall(real_tools.quiet, "low")).value == "low"


def test_simulated_runs_import_no_asyncio():
    """It would be half of the time that the first file takes."""
    code = "import pytest_highway.cases.simulation, sys; print('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], stdout=-1, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize("where", ["inline", "thread", "loop"])
def test_system_exit_fails_the_task(where, runner):
    """A tool that exits ends its task, and neither a thread, the loop nor the run."""
    call = LooseCall(getattr(real_tools, f"raise_{where}"), "exit")
    answer = runner.start(call) or runner.wait(20)[0][1]
    assert str(answer.error) == "the tool raised SystemExit: 3"


# -- the real runner ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "args", "value"),
    [
        (real_tools.echo, [{"a": 1}], {"a": 1}),
        (real_tools.hidden_coroutine, ["deep"], "deep"),
        (real_tools.quiet, ["low"], "low"),
        (real_tools.large, [3, "ab"], "ababab"),
    ],
    ids=["thread", "coroutine in a thread", "coroutine", "process"],
)
def test_values_come_back_from_everywhere(runner, function, args, value):
    """Wherever a call runs, its answer holds the tool's value."""
    assert answer_to(runner, LooseCall(function, *args)).value == value


def test_wait_gives_all_answers_that_are_there(runner):
    """The second answer does not wait for a second `wait`."""
    calls = [LooseCall(real_tools.echo, number) for number in range(3)]
    assert [runner.start(call) for call in calls] == [None] * 3
    next(True for _ in looks() if runner._done.qsize() == 3)
    found = {call: answer.value for call, answer in runner.wait(None)}
    assert found == dict(zip(calls, range(3), strict=True))


def test_wait_ends_without_answers(runner):
    """When the time is over nothing has come."""
    assert runner.wait(0) == []
    assert runner.wait(0.01) == []


def test_waiting_has_no_longest_time(runner):
    """A wait of more years than a lock can take is no error."""
    runner.start(LooseCall(real_tools.echo, 1))
    assert len(runner.wait(1e30)) == 1


def test_late_answers_are_stopped_ones(runner):
    """What comes in after the deadline is no answer, even when nobody has acted on it yet."""
    call = LooseCall(real_tools.echo, 1, seconds=0.0)
    assert isinstance(answer_to(runner, call).error, Stopped)


def test_latency_of_stubbed_http_comes_with_the_answer(runner):
    """The engine delivers it that much later."""
    call = LooseCall(real_tools.echo, 1)
    call.latency = 2.5
    assert answer_to(runner, call).after == 2.5


def test_thread_is_abandoned_and_told(runner):
    """It goes on, its context says that it is not wanted, and its answer is dropped."""
    call = LooseCall(real_tools.until_cancelled)
    assert runner.start(call) is None
    assert runner.abandon(call) == "its thread was abandoned and may still be running"
    ((_, answer),) = runner.wait(20)
    assert type(answer.error) is Stopped


def test_abandoning_an_answered_call_says_nothing(runner):
    """There was nothing to stop: the answer is there, only not read yet."""
    call = LooseCall(real_tools.echo, 1)
    runner.start(call)
    next(True for _ in looks() if not runner._done.empty())
    assert runner.abandon(call) == ""
    assert runner.wait(20)[0][0] is call


@pytest.mark.parametrize(
    ("function", "args", "became"),
    [
        (real_tools.nap, [60], "its coroutine was cancelled"),
        (real_tools.sleep_process, [60], "its process was killed"),
        (real_tools.run_sleep, [60], "its processes were ended"),
    ],
    ids=["coroutine", "process", "subprocess"],
)
def test_calls_that_can_be_stopped_end(runner, function, args, became):
    """`abandon` says nothing yet, and the end comes by `wait`."""
    call = LooseCall(function, *args)
    assert runner.start(call) is None
    assert runner.abandon(call) is None
    ((_, answer),) = runner.wait(20)
    assert str(answer.error) == became


@pytest.mark.parametrize(
    ("function", "left"),
    [
        (real_tools.obstinate, "its coroutine did not stop and may still be running"),
        (real_tools.sit, "its processes may still be running"),
    ],
    ids=["coroutine", "subprocess"],
)
def test_calls_that_do_not_stop_are_given_up(runner, function, left):
    """A second `abandon` waits no longer."""
    call = LooseCall(function, 1)
    assert runner.start(call) is None
    assert runner.abandon(call) is None
    assert runner.abandon(call) == left


def test_close_stops_what_still_runs():
    """Whoever leaves a run in the middle leaves no process and no coroutine behind."""
    runner = RealRunner()
    calls = [
        LooseCall(real_tools.nap, 60),
        LooseCall(real_tools.sleep_process, 60),
        LooseCall(real_tools.run_sleep, 60),
        LooseCall(real_tools.until_cancelled),
    ]
    assert [runner.start(call) for call in calls] == [None] * 4
    runner.abandon(calls[0])
    runner.close()
    assert {call: type(answer.error) for call, answer in runner.wait(0)}.keys() >= set(calls[:3])


def test_close_does_not_wait_for_ever(monkeypatch):
    """What does not stop is left after PATIENCE."""
    monkeypatch.setattr(real_runner, "PATIENCE", 0.05)
    runner = RealRunner()
    call = LooseCall(real_tools.sit, 1)
    runner.start(call)
    runner.close()
    assert call.abandoned


# -- an executor of the user's -----------------------------------------------------------------


@pytest.fixture
def pool():
    """One thread of the standard library's pool."""
    with ThreadPoolExecutor(1, "pool") as pool:
        yield pool


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (real_tools.thread_name, "pool_0"),
        (real_tools.thread_name_process, "pool_0"),
        (real_tools.thread_name_context, "highway-tool"),
        (real_tools.thread_name_loop, "highway-loop"),
        (real_tools.thread_name_subprocess, "highway-tool"),
        (real_tools.thread_name_inline, "MainThread"),
    ],
    ids=["thread", "process", "thread with a context", "coroutine", "subprocess", "inline"],
)
def test_executor_takes_threads_and_processes(pool, function, name):
    """What needs the run itself stays here, as do coroutines and what starts processes."""
    runner = RealRunner(pool)
    answer = runner.start(LooseCall(function)) or runner.wait(20)[0][1]
    runner.close()
    assert answer.value == name


def test_executor_keeps_a_call_that_runs(pool):
    """A running call cannot be stopped, a queued one can."""
    runner = RealRunner(pool)
    running, queued = LooseCall(real_tools.held), LooseCall(real_tools.held)
    runner.start(running)
    runner.start(queued)
    next(True for _ in looks() if real_tools.HOLDING)
    assert runner.abandon(queued) is None
    assert str(runner.wait(20)[0][1].error) == ""
    assert runner.abandon(running) == "its executor may still be running it"
    real_tools.RELEASE.set()
    runner.close()


class Refusing(Executor):
    """Takes no call."""

    def submit(self, fn, /, *args, **kwargs):
        raise RuntimeError("closed on Sundays")


class Cancelling(Executor):
    """Takes calls and drops them."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.cancel()
        return future


class Failing(Executor):
    """Fails by itself: no tool has raised this."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_exception(real_tools.Speechless())
        return future


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        (Refusing, "closed on Sundays"),
        (Cancelling, "the call was cancelled where it ran"),
        (Failing, "its text cannot be shown"),
    ],
)
def test_whatever_an_executor_does_is_an_answer(executor, message):
    """A call that its executor refuses, drops or breaks fails its task."""
    runner = RealRunner(executor())
    answer = runner.start(LooseCall(real_tools.echo, 1)) or runner.wait(20)[0][1]
    assert str(answer.error) == message


def test_tool_without_a_place_names_the_task(pool):
    """An executor is never asked for what cannot travel."""
    from pytest_highway.tools import tool

    @tool("real.local")
    def local() -> None:
        pass

    answer = RealRunner(pool).start(LooseCall(local))
    assert str(answer.error) == (
        "task 'task': the tool 'real.local' cannot be called in another process; "
        "define it at the top level of a module"
    )


# -- Ctrl-C ------------------------------------------------------------------------------------


def test_ctrl_c_is_raised_by_wait(runner):
    """It is noted where it strikes, and no answer is lost."""
    call = LooseCall(real_tools.echo, 1)
    with runner.interrupts:
        runner.start(call)
        next(True for _ in looks() if not runner._done.empty())
        signal.raise_signal(signal.SIGINT)
        assert runner.wait(0)[0][0] is call
        with pytest.raises(KeyboardInterrupt):
            runner.wait(None)
        assert runner.wait(0) == []


def test_second_ctrl_c_is_raised_at_once(runner):
    """Nobody has waited since the first one: the engine may be in an endless loop."""
    with runner.interrupts:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            runner.wait(None)


def test_ctrl_c_ends_an_inline_tool(runner):
    """The tool is left, no answer comes, and the next wait raises."""
    with runner.interrupts:
        assert runner.start(LooseCall(real_tools.interrupted)) is None
        with pytest.raises(KeyboardInterrupt):
            runner.wait(None)


def test_ctrl_c_after_the_last_wait_is_raised_at_the_end(runner):
    """It is not swallowed."""
    runner.interrupts.__enter__()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        runner.interrupts.__exit__(None, None, None)


def test_other_exceptions_go_before_a_noted_ctrl_c(runner):
    """The way out is not blocked by a second exception."""
    runner.interrupts.__enter__()
    signal.raise_signal(signal.SIGINT)
    runner.interrupts.__exit__(ZeroDivisionError, ZeroDivisionError(), None)


def test_handler_is_put_back(runner):
    """Outside, Ctrl-C is Python's again."""
    with runner.interrupts:
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_handler_of_somebody_else_stays(runner):
    """Only Python's own is replaced."""
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)
    with runner.interrupts:
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    assert signal.signal(signal.SIGINT, old) is signal.SIG_IGN


def test_other_threads_install_nothing(runner):
    """Only the main thread can; a run elsewhere goes without."""

    def handler_inside():
        with runner.interrupts:
            return signal.getsignal(signal.SIGINT)

    assert DaemonThreads().submit(handler_inside).result(20) is signal.default_int_handler


# -- threads and the loop ----------------------------------------------------------------------


def test_daemon_threads_give_values_and_exceptions():
    """Exceptions of every kind come by the future, and each call has a daemon of its own."""
    threads = DaemonThreads()
    assert threads.submit(lambda: threading.current_thread().daemon).result(20)
    with pytest.raises(SystemExit):
        threads.submit(exit, 3).result(20)
    threads.shutdown()


def test_daemon_threads_run_in_the_context_of_who_submits():
    """A ContextVar is what it was at the time of submission."""
    token = real_tools.MARK.set("here")
    future = DaemonThreads().submit(real_tools.MARK.get)
    real_tools.MARK.reset(token)
    assert future.result(20) == "here"


def test_loop_cancels_what_is_left_when_it_is_closed():
    """Coroutines that nobody has stopped end with the loop."""
    loop = EventLoop()
    begun = threading.Event()

    async def sleep():
        begun.set()
        await asyncio.sleep(60)

    future = loop.submit(sleep)
    assert begun.wait(20)
    loop.close()
    with pytest.raises(CancelledError):
        future.result(20)


def test_loop_gives_exceptions():
    """Of every kind that does not end a loop."""
    loop = EventLoop()

    async def fail():
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        loop.submit(fail).result(20)
    loop.close()


def test_loop_that_is_blocked_is_left_alone(monkeypatch):
    """Closing gives up on a coroutine that never lets the loop go."""
    monkeypatch.setattr("pytest_highway.runners.event_loop.TIDYING", 0.01)
    loop = EventLoop()

    async def block():
        time.sleep(0.3)

    loop.submit(block)
    loop.close()


def test_stopping_a_task_that_has_ended_is_nothing():
    """The future has its value already."""
    loop = EventLoop()

    async def ready():
        return 1

    future = loop.submit(ready)
    assert future.result(20) == 1
    assert loop.stop(future)
    loop.close()


def test_loop_that_cannot_begin_says_so(monkeypatch):
    """Nobody waits for a loop that never comes."""

    def refuse():
        raise OSError("no descriptors left")

    monkeypatch.setattr("pytest_highway.runners.event_loop.new_loop", refuse)
    with pytest.raises(OSError, match="no descriptors left"):
        EventLoop().submit(asyncio.Event().wait)


def test_unused_loop_closes():
    """A run without coroutines never had one."""
    EventLoop().close()
