"""What a bare name means in a template of highway-dsl, and templates with the root written out.

    item, ITEM              in the body of a foreach: item
    ENV.X, env.X            env.X, which is declared then
    a result's key          results.key
    a variable              variables.name
    the id of a task        the result of that task, which gets a key when it has none
    counter                 memory.counter, where the counter tools of highway-dsl are used
    our own roots           as they are

The first that fits holds. A name that is none of these came from outside of the file: it becomes a
variable, whose value is to be given. Templates and conditions are read by our own parser, so that a
name in a text, or behind a dot, is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_highway.conversion.commands import fields_of
from pytest_highway.conversion.made import Findings, Made
from pytest_highway.conversion.tree import Op, Scope
from pytest_highway.expressions.closures import Reference
from pytest_highway.expressions.expression import compile_expression
from pytest_highway.expressions.template import compile_template
from pytest_highway.expressions.values import ExpressionError
from pytest_highway.planning.plan import Loc

__all__ = ["Names"]

ROOTS = frozenset({"variables", "results", "memory", "env", "item", "loop", "tasks", "prev"})
COUNTERS = "tools.simple_counter."
# Names that highway-dsl makes of a task's id.
MADE_OF_ID = re.compile(r"(.+?)_{1,2}results?")


@dataclass(slots=True)
class Names:
    """All names of a file. `keys` are the result keys, each with the operators that write it.

    `given` are keys for tasks that had none, `missing` names that nothing declares, `env` those of
    the environment, `reads` which results each operator reads. `checked` is the operator whose
    value is looked at.
    """

    root: Scope
    variables: Mapping[str, object]
    findings: Findings
    keys: dict[str, list[Op]] = field(default_factory=dict)
    ids: dict[str, Op] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    given: dict[Op, str] = field(default_factory=dict)
    missing: dict[str, None] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)
    reads: dict[Op, list[str]] = field(default_factory=dict)
    counts: bool = False
    checked: Op | None = None

    def __post_init__(self) -> None:
        for op in self.root.walk():
            self.ids.setdefault(op.id, op)
            if op.text("result_key"):
                self.keys.setdefault(op.text("result_key"), []).append(op)
            self.counts = self.counts or op.text("function").startswith(COUNTERS)

    # --- texts and conditions ------------------------------------------------------------------

    def data(self, value: object, op: Op, made: Made, loc: Loc) -> object:
        """Data with all templates in it written anew."""
        if isinstance(value, str):
            return self.text(value, op, made, loc)
        if isinstance(value, list):
            return [self.data(each, op, made, (*loc, n)) for n, each in enumerate(value)]
        if isinstance(value, dict):
            return {key: self.data(each, op, made, (*loc, key)) for key, each in value.items()}
        return value

    def text(self, text: str, op: Op, made: Made, loc: Loc) -> str:
        """A text with its templates written anew; one that is no template of ours stays."""
        if "{{" not in text:
            return text
        return self._rewritten(text, lambda: compile_template(text).references, op, made, loc)

    def condition(self, text: str, op: Op, made: Made, loc: Loc) -> str:
        """A condition, in which names may stand without braces, too."""
        return self._rewritten(text, lambda: compile_expression(text).references, op, made, loc)

    def _rewritten(
        self,
        text: str,
        parse: Callable[[], Sequence[Reference]],
        op: Op,
        made: Made,
        loc: Loc,
    ) -> str:
        try:
            references = parse()
        except ExpressionError:
            return text  # Whoever loads what is made tells what is wrong with it.
        for each in sorted(references, key=lambda each: each.offset, reverse=True):
            behind = each.offset + len(each.root)
            root, fields = self._meaning(each, op, made, loc)
            rest = text[behind:]
            step = str(each.steps[0]) if each.steps else ""
            if step in fields and rest.startswith(f".{step}"):
                rest = f".{fields[step]}{rest[len(step) + 1 :]}"
            text = f"{text[: each.offset]}{root}{rest}"
        return text

    # --- names ---------------------------------------------------------------------------------

    def _meaning(
        self, read: Reference, op: Op, made: Made, loc: Loc
    ) -> tuple[str, Mapping[str, str]]:
        """What stands for the root of a path, and how fields of it are called here."""
        name = self.aliases.get(read.root, read.root)
        step = str(read.steps[0]) if read.steps else ""
        if name in ("item", "ITEM") and self._is_in_foreach(op):
            return "item", {}
        if name.lower() == "env" and step:
            self.env.setdefault(step, "")
            return "env", {}
        if self._is_ours(name, step):
            if name == "results":
                self._note_read(op, self.aliases.get(step, step))
            return name, {}
        source = None if name in self.keys or name in self.variables else self._task(name)
        key = name if source is None else self.key_of(source)
        return self._result(op, key) if key in self.keys else (self._plain(name, op, made, loc), {})

    def _plain(self, name: str, op: Op, made: Made, loc: Loc) -> str:
        """What stands for a name that is not that of a result."""
        if name in self.variables:
            return f"variables.{name}"
        if name == "counter" and self.counts:
            return "memory.counter"
        if name in ROOTS or (name == "result" and op is self.checked):
            return name
        if name not in self.missing:
            self.missing[name] = None
            message = (
                f"{name!r} is declared nowhere; it is a variable without a value now, which is "
                "to be given with --var or by a case"
            )
            self.findings.lost(made, loc, message)
        return f"variables.{name}"

    def _is_ours(self, name: str, step: str) -> bool:
        """Whether a path begins with a root of ours, and not with a result of that name."""
        known: Mapping[str, Mapping[str, object]] = {
            "results": self.keys,
            "variables": self.variables,
            "tasks": self.ids,
        }
        if name in known and step in known[name]:
            return True
        return name in ROOTS and name not in self.keys and name not in self.variables

    def _is_in_foreach(self, op: Op) -> bool:
        return any(each.kind == "foreach" for each in op.owners())

    def _task(self, name: str) -> Op | None:
        """The task whose result a name means."""
        if name in self.ids:
            return self.ids[name]
        match = MADE_OF_ID.fullmatch(name)
        return None if match is None else self.ids.get(match[1])

    def key_of(self, op: Op) -> str:
        """The key of an operator's result; one that has none gets its id as such."""
        key = op.text("result_key") or self.given.setdefault(op, op.id)
        self.keys.setdefault(key, [op])
        return key

    def _result(self, op: Op, key: str) -> tuple[str, Mapping[str, str]]:
        if op is self.checked and op in self.keys[key]:
            return "result", fields_of(op)
        self._note_read(op, key)
        path = f"results.{key}"
        if key in self.variables:  # Which is the value until there is a result.
            path = f"({path} | default(variables.{key}))"
        return path, fields_of(self.keys[key][0])

    def _note_read(self, op: Op, key: str) -> None:
        self.reads.setdefault(op, []).append(key)
