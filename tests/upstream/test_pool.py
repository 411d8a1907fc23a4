"""The idle pool: last in first out, bounded, and expiring."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.upstream.pool import IdlePool, Lane, PoolLimits


def a_pool(**limits: float) -> IdlePool[str, None]:
    return IdlePool(PoolLimits(**limits))  # type: ignore[arg-type]  # the table mixes counts and seconds


def a_lane(port: int = 80) -> Lane[str, None]:
    return Lane(("http", "example", port), b"")


def test_the_connection_used_last_is_taken_first() -> None:
    pool, lane = a_pool(), a_lane()
    for now, name in enumerate("abc"):
        pool.put(lane, name, now)

    assert [pool.take(lane) for _ in range(4)] == ["c", "b", "a", None]


def test_origins_do_not_share_connections() -> None:
    pool, lane = a_pool(), a_lane()
    pool.put(lane, "a", 0)

    assert pool.take(a_lane(81)) is None


def test_over_the_bound_of_an_origin_its_oldest_goes() -> None:
    pool, lane, other = a_pool(max_idle_per_origin=2), a_lane(), a_lane(81)
    closed = [pool.put(lane, "a", 0), pool.put(other, "x", 1), pool.put(lane, "b", 2), pool.put(lane, "c", 3)]

    assert closed == [[], [], [], ["a"]]
    assert pool.take(other) == "x"


def test_over_the_bound_in_total_the_oldest_of_all_goes() -> None:
    pool, lane, other = a_pool(max_idle=2), a_lane(), a_lane(81)
    closed = [pool.put(other, "x", 0), pool.put(lane, "a", 1), pool.put(lane, "b", 2)]

    assert closed == [[], [], ["x"]]
    assert pool.take(other) is None


def test_connections_idle_for_too_long_expire_and_the_rest_say_when() -> None:
    pool, lane, other = a_pool(idle_s=4), a_lane(), a_lane(81)
    pool.put(lane, "a", 0)
    pool.put(other, "x", 1)
    pool.put(lane, "b", 2)

    assert (pool.expire(3.9), pool.next_expiry()) == ([], 4)
    assert (pool.expire(5), pool.next_expiry()) == (["a", "x"], 6)
    assert (pool.expire(6), pool.next_expiry()) == (["b"], None)


def test_a_connection_used_in_between_starts_anew() -> None:
    pool, lane = a_pool(idle_s=4), a_lane()
    pool.put(lane, "a", 0)
    pool.put(lane, str(pool.take(lane)), 3)

    assert pool.expire(5) == []


def test_a_dropped_connection_is_forgotten_and_may_be_dropped_again() -> None:
    pool, lane = a_pool(), a_lane()
    pool.put(lane, "a", 0)
    pool.drop("a")
    pool.drop("a")

    assert pool.take(lane) is None
    assert pool.next_expiry() is None


def test_without_idle_connections_each_is_closed_at_once() -> None:
    assert a_pool(max_idle_per_origin=0).put(a_lane(), "a", 0) == ["a"]
    assert a_pool(max_idle=0).put(a_lane(), "a", 0) == ["a"]


@pytest.mark.parametrize(
    "limits", [{"max_open": 0}, {"max_idle": -1}, {"max_idle_per_origin": -1}, {"idle_s": -1}, {"idle_s": float("nan")}]
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(limits))):
        PoolLimits(**limits)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from(["put", "take", "drop", "expire"]), st.integers(0, 2), st.integers(0, 9))))
def test_every_connection_is_in_the_pool_or_was_given_out_exactly_once(steps: list[tuple[str, int, int]]) -> None:
    pool, lanes = a_pool(max_idle=4, max_idle_per_origin=2, idle_s=5), [a_lane(port) for port in (80, 81, 82)]
    inside: set[str] = set()
    for now, (step, lane, number) in enumerate(steps):
        name = f"{lane}-{number}"
        if step == "put" and name not in inside:
            inside.add(name)
            inside -= set(pool.put(lanes[lane], name, now))
        elif step == "take" and (taken := pool.take(lanes[lane])) is not None:
            assert taken in inside
            inside.discard(taken)
        elif step == "drop":
            pool.drop(name)
            inside.discard(name)
        elif step == "expire":
            inside -= set(pool.expire(now))

        assert {name for each in lanes for name in each.idle} == inside
        assert len(inside) <= 4
