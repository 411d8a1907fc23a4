"""Quotas by calendar."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.quota import PERIODS, Quota, Use, count, look, window
from gatewaykit.units import parse_instant


def text(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%MZ")


@pytest.mark.parametrize(
    ("period", "at", "start", "end"),
    [
        ("DAY", "2026-03-29T01:30Z", "2026-03-29T00:00Z", "2026-03-30T00:00Z"),
        ("DAY", "2026-12-31T23:59:59.999Z", "2026-12-31T00:00Z", "2027-01-01T00:00Z"),
        ("WEEK", "2026-11-22T23:59Z", "2026-11-16T00:00Z", "2026-11-23T00:00Z"),
        ("WEEK", "2026-11-23T00:00Z", "2026-11-23T00:00Z", "2026-11-30T00:00Z"),
        ("MONTH", "2026-01-31T23:59Z", "2026-01-01T00:00Z", "2026-02-01T00:00Z"),
        ("MONTH", "2028-02-29T12:00Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"),
        ("MONTH", "2026-02-28T23:59Z", "2026-02-01T00:00Z", "2026-03-01T00:00Z"),
        ("MONTH", "2026-12-01T00:00Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"),
    ],
    ids=[
        "a day of a clock change", "the last day of a year", "a Sunday", "a Monday", "a long month", "a leap February",
        "a short February", "the first of December",
    ],
)  # fmt: skip
def test_a_window_is_calendar_aligned_in_utc(period: str, at: str, start: str, end: str) -> None:
    assert tuple(map(text, window(period, parse_instant(at)))) == (start, end)


@given(st.sampled_from(PERIODS), st.floats(allow_nan=True, allow_infinity=True))
def test_any_instant_has_a_window(period: str, wall_s: float) -> None:
    start, end = window(period, wall_s)

    assert end - start <= 31 * 86400
    if 4 * 86400 <= wall_s < 250_000_000_000:
        assert start <= wall_s < end


def answers(quota: Quota, times: list[str]) -> list[int | None]:
    first, _ = window(quota.period, parse_instant(times[0]))
    use, found = None, []
    for time in times:
        use, taken = count(use, parse_instant(time), quota, first)
        found.append(taken.remaining if taken.allowed else None)
    return found


@pytest.mark.parametrize(
    ("quota", "times", "expected"),
    [
        (Quota(2, "DAY"), ["2026-01-01T10:00Z"] * 3 + ["2026-01-02T00:00Z"], [1, 0, None, 1]),
        (Quota(3, "DAY", offset=2), ["2026-01-01T10:00Z"] * 2 + ["2026-01-02T00:00Z"], [0, None, 2]),
        (Quota(1, "DAY", offset=5), ["2026-01-01T10:00Z", "2026-01-02T00:00Z"], [None, 0]),
        (Quota(0, "MONTH"), ["2026-01-01T10:00Z"], [None]),
        (Quota(2, "DAY"), ["2026-01-02T00:10Z", "2026-01-01T23:50Z", "2026-01-02T00:10Z"], [1, 0, None]),
    ],
    ids=["a new day", "an offset in the first period", "an offset above the limit", "a limit of 0", "a clock set back"],
)
def test_what_is_left(quota: Quota, times: list[str], expected: list[int | None]) -> None:
    assert answers(quota, times) == expected


def test_an_answer_says_when_the_window_ends() -> None:
    use, taken = count(None, parse_instant("2026-01-31T23:00Z"), Quota(1, "MONTH"), 0.0)

    assert taken == (True, 0, 0.0, 3600.0)
    assert look(use, parse_instant("2026-01-31T23:30Z"), Quota(1, "MONTH"), 0.0) == (False, 0, 1800.0, 1800.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((1, "HOUR"), "one of DAY, WEEK, MONTH, not 'HOUR'"),
        ((-1, "DAY"), "limit is a whole number of requests, 0 or more, not -1"),
        ((True, "DAY"), "not True"),
        ((1, "DAY", 0.5), "offset is a whole number of requests, 0 or more, not 0.5"),
    ],
    ids=["period", "negative limit", "boolean limit", "fractional offset"],
)
def test_a_quota_that_means_nothing_is_refused(options: tuple[object, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Quota(*options)  # type: ignore[arg-type]  # what a user may write by mistake


@given(st.integers(0, 5), st.integers(0, 7), st.lists(st.integers(0, 3 * 86400), max_size=40))
def test_no_window_counts_more_than_the_limit(limit: int, offset: int, pauses_s: list[int]) -> None:
    quota, now, use = Quota(limit, "DAY", offset), 1_767_225_600.0, None
    allowed: dict[float, int] = {}
    for pause_s in pauses_s:
        now += pause_s
        use, taken = count(use, now, quota, -1.0)
        allowed[use.window_s] = allowed.get(use.window_s, 0) + taken.allowed

    assert all(number <= limit for number in allowed.values())
    assert use is None or isinstance(use, Use)
