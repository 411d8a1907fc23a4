"""Recorded rows 31, 32 and 89 and the rules of overrides (reference 03 section 4), through integrations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.conformance.documents import gateway, mock

JSON = "application/json"


def http(request: str, response: str) -> dict[str, Any]:
    return {
        "type": "http",
        "httpMethod": "POST",
        "uri": "http://back.test/",
        "requestTemplates": {JSON: request},
        "responses": {"default": {"statusCode": "200", "responseTemplates": {JSON: response}}},
    }


async def test_row_32_a_request_template_that_prints_nothing_sends_nothing() -> None:
    transport = ScriptedTransport([Reply()])
    api = gateway({"/x": {"post": http("$input.body.testAccess", "$input.body")}}, transport=transport)

    answer = await Client(api).post("/dev/x", body=b'{"testAccess": 1}')

    assert transport.requests[0].body == b""
    assert answer.text == "{}"  # row 31: what the back end answered was empty, too


FORM = """{
#foreach( $token in $input.path('$').split('&') )
#set( $pair = $token.split('=') )
"$util.urlDecode($pair[0])": "#if( $pair.size() >= 2 )$util.urlDecode($pair[1])#end"#if($foreach.hasNext), #end
#end
}"""


async def test_a_template_takes_a_form_apart() -> None:
    transport = ScriptedTransport([Reply()])
    integration = http("", "")
    integration["requestTemplates"] = {"application/x-www-form-urlencoded": FORM}
    headers = {"content-type": "application/x-www-form-urlencoded"}

    await Client(gateway({"/x": {"post": integration}}, transport=transport)).post(
        "/dev/x", headers=headers, body="name=Ada+L&mail=a%40b&note="
    )

    assert json.loads(transport.requests[0].body) == {"name": "Ada L", "mail": "a@b", "note": ""}


async def test_row_89_headers_that_no_template_sees() -> None:
    hidden = {
        "Connection", "Content-Length", "Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "TE",
        "Transfer-Encoding", "Trailer", "Upgrade", "WWW-Authenticate",
    }  # fmt: skip
    template = "#foreach($h in $input.params().header.keySet())$h #end"
    template += "".join(f"$input.params('{name}')" for name in sorted(hidden))
    integration = mock('{"statusCode": 200}', responseTemplates={JSON: template})
    sent = dict.fromkeys(hidden - {"Content-Length", "Transfer-Encoding"}, "v")

    answer = await Client(gateway({"/x": {"get": integration}})).get("/dev/x", headers={**sent, "X-Seen": "v"})

    seen = {name.lower() for name in answer.text.split()}
    assert "x-seen" in seen
    assert seen.isdisjoint(name.lower() for name in hidden)
    assert answer.text.endswith(" ")  # and none has a value


@pytest.mark.parametrize(
    "twice",
    [
        pytest.param("#set($context.responseOverride.status = 201)" * 2, id="03 §4: a status"),
        pytest.param('#set($context.responseOverride.header.a = "b")' * 2, id="03 §4: a header"),
        pytest.param('#set($context.requestOverride.header["a"] = "b")' * 2, id="03 §4: a request header"),
        pytest.param(
            '#set($context.requestOverride.path.a = "b")$context.requestOverride.path.put("a", "c")', id="03 §4: put"
        ),
    ],
)
async def test_the_same_override_twice_is_a_server_error(twice: str) -> None:
    answer = await Client(gateway({"/x": {"get": mock(twice + '{"statusCode": 200}')}})).get("/dev/x")

    assert (answer.status, answer.body) == (500, b'{"message":"Internal server error"}')


async def test_the_same_override_in_both_templates_is_a_server_error() -> None:
    override = "#set($context.responseOverride.status = 201)"
    integration = mock(override + '{"statusCode": 200}', responseTemplates={JSON: override})

    answer = await Client(gateway({"/x": {"get": integration}})).get("/dev/x")

    assert answer.status == 500


@pytest.mark.parametrize(
    ("value", "status"),
    [("599", 599), ("100.5", 200), ("99", 200), ("600", 200), ('"201"', 200), ("true", 200), ("$undefined", 200)],
    ids=["the greatest", "no whole number", "too small", "too great", "text", "a boolean", "nothing"],
)
async def test_a_status_that_is_none_is_no_override(value: str, status: int) -> None:
    integration = mock(f'#set($context.responseOverride.status = {value}){{"statusCode": 200}}')

    answer = await Client(gateway({"/x": {"get": integration}})).get("/dev/x")

    assert answer.status == status


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        pytest.param("[1, 'a']", "[1, a]", id="a list of the template's"),
        pytest.param("$input.path('$.list')", '[1,"a",null]', id="a list from JSON"),
        pytest.param("{'k': [true]}", "{k=[true]}", id="a map"),
        pytest.param("$input.path('$.large')", "1.0E22", id="a large double"),
        pytest.param("false", "false", id="a boolean"),
    ],
)
async def test_an_overridden_header_is_what_java_prints(value: str, shown: str) -> None:
    integration = mock(f'#set($context.responseOverride.header.x = {value}){{"statusCode": 200}}')
    body = '{"list": [1, "a", null], "large": 1e22}'

    answer = await Client(gateway({"/x": {"post": integration}})).post("/dev/x", body=body)

    assert (answer.status, answer.header("x")) == (200, shown)


@pytest.mark.parametrize("place", ["requestOverride.header", "requestOverride.querystring", "responseOverride.header"])
async def test_a_value_that_holds_itself_overrides_nothing(place: str) -> None:
    template = f"#set($m = {{}})#set($m.m = $m)#set($context.{place}.x = $m)"
    api = gateway({"/x": {"post": http(template, "")}}, transport=ScriptedTransport([Reply()]))

    answer = await Client(api).post("/dev/x", body="{}")

    assert (answer.status, answer.json()) == (500, {"message": "Internal server error"})


async def test_an_overridden_parameter_is_what_java_prints() -> None:
    template = "#set($context.requestOverride.querystring.q = {'a': 1})#set($context.requestOverride.header.h = 1.5E10)"
    transport = ScriptedTransport([Reply()])

    await Client(gateway({"/x": {"post": http(template, "")}}, transport=transport)).post("/dev/x", body="{}")

    (sent,) = transport.requests
    assert (sent.target, dict(sent.headers)[b"h"]) == (b"/?q=%7Ba%3D1%7D", b"1.5E10")
