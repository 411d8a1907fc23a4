"""Events of Lambda authorizers: their keys as the guide lists them, and AWS's own models of them as an oracle."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes.api_gateway_authorizer_event import parse_api_gateway_arn
from aws_lambda_powertools.utilities.parser.models import (
    ApiGatewayAuthorizerRequest,
    ApiGatewayAuthorizerRequestV2,
    ApiGatewayAuthorizerToken,
    APIGatewayWebSocketConnectEventModel,
)
from hypothesis import given
from hypothesis import strategies as st

from gatewaykit.core.context import ApiFacts
from gatewaykit.core.http import HeaderList, Identity, Request
from gatewaykit.core.payload.authorizer_event import (
    authorizer_context,
    masked_authorizer_event,
    request_event,
    token_event,
)

FACTS = ApiFacts(api_id="abc123", stage="dev", domain_name="abc123.execute-api.us-east-1.amazonaws.com")
ARN = "arn:aws:execute-api:us-east-1:123456789012:abc123/dev/GET/pets/7"
VALUES = (("Bearer top-secret-token",), ("a", "b"))
SECRET = "Bearer top-secret-token"


def a_request(headers: HeaderList | None = None, query: bytes = b"page=1&page=2") -> Request:
    sent = [
        (b"User-Agent", b"curl/8"), (b"Authorization", SECRET.encode()), (b"X-Api-Key", b"key-0123456789"),
        (b"Cookie", b"a=1; b=2"), (b"X-Two", b"a"), (b"X-Two", b"b"),
    ]  # fmt: skip
    request = Request("GET", "/pets/7", headers=sent if headers is None else headers, query_string=query)
    request.received_s, request.resource, request.id, request.extended_id = 1767225600.5, "/pets/{id}", "r-1", "x-1="
    request.path_parameters, request.stage_variables = {"id": "7"}, {"tenant": "blue"}
    return request


def event_of(api: str, payload_format: str = "1.0", request: Request | None = None) -> dict[str, Any]:
    return request_event(request or a_request(), FACTS, ARN, VALUES, api=api, payload_format=payload_format)


REQUEST_KEYS = [
    "type", "methodArn", "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters",
    "multiValueQueryStringParameters", "pathParameters", "stageVariables", "requestContext",
]  # fmt: skip
CONTEXT_KEYS = {
    "path", "accountId", "resourceId", "stage", "requestId", "extendedRequestId", "domainName", "domainPrefix",
    "identity", "resourcePath", "httpMethod", "apiId", "protocol", "requestTime", "requestTimeEpoch",
}  # fmt: skip


def test_the_event_of_a_token_authorizer() -> None:
    event = token_event(SECRET, ARN)

    assert event == {"type": "TOKEN", "authorizationToken": SECRET, "methodArn": ARN}
    assert ApiGatewayAuthorizerToken(**event).authorizationToken == SECRET


def test_the_event_of_a_request_authorizer_has_the_keys_of_the_guide() -> None:
    event = event_of("REST")

    assert list(event) == REQUEST_KEYS
    assert set(event["requestContext"]) == CONTEXT_KEYS
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/pets/{id}", "/pets/7", "GET")
    assert event["requestContext"]["path"] == "/dev/pets/7"
    assert event["headers"]["X-Two"] == "b"
    assert event["multiValueHeaders"]["X-Two"] == ["a", "b"]
    assert event["queryStringParameters"] == {"page": "2"}
    assert event["multiValueQueryStringParameters"] == {"page": ["1", "2"]}
    assert (event["pathParameters"], event["stageVariables"]) == ({"id": "7"}, {"tenant": "blue"})
    assert event["requestContext"]["identity"]["apiKey"] == "key-0123456789"
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"


def test_what_a_request_lacks_is_empty_in_format_1() -> None:
    request = Request("GET", "/")

    event = event_of("REST", request=request)

    assert event["queryStringParameters"] == event["pathParameters"] == event["stageVariables"] == {}
    assert event["requestContext"]["identity"]["apiKey"] is None


def test_an_http_api_adds_its_identity_sources_in_format_1() -> None:
    event = event_of("HTTP")

    assert list(event) == ["version", "type", "methodArn", "identitySource", "authorizationToken", *REQUEST_KEYS[2:]]
    assert event["version"] == "1.0"
    assert event["identitySource"] == event["authorizationToken"] == f"{SECRET},a,b"
    assert set(event["requestContext"]) == CONTEXT_KEYS


def test_format_2_joins_and_leaves_out() -> None:
    event = event_of("HTTP", "2.0")

    assert list(event) == [
        "version", "type", "routeArn", "identitySource", "routeKey", "rawPath", "rawQueryString", "cookies", "headers",
        "queryStringParameters", "requestContext", "pathParameters", "stageVariables",
    ]  # fmt: skip
    assert (event["version"], event["routeArn"], event["routeKey"]) == ("2.0", ARN, "GET /pets/{id}")
    assert event["identitySource"] == [SECRET, "a,b"]
    assert (event["rawPath"], event["rawQueryString"]) == ("/dev/pets/7", "page=1&page=2")
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["x-two"] == "a,b"
    assert all(name == name.lower() and name != "cookie" for name in event["headers"])
    assert event["queryStringParameters"] == {"page": "1,2"}
    assert list(event["requestContext"]) == [
        "accountId", "apiId", "domainName", "domainPrefix", "http", "requestId", "routeKey", "stage", "time",
        "timeEpoch",
    ]  # fmt: skip
    assert event["requestContext"]["http"] == {
        "method": "GET", "path": "/dev/pets/7", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "curl/8",
    }  # fmt: skip
    assert event["requestContext"]["timeEpoch"] == 1767225600500

    bare = event_of("HTTP", "2.0", Request("GET", "/"))
    assert not {"cookies", "queryStringParameters", "pathParameters", "stageVariables"} & set(bare)
    assert (bare["routeKey"], bare["rawQueryString"]) == ("$default", "")


def test_a_handshake_has_no_path_and_names_its_route() -> None:
    event = event_of("WEBSOCKET")

    assert list(event) == [
        "type", "methodArn", "headers", "multiValueHeaders", "queryStringParameters",
        "multiValueQueryStringParameters", "stageVariables", "requestContext",
    ]  # fmt: skip
    assert event["requestContext"]["routeKey"] == "$connect"
    assert event["requestContext"]["identity"] == {
        "sourceIp": "127.0.0.1", "userAgent": "curl/8", "apiKey": "key-0123456789",
    }  # fmt: skip
    assert "queryStringParameters" not in event_of("WEBSOCKET", request=a_request(query=b""))


def test_nobody_has_authorized_the_request_yet() -> None:
    request = a_request()
    request.identity = Identity(principal="cert", kind="mtls")

    assert "authorizer" not in authorizer_context(request, FACTS, "REST")


@pytest.mark.parametrize(
    ("api", "key"), [("HTTP", "GET /pets/{id}"), ("WEBSOCKET", "$connect"), ("REST", None)], ids=["HTTP", "WS", "REST"]
)
def test_the_route_key_is_part_of_the_context_where_there_are_routes(api: str, key: str | None) -> None:
    assert authorizer_context(a_request(), FACTS, api).get("routeKey") == key


@pytest.mark.parametrize("api", ["REST", "HTTP"])
def test_powertools_reads_events_of_format_1(api: str) -> None:
    model = ApiGatewayAuthorizerRequest(**event_of(api))

    assert model.requestContext.identity.apiKey == "key-0123456789"
    assert parse_api_gateway_arn(model.methodArn).resource == "pets/7"


def test_powertools_reads_events_of_format_2() -> None:
    assert ApiGatewayAuthorizerRequestV2(**event_of("HTTP", "2.0")).identitySource == [SECRET, "a,b"]
    assert ApiGatewayAuthorizerRequestV2(**event_of("HTTP", "2.0", Request("GET", "/"))).pathParameters is None


def test_powertools_reads_handshakes() -> None:
    model = APIGatewayWebSocketConnectEventModel(**event_of("WEBSOCKET"), isBase64Encoded=False)

    assert model.request_context.connection_id


@pytest.mark.parametrize(
    "event",
    [token_event(SECRET, ARN), event_of("REST"), event_of("HTTP"), event_of("HTTP", "2.0"), event_of("WEBSOCKET")],
    ids=["TOKEN", "REST", "HTTP 1.0", "HTTP 2.0", "WEBSOCKET"],
)
def test_a_trace_shows_no_credentials(event: dict[str, Any]) -> None:
    before = json.dumps(event)
    shown = json.dumps(masked_authorizer_event(event))

    assert "top-secret" not in shown
    assert "key-0123" not in shown
    assert "a=1" not in shown
    assert ARN in shown
    assert json.dumps(event) == before


@given(
    st.lists(st.tuples(st.binary(min_size=1), st.binary())),
    st.binary(),
    st.sampled_from([("REST", "1.0"), ("HTTP", "1.0"), ("HTTP", "2.0"), ("WEBSOCKET", "1.0")]),
)
def test_any_request_gives_an_event_that_is_json(headers: HeaderList, query: bytes, kind: tuple[str, str]) -> None:
    event = event_of(*kind, a_request(headers, query))

    assert json.loads(json.dumps(event)) == event
    assert masked_authorizer_event(event)
