"""What keys used, by day."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.quota import PERIODS, Quota, window
from gatewaykit.core.usage import DAY_S, READABLE_DAYS, Day, Span, daily, page, read_span, usage_of
from gatewaykit.units import parse_instant

NOW = parse_instant("2026-03-01T13:30Z")


def at(text: str) -> float:
    return parse_instant(text + "T00:00Z")


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2026-02-26", "2026-03-01", "2026-02-26", "2026-03-01"),
        ("2026-03-01", "2026-12-31", "2026-03-01", "2026-03-01"),
        ("2025-11-30", "2025-11-30", "2025-11-30", "2025-11-30"),
        (date(2026, 2, 28), date(2026, 3, 1), "2026-02-28", "2026-03-01"),
    ],
    ids=["days of two months", "days that have not come", "the oldest", "dates"],
)
def test_a_span_has_the_days_that_were(start: object, end: object, first: str, last: str) -> None:
    assert read_span(start, end, NOW) == Span(str(start), str(end), at(first), at(last))


@pytest.mark.parametrize(
    ("start", "end", "problem"),
    [
        ("2026-02-30", "2026-03-01", "the start date '2026-02-30' is no date such as 2026-01-31"),
        ("20260301", "2026-03-01", "the start date '20260301' is no date"),
        ("2026-03-01", "2026-W09-7", "the end date '2026-W09-7' is no date"),
        ("2026-03-01", None, "the end date None is no date"),
        (datetime(2026, 3, 1), "2026-03-01", "the start date datetime.datetime(2026, 3, 1, 0, 0) is no date"),
        ("\uff12026-03-01", "2026-03-01", "is no date"),
        ("0001-01-01", "2026-03-01", "the start date 0001-01-01 is too long ago"),
        ("2026-03-01", "2026-02-28", "the start date 2026-03-01 is after the end date 2026-02-28"),
        ("2026-03-02", "2026-03-03", "the start date 2026-03-02 has not come yet; today is 2026-03-01 in UTC"),
        ("2025-11-29", "2026-03-01", "is too long ago: usage is kept from 2025-11-30, 92 days"),
    ],
)
def test_what_is_no_span_says_why(start: object, end: object, problem: str) -> None:
    found = read_span(start, end, NOW)

    assert isinstance(found, str)
    assert problem in found


@given(st.text(max_size=12) | st.dates().map(str) | st.none(), st.text(max_size=12) | st.dates().map(str), st.floats())
def test_any_dates_give_a_span_or_a_problem(start: object, end: object, now_s: float) -> None:
    found = read_span(start, end, now_s)

    if isinstance(found, Span):
        assert found.first_s <= found.last_s
        assert found.last_s - found.first_s < READABLE_DAYS * DAY_S


STARTS = ("2024-02-25", "2026-02-25", "2026-12-28", "2027-12-30", "2100-02-26")


@given(
    st.sampled_from(PERIODS), st.sampled_from(STARTS), st.integers(0, 40), st.integers(0, 40),
    st.lists(st.tuples(st.integers(0, 9), st.none() | st.integers(0, 12)), min_size=80, max_size=80),
    st.integers(0, 30), st.integers(0, 5),
)  # fmt: skip
def test_days_say_what_a_plain_count_says(
    period: str, start: str, first: int, length: int, history: list[tuple[int, int | None]], limit: int, offset: int
) -> None:
    """Each day takes requests, and maybe ends with an extension. Over leap days, Mondays and the turns of months."""
    quota, began = Quota(limit, period, offset), at(start)
    days: dict[float, Day] = {}
    expected, charged, running = [], 0, window(period, began)[0]
    for number, (requests, extended) in enumerate(history):
        day = (datetime.fromtimestamp(began, timezone.utc) + timedelta(days=number)).timestamp()
        if window(period, day)[0] != running:
            charged, running = 0, window(period, day)[0]
        allowed = limit if running != window(period, began)[0] else max(0, limit - offset)
        used = min(requests, max(0, allowed - charged))
        charged += used
        granted = 0
        if extended is not None:
            granted, charged = charged - (allowed - extended), allowed - extended
        if used or granted:
            days[day] = Day(charged, granted)
        expected.append((used, max(0, allowed - charged)))

    found = daily(
        days, quota, window(period, began)[0], began + first * DAY_S + 3600, began + (first + length - 1) * DAY_S
    )

    assert found == expected[first : first + length]


def test_a_page_says_where_the_next_begins() -> None:
    keys = ("a", "b", "c", "d", "e")

    assert page(keys, None, None) == (keys, None)
    assert page(keys, 2, None) == (("a", "b"), "b")
    assert page(keys, 2, "b") == (("c", "d"), "d")
    assert page(keys, 2, "d") == (("e",), None)
    assert page(keys, 5, None) == (keys, None)
    assert page(keys, None, "e") == ((), None)
    assert page(keys, 2, "x") == "the position 'x' is none that was given"
    for limit in (0, 501, True, "5"):
        assert page(keys, limit, None) == f"the limit {limit!r} is no number from 1 to 500"  # type: ignore[arg-type]


def test_the_answer_has_the_shape_of_get_usage() -> None:
    span = Span("2026-02-28", "2026-03-01", 0.0, 0.0)
    items = {"k1": [(0, 100), (10, 90)]}

    assert usage_of("p1", span, items) == {
        "usagePlanId": "p1", "startDate": "2026-02-28", "endDate": "2026-03-01",
        "items": {"k1": [[0, 100], [10, 90]]},
    }  # fmt: skip
    assert usage_of("p1", span, {}, "k1")["position"] == "k1"
