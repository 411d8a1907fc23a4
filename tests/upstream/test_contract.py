"""What every transport does, proved of the one for the network and of the scripted one by the same tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gatewaykit.errors import UpstreamError
from gatewaykit.ports import Transport, UpstreamRequest
from gatewaykit.upstream.http import HttpTransport
from gatewaykit.upstream.scripted import Hold, Reply, ScriptedTransport
from tests.upstream.fault_server import Peer, get, serving

Script = Callable[..., Any]


class Stage:
    """A transport, and where its requests go; `received` are the bodies there, `waiting` returns once one is held."""

    def __init__(self, transport: Transport, port: int, received: list[bytes], hold: Hold) -> None:
        self.transport, self.port, self.received, self.waiting = transport, port, received, hold.reached

    async def ask(self, target: bytes = b"/", **more: Any) -> Any:
        return await self.transport.send(get(self.port, target, **more), timeout_s=10)


class TransportContract:
    """Subclasses give `play`: a coroutine function from replies to a Stage."""

    async def test_status_headers_and_body_are_those_of_the_reply(self, play: Script) -> None:
        headers = [(b"X-B", b"1"), (b"set-COOKIE", b"a"), (b"set-COOKIE", b"b")]
        stage = await play(Reply(status=418, headers=headers, body=b"teapot"))
        response = await stage.ask()

        assert (response.status, response.headers[:3]) == (418, headers)
        assert await response.read(100) == b"teapot"

    async def test_replies_come_in_turn(self, play: Script) -> None:
        stage = await play(Reply(body=b"1"), Reply(status=201), Reply(body=b"3"))

        answers = [await stage.ask() for _ in range(3)]

        assert [(each.status, await each.read(9)) for each in answers] == [(200, b"1"), (201, b""), (200, b"3")]

    async def test_a_body_is_streamed_chunk_by_chunk(self, play: Script) -> None:
        between = Hold()
        stage = await play(Reply(chunks=[b"one", between, b"two", b"three"]))
        stream = (await stage.ask()).stream()
        first = await anext(stream)
        between.release()

        assert first == b"one"
        assert b"".join([chunk async for chunk in stream]) == b"twothree"

    async def test_a_whole_reply_says_that_it_is_complete(self, play: Script) -> None:
        stage = await play(Reply(body=b"all"))

        assert (await stage.ask()).complete

    async def test_a_body_over_the_limit_is_too_large(self, play: Script) -> None:
        for body in (Reply(body=b"12345"), Reply(chunks=[b"123", b"45"])):
            stage = await play(body)
            with pytest.raises(UpstreamError) as failed:
                await (await stage.ask()).read(4)

            assert failed.value.kind == "too_large"

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
    async def test_there_is_no_body_where_http_has_none(self, play: Script, method: str, status: int) -> None:
        stage = await play(Reply(status=status, body=b"never" if method == "HEAD" else b""))
        response = await stage.ask(method=method)

        assert response.complete
        assert await response.read(10) == b""

    @pytest.mark.parametrize(
        ("parts", "kind"),
        [
            ({"target": b"/a b"}, "address"),
            ({"target": b"x"}, "address"),
            ({"host": "a b"}, "address"),
            ({"scheme": "ftp"}, "address"),
            ({"headers": [(b"a", b"1\r\nb: 2")]}, "invalid"),
            ({"headers": [(b"a:", b"1")]}, "invalid"),
            ({"method": "A B"}, "invalid"),
        ],
        ids=repr,
    )
    async def test_what_must_not_be_sent_is_refused(self, play: Script, parts: dict[str, Any], kind: str) -> None:
        stage = await play()
        with pytest.raises(UpstreamError) as failed:
            await stage.ask(**parts)

        assert failed.value.kind == kind
        assert stage.received == []

    @pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "bytes"])
    async def test_the_request_body_arrives(self, play: Script, streamed: bool) -> None:
        stage = await play(Reply())
        await stage.ask(method="POST", body=_chunks(b"one", b"", b"two") if streamed else b"onetwo")

        assert stage.received == [b"onetwo"]

    async def test_what_the_request_body_raises_is_raised(self, play: Script) -> None:
        async def body() -> AsyncIterator[bytes]:
            yield b"one"
            raise LookupError("mine")

        stage = await play(Reply())
        with pytest.raises(LookupError, match="mine"):
            await stage.ask(method="POST", body=body())

    async def test_a_body_of_another_length_than_announced_is_refused(self, play: Script) -> None:
        stage = await play(Reply())
        with pytest.raises(UpstreamError) as failed:
            await stage.ask(method="POST", body=_chunks(b"one"), headers=[(b"Content-Length", b"4")])

        assert failed.value.kind == "invalid"

    async def test_no_answer_is_an_error_of_its_kind(self, play: Script) -> None:
        stage = await play(UpstreamError("reset", "closed"))
        with pytest.raises(UpstreamError) as failed:
            await stage.ask(method="POST")

        assert failed.value.kind == "reset"

    async def test_a_body_that_breaks_off_is_a_reset_after_what_came(self, play: Script) -> None:
        stage = await play(Reply(chunks=[b"one", UpstreamError("reset", "closed")]))
        stream = (await stage.ask()).stream()

        assert await anext(stream) == b"one"
        for _ in range(2):
            with pytest.raises(UpstreamError) as failed:
                await anext(stream)
            assert failed.value.kind == "reset"

    async def test_a_closed_response_cannot_be_read_on(self, play: Script) -> None:
        hold = Hold()
        stage = await play(Reply(chunks=[b"one", hold, b"two"]))
        response = await stage.ask()
        assert await anext(response.stream()) == b"one"
        await response.aclose()
        await response.aclose()

        with pytest.raises(UpstreamError):
            await response.read(10)

    async def test_a_reader_that_was_cancelled_cannot_read_on_past_a_hole(self, play: Script) -> None:
        stage = await play(Reply(chunks=[b"one", Hold(), b"two"]))
        response = await stage.ask()
        assert await anext(response.stream()) == b"one"
        task = asyncio.ensure_future(anext(response.stream()))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        with pytest.raises(UpstreamError):
            await response.read(10)

    async def test_a_request_that_waits_can_be_cancelled(self, play: Script) -> None:
        stage = await play(Hold(), Reply(body=b"next"))
        task = asyncio.create_task(stage.ask())
        await stage.waiting()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert await (await stage.ask()).read(10) == b"next"

    async def test_it_can_be_used_after_it_was_closed(self, play: Script) -> None:
        stage = await play(Reply(body=b"1"), Reply(body=b"2"))
        await (await stage.ask()).read(10)
        await stage.transport.aclose()

        assert await (await stage.ask()).read(10) == b"2"


class TestHttpTransport(TransportContract):
    @pytest.fixture
    async def play(self) -> AsyncIterator[Script]:
        async with AsyncExitStack() as stack:

            async def play(*script: Any) -> Stage:
                answers, received, hold = iter(script), list[bytes](), Hold()

                async def behave(peer: Peer) -> None:
                    while True:
                        request = await peer.request()
                        received.append(request.body)
                        answer = next(answers)
                        if isinstance(answer, Hold):
                            hold.release()
                            await hold.wait()
                            return await peer.gone()
                        if isinstance(answer, UpstreamError):
                            return None
                        if not await _render(peer, request.head.startswith(b"HEAD"), answer):
                            return None

                server = await stack.enter_async_context(serving(behave))
                transport = HttpTransport()
                stack.push_async_callback(transport.aclose)
                return Stage(transport, server.port, received, hold)

            yield play


class TestScriptedTransport(TransportContract):
    @pytest.fixture
    def play(self) -> Script:
        async def play(*script: Any) -> Stage:
            transport = ScriptedTransport([answer for answer in script if not isinstance(answer, Hold)])
            hold = transport.hold() if any(isinstance(answer, Hold) for answer in script) else Hold()
            return Stage(transport, 80, _Bodies(transport.requests), hold)  # type: ignore[arg-type]

        return play


class _Bodies:
    """The bodies of recorded requests, as they grow."""

    def __init__(self, requests: list[UpstreamRequest]) -> None:
        self._requests = requests

    def __eq__(self, other: object) -> bool:
        return [request.body for request in self._requests] == other

    __hash__ = None  # type: ignore[assignment]


async def _render(peer: Peer, bare: bool, reply: Reply) -> bool:
    """Send a scripted reply over the wire; whether the connection goes on."""
    head = b"HTTP/1.1 %d X\r\n" % reply.status + b"".join(b"%b: %b\r\n" % field for field in reply.headers)
    if reply.chunks is None:
        framing = b"" if reply.status in (204, 304) else b"Content-Length: %d\r\n" % len(reply.body)
        await peer.send(head + framing + b"\r\n" + (b"" if bare else reply.body))
        return True
    await peer.send(head + b"Transfer-Encoding: chunked\r\n\r\n")
    for chunk in reply.chunks:
        if isinstance(chunk, Hold):
            await chunk.wait()
        elif isinstance(chunk, UpstreamError):
            return False
        else:
            await peer.send(b"%x\r\n%b\r\n" % (len(chunk), chunk))
    await peer.send(b"0\r\n\r\n")
    return True


async def _chunks(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
