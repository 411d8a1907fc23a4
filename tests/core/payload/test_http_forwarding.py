"""Which headers pass between client and HTTP back end."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.payload.http_forwarding import http_headers, proxy_headers, proxy_response_headers
from gatewaykit.core.reasons import Refusal

TRACE = "Root=1-00000000-000000000000000000000000"
OURS = [(b"X-Amzn-Apigateway-Api-Id", b"abc"), (b"X-Amzn-Trace-Id", TRACE.encode())]
DEFAULTS = [(b"Accept", b"application/json"), (b"User-Agent", b"AmazonAPIGateway_abc")]


def sent_by_http(headers: HeaderList, method: str = "GET", **mapped: str) -> HeaderList | Refusal:
    return http_headers(Request(method, "/", headers=headers), mapped, api_id="abc", trace=TRACE)


def sent_by_proxy(headers: HeaderList, mapped: dict[str, str] | None = None) -> HeaderList | Refusal:
    return proxy_headers(Request("GET", "/", headers=headers), mapped or {}, api_id="abc", trace=TRACE)


def test_http_sends_its_own_headers_and_none_of_the_clients() -> None:  # row 79
    sent = sent_by_http([(b"accept", b"text/html"), (b"x-client", b"1"), (b"content-type", b"text/plain")])

    assert sent == DEFAULTS + OURS


def test_http_copies_the_content_type_where_there_is_a_body() -> None:
    copied = sent_by_http([(b"content-type", b"text/plain")], "POST")

    assert copied == [*DEFAULTS, *OURS, (b"Content-Type", b"text/plain")]
    assert sent_by_http([], "POST") == [*DEFAULTS, *OURS, (b"Content-Type", b"application/json")]


def test_a_mapped_header_replaces_a_default() -> None:
    assert sent_by_http([], accept="text/xml") == [DEFAULTS[1], *OURS, (b"accept", b"text/xml")]


@pytest.mark.parametrize(
    "name",
    [
        "Accept", "Accept-Charset", "Accept-Encoding", "Age", "Authorization", "Content-Type", "Date",
        "Pragma", "Range", "Referer", "User-Agent", "Warn", "X-Own",
    ],
)  # fmt: skip
def test_http_proxy_forwards_the_clients_header(name: str) -> None:  # row 80
    sent = sent_by_proxy([(name.encode(), b"v")])

    assert isinstance(sent, list)
    assert [pair for pair in sent if pair[0].lower() == name.lower().encode()] == [(name.encode(), b"v")]


@pytest.mark.parametrize(
    "name",
    [
        "Host", "Content-Encoding", "Via", "Connection", "Content-Length", "Content-MD5", "Expect",
        "Max-Forwards", "Proxy-Authenticate", "Server", "TE", "Transfer-Encoding", "Trailer", "Upgrade",
        "WWW-Authenticate", "Keep-Alive", "Proxy-Authorization", "X-HTTP-Method-Override",
    ],
)  # fmt: skip
def test_http_proxy_does_not_forward_the_clients_header(name: str) -> None:  # rows 80 and 89
    sent = sent_by_proxy([(name.encode(), b"identity")])

    assert sent == DEFAULTS + OURS


def test_http_proxy_does_not_forward_what_connection_lists() -> None:
    sent = sent_by_proxy([(b"Connection", b"close, X-Hop"), (b"X-Hop", b"1"), (b"X-Stays", b"2")])

    assert sent == [(b"X-Stays", b"2"), *DEFAULTS, *OURS]


def test_a_client_cannot_take_away_or_forge_what_the_gateway_adds() -> None:
    forged = [(b"x-amzn-trace-id", b"no"), (b"x-amzn-apigateway-api-id", b"no")]

    sent = sent_by_proxy([(b"Connection", b"X-Amzn-Trace-Id"), *forged])

    assert sent == DEFAULTS + OURS


def test_a_signature_is_not_forwarded() -> None:
    assert sent_by_proxy([(b"authorization", b"AWS4-HMAC-SHA256 Credential=a/b")]) == DEFAULTS + OURS


@pytest.mark.parametrize("coding", [b"gzip", b"identity"])
def test_a_coding_that_was_undone_is_not_forwarded(coding: bytes) -> None:
    assert sent_by_proxy([(b"Content-Encoding", coding)]) == DEFAULTS + OURS


def test_a_mapped_header_replaces_the_clients() -> None:  # row 87
    sent = sent_by_proxy([(b"headervar", b"client"), (b"HeaderVar", b"again")], {"headerVar": "mapped"})

    assert sent == [*DEFAULTS, *OURS, (b"headerVar", b"mapped")]


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\nb", "a\0"])
def test_a_mapped_value_that_is_more_than_one_line_is_refused(value: str) -> None:
    assert isinstance(sent_by_proxy([], {"x": value}), Refusal)
    assert isinstance(sent_by_http([], x=value), Refusal)


def test_http_proxy_renames_what_the_gateway_sends_itself() -> None:  # row 81
    answer = proxy_response_headers([
        (b"Connection", b"keep-alive"), (b"Content-Length", b"5"), (b"Date", b"d"), (b"Server", b"s"),
        (b"x-amzn-RequestId", b"r"), (b"WWW-Authenticate", b"Basic"), (b"Content-Type", b"text/plain"),
        (b"Transfer-Encoding", b"identity"), (b"Keep-Alive", b"timeout=5"), (b"Via", b"1.1 x"), (b"Set-Cookie", b"a"),
        (b"Set-Cookie", b"b"), (b"Content-Encoding", b"gzip"),
    ])  # fmt: skip

    assert answer == [
        (b"x-amzn-Remapped-Connection", b"keep-alive"), (b"x-amzn-Remapped-Content-Length", b"5"),
        (b"x-amzn-Remapped-Date", b"d"), (b"x-amzn-Remapped-Server", b"s"), (b"x-amzn-Remapped-x-amzn-RequestId", b"r"),
        (b"WWW-Authenticate", b"Basic"), (b"Content-Type", b"text/plain"), (b"Set-Cookie", b"a"), (b"Set-Cookie", b"b"),
        (b"Content-Encoding", b"gzip"),
    ]  # fmt: skip


def test_http_proxy_sends_a_length_of_its_own_and_drops_the_fields_of_one_hop() -> None:
    answer = proxy_response_headers([(b"Connection", b"X-Hop, server"), (b"X-Hop", b"1"), (b"content-length", b"7")])

    assert answer == [
        (b"x-amzn-Remapped-Connection", b"X-Hop, server"),
        (b"x-amzn-Remapped-content-length", b"7"),
        (b"content-length", b"7"),
        (b"content-type", b"application/json"),
    ]


@given(st.lists(st.tuples(st.binary(min_size=1), st.binary())), st.dictionaries(st.text(), st.text(), max_size=3))
def test_no_mapping_can_add_a_line(headers: HeaderList, mapped: dict[str, str]) -> None:
    sent = sent_by_proxy(headers, mapped)

    if isinstance(sent, list):
        names = {name.encode("utf-8", "replace") for name in mapped}
        assert not any(set(b"\r\n\0") & set(name + value) for name, value in sent if name in names)
