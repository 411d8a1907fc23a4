"""Signature Version 4A: one signature for several regions, made with ECDSA on P-256.

IAM user guide, "AWS Signature Version 4 for API requests" (SigV4A). Both sides derive the key pair from the secret, by
the counter mode of NIST SP 800-108 with HMAC-SHA-256: candidates, until one is below the order of the curve less two.
API Gateway itself takes no such signatures.
"""

from __future__ import annotations

import re
from hmac import digest
from typing import Final

from gatewaykit.core.iam.signature_parts import ECDSA

__all__ = ["MultiRegionKey", "private_number"]

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_SIGNATURE: Final = re.compile(rb"(?:[0-9a-f]{2}){8,72}")  # a DER sequence of two numbers, in hexadecimal


class MultiRegionKey:
    """The key of an access key: for any day, service and region."""

    __slots__ = ("_public", "_rule", "_wrong", "secret")

    def __init__(self, key_id: str, secret: str) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        self.secret = secret
        self._public = ec.derive_private_key(private_number(key_id, secret), ec.SECP256R1()).public_key()
        self._rule, self._wrong = ec.ECDSA(SHA256()), InvalidSignature

    def verifies(self, text: bytes, signature: bytes) -> bool:
        """Whether it is this key's signature of a string to sign."""
        if _SIGNATURE.fullmatch(signature) is None:
            return False
        try:
            self._public.verify(bytes.fromhex(signature.decode()), text, self._rule)
        except self._wrong:
            return False
        return True


def private_number(key_id: str, secret: str, most: int = _ORDER - 2) -> int:
    """The private number of an access key: one more than the first candidate that is `most` or less."""
    key = b"AWS4A" + secret.encode("utf-8", "surrogatepass")
    begin = (1).to_bytes(4, "big") + ECDSA + b"\0" + key_id.encode("utf-8", "surrogatepass")
    texts = (begin + bytes((counter,)) + (256).to_bytes(4, "big") for counter in range(1, 255))
    candidates = (int.from_bytes(digest(key, text, "sha256"), "big") for text in texts)
    return next(number for number in candidates if number <= most) + 1
