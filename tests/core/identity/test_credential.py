"""Where a credential stands, and that it stands there once."""

from __future__ import annotations

import pytest

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.identity.credential import masked, sole_value
from gatewaykit.core.identity.token_source import token_source
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
    read = sole_value(token_source("header:authorization"))

    assert read(Request("GET", "/", headers=headers)) == value


@pytest.mark.parametrize(("query", "value"), [(b"", None), (b"a=1", None), (b"token=x+y", "x y")])
def test_the_value_of_a_query_parameter_that_was_sent_once(query: bytes, value: str | None) -> None:
    assert sole_value(token_source("query:token"))(Request("GET", "/", query_string=query)) == value


@pytest.mark.parametrize(
    ("source", "told"), [("header:authorization", "header authorization"), ("query:t", "query parameter t")]
)
def test_a_credential_that_was_sent_twice_is_refused(source: str, told: str) -> None:
    headers = [(b"Authorization", b"Bearer a"), (b"authorization", b"Bearer b")]

    refusal = sole_value(token_source(source))(Request("GET", "/", headers=headers, query_string=b"t=a&t=b"))

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.detail) == (Reason.MALFORMED_REQUEST, f"the {told} was sent more than once")


@pytest.mark.parametrize(
    ("secret", "told"), [("", "****"), ("a-short-token", "****"), ("a-token-of-20-letter", "****tter")]
)
def test_four_characters_of_a_long_secret_are_told(secret: str, told: str) -> None:
    assert masked(secret) == told
