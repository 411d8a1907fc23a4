"""The Redis serialization protocol, version 2: what is sent, and an incremental parser of what comes back.

Redis documentation, "Redis serialization protocol specification". hiredis parses where it is installed; the parser here
gives the same values. Replies to scripts of numbers are small: an incomplete one is read again from its start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

from gatewaykit.errors import StoreError

__all__ = ["NOTHING", "Parser", "PlainParser", "ProtocolError", "ReplyError", "command", "new_parser"]

NOTHING: Final = object()
"""What a parser gives while a reply is not there as a whole."""

_LONGEST_LINE: Final = 64 * 1024
_LARGEST_BULK: Final = 1024 * 1024
_MOST_ITEMS: Final = 1024
_DEEPEST: Final = 8
_LONGEST_NUMBER: Final = 20  # digits and sign of a 64-bit integer


class ReplyError(StoreError):
    """The server answered a command with an error."""


class ProtocolError(StoreError):
    """What came is no RESP."""


class Parser(Protocol):
    """hiredis' interface, as far as it is used."""

    def feed(self, data: bytes, /) -> object: ...
    def gets(self) -> Any: ...


def command(parts: Iterable[bytes]) -> bytes:
    """A command as bytes."""
    parts = tuple(parts)
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def new_parser() -> Parser:
    """A parser for one connection."""
    try:
        from hiredis import Reader
    except ImportError:
        return PlainParser()
    parser: Parser = Reader(protocolError=ProtocolError, replyError=ReplyError, notEnoughData=NOTHING)
    return parser


class PlainParser:
    """Bytes in, replies out: bytes, int, None, lists of them, and `ReplyError` objects."""

    __slots__ = ("_at", "_bytes")

    def __init__(self) -> None:
        self._bytes, self._at = b"", 0

    def feed(self, data: bytes) -> None:
        """Take more bytes."""
        self._bytes, self._at = self._bytes[self._at :] + data, 0

    def gets(self) -> Any:
        """The next reply, or NOTHING. Raises ProtocolError; the connection is of no use then."""
        try:
            reply, self._at = self._reply(self._at, 0)
        except _MoreNeeded:
            return NOTHING
        return reply

    def _reply(self, at: int, depth: int) -> tuple[Any, int]:
        end = self._bytes.find(b"\r\n", at, at + _LONGEST_LINE)
        if end < 0:
            if len(self._bytes) - at >= _LONGEST_LINE:
                raise ProtocolError("a line without an end")
            if self._bytes[at : at + 1] not in (b"", b"+", b"-", b":", b"$", b"*"):
                raise ProtocolError(f"no reply starts with {self._bytes[at : at + 1]!r}")
            raise _MoreNeeded
        kind, line, at = self._bytes[at : at + 1], self._bytes[at + 1 : end], end + 2
        if kind == b"+":
            return line, at
        if kind == b"-":
            return ReplyError(line.decode("utf-8", "replace")), at
        if kind == b":":
            return _number(line), at
        if kind == b"$":
            return self._bulk(_size(line, _LARGEST_BULK), at)
        if kind == b"*" and depth < _DEEPEST:
            size = _size(line, _MOST_ITEMS)
            if size < 0:
                return None, at
            items = []
            for _ in range(size):
                item, at = self._reply(at, depth + 1)
                items.append(item)
            return items, at
        raise ProtocolError(f"no reply starts with {kind!r}")

    def _bulk(self, size: int, at: int) -> tuple[bytes | None, int]:
        if size < 0:
            return None, at
        end = at + size
        if len(self._bytes) < end + 2:
            raise _MoreNeeded
        if self._bytes[end : end + 2] != b"\r\n":
            raise ProtocolError("a bulk string that is longer than it says")
        return self._bytes[at:end], end + 2


class _MoreNeeded(Exception):
    """The rest of the reply has not come."""


def _number(line: bytes) -> int:
    digits = line[1:] if line[:1] in (b"-", b"+") else line
    if not digits.isdigit() or len(line) > _LONGEST_NUMBER:
        raise ProtocolError(f"{line[:30]!r} is no number")
    return int(line)


def _size(line: bytes, largest: int) -> int:
    size = _number(line)
    if not -1 <= size <= largest:
        raise ProtocolError(f"a reply of {size} parts")
    return size
