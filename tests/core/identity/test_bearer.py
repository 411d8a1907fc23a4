from __future__ import annotations

import pytest

from gatewaykit.core.identity.bearer import bearer_token, challenge
from gatewaykit.core.reasons import Reason, Refusal


@pytest.mark.parametrize(
    ("value", "bare", "token"),
    [
        pytest.param("Bearer abc.def", False, "abc.def", id="as RFC 6750"),
        pytest.param("bEaReR  abc ", False, "abc", id="any casing and blanks"),
        pytest.param("abc.def", True, "abc.def", id="bare, where that is allowed"),
        pytest.param("Bearer abc", True, "abc", id="with the scheme, where bare is allowed"),
    ],
)
def test_a_token_is_found(value: str, bare: bool, token: str) -> None:
    assert bearer_token(value, bare=bare) == token


@pytest.mark.parametrize("value", [None, "", "  ", "Bearer", "Bearer  ", "Basic YTpi", "abc.def"])
def test_anything_else_is_no_token(value: str | None) -> None:
    found = bearer_token(value)

    assert isinstance(found, Refusal)
    assert found.reason is Reason.TOKEN_MISSING


def test_a_scheme_without_a_token_is_no_bare_token() -> None:
    assert isinstance(bearer_token("Basic YTpi", bare=True), Refusal)
    assert isinstance(bearer_token("Bearer", bare=True), Refusal)


@pytest.mark.parametrize(
    ("field", "written"),
    [
        pytest.param(challenge(), b"Bearer", id="nothing to say"),
        pytest.param(challenge("invalid_token"), b'Bearer error="invalid_token"', id="an error"),
        pytest.param(
            challenge("insufficient_scope", 'a "b"\r\n\\\u00fc', scope="read"),
            b'Bearer scope="read", error="insufficient_scope", error_description="a ?b?????"',
            id="what may not stand there",
        ),
    ],
)
def test_challenges(field: tuple[bytes, bytes], written: bytes) -> None:
    assert field == (b"www-authenticate", written)
