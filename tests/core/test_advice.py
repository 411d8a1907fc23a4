"""What limits would have denied of a record of requests, and the least limits for a number of denials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.clock import VirtualClock
from gatewaykit.core.advice import (
    Burst,
    Denied,
    LeastQuota,
    best,
    curve,
    least_burst,
    least_quota,
    rates,
    replay,
    survey,
)
from gatewaykit.core.quota import Quota
from gatewaykit.core.throttle import Bucket
from gatewaykit.stores.memory import MemoryThrottleStore

MIDNIGHT = 1_767_225_600.0
DAY = 86400.0


@dataclass
class Listed:
    """Events that are listed."""

    events: Sequence[tuple[float, int]]
    keys: int = 3

    def __iter__(self) -> Iterator[tuple[float, int]]:
        return iter(self.events)


def of(*times_s: float, key: int = 0) -> Listed:
    return Listed([(MIDNIGHT + time_s, key) for time_s in times_s])


@st.composite
def logs(draw: st.DrawFn, longest_s: int = 4000) -> Listed:
    """Requests of three keys, on a grid of a tenth of a second, so that tokens come back just in time."""
    gaps = draw(st.lists(st.tuples(st.integers(0, longest_s), st.integers(0, 2)), min_size=1, max_size=60))
    events, at = [], 0
    for gap, key in gaps:
        at += gap if gap > longest_s // 2 else gap % 10
        events.append((MIDNIGHT + at / 10, key))
    return Listed(events)


RATES = st.sampled_from([0.0, 0.01, 0.3, 1 / 3, 1.0, 2.5, 10.0, 1e6])


def test_a_survey_counts_keys_and_finds_the_fullest_second() -> None:
    seen = survey(Listed([(MIDNIGHT, 0), (MIDNIGHT + 0.9, 0), (MIDNIGHT + 0.95, 1), (MIDNIGHT + 1, 0)]))

    assert (seen.requests, list(seen.counts), seen.peak) == (4, [3, 1, 0], 2)
    assert (seen.first_s, seen.last_s) == (MIDNIGHT, MIDNIGHT + 1)


def test_a_replay_says_what_each_limit_denied_to_whom_and_when() -> None:
    events = Listed([(MIDNIGHT + at, key) for at, key in ((0, 0), (0, 0), (0, 1), (1, 0), (10, 0), (20, 1))])

    found = replay(events, (Bucket(1.0, 1), Quota(2, "DAY")), survey(events), slots=2)

    assert found.denied == 2
    assert dict(found.by_limit) == {0: 1, 1: 1}
    assert found.keys == {0: Denied(2, MIDNIGHT, MIDNIGHT + 10)}
    assert found.slots == [[4, 1], [2, 1]]


def test_a_replay_of_one_moment_has_all_in_its_first_slot() -> None:
    assert replay(of(0, 0), (Bucket(1.0, 1),), survey(of(0, 0)), slots=3).slots == [[2, 1], [0, 0], [0, 0]]


def test_a_quota_starts_anew_at_midnight() -> None:
    events = of(0, 1, DAY - 1, DAY, DAY + 1)

    assert replay(events, (Quota(2, "DAY"),), survey(events)).denied == 1


@given(logs(), RATES, st.integers(0, 6), st.integers(0, 6))
def test_a_replay_denies_what_the_store_of_a_gateway_denies(events: Listed, rate: float, burst: int, most: int) -> None:
    clock = VirtualClock("2026-01-01T00:00Z")
    limits = (Bucket(rate, burst), Quota(most, "DAY"))
    take = MemoryThrottleStore(clock).limits("log", limits)
    denied = 0
    for at_s, key in events:
        clock.advance(max(0.0, at_s - clock.wall()))
        denied += take((str(key),) * 2).refused is not None

    assert replay(events, limits, survey(events)).denied == denied


@given(logs(), RATES, st.integers(0, 12))
def test_the_least_burst_denies_no_more_than_it_may_and_one_lower_does(
    events: Listed, rate: float, may_deny: int
) -> None:
    seen = survey(events)

    found = least_burst(events, rate, may_deny, seen)

    assert found.denied == replay(events, (Bucket(rate, found.burst),), seen).denied <= may_deny
    assert found.burst == 1 or replay(events, (Bucket(rate, found.burst - 1),), seen).denied > may_deny
    assert replay(events, (Bucket(rate, found.for_none),), seen).denied == 0


@given(logs(), RATES, st.integers(1, 8))
def test_a_token_more_and_a_faster_rate_deny_no_more_in_all(events: Listed, rate: float, burst: int) -> None:
    seen = survey(events)
    denied = replay(events, (Bucket(rate, burst),), seen).denied

    assert replay(events, (Bucket(rate, burst + 1),), seen).denied <= denied
    assert replay(events, (Bucket(rate * 1.5, burst),), seen).denied <= denied


@given(logs(longest_s=2_000_000), st.sampled_from(["DAY", "WEEK", "MONTH"]), st.integers(0, 12))
def test_the_least_quota_denies_no_more_than_it_may_and_one_lower_does(
    events: Listed, period: str, may_deny: int
) -> None:
    seen = survey(events)

    found = least_quota(events, period, may_deny)

    assert found.denied == replay(events, (Quota(found.limit, period),), seen).denied <= may_deny
    assert found.limit == 1 or replay(events, (Quota(found.limit - 1, period),), seen).denied > may_deny
    assert replay(events, (Quota(found.for_none, period),), seen).denied == 0


@given(logs(), st.integers(0, 12))
def test_what_is_proposed_together_denies_no_more_than_the_parts(events: Listed, may_deny: int) -> None:
    seen = survey(events)
    quota = least_quota(events, "DAY", may_deny // 2)
    bucket = best(curve(events, may_deny - quota.denied, seen))

    limits = (Bucket(bucket.rate, bucket.burst), Quota(quota.limit, "DAY"))
    assert replay(events, limits, seen).denied <= bucket.denied + quota.denied <= may_deny


@pytest.mark.parametrize(
    ("events", "may_deny", "expected"),
    [
        pytest.param(of(0, 0, 0), 0, Burst(1.0, 3, 0, 3), id="all at once"),
        pytest.param(of(0, 0, 0), 1, Burst(1.0, 2, 1, 3), id="all at once but one"),
        pytest.param(of(0, 1, 2, 3), 0, Burst(1.0, 1, 0, 1), id="one each second"),
        pytest.param(of(0, 0.5, 1, 1.5), 0, Burst(1.0, 3, 0, 3), id="twice as fast for a while"),
        pytest.param(of(0, 0, 0), 3, Burst(1.0, 1, 2, 3), id="never less than one"),
    ],
)
def test_the_least_burst(events: Listed, may_deny: int, expected: Burst) -> None:
    assert least_burst(events, 1.0, may_deny, survey(events)) == expected


def test_a_rounded_backlog_is_corrected_by_the_replay() -> None:
    """At a thousandth of a token a backlog and a bucket may round apart; what counts is the bucket."""
    found = []
    for step in range(100):
        events = Listed([(0.0, 0), (0.999 + (50 - step) * 1e-8, 0)])
        seen = survey(events)
        found.append(least_burst(events, 1.0, 0, seen))
        assert replay(events, (Bucket(1.0, found[-1].burst),), seen).denied == 0
    assert {each.burst for each in found} == {1, 2}


@pytest.mark.parametrize(
    ("times_s", "expected"),
    [
        pytest.param([0], [1.0], id="one request"),
        pytest.param(
            [0, 0, 0, 100], [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0], id="from the mean to the fullest second"
        ),
        pytest.param([0, *[1e6] * 9], [], id="a wide range is thinned"),
    ],
)
def test_rates_worth_a_look(times_s: list[float], expected: list[float]) -> None:
    found = rates(survey(of(*times_s)))

    if expected:
        assert found == expected
    assert len(found) <= 8
    assert found == sorted(found)
    assert found[-1] >= survey(of(*times_s)).peak


def test_a_curve_ends_where_a_faster_rate_needs_no_smaller_burst() -> None:
    events = of(*[0] * 50, 1000)

    found = curve(events, 0, survey(events))

    assert [each.burst for each in found] == [50]


def test_the_best_lets_the_fewest_through_in_a_minute() -> None:
    slow, middle, fast = Burst(0.1, 100, 0, 100), Burst(0.5, 20, 0, 20), Burst(10.0, 1, 0, 1)

    assert best([slow, middle, fast]) is middle


def test_a_quota_without_requests_is_one() -> None:
    assert least_quota(of(), "DAY", 0) == LeastQuota("DAY", 1, 0, 1)
