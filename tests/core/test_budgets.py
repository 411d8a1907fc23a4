"""Buckets whose tokens come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.budgets import Budgets
from gatewaykit.core.throttle import FULL, Bucket, take


def test_a_burst_then_one_for_each_interval() -> None:
    budgets = Budgets(Bucket(2.0, 3))

    assert [budgets.take("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert budgets.take("a", 0.0) == pytest.approx(0.5, abs=0.001)
    assert budgets.wait_s("a", 0.25) == pytest.approx(0.25, abs=0.001)
    assert budgets.take("b", 0.0) == 0.0
    assert budgets.take("a", 0.5) == 0.0
    assert budgets.take("a", 0.5) > 0


def test_who_gives_back_never_runs_out_and_leaves_nothing_behind() -> None:
    budgets = Budgets(Bucket(1.0, 1))

    for _ in range(100):
        assert budgets.take("a", 0.0) == 0.0
        budgets.give_back("a", 0.0)
    assert len(budgets) == 0


def test_looking_takes_nothing() -> None:
    budgets = Budgets(Bucket(1.0, 1))

    assert [budgets.wait_s("a", 0.0) for _ in range(3)] == [0.0, 0.0, 0.0]
    assert len(budgets) == 0


def test_only_who_owes_is_kept_and_those_on_top_share_a_bucket() -> None:
    budgets = Budgets(Bucket(1.0, 1), most=2)

    assert [budgets.take(key, 0.0) for key in "abc"] == [0.0, 0.0, 0.0]
    assert budgets.take("d", 0.0) > 0  # shares with c
    assert budgets.take("a", 0.0) > 0
    budgets.give_back("c", 0.0)
    assert budgets.take("d", 0.0) == 0.0
    assert budgets.take("e", 1.0) == 0.0  # a, b and d owe nothing by now
    assert len(budgets) == 1


def test_a_full_table_is_swept_once_a_second_at_most() -> None:
    budgets = Budgets(Bucket(10.0, 1), most=1)

    assert budgets.take("a", 5.0) == 0.0
    assert budgets.take("b", 5.0) == 0.0  # swept in vain, so it shares
    assert budgets.take("c", 5.05) > 0
    assert budgets.take("c", 5.9) == 0.0  # the shared bucket again, which is full
    assert budgets.take("c", 6.0) == 0.0  # swept


@given(st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=40))
def test_taking_is_the_step_of_the_throttle_and_giving_back_undoes_it(steps: list[tuple[float, bool]]) -> None:
    bucket, now, full_at = Bucket(1.5, 4), 0.0, FULL
    budgets = Budgets(bucket)
    for pause_s, well in steps:
        now += pause_s
        after, expected = take(full_at, now, bucket)

        assert (budgets.take("a", now) == 0.0) == expected.allowed

        if expected.allowed and well:
            budgets.give_back("a", now)
        elif expected.allowed:
            full_at = after
