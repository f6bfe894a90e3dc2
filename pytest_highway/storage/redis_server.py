"""Redis: one server that several machines share (extra `redis`).

    PREFIX:runs         a sorted set of ids, by the moment of creation
    PREFIX:run:RUN      the record, one line of JSON
    PREFIX:events:RUN   the log, a list of lines

Every change is a transaction that watches what it was decided by, and is tried again when somebody
else was faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import cast

import redis

from pytest_highway.storage.records import RunRecord, StorageError, readable_record
from pytest_highway.storage.storage import Storage

__all__ = ["RedisStorage"]

PREFIX = "highway"

# Seconds until a server that does not answer counts as gone.
PATIENCE = 5.0

Pipeline = redis.client.Pipeline


class RedisStorage(Storage):
    """Runs on the Redis server of a `redis://` address; the prefix keeps them from other keys."""

    def __init__(self, url: str, prefix: str = PREFIX) -> None:
        self._prefix = prefix
        try:
            self._redis = redis.Redis.from_url(
                url,
                decode_responses=True,
                encoding_errors="replace",
                socket_timeout=PATIENCE,
                socket_connect_timeout=PATIENCE,
            )
        except ValueError as error:
            raise StorageError(f"{url!r} is no address of a Redis server: {error}") from None
        # Not the address as given: it may hold a password.
        place = self._redis.connection_pool.connection_kwargs
        self.name = f"redis://{place.get('host', '')}:{place.get('port', '')}/{place.get('db', 0)}"
        with self._told("open"):
            self._redis.ping()

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Every fault of the server becomes one that names it."""
        try:
            yield
        except redis.RedisError as error:
            raise StorageError(
                f"cannot {what} {self.name}: {error}; what it holds was left as it is"
            ) from error

    def _key(self, kind: str, run_id: str) -> str:
        return f"{self._prefix}:{kind}:{run_id}"

    @property
    def _runs(self) -> str:
        return f"{self._prefix}:runs"

    def _change(self, key: str, decide: Callable[[Pipeline], bool]) -> bool:
        """Do what `decide` queues, at once or not at all; false when it declines."""
        done = False

        def attempt(pipeline: Pipeline) -> None:
            nonlocal done
            done = decide(pipeline)

        with self._told("write to"):
            self._redis.transaction(attempt, key)
        return done

    def add(self, record: RunRecord) -> None:
        """Keep a new run; StorageError when its id is taken."""
        key = self._key("run", record.id)

        def decide(pipeline: Pipeline) -> bool:
            is_new = not pipeline.exists(key)
            pipeline.multi()
            if is_new:
                pipeline.set(key, record.to_line())
                pipeline.zadd(self._runs, {record.id: _moment(record)})
            return is_new

        if not self._change(key, decide):
            raise StorageError(f"{self.name} has a run {record.id!r} already")

    def swap(self, record: RunRecord, expected: str) -> bool:
        """Replace a run's record if its state is the `expected` one; whether it was."""
        key = self._key("run", record.id)

        def decide(pipeline: Pipeline) -> bool:
            line = cast("str | None", pipeline.get(key))
            fits = line is not None and readable_record(record.id, line).state == expected
            pipeline.multi()
            if fits:
                pipeline.set(key, record.to_line())
            return fits

        return self._change(key, decide)

    def append(self, run_id: str, first: int, lines: Sequence[str]) -> None:
        """Add lines to a run's log, in one transaction."""
        key = self._key("events", run_id)

        def decide(pipeline: Pipeline) -> bool:
            news = lines[max(0, pipeline.llen(key) - first) :]
            pipeline.multi()
            if news:
                pipeline.rpush(key, *news)
            return True

        self._change(key, decide)

    def find(self, run_id: str) -> RunRecord | None:
        """A run by its id."""
        with self._told("read"):
            line = cast("str | None", self._redis.get(self._key("run", run_id)))
        return None if line is None else readable_record(run_id, line)

    def records(self) -> list[RunRecord]:
        """All runs, the newest first."""
        with self._told("read"):
            names = cast("list[str]", self._redis.zrevrange(self._runs, 0, -1))
            keys = [self._key("run", name) for name in names]
            lines = cast("list[str | None]", self._redis.mget(keys) if keys else [])
        return [
            readable_record(name, line)
            for name, line in zip(names, lines, strict=True)
            if line is not None
        ]

    def lines(self, run_id: str) -> list[str]:
        """A run's log as it stands now."""
        with self._told("read"):
            return cast("list[str]", self._redis.lrange(self._key("events", run_id), 0, -1))

    def remove(self, run_id: str) -> None:
        """Forget a run."""
        key = self._key("run", run_id)

        def decide(pipeline: Pipeline) -> bool:
            pipeline.multi()
            pipeline.zrem(self._runs, run_id)
            pipeline.delete(key, self._key("events", run_id))
            return True

        self._change(key, decide)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()


def _moment(record: RunRecord) -> float:
    try:
        return datetime.fromisoformat(record.created).timestamp()
    except ValueError:
        return 0.0
