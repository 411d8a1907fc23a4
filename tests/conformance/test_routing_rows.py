"""Recorded rows 1 to 13: routing, errors and the envelope of a REST API."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gatewaykit import ConfigError
from gatewaykit.testing import Client, Reply, ScriptedTransport
from tests.conformance.documents import gateway, mock, proxy

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def says(text: str) -> dict[str, Any]:
    return mock(responseTemplates={"application/json": text})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("GET", "/dev/nowhere", id="row 1: unknown path"),
        pytest.param("DELETE", "/dev/test", id="row 2: the resource has no such method"),
    ],
)
async def test_what_fits_no_route_is_a_missing_authentication_token(method: str, path: str) -> None:
    answer = await Client(gateway({"/test": {"get": mock()}})).request(method, path)

    assert (answer.status, answer.json()) == (403, {"message": "Missing Authentication Token"})
    assert answer.header("x-amzn-errortype") == "MissingAuthenticationTokenException"
    assert answer.header("content-type") == "application/json"


@pytest.mark.parametrize("path", ["/dev/nowhere", "/dev/test"], ids=["no resource", "no method"])
@pytest.mark.parametrize(
    ("authorization", "error_type", "message"),
    [
        pytest.param(
            "Bearer abc",
            "IncompleteSignatureException",
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with "
            "Base64): 'w1Xc6WwWEogNEZQP/dkBTThsJT4MNlKmzQanIm970rY='.",
            id="01 §1: a bearer token",
        ),
        pytest.param(
            "AWS4-HMAC-SHA256 Credential=a",
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
            id="01 §1: a signature",
        ),
    ],
)
async def test_what_fits_no_route_is_looked_at_for_a_signature(
    path: str, authorization: str, error_type: str, message: str
) -> None:
    api = Client(gateway({"/test": {"get": mock()}}))

    answer = await api.request("DELETE", path, headers={"authorization": authorization})

    assert (answer.status, answer.json()) == (403, {"message": message})
    assert answer.header("x-amzn-errortype") == error_type


async def test_the_web_profile_looks_for_no_signature() -> None:
    api = Client(gateway({"/test": {"get": mock()}}, profile="web"))

    answer = await api.get("/dev/nowhere", headers={"authorization": "Bearer abc"})

    assert answer.json() == {"message": "Missing Authentication Token"}


ROUTES = {
    "/test": {"post": says("static")},
    "/test/any": {"any": says("any")},
    "/{proxy+}": {"options": says("greedy")},
}
SIBLINGS = {
    "/part1": {"get": says("part1")},
    "/part1/hardcoded-value": {"get": says("hardcoded")},
    "/{param+}": {"get": says("param")},
}


@pytest.mark.parametrize(
    ("routes", "method", "path", "leaf"),
    [
        pytest.param(ROUTES, "OPTIONS", "/dev/test", "greedy", id="row 3: path and verb are matched together"),
        pytest.param(ROUTES, "OPTIONS", "/dev/test/any", "any", id="row 4: the ANY of the literal wins"),
        pytest.param(SIBLINGS, "GET", "/dev/part1/random-value", "param", id="row 5: a literal prefix is no trap"),
        pytest.param(dict(reversed(SIBLINGS.items())), "GET", "/dev/part1/random-value", "param", id="row 5: reversed"),
        pytest.param(SIBLINGS, "GET", "/dev/part1/hardcoded-value", "hardcoded", id="row 5: the literal"),
        pytest.param(SIBLINGS, "GET", "/dev/part1/", "part1", id="01 §1: a trailing slash does not count"),
        pytest.param(SIBLINGS, "GET", "//dev/part1", "part1", id="row 55: slashes before the stage"),
        pytest.param(SIBLINGS, "GET", "/dev//part1", "part1", id="row 56: slashes behind the stage"),
    ],
)
async def test_the_best_route_that_fits_answers(routes: Any, method: str, path: str, leaf: str) -> None:
    answer = await Client(gateway(routes)).request(method, path)

    assert (answer.status, answer.text) == (200, leaf)


async def test_the_method_override_header_replaces_the_verb() -> None:
    api = Client(gateway({"/x": {"put": says("put"), "post": says("post")}}))

    answer = await api.request("POST", "/dev/x", headers={"x-http-method-override": "PUT"})

    assert answer.text == "put"


@pytest.mark.parametrize(("path", "status"), [("/dev/x", 200), ("/dev/y", 403)], ids=["an answer", "an error"])
async def test_row_6_every_answer_has_both_ids_and_mock_has_no_trace(path: str, status: int) -> None:
    answer = await Client(gateway({"/x": {"get": mock()}})).get(path)

    assert answer.status == status
    assert UUID.fullmatch(answer.header("x-amzn-requestid") or "")
    assert re.fullmatch(r"[A-Za-z0-9+/]{15}=", answer.header("x-amz-apigw-id") or "")
    assert answer.header("x-amzn-trace-id") is None


async def test_a_client_may_choose_the_request_id_if_it_is_a_uuid() -> None:
    api, chosen = Client(gateway({"/x": {"get": mock()}})), "11111111-2222-4333-8444-555555555555"

    kept = await api.get("/dev/x", headers={"x-amzn-requestid": chosen})
    replaced = await api.get("/dev/x", headers={"x-amzn-requestid": "mine"})

    assert kept.header("x-amzn-requestid") == chosen
    assert replaced.header("x-amzn-requestid") != "mine"


ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"


async def test_an_error_before_the_call_of_a_back_end_shows_no_trace() -> None:
    back_end = {"type": "http", "httpMethod": "POST", "uri": "http://back.test/", "responses": {}}
    mapped = {**back_end, "requestParameters": {"integration.request.header.x": "method.request.body"}}
    transport = ScriptedTransport([])

    answer = await Client(gateway({"/x": {"post": mapped}}, transport=transport)).post("/dev/x", body='{"a":\n1}')

    assert (answer.status, transport.requests, answer.header("x-amzn-trace-id")) == (500, [], None)


@pytest.mark.parametrize(
    ("sent", "pattern"),
    [
        pytest.param(None, r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}(;Parent=[0-9a-f]{16};Sampled=0)?", id="row 6: fresh"),
        pytest.param(
            f"{ROOT};Parent=53995c3f42cd8ad8;Sampled=1",
            f".*{ROOT};Parent=53995c3f42cd8ad8;Sampled=1",
            id="row 7: the client's value, Parent second",
        ),
        pytest.param(ROOT, f"{ROOT};Parent=[0-9a-f]{{16}}(;.*)?", id="row 8: Root kept, Parent made"),
    ],
)
async def test_the_trace_of_an_integration_that_was_called(sent: str | None, pattern: str) -> None:
    api = gateway({"/x": {"get": proxy()}}, functions={"echo": lambda event, context: {"statusCode": 200}})

    async with api:
        answer = await Client(api).get("/dev/x", headers={"x-amzn-trace-id": sent} if sent else {})

    assert re.fullmatch(pattern, answer.header("x-amzn-trace-id") or ""), answer.header("x-amzn-trace-id")


async def test_row_9_the_default_body_is_the_quoted_message() -> None:
    answer = await Client(gateway({"/x": {"get": mock()}})).get("/dev/nowhere")

    assert answer.body == b'{"message":"Missing Authentication Token"}'


def responses(**types: Any) -> dict[str, Any]:
    return {"x-amazon-apigateway-gateway-responses": types}


TEMPLATE = {"application/json": '{"type":"$context.error.responseType","stage":"$context.stage"}'}


async def test_row_11_an_uncustomised_type_takes_over_the_default() -> None:
    api = gateway(
        {"/x": {"get": {"type": "http", "httpMethod": "GET", "uri": "http://${stageVariables.host}/"}}},
        root=responses(
            DEFAULT_5XX={
                "statusCode": 599,
                "responseParameters": {"gatewayresponse.header.x-why": "'default'"},
                "responseTemplates": TEMPLATE,
            }
        ),
    )

    answer = await Client(api).get("/dev/x")

    assert (answer.status, answer.header("x-why")) == (599, "default")
    assert answer.json() == {"type": "API_CONFIGURATION_ERROR", "stage": "dev"}


async def test_row_11_a_type_of_its_own_ignores_the_default() -> None:
    api = gateway(
        {"/x": {"get": mock()}},
        root=responses(
            DEFAULT_4XX={"statusCode": 499, "responseTemplates": TEMPLATE},
            MISSING_AUTHENTICATION_TOKEN={"responseParameters": {"gatewayresponse.header.x-why": "'own'"}},
        ),
    )

    answer = await Client(api).get("/dev/nowhere")

    assert (answer.status, answer.header("x-why")) == (403, "own")
    assert answer.json() == {"message": "Missing Authentication Token"}


async def test_row_12_templates_alone_keep_the_status() -> None:
    api = gateway({"/x": {"get": mock()}}, root=responses(MISSING_AUTHENTICATION_TOKEN={"responseTemplates": TEMPLATE}))

    answer = await Client(api).get("/dev/nowhere")

    assert (answer.status, answer.json()["type"]) == (403, "MISSING_AUTHENTICATION_TOKEN")


async def test_row_13_an_unset_stage_variable_makes_the_endpoint_invalid(caplog: pytest.LogCaptureFixture) -> None:
    api = gateway({"/x": {"get": {"type": "http", "httpMethod": "GET", "uri": "http://${stageVariables.host}/"}}})

    answer = await Client(api).get("/dev/x")

    assert (answer.status, answer.body) == (500, b'{"message":"Internal server error"}')
    assert answer.header("x-amzn-errortype") == "InternalServerErrorException"
    assert [record.reason for record in caplog.records] == ["ENDPOINT_INVALID"]  # type: ignore[attr-defined]
    assert "Invalid endpoint address" in caplog.text
    assert (answer.header("x-amzn-requestid") or "-") in caplog.text


async def test_row_99_stage_variables_stand_in_host_path_and_query() -> None:
    transport = ScriptedTransport([Reply(body=b"{}")])
    uri = "http://${stageVariables.host}/${stageVariables.path}?${stageVariables.query}"
    api = gateway(
        {"/x": {"get": {"type": "http_proxy", "httpMethod": "GET", "uri": uri}}},
        transport=transport,
        stage_variables={"host": "backend.test:9000", "path": "a/b", "query": "k=v"},
    )

    answer = await Client(api).get("/dev/x")

    assert answer.status == 200
    (sent,) = transport.requests
    assert (sent.host, sent.port, sent.target) == ("backend.test", 9000, b"/a/b?k=v")


async def test_another_stage_is_forbidden() -> None:
    answer = await Client(gateway({"/x": {"get": mock()}})).get("/prod/x")

    assert (answer.status, answer.json()) == (403, {"message": "Forbidden"})
    assert answer.header("x-amzn-errortype") == "ForbiddenException"


async def test_without_the_prefix_the_stage_is_at_the_root() -> None:
    answer = await Client(gateway({"/x": {"get": mock()}}, stage_prefix=False)).get("/x")

    assert answer.status == 200


def test_row_134_two_variables_under_one_parent_are_a_problem() -> None:
    with pytest.raises(ConfigError, match=r"A sibling \(\{proxy\+\}\) of this resource already has a variable path"):
        gateway({"/{proxy+}": {"get": mock()}, "/{id}": {"get": mock()}})


def test_row_134_a_greedy_resource_has_no_children() -> None:
    with pytest.raises(ConfigError, match="Cannot create a child of a resource with a greedy path variable"):
        gateway({"/{proxy+}": {"get": mock()}, "/{proxy+}/x": {"get": mock()}})
