"""uvicorn's h11 protocol, keeping header names as they were sent. For where httptools is not installed."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from gatewaykit.asgi.scope import RAW_HEADERS
from gatewaykit.server.expectation import closing_unless_asked
from gatewaykit.server.joined_writes import JoinedWrites
from gatewaykit.server.limits import MAX_HEAD_BYTES, OF_A_HOST
from gatewaykit.server.own_date import DefaultFields
from gatewaykit.server.tls import tls_extension

if TYPE_CHECKING:
    import asyncio

    from gatewaykit.asgi.types import ASGIApp, Receive, Scope, Send

__all__ = ["RawH11Protocol"]


class RawH11Protocol(H11Protocol):
    """`scope["headers"]` stays lower case, as ASGI wants it; the scope extension holds the names as sent."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn = self._connection = _Connection(h11.SERVER, MAX_HEAD_BYTES)
        self._served = cast("ASGIApp", self.app)
        self.app = self._with_raw_headers

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast("asyncio.Transport", JoinedWrites(transport, self.loop)))
        self._tls = tls_extension(transport)

    def _with_raw_headers(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        scope["extensions"] = {RAW_HEADERS: self._connection.raw_headers}
        if self._tls is not None:
            scope["extensions"]["tls"] = self._tls
        self.cycle.default_headers = DefaultFields(self.cycle.default_headers)
        app = self._served
        if self.cycle.waiting_for_100_continue:
            app = closing_unless_asked(app, self.cycle)
        return app(scope, receive, send)


class _Connection(h11.Connection):
    """Remembers the header fields of the latest request, and gives its target in origin form."""

    raw_headers: list[tuple[bytes, bytes]]

    def next_event(self) -> Any:
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.raw_headers = event.headers.raw_items()
            if any(value.translate(None, OF_A_HOST) for name, value in event.headers if name == b"host"):
                raise h11.RemoteProtocolError("the Host field holds no host (RFC 9112 section 3.2)")
            if not event.target.startswith(b"/") and event.target != b"*":
                if b"://" not in event.target:
                    raise h11.RemoteProtocolError("the request target is no path and no address")
                parts = urlsplit(event.target)
                target = (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")
                return h11.Request(
                    method=event.method, target=target, headers=event.headers, http_version=event.http_version
                )
        return event
