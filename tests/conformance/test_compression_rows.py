"""Payload compression, reference 01 section 11 and recorded row 137, through whole gateways.

Developer guide, "Payload compression for REST APIs".
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway
from gatewaykit.definition.ledger import ENFORCED
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.conformance.documents import document, gateway, lambda_uri, mock, proxy

KEY = "x-amazon-apigateway-minimum-compression-size"
JSON = "application/json"
BODY = b'{"a": "some text, and some more of it"}'
UNSUPPORTED = b'{"message":"Unsupported Media Type"}'
GZIP = {"content-encoding": "gzip"}
ASKING = {"accept-encoding": "gzip"}
LONG = "some text " * 200


def http(kind: str = "http", **more: Any) -> dict[str, Any]:
    default = {"responses": {"default": {"statusCode": "200"}}} if kind == "http" else {}
    return {"type": kind, "httpMethod": "ANY", "uri": "http://back.test/", **default, **more}


def echo(event: Any, context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event)}


# ------------------------------------------------------------------------------------------------- requests


def receiving() -> tuple[Gateway, ScriptedTransport]:
    """Every kind of integration; each shows, or is sent, the body that came."""
    transport = ScriptedTransport(lambda _: Reply(body=b"{}"))
    aws = {"type": "aws", "httpMethod": "POST", "uri": lambda_uri("whole")}
    paths: dict[str, Any] = {
        "/mock": {"any": mock(responseTemplates={JSON: "$input.params('content-encoding')"})},
        "/http": {"any": http(requestTemplates={JSON: "[$input.body]"})},
        "/http-proxy": {"any": http("http_proxy")},
        "/aws-proxy": {"any": proxy("echo")},
        "/aws": {"any": {**aws, "responses": {"default": {"statusCode": "200"}}}},
    }
    functions = {"echo": echo, "whole": lambda event, context: event}
    return gateway(paths, transport=transport, functions=functions), transport


CODED = pytest.mark.parametrize(
    ("coding", "code"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("identity", bytes)],
    ids=["01 §11: gzip", "01 §11: deflate", "01 §11: identity"],
)
FED = pytest.mark.parametrize("feed", ["whole", "bytes"])


@CODED
@FED
async def test_a_template_sees_the_body_without_its_coding(
    coding: str, code: Callable[[bytes], bytes], feed: Any
) -> None:
    api, transport = receiving()

    answer = await Client(api).post("/dev/http", headers={"content-encoding": coding}, body=code(BODY), feed=feed)

    assert (answer.status, transport.requests[0].body) == (200, b"[" + BODY + b"]")


@CODED
@FED
@pytest.mark.parametrize("framing", ["length", "chunked"])
async def test_a_proxied_back_end_gets_the_body_without_its_coding(
    coding: str, code: Callable[[bytes], bytes], feed: Any, framing: str
) -> None:
    api, transport = receiving()
    body = code(BODY)
    framed = {"content-length": str(len(body))} if framing == "length" else {"transfer-encoding": "chunked"}

    await Client(api).post("/dev/http-proxy", headers={"content-encoding": coding, **framed}, body=body, feed=feed)

    (request,) = transport.requests
    assert request.body == BODY
    assert b"content-encoding" not in {name.lower() for name, _ in request.headers}


@CODED
async def test_a_function_gets_the_body_without_its_coding(coding: str, code: Callable[[bytes], bytes]) -> None:
    api, _ = receiving()
    async with api:
        client = Client(api)
        headers = {"content-encoding": coding}

        event = (await client.post("/dev/aws-proxy", headers=headers, body=code(BODY))).json()
        payload = (await client.post("/dev/aws", headers=headers, body=code(BODY))).json()

    assert (event["body"], event["isBase64Encoded"], event["headers"]["content-encoding"]) == (
        BODY.decode(),
        False,
        coding,
    )
    assert payload == json.loads(BODY)


async def test_the_coding_stays_readable_for_templates() -> None:
    api, _ = receiving()

    answer = await Client(api).post("/dev/mock", headers=GZIP, body=gzip.compress(b'{"statusCode": 200}'))

    assert (answer.status, answer.text) == (200, "gzip")


async def test_the_body_is_validated_without_its_coding() -> None:
    model = {"type": "object", "required": ["a"]}
    operation = {
        "x-amazon-apigateway-request-validator": "body",
        "requestBody": {"content": {JSON: {"schema": model}}},
        "x-amazon-apigateway-integration": mock(),
    }
    root = {"x-amazon-apigateway-request-validators": {"body": {"validateRequestBody": True}}}
    client = Client(gateway({"/x": {"post": operation}}, root=root))

    statuses = [
        (await client.post("/dev/x", headers=GZIP, body=gzip.compress(body))).status for body in (BODY, b'{"b": 1}')
    ]

    assert statuses == [200, 400]


KINDS = pytest.mark.parametrize("path", ["/mock", "/http", "/http-proxy", "/aws-proxy", "/aws"])


@KINDS
@FED
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        pytest.param("br", BODY, id="01 §11: an unsupported coding"),
        pytest.param("gzip, gzip", gzip.compress(gzip.compress(BODY)), id="two codings"),
        pytest.param("gzip", BODY, id="01 §11: not in the coding it names"),
        pytest.param("gzip", gzip.compress(BODY)[:-1], id="cut short"),
    ],
)
async def test_a_coding_that_cannot_be_undone_is_a_415(
    path: str, coding: str, body: bytes, feed: Any, caplog: pytest.LogCaptureFixture
) -> None:
    api, transport = receiving()

    async with api:
        answer = await Client(api).post(f"/dev{path}", headers={"content-encoding": coding}, body=body, feed=feed)

    assert (answer.status, answer.body) == (415, UNSUPPORTED)
    assert (transport.requests, caplog.records) == ([], [])


async def test_a_coding_without_a_body_is_no_error() -> None:
    api, transport = receiving()

    answers = [await Client(api).get(f"/dev{path}", headers=GZIP) for path in ("/http", "/http-proxy")]

    assert [answer.status for answer in answers] == [200, 200]
    assert [request.body for request in transport.requests] == [b"", b""]


async def test_a_binary_body_is_decoded_before_it_is_converted() -> None:
    root = {"x-amazon-apigateway-binary-media-types": ["image/png"]}
    transport = ScriptedTransport(lambda _: Reply())
    api = gateway({"/x": {"post": http(contentHandling="CONVERT_TO_TEXT")}}, transport=transport, root=root)

    await Client(api).post("/dev/x", headers={"content-type": "image/png", **GZIP}, body=gzip.compress(b"\x89PNG"))

    assert transport.requests[0].body == base64.b64encode(b"\x89PNG")


async def test_an_app_gets_the_body_that_was_sent() -> None:
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.append((dict(scope["headers"])[b"content-encoding"], (await receive())["body"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    api = gateway({"/x": {"post": {"x-gatewaykit": {"app": "own"}}}}, apps={"own": app})

    await Client(api).post("/dev/x", headers={"content-encoding": "br"}, body=b"coded")

    assert got == [(b"br", b"coded")]


# ------------------------------------------------------------------------------------------------- answers


def answering(minimum: int | None, *, headers: Any = (), body: bytes = LONG.encode(), **more: Any) -> Client:
    """An http_proxy integration that answers with this."""
    reply = Reply(headers=[(b"content-length", b"%d" % len(body)), *headers], body=body, **more)
    root = {} if minimum is None else {KEY: minimum}
    return Client(gateway({"/x": {"any": http("http_proxy")}}, transport=ScriptedTransport(lambda _: reply), root=root))


@pytest.mark.parametrize(
    ("minimum", "accept", "coding"),
    [
        pytest.param(0, "gzip", "gzip", id="01 §11: any size"),
        pytest.param(0, "deflate", "deflate", id="01 §11: deflate"),
        pytest.param(len(LONG), "gzip", "gzip", id="01 §11: as long as the threshold"),
        pytest.param(len(LONG) + 1, "gzip", None, id="01 §11: below the threshold"),
        pytest.param(None, "gzip", None, id="01 §11: not enabled"),
        pytest.param(0, None, None, id="01 §11: not asked for"),
        pytest.param(0, "*", None, id="01 §11: a star names nothing"),
        pytest.param(0, "br;q=1, gzip;q=0.5", None, id="01 §11: what is wanted most is not supported"),
        pytest.param(0, "gzip, deflate, br", "gzip", id="01 §11: what browsers send"),
        pytest.param(0, "identity;q=0.5, gzip;q=1.0", "gzip", id="01 §11: weights"),
    ],
)
async def test_an_answer_is_coded_as_the_client_asks(
    minimum: int | None, accept: str | None, coding: str | None
) -> None:
    client = answering(minimum)

    answer = await client.get("/dev/x", headers={"accept-encoding": accept} if accept else {})

    decode: dict[str | None, Callable[[bytes], bytes]] = {
        "gzip": gzip.decompress,
        "deflate": zlib.decompress,
        None: bytes,
    }
    assert answer.header("content-encoding") == coding
    assert decode[coding](answer.body).decode() == LONG
    assert answer.header("content-length") == str(len(answer.body))
    assert answer.header("vary") == ("Accept-Encoding" if minimum in (0, len(LONG)) else None)


@pytest.mark.parametrize(
    ("headers", "status", "method"),
    [
        pytest.param([(b"content-encoding", b"br")], 200, "GET", id="01 §11: it has a coding"),
        pytest.param([(b"cache-control", b"no-transform")], 200, "GET", id="nobody may touch it"),
        pytest.param([(b"content-range", b"bytes 0-9/20")], 206, "GET", id="a part"),
        pytest.param([], 204, "GET", id="no body"),
        pytest.param([], 200, "HEAD", id="HEAD"),
    ],
)
async def test_an_answer_that_is_left_as_it_is(headers: Any, status: int, method: str) -> None:
    body = b"" if status == 204 or method == "HEAD" else LONG.encode()
    plain = answering(None, headers=headers, status=status, body=body)
    client = answering(0, headers=headers, status=status, body=body)

    answers = [await each.request(method, "/dev/x", headers=ASKING) for each in (plain, client)]

    ours = (b"x-amzn-requestid", b"x-amz-apigw-id")
    shown = [
        (answer.status, answer.body, [field for field in answer.headers if field[0] not in ours]) for answer in answers
    ]
    assert shown[0] == shown[1]


async def test_an_error_of_the_gateway_is_not_coded() -> None:
    root = {KEY: 0, "x-amazon-apigateway-gateway-responses": {"DEFAULT_5XX": {"responseTemplates": {JSON: LONG}}}}
    broken = mock('{"no": "status"}')

    answer = await Client(gateway({"/x": {"get": broken}}, root=root)).get("/dev/x", headers=ASKING)

    assert (answer.status, answer.text, answer.header("content-encoding")) == (500, LONG, None)


@pytest.mark.parametrize("kind", ["mock", "http", "http_proxy", "aws", "aws_proxy", "app"])
async def test_every_kind_of_answer_is_coded(kind: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b'"', "more_body": True})
        await send({"type": "http.response.body", "body": LONG.encode() + b'"'})

    text = f'"{LONG}"'
    aws = {"type": "aws", "httpMethod": "POST", "uri": lambda_uri("f"), "responses": {"default": {"statusCode": "200"}}}
    operations: dict[str, Any] = {
        "mock": mock(responseTemplates={JSON: text}),
        "http": http(responses={"default": {"statusCode": "200", "responseTemplates": {JSON: text}}}),
        "http_proxy": http("http_proxy"),
        "aws": aws,
        "aws_proxy": proxy("proxied"),
        "app": {"x-gatewaykit": {"app": "own"}},
    }
    api = gateway(
        {"/x": {"get": operations[kind]}},
        transport=ScriptedTransport(lambda _: Reply(body=text.encode())),
        functions={"f": lambda event, context: LONG, "proxied": lambda event, context: {"body": text}},
        apps={"own": app} if kind == "app" else {},
        root={KEY: 100},
    )

    async with api:
        answer = await Client(api).get("/dev/x", headers=ASKING)

    assert (answer.status, answer.header("content-encoding")) == (200, "gzip")
    assert gzip.decompress(answer.body).decode() == text


async def test_a_binary_answer_is_converted_before_it_is_coded() -> None:
    png = b"\x89PNG" * 100
    root = {KEY: 0, "x-amazon-apigateway-binary-media-types": ["image/png"]}
    result = {"body": base64.b64encode(png).decode(), "isBase64Encoded": True, "headers": {"content-type": "image/png"}}

    async with gateway({"/x": {"get": proxy("f")}}, functions={"f": lambda event, context: result}, root=root) as api:
        answer = await Client(api).get("/dev/x", headers={"accept": "image/png", **ASKING})

    assert (answer.header("content-encoding"), gzip.decompress(answer.body)) == ("gzip", png)


async def test_a_mapped_coding_is_a_coding() -> None:
    parameters = {"method.response.header.Content-Encoding": "'own'"}
    operation = {
        "responses": {"200": {"description": "ok", "headers": {"Content-Encoding": {"schema": {"type": "string"}}}}},
        "x-amazon-apigateway-integration": mock(responseTemplates={JSON: LONG}, responseParameters=parameters),
    }

    answer = await Client(gateway({"/x": {"get": operation}}, root={KEY: 0})).get("/dev/x", headers=ASKING)

    assert (answer.header("content-encoding"), answer.text) == ("own", LONG)


async def test_a_streamed_answer_is_coded_while_it_streams() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"second"})

    api = gateway({"/x": {"get": {"x-gatewaykit": {"app": "own"}}}}, apps={"own": app}, root={KEY: 10_000})

    async with Client(api).open("GET", "/dev/x", headers=ASKING) as exchange:
        exchange.feed(b"", more=False)
        await exchange.next_message()
        first = zlib.decompressobj(31).decompress((await exchange.next_message())["body"])
        go_on.set()
        whole = gzip.decompress((await exchange.result()).body)

    assert (first, whole) == (b"first", b"firstsecond")


@pytest.mark.parametrize(("mode", "coding"), [("BUFFERED", "gzip"), ("STREAM", None)], ids=str)
async def test_04_section_10_the_streaming_transfer_mode_has_no_coding(mode: str, coding: str | None) -> None:
    reply = Reply(chunks=[b"one", LONG.encode()])
    integration = http("http_proxy", responseTransferMode=mode)
    api = gateway({"/x": {"get": integration}}, transport=ScriptedTransport([reply]), root={KEY: 0})

    answer = await Client(api).get("/dev/x", headers=ASKING)

    assert answer.header("content-encoding") == coding
    body = gzip.decompress(answer.body) if coding else answer.body
    assert body.decode() == "one" + LONG


# ------------------------------------------------------------------------------------------------- the key


@pytest.mark.parametrize("size", [-1, 10485761, "x"], ids=["row 137: -1", "row 137: too much", "row 137: text"])
def test_row_137_a_size_out_of_range_is_a_problem(size: Any) -> None:
    with pytest.raises(ConfigError, match="Invalid minimum compression size, must be between 0 and 10485760"):
        gateway({"/x": {"get": mock()}}, root={KEY: size})


@pytest.mark.parametrize("size", [0, 10485760, None], ids=["row 137: 0", "row 137: the most", "row 137: off"])
def test_row_137_a_size_in_range_is_enforced(size: int | None) -> None:
    api = Gateway.from_openapi(document({"/x": {"get": mock()}}, **{KEY: size}))

    assert [entry.status for entry in api.report if entry.key == KEY] == [ENFORCED]
