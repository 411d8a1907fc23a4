"""Keys derived from a secret: one for each day, region and service (IAM user guide, "Create a signed AWS API request").

Derived once and kept, at most so many: a derivation is four rounds of HMAC, as much work as the rest of a verification.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from hmac import compare_digest, digest
from typing import Final, Generic, Protocol, TypeVar

__all__ = ["DerivedKey", "SigningKey", "SigningKeys"]

_MOST: Final = 1024
_BLOCK: Final = 64  # bytes in a block of SHA-256
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class SigningKey:
    """The key for a scope, `day/region/service/aws4_request`: HMAC-SHA-256 (RFC 2104) with its two pads hashed before.

    Half the time of a HMAC of so short a message goes into those pads.
    """

    __slots__ = ("_inner", "_outer", "secret")

    def __init__(self, secret: str, scope: bytes) -> None:
        self.secret = secret
        key = b"AWS4" + secret.encode("utf-8", "surrogatepass")
        for part in scope.split(b"/"):
            key = digest(key, part, "sha256")
        padded = key.ljust(_BLOCK, b"\0")
        self._inner, self._outer = sha256(padded.translate(_INNER)), sha256(padded.translate(_OUTER))

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether it is this key's signature of a string to sign."""
        return compare_digest(self.signature(text), signature)

    def signature(self, text: bytes) -> bytes:
        """The signature of a string to sign, in hexadecimal."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.hexdigest().encode()


class DerivedKey(Protocol):
    """A key that was derived from a secret."""

    @property
    def secret(self) -> str: ...

    def verifies(self, text: bytes, signature: bytes) -> bool: ...


K = TypeVar("K", bound=DerivedKey)


class SigningKeys(Generic[K]):
    """Derived keys by access key and scope. A key whose secret was replaced is derived anew."""

    __slots__ = ("_keys", "_make", "_most")

    def __init__(self, make: Callable[[str, str, bytes], K], most: int = _MOST) -> None:
        """`make` derives a key from an access key id, its secret and a scope."""
        self._make, self._most = make, most
        self._keys: dict[tuple[str, bytes], K] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, key_id: str, secret: str, scope: bytes) -> K:
        known = self._keys.get((key_id, scope))
        if known is not None and known.secret == secret:
            return known
        self._keys.pop((key_id, scope), None)
        while len(self._keys) >= self._most:
            del self._keys[next(iter(self._keys))]
        key = self._keys[key_id, scope] = self._make(key_id, secret, scope)
        return key
