"""REST parameter mappings, rows 86 to 94 and 101 to 103."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.http import HeaderList, Request
from gatewaykit.core.parameter_mapping import (
    MappedRequest,
    RequestMapping,
    ResponseMapping,
    compile_request_mappings,
    compile_response_mappings,
)
from gatewaykit.core.reasons import Reason, Refusal

CONTEXT = {"resourceId": "abc", "identity": {"sourceIp": "1.2.3.4", "user": None}, "flag": True, "number": 7}


def request_of(**more: object) -> Request:
    request = Request(
        "POST",
        "/",
        headers=[(b"x-a", b"first"), (b"X-A", b"last"), (b"connection", b"close")],
        query_string=b"q=1&q=2&e=",
        body=b'{"a": {"b": [1, {"c": "d"}]}, "s": "text", "t": true, "n": null}',
    )
    request.path_parameters = {"id": "a%2Fb%20c"}
    for name, value in more.items():
        setattr(request, name, value)
    return request


def mapping_of(integration_type: str = "HTTP", **mappings: str) -> RequestMapping:
    compiled = compile_request_mappings(
        {f"integration.request.{target.replace('__', '.')}": source for target, source in mappings.items()},
        {"version": "v1"},
        integration_type,
    )
    assert isinstance(compiled, RequestMapping), compiled
    return compiled


def mapped(request: Request, integration_type: str = "HTTP", **mappings: str) -> MappedRequest:
    result = mapping_of(integration_type, **mappings).apply(request, CONTEXT)
    assert isinstance(result, MappedRequest), result
    return result


@pytest.mark.parametrize(
    ("source", "value"),
    [
        pytest.param("'static'", "static", id="static"),
        pytest.param("''", "", id="static, empty"),
        pytest.param("stageVariables.version", "v1", id="stage variable"),
        pytest.param("stageVariables.none", None, id="stage variable that is not set"),
        pytest.param("context.resourceId", "abc", id="row 88"),
        pytest.param("context.identity.sourceIp", "1.2.3.4", id="nested context"),
        pytest.param("context.identity.user", None, id="context that is null"),
        pytest.param("context.identity", None, id="context that is no value"),
        pytest.param("context.none.deeper", None, id="context that is missing"),
        pytest.param("context.resourceId.deeper", None, id="context below a value"),
        pytest.param("context.flag", "true", id="context boolean"),
        pytest.param("context.number", "7", id="context number"),
        pytest.param("method.request.header.x-a", "last", id="row 103 last header"),
        pytest.param("method.request.header.X-A", "last", id="header names in any casing"),
        pytest.param("method.request.multivalueheader.x-a", "first,last", id="row 103 every header"),
        pytest.param("method.request.header.none", None, id="row 86 missing source"),
        pytest.param("method.request.header.Connection", None, id="row 89"),
        pytest.param("method.request.multivalueheader.connection", None, id="row 89 every value"),
        pytest.param("method.request.querystring.q", "2", id="last query value"),
        pytest.param("method.request.querystring.e", "", id="empty query value"),
        pytest.param("method.request.querystring.none", None, id="missing query value"),
        pytest.param("method.request.multivaluequerystring.q", "1,2", id="every query value"),
        pytest.param("method.request.path.id", "a/b c", id="path parameters are decoded"),
        pytest.param("method.request.path.none", None, id="missing path parameter"),
        pytest.param("method.request.body.s", "text", id="body string"),
        pytest.param("method.request.body.a.b", '[1,{"c":"d"}]', id="body list"),
        pytest.param("method.request.body.a.b[1].c", "d", id="body deeper"),
        pytest.param("method.request.body.t", "true", id="body boolean"),
        pytest.param("method.request.body.n", None, id="body null"),
        pytest.param("method.request.body.none", None, id="body missing"),
    ],
)
def test_a_source_gives_its_value_or_maps_nothing(source: str, value: str | None) -> None:
    assert mapped(request_of(), header__x=source).headers == ({} if value is None else {"x": value})


@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b"", "{}", id="row 101"),
        pytest.param(b"plain text", "plain text", id="text"),
        pytest.param(b' {"a" : 1}', ' {"a" : 1}', id="JSON as it was sent"),
    ],
)
def test_a_whole_body_is_mapped_as_it_is(body: bytes, value: str) -> None:
    assert mapped(request_of(body=body), querystring__x="method.request.body").query == {"x": [value]}


@pytest.mark.parametrize("source", ["method.request.body", "method.request.body.a", "method.request.body[0]"])
@pytest.mark.parametrize("body", [b"{", b"[1", b"'a'", b'"', b"[" * 100000])
def test_a_body_that_only_looks_like_json_is_a_400(source: str, body: bytes) -> None:  # row 102
    refusal = mapping_of(header__x=source).apply(request_of(body=body), CONTEXT)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.message) == (Reason.BODY_MAPPING_INVALID, "Invalid JSON in request body")
    assert refusal.reason.status == 400


def test_a_path_into_plain_text_finds_nothing() -> None:
    assert mapped(request_of(body=b"text"), header__x="method.request.body.a").headers == {}


def test_values_go_to_header_query_and_path() -> None:
    result = mapped(
        request_of(),
        header__h="'1'",
        querystring__single="method.request.querystring.q",
        querystring__multi="method.request.multivaluequerystring.q",
        path__raw="method.request.path.id",
        path__text="method.request.querystring.q",
        path__list="method.request.multivalueheader.x-a",
    )

    assert result.headers == {"h": "1"}
    assert result.query == {"single": ["2"], "multi": ["1", "2"]}
    assert result.path == {"raw": "a%2Fb%20c", "text": "2", "list": "first,last"}


@pytest.mark.parametrize("integration_type", ["HTTP", "HTTP_PROXY", "AWS", "AWS_PROXY"])
@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "X-Amzn-Trace-Id", "x-amzn-apigateway-api-id"])
def test_some_headers_must_not_be_mapped(integration_type: str, name: str) -> None:  # row 91
    refusal = mapping_of(integration_type, **{f"header__{name}": "'1'"}).apply(request_of(), CONTEXT)

    assert isinstance(refusal, Refusal)
    assert (refusal.reason.status, refusal.reason.message) == (500, "Internal server error")


@pytest.mark.parametrize("integration_type", ["AWS", "AWS_PROXY"])
@pytest.mark.parametrize("name", ["Authorization", "Connection", "Expect", "Proxy-Authenticate", "TE"])
def test_more_headers_must_not_be_mapped_for_aws(integration_type: str, name: str) -> None:  # row 92
    refusal = mapping_of(integration_type, **{f"header__{name}": "'1'"}).apply(request_of(), CONTEXT)

    assert isinstance(refusal, Refusal)
    assert refusal.reason.status == 500


@pytest.mark.parametrize("name", ["Connection", "Proxy-Authenticate", "TE", "Via", "Expect"])
def test_some_headers_are_dropped_for_http(name: str) -> None:  # row 90
    assert mapped(request_of(), "HTTP_PROXY", **{f"header__{name}": "'1'"}).headers == {}


@pytest.mark.parametrize(
    "name",
    [
        "Accept", "Age", "Authorization", "Content-MD5", "Host", "Max-Forwards", "Server", "Trailer", "Upgrade",
        "User-Agent", "WWW-Authenticate",
    ],
)  # fmt: skip
def test_other_headers_are_sent_as_mapped(name: str) -> None:  # row 90
    assert mapped(request_of(), **{f"header__{name}": "'1'"}).headers == {name: "1"}


def test_a_missing_value_does_not_fail_an_illegal_target() -> None:
    assert mapped(request_of(), **{"header__Content-Length": "method.request.header.none"}).headers == {}


def test_a_mapping_knows_what_it_looks_at() -> None:
    assert mapping_of(header__x="method.request.body.a").needs_body
    assert mapping_of(header__x="context.stage").needs_context
    assert not mapping_of(header__x="'a'").needs_body
    assert not mapping_of(header__x="'a'").needs_context


def test_every_wrong_mapping_is_reported() -> None:
    problems = compile_request_mappings(
        {
            "integration.request.cookie.x": "'a'",
            "integration.request.header.a b": "'a'",
            "integration.request.header.x": "method.request.cookie.a",
            "integration.request.header.y": "static",
            "integration.request.header.z": "method.request.body.[",
            "integration.request.header.v": "integration.response.header.a",
        },
        {},
        "HTTP",
    )

    assert isinstance(problems, list)
    assert len(problems) == 6
    assert problems[0].startswith("'integration.request.cookie.x' is no mapping target")
    assert "is no JSONPath" in problems[4]


RESPONSE: HeaderList = [(b"X-B", b"1"), (b"x-b", b"2"), (b"Server", b"s")]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        pytest.param("integration.response.header.x-b", "2", id="last header"),
        pytest.param("integration.response.header.Server", "s", id="every header can be read"),
        pytest.param("integration.response.multivalueheader.X-B", "1,2", id="every value"),
        pytest.param("integration.response.header.none", None, id="missing"),
        pytest.param("integration.response.body", '{"a": [1]}', id="body"),
        pytest.param("integration.response.body.a", "[1]", id="body path"),
        pytest.param("'it''s'", "it''s", id="static"),
        pytest.param("context.resourceId", "abc", id="context"),
        pytest.param("stageVariables.version", "v1", id="stage variable"),
    ],
)
def test_a_response_header_gets_its_value_or_is_not_sent(source: str, value: str | None) -> None:
    mapping = compile_response_mappings({"method.response.header.X": source}, {"version": "v1"})
    assert isinstance(mapping, ResponseMapping)

    assert mapping.apply(RESPONSE, b'{"a": [1]}', CONTEXT) == ({} if value is None else {"X": value})


@pytest.mark.parametrize("body", [b"{", b"'a'"])
def test_a_response_body_that_only_looks_like_json_is_refused(body: bytes) -> None:
    mapping = compile_response_mappings({"method.response.header.X": "integration.response.body.a"}, {})
    assert isinstance(mapping, ResponseMapping)

    refusal = mapping.apply([], body, {})

    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MAPPING_FAILED


def test_every_wrong_response_mapping_is_reported() -> None:
    problems = compile_response_mappings(
        {"method.response.status": "'a'", "method.response.header.x": "method.request.header.a"}, {}
    )

    assert isinstance(problems, list)
    assert len(problems) == 2


@given(st.text(), st.text(), st.binary(), st.binary(max_size=30))
def test_any_input_gives_values_or_a_refusal(target: str, source: str, body: bytes, query: bytes) -> None:
    wild = compile_request_mappings({target: source}, {}, "HTTP")
    assert isinstance(wild, (list, RequestMapping))
    mapping = mapping_of(
        header__a="method.request.body",
        header__b="method.request.body.a",
        header__c="method.request.querystring.q",
        path__d="method.request.querystring.q",
    )

    result = mapping.apply(request_of(body=body, query_string=b"q=" + query), CONTEXT)

    if isinstance(result, MappedRequest):
        assert all(value.isascii() and value.isprintable() for value in result.path.values())
