"""Dates in header fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.caching.http_date import format_date, parse_date

NOW_S = 1_795_000_000.0  # in November 2026


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 GMT", 784111777, id="as sent today"),
        pytest.param(b"Sunday, 06-Nov-94 08:49:37 GMT", 784111777, id="RFC 850"),
        pytest.param(b"Sun Nov  6 08:49:37 1994", 784111777, id="asctime"),
        pytest.param(b"SUN, 06 NOV 1994 08:49:37 gmt", 784111777, id="any casing"),
        pytest.param(b" Sun, 06 Nov 1994 08:49:37 GMT\t", 784111777, id="space around it"),
        pytest.param(b"Thursday, 18-Aug-50 02:01:18 GMT", 2544400878, id="two digits, in 24 years"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:60 GMT", 784111800, id="a leap second"),
        pytest.param(b"0", None, id="zero"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(b"Sun, 06 Nov 1994 08:49:37 UTC", None, id="another zone"),
        pytest.param(b"Sun, 06 Nov 94 08:49:37 GMT", None, id="two digits in the new format"),
        pytest.param(b"Sun 06 Nov 1994 08:49:37 GMT", None, id="no comma"),
        pytest.param(b"Sun, 06  Nov 1994 08:49:37 GMT", None, id="two spaces"),
        pytest.param(b"Sun, 6 Nov 1994 08:49:37 GMT", None, id="one digit"),
        pytest.param(b"Sun, 06 Foo 1994 08:49:37 GMT", None, id="no such month"),
        pytest.param(b"Sun, 31 Feb 1994 08:49:37 GMT", None, id="no such day"),
        pytest.param(b"Sun, 06 Nov 1994 24:49:37 GMT", None, id="no such hour"),
        pytest.param(b"Sun, 06 Nov 0000 08:49:37 GMT", None, id="no such year"),
    ],
)
def test_dates(text: bytes, expected: float | None) -> None:
    assert parse_date(text, NOW_S) == expected


def test_a_year_of_two_digits_is_at_most_fifty_years_ahead() -> None:
    assert parse_date(b"Sunday, 06-Nov-77 08:49:37 GMT", NOW_S) == parse_date(b"Sun, 06 Nov 1977 08:49:37 GMT", NOW_S)


@given(st.integers(0, 32_503_679_999))
def test_a_date_that_is_written_is_read_again(seconds: int) -> None:
    assert parse_date(format_date(seconds), NOW_S) == seconds


@given(st.binary(max_size=40))
def test_any_bytes_are_a_date_or_none(text: bytes) -> None:
    assert parse_date(text, NOW_S) is None or isinstance(parse_date(text, NOW_S), float)
