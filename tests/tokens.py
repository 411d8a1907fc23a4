"""Signed tokens for tests, well-formed or not: nothing here refuses what an attacker would send."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["AUDIENCE", "ISSUER", "NOW_S", "SECRET", "b64", "claims", "jwk", "pem", "private_key", "signed", "token"]

ISSUER = "https://issuer.example"
AUDIENCE = "https://api.example"
NOW_S = 1768478400.0
"""2026-01-15T12:00Z, where the virtual clocks of these tests stand."""

SECRET = b"a shared secret of these tests, longer than any hash: 64 bytes or so"
_HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
_SIZES = {"ES256": 32, "ES384": 48, "ES512": 66}


@cache
def private_key(name: str) -> Any:
    """A key that stays the same in this process: `RSA`, `RSA-1024`, `ES256`, `Ed25519`, … and `RSA/other`."""
    kind = name.partition("/")[0]
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind.partition("-")[2] or 2048))
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curves = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1, "ES256K": ec.SECP256K1}
    return ec.generate_private_key(curves[kind]())


def b64(raw: bytes | str | Mapping[str, Any]) -> str:
    """base64url of bytes, text, or an object as JSON."""
    if isinstance(raw, Mapping):
        raw = json.dumps(raw, separators=(",", ":"))
    return base64.urlsafe_b64encode(raw if isinstance(raw, bytes) else raw.encode()).rstrip(b"=").decode()


def jwk(name: str = "RSA", kid: str | None = "k1", **more: Any) -> dict[str, Any]:
    """The public half of a key as a JSON Web Key."""
    numbers = private_key(name).public_key()
    if name.startswith("RSA"):
        public = numbers.public_numbers()
        found = {"kty": "RSA", "n": _number(public.n, (public.n.bit_length() + 7) // 8), "e": _number(public.e, 3)}
    elif name.startswith("Ed25519"):
        found = {"kty": "OKP", "crv": "Ed25519", "x": b64(numbers.public_bytes(Encoding.Raw, PublicFormat.Raw))}
    else:
        public, size = numbers.public_numbers(), (numbers.curve.key_size + 7) // 8
        curve = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}.get(numbers.curve.name, "secp256k1")
        found = {"kty": "EC", "crv": curve, "x": _number(public.x, size), "y": _number(public.y, size)}
    return {**found, **({} if kid is None else {"kid": kid}), **more}


def pem(name: str = "RSA") -> str:
    """The public half of a key in PEM."""
    public = private_key(name).public_key()
    return str(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def claims(**more: Any) -> dict[str, Any]:
    """The claims of a good token; None takes one away."""
    usual = {"iss": ISSUER, "sub": "alice", "aud": AUDIENCE, "iat": NOW_S - 10, "exp": NOW_S + 3600}
    return {name: value for name, value in {**usual, **more}.items() if value is not None}


def token(alg: str = "RS256", key: str | bytes = "", header: Mapping[str, Any] | None = None, **more: Any) -> str:
    """A token with the usual claims, `more` of them, and further `header` parameters."""
    return signed({"alg": alg, "kid": "k1", **(header or {})}, claims(**more), alg, key)


def signed(
    header: Mapping[str, Any] | str | bytes, payload: Mapping[str, Any] | str | bytes, alg: str, key: str | bytes = ""
) -> str:
    """A token with exactly this header and payload, whatever they say, signed with `alg`."""
    text = f"{b64(header)}.{b64(payload)}"
    return f"{text}.{b64(_signature(alg, key, text.encode()))}"


def _signature(alg: str, key: str | bytes, text: bytes) -> bytes:
    if alg.startswith("HS"):
        return hmac.digest(key if isinstance(key, bytes) else SECRET, text, f"sha{alg[2:]}")
    name = str(key) or ("RSA" if alg[:2] in ("RS", "PS") else "Ed25519" if alg.startswith("Ed") else alg)
    private = private_key(name)
    if alg.startswith("Ed"):
        return bytes(private.sign(text))
    digest = _HASHES[alg[2:5]]()
    if alg.startswith("ES"):
        r, s = decode_dss_signature(private.sign(text, ec.ECDSA(digest)))
        return r.to_bytes(_SIZES[alg]) + s.to_bytes(_SIZES[alg])
    form = padding.PKCS1v15() if alg.startswith("RS") else padding.PSS(padding.MGF1(digest), digest.digest_size)
    return bytes(private.sign(text, form, digest))


def _number(value: int, size: int) -> str:
    return b64(value.to_bytes(size))
