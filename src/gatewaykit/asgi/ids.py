"""Request ids: `$context.requestId` (a UUID) and `$context.extendedRequestId` (11 bytes in base64), reference 01 §5."""

from __future__ import annotations

import os
from binascii import b2a_base64
from collections.abc import Callable

__all__ = ["IDS", "IdPool"]

_REQUESTS = 128  # that one draw of entropy serves: the system call and the encoding are dearer than all the rest
_UUID = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"  # x: a digit of its own; y: two of its bits
_VARIANTS = bytes.maketrans(b"0123456789abcdef", b"89ab" * 4)
_LAST_OF_BASE64 = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", b"AEIMQUYcgkosw048" * 4
)  # the last character before the padding stands for four bits only


class IdPool:
    """Ids from entropy that is drawn and encoded many requests at a time. Not for secrets: ids are public by nature."""

    __slots__ = ("_at", "_entropy", "_extended", "_extended_at", "_ids", "_ids_at", "_pool")

    _pool: bytes
    _ids: str
    _extended: str
    _at: int
    _ids_at: int
    _extended_at: int

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self.forget()

    def request_id(self) -> str:
        """A version 4 UUID."""
        at = self._ids_at
        text = self._ids[at : at + 36]
        if not text:
            self._ids, at = _uuids(self._entropy(16 * _REQUESTS)), 0
            text = self._ids[:36]
        self._ids_at = at + 36
        return text

    def extended_id(self) -> str:
        """16 characters such as `Vts2FFmArPEFh8g=`."""
        at = self._extended_at
        text = self._extended[at : at + 16]
        if not text:
            self._extended, at = _extended_ids(self._entropy(12 * _REQUESTS)), 0
            text = self._extended[:16]
        self._extended_at = at + 16
        return text

    def take(self, count: int) -> bytes:
        """Bytes of the pool, for other ids (a trace's)."""
        at = self._at
        if at + count > len(self._pool):
            self._pool, at = self._entropy(max(count, 20 * _REQUESTS)), 0
        self._at = at + count
        return self._pool[at : at + count]

    def forget(self) -> None:
        """Drop what is pooled, so that a forked process draws its own."""
        self._pool, self._ids, self._extended = b"", "", ""
        self._at = self._ids_at = self._extended_at = 0


# Many ids are one text, written column by column: that is a few calls for all of them.


def _uuids(entropy: bytes) -> str:
    digits = entropy.hex().encode()
    text = bytearray(_UUID.encode() * (len(entropy) // 16))
    column = 0
    for place, character in enumerate(_UUID):
        if character == "y":
            text[place::36] = digits[column::32].translate(_VARIANTS)
        elif character == "x":
            text[place::36] = digits[column::32]
        column += character != "-"
    return text.decode()


def _extended_ids(entropy: bytes) -> str:
    text = bytearray(b2a_base64(entropy, newline=False))
    text[14::16] = text[14::16].translate(_LAST_OF_BASE64)
    text[15::16] = b"=" * (len(text) // 16)
    return text.decode()


IDS = IdPool(os.urandom)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=IDS.forget)
