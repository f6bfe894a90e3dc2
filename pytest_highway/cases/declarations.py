"""From `tests:` to cases: defaults merged in, params expanded, templates rendered, shapes checked.

    tests, test_defaults --read_cases--> Case, one for each case and param id

A case that reads `fixtures.` outside of an answer is *pending* until `Case.with_fixtures`. Params
may read fixtures themselves; every template over them then waits as well (see `rendering`). What
was written where is kept by its `Origin`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from pytest_highway.cases.models import CaseModel
from pytest_highway.cases.origins import CASE_NAME, DEFAULTS, MERGED, Origin, merge_defaults
from pytest_highway.cases.products import PRODUCT, expand_product
from pytest_highway.cases.rendering import Renderer
from pytest_highway.cases.sharing import joined, with_shared_stubs
from pytest_highway.errors import Diagnostic, SourceError, did_you_mean
from pytest_highway.planning.plan import Loc
from pytest_highway.reading.document import Document
from pytest_highway.reading.validation import faults_of

if TYPE_CHECKING:
    from pytest_highway.cases.answers import Scripts

__all__ = ["Case", "Origin", "read_cases", "read_defaults"]

RESERVED = "check"
HERE = Path()

# What stands in for an expectation that is missing or cannot be read, so that the rest is checked.
PLACEHOLDER: Final[Mapping[str, object]] = {"status": "success"}


@dataclass(frozen=True, slots=True)
class Case:
    """One case: `name` is its pytest name, `data` its text, merged (`written`) and rendered.

    `pending` tells that templates over `fixtures.` are still to be rendered. `scripts` are its
    compiled stubs, once they have been checked (see `case_checks`).
    """

    name: str
    base: str
    param: str
    origin: Origin
    written: dict[str, object]
    data: dict[str, object]
    params: dict[str, object]
    model: CaseModel
    pending: bool = False
    fixtures: Mapping[str, object] = field(default_factory=dict)
    scripts: Scripts | None = None

    def with_fixtures(self, fixtures: Mapping[str, object]) -> Case:
        """The case with these values under `fixtures.`, rendered in full; raises `SourceError`."""
        if not self.pending:
            return replace(self, fixtures=fixtures) if fixtures else self
        own = Renderer(self.origin, {"fixtures": fixtures}, (), list(fixtures))
        params = own.render(_params(self.written, self.param), ("params", self.param))
        roots = {"params": params, "fixtures": fixtures}
        # From what was written: a text that `params` gave is no template, whatever it holds.
        renderer = Renderer(self.origin, roots, (), list(fixtures))
        data = renderer.render_case(self.written)
        origin = replace(self.origin, renamed=renderer.renamed)
        model, faults = _validated(origin, data)
        faults = [*own.faults, *renderer.faults, *faults]
        if faults:
            raise SourceError(faults)
        # Names and patterns may be new: whoever runs the case checks and compiles it again.
        return replace(
            self,
            origin=origin,
            data=data,
            params=params,
            model=model,
            pending=False,
            fixtures=fixtures,
            scripts=None,
        )


def read_cases(document: Document, folder: Path = HERE) -> tuple[list[Case], list[Diagnostic]]:
    """All cases of a document, in file order, and what is wrong with them.

    `folder` is that of the document's file, for what it includes. A case with faults is among them,
    without what is wrong in it: for more checks, not to run.
    """
    data = _mapping(document.data)
    tests, defaults = data.get("tests"), _mapping(data.get(DEFAULTS))
    cases: list[Case] = []
    faults: list[Diagnostic] = []
    wide = with_shared_stubs(document, (DEFAULTS,), defaults, folder, faults)
    # Of another shape, `tests` is the workflow model's to report.
    for name, raw in _mapping(tests).items():
        loc: Loc = ("tests", name)
        if not CASE_NAME.fullmatch(name) or name == RESERVED:
            why = "is taken" if name == RESERVED else "does not match [A-Za-z0-9_.-]+"
            faults.append(document.diagnostic(loc, f"the case name {name!r} {why}", key=True))
        if not isinstance(raw, Mapping):
            message = "expected a mapping with `expect` and whatever else makes a case"
            faults.append(document.diagnostic(loc, message))
            continue
        own = with_shared_stubs(document, loc, raw, folder, faults)
        origin = Origin(document, loc, raw, defaults, shared=joined(wide, own))
        faults += _expand(name, origin, merge_defaults(wide.data, own.data), cases.append)
    return cases, faults


def read_defaults(document: Document, folder: Path = HERE) -> tuple[Case | None, list[Diagnostic]]:
    """`test_defaults` as a case that expects success at least, to be checked and never run.

    So that what every case replaces is checked as well. None when there are no defaults.
    """
    defaults = _mapping(document.data).get(DEFAULTS)
    if defaults is None:
        return None, []
    if not isinstance(defaults, Mapping):
        return None, [document.diagnostic((DEFAULTS,), "expected a mapping")]
    found: list[Diagnostic] = []
    own = with_shared_stubs(document, (DEFAULTS,), defaults, folder, found)
    origin = Origin(document, (DEFAULTS,), defaults, shared=own.files)
    found += expand_product(_mapping(defaults.get("params")), origin).found
    # Which params there are is known to each case alone, so nothing is rendered.
    renderer = Renderer(origin, {}, ("params", "fixtures"), None)
    written = {"expect": dict(PLACEHOLDER), **own.data}
    data = renderer.render_case(written)
    model, faults = _validated(origin, data, renderer.waiting)
    case = Case(DEFAULTS, DEFAULTS, "", origin, written, data, {}, model, pending=True)
    return case, [*found, *renderer.faults, *faults]


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}  # Data of a document; an ABC's test is slow.


def _sequence(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else ()


# --- variants ------------------------------------------------------------------------------------


def _expand(
    name: str, origin: Origin, merged: dict[str, object], add: Callable[[Case], None]
) -> list[Diagnostic]:
    """Add the case, or one for each of its params."""
    if merged.get("params") is None:
        return _variant(name, "", origin, merged, add)
    params = merged["params"]
    if not isinstance(params, Mapping) or not params:
        return [origin.fault(("params",), "expected a mapping {id: values} with one id at least")]
    params, moved, faults = expand_product(params, origin)
    if moved:
        origin, merged = replace(origin, moved=moved), {**merged, "params": params}
    for param, values in params.items():
        loc: Loc = ("params", param)
        if not CASE_NAME.fullmatch(param):
            near = did_you_mean(param, [PRODUCT])
            message = f"the param id {param!r} does not match [A-Za-z0-9_.-]+{near}"
            faults.append(origin.fault(loc, message, key=True))
        elif not isinstance(values, Mapping):
            message = "expected a mapping of values, each read as {{params.name}}"
            faults.append(origin.fault(loc, message))
        else:
            faults += _variant(name, param, origin, merged, add)
    return faults


def _variant(
    name: str,
    param: str,
    origin: Origin,
    merged: dict[str, object],
    add: Callable[[Case], None],
) -> list[Diagnostic]:
    """Render and check the case of one param id; an empty id stands for no params."""
    names = _fixture_names(merged)
    own = Renderer(origin, {}, ("fixtures",), names)
    values = own.render(_params(merged, param), ("params", param))
    ready = {"params": values} if param and not own.waiting else {}
    later = ("params", "fixtures") if own.waiting else ("fixtures",)
    renderer = Renderer(origin, ready, later, names)
    data = renderer.render_case(merged)
    if renderer.renamed:
        origin = replace(origin, renamed=renderer.renamed)
    model, faults = _validated(origin, data, renderer.waiting)
    shown = f"{name}[{param}]" if param else name
    pending = bool(own.waiting or renderer.waiting)
    add(Case(shown, name, param, origin, merged, data, values, model, pending))
    return [*own.faults, *renderer.faults, *faults]


def _fixture_names(merged: Mapping[str, object]) -> list[str] | None:
    """The fixtures that a case requests; None when params decide on one."""
    names = [each for each in _sequence(merged.get("fixtures")) if isinstance(each, str)]
    return None if any("{{" in each for each in names) else names


def _params(merged: Mapping[str, object], param: str) -> dict[str, object]:
    """The values of one param id, as written; none for the empty id."""
    values = _mapping(merged.get("params")).get(param)
    return dict(values) if isinstance(values, Mapping) else {}


def _validated(
    origin: Origin, data: dict[str, object], waiting: Collection[Loc] = ()
) -> tuple[CaseModel, list[Diagnostic]]:
    """The case as far as it can be read, and what is wrong with it.

    What waits for a fixture (the places `waiting`) may be of another type than the text it still
    is; its value decides when the case runs.
    """
    found: list[Diagnostic] = []
    if not data.get("expect"):
        message = "the case expects nothing, so it tests nothing; add `expect`"
        found.append(origin.fault(("expect",) if "expect" in data else (), message, key=True))
        data = {**data, "expect": PLACEHOLDER}
    try:
        model = CaseModel.model_validate(data)
    except ValidationError as error:
        open_places = [origin.position(loc) for loc in waiting]
        faults = faults_of(error, data, origin)
        found += [each for each in faults if each.position not in open_places]
        model = _partial_model(data, [each["loc"] for each in error.errors()])
    if not model.expect.model_fields_set:
        message = "the case expects nothing, so it tests nothing; say what in `expect`"
        found.append(origin.fault(("expect",), message, key=True))
    return model, found


def _partial_model(data: Mapping[str, object], wrong: Sequence[Loc]) -> CaseModel:
    """The model of a case without what is wrong in it."""
    kept = {"expect": PLACEHOLDER, **_without(data, wrong)}
    try:
        return CaseModel.model_validate(kept)
    except ValidationError:
        # What is wrong has been said; that there is more beneath it can wait.
        return CaseModel.model_validate({"expect": PLACEHOLDER})


def _without(data: Mapping[str, object], wrong: Sequence[Loc], loc: Loc = ()) -> dict[str, object]:
    """A mapping without the smallest named parts in which the paths `wrong` end."""
    kept: dict[str, object] = {}
    for key, each in data.items():
        inside = [path[1:] for path in wrong if path[:1] == (key,)]
        place = (*loc, key)
        if not inside:
            kept[key] = each
        elif isinstance(each, Mapping) and place in MERGED and () not in inside:
            rest = _without(each, inside, place)
            if rest:
                kept[key] = rest
    return kept
