"""Waiting for a token instead of being refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway, Policy, PolicyMiddleware, Reason, VirtualClock, by, throttle
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress
from gatewaykit.testing import Client, PolicyContract
from tests.peers.redis import running


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


class TestContract(PolicyContract):
    def make_policy(self) -> Policy:
        return throttle(rate=1000, burst=100, key=by.everyone, max_wait="1s")


def shaped(clock: VirtualClock, **options: Any) -> tuple[PolicyMiddleware, Client]:
    options = {"rate": 1, "burst": 2, "key": by.everyone, "max_wait": "3s", "name": "t", **options}
    middleware = PolicyMiddleware(app, policies=[throttle(**options)], clock=clock)
    return middleware, Client(middleware)


async def settled(clock: VirtualClock, tasks: list[asyncio.Task[Any]], sleeping: int) -> None:
    """Let everything run that can."""
    while clock.sleeping != sleeping or sum(not task.done() for task in tasks) != sleeping:  # noqa: ASYNC110 - the clock tells nobody that it is asked
        await asyncio.sleep(0)


async def test_requests_wait_in_the_order_they_came_and_one_that_would_wait_too_long_is_refused() -> None:
    clock = VirtualClock()
    _, client = shaped(clock)
    tasks = [asyncio.create_task(client.get("/")) for _ in range(6)]

    ended = []
    for sleeping in (3, 2, 1, 0):
        await settled(clock, tasks, sleeping)
        ended.append([task.done() for task in tasks])
        clock.advance("1s")

    assert ended == [
        [True, True, False, False, False, True], [True, True, True, False, False, True],
        [True, True, True, True, False, True], [True] * 6,
    ]  # fmt: skip
    answers = [await task for task in tasks]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].header("retry-after") == "4"


async def test_no_more_wait_than_may_and_who_may_not_takes_nothing() -> None:
    clock = VirtualClock()
    _, client = shaped(clock, max_waiting=1)
    tasks = [asyncio.create_task(client.get("/")) for _ in range(5)]
    await settled(clock, tasks, 1)
    refused = [task.result().status for task in tasks if task.done()]
    clock.advance("1s")
    await settled(clock, tasks, 0)
    clock.advance("1s")

    assert sorted(refused) == [200, 200, 429, 429]
    assert (await client.get("/")).status == 200


async def test_one_that_is_given_up_gives_its_token_back() -> None:
    clock = VirtualClock()
    middleware, client = shaped(clock, burst=1)
    await client.get("/")
    waiting = asyncio.create_task(client.get("/"))
    while not clock.sleeping:  # noqa: ASYNC110 - the clock tells nobody that it is asked
        await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    await middleware.aclose()
    clock.advance("1s")

    assert clock.sleeping == 0
    assert (await client.get("/")).status == 200


def test_without_an_event_loop_the_decision_says_how_long_it_would_be() -> None:
    gateway = Gateway.from_upstream(
        "http://shop.example", policies=[throttle(rate=1, burst=1, key=by.everyone, max_wait="2s", name="t")],
        clock=VirtualClock(),
    )  # fmt: skip

    decisions = [gateway.decide("GET", "/") for _ in range(4)]
    explained = gateway.explain("GET", "/")

    assert [decision.reason for decision in decisions] == [None, None, None, Reason.THROTTLED]
    assert explained.decision.reason is Reason.THROTTLED


def test_explain_waits_for_nothing() -> None:
    gateway = Gateway.from_upstream(
        "http://shop.example", policies=[throttle(rate=1, burst=1, key=by.everyone, max_wait="2s", name="t")],
        clock=VirtualClock(),
    )  # fmt: skip
    gateway.decide("GET", "/")

    explained = [gateway.explain("GET", "/").decision for _ in range(3)]

    assert [decision.allowed for decision in explained] == [True] * 3
    assert ("throttle", "t: it would wait 1 s") in (explained[0].request.events or [])


@pytest.mark.parametrize("without_key", ["refuse", "share"])
async def test_requests_without_a_key(without_key: Any) -> None:
    _, client = shaped(VirtualClock(), key=by.header("x"), without_key=without_key, headers=True)

    answer = await client.get("/")

    assert answer.status == (429 if without_key == "refuse" else 200)
    assert (answer.header("ratelimit") is None) == (without_key == "refuse")


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
def test_in_redis_all_processes_wait_in_one_line() -> None:
    async def scenario(port: int) -> None:
        clock = VirtualClock("2026-01-01T00:00Z")
        stores = [
            RedisThrottleStore(RedisAddress(port=port, timeout_s=20), time_us=lambda: round(clock.wall() * 1e6))
            for _ in range(2)
        ]
        middlewares = [
            PolicyMiddleware(
                app, policies=[throttle(rate=1, burst=1, key=by.everyone, max_wait="3s", name="t")], clock=clock,
                store=store,
            )
            for store in stores
        ]  # fmt: skip
        tasks = [asyncio.create_task(Client(middlewares[number % 2]).get("/")) for number in range(6)]
        while clock.sleeping < 3 or sum(task.done() for task in tasks) < 3:  # noqa: ASYNC110 - the clock tells nobody that it is asked
            await asyncio.sleep(0.001)  # the real Redis answers in between
        for _ in range(3):
            clock.advance("1s")
        assert sorted([(await task).status for task in tasks]) == [200] * 4 + [429] * 2
        for middleware, store in zip(middlewares, stores):
            await middleware.aclose()
            await store.aclose()

    with running() as server:
        asyncio.run(scenario(server.port))


def test_what_cannot_wait_is_said() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"max_wait": "soon"}, "max_wait"), ({"max_wait": "2m"}, "longer than 60 s"),
        ({"max_wait": 1, "cost": 2}, "does not wait"), ({"max_waiting": 0}, "1 or more"),
        ({"max_wait": 1, "algorithm": "fixed_window", "burst": None}, "only a token bucket"),
    ]  # fmt: skip
    for options, what in wrong:
        with pytest.raises(ConfigError, match=what):
            throttle(**{"rate": 1, "burst": 1, "key": by.everyone, **options})


async def test_a_token_that_cannot_be_given_back_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    from gatewaykit import StoreError

    class Stuck(MemoryThrottleStore):
        def charge(self, name: Any, limits: Any) -> Any:
            def charge(keys: Any, amount: int) -> Awaitable[None]:
                raise StoreError("down")

            return charge

    clock = VirtualClock()
    client = Client(
        PolicyMiddleware(
            app, policies=[throttle(rate=1, burst=1, key=by.everyone, max_wait="3s", max_waiting=1)], clock=clock,
            store=Stuck(clock),
        )
    )  # fmt: skip
    tasks = [asyncio.create_task(client.get("/")) for _ in range(3)]
    await settled(clock, tasks, 1)
    clock.advance("1s")
    await settled(clock, tasks, 0)

    assert sorted(task.result().status for task in tasks) == [200, 200, 429]
    assert "could not be given back: down" in caplog.text
