"""Addresses of back ends: validation, variables, encoding, and no way to another host."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.payload.uri import InvalidUri, Uri, as_path, compile_uri, raw_as_path


def compiled(text: str, **variables: str) -> Uri:
    uri = compile_uri(text, variables)
    assert isinstance(uri, Uri), uri
    return uri


@pytest.mark.parametrize(
    ("text", "variables", "origin", "target"),
    [
        pytest.param("http://b.example", {}, "http://b.example", "/", id="no path"),
        pytest.param("HTTPS://B.Example/A", {}, "https://b.example", "/A", id="casing of the host"),
        pytest.param("http://b:8080/x?y=1", {}, "http://b:8080", "/x?y=1", id="port"),
        pytest.param("http://b:80/x", {}, "http://b", "/x", id="default port"),
        pytest.param("https://[::1]:8443/x", {}, "https://[::1]:8443", "/x", id="IPv6"),
        pytest.param("http://b/a b/%2F/ä", {}, "http://b", "/a%20b/%2F/%C3%A4", id="literals encoded, triplets kept"),
        pytest.param("http://b/50%", {}, "http://b", "/50%25", id="a lone percent sign"),
        pytest.param("http://b/{id}?q={id}", {}, "http://b", "/%7Bid%7D?q=%7Bid%7D", id="unmapped names stay"),
        pytest.param("http://b?a=1&&b", {}, "http://b", "/?a=1&b=", id="query without a path"),
        pytest.param(
            "http://${stageVariables.TestHost}/${stageVariables.testPath}?${stageVariables.querystring}",
            {"TestHost": "echo.example:8080", "testPath": "anything", "querystring": "a=b"},
            "http://echo.example:8080", "/anything?a=b", id="row 99",
        ),
        pytest.param("${stageVariables.url}/x", {"url": "b.example"}, "http://b.example", "/x", id="no scheme"),
    ],
)  # fmt: skip
def test_an_address_is_compiled(text: str, variables: dict[str, str], origin: str, target: str) -> None:
    uri = compiled(text, **variables)

    assert uri.origin == origin
    assert uri.target({}) == target


@pytest.mark.parametrize(
    "text",
    [
        "", "http://", "ftp://b/x", "//b/x", "http:///x", "http://user@b/", "http://b:99/", "http://b:70000/",
        "http://b:x/",
        "http://b/#top", "http://{host}/x", "http://b{x}/", "http://b\\c/", "http://b c/", "http://b\n/",
        "javascript:alert",
    ],
)  # fmt: skip
def test_what_is_no_address_is_invalid(text: str) -> None:
    assert isinstance(compile_uri(text, {}), InvalidUri)


def test_an_unset_stage_variable_is_named() -> None:  # row 13
    assert compile_uri("http://${stageVariables.url}/x", {}) == InvalidUri("the stage variable 'url' is not set", "url")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        pytest.param("a/b", "a/b", id="greedy values keep their slashes"),
        pytest.param("../..//x", "../..//x", id="dots and double slashes are not touched"),
        pytest.param("a%2Fb%2fc", "a%2Fb%2Fc", id="encoded slashes stay encoded"),
        pytest.param("test%2Balias%40x", "test+alias@x", id="decoded where a path allows it"),
        pytest.param("100%25", "100%25", id="a percent sign is encoded again"),
        pytest.param("a%20b%3Fc%23d%00", "a%20b%3Fc%23d%00", id="what would end the path stays encoded"),
        pytest.param("a?b#c d", "a%3Fb%23c%20d", id="and is encoded where it was not"),
        pytest.param("%zz%", "%25zz%25", id="no triplet"),
        pytest.param("%C3%A4", "%C3%A4", id="UTF-8"),
    ],
)
def test_a_path_parameter_is_decoded_as_far_as_a_path_allows(raw: str, path: str) -> None:
    assert raw_as_path(raw) == path


def test_plain_text_is_encoded_once() -> None:
    assert as_path("a/%2F?#ä\r\n") == "a/%252F%3F%23%C3%A4%0D%0A"


def test_query_values_of_the_address_come_before_the_others() -> None:  # row 86
    uri = compiled("http://b?testVar={pathVar}&testQs={qsVar}")
    query = {"testQueryString": ["foo"], "testVar": ["bar"], "testQs": ["foo"], "queryString": ["foo"]}

    target = uri.target({"pathVar": "foobar", "qsVar": "bar"}, query.items())

    assert target == "/?testVar=foobar&testVar=bar&testQs=bar&testQs=foo&testQueryString=foo&queryString=foo"


def test_a_value_cannot_add_query_parameters() -> None:
    uri = compiled("http://b/{p}?a={v}")

    target = uri.target({"p": as_path("x?y=1"), "v": as_path("1&b=2#c")}, [("d", ["e&f=g+h i%"])])

    assert target == "/x%3Fy=1?a=1%26b%3D2%23c&d=e%26f%3Dg%2Bh%20i%25"


@pytest.mark.parametrize("spelt", ["..", "%2e%2e", ".%2E", "a/..", "../a", "a%2F..", "..%5Ca"])
@pytest.mark.parametrize(
    ("address", "left"),
    [("http://b/base/{p}", True), ("http://b/{q}/{p}", True), ("http://b/{p}", False), ("http://b/a/../b", False)],
    ids=["a base path", "another parameter before it", "nothing to leave", "the definition's own"],
)
def test_dot_segments_that_could_lead_out_are_found(address: str, left: bool, spelt: str) -> None:
    uri = compiled(address)

    assert uri.is_left_by(uri.target({"p": spelt, "q": "q"})) is left
    assert not uri.is_left_by(uri.target({"p": "..a/b../...", "q": "q"}, [("x", ["/../"])]))


@given(st.text(), st.text(), st.dictionaries(st.text(), st.lists(st.text(), max_size=2), max_size=2))
def test_nothing_a_client_sends_leaves_the_target(raw: str, text: str, query: dict[str, list[str]]) -> None:
    uri = compiled("https://b.example/base/{raw}/{text}?x={raw}")

    target = uri.target({"raw": raw_as_path(raw), "text": as_path(text)}, query.items())

    assert re.fullmatch(r"/base/[!-~]*", target)
    assert target.count("?") == 1 or "?" not in target.partition("?")[0]
    assert "#" not in target
    assert (uri.scheme, uri.host, uri.port) == ("https", "b.example", 443)


@given(st.text(), st.dictionaries(st.just("a"), st.text()))
def test_any_text_is_an_address_or_is_not(text: str, variables: dict[str, str]) -> None:
    for each in (text, f"http://{text}", "http://${stageVariables.a}"):
        uri = compile_uri(each, variables)

        assert isinstance(uri, InvalidUri) or re.fullmatch(r"[a-z0-9._:-]+", uri.host.lower())
