"""Several limits at once, in the pure step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.limits import Decided, Limit, Row, State, decided, names_of, take_all
from gatewaykit.core.quota import Quota, Use
from gatewaykit.core.throttle import Bucket, Taken
from gatewaykit.core.window import KINDS, Counted, Window

LIMITS = st.one_of(
    st.builds(Bucket, st.sampled_from([0.0, 0.3, 2.0, 1e4]), st.integers(0, 4)),
    st.builds(Quota, st.integers(0, 4), st.sampled_from(["DAY", "WEEK", "MONTH"]), st.integers(0, 2)),
    st.builds(Window, st.integers(0, 4), st.sampled_from([1.0, 3600.0]), st.sampled_from(KINDS)),
)


@given(st.lists(LIMITS, max_size=4), st.lists(st.floats(0, 1e5), max_size=30))
def test_a_refusal_changes_nothing_and_an_answer_takes_one_of_each(limits: list[Limit], pauses: list[float]) -> None:
    states: tuple[State, ...] = (None,) * len(limits)
    now = 0.0
    for pause_s in pauses:
        now += pause_s
        before = states
        states, answer = take_all([Row(limit, state) for limit, state in zip(limits, states)], now, now)

        alone = [take_all([Row(limit, state)], now, now) for limit, state in zip(limits, before)]
        refusals = [place for place, (_, one) in enumerate(alone) if one.refused is not None]
        assert answer.refused == (refusals[0] if refusals else None)
        if refusals:
            assert states == before
        else:
            assert states == tuple(after for (after,), _ in alone)
            assert answer.taken == tuple(one.taken[0] for _, one in alone)


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), max_size=4), st.lists(st.floats(0, 2), max_size=60))
def test_no_limit_gives_more_than_its_burst_and_what_flowed_in(
    settings: list[tuple[float, float]], pauses: list[float]
) -> None:
    limits = [Bucket(rate, int(burst)) for rate, burst in settings]
    states: tuple[State, ...] = (None,) * len(limits)
    now, allowed = 0.0, 0
    for pause_s in pauses:
        now += pause_s
        states, answer = take_all([Row(limit, state) for limit, state in zip(limits, states)], now, 0.0)
        allowed += answer.refused is None

    for limit in limits:
        assert allowed <= limit.burst + limit.rate * now + 0.01


def test_what_a_refusal_says_of_every_limit() -> None:
    rows = [Row(Bucket(1.0, 3), 12.0), None, Row(Quota(5, "DAY"), Use(0.0, 2)), Row(Bucket(1.0, 1), 11.0)]
    states, answer = take_all(rows, 10.0, 0.0)

    assert answer.refused == 3
    assert answer.taken == (
        Taken(True, 1, 0.0, 2.0), None, Taken(True, 3, 0.0, 86400.0), Taken(False, 0, 1.0, 1.0),
    )  # fmt: skip
    assert states == (12.0, None, Use(0.0, 2), 11.0)


def test_what_a_refusal_says_of_windows() -> None:
    windows = [Window(3, 60.0, kind) for kind in KINDS]
    states = (Counted(0, 1), (0,), Counted(0, 1))
    after, answer = take_all([*map(Row, windows, states), Row(Bucket(1.0, 0))], 0.0, 0.0)

    assert answer.refused == 3
    assert [taken and taken[:2] for taken in answer.taken] == [(True, 2)] * 3 + [(False, 0)]
    assert after == (*states, None)


def test_no_limits_allow() -> None:
    assert decided([], []) == Decided(None, tuple, [])


@pytest.mark.parametrize("state", [Use(0.0, 9), None], ids=["another kind of state", "none"])
def test_a_bucket_takes_what_is_no_instant_for_a_full_one(state: State) -> None:
    assert take_all([Row(Bucket(1.0, 2), state)], 5.0, 5.0)[1].taken[0] == Taken(True, 1, 0.0, 1.0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", [Use(0.0, 9), 7.0], ids=["a quota's", "a bucket's"])
def test_a_window_takes_what_another_limit_keeps_for_nothing(kind: str, state: State) -> None:
    assert take_all([Row(Window(2, 60.0, kind), state)], 5.0, 5.0)[1].refused is None


def test_a_quota_takes_what_is_no_use_for_none() -> None:
    assert take_all([Row(Quota(2, "DAY"), 7.0)], 5.0, 5.0)[1].refused is None


def test_each_limit_has_a_name() -> None:
    assert names_of("one", [Bucket(1.0, 1)] * 2) == ["one", "one"]
    with pytest.raises(ValueError, match="1 names for 2 limits"):
        names_of(["a"], [Bucket(1.0, 1)] * 2)
