"""The HTTP transport against servers that behave: messages, reuse, limits, loops."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatewaykit.errors import UpstreamError
from gatewaykit.ports import UpstreamRequest
from gatewaykit.upstream.http import HttpTransport
from gatewaykit.upstream.pool import PoolLimits
from tests.upstream.fault_server import OK, Peer, answers_ok, echoes, get, sends, serving


async def body_of(transport: HttpTransport, request: UpstreamRequest) -> bytes:
    response = await transport.send(request, timeout_s=10)
    return await response.read(1 << 24)


async def chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


# ---------------------------------------------------------------------- messages


async def test_the_request_reaches_the_wire_as_given(transport: HttpTransport) -> None:
    async with serving(echoes) as server:
        request = get(server.port, b"/a%2F?b=%20", method="POST", headers=[(b"X-B", b"2"), (b"x-a", b"1")], body=b"hi")
        sent = await body_of(transport, request)

    assert sent == (
        b"POST /a%%2F?b=%%20 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-B: 2\r\nx-a: 1\r\nContent-Length: 2\r\n\r\nhi"
        % server.port
    )


async def test_response_headers_keep_casing_order_and_repetition(transport: HttpTransport) -> None:
    fields = b"X-B: 1\r\nset-COOKIE: a\r\nx-a:  padded \t \r\nSet-Cookie: b\r\nE:\r\nContent-Length: 0\r\n"
    async with serving(sends(b"HTTP/1.1 404 Nope\r\n" + fields + b"\r\n")) as server:
        response = await transport.send(get(server.port), timeout_s=10)

    assert response.status == 404
    assert response.headers == [
        (b"X-B", b"1"), (b"set-COOKIE", b"a"), (b"x-a", b"padded"), (b"Set-Cookie", b"b"), (b"E", b""),
        (b"Content-Length", b"0"),
    ]  # fmt: skip


RESPONSES: dict[str, tuple[str, bytes, int, bytes]] = {
    "content-length": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc"),
    "content-length 0": ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, b""),
    "no reason phrase": ("GET", b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na", 200, b"a"),
    "chunked": (
        "GET",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nTrailer: t\r\n\r\n",
        200,
        b"abcd",
    ),
    "ends with the connection": ("GET", b"HTTP/1.1 200 OK\r\n\r\nabc", 200, b"abc"),
    "a coding that ends with the connection": (
        "GET",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
        200,
        b"abc",
    ),
    "HTTP/1.0": ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc"),
    "204": ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "304 with a length": ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, b""),
    "HEAD with a length": ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 200, b""),
    "HEAD of chunked": ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, b""),
    "HEAD without a length": ("HEAD", b"HTTP/1.1 500 Oh\r\n\r\n", 500, b""),
    "1xx first": (
        "GET",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nLink: /\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na",
        200,
        b"a",
    ),
    "HEAD with 1xx first": ("HEAD", b"HTTP/1.1 103 E\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nA: b\r\n\r\n", 200, b""),
    "an unknown status": ("GET", b"HTTP/1.1 799 Odd\r\nContent-Length: 1\r\n\r\na", 799, b"a"),
}


@pytest.mark.parametrize("pieces", ["whole", "byte by byte"])
@pytest.mark.parametrize("name", RESPONSES)
async def test_a_response_ends_where_its_framing_says(transport: HttpTransport, name: str, pieces: str) -> None:
    method, wire, status, body = RESPONSES[name]
    parts = [wire] if pieces == "whole" else [bytes([byte]) for byte in wire]
    async with serving(sends(*parts)) as server:
        response = await transport.send(get(server.port, method=method), timeout_s=10)

        assert (response.status, await response.read(100)) == (status, body)
        assert b"Trailer" not in dict(response.headers)
        assert b"Link" not in dict(response.headers)


async def test_a_body_is_given_as_it_arrives(transport: HttpTransport) -> None:
    go_on = asyncio.Event()

    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        await go_on.wait()
        await peer.send(b"2\r\nde\r\n0\r\n\r\n")

    async with serving(behave) as server:
        response = await transport.send(get(server.port), timeout_s=10)
        stream = response.stream()
        first = await anext(stream)
        go_on.set()
        rest = [chunk async for chunk in stream]

    assert (first, rest) == (b"abc", [b"de"])


async def test_a_response_that_is_all_here_says_so(transport: HttpTransport) -> None:
    async with serving(answers_ok) as server:
        response = await transport.send(get(server.port), timeout_s=10)

        assert response.complete
        assert [chunk async for chunk in response.stream()] == [b"ok"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT"])
async def test_a_streamed_body_is_sent_chunked(transport: HttpTransport, method: str) -> None:
    async with serving(echoes) as server:
        sent = await body_of(transport, get(server.port, method=method, body=chunks(b"abc", b"", b"d" * 40)))

    assert b"\r\nTransfer-Encoding: chunked\r\n" in sent
    assert sent.endswith(b"\r\n\r\nabc" + b"d" * 40)


async def test_a_streamed_body_with_its_length_is_sent_as_it_is(transport: HttpTransport) -> None:
    async with serving(echoes) as server:
        headers = [(b"Content-Length", b"5")]
        sent = await body_of(transport, get(server.port, method="PUT", headers=headers, body=chunks(b"abc", b"de")))

    assert b"Transfer-Encoding" not in sent
    assert sent.endswith(b"\r\nContent-Length: 5\r\n\r\nabcde")


async def test_a_large_body_passes_in_both_directions(transport: HttpTransport) -> None:
    body = bytes(range(256)) * 20_000
    async with serving(echoes) as server:
        for sent in (body, chunks(*[body[start : start + 70_000] for start in range(0, len(body), 70_000)])):
            received = await body_of(transport, get(server.port, method="POST", body=sent))
            assert received.endswith(body)
        assert server.accepted == 1


# ---------------------------------------------------------------------- reuse


async def test_one_connection_serves_request_after_request(transport: HttpTransport) -> None:
    async with serving(answers_ok) as server:
        for method in ("GET", "POST", "HEAD", "PUT", "GET"):
            response = await transport.send(get(server.port, method=method, body=b"x"), timeout_s=10)
            if method == "HEAD":  # this server sends a body nobody may send: the connection cannot be kept
                continue
            assert await response.read(10) == b"ok"

        assert server.accepted == 2


async def test_a_connection_is_kept_after_a_head_request(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")

    async with serving(behave) as server:
        for _ in range(3):
            response = await transport.send(get(server.port, method="HEAD"), timeout_s=10)
            assert (response.status, await response.read(10)) == (200, b"")

        assert server.accepted == 1


NOT_KEPT: dict[str, tuple[str, list[tuple[bytes, bytes]], bytes]] = {
    "the response says close": ("GET", [], b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
    "HTTP/1.0": ("GET", [], b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
    "the request says close": ("GET", [(b"Connection", b"close")], OK),
    "bytes too many": ("GET", [], OK + b"x"),
    "a response too many": ("GET", [], OK + OK),
    "the start of a response too many": ("GET", [], OK + b"H"),
    "HEAD and close": ("HEAD", [], b"HTTP/1.1 200 OK\r\nConnection: Close\r\n\r\n"),
    "HEAD and HTTP/1.0": ("HEAD", [], b"HTTP/1.0 200 OK\r\n\r\n"),
    "HEAD with a body": ("HEAD", [], OK),
    "HEAD with a body like a head": ("HEAD", [], b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"),
}


@pytest.mark.parametrize("name", NOT_KEPT)
async def test_a_connection_with_anything_odd_about_it_is_not_kept(transport: HttpTransport, name: str) -> None:
    method, headers, wire = NOT_KEPT[name]

    async def behave(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(wire)

    async with serving(behave) as server:
        for _ in range(2):
            response = await transport.send(get(server.port, method=method, headers=headers), timeout_s=10)
            assert await response.read(10) == (b"" if method == "HEAD" else b"ok")
        await server.idle()

        assert server.accepted == 2


async def test_the_connection_is_free_as_soon_as_the_response_is_here(transport: HttpTransport) -> None:
    async with serving(answers_ok) as server:
        unread = await transport.send(get(server.port), timeout_s=10)
        await body_of(transport, get(server.port))

        assert server.accepted == 1
        assert await unread.read(10) == b"ok"


async def test_an_idle_connection_is_closed_when_its_time_is_over() -> None:
    transport = HttpTransport(limits=PoolLimits(idle_s=0.01))
    async with serving(answers_ok) as server:
        await body_of(transport, get(server.port))
        await server.idle()
        await body_of(transport, get(server.port))

        assert server.accepted == 2
    await transport.aclose()


async def test_connections_over_the_idle_bound_are_closed() -> None:
    transport = HttpTransport(limits=PoolLimits(max_idle_per_origin=1))
    everyone = asyncio.Barrier(3)

    async def behave(peer: Peer) -> None:
        await peer.request()
        await everyone.wait()
        await peer.send(OK)
        await answers_ok(peer)

    async with serving(behave) as server:
        await asyncio.gather(*[body_of(transport, get(server.port)) for _ in range(3)])
        await body_of(transport, get(server.port))

        assert server.accepted == 3
        await transport.aclose()


async def test_requests_over_the_connection_limit_wait_their_turn() -> None:
    transport = HttpTransport(limits=PoolLimits(max_open=2))
    async with serving(echoes) as server:
        bodies = await asyncio.gather(*[body_of(transport, get(server.port, b"/%d" % n)) for n in range(20)])

        assert server.accepted == 2
    assert [body.split(b" ")[1] for body in bodies] == [b"/%d" % n for n in range(20)]
    await transport.aclose()


async def test_a_waiting_request_opens_a_connection_when_one_is_lost() -> None:
    transport = HttpTransport(limits=PoolLimits(max_open=1))
    async with serving(sends(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")) as server:
        bodies = await asyncio.gather(*[body_of(transport, get(server.port)) for n in range(5)])

        assert (bodies, server.accepted) == ([b"ok"] * 5, 5)
    await transport.aclose()


async def test_waiting_for_a_free_connection_ends_with_the_timeout() -> None:
    transport = HttpTransport(limits=PoolLimits(max_open=1))

    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.gone()

    async with serving(behave) as server:
        holder = asyncio.create_task(transport.send(get(server.port), timeout_s=10))
        await server.has_accepted(1)
        with pytest.raises(UpstreamError) as failed:
            await transport.send(get(server.port), timeout_s=0.02)
        holder.cancel()

        assert failed.value.kind == "connect_timeout"
        await server.idle()
    await transport.aclose()


# ---------------------------------------------------------------------- limits and memory


@pytest.mark.parametrize("limit", [0, 1])
async def test_a_body_over_the_limit_is_given_up(transport: HttpTransport, limit: int) -> None:
    async with serving(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")) as server:
        response = await transport.send(get(server.port), timeout_s=10)
        with pytest.raises(UpstreamError) as failed:
            await response.read(limit)

        assert failed.value.kind == "too_large"
        await server.idle()


async def test_a_body_of_exactly_the_limit_is_read(transport: HttpTransport) -> None:
    async with serving(answers_ok) as server:
        assert await (await transport.send(get(server.port), timeout_s=10)).read(2) == b"ok"


async def test_a_slow_reader_pauses_the_back_end(transport: HttpTransport) -> None:
    size, written = 64 << 20, 0

    async def behave(peer: Peer) -> None:
        nonlocal written
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while written < size:
            await peer.send(bytes(1 << 16))
            written += 1 << 16
            last_written.set()

    last_written = asyncio.Event()
    async with serving(behave) as server:
        response = await transport.send(get(server.port), timeout_s=10)
        stream = response.stream()
        received = len(await anext(stream))
        while True:  # until the server cannot write any more
            last_written.clear()
            try:
                await asyncio.wait_for(last_written.wait(), 0.2)
            except TimeoutError:
                break
        held = response._exchange.held  # type: ignore[attr-defined]
        stopped_at = written
        async for chunk in stream:
            received += len(chunk)

    assert stopped_at < size // 2
    assert held <= 64 * 1024 + 256 * 1024
    assert received == size


async def test_a_slow_back_end_pauses_the_body_that_is_sent(transport: HttpTransport) -> None:
    given = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal given
        while True:
            given += 1 << 16
            yield bytes(1 << 16)

    async def behave(peer: Peer) -> None:
        await peer.head()
        await asyncio.Event().wait()

    async with serving(behave) as server:
        with pytest.raises(UpstreamError) as failed:
            await transport.send(get(server.port, method="POST", body=endless()), timeout_s=0.3)

    assert failed.value.kind == "timeout"
    assert given < 64 << 20


async def test_a_response_that_nobody_reads_closes_its_connection(transport: HttpTransport) -> None:
    async with serving(_sends_half) as server:
        response: Any = await transport.send(get(server.port), timeout_s=10)
        del response

        await server.idle()


async def test_a_closed_response_closes_its_connection_and_cannot_be_read_on(transport: HttpTransport) -> None:
    async with serving(_sends_half) as server:
        response = await transport.send(get(server.port), timeout_s=10)
        await response.aclose()
        await response.aclose()

        await server.idle()
        with pytest.raises(UpstreamError):
            [chunk async for chunk in response.stream()]


async def _sends_half(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    await peer.gone()


# ---------------------------------------------------------------------- loops, closing, extras


async def test_closing_ends_what_is_under_way_and_leaves_nothing_open() -> None:
    transport = HttpTransport()

    async def behave(peer: Peer) -> None:
        if (await peer.request()).target == b"/ok":
            await peer.send(OK)
        await peer.gone()

    async with serving(behave) as server:
        await body_of(transport, get(server.port, b"/ok"))
        waiting = [asyncio.create_task(transport.send(get(server.port), timeout_s=10)) for _ in range(3)]
        await server.has_accepted(3)
        await transport.aclose()
        failures = await asyncio.gather(*waiting, return_exceptions=True)
        await server.idle()

    assert [getattr(failure, "kind", failure) for failure in failures] == ["reset"] * 3


async def test_a_closed_transport_can_be_used_again() -> None:
    transport = HttpTransport()
    async with serving(answers_ok) as server:
        for _ in range(2):
            assert await body_of(transport, get(server.port)) == b"ok"
            await transport.aclose()
        await server.idle()

        assert server.accepted == 2


def test_every_event_loop_has_its_own_connections() -> None:
    transport = HttpTransport()

    async def once(close: bool) -> bytes:
        async with serving(answers_ok) as server:
            body = await body_of(transport, get(server.port))
            if close:
                await transport.aclose()
            return body

    assert [asyncio.run(once(True)) for _ in range(3)] == [b"ok"] * 3


def test_a_loop_in_another_thread_closes_its_own_connections() -> None:
    transport = HttpTransport()

    async def here() -> None:
        async with serving(answers_ok) as server:
            await body_of(transport, get(server.port))
            await asyncio.to_thread(asyncio.run, there())
            await server.idle()

    async def there() -> None:
        async with serving(answers_ok) as server:
            await body_of(transport, get(server.port))
            await transport.aclose()

    asyncio.run(here())


def test_loops_that_have_ended_are_forgotten() -> None:
    transport = HttpTransport()

    async def once() -> None:
        async with serving(sends(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nok")) as server:
            assert await body_of(transport, get(server.port)) == b"ok"
            await server.idle()

    for _ in range(3):
        asyncio.run(once())

    assert len(transport._by_loop) == 1


async def test_origins_that_are_used_no_more_are_forgotten(transport: HttpTransport, free_port: int) -> None:
    for number in range(600):
        with pytest.raises(UpstreamError, match="refused"):
            await transport.send(get(free_port, host=f"127.0.{number // 200}.{1 + number % 200}"), timeout_s=10)

    assert transport._last is not None
    assert len(transport._last.origins) <= 256


def test_without_httptools_one_line_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['httptools'] = None\n"
        "from gatewaykit.upstream.http import HttpTransport\n"
        "from gatewaykit.errors import ConfigError\n"
        "try: HttpTransport()\n"
        "except ConfigError as error: print(error)"
    )
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert output == 'HTTP integrations need httptools: pip install "gatewaykit[proxy]"\n'
