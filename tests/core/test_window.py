"""Windows: fixed, moving and sliding."""

from __future__ import annotations

from itertools import accumulate
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.throttle import Taken
from gatewaykit.core.window import KINDS, Counted, Window, WindowState, look, take

MINUTE = 1_000_000_020.0  # seconds since 1970 at which a minute begins


def run(window: Window, times_s: list[float], cost: int = 1) -> list[Taken]:
    state: WindowState = None
    answers = []
    for now in times_s:
        state, taken = take(state, MINUTE + now, window, cost)
        answers.append(taken)
    return answers


@pytest.mark.parametrize(
    ("kind", "times_s", "expected"),
    [
        pytest.param("fixed", [0, 0, 0, 0], [2, 1, 0, None], id="fixed: three, then nothing"),
        pytest.param("fixed", [59.9] * 4 + [60] * 4, [2, 1, 0, None] * 2, id="fixed: double over an edge"),
        pytest.param("fixed", [0, 0, 0, 3600], [2, 1, 0, 2], id="fixed: long after"),
        pytest.param("fixed", [60, 60, 60, 0, 59, 61], [2, 1, 0, None, None, None], id="fixed: a clock set back"),
        pytest.param("moving", [0, 0, 0, 0], [2, 1, 0, None], id="moving: three, then nothing"),
        pytest.param("moving", [50, 59.9, 59.9, 60, 109.999, 110, 110], [2, 1, 0, None, None, 0, None],
                     id="moving: one comes back a window after it went"),
        pytest.param("moving", [0, 0, 0, 3600], [2, 1, 0, 2], id="moving: long after"),
        pytest.param("moving", [60, 60, 60, 0, 119, 120], [2, 1, 0, None, None, 2], id="moving: a clock set back"),
        pytest.param("moving", [60, 0, 60, 119, 120], [2, 1, 0, None, 2], id="moving: counted where it had been"),
        pytest.param("sliding", [0, 0, 0, 0], [2, 1, 0, None], id="sliding: three, then nothing"),
        pytest.param("sliding", [59.9] * 3 + [60, 79, 80, 80, 100, 119.9], [2, 1, 0, None, None, 0, None, 0, None],
                     id="sliding: what was before loses weight"),
        pytest.param("sliding", [0, 0, 0, 180], [2, 1, 0, 2], id="sliding: long after"),
        pytest.param("sliding", [0, 0, 60, 60, 60, 0], [2, 1, 0, None, None, None], id="sliding: a clock set back"),
    ],
)  # fmt: skip
def test_what_is_left(kind: str, times_s: list[float], expected: list[int | None]) -> None:
    answers = run(Window(3, 60, kind), times_s)

    assert [answer.remaining if answer.allowed else None for answer in answers] == expected


@pytest.mark.parametrize(
    ("kind", "times_s", "expected"),
    [
        pytest.param("fixed", [15, 20], Taken(False, 0, 40.0, 40.0), id="fixed: at the edge"),
        pytest.param("fixed", [15, -30], Taken(False, 0, 90.0, 90.0), id="fixed: the edge, by a clock set back"),
        pytest.param("moving", [15, 20], Taken(False, 0, 55.0, 55.0), id="moving: when the oldest has gone"),
        pytest.param("sliding", [15, 20], Taken(False, 0, 100.0, 100.0), id="sliding: in the next window"),
        pytest.param("sliding", [15, 80], Taken(False, 0, 40.0, 40.0), id="sliding: in this window"),
    ],
)
def test_a_refusal_says_when_to_come_again(kind: str, times_s: list[float], expected: Taken) -> None:
    assert run(Window(1, 60, kind), times_s)[-1] == expected


@pytest.mark.parametrize(
    ("kind", "resets"),
    [
        pytest.param("fixed", [60.0, 50.0, 55.0], id="fixed"),
        pytest.param("moving", [60.0, 60.0, 60.0], id="moving"),
        pytest.param("sliding", [120.0, 110.0, 115.0], id="sliding"),
    ],
)
def test_when_all_are_there_again(kind: str, resets: list[float]) -> None:
    assert [taken.reset_s for taken in run(Window(9, 60, kind), [0, 10, 65])] == resets


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        (0, [Taken(True, 5, 0.0, 0.0)] * 2),
        (3, [Taken(True, 2, 0.0, 60.0), Taken(False, 0, 60.0, 60.0)]),
        (5, [Taken(True, 0, 0.0, 60.0), Taken(False, 0, 60.0, 60.0)]),
        (6, [Taken(False, 0, inf, 0.0)] * 2),
    ],
    ids=["nothing", "some", "all", "more than there ever is"],
)
def test_costs(kind: str, cost: int, expected: list[Taken]) -> None:
    answers = run(Window(5, 60, kind), [0, 0], cost)

    assert [answer[:2] for answer in answers] == [answer[:2] for answer in expected]
    assert [answer.retry_after_s == inf for answer in answers] == [answer.retry_after_s == inf for answer in expected]


def test_nothing_asked_of_a_window_in_use_says_when_it_is_all_there() -> None:
    for kind, reset_s in (("fixed", 50.0), ("moving", 50.0), ("sliding", 110.0)):
        state, _ = take(None, MINUTE, Window(5, 60, kind))
        assert look(state, MINUTE + 10, Window(5, 60, kind), 0) == Taken(True, 4, 0.0, reset_s)


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit_of_0_refuses_for_ever(kind: str) -> None:
    assert run(Window(0, 60, kind), [0])[0][:3] == (False, 0, inf)


@pytest.mark.parametrize("kind", KINDS)
def test_looking_says_what_taking_would(kind: str) -> None:
    window = Window(1, 60, kind)
    state, taken = take(None, MINUTE, window)

    assert look(None, MINUTE, window) == taken
    assert look(state, MINUTE + 1, window) == take(state, MINUTE + 1, window)[1]


@pytest.mark.parametrize(
    ("kind", "state"), [("moving", Counted(5, 5)), ("fixed", (1, 2)), ("sliding", (1, 2))], ids=KINDS
)
def test_what_another_kind_of_window_keeps_is_nothing(kind: str, state: WindowState) -> None:
    assert look(state, MINUTE, Window(1, 60, kind)).allowed


@pytest.mark.parametrize(
    ("limit", "window_s", "kind"),
    [
        (1, 60, "token_bucket"), (-1, 60, "fixed"), (1.5, 60, "fixed"), (True, 60, "fixed"), (1, 0, "fixed"),
        (1, 0.0015, "fixed"), (1, 1e9, "fixed"), (1, float("nan"), "fixed"),
    ],
    ids=["kind", "negative", "fraction", "boolean", "no time", "half a millisecond", "too long", "nan"],
)  # fmt: skip
def test_a_window_that_means_nothing_is_refused(limit: int, window_s: float, kind: str) -> None:
    with pytest.raises(ValueError, match="window"):
        Window(limit, window_s, kind)


PAUSES = st.lists(st.one_of(st.just(0), st.integers(0, 300), st.integers(0, 4000)), min_size=1, max_size=150)
LIMITS = st.integers(1, 12)


def admitted(window: Window, pauses_ms: list[int]) -> list[int]:
    """The milliseconds at which requests were let through."""
    state: WindowState = None
    times = []
    for now in accumulate(pauses_ms):
        state, taken = take(state, now / 1000, window)
        if taken.allowed:
            times.append(now)
    return times


@given(LIMITS, PAUSES)
def test_a_moving_window_never_has_more_than_its_limit_and_refuses_only_when_it_is_full(
    limit: int, pauses_ms: list[int]
) -> None:
    allowed = admitted(Window(limit, 1, "moving"), pauses_ms)

    for now in accumulate(pauses_ms):
        inside = sum(now - 1000 < each <= now for each in allowed)
        assert inside <= limit
        assert inside == limit or now in allowed


@given(LIMITS, PAUSES)
def test_a_fixed_window_never_has_more_than_its_limit_nor_two_of_them_more_than_double(
    limit: int, pauses_ms: list[int]
) -> None:
    allowed = admitted(Window(limit, 1, "fixed"), pauses_ms)

    for now in allowed:
        assert sum(each // 1000 == now // 1000 for each in allowed) <= limit
        assert sum(now - 1000 < each <= now for each in allowed) <= 2 * limit


@given(LIMITS, PAUSES)
def test_a_sliding_window_admits_in_any_span_what_a_bucket_that_fills_in_one_window_would(
    limit: int, pauses_ms: list[int]
) -> None:
    allowed = admitted(Window(limit, 1, "sliding"), pauses_ms)

    for first, start in enumerate(allowed):
        assert sum(each // 1000 == start // 1000 for each in allowed) <= limit
        for last in range(first, len(allowed)):
            assert last - first + 1 <= limit * (1 + (allowed[last] - start) / 1000) + 0.001


@given(LIMITS, PAUSES)
def test_how_far_a_sliding_window_is_from_the_exact_log(limit: int, pauses_ms: list[int]) -> None:
    state: WindowState = None
    allowed: list[int] = []
    for now in accumulate(pauses_ms):
        state, taken = take(state, now / 1000, Window(limit, 1, "sliding"))
        assert isinstance(state, Counted)
        into = now % 1000 / 1000
        exact = sum(now - 1000 < each <= now for each in allowed)
        estimate = state.before * (1 - into) + state.used - taken.allowed
        assert abs(estimate - exact) <= state.before * max(into, 1 - into) + 1e-9
        assert estimate + 1 <= limit + 0.0011 if taken.allowed else estimate + 1 > limit
        if taken.allowed:
            allowed.append(now)


@given(st.sampled_from(KINDS), LIMITS, PAUSES, st.integers(1, 4))
def test_a_refusal_is_over_when_it_says_and_costs_nothing(
    kind: str, limit: int, pauses_ms: list[int], cost: int
) -> None:
    window, state = Window(limit, 1, kind), None
    for now in accumulate(pauses_ms):
        before, (state, taken) = state, take(state, now / 1000, window, cost)
        if not taken.allowed and cost <= limit:
            assert look(state, now / 1000 + taken.retry_after_s + 1e-6, window, cost).allowed
            assert not look(state, now / 1000 + taken.retry_after_s - 0.002, window, cost).allowed
            assert look(state, now / 1000, window, 0) == look(before, now / 1000, window, 0)


@given(st.sampled_from(KINDS), LIMITS, PAUSES, st.lists(st.integers(0, 3000), min_size=1, max_size=20))
def test_a_clock_that_is_set_back_never_gives_more(
    kind: str, limit: int, pauses_ms: list[int], back_ms: list[int]
) -> None:
    window, state, now = Window(limit, 1, kind), None, 0
    for now in accumulate(pauses_ms):
        state, _ = take(state, now / 1000, window)
    left = look(state, now / 1000, window, 0).remaining

    for each in back_ms:
        state, taken = take(state, (now - each) / 1000, window)
        left -= taken.allowed

    assert left >= 0
