"""Limits in Redis: what a decision costs this process, against a bare connection with the same script, and its peers.

    python -m benchmarks --only stores

A server is started on a free port. CPU time is that of this process alone; what it waits for is not counted. With one
caller a decision has a turn of the loop to itself; with 32 at once, commands share writes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from limits import RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from benchmarks.inproc import measure
from benchmarks.report import Line, at_least, at_most, line, say
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken
from gatewaykit.deploy.throttle_stores import throttle_store
from gatewaykit.stores.redis import _script
from tests.peers.redis import RedisServer, running

__all__ = ["Bare", "run"]

_BUCKET: Final = Bucket(1e6, 1000)
_FIVE: Final = (_BUCKET, Bucket(1e6, 999), Bucket(1e6, 998), Bucket(1e6, 997), Quota(10**9, "MONTH"))
"""Those of the throttling hierarchy: account, stage, method, plan, and the plan's quota."""

_CALLERS: Final = 32


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    say("  a decision in Redis, alone and 32 at once")
    with running() as server:
        return _lines(server, 21 if quick else 61)


def _lines(server: RedisServer, rounds: int) -> list[Line]:
    store = throttle_store(f"redis://127.0.0.1:{server.port}?timeout=10s")
    ours = store.bucket("bench", _BUCKET)
    several = store.limits("bench", _FIVE)
    bare = Bare(server.port)
    limiter = FixedWindowRateLimiter(
        RedisStorage(f"async+redis://127.0.0.1:{server.port}", implementation="redispy", max_connections=64)
    )
    item = RateLimitItemPerSecond(10**9)

    async def our() -> Any:
        return await ours("key")  # type: ignore[misc]  # the store waits

    async def our_several() -> Any:
        return await several(("key",) * 5)  # type: ignore[misc]  # the store waits

    async def peer() -> Any:
        return await limiter.hit(item, "key")

    def crowd(one: Callable[[], Awaitable[Any]]) -> Any:
        fresh = [True]

        async def all_at_once() -> None:
            if fresh.pop() if fresh else False:
                await one()  # the bare connection is opened by its first caller, alone
            await asyncio.gather(*(one() for _ in range(_CALLERS)))

        return all_at_once

    leased = throttle_store(f"redis://127.0.0.1:{server.port}?timeout=10s&lease=10ms").bucket("leased", _BUCKET)

    async def from_a_slice() -> Any:
        answer = leased("key")
        return answer if isinstance(answer, Taken) else await answer

    one = {"ours": our, "bare": bare.take, "five": our_several, "bare five": bare.take_five, "limits": peer,
           "leased": from_a_slice}  # fmt: skip
    alone = measure(one, rounds=rounds)
    store, bare.transport = throttle_store(f"redis://127.0.0.1:{server.port}?timeout=10s"), None
    ours, several = store.bucket("bench", _BUCKET), store.limits("bench", _FIVE)
    limiter = FixedWindowRateLimiter(
        RedisStorage(f"async+redis://127.0.0.1:{server.port}", implementation="redispy", max_connections=64)
    )
    many = measure({name: crowd(case) for name, case in one.items() if name != "leased"}, rounds=rounds)
    return [
        line("stores", "CPU of a decision / a bare connection", alone.ratios("ours", "bare"), at_most(1.3)),
        line("stores", "the same, 32 at once", many.ratios("ours", "bare"), at_most(1.3)),
        line(
            "stores",
            "CPU of the five of a hierarchy / a bare connection",
            alone.ratios("five", "bare five"),
            at_most(1.3),
        ),
        line("stores", "the same, 32 at once", many.ratios("five", "bare five"), at_most(1.3)),
        line("stores", "CPU of limits.aio / ours, 32 at once", many.ratios("limits", "ours"), at_least(3.5)),
        line("stores", "CPU of limits.aio for one limit / ours for five, 32 at once", many.ratios("limits", "five")),
        line("stores", "five limits / one", alone.ratios("five", "ours"), note="one round trip each"),
        line("stores", "round trips of a decision of five limits", [_round_trips(server)], at_most(1), unit=""),
        line("stores", "CPU of a decision / one from a slice of 10 ms", alone.ratios("ours", "leased")),
        line(
            "stores",
            "requests a round trip, 5000 a second with lease=10ms",
            [_requests_a_round_trip(server) for _ in range(rounds // 20)],
            at_least(20),
            unit="",
        ),
    ]


def _round_trips(server: RedisServer) -> float:
    """Commands that one decision of five limits makes, counted by the server."""
    store = throttle_store(f"redis://127.0.0.1:{server.port}?timeout=10s")
    verb = store.limits("count", _FIVE)

    async def count() -> float:
        await verb(("key",) * 5)  # type: ignore[misc]  # the store waits
        server.say("CONFIG", "RESETSTAT")
        for _ in range(100):
            await verb(("key",) * 5)  # type: ignore[misc]  # the store waits
        stats = server.say("INFO", "commandstats").decode()
        await store.aclose()
        return int(stats.split("cmdstat_evalsha:calls=")[1].split(",")[0]) / 100

    return asyncio.run(count())


def _requests_a_round_trip(server: RedisServer) -> float:
    """Of an open loop of 5000 requests a second, for a second; the round trips are counted by the server."""
    store = throttle_store(f"redis://127.0.0.1:{server.port}?timeout=10s&lease=10ms")
    verb = store.bucket("paced", Bucket(10_000.0, 5000))

    async def request() -> None:
        answer = verb("key")
        if not isinstance(answer, Taken):
            await answer

    async def count() -> float:
        await request()
        server.say("CONFIG", "RESETSTAT")
        loop = asyncio.get_running_loop()
        began, sent, waiting = loop.time(), 0, set[asyncio.Task[None]]()
        while sent < 5000:
            while sent < min(5000, 5000 * (loop.time() - began)):
                task = loop.create_task(request())
                waiting.add(task)
                task.add_done_callback(waiting.discard)
                sent += 1
            await asyncio.sleep(0.0002)
        await asyncio.gather(*waiting)
        stats = server.say("INFO", "commandstats").decode()
        await store.aclose()
        return sent / int(stats.split("cmdstat_evalsha:calls=")[1].split(",")[0])

    return asyncio.run(count())


class Bare(asyncio.Protocol):
    """The floor: commands in one write a turn, replies in order, and no deadline, check or recovery."""

    def __init__(self, port: int) -> None:
        from hiredis import Reader

        self.port, self.reader = port, Reader()
        self.transport: Any = None
        self.waiting: deque[asyncio.Future[Any]] = deque()
        self.out: list[bytes] = []
        self.script, self.digest = _script()
        how, bucket = b"$1\r\n1\r\n$0\r\n\r\n$1\r\n1\r\n", b"$6\r\nBUCKET\r\n$3\r\n1.0\r\n$4\r\n1000\r\n"
        self.tail = how + bucket
        self.tail_of_five = how + bucket * 4 + b"$5\r\nMONTH\r\n$10\r\n1000000000\r\n$1\r\n0\r\n"

    async def take(self) -> tuple[bool, int]:
        key = b"gatewaykit:{bare}:key"
        left, _ = await self.call(
            b"*10\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$1\r\n1\r\n$%d\r\n%b\r\n%b" % (self.digest, len(key), key, self.tail)
        )
        return left >= 0, left

    async def take_five(self) -> tuple[bool, list[int]]:
        keys = [b"gatewaykit:{bare}:%d:key" % number for number in range(5)]
        reply = await self.call(
            b"*26\r\n$7\r\nEVALSHA\r\n$40\r\n%b\r\n$1\r\n5\r\n%b%b"
            % (self.digest, b"".join([b"$%d\r\n%b\r\n" % (len(key), key) for key in keys]), self.tail_of_five)
        )
        return min(reply[::2]) >= 0, reply

    async def call(self, wire: bytes) -> Any:
        loop = asyncio.get_running_loop()
        if self.transport is None:
            self.reader = type(self.reader)()
            self.waiting.clear()
            self.transport, _ = await loop.create_connection(lambda: self, "127.0.0.1", self.port)
        future = loop.create_future()
        self.waiting.append(future)
        if not self.out:
            loop.call_soon(self.flush)
        self.out.append(wire)
        return await future

    def flush(self) -> None:
        self.transport.write(b"".join(self.out))
        self.out.clear()

    def data_received(self, data: bytes) -> None:
        self.reader.feed(data)
        while (reply := self.reader.gets()) is not False:
            future = self.waiting.popleft()
            if not future.done():
                future.set_result(reply)
