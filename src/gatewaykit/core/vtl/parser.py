"""Tokens to a tree, by the grammar of Velocity 1.7: what is no reference or directive is text.

A construct that the generator does not know is a problem with its place, like a mistake in the grammar; nothing is
printed as text because it is unknown, except where Velocity itself does so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from gatewaykit.core.vtl.expressions import ARGUMENT_STARTS, ExpressionParser, TemplateProblem, Unparsable
from gatewaykit.core.vtl.lexer import Lexer
from gatewaykit.core.vtl.nodes import (
    Break,
    Constant,
    Define,
    Evaluate,
    Expression,
    Foreach,
    If,
    Interpolation,
    Macro,
    MacroCall,
    Output,
    Reference,
    Set,
    Statement,
    Stop,
    Text,
)
from gatewaykit.core.vtl.tokens import Kind, Token, TokenProblem

__all__ = ["Parsed", "TemplateProblem", "parse"]

_BLOCK_DIRECTIVES: Final = frozenset(("foreach", "define", "literal", "macro"))
_UNSUPPORTED: Final = frozenset(("parse", "include"))
_DIRECTIVES: Final = _BLOCK_DIRECTIVES | _UNSUPPORTED | {"break", "evaluate", "stop"}
_CONTROL: Final = frozenset(("if", "end", "set", "else", "elseif"))


@dataclass(slots=True)
class Parsed:
    """A template's statements, and the macros that it defines, wherever in it: the first of a name is the one.

    `known`: macros from elsewhere. `seen`: those of which the name was met, not yet defined perhaps.
    """

    known: frozenset[str]
    seen: set[str]
    statements: list[Statement] = field(default_factory=list)
    macros: dict[str, Macro] = field(default_factory=dict)
    evaluates: bool = False

    def define(self, macro: Macro) -> None:
        if macro.name not in self.known:
            self.macros.setdefault(macro.name, macro)

    def is_defined(self, name: str) -> bool:
        return name in self.known or name in self.macros


def parse(text: str, macros: frozenset[str] = frozenset()) -> Parsed | TemplateProblem:
    """The statements of a template, or the first problem in it. `macros` are known from elsewhere."""
    parsed = Parsed(macros, {*macros})
    try:
        parsed.statements = _Parser(Lexer(text), 0, parsed).template()
    except TokenProblem as problem:
        found = TemplateProblem(problem.line, problem.column, problem.message)
    except Unparsable as error:
        found = error.problem
    else:
        return parsed
    lines = text.split("\n")
    return TemplateProblem(found.line, found.column, found.message, lines[min(found.line, len(lines)) - 1])


class _Parser(ExpressionParser):
    def __init__(self, lexer: Lexer, depth: int, parsed: Parsed) -> None:
        super().__init__(lexer, depth)
        self._parsed = parsed

    # -------------------------------------------------------------------------------------------- statements

    def template(self) -> list[Statement]:
        """The statements up to the end."""
        statements = self._statements()
        token = self._lexer.peek()
        if token.kind is not Kind.EOF:
            raise Unparsable(token, f"unexpected {token.image.strip()!r}")
        for finish in self._later:
            finish()
        return statements

    def _inner_template(self, text: str, token: Token, depth: int) -> list[Statement]:
        return _Parser(Lexer(text, token.line, token.column + 1), depth, self._parsed).template()

    def _is_known(self, name: str) -> bool:
        return name in _DIRECTIVES or name in self._parsed.seen

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
        name = directive[1:].strip("{}")
        known = name in _CONTROL or self._is_known(name)
        if known:  # also where it turns out to be a part of what is printed as it was written
            token.image = token.image[: slashes // 2] + directive
        return [Text(token.line, token.column, token.image)]

    def _escapes(self) -> list[Statement]:
        first = self._lexer.peek()
        count = 0
        while self._kind() is Kind.DOUBLE_ESCAPE:
            self._lexer.take()
            count += 1
        after = self._lexer.peek()
        control = after.kind in (Kind.IF, Kind.ELSE, Kind.ELSEIF, Kind.END) or self._is_known(after.image[1:])
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
        arguments: list[_Argument] | None = None
        if self._lexer.begin_arguments():
            arguments = self._arguments()
        if name in _BLOCK_DIRECTIVES:
            if arguments is None:
                raise Unparsable(token, f"#{name} without arguments")
            statement = _BLOCKS[name](self, token, arguments)
            self._take(Kind.END)
            return [statement]
        if name in _DIRECTIVES:
            return [self._line_directive(token, name, arguments or [])]
        return [self._call_of(name, token, arguments, start)]

    def _line_directive(self, token: Token, name: str, arguments: list[_Argument]) -> Statement:
        values = [argument for argument, _ in arguments if not isinstance(argument, Token)]
        if len(arguments) > 1 or len(values) < len(arguments):
            raise Unparsable(token, f"#{name} takes one value")
        value = values[0] if values else None
        if name == "break":
            return Break(token.line, token.column, value)
        if name == "stop":
            return Stop(token.line, token.column, value)
        string = isinstance(value, (Reference, Interpolation)) or (
            isinstance(value, Constant) and type(value.value) is str
        )
        if value is None or not string:
            raise Unparsable(token, "#evaluate takes one string or reference")
        self._parsed.evaluates = True
        return Evaluate(token.line, token.column, value)

    def _call_of(self, name: str, token: Token, arguments: list[_Argument] | None, start: int) -> Statement:
        """A call of a macro, which may be defined further down, or text that looks like one."""
        body: list[Statement] | None = None
        values: list[tuple[Expression, str]] = []
        word = ""
        for argument, literal in arguments or []:
            if not isinstance(argument, Token):
                values.append((argument, literal))
            elif self._parsed.is_defined(name):
                raise Unparsable(argument, f"{argument.image!r} is no argument of a macro")
            else:
                word = word or argument.image
        if name.startswith("@"):
            if arguments is None:
                return Text(token.line, token.column, "#" + name)
            name = name[1:]
            body = self._statements()
            self._take(Kind.END)
        images = [taken.image for taken in self._lexer.tokens[start : self._lexer.position]]
        return MacroCall(token.line, token.column, name, values, word, "".join(images), body)

    def _literal_block(self, token: Token, arguments: list[_Argument]) -> Statement:
        start = self._lexer.position
        if arguments or self._kind() is Kind.END:
            raise Unparsable(token, "#literal takes no argument and an inner text")
        self._statements()
        return Text(token.line, token.column, self._literal(start))

    def _define(self, token: Token, arguments: list[_Argument]) -> Statement:
        target = arguments[0][0] if len(arguments) == 1 else None
        if not isinstance(target, Reference):
            raise Unparsable(token, "#define takes one reference")
        return Define(token.line, token.column, target.name_as_written, self._statements())

    def _foreach(self, token: Token, arguments: list[_Argument]) -> Statement:
        variable, iterable = (arguments[0][0], arguments[2][0]) if len(arguments) == 3 else (None, None)
        if not isinstance(variable, Reference) or iterable is None or isinstance(iterable, Token):
            raise Unparsable(token, "#foreach is written #foreach($item in $list)")
        return Foreach(token.line, token.column, variable.root, iterable, self._statements())

    def _macro(self, token: Token, arguments: list[_Argument]) -> Statement:
        name = arguments[0][0] if arguments else None
        if not isinstance(name, Token):
            raise Unparsable(token, "#macro is written #macro(name $parameter …)")
        parameters: list[str] = []
        for argument, literal in arguments[1:]:
            if isinstance(argument, Token):
                raise Unparsable(argument, f"unexpected {argument.image!r}, expected a parameter")
            parameters.append(argument.name_as_written if isinstance(argument, Reference) else literal)
        macro = Macro(token.line, token.column, name.image, parameters, self._statements())
        self._parsed.seen.add(macro.name)
        self._later.append(lambda: self._parsed.define(macro))
        return macro

    def _arguments(self) -> list[_Argument]:
        """What stands in the parentheses of a directive: values and bare words, with or without commas."""
        self._skip(Kind.WHITESPACE)
        self._take(Kind.LPAREN)
        arguments: list[_Argument] = []
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
            start = self._lexer.position
            argument = self._lexer.take() if self._kind() is Kind.WORD else self._value()
            arguments.append((argument, self._literal(start)))
        self._skip(Kind.WHITESPACE)
        self._take(Kind.RPAREN)
        return arguments


_Argument: TypeAlias = tuple[Expression | Token, str]
"""A value, or the token of a bare word; and how it was written."""

_BLOCKS: Final[dict[str, Callable[[_Parser, Token, list[_Argument]], Statement]]] = {
    "define": _Parser._define,
    "foreach": _Parser._foreach,
    "literal": _Parser._literal_block,
    "macro": _Parser._macro,
}
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
