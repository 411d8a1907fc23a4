"""Durations, rates and instants as people write them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.units import duration_text, parse_count, parse_duration, parse_instant, parse_rate


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("250ms", 0.25), ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1.5 hours", 5400), (" 1 day ", 86400),
        ("2 minutes", 120), ("3mins", 180), ("0s", 0), (0, 0), (1.5, 1.5), (10, 10),
    ],
)  # fmt: skip
def test_a_duration_is(written: Any, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "", "5", "s", "-1s", "5 weeks", "1mss", "1ss", "5s 3m", "1e3s", "\u0663s", "9" * 400 + "s", -1, True, None,
        float("inf"), float("nan"), 10**400, [],
    ],
    ids=lambda written: repr(written)[:12],
)  # fmt: skip
def test_what_is_no_duration_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        ("5/minute", 5 / 60),
        ("100/s", 100),
        ("1 per hour", 1 / 3600),
        ("2/days", 2 / 86400),
        ("100/15 minutes", 100 / 900),
        ("5 per 2s", 2.5),
        (10, 10),
        (0.5, 0.5),
        (0, 0),
    ],
)
def test_a_rate_is(written: Any, rate: float) -> None:
    assert parse_rate(written) == rate


@pytest.mark.parametrize(
    ("written", "count"),
    [("5/minute", (5, 60)), ("100/15 minutes", (100, 900)), ("1.5/s", (1.5, 1)), ("3/250ms", (3, 0.25)), (10, (10, 1))],
)
def test_a_rate_is_a_count_in_a_period(written: Any, count: tuple[float, float]) -> None:
    assert parse_count(written) == count


@pytest.mark.parametrize(
    "written",
    [
        "",
        "5",
        "5/",
        "/s",
        "5/week",
        "-5/s",
        "5/0s",
        "5/1.5s",
        "5/-1s",
        "9" * 400 + "/s",
        -1,
        False,
        None,
        float("inf"),
        10**400,
    ],
    ids=lambda written: repr(written)[:12],
)
def test_what_is_no_rate_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        parse_rate(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1970-01-01T00:00Z", 0),
        ("1970-01-02", 86400),
        ("1970-01-01T01:00+01:00", 0),
        ("1970-01-01T00:00:01.5", 1.5),
    ],
)
def test_an_instant_is(written: str, seconds: float) -> None:
    assert parse_instant(written) == seconds


@pytest.mark.parametrize("written", ["", "today", "2026-13-01", "12:00"])
def test_what_is_no_instant_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month"):
        parse_instant(written)


@given(st.text(max_size=20) | st.floats() | st.integers())
def test_anything_gives_seconds_or_a_value_error(written: Any) -> None:
    for parse in (parse_duration, parse_rate):
        try:
            assert 0 <= parse(written) < 1e16
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0002, "0.0002 s"), (12, "12 s"), (119.4, "119 s"), (300, "5 min"), (5400, "90 min"), (7200, "2 h"),
        (42600, "11 h 50 min"), (86400, "24 h"), (3 * 86400 + 4 * 3600 + 59, "3 days 4 h"), (31 * 86400, "31 days"),
    ],
)  # fmt: skip
def test_a_duration_for_people(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text
