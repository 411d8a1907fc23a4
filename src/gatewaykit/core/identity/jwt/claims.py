"""What the claims of a token have to say (RFC 7519 section 4; HTTP API authorizers: reference 02 section 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from gatewaykit.core.reasons import Reason

__all__ = ["ClaimRules", "Rejected", "compile_claim", "scopes_of"]

INVALID: Final = "the token is invalid"
_LATEST_S: Final = 2.0**52  # above it seconds are no whole numbers any more


class Rejected(NamedTuple):
    """Why a token counts for nothing: for the operator, and in words that its bearer may see where AWS shows some.

    `elsewhere`: nothing is wrong with it but that no key at hand could have signed it.
    """

    reason: Reason
    detail: str
    told: str = INVALID
    elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """What is asked of every token. `issuer` None and no `audiences` ask nothing of those claims.

    `client_id_as_audience`: where a token has no audience, its client id is compared instead, as API Gateway does.
    `claims` are further claims and what their values have to pass.
    """

    issuer: str | None = None
    audiences: frozenset[str] = frozenset()
    client_id_as_audience: bool = False
    leeway_s: float = 0.0
    claims: tuple[tuple[str, Callable[[Any], bool]], ...] = ()

    def judge(self, claims: Mapping[str, Any], now_s: float) -> float | Rejected:
        """Until when the token is good, leeway included; or what is wrong with it."""
        issuer, leeway_s, audiences = claims.get("iss"), self.leeway_s, self.audiences
        if issuer != self.issuer and self.issuer is not None:
            told = f"the issuer {issuer[:200]} is invalid" if isinstance(issuer, str) else INVALID
            return Rejected(Reason.TOKEN_INVALID, f"iss is {_shown(issuer)} and not {self.issuer!r}", told)
        expires, not_before, issued = claims.get("exp"), claims.get("nbf", 0), claims.get("iat", 0)
        if type(expires) is not int and type(expires) is not float:
            return Rejected(Reason.TOKEN_INVALID, f"exp is {_shown(expires)} and no number")
        if expires <= now_s - leeway_s:
            detail = f"the token expired {now_s - max(expires, -_LATEST_S):.0f} s ago"
            return Rejected(Reason.TOKEN_EXPIRED, detail, "the token has expired")
        if (type(not_before) is not int and type(not_before) is not float) or not not_before <= now_s + leeway_s:
            return Rejected(Reason.TOKEN_INVALID, f"nbf is {_shown(not_before)}, which is no number or lies ahead")
        if (type(issued) is not int and type(issued) is not float) or not issued <= now_s + leeway_s:
            return Rejected(Reason.TOKEN_INVALID, f"iat is {_shown(issued)}, which is no number or lies ahead")
        if audiences and not (
            (type(audience := claims.get("aud")) is str and audience in audiences) or self._is_meant(claims)
        ):
            shown = (
                f"aud is {_shown(audience)}"
                if "aud" in claims
                else f"no aud; client_id is {_shown(claims.get('client_id'))}"
            )
            told = "the token does not have a valid audience"
            return Rejected(Reason.TOKEN_INVALID, f"{shown}, which is not one of {sorted(audiences)}", told)
        for name, passes in self.claims:
            if name not in claims:
                return Rejected(Reason.TOKEN_INVALID, f"the token has no claim {name!r}")
            try:
                fits = passes(claims[name])
            except Exception as error:  # noqa: BLE001 - a user's own test; whatever it raises refuses the token
                return Rejected(Reason.TOKEN_INVALID, f"the test of claim {name!r} raised {type(error).__name__}")
            if not fits:
                return Rejected(
                    Reason.TOKEN_INVALID, f"the claim {name!r} is {_shown(claims[name])}, which does not do"
                )
        return min(expires, _LATEST_S) + self.leeway_s

    def _is_meant(self, claims: Mapping[str, Any]) -> bool:
        audience = claims.get("aud")
        if self.client_id_as_audience and "aud" not in claims:
            audience = claims.get("client_id")
        if isinstance(audience, str):
            return audience in self.audiences
        return isinstance(audience, list) and any(
            isinstance(each, str) and each in self.audiences for each in audience
        )  # fmt: skip


def compile_claim(wanted: object) -> Callable[[Any], bool]:
    """What a rule for one claim means: a value to be equal to, a set of values, or a function that decides.

    A claim that is a list passes when one of its members does.
    """
    if callable(wanted):
        return lambda value: bool(wanted(value))
    values = list(wanted) if isinstance(wanted, (AbstractSet, list, tuple)) else [wanted]

    def passes(value: Any) -> bool:
        found = value if isinstance(value, list) else [value]
        return any(_same(each, other) for each in found for other in values)

    return passes


def scopes_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes of a token: `scope` as words, or `scp` as words or a list."""
    scopes = claims.get("scope")
    if scopes is None:
        scopes = claims.get("scp")
    if isinstance(scopes, str):
        return tuple(scopes.split())
    if isinstance(scopes, list):
        return tuple(each for each in scopes if isinstance(each, str))
    return ()


def _same(value: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1."""
    return bool(value == other) and isinstance(value, bool) is isinstance(other, bool)


def _shown(value: object) -> str:
    """A value as a log shows it: short, and on one line."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}…"
