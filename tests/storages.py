"""Storages of every backend for tests, Redis from a server of the test run's own."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import redis

from pytest_highway.events import Event, Fault, RunEnded, RunStarted, TaskEnded, TaskStarted
from pytest_highway.storage import files, sqlite
from pytest_highway.storage.records import RunRecord

BACKENDS = ["sqlite", "files", "redis"]

RECORD = RunRecord(
    id="20260131-120000-aaaaaa",
    workflow="gate",
    file="gate.yaml",
    digest="d1",
    source="highway run",
    created="2026-01-31T12:00:00.000+00:00",
    variables={"target": "src/ \u2028 ünïcode", "none": None, "deep": [{"a": 1}]},
)
FAULT = Fault("ValueError", "no \u2028 good", "lint")
LOG: list[Event] = [
    RunStarted(0.0, "gate", "gate.yaml", 3, ()),
    TaskStarted(0.0, "lint"),
    TaskEnded(0.5, "lint", "failed", "it\nfailed", 1, FAULT),
    TaskEnded(0.5, "build", "upstream_failed", "dependency failed: lint"),
    RunEnded(0.5, "failed", FAULT, {"text": "ünï\u2028"}),
]


def record(number: int, **changes: object) -> RunRecord:
    """The `number`th run of a day."""
    at = f"2026-01-{number:02}T00:00:00.000+00:00"
    return replace(RECORD, **{"id": f"run-{number}", "created": at, **changes})  # type: ignore[arg-type]  # fields of a record


@pytest.fixture(name="_impatient")
def impatient_fixture(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process, no lock is waited for."""
    for backend in (sqlite.SqliteStorage, files.FileStorage):
        monkeypatch.setattr(backend.__init__, "__defaults__", (0.05,))


class RedisServer:
    """A redis-server that can be stopped, or killed, and started again; what it has answered is kept."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = folder
        self.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = subprocess.Popen(
            [
                "redis-server",
                "--port",
                str(self.port),
                "--bind",
                "127.0.0.1",
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
            ],
            cwd=self._folder,
            stdout=subprocess.DEVNULL,
        )
        retry = redis.retry.Retry(redis.backoff.ConstantBackoff(0.02), 500)
        client = redis.Redis(port=self.port, retry=retry, retry_on_error=[redis.ConnectionError])
        client.ping()
        client.close()

    def stop(self) -> None:
        """Stop it; what it holds is on its disk."""
        self._process.terminate()
        self._process.wait()


@contextmanager
def redis_server(folder: Path) -> Iterator[RedisServer]:
    """A server for the time of the block; skips where there is no redis-server."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed on this machine")
    server = RedisServer(folder)
    try:
        yield server
    finally:
        server.stop()
