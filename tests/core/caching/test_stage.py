"""Keys and settings of a stage cache."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit import Request
from gatewaykit.core.caching.stage import (
    CacheSettings,
    Part,
    compile_part,
    settings_of,
    stage_key,
    wants_new,
)


def asked(query: bytes = b"", *headers: tuple[bytes, bytes], path: dict[str, str] | None = None) -> Request:
    request = Request("GET", "/pets", query_string=query, headers=[*headers])
    request.path_parameters = path or {}
    return request


def part(name: str) -> Part:
    made = compile_part(name)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("name", "request_", "expected"),
    [
        pytest.param("querystring.p", asked(b"p=1&p=2"), ["2"], id="the last of a query"),
        pytest.param("querystring.p", asked(b"q=1"), None, id="not in the query"),
        pytest.param("multivaluequerystring.p", asked(b"p=1&p=2"), ["1", "2"], id="all of a query"),
        pytest.param("header.X-A", asked(b"", (b"x-a", b"1"), (b"X-A", b"2")), ["2"], id="the last of a header"),
        pytest.param("header.X-A", asked(), None, id="no header"),
        pytest.param("multivalueheader.X-A", asked(b"", (b"x-a", b"1"), (b"X-A", b"2")), ["1", "2"], id="all headers"),
        pytest.param("multivalueheader.X-A", asked(), None, id="none of many"),
        pytest.param("path.id", asked(path={"id": "7"}), ["7"], id="the path"),
        pytest.param("path.id", asked(), None, id="not in the path"),
    ],
)
def test_the_value_of_a_parameter(name: str, request_: Request, expected: list[str] | None) -> None:
    assert part(f"method.request.{name}").read(request_) == expected


@pytest.mark.parametrize(
    "name",
    [
        "", "method.request.body", "method.request.cookie.a", "querystring.a", "method.request.header.",
        "method.request.header.a b", "integration.request.path.a",
    ],
)  # fmt: skip
def test_what_is_no_parameter(name: str) -> None:
    assert compile_part(name) is None


PARTS = [part("method.request.multivaluequerystring.a"), part("method.request.multivalueheader.b")]
VALUES = st.lists(st.text(max_size=4), max_size=3)


@given(VALUES, VALUES, VALUES, VALUES)
def test_no_two_lists_of_values_are_one_key(a: list[str], b: list[str], c: list[str], d: list[str]) -> None:
    def key(first: list[str], second: list[str]) -> bytes:
        parts = [Part("a", lambda request: first or None), Part("b", lambda request: second or None)]
        return stage_key("n", parts, asked())

    assert (key(a, b) == key(c, d)) == ((a, b) == (c, d))


def test_the_namespace_is_in_the_key_and_what_is_not_declared_is_not() -> None:
    one, other = asked(b"a=1&x=1"), asked(b"x=2&a=1", (b"authorization", b"y"))

    assert stage_key("n", PARTS, one) == stage_key("n", PARTS, other)
    assert stage_key("n", PARTS, one) != stage_key("m", PARTS, one)
    assert stage_key("n", PARTS, asked()) != stage_key("n", PARTS, asked(b"a="))


@pytest.mark.parametrize(
    ("control", "wanted"),
    [
        (None, False), (b"max-age=0", True), (b"Max-Age=0, foo", True), (b"max-age=1", False), (b"no-cache", False),
        (b"no-store", False), (b"", False),
    ],
    ids=["none", "max-age=0", "among others", "max-age=1", "no-cache", "no-store", "empty"],
)  # fmt: skip
def test_only_max_age_0_asks_for_a_new_response(control: bytes | None, wanted: bool) -> None:
    headers = () if control is None else ((b"cache-control", control),)

    assert wants_new(asked(b"", *headers)) is wanted


def test_settings_of_all_methods_hold_for_get_and_those_of_one_for_that() -> None:
    settings = {"*/*": CacheSettings(), "POST /pets": CacheSettings(own=True)}

    assert settings_of(settings, "POST /pets") == CacheSettings(own=True)
    assert settings_of(settings, "GET /pets") == CacheSettings()
    assert settings_of({}, "GET /pets") is None
    assert [CacheSettings().holds_for(verb) for verb in ("GET", "POST")] == [True, False]
    assert CacheSettings(own=True).holds_for("POST")
    assert not CacheSettings(caching_enabled=False).holds_for("GET")
    assert not CacheSettings(cache_ttl_in_seconds=0).holds_for("GET")
