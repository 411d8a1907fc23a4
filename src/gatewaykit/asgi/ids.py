"""Request ids: `$context.requestId` (a UUID) and `$context.extendedRequestId` (11 bytes in base64), reference 01 §5."""

from __future__ import annotations

import os
from binascii import b2a_base64, hexlify
from collections.abc import Callable

__all__ = ["IDS", "IdPool"]

_POOL_BYTES = 27 * 128  # one request takes 16 + 11; the system call is dearer than all the rest


class IdPool:
    """Ids from entropy that is drawn many requests at a time. Not for secrets: ids are public by nature."""

    __slots__ = ("_at", "_entropy", "_pool")

    def __init__(self, entropy: Callable[[int], bytes]) -> None:
        self._entropy = entropy
        self._pool = b""
        self._at = 0

    def request_id(self) -> str:
        """A version 4 UUID."""
        text = hexlify(self.take(16)).decode()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(text[16], 16) & 3]}{text[17:20]}-{text[20:]}"

    def extended_id(self) -> str:
        """16 characters such as `Vts2FFmArPEFh8g=`."""
        return b2a_base64(self.take(11), newline=False).decode()

    def take(self, count: int) -> bytes:
        """Bytes of the pool, for other ids (a trace's)."""
        at = self._at
        if at + count > len(self._pool):
            self._pool, at = self._entropy(_POOL_BYTES), 0
        self._at = at + count
        return self._pool[at : at + count]

    def forget(self) -> None:
        """Drop what is pooled, so that a forked process draws its own."""
        self._pool = b""


IDS = IdPool(os.urandom)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=IDS.forget)
