"""Small API definitions for the recorded rows: one route each, as an OpenAPI document would say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gatewaykit import Gateway, VirtualClock
from gatewaykit.testing import ScriptedTransport

LAMBDA = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"


def lambda_uri(name: str) -> str:
    return LAMBDA.format(f"arn:aws:lambda:us-east-1:123456789012:function:{name}")


def mock(template: str = '{"statusCode": 200}', **response: Any) -> dict[str, Any]:
    """A MOCK integration with one default response."""
    return {
        "type": "mock",
        "requestTemplates": {"application/json": template},
        "responses": {"default": {"statusCode": "200", **response}},
    }


def proxy(name: str = "echo", method: str = "POST", **more: Any) -> dict[str, Any]:
    return {"type": "aws_proxy", "httpMethod": method, "uri": lambda_uri(name), **more}


def document(paths: Mapping[str, Mapping[str, Any]], **root: Any) -> dict[str, Any]:
    """`paths` maps a path to verbs (`any` for ANY), and a verb to an integration or a whole operation.

    An operation without responses declares what its integration responses map.
    """
    built: dict[str, Any] = {}
    for path, verbs in paths.items():
        item = built.setdefault(path, {})
        for verb, operation in verbs.items():
            if "type" in operation:
                operation = {"x-amazon-apigateway-integration": operation}
            key = "x-amazon-apigateway-any-method" if verb == "any" else verb
            item[key] = {"responses": _declared(operation), **operation}
    return {"openapi": "3.0.1", "info": {"title": "rows", "version": "1"}, "paths": built, **root}


def _declared(operation: Mapping[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "ok"}}
    for each in operation.get("x-amazon-apigateway-integration", {}).get("responses", {}).values():
        names = [target.removeprefix("method.response.header.") for target in each.get("responseParameters", ())]
        declared = responses.setdefault(str(each["statusCode"]), {"description": "ok"}).setdefault("headers", {})
        declared |= {name: {"schema": {"type": "string"}} for name in names}
    return responses


def gateway(
    paths: Mapping[str, Mapping[str, Any]],
    *,
    functions: Mapping[str, Callable[..., Any]] | None = None,
    transport: ScriptedTransport | None = None,
    root: Mapping[str, Any] | None = None,
    stage: str = "dev",
    **options: Any,
) -> Gateway:
    """A gateway under `/{stage}`, as on the execute-api host, where the rows were recorded."""
    return Gateway.from_openapi(
        document(paths, **(root or {})),
        stage=stage,
        stage_prefix=options.pop("stage_prefix", True),
        functions=functions or {},
        transport=transport,
        clock=VirtualClock("2026-01-01T00:00Z"),
        **options,
    )
