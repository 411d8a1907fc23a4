"""The store in Redis, against a real server: the contract, equality with the pure steps, and exactness."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from math import floor

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gatewaykit.clock import VirtualClock
from gatewaykit.core.limits import Decided, Limit, Row, State, charged, take_all
from gatewaykit.core.quota import PERIODS, Quota, Use, count, window
from gatewaykit.core.throttle import FULL, TOLERANCE, Bucket, Taken, interval_s, take
from gatewaykit.core.window import KINDS, Window, WindowState
from gatewaykit.core.window import take as take_window
from gatewaykit.stores.redis import RedisThrottleStore
from gatewaykit.stores.redis_connection import RedisAddress
from gatewaykit.testing.usage_store_contract import UsageStoreContract
from tests.peers.redis import RedisServer, running

pytestmark = [pytest.mark.needs("redis-server"), pytest.mark.xdist_group("redis")]

_NAMES = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running() as started:
        yield started


def store_on(server: RedisServer, time_us: Callable[[], int] | None = None) -> RedisThrottleStore:
    """A store that starts empty."""
    address = RedisAddress(port=server.port, timeout_s=20)
    return RedisThrottleStore(address, gateway=f"test-{os.getpid()}-{next(_NAMES)}", time_us=time_us)


class TestRedisThrottleStore(UsageStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, server: RedisServer) -> None:
        self.server = server

    async def make_store(self, clock: VirtualClock) -> RedisThrottleStore:
        return store_on(self.server, lambda: round(clock.wall() * 1e6))


BUCKETS = st.builds(
    Bucket,
    st.one_of(st.sampled_from([0.0, 1e-13, 5 / 60, 0.3, 1.0, 3.0, 10.0, 1e9]), st.floats(0.001, 1e4)),
    st.one_of(st.integers(0, 20), st.sampled_from([5000, 10**9])),
)
STEPS = st.lists(st.one_of(st.just(0), st.integers(0, 300_000), st.integers(0, 10**9)), max_size=40)


@given(BUCKETS, STEPS)
def test_the_script_answers_for_a_bucket_as_the_step_in_core_does(
    server: RedisServer, bucket: Bucket, steps: list[int]
) -> None:
    now_us, full_at, expected = 0, FULL, list[Taken]()
    times = []
    for pause_us in steps:
        now_us += pause_us
        owed = max(full_at - now_us / 1e6, 0.0) / interval_s(bucket) - TOLERANCE
        assume(abs(owed - round(owed)) > 1e-5 or owed == -TOLERANCE)  # on the edge itself rounding decides
        full_at, taken = take(full_at, now_us / 1e6, bucket)
        expected.append(taken)
        times.append(now_us)

    answers = asyncio.run(answers_of(server, bucket, times))

    assert [answer[:2] for answer in answers] == [answer[:2] for answer in expected]
    assert [answer[2:] for answer in answers] == [pytest.approx(answer[2:], rel=1e-6, abs=2e-6) for answer in expected]


@given(
    st.builds(Quota, st.integers(0, 4), st.sampled_from(PERIODS), st.integers(0, 5)),
    st.integers(0, 4 * 10**15),
    st.lists(st.one_of(st.just(0), st.integers(0, 40 * 86400 * 10**6)), max_size=30),
)
def test_the_script_answers_for_a_quota_as_the_step_in_core_does(
    server: RedisServer, quota: Quota, start_us: int, steps: list[int]
) -> None:
    times = list(itertools.accumulate(steps, initial=start_us))
    use: Use | None = None
    first = window(quota.period, start_us / 1e6)[0]
    expected = []
    for now_us in times:
        use, taken = count(use, now_us / 1e6, quota, first)
        expected.append(taken)

    answers = asyncio.run(answers_of(server, quota, times))

    assert [answer[:2] for answer in answers] == [answer[:2] for answer in expected]
    assert [answer[2:] for answer in answers] == [pytest.approx(answer[2:], rel=1e-9, abs=1e-5) for answer in expected]


@given(
    st.builds(
        Window,
        st.one_of(st.integers(0, 6), st.just(10**9)),
        st.sampled_from([0.001, 0.5, 60.0, 3600.0]),
        st.sampled_from(KINDS),
    ),
    st.integers(0, 4 * 10**15),
    st.lists(
        st.one_of(
            st.just(0), st.integers(0, 3000), st.integers(-(10**6), 10**6), st.integers(0, 10**8), st.just(6 * 10**7)
        ),
        max_size=40,
    ),
)
def test_the_script_answers_for_a_window_as_the_step_in_core_does(
    server: RedisServer, window: Window, start_us: int, steps: list[int]
) -> None:
    times = [max(0, now_us) for now_us in itertools.accumulate(steps, initial=start_us)]
    state: WindowState = None
    expected = []
    for now_us in times:
        after, taken = take_window(state, now_us / 1e6, window)
        state = after if taken.allowed else state  # a refusal writes nothing
        expected.append(taken)

    answers = asyncio.run(answers_of(server, window, times))

    assert [answer[:2] for answer in answers] == [answer[:2] for answer in expected]
    assert [answer[2:] for answer in answers] == [pytest.approx(answer[2:], rel=1e-9, abs=2e-6) for answer in expected]


@given(
    st.lists(
        st.one_of(
            BUCKETS,
            st.builds(Quota, st.integers(0, 9), st.sampled_from(PERIODS), st.integers(0, 3)),
            st.builds(Window, st.integers(0, 9), st.sampled_from([0.5, 60.0]), st.sampled_from(KINDS)),
        ),
        min_size=1, max_size=3, unique_by=lambda limit: limit.period if isinstance(limit, Quota) else limit,
    ),
    st.lists(
        st.tuples(st.one_of(st.just(0), st.integers(0, 10**7)), st.booleans(), st.integers(-9, 12)), max_size=20
    ),
)  # fmt: skip
def test_the_script_takes_and_charges_costs_as_the_steps_in_core_do(
    server: RedisServer, limits: list[Limit], steps: list[tuple[int, bool, int]]
) -> None:
    start_us = 0  # so that seconds in a float hold a token of a thousand million a second
    states: tuple[State, ...] = (None,) * len(limits)
    first = [window(each.period, start_us / 1e6)[0] if isinstance(each, Quota) else 0.0 for each in limits]
    expected, at = list[Decided](), start_us
    asked = []
    for pause_us, charging, cost in steps:
        at += pause_us
        for limit, state in zip(limits, states):
            if isinstance(limit, Bucket) and isinstance(state, float):
                owed = max(state - at / 1e6, 0.0) / interval_s(limit) - TOLERANCE
                assume(abs(owed - round(owed)) > 1e-5 or owed == -TOLERANCE)  # on the edge itself rounding decides
        rows = [Row(*row) for row in zip(limits, states, first)]
        if charging:
            states = tuple(charged(row, at / 1e6, at / 1e6, cost) for row in rows)
        else:
            cost = max(0, cost)
            states, answer = take_all(rows, at / 1e6, at / 1e6, cost)
            expected.append(answer)
        asked.append((at, charging, cost))

    async def answers() -> list[Decided]:
        clock = [start_us]
        store = store_on(server, lambda: clock[0])
        take, charge, keys = store.limits("costs", limits), store.charge("costs", limits), ["key"] * len(limits)
        await store.looking().limits("costs", limits)(keys)
        given = []
        for clock[0], charging, cost in asked:
            if charging:
                await charge(keys, cost)
            else:
                given.append(await take(keys, cost))
        await store.aclose()
        return given

    for answer, wanted in zip(asyncio.run(answers()), expected, strict=True):
        assert answer.refused == wanted.refused
        for one, other in zip(answer.taken, wanted.taken, strict=True):
            assert one
            assert other
            assert one[:2] == other[:2]
            assert one[2:] == pytest.approx(other[2:], rel=1e-6, abs=1e-4)


async def test_a_moving_window_keeps_no_more_than_twice_its_limit_of_instants(server: RedisServer) -> None:
    clock = [0]
    store = store_on(server, lambda: clock[0])
    verb, longest = store.window("m", Window(10, 1.0, "moving")), 0
    for clock[0] in range(0, 25_000_000, 50_000):
        await verb("key")
        if clock[0] % 250_000 == 0:
            keys = f"{store._prefix.decode()}*"
            said = server.say("EVAL", f"return redis.call('STRLEN', redis.call('KEYS', '{keys}')[1])", "0")
            longest = max(longest, int(said[1:]))

    await store.aclose()
    assert 80 <= longest <= 160


CALENDAR = [
    "1970-01-01T00:00:00", "1999-12-31T23:59:59", "2000-02-29T12:00:00", "2024-02-28T23:59:59", "2024-02-29T00:00:00",
    "2026-03-29T01:30:00", "2026-10-25T01:30:00", "2026-01-31T23:59:59", "2026-12-31T23:59:59", "2027-01-01T00:00:00",
    "2100-02-28T23:59:59", "9998-12-31T23:59:59",
]  # fmt: skip


@pytest.mark.parametrize("instant", CALENDAR)
@pytest.mark.parametrize("period", PERIODS)
def test_calendar_windows_end_where_they_do_in_core(server: RedisServer, period: str, instant: str) -> None:
    at = int(datetime.fromisoformat(instant).replace(tzinfo=timezone.utc).timestamp())

    (answer,) = asyncio.run(answers_of(server, Quota(1, period), [at * 10**6]))

    assert answer.reset_s == window(period, at)[1] - at


async def answers_of(server: RedisServer, limit: Limit, times_us: list[int]) -> list[Taken]:
    clock = [0]
    store = store_on(server, lambda: clock[0])
    if isinstance(limit, Window):
        verb = store.window("w", limit)
    else:
        verb = store.quota("q", limit) if isinstance(limit, Quota) else store.bucket("b", limit)
    answers = []
    for clock[0] in times_us:
        answers.append(await verb("key"))
    await store.aclose()
    return answers


ODD_KEYS = [
    "",
    ":",
    "a:b",
    "{x}",
    "}{",
    "line\r\nline\n",
    "\0",
    "*1\r\n$4\r\nPING\r\n",
    "x" * 10_240,
    "\udcff\ud800",
    "é",
]


async def test_odd_keys_and_names_each_have_a_bucket_of_their_own(server: RedisServer) -> None:
    store = store_on(server)
    verbs = [store.bucket(name, Bucket(1e-3, 1)) for name in ("", ":", "a", "a:b", "{x}")]

    answers = [await verb(key) for verb in verbs for key in (*ODD_KEYS, "x" * 10_239 + "y") for _ in range(2)]

    await store.aclose()
    assert [answer.allowed for answer in answers] == [True, False] * (len(verbs) * (len(ODD_KEYS) + 1))


async def test_a_flood_of_keys_vanishes_by_itself(server: RedisServer) -> None:
    store = store_on(server)
    verb, day = store.bucket("flood", Bucket(1e6, 5)), store.quota("flood", Quota(5, "DAY", offset=1))
    windows = [store.window("flood", Window(5, 0.5, kind)) for kind in KINDS]
    await asyncio.gather(*(each(f"key-{number}") for number in range(2000) for each in (verb, *windows)), day("key"))
    await asyncio.gather(*(each(f"key-{number}") for number in range(9) for each in windows))
    prefix = store._prefix.decode()

    keys = server.say("EVAL", f"local all, bare = redis.call('KEYS', '{prefix}*'), 0 "
                      "for _, key in ipairs(all) do if redis.call('PTTL', key) == -1 then bare = bare + 1 end end "
                      "return bare", "0")  # fmt: skip

    await store.aclose()
    assert keys == b":0\r\n"


async def test_scripts_that_are_gone_are_sent_again(server: RedisServer) -> None:
    store = store_on(server)
    one, both = store.bucket("b", Bucket(1e-3, 3)), store.limits("b", (Bucket(1e-3, 3), Quota(9, "DAY")))
    first = await one("key")
    server.say("SCRIPT", "FLUSH")
    second = await one("key")
    server.say("SCRIPT", "FLUSH")
    third = await both(("key", "key"))

    await store.aclose()
    assert [first.remaining, second.remaining, *(taken and taken.remaining for taken in third.taken)] == [2, 1, 0, 8]


async def test_many_limits_are_one_command(server: RedisServer) -> None:
    store = store_on(server)
    windows = [Window(9, 60.0, kind) for kind in KINDS]
    limits = (Bucket(1.0, 9), Bucket(2.0, 9), Quota(9, "DAY"), Quota(9, "MONTH", offset=1), Bucket(3.0, 9), *windows)
    verb = store.limits("all", limits)
    await verb(["key"] * len(limits))
    before = _commands(server)

    for _ in range(3):
        await verb(["key"] * len(limits))

    await store.aclose()
    assert _commands(server) - before == 3


def _commands(server: RedisServer) -> int:
    lines = server.say("INFO", "commandstats").decode().splitlines()
    return next(int(line.split("calls=")[1].split(",")[0]) for line in lines if line.startswith("cmdstat_evalsha:"))


async def test_a_unix_socket_is_as_good(server: RedisServer) -> None:
    store = RedisThrottleStore(RedisAddress(path=str(server.socket)), gateway="unix")

    answer = await store.bucket("b", Bucket(1.0, 2))("key")

    await store.aclose()
    assert answer.remaining == 1


@pytest.mark.parametrize(("rate", "burst"), [(200.0, 50), (1000.0, 3), (1e9, 7)], ids=["plain", "low burst", "fast"])
async def test_a_bucket_admits_what_it_should_and_never_one_more(server: RedisServer, rate: float, burst: int) -> None:
    stores = [store_on(server)]
    verb = stores[0].bucket("exact", Bucket(rate, burst))
    began = _server_us(server)
    answers: list[Taken] = []

    async def ask() -> None:
        while len(answers) < 3000:
            answers.append(await verb("key"))

    await asyncio.gather(*(ask() for _ in range(16)))
    took_s = (_server_us(server) - began) / 1e6
    await stores[0].aclose()

    admitted = sum(answer.allowed for answer in answers)
    assert admitted <= burst + floor(rate * took_s) + 1


def _server_us(server: RedisServer) -> int:
    seconds, microseconds = (int(part) for part in server.say("TIME").split(b"\r\n")[2::2] if part)
    return seconds * 10**6 + microseconds
