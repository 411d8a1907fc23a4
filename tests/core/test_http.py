"""Requests, responses and queries as values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import Head, Identity, Request, Response, header_values, parse_query, quick_identity


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param(b"", {}, id="none"),
        pytest.param(b"a=test%2Balias", {"a": ["test+alias"]}, id="row 58: an encoded plus"),
        pytest.param(b"b=x+y", {"b": ["x y"]}, id="row 58: a plus is a space"),
        pytest.param(b"c=2023-06-12T18:05:10+00:00", {"c": ["2023-06-12T18:05:10 00:00"]}, id="row 58: in a date too"),
        pytest.param(b"d=foo%20bar", {"d": ["foo bar"]}, id="row 58: an encoded space"),
        pytest.param(
            b"category=electronics&category=books&price=10",
            {"category": ["electronics", "books"], "price": ["10"]},
            id="row 59: every value in order",
        ),
        pytest.param(b"a=%2525", {"a": ["%25"]}, id="decoded once"),
        pytest.param(b"a", {"a": [""]}, id="no equals sign"),
        pytest.param(b"a=1;b=2", {"a": ["1"], "b": ["2"]}, id="a semicolon separates"),
        pytest.param(b"&&a=1&", {"a": ["1"]}, id="empty pairs"),
        pytest.param(b"=v", {"": ["v"]}, id="no name"),
        pytest.param(b"a=b=c", {"a": ["b=c"]}, id="a second equals sign"),
        pytest.param(b"a=1,2", {"a": ["1,2"]}, id="commas are not split"),
        pytest.param(b"a=%ff", {"a": ["\ufffd"]}, id="encoded bytes that are no UTF-8"),
        pytest.param(b"a=\xff", {"a": ["\ufffd"]}, id="bytes that are no UTF-8"),
        pytest.param("é=ü".encode(), {"é": ["ü"]}, id="UTF-8 as it is"),
        pytest.param(b"a=%zz", {"a": ["%zz"]}, id="no encoding at all"),
    ],
)
def test_a_query_reads_as(query: bytes, expected: dict[str, list[str]]) -> None:
    assert parse_query(query) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_a_query(query: bytes) -> None:
    assert all(values for values in parse_query(query).values())


def test_a_request_derives_what_nobody_has_written_yet() -> None:
    request = Request("GET", "/a b", headers=[(b"X-A", b"1"), (b"x-a", b"2")], query_string=b"q=1&q=2")

    assert (request.header("X-a"), request.header("x-b"), request.headers) == ("2", None, {b"x-a": b"2"})
    assert (request.query, request.raw_path) == ({"q": ["1", "2"]}, b"/a b")
    assert (request.address, Request("GET", "/", client=None).address) == ("127.0.0.1", "")
    assert (request.identity, request.limits, request.path_parameters, request.status) == (None, [], {}, 0)


def test_every_fact_has_a_first_value() -> None:
    request = Request("GET", "/")

    for name in Request.__slots__:
        getattr(request, name)


def test_an_unknown_fact_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        _ = Request("GET", "/").nonsense  # type: ignore[attr-defined]  # the mistake under test


def test_a_trace_is_kept_only_where_someone_wants_it() -> None:
    request = Request("GET", "/")

    request.note("phase", "nobody listens")
    request.events = []
    request.note("phase", "text")

    assert request.events == [("phase", "text")]


def test_a_head_is_amended_in_place() -> None:
    head = Head(200, [])
    head.headers.append((b"a", b"b"))

    assert (head.status, head.headers) == (200, [(b"a", b"b")])


def test_a_response_gives_its_first_value_of_a_field() -> None:
    response = Response(200, [(b"Vary", b"a"), (b"vary", b"b")])

    assert (response.header("VARY"), response.header("x")) == ("a", None)
    assert header_values(response.headers, b"vary") == [b"a", b"b"]
    assert Response().headers == []


def test_an_identity_made_quickly_is_the_same() -> None:
    assert quick_identity("alice", "jwt", {"a": 1}, ("b",)) == Identity(
        principal="alice", kind="jwt", claims={"a": 1}, scopes=("b",)
    )
