"""Clients that go away in the middle: whatever runs for them is cancelled, nothing is left, nothing is a failure."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from gatewaykit import Gateway, Policy, PolicyMiddleware, Request, edge_cache, stage_cache
from gatewaykit.asgi.types import Receive, Scope, Send
from gatewaykit.testing import Client, Hold, Reply, ScriptedTransport
from tests.attacks.checks import a_gateway, failures, http
from tests.conformance.documents import lambda_uri, mock, proxy
from tests.upstream.fault_server import Peer, serving

KINDS = pytest.mark.parametrize("kind", ["http", "http_proxy", "sidecar"])


class Ends(Policy):
    """Counts how often a request ended, and as what."""

    name = "ends"

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.on_end = self._on_end

    def _on_end(self, request: Request) -> None:
        self.statuses.append(request.status)


def in_front_of(kind: str, transport: ScriptedTransport, ends: Ends) -> Gateway:
    if kind == "sidecar":
        return Gateway.from_upstream("http://back.test", transport=transport, policies=[ends])
    return a_gateway({"/x": {"any": http("http://back.test/", kind)}}, transport=transport, policies=[ends])


@KINDS
@pytest.mark.parametrize("fed", [False, True], ids=["its body unsent", "its body sent"])
async def test_a_client_that_leaves_cancels_the_call_it_waits_for(
    kind: str, fed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    transport, ends = ScriptedTransport(lambda _: Reply()), Ends()
    hold = transport.hold()
    tasks = asyncio.all_tasks()

    async with Client(in_front_of(kind, transport, ends)).open("GET", "/x") as exchange:
        if fed or kind == "http":
            exchange.feed(b"", more=False)
        await asyncio.wait_for(hold.reached(), 10)
        exchange.leave()
        result = await asyncio.wait_for(exchange.result(), 10)

    assert (result.started, result.raised, len(transport.given_up)) == (False, None, 1)
    assert ends.statuses == [499]
    assert failures(caplog) == []
    assert asyncio.all_tasks() == tasks


@KINDS
async def test_a_request_that_waits_has_one_task_more_than_its_own(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gatewaykit.asgi.front._PATIENCE_S", 0)
    transport = ScriptedTransport(lambda _: Reply())
    hold = transport.hold()
    before = len(asyncio.all_tasks())

    async with Client(in_front_of(kind, transport, Ends())).open("GET", "/x") as exchange:
        exchange.feed(b"", more=False)
        await asyncio.wait_for(hold.reached(), 10)
        for _ in range(3):  # the loop looks at what is due when it comes round
            await asyncio.sleep(0)
        during = len(asyncio.all_tasks())
        hold.release()
        await asyncio.wait_for(exchange.result(), 10)

    assert during - before == 2  # the request's own, which the client of this test started, and the watcher
    assert len(asyncio.all_tasks()) == before


@pytest.mark.parametrize("kind", ["http_proxy", "sidecar"])
async def test_a_client_that_leaves_in_a_streamed_answer_closes_the_back_ends(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    stall, ends = Hold(), Ends()
    transport = ScriptedTransport([Reply(chunks=[b"first", stall, b"never"])])

    async with Client(in_front_of(kind, transport, ends)).open("GET", "/x") as exchange:
        exchange.feed(b"", more=False)
        await asyncio.wait_for(stall.reached(), 10)
        exchange.leave()
        result = await asyncio.wait_for(exchange.result(), 10)

    assert (result.body, result.complete, result.raised) == (b"first", False, None)
    assert (len(transport.given_up), ends.statuses, failures(caplog)) == (1, [499], [])


@pytest.mark.parametrize(
    ("policy", "silent"),
    [
        pytest.param(edge_cache, True, id="silent, not to be kept"),
        pytest.param(edge_cache, False, id="not to be kept"),
        pytest.param(stage_cache, False, id="too large to be kept"),
    ],
)
async def test_a_client_that_leaves_in_an_endless_answer_through_a_cache_ends_the_app(
    policy: Any, silent: bool, caplog: pytest.LogCaptureFixture
) -> None:
    ended, ends = asyncio.Event(), Ends()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while True:
                await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
                await (asyncio.Event().wait() if silent else asyncio.sleep(0))
        finally:
            ended.set()

    async with Client(PolicyMiddleware(endless, policies=[ends, policy()])).open("GET", "/x") as exchange:
        exchange.feed(b"", more=False)
        await exchange.next_message()
        await exchange.next_message()
        exchange.leave()
        result = await asyncio.wait_for(exchange.result(), 10)
        await asyncio.wait_for(ended.wait(), 10)

    assert (result.complete, result.raised, ends.statuses, failures(caplog)) == (False, None, [499], [])


@pytest.mark.parametrize("path", ["/mock", "/http", "/http-proxy", "/aws-proxy", "/aws"])
@pytest.mark.parametrize("after", [0, 3])
async def test_a_client_that_leaves_in_its_body_calls_nothing(
    path: str, after: int, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[Any] = []
    aws = {"type": "aws", "httpMethod": "POST", "uri": lambda_uri("f"), "responses": {"default": {"statusCode": "200"}}}
    paths = {
        "/mock": {"post": mock()},
        "/http": {"post": http("http://back.test/")},
        "/http-proxy": {"post": http("http://back.test/", "http_proxy")},
        "/aws-proxy": {"post": proxy("f")},
        "/aws": {"post": aws},
    }
    transport, ends = ScriptedTransport(), Ends()
    api = a_gateway(
        paths, transport=transport, functions={"f": lambda event, context: called.append(event)}, policies=[ends]
    )

    async with api:
        answer = await Client(api).post(path, body=b"abcdef", feed="bytes", disconnect_after=after)

    assert (answer.started, answer.raised) == (False, None)
    assert (called, transport.requests, failures(caplog)) == ([], [], [])
    assert ends.statuses == [499]


async def test_a_client_that_leaves_in_a_streamed_body_hangs_up_on_the_back_end() -> None:
    begun, broken = asyncio.Event(), asyncio.Event()

    async def waits(peer: Peer) -> None:
        await peer.head()
        begun.set()
        await peer.gone()
        broken.set()

    async with serving(waits) as server:
        api = a_gateway({"/x": {"post": http(f"http://127.0.0.1:{server.port}/", "http_proxy")}})
        async with api, Client(api).open("POST", "/x", headers={"content-length": "100"}) as exchange:
            exchange.feed(b"begun")
            await asyncio.wait_for(begun.wait(), 10)
            exchange.leave()
            result = await asyncio.wait_for(exchange.result(), 10)
            await asyncio.wait_for(broken.wait(), 10)

    assert (result.started, result.raised) == (False, None)


@pytest.mark.parametrize("kind", ["aws", "aws_proxy"])
async def test_a_client_that_leaves_cancels_an_async_handler(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def handler(event: Any, context: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    integration = proxy("f") | {"type": kind, "responses": {"default": {"statusCode": "200"}}}
    api = a_gateway({"/x": {"get": integration}}, functions={"f": handler})

    async with api, Client(api).open("GET", "/x") as exchange:
        exchange.feed(b"", more=False)
        await asyncio.wait_for(begun.wait(), 10)
        exchange.leave()
        result = await asyncio.wait_for(exchange.result(), 10)

    assert (result.started, cancelled.is_set(), failures(caplog)) == (False, True, [])


async def test_a_client_that_leaves_does_not_wait_for_a_handler_on_a_thread() -> None:
    begun, release = threading.Event(), threading.Event()

    def handler(event: Any, context: Any) -> Any:
        begun.set()
        release.wait(30)
        return {}

    api = a_gateway({"/x": {"get": proxy("f")}}, functions={"f": handler})
    try:
        async with api, Client(api).open("GET", "/x") as exchange:
            exchange.feed(b"", more=False)
            await asyncio.to_thread(begun.wait, 10)
            exchange.leave()
            result = await asyncio.wait_for(exchange.result(), 10)
    finally:
        release.set()

    assert (result.started, result.raised) == (False, None)


async def test_a_server_that_shuts_down_cancels_what_runs() -> None:
    transport, ends = ScriptedTransport(lambda _: Reply()), Ends()
    hold = transport.hold()

    async with Client(in_front_of("http_proxy", transport, ends)).open("GET", "/x") as exchange:
        exchange.feed(b"", more=False)
        await asyncio.wait_for(hold.reached(), 10)
        await exchange.cancel()

    assert (len(transport.given_up), len(ends.statuses)) == (1, 1)
