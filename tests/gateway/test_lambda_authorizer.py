"""A Lambda authorizer in front of a REST API: what integrations, keys, logs and explanations get of it."""

from __future__ import annotations

import json
from typing import Any

from gatewaykit import ApiKey, Gateway, VirtualClock, access_log, lambda_authorizer
from gatewaykit.testing import Client
from tests.conformance.documents import document, mock, proxy

KEY = "key-0123456789abcdef"
CLOCK = VirtualClock("2026-01-15T12:00Z")


def authorize(event: Any, context: Any) -> Any:
    if event["authorizationToken"] != "Bearer let-me-in":
        raise Exception("Unauthorized")
    allow = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "arn:aws:execute-api:*:*:*/GET/*"}
    return {
        "principalId": "ann",
        "policyDocument": {"Version": "2012-10-17", "Statement": [allow]},
        "context": {"tenant": "blue", "level": 3, "ok": True},
        "usageIdentifierKey": KEY,
    }


def echo(event: Any, context: Any) -> Any:
    return {"statusCode": 200, "body": json.dumps(event["requestContext"].get("authorizer"))}


def a_gateway(*more: Any, **root: Any) -> Gateway:
    template = '{"statusCode": 200, "tenant": "$context.authorizer.tenant", "level": "$context.authorizer.level"}'
    answer = {"responseTemplates": {"application/json": "$context.authorizer.level $context.authorizer.principalId"}}
    paths = {
        "/pets": {"get": proxy("echo"), "post": proxy("echo")},
        "/mock": {"get": mock(template, **answer)},
        "/keyed": {"get": {
            "security": [{"key": []}], "x-amazon-apigateway-integration": proxy("echo"),
        }},
    }  # fmt: skip
    schemes = {"key": {"type": "apiKey", "name": "x-api-key", "in": "header"}}
    return Gateway.from_openapi(
        document(paths, components={"securitySchemes": schemes}, **root),
        functions={"echo": echo}, clock=CLOCK, api_keys=[ApiKey(id="k", name="k", value=KEY)],
        policies=[*more, lambda_authorizer(authorize, type="TOKEN", name="who")],
    )  # fmt: skip


HEADERS = {"authorization": "Bearer let-me-in"}


async def test_a_proxy_event_has_the_context_as_text_the_principal_and_the_latency() -> None:
    answer = await Client(a_gateway()).get("/pets", headers=HEADERS)

    assert json.loads(answer.body) == {
        "tenant": "blue", "level": "3", "ok": "true", "principalId": "ann", "integrationLatency": 0,
    }  # fmt: skip


async def test_templates_read_the_context() -> None:
    answer = await Client(a_gateway()).get("/mock", headers=HEADERS)

    assert answer.body == b"3 ann"


async def test_the_key_that_an_authorizer_gives_is_checked_as_any_other() -> None:
    keyed = a_gateway(**{"x-amazon-apigateway-api-key-source": "AUTHORIZER"})
    by_header = a_gateway()

    assert (await Client(keyed).get("/keyed", headers=HEADERS)).status == 200
    assert (await Client(by_header).get("/keyed", headers=HEADERS)).status == 403


async def test_access_logs_read_what_an_authorizer_said() -> None:
    lines: list[str] = []
    log = access_log("$context.authorizer.principalId $context.authorizer.tenant $context.status", sink=lines.append)
    client = Client(a_gateway(log))
    await client.get("/pets", headers=HEADERS)
    await client.get("/pets", headers={"authorization": "no"})

    assert lines == ["ann blue 200", "- - 401"]


async def test_the_execution_log_has_the_lines_of_an_authorizer_before_those_of_the_plan() -> None:  # 02 §3
    log = (await a_gateway().invoke("GET", "/pets", headers=HEADERS)).log
    wanted = [
        "Starting authorizer: who for request: ", "Incoming identity: ************e-in", "Endpoint request URI: ",
        "Endpoint request body after transformations: ", "Authorizer result body before parsing: {",
        "Using valid authorizer policy for principal: ********", "Successfully completed authorizer execution",
        "Verifying Usage Plan for request: ", "Starting execution for request: ",
    ]  # fmt: skip

    lines = [line.partition(" : ")[2] for line in log]
    places = [next(at for at, line in enumerate(lines) if line.startswith(start)) for start in wanted]

    assert places == sorted(places)
    assert KEY not in str(log)
    assert "let-me-in" not in str(log)


async def test_the_execution_log_says_what_was_wrong_with_an_answer() -> None:
    api = Gateway.from_openapi(
        document({"/pets": {"get": mock()}}), policies=[lambda_authorizer(lambda event, context: None, name="who")]
    )

    log = (await api.invoke("GET", "/pets")).log

    assert any("Authorizer result body before parsing: null" in line for line in log)
    assert any("Execution failed due to configuration error: who: the answer is null" in line for line in log)


def test_explain_says_which_statement_decided() -> None:
    allowed = a_gateway().explain("GET", "/pets", headers=HEADERS)
    denied = a_gateway().explain("POST", "/pets", headers=HEADERS)

    assert allowed.decision.allowed
    assert "statement 1 of who allows arn:aws:execute-api:us-east-1:123456789012:local/prod/GET/pets" in str(allowed)
    assert "no identity-based policy allows execute-api:Invoke on " in str(denied)
