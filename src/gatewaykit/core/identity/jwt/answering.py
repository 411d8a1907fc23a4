"""What a caller without a good token is told: enough to get one, and nothing about why this one fails.

RFC 6750 section 3; for HTTP APIs the field as API Gateway writes it, with its descriptions (reference 02 section 5).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gatewaykit.core.identity.bearer import challenge, quotable
from gatewaykit.core.identity.jwt.claims import Rejected
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["Answering", "compile_answers"]

Answering = Callable[[Rejected], Refusal]


def compile_answers(scopes: Sequence[str], *, http_api: bool) -> Answering:
    """The refusal of a rejected token, where these scopes are asked for."""
    scope = " ".join(scopes)

    def answer(rejected: Rejected) -> Refusal:
        if rejected.reason in (Reason.ISSUER_UNREACHABLE, Reason.MALFORMED_REQUEST):
            return Refusal(rejected.reason, rejected.detail)
        error = "insufficient_scope" if rejected.reason is Reason.SCOPE_MISSING else "invalid_token"
        if rejected.reason is Reason.TOKEN_MISSING:
            field = challenge()
        elif http_api:
            shown = scope if rejected.reason is Reason.SCOPE_MISSING else ""
            told = f'Bearer scope="{quotable(shown)}" error="{error}" error_description="{quotable(rejected.told)}"'
            field = (b"www-authenticate", told.encode("ascii"))
        else:
            field = challenge(error, scope=scope if rejected.reason is Reason.SCOPE_MISSING else None)
        if http_api:
            return Refusal(rejected.reason, rejected.detail, aws_headers=(field,))
        return Refusal(rejected.reason, rejected.detail, headers=(field,))

    return answer
