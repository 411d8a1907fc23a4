"""Claims in Redis are for what will be kept: what is for one request only has none, and waits for nobody's."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gatewaykit import Policy, PolicyMiddleware, edge_cache, stage_cache
from gatewaykit.testing import Client
from tests.peers.redis import RedisServer, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

_NAMES = itertools.count()
BOTH = pytest.mark.parametrize("cache", [edge_cache, stage_cache], ids=["edge", "stage"])


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


class App:
    """It sets a cookie in the responses that `cookies` counts, and can wait until so many requests are in it."""

    def __init__(self, cookies: int, *fields: tuple[bytes, bytes]) -> None:
        self.calls, self.cookies, self.fields = 0, cookies, fields or ((b"cache-control", b"max-age=60"),)
        self.all_here: asyncio.Barrier | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        cookie = [(b"set-cookie", b"sid=%d" % self.calls)] if self.calls <= self.cookies else []
        if self.all_here is not None:
            await self.all_here.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [*self.fields, *cookie]})
        await send({"type": "http.response.body", "body": b"%d" % self.calls})


@asynccontextmanager
async def around(app: App, cache: Any, server: RedisServer, **options: Any) -> AsyncIterator[Client]:
    name = f"claims-{os.getpid()}-{next(_NAMES)}"
    policy: Policy = cache(kept_in=f"redis://127.0.0.1:{server.port}?gateway={name}", **options)
    async with PolicyMiddleware(app, policies=[policy]) as middleware, asyncio.timeout(10):  # claims last for longer
        yield Client(middleware)


@BOTH
async def test_after_a_response_for_one_only_the_next_ones_do_not_wait(server: RedisServer, cache: Any) -> None:
    app = App(1)
    async with around(app, cache, server) as client:
        answers = [await client.get("/") for _ in range(4)]

    assert [answer.body for answer in answers] == [b"1", b"2", b"3", b"4"]
    assert "stored" not in (answers[1].header("cache-status") or "")


@BOTH
async def test_requests_for_pages_that_are_private_run_side_by_side(server: RedisServer, cache: Any) -> None:
    app = App(100)
    async with around(app, cache, server) as client:
        await client.get("/")
        app.all_here = asyncio.Barrier(10)

        answers = await asyncio.gather(*(client.get("/") for _ in range(10)))

    assert len({answer.header("set-cookie") for answer in answers}) == 10


async def test_what_is_not_kept_in_the_end_keeps_nobody_waiting(server: RedisServer) -> None:
    app = App(0, (b"cache-control", b"no-cache"), (b"etag", b'"1"'))
    async with around(app, edge_cache, server, keep_stale=0) as client:
        answers = [await client.get("/") for _ in range(3)]

    assert [answer.body for answer in answers] == [b"1", b"2", b"3"]
