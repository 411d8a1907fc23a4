"""Where a token stands."""

from __future__ import annotations

import pytest

from gatewaykit.core.http import Request
from gatewaykit.core.identity.token_source import TokenSource, token_source


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("header:authorization", TokenSource(header=b"authorization")),
        ("header:X-Token", TokenSource(header=b"x-token")),
        ("query:access token", TokenSource(query="access token")),
        ("method.request.header.Authorization", TokenSource(header=b"authorization")),
        ("$request.header.Authorization", TokenSource(header=b"authorization")),
        ("$request.querystring.Token", TokenSource(query="Token")),
        ("method.request.querystring.t", TokenSource(query="t")),
    ],
    ids=lambda value: str(value),
)
def test_it_is_written_in_our_words_or_those_of_definitions(text: str, source: TokenSource) -> None:
    assert token_source(text) == source


@pytest.mark.parametrize(
    "text", ["", "authorization", "header:", "header:a b", "cookie:a", "$request.body.a", 7], ids=repr
)
def test_anything_else_is_no_place(text: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        token_source(text)


def test_the_last_of_several_values_counts() -> None:
    request = Request("GET", "/", headers=[(b"X-T", b"1"), (b"x-t", b"2")], query_string=b"t=1&t=%C3%A9")

    assert token_source("header:x-t").reader()(request) == b"2"
    assert token_source("query:t").reader()(request) == "\xe9".encode()


def test_what_was_not_sent_is_none() -> None:
    assert [token_source(text).reader()(Request("GET", "/")) for text in ("header:x", "query:x")] == [None, None]


def test_it_is_named_in_words() -> None:
    assert [str(token_source(text)) for text in ("header:X-T", "query:t")] == ["header x-t", "query parameter t"]
