"""Attacks on limits that are kept in Redis: odd and many keys, and clients that leave, seen from the door of an app."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from gatewaykit import PolicyMiddleware, by, throttle
from gatewaykit.testing import Client
from tests.peers.redis import RedisServer, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


def limited(server: RedisServer) -> PolicyMiddleware:
    """One request for each name, and then no other for long."""
    rule = throttle(rate=0.001, burst=1, key=by.header("x-name"), name="each name")
    store = f"redis://127.0.0.1:{server.port}?timeout=20s&on_store_error=deny"
    return PolicyMiddleware(app, policies=[rule], store=store)


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"fine"})


NAMES = [
    "a", "a:b", ":", "=a", "#a", "{a}", "}{", "gatewaykit:{default}:", "*1 $8 FLUSHALL", "a b", "%00", "\xff\xfe",
    "x" * 10_240, "x" * 10_239 + "y", "x" * 129, "x" * 128,
]  # fmt: skip


async def test_no_name_shares_the_limit_of_another_however_it_is_written(server: RedisServer) -> None:
    guarded = limited(server)

    answers = [(await Client(guarded).get("/", headers={"x-name": name})).status for name in NAMES for _ in range(2)]

    longest = server.ask("EVAL", "local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do n = math.max(n, #k) end "
                         "return n", 0)  # fmt: skip
    await guarded.aclose()
    assert answers == [200, 429] * len(NAMES)
    assert longest < 300


async def test_a_flood_of_names_leaves_no_key_that_stays(server: RedisServer) -> None:
    guarded = limited(server)

    await asyncio.gather(*(Client(guarded).get("/", headers={"x-name": f"n{number}"}) for number in range(300)))

    count = "local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do if redis.call('PTTL', k) == -1 then n = n + 1 "
    stay, all_keys = server.ask("EVAL", count + "end end return n", 0), server.ask("DBSIZE")
    await guarded.aclose()
    assert (stay, all_keys) == (0, 300)


async def test_clients_that_leave_before_the_answer_give_it_to_nobody_else(server: RedisServer) -> None:
    guarded = limited(server)
    for number in range(0, 40, 2):
        await Client(guarded).get("/", headers={"x-name": f"n{number}"})
    with server.paused():
        asking = [
            asyncio.create_task(Client(guarded).get("/", headers={"x-name": f"n{number}"})) for number in range(40)
        ]
        for _ in range(5):
            await asyncio.sleep(0)
        for gone in asking[::3]:
            gone.cancel()
        for _ in range(5):
            await asyncio.sleep(0)

    answers = await asyncio.gather(*asking, return_exceptions=True)

    await guarded.aclose()
    seen = [getattr(answer, "status", "gone") for answer in answers]
    assert seen == ["gone" if number % 3 == 0 else 429 if number % 2 == 0 else 200 for number in range(40)]
