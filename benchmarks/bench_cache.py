"""Cached responses: a hit of 1 kB against messages that stand ready in a dict, and against the caches of FastAPI.

    python -m benchmarks --only cache

The peers are compared where they are installed: fastapi-cache2, aiocache and cashews inside FastAPI, as their documents
show them, hishel as an ASGI middleware with its own store. Every answer has the same body.
"""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import Callable
from typing import Any, Final

from benchmarks import e2e
from benchmarks.bench_chain import on_uvicorn
from benchmarks.bench_stores import Bare
from benchmarks.inproc import answer_of, http_scope, measure, request_to
from benchmarks.report import Line, at_least, at_most, line, say
from benchmarks.stacks import cached
from gatewaykit.core.caching.entry import Entry
from gatewaykit.stores.cache_memory import MemoryCacheStore
from gatewaykit.stores.cache_redis import RedisCacheStore
from gatewaykit.stores.redis_connection import RedisAddress
from tests.peers.redis import running

__all__ = ["run"]

_SCOPE: Final = http_scope()
_ENTRIES: Final = 20_000
_SERVERS: Final = ("ready", "edge()", "edge_behind()", "stage()")


def run(quick: bool) -> list[Line]:
    """The suite's lines."""
    rounds = 11 if quick else 41
    return [
        *_hits(rounds),
        *_look_ups(rounds),
        *_memory(),
        *_redis(rounds),
        *_under_uvicorn(3 if quick else 6, 1 if quick else 2),
    ]


def _hits(rounds: int) -> list[Line]:
    say("  hits in process")
    apps = {"ready": cached.ready, "edge": cached.edge(), "behind": cached.edge_behind(), "stage": cached.stage()}
    apps |= {name: app for name, make in _PEERS.items() if (app := _made(name, make)) is not None}
    for name, app in apps.items():
        answer_of(app, _SCOPE)
        status, _, body = answer_of(app, _SCOPE)
        told = json.loads(body) if body[:1] == b'"' else body.decode()
        assert (status, told) == (200, cached.BODY.decode()), name
    cases = {name: request_to(app, _SCOPE) for name, app in apps.items()}
    times = measure(cases, rounds=rounds)
    lines = [
        line("cache", "a hit of edge_cache / ready messages in a dict", times.ratios("edge", "ready"), at_most(1.3)),
        line("cache", "a hit of edge_cache: added", times.added_us("edge", "ready"), unit="us"),
        line("cache", "a hit of edge_cache behind another policy / ready messages", times.ratios("behind", "ready")),
        line("cache", "a hit of stage_cache / ready messages in a dict", times.ratios("stage", "ready")),
    ]
    for name in apps:
        if name in _PEERS:
            target = at_least(250 if name == "hishel" else 55)
            lines.append(line("cache", f"{name} / a hit of edge_cache", times.ratios(name, "edge"), target))
    return lines


def _look_ups(rounds: int) -> list[Line]:
    from cachetools import LRUCache, TTLCache

    plain, lru, ttl = {b"key": 1}, LRUCache(1000), TTLCache(1000, 3600)
    lru[b"key"] = ttl[b"key"] = 1
    space = MemoryCacheStore().space("space")
    space.put(b"key", Entry(200, [], cached.BODY, 0.0), 3600)
    cases = {
        "dict": lambda: plain.get(b"key"), "LRUCache": lambda: lru.get(b"key"), "TTLCache": lambda: ttl.get(b"key"),
        "ours": lambda: space.get(b"key"),
    }  # fmt: skip
    times = measure(cases, rounds=rounds)
    return [
        line("cache", "a look-up in the memory store / one in a dict", times.ratios("ours", "dict")),
        line("cache", "a look-up in cachetools.LRUCache / one in the memory store", times.ratios("LRUCache", "ours")),
        line("cache", "a look-up in cachetools.TTLCache / one in the memory store", times.ratios("TTLCache", "ours")),
    ]


def _memory() -> list[Line]:
    """Bytes of an entry with a body of 1 kB, beside those of the body and its key in a dict."""

    def kept() -> object:
        space = MemoryCacheStore(size=1 << 30).space("space")
        for number in range(_ENTRIES):
            fields = [*cached.FIELDS, (b"etag", b'"%d"' % number)]
            space.put(b"%016d" % number, Entry(200, fields, b"%01024d" % number, 1e9, 60.0, url="h/x"), 3600)
        return space

    def raw() -> object:
        return {b"%016d" % number: b"%01024d" % number for number in range(_ENTRIES)}

    ours, floor = _bytes_of(kept) / _ENTRIES, _bytes_of(raw) / _ENTRIES
    return [
        line("cache", "bytes of an entry of 1 kB, all told", [ours], unit="B"),
        line("cache", "the same / body and key in a dict", [ours / floor], at_most(1.3)),
    ]


def _bytes_of(make: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    made = make()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    del made
    return size


def _redis(rounds: int) -> list[Line]:
    say("  hits in Redis")
    with running() as server:
        space = RedisCacheStore(RedisAddress(port=server.port, timeout_s=10)).space("bench")
        entry = Entry(200, [*cached.FIELDS], cached.BODY, 1e9, 60.0)
        asyncio.run(_put(space, entry))
        place = (space.prefix + b"e" + b"key".hex().encode()).decode("latin-1").encode("latin-1")
        wire = b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(place), place)
        bare = Bare(server.port)

        async def ours() -> Any:
            return await space.get(b"key")

        async def floor() -> Any:
            return await bare.call(wire)

        times = measure({"ours": ours, "bare": floor}, rounds=rounds)
    return [line("cache", "CPU of a hit in Redis / a bare GET", times.ratios("ours", "bare"), at_most(1.3))]


async def _put(space: Any, entry: Entry) -> None:
    assert await space.put(b"key", entry, 3600)
    await space._connections.aclose()


def _under_uvicorn(rounds: int, seconds: int) -> list[Line]:
    say("  hits under uvicorn")
    times = e2e.cpu_per_request(
        [on_uvicorn(target, f"cached:{target}", "/hello", []) for target in _SERVERS], rounds=rounds, seconds=seconds
    )
    return [
        line("cache", f"{what}, CPU of a hit under uvicorn / ready messages", times.ratios(name, "ready"), target)
        for what, name, target in (
            ("edge_cache", "edge()", at_most(1.15)), ("edge_cache behind another policy", "edge_behind()", None),
            ("stage_cache", "stage()", None),
        )
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------------- peers


def _fastapi_cache2() -> Any:
    from fastapi import FastAPI
    from fastapi_cache import FastAPICache
    from fastapi_cache.backends.inmemory import InMemoryBackend
    from fastapi_cache.decorator import cache

    FastAPICache.init(InMemoryBackend())
    app = FastAPI()

    @app.get("/hello")
    @cache(expire=3600)
    async def hello() -> str:
        return cached.BODY.decode()

    return app


def _aiocache() -> Any:
    from aiocache import cached as keep
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/hello")
    async def hello() -> str:
        return await page()

    @keep(ttl=3600)
    async def page() -> str:
        return cached.BODY.decode()

    return app


def _cashews() -> Any:
    from cashews import cache
    from fastapi import FastAPI

    cache.setup("mem://")
    app = FastAPI()

    @app.get("/hello")
    @cache(ttl="1h")
    async def hello() -> str:
        return cached.BODY.decode()

    return app


def _hishel() -> Any:
    from hishel import AsyncSqliteStorage
    from hishel.asgi import ASGICacheMiddleware

    return ASGICacheMiddleware(cached.app, storage=AsyncSqliteStorage(database_path=":memory:"))


_PEERS: Final[dict[str, Callable[[], Any]]] = {
    "fastapi-cache2": _fastapi_cache2, "aiocache": _aiocache, "cashews": _cashews, "hishel": _hishel,
}  # fmt: skip


def _made(name: str, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ImportError as error:
        say(f"  {name} is left out: {error}")
        return None
