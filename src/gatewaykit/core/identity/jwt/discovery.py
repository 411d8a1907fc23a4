"""Where an issuer publishes its keys, and for how long they may be kept.

OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3, RFC 9111 section 5.2; the two hours are API Gateway's
(reference 02 section 5).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from gatewaykit.core.identity.jwt.encoding import read_object

__all__ = ["Lifetime", "insecure", "lifetime", "metadata_addresses", "read_metadata"]

MOST_AGE_S: Final = 7200.0
_LEAST_S, _DEFAULT_S = 60.0, 600.0
_AHEAD: Final = 0.75
_LOOPBACK: Final = frozenset(("127.0.0.1", "localhost", "::1"))
_DIRECTIVE = re.compile(r"\s*([a-z-]+)\s*(?:=\s*\"?([0-9]{1,12})\"?)?\s*")


class Lifetime(NamedTuple):
    """Ages in seconds: from `ahead_s` on keys are asked for again, from `fresh_s` on that is waited for, and from
    `most_s` on the old ones are gone for good."""

    ahead_s: float
    fresh_s: float
    most_s: float


def metadata_addresses(issuer: str) -> tuple[str, str]:
    """Where an issuer's metadata stands: by OpenID Connect, then by RFC 8414."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    return (
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
        f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}",
    )


def read_metadata(body: bytes, issuer: str) -> str:
    """The address of the key set. Raises ValueError when the metadata is another issuer's, or names none."""
    metadata = read_object(body)
    if metadata.get("issuer") != issuer:
        raise ValueError(f"the metadata is of the issuer {repr(metadata.get('issuer'))[:200]} and not of {issuer!r}")
    address = metadata.get("jwks_uri")
    if not isinstance(address, str) or not address:
        raise ValueError("the metadata names no jwks_uri")
    return address


def insecure(address: str) -> bool:
    """Keys from this address could be anybody's: it is not https, and leaves this machine."""
    parts = urlsplit(address)
    return parts.scheme != "https" and parts.hostname not in _LOOPBACK


def lifetime(cache_control: str | None) -> Lifetime:
    """How long a key set may be kept, by its Cache-Control: a minute at least, two hours at most."""
    fresh = _DEFAULT_S
    for part in (cache_control or "").lower().split(","):
        if match := _DIRECTIVE.fullmatch(part):
            if match[1] == "max-age" and match[2]:
                fresh = float(match[2])
            elif match[1] in ("no-store", "no-cache"):
                fresh = 0.0
                break
    fresh = min(max(fresh, _LEAST_S), MOST_AGE_S)
    return Lifetime(fresh * _AHEAD, fresh, MOST_AGE_S)
