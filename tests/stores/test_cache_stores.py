"""Stores of responses: the contract, and what is each one's own."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit import ConfigError, StoreError, VirtualClock
from gatewaykit.core.caching.entry import Entry
from gatewaykit.deploy.cache_stores import cache_store, opening_cache
from gatewaykit.stores.cache_memory import MemoryCacheStore
from gatewaykit.stores.cache_redis import RedisCacheSpace, RedisCacheStore
from gatewaykit.stores.redis_connection import RedisAddress
from gatewaykit.stores.resp import command
from gatewaykit.testing import CacheStoreContract
from tests.peers.redis import RedisServer, running

_NAMES = itertools.count()


def entry(size: int = 100, **changes: object) -> Entry:
    return replace(Entry(200, [], b"x" * size, 0.0), **changes)  # type: ignore[arg-type]  # fields of it


class TestMemory(CacheStoreContract):
    async def make_store(self, clock: VirtualClock) -> MemoryCacheStore:
        return MemoryCacheStore(clock)


# --------------------------------------------------------------------------------------------------- memory


def test_the_budget_holds_whatever_is_put() -> None:
    clock = VirtualClock()
    store = MemoryCacheStore(clock, size=100_000)
    space = store.space("space")

    for number in range(5000):
        space.put(b"%d" % number, entry(number % 3000), 3600, variant=b"" if number % 2 else b"v")
        assert store._bytes <= 100_000

    use = space.use()
    assert use.bytes == store._bytes
    assert use.evicted > 0


def test_a_scan_does_not_empty_it() -> None:
    space = MemoryCacheStore(VirtualClock(), size=100_000).space("space")
    popular = [b"popular %d" % number for number in range(20)]
    for key in popular:
        space.put(key, entry(), 3600)
        space.get(key)

    for number in range(10_000):
        space.put(b"%d" % number, entry(), 3600)

    assert sum(space.get(key)[0] is not None for key in popular) == len(popular)


def test_what_was_thrown_out_and_comes_again_stays_longer() -> None:
    space = MemoryCacheStore(VirtualClock(), size=20_000).space("space")
    space.put(b"again", entry(), 3600)
    for number in range(100):
        space.put(b"%d" % number, entry(), 3600)
    assert space.get(b"again") == (None,)

    space.put(b"again", entry(), 3600)
    for number in range(100, 120):
        space.put(b"%d" % number, entry(), 3600)

    assert space.get(b"again") != (None,)


def test_what_is_over_goes_with_what_is_put_next_though_nobody_asks_for_it() -> None:
    clock = VirtualClock()
    store = MemoryCacheStore(clock)
    space = store.space("space")
    for number in range(1000):
        space.put(b"%d" % number, entry(), 60)
    clock.advance("2m")

    space.put(b"next", entry(), 60)

    assert (len(space), space.use().entries) == (1, 1)
    assert sum(map(len, store._endings.values())) < 100


def test_what_is_too_large_is_not_taken_in_and_the_old_one_is_gone() -> None:
    store = MemoryCacheStore(VirtualClock(), size=10_000)
    space = store.space("space")
    space.put(b"key", entry(), 60)

    assert not space.put(b"key", entry(5000), 60)
    assert space.get(b"key") == (None,)
    assert (store._bytes, space.refused) == (0, 1)


def test_a_cache_of_no_bytes_keeps_nothing() -> None:
    space = MemoryCacheStore(VirtualClock(), size=0).space("space")

    assert not space.put(b"key", entry(0), 60)
    with pytest.raises(ValueError, match="0 bytes or more"):
        MemoryCacheStore(size=-1)


def test_many_drops_void_claims_too_many_rather_than_too_few() -> None:
    space = MemoryCacheStore(VirtualClock()).space("space")
    claim = space.claim(b"key", 60)
    space.drop(b"key")
    for number in range(20_000):
        space.drop(b"%d" % number)

    assert not space.put(b"key", entry(), 60, claim=claim)


VERBS = ["put", "get", "drop", "advance", "purge", "flush"]
OPERATIONS = st.lists(st.tuples(st.sampled_from(VERBS), st.integers(0, 5), st.integers(0, 400)), max_size=60)


@given(OPERATIONS)
def test_it_gives_the_newest_or_nothing_and_counts_its_bytes_right(operations: list[tuple[str, int, int]]) -> None:
    clock = VirtualClock()
    store = MemoryCacheStore(clock, size=4000)
    space = store.space("space")
    newest: dict[tuple[bytes, bytes], Entry | None] = {}
    for what, number, size in operations:
        key, variant = b"%d" % (number // 2), b"v" if number % 2 else b""
        if what == "put":
            made = entry(size, url=f"{number}/", tags=(str(number),))
            space.put(key, made, size)
            newest[key, b""] = made
            space.put(key, made, size, variant=b"v")
            newest[key, b"v"] = made
        elif what == "get":
            found = space.get(key, variant)
            assert found[-1] in (None, newest.get((key, variant)))
        elif what == "drop":
            space.drop(key)
            assert space.get(key, b"v") == (None, None)
        elif what == "purge":
            space.purge(tag=str(number))
        elif what == "flush":
            space.flush()
            assert len(space) == 0
        else:
            clock.advance(size)
        kept = [*space._all()]
        assert store._bytes == sum(item.size for item in kept) <= 4000
        assert store._small_bytes == sum(item.size for item in kept if not item.in_main)


# --------------------------------------------------------------------------------------------------- Redis


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


def on(server: RedisServer, gateway: str = "") -> RedisCacheStore:
    """A store that starts empty."""
    name = gateway or f"cache-{os.getpid()}-{next(_NAMES)}"
    return RedisCacheStore(RedisAddress(port=server.port, timeout_s=20), gateway=name)


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
class TestRedis(CacheStoreContract):
    tells_time = False

    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    async def make_store(self, clock: VirtualClock) -> RedisCacheStore:
        return on(self.server)


def spaces(server: RedisServer) -> tuple[RedisCacheStore, RedisCacheStore]:
    """The same space, as two processes see it."""
    name = f"cache-{os.getpid()}-{next(_NAMES)}"
    return on(server, name), on(server, name)


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
class TestOnAServer:
    async def test_what_one_process_keeps_another_gives(self, server: RedisServer) -> None:
        one, other = spaces(server)
        await one.space("s").put(b"k", entry(url="a"), 60)

        assert await other.space("s").get(b"k") == [entry(url="a")]
        await one.aclose()
        await other.aclose()

    async def test_a_hit_is_one_command_and_a_miss_too(self, server: RedisServer) -> None:
        store = on(server)
        space = store.space("s")
        await space.put(b"k", entry(), 60)
        await space.put(b"k", entry(), 60, variant=b"v")
        server.ask("CONFIG", "RESETSTAT")

        await space.get(b"k", b"v")
        await space.get(b"n", b"v")

        calls = server.ask("INFO", "commandstats")
        assert "cmdstat_mget:calls=2," in str(calls)
        assert str(calls).count("cmdstat_") <= 3  # MGET, and what asks here
        await store.aclose()

    async def test_a_stale_claim_writes_nothing_and_one_that_is_over_is_given_again(self, server: RedisServer) -> None:
        one, other = spaces(server)
        stale = await one.space("s").claim(b"k", 0.001)
        claim = 0
        while not claim:
            claim = await other.space("s").claim(b"k", 60)

        assert claim > stale
        assert not await one.space("s").put(b"k", entry(), 60, claim=stale)
        await one.space("s").release(b"k", stale)
        assert await one.space("s").claim(b"k", 60) == 0
        assert await other.space("s").put(b"k", entry(), 60, claim=claim)
        await one.aclose()
        await other.aclose()

    async def test_entries_end_by_the_servers_time(self, server: RedisServer) -> None:
        store = on(server)
        space = store.space("s")
        await space.put(b"k", entry(url="u", tags=("t",)), 0.001)
        while await space.get(b"k") != [None]:
            pass

        await space.put(b"other", entry(), 60)

        assert (await space.use()).entries == 1
        assert await space.purge(tag="t") == await space.purge(prefix="u") == 0
        await store.aclose()

    async def test_every_key_has_a_time_to_live_or_is_bounded(self, server: RedisServer) -> None:
        store = on(server)
        space = store.space("s")
        for number in range(50):
            await space.put(b"%d" % number, entry(url="u", tags=("t",)), 60, variant=b"v")
        await space.flush()

        left = server.ask("EVAL", "return redis.call('KEYS', ARGV[1])", 0, space.prefix.decode() + "*")
        names = {str(name, "latin-1") if isinstance(name, bytes) else name for name in left}
        kinds = {name.removeprefix(space.prefix.decode())[:1] for name in names}
        assert kinds <= {"n", "f", "v", "t"}  # counters, and sets that end by themselves
        await store.aclose()

    @pytest.mark.parametrize(
        "damage", ["x", "\x00garbage", "\x01" + "\x00" * 20, "\x01\x00\x00\x00\x02" + "i" * 16, ""]
    )
    async def test_a_corrupt_entry_is_a_miss_and_goes(self, server: RedisServer, damage: str) -> None:
        store = on(server)
        space = store.space("s")
        await space.put(b"k", entry(), 60)
        server.ask("SET", space.prefix.decode() + "e" + b"k".hex(), damage)

        assert await space.get(b"k") == [None]
        assert server.ask("EXISTS", space.prefix.decode() + "e" + b"k".hex()) == 0
        await store.aclose()

    async def test_a_large_body_of_which_a_piece_is_missing_is_a_miss(self, server: RedisServer) -> None:
        store = on(server)
        space = store.space("s")
        await space.put(b"k", entry(2_000_000), 60)
        (piece, *_) = server.ask("EVAL", "return redis.call('KEYS', ARGV[1])", 0, space.prefix.decode() + "c*")
        server.ask("DEL", piece)

        assert await space.get(b"k") == [None]
        await store.aclose()

    async def test_another_entry_that_came_meanwhile_is_not_taken_for_the_one_that_cannot_be_read(
        self, server: RedisServer
    ) -> None:
        store = on(server)
        space = store.space("s")
        await space.put(b"k", entry(2_000_000), 60)
        name = b"k".hex().encode()
        read = await store._connections.call(command([b"GET", space.prefix + b"e" + name]))
        claim = await space.claim(b"k", 60)
        await space.put(b"k", entry(7), 60, claim=claim)

        assert await space._pieced(read, name) is None
        assert await space.get(b"k") == [entry(7)]
        await store.aclose()

    @pytest.mark.parametrize("verb", ["drop", "tag", "prefix", "flush"])
    async def test_what_is_forgotten_is_gone_though_the_server_took_what_has_a_time_to_live(
        self, server: RedisServer, verb: str
    ) -> None:
        store = on(server)
        space = store.space("s")
        for variant in (b"", b"v"):
            await space.put(b"k", entry(url="u", tags=("t",)), 60, variant=variant)
        take = (
            "for _, k in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do if redis.call('PTTL', k) > 0 "
            "and string.sub(k, #ARGV[1] + 1, #ARGV[1] + 1) ~= 'e' then redis.call('DEL', k) end end"
        )
        server.ask("EVAL", take, 0, space.prefix.decode())  # as one does that is short of memory
        assert await space.get(b"k", b"v") != [None, None]

        match verb:
            case "drop":
                await space.drop(b"k")
            case "flush":
                await space.flush()
            case _:
                assert await space.purge(**{verb: verb[0] if verb == "tag" else "u"}) == 2
        assert await space.get(b"k", b"v") == [None, None]
        await store.aclose()

    async def test_a_claim_that_the_server_does_not_know_any_more_writes_nothing(self, server: RedisServer) -> None:
        store = on(server)
        space = store.space("s")
        claim = await space.claim(b"k", 60)
        server.ask("DEL", space.prefix.decode() + "f" + b"k".hex())

        assert not await space.put(b"k", entry(), 60, claim=claim)
        await store.aclose()

    async def test_a_response_in_the_place_of_a_marker_stays_when_the_markers_time_is_over(
        self, server: RedisServer
    ) -> None:
        store = on(server)
        space = store.space("s")
        for key in (b"k", b"clock"):
            await space.put(key, entry(status=0), 0.05)
        await space.put(b"k", entry(), 60)
        while await space.get(b"clock") != [None]:
            pass

        await space.put(b"other", entry(), 60)  # which sweeps what is over

        assert await space.get(b"k") == [entry()]
        assert (await space.use()).entries == 2
        await store.aclose()

    async def test_pieces_go_with_their_entry(self, server: RedisServer) -> None:
        store = on(server)
        space = store.space("s")
        await space.put(b"k", entry(2_000_000), 60)
        await space.put(b"k", entry(2_000_001), 60)
        await space.drop(b"k")

        assert server.ask("EVAL", "return #redis.call('KEYS', ARGV[1])", 0, space.prefix.decode() + "c*") == 0
        await store.aclose()

    async def test_thousands_are_purged_and_flushed_in_batches(self, server: RedisServer) -> None:
        store = on(server)
        space = store.space("s")
        await asyncio.gather(*(space.put(b"%d" % n, entry(1, url=f"u/{n}", tags=("t",)), 60) for n in range(2500)))

        assert (await space.use()).entries == 2500
        assert await space.purge(prefix="u/1") == 1111
        assert await space.purge(tag="t") == 1389
        await space.flush()
        await store.aclose()

    async def test_without_the_server_every_verb_fails(self) -> None:
        store = RedisCacheStore(RedisAddress(port=1, connect_timeout_s=0.2))
        space = store.space("s")

        for call in (
            space.get(b"k"), space.put(b"k", entry(), 60), space.drop(b"k"), space.purge(tag="t"), space.flush(),
            space.claim(b"k", 60), space.release(b"k", 1), space.use(),
        ):  # fmt: skip
            with pytest.raises(StoreError):
                await call
        await store.aclose()

    async def test_its_scripts_come_back_after_a_restart(self, server: RedisServer) -> None:
        store = on(server)
        space = store.space("s")
        await space.put(b"k", entry(), 60)
        server.ask("SCRIPT", "FLUSH")

        assert await space.put(b"k", entry(7), 60)
        await store.aclose()


def test_a_space_is_made_once() -> None:
    store = RedisCacheStore(RedisAddress(port=1))

    assert isinstance(store.space("a"), RedisCacheSpace)
    assert store.space("a") is store.space("a")
    assert store.space("a").prefix != store.space("b").prefix


# --------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("spec", "size"),
    [
        ("memory://", 64 * 1024**2),
        ("memory://?size=10", 10),
        ("memory://?size=2kB", 2048),
        ("memory://?size=1GiB", 1024**3),
    ],
)
def test_addresses_of_memory(spec: str, size: int) -> None:
    store = cache_store(spec)

    assert isinstance(store, MemoryCacheStore)
    assert store._size == size


def test_an_address_of_a_server() -> None:
    assert isinstance(cache_store("redis://127.0.0.1:6379/2?gateway=shop"), RedisCacheStore)


@pytest.mark.parametrize(
    "spec", ["", "memory", "memory://?size=", "memory://?size=1XB", "memory://?room=1", "ftp://x", "redis://h:port",
             "sqlite:///x", "redis://:secret@h:99999"],
)  # fmt: skip
def test_wrong_addresses(spec: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cache_store(spec)

    assert "secret" not in str(caught.value)


def test_each_address_is_one_store_and_without_one_it_is_where_limits_are() -> None:
    opened = opening_cache(VirtualClock(), "redis://127.0.0.1:1")
    beside_memory = opening_cache(VirtualClock(), "sqlite:///limits.db")

    assert opened("") is opened("redis://127.0.0.1:1")
    assert opened("memory://") is not opened("")
    assert isinstance(beside_memory(""), MemoryCacheStore)
