"""Requests in flight: so many of a key at once, whatever becomes of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gatewaykit import (
    ConcurrencyMiddleware,
    ConfigError,
    Gateway,
    Policy,
    PolicyMiddleware,
    Reason,
    VirtualClock,
    by,
    concurrency,
)
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress
from gatewaykit.stores.resilient import OnStoreError, ResilientThrottleStore
from gatewaykit.testing import Client, PolicyContract
from tests.conformance.documents import document, mock
from tests.peers.redis import RedisServer, running

BY_USER = by.header("x-user")


class App:
    """Holds its answers back; `/stream` in the middle of the body, `/raise` raises."""

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()
        self.under_way = 0
        self.arrived = asyncio.Condition()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await self._wait()
            await send({"type": "websocket.close"})
            return
        if scope["path"] == "/raise":
            raise RuntimeError("broken on purpose")
        start = {"type": "http.response.start", "status": 200, "headers": []}
        if scope["path"] == "/stream":
            await send(start)
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            await self._wait()
        else:
            await self._wait()
            await send(start)
        await send({"type": "http.response.body", "body": b"b"})

    async def _wait(self) -> None:
        async with self.arrived:
            self.under_way += 1
            self.arrived.notify_all()
        await self.may_go_on.wait()

    async def until(self, many: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: self.under_way >= many)


class TestContract(PolicyContract):
    def make_policy(self) -> Policy:
        return concurrency(limit=5, key=by.address)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


@pytest.fixture(
    params=[
        "memory",
        pytest.param("redis", marks=[pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]),
    ]
)
def store(request: pytest.FixtureRequest) -> Any:
    if request.param == "memory":
        return MemoryThrottleStore()
    server = request.getfixturevalue("server")
    return RedisThrottleStore(RedisAddress(port=server.port, timeout_s=20), gateway=f"c{id(request)}")


async def ask(client: Client, user: str = "a", path: str = "/") -> Any:
    return await client.get(path, headers={"x-user": user})


@pytest.mark.parametrize("path", ["/", "/stream"])
async def test_so_many_of_a_key_are_under_way_at_once(store: Any, path: str) -> None:
    app = App()
    middleware = PolicyMiddleware(app, policies=[concurrency(limit=2, key=BY_USER)], store=store)
    client = Client(middleware)
    running = [asyncio.create_task(ask(client, path=path)) for _ in range(2)]
    await app.until(2)

    refused, other = await ask(client, path=path), asyncio.create_task(ask(client, "b", path))
    await app.until(3)
    app.may_go_on.set()
    answers = [await each for each in (*running, other)]
    await middleware.aclose()
    later = await ask(client, path=path)

    assert (refused.status, refused.header("retry-after")) == (429, "1")
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert later.status == 200
    await store.aclose()


async def test_whatever_becomes_of_a_request_its_permit_comes_back(store: Any) -> None:
    app = App()
    middleware = PolicyMiddleware(app, policies=[concurrency(limit=1, key=BY_USER)], store=store)
    client = Client(middleware)

    for _ in range(3):
        assert (await ask(client, path="/raise")).status == 500
        await middleware.aclose()
    async with client.open("GET", "/stream", headers={"x-user": "a"}) as exchange:
        exchange.feed(b"", more=False)
        await app.until(1)
        exchange.leave()
        await exchange.cancel()
    await middleware.aclose()
    async with client.open("GET", "/", headers={"x-user": "a"}) as exchange:
        exchange.feed(b"", more=False)
        await app.until(2)
        await exchange.cancel()
    await middleware.aclose()
    app.may_go_on.set()

    assert (await ask(client)).status == 200
    await store.aclose()


async def test_a_websocket_counts_until_it_is_closed() -> None:
    app = App()
    middleware = ConcurrencyMiddleware(app, limit=1, key=by.everyone)
    client = Client(middleware)
    async with client.websocket("/") as socket:
        await socket.handshake()
        refused = await ask(client)
        app.may_go_on.set()
        await socket.end()

    assert refused.status == 429
    assert (await ask(client)).status == 200


async def test_of_many_at_once_exactly_the_limit_comes_in(store: Any) -> None:
    app = App()
    client = Client(PolicyMiddleware(app, policies=[concurrency(limit=7, key=BY_USER)], store=store))
    tasks = [asyncio.create_task(ask(client)) for _ in range(50)]
    await app.until(7)
    while sum(task.done() for task in tasks) < 43:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=0.01)
    app.may_go_on.set()

    assert sorted([(await task).status for task in tasks]) == [200] * 7 + [429] * 43
    await store.aclose()


def test_a_refusal_says_why_to_the_operator() -> None:
    middleware = ConcurrencyMiddleware(App(), limit=0, key=by.everyone, name="reports")

    decision = middleware.decide("GET", "/")

    assert decision.reason is Reason.CONCURRENCY_EXCEEDED
    assert decision.detail == "reports: 0 requests are under way, and 0 may be"


@pytest.mark.parametrize(("without_key", "status"), [("refuse", 429), ("share", 200)])
async def test_requests_without_a_key(without_key: Any, status: int) -> None:
    app = App()
    app.may_go_on.set()
    client = Client(ConcurrencyMiddleware(app, limit=1, key=BY_USER, without_key=without_key))

    assert (await client.get("/")).status == status


def test_explain_takes_no_permit() -> None:
    gateway = Gateway.from_openapi(document({"/": {"get": mock()}}), policies=[concurrency(limit=1, key=by.everyone)])

    assert [gateway.explain("GET", "/").decision.allowed for _ in range(3)] == [True, True, True]


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
async def test_the_permits_of_a_process_that_died_end_by_themselves(server: RedisServer) -> None:
    store = RedisThrottleStore(RedisAddress(port=server.port, timeout_s=20), gateway="dead")
    permits = store.permits("p", 1, 0.05)
    assert (await permits.enter("k", b"a" * 16)).allowed

    assert not (await permits.enter("k", b"b" * 16)).allowed
    while not (await permits.enter("k", b"b" * 16)).allowed:
        pass
    await permits.leave("k", b"a" * 16)  # it is late, and takes nobody else's
    assert not (await store.looking().permits("p", 1, 0.05).enter("k", b"c" * 16)).allowed
    await store.aclose()


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
@pytest.mark.parametrize(
    ("rule", "statuses"),
    [("allow", [200] * 5), ("deny", [503] * 5), ("local", [200, 200, 429, 429, 429])],
)
async def test_without_the_server_it_does_what_throttles_do(
    rule: Any, statuses: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    with running() as gone:
        address = RedisAddress(port=gone.port, timeout_s=0.5, connect_timeout_s=0.5)
    store = ResilientThrottleStore(RedisThrottleStore(address), throttles=OnStoreError(rule))
    app = App()
    middleware = PolicyMiddleware(app, policies=[concurrency(limit=2, key=by.everyone)], store=store)
    client = Client(middleware)
    tasks = [asyncio.create_task(ask(client)) for _ in range(5)]
    allowed = statuses.count(200)
    await app.until(allowed)
    while sum(task.done() for task in tasks) < 5 - allowed:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=0.01)
    app.may_go_on.set()

    assert sorted([(await task).status for task in tasks]) == sorted(statuses)
    again = await ask(client)
    assert again.status == (503 if rule == "deny" else 200)
    await middleware.aclose()
    await store.aclose()


def test_every_problem_is_said_at_once() -> None:
    wrong: dict[str, Any] = {"limit": -1, "max_duration": "soon", "name": "\n", "without_key": "x", "key": 5}
    with pytest.raises(ConfigError) as caught:
        concurrency(**wrong)
    with pytest.raises(ConfigError, match="between 1 ms and 30 days"):
        concurrency(limit=1, key=by.everyone, max_duration=0)

    assert sorted(problem.where for problem in caught.value.problems) == sorted(f"concurrency.{name}" for name in wrong)


def test_a_store_that_cannot_count_them_is_a_problem() -> None:
    class Plain(MemoryThrottleStore):
        permits: Any = property()

    with pytest.raises(ConfigError, match="does not count requests in flight"):
        ConcurrencyMiddleware(App(), limit=1, key=by.everyone, store=Plain(VirtualClock()))
