"""The token bucket."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.throttle import FULL, Bucket, Taken, interval_s, look, take

FIVE_A_MINUTE = Bucket(5 / 60, 5)


def run(bucket: Bucket, times_s: list[float]) -> list[Taken]:
    full_at, answers = FULL, []
    for now in times_s:
        full_at, taken = take(full_at, now, bucket)
        answers.append(taken)
    return answers


@pytest.mark.parametrize(
    ("bucket", "times_s", "expected"),
    [
        pytest.param(FIVE_A_MINUTE, [0, 0, 0, 0, 0, 0], [4, 3, 2, 1, 0, None], id="a burst, then nothing"),
        pytest.param(FIVE_A_MINUTE, [0] * 5 + [11.9, 12, 12], [4, 3, 2, 1, 0, None, 0, None], id="a token comes back"),
        pytest.param(FIVE_A_MINUTE, [0] * 5 + [3600], [4, 3, 2, 1, 0, 4], id="never more than the burst is saved up"),
        pytest.param(Bucket(0.5, 1), [0, 1, 2, 3, 4], [0, None, 0, None, 0], id="a fractional rate"),
        pytest.param(Bucket(10, 20), [0] * 21, [*range(19, -1, -1), None], id="a burst above the rate (row 124)"),
        pytest.param(Bucket(100, 2), [0, 0, 0, 0.01], [1, 0, None, 0], id="a burst below the rate caps it"),
        pytest.param(Bucket(0, 2), [0, 0, 0, 1e9], [1, 0, None, None], id="at rate 0 the burst is all there is"),
        pytest.param(Bucket(1e-300, 1), [0, 0, 1e9], [0, None, None], id="a rate too small to matter is rate 0"),
        pytest.param(Bucket(5, 0), [0, 10], [None, None], id="a burst of 0 allows nothing"),
        pytest.param(Bucket(1e300, 3), [5, 5, 5, 5, 5], [2, 2, 2, 2, 2], id="an enormous rate never runs out"),
        pytest.param(Bucket(10, 3), [1e9, 1e9, 1e9, 1e9], [2, 1, 0, None], id="rounding never costs the last token"),
        pytest.param(Bucket(1, 2), [-50, -50, -50, -49], [1, 0, None, 0], id="a clock below zero"),
    ],
)  # fmt: skip
def test_what_is_left(bucket: Bucket, times_s: list[float], expected: list[int | None]) -> None:
    answers = run(bucket, times_s)

    assert [answer.remaining if answer.allowed else None for answer in answers] == expected


def test_a_refusal_says_when_the_next_token_comes_and_when_all_are_there() -> None:
    *_, last, refused = run(FIVE_A_MINUTE, [0] * 6)

    assert last == (True, 0, 0.0, pytest.approx(60))
    assert refused == (False, 0, pytest.approx(12), pytest.approx(60))


@pytest.mark.parametrize("bucket", [Bucket(1, 0), Bucket(0, 1)], ids=["no burst", "no rate"])
def test_tokens_that_never_come_take_for_ever(bucket: Bucket) -> None:
    assert run(bucket, [0, 0])[-1] == (False, 0, inf, inf)


def test_a_refused_request_costs_nothing() -> None:
    full_at, _ = take(FULL, 0, Bucket(1, 1))

    assert take(full_at, 0.5, Bucket(1, 1))[0] == full_at


def test_looking_says_what_taking_would() -> None:
    assert look(FULL, 0, FIVE_A_MINUTE) == take(FULL, 0, FIVE_A_MINUTE)[1]


@pytest.mark.parametrize(
    ("rate", "burst"),
    [(-1, 1), (float("nan"), 1), (inf, 1), (1, -1), (1, 1.5), (1, True)],
    ids=["negative rate", "nan", "infinite rate", "negative burst", "fractional burst", "boolean burst"],
)
def test_a_bucket_that_means_nothing_is_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match=r"a (rate|burst) is"):
        Bucket(rate, burst)


@given(
    st.floats(0.01, 1e4), st.integers(1, 100),
    st.lists(st.one_of(st.just(0.0), st.floats(0, 5)), min_size=1, max_size=100),
)  # fmt: skip
def test_no_window_lets_more_through_than_burst_and_rate_allow(rate: float, burst: int, pauses_s: list[float]) -> None:
    bucket, now, times_s = Bucket(rate, burst), 0.0, []
    for pause_s in pauses_s:
        now += pause_s
        times_s.append(now)
    allowed = [now for now, taken in zip(times_s, run(bucket, times_s)) if taken.allowed]

    for first, start in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= burst + (allowed[last] - start) / interval_s(bucket) + 0.01
