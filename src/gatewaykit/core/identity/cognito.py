"""Amazon Cognito user pools: which issuer a pool is, what its tokens have to be, and how their claims are shown.

Developer guide, "Control access to REST APIs using Amazon Cognito user pools as an authorizer"; reference 02 section 4.
A method without scopes takes ID tokens, one with scopes access tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from gatewaykit.core.identity.jwt.claims import Rejected
from gatewaykit.core.identity.jwt.verifying import Verified
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["claim_texts", "pool_issuer", "unfit"]

_POOL_ARN: Final = re.compile(r"arn:(aws[a-z-]*):cognito-idp:([a-z0-9-]+):\d*:userpool/([\w-]+)", re.ASCII)
_SUFFIX: Final = {"aws-cn": "amazonaws.com.cn"}
_DATES: Final = frozenset(("exp", "iat"))
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)


def pool_issuer(arn: str) -> str | None:
    """The issuer of a user pool's tokens; None for what is no ARN of one."""
    match = _POOL_ARN.fullmatch(arn)
    if match is None:
        return None
    return f"https://cognito-idp.{match[2]}.{_SUFFIX.get(match[1], 'amazonaws.com')}/{match[3]}"


def unfit(
    token: Verified, scopes: Collection[str], fits_audience: Callable[[str], Refusal | None] | None
) -> Rejected | None:
    """What is wrong with the kind of a verified token, where these scopes are asked for.

    `fits_audience` is the validation expression: it is for the audience, which access tokens do not have.
    """
    claims, found, _ = token
    kind, wanted = claims.get("token_use"), "access" if scopes else "id"
    if kind != wanted:
        asked = f"the scopes {' '.join(sorted(scopes))}" if scopes else "no scope"
        return Rejected(Reason.TOKEN_UNFIT, f"token_use is {repr(kind)[:100]}; {asked} takes {wanted!r} tokens")
    if scopes and not any(scope in scopes for scope in found):
        return Rejected(Reason.TOKEN_UNFIT, f"the token's scopes are {found!r}, and one of {sorted(scopes)} is needed")
    if fits_audience is not None:
        audience = claims.get("aud")
        refused = fits_audience(audience) if isinstance(audience, str) else Refusal(Reason.TOKEN_UNFIT, "no aud")
        if refused is not None:
            return Rejected(Reason.TOKEN_UNFIT, f"aud does not match the validation expression ({refused.detail})")
    return None


def claim_texts(claims: Mapping[str, Any]) -> dict[str, str]:
    """Claims as integrations get them: texts, lists with commas, and the token's two dates as Java writes them."""
    return {name: _date(value) if name in _DATES else _text(value) for name, value in claims.items()}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list):
        return ",".join(map(_text, value))
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}={_text(each)}" for name, each in value.items()) + "}"
    return str(value)


def _date(value: Any) -> str:
    try:
        moment = _EPOCH + timedelta(seconds=int(value))
    except (OverflowError, TypeError, ValueError):
        return _text(value)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day} {month} {moment.day:02} {moment:%H:%M:%S} UTC {moment.year:04}"
