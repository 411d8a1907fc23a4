"""Keys that check signatures: from JSON Web Keys (RFC 7517), from PEM, from a shared secret.

A set is read key by key: one that cannot be used is left out with its reason, and the others stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from gatewaykit.core.identity.jwt.algorithms import Check, checks_of, hmac_check
from gatewaykit.core.identity.jwt.encoding import decode, read_object

__all__ = ["Key", "KeySet", "pem_key", "read_key_set", "secret_key"]

_MOST_KEYS: Final = 256
_CURVES: Final[Mapping[str, tuple[Callable[[], ec.EllipticCurve], int]]] = {
    "P-256": (ec.SECP256R1, 32), "P-384": (ec.SECP384R1, 48), "P-521": (ec.SECP521R1, 66),
}  # fmt: skip
_PRIVATE: Final = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key: its name in the set, and by algorithm how it checks."""

    kid: str | None
    checks: Mapping[str, Check] = field(repr=False)


class KeySet:
    """The keys of an issuer. `skipped` says which were left out, and why; `nameless`, that none has a name."""

    __slots__ = ("_by_kid", "keys", "nameless", "skipped")

    def __init__(self, keys: Iterable[Key], skipped: Sequence[str] = ()) -> None:
        self.keys, self.skipped = tuple(keys), tuple(skipped)
        self._by_kid: dict[str | None, list[Key]] = {}
        for key in self.keys:
            self._by_kid.setdefault(key.kid, []).append(key)
        self.nameless = self._by_kid.keys() <= {None}

    def find(self, algorithm: str, kid: str | None) -> list[Check]:
        """How the keys with this name check this algorithm; without a name, or where no key has one, all that can."""
        named: Iterable[Key] = self.keys if kid is None or self.nameless else self._by_kid.get(kid, ())
        return [key.checks[algorithm] for key in named if algorithm in key.checks]

    def has(self, kid: str) -> bool:
        return kid in self._by_kid

    def __str__(self) -> str:
        names = ", ".join(repr(key.kid) for key in self.keys[:10]) or "no key"
        more = f" and {len(self.keys) - 10} more" if len(self.keys) > 10 else ""
        return f"{names}{more}" + "".join(f"; left out: {reason}" for reason in self.skipped[:5])


def read_key_set(document: bytes | str | Mapping[str, Any]) -> KeySet:
    """The usable keys of a JWK set. Raises ValueError when it is none, or holds no usable key."""
    if isinstance(document, str):
        document = document.encode("utf-8", "surrogatepass")
    data = read_object(document) if isinstance(document, bytes) else document
    listed = data.get("keys")
    if not isinstance(listed, list):
        raise ValueError("it has no list 'keys'")
    if len(listed) > _MOST_KEYS:
        raise ValueError(f"it holds {len(listed)} keys; {_MOST_KEYS} are the most")
    keys, skipped = [], []
    for index, each in enumerate(listed):
        key = _key(each) if isinstance(each, Mapping) else "it is no object"
        if isinstance(key, Key):
            keys.append(key)
        else:
            kid = each.get("kid") if isinstance(each, Mapping) else None
            skipped.append(f"keys[{index}]{f' ({kid[:80]})' if isinstance(kid, str) else ''}: {key}")
    if not keys:
        raise ValueError("it holds no usable key" + "".join(f"; {reason}" for reason in skipped[:5]))
    return KeySet(keys, skipped)


def pem_key(pem: bytes, kid: str | None = None) -> Key | str:
    """A key from a PEM public key or certificate, or why it is none."""
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            public: object = load_pem_x509_certificate(pem).public_key()
        else:
            public = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        return f"it is no public key or certificate in PEM ({error})"
    checks = checks_of(public)
    return checks if isinstance(checks, str) else Key(kid=kid, checks=checks)


def secret_key(secret: bytes, algorithms: Iterable[str]) -> Key | str:
    """A key from a shared secret, for these HMAC algorithms; or why it is none."""
    checks = {}
    for algorithm in algorithms:
        check = hmac_check(secret, algorithm)
        if isinstance(check, str):
            return check
        checks[algorithm] = check
    return Key(kid=None, checks=checks)


def _key(jwk: Mapping[str, Any]) -> Key | str:
    kid, use, operations, algorithm = (jwk.get(name) for name in ("kid", "use", "key_ops", "alg"))
    if not isinstance(kid, (str, type(None))):
        return "its kid is no text"
    if use not in (None, "sig"):
        return f"it is for the use {use!r}"
    if operations is not None and (not isinstance(operations, list) or "verify" not in operations):
        return "its key_ops do not say 'verify'"
    if jwk.get("kty") == "oct":
        return "it is a secret, which cannot be published; give it as secret="
    if any(name in jwk for name in _PRIVATE):
        return "its private part is published with it"
    try:
        checks = checks_of(_public_key(jwk))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        return str(error) or "it is malformed"
    if isinstance(checks, str):
        return checks
    if algorithm is not None:
        if not isinstance(algorithm, str) or algorithm not in checks:
            return f"its alg {algorithm!r} is not for a key of its kind"
        # One algorithm, under both its names where it has two.
        checks = {name: check for name, check in checks.items() if name == algorithm or check is checks[algorithm]}
    return Key(kid=kid, checks=checks)


def _public_key(jwk: Mapping[str, Any]) -> object:
    kind, curve = jwk.get("kty"), jwk.get("crv")
    if kind == "RSA":
        return RSAPublicNumbers(int.from_bytes(_bytes(jwk, "e")), int.from_bytes(_bytes(jwk, "n"))).public_key()
    if kind == "EC" and isinstance(curve, str) and curve in _CURVES:
        named, size = _CURVES[curve]
        x, y = (int.from_bytes(_bytes(jwk, name, size)) for name in "xy")
        return ec.EllipticCurvePublicNumbers(x, y, named()).public_key()
    if kind == "OKP" and curve == "Ed25519":
        return Ed25519PublicKey.from_public_bytes(_bytes(jwk, "x", 32))
    raise ValueError(f"a key of the kind {kind!r}{f' and curve {curve!r}' if curve else ''} is not supported")


def _bytes(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise ValueError(f"it has no {name!r}")
    raw = decode(value.encode("ascii", "replace"))
    if size is not None and len(raw) != size:
        raise ValueError(f"its {name!r} has {len(raw)} bytes and not {size}")
    return raw
