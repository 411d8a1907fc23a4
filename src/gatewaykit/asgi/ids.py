"""Request ids: `$context.requestId` (a UUID) and `$context.extendedRequestId` (11 bytes in base64), reference 01 §5."""

from __future__ import annotations

import os
from binascii import b2a_base64
from collections.abc import Callable

__all__ = ["IDS", "IdPool"]

_REQUESTS = 128  # that one draw of entropy serves: the system call and the encoding are dearer than all the rest
_VARIANTS = dict(zip("0123456789abcdef", "89ab" * 4, strict=True))
_LAST_OF_BASE64 = dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "AEIMQUYcgkosw048" * 4,
        strict=True,
    )
)  # the last character before the padding stands for four bits only


class IdPool:
    """Ids from entropy that is drawn and encoded many requests at a time. Not for secrets: ids are public by nature."""

    __slots__ = ("_at", "_base64", "_base64_at", "_entropy", "_hex", "_hex_at", "_pool")

    _pool: bytes
    _hex: str
    _base64: str
    _at: int
    _hex_at: int
    _base64_at: int

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self.forget()

    def request_id(self) -> str:
        """A version 4 UUID."""
        at = self._hex_at
        text = self._hex[at : at + 32]
        if not text:
            self._hex, at = self._entropy(16 * _REQUESTS).hex(), 0
            text = self._hex[:32]
        self._hex_at = at + 32
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{_VARIANTS[text[16]]}{text[17:20]}-{text[20:]}"

    def extended_id(self) -> str:
        """16 characters such as `Vts2FFmArPEFh8g=`."""
        at = self._base64_at
        text = self._base64[at : at + 15]
        if not text:
            self._base64, at = b2a_base64(self._entropy(45 * _REQUESTS // 4), newline=False).decode(), 0
            text = self._base64[:15]
        self._base64_at = at + 15
        return f"{text[:14]}{_LAST_OF_BASE64[text[14]]}="

    def take(self, count: int) -> bytes:
        """Bytes of the pool, for other ids (a trace's)."""
        at = self._at
        if at + count > len(self._pool):
            self._pool, at = self._entropy(max(count, 20 * _REQUESTS)), 0
        self._at = at + count
        return self._pool[at : at + count]

    def forget(self) -> None:
        """Drop what is pooled, so that a forked process draws its own."""
        self._pool, self._hex, self._base64 = b"", "", ""
        self._at = self._hex_at = self._base64_at = 0


IDS = IdPool(os.urandom)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=IDS.forget)
