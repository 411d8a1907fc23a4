"""Recorded rows 79 to 94: HTTP and HTTP_PROXY integrations, and the headers on both sides of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from gatewaykit import Gateway
from gatewaykit.ports import UpstreamRequest
from gatewaykit.testing import Client, Reply, ScriptedTransport
from gatewaykit.testing.client import Result
from tests.conformance.documents import gateway, lambda_uri

ISE = b'{"message":"Internal server error"}'
URI = "http://back.test:9000/echo"
BOTH = pytest.mark.parametrize("kind", ["http", "http_proxy"])

CLIENT = {
    "accept": "text/html",
    "accept-encoding": "gzip",
    "user-agent": "curl/8",
    "content-type": "text/plain",
    "host": "api.example",
    "x-own": "1",
}


def http(kind: str = "http", **more: Any) -> dict[str, Any]:
    default = {"responses": {"default": {"statusCode": "200"}}} if kind == "http" else {}
    return {"type": kind, "httpMethod": "POST", "uri": URI, **default, **more}


def api_of(integration: Mapping[str, Any], transport: ScriptedTransport) -> Gateway:
    return gateway({"/x": {"any": integration}}, transport=transport)


async def call(
    integration: Mapping[str, Any], path: str = "/dev/x", *, reply: Reply | None = None, **options: Any
) -> tuple[Result, list[UpstreamRequest]]:
    """What the client gets, and what the back end was sent."""
    transport = ScriptedTransport(lambda _: reply or Reply(body=b"{}"))
    method = options.pop("method", "POST")
    answer = await Client(api_of(integration, transport)).request(method, path, **options)
    return answer, transport.requests


async def sent(integration: Mapping[str, Any], path: str = "/dev/x", **options: Any) -> UpstreamRequest:
    answer, (request,) = await call(integration, path, **options)
    assert answer.status == 200, answer
    return request


def fields(request: UpstreamRequest) -> dict[str, str]:
    return {name.decode().lower(): value.decode() for name, value in request.headers}


async def test_row_79_http_sends_what_the_gateway_adds_and_nothing_of_the_clients() -> None:
    request = await sent(http(), headers=CLIENT, body=b"hello")

    names = fields(request)
    assert sorted(names) == ["accept", "content-type", "user-agent", "x-amzn-apigateway-api-id", "x-amzn-trace-id"]
    assert (names["accept"], names["content-type"]) == ("application/json", "text/plain")
    assert names["user-agent"] == f"AmazonAPIGateway_{names['x-amzn-apigateway-api-id']}"
    assert (request.host, request.port, request.target, request.body) == ("back.test", 9000, b"/echo", b"hello")


async def test_row_80_http_proxy_forwards_the_clients_headers_and_adds_two() -> None:
    names = fields(await sent(http("http_proxy"), headers=CLIENT, body=b"hello"))

    assert {name: names[name] for name in CLIENT if name != "host"} == {
        name: value for name, value in CLIENT.items() if name != "host"
    }
    assert "host" not in names  # the transport sends the back end's
    assert names["x-amzn-trace-id"].startswith("Root=1-")
    assert names["x-amzn-apigateway-api-id"]


BACK_END_HEADERS = [
    (b"Connection", b"keep-alive"),
    (b"Content-Length", b"2"),
    (b"Content-Type", b"text/plain"),
    (b"Date", b"Thu, 01 Jan 2026 00:00:00 GMT"),
    (b"Server", b"back/1"),
    (b"x-amzn-RequestId", b"theirs"),
    (b"X-Other", b"passes"),
]


async def test_row_81_http_proxy_renames_what_the_gateway_keeps_for_itself() -> None:
    answer, _ = await call(http("http_proxy"), reply=Reply(headers=BACK_END_HEADERS, body=b"ok"))

    assert {name: answer.header(name) for name in (
        "x-amzn-remapped-connection", "x-amzn-remapped-content-length", "x-amzn-remapped-date",
        "x-amzn-remapped-server", "x-amzn-remapped-x-amzn-requestid", "x-other", "content-type",
    )} == {
        "x-amzn-remapped-connection": "keep-alive",
        "x-amzn-remapped-content-length": "2",
        "x-amzn-remapped-date": "Thu, 01 Jan 2026 00:00:00 GMT",
        "x-amzn-remapped-server": "back/1",
        "x-amzn-remapped-x-amzn-requestid": "theirs",
        "x-other": "passes",
        "content-type": "text/plain",
    }  # fmt: skip
    assert (answer.header("server"), answer.header("date"), answer.header("connection")) == (None, None, None)
    assert answer.header("x-amzn-requestid") != "theirs"
    assert answer.body == b"ok"


async def test_row_82_http_drops_the_back_ends_headers() -> None:
    answer, _ = await call(http(), reply=Reply(headers=BACK_END_HEADERS, body=b"ok"))

    assert sorted(name for name, _ in answer.headers) == [
        b"content-length", b"content-type", b"x-amz-apigw-id", b"x-amzn-requestid", b"x-amzn-trace-id",
    ]  # fmt: skip
    assert (answer.header("content-type"), answer.body) == ("application/json", b"ok")


@pytest.mark.parametrize(
    ("kind", "status"), [("http", 200), ("http_proxy", 400)], ids=["row 83: http", "row 83: proxy"]
)
async def test_row_83_a_back_ends_status_passes_only_through_a_proxy(kind: str, status: int) -> None:
    answer, _ = await call(http(kind), reply=Reply(status=400, body=b"no"))

    assert (answer.status, answer.body) == (status, b"no")


@pytest.mark.parametrize(("status", "chosen"), [(404, 400), (201, 200)], ids=["row 84: 404", "row 84: 201"])
async def test_row_84_a_selection_pattern_is_matched_with_the_status(status: int, chosen: int) -> None:
    responses = {"default": {"statusCode": "200"}, r"4\d{2}": {"statusCode": "400"}}

    answer, _ = await call(http(responses=responses), reply=Reply(status=status))

    assert answer.status == chosen


@BOTH
@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
async def test_row_85_the_back_end_sees_the_integrations_verb(kind: str, method: str) -> None:
    assert (await sent(http(kind), method=method)).method == "POST"


async def test_row_86_query_values_of_the_uri_come_before_those_added() -> None:
    integration = http(
        "http_proxy",
        uri="http://back.test?testVar={pathVar}&testQs={qsVar}",
        requestParameters={
            "integration.request.path.pathVar": "method.request.header.foobar",
            "integration.request.path.qsVar": "method.request.querystring.testVar",
            "integration.request.querystring.testQs": "method.request.querystring.testQueryString",
            "integration.request.querystring.queryString": "method.request.querystring.testQueryString",
            "integration.request.querystring.testEmptyQs": "method.request.header.emptyheader",
        },
    )

    request = await sent(integration, "/dev/x?testQueryString=foo&testVar=bar", headers={"foobar": "foobar"})

    path, _, query = request.target.decode().partition("?")
    assert path == "/"
    assert sorted(query.split("&")) == [
        "queryString=foo", "testQs=bar", "testQs=foo", "testQueryString=foo", "testVar=bar", "testVar=foobar",
    ]  # fmt: skip
    assert query.index("testQs=bar") < query.index("testQs=foo")
    assert query.index("testVar=foobar") < query.index("testVar=bar")


@BOTH
async def test_row_87_a_mapped_header_replaces_the_clients(kind: str) -> None:
    mappings = {"integration.request.header.headerVar": "method.request.querystring.q"}

    request = await sent(http(kind, requestParameters=mappings), "/dev/x?q=mapped", headers={"headervar": "client"})

    assert [value for name, value in request.headers if name.lower() == b"headervar"] == [b"mapped"]


@BOTH
async def test_row_88_a_context_variable_is_mapped_to_a_header(kind: str) -> None:
    mappings = {
        "integration.request.header.contextHeader": "context.resourceId",
        "integration.request.header.verb": "context.httpMethod",
    }

    names = fields(await sent(http(kind, requestParameters=mappings)))

    assert len(names["contextheader"]) == 6
    assert names["verb"] == "POST"


INVISIBLE = (
    "Connection", "Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "TE", "Trailer", "Upgrade",
    "WWW-Authenticate", "Transfer-Encoding",
)  # fmt: skip
VISIBLE = (
    "Accept", "Accept-Charset", "Accept-Encoding", "Age", "Authorization", "Content-Encoding", "Content-Type", "Date",
    "Host", "Pragma", "Range", "Referer", "User-Agent", "Via", "Warn",
)  # fmt: skip


async def test_row_89_some_headers_of_the_client_are_invisible_to_templates() -> None:
    names = (*INVISIBLE, *VISIBLE, "Content-Length")
    template = "{" + ",".join(f'"{name}": "$input.params(\'{name}\')"' for name in names) + "}"
    headers = {**dict.fromkeys((*INVISIBLE, *VISIBLE), "v"), "Content-Type": "application/json"}
    headers["Content-Encoding"] = "identity"  # any other is undone or refused

    request = await sent(http(requestTemplates={"application/json": template}), headers=headers, body=b"{}")

    assert isinstance(request.body, bytes)
    seen = json.loads(request.body)
    assert {name for name, value in seen.items() if value} == set(VISIBLE)


@BOTH
@pytest.mark.parametrize("name", ["Connection", "Proxy-Authenticate", "TE", "Via", "Expect"])
async def test_row_90_some_mapped_headers_are_silently_dropped(kind: str, name: str) -> None:
    mappings = {f"integration.request.header.{name}": "'mapped'"}

    assert name.lower() not in fields(await sent(http(kind, requestParameters=mappings)))


@BOTH
@pytest.mark.parametrize(
    "name",
    [
        "Accept", "Age", "Authorization", "Content-MD5", "Host", "Max-Forwards", "Server", "Trailer", "Upgrade",
        "User-Agent", "WWW-Authenticate",
    ],
)  # fmt: skip
async def test_row_90_the_others_are_sent_as_mapped(kind: str, name: str) -> None:
    mappings = {f"integration.request.header.{name}": "'mapped'"}

    request = await sent(http(kind, requestParameters=mappings), headers={name: "client"})

    assert [value for key, value in request.headers if key.lower() == name.lower().encode()] == [b"mapped"]


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding"])
@pytest.mark.parametrize("kind", ["http", "http_proxy", "aws", "aws_proxy"])
async def test_row_91_a_mapping_to_a_framing_header_fails_the_request(kind: str, name: str) -> None:
    await _fails_to_map(kind, name)


@pytest.mark.parametrize("name", ["Authorization", "Connection", "Expect", "Proxy-Authenticate", "TE"])
@pytest.mark.parametrize("kind", ["aws", "aws_proxy"])
async def test_row_92_more_headers_fail_the_request_to_a_service(kind: str, name: str) -> None:
    await _fails_to_map(kind, name)


async def _fails_to_map(kind: str, name: str) -> None:
    integration = http(kind, requestParameters={f"integration.request.header.{name}": "'1'"})
    if kind.startswith("aws"):
        integration |= {"uri": lambda_uri("echo"), "responses": {"default": {"statusCode": "200"}}}
    transport = ScriptedTransport()
    api = gateway(
        {"/x": {"any": integration}},
        transport=transport,
        functions={"echo": lambda event, context: {"statusCode": 200}},
    )

    async with api:
        answer = await Client(api).get("/dev/x")

    assert (answer.status, answer.body) == (500, ISE)
    assert answer.header("x-amzn-errortype") == "InternalServerErrorException"
    assert transport.requests == []


RENAMED = (
    "Authorization", "Connection", "Content-Length", "Content-MD5", "Date", "Expect", "Host", "Max-Forwards",
    "Proxy-Authenticate", "Server", "Trailer", "Upgrade", "User-Agent", "WWW-Authenticate",
)  # fmt: skip
AS_IS = (
    "Accept", "Accept-Charset", "Accept-Encoding", "Age", "Content-Encoding", "Content-Type", "Pragma", "Range",
    "Referer", "TE", "Via", "Warn",
)  # fmt: skip


def mapping_back(names: tuple[str, ...]) -> dict[str, Any]:
    parameters = {f"method.response.header.{name}": "'mapped'" for name in names}
    return {"default": {"statusCode": "200", "responseParameters": parameters}}


@pytest.mark.parametrize("kind", ["http", "aws"])
async def test_row_93_mapped_response_headers_are_renamed_dropped_or_sent_as_they_are(kind: str) -> None:
    integration = http(kind, responses=mapping_back((*RENAMED, *AS_IS, "Transfer-Encoding")))
    if kind == "aws":
        integration["uri"] = lambda_uri("f")
    api = gateway(
        {"/x": {"any": integration}},
        transport=ScriptedTransport(lambda _: Reply(body=b"{}")),
        functions={"f": lambda event, context: {}},
    )

    async with api:
        answer = await Client(api).post("/dev/x")

    for name in RENAMED:
        assert answer.header(f"x-amzn-Remapped-{name}") == "mapped", name
        if name != "Content-Length":
            assert answer.header(name) is None, name
    for name in AS_IS:
        assert answer.header(name) == "mapped", name
    assert answer.header("transfer-encoding") is answer.header("x-amzn-remapped-transfer-encoding") is None
    assert answer.header("content-length") == "2"


async def test_row_94_response_mappings_do_not_apply_to_a_proxy() -> None:
    answer, _ = await call(http("http_proxy", responses=mapping_back(("X-Mapped",))))

    assert answer.status == 200
    assert answer.header("x-mapped") is None
