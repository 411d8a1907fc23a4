"""What a shared cache may keep, and of which fields."""

from __future__ import annotations

import pytest

from gatewaykit.core.caching.directives import parse_directives
from gatewaykit.core.caching.storing import is_for_one, is_whole, kept_headers, why_not_stored


def why(
    control: str, *fields: tuple[bytes, bytes], status: int = 200, caller: str = "", fresh_s: float = 60.0,
    explicit: bool = True,
) -> str:  # fmt: skip
    directives = parse_directives([control.encode()])
    return why_not_stored(status, [*fields], directives, caller=caller, explicit=explicit, fresh_s=fresh_s)


TAG = (b"ETag", b'"a"')


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param(why("max-age=60"), id="fresh"),
        pytest.param(why("no-cache", TAG, fresh_s=0), id="to be validated"),
        pytest.param(why("", (b"last-modified", b"x"), fresh_s=0, explicit=False), id="to be validated by date"),
        pytest.param(why("no-store, must-understand"), id="no-store, but understood"),
        pytest.param(why("public", caller="Authorization"), id="authorized, for all"),
        pytest.param(why("must-revalidate", caller="Authorization"), id="authorized, must-revalidate"),
        pytest.param(why("s-maxage=5", caller="Cookie"), id="with a cookie, for shared caches"),
        pytest.param(why("max-age=60", status=499), id="an unknown status that says for how long"),
    ],
)
def test_kept(reason: str) -> None:
    assert reason == ""


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        pytest.param(why("no-store"), "says no-store", id="no-store"),
        pytest.param(why("no-store, must-understand", status=599), "no-store", id="no-store, and not understood"),
        pytest.param(why("must-understand", status=599), "not understood", id="not understood"),
        pytest.param(why("max-age=60", status=206), "no whole response", id="a part"),
        pytest.param(why("max-age=60", status=304), "no whole response", id="not modified"),
        pytest.param(why("max-age=60", status=103), "no whole response", id="interim"),
        pytest.param(why("", (b"x", b"a\r\nb: c")), "CR, LF", id="a field that would be two"),
        pytest.param(
            why("max-age=60", (b"Content-Type", b"Text/Event-Stream; charset=utf-8")), "no end", id="an event stream"
        ),
        pytest.param(why("private"), "private", id="private"),
        pytest.param(why('private="x"'), "private", id="private for some fields"),
        pytest.param(why("", (b"Vary", b"*")), "varies by everything", id="Vary *"),
        pytest.param(why("public", (b"Set-Cookie", b"a=b")), "sets a cookie", id="a cookie"),
        pytest.param(why("max-age=60", caller="Authorization"), "Authorization", id="authorized"),
        pytest.param(why("must-revalidate", caller="Cookie"), "Cookie", id="with a cookie"),
        pytest.param(why("max-age=0", fresh_s=0), "stale at once", id="stale, without a validator"),
        pytest.param(
            why("", TAG, status=201, fresh_s=0, explicit=False), "for how long", id="a status that is not kept"
        ),
    ],
)
def test_not_kept(reason: str, expected: str) -> None:
    assert expected in reason


def test_the_fields_that_are_kept() -> None:
    headers = [
        (b"Connection", b"X-Hop, close"), (b"X-Hop", b"1"), (b"Keep-Alive", b"5"), (b"Age", b"3"),
        (b"Content-Length", b"9"), (b"Secret", b"s"), (b"X-Kept", b"1"), (b"Transfer-Encoding", b"chunked"),
    ]  # fmt: skip

    assert kept_headers(headers, parse_directives([b'no-cache="secret"'])) == [(b"x-kept", b"1")]


@pytest.mark.parametrize(
    ("control", "fields", "expected"),
    [
        pytest.param("private", (), True, id="private"),
        pytest.param('private="x"', (), True, id="private for some fields"),
        pytest.param("", ((b"Set-Cookie", b"a=b"),), True, id="a cookie"),
        pytest.param("no-store", ((b"x", b"y"),), False, id="not kept, and yet for all who wait"),
    ],
)
def test_what_is_for_one_request_only(control: str, fields: tuple[tuple[bytes, bytes], ...], expected: bool) -> None:
    assert is_for_one([*fields], parse_directives([control.encode()])) is expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param([], True, id="it says nothing"),
        pytest.param([b"4"], True, id="as long as it says"),
        pytest.param([b"5"], False, id="cut short"),
        pytest.param([b"3"], False, id="longer"),
        pytest.param([b"4", b"5"], False, id="two lengths"),
        pytest.param([b"four"], False, id="no number"),
    ],
)
def test_a_whole_body_is_as_long_as_was_said(said: list[bytes], expected: bool) -> None:
    assert is_whole([(b"Content-Length", value) for value in said], b"page") is expected
