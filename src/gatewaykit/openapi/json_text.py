"""JSON text to nodes, with the line and column of every key. RFC 8259, strictly; a key given twice is a problem."""

from __future__ import annotations

import re
from bisect import bisect_right
from json import JSONDecodeError
from json.decoder import scanstring  # type: ignore[attr-defined]  # the decoder's own string scanner, in C
from typing import Final

from gatewaykit.errors import ConfigError
from gatewaykit.openapi.document import MAX_DEPTH, Builder, Node, Value

__all__ = ["parse_json"]

_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD: Final = re.compile(r"true|false|null")
_WORDS: Final = {"true": True, "false": False, "null": None}
_MAX_DIGITS: Final = 400  # more is no number anybody means, and costs quadratic time


def parse_json(text: str, builder: Builder) -> Node:
    """The root node. Raises ConfigError where the text is no JSON."""
    return _Parser(text, builder).document()


class _Parser:
    def __init__(self, text: str, builder: Builder) -> None:
        self._text, self._builder = text, builder
        self._lines = [0, *(match.end() for match in re.finditer("\n", text))]

    def document(self) -> Node:
        at, root = self._value(self._skip(0), None, "", 0, 0)
        if (at := self._skip(at)) < len(self._text):
            raise self._failure(at, "there is more text after the end of the document")
        return root

    def _value(self, at: int, parent: Node | None, key: str, stands: int, depth: int) -> tuple[int, Node]:
        """Read the value at `at`; it stands at `stands`, where its key is. Gives the position after it."""
        opening = self._text[at : at + 1]
        if opening == "{" or opening == "[":
            if depth == MAX_DEPTH:
                raise self._builder.too_deep(*self._position(at))
            node = self._node({} if opening == "{" else [], stands, parent, key)
            return (self._members if opening == "{" else self._items)(at + 1, node, depth + 1), node
        value: Value
        if opening == '"':
            value, end = self._string(at)
        elif match := _WORD.match(self._text, at):
            value, end = _WORDS[match[0]], match.end()
        elif match := _NUMBER.match(self._text, at):
            end = match.end()
            if end - at > _MAX_DIGITS:
                raise self._failure(at, f"the number has more than {_MAX_DIGITS} digits")
            value = float(match[0]) if match[1] or match[2] else int(match[0])
        else:
            raise self._failure(at, "a value is expected here" if opening else "the text ends in the middle of a value")
        return end, self._node(value, stands, parent, key)

    def _members(self, at: int, node: Node, depth: int) -> int:
        at = self._skip(at)
        if self._text[at : at + 1] == "}":
            return at + 1
        while True:
            if self._text[at : at + 1] != '"':
                raise self._failure(at, "a key in double quotes is expected here")
            key, end = self._string(at)
            colon = self._skip(end)
            if self._text[colon : colon + 1] != ":":
                raise self._failure(colon, "a ':' is expected after the key")
            end, _ = self._value(self._skip(colon + 1), node, key, at, depth)
            at, more = self._after(end, "}")
            if not more:
                return at

    def _items(self, at: int, node: Node, depth: int) -> int:
        at, index = self._skip(at), 0
        if self._text[at : at + 1] == "]":
            return at + 1
        while True:
            end, _ = self._value(at, node, str(index), at, depth)
            at, more = self._after(end, "]")
            if not more:
                return at
            index += 1

    def _after(self, at: int, closing: str) -> tuple[int, bool]:
        """The position after a ',' (more follows) or after the closing bracket."""
        at = self._skip(at)
        sign = self._text[at : at + 1]
        if sign == ",":
            return self._skip(at + 1), True
        if sign == closing:
            return at + 1, False
        raise self._failure(at, f"a ',' or '{closing}' is expected here")

    def _string(self, at: int) -> tuple[str, int]:
        try:
            text, end = scanstring(self._text, at + 1, True)
        except JSONDecodeError as error:
            raise self._failure(error.pos, "the string is not valid JSON", error.msg) from None
        return text, end

    def _skip(self, at: int) -> int:
        match = _BLANKS.match(self._text, at)
        return match.end() if match else at

    def _node(self, value: Value, at: int, parent: Node | None, key: str) -> Node:
        line, column = self._position(at)
        return self._builder.node(value, line, column, parent, key)

    def _position(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._lines, at)
        return line, at - self._lines[line - 1] + 1

    def _failure(self, at: int, what: str, why: str = "") -> ConfigError:
        return self._builder.failure(*self._position(at), f"the document is not JSON: {what}", why)
