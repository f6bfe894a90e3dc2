"""Runs `highway run` again and again, and kills it each time at another instant.

    CALLS=file kill_host.py FILE ADDRESS KILLS

Each run is a fork of this process, so that nothing is imported twice. A run that was killed is taken
up by the next one; when one has succeeded, the next begins anew. After that many kills a last one is
left alone. Half of them die in a write to their history (half of the bytes are there, or a transaction
that is not committed), the others at a random time. Prints for each:
the tasks that the history knew to have ended, those that were called, and the exit code.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from pytest_highway.cli import run as imported_before_the_forks
from pytest_highway.cli.main import main
from pytest_highway.events import TaskEnded
from pytest_highway.storage import files, sqlite
from pytest_highway.storage.lineage import earlier_logs
from pytest_highway.storage.opening import open_storage

assert imported_before_the_forks


def killing(function: Callable[..., object], number: int, *, half: bool) -> Callable[..., object]:
    """The function, whose call of this number (from 0) is the process's last.

    `half` cuts its last argument, bytes, in two; else it dies instead of the call.
    """
    count = 0

    def call(*args: object) -> object:
        nonlocal count
        count += 1
        if count <= number:
            return function(*args)
        if half:
            *before, text = args
            assert isinstance(text, bytes)
            function(*before, text[: len(text) // 2])
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    return call


def die_in_write(address: str, number: int) -> None:
    """Let a write to the history be the last that this process does."""
    if address.startswith("files:"):
        files._write = killing(files._write, number, half=True)
    elif address.startswith("sqlite:"):
        commit = killing(sqlite.SqliteStorage._commit, number, half=False)
        sqlite.SqliteStorage._commit = commit  # type: ignore[method-assign,assignment]
    else:
        from redis.connection import Connection

        send = Connection.send_packed_command
        cut = killing(lambda to, text: send(to, [text]), number, half=True)

        def sending(connection: Connection, command: object, *args: object, **more: object) -> None:
            text = b"".join(command)  # type: ignore[call-overload]  # it is a list of bytes
            if b"EXEC" in text:
                cut(connection, text)
            else:
                send(connection, [text], *args, **more)

        Connection.send_packed_command = sending  # type: ignore[method-assign,assignment]


def known(address: str) -> tuple[list[str], list[str]]:
    """The tasks of the last run that have ended, and the options that take it up."""
    with open_storage(address) as storage:
        records = storage.records()
        if not records or records[0].state == "success":
            return [], []
        logs = earlier_logs(storage, records[0])
        ended = {event.path for log in logs for event in log if type(event) is TaskEnded}
        return sorted(ended), ["--resume", "last"]


def launch(file: str, address: str, number: int | None) -> list[object]:
    """One run, killed in that write or, without a number, not at all."""
    ended, options = known(address)
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if number is not None and number >= 0:
            die_in_write(address, number)
        main(["run", file, "--history", address, *options])
    if number is not None and number < 0:
        time.sleep(random.uniform(0.0, 0.2))
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return [ended, os.waitstatus_to_exitcode(status)]


if __name__ == "__main__":
    calls = Path(os.environ["CALLS"])
    file, address, points = sys.argv[1:]
    random.seed(4242)
    left = int(points)
    while left >= 0:
        number = random.choice([-1, random.randint(0, 12)]) if left else None
        calls.write_text("")
        ended, code = launch(file, address, number)
        time.sleep(0.04)  # for what the killed run had started, which ends by itself
        print(json.dumps({"ended": ended, "called": calls.read_text().split(), "code": code}))
        left -= code == -signal.SIGKILL or number is None
