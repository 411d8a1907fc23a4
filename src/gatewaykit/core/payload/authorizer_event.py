"""The events of Lambda authorizers: TOKEN and REQUEST, formats 1.0 and 2.0.

Reference 02 sections 3 and 5, 06 section 3. Developer guide, "Input to an API Gateway Lambda authorizer" and "Control
access to HTTP APIs with AWS Lambda authorizers". The body of a request is never part of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from gatewaykit.core.context import ApiFacts, context_of, path_text
from gatewaykit.core.execution_log import last_four, masked
from gatewaykit.core.identity.identity_sources import Values, joined
from gatewaykit.core.payload.lambda_proxy import event_headers

if TYPE_CHECKING:
    from gatewaykit.core.http import Request

__all__ = ["authorizer_context", "masked_authorizer_event", "request_event", "token_event"]


def token_event(token: str, arn: str) -> dict[str, Any]:
    """The event of a TOKEN authorizer. The token is the raw value of its header."""
    return {"type": "TOKEN", "authorizationToken": token, "methodArn": arn}


def request_event(
    request: Request, facts: ApiFacts, arn: str, values: Values, *, api: str, payload_format: str
) -> dict[str, Any]:
    """The event of a REQUEST authorizer; `values` are those of its identity sources."""
    if payload_format == "2.0":
        return _event_2(request, facts, arn, values)
    if api == "WEBSOCKET":
        return _connect_event(request, facts, arn)
    own: dict[str, Any] = {"type": "REQUEST", "methodArn": arn}
    if api == "HTTP":
        text = ",".join(joined(values))
        own = {"version": "1.0", **own, "identitySource": text, "authorizationToken": text}
    context = authorizer_context(request, facts, "REST")
    return {
        **own,
        "resource": request.resource,
        "path": "/" + path_text(request).lstrip("/"),
        "httpMethod": request.method,
        **_headers(request, facts),
        **_query(request),
        "pathParameters": dict(request.path_parameters),
        "stageVariables": dict(request.stage_variables),
        "requestContext": context,
    }


def authorizer_context(request: Request, facts: ApiFacts, api: str) -> dict[str, Any]:
    """`$context` as an authorizer sees it: nobody has authorized the request, and its API key is not checked yet."""
    context = context_of(request, facts)
    context.pop("authorizer", None)
    context.pop("deploymentId")
    context["identity"]["apiKey"] = request.header("x-api-key")
    if api != "REST":
        context["routeKey"] = _route_key(request, api)
    return context


def masked_authorizer_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as a trace may show it: without cookies, and with its credentials masked."""
    shown = {name: value for name, value in event.items() if name != "cookies"}
    for name in ("authorizationToken", "identitySource"):
        if isinstance(given := event.get(name), str):
            shown[name] = last_four(given)
        elif given is not None:
            shown[name] = [last_four(value) for value in given]
    if "headers" in event:
        fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in event["headers"].items()]
        shown["headers"] = masked(fields)
    if "multiValueHeaders" in event:
        shown["multiValueHeaders"] = {name: [value] for name, value in shown["headers"].items()}
    if "apiKey" in (identity := event.get("requestContext", {}).get("identity", {})):
        identity = {**identity, "apiKey": last_four(identity["apiKey"])}
        shown["requestContext"] = {**event["requestContext"], "identity": identity}
    return shown


def _event_2(request: Request, facts: ApiFacts, arn: str, values: Values) -> dict[str, Any]:
    """Format 2.0: names in lower case, repeated values joined by commas, what is not there left out."""
    context = authorizer_context(request, facts, "HTTP")
    headers: dict[str, str] = {}
    for name, repeated in event_headers(request, facts).items():
        headers[name.lower()] = ",".join(repeated)
    certificate = context["identity"].get("clientCert")
    event: dict[str, Any] = {
        "version": "2.0",
        "type": "REQUEST",
        "routeArn": arn,
        "identitySource": joined(values),
        "routeKey": context["routeKey"],
        "rawPath": context["path"],
        "rawQueryString": request.query_string.decode("latin-1"),
        "cookies": [cookie.strip() for cookie in headers.pop("cookie", "").split(";") if cookie.strip()],
        "headers": headers,
        "queryStringParameters": {name: ",".join(repeated) for name, repeated in request.query.items()},
        "requestContext": {
            "accountId": facts.account_id,
            "apiId": facts.api_id,
            **({"authentication": {"clientCert": certificate}} if certificate else {}),
            "domainName": context["domainName"],
            "domainPrefix": context["domainPrefix"],
            "http": {
                "method": request.method,
                "path": context["path"],
                "protocol": context["protocol"],
                "sourceIp": request.address,
                "userAgent": request.header("user-agent") or "",
            },
            "requestId": request.id,
            "routeKey": context["routeKey"],
            "stage": facts.stage,
            "time": context["requestTime"],
            "timeEpoch": context["requestTimeEpoch"],
        },
        "pathParameters": dict(request.path_parameters),
        "stageVariables": dict(request.stage_variables),
    }
    return {name: value for name, value in event.items() if value or name not in _LEFT_OUT}


def _connect_event(request: Request, facts: ApiFacts, arn: str) -> dict[str, Any]:
    """The handshake of a WebSocket: no path, verb or body; a query only where one was sent (row 145)."""
    context = authorizer_context(request, facts, "WEBSOCKET")
    identity = {
        name: context["identity"][name]
        for name in ("sourceIp", "userAgent", "clientCert", "apiKey")
        if context["identity"].get(name)
    }
    query = {name: value for name, value in _query(request).items() if value}
    return {
        "type": "REQUEST",
        "methodArn": arn,
        **_headers(request, facts),
        **query,
        "stageVariables": dict(request.stage_variables),
        "requestContext": {
            "routeKey": "$connect",
            "eventType": "CONNECT",
            "extendedRequestId": request.extended_id,
            "requestTime": context["requestTime"],
            "messageDirection": "IN",
            "stage": facts.stage,
            "connectedAt": context["requestTimeEpoch"],
            "requestTimeEpoch": context["requestTimeEpoch"],
            "identity": identity,
            "requestId": request.id,
            "domainName": context["domainName"],
            "connectionId": request.extended_id,
            "apiId": facts.api_id,
        },
    }


_LEFT_OUT: Final = frozenset(("cookies", "queryStringParameters", "pathParameters", "stageVariables"))


def _headers(request: Request, facts: ApiFacts) -> dict[str, Any]:
    headers = event_headers(request, facts)
    return {"headers": {name: values[-1] for name, values in headers.items()}, "multiValueHeaders": headers}


def _query(request: Request) -> dict[str, Any]:
    query = request.query
    return {
        "queryStringParameters": {name: values[-1] for name, values in query.items()},
        "multiValueQueryStringParameters": {name: list(values) for name, values in query.items()},
    }


def _route_key(request: Request, api: str) -> str:
    return (
        "$connect" if api == "WEBSOCKET" else f"{request.method} {request.resource}" if request.resource else "$default"
    )
