"""Windows in a storage of the library `limits`: its memory, and a real Redis."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterator
from inspect import isawaitable
from math import inf
from typing import Any
from unittest.mock import patch

import limits
import pytest
from limits.aio.storage import MemoryStorage as AsyncMemoryStorage
from limits.storage import MemoryStorage, Storage, storage_from_string

from gatewaykit import PolicyMiddleware, by, quota, throttle
from gatewaykit.clock import VirtualClock
from gatewaykit.core.limits import Decided
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket, Taken
from gatewaykit.core.window import KINDS, Window
from gatewaykit.deploy.throttle_stores import throttle_store
from gatewaykit.errors import ConfigError, StoreError
from gatewaykit.stores.limits_storage import LimitsStore
from gatewaykit.stores.resilient import ResilientThrottleStore
from gatewaykit.testing import Client
from tests.peers.redis import RedisServer, running

DEAD = "redis://127.0.0.1:1"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


async def taken(answer: Taken | Awaitable[Taken]) -> Taken:
    return await answer if isawaitable(answer) else answer


async def all_of(answer: Decided | Awaitable[Decided]) -> Decided:
    return await answer if isawaitable(answer) else answer


MEMORIES = pytest.mark.parametrize("storage", [MemoryStorage, AsyncMemoryStorage], ids=["sync", "async"])


@MEMORIES
@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_storage_in_memory_answers(storage: Any, kind: str) -> None:
    clock = VirtualClock("2026-01-15T12:00:20Z")
    with patch("time.time", clock.wall):
        store = LimitsStore(storage(), clock=clock)
        verb, look = store.window("w", Window(3, 60.0, kind)), store.looking().window("w", Window(3, 60.0, kind))
        seen = [await taken(each("key")) for _ in range(4) for each in (look, verb)]
        other = await taken(verb("other"))

    assert seen[::2] == seen[1::2]
    assert [answer[:2] for answer in seen[1::2]] == [(True, 2), (True, 1), (True, 0), (False, 0)]
    assert seen[-1].retry_after_s == pytest.approx(40 if kind == "sliding" else 60, abs=1e-3)
    assert seen[1].reset_s == other.reset_s == (120 if kind == "sliding" else 60)
    assert other.remaining == 2


@MEMORIES
@pytest.mark.parametrize("kind", KINDS)
async def test_costs_of_one_window(storage: Any, kind: str) -> None:
    store = LimitsStore(storage())
    verb = store.limits("w", [Window(5, 3600.0, kind)])
    answers = [await all_of(verb([key], cost)) for key, cost in (("k", 3), ("k", 3), ("k", 2), (None, 9), ("k", 6))]

    assert [answer.refused for answer in answers] == [None, 0, None, None, 0]
    assert [answer.taken[0] and answer.taken[0].remaining for answer in answers] == [2, 0, 0, None, 0]
    assert answers[-1].taken[0] == Taken(False, 0, inf, inf)


async def test_counters_are_those_of_limits_own_strategies() -> None:
    storage = MemoryStorage()
    verb = LimitsStore(storage).window("login", Window(5, 60.0, "fixed"))
    limiter = limits.strategies.FixedWindowRateLimiter(storage)
    limiter.hit(limits.parse("5/minute"), "login", "alice")

    answer = await taken(verb("alice"))

    assert answer.remaining == 3
    assert limiter.get_window_stats(limits.parse("5/minute"), "login", "alice").remaining == 3


async def test_odd_keys_and_names_each_have_a_window_of_their_own() -> None:
    store = LimitsStore(MemoryStorage())
    verbs = [store.window(name, Window(1, 60.0, "fixed")) for name in ("a", "a/b", "a%2Fb", "")]
    keys = ("", "/", "b/c", "c", "line\r\n", "\0", "\udcff", "é", "x" * 5000, "x" * 4999 + "y", "#")

    answers = [await taken(verb(key)) for verb in verbs for key in keys for _ in range(2)]

    assert [answer.allowed for answer in answers] == [True, False] * (len(verbs) * len(keys))


REFUSED = [
    pytest.param(throttle(rate=1, burst=1, key=by.everyone), "cannot keep token buckets. Use throttle(", id="bucket"),
    pytest.param(quota(limit=1, period="DAY", key=by.everyone), "cannot keep quotas by the calendar", id="quota"),
    pytest.param(
        throttle(rate="1/250ms", algorithm="moving_window", key=by.everyone), "windows of whole seconds, not 0.25 s",
        id="part of a second",
    ),
]  # fmt: skip


@MEMORIES
@pytest.mark.parametrize(("policy", "problem"), REFUSED)
def test_what_it_cannot_do_is_refused_at_the_start(storage: Any, policy: Any, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        PolicyMiddleware(_app, store=LimitsStore(storage()), policies=[policy]).decide("GET", "/")

    assert problem in str(caught.value)


@pytest.mark.parametrize(
    "several", [[], [Window(1, 60.0, "fixed")] * 2, [Bucket(1.0, 1)], [Quota(1, "DAY")]], ids=["none", "two", "b", "q"]
)
def test_several_limits_at_once_are_refused(several: list[Any]) -> None:
    with pytest.raises(ConfigError, match="cannot keep several limits, all or none"):
        LimitsStore(MemoryStorage()).limits("w", several)


def test_a_storage_without_moving_windows_says_so() -> None:
    class Plain(Storage):
        """As Memcached's: counters alone."""

        STORAGE_SCHEME = None
        base_exceptions = ValueError
        incr = get = get_expiry = check = reset = clear = lambda self, *_: 0  # type: ignore[assignment]  # a stub

    with pytest.raises(ConfigError, match=r"a Plain of limits cannot keep moving windows. Use another algorithm"):
        LimitsStore(Plain()).window("w", Window(1, 60.0, "moving"))


@pytest.mark.parametrize("verb", ["usage", "extend"])
def test_it_has_no_usage(verb: str) -> None:
    with pytest.raises(ConfigError, match="cannot keep usage"):
        getattr(LimitsStore(MemoryStorage()), verb)("plan:gold", Quota(1, "DAY"), "key", 5)


def test_what_is_no_storage_is_refused() -> None:
    with pytest.raises(ConfigError, match="'memory://' is no storage of limits"):
        LimitsStore("memory://")  # type: ignore[arg-type]  # a user's mistake


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("limits+reds://x", "the library limits has no storage 'reds' (did you mean 'limits+redis://'?)"),
        ("limits+async+redis://u:secret@127.0.0.1:x", "limits cannot open it: Unable to parse"),
        ("limits+redis://u:secret@127.0.0.1:x", "limits cannot open it: "),
    ],
    ids=["scheme", "async", "sync"],
)
def test_what_is_wrong_with_an_address_and_no_password(address: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        throttle_store(address)

    assert str(caught.value).startswith(f"store: {problem}")
    assert "secret" not in str(caught.value)


async def test_a_storage_by_its_address_is_there_for_a_gateway() -> None:
    limited = PolicyMiddleware(
        _app, store="limits+memory://", policies=[throttle(rate="2/hour", algorithm="moving_window", key=by.everyone)]
    )
    client = Client(limited)
    answers = [await client.get("/") for _ in range(3)]

    await limited.aclose()
    assert [answer.status for answer in answers] == [200, 200, 429]


@pytest.mark.needs("redis-server")
@pytest.mark.xdist_group("redis")
@pytest.mark.parametrize("scheme", ["redis", "async+redis"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_real_redis_admits_the_limit_however_many_ask_at_once(
    server: RedisServer, scheme: str, kind: str
) -> None:
    store = throttle_store(f"limits+{scheme}://127.0.0.1:{server.port}")
    assert isinstance(store, ResilientThrottleStore)
    verb = store.window(f"{scheme} {kind}", Window(20, 3600.0, kind))

    answers = await asyncio.gather(*(taken(verb("key")) for _ in range(60)))

    await store.aclose()
    assert sum(answer.allowed for answer in answers) == 20
    assert store.failures == 0
    assert all(0 < answer.retry_after_s <= 3600 for answer in answers if not answer.allowed)


@pytest.mark.parametrize("scheme", ["redis", "async+redis"])
async def test_a_dead_server_is_a_store_error_and_by_its_address_limits_go_on_here(scheme: str) -> None:
    options: Any = {"implementation": "redispy"} if scheme.startswith("async") else {}
    alone = LimitsStore(storage_from_string(DEAD.replace("redis", scheme, 1), **options))
    store = throttle_store(f"limits+{DEAD.replace('redis', scheme, 1)}")
    windows = [Window(2, 3600.0, kind) for kind in KINDS]

    for window in windows:
        with pytest.raises(StoreError):
            await taken(alone.window("w", window)("key"))
        answers = [(await taken(store.window("w", window)("key"))).allowed for _ in range(3)]
        assert answers == [True, True, False]
    with pytest.raises(StoreError):
        await alone.ping()


@MEMORIES
async def test_a_storage_that_is_there_answers_a_ping(storage: Any) -> None:
    store = LimitsStore(storage())

    await store.ping()
    await store.aclose()


async def test_a_storage_that_is_not_well_is_a_store_error() -> None:
    class Ill(MemoryStorage):
        STORAGE_SCHEME = None  # type: ignore[assignment]  # not to be found by an address

        def check(self) -> bool:
            return False

    with pytest.raises(StoreError, match="not well"):
        await LimitsStore(Ill()).ping()


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
