"""More that befalls a store in Redis: slow networks, full and demoted servers, clocks, floods, killed callers."""

from __future__ import annotations

import asyncio
import itertools
import random
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gatewaykit.clock import VirtualClock
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken
from gatewaykit.core.window import KINDS, Window
from gatewaykit.errors import StoreError
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress, RedisConnections
from gatewaykit.stores.resilient import ResilientThrottleStore
from gatewaykit.stores.resp import command
from tests.peers.redis import RedisServer, free_port, running
from tests.peers.redis_proxy import FaultProxy

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

ROOT = Path(__file__).parents[2]
_NAMES = itertools.count()
_LONGEST_S = 20.0


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


def store_on(port: int, time_us: Callable[[], int] | None = None, **options: Any) -> RedisThrottleStore:
    address = RedisAddress(port=port, **{"timeout_s": 10.0, **options})
    return RedisThrottleStore(address, gateway=f"outage-{next(_NAMES)}", time_us=time_us)


async def taken(answer: Taken | Awaitable[Taken]) -> Taken:
    return answer if isinstance(answer, Taken) else await answer


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll a real program."""
    async with asyncio.timeout(_LONGEST_S):
        while not await condition():  # noqa: ASYNC110  # nothing of ours tells
            await asyncio.sleep(0.01)  # a real program is polled


async def answered(verb: Callable[[str], Awaitable[Taken]]) -> bool:
    try:
        await verb("key")
    except StoreError:
        return False
    return True


# ------------------------------------------------------------------------------------------------ the network


async def test_on_a_slow_network_every_caller_has_its_own_answer(server: RedisServer) -> None:
    async with FaultProxy(server.port, latency_s=0.002, jitter_s=0.01, seed=3) as proxy:
        store, chance = store_on(proxy.port), random.Random(7)
        echoes = RedisConnections(RedisAddress(port=proxy.port, timeout_s=10))
        verb = store.bucket("slow", Bucket(1e-5, 300))

        async def echo(word: bytes) -> bool:
            return bool(await echoes.call(command([b"ECHO", word])) == word)

        answers = list[Any]()
        for turn in range(20):
            callers = [asyncio.create_task(verb("key")) for _ in range(20)]
            echoing = [asyncio.create_task(echo(b"%d-%d" % (turn, number))) for number in range(20)]
            await asyncio.sleep(0.001 * chance.random())  # when they are cancelled is the point
            for gone in chance.sample(callers, 5):
                gone.cancel()
            answers += await asyncio.gather(*callers, return_exceptions=True)
            assert all(await asyncio.gather(*echoing))
        left = await store.looking().bucket("slow", Bucket(1e-5, 300))("key")
        await store.aclose()
        await echoes.aclose()

    allowed = [answer.remaining for answer in answers if isinstance(answer, Taken) and answer.allowed]
    assert len(allowed) == len(set(allowed))  # no token was given twice
    assert not left.allowed
    assert 200 <= len(allowed) <= 300  # those cancelled may have been counted


async def test_a_network_slower_than_the_time_out_costs_a_time_out_and_never_another_ones_answer(
    server: RedisServer,
) -> None:
    async with FaultProxy(server.port) as proxy:
        store = store_on(proxy.port, timeout_s=0.1)
        verb = store.bucket("b", Bucket(1e-5, 100))
        await verb("key")
        proxy.hold = True
        lost = await asyncio.gather(*(verb("key") for _ in range(10)), return_exceptions=True)
        proxy.hold = False

        await until(lambda: answered(verb))

        left = (await verb("key")).remaining
        await store.aclose()
    assert all(isinstance(one, StoreError) for one in lost)
    assert left == 100 - 1 - 10 - 2  # what was lost had been counted, once


async def test_callers_cancelled_between_take_and_answer_cost_one_token_each_and_shift_nothing(
    server: RedisServer,
) -> None:
    store = store_on(server.port)
    verb = store.bucket("b", Bucket(1e-5, 100))
    await verb("key")
    with server.paused():
        callers = [asyncio.create_task(verb("key")) for _ in range(20)]
        for _ in range(3):
            await asyncio.sleep(0)
        for gone in callers[::2]:
            gone.cancel()
        for _ in range(3):
            await asyncio.sleep(0)

    answers = await asyncio.gather(*callers, return_exceptions=True)

    await store.aclose()
    assert [isinstance(answer, Taken) for answer in answers] == [False, True] * 10
    assert [answer.remaining for answer in answers[1::2] if isinstance(answer, Taken)] == [*range(97, 78, -2)]


_CALLER = """
import asyncio, sys
from gatewaykit.core.throttle import Bucket
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress

async def main():
    store = RedisThrottleStore(RedisAddress(port=int(sys.argv[1]), timeout_s=60), gateway="killed")
    verb = store.bucket("b", Bucket(1e-5, 10))
    await verb("key")
    print("ready", flush=True)
    await verb("key")

asyncio.run(main())
"""


async def test_a_process_killed_between_take_and_answer_has_cost_one_token(server: RedisServer) -> None:
    async with FaultProxy(server.port) as proxy:
        caller = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _CALLER, str(proxy.port), cwd=ROOT, stdout=subprocess.PIPE
        )
        assert caller.stdout is not None
        proxy.hold_after = b":9\r\n"  # the answer to the first
        await caller.stdout.readline()
        await asyncio.wait_for(proxy.held.wait(), _LONGEST_S)
        caller.kill()
        await caller.wait()

        store = RedisThrottleStore(RedisAddress(port=server.port, timeout_s=10), gateway="killed")
        left = (await store.bucket("b", Bucket(1e-5, 10))("key")).remaining

        await store.aclose()
    assert left == 7


# ------------------------------------------------------------------------------------------------ the server


async def test_a_server_that_pauses_its_clients_is_left_alone_and_found_again(server: RedisServer) -> None:
    store = ResilientThrottleStore(store_on(server.port, timeout_s=0.05), retry_s=0.02)
    verb = store.bucket("b", Bucket(1e-5, 10_000))
    await taken(verb("key"))
    server.ask("CLIENT", "PAUSE", 400)

    while store.is_asked:
        assert (await taken(verb("key"))).allowed

    async def is_back() -> bool:
        await taken(verb("key"))
        return store.is_asked

    await until(is_back)
    await store.aclose()
    assert store.degraded["local"] >= 3


@pytest.mark.parametrize("fault", ["full", "replica", "too few replicas"])
async def test_a_server_that_answers_and_cannot_write_stays_left_alone_until_it_can(fault: str) -> None:
    faults = {
        "full": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
        "replica": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
        "too few replicas": (
            ("CONFIG", "SET", "min-replicas-to-write", "1"), ("CONFIG", "SET", "min-replicas-to-write", "0"),
        ),
    }  # fmt: skip
    begins, ends = faults[fault]
    with running() as server:
        store = ResilientThrottleStore(store_on(server.port), retry_s=0.001)
        verb = store.bucket("b", Bucket(1e-5, 10_000))
        await taken(verb("key"))
        server.ask(*begins)
        while store.is_asked:
            assert (await taken(verb("key"))).allowed
        opened = store.failures

        async def was_probed() -> bool:
            await taken(verb("key"))
            assert not store.is_asked
            return store.failures > opened + 3

        await until(was_probed)
        server.ask(*ends)

        async def is_back() -> bool:
            await taken(verb("key"))
            return store.is_asked

        await until(is_back)
        await store.aclose()


async def test_a_server_that_loads_its_data_is_a_store_error_until_it_has_them(tmp_path: Path) -> None:
    port = free_port()
    first = RedisServer(tmp_path, port, "--enable-debug-command", "local")
    first.start()
    first.ask("DEBUG", "POPULATE", 3000, "key", 100)
    first.ask("SAVE")
    first.kill()
    slow = RedisServer(tmp_path, port, "--key-load-delay", "200", "--loading-process-events-interval-bytes", "1024")
    slow.start()
    store = store_on(port)
    verb = store.bucket("b", Bucket(1e-5, 10))
    try:
        with pytest.raises(StoreError, match="LOADING"):
            await verb("key")
        await until(lambda: answered(verb))
        left = (await verb("key")).remaining
    finally:
        await store.aclose()
        slow.kill()

    assert left == 8


async def test_a_demoted_server_is_asked_again_over_a_new_connection(server: RedisServer) -> None:
    with running() as demoted:
        store = store_on(demoted.port)
        verb = store.bucket("b", Bucket(1e-5, 10))
        await verb("key")
        first = store._connections.here()
        demoted.ask("REPLICAOF", "127.0.0.1", "1")

        with pytest.raises(StoreError, match="READONLY"):
            await verb("key")

        second = store._connections.here()
        demoted.ask("REPLICAOF", "NO", "ONE")
        after = await verb("key")
        await store.aclose()
    assert first is not second  # the name of a managed server may lead elsewhere by now
    assert after.remaining == 8


async def test_memory_comes_back_after_a_flood_of_keys() -> None:
    with running("--active-expire-effort", "10", "--hz", "100") as server:
        store = store_on(server.port, max_waiting=100_000)
        verbs = [store.bucket("b", Bucket(1e6, 5)), *(store.window("w", Window(5, 0.1, kind)) for kind in KINDS)]
        await verbs[0]("warm")
        before = _used(server)
        for start in range(0, 12_000, 2000):
            await asyncio.gather(*(verb(f"{n}" * 20) for n in range(start, start + 2000) for verb in verbs))
        flooded = _used(server)

        async def is_empty() -> bool:
            return bool(server.ask("DBSIZE") == 0)

        await until(is_empty)
        after = _used(server)
        await store.aclose()
    assert flooded - before > 5_000_000
    assert after - before < (flooded - before) / 4


def _used(server: RedisServer) -> int:
    return int(server.ask("INFO", "memory").split(b"used_memory:")[1].split(b"\r\n")[0])


# ------------------------------------------------------------------------------------------------ clocks


async def test_clocks_of_nodes_that_differ_by_minutes_do_not_matter(server: RedisServer) -> None:
    address = RedisAddress(port=server.port, timeout_s=10)
    clocks = [VirtualClock(1.7e9 + minutes * 60.0) for minutes in (-20, 0, 45)]
    stores = [ResilientThrottleStore(RedisThrottleStore(address, gateway="skewed"), clock=clock) for clock in clocks]
    verbs = [
        store.limits("l", (Bucket(1e-5, 50), Quota(40, "MONTH"), Window(45, 3600.0, "sliding"))) for store in stores
    ]
    admitted = 0
    for verb in verbs * 30:
        answer = verb(("key",) * 3)
        assert not isinstance(answer, tuple)
        admitted += (await answer).refused is None

    for store in stores:
        await store.aclose()
    assert admitted == 40


BACK_US = [1, 10**6, 60 * 10**6, 86_400 * 10**6]


@pytest.mark.parametrize("back_us", BACK_US)
async def test_a_server_clock_set_back_gives_nothing_and_the_bucket_refills_from_there(
    server: RedisServer, back_us: int
) -> None:
    now = [10**15]
    store = store_on(server.port, lambda: now[0])
    verb = store.bucket("b", Bucket(1.0, 5))
    before = [(await verb("key")).allowed for _ in range(7)]
    now[0] -= back_us
    during = [(await verb("key")).allowed for _ in range(5)]
    now[0] += 3_000_000

    after = [(await verb("key")).allowed for _ in range(5)]

    await store.aclose()
    assert before == [True] * 5 + [False] * 2
    assert during == [False] * 5
    assert after == [True] * 3 + [False] * 2


@pytest.mark.parametrize("limit", [Quota(5, "DAY"), *(Window(5, 60.0, kind) for kind in KINDS)], ids=["quota", *KINDS])
async def test_a_server_clock_set_back_gives_nothing_of_a_quota_or_a_window(
    server: RedisServer, limit: Quota | Window
) -> None:
    now = [10**15]
    store = store_on(server.port, lambda: now[0])
    verb = store.quota("l", limit) if isinstance(limit, Quota) else store.window("l", limit)
    answers = []
    for now[0] in (10**15, 10**15 - 30 * 10**6, 10**15 - 3600 * 10**6, 10**15):
        answers += [(await verb("key")).allowed for _ in range(3)]

    await store.aclose()
    assert sum(answers) == 5


# ------------------------------------------------------------------------------------------------ edges


EDGES = [(0.0, 3, 3), (0.0, 0, 0), (1e-13, 2, 2), (10.0, 1, 1), (1e9, 1, 1), (100.0, 0, 0)]


@pytest.mark.parametrize(("rate", "burst", "allowed"), EDGES)
async def test_rates_and_bursts_at_the_edges_admit_their_burst_at_once(
    server: RedisServer, rate: float, burst: int, allowed: int
) -> None:
    store = store_on(server.port, lambda: 10**15)
    verb = store.bucket("edge", Bucket(rate, burst))

    answers = await asyncio.gather(*(verb("key") for _ in range(20)))

    await store.aclose()
    assert sum(answer.allowed for answer in answers) == allowed


async def test_at_a_rate_of_a_thousand_million_a_microsecond_is_a_thousand_tokens(server: RedisServer) -> None:
    now = [10**15]
    store = store_on(server.port, lambda: now[0])
    verb = store.limits("fast", [Bucket(1e9, 5000)])
    await verb(["key"], 5000)
    now[0] += 1

    answers = [(await verb(["key"], 1000)).refused, (await verb(["key"], 1)).refused]

    await store.aclose()
    assert answers == [None, 0]
