"""Tokens to a tree, by the grammar of Velocity 1.7: what is no reference or directive is text.

A construct that the generator does not know is a problem with its place, like a mistake in the grammar; nothing is
printed as text because it is unknown, except where Velocity itself does so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gatewaykit.core.vtl.lexer import Kind, Lexer, Token, TokenProblem
from gatewaykit.core.vtl.nodes import (
    Accessor, Binary, Break, Call, Constant, Define, Expression, Foreach, If, Index, Interpolation, ListLiteral,
    MapLiteral, Not, Output, Property, Range, Reference, Set, Statement, Stop, Text,
)  # fmt: skip

__all__ = ["MAX_DEPTH", "TemplateProblem", "parse"]

MAX_DEPTH: Final = 60
"""How deep blocks and expressions may nest, together."""

_BLOCK_DIRECTIVES: Final = frozenset(("foreach", "define", "literal"))
_UNSUPPORTED: Final = frozenset(("macro", "evaluate", "parse", "include"))
_DIRECTIVES: Final = _BLOCK_DIRECTIVES | _UNSUPPORTED | {"break", "stop"}
_CONTROL: Final = frozenset(("if", "end", "set", "else", "elseif"))


@dataclass(frozen=True, slots=True)
class TemplateProblem:
    """Why a template cannot be used, and where (1-based). `text` is the line it stands on."""

    line: int
    column: int
    message: str
    text: str = ""


class _Unparsable(Exception):
    def __init__(self, token: Token, message: str) -> None:
        super().__init__(message)
        self.problem = TemplateProblem(token.line, token.column, message)


def parse(text: str) -> list[Statement] | TemplateProblem:
    """The statements of a template, or the first problem in it."""
    try:
        return _Parser(Lexer(text), 0).template()
    except TokenProblem as problem:
        found = TemplateProblem(problem.line, problem.column, problem.message)
    except _Unparsable as error:
        found = error.problem
    lines = text.split("\n")
    return TemplateProblem(found.line, found.column, found.message, lines[min(found.line, len(lines)) - 1])


class _Parser:
    def __init__(self, lexer: Lexer, depth: int) -> None:
        self._lexer = lexer
        self._depth = depth
        # how Velocity would name an operand: the inside of its parentheses, or only the right side of an operation
        self._literals: dict[int, tuple[Expression, str]] = {}

    # ------------------------------------------------------------------------------------------------ tokens

    def _kind(self, ahead: int = 0) -> Kind:
        return self._lexer.peek(ahead).kind

    def _take(self, kind: Kind) -> Token:
        token = self._lexer.take()
        if token.kind is not kind:
            shown = f"unexpected {token.image!r}" if token.kind is not Kind.EOF else "unexpected end of the template"
            raise _Unparsable(token, f"{shown}, expected {_SHOWN.get(kind, kind.name.lower().replace('_', ' '))}")
        return token

    def _skip(self, kind: Kind) -> None:
        if self._kind() is kind:
            self._lexer.take()

    def _literal(self, start: int) -> str:
        return "".join(token.literal() for token in self._lexer.tokens[start : self._lexer.position])

    def _deeper(self, token: Token) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _Unparsable(token, f"nested deeper than {MAX_DEPTH} levels")

    # -------------------------------------------------------------------------------------------- statements

    def template(self) -> list[Statement]:
        statements = self._statements()
        token = self._lexer.peek()
        if token.kind is not Kind.EOF:
            raise _Unparsable(token, f"unexpected {token.image.strip()!r}")
        return statements

    def _statements(self) -> list[Statement]:
        self._deeper(self._lexer.peek())
        statements: list[Statement] = []
        while True:
            token = self._lexer.peek()
            if token.kind is Kind.IDENTIFIER or (token.kind is Kind.LCURLY and self._kind(1) is Kind.IDENTIFIER):
                reference = self._reference()
                statements.append(Output(token.line, token.column, reference))
            elif handler := _STATEMENTS.get(token.kind):
                statements += handler(self)
            else:
                self._depth -= 1
                return statements

    def _text(self) -> list[Statement]:
        token = self._lexer.take()
        return [Text(token.line, token.column, token.literal())]

    def _text_block(self) -> list[Statement]:
        token = self._lexer.take()
        return [Text(token.line, token.column, token.image[3:-3])]

    def _comment(self) -> list[Statement]:
        token = self._lexer.take()
        if token.kind is Kind.LINE_COMMENT:
            self._skip(Kind.NEWLINE)
        at = token.image.find("##")
        at = token.image.find("#*") if at < 0 else at
        return [Text(token.line, token.column, token.image[: max(at, 0)])]

    def _escaped_directive(self) -> list[Statement]:
        token = self._lexer.take()
        slashes = token.image.rindex("\\")
        directive = token.image[slashes + 1 :]
        known = directive[1:].strip("{}") in _DIRECTIVES | _CONTROL
        return [Text(token.line, token.column, token.image[: slashes // 2] + directive if known else token.image)]

    def _escapes(self) -> list[Statement]:
        first = self._lexer.peek()
        count = 0
        while self._kind() is Kind.DOUBLE_ESCAPE:
            self._lexer.take()
            count += 1
        after = self._lexer.peek()
        control = after.kind in (Kind.IF, Kind.ELSE, Kind.ELSEIF, Kind.END) or after.image[1:] in _DIRECTIVES
        return [Text(first.line, first.column, ("\\" if control else "\\\\") * count)]

    def _set(self) -> list[Statement]:
        token = self._take(Kind.SET)
        self._skip(Kind.WHITESPACE)
        target = self._reference()
        self._skip(Kind.WHITESPACE)
        self._take(Kind.ASSIGN)
        value = self._expression()
        self._take(Kind.RPAREN)
        self._lexer.in_set = False
        return [Set(token.line, token.column, target, value)]

    def _if(self) -> list[Statement]:
        token = self._take(Kind.IF)
        branches: list[tuple[Expression | None, list[Statement]]] = [(self._condition(), self._statements())]
        while self._kind() is Kind.ELSEIF:
            self._lexer.take()
            branches.append((self._condition(), self._statements()))
        if self._kind() is Kind.ELSE:
            self._lexer.take()
            branches.append((None, self._statements()))
        self._take(Kind.END)
        return [If(token.line, token.column, branches)]

    def _condition(self) -> Expression:
        self._skip(Kind.WHITESPACE)
        self._take(Kind.LPAREN)
        condition = self._expression()
        self._take(Kind.RPAREN)
        return condition

    # -------------------------------------------------------------------------------------------- directives

    def _directive(self) -> list[Statement]:
        start = self._lexer.position
        token = self._lexer.take()
        name = token.image[2:-1] if token.kind is Kind.BRACKETED_WORD else token.image[1:]
        if name in _UNSUPPORTED:
            raise _Unparsable(token, f"#{name} is not supported")
        arguments: list[Expression | Token] | None = None
        if self._lexer.begin_arguments():
            arguments = self._arguments()
        if name in _BLOCK_DIRECTIVES:
            return self._block(token, name, arguments)
        if name in _DIRECTIVES:
            if arguments and (len(arguments) > 1 or name == "break" or isinstance(arguments[0], Token)):
                raise _Unparsable(token, f"#{name} with an argument is not supported")
            return [(Break if name == "break" else Stop)(token.line, token.column)]
        if name.startswith("@"):
            if arguments is None:
                return [Text(token.line, token.column, "#" + name)]
            self._statements()
            self._take(Kind.END)
        # no macro has this name, so the call is text, as it was written
        images = [taken.image for taken in self._lexer.tokens[start : self._lexer.position]]
        return [Text(token.line, token.column, "".join(images))]

    def _block(self, token: Token, name: str, arguments: list[Expression | Token] | None) -> list[Statement]:
        if arguments is None:
            raise _Unparsable(token, f"#{name} without arguments")
        if name == "literal":
            start = self._lexer.position
            if arguments or self._kind() is Kind.END:
                raise _Unparsable(token, "#literal takes no argument and an inner text")
            self._statements()
            text = self._literal(start)
            self._take(Kind.END)
            return [Text(token.line, token.column, text)]
        if name == "define":
            target = arguments[0] if len(arguments) == 1 else None
            if not isinstance(target, Reference):
                raise _Unparsable(token, "#define takes one reference")
            body = self._statements()
            self._take(Kind.END)
            return [Define(token.line, token.column, target.name_as_written, body)]
        variable, iterable = (arguments[0], arguments[2]) if len(arguments) == 3 else (None, None)
        if not isinstance(variable, Reference) or iterable is None or isinstance(iterable, Token):
            raise _Unparsable(token, "#foreach is written #foreach($item in $list)")
        body = self._statements()
        self._take(Kind.END)
        return [Foreach(token.line, token.column, variable.root, iterable, body)]

    def _arguments(self) -> list[Expression | Token]:
        """What stands in the parentheses of a directive: values and bare words, with or without commas."""
        self._skip(Kind.WHITESPACE)
        self._take(Kind.LPAREN)
        arguments: list[Expression | Token] = []
        while True:
            blank = self._kind() is Kind.WHITESPACE
            comma = self._kind(blank) is Kind.COMMA
            if not comma and self._kind(blank) not in _ARGUMENT_STARTS:
                break
            if comma and not blank and self._kind(1) is not Kind.WHITESPACE and self._kind(1) not in _ARGUMENT_STARTS:
                break
            self._skip(Kind.WHITESPACE)
            if comma:
                self._lexer.take()
                self._skip(Kind.WHITESPACE)
            arguments.append(self._lexer.take() if self._kind() is Kind.WORD else self._value())
        self._skip(Kind.WHITESPACE)
        self._take(Kind.RPAREN)
        return arguments

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
        start, depth = self._lexer.position, self._depth
        left = self._binary(level + 1)
        while operator := _OPERATORS[level].get(self._kind()):
            left_literal = self._operand(left, start)
            token = self._lexer.take()
            self._deeper(token)
            start = self._lexer.position
            right = self._binary(level + 1)
            right_literal = self._operand(right, start)
            left = Binary(token.line, token.column, operator, left, right, left_literal, right_literal)
            self._literals[id(left)] = left, self._literal(start)
        self._depth = depth
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
        raise _Unparsable(token, f"{shown}, expected a value")

    def _constant(self) -> Expression:
        token = self._lexer.take()
        return Constant(token.line, token.column, token.kind is Kind.TRUE)

    def _number(self) -> Expression:
        token = self._lexer.take()
        if len(token.image) > 1000:  # Python refuses to read very long integers
            raise _Unparsable(token, "a number of more than 1000 digits")
        return Constant(token.line, token.column, int(token.image) if token.kind is Kind.INTEGER else float(token.image))

    def _string(self) -> Expression:
        token = self._lexer.take()
        quote, text = token.image[0], token.image[1:-1]
        if quote == '"':
            text = _unescape(text, token)
        text = text.replace(quote * 2, quote)
        if quote == "'" or ("$" not in token.image and "#" not in token.image):
            return Constant(token.line, token.column, text)
        trim = "##" not in text
        inner = _Parser(Lexer(text + " " if trim else text, token.line, token.column + 1), self._depth)
        return Interpolation(token.line, token.column, inner.template(), trim)

    def _list_or_range(self) -> Expression:
        position = self._lexer.position
        first = self._range_start()
        if first is not None:
            token = self._take(Kind.DOUBLE_DOT)
            self._skip(Kind.WHITESPACE)
            last = self._range_end()
            self._skip(Kind.WHITESPACE)
            self._take(Kind.RBRACKET)
            return Range(token.line, token.column, first, last)
        self._lexer.position = position
        token = self._take(Kind.LBRACKET)
        items: list[Expression] = []
        if self._kind() is not Kind.RBRACKET:
            items.append(self._parameter())
            while self._kind() is Kind.COMMA:
                self._lexer.take()
                items.append(self._parameter())
        self._take(Kind.RBRACKET)
        return ListLiteral(token.line, token.column, items)

    def _range_start(self) -> Expression | None:
        """The first end, with the lexer before `..`; None when this is no range after all."""
        self._take(Kind.LBRACKET)
        self._skip(Kind.WHITESPACE)
        if self._kind() not in (Kind.IDENTIFIER, Kind.LCURLY, Kind.INTEGER):
            return None
        try:
            first = self._range_end()
        except _Unparsable:
            return None
        self._skip(Kind.WHITESPACE)
        return first if self._kind() is Kind.DOUBLE_DOT else None

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
                raise _Unparsable(token, f"unexpected {token.image!r}, expected an index")
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
        first.image = dollar
        literal = self._literal(start)
        first.image = image
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
            first.line, first.column, root, accessors, prefix if escaped else prefix + before, literal, escaped, dollar[1:]
        )


def _unescape(text: str, token: Token) -> str:
    """Replace each backslash-u and its four hexadecimal digits by the character."""
    pieces = text.split("\\u")
    for index, piece in enumerate(pieces[1:], 1):
        digits = piece[:4]
        if len(digits) < 4 or not all(digit in "0123456789abcdefABCDEF" for digit in digits):
            raise _Unparsable(token, "a \\u escape without four hexadecimal digits")
        pieces[index] = chr(int(digits, 16)) + piece[4:]
    return "".join(pieces)


_STATEMENTS: Final[dict[Kind, Callable[[_Parser], list[Statement]]]] = {
    Kind.IF: _Parser._if,
    Kind.SET: _Parser._set,
    Kind.WORD: _Parser._directive,
    Kind.BRACKETED_WORD: _Parser._directive,
    Kind.ESCAPED_DIRECTIVE: _Parser._escaped_directive,
    Kind.DOUBLE_ESCAPE: _Parser._escapes,
    Kind.TEXT_BLOCK: _Parser._text_block,
    Kind.LINE_COMMENT: _Parser._comment,
    Kind.BLOCK_COMMENT: _Parser._comment,
    Kind.FORMAL_COMMENT: _Parser._comment,
} | dict.fromkeys(
    (
        Kind.TEXT, Kind.DOT, Kind.RPAREN, Kind.LPAREN, Kind.INTEGER, Kind.FLOAT, Kind.STRING, Kind.ESCAPE, Kind.LCURLY,
        Kind.RCURLY, Kind.EMPTY_INDEX,
    ),
    _Parser._text,
)  # fmt: skip

_VALUES: Final[dict[Kind, Callable[[_Parser], Expression]]] = {
    Kind.STRING: _Parser._string,
    Kind.INTEGER: _Parser._number,
    Kind.FLOAT: _Parser._number,
    Kind.TRUE: _Parser._constant,
    Kind.FALSE: _Parser._constant,
    Kind.IDENTIFIER: _Parser._reference,
    Kind.LCURLY: _Parser._reference,
    Kind.LBRACKET: _Parser._list_or_range,
    Kind.LEFT_CURLY: _Parser._map,
}
_ARGUMENT_STARTS: Final = frozenset(_VALUES) | {Kind.WORD}
_CALL_STARTS: Final = frozenset(_VALUES) | {Kind.WHITESPACE, Kind.CALL_END}
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
