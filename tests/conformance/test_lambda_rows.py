"""Recorded rows 53 to 76: the event of a Lambda proxy integration, and what its result becomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatewaykit import Gateway
from gatewaykit.asgi.scope import RAW_HEADERS
from gatewaykit.testing import Client
from gatewaykit.testing.client import Result
from tests.conformance.documents import gateway, proxy

ISE = b'{"message":"Internal server error"}'
ROUTES = {
    "/{proxy+}": {"any": proxy()},
    "/hardcoded": {"any": proxy()},
}


def echo(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event)}


async def event_of(path: str, **options: Any) -> Any:
    """The event that a request makes."""
    async with gateway(ROUTES, functions={"echo": echo}) as api:
        answer = await Client(api).request(options.pop("method", "GET"), path, **options)
    assert answer.status == 200
    return answer.json()


async def answer_to(result: Any, root: dict[str, Any] | None = None, **options: Any) -> Result:
    """What a client gets when the function returns `result`."""

    async def handler(event: Any, context: Any) -> Any:
        return result

    async with gateway({"/x": {"get": proxy()}}, functions={"echo": handler}, root=root) as api:
        return await Client(api).get("/dev/x", **options)


@pytest.mark.parametrize(
    ("sent", "path", "parameter", "context_path"),
    [
        pytest.param(
            "/dev/proxy-value/", "/proxy-value/", "proxy-value", "/dev/proxy-value/", id="row 53: a slash at the end"
        ),
        pytest.param(
            "/dev/proxy-value//double-slash",
            "/proxy-value//double-slash",
            "proxy-value//double-slash",
            "/dev/proxy-value//double-slash",
            id="row 54: two slashes inside",
        ),
        pytest.param(
            "//dev/proxy-value", "/proxy-value", "proxy-value", "/dev/proxy-value", id="row 55: before the stage"
        ),
        pytest.param(
            "/dev//proxy-value", "/proxy-value", "proxy-value", "/dev//proxy-value", id="row 56: behind the stage"
        ),
        pytest.param("/dev//hardcoded", "/hardcoded", None, "/dev//hardcoded", id="row 56: to a literal"),
        pytest.param(
            "/dev/user/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            "/user/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            "user/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            "/dev/user/test%2Balias@gmail.com/plus/test+alias@gmail.com",
            id="row 57: nothing is decoded",
        ),
    ],
)
async def test_the_path_of_an_event(sent: str, path: str, parameter: str | None, context_path: str) -> None:
    event = await event_of(sent)

    assert event["path"] == path
    assert event["pathParameters"] == (None if parameter is None else {"proxy": parameter})
    assert event["requestContext"]["path"] == context_path


async def test_row_58_the_query_is_decoded_once() -> None:
    event = await event_of("/dev/x?a=test%2Balias&b=x+y&c=2023-06-12T18:05:10+00:00&d=foo%20bar")

    assert event["queryStringParameters"] == {
        "a": "test+alias",
        "b": "x y",
        "c": "2023-06-12T18:05:10 00:00",
        "d": "foo bar",
    }


async def test_row_59_the_last_value_of_a_query_parameter_counts_and_all_are_kept() -> None:
    event = await event_of("/dev/x?category=electronics&category=books&price=10&price=20&price=30")

    assert event["queryStringParameters"] == {"category": "books", "price": "30"}
    assert event["multiValueQueryStringParameters"] == {
        "category": ["electronics", "books"],
        "price": ["10", "20", "30"],
    }


async def test_row_60_what_is_empty_is_null() -> None:
    event = await event_of("/dev/hardcoded")

    nothing = ("queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables", "body")
    assert {name: event[name] for name in nothing} == dict.fromkeys(nothing)
    assert event["isBase64Encoded"] is False
    assert list(event) == [
        "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext", "body",
        "isBase64Encoded",
    ]  # fmt: skip


async def test_row_61_header_names_keep_their_casing_and_authorization_gets_one() -> None:
    api = gateway(ROUTES, functions={"echo": echo})
    sent = [(b"tEsT-HEADeR", b"aValUE"), (b"aUThorization", b"x"), (b"tEsT-HEADeR", b"last")]

    async def as_our_server_calls_it(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"] = {RAW_HEADERS: sent}
        await api(scope, receive, send)

    async with api:
        answer = await Client(as_our_server_calls_it).get("/dev/x", headers=sent)

    event = answer.json()
    assert event["headers"]["tEsT-HEADeR"] == "last"
    assert event["headers"]["Authorization"] == "x"
    assert event["multiValueHeaders"]["tEsT-HEADeR"] == ["aValUE", "last"]
    assert event["multiValueHeaders"]["Authorization"] == ["x"]


async def test_row_62_the_front_end_adds_forwarding_headers_and_a_trace() -> None:
    headers = (await event_of("/dev/x", headers={"host": "api.example", "x-forwarded-for": "203.0.113.9"}))["headers"]

    assert headers["Host"] == "api.example"
    assert headers["X-Forwarded-For"] == "203.0.113.9, 127.0.0.1"
    assert (headers["X-Forwarded-Port"], headers["X-Forwarded-Proto"]) == ("80", "http")
    assert headers["X-Amzn-Trace-Id"].startswith("Root=1-")


@pytest.mark.parametrize(
    ("trusted", "scheme", "port"), [((), "http", "80"), (("127.0.0.1",), "https", "443")], ids=["anyone", "trusted"]
)
async def test_row_62_a_trusted_proxy_where_tls_ends_says_so(trusted: tuple[str, ...], scheme: str, port: str) -> None:
    api = gateway({"/x": {"get": proxy()}}, functions={"echo": echo}, trusted_proxies=trusted)

    async with api:
        answer = await Client(api).get("/dev/x", headers={"host": "api.example", "x-forwarded-proto": "https"})

    headers = answer.json()["headers"]
    assert (headers["X-Forwarded-Proto"], headers["X-Forwarded-Port"]) == (scheme, port)


async def test_row_63_the_request_context_and_the_twelve_keys_of_an_identity() -> None:
    context = (await event_of("/dev/x", headers={"user-agent": "curl/8"}))["requestContext"]

    identity = context["identity"]
    assert sorted(context) == [
        "accountId", "apiId", "deploymentId", "domainName", "domainPrefix", "extendedRequestId", "httpMethod",
        "identity", "path", "protocol", "requestId", "requestTime", "requestTimeEpoch", "resourceId", "resourcePath",
        "stage",
    ]  # fmt: skip
    assert sorted(identity) == [
        "accessKey", "accountId", "caller", "cognitoAuthenticationProvider", "cognitoAuthenticationType",
        "cognitoIdentityId", "cognitoIdentityPoolId", "principalOrgId", "sourceIp", "user", "userAgent", "userArn",
    ]  # fmt: skip
    assert {key: value for key, value in identity.items() if value is not None} == {
        "sourceIp": "127.0.0.1",
        "userAgent": "curl/8",
    }
    assert (context["resourcePath"], context["httpMethod"], context["stage"]) == ("/{proxy+}", "GET", "dev")
    assert (context["requestTime"], context["requestTimeEpoch"]) == ("01/Jan/2026:00:00:00 +0000", 1767225600000)


async def test_the_identity_of_a_keyed_method_shows_the_key_and_its_id() -> None:  # 04 §1
    key = "0123456789abcdefghij"
    keyed = {"security": [{"key": []}], "x-amazon-apigateway-integration": proxy()}
    schemes = {"securitySchemes": {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}}
    api = gateway(
        {"/x": {"get": keyed, "post": proxy()}},
        functions={"echo": echo},
        root={"components": schemes},
        api_keys={"acme": key},
    )

    async with api:
        with_key = (await Client(api).get("/dev/x", headers={"x-api-key": key})).json()
        unasked = (await Client(api).request("POST", "/dev/x", headers={"x-api-key": key})).json()

    identity = with_key["requestContext"]["identity"]
    assert (identity["apiKey"], identity["apiKeyId"]) == (key, "acme")
    assert "authorizer" not in with_key["requestContext"]
    assert "apiKey" not in unasked["requestContext"]["identity"]


async def test_row_64_a_function_is_invoked_by_post_only() -> None:
    api = gateway({"/x": {"get": proxy(method="GET")}}, functions={"echo": echo})

    answer = await Client(api).get("/dev/x")

    assert (answer.status, answer.body) == (500, ISE)
    assert answer.header("x-amzn-errortype") == "InternalServerErrorException"


@pytest.mark.parametrize(
    ("result", "status", "headers", "body"),
    [
        pytest.param({"statusCode": 200}, 200, {"content-type": "application/json"}, b"", id="row 65: a status alone"),
        pytest.param(
            {"statusCode": 200, "headers": {"test-header": "value", "header-bool": True}},
            200,
            {"test-header": "value", "header-bool": "true"},
            b"",
            id="row 66: header values become text",
        ),
        pytest.param({"statusCode": 200, "headers": None}, 200, {}, b"", id="row 67: headers null"),
        pytest.param({}, 200, {"content-type": "application/json"}, b"", id="row 70: an empty object"),
        pytest.param({"headers": {"a": "b"}}, 200, {"a": "b"}, b"", id="row 70: headers alone"),
        pytest.param({"statusCode": "201"}, 201, {}, b"", id="row 71: a status as text"),
        pytest.param(
            {"statusCode": 200, "multiValueHeaders": {"test-multi": ["value1", "value2"]}},
            200,
            {"test-multi": "value1, value2"},
            b"",
            id="row 72: several values",
        ),
        pytest.param(
            {
                "statusCode": 200,
                "headers": {"TEST": "value-solo"},
                "multiValueHeaders": {"Test": ["value-multi"]},
            },
            200,
            {"test": "value-multi, value-solo"},
            b"",
            id="row 73: merged, multi first",
        ),
        pytest.param(
            {"statusCode": 200, "body": "aGVsbG8=", "isBase64Encoded": True},
            200,
            {},
            b"aGVsbG8=",
            id="row 74: no binary types, no decoding",
        ),
    ],
)
async def test_a_result_that_is_a_response(result: Any, status: int, headers: dict[str, str], body: bytes) -> None:
    answer = await answer_to(result)

    assert (answer.status, answer.body) == (status, body)
    assert {name: answer.header(name) for name in headers} == headers
    assert answer.header("content-length") == str(len(body))


async def test_row_72_several_values_are_lines_of_their_own() -> None:
    answer = await answer_to({"multiValueHeaders": {"test-multi": ["value1", "value2"]}})

    assert [value for name, value in answer.headers if name == b"test-multi"] == [b"value1", b"value2"]


async def test_row_73_merged_values_are_one_line() -> None:
    answer = await answer_to({"headers": {"TEST": "solo"}, "multiValueHeaders": {"Test": ["multi"]}})

    assert [value for name, value in answer.headers if name.lower() == b"test"] == [b"multi, solo"]


@pytest.mark.parametrize(
    "result",
    [
        pytest.param({"statusCode": 200, "wrongValue": "x"}, id="row 68: an unknown key"),
        pytest.param("justAString", id="row 69: a string"),
        pytest.param({"statusCode": "test"}, id="row 69: a status that is no number"),
        pytest.param({"statusCode": 200, "multiValueHeaders": {"a": "b"}}, id="row 69: no list of values"),
        pytest.param([], id="04 §1: a list"),
        pytest.param(None, id="04 §1: null"),
        pytest.param({"statusCode": 200, "headers": {"a": 1}}, id="04 §1: a number as a header"),
        pytest.param({"statusCode": 200, "body": {"a": 1}}, id="04 §1: a body that is no string"),
        pytest.param({"statusCode": 200, "body": b"bytes"}, id="no JSON"),
    ],
)
async def test_a_result_that_is_none(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    answer = await answer_to(result)

    assert (answer.status, answer.body) == (502, ISE)
    assert answer.header("x-amzn-errortype") == "InternalServerErrorException"
    assert [record.reason for record in caplog.records] == ["INTEGRATION_RESPONSE_INVALID"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_row_70_a_handler_that_raises_is_a_502(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    def raises(event: Any, context: Any) -> Any:
        raise ValueError("the database password is hunter2")

    async def raises_later(event: Any, context: Any) -> Any:
        raise ValueError("the database password is hunter2")

    api = gateway({"/x": {"get": proxy()}}, functions={"echo": raises if kind == "sync" else raises_later})

    async with api:
        answer = await Client(api).get("/dev/x")

    assert (answer.status, answer.body) == (502, ISE)
    assert [record.reason for record in caplog.records] == ["FUNCTION_FAILED"]  # type: ignore[attr-defined]
    assert "hunter2" in caplog.text


PNG_BYTES = b"\x89PNG"
PNG_BASE64 = b"iVBORw=="


@pytest.mark.parametrize(
    ("configured", "accept", "body"),
    [
        pytest.param("image/png", "image/png", PNG_BYTES, id="row 75: exactly"),
        pytest.param("image/png", "image/png;q=1, */*", PNG_BYTES, id="row 75: the first type counts"),
        pytest.param("image/png", "image/*", PNG_BASE64, id="row 75: a wildcard in Accept widens nothing"),
        pytest.param("image/png", "*/*", PNG_BASE64, id="row 75: nor does any type"),
        pytest.param("image/png", "image/jpg", PNG_BASE64, id="row 75: another type"),
        pytest.param("*/test", "random/test", PNG_BASE64, id="row 75: a wildcard on the left matches nothing"),
        pytest.param("application/*", "application/pdf", PNG_BYTES, id="row 75: a configured wildcard"),
        pytest.param("image/png", None, PNG_BASE64, id="row 75: no Accept"),
    ],
)
async def test_row_75_a_binary_body_is_decoded_where_accept_names_a_binary_type(
    configured: str, accept: str | None, body: bytes
) -> None:
    answer = await answer_to(
        {"statusCode": 200, "body": PNG_BASE64.decode(), "isBase64Encoded": True},
        {"x-amazon-apigateway-binary-media-types": [configured]},
        headers={"accept": accept} if accept else {},
    )

    assert (answer.status, answer.body) == (200, body)


async def test_row_75_a_binary_request_body_reaches_the_function_as_base64() -> None:
    root = {"x-amazon-apigateway-binary-media-types": ["image/png"]}
    async with gateway(ROUTES, functions={"echo": echo}, root=root) as api:
        answer = await Client(api).post("/dev/x", headers={"content-type": "image/png"}, body=PNG_BYTES)

    event = answer.json()
    assert (event["body"], event["isBase64Encoded"]) == (PNG_BASE64.decode(), True)


async def test_row_76_mappings_and_templates_leave_the_event_alone() -> None:
    integration = proxy(
        requestParameters={
            "integration.request.header.x-added": "'mapped'",
            "integration.request.querystring.added": "'mapped'",
        },
        requestTemplates={"application/json": '{"from": "template"}'},
    )
    api: Gateway = gateway({"/x": {"post": integration}}, functions={"echo": echo})

    async with api:
        answer = await Client(api).post("/dev/x?a=1", headers={"content-type": "application/json"}, body=b'{"own":1}')

    event = answer.json()
    assert event["body"] == '{"own":1}'
    assert event["queryStringParameters"] == {"a": "1"}
    assert "x-added" not in event["headers"]


async def test_01_section_6_a_functions_headers_are_renamed_dropped_or_sent_as_they_are() -> None:
    renamed = (
        "Authorization", "Connection", "Content-Length", "Content-MD5", "Date", "Max-Forwards", "Server",
        "WWW-Authenticate",
    )  # fmt: skip
    dropped = ("Expect", "Host", "Proxy-Authenticate", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Via")
    as_is = ("Accept", "Age", "Content-Encoding", "Content-Type", "Pragma", "Range", "Referer", "User-Agent", "Warn")

    answer = await answer_to({"statusCode": 200, "headers": dict.fromkeys((*renamed, *dropped, *as_is), "own")})

    assert {name for name in renamed if answer.header(f"x-amzn-Remapped-{name}") == "own"} == set(renamed)
    assert [name for name in (*renamed, *dropped) if answer.header(name) == "own"] == []
    assert {name for name in as_is if answer.header(name) == "own"} == set(as_is)
