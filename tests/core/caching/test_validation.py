"""Conditions of requests on what is kept, ranges of it, and what a 304 changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.caching.http_date import format_date
from gatewaykit.core.caching.ranges import Span, span_of
from gatewaykit.core.caching.validation import (
    is_unchanged,
    not_modified_headers,
    range_still_holds,
    updated,
    validators,
)  # fmt: skip
from gatewaykit.core.http import HeaderList

NOW_S = 1_795_000_000.0
OLD, NEW = format_date(NOW_S - 1000), format_date(NOW_S)
TAGGED: HeaderList = [(b"etag", b'"a"')]
WEAK: HeaderList = [(b"etag", b'W/"a"')]
DATED: HeaderList = [(b"last-modified", OLD)]


@pytest.mark.parametrize(
    ("asked", "stored", "unchanged"),
    [
        pytest.param([], TAGGED, False, id="no condition"),
        pytest.param([(b"if-none-match", b'"a"')], TAGGED, True, id="the tag"),
        pytest.param([(b"if-none-match", b'"b"')], TAGGED, False, id="another tag"),
        pytest.param([(b"if-none-match", b'"x", "a"')], TAGGED, True, id="one of two"),
        pytest.param([(b"if-none-match", b'"x"'), (b"if-none-match", b'"a"')], TAGGED, True, id="on a second line"),
        pytest.param([(b"if-none-match", b'W/"a"')], TAGGED, True, id="weak against strong"),
        pytest.param([(b"if-none-match", b'"a"')], WEAK, True, id="strong against weak"),
        pytest.param([(b"if-none-match", b"*")], [], True, id="anything"),
        pytest.param([(b"if-none-match", b'"a"')], DATED, False, id="a tag, and there is none"),
        pytest.param([(b"if-none-match", b"a")], [(b"etag", b"a")], True, id="both without quotes"),
        pytest.param([(b"if-none-match", b'"b"'), (b"if-modified-since", NEW)], TAGGED + DATED, False, id="tag first"),
        pytest.param([(b"if-modified-since", OLD)], DATED, True, id="the date"),
        pytest.param([(b"if-modified-since", NEW)], DATED, True, id="a later date"),
        pytest.param([(b"if-modified-since", format_date(NOW_S - 2000))], DATED, False, id="an earlier date"),
        pytest.param([(b"if-modified-since", b"x")], DATED, False, id="no date"),
        pytest.param([(b"if-modified-since", OLD)] * 2, DATED, False, id="two dates"),
        pytest.param([(b"if-modified-since", NEW)], [(b"date", OLD)], True, id="the date it was made"),
        pytest.param([(b"if-modified-since", NEW)], [], False, id="no date is known"),
    ],
)
def test_is_unchanged(asked: HeaderList, stored: HeaderList, unchanged: bool) -> None:
    assert is_unchanged(asked, stored, 200, NOW_S) is unchanged
    assert not is_unchanged(asked, stored, 404, NOW_S)


def test_how_it_is_asked_about() -> None:
    assert validators([*TAGGED, *DATED]) == [(b"if-none-match", b'"a"'), (b"if-modified-since", OLD)]
    assert validators([(b"x", b"y")]) == []


def test_what_a_304_says_and_does_not() -> None:
    kept: HeaderList = [(b"cache-control", b"max-age=5"), (b"content-type", b"text/plain"), (b"content-length", b"5")]

    assert not_modified_headers([*kept, *TAGGED, *DATED]) == [kept[0], *TAGGED]
    assert not_modified_headers([*kept, *DATED]) == [kept[0], *DATED]


def test_what_a_304_changes() -> None:
    stored: HeaderList = [(b"x", b"1"), (b"y", b"1"), (b"content-encoding", b"gzip"), (b"etag", b'"a"')]
    fresh: HeaderList = [(b"X", b"2"), (b"x", b"3"), (b"Content-Encoding", b"br"), (b"Connection", b"z"), (b"Z", b"1")]

    assert updated(stored, fresh) == [(b"y", b"1"), (b"content-encoding", b"gzip"), (b"etag", b'"a"'),
                                      (b"x", b"2"), (b"x", b"3")]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(b"bytes=0-1", Span(0, 2), id="first two"),
        pytest.param(b"bytes=2-", Span(2, 10), id="from the third"),
        pytest.param(b"bytes=-3", Span(7, 10), id="last three"),
        pytest.param(b"bytes=-99", Span(0, 10), id="more than there is, at the end"),
        pytest.param(b"bytes=5-99", Span(5, 10), id="more than there is"),
        pytest.param(b"Bytes= 0-0 ", Span(0, 1), id="casing and space"),
        pytest.param(b"bytes=10-", Span(0, 0), id="behind the end"),
        pytest.param(b"bytes=-0", Span(10, 10), id="the last none"),
        pytest.param(b"bytes=5-4", None, id="backwards"),
        pytest.param(b"bytes=-", None, id="no numbers"),
        pytest.param(b"bytes=0-1,3-4", None, id="two"),
        pytest.param(b"lines=0-1", None, id="another unit"),
        pytest.param(b"bytes=" + b"9" * 40 + b"-", None, id="an endless number"),
    ],
)
def test_one_range(value: bytes, expected: Span | None) -> None:
    assert span_of([value], 10) == expected


def test_two_range_fields_are_none() -> None:
    assert span_of([b"bytes=0-1"] * 2, 10) is None


@given(st.binary(max_size=20), st.integers(0, 100))
def test_any_range_lies_within(value: bytes, length: int) -> None:
    span = span_of([b"bytes=" + value], length)

    assert span is None or 0 <= span.start <= span.end <= length


@pytest.mark.parametrize(
    ("asked", "stored", "holds"),
    [
        pytest.param([], TAGGED, True, id="no condition"),
        pytest.param([(b"if-range", b'"a"')], TAGGED, True, id="the tag"),
        pytest.param([(b"if-range", b'"b"')], TAGGED, False, id="another tag"),
        pytest.param([(b"if-range", b'W/"a"')], WEAK, False, id="a weak tag"),
        pytest.param([(b"if-range", OLD)], DATED, True, id="the date"),
        pytest.param([(b"if-range", NEW)], DATED, False, id="another date"),
        pytest.param([(b"if-range", OLD)], TAGGED, False, id="a date, and there is none"),
        pytest.param([(b"if-range", b"x")], DATED, False, id="no date"),
        pytest.param([(b"if-range", b'"a"')] * 2, TAGGED, False, id="two"),
    ],
)
def test_if_range(asked: HeaderList, stored: HeaderList, holds: bool) -> None:
    assert range_still_holds(asked, stored, NOW_S) is holds
