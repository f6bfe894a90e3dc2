"""The plain task: a call with its arguments, its order and the name of its result, as most are.

    mapping --read_plain_task--> PlainTask, or None: then the pydantic model `Task` reads it

A plain task is what `Task` would be, with the same names and values, in a twentieth of the memory
and a quarter of the time: of `Task`'s thirty fields it holds the seven of its `__slots__`, and the
others are the class's. It is a fast path that only accepts: whatever is unusual, or wrong, is the
model's to read and to report.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from pytest_highway.reading.models import Cache, Fallback, Lock, Retry, TimeoutPolicy

__all__ = ["PlainTask", "read_plain_task"]

# One for all tasks without any; they are read and never changed, as all of a document's data.
NO_ARGS: Final[list[object]] = []
NO_KWARGS: Final[dict[str, object]] = {}

TEXT = frozenset({str})
OPTIONAL_TEXT = (str, type(None))


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


KEYS = frozenset({*PlainTask.__slots__, "operator_type"})


def read_plain_task(data: object) -> PlainTask | None:
    """The plain task that a mapping is, or None where it is anything else or has faults."""
    if type(data) is not dict or not data.keys() <= KEYS:
        return None
    get = data.get
    task = PlainTask()
    function = get("function")
    task.args = args = get("args", NO_ARGS)
    task.kwargs = kwargs = get("kwargs", NO_KWARGS)
    task.dependencies = dependencies = get("dependencies")
    task.result_key = get("result_key")
    task.description = get("description", "")
    task.task_id = get("task_id")
    if type(function) is not str:
        return None
    task.function = function
    is_plain = (
        type(args) is list
        and type(kwargs) is dict
        and (not kwargs or TEXT.issuperset(map(type, kwargs)))
        and (dependencies is None or _is_list_of_text(dependencies))
        and type(task.result_key) in OPTIONAL_TEXT
        and type(task.description) is str
        and type(task.task_id) in OPTIONAL_TEXT
        and get("operator_type", "task") == "task"
    )
    return task if is_plain else None


def _is_list_of_text(value: object) -> bool:
    return type(value) is list and TEXT.issuperset(map(type, cast("list[object]", value)))
