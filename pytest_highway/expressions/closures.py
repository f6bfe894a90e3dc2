"""What an expression runs as: closures over the roots and a trace, one builder for each shape.

A closure (`Code`) takes the roots and the trace of the run and gives a value. An operation knows
its place in the source; a fault that comes out of it without a place gets that one, so the
innermost operation is the one that an error points at.

Reading is the hot part. A path first runs without bookkeeping; only when that fails it is walked
again with the place of every step at hand. (Carrying the places along costs half as much again.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.expressions.filters import FILTERS
from pytest_highway.expressions.operations import CALCULATIONS, COMPARISONS, negate
from pytest_highway.expressions.tokens import NAME
from pytest_highway.expressions.values import (
    ExpressionError,
    MissingValue,
    as_text,
    check_size,
    kind_of,
    truth,
    weight,
)

__all__ = [
    "Code",
    "Hole",
    "Reference",
    "Roots",
    "Trace",
    "all_of",
    "any_of",
    "calculated",
    "compared",
    "computed",
    "constant",
    "filtered",
    "joined",
    "list_of",
    "mapping_of",
    "negated",
    "negative",
    "path_reader",
    "placed",
    "recorded",
]

Roots = Mapping[str, object]
Trace = dict[int, object]
Code = Callable[[Roots, Trace], object]
Step = str | int
Path = tuple[Step, ...]
Rest = Sequence[tuple[str, int, Code]]  # operator, its place, the operand behind it
Stage = tuple[str, int, Sequence[Code]]  # filter, its place, its arguments
Value = TypeVar("Value")


class Reference(NamedTuple):
    """One path that an expression reads.

    `steps` are the constant steps, up to the first computed one (`dynamic` says that there is
    one); digits and whole numbers are `int`. `offset` is the root's place in the source, from 0.
    `defaulted` paths stand under `| default(…)` and may be missing.
    """

    root: str
    steps: tuple[str | int, ...]
    offset: int
    defaulted: bool = False
    dynamic: bool = False


class Hole(NamedTuple):
    """One template in a text: the place of its braces, and what gives its value."""

    offset: int
    code: Code


# Reading -----------------------------------------------------------------------------------------


def path_reader(root: str, steps: Path, offsets: Sequence[int]) -> Code:
    """Reads a path of constant steps; `offsets` are the places of the root and of each step."""

    def read(roots: Roots, trace: Trace) -> object:
        try:
            value = roots[root]
            for step in steps:
                value = value[step] if type(value) is dict else read_step(value, step, ())
            return value
        except (KeyError, ExpressionError):
            pass  # outside of the handler, so that the located error has no noisy context
        return follow(read_root(roots, root, offsets[0]), steps, offsets[1:], (root,))

    return read


def read_root(roots: Roots, root: str, offset: int) -> object:
    """The value of a root, or a `MissingValue` that names those that exist here."""
    try:
        return roots[root]
    except MissingValue as error:
        error.reference = error.reference or (root,)
        error.locate(offset)
        raise
    except KeyError:
        names = [str(each) for each in roots]
    near = did_you_mean(root, names)
    missing = MissingValue(
        f"no {root!r} exists here; there are {listed(names)}{near}", (root,), names
    )
    missing.locate(offset)
    raise missing


def follow(value: object, steps: Path, offsets: Sequence[int], path: Path) -> object:
    """Walk the steps from the value at `path`; a fault is placed at its step."""
    for step, offset in zip(steps, offsets, strict=True):
        value = placed(offset, read_step, value, step, path)
        path = (*path, step)
    return value


def placed(offset: int, operate: Callable[..., Value], *operands: object) -> Value:
    """What an operation gives; a fault of it that has no place yet gets this one."""
    try:
        return operate(*operands)
    except ExpressionError as error:
        error.locate(offset)
        raise


def read_step(value: object, step: object, path: Path) -> object:
    """One step from the value that stands at `path`: a key of a mapping, an index of a list."""
    if isinstance(step, bool) or not isinstance(step, (str, int)):
        raise ExpressionError(f"a step is a string or a whole number, not {kind_of(step)}")
    if isinstance(value, (list, tuple)):
        return _read_index(value, step, path)
    if isinstance(value, Mapping):
        return _read_key(value, step, path)
    if value is None:
        raise MissingValue(f"{_shown(path)} is null and has no {step!r}", (*path, step))
    raise ExpressionError(f"{_shown(path)} is {kind_of(value)} and has no {step!r}")


def _read_key(value: Mapping[object, object], step: Step, path: Path) -> object:
    # Keys are text, as in JSON; a mapping that a tool built may have numbers as well.
    for key in (step, str(step)) if isinstance(step, int) else (step,):
        if hasattr(type(value), "__missing__") and key not in value:
            continue  # a Counter or a defaultdict has every key, and the latter keeps it
        try:
            return value[key]
        except KeyError:
            continue
        except MissingValue as error:  # a namespace that knows better why
            error.reference = error.reference or (*path, step)
            raise
    names = [str(each) for each in value]
    raise MissingValue.in_mapping(_shown(path), (*path, step), names)


def _read_index(value: Sequence[object], step: Step, path: Path) -> object:
    if isinstance(step, str):
        raise ExpressionError(f"{_shown(path)} is a list and is read by number, not by {step!r}")
    if -len(value) <= step < len(value):
        return value[step]
    raise MissingValue(f"{_shown(path)} has {len(value)} elements, none at {step}", (*path, step))


def _shown(path: Path) -> str:
    """A path as it is written: `results.todo_1["a b"][0]`."""
    if not path:
        return "the value"
    steps = [
        f".{step}" if isinstance(step, str) and NAME.fullmatch(step) else f"[{step!r}]"
        for step in path[1:]
    ]
    return f"{path[0]}{''.join(steps)}"


def computed(base: Code, path: Path, steps: Sequence[tuple[int, Step | Code]]) -> Code:
    """Reads steps of which some are known only now; `path` is what `base` reads, if known."""

    def read(roots: Roots, trace: Trace) -> object:
        value, place = base(roots, trace), path
        for offset, step in steps:
            key = step(roots, trace) if callable(step) else step
            value = placed(offset, read_step, value, key, place)
            if place and isinstance(key, (str, int)):
                place = (*place, key)
        return value

    return read


def recorded(code: Code, number: int) -> Code:
    """Leaves the value of an operand in the trace, under its number."""

    def record(roots: Roots, trace: Trace) -> object:
        value = trace[number] = code(roots, trace)
        return value

    return record


# Building ----------------------------------------------------------------------------------------


def constant(value: object) -> Code:
    """Gives a literal."""
    return lambda roots, trace: value


def list_of(codes: Sequence[Code], offset: int) -> Code:
    """Builds a list."""
    return lambda roots, trace: placed(offset, _sized, [code(roots, trace) for code in codes])


def mapping_of(codes: Mapping[str, Code], offset: int) -> Code:
    """Builds a mapping."""
    pairs = tuple(codes.items())
    return lambda roots, trace: placed(
        offset, _sized, {key: code(roots, trace) for key, code in pairs}
    )


def _sized(value: object) -> object:
    check_size(weight(value))
    return value


def joined(parts: Sequence[str | Hole]) -> Code:
    """Joins texts and the texts of values, within `MAX_SIZE`."""

    def join(roots: Roots, trace: Trace) -> object:
        texts: list[str] = []
        size = 0
        for part in parts:
            if isinstance(part, str):
                text = part
            else:
                text = placed(part.offset, as_text, part.code(roots, trace))
                placed(part.offset, check_size, size + len(text))
            texts.append(text)
            size += len(text)
        return "".join(texts)

    return join


# Operators ---------------------------------------------------------------------------------------


def any_of(first: Code, rest: Rest) -> Code:
    """`or`: the first operand that counts as true, else the last."""
    *checked, last = first, *(code for _, _, code in rest)

    def choose(roots: Roots, trace: Trace) -> object:
        for code in checked:
            value = code(roots, trace)
            if value:
                return value
        return last(roots, trace)

    return choose


def all_of(first: Code, rest: Rest) -> Code:
    """`and`: the first operand that counts as false, else the last."""
    places = [offset for _, offset, _ in rest]
    *checked, last = first, *(code for _, _, code in rest)
    tests = tuple(zip(checked, places, strict=True))

    def choose(roots: Roots, trace: Trace) -> object:
        for code, offset in tests:
            value = code(roots, trace)
            if not placed(offset, truth, value):
                return value
        return last(roots, trace)

    return choose


def negated(code: Code, offset: int) -> Code:
    """`not`."""
    return lambda roots, trace: not placed(offset, truth, code(roots, trace))


def negative(code: Code, offset: int) -> Code:
    """Unary minus."""
    return lambda roots, trace: placed(offset, negate, code(roots, trace))


def calculated(first: Code, rest: Rest) -> Code:
    """Arithmetic of one level, from left to right."""
    steps = tuple((CALCULATIONS[sign], offset, code) for sign, offset, code in rest)

    def calculate(roots: Roots, trace: Trace) -> object:
        value = first(roots, trace)
        for operate, offset, code in steps:
            value = placed(offset, operate, value, code(roots, trace))
        return value

    return calculate


def compared(first: Code, rest: Rest) -> Code:
    """Comparisons, chained: each operand is read once, and the first false one ends it."""
    steps = tuple((COMPARISONS[sign], offset, code) for sign, offset, code in rest)

    def compare(roots: Roots, trace: Trace) -> object:
        left = first(roots, trace)
        for holds, offset, code in steps:
            right = code(roots, trace)
            if not placed(offset, holds, left, right):
                return False
            left = right
        return True

    return compare


# Filters -----------------------------------------------------------------------------------------


def filtered(base: Code, stages: Sequence[Stage]) -> Code:
    """Applies filters; a missing value passes by all of them up to a `default`."""
    applied = tuple((FILTERS[name].apply, offset, codes) for name, offset, codes in stages)

    def apply(roots: Roots, trace: Trace) -> object:
        value, missing = _attempt(base, roots, trace)
        for operate, offset, codes in applied:
            if operate is None:
                if missing is not None:
                    value, missing = codes[0](roots, trace), None
            elif missing is None:
                operands = [code(roots, trace) for code in codes]
                try:
                    value = placed(offset, operate, value, *operands)
                except MissingValue as error:
                    missing = error
        if missing is not None:
            raise missing
        return value

    return apply


def _attempt(code: Code, roots: Roots, trace: Trace) -> tuple[object, MissingValue | None]:
    try:
        return code(roots, trace), None
    except MissingValue as error:
        return None, error
