"""Tokens of a mapping template, in the modes of Apache Velocity 1.7's lexer.

What a character means depends on the mode: `(` is text after `$a`, but starts arguments after `$a.b`. A mode names the
tokens that may come next; the longest match wins, and of two equally long ones the first in the table. `$` and `#` open
a token without ending it: what follows is lexed in the mode they push and belongs to the same token, so that `#$a` is
one token whose image begins with `#`. Tokens come on demand, because the parser switches modes too (`begin_arguments`).

Behaviour: Velocity 1.7 user guide and the recorded facts of reference 08 section 3, checked against the engine itself
in `tests/oracle`.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable
from typing import Final, TypeAlias

from gatewaykit.core.vtl.tokens import Kind, Mode, Token, TokenProblem

__all__ = ["Lexer"]


_LINE_END: Final = r"(?:[ \t]*(?:\r\n|\n|\r))?"
_WORD: Final = r"[A-Za-z_@][A-Za-z0-9_@]*"
_BRACKETED: Final = r"\{[A-Za-z_][A-Za-z0-9_@]*\}"
_ANYTHING: Final = r"[^#$\\*\]\r\n]+|[\s\S]"  # a run of what cannot end a comment or a text block, or one character

_K, _M = Kind, Mode
_REFERENCES: Final = (_M.REFERENCE, _M.MEMBER)
_COMMENTS: Final = (_M.LINE_COMMENT, _M.BLOCK_COMMENT, _M.FORMAL_COMMENT)
_EXPRESSIONS: Final = (_M.DIRECTIVE, _M.ARGUMENTS)
_VALUES: Final = (_M.DIRECTIVE, _M.ARGUMENTS, _M.INDEX)
_NUMBERS: Final = (_M.AFTER_HASH, _M.DIRECTIVE, _M.ARGUMENTS, _M.INDEX)
_EVERYWHERE: Final = tuple(Mode)
_TERMINATED: Final = frozenset((_M.REFERENCE, _M.MEMBER, _M.AFTER_HASH))
"""Where what fits nothing else is a TERMINATOR."""

_TABLE: Final[tuple[tuple[Kind, str, tuple[Mode, ...]], ...]] = (
    (_K.INDEX_OPEN, r"\[", _REFERENCES),
    (_K.INDEX_CLOSE, r"\]", (_M.INDEX,)),
    (_K.LBRACKET, r"\[", _EXPRESSIONS),
    (_K.RBRACKET, r"\]", _EXPRESSIONS),
    (_K.COMMA, r",", _EXPRESSIONS),
    (_K.DOUBLE_DOT, r"\.\.", _EXPRESSIONS),
    (_K.COLON, r":", _EXPRESSIONS),
    (_K.LEFT_CURLY, r"\{", _EXPRESSIONS),
    (_K.RIGHT_CURLY, r"\}", _EXPRESSIONS),
    (_K.LPAREN, r"\(", (_M.DIRECTIVE, _M.MEMBER)),
    (_K.RPAREN, r"\)" + _LINE_END, (_M.DIRECTIVE,)),
    (_K.CALL_END, r"\)", (_M.ARGUMENTS,)),
    (_K.ESCAPED_DIRECTIVE, rf"(?:\\\\)*\\#(?:{_WORD}|{_BRACKETED})", (_M.TEXT,)),
    (_K.SET, r"[ \t]*#(?:set|\{set\}) *\(", (_M.TEXT, _M.REFERENCE, _M.MEMBER, _M.ARGUMENTS)),
    (_K.DOLLAR, r"\\*\$(?:\\*!)?", _EVERYWHERE),
    (_K.OPEN_TEXT_BLOCK, r"#\[\[", _EVERYWHERE),
    (_K.OPEN_FORMAL_COMMENT, r"#\*\*[^#]", _EVERYWHERE),
    (_K.OPEN_BLOCK_COMMENT, r"#\*", _EVERYWHERE),
    (_K.HASH, r"#", _EVERYWHERE),
    (_K.LINE_COMMENT, r"##", (_M.TEXT, _M.AFTER_HASH, _M.DIRECTIVE, _M.REFERENCE)),
    (_K.DOUBLE_ESCAPE, r"\\\\", (_M.TEXT,)),
    (_K.ESCAPE, r"\\", (_M.TEXT,)),
    (_K.TEXT, r"[^$#\\]+", (_M.TEXT,)),
    (_K.NEWLINE, r"\r\n|\n|\r", (_M.LINE_COMMENT,)),
    (_K.FORMAL_COMMENT, r"\*#", (_M.FORMAL_COMMENT,)),
    (_K.BLOCK_COMMENT, r"\*#", (_M.BLOCK_COMMENT,)),
    (_K.TEXT_BLOCK, r"\]\]#", (_M.TEXT_BLOCK,)),
    (_K.SKIPPED, _ANYTHING, _COMMENTS),
    (_K.KEPT, _ANYTHING, (_M.TEXT_BLOCK,)),
    (_K.WHITESPACE, r"[ \t\n\r]+", _VALUES),
    (_K.STRING, r'"[^"]*(?:""[^"]*)*"|' r"'[^']*(?:''[^']*)*'", _VALUES),
    (_K.TRUE, r"true", (_M.REFERENCE, _M.DIRECTIVE, _M.MEMBER, _M.ARGUMENTS, _M.INDEX)),
    (_K.FALSE, r"false", (_M.REFERENCE, _M.DIRECTIVE, _M.MEMBER, _M.ARGUMENTS, _M.INDEX)),
    (_K.MINUS, r"-", (_M.DIRECTIVE,)),
    (_K.PLUS, r"\+", (_M.DIRECTIVE,)),
    (_K.MULTIPLY, r"\*", (_M.DIRECTIVE,)),
    (_K.DIVIDE, r"/", (_M.DIRECTIVE,)),
    (_K.MODULO, r"%", (_M.DIRECTIVE,)),
    (_K.AND, r"&&|and", (_M.DIRECTIVE,)),
    (_K.OR, r"\|\||or", (_M.DIRECTIVE,)),
    (_K.LT, r"<|lt", (_M.DIRECTIVE,)),
    (_K.LE, r"<=|le", (_M.DIRECTIVE,)),
    (_K.GT, r">|gt", (_M.DIRECTIVE,)),
    (_K.GE, r">=|ge", (_M.DIRECTIVE,)),
    (_K.EQ, r"==|eq", (_M.DIRECTIVE,)),
    (_K.NE, r"!=|ne", (_M.DIRECTIVE,)),
    (_K.NOT, r"!|not", (_M.DIRECTIVE,)),
    (_K.ASSIGN, r"=", (_M.DIRECTIVE,)),
    (_K.END, rf"(?:end|\{{end\}}){_LINE_END}", (_M.AFTER_HASH,)),
    (_K.IF, r"if|\{if\}", (_M.AFTER_HASH,)),
    (_K.ELSEIF, r"elseif|\{elseif\}", (_M.AFTER_HASH,)),
    (_K.ELSE, rf"(?:else|\{{else\}}){_LINE_END}", (_M.AFTER_HASH,)),
    (_K.INTEGER, r"-?[0-9]+(?:\.\.)?", _NUMBERS),
    (_K.FLOAT, r"-?[0-9]+\.[0-9]*(?:[eE][+-]?[0-9]+)?", _NUMBERS),
    (_K.FLOAT, r"-?\.[0-9]+(?:[eE][+-]?[0-9]+)?", _NUMBERS),
    (_K.FLOAT, r"-?[0-9]+[eE][+-]?[0-9]+", _NUMBERS),
    (_K.WORD, _WORD, (_M.AFTER_HASH, _M.DIRECTIVE)),
    (_K.BRACKETED_WORD, _BRACKETED, (_M.AFTER_HASH, _M.DIRECTIVE)),
    (_K.IDENTIFIER, r"[A-Za-z_][A-Za-z0-9_-]*", (_M.REFERENCE, _M.MEMBER, _M.ARGUMENTS)),
    (_K.DOT, r"\.[A-Za-z]", (_M.REFERENCE, _M.MEMBER, _M.ARGUMENTS)),
    (_K.LCURLY, r"\{", _REFERENCES),
    (_K.RCURLY, r"\}", _REFERENCES),
    (_K.EMPTY_INDEX, r"\$\[|\$!\[|\$\\!\[|\$\.", (_M.TEXT, _M.REFERENCE)),
)

_NAME_STARTS: Final = string.ascii_letters + "_"
_STARTS: Final[dict[Kind, str]] = {
    _K.INDEX_OPEN: "[", _K.INDEX_CLOSE: "]", _K.LBRACKET: "[", _K.RBRACKET: "]", _K.COMMA: ",", _K.DOUBLE_DOT: ".",
    _K.COLON: ":", _K.LEFT_CURLY: "{", _K.RIGHT_CURLY: "}", _K.LPAREN: "(", _K.RPAREN: ")", _K.CALL_END: ")",
    _K.ESCAPED_DIRECTIVE: "\\", _K.SET: " \t#", _K.DOLLAR: "\\$", _K.OPEN_TEXT_BLOCK: "#",
    _K.OPEN_FORMAL_COMMENT: "#", _K.OPEN_BLOCK_COMMENT: "#", _K.HASH: "#", _K.LINE_COMMENT: "#",
    _K.DOUBLE_ESCAPE: "\\", _K.ESCAPE: "\\", _K.NEWLINE: "\r\n", _K.FORMAL_COMMENT: "*", _K.BLOCK_COMMENT: "*",
    _K.TEXT_BLOCK: "]", _K.WHITESPACE: " \t\n\r", _K.STRING: "\"'", _K.TRUE: "t", _K.FALSE: "f", _K.MINUS: "-",
    _K.PLUS: "+", _K.MULTIPLY: "*", _K.DIVIDE: "/", _K.MODULO: "%", _K.AND: "&a", _K.OR: "|o", _K.LT: "<l",
    _K.LE: "<l", _K.GT: ">g", _K.GE: ">g", _K.EQ: "=e", _K.NE: "!n", _K.NOT: "!n", _K.ASSIGN: "=", _K.END: "e{",
    _K.IF: "i{", _K.ELSEIF: "e{", _K.ELSE: "e{", _K.INTEGER: "-0123456789", _K.FLOAT: "-.0123456789",
    _K.WORD: _NAME_STARTS + "@", _K.BRACKETED_WORD: "{", _K.IDENTIFIER: _NAME_STARTS, _K.DOT: ".", _K.LCURLY: "{",
    _K.RCURLY: "}", _K.EMPTY_INDEX: "$",
}  # fmt: skip
"""What a token can start with; one that is not here, with anything."""

_Rules: TypeAlias = tuple[tuple[Kind, Callable[[str, int], "re.Match[str] | None"]], ...]


def _rules(mode: Mode, start: str) -> _Rules:
    """The tokens that may come next where the next character is `start`; "" stands for any that starts nothing."""
    return tuple(
        (kind, re.compile(pattern).match)
        for kind, pattern, modes in _TABLE
        if mode in modes and (kind not in _STARTS or (start and start in _STARTS[kind]))
    )


_RULES: Final[dict[Mode, dict[str, _Rules]]] = {
    mode: {start: _rules(mode, start) for start in ["", *map(chr, range(128))]} for mode in Mode
}


class Lexer:
    """Gives tokens one by one. `peek(n)` looks ahead."""

    def __init__(self, text: str, line: int = 1, column: int = 1) -> None:
        self._text = text
        self._at = 0
        self._line, self._column = line, column  # of _counted
        self._counted = 0
        self._mode = Mode.TEXT
        self._stack: list[tuple[int, int, Mode]] = []
        self._opened = self._closed = 0  # parentheses of the present mode
        self._in_comment = False
        self.in_set = False
        self.tokens: list[Token] = []
        self.position = 0

    # ------------------------------------------------------------------------------------------ for the parser

    def peek(self, ahead: int = 0) -> Token:
        """The token `ahead` places on. Beyond the end there is EOF, again and again."""
        tokens, at = self.tokens, self.position + ahead
        while len(tokens) <= at:
            tokens.append(self._lex())
        return tokens[at]

    def take(self) -> Token:
        token = self.peek()
        self.position += 1
        return token

    def begin_arguments(self) -> bool:
        """After the name of a directive: is there a `(`, blanks aside? If not, the name was text or stands alone."""
        self._mode = Mode.DIRECTIVE
        if _PARENTHESIS.match(self._text, self._at):
            return True
        self._pop()
        return False

    # ------------------------------------------------------------------------------------------------- modes

    def _push(self, mode: Mode) -> None:
        self._stack.append((self._opened, self._closed, self._mode))
        self._opened = 0
        self._mode = mode

    def _pop(self) -> bool:
        if not self._stack:
            self._opened = 0
            self._mode = Mode.TEXT
            return False
        self._opened, self._closed, self._mode = self._stack.pop()
        return True

    def _close_parenthesis(self) -> None:
        """Leave modes until one has an open parenthesis; leave that too when this was its last."""
        while self._opened == 0:
            if not self._pop():
                return
        if self._opened == self._closed + 1:
            self._pop()
        else:
            self._closed += 1

    # ------------------------------------------------------------------------------------------------ lexing

    def _lex(self) -> Token:
        text = self._text
        prefix_at = self._at  # where the token starts, with the `$` or `#` that opened it
        opened = False
        special: list[str] | None = None
        while True:
            if self._at >= len(text):
                if opened:
                    raise self._problem(
                        prefix_at, f"the template ends in the middle of {text[prefix_at : prefix_at + 20]!r}"
                    )
                return self._token(Kind.EOF, self._at, special)
            kind, end = self._longest()
            self._at = end
            if kind in _OPENERS:
                opened = True
                self._open(kind)
            elif kind is Kind.SKIPPED:
                prefix_at, opened = end, False
            elif kind is Kind.TERMINATOR:
                special = [*(special or ()), text[prefix_at:end]]
                self._at = prefix_at = end - 1
                opened = False
                self._pop()
            else:
                return self._finish(kind, prefix_at, special)

    def _longest(self) -> tuple[Kind, int]:
        text, at = self._text, self._at
        rules = _RULES[self._mode]
        best, best_end = None, at
        for kind, match in rules[text[at]] if text[at] in rules else rules[""]:
            if (found := match(text, at)) and found.end() > best_end:
                best, best_end = kind, found.end()
        if best is None:
            if self._mode in _TERMINATED:
                return Kind.TERMINATOR, at + 1
            raise self._problem(self._at, f"unexpected {self._text[self._at]!r}")
        return best, best_end

    def _open(self, kind: Kind) -> None:
        """Actions of what opens a token. Inside a comment nothing opens anything."""
        if self._in_comment:
            return
        if kind is Kind.DOLLAR:
            if self._mode is Mode.REFERENCE:
                self._pop()
            self._push(Mode.REFERENCE)
        elif kind is Kind.HASH:
            if self._mode in _REFERENCES:
                self._pop()
            self._push(Mode.AFTER_HASH)
        else:
            if kind is Kind.OPEN_FORMAL_COMMENT:
                self._at -= 1
            self._in_comment = True
            self._push(_COMMENT_MODES[kind])

    def _finish(self, kind: Kind, start: int, special: list[str] | None) -> Token:
        """Actions of whole tokens, and the token itself."""
        token = self._token(kind, start, special)
        if kind is Kind.DOT:
            self._at -= 1
            token.image = "."
            self._mode = Mode.MEMBER
        elif kind is Kind.INTEGER or kind is Kind.FLOAT:
            if token.image.endswith(".."):
                self._at -= 2
                token.image = token.image[:-2]
            if (
                self._opened == 0
                and not self.in_set
                and self._mode is not Mode.ARGUMENTS
                and (kind is Kind.FLOAT or self._mode is not Mode.INDEX)
            ):
                self._pop()
        elif kind is Kind.STRING:
            if self._mode is Mode.DIRECTIVE and not self.in_set and self._opened == 0:
                self._pop()
        elif kind is Kind.SET:
            self._push(Mode.DIRECTIVE)
            self.in_set = True
            self._opened += 1
        elif kind is Kind.LPAREN:
            self._opened += 1
            if self._mode is Mode.MEMBER:
                self._mode = Mode.ARGUMENTS
        elif kind is Kind.RPAREN:
            self._close_parenthesis()
        elif kind is Kind.CALL_END:
            self._mode = Mode.REFERENCE
        elif kind is Kind.INDEX_OPEN:
            self._push(Mode.INDEX)
        elif kind is Kind.IF or kind is Kind.ELSEIF:
            self._mode = Mode.DIRECTIVE
        elif kind is Kind.LINE_COMMENT:
            if self._mode is Mode.REFERENCE:
                self._pop()
            self._in_comment = True
            self._push(Mode.LINE_COMMENT)
        elif kind in _POPPING:
            self._in_comment = False
            self._pop()
        return token

    # ----------------------------------------------------------------------------------------------- positions

    def _token(self, kind: Kind, start: int, special: list[str] | None) -> Token:
        line, column = self._locate(start)
        return Token(kind, self._text[start : self._at], line, column, special)

    def _problem(self, at: int, message: str) -> TokenProblem:
        return TokenProblem(*self._locate(at), message)

    def _locate(self, at: int) -> tuple[int, int]:
        """Line and column of an offset; offsets are asked for in order, so counting goes on from the last one."""
        between = self._text[self._counted : at]
        if newlines := between.count("\n"):
            self._line += newlines
            self._column = len(between) - between.rfind("\n")
        else:
            self._column += len(between)
        self._counted = max(self._counted, at)
        return self._line, self._column


_PARENTHESIS: Final = re.compile(r"[ \n\r\t]*\(")
_OPENERS: Final = frozenset(
    (Kind.DOLLAR, Kind.HASH, Kind.OPEN_TEXT_BLOCK, Kind.OPEN_BLOCK_COMMENT, Kind.OPEN_FORMAL_COMMENT, Kind.KEPT)
)
_POPPING: Final = frozenset(
    (
        Kind.RCURLY,
        Kind.INDEX_CLOSE,
        Kind.END,
        Kind.ELSE,
        Kind.NEWLINE,
        Kind.BLOCK_COMMENT,
        Kind.FORMAL_COMMENT,
        Kind.TEXT_BLOCK,
    )
)
_COMMENT_MODES: Final = {
    Kind.OPEN_TEXT_BLOCK: Mode.TEXT_BLOCK,
    Kind.OPEN_BLOCK_COMMENT: Mode.BLOCK_COMMENT,
    Kind.OPEN_FORMAL_COMMENT: Mode.FORMAL_COMMENT,
}
