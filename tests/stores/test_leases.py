"""Leases against a real server: the contract, equality with the pure step, round trips, the bound, and what befalls."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gatewaykit.clock import VirtualClock
from gatewaykit.core.lease import take_slice
from gatewaykit.core.limits import Decided
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import FULL, TOLERANCE, Bucket, Taken, interval_s
from gatewaykit.core.window import Window
from gatewaykit.deploy.throttle_stores import throttle_store
from gatewaykit.errors import ConfigError, StoreError
from gatewaykit.stores.leases import LeasedThrottleStore
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress
from gatewaykit.stores.resilient import OnStoreError, ResilientThrottleStore
from gatewaykit.testing.usage_store_contract import UsageStoreContract
from tests.peers.redis import RedisServer, free_port, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

_NAMES = itertools.count()
_LONGEST_S = 20.0
LEASE_S = 0.01


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


@pytest.fixture
def fresh() -> Iterator[RedisServer]:
    with running() as started:
        yield started


def redis_on(port: int, clock: VirtualClock | None = None, *, timeout_s: float = 20.0) -> RedisThrottleStore:
    """A store that starts empty; with a clock, it is the server's too."""
    address = RedisAddress(port=port, timeout_s=timeout_s)
    time_us = None if clock is None else lambda: round(clock.wall() * 1e6)
    return RedisThrottleStore(address, gateway=f"leases-{os.getpid()}-{next(_NAMES)}", time_us=time_us)


async def now(answer: Taken | Awaitable[Taken]) -> Taken:
    return answer if isinstance(answer, Taken) else await answer


async def all_of(answer: Decided | Awaitable[Decided]) -> Decided:
    return answer if isinstance(answer, Decided) else await answer


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll a real program."""
    async with asyncio.timeout(_LONGEST_S):
        while not await condition():  # noqa: ASYNC110  # nothing of ours tells
            await asyncio.sleep(0.005)  # a real program is polled


def decisions(server: RedisServer) -> int:
    """How many times the script was called since the last RESETSTAT."""
    found = re.search(rb"cmdstat_evalsha:calls=(\d+)", server.ask("INFO", "commandstats"))
    return int(found[1]) if found else 0


class TestLeasedThrottleStore(UsageStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    async def make_store(self, clock: VirtualClock) -> LeasedThrottleStore:
        return LeasedThrottleStore(redis_on(self.server.port, clock), LEASE_S, clock=clock)


BUCKETS = st.builds(
    Bucket, st.one_of(st.sampled_from([0.0, 5 / 60, 0.3, 3.0, 10.0, 1e6]), st.floats(0.001, 1e4)), st.integers(0, 20)
)
SLICES = st.lists(st.tuples(st.one_of(st.just(0), st.integers(0, 10**7)), st.integers(1, 30)), max_size=30)


@given(st.lists(BUCKETS, min_size=1, max_size=3), SLICES)
def test_the_script_gives_a_slice_as_the_step_in_core_does(
    server: RedisServer, buckets: list[Bucket], slices: list[tuple[int, int]]
) -> None:
    at_us, states = 0, (FULL,) * len(buckets)
    asked, expected = [], []
    for pause_us, most in slices:
        at_us += pause_us
        for full_at, bucket in zip(states, buckets):
            owed = max(full_at - at_us / 1e6, 0.0) / interval_s(bucket) - TOLERANCE
            assume(abs(owed - round(owed)) > 1e-5 or owed == -TOLERANCE)  # on the edge itself rounding decides
        states, answer, tokens = take_slice(states, at_us / 1e6, buckets, most)
        asked.append((at_us, most))
        expected.append((tokens, answer.refused, [taken and taken[:2] for taken in answer.taken]))

    async def answers() -> list[Any]:
        clock = VirtualClock(0)
        store = redis_on(server.port, clock)
        verb = store.slices([f"s{number}" for number in range(len(buckets))], buckets)
        said = []
        for at_us, most in asked:
            clock.advance(at_us / 1e6 - clock.wall() if at_us / 1e6 > clock.wall() else 0)
            answer, tokens = await verb(["key"] * len(buckets), most)
            said.append((tokens, answer.refused, [taken and taken[:2] for taken in answer.taken]))
        await store.aclose()
        return said

    assert asyncio.run(answers()) == expected


@pytest.mark.parametrize("many", [pytest.param(1, id="a bucket"), pytest.param(3, id="three buckets at once")])
@pytest.mark.parametrize(("lease_s", "at_most"), [(LEASE_S, 5000 // 20), (0.0, 5000)])
async def test_at_5000_requests_a_second_there_are_20_times_fewer_round_trips(
    server: RedisServer, many: int, lease_s: float, at_most: int
) -> None:
    clock, bucket = VirtualClock(), Bucket(10_000.0, 5000)
    remote = redis_on(server.port, clock)
    store = ResilientThrottleStore(LeasedThrottleStore(remote, lease_s, clock=clock) if lease_s else remote)
    verb = store.limits([f"b{number}" for number in range(many)], [bucket] * many)
    server.ask("CONFIG", "RESETSTAT")

    for _ in range(5000):
        clock.advance(1 / 5000)
        assert (await all_of(verb(["key"] * many))).refused is None

    asked = decisions(server)
    await store.aclose()
    assert at_most * 0.5 < asked <= at_most


async def test_what_is_no_bucket_or_costs_another_number_of_tokens_is_asked_each_time(server: RedisServer) -> None:
    clock = VirtualClock()
    store = LeasedThrottleStore(redis_on(server.port, clock), 1.0, clock=clock)
    bucket, day, window = Bucket(1e4, 1000), Quota(5, "DAY"), Window(5, 60.0, "moving")
    several, alone = store.limits("l", (bucket, day)), store.limits("l", (bucket,))
    quota, windowed, patient = store.quota("q", day), store.window("w", window), store.bucket("p", Bucket(1e4, 9, 1.0))
    charge = store.charge("l", (bucket,))
    server.ask("CONFIG", "RESETSTAT")

    for _ in range(5):
        await several(("a", "a"))
        await alone(("a",), 2)
        await alone((None,))
        await quota("a")
        await windowed("a")
        await patient("a")
        await charge(("a",), 1)

    asked, left = decisions(server), await store.looking().limits("l", (bucket,))(("a",))
    await store.aclose()
    assert (asked, len(store)) == (5 * 6, 0)  # the list whose key is none asks nobody
    assert left.taken[0] is not None
    assert left.taken[0].remaining == 1000 - 5 - 10 - 5 - 1


async def test_who_comes_while_a_slice_is_on_its_way_waits_for_it_and_all_cost_one_round_trip(
    fresh: RedisServer,
) -> None:
    clock = VirtualClock()
    store = LeasedThrottleStore(redis_on(fresh.port, clock), LEASE_S, clock=clock)
    verb = store.bucket("b", Bucket(1e-5, 61))
    await verb("key")  # so the next one wants a slice
    fresh.ask("CONFIG", "RESETSTAT")

    answers = await asyncio.gather(*(verb("key") for _ in range(100)))

    asked = decisions(fresh)
    await store.aclose()
    assert [answer.allowed for answer in answers] == [True] * 60 + [False] * 40  # in the order of coming
    assert [answer.remaining for answer in answers] == [*range(59, -1, -1), *[0] * 40]
    assert all(answer.retry_after_s > 0 for answer in answers[60:])
    assert asked == 1


async def test_callers_that_leave_before_their_slice_is_there_take_no_token_along(server: RedisServer) -> None:
    clock = VirtualClock()
    store = LeasedThrottleStore(redis_on(server.port, clock), LEASE_S, clock=clock)
    verb = store.bucket("b", Bucket(1e-5, 101))
    await verb("key")
    with server.paused():
        callers = [asyncio.create_task(verb("key")) for _ in range(20)]
        for _ in range(5):
            await asyncio.sleep(0)
        for gone in callers[::2]:
            gone.cancel()

    answers = await asyncio.gather(*callers, return_exceptions=True)
    others = [await verb("key") for _ in range(11)]

    await store.aclose()
    assert [isinstance(answer, Taken) for answer in answers] == [False, True] * 10
    assert [answer.remaining for answer in (*answers[1::2], *others) if isinstance(answer, Taken)] == [
        *range(99, 78, -1)
    ]


async def test_when_all_have_left_nothing_is_asked(server: RedisServer) -> None:
    clock = VirtualClock()
    store = LeasedThrottleStore(redis_on(server.port, clock), LEASE_S, clock=clock)
    verb = store.bucket("b", Bucket(1e-5, 3))
    await verb("key")
    server.ask("CONFIG", "RESETSTAT")
    caller = asyncio.create_task(verb("key"))
    await asyncio.sleep(0)
    caller.cancel()
    for _ in range(5):
        await asyncio.sleep(0)

    left = (await store.looking().bucket("b", Bucket(1e-5, 3))("key")).remaining

    assert (decisions(server), left) == (1, 1)
    await store.aclose()


async def test_a_slice_that_comes_after_its_lease_is_for_those_who_were_counted(server: RedisServer) -> None:
    clock = VirtualClock()
    store = LeasedThrottleStore(redis_on(server.port, clock), LEASE_S, clock=clock)
    verb = store.bucket("b", Bucket(1e-5, 101))
    await verb("key")
    with server.paused():
        counted = [asyncio.create_task(verb("key")) for _ in range(3)]
        for _ in range(5):
            await asyncio.sleep(0)
        late = asyncio.create_task(verb("key"))
        await asyncio.sleep(0)
        counted.pop().cancel()
        clock.advance(LEASE_S)

    answers = await asyncio.gather(*counted, late)

    await store.aclose()
    assert [answer.remaining for answer in answers] == [99, 98, 96]  # the third token is lost


# ------------------------------------------------------------------------------------------------ many processes


async def test_processes_with_clocks_of_their_own_admit_what_one_bucket_gives_in_a_lease_more(
    server: RedisServer,
) -> None:
    clock, bucket, gateway = VirtualClock(), Bucket(2000.0, 100), f"skewed-{os.getpid()}"
    address = RedisAddress(port=server.port, timeout_s=20)
    own = [_Skewed(clock, skew_s) for skew_s in (0.0, -600.0, 86400.0)]
    stores = [
        LeasedThrottleStore(
            RedisThrottleStore(address, gateway=gateway, time_us=lambda: round(clock.wall() * 1e6)), LEASE_S, clock=each
        )
        for each in own
    ]
    verbs, began = [store.bucket("b", bucket) for store in stores], clock.monotonic()
    times = []

    for number in range(6000):
        clock.advance(1 / 6000)
        if (await verbs[number % 3]("key")).allowed:
            times.append(clock.monotonic() - began)

    for store in stores:
        await store.aclose()
    least, over = float("inf"), -float("inf")
    for number, at in enumerate(times):
        least = min(least, number - bucket.rate * at)
        over = max(over, number + 1 - bucket.rate * at - least - bucket.burst)
    assert over <= bucket.rate * LEASE_S + 0.01
    assert 0.99 * 2100 - 20 <= len(times) <= 2100.01


class _Skewed(VirtualClock):
    """Another clock, wrong by so much."""

    __slots__ = ("_of", "_skew_s")

    def __init__(self, of: VirtualClock, skew_s: float) -> None:
        super().__init__()
        self._of, self._skew_s = of, skew_s

    def monotonic(self) -> float:
        return self._of.monotonic() + self._skew_s


# ------------------------------------------------------------------------------------------------ faults


async def test_a_slice_is_spent_though_the_server_was_killed_and_then_the_declared_answer_comes(
    fresh: RedisServer,
) -> None:
    clock = VirtualClock()
    leased = LeasedThrottleStore(redis_on(fresh.port, clock, timeout_s=1.0), LEASE_S, clock=clock)
    store = ResilientThrottleStore(leased, throttles=OnStoreError("deny"), clock=clock, failures=1)
    verb = store.bucket("b", Bucket(1000.0, 100))
    for _ in range(1 + 2 + 4 + 1):  # one alone, and slices of 2, 4 and 8
        assert (await now(verb("key"))).allowed
        clock.advance(0.0001)
    fresh.kill()

    held = [verb("key") for _ in range(7)]

    assert all(isinstance(answer, Taken) and answer.allowed for answer in held)
    assert store.failures == 0
    with pytest.raises(StoreError):
        await now(verb("key"))
    assert (store.failures, store.degraded["settled here"], store.is_asked) == (1, 0, False)
    fresh.start()
    clock.advance(1)

    async def back() -> bool:
        clock.advance(1)
        try:
            return (await now(verb("key"))).allowed and store.is_asked
        except StoreError:
            return False

    await until(back)
    await store.aclose()


async def test_what_is_held_of_a_dead_server_ends_with_its_lease(fresh: RedisServer) -> None:
    clock = VirtualClock()
    store = LeasedThrottleStore(redis_on(fresh.port, clock, timeout_s=1.0), LEASE_S, clock=clock)
    verb = store.bucket("b", Bucket(1000.0, 100))
    for _ in range(8):
        await verb("key")
    fresh.kill()
    clock.advance(LEASE_S)

    failures = await asyncio.gather(*(verb("key") for _ in range(50)), return_exceptions=True)

    await store.aclose()
    assert {type(failure) for failure in failures} == {StoreError}
    assert len({id(failure) for failure in failures}) == 50


async def test_while_the_server_is_paused_one_question_waits_and_all_have_its_failure(fresh: RedisServer) -> None:
    clock = VirtualClock()
    leased = LeasedThrottleStore(redis_on(fresh.port, clock, timeout_s=0.1), LEASE_S, clock=clock)
    store = ResilientThrottleStore(leased, throttles=OnStoreError("local", 0.5))
    verb = store.bucket("b", Bucket(1e-5, 20))
    await now(verb("key"))
    fresh.ask("CONFIG", "RESETSTAT")
    with fresh.paused():
        answers = await asyncio.gather(*(now(verb("key")) for _ in range(30)))

    async def counted() -> bool:
        return decisions(fresh) == 1

    await until(counted)
    await store.aclose()
    assert sum(answer.allowed for answer in answers) == 10
    assert store.degraded["local"] == 30


async def test_a_server_that_lost_its_scripts_is_given_them_again(fresh: RedisServer) -> None:
    clock = VirtualClock()
    store = LeasedThrottleStore(redis_on(fresh.port, clock), LEASE_S, clock=clock)
    verb = store.bucket("b", Bucket(1e-5, 20))
    await verb("key")
    fresh.ask("SCRIPT", "FLUSH")

    answers = await asyncio.gather(*(verb("key") for _ in range(20)))

    await store.aclose()
    assert [answer.allowed for answer in answers] == [True] * 19 + [False]


async def test_a_restarted_server_begins_anew(fresh: RedisServer) -> None:
    leased = LeasedThrottleStore(redis_on(fresh.port, timeout_s=1.0), LEASE_S)
    verb = leased.bucket("b", Bucket(1e-5, 20))
    await asyncio.gather(*(verb("key") for _ in range(30)))
    fresh.restart()

    async def answered() -> bool:
        try:
            return (await verb("key")).allowed
        except StoreError:
            return False

    await until(answered)
    await leased.aclose()


async def test_a_dead_server_is_left_alone(server: RedisServer) -> None:
    store = throttle_store(f"redis://127.0.0.1:{free_port()}?lease=10ms&on_store_error=local")
    verb = store.bucket("b", Bucket(1e-5, 10))

    answers = [await now(verb("key")) for _ in range(12)]

    assert isinstance(store, ResilientThrottleStore)
    assert not store.is_asked
    assert [answer.allowed for answer in answers] == [True] * 10 + [False] * 2
    await store.aclose()


# ------------------------------------------------------------------------------------------------ many keys


async def test_a_flood_of_keys_is_bounded_and_what_is_over_the_bound_stays_exact(server: RedisServer) -> None:
    clock, bucket = VirtualClock(), Bucket(1e-5, 2)
    store = LeasedThrottleStore(redis_on(server.port, clock), LEASE_S, clock=clock, max_keys=10)
    verb = store.bucket("b", bucket)

    answers = [[(await verb(f"key {number}")).allowed for _ in range(3)] for number in range(100)]
    at_once = await asyncio.gather(*(verb(f"new {number}") for number in range(100)))
    most = len(store)
    clock.advance(1.5)
    await verb("another")
    clock.advance(1.5)
    await verb("key 99")
    kept = len(store)

    await store.aclose()
    assert answers == [[True, True, False]] * 100
    assert all(answer.allowed for answer in at_once)
    assert (most, kept) == (10, 1)


async def test_keys_that_come_once_in_a_while_start_no_task(server: RedisServer) -> None:
    store = LeasedThrottleStore(redis_on(server.port), LEASE_S)
    verb = store.bucket("b", Bucket(10.0, 10))
    await verb("warm")
    tasks = len(asyncio.all_tasks())

    asking = asyncio.gather(*(verb(f"key {number}") for number in range(50)))
    await asyncio.sleep(0)
    more = len(asyncio.all_tasks()) - tasks

    await asking
    await store.aclose()
    assert more == 50  # those of this test


async def test_a_key_in_use_keeps_its_lease_through_the_generations(server: RedisServer) -> None:
    clock = VirtualClock()
    store = LeasedThrottleStore(redis_on(server.port, clock), 1.0, clock=clock)
    verb = store.bucket("b", Bucket(10_000.0, 10_000))
    for _ in range(8):  # so that a slice is left
        await verb("key")
    server.ask("CONFIG", "RESETSTAT")

    for _ in range(3):
        clock.advance(0.3)
        assert (await verb("key")).allowed

    asked = decisions(server)
    await store.aclose()
    assert (asked, len(store)) == (0, 1)


def test_a_lease_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="a lease is between"):
        LeasedThrottleStore(redis_on(1), 0.0)
    with pytest.raises(ConfigError, match="between 1ms and 1s"):
        throttle_store("redis://127.0.0.1?lease=5s")
