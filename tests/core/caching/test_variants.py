"""Vary, and the keys of responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.caching.cache_key import CacheKey, cookies_of, primary_key
from gatewaykit.core.caching.variants import STAR, selecting, variant_of, vary_names
from gatewaykit.core.http import HeaderList, parse_query


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], (), id="none"),
        pytest.param([b""], (), id="empty"),
        pytest.param([b"Foo, bar"], (b"bar", b"foo"), id="two"),
        pytest.param([b"Foo", b"foo ,Bar"], (b"bar", b"foo"), id="lines"),
        pytest.param([b"*"], STAR, id="star"),
        pytest.param([b"foo, *"], STAR, id="star among others"),
        pytest.param([b"", b"*"], STAR, id="star on a second line"),
        pytest.param([b",".join(b"h%d" % number for number in range(17))], STAR, id="too many"),
    ],
)
def test_names(lines: list[bytes], expected: tuple[bytes, ...]) -> None:
    assert vary_names([(b"Vary", line) for line in lines]) == expected


ALIKE = [
    pytest.param("accept-encoding", ["gzip, br"], ["br,gzip"], True, id="codings in another order"),
    pytest.param("accept-encoding", ["gzip;q=0.5, br"], ["br, gzip"], True, id="weights of codings"),
    pytest.param("accept-encoding", ["gzip;q=0, br"], ["br"], True, id="a coding that is refused"),
    pytest.param("accept-encoding", ["*, gzip;q=0"], ["*"], False, id="a coding that is refused of all"),
    pytest.param("accept-encoding", ["*, gzip;q=0"], ["gzip;q=0, *"], True, id="the same in another order"),
    pytest.param("accept-encoding", ["gzip"], ["br"], False, id="another coding"),
    pytest.param("accept-encoding", [], ["gzip"], False, id="no codings"),
    pytest.param("accept-language", ["en, de"], ["de, en"], True, id="languages in another order"),
    pytest.param("accept-language", ["en, de"], [" eN ,  De"], True, id="casing and space of languages"),
    pytest.param("accept-language", ["en, de;q=0.5"], ["en;q=0.5, de"], False, id="weights of languages"),
    pytest.param("accept-language", ["en;q=x"], ["en"], True, id="a weight that is none"),
    pytest.param("accept-language", ["en;level=1"], ["en"], True, id="another parameter"),
    pytest.param("foo", ["1, 2"], ["1", "2"], True, id="lines joined"),
    pytest.param("foo", ["1,2"], ["  1 , 2 "], True, id="space around commas"),
    pytest.param("foo", ["1"], ["2"], False, id="another value"),
    pytest.param("foo", ["a" + " " * 400_000 + "b"], ["b"], False, id="many spaces, read once"),
    pytest.param("foo", ["a"], ["A"], False, id="casing of an unknown field"),
    pytest.param("foo", [], [""], False, id="absent is not empty"),
]


@pytest.mark.parametrize(("name", "one", "other", "alike"), ALIKE)
def test_when_two_requests_agree(name: str, one: list[str], other: list[str], alike: bool) -> None:
    chosen = [
        selecting([(name.title().encode(), value.encode()) for value in values], [name.encode()])
        for values in (one, other)
    ]

    assert (chosen[0] == chosen[1]) is alike


PARTS = st.lists(st.tuples(st.binary(max_size=4), st.binary(max_size=4)), max_size=3)


@given(PARTS, PARTS, PARTS, PARTS)
def test_no_two_lists_of_fields_are_one_variant(a: HeaderList, b: HeaderList, c: HeaderList, d: HeaderList) -> None:
    assert (variant_of(a, b) == variant_of(c, d)) == ((a, b) == (c, d))


# --------------------------------------------------------------------------------------------------- keys


def key_of(target: bytes, key: CacheKey | None = None, scheme: str = "http", host: bytes = b"h") -> bytes:
    path, _, query = target.partition(b"?")
    return primary_key(key or CacheKey(), scheme, host, path, query, parse_query(query))


SOME = CacheKey(query=frozenset({"page"}))


@pytest.mark.parametrize(
    ("one", "other", "key", "same"),
    [
        pytest.param(b"/a", b"/a", None, True, id="the same"),
        pytest.param(b"/a", b"/A", None, False, id="another path"),
        pytest.param(b"/a", b"/%61", None, False, id="another spelling"),
        pytest.param(b"/a", b"/a/", None, False, id="a slash more"),
        pytest.param(b"/a?x=1", b"/a?x=2", None, False, id="another query"),
        pytest.param(b"/a?x=1&y=2", b"/a?y=2&x=1", None, False, id="another order"),
        pytest.param(b"/a?page=1&x=1", b"/a?x=2&page=1", SOME, True, id="what is not named"),
        pytest.param(b"/a?page=1", b"/a?page=2", SOME, False, id="what is named"),
        pytest.param(b"/a?page=1&page=2", b"/a?page=1", SOME, False, id="a value more"),
        pytest.param(b"/a?page=1&page=2", b"/a?page=2&page=1", SOME, False, id="values in another order"),
        pytest.param(b"/a?p%61ge=%31", b"/a?page=1", SOME, True, id="the same, encoded"),
        pytest.param(b"/a?x=1;page=2", b"/a?page=2", SOME, True, id="behind a semicolon, as the gateway reads it"),
        pytest.param(b"/a?page=", b"/a", SOME, False, id="empty is not absent"),
    ],
)
def test_when_two_addresses_are_one_key(one: bytes, other: bytes, key: CacheKey | None, same: bool) -> None:
    assert (key_of(one, key) == key_of(other, key)) is same


def test_scheme_and_host_are_in_the_key() -> None:
    assert key_of(b"/") == key_of(b"/", host=b"H")
    assert key_of(b"/") != key_of(b"/", host=b"h2")
    assert key_of(b"/") != key_of(b"/", scheme="https")


def test_headers_and_cookies_that_count() -> None:
    key = CacheKey(headers=(b"x-tenant",), cookies=("lang", "ab"))
    headers = [(b"X-Tenant", b"acme"), (b"Cookie", b"lang=en; sid=1; =x"), (b"cookie", b"lang=de;ab")]

    assert key.declared(headers) == ((b"x-tenant", b"=acme"), (b"cookie lang", b"2:en2:de"), (b"cookie ab", b"0:"))
    assert CacheKey(headers=(b"x-tenant",)).declared(headers) == ((b"x-tenant", b"=acme"),)
    assert CacheKey().declared(headers) == ()
    assert cookies_of(headers) == {"lang": [b"en", b"de"], "sid": [b"1"], "ab": [b""]}


@given(st.tuples(*[st.binary(max_size=6)] * 3), st.tuples(*[st.binary(max_size=6)] * 3))
def test_no_two_addresses_are_one_key(one: tuple[bytes, ...], other: tuple[bytes, ...]) -> None:
    keys = [primary_key(CacheKey(), "http", host, path, query, {}) for host, path, query in (one, other)]

    assert (keys[0] == keys[1]) == ((one[0].lower(), *one[1:]) == (other[0].lower(), *other[1:]))
