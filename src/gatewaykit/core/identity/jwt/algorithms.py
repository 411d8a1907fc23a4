"""Signature algorithms (RFC 7518 section 3, RFC 8037, RFC 9864), each tied to the one kind of key it is for.

A key says what it can check; a token only says which of that it wants. So a public key is never a secret to HMAC, and
`none` is not refused: it does not exist.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

__all__ = ["ALGORITHMS", "HMAC_ALGORITHMS", "RSA_ALGORITHMS", "Check", "checks_of", "hmac_check"]

Check = Callable[[bytes, bytes], bool]
"""Whether a signature (first) is one over these bytes."""

RSA_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
HMAC_ALGORITHMS: Final = ("HS256", "HS384", "HS512")
_CURVES: Final = {
    "secp256r1": ("ES256", SHA256, 32),
    "secp384r1": ("ES384", SHA384, 48),
    "secp521r1": ("ES512", SHA512, 66),
}
ALGORITHMS: Final = (*RSA_ALGORITHMS, *(name for name, _, _ in _CURVES.values()), "Ed25519", "EdDSA", *HMAC_ALGORITHMS)
"""All that exist here. `EdDSA` is the older name of `Ed25519`."""

_HASHES: Final[Mapping[str, Callable[[], SHA256 | SHA384 | SHA512]]] = {"256": SHA256, "384": SHA384, "512": SHA512}
_MIN_RSA_BITS, _MOST_RSA_BITS, _MOST_EXPONENT_BITS = 2048, 16384, 64  # above them one check would take too long


def checks_of(key: object) -> Mapping[str, Check] | str:
    """What a public key of `cryptography` can check, or why it may check nothing."""
    if isinstance(key, RSAPublicKey):
        if not _MIN_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:
            return f"an RSA key of {key.key_size} bits; {_MIN_RSA_BITS} to {_MOST_RSA_BITS} are accepted"
        if key.public_numbers().e.bit_length() > _MOST_EXPONENT_BITS:
            return "an RSA key with a public exponent that takes too long"
        return {name: _rsa_check(key, name) for name in RSA_ALGORITHMS}
    if isinstance(key, EllipticCurvePublicKey):
        if key.curve.name not in _CURVES:
            return f"a key on the curve {key.curve.name}, which no algorithm here uses"
        name, digest, size = _CURVES[key.curve.name]
        return {name: _ec_check(key, ECDSA(digest()), size)}
    if isinstance(key, Ed25519PublicKey):
        check = _checking(key.verify)
        return {"Ed25519": check, "EdDSA": check}
    return f"a key of the kind {type(key).__name__}, which no algorithm here uses"


def hmac_check(secret: bytes, algorithm: str) -> Check | str:
    """How a shared secret checks, or why it may not: it has to be as long as the hash (RFC 7518 section 3.2)."""
    digest, size = f"sha{algorithm[2:]}", int(algorithm[2:]) // 8
    if secret.lstrip().startswith((b"-----BEGIN", b"ssh-", b"ecdsa-")):
        return "a public key or a certificate is no secret"
    if len(secret) < size:
        return f"{len(secret)} bytes are too few for {algorithm}, which needs {size}"
    # RFC 2104, with what depends on the secret alone done once: half the time of a whole HMAC over so short a text.
    block = 64 if size == 32 else 128
    padded = (secret if len(secret) <= block else hashlib.new(digest, secret).digest()).ljust(block, b"\0")
    inner, outer = (hashlib.new(digest, bytes(each ^ pad for each in padded)) for pad in (0x36, 0x5C))

    def check(signature: bytes, signed: bytes) -> bool:
        first, second = inner.copy(), outer.copy()
        first.update(signed)
        second.update(first.digest())
        return hmac.compare_digest(second.digest(), signature)

    return check


def _rsa_check(key: RSAPublicKey, name: str) -> Check:
    digest, size = _HASHES[name[2:]](), (key.key_size + 7) // 8
    padding = PKCS1v15() if name.startswith("RS") else PSS(MGF1(digest), digest.digest_size)
    verify = key.verify

    def check(signature: bytes, signed: bytes) -> bool:
        if len(signature) != size:
            return False
        try:
            verify(signature, signed, padding, digest)
        except InvalidSignature:
            return False
        return True

    return check


def _ec_check(key: EllipticCurvePublicKey, algorithm: ECDSA, size: int) -> Check:
    verify = key.verify

    def check(signature: bytes, signed: bytes) -> bool:
        r, s = int.from_bytes(signature[:size]), int.from_bytes(signature[size:])
        if len(signature) != 2 * size or not r or not s:  # zeros once proved anything ("psychic signatures")
            return False
        try:
            verify(encode_dss_signature(r, s), signed, algorithm)
        except InvalidSignature:
            return False
        return True

    return check


def _checking(verify: Callable[[bytes, bytes], Any]) -> Check:
    def check(signature: bytes, signed: bytes) -> bool:
        try:
            verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    return check
