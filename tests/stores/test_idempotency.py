"""Stores of idempotency keys: the contract, and what is each one's own."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gatewaykit import ConfigError, StoreError, VirtualClock
from gatewaykit.core.idempotency import NEW, Begun, Verdict
from gatewaykit.deploy.idempotency_stores import idempotency_store, opening_idempotency
from gatewaykit.stores.idempotency_memory import MemoryIdempotencyStore
from gatewaykit.stores.idempotency_redis import RedisIdempotencyStore
from gatewaykit.stores.idempotency_sqlite import SqliteIdempotencyStore
from gatewaykit.stores.redis_connection import RedisAddress
from gatewaykit.testing import IdempotencyStoreContract
from tests.peers.redis import RedisServer, answering, running

REQUEST, ME = b"r" * 32, b"m" * 16
_NAMES = itertools.count()


class TestMemory(IdempotencyStoreContract):
    async def make_store(self, clock: VirtualClock) -> MemoryIdempotencyStore:
        return MemoryIdempotencyStore(clock)


class TestSqlite(IdempotencyStoreContract):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.place = str(tmp_path / "keys.db")

    async def make_store(self, clock: VirtualClock) -> SqliteIdempotencyStore:
        return SqliteIdempotencyStore(self.place, clock)


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


def on(server: RedisServer, **address: object) -> RedisIdempotencyStore:
    """A store that starts empty."""
    settings = {"timeout_s": 20} | address
    return RedisIdempotencyStore(
        RedisAddress(port=server.port, **settings),  # type: ignore[arg-type]  # as the test says
        gateway=f"idempotency-{os.getpid()}-{next(_NAMES)}",
    )


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
class TestRedis(IdempotencyStoreContract):
    tells_time = False

    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    async def make_store(self, clock: VirtualClock) -> RedisIdempotencyStore:
        return on(self.server)


# ---------------------------------------------------------------------------------------------------- memory


def test_memory_keeps_within_its_bytes_and_lets_the_oldest_answers_go_but_no_key_that_is_held() -> None:
    store = MemoryIdempotencyStore(VirtualClock(), max_bytes=100_000)
    store.begin(b"held", REQUEST, ME, 60)

    for number in range(1000):
        key = number.to_bytes(32, "big")
        store.begin(key, REQUEST, ME, 60)
        store.finish(key, ME, b"a" * 1000, 3600)

    assert store.size <= 100_000
    assert len(store) < 100
    assert store.look(b"held", REQUEST).verdict is Verdict.BUSY
    assert store.look((999).to_bytes(32, "big"), REQUEST).verdict is Verdict.REPLAY
    assert store.look((0).to_bytes(32, "big"), REQUEST) == NEW


def test_memory_forgets_what_is_over_when_others_come() -> None:
    clock = VirtualClock()
    store = MemoryIdempotencyStore(clock)
    for number in range(50):
        key = number.to_bytes(32, "big")
        store.begin(key, REQUEST, ME, 60)
        if number % 2:
            store.finish(key, ME, b"answer", 60)
    clock.advance(61)

    store.begin(b"new", REQUEST, ME, 60)

    assert len(store) == 1
    assert store.size == 0


# ---------------------------------------------------------------------------------------------------- SQLite

_RACER = """
import asyncio, sys
from gatewaykit.deploy.idempotency_stores import idempotency_store

async def main():
    store = idempotency_store("sqlite:///keys.db")
    begun = [await store.begin(bytes([n]) * 32, b"r" * 32, sys.argv[1].encode() * 16, 60) for n in range(40)]
    await store.aclose()
    print(sum(each.verdict.name == "START" for each in begun))

asyncio.run(main())
"""


def test_of_processes_that_share_a_database_one_starts_each_request(tmp_path: Path) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", _RACER, who], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for who in "abc"
    ]

    said = [racer.communicate(timeout=60) for racer in racers]

    assert [errors for _, errors in said] == [b"", b"", b""]
    assert sum(int(started) for started, _ in said) == 40


def test_an_answer_outlives_the_process_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    async def one(verb: str) -> Begun | bool:
        store = SqliteIdempotencyStore(str(tmp_path / "keys.db"))
        begun = await store.begin(b"k" * 32, REQUEST, ME, 60)
        kept = await store.finish(b"k" * 32, ME, b"answer", 60) if verb == "finish" else begun
        await store.aclose()
        return kept

    assert asyncio.run(one("finish"))
    assert asyncio.run(one("begin")) == Begun(Verdict.REPLAY, b"answer")
    assert stat.S_IMODE((tmp_path / "keys.db").stat().st_mode) == 0o600


def test_what_is_over_leaves_the_database(tmp_path: Path) -> None:
    clock = VirtualClock("2026-01-01T00:00Z")
    store = SqliteIdempotencyStore(str(tmp_path / "keys.db"), clock)

    async def scenario() -> None:
        for number in range(30):
            await store.begin(bytes([number]) * 32, REQUEST, ME, 60)
        clock.advance(61)
        for number in range(2):
            await store.begin(bytes([100 + number]) * 32, REQUEST, ME, 60)
        await store.aclose()

    asyncio.run(scenario())

    with closing(sqlite3.connect(tmp_path / "keys.db")) as database:
        assert database.execute("SELECT count(*) FROM idempotency").fetchone() == (2,)


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_broken_database_is_a_failure_of_the_store(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "keys.db").write_bytes(content)
    store = SqliteIdempotencyStore(str(tmp_path / "keys.db"))

    with pytest.raises(StoreError, match=r"keys\.db"):
        asyncio.run(store.begin(b"k" * 32, REQUEST, ME, 60))


def test_a_place_that_cannot_be_written_is_a_failure_of_the_store(tmp_path: Path) -> None:
    store = SqliteIdempotencyStore(str(tmp_path / "missing" / "keys.db"))

    with pytest.raises(StoreError, match="No such file"):
        asyncio.run(store.begin(b"k" * 32, REQUEST, ME, 60))


# ---------------------------------------------------------------------------------------------------- Redis


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
def test_in_redis_a_key_is_held_and_an_answer_kept_for_its_time_by_the_servers_clock(server: RedisServer) -> None:
    async def scenario() -> None:
        store = on(server)
        await store.begin(b"k" * 32, REQUEST, ME, 0.001)
        while (await store.begin(b"k" * 32, REQUEST, b"y" * 16, 60)) is not NEW:
            pass
        assert not await store.finish(b"k" * 32, ME, b"too late", 60)
        assert await store.finish(b"k" * 32, b"y" * 16, b"answer", 0.001)
        while (await store.look(b"k" * 32, REQUEST)) is not NEW:
            pass
        await store.aclose()

    asyncio.run(asyncio.wait_for(scenario(), 20))


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
def test_scripts_that_redis_forgot_are_sent_again_and_a_server_that_is_gone_is_a_failure() -> None:
    async def scenario(server: RedisServer) -> None:
        store = on(server, timeout_s=5, connect_timeout_s=5)
        await store.begin(b"k" * 32, REQUEST, ME, 60)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"SCRIPT FLUSH\r\n")
        assert await reader.readline() == b"+OK\r\n"
        writer.close()
        assert (await store.begin(b"k" * 32, REQUEST, ME, 60)).verdict is Verdict.BUSY
        server.kill()
        with pytest.raises(StoreError):
            await store.begin(b"k" * 32, REQUEST, ME, 60)
        await store.aclose()

    with running() as started:
        asyncio.run(scenario(started))


def test_a_server_that_answers_something_else_is_a_failure() -> None:
    async def scenario(port: int) -> None:
        store = RedisIdempotencyStore(RedisAddress(port=port, timeout_s=5))
        with pytest.raises(StoreError):
            await store.begin(b"k" * 32, REQUEST, ME, 60)
        await store.aclose()

    with answering(lambda said: b"+OK\r\n" * said.count(b"*")) as port:
        asyncio.run(scenario(port))


# ---------------------------------------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ("memory://", MemoryIdempotencyStore), ("sqlite:///keys.db", SqliteIdempotencyStore),
        ("redis://localhost:6379/1?gateway=shop", RedisIdempotencyStore), ("unix:///run/r.sock", RedisIdempotencyStore),
    ],
)  # fmt: skip
def test_a_store_is_found_by_its_address(spec: str, kind: type) -> None:
    assert isinstance(idempotency_store(spec), kind)


@pytest.mark.parametrize("spec", ["postgres://u:secret@h", "keys.db", "sqlite://keys.db", "sqlite:///", "redis://h/x"])
def test_an_address_that_is_none_is_a_problem_that_says_no_secret(spec: str) -> None:
    with pytest.raises(ConfigError) as caught:
        idempotency_store(spec)

    assert [problem.where for problem in caught.value.problems] == ["idempotency.kept_in"]
    assert "secret" not in str(caught.value)


def test_each_store_is_opened_once_and_an_empty_address_is_that_of_the_limits() -> None:
    opened = opening_idempotency(VirtualClock(), "memory://")

    assert opened("") is opened("memory://")
