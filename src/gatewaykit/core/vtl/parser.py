"""Tokens to a tree, by the grammar of Velocity 1.7: what is no reference or directive is text.

A construct that the generator does not know is a problem with its place, like a mistake in the grammar; nothing is
printed as text because it is unknown, except where Velocity itself does so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from gatewaykit.core.vtl.expressions import ARGUMENT_STARTS, ExpressionParser, TemplateProblem, Unparsable
from gatewaykit.core.vtl.lexer import Kind, Lexer, Token, TokenProblem
from gatewaykit.core.vtl.nodes import (
    Break,
    Define,
    Expression,
    Foreach,
    If,
    Output,
    Reference,
    Set,
    Statement,
    Stop,
    Text,
)

__all__ = ["TemplateProblem", "parse"]

_BLOCK_DIRECTIVES: Final = frozenset(("foreach", "define", "literal"))
_UNSUPPORTED: Final = frozenset(("macro", "evaluate", "parse", "include"))
_DIRECTIVES: Final = _BLOCK_DIRECTIVES | _UNSUPPORTED | {"break", "stop"}
_CONTROL: Final = frozenset(("if", "end", "set", "else", "elseif"))


def parse(text: str) -> list[Statement] | TemplateProblem:
    """The statements of a template, or the first problem in it."""
    try:
        return _Parser(Lexer(text), 0).template()
    except TokenProblem as problem:
        found = TemplateProblem(problem.line, problem.column, problem.message)
    except Unparsable as error:
        found = error.problem
    lines = text.split("\n")
    return TemplateProblem(found.line, found.column, found.message, lines[min(found.line, len(lines)) - 1])


class _Parser(ExpressionParser):
    # -------------------------------------------------------------------------------------------- statements

    def template(self) -> list[Statement]:
        statements = self._statements()
        token = self._lexer.peek()
        if token.kind is not Kind.EOF:
            raise Unparsable(token, f"unexpected {token.image.strip()!r}")
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
            raise Unparsable(token, f"#{name} is not supported")
        arguments: list[Expression | Token] | None = None
        if self._lexer.begin_arguments():
            arguments = self._arguments()
        if name in _BLOCK_DIRECTIVES:
            return self._block(token, name, arguments)
        if name in _DIRECTIVES:
            if arguments and (len(arguments) > 1 or name == "break" or isinstance(arguments[0], Token)):
                raise Unparsable(token, f"#{name} with an argument is not supported")
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
            raise Unparsable(token, f"#{name} without arguments")
        if name == "literal":
            start = self._lexer.position
            if arguments or self._kind() is Kind.END:
                raise Unparsable(token, "#literal takes no argument and an inner text")
            self._statements()
            text = self._literal(start)
            self._take(Kind.END)
            return [Text(token.line, token.column, text)]
        if name == "define":
            target = arguments[0] if len(arguments) == 1 else None
            if not isinstance(target, Reference):
                raise Unparsable(token, "#define takes one reference")
            body = self._statements()
            self._take(Kind.END)
            return [Define(token.line, token.column, target.name_as_written, body)]
        variable, iterable = (arguments[0], arguments[2]) if len(arguments) == 3 else (None, None)
        if not isinstance(variable, Reference) or iterable is None or isinstance(iterable, Token):
            raise Unparsable(token, "#foreach is written #foreach($item in $list)")
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
            if not comma and self._kind(blank) not in ARGUMENT_STARTS:
                break
            if comma and not blank and self._kind(1) is not Kind.WHITESPACE and self._kind(1) not in ARGUMENT_STARTS:
                break
            self._skip(Kind.WHITESPACE)
            if comma:
                self._lexer.take()
                self._skip(Kind.WHITESPACE)
            arguments.append(self._lexer.take() if self._kind() is Kind.WORD else self._value())
        self._skip(Kind.WHITESPACE)
        self._take(Kind.RPAREN)
        return arguments


_Handler: TypeAlias = Callable[[_Parser], list[Statement]]
_TEXTS: Final = (
    Kind.TEXT, Kind.DOT, Kind.RPAREN, Kind.LPAREN, Kind.INTEGER, Kind.FLOAT, Kind.STRING, Kind.ESCAPE, Kind.LCURLY,
    Kind.RCURLY, Kind.EMPTY_INDEX,
)  # fmt: skip
_STATEMENTS: Final[dict[Kind, _Handler]] = {
    **dict.fromkeys(_TEXTS, _Parser._text),
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
}
