"""The little language of price expressions: text -> a function of an environment. Nothing of Python's is evaluated.

    condition ? this : that      || && ! (or or, and, not)      == != < <= > >=      + - * / %      - ( )
    numbers, "texts", true, false, nil, variables, functions with arguments

Everything is bounded: length, depth, number of parts, size of numbers. There are no loops, so an
evaluation takes at most as many steps as the expression has parts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from typing import Any
from zoneinfo import ZoneInfo

LENGTH_MOST = 8192
DEPTH_MOST = 48
PARTS_MOST = 2000
NUMBER_MOST = Decimal(10) ** 30
"""Larger numbers are an error: no price has them."""
TEXT_MOST = 4096
ARGUMENTS_MOST = 16

Value = Decimal | str | bool | None
VARIABLES = ("p", "c", "len", "cr", "cc", "cc1h", "img", "img_o", "ai", "ao")


class ExpressionError(ValueError):
    """An expression cannot be read, or gives no price; the text says why."""


def _nothing(_: str) -> Value:
    return None


@dataclass(slots=True)
class Environment:
    """What an expression may ask: counts, the request's members and headers, the time. tier is what it told."""

    counts: Mapping[str, Decimal]
    param: Callable[[str], Value] = _nothing
    header: Callable[[str], Value] = _nothing
    now: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    zone: str = ""
    """For hours and days, where the expression names no zone; "" is UTC."""
    tier: str = ""


Node = Callable[[Environment], Value]


def number(value: Value, what: str) -> Decimal:
    """The value as a number of bounded size. Raises ExpressionError."""
    if not isinstance(value, Decimal):
        raise ExpressionError(f"{what} needs a number")
    if not value.is_finite() or abs(value) > NUMBER_MOST:
        raise ExpressionError(f"{what} is too large a number")
    return value


def truth(value: Value, what: str) -> bool:
    """The value as true or false. Raises ExpressionError."""
    if not isinstance(value, bool):
        raise ExpressionError(f"{what} needs true or false")
    return value


def _text(value: Value, what: str) -> str:
    if not isinstance(value, str):
        raise ExpressionError(f"{what} needs a text")
    return value


# -- functions ------------------------------------------------------------------------------------


def _tier(env: Environment, name: Value, cost: Value) -> Value:
    env.tier = _text(name, "tier")
    return number(cost, "tier")


def _has(env: Environment, held: Value, piece: Value) -> Value:
    text = _text(piece, "has")
    return isinstance(held, str) and text in held


def _clock(read: Callable[[datetime], int]) -> Callable[..., Value]:
    def told(env: Environment, zone: Value = "") -> Value:
        name = _text(zone, "a zone") or env.zone
        try:
            place = ZoneInfo(name) if name else UTC
        except (ValueError, OSError, KeyError):
            raise ExpressionError(f"there is no zone {name[:40]}") from None
        return Decimal(read(env.now.astimezone(place)))

    return told


def _rounded(rounding: str) -> Callable[..., Value]:
    return lambda env, value: number(value, "rounding").to_integral_value(rounding)


FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., Value]]] = {
    "tier": (2, 2, _tier),
    "param": (1, 1, lambda env, path: env.param(_text(path, "param"))),
    "header": (1, 1, lambda env, name: env.header(_text(name, "header"))),
    "has": (2, 2, _has),
    "hour": (0, 1, _clock(lambda now: now.hour)),
    "minute": (0, 1, _clock(lambda now: now.minute)),
    "weekday": (0, 1, _clock(lambda now: now.isoweekday() % 7)),
    "month": (0, 1, _clock(lambda now: now.month)),
    "day": (0, 1, _clock(lambda now: now.day)),
    "max": (1, ARGUMENTS_MOST, lambda env, *all_: max(number(one, "max") for one in all_)),
    "min": (1, ARGUMENTS_MOST, lambda env, *all_: min(number(one, "min") for one in all_)),
    "abs": (1, 1, lambda env, value: abs(number(value, "abs"))),
    "ceil": (1, 1, _rounded("ROUND_CEILING")),
    "floor": (1, 1, _rounded("ROUND_FLOOR")),
}
"""Name -> least and most arguments, what it does. weekday: 0 is Sunday."""

# -- reading --------------------------------------------------------------------------------------

_TOKEN = re.compile(
    r"""\s*(?:(?P<number>(?:\d{1,18}(?:\.\d{0,18})?|\.\d{1,18})(?:[eE][+-]?\d{1,2})?(?![\w.]))
    |(?P<name>[A-Za-z_]\w{0,63})|(?P<text>"(?:[^"\\\n]|\\["\\])*"|'(?:[^'\\\n]|\\['\\])*')
    |(?P<sign>\|\||&&|==|!=|<=|>=|[-+*/%<>!?:(),]))""",
    re.VERBOSE | re.ASCII,
)
_WORDS = {"and": "&&", "or": "||", "not": "!"}
_CONSTANTS: Mapping[str, Value] = {"true": True, "false": False, "nil": None, "null": None}


@dataclass(frozen=True, slots=True)
class Token:
    """kind: number, name, text, sign or end. start and end are places in the text."""

    kind: str
    text: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    """The parts of an expression, the last of kind end. Raises ExpressionError."""
    if len(text) > LENGTH_MOST:
        raise ExpressionError(f"it is longer than {LENGTH_MOST} characters")
    found: list[Token] = []
    at = 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            raise ExpressionError(f"what stands at character {at + 1} is not understood")
        kind = match.lastgroup or ""
        word = match[kind]
        if kind == "name" and word in _WORDS:
            kind, word = "sign", _WORDS[word]
        found.append(Token(kind, word, match.start(match.lastgroup or 0), match.end()))
        at = match.end()
        if len(found) > PARTS_MOST:
            raise ExpressionError(f"it has more than {PARTS_MOST} parts")
    found.append(Token("end", "", end, end))
    return found


def _compare(sign: str, left: Value, right: Value) -> bool:
    if sign in ("==", "!="):
        # true is not 1 here.
        same = type(left) is type(right) and left == right
        return same == (sign == "==")
    if isinstance(left, str) and isinstance(right, str):
        return bool({"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[sign])
    a, b = number(left, f'"{sign}"'), number(right, f'"{sign}"')
    return bool({"<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[sign])


def _calculate(sign: str, left: Value, right: Value) -> Value:
    a, b = number(left, f'"{sign}"'), number(right, f'"{sign}"')
    if sign in "/%" and not b:
        raise ExpressionError("it divides by zero")
    try:
        if sign == "+":
            made = a + b
        elif sign == "-":
            made = a - b
        elif sign == "*":
            made = a * b
        else:
            made = a / b if sign == "/" else a % b
    except DecimalException:
        raise ExpressionError("a number is too large") from None
    return number(made, "a result")


LEVELS: tuple[tuple[str, ...], ...] = (
    ("||",), ("&&",), ("==", "!=", "<", "<=", ">", ">="), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip
"""Operators of two sides, the loosest first."""


@dataclass(slots=True)
class Reader:
    """A parser by descent; used() says which variables it met."""

    text: str
    used: set[str] = field(default_factory=set)
    constants: set[Decimal] = field(default_factory=set)
    _tokens: list[Token] = field(default_factory=list)
    _at: int = 0
    _depth: int = 0

    def read(self) -> Node:
        """The whole expression. Raises ExpressionError."""
        self._tokens = tokens(self.text)
        node = self._choice()
        if self._next.kind != "end":
            raise self._unexpected()
        return node

    @property
    def _next(self) -> Token:
        return self._tokens[self._at]

    def _unexpected(self) -> ExpressionError:
        token = self._next
        if token.kind == "end":
            return ExpressionError("it ends too early")
        return ExpressionError(f"{token.text[:40]} at character {token.start + 1} is not expected")

    def _take(self, sign: str) -> bool:
        if self._next.kind == "sign" and self._next.text == sign:
            self._at += 1
            return True
        return False

    def _want(self, sign: str) -> None:
        if not self._take(sign):
            raise self._unexpected()

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > DEPTH_MOST:
            raise ExpressionError(f"it is nested deeper than {DEPTH_MOST} levels")

    def _choice(self) -> Node:
        self._deeper()
        first = self._level(0)
        node = first
        if self._take("?"):
            this = self._choice()
            self._want(":")
            that = self._choice()
            node = lambda env: this(env) if truth(first(env), '"?"') else that(env)  # noqa: E731
        self._depth -= 1
        return node

    def _level(self, level: int) -> Node:
        if level == len(LEVELS):
            return self._unary()
        node = self._level(level + 1)
        # A chain is a list, not a tower: evaluating it takes no stack.
        chain: list[tuple[str, Node]] = []
        while self._next.kind == "sign" and self._next.text in LEVELS[level]:
            sign = self._next.text
            self._at += 1
            chain.append((sign, self._level(level + 1)))
        return _chained(level, node, chain) if chain else node

    def _unary(self) -> Node:
        for sign in ("-", "!", "+"):
            if self._take(sign):
                self._deeper()
                inner = self._unary()
                self._depth -= 1
                if sign == "!":
                    return lambda env: not truth(inner(env), '"!"')
                if sign == "+":
                    return lambda env: number(inner(env), '"+"')
                return lambda env: -number(inner(env), '"-"')
        return self._primary()

    def _primary(self) -> Node:
        token = self._next
        if self._take("("):
            node = self._choice()
            self._want(")")
            return node
        if token.kind not in ("number", "text", "name"):
            raise self._unexpected()
        self._at += 1
        if token.kind == "number":
            value = number(Decimal(token.text), "a number")
            self.constants.add(value)
            return lambda env: value
        if token.kind == "text":
            told = re.sub(r"\\(.)", r"\1", token.text[1:-1])
            return lambda env: told
        if self._take("("):
            return self._call(token)
        if token.text in _CONSTANTS:
            constant = _CONSTANTS[token.text]
            return lambda env: constant
        if token.text not in VARIABLES:
            raise ExpressionError(f"there is no variable {token.text[:40]}")
        name = token.text
        self.used.add(name)
        return lambda env: env.counts[name]

    def _call(self, token: Token) -> Node:
        known = FUNCTIONS.get(token.text)
        if known is None:
            raise ExpressionError(f"there is no function {token.text[:40]}")
        least, most, work = known
        arguments: list[Node] = []
        if not self._take(")"):
            arguments.append(self._choice())
            while self._take(","):
                arguments.append(self._choice())
            self._want(")")
        if not least <= len(arguments) <= most:
            raise ExpressionError(f"{token.text} takes {least if least == most else f'{least} to {most}'} arguments")
        return lambda env: work(env, *[argument(env) for argument in arguments])


def _chained(level: int, first: Node, chain: list[tuple[str, Node]]) -> Node:
    """A sign b sign c ..., from the left."""
    if level < 2:
        wanted = level == 0

        def decide(env: Environment) -> Value:
            if truth(first(env), "a condition") == wanted:
                return wanted
            return wanted if any(truth(node(env), "a condition") == wanted for _, node in chain) else not wanted

        return decide
    work: Any = _compare if level == 2 else _calculate

    def run(env: Environment) -> Value:
        value = first(env)
        for sign, node in chain:
            value = work(sign, value, node(env))
        return value

    return run
