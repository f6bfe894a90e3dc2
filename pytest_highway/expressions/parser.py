r"""The grammar: a Pratt parser from tokens to closures.

Closed, over plain data: there is no call but that of a filter, and no attribute of a Python
object can be reached, since a step reads a key of a mapping or an index of a list and refuses
everything else. `results.items` is the key "items".

    expression  operand { operator operand }
    operand     path | literal | "(" expression ")" | "{{" expression "}}" | "-" operand
                | "not" operand, each but the last two with steps and filters behind it
    path        name { "." name | "." digits | "[" expression "]" }
    literal     number | string | true | false | null | "[" … "]" | "{" key ":" … "}"
    filter      "|" name [ "(" expression { "," expression } ")" ]

Precedence is Python's, from loose to tight: `or`, `and`, `not`, comparisons (chained), `+ -`,
`* / // %`, unary minus; a filter binds tighter than all of them, so `a + b | length` is
`a + (b | length)`. `-1` is one literal. A minus between operands needs a blank on both sides.

Rules of evaluation:

* Operators of one level are one closure with a list, so a chain of thousands is a loop; only
  brackets and prefixes nest, `MAX_DEPTH` deep.
* `and` and `or` give an operand, as in Python. `and` and `not` ask `truth`, which refuses the
  text 'false'; `or` hands a text on to whoever asks for its truth next.
* `x | default(y)` gives `y` when anything that `x` reads is missing; a null is there and stays.
* Braces are an operand: the value is bound, never pasted into source, so no value can change
  what an expression means.

A closure takes the roots and a trace. The trace receives the value of each operand that reads a
root, under the operand's number, and is what `Expression.resolve` writes into the source.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_highway.errors import did_you_mean, listed
from pytest_highway.expressions.closures import (
    Code,
    Hole,
    Reference,
    all_of,
    any_of,
    calculated,
    compared,
    computed,
    constant,
    filtered,
    joined,
    list_of,
    mapping_of,
    negated,
    negative,
    path_reader,
    recorded,
)
from pytest_highway.expressions.filters import FILTERS
from pytest_highway.expressions.tokens import (
    BEHIND_FILTER,
    CONSTANTS,
    Token,
    hint_for,
    read_index,
    read_number,
    scan,
    unescape,
)
from pytest_highway.expressions.values import ExpressionError

__all__ = ["MAX_DEPTH", "Operand", "Parser", "parse_templates"]

MAX_DEPTH = 50  # brackets and prefixes inside one another

OR, AND, NOT, COMPARISON, SUM, PRODUCT, UNARY = range(7)

# The level of every operator that stands between operands; `not` begins `not in`.
LEVELS = {
    "or": OR,
    "and": AND,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">=", "in", "not"), COMPARISON),
    **dict.fromkeys(("+", "-"), SUM),
    **dict.fromkeys(("*", "/", "//", "%"), PRODUCT),
}

CHAINS = {OR: any_of, AND: all_of, COMPARISON: compared, SUM: calculated, PRODUCT: calculated}

# How many arguments a filter takes, for a message, by the least and the most.
WANTED = {(0, 0): "no argument", (1, 1): "one argument", (0, 1): "at most one argument"}


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand that reads a root: where it stands, and the quote of a string with templates."""

    start: int
    end: int
    quote: str = ""


@dataclass(slots=True)
class Parser:
    """The state of one parse: where it stands in the tokens, and what it has found."""

    text: str
    tokens: Sequence[Token]
    references: list[Reference] = field(default_factory=list)
    operands: list[Operand] | None = None  # None: no trace is wanted
    index: int = 0
    depth: int = 0
    inside: int = 0  # operands that are open; only the outermost is traced

    # Tokens --------------------------------------------------------------------------------------

    @property
    def token(self) -> Token:
        """The token that comes next."""
        return self.tokens[self.index]

    def advance(self) -> Token:
        """The token that comes next, and steps behind it."""
        self.index += 1
        return self.tokens[self.index - 1]

    def accept(self, kind: str) -> bool:
        """Whether a token of `kind` comes next; if so, steps behind it."""
        found = self.tokens[self.index].kind == kind
        self.index += found
        return found

    def expect(self, kind: str, opened: Token) -> None:
        """Steps behind the closer of a bracket, which must come next."""
        if not self.accept(kind):
            raise self.unexpected(f"{kind!r} is missing, to close {opened.text!r}")

    def unexpected(self, missing: str = "an operand is missing") -> ExpressionError:
        """The fault of the current token: what is missing, what stands there, and a hint."""
        token = self.token
        if token.kind in ("end", "}}"):
            return ExpressionError(missing, token.start)
        hint = hint_for(token) or missing
        return ExpressionError(f"unexpected {token.text!r}; {hint}", token.start)

    def nested(self, opened: Token, floor: int = 0) -> Code:
        """An expression inside a bracket or behind a prefix, within `MAX_DEPTH`."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ExpressionError(f"nested more than {MAX_DEPTH} levels deep", opened.start)
        code = self.expression(floor)
        self.depth -= 1
        return code

    # Expressions ---------------------------------------------------------------------------------

    def whole(self, closer: str) -> Code:
        """The whole expression, up to a token of kind `closer`."""
        if self.token.kind == closer:
            raise ExpressionError("the expression is empty", self.token.start)
        code = self.expression(OR)
        if self.token.kind != closer:
            raise self.unexpected("an operator is missing")
        return code

    def expression(self, floor: int) -> Code:
        """Operands joined by operators of level `floor` and tighter."""
        code = self.operand(floor)
        while (level := LEVELS.get(self.token.kind, -1)) >= floor:
            rest: list[tuple[str, int, Code]] = []
            while LEVELS.get(self.token.kind, -1) == level:
                sign, offset = self.operator()
                rest.append((sign, offset, self.expression(level + 1)))
            code = CHAINS[level](code, rest)
        return code

    def operator(self) -> tuple[str, int]:
        """The operator that comes next, and its place."""
        token = self.advance()
        if token.kind == "not":
            if token.text == "!" or not self.accept("in"):
                self.index -= 1
                raise self.unexpected("an operator is missing")
            return "not in", token.start
        around = self.text[token.start - 1] + self.text[token.end : token.end + 1]
        if token.kind == "-" and not (len(around) == 2 and around.isspace()):
            raise ExpressionError(
                "minus needs a blank on both sides; "
                "a hyphen between name characters belongs to the name",
                token.start,
            )
        return token.kind, token.start

    def operand(self, floor: int) -> Code:
        """One operand with its prefixes, steps and filters."""
        token = self.token
        if token.kind == "not" and floor <= NOT:
            self.advance()
            return negated(self.nested(token, NOT), token.start)
        parse = OPERANDS.get(token.kind)
        if parse is None:
            raise self.unexpected()
        if token.kind in READING:
            return self.traced(parse)
        if token.kind == "-" and not self.at_negative_number():
            self.advance()
            return negative(self.nested(token, UNARY), token.start)
        mark = len(self.references)
        return self.postfix(parse(self), mark)

    def at_negative_number(self) -> bool:
        """Whether the minus that comes next belongs to a number."""
        follower = self.tokens[self.index + 1]
        return follower.kind == "number" and follower.start == self.token.end

    def traced(self, parse: Callable[[Parser], Code]) -> Code:
        """An operand that reads a root; the outermost one leaves its value in the trace."""
        first, mark = self.token, len(self.references)
        self.inside += 1
        bare = parse(self)
        end = self.index
        code = self.postfix(bare, mark)
        self.inside -= 1
        if self.operands is None or self.inside:
            return code
        quote = first.text[0] if first.kind == "templates" and end == self.index else ""
        self.operands.append(Operand(first.start, self.tokens[self.index - 1].end, quote))
        return recorded(code, len(self.operands) - 1)

    # Operands ------------------------------------------------------------------------------------

    def path(self) -> Code:
        """A path: constant steps are one closure, those behind a computed step another."""
        token = self.advance()
        root, *names = token.text.split(".")
        fixed: list[str | int] = []
        offsets = [token.start]
        behind = token.start + len(root) + 1
        for name in names:
            fixed.append(read_index(name))
            offsets.append(behind)
            behind += len(name) + 1
        rest = self.steps()
        while rest and isinstance(rest[0][1], (str, int)):
            fixed.append(rest[0][1])
            offsets.append(rest.pop(0)[0])
        self.references.append(Reference(root, tuple(fixed), token.start, dynamic=bool(rest)))
        code = path_reader(root, tuple(fixed), tuple(offsets))
        return computed(code, (root, *fixed), rest) if rest else code

    def steps(self) -> list[tuple[int, str | int | Code]]:
        """The steps that stand here, each with its place; a computed one is a closure."""
        found: list[tuple[int, str | int | Code]] = []
        while self.token.kind in ("step", "["):
            token = self.advance()
            if token.kind == "step":
                found.append((token.start + 1, read_index(token.text[1:])))
            else:
                found.append((self.token.start, self.bracketed(token)))
        return found

    def bracketed(self, opened: Token) -> str | int | Code:
        """The step inside `[ ]`: a literal, which is known now, or any other expression."""
        start = self.index
        key = self.literal_step()
        if key is not None and self.accept("]"):
            return key
        self.index = start
        code = self.nested(opened)
        self.expect("]", opened)
        return code

    def literal_step(self) -> str | int | None:
        """A string or a whole number, or None for what is neither."""
        sign = "-" if self.token.kind == "-" and self.at_negative_number() else ""
        self.index += len(sign)
        token = self.advance() if self.token.kind in ("text", "number") else None
        if token is None:
            return None
        if token.kind == "text":
            return unescape(token.text[1:-1], token.start + 1)
        return int(sign + token.text) if token.text.isdigit() and len(token.text) < 19 else None

    def enclosed(self) -> Code:
        """An expression in parentheses or in braces."""
        opened = self.advance()
        code = self.nested(opened)
        self.expect("}}" if opened.kind == "{{" else ")", opened)
        return code

    def number(self) -> Code:
        """A number, with its minus when it has one."""
        start = self.token.start
        sign = "-" if self.accept("-") else ""
        return constant(read_number(sign + self.advance().text, start))

    def string(self) -> Code:
        """A literal string."""
        token = self.advance()
        return constant(unescape(token.text[1:-1], token.start + 1))

    def templates(self) -> Code:
        """A string with templates in it, outside of braces: their values as text."""
        token = self.advance()
        start, stop = token.start + 1, token.end - 1
        return joined(parse_templates(self.text, start, stop, self.references, escaped=True))

    def keyword(self) -> Code:
        """`true`, `false` or `null`."""
        return constant(CONSTANTS[self.advance().text])

    def sequence(self) -> Code:
        """A list literal."""
        opened = self.advance()
        return list_of(self.listing("]", opened), opened.start)

    def listing(self, closer: str, opened: Token) -> Sequence[Code]:
        """Expressions with commas between them, and one behind the last if you like."""
        found: list[Code] = []
        while not self.accept(closer):
            found.append(self.nested(opened))
            if not self.accept(","):
                self.expect(closer, opened)
                break
        return found

    def mapping(self) -> Code:
        """A mapping literal, whose keys are strings."""
        opened = self.advance()
        pairs: dict[str, Code] = {}
        while not self.accept("}"):
            token = self.token
            if token.kind != "text":
                raise self.unexpected("a key of a mapping is a string")
            key = unescape(self.advance().text[1:-1], token.start + 1)
            if key in pairs:
                raise ExpressionError(f"duplicate key {key!r}", token.start)
            if not self.accept(":"):
                raise self.unexpected(f"':' is missing behind the key {key!r}")
            pairs[key] = self.nested(opened)
            if not self.accept(","):
                self.expect("}", opened)
                break
        return mapping_of(pairs, opened.start)

    def postfix(self, code: Code, mark: int) -> Code:
        """The operand with the steps and filters behind it; its references begin at `mark`."""
        steps = self.steps()
        if steps:
            code = computed(code, (), steps)
        stages: list[tuple[str, int, Sequence[Code]]] = []
        while self.accept("|"):
            stages.append(self.filter(mark))
        return filtered(code, stages) if stages else code

    def filter(self, mark: int) -> tuple[str, int, Sequence[Code]]:
        """One filter behind its bar: its name, its place and its arguments."""
        token = self.token
        if token.kind != "path":
            raise self.unexpected("a filter's name is missing")
        self.advance()
        known = FILTERS.get(token.text)
        if known is None and token.text.split(".")[0] in FILTERS:
            raise ExpressionError(BEHIND_FILTER, token.start + token.text.index("."))
        if known is None:
            near = did_you_mean(token.text, FILTERS)
            raise ExpressionError(
                f"unknown filter {token.text!r}; there are {listed(list(FILTERS), 20)}{near}",
                token.start,
            )
        if token.text == "default":
            accepted = [each._replace(defaulted=True) for each in self.references[mark:]]
            self.references[mark:] = accepted
        opened = self.token
        arguments = self.listing(")", opened) if self.accept("(") else []
        if not known.least <= len(arguments) <= known.most:
            wanted = WANTED[known.least, known.most]
            raise ExpressionError(
                f"the filter {token.text!r} takes {wanted}, not {len(arguments)}", token.start
            )
        return token.text, token.start, arguments


OPERANDS: Mapping[str, Callable[[Parser], Code]] = {
    "path": Parser.path,
    "{{": Parser.enclosed,
    "templates": Parser.templates,
    "text": Parser.string,
    "number": Parser.number,
    "-": Parser.number,
    "constant": Parser.keyword,
    "(": Parser.enclosed,
    "[": Parser.sequence,
    "{": Parser.mapping,
}
READING = frozenset({"path", "{{", "templates"})


def parse_templates(
    text: str, start: int, stop: int, references: list[Reference], *, escaped: bool = False
) -> list[str | Hole]:
    """The texts and the templates of `text[start:stop]` in order, and none of them empty.

    `escaped` says that the texts are the inside of a string literal. The paths that are read are
    added to `references`.
    """
    parts: list[str | Hole] = []
    while start < stop:
        opened = text.find("{{", start, stop)
        between = text[start : opened if opened >= 0 else stop]
        if between:
            parts.append(unescape(between, start) if escaped else between)
        if opened < 0:
            break
        tokens = scan(text, opened + 2, stop, template=True)
        parts.append(Hole(opened, Parser(text, tokens, references).whole("}}")))
        start = tokens[-1].end
    return parts
