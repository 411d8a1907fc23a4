"""What a request head looks like on the wire, and what never gets there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.errors import UpstreamError
from gatewaykit.ports import UpstreamRequest
from gatewaykit.upstream.request_head import CHUNKED, encode_head, host_field


async def no_chunks() -> AsyncIterator[bytes]:
    return
    yield


STREAM = no_chunks()


def request(method: str = "GET", target: bytes = b"/", headers: Any = (), body: Any = b"") -> UpstreamRequest:
    return UpstreamRequest(method, "http", "h", 80, target, list(headers), body)


def encode(**parts: Any) -> bytes:
    return encode_head(request(**parts), b"Host: h\r\n")[0]


def test_target_names_casing_and_order_go_out_as_given() -> None:
    head = encode(target=b"/a%2Fb//..?q=%20&", headers=[(b"X-B", b"2"), (b"x-a", b" 1 "), (b"X-B", b"\xff")])

    assert head == b"GET /a%2Fb//..?q=%20& HTTP/1.1\r\nHost: h\r\nX-B: 2\r\nx-a:  1 \r\nX-B: \xff\r\n\r\n"


def test_a_host_field_of_the_caller_stays_where_it_is() -> None:
    assert encode(headers=[(b"a", b"1"), (b"hOST", b"other")]) == b"GET / HTTP/1.1\r\na: 1\r\nhOST: other\r\n\r\n"


@pytest.mark.parametrize(
    ("parts", "framing", "length"),
    [
        ({"method": "GET"}, b"", 0),
        ({"method": "HEAD"}, b"", 0),
        ({"method": "OPTIONS", "target": b"*"}, b"", 0),
        ({"method": "DELETE"}, b"", 0),
        ({"method": "PURGE"}, b"", 0),
        ({"method": "POST"}, b"Content-Length: 0\r\n", 0),
        ({"method": "PUT"}, b"Content-Length: 0\r\n", 0),
        ({"method": "PATCH"}, b"Content-Length: 0\r\n", 0),
        ({"method": "POST", "body": b"abc"}, b"Content-Length: 3\r\n", 3),
        ({"method": "GET", "body": b"abc"}, b"Content-Length: 3\r\n", 3),
        ({"method": "POST", "body": STREAM}, b"Transfer-Encoding: chunked\r\n", CHUNKED),
        ({"method": "GET", "body": STREAM}, b"Transfer-Encoding: chunked\r\n", CHUNKED),
    ],
    ids=lambda value: str(value.get("method")) if isinstance(value, dict) else None,
)
def test_framing_is_added_where_the_body_needs_it(parts: dict[str, Any], framing: bytes, length: int) -> None:
    head, announced, keep = encode_head(request(**parts), b"Host: h\r\n")

    assert head.split(b"Host: h\r\n")[1] == framing + b"\r\n"
    assert (announced, keep) == (length, True)


@pytest.mark.parametrize(
    ("field", "body", "length"),
    [
        ((b"content-length", b"3"), b"abc", 3),
        ((b"Content-Length", b"10"), STREAM, 10),
        ((b"Transfer-Encoding", b"chunked"), STREAM, CHUNKED),
    ],
    ids=["length of bytes", "length of a stream", "chunked stream"],
)
def test_framing_of_the_caller_is_used_where_it_is_right(field: tuple[bytes, bytes], body: Any, length: int) -> None:
    head, announced, _ = encode_head(request(method="POST", headers=[field], body=body), b"Host: h\r\n")

    assert head == b"POST / HTTP/1.1\r\nHost: h\r\n" + b": ".join(field) + b"\r\n\r\n"
    assert announced == length


@pytest.mark.parametrize(
    ("value", "keep"), [(b"close", False), (b"Keep-Alive, Close", False), (b"keep-alive", True)], ids=str
)
def test_a_connection_that_the_request_closes_is_not_kept(value: bytes, keep: bool) -> None:
    assert encode_head(request(headers=[(b"Connection", value)]), b"")[2] is keep


@pytest.mark.parametrize(
    "parts",
    [
        {"headers": [(b"a", b"1\r\nx: y")]},
        {"headers": [(b"a", b"1\nx: y")]},
        {"headers": [(b"a", b"1\rx: y")]},
        {"headers": [(b"a", b"\0")]},
        {"headers": [(b"a\r\nb", b"1")]},
        {"headers": [(b"a: b", b"1")]},
        {"headers": [(b"a ", b"1")]},
        {"headers": [(b"", b"1")]},
        {"headers": [(b"\xe9", b"1")]},
        {"method": "GET / HTTP/1.1\r\nx: y\r\n\r\n"},
        {"method": "G\u00c9T"},
        {"method": "G\u4e2dT"},
        {"method": ""},
        {"method": "CONNECT"},
        {"headers": [(b"host", b"a"), (b"Host", b"b")]},
        {"headers": [(b"content-length", b"2")], "body": b"abc"},
        {"headers": [(b"content-length", b"3"), (b"Content-Length", b"3")], "body": b"abc"},
        {"headers": [(b"content-length", b"+3")], "body": b"abc"},
        {"headers": [(b"content-length", b"9" * 5000)], "body": STREAM},
        {"headers": [(b"content-length", b"")], "body": STREAM},
        {"headers": [(b"transfer-encoding", b"chunked")], "body": b"abc"},
        {"headers": [(b"transfer-encoding", b"gzip")], "body": STREAM},
        {"headers": [(b"transfer-encoding", b"chunked"), (b"content-length", b"3")], "body": STREAM},
    ],
    ids=lambda parts: repr({name: part for name, part in parts.items() if part is not STREAM})[:80],
)
def test_what_would_be_read_in_two_ways_is_refused(parts: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError) as refused:
        encode(**parts)

    assert refused.value.kind == "invalid"


@pytest.mark.parametrize(
    "target", [b"", b"a", b"http://h/", b"/a b", b"/a\r\nx: y", b"/\n", b"/\0", b"/\t", b"/\x7f", b"**"], ids=repr
)
def test_a_bad_target_is_refused_as_an_address(target: bytes) -> None:
    with pytest.raises(UpstreamError) as refused:
        encode(target=target)

    assert refused.value.kind == "address"


@pytest.mark.parametrize(
    ("origin", "field"),
    [
        (("http", "example.com", 80), b"Host: example.com\r\n"),
        (("https", "example.com", 443), b"Host: example.com\r\n"),
        (("http", "example.com", 443), b"Host: example.com:443\r\n"),
        (("https", "10.0.0.1", 8443), b"Host: 10.0.0.1:8443\r\n"),
        (("http", "::1", 8080), b"Host: [::1]:8080\r\n"),
        (("http", "b\u00fccher.example", 80), b"Host: xn--bcher-kva.example\r\n"),
    ],
)
def test_the_host_field_has_the_port_unless_it_is_the_schemes(origin: tuple[str, str, int], field: bytes) -> None:
    assert host_field(*origin) == field


@pytest.mark.parametrize(
    "origin",
    [
        ("ftp", "h", 21), ("http", "", 80), ("http", "a b", 80), ("http", "a/b", 80), ("http", "a\r\nb", 80),
        ("http", "u@h", 80), ("http", "h", 0), ("http", "h", 65536), ("http", "h", -1), ("http", "\u00fc" * 70, 80),
        ("http", "[::1]", 80), ("http", "a\0", 80),
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_origin_is_refused_as_an_address(origin: tuple[str, str, int]) -> None:
    with pytest.raises(UpstreamError) as refused:
        host_field(*origin)

    assert refused.value.kind == "address"


@given(st.text(), st.binary(), st.lists(st.tuples(st.binary(), st.binary())), st.binary())
def test_any_input_gives_one_head_or_an_upstream_error(method: str, target: bytes, headers: Any, body: bytes) -> None:
    try:
        head = encode(method=method, target=b"/" + target, headers=headers, body=body)
    except UpstreamError:
        return

    assert head.count(b"\r\n\r\n") == 1
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\n") == head.count(b"\r") >= len(headers) + 2
