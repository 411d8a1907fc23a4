"""Checks a compact token (RFC 7515 section 7.1) against the keys of its issuer: signature first, claims after it.

What an attacker can write into a header decides nothing: the algorithms are the operator's, a key checks what is its
own, `kid` is only looked up among names, `jwk`, `jku`, `x5u` and `x5c` are not read, and `crit` and `b64`, which would
change what is signed, are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from gatewaykit.core.identity.jwt.algorithms import Check
from gatewaykit.core.identity.jwt.claims import ClaimRules, Rejected, scopes_of
from gatewaykit.core.identity.jwt.encoding import decode, read_object
from gatewaykit.core.identity.jwt.keys import KeySet
from gatewaykit.core.reasons import Reason

__all__ = ["Header", "Verified", "Verifier", "read_header", "unverified_claims"]

MOST_TOKEN_BYTES: Final = 16384
_MOST_HEADER_BYTES: Final = 4096
_MOST_KNOWN_HEADERS: Final = 32
MOST_CANDIDATES: Final = 8
_UNKNOWN: Final[tuple[Check | None, bool]] = (None, False)
_SEGMENTS: Final = Rejected(
    Reason.TOKEN_INVALID, "a token has three segments", "token contains an invalid number of segments"
)  # fmt: skip


Verified: TypeAlias = tuple[Mapping[str, Any], tuple[str, ...], float]
"""A token that holds: its claims and scopes, and when it ends (leeway included). What is no Rejected is one."""


@dataclass(frozen=True, slots=True)
class Header:
    algorithm: str
    kid: str | None


class Verifier:
    """Verifies tokens by one set of rules. It remembers which check belongs to the headers that it has seen signed."""

    __slots__ = ("_algorithms", "_headers", "_keys", "_needs_kid", "_rules")

    def __init__(self, algorithms: Iterable[str], rules: ClaimRules, *, needs_kid: bool = False) -> None:
        self._algorithms, self._rules, self._needs_kid = frozenset(algorithms), rules, needs_kid
        self._keys: KeySet | None = None
        self._headers: dict[bytes, tuple[Check, bool]] = {}

    def verify(self, token: bytes, keys: KeySet, now_s: float) -> Verified | Rejected:
        """What a token proves at this time."""
        payload = self.signed_payload(token, keys)
        if isinstance(payload, Rejected):
            return payload
        try:
            claims = read_object(payload)
        except ValueError as error:
            return Rejected(Reason.TOKEN_INVALID, f"the payload is malformed: {error}")
        until_s = self._rules.judge(claims, now_s)
        if isinstance(until_s, Rejected):
            return until_s
        return claims, scopes_of(claims), until_s

    def signed_payload(self, token: bytes, keys: KeySet) -> bytes | Rejected:
        """What was signed, whatever it is."""
        signed, _, encoded = token.rpartition(b".")
        header, dot, payload = signed.partition(b".")
        if not dot or b"." in payload:
            return _SEGMENTS
        if len(token) > MOST_TOKEN_BYTES:
            return Rejected(Reason.TOKEN_INVALID, f"a token of {len(token)} bytes; {MOST_TOKEN_BYTES} are the most")
        if keys is not self._keys:
            self._keys, self._headers = keys, {}
        known, elsewhere = self._headers.get(header, _UNKNOWN)
        try:
            signature = decode(encoded)
            if known is None:
                found = self._find(header, keys)
                if isinstance(found, Rejected):
                    return found
                checks, elsewhere = found
                known = next((check for check in checks if check(signature, signed)), None)
                if known is not None and len(self._headers) < _MOST_KNOWN_HEADERS:
                    self._headers[header] = (known, elsewhere)
            elif not known(signature, signed):
                known = None
            if known is None:
                return Rejected(Reason.TOKEN_INVALID, "the signature does not match", elsewhere=elsewhere)
            return decode(payload)
        except ValueError as error:
            return Rejected(Reason.TOKEN_INVALID, f"the token is malformed: {error}")

    def _find(self, encoded: bytes, keys: KeySet) -> tuple[list[Check], bool] | Rejected:
        """The checks that the header asks for, and whether other keys of the issuer could do too."""
        header = read_header(encoded, self._algorithms)
        if isinstance(header, Rejected):
            return header
        kid = header.kid
        if kid is None and self._needs_kid:
            return Rejected(Reason.TOKEN_INVALID, "the header names no key (kid)")
        if kid is not None and not keys.has(kid) and (self._needs_kid or not keys.nameless):
            return Rejected(Reason.TOKEN_INVALID, f"no key {kid[:100]!r}; the issuer's are {keys}", elsewhere=True)
        checks = keys.find(header.algorithm, kid)
        if not checks:
            named = "" if kid is None else f" {kid[:100]!r}"
            detail = f"no key{named} is for {header.algorithm}; the issuer's are {keys}"
            return Rejected(Reason.TOKEN_INVALID, detail, elsewhere=kid is None or keys.nameless)
        if kid is None and len(checks) > 1 and not keys.nameless:
            return Rejected(Reason.TOKEN_INVALID, f"the header names no key, and {len(checks)} could be meant")
        return checks[:MOST_CANDIDATES], kid is None or keys.nameless


def read_header(encoded: bytes, algorithms: Iterable[str]) -> Header | Rejected:
    """The header of a token, as far as it counts. Raises ValueError where it is malformed."""
    if len(encoded) > _MOST_HEADER_BYTES:
        raise ValueError(f"a header of {len(encoded)} bytes; {_MOST_HEADER_BYTES} are the most")
    header = read_object(decode(encoded))
    algorithm, kid = header.get("alg"), header.get("kid")
    if "crit" in header or "b64" in header:
        return Rejected(Reason.TOKEN_INVALID, "the header has crit or b64, and no extension is supported")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        return Rejected(
            Reason.TOKEN_INVALID, f"alg is {repr(algorithm)[:100]}, which is not one of {sorted(algorithms)}"
        )
    for name in ("kid", "typ", "cty"):
        if name in header and not isinstance(header[name], str):
            return Rejected(Reason.TOKEN_INVALID, f"{name} is no text")
    return Header(algorithm, kid)


def unverified_claims(token: bytes) -> Mapping[str, Any]:
    """What a token says before anything is proved: good for choosing whose keys to try. Raises ValueError."""
    if len(token) > MOST_TOKEN_BYTES or token.count(b".") != 2:
        raise ValueError("a token has three segments, and no more than 16384 bytes")
    return read_object(decode(token.split(b".")[1]))
