"""The token of a request: `Authorization: Bearer …` (RFC 6750 section 2.1), or the value where it was put instead."""

from __future__ import annotations

from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["bearer_token", "challenge", "quotable"]


def bearer_token(value: str | None, *, bare: bool = False) -> str | Refusal:
    """The token in the value of a header. `bare` also takes a value without the scheme, as AWS's authorizers do."""
    if value is None or not (text := value.strip()):
        return Refusal(Reason.TOKEN_MISSING, "no token was sent")
    scheme, _, token = text.partition(" ")
    if scheme.lower() == "bearer":
        token = token.strip()
        return token if token else Refusal(Reason.TOKEN_MISSING, "the scheme Bearer without a token")
    if bare and not token:
        return scheme
    return Refusal(Reason.TOKEN_MISSING, "credentials of another scheme than Bearer")


def challenge(error: str = "", description: str = "", *, scope: str | None = None) -> tuple[bytes, bytes]:
    """A WWW-Authenticate field for the scheme Bearer (RFC 6750 section 3)."""
    parts = [("scope", scope), ("error", error), ("error_description", description)]
    told = ", ".join(f'{name}="{quotable(value)}"' for name, value in parts if value)
    return b"www-authenticate", f"Bearer {told}".strip().encode("ascii")


def quotable(text: str) -> str:
    """What may stand in an error description (RFC 6750 section 3): printable ASCII without quotes and backslashes."""
    return "".join(character if " " <= character <= "~" and character not in '"\\' else "?" for character in text)
