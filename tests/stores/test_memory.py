"""The in-memory store: the contract, equality with the pure step, and bounded memory."""

from __future__ import annotations

import gc
from math import inf, nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.clock import VirtualClock
from gatewaykit.core.limits import Limit, Row, State, charged, take_all
from gatewaykit.core.quota import PERIODS, Quota, window
from gatewaykit.core.throttle import FULL, Bucket, take
from gatewaykit.core.window import KINDS, Window, WindowState
from gatewaykit.core.window import take as take_window
from gatewaykit.stores.memory import MemoryThrottleStore
from gatewaykit.stores.memory_window import CountedKeys
from gatewaykit.testing.store_contract import ThrottleStoreContract
from gatewaykit.testing.usage_store_contract import UsageStoreContract


class TestMemoryThrottleStore(UsageStoreContract):
    async def make_store(self, clock: VirtualClock) -> MemoryThrottleStore:
        return MemoryThrottleStore(clock)


class TestAlmostFullMemoryThrottleStore(ThrottleStoreContract):
    """A cap that is just enough changes nothing."""

    async def make_store(self, clock: VirtualClock) -> MemoryThrottleStore:
        return MemoryThrottleStore(clock, max_keys=5)


BUCKETS = st.builds(
    Bucket,
    st.one_of(st.sampled_from([0.0, 1e-13, 5 / 60, 0.3, 1.0, 10.0, 1e6, 1e300]), st.floats(0, 1e4)),
    st.one_of(st.integers(0, 20), st.sampled_from([5000, 5001, 10**9])),
)
STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.one_of(st.just(0.0), st.floats(0, 0.2), st.floats(0, 1000))), max_size=60
)


@given(BUCKETS, STEPS)
def test_the_written_out_step_answers_as_the_pure_one(bucket: Bucket, steps: list[tuple[str, float]]) -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock)
    verb = store.bucket("property", bucket)
    full_at = dict.fromkeys("abc", FULL)

    for key, pause_s in steps:
        clock.advance(pause_s)
        full_at[key], expected = take(full_at[key], clock.monotonic(), bucket)
        answer = verb(key)

        assert answer[:2] == expected[:2]
        assert answer[2:] == pytest.approx(expected[2:], rel=1e-9, abs=1e-6)


def test_idle_keys_go_once_their_buckets_are_full_again() -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock)
    verb = store.bucket("idle", Bucket(1.0, 10))
    for number in range(1000):
        verb(f"key-{number}")
    assert len(store) == 1000

    for number in range(3):
        clock.advance(11)
        verb(f"late-{number}")

    assert len(store) <= 3


def test_a_key_in_use_is_not_forgotten_when_others_go() -> None:
    clock = VirtualClock()
    verb = MemoryThrottleStore(clock).bucket("busy", Bucket(1.0, 10))
    allowed = 0
    for number in range(600):  # ten a second for a minute, with a new neighbour each time
        allowed += verb("busy").allowed
        verb(f"neighbour-{number}")
        clock.advance(0.1)

    assert allowed == 10 + 59


def test_a_key_that_only_comes_back_is_kept_without_new_neighbours() -> None:
    clock = VirtualClock()
    verb = MemoryThrottleStore(clock).bucket("alone", Bucket(1.0, 2))
    allowed = 0
    for _ in range(100):
        allowed += verb("alone").allowed
        clock.advance(0.5)
    verb("newcomer")
    allowed += verb("alone").allowed

    assert allowed <= 2 + 50


def test_a_million_keys_stay_within_max_keys_and_the_ones_on_top_share_a_bucket() -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock, max_keys=1000)
    verb = store.bucket("flood", Bucket(1.0, 5))
    verb("early")
    answers = [verb(f"key-{number}") for number in range(1_000_000)]

    assert len(store) <= 1001
    assert sum(answer.allowed for answer in answers) == 999 + 5
    assert verb("early").remaining == 3
    assert store.looking().bucket("flood", Bucket(1.0, 5))("one more").allowed is False


def test_a_full_store_makes_room_by_dropping_full_buckets() -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock, max_keys=100)
    verb = store.bucket("room", Bucket(1.0, 1000))
    for number in range(200):
        verb(f"key-{number}")
    clock.advance(2)

    assert verb("newcomer").remaining == 999
    assert len(store) == 2  # the crowd's bucket is not full yet, and the newcomer's


def test_a_plain_step_admits_keys_too() -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock, max_keys=1)
    verb = store.bucket("huge", Bucket(1.0, 10_000))

    assert [verb(key).remaining for key in ("a", "b", "c", "a")] == [9999, 9999, 9998, 9998]


def test_a_quota_keeps_its_keys_within_max_keys() -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock, max_keys=2)
    verb, look = store.quota("q", Quota(2, "DAY")), store.looking().quota("q", Quota(2, "DAY"))
    allowed = [verb(key).allowed for key in ("a", "b", "c", "d", "e", "a")]

    assert allowed == [True, True, True, True, False, True]
    assert look("f").allowed is False
    clock.advance("1d")
    assert verb("f").remaining == 1
    assert len(store) == 1


def test_max_keys_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="max_keys is 1 or more, not 0"):
        MemoryThrottleStore(max_keys=0)


WINDOWS = st.builds(
    Window,
    st.one_of(st.integers(0, 6), st.just(1000)),
    st.sampled_from([0.5, 1.0, 60.0, 3600.0]),
    st.sampled_from(KINDS),
)
GRID_S = st.one_of(st.just(0), st.integers(0, 100), st.integers(0, 100_000)).map(lambda number: number / 64)
"""Floats hold these exactly: an edge of a window is at the same instant however it is worked out."""


@given(WINDOWS, st.lists(st.tuples(st.sampled_from("abc"), GRID_S), max_size=60))
def test_a_written_out_window_answers_as_the_pure_one(window: Window, steps: list[tuple[str, float]]) -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock)
    verb, together, look = (
        store.window("w", window), store.limits("w", [window]), store.looking().window("w", window),
    )  # fmt: skip
    states: dict[str, WindowState] = dict.fromkeys("abc")

    for number, (key, pause_s) in enumerate(steps):
        clock.advance(pause_s)
        states[key], expected = take_window(states[key], clock.wall(), window)
        seen = look(key)
        answer = together([key]).taken[0] if number % 3 == 0 else verb(key)

        assert answer is not None
        assert seen[:2] == answer[:2] == expected[:2]
        for told in (seen, answer):  # a verb may round otherwise than the step does
            assert told[2:] == pytest.approx(expected[2:], rel=1e-9, abs=2e-6)


class OddClock:
    """A clock whose two readings are far apart, so that seconds have no room for the last microsecond."""

    def __init__(self, since_s: float) -> None:
        self.since_s, self.now_s = since_s, 0.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return self.since_s + self.now_s


@given(st.floats(0, 1e10), st.sampled_from([0.001, 0.003, 60.0]))
def test_a_window_begins_once_however_its_edge_is_rounded(since_s: float, length_s: float) -> None:
    clock = OddClock(since_s)
    store = MemoryThrottleStore(clock)
    verb = store.window("w", Window(1, length_s, "fixed"))
    (keys,) = store._windows.values()
    assert isinstance(keys, CountedKeys)
    verb("key")

    for _ in range(5):
        clock.now_s = keys._end_s
        assert verb("key").allowed
        clock.now_s = nextafter(clock.now_s, inf)
        assert not verb("key").allowed


@pytest.mark.parametrize("kind", KINDS)
def test_idle_keys_of_a_window_go_by_themselves(kind: str) -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock)
    verb = store.window("idle", Window(10, 60.0, kind))
    for number in range(1000):
        verb(f"key-{number}")
    assert len(store) == 1000

    for number in range(3):
        clock.advance(61)
        verb(f"late-{number}")

    assert len(store) <= 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_flood_of_keys_of_a_window_stays_within_max_keys_and_those_on_top_share_one(kind: str) -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock, max_keys=1000)
    verb = store.window("flood", Window(5, 60.0, kind))
    verb("early")
    answers = [verb(f"key-{number}") for number in range(20_000)]

    assert len(store) <= 1001
    assert sum(answer.allowed for answer in answers) == 999 + 5
    assert verb("early").remaining == 3
    assert store.looking().window("flood", Window(5, 60.0, kind))("one more").allowed is False
    clock.advance(60)
    verb("early")
    assert verb("early").allowed
    assert sum(verb(f"key-{number}").allowed for number in range(20_000)) <= 999 + 5


@pytest.mark.parametrize("kind", KINDS)
def test_keys_that_share_a_window_share_it_after_a_look_and_over_an_edge(kind: str) -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock, max_keys=1)
    verb, look = store.window("w", Window(2, 60.0, kind)), store.looking().window("w", Window(2, 60.0, kind))
    looked = [look("a"), verb("a"), look("b"), verb("b"), look("c"), verb("c"), look("d"), verb("d")]

    assert [answer.remaining if answer.allowed else None for answer in looked] == [1, 1, 1, 1, 0, 0, None, None]
    clock.advance(59 if kind == "moving" else 60)
    assert look("e").allowed is verb("f").allowed is (kind == "fixed")
    clock.advance(61)
    assert look("e") == verb("g")


def test_a_full_moving_window_makes_room_by_dropping_what_no_longer_counts() -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock, max_keys=100)
    verb = store.window("room", Window(5, 60.0, "moving"))
    for number in range(50):
        verb(f"key-{number}")
    clock.advance(59)
    for number in range(50, 200):
        verb(f"key-{number}")
    clock.advance(2)

    assert verb("newcomer").remaining == 4
    assert len(store) == 52  # fifty, the crowd's and the newcomer's


def test_a_moving_window_keeps_no_more_than_twice_its_limit_of_instants() -> None:
    clock = VirtualClock()
    store = MemoryThrottleStore(clock)
    verb = store.window("m", Window(10, 1.0, "moving"))
    longest = 0
    for _ in range(500):
        clock.advance(0.05)
        verb("key")
        (keys,) = store._windows.values()
        longest = max(longest, len(keys.young["key"]))  # type: ignore[arg-type]  # a log, in a moving window

    assert longest <= 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_refused_newcomer_leaves_no_trace_in_a_window(kind: str) -> None:
    store = MemoryThrottleStore(VirtualClock())
    verb = store.limits("flood", [Window(5, 60.0, kind), Window(0, 60.0, kind), Bucket(1.0, 0)])
    none = store.window("none", Window(0, 60.0, kind))

    for number in range(1000):
        verb([f"key-{number}", f"key-{number}", "everyone"])
        none(f"key-{number}")

    assert len(store) == 0


LIMITS = st.one_of(BUCKETS, st.builds(Quota, st.integers(0, 6), st.sampled_from(PERIODS), st.integers(0, 2)), WINDOWS)
ASKED = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["a", "b", None]), min_size=6, max_size=6),
        GRID_S,
    ),
    max_size=60,
)
QUOTAS = st.builds(Quota, st.integers(0, 6), st.sampled_from(PERIODS), st.integers(0, 2))


@st.composite
def hierarchies(draw: st.DrawFn) -> list[Limit]:
    """One to four buckets, and perhaps a quota at any place."""
    limits: list[Limit] = [*draw(st.lists(BUCKETS, min_size=1, max_size=4))]
    for quota in draw(st.lists(QUOTAS, max_size=1)):
        limits.insert(draw(st.integers(0, len(limits))), quota)
    return limits


@given(st.lists(LIMITS, min_size=1, max_size=6) | hierarchies(), ASKED)
def test_several_limits_answer_as_the_pure_step(
    limits: list[Limit], asked: list[tuple[list[str | None], float]]
) -> None:
    clock = VirtualClock()
    verb = MemoryThrottleStore(clock).limits("property", limits)
    first = [window(each.period, clock.wall())[0] if isinstance(each, Quota) else 0.0 for each in limits]
    states: dict[tuple[Limit | str, str | None], State] = {}
    shared = [each.period if isinstance(each, Quota) else each for each in limits]  # quotas of a period share a count

    for all_keys, pause_s in asked:
        keys = all_keys[: len(limits)]
        clock.advance(pause_s)
        rows = [
            None if key is None else Row(limit, states.get((whose, key)), since)
            for limit, whose, key, since in zip(limits, shared, keys, first)
        ]
        after, expected = take_all(rows, clock.monotonic(), clock.wall())
        states |= {(whose, key): state for whose, key, state in zip(shared, keys, after) if key is not None}
        answer = verb(keys)

        assert answer.refused == expected.refused
        for one, other in zip(answer.taken, expected.taken, strict=True):
            assert (one and one[:2]) == (other and other[:2])
            assert one is None or one[2:] == pytest.approx(other and other[2:], rel=1e-6, abs=1e-4)


@given(
    st.lists(LIMITS, min_size=1, max_size=3, unique_by=lambda each: each.period if isinstance(each, Quota) else each),
    st.lists(st.tuples(st.sampled_from([0.0, 0.25, 3.0, 86400.0]), st.booleans(), st.integers(-9, 12)), max_size=30),
)
def test_costs_are_taken_and_charged_as_by_the_pure_steps(
    limits: list[Limit], steps: list[tuple[float, bool, int]]
) -> None:
    clock = VirtualClock("2026-01-15T12:00Z")
    store, keys = MemoryThrottleStore(clock), ["key"] * len(limits)
    take, charge = store.limits("costs", limits), store.charge("costs", limits)
    first = [window(each.period, clock.wall())[0] if isinstance(each, Quota) else 0.0 for each in limits]
    states: tuple[State, ...] = (None,) * len(limits)

    for pause_s, charging, cost in steps:
        clock.advance(pause_s)
        rows = [Row(*row) for row in zip(limits, states, first)]
        if charging:
            states = tuple(charged(row, clock.monotonic(), clock.wall(), cost) for row in rows)
            charge(keys, cost)
            continue
        states, expected = take_all(rows, clock.monotonic(), clock.wall(), max(0, cost))
        answer = take(keys, max(0, cost))

        assert answer.refused == expected.refused
        for one, other in zip(answer.taken, expected.taken, strict=True):
            assert one
            assert other
            assert one[:2] == other[:2]
            assert one[2:] == pytest.approx(other[2:], rel=1e-6, abs=1e-4)


def test_a_number_of_keys_that_is_not_the_number_of_limits_is_a_mistake() -> None:
    store = MemoryThrottleStore(VirtualClock())

    for limits in ([Bucket(1.0, 1)], [Bucket(1.0, 0)]):
        with pytest.raises(ValueError, match="2 keys for 1 limits"):
            store.limits("mistake", limits)(["a", "b"])


def test_a_refused_newcomer_leaves_no_trace() -> None:
    store = MemoryThrottleStore(VirtualClock())
    verb = store.limits("flood", [Bucket(1.0, 5), Bucket(1.0, 0)])

    for number in range(1000):
        verb([f"key-{number}", "everyone"])

    assert len(store) == 0


class TwoClocks:
    """Two readings that are moved apart, as when somebody sets the time of a machine."""

    def __init__(self, wall_s: float) -> None:
        self.wall_s, self.monotonic_s = wall_s, 1000.0

    def monotonic(self) -> float:
        return self.monotonic_s

    def wall(self) -> float:
        return self.wall_s

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError

    def go_on(self, seconds: float) -> None:
        self.wall_s += seconds
        self.monotonic_s += seconds


@pytest.mark.parametrize("step_s", [0.25, 0.4, 0.999])
def test_a_day_that_ends_between_two_looks_at_the_wall_clock_is_not_missed(step_s: float) -> None:
    clock = TwoClocks(86_400.0 - 2.5 * step_s)
    take = MemoryThrottleStore(clock).limits("w", [Bucket(1e6, 100), Quota(3, "DAY")])

    allowed = []
    for _ in range(6):
        allowed.append(take(("k", "k")).refused is None)
        clock.go_on(step_s)

    assert allowed == [True] * 6  # three before midnight, three after it


def test_a_wall_clock_that_is_set_is_seen_a_second_later_at_the_latest() -> None:
    clock = TwoClocks(1000.0)
    take = MemoryThrottleStore(clock).limits("w", [Bucket(1e6, 100), Quota(1, "DAY")])
    assert take(("k", "k")).refused is None

    clock.wall_s += 86_400
    clock.go_on(1.0)

    answer = take(("k", "k"))
    assert answer.refused is None
    assert answer.taken[1] is not None
    assert answer.taken[1].reset_s == pytest.approx(86_400 - 1001, abs=1e-3)


def test_verbs_that_nobody_has_any_more_are_not_told_of_anything() -> None:
    store = MemoryThrottleStore(VirtualClock())
    kept = store.limits("w", [Bucket(1, 5), Quota(5, "DAY")])
    for _ in range(10):
        store.limits("w", [Bucket(1, 5), Quota(5, "DAY")])
    gc.collect()

    (buckets,) = store._buckets.values()
    (quotas,) = store._quotas.values()
    assert (len(buckets.followers), len(quotas.followers)) == (2, 1)  # with the verb of that limit alone
    assert kept(("k", "k")).refused is None
