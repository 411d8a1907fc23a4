"""The tokens of a mapping template, and the modes in which they are read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

__all__ = ["Kind", "Mode", "Token", "TokenProblem"]


class Kind(Enum):
    """What a token is. MORE, SKIP and SPECIAL never reach the parser."""

    __hash__ = object.__hash__  # that of Enum is written in Python, and slow

    EOF = auto()
    TEXT = auto()
    ESCAPE = auto()  # one backslash
    DOUBLE_ESCAPE = auto()
    ESCAPED_DIRECTIVE = auto()
    EMPTY_INDEX = auto()  # `$[` and its kin: text that looks like a reference
    LINE_COMMENT = auto()
    NEWLINE = auto()  # the end of a line comment
    BLOCK_COMMENT = auto()
    FORMAL_COMMENT = auto()
    TEXT_BLOCK = auto()
    SET = auto()
    IF = auto()
    ELSEIF = auto()
    ELSE = auto()
    END = auto()
    WORD = auto()
    BRACKETED_WORD = auto()
    IDENTIFIER = auto()
    DOT = auto()
    LCURLY = auto()  # of a reference
    RCURLY = auto()
    INDEX_OPEN = auto()
    INDEX_CLOSE = auto()
    LPAREN = auto()
    RPAREN = auto()
    CALL_END = auto()
    LBRACKET = auto()
    RBRACKET = auto()
    LEFT_CURLY = auto()  # of a map
    RIGHT_CURLY = auto()
    COMMA = auto()
    COLON = auto()
    DOUBLE_DOT = auto()
    WHITESPACE = auto()
    STRING = auto()
    INTEGER = auto()
    FLOAT = auto()
    TRUE = auto()
    FALSE = auto()
    MINUS = auto()
    PLUS = auto()
    MULTIPLY = auto()
    DIVIDE = auto()
    MODULO = auto()
    AND = auto()
    OR = auto()
    LT = auto()
    LE = auto()
    GT = auto()
    GE = auto()
    EQ = auto()
    NE = auto()
    NOT = auto()
    ASSIGN = auto()
    # never seen outside the lexer
    DOLLAR = auto()
    HASH = auto()
    OPEN_TEXT_BLOCK = auto()
    OPEN_BLOCK_COMMENT = auto()
    OPEN_FORMAL_COMMENT = auto()
    TERMINATOR = auto()  # ends a reference or a lone `#`; it is read again in the mode below
    SKIPPED = auto()
    KEPT = auto()  # one character of a text block


class Mode(Enum):
    __hash__ = object.__hash__

    TEXT = auto()
    AFTER_HASH = auto()
    DIRECTIVE = auto()
    REFERENCE = auto()
    MEMBER = auto()  # after the dot of a reference
    ARGUMENTS = auto()
    INDEX = auto()
    LINE_COMMENT = auto()
    BLOCK_COMMENT = auto()
    FORMAL_COMMENT = auto()
    TEXT_BLOCK = auto()


@dataclass(slots=True)
class Token:
    """`image` is the token's text; `special` the images of swallowed terminators before it, oldest first."""

    kind: Kind
    image: str
    line: int
    column: int
    special: list[str] | None = None

    def literal(self) -> str:
        """What the token prints where it turns out to be text."""
        if self.kind is Kind.BLOCK_COMMENT:
            return ""
        if not self.special or self.special[-1].startswith("##"):
            return self.image
        return "".join(map(_kept, self.special)) + self.image


class TokenProblem(Exception):
    """Text that is no token in its mode. Raised to the parser, which answers a problem."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.column = column
        self.message = message


_KEPT: Final = re.compile(r"(\\+\$).?|[$#]", re.DOTALL)


def _kept(special: str) -> str:
    """The part of a swallowed terminator that is printed: `#`, `$`, and the backslashes before a `$`, which cost it the
    character behind."""
    return "".join([found[1] or found[0] for found in _KEPT.finditer(special)])
