"""How old a response is, and for how long it is fresh."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.caching.directives import MOST_S
from gatewaykit.core.caching.freshness import Lifetimes, initial_age_s, lifetime_s, response_directives
from gatewaykit.core.caching.http_date import format_date
from gatewaykit.core.http import HeaderList

NOW_S = 1_795_000_000.0


def fields(**named: str | float) -> HeaderList:
    """Header fields; numbers are dates, so many seconds from now."""
    return [
        (name.replace("_", "-").encode(), value.encode() if isinstance(value, str) else format_date(NOW_S + value))
        for name, value in named.items()
    ]


def life(headers: HeaderList, status: int = 200, bounds: Lifetimes | None = None) -> tuple[float, bool]:
    directives, targeted = response_directives(headers)
    return lifetime_s(status, headers, directives, NOW_S, bounds or Lifetimes(), targeted=targeted)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(fields(), (0, False), id="nothing said"),
        pytest.param(fields(cache_control="max-age=60"), (60, True), id="max-age"),
        pytest.param(fields(cache_control="max-age=60, s-maxage=10"), (10, True), id="s-maxage, shorter"),
        pytest.param(fields(cache_control="s-maxage=100, max-age=0"), (100, True), id="s-maxage, longer"),
        pytest.param(fields(cdn_cache_control="max-age=7", cache_control="s-maxage=100"), (7, True), id="for a CDN"),
        pytest.param(fields(cdn_cache_control="no-cache", expires=50.0), (0, False), id="for a CDN, against Expires"),
        pytest.param(fields(cache_control="max-age=60", expires=-50.0), (60, True), id="max-age before Expires"),
        pytest.param(fields(expires=50.0, date=0.0), (50, True), id="Expires"),
        pytest.param(fields(expires=50.0, date=100.0), (0, True), id="Expires before Date"),
        pytest.param(fields(expires=50.0), (50, True), id="Expires without Date"),
        pytest.param(fields(expires=50.0, date="x"), (50, True), id="Expires and a Date that is none"),
        pytest.param(fields(expires="0"), (0, True), id="Expires that is no date"),
        pytest.param([*fields(expires=50.0), *fields(expires=60.0)], (0, True), id="two Expires"),
        pytest.param(fields(last_modified=-1000.0, date=0.0), (100, False), id="a tenth of its age"),
        pytest.param(fields(last_modified=-1000.0), (100, False), id="a tenth, without Date"),
        pytest.param(fields(last_modified=-1e8), (86400, False), id="a day at most"),
        pytest.param(fields(last_modified=1000.0), (0, False), id="modified in the future"),
        pytest.param(fields(last_modified="x"), (0, False), id="modified at no date"),
        pytest.param(fields(last_modified=-1000.0, cache_control="no-cache"), (0, False), id="no-cache is no guess"),
    ],
)
def test_lifetime(headers: HeaderList, expected: tuple[float, bool]) -> None:
    assert life(headers) == expected


@pytest.mark.parametrize(
    ("status", "control", "expected"),
    [
        (404, "", 100.0), (410, "", 100.0), (501, "", 100.0), (204, "", 100.0),
        (201, "", 0.0), (403, "", 0.0), (503, "", 0.0), (599, "", 0.0), (599, "public", 100.0),
    ],
)  # fmt: skip
def test_only_some_statuses_are_guessed(status: int, control: str, expected: float) -> None:
    assert life(fields(last_modified=-1000.0, cache_control=control), status)[0] == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param(fields(cache_control="max-age=1"), 10.0, id="at least"),
        pytest.param(fields(cache_control="max-age=1000"), 100.0, id="at most"),
        pytest.param(fields(), 30.0, id="where nothing is said"),
        pytest.param(fields(last_modified=-1000.0), 30.0, id="instead of a guess"),
    ],
)
def test_bounds(headers: HeaderList, expected: float) -> None:
    assert life(headers, bounds=Lifetimes(min_s=10, max_s=100, default_s=30))[0] == expected


@pytest.mark.parametrize(
    ("headers", "delay_s", "expected"),
    [
        pytest.param(fields(), 0.0, 0.0, id="new"),
        pytest.param(fields(), 3.0, 3.0, id="it was long under way"),
        pytest.param(fields(age="30"), 3.0, 33.0, id="from a cache"),
        pytest.param(fields(date=-50.0), 0.0, 50.0, id="an old Date"),
        pytest.param(fields(date=50.0), 0.0, 0.0, id="a Date in the future"),
        pytest.param(fields(date=-50.0, age="80"), 0.0, 80.0, id="the older of both"),
        pytest.param(fields(age="x"), 0.0, 0.0, id="no number"),
        pytest.param(fields(age="-5"), 0.0, 0.0, id="negative"),
        pytest.param(fields(age="7.0"), 0.0, 0.0, id="decimal"),
        pytest.param(fields(age="7, 900"), 0.0, 7.0, id="the first of a list"),
        pytest.param([*fields(age="7"), *fields(age="900")], 0.0, 7.0, id="the first line"),
        pytest.param(fields(age="9" * 40), 0.0, float(MOST_S), id="an endless number"),
        pytest.param(fields(age="99999999999"), 0.0, float(MOST_S), id="a large number"),
    ],
)
def test_age_on_arrival(headers: HeaderList, delay_s: float, expected: float) -> None:
    assert initial_age_s(headers, NOW_S - delay_s, NOW_S) == expected


@given(st.lists(st.tuples(st.sampled_from([b"age", b"date", b"expires", b"last-modified", b"cache-control"]),
                          st.binary(max_size=30)), max_size=6))  # fmt: skip
def test_whatever_stands_there_age_and_lifetime_are_bounded(headers: HeaderList) -> None:
    assert 0 <= initial_age_s(headers, NOW_S, NOW_S) <= 1e12
    assert 0 <= life(headers)[0] <= MOST_S
