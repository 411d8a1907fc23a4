"""What a sidecar forwards: targets as sent, fields without those of one hop, and one Host."""

from __future__ import annotations

import pytest

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.payload.reverse_proxy import (
    forwarded_request_headers,
    forwarded_response_headers,
    forwarded_target,
)
from gatewaykit.core.reasons import Reason, Refusal


def asked(headers: HeaderList, *, address: str = "10.0.0.1", client: str = "10.0.0.1") -> Request:
    request = Request("GET", "/", headers=headers, client=(client, 5000))
    request.address = address
    return request


@pytest.mark.parametrize(
    ("path", "query", "target"),
    [
        pytest.param(b"/a%2Fb//c", b"x=%20", b"/a%2Fb//c?x=%20", id="as sent"),
        pytest.param(b"/a", b"", b"/a", id="no query"),
        pytest.param("/é".encode(), b"q=\xff", b"/%C3%A9?q=%FF", id="bytes that are no ASCII"),
        pytest.param(b"/a b\x00", b"\r\n", b"/a%20b%00?%0D%0A", id="blanks and line breaks"),
        pytest.param(b"/a#b", b"#", b"/a%23b?%23", id="a hash"),
    ],
)
def test_a_target_is_passed_on(path: bytes, query: bytes, target: bytes) -> None:
    assert forwarded_target(path, query) == target


def test_fields_of_this_hop_and_forged_ones_stay_behind() -> None:
    sent = [
        (b"Host", b"shop.example"),
        (b"Connection", b"x-hop"),
        (b"X-Hop", b"1"),
        (b"TE", b"trailers"),
        (b"X-Forwarded-For", b"6.6.6.6"),
        (b"X-Forwarded-Proto", b"https"),
        (b"X-Own", b"1"),
    ]

    assert forwarded_request_headers(asked(sent)) == [
        (b"Host", b"shop.example"),
        (b"X-Own", b"1"),
        (b"X-Forwarded-For", b"10.0.0.1"),
        (b"X-Forwarded-Host", b"shop.example"),
        (b"X-Forwarded-Proto", b"http"),
    ]


def test_what_a_trusted_proxy_says_is_kept() -> None:
    sent = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-proto", b"https"), (b"x-forwarded-host", b"public")]

    assert forwarded_request_headers(asked(sent, address="203.0.113.9")) == [
        (b"X-Forwarded-For", b"203.0.113.9, 10.0.0.1"),
        (b"X-Forwarded-Host", b"public"),
        (b"X-Forwarded-Proto", b"https"),
    ]


def test_two_hosts_are_refused() -> None:
    refusal = forwarded_request_headers(asked([(b"host", b"a"), (b"Host", b"a")]))

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MALFORMED_REQUEST


def test_a_response_keeps_all_but_the_fields_of_its_hop() -> None:
    answer = [(b"Connection", b"x-hop"), (b"X-Hop", b"1"), (b"Server", b"back"), (b"Content-Length", b"2")]

    assert forwarded_response_headers(answer) == [(b"Server", b"back"), (b"Content-Length", b"2")]
