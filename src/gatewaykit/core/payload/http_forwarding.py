"""Headers between client, gateway and HTTP back end (reference 01 section 6; rows 79-82, 87-91).

HTTP sends only what the gateway adds and what is mapped; HTTP_PROXY forwards the client's headers too. A mapped header
replaces any other of its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gatewaykit.core.http import HeaderList, Request, header_values
from gatewaykit.core.payload.headers import NOT_FORWARDED, REMAP_HTTP_PROXY, connection_names, field
from gatewaykit.core.reasons import Reason, Refusal

__all__ = ["NO_BODY_VERBS", "http_headers", "proxy_headers", "proxy_response_headers"]

NO_BODY_VERBS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
"""Verbs whose request an HTTP integration sends without a body and without a Content-Type."""

_JSON: Final = b"application/json"
_PERSISTENCE: Final = frozenset((b"keep-alive", b"close"))  # of Connection; any other word names a header


def http_headers(request: Request, mapped: Mapping[str, str], *, api_id: str, trace: str) -> HeaderList | Refusal:
    """What an HTTP integration sends (row 79). The client's verb decides on a Content-Type, not the integration's."""
    headers: HeaderList = [
        (b"Accept", _JSON),
        (b"User-Agent", f"AmazonAPIGateway_{api_id}".encode()),
        (b"X-Amzn-Apigateway-Api-Id", api_id.encode()),
        (b"X-Amzn-Trace-Id", trace.encode()),
    ]
    if request.method not in NO_BODY_VERBS:
        headers.append((b"Content-Type", request.headers.get(b"content-type", _JSON)))
    return _replace(headers, mapped)


def proxy_headers(request: Request, mapped: Mapping[str, str], *, api_id: str, trace: str) -> HeaderList | Refusal:
    """What an HTTP_PROXY integration sends (row 80)."""
    unwanted = NOT_FORWARDED
    sent = request.headers
    if b"connection" in sent:
        unwanted = unwanted | connection_names(request.header_list)
    if sent.get(b"authorization", b"").startswith(b"AWS4-HMAC-SHA256"):
        unwanted = unwanted | {b"authorization"}
    headers = [pair for pair in request.header_list if pair[0].lower() not in unwanted]
    if b"accept" not in sent:
        headers.append((b"Accept", _JSON))
    if b"user-agent" not in sent:
        headers.append((b"User-Agent", f"AmazonAPIGateway_{api_id}".encode()))
    headers.append((b"X-Amzn-Apigateway-Api-Id", api_id.encode()))
    headers.append((b"X-Amzn-Trace-Id", trace.encode()))
    return _replace(headers, mapped)


def proxy_response_headers(headers: HeaderList) -> HeaderList:
    """What an HTTP_PROXY integration hands to the client (row 81), with a length of our own where there was one."""
    renamed, dropped = REMAP_HTTP_PROXY
    answer: HeaderList = []
    listed: frozenset[bytes] = frozenset()
    lengths: list[bytes] = []
    typed = chunked = False
    for name, value in headers:
        key = name.lower()
        if key in renamed:
            if key == b"content-length":
                lengths.append(value)
            elif key == b"connection" and value.lower() not in _PERSISTENCE:
                listed = connection_names(headers)
            answer.append((b"x-amzn-Remapped-" + name, value))
        elif key not in dropped:
            typed = typed or key == b"content-type"
            answer.append((name, value))
        else:
            chunked = chunked or key == b"transfer-encoding"
    if listed:
        answer = [pair for pair in answer if pair[0].lower() not in listed]
        typed = bool(header_values(answer, b"content-type"))
    if len(lengths) == 1 and lengths[0].isdigit() and not chunked:
        answer.append((b"content-length", lengths[0]))
    if not typed:
        answer.append((b"content-type", _JSON))
    return answer


def _replace(headers: HeaderList, mapped: Mapping[str, str]) -> HeaderList | Refusal:
    if not mapped:
        return headers
    replaced = {name.lower().encode("utf-8", "replace") for name in mapped}
    headers = [pair for pair in headers if pair[0].lower() not in replaced]
    for name, value in mapped.items():
        if (pair := field(name, value)) is None:
            return Refusal(Reason.MAPPING_FAILED, f"the header {name!r} is mapped to a value that no header can hold")
        headers.append(pair)
    return headers
