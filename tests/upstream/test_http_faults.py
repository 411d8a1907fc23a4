"""The HTTP transport against networks and servers that fail: each failure has its kind, and nothing hangs or leaks."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatewaykit.errors import UpstreamError
from gatewaykit.ports import UpstreamRequest
from gatewaykit.upstream.http import HttpTransport
from gatewaykit.upstream.request_head import IDEMPOTENT
from tests.upstream.fault_server import OK, Behaviour, Peer, answers_ok, get, sends, serving


async def kind_of(transport: HttpTransport, request: UpstreamRequest, timeout_s: float = 10) -> str:
    """The kind of the failure that a request ends with, wherever it comes."""
    try:
        response = await transport.send(request, timeout_s=timeout_s)
        await response.read(1 << 24)
    except UpstreamError as error:
        return error.kind
    return f"none, but {response.status}"


# ---------------------------------------------------------------------- connecting


async def test_a_port_where_nobody_listens_is_refused(transport: HttpTransport, free_port: int) -> None:
    assert await kind_of(transport, get(free_port)) == "refused"


async def test_a_name_is_refused_when_none_of_its_addresses_answers(transport: HttpTransport, free_port: int) -> None:
    assert await kind_of(transport, get(free_port, host="localhost")) == "refused"


async def test_a_name_without_an_address_is_unresolved(transport: HttpTransport) -> None:
    assert await kind_of(transport, get(80, host="no-such-host.invalid")) == "unresolved"


async def test_an_address_without_a_route_is_unreachable(transport: HttpTransport) -> None:
    assert await kind_of(transport, get(80, host="255.255.255.255")) == "unreachable"


@pytest.mark.parametrize("host", ["a b", "a" * 70, "", "h/x"])
async def test_what_is_no_host_name_is_an_address_error(transport: HttpTransport, host: str) -> None:
    assert await kind_of(transport, get(80, host=host)) == "address"


async def test_a_listener_that_accepts_nobody_is_a_connect_timeout(transport: HttpTransport) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        fillers = []
        for _ in range(4):  # fill its queue, so that the kernel answers no more
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
            fillers.append(filler)

        assert await kind_of(transport, get(listener.getsockname()[1]), timeout_s=0.05) == "connect_timeout"
        for filler in fillers:
            filler.close()


async def test_after_a_failed_connect_the_slot_is_free_again(transport: HttpTransport, free_port: int) -> None:
    for _ in range(transport.limits.max_open + 1):
        assert await kind_of(transport, get(free_port)) == "refused"


# ---------------------------------------------------------------------- answers


async def closes_at_once(peer: Peer) -> None:
    await peer.request()


async def resets_at_once(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def closes_before_the_request(peer: Peer) -> None:
    pass


async def half_closes_and_stays(peer: Peer) -> None:
    await peer.request()
    peer.half_close()
    await peer.gone()


async def resets_in_the_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    await peer.reader.read(1)  # the client asked for more by then
    peer.reset()


async def talks_first(peer: Peer) -> None:
    await peer.send(b"220 mail.example ESMTP\r\n")
    await peer.gone()


async def sends_interim_for_ever(peer: Peer) -> None:
    await peer.request()
    while True:
        await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 100)


async def sends_trailers_for_ever(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
    while True:
        await peer.send(b"Trailer: x\r\n" * 100)


async def sends_one_header_for_ever(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await peer.send(b"x" * 10_000)


HUGE = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(70))

FAULTS: dict[str, tuple[Behaviour, str]] = {
    "closed before the head": (closes_at_once, "reset"),
    "closed before the request": (closes_before_the_request, "reset"),
    "reset before the head": (resets_at_once, "reset"),
    "half-closed before the head": (half_closes_and_stays, "reset"),
    "closed in the head": (sends(b"HTTP/1.1 200 OK\r\nContent-Le"), "reset"),
    "closed after a 100": (sends(b"HTTP/1.1 100 Continue\r\n\r\n"), "reset"),
    "closed in the body": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"), "reset"),
    "closed in a chunk": (sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"), "reset"),
    "closed between chunks": (sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"), "reset"),
    "closed before the last line": (
        sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n"), "reset",
    ),
    "not HTTP": (sends(b"SSH-2.0-OpenSSH_9.2\r\n"), "invalid"),
    "binary": (sends(bytes(range(256))), "invalid"),
    "a bare LF": (sends(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"), "invalid"),
    "a space before the colon": (sends(b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), "invalid"),
    "a folded header": (sends(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"), "invalid"),
    "NUL in a header": (sends(b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n"), "invalid"),
    "two lengths": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"), "invalid"),
    "a negative length": (sends(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "invalid"),
    "length and chunked": (
        sends(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), "invalid",
    ),
    "a chunk size that is none": (
        sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n"), "invalid",
    ),
    "a chunk longer than its size": (
        sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n"), "invalid",
    ),
    "a switch of protocols": (
        sends(b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nxxx"), "invalid",
    ),
    "a status below 100": (sends(b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"), "invalid"),
    "a head over 64 kB, at once": (sends(b"HTTP/1.1 200 OK\r\n" + HUGE + b"Content-Length: 0\r\n\r\n"), "invalid"),
    "a header without end": (sends_one_header_for_ever, "invalid"),
    "1xx without end": (sends_interim_for_ever, "invalid"),
    "trailers without end": (sends_trailers_for_ever, "invalid"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_has_its_kind_and_leaves_nothing_open(transport: HttpTransport, name: str) -> None:
    behaviour, kind = FAULTS[name]
    async with serving(behaviour) as server:
        assert await kind_of(transport, get(server.port)) == kind
        await server.idle()

        assert await kind_of(transport, get(server.port)) == kind


async def test_a_server_that_talks_first_is_not_understood(transport: HttpTransport) -> None:
    async with serving(talks_first) as server:
        assert await kind_of(transport, get(server.port)) in ("reset", "invalid")  # whether it is seen before we ask


async def test_a_head_just_under_64_kb_is_read_with_a_body_behind_it(transport: HttpTransport) -> None:
    fields = b"".join(b"X-%d: %s\r\n" % (number, b"x" * 1000) for number in range(64))
    whole = b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: 100000\r\n\r\n" + b"b" * 100_000
    async with serving(sends(whole)) as server:
        response = await transport.send(get(server.port), timeout_s=10)

        assert len(response.headers) == 65
        assert await response.read(100_000) == b"b" * 100_000


async def test_what_came_before_a_fault_is_given_first(transport: HttpTransport) -> None:
    async with serving(sends(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")) as server:
        response = await transport.send(get(server.port), timeout_s=10)
        stream = response.stream()

        assert await anext(stream) == b"abc"
        for _ in range(2):
            with pytest.raises(UpstreamError, match="middle of its response"):
                await anext(stream)


async def test_a_reset_in_a_body_is_a_reset_however_the_body_would_end(transport: HttpTransport) -> None:
    for head in (b"Content-Length: 10\r\n", b""):
        go_on = asyncio.Event()

        async def behave(peer: Peer, head: bytes = head, go_on: asyncio.Event = go_on) -> None:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\n" + head + b"\r\nabc")
            await go_on.wait()
            peer.reset()

        async with serving(behave) as server:
            response = await transport.send(get(server.port), timeout_s=10)
            stream = response.stream()
            assert await anext(stream) == b"abc"
            go_on.set()
            with pytest.raises(UpstreamError) as failed:
                await anext(stream)

            assert failed.value.kind == "reset"


async def test_two_readers_of_one_body_are_an_error(transport: HttpTransport) -> None:
    async with serving(_stalls_in_body) as server:
        response = await transport.send(get(server.port), timeout_s=10)
        await anext(response.stream())
        first = asyncio.ensure_future(anext(response.stream()))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks"):
            await anext(response.stream())
        first.cancel()


# ---------------------------------------------------------------------- time


async def _never_answers(peer: Peer) -> None:
    await peer.gone()


async def _stalls_in_head(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-")
    await peer.gone()


async def _stalls_in_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    await peer.gone()


@pytest.mark.parametrize("behaviour", [_never_answers, _stalls_in_head, _stalls_in_body])
async def test_a_server_that_stalls_is_a_timeout(transport: HttpTransport, behaviour: Behaviour) -> None:
    async with serving(behaviour) as server:
        assert await kind_of(transport, get(server.port), timeout_s=0.05) == "timeout"
        await server.idle()


async def test_a_connection_that_was_used_before_times_out_like_a_new_one(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.gone()

    async with serving(behave) as server:
        assert await kind_of(transport, get(server.port), timeout_s=10) == "none, but 200"
        started = asyncio.get_running_loop().time()
        assert await kind_of(transport, get(server.port), timeout_s=0.05) == "timeout"

        assert asyncio.get_running_loop().time() - started < 5
        assert server.accepted == 1


async def test_a_connection_in_use_for_longer_than_a_timeout_does_not_time_out(transport: HttpTransport) -> None:
    loop = asyncio.get_running_loop()
    async with serving(answers_ok) as server:
        end = loop.time() + 0.35
        while loop.time() < end:
            assert await kind_of(transport, get(server.port), timeout_s=0.1) == "none, but 200"

        assert server.accepted == 1


async def test_each_part_of_a_body_has_the_whole_timeout(transport: HttpTransport) -> None:
    loop = asyncio.get_running_loop()

    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        end = loop.time() + 0.35
        while loop.time() < end:
            await peer.send(b"x")
            await asyncio.sleep(0)

    async with serving(behave) as server:
        assert await kind_of(transport, get(server.port), timeout_s=0.1) == "none, but 200"


# ---------------------------------------------------------------------- idle connections that close


def _serves_then_closes(requests: list[str], when_closing: str) -> Behaviour:
    """Answers one request a connection; the next one meets a connection that closes."""

    async def behave(peer: Peer) -> None:
        requests.append((await peer.head()).decode().split(" ")[0])
        await peer.reader.read(0)
        await peer.send(OK)
        if peer.number == 0:
            requests.append((await peer.head()).decode().split(" ")[0] + " " + when_closing)
            if when_closing == "reset":
                peer.reset()
        else:
            await peer.gone()

    return behave


@pytest.mark.parametrize("when_closing", ["reset", "close"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "POST", "PATCH", "PURGE"])
async def test_only_what_is_safe_to_repeat_is_sent_again(
    transport: HttpTransport, method: str, when_closing: str
) -> None:
    requests: list[str] = []
    async with serving(_serves_then_closes(requests, when_closing)) as server:
        assert await kind_of(transport, get(server.port)) == "none, but 200"
        second = await kind_of(transport, get(server.port, method=method))

    if method in IDEMPOTENT:
        assert (second, requests) == ("none, but 200", ["GET", f"{method} {when_closing}", method])
    else:
        assert (second, requests) == ("reset", ["GET", f"{method} {when_closing}"])


async def test_it_is_sent_again_once_and_not_twice(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(OK)
            await peer.request()

    async with serving(behave) as server:
        assert await kind_of(transport, get(server.port)) == "none, but 200"
        assert await kind_of(transport, get(server.port)) == "reset"

        assert server.accepted == 2


async def test_it_is_not_sent_again_once_a_byte_of_the_answer_has_come(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"H")

    async with serving(behave) as server:
        assert await kind_of(transport, get(server.port)) == "none, but 200"
        assert await kind_of(transport, get(server.port)) == "reset"

        assert server.accepted == 1


async def test_a_streamed_body_is_not_sent_again(transport: HttpTransport) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    async with serving(_serves_then_closes([], "close")) as server:
        assert await kind_of(transport, get(server.port)) == "none, but 200"
        assert await kind_of(transport, get(server.port, method="PUT", body=body())) == "reset"


async def test_a_post_does_not_use_a_connection_whose_end_is_only_known_to_the_kernel(
    transport: HttpTransport,
) -> None:
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answered, may_close, closed = threading.Event(), threading.Event(), threading.Event()

        def serve() -> None:
            peer, _ = listener.accept()
            peer.recv(65536)
            peer.sendall(OK)
            answered.set()
            may_close.wait(10)
            peer.close()
            closed.set()
            peer, _ = listener.accept()
            peer.recv(65536)
            peer.sendall(OK)
            peer.close()

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        assert await kind_of(transport, get(port)) == "none, but 200"
        may_close.set()
        closed.wait(10)  # the event loop stands still meanwhile, and has not seen it

        assert await kind_of(transport, get(port, method="POST")) == "none, but 200"
        thread.join()


async def test_an_idle_connection_that_the_server_closes_or_talks_on_is_forgotten(transport: HttpTransport) -> None:
    async def behave(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 1:
            await peer.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
            await peer.gone()

    async with serving(behave) as server:
        for _ in range(3):
            response = await transport.send(get(server.port, method="POST"), timeout_s=10)
            assert response.status == 200
            await server.idle()

        assert server.accepted == 3


# ---------------------------------------------------------------------- request bodies


class BodyFailed(Exception):
    pass


async def _fails_midway() -> AsyncIterator[bytes]:
    yield b"abc"
    raise BodyFailed


async def test_what_a_request_body_raises_is_raised(transport: HttpTransport) -> None:
    async with serving(_never_answers) as server:
        with pytest.raises(BodyFailed):
            await transport.send(get(server.port, method="POST", body=_fails_midway()), timeout_s=10)

        await server.idle()


async def test_a_request_body_that_is_cancelled_ends_the_request(transport: HttpTransport) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"abc"
        raise asyncio.CancelledError

    async with serving(_never_answers) as server:
        assert await kind_of(transport, get(server.port, method="POST", body=body())) == "reset"
        await server.idle()


@pytest.mark.parametrize("size", [2, 4], ids=["shorter", "longer"])
async def test_a_body_that_is_not_as_long_as_announced_ends_the_request(transport: HttpTransport, size: int) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"x" * size

    async with serving(_never_answers) as server:
        request = get(server.port, method="POST", body=body(), headers=[(b"Content-Length", b"3")])
        assert await kind_of(transport, request) == "invalid"
        await server.idle()


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "bytes"])
async def test_an_early_refusal_is_read_while_the_body_is_still_being_sent(
    transport: HttpTransport, streamed: bool
) -> None:
    closed = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            while True:
                yield bytes(1 << 16)
        finally:
            closed.set()

    async def behave(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfull")
        peer.half_close()
        await peer.gone()

    async with serving(behave) as server:
        body: Any = endless() if streamed else bytes(32 << 20)
        response = await transport.send(get(server.port, method="POST", body=body), timeout_s=10)
        assert (response.status, await response.read(10)) == (413, b"full")
        await server.idle()
        if streamed:
            await closed.wait()


async def test_an_early_answer_that_is_no_error_runs_beside_the_body(transport: HttpTransport) -> None:
    parts: asyncio.Queue[bytes] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        while part := await parts.get():
            yield part

    async def behave(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while size := int(await peer.reader.readline(), 16):
            await peer.send(b"%x\r\n%b\r\n" % (size, (await peer.reader.readexactly(size)).upper()))
            await peer.reader.readexactly(2)
        await peer.reader.readexactly(2)
        await peer.send(b"0\r\n\r\n")
        await answers_ok(peer)

    async with serving(behave) as server:
        response = await transport.send(get(server.port, method="POST", body=body()), timeout_s=10)
        stream = response.stream()
        for part in (b"one", b"two"):
            parts.put_nowait(part)
            assert await anext(stream) == part.upper()
        parts.put_nowait(b"")
        assert [chunk async for chunk in stream] == []
        assert await kind_of(transport, get(server.port)) == "none, but 200"

        assert server.accepted == 1


async def test_a_whole_answer_before_the_end_of_the_body_stops_the_body(transport: HttpTransport) -> None:
    stopped = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def behave(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.gone()

    async with serving(behave) as server:
        response = await transport.send(get(server.port, method="POST", body=body()), timeout_s=10)
        assert await response.read(10) == b"ok"
        await stopped.wait()
        await server.idle()


async def test_no_fault_leaves_garbage_that_complains(transport: HttpTransport, recwarn: Any) -> None:
    async with serving(resets_in_the_body) as server:
        response = await transport.send(get(server.port), timeout_s=10)
        del response
        await server.idle()
    gc.collect()

    assert not recwarn.list
