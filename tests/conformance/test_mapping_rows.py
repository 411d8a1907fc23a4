"""Recorded rows 34 to 41 (templates through integrations), 95 to 97b (AWS) and 104 to 118 (content handling)."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from gatewaykit.testing import Client, Reply, ScriptedTransport
from gatewaykit.testing.client import Result
from tests.conformance.documents import gateway, lambda_uri, mock

JSON = "application/json"
ISE = b'{"message":"Internal server error"}'


def mocked(request: str, response: str | None = None) -> dict[str, Any]:
    return mock(request, **({} if response is None else {"responseTemplates": {JSON: response}}))


async def get(integration: dict[str, Any], path: str = "/dev/x", resource: str = "/x", **options: Any) -> Result:
    return await Client(gateway({resource: {"get": integration}})).get(path, **options)


# ------------------------------------------------------------------------------------------------- MOCK


async def test_row_34_response_templates_of_a_mock_see_the_parameters() -> None:
    template = "$input.params().path.id $input.params('data') $input.params('nothing')"

    answer = await get(mocked('{"statusCode": 200}', template), "/dev/pets/7?data=d", "/pets/{id}")

    assert answer.text == "7 d "


async def test_row_35_an_override_is_carried_from_the_request_to_the_response_template() -> None:
    request = '#set($context.requestOverride.path.body = $input.params("id")){"statusCode": 200}'

    answer = await get(mocked(request, "$context.requestOverride.path.body"), "/dev/pets/7", "/pets/{id}")

    assert answer.text == "7"


OVERRIDES = (
    '#set($context.responseOverride.status = 444)#set($context.responseOverride.header.foo = "bar")'
    '#set($context.responseOverride.custom = "x"){"statusCode": 200}'
)
SHOWN = "$context.responseOverride.status $context.responseOverride.header.foo $context.responseOverride.custom"


@pytest.mark.parametrize(
    ("response", "text"), [(SHOWN, "444 bar x"), (None, "")], ids=["row 36: read again", "row 36: no template"]
)
async def test_row_36_a_request_template_of_a_mock_overrides_the_response(response: str | None, text: str) -> None:
    answer = await get(mocked(OVERRIDES, response))

    assert (answer.status, answer.header("foo"), answer.text) == (444, "bar", text)


@pytest.mark.parametrize(
    "assignment",
    [
        pytest.param('#set($n = "k")#set($context.requestOverride.querystring[$n] = "v")', id="row 37: an index"),
        pytest.param('#set($n = "k")$context.requestOverride.querystring.put($n, "v")', id="row 37: put"),
        pytest.param('#set($context["requestOverride"].querystring["k"] = "v")', id="row 37: indices all the way"),
    ],
)
async def test_row_37_three_ways_to_write_an_override(assignment: str) -> None:
    answer = await get(mocked(assignment + '{"statusCode": 200}', "$context.requestOverride.querystring.k"))

    assert answer.text == "v"


@pytest.mark.parametrize(
    ("template", "status"),
    [
        pytest.param("{statusCode: 200}", 200, id="row 38: a bare key"),
        pytest.param('{"statusCode": 200,}', 200, id="row 38: a comma at the end"),
        pytest.param("{'statusCode': 200 ,, }", 200, id="04 §7: single quotes"),
        pytest.param('{"statusCode": "200"}', 500, id="04 §7: a string"),
        pytest.param('"statusCode": 200', 500, id="04 §7: no braces"),
    ],
)
async def test_row_38_a_mock_reads_its_status_leniently(template: str, status: int) -> None:
    answer = await get(mocked(template))

    assert answer.status == status


async def test_row_39_without_response_templates_a_mock_is_empty() -> None:
    answer = await get(mocked('{"statusCode": 200}'))

    assert (answer.status, answer.body) == (200, b"")


async def test_row_40_the_keys_of_the_context() -> None:
    template = (
        "#foreach($k in $context.keySet())$k #end/#foreach($k in $context.identity.keySet())$k #end/"
        "$context.get('identity')/#foreach($k in $context.authorizer.keySet())$k#end/$context.identity.user"
    )

    answer = await get(mocked('{"statusCode": 200}', template))

    context, identity, *printed = answer.text.split("/")
    assert set(context.split()) == {
        "resourceId", "resourcePath", "httpMethod", "extendedRequestId", "requestTime", "path", "accountId", "protocol",
        "requestOverride", "stage", "domainPrefix", "requestTimeEpoch", "requestId", "identity", "domainName",
        "deploymentId", "responseOverride", "apiId",
    }  # fmt: skip
    assert set(identity.split()) == {
        "cognitoIdentityPoolId", "accountId", "cognitoIdentityId", "caller", "sourceIp", "principalOrgId", "accessKey",
        "cognitoAuthenticationType", "cognitoAuthenticationProvider", "userArn", "userAgent", "user",
    }  # fmt: skip
    assert printed == ["", "", ""]


async def test_row_41_a_reference_with_hyphens_names_an_overridden_header() -> None:
    template = '#set($context.requestOverride.header.X-Amz-Target = "AWSEvents.PutEvents"){}'
    transport = ScriptedTransport([Reply()])
    integration = http(requestTemplates={JSON: template})

    await Client(gateway({"/x": {"post": integration}}, transport=transport)).post("/dev/x")

    assert (b"X-Amz-Target", b"AWSEvents.PutEvents") in transport.requests[0].headers


# ------------------------------------------------------------------------------------------------- AWS: functions


def aws(**more: Any) -> dict[str, Any]:
    return {
        "type": "aws",
        "httpMethod": "POST",
        "uri": lambda_uri("f"),
        "responses": {"default": {"statusCode": "200"}},
        **more,
    }


async def post(integration: dict[str, Any], handler: Callable[..., Any], body: bytes = b"", **options: Any) -> Result:
    async with gateway({"/x": {"post": integration}}, functions={"f": handler}) as api:
        return await Client(api).post("/dev/x", body=body, **options)


PATTERNS = {
    "default": {"statusCode": "200"},
    ".*four hundred.*": {"statusCode": "405"},
    ".+": {"statusCode": "502"},
    "200": {"statusCode": "504"},
}


@pytest.mark.parametrize(
    ("message", "status"),
    [
        pytest.param(None, 200, id="row 95: no error"),
        pytest.param("it is four hundred today", 405, id="row 95: the pattern that fits"),
        pytest.param("anything else", 502, id="row 95: the pattern for all"),
    ],
)
async def test_row_95_patterns_are_matched_with_the_error_message(message: str | None, status: int) -> None:
    def handler(event: Any, context: Any) -> Any:
        if message is not None:
            raise LookupError(message)
        return {"statusCode": 504}

    answer = await post(aws(responses=PATTERNS), handler)

    assert answer.status == status
    if message is None:
        assert answer.json() == {"statusCode": 504}
    else:
        error = answer.json()
        assert (error["errorMessage"], error["errorType"]) == (message, "LookupError")
        assert list(error) == ["errorMessage", "errorType", "requestId", "stackTrace"]


async def test_row_96_without_content_type_and_template_the_body_passes_through() -> None:
    answer = await post(aws(), lambda event, context: event, b'{"message": "hello"}')

    assert (answer.status, answer.json()) == (200, {"message": "hello"})
    assert answer.header("x-amzn-trace-id")


@pytest.mark.parametrize(("good", "status"), [(True, 202), (False, 400)], ids=["row 97: then", "row 97: else"])
async def test_row_97_a_response_template_overrides_the_selected_status(good: bool, status: int) -> None:
    template = (
        "#if($input.path('$.good'))#set($context.responseOverride.status = 202)"
        "#else#set($context.responseOverride.status = 400)#end$input.json('$')"
    )
    responses = {"default": {"statusCode": "200", "responseTemplates": {JSON: template}}}

    answer = await post(aws(responses=responses), lambda event, context: {"good": good})

    assert (answer.status, answer.json()) == (status, {"good": good})


async def test_row_97b_an_asynchronous_invocation_is_answered_at_once() -> None:
    called, go_on = asyncio.Event(), asyncio.Event()

    async def handler(event: Any, context: Any) -> Any:
        called.set()
        await go_on.wait()

    integration = aws(requestParameters={"integration.request.header.X-Amz-Invocation-Type": "'Event'"})
    async with gateway({"/x": {"post": integration}}, functions={"f": handler}) as api:
        answer = await Client(api).post("/dev/x", body=b"{}")
        await asyncio.wait_for(called.wait(), 10)
        go_on.set()

    assert (answer.status, answer.body) == (200, b"")


# ------------------------------------------------------------------------------------------------- content handling

R = gzip.compress(b"compressed", mtime=0)
E = base64.b64encode(R)
T = b"some text"
REPLACED = R.decode("utf-8", "replace").encode()
BODIES = {"R": R, "E": E, "T": T}
PNG = {"x-amazon-apigateway-binary-media-types": ["image/png"]}


def http(**more: Any) -> dict[str, Any]:
    return {
        "type": "http",
        "httpMethod": "POST",
        "uri": "http://back.test/",
        "responses": {"default": {"statusCode": "200"}},
        **more,
    }


def handling(value: str | None) -> dict[str, Any]:
    return {} if value is None else {"contentHandling": value}


UNTOUCHED = {"R": R, "E": E, "T": T}
AS_TEXT = {"R": REPLACED, "E": E, "T": T}
ENCODED = {"R": E, "E": base64.b64encode(E), "T": base64.b64encode(T)}
DECODED = {"R": None, "E": R, "T": None}


@pytest.mark.parametrize("payload", ["R", "E", "T"])
@pytest.mark.parametrize(
    ("value", "content_type", "binary", "received"),
    [
        pytest.param(None, "image/png", False, AS_TEXT, id="row 104"),
        pytest.param(None, "image/png", True, UNTOUCHED, id="row 105"),
        pytest.param(None, "text/plain", True, AS_TEXT, id="row 106"),
        pytest.param("CONVERT_TO_TEXT", "image/png", True, ENCODED, id="row 107"),
        pytest.param("CONVERT_TO_TEXT", "text/plain", True, AS_TEXT, id="row 108"),
        pytest.param("CONVERT_TO_BINARY", "image/png", True, UNTOUCHED, id="row 109"),
        pytest.param("CONVERT_TO_BINARY", "text/plain", True, DECODED, id="row 110"),
        pytest.param("CONVERT_TO_BINARY", "image/png", False, DECODED, id="row 110: no binary types"),
    ],
)
async def test_what_a_back_end_receives(
    value: str | None, content_type: str, binary: bool, received: dict[str, bytes | None], payload: str
) -> None:
    transport = ScriptedTransport(lambda _: Reply(body=b"{}"))
    api = gateway({"/x": {"post": http(**handling(value))}}, transport=transport, root=PNG if binary else {})

    answer = await Client(api).post("/dev/x", headers={"content-type": content_type}, body=BODIES[payload])

    expected = received[payload]
    if expected is None:
        assert (answer.status, answer.body, transport.requests) == (500, ISE, [])
    else:
        assert (answer.status, transport.requests[0].body) == (200, expected)


@pytest.mark.parametrize(
    ("content_type", "status"),
    [("application/json", 500), ("text/plain", 200)],
    ids=["row 111: a template fits", "row 111: none fits"],
)
async def test_row_111_a_binary_body_cannot_enter_a_template(content_type: str, status: int) -> None:
    transport = ScriptedTransport(lambda _: Reply(body=b"{}"))
    integration = http(**handling("CONVERT_TO_BINARY"), requestTemplates={JSON: "$input.body"})
    api = gateway({"/x": {"post": integration}}, transport=transport, root=PNG)

    answer = await Client(api).post("/dev/x", headers={"content-type": content_type}, body=E)

    assert answer.status == status
    assert [request.body for request in transport.requests] == ([R] if status == 200 else [])


TEXT, BINARY = "text/plain", "image/png"


@pytest.mark.parametrize("payload", ["R", "E", "T"])
@pytest.mark.parametrize(
    ("value", "content_type", "accept", "received"),
    [
        pytest.param(None, TEXT, BINARY, DECODED, id="row 112"),
        pytest.param(None, BINARY, BINARY, UNTOUCHED, id="row 113"),
        pytest.param(None, TEXT, TEXT, AS_TEXT, id="row 114"),
        pytest.param(None, BINARY, TEXT, ENCODED, id="row 115"),
        pytest.param("CONVERT_TO_TEXT", BINARY, BINARY, ENCODED, id="row 116: binary wanted"),
        pytest.param("CONVERT_TO_TEXT", BINARY, TEXT, ENCODED, id="row 116: text wanted"),
        pytest.param("CONVERT_TO_TEXT", TEXT, BINARY, AS_TEXT, id="row 116: a text payload"),
        pytest.param("CONVERT_TO_BINARY", TEXT, TEXT, DECODED, id="row 117: text wanted"),
        pytest.param("CONVERT_TO_BINARY", TEXT, BINARY, DECODED, id="row 117: binary wanted"),
        pytest.param("CONVERT_TO_BINARY", BINARY, TEXT, UNTOUCHED, id="row 117: a binary payload"),
    ],
)
async def test_what_a_client_receives(
    value: str | None, content_type: str, accept: str, received: dict[str, bytes | None], payload: str
) -> None:
    reply = Reply(headers=[(b"Content-Type", content_type.encode())], body=BODIES[payload])
    integration = http(responses={"default": {"statusCode": "200", **handling(value)}})
    api = gateway({"/x": {"post": integration}}, transport=ScriptedTransport([reply]), root=PNG)

    answer = await Client(api).post("/dev/x", headers={"accept": accept})

    expected = received[payload]
    assert (answer.status, answer.body) == ((500, ISE) if expected is None else (200, expected))


@pytest.mark.parametrize(
    ("value", "status", "body"),
    [("CONVERT_TO_TEXT", 200, json.dumps({"got": E.decode()}).encode()), ("CONVERT_TO_BINARY", 500, ISE)],
    ids=["row 118: text", "row 118: binary"],
)
async def test_row_118_a_response_template_sees_text_only(value: str, status: int, body: bytes) -> None:
    reply = Reply(headers=[(b"Content-Type", b"text/plain")], body=E)
    template = '{"got": "$input.body"}'
    responses = {"default": {"statusCode": "200", **handling(value), "responseTemplates": {JSON: template}}}
    api = gateway({"/x": {"post": http(responses=responses)}}, transport=ScriptedTransport([reply]), root=PNG)

    answer = await Client(api).post("/dev/x")

    assert (answer.status, answer.body) == (status, body)
