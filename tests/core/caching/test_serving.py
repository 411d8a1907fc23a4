"""Answers from what is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gatewaykit.core.caching.entry import Entry
from gatewaykit.core.caching.serving import Terms, fitted, fresh_for_s, is_acceptable, served
from gatewaykit.core.http import HeaderList, Response

NOW_S = 1_795_000_000.0
ENTRY = Entry(200, [(b"etag", b'"a"'), (b"x", b"1")], b"0123456789", NOW_S, fresh_s=60.0, age_s=5.0)


def answer(asked: HeaderList, method: str = "GET", entry: Entry = ENTRY) -> Response:
    return served(entry, method, asked, NOW_S + 10, conditional=True)


def test_the_whole_says_how_old_it_is() -> None:
    response = served(ENTRY, "GET", [], NOW_S + 10, conditional=False)

    assert (response.status, response.body) == (200, b"0123456789")
    assert response.headers == [(b"etag", b'"a"'), (b"x", b"1"), (b"age", b"15")]
    assert ENTRY.headers == [(b"etag", b'"a"'), (b"x", b"1")]


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        pytest.param([], 200, b"0123456789", id="no condition after all"),
        pytest.param([(b"if-none-match", b'"a"')], 304, b"", id="unchanged"),
        pytest.param([(b"range", b"bytes=2-3")], 206, b"23", id="a range"),
        pytest.param([(b"range", b"bytes=99-")], 416, b"", id="a range behind the end"),
        pytest.param([(b"range", b"bytes=0-1,4-5")], 200, b"0123456789", id="two ranges"),
        pytest.param([(b"range", b"bytes=2-3"), (b"if-range", b'"b"')], 200, b"0123456789", id="of another one"),
        pytest.param([(b"range", b"bytes=2-3"), (b"if-range", b'"a"')], 206, b"23", id="of this one"),
    ],
)
def test_conditions_and_ranges(asked: HeaderList, status: int, body: bytes) -> None:
    response = answer(asked)

    assert (response.status, response.body) == (status, body)


def test_a_part_says_which() -> None:
    assert answer([(b"range", b"bytes=2-3")]).header("content-range") == "bytes 2-3/10"
    assert answer([(b"range", b"bytes=99-")]).header("content-range") == "bytes */10"


def test_a_range_is_for_get_and_200_only() -> None:
    ranged: HeaderList = [(b"range", b"bytes=2-3")]

    assert answer(ranged, "HEAD").status == 200
    assert answer(ranged, entry=replace(ENTRY, status=404)).status == 404


async def test_a_stream_is_not_cut() -> None:
    async def chunks() -> object:
        yield b"x"

    response = Response(200, [], chunks())  # type: ignore[arg-type]  # a generator of bytes

    assert fitted(response, "GET", [(b"range", b"bytes=0-0")], NOW_S) is response


@pytest.mark.parametrize(
    ("after_s", "expected"),
    [(10.0, 50.0), (60.0, 0.0), (100.0, -40.0), (-30.0, 90.0), (-61.0, 0.0)],
    ids=["fresh", "just not", "stale", "a clock a little behind", "a clock far behind"],
)
def test_how_long_it_is_fresh(after_s: float, expected: float) -> None:
    assert fresh_for_s(ENTRY, NOW_S + after_s) == expected


def with_control(value: bytes, **changes: object) -> Entry:
    return replace(ENTRY, headers=[(b"cache-control", value)], **changes)  # type: ignore[arg-type]  # fields of it


@pytest.mark.parametrize(
    ("control", "revalidating_s", "on_error_s"),
    [
        pytest.param(b"max-age=60", 7.0, 9.0, id="it says nothing"),
        pytest.param(b"stale-while-revalidate=30", 30.0, 9.0, id="while it is fetched"),
        pytest.param(b"stale-if-error=40", 7.0, 40.0, id="while what is behind fails"),
        pytest.param(b"stale-if-error=40, must-revalidate", 0.0, 0.0, id="must-revalidate"),
        pytest.param(b"stale-if-error=40, proxy-revalidate", 0.0, 0.0, id="proxy-revalidate"),
        pytest.param(b"stale-if-error=40, s-maxage=1", 0.0, 0.0, id="s-maxage"),
        pytest.param(b"stale-if-error=40, no-cache", 0.0, 0.0, id="no-cache"),
    ],
)
def test_how_stale_it_may_be(control: bytes, revalidating_s: float, on_error_s: float) -> None:
    terms = Terms(while_revalidate_s=7, if_error_s=9)

    assert terms.while_revalidating_s(with_control(control)) == revalidating_s
    assert terms.on_error_s(with_control(control)) == on_error_s


def test_for_how_long_it_is_of_use() -> None:
    terms = Terms(while_revalidate_s=7, if_error_s=9, keep_stale_s=100)

    assert terms.keep_s(with_control(b"")) == 69
    assert terms.keep_s(ENTRY) == 160
    assert terms.keep_s(replace(ENTRY, fresh_s=-5)) == 100


@pytest.mark.parametrize(
    ("asked", "acceptable"),
    [
        pytest.param([], True, id="nothing asked"),
        pytest.param([(b"pragma", b"No-Cache")], False, id="Pragma"),
        pytest.param([(b"pragma", b"no-cache"), (b"cache-control", b"x")], True, id="Cache-Control before Pragma"),
        pytest.param([(b"cache-control", b"no-cache")], False, id="no-cache"),
        pytest.param([(b"cache-control", b"no-store")], False, id="no-store"),
        pytest.param([(b"cache-control", b"max-age=10")], False, id="younger"),
        pytest.param([(b"cache-control", b"max-age=16")], True, id="not that old"),
        pytest.param([(b"cache-control", b"min-fresh=51")], False, id="fresh for longer"),
        pytest.param([(b"cache-control", b"min-fresh=50")], True, id="fresh for so long"),
    ],
)
def test_what_a_client_may_ask(asked: HeaderList, acceptable: bool) -> None:
    assert is_acceptable(asked, ENTRY, NOW_S + 10) is acceptable
