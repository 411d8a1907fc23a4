"""Keys derived from a secret: one for each day, region and service (IAM user guide, "Create a signed AWS API request").

Derived once and kept, at most so many: a derivation is four rounds of HMAC, as much work as the rest of a verification.
"""

from __future__ import annotations

from hmac import digest
from typing import Final

__all__ = ["SigningKeys", "derived_key"]

_MOST: Final = 1024


def derived_key(secret: str, scope: bytes) -> bytes:
    """The key for a scope: `day/region/service/aws4_request`."""
    key = b"AWS4" + secret.encode("utf-8", "surrogatepass")
    for part in scope.split(b"/"):
        key = digest(key, part, "sha256")
    return key


class SigningKeys:
    """Derived keys by access key and scope. A key whose secret was replaced is derived anew."""

    __slots__ = ("_keys", "_most")

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._keys: dict[tuple[str, bytes], tuple[str, bytes]] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def of(self, key_id: str, secret: str, scope: bytes) -> bytes:
        known = self._keys.get((key_id, scope))
        if known is not None and known[0] == secret:
            return known[1]
        key = derived_key(secret, scope)
        self._keys.pop((key_id, scope), None)
        while len(self._keys) >= self._most:
            del self._keys[next(iter(self._keys))]
        self._keys[key_id, scope] = (secret, key)
        return key
