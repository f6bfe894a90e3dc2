"""The operators: equality, order, membership and arithmetic over plain data.

Typed as JSON is, which differs from Python in three places:

* a boolean is no number: `true == 1` is false, `true + 1` is an error;
* a string never equals a number, and `<` between the two is an error, not a guess;
* a tuple is a list, and anything that is a `Mapping` is a mapping.

`COMPARISONS` and `CALCULATIONS` are the whole list, by sign. What an operation builds is bounded
before it is built.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping

from pytest_highway.expressions.values import (
    ATOMS,
    MAX_BITS,
    ExpressionError,
    MissingValue,
    check_size,
    kind_of,
    weight,
)

__all__ = ["CALCULATIONS", "COMPARISONS", "contains", "negate", "same"]


def is_number(value: object) -> bool:
    """Whether JSON would call it a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


# Equality, order, membership ---------------------------------------------------------------------


def same(left: object, right: object) -> bool:
    """Whether two values are equal as JSON: typed, and through lists and mappings."""
    kind = type(left)
    if kind is type(right) and kind in ATOMS:
        return left == right
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (list, tuple)):
        return (
            isinstance(right, (list, tuple))
            and len(left) == len(right)
            and all(map(same, left, right))
        )
    if isinstance(left, Mapping):
        return isinstance(right, Mapping) and _same_mapping(left, right)
    try:
        return bool(left == right)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ExpressionError(
            f"{kind_of(left)} and {kind_of(right)} cannot be compared: {error}"
        ) from error


def _same_mapping(left: Mapping[object, object], right: Mapping[object, object]) -> bool:
    if len(left) != len(right):
        return False
    return all(key in right and same(value, right[key]) for key, value in left.items())


def differs(left: object, right: object) -> bool:
    """The opposite of `same`."""
    return not same(left, right)


def contains(container: object, element: object) -> bool:
    """Whether an element is in a list, a substring in a string, a key in a mapping."""
    if isinstance(container, str):
        if not isinstance(element, str):
            raise ExpressionError(
                f"{kind_of(element)} cannot be looked for in a string; use | string"
            )
        return element in container
    if isinstance(container, (list, tuple)):
        return any(same(element, each) for each in container)
    if isinstance(container, Mapping):
        return _has_key(container, element)
    raise ExpressionError(f"nothing is in {kind_of(container)}; 'in' needs a list, string, mapping")


def _has_key(container: Mapping[object, object], key: object) -> bool:
    keys = (key, str(key)) if type(key) is int else (key,)
    if type(key) not in (str, int):
        raise ExpressionError(f"a key is a string or a whole number, not {kind_of(key)}")
    try:
        return any(each in container for each in keys)
    except MissingValue:  # a namespace that looks for a key by reading it
        return False


def is_in(element: object, container: object) -> bool:
    """`element in container`."""
    return contains(container, element)


def is_not_in(element: object, container: object) -> bool:
    """`element not in container`."""
    return not contains(container, element)


def _ordering(sign: str, compare: Callable[..., object]) -> Callable[[object, object], bool]:
    def ordered(left: object, right: object) -> bool:
        text = isinstance(left, str) + isinstance(right, str)
        if text == 2 or (is_number(left) and is_number(right)):
            return bool(compare(left, right))
        mixed = text == 1 and (is_number(left) or is_number(right))
        hint = "; convert the string, as in x | int" if mixed else ""
        raise ExpressionError(f"{sign!r} cannot compare {_operands(left, right)}{hint}")

    return ordered


def _operands(left: object, right: object) -> str:
    return f"{kind_of(left)} with {kind_of(right)}"


# Arithmetic --------------------------------------------------------------------------------------


def _number(value: object) -> object:
    """A number that an operation gave, when it is within bounds."""
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionError("the result is no finite number")
    elif isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ExpressionError(f"the result is too large: more than {MAX_BITS} bits")
    return value


def _calculation(sign: str, calculate: Callable[..., object]) -> Callable[[object, object], object]:
    def calculated(left: object, right: object) -> object:
        if not (is_number(left) and is_number(right)):
            textual = isinstance(left, str) or isinstance(right, str)
            hint = "; convert one of them, with | int or | string" if textual else ""
            raise ExpressionError(f"{sign!r} cannot combine {_operands(left, right)}{hint}")
        try:
            return _number(calculate(left, right))
        except ZeroDivisionError:
            raise ExpressionError(f"{sign!r} divides by zero") from None
        except OverflowError:
            raise ExpressionError("the result is no finite number") from None

    return calculated


_add = _calculation("+", operator.add)
_multiply = _calculation("*", operator.mul)


def add(left: object, right: object) -> object:
    """The sum of two numbers, or two strings or two lists joined."""
    if isinstance(left, str) and isinstance(right, str):
        check_size(len(left) + len(right))
        return left + right
    if isinstance(left, (list, tuple)) and isinstance(right, (list, tuple)):
        check_size(weight(left) + weight(right))
        return [*left, *right]
    return _add(left, right)


def multiply(left: object, right: object) -> object:
    """The product of two numbers, or a string or a list repeated."""
    if type(right) is int and isinstance(left, (str, list, tuple)):
        return _repeat(left, right)
    if type(left) is int and isinstance(right, (str, list, tuple)):
        return _repeat(right, left)
    if type(left) is int and type(right) is int:
        if left.bit_length() + right.bit_length() > MAX_BITS + 1:
            raise ExpressionError(f"the result is too large: more than {MAX_BITS} bits")
        return _number(left * right)
    return _multiply(left, right)


def _repeat(value: str | list[object] | tuple[object, ...], times: int) -> object:
    check_size(weight(value) * max(times, 0))
    return value * times if isinstance(value, str) else [*value] * times


def negate(value: object) -> object:
    """The number with the opposite sign."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return -value
    raise ExpressionError(f"'-' needs a number, not {kind_of(value)}")


COMPARISONS: dict[str, Callable[[object, object], bool]] = {
    "==": same,
    "!=": differs,
    "<": _ordering("<", operator.lt),
    "<=": _ordering("<=", operator.le),
    ">": _ordering(">", operator.gt),
    ">=": _ordering(">=", operator.ge),
    "in": is_in,
    "not in": is_not_in,
}

CALCULATIONS: dict[str, Callable[[object, object], object]] = {
    "+": add,
    "-": _calculation("-", operator.sub),
    "*": multiply,
    "/": _calculation("/", operator.truediv),
    "//": _calculation("//", operator.floordiv),
    "%": _calculation("%", operator.mod),
}
