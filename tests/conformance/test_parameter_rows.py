"""Parameter mappings through whole gateways: recorded rows 99 to 103 and 129 to 132, reference 03 section 6."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from gatewaykit import ConfigError, Gateway
from gatewaykit.openapi import read_definition
from gatewaykit.ports import UpstreamRequest
from gatewaykit.testing import Client, Reply, ScriptedTransport
from gatewaykit.testing.client import Result
from tests.conformance.documents import document, gateway, lambda_uri, mock, proxy

JSON = "application/json"
BOTH = pytest.mark.parametrize("kind", ["http", "http_proxy"])


def http(kind: str = "http", **more: Any) -> dict[str, Any]:
    default = {"responses": {"default": {"statusCode": "200"}}} if kind == "http" else {}
    return {"type": kind, "httpMethod": "POST", "uri": "http://back.test/echo", **default, **more}


def mapping(**sources: str) -> dict[str, str]:
    """`header__x="source"` is a mapping to `integration.request.header.x`."""
    return {f"integration.request.{target.replace('__', '.')}": source for target, source in sources.items()}


async def call(
    integration: Mapping[str, Any],
    path: str = "/dev/x",
    *,
    resource: str = "/x",
    variables: Mapping[str, str] | None = None,
    **options: Any,
) -> tuple[Result, list[UpstreamRequest]]:
    transport = ScriptedTransport(lambda _: Reply(body=b"{}"))
    api = gateway({resource: {"post": integration}}, transport=transport, stage_variables=variables or {})
    answer = await Client(api).post(path, **options)
    return answer, transport.requests


async def headers_of(integration: Mapping[str, Any], *more: Any, **options: Any) -> dict[str, str]:
    answer, (request,) = await call(integration, *more, **options)
    assert answer.status == 200, answer
    return {name.decode().lower(): value.decode() for name, value in request.headers}


# ------------------------------------------------------------------------------------------------- sources

SENT: dict[str, Any] = {
    "headers": [("x-a", "first"), ("X-A", "last"), ("content-type", JSON)],
    "body": b'{"pets": [{"name": "Rex"}, {"name": "Max"}], "n": null, "t": true, "deep": {"a": [1, 2.5]}}',
}


@BOTH
@pytest.mark.parametrize(
    ("source", "value"),
    [
        pytest.param("'static value'", "static value", id="03 §6: static"),
        pytest.param("context.httpMethod", "POST", id="03 §6: context"),
        pytest.param("context.identity.sourceIp", "127.0.0.1", id="03 §6: nested context"),
        pytest.param("context.authorizer.principalId", None, id="03 §6: context that is not there"),
        pytest.param("stageVariables.version", "v1", id="03 §6: a stage variable"),
        pytest.param("stageVariables.none", None, id="03 §6: a stage variable that is not set"),
        pytest.param("method.request.path.id", "a b", id="03 §6: a path parameter is decoded"),
        pytest.param("method.request.querystring.q", "2", id="03 §6: the last query value"),
        pytest.param("method.request.multivaluequerystring.q", "1,2", id="03 §6: every query value"),
        pytest.param("method.request.querystring.none", None, id="row 86: a missing query parameter"),
        pytest.param("method.request.header.x-a", "last", id="row 103: the last header"),
        pytest.param("method.request.multivalueheader.x-a", "first,last", id="row 103: every header"),
        pytest.param("method.request.header.none", None, id="row 86: a missing header"),
        pytest.param("method.request.body.pets[0].name", "Rex", id="03 §6: a path into the body"),
        pytest.param("method.request.body.pets[*].name", '["Rex","Max"]', id="03 §6: a path to many"),
        pytest.param("method.request.body..name", '["Rex","Max"]', id="03 §6: a path to any depth"),
        pytest.param("method.request.body.deep", '{"a":[1,2.5]}', id="03 §6: an object"),
        pytest.param("method.request.body.t", "true", id="03 §6: a boolean"),
        pytest.param("method.request.body.n", None, id="03 §6: null"),
        pytest.param("method.request.body.none", None, id="03 §6: a path that finds nothing"),
    ],
)
async def test_a_source_gives_its_value_or_the_mapping_is_skipped(kind: str, source: str, value: str | None) -> None:
    integration = http(kind, requestParameters=mapping(header__out=source))

    sent = await headers_of(
        integration, "/dev/pets/a%20b?q=1&q=2", resource="/pets/{id}", variables={"version": "v1"}, **SENT
    )

    assert sent.get("out") == value


@BOTH
@pytest.mark.parametrize(
    ("body", "value"),
    [
        pytest.param(b"", "{}", id="row 101: an empty body"),
        pytest.param(b' {"a" : 1}', '{"a" : 1}', id="03 §6: as it was sent"),
        pytest.param(b"plain", "plain", id="03 §6: text"),
    ],
)
async def test_the_whole_body_as_a_source(kind: str, body: bytes, value: str) -> None:
    integration = http(kind, requestParameters=mapping(header__out="method.request.body"))

    assert (await headers_of(integration, body=body))["out"] == value


@BOTH
@pytest.mark.parametrize("source", ["method.request.body", "method.request.body.a"])
@pytest.mark.parametrize(
    "body", [b"{", b"[1", b'"', b"'a"], ids=["row 102: {", "row 102: [", 'row 102: "', "row 102: '"]
)
async def test_a_body_that_only_looks_like_json_is_a_400(kind: str, source: str, body: bytes) -> None:
    answer, requests = await call(http(kind, requestParameters=mapping(header__out=source)), body=body)

    assert (answer.status, answer.body) == (400, b'{"message":"Invalid JSON in request body"}')
    assert answer.header("x-amzn-errortype") == "BadRequestException"
    assert requests == []


# ------------------------------------------------------------------------------------------------- targets


@BOTH
async def test_path_parameters_fill_the_address_and_others_stay_as_written(kind: str) -> None:
    integration = http(
        kind,
        uri="http://back.test/{owner}/{pet}/{other}",
        requestParameters=mapping(path__owner="'a/b c'", path__pet="method.request.path.id"),
    )

    _, (request,) = await call(integration, "/dev/pets/x%2Fy", resource="/pets/{id}")

    assert request.target == b"/a/b%20c/x%2Fy/%7Bother%7D"


async def test_several_values_become_several_query_parameters() -> None:
    parameters = mapping(
        querystring__every="method.request.multivaluequerystring.q", querystring__last="method.request.querystring.q"
    )

    _, (request,) = await call(http(requestParameters=parameters), "/dev/x?q=1&q=2&other=3")

    assert request.target == b"/echo?every=1&every=2&last=2"


async def test_row_86_http_sends_only_the_query_parameters_that_are_mapped() -> None:
    integration = http(
        uri="http://back.test?own={q}&fixed=1",
        requestParameters=mapping(path__q="method.request.querystring.q", querystring__own="'more'"),
    )

    _, (request,) = await call(integration, "/dev/x?q=a+b&other=3")

    assert request.target == b"/?own=a%20b&own=more&fixed=1"


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("integration.request.cookie.x", "'a'"),
        ("integration.request.header.x", "method.request.cookie.x"),
        ("integration.request.header.x", "unquoted"),
        ("integration.request.header.x", "method.request.body.pets["),
        ("method.response.header.x", "'a'"),
    ],
    ids=["a place that is none", "a source that is none", "text without quotes", "no JSONPath", "of the other side"],
)
def test_a_mapping_that_can_be_none_is_a_problem_at_start(target: str, source: str) -> None:
    with pytest.raises(ConfigError):
        gateway({"/x": {"post": http(requestParameters={target: source})}})


# ------------------------------------------------------------------------------------------------- stage variables


async def test_row_99_stage_variables_stand_anywhere_in_an_address() -> None:
    uri = "http://${stageVariables.TestHost}/${stageVariables.testPath}?${stageVariables.querystring}"
    variables = {"TestHost": "back.test:8080", "testPath": "a/b", "querystring": "q=1"}

    _, (request,) = await call(http(uri=uri), variables=variables)

    assert (request.host, request.port, request.target) == ("back.test", 8080, b"/a/b?q=1")


async def test_row_100_an_unset_stage_variable_is_empty_in_a_template() -> None:
    integration = mock(responseTemplates={JSON: "[$stageVariables.version]"})

    answer = await Client(gateway({"/x": {"get": integration}})).get("/dev/x")

    assert answer.text == "[]"


async def test_row_100_a_function_may_be_named_by_a_stage_variable() -> None:
    integration = {**proxy(), "uri": lambda_uri("${stageVariables.lambdaFunction}")}
    functions = {"orders": lambda event, context: {"statusCode": 201}}
    api = gateway({"/x": {"get": integration}}, functions=functions, stage_variables={"lambdaFunction": "orders"})

    async with api:
        answer = await Client(api).get("/dev/x")

    assert answer.status == 201


# ------------------------------------------------------------------------------------------------- responses

REPLY = Reply(
    headers=[(b"X-B", b"1"), (b"x-b", b"2"), (b"Location", b"/there")], body=b'{"redirect": {"url": "/u"}, "n": null}'
)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        pytest.param("integration.response.header.Location", "/there", id="03 §6: a header"),
        pytest.param("integration.response.header.x-b", "2", id="03 §6: the last header"),
        pytest.param("integration.response.multivalueheader.X-B", "1,2", id="03 §6: every header"),
        pytest.param("integration.response.header.none", None, id="03 §6: a missing header"),
        pytest.param("integration.response.body.redirect.url", "/u", id="03 §6: a path into the body"),
        pytest.param("integration.response.body.n", None, id="03 §6: null"),
        pytest.param("integration.response.body", '{"redirect": {"url": "/u"}, "n": null}', id="03 §6: the body"),
        pytest.param("'static'", "static", id="03 §6: static"),
        pytest.param("context.stage", "dev", id="03 §6: context"),
        pytest.param("stageVariables.none", None, id="03 §6: a stage variable that is not set"),
    ],
)
async def test_a_mapped_response_header(source: str, value: str | None) -> None:
    responses = {"default": {"statusCode": "200", "responseParameters": {"method.response.header.out": source}}}
    api = gateway({"/x": {"get": http(responses=responses)}}, transport=ScriptedTransport([REPLY]))

    answer = await Client(api).get("/dev/x")

    assert (answer.status, answer.header("out")) == (200, value)


def declaring(status: str, kind: str, declared: Mapping[str, list[str]]) -> dict[str, Any]:
    """An operation that maps X-Out to its response, and declares these headers."""
    default = {"statusCode": status, "responseParameters": {"method.response.header.X-Out": "'mapped'"}}
    integration = {**http(kind), "requestTemplates": {JSON: '{"statusCode": 200}'}, "responses": {"default": default}}
    responses = {
        code: {"description": "", "headers": {name: {"schema": {"type": "string"}} for name in names}}
        for code, names in declared.items()
    }
    return {"responses": responses, "x-amazon-apigateway-integration": integration}


@pytest.mark.parametrize("kind", ["http", "mock"])
@pytest.mark.parametrize("name", ["X-Out", "x-out"])
async def test_a_mapped_response_header_that_is_declared_is_sent(kind: str, name: str) -> None:
    operation = declaring("201", kind, {"200": [], "201": ["X-Other", name]})
    api = gateway({"/x": {"get": operation}}, transport=ScriptedTransport([REPLY]))

    answer = await Client(api).get("/dev/x")

    assert (answer.status, answer.header("x-out")) == (201, "mapped")


@pytest.mark.parametrize("kind", ["http", "mock"])
@pytest.mark.parametrize(
    "declared",
    [
        pytest.param({"201": ["X-Other"]}, id="03 §6: another header is declared"),
        pytest.param({"200": ["X-Out"]}, id="03 §6: for another status"),
        pytest.param({}, id="03 §6: not declared"),
    ],
)
def test_a_mapped_response_header_that_is_not_declared_is_a_problem_at_start(
    kind: str, declared: dict[str, list[str]]
) -> None:
    """API Gateway refuses to import it."""
    with pytest.raises(ConfigError) as raised:
        gateway({"/x": {"get": declaring("201", kind, declared)}})

    (problem,) = raised.value.problems
    assert problem.what == "Invalid mapping expression parameter specified: method.response.header.X-Out"
    assert problem.where.endswith("responseParameters/method.response.header.X-Out")


async def test_a_proxy_maps_no_response_header_and_need_not_declare_any() -> None:
    operation = declaring("201", "http_proxy", {})
    api = gateway({"/x": {"get": operation}}, transport=ScriptedTransport([REPLY]))

    assert (await Client(api).get("/dev/x")).status == 200


# ------------------------------------------------------------------------------------------------- documents


@pytest.mark.parametrize(
    ("value", "shown"),
    [(True, "true"), (False, "false"), (7, "7")],
    ids=["row 129: true", "row 129: false", "row 129: a number"],
)
async def test_row_129_a_mapping_that_is_no_text_is_dropped_with_a_warning(value: Any, shown: str) -> None:
    name = "integration.request.header.x-dropped"
    integration = http(requestParameters={name: value, **mapping(header__kept="'kept'")})

    reading = read_definition(document({"/x": {"post": integration}}))
    sent = await headers_of(integration)

    assert [warning.what for warning in reading.warnings] == [
        f"Invalid format for 'requestParameters'. Expected type string for property '{name}' "
        f"of resource '/x' and method 'POST' but got '{shown}'"
    ]
    assert ("x-dropped" in sent, sent["kept"]) == (False, "kept")


async def test_row_131_a_document_may_write_types_and_behaviours_in_any_casing() -> None:
    integration = {
        "type": "MoCk",
        "passthroughBehavior": "never",
        "requestTemplates": {"text/plain": '{"statusCode": 200}'},
        "responses": {"default": {"statusCode": 200}},
    }
    client = Client(gateway({"/x": {"any": integration}}))

    answers = [await client.post("/dev/x", headers={"content-type": kind}) for kind in ("text/plain", JSON)]

    assert [answer.status for answer in answers] == [200, 415]


async def test_row_132_a_status_code_may_be_a_number() -> None:
    integration = mock()
    integration["responses"]["default"]["statusCode"] = 202

    assert (await Client(gateway({"/x": {"get": integration}})).get("/dev/x")).status == 202


def test_row_24_a_parameter_name_stands_in_one_place_only() -> None:
    parameters = [{"name": "a", "in": place, "schema": {"type": "string"}} for place in ("header", "query")]

    with pytest.raises(ConfigError, match="Parameter names must be unique across querystring, header and path"):
        Gateway.from_openapi(
            document({"/x": {"get": {"parameters": parameters, "x-amazon-apigateway-integration": mock()}}})
        )
