"""What a store in Redis does when the server is dead, slow, mad or new: against real processes and a fault server."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from gatewaykit.core.limits import Decided, Limit
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken
from gatewaykit.core.window import KINDS, Window
from gatewaykit.errors import StoreError
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress, RedisConnections
from gatewaykit.stores.resilient import OnStoreError, ResilientThrottleStore
from gatewaykit.stores.resp import command
from tests.peers.redis import RedisServer, answering, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

_NAMES = itertools.count()
_LONGEST_S = 20.0
DEAD_PORT = 1  # nobody listens there


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


def store_on(port: int, **options: Any) -> RedisThrottleStore:
    address = RedisAddress(port=port, **{"timeout_s": 5.0, **options})
    return RedisThrottleStore(address, gateway=f"faults-{os.getpid()}-{next(_NAMES)}")


def resilient(port: int, *, timeout_s: float = 5.0, **options: Any) -> ResilientThrottleStore:
    return ResilientThrottleStore(store_on(port, timeout_s=timeout_s), retry_s=0.02, **options)


async def taken(answer: Taken | Awaitable[Taken]) -> Taken:
    return answer if isinstance(answer, Taken) else await answer


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll a real program."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _LONGEST_S
    while not await condition():
        assert loop.time() < deadline, "it took too long"
        await asyncio.sleep(0.005)  # a real program is polled


async def test_a_killed_server_is_a_store_error_and_a_started_one_is_found_again(server: RedisServer) -> None:
    store = store_on(server.port)
    verb = store.bucket("b", Bucket(1e-3, 5))
    first = await verb("key")
    server.kill()

    with pytest.raises(StoreError):
        await verb("key")
    server.start()

    async def is_back() -> bool:
        try:
            return (await verb("key")).remaining >= 0
        except StoreError:
            return False

    await until(is_back)
    after = await verb("key")
    await store.aclose()
    assert (first.remaining, after.allowed) == (4, True)


async def test_a_paused_server_costs_one_time_out_and_late_replies_reach_nobody(server: RedisServer) -> None:
    store = store_on(server.port, timeout_s=0.2)
    verb = store.bucket("b", Bucket(1e-3, 100))
    await verb("key")
    with server.paused():
        answers = await asyncio.gather(*(verb(f"lost-{number}") for number in range(20)), return_exceptions=True)

    assert all(type(answer) is StoreError for answer in answers)

    async def is_back() -> bool:
        try:
            return (await verb("key")).remaining == 98
        except StoreError:
            return False

    await until(is_back)
    await store.aclose()


@pytest.mark.parametrize("paused", [False, True], ids=["dead", "paused"])
async def test_a_dead_server_is_not_asked_after_a_few_failures_and_asked_again_when_it_is_back(
    server: RedisServer, paused: bool, caplog: pytest.LogCaptureFixture
) -> None:
    store = resilient(server.port, timeout_s=0.1)
    verb = store.bucket("b", Bucket(1e-3, 1000))
    await taken(verb("key"))
    pause = server.paused()
    with caplog.at_level(logging.WARNING, "gatewaykit.stores.resilient"):
        if paused:
            pause.__enter__()
        else:
            server.kill()
        while store.is_asked:
            assert (await taken(verb("key"))).allowed
        answers = [verb("key") for _ in range(50)]
        if paused:
            pause.__exit__(None, None, None)
        else:
            server.start()

        async def is_back() -> bool:
            await taken(verb("key"))
            return store.is_asked

        await until(is_back)
    await store.aclose()

    assert all(type(answer) is Taken for answer in answers)  # at once: nothing was waited for
    assert store.degraded["local"] >= 53
    messages = [record.message for record in caplog.records]
    assert [message[:32] for message in messages] == [
        "the store of limits fails (1 tim", "the store of limits answers agai",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "allowed"),
    [(OnStoreError("allow"), 20), (OnStoreError("local"), 8), (OnStoreError("local", 0.25), 2)],
    ids=["allow", "local", "a quarter"],
)
@pytest.mark.parametrize(
    "limit",
    [Bucket(1e-3, 8), Quota(8, "MONTH"), *(Window(8, 86400.0, kind) for kind in KINDS)],
    ids=["throttle", "quota", *KINDS],
)
async def test_without_a_store_limits_do_what_was_declared(rule: OnStoreError, allowed: int, limit: Limit) -> None:
    store = resilient(DEAD_PORT, throttles=rule, quotas=rule)
    if isinstance(limit, Window):
        verb = store.window("l", limit)
    else:
        verb = store.bucket("l", limit) if isinstance(limit, Bucket) else store.quota("l", limit)

    answers = [await taken(verb("key")) for _ in range(20)]

    await store.aclose()
    assert sum(answer.allowed for answer in answers) == allowed
    assert store.degraded == {rule.answer: 20}


async def test_by_default_throttles_go_on_locally_and_quotas_refuse() -> None:
    store = resilient(DEAD_PORT)
    throttle, quota = store.bucket("l", Bucket(1e-3, 2)), store.quota("l", Quota(8, "DAY"))
    both = store.limits("l", (Bucket(1e-3, 2), Quota(8, "DAY")))

    answers = [(await taken(throttle("key"))).allowed for _ in range(3)]
    for _ in range(5):
        with pytest.raises(StoreError):
            await taken(quota("key"))
    with pytest.raises(StoreError):
        both(("key", "key"))
    alone = both(("other", None))

    await store.aclose()
    assert answers == [True, True, False]
    assert alone.refused is None  # type: ignore[union-attr]  # it is decided at once now


async def test_several_limits_without_a_store_are_taken_all_or_none() -> None:
    store = resilient(DEAD_PORT, quotas=OnStoreError("allow"))
    verb = store.limits("l", (Bucket(1e-3, 3), Quota(1, "DAY"), Bucket(1e-3, 1)))
    refused = []
    for _ in range(5):
        answer = verb(("a", "b", "c"))
        refused.append((answer if isinstance(answer, Decided) else await answer).refused)
    left = await taken(store.bucket("l", Bucket(1e-3, 3))("a"))

    await store.aclose()
    assert refused == [None, 2, 2, 2, 2]
    assert left.remaining == 1


GARBAGE: dict[str, Callable[[bytes], bytes]] = {
    "http": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "nothing but ok": lambda said: b"+OK\r\n" * said.count(b"*"),
    "errors": lambda said: b"-ERR no\r\n" * said.count(b"*"),
    "wrong shapes": lambda said: greeted(said) or b"*1\r\n$1\r\nx\r\n",
    "too many": lambda said: greeted(said) + b"*2\r\n:1\r\n:0\r\n" * 50,
    "nulls": lambda _: b"\0" * 100,
    "half a reply": lambda said: greeted(said) or b"*2\r\n:1",
    "a fraction": lambda said: greeted(said) or b"*2\r\n$3\r\n0.5\r\n:0\r\n",
    "moved": lambda said: greeted(said) or b"-MOVED 1 127.0.0.1:1\r\n",
    "readonly": lambda said: greeted(said) or b"-READONLY You can't write against a read only replica.\r\n",
    "loading": lambda said: b"-LOADING Redis is loading the dataset in memory\r\n" * said.count(b"*"),
}


def greeted(said: bytes) -> bytes:
    """What the commands of a greeting are answered."""
    return b"+OK\r\n" * (said.count(b"$6\r\nCLIENT\r\n") + 2) if b"SELECT" in said else b""


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_is_a_store_error_and_never_an_answer(answer: Callable[[bytes], bytes]) -> None:
    with answering(answer) as port:
        store = store_on(port, timeout_s=0.2)
        verb = store.bucket("b", Bucket(1e-3, 5))

        answers = await asyncio.gather(*(verb("key") for _ in range(5)), return_exceptions=True)

        await store.aclose()
    assert all(isinstance(answer, StoreError) for answer in answers)


async def test_cancelled_callers_never_shift_replies(server: RedisServer) -> None:
    connections, chance = RedisConnections(RedisAddress(port=server.port, timeout_s=20)), random.Random(5)

    async def echo(word: bytes) -> bool:
        return bool(await connections.here().call(command([b"ECHO", word])) == word)

    for turn in range(60):
        callers = [asyncio.create_task(echo(b"%d-%d" % (turn, number))) for number in range(50)]
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
        gone = chance.sample(callers, 20)
        for caller in gone:
            caller.cancel()
        answers = await asyncio.gather(*callers, return_exceptions=True)
        assert all(answer is True or isinstance(answer, asyncio.CancelledError) for answer in answers)

    await connections.aclose()


async def test_a_call_in_the_turn_in_which_the_connection_was_dropped_is_not_forgotten(server: RedisServer) -> None:
    connections, ping = RedisConnections(RedisAddress(port=server.port, timeout_s=5)), command([b"PING"])
    connection = connections.here()
    await connection.call(ping)
    lost = connection.call(ping)
    connection.drop("for the test", pause=False)

    again = await asyncio.wait_for(connection.call(ping), 5)

    await connections.aclose()
    assert isinstance(lost.exception(), StoreError)
    assert again == b"PONG"


async def test_a_caller_too_many_is_refused_at_once(server: RedisServer) -> None:
    store = store_on(server.port, max_waiting=10)
    verb = store.bucket("b", Bucket(1e-3, 100))

    answers = await asyncio.gather(*(verb("key") for _ in range(15)), return_exceptions=True)

    await store.aclose()
    assert [isinstance(answer, StoreError) for answer in answers] == [False] * 10 + [True] * 5


async def test_a_full_server_refuses_and_the_limit_does_what_was_declared() -> None:
    with running("--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
        store = resilient(server.port)
        verb = store.bucket("b", Bucket(1e-3, 2))

        answers = [(await taken(verb("key"))).allowed for _ in range(3)]

        await store.aclose()
    assert answers == [True, True, False]
    assert store.degraded == {"local": 3}


@pytest.mark.parametrize(("password", "works"), [("right", True), ("wrong", False), ("", False)])
async def test_a_password_is_sent_and_a_wrong_one_is_a_store_error(password: str, works: bool) -> None:
    with running("--requirepass", "right") as server:
        store = store_on(server.port, password=password, database=3)
        answers = await asyncio.gather(store.bucket("b", Bucket(1e-3, 2))("key"), return_exceptions=True)
        await store.aclose()

    assert isinstance(answers[0], Taken) is works
    assert "right" not in str(answers[0])


async def test_one_store_serves_several_event_loops_one_after_the_other(server: RedisServer) -> None:
    store = store_on(server.port)
    verb = store.bucket("b", Bucket(1e-3, 9))

    async def once() -> int:
        left = (await verb("key")).remaining
        await store.aclose()
        return left

    left = await asyncio.to_thread(lambda: [asyncio.run(once()) for _ in range(3)])

    assert left == [8, 7, 6]
