"""Entries of a cache encrypted at rest: AES-GCM, bound to the entry's own key, under a key that is supplied."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from gatewaykit.core.caching.packing import pack, unpack

if TYPE_CHECKING:
    from gatewaykit.core.caching.entry import Entry

__all__ = ["Seal", "seal_of"]

_SIZES = (16, 24, 32)


@dataclass(frozen=True, slots=True)
class Seal:
    """Encrypts and decrypts. `id` says which key it is, so that an entry under another one is known as that."""

    cipher: Any
    id: bytes

    def sealed(self, entry: Entry, key: bytes, nonce: bytes) -> Entry:
        """The entry with nothing of the response in the clear but its status and times. A nonce is used once."""
        text = self.cipher.encrypt(nonce, pack(entry), self.id + key)
        return replace(entry, headers=[], body=self.id + nonce + text, tags=(), url="")

    def opened(self, entry: Entry, key: bytes) -> Entry | None:
        """What was encrypted; None where it was under another key, for another entry, or changed."""
        from cryptography.exceptions import InvalidTag

        if entry.body[:8] != self.id:
            return None
        try:
            return unpack(self.cipher.decrypt(entry.body[8:20], entry.body[20:], self.id + key))
        except (InvalidTag, ValueError):
            return None


def seal_of(key: bytes | str) -> Seal:
    """A seal of a key: 16, 24 or 32 bytes, as such or in base64. Raises ValueError, without the key in it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if isinstance(key, str):
        try:
            key = base64.b64decode(key, altchars=b"-_" if {"-", "_"} & set(key) else None, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError("the key is no base64") from None
    if not isinstance(key, bytes) or len(key) not in _SIZES:
        raise ValueError("a key is 16, 24 or 32 bytes long")
    return Seal(AESGCM(key), sha256(b"gatewaykit cache key" + key).digest()[:8])
