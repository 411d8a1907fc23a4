"""What an introspection endpoint said of a token, and whether that lets its bearer in.

RFC 7662 section 2.2 has the members of the answer and section 4 what to check of them; RFC 6750 section 3.1 the errors.
The endpoint's word is not taken where it could be misread: an answer with two `active` members, or one that is no
boolean, is no answer.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from gatewaykit.core.http import Identity
from gatewaykit.core.identity.bearer import challenge
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["MAX_TOKEN", "Admitted", "TokenRules", "judge", "read_introspection", "unfit_token"]

MAX_TOKEN: Final = 16_384
"""Characters of a token that are sent on; what servers take as one header field is not much more."""

_DATES: Final = ("exp", "nbf", "iat")
_B64TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 section 2.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What has to hold of a token besides being active. `audience`, `scopes`: one of them is enough."""

    audience: tuple[str, ...] = ()
    issuer: str | None = None
    scopes: tuple[str, ...] = ()
    claims: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    leeway_s: float = 0.0  # how far `nbf` and `iat` may lie ahead: clocks differ


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who comes in, and until when at most."""

    identity: Identity
    expires_s: float


def unfit_token(token: str) -> Refusal | None:
    """Why a token is not even asked about; None when it may be."""
    if len(token) > MAX_TOKEN:
        return _invalid(f"the token has {len(token)} characters, and {MAX_TOKEN} are the most")
    if not _B64TOKEN.fullmatch(token):
        return _invalid("the token has characters that no bearer token has")
    return None


def read_introspection(status: int, body: bytes) -> Mapping[str, Any] | Refusal:
    """The members of an endpoint's answer."""
    if status >= 500 or status == 429:
        return Refusal(Reason.ISSUER_UNREACHABLE, f"the introspection endpoint answered {status}")
    try:
        answer = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        answer, problem = None, f"an answer that cannot be read: {error}"
    else:
        problem = "no object"
    if status != 200:
        told = answer.get("error") if isinstance(answer, Mapping) else None
        said = f" {told!r:.100}" if isinstance(told, str) else ""
        return _garbage(f"answered {status}{said}; are client_id, client_secret and the address right?")
    if not isinstance(answer, Mapping):
        return _garbage(f"gave {problem}")
    if not isinstance(answer.get("active"), bool):
        return _garbage(f"gave {answer.get('active')!r:.100} for 'active', which is true or false")
    return answer


def judge(claims: Mapping[str, Any], rules: TokenRules, now_s: float) -> Admitted | Refusal:
    """Whether the bearer of a token comes in, by the members of an answer that `read_introspection` gave."""
    if not claims["active"]:
        return _invalid("the issuer says that the token is not active")
    for name in _DATES:
        if name in claims and not _is_date(claims[name]):
            return _garbage(f"gave {claims[name]!r:.100} for {name!r}, which is a number of seconds")
    expires_s: float = claims.get("exp", math.inf)
    if now_s >= expires_s:
        return _invalid(f"the token expired at {expires_s!r:.40}", Reason.TOKEN_EXPIRED, "the token has expired")
    for name in ("nbf", "iat"):
        if claims.get(name, 0) > now_s + rules.leeway_s:
            return _invalid(f"{name!r} lies ahead, at {claims[name]!r:.40}")
    if refusal := _of_the_wrong_kind(claims) or _not_for_us(claims, rules):
        return refusal
    principal = claims.get("sub") or claims.get("client_id")
    if not isinstance(principal, str) or not principal:
        return _garbage("gave neither 'sub' nor 'client_id' as text: nobody would be known by this token")
    scope = claims.get("scope", "")
    if not isinstance(scope, str):
        return _garbage(f"gave {scope!r:.100} for 'scope', which is a text with spaces")
    scopes = tuple(scope.split())
    if rules.scopes and not set(rules.scopes) & set(scopes):
        wanted = " ".join(rules.scopes)
        headers = (challenge("insufficient_scope", scope=wanted),)
        return Refusal(Reason.SCOPE_MISSING, f"none of {wanted!r} is among {scope!r:.200}", headers=headers)
    identity = Identity(principal=principal, kind="introspection", claims=MappingProxyType(dict(claims)), scopes=scopes)
    return Admitted(identity, expires_s)


def _of_the_wrong_kind(claims: Mapping[str, Any]) -> Refusal | None:
    """Tokens that are active and yet no bearer's access token."""
    kind, use = claims.get("token_type", "bearer"), claims.get("token_use", "access_token")
    if not isinstance(kind, str) or kind.lower() not in ("bearer", "access_token"):
        return _invalid(f"a token of the type {kind!r:.100} does not serve as a bearer token", Reason.TOKEN_UNFIT)
    if use not in ("access_token", "access"):
        return _invalid(f"a token for the use {use!r:.100} is no access token", Reason.TOKEN_UNFIT)
    if claims.get("cnf"):  # RFC 8705 section 3.2, RFC 9449 section 6.2
        return _invalid("the token is bound to a key, and nothing here proves that key", Reason.TOKEN_UNFIT)
    return None


def _not_for_us(claims: Mapping[str, Any], rules: TokenRules) -> Refusal | None:
    if rules.audience and not set(rules.audience) & set(_texts(claims.get("aud"))):
        return _invalid(f"the audience {claims.get('aud')!r:.200} is none of {', '.join(rules.audience)}")
    if rules.issuer is not None and claims.get("iss") != rules.issuer:
        return _invalid(f"the issuer {claims.get('iss')!r:.200} is not {rules.issuer!r}")
    for name, allowed in rules.claims.items():
        held = claims.get(name)
        if not any(_same(each, one) for one in allowed for each in (held if isinstance(held, list) else [held])):
            return Refusal(Reason.FORBIDDEN, f"the claim {name!r} is {held!r:.200}, and none of {list(allowed)}")
    return None


def _invalid(detail: str, reason: Reason = Reason.TOKEN_INVALID, told: str = "the token is not valid") -> Refusal:
    return Refusal(reason, detail, headers=(challenge("invalid_token", told),))


def _garbage(what: str) -> Refusal:
    return Refusal(Reason.AUTHORIZER_MISCONFIGURED, f"the introspection endpoint {what}")


def _texts(value: object) -> Sequence[str]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)]


def _same(held: object, allowed: object) -> bool:
    """Equal, and both or neither a flag: to Python, true is 1."""
    return held == allowed and isinstance(held, bool) == isinstance(allowed, bool)


def _is_date(value: object) -> bool:
    return math.isfinite(value) if isinstance(value, float) else type(value) is int  # a flag is an int too


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member of an object stands there twice")
    return members


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no number of JSON")
