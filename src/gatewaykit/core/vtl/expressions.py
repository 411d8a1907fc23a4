"""The expressions of templates: references, literals and operators, by the grammar of Velocity 1.7."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gatewaykit.core.vtl.lexer import Lexer
from gatewaykit.core.vtl.nodes import (
    Accessor,
    Binary,
    Call,
    Constant,
    Expression,
    Index,
    Interpolation,
    ListLiteral,
    MapLiteral,
    Not,
    Property,
    Range,
    Reference,
    Statement,
)
from gatewaykit.core.vtl.tokens import Kind, Token

__all__ = ["ARGUMENT_STARTS", "MAX_DEPTH", "ExpressionParser", "TemplateProblem", "Unparsable"]

MAX_DEPTH: Final = 60
"""How deep blocks and expressions may nest, together."""


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """Why a template cannot be used, and where (1-based). `text` is the line it stands on."""

    line: int
    column: int
    message: str
    text: str = ""


class Unparsable(Exception):
    def __init__(self, token: Token, message: str) -> None:
        super().__init__(message)
        self.problem = TemplateProblem(token.line, token.column, message)


class ExpressionParser(ABC):
    def __init__(self, lexer: Lexer, depth: int) -> None:
        self._lexer = lexer
        self._depth = depth
        self._later: list[Callable[[], None]] = []  # what Velocity does when the template has been read to its end
        # how Velocity would name an operand: the inside of its parentheses, or only the right side of an operation
        self._literals: dict[int, tuple[Expression, str]] = {}

    @abstractmethod
    def _inner_template(self, text: str, token: Token, depth: int) -> list[Statement]:
        """The statements of a string with references in it, which is a template of its own."""

    # ------------------------------------------------------------------------------------------------ tokens

    def _kind(self, ahead: int = 0) -> Kind:
        return self._lexer.peek(ahead).kind

    def _take(self, kind: Kind) -> Token:
        token = self._lexer.take()
        if token.kind is not kind:
            shown = f"unexpected {token.image!r}" if token.kind is not Kind.EOF else "unexpected end of the template"
            raise Unparsable(token, f"{shown}, expected {_SHOWN.get(kind, kind.name.lower().replace('_', ' '))}")
        return token

    def _skip(self, kind: Kind) -> None:
        if self._kind() is kind:
            self._lexer.take()

    def _literal(self, start: int) -> str:
        return "".join(token.literal() for token in self._lexer.tokens[start : self._lexer.position])

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unparsable(token, f"nested deeper than {MAX_DEPTH} levels")

    # ------------------------------------------------------------------------------------------- expressions

    def _expression(self) -> Expression:
        self._deeper(self._lexer.peek())
        expression = self._binary(0)
        self._depth -= 1
        return expression

    def _binary(self, level: int) -> Expression:
        """Operators of one level of precedence, from the left."""
        if level == len(_OPERATORS):
            return self._unary()
        start = self._lexer.position
        left = self._binary(level + 1)
        while operator := _OPERATORS[level].get(self._kind()):
            left_literal = self._operand(left, start)
            token = self._lexer.take()
            start = self._lexer.position
            right = self._binary(level + 1)
            right_literal = self._operand(right, start)
            left = Binary(token.line, token.column, operator, left, right, left_literal, right_literal)
            self._literals[id(left)] = left, self._literal(start)
        return left

    def _operand(self, node: Expression, start: int) -> str:
        return self._literals[id(node)][1] if id(node) in self._literals else self._literal(start)

    def _unary(self) -> Expression:
        blank = self._kind() is Kind.WHITESPACE
        if self._kind(blank) is Kind.NOT:
            self._skip(Kind.WHITESPACE)
            token = self._lexer.take()
            self._deeper(token)
            operand = self._unary()
            self._depth -= 1
            return Not(token.line, token.column, operand)
        self._skip(Kind.WHITESPACE)
        if self._kind() is Kind.LPAREN:
            self._lexer.take()
            start = self._lexer.position
            value = self._expression()
            self._literals[id(value)] = value, self._literal(start)
            self._take(Kind.RPAREN)
        else:
            value = self._value()
        self._skip(Kind.WHITESPACE)
        return value

    def _parameter(self) -> Expression:
        self._skip(Kind.WHITESPACE)
        value = self._value()
        self._skip(Kind.WHITESPACE)
        return value

    def _value(self) -> Expression:
        token = self._lexer.peek()
        if reader := _VALUES.get(token.kind):
            self._deeper(token)
            value = reader(self)
            self._depth -= 1
            return value
        shown = f"unexpected {token.image!r}" if token.kind is not Kind.EOF else "unexpected end of the template"
        raise Unparsable(token, f"{shown}, expected a value")

    def _constant(self) -> Expression:
        token = self._lexer.take()
        return Constant(token.line, token.column, token.kind is Kind.TRUE)

    def _number(self) -> Expression:
        token = self._lexer.take()
        if token.image[0] in "#\\$":
            raise Unparsable(token, f"unexpected {token.image!r}, expected a value")
        if len(token.image) > 1000:  # Python refuses to read very long integers
            raise Unparsable(token, "a number of more than 1000 digits")
        return Constant(
            token.line, token.column, int(token.image) if token.kind is Kind.INTEGER else float(token.image)
        )

    def _string(self) -> Expression:
        token = self._lexer.take()
        quote, text = token.image[0], token.image[1:-1]
        if quote == '"':
            text = _unescape(text, token)
        text = text.replace(quote * 2, quote)
        if quote == "'" or ("$" not in token.image and "#" not in token.image):
            return Constant(token.line, token.column, text)
        trim = "##" not in text
        node = Interpolation(token.line, token.column, [], trim)
        depth = self._depth

        def read() -> None:
            node.body = self._inner_template(text + " " if trim else text, token, depth)

        self._later.append(read)
        return node

    def _list_or_range(self) -> Expression:
        token = self._take(Kind.LBRACKET)
        blank = self._kind() is Kind.WHITESPACE
        self._skip(Kind.WHITESPACE)
        items: list[Expression] = []
        if self._kind() in _RANGE_STARTS:
            items.append(self._range_end())
            self._skip(Kind.WHITESPACE)
            if self._kind() is Kind.DOUBLE_DOT:
                self._lexer.take()
                self._skip(Kind.WHITESPACE)
                last = self._range_end()
                self._skip(Kind.WHITESPACE)
                self._take(Kind.RBRACKET)
                return Range(token.line, token.column, items[0], last)
        elif blank or self._kind() is not Kind.RBRACKET:  # `[]` is a list, `[ ]` is not
            items.append(self._parameter())
        while items and self._kind() is Kind.COMMA:
            self._lexer.take()
            items.append(self._parameter())
        self._take(Kind.RBRACKET)
        return ListLiteral(token.line, token.column, items)

    def _range_end(self) -> Expression:
        return self._number() if self._kind() is Kind.INTEGER else self._reference()

    def _map(self) -> Expression:
        token = self._lexer.take()
        items: list[tuple[Expression, Expression]] = []
        blank = self._kind() is Kind.WHITESPACE
        if self._kind(blank) in _VALUES:
            items.append(self._entry())
            while self._kind() is Kind.COMMA:
                self._lexer.take()
                items.append(self._entry())
        else:
            self._skip(Kind.WHITESPACE)
        self._take(Kind.RCURLY if self._kind() is Kind.RCURLY else Kind.RIGHT_CURLY)
        return MapLiteral(token.line, token.column, items)

    def _entry(self) -> tuple[Expression, Expression]:
        key = self._parameter()
        self._take(Kind.COLON)
        return key, self._parameter()

    # -------------------------------------------------------------------------------------------- references

    def _reference(self) -> Reference:
        start = self._lexer.position
        first = self._lexer.peek()
        curly = first.kind is Kind.LCURLY
        if curly:
            self._lexer.take()
        name = self._take(Kind.IDENTIFIER)
        accessors = self._accessors()
        if curly:
            self._take(Kind.RCURLY)
        return self._rooted(first, name, accessors, start)

    def _accessors(self) -> list[Accessor]:
        accessors: list[Accessor] = self._indexes()
        while self._kind() is Kind.DOT and self._kind(1) is Kind.IDENTIFIER:
            self._lexer.take()
            token = self._take(Kind.IDENTIFIER)
            if self._kind() is Kind.LPAREN and self._kind(1) in _CALL_STARTS:
                accessors.append(Call(token.image, self._call()))
            else:
                accessors.append(Property(token.image))
            accessors += self._indexes()
        return accessors

    def _indexes(self) -> list[Accessor]:
        indexes: list[Accessor] = []
        while self._kind() is Kind.INDEX_OPEN:
            self._lexer.take()
            self._skip(Kind.WHITESPACE)
            token = self._lexer.peek()
            if token.kind not in _INDEX_STARTS:
                raise Unparsable(token, f"unexpected {token.image!r}, expected an index")
            indexes.append(Index(self._value()))
            self._skip(Kind.WHITESPACE)
            self._take(Kind.INDEX_CLOSE)
        return indexes

    def _call(self) -> list[Expression]:
        self._take(Kind.LPAREN)
        arguments: list[Expression] = []
        if self._kind() is not Kind.CALL_END:
            arguments.append(self._parameter())
            while self._kind() is Kind.COMMA:
                self._lexer.take()
                arguments.append(self._parameter())
        self._take(Kind.CALL_END)
        return arguments

    def _rooted(self, first: Token, name: Token, accessors: list[Accessor], start: int) -> Reference:
        """Sort out the first token: escapes, text that came along with it, `$`, `$!`, `${`, or none of them."""
        if "\\!" in first.image:  # `$\!a` is no reference: it stands for nothing
            return Reference(first.line, first.column, "", [], "", "", False, "")
        image = first.image
        dollar = image.lstrip("\\")
        slashes = len(image) - len(dollar)
        prefix = "\\" * (slashes // 2)
        at = max(dollar.rfind("$"), 0)
        before, dollar = dollar[:at], dollar[at:]
        first.image = dollar  # for good: what is printed as it was written is without the rest, as in Velocity
        literal = self._literal(start)
        escaped = slashes % 2 == 1
        if dollar.startswith("$!") and not escaped:
            literal = ""
        if dollar.startswith("$!{") or dollar == "${":
            root = name.image
        elif dollar.startswith("$"):
            root = dollar.lstrip("$").removeprefix("!")
        else:  # an identifier without a `$`: text, and nothing as a value
            return Reference(first.line, first.column, "", [], dollar, "", False, "")
        return Reference(
            first.line,
            first.column,
            root,
            accessors,
            prefix if escaped else prefix + before,
            literal,
            escaped,
            dollar[1:],
        )


def _unescape(text: str, token: Token) -> str:
    """Replace each backslash-u and its four hexadecimal digits by the character."""
    pieces = text.split("\\u")
    for index, piece in enumerate(pieces[1:], 1):
        digits = piece[:4]
        if len(digits) < 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            raise Unparsable(token, "a \\u escape without four hexadecimal digits")
        pieces[index] = chr(int(digits, 16)) + piece[4:]
    return "".join(pieces)


_VALUES: Final[dict[Kind, Callable[[ExpressionParser], Expression]]] = {
    Kind.STRING: ExpressionParser._string,
    Kind.INTEGER: ExpressionParser._number,
    Kind.FLOAT: ExpressionParser._number,
    Kind.TRUE: ExpressionParser._constant,
    Kind.FALSE: ExpressionParser._constant,
    Kind.IDENTIFIER: ExpressionParser._reference,
    Kind.LCURLY: ExpressionParser._reference,
    Kind.LBRACKET: ExpressionParser._list_or_range,
    Kind.LEFT_CURLY: ExpressionParser._map,
}
ARGUMENT_STARTS: Final = frozenset(_VALUES) | {Kind.WORD}
_CALL_STARTS: Final = frozenset(_VALUES) | {Kind.WHITESPACE, Kind.CALL_END}
_RANGE_STARTS: Final = (Kind.IDENTIFIER, Kind.LCURLY, Kind.INTEGER)
_INDEX_STARTS: Final = frozenset((Kind.STRING, Kind.INTEGER, Kind.TRUE, Kind.FALSE, Kind.IDENTIFIER, Kind.LCURLY))

_OPERATORS: Final = (
    {Kind.OR: "||"},
    {Kind.AND: "&&"},
    {Kind.EQ: "==", Kind.NE: "!="},
    {Kind.LT: "<", Kind.LE: "<=", Kind.GT: ">", Kind.GE: ">="},
    {Kind.PLUS: "+", Kind.MINUS: "-"},
    {Kind.MULTIPLY: "*", Kind.DIVIDE: "/", Kind.MODULO: "%"},
)
_SHOWN: Final = {
    Kind.LPAREN: "'('", Kind.RPAREN: "')'", Kind.CALL_END: "')'", Kind.RBRACKET: "']'", Kind.INDEX_CLOSE: "']'",
    Kind.RIGHT_CURLY: "'}'", Kind.RCURLY: "'}'", Kind.END: "#end", Kind.ASSIGN: "'='", Kind.COLON: "':'",
    Kind.IDENTIFIER: "a name", Kind.DOUBLE_DOT: "'..'",
}  # fmt: skip
