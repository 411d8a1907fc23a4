"""The server's own protocol classes: names as sent, targets in origin form, bounded heads, WebSockets."""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

import pytest

from gatewaykit.asgi.scope import RAW_HEADERS
from gatewaykit.server import httptools_protocol
from gatewaykit.server.h11_protocol import RawH11Protocol
from gatewaykit.server.httptools_protocol import RawHttpToolsProtocol
from gatewaykit.server.limits import MAX_HEAD_BYTES
from tests.server.serving import Recorder, exchange, serving

BOTH = pytest.mark.parametrize("protocol", [RawHttpToolsProtocol, RawH11Protocol], ids=["httptools", "h11"])


@BOTH
async def test_header_names_are_kept_as_sent_and_the_scope_has_them_in_lower_case(protocol: Any) -> None:
    app = Recorder()
    async with serving(app, protocol) as port:
        await exchange(port, b"GET /x HTTP/1.1\r\nHost: h\r\nX-KEY: v1\r\nx-key: V2\r\nConnection: close\r\n\r\n")

    expected = [(b"Host", b"h"), (b"X-KEY", b"v1"), (b"x-key", b"V2"), (b"Connection", b"close")]
    assert list(app.scopes[0]["extensions"][RAW_HEADERS]) == expected
    assert list(app.scopes[0]["headers"]) == [(name.lower(), value) for name, value in expected]


@BOTH
async def test_a_response_with_a_date_of_its_own_keeps_it(protocol: Any) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        fields = [(b"content-length", b"0"), (b"date", b"Thu, 26 Nov 2026 12:00:00 GMT")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b""})

    async with serving(app, protocol, date=b"Fri, 27 Nov 2026 12:00:00 GMT") as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    dates = [line.partition(b": ")[2] for line in answer.split(b"\r\n") if line.lower().startswith(b"date:")]
    assert dates == [b"Thu, 26 Nov 2026 12:00:00 GMT"]


@BOTH
async def test_a_response_without_a_date_gets_that_of_the_server(protocol: Any) -> None:
    async with serving(Recorder(), protocol, date=b"Fri, 27 Nov 2026 12:00:00 GMT") as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert answer.count(b"date: Fri, 27 Nov 2026 12:00:00 GMT\r\n") == 1


@BOTH
async def test_pipelined_requests_keep_their_own_headers(protocol: Any) -> None:
    app = Recorder()
    first, last = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", b"GET /2 HTTP/1.1\r\nHOST: b\r\nConnection: close\r\n\r\n"
    async with serving(app, protocol) as port:
        await exchange(port, first + last)

    seen = [next(iter(scope["extensions"][RAW_HEADERS])) for scope in app.scopes]
    assert seen == [(b"Host", b"a"), (b"HOST", b"b")]


@BOTH
@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        pytest.param(b"http://h/a/b?q=1", b"/a/b", b"q=1", id="absolute form"),
        pytest.param(b"http://h", b"/", b"", id="absolute form without a path"),
        pytest.param(b"//a//b", b"//a//b", b"", id="two slashes first"),
        pytest.param(b"/a%2Fb/../c", b"/a%2Fb/../c", b"", id="encoded slash and dots"),
        pytest.param(b"*", b"*", b"", id="asterisk"),
    ],
)
async def test_a_target_reaches_the_app_in_origin_form(protocol: Any, target: bytes, path: bytes, query: bytes) -> None:
    app = Recorder()
    async with serving(app, protocol) as port:
        await exchange(port, b"OPTIONS " + target + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")

    assert (app.scopes[0]["raw_path"], app.scopes[0]["query_string"]) == (path, query)


@BOTH
async def test_a_refusal_of_a_body_that_was_not_sent_ends_the_connection(protocol: Any) -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    expecting = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 20\r\n\r\n"
    async with serving(refuse, protocol) as port:
        answer = await exchange(port, expecting)

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"connection: close\r\n" in answer.lower()


@BOTH
async def test_a_body_that_was_asked_for_leaves_the_connection_open(protocol: Any) -> None:
    app = Recorder()
    expecting = b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    last = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
    async with serving(app, protocol) as port:
        answer = await exchange(port, expecting, b"abc" + last)

    assert (answer.count(b"HTTP/1.1 100 "), answer.count(b"HTTP/1.1 200 ")) == (1, 2)
    assert app.bodies == [b"abc", b""]


@BOTH
@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(b"CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", id="CONNECT"),
        pytest.param(b"nonsense\r\n\r\n", id="no HTTP"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", id="bad length"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n", id="two hosts"),
        pytest.param(b"GET / HTTP/1.1\r\nAccept: x\r\n\r\n", id="no host"),
    ],
)
async def test_what_is_no_request_gets_a_400(protocol: Any, request_bytes: bytes) -> None:
    app = Recorder()
    async with serving(app, protocol) as port:
        answer = await exchange(port, request_bytes)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert app.scopes == []


@BOTH
@pytest.mark.parametrize(
    "piece", [pytest.param(b"X-A: b\r\n", id="many fields"), pytest.param(b"a" * 999, id="one endless field")]
)
async def test_an_endless_head_is_refused(protocol: Any, piece: bytes) -> None:
    app = Recorder()
    async with serving(app, protocol) as port:
        answer = await exchange(
            port, b"GET / HTTP/1.1\r\nHost: h\r\nX-Long: ", *[piece * 10] * (2 * MAX_HEAD_BYTES // (10 * len(piece)))
        )

    assert answer[:12] in (b"HTTP/1.1 431", b"HTTP/1.1 400", b"")  # "": the reset overtook the answer
    assert app.scopes == []


async def test_a_large_body_does_not_count_as_a_head() -> None:
    app = Recorder()
    body = b"x" * (3 * MAX_HEAD_BYTES)
    head = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with serving(app, RawHttpToolsProtocol) as port:
        answer = await exchange(
            port, head + body, head + body, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: ", b"close\r\n\r\n"
        )

    assert answer.count(b"HTTP/1.1 200 OK") == 3
    assert app.bodies == [body, body, b""]


@pytest.mark.parametrize("sent", [pytest.param(b"", id="nothing"), pytest.param(b"GET / HT", id="half a head")])
async def test_a_head_that_never_ends_closes_the_connection(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httptools_protocol, "HEAD_TIMEOUT_S", 0.01)
    app = Recorder()
    async with serving(app, RawHttpToolsProtocol) as port:
        answer = await exchange(port, sent)

    assert answer == b""


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc", id="a length"),
        pytest.param(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", id="chunks"),
    ],
)
@pytest.mark.parametrize("answers_first", [False, True], ids=["not answered", "answered"])
async def test_a_body_that_never_ends_closes_the_connection(
    sent: bytes, answers_first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httptools_protocol, "BODY_TIMEOUT_S", 0.01)
    ended: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if answers_first:
            await send({"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]})
            await send({"type": "http.response.body", "body": b""})
            return
        while (await receive())["type"] != "http.disconnect":
            pass
        ended.append("left")

    async with serving(app, RawHttpToolsProtocol) as port:
        answer = await exchange(port, sent)

    assert answer.startswith(b"HTTP/1.1 403 ") if answers_first else (answer, ended) == (b"", ["left"])


@pytest.mark.parametrize("reads", [False, True], ids=["never reads", "reads"])
async def test_a_client_that_takes_nothing_of_its_response_is_let_go(
    reads: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(httptools_protocol, "SEND_TIMEOUT_S", 5.0 if reads else 0.05)
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(300):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        ended.set()

    async with serving(app, RawHttpToolsProtocol) as port:
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        loop, got = asyncio.get_running_loop(), 0
        with client:
            await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            while reads and (piece := await loop.sock_recv(client, 1_000_000)):
                got += len(piece)
            await asyncio.wait_for(ended.wait(), 10)

    assert got > 30_000_000 or not reads


async def test_a_slow_answer_to_a_whole_body_is_waited_for() -> None:
    protocols: list[RawHttpToolsProtocol] = []

    class Seen(RawHttpToolsProtocol):
        def connection_made(self, transport: Any) -> None:
            protocols.append(self)
            super().connection_made(transport)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        protocols[0]._body_may_be_late()  # as the timer does it, however long the answer takes
        headers = [(b"connection", b"close"), (b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    async with serving(app, Seen) as port:
        answer = await exchange(port, b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc")

    assert answer.endswith(b"\r\n\r\nok")


@BOTH
async def test_a_websocket_refused_over_http_is_not_logged_as_an_error(
    protocol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = Recorder()
    handshake = (
        b"GET /chat HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    with caplog.at_level(logging.WARNING):
        async with serving(app, protocol) as port:
            answer = await exchange(port, handshake)

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert caplog.records == []


@BOTH
async def test_a_trailer_is_no_header(protocol: Any) -> None:
    app = Recorder()
    body = b"3\r\nabc\r\n0\r\nX-Forwarded-For: 6.6.6.6\r\nHost: evil\r\n\r\n"
    head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n"
    async with serving(app, protocol) as port:
        await exchange(port, head + b"\r\n" + body + head + b"Connection: close\r\n\r\n" + body)

    names = [[name for name, _ in scope["headers"]] for scope in app.scopes]
    raw = [[name.lower() for name, _ in scope["extensions"][RAW_HEADERS]] for scope in app.scopes]
    assert names == raw == [[b"host", b"transfer-encoding"], [b"host", b"transfer-encoding", b"connection"]]
    assert app.bodies == [b"abc", b"abc"]


@BOTH
@pytest.mark.parametrize("host", [b"a b", b"a/../b", b"a@b", b"\xff", b"a?b", b"a\\b", b"a,b#"])
async def test_a_host_that_is_none_gets_a_400(protocol: Any, host: bytes) -> None:
    app = Recorder()
    async with serving(app, protocol) as port:
        answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert app.scopes == []


@BOTH
@pytest.mark.parametrize("host", [b"", b"h", b"H.test:8080", b"[::1]:80", b"[fe80::1%25eth0]", b"a_b.test", b"%C3%A9"])
async def test_a_host_that_is_one_passes(protocol: Any, host: bytes) -> None:
    app = Recorder()
    async with serving(app, protocol) as port:
        await exchange(port, b"GET / HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")

    assert dict(app.scopes[0]["headers"])[b"host"] == host


@BOTH
@pytest.mark.parametrize(
    "field",
    [
        pytest.param(b"Sec-WebSocket-Extensions: \x80", id="an extension"),
        pytest.param(b"Sec-WebSocket-Protocol: caf\xe9", id="a subprotocol"),
        pytest.param(b"Host: xn--99999999", id="a host"),
        pytest.param(b"Host: xn--\x80", id="a host that is none"),
    ],
)
async def test_a_handshake_that_is_no_text_gets_a_400_and_is_let_go(
    protocol: Any, field: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    app = Recorder()
    host = b"" if field.startswith(b"Host") else b"Host: h\r\n"
    handshake = (
        b"GET /chat HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + host + field + b"\r\n\r\n"
    )
    async with serving(app, protocol) as port:  # its end waits for every connection
        answer = await exchange(port, handshake)

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert app.scopes == []
    assert [record for record in caplog.records if record.levelno > logging.WARNING] == []
