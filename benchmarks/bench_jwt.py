"""Verifying a JWT: against the same steps by hand, and against joserfc.

    python -m benchmarks --only jwt

Our side is the hook of a bound `jwt(...)`: a Request with a token in its header goes in, the Request or a Refusal comes
out. By hand is the least that verifies a token: split, decode, the signature check of `cryptography` (or `hmac`), JSON,
and the claims compared one by one; it forgives every forgery that is not about the signature. joserfc is used as its
documentation says, with its registry of claims made once. All sides are given the same tokens, and checked to tell good
ones from bad before anything is timed.
"""

from __future__ import annotations

import base64
import hmac
import json
import os
import time
from collections.abc import Callable
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt as jose_jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OctKey, RSAKey

from benchmarks.inproc import measure
from benchmarks.report import Line, at_least, at_most, line, say
from gatewaykit import jwt
from gatewaykit.clock import SYSTEM
from gatewaykit.core.http import Request
from gatewaykit.core.identity.jwt import keys as our_keys
from gatewaykit.core.identity.jwt.claims import ClaimRules, Rejected
from gatewaykit.core.identity.jwt.verifying import Verifier
from gatewaykit.ports import Policy, Runtime
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.upstream.scripted import ScriptedTransport

__all__ = ["run"]

_NOW_S: Final = int(time.time())
_ISSUER, _AUDIENCE = "https://issuer.example", "https://api.example"
_CLAIMS: Final = {
    "iss": _ISSUER, "sub": "alice", "aud": _AUDIENCE, "iat": _NOW_S - 10, "nbf": _NOW_S - 10, "exp": _NOW_S + 3600,
    "jti": "5f0c9e5e7a3b4e0f", "client_id": "shop", "scope": "pets:read pets:write",
}  # fmt: skip
_SECRET: Final = os.urandom(32)

Decide = Callable[[str], Callable[[], bool]]
"""Gives, for a token, the function that is timed; its answer is true where the token is good."""


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    say("  one token, against the same steps by hand and joserfc")
    key = generate_private_key(65537, 2048)
    signer = RSAKey.import_key(key, {"kid": "k1"})
    jwks = {"keys": [{**signer.as_dict(private=False), "kid": "k1"}]}
    tokens = {
        "RS256": jose_jwt.encode({"alg": "RS256", "kid": "k1", "typ": "at+jwt"}, _CLAIMS, signer),
        "HS256": jose_jwt.encode({"alg": "HS256", "typ": "JWT"}, _CLAIMS, OctKey.import_key(_SECRET)),
    }
    public, padding, digest = key.public_key(), PKCS1v15(), SHA256()
    first = {"issuer": _ISSUER, "audience": _AUDIENCE, "cached_tokens": 0}
    deciders: dict[str, Decide] = {
        "RS256 ours": _ours(jwt(**first, jwks=jwks)),
        "RS256 hand": _by_hand("RS256", lambda signature, text: public.verify(signature, text, padding, digest)),
        "RS256 joserfc": _joserfc("RS256", KeySet.import_key_set(jwks)),
        "HS256 ours": _ours(jwt(**first, secret=_SECRET, algorithms=["HS256"])),
        "HS256 hand": _by_hand("HS256", _hmac_check),
        "HS256 joserfc": _joserfc("HS256", OctKey.import_key(_SECRET)),
        "RS256 verified": _verifying("RS256", our_keys.read_key_set(jwks)),
        "HS256 verified": _verifying("HS256", _secret_keys()),
        "RS256 seen": _ours(jwt(**{**first, "cached_tokens": 1000}, jwks=jwks)),
    }
    for name, decide in deciders.items():
        token = tokens[name[:5]]
        if not decide(token)() or decide(_forged(token))():
            raise RuntimeError(f"{name} does not decide as it should")
    cases = {name: decide(tokens[name[:5]]) for name, decide in deciders.items()}
    cases["no policy"] = _no_policy
    times = measure(cases, rounds=21 if quick else 61)
    lines = []
    for name, times_joserfc in (("HS256", 3.4), ("RS256", 1.6)):
        ours, verified, joserfc = f"{name} ours", f"{name} verified", f"{name} joserfc"
        lines += [
            line(
                "jwt", f"{name}, a first token / the same steps by hand", times.ratios(ours, f"{name} hand"),
                at_most(1.15),
            ),
            line(
                "jwt", f"{name}, joserfc / verifying a first token", times.ratios(joserfc, verified),
                at_least(times_joserfc),
            ),
            line(
                "jwt", f"{name}, joserfc / a first token", times.ratios(joserfc, ours),
                note="the policy also finds the token in the request, and proves an identity",
            ),
        ]  # fmt: skip
    seen = times.added_us("RS256 seen", "no policy")
    return [*lines, line("jwt", "RS256, a token seen before, added", seen, at_most(1), unit="us")]


def _ours(policy: Policy) -> Decide:
    runtime = Runtime(
        clock=SYSTEM, throttles=MemoryThrottleStore(SYSTEM), transport=ScriptedTransport(), entropy=os.urandom
    )
    hook = policy.bind(runtime).on_request
    assert hook is not None

    def decide(token: str) -> Callable[[], bool]:
        request = Request("GET", "/", headers=[(b"authorization", b"Bearer " + token.encode())])
        return lambda: hook(request) is request

    return decide


def _verifying(algorithm: str, keys: our_keys.KeySet) -> Decide:
    """The verification alone, as joserfc's: a token and keys in, claims out."""
    verifier = Verifier([algorithm], ClaimRules(issuer=_ISSUER, audiences=frozenset((_AUDIENCE,))))

    def decide(token: str) -> Callable[[], bool]:
        raw = token.encode()
        return lambda: not isinstance(verifier.verify(raw, keys, _NOW_S), Rejected)

    return decide


def _secret_keys() -> our_keys.KeySet:
    key = our_keys.secret_key(_SECRET, ["HS256"])
    if isinstance(key, str):
        raise RuntimeError(key)
    return our_keys.KeySet([key])


def _no_policy() -> bool:
    return _PASSES(None) is None


_PASSES: Final[Callable[[Any], Any]] = lambda request: request  # noqa: E731 - called as a hook is


def _by_hand(algorithm: str, verify: Callable[[bytes, bytes], Any]) -> Decide:
    def accepts(token: bytes) -> bool:
        header64, payload64, signature64 = token.split(b".")
        if json.loads(_decode(header64))["alg"] != algorithm:
            return False
        try:
            verify(_decode(signature64), header64 + b"." + payload64)
        except InvalidSignature:
            return False
        claims = json.loads(_decode(payload64))
        return bool(
            claims["iss"] == _ISSUER
            and claims["aud"] == _AUDIENCE
            and claims["exp"] > _NOW_S
            and claims["nbf"] <= _NOW_S
            and claims["iat"] <= _NOW_S
            and claims["scope"].split()
        )

    def decide(token: str) -> Callable[[], bool]:
        raw = token.encode()
        return lambda: accepts(raw)

    return decide


def _hmac_check(signature: bytes, text: bytes) -> None:
    if not hmac.compare_digest(hmac.digest(_SECRET, text, "sha256"), signature):
        raise InvalidSignature


def _decode(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def _joserfc(algorithm: str, key: Any) -> Decide:
    rules = jose_jwt.JWTClaimsRegistry(
        now=_NOW_S, iss={"essential": True, "value": _ISSUER}, aud={"essential": True, "values": [_AUDIENCE]},
        exp={"essential": True},
    )  # fmt: skip

    def accepts(token: str) -> bool:
        try:
            rules.validate(jose_jwt.decode(token, key, algorithms=[algorithm]).claims)
        except JoseError:
            return False
        return True

    return lambda token: lambda: accepts(token)


def _forged(token: str) -> str:
    """The token with another signature of the same length."""
    head, _, signature = token.rpartition(".")
    return f"{head}.{'A' * len(signature)}"
