"""Chains that end in an endpoint: answered, streamed, and cancelled when the client leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gatewaykit import Reason, Refusal, Request, Response
from gatewaykit.asgi.front import serve_endpoint
from gatewaykit.asgi.scope import asgi_request
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.core.gateway_response import compile_renderer
from gatewaykit.pipeline.chain import Chain
from gatewaykit.testing import Client
from tests.asgi.apps import Noting


class Served:
    """An app that is a chain around an endpoint."""

    reads_body: bool | int = False

    def __init__(self, endpoint: Any, *policies: Any, reads_body: bool | int = False) -> None:
        self._endpoint, self.reads_body = endpoint, reads_body
        self.requests: list[Request] = []
        self.chain = Chain(policies, self, compile_renderer(), 1000)

    def __call__(self, request: Request) -> Any:
        return self._endpoint(request)

    async def aclose(self) -> None: ...

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = asgi_request(scope, receive)
        self.requests.append(request)
        await serve_endpoint(self.chain, request, send)


def client(endpoint: Any, *policies: Any, reads_body: bool | int = False) -> Client:
    return Client(Served(endpoint, *policies, reads_body=reads_body).app)


async def test_an_endpoint_that_answers_at_once_starts_no_task() -> None:
    running: list[int] = []

    def endpoint(request: Request) -> Response:
        running.append(len(asyncio.all_tasks()))
        return Response(200, [(b"X-Kind", b"a")], b"hello")

    answer = await client(endpoint).get("/")
    after = len(asyncio.all_tasks())

    assert (answer.status, answer.body, answer.header("x-kind")) == (200, b"hello", "a")
    assert answer.header("content-length") == "5"
    assert (running, after) == ([2], 1)  # the test and the app


async def test_a_refusal_of_an_endpoint_is_rendered() -> None:
    answer = await client(lambda request: Refusal(Reason.INTEGRATION_TIMEOUT, "29 s")).get("/")

    assert (answer.status, answer.json()) == (504, {"message": "Endpoint request timed out"})


@pytest.mark.parametrize("answer", [None, "text", Request("GET", "/")], ids=["None", "text", "request"])
@pytest.mark.parametrize("waits", [False, True], ids=["at once", "awaited"])
async def test_an_endpoint_that_answers_nonsense_is_a_500(answer: Any, waits: bool, caplog: Any) -> None:
    async def later(request: Request) -> Any:
        return answer

    result = await client(later if waits else lambda request: answer).get("/")

    assert (result.status, result.raised) == (500, None)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "awaited"])
async def test_an_endpoint_that_raises_is_a_500_and_one_log_record(waits: bool, caplog: Any) -> None:
    def at_once(request: Request) -> Any:
        raise ValueError("secret")

    async def later(request: Request) -> Any:
        raise ValueError("secret")

    result = await client(later if waits else at_once).get("/")

    assert (result.status, result.raised) == (500, None)
    assert b"secret" not in result.body
    assert len(caplog.records) == 1


async def test_a_client_that_leaves_cancels_the_endpoint_that_it_waits_for() -> None:
    notes: list[str] = []
    cancelled: list[bool] = []

    async def endpoint(request: Request) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    served = Served(endpoint, Noting("a", notes))

    answer = await Client(served.app).request("POST", "/", body=b"abc", disconnect_after=3)

    assert (answer.started, answer.raised, cancelled) == (False, None, [True])
    assert notes == ["a request", "a end 499"]
    refusal = served.requests[0].refusal
    assert refusal is not None
    assert refusal.reason is Reason.CLIENT_GONE


async def test_a_cancellation_by_the_server_stays_one() -> None:
    notes: list[str] = []
    reached = asyncio.Event()

    async def endpoint(request: Request) -> Any:
        reached.set()
        await asyncio.Event().wait()

    async with client(endpoint, Noting("a", notes)).open("GET", "/") as exchange:
        await reached.wait()
        await exchange.cancel()
        answer = await exchange.result()

    assert isinstance(answer.raised, asyncio.CancelledError)
    assert notes == ["a request", "a end 0"]


async def test_no_task_is_left_behind() -> None:
    async def endpoint(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(200)

    await client(endpoint).get("/")
    await asyncio.sleep(0)

    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("feed", ["whole", "bytes", "chunks"])
@pytest.mark.parametrize("turns", [0, 1, 5])
async def test_an_endpoint_may_begin_to_read_the_body_late(feed: Any, turns: int) -> None:
    async def endpoint(request: Request) -> Response:
        for _ in range(turns):
            await asyncio.sleep(0)
        return Response(200, body=b"".join([chunk async for chunk in request.source.stream(1000)]))

    answer = await client(endpoint).request("POST", "/", body=b"abcdef", feed=feed)

    assert answer.body == b"abcdef"


async def test_an_endpoint_may_begin_to_read_before_anything_came() -> None:
    async def endpoint(request: Request) -> Response:
        await asyncio.sleep(0)
        return Response(200, body=b"".join([chunk async for chunk in request.source.stream(1000)]))

    async with client(endpoint).open("POST", "/") as exchange:
        for chunk in (b"ab", b"cd", b""):
            for _ in range(5):
                await asyncio.sleep(0)
            exchange.feed(chunk, more=bool(chunk))
        answer = await exchange.result()

    assert answer.body == b"abcd"


async def test_a_body_that_nobody_reads_is_not_collected_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewaykit.asgi.front._PATIENCE_S", 0)
    done = asyncio.Event()

    async def endpoint(request: Request) -> Response:
        await done.wait()
        return Response(200)

    async with client(endpoint).open("POST", "/") as exchange:
        for _ in range(100):
            exchange.feed(b"x" * 10_000)
        for _ in range(200):
            await asyncio.sleep(0)
        taken = 100 - len(exchange._incoming)
        done.set()
        await exchange.result()

    assert taken == 7  # the first that goes over 64 kB is the last


async def test_a_body_that_was_held_back_is_read_in_full() -> None:
    begin = asyncio.Event()

    async def endpoint(request: Request) -> Response:
        await begin.wait()
        return Response(200, body=b"".join([chunk async for chunk in request.source.stream(2_000_000)]))

    async with client(endpoint).open("POST", "/") as exchange:
        for _ in range(100):
            exchange.feed(b"x" * 10_000)
        exchange.feed(b"", more=False)
        for _ in range(50):
            await asyncio.sleep(0)
        begin.set()
        answer = await exchange.result()

    assert len(answer.body) == 1_000_000


async def test_a_client_that_leaves_in_its_body_cancels_who_reads_it() -> None:
    notes: list[str] = []

    async def endpoint(request: Request) -> Response:
        return Response(200, body=b"".join([chunk async for chunk in request.source.stream(1000)]))

    answer = await client(endpoint, Noting("a", notes)).request("POST", "/", body=b"abc", disconnect_after=1)

    assert not answer.started
    assert notes[-1] == "a end 499"


async def test_a_body_that_an_endpoint_wants_whole_is_read_and_bounded() -> None:
    def endpoint(request: Request) -> Response:
        assert request.body is not None
        return Response(200, body=request.body.upper())

    whole = await client(endpoint, reads_body=True).request("POST", "/", body=b"abc", feed="bytes")
    over = await client(endpoint, reads_body=2).request("POST", "/", body=b"abc", feed="bytes")

    assert whole.body == b"ABC"
    assert (over.status, over.header("content-type")) == (413, "text/plain")


class Stream:
    """A streamed response: chunks on demand, and whether it was closed."""

    def __init__(self) -> None:
        self.chunks: asyncio.Queue[Any] = asyncio.Queue()
        self.closed = 0

    async def body(self) -> AsyncIterator[bytes]:
        while (chunk := await self.chunks.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def close(self) -> None:
        self.closed += 1

    def response(self, request: Request) -> Response:
        return Response(200, [], self.body(), self.close)


async def test_a_streamed_response_is_not_buffered() -> None:
    stream = Stream()

    async with client(stream.response).open("GET", "/") as exchange:
        await exchange.next_message()
        stream.chunks.put_nowait(b"one")
        first = await exchange.next_message()
        stream.chunks.put_nowait(None)
        answer = await exchange.result()

    assert (first["body"], first["more_body"]) == (b"one", True)
    assert (answer.complete, stream.closed) == (True, 1)


async def test_a_client_that_leaves_in_a_stream_ends_it() -> None:
    notes: list[str] = []
    stream = Stream()

    async with client(stream.response, Noting("a", notes)).open("GET", "/") as exchange:
        exchange.feed(b"", more=False)
        await exchange.next_message()
        exchange.leave()
        answer = await exchange.result()

    assert (answer.raised, stream.closed) == (None, 1)
    assert notes[-1] == "a end 499"


async def test_a_stream_that_breaks_breaks_the_connection_and_is_logged(caplog: Any) -> None:
    stream = Stream()
    stream.chunks.put_nowait(b"part")
    stream.chunks.put_nowait(ValueError("reset"))

    answer = await client(stream.response).get("/")

    assert (answer.body, answer.complete, stream.closed) == (b"part", False, 1)
    assert isinstance(answer.raised, ValueError)
    assert "INTEGRATION_RESPONSE_INVALID" in caplog.text


async def test_the_stream_of_a_head_request_is_closed_unread() -> None:
    stream = Stream()

    answer = await client(stream.response).request("HEAD", "/")

    assert (answer.complete, answer.body, stream.closed) == (True, b"", 1)


CHUNKED = [(b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize(
    ("method", "version", "headers", "reads"),
    [
        ("GET", "1.1", [], False),
        ("HEAD", "1.0", [], False),
        ("GET", "1.1", CHUNKED, True),
        ("GET", "1.1", [(b"content-length", b"2")], True),
        ("GET", "2", [], True),
        ("DELETE", "1.1", [], True),
    ],
    ids=["GET", "HEAD", "chunked", "with a length", "HTTP/2", "another verb"],
)
async def test_a_body_that_cannot_be_is_not_waited_for(method: str, version: str, headers: Any, reads: bool) -> None:
    asked: list[int] = []
    bodies: list[bytes | None] = []

    def endpoint(request: Request) -> Response:
        bodies.append(request.body)
        return Response(200, [], b"")

    async def receive() -> Any:
        asked.append(1)
        return {"type": "http.request", "body": b"ab", "more_body": False}

    async def send(message: Any) -> None: ...

    scope = {"type": "http", "method": method, "path": "/", "http_version": version, "headers": headers}
    await Served(endpoint, reads_body=True).app(scope, receive, send)

    assert (bool(asked), bodies) == (reads, [b"ab" if reads else b""])
