"""Header tables and header safety."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.payload.headers import (
    REMAP_HTTP_PROXY,
    REMAP_NON_PROXY,
    connection_names,
    field,
    readable_headers,
    remap,
)

NEVER = (
    "Connection Content-Length Content-MD5 Expect Max-Forwards Proxy-Authenticate Server TE Transfer-Encoding Trailer "
    "Upgrade WWW-Authenticate"
)
READABLE = (
    "Accept Accept-Charset Accept-Encoding Age Authorization Content-Encoding Content-Type Date Host Pragma Range "
    "Referer User-Agent Via Warn"
)
REMAPPED = (
    "Authorization Connection Content-Length Content-MD5 Date Expect Host Max-Forwards Proxy-Authenticate Server "
    "Trailer Upgrade User-Agent WWW-Authenticate"
)
AS_IS = (
    "Accept Accept-Charset Accept-Encoding Age Content-Encoding Content-Type Pragma Range Referer TE Via Warn X-Custom"
)


@pytest.mark.parametrize("name", NEVER.split())
def test_some_headers_are_never_readable(name: str) -> None:  # row 89
    assert name not in readable_headers([(name.encode(), b"v")])


@pytest.mark.parametrize("name", READABLE.split())
def test_other_headers_are_readable(name: str) -> None:  # row 89
    assert readable_headers([(name.encode(), b"v")])[name] == "v"


@pytest.mark.parametrize("name", REMAPPED.split())
def test_a_mapped_response_header_is_renamed(name: str) -> None:  # row 93
    assert remap([(name.encode(), b"v")], REMAP_NON_PROXY) == [(b"x-amzn-Remapped-" + name.encode(), b"v")]


@pytest.mark.parametrize("name", AS_IS.split())
def test_other_mapped_response_headers_stay(name: str) -> None:  # row 93
    assert remap([(name.encode(), b"v")], REMAP_NON_PROXY) == [(name.encode(), b"v")]


def test_transfer_encoding_vanishes() -> None:  # row 93
    assert remap([(b"Transfer-Encoding", b"chunked")], REMAP_NON_PROXY) == []
    assert remap([(b"Transfer-Encoding", b"chunked")], REMAP_HTTP_PROXY) == []


def test_names_are_looked_up_as_sent_and_then_in_any_casing() -> None:
    headers = readable_headers([(b"x-one", b"1"), (b"X-Two", b"a"), (b"X-Two", b"b")])

    assert list(headers) == ["x-one", "X-Two"]
    assert (headers["X-One"], headers.get("X-ONE"), headers["X-Two"], headers.get("x-two")) == ("1", "1", "b", "b")
    assert headers.get("x-three") is None
    assert headers.get("x-three", "d") == "d"
    assert "X-ONE" in headers
    assert object() not in headers
    with pytest.raises(KeyError):
        headers["x-three"]


def test_connection_names_the_fields_of_one_hop() -> None:
    assert connection_names([(b"Connection", b"close, X-Hop"), (b"connection", b"keep-alive"), (b"X", b"y")]) == {
        b"close",
        b"x-hop",
        b"keep-alive",
    }


@given(st.text(), st.text())
def test_a_field_is_one_safe_line_or_none(name: str, value: str) -> None:
    pair = field(name, value)

    assert pair is None or not (set(b"\r\n\0") & set(pair[0] + pair[1]))
    assert pair is None or (b":" not in pair[0] and pair[0])
