"""HTTP and HTTP_PROXY: a back end behind the Transport port (reference 04 sections 4 and 9; rows 79-94).

HTTP buffers and maps; HTTP_PROXY streams both ways. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gatewaykit.core.body import MAX_BODY_BYTES, MAX_LENGTH_DIGITS, too_large
from gatewaykit.core.context import context_of
from gatewaykit.core.http import HeaderList, Request, Response
from gatewaykit.core.integration_request import IntegrationRequest
from gatewaykit.core.integration_response import IntegrationResponses
from gatewaykit.core.parameter_mapping import MappedRequest, RequestMapping, compile_request_mappings
from gatewaykit.core.payload.http_forwarding import NO_BODY_VERBS, http_headers, proxy_headers, proxy_response_headers
from gatewaykit.core.payload.log_lines import note_body, note_headers
from gatewaykit.core.payload.uri import InvalidUri, Uri, compile_uri
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import UpstreamError
from gatewaykit.integrations.shape import compile_shape, timeout_s
from gatewaykit.ports import BodySource, Outcome, UpstreamRequest, UpstreamResponse

if TYPE_CHECKING:
    from gatewaykit.definition.model import Integration
    from gatewaykit.integrations.deps import IntegrationDeps

__all__ = ["Http", "HttpProxy", "compile_http", "compile_http_proxy", "forwarded", "forwarded_body", "network_refusal"]

_REASONS: Final = {
    "timeout": Reason.INTEGRATION_TIMEOUT,
    "reset": Reason.INTEGRATION_BROKE_OFF,
    "invalid": Reason.INTEGRATION_RESPONSE_INVALID,
    "too_large": Reason.INTEGRATION_RESPONSE_TOO_LARGE,
    "address": Reason.ENDPOINT_INVALID,
}
"""What each kind of UpstreamError means; every other kind is a network error. That a refused connection is one too is
unverified on AWS (reference 04 section 4)."""


@dataclass(frozen=True, slots=True)
class _BackEnd:
    """Where the requests of one integration go, and how one is sent."""

    uri: Uri | InvalidUri
    method: str  # "" is the client's
    timeout_s: float
    deps: IntegrationDeps

    async def send(
        self,
        uri: Uri,
        request: Request,
        method: str,
        target: str,
        headers: HeaderList,
        body: bytes | AsyncIterator[bytes],
    ) -> UpstreamResponse:
        if request.events is not None:
            address = uri.origin + target
            request.note("integration", f"Endpoint request URI: {address}")
            note_headers(request, "integration", "Endpoint request headers", headers)
            shown = body if isinstance(body, bytes) else "[streamed]"
            note_body(request, "integration", "Endpoint request body after transformations", shown)
            request.note("integration", f"Sending request to {address}")
        started = self.deps.clock.monotonic()
        upstream = UpstreamRequest(method, uri.scheme, uri.host, uri.port, target.encode(), headers, body)
        try:
            response = await self.deps.transport.send(upstream, timeout_s=self.timeout_s)
        except UpstreamError as error:
            request.integration = {"status": 0, "latency_ms": self._since(started), "error": str(error)}
            raise
        latency_ms = self._since(started)
        request.integration = {"status": response.status, "latency_ms": latency_ms, "error": ""}
        request.note(
            "integration", f"Received response. Status: {response.status}, Integration latency: {latency_ms} ms"
        )
        note_headers(request, "integration", "Endpoint response headers", response.headers)
        return response

    def _since(self, started: float) -> int:
        return round((self.deps.clock.monotonic() - started) * 1000)


class Http:
    """An HTTP integration: what is sent and what comes back is what mappings and templates make of it."""

    __slots__ = ("_back_end", "_request", "_responses")

    reads_body: bool | int = True

    def __init__(self, back_end: _BackEnd, request: IntegrationRequest, responses: IntegrationResponses) -> None:
        self._back_end, self._request, self._responses = back_end, request, responses

    async def __call__(self, request: Request, /) -> Outcome:
        back_end = self._back_end
        if isinstance(uri := back_end.uri, InvalidUri):
            return _invalid_endpoint(uri)
        exchange = self._request.shape(request)
        if isinstance(exchange, Refusal):
            return exchange
        deps, mapped = back_end.deps, exchange.mapped
        method = back_end.method or request.method
        trace = deps.trace(request)
        headers = http_headers(request, mapped.headers, api_id=deps.facts.api_id, trace=trace)
        if isinstance(headers, Refusal):
            return headers
        target = uri.target(mapped.path, mapped.query.items())
        if uri.is_left_by(target):
            return _leads_out()
        request.trace_id = trace  # the client learns of a call only (reference 01 section 4)
        body = b"" if method in NO_BODY_VERBS else exchange.body
        try:
            async with asyncio.timeout(back_end.timeout_s):  # the whole answer, not only its head
                response = await back_end.send(uri, request, method, target, headers, body)
                content = await response.read(deps.max_body_bytes)
        except UpstreamError as error:
            return network_refusal(error)
        except TimeoutError:
            return network_refusal(UpstreamError("timeout", f"no whole response within {back_end.timeout_s:g} s"))
        note_body(request, "integration", "Endpoint response body before transformations", content)
        return self._responses.finish(exchange, str(response.status), response.headers, content)

    async def aclose(self) -> None:
        """The transport belongs to whoever made it."""


class HttpProxy:
    """An HTTP_PROXY integration. Its body is read before the call only if a mapping looks into it, or it was coded."""

    __slots__ = ("_back_end", "_mapping", "reads_body")

    def __init__(self, back_end: _BackEnd, mapping: RequestMapping) -> None:
        self._back_end, self._mapping = back_end, mapping
        self.reads_body: bool | int = mapping.needs_body

    async def __call__(self, request: Request, /) -> Outcome:
        back_end, mapping = self._back_end, self._mapping
        if isinstance(uri := back_end.uri, InvalidUri):
            return _invalid_endpoint(uri)
        deps = back_end.deps
        mapped = mapping.apply(request, context_of(request, deps.facts) if mapping.needs_context else {})
        if isinstance(mapped, Refusal):
            return mapped
        # The client's answer shows no trace (recorded for HTTP_PROXY), so that request.trace_id stays unset.
        headers = proxy_headers(request, mapped.headers, api_id=deps.facts.api_id, trace=deps.trace(request))
        if isinstance(headers, Refusal):
            return headers
        if request.body is None and not hasattr(request.source, "stream"):
            # It was coded, and has a length of its own now. Not every back end takes a body that does not tell it.
            whole: bytes | Refusal = await request.source.read(deps.max_body_bytes)
            if isinstance(whole, Refusal):
                return whole
            request.body = whole
        body = forwarded_body(request, headers, deps.max_body_bytes)
        if isinstance(body, Refusal):
            return body
        method = back_end.method or request.method
        target = uri.target(mapped.path, _proxy_query(request.query, mapped).items())
        if uri.is_left_by(target):
            return _leads_out()
        try:
            response = await back_end.send(uri, request, method, target, headers, body)
        except UpstreamError as error:
            return network_refusal(error)
        return await forwarded(response, proxy_response_headers(response.headers))

    async def aclose(self) -> None:
        """The transport belongs to whoever made it."""


def compile_http(integration: Integration, deps: IntegrationDeps) -> Http | list[str]:
    """Compile an HTTP integration, or say everything that is wrong with it."""
    problems: list[str] = []
    back_end = _back_end(integration, deps, problems)
    shape = compile_shape(integration, deps, "HTTP", parameters=integration.request_parameters)
    if isinstance(shape, list) or problems:
        return [*problems, *(shape if isinstance(shape, list) else ())]
    return Http(back_end, *shape)


def compile_http_proxy(integration: Integration, deps: IntegrationDeps) -> HttpProxy | list[str]:
    """Compile an HTTP_PROXY integration, or say everything that is wrong with it."""
    problems: list[str] = []
    back_end = _back_end(integration, deps, problems)
    mapping = compile_request_mappings(integration.request_parameters, deps.stage_variables, "HTTP_PROXY")
    if isinstance(mapping, list) or problems:
        return [*problems, *(mapping if isinstance(mapping, list) else ())]
    return HttpProxy(back_end, mapping)


def _back_end(integration: Integration, deps: IntegrationDeps, problems: list[str]) -> _BackEnd:
    uri = compile_uri(integration.uri, deps.stage_variables)
    if isinstance(uri, InvalidUri) and not uri.variable:
        # An unset stage variable fails the call (row 13); any other bad address was never accepted (row 135).
        problems.append(f"Invalid HTTP endpoint specified for URI: {uri.reason}")
    method = integration.http_method.upper()
    return _BackEnd(uri, "" if method == "ANY" else method, timeout_s(integration, problems), deps)


def _proxy_query(query: Mapping[str, list[str]], mapped: MappedRequest) -> Mapping[str, list[str]]:
    return {**query, **mapped.query} if mapped.query else query


def forwarded_body(request: Request, headers: HeaderList, limit: int) -> bytes | AsyncIterator[bytes] | Refusal:
    """The request body to forward: whole where it has been read, else as it comes."""
    if request.body is not None:
        return request.body
    source: BodySource = request.source
    length = request.headers.get(b"content-length")
    if length is None:
        framed = b"transfer-encoding" in request.headers or not request.http_version.startswith("1")
        return source.stream(limit) if framed else b""
    if not length.isdigit():
        return Refusal(Reason.MALFORMED_REQUEST, "Content-Length is no number")
    if len(length) > MAX_LENGTH_DIGITS or int(length) > limit:
        return too_large(limit)
    if int(length) == 0:
        return b""
    headers.append((b"Content-Length", length))
    return source.stream(limit)


def _invalid_endpoint(uri: InvalidUri) -> Refusal:
    return Refusal(Reason.ENDPOINT_INVALID, f"Invalid endpoint address: {uri.reason}")


async def forwarded(response: UpstreamResponse, headers: HeaderList) -> Outcome:
    """A back end's response handed on: streamed, or at once where the whole of it is here already."""
    if response.status > 599:
        await response.aclose()
        return Refusal(Reason.INTEGRATION_RESPONSE_INVALID, f"the back end answered with status {response.status}")
    if response.complete:
        return Response(response.status, headers, await response.read(MAX_BODY_BYTES))
    return Response(response.status, headers, response.stream(), close=response.aclose)


def _leads_out() -> Refusal:
    return Refusal(Reason.MALFORMED_REQUEST, "dot segments could lead out of the path of the integration's address")


def network_refusal(error: UpstreamError) -> Refusal:
    """What a failure of the network or the back end means for the request."""
    return Refusal(_REASONS.get(error.kind, Reason.INTEGRATION_UNREACHABLE), str(error))
