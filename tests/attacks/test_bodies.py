"""Bodies that are too long, cut off, no JSON, nested without end, or no text."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gatewaykit import Gateway
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.attacks.checks import ISE, a_gateway, failures, http, leaks_nothing, message
from tests.conformance.documents import lambda_uri, mock, proxy

LIMIT = 10 * 1024 * 1024
TOO_LARGE = b"HTTP content length exceeded 10485760 bytes."
JSON = {"content-type": "application/json"}


def size(event: Any, context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": str(len(event["body"] or ""))}


def four_kinds(**options: Any) -> tuple[Gateway, ScriptedTransport]:
    transport = ScriptedTransport(lambda _: Reply(body=b"{}"))
    aws = {
        "type": "aws",
        "httpMethod": "POST",
        "uri": lambda_uri("whole"),
        "responses": {"default": {"statusCode": "200"}},
    }
    paths = {
        "/mock": {"any": mock(passthroughBehavior="WHEN_NO_MATCH")},
        "/http": {"any": http("http://back.test/")},
        "/http-proxy": {"any": http("http://back.test/", "http_proxy")},
        "/aws-proxy": {"any": proxy("size")},
        "/aws": {"any": aws},
    }
    functions = {"size": size, "whole": lambda event, context: event}
    return a_gateway(paths, transport=transport, functions=functions, **options), transport


KINDS = pytest.mark.parametrize("path", ["/mock", "/http", "/http-proxy", "/aws-proxy", "/aws"])


@KINDS
@pytest.mark.parametrize("declared", [True, False], ids=["with a Content-Length", "without one"])
async def test_a_body_over_the_limit_is_refused(path: str, declared: bool, caplog: pytest.LogCaptureFixture) -> None:
    api, transport = four_kinds()
    framing = {"content-length": str(LIMIT + 1)} if declared else {"transfer-encoding": "chunked"}

    async with api:
        answer = await Client(api).post(
            path, headers=framing, body=b"", feed=[b"a" * (LIMIT // 2), b"b" * (LIMIT // 2), b"c"]
        )

    assert (answer.status, answer.body) == (413, TOO_LARGE)
    assert answer.header("content-type") == "text/plain"
    assert (transport.requests, failures(caplog)) == ([], [])


@pytest.mark.parametrize("path", ["/http-proxy", "/http"])
@pytest.mark.parametrize("declared", [True, False], ids=["with a Content-Length", "without one"])
async def test_a_body_of_exactly_the_limit_passes(path: str, declared: bool) -> None:
    api, transport = four_kinds()
    framing = {"content-length": str(LIMIT)} if declared else {"transfer-encoding": "chunked"}

    async with api:
        answer = await Client(api).post(path, headers=framing, feed=[b"a" * (LIMIT // 2), b"b" * (LIMIT // 2)])

    (sent,) = transport.requests
    assert isinstance(sent.body, bytes)
    assert (answer.status, len(sent.body)) == (200, LIMIT)


@pytest.mark.parametrize("path", ["/aws-proxy", "/aws"])
async def test_a_body_within_the_limit_may_be_too_long_for_a_function(path: str) -> None:  # 01 §2
    api, _ = four_kinds()

    async with api:
        refused = await Client(api).post(path, headers=JSON, body=b'"' + b"a" * (LIMIT - 2) + b'"')
        passed = await Client(api).post(path, headers=JSON, body=b'"' + b"a" * (LIMIT // 2) + b'"')

    assert (refused.status, refused.body) == (413, b'{"message":"Request Too Long"}')
    assert passed.status == 200


async def test_a_body_that_is_announced_as_too_long_is_never_asked_for() -> None:
    api, _ = four_kinds()
    asked = False

    async def never(scope: Any, receive: Any, send: Any) -> None:
        async def watched() -> Any:
            nonlocal asked
            asked = True
            return await receive()

        await api(scope, watched, send)

    answer = await Client(never).post("/mock", headers={"content-length": str(LIMIT + 1)})

    assert (answer.status, asked) == (413, False)


@KINDS
@pytest.mark.parametrize("length", ["9" * 30, "9" * 6000], ids=["30 digits", "6000 digits"])
async def test_an_absurd_content_length_is_over_the_limit(
    path: str, length: str, caplog: pytest.LogCaptureFixture
) -> None:
    api, _ = four_kinds()

    answer = await Client(api).post(path, headers={"content-length": length}, feed=[b"x"])

    assert (answer.status, answer.body, failures(caplog)) == (413, TOO_LARGE, [])


@pytest.mark.parametrize("length", ["-1", "abc", "1_0", "", "\xb2"])
async def test_a_content_length_that_is_no_number_is_a_bad_request(
    length: str, caplog: pytest.LogCaptureFixture
) -> None:
    api, transport = four_kinds()

    answer = await Client(api).post("/http-proxy", headers={"content-length": length}, feed=[b"x"])

    assert (answer.status, answer.body, failures(caplog)) == (400, message("Bad Request"), [])
    assert transport.requests == []


# ------------------------------------------------------------------------------------------------- no JSON, too deep


def nested(depth: int, kind: str) -> bytes:
    opening, closing = {"lists": ("[", "]"), "objects": ('{"a":', "}")}[kind]
    return (opening * depth + "1" + closing * depth).encode()


DEEP = pytest.mark.parametrize("kind", ["lists", "objects"])
DEPTHS = pytest.mark.parametrize("depths", [range(300, 1100, 7), (10_000, 200_000)], ids=["about the limit", "deep"])

TREE: dict[str, Any] = {
    "x-amazon-apigateway-request-validators": {"v": {"validateRequestBody": True}},
    "components": {
        "schemas": {
            "Tree": {
                "anyOf": [
                    {"type": "number"},
                    {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                    {"type": "object", "additionalProperties": {"$ref": "#/components/schemas/Tree"}},
                ]
            }
        }
    },
}


def validated(schema: Any) -> dict[str, Any]:
    return {
        "x-amazon-apigateway-request-validator": "v",
        "requestBody": {"content": {"application/json": {"schema": schema}}},
        "x-amazon-apigateway-integration": mock(),
    }


@DEEP
@DEPTHS
async def test_a_validator_takes_a_deeply_nested_body_or_refuses_it(
    kind: str, depths: Any, caplog: pytest.LogCaptureFixture
) -> None:
    recursive = validated({"$ref": "#/components/schemas/Tree"})
    client = Client(a_gateway({"/tree": {"post": recursive}, "/any": {"post": validated({"title": "x"})}}, root=TREE))

    for depth in depths:
        for path in ("/tree", "/any"):
            answer = await client.post(path, headers=JSON, body=nested(depth, kind))

            assert answer.status in ((200, 400) if depth < 10_000 else (400,)), depth
            if answer.status == 400:
                assert answer.body == message("Invalid request body")
    assert failures(caplog) == []


TEMPLATES = {
    "$input.json": '{"statusCode": 200, "it": $input.json(\'$\')}',
    "$input.path": '#set($it = $input.path(\'$\')){"statusCode": 200, "it": "$it"}',
    "$util.parseJson": '#set($it = $util.parseJson($input.body)){"statusCode": 200, "it": "$it"}',
}


@DEEP
@DEPTHS
@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
async def test_a_template_takes_a_deeply_nested_body_or_fails_closed(
    template: str, kind: str, depths: Any, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(a_gateway({"/x": {"post": mock(template)}}))

    for depth in depths:
        caplog.clear()
        answer = await client.post("/x", headers=JSON, body=nested(depth, kind))

        leaks_nothing(answer)
        assert (answer.status, failures(caplog, answer)) in [
            (200, []),
            (500, ["MAPPING_FAILED"]),
            (500, ["CONFIGURATION"]),
        ], depth


@pytest.mark.parametrize("expression", ["$input.json('$..a')", "$input.path('$..a')"])
async def test_a_path_that_finds_the_same_things_many_times_cannot_blow_a_body_up(
    expression: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(a_gateway({"/x": {"post": mock('{"statusCode": 200, "it": ' + expression + "}")}}))
    body = b"[" + b",".join([nested(600, "objects")] * 100) + b"]"  # 0.4 MB, in which $..a finds 100 MB

    answer = await client.post("/x", headers=JSON, body=body)

    assert (answer.status, answer.body, failures(caplog, answer)) == (500, ISE, ["MAPPING_FAILED"])


@DEEP
@DEPTHS
async def test_a_mapping_takes_a_value_of_a_deeply_nested_body_or_refuses_it(
    kind: str, depths: Any, caplog: pytest.LogCaptureFixture
) -> None:
    mappings = {
        "integration.request.header.first": "method.request.body.a",
        "integration.request.header.all": "method.request.body",
    }
    transport = ScriptedTransport(lambda _: Reply(body=b"{}"))
    paths = {"/x": {"post": http("http://back.test/", "http_proxy", requestParameters=mappings)}}
    client = Client(a_gateway(paths, transport=transport))

    for depth in depths:
        answer = await client.post("/x", headers=JSON, body=nested(depth, kind))

        leaks_nothing(answer)
        assert (answer.status, answer.body) in [(200, b"{}"), (400, message("Invalid JSON in request body"))], depth
    assert failures(caplog) == []


def a_list(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("path", ["/aws-proxy", "/aws"])
async def test_a_deeply_nested_result_of_a_function_is_a_failure_of_its_own(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    aws = {
        "type": "aws",
        "httpMethod": "POST",
        "uri": lambda_uri("deep"),
        "responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": "$input.json('$')"}}},
    }
    deep: dict[str, Callable[..., Any]] = {"deep": lambda event, context: {"body": a_list(int(event["depth"]))}}
    api = a_gateway(
        {"/aws-proxy": {"post": proxy("asked")}, "/aws": {"post": aws}},
        functions={**deep, "asked": lambda event, context: {"body": a_list(int(json.loads(event["body"])["depth"]))}},
    )

    async with api:
        for depth in (*range(300, 1100, 7), 10_000):
            caplog.clear()
            answer = await Client(api).post(path, headers=JSON, body=b'{"depth": %d}' % depth)

            leaks_nothing(answer)
            if path == "/aws-proxy":
                assert (answer.status, answer.body) == (502, ISE)
                assert failures(caplog, answer) == ["INTEGRATION_RESPONSE_INVALID"]
            else:
                assert (answer.status, len(failures(caplog, answer))) in [(200, 0), (500, 1)]


async def test_a_function_whose_event_is_nested_too_deeply_is_not_called(caplog: pytest.LogCaptureFixture) -> None:
    api, _ = four_kinds()

    async with api:
        answer = await Client(api).post("/aws", headers=JSON, body=nested(10_000, "lists"))

    leaks_nothing(answer)
    assert (answer.status, failures(caplog)) == (200, [])  # Lambda's own refusal, through the default response
    assert answer.json()["Type"] == "User"


@pytest.mark.parametrize("body", [b"{", b"nope", b"NaN", b'{"a": 1} x', b"\xff\xfe{}", b"\x00", b'"\\ud800"', b"1e999"])
@KINDS
async def test_what_is_no_json_reaches_what_does_not_ask_for_json(
    path: str, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    api, _ = four_kinds()

    async with api:
        answer = await Client(api).post(path, headers=JSON, body=body)

    leaks_nothing(answer)
    assert (answer.status, failures(caplog)) == (200, [])


@pytest.mark.parametrize("body", [b"{", b"[1,", b'{"a": 1} x', b'"', b"{\xff}"])
async def test_a_mapping_that_needs_json_refuses_what_only_looks_like_it(
    body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    mappings = {"integration.request.header.h": "method.request.body.a"}
    transport = ScriptedTransport(lambda _: Reply())
    client = Client(
        a_gateway(
            {"/x": {"post": http("http://b.test/", "http_proxy", requestParameters=mappings)}}, transport=transport
        )
    )

    answer = await client.post("/x", headers=JSON, body=body)

    assert (answer.status, answer.body) == (400, message("Invalid JSON in request body"))
    assert (transport.requests, failures(caplog)) == ([], [])
