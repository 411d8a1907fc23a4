"""Our windows against the strategies of `limits`, in its memory and with one clock; and where they differ."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from unittest.mock import patch

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from gatewaykit.clock import VirtualClock
from gatewaykit.core.window import Counted, Window, WindowState, look, take

LENGTH_S = 64
START_S = 1_000_000 * LENGTH_S

LIMITS = st.integers(1, 9)
COSTS = st.integers(1, 3)
PAUSES_S = st.one_of(st.just(0), st.integers(0, 400), st.integers(0, 6400)).map(lambda number: number / 64)


def ours(window: Window, times_s: list[float], cost: int = 1) -> list[bool]:
    state: WindowState = None
    answers = []
    for now in times_s:
        state, taken = take(state, START_S + now, window, cost)
        answers.append(taken.allowed)
    return answers


def theirs(strategy: type, limit: int, times_s: list[float], cost: int = 1) -> list[bool]:
    return list(_hits(strategy, limit, times_s, cost))


def _hits(strategy: type, limit: int, times_s: list[float], cost: int) -> Iterator[bool]:
    clock, item = VirtualClock(START_S), RateLimitItemPerSecond(limit, LENGTH_S)
    with patch("time.time", clock.wall):
        limiter, before = strategy(MemoryStorage()), 0.0
        for now in times_s:
            clock.advance(now - before)
            before = now
            yield limiter.hit(item, "key", cost=cost)


@given(LIMITS, st.lists(PAUSES_S, max_size=60), COSTS)
def test_a_moving_window_admits_what_that_of_limits_does(limit: int, pauses_s: list[float], cost: int) -> None:
    times_s = list(accumulate(pauses_s))
    assume(all(b - a != LENGTH_S for a in times_s for b in times_s))

    assert ours(Window(limit, LENGTH_S, "moving"), times_s, cost) == theirs(
        MovingWindowRateLimiter, limit, times_s, cost
    )


@given(LIMITS, st.lists(PAUSES_S, max_size=60))
def test_a_fixed_window_that_begins_with_the_first_request_admits_what_that_of_limits_does(
    limit: int, pauses_s: list[float]
) -> None:
    times_s = [now for now in accumulate(pauses_s, initial=0.0) if now < LENGTH_S]

    assert ours(Window(limit, LENGTH_S, "fixed"), times_s) == theirs(FixedWindowRateLimiter, limit, times_s)


@given(LIMITS, st.integers(0, 9), st.integers(0, 9), st.integers(0, LENGTH_S * 64 - 1), COSTS)
def test_a_sliding_window_admits_no_more_than_that_of_limits_and_less_only_by_the_part_it_rounds_away(
    limit: int, before: int, used: int, into: int, cost: int
) -> None:
    before, used = min(before, limit), min(used, limit)
    now = START_S + into / 64
    item, clock = RateLimitItemPerSecond(limit, LENGTH_S), VirtualClock(now)
    with patch("time.time", clock.wall):
        storage = MemoryStorage()
        previous, current = storage.sliding_window_keys(item.key_for("key"), LENGTH_S, now)
        for key, count in ((previous, before), (current, used)):
            if count:
                storage.incr(key, 2 * LENGTH_S, count)
        allowed = SlidingWindowCounterRateLimiter(storage).hit(item, "key", cost=cost)
    mine = look(Counted(START_S // LENGTH_S, used, before), now, Window(limit, LENGTH_S, "sliding"), cost).allowed

    weighted = before * (LENGTH_S * 64 - into) / (LENGTH_S * 64)
    assert mine == allowed or (allowed and weighted % 1 > 0 and weighted + used + cost > limit)


@pytest.mark.parametrize(
    ("kind", "strategy", "times_s", "mine", "limits"),
    [
        pytest.param("moving", MovingWindowRateLimiter, [0, 0, 64], [1, 1, 1], [1, 1, 0],
                     id="moving: a request as old as the window is out of it here, in it there"),
        pytest.param("fixed", FixedWindowRateLimiter, [63, 63, 64], [1, 1, 1], [1, 1, 0],
                     id="fixed: windows are the clock's here, begin with the first request there"),
        pytest.param("sliding", SlidingWindowCounterRateLimiter, [63, 63, 64, 65], [1, 1, 0, 0], [1, 1, 0, 1],
                     id="sliding: what weighs 1.97 is 1.97 here, 1 there"),
    ],
)  # fmt: skip
def test_where_they_differ(kind: str, strategy: type, times_s: list[float], mine: list[int], limits: list[int]) -> None:
    assert ours(Window(2, LENGTH_S, kind), times_s) == [bool(each) for each in mine]
    assert theirs(strategy, 2, times_s) == [bool(each) for each in limits]


def test_a_refused_request_uses_up_a_fixed_window_of_limits_and_none_of_ours() -> None:
    clock, item = VirtualClock(START_S), RateLimitItemPerSecond(5, LENGTH_S)
    with patch("time.time", clock.wall):
        limiter = FixedWindowRateLimiter(MemoryStorage())
        there = [limiter.hit(item, "key", cost=cost) for cost in (3, 3, 2)]
    state: WindowState = None
    here = []
    for cost in (3, 3, 2):
        state, taken = take(state, START_S, Window(5, LENGTH_S, "fixed"), cost)
        here.append(taken.allowed)

    assert there == [True, False, False]
    assert here == [True, False, True]
