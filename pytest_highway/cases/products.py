"""`$product` under `params`: an id for each combination of the axes that stand there.

    params:
      $product:
        region: {eu: {host: eu.test}, us: {host: us.test}}    ids with their values
        code: [200, 404]                                      scalars: id and value of the axis name

        -> eu-200, eu-404, us-200, us-404;   eu-200: {host: eu.test, code: 200}

Ids come in written order, the last axis turning fastest, and may stand beside written ones. No two
axes may give a value one name, and no two ids may be one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from math import prod
from typing import Final, NamedTuple, cast

from pytest_highway.cases.origins import CASE_NAME, Origin
from pytest_highway.errors import Diagnostic
from pytest_highway.expressions.values import as_text
from pytest_highway.planning.plan import Loc

__all__ = ["PRODUCT", "Expanded", "expand_product"]

PRODUCT: Final = "$product"
MOST_IDS = 1_000


class Expanded(NamedTuple):
    """Params without `$product`, where the values that it gave were written, and what is wrong."""

    params: dict[str, object]
    moved: dict[Loc, Loc]
    found: list[Diagnostic]


class Choice(NamedTuple):
    """One id, of an axis or of all of them, its values, and the place of each that was moved."""

    id: str
    values: object
    places: Mapping[str, Loc]


def expand_product(params: Mapping[str, object], origin: Origin) -> Expanded:
    """The params with all combinations put in place of `$product`; none where it has faults."""
    made: dict[str, object] = {}
    moved: dict[Loc, Loc] = {}
    axes = _Axes(origin)
    for key, values in params.items():
        fresh = axes.combined(values) if key == PRODUCT else [Choice(key, values, {})]
        for choice in fresh:
            if choice.id in made:
                message = f"the id {choice.id!r} is there already, written or made by {PRODUCT}"
                axes.found.append(origin.fault(("params", key), message, key=True))
            made[choice.id] = choice.values
            moved |= {("params", choice.id, name): loc for name, loc in choice.places.items()}
    return Expanded(made, moved, axes.found)


class _Axes:
    """One look at what stands under `$product`; `found` is what is wrong with it."""

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.found: list[Diagnostic] = []

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> None:
        self.found.append(self.origin.fault(("params", PRODUCT, *loc), message, key=key))

    def combined(self, written: object) -> Iterator[Choice]:
        """A choice for each combination of what is written; none when something is wrong."""
        if not isinstance(written, Mapping) or not written:
            self.fault((), "expected a mapping {axis: choices} with one axis at least")
            return
        axes = {axis: [*self._choices(axis, each)] for axis, each in written.items()}
        self._check_names(axes)
        size = prod(map(len, axes.values()))
        if size > MOST_IDS:
            shown = " x ".join(str(len(each)) for each in axes.values())
            message = f"{shown} choices make {size:,} ids; at most {MOST_IDS:,} are made"
            self.fault((), message, key=True)
        for choices in product(*axes.values()) if not self.found else ():
            values: dict[str, object] = {}
            places: dict[str, Loc] = {}
            for choice in choices:
                values |= cast("Mapping[str, object]", choice.values)
                places |= choice.places
            yield Choice("-".join(choice.id for choice in choices), values, places)

    def _choices(self, axis: str, written: object) -> Iterator[Choice]:
        readers: dict[type, Callable[[str, object, Loc], Choice | None]] = {
            dict: self._named,
            list: self._scalar,
        }
        read = readers.get(type(written))
        if read is None or not written:
            self.fault((axis,), "expected a mapping {id: values} or a list of scalars, not empty")
            return
        seen: list[str] = []
        assert isinstance(written, dict | list)
        for step in written if isinstance(written, dict) else range(len(written)):
            choice = read(axis, written[step], (axis, step))
            if choice is None:
                continue
            if not CASE_NAME.fullmatch(choice.id):
                message = f"the id {choice.id!r} does not match [A-Za-z0-9_.-]+"
                self.fault((axis, step), message, key=True)
            if choice.id in seen:
                self.fault((axis, step), f"the id {choice.id!r} stands in this axis already")
            seen.append(choice.id)
            yield choice

    def _named(self, axis: str, values: object, loc: Loc) -> Choice | None:
        if not isinstance(values, Mapping):
            self.fault(loc, "expected a mapping of values, each read as {{params.name}}")
            return None
        places: dict[str, Loc] = {name: ("params", PRODUCT, *loc, name) for name in values}
        return Choice(str(loc[-1]), values, places)

    def _scalar(self, axis: str, value: object, loc: Loc) -> Choice | None:
        if value is None or isinstance(value, dict | list):
            self.fault(loc, f"no id can be made of this; write {axis} as {{id: {{name: value}}}}")
            return None
        written = self.origin.written(("params", PRODUCT, *loc))
        text = as_text(value)
        if written is not None and written != text:
            self.fault(loc, f"{written} is read as {text}; quote it, or give it an id of its own")
        return Choice(text, {axis: value}, {axis: ("params", PRODUCT, *loc)})

    def _check_names(self, axes: Mapping[str, list[Choice]]) -> None:
        """No value may have its name from two axes."""
        owner: dict[str, str] = {}
        for axis, choices in axes.items():
            for choice in choices:
                for name, place in choice.places.items():
                    if owner.setdefault(name, axis) != axis:
                        message = f"{name!r} is a value of the axis {owner[name]!r} already"
                        self.found.append(self.origin.fault(place, message, key=name != axis))
