"""A reverse proxy in front of one upstream, the sidecar's endpoint: it streams both ways and changes little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewaykit.core.http import Request
from gatewaykit.core.payload.reverse_proxy import (
    forwarded_request_headers,
    forwarded_response_headers,
    forwarded_target,
)
from gatewaykit.core.payload.uri import has_dot_segments
from gatewaykit.core.reasons import Reason, Refusal
from gatewaykit.errors import UpstreamError
from gatewaykit.integrations.http import forwarded, forwarded_body, network_refusal
from gatewaykit.ports import Outcome, UpstreamRequest

if TYPE_CHECKING:
    from gatewaykit.core.payload.uri import Uri
    from gatewaykit.ports import Transport

__all__ = ["ReverseProxy"]


class ReverseProxy:
    """Forwards each request to `uri`, its path behind the upstream's own."""

    reads_body: bool | int = False

    def __init__(self, uri: Uri, transport: Transport, timeout_s: float, max_body_bytes: int) -> None:
        self._uri, self._transport = uri, transport
        self._timeout_s, self._max_body_bytes = timeout_s, max_body_bytes
        self._base = uri.target({}).rstrip("/").encode()

    async def __call__(self, request: Request, /) -> Outcome:
        path = b"/" + request.raw_path.lstrip(b"/") if self._base else request.raw_path
        if self._base and has_dot_segments(path.decode("latin-1")):
            return Refusal(Reason.MALFORMED_REQUEST, "dot segments could lead out of the upstream's base path")
        target = self._base + forwarded_target(path, request.query_string)
        headers = forwarded_request_headers(request)
        if isinstance(headers, Refusal):
            return headers
        body = forwarded_body(request, headers, self._max_body_bytes)
        if isinstance(body, Refusal):
            return body
        upstream = UpstreamRequest(
            request.method, self._uri.scheme, self._uri.host, self._uri.port, target, headers, body
        )
        try:
            response = await self._transport.send(upstream, timeout_s=self._timeout_s)
        except UpstreamError as error:
            return network_refusal(error)
        request.note("integration", f"Received response. Status: {response.status}")
        return await forwarded(response, forwarded_response_headers(response.headers))

    async def aclose(self) -> None:
        """The transport belongs to whoever made it."""
