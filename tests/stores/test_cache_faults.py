"""What a cache in Redis does when the server is dead, paused, full, mad or new: requests are served all the same."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from gatewaykit import Policy, PolicyMiddleware, StoreError, edge_cache, stage_cache
from gatewaykit.core.caching.entry import Entry
from gatewaykit.stores.cache_redis import RedisCacheSpace, RedisCacheStore
from gatewaykit.stores.redis_connection import RedisAddress
from gatewaykit.testing import Client
from tests.peers.redis import RedisServer, answering, cluster, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

_NAMES = itertools.count()
PAGE = Entry(200, [(b"x", b"1")], b"page", 1e9, 60.0)
BOTH = pytest.mark.parametrize("cache", [edge_cache, stage_cache], ids=["edge", "stage"])


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


class App:
    def __init__(self) -> None:
        self.calls = 0
        self.while_called: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls += 1
        if self.while_called is not None:
            self.while_called()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=60")]})
        await send({"type": "http.response.body", "body": b"%d" % self.calls})


@asynccontextmanager
async def around(app: App, cache: Any, port: int, patience: str = "200ms") -> AsyncIterator[Client]:
    name = f"faults-{os.getpid()}-{next(_NAMES)}"
    policy: Policy = cache(kept_in=f"redis://127.0.0.1:{port}?gateway={name}&timeout={patience}")
    async with PolicyMiddleware(app, policies=[policy]) as middleware:
        yield Client(middleware)


async def bodies(client: Client, times: int) -> list[bytes]:
    return [(await client.get("/")).body for _ in range(times)]


@BOTH
async def test_a_killed_server_costs_hits_and_a_started_one_keeps_again(server: RedisServer, cache: Any) -> None:
    app = App()
    async with around(app, cache, server.port) as client:
        assert await bodies(client, 2) == [b"1", b"1"]
        server.kill()
        assert await bodies(client, 2) == [b"2", b"3"]
        server.start()

        seen: list[bytes] = []
        while len(seen) < 2 or seen[-1] != seen[-2]:
            seen += await bodies(client, 1)
            assert len(seen) < 10_000

        assert app.calls < 10_000


@BOTH
async def test_a_server_that_dies_between_the_claim_and_the_entry_costs_nobody_the_answer(
    server: RedisServer, cache: Any
) -> None:
    app = App()
    app.while_called = server.kill
    async with around(app, cache, server.port) as client:
        answers = await asyncio.gather(*(client.get("/") for _ in range(20)))

        assert {answer.status for answer in answers} == {200}
        assert app.calls == 1


@BOTH
async def test_a_paused_server_costs_its_time_out_and_no_answer(server: RedisServer, cache: Any) -> None:
    app = App()
    async with around(app, cache, server.port, patience="50ms") as client:
        await bodies(client, 1)

        with server.paused():
            assert len(await bodies(client, 3)) == 3

        assert app.calls == 4


@BOTH
async def test_a_full_server_keeps_nothing_and_serves(cache: Any) -> None:
    with running("--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
        app = App()
        async with around(app, cache, server.port, patience="2s") as client:
            assert await bodies(client, 2) == [b"1", b"2"]


async def test_a_full_server_is_a_store_error() -> None:
    with running("--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
        space = RedisCacheStore(RedisAddress(port=server.port, timeout_s=5)).space("s")
        with pytest.raises(StoreError, match="OOM"):
            await space.put(b"k", PAGE, 60)
        with pytest.raises(StoreError):
            await space.claim(b"k", 60)
        await space._connections.aclose()


@pytest.mark.parametrize("verb", ["drop", "purge", "flush"])
async def test_a_full_server_forgets_what_it_has(server: RedisServer, verb: str) -> None:
    space = RedisCacheStore(RedisAddress(port=server.port, timeout_s=5)).space("s")
    claim = await space.claim(b"k", 60)
    await space.put(b"k", PAGE, 60)
    server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.ask("CONFIG", "SET", "maxmemory", "1")

    match verb:
        case "drop":
            await space.drop(b"k")
        case "purge":
            assert await space.purge(prefix="") == 1
        case _:
            await space.flush()

    assert await space.get(b"k") == [None]
    server.ask("CONFIG", "SET", "maxmemory", "0")
    assert not await space.put(b"k", PAGE, 60, claim=claim)
    await space._connections.aclose()


GARBAGE = [b"+OK\r\n", b"*1\r\n:1\r\n", b":7\r\n", b"-ERR no\r\n", b"$-1\r\n", b"HTTP/1.1 400\r\n\r\n", b"$5\r\nhe\r\n"]


@pytest.mark.parametrize(
    "garbage", GARBAGE, ids=["OK", "a list", "a number", "an error", "nothing", "HTTP", "cut short"]
)
@BOTH
async def test_answers_that_are_none_cost_nobody_the_answer(cache: Any, garbage: bytes) -> None:
    def answer(wire: bytes) -> bytes:
        return b"+OK\r\n" if any(each in wire for each in (b"SELECT", b"CLIENT", b"SCRIPT")) else garbage

    with answering(answer) as port:
        app = App()
        async with around(app, cache, port, patience="100ms") as client:
            assert {await client.get("/") and 200 for _ in range(3)} == {200}
            assert app.calls >= 1


@pytest.mark.parametrize(
    "garbage", GARBAGE, ids=["OK", "a list", "a number", "an error", "nothing", "HTTP", "cut short"]
)
async def test_a_verb_gives_what_it_promises_or_fails(garbage: bytes) -> None:
    def answer(wire: bytes) -> bytes:
        return b"+OK\r\n" if any(each in wire for each in (b"SELECT", b"CLIENT", b"SCRIPT")) else garbage

    with answering(answer) as port:
        space = RedisCacheStore(RedisAddress(port=port, timeout_s=0.1)).space("s")
        for call, kind in (
            (lambda: space.get(b"k"), list), (lambda: space.get(b"k", b"v"), list),
            (lambda: space.put(b"k", PAGE, 60), bool),
            (lambda: space.claim(b"k", 60), int), (lambda: space.use(), object), (lambda: space.purge(tag="t"), int),
        ):  # fmt: skip
            try:
                assert isinstance(await call(), kind)
            except StoreError:
                continue


async def test_it_works_in_a_cluster_where_all_of_a_gateway_is_on_one_node() -> None:
    with cluster() as nodes:
        node = nodes.nodes[0]
        address = RedisAddress(port=node.port, timeout_s=10, topology="cluster", seeds=(("127.0.0.1", node.port),))
        for gateway in ("a", "b", "c", "d"):
            store = RedisCacheStore(address, gateway=gateway)
            space = store.space("s")
            assert await space.put(
                b"k", Entry(200, [], b"x" * 1_500_000, 1e9, 60.0, tags=("t",), url="u"), 60, variant=b"v"
            )
            found = await space.get(b"k", b"v")
            assert found[1] is not None
            assert len(found[1].body) == 1_500_000
            assert await space.purge(tag="t") == 1
            await store.aclose()


@BOTH
async def test_what_was_fetched_gives_its_claim_back(server: RedisServer, cache: Any) -> None:
    """A variant, a response that is not kept, and one that broke off: the next one need not wait."""
    app = App()

    async def varied(scope: Any, receive: Any, send: Any) -> None:
        app.calls += 1
        how = scope["query_string"]
        if how == b"breaks":
            raise ConnectionError("down")
        control = b"no-store" if how == b"private" else b"max-age=60"
        fields = [(b"cache-control", control), (b"vary", b"accept-language")]
        await send({"type": "http.response.start", "status": 200, "headers": fields})
        await send({"type": "http.response.body", "body": b"x", "more_body": how == b"cut"})
        if how == b"cut":
            raise ConnectionError("down")

    async with around(varied, cache, server.port, "5s") as client:  # type: ignore[arg-type]  # an app as good
        for target in ("/", "/?private", "/?breaks", "/?cut"):
            for language in ("de", "en"):
                try:
                    await client.get(target, headers={"accept-language": language})
                except ConnectionError:  # the app's own, or its broken stream
                    continue
    held = server.ask("EVAL", "local n = 0 for _, k in ipairs(redis.call('KEYS', '*')) do "
                      "if string.match(k, ':h[0-9a-f]+$') then n = n + 1 end end return n", 0)  # fmt: skip

    assert (held, app.calls > 4) == (0, True)


@BOTH
async def test_what_another_keeps_between_a_look_and_a_claim_is_not_fetched_again(
    server: RedisServer, cache: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = App(), App()
    address = f"redis://127.0.0.1:{server.port}?gateway=between&timeout=5s"
    claim = RedisCacheSpace.claim

    async def late(space: RedisCacheSpace, key: bytes, hold_s: float) -> int:
        monkeypatch.undo()
        await Client(others).get("/")
        return await claim(space, key, hold_s)

    async with (
        PolicyMiddleware(first, policies=[cache(kept_in=address)]) as others,
        PolicyMiddleware(second, policies=[cache(kept_in=address)]) as middleware,
    ):
        monkeypatch.setattr(RedisCacheSpace, "claim", late)
        for _ in range(2):
            assert (await Client(middleware).get("/")).body == b"1"

    assert (first.calls, second.calls) == (1, 0)


async def test_a_reload_is_not_answered_with_what_it_has_to_validate(server: RedisServer) -> None:
    app = App()
    obedient = partial(edge_cache, obey_client=True)
    async with around(app, obedient, server.port, "5s") as client:
        await client.get("/")
        reloaded = await client.get("/", headers={"cache-control": "no-cache"})

    assert (app.calls, reloaded.body) == (2, b"2")
