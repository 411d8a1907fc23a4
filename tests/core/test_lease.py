"""Leases: the bound on what is admitted, over many processes with clocks and delays of their own; and how large a slice
is."""

from __future__ import annotations

import heapq
import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gatewaykit.core.lease import Lease, Terms, can_be_leased, take_slice
from gatewaykit.core.limits import Decided
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import FULL, Bucket, take
from gatewaykit.core.window import Window

ROUNDING = 0.01  # of a token: a bucket gives one that is whole but for a thousandth


@dataclass
class Shared:
    """The buckets of all: one for everybody, one for each key."""

    everybody: Bucket
    each: Bucket
    full_at: dict[str, float] = field(default_factory=lambda: defaultdict(lambda: FULL))

    def slice(self, key: str, now: float, most: int) -> tuple[Decided, int]:
        states = (self.full_at["everybody"], self.full_at[key])
        after, answer, tokens = take_slice(states, now, (self.everybody, self.each), most)
        self.full_at["everybody"], self.full_at[key] = after
        return answer, tokens


class Node:
    """A process whose clock is wrong by `skew_s`."""

    def __init__(self, skew_s: float) -> None:
        self.skew_s = skew_s
        self.leases: dict[str, Lease] = defaultdict(Lease)
        self.waiting: dict[str, list[float]] = {}


Requests = tuple[float, int, int, str, float, float, int]
"""A pause, the process, how many come at once, their key, how long questions and answers take, and how many tokens the
process asks for at least. Times are in leases. The bound holds for slices of any size."""


def admitted(
    shared: Shared, terms: Terms, requests: Sequence[Requests], skews: Sequence[float]
) -> dict[str, list[float]]:
    """When which key was admitted: a request that waited for a slice, when the buckets gave it."""
    nodes, order, out = [Node(skew_s) for skew_s in skews], itertools.count(), defaultdict[str, list[float]](list)
    queue: list[tuple[float, int, Iterator[float]]] = []

    def request(at: float, node: Node, key: str, there_s: float, back_s: float, greed: int) -> Iterator[float]:
        now = yield_at = at
        given = node.leases[key].spend(now + node.skew_s)
        if given:
            out[key].append(now)
        if given is not None:
            return
        if key in node.waiting:
            node.waiting[key].append(now)
            return
        node.waiting[key] = [now]
        while waiting := node.waiting[key]:
            asked = yield_at
            counted = len(waiting)
            wanted = max(greed, node.leases[key].wanted(asked + node.skew_s, counted, terms))
            yield (taken_at := asked + there_s)
            answer, tokens = shared.slice(key, taken_at, wanted)
            yield (yield_at := taken_at + back_s)
            here = yield_at + node.skew_s
            lease = node.leases[key] = Lease()
            lease.filled(answer, tokens, wanted, asked + node.skew_s, here, terms)
            for _ in waiting[:counted]:
                if lease.held:
                    lease.give(here)
                    out[key].append(taken_at)
            late = []
            for came in waiting[counted:]:
                given = lease.spend(here)
                if given:
                    out[key].append(yield_at)
                elif given is None:
                    late.append(came)
            node.waiting[key] = late
        del node.waiting[key]

    at = 0.0
    for pause, number, many, key, there, back, greed in requests:
        at += pause * terms.lease_s
        for _ in range(many):
            steps = request(at, nodes[number % len(nodes)], key, there * terms.lease_s, back * terms.lease_s, greed)
            heapq.heappush(queue, (at, next(order), steps))
    while queue:
        _, _, steps = heapq.heappop(queue)
        for again_at in steps:
            heapq.heappush(queue, (again_at, next(order), steps))
            break
    return out


def worst(times: Sequence[float], bucket: Bucket, more_s: float) -> float:
    """By how many tokens the fullest interval is over burst + rate x (its length + `more_s`)."""
    over, least = -inf, inf
    for number, at in enumerate(sorted(times)):
        least = min(least, number - bucket.rate * at)
        over = max(over, number + 1 - bucket.rate * at - least - bucket.burst - bucket.rate * more_s)
    return over


def worst_from_start(times: Sequence[float], bucket: Bucket) -> float:
    """By how many tokens the whole is over burst + rate x its length, at any time."""
    return max((number + 1 - bucket.rate * at - bucket.burst for number, at in enumerate(sorted(times))), default=-inf)


BUCKETS = st.builds(
    Bucket,
    st.sampled_from([0.0, 90.0, 450.0, 2000.0, 30_000.0]),
    st.one_of(st.integers(0, 60), st.sampled_from([300, 1000])),
)
TWO = st.one_of(st.tuples(BUCKETS, BUCKETS), BUCKETS.map(lambda bucket: (bucket, bucket)))
PAUSES = st.sampled_from([0.0, 0.0, 0.01, 0.1, 0.5, 0.97, 0.97, 1.0, 1.2, 1.9, 3.5, 40.0])
DELAYS = st.sampled_from([0.0, 0.0, 0.0, 0.02, 0.2, 3.0])


def one(pause: float, number: int, *settings: Any) -> list[Requests]:
    return [(pause, number, *settings)]


def all_of_them(pause: float, _: int, *settings: Any) -> list[Requests]:
    return [(0.0 if number else pause, number, *settings) for number in range(4)]


def in_a_row(blocks: list[list[Requests]], last: float) -> list[Requests]:
    """Blocks of requests, and at the end more than anything allows."""
    return [each for block in (*blocks, all_of_them(last, 0, 300, "a", 0.0, 0.0, 0)) for each in block]


BLOCKS = st.builds(
    lambda kind, *settings: kind(*settings), st.sampled_from([one, all_of_them]), PAUSES, st.integers(0, 3),
    st.sampled_from([1, 1, 2, 3, 20, 40]), st.sampled_from("aaab"), DELAYS, DELAYS, st.sampled_from([0, 0, 30, 100]),
)  # fmt: skip
REQUESTS = st.builds(in_a_row, st.lists(BLOCKS, max_size=20), PAUSES)
SKEWS = st.lists(st.sampled_from([0.0, -300.0, 1e6]), min_size=1, max_size=4)


FULL_AGAIN = Bucket(2000.0, 300), Bucket(2000.0, 300)
HOARDING = all_of_them(0.0, 0, 1, "a", 0.0, 0.0, 100)


@example(FULL_AGAIN, 0.1, in_a_row([HOARDING], 0.97), [0.0] * 4)
@example(FULL_AGAIN, 0.1, in_a_row([HOARDING], 1.2), [0.0] * 4)
@given(TWO, st.sampled_from([0.001, 0.01, 0.1]), REQUESTS, SKEWS)
def test_no_interval_has_more_than_its_limit_over_one_lease_longer_and_the_whole_never_more_than_its_own(
    two: tuple[Bucket, Bucket], lease_s: float, requests: list[Requests], skews: list[float]
) -> None:
    everybody, each = two
    terms = Terms((everybody, each), lease_s)

    out = admitted(Shared(everybody, each), terms, requests, skews)

    for bucket, times in (
        (everybody, [*out["a"], *out["b"]]),
        *((each, out[key]) for key in "ab"),
    ):
        assert worst(times, bucket, lease_s) <= ROUNDING
        assert worst_from_start(times, bucket) <= ROUNDING


@given(BUCKETS, REQUESTS)
def test_one_process_whose_requests_come_a_lease_apart_has_the_very_answers_of_the_bucket(
    bucket: Bucket, requests: list[Requests]
) -> None:
    terms, shared, lease = Terms((bucket,), 0.01), FULL, Lease()
    full_at, now = FULL, 0.0
    for pause, *_ in requests:
        now += 0.0101 + 0.01 * pause
        full_at, expected = take(full_at, now, bucket)
        given = lease.spend(now)
        assert given is None
        wanted = lease.wanted(now, 1, terms)
        (shared,), answer, tokens = take_slice((shared,), now, (bucket,), wanted)
        lease = Lease()
        lease.filled(answer, tokens, wanted, now, now, terms)

        assert (tokens, wanted) == (int(expected.allowed), 1)


def test_the_bound_is_reached_by_processes_that_spend_at_the_end_of_their_leases_and_is_not_passed() -> None:
    bucket = Bucket(1000.0, 80)
    terms, full_at, leases = Terms((bucket,), 0.1), FULL, [Lease() for _ in range(3)]
    for size in (1, 2, 4, 8, 16):  # each is spent at once, so the next is twice as large
        for lease in leases[:2]:
            (full_at,), answer, tokens = take_slice(
                (full_at,), 0.001 * size, (bucket,), lease.wanted(0.001 * size, 1, terms)
            )
            lease.filled(answer, tokens, size, 0.001 * size, 0.001 * size, terms)
            for _ in range(tokens if size < 16 else 0):
                lease.spend(0.001 * size)
    held = [lease.held for lease in leases]
    (full_at,), answer, tokens = take_slice((full_at,), 0.1159, (bucket,), 80)

    given = [lease.spend(0.1159) for lease in leases for _ in range(lease.held)]

    assert (held, given, tokens) == ([16, 16, 0], [True] * 32, 80)
    assert worst([0.1159] * (len(given) + tokens), bucket, 0.1) <= ROUNDING
    assert [lease.spend(0.116) for lease in leases] == [None] * 3


def spent(rate: float, burst: int, demand: float, seconds: float, lease_s: float = 0.01) -> tuple[int, int, int]:
    """Evenly coming requests of one process: the admitted, the slices asked for, the tokens lost."""
    bucket = Bucket(rate, burst)
    terms, lease, full_at = Terms((bucket,), lease_s), Lease(), FULL
    given = asked = lost = 0
    for number in range(int(seconds * demand)):
        now = number / demand
        answer = lease.spend(now)
        if answer is None:
            asked, lost = asked + 1, lost + lease.held
            wanted = lease.wanted(now, 1, terms)
            (full_at,), said, tokens = take_slice((full_at,), now, (bucket,), wanted)
            lease = Lease()
            lease.filled(said, tokens, wanted, now, now, terms)
            answer = lease.spend(now)
        given += bool(answer)
    return given, asked, lost


@pytest.mark.parametrize(
    ("rate", "burst", "demand"),
    [
        pytest.param(10_000, 5000, 5000, id="under the limit"),
        pytest.param(5000, 500, 5000, id="at the limit"),
        pytest.param(2000, 100, 5000, id="over the limit"),
        pytest.param(100, 10, 5000, id="far over the limit"),
        pytest.param(0.0, 50, 5000, id="nothing comes"),
    ],
)
def test_at_5000_requests_a_second_a_lease_of_10_ms_asks_20_times_less_and_admits_as_much(
    rate: float, burst: int, demand: float
) -> None:
    given, asked, lost = spent(rate, burst, demand, seconds=4)

    allowed = min(4 * demand, burst + rate * 4)
    assert asked * 20 <= 4 * demand
    assert 0.99 * allowed - 1 <= given <= allowed + ROUNDING
    assert lost <= 0.01 * given


def test_a_slice_is_never_more_than_flows_in_during_a_lease_unless_so_many_wait() -> None:
    terms, lease = Terms((Bucket(3000.0, 1000), Bucket(500.0, 100)), 0.01), Lease()
    answer = take_slice((FULL, FULL), 0.0, terms.buckets, 80)[1]
    lease.filled(answer, 80, 80, 0.0, 0.0, terms)
    for _ in range(80):
        lease.spend(0.0001)

    assert (lease.wanted(0.0001, 1, terms), lease.wanted(0.0001, 60, terms)) == (5, 60)


def test_a_key_is_idle_that_was_not_asked_for_during_a_lease_and_its_first_slice_is_small() -> None:
    terms, lease = Terms((Bucket(3000.0, 1000),), 0.01), Lease()
    before = lease.is_idle(0.0, terms)

    lease.asked(5.0)

    assert (before, lease.is_idle(5.0099, terms), lease.is_idle(5.0101, terms)) == (True, False, True)
    assert [lease.wanted(5.0 + pause_s, 1, terms) for pause_s in (0.0001, 0.001, 0.009)] == [2, 2, 1]


def test_after_a_pause_a_slice_is_one_token_again() -> None:
    terms, lease = Terms((Bucket(3000.0, 1000),), 0.01), Lease()
    lease.filled(take_slice((FULL,), 0.0, terms.buckets, 20)[1], 20, 20, 0.0, 0.0, terms)
    for _ in range(20):
        lease.spend(0.005)

    assert [lease.wanted(at, 1, terms) for at in (0.005, 0.0149, 0.05, 0.5)] == [23, 23, 2, 1]


def test_what_is_held_ends_with_the_lease_and_looking_spends_nothing() -> None:
    terms, lease = Terms((Bucket(1000.0, 10),), 0.01), Lease()
    lease.filled(take_slice((FULL,), 5.0, terms.buckets, 3)[1], 3, 3, 5.0, 5.002, terms)

    answers = [lease.look(5.002), lease.spend(5.002), lease.spend(5.0099), lease.look(5.01), lease.spend(5.01)]

    assert answers == [True, True, True, None, None]
    assert lease.held == 1
    assert lease.numbers(1, terms)[0] == take(take(FULL, 0.0, terms.buckets[0], 1)[0], 0.0, terms.buckets[0], 1)[1]


def test_an_empty_bucket_is_left_alone_for_half_a_lease_and_says_when_to_come_again() -> None:
    terms, lease = Terms((Bucket(1000.0, 1000), Bucket(100.0, 2)), 0.01), Lease()
    _, answer, tokens = take_slice((FULL, FULL), 0.0, terms.buckets, 9)

    lease.filled(answer, tokens, 9, 0.0, 0.001, terms)

    assert [lease.spend(0.001) for _ in range(3)] == [True, True, False]
    assert (lease.look(0.0059), lease.spend(0.0061)) == (False, None)
    first, second = lease.refusals(0.004)
    assert (lease.place, first and first.allowed, first and first.remaining) == (1, True, 998)
    assert second is not None
    assert (second.allowed, second.retry_after_s) == (False, pytest.approx(0.01 - 0.003))


@pytest.mark.parametrize(
    ("bucket", "again_s"),
    [
        pytest.param(Bucket(100.0, 1), 0.01, id="no longer than a lease"),
        pytest.param(Bucket(1000.0, 1), 0.001, id="no longer than until a token is there"),
        pytest.param(Bucket(1000.0, 20), 0.005, id="half a lease, where the bucket has room"),
        pytest.param(Bucket(0.0, 1), 0.01, id="a lease, where nothing comes"),
        pytest.param(Bucket(5.0, 0), 0.01, id="a lease, where it never gives"),
    ],
)
def test_a_refusal_holds_for_so_long(bucket: Bucket, again_s: float) -> None:
    terms, lease = Terms((bucket,), 0.01), Lease()
    (full_at,), _, _ = take_slice((FULL,), 0.0, terms.buckets, 20)
    _, answer, tokens = take_slice((full_at,), 0.0, terms.buckets, 5)

    lease.filled(answer, tokens, 5, 0.0, 0.0, terms)

    assert tokens == 0
    assert lease.dry_until_s == pytest.approx(again_s)


def test_a_limit_that_does_not_apply_says_nothing() -> None:
    terms, lease = Terms((Bucket(10.0, 1), Bucket(10.0, 5)), 0.01), Lease()
    taken = take(FULL, 0.0, terms.buckets[0])[1]
    lease.filled(Decided(None, tuple, (taken, None)), 1, 2, 0.0, 0.0, terms)

    assert [numbers and numbers.remaining for numbers in lease.numbers(0, terms)] == [0, None]
    assert [refusal and refusal.allowed for refusal in lease.refusals(0.0)] == [False, None]


@pytest.mark.parametrize(
    ("limits", "can"),
    [
        pytest.param([Bucket(1.0, 1)], True, id="a bucket"),
        pytest.param([Bucket(1.0, 1), Bucket(0.0, 0)], True, id="buckets"),
        pytest.param([], False, id="nothing"),
        pytest.param([Bucket(1.0, 1, patience_s=1.0)], False, id="a bucket that is waited for"),
        pytest.param([Bucket(1.0, 1), Quota(1, "DAY")], False, id="with a quota"),
        pytest.param([Window(1, 1.0, "fixed")], False, id="a window"),
    ],
)
def test_only_buckets_are_leased(limits: list[object], can: bool) -> None:
    assert can_be_leased(limits) is can


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.0009, 1.1, inf, float("nan")])
def test_a_lease_is_between_a_millisecond_and_a_second(seconds: float) -> None:
    with pytest.raises(ValueError, match="a lease is between"):
        Terms((Bucket(1.0, 1),), seconds)
