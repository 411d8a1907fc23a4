"""Where a token stands."""

from __future__ import annotations

import pytest

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


def test_it_is_named_in_words() -> None:
    assert [str(token_source(text)) for text in ("header:X-T", "query:t")] == ["header x-t", "query parameter t"]
