"""Lambda proxy integration, format 1.0: the event and the result (reference 04 section 1; rows 53-76)."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, Final

from gatewaykit.core.context import ApiFacts, context_of, path_text
from gatewaykit.core.execution_log import masked
from gatewaykit.core.http import HeaderList, Request, Response
from gatewaykit.core.payload.content_handling import decode_base64
from gatewaykit.core.payload.headers import NEVER_READABLE, REMAP_LAMBDA_PROXY, field, remap
from gatewaykit.core.payload.media_types import BinaryTypes
from gatewaykit.core.payload.trace import event_trace
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["event_headers", "masked_event", "parse_result", "proxy_event"]


def proxy_event(
    request: Request, facts: ApiFacts, stage_variables: Mapping[str, str], binary_types: BinaryTypes
) -> dict[str, Any]:
    """The event of a request whose body has been read. Empty things are null, never `{}` or `""` (row 60)."""
    headers = event_headers(request, facts)
    query = request.query
    body, encoded = request.body or b"", False
    if body and binary_types.match(request.header("content-type")):
        text, encoded = base64.b64encode(body).decode(), True
    else:
        text = body.decode("utf-8", "replace")
    return {
        "resource": request.resource,
        "path": "/" + path_text(request).lstrip("/"),
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": {name: list(values) for name, values in query.items()} or None,
        "pathParameters": dict(request.path_parameters) or None,
        "stageVariables": dict(stage_variables) or None,
        "requestContext": context_of(request, facts),
        "body": text or None,
        "isBase64Encoded": encoded,
    }


def event_headers(request: Request, facts: ApiFacts) -> dict[str, list[str]]:
    """The header fields that functions see, with every value of each."""
    headers: dict[str, list[str]] = {}
    spellings: dict[bytes, str] = {}
    for name, value in request.header_list:
        key = name.lower()
        if key not in _NOT_IN_EVENTS:
            spelling = spellings.setdefault(key, _CASING.get(key) or name.decode("latin-1"))
            headers.setdefault(spelling, []).append(value.decode("latin-1"))
    host = headers.setdefault("Host", [facts.domain_name])[-1]
    if request.trace_id:
        headers["X-Amzn-Trace-Id"] = [event_trace(request.header("x-amzn-trace-id"), request.trace_id)]
    headers["X-Forwarded-For"] = [_forwarded_for(request)]
    port = host.rpartition(":")[2]
    headers["X-Forwarded-Port"] = [port if port.isdigit() else "443" if request.scheme == "https" else "80"]
    headers["X-Forwarded-Proto"] = [request.scheme]
    return headers


def masked_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as a trace may show it: the secrets in its headers, and the API key, masked."""
    shown = masked([(name.encode("latin-1"), value.encode("latin-1")) for name, value in event["headers"].items()])
    context = event["requestContext"]
    if key := context["identity"].get("apiKey"):
        hidden = masked([(b"x-api-key", key.encode("latin-1", "replace"))])["x-api-key"]
        context = {**context, "identity": {**context["identity"], "apiKey": hidden}}
    return {
        **event,
        "headers": shown,
        "multiValueHeaders": {name: [value] for name, value in shown.items()},
        "requestContext": context,
    }


def parse_result(value: object, accept: str | None, binary_types: BinaryTypes) -> Response | Refusal:
    """The response that a function's result (any JSON value) stands for; a 502 when it stands for none."""
    if not isinstance(value, dict):
        return _malformed(f"it is {_kind(value)}, not an object")
    if unknown := [name for name in value if name not in _RESULT_KEYS]:
        return _malformed(f"it has the key {unknown[0]!r}; only {', '.join(_RESULT_KEYS)} are allowed")
    status = _status(value.get("statusCode"))
    if status is None:
        return _malformed(f"statusCode is {value['statusCode']!r}, not a status of 200 to 599")
    headers = _headers(value.get("headers"), value.get("multiValueHeaders"))
    if isinstance(headers, str):
        return _malformed(headers)
    text, encoded = value.get("body"), value.get("isBase64Encoded")
    if text is not None and not isinstance(text, str):
        return _malformed(f"body is {_kind(text)}, not a string")
    if encoded is not None and not isinstance(encoded, bool):
        return _malformed(f"isBase64Encoded is {_kind(encoded)}, not a boolean")
    body = (text or "").encode("utf-8", "replace")
    if encoded and binary_types.match(accept):
        decoded = decode_base64(body)
        if isinstance(decoded, Refusal):
            return decoded
        body = decoded
    return Response(status, headers, body)


_RESULT_KEYS: Final = ("statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded")
_NOT_IN_EVENTS: Final = NEVER_READABLE | {
    b"x-amzn-trace-id",
    b"x-forwarded-for",
    b"x-forwarded-port",
    b"x-forwarded-proto",
}
_CASING: Final = {b"authorization": "Authorization", b"host": "Host", b"user-agent": "User-Agent"}
"""Names that events spell in one way (row 61); all others keep the client's spelling."""


def _forwarded_for(request: Request) -> str:
    """What the client sent, with the address the gateway decided on as the last entry."""
    hops = [hop.strip() for hop in (request.header("x-forwarded-for") or "").split(",") if hop.strip()]
    if not hops or hops[-1] != request.address:
        hops.append(request.address)
    return ", ".join(hops)


def _malformed(why: str) -> Refusal:
    return Refusal(Reason.INTEGRATION_RESPONSE_INVALID, f"malformed Lambda proxy response: {why}")


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return {bool: "a boolean", str: "a string", list: "a list", dict: "an object"}.get(type(value), "a number")


def _status(value: object) -> int | None:
    if value is None:
        return 200
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599:
        return value
    return None


def _headers(single: object, multi: object) -> HeaderList | str:
    """The header fields of a result, or what is wrong with them.

    A name in both maps becomes one line, multi values first, spelt as in `multiValueHeaders` (row 73); `Set-Cookie`
    cannot be joined and keeps a line a value.
    """
    values: dict[str, tuple[str, list[str]]] = {}
    joined: set[str] = set()
    for what, given in (("multiValueHeaders", multi), ("headers", single)):
        if given is None:
            continue
        if not isinstance(given, dict):
            return f"{what} is {_kind(given)}, not an object"
        for name, entry in given.items():
            if what == "multiValueHeaders" and not isinstance(entry, list):
                return f"multiValueHeaders[{name!r}] is {_kind(entry)}, not a list"
            present = values.setdefault(name.lower(), (name, []))[1]
            if what == "headers" and present and name.lower() != "set-cookie":
                joined.add(name.lower())
            for each in entry if what == "multiValueHeaders" else [entry]:
                if (text := _header_text(each)) is None:
                    return f"a value of header {name!r} is neither a string nor a boolean"
                present.append(text)
    fields: HeaderList = []
    for key, (name, texts) in values.items():
        for line in [", ".join(texts)] if key in joined else texts:
            if (pair := field(name, line)) is None:
                return f"header {name!r} has a name or value that no header can hold"
            fields.append(pair)
    fields = remap(fields, REMAP_LAMBDA_PROXY)
    if not any(name.lower() == b"content-type" for name, _ in fields):
        fields.append((b"content-type", b"application/json"))
    return fields


def _header_text(value: object) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else None
