"""What a rejected caller is told (02 section 5; RFC 6750 section 3)."""

from __future__ import annotations

import pytest

from gatewaykit.core.identity.jwt.answering import compile_answers
from gatewaykit.core.identity.jwt.claims import Rejected
from gatewaykit.core.reasons import Reason

SCOPES = ("a:read", "a:write")


@pytest.mark.parametrize(
    ("rejected", "value"),
    [
        (Rejected(Reason.TOKEN_MISSING, "none"), b"Bearer"),
        (Rejected(Reason.TOKEN_INVALID, "secret reason"), b'Bearer error="invalid_token"'),
        (Rejected(Reason.TOKEN_EXPIRED, "old", "the token has expired"), b'Bearer error="invalid_token"'),
        (Rejected(Reason.SCOPE_MISSING, "no"), b'Bearer scope="a:read a:write", error="insufficient_scope"'),
    ],
    ids=["no token", "invalid", "expired", "no scope"],
)
def test_in_general_a_client_learns_no_reason(rejected: Rejected, value: bytes) -> None:
    refusal = compile_answers(SCOPES, http_api=False)(rejected)

    assert refusal.headers == ((b"www-authenticate", value),)
    assert refusal.aws_headers == ()
    assert (refusal.reason, refusal.detail) == (rejected.reason, rejected.detail)


@pytest.mark.parametrize(
    ("rejected", "value"),
    [
        (Rejected(Reason.TOKEN_MISSING, "none"), b"Bearer"),
        (
            Rejected(Reason.TOKEN_EXPIRED, "old", "the token has expired"),
            b'Bearer scope="" error="invalid_token" error_description="the token has expired"',
        ),
        (
            Rejected(Reason.TOKEN_INVALID, "no", 'the issuer "\r\n\xe9\\ is invalid'),
            b'Bearer scope="" error="invalid_token" error_description="the issuer ????? is invalid"',
        ),
        (
            Rejected(Reason.SCOPE_MISSING, "no", "no scope"),
            b'Bearer scope="a:read a:write" error="insufficient_scope" error_description="no scope"',
        ),
    ],
    ids=["no token", "expired", "an issuer that would break the header", "no scope"],
)
def test_an_http_api_writes_the_field_under_every_profile(rejected: Rejected, value: bytes) -> None:
    refusal = compile_answers(SCOPES, http_api=True)(rejected)

    assert refusal.aws_headers == ((b"www-authenticate", value),)
    assert refusal.headers == ()


def test_a_request_with_two_tokens_is_malformed() -> None:
    refusal = compile_answers((), http_api=False)(Rejected(Reason.MALFORMED_REQUEST, "twice"))

    assert (refusal.reason.status, refusal.headers) == (400, ())


@pytest.mark.parametrize("http_api", [True, False])
def test_an_issuer_that_cannot_be_asked_is_no_matter_of_the_client(http_api: bool) -> None:
    refusal = compile_answers(SCOPES, http_api=http_api)(Rejected(Reason.ISSUER_UNREACHABLE, "down"))

    assert (refusal.headers, refusal.aws_headers) == ((), ())
    assert refusal.reason.status == 500
