"""Responses in memory in front of those in Redis: what one process forgets, all forget."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gatewaykit import ConfigError, StoreError, VirtualClock
from gatewaykit.core.caching.entry import Entry
from gatewaykit.deploy.cache_stores import cache_store
from gatewaykit.stores import redis_gone
from gatewaykit.stores.cache_near import NEAR_S, NearCacheSpace, NearCacheStore
from gatewaykit.stores.redis_address import RedisAddress
from gatewaykit.testing import CacheStoreContract
from tests.peers.redis import RedisServer, answering, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

_NAMES = itertools.count()
PAGE = Entry(200, [(b"x", b"1")], b"page", 1e9, 60.0, tags=("t",), url="h/page")


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


def store(server: RedisServer, clock: VirtualClock | None = None, gateway: str = "") -> NearCacheStore:
    address = RedisAddress(port=server.port, timeout_s=20)
    name = gateway or f"near-{os.getpid()}-{next(_NAMES)}"
    return NearCacheStore(address, size=10_000_000, gateway=name, clock=clock or VirtualClock())


class TestContract(CacheStoreContract):
    tells_time = False

    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    async def make_store(self, clock: VirtualClock) -> NearCacheStore:
        return store(self.server, clock)


async def now(answer: Any) -> Any:
    return await answer if isinstance(answer, Awaitable) else answer


async def listening(*spaces: NearCacheSpace) -> None:
    for space in spaces:
        while not space._gone.look():  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.005)  # the server answers in between


def is_here(space: NearCacheSpace, key: bytes = b"k", variant: bytes = b"") -> bool:
    """Whether an answer needs no round trip."""
    answer = space.get(key, variant)
    if isinstance(answer, Awaitable):
        answer.close()  # type: ignore[attr-defined]  # a coroutine
        return False
    return True


async def gone_from(space: NearCacheSpace, key: bytes = b"k") -> None:
    while is_here(space, key):  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0.005)  # the message is under way


async def two(server: RedisServer) -> tuple[list[NearCacheStore], list[NearCacheSpace]]:
    """The same space in two processes, both with a page that they have here."""
    name = f"near-{os.getpid()}-{next(_NAMES)}"
    stores = [store(server, gateway=name) for _ in range(2)]
    spaces = [each.space("s") for each in stores]
    await listening(*spaces)
    await spaces[0].put(b"k", PAGE, 60)
    for space in spaces:
        assert await now(space.get(b"k")) == [PAGE]
        assert is_here(space)
    return stores, spaces


async def test_the_second_hit_makes_no_round_trip(server: RedisServer) -> None:
    stores, (one, _) = await two(server)

    assert one.get(b"k") == (PAGE,)
    for each in stores:
        await each.aclose()


@pytest.mark.parametrize(
    "forget",
    [
        lambda space: space.drop(b"k"), lambda space: space.purge(tag="t"), lambda space: space.purge(prefix="h/"),
        lambda space: space.flush(), lambda space: space.put(b"k", replace(PAGE, body=b"new"), 60),
    ],
    ids=["drop", "purge by tag", "purge by prefix", "flush", "another one in its place"],
)  # fmt: skip
async def test_what_one_process_forgets_the_other_forgets_too(server: RedisServer, forget: Any) -> None:
    stores, (one, other) = await two(server)

    await forget(one)

    await gone_from(other)
    assert await now(other.get(b"k")) in ([None], [replace(PAGE, body=b"new")])
    for each in stores:
        await each.aclose()


async def test_an_answer_that_is_overtaken_by_a_drop_is_not_kept_here(server: RedisServer) -> None:
    stores, (_, other) = await two(server)
    other._near.flush()

    fetching = other._fetch(b"k", b"", False)
    other._near.claim(b"k", 0)
    task = asyncio.ensure_future(fetching)
    await asyncio.sleep(0)  # it has asked
    other._gone._tell(other.prefix, b"k")
    await task

    assert not is_here(other)
    for each in stores:
        await each.aclose()


async def test_variants_are_here_only_with_what_names_them(server: RedisServer) -> None:
    each = store(server)
    space = each.space("s")
    await listening(space)
    marker = replace(PAGE, status=0, body=b"")
    await space.put(b"k", marker, 60)
    await space.put(b"k", PAGE, 60, variant=b"v")

    assert await now(space.get(b"k", b"v")) == [marker, PAGE]
    assert is_here(space, b"k", b"v")
    assert not is_here(space, b"k", b"w")
    await each.aclose()


async def test_it_is_not_used_while_nobody_listens(server: RedisServer) -> None:
    stores, (_, other) = await two(server)

    server.ask("CLIENT", "KILL", "TYPE", "pubsub")
    while other._gone.listens:  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0.005)  # the connection breaks

    assert not is_here(other)
    assert await now(other.get(b"k")) == [PAGE]  # the server has it still
    for each in stores:
        await each.aclose()


async def test_when_it_listens_again_it_has_forgotten_all(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_gone, "_PAUSE_S", 0.0)
    stores, (one, other) = await two(server)
    server.ask("CLIENT", "KILL", "TYPE", "pubsub")
    while other._gone.listens:  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0.005)  # the connection breaks
    await one._far.drop(b"k")  # which it does not hear of

    await listening(other)

    assert not is_here(other)
    assert await now(other.get(b"k")) == [None]
    for each in stores:
        await each.aclose()


async def test_a_connection_that_is_silent_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_gone, "_PING_S", 0.02)
    monkeypatch.setattr(redis_gone, "SILENCE_S", 0.1)
    with running() as server:
        stores, (_, other) = await two(server)
        with server.paused():
            while other._gone.listens:  # noqa: ASYNC110 - nobody is told of it
                await asyncio.sleep(0.005)  # nothing comes any more

        assert not is_here(other)
        for each in stores:
            await each.aclose()


async def test_a_user_that_may_not_listen_uses_nothing_from_here(
    server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.ask("ACL", "SETUSER", "deaf", "on", ">pw", "~*", "+@all", "resetchannels")
    address = RedisAddress(port=server.port, timeout_s=20, user="deaf", password="pw")
    each = NearCacheStore(address, size=1_000_000, gateway=f"near-{next(_NAMES)}", clock=VirtualClock())
    space = each.space("s")
    for _ in range(2):
        await space.put(b"k", PAGE, 60)  # the second takes the place of the first

    space._gone.look()
    while not caplog.records:  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0.005)  # it connects

    assert await now(space.get(b"k")) == [PAGE]
    assert not is_here(space)
    assert "no subscription" in caplog.text
    await space.drop(b"k")
    assert await now(space.get(b"k")) == [None]
    await each.aclose()


async def test_what_is_closed_while_it_connects_stays_closed(server: RedisServer) -> None:
    each = store(server)
    space = each.space("s")
    space._gone.look()
    await asyncio.sleep(0)  # it connects by now

    await each.aclose()
    while space._gone._opening.under_way(id(asyncio.get_running_loop())):  # noqa: ASYNC110 - nobody is told of it
        await asyncio.sleep(0.005)  # it connects

    await other_commands(server)
    assert not space._gone.listens


async def other_commands(server: RedisServer) -> None:
    """The server has answered whatever was sent to it before."""
    beside = store(server)
    await beside.space("s").drop(b"k")
    await beside.aclose()


async def test_a_server_that_takes_a_connection_and_says_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(redis_gone, "_PING_S", 0.02)
    monkeypatch.setattr(redis_gone, "SILENCE_S", 0.1)
    with answering(lambda wire: b"") as port:
        each = NearCacheStore(RedisAddress(port=port, connect_timeout_s=0.1), size=1000)
        gone = each.space("s")._gone
        gone.look()
        while "nothing was heard" not in caplog.text:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0.005)  # it waits for its greeting

        assert gone._link is None
        await each.aclose()


async def test_what_is_here_is_looked_for_again_after_a_while(server: RedisServer) -> None:
    clock = VirtualClock()
    each = store(server, clock)
    space = each.space("s")
    await listening(space)
    await space.put(b"k", PAGE, 60)
    await now(space.get(b"k"))
    assert is_here(space)

    clock.advance(NEAR_S)

    assert not is_here(space)
    await each.aclose()


async def test_without_the_server_nothing_is_given() -> None:
    each = NearCacheStore(RedisAddress(port=1, connect_timeout_s=0.2), size=1000)
    space = each.space("s")

    for call in (space.get(b"k"), space.put(b"k", PAGE, 60), space.drop(b"k"), space.flush(), space.purge(tag="t"),
                 space.claim(b"k", 1), space.release(b"k", 1), space.use()):  # fmt: skip
        with pytest.raises(StoreError):
            await now(call)
    await each.aclose()


@pytest.mark.parametrize("said", [[b"pmessage", b"x"], b"OK", [b"message", b"c"], None], ids=str)
async def test_nonsense_ends_the_subscription(server: RedisServer, said: Any) -> None:
    each = store(server)
    space = each.space("s")
    await listening(space)

    each._gone.reply(said)

    assert not each._gone.listens
    await each.aclose()


def test_addresses() -> None:
    made = cache_store("redis://127.0.0.1:6379/1?near=2MB&gateway=shop")

    assert isinstance(made, NearCacheStore)
    assert made._near._size == 2 * 1024 * 1024
    for wrong in (
        "redis://h?near=",
        "redis://h?near=0",
        "redis://h?near=x",
        "redis://h?near=1&near=2",
        "redis://h?far=1",
    ):
        with pytest.raises(ConfigError):
            cache_store(wrong)


DOCUMENTED = (
    "~gatewaykit:* &gatewaykit:* +select +client|setname +role +cluster|slots "
    "+script|load +eval +evalsha +time +ping +subscribe +publish +get +mget +set +del +unlink +exists +incr "
    "+getrange +strlen +hget +hset +hdel +sadd +srem +spop +smembers +zadd +zrem +zrange +zrangebyscore "
    "+zrangebylex"
)


async def test_a_user_with_the_documented_rights_can_do_all_that_is_done() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/cache-stores.md").read_text()
    assert DOCUMENTED in " ".join(page.split())
    with running("--user", "default", "off", "--user", "gateway", "on", ">pw", *DOCUMENTED.split()) as server:
        address = RedisAddress(port=server.port, timeout_s=20, user="gateway", password="pw")
        each = NearCacheStore(address, size=5_000_000, gateway="acl", clock=VirtualClock())
        space = each.space("s")
        await listening(space)
        claim = await space.claim(b"k", 60)
        large = replace(PAGE, body=b"x" * 1_500_000, tags=("t",), url="u")
        for variant in (b"", b"v"):
            assert await space.put(b"k", large, 60, variant=variant, claim=claim)
        await space.put(b"k", PAGE, 60)
        await space.put(b"other", replace(PAGE, tags=("t",)), 60)
        await space.release(b"k", await space.claim(b"k", 60))

        assert await now(space.get(b"k", b"v")) == [PAGE, large]
        assert (await space.use()).entries == 3
        assert await space.purge(prefix="u") == 1
        assert await space.purge(tag="t") == 2
        await space.drop(b"k")
        await space.flush()
        await each.aclose()
