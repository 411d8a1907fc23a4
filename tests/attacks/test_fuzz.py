"""Anything a client can send, to every kind of integration: always a whole, legal answer, and no 500 for its fault.

`gatewaykit.testing.Client` checks each message against the rules of ASGI.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gatewaykit import Gateway, by, cors, throttle
from gatewaykit.ports import UpstreamRequest
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.attacks.checks import a_gateway, http
from tests.conformance.documents import lambda_uri, mock, proxy


def echo(request: UpstreamRequest) -> Reply:
    assert isinstance(request.body, bytes)
    return Reply(headers=[(b"Content-Type", b"text/plain"), (b"Server", b"back")], body=request.body)


async def show(event: Any, context: Any) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.dumps(event)}


async def whole(event: Any, context: Any) -> Any:
    return event


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


TEMPLATE = (
    '{"statusCode": 200, "body": "$util.escapeJavaScript($input.body)", "p": "$util.urlEncode($input.params(\'p\'))",'
    ' "all": "$input.params().header", "json": $input.json("$"), "a": "$input.path("$.a")", "of": "$context.identity"}'
)
MAPPINGS = {
    "integration.request.path.p": "method.request.path.p",
    "integration.request.querystring.q": "method.request.querystring.q",
    "integration.request.querystring.path": "method.request.path.p",
    "integration.request.querystring.context": "context.path",
}
HEADER = {"integration.request.header.X-Mapped": "method.request.header.x-own"}
BODY = {"integration.request.querystring.a": "method.request.body.a"}
MODEL = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string", "pattern": "^a*$"}}}
VALIDATED = {
    "x-amazon-apigateway-request-validator": "v",
    "parameters": [{"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}],
    "requestBody": {"content": {"application/json": {"schema": MODEL}}},
    "x-amazon-apigateway-integration": mock(),
}
AWS = {"type": "aws", "httpMethod": "POST", "uri": lambda_uri("whole"), "responses": {"default": {"statusCode": "200"}}}
ROOT = {
    "x-amazon-apigateway-request-validators": {"v": {"validateRequestBody": True, "validateRequestParameters": True}},
    "x-amazon-apigateway-binary-media-types": ["image/png"],
    "x-amazon-apigateway-gateway-responses": {
        "DEFAULT_4XX": {
            "responseParameters": {
                "gatewayresponse.header.x-q": "method.request.querystring.q",
                "gatewayresponse.header.x-p": "method.request.path.p",
                "gatewayresponse.header.x-own": "method.request.header.x-own",
            },
            "responseTemplates": {"application/json": '{"m":$context.error.messageString,"p":"$context.path"}'},
        }
    },
}
PATHS = {
    "/mock/{p+}": {"any": mock(TEMPLATE, responseTemplates={"application/json": TEMPLATE})},
    "/http/{p+}": {"any": http("http://back.test/base/{p}?p={p}", requestParameters={**MAPPINGS, **HEADER})},
    "/template/{p+}": {"any": http("http://back.test/{p}", requestTemplates={"application/json": TEMPLATE})},
    "/proxy/{p+}": {"any": http("http://back.test/base/{p}", "http_proxy", requestParameters={**MAPPINGS, **BODY})},
    "/stream/{p+}": {"any": http("http://back.test/{p}", "http_proxy", requestParameters=MAPPINGS)},
    "/lambda/{p+}": {"any": proxy("show")},
    "/aws/{p+}": {"any": AWS},
    "/valid/{p+}": {"any": VALIDATED},
    "/app/{p+}": {"any": {"x-gatewaykit": {"app": "hello"}}},
}


def every_kind() -> Gateway:
    return a_gateway(
        PATHS,
        root=ROOT,
        transport=ScriptedTransport(echo),
        functions={"show": show, "whole": whole},
        apps={"hello": hello},
        policies=[cors(["https://a.example"]), throttle(rate=1e9, burst=1_000_000_000, key=by.address)],
        trusted_proxies=["127.0.0.1"],
    )


def printable(alphabet: str) -> st.SearchStrategy[bytes]:
    return st.text(alphabet, max_size=12).map(lambda text: text.encode("latin-1"))


VERBS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"]) | st.from_regex(
    r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}", fullmatch=True
)
PIECES = st.sampled_from(
    [b"/", b"//", b"..", b".", b"%2f", b"%2e", b"%", b"%zz", b"%00", b"%0d%0a", b"%ff", b"\xff", b"{p}", b"${x}", b"?",
     b"#", b"@", b":", b";", b"\\", b"+", b" ", b"a", b"http://evil.test/", "é".encode()]
)  # fmt: skip
RAW = st.lists(PIECES | st.binary(max_size=4), max_size=6).map(b"".join)
NAMES = st.sampled_from(
    [b"accept", b"content-type", b"x-own", b"host", b"origin", b"cookie", b"authorization", b"x-forwarded-for",
     b"x-amzn-trace-id", b"x-amzn-requestid", b"x-api-key", b"x-http-method-override", b"connection", b"expect",
     b"content-encoding", b"access-control-request-method", b"access-control-request-headers", b"te", b"upgrade",
     b"forwarded", b"user-agent"]
)  # fmt: skip
# Field values as a server hands them on: no CR, LF or NUL, and no blanks at the ends.
VALUES = st.sampled_from(
    [b"", b"application/json", b"image/png", b"text/plain; charset=x", b"*/*", b"close, x-own", b"https://a.example",
     b"null", b"Root=1-5759e988-bd862e3fe1be46a994272793", b"DELETE", b"1.2.3.4, ::1", b"100-continue", b"gzip"]
) | st.text(
    st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=20
).map(lambda text: text.strip().encode("latin-1"))  # fmt: skip
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=6)
JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "statusCode"]), inner),
    max_leaves=6,
)
BODIES = st.binary(max_size=30) | JSONS.map(lambda value: json.dumps(value).encode())
# What a definition makes fail for a client's bytes, as API Gateway does (reference 04 section 9: "template failure",
# "illegal header"; rows 110-118): each is a MAPPING_FAILED or CONFIGURATION, never an unexpected failure.
ALLOWED_FAILURES = {"MAPPING_FAILED", "CONFIGURATION"}


@pytest.fixture(scope="module")
def records() -> Any:
    """What the gateway logs, without the propagation that pytest's own handler would copy at every example."""
    kept: list[logging.LogRecord] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            kept.append(record)

    logger, handler = logging.getLogger("gatewaykit"), Keeps()
    logger.addHandler(handler)
    logger.propagate = False
    yield kept
    logger.propagate = True
    logger.removeHandler(handler)


@settings(max_examples=max(600, settings().max_examples))
@given(
    root=st.sampled_from(sorted(PATHS) + ["/nowhere"]),
    method=VERBS,
    raw=RAW,
    query=RAW,
    headers=HEADERS,
    body=BODIES,
    feed=st.sampled_from(["whole", "bytes"]),
    chunked=st.booleans(),
)
@example(root="/http/{p+}", method="GET", raw=b"..", query=b"", headers=[], body=b"", feed="whole", chunked=False)
@example(
    root="/mock/{p+}", method="POST", raw=b"a", query=b"", headers=[], body=b'{"a": 1e400}', feed="whole", chunked=False
)
@example(
    root="/http/{p+}", method="GET", raw=b"a", query=b"", headers=[(b"x-own", b"a\x0bb")], body=b"", feed="whole",
    chunked=False,
)  # fmt: skip
def test_any_request_gets_a_whole_answer(
    records: list[Any],
    root: str,
    method: str,
    raw: bytes,
    query: bytes,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
    feed: str,
    chunked: bool,
) -> None:
    records.clear()
    raw_path = root.removesuffix("{p+}").encode() + raw.replace(b"?", b"")
    framed = [*headers, (b"transfer-encoding", b"chunked")] if chunked else headers

    async def ask() -> Any:
        async with every_kind() as api:
            return await Client(api, timeout_s=20).request(
                method, "/x", raw_path=raw_path, query_string=query, headers=framed, body=body, feed=feed
            )

    answer = asyncio.run(ask())

    assert answer.complete
    assert answer.raised is None
    reasons = [record.reason for record in records]
    assert len(reasons) == (answer.status >= 500)
    assert set(reasons) <= ALLOWED_FAILURES, (reasons, answer)
    assert all("\n" not in record.getMessage() for record in records)


@settings(max_examples=max(300, settings().max_examples))
@given(method=VERBS, raw=RAW, query=RAW, headers=HEADERS, body=BODIES, chunked=st.booleans())
def test_any_request_gets_through_a_sidecar(
    method: str, raw: bytes, query: bytes, headers: list[tuple[bytes, bytes]], body: bytes, chunked: bool
) -> None:
    transport = ScriptedTransport(echo)
    framed = [*headers, (b"transfer-encoding", b"chunked")] if chunked else headers

    async def ask() -> Any:
        async with Gateway.from_upstream("http://back.test", transport=transport) as api:
            return await Client(api, timeout_s=20).request(
                method, "/x", raw_path=b"/" + raw.replace(b"?", b""), query_string=query, headers=framed, body=body
            )

    answer = asyncio.run(ask())

    assert answer.complete
    assert answer.status in (200, 400), answer
    for request in transport.requests:
        assert (request.host, request.port, request.target[:1]) == ("back.test", 80, b"/")
        assert all(33 <= byte < 127 for byte in request.target)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
RESULTS = ANY_JSON | st.fixed_dictionaries(
    {},
    optional={
        "statusCode": ANY_JSON | st.integers(90, 700),
        "headers": ANY_JSON | st.dictionaries(st.text(max_size=8), st.text(max_size=8) | st.booleans()),
        "multiValueHeaders": ANY_JSON | st.dictionaries(st.text(max_size=8), st.lists(st.text(max_size=8))),
        "body": ANY_JSON,
        "isBase64Encoded": ANY_JSON,
    },
)


@settings(max_examples=max(300, settings().max_examples))
@given(result=RESULTS, accept=VALUES, method=st.sampled_from(["GET", "HEAD"]))
def test_any_result_of_a_function_gives_a_whole_answer(
    records: list[Any], result: Any, accept: bytes, method: str
) -> None:
    records.clear()

    async def handler(event: Any, context: Any) -> Any:
        return result

    async def ask(kind: str) -> Any:
        integration = proxy("f") if kind == "aws_proxy" else AWS | {"uri": lambda_uri("f")}
        root = {"x-amazon-apigateway-binary-media-types": ["image/png"]}
        async with a_gateway({"/x": {"any": integration}}, root=root, functions={"f": handler}) as api:
            return await Client(api, timeout_s=20).request(method, "/x", headers=[(b"accept", accept)])

    for kind in ("aws_proxy", "aws"):
        records.clear()
        answer = asyncio.run(ask(kind))

        assert (answer.complete, answer.raised) == (True, None)
        assert len(records) == (answer.status >= 500 and bool(records))
        assert {record.reason for record in records} <= {"INTEGRATION_RESPONSE_INVALID", "MAPPING_FAILED"}
