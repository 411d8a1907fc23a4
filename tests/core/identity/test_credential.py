"""The header that carries a credential."""

from __future__ import annotations

import pytest

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.identity.credential import masked, sole_value
from gatewaykit.core.reasons import Reason, Refusal


@pytest.mark.parametrize(
    ("headers", "value"),
    [
        ([], None),
        ([(b"Authorization", b"Bearer \xe9")], "Bearer \xe9"),
        ([(b"accept", b"a"), (b"accept", b"b"), (b"authorization", b"one")], "one"),
    ],
    ids=["none", "one", "another header twice"],
)
def test_the_value_of_a_header_that_was_sent_once(headers: HeaderList, value: str | None) -> None:
    assert sole_value(Request("GET", "/", headers=headers), b"authorization") == value


def test_a_credential_that_was_sent_twice_is_refused() -> None:
    headers = [(b"Authorization", b"Bearer a"), (b"authorization", b"Bearer b")]

    refusal = sole_value(Request("GET", "/", headers=headers), b"authorization")

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MALFORMED_REQUEST


@pytest.mark.parametrize(
    ("secret", "told"), [("", "****"), ("a-short-token", "****"), ("a-token-of-20-letter", "****tter")]
)
def test_four_characters_of_a_long_secret_are_told(secret: str, told: str) -> None:
    assert masked(secret) == told
