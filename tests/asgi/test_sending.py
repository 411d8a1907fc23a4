"""Responses as ASGI messages: lengths, responses that have no body, streams, and sources that are closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatewaykit.asgi.sending import close_code, send_response
from gatewaykit.core.http import Request, Response
from gatewaykit.testing.messages import ResponseRules


async def sent(response: Response, method: str = "GET") -> ResponseRules:
    """The response as a client would take it; the rules of ASGI hold for every message."""
    rules = ResponseRules(method)

    async def send(message: Any) -> None:
        rules.take(message)

    await send_response(send, Request(method, "/"), response)
    rules.finish()
    return rules


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize(
    ("method", "status", "headers", "body", "length", "received"),
    [
        pytest.param("GET", 200, [], b"abc", b"3", b"abc", id="a body"),
        pytest.param("GET", 200, [(b"Content-Length", b"9")], b"abc", b"3", b"abc", id="a wrong length is mended"),
        pytest.param("GET", 404, [], b"", b"0", b"", id="no body"),
        pytest.param("HEAD", 200, [], b"abc", b"3", b"", id="HEAD of a body"),
        pytest.param("HEAD", 200, [(b"content-length", b"9")], b"", b"9", b"", id="HEAD with a length of its own"),
        pytest.param("GET", 204, [], b"", None, b"", id="204"),
        pytest.param("GET", 204, [(b"content-length", b"9")], b"abc", None, b"", id="204 with a body"),
        pytest.param("GET", 304, [(b"Content-Length", b"9")], b"", None, b"", id="304 with a length"),
    ],
)
async def test_a_whole_response_is_sent(
    method: str, status: int, headers: Any, body: bytes, length: bytes | None, received: bytes
) -> None:
    rules = await sent(Response(status, headers, body), method)

    assert dict(rules.headers).get(b"content-length") == length
    assert (rules.status, rules.body, b"".join(rules.parts)) == (status, received, received)


@pytest.mark.parametrize("headers", [[], [(b"content-length", b"3")]], ids=["without a length", "with its length"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_stream_is_sent_as_it_comes(headers: Any, method: str) -> None:
    rules = await sent(Response(200, headers, stream(b"ab", b"c")), method)

    assert rules.headers == headers
    assert rules.body == (b"abc" if method == "GET" else b"")


async def test_a_streamed_response_without_a_body_says_no_length() -> None:
    rules = await sent(Response(304, [(b"content-length", b"3"), (b"etag", b"x")], stream(b"abc")))

    assert (rules.headers, rules.body) == ([(b"etag", b"x")], b"")


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fails", [False, True], ids=["sent", "not sent"])
async def test_the_source_is_closed_whatever_happens(streamed: bool, fails: bool) -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("closed")

    async def send(message: Any) -> None:
        if fails:
            raise ConnectionResetError("gone")

    response = Response(200, [], stream(b"abc") if streamed else b"abc", close)
    try:
        await send_response(send, Request("GET", "/"), response)
    except ConnectionResetError:
        assert fails

    assert closed == ["closed"]


@pytest.mark.parametrize(
    ("status", "code"), [(401, 1008), (403, 1008), (404, 1008), (429, 1013), (503, 1013), (500, 1011), (504, 1011)]
)
def test_the_close_code_of_a_refused_handshake(status: int, code: int) -> None:
    assert close_code(status) == code
