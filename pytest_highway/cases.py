"""From `tests:` to cases: defaults merged in, params expanded, templates rendered, all checked.

    tests, test_defaults --read_cases--> Case, one for each case and param id

Rendering happens in two steps. Templates over `params.` are rendered when the file is collected;
those over `fixtures.` stay as they are until the case runs (`Case.with_fixtures`), and those over
`call.` until a stub answers. Every other root is an error, but in a transcript, where braces are
text that the run may well have produced.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from pytest_highway.case_models import CaseModel
from pytest_highway.document import Document
from pytest_highway.errors import Diagnostic, SourceError, listed
from pytest_highway.expression import ExpressionError
from pytest_highway.models import validate_model
from pytest_highway.plan import Loc
from pytest_highway.template import compile_template
from pytest_highway.values import as_text

__all__ = ["Case", "Origin", "read_cases"]

CASE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
RESERVED = "check"
MERGED_MAPPINGS = ("variables", "env", "stubs", "http", "expect")
MERGED_LISTS = ("marks", "fixtures")
LATER_ROOTS = frozenset({"fixtures", "call"})
CASE_ROOTS = ("params", "fixtures", "call")
_IN_TRANSCRIPT = re.compile(r"\{\{\s*(?:params|fixtures)\b.*?\}\}")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the parts of a merged case stand in its document: in the case or in the defaults."""

    document: Document
    case: Loc
    raw: Mapping[str, object]

    def place(self, loc: Loc) -> Loc:
        """The document's path for a path inside the case."""
        return ("test_defaults", *loc) if self.from_defaults(loc) else (*self.case, *loc)

    def from_defaults(self, loc: Loc) -> bool:
        """Whether what stands at `loc` was written in `test_defaults`."""
        if not loc:
            return False
        if loc[0] not in self.raw:
            return bool(loc[0] in _mapping(_mapping(self.document.data).get("test_defaults")))
        inner = self.raw[str(loc[0])]
        nested = len(loc) > 1 and loc[0] in MERGED_MAPPINGS and isinstance(inner, Mapping)
        return bool(nested and isinstance(inner, Mapping) and loc[1] not in inner)

    def fault(self, loc: Loc, message: str, *, key: bool = False) -> Diagnostic:
        """A finding at a path inside the case."""
        return self.document.diagnostic(self.place(loc), message, key=key)


@dataclass(frozen=True, slots=True)
class Case:
    """One case, ready to run: `name` is its pytest name, `data` its merged and rendered text.

    `pending` tells that templates over `fixtures.` are still to be rendered; `model` then is None
    where such a template stands in a place that wants another type than text.
    """

    name: str
    base: str
    param: str
    origin: Origin
    data: dict[str, object]
    params: Mapping[str, object]
    model: CaseModel
    pending: bool = False
    fixtures: Mapping[str, object] = field(default_factory=dict)

    def with_fixtures(self, fixtures: Mapping[str, object]) -> Case:
        """The case with its `fixtures.` templates rendered; raises `SourceError`."""
        if not self.pending:
            return self
        renderer = _Renderer(self.origin, {"params": self.params, "fixtures": fixtures})
        data = renderer.render(self.data, ())
        model, faults = _validated(self.origin, data)
        if model is None or renderer.faults:
            raise SourceError([*renderer.faults, *faults])
        return replace(self, data=data, model=model, pending=False, fixtures=fixtures)


def read_cases(document: Document) -> tuple[list[Case], list[Diagnostic]]:
    """All cases of a document, in file order, and what is wrong with them."""
    data = _mapping(document.data)
    cases: list[Case] = []
    faults: list[Diagnostic] = []
    tests = data.get("tests")
    if not isinstance(tests, Mapping):
        return cases, faults  # Its shape is the workflow model's to report.
    defaults = data.get("test_defaults")
    if defaults is not None and not isinstance(defaults, Mapping):
        faults.append(document.diagnostic(("test_defaults",), "expected a mapping"))
        defaults = None
    for name, raw in tests.items():
        loc: Loc = ("tests", name)
        if not CASE_NAME.fullmatch(name) or name == RESERVED:
            why = "is taken" if name == RESERVED else "does not match [A-Za-z0-9_.-]+"
            faults.append(document.diagnostic(loc, f"the case name {name!r} {why}", key=True))
        if not isinstance(raw, Mapping):
            faults.append(document.diagnostic(loc, "a case is a mapping with `expect`"))
            continue
        origin = Origin(document, loc, raw)
        merged = _merged(_mapping(defaults), raw)
        faults += _expand(name, origin, merged, cases.append)
    return cases, faults


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _merged(defaults: Mapping[str, object], raw: Mapping[str, object]) -> dict[str, object]:
    """A case over the defaults: mappings by key, lists one after the other, else the case's own."""
    if not defaults:
        return dict(raw)
    merged = {**defaults, **raw}
    for key in defaults.keys() & raw.keys():
        default, own = defaults[key], raw[key]
        if key in MERGED_MAPPINGS and isinstance(default, Mapping) and isinstance(own, Mapping):
            merged[key] = {**default, **own}
        elif key in MERGED_LISTS and isinstance(default, list) and isinstance(own, list):
            merged[key] = [*default, *own]
    return merged


def _expand(
    name: str, origin: Origin, merged: dict[str, object], add: Callable[[Case], None]
) -> list[Diagnostic]:
    params = merged.get("params")
    if params is None:
        return _variant(name, "", origin, merged, {}, add)
    if not isinstance(params, Mapping) or not params:
        return [origin.fault(("params",), "expected a mapping {id: values} with one id at least")]
    faults: list[Diagnostic] = []
    for param, values in params.items():
        loc: Loc = ("params", param)
        if not CASE_NAME.fullmatch(param):
            message = f"the param id {param!r} does not match [A-Za-z0-9_.-]+"
            faults.append(origin.fault(loc, message, key=True))
        elif not isinstance(values, Mapping):
            faults.append(origin.fault(loc, "expected a mapping of values, read as {{params.name}}"))
        else:
            faults += _variant(name, param, origin, merged, values, add)
    return faults


def _variant(
    name: str,
    param: str,
    origin: Origin,
    merged: dict[str, object],
    values: Mapping[str, object],
    add: Callable[[Case], None],
) -> list[Diagnostic]:
    roots = {"params": values} if "params" in merged else {}
    renderer = _Renderer(origin, roots)
    data = {
        key: each if key == "params" else renderer.render({key: each}, ())[key]
        for key, each in merged.items()
    }
    model, faults = _validated(origin, data, forgiving=renderer.pending)
    faults = [*renderer.faults, *faults]
    if model is not None and not faults:
        shown = f"{name}[{param}]" if param else name
        add(Case(shown, name, param, origin, data, values, model, renderer.pending))
    return faults


def _validated(
    origin: Origin, data: dict[str, object], *, forgiving: bool = False
) -> tuple[CaseModel | None, list[Diagnostic]]:
    if not data.get("expect"):
        message = "the case expects nothing, so it tests nothing; add `expect`"
        return None, [origin.fault(("expect",) if "expect" in data else (), message, key=True)]
    model, faults = validate_model(CaseModel, data, origin.document, base=origin.place)
    if model is None and forgiving:
        # A template over a fixture may stand where no text is allowed; its value decides later.
        model, faults = validate_model(
            CaseModel, _without_pending(data), origin.document, base=origin.place
        )
    return model, faults


def _without_pending(data: dict[str, object]) -> dict[str, object]:
    """The parts of a case that hold no template any more, for what is checked at collection."""
    kept = {key: each for key, each in data.items() if "{{" not in str(each)}
    return {"expect": {"status": "success"}, **kept}


class _Renderer:
    """Renders the templates of a case over some roots; `pending` tells that others remain."""

    def __init__(self, origin: Origin, roots: Mapping[str, object]) -> None:
        self.origin = origin
        self.roots = roots
        self.faults: list[Diagnostic] = []
        self.pending = False

    def render(self, data: dict[str, object], loc: Loc) -> dict[str, object]:
        """A rendered copy of a mapping."""
        return {
            self._key(key, loc): self._value(each, (*loc, key)) for key, each in data.items()
        }

    def _key(self, key: str, loc: Loc) -> str:
        return key if "{{" not in key else str(self._text(key, (*loc, key)))

    def _value(self, data: object, loc: Loc) -> object:
        if isinstance(data, str):
            return data if "{{" not in data else self._text(data, loc)
        if isinstance(data, dict):
            return self.render(data, loc)
        if isinstance(data, list):
            return [self._value(each, (*loc, number)) for number, each in enumerate(data)]
        return data

    def _text(self, text: str, loc: Loc) -> object:
        if loc[:2] == ("expect", "transcript"):
            return _IN_TRANSCRIPT.sub(lambda match: as_text(self._template(match[0], loc)), text)
        return self._template(text, loc)

    def _template(self, text: str, loc: Loc) -> object:
        try:
            template = compile_template(text)
            roots = [reference.root for reference in template.references]
            if self._is_later(roots, loc):
                return text
            return template.render(self.roots)
        except ExpressionError as error:
            self.faults.append(self.origin.fault(loc, error.message))
            return text

    def _is_later(self, roots: list[str], loc: Loc) -> bool:
        """Whether a template must wait for roots that exist later; an unknown root is an error."""
        unknown = [root for root in roots if root not in CASE_ROOTS]
        if unknown:
            message = f"unknown root {unknown[0]!r}; a case may read {listed(CASE_ROOTS)}"
            raise ExpressionError(message)
        missing = [root for root in roots if root not in self.roots and root in LATER_ROOTS]
        self.pending = self.pending or "fixtures" in missing
        return bool(missing)
