"""Request targets that try to get elsewhere: to another host or resource, or above where an address puts them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatewaykit import Gateway, api_key, rule
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.attacks.checks import a_gateway, failures, http, leaks_nothing, message
from tests.conformance.documents import mock, proxy

MAPPED = {"integration.request.path.proxy": "method.request.path.proxy"}
KINDS = pytest.mark.parametrize("kind", ["http", "http_proxy"])


def forwarding(uri: str, kind: str, **more: Any) -> tuple[Client, ScriptedTransport]:
    transport = ScriptedTransport(lambda _: Reply(body=b"ok"))
    integration = http(uri, kind, requestParameters=MAPPED, **more)
    return Client(a_gateway({"/{proxy+}": {"any": integration}}, transport=transport)), transport


@KINDS
@pytest.mark.parametrize(
    ("asked", "target"),
    [
        pytest.param("/a/b", b"/base/a/b", id="as it is"),
        pytest.param("//evil.test/x", b"/base/evil.test/x", id="slashes first"),
        pytest.param("/http://evil.test/x", b"/base/http://evil.test/x", id="an address"),
        pytest.param("/@evil.test/x", b"/base/@evil.test/x", id="an at sign"),
        pytest.param("/a%2Fb", b"/base/a%2Fb", id="an encoded slash stays encoded"),
        pytest.param("/a%252Fb", b"/base/a%252Fb", id="encoded twice stays so"),
        pytest.param("/a%3Fq=1%23f", b"/base/a%3Fq=1%23f", id="a question mark and a hash stay encoded"),
        pytest.param("/a%0d%0aHost:%20evil", b"/base/a%0D%0AHost:%20evil", id="line breaks stay encoded"),
        pytest.param("/a%00b", b"/base/a%00b", id="NUL stays encoded"),
        pytest.param("/a%", b"/base/a%25", id="a percent sign alone"),
        pytest.param("/a%zz", b"/base/a%25zz", id="a broken escape"),
        pytest.param("/a\\b", b"/base/a%5Cb", id="a backslash"),
        pytest.param("/..a/b../...", b"/base/..a/b../...", id="dots that are no dot segments"),
        pytest.param("/{proxy}", b"/base/%7Bproxy%7D", id="braces"),
        pytest.param("/${stageVariables.x}", b"/base/$%7BstageVariables.x%7D", id="what looks like a stage variable"),
    ],
)
async def test_what_a_parameter_becomes_in_the_address(kind: str, asked: str, target: bytes) -> None:
    client, transport = forwarding("http://back.test/base/{proxy}", kind)

    answer = await client.get(asked)

    assert answer.status == 200
    (request,) = transport.requests
    assert (request.scheme, request.host, request.port, request.target) == ("http", "back.test", 80, target)


DOTS = pytest.mark.parametrize(
    "asked",
    [
        "/..", "/../admin", "/a/../../admin", "/%2e%2e/admin", "/%2E./admin", "/..%2fadmin", "/..%2Fadmin",
        "/a%2f..%2f..%2fadmin", "/..\\admin", "/..%5cadmin", "/a/..",
    ],
)  # fmt: skip


@DOTS
@KINDS
async def test_a_parameter_cannot_lead_above_where_the_address_puts_it(
    kind: str, asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    client, transport = forwarding("http://back.test/base/{proxy}", kind)

    answer = await client.get(asked)

    assert (answer.status, answer.body, transport.requests) == (400, message("Bad Request"), [])
    assert failures(caplog) == []


@pytest.mark.parametrize(
    ("uri", "asked"),
    [
        pytest.param("http://back.test/files/{proxy}/raw", "/..", id="in the middle"),
        pytest.param("http://back.test/files/.{proxy}/raw", "/./x", id="a dot before it"),
        pytest.param("http://back.test/files/x{proxy}", "/%2f../../y", id="behind a text"),
    ],
)
@KINDS
async def test_dot_segments_are_looked_for_in_the_whole_path(kind: str, uri: str, asked: str) -> None:
    client, transport = forwarding(uri, kind)

    answer = await client.get(asked)

    assert (answer.status, transport.requests) == (400, [])


@pytest.mark.parametrize(
    "mapping",
    [
        {"requestParameters": {"integration.request.path.proxy": "method.request.querystring.q"}},
        {"requestParameters": {"integration.request.path.proxy": "method.request.header.x-p"}},
        {"requestTemplates": {"application/json": '#set($context.requestOverride.path.proxy = $input.params("q")){}'}},
    ],
    ids=["from the query", "from a header", "from a template"],
)
async def test_other_sources_cannot_lead_above_it_either(mapping: dict[str, Any]) -> None:
    transport = ScriptedTransport(lambda _: Reply())
    integration = http("http://back.test/base/{proxy}", **mapping)
    client = Client(a_gateway({"/x": {"get": integration}}, transport=transport))

    answer = await client.get("/x?q=..%2F..%2Fadmin", headers={"x-p": "../../admin"})

    assert (answer.status, transport.requests) == (400, [])


@KINDS
async def test_where_an_address_has_only_the_parameter_there_is_nothing_to_leave(kind: str) -> None:
    client, transport = forwarding("http://back.test/{proxy}", kind)

    answer = await client.get("/a/../b")

    assert (answer.status, transport.requests[0].target) == (200, b"/a/../b")


@pytest.mark.parametrize(
    ("asked", "resource"),
    [
        pytest.param("/public/../admin", "/{proxy+}", id="dots are no way to another resource"),
        pytest.param("/admin%2Fusers", "/{proxy+}", id="an encoded slash is none"),
        pytest.param("/%61dmin", "/{proxy+}", id="encoded letters are not the literal"),
        pytest.param("/admin", "/admin", id="the resource itself"),
        pytest.param("//admin", "/admin", id="slashes first"),
        pytest.param("/admin/", "/admin", id="a slash at the end"),
        pytest.param("/admin;x=1", "/{proxy+}", id="a parameter of a segment"),
        pytest.param("/ADMIN", "/{proxy+}", id="another case"),
    ],
)
async def test_which_resource_answers(asked: str, resource: str) -> None:
    shows = mock(responseTemplates={"application/json": "$context.resourcePath"})
    client = Client(a_gateway({"/admin": {"get": shows}, "/{proxy+}": {"get": shows}}))

    answer = await client.get(asked)

    assert (answer.status, answer.text) == (200, resource)


async def test_a_parameter_reaches_a_function_as_it_was_sent() -> None:
    async def echo(event: Any, context: Any) -> Any:
        return {"body": json.dumps([event["path"], event["pathParameters"]])}

    client = Client(a_gateway({"/files/{name}": {"get": proxy("f")}}, functions={"f": echo}))

    answer = await client.get("/files/..%2f..%2Fetc%2Fpasswd")

    assert answer.json() == ["/files/..%2f..%2Fetc%2Fpasswd", {"name": "..%2f..%2Fetc%2Fpasswd"}]


@pytest.mark.parametrize(
    "spelling",
    [
        "/admin/users", "//admin//users/", "/ADMIN/Users", "/./admin/users", "/x/../admin/users",
        "/x/%2e%2E/admin/users", "/admin;v=1/users", "/x/..;/admin/users", "/x\\..\\admin\\users", "/%61dmin/users",
        "/admin%2Fusers",
        "/admin/users%2f", "/admin/./users", "/x%2f..%2fadmin/users",
    ],
)  # fmt: skip
async def test_a_service_behind_is_reached_past_its_rule_by_no_spelling(spelling: str) -> None:
    transport = ScriptedTransport(lambda _: Reply(body=b"ok"))
    locked = rule("/admin/{name}", api_key({"acme": "acme-key-0123456789"}))
    client = Client(Gateway.from_upstream("http://back.test", policies=[locked], transport=transport))

    answer = await client.get(spelling)

    assert (answer.status, transport.requests) == (403, [])


NO_UTF8 = b"/caf\xe9"
UTF8 = "/café".encode()


@pytest.mark.parametrize(
    ("raw", "path", "target"),
    [
        pytest.param(NO_UTF8, "/caf%E9", b"/base/caf%E9", id="Latin-1"),
        pytest.param(UTF8, "/caf%C3%A9", b"/base/caf%C3%A9", id="UTF-8"),
        pytest.param(b"/caf%E9", "/caf%E9", b"/base/caf%E9", id="Latin-1, encoded"),
        pytest.param(b"/caf%C3%A9", "/caf%C3%A9", b"/base/caf%C3%A9", id="UTF-8, encoded"),
    ],
)
async def test_bytes_of_a_path_that_are_no_ascii_are_passed_on_encoded(raw: bytes, path: str, target: bytes) -> None:
    async def echo(event: Any, context: Any) -> Any:
        return {"body": json.dumps([event["path"], event["pathParameters"]["proxy"]])}

    transport = ScriptedTransport(lambda _: Reply())
    integration = http("http://back.test/base/{proxy}", "http_proxy", requestParameters=MAPPED)
    api: Gateway = a_gateway(
        {"/{proxy+}": {"get": proxy("f"), "post": integration}}, functions={"f": echo}, transport=transport
    )

    shown = await Client(api).get("/x", raw_path=raw)
    await Client(api).post("/x", raw_path=raw)

    assert (shown.status, shown.json()) == (200, [path, path[1:]])
    assert transport.requests[0].target == target


@pytest.mark.parametrize("query", [b"q=%ff", b"q=\xff", b"%ff=%fe", b"q=%", b"q=%u1234", b"=&&=;;&q", b"q" * 5000])
@pytest.mark.parametrize("path", ["/mock", "/http", "/aws-proxy"])
async def test_a_query_that_is_no_text_is_made_text(path: str, query: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def echo(event: Any, context: Any) -> Any:
        return {"body": json.dumps(event["multiValueQueryStringParameters"])}

    transport = ScriptedTransport(lambda _: Reply())
    mapped = {"integration.request.querystring.q": "method.request.querystring.q"}
    paths = {
        "/mock": {"get": mock(responseTemplates={"application/json": "$input.params('q')"})},
        "/http": {"get": http("http://b.test/", "http_proxy", requestParameters=mapped)},
        "/aws-proxy": {"get": proxy("f")},
    }
    api = a_gateway(paths, transport=transport, functions={"f": echo})

    answer = await Client(api).get(path, query_string=query)

    leaks_nothing(answer)
    assert (answer.status, failures(caplog)) == (200, [])
    assert all(request.target.isascii() for request in transport.requests)


@pytest.mark.parametrize("asked", ["//evil.test/x", "/http://evil.test/x", "/@evil.test", "/\\evil.test", "/%2e%2e/x"])
async def test_a_sidecar_calls_its_upstream_and_no_other(asked: str) -> None:
    transport = ScriptedTransport(lambda _: Reply())
    client = Client(Gateway.from_upstream("http://back.test:9000", transport=transport))

    answer = await client.get(asked, headers={"host": "evil.test"})

    assert answer.status == 200
    (request,) = transport.requests
    assert (request.host, request.port) == ("back.test", 9000)
    assert request.target.startswith(b"/")


@DOTS
async def test_a_sidecar_with_a_base_path_is_not_left(asked: str) -> None:
    transport = ScriptedTransport(lambda _: Reply())
    client = Client(Gateway.from_upstream("http://back.test/base", transport=transport))

    answer = await client.get(asked)

    assert (answer.status, transport.requests) == (400, [])
