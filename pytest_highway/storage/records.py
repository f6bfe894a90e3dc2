"""Records of runs: what is kept of a run beside its events, and how its state may change.

    pending -> running -> success
                       -> failed | cancelled
                       -> quarantined

A run is `pending` from its record to its first event, and `running` until it ended or somebody
found that its process is gone: it is `cancelled` then, and may be resumed as a new run that names
it. `quarantined` is a run whose record or log is damaged: it is shown and never resumed. No state
changes but along `TRANSITIONS`.
"""

from __future__ import annotations

import os
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

from pytest_highway.errors import HighwayError, listed
from pytest_highway.serialization import encodable, from_json, to_json

__all__ = [
    "TRANSITIONS",
    "IllegalTransition",
    "Owner",
    "RunRecord",
    "StorageError",
    "new_run_id",
    "readable_record",
    "record_of",
    "timestamp",
]

TRANSITIONS: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"running", "cancelled", "quarantined"}),
    "running": frozenset({"success", "failed", "cancelled", "quarantined"}),
    "success": frozenset({"quarantined"}),
    "failed": frozenset({"quarantined"}),
    "cancelled": frozenset({"quarantined"}),
    "quarantined": frozenset(),
}

RUN_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,99}")


class StorageError(HighwayError):
    """A storage that cannot be opened, read or written; names it and what it left as it was."""


class IllegalTransition(StorageError):
    """A change of state that the table of transitions does not have."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The process that a run runs in, by host name and process id."""

    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)

    def is_gone(self) -> bool:
        """Whether the process has ended, as far as can be told: only on its own host."""
        if self.host != socket.gethostname():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run.

    `file` is the workflow's path as given, `digest` tells its text, `source` who started it
    (`highway run` or a node id). Times are ISO 8601 in UTC, empty before they have come. `reason`
    says why it ended as it did; `resumes` names the run that this one took up. `variables`
    are those that it was started with, secrets redacted.

    The rest is of runs in tests. `case` is the name of the case, with `params` as its values;
    `verdict` is what became of the test, in pytest's words (`passed`, `failed`, `skipped`,
    `xfailed`, `xpassed`), and `failure` the first line of why. `clock` is `virtual` when the
    moments of the log passed on no clock of the machine; `duration` is then how many seconds the
    run took on that one.
    """

    id: str
    workflow: str
    file: str
    digest: str
    source: str
    created: str
    state: str = "pending"
    ended: str = ""
    reason: str = ""
    resumes: str = ""
    owner: Owner = field(default_factory=Owner)
    variables: Mapping[str, object] = field(default_factory=dict)
    case: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    verdict: str = ""
    failure: str = ""
    clock: str = "machine"
    duration: float | None = None

    def to_line(self) -> str:
        """The record as one line of JSON."""
        return encodable(to_json(asdict(self)))

    @property
    def is_over(self) -> bool:
        """Whether the run has ended."""
        return self.state not in ("pending", "running")

    @property
    def is_gone(self) -> bool:
        """Whether the run has not ended, and never will: its process is no longer there."""
        return not self.is_over and self.owner.is_gone()

    def is_of(self, test: str) -> bool:
        """Whether it is the run of a test: of this node id, or case, with or without its param."""
        names = (self.source, self.case, self.case.partition("[")[0])
        return bool(self.case) and test in names


def record_of(line: str) -> RunRecord:
    """The record that `to_line` wrote; raises ValueError saying what is wrong with it."""
    data = from_json(line)
    if not isinstance(data, dict):
        raise ValueError("it is no mapping")
    if data.get("state") not in TRANSITIONS:
        raise ValueError(f"it has no known state, but {data.get('state')!r}")
    try:
        return RunRecord(**{**data, "owner": Owner(**data["owner"])})
    except (KeyError, TypeError):
        raise ValueError(f"its fields are {listed(list(data))}") from None


def readable_record(run_id: str, line: str) -> RunRecord:
    """A stored record; in place of a damaged one, a quarantined record that says why."""
    try:
        return record_of(line)
    except ValueError as error:
        reason = f"its record cannot be read: {error}"
        nobody = Owner("", 0)
        return RunRecord(
            run_id, "", "", "", "", "", state="quarantined", reason=reason, owner=nobody
        )


def new_run_id() -> str:
    """An id that sorts by time: `20260131-120000-3f2a9c01b7`; tests begin thousands in a second."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(5)}"


def timestamp() -> str:
    """Now, as records hold it."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
