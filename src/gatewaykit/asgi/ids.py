"""Request ids: `$context.requestId` (a UUID) and `$context.extendedRequestId` (11 bytes in base64), reference 01 §5."""

from __future__ import annotations

import os
from binascii import b2a_base64
from collections.abc import Callable

__all__ = ["IDS", "IdPool"]

_REQUESTS = 128  # that one draw of entropy serves: the system call and the encoding are dearer than all the rest
_PAIR = 36 + 16
_UUID = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"  # x: a digit of its own; y: two of its bits
_VARIANTS = bytes.maketrans(b"0123456789abcdef", b"89ab" * 4)
_LAST_OF_BASE64 = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", b"AEIMQUYcgkosw048" * 4
)  # the last character before the padding stands for four bits only


class IdPool:
    """Ids from entropy that is drawn and encoded many requests at a time. Not for secrets: ids are public by nature."""

    __slots__ = ("_at", "_entropy", "_pairs", "_pool")

    _pool: bytes
    _pairs: list[tuple[bytes, bytes]]
    _at: int

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self.forget()

    def pair(self) -> tuple[bytes, bytes]:
        """A request's version 4 UUID, and 16 characters such as `Vts2FFmArPEFh8g=`."""
        try:
            return self._pairs.pop()
        except IndexError:
            pairs = _pairs(self._entropy(28 * _REQUESTS))
            pair = pairs.pop()
            self._pairs = pairs
            return pair

    def request_id(self) -> str:
        """A version 4 UUID."""
        return self.pair()[0].decode()

    def extended_id(self) -> str:
        """16 characters of base64."""
        return self.pair()[1].decode()

    def take(self, count: int) -> bytes:
        """Bytes of the pool, for other ids (a trace's)."""
        at = self._at
        if at + count > len(self._pool):
            self._pool, at = self._entropy(max(count, 20 * _REQUESTS)), 0
        self._at = at + count
        return self._pool[at : at + count]

    def forget(self) -> None:
        """Drop what is pooled, so that a forked process draws its own."""
        self._pool, self._at, self._pairs = b"", 0, []


# Many pairs are one text, written column by column: that is a few calls for all of them.


def _pairs(entropy: bytes) -> list[tuple[bytes, bytes]]:
    many = len(entropy) // 28
    digits = entropy[: 16 * many].hex().encode()
    text = bytearray((_UUID.encode() + bytes(16)) * many)
    column = 0
    for place, character in enumerate(_UUID):
        if character == "y":
            text[place::_PAIR] = digits[column::32].translate(_VARIANTS)
        elif character == "x":
            text[place::_PAIR] = digits[column::32]
        column += character != "-"
    extended = b2a_base64(entropy[16 * many :], newline=False)
    for place in range(14):
        text[36 + place :: _PAIR] = extended[place::16]
    text[50::_PAIR] = extended[14::16].translate(_LAST_OF_BASE64)
    text[51::_PAIR] = b"=" * many
    whole = bytes(text)
    return [(whole[at : at + 36], whole[at + 36 : at + _PAIR]) for at in range(0, len(whole), _PAIR)]


IDS = IdPool(os.urandom)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=IDS.forget)
