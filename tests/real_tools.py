"""Tools that do real things, for the tests of real runs: imported here and by child processes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path

from pytest_highway.toolbox.process import run_process
from pytest_highway.tools import ToolContext, tool

ACTIVE: list[str] = []
MOST_ACTIVE: list[int] = []
LOOPS: list[int] = []
HOLDING: list[str] = []
SEEN: list[str] = []
RELEASE = threading.Event()
MARK: ContextVar[str] = ContextVar("mark", default="unset")


class Picky(Exception):
    """Its constructor wants more than pickling gives it."""

    def __init__(self, code: int, why: str) -> None:
        super().__init__(f"{why} ({code})")


class Renamed(Exception):
    """Comes back from pickling with another text."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no {name}")


class Speechless(Exception):
    """Cannot say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError("lost for words")


class Unmakeable(ValueError):
    """Cannot be pickled, and refuses to be a base."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tail = lambda: 0

    def __init_subclass__(cls) -> None:
        raise TypeError("final")


def raised(kind: str) -> None:
    """Raise one of every kind."""
    if kind == "local":

        class Local(LookupError):
            pass

        raise Local("nowhere")
    makers = {
        "plain": lambda: ValueError("wrong"),
        "picky": lambda: Picky(7, "bad"),
        "renamed": lambda: Renamed("luck"),
        "speechless": Speechless,
        "unmakeable": lambda: Unmakeable("odd"),
        "exit": lambda: SystemExit(3),
        "keyboard": KeyboardInterrupt,
        "stop": lambda: StopIteration("over"),
        "timeout": lambda: TimeoutError("too slow"),
        "silent": lambda: KeyError(),
    }
    raise makers[kind]()


@tool("real.raise_inline", isolation="inline")
def raise_inline(kind: str) -> None:
    raised(kind)


@tool("real.raise_thread")
def raise_thread(kind: str) -> None:
    raised(kind)


@tool("real.raise_loop")
async def raise_loop(kind: str) -> None:
    raised(kind)


@tool("real.raise_process", isolation="process")
def raise_process(kind: str) -> None:
    raised(kind)


@tool("real.echo")
def echo(value: object) -> object:
    return value


@tool("real.pause")
def pause(seconds: float) -> None:
    time.sleep(seconds)


@tool("real.napping")
def napping(most: float) -> None:
    """Sleep a random while."""
    time.sleep(random.uniform(0, most))


@tool("real.counted")
def counted(seconds: float) -> None:
    """Note how many of these run at once."""
    ACTIVE.append("x")
    MOST_ACTIVE.append(len(ACTIVE))
    time.sleep(seconds)
    ACTIVE.pop()


@tool("real.counted_too")
def counted_too(seconds: float) -> None:
    counted(seconds)


@tool("real.where")
def where() -> dict[str, object]:
    return {"pid": os.getpid(), "main": threading.current_thread() is threading.main_thread()}


@tool("real.where_process", isolation="process")
def where_process() -> dict[str, object]:
    return where()


@tool("real.mark")
def mark() -> str:
    return MARK.get()


@tool("real.talk")
def talk(context: ToolContext, text: str) -> str:
    """Use everything that a context offers."""
    context.log.info(text)
    context.usage.add(cost="0.1", tokens=2)
    context.emit("talked", {"text": text})
    context.memory.increment("talks")
    return f"{context.variables['name']} {context.path} {context.attempt}"


@tool("real.talk_loop")
async def talk_loop(context: ToolContext, text: str) -> str:
    return talk(context, text)


@tool("real.talk_process", isolation="process")
def talk_process(context: ToolContext, text: str) -> dict[str, object]:
    """Use all that a context offers in another process."""
    context.log.info(text)
    context.usage.add(cost="0.1", tokens=2)
    context.emit("talked", {"text": text})
    left = context.remaining()
    return {"timely": left is not None and 0 < left <= 30, "cancelled": context.cancelled}


@tool("real.reach", isolation="process")
def reach(context: ToolContext, what: str) -> object:
    return getattr(context, what)


@tool("real.add", bulkhead=False)
def add(context: ToolContext, amount: int) -> None:
    for _ in range(amount):
        context.memory.increment("sum")


@tool("real.late_writer")
def late_writer(context: ToolContext, proof: str) -> None:
    """Outlive its timeout, then try to write."""
    memory = context.memory
    while not context.cancelled:
        time.sleep(0.005)
    try:
        memory.set("late", 1)
    except Exception as error:
        Path(proof).write_text(str(error))


@tool("real.together")
async def together(number: int) -> int:
    """Wait for all three of its kind: they end only when they run at once, on one loop."""
    LOOPS.append(id(asyncio.get_running_loop()))
    while len(LOOPS) < 3:
        await asyncio.sleep(0.005)
    return number


@tool("real.dawdle")
async def dawdle(proof: str) -> None:
    """Sleep until cancelled, and note that."""
    try:
        await asyncio.sleep(60)
    finally:
        Path(proof).write_text("cancelled")


@tool("real.obstinate")
async def obstinate(seconds: float) -> None:
    """Ignore that it was cancelled."""
    for _ in range(int(seconds * 100)):
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0.01)


@tool("real.self_cancelled")
async def self_cancelled() -> None:
    raise asyncio.CancelledError


@tool("real.loop_to_thread")
async def loop_to_thread() -> None:
    await asyncio.to_thread(time.sleep, 60)


async def quietly(value: str) -> str:
    await asyncio.sleep(0)
    return value


@tool("real.hidden_coroutine")
def hidden_coroutine(value: str) -> object:
    """No coroutine function, and yet it gives a coroutine."""
    return quietly(value)


@tool("real.hidden_in_process", isolation="process")
def hidden_in_process(value: str) -> object:
    return quietly(value)


@tool("real.coroutine_process", isolation="process")
async def coroutine_process() -> int:
    await asyncio.sleep(0)
    return os.getpid()


@tool("real.fetch")
def fetch(url: str) -> object:
    import httpx  # heavy, and children that do not fetch are to start fast

    return httpx.get(url).json()


@tool("real.fetch_loop")
async def fetch_loop(url: str) -> object:
    import httpx

    async with httpx.AsyncClient() as client:
        return (await client.get(url)).json()


@tool("real.fetch_process", isolation="process")
def fetch_process(url: str) -> object:
    return fetch(url)


@tool("real.fetch_aside")
def fetch_aside(url: str) -> str:
    """Fetch in a thread of its own, and say only what was raised there."""
    found: list[str] = []

    def fetch_there() -> None:
        try:
            fetch(url)
        except Exception as error:
            found.append(str(error))

    thread = threading.Thread(target=fetch_there)
    thread.start()
    thread.join()
    return found[0]


@tool("real.die", isolation="process")
def die(code: int) -> None:
    os._exit(code)


@tool("real.kill_self", isolation="process")
def kill_self(number: int) -> None:
    os.kill(os.getpid(), number)


@tool("real.chatter", isolation="process")
def chatter(size: int) -> str:
    """Print by every way that leads to standard output."""
    print("p" * size)
    sys.stdout.flush()
    os.write(1, b"w" * size)
    subprocess.run(["echo", "from below"], check=True)
    return "done"


@tool("real.large", isolation="process")
def large(size: int, text: str) -> str:
    return text * size


@tool("real.grandchild", isolation="process")
def grandchild(proof: str) -> None:
    """Start a sleeper, tell its id, and sleep as well."""
    child = subprocess.Popen(["sleep", "321"])
    Path(proof).write_text(str(child.pid))
    time.sleep(60)


@tool("real.forked", isolation="process")
def forked(proof: str) -> str:
    """Leave a child behind that holds every pipe."""
    child = os.fork()
    if not child:
        time.sleep(60)
        os._exit(0)
    Path(proof).write_text(str(child))
    return "parent"


@tool("real.lingering", isolation="process")
def lingering() -> str:
    """Leave a thread behind that does not let the process end."""
    threading.Thread(target=time.sleep, args=(60,)).start()
    return "said"


@tool("real.read_input", isolation="process")
def read_input() -> str:
    return sys.stdin.read()


@tool("real.env_path", isolation="process")
def env_path() -> object:
    return os.environ.get("PYTHONPATH")


@tool("real.sit", isolation="subprocess")
def sit(seconds: float) -> None:
    """A subprocess tool that looks at nothing."""
    time.sleep(seconds)


@tool("real.inline_nap", isolation="inline")
def inline_nap(seconds: float) -> None:
    time.sleep(seconds)


@tool("real.parse", effects="pure", isolation="inline")
def parse(text: str) -> int:
    return int(text)


@tool("real.unplain")
def unplain() -> object:
    return object()


@tool("real.append")
def append(values: list[object]) -> object:
    values.append("more")
    return values


@tool("real.quiet")
async def quiet(value: str) -> str:
    return await quietly(value)


@tool("real.until_cancelled")
def until_cancelled(context: ToolContext) -> str:
    while not context.cancelled:
        time.sleep(0.005)
    return "too late"


@tool("real.nap")
async def nap(seconds: float) -> None:
    await asyncio.sleep(seconds)


@tool("real.sleep_process", isolation="process")
def sleep_process(seconds: float) -> None:
    time.sleep(seconds)


@tool("real.run_sleep", isolation="subprocess")
def run_sleep(context: ToolContext, seconds: float) -> None:
    run_process(["sleep", str(seconds)], cancelled=lambda: context.cancelled)


@tool("real.thread_name")
def thread_name() -> str:
    return threading.current_thread().name


@tool("real.thread_name_process", isolation="process")
def thread_name_process() -> str:
    return thread_name()


@tool("real.thread_name_context")
def thread_name_context(context: ToolContext) -> str:
    return thread_name()


@tool("real.thread_name_loop")
async def thread_name_loop() -> str:
    return thread_name()


@tool("real.thread_name_subprocess", isolation="subprocess")
def thread_name_subprocess() -> str:
    return thread_name()


@tool("real.thread_name_inline", isolation="inline")
def thread_name_inline() -> str:
    return thread_name()


@tool("real.held")
def held() -> None:
    """Wait for RELEASE."""
    HOLDING.append("x")
    RELEASE.wait(20)


@tool("real.interrupted", isolation="inline")
def interrupted() -> str:
    """Be struck by a Ctrl-C."""
    signal.raise_signal(signal.SIGINT)
    return "too late"


@tool("real.say")
def say(context: ToolContext, text: object) -> None:
    context.log.info(text)


@tool("real.fail_once")
def fail_once(name: str) -> None:
    """Fail when a name is new."""
    if name not in SEEN:
        SEEN.append(name)
        raise ConnectionError("not yet")


@tool("real.until_deadline", isolation="subprocess")
def until_deadline(context: ToolContext) -> None:
    """Notice the deadline by itself."""
    left = context.remaining()
    while left is not None and left > 0:
        left = context.remaining()
    raise TimeoutError("noticed")


@tool("real.pid_pause")
def pid_pause(proof: str) -> None:
    pid_file(proof)
    time.sleep(321)


@tool("real.pid_inline", isolation="inline")
def pid_inline(proof: str) -> None:
    pid_pause(proof)


@tool("real.pid_nap")
async def pid_nap(proof: str) -> None:
    pid_file(proof)
    await asyncio.sleep(321)


def pid_file(proof: str) -> None:
    """Tell that we have begun, by the id of a process that has ended."""
    child = subprocess.Popen(["true"])
    child.wait()
    Path(proof).write_text(str(child.pid))


@tool("real.tell_later", isolation="inline")
def tell_later(proof: str) -> None:
    """Write the file when this call has long ended."""
    timer = threading.Timer(0.2, Path(proof).write_text, ["1"])
    timer.daemon = True
    timer.start()


@tool("real.colours", isolation="process")
def colours(context: ToolContext) -> list[str | None]:
    """The colour of the context and that of the process."""
    return [context.env["COLOUR"], os.environ.get("COLOUR")]
