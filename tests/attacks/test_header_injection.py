"""What a client or a function writes into a header that is mapped: no line of a message can be added or broken."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatewaykit import Policy, cors
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.attacks.checks import ISE, SECRET, a_gateway, failures, http, leaks_nothing
from tests.conformance.documents import lambda_uri, mock, proxy

BREAKS = pytest.mark.parametrize(
    "breaking",
    ["\r\nX-Injected: 1", "\nX-Injected: 1", "\rX-Injected: 1", "\0", "\x0b", "\x7f", "\x1f"],
    ids=["CR LF", "LF", "CR", "NUL", "VT", "DEL", "US"],
)

SOURCES = {
    "query": ("method.request.querystring.q", "/x/p?q={}", b"{{}}"),
    "several query values": ("method.request.multivaluequerystring.q", "/x/p?q=a&q={}", b"{{}}"),
    "path": ("method.request.path.id", "/x/{}", b"{{}}"),
    "body": ("method.request.body.q", "/x/p", b'{{"q": {}}}'),
    "context": ("context.path", "/x/{}", b"{{}}"),
}


def percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


@BREAKS
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", ["http", "http_proxy"])
async def test_a_value_that_no_header_can_hold_is_never_sent(
    kind: str, source: str, breaking: str, caplog: pytest.LogCaptureFixture
) -> None:
    expression, path, body = SOURCES[source]
    transport = ScriptedTransport(lambda _: Reply(body=b"ok"))
    mapped = http("http://back.test/", kind, requestParameters={"integration.request.header.X-Mapped": expression})
    client = Client(a_gateway({"/x/{id}": {"post": mapped}}, transport=transport))
    told = json.dumps("a" + breaking).encode()

    answer = await client.post(
        path.format("a" + percent(breaking)), headers={"content-type": "application/json"},
        body=body.replace(b"{}", told).replace(b"{{", b"{").replace(b"}}", b"}"),
    )  # fmt: skip

    leaks_nothing(answer)
    sent = [value for request in transport.requests for name, value in request.headers if name == b"X-Mapped"]
    if source == "context":  # it is still percent-encoded there, so nothing can break out
        assert sent == [b"/prod/x/a" + percent(breaking).encode()] or sent == [b"/x/a" + percent(breaking).encode()]
    else:
        assert (answer.status, answer.body, sent) == (500, ISE, [])
        assert failures(caplog, answer) == ["MAPPING_FAILED"]


@BREAKS
@pytest.mark.parametrize("kind", ["http", "http_proxy"])
async def test_a_query_value_is_encoded_again(kind: str, breaking: str) -> None:
    transport = ScriptedTransport(lambda _: Reply(body=b"ok"))
    mapped = http(
        "http://back.test/{p}?own={p}",
        kind,
        requestParameters={
            "integration.request.querystring.q": "method.request.querystring.q",
            "integration.request.path.p": "method.request.querystring.q",
        },
    )
    client = Client(a_gateway({"/x": {"get": mapped}}, transport=transport))

    await client.get("/x?q=a" + percent(breaking))

    escaped = b"a" + percent(breaking).encode().replace(b"%58%2D%49%6E%6A%65%63%74%65%64", b"X-Injected").replace(
        b"%3A", b":"
    ).replace(b"%31", b"1")
    (request,) = transport.requests
    assert request.target.count(escaped) == 3, request.target
    assert not set(request.target) & set(range(0x21)) | set(request.target) & {0x7F}


@BREAKS
async def test_an_override_of_a_template_is_checked_too(breaking: str, caplog: pytest.LogCaptureFixture) -> None:
    transport = ScriptedTransport(lambda _: Reply(body=b"ok"))
    template = '#set($context.requestOverride.header.X-Mapped = $input.params("q")){}'
    paths = {"/x": {"post": http("http://b.test/", requestTemplates={"application/json": template})}}

    answer = await Client(a_gateway(paths, transport=transport)).post("/x?q=a" + percent(breaking))

    assert (answer.status, answer.body, transport.requests) == (500, ISE, [])
    assert failures(caplog, answer) == ["MAPPING_FAILED"]


@BREAKS
@pytest.mark.parametrize("part", ["name", "value"])
async def test_a_response_override_is_checked_too(part: str, breaking: str, caplog: pytest.LogCaptureFixture) -> None:
    name, value = ('"X-Mapped"', '$input.params("q")') if part == "value" else ('$input.params("q")', '"v"')
    template = f'#set($context.responseOverride.header[{name}] = {value}){{"statusCode": 200}}'

    answer = await Client(a_gateway({"/x": {"get": mock(template)}})).get("/x?q=a" + percent(breaking))

    assert (answer.status, answer.body) == (500, ISE)
    assert failures(caplog, answer) == ["MAPPING_FAILED"]


@BREAKS
async def test_a_mapped_response_header_is_checked(breaking: str, caplog: pytest.LogCaptureFixture) -> None:
    transport = ScriptedTransport([Reply(body=json.dumps({"v": "a" + breaking}).encode())])
    responses = {
        "default": {
            "statusCode": "200",
            "responseParameters": {"method.response.header.X-Mapped": "integration.response.body.v"},
        }
    }

    answer = await Client(
        a_gateway({"/x": {"get": http("http://b.test/", responses=responses)}}, transport=transport)
    ).get("/x")

    assert (answer.status, answer.body) == (500, ISE)
    assert failures(caplog, answer) == ["MAPPING_FAILED"]


@BREAKS
@pytest.mark.parametrize(
    "result",
    [
        pytest.param(lambda bad: {"headers": {"X-Mapped": bad}}, id="a value"),
        pytest.param(lambda bad: {"headers": {bad: "v"}}, id="a name"),
        pytest.param(lambda bad: {"multiValueHeaders": {"X-Mapped": ["ok", bad]}}, id="one of several values"),
        pytest.param(lambda bad: {"headers": {"content-type": bad}}, id="the content type"),
    ],
)
async def test_a_header_of_a_functions_result_is_checked(
    result: Any, breaking: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(event: Any, context: Any) -> Any:
        return {"statusCode": 200, **result(SECRET + breaking)}

    answer = await Client(a_gateway({"/x": {"get": proxy("f")}}, functions={"f": handler})).get("/x")

    leaks_nothing(answer)
    assert (answer.status, answer.body) == (502, ISE)
    assert failures(caplog, answer) == ["INTEGRATION_RESPONSE_INVALID"]


@pytest.mark.parametrize("name", ["", " ", "a b", "a:b", "é", "a\r\nb", "(x)"])
async def test_a_header_name_of_a_functions_result_is_a_token(name: str, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(event: Any, context: Any) -> Any:
        return {"headers": {name: "v"}}

    answer = await Client(a_gateway({"/x": {"get": proxy("f")}}, functions={"f": handler})).get("/x")

    assert (answer.status, failures(caplog, answer)) == (502, ["INTEGRATION_RESPONSE_INVALID"])


@BREAKS
@pytest.mark.parametrize(
    "source",
    ["method.request.querystring.q", "method.request.path.id", "method.request.header.x-own"],
)
async def test_a_gateway_response_leaves_such_a_header_out(source: str, breaking: str) -> None:
    responses = {"DEFAULT_5XX": {"responseParameters": {"gatewayresponse.header.X-Mapped": source}}}
    paths = {"/x/{id}": {"get": http("http://${stageVariables.unset}/")}}
    client = Client(a_gateway(paths, root={"x-amazon-apigateway-gateway-responses": responses}))

    answer = await client.get(
        "/x/a" + percent(breaking) + "?q=a" + percent(breaking), headers={"x-own": "a" + breaking}
    )

    assert answer.status == 500
    value = answer.header("x-mapped")
    assert value is None or not any(each in value for each in "\r\n\0")
    assert answer.header("x-injected") is None


@BREAKS
@pytest.mark.parametrize(
    "policy",
    [cors(["*"]), cors(["https://shop.example"]), cors(origin_regex=r"https://[\s\S]*shop\.example[\s\S]*")],
    ids=["any origin", "one origin", "a careless pattern"],
)
async def test_an_origin_is_reflected_only_if_it_is_one(policy: Policy, breaking: str) -> None:
    client = Client(a_gateway({"/x": {"get": mock()}}, policies=[policy]))

    for origin in (f"https://shop.example{breaking}", f"https://a{breaking}.shop.example"):
        for headers in ({"origin": origin}, {"origin": origin, "access-control-request-method": "GET"}):
            for method in ("GET", "OPTIONS"):
                answer = await client.request(method, "/x", headers=headers)

                assert answer.header("access-control-allow-origin") in (None, "*")
                assert answer.header("x-injected") is None


@BREAKS
async def test_requested_headers_of_a_preflight_are_reflected_only_if_they_are_names(breaking: str) -> None:
    client = Client(a_gateway({"/x": {"get": mock()}}, policies=[cors(["*"], headers=["*"])]))

    answer = await client.options(
        "/x",
        headers={
            "origin": "https://a.example",
            "access-control-request-method": "GET" + breaking,
            "access-control-request-headers": "x-a" + breaking,
        },
    )

    assert answer.header("x-injected") is None
    assert breaking not in repr(answer.headers)


@BREAKS
async def test_ids_and_traces_of_a_client_are_kept_only_if_they_are_such(breaking: str) -> None:
    async def handler(event: Any, context: Any) -> Any:
        return {"body": json.dumps(event["headers"]["X-Amzn-Trace-Id"])}

    api = a_gateway({"/x": {"get": proxy("f")}}, functions={"f": handler})
    headers = {
        "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793" + breaking,
        "x-amzn-requestid": "11111111-2222-4333-8444-555555555555" + breaking,
    }

    answer = await Client(api).get("/x", headers=headers)

    assert answer.status == 200
    assert answer.header("x-injected") is None
    assert breaking not in (answer.header("x-amzn-trace-id") or "")
    assert answer.header("x-amzn-requestid") != headers["x-amzn-requestid"]


async def test_a_functions_error_message_is_not_a_header_of_the_client(caplog: pytest.LogCaptureFixture) -> None:
    def handler(event: Any, context: Any) -> Any:
        raise ValueError(f"{SECRET}\r\nX-Injected: 1")

    aws = {
        "type": "aws",
        "httpMethod": "POST",
        "uri": lambda_uri("f"),
        "responses": {
            "default": {
                "statusCode": "200",
                "responseParameters": {"method.response.header.X-Mapped": "integration.response.body.errorMessage"},
            }
        },
    }

    async with a_gateway({"/x": {"get": aws}}, functions={"f": handler}) as api:
        answer = await Client(api).get("/x")

    leaks_nothing(answer)
    assert (answer.status, answer.body, failures(caplog, answer)) == (500, ISE, ["MAPPING_FAILED"])
