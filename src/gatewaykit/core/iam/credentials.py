"""Access keys, and who is behind them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import TYPE_CHECKING, Final

from gatewaykit.core.http import Identity
from gatewaykit.core.iam.access import Principal
from gatewaykit.core.reasons import Reason, Refusal

if TYPE_CHECKING:
    from gatewaykit.core.iam.policy import CompiledPolicy

__all__ = ["DECOY", "KEY_ID", "MIN_SECRET", "Credentials", "identity_of", "settled"]

KEY_ID: Final = re.compile(r"[A-Za-z0-9_+=.@-]{1,128}")
"""What an access key id looks like."""

MIN_SECRET: Final = 16
"""The shortest secret accepted: below it, secrets can be found by trying. Those of AWS have 40 characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An access key: its secret, its owner, and the policies that hold for the owner.

    Temporary ones have a `session_token`, and `expires_s` (seconds since 1970). `policies` are identity policies, and
    the boundary, session and service-control policies that limit them; a sequence among them is a level of its own.
    What is secret never shows in a repr.
    """

    access_key_id: str
    secret: str = field(repr=False)
    principal: Principal
    session_token: str | None = field(default=None, repr=False)
    expires_s: float | None = None
    active: bool = True
    policies: tuple[CompiledPolicy | Sequence[CompiledPolicy], ...] = field(default=(), repr=False)


DECOY: Final = Credentials(
    access_key_id="", secret="nobody-has-this-secret", principal=Principal(arn="", account=""), active=False
)
"""Stands in for an unknown access key, so that it goes the same way as a known one."""


def settled(credentials: Credentials, mismatch: Refusal | None, token: bytes | None, now_s: float) -> Refusal | None:
    """None where the access key holds now. `mismatch` is what was found of the signature, `token` what was sent.

    An unknown key is told first, as on AWS, and what is wrong with the token only to who has the secret.
    """
    expected = credentials.session_token
    same = compare_digest((expected or "").encode("utf-8", "surrogatepass"), token or b"")
    if not credentials.active:
        return _unknown("it is inactive" if credentials.access_key_id else "nobody has it")
    if mismatch is not None:
        return mismatch
    if not same or (expected is None) != (token is None):
        return _unknown("its session token is missing" if token is None else "the session token is not its own")
    if credentials.expires_s is not None and now_s >= credentials.expires_s:
        return Refusal(Reason.SESSION_TOKEN_EXPIRED, "the session of this access key has expired")
    return None


def identity_of(credentials: Credentials) -> Identity:
    """The caller, as handlers and `$context.identity` see it."""
    principal = credentials.principal
    claims = {
        "accountId": principal.account,
        "accessKey": credentials.access_key_id,
        "caller": principal.user_id,
        "user": principal.user_id,
        "userArn": principal.arn,
    }
    if principal.org_id:
        claims["principalOrgId"] = principal.org_id
    return Identity(principal=principal.arn, kind="iam", claims=claims)


def _unknown(why: str) -> Refusal:
    # The error type is the one recorded from an execute-api host; the message is the reason's.
    return Refusal(Reason.ACCESS_KEY_UNKNOWN, f"the access key: {why}", error_type="UnrecognizedClientException")
