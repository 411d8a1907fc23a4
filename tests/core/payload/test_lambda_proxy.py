"""The Lambda proxy event and result, rows 53 to 76."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.context import ApiFacts
from gatewaykit.core.http import HeaderList, Identity, Request, Response
from gatewaykit.core.payload.lambda_proxy import masked_event, parse_result, proxy_event
from gatewaykit.core.payload.media_types import BinaryTypes
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.core.routing import Router

FACTS = ApiFacts(stage="stage", domain_name="api.example")
TEXT = BinaryTypes()
PNG = BinaryTypes(("image/png",))


def event_of(
    raw_path: bytes = b"/x", *, headers: HeaderList | None = None, query: bytes = b"", body: bytes = b"", **more: object
) -> dict[str, object]:
    """The event of a request that was routed to `/{proxy+}`."""
    router: Router[str] = Router()
    router.add("ANY", "/{proxy+}", "leaf")
    router.add("ANY", "/hardcoded", "leaf")
    request = Request("GET", raw_path.decode(), raw_path=raw_path, headers=headers, query_string=query, body=body)
    matched = router.match("GET", raw_path.decode())
    assert matched is not None
    request.resource, request.path_parameters = "/{proxy+}", matched[1] or {}
    request.trace_id = "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0"
    for name, value in more.items():
        setattr(request, name, value)
    return proxy_event(request, FACTS, {}, PNG)


def test_an_event_has_the_recorded_keys_in_order() -> None:
    assert list(event_of()) == [
        "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext", "body",
        "isBase64Encoded",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("raw_path", "path", "parameter", "context_path"),
    [
        pytest.param(b"/proxy-value/", "/proxy-value/", "proxy-value", "/stage/proxy-value/", id="row 53"),
        pytest.param(
            b"/proxy-value//double-slash", "/proxy-value//double-slash", "proxy-value//double-slash",
            "/stage/proxy-value//double-slash", id="row 54",
        ),
        pytest.param(b"//proxy-value", "/proxy-value", "proxy-value", "/stage//proxy-value", id="row 56"),
        pytest.param(b"//hardcoded", "/hardcoded", None, "/stage//hardcoded", id="row 56 literal"),
        pytest.param(
            b"/user/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            "/user/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            "user/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            "/stage/user/test%2Balias@gmail.com/plus/test+alias@gmail.com", id="row 57",
        ),
    ],
)  # fmt: skip
def test_paths_keep_what_was_recorded(raw_path: bytes, path: str, parameter: str | None, context_path: str) -> None:
    event = event_of(raw_path)

    assert event["path"] == path
    assert event["pathParameters"] == (None if parameter is None else {"proxy": parameter})
    assert event["requestContext"]["path"] == context_path  # type: ignore[index]  # an event is JSON


@pytest.mark.parametrize(
    ("query", "single", "multi"),
    [
        pytest.param(
            b"a=test%2Balias&b=x+y&c=2023-06-12T18:05:10+00:00&d=foo%20bar",
            {"a": "test+alias", "b": "x y", "c": "2023-06-12T18:05:10 00:00", "d": "foo bar"},
            {"a": ["test+alias"], "b": ["x y"], "c": ["2023-06-12T18:05:10 00:00"], "d": ["foo bar"]},
            id="row 58",
        ),
        pytest.param(
            b"category=electronics&category=books&price=10&price=20&price=30",
            {"category": "books", "price": "30"},
            {"category": ["electronics", "books"], "price": ["10", "20", "30"]},
            id="row 59",
        ),
        pytest.param(b"", None, None, id="row 60"),
    ],
)
def test_query_parameters_are_decoded_once(query: bytes, single: object, multi: object) -> None:
    event = event_of(query=query)

    assert event["queryStringParameters"] == single
    assert event["multiValueQueryStringParameters"] == multi


def test_empty_things_are_null() -> None:  # row 60
    event = event_of(b"/hardcoded")

    assert [event[name] for name in ("pathParameters", "stageVariables", "body")] == [None, None, None]
    assert event["isBase64Encoded"] is False


def test_header_names_keep_their_casing_but_for_authorization() -> None:  # row 61
    event = event_of(headers=[(b"tEsT-HEADeR", b"aValUE"), (b"aUThorization", b"x"), (b"tEsT-HEADeR", b"last")])
    headers, multi = event["headers"], event["multiValueHeaders"]

    assert headers["tEsT-HEADeR"] == "last"  # type: ignore[index]  # an event is JSON
    assert multi["tEsT-HEADeR"] == ["aValUE", "last"]  # type: ignore[index]  # an event is JSON
    assert headers["Authorization"] == "x"  # type: ignore[index]  # an event is JSON
    assert multi["Authorization"] == ["x"]  # type: ignore[index]  # an event is JSON


@pytest.mark.parametrize(
    ("headers", "more", "added"),
    [
        pytest.param(
            [(b"host", b"shop.example:8080"), (b"x-forwarded-proto", b"https"), (b"Content-Length", b"3")],
            {},
            {
                "Host": "shop.example:8080", "X-Amzn-Trace-Id": "Root=1-00000000-000000000000000000000000",
                "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Port": "8080", "X-Forwarded-Proto": "http",
            },
            id="what the client claims is replaced",
        ),
        pytest.param(
            [(b"x-forwarded-for", b"1.1.1.1, 2.2.2.2")],
            {"scheme": "https", "address": "2.2.2.2"},
            {
                "Host": "api.example", "X-Amzn-Trace-Id": "Root=1-00000000-000000000000000000000000",
                "X-Forwarded-For": "1.1.1.1, 2.2.2.2", "X-Forwarded-Port": "443", "X-Forwarded-Proto": "https",
            },
            id="the address decided on comes last, once",
        ),
        pytest.param(
            [(b"x-forwarded-for", b"1.1.1.1")],
            {"trace_id": ""},
            {
                "Host": "api.example", "X-Forwarded-For": "1.1.1.1, 127.0.0.1", "X-Forwarded-Port": "80",
                "X-Forwarded-Proto": "http",
            },
            id="no trace",
        ),
    ],
)  # fmt: skip
def test_the_gateway_adds_its_own_headers(headers: HeaderList, more: dict[str, object], added: dict[str, str]) -> None:
    event = event_of(headers=headers, **more)

    assert event["headers"] == added
    assert event["multiValueHeaders"] == {name: [value] for name, value in added.items()}


def test_a_binary_body_is_base64_and_a_text_body_text() -> None:
    png = event_of(body=b"\x89PNG\xff", headers=[(b"content-type", b"image/png")])
    text = event_of(body=b"a\xff", headers=[(b"content-type", b"text/plain")])

    assert (png["body"], png["isBase64Encoded"]) == (base64.b64encode(b"\x89PNG\xff").decode(), True)
    assert (text["body"], text["isBase64Encoded"]) == ("a\ufffd", False)


def test_an_event_is_shown_without_its_secrets() -> None:
    caller = Identity(principal="k", kind="api_key", key_id="key-1")
    event = event_of(headers=[(b"x-api-key", b"0123456789abcdefghij")], identity=caller)

    shown = masked_event(event)

    assert "0123456789" in json.dumps(event)
    assert "0123456789" not in json.dumps(shown)
    assert json.dumps(shown).count("****ghij") == 3
    assert json.dumps(masked_event(event_of())) == json.dumps(event_of())


def test_stage_variables_are_part_of_the_event() -> None:
    request = Request("GET", "/")

    assert proxy_event(request, FACTS, {"a": "b"}, TEXT)["stageVariables"] == {"a": "b"}


JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    ("result", "status", "headers", "body"),
    [
        pytest.param({"statusCode": 200}, 200, [JSON], b"", id="row 65"),
        pytest.param(
            {"statusCode": 200, "headers": {"test-header": "value", "header-bool": True, "no": False}},
            200, [(b"test-header", b"value"), (b"header-bool", b"true"), (b"no", b"false"), JSON], b"", id="row 66",
        ),
        pytest.param({"headers": None, "multiValueHeaders": None}, 200, [JSON], b"", id="row 67"),
        pytest.param({}, 200, [JSON], b"", id="row 70"),
        pytest.param({"headers": {"a": "b"}}, 200, [(b"a", b"b"), JSON], b"", id="row 70 only headers"),
        pytest.param({"statusCode": "201"}, 201, [JSON], b"", id="row 71"),
        pytest.param(
            {"multiValueHeaders": {"test-multi": ["value1", "value2"]}},
            200, [(b"test-multi", b"value1"), (b"test-multi", b"value2"), JSON], b"", id="row 72",
        ),
        pytest.param(
            {"headers": {"test-MULTI": "value-solo"}, "multiValueHeaders": {"Test-Multi": ["value-multi"]}},
            200, [(b"Test-Multi", b"value-multi, value-solo"), JSON], b"", id="row 73",
        ),
        pytest.param(
            {"headers": {"set-cookie": "b=2"}, "multiValueHeaders": {"Set-Cookie": ["a=1"]}},
            200, [(b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"), JSON], b"", id="cookies cannot be joined",
        ),
        pytest.param({"body": "aGk=", "isBase64Encoded": True}, 200, [JSON], b"aGk=", id="row 74"),
        pytest.param({"body": "hé", "isBase64Encoded": None}, 200, [JSON], "hé".encode(), id="text"),
        pytest.param({"body": None, "statusCode": None}, 200, [JSON], b"", id="nulls"),
        pytest.param(
            {"headers": {"Content-Type": "text/html", "Date": "now", "Server": "me", "Transfer-Encoding": "chunked",
                         "WWW-Authenticate": "Basic"}},
            200, [(b"Content-Type", b"text/html"), (b"x-amzn-Remapped-Date", b"now"),
                  (b"x-amzn-Remapped-Server", b"me"), (b"x-amzn-Remapped-WWW-Authenticate", b"Basic")],
            b"", id="renamed and dropped",
        ),
    ],
)  # fmt: skip
def test_a_result_becomes_the_recorded_response(
    result: dict[str, object], status: int, headers: HeaderList, body: bytes
) -> None:
    answer = parse_result(result, "image/png", TEXT)

    assert isinstance(answer, Response)
    assert (answer.status, answer.headers, answer.body) == (status, headers, body)


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"statusCode": 200, "wrongValue": "x"}, id="row 68"),
        pytest.param("justAString", id="row 69 string"),
        pytest.param({"statusCode": "test"}, id="row 69 status"),
        pytest.param({"multiValueHeaders": {"a": "b"}}, id="row 69 multi value"),
        pytest.param({"multiValueHeaders": ["a"]}, id="multi value headers a list"),
        pytest.param(None, id="null"),
        pytest.param([], id="list"),
        pytest.param(3.5, id="number"),
        pytest.param(True, id="boolean"),
        pytest.param({"statusCode": True}, id="status a boolean"),
        pytest.param({"statusCode": 101}, id="status that ends no exchange"),
        pytest.param({"statusCode": 700}, id="status out of range"),
        pytest.param({"headers": {"a": 1}}, id="header a number"),
        pytest.param({"headers": {"a": None}}, id="header null"),
        pytest.param({"headers": "a"}, id="headers a string"),
        pytest.param({"body": {"a": 1}}, id="body an object"),
        pytest.param({"isBase64Encoded": "true"}, id="isBase64Encoded a string"),
        pytest.param({"headers": {"a": "b\r\nset-cookie: c"}}, id="line break in a value"),
        pytest.param({"headers": {"a": "b\0"}}, id="NUL in a value"),
        pytest.param({"headers": {"a\nb": "c"}}, id="line break in a name"),
        pytest.param({"headers": {"": "c"}}, id="empty name"),
    ],
)
def test_a_malformed_result_is_a_502(result: object) -> None:
    answer = parse_result(result, None, TEXT)

    assert isinstance(answer, Refusal)
    assert answer.reason is Reason.INTEGRATION_RESPONSE_INVALID
    assert (answer.reason.status, answer.reason.message) == (502, "Internal server error")
    assert answer.detail


@pytest.mark.parametrize(
    ("accept", "body"),
    [
        pytest.param("image/png", b"hi", id="row 75 exact"),
        pytest.param("image/*", b"aGk=", id="row 75 type wildcard"),
        pytest.param("*/*", b"aGk=", id="row 75 any"),
        pytest.param("image/jpg", b"aGk=", id="row 75 other"),
        pytest.param(None, b"aGk=", id="row 75 none"),
    ],
)
def test_base64_is_decoded_for_a_client_that_accepts_binary(accept: str | None, body: bytes) -> None:
    answer = parse_result({"body": "aGk=", "isBase64Encoded": True}, accept, PNG)

    assert isinstance(answer, Response)
    assert answer.body == body


def test_bad_base64_is_a_500() -> None:
    answer = parse_result({"body": "!", "isBase64Encoded": True}, "image/png", PNG)

    assert isinstance(answer, Refusal)
    assert answer.reason.status == 500


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    JSON_VALUES
    | st.fixed_dictionaries(
        {},
        optional={
            "statusCode": JSON_VALUES,
            "headers": st.dictionaries(st.text(), st.text() | st.booleans()),
            "multiValueHeaders": st.dictionaries(st.text(), st.lists(st.text())),
            "body": JSON_VALUES,
            "isBase64Encoded": JSON_VALUES,
        },
    )
)
def test_any_result_gives_a_safe_response_or_a_refusal(result: object) -> None:
    answer = parse_result(result, "image/png", PNG)

    if isinstance(answer, Response):
        assert 200 <= answer.status <= 599
        assert not any(set(b"\r\n\0") & set(name + value) for name, value in answer.headers)
    else:
        assert answer.reason.status in (500, 502)


@given(st.binary(), st.binary(max_size=50), st.binary(max_size=50))
def test_any_request_gives_an_event_of_json(body: bytes, raw_path: bytes, query: bytes) -> None:
    request = Request("POST", "/", raw_path=raw_path, query_string=query, body=body, headers=[(b"x", body[:20])])
    event = proxy_event(request, FACTS, {}, PNG)

    assert json.loads(json.dumps(event)) == event
