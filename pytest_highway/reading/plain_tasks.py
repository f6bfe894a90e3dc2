"""The plain task: a call with its arguments, its order and the name of its result, as most are.

    mapping --read_plain_task--> PlainTask, or None: then the pydantic model `Task` reads it

A plain task is what `Task` would be, with the same names and values, in a twentieth of the memory
and a quarter of the time: of `Task`'s thirty fields it holds the seven of its `__slots__`, and the
others are the class's. It is a fast path that only accepts: whatever is unusual, or wrong, is the
model's to read and to report.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import NoneType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pytest_highway.reading.policies import Cache, Fallback, Lock, Retry, TimeoutPolicy

__all__ = ["PlainTask", "read_plain_task"]

# One for all tasks without any; they are read and never changed, as all of a document's data.
NO_ARGS: Final[list[object]] = []
NO_KWARGS: Final[dict[str, object]] = {}

TEXT = frozenset({str})


class PlainTask:
    """A task that says nothing about failure, time, locks and the like; see `Task`."""

    __slots__ = (
        "args",
        "dependencies",
        "description",
        "function",
        "kwargs",
        "result_key",
        "task_id",
    )

    operator_type: Final = "task"
    after: Final[tuple[str, ...]] = ()
    trigger_rule: Final[str | None] = None
    skip_if: Final[str | None] = None
    run_if: Final[str | None] = None
    timeout: Final[float | None] = None
    timeout_policy: Final[TimeoutPolicy | None] = None
    on_failure: Final[Fallback | None] = None
    fallback_step: Final[str | None] = None
    critical: Final = True
    is_finally: Final = False
    lock: Final[Lock | None] = None
    metadata: Final[Mapping[str, object]] = {}
    is_internal_loop_task: Final = False
    retry: Final[Retry | None] = None
    retry_policy: Final[Retry | None] = None
    env: Final[Mapping[str, str]] = {}
    output_schema: Final[str | Mapping[str, object] | None] = None
    validations: Final[tuple[str, ...]] = ()
    require: Final[tuple[str, ...]] = ()
    cache: Final[Cache | None] = None
    provides: Final[tuple[str, ...]] = ()
    consumes: Final[tuple[str, ...]] = ()

    function: str
    args: list[object]
    kwargs: dict[str, object]
    dependencies: list[str] | None
    result_key: str | None
    description: str
    task_id: str | None


# Each key that a plain task may have, with the types of its value.
TYPES: Final[Mapping[object, tuple[type, ...]]] = {
    "function": (str,),
    "args": (list,),
    "kwargs": (dict,),
    "dependencies": (list, NoneType),
    "result_key": (str, NoneType),
    "description": (str,),
    "task_id": (str, NoneType),
    "operator_type": (str,),
}


def read_plain_task(data: object) -> PlainTask | None:
    """The plain task that a mapping is, or None where it is anything else or has faults."""
    if type(data) is not dict or "function" not in data:
        return None
    for key, value in data.items():
        if type(value) not in TYPES.get(key, ()):
            return None
    get = data.get
    if get("operator_type", "task") != "task":
        return None
    task = PlainTask()
    task.function = data["function"]
    task.args = get("args", NO_ARGS)
    task.kwargs = get("kwargs", NO_KWARGS)
    task.dependencies = get("dependencies")
    task.result_key = get("result_key")
    task.description = get("description", "")
    task.task_id = get("task_id")
    return task if _are_texts(task.kwargs) and _are_texts(task.dependencies or ()) else None


def _are_texts(values: Iterable[object]) -> bool:
    return TEXT.issuperset(map(type, values))
